//! Speech to line spectral frequencies (clauses 3.2.1 to 3.2.3), and their code (clause 3.2.4).

use super::frame::Spectrum;
use super::math::arc_cosine;
use super::spectrum::{Memory, Predictor, Ten, noise_vector, vector};
use super::tables::{GRID, LAG_WINDOW, LSF_FIRST, LSF_SECOND, WINDOW};

/// Samples that are looked at: 120 past ones, a frame, and 40 to come.
pub(in crate::codec) const LOOKED_AT: usize = 240;

/// What the least reflection must leave of the energy, 30 bits behind the point.
const STABLE: i64 = 1_073_000_000;

/// Autocorrelation of windowed speech for delays 0 to 10, scaled to 31 bits.
pub(in crate::codec) fn autocorrelation(speech: &[i16]) -> [i64; 11] {
    let mut windowed = [0_i64; LOOKED_AT];
    for ((out, &sample), &window) in windowed.iter_mut().zip(speech).zip(&WINDOW) {
        *out = (i64::from(sample) * i64::from(window) + (1 << 14)) >> 15;
    }
    let mut sums: [i64; 11] = std::array::from_fn(|delay| {
        windowed[delay..].iter().zip(&windowed).map(|(&a, &b)| a * b).sum::<i64>()
    });
    sums[0] = sums[0].max(1);
    for (sum, &window) in sums[1..].iter_mut().zip(&LAG_WINDOW) {
        *sum = (*sum * i64::from(window)) >> 15;
    }
    let up = sums[0].leading_zeros() as i32 - 33;
    sums.map(|sum| if up >= 0 { sum << up } else { sum >> -up })
}

/// The predictor's coefficients, 24 bits behind the point, by Levinson's recursion; `None` when it is not stable.
pub(in crate::codec) fn levinson(sums: &[i64; 11]) -> Option<[i64; 11]> {
    let mut filter = [0_i64; 11];
    filter[0] = 1 << 24;
    let mut energy = sums[0].max(1);
    for order in 1..11 {
        let like: i128 = (0..order).map(|i| i128::from(filter[i]) * i128::from(sums[order - i])).sum();
        let reflection = -((like << 6) / i128::from(energy)) as i64;
        if reflection.abs() > STABLE {
            return None;
        }
        let before = filter;
        for i in 1..order {
            filter[i] = before[i] + ((before[order - i] * reflection) >> 30);
        }
        filter[order] = reflection >> 6;
        let left = (1 << 30) - ((i128::from(reflection) * i128::from(reflection)) >> 30) as i64;
        energy = ((i128::from(energy) * i128::from(left)) >> 30).max(1) as i64;
    }
    Some(filter)
}

/// The cosines of the line spectral frequencies of a filter; `None` when not all ten are found.
pub(in crate::codec) fn cosines(filter: &[i64; 11]) -> Option<Ten> {
    let (mut sum, mut difference) = ([0_i64; 6], [0_i64; 6]);
    (sum[0], difference[0]) = (1 << 24, 1 << 24);
    for i in 0..5 {
        sum[i + 1] = filter[i + 1] + filter[10 - i] - sum[i];
        difference[i + 1] = filter[i + 1] - filter[10 - i] + difference[i];
    }
    let mut found = [0; 10];
    let mut count = 0;
    let polynomial = |count: usize| if count.is_multiple_of(2) { &sum } else { &difference };
    let (mut low, mut at_low) = (i64::from(GRID[0]), chebyshev(i64::from(GRID[0]), polynomial(0)));
    for &next in &GRID[1..] {
        let (mut high, mut at_high) = (low, at_low);
        (low, at_low) = (i64::from(next), chebyshev(i64::from(next), polynomial(count)));
        if (at_low > 0) == (at_high > 0) && at_low != 0 {
            continue;
        }
        for _ in 0..4 {
            let middle = (low + high) / 2;
            let value = chebyshev(middle, polynomial(count));
            if (value > 0) == (at_low > 0) {
                (low, at_low) = (middle, value);
            } else {
                (high, at_high) = (middle, value);
            }
        }
        let across = if at_high == at_low { 0 } else { (high - low) * at_low / (at_high - at_low) };
        low -= across;
        found[count] = low.clamp(-32_767, 32_767) as i16;
        count += 1;
        if count == 10 {
            return Some(found);
        }
        at_low = chebyshev(low, polynomial(count));
    }
    None
}

