//! GSM full rate (ETSI EN 300 961, GSM 06.10): 160 samples at 8 kHz to 33 octets and back, bit-exact.
//!
//! Speech is predicted twice. The short-term filter, eight log area ratios a frame, takes out the shape of the mouth.
//! The long-term predictor, a lag and a gain for each of four subframes of 40 samples, takes out the pitch. Of what is
//! left every third sample is sent in three bits: the regular pulses that excite both filters in the decoder.
//! Numbers in comments are sections of the standard.

mod decoder;
mod encoder;
mod frame;
mod short_term;

pub use decoder::Decoder;
pub use encoder::Encoder;

use crate::codec::fixed::mul_round;

/// Samples of a frame.
pub const SAMPLES: usize = 160;
/// Octets of a frame in RTP (RFC 3551 §4.5.8).
pub const OCTETS: usize = 33;

/// Samples of a subframe.
const SUBFRAME: usize = 40;

/// The excitation of the last 120 samples, oldest first, as far as a lag reaches. (Nested, because serde knows no
/// array of more than 32.)
type History = [[i16; 30]; 4];

/// Gain of the long-term predictor, by code (table 4.3b, QLB).
const GAIN: [i16; 4] = [3277, 11469, 21299, 32767];

/// Decoded mantissa of a pulse amplitude (table 4.6, FAC).
const STEP: [i16; 8] = [18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767];

/// Adds what the long-term predictor expects to the pulses of a subframe and remembers the sum as the newest history.
fn excite(history: &mut History, pulses: &[i16; SUBFRAME], predicted: &[i16; SUBFRAME]) -> [i16; SUBFRAME] {
    let sum = std::array::from_fn(|k| pulses[k].saturating_add(predicted[k]));
    let past = history.as_flattened_mut();
    past.copy_within(SUBFRAME.., 0);
    past[2 * SUBFRAME..].copy_from_slice(&sum);
    sum
}

/// What the long-term predictor expects: the excitation of `lag` samples ago, by its gain (5.2.12, 5.3.2).
fn predict(history: &History, lag: usize, gain: u8) -> [i16; SUBFRAME] {
    let past = history.as_flattened();
    let from = past.len() - lag.clamp(40, 120);
    std::array::from_fn(|k| mul_round(GAIN[usize::from(gain & 3)], past[from + k]))
}

/// The pulses of a subframe from their codes (5.2.16, 5.2.17).
fn pulses(sub: &frame::Subframe) -> [i16; SUBFRAME] {
    let (exponent, mantissa) = amplitude(sub.peak);
    let shift = (6 - exponent).cast_unsigned();
    let rounding = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let mut samples = [0; SUBFRAME];
    for (sample, &code) in samples[usize::from(sub.grid & 3)..].iter_mut().step_by(3).zip(&sub.pulses) {
        let level = (i16::from(code & 7) * 2 - 7) << 12;
        *sample = mul_round(STEP[mantissa], level).saturating_add(rounding) >> shift;
    }
    samples
}

/// Exponent, -4 to 6, and mantissa, 0 to 7, of the loudest pulse's code of six bits (5.2.15).
fn amplitude(code: u8) -> (i32, usize) {
    let code = i32::from(code & 63);
    let mut exponent = if code > 15 { (code >> 3) - 1 } else { 0 };
    let mut mantissa = code - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    // Cannot be negative: the loop ends at 8 or more. At most 15: larger codes have given it to the exponent.
    (exponent, (mantissa - 8) as usize & 7)
}

#[cfg(test)]
mod tests;
