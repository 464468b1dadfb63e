//! Playout: from the packets of one source, as the network delivers them, to an even stream of samples.
//!
//! Packets wait in order (`queue`); `source` counts their numbers and times on without end; `delay` learns how
//! they come and says how long to wait. Samples are decoded onto a [`line`] when they are needed. Where packets are
//! missing the decoder conceals (`gaps`); where the wait is not what it should be, time is scaled or silence is made
//! longer or shorter (`pace`). Times are nanoseconds: arrivals and pulls by the caller's clock, packets by the
//! source's.
//!
//! Memory is bounded whatever arrives, and nothing is allocated once the buffers have grown.

mod clock;
mod coder;
mod delay;
mod gaps;
mod line;
mod pace;
mod queue;
mod source;
#[cfg(test)]
mod tests;
mod types;

use std::time::Duration;

use crate::codec::Encoding;
use crate::codec::cn::NoiseGenerator;
use clock::{Clock, length};
use coder::{Coder, RATES};
use delay::Delay;
use line::{Kind, Line};
use queue::Queue;
use source::{Place, Source};

pub use types::{Content, Inserted, Packet, Pulled, Settings, Stats};

/// Longest sound of one packet, in nanoseconds.
const LONGEST: i64 = 1_000_000_000;
/// What is on the line at most, usually, in nanoseconds.
const LINE: i64 = 2 * pace::MEMORY + 120_000_000;
/// Decoders kept, so that a source that changes between encodings finds each again.
const DECODERS: usize = 4;

/// What is received from one source: insert packets as they come, pull samples as they are needed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Playout {
    rate: u32,
    least: i64,
    most: i64,
    queue: Queue,
    source: Source,
    delay: Delay,
    clock: Clock,
    line: Line,
    coders: Vec<Coder>,
    /// Which of the decoders made the sound on the line.
    current: usize,
    noise: NoiseGenerator,
    state: State,
    /// Number of the packet to come behind the line.
    next: i64,
    /// Time of the first sample behind the last packet on the line.
    end: i64,
    /// How much was made to fill the gap behind it, in nanoseconds.
    filled: i64,
    /// Samples of noise and silence in it that were made without knowing why nothing came.
    doubtful: u64,
    /// Whether the packet to come was given up for lost, because later ones were there.
    given_up: bool,
    /// How long the last packet lasts.
    lasts: i64,
    /// Samples to be heard before time may be scaled again.
    rest: usize,
    /// Mean square of the loudest sound lately.
    loud: u32,
    /// Whether the last packet was nearly silence.
    quiet: bool,
    #[cfg_attr(feature = "serde", serde(skip))]
    scratch: Vec<i16>,
    stats: Stats,
}

/// What is heard at the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum State {
    /// Nothing, for want of packets.
    Idle,
    /// Packet after packet.
    Playing,
    /// Concealment of what is missing.
    Filling,
    /// Noise as the source described it.
    Noise,
}

