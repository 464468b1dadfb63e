//! What a machine holds at a moment, in words, for people who look into a recording. Nothing is decided by it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use smol_str::SmolStr;

use crate::border::{CallState, RegistrationInfo, Stats, Transport};
use crate::cx::{BindingKey, CallKey, ClientKey, LegKey, ServerKey, Timer};
use crate::mediactl::LegStats;
use crate::time::{Duration, Instant};
use crate::timers::Timers;

/// An armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerView {
    /// Its name: that of the RFC where it has one.
    pub name: &'static str,
    /// When it fires.
    pub at: Instant,
}

/// A SIP transaction (RFC 3261 §17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionView {
    /// Whether the request came from the peer.
    pub server: bool,
    /// Its method.
    pub method: &'static str,
    /// How far it is, as the RFC calls it.
    pub state: String,
    /// The branch of its top Via.
    pub branch: SmolStr,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// Its timers.
    pub timers: Vec<TimerView>,
}

/// A dialog (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogView {
    /// `confirmed` or `early`.
    pub state: &'static str,
    /// Call-ID.
    pub call_id: SmolStr,
    /// Our tag.
    pub local_tag: SmolStr,
    /// The peer's tag.
    pub remote_tag: SmolStr,
    /// CSeq of our last request.
    pub local_cseq: u32,
    /// CSeq of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// The peer's Contact.
    pub target: SmolStr,
}

/// One SIP side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// How far it is.
    pub state: &'static str,
    /// Its dialogs: more than one when an INVITE of ours forked and was not answered yet.
    pub dialogs: Vec<DialogView>,
    /// What it waits for.
    pub waiting: Vec<String>,
    /// Its timers.
    pub timers: Vec<TimerView>,
    /// Its transactions.
    pub transactions: Vec<TransactionView>,
}

/// The media of a party, as far as signalling knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaView {
    /// The leg's number at its shard.
    pub leg: u64,
    /// Our port.
    pub port: u16,
    /// Where the party said it receives.
    pub remote: Option<SocketAddr>,
    /// Whether the shard knows the leg.
    pub put: bool,
    /// Revision of the wanted state.
    pub revision: u32,
    /// Whether we send to the party, and whether we accept media from it.
    pub flows: Option<(bool, bool)>,
    /// The audio encoding agreed; empty before.
    pub codec: SmolStr,
    /// How far offer and answer are (RFC 3264).
    pub offer: &'static str,
    /// What the leg carried, known once it was dropped.
    pub stats: LegStats,
}

/// A party of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyView {
    /// The contact that was asked; empty for the caller.
    pub contact: SmolStr,
    /// Its SIP side, unless the call has let go of it.
    pub session: Option<SessionView>,
    /// Its media.
    pub media: MediaView,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Its number.
    pub id: u64,
    /// Who called.
    pub from: SmolStr,
    /// Who was called.
    pub to: SmolStr,
    /// How far it is.
    pub state: CallState,
    /// Which app is in charge.
    pub app: &'static str,
    /// Time since the INVITE.
    pub age: Duration,
    /// The caller first.
    pub parties: Vec<PartyView>,
    /// What it waits for beside its parties.
    pub waiting: Vec<String>,
    /// Its timers.
    pub timers: Vec<TimerView>,
}

/// A registration with its timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingView {
    /// The registration.
    pub info: RegistrationInfo,
    /// Its timers.
    pub timers: Vec<TimerView>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// Its number.
    pub stream: u64,
    /// What it speaks.
    pub transport: Transport,
    /// The peer.
    pub remote: SocketAddr,
    /// How far it is.
    pub state: &'static str,
    /// Octets of a message that is not whole yet.
    pub unfinished: usize,
    /// Its timers.
    pub timers: Vec<TimerView>,
}

/// Everything that the signalling machine holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The moment of the last input.
    pub now: Instant,
    /// Sizes of all tables.
    pub stats: Stats,
    /// All calls, oldest first.
    pub calls: Vec<CallView>,
    /// All transactions that belong to no session.
    pub transactions: Vec<TransactionView>,
    /// Sessions that their call has let go of and that end by themselves.
    pub loose: Vec<SessionView>,
    /// All registrations, by extension.
    pub registrations: Vec<BindingView>,
    /// All streams.
    pub streams: Vec<StreamView>,
    /// All timers, the next first.
    pub timers: Vec<TimerView>,
}

/// Whose a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Server(ServerKey),
    Client(ClientKey),
    Stream(u64),
    Binding(BindingKey),
    Leg(LegKey),
    Call(CallKey),
    Machine,
}

/// All armed timers by owner.
pub(crate) struct Armed(BTreeMap<Owner, Vec<TimerView>>);

impl Armed {
    pub(crate) fn of(timers: &Timers<Timer>) -> Self {
        let mut owners: BTreeMap<Owner, Vec<TimerView>> = BTreeMap::new();
        for (at, timer) in timers.armed() {
            let owner = match *timer {
                Timer::Server(key, _) => Owner::Server(key),
                Timer::Client(key, _) => Owner::Client(key),
                Timer::Stream(stream) => Owner::Stream(stream.0),
                Timer::Binding(key) => Owner::Binding(key),
                Timer::Leg(key, _) => Owner::Leg(key),
                Timer::Call(key, _) => Owner::Call(key),
                Timer::Subscription(..) | Timer::CallBack(_) | Timer::Stop => Owner::Machine,
            };
            owners.entry(owner).or_default().push(TimerView { name: timer.name(), at });
        }
        Self(owners)
    }

    /// The timers of one owner, the next first.
    pub(crate) fn timers(&self, owner: Owner) -> Vec<TimerView> {
        self.0.get(&owner).cloned().unwrap_or_default()
    }
}
