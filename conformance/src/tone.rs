//! Tones made, and tones found in what somebody recorded.
//!
//! A level is in decibels relative to a sine that fills the scale: 0 dB is an amplitude of 32,768.

use std::f64::consts::TAU;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::wav::Sound;

/// Length of the pieces that are judged one by one, in seconds: 10 Hz wide for a detector.
const PIECE: f64 = 0.1;
/// A piece holds the tone when this share of its energy is the tone's.
const ENOUGH: f64 = 0.8;
/// Below this level a piece is silence.
const SILENCE: f64 = -50.0;

/// A sine of `hertz` at `level` decibels, `seconds` long.
pub fn sine(hertz: f64, level: f64, rate: u32, seconds: f64) -> Sound {
    let amplitude = 32_768.0 * 10f64.powf(level / 20.0);
    let count = (seconds * f64::from(rate)) as usize;
    let turn = TAU * hertz / f64::from(rate);
    let sample = |n: usize| (amplitude * (turn * n as f64).sin()).round().clamp(-32_768.0, 32_767.0) as i16;
    Sound { rate, samples: (0..count).map(sample).collect() }
}

/// Mean power of the component of `samples` at `hertz`, in squared sample units (Goertzel's algorithm).
pub fn power_at(samples: &[i16], rate: u32, hertz: f64) -> f64 {
    let around = 2.0 * (TAU * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + around * last - before, last);
    }
    let count = samples.len().max(1) as f64;
    (last * last + before * before - around * last * before) * 2.0 / (count * count)
}

/// Mean power of `samples`, in squared sample units.
pub fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64
}

/// Level of a sine of this mean power.
fn level_of(power: f64) -> f64 {
    10.0 * (2.0 * power / (32_768.0 * 32_768.0)).max(1e-12).log10()
}

/// The strongest component between 60 Hz and 3,900 Hz, to 1 Hz; `None` in silence.
pub fn strongest(sound: &Sound) -> Option<f64> {
    let piece = &sound.samples[..sound.samples.len().min(sound.rate as usize)];
    if level_of(power(piece)) < SILENCE {
        return None;
    }
    let best = |from: u32, to: u32, step: usize, samples: &[i16]| {
        let at = |hertz: u32| power_at(samples, sound.rate, f64::from(hertz));
        (from..=to).step_by(step).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap_or(from)
    };
    let coarse = best(60, 3_900, 5, &piece[..piece.len().min((PIECE * f64::from(sound.rate)) as usize)]);
    Some(f64::from(best(coarse.saturating_sub(10), coarse + 10, 1, piece)))
}

/// What was found of one tone.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The strongest frequency where the tone lasted longest; `None` when it was never there.
    pub hertz: Option<f64>,
    /// Level of the tone in the middle piece of all that hold it, in decibels.
    pub level: f64,
    /// The longest time without interruption, in seconds.
    pub longest: f64,
    /// All time together, in seconds.
    pub total: f64,
    /// Length of the whole recording, in seconds.
    pub of: f64,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hertz, level, longest, total, of } = self;
        match hertz {
            Some(hertz) => write!(
                f,
                "{hertz} Hz at {level:.1} dB, {total:.1} s of {of:.1} s, {longest:.1} s at a stretch"
            ),
            None => write!(f, "nothing of it in {of:.1} s"),
        }
    }
}

/// Looks for a tone of `hertz` in pieces of a tenth of a second.
pub fn find(sound: &Sound, hertz: f64) -> Heard {
    let piece = (PIECE * f64::from(sound.rate)) as usize;
    let mut levels = Vec::new();
    let (mut run, mut longest, mut longest_end) = (0, 0, 0);
    for (index, samples) in sound.samples.chunks_exact(piece.max(1)).enumerate() {
        let (all, tone) = (power(samples), power_at(samples, sound.rate, hertz));
        if tone >= ENOUGH * all && level_of(tone) >= SILENCE {
            levels.push(level_of(tone));
            run += 1;
            if run > longest {
                (longest, longest_end) = (run, index + 1);
            }
        } else {
            run = 0;
        }
    }
    levels.sort_by(f64::total_cmp);
    let stretch = Sound {
        rate: sound.rate,
        samples: sound.samples[(longest_end - longest) * piece..longest_end * piece].to_vec(),
    };
    Heard {
        hertz: strongest(&stretch),
        level: levels.get(levels.len() / 2).copied().unwrap_or(f64::NEG_INFINITY),
        longest: longest as f64 * PIECE,
        total: levels.len() as f64 * PIECE,
        of: sound.seconds(),
    }
}

