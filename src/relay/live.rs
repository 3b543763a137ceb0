//! An open WebSocket, from the moment HTTP lets go of it to its end: waits for the client's connection, lets the carriage run,
//! and notes how it ended. While it is open there is one small task for it, and nothing of HTTP is left.

use std::{
    any::Any,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    admission::{Bench, Venue},
    frames::{Carriage, Ended, Judging, Opening, Settle, Terms},
    knock::Agreed,
    late::Late,
    session::{Attendance, Reason, Session},
};
use crate::{
    codec::frame::{self, Opcode},
    config::route::Kind,
    http::serve::Carrier,
    net::{Stream, dial::Line},
    telemetry::panic,
    upstream::{Member, connect::Tally},
};

/// After our 101 the client's connection is ours at once; anything longer is a bug or a client that left.
const HAND_OVER: Duration = Duration::from_secs(5);
/// Beyond the app's own heartbeat.
pub const SILENCE_MARGIN: Duration = Duration::from_secs(5);

/// A WebSocket that is about to open, and what it holds from then on.
pub struct Life {
    pub venue: Arc<Venue>,
    pub bench: Arc<Bench>,
    pub session: Arc<Session>,
    pub attendance: Attendance,
    /// Whether the session began as polling.
    pub upgraded: bool,
    /// The client's place among the connections.
    pub pass: Arc<dyn Any + Send + Sync>,
    pub mask: [u8; 4],
}

/// The app's side of a WebSocket.
pub enum Far {
    Agreed(Agreed, Option<Box<dyn Opening>>),
    /// It has heard nothing yet. What the client is told first, where it is told anything.
    Late(Box<Late>, Arc<Member>, Option<Vec<u8>>),
}

/// An open WebSocket.
struct Live<C, U> {
    life: Life,
    carriage: Carriage<C, U>,
    /// Its place among the gate's connections to members, where it has one from the beginning.
    tally: Option<Tally>,
}

impl Life {
    /// Waits for the client's connection and gives everything to a task of its own: this one has HTTP's sizes.
    pub async fn begin(self, on_upgrade: OnUpgrade, far: Far) {
        let Ok(Ok(client)) = tokio::time::timeout(HAND_OVER, on_upgrade).await else { return self.never_began() };
        // HTTP/1.1 gives the bare connection back; an HTTP/2 stream stays wrapped.
        match client.downcast::<Carrier>() {
            Ok(parts) => {
                let stream: Stream = parts.io.into_inner().into_untimed();
                self.meet(stream, &parts.read_buf, far);
            }
            Err(client) => self.meet(TokioIo::new(client), &[], far),
        }
    }

    fn meet<C>(self, client: C, early: &[u8], far: Far)
    where
        C: AsyncRead + AsyncWrite + End + Send + Unpin + 'static,
    {
        let tasks = self.bench.tasks.clone();
        match far {
            Far::Agreed(Agreed { member, line, tally, early: spoken, .. }, opening) => {
                let carriage = self.carriage((client, early), (line, &spoken), &member, opening, None);
                tasks.spawn(Box::new(Live { life: self, carriage, tally: Some(tally) }).live());
            }
            Far::Late(late, member, open) => {
                let carriage = self.carriage((client, early), (late, &[]), &member, None, open);
                tasks.spawn(Box::new(Live { life: self, carriage, tally: None }).live());
            }
        }
    }

    /// Early bytes are HTTP's whole buffers, on both sides: only what is in them is kept. `first` is said to the client first.
    fn carriage<C, U>(
        &self,
        client: (C, &[u8]),
        upstream: (U, &[u8]),
        member: &Member,
        opening: Option<Box<dyn Opening>>,
        first: Option<Vec<u8>>,
    ) -> Carriage<C, U>
    where
        C: AsyncRead + AsyncWrite + End + Unpin,
        U: AsyncRead + AsyncWrite + Reset + Unpin,
    {
        let terms = Arc::new(self.terms(member));
        let mut carriage = Carriage::new(client, upstream, opening, terms, self.session.clone()).gathering(C::gather);
        if let Some(first) = first {
            carriage = carriage.saying(frame::write(Opcode::Text, &first, None));
        }
        if self.upgraded {
            carriage = carriage.upgrading(self.venue.metrics.upgrades.get_or_create_owned(&[("outcome", "done")]));
        }
        match self.judging(U::IS_LATE) {
            Some(judging) => carriage.judged_by(judging),
            None => carriage,
        }
    }

