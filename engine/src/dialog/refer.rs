//! REFER inside a session: a party hands its call over, and is told how that goes by NOTIFY (RFC 3515, RFC 4488).

use smol_str::{SmolStr, format_smolstr};

use super::away::Place;
use super::session::{AGENT, EVENTS, Heard, LegEvent, Phase, Role, Session};
use super::sessions::{Sessions, Stack, capabilities};
use super::state::Dialog;
use crate::border::Flow;
use crate::cx::{CallKey, ClientKey, Cx, LegKey, ServerKey};
use crate::limits;
use crate::planted::Fault;
use crate::sip::{HeaderName, Message, Method, Replaces, Scheme, Status, Tagged, Uri, unescape};
use crate::time::{Duration, Instant};
use crate::transaction::Draft;

/// A REFER that waits for the call's decision.
#[derive(Clone, Debug)]
pub(crate) struct Referred {
    /// Its transaction.
    txn: ServerKey,
    /// Its CSeq, the id of the subscription that it makes (RFC 3515 §2.4.6).
    cseq: u32,
    /// User part of the URI it refers to; `user@host` of another host.
    pub(crate) to: SmolStr,
    /// Where the URI leads.
    pub(crate) place: Place,
    /// The dialog whose other end it refers to, a Replaces value (RFC 3891).
    pub(crate) replaces: Option<SmolStr>,
    /// It wants to be told nothing (RFC 4488).
    quiet: bool,
}

/// A transfer that the party of a session has asked for.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Referral {
    cseq: u32,
    quiet: bool,
    /// Until then it hears of it.
    until: Instant,
    /// What it was told last.
    told: Status,
    /// What it is to be told next. Who is slow misses what is out of date.
    next: Option<Status>,
    /// It wants to be told how it is now, and then nothing more.
    leaving: bool,
    /// The NOTIFY that has no answer yet.
    under_way: Option<ClientKey>,
    /// It has been told the end.
    over: bool,
    /// Reason of the BYE that follows.
    bye: Option<SmolStr>,
}

/// How far a dialog is that is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not answered.
    Early,
    /// Confirmed.
    Up,
    /// Being ended.
    Over,
}

impl Session {
    /// Whether it has a dialog with this Call-ID and remote tag. A tag of 0 stands for none, too (RFC 3891 §6.1).
    fn is_dialog(&self, call_id: &str, theirs: &str) -> bool {
        let has = |dialog: &Dialog| {
            dialog.has_remote_tag(Some(theirs)) || theirs == "0" && dialog.remote_tag.is_empty()
        };
        let named = |dialog: &Dialog| dialog.call_id == call_id && has(dialog);
        match (&self.dialog, &self.role) {
            (Some(dialog), _) => named(dialog),
            (None, Role::Uac { early, .. }) => early.iter().any(|(dialog, _)| named(dialog)),
            (None, Role::Uas { .. }) => false,
        }
    }
}

impl Sessions {
    /// A REFER: refused here when it cannot be considered, otherwise the call decides.
    pub(super) fn referred(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
    ) -> Option<Heard> {
        let session = self.all.get(leg)?;
        let referred = session.may_refer().and_then(|()| read(cx, message, txn, stack, flow));
        match referred {
            Ok(referred) => self.heard(leg, LegEvent::Referred(referred)),
            Err(status) => {
                stack.respond(cx, txn, &session.reply(status));
                None
            }
        }
    }

