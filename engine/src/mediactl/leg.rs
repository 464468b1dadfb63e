//! The wanted state of a leg.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use telex_audio::codec::{Encoding, Settings};

use super::{Play, PortId, RoomId};

/// A payload type as agreed for one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Payload {
    /// RTP payload type number, 0 to 127.
    pub number: u8,
    /// How to decode and produce it; `None` for what can only be passed on.
    pub encoding: Option<Encoding>,
    /// RTP clock rate in hertz.
    pub clock: u32,
    /// How to produce it, where its encoding leaves a choice.
    pub settings: Settings,
}

impl Payload {
    /// A payload that is only passed on.
    pub const fn opaque(number: u8, clock: u32) -> Self {
        Self { number, encoding: None, clock, settings: USUAL }
    }

    /// A payload that can be decoded and produced, with the usual settings.
    pub const fn of(number: u8, encoding: Encoding) -> Self {
        Self { number, encoding: Some(encoding), clock: encoding.properties().clock, settings: USUAL }
    }
}

const USUAL: Settings = Settings { rate: 0, bits: 0, silence_suppressed: false, loss_percent: 0 };

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// Sound.
    #[default]
    Speech,
    /// Telephone events (RFC 4733).
    Events,
    /// A description of the noise while nobody speaks (RFC 3389).
    Noise,
}

/// A payload type that the party may send, and what can be done with it.
///
/// The room decides: a relay forwards it if it can, and in any other case decodes it and encodes it anew, if it can.
/// Both directions are decided apart. It is decoded, forwarded or not, when the room mixes, when it is recorded and
/// when something is played over it. Listening for tones of keys leaves it as it is, but for the tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Accepted {
    /// As the party sends it. Its settings do not matter.
    pub payload: Payload,
    /// What it stands for.
    pub kind: Kind,
    /// The number under which the other leg of a relay knows the same, or in an echo the party itself; `None` when it
    /// knows nothing like it.
    pub forward: Option<u8>,
}

/// How key presses reach a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DigitWay {
    /// As telephone events; not at all when none are agreed ([`LegSpec::events`]).
    #[default]
    Events,
    /// As tones in the sound.
    Tones,
    /// Not by media: signalling tells them.
    Nothing,
}

/// What is done with key presses of and for a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Digits {
    /// Report those of the party: `MediaReport::Digit`.
    pub report: bool,
    /// Do not pass those of the party on: whoever is told of them does, or has a use of them.
    pub keep: bool,
    /// Listen for tones in the party's sound, since it sends no events.
    pub tones: bool,
    /// How presses reach this party: those of [`LegSpec::presses`], and in a relay the other party's that cannot be
    /// forwarded as they are.
    pub way: DigitWay,
}

/// A key to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Press {
    /// `0` to `9`, `*`, `#`, `A` to `D`; any other is a pause.
    pub digit: char,
    /// How long it is held, in milliseconds; 0 means the usual.
    pub ms: u16,
}

/// Keys to press into a leg, one after the other. The leg remembers the number of the next one it will press: a list
/// that is put again presses nothing again, a longer one only what is new. Those that were pressed may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Presses {
    /// Number of the first key of the list; the first key of a leg has number 0.
    pub first: u32,
    /// The keys.
    pub keys: Vec<Press>,
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
    /// The payload type by which noise is described to the party instead of sent while nobody speaks (RFC 3389); `None`
    /// sends it.
    pub noise: Option<Payload>,
    /// Every payload type this party may send, with what can be done with it.
    pub accept: Vec<Accepted>,
    /// Milliseconds of audio per packet that we produce.
    pub ptime: u8,
    /// What is played into this leg's ear. A changed value starts over, the same changes nothing.
    pub playing: Option<Play>,
    /// What is done with key presses.
    pub digits: Digits,
    /// Keys to press into this leg.
    pub presses: Presses,
    /// A new count allows the source address to be learnt anew: signalling raises it after each offer/answer.
    pub latch: u32,
    /// Report [`super::MediaReport::Silent`] when nothing was received for this long while `receive` is set.
    pub silence: Option<Duration>,
    /// How packets are protected.
    pub security: Security,
    /// What to go on with, when the leg comes from another shard.
    pub resume: Option<Handover>,
}

impl LegSpec {
    /// A leg that neither sends nor accepts anything.
    pub fn new(room: RoomId, port: PortId) -> Self {
        Self {
            room,
            port,
            remote: None,
            remote_rtcp: None,
            near: None,
            send: false,
            receive: false,
            audio: None,
            events: None,
            noise: None,
            accept: Vec::new(),
            ptime: 20,
            playing: None,
            digits: Digits::default(),
            presses: Presses::default(),
            latch: 0,
            silence: None,
            security: Security::default(),
            resume: None,
        }
    }
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

/// What a leg takes along to another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handover {
    /// Its outgoing stream.
    pub stream: Resume,
    /// Where the party's media comes from and with which synchronisation source, once that was learnt.
    pub heard: Option<(SocketAddr, u32)>,
    /// [`LegSpec::latch`] under which that was so: after another offer/answer it is learnt anew.
    pub latch: u32,
    /// Number of the key to be pressed next: [`Presses`].
    pub next_press: u32,
}
