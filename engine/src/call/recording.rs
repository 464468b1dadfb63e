//! Recording of a call, by order.

use smallvec::SmallVec;

use super::app::{CALLER, PartyId, side};
use super::{Call, Calls};
use crate::border::{Action, ControlReply, NotRecorded, RecordOrder, RecordWhat};
use crate::cx::Cx;
use crate::event::{Event, Side};
use crate::mediactl::{
    MediaCommand, Recorded, RecordingFormat, RecordingId, RecordingSpec, RoomMode, RoomSpec,
};

/// Recordings of one call, one after the other.
const MOST: u64 = 1 << 8;
/// Samples per second of what has the band of the telephone, and of what has more.
const NARROW: u32 = 8000;
const WIDE: u32 = 16_000;

impl Calls {
    /// Follows an order to record.
    pub(crate) fn record(&mut self, cx: &mut Cx<'_>, id: u64, order: RecordOrder) -> ControlReply {
        self.record_as(cx, id, order, "")
    }

    /// The same with a name for the file that begins.
    pub(super) fn record_as(
        &mut self,
        cx: &mut Cx<'_>,
        id: u64,
        order: RecordOrder,
        name: &str,
    ) -> ControlReply {
        let Some(call) = self.by_id.get(&id).and_then(|key| self.all.get_mut(*key)) else {
            return ControlReply::NoSuchCall { call: id };
        };
        let conference = call.conference.clone();
        let crowded = conference.as_ref().is_some_and(|name| !self.conferences.may_record(name));
        match call.record(cx, order, name, crowded) {
            Ok(recording) => {
                match conference {
                    Some(name) => self.conferences.record(cx, &name, id, call.recording),
                    None => call.put_room(cx),
                }
                call.tell_unheard(cx);
                ControlReply::Recording { call: id, recording, unheard: call.unheard() }
            }
            Err(why) => ControlReply::NotRecorded { call: id, why },
        }
    }
}

impl Call {
    /// Tells when nobody has spoken in what is recorded of the caller for so long.
    pub(super) fn record_until_quiet(&mut self, cx: &mut Cx<'_>, quiet: crate::time::Duration) {
        if let Some(spec) = &mut self.recording {
            spec.quiet = u32::try_from(quiet.as_millis()).unwrap_or(u32::MAX);
            self.put_room(cx);
        }
    }

    fn record(
        &mut self,
        cx: &mut Cx<'_>,
        order: RecordOrder,
        name: &str,
        crowded: bool,
    ) -> Result<RecordingId, NotRecorded> {
        let id = match (order, &mut self.recording) {
            (RecordOrder::Start { .. }, Some(_)) => return Err(NotRecorded::Already),
            (RecordOrder::Start { .. }, None) if crowded => return Err(NotRecorded::Crowded),
            (RecordOrder::Start { what, format }, None) => {
                let spec = self.recording_of(what, format.unwrap_or(cx.config.recordings))?;
                self.recordings += 1;
                self.recording = Some(spec);
                self.tell_recording(cx, spec.id, name);
                spec.id
            }
            (_, None) => return Err(NotRecorded::NotRecording),
            (RecordOrder::Pause | RecordOrder::Resume, Some(spec)) => {
                spec.paused = order == RecordOrder::Pause;
                spec.id
            }
            (RecordOrder::Stop, some) => some.take().map(|spec| spec.id).ok_or(NotRecorded::NotRecording)?,
        };
        Ok(id)
    }

    fn tell_recording(&self, cx: &mut Cx<'_>, recording: RecordingId, name: &str) {
        cx.report(Event::RecordingStarted {
            call: self.id,
            recording,
            record: crate::cdr::unique(self.since, self.id),
            from: self.from.clone(),
            to: self.to.clone(),
            name: name.into(),
        });
    }

    /// Of whom the recording there is should have something and has nothing.
    pub(super) fn unheard(&self) -> Vec<Side> {
        let Some(what) = self.recording.map(|spec| spec.what) else { return Vec::new() };
        let opaque = |&party: &PartyId| self.parties[party].codec().is_some_and(|c| c.encoding().is_none());
        let wanted = self.recorded(what).into_iter().filter(opaque);
        wanted.map(side).collect()
    }

    /// Tells people who is not in the recording, once as long as that is so.
    pub(super) fn tell_unheard(&mut self, cx: &mut Cx<'_>) {
        let (unheard, recording) = (self.unheard(), self.recording);
        let new = unheard.iter().filter(|side| !self.unheard.contains(side));
        for &side in new {
            let party = if side == Side::Caller { CALLER } else { self.peer.unwrap_or(CALLER) };
            let codec = self.parties[party].codec().map(|codec| codec.name).unwrap_or_default();
            if let Some(RecordingSpec { id: recording, .. }) = recording {
                cx.report(Event::NotInRecording { call: self.id, recording, side, codec });
            }
        }
        self.unheard = unheard;
    }

    /// Whom a recording is of.
    fn recorded(&self, what: Recorded) -> SmallVec<[PartyId; 2]> {
        let mut parties = SmallVec::<[PartyId; 2]>::from_slice(&[CALLER]);
        parties.extend(self.peer);
        parties.retain(|&mut party| match what {
            Recorded::Leg(leg) => self.parties[party].media.id == leg,
            Recorded::Mixed | Recorded::Stereo { .. } => true,
        });
        parties
    }

    fn recording_of(&self, what: RecordWhat, format: RecordingFormat) -> Result<RecordingSpec, NotRecorded> {
        if self.answered.is_none() || self.cause.is_some() {
            return Err(NotRecorded::NotAnswered);
        }
        if self.recordings == MOST {
            return Err(NotRecorded::TooOften);
        }
        let peer = self.peer.unwrap_or(CALLER);
        let leg = |party: usize| self.parties[party].media.id;
        let what = match what {
            // Who calls a conference is on one side, everybody together is on the other.
            RecordWhat::Stereo | RecordWhat::Callee if self.conference.is_some() => Recorded::Mixed,
            RecordWhat::Mixed => Recorded::Mixed,
            RecordWhat::Stereo => Recorded::Stereo { left: leg(CALLER), right: leg(peer) },
            RecordWhat::Caller => Recorded::Leg(leg(CALLER)),
            RecordWhat::Callee => Recorded::Leg(leg(peer)),
        };
        let parties = self.recorded(what).into_iter();
        let encodings = parties.filter_map(|party| self.parties[party].codec()?.encoding());
        let best = encodings.map(|encoding| encoding.properties().rate).max().ok_or(NotRecorded::Codec)?;
        Ok(RecordingSpec {
            id: RecordingId(self.id * MOST + self.recordings),
            what,
            rate: if best > NARROW || self.conference.is_some() { WIDE } else { NARROW },
            format,
            paused: false,
            quiet: 0,
        })
    }

    /// Brings the room to what is wanted of it.
    pub(super) fn put_room(&mut self, cx: &mut Cx<'_>) {
        let mode = match self.is_echo() {
            _ if self.is_page() => RoomMode::Mix,
            true => RoomMode::Echo,
            false => RoomMode::Relay,
        };
        let spec = RoomSpec { mode, recordings: self.recording.into_iter().collect() };
        self.room_rev += 1;
        let command = MediaCommand::PutRoom { room: self.room, rev: self.room_rev, spec };
        cx.out.push(Action::Media { shard: self.shard, command });
    }
}
