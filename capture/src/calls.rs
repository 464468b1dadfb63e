//! Calls, and what else was asked and answered: messages put together by Call-ID and transaction.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::analysis::Report;
use crate::message::Message;
use crate::remarks;
use crate::streams::How;
use crate::time::Time;

/// Two captures of one packet come closer together than this.
const TWICE: Duration = Duration::from_millis(100);

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was answered.
    Answered,
    /// It was refused with this status and reason phrase.
    Refused(u16, String),
    /// The caller gave up.
    Cancelled,
    /// It rang, or was being tried, when the capture ended.
    Pending,
    /// Credentials were asked for and never given.
    Challenged,
    /// Nothing came back.
    Silent,
    /// The capture has no INVITE that begins it.
    Joined,
}

impl State {
    /// One word for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused(..) => "refused",
            Self::Cancelled => "cancelled",
            Self::Pending => "pending",
            Self::Challenged => "challenged",
            Self::Silent => "no response",
            Self::Joined => "begun before the capture",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status, reason) => write!(f, "refused: {status} {reason}"),
            Self::Pending => f.write_str("not answered in this capture"),
            Self::Challenged => f.write_str("credentials asked for, none given"),
            Self::Silent => f.write_str("nobody responded"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// Something that looks wrong, and the messages that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What, in words that name messages and streams.
    pub text: String,
    /// The numbers of the messages concerned.
    pub messages: Vec<usize>,
}

/// Everything with one Call-ID that is a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its place among the calls of the capture, counted from 1.
    pub number: usize,
    /// The Call-ID.
    pub call_id: String,
    /// From, without its tag.
    pub from: String,
    /// To, without its tag.
    pub to: String,
    /// Where its first request came from ...
    pub caller: SocketAddr,
    /// ... and went to.
    pub callee: SocketAddr,
    /// Numbers of its messages.
    pub messages: Vec<usize>,
    /// How it went.
    pub state: State,
    /// Its first message.
    pub began: Time,
    /// The first 180 or 183.
    pub ringing: Option<Time>,
    /// The first 2xx to an INVITE.
    pub answered: Option<Time>,
    /// The first BYE.
    pub ended: Option<Time>,
    /// Its last message.
    pub last: Time,
    /// The caller sent that BYE.
    pub ended_by_caller: bool,
    /// Messages that were sent again.
    pub retransmissions: usize,
    /// Messages that were captured twice.
    pub captured_twice: usize,
    /// Numbers of its RTP streams.
    pub streams: Vec<usize>,
    /// What looks wrong.
    pub remarks: Vec<Remark>,
    /// The From tag of its first INVITE.
    pub(crate) caller_tag: String,
}

impl Call {
    /// From the first INVITE to the answer.
    pub fn setup(&self) -> Option<Duration> {
        self.answered.map(|at| at.since(self.began))
    }

    /// From the answer to the BYE, or to its last message in the capture.
    pub fn duration(&self) -> Option<Duration> {
        self.answered.map(|at| self.ended.unwrap_or(self.last).since(at))
    }

    /// Whether the party that opened the call sent this message.
    pub(crate) fn is_of_caller(&self, message: &Message) -> bool {
        let sender = message.tag(if message.is_request() { "From" } else { "To" });
        sender == self.caller_tag
    }
}

/// Requests outside calls, alike in method, sender, receiver and To.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// Who asked.
    pub source: SocketAddr,
    /// Who was asked.
    pub destination: SocketAddr,
    /// To, without its tag.
    pub to: String,
    /// Numbers of the requests, those sent again left out.
    pub requests: Vec<usize>,
    /// Numbers of all its messages.
    pub messages: Vec<usize>,
    /// Requests without any response, by number.
    pub unanswered: Vec<usize>,
    /// How often each final status came.
    pub outcomes: BTreeMap<u16, usize>,
    /// Messages that were sent again.
    pub retransmissions: usize,
    /// What looks wrong.
    pub remarks: Vec<Remark>,
}

/// A request and what came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    /// The request, and its repetitions.
    pub(crate) requests: Vec<usize>,
    pub(crate) responses: Vec<usize>,
}

/// The transactions of some messages, in the order of their first messages. ACK is one of its own.
pub(crate) fn transactions<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<Transaction> {
    let mut index: HashMap<(&str, String, u32, String), usize> = HashMap::new();
    let mut list: Vec<Transaction> = Vec::new();
    for message in messages {
        let (number, method) = message.cseq.clone().unwrap_or_default();
        let method = if message.is_request() { message.method().to_owned() } else { method };
        let at = *index.entry((&message.call_id, message.branch(), number, method)).or_insert_with(|| {
            list.push(Transaction::default());
            list.len() - 1
        });
        if let Some(transaction) = list.get_mut(at) {
            let of =
                if message.is_request() { &mut transaction.requests } else { &mut transaction.responses };
            of.push(message.number);
        }
    }
    list
}

