//! A callee sends us elsewhere by a 3xx (RFC 3261 §8.1.3.4): who is dialled there is asked in its place, as if the
//! callee had dialled, so that nobody reaches more than it could itself.
//!
//! The dialplan says whom that means. Where it comes to a Dial, those are asked together with whoever rings yet, and
//! the Dial that is going on keeps its options and what follows it. Where it does something else, the caller is sent
//! there if nobody else rings.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::app::{App, AppEvent, PartyId};
use super::identity::Diversion;
use super::open::matched;
use super::script::Doing;
use super::{Below, Calls, causes};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::dialog::{Elsewhere, Moved};
use crate::event::EndCause;
use crate::limits;
use crate::planted::Fault;
use crate::sip::Status;

/// Where a number leads.
enum Leads {
    /// To others that ring.
    Dial(Dial),
    /// Nowhere.
    Refused(Status),
    /// To the exchange itself.
    Service,
}

impl Calls {
    /// A callee sends us elsewhere. True when that is followed; otherwise it has refused.
    pub(super) fn moved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> bool {
        let Err(why) = self.follow(cx, below, key, party, moved) else { return true };
        let Some(call) = self.all.get_mut(key) else { return false };
        let callee = &call.parties[party].extension;
        let to = moved.to.first().map(|place| place.uri.as_str()).unwrap_or_default();
        let text = format_smolstr!("{callee} sends its calls to {to}: not followed, {why}");
        if let Some(script) = &mut call.script {
            script.thread.remark(text.clone());
        }
        call.warn(cx, text);
        false
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> Result<(), SmolStr> {
        let no = |why: &'static str| Err(SmolStr::new_static(why));
        let call = self.all.get_mut(key).ok_or_else(SmolStr::default)?;
        let alone = match &call.app {
            App::Hunt(hunt) if hunt.asks(party) => hunt.asks_only(party),
            _ => return no("nobody is rung any more"),
        };
        let callee = call.parties[party].extension.clone();
        let rang = call.parties[party].rang;
        let dial = call.script.as_mut().and_then(|script| script.dial.as_mut());
        let Some(dial) = dial else { return no("no Dial goes on") };
        if dial.stays {
            return no("its Dial has the option i");
        }
        if dial.diverted.len() >= limits::DIVERSIONS {
            return no("the call has been sent elsewhere too often");
        }
        if !dial.diverted.contains(&callee) {
            dial.diverted.push(callee.clone());
        }
        let any = cx.planted.is(Fault::ForeignTransfer);
        let Some(place) = moved.to.iter().find(|place| place.ours || any) else {
            return no("that is another host's");
        };
        let usual = if rang { "unknown" } else { "unconditional" };
        let reason = if moved.reason.is_empty() { SmolStr::new_static(usual) } else { moved.reason.clone() };
        let by = Diversion { by: callee.clone(), reason };
        match self.leads(cx, below, key, &callee, place, &by)? {
            Leads::Dial(dial) => self.ask_instead(cx, below, key, party, &dial, by, alone),
            Leads::Refused(status) => {
                let text = format_smolstr!("{} is refused there by {}", place.number, status.code());
                Err(text)
            }
            Leads::Service if alone => {
                self.send_there(cx, below, key, party, place, &by);
                Ok(())
            }
            Leads::Service => no("others ring, and nobody is rung there"),
        }
    }

    /// Walks to where a number leads, by the dialplan of who sends us there.
    fn leads(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        callee: &SmolStr,
        place: &Elsewhere,
        by: &Diversion,
    ) -> Result<Leads, SmolStr> {
        let Some(call) = self.all.get(key) else { return Err(SmolStr::default()) };
        let script = call.script.as_ref();
        let plan = script.map(|script| self.plans.get(script.plan)).unwrap_or_default();
        let context = cx.config.context_of(callee);
        if matched(cx, &plan, callee, &place.number).is_none() {
            return Err(format_smolstr!("context [{context}] has no such number"));
        }
        let mut facts = script.map(|script| script.facts.clone()).unwrap_or_default();
        let walk = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            let mut branch = thread.branch(context, &place.number);
            branch.redirect(context, &place.number, &by.by, by.reason_of_plan());
            let leads = first(&mut branch, plan, world);
            thread.tell_of(&branch, &format_smolstr!("sent on by {callee}"));
            leads
        };
        self.for_callee(cx, below, key, &mut facts, walk).ok_or_else(SmolStr::default)
    }

