//! Requests inside a session, theirs and ours: BYE, re-INVITE, UPDATE, refreshes (RFC 3261 §14 and §15, RFC 3311).

use bytes::Bytes;

use super::session::{
    AGENT, Ending, Heard, LegEvent, Ours, Phase, Role, Session, Theirs, asked, description,
};
use super::session_timer::SessionTimer;
use super::sessions::{REASON_LOST, Sessions, Stack, arm, capabilities};
use super::uac::acknowledge;
use super::{ALLOW, EVENTS, SUPPORTED};
use crate::border::Flow;
use crate::cx::{Cx, LegKey, LegTimer, ServerKey};
use crate::planted::Fault;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::time::Duration;
use crate::transaction::{Draft, Reply};

/// When something of ours is still under way, a refresh waits this long.
pub(super) const BUSY_GAP: Duration = Duration::from_secs(1);

impl Sessions {
    /// A request that belongs to this session.
    pub(super) fn within(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let cseq = message.cseq().ok()?.number;
        if let Some(dialog) = &mut session.dialog
            && let Err(status) = dialog.admit(cseq)
            && !cx.planted.is(Fault::OldCseqAccepted)
        {
            stack.respond(cx, txn, &Reply::new(status));
            return None;
        }
        self.follow(cx, stack, leg, flow);
        let session = self.all.get(leg)?;
        match message.method() {
            Method::Bye => self.bye_received(cx, stack, leg, txn),
            Method::Invite | Method::Update => self.change_received(cx, stack, leg, txn, message, flow, cseq),
            Method::Prack => self.pracked(cx, stack, leg, txn, message),
            Method::Info => self.informed(cx, stack, leg, txn, message),
            Method::Refer => self.referred(cx, stack, leg, txn, message, flow),
            Method::Subscribe => self.subscribed(cx, stack, leg, txn, message),
            Method::Notify if session.sent_away.is_some() => self.progress_told(cx, stack, leg, txn, message),
            // It tells of something that we did not ask for, or not any more (RFC 6665 §4.1.3).
            Method::Notify => {
                stack.respond(cx, txn, &session.reply(Status::NO_SUCH_TRANSACTION));
                None
            }
            Method::Options => {
                let reply = capabilities(session.reply(Status::OK), &session.contact);
                let reply = reply.header(HeaderName::AllowEvents, EVENTS);
                stack.respond(cx, txn, &reply.header(HeaderName::Accept, "application/sdp"));
                None
            }
            _ => {
                let reply = session.reply(Status::METHOD_NOT_ALLOWED).header(HeaderName::Allow, ALLOW);
                stack.respond(cx, txn, &reply);
                None
            }
        }
    }

    fn bye_received(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
    ) -> Option<Heard> {
        let session = self.all.get(leg)?;
        if session.dialog.is_none() {
            // Only the caller may end an early dialog (§15): the callee has its INVITE to answer.
            stack.respond(cx, txn, &Reply::new(Status::NO_SUCH_TRANSACTION));
            return None;
        }
        stack.respond(cx, txn, &session.reply(Status::OK));
        let heard = match session.phase {
            Phase::Ending => None,
            Phase::Inviting => {
                // The caller ended its early dialog (§15.1.2): the INVITE itself still wants an answer.
                let heard = self.heard(leg, LegEvent::Cancelled);
                self.refuse(cx, stack, leg, Status::REQUEST_TERMINATED, "");
                return heard;
            }
            Phase::Up => self.heard(leg, LegEvent::Ended(Ending::Bye)),
        };
        self.remove(cx, stack, leg);
        heard
    }

