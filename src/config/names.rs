//! The grammar of names in rules: an event, a namespace or a path, exact or with stars that stand for any run of characters.
//! The check of the configuration reads entries with it at the door, `policy::access` compares names with the parsed form; a
//! text that did not parse never becomes a rule. There are no regular expressions: every comparison is linear.

/// What names are names of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Realm {
    Event,
    Namespace,
    Path,
}

/// Which names an entry means.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum NamePattern {
    /// This one. A path is as [`plain`] writes it.
    Exact(String),
    /// Those with these pieces.
    Starred(Starred),
}

/// A pattern with stars, taken apart at slashes and then at stars. An event is one segment, whatever is in it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Starred {
    pub realm: Realm,
    /// The texts around the stars of each segment: `chat-*` is `chat-` and nothing.
    pub segments: Vec<Vec<String>>,
    /// It ends with `/**`: whatever stands above that, and all below it.
    pub is_open: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    #[error("it is empty")]
    Empty,
    #[error("{0:?} is longer than any name that may pass")]
    Long(String),
    #[error("{0:?} does not start with /")]
    NoSlash(String),
    #[error("{0:?} looks like a regular expression, and there are none")]
    Regular(String),
    #[error("there is no namespace {0:?}: they are printable ASCII without space, comma and question mark")]
    Namespace(String),
    #[error("no path is ever asked for as {0:?}")]
    Path(String),
    #[error("two stars in {0:?} mean nothing here")]
    Stars(String, Realm),
}

impl NameError {
    /// What to write instead.
    pub fn instead(&self) -> String {
        match self {
            Self::Empty => "Name something, or leave the entry out".into(),
            Self::Long(_) => format!("Names have at most {NAME_SIZE} bytes; * stands for the rest"),
            Self::NoSlash(text) => format!("Write \"/{text}\""),
            Self::Regular(_) => "Write the name, with * for any run of characters".into(),
            Self::Namespace(_) => "Write the name as clients do, for example \"/admin\"".into(),
            Self::Path(_) => "Write it decoded, without query, dots, parameters and double slashes".into(),
            Self::Stars(_, Realm::Path) => "Write /** at the end for everything below, and * within one segment".into(),
            Self::Stars(_, Realm::Event | Realm::Namespace) => "Write one star".into(),
        }
    }
}

impl NamePattern {
    pub fn parse(realm: Realm, text: &str) -> Result<Self, NameError> {
        let wrong = |error: fn(String) -> NameError| Err(error(text.to_string()));
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_SIZE && realm != Realm::Path {
            return wrong(NameError::Long);
        }
        if text.starts_with('^') || (realm != Realm::Event && (text.starts_with("/^") || text.contains('\\'))) {
            return wrong(NameError::Regular);
        }
        if realm != Realm::Event && !text.starts_with('/') {
            return wrong(NameError::NoSlash);
        }
        match realm {
            Realm::Namespace if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b",?".contains(&byte)) => {
                return wrong(NameError::Namespace);
            }
            Realm::Path if !is_path(text) => return wrong(NameError::Path),
            Realm::Event | Realm::Namespace | Realm::Path => {}
        }
        let (above, is_open) = match text.strip_suffix("/**") {
            Some(above) if realm == Realm::Path => (above, true),
            Some(_) | None => (text, false),
        };
        if above.contains("**") {
            return Err(NameError::Stars(text.into(), realm));
        }
        let above = if realm == Realm::Path { plain(above) } else { above.to_string() };
        Ok(match is_open || above.contains('*') {
            true => Self::Starred(Starred::new(realm, &above, is_open)),
            false => Self::Exact(above),
        })
    }
}

impl Starred {
    fn new(realm: Realm, text: &str, is_open: bool) -> Self {
        let pieces = |segment: &str| segment.split('*').map(str::to_string).collect();
        let segments = match text.strip_prefix('/') {
            _ if realm == Realm::Event => vec![pieces(text)],
            Some(rest) if !(is_open && rest.is_empty()) => rest.split('/').map(pieces).collect(),
            Some(_) | None => Vec::new(),
        };
        Self { realm, segments, is_open }
    }
}

/// A decoded path in the one form that rules compare: apps serve the same page for another case (Express), with a slash at the
/// end (Express, Django) and with parameters behind a semicolon (Java), so none of these leads around a rule.
pub fn plain(path: &str) -> String {
    let mut bare = String::with_capacity(path.len());
    for segment in path.split_inclusive('/') {
        match segment.split_once(';') {
            Some((name, _)) => {
                bare.push_str(name);
                if segment.ends_with('/') {
                    bare.push('/');
                }
            }
            None => bare.push_str(segment),
        }
    }
    bare.make_ascii_lowercase();
    let kept = bare.trim_end_matches('/').len().max(usize::from(bare.starts_with('/')));
    bare.truncate(kept);
    bare
}

/// Whether a request's path can be this one, as `http/path` lets it in and decodes it.
fn is_path(text: &str) -> bool {
    let has_dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
    !has_dots && !text.contains("//") && !text.contains(|letter: char| letter.is_control() || "%?#;\\".contains(letter))
}

/// No longer event or namespace passes the gate.
const NAME_SIZE: usize = 128;
