//! One WebSocket handshake on a line of its own: the member's answer is held to the same bounds as every other. Whether a 101
//! keeps the promises of RFC 6455 is for `relay/websocket` to judge.

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;

use crate::{http::Body, net::dial::Line};

use super::{
    answer::AnswerBody,
    wire::{self, ExchangeError},
};

/// A member's answer to a handshake.
#[derive(Debug)]
pub enum Shaken {
    /// A 101: HTTP has ended on the line. `early` arrived together with it.
    Switched { head: Response<()>, line: Line, early: Bytes },
    /// Anything else. Dropping the body closes the line.
    Refused(Response<AnswerBody>),
}

/// Sends the handshake and waits for its answer, be it a 101 or a refusal whose body is still to come.
pub async fn shake_hands(line: Line, request: Request<Body>) -> Result<Shaken, ExchangeError> {
    let mut wire = wire::speak(line, None).await?;
    let answer = wire::send_handshake(&mut wire, request).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Shaken::Refused(answer.map(|body| AnswerBody::new(body, wire, None))));
    }
    let (line, early) = wire.into_line().ok_or(ExchangeError::Broken)?;
    Ok(Shaken::Switched { head: answer.map(drop), line, early })
}
