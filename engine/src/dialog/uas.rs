//! A session we were invited to: provisional answers, the answer, its ACK (RFC 3261 §13.3, RFC 3262).

use bytes::Bytes;

use super::Ending;
use super::session::{
    Heard, Invited, LegEvent, Phase, Reliable, Role, Session, Theirs, Unacked, asked, description, is_sdp,
};
use super::session_timer::{Refresher, SessionTimer};
use super::sessions::{REASON_LOST, Sessions, Stack, arm, capabilities};
use super::state::Dialog;
use crate::cx::{CallKey, Cx, LegKey, LegTimer, ServerKey};
use crate::limits;
use crate::planted::Fault;
use crate::sip::{HeaderName, Message, Method, ParseError, Status};
use crate::time::Duration;
use crate::transaction::Reply;

/// A proxy gives up on an INVITE that is silent for three minutes (§16.6 timer C); we speak every minute (§13.3.1.1).
const PROGRESS_GAP: Duration = Duration::from_secs(60);

impl Sessions {
    /// Opens the session of an INVITE outside any dialog.
    pub(crate) fn invited_by(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        call: CallKey,
        by: &Invited<'_>,
    ) -> Result<LegKey, ParseError> {
        let Invited { txn, invite, flow, user } = *by;
        let tag = cx.rng.tag.token::<12>();
        let dialog = Dialog::as_uas(invite, flow, tag)?;
        let updates = invite.has_token(HeaderName::Allow, "UPDATE");
        let role = Role::Uas {
            txn,
            cseq: invite.cseq()?.number,
            reliable: invite.has_token(HeaderName::Require, "100rel"),
            asked: asked(invite),
        };
        let contact = stack.contact(flow, user);
        let mut session = Session::new(call, role, Some(dialog), contact, updates);
        session.learn(invite);
        let leg = self.insert(session);
        self.place(cx, stack, leg, None);
        self.owns_server(txn, leg);
        Ok(leg)
    }

    /// Whether the caller takes provisional responses only reliably.
    pub(crate) fn is_reliable(&self, leg: LegKey) -> bool {
        let role = self.all.get(leg).map(|session| &session.role);
        matches!(role, Some(Role::Uas { reliable: true, .. }))
    }

