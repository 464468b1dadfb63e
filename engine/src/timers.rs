//! All timers of a machine in one structure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slots::Slots;
use crate::time::Instant;

slotmap::new_key_type! {
    /// Names an armed timer. A key of a timer that fired or was cancelled names nothing, for ever.
    pub struct TimerKey;
}

/// Armed timers with a payload each. Arming is O(log n), cancelling O(1), the next deadline O(1).
/// Timers fire in order of (deadline, order of arming), whatever was armed and cancelled between.
#[derive(Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, u64, TimerKey)>>,
    live: Slots<TimerKey, T>,
    sequence: u64,
}

/// Cancelled entries are swept out of the heap once they outnumber the living and this.
const SWEEP_FROM: usize = 1024;

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), live: Slots::new(), sequence: 0 }
    }
}

impl<T> Timers<T> {
    /// Fires `payload` at `at`, or at the next wake when `at` has passed.
    pub fn arm(&mut self, at: Instant, payload: T) -> TimerKey {
        let key = self.live.insert(payload);
        self.heap.push(Reverse((at, self.sequence, key)));
        self.sequence += 1;
        key
    }

    /// Takes a timer back before it fires. `None` when it has fired or was cancelled already.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let payload = self.live.remove(key);
        if self.heap.len() > SWEEP_FROM && self.heap.len() > 2 * self.live.len() {
            let live = &self.live;
            self.heap.retain(|Reverse((_, _, key))| live.contains_key(*key));
        }
        self.drop_dead();
        payload
    }

    /// The next payload that is due at `now`.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.drop_dead();
        let Reverse((at, _, key)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        let payload = self.live.remove(key);
        self.drop_dead();
        payload
    }

    /// When the next timer is due, and its payload.
    pub fn next(&self) -> Option<(Instant, &T)> {
        let Reverse((at, _, key)) = *self.heap.peek()?;
        Some((at, self.live.get(key)?))
    }

    /// All armed timers, the next first. O(n log n): for people, not for production.
    #[cfg(feature = "serde")]
    pub fn armed(&self) -> Vec<(Instant, &T)> {
        let mut armed: Vec<_> = self.heap.iter().map(|Reverse(entry)| *entry).collect();
        armed.sort_unstable();
        armed.into_iter().filter_map(|(at, _, key)| Some((at, self.live.get(key)?))).collect()
    }

    /// Whether this timer is still to fire.
    pub fn is_armed(&self, key: TimerKey) -> bool {
        self.live.contains_key(key)
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Keeps the head of the heap alive, so that [`Timers::next`] is exact and O(1).
    fn drop_dead(&mut self) {
        while let Some(Reverse((_, _, key))) = self.heap.peek() {
            if self.live.contains_key(*key) {
                break;
            }
            self.heap.pop();
        }
    }
}

/// As the armed timers in the order in which they will fire. Cancelled ones that were not swept yet change nothing.
#[cfg(feature = "serde")]
mod whole {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::{Serialize, Serializer};

    use super::{BinaryHeap, Instant, Reverse, Slots, TimerKey, Timers};

    type Armed = Vec<(Instant, u64, TimerKey)>;

