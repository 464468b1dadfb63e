//! What extensions do: which calls they are in, for those who watch them.

use std::collections::BTreeSet;

use slotmap::KeyData;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::app::CALLER;
use super::party::Party;
use super::{Call, Calls};
use crate::border::CallState;
use crate::cx::CallKey;
use crate::limits;
use crate::subscription::{Line, LineState};

/// Calls by the extensions of their two sides.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Lines {
    all: BTreeSet<(SmolStr, CallKey)>,
    /// Extensions whose calls may have changed since somebody asked.
    touched: Vec<SmolStr>,
}

impl Lines {
    /// A call began.
    pub(super) fn insert(&mut self, key: CallKey, sides: [&SmolStr; 2]) {
        self.all.extend(sides.map(|side| (side.clone(), key)));
        self.touch(sides);
    }

    /// A call is over.
    pub(super) fn remove(&mut self, key: CallKey, sides: [&SmolStr; 2]) {
        for side in sides {
            self.all.remove(&(side.clone(), key));
        }
    }

    /// Something happened in a call.
    pub(super) fn touch(&mut self, sides: [&SmolStr; 2]) {
        for side in sides {
            if !self.touched.contains(side) {
                self.touched.push(side.clone());
            }
        }
    }

    /// The calls of an extension, by their keys.
    fn of(&self, extension: &SmolStr) -> impl Iterator<Item = CallKey> {
        let first = (extension.clone(), CallKey::from(KeyData::from_ffi(0)));
        let same = |entry: &&(SmolStr, CallKey)| entry.0 == *extension;
        self.all.range(first..).take_while(same).map(|(_, key)| *key)
    }

    /// Asserts that these are the calls.
    pub(super) fn check<'a>(&self, calls: impl Iterator<Item = (CallKey, [&'a SmolStr; 2])>) {
        let all: BTreeSet<_> = calls.flat_map(|(key, sides)| sides.map(|side| (side.clone(), key))).collect();
        assert_eq!(self.all, all, "every call is found by both its sides");
    }
}

impl Calls {
    /// Hands over the extensions whose calls may have changed.
    pub(crate) fn take_touched(&mut self, touched: &mut Vec<SmolStr>) {
        touched.append(&mut self.lines.touched);
    }

    /// The calls of an extension, oldest first, as many as watchers are told of.
    pub(crate) fn lines(&self, extension: &SmolStr) -> SmallVec<[Line; 2]> {
        let calls = self.lines.of(extension).take(limits::LINES_SHOWN).filter_map(|key| self.all.get(key));
        let mut lines: SmallVec<[Line; 2]> = calls.flat_map(|call| call.lines(extension)).collect();
        lines.sort_unstable_by_key(|line| (line.call, line.outgoing));
        lines.truncate(limits::LINES_SHOWN);
        lines
    }
}

impl Call {
    /// What it is to this extension, which may have called itself.
    fn lines(&self, extension: &SmolStr) -> impl Iterator<Item = Line> {
        let called = (self.from == *extension).then(|| self.line(true)).flatten();
        let asked = (self.to == *extension).then(|| self.line(false)).flatten();
        called.into_iter().chain(asked)
    }

    fn line(&self, outgoing: bool) -> Option<Line> {
        let party = if outgoing { Some(CALLER) } else { self.peer };
        let holds = party.and_then(|party| self.parties.get(party)).is_some_and(Party::holds);
        let state = match self.state {
            CallState::Calling | CallState::Ringing if outgoing => LineState::Calling,
            CallState::Ringing => LineState::Ringing,
            CallState::Up | CallState::Held if holds => LineState::Holding,
            CallState::Up | CallState::Held => LineState::Talking,
            CallState::Calling | CallState::Ending => return None,
        };
        Some(Line { call: self.id, outgoing, state })
    }
}
