//! Media in the flight recorder: what each media machine was told, packets included.
//!
//! Each machine has a ring of its own, kept by the thread that drives it: [`MediaRecorder`]. Inputs are kept whole, or
//! without payloads ([`MediaPolicy`]); of outputs only a digest, since they come out again when the inputs are told to
//! the state they began upon. That is done when a piece is cut out: the rooms of one call are a machine of their own
//! then, and the file has every packet that they sent. [`MediaReplayer`] runs it again and compares.

mod cut;
#[cfg(test)]
mod damage;
mod difference;
mod digest;
mod replayer;
mod ring;
mod told;
mod track;

pub(crate) use cut::tracks;
pub use difference::{MediaDifference, Output};
pub use replayer::{MediaReplayError, MediaReplayer, MediaTally};
pub use ring::{MediaKept, MediaRecorder, MediaRefusal};
pub use told::Told;
pub(crate) use track::MediaStart;
pub use track::{MediaCheckpoint, MediaEntry, Sent, Track};

/// What the recorder keeps of media. What media machines are commanded is kept with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaPolicy {
    /// Headers of RTP and all of RTCP, but no sound and no keys pressed: a replay has zeros in their place. Who was
    /// heard from where, losses, jitter and sequence numbers are all there.
    #[default]
    Headers,
    /// Everything, the voices of people included.
    All,
}
