//! Keeps a sum inside the range of a sample without clipping it.

/// A gain of one.
const UNITY: i32 = 1 << 16;
/// How much the gain may fall in a millisecond to be low in time for a peak ahead: from one to a half takes 5 ms.
const ATTACK: i32 = UNITY / 10;
/// Milliseconds in which the gain makes good 63 % of what it lacks.
const RELEASE: i32 = 150;

/// A gain that is one until a sum does not fit in 16 bits, falls before the peak comes, as far as the frame shows it
/// ahead, and returns slowly. It delays nothing. What a frame shows too late, within its first millisecond, is clipped.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limiter {
    /// Samples of a millisecond: the gain moves in straight lines between the ends of those.
    step: u16,
    /// Gain at the end of the last frame, 1/65536.
    gain: i32,
    /// The gains at the ends of the milliseconds of a frame.
    #[cfg_attr(feature = "serde", serde(skip))]
    ends: Vec<i32>,
}

impl Limiter {
    /// At rest, for samples of this rate.
    pub fn new(rate: u32) -> Self {
        let step = u16::try_from(rate / 1000).unwrap_or(u16::MAX).max(1);
        Self { step, gain: UNITY, ends: Vec::new() }
    }

    /// Whether its gain is one, so that only a sum that does not fit concerns it.
    pub(super) fn at_rest(&self) -> bool {
        self.gain == UNITY
    }

    /// Writes the next frame of sums as samples.
    pub(super) fn limit(&mut self, sums: &[i32], out: &mut [i16]) {
        if self.at_rest() && fit(sums) {
            out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum as i16);
            return;
        }
        let step = usize::from(self.step.max(1));
        self.plan(sums);
        for ((out, sums), ends) in out.chunks_mut(step).zip(sums.chunks(step)).zip(self.ends.windows(2)) {
            let (from, to) = (i64::from(ends[0]), i64::from(ends[1]));
            // Sixteen more bits for the slope.
            let (mut gain, slope) = (from << 16, ((to - from) << 16) / sums.len() as i64);
            for (out, &sum) in out.iter_mut().zip(sums) {
                let value = i64::from(sum).wrapping_mul(gain >> 16) >> 16;
                *out = value.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
                gain = gain.wrapping_add(slope);
            }
        }
        self.gain = self.ends.last().copied().unwrap_or(self.gain);
    }

    /// The gains at the ends of the milliseconds: never above what both neighbours allow, falling early enough, rising
    /// slowly, the first being where the last frame ended.
    fn plan(&mut self, sums: &[i32]) {
        self.ends.clear();
        self.ends.push(self.gain);
        for (n, sums) in sums.chunks(usize::from(self.step.max(1))).enumerate() {
            let peak = sums.iter().fold(0, |peak: u32, sum| peak.max(sum.unsigned_abs()));
            let allowed = if peak > 32_767 { ((32_767_u64 << 16) / u64::from(peak)) as i32 } else { UNITY };
            if let (Some(between), 1..) = (self.ends.last_mut(), n) {
                *between = allowed.min(*between);
            }
            self.ends.push(allowed);
        }
        let mut ahead = UNITY;
        for end in self.ends.iter_mut().skip(1).rev() {
            *end = (*end).min(ahead.saturating_add(ATTACK));
            ahead = *end;
        }
        let (mut gain, step) = (self.gain, i32::from(self.step.max(1)));
        for (end, sums) in self.ends.iter_mut().skip(1).zip(sums.chunks(step as usize)) {
            let rise = (UNITY - gain + RELEASE - 1) / RELEASE;
            // The last piece may be shorter.
            gain = (*end).min(gain + (rise * sums.len() as i32 + step - 1) / step);
            *end = gain;
        }
    }
}

