//! Which planned calls may have come together: by a slot of the car park, a transfer to another call of the same phone,
//! a pick-up. Everything here is read from the plan and from the diaries of phones.

use std::collections::BTreeSet;

use telex_engine::event::Side;

use crate::exchange::{PARK, chooses, is_slot};
use crate::phone::{Leg, Phone};
use crate::plan::{PICKUP, Plan, walks};

/// What is known of the calls of a run.
#[derive(Clone, Copy)]
pub(crate) struct Ties<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) phones: &'a [Phone],
    /// Whether anything is planned that could bring calls together, or change who is in one.
    pub(crate) any: bool,
}

impl<'a> Ties<'a> {
    fn dial(&self, call: usize) -> &'a str {
        self.plan.calls.get(call).map_or("", |call| call.dial.as_str())
    }

    pub(crate) fn legs(&self) -> impl Iterator<Item = &'a Leg> + Clone + use<'a> {
        self.phones.iter().flat_map(|phone| &phone.legs)
    }

    fn of(&self, call: usize) -> impl Iterator<Item = &'a Leg> + use<'a> {
        self.legs().filter(move |leg| leg.call == call)
    }

    pub(crate) fn extension(&self, leg: &Leg) -> &'a str {
        &self.plan.phones[leg.id.phone()].extension
    }

    /// Whether somebody has asked for a transfer of this call to a number that is like this.
    fn sent_to(&self, call: usize, like: impl Fn(&str) -> bool) -> bool {
        self.of(call).flat_map(|leg| &leg.handovers).any(|h| h.planned.with.is_none() && like(&h.planned.to))
    }

    /// Whether somebody in this call waits in a slot, or has.
    pub(crate) fn parks(&self, call: usize) -> bool {
        self.dial(call) == PARK
            || self.sent_to(call, |to| to == PARK)
            || self.is_sent_on(call, |to| to == PARK)
    }

    /// Whether it leads to who is in a slot.
    fn takes_up(&self, call: usize) -> bool {
        is_slot(self.dial(call)) || self.sent_to(call, is_slot) || self.is_sent_on(call, is_slot)
    }

    /// Whether a called phone has sent it to a number that is like this.
    fn is_sent_on(&self, call: usize, like: impl Fn(&str) -> bool) -> bool {
        self.plan.calls.get(call).is_some_and(|call| call.diverted_to().any(like))
    }

    /// Whether the caller of `one` may have what rings, or talks, in `other`.
    fn picks(&self, one: usize, other: usize) -> bool {
        let Some(picking) = self.plan.calls.get(one) else { return false };
        let picker = &self.plan.phones[picking.caller].extension;
        let at = |extension: &str| self.of(other).any(|leg| self.extension(leg) == extension);
        // Who is asked need not have heard of it.
        let rings = |may: &dyn Fn(&str) -> bool| {
            let any = chooses(self.dial(other)) && self.plan.phones.iter().any(|phone| may(&phone.extension));
            any || may(self.dial(other))
                || self.sent_to(other, may)
                || self.is_sent_on(other, may)
                || self.of(other).any(|leg| leg.side == Side::Callee && may(self.extension(leg)))
        };
        if picking.takes == Some(other) && self.plan.may_take(picker, &picking.dial) && at(&picking.dial) {
            return true;
        }
        let group = self.plan.group_of(picker);
        match picking.dial.strip_prefix(PICKUP) {
            Some("") => !group.is_empty() && rings(&|callee| self.plan.group_of(callee) == group),
            Some(extension) => rings(&|callee| callee == extension),
            None => false,
        }
    }

    /// Whether a party of `one` has asked to be replaced by whom it talks with in `other`.
    fn brings(&self, one: usize, other: usize) -> bool {
        self.of(one).flat_map(|leg| &leg.handovers).any(|h| h.planned.with == Some(other))
    }

    fn tied(&self, one: usize, other: usize) -> bool {
        let either = |one, other| {
            self.parks(one) && self.takes_up(other) || self.picks(one, other) || self.brings(one, other)
        };
        either(one, other) || either(other, one)
    }

    /// All calls that may have come together with this one, and it.
    pub(crate) fn cluster(&self, call: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([call]);
        if !self.any {
            return found;
        }
        let mut next = vec![call];
        while let Some(one) = next.pop() {
            for other in 0..self.plan.calls.len() {
                if !found.contains(&other) && self.tied(one, other) {
                    found.insert(other);
                    next.push(other);
                }
            }
        }
        found
    }

    /// Whether two calls may have come together.
    pub(crate) fn together(&self, one: usize, other: usize) -> bool {
        one == other || self.any && (self.tied(one, other) || self.cluster(one).contains(&other))
    }

    /// Whether somebody has asked for a transfer of this call.
    pub(crate) fn is_handed_over(&self, call: usize) -> bool {
        self.of(call).any(|leg| !leg.handovers.is_empty())
    }

    /// Whether who is in this call may be others than its caller and one whom it dialled.
    pub(crate) fn changes(&self, call: usize) -> bool {
        self.any && self.may_change(call)
    }

    fn may_change(&self, call: usize) -> bool {
        self.is_handed_over(call)
            || self.is_sent_on(call, stays)
            || self.parks(call)
            || self.takes_up(call)
            || self.cluster(call).len() > 1
    }

    /// Whether the exchange itself may have somebody of these calls on the line.
    pub(crate) fn is_served(&self, cluster: &BTreeSet<usize>, like: impl Fn(&str) -> bool + Copy) -> bool {
        let dialled = |call: usize| like(self.dial(call)) || self.is_sent_on(call, like);
        cluster.iter().any(|call| dialled(*call) || self.sent_to(*call, like))
    }
}

/// Whether the exchange itself is at this number, for as long as its caller likes.
pub(crate) fn stays(number: &str) -> bool {
    number.starts_with("*4") || number.starts_with("*6") || walks(number)
}
