//! What looks wrong in the messages of a call.

use std::collections::BTreeMap;

use telex_engine::sip::Uri;

use super::{GRACE, Remarks, is_private, named, times};
use crate::analysis::Report;
use crate::calls::{Call, Exchange, Remark, State, Transaction, is_captured_twice, transactions};
use crate::message::Message;
use crate::time::{Time, span};

/// A first response that takes longer than this has cost a retransmission (RFC 3261 §17.1.1.1).
const SLOW: std::time::Duration = std::time::Duration::from_millis(500);
/// Statuses of which the call's own state tells, or which are no fault.
const NO_FAULT: [u16; 4] = [401, 407, 487, 491];

pub(super) fn of_call(report: &Report, call: &Call, remarks: &mut Remarks) {
    let messages: Vec<&Message> = call.messages.iter().filter_map(|n| report.message(*n)).collect();
    let transactions = transactions(messages.iter().copied());
    defects(&messages, remarks);
    for transaction in transactions.iter().filter(|t| !t.requests.is_empty()) {
        unanswered(report, transaction, remarks);
        failed(report, call, transaction, remarks);
    }
    acknowledged(report, &messages, remarks);
    credentials(&messages, remarks);
    if let (State::Pending, Some(last)) = (&call.state, messages.last()) {
        let since = report.ended.since(call.began);
        let text = format!("no final response to the INVITE in the {} until the capture ends", span(since));
        remarks.add(text, [last.number]);
    }
    repeated(report, &messages, remarks);
    addresses(&messages, remarks);
}

/// Whether the capture goes on long enough after this that an answer would be in it.
fn could_be_answered(report: &Report, at: Time) -> bool {
    report.ended.since(at) > GRACE
}

/// Requests that nobody answered, and first answers that came late.
fn unanswered(report: &Report, transaction: &Transaction, remarks: &mut Remarks) {
    let requests: Vec<&Message> = transaction.requests.iter().filter_map(|n| report.message(*n)).collect();
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else { return };
    if first.is("ACK") {
        return;
    }
    let answer = transaction.responses.first().and_then(|n| report.message(*n));
    match answer {
        None if could_be_answered(report, last.at) => {
            let sent = times(requests.len());
            let over = last.at.since(first.at);
            let method = first.method();
            let over = if requests.len() > 1 { format!(" in {}", span(over)) } else { String::new() };
            let text = format!(
                "{method} to {} was never answered: sent {sent}{over} ({})",
                first.destination,
                named(&transaction.requests)
            );
            remarks.add(text, transaction.requests.iter().copied());
        }
        Some(answer) if answer.at.since(first.at) > SLOW && answer.at >= first.at => {
            let text = format!(
                "the first response to {} (message {}) came after {}: {} (message {})",
                first.method(),
                first.number,
                span(answer.at.since(first.at)),
                answer.title(),
                answer.number
            );
            remarks.add(text, [first.number, answer.number]);
        }
        _ => {}
    }
}

/// Requests within a call that were refused.
fn failed(report: &Report, call: &Call, transaction: &Transaction, remarks: &mut Remarks) {
    let Some(request) = transaction.requests.first().and_then(|n| report.message(*n)) else { return };
    let finals = transaction.responses.iter().filter_map(|n| report.message(*n));
    let Some(last) = finals.rev().find(|m| m.status() >= Some(300)) else { return };
    let opening = request.is("INVITE") && request.tag("To").is_empty();
    let told = opening && matches!(call.state, State::Refused(..) | State::Cancelled);
    let status = last.status().unwrap_or_default();
    if told || NO_FAULT.contains(&status) {
        return;
    }
    let meaning = match status {
        481 => ": the other side knows no such call",
        415 | 488 | 606 => ": the description of the media was not accepted",
        _ => "",
    };
    let (number, answer) = (request.number, last.number);
    let text = format!(
        "{} (message {number}) was answered {} (message {answer}){meaning}",
        request.method(),
        last.title()
    );
    remarks.add(text, [number, answer]);
}

/// Final responses to INVITE that were not acknowledged, or were repeated in spite of it.
fn acknowledged(report: &Report, messages: &[&Message], remarks: &mut Remarks) {
    // By CSeq number, status and To tag: each is one response, perhaps sent again and again.
    let mut finals: BTreeMap<(u32, u16, String), Vec<&Message>> = BTreeMap::new();
    for message in messages.iter().filter(|m| m.method() == "INVITE" && m.status() >= Some(200)) {
        let number = message.cseq.as_ref().map_or(0, |(number, _)| *number);
        let key = (number, message.status().unwrap_or_default(), message.tag("To"));
        finals.entry(key).or_default().push(message);
    }
    for ((number, ..), sent) in finals {
        let (Some(first), Some(last)) = (sent.first(), sent.last()) else { continue };
        let is_ack = |m: &&&Message| m.is("ACK") && m.cseq.as_ref().is_some_and(|(n, _)| *n == number);
        let ack = messages.iter().find(|m| is_ack(m) && m.number > first.number);
        let numbers: Vec<usize> = sent.iter().map(|m| m.number).collect();
        match ack {
            None if could_be_answered(report, first.at) => {
                let again = match sent.len() {
                    1 => String::new(),
                    count => format!(": it was sent {} in {}", times(count), span(last.at.since(first.at))),
                };
                let title = first.title();
                let text = format!("no ACK for {title} ({}){again}", named(&numbers));
                remarks.add(text, numbers);
            }
            Some(ack) => {
                let late = |m: &&&Message| {
                    m.number > ack.number && m.source == ack.destination && !is_captured_twice(report, m)
                };
                let after: Vec<usize> = sent.iter().filter(late).map(|m| m.number).collect();
                if !after.is_empty() {
                    let text = format!(
                        "{} was sent again after its ACK (message {}) {} ({}): the ACK does not arrive, or is not understood",
                        first.title(),
                        ack.number,
                        times(after.len()),
                        named(&after)
                    );
                    remarks.add(text, after);
                }
            }
            None => {}
        }
    }
}

