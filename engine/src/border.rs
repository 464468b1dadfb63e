//! What enters and leaves the signalling machine. Plain values, no callbacks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;
use telex_dialplan::explain::Supposition;

use crate::cdr::CallRecord;
use crate::config::Config;
use crate::event::{Event, Side};
use crate::mediactl::{LegStats, MediaCommand, MediaReport, RecordingFormat, RecordingId, ShardId};
use crate::rng::Seed;
use crate::time::{Duration, Instant, WallTime};

/// Transport protocol of a SIP message (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

impl Transport {
    /// As written in a Via (RFC 3261 §20.42).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether the transport delivers by itself, so that nothing is retransmitted (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}

/// A listening socket, numbered by the driver in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ListenerId(pub u16);

/// A listening socket as it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Listener {
    /// Its number.
    pub id: ListenerId,
    /// What it speaks.
    pub transport: Transport,
    /// Where it is bound; the address may be unspecified, the port is the real one.
    pub local: SocketAddr,
}

/// A stream. Streams that a peer opened are numbered odd by the driver, streams that the engine opens even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StreamId(pub u64);

/// The way a message came, and the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Flow {
    /// A datagram between two addresses.
    Datagram {
        /// The socket.
        listener: ListenerId,
        /// Our address as the peer sees it: never unspecified.
        local: IpAddr,
        /// The peer.
        remote: SocketAddr,
    },
    /// Whatever goes through this stream.
    Stream {
        /// The stream.
        stream: StreamId,
    },
}

/// Names a question to the outside until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QueryId(pub u64);

/// Names a control request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ControlId(pub u64);

/// Position in the log of stored records: starts at 1, no gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lsn(pub u64);

/// What a driver may tell the signalling machine.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Input {
    /// The deadline has come.
    Wake,
    /// A datagram arrived.
    Datagram {
        /// The socket it arrived on.
        listener: ListenerId,
        /// The local address it was sent to.
        local: IpAddr,
        /// Who sent it.
        remote: SocketAddr,
        /// All of it, in an allocation of its own.
        bytes: Bytes,
    },
    /// Something happened to a stream.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        event: StreamEvent,
    },
    /// A datagram could not be sent, or the network said that nobody listens there.
    SendFailed {
        /// Where it was to go.
        flow: Flow,
    },
    /// A name was looked up.
    Resolved {
        /// The question.
        query: QueryId,
        /// Addresses in order of preference, or nothing.
        answer: Result<Vec<IpAddr>, ResolveError>,
    },
    /// Media has something to say.
    Media {
        /// Which shard.
        shard: ShardId,
        /// What.
        report: MediaReport,
    },
    /// Every record up to this one is safe on disk.
    Stored {
        /// The last safe record.
        through: Lsn,
    },
    /// Records could not be stored.
    StoreFailed {
        /// The first record lost.
        at: Lsn,
        /// What the store said.
        error: SmolStr,
    },
    /// An operator asks.
    Control {
        /// Names the request.
        id: ControlId,
        /// What is asked.
        request: Control,
    },
    /// This configuration is in force from now on; calls in progress go on.
    Config {
        /// All of it.
        config: Arc<Config>,
        /// The sockets that are bound for it.
        listeners: Vec<Listener>,
    },
    /// The wall clock was read again.
    Wall(WallTime),
    /// How long the next input has waited since it arrived. To be told when it changes by some milliseconds, and again
    /// every few hundred milliseconds while it is not zero; nothing told is zero. New requests are refused by it.
    Load {
        /// How long.
        waiting: Duration,
    },
    /// From now on all randomness comes from here, because somebody may have learnt what it came from before. Nonces
    /// given out before are stale; everything else goes on.
    Seed(Seed),
    /// Refuse new calls, let the present ones end, end what is left at `by`, then say [`Action::Stopped`].
    Stop {
        /// When patience ends.
        by: Instant,
    },
}

/// What can happen to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StreamEvent {
    /// It is connected: a peer's connection was accepted, or ours succeeded.
    Opened {
        /// The listener that accepted it; `None` when the engine asked for it.
        listener: Option<ListenerId>,
        /// Our end.
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
    },
    /// Some octets arrived.
    Bytes(Bytes),
    /// It is gone: closed by the peer, failed, or never connected.
    Closed,
}

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ResolveError {
    /// No such name, or a name without addresses.
    NotFound,
    /// The resolver did not answer.
    Unreachable,
}

