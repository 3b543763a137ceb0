//! `[[route]]`: what is carried where, and under which rules. A route inherits the top tables `[origin]`, `[auth]`,
//! `[access]`, `[limit]` and `[socketio]` and overrides only what differs; `load` has merged them before a `Route` is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::{Access, Subject},
    auth::Auth,
    limit::Limit,
    origin::Origin,
    socketio::SocketIo,
};

/// What is carried where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Host names this route answers to, exact or `*.example.com`. Empty: every host.
    pub hosts: Vec<String>,
    /// The path it starts with, for example `/socket.io/`. The longest that matches wins.
    pub path: String,
    /// `socketio`, `websocket` or `http`.
    pub kind: Kind,
    /// The name of the upstream.
    pub upstream: String,
    /// Cut `path` off before forwarding and put this in its place. Not set: the path is forwarded as it is.
    pub rewrite: Option<String>,
    /// What differs from `[origin]` here.
    pub origin: Origin,
    /// What differs from `[auth]` here.
    pub auth: Auth,
    /// What differs from `[access]` here. Rules of its own replace those of the table.
    pub access: Access,
    /// What differs from `[limit]` here.
    pub limit: Limit,
    /// What differs from `[socketio]` here.
    pub socketio: SocketIo,
}

/// What travels on a route.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Socketio,
    Websocket,
    Http,
}

impl Kind {
    /// Whether a rule about this has anything to say here.
    pub fn has(self, subject: Subject) -> bool {
        match subject {
            Subject::Join | Subject::Send | Subject::Receive => self == Self::Socketio,
            Subject::Request => self != Self::Socketio,
        }
    }
}
