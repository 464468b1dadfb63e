//! A callee that answers runs a subroutine of the dialplan before it is connected (options `A` and `U` of Dial), and
//! each may have one run before it is asked (`b`).

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Routine, Say, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::app::{App, AppEvent, PartyId};
use super::aside::Errand;
use super::world::Sight;
use super::{Below, Call, Calls, causes};
use crate::cx::{CallKey, Cx};
use crate::event::EndCause;
use crate::limits;
use crate::sip::Status;

/// Tells a phone that it answered and does not talk (RFC 3326).
const NOT_CONNECTED: &str = "SIP;cause=200;text=\"Not connected\"";

impl Calls {
    /// A callee that answered is asked, or told something, before it is connected.
    pub(super) fn screen(&mut self, cx: &mut Cx<'_>, below: &Below, key: CallKey, party: PartyId) {
        let Some(call) = self.all.get_mut(key) else { return };
        call.disarm(cx);
        let dial = call.script.as_ref().and_then(|script| script.dial.as_ref());
        let routine = dial.and_then(|dial| dial.on_answer.clone());
        let say = dial.and_then(|dial| dial.announcement.clone()).map(Say::Prompt);
        let mut facts = call.facts_for_callee();
        let callee = call.callee(cx, party);
        let made = routine.and_then(|routine| {
            let begin = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
                thread.routine(&routine, callee, plan, world).inspect_err(|why| {
                    thread.remark(format_smolstr!("U: {why}"));
                })
            };
            self.for_callee(cx, below, key, &mut facts, begin)?.ok()
        });
        let errand = Errand::Screening { thread: made.map(Box::new), facts };
        self.put_apart(cx, key, party, errand);
        let Some(call) = self.all.get_mut(key) else { return };
        call.parties[party].answered = Some(cx.wall);
        call.peer = None;
        let first = Task::Play { say: say.into_iter().collect(), escape: SmolStr::default(), answer: false };
        call.begin_apart(cx, key, first);
    }

    /// Lets the dialplan of a call work for a callee of it.
    pub(super) fn for_callee<R>(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        facts: &mut BTreeMap<SmolStr, SmolStr>,
        work: impl FnOnce(&mut Thread, &Dialplan, &mut dyn World) -> R,
    ) -> Option<R> {
        let mut script = self.all.get_mut(key)?.script.take()?;
        let plan = self.plans.get(script.plan);
        let call = self.all.get(key)?;
        let mut sight = Sight {
            cx,
            registrar: &below.registrar,
            values: &mut self.values,
            calls: &self.all,
            lines: &self.lines,
            call,
            failed: None,
            groups: &mut script.groups,
            parked: &self.parked,
            facts,
            headers: &[],
        };
        let done = work(&mut script.thread, &plan, &mut sight);
        self.all.get_mut(key)?.script = Some(script);
        Some(done)
    }

    /// What a subroutine adds to the INVITE of a callee that is about to be asked (option `b` of Dial). `None` when it
    /// hangs up on it.
    pub(super) fn before_asking(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        party: PartyId,
        routine: &Routine,
    ) -> Option<Vec<(SmolStr, SmolStr)>> {
        let call = self.all.get(key)?;
        let (mut facts, callee) = (call.facts_for_callee(), call.callee(cx, party));
        let whose = callee.number.clone();
        let run = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            let mut routine = match thread.routine(routine, callee, plan, world) {
                Ok(routine) => routine,
                Err(why) => {
                    thread.remark(format_smolstr!("b: {why}"));
                    return Some(Vec::new());
                }
            };
            let mut asked = true;
            for _ in 0..limits::TASKS_AT_ONCE {
                match routine.next(plan, world) {
                    Some(Task::Hangup { .. }) => asked = false,
                    Some(_) => routine.resume(Outcome::Refused("the phone is not rung yet".into())),
                    None => break,
                }
                if !asked {
                    break;
                }
            }
            thread.tell_of(&routine, &whose);
            asked.then(|| routine.headers().to_vec())
        };
        self.for_callee(cx, below, key, &mut facts, run)?
    }

    /// Walks on with the subroutine of a callee.
    pub(super) fn screened_on(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, outcome: Outcome) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(mut aside) = call.aside.take() else { return };
        let Errand::Screening { thread, facts } = &mut aside.errand else { return };
        let Some(routine) = thread else {
            call.aside = Some(aside);
            return self.accepted(cx, below, key);
        };
        let busy = call.script.as_mut().is_some_and(|script| !script.may_go_on(cx.now));
        let walk = |_: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            routine.resume(outcome);
            routine.next(plan, world)
        };
        let task = self.for_callee(cx, below, key, facts, walk).flatten().filter(|_| !busy);
        let Some(call) = self.all.get_mut(key) else { return };
        let ends = matches!(task, Some(Task::Hangup { .. } | Task::Busy(_) | Task::Congestion(_)));
        if let Some(task) = task.filter(|_| !ends) {
            call.aside = Some(aside);
            call.begin_apart(cx, key, task);
            return self.collect_apart(cx, key);
        }
        let result = routine.variable("GOSUB_RESULT").or_else(|| routine.variable("MACRO_RESULT"));
        let verdict = SmolStr::new(result.filter(|_| routine.has_returned()).unwrap_or_default());
        let (returned, whose) = (routine.has_returned(), call.parties[aside.party].extension.clone());
        if let Some(script) = &mut call.script {
            script.thread.tell_of(routine, &whose);
        }
        call.aside = Some(aside);
        match returned {
            true => self.judged(cx, below, key, &verdict),
            false => self.directed_away(cx, below, key, None),
        }
    }

    /// What the subroutine of a callee says shall be done.
    fn judged(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, verdict: &SmolStr) {
        let upper = verdict.to_ascii_uppercase();
        match upper.as_str() {
            "" => self.accepted(cx, below, key),
            "BUSY" => self.directed_away(cx, below, key, Some(Status::BUSY_HERE)),
            "CONGESTION" => self.directed_away(cx, below, key, Some(Status::SERVICE_UNAVAILABLE)),
            "CONTINUE" => self.caller_goes(cx, below, key, vec![SmolStr::new_static("n")]),
            "ABORT" => {
                let Some(call) = self.all.get_mut(key) else { return };
                let Some(aside) = call.aside.take() else { return };
                // Who has handed the call over may have it back: nobody else is left in it then.
                call.release(cx, below, aside.party, NOT_CONNECTED);
                call.close(cx, Some(aside));
                let cause = EndCause::Dialplan(causes::NORMAL);
                self.finish(cx, below, key, Status::TEMPORARILY_UNAVAILABLE, cause);
            }
            _ if upper.starts_with("GOTO:") => {
                let place = verdict["GOTO:".len()..].split(['^', ',']).map(|part| part.trim().into());
                self.caller_goes(cx, below, key, place.collect());
            }
            _ => {
                let text = format_smolstr!("GOSUB_RESULT is `{verdict}`, which means nothing: connected");
                if let Some(call) = self.all.get(key) {
                    call.warn(cx, text);
                }
                self.accepted(cx, below, key);
            }
        }
    }

    /// The callee is connected.
    fn accepted(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(aside) = self.all.get_mut(key).and_then(|call| call.aside.take()) else { return };
        self.apply(cx, below, key, AppEvent::Answered { party: aside.party });
        self.close_apart(cx, key, aside);
    }

    /// The callee is not connected: it hung up, or this is what the caller hears of it.
    fn directed_away(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, status: Option<Status>) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.take() else { return };
        let party = aside.party;
        call.release(cx, below, party, NOT_CONNECTED);
        self.close_apart(cx, key, aside);
        self.apply(cx, below, key, AppEvent::Refused { party, status });
    }

    /// The callee is let go, and the caller's walk goes on somewhere.
    fn caller_goes(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, place: Vec<SmolStr>) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.take() else { return };
        call.release(cx, below, aside.party, NOT_CONNECTED);
        call.app = App::Script;
        if let Some(script) = &mut call.script {
            (script.dial, script.failed) = (None, None);
            script.play(None);
            script.over(Outcome::Goto(place));
        }
        call.put_media(cx);
        self.close_apart(cx, key, aside);
    }
}

impl Call {
    /// Who a callee is on its own channel.
    pub(super) fn callee(&self, cx: &Cx<'_>, party: PartyId) -> Caller {
        let number = self.parties[party].extension.clone();
        let name = cx.config.phones.get(&number).map(|phone| phone.name.clone()).unwrap_or_default();
        Caller { number, name, ..Caller::default() }
    }

    /// Whom the channel of a callee is connected with, and what it speaks.
    pub(super) fn facts_for_callee(&self) -> BTreeMap<SmolStr, SmolStr> {
        let Some(script) = &self.script else { return BTreeMap::new() };
        let caller = script.thread.caller();
        let language = script.facts.get("language").map(|language| ("language", language.clone()));
        let who = [("connected/num", caller.number.clone()), ("connected/name", caller.name.clone())];
        who.into_iter().chain(language).map(|(name, value)| (name.into(), value)).collect()
    }
}