/// What the signalling machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Action {
    /// Send these octets.
    Transmit {
        /// Which way.
        flow: Flow,
        /// A whole message.
        bytes: Bytes,
    },
    /// Open a stream.
    Connect {
        /// Its name from now on.
        stream: StreamId,
        /// Where to.
        remote: SocketAddr,
        /// What to speak.
        transport: Transport,
    },
    /// Close a stream once what was transmitted has left. No event follows.
    Disconnect {
        /// Which.
        stream: StreamId,
    },
    /// Find the addresses of a host name.
    Resolve {
        /// Names the question.
        query: QueryId,
        /// The name.
        host: SmolStr,
    },
    /// Tell a media shard.
    Media {
        /// Which.
        shard: ShardId,
        /// What.
        command: MediaCommand,
    },
    /// Keep this record.
    Store {
        /// Its place in the log.
        lsn: Lsn,
        /// What to keep.
        record: Record,
    },
    /// Answer an operator.
    Reply {
        /// The request.
        id: ControlId,
        /// The answer.
        reply: ControlReply,
    },
    /// Tell people.
    Report(Event),
    /// Everything has ended; the driver may go.
    Stopped,
}

/// Where a machine appends what it wants done. The driver empties it after each call.
pub type Actions = Vec<Action>;

/// What a machine wakes up to.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Boot {
    /// The wall clock at [`Instant::ZERO`].
    pub wall: WallTime,
    /// Sockets that are bound.
    pub listeners: Vec<Listener>,
    /// Addresses of this host, in the order the host prefers them.
    pub interfaces: Vec<Interface>,
    /// How many media shards there are; at least one.
    pub shards: u8,
    /// Registrations that survived.
    pub bindings: Vec<StoredBinding>,
    /// Lasting values of dialplans that survived: family, key and value.
    pub values: Vec<(SmolStr, SmolStr, SmolStr)>,
    /// The next free place in the log.
    pub next_lsn: Lsn,
}

/// One address of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix in bits.
    pub prefix: u8,
}

/// Something to keep over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Record {
    /// A binding was added or refreshed: replace what stands under (aor, contact).
    Bind(StoredBinding),
    /// A binding is gone.
    Unbind {
        /// Address-of-record: the extension.
        aor: SmolStr,
        /// The contact URI as registered.
        contact: SmolStr,
    },
    /// A dialplan keeps a value: replace what stands under (family, key).
    Keep {
        /// The family.
        family: SmolStr,
        /// The key in it.
        key: SmolStr,
        /// The value.
        value: SmolStr,
    },
    /// A dialplan forgot one.
    Forget {
        /// The family.
        family: SmolStr,
        /// The key in it.
        key: SmolStr,
    },
    /// A call: replace what stands under [`CallRecord::unique`].
    Call(Box<CallRecord>),
}

/// A registration as it is kept (RFC 3261 §10.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StoredBinding {
    /// Address-of-record: the extension.
    pub aor: SmolStr,
    /// The contact URI as registered.
    pub contact: SmolStr,
    /// What the REGISTER came over.
    pub transport: Transport,
    /// Where it came from.
    pub source: SocketAddr,
    /// Our address it was sent to.
    pub local: SocketAddr,
    /// When it ends.
    pub expires: WallTime,
    /// Call-ID of the REGISTER.
    pub call_id: SmolStr,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// Preference in thousandths, 0 to 1000 (RFC 3261 §20.10).
    pub q: u16,
    /// Path header field values, outermost first, joined by commas (RFC 3327); empty without.
    pub path: SmolStr,
    /// What the phone calls itself.
    pub user_agent: SmolStr,
    /// Which device it is: the `+sip.instance` of the contact, and its `reg-id` after a semicolon (RFC 5626 §4.1);
    /// empty without.
    pub instance: SmolStr,
}

