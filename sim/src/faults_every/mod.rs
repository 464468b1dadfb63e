//! One scenario with every single SIP message lost, doubled, delayed or swapped with the next one on its way, one
//! at a time and in pairs: does everything end, and how long is anybody stuck?
//!
//! A party is stuck for as long as it waits for something longer than it does when nothing goes wrong. What ended
//! the wait is told by the name of a timer.

mod report;
mod stuck;

use std::sync::atomic::AtomicBool;

use telex_engine::time::{Duration, Instant};

use crate::ladder::Row;
use crate::many::in_order;
use crate::plan::{ExactFault, ExactKind, Plan, Way};
use crate::run::{Failure, Outcome, run_waiting};
use crate::waits::Waited;

pub use report::{FaultsReport, MessageReport};
pub use stuck::Stuck;

use stuck::{Usual, stuck};

/// Scenarios that come with the program: name and plan.
pub const SCENARIOS: [(&str, &str); 8] = [
    ("basic", include_str!("../../scenarios/basic.toml")),
    ("cancel", include_str!("../../scenarios/cancel.toml")),
    ("busy", include_str!("../../scenarios/busy.toml")),
    ("hold", include_str!("../../scenarios/hold.toml")),
    ("fork", include_str!("../../scenarios/fork.toml")),
    ("register", include_str!("../../scenarios/register.toml")),
    ("late-offer", include_str!("../../scenarios/late-offer.toml")),
    ("refresh", include_str!("../../scenarios/refresh.toml")),
];

/// What can happen to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// It is lost.
    Lose,
    /// It arrives twice.
    Double,
    /// It arrives [`DELAY`] later.
    Delay,
    /// It arrives just after the next one that goes the same way.
    Swap,
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lose, Self::Double, Self::Delay, Self::Swap];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lose => "lose",
            Self::Double => "double",
            Self::Delay => "delay",
            Self::Swap => "swap",
        }
    }

    /// What it is called when it happened.
    const fn of(self) -> &'static str {
        match self {
            Self::Lose => "loss of",
            Self::Double => "doubled",
            Self::Delay => "delayed",
            Self::Swap => "overtaken",
        }
    }
}

/// A delayed message arrives so much later: beyond several retransmissions and far from the end of a transaction.
pub const DELAY: Duration = Duration::from_secs(3);
/// A message that waits longer for the next one that goes the same way is not swapped with it.
const NEXT_WITHIN: Duration = Duration::from_secs(10);
/// A message that was swapped arrives so much after the one that overtook it.
const AFTER: Duration = Duration::from_millis(1);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultsEvery {
    /// What happens to messages.
    pub mishaps: Vec<Mishap>,
    /// The most pairs that are run; of more, so many are taken evenly.
    pub pairs: usize,
    /// On how many threads.
    pub jobs: usize,
}

/// A message and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    fault: ExactFault,
    mishap: Mishap,
    /// The message, in words.
    message: String,
}

impl Hit {
    fn words(&self) -> String {
        format!("{} {}", self.mishap.of(), self.message)
    }
}

/// One run with faults and what became of it.
struct Trial {
    hits: Vec<Hit>,
    outcome: Outcome,
    rows: Vec<Row>,
    waits: Vec<Waited>,
}

impl Trial {
    fn run(plan: &Plan, hits: Vec<Hit>) -> Self {
        let plan = with(plan, &hits);
        let (outcome, rows, waits) = run_waiting(&plan);
        Self { hits, outcome, rows, waits }
    }

    fn failure(&self, plan: &Plan) -> Option<(Plan, Box<Failure>)> {
        self.outcome.broken.clone().map(|failure| (with(plan, &self.hits), failure))
    }
}

fn with(plan: &Plan, hits: &[Hit]) -> Plan {
    let mut plan = plan.clone();
    plan.faults.exact.extend(hits.iter().map(|hit| hit.fault));
    plan
}

