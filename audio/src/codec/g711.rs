//! G.711: 16-bit linear samples to mu-law and A-law octets and back, bit-exact with ITU-T G.191.
//!
//! Everything is a table, computed at compile time. The encoders drop the bits that cannot matter first: mu-law looks
//! at 14, A-law at 12 bits of a sample.

const MU_DECODE: &[i16; 256] = &mu_decode_table();
const A_DECODE: &[i16; 256] = &a_decode_table();
const MU_ENCODE: &[u8; 1 << 14] = &mu_encode_table();
const A_ENCODE: &[u8; 1 << 12] = &a_encode_table();

/// The sample that a mu-law octet stands for.
#[inline]
pub fn mu_decode(code: u8) -> i16 {
    MU_DECODE[usize::from(code)]
}

/// The sample that an A-law octet stands for.
#[inline]
pub fn a_decode(code: u8) -> i16 {
    A_DECODE[usize::from(code)]
}

/// The mu-law octet for a sample.
#[inline]
pub fn mu_encode(sample: i16) -> u8 {
    // Cannot be out of bounds: 14 bits are left.
    MU_ENCODE[usize::from(sample.cast_unsigned() >> 2)]
}

/// The A-law octet for a sample.
#[inline]
pub fn a_encode(sample: i16) -> u8 {
    // Cannot be out of bounds: 12 bits are left.
    A_ENCODE[usize::from(sample.cast_unsigned() >> 4)]
}

/// Mu-law: eight segments, each twice as steep as the one before, 16 steps each; a bias of 33 (in 14 bits) makes the
/// segments powers of two. All bits are inverted on the wire.
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !code as i32 & 0xff;
        let (segment, step) = (bits >> 4 & 7, bits & 15);
        let magnitude = ((2 * step + 33) << segment) - 33;
        let sample = if bits & 0x80 != 0 { -magnitude } else { magnitude };
        table[code] = (sample * 4) as i16;
        code += 1;
    }
    table
}

/// A-law: sign, segment and step as in mu-law, but the two lowest segments have the same slope and there is no bias.
/// Every other bit is inverted on the wire.
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as i32 ^ 0x55;
        let (segment, step) = (bits >> 4 & 7, bits & 15);
        let magnitude = if segment == 0 { 2 * step + 1 } else { (2 * step + 33) << (segment - 1) };
        let sample = if bits & 0x80 != 0 { magnitude } else { -magnitude };
        table[code] = (sample * 8) as i16;
        code += 1;
    }
    table
}

/// Indexed by the upper 14 bits of the sample. Negative samples are mirrored by complement, as G.191 does, so that
/// -1 and 0 share a magnitude.
const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 13;
        let magnitude = if negative { !index & 0x1fff } else { index };
        let biased = if magnitude + 33 > 0x1fff { 0x1fff } else { magnitude + 33 };
        // The bias makes bit 5 the lowest that can lead; the leading bit gives the segment.
        let segment = biased.ilog2() as usize - 5;
        let step = biased >> (segment + 1) & 15;
        let bits = segment << 4 | step;
        table[index] = !(bits | if negative { 0x80 } else { 0 }) as u8;
        index += 1;
    }
    table
}

/// Indexed by the upper 12 bits of the sample; negative samples are mirrored by complement.
const fn a_encode_table() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 11;
        let magnitude = if negative { !index & 0x7ff } else { index };
        // Below 32 the code is the magnitude itself: two segments of slope one.
        let bits = if magnitude < 32 {
            magnitude
        } else {
            let segment = magnitude.ilog2() as usize - 3;
            segment << 4 | magnitude >> (segment - 1) & 15
        };
        table[index] = (bits | if negative { 0 } else { 0x80 }) as u8 ^ 0x55;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    const ALL: std::ops::RangeInclusive<i16> = i16::MIN..=i16::MAX;

    /// The published extremes and a few points of G.711 tables 1a and 2a.
    #[test]
    fn known_points() {
        assert_eq!(
            (mu_encode(0), mu_encode(-1), mu_encode(32767), mu_encode(-32768)),
            (0xff, 0x7f, 0x80, 0x00)
        );
        assert_eq!(
            (mu_decode(0xff), mu_decode(0x7f), mu_decode(0x80), mu_decode(0x00)),
            (0, 0, 32124, -32124)
        );
        assert_eq!((a_encode(0), a_encode(-1), a_encode(32767), a_encode(-32768)), (0xd5, 0x55, 0xaa, 0x2a));
        assert_eq!((a_decode(0xd5), a_decode(0x55), a_decode(0xaa), a_decode(0x2a)), (8, -8, 32256, -32256));
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255 {
            // Mu-law has two zeros and the encoder uses one of them for 0.
            if code != 0x7f {
                assert_eq!(mu_encode(mu_decode(code)), code);
            }
            assert_eq!(a_encode(a_decode(code)), code);
        }
    }

    /// Digests of what the reference programs of ITU-T G.191 make of all 65,536 samples in ascending order: the codes,
    /// and the samples decoded from them as little-endian words (test sequences `sweep-r.u`, `.reu`, `.a`, `.rea`).
    #[test]
    fn the_whole_law_is_that_of_the_reference() {
        let hex = |octets: &[u8]| {
            sha2::Sha256::digest(octets).iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        let mu: Vec<u8> = ALL.map(mu_encode).collect();
        let mu_back: Vec<u8> = mu.iter().flat_map(|&c| mu_decode(c).to_le_bytes()).collect();
        assert_eq!(hex(&mu), "90c29de505fb68e766118303bd552a16005dcf810873698bee1d8f3b247ce28c");
        assert_eq!(hex(&mu_back), "cf9f90195534a105f211b1fb5c511ab45ee76827ac0987d6cc804afb897ef0f6");
        let a: Vec<u8> = ALL.map(a_encode).collect();
        let a_back: Vec<u8> = a.iter().flat_map(|&c| a_decode(c).to_le_bytes()).collect();
        assert_eq!(hex(&a), "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b");
        assert_eq!(hex(&a_back), "faf8570479a0e7d0e1da55d48c42e76961d0e5c285c35d42e9f6dafbafae8a35");
    }

    /// The whole law: louder in is never softer out, and no sample moves further than half a step of its segment.
    #[test]
    fn laws_are_monotonic_and_close() {
        for (encode, decode, finest) in
            [(mu_encode as fn(i16) -> u8, mu_decode as fn(u8) -> i16, 4), (a_encode, a_decode, 8)]
        {
            let mut before = i16::MIN;
            for sample in ALL {
                let out = decode(encode(sample));
                assert!(out >= before, "{sample}");
                before = out;
                let error = (i32::from(out) - i32::from(sample)).abs();
                let clipped = i32::from(sample).abs() > 32_124;
                assert!(clipped || error <= (i32::from(sample).abs() + 132) / 32 + finest, "{sample} {out}");
            }
        }
    }
}
