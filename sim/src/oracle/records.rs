//! The records of calls agree with what phones have in their diaries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::border::Record;
use telex_engine::cdr::{CallRecord, Disposition};
use telex_engine::event::Side;
use telex_engine::time::Instant;

use super::ties::Ties;
use super::{Broken, Verdict, broken};
use crate::expect;
use crate::phone::Leg;
use crate::plan::Habit;

/// A message that is not lost, through the slowest box and back.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// When else than with its caller a call may have ended: one that was handed over goes on without who did so, and one
/// to which another has moved ends there and then.
fn ends<'a>(ties: Ties<'a>, leg: &Leg) -> impl Iterator<Item = Instant> + use<'a> {
    let cluster = if ties.changes(leg.call) { ties.cluster(leg.call) } else { BTreeSet::new() };
    let legs = ties.legs().filter(move |other| cluster.contains(&other.call));
    let moments = |leg: &Leg| {
        let told = leg.handovers.iter().flat_map(|h| [h.replied, h.told]).flatten().map(|(at, _)| at);
        told.chain(leg.ended).collect::<Vec<_>>()
    };
    legs.flat_map(moments)
}

/// The same of a phone that says everything late, and lets its end wait for an ACK that came late.
const SLOW: Duration = Duration::from_secs(9);

/// What was handed to the store about calls, as it stands there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(BTreeMap<SmolStr, CallRecord>);

impl Records {
    /// A record is handed to the store.
    pub(crate) fn take(&mut self, record: &Record) {
        if let Record::Call(call) = record {
            self.0.insert(call.unique(), (**call).clone());
        }
    }

    /// `calls_are_recorded`, when all is over.
    pub(crate) fn agree(&self, now: Instant, ties: Ties<'_>) -> Verdict {
        let Ties { plan, phones, .. } = ties;
        // An exchange that stopped dead leaves records that are not finished.
        if expect::forgets(plan, Instant::ZERO) {
            return Ok(());
        }
        if let Some(open) = self.0.values().find(|record| record.ended.is_none()) {
            let reason = format!("the record of call {} from {} is not finished", open.id, open.from);
            return Err(broken("calls_are_recorded", now, reason));
        }
        let callers = phones.iter().flat_map(|phone| &phone.legs).filter(|leg| leg.side == Side::Caller);
        callers.filter(|leg| leg.answered.is_some()).try_for_each(|leg| self.tells_of(now, ties, leg))
    }

    fn tells_of(&self, now: Instant, ties: Ties<'_>, leg: &Leg) -> Verdict {
        let plan = ties.plan;
        let (planned, phones) = (&plan.calls[leg.call], &plan.phones);
        let (name, from) = (plan.shown_name(leg.call), &plan.phones[planned.caller].extension);
        let told = self.0.values().filter(|r| r.name == *name && r.from == *from && r.to == planned.dial);
        let answered: Vec<_> = told.filter(|r| r.disposition() == Disposition::Answered).collect();
        let wrong = |reason: String| {
            Err(Broken { call: Some(leg.call), ..broken("calls_are_recorded", now, reason) })
        };
        let [record] = answered[..] else {
            return wrong(format!("call {} was answered and has {} such records", leg.call, answered.len()));
        };
        let (Some(from), Some(to)) = (leg.answered, leg.ended) else { return Ok(()) };
        let talked = to.since(from);
        // Who overlooks what it is sent learns of the answer and tells of the end when it likes; who sends everything
        // late does so late.
        let cluster = ties.cluster(leg.call);
        let parties = ties.legs().filter(|other| cluster.contains(&other.call)).map(|leg| leg.id.phone());
        let has = |habit| parties.clone().any(|phone| phones[phone].habits.contains(&habit));
        let late = if has(Habit::Slow) { SLOW } else { ON_THE_WAY };
        // A call that somebody else ends is over for a caller who never acknowledges when that is waited for (§15).
        let acks = !phones[planned.caller].habits.contains(&Habit::NeverAcks);
        let prompt = acks && !has(Habit::Overlooks);
        let fits = |talked: Duration| talked.abs_diff(record.talked) <= late;
        if prompt
            && expect::loses_nothing(plan)
            && !fits(talked)
            && !ends(ties, leg).any(|at| fits(at.since(from)))
        {
            let (kept, dialled) = (record.talked, &record.to);
            return wrong(format!("the caller of {dialled} talked for {talked:?}, its record says {kept:?}"));
        }
        Ok(())
    }
}
