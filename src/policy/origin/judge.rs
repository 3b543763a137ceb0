//! May this page ask? One judge per configuration, asked on every request: polls, posts, preflights and WebSocket
//! upgrades, which CORS does not cover. It reads nothing but its arguments. A yes is a `Grant`, which also writes the CORS
//! headers; a no is an `OriginRefusal`.
//!
//! The order is meaning: first the page (a wrong one learns nothing more), then what the browser says about it
//! (`Sec-Fetch-Site`), then forgery of requests that carry a cookie.

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue};
use aws_lc_rs::{constant_time, digest};

use super::{
    cors::{Cors, Preflight, Terms, Wish},
    list::{Entry, List},
    near::Difference,
    page::{FetchSite, Page, PageError, Shown},
    problem::OriginProblem,
    refusal::{Category, OriginRefusal},
};
use crate::config::{
    Environment,
    origin::{Missing, Origin},
};

/// The rules of one `[origin]`.
#[derive(Debug)]
pub struct Judge {
    list: List,
    terms: Arc<Terms>,
    missing: Missing,
    /// Whether the gate's own origin, as a request names it, is allowed.
    own: Own,
    csrf: Option<Csrf>,
}

/// What stands around `[origin]` and decides about it.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub environment: Environment,
    /// `listen.public_origins`.
    pub public_origins: &'a [String],
}

/// What a request shows of its page.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub origin: Shown<'a>,
    pub fetch_site: FetchSite,
    /// The gate itself as this request names it.
    pub own: Option<&'a Page>,
    /// The token came in a cookie, which browsers send whoever asks.
    pub carried_by_cookie: bool,
    /// The request changes something: a POST, or anything but a read.
    pub changes: bool,
    /// The value of the cookie that `Judge::csrf` names.
    pub csrf_cookie: Option<&'a [u8]>,
    /// The value of the header that `Judge::csrf` names.
    pub csrf_header: Option<&'a [u8]>,
}

/// Where the double-submit token is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Csrf {
    pub cookie: String,
    pub header: HeaderName,
}

/// Proof that the page may ask.
#[derive(Clone, Debug)]
pub struct Grant {
    page: Option<Box<str>>,
    cors: Cors,
}

/// Whose word about the gate's own origin is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Own {
    Refused,
    /// `listen.public_origins` says it; they are entries of the list.
    Listed,
    /// The request says it.
    Asked,
}

impl Judge {
    /// The judge of this configuration, or everything that is wrong with it.
    pub fn new(origin: &Origin, surroundings: &Surroundings<'_>) -> Result<Self, Vec<OriginProblem>> {
        let list = List::new(origin, surroundings.public_origins, surroundings.environment);
        let (list, terms) = match (list, Terms::new(origin)) {
            (Ok(list), Ok(terms)) => (list, terms),
            (list, terms) => return Err([list.err(), terms.err()].into_iter().flatten().flatten().collect()),
        };
        let own = match (origin.own, surroundings.public_origins) {
            (false, _) => Own::Refused,
            (true, []) => Own::Asked,
            (true, _) => Own::Listed,
        };
        // `Terms` has read the name and would have complained.
        let header = HeaderName::from_bytes(origin.csrf_header.as_bytes()).ok();
        let csrf = header.filter(|_| !origin.csrf_cookie.is_empty());
        let csrf = csrf.map(|header| Csrf { cookie: origin.csrf_cookie.clone(), header });
        Ok(Self { list, terms: Arc::new(terms), missing: origin.missing, own, csrf })
    }

    pub fn judge(&self, ask: &Ask<'_>) -> Result<Grant, OriginRefusal> {
        let grant = match ask.origin {
            Shown::Repeated => Err(OriginRefusal::new(Category::Malformed, b"several Origin headers")),
            Shown::Absent => self.judge_absent(ask),
            Shown::Value(value) => self.judge_shown(value, ask),
        }?;
        self.judge_forgery(ask).map_err(|category| {
            let shown = grant.page.as_deref().unwrap_or("no Origin");
            OriginRefusal::new(category, shown.as_bytes()).readable(&grant.cors)
        })?;
        Ok(grant)
    }

    /// Answers a preflight for an allowed page. It needs no token: it asks what is possible, not for anything.
    pub fn preflight(&self, grant: &Grant, wish: &Wish<'_>) -> Result<Preflight, OriginRefusal> {
        let terms = grant.cors.terms();
        if !terms.is_method_allowed(wish.method) {
            return Err(OriginRefusal::new(Category::PreflightMethod, wish.method).readable(&grant.cors));
        }
        if let Some(stranger) = terms.stranger(wish) {
            return Err(OriginRefusal::new(Category::PreflightHeader, stranger).readable(&grant.cors));
        }
        Ok(grant.cors.preflight(wish))
    }

    /// Where to read the double-submit token, if one is wanted.
    pub fn csrf(&self) -> Option<&Csrf> {
        self.csrf.as_ref()
    }

    pub fn list(&self) -> &List {
        &self.list
    }

