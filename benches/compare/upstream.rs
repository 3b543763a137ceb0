//! The app behind every proxy: plain TCP, enough Engine.IO 4 and Socket.IO 5 to satisfy one that reads the protocol, and as
//! little else as possible, because it shares its CPU with what is measured. Over WebSocket it answers the connect packet and
//! echoes events; over polling it opens sessions and answers every poll at once with a noop; `GET /fan-out` makes it send to
//! everybody. Listens on as many ports as it is told, and says which.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use sockgate::{
    codec::frame::{self, Header, Opcode, Sender},
    http::upgrade,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::{LocalSet, spawn_local},
};

/// Serves until the process is stopped. The addresses are the first line it says.
pub fn run(ports: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = Rc::new(App::default());
    LocalSet::new().block_on(&runtime, async {
        let listeners = (0..ports).map(|_| listen()).collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(|listener| listener.local_addr()).collect::<io::Result<Vec<SocketAddr>>>()?;
        println!("{}", serde_json::to_string(&addresses)?);
        for listener in listeners {
            let app = app.clone();
            spawn_local(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => drop(spawn_local(app.clone().serve(stream))),
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            });
        }
        std::future::pending().await
    })
}

fn listen() -> io::Result<tokio::net::TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(4096)
}

/// Who is there.
#[derive(Default)]
struct App {
    sessions: Cell<u64>,
    /// Connections that are Socket.IO sessions, for the fan-out.
    clients: RefCell<HashMap<u64, Rc<TcpStream>>>,
}

/// One request's head.
struct Wanted {
    path: String,
    /// `Sec-WebSocket-Key`.
    key: Option<String>,
    closes: bool,
    size: usize,
}

