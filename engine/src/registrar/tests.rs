//! The registrar alone, in virtual time.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::border::{Action, Actions, ListenerId, Lsn};
use crate::config::{Config, Phone};
use crate::cx::{Journal, Randomness};
use crate::planted::Planted;
use crate::rng::Seed;
use crate::timers::Timers;

mod flows;
mod model;
mod rules;
mod ways;

const WALL: WallTime = WallTime::from_unix_millis(1_289_690_940_000);

/// A registrar with everything it needs around it.
struct Site {
    registrar: Registrar,
    config: Arc<Config>,
    random: Randomness,
    timers: Timers<Timer>,
    now: Instant,
    /// The wall clock at the start; it may be stepped.
    wall: WallTime,
    out: Actions,
    journal: Journal,
    cseq: u32,
}

/// A socket on all addresses, and one on a single address.
const LISTENERS: [Listener; 3] = [
    Listener { id: ListenerId(0), transport: Transport::Udp, local: socket([0, 0, 0, 0], 5060) },
    Listener { id: ListenerId(1), transport: Transport::Tcp, local: socket([0, 0, 0, 0], 5060) },
    Listener { id: ListenerId(2), transport: Transport::Udp, local: socket([192, 0, 2, 1], 5080) },
];

const fn socket([a, b, c, d]: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(a, b, c, d), port))
}

const LOCAL: SocketAddr = socket([192, 0, 2, 1], 5060);

/// A datagram from this address.
fn from(source: SocketAddr) -> Origin {
    let flow = Flow::Datagram { listener: ListenerId(0), local: LOCAL.ip(), remote: source };
    Origin { flow, source, local: LOCAL, transport: Transport::Udp }
}

/// Octets of this stream.
fn over(stream: u64, source: SocketAddr) -> Origin {
    let flow = Flow::Stream { stream: StreamId(stream) };
    Origin { flow, source, local: LOCAL, transport: Transport::Tcp }
}

fn phone() -> Origin {
    from(socket([192, 0, 2, 7], 5060))
}

fn message(headers: &str, cseq: u32) -> Message {
    let text = format!(
        "REGISTER sip:telex SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:100@telex>;tag=1\r\nTo: <sip:100@telex>\r\nCSeq: {cseq} REGISTER\r\n{headers}\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

impl Site {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        for extension in ["100", "101"] {
            config.phones.insert(extension.into(), Phone::default());
        }
        change(&mut config);
        Self {
            registrar: Registrar::new(),
            config: Arc::new(config),
            random: Randomness::new(Seed::from_number(1)),
            timers: Timers::default(),
            now: Instant::from_millis(1000),
            wall: WALL,
            out: Actions::new(),
            journal: Journal::new(Lsn(1)),
            cseq: 0,
        }
    }

    fn cx<T>(&mut self, work: impl FnOnce(&mut Registrar, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            now: self.now,
            wall: self.wall + self.now.since(Instant::from_millis(1000)),
            config: &self.config,
            rng: &mut self.random,
            timers: &mut self.timers,
            out: &mut self.out,
            journal: &mut self.journal,
            planted: Planted::default(),
        };
        let result = work(&mut self.registrar, &mut cx);
        self.registrar.check(|timer| self.timers.is_armed(timer));
        assert_eq!(self.timers.len(), self.registrar.len(), "one timer for each binding");
        result
    }

    /// A REGISTER of extension 100 with these header fields, the CSeq one higher than before.
    fn register(&mut self, origin: Origin, headers: &str) -> Reply {
        self.cseq += 1;
        self.register_as("100", self.cseq, origin, &format!("Call-ID: one\r\n{headers}"))
    }

    fn register_as(&mut self, aor: &str, cseq: u32, origin: Origin, headers: &str) -> Reply {
        let request = message(headers, cseq);
        self.cx(|registrar, cx| registrar.register(cx, aor, &request, &origin))
    }

    /// Lets time pass; timers fire when they are due.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.timers.next().map(|(at, _)| at).filter(|at| *at <= until) {
            self.now = self.now.max(at);
            while let Some(timer) = self.timers.pop(self.now) {
                let Timer::Binding(key) = timer else { panic!("{timer:?}") };
                let mut cx = Cx {
                    now: self.now,
                    wall: self.wall + self.now.since(Instant::from_millis(1000)),
                    config: &self.config,
                    rng: &mut self.random,
                    timers: &mut self.timers,
                    out: &mut self.out,
                    journal: &mut self.journal,
                    planted: Planted::default(),
                };
                self.registrar.fire(&mut cx, key);
            }
        }
        self.now = until;
        self.registrar.check(|timer| self.timers.is_armed(timer));
    }

    fn seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    fn contacts(&self) -> Vec<&str> {
        self.registrar.lookup("100").map(|b| b.contact.as_str()).collect()
    }

    fn reach(&self) -> Vec<Reach> {
        self.registrar.lookup("100").map(Binding::reach).collect()
    }

    /// Events since the last call, in short.
    fn told(&mut self) -> Vec<String> {
        let events = self.out.iter().filter_map(|action| match action {
            Action::Report(Event::Registered { contact, expires, refresh, .. }) => Some(format!(
                "{} {contact} {}",
                if *refresh { "refreshed" } else { "registered" },
                expires.as_secs()
            )),
            Action::Report(Event::Unregistered { contact, expired, .. }) => {
                Some(format!("{} {contact}", if *expired { "expired" } else { "removed" }))
            }
            _ => None,
        });
        let events = events.collect();
        self.out.retain(|action| !matches!(action, Action::Report(_)));
        events
    }

    /// What a store would hold that was empty before, records in order.
    fn stored(&self) -> Vec<StoredBinding> {
        let mut store: Vec<StoredBinding> = Vec::new();
        let mut next = Lsn(1);
        for action in &self.out {
            let Action::Store { lsn, record } = action else { continue };
            assert_eq!(*lsn, next, "no gap");
            next = Lsn(next.0 + 1);
            match record.clone() {
                Record::Keep { .. } | Record::Forget { .. } => panic!("the registrar keeps bindings"),
                Record::Bind(new) => {
                    store.retain(|old| (&old.aor, &old.contact) != (&new.aor, &new.contact));
                    store.push(new);
                }
                Record::Unbind { aor, contact } => {
                    store.retain(|old| (&old.aor, &old.contact) != (&aor, &contact));
                }
                Record::Call(_) => unreachable!("nobody calls"),
            }
        }
        store
    }
}

/// The values of a header field of an answer.
fn values(answer: &Reply, name: HeaderName) -> Vec<&str> {
    answer.headers.iter().filter(|(n, _)| *n == name.as_str()).map(|(_, value)| value.as_str()).collect()
}

#[track_caller]
fn ok(answer: &Reply) -> Vec<&str> {
    assert_eq!(answer.status, Status::OK, "{answer:?}");
    values(answer, HeaderName::Contact)
}

#[track_caller]
fn refused(answer: &Reply, code: u16, reason: &str) {
    assert_eq!((answer.status.code(), answer.reason.as_deref().unwrap_or_default()), (code, reason));
    assert_eq!(values(answer, HeaderName::Contact), Vec::<&str>::new());
}
