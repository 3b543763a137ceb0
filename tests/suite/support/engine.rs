//! The Engine.IO of the fake app, of revision 4 and, as an app with `allowEIO3`, of 3: sessions with a queue each, polling, WebSocket and the upgrade from one to the other.
//! Events come back as they were sent, acknowledgements are given. As careless as real apps: its answers carry CORS headers
//! and a cookie with its own session id.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::TcpStream, sync::Notify};

use super::{
    app::{House, Seen, gone, lock},
    frames::{self, BINARY, CLOSE, FIN, PING, PONG, TEXT, frame},
    wire::Line,
};

/// Every session of one app.
pub struct Engine {
    sessions: Mutex<HashMap<String, Arc<Life>>>,
    count: AtomicUsize,
    interval: u64,
    timeout: u64,
}

/// One session.
#[derive(Default)]
struct Life {
    /// Of Engine.IO 3.
    is_old: bool,
    queue: Mutex<VecDeque<String>>,
    changed: Notify,
    /// Polls that wait now.
    waiting: AtomicUsize,
}

const SEPARATOR: &str = "\u{1e}";

impl Default for Engine {
    fn default() -> Self {
        Self::with_heartbeat(25_000, 20_000)
    }
}

impl Engine {
    pub fn with_heartbeat(interval: u64, timeout: u64) -> Self {
        Self { sessions: Mutex::default(), count: AtomicUsize::new(0), interval, timeout }
    }

    pub fn sids(&self) -> Vec<String> {
        lock(&self.sessions).keys().cloned().collect()
    }

    pub fn push(&self, packet: &str) {
        for life in lock(&self.sessions).values() {
            life.say(packet);
        }
    }

