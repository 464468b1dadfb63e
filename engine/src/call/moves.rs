//! Media legs that go to another shard: who is to hear each other is in one room, and a room is on one shard.
//!
//! The port goes along, so nothing changes for the phone. Signalling asks the shard that has the leg to give it away
//! and puts it on the other one when it has been given; what the phone sends meanwhile waits in the socket.

use super::Calls;
use super::party::{MediaLeg, Moving};
use crate::border::Action;
use crate::cx::Cx;
use crate::mediactl::{Handover, LegId, LegStats, MediaCommand, ShardId};
use crate::planted::Fault;

impl MediaLeg {
    /// Whether it is not on this shard yet. Then it is sent for.
    pub(super) fn is_elsewhere(&mut self, cx: &mut Cx<'_>, shard: ShardId) -> bool {
        if self.moving == Moving::No && self.shard != shard {
            let command = MediaCommand::GiveLeg { leg: self.id, port: self.port, to: shard };
            cx.out.push(Action::Media { shard: self.shard, command });
            self.moving = Moving::To(shard);
            self.put = true;
        }
        self.moving != Moving::No
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
            Moving::To(shard) | Moving::Gone(shard) => self.moving = Moving::Gone(shard),
        }
    }

    /// It has carried so much on the shard where it is.
    pub(super) fn carried(&mut self, stats: LegStats) {
        self.stats = self.before.followed_by(stats);
    }
}

impl Calls {
    /// A shard has given a leg away, and its port.
    pub(super) fn given(&mut self, cx: &mut Cx<'_>, leg: LegId, stats: LegStats, handover: Option<Handover>) {
        let Some(key) = self.ports.owner(leg) else { return };
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(at) = call.parties.iter().position(|party| party.media.id == leg) else { return };
        let media = &mut call.parties[at].media;
        let (Moving::To(to) | Moving::Gone(to)) = media.moving else { return };
        let gone = media.moving != Moving::To(to);
        let from = std::mem::replace(&mut media.shard, to);
        media.carried(stats);
        (media.before, media.handover) = (media.stats, handover.or(media.handover));
        (media.moving, media.put) = (Moving::No, false);
        self.ports.moved(from, to);
        if gone {
            self.ports.forget(leg);
        } else if call.waits_aside(at) {
            call.put_waiting(cx, at);
        } else {
            call.put_media(cx);
        }
        self.settle(cx, key);
    }
}
