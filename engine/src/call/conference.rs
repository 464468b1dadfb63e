//! Conferences: rooms in which the callers of several calls hear each other.
//!
//! A conference lives on one shard, in the room of the call that began it. Who joins later has its media port on that
//! shard, or brings it along. The last who leaves takes the room down.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::Calls;
use super::app::CALLER;
use crate::border::Action;
use crate::cx::{CallKey, Cx};
use crate::limits;
use crate::mediactl::{MediaCommand, RecordingSpec, Revision, RoomId, RoomMode, RoomSpec, ShardId};
use crate::planted::Fault;
use crate::sip::Status;

/// Who is together, by the names of conferences.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Conferences {
    /// None is empty.
    all: BTreeMap<SmolStr, Conference>,
}

/// One conference.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Conference {
    shard: ShardId,
    room: RoomId,
    rev: Revision,
    members: usize,
    /// What is recorded of it, by the number of the call for which that was ordered.
    recordings: BTreeMap<u64, RecordingSpec>,
}

/// Why a call does not join a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotJoined {
    /// It has [`limits::CONFERENCE_MEMBERS`].
    Full,
    /// It would begin, and there are [`limits::CONFERENCES`].
    TooMany,
}

impl NotJoined {
    /// What there was no room for.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Full => "members of a conference",
            Self::TooMany => "conferences",
        }
    }

    /// The answer to a call that wanted nothing else.
    pub(super) fn status(self) -> Status {
        match self {
            Self::Full => Status::BUSY_HERE,
            Self::TooMany => Status::SERVICE_UNAVAILABLE,
        }
    }
}

impl Conferences {
    /// Whether one more may join a conference.
    pub(super) fn admits(&self, name: &str) -> Result<(), NotJoined> {
        match self.all.get(name) {
            Some(conference) if conference.members >= limits::CONFERENCE_MEMBERS => Err(NotJoined::Full),
            None if self.all.len() >= limits::CONFERENCES => Err(NotJoined::TooMany),
            _ => Ok(()),
        }
    }

    /// Where its members have their media; `None` when it has none.
    pub(super) fn shard(&self, name: &str) -> Option<ShardId> {
        self.all.get(name).map(|conference| conference.shard)
    }

    /// Whether one more recording of it may begin.
    pub(super) fn may_record(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|conference| conference.recordings.len() < limits::RECORDINGS)
    }

    /// This is recorded of it from now on for that call.
    pub(super) fn record(&mut self, cx: &mut Cx<'_>, name: &str, call: u64, spec: Option<RecordingSpec>) {
        let Some(conference) = self.all.get_mut(name) else { return };
        match spec {
            Some(spec) => conference.recordings.insert(call, spec),
            None => conference.recordings.remove(&call),
        };
        conference.put(cx);
    }

    /// A member has gone.
    pub(super) fn left(&mut self, cx: &mut Cx<'_>, name: &str, call: u64) {
        let Some(conference) = self.all.get_mut(name) else { return };
        conference.members -= 1;
        if conference.members > 0 {
            if conference.recordings.remove(&call).is_some() {
                conference.put(cx);
            }
            return;
        }
        if !cx.planted.is(Fault::MediaLegNotDropped) {
            let command = MediaCommand::DropRoom { room: conference.room };
            cx.out.push(Action::Media { shard: conference.shard, command });
        }
        self.all.remove(name);
    }

    /// Asserts that these are all members: the conference, and the shard, the room and the number of the call.
    pub(super) fn check<'a>(&self, members: impl Iterator<Item = (&'a SmolStr, ShardId, RoomId, u64)>) {
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        let mut recorded = 0;
        for (name, shard, room, call) in members {
            let conference = self.all.get(name);
            let place = conference.map(|conference| (conference.shard, conference.room));
            assert_eq!(place, Some((shard, room)), "a member is in the room of its conference");
            recorded += usize::from(conference.is_some_and(|c| c.recordings.contains_key(&call)));
            *counted.entry(name.as_str()).or_default() += 1;
        }
        let members = self.all.iter().map(|(name, conference)| (name.as_str(), conference.members));
        assert!(members.eq(counted), "a conference has the members it counts, and at least one");
        let recordings: usize = self.all.values().map(|conference| conference.recordings.len()).sum();
        assert_eq!(recordings, recorded, "a conference is recorded for its members");
    }
}

impl Conference {
    /// Brings its room to what is wanted of it.
    fn put(&mut self, cx: &mut Cx<'_>) {
        self.rev += 1;
        let recordings = self.recordings.values().copied().collect();
        let spec = RoomSpec { mode: RoomMode::Mix, recordings };
        let command = MediaCommand::PutRoom { room: self.room, rev: self.rev, spec };
        cx.out.push(Action::Media { shard: self.shard, command });
    }
}

impl Calls {
    /// The caller of a call joins a conference, which begins if there is none of this name. Its media leg follows with
    /// the next [`Call::put_media`](super::Call::put_media); one that has media already moves at once, from another
    /// shard too. What is recorded of the call itself ends, unless its room becomes the room of the conference.
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, key: CallKey, name: &SmolStr) -> Result<(), NotJoined> {
        self.conferences.admits(name)?;
        let Some(call) = self.all.get_mut(key) else { return Ok(()) };
        let conference = match self.conferences.all.get_mut(name) {
            Some(conference) => conference,
            None => {
                let (shard, room, rev) = (call.shard, call.room, call.room_rev);
                let recordings = call.recording.iter().map(|spec| (call.id, *spec)).collect();
                let mut begun = Conference { shard, room, rev, members: 0, recordings };
                begun.put(cx);
                self.conferences.all.entry(name.clone()).or_insert(begun)
            }
        };
        conference.members += 1;
        let own = std::mem::replace(&mut call.room, conference.room);
        let shard = std::mem::replace(&mut call.shard, conference.shard);
        call.conference = Some(name.clone());
        let had_room = std::mem::take(&mut call.room_put);
        if call.parties[CALLER].media.put {
            call.put_media(cx);
        }
        if had_room && own != call.room {
            call.recording = None;
            let command = MediaCommand::DropRoom { room: own };
            cx.out.push(Action::Media { shard, command });
        }
        Ok(())
    }

    /// A call that ends leaves its conference, if it is in one.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        if let Some(name) = call.conference.take() {
            self.conferences.left(cx, &name, call.id);
        }
    }
}

#[cfg(test)]
impl Calls {
    /// The same for the call with this number.
    pub(crate) fn join_call(&mut self, cx: &mut Cx<'_>, call: u64, name: &str) -> bool {
        self.by_id.get(&call).copied().is_some_and(|key| self.join(cx, key, &name.into()).is_ok())
    }
}
