//! Line spectral frequencies: their prediction and two-stage code, and the way from them to the synthesis filter.

use super::frame::Spectrum;
use super::math::cosine;
use super::tables::{LSF_FIRST, LSF_PREDICTOR, LSF_REST, LSF_SECOND, SID_FIRST_AT, SID_REST, SID_SECOND_AT};

/// Ten numbers: frequencies in radians (13 bits behind the point) or their cosines (15 bits).
pub(in crate::codec) type Ten = [i16; 10];
/// The coefficients of a filter of tenth order, the first of them one, 12 bits behind the point.
pub(in crate::codec) type Filter = [i16; 11];

/// Cosines before the first frame.
pub(in crate::codec) const COSINES_AT_START: Ten =
    [30_000, 26_000, 21_000, 15_000, 8000, 0, -8000, -15_000, -21_000, -26_000];

/// How a frame follows from what was decoded before it.
#[derive(Clone, Copy)]
pub(super) struct Predictor {
    ages: [[i16; 10]; 4],
    rest: [i16; 10],
}

impl Predictor {
    /// One of the two for speech.
    pub(super) fn speech(mode: u8) -> Self {
        let mode = usize::from(mode & 1);
        Self { ages: LSF_PREDICTOR[mode], rest: LSF_REST[mode] }
    }

    /// One of the two for noise: the second is a blend of those for speech (clause B.4.2.2).
    pub(super) fn noise(mode: u8) -> Self {
        let mode = usize::from(mode & 1);
        let blend = |age: usize, i: usize| {
            let [first, second] = LSF_PREDICTOR.map(|ages| i32::from(ages[age][i]));
            ((first * 19_660 + second * 13_107) >> 15) as i16
        };
        let ages = if mode == 0 {
            LSF_PREDICTOR[0]
        } else {
            std::array::from_fn(|a| std::array::from_fn(|i| blend(a, i)))
        };
        Self { ages, rest: SID_REST[mode] }
    }
}

/// The code vectors of the last four frames, the newest first.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Memory([Ten; 4]);

impl Default for Memory {
    fn default() -> Self {
        // Equal distances from 0 to pi.
        Self([[2339, 4679, 7018, 9358, 11_698, 14_037, 16_377, 18_717, 21_056, 23_396]; 4])
    }
}

impl Memory {
    /// What the predictor expects, 28 bits behind the point.
    fn expected(&self, predictor: &Predictor, i: usize) -> i32 {
        self.0.iter().zip(&predictor.ages).map(|(past, age)| i32::from(past[i]) * i32::from(age[i])).sum()
    }

    /// The frequencies for a code vector, which is remembered.
    pub(super) fn decode(&mut self, predictor: &Predictor, vector: &Ten) -> Ten {
        let mut frequencies = std::array::from_fn(|i| {
            let rest = i32::from(vector[i]) * i32::from(predictor.rest[i]);
            ((self.expected(predictor, i) + rest) >> 15) as i16
        });
        self.remember(*vector);
        steady(&mut frequencies);
        frequencies
    }

    /// The code vector that would give the frequencies: what a quantiser aims at.
    pub(super) fn target(&self, predictor: &Predictor, frequencies: &Ten) -> Ten {
        std::array::from_fn(|i| {
            let rest = (i32::from(frequencies[i]) << 15) - self.expected(predictor, i);
            (rest / i32::from(predictor.rest[i])).clamp(-32_000, 32_000) as i16
        })
    }

    /// After a lost frame whose frequencies were repeated: the memory as if they had been sent.
    pub(super) fn repeat(&mut self, predictor: &Predictor, frequencies: &Ten) {
        self.remember(self.target(predictor, frequencies));
    }

    fn remember(&mut self, vector: Ten) {
        self.0.rotate_right(1);
        self.0[0] = vector;
    }
}

