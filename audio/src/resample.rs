//! From one sample rate to another: a polyphase filter of finite response, in integers.
//!
//! The ratio of two rates is a fraction, so positions are counted and never drift: `n` samples in have given
//! `n * to / from` out, rounded up. The filter is flat up to 86 % of half of the lower rate (3.4 of 4 kHz, 6.9 of
//! 8 kHz) and 60 dB down from 103 % on. It delays by 24 samples of the lower rate: 3 ms at 8 kHz, 1.5 ms at 16 kHz.

/// Half the length of the filter, in samples of the lower rate.
const REACH: usize = 24;
/// Points of the filter's response per sample of the lower rate. The ratios of 8, 16, 24, 32 and 48 kHz need 2, 3, 4 or
/// 6, others lie between.
const GRID: usize = 240;
/// Taps that one ratio may need: 44,100 to 48,000 Hz needs 7,680, the worst of usual rates (32,000 to 11,025) 62,000.
const MAX_TAPS: usize = 1 << 16;
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;
/// What the taps of one output add up to. Their magnitudes add up to 2.4 times that, so that sums fit 32 bits.
const UNITY: i64 = 26_624;
const RECIPROCAL: i64 = (1 << 32) / UNITY + 1;
/// Samples that are worked on at once.
const BLOCK: usize = 960;

/// A stream on its way from one rate to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "saved::Saved", into = "saved::Saved"))]
pub struct Resampler {
    from: u32,
    to: u32,
    /// The ratio: so many samples out for so many in.
    up: usize,
    down: usize,
    /// `up` filters of `width` taps, for an output so many parts of a sample behind an input. Oldest first.
    taps: Vec<i16>,
    width: usize,
    /// The last `width - 1` samples; while working, what comes after them as well.
    past: Vec<i16>,
    /// Where the next sample out lies behind the next sample in: whole samples and parts.
    whole: usize,
    part: usize,
}

impl Resampler {
    /// For samples at `from` to samples at `to` per second, after silence.
    ///
    /// `None` when their ratio is none of small numbers: all ratios of 8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48 and
    /// 96 kHz can be had.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return None;
        }
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let width = if up == down { 1 } else { (2 * REACH * up.max(down)).div_ceil(up).next_multiple_of(16) };
        if up * width > MAX_TAPS {
            return None;
        }
        let taps = if up == down { Vec::new() } else { taps(up, down, width) };
        let mut past = Vec::with_capacity(width - 1 + BLOCK);
        past.resize(width - 1, 0);
        Some(Self { from, to, up, down, taps, width, past, whole: 0, part: 0 })
    }

    /// How many samples the next `inputs` will give.
    pub fn outputs(&self, inputs: usize) -> usize {
        (inputs * self.up).saturating_sub(self.whole * self.up + self.part).div_ceil(self.down)
    }

    /// How many samples the output lags behind, in samples of `to`.
    pub fn delay(&self) -> usize {
        if self.up == self.down { 0 } else { REACH * self.up.max(self.down) / self.down }
    }

    /// Appends what the next samples give.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if self.up == self.down {
            output.extend_from_slice(input);
            return;
        }
        let (wholes, parts) = (self.down / self.up, self.down % self.up);
        for block in input.chunks(BLOCK) {
            let start = output.len();
            output.resize(start + self.outputs(block.len()), 0);
            self.past.extend_from_slice(block);
            for sample in &mut output[start..] {
                let taps = &self.taps[self.part * self.width..][..self.width];
                *sample = filter(&self.past[self.whole..][..self.width], taps);
                self.part += parts;
                let carry = usize::from(self.part >= self.up);
                self.part -= carry * self.up;
                self.whole += wholes + carry;
            }
            self.whole -= block.len();
            self.past.drain(..block.len());
        }
    }
}

