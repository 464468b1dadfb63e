//! The wanted state of a room.

use super::LegId;

/// How the legs of a room hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RoomMode {
    /// Each of two legs hears the other: what can be forwarded as it is goes on as it arrives, payload untouched; what
    /// cannot is decoded and encoded anew.
    Relay,
    /// Each leg hears itself.
    Echo,
    /// Each leg hears all others and not itself.
    Mix,
}

/// A recording, named by signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordingId(pub u64);

/// What of a room is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Recorded {
    /// What one leg's party says.
    Leg(LegId),
    /// What all say, in one channel.
    Mixed,
    /// What two legs' parties say, in two channels. One that is not there is silence.
    Stereo {
        /// In the first channel.
        left: LegId,
        /// In the second channel.
        right: LegId,
    },
}

/// What kind of file a recording becomes. It is the driver that writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordingFormat {
    /// WAV, 16 bits a sample.
    #[default]
    Wav,
    /// Opus in Ogg (RFC 7845).
    Opus,
}

/// A wanted recording. It begins when it is put and ends when it is left out. A changed one under the same name goes on
/// as it was, but for `paused` and `quiet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordingSpec {
    /// Its name.
    pub id: RecordingId,
    /// What is recorded.
    pub what: Recorded,
    /// Samples per second: 8000, 16000 or 48000.
    pub rate: u32,
    /// What kind of file it becomes.
    pub format: RecordingFormat,
    /// Nothing is recorded for now; the time leaves no gap.
    pub paused: bool,
    /// Tell when nobody has spoken for so many milliseconds, where one leg is recorded; 0 does not.
    pub quiet: u32,
}

/// The wanted state of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoomSpec {
    /// How its legs hear each other.
    pub mode: RoomMode,
    /// What is recorded.
    pub recordings: Vec<RecordingSpec>,
}

impl RoomSpec {
    /// A room that records nothing.
    pub fn new(mode: RoomMode) -> Self {
        Self { mode, recordings: Vec::new() }
    }
}