    /// re-INVITE or UPDATE: refused here when it cannot be considered now, otherwise the call decides.
    #[expect(clippy::too_many_arguments, reason = "one request and the way it came")]
    fn change_received(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
        cseq: u32,
    ) -> Option<Heard> {
        let asked = asked(message);
        let timer = SessionTimer::for_uas(asked, &cx.config.session);
        let retry = 1 + cx.rng.call.below(10);
        let session = self.all.get_mut(leg)?;
        let method = message.method();
        let body = description(message);
        let refusal = session.refusal(method, message);
        if let Some(status) = refusal {
            let mut reply = session.reply(status);
            if status == Status::SERVER_INTERNAL_ERROR {
                reply = reply.header(HeaderName::RetryAfter, retry);
            } else if status == Status::UNSUPPORTED_MEDIA_TYPE {
                reply = reply.header(HeaderName::Accept, "application/sdp");
                reply = reply.header(HeaderName::AcceptEncoding, "identity");
            }
            stack.respond(cx, txn, &reply);
            return None;
        }
        let Ok(timer) = timer else {
            let floor = cx.config.session.min_se.as_secs();
            let reply = session.reply(Status::SESSION_INTERVAL_TOO_SMALL);
            stack.respond(cx, txn, &reply.header(HeaderName::MinSe, floor));
            return None;
        };
        if let Some(dialog) = &mut session.dialog {
            let old = dialog.flow;
            dialog.refresh_target(message, flow);
            self.place(cx, stack, leg, Some(old));
        }
        let session = self.all.get_mut(leg)?;
        session.learn(message);
        if method == Method::Update && body.is_empty() {
            session.timer = Some(timer);
            stack.respond(cx, txn, &session.success());
            session.arm_session_timer(cx, leg);
            return None;
        }
        session.theirs = Some(Theirs { txn, method, cseq, asked });
        let event = if body.is_empty() { LegEvent::OfferWanted } else { LegEvent::Offered { body } };
        self.heard(leg, event)
    }

