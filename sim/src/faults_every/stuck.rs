//! How much longer a party waited than it does when nothing goes wrong.

use std::collections::BTreeMap;

use telex_engine::time::Duration;

use crate::plan::Plan;
use crate::waits::{Trigger, Wait, Waited};

/// A party that waited longer than usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// How much longer.
    pub time: Duration,
    /// The party, by its place in the plan, and its extension.
    pub phone: usize,
    /// Its extension.
    pub extension: String,
    /// What it waited for, in words that follow "waits".
    pub awaited: &'static str,
    /// What ended the wait: the name of a timer and whose it is.
    pub trigger: String,
    /// Nothing ended it while the run lasted, or only that all hung up.
    pub forever: bool,
    /// What went wrong, in words.
    pub faults: Vec<String>,
}

/// How long each party waits for each thing when nothing goes wrong.
pub(super) struct Usual(BTreeMap<Wait, Duration>);

impl Usual {
    pub(super) fn of(waits: &[Waited]) -> Self {
        Self(sums(waits).into_iter().map(|(wait, (time, _))| (wait, time)).collect())
    }

    fn time(&self, wait: &Wait) -> Duration {
        self.0.get(wait).copied().unwrap_or_default()
    }
}

/// The time of each wait with all its parts, and what ended the last of them.
fn sums(waits: &[Waited]) -> BTreeMap<Wait, (Duration, Option<Trigger>)> {
    let mut sums: BTreeMap<Wait, (Duration, Option<Trigger>)> = BTreeMap::new();
    for waited in waits {
        let sum = sums.entry(waited.wait).or_default();
        *sum = (sum.0 + waited.until.since(waited.from), waited.trigger);
    }
    sums
}

/// Waits that are only as long as the way of a packet or two are not worth telling.
const NOTHING: Duration = Duration::from_millis(50);

/// Who waited beyond the usual time, the longest last; a wait without end after all others.
pub(super) fn stuck(plan: &Plan, usual: &Usual, waits: &[Waited], faults: &[String]) -> Vec<Stuck> {
    let all = sums(waits).into_iter().map(|((phone, call, awaited), (time, trigger))| Stuck {
        time: time.saturating_sub(usual.time(&(phone, call, awaited))),
        phone,
        extension: plan.phones[phone].extension.clone(),
        awaited: awaited.words(),
        trigger: trigger.map_or_else(|| "nothing".to_owned(), |trigger| trigger.to_string()),
        forever: matches!(trigger, None | Some(Trigger::Empty)),
        faults: faults.to_vec(),
    });
    let mut late: Vec<Stuck> = all.filter(|stuck| stuck.time > NOTHING).collect();
    late.sort_by_key(Stuck::weight);
    late
}

impl Stuck {
    /// What makes one worse than another.
    pub(super) fn weight(&self) -> (bool, Duration) {
        (self.forever, self.time)
    }
}
