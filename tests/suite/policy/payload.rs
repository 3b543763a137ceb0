//! Schemas of events: which can be used, what fits them, what is said of the rest, and what hostile data costs.

use std::{fmt::Write, thread, time::Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use sockgate::{
    config::{access::Access, payload::Payload as Written, route::Kind, units::Size},
    policy::access::{AccessProblem, Book, Misfit, Payloads},
};

fn written(events: &[&str], schema: &str) -> Written {
    Written { events: events.iter().map(|event| event.to_string()).collect(), schema: Some(schema.into()), ..Written::default() }
}

fn payloads(entries: Vec<Written>) -> Result<Payloads, Vec<AccessProblem>> {
    Payloads::new(&Access { payload: entries, ..Access::default() }, Kind::Socketio)
}

fn judge(schema: &Value, arguments: Value) -> Result<(), Misfit> {
    let payloads = payloads(vec![written(&["x"], &schema.to_string())]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let Value::Array(arguments) = arguments else { panic!("a list") };
    payloads.of("/", "x").expect("it has a schema").judge(arguments)
}

#[test]
fn what_does_not_fit_is_told_by_place_and_rule() {
    let message = json!({
        "prefixItems": [{ "$ref": "#/$defs/message" }],
        "items": false,
        "minItems": 1,
        "$defs": {
            "message": {
                "type": "object",
                "properties": { "text": { "type": "string", "maxLength": 5 }, "to": { "type": "array", "items": { "format": "uuid" } } },
                "required": ["text"],
                "additionalProperties": { "type": "integer" },
            },
        },
    });
    for (arguments, expected) in [
        (json!([{ "text": "hi" }]), None),
        (json!([{ "text": "hi", "more": 1 }]), None),
        (json!([{ "text": "hi", "to": ["67e55044-10b1-426f-9247-bb680e5fe0c8"] }]), None),
        (json!([]), Some(("", "/minItems"))),
        (json!(["hi"]), Some(("/0", "/$defs/message/type"))),
        (json!([{}]), Some(("/0", "/$defs/message/required"))),
        (json!([{ "text": "longer" }]), Some(("/0/text", "/$defs/message/properties/text/maxLength"))),
        (json!([{ "text": "hi", "to": ["me", "you"] }]), Some(("/0/to/0", "/$defs/message/properties/to/items/format"))),
        // Names of the client's own are not repeated.
        (json!([{ "text": "hi", "secret": "x" }]), Some(("/0/*", "/$defs/message/additionalProperties/type"))),
        (json!([{ "text": "hi", "4929000000006": "x" }]), Some(("/0/*", "/$defs/message/additionalProperties/type"))),
        (json!([{ "text": "hi" }, "more"]), Some(("/1", "/items"))),
    ] {
        let expected = expected.map(|(at, rule)| Misfit { at: at.into(), rule: rule.into() });
        assert_eq!(judge(&message, arguments.clone()).err(), expected, "{arguments}");
    }
}

#[test]
fn a_misfit_reads_well_and_says_nothing_of_values() {
    let misfit = judge(&json!({ "items": { "enum": ["a"] } }), json!(["secret"])).expect_err("it does not fit");
    assert_eq!(misfit.to_string(), "/0 by /items/enum");
    let misfit = judge(&json!({ "maxItems": 0 }), json!(["secret"])).expect_err("it does not fit");
    assert_eq!(misfit.to_string(), "the arguments by /maxItems");
}

#[test]
fn circular_schemas_judge_and_do_not_say_where() {
    for (schema, is_circular) in [
        (
            json!({ "items": { "$ref": "#/$defs/a" }, "$defs": { "a": { "$ref": "#/$defs/b/not" }, "b": { "not": { "type": "number" } } } }),
            false,
        ),
        (json!({ "items": { "type": "array", "items": { "$ref": "#" } } }), true),
        (
            json!({ "items": { "$ref": "#/$defs/a" }, "$defs": { "a": { "type": ["array", "string"], "not": { "items": { "$ref": "#/$defs/a" } } } } }),
            true,
        ),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "items": { "$ref": "#/$defs/b" } }, "b": { "type": "array", "items": { "$ref": "#/$defs/a" } } } }),
            true,
        ),
        (json!({ "items": { "$anchor": "a", "type": "array" }, "contains": { "$ref": "#a" } }), true),
        (json!({ "items": { "$id": "x:y", "type": "array" } }), true),
        (json!({ "items": { "$ref": "#/properties/a" }, "properties": { "a": { "type": "array" } } }), true),
        (json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "items": false }), true),
        (json!({ "$id": "x:y", "items": { "type": "array" } }), false),
    ] {
        let misfit = judge(&schema, json!(["x"])).err().unwrap_or_else(|| panic!("{schema}"));
        assert_eq!(misfit.rule.is_empty(), is_circular, "{schema}: {misfit}");
    }
}

