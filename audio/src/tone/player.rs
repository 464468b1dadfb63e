//! A cadence as samples.

use super::Cadence;
use super::cadence::{Part, Step};
use super::edge;
use super::sine::{Sine, peak};

/// Length of a rising or falling edge.
const EDGE_MS: u32 = 5;

/// Plays a cadence, for ever or to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Player {
    rate: u32,
    cadence: Cadence,
    /// Which step sounds; behind the last when all is over.
    step: usize,
    /// Its samples, those played, and its sines.
    length: Option<u32>,
    played: u32,
    sines: [Sine; 3],
    swing: Option<Sine>,
}

impl Player {
    /// From the beginning, at so many samples per second.
    pub fn new(cadence: Cadence, rate: u32) -> Self {
        let mut player = Self {
            rate,
            cadence,
            step: 0,
            length: None,
            played: 0,
            sines: [Sine::default(); 3],
            swing: None,
        };
        player.start();
        player
    }

    /// Whether it has come to its end: there is only silence from now on.
    pub fn finished(&self) -> bool {
        self.step >= self.cadence.steps.len()
    }

    /// Replaces all samples with the next ones.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            *sample = self.sample();
        }
    }

    fn sample(&mut self) -> i16 {
        if self.finished() {
            return 0;
        }
        let mut sum: i32 = self.sines.iter_mut().map(|sine| i32::from(sine.sample())).sum();
        if let Some(swing) = &mut self.swing {
            // 1 + 0.9 sin, divided by the root of its mean square (1 + 0.81 / 2), so that the power stays.
            let gain = 32_767 + i64::from(swing.sample());
            // At most 1.6 times what it was.
            sum = ((((i64::from(sum) * gain) >> 15) * 27_644) >> 15) as i32;
        }
        let edge = self.rate / 1000 * EDGE_MS;
        let left = self.length.map_or(edge, |length| length.saturating_sub(self.played + 1));
        let value = edge::shape(sum, self.played.min(left), edge);
        self.played = self.played.saturating_add(1);
        if left == 0 && self.length.is_some() {
            self.next();
        }
        value
    }

    fn next(&mut self) {
        self.step += 1;
        if self.step >= self.cadence.steps.len() {
            let repeated = self.cadence.steps.iter().position(|step| !step.once);
            self.step = repeated.unwrap_or(self.cadence.steps.len());
        }
        self.start();
    }

    fn start(&mut self) {
        let step = self.cadence.steps.get(self.step).copied().unwrap_or_default();
        let Step { tones, swing, milliseconds, .. } = step;
        let samples = u64::from(self.rate) * u64::from(milliseconds) / 1000;
        // A step has a sample at least, so that the cadence goes on.
        self.length = (milliseconds > 0).then(|| u32::try_from(samples).unwrap_or(u32::MAX).max(1));
        self.played = 0;
        let sine = |part: Part| Sine::new(u32::from(part.hertz) * 1000, self.rate, peak(part.level));
        self.sines = tones.map(|part| if part.hertz == 0 { Sine::default() } else { sine(part) });
        self.swing = (swing > 0).then(|| Sine::new(u32::from(swing) * 1000, self.rate, 29_490));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, Signal};
    use super::*;

    const RATES: [u32; 4] = [8000, 16_000, 44_100, 48_000];

    fn played(text: &str, rate: u32, milliseconds: u32) -> Vec<i16> {
        let mut pcm = vec![0; (rate as u64 * u64::from(milliseconds) / 1000) as usize];
        Player::new(text.parse().unwrap(), rate).fill(&mut pcm);
        pcm
    }

    /// Level in dBm0.
    fn level(pcm: &[i16]) -> f64 {
        let power = pcm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / pcm.len() as f64;
        10.0 * (power / (f64::from(peak(0)).powi(2) / 2.0)).log10()
    }

    /// Amplitude of a frequency.
    fn amplitude(pcm: &[i16], hertz: f64, rate: u32) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &x) in pcm.iter().enumerate() {
            let angle = std::f64::consts::TAU * hertz * n as f64 / f64::from(rate);
            re += f64::from(x) * angle.cos();
            im += f64::from(x) * angle.sin();
        }
        2.0 * re.hypot(im) / pcm.len() as f64
    }

    #[test]
    fn tones_and_pauses_have_their_lengths_for_ever() {
        for rate in RATES {
            let pcm = played("425/480,0/480", rate, 20_000);
            let millisecond = rate as usize / 1000;
            for (n, piece) in pcm.chunks(millisecond * 10).enumerate().take(1900) {
                // At 44.1 kHz ten such pieces are a little less than 100 ms.
                let at = n * 10 * millisecond * 1000 / rate as usize % 960;
                let loud = piece.iter().any(|x| x.abs() > 6000);
                if (10..465).contains(&at) || (485..945).contains(&at) {
                    assert_eq!(loud, at < 480, "{rate} Hz, {at} ms");
                }
            }
        }
    }

    #[test]
    fn every_plan_sounds_at_its_level_without_clicks_and_clipping() {
        let signals = [Signal::Dial, Signal::Ringback, Signal::Busy, Signal::Congestion, Signal::Waiting];
        for (plan, signal) in Plan::all().iter().flat_map(|plan| signals.map(|signal| (plan, signal))) {
            let text = plan.text(signal);
            let pcm = played(text, 8000, 3000);
            let first = text.split(['/', ',']).nth(1).and_then(|ms| ms.parse().ok()).unwrap_or(3000_usize);
            let body = &pcm[40..(first.min(3000) * 8).saturating_sub(40)];
            let wanted = match plan.country {
                "us" | "ca" => [-10.0, -16.0, -21.0, -21.0, -13.0]
                    [signal as usize - usize::from(signal == Signal::Waiting)],
                _ => -10.0,
            };
            assert!((level(body) - wanted).abs() < 0.7, "{} {signal:?}: {}", plan.country, level(body));
            // No step between two samples is larger than the sines make.
            let most = pcm.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
            assert!(most < 11_000, "{} {signal:?}: {most}", plan.country);
        }
    }

    #[test]
    fn two_tones_are_two_tones_and_a_swing_has_its_sidebands() {
        let pcm = played("350@-13+440@-13", 16_000, 1100);
        for hertz in [350.0, 440.0] {
            assert!((amplitude(&pcm[1600..], hertz, 16_000) - f64::from(peak(-130))).abs() < 10.0);
        }
        let pcm = played("400*25", 8000, 1100);
        let carrier = amplitude(&pcm[800..], 400.0, 8000);
        let sides = [375.0, 425.0].map(|hertz| amplitude(&pcm[800..], hertz, 8000) / carrier);
        assert!(sides.iter().all(|side| (side - 0.45).abs() < 0.01), "{sides:?}");
    }

    #[test]
    fn what_is_not_repeated_comes_once() {
        let mut player = Player::new("!950/330,!1400/330,!1800/330".parse().unwrap(), 8000);
        let mut pcm = vec![0; 8000];
        player.fill(&mut pcm[..7919]);
        assert!(!player.finished());
        player.fill(&mut pcm[7919..]);
        assert!(player.finished() && pcm[7920..].iter().all(|&x| x == 0));
        for (n, hertz) in [950.0, 1400.0, 1800.0].into_iter().enumerate() {
            assert!(amplitude(&pcm[n * 2640 + 80..n * 2640 + 2480], hertz, 8000) > 7000.0);
        }
        // First once, then again and again.
        let pcm = played("!425/100,0/100,440/100", 8000, 1000);
        let tone =
            |from: usize, hertz: f64| amplitude(&pcm[from * 8 + 80..from * 8 + 720], hertz, 8000) > 6000.0;
        assert!(tone(0, 425.0) && tone(200, 440.0) && tone(400, 440.0) && !tone(300, 440.0));
    }

    /// What is too loud for a sample is cut off, at the edges and where it swings as well.
    #[test]
    fn three_of_the_loudest_are_clipped() {
        for text in ["400@0+400@0+400@0/100", "400@0+400@0+400@0*25/100"] {
            let pcm = played(text, 8000, 100);
            assert!(pcm.contains(&i16::MAX) && pcm.contains(&i16::MIN));
            // 400 Hz are up for 10 samples and then down for 10.
            let up = |at: usize| pcm[20 * at..20 * at + 10].iter().all(|&sample| sample >= 0);
            assert!((1..39).all(up), "{text}");
        }
    }

    #[test]
    fn how_the_samples_are_asked_for_does_not_matter() {
        let text = "440@-19+480@-19/150,0/30,400*25/70";
        let whole = played(text, 8000, 2000);
        let mut player = Player::new(text.parse().unwrap(), 8000);
        let mut pieces = vec![0; 16_000];
        pieces.chunks_mut(37).for_each(|piece| player.fill(piece));
        assert_eq!(whole, pieces);
        // The shortest steps at the lowest rate still go on.
        let mut player = Player::new("0/1,425/1".parse().unwrap(), 100);
        player.fill(&mut [0; 1000]);
    }
}
