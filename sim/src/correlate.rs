//! Which planned call an INVITE of the exchange belongs to: `no_stranger_invited`.

use telex_engine::event::Side;
use telex_engine::time::Duration;

use crate::exchange::{PARK, chooses, slot_in};
use crate::expect;
use crate::oracle::referrals::is_ours;
use crate::oracle::{Cause, Verdict, broken};
use crate::phone::Leg;
use crate::text::Msg;
use crate::world::World;

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
        match found.or_else(|| self.named(phone, msg, cause)) {
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
            let mut ends = caller.legs.iter().filter(|l| l.call == call && l.side == Side::Caller).filter_map(|l| l.ended);
            let lost = || expect::may_lose_touch(plan, caller.index) || caller.has_lost_a_stream();
            chooses(&plan.calls[call].dial) && ends.any(|at| lost() || at + SAYING_BYE > self.now)
        };
        let may = |call: &usize| caused(*call) || calling(*call) || chosen(*call);
        (0..plan.calls.len()).find(meant).filter(may)
    }

    /// The call in which somebody has just asked for this phone: by REFER, or by a 302.
    fn sent_by(&self, phone: usize, msg: &Msg, cause: Cause<'_>) -> Option<usize> {
        let Cause::Messages(causes) = cause else { return None };
        let extension = &self.plan.phones[phone].extension;
        let sends = |cause: &&Msg| match (cause.code(), cause.method()) {
            (None, "REFER") => self.refers_to(cause, extension),
            (Some(300..400), "INVITE") => cause.user("contact") == extension && is_ours(cause, "contact"),
            _ => false,
        };
        let call = causes.iter().filter(sends).find_map(|cause| self.book.get(cause.call_id()).copied())?;
        // Who is sent there is of that call, or of one that came together with it.
        let party = |leg: &Leg| self.ties().extension(leg) == msg.user("from") && self.ties().together(call, leg.call);
        self.ties().legs().any(party).then_some(call)
    }

    /// Whether a REFER names this extension, or a call to it.
    fn refers_to(&self, refer: &Msg, extension: &str) -> bool {
        let to = refer.user("refer-to");
        let replaced = || {
            let legs = self.ties().legs();
            let mut with = legs.flat_map(|leg| &leg.handovers).filter_map(|h| h.planned.with);
            with.any(|call| self.plan.calls[call].dial == extension)
        };
        to == extension && is_ours(refer, "refer-to")
            || refer.get("refer-to").is_some_and(|text| text.contains("Replaces")) && replaced()
    }

    /// The call of somebody whom this phone has sent to a slot, and who comes back.
    fn back_from_slot(&self, phone: usize, msg: &Msg) -> Option<usize> {
        slot_in(msg.display("from"))?;
        let (ties, extension) = (self.ties(), &self.plan.phones[phone].extension);
        let parked = |leg: &&Leg| {
            ties.extension(leg) == extension && leg.handovers.iter().any(|h| h.planned.to == PARK)
        };
        let of = |call: usize| ties.legs().any(|leg| leg.call == call && ties.extension(leg) == msg.user("from"));
        ties.legs().filter(parked).map(|leg| leg.call).filter(|call| of(*call)).last()
    }
}
