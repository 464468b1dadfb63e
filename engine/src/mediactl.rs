//! The contract between signalling and media: commands down, reports up, plain data.
//!
//! Commands are level-triggered: a `Put` carries the whole wanted state with a revision and the shard works out what
//! changed, so nothing is lost when a step is skipped and no test needs history. Signalling allocates every id.
//! A leg's key gets exactly one [`MediaReport::Dropped`], after which its port may be used again. Before that it may
//! change its shard, with its port: nothing changes for the phone.

mod leg;
mod library;
mod room;
mod sound;
mod stats;

use std::net::SocketAddr;

pub use leg::{
    Accepted, DigitWay, Digits, Handover, Kind, LegSpec, Payload, Press, Presses, Resume, Security,
};
pub use library::{CLIP_RATE, Clip, ClipPlace, Library};
pub use room::{Recorded, RecordingFormat, RecordingId, RecordingSpec, RoomMode, RoomSpec};
use smol_str::SmolStr;
pub use sound::{Piece, Play, Playing};
pub use stats::{Faults, LegStats};

/// Which media machine; one per core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ShardId(pub u8);

/// A group of legs that hear each other. The unit of determinism: no state crosses rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoomId(pub u64);

/// One party's media stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LegId(pub u64);

/// An RTP port: the even UDP port number. RTCP is the odd port above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortId(pub u16);

/// Counts the wanted states of one leg or room; reports echo it, and stale ones are ignored.
pub type Revision = u32;

/// From signalling to one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MediaCommand {
    /// Bind this many more port pairs. Answered by one [`MediaReport::Ports`]; fewer means that there are no more.
    WantPorts {
        /// How many pairs.
        count: u16,
    },
    /// This room shall exist and be so.
    PutRoom {
        /// Which room.
        room: RoomId,
        /// Revision of the wanted state.
        rev: Revision,
        /// The whole wanted state.
        spec: RoomSpec,
    },
    /// This leg shall exist and be so. Its room was put before.
    PutLeg {
        /// Which leg.
        leg: LegId,
        /// Revision of the wanted state.
        rev: Revision,
        /// The whole wanted state.
        spec: Box<LegSpec>,
    },
    /// This leg shall end. Answered by [`MediaReport::Dropped`].
    DropLeg {
        /// Which leg.
        leg: LegId,
    },
    /// This room shall end. Its legs were dropped before.
    DropRoom {
        /// Which room.
        room: RoomId,
    },
    /// This leg, and its port, shall go to another shard. Answered by [`MediaReport::Given`]. A port may be given
    /// before there is a leg.
    GiveLeg {
        /// Which leg.
        leg: LegId,
        /// Its port.
        port: PortId,
        /// Who gets both. The leg is put there once it is given, with [`LegSpec::resume`].
        to: ShardId,
    },
}

/// How a key press was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DigitHeard {
    /// As a telephone event (RFC 4733).
    Event,
    /// As a pair of tones in the sound (ITU-T Q.23).
    InBand,
}

/// From one shard to signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MediaReport {
    /// These even ports and the odd ones above them are bound and free to use.
    Ports {
        /// The even port of each pair.
        ports: Vec<PortId>,
    },
    /// The party's first packet was accepted; its address is now this.
    Latched {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
        /// The source address learnt.
        remote: SocketAddr,
    },
    /// Nothing was received from the party for the time asked for. Once for each silence, and again under each new
    /// revision while it lasts.
    Silent {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
    },
    /// The party pressed a key. Once for each press, when it is over; only when [`Digits::report`] asks for it.
    Digit {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
        /// The key: `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long it was held, in milliseconds.
        duration_ms: u32,
        /// How it was heard.
        how: DigitHeard,
    },
    /// The keys up to this number, without it, have been pressed into the leg: [`Presses`]. When the last that is known
    /// has been pressed.
    Pressed {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
        /// Number of the key to be pressed next.
        next: u32,
    },
    /// What the leg was to hear has been played to its end. Not for what was taken away or repeats for ever.
    Played {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
        /// [`Play::number`] of what ended.
        number: u32,
    },
    /// There is no sound of this name, so nothing was heard in its place. Once for each that is missing.
    NoSound {
        /// Which leg.
        leg: LegId,
        /// Revision of the leg when it happened.
        rev: Revision,
        /// The name; of music `music/` and the class.
        name: SmolStr,
    },
    /// Nobody has spoken in a recording of one leg for as long as [`RecordingSpec::quiet`] says. Once.
    Quiet {
        /// Whose recording it is.
        leg: LegId,
        /// Which.
        recording: RecordingId,
    },
    /// A recording has ended: its specification or its room is gone.
    Recorded {
        /// Which room.
        room: RoomId,
        /// Which recording.
        recording: RecordingId,
        /// Samples per channel that were handed over.
        samples: u64,
        /// Samples per channel that were not, because the driver was behind.
        missing: u64,
    },
    /// What the leg has carried so far. Every few seconds.
    Carried {
        /// Which leg.
        leg: LegId,
        /// What it carried.
        stats: LegStats,
    },
    /// The leg has ended; its port is free. Exactly one per leg.
    Dropped {
        /// Which leg.
        leg: LegId,
        /// What it carried.
        stats: LegStats,
        /// Outgoing state, to go on with elsewhere.
        resume: Resume,
    },
    /// The leg has left this shard, and its port with it: the sockets are on their way to the other, and are there
    /// before anything that signalling tells that one from now on.
    Given {
        /// Which leg.
        leg: LegId,
        /// What it carried here.
        stats: LegStats,
        /// What it goes on with; `None` when it had not begun.
        resume: Option<Handover>,
    },
}
