//! Spoken digits: made by flite, a program that speaks, and recognised in what somebody recorded.
//!
//! A word is compared with all ten as they were spoken, by the energy in sixteen bands over time. The recording must
//! have been made of the same voice.

use std::f64::consts::PI;
use std::process::Command;

use crate::ground::Ground;
use crate::tone;
use crate::wav::Sound;

/// What is said, in the order of the digits.
const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Samples per second of [`Voice::track`].
pub const RATE: u32 = 16_000;
/// Samples per second at which sound is compared: telephones carry no more.
const NARROW: u32 = 8000;
/// Looks at the sound per second; each sees twice the time between two of them.
const LOOKS: usize = 100;
/// Bands of 200 Hz, from 200 Hz on.
const BANDS: usize = 16;
/// A band holds nothing when it is so much weaker than the strongest of the word, in decibels.
const FLOOR: f64 = 40.0;
/// What is so much weaker than the loudest look is a pause, in decibels.
const PAUSE: f64 = 30.0;
/// Looks of pause that end a word: there are shorter ones within words.
const GAP: usize = 20;
/// Looks around a word that are compared, too: how it begins and ends is quiet.
const AROUND: usize = 15;
/// Looks by which a word may be found too early or too late.
const SHIFT: isize = 30;
/// Seconds of silence around each word of a track.
const REST: f64 = 0.4;
/// Seconds of the tone that begins each round of a track.
const MARK: f64 = 2.4;

/// Ten spoken digits.
#[derive(Debug)]
pub struct Voice {
    words: Vec<Sound>,
    common: [f64; BANDS],
    known: Vec<Vec<[f64; BANDS]>>,
}

/// A piece of a recording between two pauses.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Sound that lasts much longer than any word.
    Mark,
    /// A word.
    Word {
        /// The digit that is most like it.
        digit: usize,
        /// How like that one is: 1 is the same.
        like: f64,
        /// How like the next best is.
        next: f64,
    },
}

impl Voice {
    /// Has the digits spoken.
    ///
    /// # Panics
    /// When flite does not.
    pub fn new(ground: &Ground) -> Self {
        let say = |word: &&str| {
            let file = ground.path(&format!("{word}.wav"));
            let mut command = Command::new("flite");
            command.args(["-voice", "slt", "-t", word, "-o"]).arg(&file);
            let status = command.status().unwrap_or_else(|e| panic!("flite does not start: {e}"));
            assert!(status.success(), "flite: {status}");
            let sound = Sound::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            assert_eq!(sound.rate, RATE, "flite's voice has another rate");
            sound
        };
        Self::of(WORDS.iter().map(say).collect())
    }

    /// The voice that says the digits like this.
    fn of(words: Vec<Sound>) -> Self {
        let shapes = words.iter().map(|word| {
            let looks = looks(word);
            shapes(around(&looks, pieces(&looks).first().copied().unwrap_or_default()))
        });
        let shapes: Vec<_> = shapes.collect();
        let common = common(&shapes);
        let known = shapes.into_iter().map(|word| without(&common, word)).collect();
        Self { words, common, known }
    }

    /// A minute of rounds of a tone of `hertz` at `level` decibels and these digits.
    pub fn track(&self, hertz: f64, level: f64, digits: &[usize]) -> Sound {
        let rest = vec![0; (REST * f64::from(RATE)) as usize];
        let mut samples = Vec::new();
        while samples.len() < 60 * RATE as usize {
            samples.extend(tone::sine(hertz, level, RATE, MARK).samples);
            samples.extend_from_slice(&rest);
            for &digit in digits {
                samples.extend_from_slice(&self.words[digit].samples);
                samples.extend_from_slice(&rest);
            }
        }
        Sound { rate: RATE, samples }
    }

