//! The log on standard error: one line an event, as text or JSON, at levels that a reload may change. Whatever a client
//! sent reaches a line escaped and cut, so that nobody forges lines or commands a terminal through the gate
//! (RUSTSEC-2025-0055 is that mistake). Also which clients an operator follows closely (`log.debug_for`).

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write as _},
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Registry,
    filter::Targets,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
};

use super::{
    lines::{self, ToStandardError},
    record::FOLLOWED,
};
use crate::config::log::{Format, Log, is_session_name};

/// Why `[log]` cannot be followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogError {
    #[error(
        "{0:?} is not a level; write off, error, warn, info, debug or trace, or levels by target: \"warn,sockgate::access=info\""
    )]
    Level(String),
    #[error("{0:?} is not one of our targets, which begin with \"sockgate\"; what libraries write may hold tokens")]
    Target(String),
    #[error(
        "{0:?} follows nobody; write \"address:192.0.2.7\", \"address:192.0.2.0/24\", \"subject:ana\" or \"session:\" with the name a record gives it"
    )]
    Follow(String),
    #[error("the log is already set up")]
    Twice,
}

/// Sets the log up for the whole process, once.
pub fn init(config: &Log) -> Result<(), LogError> {
    let (subscriber, control) = subscriber(config, ToStandardError, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    CONTROL.set(control).map_err(|_| LogError::Twice)
}

/// Takes new levels and new clients to follow. The format stays until the next start. Before `init` it only checks.
pub fn change(config: &Log) -> Result<(), LogError> {
    match CONTROL.get() {
        Some(control) => control.change(config),
        None => levels(&config.level).and(Followed::read(&config.debug_for)).map(drop),
    }
}

/// Whether an operator wants to see everything this client does.
pub fn follows(address: IpAddr, subject: Option<&str>) -> bool {
    CONTROL.get().is_some_and(|control| control.followed.load().has(address, subject))
}

/// Whether an operator wants to see everything of the session of this name.
pub fn follows_session(name: &str) -> bool {
    CONTROL.get().is_some_and(|control| control.followed.load().has_session(name))
}

/// Whether anybody is followed at all: then what a request tells must be kept until it is known who asks.
pub fn follows_anybody() -> bool {
    CONTROL.get().is_some_and(|control| !control.followed.load().is_empty())
}

/// Lets out what waits on this thread.
pub fn flush() {
    lines::let_out();
    let _ = io::stderr().flush();
}

/// The log as a value, for `init` and for tests.
pub fn subscriber<W>(
    config: &Log,
    writer: W,
    colours: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Control), LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (levels, handle) = reload::Layer::new(levels(&config.level)?);
    let followed = Arc::new(ArcSwap::from_pointee(Followed::read(&config.debug_for)?));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Line { format: config.format, colours: colours && config.format == Format::Text })
        .with_writer(writer)
        // Its complaint about a closed standard error would go to standard error, and panic there.
        .log_internal_errors(false);
    let subscriber = tracing_subscriber::registry().with(levels).with(lines);
    Ok((subscriber, Control { levels: handle, followed }))
}

/// The levers of a running log.
#[derive(Clone)]
pub struct Control {
    levels: reload::Handle<Targets, Registry>,
    followed: Arc<ArcSwap<Followed>>,
}

impl Control {
    /// All of it or, with an error, nothing.
    pub fn change(&self, config: &Log) -> Result<(), LogError> {
        let levels = levels(&config.level)?;
        self.followed.store(Arc::new(Followed::read(&config.debug_for)?));
        // Fails only when the subscriber is gone, and then there is no log to change.
        let _ = self.levels.reload(levels);
        Ok(())
    }
}

/// `info` or `warn,sockgate::access=info`. Libraries stay at `warn` whatever is asked: at `debug` h2 writes headers, and with them tokens.
pub fn levels(text: &str) -> Result<Targets, LogError> {
    let mut targets = Targets::new().with_default(LevelFilter::WARN).with_target(FOLLOWED, LevelFilter::INFO);
    for item in text.split(',').map(str::trim) {
        let (target, level) = match item.split_once('=') {
            Some((target, level)) => (target.trim(), level.trim()),
            None => (OURS, item),
        };
        let is_ours = target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        if !is_ours {
            return Err(LogError::Target(target.into()));
        }
        targets = targets.with_target(target, level_of(level).ok_or_else(|| LogError::Level(level.into()))?);
    }
    Ok(targets)
}

/// By name only: `LevelFilter` would read `3` too, and nothing as `error`.
fn level_of(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

/// Clients whose every step is written down.
#[derive(Debug, Default)]
pub struct Followed {
    networks: Vec<IpNet>,
    subjects: Vec<String>,
    sessions: Vec<String>,
}

impl Followed {
    pub fn read(wishes: &[String]) -> Result<Self, LogError> {
        let mut followed = Self::default();
        for wish in wishes {
            let unreadable = || LogError::Follow(wish.clone());
            match wish.split_once(':').ok_or_else(unreadable)? {
                ("address", network) => {
                    let one = network.parse().map(IpAddr::into);
                    followed.networks.push(one.or_else(|_| network.parse()).map_err(|_| unreadable())?);
                }
                ("subject", subject) if !subject.is_empty() => followed.subjects.push(subject.into()),
                ("session", name) if is_session_name(name) => followed.sessions.push(name.into()),
                _ => return Err(unreadable()),
            }
        }
        Ok(followed)
    }

    pub fn has(&self, address: IpAddr, subject: Option<&str>) -> bool {
        self.networks.iter().any(|network| network.contains(&address.to_canonical()))
            || subject.is_some_and(|subject| self.subjects.iter().any(|followed| followed == subject))
    }

    pub fn has_session(&self, name: &str) -> bool {
        self.sessions.iter().any(|followed| followed == name)
    }

    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.subjects.is_empty() && self.sessions.is_empty()
    }
}

