//! The parameters of a frame and their place in its octets (clause 4.1, table 8).

use super::OCTETS;

/// What a frame of speech says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) spectrum: Spectrum,
    /// Guards the six upper bits of the first pitch.
    pub(super) parity: u8,
    pub(super) subs: [Subframe; 2],
}

/// The line spectral frequencies, coded in two stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spectrum {
    /// Which predictor, 0 or 1.
    pub(super) predictor: u8,
    /// First stage, 0 to 127.
    pub(super) first: u8,
    /// Second stage of the lower and the upper half, 0 to 31 each.
    pub(super) second: [u8; 2],
}

/// What a frame says of 40 samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Subframe {
    /// Pitch delay: 8 bits in the first, 5 bits relative to it in the second subframe.
    pub(super) pitch: u8,
    /// Places of the four pulses, 13 bits.
    pub(super) places: u16,
    /// Their signs, 4 bits.
    pub(super) signs: u8,
    /// Both stages of the gains, 3 and 4 bits.
    pub(super) gains: [u8; 2],
}

impl Frame {
    /// Reads a frame; every sequence of bits is one.
    pub(super) fn read(octets: &[u8; OCTETS]) -> Self {
        let mut bits = [0; 16];
        bits[..OCTETS].copy_from_slice(octets);
        let mut bits = u128::from_be_bytes(bits);
        let mut take = |count: u32| {
            let value = (bits >> (128 - count)) as u16;
            bits <<= count;
            value
        };
        let mut frame = Self::default();
        frame.spectrum.predictor = take(1) as u8;
        frame.spectrum.first = take(7) as u8;
        frame.spectrum.second = [take(5) as u8, take(5) as u8];
        for at in 0..2 {
            let pitch = take(if at == 0 { 8 } else { 5 }) as u8;
            if at == 0 {
                frame.parity = take(1) as u8;
            }
            let (places, signs) = (take(13), take(4) as u8);
            frame.subs[at] = Subframe { pitch, places, signs, gains: [take(3) as u8, take(4) as u8] };
        }
        frame
    }

    /// The octets of the frame.
    pub(super) fn write(&self) -> [u8; OCTETS] {
        let mut bits = 0_u128;
        let mut put = |value: u16, count: u32| bits = bits << count | u128::from(value);
        put(self.spectrum.predictor.into(), 1);
        put(self.spectrum.first.into(), 7);
        put(self.spectrum.second[0].into(), 5);
        put(self.spectrum.second[1].into(), 5);
        for (at, sub) in self.subs.iter().enumerate() {
            put(sub.pitch.into(), if at == 0 { 8 } else { 5 });
            if at == 0 {
                put(self.parity.into(), 1);
            }
            put(sub.places, 13);
            put(sub.signs.into(), 4);
            put(sub.gains[0].into(), 3);
            put(sub.gains[1].into(), 4);
        }
        let mut octets = [0; OCTETS];
        octets.copy_from_slice(&bits.to_be_bytes()[16 - OCTETS..]);
        octets
    }
}

/// What the parity of a first pitch must be: that of its six upper bits, and one more.
pub(super) fn parity(pitch: u8) -> u8 {
    ((pitch >> 2).count_ones() as u8 + 1) & 1
}
