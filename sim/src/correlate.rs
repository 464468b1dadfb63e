//! Which planned call an INVITE of the exchange belongs to: `no_stranger_invited`.

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use crate::exchange::{PARK, chooses, slot_in};
use crate::expect;
use crate::oracle::referrals::is_ours;
use crate::oracle::{Cause, Verdict, broken};
use crate::phone::{Leg, State};
use crate::text::Msg;
use crate::world::World;

/// A stream that is tried, and another, and all that is said again on the way.
const LATELY: Duration = Duration::from_secs(70);
/// A BYE is sent again for so long.
const SAYING_BYE: Duration = Duration::from_secs(34);

impl World<'_> {
    /// Finds the call that an INVITE of the exchange belongs to. What made it leave tells it where somebody was sent
    /// elsewhere, and otherwise its caller's name, however long the INVITE had to wait.
    pub(crate) fn correlate(&mut self, phone: usize, msg: &Msg, cause: Cause<'_>) -> Verdict {
        let opens = msg.is_request() && msg.method() == "INVITE" && msg.tag("to").is_none();
        if !opens || self.book.contains_key(msg.call_id()) {
            return Ok(());
        }
        let found = self.sent_by(phone, msg, cause).or_else(|| self.back_from_slot(phone, msg));
        if found.is_some() {
            self.brought.insert(msg.call_id().to_owned());
        }
        let found = found.or_else(|| self.named(phone, msg, cause)).or_else(|| self.sent_lately(phone, msg));
        match found {
            Some(call) if self.stopping.is_some_and(|stopping| self.plan.calls[call].at > stopping.since) => {
                let reason = format!("call {call} is begun while the exchange stops");
                Err(broken("stops_in_time", self.now, reason))
            }
            Some(call) => {
                self.book.insert(msg.call_id().to_owned(), call);
                Ok(())
            }
            None => {
                let (name, user) = (msg.display("from"), msg.user("from"));
                let reason = format!("INVITE from `{name}` {user} to phone {phone}");
                Err(broken("no_stranger_invited", self.now, reason))
            }
        }
    }

    /// The call whose caller shows this name, and has dialled this phone, or may be led there.
    fn named(&self, phone: usize, msg: &Msg, cause: Cause<'_>) -> Option<usize> {
        let plan = self.plan;
        let meant = |call: &usize| {
            let planned = &plan.calls[*call];
            planned.at <= self.now
                && (planned.dial == plan.phones[phone].extension || chooses(&planned.dial))
                && plan.phones[planned.caller].extension == msg.user("from")
                && plan.shown_name(*call) == msg.display("from")
        };
        let caused = |call: usize| match cause {
            Cause::Messages(causes) => {
                causes.iter().any(|cause| self.book.get(cause.call_id()) == Some(&call))
            }
            _ => false,
        };
        // A caller that lost power could not say so.
        let calling = |call: usize| {
            let caller = &self.phones[plan.calls[call].caller];
            let still = |l: &&Leg| l.ended.is_none() || l.cut_short;
            caller.legs.iter().filter(|l| l.call == call && l.side == Side::Caller).any(|l| still(&l))
        };
        // What comes out of a menu may come when the word that its caller is gone is still on its way.
        let chosen = |call: usize| {
            let caller = &self.phones[plan.calls[call].caller];
            let mut ends = caller
                .legs
                .iter()
                .filter(|l| l.call == call && l.side == Side::Caller)
                .filter_map(|l| l.ended);
            let lost = || expect::may_lose_touch(plan, caller.index) || caller.has_lost_a_stream();
            chooses(&plan.calls[call].dial) && ends.any(|at| lost() || at + SAYING_BYE > self.now)
        };
        let may = |call: &usize| caused(*call) || calling(*call) || chosen(*call);
        (0..plan.calls.len()).find(meant).filter(may)
    }

    /// Somebody asks for another phone, by REFER or by a 302.
    pub(crate) fn note_sending(&mut self, msg: &Msg) {
        let header = match (msg.code(), msg.method()) {
            (None, "REFER") => "refer-to",
            (Some(300..400), "INVITE") => "contact",
            _ => return,
        };
        let Some(call) = self.book.get(msg.call_id()).copied() else { return };
        let replaces = msg.get(header).is_some_and(|text| text.contains("Replaces"));
        if replaces {
            let legs = self.ties().legs().filter(|leg| leg.call == call);
            let with: Vec<usize> =
                legs.flat_map(|leg| &leg.handovers).filter_map(|h| h.planned.with).collect();
            let whom = with.into_iter().map(|with| self.plan.calls[with].dial.clone()).collect::<Vec<_>>();
            self.sendings.extend(whom.into_iter().map(|to| (self.now, call, to)));
        } else if is_ours(msg, header) {
            self.sendings.push((self.now, call, msg.user(header).to_owned()));
        }
    }

    /// The call in which somebody has just asked for this phone.
    fn sent_by(&self, phone: usize, msg: &Msg, cause: Cause<'_>) -> Option<usize> {
        let Cause::Messages(causes) = cause else { return None };
        let of = |call: usize| causes.iter().any(|cause| self.book.get(cause.call_id()) == Some(&call));
        let sends = |cause: &Msg| cause.method() == "REFER" || matches!(cause.code(), Some(300..400));
        causes.iter().any(sends).then(|| self.sent(phone, msg, |at, call| at == self.now && of(call)))?
    }

    /// The same, a while ago: what was sent went by a stream that nobody takes, and goes another way.
    fn sent_lately(&self, phone: usize, msg: &Msg) -> Option<usize> {
        self.sent(phone, msg, |at, _| at + LATELY > self.now)
    }

    fn sent(&self, phone: usize, msg: &Msg, when: impl Fn(Instant, usize) -> bool) -> Option<usize> {
        let (extension, ties) = (&self.plan.phones[phone].extension, self.ties());
        // Who is sent there is of that call, or of one that came together with it.
        let party = |call: usize| {
            let of = |leg: &Leg| ties.extension(leg) == msg.user("from") && ties.together(call, leg.call);
            ties.legs().any(of)
        };
        let sendings =
            self.sendings.iter().rev().filter(|(at, call, to)| to == extension && when(*at, *call));
        sendings.map(|(_, call, _)| *call).find(|call| party(*call))
    }

    /// The call of somebody whom this phone has sent to a slot, and who comes back.
    fn back_from_slot(&self, phone: usize, msg: &Msg) -> Option<usize> {
        slot_in(msg.display("from"))?;
        let (ties, extension) = (self.ties(), &self.plan.phones[phone].extension);
        let parked = |leg: &&Leg| {
            ties.extension(leg) == extension && leg.handovers.iter().any(|h| h.planned.to == PARK)
        };
        let of = |call: usize| {
            ties.legs().any(|leg| ties.extension(leg) == msg.user("from") && ties.together(call, leg.call))
        };
        // Of several that this phone has parked, that in which the one who comes back still is.
        let waits = |call: usize| {
            let is_up = |leg: &Leg| leg.state == State::Up && ties.extension(leg) == msg.user("from");
            ties.legs().any(|leg| leg.call == call && is_up(leg))
        };
        let calls = || ties.legs().filter(parked).map(|leg| leg.call).filter(|call| of(*call));
        calls().filter(|call| waits(*call)).last().or_else(|| calls().last())
    }
}