    /// Gives a provisional response (101 to 199), reliably when the caller requires it.
    pub(crate) fn progress(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
        body: Bytes,
    ) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Role::Uas { txn, reliable, .. } = session.role else { return };
        if session.phase != Phase::Inviting {
            return;
        }
        if !body.is_empty() {
            session.body = body.clone();
        }
        if reliable {
            if session.reliable.is_some() {
                session.held_progress = Some((status, body));
            } else {
                session.send_reliable(cx, stack, leg, txn, status, body);
            }
            return;
        }
        session.progress = Some((status, body));
        session.send_progress(cx, stack, txn);
        session.arm_retry(cx, leg, PROGRESS_GAP, LegTimer::Progress);
    }

    pub(super) fn repeat_progress(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        session.retry_key = None;
        if let (Role::Uas { txn, .. }, Phase::Inviting) = (&session.role, session.phase) {
            let txn = *txn;
            session.send_progress(cx, stack, txn);
            session.arm_retry(cx, leg, PROGRESS_GAP, LegTimer::Progress);
        }
    }

    /// Answers the INVITE: 200 with our session description, repeated until the ACK.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, body: Bytes) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Role::Uas { txn, cseq, asked, .. } = session.role else { return };
        if session.phase != Phase::Inviting {
            return;
        }
        if session.reliable.as_ref().is_some_and(|r| !r.body.is_empty()) {
            session.held_answer = Some(body);
            return;
        }
        session.phase = Phase::Up;
        session.body = body;
        session.held_progress = None;
        if let Some(reliable) = session.reliable.take() {
            cx.timers.cancel(reliable.again);
            cx.timers.cancel(reliable.give_up);
            session.overtaken = Some(reliable.rseq);
        }
        if let Some(key) = session.retry_key.take() {
            cx.timers.cancel(key);
        }
        // The request was admitted only with an interval we can keep.
        session.timer = SessionTimer::for_uas(asked, &cx.config.session).ok();
        session.send_2xx(cx, stack, leg, txn, cseq);
        session.arm_session_timer(cx, leg);
    }

    /// Refuses the INVITE, with a Reason unless that is empty (RFC 6432); the session is gone.
    pub(crate) fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
        reason: &str,
    ) {
        let Some(session) = self.all.get(leg) else { return };
        if let (Role::Uas { txn, .. }, Phase::Inviting) = (&session.role, session.phase) {
            let mut reply = session.reply(status);
            if !reason.is_empty() {
                reply = reply.header(HeaderName::Reason, reason);
            }
            if status == Status::SERVICE_UNAVAILABLE {
                reply = reply.header(HeaderName::RetryAfter, limits::RETRY_CALL_AFTER);
            }
            stack.respond(cx, *txn, &reply);
            self.remove(cx, stack, leg);
        }
    }

    /// The ACK to our 2xx.
    pub(super) fn acked(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let number = message.cseq().ok()?.number;
        if session.unacked.as_ref().is_none_or(|u| u.cseq != number) {
            return None;
        }
        let unacked = session.unacked.take()?;
        cx.timers.cancel(unacked.again);
        cx.timers.cancel(unacked.give_up);
        if let Some(reason) = session.bye_after_ack.take() {
            self.bye(cx, stack, leg, &reason);
            return None;
        }
        self.heard(leg, LegEvent::Confirmed { body: description(message) })
    }

    pub(super) fn repeat_2xx(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Some(unacked) = &mut session.unacked else { return };
        if !cx.planted.is(Fault::SuccessSentOnce) {
            stack.transactions.resend_2xx(cx, &mut stack.transport, unacked.txn);
        }
        unacked.gap = (unacked.gap * 2).min(cx.config.sip.t2);
        unacked.again = arm(cx, leg, unacked.gap, LegTimer::Retransmit2xx);
    }

    /// The ACK never came: the session is ended with a BYE (§13.3.1.4).
    pub(super) fn no_ack(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let unacked = session.unacked.take()?;
        cx.timers.cancel(unacked.again);
        if cx.planted.is(Fault::NoAckIgnored) {
            return None;
        }
        if let Some(reason) = session.bye_after_ack.take() {
            self.bye(cx, stack, leg, &reason);
            return None;
        }
        let heard = self.heard(leg, LegEvent::Ended(Ending::Lost));
        self.hang_up(cx, stack, leg, REASON_LOST);
        heard
    }

    pub(super) fn repeat_1xx(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Role::Uas { txn, .. } = session.role else { return };
        let Some(reliable) = &mut session.reliable else { return };
        reliable.gap *= 2;
        reliable.again = arm(cx, leg, reliable.gap, LegTimer::Retransmit1xx);
        if !cx.planted.is(Fault::ReliableSentOnce) {
            session.transmit_reliable(cx, stack, txn);
        }
    }

    /// The PRACK never came: the INVITE is refused (RFC 3262 §3).
    pub(super) fn no_prack(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) -> Option<Heard> {
        let heard = self.heard(leg, LegEvent::Ended(Ending::Lost));
        self.refuse(cx, stack, leg, Status::SERVER_TIMEOUT, "");
        heard
    }

    /// PRACK: stops the repetition of our reliable response (RFC 3262 §3). One with an offer is answered by the call
    /// (§5).
    pub(super) fn pracked(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let Role::Uas { cseq, asked, .. } = session.role else {
            stack.respond(cx, txn, &Reply::new(Status::NO_SUCH_TRANSACTION));
            return None;
        };
        let waits = session.reliable.as_ref().map(|r| r.rseq).or(session.overtaken.take());
        let rack = message.rack().and_then(Result::ok);
        let matches = rack.is_some_and(|a| {
            Some(a.rseq) == waits && a.cseq.number == cseq && a.cseq.method == Method::Invite
        });
        if !matches {
            stack.respond(cx, txn, &session.reply(Status::NO_SUCH_TRANSACTION));
            return None;
        }
        if let Some(reliable) = session.reliable.take() {
            cx.timers.cancel(reliable.again);
            cx.timers.cancel(reliable.give_up);
        }
        // Of a session that ends the call knows nothing any more, and nobody would answer.
        if is_sdp(message) && session.theirs.is_none() && session.phase != Phase::Ending {
            let cseq = message.cseq().ok()?.number;
            session.theirs = Some(Theirs { txn, method: Method::Prack, cseq, asked });
            return self.heard(leg, LegEvent::Offered { body: description(message) });
        }
        stack.respond(cx, txn, &session.reply(Status::OK));
        self.after_prack(cx, stack, leg);
        None
    }

    /// Says what had to wait for the PRACK.
    pub(super) fn after_prack(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Role::Uas { txn: invite, .. } = session.role else { return };
        if let Some(body) = session.held_answer.take() {
            session.held_progress = None;
            self.answer(cx, stack, leg, body);
        } else if let Some((status, body)) = session.held_progress.take() {
            session.send_reliable(cx, stack, leg, invite, status, body);
        }
    }
}

