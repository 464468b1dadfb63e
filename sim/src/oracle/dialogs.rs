//! Both sides of a call agree about it.

use std::collections::BTreeSet;

use telex_engine::event::Side;
use telex_engine::time::Instant;

use super::{Broken, Verdict, broken};
use crate::phone::{Leg, Phone, State};
use crate::plan::Plan;

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
pub(crate) fn ends_agree(now: Instant, plan: &Plan, phones: &[Phone], left_alone: LeftAlone<'_>) -> Verdict {
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
        let service = plan.calls[call].dial.starts_with('*');
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

fn every_leg(phones: &[Phone]) -> impl Iterator<Item = (&Phone, &Leg)> {
    phones.iter().flat_map(|phone| phone.legs.iter().map(move |leg| (phone, leg)))
}
