//! A report as text for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::analysis::{Report, Search};
use crate::calls::{Call, Exchange, State};
use crate::message::{Field, Message, Start};
use crate::sdp::Description;
use crate::streams::{How, Stream};
use crate::time::{Time, span};

/// Header fields that have a place of their own in [`message`], in its order.
const PLACED: [&str; 7] = ["From", "To", "Call-ID", "CSeq", "Via", "Contact", "Content-Type"];

/// Text that a terminal shows as it is: control characters become escapes, so that a message cannot steer it.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(hidden) {
        return text.into();
    }
    let mut shown = String::new();
    for c in text.chars() {
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown.into()
}

/// One message: its kind, its start line, where it went, each header field, its body.
fn message(report: &Report, message: &Message) -> String {
    let mut text = String::new();
    let kind = if message.is_request() { "Request" } else { "Response" };
    let began = report.began.unwrap_or(message.at);
    let _ = writeln!(text, "Message {}: SIP {kind}", message.number);
    let _ = writeln!(text, "  Time: {} UTC ({:+.6} s)", message.at, message.at.seconds_since(began));
    let transport = message.transport.as_str();
    let (source, destination, frame) = (message.source, message.destination, message.frame);
    let _ = writeln!(text, "  Path: {source} -> {destination} over {transport}, frame {frame}");
    if let Some(first) = message.repeats {
        let _ = writeln!(text, "  Repeats: message {first}");
    }
    for defect in &message.defects {
        let _ = writeln!(text, "  Defect: {}", visible(defect));
    }
    match &message.start {
        Start::Request { method, uri } => {
            let _ = writeln!(text, "  Method: {}", visible(method));
            let _ = writeln!(text, "  Request-URI: {}", visible(uri));
        }
        Start::Response { .. } => {
            let _ = writeln!(text, "  Status: {}", visible(&message.title()));
        }
    }
    headers(&mut text, message);
    body(&mut text, message);
    text
}

fn headers(text: &mut String, message: &Message) {
    for name in PLACED {
        match name {
            "Via" => {
                for (n, via) in message.values("Via").iter().enumerate() {
                    let _ = writeln!(text, "  Via[{n}]: {}", visible(via));
                }
            }
            "Content-Type" => {
                let others = message.fields().filter(|f| !PLACED.contains(&&*f.name));
                others.for_each(|Field { name, value }| {
                    let _ = writeln!(text, "  {}: {}", visible(&name), visible(&value));
                });
                field(text, message, name);
            }
            _ => field(text, message, name),
        }
    }
}

/// All fields of one name.
fn field(text: &mut String, message: &Message, name: &str) {
    for field in message.fields().filter(|f| f.name == name) {
        let _ = writeln!(text, "  {name}: {}", visible(&field.value));
    }
}

fn body(text: &mut String, message: &Message) {
    let body = message.body();
    if body.is_empty() {
        return;
    }
    if let Some(description) = message.description() {
        text.push_str("  SDP Body:\n");
        session(text, &description);
        return;
    }
    match std::str::from_utf8(body) {
        Ok(content) => {
            let _ = writeln!(text, "  Body ({} octets):", body.len());
            for line in content.lines() {
                let _ = writeln!(text, "    {}", visible(line));
            }
        }
        Err(_) => {
            let _ = writeln!(text, "  Body: {} octets that are not text", body.len());
        }
    }
}

fn session(text: &mut String, description: &Description<'_>) {
    for (kind, value) in &description.lines {
        let name = match kind {
            'v' => "Version",
            'o' => "Origin",
            's' => "Session",
            'i' => "Information",
            'u' => "URI",
            'e' => "Email",
            'p' => "Phone",
            'c' => "Connection",
            'b' => "Bandwidth",
            't' => "Timing",
            'r' => "Repeat",
            'z' => "Zones",
            'k' => "Key",
            'm' => "Media",
            'a' => "Attribute",
            _ => "Line",
        };
        let _ = writeln!(text, "    {name}: {}", visible(value));
    }
    for words in description.words() {
        let _ = writeln!(text, "    In words: {}", visible(&words));
    }
}

