//! Flows, streams and Via (RFC 3261 §18): octets in, messages up; messages down, octets out.
//!
//! What cannot be understood ends here. A request that can be answered gets 400 with the reason in the phrase, the
//! rest is counted and dropped. [`Gate`] keeps a flood from one address from costing the others anything.

mod gate;
#[cfg(test)]
pub(crate) mod harness;
mod listeners;
mod load;
mod refused;
mod reply;
mod streams;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use self::gate::Gate;
pub(crate) use self::listeners::DEFAULT_PORT;
use self::listeners::Listeners;
use self::load::{Load, Rank};
pub(crate) use self::reply::Reply;
use self::streams::{Stage, Streams};
use crate::border::{self, Action, Flow, Interface, Listener, ListenerId, StreamEvent, StreamId};
use crate::cx::Cx;
use crate::event::Event;
use crate::index::HashKey;
use crate::limits;
use crate::planted::Fault;
use crate::rng::Rng;
use crate::sip::{Frame, HeaderName, Message, Method, ParseError, Status};
use crate::time::{Duration, Instant};
use crate::timers::TimerKey;
#[cfg(feature = "serde")]
use crate::view::{Armed, StreamView};

/// A message that is whole and well formed, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The way it came.
    pub(crate) flow: Flow,
    /// What it came over.
    pub(crate) transport: border::Transport,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// The message.
    pub(crate) message: Message,
}

impl Arrival {
    /// Whether it is a request that belongs to nothing there is.
    pub(crate) fn begins_something(&self) -> bool {
        let method = self.message.method();
        let inside = || self.message.to().is_ok_and(|to| to.tag().is_some());
        !matches!(method, Method::Ack | Method::Cancel) && (method == Method::Register || !inside())
    }

    /// Whether it brings credentials, whatever they are worth.
    fn has_credentials(&self) -> bool {
        let names = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        names.into_iter().any(|name| self.message.header(name).is_some())
    }
}

/// What came of something that happened to a stream.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once and never kept")]
pub(crate) enum Heard {
    /// A message; there may be more: ask [`Transport::next`].
    Arrival(Arrival),
    /// The stream is no more, by the peer's doing or ours.
    Gone(StreamId),
    /// Nothing (more).
    Nothing,
}

/// The way back for the responses to one request (RFC 3261 §18.2.2, RFC 3581 §4).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Path {
    /// Where responses go. The `maddr` of a Via is not followed: it would let a request aim them at anybody.
    pub(crate) flow: Flow,
    /// Where the request came from.
    pub(crate) source: SocketAddr,
    /// Port of sent-by: where to connect when the stream is gone.
    port: u16,
}

/// The transport layer.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Transport {
    listeners: Listeners,
    streams: Streams,
    gate: Gate,
    /// Key of the To tags of stateless answers.
    tag_key: HashKey,
    load: Load,
    /// Number of the next stream that we open.
    next: u64,
    received: u64,
    malformed: u64,
    full: u64,
    limited: u64,
}

impl Transport {
    /// A transport layer with these sockets, on a host with these addresses.
    pub(crate) fn new(rng: &mut Rng, listeners: Vec<Listener>, interfaces: Vec<Interface>) -> Self {
        let listeners = Listeners::new(listeners, interfaces);
        Self {
            listeners,
            streams: Streams::default(),
            gate: Gate::new(rng),
            tag_key: HashKey::new(rng),
            load: Load::default(),
            next: 2,
            received: 0,
            malformed: 0,
            full: 0,
            limited: 0,
        }
    }

    /// Takes new keys for everything that is hashed. O(n).
    pub(crate) fn rekey(&mut self, rng: &mut Rng) {
        self.gate.rekey(rng);
        self.tag_key = HashKey::new(rng);
    }

    /// All streams in words.
    #[cfg(feature = "serde")]
    pub(crate) fn views(&self, armed: &Armed) -> Vec<StreamView> {
        self.streams.views(armed)
    }

