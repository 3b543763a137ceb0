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
