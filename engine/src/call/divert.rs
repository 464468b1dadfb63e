//! A callee sends us elsewhere by a 3xx (RFC 3261 §8.1.3.4): who is dialled there is asked in its place, as if the
//! callee had dialled, so that nobody reaches more than it could itself.
//!
//! The dialplan says whom that means. Where it comes to a Dial, those are asked together with whoever rings yet, and
//! the Dial that is going on keeps its options and what follows it. Where it does something else, the caller is sent
//! there if nobody else rings. Who is at another host is asked like anybody whom a Dial names, if the site allows that
//! host; somebody there who diverts reaches such hosts, and no number here.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::app::{App, AppEvent, CALLER, PartyId};
use super::identity::Diversion;
use super::open::matched;
use super::script::Doing;
use super::{Below, Call, Calls, causes, dial, elsewhere};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::dialog::{Elsewhere, Moved, Place};
use crate::limits;
use crate::sip::Status;

/// Why a callee is not followed that sends a call elsewhere.
struct No {
    /// In words.
    why: SmolStr,
    /// How that place refuses, where it was looked for somebody there.
    status: Option<Status>,
}

impl From<SmolStr> for No {
    fn from(why: SmolStr) -> Self {
        Self { why, status: None }
    }
}

impl From<&'static str> for No {
    fn from(why: &'static str) -> Self {
        SmolStr::new_static(why).into()
    }
}

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
    /// A callee sends us elsewhere. True when that is followed, or has come to a refusal of its own; otherwise the
    /// callee has refused.
    pub(super) fn moved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> bool {
        let Err(No { why, status }) = self.follow(cx, below, key, party, moved) else { return true };
        let Some(call) = self.all.get_mut(key) else { return false };
        let callee = &call.parties[party].extension;
        let to = moved.to.first().map(|place| place.uri.as_str()).unwrap_or_default();
        let text = format_smolstr!("{callee} sends its calls to {to}: not followed, {why}");
        if let Some(script) = &mut call.script {
            script.thread.remark(text.clone());
        }
        call.warn(cx, text);
        if let Some(status) = status {
            let event = AppEvent::Refused { party, status: Some(status) };
            call.lost_early(cx, event);
            self.decide(cx, below, key, event);
        }
        status.is_some()
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        moved: &Moved,
    ) -> Result<(), No> {
        let no = |why: &'static str| Err(why.into());
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
        let place = moved.to.iter().find(|place| !matches!(place.place, Place::Nowhere(_)));
        let Some(place) = place.or(moved.to.first()) else { return no("it names nowhere to go") };
        let usual = if rang { "unknown" } else { "unconditional" };
        let reason = if moved.reason.is_empty() { SmolStr::new_static(usual) } else { moved.reason.clone() };
        let by = Diversion { by: call.parties[party].number(), reason };
        match &place.place {
            Place::Nowhere(why) => return no(why),
            Place::Away(away) => {
                let dial = elsewhere::dial(away, None);
                return self.ask_instead(cx, below, key, party, &dial, by, alone);
            }
            Place::Ours if !cx.config.phones.contains_key(&callee) => {
                return no("only phones of this exchange send calls to its numbers");
            }
            Place::Ours => {}
        }
        match self.leads(cx, below, key, &callee, place, &by)? {
            Leads::Dial(dial) => self.ask_instead(cx, below, key, party, &dial, by, alone),
            Leads::Refused(status) => {
                let why = format_smolstr!("{} is refused there by {}", place.number, status.code());
                Err(No { why, status: Some(status) })
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
    ) -> Result<(), No> {
        let (mut targets, busy) = self.whom(cx, below, key, instead);
        let call = &mut self.all[key];
        let Some(dial) = call.script.as_mut().and_then(|script| script.dial.as_mut()) else {
            return Err(SmolStr::default().into());
        };
        let before = targets.len();
        targets.retain(|target| !dial.diverted.contains(target.extension()));
        if targets.is_empty() {
            let (why, status) = match (before, busy.is_empty()) {
                (1.., _) => ("it goes round in a circle", None),
                (_, false) => ("everybody there is busy", Some(Status::BUSY_HERE)),
                (_, true) => ("nobody is registered there", None),
            };
            return Err(No { why: SmolStr::new_static(why), status });
        }
        let mut diversions = vec![by];
        diversions.extend(call.parties[party].diversions.iter().cloned());
        if call.parties.len() + targets.len() > limits::LEGS_PER_CALL {
            return Err("the call has too many parties".into());
        }
        let headers = call.allowed(cx, &instead.headers);
        for target in &mut targets {
            target.headers.extend(headers.iter().cloned());
            target.diversions.clone_from(&diversions);
        }
        let (added, failed) = self.ask_all(cx, below, key, &targets);
        if added.is_empty() {
            return Err("there are no RTP ports for it".into());
        }
        let call = &mut self.all[key];
        call.tell_forwarded(cx, below);
        let whom: Vec<SmolStr> = targets.iter().map(dial::Target::told).collect();
        let text = format_smolstr!("{} sends its calls on: {}", diversions[0].by, whom.join("&"));
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
        call.tell_forwarded(cx, below);
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
            script.failed = Some((status, causes::refused_by(status)));
            (script.doing, script.outcome) = (Doing::Going, Some(Outcome::Done));
        }
        call.put_media(cx);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

impl Call {
    /// Tells a caller who is not answered that its call goes elsewhere (RFC 3261 §21.1.3).
    fn tell_forwarded(&self, cx: &mut Cx<'_>, below: &mut Below) {
        let Some(leg) = self.leg(CALLER).filter(|_| self.answered.is_none()) else { return };
        // As with ringing: reliably, to who made no offer, it would have to bring ours (RFC 3262 §5).
        if self.parties[CALLER].has_spoken() || !below.sessions.is_reliable(leg) {
            let (status, nothing) = (Status::FORWARDED, bytes::Bytes::new());
            below.sessions.progress(cx, &mut below.stack, leg, status, nothing);
        }
    }

    /// Tells that the dialplan has sent the call on, when it says so and has not said the same before.
    pub(super) fn tell_plan_forwards(&mut self, cx: &mut Cx<'_>, below: &mut Below) {
        let Some(script) = &mut self.script else { return };
        let caller = script.thread.caller();
        let by = (caller.rdnis.clone(), caller.reason.clone());
        if by.0.is_empty() || by.1.is_empty() || script.forwarded_by.as_ref() == Some(&by) {
            return;
        }
        script.forwarded_by = Some(by);
        self.tell_forwarded(cx, below);
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
