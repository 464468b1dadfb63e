//! Transfer of a call by one of the two who talk (RFC 3515, RFC 5589): the other one goes where it is sent, by the
//! dialplan that the first one dials by. Who transfers waits aside until that is through, and has the call back if it
//! comes to nothing.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::Thread;
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Dial, Task};

use super::app::{App, CALLER, PartyId, side};
use super::identity::PROHIBITED;
use super::party::Wish;
use super::script::{Doing, Script};
use super::{Below, Call, Calls, elsewhere};
use crate::border::Action;
use crate::config::Config;
use crate::cx::{CallKey, Cx, LegKey};
use crate::dialog::{LegEvent, Place, Referred};
use crate::event::Event;
use crate::mediactl::{MediaCommand, RoomId, RoomMode, RoomSpec, ShardId};
use crate::planted::Fault;
use crate::sip::Status;

/// Reason of the BYE to who has transferred (RFC 3326).
pub(super) const TRANSFERRED: &str = "SIP;cause=200;text=\"Transferred\"";

/// A transfer in progress.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Transfer {
    /// Who transfers.
    pub(super) by: PartyId,
    /// It was the caller, and has changed places with the callee.
    pub(super) swapped: bool,
    /// Where to.
    pub(super) to: SmolStr,
    /// The room in which it waits, and hears nothing.
    pub(super) room: (ShardId, RoomId),
    /// The walk that led to the talk.
    pub(super) before: Box<Script>,
    /// It has come to nothing, by this.
    pub(super) failed: Option<Status>,
    /// Who transfers goes there itself first, and it is the other one who waits aside: a transfer by keys.
    pub(super) consults: bool,
}

impl Calls {
    /// A party wants to hand the call over.
    pub(super) fn referred(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        by: PartyId,
        referred: &Referred,
    ) {
        let Some(leg) = self.all.get(key).and_then(|call| call.leg(by)) else { return };
        let done = match &referred.replaces {
            Some(replaces) => self.attended(cx, below, key, (by, leg), referred, replaces),
            None => self.blind(cx, below, key, (by, leg), referred),
        };
        match done {
            Ok(()) => {}
            Err(status) => {
                let why = (status, refusal(referred, status));
                below.sessions.refuse_refer(cx, &mut below.stack, leg, referred, why);
                self.tell_transfer(cx, key, by, &referred.to, Some(status));
            }
        }
    }

    /// The party that is left goes where it is sent.
    pub(super) fn blind(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        (by, leg): (PartyId, LegKey),
        referred: &Referred,
    ) -> Result<(), Status> {
        self.may_transfer(cx, key, by, referred)?;
        self.transfer(cx, below, key, by, &referred.to, Some((leg, referred)));
        Ok(())
    }

    pub(super) fn may_transfer(
        &self,
        cx: &Cx<'_>,
        key: CallKey,
        by: PartyId,
        referred: &Referred,
    ) -> Result<(), Status> {
        let call = self.all.get(key).ok_or(Status::DECLINE)?;
        // Who dials by keys where the other one is to go is alone in a room that would be taken down under it.
        if call.aside.as_ref().is_some_and(|aside| aside.party != by) {
            return Err(Status::REQUEST_PENDING);
        }
        match &referred.place {
            Place::Nowhere(_) => Err(Status::FORBIDDEN),
            // Who is not of this exchange has no dialplan to dial by.
            Place::Ours if !cx.config.phones.contains_key(&call.parties[by].extension) => {
                Err(Status::FORBIDDEN)
            }
            Place::Ours => self.may_send(cx, key, by, &referred.to),
            Place::Away(_) if call.transfer.is_some() => Err(Status::REQUEST_PENDING),
            Place::Away(_) => call.other_than(by).map(|_| ()).ok_or(Status::DECLINE),
        }
    }

    /// Sends the other party of a talk elsewhere. Without a REFER whoever calls lets the script go on and settles.
    pub(super) fn transfer(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        by: PartyId,
        to: &SmolStr,
        referral: Option<(LegKey, &Referred)>,
    ) {
        let shard = self.all[key].shard;
        let room = self.ports.room(Some(shard));
        let (number, _) = self.plans.current();
        let call = &mut self.all[key];
        let Some(mut before) = call.script.take() else { return };
        self.plans.hold(number);
        if let Some((leg, referred)) = referral {
            below.sessions.accept_refer(cx, &mut below.stack, leg, referred);
        }
        call.disarm(cx);
        call.forget_keys(cx);
        let alone = call.aside.take();
        let transferor = call.parties[by].extension.clone();
        call.put_aside(cx, by, room);
        call.close(cx, alone);
        let Some(peer) = call.peer.take() else { return };
        let swapped = by == CALLER;
        if swapped {
            call.parties.swap(CALLER, peer);
        }
        let caller = call.caller_sent_by(cx.config, &transferor, to);
        let context = cx.config.context_of(&transferor);
        let away = referral.and_then(|(_, referred)| away(referred));
        let thread = match &away {
            Some((_, way)) => Thread::sent(context, to, caller, format_smolstr!("{transferor} {way}")),
            None => Thread::new(context, to, caller),
        };
        let mut script = Script::after(&mut before, number, thread);
        if away.is_some() {
            script.outcome = None;
        }
        call.script = Some(Box::new(script));
        call.app = App::Script;
        let aside = peer.max(by);
        let transfer =
            Transfer { by: aside, swapped, to: to.clone(), room, before, failed: None, consults: false };
        call.transfer = Some(Box::new(transfer));
        self.tell_transfer(cx, key, by, to, None);
        if let Some((dial, _)) = away {
            self.begin(cx, below, key, Task::Dial(dial));
        }
        if referral.is_some() {
            self.go_on(cx, below, key);
            self.settle(cx, key);
        }
    }

