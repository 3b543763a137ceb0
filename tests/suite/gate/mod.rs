//! What is let in, through the real program: framing, targets, pages, tokens, identity, access, limits, routes, both versions of HTTP.

mod access;
mod canonical;
mod cors;
mod dropped_keys;
mod forwarded;
mod framing;
mod gone;
mod http2;
mod identity;
mod limits;
mod opaque;
mod panics;
mod payloads;
mod refusals;
mod routes;
mod slow;
mod tenure;
mod tls;
mod tokens;
mod wanted;
