//! `sockgate explain token`: what a token says, which key signed it, and every check with its outcome. Claims are shown, for
//! who asks has the token; the signature never is, so that the page can be passed on.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::policy::auth::{Explanation, Verifier};

/// The page for one token. Fetch the issuer's keys first (`Jwks::fetch`), where there is an issuer.
pub fn report(verifier: &Verifier, token: &str, now: SystemTime) -> String {
    let explanation = verifier.explain(token.trim(), now);
    let mut page = String::new();
    // Writing into a String does not fail.
    let _ = write_head(&mut page, &explanation);
    let _ = write_claims(&mut page, &explanation, now);
    let _ = write_checks(&mut page, &explanation);
    page
}

fn write_head(page: &mut String, explanation: &Explanation) -> std::fmt::Result {
    match &explanation.header {
        Ok(header) => {
            writeln!(page, "algorithm  {}", visible(&header.algorithm))?;
            writeln!(page, "key id     {}", header.key.as_deref().map_or_else(|| "none".to_owned(), visible))?;
        }
        Err(refusal) => writeln!(page, "header     cannot be read: {refusal}")?,
    }
    writeln!(page, "signed by  {}\n", explanation.key.as_deref().unwrap_or("no key of this gate"))
}

fn write_claims(page: &mut String, explanation: &Explanation, now: SystemTime) -> std::fmt::Result {
    let Ok(claims) = &explanation.claims else { return Ok(()) };
    writeln!(page, "claims")?;
    for (name, value) in claims.as_map() {
        let when = if TIMES.contains(&name.as_str()) { distance(value, now) } else { String::new() };
        writeln!(page, "  {} = {}{when}", visible(name), visible(&value.to_string()))?;
    }
    writeln!(page)
}

fn write_checks(page: &mut String, explanation: &Explanation) -> std::fmt::Result {
    writeln!(page, "checks")?;
    for check in &explanation.checks {
        match &check.outcome {
            Ok(()) => writeln!(page, "  pass  {}", check.name)?,
            Err(refusal) => writeln!(page, "  FAIL  {}: {refusal} ({})", check.name, refusal.name())?,
        }
    }
    if explanation.is_for_authorizer {
        return writeln!(page, "\nWhether the gate lets this token in, the authorizer has to say; it was not asked.");
    }
    writeln!(page, "\n{}", if explanation.is_good() { "The gate lets this token in." } else { "The gate refuses this token." })
}

/// ` (in 59 minutes)`, for times.
fn distance(value: &Value, now: SystemTime) -> String {
    let now = now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let Some(seconds) = value.as_f64().map(|moment| moment - now) else { return String::new() };
    let (amount, unit) = match seconds.abs() {
        far if far >= 172_800.0 => (far / 86_400.0, "days"),
        hours if hours >= 7_200.0 => (hours / 3_600.0, "hours"),
        minutes if minutes >= 120.0 => (minutes / 60.0, "minutes"),
        near => (near, "seconds"),
    };
    if seconds >= 0.0 { format!(" (in {amount:.0} {unit})") } else { format!(" ({amount:.0} {unit} ago)") }
}

/// A token is a stranger's text: what would steer a terminal or hide in a line is written out.
fn visible(text: &str) -> String {
    text.chars().flat_map(|letter| if letter.is_ascii_graphic() || letter == ' ' { vec![letter] } else { safe(letter) }).collect()
}

fn safe(letter: char) -> Vec<char> {
    if letter.is_alphanumeric() { vec![letter] } else { letter.escape_unicode().collect() }
}

const TIMES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];
