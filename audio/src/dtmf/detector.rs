//! Digits heard in sound.
//!
//! Every 5 ms the last 20 ms are compared with the eight tones. They hold a digit when one tone of each group is there,
//! both are loud enough and not too different (twist), together they make up nearly all of the sound, and each turns at
//! its own frequency: a voice, which has harmonics and glides, fails at the last two. A digit is pressed when enough
//! looks in a row agree and released when enough in a row do not, so that a gap of one lost packet is bridged.

use super::Digit;
use super::spectrum::{HOP_MS, Spectrum, Vector, hertz, sizes};

/// Looks in a row that make a digit: 40 ms give at least 5 and 23 ms at most 3 (Q.24 annex A).
const LOOKS: u8 = 5;
/// Looks without the digit that end it: a gap of 20 ms makes at most 7, a pause of 40 ms at least 9.
const MISSES: u8 = 8;
/// Energy of the weaker tone: -39 dBm0, 256² · 400.
const LEAST: i64 = 256 * 256 * 400;
/// How much stronger the low tone may be: 10 dB (Q.24 annex A: 4 to 10 dB, by country), as a ratio of energies in
/// tenths.
const FORWARD_TWIST: i64 = 100;
/// How much stronger the high tone may be: 8 dB.
const REVERSE_TWIST: i64 = 63;
/// Share of the energy that the two tones must have, per mille.
const PURITY: i64 = 900;
/// Deviation that is still the tone, per mille: 15 must be accepted, 35 refused (Q.23, Q.24).
const DEVIATION: i32 = 25;

/// A digit begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// A key went down.
    Press {
        /// Which.
        digit: Digit,
        /// Sample since the start of the stream at which the tones began, to about 3 ms.
        at: u64,
    },
    /// The key last pressed went up.
    Release {
        /// Which.
        digit: Digit,
        /// Samples that the tones lasted, gaps included, to about 8 ms.
        duration: u64,
    },
}

/// Listens to one stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Detector {
    rate: u32,
    /// What was not yet looked at for the last time.
    buffer: Vec<i16>,
    /// Samples of the stream before the buffer.
    passed: u64,
    before: [Vector; 8],
    candidate: Option<Run>,
    pressed: Option<Run>,
    misses: u8,
}

/// Looks that agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Run {
    digit: Digit,
    looks: u8,
    /// Where the first and the last window began.
    first: u64,
    last: u64,
}

impl Detector {
    /// For a stream of 8000 or 16,000 samples per second; `None` for any other rate: resample to one of these.
    pub fn new(rate: u32) -> Option<Self> {
        let (window, _) = sizes(rate)?;
        let buffer = Vec::with_capacity(2 * window);
        let before = [Vector::default(); 8];
        Some(Self { rate, buffer, passed: 0, before, candidate: None, pressed: None, misses: 0 })
    }

    /// Samples per second of what it takes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The key that is down.
    pub fn pressed(&self) -> Option<Digit> {
        self.pressed.map(|run| run.digit)
    }

    /// Takes the next samples, any number of them, and appends what they tell. Nothing is allocated for it.
    pub fn feed(&mut self, mut pcm: &[i16], events: &mut Vec<Event>) {
        let Some((window, hop)) = sizes(self.rate) else { return };
        while !pcm.is_empty() {
            let (now, later) = pcm.split_at(pcm.len().min(window.saturating_sub(self.buffer.len())));
            self.buffer.extend_from_slice(now);
            pcm = later;
            if self.buffer.len() >= window {
                self.look(events);
                self.buffer.drain(..hop);
                self.passed += hop as u64;
            }
        }
    }

    /// Forgets what it heard: the stream begins anew. A key that was down is up, without an event.
    pub fn reset(&mut self) {
        self.buffer.clear();
        (self.passed, self.before, self.misses) = (0, [Vector::default(); 8], 0);
        (self.candidate, self.pressed) = (None, None);
    }

    fn look(&mut self, events: &mut Vec<Event>) {
        let spectrum = Spectrum::of(&self.buffer, LEAST / 400);
        let heard = judge(&spectrum, &self.before);
        self.before = spectrum.tones;
        let at = self.passed;
        if let (Some(run), true) = (&mut self.pressed, heard.is_some())
            && heard == Some(run.digit)
        {
            run.last = at;
            (self.misses, self.candidate) = (0, None);
            return;
        }
        self.candidate = heard.map(|digit| match self.candidate {
            Some(run) if run.digit == digit => Run { looks: run.looks.saturating_add(1), last: at, ..run },
            _ => Run { digit, looks: 1, first: at, last: at },
        });
        let confirmed = self.candidate.filter(|run| run.looks >= LOOKS);
        self.misses = self.misses.saturating_add(1);
        if confirmed.is_some() || self.misses >= MISSES {
            self.release(events);
        }
        if let Some(run) = confirmed {
            (self.pressed, self.candidate, self.misses) = (Some(run), None, 0);
            events.push(Event::Press { digit: run.digit, at: run.first + self.edge() });
        }
    }

    fn release(&mut self, events: &mut Vec<Event>) {
        if let Some(run) = self.pressed.take() {
            let window = sizes(self.rate).map_or(0, |(window, _)| window as u64);
            let duration = (run.last + window).saturating_sub(run.first + 2 * self.edge());
            events.push(Event::Release { digit: run.digit, duration });
        }
    }

    /// Samples of a window that may lie outside the tones, on average, in the first that holds them.
    fn edge(&self) -> u64 {
        u64::from(self.rate) * 2 / 1000
    }
}

/// The digit in a window, given the tones of the window one hop ago.
fn judge(now: &Spectrum, before: &[Vector; 8]) -> Option<Digit> {
    // Two tones of the least energy have this power.
    if now.power < LEAST / 400 {
        return None;
    }
    let (row, column) = (strongest(&now.tones[..4]), strongest(&now.tones[4..]));
    let low = tone(now, before, row)?;
    let high = tone(now, before, column + 4)?;
    let twisted = low * 10 > high * FORWARD_TWIST || high * 10 > low * REVERSE_TWIST;
    // A tone of amplitude A has the power A²/2.
    let pure = (low + high) * 1000 >= now.power * 800 * PURITY;
    (low.min(high) >= LEAST && !twisted && pure).then(|| Digit::at(row, column))
}

fn strongest(tones: &[Vector]) -> usize {
    let best = tones.iter().enumerate().max_by_key(|(_, tone)| tone.energy());
    best.map_or(0, |(index, _)| index)
}

/// Energy of a tone if it turns at its frequency, made good for what the window loses of a tone beside its middle.
fn tone(now: &Spectrum, before: &[Vector; 8], index: usize) -> Option<i64> {
    let off = i64::from(now.tones[index].deviation(before[index], index));
    // Both in 1/65536 turns per hop.
    let most = i64::from(hertz(index) * HOP_MS) * 65_536 * i64::from(DEVIATION) / 1_000_000;
    if off.abs() > most {
        return None;
    }
    // With x the deviation times 20 ms, the window passes 1 / (1 + 1.29 x² + 0.92 x⁴) of the energy. 14 fractional
    // bits.
    let square = (off * off) >> 14;
    let fourth = (square * square) >> 14;
    let gain = (1 << 14) + ((square * 21_135 + fourth * 15_073) >> 14);
    Some((now.tones[index].energy() * gain) >> 14)
}

#[cfg(test)]
mod tests;
