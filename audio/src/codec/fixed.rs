//! The 16-bit saturating arithmetic in which the standards of the speech codecs are written: a sample is a fraction of
//! one in 15 bits. Addition and subtraction are `i16::saturating_add` and `saturating_sub`.

/// The product of two fractions, cut off.
#[inline]
pub(super) fn mul(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b)) >> 15)
}

/// The product of two fractions, rounded.
#[inline]
pub(super) fn mul_round(a: i16, b: i16) -> i16 {
    saturate((i32::from(a) * i32::from(b) + (1 << 14)) >> 15)
}

/// The nearest that 16 bits can hold.
#[inline]
pub(super) fn saturate(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// How far a positive number can be shifted left before it is negative.
#[inline]
pub(super) fn headroom(value: i32) -> u32 {
    debug_assert!(value > 0);
    value.leading_zeros().saturating_sub(1)
}

/// `numerator / denominator` as a fraction, for `0 <= numerator <= denominator`, `denominator > 0`.
#[inline]
pub(super) fn quotient(numerator: i16, denominator: i16) -> i16 {
    saturate((i32::from(numerator) << 15) / i32::from(denominator))
}

/// The loudest sample's magnitude; that of -32768 is 32767.
#[inline]
pub(super) fn peak(samples: &[i16]) -> i16 {
    samples.iter().map(|sample| sample.saturating_abs()).max().unwrap_or(0)
}
