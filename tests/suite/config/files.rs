use std::{fs, os::unix::fs::PermissionsExt};

use super::workshop::Workshop;

const UPSTREAM: &str = "[[upstream]]\nname = \"app\"\nmembers = [\"http://app:1\"]\n";

fn with_secret(content: &str) -> Workshop {
    let workshop =
        Workshop::new().beside("jwt", content).file("gate.toml", &format!("{UPSTREAM}[auth]\nsecret_file = \"jwt\"\n"));
    fs::set_permissions(workshop.path().join("jwt"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    workshop
}

#[test]
fn a_secret_file_becomes_the_secret_without_its_last_newline() {
    for (content, secret) in [
        ("k".repeat(32), "k".repeat(32)),
        ("k".repeat(32) + "\n", "k".repeat(32)),
        ("k".repeat(32) + "\r\n", "k".repeat(32)),
        ("k".repeat(32) + "\n\n", "k".repeat(32) + "\n"),
    ] {
        let workshop = with_secret(&content);
        let config = workshop.config();
        assert_eq!(config.auth.secret.expect("read").expose(), secret);
        assert_eq!(config.route[0].auth.secret.as_ref().expect("inherited").expose(), secret);
    }
}

#[test]
fn read_files_are_named_to_be_watched() {
    let workshop = with_secret(&"k".repeat(32)).file("tls.toml", "[tls]\ncertificate = \"gate.crt\"\nkey = \"gate.key\"\n");
    let files = workshop.load().files;
    for name in ["gate.toml", "tls.toml", "jwt", "gate.crt", "gate.key"] {
        assert!(files.contains(&workshop.path().join(name)), "{name} in {files:?}");
    }
}

#[test]
fn secret_files_that_hold_none_are_refused_once_by_name() {
    for (content, what) in [
        (Some(""), "is empty"),
        (Some(" \n"), "is empty"),
        (Some("short"), "the secret has 5 bytes and needs 32"),
        (None, "does not exist"),
    ] {
        let workshop = with_secret(content.unwrap_or_default());
        if content.is_none() {
            fs::remove_file(workshop.path().join("jwt")).expect("it was there");
        }
        let paragraphs = workshop.paragraphs();
        assert_eq!(paragraphs.len(), 1, "{paragraphs:?}");
        assert!(paragraphs[0].starts_with("refused: gate.toml:5:1: auth.secret_file: "), "{paragraphs:?}");
        assert!(paragraphs[0].contains(what), "{paragraphs:?}");
    }
}

#[test]
fn a_secret_everybody_may_read_is_a_warning() {
    let workshop = with_secret(&"k".repeat(32));
    fs::set_permissions(workshop.path().join("jwt"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let paragraphs = workshop.paragraphs();
    assert_eq!(
        paragraphs,
        ["warning: gate.toml:5:1: auth.secret_file: everybody on this machine may read jwt. Run chmod o-r jwt."]
    );
    assert!(workshop.load().config.is_some());
}

#[test]
fn keys_from_files_reach_the_fields_others_read() {
    let workshop = Workshop::new()
        .beside("seal-1", &"1".repeat(32))
        .beside("admin", &"2".repeat(16))
        .beside("pub.pem", "PEM")
        .beside("set.json", "{\"keys\":[]}")
        .beside("identity", &"3".repeat(32))
        .beside("client", "4\n")
        .file(
            "gate.toml",
            &format!(
                "{UPSTREAM}[seal]\nkeys = [\"{}\"]\nkey_files = [\"seal-1\"]\n[admin]\ntoken_file = \"admin\"\n[auth.identity]\ntoken = \"X-Id\"\n\
                 token_secret_file = \"identity\"\n[[auth.keys]]\npem_file = \"pub.pem\"\nalgorithms = [\"ES256\"]\n[[auth.keys]]\njwk_file = \"set.json\"\n\
                 [auth.authorizer]\nurl = \"http://app/\"\nkind = \"introspection\"\nclient_id = \"gate\"\nclient_secret_file = \"client\"\n",
                "0".repeat(32)
            ),
        );
    let config = workshop.load().config.unwrap_or_else(|| panic!("{:?}", workshop.paragraphs()));
    assert_eq!(config.seal.keys.iter().map(|key| key.expose().to_string()).collect::<Vec<_>>(), ["0".repeat(32), "1".repeat(32)]);
    assert_eq!(config.admin.token.expect("read").expose(), "2".repeat(16));
    assert_eq!(config.auth.keys[0].pem.as_deref(), Some("PEM"));
    assert_eq!(config.auth.keys[1].jwk.as_ref().expect("read").expose(), "{\"keys\":[]}");
    assert_eq!(config.auth.authorizer.client_secret.expect("read").expose(), "4");
    assert_eq!(config.auth.identity.token_secret.expect("read").expose(), "3".repeat(32));
}

#[test]
fn one_thing_said_two_ways_in_one_table_is_refused() {
    let workshop = Workshop::ready().file("more.toml", "[auth]\nsecret = \"x\"\nsecret_file = \"y\"\n");
    assert!(
        workshop
            .paragraphs()
            .contains(&"refused: more.toml:3:1: auth.secret_file: given together with secret. Keep one of the two.".to_string())
    );
}
