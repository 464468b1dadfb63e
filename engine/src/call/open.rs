//! The beginning of a call: from an authorised INVITE to a caller, its callees and an app.

use std::net::SocketAddr;

use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::scene::Caller;
use telex_dialplan::{Asked, At, Dialplan, Found, Moment, Thread};

use super::app::{App, CALLER, side};
use super::dial::{Asking, escaped};
use super::identity::{PROHIBITED, identity_of, is_private};
use super::party::Party;
use super::script::{Script, reason};
use super::trails::Kept;
use super::{Below, Call, Calls};
use crate::border::{CallState, Flow};
use crate::cdr::LegRecord;
use crate::cx::{CallKey, Cx, ServerKey};
use crate::dialog::{Invited, is_optional, is_sdp};
use crate::event::Event;
use crate::limits;
use crate::mediactl::{PortId, RoomId, ShardId};
use crate::offer::{self, Description};
use crate::sip::{HeaderName, Message, Status, Uri};
use crate::transaction::Reply;

/// An INVITE or MESSAGE outside any dialog, from somebody who may call.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    /// Its transaction.
    pub(crate) txn: ServerKey,
    /// The message.
    pub(crate) invite: &'a Message,
    /// The way it came.
    pub(crate) flow: Flow,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// The caller's extension.
    pub(crate) caller: SmolStr,
}

/// Why a call does not begin.
pub(super) struct Refusal {
    status: Status,
    /// A Warning header field (RFC 3261 §20.43).
    warning: Option<SmolStr>,
    reason: Option<SmolStr>,
    /// What is wrong, for those who read the log; empty where the status says it.
    why: SmolStr,
    /// A Reason header field that leads to the explanation (RFC 6432).
    explain: Option<SmolStr>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { status, warning: None, reason: None, why: SmolStr::default(), explain: None }
    }
}

impl Refusal {
    /// With words for people who read the trace (RFC 3261 §20.43).
    pub(super) fn because(status: Status, why: &str) -> Self {
        Self { warning: Some(format_smolstr!("399 telex \"{why}\"")), why: why.into(), ..status.into() }
    }
}