impl Playout {
    /// A playout that gives `rate` samples per second, 4,000 to 192,000, and has heard nothing yet.
    pub fn new(rate: u32, settings: Settings) -> Self {
        let most = clock::since(settings.most).min(LONGEST);
        let rate = rate.clamp(*RATES.start(), *RATES.end());
        Self {
            rate,
            least: clock::since(settings.least).min(most),
            most,
            queue: Queue::default(),
            source: Source::default(),
            delay: Delay::default(),
            clock: Clock::default(),
            line: Line::new(clock::samples(LINE, rate)),
            coders: Vec::new(),
            current: 0,
            noise: NoiseGenerator::new(settings.seed),
            state: State::Idle,
            next: i64::MIN,
            end: 0,
            filled: 0,
            doubtful: 0,
            given_up: false,
            lasts: 0,
            rest: 0,
            loud: 0,
            quiet: false,
            scratch: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, now: Duration, packet: Packet<'_>) -> Inserted {
        self.stats.packets += 1;
        let Some((clock, lasts)) = self.measure(packet) else {
            self.stats.malformed += 1;
            return Inserted::Malformed;
        };
        let now = clock::since(now);
        self.place(packet.sequence, |playout, number| {
            let soonest = now.saturating_sub(playout.delay.base());
            let at = playout.source.time(number, (packet.timestamp, clock), lasts, soonest);
            playout.delay.observe(now, at, lasts);
            ((number, at, lasts), Some(packet.content), packet.payload)
        })
    }

    /// Takes what a packet that arrived at `now` carries again of one sent `offset` units of the clock before it (RFC
    /// 2198): it is played if that one has not come. `packet` is the packet with the content and payload of the earlier
    /// one; insert what is new in it first. What cannot be an earlier packet is left out, and nothing is counted.
    ///
    /// Each that is of use teaches the playout to wait for the next.
    pub fn insert_again(&mut self, now: Duration, packet: Packet<'_>, offset: u16) -> bool {
        let Some((clock, lasts)) = self.measure(packet) else { return false };
        let (now, offset) = (clock::since(now), u32::from(offset));
        let Some(steps) = clock::steps(offset, clock, lasts) else { return false };
        let sequence = packet.sequence.wrapping_sub(steps);
        if !self.source.misses(sequence) {
            return false;
        }
        let Place::New(number) = self.source.place(sequence) else { return false };
        let timestamp = packet.timestamp.wrapping_sub(offset);
        let soonest = now.saturating_sub(self.delay.base());
        let at = self.source.time(number, (timestamp, clock), lasts, soonest);
        self.delay.observe(now, at, lasts);
        if number < self.next {
            return false;
        }
        self.queue.insert((number, at, lasts), Some(packet.content), packet.payload);
        if self.queue.len() > queue::PACKETS {
            self.queue.drop_first();
            self.stats.dropped += 1;
        }
        self.stats.repeated += 1;
        true
    }

    /// Takes note of a packet of the same source that arrived at `now` and is no sound, such as a telephone-event (RFC
    /// 4733): its sequence number would seem lost otherwise.
    pub fn insert_other(&mut self, now: Duration, sequence: u16) -> Inserted {
        self.stats.packets += 1;
        let now = clock::since(now);
        self.place(sequence, |playout, number| {
            ((number, now.saturating_sub(playout.delay.base()), 0), None, &[])
        })
    }

    /// Keeps what `timed` makes of a packet's number, if that is new.
    fn place<'a>(
        &mut self,
        sequence: u16,
        timed: impl FnOnce(&mut Self, i64) -> ((i64, i64, i64), Option<Content>, &'a [u8]),
    ) -> Inserted {
        let (number, restarted) = match self.source.place(sequence) {
            Place::New(number) => (number, false),
            Place::Restart(number) => {
                self.forget();
                (number, true)
            }
            Place::Again => {
                self.stats.duplicates += 1;
                return Inserted::Duplicate;
            }
            Place::Astray => return Inserted::Astray,
        };
        let (times, content, payload) = timed(self, number);
        if number < self.next {
            // It was given up, and counted so.
            self.stats.lost = self.stats.lost.saturating_sub(1);
            self.stats.late += 1;
            return Inserted::Late;
        }
        self.queue.insert(times, content, payload);
        if self.queue.len() > queue::PACKETS {
            self.queue.drop_first();
            self.stats.dropped += 1;
            return Inserted::Full;
        }
        if restarted { Inserted::Restarted } else { Inserted::Kept }
    }

    /// The packet's clock rate and length in nanoseconds; `None` when it is none of its encoding.
    fn measure(&mut self, packet: Packet<'_>) -> Option<(u32, i64)> {
        if !(1..=queue::PAYLOAD).contains(&packet.payload.len()) {
            return None;
        }
        let encoding = match packet.content {
            Content::Noise { clock } => return Some((clock, 0)),
            Content::Sound(encoding) => encoding,
        };
        let coder = self.coder(encoding)?;
        let decoder = &self.coders[coder].decoder;
        let lasts = length(decoder.samples(packet.payload)?, decoder.rate());
        (1..=LONGEST).contains(&lasts).then_some((encoding.properties().clock, lasts))
    }

    /// Which decoder is for an encoding. There is one afterwards, if the encoding's rate can be made the listener's.
    fn coder(&mut self, encoding: Encoding) -> Option<usize> {
        if let Some(found) = self.coders.iter().position(|coder| coder.encoding == encoding) {
            return Some(found);
        }
        let new = Coder::new(encoding, self.rate)?;
        if self.coders.len() < DECODERS {
            self.coders.push(new);
            return Some(self.coders.len() - 1);
        }
        let other = (self.current + 1) % DECODERS;
        self.coders[other] = new;
        Some(other)
    }

    /// Appends exactly `samples` to `pcm`, to be heard from `now` on.
    pub fn pull(&mut self, now: Duration, samples: usize, pcm: &mut Vec<i16>) -> Pulled {
        let now = self.clock.tick(clock::since(now), samples, self.rate);
        self.skip(now);
        self.pace(now, samples);
        let mut pulled = Pulled::default();
        let (mut done, memory) = (0, clock::samples(pace::MEMORY, self.rate));
        while done < samples {
            if self.line.waiting() == 0 {
                self.supply(pace::Moment { now, done, samples });
            }
            let (count, kind) = self.line.take(samples - done, memory, pcm);
            match kind {
                Kind::Sound => pulled.sound += count,
                Kind::Concealed => pulled.concealed += count,
                Kind::Noise => pulled.noise += count,
                Kind::Silence => pulled.silence += count,
            }
            done += count;
        }
        self.rest = self.rest.saturating_sub(samples);
        self.account(pulled);
        pulled
    }

    fn account(&mut self, pulled: Pulled) {
        let stats = &mut self.stats;
        stats.samples += (pulled.sound + pulled.concealed + pulled.noise + pulled.silence) as u64;
        stats.concealed += pulled.concealed as u64;
        stats.noise += pulled.noise as u64;
        stats.silence += pulled.silence as u64;
    }

    /// Gives so many samples per second from now on, 4,000 to 192,000. What was decoded and not yet pulled is left out,
    /// which is less than a packet.
    pub fn set_rate(&mut self, rate: u32) {
        let rate = rate.clamp(*RATES.start(), *RATES.end());
        if self.rate == rate {
            return;
        }
        self.rate = rate;
        self.line = Line::new(clock::samples(LINE, rate));
        self.coders.retain_mut(|coder| coder.set_rate(rate));
        self.current = self.current.min(self.coders.len().saturating_sub(1));
        self.rest = 0;
    }

    /// Another source speaks from now on (a new SSRC): its numbers and times have nothing to do with those before.
    pub fn restart(&mut self) {
        self.source = Source::default();
        self.forget();
    }

    /// Forgets what belongs to a count that has ended. What waits on the line is still heard.
    fn forget(&mut self) {
        self.stats.restarts += 1;
        self.queue.clear();
        self.delay.restart();
        self.state = State::Idle;
        self.next = i64::MIN;
        self.filled = 0;
        (self.doubtful, self.given_up) = (0, false);
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        let micros = |nanoseconds: i64| u32::try_from(nanoseconds / 1000).unwrap_or(0);
        Stats { target_us: micros(self.target()), ..self.stats }
    }
}
