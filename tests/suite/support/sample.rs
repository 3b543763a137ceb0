//! Set-ups that many tests begin with.

use super::{App, Certificates, Gate, Settings, within};

/// A good app and a gate before it.
pub async fn pair() -> (App, Gate) {
    pair_with(|settings| settings).await
}

/// The same with other settings.
pub async fn pair_with(change: impl FnOnce(Settings) -> Settings) -> (App, Gate) {
    let app = App::start().await;
    let gate = Gate::start(change(Settings::before(&[&app]))).await;
    (app, gate)
}

/// A gate before this app.
pub async fn before(app: &App, change: impl FnOnce(Settings) -> Settings) -> Gate {
    Gate::start(change(Settings::before(&[app]))).await
}

/// A good app and a gate that speaks TLS and so both versions of HTTP.
pub async fn secure_pair(change: impl FnOnce(Settings) -> Settings) -> (App, Gate) {
    let app = App::start().await;
    let certificates = Certificates::new("gate");
    let gate = Gate::start(change(Settings::before(&[&app]).tls(&certificates))).await;
    (app, gate)
}

/// Adds a plain WebSocket route at `/ws` and a plain HTTP route at `/api/` to the same upstream.
pub fn with_plain_routes(settings: Settings) -> Settings {
    settings.route(&[("path", "/ws".into()), ("kind", "websocket".into()), ("upstream", "app".into())]).route(&[
        ("path", "/api/".into()),
        ("kind", "http".into()),
        ("upstream", "app".into()),
    ])
}

/// Waits for a task's result.
pub async fn joined<T>(task: tokio::task::JoinHandle<T>) -> T {
    within("a task ends", task).await.expect("the task does not panic")
}