impl Calls {
    /// Begins a call, or refuses the INVITE.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>, below: &mut Below, incoming: &Incoming<'_>) {
        let opened = match incoming.invite.replaces() {
            Some(Ok(replaces)) => self.replace(cx, below, incoming, &replaces),
            Some(Err(_)) => Err(Refusal::because(Status::BAD_REQUEST, "Replaces cannot be read")),
            None => self.try_open(cx, below, incoming),
        };
        if let Err(refusal) = opened {
            self.tell_refusal(cx, incoming, refusal.status);
            let by = (Some(&incoming.caller), incoming.source);
            let transport = &mut below.stack.transport;
            transport.tell_refused(cx, incoming.invite, by, refusal.status, &refusal.why);
            let mut reply = Reply::new(refusal.status);
            if let Some(reason) = refusal.reason {
                reply = reply.reason(reason);
            }
            if let Some(explain) = refusal.explain {
                reply = reply.header(HeaderName::Reason, explain);
            }
            if let Some(warning) = refusal.warning {
                reply = reply.header(HeaderName::Warning, warning);
            }
            if refusal.status == Status::SERVICE_UNAVAILABLE {
                reply = reply.header(HeaderName::RetryAfter, limits::RETRY_CALL_AFTER);
            }
            if refusal.status == Status::UNSUPPORTED_MEDIA_TYPE {
                reply = reply.header(HeaderName::Accept, "application/sdp");
                reply = reply.header(HeaderName::AcceptEncoding, "identity");
            }
            below.stack.respond(cx, incoming.txn, &reply);
        }
    }

    /// Keeps the record of a call that leads nowhere. Those that are refused because there are too many leave none, nor
    /// do those that could not be read.
    fn tell_refusal(&mut self, cx: &mut Cx<'_>, incoming: &Incoming<'_>, status: Status) {
        if !matches!(status.code(), 404 | 480 | 488) {
            return;
        }
        let Ok(uri) = Uri::parse(incoming.invite.request_uri()) else { return };
        let contact = format_smolstr!("{}", incoming.source);
        let extension = incoming.caller.clone();
        let caller =
            LegRecord { extension, contact, asked: cx.wall, ended: Some(cx.wall), ..LegRecord::default() };
        let (from, to) = (incoming.caller.as_str(), uri.user_unescaped());
        self.keep_refusal(cx, caller, [from, &shown_name(incoming.invite), &to], status);
    }

    fn try_open(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        let offer = read_offer(incoming.invite, below.stack.transport.local_of(&incoming.flow))?;
        let uri = Uri::parse(incoming.invite.request_uri()).map_err(|_| Status::BAD_REQUEST)?;
        let dialled = SmolStr::new(uri.user_unescaped());
        let (number, plan) = self.plans.current();
        let Some(matched) = matched(cx, &plan, &incoming.caller, &dialled) else {
            return Err(self.unknown(cx, incoming, &dialled));
        };
        self.admit(cx, below, incoming)?;
        // Who may come to join a conference has its media where that is.
        let parked = |args| self.parked_shard(args, &dialled);
        let on = meeting(&matched).and_then(|name| self.conferences.shard(name));
        let on = on.or_else(|| step(&matched, "ParkedCall").and_then(parked));
        let key = self.create(cx, below, incoming, &dialled, offer, on)?;
        self.plans.hold(number);
        let headers = if self.plans.reads_headers() { headers(incoming.invite) } else { Vec::new() };
        let call = &mut self.all[key];
        let (pattern, context) = (format_smolstr!("{}", matched.extension), matched.context.name.clone());
        cx.report(Event::Matched { call: call.id, pattern, context });
        let caller = Caller {
            number: incoming.caller.clone(),
            name: call.name.clone(),
            dnid: dialled.clone(),
            pres: if call.parties[CALLER].private { PROHIBITED } else { "" }.into(),
            ..Caller::default()
        };
        let thread = Thread::new(cx.config.context_of(&incoming.caller), &dialled, caller);
        call.script = Some(Box::new(Script::new(number, thread, headers)));
        call.app = App::Script;
        self.go_on(cx, below, key);
        self.settle(cx, key);
        Ok(())
    }

    /// Refuses a call that is one too many.
    pub(super) fn admit(
        &self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        let most = cx.config.max_calls.min(limits::CALLS);
        let full = match self.all.len() >= most {
            true => Some("calls"),
            false => self.is_greedy(&incoming.caller, most).then_some("calls of one caller"),
        };
        let Some(what) = full else { return Ok(()) };
        below.stack.transport.no_room(cx, what);
        Err(Status::SERVICE_UNAVAILABLE.into())
    }

    /// Nobody has the number that was dialled. The refusal can be explained all the same.
    fn unknown(&mut self, cx: &Cx<'_>, incoming: &Incoming<'_>, dialled: &SmolStr) -> Refusal {
        // Under this number its record is kept.
        let id = self.next_id;
        let (from, to) = (incoming.caller.clone(), dialled.clone());
        let context = cx.config.context_of(&from);
        let text = no_match(context, dialled);
        let why = format_smolstr!("{}, explain {id}", text.trim_end());
        let record = crate::cdr::unique(cx.wall, id);
        let explain = Some(reason(&super::causes::refused_by(Status::NOT_FOUND), &record));
        let plan = self.plans.current().0;
        self.trails.keep(Kept { call: id, since: cx.wall, from, to, plan, text });
        Refusal { why, explain, ..Status::NOT_FOUND.into() }
    }

    /// The call with its caller, and nothing asked yet.
    pub(super) fn create(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        incoming: &Incoming<'_>,
        dialled: &SmolStr,
        offer: Option<Description>,
        on: Option<ShardId>,
    ) -> Result<CallKey, Refusal> {
        let (shard, room) = self.ports.room(on);
        let Some(port) = self.ports.take(cx, shard) else {
            below.stack.transport.no_room(cx, "RTP ports");
            return Err(Status::SERVICE_UNAVAILABLE.into());
        };
        let id = self.next_id;
        let name = Some(identity_of(cx.config, &incoming.caller).name).filter(|name| !name.is_empty());
        let caller = (incoming.caller.clone(), name.unwrap_or_else(|| shown_name(incoming.invite)));
        let asking = Asking::of(incoming.invite, cx.now);
        let mut call = Call::begun(cx, id, caller, dialled, (shard, room), asking);
        if cx.config.phones.get(&incoming.caller).is_some_and(|phone| phone.trusted) {
            call.did = dialled.clone();
        }
        let key = self.all.insert(call);
        let Incoming { txn, invite, flow, .. } = *incoming;
        let by = Invited { txn, invite, flow, user: &escaped(dialled) };
        let leg = below.sessions.invited_by(cx, &mut below.stack, key, &by);
        let Ok(leg) = leg else {
            self.all.remove(key);
            self.ports.release(shard, port);
            return Err(Status::BAD_REQUEST.into());
        };
        self.next_id += 1;
        self.by_id.insert(id, key);
        self.lines.insert(key, &incoming.caller);
        *self.shares.entry(incoming.caller.clone()).or_default() += 1;
        let local = below.stack.transport.local_of(&incoming.flow);
        let mut caller = self.caller(cx, key, incoming, (shard, port), local);
        caller.leg = Some(leg);
        cx.report(Event::CallStarted {
            call: id,
            from: incoming.caller.clone(),
            to: dialled.clone(),
            source: incoming.source,
            transport: below.stack.transport.transport_of(&incoming.flow),
        });
        if let Some(offer) = offer {
            // Nothing was offered before, so that it is the caller's turn.
            let _ = caller.offered(offer);
            self.spoken.hear(cx.now, &incoming.caller, caller.their_codecs(), true);
            caller.tell_heard(cx, id, side(CALLER), true);
        }
        self.all[key].parties.push(caller);
        self.all[key].keep_record(cx);
        Ok(key)
    }

    /// The caller, reached at `local` and heard of just now.
    fn caller(
        &mut self,
        cx: &mut Cx<'_>,
        key: CallKey,
        incoming: &Incoming<'_>,
        port: (ShardId, PortId),
        local: SocketAddr,
    ) -> Party {
        let address = cx.config.media_address.unwrap_or(local.ip());
        let contact = format_smolstr!("{}", incoming.source);
        let caller = Party::new(contact, self.ports.leg(key), port, address, session_id(cx));
        let mut caller = caller.configured(cx.config, &incoming.caller);
        (caller.near, caller.asked) = (Some(incoming.source.ip()), cx.wall);
        caller.private = is_private(incoming.invite);
        caller
    }
}

