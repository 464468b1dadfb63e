//! Samples of every coding to 16-bit linear ones.

use super::Coding;
use crate::codec::g711;

/// Appends the samples in `octets`, which are a whole number.
pub(super) fn append(coding: Coding, octets: &[u8], pcm: &mut Vec<i16>) {
    match coding {
        // One octet is unsigned: its middle is silence.
        Coding::Linear { octets: 1 } => pcm.extend(octets.iter().map(|&o| (i16::from(o) - 128) << 8)),
        Coding::Linear { octets: 2 } => {
            pcm.extend(octets.as_chunks::<2>().0.iter().map(|&word| i16::from_le_bytes(word)));
        }
        Coding::Linear { octets: 3 } => {
            let long = |[a, b, c]: [u8; 3]| i32::from_le_bytes([0, a, b, c]);
            pcm.extend(octets.as_chunks::<3>().0.iter().map(|&sample| shorten(long(sample))));
        }
        Coding::Linear { .. } => {
            pcm.extend(octets.as_chunks::<4>().0.iter().map(|&word| shorten(i32::from_le_bytes(word))));
        }
        Coding::Float { octets: 8 } => pcm.extend(octets.as_chunks::<8>().0.iter().map(|&word| {
            let bits = u64::from_le_bytes(word);
            float(bits >> 63 != 0, (bits >> 52 & 0x7ff) as i32 - 1023, bits & ((1 << 52) - 1), 52)
        })),
        Coding::Float { .. } => pcm.extend(octets.as_chunks::<4>().0.iter().map(|&word| {
            let bits = u32::from_le_bytes(word);
            let fraction = u64::from(bits & ((1 << 23) - 1));
            float(bits >> 31 != 0, (bits >> 23 & 0xff) as i32 - 127, fraction, 23)
        })),
        Coding::ALaw => pcm.extend(octets.iter().map(|&code| g711::a_decode(code))),
        Coding::MuLaw => pcm.extend(octets.iter().map(|&code| g711::mu_decode(code))),
    }
}

/// The upper half of a sample that fills 32 bits, rounded.
fn shorten(sample: i32) -> i16 {
    (sample.saturating_add(1 << 15) >> 16) as i16
}

/// A floating number of IEEE 754, where 1 fills the scale, in whole numbers only: the same on every machine. What is
/// louder than the scale is clipped; what is no number is silence.
fn float(negative: bool, exponent: i32, fraction: u64, width: u32) -> i16 {
    let infinite = if width == 52 { 1024 } else { 128 };
    if exponent == infinite && fraction != 0 {
        return 0;
    }
    let magnitude = if exponent >= 0 {
        1 << 15
    } else {
        // The scale is 2^15; numbers too small for a leading one are silence anyway.
        let shift = width as i32 - 15 - exponent;
        if shift > 63 { 0 } else { ((1 << width | fraction) + (1 << (shift - 1))) >> shift }
    };
    let signed = if negative { -(magnitude as i32) } else { magnitude as i32 };
    signed.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(coding: Coding, octets: &[u8]) -> i16 {
        let mut pcm = Vec::new();
        append(coding, octets, &mut pcm);
        assert_eq!(pcm.len(), 1);
        pcm[0]
    }

    #[test]
    fn whole_numbers_fill_the_same_scale() {
        for octets in 1..=4_u8 {
            let coding = Coding::Linear { octets };
            let n = usize::from(octets);
            let sample = |value: i32| {
                let mut bytes = (value >> (32 - 8 * n)).to_le_bytes()[..n].to_vec();
                if n == 1 {
                    bytes[0] ^= 0x80;
                }
                one(coding, &bytes)
            };
            assert_eq!((sample(0), sample(i32::MIN), sample(1 << 30)), (0, i16::MIN, 1 << 14), "{octets}");
            assert!(sample(i32::MAX) >= 0x7f00);
        }
        assert_eq!(one(Coding::Linear { octets: 3 }, &[0x7f, 0, 0]), 0);
        assert_eq!(one(Coding::Linear { octets: 3 }, &[0x80, 0, 0]), 1);
        assert_eq!(one(Coding::Linear { octets: 3 }, &[0xff, 0xff, 0x7f]), i16::MAX);
    }

    #[test]
    fn floats_round_clip_and_are_never_noise() {
        for value in [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -7e9, 1e-30, 0.999_99, 1.0 / 3.0, -0.25, 1.5e-5] {
            let wanted = (value * 32768.0_f64).round().clamp(-32768.0, 32767.0) as i16;
            let short = (f64::from(value as f32) * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
            assert_eq!(one(Coding::Float { octets: 8 }, &value.to_le_bytes()), wanted, "{value}");
            assert_eq!(one(Coding::Float { octets: 4 }, &(value as f32).to_le_bytes()), short, "{value}");
        }
        for (value, wanted) in [(f32::NAN, 0), (f32::INFINITY, i16::MAX), (f32::NEG_INFINITY, i16::MIN)] {
            assert_eq!(one(Coding::Float { octets: 4 }, &value.to_le_bytes()), wanted);
            assert_eq!(one(Coding::Float { octets: 8 }, &f64::from(value).to_le_bytes()), wanted);
        }
    }
}
