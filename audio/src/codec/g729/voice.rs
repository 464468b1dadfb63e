//! Whether somebody speaks, and when silence is to be described anew (our own; Annex B leaves both to the encoder).

use super::SAMPLES;
use super::spectrum::Ten;
use super::tables::SID_GAIN;

/// Frames that are still sent when nobody seems to speak any more.
const HANGOVER: u8 = 12;

/// Mean squares: what is never speech, and where the noise is thought to be at first.
const FAINT: i64 = 20 * 20;
const FIRST: i64 = 100 * 100;

/// Frames between two descriptions, at least.
const APART: u8 = 3;

/// A change of the spectrum that is worth a description: of the cosines, all together.
const CHANGED: i32 = 20_000;

/// Hears one stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Voice {
    /// Mean square of the noise.
    floor: i64,
    hangover: u8,
    /// What silence was last described as, and how many frames ago; none after speech.
    described: Option<(u8, Ten, u8)>,
    /// The level of silence, averaged.
    level: i32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { floor: FIRST, hangover: HANGOVER, described: None, level: 0 }
    }
}

impl Voice {
    /// Whether a frame is to be sent as speech.
    pub(super) fn hears(&mut self, frame: &[i16; SAMPLES]) -> bool {
        let energy = frame.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>() / SAMPLES as i64;
        // Down at once, up by 4 dB a second: no word lasts so long that it would pass for noise.
        self.floor =
            if energy < self.floor { (self.floor + energy) / 2 } else { self.floor * 1009 / 1000 + 1 };
        let speaks = energy > FAINT && energy > 4 * self.floor;
        self.hangover = if speaks { HANGOVER } else { self.hangover.saturating_sub(1) };
        self.hangover > 0
    }

    /// A frame was sent as speech.
    pub(super) fn spoke(&mut self) {
        self.described = None;
    }

    /// A frame of silence of this level (three bits behind the point): whether it is to be described, and its level's
    /// code.
    pub(super) fn describe(&mut self, level: i32, cosines: &Ten) -> (bool, u8) {
        self.level = if self.described.is_none() { level } else { (7 * self.level + level) / 8 };
        // The nearest below a tenth more; the codes are 2 dB apart.
        let code =
            SID_GAIN.iter().rposition(|&gain| i32::from(gain) <= self.level * 11 / 10).unwrap_or(0) as u8;
        let due = match &mut self.described {
            None => true,
            Some((before, spectrum, ago)) => {
                *ago = ago.saturating_add(1);
                let change: i32 =
                    spectrum.iter().zip(cosines).map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).sum();
                *ago >= APART && (code.abs_diff(*before) >= 2 || change > CHANGED)
            }
        };
        if due {
            self.described = Some((code, *cosines, 0));
        }
        // What was said goes on until something else is.
        (due, self.described.map_or(code, |(said, ..)| said))
    }
}
