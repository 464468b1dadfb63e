//! Calls: parties brought together by an app.
//!
//! An event of a session becomes an [`app::AppEvent`]; the app answers with [`app::Order`]s; the call carries them out
//! on sessions and media. Offers and answers are handled between the two ([`negotiation`]), since no app cares.

mod account;
mod app;
mod aside;
mod attended;
mod callback;
mod causes;
mod conference;
mod consult;
mod deadline;
mod dial;
mod dialling;
mod dictation;
mod digits;
mod divert;
mod elsewhere;
mod features;
mod foresee;
mod foretell;
mod hear;
mod hunt;
mod identity;
mod limit;
mod local;
mod moves;
mod negotiation;
mod onward;
mod open;
mod orders;
mod page;
mod park;
mod party;
mod pickup;
mod plans;
mod ports;
mod recording;
mod replaces;
mod screening;
mod script;
mod send_away;
mod spoken;
mod standing;
mod tasks;
mod text;
mod touch;
mod trails;
mod transfer;
#[cfg(feature = "serde")]
mod view;
mod waiting;
mod walks;
mod world;

use std::collections::BTreeMap;

use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};
use telex_audio::tone::Signal;
use telex_dialplan::{Context, Dialplan, Extension};

pub(crate) use self::app::Outside;
pub(crate) use self::open::Incoming;
pub(crate) use self::text::Texts;

use self::app::{App, AppEvent, CALLER, Order, PartyId, side};
use self::aside::Aside;
use self::callback::CallBacks;
use self::conference::Conferences;
use self::dial::{Asking, Routes};
use self::identity::Identity;
use self::park::Parked;
use self::party::Party;
use self::plans::Plans;
use self::ports::Ports;
use self::script::Script;
use self::spoken::Spoken;
use self::trails::Trails;
use self::transfer::Transfer;
use self::world::Values;
use crate::border::{Action, CallInfo, CallState, QueryId};
use crate::config::Config;
use crate::cx::{CallKey, CallTimer, Cx, LegKey};
use crate::dialog::{Digit, Ending, Heard, LegEvent, Sessions, Stack};
use crate::event::{DigitBy, EndCause, Event, Side};
use crate::mediactl::{
    DigitHeard, LegStats, MediaReport, Playing, RecordingId, RecordingSpec, Revision, RoomId, ShardId,
};
use crate::planted::Fault;
use crate::registrar::Registrar;
use crate::sip::Status;
use crate::slots::Slots;
use crate::time::{Duration, Instant, WallTime};
use crate::timers::TimerKey;

/// When media has not said that a leg is dropped by then, something is broken here.
const CLEAR: Duration = Duration::from_secs(10);

/// The layers below, lent together.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Below {
    /// Sessions.
    pub(crate) sessions: Sessions,
    /// Transactions and transport.
    pub(crate) stack: Stack,
    /// Where phones are.
    pub(crate) registrar: Registrar,
}

/// One call.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Call {
    /// Its number, for people.
    id: u64,
    /// Who calls.
    from: SmolStr,
    /// The name the caller shows.
    name: SmolStr,
    /// What was dialled.
    to: SmolStr,
    /// The number that was dialled from outside; empty when there is none.
    did: SmolStr,
    /// When the INVITE came.
    started: Instant,
    /// The same by the wall clock.
    since: WallTime,
    /// When it was answered.
    answered: Option<Instant>,
    /// How far it was told to be.
    state: CallState,
    /// Where its media is.
    shard: ShardId,
    room: RoomId,
    /// The shard knows the room.
    room_put: bool,
    room_rev: Revision,
    /// The conference that its caller is in. Its room is the call's then.
    conference: Option<SmolStr>,
    /// What is being recorded, and how many recordings there have been.
    recording: Option<RecordingSpec>,
    recordings: u64,
    /// The one that one of two who talk has begun by keys.
    touched: Option<RecordingId>,
    /// Of whom it was told that the recording has nothing.
    unheard: Vec<Side>,
    /// Whom its first party sees, which is asked to come and call: the exchange has begun the call itself.
    summons: Option<Box<Identity>>,
    /// What callees are told of the INVITE.
    asking: Asking,
    /// The caller, then the callees in the order they were asked.
    parties: SmallVec<[Party; 2]>,
    /// The callee the caller hears.
    peer: Option<PartyId>,
    app: App,
    /// Its walk through the dialplan, until that has ended.
    script: Option<Box<Script>>,
    /// One of the two who talked hands the call over.
    transfer: Option<Box<Transfer>>,
    /// A party that is alone with the exchange while the call waits for it.
    aside: Option<Box<Aside>>,
    /// Keys that may become a code for the exchange.
    held: SmallVec<[features::Held; 0]>,
    /// Who talks with whom, when that is not who called and what was dialled any more.
    between: Option<(SmolStr, SmolStr)>,
    /// The exchange has described itself to the caller: what is agreed with it stays so.
    own_words: bool,
    /// Why it ended.
    cause: Option<EndCause>,
    /// When the dialplan ends it, in milliseconds since 1970, and the timer of that.
    deadline: Option<(i64, TimerKey)>,
    /// Armed timer: no answer, or not cleared.
    timer: Option<TimerKey>,
    /// Callees whose host name is being looked up, with how to ask them then.
    waiting: SmallVec<[(QueryId, PartyId, dial::Named, Routes); 0]>,
}

