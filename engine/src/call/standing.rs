//! What extensions do: which calls they are in, for those who watch them.

use std::collections::{BTreeMap, BTreeSet};

use slotmap::KeyData;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::app::{App, CALLER, PartyId};
use super::party::Party;
use super::{Call, Calls};
use crate::cx::CallKey;
use crate::dialog::Sessions;
use crate::limits;
use crate::subscription::{Line, LineState, Ring};

/// Calls by the extensions of those who call in them or were asked.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Lines {
    all: BTreeSet<(SmolStr, CallKey)>,
    /// The same by calls.
    by_call: BTreeMap<CallKey, SmallVec<[SmolStr; 2]>>,
    /// Extensions whose calls may have changed since somebody asked.
    touched: Vec<SmolStr>,
}

impl Lines {
    /// A call has this extension in it, from now to its end.
    pub(super) fn insert(&mut self, key: CallKey, extension: &SmolStr) {
        if self.all.insert((extension.clone(), key)) {
            self.by_call.entry(key).or_default().push(extension.clone());
        }
        self.touch(key);
    }

    /// A call is over.
    pub(super) fn remove(&mut self, key: CallKey) {
        self.touch(key);
        for extension in self.by_call.remove(&key).unwrap_or_default() {
            self.all.remove(&(extension, key));
        }
    }

    /// Something happened in a call.
    pub(super) fn touch(&mut self, key: CallKey) {
        for extension in self.by_call.get(&key).into_iter().flatten() {
            if !self.touched.contains(extension) {
                self.touched.push(extension.clone());
            }
        }
    }

    /// The calls of an extension, by their keys.
    pub(super) fn of(&self, extension: &SmolStr) -> impl Iterator<Item = CallKey> {
        let first = (extension.clone(), CallKey::from(KeyData::from_ffi(0)));
        let same = |entry: &&(SmolStr, CallKey)| entry.0 == *extension;
        self.all.range(first..).take_while(same).map(|(_, key)| *key)
    }

    /// Asserts that these are the calls.
    pub(super) fn check<'a>(&self, calls: impl Iterator<Item = (CallKey, &'a Call)>) {
        let mut live = BTreeSet::new();
        for (key, call) in calls {
            let found = |party: &Party| self.all.contains(&(party.extension.clone(), key));
            assert!(call.parties.iter().all(found), "a call is found by the extensions in it");
            live.insert(key);
        }
        assert!(self.by_call.keys().all(|key| live.contains(key)), "a call that is over is not found");
        let listed: usize = self.by_call.values().map(SmallVec::len).sum();
        assert_eq!(listed, self.all.len(), "extensions and calls");
    }
}

impl Calls {
    /// Hands over the extensions whose calls may have changed.
    pub(crate) fn take_touched(&mut self, touched: &mut Vec<SmolStr>) {
        touched.append(&mut self.lines.touched);
    }

    /// How many calls an extension is in, or is asked to come into.
    pub(super) fn calls_of(&self, extension: &SmolStr) -> usize {
        let calls = self.lines.of(extension).filter_map(|key| self.all.get(key));
        let live = |party: &Party| party.leg.is_some() && party.extension == *extension;
        calls.filter(|call| call.cause.is_none() && call.parties.iter().any(live)).count()
    }

    /// The calls of an extension, oldest first, as many as watchers are told of.
    pub(crate) fn lines(&self, sessions: &Sessions, extension: &SmolStr) -> SmallVec<[Line; 2]> {
        let calls = self.lines.of(extension).take(limits::LINES_SHOWN).filter_map(|key| self.all.get(key));
        let mut lines: SmallVec<[Line; 2]> = calls.flat_map(|call| call.lines(sessions, extension)).collect();
        lines.sort_unstable_by_key(|line| (line.call, line.outgoing));
        lines.truncate(limits::LINES_SHOWN);
        lines
    }
}

impl Call {
    /// What it is to this extension, which may have called itself.
    fn lines(&self, sessions: &Sessions, extension: &SmolStr) -> impl Iterator<Item = Line> {
        let own = |outgoing: bool| {
            let parties = self.parties.iter().enumerate();
            let own = parties.filter(move |(at, p)| (*at == CALLER) == outgoing && p.extension == *extension);
            let state = own.filter_map(|(at, party)| self.line(at, party)).max();
            let ring = self.ring(sessions, extension).filter(|_| state == Some(LineState::Ringing));
            state.map(|state| Line { call: self.id, outgoing, state, ring: ring.map(Box::new) })
        };
        // Who waits in a slot makes it look taken.
        let parked = Line { call: self.id, outgoing: false, state: LineState::Talking, ring: None };
        let parked = self.stays_at(extension).then_some(parked);
        [own(true), own(false), parked].into_iter().flatten()
    }

    /// By what a phone of this extension rings, once it has said so.
    fn ring(&self, sessions: &Sessions, extension: &SmolStr) -> Option<Ring> {
        let App::Hunt(hunt) = &self.app else { return None };
        let callees = self.parties.iter().enumerate().skip(CALLER + 1);
        let mut own = callees.filter(|(at, party)| party.extension == *extension && hunt.asks(*at));
        let (call_id, ours, theirs) = own.find_map(|(_, party)| sessions.early_dialog(party.leg?))?;
        let caller = self.shown_to_callees();
        Some(Ring { call_id, local_tag: theirs, remote_tag: ours, caller })
    }

    fn line(&self, at: PartyId, party: &Party) -> Option<LineState> {
        if party.leg.is_none() || self.cause.is_some() {
            return None;
        }
        let answered = if at == CALLER { self.answered.is_some() } else { party.answered.is_some() };
        Some(match (answered, party.holds()) {
            (true, true) => LineState::Holding,
            (true, false) => LineState::Talking,
            (false, _) if at == CALLER => LineState::Calling,
            (false, _) => LineState::Ringing,
        })
    }
}
