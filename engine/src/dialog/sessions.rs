//! The table of sessions, and what comes to it from transactions and timers.

#[cfg(feature = "serde")]
mod view;

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use slotmap::SecondaryMap;
use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

use super::session::{Ending, Heard, LegEvent, Phase, Role, Session};
use super::state::Dialog;
use crate::border::{self, Flow};
use crate::cx::{CallKey, ClientKey, Cx, LegKey, LegTimer, ServerKey, Timer};
use crate::index::Index;
use crate::planted::{Fault, Planted};
use crate::rng::Rng;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::slots::Slots;
use crate::time::Duration;
use crate::timers::TimerKey;
use crate::transaction::{Draft, Reply, Transactions};
use crate::transport::Transport;

/// The layers below, lent together.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Stack {
    /// Flows.
    pub(crate) transport: Transport,
    /// Transactions.
    pub(crate) transactions: Transactions,
}

impl Stack {
    /// Answers a request.
    pub(crate) fn respond(&mut self, cx: &mut Cx<'_>, txn: ServerKey, reply: &Reply) {
        self.transactions.respond(cx, &mut self.transport, txn, reply);
    }

    /// Answers finally and forgets the request, so that who asks for nothing we have costs no memory.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, txn: ServerKey, reply: &Reply) {
        self.transactions.refuse(cx, &mut self.transport, txn, reply);
    }

    /// The Contact URI of a user reached through this flow (RFC 3261 §8.1.1.8).
    pub(crate) fn contact(&self, flow: Flow, user: &str) -> SmolStr {
        let local = self.transport.local_of(&flow);
        match self.transport.transport_of(&flow) {
            border::Transport::Udp => format_smolstr!("sip:{user}@{local}"),
            border::Transport::Tcp => format_smolstr!("sip:{user}@{local};transport=tcp"),
        }
    }

    /// Sends a request.
    pub(crate) fn request(&mut self, cx: &mut Cx<'_>, draft: Draft, flow: Flow) -> ClientKey {
        self.transactions.request(cx, &mut self.transport, draft, flow)
    }
}

/// All sessions. A session leaves the table by itself: when it was refused, or when its BYE has been answered.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Sessions {
    pub(super) all: Slots<LegKey, Session>,
    /// By our tag, which no other session has.
    pub(super) by_tag: Index<SmolStr, LegKey>,
    /// Whose a transaction of ours is. A key that lives on here after its transaction is harmless: keys do not recur.
    by_client: SecondaryMap<ClientKey, LegKey>,
    by_server: SecondaryMap<ServerKey, LegKey>,
    /// Whose dialogs go through a stream, by the peer's Contact. No entry is empty.
    by_contact: BTreeMap<SmolStr, SmallVec<[LegKey; 1]>>,
}

impl Sessions {
    /// Takes a new key for what is hashed. O(n).
    pub(crate) fn rekey(&mut self, rng: &mut Rng) {
        self.by_tag.rekey(rng);
    }