impl Call {
    /// A call of which nothing is known but who calls whom.
    pub(super) fn begun(
        cx: &Cx<'_>,
        id: u64,
        (from, name): (SmolStr, SmolStr),
        to: &SmolStr,
        (shard, room): (ShardId, RoomId),
        asking: Asking,
    ) -> Self {
        Self {
            id,
            from,
            name,
            to: to.clone(),
            did: SmolStr::default(),
            started: cx.now,
            since: cx.wall,
            answered: None,
            state: CallState::Calling,
            shard,
            room,
            room_put: false,
            room_rev: 0,
            conference: None,
            recording: None,
            recordings: 0,
            touched: None,
            unheard: Vec::new(),
            parties: SmallVec::new(),
            asking,
            summons: None,
            peer: None,
            app: App::Done,
            script: None,
            transfer: None,
            aside: None,
            held: SmallVec::new(),
            between: None,
            own_words: false,
            cause: None,
            deadline: None,
            timer: None,
            waiting: SmallVec::new(),
        }
    }
}

/// The extension that a call begins with. Where it is not there nobody is answered to be told so by `i`.
pub(super) fn matched<'a>(
    cx: &Cx<'_>,
    plan: &'a Dialplan,
    caller: &SmolStr,
    dialled: &'a str,
) -> Option<Found<'a>> {
    let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
    let now = Moment::new(ms, &cx.config.zone);
    let context = cx.config.context_of(caller);
    plan.find(Asked { context, extension: dialled, caller, now }, At::Priority(1))
}

