//! Sealed texts by themselves: what goes in comes out, and nothing else comes out of anything.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;
use sockgate::{
    codec::engine::Revision,
    config::Secret,
    policy::auth::{Identity, SealedIdentity},
    relay::{
        Sealer,
        seal::{self, Note, SealError, TokenMark},
    },
    upstream::MemberId,
};

const ONE: &str = "the first key that seals session ids in tests";
const TWO: &str = "the second key that seals session ids in tests";

fn sealer(secrets: &[&str]) -> Sealer {
    let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from((*secret).to_string())).collect();
    Sealer::new(&secrets)
}

fn ana() -> SealedIdentity {
    SealedIdentity {
        subject: Some("ana".into()),
        issuer: Some("https://id.example".into()),
        roles: vec!["admin".into(), "Größe".into()],
        tenant: Some("acme".into()),
        expires: Some(2_000_000_000),
        issued: Some(1_800_000_000),
        token_id: Some("7d3f0a52-6f0e-4d4c-9d7b-1f5f5a0c8f11".into()),
        signed_by: None,
        claims: [("email".to_string(), json!("ana@example.com"))].into_iter().collect(),
    }
}

fn note() -> Note {
    Note {
        route: 7,
        member: MemberId(11),
        sid: "lv_VI97HAXpY6yYWAAAC".into(),
        is_local: false,
        revision: Revision::Four,
        identity: Some(Identity::sealed(ana())),
        token: Some(TokenMark { tag: [9; 16], by_header: true }),
        origin: Some(13),
        address: 17,
    }
}

fn is_same(one: &Note, other: &Note) -> bool {
    let parts = |note: &Note| (note.route, note.member, note.sid.clone(), note.is_local, note.token, note.origin, note.address);
    parts(one) == parts(other) && one.identity == other.identity
}