/// The table of RTP streams, and how they were found; what looks like RTP and was not announced.
pub fn streams(report: &Report, streams: &[&Stream]) -> String {
    let mut text = String::new();
    let how = match report.search {
        Search::Announced => "announced by session descriptions",
        Search::Both => "announced by session descriptions, or found by their looks",
        Search::Guessed => "found by their looks, as nothing announces them",
    };
    if streams.is_empty() {
        text.push_str("No RTP streams\n");
    } else {
        let _ = writeln!(text, "RTP streams, {how}");
        text.push_str(&table(streams));
    }
    for stream in streams {
        details(&mut text, stream);
    }
    if streams.iter().any(|s| s.mos.is_some()) {
        text.push_str(
            "  MOS is an estimate (E-model, G.107): 50 ms of network delay, no echo and a jitter buffer are assumed.\n",
        );
    }
    if !report.suspects.is_empty() {
        let packets: u64 = report.suspects.iter().map(|s| s.packets).sum();
        let count = report.suspects.len();
        let s = if count == 1 { "" } else { "s" };
        let _ = writeln!(
            text,
            "  {count} stream{s} more with {packets} packets look like RTP, but nothing announces them: --guess shows them"
        );
    }
    text
}

fn table(streams: &[&Stream]) -> String {
    let head = [
        "#",
        "SSRC",
        "Source",
        "Destination",
        "Codec",
        "Packets",
        "Lost",
        "Jitter",
        "Max gap",
        "Length",
        "MOS",
        "Direction",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for s in streams {
        let direction = match (s.call, s.to_caller) {
            (Some(call), true) => format!("call {call}, to caller"),
            (Some(call), false) => format!("call {call}, to callee"),
            (None, _) => "-".to_owned(),
        };
        rows.push(vec![
            s.number.to_string(),
            format!("{:08x}", s.ssrc),
            s.source.to_string(),
            s.destination.to_string(),
            visible(&s.codec.title()).into_owned(),
            s.packets.to_string(),
            format!("{} ({:.1} %)", s.lost, 100.0 * s.loss()),
            s.jitter.map_or("-".to_owned(), |j| format!("{:.1} ms", j.mean)),
            format!("{:.0} ms", s.gap.length.as_secs_f64() * 1000.0),
            span(s.duration()),
            s.mos.map_or("-".to_owned(), |mos| format!("{mos:.1}")),
            direction,
        ]);
    }
    columns(&rows)
}

/// Rows with their cells under each other.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text
}

/// What the table has no room for.
fn details(text: &mut String, s: &Stream) {
    let mut parts = Vec::new();
    if s.duplicates + s.reordered > 0 {
        parts.push(format!("{} doubled, {} out of order", s.duplicates, s.reordered));
    }
    if let Some(jitter) = s.jitter.filter(|j| j.most > 10.0) {
        parts.push(format!("jitter at most {:.1} ms, {:.1} ms at the end", jitter.most, jitter.last));
    }
    if s.types.len() > 1 {
        let types = s.types.iter().map(|t| format!("{} of {}", t.packets, visible(&t.codec.title())));
        parts.push(types.collect::<Vec<_>>().join(", "));
    }
    if !s.digits.is_empty() {
        parts.push(format!("keys pressed: {}", s.keys()));
    }
    if s.secure {
        parts.push("encrypted".to_owned());
    }
    if s.how == How::Guessed {
        parts.push("found by its looks".to_owned());
    }
    if !parts.is_empty() {
        let _ = writeln!(text, "  stream {}: {}", s.number, parts.join("; "));
    }
}

/// One call: who, how it went, how long it took, what looks wrong.
pub fn call(call: &Call) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Call {}: {} to {}", call.number, visible(&call.from), visible(&call.to));
    let _ = writeln!(text, "  Call-ID: {}", visible(&call.call_id));
    let _ = writeln!(text, "  Path: {} -> {}", call.caller, call.callee);
    let _ = writeln!(text, "  State: {}{}", visible(&call.state.to_string()), ending(call));
    let mut times = Vec::new();
    if let Some(ringing) = call.ringing {
        times.push(format!("rang after {}", span(ringing.since(call.began))));
    }
    if let Some(setup) = call.setup().filter(|_| call.state != State::Joined) {
        times.push(format!("answered after {}", span(setup)));
    }
    if let Some(duration) = call.duration() {
        times.push(format!("lasted {}", span(duration)));
    }
    if !times.is_empty() {
        let _ = writeln!(text, "  Times: {}", times.join(", "));
    }
    let (first, last) = (call.messages.first().unwrap_or(&0), call.messages.last().unwrap_or(&0));
    let _ = write!(text, "  Messages: {} ({first} to {last})", call.messages.len());
    if call.retransmissions > 0 {
        let _ = write!(text, ", {} of them sent again", call.retransmissions);
    }
    text.push('\n');
    if !call.streams.is_empty() {
        let list: Vec<String> = call.streams.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  Streams: {}", list.join(", "));
    }
    remarks(&mut text, &call.remarks);
    text
}

