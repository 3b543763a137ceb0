//! An open WebSocket, from the moment HTTP lets go of it to its end: waits for the client's connection, lets the carriage run,
//! and notes how it ended. While it is open there is one small task for it, and nothing of HTTP is left.

use std::{
    any::Any,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    admission::{Bench, Venue},
    frames::{Carriage, Ended, Judging, Opening, Settle, Terms},
    session::{Attendance, Reason, Session},
};
use crate::{
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

/// The app's side of an agreed WebSocket.
pub struct Agreed {
    pub member: Arc<Member>,
    pub line: Line,
    /// Its place among the gate's connections to members.
    pub tally: Tally,
    /// What arrived together with the 101.
    pub early: Bytes,
    pub protocol: Option<HeaderValue>,
}

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

/// An open WebSocket.
struct Live<C> {
    life: Life,
    carriage: Carriage<C, Line>,
    tally: Tally,
}

impl Life {
    /// Waits for the client's connection and gives everything to a task of its own: this one has HTTP's sizes.
    pub async fn begin(self, on_upgrade: OnUpgrade, agreed: Agreed, opening: Option<Box<dyn Opening>>) {
        let Ok(Ok(client)) = tokio::time::timeout(HAND_OVER, on_upgrade).await else { return self.never_began() };
        let tasks = self.bench.tasks.clone();
        // HTTP/1.1 gives the bare connection back; an HTTP/2 stream stays wrapped.
        match client.downcast::<Carrier>() {
            Ok(parts) => {
                let stream: Stream = parts.io.into_inner().into_untimed();
                tasks.spawn(self.open(stream, &parts.read_buf, agreed, opening).live());
            }
            Err(client) => {
                tasks.spawn(self.open(TokioIo::new(client), &[], agreed, opening).live());
            }
        }
    }

    /// `early` are HTTP's whole buffers, on both sides: only what is in them is kept.
    fn open<C>(self, client: C, early: &[u8], agreed: Agreed, opening: Option<Box<dyn Opening>>) -> Box<Live<C>>
    where
        C: AsyncRead + AsyncWrite + End + Unpin,
    {
        let Agreed { member, line, tally, early: spoken, .. } = agreed;
        let terms = Arc::new(self.terms(&member));
        let session = self.session.clone();
        let carriage = Carriage::new((client, early), (line, &spoken), opening, terms, session).gathering(C::gather);
        let carriage = match self.judging() {
            Some(judging) => carriage.judged_by(judging),
            None => carriage,
        };
        Box::new(Live { life: self, carriage, tally })
    }

    /// What a judged session's carriage is given.
    fn judging(&self) -> Option<Judging> {
        let judged = self.session.judged.clone()?;
        let (venue, guard) = (self.venue.clone(), judged.clone());
        let settle: Settle = Box::new(move |question| {
            let (venue, guard) = (venue.clone(), guard.clone());
            Box::pin(async move { guard.settle(&venue, question).await })
        });
        Some(Judging { judged, settle, is_upgrade: self.upgraded })
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

    /// `has_come_over`: whether an upgrade has come about, where that is known.
    fn ended(self, ended: Ended, has_come_over: Option<bool>) {
        let session = &self.session;
        let metrics = &self.venue.metrics;
        session.bytes_in.fetch_add(ended.moved.bytes_in, Ordering::Relaxed);
        session.bytes_out.fetch_add(ended.moved.bytes_out, Ordering::Relaxed);
        session.messages_in.fetch_add(ended.moved.messages_in, Ordering::Relaxed);
        session.messages_out.fetch_add(ended.moved.messages_out, Ordering::Relaxed);
        session.close_code.store(ended.code.unwrap_or(0), Ordering::Relaxed);
        // A client that upgrades says `2probe` and then `5`: one that never came so far goes on by polling.
        let did_upgrade = has_come_over.unwrap_or(ended.moved.messages_in >= 2);
        if self.upgraded {
            let outcome = if did_upgrade { "done" } else { "failed" };
            metrics.upgrades.get_or_create_owned(&[("outcome", outcome)]).inc();
        }
        if self.upgraded && !did_upgrade && !session.ending.is_told() {
            session.back_to_polling();
            return;
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

impl<C> Live<C>
where
    C: AsyncRead + AsyncWrite + End + Unpin,
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
            linger_not(upstream.tcp());
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

/// Closing with a linger of zero sends RST instead of FIN.
fn linger_not(tcp: &tokio::net::TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}
