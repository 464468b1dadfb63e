//! Legs that go to another shard with their ports.

use super::super::out::{MediaIo, MediaOut};
use super::MediaShard;
use crate::mediactl::{LegId, LegStats, MediaReport, PortId, ShardId};
use crate::time::Instant;

impl MediaShard {
    /// Lets go of a leg and its port. Nothing is said to the party: its stream goes on from the other shard.
    pub(super) fn give_leg(
        &mut self,
        now: Instant,
        id: LegId,
        port: PortId,
        to: ShardId,
        out: &mut MediaOut,
    ) {
        let known = self.names.get(&id).copied();
        let leg = known.and_then(|key| self.take_out(now, key, out));
        let port = leg.as_ref().map_or(port, |leg| leg.spec.port);
        let stats = leg.as_ref().map_or(LegStats::default(), |leg| leg.stats());
        let resume = leg.map(|leg| leg.handover(now));
        // A port that another leg has stays: that one would be deaf without it.
        if self.ports.get(usize::from(port.0 >> 1)).is_none_or(Option::is_none) {
            self.last_heard.remove(&port);
            out.io.push(MediaIo::Give { port, to });
        }
        out.reports.push(MediaReport::Given { leg: id, stats, resume });
    }
}
