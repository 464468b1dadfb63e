//! The engine in virtual time: messages are handed in, the clock is moved by hand, what it sends is looked at.
//!
//! There is no network and no media here: ports are granted at once, legs end when they are told to. After every input
//! the engine checks its own invariants.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use telex_engine::border::{Flow, Listener, ListenerId, Stats, StreamEvent, StreamId, Transport};
use telex_engine::config::Config;
use telex_engine::event::Event;
use telex_engine::mediactl::{LegStats, MediaCommand, MediaReport, PortId, Resume, ShardId};
use telex_engine::rng::Seed;
use telex_engine::sip::Message;
use telex_engine::time::{Instant, WallTime};
use telex_engine::{Action, Boot, Input, Signalling};

/// The first RTP port that is granted.
const PORTS: u16 = 10_000;
/// How many pairs are granted at once.
const PORT_PAIRS: u16 = 64;

/// Something the engine sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// To whom; for a stream its other end.
    pub to: SocketAddr,
    /// By what.
    pub transport: Transport,
    /// What: whatever the engine sends must parse.
    pub message: Message,
}

/// An exchange with nothing around it.
#[derive(Debug)]
pub struct VirtualExchange {
    telex: Signalling,
    now: Instant,
    locals: Vec<SocketAddr>,
    streams: Vec<(StreamId, SocketAddr)>,
    next_port: u16,
    sent: Vec<Sent>,
    /// What it told people.
    pub events: Vec<Event>,
}

impl VirtualExchange {
    /// An exchange that listens at these addresses, by UDP and by TCP.
    pub fn new(config: Config, locals: &[SocketAddr]) -> Self {
        let listener = |(n, local): (usize, &SocketAddr)| {
            let id = |more| ListenerId(u16::try_from(2 * n + more).unwrap_or(u16::MAX));
            let udp = Listener { id: id(0), transport: Transport::Udp, local: *local };
            [udp, Listener { id: id(1), transport: Transport::Tcp, local: *local }]
        };
        let boot = Boot {
            wall: WallTime::from_unix_millis(1_700_000_000_000),
            listeners: locals.iter().enumerate().flat_map(listener).collect(),
            shards: 1,
            ..Boot::default()
        };
        let telex = Signalling::new(Arc::new(config), Seed::from_number(1), boot);
        let mut exchange = Self {
            telex,
            now: Instant::ZERO,
            locals: locals.to_vec(),
            streams: Vec::new(),
            next_port: PORTS,
            sent: Vec::new(),
            events: Vec::new(),
        };
        exchange.grant(PORT_PAIRS);
        exchange
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Sizes of the engine's tables.
    pub fn stats(&self) -> Stats {
        self.telex.stats()
    }

    /// A datagram comes from `from`, to the first address of its family.
    pub fn datagram(&mut self, from: SocketAddr, octets: &[u8]) {
        let Some((listener, local)) = self.facing(from.ip()) else { return };
        let bytes = Bytes::copy_from_slice(octets);
        self.input(Input::Datagram { listener, local, remote: from, bytes });
    }

    /// Octets come by the stream from `from`; the first open it.
    pub fn octets(&mut self, from: SocketAddr, octets: &[u8]) {
        let stream = match self.streams.iter().find(|(_, remote)| *remote == from) {
            Some((stream, _)) => *stream,
            None => {
                let Some((listener, ip)) = self.facing(from.ip()) else { return };
                // Streams that a peer opens are numbered odd.
                let stream = StreamId(2 * self.streams.len() as u64 + 1);
                self.streams.push((stream, from));
                let port = self.locals.first().map_or(0, SocketAddr::port);
                let (listener, local) = (Some(ListenerId(listener.0 + 1)), SocketAddr::new(ip, port));
                self.input(Input::Stream {
                    stream,
                    event: StreamEvent::Opened { listener, local, remote: from },
                });
                stream
            }
        };
        let event = StreamEvent::Bytes(Bytes::copy_from_slice(octets));
        self.input(Input::Stream { stream, event });
    }

    /// Time passes, and what was to happen meanwhile happens in order.
    pub fn pass(&mut self, time: Duration) {
        self.until(self.now + time);
    }

    /// Time passes until then.
    pub fn until(&mut self, then: Instant) {
        while let Some(deadline) = self.telex.deadline().filter(|deadline| deadline.at <= then) {
            self.now = self.now.max(deadline.at);
            self.input(Input::Wake);
        }
        self.now = self.now.max(then);
    }

    /// Time passes until the next thing happens, or until then. False when nothing was left to happen.
    pub fn next_by(&mut self, then: Instant) -> bool {
        match self.telex.deadline().filter(|deadline| deadline.at <= then) {
            Some(deadline) => {
                self.now = self.now.max(deadline.at);
                self.input(Input::Wake);
                true
            }
            None => {
                self.now = self.now.max(then);
                false
            }
        }
    }

    /// What was sent since the last look.
    pub fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    fn facing(&self, remote: IpAddr) -> Option<(ListenerId, IpAddr)> {
        let at = self.locals.iter().position(|local| local.is_ipv4() == remote.is_ipv4())?;
        Some((ListenerId(u16::try_from(2 * at).unwrap_or(u16::MAX)), self.locals.get(at)?.ip()))
    }

    fn grant(&mut self, pairs: u16) {
        let first = self.next_port;
        self.next_port = first.saturating_add(2 * pairs).min(60_000);
        let ports = (first..self.next_port).step_by(2).map(PortId).collect();
        self.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.telex.handle(self.now, input, &mut out);
        self.telex.check();
        for action in out {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Action::Connect { stream, remote, .. } => {
                self.streams.push((stream, remote));
                let local = self.facing(remote.ip()).map_or(remote, |(_, ip)| SocketAddr::new(ip, 40_000));
                self.input(Input::Stream {
                    stream,
                    event: StreamEvent::Opened { listener: None, local, remote },
                });
            }
            Action::Disconnect { stream } => self.streams.retain(|(open, _)| *open != stream),
            Action::Media { command: MediaCommand::WantPorts { count }, .. } => self.grant(count),
            Action::Media { shard, command: MediaCommand::DropLeg { leg } } => {
                let resume = Resume { ssrc: 0, sequence: 0, timestamp: 0 };
                let report = MediaReport::Dropped { leg, stats: LegStats::default(), resume };
                self.input(Input::Media { shard, report });
            }
            Action::Media { shard, command: MediaCommand::GiveLeg { leg, .. } } => {
                let report = MediaReport::Given { leg, stats: LegStats::default(), resume: None };
                self.input(Input::Media { shard, report });
            }
            Action::Report(event) => self.events.push(event),
            _ => {}
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        let (to, transport) = match flow {
            Flow::Datagram { remote, .. } => (Some(remote), Transport::Udp),
            Flow::Stream { stream } => {
                let end = self.streams.iter().find(|(open, _)| *open == stream);
                (end.map(|(_, remote)| *remote), Transport::Tcp)
            }
        };
        // Keep-alives of a stream are no messages.
        if let (Some(to), true) = (to, bytes.len() > 4) {
            match Message::parse(bytes) {
                Ok(message) => self.sent.push(Sent { at: self.now, to, transport, message }),
                Err(error) => self.events.push(Event::Broken { what: format!("sent: {error}").into() }),
            }
        }
    }
}
