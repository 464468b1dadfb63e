//! The clock of all machines.

use std::time::{SystemTime, UNIX_EPOCH};

use telex_engine::time::{Instant, WallTime};

/// Counts from the start of the process. All threads share one, so their times can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Time since the start.
    pub(crate) fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The calendar.
pub(crate) fn wall() -> WallTime {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    WallTime::from_unix_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
