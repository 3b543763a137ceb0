//! From what an operator wrote to one configuration: the layers, weakest first, are the defaults, TOML files, the profile's
//! files beside them, names that existing apps already read, own variables, and the command line. Every problem is collected;
//! a configuration comes out only when none of them refuses. A wrong value of an ordinary variable is a warning and the value
//! below stays; wrong values in files and on the command line refuse, and so does, from anywhere, what could weaken the gate.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
};

use figment::value::Value;

use super::{
    Config, check,
    env::{self, LEGACY, Legacy, Reading},
    file, files, inherit,
    keys::{self, Key, Shape},
    misfit,
    problem::{Problem, Severity, Source, harden, without_password},
    provenance::Provenance,
    stack::{self, Layer, Path, Stack},
};

/// Looked for, in this order, when no file is named; the first that exists is read.
pub const PLACES: [&str; 2] = ["config/sockgate.toml", "/etc/sockgate/sockgate.toml"];

/// What a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files named on the command line. Empty: the first of [`PLACES`] that exists.
    pub files: Vec<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// `--set key=value`, in order.
    pub overrides: Vec<(String, String)>,
    /// Where relative paths start: of the files, and of the files they name.
    pub directory: PathBuf,
    /// Warnings refuse too.
    pub strict: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `None` when any problem is a refusal.
    pub config: Option<Config>,
    /// What a refused configuration says, as far as it could be read and typed: for finding what else is wrong with it, and
    /// never to be served.
    pub draft: Option<Draft>,
    pub problems: Vec<Problem>,
    pub provenance: Provenance,
    /// Every file that was read, and those that hold certificates: to be watched.
    pub files: Vec<PathBuf>,
}

/// A configuration that is refused. It does not print: secrets may stand where none is expected, and be part of what is
/// wrong.
#[derive(Clone)]
pub struct Draft(pub Config);

impl fmt::Debug for Draft {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Draft")
    }
}

/// Loads a configuration.
pub fn load(sources: &Sources) -> Loaded {
    let mut loading = Loading { sources, stack: Stack::new(), problems: Vec::new(), files: Vec::new(), is_readable: true };
    loading.files();
    loading.legacy();
    loading.variables();
    loading.overrides();
    loading.finish()
}

struct Loading<'a> {
    sources: &'a Sources,
    stack: Stack,
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
    /// Whether every file could be read; otherwise rules would complain of what is only missing.
    is_readable: bool,
}

