//! What happened on the wire, as a ladder diagram: a column per party, a line per message, time running down.

use std::fmt::Write as _;

use telex_engine::time::Instant;

use crate::net::{Fate, Why};
use crate::plan::Plan;

/// Something worth a line.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) at: Instant,
    /// The planned call it belongs to.
    pub(crate) call: Option<usize>,
    /// The phone concerned.
    pub(crate) phone: usize,
    /// To the exchange, rather than from it.
    pub(crate) inward: bool,
    pub(crate) text: String,
    pub(crate) fate: Fate,
    /// The same message left before.
    pub(crate) again: bool,
    /// Which datagram of this phone and way it is, from 1; 0 on a stream.
    pub(crate) number: u64,
}

/// Columns of text between two parties.
const GAP: usize = 34;

/// Draws the messages of `call`, or the last `limit` messages of all when no call is named.
pub(crate) fn draw(plan: &Plan, rows: &[Row], call: Option<usize>, limit: usize) -> String {
    let chosen: Vec<&Row> = match call {
        Some(call) => rows.iter().filter(|r| r.call == Some(call)).collect(),
        None => rows.iter().skip(rows.len().saturating_sub(limit)).collect(),
    };
    let (left, right) = columns(plan, &chosen, call);
    let mut text = String::new();
    match call {
        Some(call) => writeln!(text, "call {call}: {}", plan.calls[call]),
        None => writeln!(text, "the last {} messages", chosen.len()),
    }
    .unwrap_or_default();
    let parties = left.iter().copied().map(Some).chain([None]).chain(right.iter().copied().map(Some));
    let names: Vec<String> = parties.clone().map(|p| name(plan, p)).collect();
    let mut head = " ".repeat(12);
    for (i, name) in names.iter().enumerate() {
        let _ = write!(head, "{:<width$}", name, width = if i + 1 < names.len() { GAP } else { 0 });
    }
    text.push_str(head.trim_end());
    text.push('\n');
    for row in chosen {
        let _ = writeln!(text, "{}", line(row, &left, &right).trim_end());
    }
    text
}

/// The caller stands left of the exchange, everybody else right of it.
fn columns(plan: &Plan, rows: &[&Row], call: Option<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut seen: Vec<usize> = Vec::new();
    for row in rows {
        if !seen.contains(&row.phone) {
            seen.push(row.phone);
        }
    }
    let caller = call.map(|c| plan.calls[c].caller);
    let left = seen.iter().copied().filter(|p| Some(*p) == caller).collect();
    let right = seen.into_iter().filter(|p| Some(*p) != caller).collect();
    (left, right)
}

fn name(plan: &Plan, phone: Option<usize>) -> String {
    match phone {
        None => "telex".to_owned(),
        Some(phone) => {
            let p = &plan.phones[phone];
            format!("{} ({})", p.extension, p.transport.as_str().to_ascii_lowercase())
        }
    }
}

fn line(row: &Row, left: &[usize], right: &[usize]) -> String {
    let exchange = left.len();
    let phone = left
        .iter()
        .position(|p| *p == row.phone)
        .or_else(|| right.iter().position(|p| *p == row.phone).map(|at| exchange + 1 + at))
        .unwrap_or(exchange);
    let (from, to) = if row.inward { (phone, exchange) } else { (exchange, phone) };
    let mut cells = vec![b' '; GAP * (left.len() + right.len()) + 1];
    for bar in 0..=left.len() + right.len() {
        cells[bar * GAP] = b'|';
    }
    let (start, end) = (from.min(to) * GAP + 1, from.max(to) * GAP);
    arrow(&mut cells[start..end], row, from < to);
    let mut text = format!("{:>10}  ", seconds(row.at));
    text.push_str(&String::from_utf8_lossy(&cells));
    remark(&mut text, row);
    text
}