/// Whether all are samples.
fn fit(sums: &[i32]) -> bool {
    sums.iter().fold(0, |high, sum| high | sum.wrapping_add(1 << 15)) & !0xffff == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::sine::Sine;
    use proptest::prelude::*;

    /// Frames of 20 ms at 8000 Hz through a limiter.
    fn limited(sums: &[i32]) -> Vec<i16> {
        let mut limiter = Limiter::new(8000);
        let mut out = vec![0; sums.len()];
        for (sums, out) in sums.chunks(160).zip(out.chunks_mut(160)) {
            limiter.limit(sums, out);
        }
        out
    }

    fn sines(parts: &[(u32, i16)], samples: usize) -> Vec<i32> {
        let mut sum = vec![0; samples];
        for &(hertz, peak) in parts {
            let mut sine = Sine::new(hertz * 1000, 8000, peak);
            sum.iter_mut().for_each(|sum| *sum += i32::from(sine.sample()));
        }
        sum
    }

    /// Distortion: what is left when the three sines are fitted out, relative to them, in dB.
    fn residue(out: &[i16], hertz: &[u32]) -> f64 {
        let total: f64 = out.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / out.len() as f64;
        let mut tones = 0.0;
        for &hertz in hertz {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &x) in out.iter().enumerate() {
                let angle = std::f64::consts::TAU * f64::from(hertz) * n as f64 / 8000.0;
                re += f64::from(x) * angle.cos();
                im += f64::from(x) * angle.sin();
            }
            tones += 2.0 * (re * re + im * im) / (out.len() as f64).powi(2);
        }
        10.0 * ((total - tones) / total).log10()
    }

    #[test]
    fn three_loud_voices_are_turned_down_and_not_clipped() {
        let hertz = [400, 700, 1100];
        let sums = sines(&hertz.map(|hertz| (hertz, 30_000)), 16_000);
        let out = limited(&sums);
        let clipped: Vec<i16> = sums.iter().map(|&x| x.clamp(-32_768, 32_767) as i16).collect();
        let (soft, hard) = (residue(&out[8000..], &hertz), residue(&clipped[8000..], &hertz));
        assert!(soft < -30.0 && hard > -15.0, "{soft} {hard}");
        // Loud stays loud: the peaks use the range.
        assert!(out[8000..].iter().map(|x| x.unsigned_abs()).max().unwrap() > 31_000);
    }

    #[test]
    fn the_gain_is_low_before_the_peak_and_comes_back_to_exactness() {
        let mut sums = sines(&[(440, 10_000)], 16_000);
        let quiet = sums.clone();
        // A burst of twice the range in the middle of a frame.
        for (n, sum) in sums.iter_mut().enumerate().skip(1680).take(80) {
            *sum += if n % 16 < 8 { 55_000 } else { -55_000 };
        }
        let out = limited(&sums);
        // Before the frame that shows it nothing changes; no sample is at the rails for long.
        assert!(out[..1600].iter().zip(&quiet).all(|(&a, &b)| i32::from(a) == b));
        assert!(out[1680..1760].windows(4).all(|w| w.iter().any(|x| x.unsigned_abs() < 32_766)));
        for (n, pair) in out[1600..1680].windows(2).enumerate() {
            let (a, b) = (i32::from(pair[0]), i32::from(pair[1]));
            let step = (quiet[1601 + n] - quiet[1600 + n]).abs();
            assert!((b - a).abs() <= step + 400, "a click at {n}: {a} {b}");
        }
        let back = out.iter().zip(&quiet).rposition(|(&a, &b)| i32::from(a) != b).unwrap();
        assert!(back < 1760 + 8 * 1200, "back after {} ms", (back - 1760) / 8);
    }

    /// At 44,100 Hz a frame of 20 ms is no whole number of milliseconds: 20 and two samples.
    #[test]
    fn the_gain_does_not_jump_from_frame_to_frame() {
        let mut limiter = Limiter::new(44_100);
        let sums: Vec<i32> = (0..882 * 40).map(|n| if n / 882 == 1 { 90_000 } else { 20_000 }).collect();
        let mut out = vec![0; sums.len()];
        for (sums, out) in sums.chunks(882).zip(out.chunks_mut(882)) {
            limiter.limit(sums, out);
        }
        // Coming back, the gain rises by less than a 150th of what it lacks in 44 samples.
        let most = out[2 * 882..].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(most <= 3, "{most}");
    }

    #[test]
    fn a_frame_that_begins_too_loud_is_clipped_for_a_millisecond_at_most() {
        let sums: Vec<i32> = (0..1600).map(|n| if n < 160 { 0 } else { 60_000 - n % 7 * 1000 }).collect();
        let out = limited(&sums);
        let clipped = out.iter().filter(|&&x| x == i16::MAX).count();
        assert!(clipped <= 8 + 1, "{clipped}");
        assert!(out[168..].iter().all(|&x| x > 20_000));
    }

    proptest! {
        /// Any sums in frames of any lengths: nothing wraps, signs stay, and small sums stay exact while it rests.
        #[test]
        fn signs_and_bounds_hold(
            frames in prop::collection::vec(prop::collection::vec(-2_000_000..2_000_000_i32, 0..100), 1..8),
        ) {
            let mut limiter = Limiter::new(8000);
            for sums in frames {
                let rest = limiter.at_rest();
                let fits = sums.iter().all(|&x| i16::try_from(x).is_ok());
                let mut out = vec![0; sums.len()];
                limiter.limit(&sums, &mut out);
                for (&out, &sum) in out.iter().zip(&sums) {
                    let right = out == 0 || (i32::from(out) < 0) == (sum < 0);
                    prop_assert!(right && i32::from(out).abs() <= sum.abs(), "{} {}", out, sum);
                    prop_assert!(!(rest && fits) || i32::from(out) == sum);
                }
                prop_assert!((0..=UNITY).contains(&limiter.gain));
            }
        }
    }
}
