//! The record of a call, kept over a restart.

use super::app::{CALLER, PartyId};
use super::party::Party;
use super::{Call, Calls};
use crate::border::Record;
use crate::cdr::{CallRecord, LegRecord};
use crate::cx::Cx;
use crate::event::EndCause;
use crate::planted::Fault;
use crate::sip::Status;
use crate::time::{Duration, Instant, WallTime};

impl Call {
    /// Keeps the record of the call as it is now.
    pub(super) fn keep_record(&self, cx: &mut Cx<'_>) {
        // Who has joined another call has its record there, until it is gone from that.
        if matches!(self.cause, Some(EndCause::Joined { .. })) {
            return;
        }
        let over = self.cause.is_some();
        if over && cx.planted.is(Fault::RecordNotFinished) {
            return;
        }
        cx.store(Record::Call(Box::new(self.as_record(cx))));
    }

    /// The record of the call as it is now.
    fn as_record(&self, cx: &Cx<'_>) -> CallRecord {
        let over = self.cause.is_some();
        let since = match self.answered {
            Some(_) if cx.planted.is(Fault::RecordCountsRinging) => Some(self.started),
            answered => answered,
        };
        let mut talked = since.map_or(Duration::ZERO, |at| cx.now.since(at));
        if cx.planted.is(Fault::RecordCountsFromCallee)
            && let Some(at) = self.peer.and_then(|peer| self.parties.get(peer)?.answered)
        {
            talked = Duration::from_millis(cx.wall.as_unix_millis().saturating_sub(at.as_unix_millis()));
        }
        let parties = self.parties.iter().take(if over { self.parties.len() } else { 1 });
        CallRecord {
            id: self.id,
            from: self.from.clone(),
            name: self.name.clone(),
            to: self.to.clone(),
            started: self.since,
            answered: self.parties.get(CALLER).and_then(|caller| caller.answered),
            ended: over.then_some(cx.wall),
            duration: cx.now.since(self.started),
            talked,
            cause: self.cause.clone(),
            legs: parties.map(Party::record).collect(),
        }
    }

    /// The caller goes on in the call `there`: its own record goes along, and is finished when it is gone from there.
    pub(super) fn origin(&self, cx: &Cx<'_>, there: u64) -> Box<Origin> {
        let mut record = self.as_record(cx);
        record.cause = Some(EndCause::Joined { call: there });
        Box::new(Origin { record, joined: cx.now, over: None })
    }

    /// A party is gone: the record that it brought along ends here.
    pub(super) fn end_origin(&mut self, cx: &Cx<'_>, party: PartyId) {
        if let Some(origin) = self.parties[party].origin.as_mut().filter(|origin| origin.over.is_none()) {
            origin.over = Some((cx.now, cx.wall));
        }
    }

    /// Keeps the records that parties brought along.
    pub(super) fn keep_origins(&mut self, cx: &mut Cx<'_>) {
        for at in 0..self.parties.len() {
            self.end_origin(cx, at);
            let party = &mut self.parties[at];
            let Some(origin) = party.origin.take() else { continue };
            let leg = party.record();
            let Origin { mut record, joined, over } = *origin;
            let (until, wall) = over.unwrap_or((cx.now, cx.wall));
            record.ended = Some(wall);
            record.duration += until.since(joined);
            record.talked += until.since(joined);
            if let Some(caller) = record.legs.first_mut() {
                *caller = LegRecord { contact: std::mem::take(&mut caller.contact), ..leg };
            }
            cx.store(Record::Call(Box::new(record)));
        }
    }
}

/// What a party brings along that has joined a call from one of its own.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Origin {
    /// The record of its own call when it joined.
    record: CallRecord,
    joined: Instant,
    /// When it was gone.
    over: Option<(Instant, WallTime)>,
}

impl Calls {
    /// Keeps the record of a call that never became one.
    pub(super) fn keep_refusal(
        &mut self,
        cx: &mut Cx<'_>,
        caller: LegRecord,
        whom: [&str; 3],
        status: Status,
    ) {
        let [from, name, to] = whom.map(Into::into);
        let id = self.next_id;
        self.next_id += 1;
        let record = CallRecord {
            id,
            from,
            name,
            to,
            started: cx.wall,
            answered: None,
            ended: Some(cx.wall),
            duration: Duration::ZERO,
            talked: Duration::ZERO,
            cause: Some(EndCause::Refused(status.code())),
            legs: vec![caller],
        };
        cx.store(Record::Call(Box::new(record)));
    }
}

impl Party {
    fn record(&self) -> LegRecord {
        LegRecord {
            contact: self.contact.clone(),
            asked: self.asked,
            answered: self.answered,
            refused: self.refused.map(Status::code),
            codec: self.codec().map(|codec| codec.name).unwrap_or_default(),
            stats: self.media.stats,
        }
    }
}
