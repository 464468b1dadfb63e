//! Attended transfer: a party of two calls leaves both, and the two that are left are brought together (RFC 3515 with
//! the Replaces of RFC 3891, RFC 5589 §7).

use smol_str::SmolStr;

use super::app::{App, CALLER, PartyId, side};
use super::party::Party;
use super::transfer::TRANSFERRED;
use super::{Below, Call, Calls};
use crate::cx::{CallKey, Cx, LegKey};
use crate::dialog::{Place, Referred, Stage};
use crate::event::EndCause;
use crate::limits;
use crate::sip::{Replaces, Status};

impl Calls {
    /// A party of call `key` hands it over to the other end of a dialog of its own in another call.
    pub(super) fn attended(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        (by, leg): (PartyId, LegKey),
        referred: &Referred,
        replaces: &SmolStr,
    ) -> Result<(), Status> {
        let whole = replaces;
        let replaces = Replaces::parse(replaces).map_err(|_| Status::BAD_REQUEST)?;
        let named = below.sessions.replaced(&replaces).filter(|(.., stage)| *stage != Stage::Over);
        let Some((other, their, _)) = named else {
            // It may be one of a host that the site allows, which is asked by that name.
            return match referred.place {
                Place::Away(_) if whole.len() > limits::AWAY_URI => Err(Status::BAD_REQUEST),
                Place::Away(_) => self.blind(cx, below, key, (by, leg), referred),
                Place::Ours | Place::Nowhere(_) => Err(Status::DECLINE),
            };
        };
        let (here, there) = (self.all.get(key), self.all.get(other));
        let (Some(here), Some(there)) = (here, there.filter(|_| other != key)) else {
            return Err(Status::DECLINE);
        };
        let at = there.parties.iter().position(|party| party.leg == Some(their)).ok_or(Status::DECLINE)?;
        if there.parties[at].extension != here.parties[by].extension {
            return Err(Status::FORBIDDEN);
        }
        let busy = |call: &Call| call.transfer.is_some() || call.aside.is_some();
        if busy(here) || busy(there) {
            return Err(Status::REQUEST_PENDING);
        }
        let left = here.other_than(by).ok_or(Status::DECLINE)?;
        let Some(found) = there.other_than(at) else {
            return self.go_there(cx, below, key, (by, leg), referred, other, at);
        };
        let room = here.parties.len() < limits::LEGS_PER_CALL;
        if !room || !here.parties[left].can_talk_with(&there.parties[found], cx.config.transcode) {
            return Err(Status::NOT_ACCEPTABLE_HERE);
        }
        below.sessions.accept_refer(cx, &mut below.stack, leg, referred);
        self.join_calls(cx, below, (key, by), (other, at, found));
        Ok(())
    }

    /// Nobody has answered in the other call, or the exchange itself has: who is left here goes where that one went.
    #[expect(clippy::too_many_arguments, reason = "two calls and a party of each")]
    fn go_there(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        from: (PartyId, LegKey),
        referred: &Referred,
        other: CallKey,
        at: PartyId,
    ) -> Result<(), Status> {
        if at != CALLER {
            return Err(Status::DECLINE);
        }
        let referred = referred.clone().leading_to(self.all[other].to.clone());
        if self.parked.slot_of(other).is_some() {
            // Who parked itself has heard the slot: it is for the one that is brought.
            self.may_transfer(cx, key, from.0, &referred)?;
            self.keep_slot(other, key);
        }
        if let Err(status) = self.blind(cx, below, key, from, &referred) {
            self.forget_kept_slot(key);
            return Err(status);
        }
        self.leave_by(cx, below, other, at);
        Ok(())
    }

    /// Brings who is left in `key` together with who is left in `other`, and ends the rest of that.
    fn join_calls(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        (key, by): (CallKey, PartyId),
        (other, at, found): (CallKey, PartyId, PartyId),
    ) {
        let party = self.all[other].give_away(found);
        if let Some(leg) = party.leg {
            below.sessions.move_to(leg, key);
        }
        self.ports.move_to(party.media.id, key);
        self.lines.insert(key, &party.extension);
        self.lines.touch(other);
        let call = &mut self.all[key];
        let Some(peer) = call.peer.take() else { return };
        if by == CALLER {
            call.parties.swap(CALLER, peer);
        }
        let (caller, to) = (call.parties[CALLER].extension.clone(), party.extension.clone());
        call.parties.push(party);
        let gone = by.max(peer);
        if let Some(leg) = call.parties[gone].leg.take() {
            below.sessions.end_referral(cx, &mut below.stack, leg, Status::OK, TRANSFERRED);
        }
        call.drop_media(cx, gone);
        call.peer = Some(call.parties.len() - 1);
        call.between = Some((caller, to.clone()));
        call.forget_who_calls();
        call.forget_telling();
        call.put_media(cx);
        call.keep_record(cx);
        self.tell_transfer(cx, key, by, &to, Some(Status::OK));
        self.introduce(cx, below, key);
        self.settle(cx, key);
        self.leave_by(cx, below, other, at);
    }

    /// A call ends because one of its parties has transferred another call there.
    fn leave_by(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, at: PartyId) {
        let Some(call) = self.all.get_mut(key) else { return };
        let cause = EndCause::HungUp(side(at));
        match call.answered.is_some() {
            true => {
                call.release(cx, below, at, TRANSFERRED);
                call.app = App::Done;
                self.end(cx, below, key, cause);
            }
            false => {
                call.app = App::Done;
                self.refuse(cx, below, key, Status::REQUEST_TERMINATED, EndCause::Cancelled);
            }
        }
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

impl Call {
    /// Gives a party away to another call; what is left of it here is for the record.
    pub(super) fn give_away(&mut self, at: PartyId) -> Party {
        let stub = self.parties[at].stub();
        if self.peer == Some(at) {
            self.peer = None;
        }
        let mut party = std::mem::replace(&mut self.parties[at], stub);
        party.media.begin_anew();
        party
    }
}