    /// What a recording holds, piece by piece.
    pub fn recognise(&self, sound: &Sound) -> Vec<Piece> {
        let looks = looks(sound);
        let piece = |(from, to): (usize, usize)| {
            if to - from > (MARK * 0.75 * LOOKS as f64) as usize {
                return Piece::Mark;
            }
            let word = without(&self.common, shapes(around(&looks, (from, to))));
            let mut scores: Vec<(f64, usize)> =
                self.known.iter().enumerate().map(|(digit, known)| (likeness(known, &word), digit)).collect();
            scores.sort_by(|a, b| b.0.total_cmp(&a.0));
            Piece::Word { digit: scores[0].1, like: scores[0].0, next: scores[1].0 }
        };
        pieces(&looks).into_iter().map(piece).collect()
    }
}

/// The words of the first whole round: those between two marks.
pub fn first_round(pieces: &[Piece]) -> Option<&[Piece]> {
    let mut marks = pieces.iter().enumerate().filter(|(_, piece)| **piece == Piece::Mark);
    let (from, to) = (marks.next()?.0, marks.next()?.0);
    pieces.get(from + 1..to)
}

/// Energy of each band in each look, as mean power.
fn looks(sound: &Sound) -> Vec<[f64; BANDS]> {
    let samples = narrow(sound);
    let hop = NARROW as usize / LOOKS;
    let count = (samples.len() / hop).saturating_sub(1);
    let band = |piece: &[i16], band: usize| {
        // Each 50 Hz, which is what 20 ms tell apart.
        let hertz = |n: usize| (200 * (band + 1) + 50 * n) as f64;
        (0..4).map(|n| tone::power_at(piece, NARROW, hertz(n))).sum::<f64>()
    };
    let look = |n: usize| {
        let piece = &samples[n * hop..(n + 2) * hop];
        std::array::from_fn(|b| band(piece, b))
    };
    (0..count).map(look).collect()
}

/// At 8000 samples per second: a windowed sinc takes out what is above 3,600 Hz.
fn narrow(sound: &Sound) -> Vec<i16> {
    let group = (sound.rate / NARROW).max(1) as usize;
    if group == 1 {
        return sound.samples.clone();
    }
    let half = 12 * group as isize;
    let tap = |n: isize| {
        let (at, window) = (n as f64 * 0.9 / group as f64 * PI, n as f64 / (half + 1) as f64 * PI);
        let sinc = if n == 0 { 1.0 } else { at.sin() / at };
        sinc * (0.5 + 0.5 * window.cos()) * 0.9 / group as f64
    };
    let taps: Vec<f64> = (-half..=half).map(tap).collect();
    let padded: Vec<f64> = std::iter::repeat_n(0.0, half as usize)
        .chain(sound.samples.iter().map(|&s| f64::from(s)))
        .chain(std::iter::repeat_n(0.0, half as usize))
        .collect();
    let filtered = |around: &[f64]| around.iter().zip(&taps).map(|(a, b)| a * b).sum::<f64>();
    padded.windows(taps.len()).step_by(group).map(|around| filtered(around) as i16).collect()
}

/// Where there is sound: first look and the one after the last.
fn pieces(looks: &[[f64; BANDS]]) -> Vec<(usize, usize)> {
    let energy: Vec<f64> = looks.iter().map(|look| look.iter().sum()).collect();
    let loudest = energy.iter().copied().fold(1.0, f64::max);
    let least = loudest / 10f64.powf(PAUSE / 10.0);
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for (at, _) in energy.iter().enumerate().filter(|(_, energy)| **energy > least) {
        match pieces.last_mut() {
            Some((_, to)) if at < *to + GAP => *to = at + 1,
            _ => pieces.push((at, at + 1)),
        }
    }
    pieces
}

/// A piece and what is around it.
fn around(looks: &[[f64; BANDS]], (from, to): (usize, usize)) -> &[[f64; BANDS]] {
    &looks[from.saturating_sub(AROUND)..(to + AROUND).min(looks.len())]
}

/// The shape of each look: how far each band is above the mean of all, in decibels. Neither level nor envelope count,
/// and a pause has no shape.
fn shapes(looks: &[[f64; BANDS]]) -> Vec<[f64; BANDS]> {
    let most = looks.iter().flatten().copied().fold(1.0, f64::max);
    let least = most / 10f64.powf(FLOOR / 10.0);
    let shape = |look: &[f64; BANDS]| {
        let levels = look.map(|energy| 10.0 * (energy.max(least) / least).log10());
        let mean = levels.iter().sum::<f64>() / BANDS as f64;
        levels.map(|level| level - mean)
    };
    looks.iter().map(shape).collect()
}