/// Runs a scenario with every fault. Once `stop` is true no new run begins, and the report says how many there were.
pub fn faults_every(plan: &Plan, options: &FaultsEvery, stop: &AtomicBool) -> FaultsReport {
    let faultless = Trial::run(plan, Vec::new());
    let usual = Usual::of(&faultless.waits);
    let targets: Vec<(usize, Mishap)> = targets(&faultless.rows, Instant::ZERO, &options.mishaps).collect();
    let mut report = FaultsReport::new(plan, &faultless, usual);
    let mut singles = Vec::new();
    let single = |n: usize| {
        let (row, mishap) = targets[n];
        hit(plan, &[], &faultless.rows[row], mishap).map(|hit| Trial::run(plan, vec![hit]))
    };
    in_order(targets.len(), options.jobs, stop, single, |n, trial| {
        if let Some(trial) = trial {
            report.single(plan, targets[n].0, &trial);
            singles.push(trial);
        }
    });
    let pairs: Vec<(usize, usize, Mishap)> =
        singles.iter().enumerate().flat_map(|(n, trial)| seconds(n, trial, &options.mishaps)).collect();
    let chosen = evenly(pairs.len(), options.pairs);
    let pair = |n: usize| {
        let (first, row, mishap) = pairs[chosen[n]];
        let first = &singles[first];
        let second = hit(plan, &first.hits, &first.rows[row], mishap)?;
        Some(Trial::run(plan, vec![first.hits[0].clone(), second]))
    };
    report.possible_pairs = pairs.len();
    in_order(chosen.len(), options.jobs, stop, pair, |_, trial| {
        if let Some(trial) = trial {
            report.pair(plan, &trial);
        }
    });
    report
}

/// The messages from `from` on that can be hit, each with everything that can happen to it.
fn targets<'a>(
    rows: &'a [Row],
    from: Instant,
    mishaps: &'a [Mishap],
) -> impl Iterator<Item = (usize, Mishap)> + 'a {
    let rows = rows.iter().enumerate().filter(move |(_, row)| row.number > 0 && row.at >= from);
    rows.flat_map(move |(n, _)| mishaps.iter().map(move |mishap| (n, *mishap)))
}

/// What can happen after the fault of `trial`: to the messages that were sent then, repetitions among them.
fn seconds<'a>(
    n: usize,
    trial: &'a Trial,
    mishaps: &'a [Mishap],
) -> impl Iterator<Item = (usize, usize, Mishap)> + 'a {
    let first = trial.hits[0].fault;
    let at = trial
        .rows
        .iter()
        .position(|row| target(row, ExactKind::Lose) == ExactFault { kind: ExactKind::Lose, ..first });
    let later = at.map_or(usize::MAX, |at| at + 1);
    targets(&trial.rows, Instant::ZERO, mishaps)
        .filter(move |(row, _)| *row >= later)
        .map(move |(row, mishap)| (n, row, mishap))
}

fn target(row: &Row, kind: ExactKind) -> ExactFault {
    let way = if row.inward { Way::In } else { Way::Out };
    ExactFault { phone: row.phone, way, message: u32::try_from(row.number).unwrap_or(u32::MAX), kind }
}

/// Lets `mishap` happen to a message; `None` when nothing follows that it could be swapped with.
fn hit(plan: &Plan, before: &[Hit], row: &Row, mishap: Mishap) -> Option<Hit> {
    let kind = match mishap {
        Mishap::Lose => ExactKind::Lose,
        Mishap::Double => ExactKind::Double,
        Mishap::Delay => ExactKind::Delay(DELAY),
        Mishap::Swap => ExactKind::Delay(next_after(plan, before, row)? + AFTER),
    };
    let extension = &plan.phones[row.phone].extension;
    let way = if row.inward { "from" } else { "to" };
    let again = if row.again { ", repeated," } else { "" };
    let message = format!("{}{again} {way} {extension}", row.text);
    Some(Hit { fault: target(row, kind), mishap, message })
}

/// How long after a message the next one goes the same way, if the message does not arrive before it.
fn next_after(plan: &Plan, before: &[Hit], row: &Row) -> Option<Duration> {
    let held = Hit {
        fault: target(row, ExactKind::Delay(NEXT_WITHIN)),
        mishap: Mishap::Swap,
        message: String::new(),
    };
    let hits: Vec<Hit> = before.iter().cloned().chain([held]).collect();
    let (_, rows, _) = run_waiting(&with(plan, &hits));
    let next =
        rows.iter().find(|r| (r.phone, r.inward) == (row.phone, row.inward) && r.number == row.number + 1)?;
    Some(next.at.since(row.at)).filter(|after| *after < NEXT_WITHIN)
}

/// The places of at most `most` of `count` things, evenly spread.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    let most = most.min(count);
    (0..most).map(|n| n * count / most).collect()
}

#[cfg(test)]
mod tests;
