//! An exchange and its telephones in virtual time, over a network that is perfect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;
use telex_engine::Signalling;
use telex_engine::border::{
    Action, Actions, Control, ControlId, ControlReply, Explanation, Flow, Input, ListenerId, Record,
    ResolveError, StreamEvent,
};
use telex_engine::cdr::CallRecord;
use telex_engine::event::{Event, Severity};
use telex_engine::mediactl::ShardId;
use telex_engine::rng::Seed;
use telex_engine::time::{Instant, WallTime};

use super::coverage::Walked;
use super::media::{Heard, Media};
use super::phone::{EXCHANGE, Phone, State};
use super::site::Site;

/// What may happen at one moment: more is a loop.
const MOST_AT_ONCE: u32 = 200_000;

/// An exchange that runs.
#[derive(Debug)]
pub(super) struct World<'a> {
    site: &'a Site,
    telex: Signalling,
    began: WallTime,
    /// The time.
    pub(super) now: Instant,
    phones: BTreeMap<SmolStr, Phone>,
    /// Datagrams under way: from, to, octets.
    wire: VecDeque<(SocketAddr, SocketAddr, Bytes)>,
    inbox: VecDeque<Input>,
    media: Media,
    /// Records of calls that have ended, in the order of their ends.
    pub(super) records: Vec<CallRecord>,
    /// Lines that the dialplan has logged.
    pub(super) logged: Vec<SmolStr>,
    /// The ways of calls are looked at each moment.
    pub(super) watches_ways: bool,
    /// What has happened, for people.
    pub(super) diary: Vec<(Instant, String)>,
    hearing: BTreeMap<SmolStr, String>,
    /// Calls whose way is not complete yet.
    open: BTreeSet<u64>,
    /// Ways of calls through the dialplan.
    pub(super) ways: BTreeMap<u64, Explanation>,
    /// Lines of the dialplan that were walked.
    pub(super) walked: Walked,
}

impl<'a> World<'a> {
    /// All phones are registered, and nothing goes on.
    pub(super) fn new(site: &'a Site, at: Option<&str>) -> Self {
        let began = site.clock.beginning(at);
        let engine = &site.engine;
        let mut world = Self {
            site,
            telex: Signalling::new(Arc::clone(engine), Seed::from_number(1), site.boot(began)),
            began,
            now: Instant::ZERO,
            phones: BTreeMap::new(),
            wire: VecDeque::new(),
            inbox: VecDeque::new(),
            media: Media::new(Arc::clone(&engine.sounds), engine.country.clone()),
            records: Vec::new(),
            logged: Vec::new(),
            watches_ways: false,
            diary: Vec::new(),
            hearing: BTreeMap::new(),
            open: BTreeSet::new(),
            ways: BTreeMap::new(),
            walked: Walked::default(),
        };
        world.settle();
        world.diary.clear();
        world
    }

    /// What the clock on the wall says.
    pub(super) fn wall(&self) -> WallTime {
        let passed = u64::try_from(self.now.since(Instant::ZERO).as_millis()).unwrap_or(u64::MAX / 2);
        WallTime::from_unix_millis(self.began.as_unix_millis() + passed)
    }

    /// A phone; those that nothing was heard of yet are made now.
    fn phone_mut(&mut self, name: &str) -> Option<&mut Phone> {
        if !self.phones.contains_key(name) {
            let phone = self.site.phone(name)?;
            self.phones.insert(phone.name.clone(), phone);
        }
        self.phones.get_mut(name)
    }

    /// A phone that something was heard of.
    pub(super) fn phone(&self, name: &str) -> Option<&Phone> {
        self.phones.get(name)
    }

    /// Lets a phone do something.
    pub(super) fn order<T>(
        &mut self,
        name: &str,
        order: impl FnOnce(&mut Phone, Instant, &mut Actions) -> T,
    ) -> Option<T> {
        let (now, mut out) = (self.now, Actions::new());
        let result = order(self.phone_mut(name)?, now, &mut out);
        self.sent_by(name, out);
        self.settle();
        Some(result)
    }

    /// Presses a key at a phone.
    pub(super) fn press(&mut self, name: &str, key: char) {
        if let Some(party) = self.phone(name).and_then(Phone::current).map(|line| line.media) {
            self.media.press(party, key);
        }
        self.settle();
    }

    /// Writes into the diary.
    pub(super) fn note(&mut self, text: String) {
        self.diary.push((self.now, text));
    }

