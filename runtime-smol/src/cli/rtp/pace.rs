//! When each packet is due, and how well that was kept.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Later than this, what was missed is not made up for: the schedule moves.
const HOPELESS: Duration = Duration::from_millis(500);

/// A schedule of absolute moments: an error of one packet is not handed on to the next.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    interval: Duration,
    next: u32,
}

impl Schedule {
    /// Packets every `interval` from now on.
    pub(super) fn new(start: Instant, interval: Duration) -> Self {
        Self { start, interval, next: 0 }
    }

    /// When the next packet is due.
    pub(super) fn due(&self) -> Instant {
        // Beyond what can be told only after decades.
        self.start.checked_add(self.interval.saturating_mul(self.next)).unwrap_or(self.start)
    }

    /// The next packet goes at `now`: by how many whole intervals the schedule has to move first, because the host
    /// slept.
    pub(super) fn go(&mut self, now: Instant) -> u32 {
        let late = now.saturating_duration_since(self.due());
        self.next += 1;
        if late < HOPELESS {
            return 0;
        }
        let missed = u32::try_from(late.as_nanos() / self.interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.next = self.next.saturating_add(missed);
        missed
    }
}

/// How far from their moments packets were sent. Nothing in it grows with time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accuracy {
    count: f64,
    errors: f64,
    worst: f64,
    /// The most punctual packets of the first ten seconds, of the last full ten, and of those under way: when the ten
    /// seconds began, and the error. A busy host makes single packets late, a drifting schedule makes all of them.
    first: Option<(f64, f64)>,
    last: Option<(f64, f64)>,
    open: Option<(f64, f64)>,
}

/// Length of the pieces whose most punctual packets are compared, in seconds.
const PIECE: f64 = 10.0;

impl Accuracy {
    /// A packet that was due `at` after the start went `error` late. None goes early.
    pub(super) fn note(&mut self, at: Duration, error: Duration) {
        let (at, error) = (at.as_secs_f64(), error.as_secs_f64());
        self.count += 1.0;
        self.errors += error;
        self.worst = self.worst.max(error);
        match &mut self.open {
            Some((began, least)) if at - *began < PIECE => *least = least.min(error),
            open => {
                let closed = open.replace((at, error));
                self.first = self.first.or(closed);
                self.last = closed;
            }
        }
    }

    /// Mean error in milliseconds.
    pub(super) fn mean_ms(&self) -> f64 {
        self.errors / self.count.max(1.0) * 1000.0
    }

    /// Worst error in milliseconds.
    pub(super) fn worst_ms(&self) -> f64 {
        self.worst * 1000.0
    }

    /// How much later the most punctual packets became between the first and the last ten seconds, in millionths of the
    /// time between; 0 for less than half a minute.
    pub(super) fn drift_ppm(&self) -> f64 {
        match (self.first, self.last) {
            (Some((from, before)), Some((to, after))) if to > from => (after - before) / (to - from) * 1e6,
            _ => 0.0,
        }
    }

    pub(super) fn document(&self) -> Value {
        let round = |x: f64| (x * 1000.0).round() / 1000.0;
        json!({
            "mean_ms": round(self.mean_ms()),
            "worst_ms": round(self.worst_ms()),
            "drift_ppm": round(self.drift_ppm()),
        })
    }
}

impl std::fmt::Display for Accuracy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drift = self.drift_ppm();
        // No minus before a zero.
        let drift = if drift.abs() < 0.0005 { 0.0 } else { drift };
        write!(f, "mean {:.3} ms late, worst {:.3} ms, drift {drift:.3} ppm", self.mean_ms(), self.worst_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(20);

    #[test]
    fn one_late_packet_makes_no_other_late() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, INTERVAL);
        assert_eq!(schedule.go(start), 0);
        assert_eq!(schedule.go(start + Duration::from_millis(300)), 0);
        assert_eq!(schedule.due(), start + 2 * INTERVAL);
        // A host that slept for a minute does not send a minute of packets at once.
        assert_eq!(schedule.go(start + 2 * INTERVAL + Duration::from_secs(60)), 3000);
        assert_eq!(schedule.due(), start + 3 * INTERVAL + Duration::from_secs(60));
    }

    #[test]
    fn drift_is_what_all_packets_share() {
        let (mut steady, mut drifting) = (Accuracy::default(), Accuracy::default());
        for n in 0..5000 {
            // A busy host: now and then a packet is very late.
            let noise =
                Duration::from_micros(100 + 50 * u64::from(n % 2 == 0) + 300_000 * u64::from(n == 4000));
            steady.note(INTERVAL * n, noise);
            drifting.note(INTERVAL * n, noise + INTERVAL * n / 10_000);
        }
        assert!((steady.mean_ms() - 0.185).abs() < 1e-9 && (steady.worst_ms() - 300.15).abs() < 1e-9);
        assert!(steady.drift_ppm().abs() < 0.01, "{}", steady.drift_ppm());
        assert!((drifting.drift_ppm() - 100.0).abs() < 0.01, "{}", drifting.drift_ppm());
        assert_eq!(Accuracy::default().to_string(), "mean 0.000 ms late, worst 0.000 ms, drift 0.000 ppm");
    }
}
