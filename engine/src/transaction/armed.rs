//! The few timers that one transaction has armed.

use crate::cx::{Cx, Timer};
use crate::time::Duration;
use crate::timers::TimerKey;

/// At most two timers, by name: no state of the four machines needs more.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Armed<T>([Option<(T, TimerKey)>; 2]);

impl<T> Default for Armed<T> {
    fn default() -> Self {
        Self([None, None])
    }
}

impl<T: Copy + PartialEq> Armed<T> {
    /// Fires `timer` after `span`, instead of the armed one of the same name.
    pub(super) fn arm(&mut self, cx: &mut Cx<'_>, name: T, span: Duration, timer: Timer) {
        self.disarm(cx, name);
        let key = cx.timers.arm(cx.now + span, timer);
        match self.0.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some((name, key)),
            None => debug_assert!(false, "a third timer"),
        }
    }

    /// Takes a timer back.
    pub(super) fn disarm(&mut self, cx: &mut Cx<'_>, name: T) {
        for slot in &mut self.0 {
            if let Some((_, key)) = slot.take_if(|(armed, _)| *armed == name) {
                cx.timers.cancel(key);
            }
        }
    }

    /// Forgets a timer that has fired.
    pub(super) fn fired(&mut self, name: T) {
        for slot in &mut self.0 {
            slot.take_if(|(armed, _)| *armed == name);
        }
    }

    /// Takes all timers back.
    pub(super) fn disarm_all(&mut self, cx: &mut Cx<'_>) {
        for (_, key) in self.0.iter_mut().filter_map(Option::take) {
            cx.timers.cancel(key);
        }
    }

    /// The timers that are armed.
    pub(super) fn keys(&self) -> impl Iterator<Item = TimerKey> {
        self.0.iter().flatten().map(|(_, key)| *key)
    }
}
