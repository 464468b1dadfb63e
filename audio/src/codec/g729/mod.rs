//! G.729 at 8 kbit/s (ITU-T G.729 06/2012) with Annex B: 80 samples at 8 kHz to 10 octets and back.
//!
//! Speech is the answer of a filter of tenth order, sent as line spectral frequencies, to an excitation of two parts,
//! each with a gain: what it was a pitch ago, and four pulses. The encoder tries what the decoder would make of its
//! choices and takes the best. Silence is described in two octets (SID) and then left out; the decoder fills it with
//! noise.
//!
//! This is written from the Recommendation, in integers. Any decoder and encoder of G.729 or its Annex A understands
//! it and is understood; it is not bit-exact: filters saturate where the reference scales and tries again, the
//! postfilter is that of Annex A, and voice activity and noise are our own.

mod decoder;
mod encoder;
mod frame;
mod gain;
mod highpass;
pub(super) mod math;
mod noise;
mod pitch;
mod postfilter;
pub(super) mod predictor;
pub(super) mod pulses;
pub(super) mod spectrum;
mod tables;
mod voice;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Samples of a frame.
pub const SAMPLES: usize = 80;
/// Octets of a frame of speech.
pub const OCTETS: usize = 10;
/// Octets of a description of silence.
pub const SILENCE_OCTETS: usize = 2;

/// Samples of a subframe.
pub(super) const SUBFRAME: usize = 40;

/// Samples of excitation that a delay reaches back, with what its interpolation needs.
const PAST: usize = 154;

/// The least and the most by which pulses are repeated at the pitch, 14 bits behind the point.
const SHARPEST: (i16, i16) = (3277, 13_017);

/// How many samples a payload stands for: frames of speech, then perhaps one description of silence (RFC 3551 §4.5.6).
pub fn samples(payload: &[u8]) -> Option<usize> {
    let (frames, rest) = (payload.len() / OCTETS, payload.len() % OCTETS);
    let silence = rest == SILENCE_OCTETS;
    ((frames > 0 && rest == 0) || silence).then_some((frames + usize::from(silence)) * SAMPLES)
}

/// Samples that are kept, as many as the longest use needs. (Nested, because serde knows no array of more than 32; of
/// fixed length, so that what is read back cannot be shorter than it must be.)
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Line([[i16; 30]; 8]);

impl std::ops::Deref for Line {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        self.0.as_flattened()
    }
}

impl std::ops::DerefMut for Line {
    fn deref_mut(&mut self) -> &mut [i16] {
        self.0.as_flattened_mut()
    }
}

/// One sample of an excitation: what the pitch and what the pulses give.
fn excite(pitch: i16, pulse: i16, gains: gain::Gains) -> i16 {
    let sum = i64::from(pitch) * i64::from(gains.pitch) + i64::from(pulse) * i64::from(gains.pulses);
    ((sum + (1 << 13)) >> 14).clamp(-32_768, 32_767) as i16
}

#[cfg(test)]
mod tests;
