//! What every layer may use while handling one input, and the names the layers share.

use crate::border::{Action, Actions, Lsn, Record, StreamId};
use crate::config::Config;
use crate::event::Event;
use crate::planted::Planted;
use crate::rng::{Purpose, Rng, Seed};
use crate::time::{Instant, WallTime};
use crate::timers::Timers;

slotmap::new_key_type! {
    /// A server transaction.
    pub struct ServerKey;
    /// A client transaction.
    pub struct ClientKey;
    /// One SIP side of a call.
    pub struct LegKey;
    /// A call.
    pub struct CallKey;
    /// A binding of the registrar.
    pub struct BindingKey;
    /// A subscription.
    pub struct SubscriptionKey;
    /// A text on its way.
    pub struct TextKey;
}

/// What a layer may use while handling one input. It holds no tables of the domain.
pub(crate) struct Cx<'a> {
    /// The moment of the input.
    pub(crate) now: Instant,
    /// The wall clock at `now`.
    pub(crate) wall: WallTime,
    /// The configuration in force.
    pub(crate) config: &'a Config,
    /// Streams of randomness, one per purpose.
    pub(crate) rng: &'a mut Randomness,
    /// All timers.
    pub(crate) timers: &'a mut Timers<Timer>,
    /// Where actions go.
    pub(crate) out: &'a mut Actions,
    /// Numbers what is to be kept.
    pub(crate) journal: &'a mut Journal,
    /// What is to be done wrong.
    pub(crate) planted: Planted,
}

impl Cx<'_> {
    /// Milliseconds of a clock that nobody sets.
    pub(crate) fn steady_ms(&self) -> i64 {
        i64::try_from(self.now.since(Instant::ZERO).as_millis()).unwrap_or(i64::MAX)
    }

    /// Tells people.
    pub(crate) fn report(&mut self, event: Event) {
        self.out.push(Action::Report(event));
    }

    /// Keeps this over a restart.
    pub(crate) fn store(&mut self, record: Record) {
        let lsn = self.journal.next;
        self.journal.next = Lsn(lsn.0 + 1);
        self.out.push(Action::Store { lsn, record });
    }
}

/// Numbers records in the order in which they were made.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Journal {
    next: Lsn,
}

impl Journal {
    /// The first record is numbered so.
    pub(crate) const fn new(next: Lsn) -> Self {
        Self { next }
    }
}

/// The streams of randomness of the signalling machine.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Randomness {
    /// Via branches.
    pub(crate) branch: Rng,
    /// Tags and Call-IDs.
    pub(crate) tag: Rng,
    /// Back-off times and SDP session ids.
    pub(crate) call: Rng,
    /// Who is refused under overload, and when to come again.
    pub(crate) load: Rng,
    /// What dialplans draw.
    pub(crate) plan: Rng,
}

impl Randomness {
    /// All streams of one seed.
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            branch: Rng::new(seed, Purpose::Branch),
            tag: Rng::new(seed, Purpose::Tag),
            call: Rng::new(seed, Purpose::Call),
            load: Rng::new(seed, Purpose::Load),
            plan: Rng::new(seed, Purpose::Plan),
        }
    }
}

/// Whose timer it is and what it means there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Timer {
    /// A server transaction's.
    Server(ServerKey, ServerTimer),
    /// A client transaction's.
    Client(ClientKey, ClientTimer),
    /// A stream's: no valid start line, or idle.
    Stream(StreamId),
    /// A binding runs out.
    Binding(BindingKey),
    /// A leg's.
    Leg(LegKey, LegTimer),
    /// A call's.
    Call(CallKey, CallTimer),
    /// A call is wanted that may be possible now; with the number of the wish.
    CallBack(u32),
    /// A subscription's.
    Subscription(SubscriptionKey, SubscriptionTimer),
    /// Patience of [`crate::border::Input::Stop`] ends.
    Stop,
}

