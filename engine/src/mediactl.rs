//! The contract between signalling and media: commands down, reports up, plain data.
//!
//! Commands are level-triggered: a `Put` carries the whole wanted state with a revision and the shard works out what
//! changed, so nothing is lost when a step is skipped and no test needs history. Signalling allocates every id.
//! A leg's key gets exactly one [`MediaReport::Dropped`], after which its port may be used again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
}

/// How the legs of a room hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RoomMode {
    /// Packets go to the other leg as they arrive, payload untouched.
    Relay,
    /// Each leg hears itself.
    Echo,
}

/// The wanted state of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoomSpec {
    /// How its legs hear each other.
    pub mode: RoomMode,
}

/// An audio encoding the exchange can produce or pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Encoding {
    /// G.711 mu-law, 8000 Hz.
    Pcmu,
    /// G.711 A-law, 8000 Hz.
    Pcma,
    /// Anything else: relayed, never decoded or produced.
    Opaque,
}

/// A payload type as agreed for one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Payload {
    /// RTP payload type number, 0 to 127.
    pub number: u8,
    /// What it carries.
    pub encoding: Encoding,
    /// RTP clock rate in hertz.
    pub clock: u32,
}

/// A payload type number as heard from this leg, and the number under which the other leg of a relay knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PayloadMap {
    /// Number on packets from this leg's party.
    pub from: u8,
    /// Number on the packets forwarded to the other leg.
    pub to: u8,
}

/// Something generated into a leg's ear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Playing {
    /// A sine.
    Tone {
        /// Frequency in hertz, 1 to 3999.
        hertz: u16,
        /// Peak amplitude as a 16-bit sample.
        level: i16,
    },
}

/// How a leg's media is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Security {
    /// Plain RTP.
    #[default]
    Plain,
}

/// The wanted state of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LegSpec {
    /// The room it belongs to.
    pub room: RoomId,
    /// Our port.
    pub port: PortId,
    /// Where the party said it receives RTP. `None` before its SDP is known: nothing is sent.
    pub remote: Option<SocketAddr>,
    /// Where the party said it receives RTCP; `None` means the RTP port plus one (RFC 3550 §11).
    pub remote_rtcp: Option<SocketAddr>,
    /// The address the party's signalling comes from. A party behind a NAT most likely sends its media from there too,
    /// whatever its SDP says; strangers must prove themselves. `None` when it says nothing about the party.
    pub near: Option<IpAddr>,
    /// Whether we may send to this party (its SDP direction seen from here).
    pub send: bool,
    /// Whether we accept media from this party.
    pub receive: bool,
    /// The audio payload in use; `None` before the answer.
    pub audio: Option<Payload>,
    /// The telephone-event payload in use, if agreed (RFC 4733).
    pub events: Option<Payload>,
    /// Every payload type this party may send, and its number on the other leg of a relay room, or towards the party
    /// itself in an echo.
    pub accept: Vec<PayloadMap>,
    /// Milliseconds of audio per packet that we produce.
    pub ptime: u8,
    /// What is generated into this leg's ear. A changed value starts over, the same changes nothing.
    pub playing: Option<Playing>,
    /// A new count allows the source address to be learnt anew: signalling raises it after each offer/answer.
    pub latch: u32,
    /// Report [`MediaReport::Silent`] when nothing was received for this long while `receive` is set.
    pub silence: Option<Duration>,
    /// How packets are protected.
    pub security: Security,
    /// Outgoing RTP state to go on with, when the leg moved from another room.
    pub resume: Option<Resume>,
}

/// Outgoing RTP state of a leg, to go on with after a move (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resume {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Next sequence number.
    pub sequence: u16,
    /// Next timestamp.
    pub timestamp: u32,
}

/// What a leg carried, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LegStats {
    /// RTP packets received from the party and accepted.
    pub received: u64,
    /// Octets of RTP payload received.
    pub received_octets: u64,
    /// RTP packets sent to the party.
    pub sent: u64,
    /// Octets of RTP payload sent.
    pub sent_octets: u64,
    /// Packets the party sent that did not arrive, from its sequence numbers (RFC 3550 A.3); never negative.
    pub lost: u64,
    /// Interarrival jitter in microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// Packets refused because they came from an address that was not learnt.
    pub refused: u64,
    /// Packets that were no RTP or RTCP, or of a payload type not agreed.
    pub unknown: u64,
    /// What the party last said about our packets: fraction lost in 1/256 (RFC 3550 §6.4.1).
    pub remote_fraction_lost: u8,
    /// Round-trip time in microseconds by RTCP, 0 when unknown (RFC 3550 §6.4.1).
    pub round_trip_us: u32,
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
    /// The leg has ended; its port is free. Exactly one per leg.
    Dropped {
        /// Which leg.
        leg: LegId,
        /// What it carried.
        stats: LegStats,
        /// Outgoing state, to go on with elsewhere.
        resume: Resume,
    },
}