/// Credentials that were given and never taken.
fn credentials(messages: &[&Message], remarks: &mut Remarks) {
    let mut by_branch: BTreeMap<(&str, String), &Message> = BTreeMap::new();
    for message in messages.iter().filter(|m| m.is_request() && !m.is("ACK") && !m.is("CANCEL")) {
        by_branch.entry((&message.call_id, message.branch())).or_insert(message);
    }
    // The last word for each Call-ID and method: a nonce that was too old is refused too, and then renewed.
    let mut last: BTreeMap<(&str, &str), &Message> = BTreeMap::new();
    for message in messages.iter().filter(|m| m.status() >= Some(200)) {
        last.insert((&message.call_id, message.method()), message);
    }
    for ((_, method), message) in last {
        let given = match message.status() {
            Some(401) => "Authorization",
            Some(407) => "Proxy-Authorization",
            _ => continue,
        };
        let request = by_branch.get(&(message.call_id.as_str(), message.branch()));
        if let Some(request) = request.filter(|m| m.header(given).is_some()) {
            let text = format!(
                "the credentials of {method} (message {}) were not accepted: {} (message {}); user name or password is wrong",
                request.number,
                message.title(),
                message.number
            );
            remarks.add(text, [request.number, message.number]);
        }
    }
}

/// How much was sent again.
fn repeated(report: &Report, messages: &[&Message], remarks: &mut Remarks) {
    let (twice, again): (Vec<&Message>, Vec<&Message>) =
        messages.iter().filter(|m| m.repeats.is_some()).partition(|m| is_captured_twice(report, m));
    if !again.is_empty() {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for message in &again {
            *kinds.entry(message.title()).or_default() += 1;
        }
        let kinds: Vec<String> =
            kinds.into_iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
        let numbers: Vec<usize> = again.iter().map(|m| m.number).collect();
        let s = if again.len() == 1 { "" } else { "s" };
        let text = format!("{} retransmission{s}: {} ({})", again.len(), kinds.join(", "), named(&numbers));
        remarks.add(text, numbers);
    }
    if !twice.is_empty() {
        let numbers: Vec<usize> = twice.iter().map(|m| m.number).collect();
        let text = format!("captured twice: {} (the capture has two interfaces?)", named(&numbers));
        remarks.add(text, numbers);
    }
}

/// Addresses that nobody outside can send to, told by somebody outside.
fn addresses(messages: &[&Message], remarks: &mut Remarks) {
    for message in messages.iter().filter(|m| m.repeats.is_none()) {
        let source = message.source.ip();
        if is_private(source) {
            continue;
        }
        let title = format!("message {} ({}) comes from {source}", message.number, message.title());
        for media in message.description().map(|d| d.media).unwrap_or_default() {
            if let Some(address) =
                media.address.filter(|a| media.port != 0 && !a.is_unspecified() && is_private(*a))
            {
                let text = format!(
                    "{title}, but its session description awaits {} on the private address {address}: media sent there is lost",
                    media.kind
                );
                remarks.add(text, [message.number]);
            }
        }
        let contact = message.values("Contact").into_iter().next().unwrap_or_default();
        let uri = contact.split_once('<').map_or(&*contact, |(_, uri)| uri.split('>').next().unwrap_or(uri));
        if let Some(host) =
            Uri::parse(uri).ok().and_then(|uri| uri.host().ip()).filter(|host| is_private(*host))
        {
            let text = format!(
                "{title}, but its Contact is the private address {host}: requests within the call reach it only if NAT is dealt with"
            );
            remarks.add(text, [message.number]);
        }
    }
}

/// What looks wrong in requests outside calls.
pub(super) fn of_exchange(report: &Report, exchange: &Exchange) -> Vec<Remark> {
    let mut remarks = Remarks::default();
    let last = |n: &usize| report.message(*n).is_some_and(|m| could_be_answered(report, m.at));
    let silent: Vec<usize> = exchange.unanswered.iter().copied().filter(last).collect();
    if !silent.is_empty() {
        let Exchange { method, destination, .. } = exchange;
        remarks.add(format!("{method} to {destination} was never answered ({})", named(&silent)), silent);
    }
    for told in report.undelivered.iter().filter(|told| told.destination == exchange.destination) {
        let times = times(told.count as usize);
        let text = format!("{} says {times} that {} cannot be reached (ICMP)", told.by, told.destination);
        remarks.add(text, []);
    }
    let messages: Vec<&Message> = exchange.messages.iter().filter_map(|n| report.message(*n)).collect();
    credentials(&messages, &mut remarks);
    defects(&messages, &mut remarks);
    for (status, count) in exchange.outcomes.iter().filter(|(s, _)| **s >= 400 && !NO_FAULT.contains(s)) {
        let answers = messages.iter().filter(|m| m.status() == Some(*status)).map(|m| m.number);
        let answers: Vec<usize> = answers.collect();
        let reason =
            answers.first().and_then(|n| report.message(*n)).map_or_else(String::new, Message::title);
        let method = &exchange.method;
        remarks
            .add(format!("{method} was answered {reason} {} ({})", times(*count), named(&answers)), answers);
    }
    remarks.0
}

/// Messages that are not well formed.
fn defects(messages: &[&Message], remarks: &mut Remarks) {
    for message in messages.iter().filter(|m| !m.defects.is_empty() && m.repeats.is_none()) {
        let text =
            format!("message {} ({}): {}", message.number, message.title(), message.defects.join("; "));
        remarks.add(text, [message.number]);
    }
}
