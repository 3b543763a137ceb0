//! `[origin]`: which pages may connect. The same list decides CORS for polling and the Origin check of WebSocket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Period;

pub use super::pattern::{HostPattern, Pattern, PatternError, PortPattern, Scheme};

/// Which pages may connect, and what CORS tells them.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// Hosts of the pages; with `ports` they make `http://H:P` and `https://H:P` each, default ports also in the bare
    /// form. A loopback host (also `0.0.0.0` and `::`) stands for localhost, 127.0.0.1 and [::1]. Nothing here and nothing in `allow`:
    /// localhost:5000 with both schemes. Legacy name: `FLASK_HOST`.
    pub hosts: Vec<String>,
    /// Ports of the pages. Legacy name: `FLASK_PORT`. Default when only hosts are given: 80 and 443.
    pub ports: Vec<u16>,
    /// Origins by pattern: exact (`https://app.example.com`), one label (`https://*.example.com`), one or more labels
    /// (`https://**.example.com`), any port (`http://localhost:*`), `null`, or `*` (only without credentials). Added to the
    /// computed list of `hosts` and `ports`; alone when those are not set. Legacy names replace the computed list.
    pub allow: Vec<String>,
    /// Whether pages may send cookies and Authorization (`Access-Control-Allow-Credentials`). Refused together with `*`.
    pub credentials: bool,
    /// A request without Origin (no browser, or a same-origin GET): `allow` or `refuse`. With `Sec-Fetch-Site: cross-site`
    /// it is refused in either case.
    pub missing: Missing,
    /// Allow the gate's own public origin without listing it (see `listen.public_origins`). Where only the request says
    /// what that is, a host name with a dot over plain http does not count: any page could point its own name here (DNS
    /// rebinding). List it, or set `listen.public_origins`.
    pub own: bool,
    /// Methods a preflight may ask for.
    pub methods: Vec<String>,
    /// Request headers a preflight may ask for. The header of `csrf_header` is added by itself.
    pub headers: Vec<String>,
    /// Answer headers a page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember a preflight.
    pub max_age: Period,
    /// Answer `Access-Control-Request-Private-Network` with yes.
    pub private_network: bool,
    /// Double-submit protection for requests that change something and are carried by a cookie: the name of the cookie
    /// whose value must be repeated in `csrf_header`. Empty: the Origin and `Sec-Fetch-Site` checks alone protect them.
    pub csrf_cookie: String,
    /// The header that repeats `csrf_cookie`.
    pub csrf_header: String,
}

/// What to do with a request that shows no Origin.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    #[default]
    Allow,
    Refuse,
}

impl Default for Origin {
    fn default() -> Self {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect();
        Self {
            hosts: Vec::new(),
            ports: Vec::new(),
            allow: Vec::new(),
            credentials: true,
            missing: Missing::Allow,
            own: true,
            methods: own(&["GET", "POST", "OPTIONS"]),
            headers: own(&["authorization", "content-type", "x-requested-with"]),
            expose_headers: own(&["retry-after", "x-request-id"]),
            max_age: Period::seconds(600),
            private_network: false,
            csrf_cookie: String::new(),
            csrf_header: "X-CSRF-Token".into(),
        }
    }
}
