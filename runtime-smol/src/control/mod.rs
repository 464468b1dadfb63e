//! The control socket: on each connection one JSON document in a line, and one in answer.
//!
//! `{"do":"calls"}` is answered `{"calls":[…]}`, `{"do":"hangup","call":7}` with `{"hung_up":7}`; what cannot be done is
//! answered `{"error":"…"}`. Times are whole seconds. The documents are what `--json` prints.

mod client;
mod codecs;
mod cut;
mod server;
pub(crate) mod table;

use serde::{Deserialize, Serialize};
use telex_dialplan::explain::Supposition;
use telex_dialplan::task::DialStatus;
use telex_engine::border::{self, CallState, Control, ControlReply};
use telex_engine::event::Side;
use telex_engine::limits;
use telex_engine::mediactl::{LegStats, RecordingFormat};

use crate::log::Escaped;

pub(crate) use client::{ask, cut, is_running};
pub(crate) use cut::{Cut, CutRequest};
pub(crate) use server::{Question, bind};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// All registrations.
    Registrations,
    /// All calls.
    Calls,
    /// End a call.
    Hangup {
        /// Its number.
        call: u64,
    },
    /// How a call went through the dialplan.
    Explain {
        /// Its number.
        call: u64,
    },
    /// Where a call would go that nobody makes.
    Foretell {
        /// Who calls.
        from: String,
        /// What is dialled.
        to: String,
        /// When, in milliseconds since 1970; now if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_ms: Option<i64>,
        /// What phones do that are asked: by extension, all others by the empty name. `"busy"`, `"answer"`,
        /// `{"moved":"102"}`, `{"presses":"1"}`, ...
        #[serde(default)]
        phones: Vec<(String, PhoneDoes)>,
        /// What the caller presses each time keys are collected.
        #[serde(default)]
        keys: Vec<String>,
    },
    /// Record a call, or change how.
    Recording {
        /// Its number.
        call: u64,
        /// `"pause"`, `"resume"`, `"stop"`, or `{"start":{"what":"stereo","format":"opus"}}`; both may be left out.
        order: RecordOrder,
    },
    /// What a call between two phones would use.
    Codecs {
        /// Who calls.
        from: String,
        /// Who is called.
        to: String,
    },
    /// Sizes of all tables.
    Stats,
    /// A recording of what has happened.
    RecordCut(CutRequest),
    /// Read the configuration again.
    Reload,
}

/// Who answers a request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The engine.
    Engine(Control),
    /// The flight recorder.
    Recorder(CutRequest),
    /// The driver, which has the configuration.
    Driver,
}

impl Request {
    /// Whom it is for.
    pub(crate) fn split(self) -> Asked {
        Asked::Engine(match self {
            Self::Registrations => Control::Registrations,
            Self::Calls => Control::Calls,
            Self::Hangup { call } => Control::Hangup { call },
            Self::Explain { call } => Control::Explain { call },
            Self::Foretell { from, to, at_ms, phones, keys } => {
                let mut wanted = Supposition::call(&from, &to);
                wanted.at_ms = at_ms;
                wanted.phones = phones.into_iter().map(|(phone, does)| (phone.into(), does.into())).collect();
                wanted.keys = keys.into_iter().map(Into::into).collect();
                Control::Foretell(Box::new(wanted))
            }
            Self::Recording { call, order } => Control::Record { call, order: order.into() },
            Self::Codecs { from, to } => Control::Codecs { from: from.into(), to: to.into() },
            Self::Stats => Control::Stats,
            Self::RecordCut(cut) => return Asked::Recorder(cut),
            Self::Reload => return Asked::Driver,
        })
    }
}

/// What a phone does that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Does {
    /// It answers.
    Answer,
    /// It is busy.
    Busy,
    /// It rings, and nobody answers.
    NoAnswer,
    /// It says that there is no way through.
    Congestion,
    /// It says that it is not there.
    Unavailable,
}

