//! Small configurations in directories of their own.

use std::{fs, path::Path};

use sockgate::config::{Config, Loaded, Sources, load};
use tempfile::TempDir;

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Upstream and key, so that nothing else is missing.
pub const BASE: &str =
    "[auth]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[[upstream]]\nname = \"app\"\nmembers = [\"http://app:3001\"]\n";

pub struct Workshop {
    directory: TempDir,
    sources: Sources,
}

impl Workshop {
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a directory for one test");
        let sources = Sources { directory: directory.path().to_path_buf(), ..Sources::default() };
        Self { directory, sources }
    }

    /// With a file that has everything needed.
    pub fn ready() -> Self {
        Self::new().file("base.toml", BASE)
    }

    /// A file named on the command line.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.sources.files.push(name.into());
        self.beside(name, text)
    }

    /// A file that is only there.
    pub fn beside(self, name: &str, text: &str) -> Self {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("the directory can be made");
        fs::write(path, text).expect("the file can be written");
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((name.into(), value.into()));
        self
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.sources.overrides.push((key.into(), value.into()));
        self
    }

    pub fn strict(mut self) -> Self {
        self.sources.strict = true;
        self
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn load(&self) -> Loaded {
        load(&self.sources)
    }

    /// The configuration, when nothing is wrong at all.
    pub fn config(&self) -> Config {
        let loaded = self.load();
        assert!(loaded.problems.is_empty(), "{}", self.paragraphs().join("\n"));
        loaded.config.expect("nothing was refused")
    }

    /// Every problem as the operator reads it, without the directory of the test.
    pub fn paragraphs(&self) -> Vec<String> {
        let directory = format!("{}/", self.path().display());
        self.load().problems.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
    }

    /// The value and source of a key, as `check` prints them.
    pub fn in_effect(&self, key: &str) -> (String, String) {
        let directory = format!("{}/", self.path().display());
        let loaded = self.load();
        let entry = loaded
            .provenance
            .find(key)
            .into_iter()
            .find(|entry| entry.key == key)
            .unwrap_or_else(|| panic!("{key} is not there"));
        (entry.value.clone(), entry.source.to_string().replace(&directory, ""))
    }
}
