//! What CORS tells a page (Fetch standard, "HTTP CORS protocol"): the headers of every answer and of preflights. The gate
//! owns these headers: writing removes whatever stood there, so that each is there exactly once. Header values are made
//! once per configuration; an answer copies pointers.

use std::{collections::HashSet, sync::Arc};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

use super::problem::{Cause, OriginProblem};
use crate::config;

/// What the answers to one page carry. Without a page only `Vary`, because another page might have got another answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// `Access-Control-Allow-Origin`.
    echo: Option<HeaderValue>,
    terms: Arc<Terms>,
}

/// What the configuration says to every allowed page alike.
#[derive(Debug, Eq, PartialEq)]
pub struct Terms {
    credentials: bool,
    expose: Option<HeaderValue>,
    methods: HashSet<String>,
    methods_text: HeaderValue,
    headers: HashSet<HeaderName>,
    headers_text: HeaderValue,
    max_age: HeaderValue,
    private_network: bool,
}

/// What a preflight asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish<'a> {
    pub method: &'a [u8],
    /// Values of `Access-Control-Request-Headers`, each a list.
    pub headers: Vec<&'a [u8]>,
    pub private_network: bool,
}

/// A preflight that is answered with yes.
#[derive(Clone, Debug)]
pub struct Preflight {
    cors: Cors,
    private_network: bool,
}

impl Terms {
    pub fn new(origin: &config::origin::Origin) -> Result<Self, Vec<OriginProblem>> {
        let mut problems = Vec::new();
        let mut methods = Vec::new();
        for (at, text) in origin.methods.iter().enumerate() {
            match Method::from_bytes(text.as_bytes()) {
                Ok(method) if text != "*" => methods.push(method.as_str().to_string()),
                _ => problems.push(OriginProblem::new(format!("origin.methods[{at}]"), text, Cause::MethodName)),
            }
        }
        let mut headers = names("origin.headers", &origin.headers, &mut problems);
        let expose = names("origin.expose_headers", &origin.expose_headers, &mut problems);
        if !origin.csrf_cookie.is_empty() {
            let named = std::slice::from_ref(&origin.csrf_header);
            headers.extend(names("origin.csrf_header", named, &mut problems));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let texts = |names: &[HeaderName]| list(names.iter().map(HeaderName::as_str));
        Ok(Self {
            credentials: origin.credentials,
            expose: (!expose.is_empty()).then(|| texts(&expose)),
            methods_text: list(methods.iter().map(String::as_str)),
            methods: methods.into_iter().collect(),
            headers_text: texts(&headers),
            headers: headers.into_iter().collect(),
            max_age: HeaderValue::from(origin.max_age.0.as_secs()),
            private_network: origin.private_network,
        })
    }

    pub fn is_method_allowed(&self, method: &[u8]) -> bool {
        // Browsers do not need the simple ones to be listed, so refusing them here would only look like a rule.
        std::str::from_utf8(method).is_ok_and(|method| self.methods.contains(method) || SIMPLE_METHODS.contains(&method))
    }

    /// The first asked header that is not allowed.
    pub fn stranger<'a>(&self, wish: &Wish<'a>) -> Option<&'a [u8]> {
        let asked = wish.headers.iter().flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        asked.filter(|name| !name.is_empty()).find(|name| {
            // Names are compared in lower case, which HeaderName is.
            !HeaderName::from_bytes(name).is_ok_and(|name| self.headers.contains(&name))
        })
    }
}

impl Cors {
    pub(super) fn new(echo: Option<HeaderValue>, terms: &Arc<Terms>) -> Self {
        Self { echo, terms: Arc::clone(terms) }
    }

    /// Makes these the CORS headers of an answer, whether it is a success or a refusal.
    pub fn write(&self, headers: &mut HeaderMap) {
        self.write_origin(headers);
        if let (Some(_), Some(expose)) = (&self.echo, &self.terms.expose) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// The value of `Access-Control-Allow-Origin`.
    pub fn echo(&self) -> Option<&HeaderValue> {
        self.echo.as_ref()
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn preflight(&self, wish: &Wish<'_>) -> Preflight {
        Preflight { cors: self.clone(), private_network: wish.private_network && self.terms.private_network }
    }

    fn write_origin(&self, headers: &mut HeaderMap) {
        vary_only(headers);
        let Some(echo) = &self.echo else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, echo.clone());
        if self.terms.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

impl<'a> Wish<'a> {
    /// What a request asks for if it is a preflight: OPTIONS with an Origin and a method to ask for. Several methods
    /// are no method.
    pub fn read(method: &Method, headers: &'a HeaderMap) -> Option<Self> {
        if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
            return None;
        }
        let mut methods = headers.get_all(ACCESS_CONTROL_REQUEST_METHOD).iter();
        let asked = match (methods.next()?, methods.next()) {
            (one, None) => one.as_bytes(),
            (_, Some(_)) => b"",
        };
        Some(Self {
            method: asked,
            headers: headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().map(HeaderValue::as_bytes).collect(),
            private_network: headers.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true"),
        })
    }
}

impl Preflight {
    /// The lists are the configured ones, never what the page asked for.
    pub fn write(&self, headers: &mut HeaderMap) {
        let terms = &self.cors.terms;
        self.cors.write_origin(headers);
        merge_vary(headers, &[ACCESS_CONTROL_REQUEST_METHOD.as_str(), ACCESS_CONTROL_REQUEST_HEADERS.as_str()]);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, terms.methods_text.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, terms.headers_text.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, terms.max_age.clone());
        if self.private_network {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
    }
}

/// What the answer to a page that may not ask carries: no CORS header of whatever origin, and `Vary`, or a cache would
/// give the refusal to an allowed page.
pub fn vary_only(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    merge_vary(headers, &["Origin"]);
}

/// Adds names to `Vary`, in one header, each name once. `Vary: *` already says everything, and stands for a list that is
/// longer than an honest app's.
fn merge_vary(headers: &mut HeaderMap, names: &[&'static str]) {
    let before = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut merged: Vec<&str> = Vec::new();
    for name in before.chain(names.iter().copied()).map(str::trim).filter(|name| !name.is_empty()) {
        if name == "*" || merged.len() == MOST_VARY {
            merged = vec!["*"];
            break;
        }
        if !merged.iter().any(|have| have.eq_ignore_ascii_case(name)) {
            merged.push(name);
        }
    }
    let value = list(merged.into_iter());
    headers.insert(VARY, value);
}

fn names(key: &str, written: &[String], problems: &mut Vec<OriginProblem>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for text in written {
        match HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) if text != "*" => names.push(name),
            _ => problems.push(OriginProblem::new(key.to_string(), text, Cause::HeaderName)),
        }
    }
    names
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> HeaderValue {
    let text = words.collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&text).expect("names of methods and headers are tokens, or came out of a header value")
}

const SIMPLE_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// Names in `Vary`; comparing each with each must stay cheap whatever an app sends.
const MOST_VARY: usize = 64;

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
