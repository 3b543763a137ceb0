//! The payload of WebSocket close frames: a code and a reason (RFC 6455 sections 5.5.1 and 7.4). `relay` reads those of both
//! ends before passing them on and writes those the gate itself sends. Codes that only describe a closing without a frame
//! (1005, 1006, 1015) never travel.

/// The codes the gate itself closes with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub enum Code {
    Normal = 1000,
    GoingAway = 1001,
    ProtocolError = 1002,
    NotUtf8 = 1007,
    PolicyViolation = 1008,
    TooLarge = 1009,
    InternalError = 1011,
    ServiceRestart = 1012,
    TryAgainLater = 1013,
    BadGateway = 1014,
    /// The token expired. Of the range for applications; client code may watch for it.
    Expired = 4401,
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code as Self
    }
}

/// Whether a code may be in a close frame: those of the standard and its registry, and the ranges for libraries and
/// applications.
pub fn may_travel(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The code and reason in a close frame. `None` is a frame without them, which is fine: it means 1005.
pub fn parse(payload: &[u8]) -> Result<Option<(u16, &str)>, CloseError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(CloseError::Short),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if payload.len() > CONTROL_SIZE {
        return Err(CloseError::TooLarge);
    }
    if !may_travel(code) {
        return Err(CloseError::Code(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| CloseError::NotUtf8)?;
    Ok(Some((code, reason)))
}

/// The payload for a close frame. A reason that is too long is cut at a character; a code that may not travel (1005 most of
/// all) makes a frame without code and reason, which is how it is said on the wire.
pub fn payload(code: impl Into<u16>, reason: &str) -> Vec<u8> {
    let code = code.into();
    if !may_travel(code) {
        return Vec::new();
    }
    let reason = &reason[..reason.floor_char_boundary(CONTROL_SIZE - 2)];
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Why the payload of a close frame is wrong. Its sender is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CloseError {
    #[error("a close frame of one byte")]
    Short,
    #[error("a close frame of more than {CONTROL_SIZE} bytes")]
    TooLarge,
    #[error("close code {0} may not travel")]
    Code(u16),
    #[error("the reason is not UTF-8")]
    NotUtf8,
}

impl CloseError {
    /// What the sender is told.
    pub fn answer(self) -> Code {
        match self {
            Self::Short | Self::TooLarge | Self::Code(_) => Code::ProtocolError,
            Self::NotUtf8 => Code::NotUtf8,
        }
    }
}

/// What a control frame may carry, RFC 6455 section 5.5.
const CONTROL_SIZE: usize = 125;
