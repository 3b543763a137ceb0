//! What is in a pod of the examples: its volumes are there, its probes ask ports it has, and a gate in it starts with what is
//! mounted, listens where others look for it, may do no more than it must, and has the time to leave.

use std::time::Duration;

use serde_json::{Value, json};
use sockgate::config::{Config, upstream::Member};

use super::{
    kubernetes::{Cluster, list, text},
    stand::{self, Stand},
};

/// The image of the gate, by the version of this tree.
const IMAGE: &str = concat!("/sockgate:", env!("CARGO_PKG_VERSION"));
/// What a gate takes to end after its sessions have.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What Kubernetes gives when the manifest says nothing.
const USUAL_GRACE: u64 = 30;

pub fn problems(cluster: &Cluster<'_>, owner: &Value, template: &Value) -> Vec<String> {
    let pod = &template["spec"];
    let mut wrong = Vec::new();
    let labels = &template["metadata"]["labels"];
    let selector = &owner["spec"]["selector"]["matchLabels"];
    if selector.as_object().is_none_or(|selector| selector.iter().any(|(name, value)| labels.get(name) != Some(value))) {
        wrong.push("its selector is not the label of its pods".into());
    }
    wrong.extend(volumes(cluster, pod));
    for container in list(&pod["containers"]) {
        let mut of_container = probes(container);
        if is_gate(container) {
            of_container.extend(gate(cluster, pod, container));
        }
        wrong.extend(of_container.into_iter().map(|problem| format!("{}: {problem}", text(&container["name"]))));
    }
    wrong
}

/// Whether any container of these pods has a port of this name or number.
pub fn has_port(template: &Value, port: &Value) -> bool {
    list(&template["spec"]["containers"]).iter().any(|container| number(container, port).is_some())
}

fn number(container: &Value, port: &Value) -> Option<u64> {
    let is_it = |there: &&Value| there["name"] == *port || there["containerPort"] == *port;
    list(&container["ports"]).iter().find(is_it)?["containerPort"].as_u64()
}

fn is_gate(container: &Value) -> bool {
    text(&container["image"]).contains("/sockgate:")
}

fn volumes(cluster: &Cluster<'_>, pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let volumes = list(&pod["volumes"]);
    let mounts: Vec<&Value> = list(&pod["containers"]).iter().flat_map(|container| list(&container["volumeMounts"])).collect();
    for volume in volumes {
        let name = text(&volume["name"]);
        if !mounts.iter().any(|mount| mount["name"] == name) {
            wrong.push(format!("nobody mounts the volume {name:?}"));
        }
        if let Some(map) = volume["configMap"].get("name").filter(|map| cluster.find("ConfigMap", text(map)).is_none()) {
            wrong.push(format!("there is no ConfigMap {map}"));
        }
        if let Some(secret) = volume["secret"].get("secretName").filter(|secret| !cluster.secrets.contains_key(text(secret))) {
            wrong.push(format!("nobody makes the Secret {secret}"));
        }
    }
    let unknown = mounts.iter().filter(|mount| !volumes.iter().any(|volume| volume["name"] == mount["name"]));
    wrong.extend(unknown.map(|mount| format!("there is no volume {}", mount["name"])));
    wrong
}

fn probes(container: &Value) -> Vec<String> {
    let asked = ["readinessProbe", "livenessProbe", "startupProbe"].map(|probe| (probe, &container[probe]["httpGet"]["port"]));
    let missing = asked.into_iter().filter(|(_, port)| !port.is_null() && number(container, port).is_none());
    missing.map(|(probe, port)| format!("{probe} asks the port {port}, which it has not")).collect()
}

fn gate(cluster: &Cluster<'_>, pod: &Value, container: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text(&container["image"]).ends_with(IMAGE) {
        wrong.push(format!("its image is not {IMAGE}"));
    }
    wrong.extend(privileges(pod, container));
    let variables: Vec<(String, String)> =
        list(&container["env"]).iter().map(|one| (text(&one["name"]).to_string(), text(&one["value"]).to_string())).collect();
    match furnished(cluster, pod, container).judge(&variables, true) {
        Ok(config) => {
            wrong.extend(ports(&config, container));
            wrong.extend(time(&config, pod));
            wrong.extend(members(cluster, &config));
        }
        Err(said) => wrong.push(said),
    }
    wrong
}

/// The files the gate finds.
fn furnished(cluster: &Cluster<'_>, pod: &Value, container: &Value) -> Stand {
    let mut stand = Stand::new();
    for mount in list(&container["volumeMounts"]) {
        let path = text(&mount["mountPath"]);
        let Some(volume) = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]) else { continue };
        stand.mount(path);
        let map = cluster.find("ConfigMap", text(&volume["configMap"]["name"])).and_then(|map| map["data"].as_object());
        for (key, value) in map.into_iter().flatten() {
            stand.file(&format!("{path}/{key}"), text(value));
        }
        for key in cluster.secrets.get(text(&volume["secret"]["secretName"])).into_iter().flatten() {
            stand.secret(&format!("{path}/{key}"));
        }
    }
    stand
}

