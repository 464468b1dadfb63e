//! Paging: one speaks to many phones, which answer by themselves. They hear the caller in a room that mixes; with the
//! option `d` they all hear each other. It ends with the caller, or when no phone is left.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::Outcome;
use telex_dialplan::task::{Target, Task};

use super::app::{App, AppEvent, CALLER, Order, PartyId, side};
use super::dialling::Dialling;
use super::party::Wish;
use super::script::Doing;
use super::{Below, Call, Calls, dial};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::event::EndCause;
use crate::limits;
use crate::mediactl::{Play, Playing};
use crate::time::Duration;

/// How long a phone may take to answer by itself, when it is not said.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What is heard where the sound begins.
const BEEP: &str = "!1000/300";
/// Tells a phone that it is too late to answer (RFC 3326).
const TOO_LONG: &str = "SIP;cause=480;text=\"No answer\"";
/// What makes phones answer by themselves: the one for Snom, Cisco and most others, the other for Yealink, Polycom and
/// baresip. No RFC has either; that of RFC 5373 is read by few.
pub(super) const BY_ITSELF: [(&str, &str); 2] = [
    ("Call-Info", "<sip:telex.invalid>;answer-after=0"),
    ("Alert-Info", "<http://telex.invalid>;info=alert-autoanswer;delay=0"),
];

type Begun = Result<Doing, Outcome>;

/// A page in progress.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Page {
    /// Phones that have not answered yet.
    asked: Vec<PartyId>,
    /// Those that hear it.
    joined: Vec<PartyId>,
    /// They are heard, too.
    both_ways: bool,
    /// Nobody hears a beep.
    quiet: bool,
}

impl Page {
    /// A page to these phones.
    pub(super) fn to(asked: Vec<PartyId>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// Whether this callee may still answer.
    pub(super) fn asks(&self, party: PartyId) -> bool {
        self.asked.contains(&party)
    }

    /// One event in, the next app and what it wants done out.
    pub(super) fn on(mut self, event: AppEvent, orders: &mut Vec<Order>) -> App {
        let cause = match event {
            AppEvent::Answered { party } => {
                self.asked.retain(|&asked| asked != party);
                self.joined.push(party);
                orders.push(Order::Admit { party });
                return App::Page(self);
            }
            AppEvent::HungUp { party: CALLER } => EndCause::HungUp(side(CALLER)),
            AppEvent::Lost { party: CALLER } => EndCause::Lost(side(CALLER)),
            AppEvent::Silent { party: CALLER } => EndCause::Silent(side(CALLER)),
            AppEvent::Cancelled => EndCause::Cancelled,
            AppEvent::TimeUp => EndCause::TimeUp,
            AppEvent::Stop(who) => who.cause(),
            AppEvent::Refused { party, .. }
            | AppEvent::Declined { party }
            | AppEvent::HungUp { party }
            | AppEvent::Lost { party } => {
                self.asked.retain(|&asked| asked != party);
                self.joined.retain(|&joined| joined != party);
                orders.push(Order::Release { party, reason: TOO_LONG });
                return self.unless_alone(orders);
            }
            AppEvent::NoAnswer => {
                let late = std::mem::take(&mut self.asked);
                orders.extend(late.into_iter().map(|party| Order::Release { party, reason: TOO_LONG }));
                return self.unless_alone(orders);
            }
            AppEvent::Progress { .. } | AppEvent::Silent { .. } | AppEvent::Moved { .. } => {
                return App::Page(self);
            }
        };
        orders.push(Order::End { cause });
        App::Done
    }

    fn unless_alone(self, orders: &mut Vec<Order>) -> App {
        if self.asked.is_empty() && self.joined.is_empty() {
            orders.push(Order::Alone);
            return App::Script;
        }
        App::Page(self)
    }
}

/// How many phones are spoken to, and how many are not.
pub(super) fn asked(phones: usize, busy: usize) -> SmolStr {
    format_smolstr!("asked: {phones}, in a call: {busy}")
}

impl Calls {
    /// Begins to speak to phones; those that are in a call are left in peace.
    pub(super) fn page(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        targets: &[Target],
        options: &[(char, SmolStr)],
        timeout: Option<Duration>,
    ) -> Begun {
        if self.all[key].answered.is_none() {
            let (targets, options) = (targets.to_vec(), options.to_vec());
            return self.answer_first(cx, below, key, Task::Page { targets, options, timeout });
        }
        let (mut phones, mut busy) = (Vec::new(), 0_usize);
        for target in targets {
            match target {
                Target::Phone(extension) if !self.lines(&below.sessions, extension).is_empty() => busy += 1,
                Target::Phone(extension) => {
                    phones.extend(dial::targets(cx.config, &below.registrar, extension));
                }
                Target::Trunk { number, .. }
                | Target::Local { extension: number, .. }
                | Target::Uri { uri: number, .. } => {
                    let text = format_smolstr!("Page speaks to phones: {number} is left out");
                    self.all[key].warn(cx, text);
                }
            }
        }
        let call = &mut self.all[key];
        call.make_room(phones.len());
        let room = limits::LEGS_PER_CALL.saturating_sub(call.parties.len());
        if phones.len() > room {
            let text = format_smolstr!("Page speaks to {room} phones at most: the others are left out");
            call.warn(cx, text);
        }
        for (letter, _) in options.iter().filter(|(letter, _)| !matches!(letter, 'd' | 'q' | 's' | 'i')) {
            call.warn(cx, format_smolstr!("Page: the option {letter} has no effect yet"));
        }
        let has = |letter| options.iter().any(|(option, _)| *option == letter);
        let page = Page { both_ways: has('d'), quiet: has('q'), ..Page::default() };
        call.begin_page(phones.len().min(room), busy);
        let (asked, failed) = self.ask_all(cx, below, key, &phones);
        let nobody = asked.is_empty();
        let call = &mut self.all[key];
        call.app = App::Page(Page { asked, ..page });
        let patience = timeout.filter(|time| !time.is_zero()).unwrap_or(PATIENCE);
        call.arm(cx, key, patience.min(limits::RING), CallTimer::NoAnswer);
        call.put_room(cx);
        call.put_media(cx);
        for (party, status) in failed {
            self.apply(cx, below, key, AppEvent::Refused { party, status });
        }
        if nobody {
            self.apply(cx, below, key, AppEvent::NoAnswer);
        }
        Ok(Doing::Paging)
    }
}

impl Call {
    fn begin_page(&mut self, phones: usize, busy: usize) {
        let caller = Some(self.presented());
        let headers = BY_ITSELF.map(|(name, value)| (name.into(), value.into())).to_vec();
        let Some(script) = &mut self.script else { return };
        script.thread.remark(asked(phones, busy));
        script.play(None);
        script.doing = Doing::Paging;
        script.dial = Some(Box::new(Dialling { headers, caller, ..Dialling::default() }));
    }

