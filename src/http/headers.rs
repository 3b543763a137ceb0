//! Headers that end at the gate and headers that are lists: hop-by-hop fields (RFC 9110 section 7.6.1), names an app believes
//! and a client must not choose, CORS fields of app servers, cookies. `relay` cleans what it forwards with it, `policy` reads
//! single values with it. Names are compared with `_` and `-` as the same character where an app server might do so (WSGI and
//! CGI do).

use std::{borrow::Cow, collections::HashSet};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

/// The one value of a field that may be there once. Which of two values a reader believes differs, so two are refused.
pub fn single(headers: &HeaderMap, name: impl header::AsHeaderName) -> Result<Option<&HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// A field that may be there once is there twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a header that may be given once is given twice")]
pub struct Repeated;

/// The items of a list field, over all its lines, trimmed, in order. At most 16: nobody needs more, and what walks the list
/// may be slower than this.
pub fn tokens(headers: &HeaderMap, name: impl header::AsHeaderName) -> Result<Vec<&str>, TooMany> {
    let mut items = Vec::new();
    for item in items_of(headers, name) {
        if items.len() == LIST_ITEMS {
            return Err(TooMany);
        }
        items.push(item);
    }
    Ok(items)
}

/// A list field has more items than anybody needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a list header has more than {LIST_ITEMS} items")]
pub struct TooMany;

/// Whether a list field has this item, in any case.
pub fn has_token(headers: &HeaderMap, name: impl header::AsHeaderName, token: &str) -> bool {
    items_of(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// Removes what concerns one connection only: first what `Connection` names, then the standard set. What is set afterwards
/// cannot be named away by a client. `Host` and `Content-Length` cannot be named away at all: they belong to the message.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        items_of(headers, header::CONNECTION).filter_map(|item| item.parse().ok()).filter(|name| !is_framing(name)).collect();
    for name in named {
        headers.remove(name);
    }
    drop_where(headers, |name| HOP_BY_HOP.contains(&name) || name.starts_with("proxy-"));
}

/// A copy without every spelling of these names and without what `Connection` names, with room for as many more fields.
pub fn without(headers: &HeaderMap, dropped: &NameSet, room: usize) -> HeaderMap {
    let named: Vec<&str> = items_of(headers, header::CONNECTION).collect();
    let mut kept = HeaderMap::with_capacity(headers.len() + room);
    for (name, value) in headers {
        let is_named = || named.iter().any(|item| item.eq_ignore_ascii_case(name.as_str()));
        if !dropped.contains(name.as_str()) && !is_named() {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Removes an app server's CORS fields: the gate's own are the only ones.
pub fn drop_cors(headers: &mut HeaderMap) {
    drop_where(headers, |name| name.starts_with("access-control-"));
}

/// The value of the first cookie of this name. HTTP/2 clients may send one field a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies(headers, name).next()
}

/// The values of all cookies of this name: a page of a neighbouring host can add a second one. Quotes around a value are not
/// part of it.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    crumbs(headers)
        .filter(move |crumb| crumb_name(crumb) == name.as_bytes())
        .filter_map(|crumb| std::str::from_utf8(crumb).ok()?.split_once('='))
        .map(|(_, value)| unquoted(value.trim_ascii()))
}

/// Removes every cookie of these names and joins the rest to one field, as HTTP/1.1 servers need it (RFC 9113 section 8.2.3).
pub fn without_cookie(headers: &mut HeaderMap, names: &[String]) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    let kept: Vec<&[u8]> =
        crumbs(headers).filter(|crumb| !names.iter().any(|name| name.as_bytes() == crumb_name(crumb))).collect();
    let joined = kept.join(&b"; "[..]);
    // Parts of valid values joined by valid characters are a valid value.
    let joined = HeaderValue::from_bytes(&joined).ok().filter(|value| !value.is_empty());
    headers.remove(header::COOKIE);
    headers.extend(joined.map(|value| (header::COOKIE, value)));
}

/// Header names compared as the most generous app server would: any case, `_` like `-`. A name that ends in `*` stands for
/// all that begin so.
#[derive(Clone, Debug, Default)]
pub struct NameSet {
    names: HashSet<String>,
    beginnings: Vec<String>,
}

impl NameSet {
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let mut set = Self::default();
        for name in names {
            let name = plain_spelling(name.as_ref().trim());
            match name.strip_suffix('*') {
                Some(beginning) => set.beginnings.push(beginning.to_owned()),
                None => drop(set.names.insert(name.into_owned())),
            }
        }
        set
    }

    pub fn contains(&self, name: &str) -> bool {
        let name = plain_spelling(name);
        self.names.contains(name.as_ref()) || self.beginnings.iter().any(|beginning| name.starts_with(beginning))
    }
}

/// Most names of a request have it already.
fn plain_spelling(name: &str) -> Cow<'_, str> {
    if name.contains(|character: char| character == '_' || character.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase().replace('_', "-"))
    } else {
        Cow::Borrowed(name)
    }
}

fn items_of(headers: &HeaderMap, name: impl header::AsHeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        // One item in another encoding does not hide its neighbours.
        .filter_map(|item| std::str::from_utf8(item).ok())
        .map(|item| item.trim_matches([' ', '\t']))
        .filter(|item| !item.is_empty())
}

fn drop_where(headers: &mut HeaderMap, is_dropped: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_dropped(name.as_str())).cloned().collect();
    for name in names {
        if let Entry::Occupied(entry) = headers.entry(name) {
            entry.remove_entry_mult();
        }
    }
}

fn is_framing(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH
}

/// `name=value` pieces of all cookie fields.
fn crumbs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|crumb| !crumb.is_empty())
}

fn crumb_name(crumb: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'=', crumb).unwrap_or(crumb.len());
    crumb[..end].trim_ascii_end()
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// RFC 9110 section 7.6.1 and what was in use before it. `Proxy-*` is dropped by its beginning.
pub const HOP_BY_HOP: [&str; 7] = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"];

/// Real lists have up to three items.
const LIST_ITEMS: usize = 16;
