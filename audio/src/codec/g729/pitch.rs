//! The adaptive codebook: delays in thirds of a sample, their codes, and the past excitation at such a delay.

use super::tables::INTERPOLATION;
use super::{PAST, SUBFRAME};

/// A delay of whole samples, 19 to 143, and thirds, -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) whole: usize,
    pub(super) thirds: i32,
}

/// The least and the most whole delay.
pub(super) const LEAST: usize = 20;
pub(super) const MOST: usize = 143;

impl Delay {
    /// The delay of the first subframe (clause 4.1.3): in thirds up to 84 and two thirds, whole ones above.
    pub(super) fn first(code: u8) -> Self {
        let code = i32::from(code);
        if code >= 197 {
            return Self { whole: (code - 112) as usize, thirds: 0 };
        }
        let whole = (code + 2) / 3 + 19;
        Self { whole: whole as usize, thirds: code - 3 * whole + 58 }
    }

    /// The code of a delay of the first subframe.
    pub(super) fn first_code(self) -> u8 {
        let whole = self.whole as i32;
        // Cannot be cut off: at most 255, for 143.
        (if self.whole <= 85 { whole * 3 - 58 + self.thirds } else { whole + 112 }) as u8
    }

    /// The delay of the second subframe, near that of the first.
    pub(super) fn second(code: u8, first: usize) -> Self {
        let code = i32::from(code & 31);
        let step = (code + 2) / 3 - 1;
        Self { whole: (floor(first) as i32 + step) as usize, thirds: code - 2 - 3 * step }
    }

    /// The code of a delay of the second subframe.
    pub(super) fn second_code(self, first: usize) -> u8 {
        ((self.whole as i32 - floor(first) as i32) * 3 + 2 + self.thirds) as u8 & 31
    }
}

/// The least whole delay of the second subframe; ten are possible.
pub(super) fn floor(first: usize) -> usize {
    first.saturating_sub(5).clamp(LEAST, MOST - 9)
}

/// The excitation of so long ago, written behind the past: `excitation[PAST..PAST + SUBFRAME]` from what is before it.
/// Delays shorter than the subframe repeat what is written.
pub(super) fn repeat(excitation: &mut [i16], at: usize, delay: Delay) {
    debug_assert!(at >= PAST);
    let (back, phase) = match delay.thirds {
        0 => (delay.whole, 0),
        1 => (delay.whole + 1, 2),
        _ => (delay.whole, 1),
    };
    for n in at..at + SUBFRAME {
        let centre = n - back;
        let sum: i32 = (0..10)
            .map(|i| {
                i32::from(excitation[centre - i]) * i32::from(INTERPOLATION[phase + 3 * i])
                    + i32::from(excitation[centre + 1 + i]) * i32::from(INTERPOLATION[3 - phase + 3 * i])
            })
            .sum();
        excitation[n] = ((sum + (1 << 14)) >> 15).clamp(-32_768, 32_767) as i16;
    }
}
