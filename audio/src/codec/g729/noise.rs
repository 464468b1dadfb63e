//! Silence that is described, not sent (Annex B): its description, and the noise that is made of it.

use super::spectrum::{Memory, Predictor, Ten, noise_vector};
use super::tables::SID_GAIN;
use super::{SILENCE_OCTETS, SUBFRAME};

/// A description of silence (table B.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) predictor: u8,
    pub(super) first: u8,
    pub(super) second: u8,
    pub(super) gain: u8,
}

impl Silence {
    /// Reads a description; every sequence of bits is one.
    pub(super) fn read(octets: [u8; SILENCE_OCTETS]) -> Self {
        let bits = u16::from_be_bytes(octets);
        Self {
            predictor: (bits >> 15) as u8,
            first: (bits >> 10) as u8 & 31,
            second: (bits >> 6) as u8 & 15,
            gain: (bits >> 1) as u8 & 31,
        }
    }

    /// Its octets.
    pub(super) fn write(self) -> [u8; SILENCE_OCTETS] {
        let [predictor, first, second, gain] =
            [self.predictor, self.first, self.second, self.gain].map(u16::from);
        (predictor << 15 | first << 10 | second << 6 | gain << 1).to_be_bytes()
    }

    /// The frequencies of the noise.
    pub(super) fn frequencies(self, memory: &mut Memory) -> Ten {
        memory.decode(&Predictor::noise(self.predictor), &noise_vector(self.first, self.second))
    }

    /// The level of the excitation, three bits behind the point.
    pub(super) fn level(self) -> i32 {
        i32::from(SID_GAIN[usize::from(self.gain & 31)])
    }
}

/// Noise for an excitation.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Noise {
    seed: u16,
    /// The level it has now, three bits behind the point.
    level: i32,
}

impl Default for Noise {
    fn default() -> Self {
        Self { seed: 11_111, level: 0 }
    }
}

impl Noise {
    /// The next of a sequence of random numbers (clause 4.4.4).
    pub(super) fn random(&mut self) -> i16 {
        self.seed = self.seed.wrapping_mul(31_821).wrapping_add(13_849);
        self.seed.cast_signed()
    }

    /// The level of the next frame: that of the description at once after speech, slowly otherwise (equation B.19).
    pub(super) fn approach(&mut self, level: i32, at_once: bool) {
        self.level = if at_once { level } else { (7 * self.level + level) / 8 };
    }

    /// 40 samples at the level.
    pub(super) fn samples(&mut self) -> [i16; SUBFRAME] {
        let raw: [i32; SUBFRAME] =
            std::array::from_fn(|_| (0..4).map(|_| i32::from(self.random()) >> 3).sum());
        let energy = raw.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
        let mean = (energy / SUBFRAME as i64).isqrt().max(1);
        raw.map(|sample| {
            let level = i64::from(sample) * i64::from(self.level) / (8 * mean);
            level.clamp(-32_768, 32_767) as i16
        })
    }
}