    /// An empty table.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            all: Slots::new(),
            by_tag: Index::new(rng),
            by_client: SecondaryMap::new(),
            by_server: SecondaryMap::new(),
            by_contact: BTreeMap::new(),
        }
    }

    /// Sessions that live.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Confirmed and early dialogs.
    pub(crate) fn dialogs(&self) -> usize {
        let early = |s: &Session| if let Role::Uac { early, .. } = &s.role { early.len() } else { 0 };
        self.all.values().map(|s| usize::from(s.dialog.is_some()) + early(s)).sum()
    }

    /// Asserts that the indices match the table.
    pub(crate) fn check(&self) {
        assert_eq!(self.by_tag.len(), self.all.len(), "every session has one tag");
        for (key, session) in self.all.iter() {
            assert_eq!(self.by_tag.get(session.local_tag()), Some(&key), "tag of session leads to it");
            let placed = session.placed.as_ref().map(|place| &place.0);
            assert_eq!(placed, contact_on_stream(session), "a stream's dialog is found by its Contact");
        }
        for (contact, legs) in &self.by_contact {
            let placed = |leg: &LegKey| Some(&self.all.get(*leg)?.placed.as_ref()?.0);
            let found = |leg: &LegKey| placed(leg) == Some(contact);
            assert!(!legs.is_empty() && legs.iter().all(found), "a Contact leads to sessions");
        }
    }

    pub(super) fn insert(&mut self, session: Session) -> LegKey {
        let tag = SmolStr::new(session.local_tag());
        let leg = self.all.insert(session);
        self.by_tag.insert(tag, leg);
        leg
    }

    pub(super) fn owns_client(&mut self, txn: ClientKey, leg: LegKey) {
        self.by_client.insert(txn, leg);
    }

    pub(super) fn owns_server(&mut self, txn: ServerKey, leg: LegKey) {
        self.by_server.insert(txn, leg);
    }

    /// Frees a session and everything it armed.
    pub(super) fn remove(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(mut session) = self.all.remove(leg) else { return };
        self.by_tag.remove(session.local_tag());
        session.disarm(cx);
        self.forget_contact(session.placed.take(), leg);
        if let Some(Flow::Stream { stream }) = session.dialog.as_ref().map(|d| d.flow) {
            stack.transport.unpin(cx, stream);
        }
    }

    /// The flow or the target of a session's dialog may have changed from `old`: the pin goes with the flow, so that a
    /// dialog's stream is not closed as idle.
    pub(super) fn place(&mut self, cx: &Cx<'_>, stack: &mut Stack, leg: LegKey, old: Option<Flow>) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let new = session.dialog.as_ref().map(|dialog| dialog.flow);
        if old != new {
            if let Some(Flow::Stream { stream }) = new {
                stack.transport.pin(stream);
            }
            if let Some(Flow::Stream { stream }) = old {
                stack.transport.unpin(cx, stream);
            }
        }
        let from = new.map(|flow| stack.transport.remote_of(&flow).ip());
        let after = contact_on_stream(session).cloned().zip(from);
        let before = std::mem::replace(&mut session.placed, after.clone());
        self.forget_contact(before, leg);
        if let Some((contact, _)) = after {
            self.by_contact.entry(contact).or_default().push(leg);
        }
    }

    fn forget_contact(&mut self, place: Option<(SmolStr, IpAddr)>, leg: LegKey) {
        let Some((contact, _)) = place else { return };
        if let Some(legs) = self.by_contact.get_mut(&contact) {
            legs.retain(|other| *other != leg);
            if legs.is_empty() {
                self.by_contact.remove(&contact);
            }
        }
    }

    /// A request inside the dialog came by this way. It is ours, too, when the one we knew is gone.
    pub(super) fn follow(&mut self, cx: &Cx<'_>, stack: &mut Stack, leg: LegKey, flow: Flow) {
        let Some(dialog) = self.all.get_mut(leg).and_then(|s| s.dialog.as_mut()) else { return };
        let old = dialog.flow;
        if matches!(old, Flow::Stream { stream } if !stack.transport.is_open(stream)) {
            dialog.flow = flow;
            self.place(cx, stack, leg, Some(old));
        }
    }

    /// A phone registered this Contact through a new stream: its dialogs whose stream is gone go on there. That it
    /// comes from the same address is asked so that nobody draws the dialogs of another to himself.
    pub(crate) fn reconnected(
        &mut self,
        cx: &Cx<'_>,
        stack: &mut Stack,
        contact: &str,
        flow: Flow,
        from: IpAddr,
    ) {
        for leg in self.by_contact.get(contact).cloned().unwrap_or_default() {
            let place = self.all.get(leg).and_then(|session| session.placed.as_ref());
            if place.is_some_and(|place| place.1 == from) {
                self.follow(cx, stack, leg, flow);
            }
        }
    }

    pub(super) fn heard(&self, leg: LegKey, event: LegEvent) -> Option<Heard> {
        let session = self.all.get(leg)?;
        Some(Heard { call: session.call, leg, event })
    }

    /// The session a request or ACK belongs to, by its To tag, Call-ID and From tag (§12.2.2).
    fn find(&self, message: &Message, planted: Planted) -> Option<LegKey> {
        let to = message.to().ok()?;
        let leg = *self.by_tag.get(to.tag()?)?;
        let session = self.all.get(leg)?;
        let from = message.from().ok()?;
        let call_id = message.call_id().ok()?;
        let any = planted.is(Fault::TagsIgnored);
        let matches = |d: &Dialog| any || d.call_id == call_id && d.has_remote_tag(from.tag());
        let early = match &session.role {
            Role::Uac { early, .. } => early.iter().any(|(d, _)| matches(d)),
            Role::Uas { .. } => false,
        };
        (early || session.dialog.as_ref().is_some_and(matches)).then_some(leg)
    }

    /// A request with a To tag. Answers what needs no decision; 481 when no dialog matches.
    pub(crate) fn on_request(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let Some(leg) = self.find(message, cx.planted) else {
            stack.refuse(cx, txn, &Reply::new(Status::NO_SUCH_TRANSACTION));
            return None;
        };
        self.within(cx, stack, leg, txn, message, flow)
    }

    /// An ACK to a 2xx of ours.
    pub(crate) fn on_ack(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, message: &Message) -> Option<Heard> {
        let leg = self.find(message, cx.planted)?;
        self.acked(cx, stack, leg, message)
    }

    /// The caller cancelled its INVITE; the CANCEL itself is answered already.
    pub(crate) fn on_cancel(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        invite: ServerKey,
    ) -> Option<Heard> {
        let leg = *self.by_server.get(invite)?;
        let session = self.all.get(leg)?;
        let first = matches!(session.role, Role::Uas { txn, .. } if txn == invite);
        if !first || session.phase != Phase::Inviting || cx.planted.is(Fault::CancelledInviteNotAnswered) {
            return None;
        }
        let heard = self.heard(leg, LegEvent::Cancelled);
        self.refuse(cx, stack, leg, Status::REQUEST_TERMINATED, "");
        heard
    }

    /// A response to a request of ours.
    pub(crate) fn on_response(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        txn: ClientKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let leg = *self.by_client.get(txn)?;
        let session = self.all.get(leg)?;
        match (&session.role, &session.ours) {
            (Role::Uac { txn: invite, .. }, _) if *invite == txn => {
                self.invited(cx, stack, leg, message, flow)
            }
            (_, Some(ours)) if ours.txn == txn => self.ours_answered(cx, stack, leg, message, flow),
            (_, Some(ours))
                if message.method() == Method::Invite
                    && message.cseq().is_ok_and(|c| c.number == ours.cseq) =>
            {
                self.ours_answered(cx, stack, leg, message, flow)
            }
            _ if session.telling == Some(txn) => self.digit_answered(cx, stack, leg, message.status()?),
            _ if session.is_notifying(txn) => {
                self.notified(cx, stack, leg, message.status());
                None
            }
            _ if session.is_sending_away(txn) => self.refer_answered(cx, stack, leg, Some(message)),
            _ => self.other_answered(cx, stack, leg, message, flow),
        }
    }

    /// A request of ours found no answer.
    pub(crate) fn on_failed(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, txn: ClientKey) -> Option<Heard> {
        let leg = *self.by_client.get(txn)?;
        let session = self.all.get(leg)?;
        match (&session.role, session.phase) {
            (Role::Uac { txn: invite, .. }, Phase::Inviting) if *invite == txn => {
                let heard = self.heard(leg, LegEvent::Refused { status: None, moved: None });
                self.remove(cx, stack, leg);
                heard
            }
            (Role::Uac { txn: invite, .. }, Phase::Ending) if *invite == txn => {
                self.remove(cx, stack, leg);
                None
            }
            _ if session.telling == Some(txn) => {
                self.digit_lost(leg);
                None
            }
            _ if session.is_notifying(txn) => {
                self.notified(cx, stack, leg, None);
                None
            }
            _ if session.is_sending_away(txn) => self.refer_answered(cx, stack, leg, None),
            // BYE was the last request.
            (_, Phase::Ending) if session.dialog.is_some() && session.unacked.is_none() => {
                self.remove(cx, stack, leg);
                None
            }
            // A refresh without an answer means that the peer is gone (§14.1, RFC 4028 §10).
            _ if session.ours.as_ref().is_some_and(|ours| ours.txn == txn) => {
                let heard = self.heard(leg, LegEvent::Ended(Ending::Lost));
                self.hang_up(cx, stack, leg, REASON_LOST);
                heard
            }
            // A PRACK: its fork may be gone, but the INVITE has its own end.
            _ => None,
        }
    }

    /// A timer of a session fired.
    pub(crate) fn on_timer(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        timer: LegTimer,
    ) -> Option<Heard> {
        match timer {
            LegTimer::Retransmit2xx => self.repeat_2xx(cx, stack, leg),
            LegTimer::NoAck => return self.no_ack(cx, stack, leg),
            LegTimer::Retransmit1xx => self.repeat_1xx(cx, stack, leg),
            LegTimer::NoPrack => return self.no_prack(cx, stack, leg),
            LegTimer::Refresh => self.refresh(cx, stack, leg),
            LegTimer::Expired => {
                let heard = self.heard(leg, LegEvent::Ended(Ending::Lost));
                self.hang_up(cx, stack, leg, REASON_LOST);
                return heard;
            }
            LegTimer::Glare => self.refresh(cx, stack, leg),
            LegTimer::Introduce => {
                if let Some(session) = self.all.get_mut(leg) {
                    session.retry_key = None;
                }
                self.introduce_now(cx, stack, leg);
            }
            LegTimer::Progress => self.repeat_progress(cx, stack, leg),
            LegTimer::Digit => self.pause_over(cx, stack, leg),
        }
        None
    }

    /// Whether there is such a session, and it has not begun to end.
    pub(crate) fn exists(&self, leg: LegKey) -> bool {
        self.all.get(leg).is_some_and(|s| s.phase != Phase::Ending)
    }
}

