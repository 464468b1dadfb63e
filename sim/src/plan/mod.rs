//! A plan: everything that people and the network will do in one run, as data. It is drawn from a seed,
//! printed, edited, kept and executed; nothing is drawn while it runs except luck that is a function of the
//! packet concerned.
//!
//! As text it is TOML ([`Plan::parse`], [`Plan::to_toml`]). Whatever is left out is off or as usual.

pub mod characters;
mod check;
mod features;
mod host;
mod nat;
mod text;
mod walk;
pub mod words;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use telex_engine::border::Transport;
use telex_engine::config::{Config, SipTimers};
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use crate::exchange::chooses;

pub use characters::{ATTACKS, Attack, AttackKind, Digit, HABITS, Habit, Outage};
pub(crate) use check::is_number;
pub use check::{MOST_CALLS, MOST_PHONES};
pub(crate) use features::PICKUP;
pub use features::Transfer;
pub use host::{Act, HostPlan, OperatorAct, Restart, StorePlan, WallStep, Window};
pub use nat::{Alg, Nat, Sameness};
pub use text::{LONGEST_TEXT, PlanError};
pub use walk::{Context, ENTRY, Extension, walks};

/// Everything that happens in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Seed of the run: the luck of packets and the engine's randomness come from it.
    #[serde(with = "words::seed")]
    pub seed: u64,
    /// When faults end. No action is planned after it.
    #[serde(with = "words::word")]
    pub calm: Instant,
    /// When everybody hangs up.
    #[serde(with = "words::word")]
    pub empty: Instant,
    /// When every table must be empty.
    #[serde(with = "words::word")]
    pub end: Instant,
    /// How the exchange is set up.
    #[serde(default)]
    pub exchange: ExchangePlan,
    /// The telephones.
    #[serde(default)]
    pub phones: Vec<PhonePlan>,
    /// The calls, by time.
    #[serde(default)]
    pub calls: Vec<CallPlan>,
    /// What the network does while the storm lasts.
    #[serde(default)]
    pub faults: Faults,
    /// Boxes between phones and the exchange.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nats: Vec<Nat>,
    /// What the host of the exchange does.
    #[serde(default)]
    pub host: HostPlan,
    /// What its operators do, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorAct>,
    /// Who attacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attack>,
    /// What the site has written into its dialplan, beside what is configured and a menu at 5000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialplan: Vec<Context>,
}

/// One telephone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhonePlan {
    /// The extension it registers. Several phones may share one.
    pub extension: String,
    /// Its secret; when empty `secret-` and the extension.
    pub password: String,
    /// What it speaks.
    #[serde(with = "words::word")]
    pub transport: Transport,
    /// Static RTP payload types it knows, in order of preference (RFC 3551); when empty 0 and 8.
    pub codecs: Vec<u8>,
    /// Time a packet takes to the exchange, or back.
    #[serde(with = "words::word")]
    pub latency: Duration,
    /// The most that a packet takes longer than that.
    #[serde(with = "words::word")]
    pub jitter: Duration,
    /// When it registers first.
    #[serde(with = "words::word")]
    pub registers: Instant,
    /// The expiry it asks for, in seconds.
    pub expires: u32,
    /// Whether it says `Supported: timer` (RFC 4028).
    pub session_timers: bool,
    /// The box it is behind, by its place in [`Plan::nats`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<usize>,
    /// It sends an empty line this often, so that boxes on the way remember it (RFC 5626 §3.5.1).
    #[serde(with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Duration>,
    /// It registers again at least this often.
    #[serde(with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Duration>,
    /// Longer datagrams do not pass between it and the exchange, either way: the octets of their payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The name it shows to whom it calls.
    pub display: String,
    /// It takes connections at its SIP port although it registers by datagram.
    pub takes_streams: bool,
    /// Its payload type for telephone events (RFC 4733); without one it knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u8>,
    /// In which ways it is not like the others.
    #[serde(with = "words::list", skip_serializing_if = "Vec::is_empty")]
    pub habits: Vec<Habit>,
    /// When it loses power.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// Its pick-up group; none when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The place in the plan that its luck comes from, when it is not its own: phones before it were taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub luck: Option<u32>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallPlan {
    /// When the caller dials.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// The calling phone, by its place in [`Plan::phones`].
    pub caller: usize,
    /// What is dialled.
    pub dial: String,
    /// The caller gives up this long after dialling, unless it was answered.
    #[serde(with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Duration>,
    /// What the phones of the dialled extension do: the first phone the first, and so on, round and round.
    /// Without any they ring for ever.
    #[serde(with = "words::list")]
    pub reactions: Vec<Reaction>,
    /// Who hangs up.
    #[serde(with = "words::word")]
    pub by: Side,
    /// How long after the answer. A time beyond the storm means: stay until everybody hangs up.
    #[serde(with = "words::word")]
    pub talk: Duration,
    /// A party holds and resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Which keys are pressed.
    #[serde(with = "words::list", skip_serializing_if = "Vec::is_empty")]
    pub digits: Vec<Digit>,
    /// The caller sends no offer (RFC 3261 §13.2.1): the answer carries it and the ACK answers.
    pub late_offer: bool,
    /// Who hands the call over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// The INVITE is to replace what the dialled extension has in this call of the plan (RFC 3891).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes: Option<usize>,
}

