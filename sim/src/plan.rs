//! A plan: everything that people and the network will do in one run, as data. It is drawn from a seed,
//! printed, and executed; nothing is drawn while it runs except luck that is a function of the packet
//! concerned.

use std::fmt;

use telex_engine::border::Transport;
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

/// Everything that happens in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Seed of the run: the luck of packets and the engine's randomness come from it.
    pub seed: u64,
    /// The telephones.
    pub phones: Vec<PhonePlan>,
    /// The calls, by time.
    pub calls: Vec<CallPlan>,
    /// What the network does while the storm lasts.
    pub faults: Faults,
    /// How the exchange is set up.
    pub exchange: ExchangePlan,
    /// When faults end. No action is planned after it.
    pub calm: Instant,
    /// When everybody hangs up.
    pub empty: Instant,
    /// When every table must be empty.
    pub end: Instant,
}

/// One telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhonePlan {
    /// The extension it registers. Several phones may share one.
    pub extension: String,
    /// Its secret.
    pub password: String,
    /// What it speaks.
    pub transport: Transport,
    /// Static RTP payload types it knows, in order of preference (RFC 3551).
    pub codecs: Vec<u8>,
    /// Time a packet takes to the exchange, or back.
    pub latency: Duration,
    /// The most that a packet takes longer than that.
    pub jitter: Duration,
    /// When it registers first.
    pub registers: Instant,
    /// The expiry it asks for, in seconds.
    pub expires: u32,
    /// Whether it says `Supported: timer` (RFC 4028).
    pub session_timers: bool,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPlan {
    /// When the caller dials.
    pub at: Instant,
    /// The calling phone, by its place in [`Plan::phones`].
    pub caller: usize,
    /// What is dialled.
    pub dial: String,
    /// The caller gives up this long after dialling, unless it was answered.
    pub cancel: Option<Duration>,
    /// What the phones of the dialled extension do: the first phone the first, and so on, round and round.
    pub reactions: Vec<Reaction>,
    /// Who hangs up.
    pub by: Side,
    /// How long after the answer. A time beyond the storm means: stay until everybody hangs up.
    pub talk: Duration,
    /// A party holds and resumes.
    pub hold: Option<Hold>,
    /// The caller sends no offer (RFC 3261 §13.2.1): the answer carries it and the ACK answers.
    pub late_offer: bool,
}

/// What a called phone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Rings and answers.
    Answer(Duration),
    /// Rings and refuses with this status.
    Refuse(Duration, u16),
    /// Rings for ever.
    Ignore,
}

/// Somebody holds the call for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who.
    pub by: Side,
    /// How long after the answer.
    pub after: Duration,
    /// For how long.
    pub lasts: Duration,
}

/// What the network does during the storm. Probabilities are in parts of a million, per packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets lost one by one.
    pub loss: u32,
    /// Packets with which a burst of 2 to 8 lost ones begins.
    pub burst: u32,
    /// Packets that arrive twice.
    pub duplicate: u32,
    /// Packets that later ones overtake.
    pub reorder: u32,
    /// Writes to a stream that arrive in pieces.
    pub split: u32,
    /// Times when a phone cannot be reached, and reaches nobody.
    pub partitions: Vec<Partition>,
    /// Times when a phone's streams break.
    pub cuts: Vec<Cut>,
}

/// A phone is cut off for a while: datagrams are lost, streams wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The phone.
    pub phone: usize,
    /// From when.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
}

/// A phone's streams break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The phone.
    pub phone: usize,
    /// When.
    pub at: Instant,
}

/// How the exchange is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangePlan {
    /// How many media machines it has.
    pub shards: u8,
    /// How long a phone rings.
    pub ring: Duration,
    /// A call without media ends after this.
    pub media_timeout: Duration,
    /// Session interval (RFC 4028).
    pub session: Duration,
    /// A timer of the engine that is deliberately wrong, to see it caught.
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "calm {} empty {} end {}", self.calm, self.empty, self.end)?;
        let x = &self.exchange;
        writeln!(
            f,
            "exchange shards {} ring {:?} media-timeout {:?} session {:?} broken {:?}",
            x.shards, x.ring, x.media_timeout, x.session, x.broken
        )?;
        let n = &self.faults;
        writeln!(
            f,
            "faults loss {} burst {} duplicate {} reorder {} split {} (per million)",
            n.loss, n.burst, n.duplicate, n.reorder, n.split
        )?;
        for p in &n.partitions {
            writeln!(f, "partition phone {} from {} until {}", p.phone, p.from, p.until)?;
        }
        for c in &n.cuts {
            writeln!(f, "cut phone {} at {}", c.phone, c.at)?;
        }
        for (i, p) in self.phones.iter().enumerate() {
            writeln!(f, "phone {i} {p}")?;
        }
        for (i, c) in self.calls.iter().enumerate() {
            writeln!(f, "call {i} {c}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PhonePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} codecs {:?} latency {:?} jitter {:?} registers {} expires {}{}",
            self.extension,
            self.transport.as_str(),
            self.codecs,
            self.latency,
            self.jitter,
            self.registers,
            self.expires,
            if self.session_timers { " timer" } else { "" }
        )
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
                Reaction::Ignore => f.write_str(" | rings")?,
            }
        }
        if let Some(hold) = self.hold {
            write!(f, ", {:?} holds after {:?} for {:?}", hold.by, hold.after, hold.lasts)?;
        }
        write!(f, ", {:?} hangs up after {:?}", self.by, self.talk)
    }
}