/// All calls, and the media ports they share.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Calls {
    all: Slots<CallKey, Call>,
    ports: Ports,
    conferences: Conferences,
    parked: Parked,
    callbacks: CallBacks,
    by_id: BTreeMap<u64, CallKey>,
    /// How many of them each caller opened. No entry is zero.
    shares: BTreeMap<SmolStr, usize>,
    lines: standing::Lines,
    by_query: BTreeMap<QueryId, CallKey>,
    next_id: u64,
    refusals: account::Refusals,
    next_query: u64,
    spoken: Spoken,
    plans: Plans,
    values: Values,
    trails: Trails,
}

impl Calls {
    /// No calls yet, and so many media shards.
    pub(crate) fn new(shards: u8, config: &Config, values: Vec<(SmolStr, SmolStr, SmolStr)>) -> Self {
        let plans = Plans::new(plan_of(config));
        let mut values = Values::restored(values);
        values.define(&plans.current().1);
        Self {
            all: Slots::new(),
            ports: Ports::new(shards),
            conferences: Conferences::default(),
            parked: Parked::default(),
            callbacks: CallBacks::default(),
            by_id: BTreeMap::new(),
            shares: BTreeMap::new(),
            lines: standing::Lines::default(),
            by_query: BTreeMap::new(),
            next_id: 1,
            refusals: account::Refusals::default(),
            next_query: 1,
            spoken: Spoken::default(),
            plans,
            values,
            trails: Trails::default(),
        }
    }

    /// Live calls.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Media ports in use.
    pub(crate) fn ports(&self) -> usize {
        self.ports.used()
    }

    /// Asserts that tables agree.
    pub(crate) fn check(&self, sessions: &Sessions) {
        assert_eq!(self.by_id.len(), self.all.len(), "every call has one number");
        assert_eq!(self.shares.values().sum::<usize>(), self.all.len(), "every call has one caller");
        let mut ports = 0;
        let mut legs = 0;
        self.lines.check(self.all.iter());
        for call in self.all.values() {
            for party in &call.parties {
                ports += usize::from(party.media.held);
                legs += usize::from(party.media.put);
                assert!(party.leg.is_none_or(|leg| sessions.exists(leg)), "a party's session lives");
            }
            assert!(
                call.cause.is_none() || call.parties.iter().all(|p| p.leg.is_none()),
                "an ended call lets go"
            );
        }
        assert_eq!(ports, self.ports.used(), "every port in use has one party");
        assert!(legs <= self.ports.legs(), "every media leg has an owner");
        let members = self.all.values().filter_map(|call| Some((call.conference.as_ref()?, call)));
        let plans = {
            let before = |call: &'_ Call| call.transfer.as_ref().map(|transfer| transfer.before.plan);
            let all = self.all.values();
            all.flat_map(move |call| {
                call.script.as_ref().map(|script| script.plan).into_iter().chain(before(call))
            })
        };
        let groups = self.all.values().filter_map(|call| call.script.as_ref());
        let groups = groups.flat_map(|script| &script.groups);
        self.trails.check();
        self.plans.check(plans);
        self.parked.check(self.all.iter());
        self.values.check(groups);
        self.conferences.check(members.map(|(name, call)| (name, call.shard, call.room, call.id)));
    }

