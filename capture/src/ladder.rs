//! Ladder diagrams: a column per address, an arrow per message, time running down, media as thick lines.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::analysis::Report;
use crate::calls::Call;
use crate::message::Message;
use crate::streams::Stream;
use crate::text::{clock, visible};
use crate::time::Time;

/// Rows of one diagram; a longer one says how many it leaves out.
pub const ROWS: usize = 5000;
/// Columns of one diagram; what is between other addresses stands in the remark of its row.
pub const COLUMNS: usize = 12;
/// Characters from one column to the next.
const GAP: usize = 40;
/// Characters before the first column.
const MARGIN: usize = 12;

/// What an arrow stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request.
    Request,
    /// A response with this status.
    Response(u16),
    /// A media stream.
    Media,
}

/// One arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub at: Time,
    /// The column it leaves, ...
    pub from: usize,
    /// ... and that where it arrives.
    pub to: usize,
    /// What it is.
    pub kind: Kind,
    /// What stands on it.
    pub label: String,
    /// What stands beside it; empty for nothing.
    pub remark: String,
    /// It was sent before.
    pub again: bool,
}

/// One diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// What it shows: a line for each call.
    pub titles: Vec<String>,
    /// Addresses, in the order in which they appear.
    pub columns: Vec<SocketAddr>,
    /// Arrows, in the order of time.
    pub rows: Vec<Row>,
    /// Rows that had no room.
    pub omitted: usize,
}

/// The diagrams of a report: one for the chosen calls together, so that the legs of one conversation can be seen side
/// by side; without a choice one for each call; one of all messages when there are no calls.
pub fn of(report: &Report, chosen: &[&Call]) -> Vec<Ladder> {
    if !chosen.is_empty() {
        return vec![ladder(report, chosen)];
    }
    if report.calls.is_empty() {
        let all = report.messages.iter().collect::<Vec<_>>();
        let title = format!("{} messages outside calls", all.len());
        return vec![draw(report, vec![title], &all, &[])];
    }
    report.calls.iter().map(|call| ladder(report, &[call])).collect()
}

fn ladder(report: &Report, calls: &[&Call]) -> Ladder {
    let title = |call: &&Call| format!("Call {}: {} to {}, {}", call.number, call.from, call.to, call.state);
    let titles: Vec<String> = calls.iter().map(title).collect();
    let mut numbers: Vec<usize> = calls.iter().flat_map(|call| call.messages.iter().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let messages: Vec<&Message> = numbers.iter().filter_map(|n| report.message(*n)).collect();
    draw(report, titles, &messages, calls)
}

fn draw(report: &Report, titles: Vec<String>, messages: &[&Message], calls: &[&Call]) -> Ladder {
    let mut columns = Vec::new();
    for address in messages.iter().flat_map(|m| [m.source, m.destination]) {
        if !columns.contains(&address) && columns.len() < COLUMNS {
            columns.push(address);
        }
    }
    let column = |address: SocketAddr| columns.iter().position(|c| *c == address);
    let mut rows = Vec::new();
    for m in messages {
        let (Some(from), Some(to)) = (column(m.source), column(m.destination)) else { continue };
        let sdp = if m.has_sdp { ", SDP" } else { "" };
        rows.push(Row {
            at: m.at,
            from,
            to,
            kind: m.status().map_or(Kind::Request, Kind::Response),
            label: format!("{} {}{sdp}", m.number, label(m)),
            remark: if m.defects.is_empty() {
                String::new()
            } else {
                format!("defect: {}", m.defects.join("; "))
            },
            again: m.repeats.is_some(),
        });
    }
    for call in calls {
        let ends = (column(call.caller), column(call.callee));
        let streams = call.streams.iter().filter_map(|n| report.stream(*n));
        if let (Some(caller), Some(callee)) = ends {
            rows.extend(
                streams.map(|s| media(s, if s.to_caller { (callee, caller) } else { (caller, callee) })),
            );
        }
    }
    rows.sort_by_key(|row| row.at);
    let omitted =
        messages.len() + calls.iter().map(|c| c.streams.len()).sum::<usize>() - rows.len().min(ROWS);
    rows.truncate(ROWS);
    Ladder { titles, columns, rows, omitted }
}

/// The method of a request, with what it is about; status and method of a response.
fn label(message: &Message) -> String {
    match message.status() {
        None => message.method().to_owned(),
        Some(_) => format!("{} ({})", message.title(), message.method()),
    }
}

fn media(stream: &Stream, (from, to): (usize, usize)) -> Row {
    let lost = if stream.lost > 0 { format!(", {:.1} % lost", 100.0 * stream.loss()) } else { String::new() };
    let keys = if stream.digits.is_empty() { String::new() } else { format!(", keys {}", stream.keys()) };
    Row {
        at: stream.began,
        from,
        to,
        kind: Kind::Media,
        label: format!("{}, {} packets{lost}{keys}", stream.codec.title(), stream.packets),
        remark: format!("stream {}: {} to {}", stream.number, stream.source, stream.destination),
        again: false,
    }
}

/// The diagrams as text.
pub fn text(report: &Report, chosen: &[&Call]) -> String {
    let mut text = String::new();
    for (n, ladder) in of(report, chosen).iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        for title in &ladder.titles {
            let _ = writeln!(text, "{}", visible(title));
        }
        let names = ladder.columns.iter().map(|c| format!("{:<GAP$}", c.to_string()));
        let _ = writeln!(text, "{:MARGIN$}{}", "", names.collect::<String>().trim_end());
        for row in &ladder.rows {
            let _ = writeln!(text, "{}", line(report, ladder, row).trim_end());
        }
        if ladder.omitted > 0 {
            let _ = writeln!(text, "({} more are not shown)", ladder.omitted);
        }
    }
    text
}

fn line(report: &Report, ladder: &Ladder, row: &Row) -> String {
    let mut cells = vec![' '; GAP * (ladder.columns.len().max(1) - 1) + 1];
    for bar in cells.iter_mut().step_by(GAP) {
        *bar = '|';
    }
    let (start, end) = (row.from.min(row.to) * GAP + 1, row.from.max(row.to) * GAP);
    let mut remark = row.remark.clone();
    match cells.get_mut(start..end) {
        Some(cells) if !cells.is_empty() => arrow(cells, row),
        _ => remark = format!("{} (to itself) {remark}", row.label),
    }
    if row.again {
        remark = format!("again {remark}");
    }
    let cells: String = cells.into_iter().collect();
    format!("{:>10}  {cells}  {}", clock(report, row.at), visible(&remark))
}

fn arrow(cells: &mut [char], row: &Row) {
    cells.fill(if row.kind == Kind::Media { '=' } else { '-' });
    let label = visible(&row.label);
    let room = cells.len().saturating_sub(4);
    for (cell, c) in cells.iter_mut().skip(2).zip(label.chars().take(room)) {
        *cell = c;
    }
    let tip = if row.from < row.to {
        cells.last_mut().map(|c| (c, '>'))
    } else {
        cells.first_mut().map(|c| (c, '<'))
    };
    if let Some((cell, tip)) = tip {
        *cell = tip;
    }
}
