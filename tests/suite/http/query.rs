//! Queries: kept as they are, searched as servers search.

use proptest::prelude::*;
use sockgate::http::{Query, query::Duplicate};

fn replaced(query: &Query, name: &str, value: &str) -> Query {
    let mut text = String::new();
    query.write_replaced(name, value, &mut text);
    Query::new(text)
}

#[test]
fn pairs_are_raw_and_in_order() {
    let query = Query::new("EIO=4&a%20b=c%20d&&flag&x=1=2&EIO=5");
    let pairs: Vec<_> = query.pairs().collect();
    assert_eq!(pairs, [("EIO", "4"), ("a%20b", "c%20d"), ("flag", ""), ("x", "1=2"), ("EIO", "5")]);
}

#[test]
fn one_decodes_and_refuses_to_choose() {
    let query = Query::new("token=a%2Eb&x=1&%78=2&flag&plus=a+b");
    assert_eq!(query.one("token").unwrap().as_deref(), Some("a.b"));
    assert_eq!(query.one("flag").unwrap().as_deref(), Some(""));
    assert_eq!(query.one("plus").unwrap().as_deref(), Some("a b"));
    assert_eq!(query.one("none"), Ok(None));
    assert_eq!(query.one("x"), Err(Duplicate));
}

#[test]
fn disguises_are_seen_through() {
    for raw in ["%73id=a", "s%69d=a", "a=1;sid=a", "x;%73id", "sid=a;sid=b"] {
        let query = Query::new(raw);
        assert!(query.has("sid"), "{raw}");
        assert!(query.has_disguised("sid"), "{raw}");
    }
    let query = Query::new("sid=%73id&SID=1&xsid=2&sid%00=3&+sid=4");
    assert!(query.has("sid"));
    assert!(!query.has_disguised("sid"));
    assert_eq!(query.one("sid").unwrap().as_deref(), Some("sid"));
}

#[test]
fn a_token_is_cut_out_in_every_spelling() {
    let cases = [
        ("EIO=4&token=abc&transport=polling", "EIO=4&transport=polling"),
        ("token=abc", ""),
        ("%74oken=abc&t=1", "t=1"),
        ("token=a&token=b&&x", "&x"),
        ("x=1;token=abc&y=2", "y=2"),
        ("tokens=1&mytoken=2&Token=3", "tokens=1&mytoken=2&Token=3"),
        ("a=token&token", "a=token"),
    ];
    for (raw, cut) in cases {
        assert_eq!(Query::new(raw).without(&["token"]).as_str(), cut);
    }
}

#[test]
fn a_sid_is_replaced_where_it_stands() {
    let query = Query::new("EIO=4&transport=polling&t=a%2Bb&sid=sealed&z");
    assert_eq!(replaced(&query, "sid", "real").as_str(), "EIO=4&transport=polling&t=a%2Bb&sid=real&z");
    assert_eq!(replaced(&query, "sid", "a/b+c=&d é").as_str(), "EIO=4&transport=polling&t=a%2Bb&sid=a%2Fb%2Bc%3D%26d%20%C3%A9&z");
    assert_eq!(replaced(&query, "none", "x"), query);
    assert_eq!(replaced(&query, "sid", "real").without(&["t", "z"]).as_str(), "EIO=4&transport=polling&sid=real");
}

proptest! {
    #[test]
    fn nothing_cut_and_nothing_replaced_changes_nothing(raw in "\\PC*") {
        let query = Query::new(raw.clone());
        let without = query.without::<&str>(&[]);
        prop_assert_eq!(without.as_str(), raw.as_str());
        let uncut = query.without(&["a name that no strategy makes"]);
        prop_assert_eq!(uncut.as_str(), raw.as_str());
        let changed = replaced(&query, "a name that no strategy makes", "x");
        prop_assert_eq!(changed.as_str(), raw.as_str());
    }

    #[test]
    fn cutting_keeps_the_order_of_the_rest(raw in "([abc%;=&+]|%6[1-3]){0,24}") {
        let query = Query::new(raw.clone());
        let cut = query.without(&["a"]);
        prop_assert!(!cut.has("a"));
        prop_assert_eq!(cut.one("a"), Ok(None));
        let mut before = raw.split('&');
        let is_ordered = cut.is_empty() || cut.as_str().split('&').all(|kept| before.any(|piece| piece == kept));
        prop_assert!(is_ordered, "{} from {}", cut, raw);
    }

    #[test]
    fn a_replaced_value_is_the_only_change(sid in "[A-Za-z0-9._~-]{1,40}", value in "\\PC{0,20}", before in "[b-r=&]{0,9}", after in "[b-r=&]{0,9}") {
        let query = Query::new(format!("{before}&sid={sid}&{after}"));
        let changed = replaced(&query, "sid", &value);
        let found = changed.one("sid").unwrap().unwrap().into_owned();
        prop_assert_eq!(found, value);
        prop_assert_eq!(replaced(&changed, "sid", &sid), query);
    }
}

proptest! {
    /// What is read without decoding is what a decoder reads.
    #[test]
    fn plain_queries_are_read_as_decoders_read_them(raw in "[a-zA-Z0-9_=&~.-]{0,60}|[a-z=&%+0-9]{0,40}") {
        let query = Query::new(raw.as_str());
        let decoded: Vec<_> = form_urlencoded::parse(raw.as_bytes()).collect();
        prop_assert_eq!(query.decoded(), decoded.clone());
        for (name, value) in decoded.iter().filter(|(name, _)| !name.is_empty()) {
            prop_assert!(query.has(name));
            match query.one(name) {
                Ok(Some(one)) => prop_assert_eq!(&one, value),
                Ok(None) => prop_assert!(false, "{name} is there"),
                Err(Duplicate) => prop_assert!(decoded.iter().filter(|(other, _)| other == name).count() > 1),
            }
        }
    }
}
