//! The record of a call, kept over a restart.

use super::app::CALLER;
use super::party::Party;
use super::{Call, Calls};
use crate::border::Record;
use crate::cdr::{CallRecord, LegRecord};
use crate::cx::Cx;
use crate::event::EndCause;
use crate::planted::Fault;
use crate::sip::Status;
use crate::time::Duration;

impl Call {
    /// Keeps the record of the call as it is now.
    pub(super) fn keep_record(&self, cx: &mut Cx<'_>) {
        let over = self.cause.is_some();
        if over && cx.planted.is(Fault::RecordNotFinished) {
            return;
        }
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
        let record = CallRecord {
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
        };
        cx.store(Record::Call(Box::new(record)));
    }
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
