//! The dialplan in force, and those that calls in progress began with.

use std::collections::BTreeMap;

use telex_dialplan::Dialplan;

/// Plans by number. The last is in force; the others have calls.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Plans {
    all: BTreeMap<u32, Plan>,
    current: u32,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Plan {
    plan: Dialplan,
    /// Somewhere it reads header fields.
    headers: bool,
    calls: usize,
}

impl Plan {
    fn new(plan: Dialplan) -> Self {
        let headers = plan.sources().any(|(_, text)| text.contains("HEADER("));
        Self { plan, headers, calls: 0 }
    }
}

impl Plans {
    /// This one is in force.
    pub(super) fn new(plan: Dialplan) -> Self {
        Self { all: BTreeMap::from([(0, Plan::new(plan))]), current: 0 }
    }

    /// From now on this one is.
    pub(super) fn replace(&mut self, plan: Dialplan) {
        if self.current().1 == plan {
            return;
        }
        self.current += 1;
        self.all.insert(self.current, Plan::new(plan));
        self.all.retain(|number, plan| *number == self.current || plan.calls > 0);
    }

    /// The one in force, and its number.
    pub(super) fn current(&self) -> (u32, Dialplan) {
        (self.current, self.get(self.current))
    }

    /// Whether calls that begin now need the header fields of their INVITE.
    pub(super) fn reads_headers(&self) -> bool {
        self.all.get(&self.current).is_some_and(|plan| plan.headers)
    }

    /// The same, unless it is gone.
    pub(super) fn find(&self, number: u32) -> Option<&Dialplan> {
        self.all.get(&number).map(|plan| &plan.plan)
    }

    /// A plan that is in force or has calls.
    pub(super) fn get(&self, number: u32) -> Dialplan {
        self.all.get(&number).map(|plan| plan.plan.clone()).unwrap_or_default()
    }

    /// A call begins with this plan.
    pub(super) fn hold(&mut self, number: u32) {
        if let Some(plan) = self.all.get_mut(&number) {
            plan.calls += 1;
        }
    }

    /// A call that began with it has ended.
    pub(super) fn release(&mut self, number: u32) {
        let Some(plan) = self.all.get_mut(&number) else { return };
        plan.calls -= 1;
        if plan.calls == 0 && number != self.current {
            self.all.remove(&number);
        }
    }

    /// Asserts that these are the plans of all calls.
    pub(super) fn check(&self, held: impl Iterator<Item = u32>) {
        let mut counted: BTreeMap<u32, usize> = BTreeMap::from([(self.current, 0)]);
        held.for_each(|number| *counted.entry(number).or_default() += 1);
        let known = self.all.iter().map(|(number, plan)| (*number, plan.calls));
        assert!(known.eq(counted), "a plan is kept for the calls it has");
    }
}
