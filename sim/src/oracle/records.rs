//! The records of calls agree with what phones have in their diaries.

use std::collections::BTreeMap;
use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::border::Record;
use telex_engine::cdr::{CallRecord, Disposition};
use telex_engine::event::Side;
use telex_engine::time::Instant;

use super::{Broken, Verdict, broken};
use crate::expect;
use crate::phone::{Leg, Phone};
use crate::plan::{Habit, Plan};

/// A message that is not lost, through the slowest box and back.
const ON_THE_WAY: Duration = Duration::from_secs(2);

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
    pub(crate) fn agree(&self, now: Instant, plan: &Plan, phones: &[Phone]) -> Verdict {
        // An exchange that stopped dead leaves records that are not finished.
        if expect::forgets(plan, Instant::ZERO) {
            return Ok(());
        }
        if let Some(open) = self.0.values().find(|record| record.ended.is_none()) {
            let reason = format!("the record of call {} from {} is not finished", open.id, open.from);
            return Err(broken("calls_are_recorded", now, reason));
        }
        let callers = phones.iter().flat_map(|phone| &phone.legs).filter(|leg| leg.side == Side::Caller);
        callers.filter(|leg| leg.answered.is_some()).try_for_each(|leg| self.tells_of(now, plan, leg))
    }

    fn tells_of(&self, now: Instant, plan: &Plan, leg: &Leg) -> Verdict {
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
        // Who sends everything late, or overlooks what it is sent, learns of the answer and tells of the end when it
        // likes.
        let prompt = !phones
            .iter()
            .any(|phone| [Habit::Slow, Habit::Overlooks].iter().any(|habit| phone.habits.contains(habit)));
        // A call that its dialplan ends is over for one who never acknowledges when that has been waited for.
        let acks = !phones[planned.caller].habits.contains(&Habit::NeverAcks);
        if prompt && acks && expect::loses_nothing(plan) && talked.abs_diff(record.talked) > ON_THE_WAY {
            let (kept, dialled) = (record.talked, &record.to);
            return wrong(format!("the caller of {dialled} talked for {talked:?}, its record says {kept:?}"));
        }
        Ok(())
    }
}
