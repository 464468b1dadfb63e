//! The beginning of a call: from an authorised INVITE to a caller, its callees and an app.

use std::net::SocketAddr;

use smallvec::{SmallVec, smallvec};
use smol_str::{SmolStr, format_smolstr};

use super::app::{App, AppEvent, CALLER, Order, PartyId, side};
use super::hunt::Hunt;
use super::party::Party;
use super::route::{Destination, Named, route};
use super::{Below, Call, Calls};
use crate::border::{CallState, Flow, QueryId, ResolveError, Transport};
use crate::cdr::LegRecord;
use crate::config::{Config, FixedContact};
use crate::cx::{CallKey, CallTimer, Cx, ServerKey, Timer};
use crate::dialog::{Invitation, Invited, is_optional, is_sdp, without_tag};
use crate::event::{EndCause, Event};
use crate::limits;
use crate::mediactl::{PortId, ShardId};
use crate::offer::{self, Description};
use crate::planted::{self, Fault};
use crate::registrar::{Reach, Registrar};
use crate::sip::{EscapedUser, HeaderName, Host, Message, Status, Uri};
use crate::time::Duration;
use crate::transaction::Reply;

/// An INVITE outside any dialog, from somebody who may call.
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

/// A contact to ask.
struct Target {
    uri: SmolStr,
    reach: Reach,
    routes: SmallVec<[SmolStr; 1]>,
}

/// Why a call does not begin.
struct Refusal {
    status: Status,
    /// A Warning header field (RFC 3261 §20.43).
    warning: Option<SmolStr>,
    reason: Option<SmolStr>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { status, warning: None, reason: None }
    }
}

