//! What makes decoded speech more pleasant: the postfilter of Annex A (clause A.4.2) and the high-pass behind it.

use super::highpass::HighPass;
use super::pitch::{LEAST, MOST};
use super::pulses::Samples;
use super::spectrum::{Filter, damped};
use super::{Line, SUBFRAME};

/// How far the zeros and the poles of the short-term filter are drawn in: 0.55 and 0.7.
const ZEROS: i32 = 18_022;
const POLES: i32 = 22_938;
/// The tilt that is compensated: 0.8 of what is measured.
const TILT: i64 = 26_214;

/// The state between subframes.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Postfilter {
    /// The last ten samples of speech, what of them the zeros leave over one pitch, and the last ten behind the poles.
    speech: Line,
    residual: Line,
    filtered: Line,
    tilted: i16,
    /// The gain that keeps the level, 12 bits behind the point.
    gain: i32,
    highpass: HighPass,
}

impl Default for Postfilter {
    fn default() -> Self {
        Self {
            speech: Line::default(),
            residual: Line::default(),
            filtered: Line::default(),
            tilted: 0,
            gain: 4096,
            highpass: HighPass::default(),
        }
    }
}

impl Postfilter {
    /// Appends the subframe as it shall be heard. `delay` is that of its pitch.
    pub(super) fn run(&mut self, speech: &Samples, filter: &Filter, delay: usize, pcm: &mut Vec<i16>) {
        let (zeros, poles) = (damped(filter, ZEROS), damped(filter, POLES));
        self.speech.copy_within(SUBFRAME.., 0);
        self.speech[10..10 + SUBFRAME].copy_from_slice(speech);
        self.residual.copy_within(SUBFRAME.., 0);
        for n in 0..SUBFRAME {
            let sum: i32 = (0..11).map(|i| i32::from(zeros[i]) * i32::from(self.speech[10 + n - i])).sum();
            self.residual[MOST + n] = ((sum + (1 << 11)) >> 12).clamp(-32_768, 32_767) as i16;
        }
        let mut signal = self.along_pitch(delay);
        self.tilt(&mut signal, &zeros, &poles);
        self.filtered.copy_within(SUBFRAME.., 0);
        for (n, &sample) in signal.iter().enumerate() {
            let past: i64 = (1..11).map(|i| i64::from(poles[i]) * i64::from(self.filtered[10 + n - i])).sum();
            let new = i64::from(sample) - ((past + (1 << 11)) >> 12);
            self.filtered[10 + n] = new.clamp(-32_768, 32_767) as i16;
        }
        self.level(speech, pcm);
    }

    /// The residual with some of itself a pitch ago, where that is like it.
    fn along_pitch(&self, delay: usize) -> Samples {
        let now = &self.residual[MOST..MOST + SUBFRAME];
        let ago = |delay: usize| &self.residual[MOST - delay..][..SUBFRAME];
        let product =
            |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum::<i64>();
        let most = (delay + 3).clamp(LEAST, MOST);
        let mut best = (i64::MIN, most);
        for delay in most - 6..=most {
            let like = product(now, ago(delay));
            if like > best.0 {
                best = (like, delay);
            }
        }
        let (like, then) = (best.0, ago(best.1));
        let (own, other) = (product(now, now), product(then, then));
        // Less than 3 dB are gained: not voiced.
        if like <= 0 || i128::from(like).pow(2) * 2 < i128::from(own) * i128::from(other) {
            return std::array::from_fn(|n| now[n]);
        }
        // Half of the optimal gain, but at most half; 15 bits behind the point. `other` is not zero where `like` is
        // not.
        let half = ((like.min(other) << 14) / other).min(1 << 14);
        let share = (half << 15) / ((1 << 15) + half);
        std::array::from_fn(|n| {
            let sum = i64::from(now[n]) * ((1 << 15) - share) + i64::from(then[n]) * share;
            ((sum + (1 << 14)) >> 15) as i16
        })
    }

    /// Compensates the tilt that the short-term filter gives.
    fn tilt(&mut self, signal: &mut Samples, zeros: &Filter, poles: &Filter) {
        let mut answer = [0_i64; 22];
        for n in 0..22 {
            let past: i64 = (1..=10.min(n)).map(|i| i64::from(poles[i]) * answer[n - i]).sum();
            answer[n] = zeros.get(n).map_or(0, |&zero| i64::from(zero)) - (past >> 12);
        }
        let energy: i64 = answer.iter().map(|h| h * h).sum();
        let next: i64 = answer.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let tilt =
            if next <= 0 { 0 } else { (i128::from(next) * i128::from(TILT) / i128::from(energy)) as i64 };
        for sample in signal {
            let new = i64::from(*sample) - ((i64::from(self.tilted) * tilt) >> 15);
            self.tilted = std::mem::replace(sample, new.clamp(-32_768, 32_767) as i16);
        }
    }

    /// Appends the filtered samples at the level of the speech.
    fn level(&mut self, speech: &Samples, pcm: &mut Vec<i16>) {
        let energy = |samples: &[i16]| samples.iter().map(|&s| i64::from(s).pow(2)).sum::<i64>();
        let (before, behind) = (energy(speech), energy(&self.filtered[10..10 + SUBFRAME]));
        let wanted = if behind == 0 { 0 } else { ((i128::from(before) << 24) / i128::from(behind)).isqrt() };
        // Cannot be cut off more than the gain ever needs.
        let wanted = wanted.min(1 << 20) as i32;
        for &sample in &self.filtered[10..10 + SUBFRAME] {
            // 0.9 of the old gain and 0.1 of the new.
            self.gain = ((i64::from(self.gain) * 29_491 + i64::from(wanted) * 3277) >> 15) as i32;
            let level = (i64::from(sample) * i64::from(self.gain)) >> 12;
            let level = self.highpass.behind(level.clamp(-32_768, 32_767) as i16);
            pcm.push(level);
        }
    }
}
