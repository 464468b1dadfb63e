//! Line spectral frequencies: their code, the way from one frame's to the next's, and the filters of them.

use super::bits::Reader;
use super::tables::{
    LSP_HIGH_FIRST, LSP_HIGH_SECOND, LSP_LOW_FIRST, LSP_LOW_SECOND, LSP_WHOLE, WIDE_LSP_FIRST,
    WIDE_LSP_SECOND,
};
use crate::codec::g729::predictor::weights;
use crate::codec::g729::spectrum::Ten;

/// Pi with 13 bits behind the point, as frequencies have.
const PI: i32 = 25_736;

/// Bits of the code of a stage.
pub(super) const STAGE_BITS: u32 = 6;

/// The rows of all stages in the order in which they are sent: the whole, the lower half twice, the upper half twice.
pub(super) type Code = [usize; 5];

/// Frequencies of narrowband, and of the band above it.
pub(super) type Low = [i32; 10];
pub(super) type High = [i32; 8];

/// A filter of `N` poles, the one before them left out; 20 bits behind the point.
pub(super) type Poles<const N: usize> = [i64; N];

/// Where the frequencies of narrowband are before anything is added: a quarter of a radian apart.
fn base(at: usize) -> i32 {
    2048 * (at as i32 + 1)
}

/// Adds a row, told in parts of 1/`scale` of the frequencies.
fn add(all: &mut [i32], row: &[i8], scale: i32) {
    all.iter_mut().zip(row).for_each(|(frequency, &part)| *frequency += scale * i32::from(part));
}

/// The frequencies of narrowband that are sent, each half refined so often.
pub(super) fn read(bits: &mut Reader<'_>, refined: u8) -> Option<Low> {
    let mut all = std::array::from_fn(base);
    let mut row = || bits.take(STAGE_BITS);
    add(&mut all, &LSP_WHOLE[row()? & 63], 32);
    add(&mut all[..5], &LSP_LOW_FIRST[row()? & 63], 16);
    if refined > 1 {
        add(&mut all[..5], &LSP_LOW_SECOND[row()? & 63], 8);
    }
    add(&mut all[5..], &LSP_HIGH_FIRST[row()? & 63], 16);
    if refined > 1 {
        add(&mut all[5..], &LSP_HIGH_SECOND[row()? & 63], 8);
    }
    Some(all)
}

/// The frequencies of the band above that are sent.
pub(super) fn read_high(bits: &mut Reader<'_>) -> Option<High> {
    let mut all = std::array::from_fn(|at| 2560 * at as i32 + 6144);
    add(&mut all, &WIDE_LSP_FIRST[bits.take(STAGE_BITS)? & 63], 32);
    add(&mut all, &WIDE_LSP_SECOND[bits.take(STAGE_BITS)? & 63], 16);
    Some(all)
}

/// The code that comes nearest to the frequencies of narrowband, and what it stands for.
pub(super) fn quantise(frequencies: &Ten) -> (Code, Low) {
    let weights = weights(frequencies);
    let mut rest: Low = std::array::from_fn(|i| i32::from(frequencies[i]) - base(i));
    let (lower, upper) = (0..5, 5..10);
    let code = [
        nearest(&mut rest, &weights, &LSP_WHOLE, 32),
        nearest(&mut rest[lower.clone()], &weights[lower.clone()], &LSP_LOW_FIRST, 16),
        nearest(&mut rest[lower.clone()], &weights[lower], &LSP_LOW_SECOND, 8),
        nearest(&mut rest[upper.clone()], &weights[upper.clone()], &LSP_HIGH_FIRST, 16),
        nearest(&mut rest[upper.clone()], &weights[upper], &LSP_HIGH_SECOND, 8),
    ];
    (code, std::array::from_fn(|i| i32::from(frequencies[i]) - rest[i]))
}

/// The row that leaves least of `rest`, from which it is taken.
fn nearest<const N: usize>(rest: &mut [i32], weights: &[i64], rows: &[[i8; N]; 64], scale: i32) -> usize {
    let left = |row: &usize| -> i64 {
        let each = rest.iter().zip(&rows[*row]).zip(weights);
        each.map(|((&rest, &part), &weight)| weight * i64::from(rest - scale * i32::from(part)).pow(2)).sum()
    };
    let best = (0..64).min_by_key(left).unwrap_or(0);
    add(rest, &rows[best], -scale);
    best
}

/// The frequencies of a subframe, 0 to 3, on the way from those of the frame before to those of this, kept apart from
/// each other and from the ends, so that the filter is stable.
pub(super) fn between<const N: usize>(
    before: &[i32; N],
    now: &[i32; N],
    subframe: i32,
    apart: i32,
) -> [i32; N] {
    let mut all: [i32; N] =
        std::array::from_fn(|i| (before[i] * (3 - subframe) + now[i] * (subframe + 1)) >> 2);
    for i in 0..N {
        let least = if i == 0 { apart } else { all[i - 1] + apart };
        all[i] = all[i].max(least);
    }
    for i in (0..N).rev() {
        let most = if i == N - 1 { PI - apart } else { all[i + 1] - apart };
        all[i] = all[i].min(most);
    }
    all
}

/// The filter of line spectral frequencies.
pub(super) fn poles<const N: usize>(frequencies: &[i32; N]) -> Poles<N> {
    // The products of 1 - 2 cos(f) z + z^2 over every other frequency, times 1 + z and 1 - z, 24 bits behind the
    // point. There are at most ten poles.
    let product = |from: usize| {
        let mut product = [0_i64; 12];
        product[0] = 1 << 24;
        for &frequency in frequencies[from..].iter().step_by(2) {
            let twice = cosine(frequency);
            for k in (1..12).rev() {
                let back = if k >= 2 { product[k - 2] } else { 0 };
                product[k] += back - ((twice * product[k - 1]) >> 27);
            }
        }
        let sign = if from == 0 { 1 } else { -1 };
        for k in (1..12).rev() {
            product[k] += sign * product[k - 1];
        }
        product
    };
    let (sum, difference) = (product(0), product(1));
    std::array::from_fn(|i| (sum[i + 1] + difference[i + 1] + (1 << 4)) >> 5)
}

/// The cosine of a frequency, 28 bits behind the point.
fn cosine(frequency: i32) -> i64 {
    // From the nearer end or the middle, where its series is short: 1 - x^2/2 (1 - x^2/12 (1 - x^2/30 (1 - x^2/56))).
    let angle = i64::from(frequency.clamp(0, PI)) << 15;
    let half = i64::from(PI) << 14;
    let (angle, sign) = if angle > half { (2 * half - angle, -1) } else { (angle, 1) };
    let square = (angle * angle) >> 28;
    let mut rest = 1_i64 << 28;
    for divisor in [90, 56, 30, 12, 2] {
        rest = (1 << 28) - ((square * rest) >> 28) / divisor;
    }
    sign * rest
}

/// The value of a filter at the highest frequency, 20 bits behind the point: how weak its sound is there.
pub(super) fn at_top<const N: usize>(poles: &Poles<N>) -> i64 {
    let sum: i64 = poles.iter().enumerate().map(|(i, &pole)| if i % 2 == 0 { -pole } else { pole }).sum();
    (1 << 20) + sum
}
