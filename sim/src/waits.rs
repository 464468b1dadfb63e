//! How long phones wait for something, and what ends it. Every event has a trigger: the timer that ran out last
//! before it, in the chain of what caused what. So a wait that a message ends was ended by the timer that made
//! somebody send that message.

use std::collections::BTreeMap;
use std::fmt;

use telex_engine::event::Side;
use telex_engine::mediactl::MediaReport;
use telex_engine::time::Instant;

use crate::phone::{Awaited, Phone, Stimulus};
use crate::world::{Event, World};

/// What set off a chain of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// People did something.
    #[default]
    People,
    /// A timer of the exchange.
    Exchange(&'static str),
    /// A timer of a phone.
    Phone(&'static str),
    /// The run ended: all hung up.
    Empty,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People => f.write_str("no timer"),
            Self::Exchange(name) => write!(f, "{name} of the exchange"),
            Self::Phone(name) => write!(f, "{name} of a phone"),
            Self::Empty => f.write_str("nothing before all hung up"),
        }
    }
}

/// Who waits for what: the phone, the planned call, and what.
pub(crate) type Wait = (usize, Option<usize>, Awaited);

/// A wait that is over, or was not when the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    pub(crate) wait: Wait,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
    /// What ended it; `None` when nothing did.
    pub(crate) trigger: Option<Trigger>,
}

/// All waits of a run.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    open: BTreeMap<Wait, Instant>,
    over: Vec<Waited>,
}

impl Waits {
    fn look(&mut self, now: Instant, phones: &[Phone], trigger: Trigger) {
        let mut present = BTreeMap::new();
        for (n, phone) in phones.iter().enumerate() {
            for (call, what) in phone.waits().into_iter().chain(notices(phone, phones)) {
                let wait = (n, call, what);
                present.insert(wait, self.open.remove(&wait).unwrap_or(now));
            }
        }
        let over = std::mem::replace(&mut self.open, present);
        let trigger = Some(trigger);
        self.over.extend(over.into_iter().map(|(wait, from)| Waited { wait, from, until: now, trigger }));
    }

    /// All of them, when the run ends at `now`.
    pub(crate) fn end(mut self, now: Instant) -> Vec<Waited> {
        let open = self.open.into_iter();
        self.over.extend(open.map(|(wait, from)| Waited { wait, from, until: now, trigger: None }));
        self.over
    }
}

/// Calls that a phone is still in although all that it could talk to are gone.
fn notices(phone: &Phone, phones: &[Phone]) -> Vec<(Option<usize>, Awaited)> {
    let mut waits = Vec::new();
    for leg in phone.legs.iter().filter(|leg| leg.ended.is_none()) {
        let others: Vec<_> = phones
            .iter()
            .flat_map(|p| &p.legs)
            .filter(|o| o.call == leg.call && o.side != leg.side)
            .collect();
        let gone = match leg.side {
            Side::Callee => others.iter().all(|caller| caller.ended.is_some()),
            // Called phones that refuse, or lose the race, do not end the call.
            Side::Caller => {
                leg.answered.is_some()
                    && others.iter().filter(|o| o.answered.is_some()).all(|o| o.ended.is_some())
            }
        };
        if gone && !others.is_empty() {
            waits.push((Some(leg.call), Awaited::Notice));
        }
    }
    waits
}

impl World<'_> {
    /// The trigger of an event that was scheduled by something with the trigger `before`.
    pub(crate) fn trigger_of(&self, event: &Event, before: Trigger) -> Trigger {
        match event {
            Event::Wake => self.exchange.timer_due(self.now).map_or(before, Trigger::Exchange),
            Event::Phone(phone, Stimulus::Timer(timer)) => {
                match self.phones[*phone].timer_name(self.now, *timer) {
                    // People answer, hold and hang up when it is time for them after what they saw.
                    (_, true) => before,
                    (name, false) => Trigger::Phone(name),
                }
            }
            Event::Phone(_, Stimulus::Start | Stimulus::Dial(_)) | Event::Leave => Trigger::People,
            Event::Report(_, report) if matches!(**report, MediaReport::Silent { .. }) => {
                Trigger::Exchange("media timeout")
            }
            Event::Empty => Trigger::Empty,
            _ => before,
        }
    }

    /// Looks who waits after an event.
    pub(crate) fn look_at_waits(&mut self) {
        if let Some(waits) = &mut self.waits {
            waits.look(self.now, &self.phones, self.trigger);
        }
    }
}
