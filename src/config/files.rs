//! Files that a configuration names. Secrets in files become secrets in the configuration here, so every other room looks at
//! one field only; files of certificates stay names, but are listed, because the gate watches what it reads. A file that is
//! missing or empty refuses the start, one that everybody may read is a warning.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Config, Secret, access::Access, auth::Auth, problem::Problem, provenance::Provenance};

/// A secret longer than this is a mistaken file name.
const LARGEST: u64 = 1 << 20;

/// Where orchestrators mount secrets, for one container alone but readable by everyone in it.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// Puts the contents of secret files into the configuration. Gives back every file it names, to be watched.
pub fn read(config: &mut Config, directory: &Path, provenance: &Provenance, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut shelf = Shelf { directory, provenance, problems, read: BTreeMap::new(), named: Vec::new() };
    for (index, path) in config.seal.key_files.iter().enumerate() {
        config.seal.keys.extend(shelf.secret(&format!("seal.key_files.{index}"), path));
    }
    if let Some(path) = &config.admin.token_file {
        config.admin.token = shelf.secret("admin.token_file", path);
    }
    auth("auth", &mut config.auth, &mut shelf);
    access("access", &mut config.access, &mut shelf);
    for (index, route) in config.route.iter_mut().enumerate() {
        auth(&format!("route.{index}.auth"), &mut route.auth, &mut shelf);
        access(&format!("route.{index}.access"), &mut route.access, &mut shelf);
    }
    certificates(config, &mut shelf);
    shelf.named.sort();
    shelf.named.dedup();
    shelf.named
}

fn auth(table: &str, auth: &mut Auth, shelf: &mut Shelf<'_>) {
    if let Some(path) = &auth.secret_file {
        auth.secret = shelf.secret(&format!("{table}.secret_file"), path);
    }
    if let Some(path) = &auth.identity.token_secret_file {
        auth.identity.token_secret = shelf.secret(&format!("{table}.identity.token_secret_file"), path);
    }
    if let Some(path) = &auth.authorizer.client_secret_file {
        auth.authorizer.client_secret = shelf.secret(&format!("{table}.authorizer.client_secret_file"), path);
    }
    for path in auth.jwks_ca.iter().chain(&auth.authorizer.ca) {
        shelf.name(path);
    }
    for (index, key) in auth.keys.iter_mut().enumerate() {
        let key_of = |field: &str| format!("{table}.keys.{index}.{field}");
        if let Some(path) = &key.secret_file {
            key.secret = shelf.secret(&key_of("secret_file"), path);
        }
        if let Some(path) = &key.pem_file {
            key.pem = shelf.text(&key_of("pem_file"), path, Readers::Anyone).map(|secret| secret.expose().to_string());
        }
        if let Some(path) = &key.jwk_file {
            key.jwk = shelf.secret(&key_of("jwk_file"), path);
        }
    }
}

fn access(table: &str, access: &mut Access, shelf: &mut Shelf<'_>) {
    for (index, payload) in access.payload.iter_mut().enumerate() {
        if let Some(path) = &payload.schema_file {
            let text = shelf.text(&format!("{table}.payload.{index}.schema_file"), path, Readers::Anyone);
            payload.schema = text.map(|text| text.expose().to_string());
        }
    }
}

fn certificates(config: &Config, shelf: &mut Shelf<'_>) {
    let tls = &config.tls;
    let of_upstreams = config.upstream.iter().flat_map(|upstream| upstream.ca.iter().chain(&upstream.client_certificate));
    for path in tls.certificate.iter().chain(tls.also.iter().map(|also| &also.certificate)).chain(of_upstreams) {
        shelf.name(path);
    }
    if let Some(path) = &tls.key {
        shelf.private_key("tls.key", path);
    }
    for (index, also) in tls.also.iter().enumerate() {
        shelf.private_key(&format!("tls.also.{index}.key"), &also.key);
    }
    for (index, upstream) in config.upstream.iter().enumerate() {
        if let Some(path) = &upstream.client_key {
            shelf.private_key(&format!("upstream.{index}.client_key"), path);
        }
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Readers {
    Owner,
    Anyone,
}

/// Files read so far. Routes inherit, so one file is often named many times; it is read, and complained about, once.
struct Shelf<'a> {
    directory: &'a Path,
    provenance: &'a Provenance,
    problems: &'a mut Vec<Problem>,
    read: BTreeMap<PathBuf, Option<Secret>>,
    named: Vec<PathBuf>,
}

impl Shelf<'_> {
    fn secret(&mut self, key: &str, path: &Path) -> Option<Secret> {
        self.text(key, path, Readers::Owner)
    }

    /// The text of a file without the newline at its end.
    fn text(&mut self, key: &str, path: &Path, readers: Readers) -> Option<Secret> {
        self.name(path);
        let path = self.directory.join(path);
        if let Some(known) = self.read.get(&path) {
            return known.clone();
        }
        let text = match read_small(&path) {
            Ok(text) => Some(Secret::from(text)),
            Err(what) => {
                self.refuse(key, format!("{} {what}", path.display()));
                None
            }
        };
        if text.is_some() && readers == Readers::Owner {
            self.warn_if_open(key, &path);
        }
        self.read.insert(path, text.clone());
        text
    }

    /// A key that another room reads; here only who may read it.
    fn private_key(&mut self, key: &str, path: &Path) {
        self.name(path);
        let path = self.directory.join(path);
        self.warn_if_open(key, &path);
    }

    fn name(&mut self, path: &Path) {
        self.named.push(self.directory.join(path));
    }

    fn warn_if_open(&mut self, key: &str, path: &Path) {
        let is_mounted = MOUNTED.iter().any(|mounted| path.starts_with(mounted));
        let is_open = fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0);
        if !is_open || is_mounted {
            return;
        }
        let (key, source) = self.provenance.blame(key);
        let what = format!("everybody on this machine may read {}", path.display());
        let problem = Problem::warning(key, source, what, format!("Run chmod o-r {}", path.display()));
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn refuse(&mut self, key: &str, what: String) {
        let (key, source) = self.provenance.blame(key);
        self.problems.push(Problem::refusal(key, source, what, "Name a file that holds it, readable by the gate's user"));
    }
}

/// A small text file, or what is the matter with it. No reason ever contains the text.
fn read_small(path: &Path) -> Result<String, String> {
    let file = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_string(),
        _ => format!("cannot be read ({})", error.kind()),
    })?;
    if file.is_dir() {
        return Err("is a directory".into());
    }
    if file.len() > LARGEST {
        return Err("is larger than 1 MiB".into());
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read ({})", error.kind()))?;
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_string())?;
    let kept = text.strip_suffix('\n').map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(kept);
    if text.trim().is_empty() { Err("is empty".into()) } else { Ok(text) }
}
