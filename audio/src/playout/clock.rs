//! The listener's clock, and the arithmetic of times.

use std::time::Duration;

/// A listener that is further from its count than this has paused, and its count begins anew.
const APART: i64 = 100_000_000;

/// When the next sample is heard, in nanoseconds. A listener asks for samples when it wakes up, which is a little late
/// each time; its count of samples is even but drifts. This follows the count, and slowly the wake-ups.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Clock {
    next: Option<i64>,
}

impl Clock {
    /// The listener asks for `samples` at `now`: when the first of them is heard.
    pub(super) fn tick(&mut self, now: i64, samples: usize, rate: u32) -> i64 {
        let next = self.next.unwrap_or(now);
        let late = now - next;
        let begin = if late.abs() > APART { now } else { next + late / 16 };
        self.next = Some(begin + length(samples, rate));
        begin
    }
}

/// Nanoseconds since the start; later than 2^60 (36 years) counts as that.
pub(super) fn since(start: Duration) -> i64 {
    i64::try_from(start.as_nanos()).unwrap_or(i64::MAX).min(1 << 60)
}

/// How long so many samples last, in nanoseconds. No vector has more than 2^62 of them.
pub(super) fn length(samples: usize, rate: u32) -> i64 {
    let nanoseconds = samples as u128 * 1_000_000_000 / u128::from(rate.max(1));
    i64::try_from(nanoseconds).unwrap_or(i64::MAX).min(1 << 60)
}

/// How many packets of this length lie between times so many ticks apart: `None` unless it is a whole number, 1 to 100.
pub(super) fn steps(ticks: u32, clock: u32, lasts: i64) -> Option<u16> {
    let packet = u32::try_from(samples(lasts, clock)).ok().filter(|packet| *packet > 0)?;
    let steps = u16::try_from(ticks / packet).ok()?;
    (ticks.is_multiple_of(packet) && (1..=100).contains(&steps)).then_some(steps)
}

/// How many samples last so many nanoseconds, to the nearest.
pub(super) fn samples(nanoseconds: i64, rate: u32) -> usize {
    let twice = i128::from(nanoseconds) * i128::from(rate) * 2;
    usize::try_from((twice + 1_000_000_000) / 2_000_000_000).unwrap_or(0)
}
