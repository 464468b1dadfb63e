//! Both sides of a call agree about it.

use std::collections::BTreeSet;

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::ties::Ties;
use super::{Broken, Cause, Exit, Verdict, broken};
use crate::expect;
use crate::phone::{Book, Leg, Phone, State};
use crate::plan::{Plan, walks};

/// Says of a leg whether the exchange has ended its call and the phone cannot know.
pub(crate) type LeftAlone<'a> = &'a dyn Fn(&Phone, &Leg) -> bool;

/// `settled`: no phone is still calling, ringing or hanging up.
pub(crate) fn settled(now: Instant, phones: &[Phone], left_alone: LeftAlone<'_>) -> Verdict {
    for (phone, leg) in every_leg(phones) {
        // A phone that was left alone finds that out at any time, and says a BYE that nobody may answer.
        let late = || leg.state == State::Ending && left_alone(phone, leg);
        if !matches!(leg.state, State::Up | State::Ended) && !late() {
            let reason = format!("phone {} is {:?} since {}", phone.index, leg.state, leg.began);
            return Err(Broken { call: Some(leg.call), ..broken("settled", now, reason) });
        }
    }
    Ok(())
}

/// `ends_agree`: a caller that is up has exactly one called phone that is up, and the other way about. A
/// service of the exchange has no called phone.
pub(crate) fn ends_agree(now: Instant, ties: Ties<'_>, left_alone: LeftAlone<'_>) -> Verdict {
    let Ties { plan, phones, .. } = ties;
    let mut up = vec![(0, 0); plan.calls.len()];
    let mut alone = BTreeSet::new();
    for (phone, leg) in every_leg(phones).filter(|(_, leg)| leg.state == State::Up) {
        if left_alone(phone, leg) {
            alone.insert(leg.call);
        }
        match leg.side {
            Side::Caller => up[leg.call].0 += 1,
            Side::Callee => up[leg.call].1 += 1,
        }
    }
    for (call, sides) in up.iter().enumerate() {
        // Where parties have changed, who hears whom tells more.
        if ties.changes(call) {
            continue;
        }
        let service = plan.calls[call].dial.starts_with('*');
        // A dialplan may keep its caller for ever, with a callee or without.
        if walks(&plan.calls[call].dial) && *sides == (1, 0) {
            continue;
        }
        if alone.contains(&call) || lost_while_held(phones, call) {
            continue;
        }
        if !matches!((sides, service), ((0, 0), _) | ((1, 1), false) | ((1, 0), true)) {
            let reason = format!("call {call} is up at {} caller and {} called phones", sides.0, sides.1);
            return Err(Broken { call: Some(call), ..broken("ends_agree", now, reason) });
        }
    }
    Ok(())
}

/// A phone lost power in a call that is held: nobody speaks there, so that nobody misses it.
fn lost_while_held(phones: &[Phone], call: usize) -> bool {
    let legs = || every_leg(phones).map(|(_, leg)| leg).filter(|leg| leg.call == call);
    legs().any(|leg| leg.cut_short) && legs().any(|leg| leg.ever_held)
}

/// A CANCEL may be repeated for so long before it arrives.
const RINGS_ON: Duration = Duration::from_secs(35);

fn every_leg(phones: &[Phone]) -> impl Iterator<Item = (&Phone, &Leg)> {
    phones.iter().flat_map(|phone| phone.legs.iter().map(move |leg| (phone, leg)))
}

/// Whether both sides of some call lost power while it was held. Held, it is silent, and silence ends it no more.
pub(crate) fn held_and_forgotten(plan: &Plan, phones: &[Phone]) -> bool {
    (0..plan.calls.len()).any(|call| {
        let lost = |side| {
            let mut legs = every_leg(phones).map(|(_, leg)| leg).filter(|l| l.call == call && l.side == side);
            legs.any(|leg| leg.cut_short && leg.answered.is_some())
        };
        let held = every_leg(phones).any(|(_, leg)| leg.call == call && leg.ever_held);
        held && lost(Side::Caller) && lost(Side::Callee)
    })
}

/// `nobody_rings_in_vain`: a phone stops ringing when its caller is gone or somebody else has answered.
pub(crate) fn nobody_rings_in_vain(now: Instant, plan: &Plan, phones: &[Phone]) -> Verdict {
    let legs = || every_leg(phones);
    for (phone, leg) in legs().filter(|(_, leg)| leg.side == Side::Callee && leg.answered.is_none()) {
        // What is said by a stream that breaks is lost for ever.
        if leg.cut_short || phone.has_lost_a_stream() || expect::may_lose_touch(plan, phone.index) {
            continue;
        }
        let others =
            legs().map(|(_, other)| other).filter(|other| other.call == leg.call && other.id != leg.id);
        let over = others.filter_map(|other| match other.side {
            Side::Caller => other.ended,
            Side::Callee => other.confirmed,
        });
        // Who is asked because of a transfer is asked when the call has been answered long ago.
        let over = over.map(|over| over.max(leg.began));
        if let Some(over) = over.min().filter(|over| leg.ended.is_none_or(|ended| *over + RINGS_ON < ended)) {
            let reason =
                format!("phone {} rings until {:?}, the call was over at {over}", phone.index, leg.ended);
            return Err(Broken { call: Some(leg.call), ..broken("nobody_rings_in_vain", now, reason) });
        }
    }
    Ok(())
}

/// `nobody_else_hangs_up`: while a message is handled, a BYE leaves only in the call that it belongs to.
pub(crate) fn nobody_else_hangs_up(exit: &Exit<'_>, ties: Ties<'_>, book: &Book) -> Verdict {
    let Cause::Messages(causes) = exit.cause else { return Ok(()) };
    let call = book.get(exit.msg.call_id());
    let ends = exit.msg.is_request() && exit.msg.method() == "BYE";
    let concerns = |cause: Option<&usize>| {
        cause == call || cause.zip(call).is_some_and(|(cause, call)| ties.together(*cause, *call))
    };
    if !ends || causes.iter().any(|cause| concerns(book.get(cause.call_id()))) {
        return Ok(());
    }
    let reason = format!("{} because of {}", exit.msg.summary(), causes[0].summary());
    Err(broken("nobody_else_hangs_up", exit.now, reason))
}
