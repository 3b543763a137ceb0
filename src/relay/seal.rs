//! Sealed session ids: the app's own id never leaves the gate. What a client holds instead is an encrypted, authenticated
//! note to ourselves that says which member has the session, who opened it, from which page, with which token, and until
//! when. Any replica with the same key can route and judge every request of a session from it alone.
//!
//! AES-256-GCM-SIV (RFC 8452): a repeated random nonce among very many ids costs nothing but the secrecy of equality. The key id in
//! front picks the key, so that keys can be rotated. Base64url without padding: unreserved characters only, since some
//! clients put the id into their URL raw.

use std::{fmt, net::IpAddr, ops::Deref};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::session::Key;
use crate::{codec::engine::Revision, config::Secret, policy::auth::Identity, upstream::MemberId};

/// What a session id says, once opened.
#[derive(Clone, Debug)]
pub struct Note {
    /// Which route it was opened on; it is good for no other.
    pub route: u64,
    pub member: MemberId,
    /// The app's own session id; of a session that its app does not know yet, one of ours.
    pub sid: String,
    /// The id is ours: only the gate that made it knows the session.
    pub is_local: bool,
    pub revision: Revision,
    pub identity: Option<Identity>,
    /// Recognises the token that opened the session without checking its signature again.
    pub token: Option<TokenMark>,
    /// The origin the handshake showed, as its tag.
    pub origin: Option<u64>,
    /// The address it came from, as its tag.
    pub address: u64,
}

/// A session id that a request showed, opened. The key costs a hash, so it is reckoned once.
#[derive(Debug)]
pub struct Stub {
    note: Note,
    key: Key,
}

impl Stub {
    pub fn new(note: Note) -> Self {
        let key = note.key();
        Self { note, key }
    }

    /// The session's name inside this gate.
    pub fn key(&self) -> Key {
        self.key
    }
}

impl Deref for Stub {
    type Target = Note;

    fn deref(&self) -> &Note {
        &self.note
    }
}

/// The token that opened a session, as far as a session id needs to know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenMark {
    /// A truncated hash of the token.
    pub tag: [u8; 16],
    /// It travelled in a header that a browser's WebSocket cannot send, so one upgrade may come without it.
    pub by_header: bool,
}

/// Why a session id was not accepted. Clients are told the same in every case.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    #[error("not the form of a sealed id")]
    Form,
    #[error("sealed with a key this gate does not have")]
    UnknownKey,
    #[error("altered, or sealed with another key of the same name")]
    Forged,
}

/// The keys that seal and open. The first seals, all open.
pub struct Sealer {
    keys: Vec<SealKey>,
    random: SystemRandom,
}

struct SealKey {
    id: [u8; KEY_ID],
    key: LessSafeKey,
}

const KEY_ID: usize = 4;
const VERSION: u8 = 1;
/// The same form, with an id of ours. Gates that do not know it take it for a session they do not have, which is so.
const LOCAL: u8 = 2;
/// The form of the first version, of a session of Engine.IO 3. The same goes for gates that do not know it.
const THREE: u8 = 3;
/// Longer than any id this gate makes: `codec/engine` takes app ids of at most 256 bytes, an identity has at most 2 KiB.
pub const LONGEST: usize = 4096;
const LONGEST_FIELD: usize = 2048;

/// Whether an identity finds room in a session id, next to whatever id the app may make.
pub fn has_room_for(identity: &Identity) -> bool {
    serde_json::to_vec(identity.as_sealed()).is_ok_and(|text| text.len() <= LONGEST_FIELD)
}
const PURPOSE: &[u8] = b"sockgate session id v1";
/// What a sealed text is for; one can never pass for the other.
const SESSION: u8 = 1;
const MARK: u8 = 2;

/// The tag of an address inside session ids.
pub fn address_tag(address: IpAddr) -> u64 {
    short_hash(address.to_canonical().to_string().as_bytes())
}

