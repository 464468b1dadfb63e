//! Digits made as sound.

use std::collections::VecDeque;

use super::Digit;
use crate::tone::edge;
use crate::tone::sine::{Sine, peak};

/// Keys that wait at most.
const QUEUE: usize = 64;
/// Length of a rising or falling edge.
const EDGE_MS: u32 = 2;

/// How a country sends digits: levels in tenths of dBm0 per tone, times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Convention {
    /// Level of the low tone.
    pub low: i16,
    /// Level of the high tone, which lines attenuate more and is therefore sent stronger.
    pub high: i16,
    /// How long a tone lasts at least.
    pub on: u16,
    /// How long the pause after it lasts at least.
    pub off: u16,
}

impl Convention {
    /// Receivers everywhere take it: 2 dB of twist against the line, 8.3 digits per second at most being the slowest
    /// of Q.24 annex A (125 ms per digit, 70 ms of pause, both Australian).
    pub const COMMON: Self = Self { low: -80, high: -60, on: 80, off: 80 };
    /// ETSI ES 201 235-2: -11 and -9 dBV into 600 ohms, 65 ms at least.
    pub const ETSI: Self = Self { low: -90, high: -70, on: 70, off: 70 };

    /// What is used in a country, by its two letters (ISO 3166): ETSI's in those of Europe, otherwise the common one.
    pub fn of(country: &str) -> Self {
        const EUROPE: [&str; 15] =
            ["at", "be", "ch", "cz", "de", "dk", "es", "fi", "fr", "gb", "it", "nl", "no", "pl", "se"];
        if EUROPE.iter().any(|name| name.eq_ignore_ascii_case(country)) { Self::ETSI } else { Self::COMMON }
    }
}

/// As many keys wait as may: the key was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{QUEUE} digits wait to be sent: try again when some have been")]
pub struct Full;