fn privileges(pod: &Value, container: &Value) -> Vec<String> {
    let of_pod = &pod["securityContext"];
    let own = &container["securityContext"];
    let either = |name: &str| own.get(name).or(of_pod.get(name)).cloned().unwrap_or_default();
    [
        ("runAsNonRoot", either("runAsNonRoot"), json!(true)),
        ("runAsUser", either("runAsUser"), json!(65532)),
        ("seccompProfile", either("seccompProfile"), json!({ "type": "RuntimeDefault" })),
        ("allowPrivilegeEscalation", own["allowPrivilegeEscalation"].clone(), json!(false)),
        ("readOnlyRootFilesystem", own["readOnlyRootFilesystem"].clone(), json!(true)),
        ("capabilities", own["capabilities"].clone(), json!({ "drop": ["ALL"] })),
        // Variables of a Service that is called sockgate would be taken for options.
        ("enableServiceLinks", pod["enableServiceLinks"].clone(), json!(false)),
        ("automountServiceAccountToken", pod["automountServiceAccountToken"].clone(), json!(false)),
    ]
    .into_iter()
    .filter(|(_, is, should)| is != should)
    .map(|(name, is, should)| format!("{name} is {is}, not {should}"))
    .collect()
}

fn ports(config: &Config, container: &Value) -> Vec<String> {
    let doors = stand::doors(config);
    let declared: Vec<u64> = list(&container["ports"]).iter().filter_map(|port| port["containerPort"].as_u64()).collect();
    let mut wrong = Vec::new();
    for port in &declared {
        if !doors.outside.iter().any(|door| u64::from(*door) == *port) {
            wrong.push(format!("it declares port {port}, where the gate does not listen for others"));
        }
    }
    if !declared.contains(&u64::from(doors.public)) {
        wrong.push(format!("it does not declare port {}, where clients come", doors.public));
    }
    for probe in ["readinessProbe", "livenessProbe"] {
        let asked = &container[probe]["httpGet"];
        if number(container, &asked["port"]) != doors.probe.map(u64::from) {
            wrong.push(format!("{probe} does not ask admin.probe_address"));
        }
    }
    let paths = ["readinessProbe", "livenessProbe"].map(|probe| text(&container[probe]["httpGet"]["path"]));
    if paths != ["/readyz", "/healthz"] {
        wrong.push(format!("its probes ask {paths:?}"));
    }
    wrong
}

fn time(config: &Config, pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let leaving = stand::leaving(config);
    let given = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(USUAL_GRACE));
    if given < leaving + LAST_WORDS {
        wrong.push(format!("terminationGracePeriodSeconds is less than drain.delay and drain.grace ({leaving:?}) and a little"));
    }
    // Whoever is in the same pod is told to end at the same moment.
    for other in list(&pod["containers"]).iter().filter(|other| !is_gate(other)) {
        let sleep = other["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().map(Duration::from_secs);
        if sleep.is_none_or(|sleep| sleep < leaving || sleep >= given) {
            wrong.push(format!("{} does not stay for the {leaving:?} in which the gate leaves", text(&other["name"])));
        }
    }
    wrong
}

/// Members are in the same pod, or pods with names of a Service.
fn members(cluster: &Cluster<'_>, config: &Config) -> Vec<String> {
    let unknown = config.upstream.iter().flat_map(|upstream| &upstream.members).map(Member::url).filter(|member| {
        let authority = member.split_once("://").map_or(*member, |(_, rest)| rest);
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        if host == "127.0.0.1" {
            return false;
        }
        let parts: Vec<&str> = host.split('.').collect();
        let [pod, service, namespace, "svc"] = parts.as_slice() else { return true };
        let found = cluster.find("Service", service);
        let has = found.is_some_and(|found| {
            found["metadata"]["namespace"] == *namespace
                && list(&found["spec"]["ports"]).iter().any(|there| there["port"].as_u64() == port.parse().ok())
        });
        let index = pod.rsplit_once('-').and_then(|(_, index)| index.parse::<u64>().ok());
        let set = cluster.documents.iter().find(|one| one["kind"] == "StatefulSet" && one["spec"]["serviceName"] == *service);
        let replicas = set.and_then(|set| set["spec"]["replicas"].as_u64());
        !has || index.zip(replicas).is_none_or(|(index, replicas)| index >= replicas)
    });
    unknown.map(|member| format!("upstream.members: {member} is no pod of these manifests")).collect()
}
