use proptest::prelude::*;
use sockgate::{
    config::route::{Kind, Route},
    upstream::Routes,
};

fn route(hosts: &[&str], path: &str, kind: Kind) -> Route {
    Route { hosts: hosts.iter().map(|host| (*host).into()).collect(), path: path.into(), kind, ..Route::default() }
}

#[test]
fn a_socketio_route_answers_to_its_path_alone() {
    let routes = Routes::new(&[route(&[], "/socket.io/", Kind::Socketio)]);
    assert_eq!(routes.find("any", "/socket.io/"), Some(0));
    for path in ["/socket.io", "/socket.io/x", "/socket.io//", "/", "", "/socket.iox/", "/api/socket.io/"] {
        assert_eq!(routes.find("any", path), None, "{path}");
    }
}

#[test]
fn prefixes_end_at_segments() {
    let routes = Routes::new(&[route(&[], "/app", Kind::Http), route(&[], "/files/", Kind::Websocket)]);
    for (path, found) in [
        ("/app", Some(0)),
        ("/app/", Some(0)),
        ("/app/x/y", Some(0)),
        ("/apple", None),
        ("/ap", None),
        ("/App", None),
        ("/files", None),
        ("/files/", Some(1)),
        ("/files/x", Some(1)),
        ("/", None),
        ("app", None),
        ("", None),
    ] {
        assert_eq!(routes.find("any", path), found, "{path}");
    }
}

#[test]
fn the_longest_path_wins() {
    let routes = Routes::new(&[
        route(&[], "/", Kind::Http),
        route(&[], "/api", Kind::Http),
        route(&[], "/api/v2/", Kind::Http),
        route(&[], "/api/socket.io/", Kind::Socketio),
    ]);
    for (path, found) in [
        ("/", 0),
        ("/x", 0),
        ("/apix", 0),
        ("/api", 1),
        ("/api/", 1),
        ("/api/v2", 1),
        ("/api/v2/", 2),
        ("/api/v2/deep/er", 2),
        ("/api/v3/deep/er", 1),
        ("/api/socket.io/", 3),
        ("/api/socket.io/x", 1),
    ] {
        assert_eq!(routes.find("any", path), Some(found), "{path}");
    }
}

#[test]
fn the_closest_host_with_a_matching_path_wins() {
    let routes = Routes::new(&[
        route(&[], "/", Kind::Http),
        route(&["*.example.com"], "/", Kind::Http),
        route(&["*.eu.example.com"], "/", Kind::Http),
        route(&["Shop.example.com", "example.com"], "/shop", Kind::Http),
    ]);
    for (host, path, found) in [
        ("other.org", "/shop", 0),
        ("example.com", "/", 0),
        ("example.com", "/shop", 3),
        ("shop.example.com", "/shop", 3),
        ("SHOP.EXAMPLE.COM", "/shop", 3),
        ("shop.example.com", "/other", 1),
        ("a.b.example.com", "/", 1),
        ("a.eu.example.com", "/", 2),
        ("eu.example.com", "/", 1),
        (".example.com", "/", 0),
        ("badexample.com", "/", 0),
        ("", "/", 0),
    ] {
        assert_eq!(routes.find(host, path), Some(found), "{host}{path}");
    }
}

#[test]
fn the_first_of_two_equal_routes_wins() {
    let routes = Routes::new(&[route(&[], "/a", Kind::Http), route(&[], "/a", Kind::Http)]);
    assert_eq!(routes.find("any", "/a"), Some(0));
    assert_eq!(Routes::new(&[]).find("any", "/a"), None);
}

/// The rule in its plainest words: the longest configured path that is the path or ends at one of its slashes.
fn longest(paths: &[String], path: &str) -> Option<usize> {
    let fits = |prefix: &str| {
        path == prefix || path.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || rest.starts_with('/'))
    };
    let best = paths.iter().filter(|prefix| fits(prefix)).map(String::len).max()?;
    paths.iter().position(|prefix| prefix.len() == best && fits(prefix))
}

proptest! {
    #[test]
    fn paths_are_found_as_the_plain_rule_says(
        paths in prop::collection::vec("(/[ab]{0,2}){1,4}", 0..12),
        path in "(/[ab]{0,2}){1,5}",
    ) {
        let routes = Routes::new(&paths.iter().map(|path| route(&[], path, Kind::Http)).collect::<Vec<_>>());
        prop_assert_eq!(routes.find("any", &path), longest(&paths, &path));
    }
}
