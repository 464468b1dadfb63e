//! A callee that answers runs a subroutine of the dialplan before it is connected (options `A` and `U` of Dial), and
//! each may have one run before it is asked (`b`).

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Routine, Say, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::app::{App, AppEvent, PartyId};
use super::aside::Errand;
use super::walks::{Facts, Live, Walks};
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
        let phone = call.parties[party].extension.clone();
        let mut facts = call.facts_for_callee();
        let mut live = Live { calls: self, below, key };
        let thread = routine.and_then(|routine| begun(&mut live, cx, &phone, &routine, &mut facts));
        let errand = Errand::Screening { thread: thread.map(Box::new), facts };
        self.put_apart(cx, key, party, errand);
        let Some(call) = self.all.get_mut(key) else { return };
        call.parties[party].answered = Some(cx.wall);
        call.peer = None;
        let first = Task::Play { say: say.into_iter().collect(), escape: SmolStr::default(), answer: false };
        call.begin_apart(cx, key, first);
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
        let task = self.with_thread(cx, below, key, Some(facts), walk).flatten().filter(|_| !busy);
        let Some(call) = self.all.get_mut(key) else { return };
        let ends = matches!(task, Some(Task::Hangup { .. } | Task::Busy(_) | Task::Congestion(_)));
        if let Some(task) = task.filter(|_| !ends) {
            call.aside = Some(aside);
            call.begin_apart(cx, key, task);
            return self.collect_apart(cx, key);
        }
        let verdict = verdict(routine);
        let (returned, whose) = (routine.has_returned(), call.parties[aside.party].extension.clone());
        if let Some(script) = &mut call.script {
            script.thread.tell_of(routine, &whose);
        }
        call.aside = Some(aside);
        match returned {
            true => self.judged(cx, below, key, verdict),
            false => self.directed_away(cx, below, key, None),
        }
    }

    /// What the subroutine of a callee says shall be done.
    fn judged(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, verdict: Verdict) {
        match verdict {
            Verdict::Connect => self.accepted(cx, below, key),
            Verdict::Refuse(status) => self.directed_away(cx, below, key, Some(status)),
            Verdict::CallerGoes(place) => self.caller_goes(cx, below, key, place),
            Verdict::End => {
                let Some(call) = self.all.get_mut(key) else { return };
                let Some(aside) = call.aside.take() else { return };
                // Who has handed the call over may have it back: nobody else is left in it then.
                call.release(cx, below, aside.party, NOT_CONNECTED);
                call.close(cx, Some(aside));
                let cause = EndCause::Dialplan(causes::NORMAL);
                self.finish(cx, below, key, Status::TEMPORARILY_UNAVAILABLE, cause);
            }
            Verdict::Unknown(text) => {
                let text = format_smolstr!("GOSUB_RESULT is `{text}`, which means nothing: connected");
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

/// What the subroutine of a callee that answered says shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is connected.
    Connect,
    /// It is let go, and this is what the caller hears of it.
    Refuse(Status),
    /// It is let go, and the caller's walk goes on there.
    CallerGoes(Vec<SmolStr>),
    /// The call ends.
    End,
    /// It is connected, since this means nothing.
    Unknown(SmolStr),
}

/// What a subroutine that came back has left in `GOSUB_RESULT`.
pub(super) fn verdict(routine: &Thread) -> Verdict {
    let result = routine.variable("GOSUB_RESULT").or_else(|| routine.variable("MACRO_RESULT"));
    let result = result.filter(|_| routine.has_returned()).unwrap_or_default();
    let upper = result.to_ascii_uppercase();
    match upper.as_str() {
        "" => Verdict::Connect,
        "BUSY" => Verdict::Refuse(Status::BUSY_HERE),
        "CONGESTION" => Verdict::Refuse(Status::SERVICE_UNAVAILABLE),
        "CONTINUE" => Verdict::CallerGoes(vec![SmolStr::new_static("n")]),
        "ABORT" => Verdict::End,
        _ if upper.starts_with("GOTO:") => {
            let place = result["GOTO:".len()..].split(['^', ',']).map(|part| part.trim().into());
            Verdict::CallerGoes(place.collect())
        }
        _ => Verdict::Unknown(result.into()),
    }
}

/// The subroutine of a callee that answered, before its first step; `None` when it cannot be begun.
pub(super) fn begun(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    phone: &SmolStr,
    routine: &Routine,
    facts: &mut Facts,
) -> Option<Thread> {
    let callee = callee(cx, phone);
    let mut made = None;
    walks.look(cx, Some(facts), &mut |thread, plan, world| match thread.routine(
        routine,
        callee.clone(),
        plan,
        world,
    ) {
        Ok(routine) => made = Some(routine),
        Err(why) => thread.remark(format_smolstr!("U: {why}")),
    });
    made
}

/// What a subroutine adds to the INVITE of a callee that is about to be asked (option `b` of Dial). `None` when it
/// hangs up on it.
pub(super) fn before_asking(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    phone: &SmolStr,
    routine: &Routine,
) -> Option<Vec<(SmolStr, SmolStr)>> {
    let callee = callee(cx, phone);
    let mut facts = walks.call()?.facts_for_callee();
    let mut headers = None;
    walks.look(cx, Some(&mut facts), &mut |thread, plan, world| {
        let mut routine = match thread.routine(routine, callee.clone(), plan, world) {
            Ok(routine) => routine,
            Err(why) => {
                thread.remark(format_smolstr!("b: {why}"));
                headers = Some(Vec::new());
                return;
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
        thread.tell_of(&routine, phone);
        headers = asked.then(|| routine.headers().to_vec());
    });
    headers
}

/// Who a callee is on its own channel.
pub(super) fn callee(cx: &Cx<'_>, phone: &SmolStr) -> Caller {
    let name = cx.config.phones.get(phone).map(|phone| phone.name.clone()).unwrap_or_default();
    Caller { number: phone.clone(), name, ..Caller::default() }
}

impl Call {
    /// Whom the channel of a callee is connected with, and what it speaks.
    pub(super) fn facts_for_callee(&self) -> Facts {
        let Some(script) = &self.script else { return Facts::new() };
        let caller = script.thread.caller();
        let language = script.facts.get("language").map(|language| ("language", language.clone()));
        let who = [("connected/num", caller.number.clone()), ("connected/name", caller.name.clone())];
        who.into_iter().chain(language).map(|(name, value)| (name.into(), value)).collect()
    }
}
