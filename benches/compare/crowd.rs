//! Many clients in one thread: how they come, what they count together, and what becomes of those that fail. What they do is
//! told in `load`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use sockgate::codec::frame::{self, Opcode};
use tokio::{
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};

use crate::{
    measure,
    task::{Outcome, Task},
    wire::{self, Ask, PATIENCE, Wire},
};

/// All clients of one run, and what they have seen so far.
pub struct Crowd {
    pub task: Task,
    pub config: Arc<ClientConfig>,
    /// The proxy's processes.
    pub family: Vec<i32>,
    pub operations: Cell<u64>,
    asked: Cell<u64>,
    resumed: Cell<u64>,
    full: Cell<u64>,
    failures: RefCell<BTreeMap<String, u64>>,
}

impl Crowd {
    pub fn new(task: Task) -> io::Result<Self> {
        Ok(Self {
            config: wire::client_config(&task, false)?,
            family: measure::tree(task.proxy),
            task,
            operations: Cell::default(),
            asked: Cell::default(),
            resumed: Cell::default(),
            full: Cell::default(),
            failures: RefCell::default(),
        })
    }

    pub async fn dial(&self, config: &Arc<ClientConfig>) -> io::Result<Wire> {
        let wire = Wire::dial(&self.task, config).await?;
        let count = if wire.is_resumed() { &self.resumed } else { &self.full };
        count.set(count.get() + 1);
        Ok(wire)
    }

    /// A connection that is a Socket.IO session.
    pub async fn open(&self, config: &Arc<ClientConfig>) -> io::Result<Wire> {
        let mut wire = self.dial(config).await?;
        wire.send(&wire::request(&self.task, Ask::WebSocket, self.task.token.as_deref(), self.next())).await?;
        match wire.answer().await?.status {
            101 => {}
            status => return Err(io::Error::other(format!("an upgrade got status {status}"))),
        }
        connect_socketio(&mut wire).await?;
        Ok(wire)
    }

    pub async fn open_all(self: &Rc<Self>, count: usize) -> Vec<Wire> {
        let left = Rc::new(Cell::new(count));
        let open = Rc::new(RefCell::new(Vec::with_capacity(count)));
        let openers = (0..FEW.min(count)).map(|_| {
            let (crowd, left, open) = (self.clone(), left.clone(), open.clone());
            spawn_local(async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    match timeout(PATIENCE, crowd.open(&crowd.config)).await {
                        Ok(Ok(mut wire)) => {
                            wire.rest();
                            open.borrow_mut().push(wire);
                        }
                        Ok(Err(error)) => crowd.fail(&error).await,
                        Err(_) => crowd.fail(&"a connection took too long").await,
                    }
                }
            })
        });
        for opener in openers.collect::<Vec<_>>() {
            let _ = opener.await;
        }
        open.take()
    }

    pub fn crowd_of<F>(self: &Rc<Self>, clients: usize, life: impl Fn(Rc<Self>) -> F)
    where
        F: Future<Output = io::Result<()>> + 'static,
    {
        for _ in 0..clients {
            self.client(&life);
        }
    }

    /// A client that lives beside the others; how it fails is noted.
    pub fn client<F>(self: &Rc<Self>, life: impl FnOnce(Rc<Self>) -> F) -> JoinHandle<()>
    where
        F: Future<Output = io::Result<()>> + 'static,
    {
        let (crowd, life) = (self.clone(), life(self.clone()));
        spawn_local(async move {
            let ended = life.await;
            crowd.note(ended).await;
        })
    }

    pub async fn note<T>(&self, result: io::Result<T>) {
        if let Err(error) = result {
            self.fail(&error).await;
        }
    }

    /// Notes what went wrong, and waits a moment: a proxy that refuses everything must not be stormed.
    pub async fn fail(&self, what: &dyn std::fmt::Display) {
        *self.failures.borrow_mut().entry(what.to_string()).or_default() += 1;
        sleep(Duration::from_millis(2)).await;
    }

    pub fn done(&self, operations: u64) {
        self.operations.set(self.operations.get() + operations);
    }

    /// Requests are numbered.
    pub fn next(&self) -> u64 {
        self.asked.replace(self.asked.get() + 1)
    }

    pub fn outcome(&self) -> Outcome {
        Outcome {
            resumed: self.resumed.get(),
            full: self.full.get(),
            failures: self.failures.borrow().clone(),
            ..Outcome::default()
        }
    }
}

/// The Engine.IO open packet, then Socket.IO's connect and its answer.
pub async fn connect_socketio(wire: &mut Wire) -> io::Result<()> {
    if !wire.frame().await?.1.starts_with(b"0{") {
        return Err(io::Error::other("no open packet"));
    }
    wire.send(&frame::write(Opcode::Text, b"40", Some(wire::MASK))).await?;
    if !wire.frame().await?.1.starts_with(b"40{") {
        return Err(io::Error::other("no connect packet"));
    }
    Ok(())
}

/// Connections that are opened, or used, at once.
pub const FEW: usize = 32;
