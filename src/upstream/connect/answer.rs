//! The body of a member's answer. At its clean end the connection goes back to be kept; dropped or broken before, the
//! connection is closed with it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::http::BodyError;

use super::{
    super::member::Member,
    keep::{Kept, ReuseKey},
    wire::Wire,
};

/// A member's answer, streamed.
#[derive(Debug)]
pub struct AnswerBody {
    incoming: Incoming,
    /// Taken at the clean end. Dropping it closes the connection.
    wire: Option<Wire>,
    home: Option<Return>,
}

/// Where a connection goes after its answer.
#[derive(Debug)]
pub(super) struct Return {
    pub kept: Arc<Kept>,
    pub member: Arc<Member>,
    pub reuse: ReuseKey,
    /// The request had a body, of which the answer may not have waited for.
    pub had_body: bool,
}

impl AnswerBody {
    pub(super) fn new(incoming: Incoming, wire: Wire, home: Option<Return>) -> Self {
        let mut body = Self { incoming, wire: Some(wire), home };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The wire is driven by whoever reads its answer.
    fn poll_incoming(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(task) {
            return Poll::Ready(frame);
        }
        if let Some(wire) = &mut self.wire {
            // Its end is the body's, which tells it.
            let _ = wire.poll(task);
        }
        Pin::new(&mut self.incoming).poll_frame(task)
    }

    /// The answer is complete; its connection may carry the next one.
    fn finish(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        let Some(Return { kept, member, reuse, had_body }) = self.home.take() else { return };
        if had_body {
            wire.look();
            if !wire.is_ready() && !wire.is_closed() {
                return wire.see_off();
            }
        }
        kept.put(wire, &member, reuse, Instant::now());
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    /// Data only: trailers end here, for nothing that is carried has any.
    fn poll_frame(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        loop {
            match ready!(body.poll_incoming(task)) {
                Some(Ok(frame)) if frame.is_data() => {
                    // Whoever knows the length does not ask again after the last byte.
                    if body.incoming.is_end_stream() {
                        body.finish();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Ok(_trailers)) => {}
                Some(Err(_)) => {
                    body.wire = None;
                    return Poll::Ready(Some(Err(BodyError::Upstream)));
                }
                None => {
                    body.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
