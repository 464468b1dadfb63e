//! Says one side of a record to the engine and looks at what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use telex_engine::border::Transport;
use telex_engine::config::Config;
use telex_engine::sip::{HeaderName, Message, Method, NameAddr};

use super::compare::{Difference, Pair, differences};
use super::identities::Identities;
use super::rewrite::{self, Known};
use super::script::{Link, Script, Step};
use crate::virtual_exchange::VirtualExchange;

/// How long the engine may take for a step of a record without times: longer than any timer it has.
const PATIENCE: Duration = Duration::from_secs(200);
/// How much later than in the record the engine may be.
const LAG: Duration = Duration::from_secs(2);
/// How long the engine is heard after the last step.
const AFTERMATH: Duration = Duration::from_millis(100);

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The engine said it, with these differences; none is best.
    Said(Vec<Difference>),
    /// The engine did not say it.
    Missing,
    /// It needs not be said, and was not.
    Optional,
    /// It was said to the engine.
    Heard,
    /// It could not be said to the engine: it answers something that the engine did not ask.
    Unasked,
}

/// A step and what became of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Name of the step.
    pub label: String,
    /// On which side.
    pub link: Link,
    /// What it is, in one line.
    pub what: String,
    /// Whether it counts.
    pub checked: bool,
    /// What became of it.
    pub verdict: Verdict,
}

impl Outcome {
    /// Whether there is nothing to complain about.
    pub fn is_fine(&self) -> bool {
        match &self.verdict {
            Verdict::Said(differences) => differences.is_empty(),
            Verdict::Missing => false,
            Verdict::Optional | Verdict::Heard | Verdict::Unasked => true,
        }
    }
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each step in order.
    pub outcomes: Vec<Outcome>,
    /// What the engine said on a checked side that the record does not have.
    pub unexpected: Vec<String>,
    /// How many messages of the engine were compared.
    pub compared: usize,
}

impl Report {
    /// Whether there was nothing that the engine should have said.
    pub fn is_empty(&self) -> bool {
        !self.outcomes.iter().any(|outcome| outcome.checked)
    }

    /// How many messages are missing, differ or were not expected.
    pub fn wrong(&self) -> usize {
        self.outcomes.iter().filter(|o| o.checked && !o.is_fine()).count() + self.unexpected.len()
    }

    /// Whether the engine said what the record has, and nothing else.
    pub fn is_fine(&self) -> bool {
        self.wrong() == 0
    }
}

/// A message of the engine, and whether a step has claimed it.
#[derive(Debug)]
struct Heard {
    message: Message,
    claimed: bool,
}

/// One party: what it heard and what it knows.
#[derive(Debug, Default)]
struct Side {
    heard: Vec<Heard>,
    said: Vec<Message>,
    identities: Identities,
    contact: Option<String>,
    challenge: Option<String>,
    uses: u32,
    /// Recorded requests that were not said, as method and number.
    left_out: BTreeSet<(String, u32)>,
}

#[derive(Debug)]
struct Run {
    exchange: VirtualExchange,
    sides: BTreeMap<Link, Side>,
    caller: SocketAddr,
    callee: SocketAddr,
    streams: BTreeMap<Link, bool>,
}

/// Runs a script against an exchange with the settings of `site`.
pub fn run(script: &Script, site: &Config) -> Report {
    let locals = ["192.0.2.254:5060", "[2001:db8::254]:5060"].map(|text| text.parse());
    let locals: Vec<SocketAddr> = locals.into_iter().filter_map(Result::ok).collect();
    let mut run = Run {
        exchange: VirtualExchange::new(script.config(site), &locals),
        sides: BTreeMap::from([(Link::Caller, Side::default()), (Link::Callee, Side::default())]),
        caller: script.caller,
        callee: script.callee,
        streams: BTreeMap::new(),
    };
    let mut report = Report::default();
    let start = run.exchange.now();
    for (at, step) in script.steps.iter().enumerate() {
        if script.timed && !step.expected {
            run.exchange.until(start + step.at);
            run.listen();
        }
        let verdict = if step.expected {
            run.expect(step, script.timed, start)
        } else {
            run.say(step, script.knows_the_password(at))
        };
        report.compared += usize::from(step.checked && matches!(verdict, Verdict::Said(_)));
        report.outcomes.push(Outcome {
            label: step.label.clone(),
            link: step.link,
            what: summary(&step.message),
            checked: step.checked,
            verdict,
        });
    }
    run.exchange.pass(AFTERMATH);
    run.listen();
    report.unexpected = run.unclaimed(script);
    report
}

