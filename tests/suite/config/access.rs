use sockgate::config::access::Standing;

use super::workshop::Workshop;

#[test]
fn routes_inherit_rules_until_they_write_their_own() {
    let text = "[access]\njoin = \"deny\"\n[[access.rule]]\njoin = [\"/\"]\n\
                [[route]]\npath = \"/a/\"\n\
                [[route]]\npath = \"/b/\"\n[route.access]\nsend = \"deny\"\n\
                [[route]]\npath = \"/c/\"\n[[route.access.rule]]\nsend = \"admin:*\"\nin = \"/x\"\nneeds = { roles = \"admin\", level = 3 }\n";
    let config = Workshop::ready().file("more.toml", text).config();
    let [a, b, c] = config.route.as_slice() else { panic!("three routes") };
    assert_eq!(a.access, config.access);
    assert_eq!((b.access.join, b.access.send), (Standing::Deny, Standing::Deny));
    assert_eq!(b.access.rule, config.access.rule);
    assert_eq!((c.access.join, c.access.send, c.access.rule.len()), (Standing::Deny, Standing::Allow, 1));
    let rule = &c.access.rule[0];
    assert_eq!((rule.send.as_deref(), rule.join.as_deref()), (Some(["admin:*".to_string()].as_slice()), None));
    assert_eq!(rule.within.as_deref(), Some(["/x".to_string()].as_slice()));
    assert_eq!((&rule.needs["roles"], &rule.needs["level"]), (&"admin".into(), &3.into()));
}

#[test]
fn rules_are_printed_with_their_source() {
    let workshop = Workshop::ready().file("more.toml", "[[access.rule]]\njoin = [\"/admin\"]\nneeds = { roles = [\"admin\"] }\n");
    assert_eq!(workshop.in_effect("access.rule.0.join"), ("[\"/admin\"]".into(), "more.toml:2:1".into()));
    assert_eq!(workshop.in_effect("access.rule.0.needs").0, "{ roles = [\"admin\"] }");
    assert_eq!(workshop.in_effect("access.join"), ("\"allow\"".into(), "default".into()));
}

#[test]
fn a_wrong_rule_from_a_variable_refuses_the_start() {
    let paragraphs = Workshop::ready().env("SOCKGATE_ACCESS__JOIN", "dney").paragraphs();
    assert!(paragraphs.iter().any(|it| it.starts_with("refused: SOCKGATE_ACCESS__JOIN: access.join: ")), "{paragraphs:?}");
}

const SCHEMA: &str = "[[access.payload]]\nevents = [\"chat:*\"]\nin = [\"/\"]\nschema_file = \"chat.json\"\n";

#[test]
fn a_schema_is_read_from_its_file_which_is_watched() {
    let workshop = Workshop::ready()
        .beside("chat.json", "{\"items\":false}\n")
        .file("more.toml", &format!("{SCHEMA}size = \"1 KiB\"\n[[route]]\npath = \"/a/\"\n"));
    let config = workshop.config();
    let [payload] = config.route[0].access.payload.as_slice() else { panic!("inherited") };
    assert_eq!((payload.schema.as_deref(), payload.size.0), (Some("{\"items\":false}"), 1024));
    assert_eq!(config.access.payload[0], *payload);
    assert!(workshop.load().files.contains(&workshop.path().join("chat.json")));
    // Everybody may read a schema.
    assert!(workshop.paragraphs().is_empty(), "{:?}", workshop.paragraphs());
}

#[test]
fn entries_for_data_that_mean_nothing_refuse_the_start_each_with_its_place() {
    for (text, expected) in [
        (SCHEMA, "access.payload.0.schema_file: chat.json does not exist"),
        ("[[access.payload]]\nschema = \"{}\"\n", "access.payload.0.events: the list is empty"),
        (
            "[[access.payload]]\nevents = [\"^a$\"]\nschema = \"{}\"\n",
            "access.payload.0.events.0: \"^a$\" looks like a regular expression",
        ),
        (
            "[[access.payload]]\nevents = [\"a\"]\nin = [\"x\"]\nschema = \"{}\"\n",
            "access.payload.0.in.0: \"x\" does not start with /",
        ),
        ("[[access.payload]]\nevents = [\"a\"]\n", "access.payload.0.schema: there is no schema to judge by"),
        ("[[access.payload]]\nevents = [\"a\"]\nschema = \"{}\"\nsize = 0\n", "access.payload.0.size: no message is that small"),
        (
            "[[access.payload]]\nevents = [\"a\"]\nschema = \"{}\"\nsize = \"2 MiB\"\n",
            "access.payload.0.size: more than 1 MiB is too much",
        ),
        ("[[access.payload]]\nevents = [\"a\"]\nschema = \"{}\"\nsise = 1\n", "access.payload.0.sise: "),
    ] {
        let paragraphs = Workshop::ready().file("more.toml", text).paragraphs();
        let told: Vec<_> =
            paragraphs.iter().filter(|it| it.starts_with("refused: more.toml:") && it.contains(expected)).collect();
        assert_eq!((told.len(), paragraphs.len()), (1, 1), "{expected}: {paragraphs:?}");
    }
}
