//! Ways out of a Dial that it names itself: a key of the caller while it rings (option `d`), the callee's own walk when
//! the caller has hung up (`F`), and the extension `h` for the callee (`e`).

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::{Dialplan, Moment, Outcome, Thread, World};

use super::app::{App, CALLER};
use super::screening::callee;
use super::script::{GONE, Script};
use super::walks::{Live, Walks};
use super::{Below, Call, Calls, causes};
use crate::cx::{CallKey, Cx};
use crate::event::{EndCause, Side};
use crate::limits;

/// Tells a phone that stops ringing that the caller wants somebody else (RFC 3326).
const LEFT: &str = "SIP;cause=487;text=\"Caller chose otherwise\"";
/// Reason of a BYE to a caller of whom nothing is heard any more.
const CALLER_LOST: &str = "SIP;cause=408;text=\"No media arrives\"";

impl Calls {
    /// A key of a caller for whom others ring. False when its Dial has no use of it.
    pub(super) fn leave_dial(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        digit: char,
    ) -> bool {
        let Some(call) = self.all.get_mut(key).filter(|call| call.may_leave_dial()) else { return false };
        let Some(script) = &call.script else { return false };
        let plan = self.plans.get(script.plan);
        let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &cx.config.zone);
        // Any other key is no wish to leave.
        let Some((context, extension)) = script.thread.way_out(digit, &plan, now) else { return true };
        call.disarm(cx);
        let aside = call.aside.take();
        for party in CALLER + 1..call.parties.len() {
            if !call.waits_aside(party) {
                call.release(cx, below, party, LEFT);
            }
        }
        call.peer = None;
        call.app = App::Script;
        if let Some(script) = &mut call.script {
            (script.dial, script.failed) = (None, None);
            script.play(None);
            script.over(Outcome::Left { context, extension });
        }
        call.put_media(cx);
        call.close(cx, aside);
        true
    }

    /// The caller has hung up, and the callee goes on by itself.
    pub(super) fn go_onward(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, cause: EndCause) {
        let Some(call) = self.all.get_mut(key) else { return };
        let dial = call.script.as_ref().and_then(|script| script.dial.as_ref());
        let (Some(peer), Some(place)) = (call.peer, dial.and_then(|dial| dial.onward.clone())) else {
            return;
        };
        let whose = call.parties[peer].extension.clone();
        let (mut facts, callee) = (call.facts_for_callee(), callee(cx, &whose));
        let begin = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            thread.onward(&place, callee, plan, world).inspect_err(|why| {
                thread.remark(format_smolstr!("F: {why}"));
            })
        };
        let Some(Ok(mut thread)) = self.with_thread(cx, below, key, Some(&mut facts), begin) else {
            return self.end(cx, below, key, cause);
        };
        self.walk_out(cx, below, key, causes::outcome_of(&cause));
        let Some(call) = self.all.get_mut(key) else { return };
        call.remember_did();
        let Some(mut before) = call.script.take() else { return };
        before.thread.remark(format_smolstr!("the caller has hung up: {whose} goes on"));
        thread.follow(&before.thread);
        let (plan, to) = (before.plan, thread.place().extension.clone());
        let mut script = Script::after(&mut before, plan, thread);
        script.facts.retain(|name, _| !name.starts_with("connected/"));
        call.disarm(cx);
        call.forget_keys(cx);
        call.forget_deadline(cx);
        let aside = call.aside.take();
        call.release(cx, below, CALLER, CALLER_LOST);
        call.parties.swap(CALLER, peer);
        (call.peer, call.app) = (None, App::Script);
        call.script = Some(Box::new(script));
        // Those who look at calls see who is there.
        call.between = Some((whose, to));
        call.put_media(cx);
        call.close(cx, aside);
        call.keep_record(cx);
        self.lines.touch(key);
    }

    /// The callee of a talk that is over does what the extension `h` says, if its Dial wants that.
    pub(super) fn say_farewell(&mut self, cx: &mut Cx<'_>, below: &Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(dial) = call.script.as_mut().and_then(|script| script.dial.as_mut()) else { return };
        let wanted = std::mem::take(&mut dial.says_farewell) && dial.answered.is_some();
        let Some(peer) = call.peer.filter(|_| wanted) else { return };
        let cause = call.cause.as_ref().map_or(causes::NORMAL, EndCause::q850);
        let phone = call.parties[peer].extension.clone();
        farewell(&mut Live { calls: self, below, key }, cx, &phone, cause);
    }

    /// The walk of a caller that is gone: the extension `h`, and nothing after it.
    pub(super) fn walk_out(&mut self, cx: &mut Cx<'_>, below: &Below, key: CallKey, mut outcome: Outcome) {
        for _ in 0..limits::TASKS_AT_ONCE {
            if self.walk(cx, below, key, outcome).is_none() {
                break;
            }
            outcome = Outcome::Refused(SmolStr::new_static(GONE));
        }
    }
}

/// A callee that is gone does what the extension `h` says.
pub(super) fn farewell(walks: &mut dyn Walks, cx: &mut Cx<'_>, phone: &SmolStr, cause: u8) {
    let Some(mut facts) = walks.call().map(Call::facts_for_callee) else { return };
    let callee = callee(cx, phone);
    walks.look(cx, Some(&mut facts), &mut |thread, plan, world| {
        let mut farewell = thread.farewell(callee.clone(), cause);
        for _ in 0..limits::TASKS_AT_ONCE {
            if farewell.next(plan, world).is_none() {
                break;
            }
            farewell.resume(Outcome::Refused(SmolStr::new_static(GONE)));
        }
        thread.tell_of(&farewell, phone);
    });
}

impl Call {
    /// Whether a key of the caller may end what rings for it.
    pub(super) fn may_leave_dial(&self) -> bool {
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        matches!(self.app, App::Hunt(_)) && dial.is_some_and(|dial| dial.is_left_by_keys)
    }

    /// Whether the callee goes on by itself now that the caller is gone.
    pub(super) fn goes_onward(&self, cause: &EndCause) -> bool {
        let gone = matches!(
            cause,
            EndCause::HungUp(Side::Caller) | EndCause::Lost(Side::Caller) | EndCause::Silent(Side::Caller)
        );
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let wanted = dial.is_some_and(|dial| dial.onward.is_some() && dial.answered.is_some());
        let there = self.peer.is_some_and(|peer| self.leg(peer).is_some());
        gone && wanted && there && self.transfer.is_none() && self.cause.is_none()
    }
}
