//! How calls went through the dialplan, for those who ask why.

use std::collections::VecDeque;

use super::Calls;
use crate::border::{ControlReply, Explanation};
use crate::limits;

/// The ways of the calls that ended last.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Trails {
    /// The oldest first.
    all: VecDeque<Explanation>,
    /// Octets of what they say.
    octets: usize,
}

/// Octets of one: what was dialled is as long as its caller likes.
fn octets(kept: &Explanation) -> usize {
    kept.from.len() + kept.to.len() + kept.text.len()
}

impl Trails {
    /// Keeps one; the oldest are forgotten where there is no room.
    pub(super) fn keep(&mut self, kept: Explanation) {
        self.octets += octets(&kept);
        self.all.push_back(kept);
        while self.all.len() > limits::TRAILS || self.octets > limits::TRAIL_OCTETS {
            let Some(forgotten) = self.all.pop_front() else { return };
            self.octets -= octets(&forgotten);
        }
    }

    fn of(&self, call: u64) -> Option<&Explanation> {
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
    pub(crate) fn explain(&self, id: u64) -> ControlReply {
        let lives = self.by_id.get(&id).and_then(|key| self.all.get(*key));
        let going = lives.and_then(|call| Some((call, call.script.as_ref()?)));
        let explained = match going {
            Some((call, script)) => {
                let text = format!("{}", script.thread.trail().told(&self.plans.get(script.plan)));
                let record = crate::cdr::unique(call.since, id);
                Some(Explanation { call: id, record, from: call.from.clone(), to: call.to.clone(), text })
            }
            None => self.trails.of(id).cloned(),
        };
        explained.map_or(ControlReply::NotKnown { call: id }, |why| ControlReply::Explained(Box::new(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_for_number_and_for_size() {
        let kept = |call, octets| Explanation {
            call,
            record: "1.1".into(),
            from: "a".into(),
            to: "b".into(),
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
            trails.keep(Explanation { to: "9".repeat(60_000).into(), ..kept(call, 10) });
        }
        trails.check();
        assert_eq!(trails.all.len(), limits::TRAIL_OCTETS / 60_011, "what was dialled counts");
    }
}
