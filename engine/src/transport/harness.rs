//! What tests of this layer and those above hold in their hands: everything a layer may use, and virtual time.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::border::{self, Action, Actions, Flow, Interface, Listener, ListenerId, Lsn};
use crate::config::Config;
use crate::cx::{Cx, Journal, Randomness, Timer};
use crate::event::Event;
use crate::planted::Planted;
use crate::rng::{Purpose, Rng, Seed};
use crate::time::{Duration, Instant, WallTime};
use crate::timers::Timers;
use crate::transport::Transport;

/// The address of the exchange in tests.
pub(crate) const LOCAL: &str = "192.0.2.1:5060";

/// The parts of a [`Cx`].
pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) rng: Randomness,
    pub(crate) timers: Timers<Timer>,
    journal: Journal,
    pub(crate) out: Actions,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let seed = Seed::from_number(1);
        let rng = Randomness::new(seed);
        Self {
            now: Instant::ZERO,
            config: Config::default(),
            rng,
            timers: Timers::default(),
            journal: Journal::new(Lsn(1)),
            out: Actions::new(),
        }
    }

    pub(crate) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            wall: WallTime::default(),
            config: &self.config,
            rng: &mut self.rng,
            timers: &mut self.timers,
            out: &mut self.out,
            journal: &mut self.journal,
            planted: Planted::default(),
        }
    }

    /// What was sent since the last call: where to, and the text.
    pub(crate) fn sent(&mut self) -> Vec<(Flow, String)> {
        let sent = |action| match action {
            Action::Transmit { flow, bytes } => Some((flow, String::from_utf8_lossy(&bytes).into_owned())),
            _ => None,
        };
        self.out.drain(..).filter_map(sent).collect()
    }

    /// The one message sent since the last call.
    pub(crate) fn sent_one(&mut self) -> (Flow, String) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    /// The events told since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let told = |action| match action {
            Action::Report(event) => Some(event),
            _ => None,
        };
        self.out.drain(..).filter_map(told).collect()
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

/// A transport layer with one socket for datagrams and one for streams, on a host with an outside and a loopback
/// address.
pub(crate) fn transport() -> Transport {
    with_listeners(&[border::Transport::Udp, border::Transport::Tcp])
}

/// The same with these kinds of socket only.
pub(crate) fn with_listeners(kinds: &[border::Transport]) -> Transport {
    let local: SocketAddr = LOCAL.parse().unwrap();
    let listener = |(transport, n)| Listener { id: ListenerId(n), transport, local };
    let listeners = kinds.iter().copied().zip(0..).map(listener).collect();
    let interfaces = vec![Interface { address: local.ip(), prefix: 24 }];
    Transport::new(&mut Rng::new(Seed::from_number(1), Purpose::Hash), listeners, interfaces)
}

/// A message as it is on the wire, from text with one line each and a blank line before the body.
pub(crate) fn wire(text: &str) -> Bytes {
    let text = text.trim_start();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    Bytes::from(format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")))
}

/// What is read from a message in snapshots: no carriage returns, no blank end.
pub(crate) fn readable(text: &str) -> String {
    text.replace('\r', "").trim_end().to_owned()
}

/// A datagram flow from `remote`.
pub(crate) fn datagrams(remote: &str) -> Flow {
    let local: SocketAddr = LOCAL.parse().unwrap();
    Flow::Datagram { listener: ListenerId(0), local: local.ip(), remote: remote.parse().unwrap() }
}
