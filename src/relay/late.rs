//! The app's side of a WebSocket whose app has heard nothing yet (`auth.when = "connect"`): a connection that nothing comes from and
//! that takes nothing until the app was called. It is called when there is something for it, which is once somebody was accepted;
//! or, when polls of the same session have opened it meanwhile, as soon as the client has come over to the WebSocket: then the gate
//! makes that upgrade itself. The carriage drives it by reading and writing, and needs to know of none of this.

use std::{
    fmt::Display,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{
    admission::{Bench, Venue},
    frames::{self, FirstText, Unreached},
    judged::{
        Judged,
        app::{First, Seat, Stage},
        speaker::{Speaker, Toward},
    },
    knock::{Agreed, Knock, Said},
    polling, seating,
    session::{Reason, Session},
};
use crate::{
    codec::{
        engine::{self, Rewrite},
        frame::{self, Opcode},
    },
    net::dial::Line,
    upstream::{
        Member,
        connect::{ExchangeError, Tally},
    },
};

/// A connection to an app that is made when it is needed.
pub struct Late {
    state: State,
    /// What the app said before the carriage reads it.
    early: Bytes,
}

enum State {
    Away(Caller),
    Coming(Pin<Box<dyn Future<Output = Result<Reached, Reason>> + Send>>),
    There { line: Line, _tally: Tally },
    Lost,
}

/// An app that was reached.
struct Reached {
    line: Line,
    tally: Tally,
    early: Bytes,
}

/// What calling the app takes.
#[derive(Clone)]
pub struct Caller {
    pub bench: Arc<Bench>,
    pub venue: Arc<Venue>,
    pub session: Arc<Session>,
    pub judged: Arc<Judged>,
    /// In whose voice an upgrade is made: the request's that has asked for it.
    pub speaker: Option<Arc<Speaker>>,
    pub random: [u8; 32],
    pub mask: [u8; 4],
    /// Subprotocols the app gets to choose from.
    pub offered: Vec<String>,
}

/// An app's polls get so long to end before its session moves to the WebSocket: apps let them go at once, or in a tenth of a second.
const POLLS_END: Duration = Duration::from_secs(2);

impl Late {
    pub fn new(caller: Caller) -> Self {
        Self { state: State::Away(caller), early: Bytes::new() }
    }

    /// The connection, once there is one.
    pub fn line(&self) -> Option<&Line> {
        match &self.state {
            State::There { line, .. } => Some(line),
            State::Away(_) | State::Coming(_) | State::Lost => None,
        }
    }

    /// `wanted`: there is something for the app.
    fn poll_line(&mut self, cx: &mut Context<'_>, wanted: bool) -> Poll<io::Result<&mut Line>> {
        loop {
            match &mut self.state {
                State::Away(caller) => {
                    if !caller.is_time(wanted) {
                        return Poll::Pending;
                    }
                    let caller = caller.clone();
                    self.state = State::Coming(Box::pin(async move { caller.call().await }));
                }
                State::Coming(coming) => match ready!(coming.as_mut().poll(cx)) {
                    Ok(Reached { line, tally, early }) => {
                        self.early = early;
                        self.state = State::There { line, _tally: tally };
                    }
                    Err(reason) => {
                        self.state = State::Lost;
                        return Poll::Ready(Err(io::Error::other(Unreached(reason))));
                    }
                },
                State::There { .. } => break,
                // It was told once.
                State::Lost => return Poll::Pending,
            }
        }
        match &mut self.state {
            State::There { line, .. } => Poll::Ready(Ok(line)),
            State::Away(_) | State::Coming(_) | State::Lost => Poll::Pending,
        }
    }
}

impl AsyncRead for Late {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_line(cx, false))?;
        if !self.early.is_empty() {
            let size = self.early.len().min(into.remaining());
            into.put_slice(&self.early[..size]);
            self.early.advance(size);
            return Poll::Ready(Ok(()));
        }
        let line = ready!(self.poll_line(cx, false))?;
        Pin::new(line).poll_read(cx, into)
    }
}

impl AsyncWrite for Late {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = ready!(self.poll_line(cx, true))?;
        Pin::new(line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::There { line, .. } => Pin::new(line).poll_flush(cx),
            State::Away(_) | State::Coming(_) | State::Lost => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::There { line, .. } => Pin::new(line).poll_shutdown(cx),
            State::Away(_) | State::Coming(_) | State::Lost => Poll::Ready(Ok(())),
        }
    }
}

impl Caller {
    /// Whether the app is to be called now. Who is being opened by polling is called when that is done.
    fn is_time(&self, wanted: bool) -> bool {
        let is_handed_over = self.judged.is_handed_over();
        match self.judged.app.stage() {
            Stage::Unopened => is_handed_over && wanted,
            Stage::Polling | Stage::Gone => is_handed_over,
            Stage::Opening | Stage::WebSocket => false,
        }
    }

    async fn call(self) -> Result<Reached, Reason> {
        let reached = match self.judged.app.begin() {
            Some(first) => self.open(*first).await,
            None => self.take_over().await,
        };
        match &reached {
            Ok(_) => {
                self.judged.app.carries();
                self.session.confirm();
            }
            Err(_) => self.judged.app.lose(),
        }
        reached
    }

    /// The app's session begins, as its first request would have opened it.
    async fn open(&self, first: First) -> Result<Reached, Reason> {
        let mut agreed = self.knock_somewhere(&first.speaker).await?;
        let packet = self.first_packet(&mut agreed).await?;
        let change = Rewrite { keep_upgrades: &[], max_payload: self.venue.limits.message };
        let open = engine::read_open(&packet, &change).map_err(|error| self.invalid(&error))?.open;
        agreed.member.learn(open.ping_interval_ms, open.ping_timeout_ms);
        Ok(Reached { line: agreed.line, tally: agreed.tally, early: agreed.early })
    }

