//! Mixing: each listener hears the sum of all others.
//!
//! A frame is summed once in 32 bits; what a listener hears is the sum without its own part ([`Mix::without`]), and all
//! who are silent themselves hear the same ([`Mix::all`]), so that it is encoded once for them. Nothing is scaled: one
//! speaker alone is passed on bit-exact. A [`Limiter`] per listener, or group of those who hear the same, turns the
//! gain down where the sum is too large for a sample.
//!
//! All parts of one mix have the same rate; resample before.

mod limiter;
mod speakers;

pub use limiter::Limiter;
pub use speakers::Speakers;

/// The sum of one frame. Kept from frame to frame only for its memory.
///
/// It is kept in 16 bits, twice as many to a vector, until it does not fit any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mix {
    narrow: Vec<i16>,
    /// In use once it is not empty.
    wide: Vec<i32>,
    /// What one listener hears, when that may not fit.
    others: Vec<i32>,
}

impl Mix {
    /// Begins a frame of so many samples: silence.
    pub fn start(&mut self, samples: usize) {
        self.wide.clear();
        self.narrow.clear();
        self.narrow.resize(samples, 0);
    }

    /// Adds a speaker. What is missing of its frame is silence, what is too much is ignored.
    pub fn add(&mut self, frame: &[i16]) {
        if self.wide.is_empty() {
            if !overflows(&mut self.narrow, frame) {
                return;
            }
            // The sum is right modulo 2^16: taking the part off again restores it.
            let part = frame.iter().chain(std::iter::repeat(&0));
            let before = self.narrow.iter().zip(part).map(|(sum, &x)| i32::from(sum.wrapping_sub(x)));
            self.wide.extend(before);
        }
        for (sum, &sample) in self.wide.iter_mut().zip(frame) {
            // Cannot wrap with fewer than 65,536 speakers.
            *sum = sum.wrapping_add(i32::from(sample));
        }
    }

    /// Appends what somebody hears who added nothing.
    pub fn all(&mut self, limiter: &mut Limiter, pcm: &mut Vec<i16>) {
        self.without(&[], limiter, pcm);
    }

    /// Appends what a speaker hears who added `own`.
    pub fn without(&mut self, own: &[i16], limiter: &mut Limiter, pcm: &mut Vec<i16>) {
        let from = pcm.len();
        let own = &own[..own.len().min(self.narrow.len())];
        if self.wide.is_empty() {
            pcm.extend_from_slice(&self.narrow);
            if !underflows(&mut pcm[from..], own) && limiter.at_rest() {
                return;
            }
            self.others.clear();
            self.others.extend(self.narrow.iter().map(|&sum| i32::from(sum)));
        } else {
            self.others.clone_from(&self.wide);
            pcm.resize(from + self.others.len(), 0);
        }
        for (sum, &sample) in self.others.iter_mut().zip(own) {
            *sum = sum.wrapping_sub(i32::from(sample));
        }
        limiter.limit(&self.others, &mut pcm[from..]);
    }
}

/// Multiplies a frame by a gain that moves from `from` to `to`, in 1/65536: for one who joins or leaves a mix, so that
/// it is not cut in. Gains above one are taken as one.
pub fn fade(frame: &mut [i16], from: u32, to: u32) {
    let (from, to) = (i64::from(from.min(1 << 16)), i64::from(to.min(1 << 16)));
    let length = frame.len().max(1) as i64;
    for (n, sample) in (0..).zip(frame) {
        let gain = from + (to - from) * n / length;
        *sample = ((i64::from(*sample) * gain) >> 16) as i16;
    }
}

/// Adds modulo 2^16; whether a sum does not fit somewhere.
fn overflows(sums: &mut [i16], part: &[i16]) -> bool {
    let mut differ = 0;
    for (sum, &sample) in sums.iter_mut().zip(part) {
        let wrapped = sum.wrapping_add(sample);
        differ |= wrapped ^ sum.saturating_add(sample);
        *sum = wrapped;
    }
    differ != 0
}

