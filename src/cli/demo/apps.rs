//! The demo's app servers: two that speak Socket.IO on both transports, and one that speaks plain WebSocket. Each lives on a
//! thread and a runtime of its own, so that stopping one is as abrupt as killing a process: everything it held is dropped.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};
use tokio_util::sync::CancellationToken;

/// An app server that runs.
pub struct App {
    pub name: &'static str,
    pub address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// The app servers of a demo.
pub struct Apps {
    pub pool: [App; 2],
    pub echo: App,
}

impl Apps {
    /// Starts them on free ports.
    pub fn start() -> io::Result<Self> {
        let pool = [App::socketio("oak", ANY_PORT)?, App::socketio("elm", ANY_PORT)?];
        Ok(Self { pool, echo: App::echo(ANY_PORT)? })
    }
}

impl App {
    /// A Socket.IO server that greets with `hello` and answers `sum`, `echo` and `whoami` with acknowledgements.
    pub fn socketio(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        Self::start(name, address, move |listener| serve_socketio(name, listener))
    }

    /// A plain WebSocket server that sends back what it gets.
    pub fn echo(address: SocketAddr) -> io::Result<Self> {
        Self::start("echo", address, serve_echo)
    }

    fn start<F>(
        name: &'static str,
        address: SocketAddr,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("app-{name}")).spawn(move || {
            runtime.block_on(stopped.run_until_cancelled(serve(listener)));
            // Connections and sessions are tasks of this runtime and end with it.
            runtime.shutdown_background();
        })?;
        Ok(Self { name, address, stop, thread: Some(thread) })
    }

    /// Ends it at once, in the middle of whatever it does. Its port is free afterwards.
    pub fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A server that has panicked is stopped as well.
            let _ = thread.join();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.thread.is_none()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve_socketio(name: &'static str, listener: TcpListener) {
    let (service, io) = SocketIo::builder().build_svc();
    io.ns("/", async move |socket: SocketRef| greet(name, &socket));
    accept(listener, move |tcp| {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(tcp), service.clone()).with_upgrades();
        // A client that goes away is nothing to tell of.
        async move { drop(connection.await) }
    })
    .await;
}

fn greet(name: &'static str, socket: &SocketRef) {
    let me = whoami(name, socket);
    let _ = socket.emit("hello", &me);
    socket.on("sum", async |Data((one, other)): Data<(i64, i64)>, ack: AckSender| {
        let _ = ack.send(&one.saturating_add(other));
    });
    socket.on("echo", async |Data(value): Data<Value>, ack: AckSender| {
        let _ = ack.send(&value);
    });
    socket.on("whoami", async move |ack: AckSender| {
        let _ = ack.send(&me);
    });
}

/// Which server this is, and what it was told about its client.
fn whoami(name: &str, socket: &SocketRef) -> Value {
    let request = socket.req_parts();
    let subject = request.headers.get("x-auth-subject").and_then(|value| value.to_str().ok());
    json!({ "server": name, "user": subject, "query": request.uri.query() })
}

async fn serve_echo(listener: TcpListener) {
    accept(listener, |tcp| async move {
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0).max_write_buffer_size(1 << 20);
        // A probe of the gate connects and says nothing.
        let Ok(mut socket) = accept_async_with_config(tcp, Some(config)).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await;
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(serve(tcp));
    }
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
