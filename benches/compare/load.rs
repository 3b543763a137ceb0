//! The clients: one process and one thread that does the work it is told (`Work`) and reads the proxy's clocks at both ends
//! of its window. Closed loops: whoever has an answer asks again.

use std::{io, rc::Rc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::LocalSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    crowd::{self, Crowd, FEW},
    measure,
    task::{Outcome, Probe, Task, Work},
    wire::{self, Ask, PATIENCE, Room, Wire},
};

/// Does one task and says what was seen.
pub fn run(task: Task) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let crowd = Rc::new(Crowd::new(task)?);
    LocalSet::new().block_on(&runtime, async { crowd.work().await })
}

impl Crowd {
    async fn work(self: &Rc<Self>) -> io::Result<()> {
        let outcome = match self.task.work.clone() {
            Work::Echo { connections, size, in_flight } => {
                self.echo(connections, size, in_flight).await;
                self.watch().await
            }
            Work::FanOut { connections, size, rate } => {
                self.listen(connections).await;
                self.order(size, rate).await?;
                self.watch().await
            }
            Work::Connect { clients, resumed } => {
                self.crowd_of(clients, move |crowd| async move { crowd.come_and_go(resumed).await });
                self.watch().await
            }
            Work::Polling { clients } => {
                self.crowd_of(clients, |crowd| async move { crowd.poll().await });
                self.watch().await
            }
            Work::Refused { clients, most: None } => {
                self.crowd_of(clients, |crowd| async move { crowd.knock(u64::MAX).await });
                self.watch().await
            }
            Work::Refused { clients, most: Some(most) } => self.knock_in_all(clients, most).await,
            Work::Idle { connections, touches, left } => self.idle(connections, &touches, &left).await,
            Work::Hold { connections } => return self.hold(connections).await,
            Work::Probe => self.probe().await,
        };
        say(&outcome)
    }

    /// Waits until everybody is at work, and reads the clocks at both ends of the window.
    async fn watch(&self) -> Outcome {
        sleep(Duration::from_secs_f64(self.task.span.warm_up)).await;
        let (operations, cpu) = (self.operations.get(), measure::cpu(&self.family));
        sleep(Duration::from_secs_f64(self.task.span.window)).await;
        let cpu = measure::cpu(&self.family) - cpu;
        Outcome { operations: self.operations.get() - operations, cpu, ..self.outcome() }
    }

    async fn echo(self: &Rc<Self>, connections: usize, size: usize, in_flight: usize) {
        let event: Rc<[u8]> = wire::event(size).into();
        for wire in self.open_all(connections).await {
            let event = event.clone();
            self.client(|crowd| async move { crowd.echo_on(wire, &event, size, in_flight).await });
        }
    }

    async fn echo_on(&self, mut wire: Wire, event: &[u8], size: usize, in_flight: usize) -> io::Result<()> {
        let mut room = Room::new((64 * 1024).max(2 * in_flight * (size + 14)));
        let mut batch = event.repeat(in_flight);
        loop {
            wire.send(&batch).await?;
            let count = loop {
                match wire.messages(size, &mut room).await? {
                    0 => {}
                    count => break count,
                }
            };
            self.done(count as u64);
            batch.clear();
            (0..count).for_each(|_| batch.extend_from_slice(event));
        }
    }

    async fn listen(self: &Rc<Self>, connections: usize) {
        for mut wire in self.open_all(connections).await {
            self.client(|crowd| async move {
                loop {
                    wire.frame().await?;
                    wire.rest();
                    crowd.done(1);
                }
            });
        }
    }

    /// Asks the upstream for messages to everybody.
    async fn order(&self, size: usize, rate: f64) -> io::Result<()> {
        let seconds = self.task.span.warm_up + self.task.span.window + 0.3;
        let mut upstream = TcpStream::connect(self.task.upstream).await?;
        let order = format!("GET /fan-out?rate={rate}&size={size}&seconds={seconds} HTTP/1.1\r\nHost: upstream\r\n\r\n");
        upstream.write_all(order.as_bytes()).await?;
        upstream.readable().await
    }

    /// New connections, one after the other.
    async fn come_and_go(&self, resumed: bool) -> io::Result<()> {
        let config = wire::client_config(&self.task, resumed)?;
        loop {
            let visit = async { self.open(&config).await?.close().await };
            match timeout(PATIENCE, visit).await {
                Ok(Ok(())) => self.done(1),
                Ok(Err(error)) => self.fail(&error).await,
                Err(_) => self.fail(&"a connection took too long").await,
            }
        }
    }

