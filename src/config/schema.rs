//! The whole configuration as one value: what the layers of `load` merge into and every other room reads. A `Config`
//! is well-typed but not yet judged; `check` finds what types cannot say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::Access,
    admin::Admin,
    auth::Auth,
    limit::Limit,
    listen::{Drain, Listen},
    log::Log,
    origin::Origin,
    revocation::Revocation,
    route::Route,
    socketio::{Seal, SocketIo},
    tls::Tls,
    upstream::Upstream,
};

/// Everything an operator may configure.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `development` or `production`. Production refuses generated keys and certificates, origins of plain http that are
    /// not named one by one, and wildcards together with credentials; it adds HSTS to answers over TLS.
    pub environment: Environment,
    pub listen: Listen,
    pub tls: Tls,
    pub origin: Origin,
    pub auth: Auth,
    pub access: Access,
    pub limit: Limit,
    pub socketio: SocketIo,
    pub seal: Seal,
    pub revocation: Revocation,
    pub drain: Drain,
    pub admin: Admin,
    pub log: Log,
    /// The app servers, in named pools.
    pub upstream: Vec<Upstream>,
    /// What is carried where, and under which rules. The first route whose host and longest path match takes a request.
    pub route: Vec<Route>,
}

/// Where the gate runs; decides how much convenience is allowed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Development,
    Production,
}
