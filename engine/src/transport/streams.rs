//! The streams that are open or being opened.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::border::StreamId;
use crate::cx::{Cx, Timer};
use crate::limits;
use crate::rate::network;
use crate::sip::Framer;
use crate::time::{Duration, Instant};
use crate::timers::TimerKey;
#[cfg(feature = "serde")]
use crate::view::{Armed, Owner, StreamView};

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Stage {
    /// We asked for it and it is not established yet.
    Connecting,
    /// A peer opened it and has sent no message yet.
    Silent,
    /// It carries messages.
    Talking,
}

/// One stream.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Stream {
    pub(super) remote: SocketAddr,
    /// Our address and port as we write them in Via and Contact: where a peer can connect to, not our end of a
    /// connection that we opened.
    pub(super) local: SocketAddr,
    pub(super) stage: Stage,
    pub(super) framer: Framer,
    /// When the message began that is not whole yet.
    pub(super) begun: Option<Instant>,
    /// A keep-alive among the octets that just came was answered already.
    pub(super) ponged: bool,
    /// How many refer to it: bindings, dialogs, transactions.
    pins: u32,
    /// When it was last used, either way.
    used: Instant,
    timer: TimerKey,
}

/// All streams by number, and the newest to each peer.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Streams {
    live: BTreeMap<StreamId, Stream>,
    to: BTreeMap<SocketAddr, StreamId>,
    /// How many each source has. No entry is zero.
    shares: BTreeMap<IpAddr, usize>,
}

impl Streams {
    /// All streams in words.
    #[cfg(feature = "serde")]
    pub(super) fn views(&self, armed: &Armed) -> Vec<StreamView> {
        let view = |(id, stream): (&StreamId, &Stream)| StreamView {
            stream: id.0,
            transport: crate::border::Transport::Tcp,
            remote: stream.remote,
            state: match stream.stage {
                Stage::Connecting => "connecting",
                Stage::Silent => "silent",
                Stage::Talking => "talking",
            },
            unfinished: stream.framer.waiting().len(),
            timers: armed.timers(Owner::Stream(id.0)),
        };
        self.live.iter().map(view).collect()
    }

    #[cfg(feature = "serde")]
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.live.iter().map(|(id, stream)| (*id, stream.framer.waiting()))
    }

    #[cfg(feature = "serde")]
    pub(super) fn assume_unfinished(&mut self, id: StreamId, octets: &[u8]) {
        if let Some(stream) = self.live.get_mut(&id) {
            stream.framer.assume_waiting(octets);
        }
    }

    /// A stream begins. It has until the timer of its stage fires.
    pub(super) fn add(
        &mut self,
        cx: &mut Cx<'_>,
        id: StreamId,
        stage: Stage,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        let timer = cx.timers.arm(cx.now + stage.patience(), Timer::Stream(id));
        let framer = Framer::default();
        let begun = None;
        let stream =
            Stream { remote, local, stage, framer, begun, ponged: false, pins: 0, used: cx.now, timer };
        self.remove(cx, id);
        *self.shares.entry(network(remote.ip())).or_default() += 1;
        self.to.insert(remote, id);
        self.live.insert(id, stream);
    }

    /// A stream is over. `None` when it was not there.
    pub(super) fn remove(&mut self, cx: &mut Cx<'_>, id: StreamId) -> Option<Stream> {
        let stream = self.live.remove(&id)?;
        cx.timers.cancel(stream.timer);
        if self.to.get(&stream.remote) == Some(&id) {
            self.to.remove(&stream.remote);
        }
        let source = network(stream.remote.ip());
        if let Some(share) = self.shares.get_mut(&source) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&source);
            }
        }
        Some(stream)
    }

    /// A stream reaches its next stage.
    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, id: StreamId, stage: Stage) {
        let Some(stream) = self.live.get_mut(&id) else { return };
        if stream.stage != stage {
            stream.stage = stage;
            stream.used = cx.now;
            cx.timers.cancel(stream.timer);
            stream.timer = cx.timers.arm(cx.now + stage.patience(), Timer::Stream(id));
        }
    }

    /// The timer of a stream fired. What to say when it must end; it is given more time otherwise. Use does not move
    /// the timer, so a busy stream costs one timer in each idle time.
    pub(super) fn overdue(&mut self, cx: &mut Cx<'_>, id: StreamId) -> Option<&'static str> {
        let stream = self.live.get_mut(&id)?;
        let more = match stream.stage {
            Stage::Connecting => return Some("could not connect in time"),
            Stage::Silent => return Some("sent no message in time"),
            Stage::Talking if stream.pins > 0 => limits::STREAM_IDLE,
            Stage::Talking => limits::STREAM_IDLE.saturating_sub(cx.now.since(stream.used)),
        };
        if more.is_zero() {
            return Some("idle");
        }
        stream.timer = cx.timers.arm(cx.now + more, Timer::Stream(id));
        None
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.live.get(&id)
    }

    /// The stream, used now.
    pub(super) fn touch(&mut self, now: Instant, id: StreamId) -> Option<&mut Stream> {
        let stream = self.live.get_mut(&id)?;
        stream.used = now;
        Some(stream)
    }

    /// The newest stream to `remote`.
    pub(super) fn to(&self, remote: SocketAddr) -> Option<StreamId> {
        self.to.get(&remote).copied()
    }

    pub(super) fn pin(&mut self, id: StreamId) {
        if let Some(stream) = self.live.get_mut(&id) {
            stream.pins = stream.pins.saturating_add(1);
        }
    }

    /// Takes a pin back; the silence that counts begins now.
    pub(super) fn unpin(&mut self, now: Instant, id: StreamId) {
        if let Some(stream) = self.touch(now, id) {
            debug_assert!(stream.pins > 0, "a pin was taken back twice");
            stream.pins = stream.pins.saturating_sub(1);
        }
    }

    pub(super) fn pins(&self, id: StreamId) -> u32 {
        self.live.get(&id).map_or(0, |stream| stream.pins)
    }

    /// How many streams this source has.
    pub(super) fn share(&self, source: IpAddr) -> usize {
        self.shares.get(&network(source)).copied().unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Asserts that the two maps and the timers agree.
    pub(super) fn check(&self, armed: impl Fn(TimerKey) -> bool) {
        for (remote, id) in &self.to {
            assert_eq!(
                self.live.get(id).map(|s| s.remote),
                Some(*remote),
                "stream {id:?} is not to {remote}"
            );
        }
        assert_eq!(self.shares.values().sum::<usize>(), self.live.len(), "every stream has one source");
        for (id, stream) in &self.live {
            assert!(armed(stream.timer), "stream {id:?} has no timer");
        }
    }
}

impl Stream {
    /// Takes note of whether a message has begun and is not whole. True when that has been so for too long.
    pub(super) fn dawdles(&mut self, now: Instant) -> bool {
        self.begun = self.framer.is_within_message().then(|| self.begun.unwrap_or(now));
        self.begun.is_some_and(|begun| now.since(begun) > limits::STREAM_MESSAGE)
    }
}

impl Stage {
    const fn patience(self) -> Duration {
        match self {
            Self::Connecting => limits::STREAM_CONNECT,
            Self::Silent => limits::STREAM_START,
            Self::Talking => limits::STREAM_IDLE,
        }
    }
}