    impl<T: Serialize> Serialize for Timers<T> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let live = self.heap.iter().map(|Reverse(entry)| *entry);
            let mut armed: Armed = live.filter(|(_, _, key)| self.live.contains_key(*key)).collect();
            armed.sort_unstable();
            (armed, &self.live, self.sequence).serialize(to)
        }
    }

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Timers<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let (armed, live, sequence) = <(Armed, Slots<TimerKey, T>, u64)>::deserialize(from)?;
            let mut timers =
                Self { heap: armed.into_iter().map(Reverse).collect::<BinaryHeap<_>>(), live, sequence };
            timers.drop_dead();
            Ok(timers)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::{Purpose, Rng, Seed};

    /// The same by the simplest means: an ordered map by (deadline, order of arming).
    #[derive(Default)]
    struct Model {
        pending: BTreeMap<(Instant, u64), u64>,
        armed: u64,
    }

    impl Model {
        fn arm(&mut self, at: Instant, payload: u64) -> (Instant, u64) {
            self.armed += 1;
            self.pending.insert((at, self.armed), payload);
            (at, self.armed)
        }

        fn pop(&mut self, now: Instant) -> Option<u64> {
            let (&at, _) = self.pending.first_key_value()?;
            (at.0 <= now).then(|| self.pending.remove(&at))?
        }
    }

    /// Arms, cancels and fires at random and compares with the model after each operation. `spread` is how far
    /// deadlines lie apart: few instants make many ties.
    fn run(seed: u64, operations: u32, spread: u32) {
        let mut rng = Rng::new(Seed::from_number(seed), Purpose::Call);
        let mut timers = Timers::default();
        let mut model = Model::default();
        let mut keys = Vec::new();
        let mut now = Instant::ZERO;
        for n in 0..u64::from(operations) {
            match rng.below(10) {
                0..5 => {
                    let at = Instant::from_millis(now.as_nanos() / 1_000_000 + u64::from(rng.below(spread)));
                    keys.push((timers.arm(at, n), model.arm(at, n)));
                }
                5..8 if !keys.is_empty() => {
                    // Fired and cancelled keys stay in the list: they must name nothing, for ever.
                    let (key, place) = keys[rng.below(u32::try_from(keys.len()).unwrap()) as usize];
                    assert_eq!(timers.is_armed(key), model.pending.contains_key(&place));
                    assert_eq!(timers.cancel(key), model.pending.remove(&place));
                    assert!(!timers.is_armed(key));
                }
                8 => now += std::time::Duration::from_millis(u64::from(rng.below(spread / 4 + 2))),
                _ => assert_eq!(timers.pop(now), model.pop(now)),
            }
            let next = model.pending.first_key_value().map(|((at, _), payload)| (*at, payload));
            assert_eq!(timers.next(), next);
            assert_eq!(timers.len(), model.pending.len());
        }
        while let Some(payload) = model.pop(Instant::FAR) {
            assert_eq!(timers.pop(Instant::FAR), Some(payload));
        }
        assert!(timers.is_empty());
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn agrees_with_an_ordered_map_over_many_operations() {
        run(1, 200_000, 10_000);
        run(2, 200_000, 3);
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map_for_any_seed(seed: u64, spread in 1u32..1000) {
            run(seed, 500, spread);
        }
    }

    #[test]
    fn a_hundred_thousand_live_timers_fire_in_order_and_cancelled_ones_are_swept() {
        const LIVE: u64 = 100_000;
        let mut rng = Rng::new(Seed::from_number(9), Purpose::Call);
        let mut timers = Timers::default();
        let mut keys = Vec::new();
        let deadline = |rng: &mut Rng| Instant::from_millis(u64::from(rng.below(32_000)) + 1);
        for n in 0..LIVE {
            keys.push(timers.arm(deadline(&mut rng), n));
        }
        // Each timer is re-armed five times, as a busy exchange does with retransmissions.
        for n in 0..LIVE * 5 {
            let key = &mut keys[usize::try_from(n % LIVE).unwrap()];
            assert_eq!(timers.cancel(*key), Some(n % LIVE));
            *key = timers.arm(deadline(&mut rng), n % LIVE);
        }
        assert_eq!(timers.len() as u64, LIVE);
        assert!(
            timers.heap.len() as u64 <= 2 * LIVE + SWEEP_FROM as u64,
            "dead entries pile up: {}",
            timers.heap.len()
        );
        let mut fired = 0;
        let mut last = Instant::ZERO;
        while let Some((at, _)) = timers.next() {
            assert!(at >= last && timers.pop(at - std::time::Duration::from_nanos(1)).is_none());
            assert!(timers.pop(at).is_some());
            (last, fired) = (at, fired + 1);
        }
        assert_eq!(fired, LIVE);
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_arming_even_after_cancelling() {
        let mut timers = Timers::default();
        let at = Instant::from_millis(7);
        let first = timers.arm(at, 'a');
        timers.arm(at, 'b');
        timers.cancel(first);
        timers.arm(at, 'c');
        timers.arm(Instant::ZERO, 'z');
        let fired: Vec<char> = std::iter::from_fn(|| timers.pop(at)).collect();
        assert_eq!(fired, ['z', 'b', 'c']);
    }
}
