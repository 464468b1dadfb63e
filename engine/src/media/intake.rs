//! What we hear from a party, decoded: packets in, frames of sound out.

use telex_audio::playout::{Content, Inserted, Packet, Playout, Pulled, Settings, Stats};

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
    /// Samples per second of the room.
    rate: u32,
    /// What the party says in the present frame.
    pub(super) frame: Vec<i16>,
    /// Whether that is anything.
    pub(super) heard: bool,
    /// What is held back while tones are taken out, so that the beginning of one can be once it is known to be one.
    held: Option<Vec<i16>>,
}

/// Frames that are held back to take tones out: a detector needs nearly as long to be sure.
const HELD: usize = 2;

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

/// Samples of one frame.
fn frame(rate: u32) -> usize {
    (u64::from(rate) * FRAME_MS / 1000) as usize
}

/// The time since start, as a playout takes it.
fn since_start(now: Instant) -> Duration {
    now.since(Instant::ZERO)
}

impl Intake {
    /// Gives `rate` samples per second; noise that is made up is that of `seed`.
    pub(super) fn new(rate: u32, seed: u64) -> Self {
        let playout = Playout::new(rate, Settings { seed, ..Settings::default() });
        Self { playout, rate, frame: Vec::new(), heard: false, held: None }
    }

    /// Gives `rate` samples per second from now on, and takes tones out of them or not.
    pub(super) fn set(&mut self, rate: u32, hides: bool) {
        let changed = self.rate != rate;
        if changed {
            self.rate = rate;
            self.playout.set_rate(rate);
        }
        if !hides {
            self.held = None;
        } else if changed || self.held.is_none() {
            self.held = Some(vec![0; HELD * frame(rate)]);
        }
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
        content: Content,
        payload: &[u8],
    ) -> Inserted {
        let Header { sequence, timestamp, .. } = *header;
        self.playout.insert(since_start(now), Packet { sequence, timestamp, content, payload })
    }

    /// A packet came that is no sound: its number is not missing.
    pub(super) fn other(&mut self, now: Instant, sequence: u16) {
        // What it is to the stream is judged where all packets are counted.
        let _ = self.playout.insert_other(since_start(now), sequence);
    }

    /// Gets the next frame.
    pub(super) fn pull(&mut self, now: Instant) {
        self.frame.clear();
        let pulled: Pulled = self.playout.pull(since_start(now), frame(self.rate), &mut self.frame);
        self.heard = pulled.heard();
    }

    /// Takes a tone out of the sound, if that is wanted; `tone` says whether the present frame has one.
    pub(super) fn hide(&mut self, tone: bool) {
        let Some(held) = &mut self.held else { return };
        let samples = self.frame.len();
        held.extend_from_slice(&self.frame);
        if tone {
            held.fill(0);
        }
        self.frame.clear();
        self.frame.extend(held.drain(..samples.min(held.len())));
    }

    /// Gives up frames nobody will hear.
    pub(super) fn skip(&mut self, now: Instant, frames: u64) {
        for _ in 0..frames.min(GIVEN_UP) {
            self.frame.clear();
            self.playout.pull(since_start(now), frame(self.rate), &mut self.frame);
        }
    }

    /// What it did so far.
    pub(super) fn played(&self) -> Played {
        Played::of(&self.playout.stats(), self.rate)
    }
}