    /// A session has something to say.
    pub(crate) fn heard(&mut self, cx: &mut Cx<'_>, below: &mut Below, heard: Heard) {
        let Some(call) = self.all.get_mut(heard.call) else { return };
        let Some(party) = call.parties.iter().position(|p| p.leg == Some(heard.leg)) else { return };
        if self.is_of_transfer(cx, below, heard.call, party, &heard.event)
            || self.has_moved(cx, below, heard.call, party, &heard.event)
        {
            return;
        }
        let Some(call) = self.all.get_mut(heard.call) else { return };
        let confirmed = matches!(heard.event, LegEvent::Confirmed { .. });
        let offers = matches!(heard.event, LegEvent::Offered { .. });
        let speaks = offers || matches!(heard.event, LegEvent::Answered { .. });
        let event = match heard.event {
            LegEvent::Progress { status, body } => {
                call.parties[party].rang |= status == Status::RINGING;
                let media = call.early_answer(cx, party, &body);
                Some(AppEvent::Progress { party, status, media })
            }
            LegEvent::Answered { body } => call.callee_answered(cx, below, party, &body),
            LegEvent::Refused { status, .. } => {
                call.parties[party].leg = None;
                call.parties[party].refused = status;
                Some(AppEvent::Refused { party, status })
            }
            LegEvent::Confirmed { body } => call.confirmed(cx, party, &body),
            LegEvent::Cancelled => {
                call.parties[party].leg = None;
                Some(AppEvent::Cancelled)
            }
            LegEvent::Refreshed { body } => {
                call.refreshed(cx, party, &body);
                None
            }
            LegEvent::Offered { body } => {
                call.offered(cx, below, party, heard.leg, &body);
                None
            }
            LegEvent::OfferWanted => {
                call.offer_wanted(cx, below, party, heard.leg);
                None
            }
            LegEvent::Digit(digit) => {
                return self.digit(cx, below, heard.call, party, digit, DigitBy::Info);
            }
            LegEvent::Referred(_) => None,
            LegEvent::SentAway(status) => return self.heard_of_sending(cx, below, heard.call, party, status),
            LegEvent::Ended(ending) => {
                call.parties[party].leg = None;
                Some(match ending {
                    Ending::Bye => AppEvent::HungUp { party },
                    Ending::Lost => AppEvent::Lost { party },
                })
            }
        };
        if speaks {
            self.spoken.hear_party(cx, &call.parties[party], offers);
        }
        if event.is_some_and(|event| self.asks_otherwise(cx, below, heard.call, event)) {
            return;
        }
        let Some(call) = self.all.get_mut(heard.call) else { return };
        self.lines.touch(heard.call);
        if let Some(event) = event {
            call.lost_early(cx, event);
            self.declines_for_others(cx, below, heard.call, event);
            self.decide(cx, below, heard.call, event);
        } else if confirmed {
            self.acknowledged(cx, below, heard.call);
        }
    }

    /// Whether a callee that refused what it was offered is asked with something else.
    fn asks_otherwise(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, event: AppEvent) -> bool {
        let AppEvent::Refused { party, status: Some(status) } = event else { return false };
        matches!(status.code(), 415 | 488 | 606) && self.ask_again(cx, below, key, party)
    }

