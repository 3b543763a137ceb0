//! `[auth]`: who is asking. When and where the token is looked for, which keys and claims make it good, how the app is told,
//! and how a session ends whose identity is no longer good.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, authorizer::Authorizer, units::Period};

/// Who is asking.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// `handshake`: a valid token is required before anything is forwarded. `connect`: the gate answers the Engine.IO
    /// handshake itself and opens the app's session only after a CONNECT packet brought a good token (`auth: { token }` of the
    /// client libraries); who is refused gets `connect_error`. Routes of other kinds have no such packet and take it as
    /// `handshake`. `none`: everybody may pass, said loudly at start.
    pub when: When,
    /// Where the token is looked for, in this order; the first place that has one decides: `connect:NAME` (a path into the
    /// payload of the CONNECT packet, such as `connect:token` or `connect:user.token`; only with `when = "connect"`, elsewhere
    /// not looked at), `header` (`Authorization: Bearer`), `cookie:NAME`, `query:NAME`, `subprotocol`
    /// (`Sec-WebSocket-Protocol: bearer, TOKEN`). Where `connect:NAME` is not the first, a token that the handshake showed
    /// counts before the packet's.
    pub from: Vec<String>,
    /// With `when = "connect"`: how long a session may take to bring a CONNECT with a good token.
    pub connect_deadline: Period,
    /// With `when = "connect"`: sessions that wait for such a CONNECT at the same time.
    pub waiting: usize,
    /// The same for one address (IPv6: /64).
    pub waiting_per_address: usize,
    /// With `when = "connect"`: namespaces whose CONNECT the app judges itself (an admin UI with user and password, say), once
    /// the session has an accepted identity: `["/admin"]`. Their CONNECT payload is passed on as it is, but for
    /// `identity.connect_field`, which is always the gate's.
    pub connect_by_app: Vec<String>,
    /// The HMAC secret, at least 32 bytes. Legacy name: `JWT_SECRET`.
    pub secret: Option<Secret>,
    /// A file that holds the secret (Docker and Kubernetes secrets). A newline at the end is ignored.
    pub secret_file: Option<PathBuf>,
    /// More keys, all accepted at the same time (rotation). A key that a reload finds neither here nor in `secret` takes the
    /// sessions with it that were opened with its tokens.
    pub keys: Vec<Key>,
    /// A JWKS document to fetch keys from.
    pub jwks_url: Option<String>,
    /// An OpenID Connect issuer whose `/.well-known/openid-configuration` names the JWKS. Also sets `issuer` unless given.
    pub oidc_issuer: Option<String>,
    /// A PEM file of certificate authorities for `jwks_url` and `oidc_issuer`. Empty: the system's.
    pub jwks_ca: Option<PathBuf>,
    /// How often the JWKS is fetched again.
    pub jwks_refresh: Period,
    /// At least this long between two fetches, however many unknown key ids arrive.
    pub jwks_minimum: Period,
    /// How long a JWKS that cannot be fetched again is still believed.
    pub jwks_keep: Period,
    /// Algorithms accepted of `secret` (HS256, HS384, HS512) and of JWKS keys. The token never chooses. Empty: HS256 for
    /// `secret`, and for JWKS keys the `alg` of each key, else the usual one of its type.
    pub algorithms: Vec<Algorithm>,
    /// The issuer (`iss`) a token must name. Empty: not looked at.
    pub issuer: Vec<String>,
    /// The audience (`aud`) a token must name one of. Empty: not looked at.
    pub audience: Vec<String>,
    /// Whether a token must expire.
    pub require_expiry: bool,
    /// Tolerance for clocks that disagree, for `exp`, `nbf` and `iat`.
    pub leeway: Period,
    /// Claim that names the subject, as a path (`sub`, `userId`, `user.id`). Text or a whole number.
    pub subject: String,
    /// Claim that lists roles, as a path: a list of texts, or one text with spaces or commas.
    pub roles: String,
    /// Claim that names the tenant, as a path. Empty: none.
    pub tenant: String,
    /// Claims that must have these values, by path: `required = { status = "active" }`.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub required: BTreeMap<String, serde_json::Value>,
    /// Leave the token in the URL toward the app. Off: a token in the query is cut out.
    pub token_in_url: bool,
    /// Leave the token where the client put it, in the `Authorization` header, the cookie or the CONNECT packet, for apps that
    /// check it themselves. Off: it is removed, and the identity headers alone tell the app who it is.
    pub pass_token: bool,
    /// Event by which a client brings a new token of the same person before the old one expires:
    /// `socket.emit("sockgate:refresh", token, answer => …)`. The gate answers it, the app does not see it. Only in judged
    /// sessions (`socketio.judge`). Empty: off.
    pub refresh_event: String,
    /// How long before the expiry of its token a session is warned with `expiry_event`. `"0s"`: not at all.
    pub expiry_warning: Period,
    /// The event that warns.
    pub expiry_event: String,
    /// Event sent to a judged session before it is ended for one of the reasons below. Empty: none.
    pub end_event: String,
    /// How a session ends when its token has expired. `reconnect`: its transport is closed, so that client libraries connect
    /// anew, with a fresh token. `stay_closed`: judged Socket.IO sessions are told a DISCONNECT (`41`), after which client
    /// libraries do not come back by themselves; others get a closed transport.
    pub on_expiry: OnEnd,
    /// How a session ends when its identity is revoked.
    pub on_revocation: OnEnd,
    /// How a session ends that the operator kills.
    pub on_kill: OnEnd,
    /// How a session ends that was refused something too often.
    pub on_abuse: OnEnd,
    pub identity: IdentityHeaders,
    pub authorizer: Authorizer,
}

