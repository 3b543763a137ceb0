//! `explain origin`: the text that says whether a page may connect, by which entry, or why not and what to write. Reads
//! nothing and prints nothing; the judge is the one that requests meet.

use std::fmt::Write;

use crate::policy::origin::{Ask, Entry, FetchSite, Judge, Page, Shown, Source, refusal::printable};

/// The report on one origin, as a browser would send it.
pub fn report(judge: &Judge, origin: &str) -> String {
    let ask = Ask {
        origin: Shown::Value(origin.as_bytes()),
        fetch_site: FetchSite::Absent,
        own: None,
        carried_by_cookie: false,
        changes: false,
        csrf_cookie: None,
        csrf_header: None,
    };
    let mut report = String::new();
    // Writing into a String does not fail.
    let _ = match judge.judge(&ask) {
        Ok(grant) => {
            let echo = grant.cors().echo().and_then(|value| value.to_str().ok()).unwrap_or_default();
            let by = entry_of(judge, origin).map_or_else(String::new, |entry| format!(" by {}", describe(entry)));
            writeln!(report, "allowed: {}{by}", printable(origin.as_bytes()))
                .and_then(|()| writeln!(report, "  answers carry Access-Control-Allow-Origin: {echo}"))
        }
        Err(refusal) => writeln!(report, "refused ({}): {}", refusal.category, printable(origin.as_bytes()))
            .and_then(|()| writeln!(report, "  {}", judge.suggest(&refusal)))
            .and_then(|()| write_list(&mut report, judge.list().entries())),
    };
    report
}

fn entry_of<'a>(judge: &'a Judge, origin: &str) -> Option<&'a Entry> {
    match origin {
        "null" => judge.list().null(),
        _ => judge.list().find(&Page::parse(origin.as_bytes()).ok()?),
    }
}

fn describe(entry: &Entry) -> String {
    let pattern = &entry.pattern;
    match entry.source {
        Source::Default => format!("{pattern} (the default: no origin is configured)"),
        Source::Computed => format!("{pattern} (from origin.hosts and origin.ports)"),
        Source::Allow(at) => format!("{pattern} (origin.allow[{at}])"),
        Source::Public(at) => format!("{pattern} (listen.public_origins[{at}], the gate itself)"),
    }
}

fn write_list(report: &mut String, entries: &[Entry]) -> std::fmt::Result {
    writeln!(report, "  allowed are:")?;
    for entry in entries.iter().take(MOST_LISTED) {
        writeln!(report, "    {}", describe(entry))?;
    }
    match entries.len().checked_sub(MOST_LISTED + 1) {
        Some(more) => writeln!(report, "    and {} more", more + 1),
        None => Ok(()),
    }
}

/// Enough to see the pattern of a list, not so many that the reason scrolls away.
const MOST_LISTED: usize = 20;