    /// The call does what the party asks for.
    pub(crate) fn accept_refer(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        referred: &Referred,
    ) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let Referred { txn, cseq, quiet, .. } = *referred;
        let status = if quiet { Status::OK } else { Status::ACCEPTED };
        let mut reply = capabilities(session.reply(status), &session.contact);
        if quiet {
            reply = reply.header(HeaderName::ReferSub, "false");
        }
        stack.respond(cx, txn, &reply);
        session.referral = Some(Referral {
            cseq,
            quiet,
            until: cx.now + limits::REFERRAL,
            told: Status::TRYING,
            next: None,
            leaving: false,
            under_way: None,
            over: false,
            bye: None,
        });
        let status = if cx.planted.is(Fault::TransferToldTooSoon) { Status::OK } else { Status::TRYING };
        self.tell_referrer(cx, stack, leg, status);
    }

    /// A SUBSCRIBE inside a session: the party wants to hear longer of its transfer, or no more. It begins nothing
    /// (RFC 3515 §2.4.4), and other events have dialogs of their own (RFC 6665 §4.5.2).
    pub(super) fn subscribed(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let refused = |status, why| session.reply(status).reason(why);
        let event = match message.event() {
            Some(Ok(event)) => event,
            Some(Err(_)) => {
                stack.respond(cx, txn, &refused(Status::BAD_REQUEST, "Event cannot be read"));
                return None;
            }
            None => {
                let reply = session.reply(Status::BAD_EVENT).header(HeaderName::AllowEvents, EVENTS);
                stack.respond(cx, txn, &reply);
                return None;
            }
        };
        if !event.package.eq_ignore_ascii_case("refer") {
            stack.respond(cx, txn, &refused(Status::FORBIDDEN, "Dialog sharing is not supported"));
            return None;
        }
        let reply = capabilities(session.reply(Status::OK), &session.contact);
        let unknown = refused(Status::FORBIDDEN, "Only REFER begins this");
        let mine = |referral: &&mut Referral| {
            let id = format_smolstr!("{}", referral.cseq);
            !referral.quiet && !referral.over && event.id.is_none_or(|wanted| wanted == id)
        };
        let Some(referral) = session.referral.as_mut().filter(mine) else {
            stack.respond(cx, txn, &unknown);
            return None;
        };
        let asked = message.expires().and_then(Result::ok).map(|seconds| Duration::from_secs(seconds.into()));
        let granted = asked.unwrap_or(limits::REFERRAL).min(limits::REFERRAL);
        referral.until = cx.now + granted;
        referral.leaving |= granted.is_zero();
        referral.next = referral.next.or(Some(referral.told));
        stack.respond(cx, txn, &reply.header(HeaderName::Expires, granted.as_secs()));
        self.notify(cx, stack, leg);
        None
    }

    /// The call does not; `why` is for people who read the trace (RFC 3261 §20.43).
    pub(crate) fn refuse_refer(
        &self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        referred: &Referred,
        (status, why): (Status, &str),
    ) {
        let Some(session) = self.all.get(leg) else { return };
        let warning = format_smolstr!("399 telex \"{why}\"");
        stack.respond(cx, referred.txn, &session.reply(status).header(HeaderName::Warning, warning));
    }

    /// Tells the party how far its transfer is. A final status is the last.
    pub(crate) fn tell_referrer(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, status: Status) {
        let Some(referral) = self.all.get_mut(leg).and_then(|session| session.referral.as_mut()) else {
            return;
        };
        if referral.quiet || cx.planted.is(Fault::TransferNotTold) {
            if status.is_final() {
                self.referral_over(cx, stack, leg);
            }
            return;
        }
        referral.next = Some(status);
        self.notify(cx, stack, leg);
    }

    /// Tells the party the end of its transfer and then ends its session, with this Reason (RFC 3326). The call forgets
    /// it at once.
    pub(crate) fn end_referral(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Status,
        reason: &str,
    ) {
        let Some(session) = self.all.get_mut(leg) else { return };
        if session.phase != Phase::Up || session.referral.is_none() {
            return self.hang_up(cx, stack, leg, reason);
        }
        session.phase = Phase::Ending;
        // A 2xx to a re-INVITE of the party's is still repeated until its ACK comes.
        if session.unacked.is_none() {
            session.disarm(cx);
        }
        if let Some(referral) = &mut session.referral {
            referral.bye = Some(reason.into());
        }
        self.tell_referrer(cx, stack, leg, status);
    }

    /// The session whose dialog is named (RFC 3891 §3), its call, and how far it is. Which tag is ours depends on whom
    /// a phone has its knowledge from: the other end of the dialog, or a watched phone's document (RFC 4235).
    pub(crate) fn replaced(&self, wanted: &Replaces<'_>) -> Option<(CallKey, LegKey, Stage)> {
        let tags = [(wanted.to_tag, wanted.from_tag), (wanted.from_tag, wanted.to_tag)];
        tags.into_iter().find_map(|(ours, theirs)| {
            let leg = *self.by_tag.get(ours)?;
            let session = self.all.get(leg).filter(|session| session.is_dialog(wanted.call_id, theirs))?;
            let stage = match session.phase {
                Phase::Inviting => Stage::Early,
                Phase::Up => Stage::Up,
                Phase::Ending => Stage::Over,
            };
            Some((session.call, leg, stage))
        })
    }

    /// The first early dialog by which a party rings: its Call-ID, our tag and the party's.
    pub(crate) fn early_dialog(&self, leg: LegKey) -> Option<(SmolStr, SmolStr, SmolStr)> {
        let session = self.all.get(leg).filter(|session| session.phase == Phase::Inviting)?;
        let Role::Uac { early, .. } = &session.role else { return None };
        let mut dialogs = early.iter().map(|(dialog, _)| dialog);
        let dialog = dialogs.find(|dialog| !dialog.remote_tag.is_empty())?;
        Some((dialog.call_id.clone(), dialog.local_tag.clone(), dialog.remote_tag.clone()))
    }

    /// The session belongs to this call from now on.
    pub(crate) fn move_to(&mut self, leg: LegKey, call: CallKey) {
        if let Some(session) = self.all.get_mut(leg) {
            session.call = call;
        }
    }

    fn notify(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let over = session.phase == Phase::Ending;
        let Session { referral: Some(referral), dialog: Some(dialog), contact, .. } = session else { return };
        // After a BYE nobody is told any more.
        if referral.under_way.is_some() || over && referral.bye.is_none() {
            return;
        }
        let Some(status) = referral.next.take() else { return };
        referral.told = status;
        referral.over = status.is_final();
        let left = referral.until.since(cx.now).as_secs().max(1);
        let state = match (referral.over, referral.leaving) {
            (true, _) => SmolStr::new_static("terminated;reason=noresource"),
            (false, true) => SmolStr::new_static("terminated;reason=timeout"),
            (false, false) => format_smolstr!("active;expires={left}"),
        };
        referral.quiet |= referral.leaving;
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Notify, None);
        writer.header(HeaderName::Contact, format_args!("<{contact}>"));
        writer.header(HeaderName::Event, format_args!("refer;id={}", referral.cseq));
        writer.header(HeaderName::SubscriptionState, state);
        writer.header(HeaderName::UserAgent, AGENT);
        let fragment = format!("SIP/2.0 {} {}\r\n", status.code(), status.reason());
        let bytes = writer.body("message/sipfrag;version=2.0", fragment.as_bytes());
        let txn = stack.request(cx, Draft::new(Method::Notify, bytes), hop);
        referral.under_way = Some(txn);
        self.owns_client(txn, leg);
    }

    /// The party has answered a NOTIFY, or has not (`None`). Who refuses one wants no more of them (RFC 6665 §4.2.2);
    /// its session goes on (RFC 5057 §5.1).
    pub(super) fn notified(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        status: Option<Status>,
    ) {
        if status.is_some_and(Status::is_provisional) {
            return;
        }
        let Some(referral) = self.all.get_mut(leg).and_then(|session| session.referral.as_mut()) else {
            return;
        };
        referral.under_way = None;
        let refused = !status.is_some_and(Status::is_success);
        if referral.over {
            self.referral_over(cx, stack, leg);
        } else if refused {
            referral.quiet = true;
            if referral.next.take().is_some_and(Status::is_final) {
                self.referral_over(cx, stack, leg);
            }
        } else {
            self.notify(cx, stack, leg);
        }
    }

    fn referral_over(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        if let Some(reason) = session.referral.take().and_then(|referral| referral.bye) {
            if session.unacked.is_some() {
                session.bye_after_ack = Some(reason);
                return;
            }
            self.bye(cx, stack, leg, &reason);
        }
    }
}

