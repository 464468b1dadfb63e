//! One run of one plan, and what comes out of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use telex_engine::event::Side;
use telex_engine::time::Duration;

use crate::ladder::{self, Row};
use crate::oracle::{Broken, ORACLES, Verdict};
use crate::phone::{Leg, Phone};
use crate::plan::Plan;
use crate::waits::{Waited, Waits};
use crate::watch::Watch;
use crate::world::World;

/// What came out of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that were dialled.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Answered calls in which both sides heard each other.
    pub two_way: u64,
    /// Calls refused as busy.
    pub busy: u64,
    /// Calls refused for another reason, unknown and unregistered numbers among them.
    pub refused: u64,
    /// Calls that the caller took back.
    pub cancelled: u64,
    /// Calls that nobody answered in time.
    pub unanswered: u64,
    /// Successful registrations and refreshes.
    pub registrations: u64,
    /// SIP messages that left the exchange.
    pub messages: u64,
    /// Media packets that reached a phone.
    pub media: u64,
    /// Datagrams of any kind that were lost.
    pub lost: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// Running hash over every action of the exchange and every packet to and from it.
    pub state_hash: u64,
    /// The rule that was broken, and the ladder of its call.
    pub broken: Option<Box<Failure>>,
}

/// A broken rule with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule.
    pub broken: Broken,
    /// Messages of the call, or the last messages of all.
    pub ladder: String,
    /// Why the rule exists.
    pub why: &'static str,
}

/// Messages shown when it cannot be told which call a failure concerns.
const LAST: usize = 40;

/// Executes a plan.
pub fn run(plan: &Plan) -> Outcome {
    guarded(plan, || finish(plan, World::new(plan)).0)
}

/// Executes a plan and tells `trace` every input and action of signalling as a line of text.
pub fn run_traced(plan: &Plan, trace: &mut dyn FnMut(&str)) -> Outcome {
    guarded(plan, move || {
        let mut world = World::new(plan);
        world.trace = Some(trace);
        finish(plan, world).0
    })
}

/// Executes a plan and tells its messages and who waited for what.
pub(crate) fn run_waiting(plan: &Plan) -> (Outcome, Vec<Row>, Vec<Waited>) {
    let mut noted = (Vec::new(), Vec::new());
    let outcome = guarded(plan, || {
        let mut world = World::new(plan);
        world.waits = Some(Waits::default());
        let verdict = world.run();
        let (outcome, waits, now) = (outcome(plan, &world, verdict), world.waits.take(), world.now);
        noted = (world.rows, waits.unwrap_or_default().end(now));
        outcome
    });
    (outcome, noted.0, noted.1)
}

/// Executes a plan while `watch` looks at the machines of the exchange.
pub fn run_watched(plan: &Plan, watch: &mut dyn Watch) -> Outcome {
    let mut world = World::new(plan);
    world.watch = Some(watch);
    finish(plan, world).0
}

/// Executes a plan against an engine that does one thing wrong.
#[cfg(feature = "planted")]
pub fn run_planted(plan: &Plan, fault: telex_engine::planted::Fault) -> Outcome {
    let mut world = World::new(plan);
    world.exchange.plant(fault);
    finish(plan, world).0
}

/// Executes a plan and draws the ladder of one of its calls.
pub fn run_with_ladder(plan: &Plan, call: usize) -> (Outcome, String) {
    let mut ladder = String::new();
    let outcome = guarded(plan, || {
        let (outcome, rows) = finish(plan, World::new(plan));
        ladder = ladder::draw(plan, &rows, Some(call), LAST);
        outcome
    });
    (outcome, ladder)
}

/// The engine's inputs are guarded one by one, so that the world around a panic can still be shown. This is for
/// what is left: its construction, its tables and the simulator itself.
fn guarded(plan: &Plan, run: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let reason = format!("the simulated world panicked: {}", panic_text(payload.as_ref()));
        let broken = Broken { oracle: "no_panic", reason, at: plan.end, call: None };
        let failure = Failure { broken, ladder: String::new(), why: why("no_panic") };
        Outcome { broken: Some(Box::new(failure)), ..Outcome::default() }
    })
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
}

/// Why a rule exists.
fn why(oracle: &str) -> &'static str {
    ORACLES.iter().find(|(name, _)| *name == oracle).map_or("", |(_, why)| *why)
}

fn finish(plan: &Plan, mut world: World<'_>) -> (Outcome, Vec<Row>) {
    let verdict = world.run();
    (outcome(plan, &world, verdict), world.rows)
}

fn outcome(plan: &Plan, world: &World<'_>, verdict: Verdict) -> Outcome {
    let mut outcome = Outcome {
        messages: world.messages,
        media: world.media,
        lost: world.network.lost,
        simulated: world.now.since(telex_engine::time::Instant::ZERO),
        state_hash: world.digest.value(),
        registrations: world.phones.iter().map(|p| p.registration.successes).sum(),
        ..Outcome::default()
    };
    count(&mut outcome, &world.phones);
    outcome.two_way = two_way(&world.phones);
    outcome.broken = verdict.err().map(|broken| {
        let ladder = ladder::draw(plan, &world.rows, broken.call, LAST);
        let why = why(broken.oracle);
        Box::new(Failure { broken, ladder, why })
    });
    outcome
}

fn count(outcome: &mut Outcome, phones: &[Phone]) {
    let callers = phones.iter().flat_map(|p| p.legs.iter()).filter(|l| l.side == Side::Caller);
    for leg in callers {
        outcome.calls += 1;
        *place(outcome, leg) += 1;
    }
}

/// Calls in which each of two phones heard the other.
fn two_way(phones: &[Phone]) -> u64 {
    let legs = || phones.iter().flat_map(|p| p.legs.iter());
    let heard = |one: &Leg, other: &Leg| one.last_heard(other).is_some() && other.last_heard(one).is_some();
    let callers = legs().filter(|l| l.side == Side::Caller);
    callers.filter(|one| legs().any(|other| other.call == one.call && heard(one, other))).count() as u64
}

fn place<'a>(outcome: &'a mut Outcome, leg: &Leg) -> &'a mut u64 {
    match leg.refused {
        _ if leg.answered.is_some() => &mut outcome.answered,
        _ if leg.cancelled => &mut outcome.cancelled,
        Some(486 | 600) => &mut outcome.busy,
        Some(408) | None => &mut outcome.unanswered,
        Some(_) => &mut outcome.refused,
    }
}