impl Calls {
    /// Begins a call, or refuses the INVITE.
    pub(crate) fn open(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        registrar: &Registrar,
        incoming: &Incoming<'_>,
    ) {
        if let Err(refusal) = self.try_open(cx, below, registrar, incoming) {
            self.tell_refusal(cx, incoming, refusal.status);
            let mut reply = Reply::new(refusal.status);
            if let Some(reason) = refusal.reason {
                reply = reply.reason(reason);
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
        let caller = LegRecord { contact, asked: cx.wall, ..LegRecord::default() };
        let (from, to) = (incoming.caller.as_str(), uri.user_unescaped());
        self.keep_refusal(cx, caller, [from, &shown_name(incoming.invite), &to], status);
    }

    fn try_open(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        registrar: &Registrar,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        let offer = read_offer(incoming.invite, below.stack.transport.local_of(&incoming.flow))?;
        let uri = Uri::parse(incoming.invite.request_uri()).map_err(|_| Status::BAD_REQUEST)?;
        let dialled = SmolStr::new(uri.user_unescaped());
        let config = cx.config;
        let destination = route(config, &dialled).ok_or(Status::NOT_FOUND)?;
        let targets = match &destination {
            Destination::Phone(extension, _) => targets(config, registrar, extension),
            Destination::Conference(_) | Destination::Echo | Destination::Tone => Vec::new(),
        };
        let most = config.max_calls.min(limits::CALLS);
        let full = match self.all.len() >= most {
            true => Some("calls"),
            false => self.is_greedy(&incoming.caller, most).then_some("calls of one caller"),
        };
        if let Some(what) = full {
            below.stack.transport.no_room(cx, what);
            return Err(Status::SERVICE_UNAVAILABLE.into());
        }
        if targets.is_empty() && matches!(destination, Destination::Phone(..)) {
            return Err(Status::TEMPORARILY_UNAVAILABLE.into());
        }
        let on = match destination {
            Destination::Conference(name) => {
                self.conferences.admits(name).map_err(|no| {
                    below.stack.transport.no_room(cx, no.what());
                    no.status()
                })?;
                self.conferences.shard(name)
            }
            _ => None,
        };
        let key = self.create(cx, below, incoming, &dialled, offer, on)?;
        match destination {
            Destination::Phone(..) => self.hunt(cx, below, key, incoming, targets),
            Destination::Conference(name) => match self.join(cx, key, name) {
                Ok(()) => self.serve(cx, below, key),
                Err(no) => self.refuse_service(cx, below, key, no.status()),
            },
            Destination::Echo | Destination::Tone => self.serve(cx, below, key),
        }
        Ok(())
    }

    /// The call with its caller, and nothing asked yet.
    fn create(
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
        let key = self.all.insert(Call {
            id,
            from: incoming.caller.clone(),
            name: shown_name(incoming.invite),
            to: dialled.clone(),
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
            unheard: Vec::new(),
            parties: SmallVec::new(),
            peer: None,
            app: App::Done,
            cause: None,
            timer: None,
            waiting: SmallVec::new(),
        });
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
        *self.shares.entry(incoming.caller.clone()).or_default() += 1;
        let local = below.stack.transport.local_of(&incoming.flow);
        let mut caller = self.caller(cx, key, incoming, port, local);
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
        port: PortId,
        local: SocketAddr,
    ) -> Party {
        let address = cx.config.media_address.unwrap_or(local.ip());
        let contact = format_smolstr!("{}", incoming.source);
        let caller = Party::new(contact, self.ports.leg(key), port, address, session_id(cx));
        let mut caller = caller.configured(cx.config.phones.get(&incoming.caller));
        (caller.near, caller.asked) = (Some(incoming.source.ip()), cx.wall);
        caller
    }

    /// `*43`, `*60` and conferences: the exchange itself answers.
    fn serve(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let call = &mut self.all[key];
        call.app = App::Service;
        let offered = call.parties[CALLER].has_spoken();
        let codecs = if offered {
            call.chosen_for(cx, CALLER)
        } else {
            Ok(call.parties[CALLER].repertoire(cx.config).codecs().to_vec())
        };
        match codecs {
            Ok(codecs) => call.answer_service(cx, below, codecs),
            Err(_) => self.refuse_service(cx, below, key, Status::NOT_ACCEPTABLE_HERE),
        }
    }

    fn refuse_service(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, status: Status) {
        let cause = EndCause::Refused(status.code());
        self.perform(cx, below, key, Order::Refuse { status, cause });
        self.settle(cx, key);
    }

    /// Asks every contact of the extension.
    fn hunt(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        incoming: &Incoming<'_>,
        targets: Vec<Target>,
    ) {
        let invitation = invitation(incoming, &self.all[key]);
        let mut callees = Vec::new();
        let mut failed = Vec::new();
        let alone = targets.len() == 1;
        for target in targets.into_iter().take(limits::LEGS_PER_CALL - 1) {
            let invitation = Invitation { uri: target.uri, routes: target.routes, ..invitation.clone() };
            let Some(party) = self.add_callee(cx, key, &invitation.uri, alone) else {
                below.stack.transport.no_room(cx, "RTP ports");
                break;
            };
            callees.push(party);
            let asked = match target.reach {
                Reach::Flow(flow) => self.ask(cx, below, key, party, Some(flow), invitation),
                Reach::Address { transport, remote } => {
                    let flow = below.stack.transport.target(cx, transport, remote);
                    self.ask(cx, below, key, party, flow, invitation)
                }
                Reach::Name { transport, host, port } => {
                    let query = self.query(cx, key, host.clone());
                    let named = Named { host, port, transport };
                    self.all[key].waiting.push((query, party, named, invitation));
                    Ok(())
                }
                Reach::Unreachable => Err(None),
            };
            if let Err(status) = asked {
                failed.push((party, status));
            }
        }
        let patience = if cx.planted.is(Fault::RingsForEver) { planted::NEVER } else { cx.config.ring };
        let expires = expiry(incoming.invite);
        let ring = cx.now + patience.min(expires);
        let call = &mut self.all[key];
        call.timer = Some(cx.timers.arm(ring, Timer::Call(key, CallTimer::NoAnswer)));
        // A hunt that could ask nobody at all is refused like one whose last callee failed.
        if callees.is_empty() {
            callees.push(CALLER);
            failed.push((CALLER, None));
        }
        call.app = App::Hunt(Hunt::among(callees).expiring(expires < patience));
        for (party, status) in failed {
            self.decide(cx, below, key, AppEvent::Refused { party, status });
        }
    }

    fn add_callee(&mut self, cx: &mut Cx<'_>, key: CallKey, uri: &SmolStr, alone: bool) -> Option<PartyId> {
        let shard = self.all[key].shard;
        let port = self.ports.take(cx, shard)?;
        let address = self.all[key].parties[CALLER].address();
        let party = Party::new(uri.clone(), self.ports.leg(key), port, address, session_id(cx));
        let call = &mut self.all[key];
        let mut party = party.configured(cx.config.phones.get(&call.to));
        party.alone = alone;
        party.asked = cx.wall;
        call.parties.push(party);
        Some(call.parties.len() - 1)
    }

    /// Invites a callee through this flow; `Err` with what is as good as its answer when that cannot be done.
    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        flow: Option<Flow>,
        mut invitation: Invitation,
    ) -> Result<(), Option<Status>> {
        let flow = flow.ok_or(None)?;
        let local = below.stack.transport.local_of(&flow);
        let call = &mut self.all[key];
        call.parties[party].near = Some(below.stack.transport.remote_of(&flow).ip());
        call.parties[party].reached_at(cx.config.media_address.unwrap_or(local.ip()));
        // Several phones of one extension need not be alike.
        let known = self.spoken.of(&call.to).filter(|_| call.parties[party].alone).map(|(codecs, _)| codecs);
        invitation.flow = flow;
        call.parties[party].again = known.map(|_| Box::new(invitation.clone()));
        let offer = call.describe_to_callee(cx, party, known);
        invitation.offer = offer.ok_or(Status::NOT_ACCEPTABLE_HERE)?;
        let host = host_for_uri(local);
        invitation.from = format_smolstr!("{}<sip:{}@{host}>", invitation.from, EscapedUser(&call.from));
        cx.report(Event::Asking { call: call.id, contact: invitation.uri.clone() });
        let leg = below.sessions.invite(cx, &mut below.stack, key, invitation);
        self.all[key].parties[party].leg = Some(leg);
        Ok(())
    }

    /// A callee that was offered less than there is, by what it named before, refuses that: it is asked again at once
    /// with all there is. False when it was offered that already.
    pub(super) fn ask_again(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
    ) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        self.spoken.forget(&call.to);
        let Some(invitation) = call.parties[party].again.take() else { return false };
        let (caller, callee) = (&call.parties[CALLER], &call.parties[party]);
        let all = callee.offer_for(cx.config, caller.their_codecs(), None);
        let hunts = matches!(call.app, App::Hunt(_)) && call.cause.is_none() && call.peer != Some(party);
        if !hunts || !caller.has_spoken() || all == callee.our_codecs() {
            return false;
        }
        let flow = invitation.flow;
        self.ask(cx, below, key, party, Some(flow), *invitation).is_ok()
    }

