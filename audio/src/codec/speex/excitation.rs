//! What filters are driven by: what was a pitch ago, and an innovation, with their gains. Samples have 8 bits behind
//! the point.

use super::bits::Reader;
use super::mode::{Book, Mode};
use crate::codec::g729::SUBFRAME;
use crate::codec::g729::math::exp2;

/// The least delay; its code has seven bits.
pub(super) const LEAST: usize = 17;
/// Samples that delays reach back.
pub(super) const PAST: usize = LEAST + 127 + 1;

/// The loudest that the pitch may make it.
const LOUDEST: i32 = 32_000 << 8;

/// A gain of the pitch for the whole frame: a step, and the most; 15 bits behind the point.
const WHOLE_STEP: i64 = 2185;
const WHOLE_MOST: i64 = 32_440;

/// A subframe's share of the frame's gain, by its code of one or three bits; 15 bits behind the point.
const SHARES_1: [i64; 2] = [23_091, 34_448];
pub(super) const SHARES_3: [i64; 8] = [2003, 5359, 10_172, 14_032, 18_215, 23_562, 30_759, 43_479];

/// How much of the frame's gain the second innovation has, 15 bits behind the point.
const SECOND: i64 = 14_895;

/// A step of the frame's gain, which is e to 1/3.5, as a power of two with 15 bits behind the point.
const GAIN_STEP: i32 = 13_507;

/// The frame's gain of a code of five bits.
pub(super) fn gain(code: usize) -> i64 {
    exp2(code as i32 * GAIN_STEP, 8)
}

/// A subframe's samples.
pub(super) type Samples = [i32; SUBFRAME];

/// What was sent for the whole frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole {
    delay: usize,
    /// 15 bits behind the point.
    coefficient: i64,
    gain: i64,
}

impl Whole {
    pub(super) fn read(mode: &Mode, bits: &mut Reader<'_>) -> Option<Self> {
        let delay = if mode.whole_delay { LEAST + bits.take(7)? } else { 0 };
        let coefficient =
            if mode.whole_gain { (bits.take(4)? as i64 * WHOLE_STEP).min(WHOLE_MOST) } else { 0 };
        let gain = gain(bits.take(5)?);
        if mode.book.is_none() {
            // Says only whether more frames follow.
            bits.take(4)?;
        }
        Some(Self { delay, coefficient, gain })
    }
}

/// Past excitation, and what makes noise. (Nested, because serde knows no array of more than 32.)
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Excitation {
    past: [[i32; 29]; 5],
    seed: u32,
    vocoder: Vocoder,
}

impl Default for Excitation {
    fn default() -> Self {
        Self { past: [[0; 29]; 5], seed: 1000, vocoder: Vocoder::default() }
    }
}

impl Excitation {
    /// The next subframe of a mode, and its innovation alone.
    pub(super) fn next(
        &mut self,
        mode: &Mode,
        whole: &Whole,
        bits: &mut Reader<'_>,
    ) -> Option<(Samples, Samples)> {
        let past = self.past.as_flattened();
        let mut samples = match mode.gains {
            Some((gains, gain_bits)) => {
                let delay = if mode.whole_delay { whole.delay } else { LEAST + bits.take(7)? };
                repeat(past, delay, gains.get(bits.take(gain_bits)?)?)
            }
            None => echo(past, whole),
        };
        let share = match mode.share {
            0 => 1 << 15,
            1 => SHARES_1[bits.take(1)? & 1],
            _ => SHARES_3[bits.take(3)? & 7],
        };
        let level = (whole.gain * share) >> 15;
        let innovation = match &mode.book {
            Some(book) => {
                let mut innovation = [0; SUBFRAME];
                shapes(book, level, bits, &mut innovation)?;
                if mode.twice {
                    shapes(book, (level * SECOND) >> 15, bits, &mut innovation)?;
                }
                samples.iter_mut().zip(innovation).for_each(|(sample, new)| *sample += new);
                innovation
            }
            None => {
                let noise = std::array::from_fn(|_| noise(&mut self.seed, level));
                samples = self.vocoder.run(whole, &noise);
                noise
            }
        };
        self.remember(&samples);
        Some((samples, innovation))
    }