impl Timer {
    /// Its name, for people: that of the RFC where it has one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server(_, timer) => timer.name(),
            Self::Client(_, timer) => timer.name(),
            Self::Stream(_) => "stream timer",
            Self::Binding(_) => "expiry of a registration",
            Self::Leg(_, timer) => timer.name(),
            Self::Call(_, CallTimer::NoAnswer) => "ring time",
            Self::Call(_, CallTimer::Script) => "timer of the dialplan",
            Self::Call(_, CallTimer::Aside) => "timer of a party that is alone",
            Self::Call(_, CallTimer::Keys) => "wait for another key",
            Self::Call(_, CallTimer::Deadline) => "time that the dialplan gives the call",
            Self::Call(_, CallTimer::Clear) => "clearing time",
            Self::CallBack(_) => "look for a free phone",
            Self::Subscription(_, SubscriptionTimer::Expired) => "expiry of a subscription",
            Self::Subscription(_, SubscriptionTimer::Gap) => "least time between two NOTIFY",
            Self::Stop => "patience at a stop",
        }
    }
}

impl ServerTimer {
    const fn name(self) -> &'static str {
        match self {
            Self::Trying => "timer for 100",
            Self::G => "timer G",
            Self::H => "timer H",
            Self::I => "timer I",
            Self::J => "timer J",
            Self::L => "timer L",
        }
    }
}

impl ClientTimer {
    const fn name(self) -> &'static str {
        match self {
            Self::A => "timer A",
            Self::B => "timer B",
            Self::C => "timer C",
            Self::D => "timer D",
            Self::E => "timer E",
            Self::F => "timer F",
            Self::K => "timer K",
            Self::M => "timer M",
            Self::Unsent => "nothing could be sent",
        }
    }
}

impl LegTimer {
    const fn name(self) -> &'static str {
        match self {
            Self::Retransmit2xx => "timer of the repeated 2xx",
            Self::NoAck => "64 T1 without ACK",
            Self::Retransmit1xx => "timer of the repeated 1xx",
            Self::NoPrack => "64 T1 without PRACK",
            Self::Refresh => "session refresh",
            Self::Expired => "session expiry",
            Self::Glare => "wait after 491",
            Self::Introduce => "whom it talks with",
            Self::Progress => "timer of the provisional response",
            Self::Digit => "pause before the next digit",
        }
    }
}

/// Timers of server transactions (RFC 3261 §17.2, RFC 6026).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ServerTimer {
    /// 200 ms without an answer to INVITE: send 100 (§17.2.1).
    Trying,
    /// Retransmit the final response to INVITE.
    G,
    /// Give up waiting for ACK.
    H,
    /// Stop absorbing ACKs.
    I,
    /// Stop absorbing retransmitted non-INVITE requests.
    J,
    /// Stop absorbing INVITEs after a 2xx.
    L,
}

/// Timers of client transactions (RFC 3261 §17.1, RFC 6026).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ClientTimer {
    /// Retransmit INVITE.
    A,
    /// Give up on INVITE.
    B,
    /// The INVITE only ever rings (§16.6).
    C,
    /// Stop absorbing final responses to INVITE.
    D,
    /// Retransmit a non-INVITE request.
    E,
    /// Give up on a non-INVITE request.
    F,
    /// Stop absorbing responses to a non-INVITE request.
    K,
    /// Stop passing on 2xx.
    M,
    /// The request could not be sent at all; said by a timer so that nothing recurses.
    Unsent,
}

/// Timers of legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum LegTimer {
    /// Retransmit the 2xx until its ACK comes (RFC 3261 §13.3.1.4).
    Retransmit2xx,
    /// The ACK never came.
    NoAck,
    /// Retransmit a reliable provisional response (RFC 3262 §3).
    Retransmit1xx,
    /// The PRACK never came.
    NoPrack,
    /// Send a session refresh (RFC 4028).
    Refresh,
    /// The session has expired (RFC 4028).
    Expired,
    /// Try again after 491 (RFC 3261 §14.1).
    Glare,
    /// Tell the peer whom it talks with, now that nothing else may be under way (RFC 3325).
    Introduce,
    /// Repeat the provisional response so that no proxy gives up (RFC 3261 §13.3.1.1).
    Progress,
    /// The pause before the next digit is over.
    Digit,
}

/// Timers of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum CallTimer {
    /// Nobody answered.
    NoAnswer,
    /// What its dialplan waits for.
    Script,
    /// What a party that is alone waits for.
    Aside,
    /// No more keys come that would make a code.
    Keys,
    /// The dialplan lets it last no longer.
    Deadline,
    /// The call is being cleared and must be gone by now.
    Clear,
}

/// Timers of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum SubscriptionTimer {
    /// It was not refreshed.
    Expired,
    /// The watcher may be told again.
    Gap,
}
