//! A session we ask for: INVITE, its forks, its ACKs and PRACKs (RFC 3261 §13.2, RFC 3262 §4).

use bytes::Bytes;
use smol_str::SmolStr;

use super::moved;
use super::session::{AGENT, Heard, Invitation, LegEvent, Phase, Role, Session, asked, description};
use super::session_timer::SessionTimer;
use super::sessions::{Sessions, Stack};
use super::state::{Dialog, routed};
use super::{ALLOW, SUPPORTED};
use crate::border::Flow;
use crate::cx::{CallKey, Cx, LegKey};
use crate::limits;
use crate::planted::Fault;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::Draft;

/// Reason of a BYE to a fork that answered too late (RFC 3326).
const REASON_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Sessions {
    /// Invites.
    pub(crate) fn invite(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        call: CallKey,
        mut invitation: Invitation,
    ) -> LegKey {
        let ids = (cx.rng.tag.token::<12>(), cx.rng.tag.token::<20>());
        let cseq = 1 + cx.rng.call.below(10_000);
        let contact = stack.contact(invitation.flow, &invitation.user);
        let draft = ask(cx, &mut invitation, &ids, cseq, None, &contact);
        let txn = stack.request(cx, draft, invitation.flow);
        let body = invitation.offer.clone();
        let early = Vec::new();
        let role = Role::Uac { txn, cseq, invitation: Box::new(invitation), early, min_se: None, ids };
        let mut session = Session::new(call, role, None, contact, false);
        session.body = body;
        let leg = self.insert(session);
        self.owns_client(txn, leg);
        leg
    }

    /// A response to our first INVITE.
    pub(super) fn invited(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let status = message.status()?;
        if status.is_provisional() {
            return self.invited_1xx(cx, stack, leg, message, flow, status);
        }
        if status.is_success() {
            return self.invited_2xx(cx, stack, leg, message, flow);
        }
        if self.ask_again(cx, stack, leg, message) {
            return None;
        }
        let session = self.all.get(leg)?;
        let heard = if session.phase == Phase::Inviting {
            let moved = moved::read(message, stack, flow, cx.config);
            self.heard(leg, LegEvent::Refused { status: Some(status), moved })
        } else {
            None
        };
        // After a 2xx another fork's failure says nothing.
        if session.dialog.is_none() {
            self.remove(cx, stack, leg);
        }
        heard
    }

    fn invited_1xx(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
        flow: Flow,
        status: Status,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let Role::Uac { early, invitation, cseq, .. } = &mut session.role else { return None };
        if session.dialog.is_some() || status == Status::TRYING {
            return None;
        }
        let tag = message.to().ok().and_then(|to| to.tag().map(SmolStr::new));
        if let Some(tag) = tag {
            let known = early.iter().position(|(d, _)| d.remote_tag == tag);
            let at = match known {
                Some(at) => at,
                None if early.len() < limits::EARLY_DIALOGS => {
                    early.push((Dialog::as_uac(message, flow, &invitation.uri, *cseq).ok()?, 0));
                    early.len() - 1
                }
                None => return None,
            };
            if message.has_token(HeaderName::Require, "100rel") && !self.prack(cx, stack, leg, at, message) {
                return None;
            }
        }
        let session = self.all.get_mut(leg)?;
        session.learn(message);
        if session.phase != Phase::Inviting {
            return None;
        }
        self.heard(leg, LegEvent::Progress { status, body: description(message) })
    }

    /// Acknowledges a reliable provisional response. False for a copy or one out of order (RFC 3262 §4).
    fn prack(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        at: usize,
        message: &Message,
    ) -> bool {
        let Some(Ok(rseq)) = message.rseq() else { return false };
        let Some(session) = self.all.get_mut(leg) else { return false };
        let Role::Uac { early, cseq, .. } = &mut session.role else { return false };
        let cseq = *cseq;
        let Some((dialog, acknowledged)) = early.get_mut(at) else { return false };
        if *acknowledged != 0 && rseq != acknowledged.wrapping_add(1) {
            return false;
        }
        *acknowledged = rseq;
        if cx.planted.is(Fault::PrackNotSent) {
            return true;
        }
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Prack, None);
        writer.header(HeaderName::RAck, format_args!("{rseq} {cseq} INVITE"));
        writer.header(HeaderName::UserAgent, AGENT);
        let txn = stack.request(cx, Draft::new(Method::Prack, writer.finish()), hop);
        self.owns_client(txn, leg);
        true
    }

    fn invited_2xx(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let Role::Uac { cseq, invitation, early, .. } = &mut session.role else { return None };
        let cseq = *cseq;
        let to = message.to().ok()?;
        if let Some(dialog) = &session.dialog {
            if dialog.has_remote_tag(to.tag()) {
                session.repeat_ack(cx, stack, cseq, flow);
            } else if !cx.planted.is(Fault::LateAnswerIgnored)
                && let Ok(mut other) = Dialog::as_uac(message, flow, &invitation.uri, cseq)
            {
                // A second fork answered: it is acknowledged and ended (§13.2.2.4), once however often it answers.
                let known = session.late_forks.contains(&other.remote_tag);
                if !known && session.late_forks.len() >= limits::EARLY_DIALOGS {
                    return None;
                }
                acknowledge(cx, stack, &mut other, cseq);
                if let Some((_, last)) = session.fork_cseqs.iter().find(|(tag, _)| *tag == other.remote_tag) {
                    other.local_cseq = *last;
                }
                if !known {
                    bye_without_session(cx, stack, &mut other);
                    session.late_forks.push(other.remote_tag);
                }
            }
            return None;
        }
        let known = early.iter().position(|(d, _)| d.has_remote_tag(to.tag()));
        let mut dialog = match known {
            Some(at) => early.remove(at).0,
            None => Dialog::as_uac(message, flow, &invitation.uri, cseq).ok()?,
        };
        // Another fork may answer yet: what it was asked by PRACK counts in its dialog.
        let spoken_to = early.drain(..).filter(|(fork, _)| fork.local_cseq > cseq);
        session.fork_cseqs = spoken_to.map(|(fork, _)| (fork.remote_tag, fork.local_cseq)).collect();
        dialog.confirm(message, flow);
        if cx.planted.is(Fault::RoutesReversed) {
            dialog.reverse_routes();
        }
        let ack = acknowledge(cx, stack, &mut dialog, cseq);
        session.ack = Some((cseq, ack.0, ack.1));
        session.dialog = Some(dialog);
        self.place(cx, stack, leg, None);
        let session = self.all.get_mut(leg)?;
        if session.phase == Phase::Ending {
            // The 2xx crossed our CANCEL (§9.1).
            self.bye(cx, stack, leg, REASON_ELSEWHERE);
            return None;
        }
        session.phase = Phase::Up;
        session.learn(message);
        session.timer = Some(SessionTimer::for_uac(asked(message), &cx.config.session));
        session.arm_session_timer(cx, leg);
        self.heard(leg, LegEvent::Answered { body: description(message) })
    }

    /// Asks once more when the refusal says how: with the interval the callee wants (422, RFC 4028 §7.3) or with
    /// credentials (401 and 407, §22.2 and §22.3). It is the same call, under the next CSeq (§8.1.3.5).
    fn ask_again(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, refusal: &Message) -> bool {
        let Some(session) = self.all.get_mut(leg) else { return false };
        let Role::Uac { txn, cseq, invitation, early, min_se, ids } = &mut session.role else { return false };
        if session.phase != Phase::Inviting {
            return false;
        }
        if refusal.status() == Some(Status::SESSION_INTERVAL_TOO_SMALL) {
            let (Some(Ok(wanted)), None) = (refusal.min_se(), *min_se) else { return false };
            *min_se = Some(wanted);
        } else if !invitation.answers.as_mut().is_some_and(|answers| answers.challenged(refusal)) {
            return false;
        }
        // The refusal ended whatever rang (§12.3).
        early.clear();
        *cseq += 1;
        let draft = ask(cx, invitation, ids, *cseq, *min_se, &session.contact);
        *txn = stack.request(cx, draft, invitation.flow);
        let txn = *txn;
        self.owns_client(txn, leg);
        true
    }
}

