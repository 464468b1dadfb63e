//! G.722: 7 kHz of sound in 64 kbit/s, bit-exact with ITU-T G.722 (fixed-point description of §6.2).
//!
//! A quadrature mirror filter cuts 16,000 samples a second into two bands of 8,000. Each is coded by adaptive
//! differences: six bits for the lower, two for the higher band. An octet stands for two samples. The state of a
//! direction is 150 octets.

mod band;
mod tables;

use band::Band;

/// Pairs of samples that are worked on at once: what lies on the stack is bounded, whatever the packet.
const BLOCK: usize = 80;
/// Taps of the mirror filters, and pairs of samples that stay in them.
const TAPS: usize = 24;
const KEPT: usize = TAPS / 2 - 1;

/// The mirror filter (table 11), symmetric: its first half, oldest first.
const HALF: [i16; TAPS / 2] = [3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3876];
const LOW_PASS: [i16; TAPS] = mirror(1);
const HIGH_PASS: [i16; TAPS] = mirror(-1);
/// The taps for the first and the second sample of a pair.
const FIRST: [i16; TAPS / 2] = every_other(1);
const SECOND: [i16; TAPS / 2] = every_other(0);

/// How many of an octet's bits are sound: the rest is data for others (G.722 §1.4). RTP knows mode 1 only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// Mode 1: all, 64 kbit/s.
    #[default]
    Bits64,
    /// Mode 2: all but the lowest, 56 kbit/s.
    Bits56,
    /// Mode 3: all but the lowest two, 48 kbit/s.
    Bits48,
}

/// The sending direction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    lower: Band,
    higher: Band,
    /// The last samples.
    samples: [i16; 2 * KEPT],
}

/// The receiving direction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    lower: Band,
    higher: Band,
    mode: Mode,
    /// The last differences and sums of the two bands.
    differences: [i16; KEPT],
    sums: [i16; KEPT],
}

impl Default for Encoder {
    fn default() -> Self {
        Self { lower: Band::lower(), higher: Band::higher(), samples: [0; 2 * KEPT] }
    }
}

impl Encoder {
    /// Appends an octet for each two samples of 16 kHz. An odd sample at the end is ignored.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        let (pairs, _) = pcm.as_chunks::<2>();
        payload.reserve(pairs.len());
        for block in pairs.chunks(BLOCK) {
            self.encode_block(block, payload);
        }
    }

    fn encode_block(&mut self, block: &[[i16; 2]], payload: &mut Vec<u8>) {
        let mut samples = [0; 2 * (KEPT + BLOCK)];
        let filled = 2 * (KEPT + block.len());
        samples[..2 * KEPT].copy_from_slice(&self.samples);
        samples[2 * KEPT..filled].copy_from_slice(block.as_flattened());
        let mut bands = [(0, 0); BLOCK];
        for (bands, window) in bands.iter_mut().zip(samples[..filled].windows(TAPS).step_by(2)) {
            *bands = split(window);
        }
        let (mut lower, mut higher) = (self.lower, self.higher);
        let start = payload.len();
        payload.resize(start + block.len(), 0);
        for (code, (low, high)) in payload[start..].iter_mut().zip(bands) {
            *code = higher.encode_higher(high) << 6 | lower.encode_lower(low);
        }
        (self.lower, self.higher) = (lower, higher);
        self.samples.copy_from_slice(&samples[filled - 2 * KEPT..filled]);
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Mode::default())
    }
}

impl Decoder {
    /// A decoder that has heard nothing yet.
    pub const fn new(mode: Mode) -> Self {
        Self { lower: Band::lower(), higher: Band::higher(), mode, differences: [0; KEPT], sums: [0; KEPT] }
    }

    /// Appends two samples of 16 kHz for each octet.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        pcm.reserve(2 * payload.len());
        for block in payload.chunks(BLOCK) {
            self.decode_block(block, pcm);
        }
    }

    /// Stands by while octets for so many samples are missing and something else is played.
    ///
    /// Predictors and filters keep what they have learnt: measured on speech, what comes next is nearer to the right
    /// sound than after a reset, or after adapting to what was made up. Steps shrink by 1.4 dB in 20 ms, since too
    /// large ones at the end of a word are a burst, and too small ones grow within a millisecond.
    pub fn stand_by(&mut self, samples: usize) {
        let by = i16::try_from(samples.saturating_mul(3) / 2).unwrap_or(i16::MAX);
        self.lower.shrink(by, tables::LOWER_OFFSET);
        self.higher.shrink(by, tables::HIGHER_OFFSET);
    }

    fn decode_block(&mut self, block: &[u8], pcm: &mut Vec<i16>) {
        let (mut differences, mut sums) = ([0; KEPT + BLOCK], [0; KEPT + BLOCK]);
        differences[..KEPT].copy_from_slice(&self.differences);
        sums[..KEPT].copy_from_slice(&self.sums);
        let (mut lower, mut higher) = (self.lower, self.higher);
        let fine = &tables::LOWER[self.mode as usize];
        for ((difference, sum), &code) in differences[KEPT..].iter_mut().zip(&mut sums[KEPT..]).zip(block) {
            let (low, high) = (lower.decode_lower(code, fine), higher.decode_higher(code >> 6));
            (*difference, *sum) = (low - high, low + high);
        }
        (self.lower, self.higher) = (lower, higher);
        let filled = KEPT + block.len();
        let windows = differences[..filled].windows(TAPS / 2).zip(sums[..filled].windows(TAPS / 2));
        let start = pcm.len();
        pcm.resize(start + 2 * block.len(), 0);
        for (pair, (differences, sums)) in pcm[start..].as_chunks_mut().0.iter_mut().zip(windows) {
            *pair = [dot(differences, &FIRST), dot(sums, &SECOND)]
                .map(|sum| (sum >> 11).clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
        self.differences.copy_from_slice(&differences[filled - KEPT..filled]);
        self.sums.copy_from_slice(&sums[filled - KEPT..filled]);
    }
}

/// The samples of the two bands at the end of a window. Neither can leave 16 bits, and they leave 15 only for sounds
/// that no band-limited source makes.
#[inline(always)]
fn split(window: &[i16]) -> (i16, i16) {
    [&LOW_PASS, &HIGH_PASS].map(|taps| (dot(window, taps) >> 14).clamp(-16_384, 16_383) as i16).into()
}

/// Cannot overflow: the taps' magnitudes add up to less than 2^14.
#[inline(always)]
fn dot<const N: usize>(window: &[i16], taps: &[i16; N]) -> i32 {
    window.iter().zip(taps).map(|(&sample, &tap)| i32::from(sample) * i32::from(tap)).sum()
}

const fn mirror(sign: i16) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    let mut at = 0;
    while at < TAPS {
        let tap = if at < TAPS / 2 { HALF[at] } else { HALF[TAPS - 1 - at] };
        // The newest sample is the second of its pair and counts as it is.
        taps[at] = if at % 2 == 0 { sign * tap } else { tap };
        at += 1;
    }
    taps
}

const fn every_other(first: usize) -> [i16; TAPS / 2] {
    let mut taps = [0; TAPS / 2];
    let mut at = 0;
    while at < TAPS / 2 {
        taps[at] = mirror(1)[2 * at + first];
        at += 1;
    }
    taps
}

#[cfg(test)]
mod tests;
