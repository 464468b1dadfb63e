//! What the engine has to say to people: typed values; text is made at the edge.

use std::net::SocketAddr;

use smol_str::SmolStr;

use crate::border::Transport;
use crate::mediactl::{LegStats, RecordingId};
use crate::time::Duration;

/// How much a person should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Severity {
    /// For someone who looks closely.
    Debug,
    /// The story of the exchange.
    Info,
    /// Something outside is wrong.
    Warning,
    /// Something here is wrong.
    Error,
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// The one who called.
    Caller,
    /// The one who was called.
    Callee,
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EndCause {
    /// A party hung up.
    HungUp(Side),
    /// The caller gave up before the answer.
    Cancelled,
    /// The call was refused.
    Refused(Rejection),
    /// Nobody answered in time.
    NoAnswer,
    /// A side stopped answering: a request of ours, the ACK, or the session timer ran out.
    Lost(Side),
    /// No media arrived for the configured time.
    Silent(Side),
    /// An operator ended it.
    Operator,
    /// The exchange is stopping.
    Stopping,
    /// They talked for as long as the dialplan lets them.
    TimeUp,
    /// The dialplan ended it, with this cause by Q.850.
    Dialplan(u8),
    /// Its caller goes on in another call: it has taken up who was parked there.
    Joined {
        /// The number of that call.
        call: u64,
    },
}

/// How a call is refused: what SIP says of it, and what the telephone network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rejection {
    /// The status that the caller gets: 300 to 699.
    pub status: u16,
    /// The cause by ITU-T Q.850. It is what was said, and need not be the one that RFC 3398 has for the status.
    pub cause: u8,
}

/// What becomes of a parked call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Parking {
    /// It is in a slot from now on.
    Parked {
        /// The extension that parked it; empty when it came by itself.
        by: SmolStr,
    },
    /// Somebody talks with it.
    TakenUp {
        /// The extension.
        by: SmolStr,
    },
    /// Its time is up.
    Back {
        /// The extension that is rung for it; empty when its dialplan goes on.
        to: SmolStr,
    },
}

/// How a key press came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DigitBy {
    /// As a telephone event (RFC 4733).
    Event,
    /// As tones in the sound.
    Tones,
    /// In an INFO request.
    Info,
}

