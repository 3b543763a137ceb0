//! The session id that was shown last on a connection: opened once, and never by keys that are no longer good.

use std::sync::Arc;

use sockgate::{
    codec::engine::Revision,
    config::Secret,
    gate::wanted::LastShown,
    relay::{
        Sealer,
        seal::{Note, SealError},
    },
    upstream::MemberId,
};

fn sealer(secret: &str) -> Sealer {
    Sealer::new(&[Secret::from(secret.to_string())])
}

fn id(sealer: &Sealer, sid: &str) -> String {
    let note = Note {
        route: 1,
        member: MemberId(2),
        sid: sid.into(),
        is_local: false,
        revision: Revision::Four,
        identity: None,
        token: None,
        origin: None,
        address: 3,
    };
    sealer.seal(&note).unwrap()
}

#[test]
fn an_id_that_is_shown_again_is_not_opened_again() {
    let sealer = sealer("a key that seals session ids in this test");
    let (ana, ben) = (id(&sealer, "ana"), id(&sealer, "ben"));
    let last = LastShown::default();
    let first = last.open(&ana, 1, &sealer).unwrap();
    assert_eq!((first.sid.as_str(), first.key()), ("ana", Note::clone(&first).key()));
    assert!(Arc::ptr_eq(&first, &last.open(&ana, 1, &sealer).unwrap()));
    assert_eq!(last.open(&ben, 1, &sealer).unwrap().sid, "ben", "another session on the same connection");
    assert_eq!(last.open(&ana, 1, &sealer).unwrap().sid, "ana");
}

#[test]
fn nothing_is_remembered_of_what_did_not_open_or_of_keys_that_went() {
    let (old, new) = (sealer("a key that was in use before the reload"), sealer("a key that is in use after the reload"));
    let ana = id(&old, "ana");
    let last = LastShown::default();
    let opened = last.open(&ana, 1, &old).unwrap();
    let forged = altered(&ana);
    assert_eq!(last.open(&forged, 1, &old).unwrap_err(), SealError::Forged);
    assert!(Arc::ptr_eq(&opened, &last.open(&ana, 1, &old).unwrap()));
    assert_eq!(last.open(&ana, 2, &new).unwrap_err(), SealError::UnknownKey);
    assert_eq!(last.open(&ana, 2, &old).unwrap().sid, "ana", "where the key stayed");
}

/// The id with one character in its middle changed, whatever it was.
fn altered(id: &str) -> String {
    let (before, after) = id.split_at(id.len() / 2);
    let other = if after.starts_with('A') { 'B' } else { 'A' };
    format!("{before}{other}{}", &after[1..])
}
