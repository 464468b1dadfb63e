//! The store of the exchange as its host has it: a log of records, of which a restart finds what was written.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use telex_engine::border::{Lsn, Record, StoredBinding};

/// How far a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// On its way.
    Pending,
    /// Written, and the exchange was told.
    Written,
    /// There was no room.
    Refused,
}

/// The log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    log: Vec<(Lsn, Record, Stage)>,
}

impl Store {
    /// A record is handed in. `room` says whether there is any.
    pub(crate) fn take(&mut self, lsn: Lsn, record: Record, room: bool) {
        let stage = if room { Stage::Pending } else { Stage::Refused };
        self.log.push((lsn, record, stage));
    }

    /// Everything up to this record is safe.
    pub(crate) fn written(&mut self, through: Lsn) {
        let pending = self.log.iter_mut().rev().take_while(|(.., stage)| *stage != Stage::Written);
        for (lsn, _, stage) in pending {
            if *lsn <= through && *stage == Stage::Pending {
                *stage = Stage::Written;
            }
        }
    }

    /// The exchange stops dead. The last `torn` records that were written are lost, and the first `ahead` of those on
    /// their way are written all the same. From now on the log is what there is.
    pub(crate) fn stop(&mut self, ahead: usize, torn: usize) {
        let of = |wanted: Stage| self.log.iter().filter(move |(.., stage)| *stage == wanted);
        let written = of(Stage::Written).count().saturating_sub(torn);
        let kept = of(Stage::Written).take(written).chain(of(Stage::Pending).take(ahead));
        self.log = kept.map(|(lsn, record, _)| (*lsn, record.clone(), Stage::Written)).collect();
    }

    /// What a restart finds.
    pub(crate) fn bindings(&self) -> Vec<StoredBinding> {
        let mut found: BTreeMap<(SmolStr, SmolStr), StoredBinding> = BTreeMap::new();
        for (_, record, _) in self.log.iter().filter(|(.., stage)| *stage == Stage::Written) {
            match record {
                Record::Bind(binding) => {
                    found.insert((binding.aor.clone(), binding.contact.clone()), binding.clone());
                }
                Record::Unbind { aor, contact } => {
                    found.remove(&(aor.clone(), contact.clone()));
                }
                Record::Call(_) | Record::Keep { .. } | Record::Forget { .. } => {}
            }
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use telex_engine::border::Transport;
    use telex_engine::time::WallTime;

    use super::*;

    fn bind(contact: &str) -> Record {
        Record::Bind(StoredBinding {
            aor: "100".into(),
            contact: contact.into(),
            transport: Transport::Udp,
            source: "10.1.0.0:5060".parse().unwrap(),
            local: "10.0.0.1:5060".parse().unwrap(),
            expires: WallTime::from_unix_millis(0),
            call_id: SmolStr::default(),
            cseq: 1,
            q: 1000,
            path: SmolStr::default(),
            user_agent: SmolStr::default(),
            instance: SmolStr::default(),
        })
    }

    fn unbind(contact: &str) -> Record {
        Record::Unbind { aor: "100".into(), contact: contact.into() }
    }

    /// Five records, of which the third found no room and three are written.
    fn store() -> Store {
        let mut store = Store::default();
        let records = [bind("a"), bind("b"), bind("c"), unbind("a"), bind("d")];
        for (n, record) in (1..).zip(records) {
            store.take(Lsn(n), record, n != 3);
        }
        store.written(Lsn(3));
        store.written(Lsn(4));
        store
    }

    fn after(ahead: usize, torn: usize) -> Vec<SmolStr> {
        let mut store = store();
        store.stop(ahead, torn);
        store.bindings().into_iter().map(|b| b.contact).collect()
    }

    #[test]
    fn a_restart_finds_what_was_written() {
        assert_eq!(after(0, 0), ["b"]);
        assert_eq!(after(1, 0), ["b", "d"], "the last one was quicker than the word of it");
        assert_eq!(after(0, 1), ["a", "b"], "the last one was lost");
        assert_eq!(after(0, 2), ["a"]);
        assert_eq!(after(0, 9), [""; 0]);
    }

    #[test]
    fn what_was_lost_stays_lost() {
        let mut store = store();
        store.stop(0, 1);
        store.written(Lsn(9));
        store.stop(9, 0);
        assert_eq!(store.bindings().len(), 2);
    }
}
