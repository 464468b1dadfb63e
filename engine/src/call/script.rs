//! A call's walk through the dialplan: the thread says what is to be done, the call does it and tells what came of it.
//!
//! Nothing here recurses: whatever ends what the thread waits for leaves an outcome with the script, and
//! [`Calls::go_on`] hands it to the thread, does what that wants next, and so on until there is something to wait for.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Collect, DialStatus, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::app::App;
use super::causes;
use super::dialling::Dialling;
use super::park::Stay;
use super::trails::Kept;
use super::{Below, Call, Calls};
use crate::cx::{CallKey, Cx};
use crate::event::{EndCause, Event, Rejection};
use crate::limits;
use crate::mediactl::Playing;
use crate::sip::Status;
use crate::time::Instant;

/// A call's walk through the dialplan.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Script {
    /// The number of the plan it walks through.
    pub(super) plan: u32,
    pub(super) thread: Thread,
    /// What the thread knew at first as the number dialled.
    dnid: SmolStr,
    /// What the thread waits for.
    pub(super) doing: Doing,
    /// What came of it. The thread has not been told yet.
    pub(super) outcome: Option<Outcome>,
    /// Keys that were pressed and not asked for yet.
    pub(super) keys: String,
    /// How the last Dial failed: how a caller is refused whom nothing else is said to.
    pub(super) failed: Option<(Status, EndCause)>,
    /// What the caller hears while it is alone, and how many such there have been.
    pub(super) sound: Option<Playing>,
    pub(super) sounds: u32,
    /// What is to be done once the caller is answered.
    pub(super) next: Option<Box<Task>>,
    /// The Dial in progress.
    pub(super) dial: Option<Box<Dialling>>,
    /// Categories and the groups in them that the call is in.
    pub(super) groups: Vec<(SmolStr, SmolStr)>,
    /// Facts that the dialplan has set.
    pub(super) facts: BTreeMap<SmolStr, SmolStr>,
    /// By whom and why the dialplan has sent the call on, as the caller was told.
    pub(super) forwarded_by: Option<(SmolStr, SmolStr)>,
    /// Header fields of the INVITE.
    pub(super) headers: Vec<(SmolStr, SmolStr)>,
    /// How much was done at this moment: what is done over and over without a wait is stopped.
    pub(super) busy: (Instant, u32),
}

/// What a thread waits for.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Doing {
    /// To be told the outcome of what it wanted.
    Going,
    /// The caller's ACK, after which this time passes.
    Acknowledged(crate::time::Duration),
    /// The timer.
    Waiting,
    /// The end of a sound, or one of these keys.
    Playing {
        /// The keys.
        escape: SmolStr,
    },
    /// Keys.
    Collecting(Box<Collecting>),
    /// The caller hears itself.
    Echo,
    /// A sound, until the caller has enough; the timer ends the call.
    Listening,
    /// Music, until the timer.
    Music,
    /// Somebody to answer, or the end of what they talk.
    Dialling,
    /// The end of a recording: a key, silence, or the timer.
    Recording {
        /// The keys.
        ends: SmolStr,
        /// `0` ends it, too.
        operator: bool,
    },
    /// The caller is in a conference.
    Conference,
    /// The caller has been told to call somebody else.
    SendingAway,
    /// It speaks to many, as long as any of them is there.
    Paging,
    /// It is parked.
    Parked(Box<Stay>),
}

/// Keys being collected.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Collecting {
    /// What is wanted.
    pub(super) wanted: Collect,
    /// What has been pressed.
    pub(super) got: String,
    /// Something is being said.
    pub(super) saying: bool,
}

impl Script {
    /// The same for a call that goes elsewhere: it stays in its groups, and what it has learnt remains.
    pub(super) fn after(before: &mut Self, plan: u32, thread: Thread) -> Self {
        let mut script = Self::new(plan, thread, Vec::new());
        script.groups = std::mem::take(&mut before.groups);
        script.facts.clone_from(&before.facts);
        script
    }

    /// A script whose thread has not begun to walk.
    pub(super) fn new(plan: u32, thread: Thread, headers: Vec<(SmolStr, SmolStr)>) -> Self {
        Self {
            plan,
            dnid: thread.caller().dnid.clone(),
            thread,
            doing: Doing::Going,
            outcome: Some(Outcome::Done),
            keys: String::new(),
            failed: None,
            sound: None,
            sounds: 0,
            next: None,
            dial: None,
            groups: Vec::new(),
            facts: BTreeMap::new(),
            forwarded_by: None,
            headers,
            busy: (Instant::ZERO, 0),
        }
    }

    /// The number dialled, where the dialplan has set another one.
    pub(super) fn dnid_set(&self) -> Option<SmolStr> {
        let now = &self.thread.caller().dnid;
        (*now != self.dnid).then(|| now.clone())
    }

