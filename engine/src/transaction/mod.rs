//! Transactions (RFC 3261 §17, RFC 6026): one request and all its responses.
//!
//! The four machines are pure: they turn a state and an event into a state and effects. The two tables keep them,
//! find them and perform the effects. What concerns the layer above is returned, never called back.

mod armed;
mod client_invite;
mod client_non_invite;
mod clients;
mod effects;
mod key;
mod messages;
mod server_invite;
mod server_non_invite;
mod servers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;

use self::clients::Clients;
pub(crate) use self::messages::Draft;
use self::servers::Servers;
use crate::border::{Flow, StreamId};
use crate::cx::{ClientKey, ClientTimer, Cx, ServerKey, ServerTimer};
use crate::limits;
use crate::rng::Rng;
use crate::sip::{Message, Method};
use crate::timers::TimerKey;
pub(crate) use crate::transport::Reply;
use crate::transport::{Arrival, Transport};
#[cfg(feature = "serde")]
use crate::view::{Armed, TransactionView};

/// What the transaction layer tells the one above.
#[derive(Debug)]
pub(crate) enum Up {
    /// A new request, neither ACK nor CANCEL. It must be answered once and finally by [`Transactions::respond`] or
    /// [`Transactions::refuse`].
    Request {
        /// Its transaction.
        txn: ServerKey,
        /// The request.
        message: Message,
        /// The way it came.
        flow: Flow,
        /// Who sent it.
        source: SocketAddr,
    },
    /// An INVITE that is not answered finally is to be given up. The CANCEL is answered already; the INVITE wants
    /// its 487 (RFC 3261 §9.2).
    Cancel {
        /// The INVITE's transaction.
        invite: ServerKey,
    },
    /// An ACK that belongs to a 2xx.
    Ack {
        /// The ACK.
        message: Message,
    },
    /// A response other than 100: any number of provisional ones, then a final one, and for an INVITE any further
    /// 2xx (RFC 6026 §7.2). A response to a CANCEL stays here.
    Response {
        /// The transaction of the request.
        txn: ClientKey,
        /// The response.
        message: Message,
        /// The way it came.
        flow: Flow,
    },
    /// A request found no final response: nobody answered in time, which is to be taken as a 408, or it could not be
    /// delivered, which is to be taken as a 503 (RFC 3261 §8.1.3.1). People have been told which.
    Failed {
        /// The transaction of the request, over now.
        txn: ClientKey,
    },
}

/// Client and server transactions in words.
#[cfg(feature = "serde")]
pub(crate) type Views = (Vec<(ClientKey, TransactionView)>, Vec<(ServerKey, TransactionView)>);

/// All transactions. Each ends by its own timers; nobody can remove one.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Transactions {
    servers: Servers,
    clients: Clients,
}

