//! When nobody speaks: a description of the noise now and then instead of packets of it (RFC 3389).

use telex_audio::codec::cn;
use telex_audio::voice::Voice;

/// Reflection coefficients that are sent: the colour of a room needs no more.
const ORDER: usize = 4;
/// What is louder is sent as it is, voice or not, in -dBov: music and tones that are held are no noise.
const LOUD: u8 = 45;
/// The description is repeated after so many milliseconds, which keeps the ways through NATs open.
const REPEATED: u32 = 1000;
/// It is renewed when the level has changed by so many decibels, but not more often than this.
const CHANGED: u8 = 4;
const SOONEST: u32 = 200;

/// Watches what is said to a party that takes descriptions of noise.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Hush {
    voice: Voice,
    /// Milliseconds since the last description, and its level; `None` while somebody speaks.
    told: Option<(u32, u8)>,
}

/// What becomes of a packet's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Said,
    /// A description of it is sent.
    Described,
    /// Nothing is sent.
    Nothing,
}

impl Hush {
    /// For sound at this rate.
    pub(super) fn new(rate: u32) -> Self {
        Self { voice: Voice::new(rate), told: None }
    }

    /// Judges the sound of a packet of so many milliseconds. A description is appended to `payload`. `kept` says that
    /// it is sent whatever it is.
    pub(super) fn judge(&mut self, pcm: &[i16], ms: u32, kept: bool, payload: &mut Vec<u8>) -> Verdict {
        let talks = self.voice.feed(pcm);
        let level = self.voice.level_dbov();
        if talks || kept || level < LOUD {
            self.told = None;
            return Verdict::Said;
        }
        if let Some((since, before)) = &mut self.told {
            *since = since.saturating_add(ms);
            let changed = level.abs_diff(*before) >= CHANGED && *since >= SOONEST;
            if *since < REPEATED && !changed {
                return Verdict::Nothing;
            }
        }
        cn::describe(pcm, ORDER, payload);
        self.told = Some((0, level));
        Verdict::Described
    }
}
