use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str =
    "[auth]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[[upstream]]\nname = \"app\"\nmembers = [\"http://app:3001\"]\n";

fn sockgate(directory: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockgate"));
    command.args(arguments).current_dir(directory.path()).env_clear().output().expect("the program starts")
}

fn workshop(text: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory for one test");
    std::fs::create_dir(directory.path().join("config")).expect("it is new");
    std::fs::write(directory.path().join("config/sockgate.toml"), text).expect("it can be written");
    directory
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_good_configuration_is_printed_with_its_sources() {
    let output = sockgate(&workshop(GOOD), &["check", "--set", "limit.keys=500"]);
    assert_eq!(output.status.code(), Some(0));
    let text = text(&output);
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{key} in\n{text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("listen.address "), "listen.address \"127.0.0.1:8443\" default");
    assert_eq!(line("auth.secret "), "auth.secret *** config/sockgate.toml:2:1");
    assert_eq!(line("limit.keys "), "limit.keys 500 --set limit.keys");
    assert_eq!(line("upstream.0.members "), "upstream.0.members [\"http://app:3001\"] config/sockgate.toml:5:1");
    assert_eq!(line("route.0.path "), "route.0.path \"/socket.io/\" default");
    assert!(text.ends_with("\nThe gate would start.\n"), "{text}");
}

#[test]
fn a_bad_configuration_is_printed_whole_and_fails() {
    let output = sockgate(&workshop("[listen]\nworkers = \"x\"\nadress = 1\n"), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.starts_with("refused: "), "{text}");
    for part in [
        "config/sockgate.toml:2:1: listen.workers",
        "config/sockgate.toml:3:1: listen.adress",
        "The gate would not start: 4 refusals.\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn programs_read_the_same_as_json() {
    let output = sockgate(&workshop("[listen]\nadress = 1\n"), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(read["starts"], false);
    let problems = read["problems"].as_array().expect("a list");
    let unknown = problems.iter().find(|problem| problem["key"] == "listen.adress").expect("told");
    assert_eq!(
        (&unknown["severity"], &unknown["source"], &unknown["nearest"]),
        (&"refusal".into(), &"config/sockgate.toml:2:1".into(), &"listen.address".into())
    );
    assert!(read["effective"].as_array().expect("a list").len() > 50);
}

#[test]
fn a_key_is_explained_by_value_source_and_page() {
    let directory = workshop(GOOD);
    let explained = text(&sockgate(&directory, &["explain", "auth.secret"]));
    assert!(explained.starts_with("auth.secret = ***  (config/sockgate.toml:2:1)\n"), "{explained}");
    assert!(explained.contains("at least 32 bytes") && explained.contains("SOCKGATE_AUTH__SECRET"), "{explained}");
    let inherited = text(&sockgate(&directory, &["explain", "route.0.auth.secret"]));
    assert!(inherited.contains("as in the table it inherits"), "{inherited}");
    let unknown = sockgate(&directory, &["explain", "listen.adress"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&unknown.stderr), "There is no key listen.adress. Did you mean listen.address?\n");
}

#[test]
fn the_reference_is_printed_in_each_form() {
    let directory = workshop("");
    for (form, start) in [("markdown", "# Options of sockgate"), ("toml", "#:schema"), ("schema", "{")] {
        let output = sockgate(&directory, &["reference", "--format", form]);
        assert!(output.status.success() && text(&output).starts_with(start), "{form}");
    }
}

#[test]
fn the_command_line_is_wrong_with_a_code_of_its_own() {
    assert_eq!(sockgate(&workshop(""), &["chekc"]).status.code(), Some(2));
}

#[test]
fn what_only_building_finds_is_told_along_with_everything_else_and_once() {
    const BAD: &str = r#"
[listen]
adress = "127.0.0.1:0"
[tls]
certificate = "nowhere.crt"
key = "nowhere.key"
[origin]
allow = ["https://**.com", "htps://x"]
[auth]
secret = "short"
from = ["nowhere"]
[[auth.keys]]
pem = "this is no key"
[[upstream]]
name = "app"
members = ["http://app:3001", "ftp://app"]
[[upstream]]
name = "secure"
members = ["https://app:3001"]
ca = "nowhere.pem"
[[route]]
path = "/socket.io/"
upstream = "somebody"
[route.auth.identity]
subject = "Host"
[[route]]
path = "/other/"
upstream = "app"
"#;
    let output = sockgate(&workshop(BAD), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(read["starts"], false);
    let told = |problem: &serde_json::Value| problem["key"].as_str().expect("a key").to_string();
    let mut keys: Vec<String> = read["problems"].as_array().expect("a list").iter().map(told).collect();
    keys.sort();
    let expected = [
        "auth.from.0",
        "auth.keys.0",
        "auth.secret",
        "listen.adress",
        "origin.allow.0",
        "origin.allow.1",
        "route.0.auth.identity.subject",
        "route.0.upstream",
        "tls.certificate",
        "upstream.0.members.1",
        "upstream.1.ca",
    ];
    assert_eq!(keys, expected, "{}", read["problems"]);
    let line = |key: &str| {
        let problem = read["problems"].as_array().expect("a list").iter().find(|problem| problem["key"] == key);
        problem.expect("told")["source"].as_str().expect("a place").to_string()
    };
    assert_eq!(line("tls.certificate"), "config/sockgate.toml:5:1");
    assert_eq!(line("auth.keys.0"), "config/sockgate.toml:12:1");
}

#[test]
fn explain_fails_only_where_nothing_can_be_explained() {
    let (good, bad) = (workshop(GOOD), workshop("[listen]\nadress = 1\n"));
    let code = |directory: &TempDir, arguments: &[&str]| sockgate(directory, &[&["explain"], arguments].concat()).status.code();
    for (arguments, expected) in [
        (&["listen.address"][..], 0),
        (&["listen.adress"], 1),
        (&["origin", "http://localhost:5000"], 0),
        (&["origin", "https://strange.example"], 0),
        (&["origin", "https://strange.example", "--path", "/nowhere/"], 1),
        (&["token", "nonsense"], 0),
        (&["access"], 0),
        (&["access", "join", "/admin"], 0),
        (&["access", "request", "/admin"], 1),
        (&["access", "join", "/admin", "--token", "nonsense"], 0),
        (&["access", "join"], 2),
        (&["access", "leave", "/admin"], 2),
        (&[], 2),
    ] {
        assert_eq!(code(&good, arguments), Some(expected), "{arguments:?}");
    }
    assert_eq!((code(&bad, &["listen.address"]), code(&bad, &["token", "x"])), (Some(0), Some(1)));
}

#[test]
fn a_wish_is_explained_by_the_route_that_it_is_about() {
    let page = "[[route]]\npath = \"/\"\nkind = \"http\"\n[route.auth]\nwhen = \"none\"\n";
    let closed = "[[route]]\npath = \"/socket.io/\"\n[[route.access.rule]]\nsend = [\"x\"]\ndeny = true\n";
    let two = workshop(&format!("{GOOD}{page}{closed}"));
    let told = text(&sockgate(&two, &["explain", "access", "send", "x"]));
    assert!(told.starts_with("refused: ") && told.ends_with("  on the route /socket.io/\n"), "{told}");
    let three = workshop(&format!("{GOOD}{page}{closed}[[route]]\npath = \"/open/\"\n"));
    let output = sockgate(&three, &["explain", "access", "send", "x"]);
    let why = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), why.contains("--path: /socket.io/, /open/")), (Some(1), true), "{why}");
    let told = text(&sockgate(&three, &["explain", "access", "send", "x", "--path", "/open/"]));
    assert!(told.starts_with("allowed: "), "{told}");
}

#[test]
fn schemas_that_cannot_be_used_are_told_where_they_are_written() {
    let directory = workshop(&format!(
        "{GOOD}[[access.payload]]\nevents = [\"a\"]\nschema = '{{'\n\
         [[access.payload]]\nevents = [\"b\"]\nschema_file = \"b.json\"\n\
         [[route]]\npath = \"/a/\"\n[[route]]\npath = \"/b/\"\n"
    ));
    for place in ["b.json", "config/b.json"] {
        std::fs::write(directory.path().join(place), "{\"$ref\": \"http://127.0.0.1:1/b.json\"}").expect("it can be written");
    }
    let output = sockgate(&directory, &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    for part in [
        "refused: config/sockgate.toml:8:1: access.payload.0.schema: it is not JSON: ",
        "refused: config/sockgate.toml:11:1: access.payload.1.schema_file: a reference leads nowhere: ",
        "The gate would not start: 2 refusals.\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}
