//! Speech to payloads: mode 5, narrowband at 15 kbit/s.

use super::bits::Writer;
use super::decoder::APART;
use super::excitation::{LEAST, PAST};
use super::spectrum::{self, Low, STAGE_BITS};
use super::synthesis::{HighPass, whole};
use super::{SAMPLES, best, excitation, innovation, pitch};
use crate::codec::g729::SUBFRAME;
use crate::codec::g729::predictor::{self, LOOKED_AT};
use crate::codec::g729::pulses;
use crate::codec::g729::spectrum::{COSINES_AT_START, Filter, Ten, damped};
use crate::resample::Resampler;

/// The mode that is sent, in four bits.
const MODE: usize = 5;
/// How far the poles of the weighting filter are drawn in: 0.75.
const WEIGHTED: i32 = 24_576;
/// Where the frame begins among the samples that are looked at; 40 are behind it.
const FRAME: usize = 40;

/// The sending direction. It hears five milliseconds ahead of what it sends.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    /// From 16 kHz, if that is what is handed in.
    down: Option<Resampler>,
    /// What comes of that.
    narrow: Vec<i16>,
    highpass: HighPass,
    /// The samples that are looked at.
    speech: [[i16; 30]; 8],
    /// Past excitation. (Nested, because serde knows no array of more than 32.)
    excitation: [[i16; 29]; 5],
    /// What was not met of the weighted target: the last ten samples, newest first.
    error: Ten,
    /// Frequencies of the frame before, as the receiver has them.
    frequencies: Option<Low>,
    /// The cosines of the last predictor that was stable, in case one is not.
    stable: Ten,
}

impl Encoder {
    /// An encoder for streams of a clock rate. It takes samples at 16 kHz if the stream can hold as much and no fewer
    /// are wanted, else at 8 kHz; 0 wants the most.
    pub fn new(clock: u32, wanted: u32) -> Self {
        let wide = best(clock) > 8000 && !(1..16_000).contains(&wanted);
        Self {
            down: if wide { Resampler::new(16_000, 8000) } else { None },
            narrow: Vec::new(),
            highpass: HighPass::new(false),
            speech: [[0; 30]; 8],
            excitation: [[0; 29]; 5],
            error: [0; 10],
            frequencies: None,
            stable: COSINES_AT_START,
        }
    }

    /// Samples per second of what it takes.
    pub fn rate(&self) -> u32 {
        if self.down.is_some() { 16_000 } else { 8000 }
    }

