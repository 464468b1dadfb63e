//! What we hear from a party, decoded: packets in, frames of sound out.

use telex_audio::dtmf::{Detector, Event};
use telex_audio::playout::{Content, Inserted, Packet, Playout, Pulled, Settings, Stats};

use super::converter::Converter;
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
    tones: Option<Box<Tones>>,
}

/// Listens for the tones of keys.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Tones {
    /// To a rate that the detector takes.
    converter: Converter,
    detector: Detector,
    /// What was converted.
    pcm: Vec<i16>,
    /// The tones are taken out of the sound.
    hides: bool,
    /// What is held back, so that the beginning of a tone can be taken out once it is known to be one.
    held: Vec<i16>,
}

/// Frames that are held back to take tones out: a detector needs nearly as long to be sure.
const HELD: usize = 2;

impl Tones {
    fn new(rate: u32) -> Option<Self> {
        let to = if rate == 8000 { 8000 } else { 16_000 };
        let (pcm, held) = (Vec::new(), Vec::new());
        Some(Self {
            converter: Converter::new(rate, to),
            detector: Detector::new(to)?,
            pcm,
            hides: false,
            held,
        })
    }

    /// Looks at a frame, and takes out of it what shall not be heard.
    fn listen(&mut self, frame: &mut Vec<i16>, events: &mut Vec<Event>) {
        self.pcm.clear();
        self.converter.convert(frame, &mut self.pcm);
        let before = events.len();
        self.detector.feed(&self.pcm, events);
        if !self.hides {
            return;
        }
        let samples = frame.len();
        self.held.resize(HELD * samples, 0);
        self.held.extend_from_slice(frame);
        if self.detector.pressed().is_some() || events.len() > before {
            self.held.fill(0);
        }
        frame.clear();
        frame.extend(self.held.drain(..samples));
    }
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

/// Samples of one frame.
fn frame(rate: u32) -> usize {
    (u64::from(rate) * FRAME_MS / 1000) as usize
}

/// The time since start, as a playout takes it.
fn since_start(now: Instant) -> Duration {
    now.since(Instant::ZERO)
}

impl Intake {
    /// Gives `rate` samples per second.
    pub(super) fn new(rate: u32) -> Self {
        let playout = Playout::new(rate, Settings::default());
        Self { playout, rate, frame: Vec::new(), heard: false, tones: None }
    }

    /// Gives `rate` samples per second from now on; listens for tones of keys or not, and hides them or not.
    pub(super) fn set(&mut self, rate: u32, tones: bool, hides: bool) {
        let changed = self.rate != rate;
        if changed {
            self.rate = rate;
            self.playout.set_rate(rate);
        }
        if !tones {
            self.tones = None;
        } else if changed || self.tones.is_none() {
            self.tones = Tones::new(rate).map(Box::new);
        }
        if let Some(tones) = &mut self.tones {
            tones.hides = hides;
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
        let Header { marker, sequence, timestamp, .. } = *header;
        self.playout.insert(since_start(now), Packet { sequence, timestamp, marker, content, payload })
    }

    /// A packet came that is no sound: its number is not missing.
    pub(super) fn other(&mut self, now: Instant, sequence: u16) {
        // What it is to the stream is judged where all packets are counted.
        let _ = self.playout.insert_other(since_start(now), sequence);
    }

    /// Gets the next frame, and what it tells about keys.
    pub(super) fn pull(&mut self, now: Instant, events: &mut Vec<Event>) {
        self.frame.clear();
        let pulled: Pulled = self.playout.pull(since_start(now), frame(self.rate), &mut self.frame);
        self.heard = pulled.heard();
        if let Some(tones) = &mut self.tones {
            tones.listen(&mut self.frame, events);
        }
    }

    /// Gives up frames nobody will hear.
    pub(super) fn skip(&mut self, now: Instant, frames: u64) {
        for _ in 0..frames.min(GIVEN_UP) {
            self.frame.clear();
            self.playout.pull(since_start(now), frame(self.rate), &mut self.frame);
        }
    }

    /// Samples per second of what the detector of tones counts.
    pub(super) fn tone_rate(&self) -> u32 {
        self.tones.as_ref().map_or(8000, |tones| tones.detector.rate())
    }

    /// What it did so far.
    pub(super) fn played(&self) -> Played {
        Played::of(&self.playout.stats(), self.rate)
    }
}
