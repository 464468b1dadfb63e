//! Logarithms, powers and cosines in integers, by the standard's tables.

use super::tables::{COSINE, LOGARITHM, POWER};

/// Pi with 13 bits behind the point.
const PI: i32 = 25_736;

/// The logarithm to the base of two, 15 bits behind the point, of a number of at least one.
pub(super) fn log2(value: u64) -> i32 {
    let value = value.max(1);
    let exponent = value.ilog2();
    // 20 bits below the leading one: five say where in the table, the others how far to the next entry.
    let fraction = ((u128::from(value) << 20 >> exponent) & 0xf_ffff) as usize;
    let (at, rest) = (fraction >> 15, (fraction & 0x7fff) as i32);
    let (here, next) = (i32::from(LOGARITHM[at]), i32::from(LOGARITHM[at + 1]));
    (exponent as i32) * 32_768 + here + (((next - here) * rest) >> 15)
}

/// Two to a power with 15 bits behind the point, as a number with `bits` behind the point.
pub(in crate::codec) fn exp2(power: i32, bits: i32) -> i64 {
    let fraction = (power & 0x7fff) as usize;
    let (at, rest) = (fraction >> 10, (fraction & 0x3ff) as i32);
    let (here, next) = (i32::from(POWER[at]), i32::from(POWER[at + 1]));
    let mantissa = i64::from(here) * 1024 + i64::from((next - here) * rest);
    // The table has 14 bits behind the point, the interpolation ten more.
    match (power >> 15) + bits - 24 {
        up @ 0.. => mantissa << up.min(38),
        down => mantissa >> (-down).min(63),
    }
}

/// The cosine, 15 bits behind the point, of a frequency with 13.
pub(super) fn cosine(frequency: i16) -> i16 {
    let place = (i32::from(frequency).clamp(0, PI - 1) * 20_861) >> 15;
    let (at, rest) = ((place >> 8) as usize, place & 255);
    let (here, next) = (i32::from(COSINE[at]), i32::from(COSINE[at + 1]));
    (here + (((next - here) * rest) >> 8)) as i16
}

/// The frequency, 13 bits behind the point, of a cosine with 15.
pub(super) fn arc_cosine(cosine: i16) -> i16 {
    let at = COSINE[1..64].iter().take_while(|&&next| next > cosine).count();
    let (here, next) = (i32::from(COSINE[at]), i32::from(COSINE[at + 1]));
    let rest = ((here - i32::from(cosine)) * 256 / (here - next)).clamp(0, 256);
    (((at as i32 * 256 + rest) * PI) >> 14) as i16
}
