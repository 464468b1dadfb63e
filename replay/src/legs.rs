//! Which legs of media belong to a call.

use std::collections::{BTreeMap, BTreeSet};

use telex_engine::Action;
use telex_engine::mediactl::{LegId, MediaCommand};
use telex_engine::view::CallView;

use crate::cut::Wanted;
use crate::file::Recording;
use crate::replayer::Replayer;

/// The media legs of what is wanted: all that its calls had during the recording. `None` means everybody's.
pub(crate) fn legs(recording: &Recording, wanted: &Wanted) -> Option<BTreeSet<LegId>> {
    if *wanted == Wanted::All {
        return None;
    }
    let mut found = Found { wanted, owners: BTreeMap::new(), calls: BTreeSet::new() };
    let Ok(mut replayer) = Replayer::new(recording, &[]) else { return Some(BTreeSet::new()) };
    found.look(&replayer.machine().view().calls);
    // A leg is put to its shard once the call knows it, so looking then is enough.
    while let Ok(true) = replayer.step() {
        let puts =
            |action: &Action| matches!(action, Action::Media { command: MediaCommand::PutLeg { .. }, .. });
        if replayer.actions().iter().any(puts) {
            found.look(&replayer.machine().view().calls);
        }
    }
    let of = |(leg, call): (LegId, u64)| found.calls.contains(&call).then_some(leg);
    Some(found.owners.into_iter().filter_map(of).collect())
}

/// What was seen so far.
struct Found<'a> {
    wanted: &'a Wanted,
    /// Whose each leg is.
    owners: BTreeMap<LegId, u64>,
    /// The calls that are wanted.
    calls: BTreeSet<u64>,
}

impl Found<'_> {
    fn look(&mut self, calls: &[CallView]) {
        for call in calls {
            let legs = call.parties.iter().map(|party| LegId(party.media.leg));
            self.owners.extend(legs.map(|leg| (leg, call.id)));
            if self.is_wanted(call) {
                self.calls.insert(call.id);
            }
        }
    }

    fn is_wanted(&self, call: &CallView) -> bool {
        let sessions = || call.parties.iter().filter_map(|party| party.session.as_ref());
        match self.wanted {
            Wanted::All => true,
            Wanted::Call(number) => call.id == *number,
            Wanted::CallId(id) => {
                sessions().any(|session| session.dialogs.iter().any(|dialog| dialog.call_id == id.as_str()))
            }
        }
    }
}
