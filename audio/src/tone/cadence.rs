//! What sounds for how long, and the usual notation for it.

use std::str::FromStr;

/// Tones that sound together at most.
const TOGETHER: usize = 3;
/// Steps of a cadence at most.
const STEPS: usize = 64;
/// The longest step in milliseconds: an hour.
const LONGEST: u32 = 3_600_000;
/// Levels of a step whose notation names none: -10 dBm0 in all (ITU-T E.180 §3), in tenths of dBm0.
const LEVELS: [i16; TOGETHER] = [-100, -130, -148];

/// A sequence of tones and pauses. In writing: steps with commas between them, each of frequencies in hertz and a
/// duration in milliseconds.
///
/// ```text
/// 425/480,0/480                  a tone and a pause, again and again
/// 350+440                        two tones for ever
/// 440@-19+480@-19/2000,0/4000    with levels in dBm0
/// 400*25                         a tone whose loudness swings 25 times a second, by 90 %
/// !950/330,!1400/330,!1800/330   with `!` not repeated: the end when nothing is
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cadence {
    pub(super) steps: Vec<Step>,
}

/// One tone or pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Step {
    pub(super) tones: [Part; TOGETHER],
    /// Frequency in hertz at which the loudness swings; 0 when it does not.
    pub(super) swing: u16,
    /// 0 is for ever.
    pub(super) milliseconds: u32,
    pub(super) once: bool,
}

/// One frequency of a step; 0 Hz is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Part {
    pub(super) hertz: u16,
    /// Tenths of dBm0.
    pub(super) level: i16,
}

/// Why a text is no cadence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCadence {
    /// A step is not as it is written.
    #[error(
        "`{0}` is no step of a tone: write hertz/milliseconds as in 425/500, with + between tones, 0 for a pause"
    )]
    Step(String),
    /// It is too long.
    #[error("a tone has {STEPS} steps at most")]
    Steps,
    /// What repeats has no length, or what follows can never come.
    #[error("a step without a duration lasts for ever: it must be the last, and must not be marked with !")]
    Endless,
}

impl FromStr for Cadence {
    type Err = BadCadence;

    fn from_str(text: &str) -> Result<Self, BadCadence> {
        let mut steps = Vec::new();
        for piece in text.split(',') {
            let step =
                step(piece.trim()).ok_or_else(|| BadCadence::Step(piece.chars().take(40).collect()))?;
            if steps.len() == STEPS {
                return Err(BadCadence::Steps);
            }
            steps.push(step);
        }
        let endless = |step: &Step| step.milliseconds == 0;
        let before_last = &steps[..steps.len().saturating_sub(1)];
        if before_last.iter().any(endless) || steps.iter().any(|step| endless(step) && step.once) {
            return Err(BadCadence::Endless);
        }
        Ok(Self { steps })
    }
}

impl Cadence {
    /// How long it is, in milliseconds, when it ends.
    pub fn milliseconds(&self) -> Option<u64> {
        let ends = self.steps.iter().all(|step| step.once);
        ends.then(|| self.steps.iter().map(|step| u64::from(step.milliseconds)).sum())
    }
}

fn step(text: &str) -> Option<Step> {
    let (once, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
    let (sound, milliseconds) = match text.split_once('/') {
        Some((sound, time)) => (sound, time.parse().ok().filter(|time| (1..=LONGEST).contains(time))?),
        None => (text, 0),
    };
    let mut step = Step { milliseconds, once, ..Step::default() };
    let sound = match sound.split_once('*') {
        Some((sound, swing)) => {
            step.swing = swing.parse().ok().filter(|swing| (1..=200).contains(swing))?;
            sound
        }
        None => sound,
    };
    if sound == "0" {
        return (step.swing == 0).then_some(step);
    }
    let count = sound.split('+').count();
    let level = *LEVELS.get(count.checked_sub(1)?)?;
    for (part, text) in step.tones.iter_mut().zip(sound.split('+')) {
        let (hertz, level) = match text.split_once('@') {
            Some((hertz, level)) => {
                (hertz, level.parse::<i16>().ok().filter(|level| (-60..=0).contains(level))? * 10)
            }
            None => (text, level),
        };
        let hertz = hertz.parse().ok().filter(|hertz| (16..=20_000).contains(hertz))?;
        *part = Part { hertz, level };
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_notation_is_read() {
        let cadence: Cadence = "!440@-19+480/2000, 0/4000,400*25".parse().unwrap();
        let part = |hertz, level| Part { hertz, level };
        let none = Part::default();
        assert_eq!(
            cadence.steps,
            [
                Step {
                    tones: [part(440, -190), part(480, -130), none],
                    swing: 0,
                    milliseconds: 2000,
                    once: true
                },
                Step { milliseconds: 4000, ..Step::default() },
                Step { tones: [part(400, -100), none, none], swing: 25, ..Step::default() },
            ]
        );
        assert_eq!(cadence.milliseconds(), None);
        assert_eq!("!950/330,!0/20".parse::<Cadence>().unwrap().milliseconds(), Some(350));
    }

    #[test]
    fn what_is_no_cadence_is_refused_with_the_step() {
        for bad in
            ["", "x", "425/", "425/0", "425/500,", "425+", "1+2+3+4", "0*25", "425@10", "425/9999999", "15"]
        {
            assert!(matches!(bad.parse::<Cadence>(), Err(BadCadence::Step(_))), "{bad}");
        }
        assert_eq!("425,0/500".parse::<Cadence>(), Err(BadCadence::Endless));
        assert_eq!("!425".parse::<Cadence>(), Err(BadCadence::Endless));
        assert_eq!(["425/1"; STEPS + 1].join(",").parse::<Cadence>(), Err(BadCadence::Steps));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9+*@/,!x-]{0,60}") {
            let _ = text.parse::<Cadence>();
        }
    }
}
