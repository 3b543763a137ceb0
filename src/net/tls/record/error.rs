//! Why TLS comes to an end, and what the other side hears of it.

/// Why a connection cannot go on. The other side is told by an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    #[error("a cipher suite this gate has not offered")]
    Suite,
    #[error("a record could not be sealed")]
    Seal,
    #[error("a record that is not the client's, or was altered")]
    Forged,
    #[error("a record longer than TLS allows")]
    TooLong,
    #[error("a message that has no place after the handshake")]
    Unexpected,
    #[error("a malformed message")]
    Malformed,
    #[error("a value that has no meaning")]
    Illegal,
    #[error("too many messages without data")]
    Flood,
    #[error("the key has seen enough, and there is no other")]
    Worn,
    #[error("the client gave up: alert {0}")]
    Alerted(u8),
}

/// What one side may tell the other (RFC 8446 section 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Alert {
    CloseNotify = 0,
    UnexpectedMessage = 10,
    BadRecordMac = 20,
    RecordOverflow = 22,
    IllegalParameter = 47,
    DecodeError = 50,
    InternalError = 80,
}

impl RecordError {
    /// What the other side is told; nothing, when it gave up first.
    pub fn alert(self) -> Option<Alert> {
        match self {
            Self::Forged => Some(Alert::BadRecordMac),
            Self::TooLong => Some(Alert::RecordOverflow),
            Self::Unexpected | Self::Flood => Some(Alert::UnexpectedMessage),
            Self::Malformed => Some(Alert::DecodeError),
            Self::Illegal => Some(Alert::IllegalParameter),
            Self::Suite | Self::Seal | Self::Worn => Some(Alert::InternalError),
            Self::Alerted(_) => None,
        }
    }
}