impl Transactions {
    /// No transactions; `rng` keys the tables.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self::with_room(rng, limits::TRANSACTIONS)
    }

    fn with_room(rng: &mut Rng, room: usize) -> Self {
        Self { servers: Servers::new(rng, room), clients: Clients::new(rng) }
    }

    /// All transactions in words.
    #[cfg(feature = "serde")]
    pub(crate) fn views(&self, armed: &Armed) -> Views {
        (self.clients.views(armed), self.servers.views(armed))
    }

    /// Takes new keys for everything that is hashed. O(n).
    pub(crate) fn rekey(&mut self, rng: &mut Rng) {
        self.servers.rekey(rng);
        self.clients.rekey(rng);
    }

    /// A message came.
    pub(crate) fn receive(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        arrival: Arrival,
    ) -> Option<Up> {
        let others = self.clients.len();
        if !arrival.message.is_request() {
            return self.clients.response(cx, transport, arrival);
        }
        match arrival.message.method() {
            Method::Ack => self.servers.ack(cx, transport, arrival),
            Method::Cancel => self.servers.cancel(cx, transport, arrival, others),
            _ => self.servers.request(cx, transport, arrival, others),
        }
    }

    /// A timer of a server transaction fired.
    pub(crate) fn fire_server(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        timer: ServerTimer,
    ) {
        self.servers.fire(cx, transport, txn, timer);
    }

    /// A timer of a client transaction fired.
    pub(crate) fn fire_client(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ClientKey,
        timer: ClientTimer,
    ) -> Option<Up> {
        self.clients.fire(cx, transport, txn, timer)
    }

    /// A datagram could not be delivered. Requests that wait for an answer from there fail at the next wake.
    pub(crate) fn send_failed(&mut self, cx: &mut Cx<'_>, flow: Flow) {
        self.clients.undeliverable(cx, flow);
    }

    /// A stream is gone. Requests that wait for an answer through it fail at the next wake.
    pub(crate) fn stream_closed(&mut self, cx: &mut Cx<'_>, stream: StreamId) {
        self.clients.undeliverable(cx, Flow::Stream { stream });
    }

    /// Answers a request. False when its transaction is over or was answered finally before.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        reply: &Reply,
    ) -> bool {
        self.servers.respond(cx, transport, txn, reply)
    }

    /// Answers a request finally and forgets it at once, as a stateless server does (RFC 3261 §8.2.7): a repeated
    /// request comes up again, and the ACK comes up as [`Up::Ack`]. For challenges, so that those who cannot prove
    /// who they are cost no memory.
    pub(crate) fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        txn: ServerKey,
        reply: &Reply,
    ) -> bool {
        self.servers.refuse(cx, transport, txn, reply)
    }

    /// Sends the 2xx of an INVITE again: the user agent does so until the ACK (RFC 3261 §13.3.1.4). False when the
    /// transaction is over or has sent no 2xx.
    pub(crate) fn resend_2xx(&mut self, cx: &mut Cx<'_>, transport: &mut Transport, txn: ServerKey) -> bool {
        self.servers.resend_2xx(cx, transport, txn)
    }

    /// Whether this INVITE is a copy of one that came by another path and still lives: it is to be answered 482
    /// (RFC 3261 §8.2.2.2).
    pub(crate) fn is_merged(&mut self, txn: ServerKey) -> bool {
        self.servers.is_merged(txn)
    }

    /// Sends a request. Exactly one final [`Up::Response`] or one [`Up::Failed`] follows.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        draft: Draft,
        flow: Flow,
    ) -> ClientKey {
        self.clients.request(cx, transport, draft, flow)
    }

    /// Gives up an INVITE. CANCEL goes out now or after the first provisional response, and not at all when the
    /// final one is first (RFC 3261 §9.1). The outcome is passed up as always: mostly 487, but a 2xx may win.
    /// `reason` goes into its Reason header field (RFC 3326) unless it is empty.
    pub(crate) fn cancel(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        invite: ClientKey,
        reason: &str,
    ) {
        self.clients.cancel(cx, transport, invite, reason);
    }

    /// Sends the ACK to a 2xx and gives it back, to be repeated whenever the 2xx is: it is nobody's transaction
    /// (RFC 3261 §13.2.2.4).
    pub(crate) fn send_ack(
        &mut self,
        cx: &mut Cx<'_>,
        transport: &mut Transport,
        draft: &Draft,
        flow: Flow,
    ) -> Bytes {
        let branch = clients::new_branch(cx);
        let bytes = draft.with_via(transport.transport_of(&flow), transport.local_of(&flow), &branch);
        transport.transmit(cx, flow, bytes.clone());
        bytes
    }

    /// How many transactions live.
    pub(crate) fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Asserts that all tables agree, those of `transport` included. `armed` says whether a timer is to fire.
    pub(crate) fn check(&self, transport: &Transport, armed: impl Fn(TimerKey) -> bool) {
        self.servers.check(&armed);
        self.clients.check(&armed);
        let mut pins = BTreeMap::new();
        for stream in self.servers.streams().chain(self.clients.streams()) {
            *pins.entry(stream).or_insert(0) += 1;
        }
        for (stream, pins) in pins {
            let held = transport.pins(stream);
            assert!(held >= pins || !transport.is_open(stream), "{stream:?} has {held} pins, needs {pins}");
        }
    }
}