    /// Whether its room mixes, since it speaks to many.
    pub(super) fn is_page(&self) -> bool {
        matches!(self.app, App::Page(_))
    }

    /// A phone has answered and hears the caller.
    pub(super) fn admit(&mut self, cx: &mut Cx<'_>, party: PartyId) {
        self.parties[party].answered = Some(cx.wall);
        self.put_media(cx);
        self.tell_answered(cx, party);
    }

    /// Nobody is there any more who could hear the caller.
    pub(super) fn page_over(&mut self, cx: &mut Cx<'_>) {
        self.disarm(cx);
        self.app = App::Script;
        if let Some(script) = &mut self.script {
            script.dial = None;
            script.over(Outcome::Done);
        }
        self.put_room(cx);
        self.put_media(cx);
    }

    /// The media of the caller and of all who hear it.
    pub(super) fn put_page(&mut self, cx: &mut Cx<'_>, silence: Option<Duration>) {
        let App::Page(page) = &self.app else { return };
        let (joined, both_ways) = (page.joined.clone(), page.both_ways);
        let beep = BEEP.parse().ok().filter(|_| !page.quiet).map(Playing::Tones);
        let (shard, room) = (self.shard, self.room);
        for at in std::iter::once(CALLER).chain(joined) {
            let party = &mut self.parties[at];
            if party.leg.is_none() {
                continue;
            }
            let mut accept = party.relay_to(party);
            accept.iter_mut().for_each(|accepted| accepted.forward = None);
            if at != CALLER && !both_ways {
                accept.clear();
            }
            let playing = beep.clone().map(|sound| Play { number: 0, sound, over: true });
            let silence = silence.filter(|_| at == CALLER);
            party.put(cx, shard, room, Wish { accept, playing, silence, ..Wish::default() });
        }
    }
}
