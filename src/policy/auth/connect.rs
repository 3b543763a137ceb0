//! The token in a CONNECT packet: `auth: { token }` of the client libraries. Read as strictly as a token itself, because the
//! app reads the same payload after us and must not find another token in it.

use zeroize::Zeroizing;

use super::{
    TokenRefusal,
    members::{self, Members},
    token::TOKEN_SIZE,
};

/// The token at a path (`token`, `user.token`) of a CONNECT packet's payload. `payload` is empty when the packet has none.
/// Missing, null and empty are no token: that is what clients send of whom nobody has signed in. Refused: a payload that is no
/// object, a key twice in an object on the way, anything but an object on the way and anything but a text at its end, more
/// than 8 KiB, and what is not printable ASCII in one piece.
pub fn token(payload: &str, path: &str) -> Result<Option<Zeroizing<String>>, TokenRefusal> {
    if payload.is_empty() {
        return Ok(None);
    }
    let mut value = members::shallow(payload)?;
    for step in path.split('.') {
        let Some(below) = Members::read(value)?.find(step) else { return Ok(None) };
        if below == "null" {
            return Ok(None);
        }
        value = below;
    }
    let text = Zeroizing::new(serde_json::from_str::<String>(value).map_err(|_| TokenRefusal::Malformed)?);
    plain(&text)
}

/// A text that stands where the token should be.
pub fn plain(text: &str) -> Result<Option<Zeroizing<String>>, TokenRefusal> {
    match text.len() {
        0 => Ok(None),
        size if size > TOKEN_SIZE => Err(TokenRefusal::TooLarge),
        _ if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(Zeroizing::new(text.to_owned()))),
        _ => Err(TokenRefusal::Malformed),
    }
}