/// When identity is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    #[default]
    Handshake,
    Connect,
    None,
}

/// What a client library does after its session was ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEnd {
    Reconnect,
    StayClosed,
}

/// One key that may have signed a token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    /// The `kid` of tokens signed with this key. Empty: tried for every token.
    pub id: String,
    /// Algorithms this key is used with. One family only (HS, RS/PS, ES, EdDSA).
    pub algorithms: Vec<Algorithm>,
    /// An HMAC secret.
    pub secret: Option<Secret>,
    /// A file that holds an HMAC secret.
    pub secret_file: Option<PathBuf>,
    /// A public key or certificate in PEM, inline.
    // Marked as a secret so that nobody's private key, pasted here by mistake, is ever printed.
    #[schemars(extend("writeOnly" = true))]
    pub pem: Option<String>,
    /// A file with a public key in PEM.
    pub pem_file: Option<PathBuf>,
    /// One JWK or a JWK set in JSON, inline.
    pub jwk: Option<Secret>,
    /// A file with one JWK or a JWK set in JSON.
    pub jwk_file: Option<PathBuf>,
}

/// A signature algorithm of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// How the app is told who is asking. The same names coming from clients are always removed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityHeaders {
    /// Header with the subject. Empty: not sent.
    pub subject: String,
    /// Header with the roles, separated by commas. Empty: not sent.
    pub roles: String,
    /// Header with the tenant. Empty: not sent.
    pub tenant: String,
    /// Headers with further claims: `claims = { "X-Auth-Email" = "email" }`.
    pub claims: BTreeMap<String, String>,
    /// Header with one JWT signed by the gate (HS256, one minute): subject, roles, tenant and the claims above. Empty: not sent.
    pub token: String,
    /// The secret that signs it, at least 32 bytes.
    pub token_secret: Option<Secret>,
    /// A file that holds it.
    pub token_secret_file: Option<PathBuf>,
    /// Field of the CONNECT packet's payload (`socket.handshake.auth` in Node, `auth` in Python) that tells the app
    /// `{"subject", "roles", "tenant", "claims"}`, the claims by the paths named above. What a client put there is removed.
    /// Needs a judged session (`socketio.judge`). Empty: not told there.
    pub connect_field: String,
    /// More header names that are removed from every client request, because the app believes them.
    pub remove: Vec<String>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            when: When::Handshake,
            from: ["connect:token", "header", "cookie:token", "query:token", "subprotocol"].map(Into::into).to_vec(),
            connect_deadline: Period::seconds(10),
            waiting: 10_000,
            waiting_per_address: 64,
            connect_by_app: Vec::new(),
            secret: None,
            secret_file: None,
            keys: Vec::new(),
            jwks_url: None,
            oidc_issuer: None,
            jwks_ca: None,
            jwks_refresh: Period::seconds(300),
            jwks_minimum: Period::seconds(30),
            jwks_keep: Period::seconds(86_400),
            algorithms: Vec::new(),
            issuer: Vec::new(),
            audience: Vec::new(),
            require_expiry: true,
            leeway: Period::seconds(60),
            subject: "sub".into(),
            roles: "roles".into(),
            tenant: String::new(),
            required: BTreeMap::new(),
            token_in_url: false,
            pass_token: true,
            refresh_event: "sockgate:refresh".into(),
            expiry_warning: Period::seconds(0),
            expiry_event: "sockgate:expiring".into(),
            end_event: String::new(),
            on_expiry: OnEnd::Reconnect,
            on_revocation: OnEnd::StayClosed,
            on_kill: OnEnd::StayClosed,
            on_abuse: OnEnd::StayClosed,
            identity: IdentityHeaders::default(),
            authorizer: Authorizer::default(),
        }
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            subject: "X-Auth-Subject".into(),
            roles: "X-Auth-Roles".into(),
            tenant: "X-Auth-Tenant".into(),
            claims: BTreeMap::new(),
            token: String::new(),
            token_secret: None,
            token_secret_file: None,
            connect_field: String::new(),
            remove: vec!["X-User-Id".into(), "X-User".into(), "X-Remote-User".into(), "Remote-User".into()],
        }
    }
}
