//! What can be played into a leg's ear.

use std::fmt;
use std::sync::Arc;

use telex_audio::tone::Cadence;

/// A piece of sound, shared by all who hear it.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Clip {
    /// Samples per second.
    pub rate: u32,
    /// One channel.
    pub samples: Arc<[i16]>,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} samples at {})", self.samples.len(), self.rate)
    }
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
    /// Clips one after the other, without a gap between them.
    Clips {
        /// In this order.
        clips: Vec<Clip>,
        /// From the start again after the last, for ever.
        repeat: bool,
    },
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
}