#[test]
fn the_first_entry_that_names_an_event_judges_it() {
    let within = |entry: Written, namespaces: &[&str]| Written {
        within: Some(namespaces.iter().map(|it| it.to_string()).collect()),
        ..entry
    };
    let book = payloads(vec![
        within(written(&["chat:secret"], "{}"), &["/x"]),
        within(written(&["chat:*", "typing"], "{}"), &["/", "/room-*"]),
        written(&["chat:message", "7"], "{}"),
    ])
    .expect("they are good");
    for (namespace, event, expected) in [
        ("/", "chat:message", Some("access.payload[1]")),
        ("/room-1", "typing", Some("access.payload[1]")),
        ("/other", "chat:message", Some("access.payload[2]")),
        ("/other", "chat:more", None),
        ("/x", "chat:secret", Some("access.payload[0]")),
        ("/", "chat:secret", Some("access.payload[1]")),
        ("/", "7", Some("access.payload[2]")),
        ("/", "Typing", None),
    ] {
        assert_eq!(book.of(namespace, event).map(|it| it.to_string()).as_deref(), expected, "{namespace} {event}");
    }
    let access = Access { payload: vec![written(&["x"], "{")], ..Access::default() };
    assert!(Payloads::new(&access, Kind::Http).expect("no events there").is_empty());
    let book = Book::new(&Access::default(), Kind::Socketio).expect("no rules");
    assert!(!book.looks_inside());
    assert!(book.with(payloads(vec![written(&["x"], "true")]).expect("good").into()).looks_inside());
}

