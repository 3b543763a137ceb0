//! One request for one answer, over a kept connection or a fresh one; and fresh lines for WebSocket handshakes. Each worker
//! owns one `Connections`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ::http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::{
    http::Body,
    net::dial::{DialError, Line},
};

use super::{
    super::member::{Member, Outcome},
    answer::{AnswerBody, Return},
    keep::{Kept, ReuseKey},
    quota::{Quota, Tally},
    upload::{self, Upload},
    wire::{self, Attempt, ExchangeError, Wire},
};

/// The connections of one worker to all members.
#[derive(Debug, Default)]
pub struct Connections {
    kept: Arc<Kept>,
    open: Arc<AtomicUsize>,
    quota: Arc<Quota>,
}

/// What is to be known of a request once its answer is there.
#[derive(Clone, Copy, Debug)]
struct Sending {
    reuse: ReuseKey,
    had_body: bool,
    /// Its body came while it was sent.
    streams: bool,
}

/// How one exchange is to be made.
#[derive(Debug)]
pub struct Terms {
    pub reuse: ReuseKey,
    /// Until the head of the answer must be there, dialing included.
    pub patience: Duration,
    /// A request whose body is still on its way: the member's time begins when it has all of it.
    pub upload: Option<Upload>,
    pub silence: Silence,
}

/// Whether a member that connects but does not answer is to blame for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Silence {
    /// Handshakes of sessions: failures in a row eject the member.
    Counts,
    /// Requests inside a session, and those of plain routes: some apps never answer what they dislike, or are slow with what
    /// they like, and a client that knows that must not be able to eject a member.
    Excused,
}

impl Connections {
    /// All workers share `quota`.
    pub fn new(quota: Arc<Quota>) -> Self {
        Self { kept: Arc::default(), open: Arc::default(), quota }
    }

    /// Sends `request` to `member` and waits for the head of its answer. Sent again only when a kept connection turned out
    /// to be dead before a byte was written. The URI goes out in origin form; without a Host header the member's own is
    /// set. The member hears how it went. Dropping the future, or the answer's body before its end, closes the connection.
    pub async fn exchange(
        &self,
        member: &Arc<Member>,
        terms: Terms,
        mut request: Request<Body>,
    ) -> Result<Response<AnswerBody>, ExchangeError> {
        wire::to_origin_form(&mut request, member);
        let dialed_by = Instant::now() + terms.patience;
        let sending = Sending { reuse: terms.reuse, had_body: !request.body().is_end_stream(), streams: terms.upload.is_some() };
        let result = tokio::select! {
            biased;
            answered = self.carry(member, sending, dialed_by, request) => answered,
            () = upload::overdue(terms.upload, terms.patience) => Err(ExchangeError::Timeout),
        };
        tell(member, &result, terms.silence);
        result
    }

    /// A connection of one's own, for a WebSocket, and its place in the quota. The member hears about a failure that is its own.
    pub async fn dial_fresh(&self, member: &Member, deadline: Instant) -> Result<(Line, Tally), DialError> {
        let tally = self.count()?;
        let line = wire::open(member, deadline).await;
        if line.as_ref().is_err_and(|error| !error.is_local()) {
            member.report(Outcome::Refused, Instant::now());
        }
        line.map(|line| (line, tally))
    }

    /// Closes what has idled too long. `tend` does it once a second.
    pub fn sweep(&self, now: Instant) {
        self.kept.sweep(now);
    }

    /// Sweeps until `stop`. One task a worker.
    pub async fn tend(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.sweep(Instant::now());
        }
    }

    /// Connections that exist, idle ones included.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Connections that wait for a request.
    pub fn idle(&self) -> usize {
        self.kept.count()
    }

    async fn carry(
        &self,
        member: &Arc<Member>,
        sending: Sending,
        dialed_by: Instant,
        mut request: Request<Body>,
    ) -> Result<Response<AnswerBody>, ExchangeError> {
        while let Some(mut wire) = self.kept.take(member, sending.reuse, Instant::now()) {
            match wire::send(&mut wire, request).await? {
                Attempt::Answered(answer) => return Ok(self.hand_out(answer, wire, member, sending)),
                Attempt::Unsent(unsent) => request = unsent,
            }
        }
        let tally = self.count()?;
        let line = wire::open(member, dialed_by).await?;
        let mut wire = wire::speak(line, Some(tally)).await?;
        match wire::send(&mut wire, request).await? {
            Attempt::Answered(answer) => Ok(self.hand_out(answer, wire, member, sending)),
            Attempt::Unsent(_) => Err(ExchangeError::Broken),
        }
    }

    /// A place for one more connection; what idles gives its own up for it.
    fn count(&self) -> Result<Tally, DialError> {
        loop {
            if let Some(tally) = self.quota.take(&self.open) {
                return Ok(tally);
            }
            if !self.kept.give_up_one() {
                return Err(DialError::Local("all connections to app servers are taken".into()));
            }
        }
    }

    fn hand_out(
        &self,
        answer: Response<Incoming>,
        mut wire: Wire,
        member: &Arc<Member>,
        sending: Sending,
    ) -> Response<AnswerBody> {
        if sending.streams {
            // The client may send all of it before it reads any of the answer.
            wire.set_off();
        }
        let home = Return { kept: self.kept.clone(), member: member.clone(), reuse: sending.reuse, had_body: sending.had_body };
        answer.map(|body| AnswerBody::new(body, wire, Some(home)))
    }
}

/// One request on a line of its own, for probes: no connection is kept and nobody hears how it went.
pub(in crate::upstream) async fn ask(
    member: &Member,
    mut request: Request<Body>,
    deadline: Instant,
) -> Result<Response<AnswerBody>, ExchangeError> {
    wire::to_origin_form(&mut request, member);
    let asked = async {
        let line = wire::open(member, deadline).await?;
        let mut wire = wire::speak(line, None).await?;
        match wire::send(&mut wire, request).await? {
            Attempt::Answered(answer) => Ok(answer.map(|body| AnswerBody::new(body, wire, None))),
            Attempt::Unsent(_) => Err(ExchangeError::Broken),
        }
    };
    timeout_at(deadline.into(), asked).await.unwrap_or(Err(ExchangeError::Timeout))
}

/// What the member hears, if anything: our client's fault is not the member's.
fn tell<T>(member: &Member, result: &Result<T, ExchangeError>, silence: Silence) {
    let outcome = match result {
        Ok(_) => Outcome::Answered,
        // What this machine lacks is nobody else's fault.
        Err(ExchangeError::Dial(error)) if error.is_local() => return,
        Err(ExchangeError::Dial(_)) => Outcome::Refused,
        Err(ExchangeError::Timeout) => Outcome::Timeout,
        Err(ExchangeError::Broken) => Outcome::Broken,
        Err(ExchangeError::Garbage(_)) => Outcome::Garbage,
        Err(ExchangeError::Request(_)) => return,
    };
    match (silence, outcome) {
        (Silence::Excused, Outcome::Timeout | Outcome::Broken | Outcome::Garbage) => member.excuse(outcome),
        (Silence::Counts | Silence::Excused, _) => member.report(outcome, Instant::now()),
    }
}

/// Idle limits are a few seconds; being late by this much does no harm.
const SWEEP: Duration = Duration::from_secs(1);
