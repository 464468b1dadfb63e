//! Server transactions: requests that others sent.

#[cfg(feature = "serde")]
mod view;

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use bytes::Bytes;
use smol_str::SmolStr;

use super::armed::Armed;
use super::effects::{Effects, ServerEffect};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::{Up, key};
use crate::border::{Flow, StreamId};
use crate::cx::{Cx, ServerKey, ServerTimer, Timer};
use crate::index::{HashKey, Index};
use crate::planted::Fault;
use crate::rate::network;
use crate::rng::Rng;
use crate::sip::{Message, Method, Status};
use crate::slots::Slots;
use crate::timers::TimerKey;
use crate::transport::{Arrival, Path, Reply, Transport};

/// Requests that CANCEL may name without an effect.
const NOT_CANCELLED: [Method; 11] = [
    Method::Subscribe,
    Method::Message,
    Method::Refer,
    Method::Register,
    Method::Options,
    Method::Bye,
    Method::Info,
    Method::Update,
    Method::Prack,
    Method::Notify,
    Method::Publish,
];

/// Which machine it is.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// What can happen to either machine.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The same request again.
    Again,
    Ack,
    Timer(ServerTimer),
    Respond(Status),
}

/// A live transaction. There may be hundreds of thousands that only wait for Timer J: those keep their answer, and of
/// the request nothing but its key.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Server {
    key: SmolStr,
    machine: Machine,
    path: Path,
    /// The newest response; empty before there is one.
    response: Bytes,
    armed: Armed<ServerTimer>,
    more: Option<Box<More>>,
}

/// What a non-INVITE transaction needs until it is answered, and an INVITE transaction to its end.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct More {
    /// The request, until it is answered finally.
    request: Option<Message>,
    method: Method,
    /// The To tag of our responses, once there is one; that of the request when it has one.
    tag: Option<SmolStr>,
    /// The To tag of the request.
    asked_tag: Option<SmolStr>,
    /// From tag, Call-ID and CSeq, when it is the one that stands in the index of them.
    identity: Option<SmolStr>,
}

/// All server transactions.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Servers {
    live: Slots<ServerKey, Server>,
    by_key: Index<SmolStr, ServerKey>,
    /// INVITE transactions by From tag, Call-ID and CSeq: the first of each.
    by_identity: Index<SmolStr, ServerKey>,
    /// How many transactions each source holds.
    shares: Index<IpAddr, usize>,
    /// For how many transactions there is room, clients' included.
    room: usize,
    /// Key of the To tags of stateless answers.
    tag_key: HashKey,
    #[cfg_attr(feature = "serde", serde(skip))]
    scratch: String,
}

impl Machine {
    fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<ServerEffect>) {
        match self {
            Self::Invite(machine) => {
                use server_invite::Event as E;
                let event = match event {
                    Event::Again => E::Invite,
                    Event::Ack => E::Ack,
                    Event::Timer(timer) => E::Timer(timer),
                    Event::Respond(status) if status.is_provisional() => E::Provisional,
                    Event::Respond(status) if status.is_success() => E::Success,
                    Event::Respond(_) => E::Refusal,
                };
                let (next, effects) = machine.step(event, reliable);
                (next.map(Self::Invite), effects)
            }
            Self::NonInvite(machine) => {
                use server_non_invite::Event as E;
                let event = match event {
                    // Its key has another method than that of any ACK.
                    Event::Again | Event::Ack => E::Request,
                    Event::Timer(timer) => E::Timer(timer),
                    Event::Respond(status) if status.is_provisional() => E::Provisional,
                    Event::Respond(_) => E::Final,
                };
                let (next, effects) = machine.step(event, reliable);
                (next.map(Self::NonInvite), effects)
            }
        }
    }

    const fn is_pending(self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_pending(),
            Self::NonInvite(machine) => machine.is_pending(),
        }
    }
}

impl Servers {
    pub(super) fn rekey(&mut self, rng: &mut Rng) {
        self.by_key.rekey(rng);
        self.by_identity.rekey(rng);
        self.shares.rekey(rng);
        self.tag_key = HashKey::new(rng);
    }

    pub(super) fn new(rng: &mut Rng, room: usize) -> Self {
        Self {
            live: Slots::new(),
            by_key: Index::new(rng),
            by_identity: Index::new(rng),
            shares: Index::new(rng),
            room,
            tag_key: HashKey::new(rng),
            scratch: String::new(),
        }
    }

