//! All timers of a machine in one structure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slotmap::SlotMap;

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
    live: SlotMap<TimerKey, T>,
    sequence: u64,
}

/// Cancelled entries are swept out of the heap once they outnumber the living and this.
const SWEEP_FROM: usize = 1024;

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), live: SlotMap::with_key(), sequence: 0 }
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
