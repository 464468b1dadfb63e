//! The parameters of a frame and their place in its octets.

use super::OCTETS;

/// What a frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Frame {
    /// Codes of the eight log area ratios.
    pub(super) ratios: [u8; 8],
    /// The four subframes.
    pub(super) subs: [Subframe; 4],
}

/// What a frame says of 40 samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Subframe {
    /// Samples back to what the long-term predictor repeats; 40 to 120 is meaningful.
    pub(super) lag: u8,
    /// Code of its gain, 0 to 3.
    pub(super) gain: u8,
    /// Where the first pulse is, 0 to 3; the others follow each three samples.
    pub(super) grid: u8,
    /// Code of the loudest pulse, 0 to 63.
    pub(super) peak: u8,
    /// The pulses relative to it, 0 to 7.
    pub(super) pulses: [u8; 13],
}

/// Bits of each ratio's code.
const RATIO_BITS: [u32; 8] = [6, 6, 5, 5, 4, 4, 3, 3];

/// The four bits before the first parameter (RFC 3551 §4.5.8.1).
const SIGNATURE: u8 = 0xd;

impl Frame {
    /// Whether the octets begin as those of a frame do.
    pub(super) fn signed(octets: &[u8; OCTETS]) -> bool {
        octets[0] >> 4 == SIGNATURE
    }

    /// Reads a frame.
    pub(super) fn read(octets: &[u8; OCTETS]) -> Self {
        let mut bits = Bits { octets, at: 4 };
        Self {
            ratios: RATIO_BITS.map(|count| bits.take(count)),
            subs: std::array::from_fn(|_| Subframe {
                lag: bits.take(7),
                gain: bits.take(2),
                grid: bits.take(2),
                peak: bits.take(6),
                pulses: std::array::from_fn(|_| bits.take(3)),
            }),
        }
    }

    /// The octets of the frame.
    pub(super) fn write(&self) -> [u8; OCTETS] {
        let mut octets = [0; OCTETS];
        let mut at = 0;
        let mut put = |value: u8, count: usize| {
            let word = u16::from(value) << (16 - count - at % 8);
            octets[at / 8] |= (word >> 8) as u8;
            if at % 8 + count > 8 {
                octets[at / 8 + 1] |= word as u8;
            }
            at += count;
        };
        put(SIGNATURE, 4);
        for (&code, count) in self.ratios.iter().zip(RATIO_BITS) {
            put(code, count as usize);
        }
        for sub in &self.subs {
            put(sub.lag, 7);
            put(sub.gain, 2);
            put(sub.grid, 2);
            put(sub.peak, 6);
            for &pulse in &sub.pulses {
                put(pulse, 3);
            }
        }
        octets
    }
}

/// Bits taken from octets, the most significant first.
struct Bits<'a> {
    octets: &'a [u8; OCTETS],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, at most seven.
    fn take(&mut self, count: u32) -> u8 {
        let next = self.octets.get(self.at / 8 + 1).copied().unwrap_or(0);
        let word = u16::from_be_bytes([self.octets[self.at / 8], next]) << (self.at % 8);
        self.at += count as usize;
        (word >> (16 - count)) as u8
    }
}
