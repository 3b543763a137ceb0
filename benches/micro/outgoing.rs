//! What a request becomes on its way to the app: a poll, a handshake, and a request of a plain route.

use std::{
    hint::black_box,
    time::{Duration, UNIX_EPOCH},
};

use http::request::Parts;
use sockgate::{
    config::{
        auth::Auth,
        route::{Kind, Route},
        upstream::Upstream,
    },
    http::{
        Head,
        forwarded::{self, Fresh},
    },
    policy::auth::{Identity, IdentityHeaders, Places, SealedIdentity},
    relay::outgoing::{Manners, Told, request},
};

use super::{Operation, again, head};

pub fn polling() -> Operation {
    outgoing(head::poll(), Kind::Socketio, Some("lv_VI97HAXpY6yYWAAAC"))
}

pub fn websocket() -> Operation {
    outgoing(head::handshake(), Kind::Socketio, None)
}

pub fn plain_http() -> Operation {
    outgoing(head::parts("/api/rooms/7?page=2", &[]), Kind::Http, None)
}

fn outgoing(parts: Parts, kind: Kind, sid: Option<&'static str>) -> Operation {
    let from = ["header", "query:token", "cookie:session"].map(String::from).to_vec();
    let route = Route { path: "/".into(), kind, auth: Auth { from, pass_token: false, ..Auth::default() }, ..Route::default() };
    let identity = IdentityHeaders::new(&route.auth).unwrap_or_else(|problems| panic!("{problems:?}"));
    let places = Places::parse(&route.auth.from).expect("good places");
    let manners = Manners::new(&route, &Upstream::default(), identity, &places);
    let head = Head::read(&parts, &head::shape()).expect("a good request");
    let peer = head::peer();
    let client = forwarded::client(&peer, &parts.headers, &[]);
    let ana = SealedIdentity { subject: Some("ana".into()), roles: vec!["admin".into()], ..SealedIdentity::default() };
    let ana = Identity::sealed(ana);
    let fresh = Fresh { request: [0xab; 16], trace: [0x11; 16], span: [0x22; 8] };
    let made = move || {
        let told = Told {
            client: &client,
            peer: &peer,
            identity: Some(&ana),
            sid,
            fresh: &fresh,
            member_host: "10.0.0.9:3000",
            now: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        request(black_box(&parts), black_box(&head), &manners, &told)
    };
    let made_once = made();
    assert_eq!(made_once.headers()["x-forwarded-for"], "203.0.113.9");
    assert!(!made_once.headers().contains_key("authorization"), "the token stays here");
    assert!(made_once.uri().query().is_some_and(|query| sid.is_none_or(|sid| query.contains(sid))));
    again(made)
}