/// Sends digits one after the other.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Generator {
    rate: u32,
    convention: Convention,
    waiting: VecDeque<Key>,
    sounding: Option<Sounding>,
    /// Samples of pause still to come.
    pause: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Key {
    digit: Digit,
    /// Samples from edge to edge; unknown while the key is down.
    length: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Sounding {
    low: Sine,
    high: Sine,
    length: Option<u32>,
    played: u32,
}

impl Generator {
    /// Silent until a key is pressed; `rate` is that of the samples, 4000 or more.
    pub fn new(rate: u32, convention: Convention) -> Self {
        Self { rate, convention, waiting: VecDeque::new(), sounding: None, pause: 0 }
    }

    /// Sends a digit for so many milliseconds, or as long as the convention says when that is longer, after those that
    /// wait.
    ///
    /// # Errors
    /// When too many wait.
    pub fn dial(&mut self, digit: Digit, milliseconds: u32) -> Result<(), Full> {
        let length = self.samples(milliseconds.max(u32::from(self.convention.on)));
        self.push(Key { digit, length: Some(length) })
    }

    /// The key goes down: the digit sounds, after those that wait, until [`Generator::release`].
    ///
    /// # Errors
    /// When too many wait.
    pub fn press(&mut self, digit: Digit) -> Result<(), Full> {
        self.release();
        self.push(Key { digit, length: None })
    }

    /// The key that is down goes up. It sounds as long as the convention says at least.
    pub fn release(&mut self) {
        self.release_after(0);
    }

    /// The key that is down goes up when it has sounded for so many milliseconds in all; at once when that is over.
    pub fn release_after(&mut self, milliseconds: u32) {
        let length = self.samples(milliseconds.max(u32::from(self.convention.on)));
        for key in &mut self.waiting {
            key.length.get_or_insert(length);
        }
        if let Some(key) = &mut self.sounding {
            let now = key.played.saturating_add(self.rate / 1000 * EDGE_MS);
            key.length.get_or_insert(length.max(now));
        }
    }

    /// Whether a digit sounds, waits, or was sent so shortly before that its pause is not over.
    pub fn busy(&self) -> bool {
        self.sounding.is_some() || self.pause > 0 || !self.waiting.is_empty()
    }

    /// Replaces all samples with what is to be sent, silence where nothing is.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            *sample = self.sample();
        }
    }

    fn sample(&mut self) -> i16 {
        if self.sounding.is_none() {
            if self.pause > 0 {
                self.pause -= 1;
                return 0;
            }
            let Some(key) = self.waiting.pop_front() else { return 0 };
            let (low, high) = key.digit.hertz();
            self.sounding = Some(Sounding {
                low: Sine::new(low * 1000, self.rate, peak(self.convention.low)),
                high: Sine::new(high * 1000, self.rate, peak(self.convention.high)),
                length: key.length,
                played: 0,
            });
        }
        let edge = self.rate / 1000 * EDGE_MS;
        let Some(key) = &mut self.sounding else { return 0 };
        let left = key.length.map_or(edge, |length| length.saturating_sub(key.played.saturating_add(1)));
        let sum = i32::from(key.low.sample()) + i32::from(key.high.sample());
        let value = edge::shape(sum, key.played.min(left), edge);
        key.played = key.played.saturating_add(1);
        if left == 0 {
            self.sounding = None;
            self.pause = self.samples(u32::from(self.convention.off));
        }
        value
    }

    fn push(&mut self, key: Key) -> Result<(), Full> {
        if self.waiting.len() >= QUEUE {
            return Err(Full);
        }
        self.waiting.push_back(key);
        Ok(())
    }

    fn samples(&self, milliseconds: u32) -> u32 {
        let samples = u64::from(self.rate) * u64::from(milliseconds) / 1000;
        u32::try_from(samples).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Detector, Event};
    use super::*;

    fn digits(text: &str) -> impl Iterator<Item = Digit> {
        text.chars().filter_map(Digit::from_char)
    }

    #[test]
    fn what_is_dialled_is_heard_with_its_length() {
        for (rate, convention) in [(8000, Convention::COMMON), (16_000, Convention::of("DE"))] {
            let mut generator = Generator::new(rate, convention);
            for (n, digit) in digits("0123456789*#ABCD").enumerate() {
                generator.dial(digit, 50 + 10 * n as u32).unwrap();
            }
            let (mut pcm, mut events) = (vec![0; rate as usize * 4], Vec::new());
            generator.fill(&mut pcm);
            assert!(!generator.busy());
            Detector::new(rate).unwrap().feed(&pcm, &mut events);
            let mut text = String::new();
            let mut lengths = Vec::new();
            for event in events {
                match event {
                    Event::Press { digit, .. } => text.push(digit.key()),
                    Event::Release { duration, .. } => lengths.push(duration * 1000 / u64::from(rate)),
                }
            }
            assert_eq!(text, "0123456789*#ABCD");
            for (n, length) in lengths.into_iter().enumerate() {
                let wanted = (50 + 10 * n as u64).max(u64::from(convention.on));
                assert!(length.abs_diff(wanted) <= 10, "{n}: {length} {wanted}");
            }
        }
    }

    #[test]
    fn a_key_sounds_while_it_is_down() {
        let mut generator = Generator::new(8000, Convention::COMMON);
        generator.press(Digit::from_char('5').unwrap()).unwrap();
        let mut pcm = vec![0; 8000];
        generator.fill(&mut pcm[..4000]);
        generator.release();
        generator.fill(&mut pcm[4000..]);
        assert!(pcm[..4000].chunks(80).all(|piece| piece.iter().any(|&x| x.abs() > 5000)));
        assert!(pcm[4020..].iter().all(|&x| x == 0));
        // Released before it began: it sounds for the shortest time, and the next comes after the pause.
        for digit in digits("12") {
            generator.press(digit).unwrap();
        }
        generator.release();
        generator.fill(&mut pcm);
        let sounds: Vec<bool> = pcm.chunks(80).map(|piece| piece.iter().any(|&x| x != 0)).collect();
        let tens = |from: usize, on: bool| sounds[from..].iter().take_while(|&&x| x == on).count();
        assert_eq!((tens(0, true), tens(8, false), tens(16, true), tens(24, false)), (8, 8, 8, 76));
    }

    /// More samples than can be counted: a day at 48 kHz.
    #[test]
    fn a_key_may_be_held_for_days() {
        let mut generator = Generator::new(48_000, Convention::COMMON);
        generator.press(Digit::from_char('5').unwrap()).unwrap();
        generator.fill(&mut [0; 480]);
        generator.sounding.as_mut().unwrap().played = u32::MAX - 100;
        generator.fill(&mut [0; 480]);
        generator.release();
        let mut pcm = vec![0; 48_000];
        generator.fill(&mut pcm);
        assert!(pcm[480..].iter().all(|&x| x == 0) && !generator.busy());
    }

    #[test]
    fn levels_are_those_of_the_convention_and_edges_are_smooth() {
        let mut generator = Generator::new(8000, Convention::COMMON);
        generator.dial(Digit::from_char('1').unwrap(), 500).unwrap();
        let mut pcm = vec![0; 4000];
        generator.fill(&mut pcm);
        let power = pcm[100..3900].iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 3800.0;
        let wanted = (f64::from(peak(-80)).powi(2) + f64::from(peak(-60)).powi(2)) / 2.0;
        assert!((10.0 * (power / wanted).log10()).abs() < 0.05);
        assert!(pcm[..4].iter().all(|x| x.abs() < 3000) && pcm[3996..].iter().all(|x| x.abs() < 3000));
    }

    #[test]
    fn keys_beyond_the_queue_are_refused() {
        let mut generator = Generator::new(8000, Convention::COMMON);
        let one = Digit::from_char('1').unwrap();
        for _ in 0..QUEUE {
            generator.dial(one, 0).unwrap();
        }
        assert_eq!(generator.dial(one, 0), Err(Full));
        assert_eq!(generator.press(one), Err(Full));
    }
}
