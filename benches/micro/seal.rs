//! Sealed session ids: made once a session, opened with every request of it.

use std::{hint::black_box, net::IpAddr};

use sockgate::{
    codec::engine::Revision,
    config::Secret,
    policy::auth::{Identity, SealedIdentity},
    relay::{
        Sealer,
        seal::{Note, SealError, TokenMark, address_tag, short_hash},
    },
    upstream::pool::member_id,
};

use super::{Operation, again};

fn sealer() -> Sealer {
    Sealer::new(
        &[
            "the secret that seals session ids while measuring".to_owned(),
            "and the one before it, which may still open".to_owned(),
        ]
        .map(Secret::from),
    )
}

/// A session of somebody with a token, from a page.
fn note() -> Note {
    let identity = SealedIdentity {
        subject: Some("ana".into()),
        issuer: Some("https://login.example.com".into()),
        roles: vec!["admin".into(), "editor".into()],
        expires: Some(1_800_000_600),
        ..SealedIdentity::default()
    };
    Note {
        route: short_hash(b"/socket.io/"),
        member: member_id("app", "http://app-1:3000"),
        sid: "lv_VI97HAXpY6yYWAAAC".into(),
        is_local: false,
        revision: Revision::Four,
        identity: Some(Identity::sealed(identity)),
        token: Some(TokenMark { tag: [7; 16], by_header: false }),
        origin: Some(short_hash(b"https://app.example.com")),
        address: address_tag(IpAddr::from([203, 0, 113, 9])),
    }
}

pub fn seal() -> Operation {
    let (sealer, note) = (sealer(), note());
    let id = sealer.seal(&note).expect("short enough");
    assert_eq!(sealer.open(&id).expect("our own").sid, note.sid);
    again(move || sealer.seal(black_box(&note)))
}

pub fn open() -> Operation {
    let sealer = sealer();
    let id = sealer.seal(&note()).expect("short enough");
    let opened = sealer.open(&id).expect("our own");
    assert_eq!(opened.identity.and_then(|identity| identity.subject().map(str::to_owned)).as_deref(), Some("ana"));
    again(move || sealer.open(black_box(&id)))
}

/// What somebody who guesses costs.
pub fn forged() -> Operation {
    let sealer = sealer();
    let mut id = sealer.seal(&note()).expect("short enough").into_bytes();
    id[60] = if id[60] == b'A' { b'B' } else { b'A' };
    let id = String::from_utf8(id).expect("base64");
    assert_eq!(sealer.open(&id).err(), Some(SealError::Forged));
    again(move || sealer.open(black_box(&id)))
}

/// The name of the session inside the gate.
pub fn key() -> Operation {
    let note = note();
    assert_eq!(note.key(), note.key());
    again(move || black_box(&note).key())
}

/// The cookie of a plain route, there and back.
pub fn mark() -> Operation {
    let (sealer, member) = (sealer(), member_id("app", "http://app-1:3000"));
    let round_trip = move || sealer.open_mark(&sealer.seal_mark(black_box(member)).expect("short enough"));
    assert_eq!(round_trip(), Ok(member));
    again(round_trip)
}