    /// Whether a callee has sent the call elsewhere, and others are asked.
    fn has_moved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        event: &LegEvent,
    ) -> bool {
        let LegEvent::Refused { status, moved: Some(moved) } = event else { return false };
        if let Some(call) = self.all.get_mut(key) {
            (call.parties[party].leg, call.parties[party].refused) = (None, *status);
        }
        self.moved(cx, below, key, party, moved)
    }

    /// Media has something to say.
    pub(crate) fn media(&mut self, cx: &mut Cx<'_>, below: &mut Below, shard: ShardId, report: &MediaReport) {
        let (leg, event) = match report {
            MediaReport::Ports { ports } => return self.ports.granted(shard, ports),
            MediaReport::Given { leg, stats, resume } => {
                return self.given(cx, *leg, *stats, *resume);
            }
            // Who writes the file tells of its end.
            MediaReport::Recorded { .. } => return,
            MediaReport::Latched { leg, .. }
            | MediaReport::Carried { leg, .. }
            | MediaReport::Silent { leg, .. }
            | MediaReport::Digit { leg, .. }
            | MediaReport::Pressed { leg, .. }
            | MediaReport::Played { leg, .. }
            | MediaReport::Quiet { leg, .. }
            | MediaReport::NoSound { leg, .. }
            | MediaReport::Dropped { leg, .. } => (*leg, report),
        };
        let Some(key) = self.ports.owner(leg) else { return };
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(at) = call.parties.iter().position(|p| p.media.id == leg) else { return };
        let (id, party) = (call.id, &mut call.parties[at]);
        match event {
            MediaReport::Latched { remote, .. } => {
                cx.report(Event::MediaFrom { call: id, side: side(at), remote: *remote });
            }
            MediaReport::Silent { .. } if cx.planted.is(Fault::SilenceIgnored) => {}
            MediaReport::Silent { rev, .. } if party.media.watched && *rev == party.media.rev => {
                self.decide(cx, below, key, AppEvent::Silent { party: at });
            }
            MediaReport::Dropped { stats, .. } => {
                party.media.put = false;
                party.media.carried(*stats);
                self.ports.forget(leg);
                self.settle(cx, key);
            }
            MediaReport::Digit { digit, duration_ms, how, .. } => {
                let length = Duration::from_millis(u64::from(*duration_ms));
                let by = match how {
                    DigitHeard::Event => DigitBy::Event,
                    DigitHeard::InBand => DigitBy::Tones,
                };
                self.digit(cx, below, key, at, Digit { key: *digit, length }, by);
            }
            MediaReport::Carried { stats, .. } => party.media.carried(*stats),
            MediaReport::Pressed { next, .. } => party.pressed(*next),
            MediaReport::NoSound { name, .. } => {
                cx.report(Event::NoSound { call: id, side: side(at), name: name.clone() });
            }
            MediaReport::Played { number, .. } if call.is_apart(at) => {
                self.played_apart(cx, below, key, *number);
            }
            MediaReport::Played { number, .. } if call.is_told(at, *number) => self.told(cx, below, key, at),
            MediaReport::Played { number, .. } if at == CALLER => self.played(cx, below, key, *number),
            MediaReport::Played { .. } if call.waits_aside(at) => self.slot_said(cx, below, key),
            MediaReport::Played { .. } => {}
            MediaReport::Quiet { recording, .. } => self.quiet(cx, below, key, *recording),
            MediaReport::Silent { .. }
            | MediaReport::Ports { .. }
            | MediaReport::Recorded { .. }
            | MediaReport::Given { .. } => {}
        }
    }

    /// A timer of a call fired.
    pub(crate) fn fire(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, timer: CallTimer) {
        let Some(call) = self.all.get_mut(key) else { return };
        if matches!(timer, CallTimer::NoAnswer | CallTimer::Script | CallTimer::Clear) {
            call.timer = None;
        }
        match timer {
            CallTimer::NoAnswer => self.decide(cx, below, key, AppEvent::NoAnswer),
            CallTimer::Script => self.time_over(cx, below, key),
            CallTimer::Aside => self.time_apart(cx, below, key),
            CallTimer::Keys => self.keys_waited(cx, below, key),
            CallTimer::Deadline => self.time_is_up(cx, below, key),
            CallTimer::Clear => {
                let what = SmolStr::new_static("media did not confirm the end of a call");
                cx.report(Event::Broken { what });
                for party in &mut call.parties {
                    party.media.put = false;
                    self.ports.forget(party.media.id);
                }
                self.settle(cx, key);
            }
        }
    }

    /// Somebody outside ends the call with this number. False when there is none.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>, below: &mut Below, id: u64, who: Outside) -> bool {
        let Some(&key) = self.by_id.get(&id) else { return false };
        self.decide(cx, below, key, AppEvent::Stop(who));
        true
    }

    /// The oldest call that has not ended.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let live = |key: &CallKey| self.all.get(*key).is_some_and(|call| call.cause.is_none());
        self.by_id.iter().find(|(_, key)| live(key)).map(|(id, _)| *id)
    }

    /// Lets the app decide, carries its orders out and goes on from there.
    fn decide(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, event: AppEvent) {
        self.apply(cx, below, key, event);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }

    /// Lets the app decide and carries its orders out.
    fn apply(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, event: AppEvent) {
        let Some(call) = self.all.get_mut(key) else { return };
        let mut orders: Vec<Order> = Vec::new();
        if let AppEvent::Progress { party, status, .. } = event
            && status == Status::RINGING
        {
            cx.report(Event::Ringing { call: call.id, contact: call.parties[party].contact.clone() });
        }
        call.app = std::mem::replace(&mut call.app, App::Done).on(event, &mut orders);
        for order in orders {
            self.perform(cx, below, key, order);
        }
    }

    /// Frees a call that has ended once media has let go of all its legs.
    fn settle(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        self.lines.touch(key);
        let Some(call) = self.all.get_mut(key) else { return };
        for party in &mut call.parties {
            party.note_whether_gone(cx.wall);
        }
        for at in call.idle() {
            call.give_back(&mut self.ports, at, cx.planted);
        }
        let Some(cause) = call.cause.clone() else { return };
        if call.parties.iter().any(|p| p.media.put) {
            return;
        }
        if let Some(timer) = call.timer.take() {
            cx.timers.cancel(timer);
        }
        let peer = call.peer.and_then(|p| call.parties.get(p));
        let event = Event::CallEnded {
            call: call.id,
            cause,
            duration: call.answered.map(|at| cx.now.since(at)),
            caller: Box::new(call.parties.get(CALLER).map_or(LegStats::default(), |p| p.media.stats)),
            callee: Box::new(peer.map_or(LegStats::default(), |p| p.media.stats)),
        };
        cx.report(event);
        call.keep_record(cx);
        call.keep_origins(cx);
        self.callbacks.ended(cx.config, call);
        for at in 0..call.parties.len() {
            call.give_back(&mut self.ports, at, cx.planted);
        }
        for (query, ..) in &call.waiting {
            self.by_query.remove(query);
        }
        self.by_id.remove(&call.id);
        self.lines.remove(key);
        if let Some(share) = self.shares.get_mut(&call.from) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&call.from);
            }
        }
        self.all.remove(key);
    }

    /// Whether this caller has to leave what room there is to others: three quarters of the calls there may be are in
    /// use, or media ports are [`Ports::tight`], and more than half of the calls are its own.
    fn is_greedy(&self, caller: &str, most: usize) -> bool {
        let tight = self.all.len() >= most - most / 4 || self.ports.tight();
        tight && self.shares.get(caller).is_some_and(|share| *share > self.all.len() / 2)
    }

    /// All calls, oldest first, for people.
    pub(crate) fn list(&self, now: Instant) -> Vec<CallInfo> {
        let calls = self.by_id.values().filter_map(|key| self.all.get(*key));
        calls.map(|call| call.info(now)).collect()
    }

    fn query(&mut self, cx: &mut Cx<'_>, key: CallKey, host: SmolStr) -> QueryId {
        let query = QueryId(self.next_query);
        self.next_query += 1;
        self.by_query.insert(query, key);
        cx.out.push(Action::Resolve { query, host });
        query
    }
}