/// Finds the tone in a recording, or panics with what was found instead.
///
/// The strongest frequency must be within 2 Hz of `hertz`, the level within `level`, and the tone must last `seconds`
/// without interruption.
pub fn assert_heard(sound: &Sound, hertz: f64, level: RangeInclusive<f64>, seconds: f64) -> Heard {
    let heard = find(sound, hertz);
    let on_pitch = heard.hertz.is_some_and(|found| (found - hertz).abs() <= 2.0);
    assert!(
        on_pitch && level.contains(&heard.level) && heard.longest >= seconds,
        "wanted {hertz} Hz at {level:?} dB for {seconds} s, heard {heard}; strongest in all: {:?} Hz",
        strongest(sound)
    );
    heard
}

/// [`find`] in a WAV file; a file that is not there, or not yet a WAV file, is silence.
pub fn find_in(path: &Path, hertz: f64) -> Heard {
    find(&Sound::read(path).unwrap_or(Sound { rate: 8000, samples: Vec::new() }), hertz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_with_its_frequency_level_and_length() {
        for (hertz, level, rate) in [(440.0, -6.0, 8000), (1000.0, -20.0, 16_000), (3400.0, 0.0, 48_000)] {
            let heard = find(&sine(hertz, level, rate, 2.0), hertz);
            assert_eq!(heard.hertz, Some(hertz));
            assert!((heard.level - level).abs() < 0.1, "{heard}");
            assert_eq!((heard.longest, heard.total), (2.0, 2.0));
        }
    }

    #[test]
    fn a_neighbour_is_not_taken_for_it() {
        let sound = sine(460.0, -6.0, 8000, 1.0);
        assert_eq!(find(&sound, 440.0).total, 0.0);
        assert_eq!(strongest(&sound), Some(460.0));
    }

    #[test]
    fn noise_and_silence_hold_no_tone() {
        let mut state = 1u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 / 4
        };
        let noise = Sound { rate: 8000, samples: (0..16_000).map(|_| draw()).collect() };
        assert_eq!(find(&noise, 440.0).total, 0.0);
        let silence = Sound { rate: 8000, samples: vec![0; 8000] };
        assert_eq!((find(&silence, 440.0).hertz, strongest(&silence)), (None, None));
        assert_eq!(find(&Sound { rate: 8000, samples: Vec::new() }, 440.0).hertz, None);
    }

    #[test]
    fn an_interruption_ends_a_stretch() {
        let mut sound = sine(440.0, -6.0, 8000, 3.0);
        sound.samples[8000..8800].fill(0);
        let heard = find(&sound, 440.0);
        assert!((heard.longest - 1.9).abs() < 1e-9 && (heard.total - 2.9).abs() < 1e-9, "{heard}");
    }

    #[test]
    fn two_tones_together_are_neither() {
        let (a, b) = (sine(440.0, -12.0, 8000, 1.0), sine(880.0, -12.0, 8000, 1.0));
        let both: Vec<i16> = a.samples.iter().zip(&b.samples).map(|(a, b)| a + b).collect();
        let both = Sound { rate: 8000, samples: both };
        assert_eq!(find(&both, 440.0).total, 0.0);
        // Yet each has its power.
        let level = level_of(power_at(&both.samples, 8000, 880.0));
        assert!((level + 12.0).abs() < 0.1, "{level}");
    }

    #[test]
    #[should_panic(expected = "wanted 440 Hz")]
    fn a_wrong_level_is_an_error() {
        assert_heard(&sine(440.0, -20.0, 8000, 2.0), 440.0, -8.0..=-4.0, 1.0);
    }
}
