//! The beginning of a call: from an authorised INVITE to a caller, its callees and an app.

use std::net::SocketAddr;

use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

use super::app::{App, CALLER, side};
use super::conference::NotJoined;
use super::dial::{Asking, escaped, targets};
use super::party::Party;
use super::route::{Destination, route};
use super::{Below, Call, Calls};
use crate::border::{CallState, Flow};
use crate::cx::{CallKey, Cx, ServerKey};
use crate::dialog::{Invited, is_optional, is_sdp};
use crate::event::Event;
use crate::limits;
use crate::mediactl::ShardId;
use crate::offer::{self, Description};
use crate::sip::{HeaderName, Message, Status, Uri};
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
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>, below: &mut Below, incoming: &Incoming<'_>) {
        if let Err(refusal) = self.try_open(cx, below, incoming) {
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

    fn try_open(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        let offer = read_offer(incoming.invite, below.stack.transport.local_of(&incoming.flow))?;
        let uri = Uri::parse(incoming.invite.request_uri()).map_err(|_| Status::BAD_REQUEST)?;
        let dialled = SmolStr::new(uri.user_unescaped());
        let config = cx.config;
        let destination = route(config, &dialled).ok_or(Status::NOT_FOUND)?;
        let targets = match &destination {
            Destination::Phone(extension, _) => targets(config, &below.registrar, extension),
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
            Destination::Phone(..) => {
                self.hunt(cx, below, key, targets, config.ring);
                self.settle(cx, key);
            }
            Destination::Conference(name) => {
                self.join(cx, key, name).map_err(NotJoined::status)?;
                self.serve(cx, below, key);
            }
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
            to: dialled.clone(),
            started: cx.now,
            answered: None,
            state: CallState::Calling,
            shard,
            room,
            room_put: false,
            room_rev: 0,
            conference: None,
            recording: None,
            recordings: 0,
            parties: SmallVec::new(),
            asking: Asking::of(incoming.invite, cx.now),
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
        let address = cx.config.media_address.unwrap_or(local.ip());
        let contact = format_smolstr!("{}", incoming.source);
        let caller = Party::new(contact, self.ports.leg(key), port, address, session_id(cx));
        let mut caller = caller.configured(cx.config, &incoming.caller);
        caller.leg = Some(leg);
        caller.near = Some(incoming.source.ip());
        let transport = below.stack.transport.transport_of(&incoming.flow);
        cx.report(Event::CallStarted {
            call: id,
            from: incoming.caller.clone(),
            to: dialled.clone(),
            source: incoming.source,
            transport,
        });
        if let Some(offer) = offer {
            // Nothing was offered before, so that it is the caller's turn.
            let _ = caller.offered(offer);
            self.spoken.hear(cx.now, &incoming.caller, caller.their_codecs(), true);
            caller.tell_heard(cx, id, side(CALLER), true);
        }
        self.all[key].parties.push(caller);
        Ok(key)
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
        let Ok(codecs) = codecs else {
            let cause = crate::event::EndCause::Refused(488);
            let status = Status::NOT_ACCEPTABLE_HERE;
            self.perform(cx, below, key, super::app::Order::Refuse { status, cause });
            self.settle(cx, key);
            return;
        };
        call.answer_service(cx, below, codecs);
    }
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

/// The number of our session towards a party (RFC 8866 §5.2): random, and below 2^53 for those who read it as a float.
pub(super) fn session_id(cx: &mut Cx<'_>) -> u64 {
    cx.rng.call.u64() >> 12
}
