//! What a text is evaluated in: the channel, its place in the plan, and the exchange.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use crate::find::{Asked, At, Found};
use crate::plan::Dialplan;
use crate::template::cut;
use crate::vars::Vars;
use crate::when::{Moment, zone};
use crate::world::{Loudness, World};

/// Notes kept for one step.
pub(crate) const MAX_NOTES: usize = 8;

/// Bytes of a text for people: a note, or the arguments of a step.
pub const MAX_SHOWN: usize = 512;
/// Octets that the steps of one channel work on without any time going by: more of them are a mistake.
pub const MAX_WORK: u64 = 10_000_000;
/// Warnings of one channel in the log.
pub const MAX_WARNINGS: u16 = 200;

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Caller {
    /// The number.
    pub number: SmolStr,
    /// The name to show.
    pub name: SmolStr,
    /// Presentation as the field writes it: `allowed_not_screened`, `prohib`, ...; empty is allowed.
    pub pres: SmolStr,
    /// The number dialled.
    pub dnid: SmolStr,
    /// The number that the call was redirected from.
    pub rdnis: SmolStr,
    /// Why it was, as the field writes it: `cfu`, `cfb`, `cfnr`, ...; empty when nobody is to be told of it.
    pub reason: SmolStr,
}

/// A place in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Place {
    /// The context looked in first.
    pub context: SmolStr,
    /// What was dialled.
    pub extension: SmolStr,
    /// From 1.
    pub priority: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.context, self.extension, self.priority)
    }
}

/// A channel as the dialplan sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Channel {
    pub(crate) place: Place,
    pub(crate) caller: Caller,
    pub(crate) vars: Vars,
    /// Header fields for whom it dials.
    pub(crate) headers: Vec<(SmolStr, SmolStr)>,
    /// Categories with the group that it is in.
    pub(crate) groups: Vec<(SmolStr, SmolStr)>,
    pub(crate) answered: bool,
    /// The caller is gone.
    pub(crate) gone: bool,
    /// Between two keys, when it was set.
    pub(crate) digit: Option<Duration>,
    /// For the first key, when it was set.
    pub(crate) response: Option<Duration>,
    /// Warnings written in the log.
    pub(crate) warnings: u16,
    /// When the channel has been here long enough, in milliseconds since 1970.
    pub(crate) deadline: Option<i64>,
    /// Octets that were worked on since time went by.
    pub(crate) work: u64,
    /// The plan has set more variables than there may be.
    pub(crate) full: bool,
}

impl Channel {
    /// A channel fills no log: after so many warnings they are only in its trail.
    pub(crate) const fn may_warn(&mut self) -> bool {
        self.warnings += (self.warnings < MAX_WARNINGS) as u16;
        self.warnings < MAX_WARNINGS
    }
}

/// All that a text may ask.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Dialplan,
    pub(crate) channel: &'a mut Channel,
    pub(crate) world: &'a mut dyn World,
    pub(crate) notes: Vec<SmolStr>,
    /// A secret was read.
    pub(crate) secret: bool,
}

/// Names that the exchange sets. Those of [`Scene::old`] a plan may set for itself.
const FIXED: &[&str] = &["EXTEN", "CONTEXT", "PRIORITY", "CHANNEL", "UNIQUEID", "EPOCH"];

impl<'a> Scene<'a> {
    pub(crate) fn new(plan: &'a Dialplan, channel: &'a mut Channel, world: &'a mut dyn World) -> Self {
        Self { plan, channel, world, notes: Vec::new(), secret: false }
    }

    /// Something that could not be done as written; the walk goes on.
    pub(crate) fn note(&mut self, text: fmt::Arguments<'_>) {
        let text = format_smolstr!("{text}");
        let text = SmolStr::new(cut(&text, MAX_SHOWN));
        if self.channel.may_warn() {
            self.world.log(Loudness::Warning, &text);
        }
        if self.notes.len() < MAX_NOTES {
            self.notes.push(text);
        }
    }