/// Finds the calls of a report, and what is wrong with them.
pub(crate) fn find(report: &mut Report) {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for message in &report.messages {
        let at = *index.entry(&message.call_id).or_insert_with(|| {
            groups.push((&message.call_id, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, numbers)) = groups.get_mut(at) {
            numbers.push(message.number);
        }
    }
    let (mut calls, mut others) = (Vec::new(), Vec::new());
    for (call_id, numbers) in groups {
        let of_call = |m: &Message| matches!(m.method(), "INVITE" | "ACK" | "BYE" | "CANCEL" | "PRACK");
        if !call_id.is_empty() && numbers.iter().any(|n| report.message(*n).is_some_and(of_call)) {
            calls.extend(call(report, calls.len() + 1, call_id.to_owned(), numbers));
        } else {
            others.extend(numbers);
        }
    }
    let exchanges = exchanges(report, &others);
    report.calls = calls;
    report.exchanges = exchanges;
    assign(report);
    remarks::find(report);
}

fn call(report: &Report, number: usize, call_id: String, numbers: Vec<usize>) -> Option<Call> {
    let messages: Vec<&Message> = numbers.iter().filter_map(|n| report.message(*n)).collect();
    let first = *messages.first()?;
    let is_first_invite = |m: &&Message| m.is("INVITE") && m.tag("To").is_empty();
    let invite = messages.iter().copied().find(is_first_invite);
    let opening = invite.unwrap_or(first);
    let (caller, callee) = match opening.is_request() {
        true => (opening.source, opening.destination),
        false => (opening.destination, opening.source),
    };
    let answers = |m: &&&Message| m.method() == "INVITE" && !m.is_request();
    let responses: Vec<&Message> = messages.iter().filter(answers).copied().collect();
    let status_in = |range: std::ops::Range<u16>| {
        responses.iter().find(|m| m.status().is_some_and(|s| range.contains(&s))).map(|m| m.at)
    };
    let answered = status_in(200..300);
    let bye = messages.iter().find(|m| m.is("BYE"));
    let resent = |m: &&&Message| m.repeats.is_some();
    let twice = |m: &&&Message| is_captured_twice(report, m);
    let captured_twice = messages.iter().filter(twice).count();
    let caller_tag = opening.tag("From");
    let mut call = Call {
        number,
        call_id,
        from: without_tag(opening, "From"),
        to: without_tag(opening, "To"),
        caller,
        callee,
        state: State::Joined,
        began: opening.at,
        ringing: status_in(180..200),
        answered,
        ended: bye.map(|m| m.at),
        last: messages.iter().map(|m| m.at).max().unwrap_or(first.at),
        ended_by_caller: false,
        retransmissions: messages.iter().filter(resent).count() - captured_twice,
        captured_twice,
        streams: Vec::new(),
        remarks: Vec::new(),
        caller_tag,
        messages: numbers,
    };
    call.ended_by_caller = bye.is_some_and(|m| call.is_of_caller(m));
    if let Some(invite) = invite {
        call.state = state(&messages, &responses, answered.is_some());
        call.began = invite.at;
    }
    Some(call)
}

/// How a call with an opening INVITE went.
fn state(messages: &[&Message], responses: &[&Message], answered: bool) -> State {
    if answered {
        return State::Answered;
    }
    let finals: Vec<&Message> = responses.iter().copied().filter(|m| m.status() >= Some(300)).collect();
    let challenge = |m: &Message| matches!(m.status(), Some(401 | 407));
    let last = finals.iter().rev().find(|m| !challenge(m));
    if let Some(last) = last {
        let cancelled = messages.iter().any(|m| m.is("CANCEL")) || last.status() == Some(487);
        let crate::message::Start::Response { status, reason } = &last.start else { return State::Pending };
        return if cancelled { State::Cancelled } else { State::Refused(*status, reason.clone()) };
    }
    if messages.iter().any(|m| m.is("CANCEL")) {
        return State::Cancelled;
    }
    let invites = messages.iter().filter(|m| m.is("INVITE"));
    let last_invite = invites.filter(|m| m.repeats.is_none()).map(|m| m.number).max().unwrap_or(0);
    match finals.last() {
        Some(last) if last.number > last_invite => State::Challenged,
        _ if responses.iter().any(|m| m.number > last_invite) => State::Pending,
        _ => State::Silent,
    }
}

/// Whether a message is a second capture of one packet, rather than a second packet: the two have the same
/// identification in their IP headers, or none.
pub(crate) fn is_captured_twice(report: &Report, message: &Message) -> bool {
    let before = message.repeats.and_then(|first| {
        let same = |m: &&Message| m.number == first || m.repeats == Some(first);
        report.messages.get(..message.number - 1)?.iter().rev().find(same)
    });
    before.is_some_and(|before| before.packet == message.packet && message.at.since(before.at) < TWICE)
}

/// From or To as people read it.
fn without_tag(message: &Message, name: &str) -> String {
    let value = message.header(name).unwrap_or_default();
    match value.rsplit_once('>') {
        Some((address, _)) => format!("{address}>"),
        None => value.split(';').next().unwrap_or_default().trim().to_owned(),
    }
}

fn exchanges(report: &Report, numbers: &[usize]) -> Vec<Exchange> {
    let mut list: Vec<Exchange> = Vec::new();
    let mut index: HashMap<(String, SocketAddr, SocketAddr, String), usize> = HashMap::new();
    let messages = numbers.iter().filter_map(|n| report.message(*n));
    for transaction in transactions(messages) {
        let first = transaction.requests.first().or(transaction.responses.first());
        let Some(first) = first.and_then(|n| report.message(*n)) else { continue };
        let (source, destination) = match first.is_request() {
            true => (first.source, first.destination),
            false => (first.destination, first.source),
        };
        let (method, to) = (first.method().to_owned(), without_tag(first, "To"));
        let at = *index.entry((method.clone(), source, destination, to.clone())).or_insert_with(|| {
            list.push(Exchange {
                method,
                source,
                destination,
                to,
                requests: Vec::new(),
                messages: Vec::new(),
                unanswered: Vec::new(),
                outcomes: BTreeMap::new(),
                retransmissions: 0,
                remarks: Vec::new(),
            });
            list.len() - 1
        });
        let Some(exchange) = list.get_mut(at) else { continue };
        let all = || transaction.requests.iter().chain(&transaction.responses);
        let messages = all().filter_map(|n| report.message(*n));
        exchange.retransmissions +=
            messages.filter(|m| m.repeats.is_some() && !is_captured_twice(report, m)).count();
        exchange.requests.extend(transaction.requests.first());
        exchange.messages.extend(all());
        if transaction.responses.is_empty() {
            exchange.unanswered.extend(transaction.requests.first());
        }
        let responses = transaction.responses.iter().filter_map(|n| report.message(*n)?.status());
        if let Some(status) = responses.rev().find(|s| *s >= 200) {
            *exchange.outcomes.entry(status).or_default() += 1;
        }
    }
    list
}

/// Gives each stream to the call whose session description announced it.
fn assign(report: &mut Report) {
    let by_id: HashMap<String, usize> =
        report.calls.iter().enumerate().map(|(at, c)| (c.call_id.clone(), at)).collect();
    let mut streams = std::mem::take(&mut report.streams);
    for stream in &mut streams {
        let (message, towards) = match stream.how {
            How::Announced { message } => (message, true),
            How::AnnouncedSource { message } => (message, false),
            How::Guessed => continue,
        };
        let Some(message) = report.message(message) else { continue };
        let Some(call) = by_id.get(&message.call_id).and_then(|at| report.calls.get(*at)) else { continue };
        stream.call = Some(call.number);
        stream.to_caller = call.is_of_caller(message) == towards;
        let number = call.number;
        if let Some(call) = report.calls.get_mut(number - 1) {
            call.streams.push(stream.number);
        }
    }
    report.streams = streams;
}

impl Report {
    /// The message of this number.
    pub fn message(&self, number: usize) -> Option<&Message> {
        self.messages.get(number.checked_sub(1)?)
    }

    /// The stream of this number.
    pub fn stream(&self, number: usize) -> Option<&crate::streams::Stream> {
        self.streams.get(number.checked_sub(1)?)
    }

    /// The call whose Call-ID is this, or the only one whose Call-ID has this in it.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn call_named(&self, name: &str) -> Result<&Call, String> {
        if let Some(call) = self.calls.iter().find(|call| call.call_id == name) {
            return Ok(call);
        }
        let found: Vec<&Call> = self.calls.iter().filter(|call| call.call_id.contains(name)).collect();
        match found.as_slice() {
            [call] => Ok(call),
            [] => Err(format!(
                "no call has `{name}` in its Call-ID ({} calls in the capture)",
                self.calls.len()
            )),
            [first, second, ..] => Err(format!(
                "{} calls have `{name}` in their Call-IDs, such as {} and {}: write more of it",
                found.len(),
                first.call_id,
                second.call_id
            )),
        }
    }
}
