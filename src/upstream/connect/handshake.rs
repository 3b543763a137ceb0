//! One WebSocket handshake on a line of its own: the member's answer is held to the same bounds as every other. Whether a 101
//! keeps the promises of RFC 6455 is for `relay/websocket` to judge.

use std::sync::Arc;

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use crate::{http::Body, net::dial::Line};

use super::{
    suspect::{self, Interim},
    wire::{self, ExchangeError, HEAD_BYTES, HEADERS},
};

/// A member's answer to a handshake. Dropping it closes the line, unless it was taken.
#[derive(Debug)]
pub struct Handshake {
    pub answer: Response<Incoming>,
    /// Without it hyper would be free to end the connection before the answer's body did.
    _sender: http1::SendRequest<Body>,
    driver: AbortOnDropHandle<()>,
}

/// Sends the handshake and waits for its answer, be it a 101 or a refusal whose body is still to come.
pub async fn shake_hands(line: Line, mut request: Request<Body>) -> Result<Handshake, ExchangeError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(line))
        .await
        .map_err(|_| ExchangeError::Broken)?;
    let driver = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a handshake with a member ended");
        }
    }));
    let interim = Arc::<Interim>::default();
    interim.start(&mut request);
    let answer = tokio::select! {
        biased;
        answer = sender.send_request(request) => answer.map_err(|error| wire::blame(&error))?,
        () = interim.too_many() => return Err(ExchangeError::Garbage(suspect::Fault::Interim)),
    };
    let examined = match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => suspect::examine_switch(&answer, &interim),
        _ => suspect::examine(&answer, &interim),
    };
    examined.map_err(ExchangeError::Garbage)?;
    Ok(Handshake { answer, _sender: sender, driver })
}

impl Handshake {
    /// After a 101: the line, and what arrived together with it.
    pub async fn take_line(self) -> Result<(Line, Bytes), ExchangeError> {
        let upgraded = hyper::upgrade::on(self.answer).await.map_err(|_| ExchangeError::Broken)?;
        drop(self.driver);
        let parts = upgraded.downcast::<TokioIo<Line>>().map_err(|_| ExchangeError::Broken)?;
        Ok((parts.io.into_inner(), parts.read_buf))
    }
}
