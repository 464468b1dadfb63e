//! The flight recorder: keeps what the engine was told, cuts a piece out, and runs it again.
//!
//! The engine is a function of its state and its inputs. So a checkpoint of the state and every input since then are
//! the whole truth about what happened: fed to the engine again they give the same outputs, octet for octet, on any
//! machine. The outputs are kept as well, to be compared with.
//!
//! - [`Recorder`] is a ring in memory: segments that begin with a checkpoint each, the oldest dropped whole.
//! - [`Kept::cut`] takes out what concerns a call, or everything, with [`StandIns`] in the place of secrets.
//! - [`Recording`] is what a file holds; [`FileWriter`] writes one as it goes.
//! - [`MediaRecorder`] is the same beside a media machine, with the packets that it was told.
//! - [`Replayer`] steps through a recording, forwards and back, and finds the first difference; [`MediaReplayer`]
//!   does so with what it has of media.
//!
//! Nothing here opens files or reads clocks: the caller brings readers, writers and the time.

mod changes;
mod cut;
mod difference;
mod entry;
mod file;
mod legs;
mod media;
mod place;
mod replayer;
mod ring;
mod secrets;
pub mod words;

pub use changes::{Change, ChangeError};
pub use cut::{CutError, Order, Wanted};
pub use difference::{Difference, Parting};
pub use entry::{Checkpoint, Entry, state_hash};
pub use file::{FileWriter, Header, ReadError, Recording, Torn};
pub use media::{
    MediaCheckpoint, MediaDifference, MediaEntry, MediaKept, MediaPolicy, MediaRecorder, MediaRefusal,
    MediaReplayError, MediaReplayer, MediaTally, Output, Sent, Told, Track,
};
pub use place::{Place, PlaceError};
pub use replayer::{ReplayError, Replayer, Tally};
pub use ring::{Kept, Recorder, Refusal};
pub use secrets::{SecretKey, StandIns};

/// The version of this program, and the commit it was built from if the build said so in `TELEX_BUILD`.
pub fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("TELEX_BUILD") {
        Some(build) => format!("{version} ({build})"),
        None => version.to_owned(),
    }
}
