//! What many runs came to, for people and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::Plan;
use crate::run::{Failure, Outcome};
use crate::shrink::Shrunk;

/// What all runs came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many plans were run.
    pub seeds: u64,
    /// Counts of all runs together.
    pub total: Outcome,
    /// The state hash of the run; several are folded in order.
    pub hash: u64,
}

/// A plan that broke a rule.
#[derive(Clone, Debug)]
pub struct BrokenPlan {
    /// What it is called: the seed, or a scenario.
    pub name: String,
    /// The plan as it was run.
    pub plan: Plan,
    /// What broke.
    pub failure: Box<Failure>,
    /// The plan without what the failure does not need, and how it fails.
    pub shrunk: Option<(Shrunk, Box<Failure>)>,
    /// The command that shows the failure again.
    pub replay: String,
    /// An earlier plan broke the same rule and is the one to look at.
    pub more: bool,
}

impl Summary {
    /// Adds one run.
    pub fn add(&mut self, outcome: &Outcome) {
        let t = &mut self.total;
        t.calls += outcome.calls;
        t.answered += outcome.answered;
        t.busy += outcome.busy;
        t.refused += outcome.refused;
        t.cancelled += outcome.cancelled;
        t.unanswered += outcome.unanswered;
        t.registrations += outcome.registrations;
        t.messages += outcome.messages;
        t.media += outcome.media;
        t.lost += outcome.lost;
        t.simulated += outcome.simulated;
        self.seeds += 1;
        self.hash =
            if self.seeds == 1 { outcome.state_hash } else { self.hash.rotate_left(7) ^ outcome.state_hash };
    }

    /// A few lines for people: what happened, how fast, and how much of it broke.
    pub fn text(&self, broken: usize, wall: Duration) -> String {
        let (t, wall) = (&self.total, wall.as_secs_f64());
        let simulated = t.simulated.as_secs_f64();
        format!(
            "seeds {}  calls {}  answered {}  busy {}  refused {}  cancelled {}  unanswered {}\n\
             registrations {}  messages sent {}  media packets heard {}  datagrams lost {}\n\
             simulated {:.1} h in {wall:.1} s: {:.2} simulated hours per second, {:.1} seeds per second\n\
             state hash {:016x}  broken {broken}\n",
            self.seeds,
            t.calls,
            t.answered,
            t.busy,
            t.refused,
            t.cancelled,
            t.unanswered,
            t.registrations,
            t.messages,
            t.media,
            t.lost,
            simulated / 3600.0,
            simulated / 3600.0 / wall.max(1e-9),
            self.seeds as f64 / wall.max(1e-9),
            self.hash,
        )
    }

    /// One document.
    pub fn json(&self, broken: &[BrokenPlan], wall: Duration) -> Value {
        let t = &self.total;
        json!({
            "seeds": self.seeds,
            "calls": t.calls,
            "answered": t.answered,
            "busy": t.busy,
            "refused": t.refused,
            "cancelled": t.cancelled,
            "unanswered": t.unanswered,
            "registrations": t.registrations,
            "messages": t.messages,
            "media_packets": t.media,
            "lost_packets": t.lost,
            "simulated_seconds": t.simulated.as_secs_f64(),
            "wall_seconds": wall.as_secs_f64(),
            "state_hash": format!("{:016x}", self.hash),
            "broken": broken.iter().map(BrokenPlan::json).collect::<Vec<_>>(),
        })
    }
}

impl BrokenPlan {
    /// The plan that is kept: the shrunk one, if there is one.
    pub fn kept(&self) -> (&Plan, &Failure) {
        self.shrunk.as_ref().map_or((&self.plan, &self.failure), |(shrunk, failure)| (&shrunk.plan, failure))
    }

    /// The name of the file that keeps the plan.
    pub fn file_name(&self) -> String {
        format!("broken-{}-{}.plan.toml", self.name, self.failure.broken.oracle)
    }

    /// What that file says.
    pub fn file_text(&self) -> String {
        let (plan, failure) = self.kept();
        let reason = failure.broken.to_string().replace('\n', "\n# ");
        format!("# {reason}\n# Rule: {}.\n{plan}", failure.why)
    }

    /// What broke, how to see it again, and the ladder of the call.
    pub fn text(&self) -> String {
        let (plan, failure) = self.kept();
        let mut text = format!("BROKEN {}: {}\n", self.name, failure.broken);
        let _ = writeln!(text, "  rule {}: {}", failure.broken.oracle, failure.why);
        if let Some((shrunk, _)) = &self.shrunk {
            let _ = writeln!(
                text,
                "  shrunk from {} to {} in {} runs{}",
                size(&self.plan),
                size(plan),
                shrunk.runs,
                if shrunk.whole { "" } else { ", not to the end: it took too long" }
            );
        }
        let _ = writeln!(text, "  replay: {}\n\n{}", self.replay, failure.ladder);
        text
    }

    fn json(&self) -> Value {
        let (plan, failure) = self.kept();
        json!({
            "seed": self.plan.seed,
            "oracle": failure.broken.oracle,
            "rule": failure.why,
            "reason": failure.broken.reason,
            "at": failure.broken.at.since(telex_engine::time::Instant::ZERO).as_secs_f64(),
            "call": failure.broken.call,
            "shrunk": self.shrunk.is_some(),
            "replay": self.replay,
            "ladder": failure.ladder,
            "plan": plan.to_toml(),
        })
    }
}

fn size(plan: &Plan) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{} and {}", count(plan.calls.len(), "call"), count(plan.phones.len(), "phone"))
}