/// The code vector of a frame of speech (clause 3.2.4).
pub(super) fn vector(code: Spectrum) -> Ten {
    let [lower, upper] = code.second.map(|row| &LSF_SECOND[usize::from(row & 31)]);
    compose(&LSF_FIRST[usize::from(code.first & 127)], lower, upper)
}

/// The code vector of a description of noise: five bits for the first, four for both halves of the second stage.
pub(super) fn noise_vector(first: u8, second: u8) -> Ten {
    let row = usize::from(second & 15);
    let [lower, upper] = [0, 1].map(|half| &LSF_SECOND[usize::from(SID_SECOND_AT[half][row]) & 31]);
    compose(&LSF_FIRST[usize::from(SID_FIRST_AT[usize::from(first & 31)] & 127)], lower, upper)
}

fn compose(first: &Ten, lower: &Ten, upper: &Ten) -> Ten {
    let mut vector = std::array::from_fn(|i| first[i] + if i < 5 { lower[i] } else { upper[i] });
    for gap in [10, 5] {
        for i in 1..10 {
            let close = vector[i - 1] - vector[i] + gap;
            if close > 0 {
                vector[i - 1] -= close / 2;
                vector[i] += close / 2;
            }
        }
    }
    vector
}

/// Orders the frequencies and keeps them apart, so that the filter is stable.
fn steady(frequencies: &mut Ten) {
    for i in 0..9 {
        if frequencies[i + 1] < frequencies[i] {
            frequencies.swap(i, i + 1);
        }
    }
    frequencies[0] = frequencies[0].max(40);
    for i in 0..9 {
        frequencies[i + 1] = frequencies[i + 1].max(frequencies[i].saturating_add(321));
    }
    frequencies[9] = frequencies[9].min(25_681);
}

/// Cosines of the frequencies.
pub(super) fn cosines(frequencies: &Ten) -> Ten {
    frequencies.map(cosine)
}

/// The filters of both subframes: that of the first is half way from the frame before (clause 3.2.5).
pub(super) fn filters(before: &Ten, now: &Ten) -> [Filter; 2] {
    let between = std::array::from_fn(|i| (before[i] >> 1) + (now[i] >> 1));
    [filter(&between), filter(now)]
}

/// The synthesis filter of cosines of line spectral frequencies (clause 3.2.6).
pub(super) fn filter(cosines: &Ten) -> Filter {
    let [mut sum, mut difference] = [0, 1].map(|from: usize| {
        // The product of 1 - 2 q z + z^2 over every other cosine q, 24 bits behind the point. It is a palindrome, and
        // only its first half is kept.
        let mut product = [0_i64; 6];
        product[0] = 1 << 24;
        for (i, &q) in cosines[from..].iter().step_by(2).enumerate() {
            let step = |product: &[i64; 6], k: usize| -((i64::from(q) * product[k - 1]) >> 14);
            let back = |product: &[i64; 6], k: usize| if k >= 2 { product[k - 2] } else { 0 };
            product[i + 1] = step(&product, i + 1) + 2 * back(&product, i + 1);
            for k in (1..=i).rev() {
                product[k] += step(&product, k) + back(&product, k);
            }
        }
        product
    });
    for i in (1..6).rev() {
        sum[i] += sum[i - 1];
        difference[i] -= difference[i - 1];
    }
    let mut filter = [4096; 11];
    for i in 1..6 {
        let round = |value: i64| ((value + (1 << 12)) >> 13).clamp(-32_768, 32_767) as i16;
        filter[i] = round(sum[i] + difference[i]);
        filter[11 - i] = round(sum[i] - difference[i]);
    }
    filter
}

/// The filter with its poles drawn in: each coefficient by one more power of `factor`, 15 bits behind the point.
pub(in crate::codec) fn damped(filter: &Filter, factor: i32) -> Filter {
    let mut power = 32_768;
    filter.map(|coefficient| {
        let result = ((i32::from(coefficient) * power + (1 << 14)) >> 15) as i16;
        power = (power * factor + (1 << 14)) >> 15;
        result
    })
}