impl From<Does> for DialStatus {
    fn from(does: Does) -> Self {
        match does {
            Does::Answer => Self::Answer,
            Does::Busy => Self::Busy,
            Does::NoAnswer => Self::NoAnswer,
            Does::Congestion => Self::Congestion,
            Does::Unavailable => Self::ChanUnavail,
        }
    }
}

/// The same, with what it may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhoneDoes {
    /// It sends its calls to this number.
    Moved(String),
    /// It answers, and presses these keys before it is connected.
    Presses(String),
    /// Anything else.
    #[serde(untagged)]
    Ends(Does),
}

impl From<PhoneDoes> for telex_dialplan::explain::Does {
    fn from(does: PhoneDoes) -> Self {
        match does {
            PhoneDoes::Moved(to) => Self::Moves(to.into()),
            PhoneDoes::Presses(keys) => Self::Presses(keys.into()),
            PhoneDoes::Ends(does) => Self::Ends(does.into()),
        }
    }
}

/// What becomes of the recording of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordOrder {
    /// Start one.
    Start {
        /// What of the call.
        #[serde(default)]
        what: RecordWhat,
        /// The kind of file; the one that the configuration names if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<RecordFormat>,
    },
    /// Leave out what is said from now on.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End it.
    Stop,
}

/// What of a call is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordWhat {
    /// The caller in the left channel, the callee in the right.
    #[default]
    Stereo,
    /// Both in one channel.
    Mixed,
    /// The caller alone.
    Caller,
    /// The callee alone.
    Callee,
}

/// The kind of file of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordFormat {
    /// WAV, 16 bits a sample: 16 or 32 kB a second and channel.
    Wav,
    /// Opus in Ogg: 2 to 3 kB a second for one channel.
    Opus,
}

impl From<RecordFormat> for RecordingFormat {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Wav => Self::Wav,
            RecordFormat::Opus => Self::Opus,
        }
    }
}

impl From<RecordOrder> for border::RecordOrder {
    fn from(order: RecordOrder) -> Self {
        match order {
            RecordOrder::Start { what, format } => Self::Start {
                what: match what {
                    RecordWhat::Stereo => border::RecordWhat::Stereo,
                    RecordWhat::Mixed => border::RecordWhat::Mixed,
                    RecordWhat::Caller => border::RecordWhat::Caller,
                    RecordWhat::Callee => border::RecordWhat::Callee,
                },
                format: format.map(RecordingFormat::from),
            },
            RecordOrder::Pause => Self::Pause,
            RecordOrder::Resume => Self::Resume,
            RecordOrder::Stop => Self::Stop,
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// All registrations, by extension.
    Registrations(Vec<Registration>),
    /// All calls, oldest first.
    Calls(Vec<Call>),
    /// This call is being ended.
    HungUp(u64),
    /// How a call went through the dialplan.
    Explained {
        call: u64,
        /// The name of its record.
        record: String,
        from: String,
        to: String,
        /// What was looked at for the number: lines. Empty when the dialplan has been changed since.
        considered: String,
        /// The steps: lines.
        text: String,
    },
    /// Where a call would go.
    Foretold {
        /// When, by the clock of the site.
        when: String,
        /// The context that it begins in.
        context: String,
        /// What is looked at for the number: lines.
        considered: String,
        /// The steps: lines.
        way: String,
        /// How it ends, in words.
        ends: String,
        /// Whom it rings, in order.
        rings: Vec<String>,
        /// What people do that nobody has said they would.
        supposed: Vec<String>,
        /// Whether it was followed to its end.
        over: bool,
    },
    /// The recording of this call is as it was ordered.
    Recorded {
        call: u64,
        /// `caller`, `callee`: of whom the recording has nothing, since their codec cannot be decoded.
        unheard: Vec<String>,
    },
    /// What a call between two phones would use.
    Codecs(codecs::CodecPlan),
    /// Sizes of all tables.
    Stats(Stats),
    /// A recording follows.
    Recording(Cut),
    /// The configuration that was read again is in force.
    Reloaded(Reloaded),
    /// Why it was not done.
    Error(String),
}

/// What became of reading the configuration again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Phones there are now.
    pub(crate) phones: usize,
    /// Where SIP is heard now, in words.
    pub(crate) listening: String,
    /// The dialplan in words; empty when no file holds one.
    pub(crate) dialplan: String,
    /// What is odd in it, and what takes effect at the next start only.
    pub(crate) warnings: Vec<String>,
}

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) extension: String,
    /// The contact URI.
    pub(crate) contact: String,
    /// `UDP` or `TCP`.
    pub(crate) transport: String,
    /// Address and port it is reached at.
    pub(crate) source: String,
    /// Seconds left.
    pub(crate) expires_in: u64,
    pub(crate) user_agent: String,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// For `telex hangup`.
    pub(crate) id: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    /// `calling`, `ringing`, `up`, `held` or `ending`.
    pub(crate) state: String,
    /// Empty before the answer.
    pub(crate) codec: String,
    /// Seconds since the INVITE.
    pub(crate) age: u64,
    /// Seconds since the answer; null before.
    pub(crate) talking: Option<u64>,
    /// It is being recorded.
    pub(crate) recorded: bool,
    /// `caller`, `callee`: of whom the recording has nothing, since their codec cannot be decoded.
    pub(crate) unheard: Vec<String>,
    /// What was carried, a few seconds ago.
    pub(crate) caller: Sound,
    pub(crate) callee: Sound,
}

