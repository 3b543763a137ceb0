//! Which pages are allowed, as tables that answer in the same time for one entry and for ten thousand: exact pages by
//! their text, open ports by scheme and host, wildcards by the suffix of the host. Built once from `[origin]`, with the
//! source of each entry for `explain origin`; a list that cannot be built whole is not built.

use std::collections::HashMap;

use super::{
    page::Page,
    problem::{Cause, OriginProblem},
};
use crate::config::{
    Environment,
    origin::Origin,
    pattern::{HostPattern, Pattern, PortPattern, Scheme, browser_host},
};

/// The allowed pages.
#[derive(Debug, Default)]
pub struct List {
    entries: Vec<Entry>,
    /// By the page's whole text.
    exact: HashMap<Box<str>, usize>,
    /// By scheme and host.
    any_port: HashMap<Box<str>, usize>,
    /// Exact hosts, for saying what a refused page differs in.
    hosts: HashMap<Box<str>, Vec<usize>>,
    /// By what follows the wildcard.
    suffixes: HashMap<Box<str>, Wildcards>,
    null: Option<usize>,
    any: Option<usize>,
}

/// One allowed page or pattern, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub pattern: Pattern,
    pub source: Source,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Nothing was configured.
    Default,
    /// `origin.hosts` and `origin.ports`.
    Computed,
    /// An entry of `origin.allow`, counted from 0.
    Allow(usize),
    /// An entry of `listen.public_origins`, counted from 0.
    Public(usize),
}

/// The wildcard entries directly below one domain, in the order of the list.
#[derive(Debug, Default)]
struct Wildcards {
    all: Vec<usize>,
    /// In the order of schemes and ports, and without repetitions: at most one for each way to count labels.
    by_port: Vec<(Scheme, PortPattern, usize)>,
}

