//! Playout: from the packets of one source, as the network delivers them, to an even stream of samples.

mod queue;
mod types;

use std::time::Duration;

use crate::codec::{Decoder, Encoding};
use queue::Queue;

pub use types::{Inserted, Packet, Pulled, Settings, Stats};

/// What is received from one source: insert packets as they come, pull samples as they are needed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Playout {
    rate: u32,
    settings: Settings,
    queue: Queue,
    decoder: Option<(Encoding, Decoder)>,
    /// Decoded and not yet pulled.
    line: Vec<i16>,
    highest: i64,
    next: i64,
    started: bool,
    stats: Stats,
}

impl Playout {
    /// A playout that gives `rate` samples per second and has heard nothing yet.
    pub fn new(rate: u32, settings: Settings) -> Self {
        Self {
            rate,
            settings,
            queue: Queue::default(),
            decoder: None,
            line: Vec::new(),
            highest: 0,
            next: 0,
            started: false,
            stats: Stats::default(),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, now: Duration, packet: Packet<'_>) -> Inserted {
        self.stats.packets += 1;
        if packet.payload.len() > queue::PAYLOAD {
            self.stats.malformed += 1;
            return Inserted::Malformed;
        }
        let first = self.stats.packets == 1;
        let step = packet.sequence.wrapping_sub(self.highest as u16).cast_signed();
        let number = if first { i64::from(packet.sequence) } else { self.highest + i64::from(step) };
        if self.started && number < self.next {
            self.stats.late += 1;
            return Inserted::Late;
        }
        self.highest = self.highest.max(number);
        let at = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        if !self.queue.insert((number, at, 0), packet.encoding, packet.payload) {
            self.stats.duplicates += 1;
            return Inserted::Duplicate;
        }
        if self.queue.len() > queue::PACKETS {
            self.queue.drop_first();
            return Inserted::Full;
        }
        Inserted::Kept
    }

    /// Appends exactly `samples` to `pcm`, to be heard from `now` on.
    pub fn pull(&mut self, now: Duration, samples: usize, pcm: &mut Vec<i16>) -> Pulled {
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let wait = i64::try_from(self.settings.least.as_nanos()).unwrap_or(0) + 50_000_000;
        self.started |= self.queue.first().is_some_and(|first| now - first.at >= wait);
        while self.started && self.line.len() < samples {
            let Some(packet) = self.queue.take() else { break };
            self.next = packet.number + 1;
            if let Some(encoding) = packet.encoding {
                if self.decoder.as_ref().is_none_or(|(current, _)| *current != encoding) {
                    self.decoder = Some((encoding, Decoder::new(encoding, self.rate)));
                }
                if let Some((_, decoder)) = &mut self.decoder {
                    // What is malformed adds nothing.
                    let _ = decoder.decode(&packet.payload, &mut self.line);
                }
            }
            self.queue.recycle(packet);
        }
        let sound = samples.min(self.line.len());
        pcm.extend(self.line.drain(..sound));
        pcm.resize(pcm.len() + samples - sound, 0);
        self.stats.samples += samples as u64;
        Pulled { sound, silence: samples - sound, ..Pulled::default() }
    }

    /// Gives so many samples per second from now on.
    pub fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
    }

    /// Another source speaks from now on (a new SSRC): its numbers and times have nothing to do with those before.
    pub fn restart(&mut self) {
        self.queue.clear();
        self.started = false;
        self.stats.restarts += 1;
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
