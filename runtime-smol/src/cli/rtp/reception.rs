//! What came of one source: counted as RFC 3550 A.1, A.3 and A.8 have it.

use std::time::Duration;

use telex_engine::rtp::{Header, ReportBlock};

/// A sequence number further ahead or behind is no loss: the source began anew (RFC 3550 A.1).
const DROPOUT: i16 = 3000;
const MISORDER: i16 = -100;

/// The packets of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reception {
    ssrc: u32,
    run: Run,
    /// Another source took the place of the one before, and nothing of it is counted yet.
    changed: bool,
    /// Packets that never came in the runs before.
    lost_before: u64,
    received_before: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
    clock: u32,
    /// Arrival less timestamp of the last packet, in timestamp units.
    transit: Option<u32>,
    /// In timestamp units.
    jitter: f64,
}

/// Packets whose numbers belong together.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Numbers counted on where they wrap.
    first: i64,
    newest: i64,
    /// Which of the 128 numbers up to the newest came; bit 0 is the newest.
    window: u128,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

impl Run {
    fn new(sequence: u16) -> Self {
        let first = i64::from(sequence);
        Self { first, newest: first, window: 1, received: 1, reported: (0, 0) }
    }

    fn expected(&self) -> u64 {
        (self.newest - self.first + 1).unsigned_abs()
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

impl Reception {
    /// Begins with its first packet, which came so long after the start.
    pub(super) fn new(now: Duration, header: &Header, clock: Option<u32>) -> Self {
        let mut new = Self {
            ssrc: header.ssrc,
            run: Run::new(header.sequence),
            changed: false,
            lost_before: 0,
            received_before: 0,
            duplicates: 0,
            reordered: 0,
            clock: 8000,
            transit: None,
            jitter: 0.0,
        };
        new.time(now, header.timestamp, clock);
        new
    }

    /// Another source takes the place of this one: what comes next is its first packet. The counts go on.
    pub(super) fn change(&mut self, ssrc: u32) {
        (self.ssrc, self.changed) = (ssrc, true);
    }

    /// Another packet came. `clock` is that of its timestamps; `None` when they tell nothing about jitter, as those of
    /// telephone events.
    pub(super) fn take(&mut self, now: Duration, header: &Header, clock: Option<u32>) {
        let run = &mut self.run;
        let step = header.sequence.wrapping_sub(run.newest as u16).cast_signed();
        if !self.changed && step > 0 && step < DROPOUT {
            run.window = run.window.checked_shl(step.unsigned_abs().into()).unwrap_or(0) | 1;
            run.newest += i64::from(step);
            run.received += 1;
        } else if !self.changed && step <= 0 && step > MISORDER {
            let bit = 1_u128 << step.unsigned_abs();
            if run.window & bit != 0 {
                self.duplicates += 1;
                return;
            }
            run.window |= bit;
            // One from before the first makes the run longer.
            run.first = run.first.min(run.newest + i64::from(step));
            run.received += 1;
            self.reordered += 1;
        } else {
            self.lost_before += run.lost();
            self.received_before += run.received;
            self.run = Run::new(header.sequence);
            self.changed = false;
            self.transit = None;
        }
        self.time(now, header.timestamp, clock);
    }

    fn time(&mut self, now: Duration, timestamp: u32, clock: Option<u32>) {
        let Some(clock) = clock else { return };
        if clock != self.clock {
            (self.clock, self.transit, self.jitter) = (clock, None, 0.0);
        }
        let arrival = (now.as_nanos() * u128::from(clock) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let d = f64::from(transit.wrapping_sub(before).cast_signed().unsigned_abs());
            // A leap of the timestamps is no jitter.
            if d < 10.0 * f64::from(clock) {
                self.jitter += (d - self.jitter) / 16.0;
            }
        }
    }

    /// Packets that came, each counted once.
    pub(super) fn received(&self) -> u64 {
        self.received_before + self.run.received
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.run.lost()
    }

    /// Packets that never came, out of a million.
    pub(super) fn lost_ppm(&self) -> u32 {
        let expected = (self.received() + self.lost()).max(1);
        u32::try_from(self.lost().saturating_mul(1_000_000) / expected).unwrap_or(1_000_000)
    }

    /// Mean deviation of arrival (RFC 3550 §6.4.1).
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter / f64::from(self.clock.max(1)))
    }

    /// What is said to the sender: about the time since the last report.
    pub(super) fn report(&mut self, last_report: u32, delay: u32) -> ReportBlock {
        let run = &mut self.run;
        let (expected, received) = (run.expected(), run.received);
        let (expected_now, received_now) =
            (expected - run.reported.0.min(expected), received - run.reported.1);
        run.reported = (expected, received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now << 8).checked_div(expected_now).unwrap_or(0);
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: i32::try_from(run.lost()).unwrap_or(i32::MAX),
            highest: run.newest as u32,
            jitter: self.jitter as u32,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(n: u32) -> Header {
        let sequence = 65_530_u16.wrapping_add(n as u16);
        Header { marker: false, payload_type: 0, sequence, timestamp: n * 160, ssrc: 5 }
    }

    fn at(n: u32) -> Duration {
        Duration::from_millis(20) * n
    }

    fn fed(order: &[u32]) -> Reception {
        let mut reception = Reception::new(at(order[0]), &header(order[0]), Some(8000));
        for n in &order[1..] {
            reception.take(at(*n), &header(*n), Some(8000));
        }
        reception
    }

    #[test]
    fn loss_order_and_doubles_are_counted_across_the_wrap() {
        let mut r = fed(&[1, 0, 2, 3, 5, 4, 5, 5, 8, 9, 10]);
        assert_eq!((r.received(), r.lost(), r.duplicates, r.reordered), (9, 2, 2, 2));
        assert_eq!(r.lost_ppm(), 181_818);
        let block = r.report(7, 8);
        assert_eq!((block.lost, block.fraction_lost, block.highest), (2, 46, 65_540));
        assert_eq!(r.report(7, 8).fraction_lost, 0);
    }

    #[test]
    fn a_source_that_begins_anew_loses_nothing() {
        let mut r = fed(&[0, 1, 3]);
        let anew = |n: u16| Header { sequence: 20_000 + n, ..header(u32::from(n)) };
        r.take(at(50), &anew(0), Some(8000));
        r.take(at(51), &anew(2), Some(8000));
        assert_eq!((r.received(), r.lost(), r.report(0, 0).lost), (5, 2, 1));
    }

    #[test]
    fn jitter_is_the_mean_deviation_and_events_do_not_count() {
        let mut r = fed(&[0]);
        for n in 1..200 {
            let late = Duration::from_millis(if n % 2 == 0 { 10 } else { 0 });
            r.take(at(n) + late, &header(n), Some(8000));
            r.take(at(n) + late, &Header { timestamp: 0, ..header(n) }, None);
        }
        let jitter = r.jitter().as_secs_f64();
        assert!((0.0099..0.0101).contains(&jitter), "{jitter}");
    }
}