impl List {
    /// The list of `[origin]`, or everything that is wrong with it.
    pub fn new(origin: &Origin, public_origins: &[String], environment: Environment) -> Result<Self, Vec<OriginProblem>> {
        let mut list = Self::default();
        let mut problems = Vec::new();
        list.add_computed(origin, environment, &mut problems);
        for (at, text) in origin.allow.iter().enumerate() {
            match allowed(text, origin.credentials, environment) {
                Ok(pattern) => list.add(pattern, Source::Allow(at)),
                Err(cause) => problems.push(OriginProblem::new(format!("origin.allow[{at}]"), text, cause)),
            }
        }
        for (at, text) in public_origins.iter().enumerate() {
            match public(text) {
                Ok(pattern) if origin.own => list.add(pattern, Source::Public(at)),
                Ok(_) => {}
                Err(cause) => problems.push(OriginProblem::new(format!("listen.public_origins[{at}]"), text, cause)),
            }
        }
        if problems.is_empty() { Ok(list) } else { Err(problems) }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry that is exactly this text; what nearly every allowed request needs, without parsing anything.
    pub fn exact(&self, text: &str) -> Option<&Entry> {
        self.exact.get(text).map(|at| &self.entries[*at])
    }

    /// The entry that allows the page: the most particular one.
    pub fn find(&self, page: &Page) -> Option<&Entry> {
        self.exact(page.as_str())
            .or_else(|| self.any_port.get(page.without_port()).map(|at| &self.entries[*at]))
            .or_else(|| self.wildcard(page))
            .or_else(|| self.any.map(|at| &self.entries[at]))
    }

    /// The entry that names `null`. `*` does not: anybody can make a page without an origin.
    pub fn null(&self) -> Option<&Entry> {
        self.null.map(|at| &self.entries[at])
    }

    fn add(&mut self, pattern: Pattern, source: Source) {
        let at = self.entries.len();
        match &pattern {
            Pattern::Any => _ = self.any.get_or_insert(at),
            Pattern::Null => _ = self.null.get_or_insert(at),
            Pattern::Matching { scheme, host: HostPattern::Exact(host), port } => {
                let text = pattern.to_string().into();
                match port {
                    PortPattern::Exact(_) => _ = self.exact.entry(text).or_insert(at),
                    PortPattern::Any => {
                        let text = format!("{}://{host}", scheme.as_str()).into();
                        _ = self.any_port.entry(text).or_insert(at);
                    }
                }
                self.hosts.entry(host.as_str().into()).or_default().push(at);
            }
            Pattern::Matching { scheme, host: HostPattern::OneLabel(suffix) | HostPattern::ManyLabels(suffix), port } => {
                let wildcards = self.suffixes.entry(suffix.as_str().into()).or_default();
                wildcards.all.push(at);
                if wildcards.alike(*scheme, *port).all(|at| self.entries[at].pattern != pattern) {
                    let behind = wildcards.by_port.partition_point(|(other, open, _)| (other, open) <= (scheme, port));
                    wildcards.by_port.insert(behind, (*scheme, *port, at));
                }
            }
        }
        self.entries.push(Entry { pattern, source });
    }

    /// `http://H:P` and `https://H:P` for every host and port; only https in production.
    fn add_computed(&mut self, origin: &Origin, environment: Environment, problems: &mut Vec<OriginProblem>) {
        let is_given = !origin.hosts.is_empty() || !origin.ports.is_empty();
        if !is_given && !origin.allow.is_empty() {
            return;
        }
        let source = if is_given { Source::Computed } else { Source::Default };
        let hosts = computed_hosts(&origin.hosts, problems);
        let ports: &[u16] = match (origin.ports.as_slice(), is_given) {
            ([], true) => &[80, 443],
            ([], false) => &[DEFAULT_PORT],
            (ports, _) => ports,
        };
        if ports.contains(&0) {
            problems.push(OriginProblem::new("origin.ports".into(), "0", Cause::Port));
        }
        let schemes: &[Scheme] = match environment {
            Environment::Development => &[Scheme::Http, Scheme::Https],
            Environment::Production => &[Scheme::Https],
        };
        for host in &hosts {
            for port in ports {
                for scheme in schemes {
                    let (host, port) = (HostPattern::Exact(host.clone()), PortPattern::Exact(*port));
                    self.add(Pattern::Matching { scheme: *scheme, host, port }, source);
                }
            }
        }
    }

    /// The wildcard entry that allows the page: of its nearest parent that has one, the first.
    fn wildcard(&self, page: &Page) -> Option<&Entry> {
        parents(page.host()).find_map(|parent| {
            let wildcards = self.suffixes.get(parent)?;
            let ports = [PortPattern::Exact(page.port()), PortPattern::Any];
            let alike = ports.into_iter().flat_map(|port| wildcards.alike(page.scheme(), port));
            alike.filter(|at| covers(&self.entries[*at], page)).min().map(|at| &self.entries[at])
        })
    }

    /// Entries for exactly this host, with whatever scheme and port.
    pub(super) fn hosts_named(&self, host: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.hosts.get(host).into_iter().flatten().map(|at| &self.entries[*at])
    }

    /// Wildcard entries directly below this domain.
    pub(super) fn wildcards_of(&self, domain: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.suffixes.get(domain).into_iter().flat_map(|wildcards| &wildcards.all).map(|at| &self.entries[*at])
    }

    /// Wildcard entries for any parent of the host. A host has at most 127 labels, so this ends soon.
    pub(super) fn below<'a, 'h>(&'a self, host: &'h str) -> impl Iterator<Item = &'a Entry> + use<'a, 'h> {
        parents(host).flat_map(|parent| self.wildcards_of(parent))
    }
}

impl Wildcards {
    /// The entries for exactly this scheme and port pattern.
    fn alike(&self, scheme: Scheme, port: PortPattern) -> impl Iterator<Item = usize> {
        let from = self.by_port.partition_point(|(other, open, _)| (*other, *open) < (scheme, port));
        let alike = self.by_port[from..].iter().take_while(move |(other, open, _)| (*other, *open) == (scheme, port));
        alike.map(|(_, _, at)| *at)
    }
}

/// What stands behind each dot of a host, the nearest first.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.').map(|(at, _)| &host[at + 1..])
}

