//! May this page ask? One judgement a request.

use std::hint::black_box;

use http::HeaderMap;
use sockgate::{
    config::{
        Environment,
        origin::{Missing, Origin},
    },
    policy::origin::{Ask, Category, FetchSite, Judge, Page, Shown, Surroundings, Wish},
};

use super::{Operation, again};

/// The judge of a list, on the internet.
pub fn judge_of(allow: Vec<String>) -> Judge {
    let origin = Origin { allow, missing: Missing::Allow, ..Origin::default() };
    let surroundings = Surroundings { environment: Environment::Production, public_origins: &[] };
    Judge::new(&origin, &surroundings).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A GET that a browser makes for another page than ours.
pub fn ask(origin: Shown<'_>) -> Ask<'_> {
    Ask {
        origin,
        fetch_site: FetchSite::SameSite,
        own: None,
        carried_by_cookie: false,
        changes: false,
        csrf_cookie: None,
        csrf_header: None,
    }
}

fn judge() -> Judge {
    judge_of(
        ["https://app.example.com", "https://admin.example.com:8443", "https://*.customers.example.com"].map(Into::into).into(),
    )
}

pub fn listed() -> Operation {
    allowed("https://app.example.com")
}

pub fn wildcard() -> Operation {
    allowed("https://seven.customers.example.com")
}

/// No list: the gate's own page.
pub fn own() -> Operation {
    let (judge, own) = (judge(), Page::parse(b"https://gate.example.org").expect("a page"));
    let judged = move || {
        let ask = Ask { own: Some(&own), fetch_site: FetchSite::SameOrigin, ..ask(Shown::Value(b"https://gate.example.org")) };
        judge.judge(black_box(&ask))
    };
    assert!(judged().is_ok());
    again(judged)
}

/// A GET of the same origin, or no browser.
pub fn absent() -> Operation {
    let judge = judge();
    assert!(judge.judge(&ask(Shown::Absent)).is_ok_and(|grant| grant.page().is_none()));
    again(move || judge.judge(black_box(&ask(Shown::Absent))))
}

pub fn stranger() -> Operation {
    let judge = judge();
    let strange = ask(Shown::Value(b"https://evil.example.net"));
    assert_eq!(judge.judge(&strange).err().map(|refusal| refusal.category), Some(Category::Host));
    again(move || judge.judge(black_box(&strange)))
}

/// What binds a session to its page, and the headers of the answer.
pub fn grant_tag() -> Operation {
    let grant = judge().judge(&ask(Shown::Value(b"https://app.example.com"))).expect("it is listed");
    let written = move || {
        let mut headers = HeaderMap::with_capacity(8);
        grant.write(&mut headers);
        (grant.tag(), headers)
    };
    let (tag, headers) = written();
    assert_eq!(headers["access-control-allow-origin"], "https://app.example.com");
    assert!(tag.is_some());
    again(written)
}

pub fn preflight() -> Operation {
    let judge = judge();
    let wish = Wish { method: b"POST", headers: vec![b"content-type"], private_network: false };
    let ask = ask(Shown::Value(b"https://app.example.com"));
    let answered = move || judge.judge(&ask).and_then(|grant| judge.preflight(&grant, black_box(&wish)).map(drop));
    assert_eq!(answered(), Ok(()));
    again(answered)
}

fn allowed(page: &'static str) -> Operation {
    let judge = judge();
    assert_eq!(judge.judge(&ask(Shown::Value(page.as_bytes()))).expect("it is allowed").page(), Some(page));
    again(move || judge.judge(black_box(&ask(Shown::Value(page.as_bytes())))))
}