    /// Browsers leave Origin out of same-origin GETs, other clients out of everything.
    fn judge_absent(&self, ask: &Ask<'_>) -> Result<Grant, OriginRefusal> {
        if ask.fetch_site == FetchSite::CrossSite {
            return Err(OriginRefusal::new(Category::CrossSite, b"no Origin"));
        }
        let is_own = ask.fetch_site == FetchSite::SameOrigin && self.own != Own::Refused;
        if self.missing == Missing::Refuse && !is_own {
            return Err(OriginRefusal::new(Category::Missing, b"no Origin"));
        }
        Ok(Grant { page: None, cors: Cors::new(None, &self.terms) })
    }

    fn judge_shown(&self, value: &[u8], ask: &Ask<'_>) -> Result<Grant, OriginRefusal> {
        if value == b"null" {
            let entry = self.list.null().ok_or_else(|| OriginRefusal::new(Category::Null, value))?;
            return Ok(self.grant("null", entry));
        }
        // What a browser sends for a listed page is the very text of its entry.
        if let Some((text, entry)) = std::str::from_utf8(value).ok().and_then(|text| Some((text, self.list.exact(text)?))) {
            self.judge_claim(text, ask)?;
            return Ok(self.grant(text, entry));
        }
        let page = Page::parse(value).map_err(|error| match error {
            PageError::Malformed => OriginRefusal::new(Category::Malformed, value),
            PageError::Scheme => OriginRefusal::new(Category::Scheme, value),
        })?;
        self.judge_claim(page.as_str(), ask)?;
        match self.list.find(&page) {
            Some(entry) if !is_anybody(entry) => Ok(self.grant(page.as_str(), entry)),
            _ if self.is_own(&page, ask) => Ok(self.grant_page(page.as_str())),
            Some(_) if ask.carried_by_cookie => {
                Err(OriginRefusal::new(Category::WildcardWithCredentials, page.as_str().as_bytes()))
            }
            Some(entry) => Ok(self.grant(page.as_str(), entry)),
            None => Err(OriginRefusal::new(self.category(&page), page.as_str().as_bytes())),
        }
    }

    /// A page cannot be ours and another site's at once: one of the two was made up.
    fn judge_claim(&self, page: &str, ask: &Ask<'_>) -> Result<(), OriginRefusal> {
        let is_claim = ask.own.is_some_and(|own| own.as_str() == page);
        if is_claim && ask.fetch_site == FetchSite::CrossSite {
            return Err(OriginRefusal::new(Category::CrossSite, page.as_bytes()));
        }
        Ok(())
    }

    /// A cookie says who the user is, not that the user wanted this. Origin says it where there is one.
    fn judge_forgery(&self, ask: &Ask<'_>) -> Result<(), Category> {
        if !ask.carried_by_cookie || !ask.changes {
            return Ok(());
        }
        let is_wanted = match ask.fetch_site {
            FetchSite::SameOrigin | FetchSite::None | FetchSite::Absent => true,
            FetchSite::SameSite | FetchSite::CrossSite | FetchSite::Other => ask.origin != Shown::Absent,
        };
        if !is_wanted {
            return Err(Category::CrossSite);
        }
        let is_token_right = match (&self.csrf, ask.csrf_cookie, ask.csrf_header) {
            (None, _, _) => true,
            (Some(_), Some(cookie), Some(header)) => !cookie.is_empty() && is_equal(cookie, header),
            (Some(_), _, _) => false,
        };
        if is_token_right { Ok(()) } else { Err(Category::Csrf) }
    }

    fn is_own(&self, page: &Page, ask: &Ask<'_>) -> bool {
        self.own == Own::Asked && ask.own == Some(page) && !page.is_rebindable()
    }

    fn category(&self, page: &Page) -> Category {
        match self.list.near(page).map(|near| near.difference) {
            Some(Difference::Port) => Category::Port,
            Some(Difference::Scheme | Difference::SchemeAndPort) => Category::Scheme,
            Some(Difference::Labels | Difference::Apex | Difference::Host) | None => Category::Host,
        }
    }

    fn grant(&self, page: &str, entry: &Entry) -> Grant {
        if !is_anybody(entry) {
            return self.grant_page(page);
        }
        Grant { page: Some(page.into()), cors: Cors::new(Some(HeaderValue::from_static("*")), &self.terms) }
    }

    fn grant_page(&self, page: &str) -> Grant {
        let echo = HeaderValue::from_str(page).expect("a page's text is printable ASCII, Page has read it");
        Grant { page: Some(page.into()), cors: Cors::new(Some(echo), &self.terms) }
    }
}

impl Grant {
    /// The page, as browsers write it; `None` when none was shown.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// What binds a session to its page: the first 64 bits of the SHA-256 of its origin. The same in every gate and
    /// after every restart, because it travels inside the session id.
    pub fn tag(&self) -> Option<u64> {
        let hash = digest::digest(&digest::SHA256, self.page.as_deref()?.as_bytes());
        hash.as_ref().first_chunk().map(|first| u64::from_be_bytes(*first))
    }

    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Writes the CORS headers of an answer, success or refusal.
    pub fn write(&self, headers: &mut ::http::HeaderMap) {
        self.cors.write(headers);
    }
}

fn is_anybody(entry: &Entry) -> bool {
    entry.pattern == crate::config::pattern::Pattern::Any
}

fn is_equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}
