//! What reaches the log, and in which form: levels by target, hostile values, a change while running.

use std::{
    io,
    sync::{Arc, Mutex},
};

use sockgate::{
    config::log::{Format, Log},
    telemetry::log::{self, Followed, LogError},
};
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

/// A place for lines.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn config(format: Format, level: &str) -> Log {
    Log { format, level: level.into(), debug_for: Vec::new() }
}

/// Lines that a program reads.
pub fn json(level: &str) -> Log {
    config(Format::Json, level)
}

/// What is written while `act` runs.
pub fn written(config: &Log, act: impl FnOnce(&log::Control)) -> String {
    let paper = Paper::default();
    let (subscriber, control) = log::subscriber(config, paper.clone(), false).unwrap();
    with_default(subscriber, || act(&control));
    paper.text()
}

#[test]
fn a_text_line_has_level_target_message_and_fields() {
    let line = written(&config(Format::Text, "info"), |_| {
        tracing::info!(target: "sockgate::access", status = 200_u16, path = "/socket.io/", late = false, "request");
    });

    assert!(line.ends_with("  INFO sockgate::access request status=200 path=/socket.io/ late=false\n"), "{line}");
}

#[test]
fn a_json_line_is_an_object() {
    let line = written(&config(Format::Json, "info"), |_| {
        tracing::warn!(target: "sockgate::security", status = 403_u16, origin = "https://\"x\"\\", share = 0.5, odd = f64::NAN, "request");
    });

    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["target"], "sockgate::security");
    assert_eq!(line["message"], "request");
    assert_eq!(line["status"], 403);
    assert_eq!(line["origin"], "https://\"x\"\\");
    assert_eq!(line["share"], 0.5);
    assert_eq!(line["odd"], "NaN");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

const HOSTILE: &[&str] = &[
    "line\nsecond",
    "return\rback",
    "\x1b[2Jgone",
    "\u{9b}31m",
    "nul\0",
    "bell\x07",
    "\u{202e}turned",
    "\u{2028}separated",
    "\u{feff}hidden",
    "delete\x7f",
    "tab\t",
];

#[test]
fn no_value_forges_a_line_or_commands_a_terminal() {
    for format in [Format::Text, Format::Json] {
        for hostile in HOSTILE {
            let text = written(&config(format, "info"), |_| {
                tracing::info!(target: "sockgate", value = *hostile, shown = %hostile, debug = ?hostile, "{hostile}");
            });

            let line = text.strip_suffix('\n').unwrap();
            let odd: Vec<char> =
                line.chars().filter(|letter| letter.is_control() || "\u{202e}\u{2028}\u{feff}".contains(*letter)).collect();
            assert!(odd.is_empty(), "{hostile:?} left {odd:?} in {line:?}");
            if format == Format::Json {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["value"], *hostile, "JSON gives the value back as it was");
            }
        }
    }
}

#[test]
fn no_value_passes_for_another_field() {
    let line = written(&config(Format::Text, "info"), |_| {
        tracing::info!(target: "sockgate", path = "/ subject=admin", origin = "a=b", agent = "x\" subject=\"admin", none = "", "request");
    });

    let fields = r#" path="/ subject=admin" origin="a=b" agent="x\" subject=\"admin" none="""#;
    assert_eq!(line.trim_end().split_once("request").unwrap().1, fields);
}

#[test]
fn a_long_value_is_cut() {
    for (value, most) in [("x".repeat(100_000), 256), ("\x1b".repeat(100_000), 256 + 8), ("é".repeat(100_000), 256 + 1)] {
        let line = written(&config(Format::Text, "info"), |_| tracing::info!(target: "sockgate", value, "x"));

        let shown = line.split_once("value=").unwrap().1.trim_end().trim_matches('"').strip_suffix('…').expect("marked as cut");
        assert!(shown.len() <= most, "{} bytes", shown.len());
    }
}

#[test]
fn what_operators_are_told_of_their_configuration_is_not_cut() {
    let value = "x".repeat(1_500);
    let line = written(&config(Format::Text, "info"), |_| tracing::error!(target: "sockgate::app::reload", value, "x"));
    assert!(line.contains(&value), "{} bytes", line.len());
    let value = "x".repeat(100_000);
    let line = written(&config(Format::Text, "info"), |_| tracing::error!(target: "sockgate::app::reload", value, "x"));
    assert!((2_000..2_500).contains(&line.len()), "{} bytes", line.len());
}