/// The dialplan that a configuration means. What it says of its own makes one that can be read.
fn plan_of(config: &Config) -> Dialplan {
    const NAME: &str = "configured";
    // No line of what nobody wrote: whose it is.
    let place = |_: &Context, extension: &Extension| match config.entry_of(extension.pattern.as_str()) {
        Some((kind, key)) => format_smolstr!("{kind} {key}"),
        None => SmolStr::new_static(NAME),
    };
    let own = || Dialplan::parse(NAME, &config.own_dialplan()).unwrap_or_default().with_places(NAME, &place);
    config.dialplan.clone().unwrap_or_else(own)
}

impl Call {
    fn info(&self, now: Instant) -> CallInfo {
        let held = self.state == CallState::Up && self.parties.iter().any(|p| p.leg.is_some() && p.holds());
        let codec = self.parties.first().and_then(Party::codec);
        let party = |id: Option<PartyId>| id.and_then(|id| self.parties.get(id));
        let stats = |id| Box::new(party(id).map_or(LegStats::default(), |party| party.media.stats));
        CallInfo {
            id: self.id,
            from: self.between.as_ref().map_or(&self.from, |between| &between.0).clone(),
            to: self.between.as_ref().map_or(&self.to, |between| &between.1).clone(),
            state: if held { CallState::Held } else { self.state },
            codec: codec
                .filter(|_| self.room_put || self.conference.is_some())
                .map(|c| c.name)
                .unwrap_or_default(),
            age: now.since(self.started),
            talking: self.answered.map(|at| now.since(at)),
            recorded: self.recording.is_some(),
            unheard: self.unheard(),
            caller: stats(Some(CALLER)),
            callee: stats(self.peer),
        }
    }

    /// A callee that was heard early is gone while the hunt goes on: the next one can be heard.
    fn lost_early(&mut self, cx: &mut Cx<'_>, event: AppEvent) {
        if let AppEvent::Refused { party, .. } | AppEvent::HungUp { party } | AppEvent::Lost { party } = event
            && party != CALLER
            && matches!(self.app, App::Hunt(_))
        {
            self.drop_media(cx, party);
            if self.peer == Some(party) {
                self.peer = None;
                self.wait_again(cx);
            }
        }
    }

    /// The caller hears again what it heard before somebody was heard early.
    fn wait_again(&mut self, cx: &mut Cx<'_>) {
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let sound = match dial.map(|dial| &dial.music) {
            Some(Some(class)) => Playing::Music(class.clone()),
            Some(None) if self.answered.is_some() => tasks::signal(&cx.config.country, Signal::Ringback),
            // Its own phone rings for it.
            _ => return,
        };
        self.hear_sound(cx, Some(sound));
    }

    fn leg(&self, party: PartyId) -> Option<LegKey> {
        self.parties.get(party)?.leg
    }
}