    /// A subframe of silence: noise as loud as the last.
    pub(super) fn silence(&mut self) -> Samples {
        let level = level(self.past.as_flattened().split_at(PAST - SUBFRAME).1);
        let samples = std::array::from_fn(|_| noise(&mut self.seed, level));
        self.remember(&samples);
        samples
    }

    fn remember(&mut self, samples: &Samples) {
        let past = self.past.as_flattened_mut();
        past.copy_within(SUBFRAME.., 0);
        past[PAST - SUBFRAME..].copy_from_slice(samples);
    }
}

/// Root of the mean power.
pub(super) fn level(samples: &[i32]) -> i64 {
    let power: i64 = samples.iter().map(|&sample| i64::from(sample).pow(2)).sum();
    (power / samples.len().max(1) as i64).isqrt()
}

/// What was a delay ago and beside it. What is not known yet is what was a delay before that, and then nothing.
fn repeat(past: &[i32], delay: usize, gains: &[i8; 3]) -> Samples {
    let at = |n: usize, tap: usize| {
        let place = past.len() + n + tap;
        // The first tap is one sample further back.
        let mut back = place.checked_sub(delay + 1);
        if back.is_some_and(|back| back >= past.len()) {
            back = place.checked_sub(2 * delay + 1);
        }
        i64::from(back.and_then(|back| past.get(back)).copied().unwrap_or(0))
    };
    std::array::from_fn(|n| {
        let sum: i64 = gains.iter().enumerate().map(|(tap, &gain)| (i64::from(gain) + 32) * at(n, tap)).sum();
        (sum >> 6).clamp(i64::from(-LOUDEST), i64::from(LOUDEST)) as i32
    })
}

/// What was a delay ago, its own echoes included, by the frame's gain.
fn echo(past: &[i32], whole: &Whole) -> Samples {
    let mut samples = [0; SUBFRAME];
    for n in 0..SUBFRAME {
        let before = match n.checked_sub(whole.delay) {
            Some(n) => samples[n],
            None => past[past.len() + n - whole.delay],
        };
        let sample = (i64::from(before) * whole.coefficient) >> 15;
        samples[n] = sample.clamp(i64::from(-LOUDEST), i64::from(LOUDEST)) as i32;
    }
    samples
}

/// Adds the shapes of a subframe at a level.
pub(super) fn shapes(book: &Book, level: i64, bits: &mut Reader<'_>, samples: &mut [i32]) -> Option<()> {
    for piece in samples.chunks_mut(book.piece) {
        let turned = book.signed && bits.take(1)? == 1;
        let level = if turned { -level } else { level };
        let shape = book.shape(bits.take(book.bits)?);
        piece
            .iter_mut()
            .zip(shape)
            .for_each(|(sample, &part)| *sample += ((level * i64::from(part)) >> 5) as i32);
    }
    Some(())
}

/// A sample of noise between half a level below and above nothing.
fn noise(seed: &mut u32, level: i64) -> i32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    ((level * (i64::from(*seed >> 9 & 0x7f_ffff) - (1 << 22))) >> 23) as i32
}

/// The mode without a codebook: pulses at the pitch, and noise.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Vocoder {
    /// Samples until the next pulse.
    next: usize,
    pulse: i64,
    noise: i64,
    mean: i64,
}

impl Vocoder {
    fn run(&mut self, whole: &Whole, noise: &Samples) -> Samples {
        // How much of it is voice: nothing up to a gain of 0.2, all from 0.87.
        let voiced = ((whole.coefficient - 6554) * 3 / 2).clamp(0, 1 << 15);
        let height = (((2 * whole.delay as i64) << 16).isqrt() * voiced * whole.gain) >> 23;
        std::array::from_fn(|n| {
            let pulse = if self.next == 0 { height } else { 0 };
            self.next = if self.next == 0 { whole.delay.max(LEAST) - 1 } else { self.next - 1 };
            let new = i64::from(noise[n]);
            let share = |of: i64, share: i64| (of * share) >> 15;
            let mixed =
                share(pulse, 22_938) + share(self.pulse, 9830) + share(new, 32_768 - share(voiced, 27_853))
                    - share(share(self.noise, 4915), voiced);
            (self.pulse, self.noise) = (pulse, new);
            self.mean = share(self.mean, 26_214) + share(mixed, 6554);
            (mixed - self.mean).clamp(i64::from(-LOUDEST), i64::from(LOUDEST)) as i32
        })
    }
}
