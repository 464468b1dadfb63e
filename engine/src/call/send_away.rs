//! The application Transfer: the caller is told to call somebody else, by 302 before it is answered, by REFER after.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::{Outcome, Thread};

use super::app::{App, CALLER, PartyId};
use super::script::Doing;
use super::{Below, Call, Calls, causes};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::event::{EndCause, Rejection};
use crate::limits;
use crate::sip::Status;

type Begun = Result<Doing, Outcome>;

impl Calls {
    /// Tells the caller to call somebody else.
    pub(super) fn send_away(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, to: &str) -> Begun {
        let Some(call) = self.all.get_mut(key) else { return Err(Outcome::Done) };
        let to = whom(to);
        let Some(leg) = call.leg(CALLER) else { return Err(Outcome::Done) };
        if call.answered.is_some() {
            if !below.sessions.send_away(cx, &mut below.stack, leg, to) {
                return Err(transferred("FAILURE", None));
            }
            call.arm(cx, key, limits::SENT_AWAY, CallTimer::Script);
            return Ok(Doing::SendingAway);
        }
        if !below.sessions.redirect(cx, &mut below.stack, leg, to) {
            return Err(transferred("FAILURE", None));
        }
        call.parties[CALLER].leg = None;
        call.app = App::Done;
        if let Some(script) = &mut call.script {
            told_to_call(&mut script.thread, to);
        }
        let moved = Rejection { status: Status::MOVED_TEMPORARILY.code(), cause: causes::NORMAL };
        self.end(cx, below, key, EndCause::Refused(moved));
        Err(Outcome::Done)
    }

    /// The caller has told what came of it.
    pub(super) fn heard_of_sending(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        status: Status,
    ) {
        let Some(call) = self.all.get_mut(key) else { return };
        if party != CALLER || !call.is_sending_away() {
            return;
        }
        call.disarm(cx);
        if let Some(script) = &mut call.script {
            let word = if status.is_success() { "SUCCESS" } else { "FAILURE" };
            script.over(transferred(word, Some(status)));
        }
        self.advance(cx, below, key);
    }
}

impl Call {
    fn is_sending_away(&self) -> bool {
        matches!(self.script.as_ref().map(|script| &script.doing), Some(Doing::SendingAway))
    }
}

/// Whom an order means. A technology says nothing here: all phones speak SIP.
pub(super) fn whom(to: &str) -> &str {
    let technology = |name: &&str| to.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
    ["PJSIP/", "SIP/"].iter().find(|name| technology(name)).map_or(to, |name| &to[name.len()..])
}

/// A caller that was not answered has been told to call somebody else.
pub(super) fn told_to_call(thread: &mut Thread, to: &str) {
    thread.set("TRANSFERSTATUS", "SUCCESS");
    thread.remark(format_smolstr!("told to call {to}"));
}

/// What the dialplan is told.
pub(super) fn transferred(word: &'static str, status: Option<Status>) -> Outcome {
    let code = status.map_or(0, Status::code);
    Outcome::Set(vec![
        (SmolStr::new_static("TRANSFERSTATUS"), SmolStr::new_static(word)),
        (SmolStr::new_static("TRANSFERSTATUSPROTOCOL"), format_smolstr!("{code}")),
    ])
}
