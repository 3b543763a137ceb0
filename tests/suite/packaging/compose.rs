//! Compose files of the examples: what they name is there, the gate they start accepts its configuration and its variables, and
//! nothing but the gate is published from where the gate and its app are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    pages::is_read,
    stand::{self, CONFIGURATION, Stand},
    top,
};

/// Of a service, as the Compose specification has them, as far as examples have needed them.
const KEYS: [&str; 33] = [
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "depends_on",
    "deploy",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "logging",
    "network_mode",
    "networks",
    "platform",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "user",
    "volumes",
];
const TOP_KEYS: [&str; 6] = ["name", "services", "networks", "volumes", "secrets", "configs"];
/// Docker kills after this when the file says nothing.
const USUAL_GRACE: Duration = Duration::from_secs(10);

/// What is wrong with it.
pub fn problems(folder: &Path, file: &Value) -> Vec<String> {
    let mut wrong = unknown("the file", file, &TOP_KEYS);
    let Some(services) = file["services"].as_object().filter(|services| !services.is_empty()) else {
        return vec!["services: there are none".into()];
    };
    for (name, service) in services {
        let mut of_service = unknown("the service", service, &KEYS);
        of_service.extend(named(folder, file, service));
        if is_gate(folder, service) {
            of_service.extend(gate(folder, file, name, service));
        } else if service.get("build").is_some() {
            of_service.extend(app(folder, service));
        }
        wrong.extend(of_service.into_iter().map(|problem| format!("services.{name}: {problem}")));
    }
    wrong
}

fn unknown(whose: &str, table: &Value, known: &[&str]) -> Vec<String> {
    let Some(table) = table.as_object() else { return vec![format!("{whose} is no table")] };
    let unknown = table.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
    unknown.map(|key| format!("{whose} has {key:?}, which is no key of Compose, or one that is new here")).collect()
}

/// What a service names is there.
fn named(folder: &Path, file: &Value, service: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut has = |kind: &str, name: &str| {
        if file[kind].get(name).is_none() {
            wrong.push(format!("{name:?} is not among the {kind}"));
        }
    };
    names(&service["depends_on"]).iter().for_each(|name| has("services", name));
    names(&service["networks"]).iter().filter(|name| *name != "default").for_each(|name| has("networks", name));
    names(&service["secrets"]).iter().for_each(|name| has("secrets", name));
    if let Some(shared) = service["network_mode"].as_str().and_then(|mode| mode.strip_prefix("service:")) {
        has("services", shared);
    }
    for (source, _) in mounts(service) {
        let is_path = source.starts_with(['.', '/', '~']);
        if !is_path {
            has("volumes", &source);
        }
    }
    for (source, _) in mounts(service).into_iter().filter(|(source, _)| source.starts_with('.')) {
        if !folder.join(&source).exists() {
            wrong.push(format!("volumes: {source} is not there"));
        }
    }
    for name in env_files(service).into_iter().filter(|name| !folder.join(name).exists()) {
        wrong.push(format!("env_file: {name} is not there"));
    }
    match (context(folder, service), service.get("image")) {
        (None, None) => wrong.push("it has neither an image nor a way to build one".into()),
        (Some(context), _) => wrong.extend(image(&context, &service["build"])),
        (None, Some(_)) => {}
    }
    wrong
}

/// What an image is built from.
fn image(context: &Path, build: &Value) -> Vec<String> {
    if !context.is_dir() {
        return vec![format!("build: {} is no folder", context.display())];
    }
    let Some(text) = build["dockerfile_inline"].as_str() else {
        let name = build["dockerfile"].as_str().unwrap_or("Dockerfile");
        return (!context.join(name).exists()).then(|| format!("build: {name} is not there")).into_iter().collect();
    };
    let copied = text.lines().filter_map(|line| line.trim().strip_prefix("COPY ")).filter(|copy| !copy.starts_with("--from"));
    let sources = copied.flat_map(|copy| {
        let words: Vec<&str> = copy.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        words[..words.len().saturating_sub(1)].to_vec()
    });
    sources
        .filter(|source| !context.join(source).exists())
        .map(|source| format!("build: {source} is copied and not there"))
        .collect()
}

/// The gate's image is the one of this repository.
fn is_gate(folder: &Path, service: &Value) -> bool {
    let context = context(folder, service).and_then(|context| context.canonicalize().ok());
    context.is_some_and(|context| Some(context) == top().canonicalize().ok())
}

fn gate(folder: &Path, file: &Value, name: &str, service: &Value) -> Vec<String> {
    let variables = variables(folder, service);
    let mut wrong = Vec::new();
    for (variable, _) in &variables {
        if !is_read(variable) && (variable.starts_with("SOCKGATE_") || !is_mentioned(folder, variable)) {
            wrong.push(format!("{variable} is read by nobody"));
        }
    }
    let config = match furnished(folder, file, service).judge(&variables, false) {
        Ok(config) => config,
        Err(said) => {
            wrong.push(said);
            return wrong;
        }
    };
    let owner = service["network_mode"].as_str().and_then(|mode| mode.strip_prefix("service:")).unwrap_or(name);
    let outside = stand::doors(&config).outside;
    for port in published(&file["services"][owner]) {
        match port {
            Some(port) if outside.contains(&port) => {}
            Some(port) => wrong.push(format!("port {port} is published, and the gate listens outside on {outside:?} alone")),
            None => wrong.push("a port that is published is no number".into()),
        }
    }
    let grace = service["stop_grace_period"].as_str().map_or(Some(USUAL_GRACE), time);
    match grace {
        Some(grace) if grace > stand::leaving(&config) => {}
        _ => wrong
            .push(format!("stop_grace_period is shorter than the {:?} that the gate takes to leave", stand::leaving(&config))),
    }
    wrong
}

