//! TLS records of a connection whose handshake rustls has made: sealed and opened here, by the keys rustls gave out, so that an
//! idle connection holds no buffer and a busy one copies nothing twice. Which keys come next when one side updates them stays
//! rustls' business ([`rustls::kernel`]). The same keys could go to a kernel that seals by itself (kTLS), and messages be spliced there:
//! a later step. RFC 8446 section 5 and, for TLS 1.2, RFC 5246 section 6.2 with RFC 5288 and RFC 7905.

mod cipher;
mod error;
mod line;
mod records;

pub use cipher::{Cipher, FRAGMENT, HEADER, Version};
pub use error::{Alert, RecordError};
pub use line::Line;
pub use records::{Opened, ROOM, Records, length};