    /// A host name was looked up.
    pub(crate) fn resolved(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        query: QueryId,
        answer: &Result<Vec<std::net::IpAddr>, ResolveError>,
    ) {
        let Some(key) = self.by_query.remove(&query) else { return };
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(at) = call.waiting.iter().position(|w| w.0 == query) else { return };
        let (_, party, named, invitation) = call.waiting.remove(at);
        if call.cause.is_some() || !matches!(call.app, App::Hunt(_)) {
            return;
        }
        let address = answer.as_ref().ok().and_then(|addresses| addresses.first().copied());
        let flow = address.and_then(|ip| {
            below.stack.transport.target(cx, named.transport, SocketAddr::new(ip, named.port))
        });
        if let Err(status) = self.ask(cx, below, key, party, flow, invitation) {
            self.decide(cx, below, key, AppEvent::Refused { party, status });
        }
    }
}

/// How long an INVITE is good by its own word (RFC 3261 §13.3.1).
fn expiry(invite: &Message) -> Duration {
    let seconds = invite.expires().and_then(Result::ok);
    seconds.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.into()))
}

/// The session description of an INVITE; `None` when it asks for our offer.
fn read_offer(invite: &Message, local: SocketAddr) -> Result<Option<Description>, Refusal> {
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

/// Every contact of a phone: its fixed one and those registered, most preferred first.
fn targets(config: &Config, registrar: &Registrar, extension: &SmolStr) -> Vec<Target> {
    let fixed = config.phones.get(extension).and_then(|phone| phone.contact.as_ref());
    let mut targets: Vec<Target> = fixed.map(fixed_target).into_iter().collect();
    for binding in registrar.lookup(extension) {
        let (reach, uri) = (binding.reach(), Uri::parse(&binding.contact));
        if let (true, Ok(uri)) = (reach != Reach::Unreachable, uri) {
            let routes = binding.route_set().map(SmolStr::new).collect();
            targets.push(Target { uri: SmolStr::new(uri.without_headers()), reach, routes });
        }
    }
    targets
}

fn fixed_target(contact: &FixedContact) -> Target {
    let uri = Uri::parse(&contact.uri).ok();
    let tcp = uri
        .as_ref()
        .and_then(|u| u.param("transport").flatten())
        .is_some_and(|t| t.eq_ignore_ascii_case("tcp"));
    let transport = if tcp { Transport::Tcp } else { Transport::Udp };
    let reach = match (contact.address, uri) {
        (Some(remote), _) => Reach::Address { transport, remote },
        (None, Some(uri)) => {
            let host = match uri.host() {
                Host::Name(name) => SmolStr::new(name),
                Host::V4(_) | Host::V6(_) => SmolStr::new(uri.host_text()),
            };
            Reach::Name { transport, host, port: uri.port().unwrap_or(5060) }
        }
        (None, None) => Reach::Unreachable,
    };
    Target { uri: contact.uri.clone(), reach, routes: smallvec![] }
}

/// How every callee of a call is asked; what differs between them is filled in later.
fn invitation(incoming: &Incoming<'_>, call: &Call) -> Invitation {
    let from = incoming.invite.from().ok();
    let display = from.as_ref().and_then(|from| from.display).filter(|d| !d.is_empty());
    let to = incoming.invite.to().map(|to| without_tag(&to)).unwrap_or_default();
    let hops = incoming.invite.max_forwards().and_then(Result::ok).unwrap_or(70);
    Invitation {
        uri: SmolStr::default(),
        flow: incoming.flow,
        routes: SmallVec::new(),
        from: display.map_or_else(|| SmolStr::new_static(""), |display| format_smolstr!("\"{display}\" ")),
        to,
        user: escaped(&call.from),
        max_forwards: u32::from(hops).saturating_sub(1),
        offer: bytes::Bytes::new(),
        answers: None,
    }
}

/// The name that a caller shows; empty without.
fn shown_name(invite: &Message) -> SmolStr {
    let from = invite.from().ok();
    from.and_then(|from| from.display_name().map(SmolStr::new)).unwrap_or_default()
}

/// The number of our session towards a party (RFC 8866 §5.2): random, and below 2^53 for those who read it as a float.
fn session_id(cx: &mut Cx<'_>) -> u64 {
    cx.rng.call.u64() >> 12
}

/// An extension as it stands in a URI.
fn escaped(extension: &SmolStr) -> SmolStr {
    format_smolstr!("{}", EscapedUser(extension))
}

fn host_for_uri(local: SocketAddr) -> SmolStr {
    match local.ip() {
        std::net::IpAddr::V4(ip) => format_smolstr!("{ip}"),
        std::net::IpAddr::V6(ip) => format_smolstr!("[{ip}]"),
    }
}