impl Loading<'_> {
    fn files(&mut self) {
        let named = !self.sources.files.is_empty();
        let candidates: Vec<PathBuf> = match named {
            true => self.sources.files.iter().map(|path| self.sources.directory.join(path)).collect(),
            false => PLACES.iter().map(|path| self.sources.directory.join(path)).collect(),
        };
        let mut read: Vec<PathBuf> = candidates.iter().filter(|path| named || path.is_file()).cloned().collect();
        if !named {
            read.truncate(1);
        }
        for path in &read {
            self.file(path);
        }
        self.profile(if read.is_empty() { &candidates } else { &read });
    }

    /// The files of the profile beside those of the configuration; at least one must be there.
    fn profile(&mut self, beside: &[PathBuf]) {
        let Some(profile) = self.variable(env::PROFILE).filter(|profile| !profile.is_empty()) else { return };
        let source = Source::Variable(env::PROFILE.into());
        if !profile.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            let what = format!("{profile:?} is no name of a profile");
            return self.problems.push(Problem::refusal("", source, what, "Use letters, digits, - and _"));
        }
        let paths: Vec<PathBuf> = beside.iter().map(|path| path.with_extension(format!("{profile}.toml"))).collect();
        let there: Vec<&PathBuf> = paths.iter().filter(|path| path.is_file()).collect();
        if there.is_empty() {
            let looked = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
            let what = format!("profile {profile:?} has no file {looked}");
            self.problems.push(Problem::refusal("", source, what, "Write it, or unset the variable"));
        }
        for path in there {
            self.file(path);
        }
    }

    fn file(&mut self, path: &FilePath) {
        self.files.push(path.to_path_buf());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.is_readable = false;
                let what = format!("cannot be read ({})", error.kind());
                return self.problems.push(Problem::refusal("", Source::file(path), what, "Name a TOML file that exists"));
            }
        };
        // An editor's byte order mark is no part of the text.
        match file::read(path, text.strip_prefix('\u{feff}').unwrap_or(&text), &mut self.problems) {
            Some(layer) => self.put_in_full(layer),
            None => self.is_readable = false,
        }
    }

    /// Lays a file on the stack without the values that do not fit, and reports each of those.
    fn put_in_full(&mut self, mut layer: Layer) {
        // Elements taken out of a list move the later ones up; the count leads back to where they were written.
        let mut gone: BTreeMap<Path, usize> = BTreeMap::new();
        while let Err(error) = self.stack.put(&layer) {
            let mut written = error.path.clone();
            if let Some((last, list)) = error.path.split_last()
                && let Ok(index) = last.parse::<usize>()
            {
                let shift = gone.entry(list.to_vec()).or_default();
                written = list.iter().cloned().chain([(index + *shift).to_string()]).collect();
                *shift += 1;
            }
            let source = layer.place_of(&written);
            let (what, instead) = misfit::explain(&error, &written);
            self.problems.push(Problem::refusal(written.join("."), source, what, instead));
            layer.places.retain(|(path, _)| *path != written);
            if !layer.remove(&error.path) {
                return;
            }
        }
    }

    fn legacy(&mut self) {
        for legacy in LEGACY {
            let Some(text) = self.variable(legacy.name).filter(|text| !text.trim().is_empty()) else { continue };
            self.legacy_name(legacy, text.trim());
        }
    }

    fn legacy_name(&mut self, legacy: &Legacy, text: &str) {
        let source = Source::Variable(legacy.name.into());
        let path: Path = legacy.keys.split('.').map(str::to_string).collect();
        match legacy.reading {
            Reading::Production => {
                if text.eq_ignore_ascii_case("production") {
                    self.change(&path, Value::from("production"), source);
                }
            }
            Reading::Truth => match Value::from(text).to_bool_lossy() {
                Some(truth) => self.change(&path, Value::from(truth), source),
                None => self.ignore(&path, source, format!("{text:?} is neither true nor false")),
            },
            Reading::OwnPort => self.own_port(&path, text, source),
            Reading::Computed if self.has_explicit_origins() => {}
            Reading::Computed => self.list(&path, env::loose_entries(text), source),
            Reading::Origins => self.origins(&path, env::loose_entries(text), source),
            Reading::Page => {
                let pages = env::loose_entries(text);
                self.origins(&path, pages.iter().map(|url| env::origin_of_page(url).to_string()).collect(), source);
            }
            Reading::List => self.list(&path, env::loose_entries(text), source),
            Reading::Time => self.change(&path, Value::from(env::legacy_time(text)), source),
            Reading::Text => self.change(&path, Value::from(text), source),
            Reading::Unused => {
                // It is the app's own, which runs beside us: not even --strict may ask for its removal.
                self.problems.push(Problem::note("", source, legacy.note, "Nothing needs to be done"));
            }
        }
    }

    /// The port of the listening address; what stands before it stays.
    fn own_port(&mut self, path: &[String], text: &str, source: Source) {
        // A service called `port-…` in Kubernetes sets this name too.
        if text.contains("://") {
            return;
        }
        let address = self.stack.value(path).and_then(|value| value.as_str().and_then(|text| text.parse::<SocketAddr>().ok()));
        match (text.parse::<u16>(), address) {
            (Ok(port), Some(mut address)) => {
                address.set_port(port);
                self.change(path, Value::from(address.to_string()), source);
            }
            (Ok(_), None) => self.ignore(path, source, "the address it belongs to cannot be read".into()),
            (Err(_), _) => self.ignore(path, source, format!("{text:?} is not a port")),
        }
    }

    /// Whether somebody listed origins, in a file or in an own variable. The computed list of an app is then none of ours.
    fn has_explicit_origins(&self) -> bool {
        let name = env::name_of("origin.allow").expect("a plain key has a name");
        let is_listed =
            self.stack.value(&["origin", "allow"]).is_some_and(|list| list.as_array().is_some_and(|list| !list.is_empty()));
        is_listed || self.variable(&name).is_some_and(|text| !text.is_empty())
    }

    /// Origins that replace the computed list, and every list below.
    fn origins(&mut self, path: &[String], entries: Vec<String>, source: Source) {
        let nothing = || Value::from(Vec::<String>::new());
        for cleared in ["hosts", "ports"] {
            self.change(&["origin".into(), cleared.into()], nothing(), source.clone());
        }
        let was_empty = entries.is_empty();
        self.list(path, entries, source.clone());
        let is_empty = self.stack.value(path).is_none_or(|list| list.as_array().is_none_or(<[Value]>::is_empty));
        if is_empty && !was_empty {
            let what = "no origin is left in it, so only pages of localhost:5000 may connect";
            self.problems.push(Problem::warning(path.join("."), source, what, "Write for example https://app.example.com"));
        }
    }

    /// A list from a variable, without the entries that are no origins or hosts.
    fn list(&mut self, path: &[String], entries: Vec<String>, source: Source) {
        let mut kept = Vec::new();
        for entry in entries {
            match env::entry_error(path, &entry) {
                None => kept.push(entry),
                Some(error) => {
                    let what =
                        format!("{:?} is left out: {}", without_password(&entry), hide_password(&error.to_string(), &entry));
                    self.problems.push(Problem::warning(path.join("."), source.clone(), what, ""));
                }
            }
        }
        self.change(path, Value::from(kept), source);
    }

    fn variables(&mut self) {
        let own =
            self.sources.env.iter().filter(|(name, value)| {
                name.starts_with(env::PREFIX) && name != env::PROFILE && !env::is_service_link(name, value)
            });
        let mut own: Vec<(String, String)> = own.cloned().collect();
        own.sort_by_key(|(name, _)| env::order_of(name));
        for (name, text) in own {
            let source = Source::Variable(name.clone());
            if name == env::UPSTREAM {
                self.upstream(&text, source);
            } else if let Some(path) = env::path_of(&name) {
                self.setting(&path, &text, source);
            }
        }
    }

    /// `SOCKGATE_UPSTREAM`: the members of the only upstream, which is made when there is none.
    fn upstream(&mut self, text: &str, source: Source) {
        let members = env::entries(text);
        if members.is_empty() {
            return;
        }
        let count = self.stack.value(&["upstream"]).and_then(|list| list.as_array().map(<[Value]>::len)).unwrap_or_default();
        if count > 1 {
            let what = format!("it stands for one upstream, and there are {count}");
            let instead = "Write SOCKGATE_UPSTREAM__0__MEMBERS, SOCKGATE_UPSTREAM__1__MEMBERS and so on";
            return self.problems.push(Problem::refusal("upstream", source, what, instead));
        }
        let path = |key: &str| vec!["upstream".to_string(), "0".into(), key.into()];
        if count == 0 {
            self.change(&path("name"), Value::from("app"), source.clone());
        }
        self.change(&path("members"), Value::from(members), source);
    }

    fn overrides(&mut self) {
        for (key, text) in &self.sources.overrides {
            let path: Path = key.split('.').map(str::to_string).collect();
            self.setting(&path, text, Source::Flag(key.clone()));
        }
    }

    /// One key and its text, from a variable or the command line.
    fn setting(&mut self, path: &[String], text: &str, source: Source) {
        let is_variable = matches!(source, Source::Variable(_));
        let Some(key) = keys::all().find(path) else {
            let nearest = keys::nearest(path).map(|key| match is_variable {
                true => env::name_of(&key).unwrap_or(key),
                false => key,
            });
            let severity = if is_variable { Severity::Warning } else { Severity::Refusal };
            let instead = if is_variable { "It is not used" } else { "" };
            let mut problem = Problem::warning(path.join("."), source, "unknown key", instead).near(nearest);
            problem.severity = severity;
            return self.problems.push(problem);
        };
        match env::to_value(key, text) {
            Some(Value::Array(_, _)) if is_variable && key.shape() == Shape::List => self.list(path, env::entries(text), source),
            Some(value) => self.change(&keys::all().steps(path), value, source),
            None => self.refuse_table(path, key, source),
        }
    }

    fn refuse_table(&mut self, path: &[String], key: Key<'_>, source: Source) {
        let below = match key.shape() {
            Shape::Tables => key.items().and_then(|items| items.children().next()).map(|(name, _)| format!("0.{name}")),
            _ => key.children().next().map(|(name, _)| name.to_string()),
        };
        let example = format!("{}.{}", path.join("."), below.unwrap_or_else(|| "name".into()));
        let example = match source {
            Source::Variable(_) => env::name_of(&example).unwrap_or(example),
            _ => example,
        };
        let problem =
            Problem::refusal(path.join("."), source, "it is a table", format!("Set its keys one by one, as in {example}"));
        self.report(path, problem);
    }

    /// Lays one value on the stack, or says why not.
    fn change(&mut self, path: &[String], value: Value, source: Source) {
        let Some(layer) = self.stack.change(path, value, source.clone()) else {
            let what = "it counts beyond the end of the list";
            let problem = Problem::refusal(path.join("."), source, what, "Lists count from 0, without gaps");
            return self.problems.push(problem);
        };
        if let Err(error) = self.stack.put(&layer) {
            // The path of an entry of a list goes beyond that of the list.
            let wrong = if error.path.len() >= path.len() { error.path.clone() } else { path.to_vec() };
            let (what, instead) = misfit::explain(&error, &wrong);
            self.report(path, Problem::refusal(path.join("."), source, what, instead));
        }
    }

    /// A refusal, or for ordinary variables a warning that says what is used instead.
    fn report(&mut self, path: &[String], mut problem: Problem) {
        if matches!(problem.source, Source::Variable(_)) && !env::is_guarded(path) {
            problem.severity = Severity::Warning;
            problem.instead = self.what_stays(path);
        }
        self.problems.push(problem);
    }

    fn ignore(&mut self, path: &[String], source: Source, what: String) {
        let stays = self.what_stays(path);
        self.problems.push(Problem::warning(path.join("."), source, what, stays));
    }

    fn what_stays(&self, path: &[String]) -> String {
        let source = self.stack.places().find(&path.join("."));
        match self.stack.value(path) {
            Some(value) if !is_secret(path) => format!("{} stays ({source}){}", stack::printed(&value), meaning(path, &value)),
            _ => format!("What was there stays ({source})"),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.sources.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Completes, types and judges what the stack holds.
    fn finish(mut self) -> Loaded {
        let (values, places) = self.stack.into_parts();
        let (values, places) = inherit::complete(values, places);
        let mut provenance = Provenance::of_places(places.clone());
        let mut config = match stack::to_config(&values) {
            Ok(config) => Some(config),
            Err(error) => {
                let (what, instead) = misfit::explain(&error, &error.path);
                let key = error.path.join(".");
                let source = provenance.source(&key);
                self.problems.push(Problem::refusal(key, source, what, instead));
                None
            }
        };
        if let Some(config) = config.as_mut().filter(|_| self.is_readable) {
            self.files.extend(files::read(config, &self.sources.directory, &provenance, &mut self.problems));
            let mut judged = Vec::new();
            check::judge(config, &provenance, &mut judged);
            judged.retain(|problem| !self.problems.iter().any(|known| follows_from(problem, known)));
            self.problems.extend(judged);
        }
        if let Some(config) = &config {
            provenance = Provenance::new(config, places);
        }
        self.problems.sort_by(|one, other| one.source.cmp(&other.source));
        if self.sources.strict {
            harden(&mut self.problems);
        }
        let is_refused = self.problems.iter().any(Problem::is_refusal);
        // Of files that could not be read everything is missing, and nothing more can be said.
        let (config, draft) = match is_refused {
            true => (None, config.filter(|_| self.is_readable).map(Draft)),
            false => (config, None),
        };
        Loaded { config, draft, problems: self.problems, provenance, files: self.files }
    }
}

/// Whether a rule only complains that a value is missing which has been taken out because it was wrong.
fn follows_from(problem: &Problem, known: &Problem) -> bool {
    let is_elsewhere = matches!(problem.source, Source::Variable(_) | Source::Flag(_)) && problem.source != known.source;
    let is_part = known.key.strip_prefix(&problem.key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    !problem.key.is_empty() && is_part && !is_elsewhere && known.severity == Severity::Refusal
}

/// A reason may repeat parts of the entry; none of them with its password.
fn hide_password(reason: &str, entry: &str) -> String {
    if without_password(entry) == entry { reason.to_string() } else { "an origin has no user name".into() }
}

/// What an empty list of ports means is not what it says.
fn meaning(path: &[String], value: &Value) -> &'static str {
    let is_empty = matches!(value, Value::Array(_, items) if items.is_empty());
    if is_empty && path == ["origin", "ports"] { ": 80 and 443 where hosts are named, else 5000" } else { "" }
}

fn is_secret(path: &[String]) -> bool {
    keys::all().find(path).is_none_or(Key::is_secret)
}