/// Something worth telling. Strings are as the peer sent them: whoever prints them escapes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// A phone registered or refreshed.
    Registered {
        /// The extension.
        extension: SmolStr,
        /// The contact URI.
        contact: SmolStr,
        /// Where it came from.
        source: SocketAddr,
        /// What it came over.
        transport: Transport,
        /// For how long.
        expires: Duration,
        /// Whether the binding was there before.
        refresh: bool,
    },
    /// A binding ended.
    Unregistered {
        /// The extension.
        extension: SmolStr,
        /// The contact URI.
        contact: SmolStr,
        /// Whether it ran out, rather than being taken back.
        expired: bool,
    },
    /// Credentials were wrong.
    AuthenticationFailed {
        /// The user name given.
        user: SmolStr,
        /// Where it came from.
        source: SocketAddr,
        /// The request's method.
        method: SmolStr,
    },
    /// There were so many wrong credentials that some are not looked at. Told of the first few and of a sample then.
    GuessingSlowed {
        /// The user name given.
        user: SmolStr,
        /// Where it came from.
        source: SocketAddr,
    },
    /// An INVITE was accepted for processing.
    CallStarted {
        /// The call's number.
        call: u64,
        /// The caller.
        from: SmolStr,
        /// What was dialled.
        to: SmolStr,
        /// Where it came from.
        source: SocketAddr,
        /// What it came over.
        transport: Transport,
    },
    /// An offer or answer was read or written.
    Description {
        /// The call's number.
        call: u64,
        /// The party.
        side: Side,
        /// Whether it is an offer, rather than an answer.
        offer: bool,
        /// Whether it came from the party, rather than going to it.
        received: bool,
        /// Codecs by name, as written.
        codecs: SmolStr,
        /// Where the writer receives audio.
        address: Option<SocketAddr>,
        /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
        direction: SmolStr,
    },
    /// A contact is being asked.
    Asking {
        /// The call's number.
        call: u64,
        /// The contact URI.
        contact: SmolStr,
    },
    /// A contact rings.
    Ringing {
        /// The call's number.
        call: u64,
        /// The contact URI.
        contact: SmolStr,
    },
    /// The call was answered.
    Answered {
        /// The call's number.
        call: u64,
        /// The contact URI that answered.
        contact: SmolStr,
        /// The codec in use.
        codec: SmolStr,
    },
    /// A party holds or resumes.
    Hold {
        /// The call's number.
        call: u64,
        /// The party.
        side: Side,
        /// Hold, rather than resume.
        on: bool,
    },
    /// A party hands its call over.
    Transfer {
        /// The call's number.
        call: u64,
        /// The party.
        side: Side,
        /// Where to.
        to: SmolStr,
        /// What came of it; `None` when it begins.
        status: Option<u16>,
    },
    /// A call is parked, or leaves its slot.
    Parking {
        /// The call's number.
        call: u64,
        /// The slot.
        slot: SmolStr,
        /// What becomes of it.
        what: Parking,
    },
    /// A party's media arrives from this address.
    MediaFrom {
        /// The call's number.
        call: u64,
        /// The party.
        side: Side,
        /// Its address.
        remote: SocketAddr,
    },
    /// A party pressed a key, and signalling heard of it.
    Digit {
        /// The call's number.
        call: u64,
        /// The party.
        side: Side,
        /// `0` to `9`, `*`, `#`, `A` to `D`. It may belong to a secret.
        key: char,
        /// For how long.
        length: Duration,
        /// How it came.
        by: DigitBy,
    },
    /// A call is being recorded.
    RecordingStarted {
        /// The call's number.
        call: u64,
        /// The recording's.
        recording: RecordingId,
        /// The name of the call's record: [`crate::cdr::CallRecord::unique`].
        record: SmolStr,
        /// Who called.
        from: SmolStr,
        /// What was dialled.
        to: SmolStr,
        /// What the dialplan calls the file; empty when it does not.
        name: SmolStr,
    },
    /// From now on a recording has nothing of a party, though it should: its codec can be passed on only.
    NotInRecording {
        /// The call's number.
        call: u64,
        /// The recording's.
        recording: RecordingId,
        /// Who is not heard.
        side: Side,
        /// The codec's name.
        codec: SmolStr,
    },
    /// The call is over.
    CallEnded {
        /// The call's number.
        call: u64,
        /// Why.
        cause: EndCause,
        /// From answer to end; `None` when it was not answered.
        duration: Option<Duration>,
        /// What the caller's media leg carried.
        caller: Box<LegStats>,
        /// What the callee's media leg carried.
        callee: Box<LegStats>,
    },
    /// What was dialled is this extension of the dialplan.
    Matched {
        /// The call's number.
        call: u64,
        /// The extension or pattern, as written.
        pattern: SmolStr,
        /// The context it is in.
        context: SmolStr,
    },
    /// A line of the dialplan for the log, or a complaint about it.
    Dialplan {
        /// The call's number.
        call: u64,
        /// How much a person should care.
        loudness: Severity,
        /// What it says. It may come from a caller.
        text: SmolStr,
    },
    /// A request that would have begun something was refused. Told of the first few and of a sample then; never of
    /// challenges.
    Refused {
        /// Its method.
        method: SmolStr,
        /// Who sent it: the extension, or what it calls itself where it has not proved one.
        from: SmolStr,
        /// For whom: the number.
        to: SmolStr,
        /// Where it came from.
        source: SocketAddr,
        /// The response.
        status: u16,
        /// Why, in words.
        why: SmolStr,
    },
    /// A message could not be understood.
    Malformed {
        /// Where it came from.
        source: SocketAddr,
        /// What is wrong with it.
        reason: SmolStr,
        /// Whether it could be answered.
        answered: bool,
    },
    /// A stream opened.
    StreamOpened {
        /// The peer.
        remote: SocketAddr,
    },
    /// A stream closed.
    StreamClosed {
        /// The peer.
        remote: SocketAddr,
        /// Why.
        reason: SmolStr,
    },
    /// A request of ours found no answer.
    NoResponse {
        /// Its method.
        method: SmolStr,
        /// Where it went.
        remote: SocketAddr,
        /// Whether it could not be delivered, rather than being met with silence.
        undeliverable: bool,
    },
    /// A sound that was to be played is not there.
    NoSound {
        /// Which call.
        call: u64,
        /// Who was to hear it.
        side: Side,
        /// Its name.
        name: SmolStr,
    },
    /// A bound was reached and something was refused.
    Overload {
        /// Which bound.
        what: SmolStr,
    },
    /// Records could not be stored.
    StoreFailed {
        /// What the store said.
        error: SmolStr,
    },
    /// Something that must not happen did; the call it concerns was ended.
    Broken {
        /// What.
        what: SmolStr,
    },
}

impl Event {
    /// How much a person should care.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Dialplan { loudness, .. } => *loudness,
            Self::MediaFrom { .. }
            | Self::Digit { .. }
            | Self::StreamOpened { .. }
            | Self::StreamClosed { .. } => Severity::Debug,
            Self::Registered { refresh: true, .. } | Self::Asking { .. } => Severity::Debug,
            Self::Registered { .. }
            | Self::Unregistered { .. }
            | Self::CallStarted { .. }
            | Self::Description { .. }
            | Self::Ringing { .. }
            | Self::Answered { .. }
            | Self::Hold { .. }
            | Self::Transfer { .. }
            | Self::Parking { .. }
            | Self::RecordingStarted { .. }
            | Self::Matched { .. }
            | Self::Refused { .. }
            | Self::CallEnded { .. } => Severity::Info,
            Self::AuthenticationFailed { .. }
            | Self::GuessingSlowed { .. }
            | Self::Malformed { .. }
            | Self::NoResponse { .. }
            | Self::NotInRecording { .. }
            | Self::NoSound { .. }
            | Self::Overload { .. } => Severity::Warning,
            Self::StoreFailed { .. } | Self::Broken { .. } => Severity::Error,
        }
    }
}
