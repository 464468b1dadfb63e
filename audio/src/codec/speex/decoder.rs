//! Payloads to speech.

use super::bits::Reader;
use super::excitation::{Excitation, Whole, level, shapes};
use super::mode::{Frame, Mode, WideMode, frames};
use super::spectrum::{High, Low, Poles, at_top, between, poles, read, read_high};
use super::synthesis::{HighPass, Join, Synthesis, whole};
use super::tables::WIDE_GAINS;
use super::{SAMPLES, best};
use crate::codec::Malformed;
use crate::codec::g729::SUBFRAME;
use crate::codec::g729::math::exp2;

/// How near line spectral frequencies may come to each other, 13 bits behind the point: 0.002 and 0.05 radians.
pub(super) const APART: i32 = 16;
const WIDE_APART: i32 = 410;

/// How far the poles are drawn in for the noise in place of silence: 0.93, 15 bits behind the point.
const SILENT: i64 = 30_474;

/// The share of the lower band's innovation that is folded up, and of the second innovation, 15 bits behind the point.
const FOLDED: i64 = 29_491;
const SECOND: i64 = 13_107;

/// A hundredth, 20 bits behind the point.
const HUNDREDTH: i64 = 10_486;

/// A step of the gain of what is folded up, e to 1/8, as a power of two with 15 bits behind the point, in tenths.
const FOLD_STEP: i32 = 59_096;

/// The receiving direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    low: LowBand,
    highpass: HighPass,
    /// What is above 4 kHz, if that is wanted.
    high: Option<Box<(HighBand, Join)>>,
}

impl Decoder {
    /// A decoder for streams of a clock rate. It gives samples at 16 kHz if the stream can hold as much and as many are
    /// wanted, else at 8 kHz.
    pub fn new(clock: u32, wanted: u32) -> Self {
        let wide = best(clock) > 8000;
        let high = (wide && wanted >= 16_000).then(Box::default);
        Self { low: LowBand::default(), highpass: HighPass::new(wide), high }
    }

    /// Samples per second of what it gives.
    pub fn rate(&self) -> u32 {
        if self.high.is_some() { 16_000 } else { 8000 }
    }

    /// How many samples a payload stands for; `None` when it is malformed.
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        let frame = if self.high.is_some() { 2 * SAMPLES } else { SAMPLES };
        frames(payload, |_| {}).map(|count| count * frame)
    }

    /// Appends the samples of a payload.
    ///
    /// # Errors
    /// When the payload is malformed; nothing is appended.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Malformed> {
        let samples = self.samples(payload).ok_or(Malformed)?;
        pcm.reserve(samples);
        let end = pcm.len() + samples;
        frames(payload, |frame| {
            // All is there: its length was looked at.
            let _ = self.frame(frame, pcm);
        });
        debug_assert_eq!(pcm.len(), end);
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>, pcm: &mut Vec<i16>) -> Option<()> {
        let (mode, mut bits) = frame.low;
        let low = self.low.frame(mode, &mut bits)?;
        let clean = low.samples.map(|sample| self.highpass.run(sample));
        let Some(high) = &mut self.high else {
            pcm.extend(clean.map(whole));
            return Some(());
        };
        let (mode, mut bits) = frame.high;
        let (band, join) = &mut **high;
        let above = band.frame(mode, &mut bits, &low)?;
        for (low, high) in clean.into_iter().zip(above) {
            pcm.extend(join.run(low, high).map(whole));
        }
        Some(())
    }
}

/// A frame of the lower band, and what the upper follows from: the innovation, and of each subframe the root of the
/// excitation's power and the filter's value at the border of both.
struct LowFrame {
    samples: [i32; SAMPLES],
    innovation: [i32; SAMPLES],
    levels: [i64; 4],
    borders: [i64; 4],
}

/// What is below 4 kHz.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct LowBand {
    excitation: Excitation,
    /// Of the last frame that had any.
    frequencies: Option<Low>,
    poles: Poles<10>,
    synthesis: Synthesis,
}

impl LowBand {
    fn frame(&mut self, mode: Option<&Mode>, bits: &mut Reader<'_>) -> Option<LowFrame> {
        let mut frame = LowFrame {
            samples: [0; SAMPLES],
            innovation: [0; SAMPLES],
            levels: [0; 4],
            borders: [at_top(&self.poles); 4],
        };
        let subframes = frame.samples.chunks_mut(SUBFRAME);
        let Some(mode) = mode else {
            let mut share = 1 << 15;
            let poles = self.poles.map(|pole| {
                share = (share * SILENT) >> 15;
                (pole * share) >> 15
            });
            for samples in subframes {
                samples.copy_from_slice(&self.excitation.silence());
                self.synthesis.run(&poles, samples);
            }
            return Some(frame);
        };
        let now = read(bits, mode.refined)?;
        let before = self.frequencies.replace(now).unwrap_or(now);
        let whole = Whole::read(mode, bits)?;
        for (at, samples) in subframes.enumerate() {
            let (excitation, innovation) = self.excitation.next(mode, &whole, bits)?;
            frame.innovation[at * SUBFRAME..(at + 1) * SUBFRAME].copy_from_slice(&innovation);
            frame.levels[at] = level(&excitation);
            self.poles = poles(&between(&before, &now, at as i32, APART));
            frame.borders[at] = at_top(&self.poles);
            samples.copy_from_slice(&excitation);
            self.synthesis.run(&self.poles, samples);
        }
        Some(frame)
    }
}

/// What is above 4 kHz, upside down.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct HighBand {
    frequencies: Option<High>,
    poles: Poles<8>,
    synthesis: Synthesis,
}

impl HighBand {
    fn frame(
        &mut self,
        mode: Option<&WideMode>,
        bits: &mut Reader<'_>,
        low: &LowFrame,
    ) -> Option<[i32; SAMPLES]> {
        let mut frame = [0; SAMPLES];
        let Some(mode) = mode else {
            self.frequencies = None;
            self.synthesis.run(&self.poles, &mut frame);
            return Some(frame);
        };
        let now = read_high(bits)?;
        let before = self.frequencies.replace(now).unwrap_or(now);
        for (at, samples) in frame.chunks_mut(SUBFRAME).enumerate() {
            self.poles = poles(&between(&before, &now, at as i32, WIDE_APART));
            // How much louder the upper filter is than the lower where they meet, 15 bits behind the point.
            let ratio = ((at_top(&self.poles) + HUNDREDTH) << 15) / (low.borders[at] + HUNDREDTH).max(1);
            match &mode.book {
                None => {
                    let power = (bits.take(5)? as i32 - 10) * FOLD_STEP / 10;
                    let share = (((exp2(power, 15) * ratio) >> 15) * FOLDED) >> 15;
                    let folded = low.innovation[at * SUBFRAME..].iter().enumerate();
                    for (sample, (n, &innovation)) in samples.iter_mut().zip(folded) {
                        let new = (i64::from(innovation) * share) >> 15;
                        *sample = clamp(if n % 2 == 0 { new } else { -new });
                    }
                }
                Some(book) => {
                    let gain = WIDE_GAINS[bits.take(4)? & 15];
                    let level = i64::from(clamp((((gain * low.levels[at]) >> 15) * ratio) >> 15));
                    shapes(book, level, bits, samples)?;
                    if mode.twice {
                        shapes(book, (level * SECOND) >> 15, bits, samples)?;
                    }
                }
            }
            self.synthesis.run(&self.poles, samples);
        }
        Some(frame)
    }
}

/// What nonsense is cut off at.
fn clamp(level: i64) -> i32 {
    level.clamp(-(1 << 26), 1 << 26) as i32
}