    /// This came of what the thread waited for.
    pub(super) fn over(&mut self, outcome: Outcome) {
        self.doing = Doing::Going;
        self.outcome = Some(outcome);
    }

    /// Something else is to be heard.
    pub(super) fn play(&mut self, sound: Option<Playing>) {
        self.sounds += u32::from(sound.is_some());
        self.sound = sound;
    }

    /// Counts what is done at one moment. False when it is too much.
    pub(super) fn may_go_on(&mut self, now: Instant) -> bool {
        if self.busy.0 != now {
            self.busy = (now, 0);
        }
        self.busy.1 += 1;
        self.busy.1 <= limits::TASKS_AT_ONCE
    }
}

impl Calls {
    /// Lets the thread of a call go on as long as there is an outcome to tell it.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        self.walk_on(cx, below, key);
        self.introduce(cx, below, key);
    }

    fn walk_on(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        loop {
            let Some(call) = self.all.get_mut(key) else { return };
            if call.cause.is_some() {
                return self.conclude(cx, below, key);
            }
            if self.go_apart(cx, below, key) {
                continue;
            }
            let Some(call) = self.all.get_mut(key) else { return };
            call.watch_deadline(cx, key);
            if call.transfer.as_ref().is_some_and(|transfer| transfer.failed.is_some()) {
                self.take_back(cx, below, key);
                // Once more: the time that the call may last is that of the walk before.
                continue;
            }
            let Some(script) = &mut call.script else { return };
            let Some(outcome) = script.outcome.take() else { return };
            if !script.may_go_on(cx.now) {
                let text = "the dialplan goes round without ever waiting: the call is ended";
                call.warn(cx, text);
                let cause = EndCause::Dialplan(causes::CONGESTION);
                self.finish(cx, below, key, Status::SERVER_INTERNAL_ERROR, cause);
                continue;
            }
            match self.walk(cx, below, key, outcome) {
                Some(task) => self.begin(cx, below, key, task),
                None => self.fall_out(cx, below, key),
            }
        }
    }

    /// What a call's thread waits for, the keys it has, and whether a timer runs.
    #[cfg(test)]
    pub(crate) fn doing(&self, id: u64) -> Option<(String, String, bool)> {
        let call = self.all.get(*self.by_id.get(&id)?).filter(|call| call.cause.is_none())?;
        let doing = &call.script.as_ref()?.doing;
        let name: String = format!("{doing:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
        let got =
            if let Doing::Collecting(collecting) = doing { collecting.got.clone() } else { String::new() };
        Some((name, got, call.timer.is_some()))
    }

    /// The media leg of the caller of a call.
    #[cfg(test)]
    pub(crate) fn leg_of(&self, id: u64) -> Option<crate::mediactl::LegId> {
        let call = self.all.get(*self.by_id.get(&id)?)?;
        call.parties.first().map(|caller| caller.media.id)
    }

    /// Tells one collecting of keys of a call from the next.
    #[cfg(test)]
    pub(crate) fn collects(&self, id: u64) -> Option<String> {
        let call = self.all.get(*self.by_id.get(&id)?)?;
        let script = call.script.as_ref()?;
        Some(format!("{:?}", script.thread))
    }

    /// Tells the thread an outcome and gets what it wants next.
    pub(super) fn walk(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        outcome: Outcome,
    ) -> Option<Task> {
        let walk = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            thread.resume(outcome);
            thread.next(plan, world)
        };
        self.with_thread(cx, below, key, None, walk)?
    }

    /// The dialplan has nothing more for a call that is still there.
    pub(super) fn fall_out(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let failed = call.script.as_mut().and_then(|script| script.failed.take());
        let usual = (Status::TEMPORARILY_UNAVAILABLE, EndCause::Dialplan(causes::NORMAL));
        let (status, cause) = failed.unwrap_or(usual);
        self.finish(cx, below, key, status, cause);
    }

    /// Ends a call: refuses a caller that was not answered.
    pub(super) fn finish(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        status: Status,
        cause: EndCause,
    ) {
        let Some(call) = self.all.get_mut(key) else { return };
        let answered = call.answered.is_some();
        call.app = App::Done;
        let cause = ended(answered, status, cause);
        if let Some(script) = &mut call.script {
            script.over(causes::outcome_of(&cause));
        }
        if call.can_be_taken_back()
            && let Some(transfer) = &mut call.transfer
        {
            transfer.failed = Some(status);
            return;
        }
        match answered {
            true => self.end(cx, below, key, cause),
            false => self.refuse(cx, below, key, status, cause),
        }
    }

    /// The call has ended: the extension `h`, and then its walk is kept for those who ask.
    fn conclude(&mut self, cx: &mut Cx<'_>, below: &Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(outcome) = call.cause.as_ref().map(causes::outcome_of) else { return };
        if call.script.is_none() {
            return;
        }
        self.say_farewell(cx, below, key);
        self.walk_out(cx, below, key, outcome);
        let Some(call) = self.all.get_mut(key) else { return };
        call.remember_did();
        let Some(script) = call.script.take() else { return };
        let (id, from, to) = (call.id, call.from.clone(), call.to.clone());
        let (since, plan) = (call.since, script.plan);
        let text = format!("{}", script.thread.trail().told(&self.plans.get(plan)));
        if !cx.planted.is(crate::planted::Fault::GroupNotLeft) {
            self.values.leave_groups(&script.groups);
        }
        self.plans.release(script.plan);
        if let Some(transfer) = call.transfer.take() {
            self.plans.release(transfer.before.plan);
        }
        self.trails.keep(Kept { call: id, since, from, to, plan, text });
    }
}