impl Run {
    /// Takes in what the engine has said.
    fn listen(&mut self) {
        for sent in self.exchange.take() {
            let link = if sent.to.ip() == self.callee.ip() && self.is_callees(&sent.message, sent.to) {
                Link::Callee
            } else {
                Link::Caller
            };
            self.streams.insert(link, sent.transport == Transport::Tcp);
            let side = self.sides.entry(link).or_default();
            // What was said before, octet by octet, is a repetition.
            if side.heard.iter().any(|heard| heard.message.raw() == sent.message.raw()) {
                continue;
            }
            if let Some(contact) = sent.message.contact().and_then(Result::ok) {
                side.contact = Some(contact.uri_text.to_owned());
            }
            if let Some(challenge) = sent.message.header(HeaderName::WwwAuthenticate) {
                side.challenge = Some(challenge.to_owned());
                side.uses = 0;
            }
            side.heard.push(Heard { message: sent.message, claimed: false });
        }
    }

    /// Where both parties have one address, the Call-ID tells them apart.
    fn is_callees(&self, message: &Message, to: SocketAddr) -> bool {
        if self.caller.ip() != self.callee.ip() {
            return true;
        }
        let callers = |m: &Message| m.call_id().ok() == message.call_id().ok();
        to == self.callee && !self.sides.get(&Link::Caller).is_some_and(|side| side.said.iter().any(callers))
    }

    fn say(&mut self, step: &Step, honest: bool) -> Verdict {
        self.listen();
        let Some(side) = self.sides.get_mut(&step.link) else { return Verdict::Unasked };
        let recorded = &step.message;
        let unreliable = |rseq| !side.identities.rseqs.contains_key(&rseq);
        if recorded.rack().is_some_and(|rack| rack.is_ok_and(|rack| unreliable(rack.rseq))) {
            side.left_out.extend(cseq_of(recorded));
            return Verdict::Unasked;
        }
        let draft = if recorded.is_request() {
            let opened = side.heard.iter().map(|heard| &heard.message);
            let invite =
                opened.filter(|m| m.is_request() && m.method() == Method::Invite).find(|m| !has_to_tag(m));
            side.uses += 1;
            let (contact, challenge) = (side.contact.as_deref(), side.challenge.as_deref());
            let known =
                Known { identities: &side.identities, invite, contact, challenge, count: side.uses, honest };
            rewrite::request(recorded, &known)
        } else {
            let Some(asked) = side.asked(recorded) else { return Verdict::Unasked };
            rewrite::response(recorded, &asked)
        };
        let octets = draft.octets();
        if let Ok(message) = Message::parse(octets.clone().into()) {
            side.said.push(message);
        }
        let from = if step.link == Link::Caller { self.caller } else { self.callee };
        let stream = self.streams.get(&step.link).copied().unwrap_or_else(|| is_stream(recorded));
        if stream {
            self.exchange.octets(from, &octets);
        } else {
            self.exchange.datagram(from, &octets);
        }
        self.listen();
        Verdict::Heard
    }