/// Whether there is anything in it.
fn is_shaped(look: &[f64; BANDS]) -> bool {
    look.iter().any(|&band| band != 0.0)
}

/// What all words of a voice have in common.
fn common(words: &[Vec<[f64; BANDS]>]) -> [f64; BANDS] {
    let looks = || words.iter().flatten().filter(|look| is_shaped(look));
    let count = looks().count().max(1) as f64;
    std::array::from_fn(|band| looks().map(|look| look[band]).sum::<f64>() / count)
}

/// What a word has of its own.
fn without(common: &[f64; BANDS], mut word: Vec<[f64; BANDS]>) -> Vec<[f64; BANDS]> {
    for look in word.iter_mut().filter(|look| is_shaped(look)) {
        look.iter_mut().zip(common).for_each(|(band, common)| *band -= common);
    }
    word
}

/// The greatest normalised cross-correlation: 1 for the same word, about 0 for things that have nothing in common.
fn likeness(known: &[[f64; BANDS]], heard: &[[f64; BANDS]]) -> f64 {
    let square = |word: &[[f64; BANDS]]| word.iter().flatten().map(|v| v * v).sum::<f64>();
    let both = (square(known) * square(heard)).sqrt().max(1e-9);
    let at = |shift: isize| {
        let pair = |(n, look): (usize, &[f64; BANDS])| {
            let other = heard.get(n.checked_add_signed(shift)?)?;
            Some(look.iter().zip(other).map(|(a, b)| a * b).sum::<f64>())
        };
        known.iter().enumerate().filter_map(pair).sum::<f64>() / both
    };
    (-SHIFT..=SHIFT).map(at).fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten glides that differ: each digit its own pair.
    fn glides() -> Voice {
        let word = |digit: u32| {
            let (from, to) = (400.0 + 250.0 * f64::from(digit), 3000.0 - 220.0 * f64::from(digit));
            let mut turn = 0.0;
            let samples = (0..8000).map(|n| {
                turn += (from + (to - from) * f64::from(n) / 8000.0) / f64::from(RATE);
                ((turn * std::f64::consts::TAU).sin() * 6000.0) as i16
            });
            Sound { rate: RATE, samples: samples.collect() }
        };
        Voice::of((0..10).map(word).collect())
    }

    fn digits(pieces: &[Piece]) -> Vec<usize> {
        let digit = |piece: &Piece| match piece {
            Piece::Mark => None,
            Piece::Word { digit, .. } => Some(*digit),
        };
        pieces.iter().filter_map(digit).collect()
    }

    #[test]
    fn what_was_said_is_recognised_in_its_order() {
        let voice = glides();
        let said = [3, 0, 7, 2, 9, 1, 8, 4, 6, 5];
        let track = voice.track(440.0, -10.0, &said);
        let pieces = voice.recognise(&track);
        let round = first_round(&pieces).unwrap();
        assert_eq!(digits(round), said);
        let sure = |p: &Piece| matches!(p, Piece::Word { like, next, .. } if *like > 0.95 && *next < 0.85);
        assert!(round.iter().all(sure), "{round:?}");
    }

    #[test]
    fn another_level_is_the_same_word_and_a_missing_word_is_missed() {
        let voice = glides();
        let mut track = voice.track(440.0, -20.0, &[4, 4, 2]);
        track.samples.iter_mut().for_each(|s| *s /= 3);
        assert_eq!(digits(first_round(&voice.recognise(&track)).unwrap()), [4, 4, 2]);
        let start = ((MARK + REST) * f64::from(RATE)) as usize;
        track.samples[start..start + 8000].fill(0);
        assert_eq!(digits(first_round(&voice.recognise(&track)).unwrap()), [4, 2]);
    }

    #[test]
    fn silence_holds_nothing() {
        let silence = Sound { rate: 8000, samples: vec![0; 80_000] };
        assert_eq!(glides().recognise(&silence), []);
        assert_eq!(first_round(&[Piece::Mark]), None);
    }
}