impl App {
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        // Whoever leaves in the middle has left.
        let _ = self.talk(Rc::new(stream)).await;
    }

    async fn talk(&self, stream: Rc<TcpStream>) -> io::Result<()> {
        let mut held = Vec::new();
        loop {
            let wanted = loop {
                match read_head(&held)? {
                    Some(wanted) => break wanted,
                    None => fill(&stream, &mut held).await?,
                }
            };
            held.drain(..wanted.size);
            if let Some(key) = &wanted.key {
                return self.websocket(stream, held, key).await;
            }
            if let Some(query) = wanted.path.strip_prefix("/fan-out?") {
                return self.fan_out(&stream, query).await;
            }
            send(&stream, self.answer(&wanted).as_bytes()).await?;
            if wanted.closes {
                return Ok(());
            }
        }
    }

    /// A poll, or the open packet of a new session.
    fn answer(&self, wanted: &Wanted) -> String {
        let body = match wanted.path.contains("&sid=") {
            true => "6".to_string(),
            false => open_packet(&self.new_sid(), r#""websocket""#),
        };
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    async fn websocket(&self, stream: Rc<TcpStream>, mut held: Vec<u8>, key: &str) -> io::Result<()> {
        let sid = self.new_sid();
        let accept = upgrade::accept_key(key);
        let mut out = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        out.extend(frame::write(Opcode::Text, open_packet(&sid, "").as_bytes(), None));
        send(&stream, &out).await?;
        let mut place = None;
        loop {
            let replies = replies_to(&mut held, &sid)?;
            if replies.connects {
                place = Some(Place::new(self, &stream));
            }
            send(&stream, &replies.frames).await?;
            if replies.is_over {
                drop(place);
                return Ok(());
            }
            fill(&stream, &mut held).await?;
        }
    }

    /// Sends an event to everybody, some times a second, after saying yes.
    async fn fan_out(&self, asker: &TcpStream, query: &str) -> io::Result<()> {
        let number = |name: &str| -> Option<f64> {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let (Some(rate), Some(size), Some(seconds)) = (number("rate"), number("size"), number("seconds")) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        send(asker, b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        let event = frame::write(Opcode::Text, &crate::wire::packet(size as usize), None);
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        for _ in 0..(rate * seconds) as usize {
            ticks.tick().await;
            for client in self.clients.borrow().values() {
                // A small frame on a connection that waits is taken whole or not at all.
                let _ = client.try_write(&event);
            }
        }
        Ok(())
    }

    fn new_sid(&self) -> String {
        let number = self.sessions.replace(self.sessions.get() + 1);
        format!("app{:017x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// What whole frames are answered with.
#[derive(Default)]
struct Replies {
    frames: Vec<u8>,
    /// Socket.IO's connect was among them.
    connects: bool,
    /// The WebSocket has been closed.
    is_over: bool,
}

/// A client's place in the fan-out.
struct Place<'a> {
    app: &'a App,
    number: u64,
}

impl<'a> Place<'a> {
    fn new(app: &'a App, stream: &Rc<TcpStream>) -> Self {
        let number = app.sessions.replace(app.sessions.get() + 1);
        app.clients.borrow_mut().insert(number, stream.clone());
        Self { app, number }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.app.clients.borrow_mut().remove(&self.number);
    }
}

/// The heartbeat told is longer than any measurement, since nobody's clients here answer one.
fn open_packet(sid: &str, upgrades: &str) -> String {
    format!(r#"0{{"sid":"{sid}","upgrades":[{upgrades}],"pingInterval":{HEARTBEAT},"pingTimeout":20000,"maxPayload":1000000}}"#)
}

fn read_head(bytes: &[u8]) -> io::Result<Option<Wanted>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = head.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let value = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    Ok(Some(Wanted {
        path: head.path.unwrap_or_default().to_string(),
        key: value("sec-websocket-key").map(str::to_string),
        closes: value("connection").is_some_and(|connection| connection.eq_ignore_ascii_case("close")),
        size,
    }))
}

/// Takes the whole frames out of what was read, and answers them.
fn replies_to(held: &mut Vec<u8>, sid: &str) -> io::Result<Replies> {
    let mut replies = Replies::default();
    let mut at = 0;
    while let Some(header) = Header::read(&held[at..], Sender::Client).map_err(io::Error::other)? {
        let (start, end) = (at + header.size, at + header.size + header.length as usize);
        if replies.is_over || end > held.len() {
            break;
        }
        let payload = &mut held[start..end];
        unmask(payload, header.mask);
        let mut reply = |opcode, payload: &[u8]| replies.frames.extend(frame::write(opcode, payload, None));
        match (header.opcode, &*payload) {
            (Opcode::Text, [b'4', b'2', ..]) => reply(Opcode::Text, payload),
            (Opcode::Text, [b'4', b'0', ..]) => {
                reply(Opcode::Text, format!(r#"40{{"sid":"{sid}"}}"#).as_bytes());
                replies.connects = true;
            }
            (Opcode::Ping, payload) => reply(Opcode::Pong, payload),
            (Opcode::Close, payload) => {
                reply(Opcode::Close, payload);
                replies.is_over = true;
            }
            _ => {}
        }
        at = end;
    }
    held.drain(..at);
    if held.is_empty() {
        // Thousands wait with nothing in hand.
        *held = Vec::new();
    }
    Ok(replies)
}

/// Takes a mask off, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) {
    let Some([a, b, c, d]) = mask else { return };
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let chunk: &mut [u8; 8] = chunk.try_into().expect("chunks of eight");
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    chunks.into_remainder().iter_mut().zip([a, b, c, d].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// Appends what has come; an error at the end.
async fn fill(stream: &TcpStream, held: &mut Vec<u8>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let read: io::Result<usize> = SCRATCH.with_borrow_mut(|scratch| {
            let read = stream.try_read(scratch)?;
            held.extend_from_slice(&scratch[..read]);
            Ok(read)
        });
        match read {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

thread_local! {
    /// Connections are read through one buffer, so that those that wait hold none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// Milliseconds.
const HEARTBEAT: u32 = 600_000;