/// What an operator may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Control {
    /// All bindings.
    Registrations,
    /// All calls.
    Calls,
    /// End this call.
    Hangup {
        /// [`CallInfo::id`].
        call: u64,
    },
    /// Record a call, or change how.
    Record {
        /// [`CallInfo::id`].
        call: u64,
        /// What to do.
        order: RecordOrder,
    },
    /// What a call between two phones would use.
    Codecs {
        /// Who calls.
        from: SmolStr,
        /// Who is called.
        to: SmolStr,
    },
    /// How a call went through the dialplan: one in progress, or one of the last.
    Explain {
        /// [`CallInfo::id`], or what the Reason of a refusal says.
        call: u64,
    },
    /// Where a call would go that nobody makes.
    Foretell(Box<Supposition>),
    /// Sizes of all tables.
    Stats,
}

/// What is to be recorded of a call, or what becomes of its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordOrder {
    /// Start a recording. Any number may follow each other, one at a time.
    Start {
        /// What of the call.
        what: RecordWhat,
        /// The kind of file; `None` for the one that the configuration names.
        format: Option<RecordingFormat>,
    },
    /// Leave out what is said from now on.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End it.
    Stop,
}

/// What of a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordWhat {
    /// Both parties in one channel.
    Mixed,
    /// The caller in the first channel, the callee in the second.
    Stereo,
    /// The caller alone.
    Caller,
    /// The callee alone.
    Callee,
}

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ControlReply {
    /// All bindings, by extension.
    Registrations(Vec<RegistrationInfo>),
    /// All calls, oldest first.
    Calls(Vec<CallInfo>),
    /// The call is being ended.
    HungUp {
        /// Its number.
        call: u64,
    },
    /// How a call went through the dialplan.
    Explained(Box<Explanation>),
    /// Where a call would go.
    Foretold(Box<Foretold>),
    /// How the call went is not known, or not any more.
    NotKnown {
        /// Its number.
        call: u64,
    },
    /// There is no such call.
    NoSuchCall {
        /// The number asked for.
        call: u64,
    },
    /// The recording of a call is as it was ordered.
    Recording {
        /// The call's number.
        call: u64,
        /// The recording's, as `MediaIo::Record` names it.
        recording: RecordingId,
        /// Of whom it has nothing, though it should: their codec can be passed on only.
        unheard: Vec<Side>,
    },
    /// It cannot be recorded so.
    NotRecorded {
        /// The call's number.
        call: u64,
        /// Why.
        why: NotRecorded,
    },
    /// What a call between two phones would use.
    Codecs(Box<CodecPlan>),
    /// There is no such phone.
    NoSuchPhone {
        /// The extension asked for.
        extension: SmolStr,
    },
    /// Sizes of all tables.
    Stats(Stats),
}

/// Why an order to record could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NotRecorded {
    /// Nobody has answered.
    #[error("nobody has answered yet")]
    NotAnswered,
    /// It is recorded already.
    #[error("it is being recorded; stop that first")]
    Already,
    /// It is not recorded.
    #[error("it is not being recorded")]
    NotRecording,
    /// Its codec can be passed on only.
    #[error("its codec cannot be decoded")]
    Codec,
    /// It was recorded too often.
    #[error("it was recorded too often")]
    TooOften,
    /// As many of the members of its conference are recorded as may be: [`crate::limits::RECORDINGS`].
    #[error("as many recordings of its conference run as may run at a time; stop another one first")]
    Crowded,
}

/// What a call between two phones would use. Codecs are written as in `PCMU/8000 opus/48000/2`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CodecPlan {
    /// Who calls.
    pub caller: PhoneCodecs,
    /// Who is called.
    pub callee: PhoneCodecs,
    /// Whether the exchange turns one codec into another.
    pub transcode: bool,
    /// What the callee would be offered.
    pub offered: SmolStr,
    /// What it would take of that.
    pub answer: SmolStr,
    /// What the caller would be answered; empty when the call would fail.
    pub answered: SmolStr,
    /// How the caller's sound would reach the callee.
    pub there: SoundWay,
    /// How the callee's sound would reach the caller.
    pub back: SoundWay,
}

/// What is known of a phone's codecs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PhoneCodecs {
    /// Its extension.
    pub extension: SmolStr,
    /// What it named in its last call; `None` when there was none.
    pub named: Option<SmolStr>,
    /// How long ago that was.
    pub ago: Option<Duration>,
    /// Whether the configuration keeps it to some codecs.
    pub restricted: bool,
}

