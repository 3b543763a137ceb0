//! The Markdown that is printed, and with `--write` put between two marks in the README: the table, what each row does, and
//! where another proxy is cheaper, which is worked out from the figures and not chosen.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;

use crate::{figures::Figures, machine::Machine, operation::Operation, peers::Row};

/// All that the table tells.
pub struct Report<'a> {
    pub rows: &'a [Row],
    pub figures: &'a Figures,
    /// Peers that have no row, with the reason.
    pub missing: &'a [String],
    pub machine: &'a Machine,
    pub rounds: usize,
    pub window: f64,
    pub idle: usize,
    /// How the gate was built.
    pub built: &'a str,
}

impl Report<'_> {
    pub fn markdown(&self) -> String {
        let mut text = self.head();
        text += &self.table();
        text += "\n";
        for name in names(self.rows) {
            let version = self.row_of(name).and_then(Row::version).map(|version| format!(" {version}")).unwrap_or_default();
            let full = self.rows.iter().find(|row| row.name == name);
            let _ = writeln!(text, "- {name}{version}: {}.", full.map_or("", Row::does));
        }
        for missing in self.missing {
            let _ = writeln!(text, "- not measured: {missing}.");
        }
        text + "\n" + &self.cheaper() + &self.spread()
    }

    fn head(&self) -> String {
        let Self { rounds, window, idle, built, .. } = self;
        let at = format!("{}, {}", self.machine.date(), self.machine.describe());
        format!(
            "Measured on {at}. CPU microseconds of the proxy for one operation, in parentheses as a multiple of the relay's in the \
             same round; less is better. Median of {rounds} interleaved rounds of {window} s, load, app and proxy on one CPU; memory by {idle} \
             connections; sockgate {built}.\n\n"
        )
    }

    fn table(&self) -> String {
        let measured: Vec<Operation> = Operation::ALL.into_iter().filter(|operation| self.is_measured(*operation)).collect();
        let mut text = String::from("| |");
        measured.iter().for_each(|operation| text += &format!(" {} |", operation.title()));
        text += "\n| --- |";
        text += &" ---: |".repeat(measured.len());
        text += "\n";
        for (number, row) in self.rows.iter().enumerate() {
            let _ = write!(text, "| {} |", row.label());
            for operation in &measured {
                let _ = write!(text, " {} |", self.cell(number, *operation));
            }
            text += "\n";
        }
        text
    }

    fn cell(&self, row: usize, operation: Operation) -> String {
        let Some(figure) = self.figures.median(row, operation) else { return "-".into() };
        let shown = operation.show(figure);
        match self.figures.ratio(row, RELAY, operation) {
            Some(ratio) if row != RELAY => format!("{shown} ({ratio:.2})"),
            _ => shown,
        }
    }

    /// Where somebody else does with less than sockgate in the same profile.
    fn cheaper(&self) -> String {
        let mut found = Vec::new();
        for (own, gate) in self.rows.iter().enumerate().filter(|(_, row)| row.name == "sockgate") {
            let others = self.rows.iter().enumerate().filter(|(_, row)| row.profile == gate.profile && row.name != gate.name);
            for (number, other) in others.filter(|(_, row)| !row.is_relay()) {
                for operation in Operation::ALL {
                    let pair = (self.figures.median(own, operation), self.figures.median(number, operation));
                    let (Some(ours), Some(theirs)) = pair else { continue };
                    if theirs < ours {
                        let (ours, theirs) = (operation.show(ours), operation.show(theirs));
                        found.push(format!("{} ({}, {theirs} against {ours})", other.label(), operation.title()));
                    }
                }
            }
        }
        match found.is_empty() {
            true => "No other proxy did with less than sockgate in the same profile.".into(),
            false => format!("With less than sockgate in the same profile did: {}.", found.join("; ")),
        }
    }

    fn spread(&self) -> String {
        let Some((middle, widest, row, operation)) = self.figures.spread() else { return "\n".into() };
        let (middle, widest) = (middle * 100.0, widest * 100.0);
        let (row, operation) = (self.rows[row].label(), operation.title());
        format!(" The rounds of a cell lie {middle:.0} % apart in the middle, {widest:.0} % at most ({row}: {operation}).\n")
    }

    fn is_measured(&self, operation: Operation) -> bool {
        (0..self.rows.len()).any(|row| self.figures.median(row, operation).is_some())
    }

    fn row_of(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// Puts the text between the marks of a page.
pub fn write_between_marks(page: &Path, text: &str) -> anyhow::Result<()> {
    let old = fs::read_to_string(page)?;
    let (before, rest) = old.split_once(BEGIN).with_context(|| format!("{} has no {BEGIN}", page.display()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{} has no {END}", page.display()))?;
    fs::write(page, format!("{before}{BEGIN}\n{text}{END}{after}"))?;
    Ok(())
}

/// Each name once, in the order of the rows.
fn names(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
}

/// The first row.
const RELAY: usize = 0;
const BEGIN: &str = "<!-- compare -->";
const END: &str = "<!-- /compare -->";