/// What a called phone does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Rings and answers.
    Answer(Duration),
    /// Rings and refuses with this status.
    Refuse(Duration, u16),
    /// Rings and sends the call to this number, or to a whole SIP URI, by 302.
    Divert(Duration, String),
    /// Rings for ever.
    Ignore,
}

/// Somebody holds the call for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Who.
    #[serde(with = "words::word")]
    pub by: Side,
    /// How long after the answer.
    #[serde(with = "words::word")]
    pub after: Duration,
    /// For how long.
    #[serde(with = "words::word")]
    pub lasts: Duration,
}

/// What the network does during the storm. Probabilities are in parts of a million, per packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Packets lost one by one.
    #[serde(with = "words::share")]
    pub loss: u32,
    /// Packets with which a burst of 2 to 8 lost ones begins.
    #[serde(with = "words::share")]
    pub burst: u32,
    /// Packets that arrive twice.
    #[serde(with = "words::share")]
    pub duplicate: u32,
    /// Packets that later ones overtake.
    #[serde(with = "words::share")]
    pub reorder: u32,
    /// Writes to a stream that arrive in pieces.
    #[serde(with = "words::share")]
    pub split: u32,
    /// Times when a phone cannot be reached, and reaches nobody.
    pub partitions: Vec<Partition>,
    /// Times when a phone's streams break.
    pub cuts: Vec<Cut>,
    /// Datagrams that are damaged on the way, so that the receiver's checksum refuses them.
    #[serde(with = "words::share")]
    pub corrupt: u32,
    /// Datagrams, and writes to streams, that are damaged and arrive all the same.
    #[serde(with = "words::share")]
    pub garble: u32,
    /// Times when nothing passes between a phone and the exchange, and all of it arrives afterwards.
    pub clogs: Vec<Clog>,
    /// Times when a phone's streams die without a word.
    pub vanishings: Vec<Vanishing>,
    /// Single messages to which something happens, storm or not.
    pub exact: Vec<ExactFault>,
}

/// Something happens to one SIP message in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactFault {
    /// The phone that sends or should get it.
    pub phone: usize,
    /// Whether it goes to the exchange or comes from there.
    #[serde(with = "words::word")]
    pub way: Way,
    /// Which one, counted from 1 for this phone and way.
    pub message: u32,
    /// What happens to it.
    #[serde(with = "words::word")]
    pub kind: ExactKind,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the exchange.
    In,
    /// From the exchange.
    Out,
}

/// What happens to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactKind {
    /// It does not arrive.
    Lose,
    /// It arrives a second time at once.
    Double,
    /// It arrives so much later, and others overtake it.
    Delay(Duration),
}

/// A phone is cut off for a while: datagrams are lost, streams wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The phone.
    pub phone: usize,
    /// From when.
    #[serde(with = "words::word")]
    pub from: Instant,
    /// Until when.
    #[serde(with = "words::word")]
    pub until: Instant,
}

/// A phone's streams break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The phone.
    pub phone: usize,
    /// When.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// Each breaks in the middle of the next message that is written to it, either way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inside: bool,
}

/// Nothing passes between a phone and the exchange for a while, and then all of it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clog {
    /// The phone.
    pub phone: usize,
    /// From when.
    #[serde(with = "words::word")]
    pub from: Instant,
    /// Until when.
    #[serde(with = "words::word")]
    pub until: Instant,
}