#[test]
fn schemas_that_cannot_be_used_are_refused_with_a_reason() {
    for (schema, what) in [
        ("", "it is not JSON: "),
        ("{", "it is not JSON: "),
        ("{} {}", "it is not JSON: "),
        ("[\"x\"]", "the schema is not what JSON Schema has there: "),
        (r#"{"type":"list"}"#, "/type is not what JSON Schema has there: "),
        (r#"{"type":"array","type":"object"}"#, "a key is there twice"),
        (r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#, "it is written for another version of JSON Schema"),
        (r#"{"$ref":"http://127.0.0.1:1/x.json"}"#, "a reference leads nowhere: "),
        (r#"{"$ref":"file:///etc/passwd"}"#, "a reference leads nowhere: "),
        (r#"{"$ref":"other.json"}"#, "a reference leads nowhere: "),
        (r##"{"$ref":"#/$defs/none"}"##, "a reference leads nowhere: "),
        (r##"{"items":{"allOf":[{"$dynamicRef":"http://x.example/y#z"}]}}"##, "a reference leads nowhere: "),
        (r#"{"items":{"pattern":"(?=a)b"}}"#, "/items/pattern has a pattern that cannot be used: "),
        (r#"{"items":{"pattern":"(a)\\1"}}"#, "/items/pattern has a pattern that cannot be used: "),
        (r#"{"items":{"pattern":"^((\\pL{500}){500}){50}$"}}"#, "/items/pattern has a pattern that cannot be used: "),
        (r#"{"patternProperties":{"(?!a)":true}}"#, "/patternProperties/(?!a) has a pattern that cannot be used: "),
        (r#"{"items":{"properties":{"a":{"maxlength":3}}}}"#, "JSON Schema has no word \"maxlength\""),
        (r#"{"$defs":{"a":{"oneOf":[{"require":["b"]}]}}}"#, "JSON Schema has no word \"require\""),
        (r#"{"items":{"format":"regex"}}"#, "the format \"regex\" is none that is judged"),
        (r#"{"items":{"format":"e-mail"}}"#, "the format \"e-mail\" is none that is judged"),
    ] {
        let problems = payloads(vec![written(&["x"], "{}"), written(&["y"], schema)]).err().expect(schema);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, "access.payload.1.schema", "{schema}");
        assert!(problems[0].what.starts_with(what), "{schema}: {:?}", problems[0]);
        assert!(problems[0].what.chars().count() < 300, "{:?}", problems[0]);
    }
}

#[test]
fn every_schema_that_is_wrong_is_told_where_it_is_written() {
    let file = Written { schema_file: Some("chat.json".into()), ..written(&["x"], "{") };
    let problems = payloads(vec![written(&["x"], r#"{"typ":1,"itms":2}"#), file]).err().expect("both are wrong");
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["access.payload.0.schema", "access.payload.0.schema", "access.payload.1.schema_file"]);
}

#[test]
fn words_of_ones_own_and_values_may_be_anything() {
    let schema = json!({
        "x-owner": { "nobody": 1 },
        "$defs": { "typ": { "enum": [{ "typ": 1 }] } },
        "properties": { "typ": true },
        "default": { "typ": 1 },
        "const": [{ "typ": 1 }],
    });
    assert_eq!(judge(&schema, json!([{ "typ": 1 }])), Ok(()));
}

/// References that lead to themselves end, and the data is judged by what else there is.
#[test]
fn circles_of_references_end() {
    for schema in [
        json!({ "$ref": "#", "maxItems": 1 }),
        json!({ "allOf": [{ "$ref": "#" }], "maxItems": 1 }),
        json!({ "$dynamicAnchor": "x", "$dynamicRef": "#x", "maxItems": 1 }),
        json!({ "$ref": "#/$defs/a", "maxItems": 1, "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "allOf": [{ "$ref": "#/$defs/a" }] } } }),
    ] {
        assert_eq!(judge(&schema, json!([1])), Ok(()), "{schema}");
        assert!(judge(&schema, json!([1, 2])).is_err(), "{schema}");
    }
}

/// The largest data against schemas that do the most with it. Times are those of an unoptimised build on a busy machine, a
/// hundred times what they are; what they exclude is time that grows faster than data.
#[test]
fn hostile_data_costs_no_more_than_its_size() {
    const ITEMS: usize = 20_000;
    let list = |item: fn(usize) -> Value| Value::Array((0..ITEMS).map(item).collect());
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let several = json!({ "$defs": { "n": { "anyOf": [
        { "items": { "$ref": "#/$defs/n" }, "minItems": 9 },
        { "items": { "$ref": "#/$defs/n" }, "minItems": 8 },
        { "items": { "$ref": "#/$defs/n" }, "minItems": 7 },
        { "type": "string" },
    ] } }, "$ref": "#/$defs/n" });
    for (schema, data) in [
        (json!({ "uniqueItems": true }), list(|number| json!([number]))),
        (json!({ "uniqueItems": true }), list(|number| json!({ "a": number, "b": 1 }))),
        (json!({ "uniqueItems": true }), list(|number| json!(number as f64 + 0.5))),
        (json!({ "contains": { "type": "object" } }), list(|_| json!(0))),
        (json!({ "anyOf": [{ "items": { "type": "string" } }, { "items": { "type": "object" } }] }), list(|_| json!(0))),
        (json!({ "items": { "multipleOf": 0.01 } }), list(|_| json!(1.797_693_134_862_315_7e308))),
        (json!({ "items": { "pattern": "^(a+)+$" } }), json!(["a".repeat(60_000) + "b"])),
        (json!({ "items": { "pattern": "(x+x+)+y" } }), json!(["x".repeat(60_000)])),
        (json!({ "items": { "format": "email" } }), json!(["a.".repeat(30_000) + "@b"])),
        (json!({ "items": { "format": "uri-template" } }), json!(["{".repeat(60_000)])),
        (json!({ "items": { "format": "hostname" } }), json!(["a.".repeat(30_000)])),
        (json!({ "items": { "format": "ipv6" } }), json!([":".repeat(60_000)])),
        (several, nested(120)),
    ] {
        let started = Instant::now();
        let _ = judge(&schema, json!([data]));
        assert!(started.elapsed().as_secs() < 10, "{schema}");
    }
}

/// A worker's stack holds the deepest data against a schema that goes around at every level.
#[test]
fn the_deepest_data_fits_the_stack_of_a_worker() {
    let mut around = json!({ "items": { "$ref": "#/$defs/n" }, "additionalProperties": { "$ref": "#/$defs/n" } });
    for _ in 0..4 {
        around =
            json!({ "allOf": [{ "anyOf": [{ "oneOf": [{ "if": true, "then": around }] }] }], "unevaluatedProperties": true });
    }
    let schema = json!({ "$defs": { "n": around }, "$ref": "#/$defs/n" });
    let worker = thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let data = (0..126).fold(json!(1), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
        judge(&schema, json!([data]))
    });
    assert_eq!(worker.expect("a thread").join().expect("its stack was enough"), Ok(()));
}

#[test]
fn sizes_have_their_own_limit() {
    for (size, is_good) in [(Size(0), false), (Size(1), true), (Size(1 << 20), true), (Size((1 << 20) + 1), false)] {
        let entry = Written { size, ..written(&["x"], "{}") };
        assert_eq!(payloads(vec![entry]).is_ok(), is_good, "{size}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|.{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever the data is, it is judged, and what is said of it has names of the schema and numbers only.
    #[test]
    fn any_data_is_judged(arguments in prop::collection::vec(any_json(), 0..4)) {
        let schema = json!({
            "prefixItems": [{ "type": "object", "properties": { "a": { "type": "string" } }, "patternProperties": { "^b": { "minimum": 3, "type": "number" } }, "additionalProperties": { "type": "boolean" } }],
            "items": { "anyOf": [{ "type": "array", "items": { "type": "integer" }, "uniqueItems": true }, { "type": "string", "maxLength": 2 }] },
        });
        if let Err(misfit) = judge(&schema, Value::Array(arguments)) {
            let is_known = |step: &str| step == "*" || step == "a" || step.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(misfit.at.split('/').skip(1).all(is_known), "{}", misfit);
        }
    }

    /// Whatever an operator writes is a schema or is told.
    #[test]
    fn any_text_is_a_schema_or_told(text in ".{0,64}", value in any_json()) {
        for text in [text, value.to_string(), json!({ "items": value, "properties": value, "pattern": value }).to_string()] {
            let mut told = String::new();
            if let Err(problems) = payloads(vec![written(&["x"], &text)]) {
                problems.iter().for_each(|problem| write!(told, "{}{}", problem.what, problem.instead).expect("a text"));
                prop_assert!(!told.is_empty());
            }
        }
    }
}