    /// Lets time pass until something is so, but not beyond a moment. Whether it is so.
    pub(super) fn pass(&mut self, until: Instant, done: &dyn Fn(&Self) -> bool) -> bool {
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            let phones = self.phones.values().filter_map(|phone| phone.agent.deadline());
            let telex = self.telex.deadline().map(|deadline| deadline.at);
            let next =
                phones.chain(telex).chain(self.media.deadline()).chain(self.media.next_piece(self.now)).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                self.now = self.now.max(until);
                self.settle();
                return done(self);
            };
            self.now = self.now.max(at);
            self.wake();
        }
    }

    fn wake(&mut self) {
        let now = self.now;
        if self.telex.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.tell(Input::Wake);
        }
        let due = |phone: &&Phone| phone.agent.deadline().is_some_and(|at| at <= now);
        let due: Vec<SmolStr> = self.phones.values().filter(due).map(|phone| phone.name.clone()).collect();
        for name in due {
            self.phone_input(&name, Input::Wake);
        }
        self.media.wake(now);
    }

    /// Lets everything happen that happens at this moment.
    fn settle(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            if let Some(report) = self.media.reports.pop_front() {
                self.tell(Input::Media { shard: ShardId(0), report });
            } else if let Some(input) = self.inbox.pop_front() {
                self.tell(input);
            } else if let Some((from, to, bytes)) = self.wire.pop_front() {
                self.deliver(from, to, bytes);
            } else {
                if self.watches_ways {
                    self.keep_ways();
                }
                return self.listen();
            }
        }
        self.note("nothing comes to rest: what is under way is thrown away".to_owned());
        self.wire.clear();
        self.inbox.clear();
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let input = Input::Datagram { listener: ListenerId(0), local: to.ip(), remote: from, bytes };
        if to == EXCHANGE {
            return self.tell(input);
        }
        if let Some(name) = self.site.phone_at(to).cloned()
            && self.phone_mut(&name).is_some_and(|phone| !phone.unreachable)
        {
            self.phone_input(&name, input);
        }
    }

    fn phone_input(&mut self, name: &str, input: Input) {
        let (now, mut out, mut events) = (self.now, Actions::new(), Vec::new());
        let Some(phone) = self.phones.get_mut(name) else { return };
        if let Input::Datagram { bytes, .. } = &input {
            phone.glance(bytes);
        }
        phone.agent.handle(now, input, &mut out, &mut events);
        let told: Vec<String> =
            events.into_iter().filter_map(|event| phone.heard(now, event, &mut out)).collect();
        self.diary.extend(told.into_iter().map(|text| (now, text)));
        self.sent_by(name, out);
    }

    fn sent_by(&mut self, name: &str, out: Actions) {
        let Some(phone) = self.phones.get(name).filter(|phone| !phone.unreachable) else { return };
        let from = phone.address;
        for action in out {
            if let Action::Transmit { flow: Flow::Datagram { remote, .. }, bytes } = action {
                self.wire.push_back((from, remote, bytes));
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let mut out = Actions::new();
        self.telex.handle(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Transmit { flow: Flow::Datagram { remote, .. }, bytes } => {
                    self.wire.push_back((EXCHANGE, remote, bytes));
                }
                Action::Connect { stream, .. } => {
                    self.inbox.push_back(Input::Stream { stream, event: StreamEvent::Closed });
                }
                Action::Resolve { query, host } => {
                    let found = self.site.host(&host).map(|address| vec![address]);
                    let answer = found.ok_or(ResolveError::NotFound);
                    self.inbox.push_back(Input::Resolved { query, answer });
                }
                Action::Media { command, .. } => self.media.command(self.now, command),
                Action::Store { lsn, record } => {
                    self.inbox.push_back(Input::Stored { through: lsn });
                    if let Record::Call(record) = record {
                        self.recorded(*record);
                    }
                }
                Action::Report(event) => self.heard(event),
                Action::Reply { reply: ControlReply::Explained(way), .. } => {
                    self.walked.read(&way.text);
                    self.ways.insert(way.call, *way);
                }
                Action::Transmit { .. }
                | Action::Disconnect { .. }
                | Action::Reply { .. }
                | Action::Stopped => {}
            }
        }
    }

    fn recorded(&mut self, record: CallRecord) {
        self.open.insert(record.id);
        if record.ended.is_some() {
            let (what, talked) =
                (record.disposition().as_str().to_ascii_lowercase(), record.talked.as_secs());
            self.note(format!("the call from {} to {} has ended: {what}, {talked}s", record.from, record.to));
            self.records.push(record);
        }
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::CallStarted { call, .. } => {
                self.open.insert(call);
            }
            Event::Matched { pattern, context, .. } => {
                self.note(format!("matched: {pattern} in context [{context}]"));
            }
            Event::Dialplan { loudness, text, .. } => {
                if loudness >= Severity::Warning {
                    self.note(format!("warning: {text}"));
                } else {
                    self.note(format!("log: {text}"));
                }
                self.logged.push(text);
            }
            Event::NoSound { name, .. } => self.note(format!("warning: there is no sound {name}")),
            Event::Broken { what } | Event::Overload { what } => self.note(format!("warning: {what}")),
            _ => {}
        }
    }

    /// What the exchange says would become of a call.
    #[cfg(test)]
    pub(super) fn foretold(&mut self, wanted: telex_dialplan::explain::Supposition) -> ControlReply {
        let (mut out, request) = (Actions::new(), Control::Foretell(Box::new(wanted)));
        self.telex.handle(self.now, Input::Control { id: ControlId(0), request }, &mut out);
        let reply = out.into_iter().find_map(|action| match action {
            Action::Reply { reply, .. } => Some(reply),
            _ => None,
        });
        reply.expect("each request is answered")
    }

    /// Keeps the ways that calls have gone so far: the exchange forgets the beginning of a long one.
    pub(super) fn keep_ways(&mut self) {
        for call in self.open.clone() {
            self.tell(Input::Control { id: ControlId(call), request: Control::Explain { call } });
            if self.records.iter().any(|record| record.id == call) {
                self.open.remove(&call);
            }
        }
    }

    /// Extensions that numbers have matched, as the dialplan writes them, with their contexts.
    pub(super) fn matched(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines =
            self.ways.values().flat_map(|way| way.text.lines()).filter(|line| !line.starts_with("  "));
        lines.filter_map(|line| {
            let (_, found) = line.rsplit_once(" matched ")?;
            found.strip_suffix(']')?.split_once(" in context [")
        })
    }

    /// Keeps in the diary what phones have begun to hear.
    fn listen(&mut self) {
        let busy = self
            .phones
            .values()
            .filter(|phone| !phone.lines.is_empty() || self.hearing.contains_key(&phone.name));
        let heard: Vec<(SmolStr, String)> =
            busy.map(|phone| (phone.name.clone(), self.hearing_of(&self.hears(&phone.name)))).collect();
        for (name, text) in heard {
            let silent = text == NOTHING;
            let before = match silent {
                true => self.hearing.remove(&name),
                false => self.hearing.insert(name.clone(), text.clone()),
            };
            if !silent && before.is_none_or(|before| before != text) {
                self.note(format!("{name} {text}"));
            }
        }
    }

    /// What a phone hears in the call that is in use.
    pub(super) fn hears(&self, name: &str) -> Heard {
        let Some(line) = self.phone(name).and_then(Phone::current) else { return Heard::Nothing };
        match self.media.hears(self.now, line.media) {
            Heard::Nothing if line.state == State::Rung => Heard::Ringback,
            heard => heard,
        }
    }

    /// The keys that a phone has heard in the call that is in use.
    pub(super) fn keys(&self, name: &str) -> &str {
        self.phone(name).and_then(Phone::current).map_or("", |line| self.media.keys(line.media))
    }

    /// Whether somebody listens to the keys of a phone.
    pub(super) fn takes_keys(&self, name: &str) -> bool {
        self.phone(name).and_then(Phone::current).is_some_and(|line| self.media.takes_keys(line.media))
    }

    /// Those whom a phone hears and who hear it.
    pub(super) fn talks_with(&self, name: &str) -> Vec<&str> {
        let Heard::Others(others) = self.hears(name) else { return Vec::new() };
        others.iter().filter(|(_, back)| *back).filter_map(|(media, _)| self.party(*media)).collect()
    }

    /// Those whom a phone hears.
    pub(super) fn voices(&self, name: &str) -> Vec<&str> {
        let Heard::Others(others) = self.hears(name) else { return Vec::new() };
        others.iter().filter_map(|(media, _)| self.party(*media)).collect()
    }

    fn party(&self, media: SocketAddr) -> Option<&str> {
        let has = |phone: &&Phone| phone.lines.iter().any(|line| line.media == media);
        self.phones.values().find(has).map(|phone| phone.name.as_str())
    }

    /// What somebody hears, in words.
    pub(super) fn hearing_of(&self, heard: &Heard) -> String {
        match heard {
            Heard::Nothing => NOTHING.to_owned(),
            Heard::Pause => "hears a pause".to_owned(),
            Heard::Prompt(name) => format!("hears prompt {name}"),
            Heard::Music(class) => format!("hears music {class}"),
            Heard::Ringback => "hears ringback".to_owned(),
            Heard::Tone("dial tone") => "hears dial tone".to_owned(),
            Heard::Tone("tone") => "hears a tone".to_owned(),
            Heard::Tone(name) => format!("hears {name} tone"),
            Heard::Itself => "hears itself".to_owned(),
            Heard::Others(others) => {
                let names: Vec<&str> = others.iter().filter_map(|(media, _)| self.party(*media)).collect();
                let talks = others.iter().all(|(_, back)| *back);
                format!("{} {}", if talks { "talks with" } else { "hears" }, names.join(" and "))
            }
        }
    }

    /// How a phone is, in words.
    pub(super) fn state_of(&self, name: &str) -> String {
        let refused = |phone: &Phone| {
            let status = phone.refused?;
            Some(status.map_or("nothing".to_owned(), super::phone::told))
        };
        let Some(phone) = self.phone(name) else { return format!("{name} is idle") };
        let Some(line) = phone.current() else {
            return match refused(phone) {
                Some(status) => format!("{name} is idle; its last call was told {status}"),
                None => format!("{name} is idle"),
            };
        };
        match line.state {
            State::Ringing => format!("{name} rings and shows {}", line.shown()),
            State::Calling | State::Rung | State::Up => {
                let up = if line.state == State::Up { "is in a call and" } else { "calls and" };
                format!("{name} {up} {}", self.hearing_of(&self.hears(name)))
            }
        }
    }

    /// Time since the beginning.
    pub(super) fn since(&self, at: Instant) -> Duration {
        at.since(Instant::ZERO)
    }
}

const NOTHING: &str = "hears nothing";