/// The polynomial's value at a cosine, as a series of Chebyshev polynomials (equation 15).
fn chebyshev(x: i64, f: &[i64; 6]) -> i64 {
    let (mut before, mut now) = (f[0], ((x * f[0]) >> 14) + f[1]);
    for &coefficient in &f[2..5] {
        (before, now) = (now, ((x * now) >> 14) - before + coefficient);
    }
    ((x * now) >> 15) - before + f[5] / 2
}

/// The frequencies of cosines.
pub(in crate::codec) fn frequencies(cosines: &Ten) -> Ten {
    cosines.map(arc_cosine)
}

/// How much each frequency matters: more where it is near its neighbours (equation 22); 13 bits behind the point.
pub(in crate::codec) fn weights(frequencies: &Ten) -> [i64; 10] {
    let at = |i: usize| i64::from(frequencies[i]);
    std::array::from_fn(|i| {
        // 0.04 pi + 1 and 0.92 pi - 1 at the ends.
        let apart = match i {
            0 => at(1) - 9221,
            9 => 15_485 - at(8),
            _ => at(i + 1) - at(i - 1) - 8192,
        };
        let weight = if apart > 0 { 8192 } else { ((10 * apart * apart) >> 13) + 8192 };
        if i == 4 || i == 5 { weight * 6 / 5 } else { weight }
    })
}

fn distance(target: &Ten, vector: &Ten, weights: &[i64; 10], range: std::ops::Range<usize>) -> i64 {
    range.map(|i| weights[i] * (i64::from(target[i]) - i64::from(vector[i])).pow(2)).sum()
}

/// The code that comes nearest to the frequencies with either predictor.
pub(super) fn quantise(frequencies: &Ten, memory: &Memory) -> Spectrum {
    let weights = weights(frequencies);
    let ones = [1; 10];
    let candidates = [0, 1].map(|mode| {
        let target = memory.target(&Predictor::speech(mode), frequencies);
        let nearest = |row: &usize| distance(&target, &LSF_FIRST[*row], &ones, 0..10);
        let first = (0..128).min_by_key(nearest).unwrap_or(0);
        let rest: Ten = std::array::from_fn(|i| target[i].saturating_sub(LSF_FIRST[first][i]));
        let second = [0..5, 5..10].map(|half| {
            (0..32).min_by_key(|&row| distance(&rest, &LSF_SECOND[row], &weights, half.clone())).unwrap_or(0)
                as u8
        });
        Spectrum { predictor: mode, first: first as u8, second }
    });
    let error = |code: &Spectrum| {
        let decoded = memory.clone().decode(&Predictor::speech(code.predictor), &vector(*code));
        distance(frequencies, &decoded, &weights, 0..10)
    };
    if error(&candidates[1]) < error(&candidates[0]) { candidates[1] } else { candidates[0] }
}

/// The code of noise that comes nearest: predictor, first and second stage.
pub(super) fn quantise_noise(frequencies: &Ten, memory: &Memory) -> (u8, u8, u8) {
    let weights = weights(frequencies);
    let codes = [0, 1].map(|mode| {
        let target = memory.target(&Predictor::noise(mode), frequencies);
        let error = |first: u8, second: u8| distance(&target, &noise_vector(first, second), &weights, 0..10);
        let (first, second) = (0..32)
            .flat_map(|first| (0..16).map(move |second| (first, second)))
            .min_by_key(|&(first, second)| error(first, second))
            .unwrap_or_default();
        (error(first, second), (mode, first, second))
    });
    if codes[1].0 < codes[0].0 { codes[1].1 } else { codes[0].1 }
}