    /// Octets of messages that are not whole yet.
    #[cfg(feature = "serde")]
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.streams.unfinished()
    }

    /// Puts other octets, as many, in the place of those that a stream has brought.
    #[cfg(feature = "serde")]
    pub(crate) fn assume_unfinished(&mut self, id: StreamId, octets: &[u8]) {
        self.streams.assume_unfinished(id, octets);
    }

    /// Other sockets are bound from now on.
    pub(crate) fn set_listeners(&mut self, listeners: Vec<Listener>) {
        self.listeners.replace(listeners);
    }

    /// A datagram arrived. `None` when it is nothing to act on, or was dealt with here.
    pub(crate) fn receive_datagram(
        &mut self,
        cx: &mut Cx<'_>,
        listener: ListenerId,
        local: IpAddr,
        remote: SocketAddr,
        bytes: Bytes,
    ) -> Option<Arrival> {
        // Keep-alives: CRLF once or twice, four zeros and the like (RFC 5626 §3.5.1). No message is that short.
        if bytes.len() <= 4 {
            return None;
        }
        if self.load.is_high(cx.now) && !self.gate.crowd(cx.now, remote.ip()) {
            self.received += 1;
            self.limited += 1;
            return None;
        }
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.received += 1;
                self.drop_malformed(cx, remote, error, false);
                return None;
            }
        };
        self.admit(
            cx,
            Arrival {
                flow: Flow::Datagram { listener, local, remote },
                transport: border::Transport::Udp,
                source: remote,
                message,
            },
        )
    }

    /// Something happened to a stream. When it is a message, ask [`Transport::next`] for more until there is none.
    pub(crate) fn stream_event(&mut self, cx: &mut Cx<'_>, stream: StreamId, event: StreamEvent) -> Heard {
        match event {
            StreamEvent::Opened { listener, local, remote } => {
                self.stream_opened(cx, stream, listener, local, remote);
                Heard::Nothing
            }
            StreamEvent::Bytes(bytes) => {
                let Some(open) = self.streams.touch(cx.now, stream) else { return Heard::Nothing };
                open.framer.push(&bytes);
                open.ponged = false;
                self.next(cx, stream)
            }
            StreamEvent::Closed if cx.planted.is(Fault::StreamNotForgotten) => Heard::Nothing,
            StreamEvent::Closed => self.forget(cx, stream, "closed by the peer"),
        }
    }

    /// The next message of a stream, from the octets it has.
    pub(crate) fn next(&mut self, cx: &mut Cx<'_>, stream: StreamId) -> Heard {
        loop {
            let Some(open) = self.streams.touch(cx.now, stream) else { return Heard::Nothing };
            let remote = open.remote;
            match open.framer.next_frame() {
                Frame::NeedMore if open.dawdles(cx.now) => {
                    return self.close(cx, stream, "a message took too long".into());
                }
                Frame::NeedMore => return Heard::Nothing,
                Frame::KeepAlive if open.ponged => {}
                Frame::KeepAlive => {
                    open.ponged = true;
                    let bytes = Bytes::from_static(b"\r\n");
                    cx.out.push(Action::Transmit { flow: Flow::Stream { stream }, bytes });
                }
                Frame::Broken { error, head } => return self.break_off(cx, stream, error, head),
                Frame::Message(bytes) => {
                    open.begun = None;
                    let message = match Message::parse(bytes) {
                        Ok(message) => message,
                        Err(error) => return self.break_off(cx, stream, error, Bytes::new()),
                    };
                    self.streams.advance(cx, stream, Stage::Talking);
                    let flow = Flow::Stream { stream };
                    let transport = border::Transport::Tcp;
                    if let Some(arrival) =
                        self.admit(cx, Arrival { flow, transport, source: remote, message })
                    {
                        return Heard::Arrival(arrival);
                    }
                }
            }
        }
    }

    /// The timer of a stream fired.
    pub(crate) fn fire_stream(&mut self, cx: &mut Cx<'_>, stream: StreamId) -> Heard {
        match self.streams.overdue(cx, stream) {
            Some(reason) => self.close(cx, stream, reason.into()),
            None => Heard::Nothing,
        }
    }

    /// Our address and port as they go into Via and Contact of what takes this flow. For a stream that is gone, an
    /// address nobody can reach.
    pub(crate) fn local_of(&self, flow: &Flow) -> SocketAddr {
        match *flow {
            Flow::Datagram { listener, local, .. } => SocketAddr::new(local, self.listeners.port(listener)),
            Flow::Stream { stream } => self.streams.get(stream).map_or(NOWHERE, |s| s.local),
        }
    }

    /// The peer's end of a flow; for a stream that is gone, an address nobody can reach.
    pub(crate) fn remote_of(&self, flow: &Flow) -> SocketAddr {
        match *flow {
            Flow::Datagram { remote, .. } => remote,
            Flow::Stream { stream } => self.streams.get(stream).map_or(NOWHERE, |s| s.remote),
        }
    }

    /// What a flow speaks.
    pub(crate) fn transport_of(&self, flow: &Flow) -> border::Transport {
        match flow {
            Flow::Datagram { .. } => border::Transport::Udp,
            Flow::Stream { .. } => border::Transport::Tcp,
        }
    }

    /// Whether a stream is open or being opened.
    pub(crate) fn is_open(&self, stream: StreamId) -> bool {
        self.streams.get(stream).is_some()
    }

    /// Whether a stream is established.
    pub(crate) fn is_established(&self, stream: StreamId) -> bool {
        self.streams.get(stream).is_some_and(|open| open.stage != Stage::Connecting)
    }

    /// Whether connections are accepted, so that what is too long for a datagram can go by stream.
    pub(crate) fn accepts_streams(&self) -> bool {
        self.listeners.has(border::Transport::Tcp)
    }

    /// A flow to `remote`: from the listener and address of ours that face it; for streams the open one or a new
    /// one. `None` when there is no listener of that kind and family, or no room for one more stream.
    pub(crate) fn target(
        &mut self,
        cx: &mut Cx<'_>,
        transport: border::Transport,
        remote: SocketAddr,
    ) -> Option<Flow> {
        match transport {
            border::Transport::Udp => {
                let (listener, local) = self.listeners.facing(transport, remote.ip())?;
                Some(Flow::Datagram { listener, local: local.ip(), remote })
            }
            border::Transport::Tcp => {
                let stream = match self.streams.to(remote) {
                    Some(stream) => stream,
                    None => self.connect(cx, remote)?,
                };
                Some(Flow::Stream { stream })
            }
        }
    }

    /// A stream to where datagrams go: one that we opened, or a new one. One that was opened from there need not be the
    /// same peer's: a NAT box gives the same port number to one phone for its datagrams and to another for a stream.
    pub(crate) fn connection(&mut self, cx: &mut Cx<'_>, remote: SocketAddr) -> Option<Flow> {
        let ours = self.streams.to(remote).filter(|stream| stream.0.is_multiple_of(2));
        let stream = ours.or_else(|| self.connect(cx, remote))?;
        Some(Flow::Stream { stream })
    }

    /// Sends a whole message. False when the flow is a stream that is gone.
    pub(crate) fn transmit(&mut self, cx: &mut Cx<'_>, flow: Flow, bytes: Bytes) -> bool {
        if let Flow::Stream { stream } = flow
            && self.streams.touch(cx.now, stream).is_none()
        {
            return false;
        }
        let bytes = cx.planted.spoil(bytes);
        cx.out.push(Action::Transmit { flow, bytes });
        true
    }

    /// Where the responses to this request go: over datagrams to the port it came from if it asks so by `rport`, else
    /// to the port of sent-by; always to the address it came from.
    pub(crate) fn path(&self, arrival: &Arrival) -> Path {
        let via = arrival.message.via().ok();
        let port = via.as_ref().and_then(|via| via.port()).unwrap_or(DEFAULT_PORT);
        let mut flow = arrival.flow;
        if let Flow::Datagram { remote, .. } = &mut flow
            && via.is_some_and(|via| via.rport().is_none())
        {
            remote.set_port(port);
        }
        Path { flow, source: arrival.source, port }
    }

    /// Sends a response. When its stream is gone it goes through another to the same address and the port of
    /// sent-by, which is remembered in `path`.
    pub(crate) fn send_back(&mut self, cx: &mut Cx<'_>, path: &mut Path, bytes: Bytes) {
        if let Flow::Stream { stream } = path.flow
            && !self.is_open(stream)
        {
            let again = SocketAddr::new(path.source.ip(), path.port);
            let Some(flow) = self.target(cx, border::Transport::Tcp, again) else { return };
            path.flow = flow;
        }
        self.transmit(cx, path.flow, bytes);
    }

    /// Answers a request and keeps nothing of it: for what must not cost memory. A repeated request is answered
    /// again, as a stateless server does (RFC 3261 §8.2.7). An ACK is never answered.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_>, arrival: &Arrival, reply: &Reply) {
        if arrival.message.method() == Method::Ack || !arrival.message.is_request() {
            return;
        }
        let tag = reply.to_tag.clone().unwrap_or_else(|| self.stateless_tag(&arrival.message));
        let bytes = reply.write(&arrival.message, arrival.source, Some(&tag));
        let mut path = self.path(arrival);
        self.send_back(cx, &mut path, bytes);
    }

    /// The To tag of an answer that nothing is kept of: the same whenever the request comes again (RFC 3261 §8.2.7).
    fn stateless_tag(&self, request: &Message) -> SmolStr {
        let parts = [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq];
        format_smolstr!("{:016x}", self.tag_key.hash_one(parts.map(|name| request.header(name))))
    }

    /// Whether a request that no transaction knows may be taken; it was refused when not. Over the rate of its source a
    /// datagram is dropped (it will come again) and what came by a stream answered 503. Under overload part of what
    /// begins something new is answered 503.
    pub(crate) fn let_in(&mut self, cx: &mut Cx<'_>, arrival: &Arrival) -> bool {
        let source = arrival.source.ip();
        if !self.gate.request(cx.now, source) {
            self.limited += 1;
            self.overload(cx, "requests of one source");
            if arrival.transport.is_reliable() {
                self.answer(cx, arrival, &busy());
            }
            return false;
        }
        if self.load.waiting(cx.now).is_zero() || !arrival.begins_something() {
            return true;
        }
        let rank = Rank::new(self.gate.knows(source), arrival.has_credentials());
        if cx.rng.load.below(1 << 16) >= self.load.share(cx.now, rank) {
            return true;
        }
        self.turn_away(cx, arrival);
        false
    }

    /// Refuses a request for lack of time.
    fn turn_away(&mut self, cx: &mut Cx<'_>, arrival: &Arrival) {
        self.load.count();
        if self.gate.report_load(cx.now) {
            cx.report(Event::Overload { what: "more to do than time; some new requests are refused".into() });
        }
        let after = limits::RETRY_SHED_AFTER + cx.rng.load.below(limits::RETRY_SHED_SPREAD + 1);
        self.answer(
            cx,
            arrival,
            &Reply::new(Status::SERVICE_UNAVAILABLE).header(HeaderName::RetryAfter, after),
        );
    }

    /// The driver says how long input waits.
    pub(crate) fn tell_load(&mut self, now: Instant, waiting: Duration) {
        self.load.tell(now, waiting);
    }

    /// A request found no room: it is refused without keeping anything of it.
    pub(crate) fn refuse_for_room(&mut self, cx: &mut Cx<'_>, arrival: &Arrival, what: &'static str) {
        self.no_room(cx, what);
        self.answer(cx, arrival, &busy());
    }

    /// Something was refused because a table was full: it is counted, and people are told now and then.
    pub(crate) fn no_room(&mut self, cx: &mut Cx<'_>, what: &'static str) {
        self.full += 1;
        self.overload(cx, what);
    }

    /// A request of this source was accepted, or it answered one of ours: it is no stranger any more.
    pub(crate) fn know(&mut self, source: SocketAddr) {
        self.gate.know(source.ip());
    }

    /// Tells people that a bound was reached, but not too often.
    pub(crate) fn overload(&mut self, cx: &mut Cx<'_>, what: &'static str) {
        if self.gate.report(cx.now) {
            cx.report(Event::Overload { what: SmolStr::new_static(what) });
        }
    }

    /// Keeps a stream open however long it is silent, until [`Transport::unpin`] was called as often.
    pub(crate) fn pin(&mut self, stream: StreamId) {
        self.streams.pin(stream);
    }

    /// Takes a pin back. Harmless for a stream that is gone.
    pub(crate) fn unpin(&mut self, cx: &Cx<'_>, stream: StreamId) {
        self.streams.unpin(cx.now, stream);
    }

    /// How many pins a stream has.
    pub(crate) fn pins(&self, stream: StreamId) -> u32 {
        self.streams.pins(stream)
    }

    /// How many streams are open or being opened.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// How many new requests were refused for lack of time.
    pub(crate) const fn shed(&self) -> u64 {
        self.load.shed()
    }

    /// How many new requests and streams were refused for lack of room.
    pub(crate) const fn full(&self) -> u64 {
        self.full
    }

    /// How many new requests and unread datagrams were over the rate of their source.
    pub(crate) const fn limited(&self) -> u64 {
        self.limited
    }

    /// How many strangers are remembered, and how many known sources.
    pub(crate) fn sources(&self) -> (usize, usize) {
        self.gate.len()
    }

    /// How many messages came, malformed ones included.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// How many of them were malformed.
    pub(crate) const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Asserts that the tables agree. `armed` says whether a timer is to fire.
    pub(crate) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        self.streams.check(armed);
    }

    fn stream_opened(
        &mut self,
        cx: &mut Cx<'_>,
        stream: StreamId,
        listener: Option<ListenerId>,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        if listener.is_none() {
            // Ours: only the address is news, for the port nobody listens on.
            let Some(open) = self.streams.touch(cx.now, stream) else { return };
            open.local.set_ip(local.ip());
            self.streams.advance(cx, stream, Stage::Talking);
        } else if let Some(what) = self.no_stream_for(remote) {
            cx.out.push(Action::Disconnect { stream });
            self.no_room(cx, what);
            return;
        } else {
            self.streams.add(cx, stream, Stage::Silent, SocketAddr::new(local.ip(), local.port()), remote);
        }
        cx.report(Event::StreamOpened { remote });
    }

    /// Why this peer may not open one more stream, if so. The last eighth of the room is for known sources and for
    /// streams of ours, which calls need.
    fn no_stream_for(&self, remote: SocketAddr) -> Option<&'static str> {
        let (source, live) = (remote.ip(), self.streams.len());
        if self.gate.knows(source) {
            return (live >= limits::STREAMS).then_some("streams");
        }
        let many = self.streams.share(source) >= limits::STREAMS_OF_STRANGER;
        let full = live >= limits::STREAMS / 8 * 7;
        if full { Some("streams of strangers") } else { many.then_some("streams of one stranger") }
    }

    fn connect(&mut self, cx: &mut Cx<'_>, remote: SocketAddr) -> Option<StreamId> {
        if self.streams.len() >= limits::STREAMS {
            self.no_room(cx, "streams");
            return None;
        }
        let transport = border::Transport::Tcp;
        let local = match self.listeners.facing(transport, remote.ip()) {
            Some((_, local)) => local,
            None => self.listeners.unreachable(remote.ip()),
        };
        let stream = StreamId(self.next);
        self.next += 2;
        self.streams.add(cx, stream, Stage::Connecting, local, remote);
        cx.out.push(Action::Connect { stream, remote, transport });
        Some(stream)
    }

    fn close(&mut self, cx: &mut Cx<'_>, stream: StreamId, reason: SmolStr) -> Heard {
        cx.out.push(Action::Disconnect { stream });
        self.forget(cx, stream, reason)
    }

    fn forget(&mut self, cx: &mut Cx<'_>, stream: StreamId, reason: impl Into<SmolStr>) -> Heard {
        let Some(closed) = self.streams.remove(cx, stream) else { return Heard::Nothing };
        cx.report(Event::StreamClosed { remote: closed.remote, reason: reason.into() });
        Heard::Gone(stream)
    }

    /// Lets a well-formed message pass; answers or drops the others.
    fn admit(&mut self, cx: &mut Cx<'_>, arrival: Arrival) -> Option<Arrival> {
        self.received += 1;
        let error = match arrival.message.defect() {
            Some(error) => *error,
            None => match arrival.message.validate() {
                Ok(()) => return Some(arrival),
                Err(error) => error,
            },
        };
        let answered = self.complain(cx, &arrival, error);
        self.drop_malformed(cx, arrival.source, error, answered);
        None
    }

    /// A stream that cannot be read any further is closed, and its last request answered if it can be.
    fn break_off(&mut self, cx: &mut Cx<'_>, stream: StreamId, error: ParseError, head: Bytes) -> Heard {
        self.received += 1;
        let Some(open) = self.streams.get(stream) else { return Heard::Nothing };
        let (source, flow) = (open.remote, Flow::Stream { stream });
        let answered = Message::parse(head).is_ok_and(|message| {
            let transport = border::Transport::Tcp;
            self.complain(cx, &Arrival { flow, transport, source, message }, error)
        });
        self.drop_malformed(cx, source, error, answered);
        self.close(cx, stream, error.to_smolstr())
    }

    /// Tells the sender of a malformed request what is wrong with it, if it can be told and not too often.
    fn complain(&mut self, cx: &mut Cx<'_>, arrival: &Arrival, error: ParseError) -> bool {
        let answer = is_answerable(&arrival.message) && self.gate.noise(cx.now, arrival.source.ip());
        if answer {
            self.answer(cx, arrival, &Reply::new(error.status()).reason(error.to_smolstr()));
        }
        answer
    }

    fn drop_malformed(&mut self, cx: &mut Cx<'_>, source: SocketAddr, error: ParseError, answered: bool) {
        self.malformed += 1;
        if self.gate.report(cx.now) {
            cx.report(Event::Malformed { source, reason: error.to_smolstr(), answered });
        }
    }
}

/// What stands for the ends of a stream that is gone.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// The refusal of an exchange that has too much to do (RFC 3261 §21.5.4).
pub(crate) fn busy() -> Reply {
    Reply::new(Status::SERVICE_UNAVAILABLE).header(HeaderName::RetryAfter, limits::RETRY_AFTER)
}

/// Whether the sender of a malformed request can be told: what a response repeats (RFC 3261 §8.2.6.2) is repeated as it
/// came, readable or not, and a Via is all that leads it back. An ACK is answered by nothing.
fn is_answerable(message: &Message) -> bool {
    message.is_request() && message.method() != Method::Ack && message.header(HeaderName::Via).is_some()
}
