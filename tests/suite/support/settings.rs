//! A configuration in the making: keys and values as an operator writes them, so that the whole loader is tested along. Later
//! values of a key win.

use std::{collections::BTreeMap, fmt::Write};

use super::{App, Certificates, OTHER_PAGE, PAGE, issuer::SECRET};

/// A seal key of the tests.
pub const SEAL: &str = "the first key that seals session ids in tests";

/// What will be the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    top: BTreeMap<String, Literal>,
    upstreams: Vec<BTreeMap<String, Literal>>,
    routes: Vec<BTreeMap<String, Literal>>,
}

/// A value as TOML writes it.
#[derive(Clone, Debug)]
pub struct Literal(String);

impl Settings {
    /// A gate before these app servers that speaks plain HTTP on loopback, wants a token of [`super::Issuer::default`], lets
    /// [`PAGE`] and [`OTHER_PAGE`] connect, and does not count how often anybody comes.
    pub fn before(apps: &[&App]) -> Self {
        Self::bare().upstream("app", apps).route(&[("path", "/socket.io/".into()), ("upstream", "app".into())])
    }

    /// The same without upstreams and routes.
    pub fn bare() -> Self {
        Self::default()
            .set("listen.address", "127.0.0.1:0")
            .set("listen.workers", 2)
            .set("admin.address", "127.0.0.1:0")
            .set("log.format", "json")
            .set("log.level", "debug")
            .set("auth.secret", SECRET)
            .set("seal.keys", [SEAL])
            .set("origin.allow", [PAGE, OTHER_PAGE])
            .set("limit.handshakes_per_address", "off")
            .set("limit.handshakes_per_user", "off")
            .set("drain.grace", "5s")
    }

    pub fn set(mut self, key: &str, value: impl Into<Literal>) -> Self {
        self.top.insert(key.into(), value.into());
        self
    }

    /// Without this key.
    pub fn without(mut self, key: &str) -> Self {
        self.top.remove(key);
        self
    }

    /// One more pool. Probes are off: what reaches an app is what a test sent.
    pub fn upstream(self, name: &str, apps: &[&App]) -> Self {
        let members: Vec<String> = apps.iter().map(|app| app.url()).collect();
        self.upstream_of(name, &members)
    }

    pub fn upstream_of(mut self, name: &str, members: &[String]) -> Self {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let keys = [("name", name.into()), ("members", members.into()), ("probe", "off".into()), ("slow_start", "0s".into())];
        self.upstreams.push(keys.into_iter().map(|(key, value)| (key.to_string(), value)).collect());
        self
    }

    /// A key of the last upstream.
    pub fn set_upstream(mut self, key: &str, value: impl Into<Literal>) -> Self {
        self.upstreams.last_mut().expect("there is an upstream").insert(key.into(), value.into());
        self
    }

    /// One more route.
    pub fn route(mut self, keys: &[(&str, Literal)]) -> Self {
        self.routes.push(keys.iter().map(|(key, value)| ((*key).to_string(), value.clone())).collect());
        self
    }

    /// A key of the last route.
    pub fn set_route(mut self, key: &str, value: impl Into<Literal>) -> Self {
        self.routes.last_mut().expect("there is a route").insert(key.into(), value.into());
        self
    }

    /// TLS with this certificate.
    pub fn tls(self, certificates: &Certificates) -> Self {
        self.set("tls.certificate", certificates.certificate_file().as_str()).set("tls.key", certificates.key_file().as_str())
    }

    pub fn has(&self, key: &str) -> bool {
        self.top.contains_key(key)
    }

    /// The file.
    pub fn to_toml(&self) -> String {
        let mut file = String::new();
        write_keys(&mut file, &self.top);
        for upstream in &self.upstreams {
            file.push_str("\n[[upstream]]\n");
            write_keys(&mut file, upstream);
        }
        for route in &self.routes {
            file.push_str("\n[[route]]\n");
            write_keys(&mut file, route);
        }
        file
    }
}

fn write_keys(file: &mut String, keys: &BTreeMap<String, Literal>) {
    for (key, value) in keys {
        writeln!(file, "{key} = {}", value.0).expect("a String takes everything");
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        assert!(!text.contains(['\'', '\n']), "not for a literal string: {text}");
        Self(format!("'{text}'"))
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl From<i32> for Literal {
    fn from(number: i32) -> Self {
        Self(number.to_string())
    }
}

impl From<bool> for Literal {
    fn from(truth: bool) -> Self {
        Self(truth.to_string())
    }
}

impl From<Vec<&str>> for Literal {
    fn from(list: Vec<&str>) -> Self {
        let list: Vec<String> = list.into_iter().map(|text| Self::from(text).0).collect();
        Self(format!("[{}]", list.join(", ")))
    }
}

impl<const N: usize> From<[&str; N]> for Literal {
    fn from(list: [&str; N]) -> Self {
        list.to_vec().into()
    }
}

impl Literal {
    /// TOML as it is.
    pub fn raw(toml: &str) -> Self {
        Self(toml.into())
    }
}
