//! Addresses of servers that the gate itself asks.

use http::Uri;

use super::bench::Bench;

/// A URL with a scheme the gate speaks and a host, without a name and a password.
pub fn sound(key: &str, url: &str, example: &str, bench: &mut Bench<'_>) -> Option<Uri> {
    let parsed = url.parse::<Uri>().ok().filter(|parsed| parsed.scheme().is_some() && parsed.authority().is_some());
    let Some(parsed) = parsed else {
        bench.refuse(key, "it is no URL", format!("Write for example {example}"));
        return None;
    };
    if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        bench.refuse(key, "a URL with a user name or password is not asked", "Remove everything up to the @");
    }
    if !matches!(parsed.scheme_str(), Some("https" | "http")) {
        bench.refuse(key, "it is neither https nor http", format!("Write for example {example}"));
        return None;
    }
    Some(parsed)
}

/// Plain http: `danger` says what comes of it.
pub fn secure(key: &str, url: &Uri, danger: &str, bench: &mut Bench<'_>) {
    match url.scheme_str() {
        Some("http") if bench.is_production => bench.refuse(key, format!("{danger}, and this is production"), "Use https"),
        Some("http") => bench.warn(key, danger, "Use https"),
        _ => {}
    }
}

/// Whether it is of this machine.
pub fn is_loopback(url: &Uri) -> bool {
    matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}