/// Reason of a BYE to a party that does not answer (RFC 3326).
pub(crate) const REASON_LOST: &str = "SIP;cause=408;text=\"No answer from this party\"";

impl Session {
    /// A session that has just begun.
    pub(super) fn new(
        call: CallKey,
        role: Role,
        dialog: Option<Dialog>,
        contact: SmolStr,
        updates: bool,
    ) -> Self {
        Self {
            call,
            role,
            phase: Phase::Inviting,
            dialog,
            contact,
            body: Bytes::new(),
            unacked: None,
            reliable: None,
            overtaken: None,
            next_rseq: 1,
            held_answer: None,
            held_progress: None,
            ack: None,
            ours: None,
            theirs: None,
            updates,
            lists_methods: false,
            identity: None,
            introduces: false,
            timer: None,
            min_se: None,
            timer_key: None,
            retry_key: None,
            progress: None,
            bye_after_ack: None,
            late_forks: Vec::new(),
            fork_cseqs: Vec::new(),
            telling: None,
            untold: std::collections::VecDeque::new(),
            pause: None,
            referral: None,
            sent_away: None,
            placed: None,
        }
    }

    /// Our tag.
    pub(crate) fn local_tag(&self) -> &str {
        match (&self.dialog, &self.role) {
            (_, Role::Uac { ids, .. }) => &ids.0,
            (Some(dialog), Role::Uas { .. }) => &dialog.local_tag,
            (None, Role::Uas { .. }) => "",
        }
    }