/// A phone's streams die without a word: what either side writes goes nowhere. The phone learns it when it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vanishing {
    /// The phone.
    pub phone: usize,
    /// When.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// The exchange's host gives the streams up this much later.
    #[serde(with = "words::word")]
    pub noticed: Duration,
}

/// How the exchange is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangePlan {
    /// How many media machines it has.
    pub shards: u8,
    /// How long a phone rings.
    #[serde(with = "words::word")]
    pub ring: Duration,
    /// A call without media ends after this.
    #[serde(with = "words::word")]
    pub media_timeout: Duration,
    /// Session interval (RFC 4028).
    #[serde(with = "words::word")]
    pub session: Duration,
    /// The shortest session interval it accepts.
    #[serde(with = "words::word")]
    pub min_session: Duration,
    /// T1 of RFC 3261 §17.1.1.1. Phones keep to the RFC's 500 ms.
    #[serde(with = "words::word")]
    pub t1: Duration,
    /// T2.
    #[serde(with = "words::word")]
    pub t2: Duration,
    /// T4.
    #[serde(with = "words::word")]
    pub t4: Duration,
    /// Timer C.
    #[serde(with = "words::word")]
    pub timer_c: Duration,
    /// Digest realm.
    pub realm: String,
    /// The shortest registration it accepts.
    #[serde(with = "words::word")]
    pub min_expires: Duration,
    /// Longer registrations are cut to this.
    #[serde(with = "words::word")]
    pub max_expires: Duration,
    /// Registrations that ask for no time last so long.
    #[serde(with = "words::word")]
    pub default_expires: Duration,
    /// Contacts per extension.
    pub contacts: usize,
    /// Whether one codec is turned into another for phones that share none.
    #[serde(skip_serializing_if = "is_false")]
    pub transcode: bool,
    /// How long a nonce is good.
    #[serde(with = "words::word")]
    pub nonce: Duration,
    /// A timer of the engine that is deliberately wrong, to see it caught.
    #[serde(with = "words::optional", skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenTimer>,
}

/// Timers that can be broken on purpose. The engine gets a wrong value, the oracles keep the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenTimer {
    /// T1 is 5 s instead of 500 ms.
    T1,
    /// T2 is 400 s instead of 4 s, so intervals double without end.
    T2,
}

/// Everything is at rest this long after the last fault, if phones ring and stay silent for no more than
/// [`PATIENT`] together.
const CALM: Duration = Duration::from_secs(120);
/// What remains of [`CALM`] after two lives of a transaction.
const PATIENT: Duration = Duration::from_secs(50);
/// Every table is empty this long after all hung up, with the T1 of the RFC.
const EMPTY: Duration = Duration::from_secs(120);
/// Faults last this long after the last call was dialled.
pub const TAIL: Duration = Duration::from_secs(20);

impl Plan {
    /// Lets calm come as soon as the calls and faults allow, and the rest after it.
    pub fn end_early(&mut self) {
        let calls = self.calls.iter().map(|c| c.at + TAIL);
        let faults =
            self.faults.partitions.iter().map(|p| p.until).chain(self.faults.cuts.iter().map(|c| c.at));
        let phones = self.phones.iter().map(|p| p.registers + TAIL);
        let last = calls.chain(faults).chain(phones).max().unwrap_or_default();
        // Whole seconds are easier to read.
        let seconds = last.since(Instant::ZERO).as_nanos().div_ceil(1_000_000_000);
        self.calm = self.calm.min(Instant::from_millis(u64::try_from(seconds).unwrap_or(u64::MAX) * 1000));
        self.empty = self.calm + self.exchange.calm();
        self.end = self.empty + self.exchange.empty();
    }

    /// The name that the caller of a call shows: its phone's, and the number of the call when who is called could not
    /// tell it from another call of the plan.
    pub(crate) fn shown_name(&self, call: usize) -> Cow<'_, str> {
        let planned = &self.calls[call];
        let name = self.phones[planned.caller].display.as_str();
        let extension = |c: &CallPlan| &self.phones[c.caller].extension;
        // Of what comes out of a menu it does not show what was dialled.
        let own = |c: &&CallPlan| extension(c) == extension(planned);
        let menu = self.calls.iter().filter(own).any(|c| chooses(&c.dial));
        let alike = |c: &&CallPlan| own(c) && (menu || c.dial == planned.dial);
        let like = self.calls.iter().filter(alike).count();
        match (like, name) {
            (..=1, _) => Cow::Borrowed(name),
            (_, "") => Cow::Owned(format!("call {call}")),
            _ => Cow::Owned(format!("{name} call {call}")),
        }
    }

    /// The name that the luck of phone `index` has.
    pub(crate) fn luck_of(&self, index: usize) -> u64 {
        self.phones[index].luck.map_or(index as u64, u64::from)
    }
}

