//! Which socket of a service manager is for which door, and what an operator reads when one is for none.

use std::net::{SocketAddr, TcpListener, TcpStream};

use sockgate::net::inherit::{Door, InheritError, Inherited};

/// A listening socket of this name, and where it is.
fn open(name: &str) -> ((String, TcpListener), SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    ((name.into(), listener), address)
}

#[test]
fn a_socket_is_found_by_its_name_or_its_address() {
    for (name, door, is_any_port) in [
        ("public", Door::Public, true),
        ("plain", Door::Plain, true),
        ("admin", Door::Admin, false),
        ("probe", Door::Probe, false),
        // Without FileDescriptorName= it is called like its unit.
        ("sockgate.socket", Door::Public, false),
        ("unknown", Door::Admin, false),
        ("", Door::Probe, false),
    ] {
        let (socket, address) = open(name);
        let mut inherited = Inherited::of(vec![socket]).expect("it listens");
        let says = if is_any_port { "127.0.0.1:0".to_string() } else { address.to_string() };
        let claimed = inherited.claim(door, &says).expect("it fits").expect("it is there");
        assert_eq!(claimed.local_addr().expect("it is bound"), address, "{name}");
        inherited.end().expect("nothing is left");
    }
}

#[test]
fn ipv4_within_ipv6_is_the_same_address() {
    let (socket, address) = open("sockgate.socket");
    let mut inherited = Inherited::of(vec![socket]).expect("it listens");
    let says = format!("[::ffff:127.0.0.1]:{}", address.port());
    assert!(inherited.claim(Door::Public, &says).expect("it fits").is_some());
}

#[test]
fn doors_without_a_socket_are_left_to_the_gate() {
    let ((name, listener), address) = open("public");
    let mut inherited = Inherited::of(vec![(name, listener)]).expect("it listens");
    // Its address, but it is another door's by name.
    assert!(inherited.claim(Door::Admin, &address.to_string()).expect("none").is_none());
    assert!(inherited.claim(Door::Plain, "127.0.0.1:1").expect("none").is_none());
    assert!(inherited.claim(Door::Public, "no address").expect("none").is_none());
    assert!(inherited.claim(Door::Public, &address.to_string()).expect("it fits").is_some());
    assert!(Inherited::default().claim(Door::Public, "127.0.0.1:0").expect("none").is_none());
    Inherited::default().end().expect("nothing is left");
}

#[test]
fn a_named_socket_elsewhere_than_its_option_says_is_refused() {
    let (socket, address) = open("public");
    let mut inherited = Inherited::of(vec![socket]).expect("it listens");
    let refused = inherited.claim(Door::Public, "127.0.0.2:0").expect_err("another address");
    assert_eq!(
        refused,
        InheritError::Elsewhere {
            name: "public".into(),
            is: address,
            door: Door::Public,
            says: SocketAddr::from(([127, 0, 0, 2], 0))
        }
    );
    let said = refused.to_string();
    assert!(said.contains(&format!("write listen.address = \"{address}\", or ListenStream=127.0.0.2:0")), "{said}");
}

#[test]
fn what_no_option_wants_is_told_all_at_once() {
    let (plain, first) = open("plain");
    let (other, second) = open("web.socket");
    let said = Inherited::of(vec![plain, other]).expect("they listen").end().expect_err("both are left").to_string();
    assert!(said.contains(&format!("listen.plain does not want the socket \"plain\" on {first}")), "{said}");
    assert!(said.contains(&format!("no option says {second}, where the socket \"web.socket\" listens")), "{said}");
}

#[test]
fn a_connection_is_no_listening_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let connection = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("connected");
    let connection = TcpListener::from(std::os::fd::OwnedFd::from(connection));
    let said = Inherited::of(vec![("public".into(), connection)]).expect_err("Accept=yes").to_string();
    assert!(said.contains("Accept=no"), "{said}");
}