/// Judges one entry of `origin.allow`.
fn allowed(text: &str, credentials: bool, environment: Environment) -> Result<Pattern, Cause> {
    let pattern: Pattern = text.parse().map_err(Cause::Pattern)?;
    let Pattern::Matching { scheme, host, port } = &pattern else {
        let is_refused = pattern == Pattern::Any && credentials;
        return if is_refused { Err(Cause::WildcardWithCredentials) } else { Ok(pattern) };
    };
    if let HostPattern::OneLabel(suffix) | HostPattern::ManyLabels(suffix) = host
        && is_public_domain(suffix)
    {
        return Err(Cause::PublicDomain(suffix.clone()));
    }
    let is_open = !matches!(host, HostPattern::Exact(_)) || *port == PortPattern::Any;
    if is_open && *scheme == Scheme::Http && environment == Environment::Production {
        return Err(Cause::OpenHttp);
    }
    Ok(pattern)
}

fn public(text: &str) -> Result<Pattern, Cause> {
    let pattern: Pattern = text.parse().map_err(Cause::Pattern)?;
    match &pattern {
        Pattern::Matching { host: HostPattern::Exact(_), port: PortPattern::Exact(_), .. } => Ok(pattern),
        Pattern::Matching { .. } | Pattern::Any | Pattern::Null => Err(Cause::NotExact),
    }
}

/// The hosts of `origin.hosts` as browsers write them; a loopback host stands for its three spellings.
fn computed_hosts(written: &[String], problems: &mut Vec<OriginProblem>) -> Vec<String> {
    if written.is_empty() {
        return LOOPBACK.map(String::from).to_vec();
    }
    let mut hosts = Vec::new();
    for (at, text) in written.iter().enumerate() {
        match host(text) {
            Ok(host) if is_loopback(&host) => hosts.extend(LOOPBACK.map(String::from)),
            Ok(host) => hosts.push(host),
            Err(cause) => problems.push(OriginProblem::new(format!("origin.hosts[{at}]"), text, cause)),
        }
    }
    // In the order they were written, each once.
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

fn host(text: &str) -> Result<String, Cause> {
    let trimmed = text.trim();
    if trimmed.contains("://") || trimmed.contains('*') {
        return Err(Cause::NotHost);
    }
    let is_bare_ipv6 = trimmed.parse::<std::net::Ipv6Addr>().is_ok();
    let spelled = if is_bare_ipv6 { format!("[{trimmed}]") } else { trimmed.to_string() };
    browser_host(&spelled).map_err(Cause::Pattern)
}

/// This machine, seen from this machine, or all its addresses, which a page can only mean that way.
fn is_loopback(host: &str) -> bool {
    let is_ipv4_loopback = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_ipv4_loopback || ["localhost", "0.0.0.0", "[::1]", "[::]"].contains(&host)
}

/// A wildcard below a whole top-level domain would let in everybody who can buy a name there.
fn is_public_domain(suffix: &str) -> bool {
    let name = suffix.strip_suffix('.').unwrap_or(suffix);
    !name.contains('.') && !PRIVATE_DOMAINS.contains(&name)
}

fn covers(entry: &Entry, page: &Page) -> bool {
    let Pattern::Matching { scheme, host, port } = &entry.pattern else { return false };
    *scheme == page.scheme() && is_port_open(*port, page.port()) && is_label_count_right(host, page.host())
}

pub(super) fn is_port_open(pattern: PortPattern, port: u16) -> bool {
    match pattern {
        PortPattern::Any => true,
        PortPattern::Exact(allowed) => allowed == port,
    }
}

/// The host ends in `.suffix`: the entry was found at one of its dots. What stands before it are whole labels.
pub(super) fn is_label_count_right(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(exact) => exact == host,
        HostPattern::OneLabel(suffix) => host.split_once('.').is_some_and(|(_, parent)| parent == suffix),
        HostPattern::ManyLabels(_) => true,
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where a page is expected when nothing was configured: the port of Flask's development server.
const DEFAULT_PORT: u16 = 5000;

/// Names under which no stranger can register (RFC 6761, RFC 6762 appendix G, ICANN's `internal`).
const PRIVATE_DOMAINS: [&str; 9] = ["localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "test"];