    /// A request that is neither ACK nor CANCEL. `others` transactions are not in this table, but share its room.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        arrival: Arrival,
        others: usize,
    ) -> Option<Up> {
        if let Some(txn) = self.find(&arrival.message, arrival.message.method()) {
            self.advance(cx, transport, txn, Event::Again);
            return None;
        }
        if !self.has_room(cx, transport, &arrival, others) {
            return None;
        }
        let (flow, source) = (arrival.flow, arrival.source);
        let message = arrival.message.clone();
        let txn = self.open(cx, transport, arrival);
        Some(Up::Request { txn, message, flow, source })
    }

    /// An ACK: it ends the wait of a refused INVITE, or belongs to a 2xx and goes up.
    pub(super) fn ack(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, arrival: Arrival) -> Option<Up> {
        let passed = match self.find(&arrival.message, Method::Invite) {
            Some(txn) => self.advance(cx, transport, txn, Event::Ack),
            None => true,
        };
        passed.then_some(Up::Ack { message: arrival.message })
    }

    /// A CANCEL is answered here: 200 when its INVITE is known, 481 when not (RFC 3261 §9.2). It goes up when the
    /// INVITE is not answered finally.
    pub(super) fn cancel(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        arrival: Arrival,
        others: usize,
    ) -> Option<Up> {
        if let Some(txn) = self.find(&arrival.message, Method::Cancel) {
            self.advance(cx, transport, txn, Event::Again);
            return None;
        }
        let invite = self.find(&arrival.message, Method::Invite);
        if invite.is_none() && !self.has_room(cx, transport, &arrival, others) {
            return None;
        }
        // To another request CANCEL does nothing, but that one is there (§9.2, RFC 6665 §4.6).
        let found = invite.or_else(|| NOT_CANCELLED.iter().find_map(|&m| self.find(&arrival.message, m)));
        let cancel = self.open(cx, transport, arrival);
        let Some(found) = found else {
            self.refuse(cx, transport, cancel, &Reply::new(Status::NO_SUCH_TRANSACTION));
            return None;
        };
        let mut reply = Reply::new(Status::OK);
        // §9.2: the To tag should be that of the response to the request.
        reply.to_tag = Some(self.tag(cx, found));
        if !cx.planted.is(Fault::CancelNotAnswered) {
            self.respond(cx, transport, cancel, &reply);
        }
        let invite = invite?;
        self.live.get(invite).filter(|server| server.machine.is_pending())?;
        Some(Up::Cancel { invite })
    }

    /// Answers. False when the transaction is over or was answered finally before.
    pub(super) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        reply: &Reply,
    ) -> bool {
        let status = reply.status;
        let tag = (status > Status::TRYING).then(|| match &reply.to_tag {
            Some(tag) => tag.clone(),
            None => self.tag(cx, txn),
        });
        let Some(server) = self.live.get_mut(txn).filter(|server| server.machine.is_pending()) else {
            return false;
        };
        let Some(more) = &mut server.more else { return false };
        let Some(request) = &more.request else { return false };
        server.response = reply.write(request, server.path.source, tag.as_deref());
        if let Some(tag) = tag
            && more.asked_tag.is_none()
        {
            more.tag = Some(tag);
        }
        if status.is_success() && !matches!(more.method, Method::Options | Method::Cancel) {
            transport.know(server.path.source);
        }
        if status.is_final() {
            more.request = None;
        }
        self.advance(cx, transport, txn, Event::Respond(status));
        true
    }

    /// Answers and forgets the request at once, as a stateless server does: a repeated request comes up again, and
    /// is given the same To tag.
    pub(super) fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        reply: &Reply,
    ) -> bool {
        if let Some(server) = self.live.get_mut(txn)
            && let Some(more) = &mut server.more
        {
            let tag = || stateless_tag(self.tag_key.hash_one(&server.key));
            more.tag.get_or_insert_with(tag);
        }
        let answered = self.respond(cx, transport, txn, reply);
        if answered {
            if cx.planted.is(Fault::ChallengeTenfold) {
                for _ in 0..9 {
                    self.advance(cx, transport, txn, Event::Again);
                }
            }
            self.close(cx, transport, txn);
        }
        answered
    }

    /// Sends the 2xx of an INVITE again (RFC 3261 §13.3.1.4). False when the transaction is over or not accepted.
    pub(super) fn resend_2xx(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ServerKey) -> bool {
        let accepted =
            self.live.get(txn).is_some_and(|s| matches!(s.machine, Machine::Invite(ServerInvite::Accepted)));
        if accepted {
            self.advance(cx, transport, txn, Event::Respond(Status::OK));
        }
        accepted
    }

    pub(super) fn fire(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        timer: ServerTimer,
    ) {
        if let Some(server) = self.live.get_mut(txn) {
            server.armed.fired(timer);
            self.advance(cx, transport, txn, Event::Timer(timer));
        }
    }

    /// Whether another transaction is about a copy of this INVITE that came by another path (RFC 3261 §8.2.2.2).
    pub(super) fn is_merged(&mut self, txn: ServerKey) -> bool {
        let Some(more) = self.live.get(txn).and_then(|server| server.more.as_ref()) else { return false };
        let Some(request) = more.request.as_ref().filter(|_| more.asked_tag.is_none()) else { return false };
        key::write_identity(&mut self.scratch, request);
        self.by_identity.get(self.scratch.as_str()).is_some_and(|other| *other != txn)
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// The streams that transactions hold, one for each.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.live.values().filter_map(|server| stream_of(&server.path))
    }

    /// Asserts that the tables agree.
    pub(super) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        assert_eq!(self.by_key.len(), self.live.len(), "server transactions and their keys");
        let mut identities = 0;
        for (txn, server) in self.live.iter() {
            assert_eq!(self.by_key.get(&server.key), Some(&txn), "{txn:?} is not found by its key");
            assert!(server.armed.keys().all(&armed), "{txn:?} has a timer that is not armed");
            assert!(
                server.machine.is_pending() || server.armed.keys().next().is_some(),
                "{txn:?} never ends"
            );
            let identity = server.more.as_ref().and_then(|more| more.identity.as_ref());
            identities += usize::from(identity.is_some());
            assert!(
                identity.is_none_or(|id| self.by_identity.get(id) == Some(&txn)),
                "{txn:?} is not the first"
            );
            let request = server.more.as_ref().and_then(|more| more.request.as_ref());
            assert_eq!(request.is_some(), server.machine.is_pending(), "{txn:?} keeps or lacks its request");
            assert!(
                self.shares.get(&network(server.path.source.ip())).is_some_and(|share| *share > 0),
                "{txn:?}"
            );
        }
        assert_eq!(self.by_identity.len(), identities, "identities of INVITEs");
    }

    /// Finds the transaction of `message`, or that which it acknowledges or cancels.
    fn find(&mut self, message: &Message, method: Method) -> Option<ServerKey> {
        let to = message.to().ok();
        let tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default();
        key::write(&mut self.scratch, message, method, tag);
        let found = self.by_key.get(self.scratch.as_str()).copied();
        if message.method() != Method::Ack || !key::is_legacy(message) {
            return found;
        }
        // The ACK of an RFC 2543 client has the To tag of the response: that of the INVITE, or one of ours where the
        // INVITE had none.
        if found.is_some() {
            return found.filter(|_| !tag.is_empty());
        }
        key::write(&mut self.scratch, message, method, "");
        let found = *self.by_key.get(self.scratch.as_str())?;
        let ours = self.live.get(found)?.more.as_ref()?.tag.as_deref();
        (ours == Some(tag)).then_some(found)
    }

    /// Whether a new transaction may be opened; the refusal has been sent when not. The last eighth of the room is for
    /// what belongs to dialogs, so that calls can end. Once three quarters are taken, a source that holds more than
    /// half of them gets no more, so that one address cannot take the room of all others.
    fn has_room(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        arrival: &Arrival,
        others: usize,
    ) -> bool {
        if !transport.let_in(cx, arrival) {
            return false;
        }
        let live = self.live.len() + others;
        let share = self.shares.get(&network(arrival.source.ip())).copied().unwrap_or(0);
        let greedy = live >= self.room / 4 * 3 && share > self.live.len() / 2;
        let room = match arrival.begins_something() {
            true if greedy => 0,
            true => self.room / 8 * 7,
            false => self.room,
        };
        if live < room {
            return true;
        }
        transport.refuse_for_room(cx, arrival, "transactions");
        false
    }

    fn open(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, arrival: Arrival) -> ServerKey {
        let method = arrival.message.method();
        let asked_tag = arrival.message.to().ok().and_then(|to| to.tag().map(SmolStr::new));
        key::write(&mut self.scratch, &arrival.message, method, asked_tag.as_deref().unwrap_or_default());
        let key = SmolStr::new(&self.scratch);
        let (machine, effects) = if method == Method::Invite {
            let (machine, effects) = ServerInvite::start();
            (Machine::Invite(machine), effects)
        } else {
            let (machine, effects) = ServerNonInvite::start();
            (Machine::NonInvite(machine), effects)
        };
        let path = transport.path(&arrival);
        let identity = (method == Method::Invite).then(|| {
            key::write_identity(&mut self.scratch, &arrival.message);
            SmolStr::new(&self.scratch)
        });
        let identity = identity.filter(|identity| self.by_identity.get(identity).is_none());
        let more = More {
            request: Some(arrival.message),
            method,
            tag: asked_tag.clone(),
            asked_tag,
            identity: identity.clone(),
        };
        let txn = self.live.insert(Server {
            key: key.clone(),
            machine,
            path,
            response: Bytes::new(),
            armed: Armed::default(),
            more: Some(Box::new(more)),
        });
        self.by_key.insert(key, txn);
        if let Some(identity) = identity {
            self.by_identity.insert(identity, txn);
        }
        *self.shares.or_default(network(path.source.ip())) += 1;
        if let Some(stream) = stream_of(&path) {
            transport.pin(stream);
        }
        self.perform(cx, transport, txn, &effects);
        txn
    }

    /// One step of a machine. True when what is at hand is to be passed up.
    fn advance(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ServerKey, event: Event) -> bool {
        let Some(server) = self.live.get_mut(txn) else { return false };
        let reliable = transport.transport_of(&server.path.flow).is_reliable();
        let (next, effects) = server.machine.step(event, reliable);
        if let Some(next) = next {
            server.machine = next;
        }
        let passed = self.perform(cx, transport, txn, &effects);
        match next {
            None => self.close(cx, transport, txn),
            Some(Machine::NonInvite(ServerNonInvite::Completed)) => {
                if let Some(server) = self.live.get_mut(txn) {
                    server.more = None;
                }
            }
            Some(_) => {}
        }
        passed
    }

    fn perform(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        effects: &Effects<ServerEffect>,
    ) -> bool {
        let Some(server) = self.live.get_mut(txn) else { return false };
        let mut passed = false;
        for effect in effects {
            match *effect {
                ServerEffect::Send => {
                    let before = stream_of(&server.path);
                    transport.send_back(cx, &mut server.path, server.response.clone());
                    let after = stream_of(&server.path);
                    if before != after {
                        before.into_iter().for_each(|stream| transport.unpin(cx, stream));
                        after.into_iter().for_each(|stream| transport.pin(stream));
                    }
                }
                ServerEffect::Trying => {
                    if let Some(request) = server.more.as_ref().and_then(|more| more.request.as_ref()) {
                        server.response = Reply::new(Status::TRYING).write(request, server.path.source, None);
                    }
                }
                ServerEffect::Pass => passed = true,
                ServerEffect::Arm(timer, span) => {
                    let length = cx.planted.server_timer(timer, span.length(&cx.config.sip));
                    server.armed.arm(cx, timer, length, Timer::Server(txn, timer));
                }
                ServerEffect::Disarm(timer) => server.armed.disarm(cx, timer),
            }
        }
        passed
    }

    fn close(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ServerKey) {
        let Some(mut server) = self.live.remove(txn) else { return };
        server.armed.disarm_all(cx);
        self.by_key.remove(&server.key);
        if let Some(identity) = server.more.and_then(|more| more.identity) {
            self.by_identity.remove(&identity);
        }
        let source = network(server.path.source.ip());
        let share = self.shares.or_default(source);
        *share = share.saturating_sub(1);
        if *share == 0 {
            self.shares.remove(&source);
        }
        if let Some(stream) = stream_of(&server.path) {
            transport.unpin(cx, stream);
        }
    }

    /// The To tag of our responses, drawn when it is first needed.
    fn tag(&mut self, cx: &mut Cx<'_>, txn: ServerKey) -> SmolStr {
        match self.live.get_mut(txn).and_then(|server| server.more.as_mut()) {
            Some(more) => more.tag.get_or_insert_with(|| cx.rng.tag.token::<10>()).clone(),
            None => cx.rng.tag.token::<10>(),
        }
    }
}

/// The To tag of an answer that nothing is kept of: the same for the same transaction (RFC 3261 §8.2.7).
fn stateless_tag(hash: u64) -> SmolStr {
    smol_str::format_smolstr!("{hash:016x}")
}

fn stream_of(path: &Path) -> Option<StreamId> {
    match path.flow {
        Flow::Stream { stream } => Some(stream),
        Flow::Datagram { .. } => None,
    }
}
