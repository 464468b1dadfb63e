//! Ladder diagrams as a picture that stands alone: no script, no font, no style sheet of its own.

use std::fmt::Write as _;

use crate::analysis::Report;
use crate::calls::Call;
use crate::ladder::{self, Kind, Ladder, Row};
use crate::text::clock;

// In pixels.
const MARGIN: usize = 100;
const GAP: usize = 260;
const ROW: usize = 30;
const TITLE: usize = 22;
const HEAD: usize = 56;
const FOOT: usize = 28;
/// A character of a label, and of a remark.
const LABEL: usize = 7;
const REMARK: usize = 6;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#222}.t{font-size:15px;font-weight:600}\
    .c{font-weight:600;text-anchor:middle}.w{fill:#777;text-anchor:end;font-variant-numeric:tabular-nums}\
    .l{text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:3px}.b{stroke:#c8c8c8;stroke-width:1}\
    .a{stroke-width:1.6;fill:none}.m{stroke-width:7;opacity:.35}.r{fill:#777;font-size:11px}\
    .again{stroke-dasharray:5 3}";

/// The diagrams of a report, below each other: see [`ladder::of`].
pub fn picture(report: &Report, chosen: &[&Call]) -> String {
    let ladders = ladder::of(report, chosen);
    let width = ladders.iter().map(width).max().unwrap_or(MARGIN);
    let total: usize = ladders.iter().map(height).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\">\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut top = 0;
    for ladder in &ladders {
        section(&mut svg, report, ladder, top);
        top += height(ladder);
    }
    svg.push_str("</svg>\n");
    svg
}

fn height(ladder: &Ladder) -> usize {
    head(ladder) + ROW * ladder.rows.len() + FOOT
}

fn head(ladder: &Ladder) -> usize {
    HEAD + TITLE * ladder.titles.len()
}

fn width(ladder: &Ladder) -> usize {
    let remark = ladder.rows.iter().map(|row| remark(row).chars().count()).max().unwrap_or(0);
    let title = ladder.titles.iter().map(|title| title.chars().count()).max().unwrap_or(0);
    (beside(ladder) + REMARK * remark.min(200) + 16).max(9 * title.min(200) + 32)
}

fn column(at: usize) -> usize {
    MARGIN + GAP / 2 + GAP * at
}

/// Where remarks begin.
fn beside(ladder: &Ladder) -> usize {
    column(ladder.columns.len().max(1) - 1) + GAP / 3
}

fn remark(row: &Row) -> String {
    let again = if row.again { "again " } else { "" };
    format!("{again}{}", row.remark).trim().to_owned()
}

fn section(svg: &mut String, report: &Report, ladder: &Ladder, top: usize) {
    for (n, title) in ladder.titles.iter().enumerate() {
        let y = top + 26 + TITLE * n;
        let _ = writeln!(svg, "<text class=\"t\" x=\"16\" y=\"{y}\">{}</text>", escaped(title));
    }
    let first = top + head(ladder);
    let bottom = first + ROW * ladder.rows.len();
    for (at, address) in ladder.columns.iter().enumerate() {
        let x = column(at);
        let _ = writeln!(
            svg,
            "<text class=\"c\" x=\"{x}\" y=\"{}\">{address}</text><line class=\"b\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>",
            first - 14,
            first - 8
        );
    }
    for (n, row) in ladder.rows.iter().enumerate() {
        arrow(svg, report, row, first + ROW * n + ROW / 2, beside(ladder));
    }
    if ladder.omitted > 0 {
        let y = bottom + 16;
        let _ = writeln!(
            svg,
            "<text class=\"r\" x=\"16\" y=\"{y}\">{} more are not shown</text>",
            ladder.omitted
        );
    }
}

fn arrow(svg: &mut String, report: &Report, row: &Row, y: usize, beside: usize) {
    let (from, to) = (column(row.from), column(row.to));
    let colour = colour(row.kind);
    let time = clock(report, row.at);
    let _ = write!(svg, "<g><text class=\"w\" x=\"{}\" y=\"{}\">{time} s</text>", MARGIN - 20, y + 4);
    let again = if row.again { " again" } else { "" };
    let (x, label) = match from == to {
        true => (from, format!("{} (to itself)", row.label)),
        false => (from.midpoint(to), row.label.clone()),
    };
    if from != to {
        let media = if row.kind == Kind::Media { " m" } else { "" };
        let _ = write!(
            svg,
            "<line class=\"a{media}{again}\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"{colour}\"/>{}",
            tip(to, y, from < to, colour)
        );
    }
    // A label that does not fit is cut; the pointer shows all of it.
    let room = (from.abs_diff(to).max(GAP) - 24) / LABEL;
    let short = match label.char_indices().nth(room) {
        Some((end, _)) => format!("{}…", label.get(..end).unwrap_or_default()),
        None => label.clone(),
    };
    let above = if row.kind == Kind::Media { y - 7 } else { y - 4 };
    let _ = write!(
        svg,
        "<text class=\"l\" x=\"{x}\" y=\"{above}\" style=\"fill:{colour}\">{}<title>{}</title></text>",
        escaped(&short),
        escaped(&label)
    );
    let remark = remark(row);
    if !remark.is_empty() {
        let _ = write!(svg, "<text class=\"r\" x=\"{beside}\" y=\"{}\">{}</text>", y + 4, escaped(&remark));
    }
    svg.push_str("</g>\n");
}

/// The head of an arrow.
fn tip(x: usize, y: usize, rightward: bool, colour: &str) -> String {
    let back = if rightward { x - 9 } else { x + 9 };
    format!("<path d=\"M{x} {y}L{back} {}L{back} {}Z\" fill=\"{colour}\"/>", y - 4, y + 4)
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "#1a56b0",
        Kind::Response(0..200) => "#6b6b6b",
        Kind::Response(200..300) => "#1d7a3a",
        Kind::Response(300..400) => "#9a6700",
        Kind::Response(_) => "#b3261e",
        Kind::Media => "#6a3fa0",
    }
}

/// Text for XML: markup escaped, what XML cannot hold replaced.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '"' => shown.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}