    /// Accepts what the party asked for by re-INVITE, UPDATE or PRACK. `body` is our answer, or our offer when it asked
    /// for one.
    pub(crate) fn accept_offer(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, body: Bytes) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Some(theirs) = session.theirs.take() else { return };
        session.body = body;
        // The answer says it.
        session.introduces &= theirs.method == Method::Prack;
        if theirs.method == Method::Prack {
            let reply = session.reply(Status::OK).session(session.body.clone());
            stack.respond(cx, theirs.txn, &reply);
            return self.after_prack(cx, stack, leg);
        }
        session.timer = SessionTimer::for_uas(theirs.asked, &cx.config.session).ok();
        if theirs.method == Method::Invite {
            session.send_2xx(cx, stack, leg, theirs.txn, theirs.cseq);
        } else {
            let reply = session.success().session(session.body.clone());
            stack.respond(cx, theirs.txn, &reply);
        }
        session.arm_session_timer(cx, leg);
    }

    /// Refuses what the party asked for; the session goes on as it was (§14.2). `warning` is the value of a Warning
    /// header field (§20.43); empty for none.
    pub(crate) fn reject_offer(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
        warning: &str,
    ) {
        let Some(session) = self.all.get_mut(leg) else { return };
        if let Some(theirs) = session.theirs.take() {
            let mut reply = session.reply(status);
            if !warning.is_empty() {
                reply = reply.header(HeaderName::Warning, warning);
            }
            stack.respond(cx, theirs.txn, &reply);
            if theirs.method == Method::Prack {
                self.after_prack(cx, stack, leg);
            }
        }
    }

    /// Ends the session, whatever its phase: refusal, CANCEL or BYE with this Reason (RFC 3326).
    pub(crate) fn hang_up(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, reason: &str) {
        let Some(session) = self.all.get_mut(leg) else { return };
        match (session.phase, &session.role) {
            (Phase::Ending, _) => {}
            (Phase::Inviting, Role::Uas { .. }) => {
                self.refuse(cx, stack, leg, Status::TEMPORARILY_UNAVAILABLE, "");
            }
            (Phase::Inviting, Role::Uac { txn, .. }) => {
                let txn = *txn;
                session.phase = Phase::Ending;
                session.disarm(cx);
                stack.transactions.cancel(cx, &mut stack.transport, txn, reason);
            }
            // We were invited and may say BYE only after the ACK (§15).
            (Phase::Up, _) if session.unacked.is_some() => {
                session.phase = Phase::Ending;
                session.bye_after_ack = Some(reason.into());
            }
            (Phase::Up, _) => self.bye(cx, stack, leg, reason),
        }
    }

    pub(super) fn bye(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, reason: &str) {
        let Some(session) = self.all.get_mut(leg) else { return };
        session.phase = Phase::Ending;
        session.disarm(cx);
        session.ours = None;
        let Some(dialog) = &mut session.dialog else { return };
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Bye, None);
        writer.header(HeaderName::UserAgent, AGENT);
        if !reason.is_empty() {
            writer.header(HeaderName::Reason, reason);
        }
        let txn = stack.request(cx, Draft::new(Method::Bye, writer.finish()), hop);
        self.owns_client(txn, leg);
    }

    /// Refreshes the session: UPDATE when the peer knows it, otherwise a re-INVITE that changes nothing
    /// (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        // One of the two has fired; the other must not outlive what it was for.
        for key in session.timer_key.take().into_iter().chain(session.retry_key.take()) {
            cx.timers.cancel(key);
        }
        if session.phase != Phase::Up || cx.planted.is(Fault::RefreshNotSent) {
            return;
        }
        if session.is_busy() {
            session.timer_key = Some(arm(cx, leg, BUSY_GAP, LegTimer::Refresh));
            return;
        }
        self.restate(cx, stack, leg, false);
    }

    /// Says again what is agreed, by UPDATE or in an INVITE.
    pub(super) fn restate(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, introduces: bool) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Some(dialog) = &mut session.dialog else { return };
        let method = if session.updates { Method::Update } else { Method::Invite };
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(method, None);
        let cseq = dialog.local_cseq;
        writer.header(HeaderName::Contact, format_args!("<{}>", session.contact));
        writer.header(HeaderName::Allow, ALLOW);
        writer.header(HeaderName::Supported, SUPPORTED);
        if let Some(timer) = session.timer {
            let (seconds, refresher) = (timer.interval.as_secs(), timer.refresher_as_uac());
            writer.header(HeaderName::SessionExpires, format_args!("{seconds};refresher={refresher}"));
        }
        if let Some(floor) = session.min_se {
            writer.header(HeaderName::MinSe, floor);
        }
        if let Some(identity) = &session.identity {
            writer.header(HeaderName::PAssertedIdentity, identity);
        }
        session.introduces = false;
        writer.header(HeaderName::UserAgent, AGENT);
        let bytes = match method {
            Method::Update => writer.finish(),
            _ => writer.body("application/sdp", &session.body),
        };
        let txn = stack.request(cx, Draft::new(method, bytes), hop);
        session.ours = Some(Ours { txn, method, cseq, introduces });
        self.owns_client(txn, leg);
    }

    /// A response to our re-INVITE or UPDATE.
    pub(super) fn ours_answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let status = message.status()?;
        let session = self.all.get_mut(leg)?;
        if status.is_provisional() {
            return None;
        }
        let ours = session.ours.take()?;
        if status.is_success() {
            let dialog = session.dialog.as_mut()?;
            let old = dialog.flow;
            dialog.refresh_target(message, flow);
            self.place(cx, stack, leg, Some(old));
            let session = self.all.get_mut(leg)?;
            if ours.method == Method::Invite {
                session.acknowledge(cx, stack, ours.cseq, flow);
            }
            session.learn(message);
            session.timer = Some(SessionTimer::for_uac(asked(message), &cx.config.session));
            session.arm_session_timer(cx, leg);
            let body = description(message);
            return if body.is_empty() { None } else { self.heard(leg, LegEvent::Refreshed { body }) };
        }
        match status {
            Status::NO_SUCH_TRANSACTION | Status::REQUEST_TIMEOUT => {
                return self.lost(cx, stack, leg, status);
            }
            _ if ours.introduces => self.not_introduced(cx, leg, status, ours.method),
            Status::REQUEST_PENDING => {
                let gap = session.glare_gap(cx);
                session.arm_retry(cx, leg, gap, LegTimer::Glare);
            }
            Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED if ours.method == Method::Update => {
                session.updates = false;
                session.arm_retry(cx, leg, Duration::ZERO, LegTimer::Refresh);
            }
            Status::SESSION_INTERVAL_TOO_SMALL if session.lengthen(message) => {
                session.arm_retry(cx, leg, Duration::ZERO, LegTimer::Refresh);
            }
            // The peer is there but will not refresh now: the session goes on, and so do the attempts.
            _ => {
                let gap = session.timer.map_or(BUSY_GAP, |timer| timer.interval / 8);
                session.arm_retry(cx, leg, gap.max(BUSY_GAP), LegTimer::Refresh);
            }
        }
        None
    }

    /// A request within the dialog got an answer that means that the peer is gone: 481 that it knows of no dialog, 408
    /// that somebody on the way gave up on it (§12.2.1.2).
    pub(super) fn lost(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
    ) -> Option<Heard> {
        let heard = self.heard(leg, LegEvent::Ended(Ending::Lost));
        match status {
            Status::NO_SUCH_TRANSACTION => self.remove(cx, stack, leg),
            _ => self.bye(cx, stack, leg, REASON_LOST),
        }
        heard
    }

    /// A response to our BYE or PRACK, or a 2xx to a re-INVITE that came again or crossed our BYE.
    pub(super) fn other_answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let status = message.status()?;
        let method = message.method();
        if method == Method::Invite && status.is_success() {
            // A 2xx that crossed our BYE is acknowledged all the same (§13.2.2.4).
            session.acknowledge(cx, stack, message.cseq().ok()?.number, flow);
        } else if method == Method::Bye && !status.is_provisional() {
            self.remove(cx, stack, leg);
        }
        None
    }
}