/// What a party sent and heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sound {
    /// Packets received from the party.
    pub(crate) received: u64,
    /// Packets of the party that were lost on the way to us, and those that came too late to be played.
    pub(crate) lost: u64,
    pub(crate) late: u64,
    /// Microseconds.
    pub(crate) jitter: u32,
    /// Packets sent to the party.
    pub(crate) sent: u64,
    /// Packets that the party misses.
    pub(crate) missed: u32,
    /// Microseconds to the party and back; 0 when unknown.
    pub(crate) round_trip: u32,
    /// How the party was heard: mean opinion score in hundredths; 0 when unknown.
    pub(crate) mos: u16,
    /// How the party heard the other, by its own reports.
    pub(crate) remote_mos: u16,
}

impl From<&LegStats> for Sound {
    fn from(stats: &LegStats) -> Self {
        Self {
            received: stats.received,
            lost: stats.lost,
            late: stats.late,
            jitter: stats.jitter_us,
            sent: stats.sent,
            missed: stats.remote_lost,
            round_trip: stats.round_trip_us,
            mos: stats.mos,
            remote_mos: stats.remote_mos,
        }
    }
}

/// Sizes of all tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) version: String,
    /// Seconds since the start.
    pub(crate) uptime: u64,
    pub(crate) calls: usize,
    pub(crate) legs: usize,
    pub(crate) dialogs: usize,
    pub(crate) transactions: usize,
    pub(crate) registrations: usize,
    pub(crate) subscriptions: usize,
    pub(crate) streams: usize,
    /// Pairs of media ports in use.
    pub(crate) ports: usize,
    pub(crate) timers: usize,
    /// SIP messages received since the start.
    pub(crate) received: u64,
    /// Those that were dropped as malformed.
    pub(crate) malformed: u64,
    /// Sources that proved to be somebody; they have no rate.
    pub(crate) known: usize,
    /// Other sources whose rates are remembered.
    pub(crate) strangers: usize,
    /// Entries of the fullest table of those who gave wrong credentials.
    pub(crate) guessers: usize,
    /// Since the start: credentials that were not looked at after too many wrong ones.
    pub(crate) slowed: u64,
    /// New requests over the rate of their source.
    pub(crate) limited: u64,
    /// New requests, calls and streams refused because a table was full or nearly.
    pub(crate) full: u64,
    /// New requests refused because there was more to do than time.
    pub(crate) shed: u64,
}