    pub(super) fn tell_transfer(
        &self,
        cx: &mut Cx<'_>,
        key: CallKey,
        by: PartyId,
        to: &SmolStr,
        status: Option<Status>,
    ) {
        let Some(call) = self.all.get(key) else { return };
        let status = status.map(Status::code);
        cx.report(Event::Transfer { call: call.id, side: side(by), to: to.clone(), status });
    }

    /// Somebody talks with who was transferred, or the exchange does.
    pub(super) fn transferred(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key).filter(|call| !call.consults()) else { return };
        let Some(transfer) = call.transfer.take() else { return };
        let Transfer { by, swapped, to, room, before, .. } = *transfer;
        if let Some(leg) = call.parties.get_mut(by).and_then(|party| party.leg.take()) {
            below.sessions.end_referral(cx, &mut below.stack, leg, Status::OK, TRANSFERRED);
        }
        if call.parties.len() > by {
            call.drop_media(cx, by);
        }
        call.drop_waiting_room(cx, room);
        let where_to = call.slot().unwrap_or_else(|| to.clone());
        call.between = Some((call.parties[CALLER].extension.clone(), where_to));
        self.plans.release(before.plan);
        let by = if swapped { CALLER } else { by };
        self.tell_transfer(cx, key, by, &to, Some(Status::OK));
    }

    /// Nobody talks with who was transferred: the two are together again.
    pub(super) fn take_back(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(transfer) = call.transfer.take() else { return };
        let Transfer { by, swapped, to, room, mut before, failed, consults } = *transfer;
        let status = failed.unwrap_or(Status::TEMPORARILY_UNAVAILABLE);
        call.disarm(cx);
        if let Some(leg) = call.leg(by).filter(|_| !consults) {
            below.sessions.tell_referrer(cx, &mut below.stack, leg, status);
        }
        if swapped {
            call.parties.swap(CALLER, by);
        }
        call.peer = Some(by);
        call.app = App::Bridge;
        if let Some(after) = call.script.take() {
            before.groups = after.groups;
            self.plans.release(after.plan);
        }
        call.script = Some(before);
        call.forget_telling();
        call.watch_limit(cx, key);
        // Who consulted may be in a conference: the two talk in a room of their own.
        let conference = call.conference.take();
        if conference.is_some() {
            (call.shard, call.room) = self.ports.room(Some(call.shard));
            (call.room_put, call.recording) = (false, None);
        }
        if !cx.planted.is(Fault::TransferNotTakenBack) {
            call.put_media(cx);
        }
        call.drop_waiting_room(cx, room);
        let id = call.id;
        // Not before: with the last member its room goes, and who is in it.
        if let Some(name) = conference {
            self.conferences.left(cx, &name, id);
        }
        self.forget_kept_slot(key);
        // Who waited aside is who transferred, or the other one.
        let by = if swapped == consults { by } else { CALLER };
        self.tell_transfer(cx, key, by, &to, Some(status));
    }

    /// What has to do with transfer: one is asked for, or something happens to who waits aside. True when that was all.
    pub(super) fn is_of_transfer(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        event: &LegEvent,
    ) -> bool {
        if let LegEvent::Referred(referred) = event {
            self.referred(cx, below, key, party, referred);
            return true;
        }
        if self.is_of_consultation(cx, below, key, party, event) {
            return true;
        }
        let Some(call) = self.all.get_mut(key) else { return true };
        if !call.waits_aside(party) {
            return false;
        }
        match event {
            LegEvent::Ended(_) => {
                call.parties[party].leg = None;
                call.drop_media(cx, party);
                self.slot_said(cx, below, key);
                self.settle(cx, key);
                true
            }
            LegEvent::Digit(_) => true,
            _ => false,
        }
    }
}

