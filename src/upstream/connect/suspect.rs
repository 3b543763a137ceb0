//! Members are not trusted with framing. hyper refuses what is not HTTP; what it lets pass but two readers could read in
//! two ways, or that nobody asked for, is refused here (RFC 9112 section 6, RFC 9110 section 15.2).

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use ::http::{HeaderMap, Request, Response, StatusCode, Version, header};

use crate::http::Body;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("it is not HTTP")]
    NotHttp,
    #[error("its head is too large")]
    TooLarge,
    #[error("its length is ambiguous")]
    Framing,
    #[error("it changes the protocol unasked")]
    Switched,
    #[error("too many interim answers")]
    Interim,
    #[error("it is no answer to the WebSocket handshake")]
    Handshake,
}

/// Counts the interim answers (100 to 199) to one request.
#[derive(Debug, Default)]
pub(super) struct Interim {
    seen: AtomicU32,
}

impl Interim {
    /// Begins to count for this request.
    pub fn start(self: &Arc<Self>, request: &mut Request<Body>) {
        self.seen.store(0, Relaxed);
        let interim = self.clone();
        hyper::ext::on_informational(request, move |_| {
            interim.seen.fetch_add(1, Relaxed);
        });
    }

    /// Whether there were too many.
    pub fn judge(&self) -> Result<(), Fault> {
        if self.seen.load(Relaxed) > INTERIM_ANSWERS { Err(Fault::Interim) } else { Ok(()) }
    }
}

/// Looks for what makes an answer unacceptable.
pub(super) fn examine<T>(answer: &Response<T>) -> Result<(), Fault> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Switched);
    }
    if is_length_clear(answer.headers()) { Ok(()) } else { Err(Fault::Framing) }
}

/// The same for the 101 to a handshake. It has no body whatever it says (RFC 9112 section 6.3), but one that says otherwise
/// has another idea of where the frames begin. Some servers send a length of 0, which harms nobody.
pub(super) fn examine_switch<T>(answer: &Response<T>) -> Result<(), Fault> {
    // HTTP/1.0 has no Upgrade.
    if answer.version() != Version::HTTP_11 {
        return Err(Fault::Switched);
    }
    let headers = answer.headers();
    let has_no_length = headers.get_all(header::CONTENT_LENGTH).iter().all(|length| length == "0");
    if has_no_length && !headers.contains_key(header::TRANSFER_ENCODING) { Ok(()) } else { Err(Fault::Framing) }
}

/// One Content-Length that is a number, or one Transfer-Encoding that is `chunked`, or neither.
fn is_length_clear(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => true,
        (Some(length), None) => lengths.next().is_none() && length.as_bytes().iter().all(u8::is_ascii_digit),
        (None, Some(coding)) => codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// More than any honest server sends.
const INTERIM_ANSWERS: u32 = 8;