impl Referred {
    /// The same, to an extension of ours.
    pub(crate) fn leading_to(self, to: SmolStr) -> Self {
        Self { to, place: Place::Ours, ..self }
    }
}

impl Session {
    fn may_refer(&self) -> Result<(), Status> {
        match self.phase {
            Phase::Ending => Err(Status::NO_SUCH_TRANSACTION),
            Phase::Inviting => Err(Status::REQUEST_PENDING),
            Phase::Up if self.unacked.is_some() || self.referral.is_some() => Err(Status::REQUEST_PENDING),
            Phase::Up => Ok(()),
        }
    }

    /// Whether this is the NOTIFY under way.
    pub(super) fn is_notifying(&self, txn: ClientKey) -> bool {
        self.referral.as_ref().is_some_and(|referral| referral.under_way == Some(txn))
    }
}

fn read(
    cx: &Cx<'_>,
    message: &Message,
    txn: ServerKey,
    stack: &Stack,
    flow: Flow,
) -> Result<Referred, Status> {
    let Some(Ok(refer_to)) = message.refer_to() else { return Err(Status::BAD_REQUEST) };
    let uri = &refer_to.uri;
    if uri.scheme() == Scheme::Other {
        return Err(Status::UNSUPPORTED_URI_SCHEME);
    }
    let method = uri.param("method").flatten().unwrap_or("INVITE");
    if !method.eq_ignore_ascii_case("INVITE") || uri.user().is_empty() {
        return Err(Status::BAD_REQUEST);
    }
    let replaces = uri.headers().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
    let place = place(cx, uri, message, stack, flow);
    let to = match &place {
        Place::Away(away) => away.who.clone(),
        Place::Nowhere(_) if !uri.host_text().is_empty() => {
            format_smolstr!("{}@{}", uri.user(), uri.host_text())
        }
        Place::Ours | Place::Nowhere(_) => SmolStr::new(uri.user_unescaped()),
    };
    let sub = message.header(HeaderName::ReferSub).map(|value| Tagged::parse("Refer-Sub", value));
    Ok(Referred {
        txn,
        cseq: message.cseq().map_err(|_| Status::BAD_REQUEST)?.number,
        to,
        place,
        replaces: replaces.map(|(_, value)| SmolStr::new(unescape(value))),
        quiet: matches!(sub, Some(Ok(tagged)) if tagged.token.eq_ignore_ascii_case("false")),
    })
}

/// Where a URI leads. It names the exchange by its address or realm, or by one of the names that the dialog goes by.
fn place(cx: &Cx<'_>, uri: &Uri<'_>, message: &Message, stack: &Stack, flow: Flow) -> Place {
    let host = uri.host();
    let asked = Uri::parse(message.request_uri()).is_ok_and(|asked| host.same_as(&asked.host()));
    let realm = uri.host_text().eq_ignore_ascii_case(&cx.config.realm);
    let any = cx.planted.is(Fault::ForeignTransfer);
    if any || asked || realm || host.ip() == Some(stack.transport.local_of(&flow).ip()) {
        return Place::Ours;
    }
    let named = [message.from(), message.to()].into_iter().flatten().any(|a| host.same_as(&a.uri.host()));
    Place::of(uri, cx.config, named)
}
