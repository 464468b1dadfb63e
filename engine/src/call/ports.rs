//! Media as signalling sees it: which ports are free, who owns which media leg.

use std::collections::{BTreeMap, VecDeque};

use crate::border::Action;
use crate::cx::{CallKey, Cx};
use crate::mediactl::{LegId, MediaCommand, PortId, RoomId, ShardId};

/// When fewer port pairs than this are free, or than a quarter of what was granted, more are asked for.
const LOW_WATER: usize = 32;
/// The last free pairs are not for callers who have most of the calls; a quarter of what was granted when that is less.
const RESERVE: usize = 16;
/// Port pairs asked for at a time, at least.
const GRANT: usize = 64;

/// Port pairs of one shard.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Pool {
    /// Free pairs, the one free for the longest time first: packets of its last call have died out.
    free: VecDeque<PortId>,
    /// Pairs that the driver has bound.
    granted: usize,
    /// Pairs that were asked for and have not come. One grant answers them.
    wanted: usize,
    /// The last grant fell short: the range is used up, and asking again is of no use.
    exhausted: bool,
}

/// Free ports and the owners of media legs.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ports {
    pools: Vec<Pool>,
    owners: BTreeMap<LegId, CallKey>,
    next_leg: u64,
    next_room: u64,
    used: usize,
}

impl Ports {
    /// For so many shards; nothing is free yet.
    pub(crate) fn new(shards: u8) -> Self {
        let pools = (0..shards.max(1)).map(|_| Pool::default()).collect();
        Self { pools, owners: BTreeMap::new(), next_leg: 1, next_room: 1, used: 0 }
    }

    /// Pairs in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Media legs that have not been reported dropped.
    pub(crate) fn legs(&self) -> usize {
        self.owners.len()
    }

    /// A name for a room, and where it is: on this shard, or on that with the least to do.
    pub(crate) fn room(&mut self, on: Option<ShardId>) -> (ShardId, RoomId) {
        let room = RoomId(self.next_room);
        self.next_room += 1;
        if let Some(shard) = on {
            return (shard, room);
        }
        // A shard without a free pair is the last resort, however little it has to do.
        let busy = |(_, pool): &(usize, &Pool)| (pool.free.is_empty(), pool.granted - pool.free.len());
        let least = self.pools.iter().enumerate().min_by_key(busy).map_or(0, |(n, _)| n);
        (ShardId(u8::try_from(least).unwrap_or(0)), room)
    }

    /// The driver has bound these pairs.
    pub(crate) fn granted(&mut self, shard: ShardId, ports: &[PortId]) {
        let Some(pool) = self.pools.get_mut(usize::from(shard.0)) else { return };
        pool.granted += ports.len();
        pool.exhausted |= ports.len() < pool.wanted;
        pool.wanted = 0;
        pool.free.extend(ports);
    }

    /// Takes a free pair; asks for more in time.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>, shard: ShardId) -> Option<PortId> {
        let pool = self.pools.get_mut(usize::from(shard.0))?;
        let port = pool.free.pop_front();
        if pool.free.len() < LOW_WATER.max(pool.granted / 4) && pool.wanted == 0 && !pool.exhausted {
            pool.wanted = GRANT.max(pool.granted / 2);
            let count = u16::try_from(pool.wanted).unwrap_or(u16::MAX);
            cx.out.push(Action::Media { shard, command: MediaCommand::WantPorts { count } });
        }
        self.used += usize::from(port.is_some());
        port
    }

    /// Whether what is left should go to those who have little: only few pairs are free at the moment, or no more are
    /// to be had and less than a quarter is free.
    pub(crate) fn tight(&self) -> bool {
        let granted: usize = self.pools.iter().map(|pool| pool.granted).sum();
        let free: usize = self.pools.iter().map(|pool| pool.free.len()).sum();
        let last = self.pools.iter().all(|pool| pool.exhausted);
        let quarter = granted.div_ceil(4);
        free < if last { quarter } else { quarter.min(RESERVE) }
    }

    /// A pair in use belongs to another shard from now on.
    pub(crate) fn moved(&mut self, from: ShardId, to: ShardId) {
        for (shard, more) in [(from, false), (to, true)] {
            if let Some(pool) = self.pools.get_mut(usize::from(shard.0)) {
                pool.granted = if more { pool.granted + 1 } else { pool.granted.saturating_sub(1) };
            }
        }
    }

    /// Gives a pair back.
    pub(crate) fn release(&mut self, shard: ShardId, port: PortId) {
        if let Some(pool) = self.pools.get_mut(usize::from(shard.0)) {
            pool.free.push_back(port);
            self.used -= 1;
        }
    }

    /// A name for a media leg of this call.
    pub(crate) fn leg(&mut self, call: CallKey) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        self.owners.insert(leg, call);
        leg
    }

    /// Whose leg it is.
    pub(crate) fn owner(&self, leg: LegId) -> Option<CallKey> {
        self.owners.get(&leg).copied()
    }

    /// The leg belongs to this call from now on.
    pub(crate) fn move_to(&mut self, leg: LegId, call: CallKey) {
        self.owners.insert(leg, call);
    }

    /// The leg has ended.
    pub(crate) fn forget(&mut self, leg: LegId) {
        self.owners.remove(&leg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(from: u16, count: u16) -> Vec<PortId> {
        (0..count).map(|n| PortId(from + 2 * n)).collect()
    }

    #[test]
    fn a_room_goes_where_ports_are_free() {
        let mut ports = Ports::new(2);
        assert_eq!(ports.room(None).0, ShardId(0));
        ports.granted(ShardId(1), &pairs(1000, 4));
        assert_eq!(ports.room(None).0, ShardId(1), "shard 0 has nothing to do, but no port either");
        ports.granted(ShardId(0), &pairs(2000, 4));
        assert_eq!(ports.room(None).0, ShardId(0));
    }

    #[test]
    fn a_range_that_is_used_up_is_not_asked_again() {
        let mut ports = Ports::new(1);
        ports.pools[0].wanted = 64;
        ports.granted(ShardId(0), &pairs(1000, 64));
        assert!(!ports.pools[0].exhausted);
        ports.pools[0].wanted = 64;
        ports.granted(ShardId(0), &pairs(2000, 3));
        assert!(ports.pools[0].exhausted);
    }

    #[test]
    fn a_small_range_is_tight_only_at_its_end() {
        for (count, left) in [(1, 0), (4, 0), (10, 2), (64, 15), (1000, 249)] {
            for shards in [1, 2] {
                let mut ports = Ports::new(shards);
                ports.pools[0].wanted = usize::MAX;
                ports.granted(ShardId(0), &pairs(1000, count));
                let exhausted = shards == 1;
                let left = if exhausted { left } else { left.min(RESERVE - 1) };
                while ports.pools[0].free.len() > left {
                    assert!(!ports.tight(), "{count} pairs, {shards} shards");
                    ports.pools[0].free.pop_front();
                }
                assert!(ports.tight(), "{count} pairs, {shards} shards");
            }
        }
    }
}