#[test]
fn a_value_is_cut_at_the_same_place_whatever_it_is_made_of() {
    for plain in 250..=260 {
        let value = format!("{}\"é{}", "x".repeat(plain), "y".repeat(20));
        let line = written(&config(Format::Json, "info"), |_| tracing::info!(target: "sockgate", value, "x"));
        let shown = line.split_once(r#""value":""#).unwrap().1.trim_end().strip_suffix("\"}").unwrap();
        let mut expected = String::new();
        for letter in value.chars() {
            if expected.len() >= 256 {
                expected.push('…');
                break;
            }
            match letter {
                '"' => expected.push_str("\\\""),
                letter => expected.push(letter),
            }
        }
        assert_eq!(shown, expected, "{plain}");
    }
}

#[test]
fn levels_hold_for_their_targets_and_libraries_stay_quiet() {
    let text = written(&config(Format::Text, "warn,sockgate::access=debug"), |_| {
        tracing::info!(target: "sockgate::app", "one");
        tracing::warn!(target: "sockgate::app", "two");
        tracing::debug!(target: "sockgate::access", "three");
        tracing::debug!(target: "h2::codec", "four");
        tracing::warn!(target: "h2::codec", "five");
    });

    let seen: Vec<_> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(seen, ["two", "three", "five"]);

    let text = written(&config(Format::Text, "trace"), |_| tracing::debug!(target: "h2::codec", "headers with tokens"));
    assert_eq!(text, "");
}

#[test]
fn what_is_not_a_level_is_told() {
    let levels = |text: &str| log::levels(text).map(drop);
    for good in ["info", "off", "WARN", "info, sockgate::access=off", "sockgate=debug"] {
        assert_eq!(levels(good), Ok(()), "{good}");
    }
    for bad in ["", "inof", "3", "info,", "sockgate=", "sockgate::access=loud"] {
        assert!(matches!(levels(bad), Err(LogError::Level(_))), "{bad}");
    }
    for foreign in ["h2=trace", "sockgatekeeper=info", "=info"] {
        assert!(matches!(levels(foreign), Err(LogError::Target(_))), "{foreign}");
    }
}

#[test]
fn levels_change_while_running_and_a_mistake_changes_nothing() {
    let text = written(&config(Format::Text, "warn"), |control| {
        tracing::info!(target: "sockgate", "before");
        control.change(&config(Format::Text, "info")).unwrap();
        tracing::info!(target: "sockgate", "after");
        assert!(control.change(&config(Format::Text, "loud")).is_err());
        tracing::info!(target: "sockgate", "still");
        tracing::warn!(target: "sockgate", "end");
    });

    let seen: Vec<_> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(seen, ["after", "still", "end"]);
}

#[test]
fn followed_clients_are_known_by_address_network_and_subject() {
    let wishes = ["address:192.0.2.7", "address:2001:db8::/32", "subject:ana"].map(String::from);
    let followed = Followed::read(&wishes).unwrap();

    for (address, subject, expected) in [
        ("192.0.2.7", None, true),
        ("::ffff:192.0.2.7", None, true),
        ("192.0.2.8", None, false),
        ("2001:db8::1", None, true),
        ("2001:db9::1", Some("ben"), false),
        ("10.0.0.1", Some("ana"), true),
    ] {
        assert_eq!(followed.has(address.parse().unwrap(), subject), expected, "{address} {subject:?}");
    }
    let followed = Followed::read(&["session:5f1c2a9b03de4471".to_string()]).unwrap();
    assert!(followed.has_session("5f1c2a9b03de4471") && !followed.has_session("5f1c2a9b03de4472"));
    assert!(!followed.is_empty() && Followed::default().is_empty());
    for bad in ["ana", "address:", "address:everyone", "subject:", "session:x", "session:5F1C2A9B03DE4471", "session:"] {
        assert_eq!(Followed::read(&[bad.to_string()]).unwrap_err(), LogError::Follow(bad.into()));
    }
}