/// Why a number leads nowhere. One with a line end in it does not write lines of its own.
pub(super) fn no_match(context: &str, dialled: &str) -> String {
    let number = dialled.replace(char::is_control, "\u{fffd}");
    format!("no extension of context [{context}] matches {number}\n")
}

/// The conference that an extension leads to, if its name is written there.
fn meeting<'a>(found: &Found<'a>) -> Option<&'a str> {
    let name = step(found, "ConfBridge")?.split(',').next()?.trim();
    (!name.contains('$')).then_some(name)
}

/// The arguments, as written, of the first step of an extension with this application.
fn step<'a>(found: &Found<'a>, app: &str) -> Option<&'a str> {
    let step = found.extension.steps.iter().find(|step| step.app.eq_ignore_ascii_case(app))?;
    Some(&step.args)
}

/// The header fields of an INVITE that a dialplan may read: all that fit, but for secrets.
fn headers(invite: &Message) -> Vec<(SmolStr, SmolStr)> {
    let mut room = limits::HEADER_OCTETS;
    let mut kept = Vec::new();
    for header in invite.headers() {
        let secret =
            ["Authorization", "Proxy-Authorization"].iter().any(|s| header.name.eq_ignore_ascii_case(s));
        let octets = header.name.len() + header.value.len();
        if !secret && octets <= room {
            room -= octets;
            kept.push((header.name.into(), header.value.into()));
        }
    }
    kept
}

/// The session description of an INVITE; `None` when it asks for our offer.
pub(super) fn read_offer(invite: &Message, local: SocketAddr) -> Result<Option<Description>, Refusal> {
    if invite.body().is_empty() || is_optional(invite) && !is_sdp(invite) {
        return Ok(None);
    }
    if !is_sdp(invite) || invite.header(HeaderName::ContentEncoding).is_some() {
        return Err(Status::UNSUPPORTED_MEDIA_TYPE.into());
    }
    let refuse = |error: offer::OfferError| Refusal {
        status: Status::new(error.status()).unwrap_or(Status::NOT_ACCEPTABLE_HERE),
        warning: Some(format_smolstr!("{} {local} \"{error}\"", error.warning())),
        reason: (error.status() == 400).then(|| format_smolstr!("{error}")),
        why: format_smolstr!("{error}"),
        explain: None,
    };
    let offer = offer::read(invite.body()).map_err(refuse)?;
    let speaks = offer.audio().is_some_and(|audio| offer::speech(&audio.codecs).is_some());
    if !speaks {
        return Err(refuse(if offer.audio().is_some() {
            offer::OfferError::NoCommonCodec
        } else {
            offer::OfferError::NoAudio
        }));
    }
    Ok(Some(offer))
}

/// The name that a caller shows; empty without, and for one who hides it.
fn shown_name(invite: &Message) -> SmolStr {
    if is_private(invite) {
        return SmolStr::default();
    }
    let from = invite.from().ok();
    from.and_then(|from| from.display_name().map(SmolStr::new)).unwrap_or_default()
}

/// The number of our session towards a party (RFC 8866 §5.2): random, and below 2^53 for those who read it as a float.
pub(super) fn session_id(cx: &mut Cx<'_>) -> u64 {
    cx.rng.call.u64() >> 12
}