impl Session {
    /// Sends our ACK again because the 2xx came again: the way it went before, or, if that was a stream that is gone,
    /// the way the 2xx came now.
    pub(super) fn repeat_ack(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, cseq: u32, came: Flow) {
        let ack = self.ack.as_mut().filter(|ack| ack.0 == cseq);
        if let Some((_, flow, bytes)) = ack.filter(|_| !cx.planted.is(Fault::SuccessNotAcknowledgedAgain))
            && !stack.transport.transmit(cx, *flow, bytes.clone())
        {
            *flow = came;
            stack.transport.transmit(cx, came, bytes.clone());
        }
    }
}

/// Sends the ACK to a 2xx; it is a transaction of its own (§13.2.2.4). Gives what to repeat.
pub(super) fn acknowledge(
    cx: &mut Cx<'_>,
    stack: &mut Stack,
    dialog: &mut Dialog,
    cseq: u32,
) -> (Flow, Bytes) {
    let hop = dialog.next_hop(cx, &mut stack.transport);
    let mut writer = dialog.request(Method::Ack, Some(cseq));
    let bytes =
        stack.transactions.send_ack(cx, &mut stack.transport, &Draft::new(Method::Ack, writer.finish()), hop);
    (hop, bytes)
}

fn bye_without_session(cx: &mut Cx<'_>, stack: &mut Stack, dialog: &mut Dialog) {
    let hop = dialog.next_hop(cx, &mut stack.transport);
    let mut writer = dialog.request(Method::Bye, None);
    writer.header(HeaderName::Reason, REASON_ELSEWHERE);
    stack.request(cx, Draft::new(Method::Bye, writer.finish()), hop);
}

fn ask(
    cx: &mut Cx<'_>,
    invitation: &mut Invitation,
    ids: &(SmolStr, SmolStr),
    cseq: u32,
    min_se: Option<u32>,
    contact: &str,
) -> Draft {
    let config = cx.config.session;
    let mut writer = routed(Method::Invite, &invitation.uri, &invitation.routes);
    let floor = min_se.map_or(config.min_se.as_secs(), u64::from);
    writer.header(HeaderName::MaxForwards, invitation.max_forwards);
    writer.header(HeaderName::From, format_args!("{};tag={}", invitation.from, ids.0));
    writer.header(HeaderName::To, &invitation.to);
    writer.header(HeaderName::CallId, &ids.1);
    writer.header(HeaderName::CSeq, format_args!("{cseq} INVITE"));
    writer.header(HeaderName::Contact, format_args!("<{contact}>"));
    if let Some(answers) = &mut invitation.answers {
        answers.write(&mut writer, Method::Invite.as_str(), &invitation.uri, &mut cx.rng.tag);
    }
    writer.header(HeaderName::Allow, ALLOW);
    writer.header(HeaderName::Supported, SUPPORTED);
    writer.header(HeaderName::SessionExpires, config.expires.as_secs().max(floor));
    writer.header(HeaderName::MinSe, floor);
    writer.header(HeaderName::UserAgent, AGENT);
    for (name, value) in &invitation.headers {
        writer.field(name, value);
    }
    Draft::new(Method::Invite, writer.body("application/sdp", &invitation.offer))
}
