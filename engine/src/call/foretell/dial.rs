//! Whom a Dial rings that is foretold, and what comes of it.

use std::collections::VecDeque;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::explain::Does;
use telex_dialplan::task::{Dial, DialStatus, Say, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::super::app::{App, AppEvent, Order, PartyId};
use super::super::aside::NOT_ASIDE;
use super::super::causes;
use super::super::dial::Target;
use super::super::divert::{Leads, No, instead_of, leads, not_followed, send_on, sent_on};
use super::super::hunt::Hunt;
use super::super::identity::Diversion;
use super::super::local::whom;
use super::super::onward::farewell;
use super::super::screening::{Verdict, before_asking, begun, verdict};
use super::super::script::failed_dial;
use super::super::tasks::nobody;
use super::super::waiting::full;
use super::super::walks::{Facts, Walks};
use super::Came::{self, Ended, Endless, Outcome as Told};
use super::{ANY, Walk, collected, length};
use crate::cx::Cx;
use crate::dialog::{Elsewhere, Place};
use crate::event::{EndCause, Side};
use crate::limits;
use crate::registrar::Reach;
use crate::sip::Status;
use crate::time::Duration;

/// A Dial in progress.
struct Hunted {
    app: App,
    /// Those who were asked: a party's number is one more than its place.
    phones: Vec<SmolStr>,
    /// Parties that were asked and have not said anything.
    open: VecDeque<PartyId>,
    /// Events that are to come.
    events: VecDeque<AppEvent>,
    /// How long it goes on.
    patience: Duration,
}

/// What a phone that was asked brings about.
enum Said {
    Nothing,
    Event(AppEvent),
    /// The Dial is over.
    Over(Came),
}

/// Where a phone sends its calls: a number of the exchange, or somebody at another host.
pub(super) fn place_of(to: &SmolStr) -> Elsewhere {
    let place = if to.contains('@') { Place::Nowhere("that is another host's") } else { Place::Ours };
    Elsewhere { number: to.clone(), uri: to.clone(), place }
}

impl Walk<'_> {
    /// Rings others.
    pub(super) fn dial(&mut self, cx: &mut Cx<'_>, wanted: &Dial) -> Came {
        let (targets, busy) = whom(self, cx, wanted);
        for extension in &busy {
            self.remark(full(extension));
        }
        let (thread, values) = (self.call.script.as_ref().map(|script| &script.thread), &self.values);
        let variable = |name: &str| thread.and_then(|thread| thread.variable(name));
        let dialling =
            self.call.dialling(cx, wanted, |name| variable(name).or_else(|| values.global_of(name)));
        let by_keys = dialling.is_left_by_keys;
        let screens = dialling.on_answer.is_some() || dialling.announcement.is_some();
        if let Some(script) = self.script() {
            script.dial = Some(Box::new(dialling));
        }
        if targets.is_empty() {
            let (failed, outcome) = nobody(&busy);
            return self.failed(failed, outcome);
        }
        if by_keys {
            self.suppose(SmolStr::new_static("the caller presses no key while it rings"));
        }
        let mut hunted = Hunted {
            app: App::Done,
            phones: Vec::new(),
            open: VecDeque::new(),
            events: VecDeque::new(),
            patience: wanted.timeout.unwrap_or(cx.config.ring).min(limits::RING),
        };
        let asked = self.ask(cx, &mut hunted, &targets);
        let hunt = Hunt::among(asked).screening(screens);
        hunted.app = App::Hunt(if busy.is_empty() { hunt } else { hunt.refused_by(Status::BUSY_HERE) });
        let came = self.hunt(cx, &mut hunted);
        self.ringing.clear();
        came
    }

    /// Asks all these contacts, as many as there is room for. Those that cannot be asked have refused.
    fn ask(&mut self, cx: &mut Cx<'_>, hunted: &mut Hunted, targets: &[Target]) -> Vec<PartyId> {
        let dial = self.script().and_then(|script| script.dial.as_ref());
        let before = dial.and_then(|dial| dial.before.clone());
        let mut asked = Vec::new();
        for target in targets {
            if hunted.phones.len() + 1 >= limits::LEGS_PER_CALL {
                break;
            }
            let phone = target.extension().clone();
            hunted.phones.push(phone.clone());
            let party = hunted.phones.len();
            asked.push(party);
            let prepared =
                before.as_ref().is_none_or(|routine| before_asking(self, cx, &phone, routine).is_some());
            if prepared && target.reach != Reach::Unreachable {
                hunted.open.push_back(party);
                self.ringing.push(phone.clone());
                self.rings.push(phone);
            } else {
                hunted.events.push_back(AppEvent::Refused { party, status: None });
            }
        }
        asked
    }

    /// Lets the phones say what they are supposed to, until the hunt is over.
    fn hunt(&mut self, cx: &mut Cx<'_>, hunted: &mut Hunted) -> Came {
        loop {
            let event = match hunted.events.pop_front() {
                Some(event) => event,
                None => match hunted.open.pop_front() {
                    Some(party) => match self.said(cx, hunted, party) {
                        Said::Nothing => continue,
                        Said::Event(event) => event,
                        Said::Over(came) => return came,
                    },
                    None => {
                        self.pass(cx, hunted.patience);
                        if self.is_late(cx) {
                            return Told(Outcome::Done);
                        }
                        AppEvent::NoAnswer
                    }
                },
            };
            if let AppEvent::Refused { party, .. } | AppEvent::Moved { party } = event {
                self.silent(hunted, party);
            }
            let mut orders = Vec::new();
            hunted.app = std::mem::replace(&mut hunted.app, App::Done).on(event, &mut orders);
            for order in orders {
                match order {
                    Order::Connect { party } => {
                        let phone = hunted.phones[party - 1].clone();
                        return self.talk(cx, phone);
                    }
                    Order::Refuse { status, cause } => {
                        let outcome = failed_dial(status, &cause);
                        return self.failed((status, cause), outcome);
                    }
                    Order::Release { party, .. } => {
                        hunted.open.retain(|open| *open != party);
                        self.silent(hunted, party);
                    }
                    Order::Screen { party } => match self.screen(cx, hunted, party) {
                        Ok(event) => hunted.events.push_back(event),
                        Err(came) => return came,
                    },
                    _ => {}
                }
            }
        }
    }

    /// A phone rings no more.
    fn silent(&mut self, hunted: &Hunted, party: PartyId) {
        let phone = hunted.phones.get(party - 1);
        if let Some(at) = self.ringing.iter().position(|ringing| Some(ringing) == phone) {
            self.ringing.remove(at);
        }
    }

    fn failed(&mut self, failed: (Status, EndCause), outcome: Outcome) -> Came {
        if let Some(script) = self.script() {
            (script.failed, script.dial) = (Some(failed), None);
        }
        Told(outcome)
    }

    /// What a phone says that was asked.
    fn said(&mut self, cx: &mut Cx<'_>, hunted: &mut Hunted, party: PartyId) -> Said {
        let phone = hunted.phones[party - 1].clone();
        let (does, is_said) = self.wanted.does(&phone);
        let does = does.clone();
        let refused = |status| Said::Event(AppEvent::Refused { party, status });
        let status = match &does {
            Does::Ends(status) => *status,
            Does::Presses(_) => DialStatus::Answer,
            Does::Moves(to) => return self.moves(cx, hunted, party, to),
        };
        if !is_said {
            self.suppose(match status {
                DialStatus::Answer => format_smolstr!("{phone} answers"),
                DialStatus::Busy => format_smolstr!("{phone} is busy"),
                DialStatus::Congestion | DialStatus::ChanUnavail => {
                    format_smolstr!("{phone} cannot be reached")
                }
                DialStatus::NoAnswer | DialStatus::Cancel => {
                    format_smolstr!("{phone} rings and nobody answers")
                }
            });
        }
        match status {
            DialStatus::Answer => Said::Event(AppEvent::Answered { party }),
            DialStatus::Busy => refused(Some(Status::BUSY_HERE)),
            DialStatus::Congestion => refused(Some(Status::SERVICE_UNAVAILABLE)),
            DialStatus::ChanUnavail => refused(None),
            DialStatus::NoAnswer | DialStatus::Cancel => Said::Nothing,
        }
    }

    /// A phone sends its calls elsewhere.
    fn moves(&mut self, cx: &mut Cx<'_>, hunted: &mut Hunted, party: PartyId, to: &SmolStr) -> Said {
        let phone = hunted.phones[party - 1].clone();
        let place = place_of(to);
        self.silent(hunted, party);
        match self.follow(cx, hunted, party, &place) {
            Ok(said) => said,
            Err(No { why, status }) => {
                self.remark(not_followed(&phone, Some(&place), &why));
                let status = Some(status.unwrap_or(Status::MOVED_TEMPORARILY));
                Said::Event(AppEvent::Refused { party, status })
            }
        }
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        hunted: &mut Hunted,
        party: PartyId,
        place: &Elsewhere,
    ) -> Result<Said, No> {
        let App::Hunt(hunt) = &hunted.app else { return Err("nobody is rung any more".into()) };
        let alone = hunt.asks_only(party);
        let callee = hunted.phones[party - 1].clone();
        let dial = self.script().and_then(|script| script.dial.as_mut());
        send_on(dial.ok_or_else(SmolStr::default)?, &callee)?;
        let by = Diversion { by: callee.clone(), reason: SmolStr::new_static("unconditional") };
        let instead = match leads(self, cx, place, &callee, &by)? {
            Leads::Dial(dial) => dial,
            Leads::Service if alone => {
                let context = cx.config.context_of(&callee);
                if let Some(script) = self.script() {
                    script.send_to(context, &place.number, &by);
                }
                return Ok(Said::Over(Told(Outcome::Done)));
            }
            Leads::Service => return Err("others ring, and nobody is rung there".into()),
        };
        let targets = instead_of(self, cx, &instead)?;
        if hunted.phones.len() + 1 + targets.len() > limits::LEGS_PER_CALL {
            return Err("the call has too many parties".into());
        }
        let failed = std::mem::take(&mut hunted.events);
        let asked = self.ask(cx, hunted, &targets);
        hunted.events.extend(failed);
        self.remark(sent_on(&callee, &targets));
        if let App::Hunt(hunt) = &mut hunted.app {
            hunt.also(&asked);
        }
        if alone {
            hunted.patience = instead.timeout.unwrap_or(cx.config.ring).min(limits::RING);
        }
        Ok(Said::Event(AppEvent::Moved { party }))
    }

    /// They talk, and the callee hangs up, or their time is up.
    fn talk(&mut self, cx: &mut Cx<'_>, phone: SmolStr) -> Came {
        self.answer(cx);
        let Some(script) = self.call.script.as_deref_mut() else { return Endless };
        script.thread.connected(cx.steady_ms());
        script.failed = None;
        let dial = script.dial.take().unwrap_or_default();
        let most = dial.limit.as_ref().map_or(limits::WAIT, |limit| limit.most);
        let talk = self.wanted.talk.min(most);
        self.pass(cx, talk);
        let (status, cause) = (DialStatus::Answer, causes::NORMAL);
        if dial.says_farewell && dial.goes_on && !self.is_late(cx) {
            farewell(self, cx, &phone, causes::NORMAL);
        } else if dial.says_farewell && !dial.goes_on {
            self.farewell = Some(phone);
        }
        match dial.goes_on {
            true => Told(Outcome::Dialled { status, cause, answered: talk }),
            false if self.wanted.talk >= most => Ended(ANY, EndCause::TimeUp),
            false => Ended(ANY, EndCause::HungUp(Side::Callee)),
        }
    }

    /// Who answered is told or asked something before it is connected: what it comes to, or how the Dial ends.
    fn screen(&mut self, cx: &mut Cx<'_>, hunted: &Hunted, party: PartyId) -> Result<AppEvent, Came> {
        let phone = hunted.phones[party - 1].clone();
        let dial = self.script().and_then(|script| script.dial.as_ref());
        let (routine, say) =
            dial.map(|dial| (dial.on_answer.clone(), dial.announcement.clone())).unwrap_or_default();
        let mut facts = self.call.facts_for_callee();
        let thread = routine.and_then(|routine| begun(self, cx, &phone, &routine, &mut facts));
        if let Some(prompt) = say {
            let time = length(cx, &[Say::Prompt(prompt)]);
            self.pass(cx, time);
        }
        let Some(mut thread) = thread else { return Ok(AppEvent::Answered { party }) };
        self.ask_callee(cx, &phone, &mut thread, &mut facts)?;
        let verdict = verdict(&thread);
        if let Some(script) = self.script() {
            script.thread.tell_of(&thread, &phone);
        }
        if !thread.has_returned() {
            return Ok(AppEvent::Refused { party, status: None });
        }
        match verdict {
            Verdict::Connect | Verdict::Unknown(_) => Ok(AppEvent::Answered { party }),
            Verdict::Refuse(status) => Ok(AppEvent::Refused { party, status: Some(status) }),
            Verdict::End => Err(Ended(ANY, EndCause::Dialplan(causes::NORMAL))),
            Verdict::CallerGoes(place) => {
                if let Some(script) = self.script() {
                    (script.dial, script.failed) = (None, None);
                }
                Err(Told(Outcome::Goto(place)))
            }
        }
    }

    /// The subroutine of a callee that answered, to its end.
    fn ask_callee(
        &mut self,
        cx: &mut Cx<'_>,
        phone: &SmolStr,
        routine: &mut Thread,
        facts: &mut Facts,
    ) -> Result<(), Came> {
        let mut outcome = Outcome::Done;
        loop {
            let busy = !self.may_go_on(cx);
            let walk = |_: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
                routine.resume(outcome);
                routine.next(plan, world)
            };
            let task = self.see(cx, Some(facts), walk).flatten().filter(|_| !busy);
            outcome = match task {
                None | Some(Task::Hangup { .. } | Task::Busy(_) | Task::Congestion(_)) => return Ok(()),
                Some(task) => self.callee_came_of(cx, phone, routine, &task),
            };
            if self.is_late(cx) {
                return Err(Told(Outcome::Done));
            }
            if !self.is_more() {
                return Err(Endless);
            }
        }
    }

    /// What comes of a task for a callee that answered.
    fn callee_came_of(&mut self, cx: &mut Cx<'_>, phone: &SmolStr, routine: &Thread, task: &Task) -> Outcome {
        match task {
            Task::Answer(time) | Task::Wait(time) | Task::Music { time: Some(time), .. } => {
                self.pass(cx, (*time).min(limits::WAIT));
            }
            Task::Ringing | Task::Progress | Task::StopTones => {}
            Task::Play { say, .. } => {
                let time = length(cx, say);
                self.pass(cx, time);
            }
            Task::Collect(wanted) => {
                let keys = match self.wanted.does(phone).0 {
                    Does::Presses(keys) => keys.clone(),
                    _ => {
                        self.suppose(format_smolstr!("{phone} presses nothing when it is asked"));
                        SmolStr::default()
                    }
                };
                let plan = self.plan.clone();
                let (outcome, time) =
                    collected(cx, wanted, keys, &|got, now| routine.dialled(&plan, got, now));
                self.pass(cx, time);
                return outcome;
            }
            _ => return Outcome::Refused(NOT_ASIDE.into()),
        }
        Outcome::Done
    }
}
