//! The gains of the pitch and of the pulses, and the prediction of the latter (clause 3.9).

use super::math::{exp2, log2};
use super::pulses::Samples;
use super::tables::{GAIN_FIRST, GAIN_FIRST_AT, GAIN_PREDICTOR, GAIN_SECOND, GAIN_SECOND_AT};

/// A decibel as a power of two: log2(10) / 20, 15 bits behind the point.
const DECIBEL: i32 = 5443;

/// Decibels, ten bits behind the point: the mean energy of pulses, and the least that is remembered.
const MEAN: i32 = 30 << 10;
const LEAST: i16 = -14 << 10;

/// Both gains: of the pitch with 14 bits, of the pulses with one bit behind the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gains {
    pub(super) pitch: i16,
    pub(super) pulses: i16,
}

/// By how much the energy of the last four subframes differed from what was expected: decibels, ten bits.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Memory([i16; 4]);

impl Default for Memory {
    fn default() -> Self {
        Self([LEAST; 4])
    }
}

impl Memory {
    /// The gain that is expected for pulses, ten bits behind the point.
    pub(super) fn expected(&self, pulses: &Samples) -> i64 {
        let energy: u64 = pulses.iter().map(|&pulse| u64::from(pulse.unsigned_abs()).pow(2)).sum();
        let past: i32 =
            self.0.iter().zip(GAIN_PREDICTOR).map(|(&past, p)| i32::from(past) * i32::from(p)).sum();
        let decibels = (past >> 13) + MEAN;
        // 26 bits behind the point, a mean over 40.
        let level = log2(energy) - 26 * 32_768 - log2(40);
        exp2(((decibels * DECIBEL) >> 10) - level / 2, 10)
    }

    /// The gains of codes.
    pub(super) fn decode(&mut self, codes: [u8; 2], pulses: &Samples) -> Gains {
        let (pitch, correction) = pair(codes);
        let gains = Gains { pitch, pulses: corrected(self.expected(pulses), correction) };
        // 20 log10(2), ten bits behind the point. The correction has 12.
        let decibels = ((log2(u64::from(correction.unsigned_abs())) - 12 * 32_768) * 6165) >> 15;
        self.remember(decibels as i16);
        gains
    }

    /// A lost subframe: the energy sinks by 4 dB.
    pub(super) fn lose(&mut self) {
        let mean = self.0.iter().map(|&past| i32::from(past)).sum::<i32>() >> 2;
        self.remember((mean - (4 << 10)).max(i32::from(LEAST)) as i16);
    }

    fn remember(&mut self, decibels: i16) {
        self.0.rotate_right(1);
        self.0[0] = decibels;
    }
}

/// The gain of the pitch, and the correction of that of the pulses with 12 bits behind the point.
fn pair(codes: [u8; 2]) -> (i16, i16) {
    let first = GAIN_FIRST[usize::from(GAIN_FIRST_AT[usize::from(codes[0] & 7)])];
    let second = GAIN_SECOND[usize::from(GAIN_SECOND_AT[usize::from(codes[1] & 15)])];
    (first[0] + second[0], ((i32::from(first[1]) + i32::from(second[1])) >> 1) as i16)
}

fn corrected(expected: i64, correction: i16) -> i16 {
    ((expected * i64::from(correction)) >> 21).min(32_767) as i16
}

/// What a choice of gains is judged by: energies and likenesses of the target, the filtered pitch and the filtered
/// pulses (13 bits behind the point).
pub(super) struct Likeness {
    pub(super) pitch: i128,
    pub(super) pulses: i128,
    pub(super) target_pitch: i128,
    pub(super) target_pulses: i128,
    pub(super) both: i128,
}

/// The codes whose gains leave least of the target; the gain of the pitch stays below `most`.
pub(super) fn search(expected: i64, likeness: &Likeness, most: i16) -> [u8; 2] {
    let codes = (0..8).flat_map(|first| (0..16).map(move |second| [first, second]));
    let left = |codes: &[u8; 2]| {
        let (pitch, correction) = pair(*codes);
        let pulses = i128::from(corrected(expected, correction));
        let pitch = i128::from(pitch);
        // 30 bits behind the point.
        ((pitch * pitch * likeness.pitch) << 2)
            + ((pulses * pulses * likeness.pulses) << 2)
            + ((pitch * pulses * likeness.both) << 3)
            - ((pitch * likeness.target_pitch) << 17)
            - ((pulses * likeness.target_pulses) << 17)
    };
    codes.filter(|codes| pair(*codes).0 <= most).min_by_key(left).unwrap_or_default()
}