/// An app reads what it is given.
fn app(folder: &Path, service: &Value) -> Vec<String> {
    let unread = variables(folder, service).into_iter().map(|(name, _)| name).filter(|name| !is_read(name));
    unread.filter(|name| !is_mentioned(folder, name)).map(|name| format!("{name} is read by nobody")).collect()
}

/// The files a gate finds.
fn furnished(folder: &Path, file: &Value, service: &Value) -> Stand {
    let mut stand = Stand::new();
    for (source, target) in mounts(service) {
        let text = fs::read_to_string(folder.join(&source));
        match text {
            Ok(text) => stand.file(&target, &text),
            Err(_) => stand.folder(&target),
        }
        if target != CONFIGURATION {
            stand.mount(&target);
        }
    }
    for folder in names(&service["tmpfs"]) {
        stand.folder(folder.split(':').next().unwrap_or_default());
    }
    for name in names(&service["secrets"]) {
        let target = format!("/run/secrets/{name}");
        match file["secrets"][&name]["file"].as_str().and_then(|file| fs::read_to_string(folder.join(file)).ok()) {
            Some(text) => stand.file(&target, &text),
            // For its reader to make.
            None => stand.secret(&target),
        }
    }
    stand.mount("/run/secrets");
    stand
}

/// Whether any file of the example, but for manifests and lists of variables, has this word.
fn is_mentioned(folder: &Path, word: &str) -> bool {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_manifest = [".yaml", ".yml", ".env"].iter().any(|end| name.ends_with(end));
            if name.starts_with('.') || name == "node_modules" || is_manifest {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains(word)) {
                return true;
            }
        }
    }
    false
}

fn context(folder: &Path, service: &Value) -> Option<PathBuf> {
    let build = service.get("build")?;
    Some(folder.join(build.as_str().or_else(|| build["context"].as_str()).unwrap_or(".")))
}

/// A list of names, or a table by names.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => {
            list.iter().filter_map(|one| one.as_str().or_else(|| one["source"].as_str())).map(str::to_string).collect()
        }
        Value::Object(table) => table.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Sources and targets of volumes.
fn mounts(service: &Value) -> Vec<(String, String)> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    let pair = |volume: &Value| match volume.as_str() {
        Some(text) => {
            text.split_once(':').map(|(source, rest)| (source.to_string(), rest.split(':').next().unwrap_or(rest).to_string()))
        }
        None => Some((volume["source"].as_str()?.to_string(), volume["target"].as_str()?.to_string())),
    };
    volumes.filter_map(pair).collect()
}

fn env_files(service: &Value) -> Vec<String> {
    match &service["env_file"] {
        Value::Array(list) => {
            list.iter().filter_map(|one| one.as_str().or_else(|| one["path"].as_str())).map(str::to_string).collect()
        }
        other => names(other),
    }
}

/// Files first, then the table, which wins.
fn variables(folder: &Path, service: &Value) -> Vec<(String, String)> {
    let mut all = BTreeMap::new();
    for name in env_files(service) {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
        all.extend(pairs.map(|(name, value)| (name.to_string(), value.trim_matches(['"', '\'']).to_string())));
    }
    match &service["environment"] {
        Value::Object(table) => all.extend(table.iter().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            (name.clone(), value)
        })),
        Value::Array(list) => {
            all.extend(list.iter().filter_map(Value::as_str).map(|one| {
                let (name, value) = one.split_once('=').unwrap_or((one, ""));
                (name.to_string(), value.to_string())
            }));
        }
        _ => {}
    }
    all.into_iter().collect()
}

/// The container's side of each port.
fn published(service: &Value) -> Vec<Option<u16>> {
    let ports = service["ports"].as_array().into_iter().flatten();
    let inside = |port: &Value| match port {
        Value::String(text) => text.rsplit(':').next()?.split('/').next()?.parse().ok(),
        Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
        other => u16::try_from(other["target"].as_u64()?).ok(),
    };
    ports.map(inside).collect()
}

fn time(text: &str) -> Option<Duration> {
    let seconds = |text: &str| text.strip_suffix('s').unwrap_or(text).parse::<u64>().ok();
    match text.split_once('m') {
        Some((minutes, "")) => Some(Duration::from_secs(minutes.parse::<u64>().ok()? * 60)),
        Some((minutes, rest)) => Some(Duration::from_secs(minutes.parse::<u64>().ok()? * 60 + seconds(rest)?)),
        None => seconds(text).map(Duration::from_secs),
    }
}