impl PhonePlan {
    /// Its secret.
    pub fn secret(&self) -> String {
        if self.password.is_empty() { format!("secret-{}", self.extension) } else { self.password.clone() }
    }

    /// The RTP payload types it knows.
    pub fn payload_types(&self) -> &[u8] {
        if self.codecs.is_empty() { &[0, 8] } else { &self.codecs }
    }
}

impl Default for PhonePlan {
    fn default() -> Self {
        Self {
            extension: String::new(),
            password: String::new(),
            transport: Transport::Udp,
            codecs: Vec::new(),
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            registers: Instant::ZERO,
            expires: 3600,
            session_timers: false,
            nat: None,
            keep_alive: None,
            refresh: None,
            mtu: None,
            display: String::new(),
            takes_streams: false,
            events: None,
            habits: Vec::new(),
            outages: Vec::new(),
            group: String::new(),
            luck: None,
        }
    }
}

impl Default for CallPlan {
    fn default() -> Self {
        Self {
            at: Instant::ZERO,
            caller: 0,
            dial: String::new(),
            cancel: None,
            reactions: Vec::new(),
            by: Side::Caller,
            talk: Duration::from_secs(5),
            hold: None,
            digits: Vec::new(),
            late_offer: false,
            transfers: Vec::new(),
            takes: None,
        }
    }
}

impl Default for ExchangePlan {
    fn default() -> Self {
        let usual = Config { ring: Duration::from_secs(20), ..Config::default() };
        Self { media_timeout: Duration::from_secs(20), ..Self::of(&usual) }
    }
}

impl ExchangePlan {
    /// Everything is at rest this long after the last fault: two lives of a transaction, the longest ring and
    /// the media timeout fit into it.
    pub fn calm(&self) -> Duration {
        CALM + (self.ring + self.media_timeout).saturating_sub(PATIENT) + self.slow()
    }

    /// Every table is empty this long after all hung up: a BYE may live 64 T1 and its transaction as long.
    pub fn empty(&self) -> Duration {
        EMPTY + self.slow()
    }

    /// How much longer two lives of a transaction are than with the T1 of the RFC.
    pub(crate) fn slow(&self) -> Duration {
        self.t1.saturating_sub(SipTimers::default().t1) * 128
    }

    /// The times and limits of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            shards: 1,
            ring: config.ring,
            // A party that is never given up would hold its call for ever once its BYE was lost.
            media_timeout: config.media_timeout.unwrap_or(Duration::from_secs(60)),
            session: config.session.expires,
            min_session: config.session.min_se,
            t1: config.sip.t1,
            t2: config.sip.t2,
            t4: config.sip.t4,
            timer_c: config.sip.timer_c,
            realm: config.realm.to_string(),
            min_expires: config.registrar.min_expires,
            max_expires: config.registrar.max_expires,
            default_expires: config.registrar.default_expires,
            contacts: config.registrar.max_contacts,
            transcode: false,
            nonce: config.registrar.nonce_life,
            broken: None,
        }
    }
}

impl fmt::Display for CallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} phone {} dials {}", self.at, self.caller, self.dial)?;
        if self.late_offer {
            f.write_str(" without offer")?;
        }
        if let Some(after) = self.cancel {
            write!(f, " cancels after {after:?}")?;
        }
        for reaction in &self.reactions {
            match reaction {
                Reaction::Answer(after) => write!(f, " | answers after {after:?}")?,
                Reaction::Refuse(after, status) => write!(f, " | refuses {status} after {after:?}")?,
                Reaction::Divert(after, to) => write!(f, " | sends to {to} after {after:?}")?,
                Reaction::Ignore => f.write_str(" | rings")?,
            }
        }
        if let Some(hold) = self.hold {
            write!(f, ", {:?} holds after {:?} for {:?}", hold.by, hold.after, hold.lasts)?;
        }
        write!(f, ", {:?} hangs up after {:?}", self.by, self.talk)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