fn is_unreserved(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

prop_compose! {
    fn any_identity()(
        subject in proptest::option::of("[\\x21-\\x7e]{1,64}"),
        issuer in proptest::option::of(".{0,24}"),
        roles in proptest::collection::vec(".{0,12}", 0..4),
        tenant in proptest::option::of(".{0,16}"),
        expires in any::<Option<u64>>(),
        issued in any::<Option<u64>>(),
        token_id in proptest::option::of("[\\x21-\\x7e]{1,128}"),
        claims in proptest::collection::btree_map("[a-z.]{1,8}", any::<Option<i64>>(), 0..4),
    ) -> SealedIdentity {
        let claims = claims.into_iter().map(|(name, value)| (name, json!(value))).collect();
        SealedIdentity { subject, issuer, roles, tenant, expires, issued, token_id, signed_by: None, claims }
    }
}

prop_compose! {
    fn any_note()(
        route in any::<u64>(),
        member in any::<u64>(),
        sid in "\\PC{0,200}",
        (is_local, revision) in prop_oneof![
            Just((false, Revision::Four)),
            Just((true, Revision::Four)),
            Just((false, Revision::Three)),
        ],
        identity in proptest::option::of(any_identity()),
        token in any::<Option<([u8; 16], bool)>>(),
        // A tag of 0 is how no origin is written.
        origin in proptest::option::of(1..=u64::MAX),
        address in any::<u64>(),
    ) -> Note {
        let identity = identity.map(Identity::sealed);
        let token = token.map(|(tag, by_header)| TokenMark { tag, by_header });
        Note { route, member: MemberId(member), sid, is_local, revision, identity, token, origin, address }
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_what_is_opened(note in any_note()) {
        let sealer = sealer(&[ONE]);
        let id = sealer.seal(&note).expect("short enough");
        prop_assert!(is_unreserved(&id) && id.len() <= seal::LONGEST);
        prop_assert!(is_same(&sealer.open(&id).expect("ours"), &note));
    }

    #[test]
    fn members_in_cookies_come_back_as_they_were(member in any::<u64>()) {
        let sealer = sealer(&[ONE]);
        let mark = sealer.seal_mark(MemberId(member)).expect("short enough");
        prop_assert!(is_unreserved(&mark));
        prop_assert_eq!(sealer.open_mark(&mark), Ok(MemberId(member)));
    }

    #[test]
    fn nothing_a_client_writes_is_opened(text in "\\PC{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sealer = sealer(&[ONE, TWO]);
        for id in [text, URL_SAFE_NO_PAD.encode(bytes)] {
            prop_assert!(sealer.open(&id).is_err());
            prop_assert!(sealer.open_mark(&id).is_err());
        }
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let sealer = sealer(&[ONE]);
    let id = URL_SAFE_NO_PAD.decode(sealer.seal(&note()).expect("short enough")).expect("base64url");
    for bit in 0..id.len() * 8 {
        let mut altered = id.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let error = sealer.open(&URL_SAFE_NO_PAD.encode(altered)).expect_err("altered");
        // The first four bytes name the key.
        let expected = if bit < 32 { SealError::UnknownKey } else { SealError::Forged };
        assert_eq!(error, expected, "bit {bit}");
    }
}

#[test]
fn an_id_has_one_spelling() {
    let sealer = sealer(&[ONE]);
    let id = sealer.seal(&note()).expect("short enough");
    let last = id.chars().last().expect("not empty");
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|other| *other != last) {
        let spelled = format!("{}{other}", &id[..id.len() - 1]);
        assert!(sealer.open(&spelled).is_err(), "{last} as {other}");
    }
    // As long as another note's id would be, or as none can be: that depends on this one's length.
    assert!(sealer.open(&format!("{id}A")).is_err());
    for spelled in [format!("{id}="), format!(" {id}"), format!("{id}\n"), id.replacen(&id[..1], "%41", 1)] {
        assert_eq!(sealer.open(&spelled).expect_err("another spelling"), SealError::Form, "{spelled:?}");
    }
}

#[test]
fn an_id_that_was_cut_is_none() {
    let sealer = sealer(&[ONE]);
    let (id, mark) = (sealer.seal(&note()).expect("short enough"), sealer.seal_mark(MemberId(1)).expect("short enough"));
    for length in 0..id.len() {
        assert!(sealer.open(&id[..length]).is_err(), "{length}");
    }
    for length in 0..mark.len() {
        assert!(sealer.open_mark(&mark[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_session_id_is_no_cookie_and_a_cookie_is_no_session_id() {
    let sealer = sealer(&[ONE]);
    let (id, mark) = (sealer.seal(&note()).expect("short enough"), sealer.seal_mark(MemberId(11)).expect("short enough"));
    assert_eq!(sealer.open_mark(&id), Err(SealError::Forged));
    assert_eq!(sealer.open(&mark).expect_err("a cookie"), SealError::Forged);
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, both, new) = (sealer(&[ONE]), sealer(&[TWO, ONE]), sealer(&[TWO]));
    let (before, between) = (old.seal(&note()).expect("short enough"), both.seal(&note()).expect("short enough"));
    assert!(is_same(&both.open(&before).expect("an old one"), &note()));
    assert!(is_same(&both.open(&between).expect("its own"), &note()));
    assert!(is_same(&new.open(&between).expect("sealed with the first key"), &note()));
    assert_eq!(old.open(&between).expect_err("a key it does not have"), SealError::UnknownKey);
    assert_eq!(new.open(&before).expect_err("a key that was dropped"), SealError::UnknownKey);
}

#[test]
fn the_same_secret_means_the_same_on_every_replica_and_no_secret_is_guessed() {
    let id = sealer(&[ONE]).seal(&note()).expect("short enough");
    assert!(is_same(&sealer(&[ONE]).open(&id).expect("the same secret"), &note()));
    let alone = Sealer::ephemeral();
    let own = alone.seal(&note()).expect("short enough");
    assert!(is_same(&alone.open(&own).expect("its own"), &note()));
    for stranger in [Sealer::ephemeral(), sealer(&[ONE]), sealer(&[])] {
        assert_eq!(stranger.open(&own).expect_err("another's"), SealError::UnknownKey);
    }
    assert_eq!(sealer(&[]).seal(&note()), None, "without a key nothing is sealed");
}

#[test]
fn two_ids_of_one_session_show_nothing_in_common_but_the_key() {
    let sealer = sealer(&[ONE]);
    let [one, two] = [(); 2].map(|()| sealer.seal(&note()).expect("short enough"));
    let bytes = |id: &str| URL_SAFE_NO_PAD.decode(id).expect("base64url");
    let (one, two) = (bytes(&one), bytes(&two));
    assert_eq!(one[..4], two[..4]);
    assert_ne!(one[4..16], two[4..16], "a nonce of its own");
    let same = one[16..].iter().zip(&two[16..]).filter(|(one, two)| one == two).count();
    assert!(same < one.len() / 8, "{same} of {}", one.len());
}

#[test]
fn what_is_too_long_for_a_url_is_not_sealed() {
    let sealer = sealer(&[ONE]);
    let named = |length: usize| {
        let identity = SealedIdentity { tenant: Some("x".repeat(length)), ..ana() };
        Note { identity: Some(Identity::sealed(identity)), ..note() }
    };
    assert!(sealer.seal(&named(1000)).is_some());
    assert_eq!(sealer.seal(&named(4000)), None, "an identity");
    let called = |length: usize| Note { sid: "x".repeat(length), ..note() };
    assert!(sealer.seal(&called(1024)).is_some());
    assert_eq!(sealer.seal(&called(70_000)), None, "an app's id");
    // Neither alone is too long.
    let both = Note { sid: "x".repeat(2000), ..named(1800) };
    assert_eq!(sealer.seal(&both), None, "both together");
    assert_eq!(sealer.open(&"A".repeat(seal::LONGEST + 1)).expect_err("longer than any"), SealError::Form);
}

#[test]
fn an_identity_has_room_or_is_told_before_anything_is_opened() {
    let sealer = sealer(&[ONE]);
    for length in [0, 500, 1500, 1700, 1900, 2100, 4000] {
        let identity = Identity::sealed(SealedIdentity { tenant: Some("x".repeat(length)), ..ana() });
        // The longest id of an app that `codec/engine` takes.
        let note = Note { identity: Some(identity.clone()), sid: "x".repeat(256), ..note() };
        assert_eq!(sealer.seal(&note).is_some(), seal::has_room_for(&identity), "{length}");
    }
}

#[test]
fn a_session_is_found_by_its_member_and_its_own_id_alone() {
    let key = |change: fn(&mut Note)| {
        let mut note = note();
        change(&mut note);
        note.key()
    };
    assert_eq!(key(|note| note.identity = None), note().key(), "whoever asks");
    assert_ne!(key(|note| note.member = MemberId(12)), note().key());
    assert_ne!(key(|note| note.sid.push('x')), note().key());
    assert_ne!(key(|note| note.is_local = true), note().key(), "no app can name a session that is the gate's own");
}

#[test]
fn an_address_has_one_tag_in_every_spelling() {
    let tag = |text: &str| seal::address_tag(text.parse::<IpAddr>().expect("an address"));
    assert_eq!(tag("192.0.2.7"), tag("::ffff:192.0.2.7"));
    assert_ne!(tag("192.0.2.7"), tag("192.0.2.8"));
}