/// One sample out.
#[inline(always)]
fn filter(samples: &[i16], taps: &[i16]) -> i16 {
    let product = |(&sample, &tap): (&i16, &i16)| i32::from(sample) * i32::from(tap);
    let sum = samples.iter().zip(taps).map(product).fold(0, i32::wrapping_add);
    let scaled = (i64::from(sum) * RECIPROCAL + (1 << 31)) >> 32;
    scaled.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The filters of all parts. The response is that of one filter at the common multiple of the rates, cut into as many.
fn taps(up: usize, down: usize, width: usize) -> Vec<i16> {
    let unit = up.max(down);
    let mut taps = vec![0; up * width];
    for (part, taps) in taps.chunks_exact_mut(width).enumerate() {
        for (age, tap) in taps.iter_mut().rev().enumerate() {
            let at = (part + age * up).abs_diff(REACH * unit);
            // From a response with 30 fraction bits and a sum of one for each sample of the lower rate.
            let value = response(at, unit) * UNITY * up as i64 / unit as i64;
            *tap = ((value + (1 << 29)) >> 30) as i16;
        }
        // Rounding must not make one part louder than another: that would be heard as a tone.
        let sum: i64 = taps.iter().map(|&tap| i64::from(tap)).sum();
        if let Some(most) = taps.iter_mut().max() {
            *most += (UNITY - sum) as i16;
        }
    }
    taps
}

/// The filter's response `at / unit` samples of the lower rate from its middle.
fn response(at: usize, unit: usize) -> i64 {
    let (index, between) = (at * GRID / unit, at * GRID % unit);
    match RESPONSE.get(index..index + 2) {
        Some(&[before, after]) => before + (after - before) * between as i64 / unit as i64,
        _ => 0,
    }
}

/// Half of the response, with 30 fraction bits: the ideal low-pass at 94.5 % of half of the lower rate under a window
/// of Kaiser's with beta 6. Computed with 40 fraction bits at compile time.
static RESPONSE: [i64; REACH * GRID + 1] = {
    const ONE: i128 = 1 << 40;
    const PI: i128 = 3_454_217_652_358;
    const CUT: i128 = ONE * 945 / 1000;
    let (sine, cosine) = small_angle(PI * 945 / 1000 / GRID as i128, ONE);
    let (mut sin, mut cos) = (0, ONE);
    let top = kaiser(ONE, ONE);
    let mut table = [0; REACH * GRID + 1];
    let mut at = 0;
    while at < table.len() {
        let ideal = if at == 0 { CUT } else { sin * ONE / (PI * at as i128 / GRID as i128) };
        let place = (ONE * at as i128) / (REACH * GRID) as i128;
        let window = kaiser(ONE - place * place / ONE, ONE) * ONE / top;
        table[at] = ((ideal * window / ONE) >> 10) as i64;
        (sin, cos) = ((sin * cosine + cos * sine) / ONE, (cos * cosine - sin * sine) / ONE);
        at += 1;
    }
    table
};

/// Sine and cosine of a small angle.
const fn small_angle(angle: i128, one: i128) -> (i128, i128) {
    let square = angle * angle / one;
    let sine = angle - angle * square / one / 6 + angle * square / one * square / one / 120;
    (sine, one - square / 2 + square * square / one / 24)
}

/// The modified Bessel function of order 0 at 6 times the root of `square`.
const fn kaiser(square: i128, one: i128) -> i128 {
    let (mut sum, mut term, mut order) = (one, one, 1);
    while order <= 18 {
        term = term * square / one * 9 / (order * order);
        sum += term;
        order += 1;
    }
    sum
}

#[cfg(feature = "serde")]
mod saved {
    use super::Resampler;

    /// What is not computed.
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Saved {
        from: u32,
        to: u32,
        past: Vec<i16>,
        whole: usize,
        part: usize,
    }

    impl From<Resampler> for Saved {
        fn from(of: Resampler) -> Self {
            Self { from: of.from, to: of.to, past: of.past, whole: of.whole, part: of.part }
        }
    }

    impl TryFrom<Saved> for Resampler {
        type Error = &'static str;

        fn try_from(saved: Saved) -> Result<Self, Self::Error> {
            let mut new = Self::new(saved.from, saved.to).ok_or("rates without a simple ratio")?;
            if saved.past.len() != new.past.len() || saved.part >= new.up || saved.whole > new.down {
                return Err("the past is not of these rates");
            }
            new.past.copy_from_slice(&saved.past);
            (new.whole, new.part) = (saved.whole, saved.part);
            Ok(new)
        }
    }
}

#[cfg(test)]
mod tests;