    /// Waits for the engine to say it.
    fn expect(&mut self, step: &Step, timed: bool, start: telex_engine::time::Instant) -> Verdict {
        let now = self.exchange.now();
        let by = if timed { (start + step.at + LAG).max(now) } else { now + PATIENCE };
        let answers_nothing =
            |side: &Side| cseq_of(&step.message).is_some_and(|cseq| side.left_out.contains(&cseq));
        let unheard = !step.message.is_request() && self.sides.get(&step.link).is_some_and(answers_nothing);
        let trying = unheard || step.message.status().is_some_and(|status| status.code() == 100);
        loop {
            self.listen();
            let side = self.sides.entry(step.link).or_default();
            if let Some(at) =
                side.heard.iter().position(|heard| !heard.claimed && same_kind(&step.message, &heard.message))
            {
                return Verdict::Said(side.claim(at, &step.message));
            }
            if trying {
                return Verdict::Optional;
            }
            let before = self.exchange.now();
            if before >= by || !self.exchange.next_by(by) {
                break;
            }
        }
        // The record repeats what was lost; here nothing is.
        let side = self.sides.entry(step.link).or_default();
        let again = side
            .heard
            .iter()
            .any(|heard| heard.claimed && side.identities.is_same(&step.message, &heard.message));
        if again { Verdict::Optional } else { Verdict::Missing }
    }

    /// What the engine said on checked sides and nobody expected.
    fn unclaimed(&self, script: &Script) -> Vec<String> {
        let checked = |link: Link| script.steps.iter().any(|step| step.checked && step.link == link);
        let sides = self.sides.iter().filter(|(link, _)| checked(**link));
        let unclaimed = sides.flat_map(|(_, side)| side.heard.iter().filter(|heard| !heard.claimed));
        let hop_by_hop = |m: &Message| m.status().is_some_and(|status| status.code() == 100);
        unclaimed.map(|heard| &heard.message).filter(|m| !hop_by_hop(m)).map(summary).collect()
    }
}

impl Side {
    /// The engine's request that this recorded response answers.
    fn asked(&self, recorded: &Message) -> Option<Message> {
        let cseq = recorded.cseq().ok()?;
        let of_method = |m: &&Message| m.is_request() && m.method_name() == cseq.name;
        let requests = || self.heard.iter().map(|heard| &heard.message).filter(of_method);
        let number = self.identities.number(cseq.name, cseq.number);
        let by_number = requests().rfind(|m| m.cseq().ok().map(|c| c.number) == number);
        by_number.or_else(|| requests().next_back()).cloned()
    }

    fn claim(&mut self, at: usize, recorded: &Message) -> Vec<Difference> {
        let Some(heard) = self.heard.get_mut(at) else { return vec![] };
        heard.claimed = true;
        let got = heard.message.clone();
        let asked = (!got.is_request()).then(|| {
            let same = |m: &&Message| m.is_request() && m.cseq().ok() == got.cseq().ok();
            self.said.iter().rfind(same)
        });
        let mut found = differences(&Pair { recorded, got: &got, asked: asked.flatten() });
        let broken = self.identities.learn(recorded, &got);
        found.extend(broken.into_iter().map(|header| Difference {
            header: header.into(),
            expected: "the same as before".into(),
            got: "another one".into(),
        }));
        found
    }
}

fn cseq_of(message: &Message) -> Option<(String, u32)> {
    message.cseq().ok().map(|cseq| (cseq.name.to_owned(), cseq.number))
}

fn has_to_tag(message: &Message) -> bool {
    message.to().is_ok_and(|to: NameAddr<'_>| to.tag().is_some())
}

/// Whether a message may be the engine's form of a recorded one: the same method, and for responses a provisional one
/// for a provisional one of its code, a final one for a final one.
fn same_kind(recorded: &Message, got: &Message) -> bool {
    if recorded.is_request() != got.is_request() || recorded.method_name() != got.method_name() {
        return false;
    }
    match (recorded.status(), got.status()) {
        (Some(theirs), Some(ours)) if theirs.code() < 200 || ours.code() < 200 => theirs == ours,
        _ => true,
    }
}

/// Whether a recorded message came by a stream.
fn is_stream(message: &Message) -> bool {
    message.vias().last().and_then(Result::ok).is_some_and(|via| !via.transport().eq_ignore_ascii_case("UDP"))
}

/// A message in one line.
pub(crate) fn summary(message: &Message) -> String {
    match message.status() {
        Some(status) => format!("{} {} ({})", status.code(), message.reason(), message.method_name()),
        None => format!("{} {}", message.method_name(), message.request_uri()),
    }
}
