//! Who is to be served in which millisecond: twenty phases of one 20 ms frame.

use super::RoomKey;
use crate::time::Instant;

/// Milliseconds of one frame.
pub(super) const FRAME_MS: u64 = 20;
/// Phases of one frame.
pub(super) const PHASES: u8 = 20;

/// Whole milliseconds since start.
pub(super) fn millis(at: Instant) -> u64 {
    at.as_nanos() / 1_000_000
}

/// The first millisecond after `after` that belongs to `phase`.
pub(super) fn next(after: u64, phase: u8) -> u64 {
    let from = after + 1;
    from + (u64::from(phase) + FRAME_MS - from % FRAME_MS) % FRAME_MS
}

/// Rooms by phase. Joining is O(1), the next deadline too.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Ring {
    phases: [Vec<RoomKey>; PHASES as usize],
    /// Bit n: phase n has members.
    occupied: u32,
    /// The last millisecond that was served.
    served: u64,
}

impl Ring {
    /// Serves `room` in `phase` from now on.
    pub(super) fn join(&mut self, now: Instant, phase: u8, room: RoomKey) {
        if self.occupied == 0 {
            self.served = self.served.max(millis(now));
        }
        if let Some(members) = self.phases.get_mut(usize::from(phase)) {
            members.push(room);
            self.occupied |= 1 << phase;
        }
    }

    /// Serves `room` no more.
    pub(super) fn leave(&mut self, phase: u8, room: RoomKey) {
        if let Some(members) = self.phases.get_mut(usize::from(phase)) {
            members.retain(|&m| m != room);
            if members.is_empty() {
                self.occupied &= !(1 << phase);
            }
        }
    }

    /// When the next phase with members is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.upcoming().map(Instant::from_millis)
    }

    /// Advances to the next phase that is due at `now`. When more than a frame has passed, each phase comes once: its
    /// members know how long they waited.
    pub(super) fn advance(&mut self, now: Instant) -> Option<u8> {
        let now = millis(now);
        self.served = self.served.max(now.saturating_sub(FRAME_MS));
        match self.upcoming().filter(|&at| at <= now) {
            Some(at) => {
                self.served = at;
                Some((at % FRAME_MS) as u8)
            }
            None => {
                self.served = self.served.max(now);
                None
            }
        }
    }

    /// The member of a phase at a place, if there are so many.
    pub(super) fn member(&self, phase: u8, place: usize) -> Option<RoomKey> {
        self.phases.get(usize::from(phase))?.get(place).copied()
    }

    /// Whether a room is served in its phase.
    pub(super) fn serves(&self, phase: u8, room: RoomKey) -> bool {
        self.phases.get(usize::from(phase)).is_some_and(|members| members.contains(&room))
    }

    /// How many rooms are served in all; asserts that the marks of occupied phases are right.
    pub(super) fn check(&self) -> usize {
        for (phase, members) in self.phases.iter().enumerate() {
            assert_eq!(self.occupied >> phase & 1 == 1, !members.is_empty(), "mark of phase {phase}");
        }
        self.phases.iter().map(Vec::len).sum()
    }

    fn upcoming(&self) -> Option<u64> {
        if self.occupied == 0 {
            return None;
        }
        let from = self.served + 1;
        let turn = (from % FRAME_MS) as u32;
        // Phase `turn` in bit 0, the phases before it above the others.
        let turned = self.occupied >> turn | self.occupied << (u32::from(PHASES) - turn);
        Some(from + u64::from(turned.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(n: usize) -> Vec<RoomKey> {
        let mut map = crate::slots::Slots::<RoomKey, ()>::new();
        (0..n).map(|_| map.insert(())).collect()
    }

    proptest! {
        /// The next deadline is the one that a search through the coming milliseconds finds.
        #[test]
        fn deadline_is_the_nearest_phase(phases in prop::collection::vec(0..PHASES, 1..5), now in 0..1000u64) {
            let mut ring = Ring::default();
            let at = Instant::from_millis(now);
            for (&phase, room) in phases.iter().zip(keys(5)) {
                ring.join(at, phase, room);
            }
            let found = (now + 1..).find(|ms| phases.iter().any(|&p| u64::from(p) == ms % FRAME_MS));
            prop_assert_eq!(ring.deadline(), found.map(Instant::from_millis));
            ring.check();
        }
    }

    #[test]
    fn phases_come_in_turn_and_once_after_a_long_sleep() {
        let mut ring = Ring::default();
        let rooms = keys(2);
        ring.join(Instant::ZERO, 3, rooms[0]);
        ring.join(Instant::ZERO, 17, rooms[1]);
        let mut at = |ms| std::iter::from_fn(|| ring.advance(Instant::from_millis(ms))).collect::<Vec<_>>();
        assert_eq!(at(2), []);
        assert_eq!(at(3), [3]);
        assert_eq!(at(3), []);
        assert_eq!(at(18), [17]);
        assert_eq!(at(500), [3, 17]);
        assert_eq!(at(501), []);
        assert_eq!(ring.deadline(), Some(Instant::from_millis(503)));
        ring.leave(3, rooms[0]);
        assert_eq!(ring.deadline(), Some(Instant::from_millis(517)));
        ring.leave(17, rooms[1]);
        assert_eq!(ring.deadline(), None);
        assert_eq!(ring.check(), 0);
    }

    #[test]
    fn next_is_after_and_in_phase() {
        for after in 0..100 {
            for phase in 0..PHASES {
                let at = next(after, phase);
                assert!(at > after && at <= after + FRAME_MS && at % FRAME_MS == u64::from(phase));
            }
        }
    }
}
