//! The machine behaves towards its host.

use telex_engine::Action;
use telex_engine::border::Record;
use telex_engine::event::{Event, Severity};
use telex_engine::time::{Duration, Instant};

use super::{Verdict, broken};

/// `wakes_bounded`: the machine does not spin, and never asks for a time that has passed.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    instant: Instant,
    at_instant: u32,
    second: Instant,
    in_second: u32,
    inputs_in_second: u32,
}

/// Wakes at one instant before it counts as spinning: every timer of a run could be due at once.
const AT_ONE_INSTANT: u32 = 1000;
/// Wakes in one second, besides a few per input.
const IN_ONE_SECOND: u32 = 2000;
const PER_INPUT: u32 = 20;

impl Wakes {
    /// Something was handed in.
    pub(crate) fn input(&mut self) {
        self.inputs_in_second += 1;
    }

    /// A deadline was met.
    pub(crate) fn wake(&mut self, now: Instant, why: &str) -> Verdict {
        if now > self.instant {
            (self.instant, self.at_instant) = (now, 0);
        }
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.in_second, self.inputs_in_second) = (now, 0, 0);
        }
        self.at_instant += 1;
        self.in_second += 1;
        let bound = IN_ONE_SECOND + PER_INPUT * self.inputs_in_second;
        if self.at_instant > AT_ONE_INSTANT || self.in_second > bound {
            let reason = format!("{} wakes at once, {} in a second: {why}", self.at_instant, self.in_second);
            return Err(broken("wakes_bounded", now, reason));
        }
        Ok(())
    }
}

/// `wakes_bounded`, the other half: after a step no deadline lies in the past.
pub(crate) fn deadline_ahead(now: Instant, deadline: Option<(Instant, &str)>) -> Verdict {
    match deadline {
        Some((at, why)) if at < now => {
            Err(broken("wakes_bounded", now, format!("the deadline for {why} was at {at}")))
        }
        _ => Ok(()),
    }
}

/// `no_error_event`: the engine does not report that it found itself wrong.
pub(crate) fn no_error_event(now: Instant, event: &Event) -> Verdict {
    if event.severity() == Severity::Error {
        return Err(broken("no_error_event", now, format!("{event:?}")));
    }
    Ok(())
}

/// `prompts_are_there`: what the dialplan lets a caller hear can be played; what cannot is left out before.
pub(crate) fn prompts_are_there(now: Instant, event: &Event) -> Verdict {
    match event {
        // Music that is not there is silence, and ends when it should.
        Event::NoSound { call, name, .. } if !name.starts_with("music/") => {
            Err(broken("prompts_are_there", now, format!("call {call} is to hear {name}")))
        }
        _ => Ok(()),
    }
}

/// `registration_is_kept`: whoever is told that it is registered is also written down.
pub(crate) fn registrations_are_kept(now: Instant, actions: &[Action]) -> Verdict {
    let told = actions.iter().filter(|a| matches!(a, Action::Report(Event::Registered { .. }))).count();
    let kept = actions.iter().filter(|a| matches!(a, Action::Store { record: Record::Bind(_), .. })).count();
    if told > kept {
        let reason = format!("{told} registrations are reported, {kept} handed to the store");
        return Err(broken("registration_is_kept", now, reason));
    }
    Ok(())
}
