//! Media legs that go to another shard: who is to hear each other is in one room, and a room is on one shard.
//!
//! The port goes along, so nothing changes for the phone. Signalling asks the shard that has the leg to give it away
//! and puts it on the other one when it has been given; what the phone sends meanwhile waits in the socket.

use smallvec::SmallVec;

use super::app::{CALLER, PartyId};
use super::party::{MediaLeg, Moving, Party, Wish};
use super::ports::Ports;
use super::{Call, Calls};
use crate::border::Action;
use crate::cx::Cx;
use crate::mediactl::{Handover, LegId, LegStats, MediaCommand, RoomId, ShardId};
use crate::planted::{Fault, Planted};

impl MediaLeg {
    /// Gives back what is wanted of it when it is on this shard. If not it is sent for, and that waits.
    pub(super) fn here(&mut self, cx: &mut Cx<'_>, shard: ShardId, room: RoomId, wish: Wish) -> Option<Wish> {
        match &mut self.moving {
            Moving::No if self.shard == shard => return Some(wish),
            Moving::No => {
                let command = MediaCommand::GiveLeg { leg: self.id, port: self.port, to: shard };
                cx.out.push(Action::Media { shard: self.shard, command });
                self.moving = Moving::To(shard, Box::new((shard, room, wish)));
                self.put = true;
            }
            Moving::To(_, waits) => **waits = (shard, room, wish),
            Moving::Gone(_) => {}
        }
        None
    }

    /// Ends it, for good: a leg that was dropped is not put again.
    pub(super) fn drop(&mut self, cx: &mut Cx<'_>) {
        if !self.put || cx.planted.is(Fault::MediaLegNotDropped) {
            return;
        }
        match self.moving {
            Moving::No => {
                let command = MediaCommand::DropLeg { leg: self.id };
                cx.out.push(Action::Media { shard: self.shard, command });
            }
            Moving::To(shard, _) | Moving::Gone(shard) => self.moving = Moving::Gone(shard),
        }
    }

    /// It has carried so much on the shard where it is.
    pub(super) fn carried(&mut self, stats: LegStats) {
        self.stats = self.before.followed_by(stats).since(self.elsewhere);
    }

    /// What it has carried so far was for another call.
    pub(super) fn begin_anew(&mut self) {
        self.elsewhere = self.elsewhere.followed_by(std::mem::take(&mut self.stats));
    }
}

impl Calls {
    /// A shard has given a leg away, and its port.
    pub(super) fn given(&mut self, cx: &mut Cx<'_>, leg: LegId, stats: LegStats, handover: Option<Handover>) {
        let Some(key) = self.ports.owner(leg) else { return };
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(at) = call.parties.iter().position(|party| party.media.id == leg) else { return };
        let party = &mut call.parties[at];
        let (to, waits) = match std::mem::take(&mut party.media.moving) {
            Moving::No => return,
            Moving::To(to, waits) => (to, Some(waits)),
            Moving::Gone(to) => (to, None),
        };
        let media = &mut party.media;
        let from = std::mem::replace(&mut media.shard, to);
        media.carried(stats);
        media.before = media.before.followed_by(stats);
        media.handover = handover.or(media.handover);
        media.put = false;
        self.ports.moved(from, to);
        match waits {
            Some(waits) => {
                let (shard, room, wish) = *waits;
                party.put(cx, shard, room, wish);
            }
            None => self.ports.forget(leg),
        }
        self.settle(cx, key);
    }
}

impl Call {
    /// Callees that were let go, and of whom media has let go too: their ports are of use to other calls.
    pub(super) fn idle(&self) -> SmallVec<[PartyId; 2]> {
        let idle = |at: PartyId, party: &Party| {
            party.leg.is_none() && !party.media.put && self.waiting.iter().all(|waiting| waiting.1 != at)
        };
        let parties = self.parties.iter().enumerate().skip(CALLER + 1);
        parties.filter(|&(at, party)| self.peer != Some(at) && idle(at, party)).map(|(at, _)| at).collect()
    }

    /// Gives the port of a party back, once.
    pub(super) fn give_back(&mut self, ports: &mut Ports, at: PartyId, planted: Planted) {
        if planted.is(Fault::PortNotReleased) {
            return;
        }
        if let Some(party) = self.parties.get_mut(at).filter(|party| party.media.held) {
            party.media.held = false;
            ports.forget(party.media.id);
            ports.release(party.media.shard, party.media.port);
        }
    }
}
