//! The checks of manifests find what they are for: good ones with one thing changed are told, each in its words.

use std::{fs, path::Path};

use super::{manifests::problems, page, top};

/// A gate beside its app, as the examples have it.
const COMPOSE: &str = "
services:
  app:
    build: { context: ., dockerfile_inline: 'COPY app.js ./' }
    env_file: gate.env
    ports: ['8443:8443']
  gate:
    build: TOP
    network_mode: service:app
    depends_on: [app]
    env_file: gate.env
    environment:
      SOCKGATE_LISTEN__ADDRESS: 0.0.0.0:8443
      SOCKGATE_TLS__GENERATE: 'true'
      SOCKGATE_TLS__DIRECTORY: /certs
    volumes: ['./sockgate.toml:/etc/sockgate/sockgate.toml:ro']
    tmpfs: ['/certs:uid=65532']
    stop_grace_period: 30s
";

fn told(folder: &Path, good: &str, change: (&str, &str), said: &str) {
    assert!(good.contains(change.0), "{:?} is not there", change.0);
    let found = problems(folder, &good.replacen(change.0, change.1, 1));
    assert!(found.iter().any(|problem| problem.contains(said)), "{change:?}: {found:#?}");
}

#[test]
fn nonsense_in_a_compose_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("app.js", "process.env.LIVE_URL");
    write("gate.env", "JWT_SECRET=only-for-this-example-32-bytes-or-more\nLIVE_URL=http://localhost:8443\n");
    write("sockgate.toml", "[[upstream]]\nname = 'app'\nmembers = ['http://127.0.0.1:3001']\n[[route]]\npath = '/socket.io/'\n");
    let good = COMPOSE.replace("TOP", &top().display().to_string());
    assert_eq!(problems(folder.path(), &good), Vec::<String>::new());
    for (change, said) in [
        (("network_mode", "network_modus"), "no key of Compose"),
        (("services:\n", "service: 1\nservices:\n"), "no key of Compose"),
        (("service:app", "service:web"), "\"web\" is not among the services"),
        (("[app]", "[database]"), "\"database\" is not among the services"),
        (("env_file: gate.env", "env_file: other.env"), "other.env is not there"),
        (("./sockgate.toml", "./other.toml"), "other.toml is not there"),
        (("./sockgate.toml", "settings"), "\"settings\" is not among the volumes"),
        (("COPY app.js", "COPY --chown=1 server.js"), "server.js is copied and not there"),
        (("context: .,", "context: nowhere,"), "is no folder"),
        (("SOCKGATE_LISTEN__ADDRESS", "SOCKGATE_LISTEN__ADRESS"), "SOCKGATE_LISTEN__ADRESS is read by nobody"),
        (("SOCKGATE_TLS__GENERATE", "TLS_GENERATE"), "TLS_GENERATE is read by nobody"),
        (("0.0.0.0:8443", "127.0.0.1:8443"), "port 8443 is published"),
        (("8443:8443", "3001:3001"), "port 3001 is published"),
        (("SOCKGATE_TLS__GENERATE: 'true'", "SOCKGATE_LOG__FORMAT: json"), "plain HTTP to other machines"),
        (("stop_grace_period: 30s", "stop_grace_period: 20s"), "stop_grace_period"),
    ] {
        told(folder.path(), &good, change, said);
    }
}

#[test]
fn nonsense_in_manifests_of_kubernetes_is_told() {
    let folder = top().join("examples/kubernetes");
    let good = page("examples/kubernetes/gateway.yaml");
    for (change, said) in [
        (("apps/v1", "apps/v2"), "not known here"),
        (("minReadySeconds: 5", "minReadySecond: 5"), "there is no field .spec.minReadySecond"),
        (("replicas: 3", "replicas: three"), "invalid type"),
        (("{ name: PORT, value: \"3001\" }", "{ name: PORT, value: 3001 }"), "invalid type"),
        (("httpGet: { path: /readyz, port: probes }", "httpGet: { path: /readyz, port: admin }"), "readinessProbe asks the port"),
        (("/readyz", "/ready"), "its probes ask"),
        (("secretName: sockgate,", "secretName: keys,"), "nobody makes the Secret \"keys\""),
        (("configMap: { name: sockgate }", "configMap: { name: gate }"), "there is no ConfigMap \"gate\""),
        (("name: tls, mountPath", "name: certificates, mountPath"), "there is no volume \"certificates\""),
        (("/run/secrets/sockgate/jwt", "/run/secrets/sockgate/token"), "auth.secret_file"),
        (("grace = \"25s\"", "grace = \"40s\""), "terminationGracePeriodSeconds"),
        (("path = \"/socket.io/\"", "pfad = \"/socket.io/\""), "pfad"),
        (("probe_address = \"0.0.0.0:9091\"", "probe_address = \"0.0.0.0:9092\""), "port 9091, where the gate does not listen"),
        (("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"), "readOnlyRootFilesystem"),
        (("runAsNonRoot: true", "runAsNonRoot: false"), "runAsNonRoot"),
        (("sockgate:0.1.0", "sockgate:latest"), "its image is not"),
        (("targetPort: https", "targetPort: tls"), "no container has the port \"tls\""),
        (("app-1.app.live.svc", "app-2.app.live.svc"), "app-2.app.live.svc:3001 is no pod"),
        (("serviceName: app", "serviceName: apps"), "serviceName"),
        (
            ("selector: { app.kubernetes.io/name: app }", "selector: { app.kubernetes.io/name: application }"),
            "it selects no pods",
        ),
    ] {
        told(&folder, &good, change, said);
    }
    let sidecar = page("examples/kubernetes/sidecar.yaml");
    for (change, said) in [
        (("sleep: { seconds: 27 }", "sleep: { seconds: 5 }"), "app does not stay"),
        (("port: { name: http }", "port: { name: https }"), "no Service has"),
        (("secretName: chat-tls", "secretName: tls"), "nobody makes the Secret \"tls\""),
        (("behind_proxy = true", "behind_proxy = false"), "plain HTTP to other machines"),
    ] {
        told(&folder, &sidecar, change, said);
    }
}
