//! How calls went through the dialplan, for those who ask why.

use std::collections::VecDeque;

use smol_str::SmolStr;
use telex_dialplan::explain::looked_at;
use telex_dialplan::{Asked, At, Moment};

use super::Calls;
use crate::border::{ControlReply, Explanation};
use crate::config::Config;
use crate::limits;
use crate::time::WallTime;

/// The ways of the calls that ended last.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Trails {
    /// The oldest first.
    all: VecDeque<Kept>,
    /// Octets of what they say.
    octets: usize,
}

/// The way of one call.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Kept {
    /// Its number.
    pub(super) call: u64,
    /// When it began.
    pub(super) since: WallTime,
    /// Who called, and what was dialled.
    pub(super) from: SmolStr,
    pub(super) to: SmolStr,
    /// The plan that it followed.
    pub(super) plan: u32,
    /// Its steps.
    pub(super) text: String,
}

/// Octets of one: what was dialled is as long as its caller likes.
fn octets(kept: &Kept) -> usize {
    kept.from.len() + kept.to.len() + kept.text.len()
}

impl Trails {
    /// Keeps one; the oldest are forgotten where there is no room.
    pub(super) fn keep(&mut self, kept: Kept) {
        self.octets += octets(&kept);
        self.all.push_back(kept);
        while self.all.len() > limits::TRAILS || self.octets > limits::TRAIL_OCTETS {
            let Some(forgotten) = self.all.pop_front() else { return };
            self.octets -= octets(&forgotten);
        }
    }

    fn of(&self, call: u64) -> Option<&Kept> {
        self.all.iter().rev().find(|kept| kept.call == call)
    }

    /// Asserts that it counts right.
    pub(super) fn check(&self) {
        assert_eq!(self.octets, self.all.iter().map(octets).sum(), "what is kept is counted");
        assert!(self.all.len() <= limits::TRAILS && self.octets <= limits::TRAIL_OCTETS);
    }
}

impl Calls {
    /// The way of a call through the dialplan, so far or in the end.
    pub(crate) fn explain(&self, config: &Config, id: u64) -> ControlReply {
        let lives = self.by_id.get(&id).and_then(|key| self.all.get(*key));
        let going = lives.and_then(|call| Some((call, call.script.as_ref()?)));
        let explained = match going {
            Some((call, script)) => {
                let text = format!("{}", script.thread.trail().told(&self.plans.get(script.plan)));
                let (from, to) = (call.from.clone(), call.to.clone());
                Some(Kept { call: id, since: call.since, from, to, plan: script.plan, text })
            }
            None => self.trails.of(id).cloned(),
        };
        let Some(kept) = explained else { return ControlReply::NotKnown { call: id } };
        ControlReply::Explained(Box::new(Explanation {
            call: id,
            record: crate::cdr::unique(kept.since, id),
            considered: self.considered(config, &kept),
            from: kept.from,
            to: kept.to,
            text: kept.text,
        }))
    }

    /// What was looked at for the number of a call, as long as its plan is there.
    fn considered(&self, config: &Config, kept: &Kept) -> String {
        let Some(plan) = self.plans.find(kept.plan) else { return String::new() };
        let ms = i64::try_from(kept.since.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &config.zone);
        let context = config.context_of(&kept.from);
        looked_at(plan, Asked { context, extension: &kept.to, caller: &kept.from, now }, At::Priority(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_for_number_and_for_size() {
        let kept = |call, octets| Kept {
            call,
            since: WallTime::default(),
            from: "a".into(),
            to: "b".into(),
            plan: 0,
            text: "x".repeat(octets),
        };
        let mut trails = Trails::default();
        for call in 0..=limits::TRAILS as u64 {
            trails.keep(kept(call, 10));
        }
        trails.check();
        assert!(trails.of(0).is_none() && trails.of(1).is_some());
        trails.keep(kept(1000, limits::TRAIL_OCTETS - 14));
        trails.check();
        assert_eq!(trails.all.len(), 2);
        trails.keep(kept(1001, limits::TRAIL_OCTETS + 1));
        trails.check();
        assert!(trails.all.is_empty(), "what is too long by itself is not kept");
        for call in 0..20 {
            trails.keep(Kept { to: "9".repeat(60_000).into(), ..kept(call, 10) });
        }
        trails.check();
        assert_eq!(trails.all.len(), limits::TRAIL_OCTETS / 60_011, "what was dialled counts");
    }
}