impl Session {
    /// Acknowledges a 2xx to a re-INVITE, for the first time or again.
    fn acknowledge(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, cseq: u32, came: Flow) {
        if self.ack.as_ref().is_some_and(|ack| ack.0 == cseq) {
            self.repeat_ack(cx, stack, cseq, came);
        } else if let Some(dialog) = &mut self.dialog {
            let (flow, bytes) = acknowledge(cx, stack, dialog, cseq);
            self.ack = Some((cseq, flow, bytes));
        }
    }

    /// Whether something is under way that must be over before the session is changed or refreshed.
    pub(super) fn is_busy(&self) -> bool {
        self.ours.is_some() || self.theirs.is_some() || self.unacked.is_some()
    }

    /// Takes in which methods the peer allows, if it says so (RFC 3261 §20.5).
    pub(super) fn learn(&mut self, message: &Message) {
        if message.header(HeaderName::Allow).is_some() {
            self.updates = message.has_token(HeaderName::Allow, "UPDATE");
            self.lists_methods = true;
        }
    }

    /// Why a re-INVITE or UPDATE cannot be considered now (§14.2, RFC 3311 §5.2).
    fn refusal(&self, method: Method, message: &Message) -> Option<Status> {
        let offers = method == Method::Invite || !message.body().is_empty();
        match self.phase {
            Phase::Ending => return Some(Status::NO_SUCH_TRANSACTION),
            Phase::Inviting if method == Method::Invite => return Some(Status::SERVER_INTERNAL_ERROR),
            // The caller has an offer that we have not answered, the callee one of ours (RFC 3311 §5.2).
            Phase::Inviting if offers => {
                return Some(match self.role {
                    Role::Uas { .. } => Status::SERVER_INTERNAL_ERROR,
                    Role::Uac { .. } => Status::REQUEST_PENDING,
                });
            }
            Phase::Inviting | Phase::Up => {}
        }
        // A refresh of ours by UPDATE offers nothing and is in nobody's way.
        if offers && self.ours.as_ref().is_some_and(|ours| ours.method == Method::Invite) {
            return Some(Status::REQUEST_PENDING);
        }
        if offers && (self.theirs.is_some() || self.unacked.is_some()) {
            return Some(Status::SERVER_INTERNAL_ERROR);
        }
        let is_sdp = message.body().is_empty() || super::session::is_sdp(message);
        (!is_sdp).then_some(Status::UNSUPPORTED_MEDIA_TYPE)
    }

    /// How long to wait after 491: the owner of the Call-ID longer, so that the two do not meet again (§14.1).
    pub(super) fn glare_gap(&self, cx: &mut Cx<'_>) -> Duration {
        let (from, span) = if matches!(self.role, Role::Uac { .. }) { (210, 191) } else { (0, 201) };
        Duration::from_millis(u64::from(from + cx.rng.call.below(span)) * 10)
    }

    /// 422: the next refresh asks for the interval the peer wants (RFC 4028 §7.3). False when that is what it refused.
    fn lengthen(&mut self, message: &Message) -> bool {
        let (Some(Ok(wanted)), Some(timer)) = (message.min_se(), &mut self.timer) else { return false };
        let interval = Duration::from_secs(u64::from(wanted));
        let longer = interval > timer.interval;
        if longer {
            timer.interval = interval;
            self.min_se = Some(wanted);
        }
        longer
    }
}