    /// Asks those whom the number means, beside whoever rings yet.
    #[expect(clippy::too_many_arguments, reason = "a callee of a call, and who is asked in its place")]
    fn ask_instead(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        instead: &Dial,
        by: Diversion,
        alone: bool,
    ) -> Result<(), SmolStr> {
        let (mut targets, busy) = self.whom(cx, below, key, instead);
        let call = &mut self.all[key];
        let Some(dial) = call.script.as_mut().and_then(|script| script.dial.as_mut()) else {
            return Err(SmolStr::default());
        };
        let before = targets.len();
        targets.retain(|target| !dial.diverted.contains(target.extension()));
        if targets.is_empty() {
            return Err(SmolStr::new_static(match (before, busy.is_empty()) {
                (1.., _) => "it goes round in a circle",
                (_, false) => "everybody there is busy",
                (_, true) => "nobody is registered there",
            }));
        }
        let mut diversions = vec![by];
        diversions.extend(call.parties[party].diversions.iter().cloned());
        if call.parties.len() + targets.len() > limits::LEGS_PER_CALL {
            return Err(SmolStr::new_static("the call has too many parties"));
        }
        let headers = call.allowed(cx, &instead.headers);
        for target in &mut targets {
            target.headers.extend(headers.iter().cloned());
            target.diversions.clone_from(&diversions);
        }
        let (added, failed) = self.ask_all(cx, below, key, &targets);
        if added.is_empty() {
            return Err(SmolStr::new_static("there are no RTP ports for it"));
        }
        let call = &mut self.all[key];
        let whom: Vec<&str> = targets.iter().map(|target| target.extension().as_str()).collect();
        let text = format_smolstr!("{} sends its calls on: PJSIP/{}", diversions[0].by, whom.join("&PJSIP/"));
        if let Some(script) = &mut call.script {
            script.thread.remark(text);
        }
        call.lost_early(cx, AppEvent::Refused { party, status: None });
        if let App::Hunt(hunt) = &mut call.app {
            hunt.also(&added);
        }
        if alone {
            // Who is asked now has the time that it always has.
            let patience = instead.timeout.unwrap_or(cx.config.ring).min(limits::RING);
            let expires = call.asking_ends(cx.now);
            call.arm(cx, key, patience.min(expires), CallTimer::NoAnswer);
        }
        self.apply(cx, below, key, AppEvent::Moved { party });
        for (party, status) in failed {
            self.apply(cx, below, key, AppEvent::Refused { party, status });
        }
        self.go_on(cx, below, key);
        self.settle(cx, key);
        Ok(())
    }

    /// The caller goes to a service of the exchange in place of the callee.
    fn send_there(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        place: &Elsewhere,
        by: &Diversion,
    ) {
        let call = &mut self.all[key];
        call.disarm(cx);
        call.lost_early(cx, AppEvent::Refused { party, status: None });
        call.peer = None;
        call.app = App::Script;
        let context = cx.config.context_of(&by.by);
        if let Some(script) = &mut call.script {
            script.thread.remark(format_smolstr!("{} sends its calls to {}", by.by, place.number));
            script.thread.redirect(context, &place.number, &by.by, by.reason_of_plan());
            script.dial = None;
            script.play(None);
            let status = Status::TEMPORARILY_UNAVAILABLE;
            script.failed = Some((status, EndCause::Refused(status.code())));
            (script.doing, script.outcome) = (Doing::Going, Some(Outcome::Done));
        }
        call.put_media(cx);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

/// What a walk comes to first.
fn first(branch: &mut Thread, plan: &Dialplan, world: &mut dyn World) -> Leads {
    for _ in 0..limits::TASKS_AT_ONCE {
        match branch.next(plan, world) {
            Some(Task::Ringing | Task::Progress | Task::StopTones) => branch.resume(Outcome::Done),
            Some(Task::Dial(dial)) => return Leads::Dial(dial),
            Some(Task::Busy(_)) => return Leads::Refused(Status::BUSY_HERE),
            Some(Task::Congestion(_)) => return Leads::Refused(causes::status_of(causes::CONGESTION)),
            Some(Task::Hangup { cause }) => {
                return Leads::Refused(causes::status_of(cause.unwrap_or(causes::NORMAL)));
            }
            Some(_) => return Leads::Service,
            None => break,
        }
    }
    Leads::Refused(Status::TEMPORARILY_UNAVAILABLE)
}
