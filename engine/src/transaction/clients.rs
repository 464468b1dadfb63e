//! Client transactions: requests that we sent.

#[cfg(feature = "serde")]
mod view;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use slotmap::KeyData;
use smol_str::{SmolStr, format_smolstr};

use super::Up;
use super::armed::Armed;
use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::effects::{Class, ClientEffect, Effects, Failure};
use super::messages::{self, Draft};
use crate::border::{Flow, StreamId};
use crate::cx::{ClientKey, ClientTimer, Cx, Timer};
use crate::event;
use crate::index::Index;
use crate::limits;
use crate::planted::{Fault, Planted};
use crate::rng::Rng;
use crate::sip::{BRANCH_COOKIE, HeaderName, Message, Method, Status};
use crate::slots::Slots;
use crate::time::Instant;
use crate::timers::TimerKey;
use crate::transport::{Arrival, Transport};

/// Characters of a branch of ours: the cookie and 70 random bits. It fits into a [`SmolStr`] without allocation.
pub(super) const BRANCH: usize = BRANCH_COOKIE.len() + RANDOM;
const RANDOM: usize = 14;

/// A branch that no other request of ours has (RFC 3261 §8.1.1.7).
pub(super) fn new_branch(cx: &mut Cx<'_>) -> SmolStr {
    format_smolstr!("{BRANCH_COOKIE}{}", cx.rng.branch.token::<RANDOM>())
}

/// Which machine it is.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Machine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

/// What can happen to either machine.
#[derive(Clone, Copy, Debug)]
enum Event {
    Timer(ClientTimer),
    Response(Class),
    Unsent,
    Cancel,
}

/// A live transaction.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Client {
    machine: Machine,
    method: Method,
    branch: SmolStr,
    flow: Flow,
    /// The peer's end of the flow, to be told when the flow is gone.
    remote: SocketAddr,
    /// The request as sent; empty once nothing more is made of it.
    request: Bytes,
    /// The ACK for a refusal; empty before.
    ack: Bytes,
    armed: Armed<ClientTimer>,
    /// Reason of the CANCEL (RFC 3326); empty without.
    reason: SmolStr,
    fallback: Option<Box<Fallback>>,
}

/// Where a request goes that is too long for a datagram, if its stream fails before any answer (RFC 3261 §18.1.1).
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Fallback {
    draft: Draft,
    flow: Flow,
    peer: SocketAddr,
    /// Ends the wait for the stream.
    timer: TimerKey,
}

/// What fails together when something cannot be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Way {
    Stream(StreamId),
    Datagrams(SocketAddr),
}

/// All client transactions.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Clients {
    live: Slots<ClientKey, Client>,
    by_branch: Index<SmolStr, ClientKey>,
    /// CANCELs share the branch of their INVITE.
    cancels: Index<SmolStr, ClientKey>,
    by_way: BTreeSet<(Way, ClientKey)>,
    /// Peers that took no stream, and when.
    streamless: VecDeque<(SocketAddr, Instant)>,
}

impl Machine {
    fn start(method: Method, reliable: bool) -> (Self, Effects<ClientEffect>) {
        if method == Method::Invite {
            let (machine, effects) = ClientInvite::start(reliable);
            (Self::Invite(machine), effects)
        } else {
            let (machine, effects) = ClientNonInvite::start(reliable);
            (Self::NonInvite(machine), effects)
        }
    }

    fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<ClientEffect>) {
        match self {
            Self::Invite(machine) => {
                use client_invite::Event as E;
                let event = match event {
                    Event::Timer(timer) => E::Timer(timer),
                    Event::Response(class) => E::Response(class),
                    Event::Unsent => E::Unsent,
                    Event::Cancel => E::Cancel,
                };
                let (next, effects) = machine.step(event, reliable);
                (next.map(Self::Invite), effects)
            }
            Self::NonInvite(machine) => {
                use client_non_invite::Event as E;
                let event = match event {
                    Event::Timer(timer) => E::Timer(timer),
                    Event::Response(class) => E::Response(class),
                    Event::Unsent => E::Unsent,
                    // Only an INVITE can be cancelled (RFC 3261 §9.1).
                    Event::Cancel => return (Some(self), Effects::new()),
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

impl Clients {
    pub(super) fn rekey(&mut self, rng: &mut Rng) {
        self.by_branch.rekey(rng);
        self.cancels.rekey(rng);
    }

    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            live: Slots::new(),
            by_branch: Index::new(rng),
            cancels: Index::new(rng),
            by_way: BTreeSet::new(),
            streamless: VecDeque::new(),
        }
    }

    /// Sends a request. One that is too long for a datagram takes a stream if there can be one.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        draft: Draft,
        flow: Flow,
    ) -> ClientKey {
        let branch = new_branch(cx);
        let stream = self.stream_for(cx, transport, &draft, flow);
        let way = stream.unwrap_or(flow);
        let bytes = draft.with_via(transport.transport_of(&way), transport.local_of(&way), &branch);
        let method = draft.method;
        let txn = self.open(cx, transport, method, branch, way, bytes);
        if stream.is_some()
            && let Some(client) = self.live.get_mut(txn)
        {
            let timer =
                cx.timers.arm(cx.now + limits::STREAM_PATIENCE, Timer::Client(txn, ClientTimer::Unsent));
            client.fallback = Some(Box::new(Fallback { draft, flow, peer: client.remote, timer }));
        }
        txn
    }

    /// Gives up an INVITE: CANCEL goes out now, or once there is a provisional response, or never when the final one
    /// is first (RFC 3261 §9.1). What comes of the INVITE is passed up as always.
    pub(super) fn cancel(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        invite: ClientKey,
        reason: &str,
    ) {
        if let Some(client) = self.live.get_mut(invite) {
            client.reason = reason.into();
        }
        self.advance(cx, transport, invite, Event::Cancel, None);
    }

    /// A response. `None` when it is of no interest above, or matches nothing (RFC 3261 §17.1.3).
    pub(super) fn response(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        arrival: Arrival,
    ) -> Option<Up> {
        let message = arrival.message;
        let txn = self.find(&message, cx.planted)?;
        transport.know(arrival.source);
        let class = class(message.status()?);
        if let Some(fallback) = self.live.get_mut(txn).and_then(|client| client.fallback.take()) {
            cx.timers.cancel(fallback.timer);
        }
        match self.advance(cx, transport, txn, Event::Response(class), Some(&message))? {
            Outcome::Passed => Some(Up::Response { txn, message, flow: arrival.flow }),
            Outcome::Failed => Some(Up::Failed { txn }),
        }
    }

    pub(super) fn fire(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ClientKey,
        timer: ClientTimer,
    ) -> Option<Up> {
        let client = self.live.get_mut(txn)?;
        client.armed.fired(timer);
        let event = if timer == ClientTimer::Unsent {
            if stream_of(client.flow).is_some_and(|stream| transport.is_established(stream)) {
                // It was only slow.
                return None;
            }
            if let Some(fallback) = client.fallback.take() {
                self.fall_back(cx, transport, txn, *fallback);
                return None;
            }
            Event::Unsent
        } else {
            Event::Timer(timer)
        };
        match self.advance(cx, transport, txn, event, None)? {
            Outcome::Failed => Some(Up::Failed { txn }),
            Outcome::Passed => None,
        }
    }

    /// Nothing can be delivered this way any more: those who wait for an answer learn it by a timer of no delay.
    pub(super) fn undeliverable(&mut self, cx: &mut Cx<'_>, flow: Flow) {
        let way = way(flow);
        let lowest = ClientKey::from(KeyData::from_ffi(0));
        for (_, txn) in self.by_way.range((way, lowest)..).take_while(|(other, _)| *other == way) {
            if self.live.get(*txn).is_some_and(|client| client.machine.is_pending()) {
                cx.timers.arm(cx.now, Timer::Client(*txn, ClientTimer::Unsent));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// The streams that transactions hold, one for each.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.live.values().filter_map(|client| stream_of(client.flow))
    }

    /// Asserts that the tables agree.
    pub(super) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        assert_eq!(
            self.by_branch.len() + self.cancels.len(),
            self.live.len(),
            "client transactions and branches"
        );
        assert_eq!(self.by_way.len(), self.live.len(), "client transactions and their ways");
        for (txn, client) in self.live.iter() {
            let index = if client.method == Method::Cancel { &self.cancels } else { &self.by_branch };
            assert_eq!(index.get(&client.branch), Some(&txn), "{txn:?} is not found by its branch");
            assert!(self.by_way.contains(&(way(client.flow), txn)), "{txn:?} is not found by its way");
            assert!(client.armed.keys().next().is_some(), "{txn:?} never ends");
            assert!(client.armed.keys().all(&armed), "{txn:?} has a timer that is not armed");
        }
    }

    fn find(&self, response: &Message, planted: Planted) -> Option<ClientKey> {
        let any = planted.is(Fault::ResponseMethodIgnored);
        let via = response.via().ok()?;
        let branch = via.branch().filter(|branch| branch.len() == BRANCH)?;
        // §8.1.3.3: a response with a second Via took a wrong turn.
        if response.values(HeaderName::Via).nth(1).is_some() {
            return None;
        }
        let cancel = response.method() == Method::Cancel && !any;
        let index = if cancel { &self.cancels } else { &self.by_branch };
        let txn = *index.get(branch)?;
        let same = any || self.live.get(txn)?.method == response.method();
        same.then_some(txn)
    }

    fn open(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        method: Method,
        branch: SmolStr,
        flow: Flow,
        request: Bytes,
    ) -> ClientKey {
        let (machine, effects) = Machine::start(method, transport.transport_of(&flow).is_reliable());
        let client = Client {
            machine,
            method,
            branch: branch.clone(),
            flow,
            remote: transport.remote_of(&flow),
            request,
            ack: Bytes::new(),
            armed: Armed::default(),
            reason: SmolStr::default(),
            fallback: None,
        };
        let txn = self.live.insert(client);
        let index = if method == Method::Cancel { &mut self.cancels } else { &mut self.by_branch };
        index.insert(branch, txn);
        self.take_way(transport, txn, flow);
        self.perform(cx, transport, txn, &effects, None);
        txn
    }

    /// The stream for a request that is too long for a datagram. `None` for one that fits, and when streams are not
    /// to be had: the host accepts none, or the peer did not lately.
    fn stream_for(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        draft: &Draft,
        flow: Flow,
    ) -> Option<Flow> {
        let Flow::Datagram { remote, .. } = flow else { return None };
        if draft.octets() <= limits::DATAGRAM_REQUEST_OCTETS || !transport.accepts_streams() {
            return None;
        }
        while self.streamless.front().is_some_and(|(_, since)| cx.now.since(*since) >= limits::STREAMLESS) {
            self.streamless.pop_front();
        }
        if self.streamless.iter().any(|(peer, _)| *peer == remote) {
            return None;
        }
        transport.connection(cx, remote)
    }

    /// The stream for a request that is too long failed before any answer: it goes as a datagram all the same.
    fn fall_back(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ClientKey, fallback: Fallback) {
        let Fallback { draft, flow, peer, timer } = fallback;
        cx.timers.cancel(timer);
        if self.streamless.len() >= limits::STREAMLESS_PEERS {
            self.streamless.pop_front();
        }
        self.streamless.push_back((peer, cx.now));
        let Some(client) = self.live.get_mut(txn) else { return };
        let old = client.flow;
        let cancelled = matches!(client.machine, Machine::Invite(ClientInvite::Calling { cancel: true, .. }));
        client.flow = flow;
        client.request =
            draft.with_via(transport.transport_of(&flow), transport.local_of(&flow), &client.branch);
        client.armed.disarm_all(cx);
        let (machine, effects) = Machine::start(client.method, false);
        client.machine = machine;
        self.leave_way(cx, transport, txn, old);
        self.take_way(transport, txn, flow);
        self.perform(cx, transport, txn, &effects, None);
        if cancelled {
            self.advance(cx, transport, txn, Event::Cancel, None);
        }
    }

    fn advance(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ClientKey,
        event: Event,
        response: Option<&Message>,
    ) -> Option<Outcome> {
        let client = self.live.get_mut(txn)?;
        let reliable = transport.transport_of(&client.flow).is_reliable();
        let (next, effects) = client.machine.step(event, reliable);
        if let Some(next) = next {
            client.machine = next;
        }
        let internal = client.method == Method::Cancel;
        let outcome = self.perform(cx, transport, txn, &effects, response);
        match next {
            None => self.close(cx, transport, txn),
            // Nothing is sent again but the ACK.
            Some(next) if !next.is_pending() => {
                if let Some(client) = self.live.get_mut(txn) {
                    client.request = Bytes::new();
                }
            }
            Some(_) => {}
        }
        outcome.filter(|_| !internal)
    }

    fn perform(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ClientKey,
        effects: &Effects<ClientEffect>,
        response: Option<&Message>,
    ) -> Option<Outcome> {
        let mut outcome = None;
        for effect in effects {
            let client = self.live.get_mut(txn)?;
            match *effect {
                ClientEffect::Send => {
                    if !transport.transmit(cx, client.flow, client.request.clone()) {
                        cx.timers.arm(cx.now, Timer::Client(txn, ClientTimer::Unsent));
                    }
                }
                ClientEffect::Ack => {
                    if client.ack.is_empty() {
                        client.ack =
                            response.and_then(|r| messages::ack(&client.request, r)).unwrap_or_default();
                    }
                    if !cx.planted.is(Fault::RefusalNotAcknowledged) {
                        transport.transmit(cx, client.flow, client.ack.clone());
                    }
                }
                ClientEffect::Cancel => {
                    let (branch, flow) = (client.branch.clone(), client.flow);
                    if let Some(bytes) = messages::cancel(&client.request, &client.reason)
                        && !cx.planted.is(Fault::CancelNotSent)
                    {
                        self.open(cx, transport, Method::Cancel, branch, flow, bytes);
                    }
                }
                ClientEffect::Pass => outcome = Some(Outcome::Passed),
                ClientEffect::Fail(why) => {
                    if client.method != Method::Cancel {
                        let (method, remote) = (client.method.as_str().into(), client.remote);
                        let undeliverable = why == Failure::Transport;
                        cx.report(event::Event::NoResponse { method, remote, undeliverable });
                    }
                    outcome = Some(Outcome::Failed);
                }
                ClientEffect::Arm(timer, span) => {
                    let length = cx.planted.client_timer(timer, span.length(&cx.config.sip), &cx.config.sip);
                    client.armed.arm(cx, timer, length, Timer::Client(txn, timer));
                }
                ClientEffect::Disarm(timer) => client.armed.disarm(cx, timer),
            }
        }
        outcome
    }

    fn close(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ClientKey) {
        let Some(mut client) = self.live.remove(txn) else { return };
        client.armed.disarm_all(cx);
        if let Some(fallback) = client.fallback {
            cx.timers.cancel(fallback.timer);
        }
        let index = if client.method == Method::Cancel { &mut self.cancels } else { &mut self.by_branch };
        index.remove(&client.branch);
        self.leave_way(cx, transport, txn, client.flow);
    }

    fn take_way(&mut self, transport: &mut Transport, txn: ClientKey, flow: Flow) {
        self.by_way.insert((way(flow), txn));
        if let Some(stream) = stream_of(flow) {
            transport.pin(stream);
        }
    }

    fn leave_way(&mut self, cx: &Cx<'_>, transport: &mut Transport, txn: ClientKey, flow: Flow) {
        self.by_way.remove(&(way(flow), txn));
        if let Some(stream) = stream_of(flow) {
            transport.unpin(cx, stream);
        }
    }
}

/// What a step has to say above.
enum Outcome {
    Passed,
    Failed,
}

fn class(status: Status) -> Class {
    match status.code() {
        100 => Class::Trying,
        101..=199 => Class::Provisional,
        200..=299 => Class::Success,
        _ => Class::Refusal,
    }
}

const fn way(flow: Flow) -> Way {
    match flow {
        Flow::Datagram { remote, .. } => Way::Datagrams(remote),
        Flow::Stream { stream } => Way::Stream(stream),
    }
}

const fn stream_of(flow: Flow) -> Option<StreamId> {
    match flow {
        Flow::Stream { stream } => Some(stream),
        Flow::Datagram { .. } => None,
    }
}