impl Reply {
    /// What the engine says, with what the driver adds.
    pub(crate) fn new(reply: ControlReply, uptime: u64) -> Self {
        match reply {
            ControlReply::Registrations(all) => {
                Self::Registrations(all.into_iter().map(Registration::from).collect())
            }
            ControlReply::Calls(all) => Self::Calls(all.into_iter().map(Call::from).collect()),
            ControlReply::HungUp { call } => Self::HungUp(call),
            ControlReply::NotKnown { call } => Self::Error(format!(
                "how call {call} went is not known: the last {} calls since the start are; its record is in `telex cdr`",
                limits::TRAILS
            )),
            ControlReply::NoSuchCall { call } => {
                Self::Error(format!("there is no call {call}; `telex calls` shows those there are"))
            }
            ControlReply::Recording { call, unheard, .. } => {
                Self::Recorded { call, unheard: sides(&unheard) }
            }
            ControlReply::Explained(why) => Self::Explained {
                call: why.call,
                record: why.record.into(),
                from: why.from.into(),
                to: why.to.into(),
                considered: why.considered,
                text: why.text,
            },
            ControlReply::Foretold(told) => Self::Foretold {
                when: told.when.into(),
                context: told.context.into(),
                considered: told.considered,
                way: told.way,
                ends: told.ends.into(),
                rings: told.rings.into_iter().map(Into::into).collect(),
                supposed: told.supposed.into_iter().map(Into::into).collect(),
                over: told.over,
            },
            ControlReply::NotRecorded { call, why } => Self::Error(format!("call {call}: {why}")),
            ControlReply::Codecs(plan) => Self::Codecs((*plan).into()),
            ControlReply::NoSuchPhone { extension } => Self::Error(format!(
                "there is no phone {}; the configuration names those there are",
                Escaped(&extension)
            )),
            ControlReply::Stats(s) => Self::Stats(Stats {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime,
                calls: s.calls,
                legs: s.legs,
                dialogs: s.dialogs,
                transactions: s.transactions,
                registrations: s.bindings,
                subscriptions: s.subscriptions,
                streams: s.streams,
                ports: s.ports,
                timers: s.timers,
                received: s.received,
                malformed: s.malformed,
                known: s.known,
                strangers: s.strangers,
                guessers: s.guessers,
                slowed: s.slowed,
                limited: s.limited,
                full: s.full,
                shed: s.shed,
            }),
        }
    }
}

impl From<border::RegistrationInfo> for Registration {
    fn from(info: border::RegistrationInfo) -> Self {
        Self {
            extension: info.extension.into(),
            contact: info.contact.into(),
            transport: info.transport.as_str().to_owned(),
            source: info.source.to_string(),
            expires_in: info.expires_in.as_secs(),
            user_agent: info.user_agent.into(),
        }
    }
}

/// Sides of a call, as they are written.
fn sides(sides: &[Side]) -> Vec<String> {
    let name = |side: &Side| match side {
        Side::Caller => "caller".to_owned(),
        Side::Callee => "callee".to_owned(),
    };
    sides.iter().map(name).collect()
}

impl From<border::CallInfo> for Call {
    fn from(info: border::CallInfo) -> Self {
        let state = match info.state {
            CallState::Calling => "calling",
            CallState::Ringing => "ringing",
            CallState::Up => "up",
            CallState::Held => "held",
            CallState::Ending => "ending",
        };
        Self {
            id: info.id,
            from: info.from.into(),
            to: info.to.into(),
            state: state.to_owned(),
            codec: info.codec.into(),
            age: info.age.as_secs(),
            talking: info.talking.map(|t| t.as_secs()),
            recorded: info.recorded,
            unheard: sides(&info.unheard),
            caller: Sound::from(&*info.caller),
            callee: Sound::from(&*info.callee),
        }
    }
}