/// Nothing is done for a caller who is gone.
pub(super) const GONE: &str = "the caller has hung up";

/// Why a call ends that its dialplan ends so: a caller that was not answered is refused.
pub(super) fn ended(answered: bool, status: Status, cause: EndCause) -> EndCause {
    match cause {
        EndCause::Dialplan(cause) if !answered => {
            EndCause::Refused(Rejection { status: status.code(), cause })
        }
        // How a Dial before failed is not how a call ends that was answered.
        EndCause::Refused(_) | EndCause::NoAnswer if answered => EndCause::Dialplan(causes::NORMAL),
        cause => cause,
    }
}

/// What a Dial came to that nobody answered.
pub(super) fn failed_dial(status: Status, cause: &EndCause) -> Outcome {
    let dial_status = match cause {
        EndCause::NoAnswer => DialStatus::NoAnswer,
        _ => causes::dial_status(status),
    };
    Outcome::Dialled { status: dial_status, cause: cause.q850(), answered: crate::time::Duration::ZERO }
}

impl Call {
    /// A complaint about the dialplan.
    pub(super) fn warn(&self, cx: &mut Cx<'_>, text: impl Into<SmolStr>) {
        let loudness = crate::event::Severity::Warning;
        cx.report(Event::Dialplan { call: self.id, loudness, text: text.into() });
    }

    /// A Dial has ended without an answer, and with this. False when it was not the dialplan's.
    pub(super) fn dial_failed(&mut self, cx: &mut Cx<'_>, status: Status, cause: &EndCause) -> bool {
        let over = matches!(cause, EndCause::Refused(_) | EndCause::NoAnswer)
            && status != Status::REQUEST_TERMINATED;
        if !over || self.cause.is_some() || self.script.is_none() {
            return false;
        }
        self.disarm(cx);
        self.peer = None;
        let Some(script) = &mut self.script else { return false };
        script.failed = Some((status, cause.clone()));
        script.dial = None;
        script.play(None);
        script.over(failed_dial(status, cause));
        self.app = App::Script;
        // Music before the answer ends, too.
        self.put_media(cx);
        true
    }

    /// Two have talked, and now one is gone: whether the caller's walk goes on, because the callee went and the
    /// dialplan wants it so.
    pub(super) fn goes_on_after(&self, cause: &EndCause) -> bool {
        use crate::event::Side::Callee;
        let callee =
            matches!(cause, EndCause::HungUp(Callee) | EndCause::Lost(Callee) | EndCause::Silent(Callee));
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let wanted = dial.is_some_and(|dial| dial.goes_on && dial.answered.is_some());
        wanted && (callee || matches!(cause, EndCause::TimeUp))
    }

    /// The callee is gone, and the dialplan goes on with the caller.
    pub(super) fn after_talk(&mut self, cx: &mut Cx<'_>, below: &mut Below) {
        self.disarm(cx);
        self.forget_keys(cx);
        if let Some(peer) = self.peer.take() {
            self.release(cx, below, peer, "SIP;cause=200;text=\"The call goes on elsewhere\"");
        }
        let Some(script) = &mut self.script else { return };
        let answered = script.dial.take().and_then(|dial| dial.answered);
        let answered = answered.map_or(crate::time::Duration::ZERO, |at| cx.now.since(at));
        script.failed = None;
        script.over(Outcome::Dialled { status: DialStatus::Answer, cause: causes::NORMAL, answered });
        // Who was about to dial where the other one goes has nobody to hand over any more.
        let aside = self.aside.take();
        self.app = App::Script;
        self.put_media(cx);
        self.close(cx, aside);
    }

    /// For what a caller is told of a refusal: what it was, and how to ask why (RFC 3326, RFC 6432).
    pub(super) fn reason(&self, cause: &EndCause) -> SmolStr {
        reason(cause, &crate::cdr::unique(self.since, self.id))
    }
}

/// A Reason header field that leads to the explanation of a call, by the name of its record.
pub(super) fn reason(cause: &EndCause, call: &str) -> SmolStr {
    let (cause, words) = causes::reason_of(cause);
    format_smolstr!("Q.850;cause={cause};text=\"{words}, explain {call}\"")
}
