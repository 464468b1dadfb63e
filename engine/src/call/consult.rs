//! Transfer by keys. Blind: who transfers is let go, and the other one goes where it is sent. Attended: who transfers
//! talks there first while the other one waits; when it hangs up the other takes its place, and when nobody is there
//! any more the two are together again.

use smol_str::SmolStr;
use telex_dialplan::Thread;
use telex_dialplan::scene::Caller;

use super::app::{App, CALLER, PartyId};
use super::identity::PROHIBITED;
use super::open::matched;
use super::party::Wish;
use super::script::Script;
use super::transfer::{TRANSFERRED, Transfer, make_waiting_room};
use super::{Below, Call, Calls};
use crate::cx::{CallKey, Cx};
use crate::dialog::LegEvent;
use crate::event::EndCause;
use crate::mediactl::Play;
use crate::sip::Status;

impl Calls {
    /// The other one goes to this number, and who says so is let go. Whoever calls lets the script go on and settles.
    pub(super) fn hand_over(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        by: PartyId,
        to: &SmolStr,
    ) -> Result<(), Status> {
        self.may_send(cx, key, by, to)?;
        self.transfer(cx, below, key, by, to, None);
        let Some(call) = self.all.get_mut(key) else { return Ok(()) };
        if let Some(by) = call.transfer.as_ref().map(|transfer| transfer.by) {
            call.release(cx, below, by, TRANSFERRED);
        }
        Ok(())
    }

    /// Whether a party may send the other one, or itself, to a number.
    pub(super) fn may_send(
        &self,
        cx: &Cx<'_>,
        key: CallKey,
        by: PartyId,
        to: &SmolStr,
    ) -> Result<(), Status> {
        let call = self.all.get(key).ok_or(Status::DECLINE)?;
        let plan = self.plans.current().1;
        match call.other_than(by) {
            _ if call.transfer.is_some() => Err(Status::REQUEST_PENDING),
            None => Err(Status::DECLINE),
            Some(_) if matched(cx, &plan, &call.parties[by].extension, to).is_none() => {
                Err(Status::NOT_FOUND)
            }
            Some(_) => Ok(()),
        }
    }

    /// A party calls a number while the other one waits. Whoever calls lets the script go on and settles.
    pub(super) fn consult(
        &mut self,
        cx: &mut Cx<'_>,
        key: CallKey,
        by: PartyId,
        to: &SmolStr,
    ) -> Result<(), Status> {
        self.may_send(cx, key, by, to)?;
        let room = self.ports.room(Some(self.all[key].shard));
        let (number, _) = self.plans.current();
        let call = &mut self.all[key];
        let (Some(mut before), Some(peer)) = (call.script.take(), call.peer.take()) else {
            return Err(Status::DECLINE);
        };
        self.plans.hold(number);
        call.disarm(cx);
        call.forget_keys(cx);
        let aside = call.aside.take();
        let swapped = by != CALLER;
        if swapped {
            call.parties.swap(CALLER, by);
        }
        make_waiting_room(cx, room);
        let extension = call.parties[CALLER].extension.clone();
        let name = cx.config.phones.get(&extension).map(|phone| phone.name.clone()).unwrap_or_default();
        let pres = if call.parties[CALLER].private { PROHIBITED } else { "" }.into();
        let thread = Thread::new(
            cx.config.context_of(&extension),
            to,
            Caller { number: extension, name, pres, dnid: to.clone(), ..Caller::default() },
        );
        call.script = Some(Box::new(Script::after(&mut before, number, thread)));
        call.app = App::Script;
        let transfer =
            Transfer { by: peer, swapped, to: to.clone(), room, before, failed: None, consults: true };
        call.transfer = Some(Box::new(transfer));
        call.put_waiting(cx, peer);
        call.put_media(cx);
        call.close(cx, aside);
        self.tell_transfer(cx, key, by, to, None);
        Ok(())
    }

    /// What happens to one who consults, or to the one it consults: true when that was all.
    pub(super) fn is_of_consultation(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        event: &LegEvent,
    ) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        if party != CALLER || !call.consults() || !matches!(event, LegEvent::Ended(_)) {
            return false;
        }
        let Some(transfer) = call.transfer.take() else { return false };
        let waits = transfer.by;
        let waiting = call.leg(waits).is_some().then(|| &call.parties[waits]);
        let fits = waiting.is_some_and(|waiting| {
            call.peer.is_none_or(|peer| waiting.can_talk_with(&call.parties[peer], cx.config.transcode))
        });
        if !fits {
            call.transfer = Some(transfer);
            return false;
        }
        call.parties[CALLER].leg = None;
        call.drop_media(cx, CALLER);
        call.parties.swap(CALLER, waits);
        call.forget_who_calls();
        call.put_media(cx);
        call.drop_waiting_room(cx, transfer.room);
        call.between = Some((call.parties[CALLER].extension.clone(), transfer.to.clone()));
        self.plans.release(transfer.before.plan);
        self.lines.touch(key);
        let by = if transfer.swapped { waits } else { CALLER };
        self.tell_transfer(cx, key, by, &transfer.to, Some(Status::OK));
        self.slot_said(cx, below, key);
        self.go_on(cx, below, key);
        self.settle(cx, key);
        true
    }
}

impl Call {
    /// Whether the caller consults somebody while another party waits.
    pub(super) fn consults(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.consults)
    }

    /// The one who was consulted is gone: the two who talked before are together again. False when there are no such
    /// two.
    pub(super) fn consulted_in_vain(&mut self, cx: &mut Cx<'_>, below: &mut Below, cause: &EndCause) -> bool {
        use crate::event::Side::Callee;
        let gone = matches!(
            cause,
            EndCause::HungUp(Callee) | EndCause::Lost(Callee) | EndCause::Silent(Callee) | EndCause::TimeUp
        );
        if !gone || !self.consults() || !self.can_be_taken_back() {
            return false;
        }
        self.disarm(cx);
        if let Some(peer) = self.peer.take() {
            self.release(cx, below, peer, "SIP;cause=200;text=\"The call goes on elsewhere\"");
        }
        if let Some(transfer) = &mut self.transfer {
            transfer.failed = Some(Status::TEMPORARILY_UNAVAILABLE);
        }
        true
    }

    /// Media of who waits aside: with music when somebody else transfers it, in silence when it transfers.
    pub(super) fn put_waiting(&mut self, cx: &mut Cx<'_>, party: PartyId) {
        let Some(transfer) = &self.transfer else { return };
        let ((shard, room), consults) = (transfer.room, transfer.consults);
        let playing = self.hold_music(cx).map(Play::music);
        let waits = &mut self.parties[party];
        if !consults {
            return waits.put(cx, shard, room, Wish::default());
        }
        let mut accept = waits.relay_to(waits);
        accept.iter_mut().for_each(|accepted| accepted.forward = None);
        waits.put(cx, shard, room, Wish { accept, playing, ..Wish::default() });
    }
}
