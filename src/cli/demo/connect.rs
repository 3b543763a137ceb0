//! What a demo that stays up says to whoever wants to connect: the token, lines to paste for curl, JavaScript and Python, where
//! the status is, and the configuration that all of it runs on.

use super::{
    plan::{self, Plan},
    script::Script,
    tour::Stage,
};
use crate::app::run::Running;

/// Prints it.
pub fn tell(script: &Script, stage: &Stage, running: &Running) -> anyhow::Result<()> {
    let token = stage.plan.token("ana")?.text;
    script.heading("The gate stays up. Ctrl-C ends it.");
    script.text(&ways(running.public.port(), &token));
    script.heading(&format!("Status, metrics, health: http://{0}/status  http://{0}/metrics  http://{0}/readyz", stage.admin));
    script.heading(&format!("All of it is this configuration ({}):", Plan::file().display()));
    let text = stage.plan.text(&running.public.to_string(), &stage.admin.to_string());
    for line in text.lines() {
        script.text(format!("  {line}").trim_end());
    }
    script.text(&format!("\nMore tokens:  sockgate token --config {} --subject ben", Plan::file().display()));
    script.text(&format!("A page:       sockgate explain origin {} --config {}\n", plan::OTHER_PAGE, Plan::file().display()));
    Ok(())
}

/// How to connect, in three languages.
pub fn ways(port: u16, token: &str) -> String {
    let (url, authority) = (format!("https://localhost:{port}"), format!("{}/ca.pem", plan::DIRECTORY));
    format!(
        r#"
  A development token of "ana", good for this run:
    export TOKEN={token}

  curl:
    curl --cacert {authority} -H "Authorization: Bearer $TOKEN" "{url}/socket.io/?EIO=4&transport=polling"

  JavaScript (npm install socket.io-client, then NODE_EXTRA_CA_CERTS={authority} node app.mjs):
    import {{ io }} from "socket.io-client";
    const socket = io("{url}", {{ extraHeaders: {{ Authorization: `Bearer ${{process.env.TOKEN}}` }} }});
    socket.on("connect_error", (error) => console.log(error.message));
    socket.on("hello", (me) => console.log("on", me.server, "as", me.user));
    socket.emit("sum", 19, 23, (answer) => console.log(answer));

  Python (pip install "python-socketio[client]"):
    import os, requests, socketio
    http = requests.Session(); http.verify, http.trust_env = "{authority}", False
    sio = socketio.Client(http_session=http)
    sio.connect("{url}", headers={{"Authorization": "Bearer " + os.environ["TOKEN"]}})
    print(sio.call("sum", (19, 23)))

  Plain WebSocket, as a browser page does it (the token as a subprotocol):
    new WebSocket("wss://localhost:{port}/echo", ["bearer", token])"#
    )
}
