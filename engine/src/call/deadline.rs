//! The time that a dialplan lets a call last (`TIMEOUT(absolute)`).

use super::app::{App, CALLER};
use super::script::Doing;
use super::{Below, Call, Calls};
use crate::border::RecordOrder;
use crate::cx::{CallKey, CallTimer, Cx, Timer};
use crate::event::EndCause;
use crate::sip::Status;
use crate::time::Duration;

/// Reason of the BYE or CANCEL to those whom the caller leaves (RFC 3326).
const TIME_IS_UP: &str = "Q.850;cause=16;text=\"Time is up\"";

impl Calls {
    /// The time of a call is up: whatever it does is left, and its walk goes on at `T` or ends.
    pub(super) fn time_is_up(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        call.deadline = None;
        let Some(script) = call.script.as_mut().filter(|_| call.cause.is_none()) else { return };
        if !script.thread.expire(cx.steady_ms()) {
            return;
        }
        let (doing, id) = (std::mem::replace(&mut script.doing, Doing::Going), call.id);
        (script.dial, script.next) = (None, None);
        script.play(None);
        script.over(telex_dialplan::Outcome::Done);
        call.disarm(cx);
        call.forget_keys(cx);
        let aside = call.aside.take();
        call.leave_all(cx, below);
        match doing {
            Doing::Recording { .. } => {
                self.record(cx, id, RecordOrder::Stop);
            }
            Doing::Echo | Doing::Paging => call.put_room(cx),
            Doing::Parked(_) => drop(self.unpark(key)),
            Doing::Conference => {
                let cause = EndCause::TimeUp;
                self.finish(cx, below, key, Status::TEMPORARILY_UNAVAILABLE, cause);
            }
            _ => {}
        }
        let Some(call) = self.all.get_mut(key) else { return };
        if call.cause.is_none() {
            call.put_media(cx);
        }
        // Not before: with a room those who are in it are dropped.
        call.close(cx, aside);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

impl Call {
    /// Lets go of whom the caller has rung or talks with.
    fn leave_all(&mut self, cx: &mut Cx<'_>, below: &mut Below) {
        for party in CALLER + 1..self.parties.len() {
            if !self.waits_aside(party) {
                self.release(cx, below, party, TIME_IS_UP);
            }
        }
        self.peer = None;
        self.app = App::Script;
    }

    /// Arms the timer of the time that the dialplan lets the call last, if that has changed.
    pub(super) fn watch_deadline(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let script = self.script.as_ref().filter(|_| self.cause.is_none());
        let wanted = script.and_then(|script| script.thread.deadline());
        if wanted == self.deadline.map(|(at, _)| at) {
            return;
        }
        if let Some((_, timer)) = self.deadline.take() {
            cx.timers.cancel(timer);
        }
        let Some(at) = wanted else { return };
        let left = Duration::from_millis(at.saturating_sub(cx.steady_ms()).max(0).unsigned_abs());
        let timer = cx.timers.arm(cx.now + left, Timer::Call(key, CallTimer::Deadline));
        self.deadline = Some((at, timer));
    }

    /// There is nothing more to wait for.
    pub(super) fn forget_deadline(&mut self, cx: &mut Cx<'_>) {
        if let Some((_, timer)) = self.deadline.take() {
            cx.timers.cancel(timer);
        }
    }
}
