//! One sub-band of G.722: an adaptive quantiser around a predictor of two poles and six zeros (§3.5, §3.6).
//!
//! Names in comments are those of the blocks in §6.2 of the Recommendation. Sums saturate at 16 bits and products
//! keep 15 fraction bits, exactly as there, so that encoder and decoder never part.

use super::tables;

/// Lanes of a vector register: six zeros and two that stay zero.
const LANES: usize = 8;
const ZEROS: usize = 6;

/// The state of one sub-band, the same in encoder and decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Band {
    /// Coefficients of the zeros, newest difference first.
    zeros: [i16; LANES],
    /// Twice the last quantised differences, saturated.
    differences: [i16; LANES],
    /// Coefficients of the poles.
    poles: [i16; 2],
    /// Twice the last reconstructed signals, saturated.
    signals: [i16; 2],
    /// The last partly reconstructed signals: only their signs count.
    partials: [i16; 2],
    /// The quantiser's scale factor: logarithmic, and as the size of a step.
    log_scale: i16,
    scale: i16,
    /// What is predicted next: by zeros alone, and in all.
    from_zeros: i16,
    prediction: i16,
}

impl Band {
    /// A band after reset, with its least scale factor.
    const fn new(scale: i16) -> Self {
        Self {
            zeros: [0; LANES],
            differences: [0; LANES],
            poles: [0; 2],
            signals: [0; 2],
            partials: [0; 2],
            log_scale: 0,
            scale,
            from_zeros: 0,
            prediction: 0,
        }
    }

    pub(super) const fn lower() -> Self {
        Self::new(32)
    }

    pub(super) const fn higher() -> Self {
        Self::new(8)
    }

    /// The six bits for a sample of the lower band.
    #[inline(always)]
    pub(super) fn encode_lower(&mut self, sample: i16) -> u8 {
        let code = tables::quantise_lower(sample.saturating_sub(self.prediction), self.scale);
        self.step_lower(code);
        code
    }

    /// The two bits for a sample of the higher band.
    #[inline(always)]
    pub(super) fn encode_higher(&mut self, sample: i16) -> u8 {
        let code = tables::quantise_higher(sample.saturating_sub(self.prediction), self.scale);
        self.step_higher(code);
        code
    }

    /// The lower band's sample for six bits, which `fine` turns into a difference in units of the scale factor.
    #[inline(always)]
    pub(super) fn decode_lower(&mut self, code: u8, fine: &[i16; 64]) -> i16 {
        let code = code & 63;
        let sample = self.prediction.saturating_add(product(self.scale, fine[usize::from(code)]));
        self.step_lower(code);
        limit(sample)
    }

    /// The higher band's sample for two bits.
    #[inline(always)]
    pub(super) fn decode_higher(&mut self, code: u8) -> i16 {
        limit(self.step_higher(code & 3))
    }

    /// Makes steps smaller: 2048 is a factor of two.
    pub(super) fn shrink(&mut self, by: i16, offset: usize) {
        self.log_scale = self.log_scale.saturating_sub(by).max(0);
        self.scale = tables::scale(self.log_scale, offset);
    }

    /// INVQAL, LOGSCL, SCALEL: adaptation looks at the upper four bits only, so that the lower two may be stolen.
    #[inline(always)]
    fn step_lower(&mut self, code: u8) {
        let coarse = usize::from(code >> 2 & 15);
        let difference = product(self.scale, tables::LOWER_4[coarse]);
        self.log_scale = (leak(self.log_scale) + tables::LOWER_LOG[coarse]).clamp(0, 18_432);
        self.scale = tables::scale(self.log_scale, tables::LOWER_OFFSET);
        self.adapt(difference);
    }

    /// INVQAH, LOGSCH, SCALEH.
    #[inline(always)]
    fn step_higher(&mut self, code: u8) -> i16 {
        let code = usize::from(code & 3);
        let difference = product(self.scale, tables::HIGHER_2[code]);
        self.log_scale = (leak(self.log_scale) + tables::HIGHER_LOG[code]).clamp(0, 22_528);
        self.scale = tables::scale(self.log_scale, tables::HIGHER_OFFSET);
        self.adapt(difference)
    }

    /// Block 4: takes the quantised difference, adapts the predictor, predicts. Gives the reconstructed signal.
    #[inline(always)]
    fn adapt(&mut self, difference: i16) -> i16 {
        let partial = self.from_zeros.saturating_add(difference); // PARREC
        let signal = self.prediction.saturating_add(difference);
        self.adapt_zeros(difference);
        self.adapt_poles(partial);
        self.partials = [partial, self.partials[0]];
        self.signals = [signal.saturating_add(signal), self.signals[0]];
        // FILTEZ, FILTEP, PREDIC.
        self.from_zeros = sum_of_products(&self.differences, &self.zeros);
        let from_poles =
            product(self.poles[0], self.signals[0]).saturating_add(product(self.poles[1], self.signals[1]));
        self.prediction = from_poles.saturating_add(self.from_zeros);
        signal
    }

    /// UPZERO: each coefficient leaks by 1/256 and moves by a step towards the correlation of its difference with the
    /// new one. It cannot leave 16 bits: the leak at their ends is as large as the step.
    #[inline(always)]
    fn adapt_zeros(&mut self, difference: i16) {
        let step = if difference == 0 { 0 } else { 128 };
        for lane in 0..LANES {
            let opposed = (difference ^ self.differences[lane]) >> 15;
            let towards = (step ^ opposed).wrapping_sub(opposed);
            let kept = ((i32::from(self.zeros[lane]) * 32_640) >> 15) as i16;
            self.zeros[lane] = kept.wrapping_add(towards);
        }
        let [a, b, c, d, e, ..] = self.differences;
        self.differences = [difference.saturating_add(difference), a, b, c, d, e, 0, 0];
    }

    /// UPPOL2, UPPOL1.
    #[inline(always)]
    fn adapt_poles(&mut self, partial: i16) {
        let [first, second] = self.poles.map(i32::from);
        let opposed = |before: i16| i32::from((partial ^ before) >> 15);
        let with = |mask: i32, value: i32| (value ^ mask) - mask;

        let against_first = opposed(self.partials[0]);
        let pull = with(!against_first, first * 4).clamp(-32_768, 32_767) >> 7;
        let step = with(opposed(self.partials[1]), 128);
        let second = (pull + step + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);

        let bound = 15_360 - second;
        let first = (with(against_first, 192) + ((first * 32_640) >> 15)).clamp(-bound, bound);
        self.poles = [first as i16, second as i16];
    }
}

/// The leak of the logarithmic scale factor, 1/128.
#[inline(always)]
fn leak(log_scale: i16) -> i16 {
    ((i32::from(log_scale) * 32_512) >> 15) as i16
}

/// A product with 15 fraction bits.
#[inline(always)]
fn product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15).min(32_767) as i16
}

/// Six products, each cut to 16 bits, added one by one, oldest first, with saturation.
#[inline(always)]
fn sum_of_products(a: &[i16; LANES], b: &[i16; LANES]) -> i16 {
    let products: [i16; LANES] = std::array::from_fn(|lane| product(a[lane], b[lane]));
    products[..ZEROS].iter().rev().fold(0, |sum: i16, &product| sum.saturating_add(product))
}

/// LIMIT: the bands leave room for the sum of both.
#[inline(always)]
fn limit(sample: i16) -> i16 {
    sample.clamp(-16_384, 16_383)
}
