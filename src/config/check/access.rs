//! `[access]`: that every rule can be understood, and that somebody can meet it.

use crate::config::{
    access::{Access, Subject},
    auth::{Auth, When},
    route::Kind,
};

use super::bench::Bench;

/// The rules of one route, with what it inherits. `above` is what stands before the table's name.
pub fn access(above: &str, access: &Access, auth: &Auth, kind: Kind, bench: &mut Bench<'_>) {
    for problem in access.read().err().into_iter().chain(access.read_payloads().err()).flatten() {
        bench.refuse(&format!("{above}{}", problem.key), problem.what, problem.instead);
    }
    let payloads = format!("{above}access.payload");
    if kind != Kind::Socketio && !access.payload.is_empty() && bench.is_written_at(&payloads) && !above.is_empty() {
        bench.warn(&payloads, "no events travel on this kind of route", "Write it for Socket.IO routes");
    }
    for (index, rule) in access.rule.iter().enumerate() {
        let key = format!("{above}access.rule.{index}");
        let fits = |subject: Subject| kind.has(subject);
        for (subject, _) in rule.subjects() {
            let key = format!("{key}.{}", subject.name());
            // An inherited rule may be for other routes.
            if !fits(subject) && bench.is_written_at(&key) && !above.is_empty() {
                let instead = "Write join, send and receive for Socket.IO routes, and request for plain ones";
                bench.warn(&key, "nothing on this kind of route is named by it", instead);
            }
        }
        if rule.needs.is_empty() || !rule.subjects().iter().any(|(subject, _)| fits(*subject)) {
            continue;
        }
        if auth.when == When::None {
            let instead = "Set auth.when, or write deny = true";
            bench.warn(&format!("{key}.needs"), "nobody is known here (auth.when = \"none\"), so nobody meets it", instead);
        }
        for (claim, path) in [("roles", &auth.roles), ("tenant", &auth.tenant)] {
            if rule.needs.contains_key(claim) && path.is_empty() {
                let instead = format!("Set auth.{claim}, for example to {claim:?}");
                bench.refuse(
                    &format!("{key}.needs.{claim}"),
                    format!("auth.{claim} names no claim, so nobody meets it"),
                    instead,
                );
            }
        }
    }
}
