//! What turns excitation into sound.

use super::spectrum::Poles;
use super::tables::JOIN;

/// The loudest sample, 8 bits behind the point as all have: what is louder comes of nonsense.
const LOUDEST: i64 = 1 << 25;

/// A filter of poles that change from subframe to subframe. It keeps what they make of the past, not the past: so do
/// other receivers, for whom senders compute.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Synthesis([i64; 10]);

impl Synthesis {
    /// Turns excitation into sound, in place.
    pub(super) fn run<const N: usize>(&mut self, poles: &Poles<N>, samples: &mut [i32]) {
        for sample in samples {
            let level = (i64::from(*sample) + ((self.0[0] + (1 << 19)) >> 20)).clamp(-LOUDEST, LOUDEST);
            for (at, &pole) in poles.iter().enumerate() {
                let next = if at + 1 < N { self.0[at + 1] } else { 0 };
                self.0[at] = next - pole * level;
            }
            // Cannot be cut off: it was clamped.
            *sample = level as i32;
        }
    }
}

/// The filter that lets no hum and no offset through, as the reference has at both ends: of second order, with both
/// zeros at 0 Hz.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct HighPass {
    /// Coefficients, 20 bits behind the point: of the zeros, and of both poles.
    zeros: i64,
    poles: [i64; 2],
    given: [i32; 2],
    /// 16 bits behind the point.
    taken: [i64; 2],
}

impl HighPass {
    /// At 8 kHz: from 80 Hz, or from 38 Hz for the lower band of wideband.
    pub(super) fn new(wide: bool) -> Self {
        let (zeros, poles) = match wide {
            false => (1_011_310, [2_020_428, 975_921]),
            true => (1_034_368, [2_068_065, 1_020_600]),
        };
        Self { zeros, poles, given: [0; 2], taken: [0; 2] }
    }

    /// The next sample, 8 bits behind the point.
    pub(super) fn run(&mut self, sample: i32) -> i32 {
        let [one, two] = self.given;
        let zeros = self.zeros * (i64::from(sample) - 2 * i64::from(one) + i64::from(two));
        let level = ((zeros << 8) + self.poles[0] * self.taken[0] - self.poles[1] * self.taken[1]) >> 20;
        self.given = [sample, one];
        self.taken = [level, self.taken[0]];
        ((level + (1 << 7)) >> 8).clamp(-2 * LOUDEST, 2 * LOUDEST) as i32
    }
}

/// Two bands as one, at twice their rate.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Join {
    /// The last samples of both bands, newest first.
    past: [(i32, i32); 32],
}

impl Join {
    /// The next two samples, of one of each band.
    pub(super) fn run(&mut self, low: i32, high: i32) -> [i32; 2] {
        self.past.rotate_right(1);
        self.past[0] = (low, high);
        let (mut even, mut odd) = (0, 0);
        for (&(low, high), taps) in self.past.iter().zip(&JOIN) {
            even += taps[0] * i64::from(low - high);
            odd += taps[1] * i64::from(low + high);
        }
        [even, odd].map(|sum| (sum >> 19) as i32)
    }
}

/// A sample as the receiver hears it.
pub(super) fn whole(sample: i32) -> i16 {
    ((sample + (1 << 7)) >> 8).clamp(-32_768, 32_767) as i16
}