fn ending(call: &Call) -> &'static str {
    match (call.answered, call.ended, call.ended_by_caller) {
        (Some(_), None, _) => ", still up when the capture ends",
        (_, Some(_), true) => ", the caller hung up",
        (_, Some(_), false) => ", the callee hung up",
        (None, None, _) => "",
    }
}

fn remarks(text: &mut String, remarks: &[crate::calls::Remark]) {
    if !remarks.is_empty() {
        text.push_str("  What looks wrong:\n");
    }
    for remark in remarks {
        let _ = writeln!(text, "    - {}", visible(&remark.text));
    }
}

/// Registrations, subscriptions, keep-alives: a line for each kind, and what looks wrong.
pub fn exchange(exchange: &Exchange) -> String {
    let mut outcomes: Vec<String> =
        exchange.outcomes.iter().map(|(status, n)| format!("{n} x {status}")).collect();
    if !exchange.unanswered.is_empty() {
        outcomes.push(format!("{} without response", exchange.unanswered.len()));
    }
    if exchange.retransmissions > 0 {
        outcomes.push(format!("{} messages sent again", exchange.retransmissions));
    }
    let mut text = format!(
        "{} for {}, {} -> {}: {} request{}, {}\n",
        visible(&exchange.method),
        visible(&exchange.to),
        exchange.source,
        exchange.destination,
        exchange.requests.len(),
        if exchange.requests.len() == 1 { "" } else { "s" },
        if outcomes.is_empty() { "no final response".to_owned() } else { outcomes.join(", ") }
    );
    remarks(&mut text, &exchange.remarks);
    text
}

/// One line of numbers.
fn numbers(report: &Report) -> String {
    let c = report.counts;
    let length =
        report.began.map_or_else(String::new, |began| format!(" in {}", span(report.ended.since(began))));
    let mut text = format!(
        "{} frames{length}: {} SIP requests, {} responses ({} with SDP, {} over TCP); {} RTP packets in {} stream{}",
        c.frames,
        c.requests,
        c.responses,
        c.sdp,
        c.over_tcp,
        c.rtp,
        report.streams.len(),
        if report.streams.len() == 1 { "" } else { "s" }
    );
    for (count, name) in
        [(c.events, "of them keys"), (c.rtcp, "RTCP"), (c.stun, "STUN"), (c.fragments, "IP fragments")]
    {
        if count > 0 {
            let _ = write!(text, ", {count} {name}");
        }
    }
    if c.not_kept > 0 {
        let _ = write!(text, "; {} messages were too many to be shown", c.not_kept);
    }
    text.push('\n');
    text
}

/// Every message, or those of the chosen calls, a text for each.
pub fn messages<'a>(report: &'a Report, chosen: &'a [&'a Call]) -> impl Iterator<Item = String> + 'a {
    let shown = |m: &&Message| chosen.is_empty() || chosen.iter().any(|c| c.call_id == m.call_id);
    report.messages.iter().filter(shown).map(|m| message(report, m) + "\n")
}

/// Everything, or what belongs to the chosen calls.
pub fn report(report: &Report, chosen: &[&Call]) -> String {
    messages(report, chosen).collect::<String>() + &summary(report, chosen)
}

/// Streams, calls, other exchanges and numbers, or what of these belongs to the chosen calls.
pub fn summary(report: &Report, chosen: &[&Call]) -> String {
    let all = chosen.is_empty();
    let of_call = |s: &&Stream| all || chosen.iter().any(|c| s.call == Some(c.number));
    let mut text = streams(report, &report.streams.iter().filter(of_call).collect::<Vec<_>>());
    let is_chosen = |c: &&Call| all || chosen.iter().any(|other| other.number == c.number);
    for c in report.calls.iter().filter(is_chosen) {
        text.push('\n');
        text.push_str(&call(c));
    }
    if all {
        if !report.exchanges.is_empty() {
            text.push_str("\nOther requests\n");
        }
        for other in &report.exchanges {
            text.push_str(&exchange(other));
        }
        text.push('\n');
        text.push_str(&numbers(report));
    }
    text
}

/// Seconds since the start of the capture, to the millisecond.
pub(crate) fn clock(report: &Report, at: Time) -> String {
    format!("{:.3}", at.seconds_since(report.began.unwrap_or(at)))
}