    /// One request of the polling transport.
    pub async fn polling(&self, line: &mut Line<TcpStream>, house: &House, seen: &Seen) -> io::Result<()> {
        let Some(sid) = seen.query("sid") else {
            let (sid, life) = self.open(&house.name, seen);
            let cookie = format!("Set-Cookie: io={sid}; Path=/; HttpOnly\r\nSet-Cookie: lang=en\r\n");
            let open = life.body(&[self.open_packet(&sid, r#"["websocket"]"#)]);
            return line.write(answer("200 OK", &open, &cookie)).await;
        };
        let Some(life) = self.find(sid) else {
            return line.write(answer("400 Bad Request", r#"{"code":1,"message":"Session ID unknown"}"#, "")).await;
        };
        if seen.method == "POST" {
            for packet in life.apart(&seen.text()) {
                self.hear(sid, &life, &packet);
            }
            return line.write(answer("200 OK", "ok", "")).await;
        }
        life.waiting.fetch_add(1, Ordering::SeqCst);
        let packets = tokio::select! {
            packets = life.packets() => Some(packets),
            () = gone(line) => None,
        };
        life.waiting.fetch_sub(1, Ordering::SeqCst);
        let Some(packets) = packets else {
            house.aborted.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        line.write(answer("200 OK", &life.body(&packets), "")).await
    }

    /// The WebSocket transport, from the beginning or after polling.
    pub async fn websocket(&self, mut line: Line<TcpStream>, house: &House, seen: &Seen) -> io::Result<()> {
        let (sid, life, mut is_open) = match seen.query("sid") {
            None => {
                let (sid, life) = self.open(&house.name, seen);
                // One write: the open packet travels with the 101.
                let open = frame(FIN | TEXT, self.open_packet(&sid, "[]").as_bytes(), None);
                line.write([seen.accepted(""), open].concat()).await?;
                (sid, life, true)
            }
            Some(sid) => {
                let Some(life) = self.find(sid) else {
                    return line.write(answer("400 Bad Request", "Session ID unknown", "Connection: close\r\n")).await;
                };
                line.write(seen.accepted("")).await?;
                (sid.to_string(), life, false)
            }
        };
        loop {
            let read = tokio::select! {
                read = frames::read(&mut line) => read,
                packets = life.packets(), if is_open => {
                    for packet in packets {
                        line.write(frame(FIN | TEXT, packet.as_bytes(), None)).await?;
                    }
                    continue;
                }
            };
            house.left(&read);
            let Ok(Some(got)) = read else { break };
            house.note(&got);
            match (got.opcode(), got.text().as_str()) {
                (TEXT, "2probe") => {
                    line.write(frame(FIN | TEXT, b"3probe", None)).await?;
                    // A poll that waits is let go, so that the client can say `5`.
                    if life.waiting.load(Ordering::SeqCst) > 0 {
                        life.say("6");
                    }
                }
                (TEXT, "5") => is_open = true,
                (TEXT, packet) => self.hear(&sid, &life, packet),
                (BINARY, _) => line.write(frame(got.first, &got.payload, None)).await?,
                (PING, _) => line.write(frame(FIN | PONG, &got.payload, None)).await?,
                (CLOSE, _) => {
                    let _ = line.write(frame(FIN | CLOSE, &got.payload, None)).await;
                    break;
                }
                _ => {}
            }
        }
        if is_open {
            lock(&self.sessions).remove(&sid);
        }
        Ok(())
    }

    fn open(&self, name: &str, seen: &Seen) -> (String, Arc<Life>) {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let sid = format!("{name}-own-sid_{number}");
        let life = Arc::new(Life { is_old: seen.query("EIO") == Some("3"), ..Life::default() });
        if life.is_old {
            // Nobody asks for the main namespace.
            life.say("40");
        }
        lock(&self.sessions).insert(sid.clone(), life.clone());
        (sid, life)
    }

    fn find(&self, sid: &str) -> Option<Arc<Life>> {
        lock(&self.sessions).get(sid).cloned()
    }

    fn open_packet(&self, sid: &str, upgrades: &str) -> String {
        let (interval, timeout) = (self.interval, self.timeout);
        format!(
            r#"0{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":{interval},"pingTimeout":{timeout},"maxPayload":1000000}}"#
        )
    }

    fn hear(&self, sid: &str, life: &Life, packet: &str) {
        if let Some(event) = packet.strip_prefix("42") {
            let digits = event.len() - event.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            match event.split_at(digits) {
                ("", event) => life.say(&format!("42{event}")),
                (id, event) => life.say(&format!("43{id}{event}")),
            }
        } else if packet == "2" && life.is_old {
            life.say("3");
        } else if let Some(namespace) = packet.strip_prefix("40").filter(|_| life.is_old) {
            life.say(&format!("40{},", namespace.split(['?', ',']).next().unwrap_or_default()));
        } else if packet.starts_with("40") {
            life.say(r#"40{"sid":"public"}"#);
        } else if packet == "1" {
            // Whoever waits is let go.
            life.say("6");
            lock(&self.sessions).remove(sid);
        }
    }
}

impl Life {
    fn say(&self, packet: &str) {
        lock(&self.queue).push_back(packet.into());
        self.changed.notify_one();
    }

    /// Packets in one body.
    fn body(&self, packets: &[String]) -> String {
        if !self.is_old {
            return packets.join(SEPARATOR);
        }
        packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect()
    }

    /// The packets of a body.
    fn apart(&self, body: &str) -> Vec<String> {
        if !self.is_old {
            return body.split(SEPARATOR).map(str::to_string).collect();
        }
        let mut packets = Vec::new();
        let mut rest: Vec<u16> = body.encode_utf16().collect();
        while let Some(colon) = rest.iter().position(|unit| *unit == u16::from(b':')) {
            let length: usize = String::from_utf16_lossy(&rest[..colon]).parse().expect("a length");
            packets.push(String::from_utf16_lossy(&rest[colon + 1..=colon + length]));
            rest.drain(..=colon + length);
        }
        packets
    }

    /// Everything that waits, as soon as there is anything.
    async fn packets(&self) -> Vec<String> {
        loop {
            let packets: Vec<String> = lock(&self.queue).drain(..).collect();
            if !packets.is_empty() {
                return packets;
            }
            self.changed.notified().await;
        }
    }
}

fn answer(status: &str, body: &str, more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: {}\r\nVary: Accept-Encoding\r\n\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n{more}\r\n{body}",
        body.len()
    )
    .into_bytes()
}
