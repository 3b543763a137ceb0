//! What is let in, through the real program: framing, targets, pages, tokens, identity, limits, routes, both versions of HTTP.

mod canonical;
mod cors;
mod forwarded;
mod framing;
mod gone;
mod http2;
mod identity;
mod limits;
mod panics;
mod refusals;
mod routes;
mod slow;
mod tenure;
mod tls;
mod tokens;
mod wanted;
