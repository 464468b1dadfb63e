//! What can be played into a leg's ear.

use smol_str::SmolStr;
use telex_audio::tone::Cadence;

/// A piece of what is said to a party.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Piece {
    /// A sound of the library by its name, without ending: `welcome`, `digits/1`. Where there is none nothing is heard,
    /// for no time, and `MediaReport::NoSound` tells it.
    Prompt(SmolStr),
    /// So many milliseconds of silence.
    Pause(u32),
}

/// A kind of sound to play.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Playing {
    /// A sine without end.
    Tone {
        /// Frequency in hertz, 1 to 3999.
        hertz: u16,
        /// Peak amplitude as a 16-bit sample.
        level: i16,
    },
    /// What a country tells callers with, once or for ever as it says itself.
    Tones(Cadence),
    /// One after the other, without a gap between them.
    Prompts {
        /// The language they are wanted in: `de`. Empty, and where it has no such sound, the usual one.
        language: SmolStr,
        /// In this order; those beyond [`PIECES`](crate::limits::PIECES) are left out.
        pieces: Vec<Piece>,
        /// From the start again after the last, for ever.
        repeat: bool,
    },
    /// The pieces of a class of music in the order of their names, for ever.
    Music(SmolStr),
}

/// Something played into a leg's ear.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Play {
    /// Named in `MediaReport::Played`. The same sound under another number starts over.
    pub number: u32,
    /// The sound.
    pub sound: Playing,
    /// What the leg would hear without it goes on below it. Otherwise it takes its place.
    pub over: bool,
}

impl Play {
    /// A sine in the place of everything else.
    pub const fn tone(hertz: u16, level: i16) -> Self {
        Self { number: 0, sound: Playing::Tone { hertz, level }, over: false }
    }

    /// A class of music in the place of everything else.
    pub const fn music(class: SmolStr) -> Self {
        Self { number: 0, sound: Playing::Music(class), over: false }
    }
}
