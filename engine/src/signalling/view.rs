//! The whole machine in words.

use super::Signalling;
use crate::view::{Armed, TimerView, View};

impl Signalling {
    /// What the machine holds. O(n): for people who look into a recording, not for production.
    pub fn view(&self) -> View {
        let armed = Armed::of(&self.timers);
        let tables = &self.tables;
        let stack = &tables.below.stack;
        let (mut sessions, transactions) = tables.below.sessions.views(stack, &armed);
        let calls = tables.calls.views(self.now, &armed, &mut sessions);
        View {
            now: self.now,
            stats: self.stats(),
            calls,
            transactions,
            loose: sessions.into_values().collect(),
            registrations: tables.below.registrar.views(self.now, &armed),
            streams: stack.transport.views(&armed),
            timers: self.timers.armed().into_iter().map(|(at, t)| TimerView { name: t.name(), at }).collect(),
        }
    }
}