/// How an event becomes a line.
struct Line {
    format: Format,
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        let mut fields = Fields::new(self.format, longest_value(target));
        event.record(&mut fields);
        match self.format {
            Format::Text => {
                SystemTime.format_time(&mut out)?;
                write_level(&mut out, level, self.colours)?;
                write_all(&mut out, [target, " ", &fields.message, &fields.rest, "\n"])
            }
            Format::Json => {
                out.write_str(r#"{"timestamp":""#)?;
                SystemTime.format_time(&mut out)?;
                let level = level.as_str();
                write_all(&mut out, [r#"","level":""#, level, r#"","target":""#, target, r#"","message":""#])?;
                write_all(&mut out, [&fields.message, "\"", &fields.rest, "}\n"])
            }
        }
    }
}

fn write_all<const N: usize>(out: &mut Writer<'_>, pieces: [&str; N]) -> fmt::Result {
    pieces.into_iter().try_for_each(|piece| out.write_str(piece))
}

fn write_level(out: &mut Writer<'_>, level: Level, colours: bool) -> fmt::Result {
    if !colours {
        return write!(out, " {level:>5} ");
    }
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    write!(out, " \x1b[{colour}m{level:>5}\x1b[0m ")
}

/// An event's fields, written as they are visited.
struct Fields {
    format: Format,
    /// Bytes of one value.
    longest: usize,
    message: String,
    rest: String,
    /// The value in hand.
    value: String,
}

impl Fields {
    fn new(format: Format, longest: usize) -> Self {
        let (rest, value) = (String::with_capacity(USUAL_LINE), String::with_capacity(USUAL_VALUE));
        Self { format, longest, message: String::new(), rest, value }
    }

    /// A number or a truth, which needs no escaping.
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        // Writing into a String does not fail, here and below.
        let _ = match self.format {
            Format::Text => write!(self.rest, " {}={value}", field.name()),
            Format::Json => write!(self.rest, r#","{}":{value}"#, field.name()),
        };
    }

    /// A value as `write` writes it.
    fn text(&mut self, field: &Field, write: impl FnOnce(&mut Clean) -> fmt::Result) {
        // A message stands alone; a value may stand in quotes.
        let escapes_quotes = self.format == Format::Json || field.name() != "message";
        let text = std::mem::take(&mut self.value);
        let mut clean = Clean { text, has_more: false, format: self.format, longest: self.longest, escapes_quotes };
        // Ends with an error once it has enough.
        let _ = write(&mut clean);
        if clean.has_more {
            clean.text.push('…');
        }
        let mut text = clean.text;
        match (field.name(), self.format) {
            ("message", _) => self.message.clone_from(&text),
            (name, Format::Text) if is_one_word(&text) => self.push([" ", name, "=", &text]),
            (name, Format::Text) => self.push([" ", name, "=\"", &text, "\""]),
            (name, Format::Json) => self.push([",\"", name, "\":\"", &text, "\""]),
        }
        text.clear();
        self.value = text;
    }

    fn push<const N: usize>(&mut self, pieces: [&str; N]) {
        pieces.into_iter().for_each(|piece| self.rest.push_str(piece));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, |text| write!(text, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, |text| text.write_str(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, |text| write!(text, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            // JSON has no such numbers.
            self.text(field, |text| write!(text, "{value}"));
        }
    }
}

/// A value on its way into a line: escaped, and cut where it becomes long.
struct Clean {
    text: String,
    has_more: bool,
    format: Format,
    longest: usize,
    escapes_quotes: bool,
}

impl fmt::Write for Clean {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // Most values need no second look.
        let plain = piece.bytes().take_while(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')).count();
        let (plain, rest) = piece.split_at(plain.min(self.longest.saturating_sub(self.text.len())));
        self.text.push_str(plain);
        for letter in rest.chars() {
            if self.text.len() >= self.longest {
                self.has_more = true;
                return Err(fmt::Error);
            }
            match letter {
                '"' | '\\' if self.escapes_quotes => self.text.extend(['\\', letter]),
                _ if is_printable(letter) => self.text.push(letter),
                _ if self.format == Format::Text => self.text.extend(letter.escape_default()),
                _ => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
            }
        }
        Ok(())
    }
}

/// What starts, reloads and ends speaks of the operator's own configuration, which says where it is wrong and what to write instead.
fn longest_value(target: &str) -> usize {
    if target.starts_with(OPERATORS) { LONGEST_OF_OPERATORS } else { LONGEST_VALUE }
}

/// Neither a control character of any kind nor one that turns the direction of writing or hides.
fn is_printable(letter: char) -> bool {
    matches!(letter, '\'' | '"' | '\\') || letter.escape_debug().next() != Some('\\')
}

/// A text that needs no quotes: it cannot be taken for another field, nor for the end of its own.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '=', '"', '\\'])
}

/// The targets that are ours.
const OURS: &str = "sockgate";
/// Bytes of one value. A client chooses most of what is logged; this is what one line of it may cost.
const LONGEST_VALUE: usize = 256;
/// Targets that tell nothing a client chose, and bytes of one value there.
const OPERATORS: &str = "sockgate::app";
const LONGEST_OF_OPERATORS: usize = 2048;
/// Room that a record seldom needs more of.
const USUAL_LINE: usize = 384;
const USUAL_VALUE: usize = 64;

static CONTROL: OnceLock<Control> = OnceLock::new();