impl Call {
    /// Who calls from now on, because a party has sent it to a number.
    fn caller_sent_by(&self, config: &Config, transferor: &SmolStr, to: &SmolStr) -> Caller {
        let party = &self.parties[CALLER];
        // The name that came with the call is of who made it, and not of who has its place now.
        let own = party.extension == self.from && self.summons.is_none();
        let named = || config.phones.get(&party.extension).map(|phone| phone.name.clone());
        Caller {
            number: party.number(),
            name: if own { self.name.clone() } else { named().unwrap_or_default() },
            dnid: to.clone(),
            rdnis: transferor.clone(),
            pres: if party.private { PROHIBITED } else { "" }.into(),
            ..Caller::default()
        }
    }

    /// Whom a party talks with, if it may hand that one over.
    pub(super) fn other_than(&self, by: PartyId) -> Option<PartyId> {
        let peer = self.peer?;
        let other = if by == CALLER { peer } else { CALLER };
        let talk = matches!(self.app, App::Bridge) && self.script.is_some() && self.conference.is_none();
        let two = by == CALLER || by == peer;
        (talk && two && self.leg(other).is_some()).then_some(other)
    }

    /// Whether a party has handed the call over and waits for what comes of it.
    pub(super) fn waits_aside(&self, party: PartyId) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.by == party)
    }

    /// Whether the call can go back to who has transferred it.
    pub(super) fn can_be_taken_back(&self) -> bool {
        let by = self.transfer.as_ref().map(|transfer| transfer.by);
        self.cause.is_none() && by.is_some_and(|by| self.leg(by).is_some()) && self.leg(CALLER).is_some()
    }

    /// Tells who has transferred how far it is.
    pub(super) fn tell_transferor(&self, cx: &mut Cx<'_>, below: &mut Below, status: Status) {
        let by = self.transfer.as_ref().filter(|transfer| !transfer.consults).map(|transfer| transfer.by);
        if let Some(leg) = by.and_then(|by| self.leg(by)) {
            below.sessions.tell_referrer(cx, &mut below.stack, leg, status);
        }
    }

    fn put_aside(&mut self, cx: &mut Cx<'_>, by: PartyId, (shard, room): (ShardId, RoomId)) {
        make_waiting_room(cx, (shard, room));
        self.parties[by].put(cx, shard, room, Wish::default());
    }

    /// Takes down the room in which nobody waits any more.
    pub(super) fn drop_waiting_room(&self, cx: &mut Cx<'_>, (shard, room): (ShardId, RoomId)) {
        if !cx.planted.is(Fault::MediaLegNotDropped) {
            cx.out.push(Action::Media { shard, command: MediaCommand::DropRoom { room } });
        }
    }

    /// The call ends while a transfer is in progress.
    pub(super) fn end_transfer(&self, cx: &mut Cx<'_>) {
        if let Some(transfer) = &self.transfer {
            self.drop_waiting_room(cx, transfer.room);
        }
    }
}

/// How a party is asked to whom a REFER sends at another host, and how that is told.
fn away(referred: &Referred) -> Option<(Dial, SmolStr)> {
    let Place::Away(away) = &referred.place else { return None };
    let replaces = referred.replaces.as_deref();
    let place = if replaces.is_some() { "into a call at" } else { "to" };
    Some((elsewhere::dial(away, replaces), format_smolstr!("sends it {place} {}", away.uri)))
}

/// Why a REFER is refused, in words.
fn refusal(referred: &Referred, status: Status) -> &'static str {
    match (status, referred.replaces.is_some()) {
        (Status::FORBIDDEN, false) if let Place::Nowhere(why) = referred.place => why,
        (Status::FORBIDDEN, true) => "the call that is to be joined is not one of this phone",
        (Status::FORBIDDEN, false) => "calls are transferred to numbers of this exchange only",
        (Status::NOT_FOUND, _) => "there is no such number",
        (Status::REQUEST_PENDING, _) => "a transfer is in progress",
        (Status::NOT_ACCEPTABLE_HERE, _) => "the two that are left have no codec in common",
        (Status::BAD_REQUEST, true) => "Replaces cannot be read",
        (Status::DECLINE, true) => "no call of this exchange has the dialog that Replaces names",
        _ => "there is nobody who could be transferred",
    }
}

/// Makes a room in which somebody waits, or is alone with the exchange.
pub(super) fn make_waiting_room(cx: &mut Cx<'_>, (shard, room): (ShardId, RoomId)) {
    let spec = RoomSpec { mode: RoomMode::Relay, recordings: Vec::new() };
    cx.out.push(Action::Media { shard, command: MediaCommand::PutRoom { room, rev: 1, spec } });
}

impl Doing {
    /// Whether the caller is served by the exchange itself, so that who transferred it there is done.
    pub(super) const fn serves(&self) -> bool {
        match self {
            Self::Playing { .. }
            | Self::Collecting(_)
            | Self::Echo
            | Self::Listening
            | Self::Music
            | Self::Recording { .. }
            | Self::Conference
            | Self::Paging => true,
            Self::Parked(stay) => !stay.saying,
            Self::SendingAway | Self::Going | Self::Acknowledged(_) | Self::Waiting | Self::Dialling => false,
        }
    }
}