/// Subtracts modulo 2^16; whether a difference does not fit somewhere.
fn underflows(sums: &mut [i16], part: &[i16]) -> bool {
    let mut differ = 0;
    for (sum, &sample) in sums.iter_mut().zip(part) {
        let wrapped = sum.wrapping_sub(sample);
        differ |= wrapped ^ sum.saturating_sub(sample);
        *sum = wrapped;
    }
    differ != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::sine::{Sine, peak};
    use proptest::prelude::*;

    fn tone(hertz: u32, peak: i16, samples: usize) -> Vec<i16> {
        let mut sine = Sine::new(hertz * 1000, 8000, peak);
        (0..samples).map(|_| sine.sample()).collect()
    }

    /// Amplitude of a frequency in a piece of sound at 8000 Hz.
    fn amplitude(pcm: &[i16], hertz: u32) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &x) in pcm.iter().enumerate() {
            let angle = std::f64::consts::TAU * f64::from(hertz) * n as f64 / 8000.0;
            re += f64::from(x) * angle.cos();
            im += f64::from(x) * angle.sin();
        }
        2.0 * re.hypot(im) / pcm.len() as f64
    }

    #[test]
    fn a_hundred_members_hear_all_others_and_not_themselves() {
        const MEMBERS: usize = 100;
        // A frequency each, 20 Hz apart, so that a second of sound tells them apart.
        let parts: Vec<Vec<i16>> =
            (0..MEMBERS).map(|n| tone(300 + 20 * n as u32, peak(-400), 8000)).collect();
        let mut mix = Mix::default();
        let mut heard = vec![Vec::new(); MEMBERS];
        let mut limiters = vec![Limiter::new(8000); MEMBERS];
        for at in (0..8000).step_by(160) {
            mix.start(160);
            for part in &parts {
                mix.add(&part[at..at + 160]);
            }
            for (member, pcm) in heard.iter_mut().enumerate() {
                mix.without(&parts[member][at..at + 160], &mut limiters[member], pcm);
            }
        }
        for (member, pcm) in heard.iter().enumerate().step_by(9) {
            for other in 0..MEMBERS {
                let got = amplitude(pcm, 300 + 20 * other as u32);
                let wanted = if other == member { 0.0 } else { f64::from(peak(-400)) };
                assert!((got - wanted).abs() < 2.0, "{member} hears {other} at {got}");
            }
        }
    }

    #[test]
    fn a_fade_moves_from_one_gain_to_the_other() {
        let mut frame = [10_000; 160];
        fade(&mut frame, 0, 1 << 16);
        assert!(frame.is_sorted() && frame[0] == 0 && frame[159] > 9900);
        let mut frame = [-32_768, 32_767, 5];
        fade(&mut frame, 1 << 16, u32::MAX);
        assert_eq!(frame, [-32_768, 32_767, 5]);
    }

    proptest! {
        /// Whatever fits is exact, whatever lengths the parts have.
        #[test]
        fn a_sum_that_fits_is_exact(
            parts in prop::collection::vec(prop::collection::vec(-6000..=6000_i16, 0..200), 1..6),
            loud in any::<bool>(),
        ) {
            // Some that cancel each other, so that the sum is wide in between.
            let mut parts = parts;
            if loud {
                parts.extend([vec![30_000; 160], vec![20_000; 160], vec![-30_000; 160], vec![-20_000; 160]]);
            }
            let mut mix = Mix::default();
            mix.start(160);
            parts.iter().for_each(|part| mix.add(part));
            for (own, part) in parts.iter().enumerate().filter(|(_, part)| part.iter().all(|x| x.abs() <= 6000)) {
                let mut pcm = vec![1];
                mix.without(part, &mut Limiter::new(8000), &mut pcm);
                prop_assert_eq!(pcm.len(), 161);
                for n in 0..160 {
                    let others = parts.iter().enumerate().filter(|(other, _)| *other != own);
                    let sum: i32 = others.map(|(_, part)| i32::from(part.get(n).copied().unwrap_or(0))).sum();
                    prop_assert_eq!(i32::from(pcm[n + 1]), sum);
                }
            }
        }

        /// One speaker alone, as loud as can be.
        #[test]
        fn one_alone_is_passed_on_exactly(part in prop::collection::vec(any::<i16>(), 160)) {
            let (mut mix, mut limiter, mut pcm) = (Mix::default(), Limiter::new(8000), Vec::new());
            mix.start(160);
            mix.add(&part);
            mix.all(&mut limiter, &mut pcm);
            prop_assert_eq!(&pcm, &part);
            pcm.clear();
            mix.without(&part, &mut limiter, &mut pcm);
            prop_assert!(pcm.iter().all(|&x| x == 0));
        }
    }

    /// What a member of a conference costs; for a release build: `cargo test -p telex-audio --release cost -- --ignored
    /// --nocapture`.
    #[test]
    #[ignore = "it measures, and prints"]
    fn the_cost_per_member() {
        for (members, peak) in [(3, 3000), (10, 3000), (100, 200), (1000, 20), (3, 20_000), (100, 3000)] {
            let parts: Vec<Vec<i16>> = (0..members).map(|n| tone(300 + n, peak, 160)).collect();
            let mut limiters = vec![Limiter::new(8000); parts.len()];
            let (mut mix, mut pcm) = (Mix::default(), Vec::new());
            let mut best = f64::MAX;
            for _ in 0..50 {
                let rounds = 20_000 / members;
                let start = std::time::Instant::now();
                for _ in 0..rounds {
                    mix.start(160);
                    for part in &parts {
                        mix.add(std::hint::black_box(part));
                    }
                    for (part, limiter) in parts.iter().zip(&mut limiters) {
                        pcm.clear();
                        mix.without(std::hint::black_box(part), limiter, &mut pcm);
                        std::hint::black_box(&pcm);
                    }
                }
                best = best.min(start.elapsed().as_nanos() as f64 / f64::from(rounds * members));
            }
            println!("{members} members, peaks of {peak}: {best:.1} ns per member and frame of 160 samples");
        }
    }
}