/// How sound gets from one party to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SoundWay {
    /// As it was sent.
    Untouched {
        /// In this codec.
        codec: SmolStr,
    },
    /// Turned from one codec into another.
    Transcoded {
        /// As it is sent.
        from: SmolStr,
        /// As it arrives.
        to: SmolStr,
    },
    /// Not at all.
    Nothing,
}

/// How a call went through the dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Explanation {
    /// The call's number.
    pub call: u64,
    /// The name of its record: [`crate::cdr::CallRecord::unique`].
    pub record: SmolStr,
    /// Who called.
    pub from: SmolStr,
    /// What was dialled.
    pub to: SmolStr,
    /// What was looked at for the number, and why it did or did not fit: lines of text. Empty when the dialplan has
    /// been changed since.
    pub considered: String,
    /// The extensions that matched, and each step with the values put in, its file and line: lines of text.
    pub text: String,
}

/// Where a call would go that nobody makes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Foretold {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The same by the clock of the site: `Sun 2026-11-22 11:02 Europe/Berlin`.
    pub when: SmolStr,
    /// The context that it begins in.
    pub context: SmolStr,
    /// What is looked at for the number, and why it does or does not fit: lines of text.
    pub considered: String,
    /// What [`Explanation::text`] will be if people do what is supposed.
    pub way: String,
    /// How it ends, in words.
    pub ends: SmolStr,
    /// Whom it rings, in order; a phone as often as it has contacts.
    pub rings: Vec<SmolStr>,
    /// What people do that nobody has said they would, in words.
    pub supposed: Vec<SmolStr>,
    /// Whether it was followed to its end.
    pub over: bool,
}

/// One binding, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegistrationInfo {
    /// The extension.
    pub extension: SmolStr,
    /// The contact URI.
    pub contact: SmolStr,
    /// What it registered over.
    pub transport: Transport,
    /// Where it is reached.
    pub source: SocketAddr,
    /// Time left.
    pub expires_in: Duration,
    /// What the phone calls itself.
    pub user_agent: SmolStr,
}

/// One call, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallInfo {
    /// Its number, unique since the start.
    pub id: u64,
    /// Who called.
    pub from: SmolStr,
    /// Who was called.
    pub to: SmolStr,
    /// How far it is.
    pub state: CallState,
    /// The audio encoding agreed; empty before.
    pub codec: SmolStr,
    /// Time since the INVITE.
    pub age: Duration,
    /// Time since the answer.
    pub talking: Option<Duration>,
    /// It is being recorded.
    pub recorded: bool,
    /// Of whom the recording has nothing, though it should: their codec can be passed on only.
    pub unheard: Vec<Side>,
    /// What the caller's media leg carried, a few seconds ago at most.
    pub caller: Box<LegStats>,
    /// What the callee's media leg carried; nothing when there is none.
    pub callee: Box<LegStats>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CallState {
    /// The destination is being asked.
    Calling,
    /// It rings.
    Ringing,
    /// Answered.
    Up,
    /// A side holds.
    Held,
    /// Being cleared.
    Ending,
}

/// Sizes of all tables: all zero but bindings when nothing is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Live transactions.
    pub transactions: usize,
    /// Live dialogs.
    pub dialogs: usize,
    /// Live legs.
    pub legs: usize,
    /// Live calls.
    pub calls: usize,
    /// Media ports in use.
    pub ports: usize,
    /// Open streams.
    pub streams: usize,
    /// Bindings.
    pub bindings: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Texts on their way between phones.
    pub texts: usize,
    /// Armed timers.
    pub timers: usize,
    /// Messages received.
    pub received: u64,
    /// Messages dropped as malformed.
    pub malformed: u64,
    /// New requests that were refused because there was more to do than time.
    pub shed: u64,
    /// New requests that were refused because a table was full or nearly.
    pub full: u64,
    /// New requests and unread datagrams over the rate of their source.
    pub limited: u64,
    /// Strangers whose rates are remembered.
    pub strangers: usize,
    /// Known sources.
    pub known: usize,
    /// Entries of the fullest table of those who gave wrong credentials.
    pub guessers: usize,
    /// Credentials that were not looked at, because there had been too many wrong ones.
    pub slowed: u64,
}
