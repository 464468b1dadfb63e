//! When a plan breaks a rule: the same plan with everything taken out that the failure does not need.
//!
//! The shrinker works on the plan as text has it. An entry of a list can go; a value that is not there is as
//! usual, which is off or simple. So whatever a plan can say can be taken out of it, and a new kind of fault
//! needs nothing here as long as its absence means that it is off. Only entries that others name by their
//! place need a row in [`edit::NAMED`].

mod edit;
mod numbers;
mod pin;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant as WallClock;

use telex_engine::time::Duration;
use toml::Table;

use crate::oracle::Broken;
use crate::plan::Plan;
use crate::run::run;
use edit::Path;

/// How much work shrinking may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Plans that are run at most.
    pub runs: u32,
    /// Time that may pass. What is left out when it has passed depends on the speed of the machine.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { runs: 2000, time: Duration::from_secs(60) }
    }
}

/// A plan from which nothing more can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// How it breaks the rule.
    pub broken: Broken,
    /// How many plans were run.
    pub runs: u32,
    /// Nothing more can go. False when the bounds were reached first.
    pub whole: bool,
}

/// Shrinks a plan that breaks a rule in the way of `broken`.
pub fn shrink(plan: &Plan, broken: &Broken, bounds: Bounds) -> Shrunk {
    let began = WallClock::now();
    shrink_while(plan, broken, &mut |runs| runs < bounds.runs && began.elapsed() < bounds.time)
}

/// The same for as long as `may_go_on` says, which is told before each run how many there were.
pub fn shrink_while(plan: &Plan, broken: &Broken, may_go_on: &mut dyn FnMut(u32) -> bool) -> Shrunk {
    let mut shrinker = Shrinker {
        best: plan.to_table(),
        plan: plan.clone(),
        broken: broken.clone(),
        sought: kind(broken),
        seen: BTreeSet::new(),
        runs: 0,
        may_go_on,
        whole: true,
    };
    shrinker.fixed_point();
    Shrunk { plan: shrinker.plan, broken: shrinker.broken, runs: shrinker.runs, whole: shrinker.whole }
}

/// What two failures have in common when they are the same one. The reason of most rules names times and
/// phones, which shrinking changes; a panic is known by its text.
fn kind(broken: &Broken) -> (&'static str, String) {
    let text = match broken.oracle {
        "no_panic" => broken.reason.chars().filter(|c| c.is_ascii_alphabetic()).take(60).collect(),
        _ => String::new(),
    };
    (broken.oracle, text)
}

struct Shrinker<'a> {
    best: Table,
    plan: Plan,
    broken: Broken,
    sought: (&'static str, String),
    /// Plans that were tried.
    seen: BTreeSet<String>,
    runs: u32,
    may_go_on: &'a mut dyn FnMut(u32) -> bool,
    whole: bool,
}

impl Shrinker<'_> {
    fn fixed_point(&mut self) {
        loop {
            let before = self.best.clone();
            self.lists();
            self.times();
            self.values();
            if self.best == before {
                self.simplify();
            }
            let done = self.best == before && !self.pin();
            if done || !self.whole {
                return;
            }
        }
    }

    /// Names the messages to which chance does something.
    fn pin(&mut self) -> bool {
        self.whole && pin::pin(&self.plan).is_some_and(|pinned| self.attempt(pinned.to_table()))
    }

    /// Takes `candidate` if it still breaks the rule.
    fn attempt(&mut self, candidate: Table) -> bool {
        if candidate == self.best || !self.whole {
            return false;
        }
        let Some(plan) = Plan::from_table(candidate.clone()) else { return false };
        if !self.seen.insert(plan.to_toml()) {
            return false;
        }
        if !(self.may_go_on)(self.runs) {
            self.whole = false;
            return false;
        }
        self.runs += 1;
        let Some(failure) = run(&plan).broken.filter(|failure| kind(&failure.broken) == self.sought) else {
            return false;
        };
        (self.best, self.plan, self.broken) = (candidate, plan, failure.broken);
        true
    }

    /// Takes entries out of every list, many at a time while that works.
    fn lists(&mut self) {
        for path in edit::lists(&self.best) {
            let mut size = edit::length(&self.best, &path).div_ceil(2);
            while size > 0 {
                // From the end: entries that others name by their place keep it.
                let mut end = edit::length(&self.best, &path);
                while end > 0 {
                    let start = end.saturating_sub(size);
                    self.without(&path, start..end);
                    end = start;
                }
                size /= 2;
            }
        }
    }

    fn without(&mut self, path: &Path, range: Range<usize>) -> bool {
        let mut candidate = self.best.clone();
        edit::remove_entries(&mut candidate, path, range);
        self.attempt(candidate)
    }

    /// Lets everything end as early as it may.
    fn times(&mut self) {
        let mut plan = self.plan.clone();
        plan.end_early();
        self.attempt(plan.to_table());
    }

    /// Takes out every value, whole tables first.
    fn values(&mut self) {
        let mut paths = edit::keys(&self.best);
        // From the end: a place in a list stays right while what comes after it goes.
        paths.reverse();
        paths.sort_by_key(Vec::len);
        for path in paths {
            let mut candidate = self.best.clone();
            if edit::remove_key(&mut candidate, &path) {
                self.attempt(candidate);
            }
        }
    }

    /// Makes numbers round.
    fn simplify(&mut self) {
        for path in edit::keys(&self.best) {
            for simpler in edit::get(&self.best, &path).map(numbers::simpler).unwrap_or_default() {
                let mut candidate = self.best.clone();
                edit::put(&mut candidate, &path, simpler);
                if self.attempt(candidate) {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Settings, draw};
    use crate::plan::BrokenTimer;

    #[test]
    fn a_broken_timer_is_shown_by_a_handful_of_lines() {
        let settings = Settings { calls: 20, broken: Some(BrokenTimer::T1), ..Settings::default() };
        let (plan, broken) = (0..)
            .map(|seed| draw(seed, &settings))
            .find_map(|plan| run(&plan).broken.map(|failure| (plan, failure.broken)))
            .expect("some seed loses something");
        let shrunk = shrink(&plan, &broken, Bounds::default());
        assert!(shrunk.whole, "{} runs\n{}", shrunk.runs, shrunk.plan);
        assert!(shrunk.plan.calls.len() <= 2, "{}", shrunk.plan);
        assert!(shrunk.plan.to_toml().lines().count() <= 18, "{}", shrunk.plan);
        assert_eq!((shrunk.plan.faults.loss, shrunk.plan.faults.exact.len()), (0, 1), "{}", shrunk.plan);
        let again = run(&shrunk.plan).broken.expect("the shrunk plan breaks a rule");
        assert_eq!(again.broken, shrunk.broken);
        assert_eq!(again.broken.oracle, broken.oracle);
        assert_eq!(shrink(&plan, &broken, Bounds::default()), shrunk);
    }

    #[test]
    fn bounds_are_kept() {
        let settings =
            Settings { calls: 20, broken: Some(BrokenTimer::T1), loss: Some(100_000), ..Settings::default() };
        let plan = draw(1, &settings);
        let broken = run(&plan).broken.expect("T1 is broken").broken;
        let shrunk = shrink(&plan, &broken, Bounds { runs: 3, ..Bounds::default() });
        assert_eq!((shrunk.runs, shrunk.whole), (3, false));
    }
}