fn arrow(cells: &mut [u8], row: &Row, rightward: bool) {
    cells.fill(b'-');
    let label: Vec<u8> = row.text.bytes().filter(u8::is_ascii).take(cells.len() - 4).collect();
    cells[2..2 + label.len()].copy_from_slice(&label);
    let (last, lost) = (cells.len() - 1, matches!(row.fate, Fate::Lost(_)));
    // A lost message ends before it reaches the other side.
    match (rightward, lost) {
        (true, false) => cells[last] = b'>',
        (false, false) => cells[0] = b'<',
        (true, true) => cells[last - 1..].copy_from_slice(b"x "),
        (false, true) => cells[..2].copy_from_slice(b" x"),
    }
}

fn remark(text: &mut String, row: &Row) {
    let _ = match row.fate {
        Fate::Lost(Why::Loss) => write!(text, "  lost"),
        Fate::Lost(Why::Burst) => write!(text, "  lost in a burst"),
        Fate::Lost(Why::Partition) => write!(text, "  lost: phone unreachable"),
        Fate::Lost(Why::Exact) => write!(text, "  lost as planned"),
        Fate::Lost(Why::Checksum) => write!(text, "  lost: damaged"),
        Fate::Lost(Why::TooLong) => write!(text, "  lost: too long for the link"),
        Fate::Lost(Why::Box) => write!(text, "  lost: the box lets nobody in there"),
        Fate::Lost(Why::Unroutable) => write!(text, "  lost: a private address"),
        Fate::Lost(Why::Away) => write!(text, "  lost: the exchange is away"),
        Fate::Damaged(at, _) => write!(text, "  {} damaged", seconds(at)),
        Fate::Arrives(at) => write!(text, "  {}", seconds(at)),
        Fate::Twice(at, again) => write!(text, "  {} and {}", seconds(at), seconds(again)),
    };
    if row.again {
        text.push_str(" (again)");
    }
}

fn seconds(at: Instant) -> String {
    let millis = at.as_nanos() / 1_000_000;
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Settings, draw as draw_plan};

    #[test]
    fn a_ladder_reads_from_top_to_bottom() {
        let mut plan = draw_plan(1, &Settings { phones: 3, calls: 1, ..Settings::default() });
        for (n, phone) in plan.phones.iter_mut().enumerate() {
            phone.extension = format!("10{n}");
            phone.transport = telex_engine::border::Transport::Udp;
        }
        plan.calls[0].caller = 1;
        let ms = Instant::from_millis;
        let row = |at, phone, inward, text: &str, fate, again| Row {
            at: ms(at),
            call: Some(0),
            phone,
            inward,
            text: text.to_owned(),
            fate,
            again,
            number: 0,
        };
        let rows = [
            row(8000, 1, true, "INVITE 1 +sdp", Fate::Lost(Why::Loss), false),
            row(8500, 1, true, "INVITE 1 +sdp", Fate::Arrives(ms(8540)), true),
            row(8541, 1, false, "100 Trying (INVITE) 1", Fate::Arrives(ms(8580)), false),
            row(8541, 2, false, "INVITE 1 +sdp", Fate::Twice(ms(8550), ms(8570)), false),
            row(8600, 2, true, "200 OK (INVITE) 1 +sdp", Fate::Lost(Why::Partition), false),
        ];
        let text = draw(&plan, &rows, Some(0), 0);
        let body = text.split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
        insta::assert_snapshot!(body, @r"
           101 (udp)                         telex                             102 (udp)
    8.000  |--INVITE 1 +sdp----------------x |                                 |  lost
    8.500  |--INVITE 1 +sdp----------------->|                                 |  8.540 (again)
    8.541  |<-100 Trying (INVITE) 1----------|                                 |  8.580
    8.541  |                                 |--INVITE 1 +sdp----------------->|  8.550 and 8.570
    8.600  |                                 | x200 OK (INVITE) 1 +sdp---------|  lost: phone unreachable
        ");
    }
}