    /// Counts octets that are worked on. False when that is too much for one moment.
    pub(crate) fn spend(&mut self, octets: usize) -> bool {
        self.channel.work = self.channel.work.saturating_add(octets as u64);
        self.channel.work <= MAX_WORK
    }

    /// The value of a variable, wherever it is.
    pub(crate) fn variable(&mut self, name: &str) -> Option<SmolStr> {
        if let Some(value) = self.fixed(name) {
            return Some(value);
        }
        self.channel.vars.get(name).cloned().or_else(|| self.global(name)).or_else(|| self.old(name))
    }

    pub(crate) fn global(&self, name: &str) -> Option<SmolStr> {
        self.world.global(name)
    }

    fn fixed(&mut self, name: &str) -> Option<SmolStr> {
        let place = &self.channel.place;
        Some(match name {
            "EXTEN" => place.extension.clone(),
            "CONTEXT" => place.context.clone(),
            "PRIORITY" => place.priority.to_smolstr(),
            "CHANNEL" => self.world.fact("name").unwrap_or_default(),
            "UNIQUEID" => self.world.fact("uniqueid").unwrap_or_default(),
            "EPOCH" => self.world.now_ms().div_euclid(1_000).to_smolstr(),
            _ => return None,
        })
    }

    /// Names of long ago, for as long as nobody sets them.
    fn old(&self, name: &str) -> Option<SmolStr> {
        let caller = &self.channel.caller;
        Some(match name {
            "CALLERID" | "CALLERIDNUM" => caller.number.clone(),
            "CALLERIDNAME" => caller.name.clone(),
            "DNID" => caller.dnid.clone(),
            "RDNIS" => caller.rdnis.clone(),
            "HINT" => self.hint()?,
            "DATETIME" => self.clock("%d%m%Y-%H:%M:%S"),
            "TIMESTAMP" => self.clock("%Y%m%d-%H%M%S"),
            _ => return None,
        })
    }

    /// The devices of the extension's hint, as Dial takes them.
    fn hint(&self) -> Option<SmolStr> {
        let Place { context, extension, .. } = &self.channel.place;
        let asked = Asked { context, extension, caller: &self.channel.caller.number, now: self.now() };
        Some(self.plan.hint(asked)?.devices(extension).join("&").into())
    }

    fn clock(&self, format: &str) -> SmolStr {
        let moment = self.now();
        strtime::format(format, moment.local()).map(SmolStr::from).unwrap_or_default()
    }

    /// Sets a variable; says so in a note when that is not possible.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let plain = name.trim_start_matches('_');
        if FIXED.contains(&plain) {
            self.note(format_args!("{plain} is set by the exchange and cannot be changed"));
        } else if !self.channel.vars.may_hold(name) {
            self.channel.full = true;
        } else if !self.channel.vars.set(name, value) {
            self.note(format_args!("no variable can be named `{name}`"));
        }
    }

    pub(crate) fn now(&self) -> Moment<'_> {
        Moment::new(self.world.now_ms(), self.world.zone())
    }

    /// The site's zone, or another by its name.
    pub(crate) fn time_zone(&self, name: &str) -> Option<TimeZone> {
        let name = if name.is_empty() { self.world.zone() } else { name };
        zone(name)
    }

    /// What stands at a place of the plan.
    pub(crate) fn find(&self, context: &str, extension: &str, at: At<'_>) -> Option<Found<'a>> {
        let plan: &'a Dialplan = self.plan;
        let asked = Asked { context, extension, caller: &self.channel.caller.number, now: self.now() };
        plan.find(asked, at)
    }
}

/// A moment of seconds since 1970.
pub(crate) fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Whether a condition holds: it does not if it is empty, or a number that is zero.
pub(crate) fn condition(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    if whole.is_empty() { !text.is_empty() } else { whole.bytes().any(|digit| digit != b'0') }
}

/// Whether the caller was answered.
pub(crate) fn answered(scene: &Scene<'_>) -> bool {
    scene.channel.answered || scene.world.fact("state").is_some_and(|state| state.eq_ignore_ascii_case("up"))
}
