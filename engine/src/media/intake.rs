//! What we hear from a party, decoded: packets in, frames of sound out.

use telex_audio::codec::Encoding;
use telex_audio::playout::{Inserted, Packet, Playout, Pulled, Settings, Stats};

use super::ring::FRAME_MS;
use crate::rtp::Header;
use crate::time::{Duration, Instant};

/// Frames that are given up at most after a long delay: the playout holds no more.
const GIVEN_UP: u64 = 50;

/// The receiving direction of one party.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Intake {
    playout: Playout,
    rate: u32,
    /// What the party says in the present frame.
    pub(super) frame: Vec<i16>,
    /// Whether that is anything.
    pub(super) heard: bool,
}

/// What the playouts of a leg did so far.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Played {
    pub(super) ms: u64,
    pub(super) concealed_ms: u64,
    pub(super) late: u64,
    pub(super) malformed: u64,
    pub(super) delay_ms: u16,
}

impl Played {
    fn of(stats: &Stats, rate: u32) -> Self {
        let ms = |samples: u64| samples.saturating_mul(1000) / u64::from(rate.max(1));
        Self {
            ms: ms(stats.samples),
            concealed_ms: ms(stats.concealed),
            late: stats.late,
            malformed: stats.malformed,
            delay_ms: u16::try_from(stats.delay_us / 1000).unwrap_or(u16::MAX),
        }
    }

    /// Both together; the delay is the later one's.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            ms: self.ms + later.ms,
            concealed_ms: self.concealed_ms + later.concealed_ms,
            late: self.late + later.late,
            malformed: self.malformed + later.malformed,
            delay_ms: later.delay_ms,
        }
    }
}

/// The time since start, as a playout takes it.
fn since_start(now: Instant) -> Duration {
    now.since(Instant::ZERO)
}

impl Intake {
    /// Gives `rate` samples per second.
    pub(super) fn new(rate: u32) -> Self {
        Self { playout: Playout::new(rate, Settings::default()), rate, frame: Vec::new(), heard: false }
    }

    /// Gives `rate` samples per second from now on.
    pub(super) fn set_rate(&mut self, rate: u32) {
        if self.rate != rate {
            self.rate = rate;
            self.playout.set_rate(rate);
        }
    }

    /// Samples of one frame.
    pub(super) fn samples(&self) -> usize {
        (u64::from(self.rate) * FRAME_MS / 1000) as usize
    }

    /// The source begins anew.
    pub(super) fn restart(&mut self) {
        self.playout.restart();
    }

    /// Takes a packet.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        header: &Header,
        encoding: Encoding,
        payload: &[u8],
    ) -> Inserted {
        let Header { marker, sequence, timestamp, .. } = *header;
        self.playout.insert(since_start(now), Packet { sequence, timestamp, marker, encoding, payload })
    }

    /// Gets the next frame.
    pub(super) fn pull(&mut self, now: Instant) {
        self.frame.clear();
        let pulled: Pulled = self.playout.pull(since_start(now), self.samples(), &mut self.frame);
        self.heard = pulled.heard();
    }

    /// Gives up frames nobody will hear.
    pub(super) fn skip(&mut self, now: Instant, frames: u64) {
        for _ in 0..frames.min(GIVEN_UP) {
            self.pull(now);
        }
    }

    /// What it did so far.
    pub(super) fn played(&self) -> Played {
        Played::of(&self.playout.stats(), self.rate)
    }
}