    /// Takes back every timer.
    pub(super) fn disarm(&mut self, cx: &mut Cx<'_>) {
        let unacked = self.unacked.take().map(|u| [u.again, u.give_up]);
        let reliable = self.reliable.take().map(|r| [r.again, r.give_up]);
        let keys = unacked.into_iter().chain(reliable).flatten();
        let refresh = self.timer_key.take().filter(|_| !cx.planted.is(Fault::TimerLeaked));
        for key in keys.chain(refresh).chain(self.retry_key.take()).chain(self.pause.take()) {
            cx.timers.cancel(key);
        }
    }

    /// Begins an answer with what all of ours carry.
    pub(super) fn reply(&self, status: Status) -> Reply {
        let mut reply = Reply::new(status);
        if let Some(dialog) = &self.dialog {
            reply = reply.tagged(dialog.local_tag.clone());
        }
        reply
    }
}

/// Under which Contact a session is found: when its dialog goes through a stream.
fn contact_on_stream(session: &Session) -> Option<&SmolStr> {
    let dialog = session.dialog.as_ref()?;
    matches!(dialog.flow, Flow::Stream { .. }).then_some(&dialog.target)
}

/// Arms a timer of a leg.
pub(super) fn arm(cx: &mut Cx<'_>, leg: LegKey, after: Duration, timer: LegTimer) -> TimerKey {
    cx.timers.arm(cx.now + after, Timer::Leg(leg, timer))
}

/// Adds the headers that every message which may create or change a session carries.
pub(super) fn capabilities(reply: Reply, contact: &str) -> Reply {
    reply
        .header(HeaderName::Contact, format_args!("<{contact}>"))
        .header(HeaderName::Allow, super::ALLOW)
        .header(HeaderName::Supported, super::SUPPORTED)
}
