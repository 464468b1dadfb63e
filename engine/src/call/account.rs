//! The record of a call, kept over a restart.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use super::app::{CALLER, PartyId};
use super::party::Party;
use super::{Call, Calls};
use crate::border::Record;
use crate::cdr::{CallRecord, Disposition, LegRecord, disposition};
use crate::cx::Cx;
use crate::event::{EndCause, Event};
use crate::limits;
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
            did: self.did(),
            started: self.since,
            answered: self.parties.get(CALLER).and_then(|caller| caller.answered),
            ended: over.then_some(cx.wall),
            duration: cx.now.since(self.started),
            talked,
            cause: self.cause.clone(),
            legs: parties.map(|party| party.record(over.then_some(cx.wall))).collect(),
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
            self.keep_origin(cx, at);
        }
    }

    /// Keeps the record that a party brought along, which ends here.
    pub(super) fn keep_origin(&mut self, cx: &mut Cx<'_>, at: PartyId) {
        self.end_origin(cx, at);
        let party = &mut self.parties[at];
        let Some(origin) = party.origin.take() else { return };
        let Origin { mut record, joined, over } = *origin;
        let (until, wall) = over.unwrap_or((cx.now, cx.wall));
        let leg = LegRecord { ended: Some(wall), ..party.record(None) };
        record.ended = Some(wall);
        record.duration += until.since(joined);
        record.talked += until.since(joined);
        if let Some(caller) = record.legs.first_mut() {
            *caller = LegRecord { contact: std::mem::take(&mut caller.contact), ..leg };
        }
        cx.store(Record::Call(Box::new(record)));
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

impl Call {
    /// The number that was dialled from outside, as far as it is known.
    fn did(&self) -> SmolStr {
        let set = self.script.as_ref().and_then(|script| script.dnid_set());
        set.unwrap_or_else(|| self.did.clone())
    }

    /// The walk of the call is over, and with it what that knows.
    pub(super) fn remember_did(&mut self) {
        self.did = self.did();
    }

    /// What the record will say became of the call, if nothing more happens: `failed` is how its last Dial did.
    pub(super) fn disposition(&self, failed: Option<&EndCause>) -> Disposition {
        let cause = self.cause.as_ref().or(failed).unwrap_or(&EndCause::NoAnswer);
        disposition(self.answered.is_some(), Some(cause))
    }
}

/// Refused calls of one caller within an hour.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Refusals(BTreeMap<SmolStr, (Instant, u32)>);

impl Refusals {
    /// Counts one more. Whether it is kept, and whether it is the first that is not.
    fn count(&mut self, now: Instant, caller: &SmolStr) -> (bool, bool) {
        if !self.0.contains_key(caller) {
            self.0.retain(|_, (since, _)| now.since(*since) < HOUR);
        }
        let (since, count) = self.0.entry(caller.clone()).or_insert((now, 0));
        if now.since(*since) >= HOUR {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        (*count <= limits::REFUSALS_KEPT, *count == limits::REFUSALS_KEPT + 1)
    }
}

const HOUR: Duration = Duration::from_secs(3600);

impl Calls {
    /// Keeps the record of a call that never became one.
    pub(super) fn keep_refusal(
        &mut self,
        cx: &mut Cx<'_>,
        caller: LegRecord,
        whom: [&str; 3],
        status: Status,
    ) {
        let [from, name, to] = whom.map(SmolStr::from);
        let id = self.next_id;
        self.next_id += 1;
        // One phone that dials what is not there, over and over, does not fill the disk.
        let (kept, told) = self.refusals.count(cx.now, &from);
        if told {
            let what = format_smolstr!("no more records this hour of calls of {from} that lead nowhere");
            cx.report(Event::Overload { what });
        }
        if !kept {
            return;
        }
        let record = CallRecord {
            id,
            from,
            name,
            to,
            did: SmolStr::default(),
            started: cx.wall,
            answered: None,
            ended: Some(cx.wall),
            duration: Duration::ZERO,
            talked: Duration::ZERO,
            cause: Some(super::causes::refused_by(status)),
            legs: vec![caller],
        };
        cx.store(Record::Call(Box::new(record)));
    }
}

impl Party {
    /// Remembers when its session ended; who is looked up or asked again has none for a while.
    pub(super) fn note_whether_gone(&mut self, now: WallTime) {
        let gone = self.leg.is_none() && self.asked != WallTime::default();
        self.left = gone.then(|| self.left.unwrap_or(now));
    }

    /// Its part of the record of a call, which is over at `end` if it is.
    fn record(&self, end: Option<WallTime>) -> LegRecord {
        LegRecord {
            extension: self.extension.clone(),
            contact: self.contact.clone(),
            asked: self.asked,
            answered: self.answered,
            ended: self.left.or(end),
            refused: self.refused.map(Status::code),
            codec: self.codec().map(|codec| codec.name).unwrap_or_default(),
            stats: self.media.stats,
        }
    }
}
