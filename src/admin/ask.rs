//! What the admin door is asked: which page or deed, and the parameters of it. Everything is read strictly: an unknown
//! parameter is a mistake that the operator should hear of, not one that turns a kill into something else.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;

use super::answer::{No, no};
use crate::policy::revoke::SessionName;

/// What a path of the door is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    Page(Page),
    Deed(Deed),
}

/// What is read. The first three are on the probe's door as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Page {
    Healthz,
    Readyz,
    Metrics,
    Status,
    Sessions,
    Session(SessionName),
    Revocations,
}

/// What changes something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    Kill(SessionName),
    Revoke,
    Unrevoke,
    Reload,
}

impl Path {
    /// `None`: nothing is there.
    pub fn read(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Page(Page::Healthz),
            "/readyz" => Self::Page(Page::Readyz),
            "/metrics" => Self::Page(Page::Metrics),
            "/status" => Self::Page(Page::Status),
            "/sessions" => Self::Page(Page::Sessions),
            "/revocations" => Self::Page(Page::Revocations),
            "/revoke" => Self::Deed(Deed::Revoke),
            "/unrevoke" => Self::Deed(Deed::Unrevoke),
            "/reload" => Self::Deed(Deed::Reload),
            _ => {
                let rest = path.strip_prefix("/sessions/")?;
                match rest.strip_suffix("/kill") {
                    Some(name) => Self::Deed(Deed::Kill(SessionName::read(name)?)),
                    None => Self::Page(Page::Session(SessionName::read(rest)?)),
                }
            }
        })
    }

    pub fn is_probe(self) -> bool {
        matches!(self, Self::Page(Page::Healthz | Page::Readyz | Page::Metrics))
    }
}

impl Deed {
    /// For the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Revoke => "revoke",
            Self::Unrevoke => "unrevoke",
            Self::Reload => "reload",
        }
    }
}

/// The parameters of a page: of these names, each at most once.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, No> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(no(StatusCode::BAD_REQUEST, format!("there is a parameter that is none of: {known}")));
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(no(StatusCode::BAD_REQUEST, format!("{name} is given twice")));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as what it must be. `what` says so.
    pub fn parsed<T>(&self, name: &str, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, No> {
        let parse = |text| parse(text).ok_or_else(|| no(StatusCode::BAD_REQUEST, format!("{name} must be {what}")));
        self.text(name).map(parse).transpose()
    }

    /// How many entries a page may have.
    pub fn limit(&self) -> Result<usize, No> {
        let range = |text: &str| text.parse().ok().filter(|limit| (1..=MOST_ENTRIES).contains(limit));
        Ok(self.parsed("limit", &format!("a number from 1 to {MOST_ENTRIES}"), range)?.unwrap_or(ENTRIES))
    }
}

/// The JSON object a deed is asked with.
pub async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, No> {
    let bytes = bytes(request.into_body()).await?;
    serde_json::from_slice(&bytes).map_err(|error| no(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

/// A deed that is asked for with no more than its path.
pub async fn nothing(request: Request<Incoming>) -> Result<(), No> {
    match bytes(request.into_body()).await?.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => Err(no(StatusCode::BAD_REQUEST, "this takes no body")),
    }
}

async fn bytes(body: Incoming) -> Result<Bytes, No> {
    let too_large = || no(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LARGEST_BODY} bytes"));
    // What says beforehand that it is too large is not read at all.
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, LARGEST_BODY).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(no(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(no(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

/// Longer than any honest wish: names and a reason.
const LARGEST_BODY: usize = 16 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// Entries of a list, unless asked otherwise, and at most.
const ENTRIES: usize = 100;
const MOST_ENTRIES: usize = 1_000;
