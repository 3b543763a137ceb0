//! Manifests of Kubernetes: each is what its kind's type has, to the last field, and what they say of each other is true. What
//! is in a pod is judged by [`super::pods`].

use std::{collections::BTreeMap, fs, path::Path};

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    serde::{Serialize, de::DeserializeOwned},
};
use serde_json::Value;

use super::pods;

/// Everything that one file makes, and what its README tells to make before.
pub struct Cluster<'a> {
    pub documents: &'a [Value],
    /// Names of secrets, each with its keys.
    pub secrets: BTreeMap<String, Vec<String>>,
}

/// What is wrong with the manifests of one file.
pub fn problems(folder: &Path, documents: &[Value]) -> Vec<String> {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let cluster = Cluster { documents, secrets: secrets(documents, &readme) };
    let of_one = |document: &Value| {
        let mut wrong = typed(document);
        wrong.extend(related(&cluster, document));
        if let Some(template) = document["spec"].get("template") {
            wrong.extend(pods::problems(&cluster, document, template));
        }
        let name = format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]));
        wrong.into_iter().map(move |problem| format!("{name}: {problem}"))
    };
    documents.iter().flat_map(of_one).collect()
}

impl<'a> Cluster<'a> {
    pub fn find(&self, kind: &str, name: &str) -> Option<&'a Value> {
        self.documents.iter().find(|document| document["kind"] == kind && document["metadata"]["name"] == name)
    }

    /// Who has pods with these labels.
    pub fn selected(&self, labels: &Value) -> Vec<&'a Value> {
        let Some(labels) = labels.as_object().filter(|labels| !labels.is_empty()) else { return Vec::new() };
        let has = |document: &&Value| {
            let there = &document["spec"]["template"]["metadata"]["labels"];
            labels.iter().all(|(name, value)| there.get(name) == Some(value))
        };
        self.documents.iter().filter(has).collect()
    }
}

/// Whether the type of its kind takes it, and takes all of it.
fn typed(document: &Value) -> Vec<String> {
    fn read<T: DeserializeOwned + Serialize>(document: &Value) -> Vec<String> {
        match serde_json::from_value::<T>(document.clone()).and_then(serde_json::to_value) {
            Ok(understood) => lost(document, &understood, ""),
            Err(error) => vec![error.to_string()],
        }
    }
    match (text(&document["apiVersion"]), text(&document["kind"])) {
        ("v1", "ConfigMap") => read::<ConfigMap>(document),
        ("v1", "Namespace") => read::<Namespace>(document),
        ("v1", "Secret") => read::<Secret>(document),
        ("v1", "Service") => read::<Service>(document),
        ("v1", "ServiceAccount") => read::<ServiceAccount>(document),
        ("apps/v1", "DaemonSet") => read::<DaemonSet>(document),
        ("apps/v1", "Deployment") => read::<Deployment>(document),
        ("apps/v1", "StatefulSet") => read::<StatefulSet>(document),
        ("networking.k8s.io/v1", "Ingress") => read::<Ingress>(document),
        ("networking.k8s.io/v1", "NetworkPolicy") => read::<NetworkPolicy>(document),
        ("policy/v1", "PodDisruptionBudget") => read::<PodDisruptionBudget>(document),
        (version, kind) => vec![format!("{kind:?} of {version:?} is not known here")],
    }
}

/// The fields that the type does not have: Kubernetes drops them, or refuses the manifest.
fn lost(written: &Value, understood: &Value, at: &str) -> Vec<String> {
    match (written, understood) {
        (Value::Object(written), _) => written
            .iter()
            .filter(|(_, value)| !is_empty(value))
            .flat_map(|(name, value)| match understood.get(name) {
                Some(understood) => lost(value, understood, &format!("{at}.{name}")),
                None => vec![format!("there is no field {at}.{name}")],
            })
            .collect(),
        (Value::Array(written), Value::Array(understood)) if written.len() == understood.len() => {
            let pairs = written.iter().zip(understood).enumerate();
            pairs.flat_map(|(index, (written, understood))| lost(written, understood, &format!("{at}.{index}"))).collect()
        }
        _ if written == understood => Vec::new(),
        _ => vec![format!("{at} is {written} and would be read as {understood}")],
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|table| table.is_empty()) || value.as_array().is_some_and(Vec::is_empty)
}

/// What names something else, names what is there.
fn related(cluster: &Cluster<'_>, document: &Value) -> Vec<String> {
    let spec = &document["spec"];
    match text(&document["kind"]) {
        "Service" => {
            let chosen = cluster.selected(&spec["selector"]);
            if chosen.is_empty() {
                return vec!["it selects no pods".into()];
            }
            let ports = list(&spec["ports"]).iter().map(|port| port.get("targetPort").unwrap_or(&port["port"]));
            let missing = ports.filter(|port| !chosen.iter().all(|one| pods::has_port(&one["spec"]["template"], port)));
            missing.map(|port| format!("no container has the port {port}")).collect()
        }
        "PodDisruptionBudget" => match cluster.selected(&spec["selector"]["matchLabels"]).as_slice() {
            [] => vec!["it selects no pods".into()],
            _ => Vec::new(),
        },
        "NetworkPolicy" => match cluster.selected(&spec["podSelector"]["matchLabels"]).as_slice() {
            [] => vec!["it selects no pods".into()],
            _ => Vec::new(),
        },
        "Ingress" => ingress(cluster, spec),
        "StatefulSet" if cluster.find("Service", text(&spec["serviceName"])).is_none() => {
            vec!["its serviceName is no Service".into()]
        }
        _ => Vec::new(),
    }
}

fn ingress(cluster: &Cluster<'_>, spec: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let paths = list(&spec["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"]));
    for backend in paths.map(|path| &path["backend"]["service"]) {
        let ports = cluster.find("Service", text(&backend["name"])).map(|service| list(&service["spec"]["ports"]));
        let is_it = |port: &Value| {
            let asked = &backend["port"];
            asked.get("name").is_some_and(|name| *name == port["name"])
                || asked.get("number").is_some_and(|number| *number == port["port"])
        };
        if !ports.is_some_and(|ports| ports.iter().any(is_it)) {
            wrong.push(format!("no Service has {backend}"));
        }
    }
    for secret in list(&spec["tls"]).iter().map(|tls| text(&tls["secretName"])) {
        if !cluster.secrets.contains_key(secret) {
            wrong.push(format!("nobody makes the Secret {secret:?}"));
        }
    }
    wrong
}

/// Those of the file, and those that `kubectl create secret` of the README makes.
fn secrets(documents: &[Value], readme: &str) -> BTreeMap<String, Vec<String>> {
    let of_file = documents.iter().filter(|document| document["kind"] == "Secret").map(|secret| {
        let keys =
            ["data", "stringData"].iter().filter_map(|kind| secret[*kind].as_object()).flat_map(|keys| keys.keys().cloned());
        (text(&secret["metadata"]["name"]).to_string(), keys.collect())
    });
    let made = readme.lines().filter_map(|line| line.split_once("create secret "));
    let of_readme = made.filter_map(|(_, rest)| {
        let mut words = rest.split_whitespace();
        let (kind, name) = (words.next()?, words.next()?);
        let keys = match kind {
            "tls" => vec!["tls.crt".to_string(), "tls.key".to_string()],
            _ => words
                .filter_map(|word| word.strip_prefix("--from-file=").or(word.strip_prefix("--from-literal=")))
                .map(|file| file.split('=').next().unwrap_or(file).rsplit('/').next().unwrap_or(file).to_string())
                .collect(),
        };
        Some((name.to_string(), keys))
    });
    of_file.chain(of_readme).collect()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
