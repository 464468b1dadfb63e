//! The short-term filter: log area ratios, their interpolation between frames, and the lattice in both directions.

use super::SAMPLES;
use crate::codec::fixed::mul_round;

/// Scale, offset and range of each log area ratio's code, and the inverse of the scale (table 4.1).
pub(super) const SCALE: [i16; 8] = [20480, 20480, 20480, 20480, 13964, 15360, 8534, 9036];
pub(super) const OFFSET: [i16; 8] = [0, 0, 2048, -2560, 94, -1792, -341, -1144];
pub(super) const LEAST: [i16; 8] = [-32, -32, -16, -16, -8, -8, -4, -4];
pub(super) const MOST: [i16; 8] = [31, 31, 15, 15, 7, 7, 3, 3];
const INVERSE: [i16; 8] = [13107, 13107, 13107, 13107, 19223, 17476, 31454, 29708];

/// The state of either direction: the ratios of the frame before and the eight delays of the lattice.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Lattice {
    before: [i16; 8],
    delays: [i16; 8],
}

impl Lattice {
    /// Turns speech into what the short-term filter cannot predict, in place (5.2.10).
    pub(super) fn analyse(&mut self, codes: &[u8; 8], samples: &mut [i16; SAMPLES]) {
        self.each_segment(codes, samples, |delays, reflection, sample| {
            let (mut forward, mut backward) = (*sample, *sample);
            for (delay, &r) in delays.iter_mut().zip(reflection) {
                let next = delay.saturating_add(mul_round(r, forward));
                forward = forward.saturating_add(mul_round(r, *delay));
                *delay = backward;
                backward = next;
            }
            *sample = forward;
        });
    }

    /// Turns excitation into speech, in place (5.3.4).
    pub(super) fn synthesise(&mut self, codes: &[u8; 8], samples: &mut [i16; SAMPLES]) {
        self.each_segment(codes, samples, |delays, reflection, sample| {
            let mut speech = *sample;
            for stage in (0..8).rev() {
                speech = speech.saturating_sub(mul_round(reflection[stage], delays[stage]));
                if stage < 7 {
                    delays[stage + 1] = delays[stage].saturating_add(mul_round(reflection[stage], speech));
                }
            }
            delays[0] = speech;
            *sample = speech;
        });
    }

    /// Runs `filter` over the samples with the reflection coefficients that are right for each: over the first 40
    /// samples of a frame they change in three steps from those of the frame before (5.2.9.1).
    fn each_segment(
        &mut self,
        codes: &[u8; 8],
        samples: &mut [i16; SAMPLES],
        filter: impl Fn(&mut [i16; 8], &[i16; 8], &mut i16),
    ) {
        let now = ratios(codes);
        let then = std::mem::replace(&mut self.before, now);
        let mix = |blend: fn(i16, i16) -> i16| std::array::from_fn(|i| reflection(blend(then[i], now[i])));
        let segments: [([i16; 8], std::ops::Range<usize>); 4] = [
            (mix(three_to_one), 0..13),
            (mix(|then, now| (then >> 1).saturating_add(now >> 1)), 13..27),
            (mix(|then, now| three_to_one(now, then)), 27..40),
            (mix(|_, now| now), 40..SAMPLES),
        ];
        for (coefficients, range) in segments {
            for sample in &mut samples[range] {
                filter(&mut self.delays, &coefficients, sample);
            }
        }
    }
}

/// Three quarters of one and a quarter of the other, rounded as the standard does.
fn three_to_one(more: i16, less: i16) -> i16 {
    (more >> 2).saturating_add(less >> 2).saturating_add(more >> 1)
}

/// The log area ratios that codes stand for (5.2.8).
fn ratios(codes: &[u8; 8]) -> [i16; 8] {
    std::array::from_fn(|i| {
        let level = (i16::from(codes[i]) + LEAST[i]) << 10;
        let ratio = mul_round(INVERSE[i], level.saturating_sub(OFFSET[i] << 1));
        ratio.saturating_add(ratio)
    })
}

/// The reflection coefficient of a log area ratio: the curve in three straight pieces (5.2.9.2).
fn reflection(ratio: i16) -> i16 {
    let size = ratio.saturating_abs();
    let bent = match size {
        ..11_059 => size << 1,
        11_059..20_070 => size + 11_059,
        _ => (size >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -bent } else { bent }
}
