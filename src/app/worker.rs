//! One worker: a thread with a single-threaded runtime and listening sockets of its own. A connection stays where it was
//! accepted for its whole life.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use tokio::{net::TcpStream, runtime};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::pulse::{self, Heart, Pulse};
use crate::{
    gate::{
        Gate,
        pipeline::{self, Connection},
        reply,
        wanted::LastShown,
    },
    http::serve,
    net::{
        accept::{self, Door, Pass},
        arrive,
    },
    relay::admission::Bench,
    telemetry::{lines, panic},
    upstream::connect::{Connections, Quota},
};

/// How long cut connections may take to note that they were.
const LAST_NOTES: Duration = Duration::from_millis(500);

/// One listening socket of a worker.
pub struct Socket {
    pub listener: TcpListener,
    /// TLS is ended here; otherwise the listener is plain.
    pub secure: bool,
}

/// The three words a worker hears, in this order.
#[derive(Clone, Default)]
pub struct Words {
    /// Accept nobody any more.
    pub close: CancellationToken,
    /// Idle connections may go; requests finish.
    pub finish: CancellationToken,
    /// Whatever is still there is cut.
    pub stop: CancellationToken,
}

impl Words {
    /// The same words, heard by this worker's connections alone.
    fn for_one_worker(&self) -> Self {
        Self { close: self.close.child_token(), finish: self.finish.child_token(), stop: self.stop.child_token() }
    }
}

/// What all workers share of the machine.
#[derive(Clone)]
pub struct Bounds {
    /// Clients' connections.
    pub door: Arc<Door>,
    /// Connections to members.
    pub upstream: Arc<Quota>,
}

/// A running worker.
pub struct Worker {
    thread: thread::JoinHandle<()>,
    pulse: Pulse,
}

impl Worker {
    /// Starts it. It ends by itself after `words.close`, when its last connection has ended or at `words.stop`.
    pub fn start(number: usize, sockets: Vec<Socket>, gate: Arc<Gate>, bounds: Bounds, words: Words) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().on_thread_park(lines::let_out).build()?;
        let (pulse, heart) = pulse::pair();
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            lines::gather();
            runtime.block_on(work(sockets, gate, bounds, words, heart));
            // Connections that were cut drop their sockets with the runtime.
            runtime.shutdown_background();
        })?;
        Ok(Self { thread, pulse })
    }

    /// To ask it whether it still goes round.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Waits for its end.
    pub fn join(self) -> thread::Result<()> {
        self.thread.join()
    }
}

async fn work(sockets: Vec<Socket>, gate: Arc<Gate>, bounds: Bounds, words: Words, heart: Heart) {
    // Every connection listens to them: those of one worker need not wait for a lock of another's.
    let words = words.for_one_worker();
    let tasks = TaskTracker::new();
    let bench = Arc::new(Bench {
        connections: Arc::new(Connections::new(bounds.upstream)),
        tasks: tasks.clone(),
        stop: words.stop.clone(),
    });
    gate.lend(bench.clone());
    tokio::spawn(heart.beat());
    tokio::spawn(bench.connections.clone().tend(words.stop.clone()));
    let mut accepting = Vec::new();
    for socket in sockets {
        let listener = match tokio::net::TcpListener::from_std(socket.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "a worker cannot use its listening socket");
                continue;
            }
        };
        let close = words.close.clone();
        let (gate, bench, words, connections) = (gate.clone(), bench.clone(), words.clone(), tasks.clone());
        let handle = move |tcp: TcpStream, address: SocketAddr, pass: Pass| {
            let serving = serve_one(gate.clone(), bench.clone(), words.clone(), socket.secure, tcp, address, pass);
            let metrics = gate.metrics.clone();
            connections.spawn(async move {
                // A panic before there is a request ends this connection alone.
                let _ = panic::caught(&metrics, Box::pin(serving)).await;
            });
        };
        accepting.push(tokio::spawn(accept::accept_loop(listener, bounds.door.clone(), close, handle)));
    }
    words.close.cancelled().await;
    // First these, for they may be accepting somebody at this moment: the tracker would call it the end when it was empty once.
    for accepting in accepting {
        let _ = accepting.await;
    }
    tasks.close();
    if words.stop.run_until_cancelled(tasks.wait()).await.is_none() {
        // What was cut notes its end; whatever cannot within this time is dropped.
        let _ = tokio::time::timeout(LAST_NOTES, tasks.wait()).await;
    }
}

/// One connection from its first byte to its last request. A WebSocket lives on by itself.
async fn serve_one(
    gate: Arc<Gate>,
    bench: Arc<Bench>,
    words: Words,
    secure: bool,
    tcp: TcpStream,
    address: SocketAddr,
    mut pass: Pass,
) {
    let generation = gate.generation();
    let arrival = if secure { generation.arrival.clone() } else { generation.plain_arrival.clone() };
    let shape = generation.shape;
    // A connection may outlive its generation.
    drop(generation);
    let arrived = tokio::select! {
        arrived = Box::pin(arrive::arrive(tcp, address, &mut pass, &arrival)) => arrived,
        () = words.stop.cancelled() => return,
    };
    let (stream, peer) = match arrived {
        Ok(arrived) => arrived,
        Err(turned) => {
            gate.metrics.turned_away.get_or_create_owned(&[("cause", turned.name())]).inc();
            if let Some(outcome) = turned.handshake() {
                gate.metrics.tls_handshakes.get_or_create_owned(&[("outcome", outcome)]).inc();
            }
            tracing::debug!(address = %address.ip(), cause = turned.name(), error = %turned, "connection turned away");
            return;
        }
    };
    if peer.secure {
        let outcome = if peer.resumed { "resumed" } else { "full" };
        gate.metrics.tls_handshakes.get_or_create_owned(&[("outcome", outcome)]).inc();
    }
    let http2 = peer.http2;
    let leave = words.finish.child_token();
    let last_shown = LastShown::default();
    let connection = Arc::new(Connection {
        peer: Arc::new(peer),
        pass: Arc::new(pass),
        leave: leave.clone(),
        last_shown,
        has_asked: AtomicBool::new(false),
    });
    let metrics = gate.metrics.clone();
    let give_up = {
        let (gate, bench, connection) = (gate.clone(), bench.clone(), connection.clone());
        move |unread| reply::unread(&gate, &bench, &connection.peer, unread)
    };
    let answer = move |request| pipeline::answer(gate.clone(), bench.clone(), connection.clone(), request);
    tokio::select! {
        () = Box::pin(serve::connection(stream, http2, shape, leave, metrics, answer, give_up)) => {}
        () = words.stop.cancelled() => {}
    }
}
