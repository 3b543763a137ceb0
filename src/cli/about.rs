//! From the command line to the judges: `explain origin`, `explain access`, `explain token` and `token` load the configuration, pick the route
//! that is asked about, and print what the judge says. The reports themselves are made in files of their own.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    args,
    explain_access::{self, Wish},
    explain_origin, explain_token, token,
};
use crate::{
    config::{
        self, Config, Sources,
        access::Subject,
        auth::Auth,
        origin::Origin,
        route::{Kind, Route},
    },
    net::tls::trust,
    policy::{
        access::Book,
        auth::Verifier,
        origin::{Judge, Surroundings},
    },
};

/// A token on standard input is no longer than this.
const LONGEST_TOKEN: u64 = 64 * 1024;
/// How long an issuer's keys are waited for.
const KEYS_PATIENCE: Duration = Duration::from_secs(6);

/// May a page connect, and if not, why.
pub fn origin(sources: &Sources, url: &str, path: Option<&str>) -> ExitCode {
    told(load(sources).and_then(|config| {
        let origin = origin_of(&config, path)?;
        let surroundings = Surroundings { environment: config.environment, public_origins: &config.listen.public_origins };
        let judge = Judge::new(origin, &surroundings)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        let mut report = explain_origin::report(&judge, url);
        if origin.own && config.listen.public_origins.is_empty() {
            report.push_str("\n  a page of the gate's own origin, as a request names it, is allowed as well (origin.own)");
        }
        Ok(report)
    }))
}

/// May somebody do this, and by which rule.
pub fn access(
    sources: &Sources,
    wish: args::Wish,
    (namespace, name): (&str, &str),
    token: Option<&str>,
    path: Option<&str>,
) -> ExitCode {
    let subject = match wish {
        args::Wish::Join => Subject::Join,
        args::Wish::Send => Subject::Send,
        args::Wish::Receive => Subject::Receive,
        args::Wish::Request => Subject::Request,
    };
    told(load(sources).and_then(|config| {
        let route = route_for(&config, subject, path)?;
        let access = route.map_or(&config.access, |route| &route.access);
        let kind = match (route, subject) {
            (Some(route), _) => route.kind,
            (None, Subject::Request) => Kind::Http,
            (None, Subject::Join | Subject::Send | Subject::Receive) => Kind::Socketio,
        };
        if !kind.has(subject) {
            return Err(format!("there is nothing to {} on this kind of route; --path names another", subject.name()));
        }
        let book = Book::new(access, kind).map_err(|_| "the rules of access cannot be read".to_string())?;
        let identity = match token {
            None => None,
            Some(text) => {
                let text = if text == "-" { from_input()? } else { text.to_string() };
                let verifier = verifier_of(route.map_or(&config.auth, |route| &route.auth), &book.claims())?;
                match verifier.verify(text.trim(), SystemTime::now()) {
                    Ok(identity) => Some(identity),
                    Err(refusal) => {
                        return Ok(format!("refused: the gate refuses this token: {refusal}\n  explain token says more"));
                    }
                }
            }
        };
        let mut report = explain_access::report(access, &book, &Wish { subject, namespace, name }, identity.as_ref());
        if let Some(route) = route.filter(|_| config.route.len() > 1) {
            report.push_str(&format!("  on the route {}\n", route.path));
        }
        Ok(report)
    }))
}

/// Which checks a token passes.
pub fn explain(sources: &Sources, text: &str, path: Option<&str>) -> ExitCode {
    told(load(sources).and_then(|config| {
        let verifier = verifier_of(auth_of(&config, path)?, &[])?;
        let text = if text == "-" { from_input()? } else { text.to_string() };
        Ok(explain_token::report(&verifier, text.trim(), SystemTime::now()))
    }))
}

/// Mints a token.
pub fn mint(sources: &Sources, asked: &args::Token) -> ExitCode {
    told(load(sources).and_then(|config| {
        let ask = token::MintAsk {
            subject: asked.subject.clone(),
            roles: asked.roles.clone(),
            claims: asked.claims.iter().map(|(name, value)| (name.clone(), claim(value))).collect::<BTreeMap<_, _>>(),
            expires: Some(asked.expires.0),
            issuer: asked.issuer.clone(),
            audience: asked.audience.clone(),
        };
        token::mint(auth_of(&config, None)?, &ask, SystemTime::now())
    }))
}

fn told(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(page) => {
            // A pager that is closed early is no failure.
            let _ = writeln!(std::io::stdout(), "{}", page.trim_end());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn load(sources: &Sources) -> Result<Config, String> {
    let loaded = config::load(sources);
    let problems = || loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    loaded.config.clone().ok_or_else(problems)
}

fn origin_of<'a>(config: &'a Config, path: Option<&str>) -> Result<&'a Origin, String> {
    route_of(config, path).map(|route| route.map_or(&config.origin, |route| &route.origin))
}

fn auth_of<'a>(config: &'a Config, path: Option<&str>) -> Result<&'a Auth, String> {
    route_of(config, path).map(|route| route.map_or(&config.auth, |route| &route.auth))
}

/// The route that is asked about: by its path, else the only one, else none, which means the top tables.
fn route_of<'a>(config: &'a Config, path: Option<&str>) -> Result<Option<&'a Route>, String> {
    match (path, config.route.as_slice()) {
        (None, [only]) => Ok(Some(only)),
        (None, _) => Ok(None),
        (Some(path), routes) => routes.iter().find(|route| route.path == path).map(Some).ok_or_else(|| {
            let known = routes.iter().map(|route| route.path.as_str()).collect::<Vec<_>>().join(", ");
            format!("no route has the path {path}; there are: {known}")
        }),
    }
}

/// The same for a wish: without a path the route where there is such a thing, provided that all of those agree.
fn route_for<'a>(config: &'a Config, subject: Subject, path: Option<&str>) -> Result<Option<&'a Route>, String> {
    if path.is_some() || config.route.len() < 2 {
        return route_of(config, path);
    }
    let routes: Vec<&Route> = config.route.iter().filter(|route| route.kind.has(subject)).collect();
    let rules = |route: &Route| (serde_json::to_value(&route.access).ok(), route.kind);
    if routes.windows(2).all(|two| rules(two[0]) == rules(two[1])) {
        return Ok(routes.first().copied());
    }
    let known = routes.iter().map(|route| route.path.as_str()).collect::<Vec<_>>().join(", ");
    Err(format!("routes differ in their rules; say which with --path: {known}"))
}

/// The judge of tokens, with an issuer's keys fetched. `kept` are claims that are looked at.
fn verifier_of(auth: &Auth, kept: &[String]) -> Result<Verifier, String> {
    let needs_keys = auth.jwks_url.is_some() || auth.oidc_issuer.is_some();
    let trust = match needs_keys {
        true => Some(Arc::new(trust::client_config(auth.jwks_ca.as_deref(), None).map_err(|problem| problem.to_string())?)),
        false => None,
    };
    let verifier = Verifier::new(auth, kept, trust)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    if let Some(jwks) = verifier.jwks() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let fetched = runtime.block_on(async { tokio::time::timeout(KEYS_PATIENCE, jwks.fetch()).await });
        match fetched {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => eprintln!("the issuer's keys cannot be fetched: {failure}"),
            Err(_) => eprintln!("the issuer's keys cannot be fetched in time"),
        }
    }
    Ok(verifier)
}

fn from_input() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST_TOKEN)
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    Ok(text)
}

/// What is JSON is taken as JSON, anything else as text.
fn claim(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_string()))
}