/// A stable hash of a name, for tags inside sealed texts.
pub fn short_hash(text: &[u8]) -> u64 {
    let hash = digest::digest(&digest::SHA256, text);
    hash.as_ref().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

impl Sealer {
    /// Keys from the configuration. Each secret gives a key and a name for it, so the same secret means the same on every
    /// replica. Secrets shorter than 32 bytes were refused by `config/check`.
    pub fn new(secrets: &[Secret]) -> Self {
        Self {
            keys: secrets.iter().map(|secret| SealKey::derive(secret.expose().as_bytes())).collect(),
            random: SystemRandom::new(),
        }
    }

    /// A key that only this process knows: a single gate, whose sessions do not outlive it.
    pub fn ephemeral() -> Self {
        let random = SystemRandom::new();
        let mut secret = [0_u8; 32];
        random.fill(&mut secret).expect("the system's random numbers are there, or nothing here is safe");
        Self { keys: vec![SealKey::derive(&secret)], random }
    }

    /// The session id a client gets. `None`: the note is too long to be carried in a URL.
    pub fn seal(&self, note: &Note) -> Option<String> {
        self.seal_bytes(note.write()?, SESSION)
    }

    /// A cookie that names a member and nothing else.
    pub fn seal_mark(&self, member: MemberId) -> Option<String> {
        self.seal_bytes(member.0.to_be_bytes().to_vec(), MARK)
    }

    /// The member a cookie names.
    pub fn open_mark(&self, mark: &str) -> Result<MemberId, SealError> {
        let text = self.open_bytes(mark, MARK)?;
        text.try_into().map(|member| MemberId(u64::from_be_bytes(member))).map_err(|_| SealError::Form)
    }

    /// What a client's session id says.
    pub fn open(&self, id: &str) -> Result<Note, SealError> {
        // Only we could have written it; a form we do not know is a future version's.
        Note::read(&self.open_bytes(id, SESSION)?).ok_or(SealError::Form)
    }

    fn seal_bytes(&self, mut text: Vec<u8>, purpose: u8) -> Option<String> {
        let key = self.keys.first()?;
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let aad = Aad::from([purpose]);
        key.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        let mut sealed = Vec::with_capacity(KEY_ID + NONCE_LEN + text.len());
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Some(URL_SAFE_NO_PAD.encode(sealed)).filter(|id| id.len() <= LONGEST)
    }

    fn open_bytes(&self, id: &str, purpose: u8) -> Result<Vec<u8>, SealError> {
        if id.len() > LONGEST {
            return Err(SealError::Form);
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(id).map_err(|_| SealError::Form)?;
        let (key_id, rest) = sealed.split_first_chunk_mut::<KEY_ID>().ok_or(SealError::Form)?;
        let (nonce, text) = rest.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError::Form)?;
        let key = self.keys.iter().find(|key| key.id == *key_id).ok_or(SealError::UnknownKey)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = key.key.open_in_place(nonce, Aad::from([purpose]), text).map_err(|_| SealError::Forged)?;
        Ok(text.to_vec())
    }
}

impl SealKey {
    fn derive(secret: &[u8]) -> Self {
        let source = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(secret);
        let key = UnboundKey::from(source.expand(&[b"key"], &AES_256_GCM_SIV).expect("one key is within HKDF's length"));
        let mut id = [0_u8; KEY_ID];
        let name = source.expand(&[b"name"], hkdf::HKDF_SHA256).expect("one hash is within HKDF's length");
        let mut full = [0_u8; 32];
        name.fill(&mut full).expect("the length is the hash's own");
        id.copy_from_slice(&full[..KEY_ID]);
        Self { id, key: LessSafeKey::new(key) }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealer({} keys)", self.keys.len())
    }
}

impl Note {
    /// The session's name inside this gate.
    pub fn key(&self) -> Key {
        let mut hash = digest::Context::new(&digest::SHA256);
        if self.is_local {
            // No app can choose its way into the session of another.
            hash.update(b"local\0");
        }
        hash.update(&self.member.0.to_be_bytes());
        hash.update(self.sid.as_bytes());
        let hash = hash.finish();
        let mut key = [0_u8; 16];
        key.copy_from_slice(&hash.as_ref()[..16]);
        Key(u128::from_be_bytes(key))
    }

    fn write(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(160);
        out.push(match (self.is_local, self.revision) {
            (false, Revision::Four) => VERSION,
            (true, Revision::Four) => LOCAL,
            (false, Revision::Three) => THREE,
            // Nothing in such a session could tell who its client is.
            (true, Revision::Three) => return None,
        });
        out.extend_from_slice(&self.route.to_be_bytes());
        out.extend_from_slice(&self.member.0.to_be_bytes());
        out.extend_from_slice(&self.origin.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&self.address.to_be_bytes());
        put(&mut out, self.sid.as_bytes())?;
        match &self.token {
            None => out.push(0),
            Some(mark) => {
                out.push(if mark.by_header { 2 } else { 1 });
                out.extend_from_slice(&mark.tag);
            }
        }
        if let Some(identity) = &self.identity {
            put(&mut out, &serde_json::to_vec(identity.as_sealed()).ok()?)?;
        }
        Some(out)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let (is_local, revision) = match take::<1>(&mut rest)? {
            [VERSION] => (false, Revision::Four),
            [LOCAL] => (true, Revision::Four),
            [THREE] => (false, Revision::Three),
            [_] => return None,
        };
        let route = u64::from_be_bytes(take(&mut rest)?);
        let member = MemberId(u64::from_be_bytes(take(&mut rest)?));
        let origin = Some(u64::from_be_bytes(take(&mut rest)?)).filter(|tag| *tag != 0);
        let address = u64::from_be_bytes(take(&mut rest)?);
        let sid = String::from_utf8(take_field(&mut rest)?.to_vec()).ok()?;
        let token = match take::<1>(&mut rest)? {
            [0] => None,
            [by] => Some(TokenMark { by_header: by == 2, tag: take(&mut rest)? }),
        };
        let identity = match rest.is_empty() {
            true => None,
            false => Some(Identity::sealed(serde_json::from_slice(take_field(&mut rest)?).ok()?)),
        };
        rest.is_empty().then_some(Self { route, member, sid, is_local, revision, identity, token, origin, address })
    }
}

fn put(out: &mut Vec<u8>, field: &[u8]) -> Option<()> {
    if field.len() > LONGEST_FIELD {
        return None;
    }
    out.extend_from_slice(&(field.len() as u16).to_be_bytes());
    out.extend_from_slice(field);
    Some(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*field)
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    let (field, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(field)
}