    /// Appends the payload for whole pieces of 20 ms.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        let Some(down) = &mut self.down else { return self.code(pcm, payload) };
        let (frames, _) = pcm.as_chunks::<{ 2 * SAMPLES }>();
        let mut narrow = std::mem::take(&mut self.narrow);
        narrow.clear();
        down.process(frames.as_flattened(), &mut narrow);
        self.code(&narrow, payload);
        self.narrow = narrow;
    }

    fn code(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        let mut bits = Writer::new(payload);
        for frame in pcm.as_chunks::<SAMPLES>().0 {
            self.frame(frame, &mut bits);
        }
        bits.end();
    }

    /// Takes in the next samples and finds the frequencies of the frame.
    fn hear(&mut self, pcm: &[i16; SAMPLES]) -> Ten {
        let speech = self.speech.as_flattened_mut();
        speech.copy_within(SAMPLES.., 0);
        for (place, &sample) in speech[LOOKED_AT - SAMPLES..].iter_mut().zip(pcm) {
            *place = whole(self.highpass.run(i32::from(sample) << 8));
        }
        let found = predictor::levinson(&predictor::autocorrelation(speech));
        self.stable = found.and_then(|filter| predictor::cosines(&filter)).unwrap_or(self.stable);
        predictor::frequencies(&self.stable)
    }

    fn frame(&mut self, pcm: &[i16; SAMPLES], bits: &mut Writer<'_>) {
        let heard = self.hear(pcm);
        let (code, now) = spectrum::quantise(&heard);
        let before = self.frequencies.replace(now).unwrap_or(now);
        let filters = [0, 1, 2, 3].map(|at| filter(&spectrum::between(&before, &now, at, APART)));
        let residuals: [_; 4] = std::array::from_fn(|at| self.residual(at, &filters[at]));
        let frame_gain = innovation::nearest(level(&residuals));

        bits.put(MODE, 5);
        code.into_iter().for_each(|row| bits.put(row, STAGE_BITS));
        bits.put(frame_gain, 5);
        let mut driven = [0; PAST + SAMPLES];
        driven[..PAST].copy_from_slice(self.excitation.as_flattened());
        for (at, (filter, residual)) in filters.iter().zip(&residuals).enumerate() {
            let (past, now) = driven.split_at_mut(PAST + at * SUBFRAME);
            let poles = damped(filter, WEIGHTED);
            let target = self.target(residual, &poles);
            let response = pulses::response(&poles);
            let pitch = pitch::search(past, &target, &pulses::backward(&target, &response), &response);
            let rest = std::array::from_fn(|n| target[n] - pitch.weighted[n]);
            let fixed = innovation::search(&rest, &response, excitation::gain(frame_gain));
            for (n, place) in now[..SUBFRAME].iter_mut().enumerate() {
                *place = saturate(((pitch.given[n] << 2) + fixed.given[n] + (1 << 7)) >> 8);
            }
            self.error = std::array::from_fn(|age| saturate(fixed.left[SUBFRAME - 1 - age]));
            bits.put(pitch.delay - LEAST, 7);
            bits.put(pitch.row, 7);
            bits.put(fixed.share, 3);
            fixed.shapes.into_iter().for_each(|shape| bits.put(shape, innovation::BITS));
        }
        self.excitation.as_flattened_mut().copy_from_slice(&driven[SAMPLES..]);
    }

    /// What is left of the speech of a subframe behind the inverse of its filter.
    fn residual(&self, at: usize, filter: &Filter) -> [i16; SUBFRAME] {
        let (speech, start) = (self.speech.as_flattened(), FRAME + at * SUBFRAME);
        std::array::from_fn(|n| {
            let place = start + n;
            let sum: i64 = (0..11).map(|i| i64::from(filter[i]) * i64::from(speech[place - i])).sum();
            saturate(((sum + (1 << 11)) >> 12).clamp(-32_768, 32_767) as i32)
        })
    }

    /// What the excitation must become behind the weighting filter, errors so far included.
    fn target(&self, residual: &[i16; SUBFRAME], poles: &Filter) -> [i32; SUBFRAME] {
        let mut past = self.error;
        residual.map(|sample| {
            let sum: i64 = past.iter().zip(&poles[1..]).map(|(&x, &a)| i64::from(x) * i64::from(a)).sum();
            let new = saturate((i64::from(sample) - ((sum + (1 << 11)) >> 12)).clamp(-32_768, 32_767) as i32);
            past.rotate_right(1);
            past[0] = new;
            i32::from(new)
        })
    }
}

/// The synthesis filter of line spectral frequencies, 12 bits behind the point.
fn filter(frequencies: &Low) -> Filter {
    let poles = spectrum::poles(frequencies);
    let round = |pole: i64| ((pole + (1 << 7)) >> 8).clamp(-32_768, 32_767) as i16;
    std::array::from_fn(|i| if i == 0 { 4096 } else { round(poles[i - 1]) })
}

/// The level of a frame's residual; where a subframe is much louder than the others, of that.
fn level(residuals: &[[i16; SUBFRAME]; 4]) -> i64 {
    let energies =
        residuals.map(|residual| residual.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>());
    let all = energies.iter().sum::<i64>() / SAMPLES as i64;
    let loudest = energies.iter().max().copied().unwrap_or(0) / SUBFRAME as i64;
    all.isqrt().max(loudest.isqrt() * 3 / 4)
}

fn saturate(value: i32) -> i16 {
    value.clamp(-32_768, 32_767) as i16
}