    async fn poll(&self) -> io::Result<()> {
        let token = self.task.token.as_deref();
        let mut wire = self.dial(&self.config).await?;
        wire.send(&wire::request(&self.task, Ask::Polling, token, self.next())).await?;
        let answer = wire.answer().await?;
        let body = wire.body(&answer).await?;
        let sid = sid_in(&body).ok_or_else(|| io::Error::other(format!("no session: status {}", answer.status)))?;
        let request = wire::request(&self.task, Ask::Session(&sid), token, self.next());
        loop {
            wire.send(&request).await?;
            let answer = wire.answer().await?;
            wire.body(&answer).await?;
            match answer.status {
                200 => self.done(1),
                status => return Err(io::Error::other(format!("a poll got status {status}"))),
            }
        }
    }

    /// Handshakes without a token.
    async fn knock(&self, most: u64) -> io::Result<()> {
        let mut wire = self.dial(&self.config).await?;
        while self.operations.get() < most {
            wire.send(&wire::request(&self.task, Ask::Polling, None, self.next())).await?;
            let answer = wire.answer().await?;
            wire.body(&answer).await?;
            match answer.status {
                401 => self.done(1),
                status => return Err(io::Error::other(format!("a handshake without a token got status {status}"))),
            }
        }
        Ok(())
    }

    async fn knock_in_all(self: &Rc<Self>, clients: usize, most: u64) -> Outcome {
        let before = measure::memory(&self.family);
        let cpu = measure::cpu(&self.family);
        let clients = (0..clients).map(|_| self.client(move |crowd| async move { crowd.knock(most).await }));
        for client in clients.collect::<Vec<_>>() {
            let _ = client.await;
        }
        let cpu = measure::cpu(&self.family) - cpu;
        sleep(SETTLE).await;
        let memory = vec![before, measure::memory(&self.family)];
        Outcome { operations: self.operations.get(), cpu, memory, ..self.outcome() }
    }

    async fn idle(self: &Rc<Self>, connections: usize, touches: &[usize], left: &[u64]) -> Outcome {
        // What is allocated once is not charged to the rest.
        drop(self.open_all(4).await);
        sleep(SETTLE).await;
        let mut memory = vec![measure::memory(&self.family)];
        let mut wires = self.open_all(connections).await;
        let opened = wires.len();
        for size in touches {
            self.touch(&mut wires, *size).await;
            sleep(SETTLE).await;
            memory.push(measure::memory(&self.family));
        }
        drop(wires);
        let gone = Instant::now();
        for seconds in left {
            sleep_until(gone + Duration::from_secs(*seconds)).await;
            memory.push(measure::memory(&self.family));
        }
        Outcome { opened, memory, ..self.outcome() }
    }

    /// Each connection carries one message there and back, a few at a time.
    async fn touch(&self, wires: &mut [Wire], size: usize) {
        let event = wire::event(size);
        for few in wires.chunks_mut(FEW) {
            for wire in few.iter_mut() {
                let sent = wire.send(&event).await;
                self.note(sent).await;
            }
            for wire in few.iter_mut() {
                let frame = timeout(PATIENCE, wire.frame()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                self.note(frame).await;
                wire.rest();
            }
        }
    }

    async fn hold(self: &Rc<Self>, connections: usize) -> io::Result<()> {
        let wires = self.open_all(connections).await;
        say(&Outcome { opened: wires.len(), ..self.outcome() })?;
        std::future::pending().await
    }

    async fn probe(&self) -> Outcome {
        let probed = timeout(PATIENCE, self.probe_once()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let probe = match probed {
            Ok(probe) => Some(probe),
            Err(error) => {
                self.fail(&error).await;
                None
            }
        };
        Outcome { probe, ..self.outcome() }
    }

    async fn probe_once(&self) -> io::Result<Probe> {
        let mut wire = self.dial(&self.config).await?;
        let tls = wire.tls();
        wire.send(&wire::request(&self.task, Ask::WebSocket, self.task.token.as_deref(), 0)).await?;
        let status = wire.answer().await?.status;
        if status != 101 {
            return Ok(Probe { status, echoed: false, tls });
        }
        crowd::connect_socketio(&mut wire).await?;
        wire.send(&wire::event(PROBE_SIZE)).await?;
        let echoed = wire.frame().await?.1 == wire::packet(PROBE_SIZE);
        wire.close().await?;
        Ok(Probe { status, echoed, tls })
    }
}

fn sid_in(body: &[u8]) -> Option<String> {
    let open: serde_json::Value = serde_json::from_slice(body.strip_prefix(b"0")?).ok()?;
    Some(open["sid"].as_str()?.to_string())
}

fn say(outcome: &Outcome) -> io::Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}

const PROBE_SIZE: usize = 200;
/// Until allocators have given back what a moment needed.
const SETTLE: Duration = Duration::from_secs(2);