    /// What a judged session's carriage is given.
    fn judging(&self, is_unopened: bool) -> Option<Judging> {
        let judged = self.session.judged.clone()?;
        let (venue, guard) = (self.venue.clone(), judged.clone());
        let settle: Settle = Box::new(move |question| {
            let (venue, guard) = (venue.clone(), guard.clone());
            Box::pin(async move { guard.settle(&venue, question).await })
        });
        Some(Judging { judged, settle, is_upgrade: self.upgraded, is_unopened })
    }

    fn terms(&self, member: &Member) -> Terms {
        let venue = &self.venue;
        let is_engine = venue.kind == Kind::Socketio;
        Terms {
            limits: venue.limits,
            // A client of Engine.IO answers the app's pings; in revision 3 it pings by itself, as often.
            silence: if is_engine { venue.heartbeat(member) + SILENCE_MARGIN } else { venue.patience.ping * 2 },
            ping: (!is_engine).then_some(venue.patience.ping),
            stall: venue.patience.stall,
            expires: self.session.expires,
            mask: self.mask,
            carried: venue.carried.clone(),
        }
    }

    /// `has_come_over`: whether an upgrade has come about.
    fn ended(self, ended: Ended, has_come_over: bool) {
        let session = &self.session;
        let metrics = &self.venue.metrics;
        session.bytes_in.fetch_add(ended.moved.bytes_in, Ordering::Relaxed);
        session.bytes_out.fetch_add(ended.moved.bytes_out, Ordering::Relaxed);
        session.messages_in.fetch_add(ended.moved.messages_in, Ordering::Relaxed);
        session.messages_out.fetch_add(ended.moved.messages_out, Ordering::Relaxed);
        session.close_code.store(ended.code.unwrap_or(0), Ordering::Relaxed);
        if self.upgraded && !has_come_over {
            metrics.upgrades.get_or_create_owned(&[("outcome", "failed")]).inc();
            if !session.ending.is_told() {
                return session.back_to_polling();
            }
        }
        self.venue.ledger.close(session, ended.reason);
        drop((self.attendance, self.pass));
    }

    fn never_began(self) {
        if self.upgraded {
            self.session.back_to_polling();
        } else {
            self.venue.ledger.close(&self.session, Reason::ClientGone);
        }
    }
}

impl<C, U> Live<C, U>
where
    C: AsyncRead + AsyncWrite + End + Unpin,
    U: AsyncRead + AsyncWrite + Reset + Unpin,
{
    /// Carries to the end. A panic ends this WebSocket alone.
    async fn live(self: Box<Self>) {
        let (metrics, ledger) = (self.life.venue.metrics.clone(), self.life.venue.ledger.clone());
        let session = self.life.session.clone();
        if panic::caught(&metrics, self.carry()).await.is_err() {
            ledger.close(&session, Reason::AppGone);
        }
    }

    async fn carry(mut self: Box<Self>) {
        let stop = self.life.bench.stop.clone();
        let ended = tokio::select! {
            ended = self.carriage.run() => ended,
            // The worker's last hour: there is no time left for goodbyes.
            () = stop.cancelled() => self.carriage.cut(Reason::Draining),
        };
        let Self { life, carriage, tally } = *self;
        let has_come_over = carriage.has_come_over();
        let (mut client, upstream) = carriage.into_ends();
        if ended.reset {
            client.reset();
            upstream.reset();
        }
        drop((client, upstream, tally));
        life.ended(ended, has_come_over);
    }
}

/// How a client's connection ends.
trait End {
    /// It may be dropped as rudely as its other half was.
    fn reset(&mut self);
    /// What is written from now on may wait for the goodbye, or for a flush.
    fn gather(&mut self);
}

impl End for Stream {
    fn reset(&mut self) {
        linger_not(self.tcp());
    }

    fn gather(&mut self) {
        if let Self::Tls(line) = self {
            line.gather();
        }
    }
}

impl End for TokioIo<Upgraded> {
    /// An HTTP/2 stream that is dropped unfinished is reset by that.
    fn reset(&mut self) {}

    /// Frames of a stream are gathered by its connection.
    fn gather(&mut self) {}
}

/// How an app's connection ends as rudely as its other half has.
trait Reset {
    /// The app may have heard nothing yet.
    const IS_LATE: bool;
    fn reset(&self);
}

impl Reset for Line {
    const IS_LATE: bool = false;

    fn reset(&self) {
        linger_not(self.tcp());
    }
}

impl Reset for Box<Late> {
    const IS_LATE: bool = true;

    fn reset(&self) {
        if let Some(line) = self.line() {
            linger_not(line.tcp());
        }
    }
}

/// Closing with a linger of zero sends RST instead of FIN.
fn linger_not(tcp: &tokio::net::TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}
