//! The same figures as a picture: a panel for each operation with a bar for each row, `full` profiles beside the relay. Plain
//! SVG with its colours in a style sheet, so that it can be read on light and on dark pages; no script, no fonts of its own.

use std::fmt::Write;

use crate::{
    figures::Figures,
    machine::Machine,
    operation::Operation,
    peers::{Profile, Row},
};

/// The whole picture.
pub fn draw(rows: &[Row], figures: &Figures, machine: &Machine) -> String {
    let shown: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].is_relay() || rows[*row].profile == Profile::Full).collect();
    let measured = |operation: &Operation| shown.iter().any(|row| figures.median(*row, *operation).is_some());
    let panels: Vec<Operation> = Operation::ALL.into_iter().filter(measured).collect();
    let tall = TITLE + shown.len() as u32 * STEP + GAP;
    let height = HEAD + panels.len().div_ceil(COLUMNS) as u32 * tall + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"CPU and memory of sockgate beside other proxies\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    let _ = writeln!(
        svg,
        "<text class=\"head\" x=\"{MARGIN}\" y=\"26\">CPU microseconds for one operation, and KB for one idle connection: shorter is \
         better</text>"
    );
    for (number, operation) in panels.iter().enumerate() {
        let x = MARGIN + (number % COLUMNS) as u32 * (PANEL + MARGIN);
        let y = HEAD + (number / COLUMNS) as u32 * tall;
        svg += &panel(rows, figures, *operation, &shown, (x, y));
    }
    let foot = escaped(&format!("{}, {}", machine.date(), machine.describe()));
    let _ = writeln!(svg, "<text class=\"foot\" x=\"{MARGIN}\" y=\"{}\">{foot}</text>", height - 14);
    svg + "</svg>\n"
}

fn panel(rows: &[Row], figures: &Figures, operation: Operation, shown: &[usize], (x, y): (u32, u32)) -> String {
    let longest = shown.iter().filter_map(|row| figures.median(*row, operation)).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!("<text class=\"title\" x=\"{x}\" y=\"{}\">{}</text>\n", y + 12, escaped(operation.title()));
    for (place, row) in shown.iter().enumerate() {
        let (row, figure) = (&rows[*row], figures.median(*row, operation));
        let top = y + TITLE + place as u32 * STEP;
        let (name, base) = (label(row), top + 11);
        let _ = writeln!(svg, "<text class=\"name\" x=\"{}\" y=\"{base}\">{}</text>", x + NAMES - 8, escaped(&name));
        let Some(figure) = figure else { continue };
        let wide = (figure / longest * f64::from(PANEL - NAMES - VALUES)).max(1.0);
        let kind = if row.name == "sockgate" {
            "own"
        } else if row.is_relay() {
            "relay"
        } else {
            "other"
        };
        let _ =
            writeln!(svg, "<rect class=\"{kind}\" x=\"{}\" y=\"{top}\" width=\"{wide:.1}\" height=\"14\" rx=\"2\"/>", x + NAMES);
        let _ = writeln!(
            svg,
            "<text class=\"value\" x=\"{:.1}\" y=\"{base}\">{}</text>",
            f64::from(x + NAMES) + wide + 6.0,
            operation.show(figure)
        );
    }
    svg
}

/// Who does less than the others says so.
fn label(row: &Row) -> String {
    match row.is_relay() || row.claims_tokens() {
        true => row.name.clone(),
        false => format!("{} (no JWT)", row.name),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.head{font-size:15px;font-weight:600}.title{font-weight:600}.name{text-anchor:end}.foot{font-size:11px}.name,.foot{fill:#59636e}\
.paper{fill:#ffffff}.own{fill:#0969da}.other{fill:#9aa4af}.relay{fill:#d0d7de}\
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.name,.foot{fill:#9198a1}.paper{fill:#0d1117}.own{fill:#4493f8}\
.other{fill:#656c76}.relay{fill:#3d444d}}";

const WIDTH: u32 = 920;
const COLUMNS: usize = 2;
const MARGIN: u32 = 24;
const PANEL: u32 = (WIDTH - 3 * MARGIN) / 2;
/// Room for names before the bars, and for figures behind them.
const NAMES: u32 = 112;
const VALUES: u32 = 56;
const HEAD: u32 = 46;
const TITLE: u32 = 22;
const STEP: u32 = 19;
const GAP: u32 = 16;
const FOOT: u32 = 30;