    /// The session that polls have opened goes on by WebSocket: the dance that clients do (`2probe`, `3probe`, `5`).
    async fn take_over(&self) -> Result<Reached, Reason> {
        let seat = self.judged.app.seat().ok_or(Reason::AppGone)?;
        let Seat { sid, member, .. } = &seat;
        let speaker = self.speaker.as_ref().ok_or(Reason::AppGone)?;
        let identity = self.judged.guard().identity().cloned();
        let request = speaker.shake_hands(&self.venue, Toward { member, sid: Some(sid), identity: identity.as_ref() });
        let said = self.knock(member, request, true).await;
        let mut agreed = self.agreed(said)?;
        self.say(&mut agreed.line, "2probe").await?;
        let packet = self.first_packet(&mut agreed).await?;
        if packet != b"3probe" {
            return Err(self.invalid(&"another answer to 2probe than 3probe"));
        }
        // What was posted before must not be overtaken, and what polls bring comes first.
        let desk = self.judged.desk().ok_or(Reason::AppGone)?;
        let _posted = tokio::time::timeout(self.venue.patience.answer, desk.sending.lock()).await;
        let fetched = std::future::poll_fn(|_| match desk.is_fetching() {
            // Whoever ends it nudges the carriage, which polls this.
            true => Poll::Pending,
            false => Poll::Ready(()),
        });
        let _ = tokio::time::timeout(POLLS_END, fetched).await;
        self.say(&mut agreed.line, "5").await?;
        Ok(Reached { line: agreed.line, tally: agreed.tally, early: agreed.early })
    }

    /// At the member that is chosen for whoever was accepted; when that one cannot be reached at another one, once.
    async fn knock_somewhere(&self, speaker: &Speaker) -> Result<Agreed, Reason> {
        let (pool, session) = (&self.venue.pool, &self.session);
        let identity = self.judged.guard().identity().cloned();
        let key = self.venue.hash.key(&speaker.asker(identity.as_ref()));
        let ask = |member: &Member| speaker.shake_hands(&self.venue, Toward { member, sid: None, identity: identity.as_ref() });
        let lease = seating::at_last(pool, key, &session.member(), Instant::now());
        session.settle_on(lease.map_err(|error| {
            self.note(&error);
            Reason::MemberGone
        })?);
        let member = session.member();
        let mut said = self.knock(&member, ask(&member), false).await;
        if said.as_ref().is_err_and(polling::is_unreached)
            && let Ok(lease) = seating::elsewhere(pool, key, &member, Instant::now())
        {
            session.settle_on(lease);
            let member = session.member();
            said = self.knock(&member, ask(&member), false).await;
        }
        self.agreed(said)
    }

    async fn knock(&self, member: &Arc<Member>, request: Request<()>, is_in_session: bool) -> Result<Said, ExchangeError> {
        let offered = self.offered.clone();
        let knock = Knock { member, request, random: &self.random, offered, is_in_session };
        knock.make(&self.bench, &self.venue).await
    }

    fn agreed(&self, said: Result<Said, ExchangeError>) -> Result<Agreed, Reason> {
        match said {
            Ok(Said::Yes(agreed)) => Ok(agreed),
            Ok(Said::No(answer)) => {
                self.note(&format!("the app answered the handshake with {}", answer.status()));
                Err(Reason::AppGone)
            }
            Err(error) => {
                self.note(&error);
                Err(match error {
                    ExchangeError::Dial(cause) if !cause.is_local() => Reason::MemberGone,
                    ExchangeError::Timeout => Reason::AppStalled,
                    ExchangeError::Garbage(_) => Reason::AppInvalid,
                    ExchangeError::Dial(_) | ExchangeError::Broken | ExchangeError::Request(_) => Reason::AppGone,
                })
            }
        }
    }

    async fn say(&self, line: &mut Line, packet: &str) -> Result<(), Reason> {
        let frame = frame::write(Opcode::Text, packet.as_bytes(), Some(self.mask));
        let said = async {
            line.write_all(&frame).await?;
            line.flush().await
        };
        match tokio::time::timeout(self.venue.patience.handshake, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Reason::AppGone),
            Err(_) => Err(Reason::AppStalled),
        }
    }

    /// The app's first text, taken out of what it says; what stands around it stays.
    async fn first_packet(&self, agreed: &mut Agreed) -> Result<Vec<u8>, Reason> {
        let reading = async {
            let mut said = BytesMut::from(&agreed.early[..]);
            loop {
                if let Some(FirstText { frame, payload }) = frames::first_text(&said).map_err(|error| self.invalid(&error))? {
                    let packet = said[payload].to_vec();
                    let after = said.split_off(frame.end);
                    said.truncate(frame.start);
                    said.unsplit(after);
                    return Ok((packet, said.freeze()));
                }
                match agreed.line.read_buf(&mut said).await {
                    Ok(0) | Err(_) => return Err(Reason::AppGone),
                    Ok(_) => {}
                }
            }
        };
        let (packet, rest) = match tokio::time::timeout(self.venue.patience.handshake, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(Reason::AppStalled),
        };
        agreed.early = rest;
        Ok(packet)
    }

    fn invalid(&self, detail: &impl Display) -> Reason {
        self.note(detail);
        Reason::AppInvalid
    }

    fn note(&self, detail: &impl Display) {
        tracing::debug!(session = %self.session.key, %detail, "the app was not reached");
    }
}