impl Session {
    fn send_progress(&self, cx: &mut Cx<'_>, stack: &mut Stack, txn: ServerKey) {
        let Some((status, body)) = &self.progress else { return };
        let reply = capabilities(self.reply(*status), &self.contact).session(body.clone());
        stack.respond(cx, txn, &reply);
    }

    fn send_reliable(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        status: Status,
        body: Bytes,
    ) {
        let rseq = self.next_rseq;
        self.next_rseq += 1;
        let t1 = cx.config.sip.t1;
        let again = arm(cx, leg, t1, LegTimer::Retransmit1xx);
        let give_up = arm(cx, leg, t1 * 64, LegTimer::NoPrack);
        self.reliable = Some(Reliable { rseq, status, body, gap: t1, again, give_up });
        self.transmit_reliable(cx, stack, txn);
    }

    fn transmit_reliable(&self, cx: &mut Cx<'_>, stack: &mut Stack, txn: ServerKey) {
        let Some(reliable) = &self.reliable else { return };
        let reply = capabilities(self.reply(reliable.status), &self.contact)
            .header(HeaderName::Require, "100rel")
            .header(HeaderName::RSeq, reliable.rseq)
            .session(reliable.body.clone());
        stack.respond(cx, txn, &reply);
    }

    /// Sends 200 with our description to an INVITE, first or later, and repeats it until its ACK.
    pub(super) fn send_2xx(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        cseq: u32,
    ) {
        let reply = self.success().session(self.body.clone());
        stack.respond(cx, txn, &reply);
        let t1 = cx.config.sip.t1;
        let again = arm(cx, leg, t1, LegTimer::Retransmit2xx);
        let give_up = arm(cx, leg, t1 * 64, LegTimer::NoAck);
        self.unacked = Some(Unacked { txn, cseq, gap: t1, again, give_up });
    }

    /// A 200 to a request that refreshes the session (RFC 4028 §9).
    pub(super) fn success(&self) -> Reply {
        let mut reply = capabilities(self.reply(Status::OK), &self.contact);
        if let Some(identity) = &self.identity {
            reply = reply.header(HeaderName::PAssertedIdentity, identity);
        }
        if let Some(timer) = self.timer {
            let (seconds, refresher) = (timer.interval.as_secs(), timer.refresher_as_uas());
            reply = reply.header(HeaderName::SessionExpires, format_args!("{seconds};refresher={refresher}"));
            if timer.negotiated && timer.refresher == Refresher::Peer {
                reply = reply.header(HeaderName::Require, "timer");
            }
        }
        reply
    }

    pub(super) fn arm_retry(&mut self, cx: &mut Cx<'_>, leg: LegKey, after: Duration, timer: LegTimer) {
        if let Some(key) = self.retry_key.take() {
            cx.timers.cancel(key);
        }
        self.retry_key = Some(arm(cx, leg, after, timer));
    }

    /// Starts the session interval anew.
    pub(super) fn arm_session_timer(&mut self, cx: &mut Cx<'_>, leg: LegKey) {
        if let Some(key) = self.timer_key.take() {
            cx.timers.cancel(key);
        }
        if let Some(timer) = self.timer {
            let what = match timer.refresher {
                Refresher::Us => LegTimer::Refresh,
                Refresher::Peer => LegTimer::Expired,
            };
            self.timer_key = Some(arm(cx, leg, timer.act_after(), what));
        }
    }
}
