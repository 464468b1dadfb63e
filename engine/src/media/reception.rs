//! What was received from one party: validity, loss and jitter (RFC 3550 A.1, A.3, A.8).

use super::egress::units;
use crate::limits::{RTP_DROPOUT, RTP_MISORDER};
use crate::rtp::{Header, ReportBlock};
use crate::time::Instant;

/// What a packet is to the stream it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Part of the stream, newest or late.
    Good,
    /// The first of a new source, or of one that began anew.
    Restart,
    /// A duplicate, too late, or a lone jump.
    Refuse,
}

/// Reception state of one leg.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Reception {
    source: Option<Source>,
    received: u64,
    octets: u64,
    /// Loss of the sources before the present one.
    lost: u64,
    /// Nothing is accepted for a while: what is missed does not count as lost.
    paused: bool,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Source {
    ssrc: u32,
    /// First sequence number.
    base: u16,
    /// Newest sequence number, and how often the numbers wrapped before it, shifted by 16.
    newest: u16,
    cycles: u32,
    /// Which of the 64 numbers up to the newest were received; bit 0 is the newest.
    window: u64,
    /// A jump would be believed if this came next (RFC 3550 A.1).
    expected_jump: Option<u16>,
    received: u32,
    /// At the last report.
    expected_prior: u32,
    received_prior: u32,
    /// Arrival minus timestamp of the last packet, in timestamp units.
    transit: u32,
    /// 16 times the jitter in timestamp units.
    jitter: u32,
}

impl Source {
    fn new(header: &Header) -> Self {
        Self {
            ssrc: header.ssrc,
            base: header.sequence,
            newest: header.sequence,
            cycles: 0,
            // Numbers before the first count as seen: they belong to what was before.
            window: u64::MAX,
            expected_jump: None,
            received: 1,
            expected_prior: 0,
            received_prior: 0,
            transit: 0,
            jitter: 0,
        }
    }

    fn highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.newest))
    }

    fn expected(&self) -> u32 {
        self.highest().wrapping_sub(u32::from(self.base)).wrapping_add(1)
    }

    fn lost(&self) -> u32 {
        self.expected().saturating_sub(self.received)
    }

    /// Places a sequence number (RFC 3550 A.1); duplicates are refused by the window.
    #[inline]
    fn place(&mut self, sequence: u16) -> Verdict {
        let ahead = sequence.wrapping_sub(self.newest);
        if ahead != 0 && ahead < RTP_DROPOUT {
            if sequence < self.newest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.newest = sequence;
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.expected_jump = None;
            return Verdict::Good;
        }
        let behind = self.newest.wrapping_sub(sequence);
        if behind < RTP_MISORDER {
            let bit = 1 << behind;
            let seen = self.window & bit != 0;
            self.window |= bit;
            return if seen { Verdict::Refuse } else { Verdict::Good };
        }
        if self.expected_jump == Some(sequence) {
            return Verdict::Restart;
        }
        self.expected_jump = Some(sequence.wrapping_add(1));
        Verdict::Refuse
    }
}

impl Reception {
    /// Takes note of one packet with `octets` of payload. `steady` is false for packets whose timestamps do not follow
    /// the clock (telephone events): they tell nothing about jitter.
    #[inline]
    pub(super) fn take(
        &mut self,
        now: Instant,
        clock: u32,
        octets: usize,
        header: &Header,
        steady: bool,
    ) -> Verdict {
        let verdict = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc && !self.paused => source.place(header.sequence),
            _ => Verdict::Restart,
        };
        let transit = units(now, clock).wrapping_sub(header.timestamp);
        match (verdict, &mut self.source) {
            (Verdict::Refuse, _) => return verdict,
            (Verdict::Good, Some(source)) => {
                source.received = source.received.wrapping_add(1);
                if steady {
                    let d = transit.wrapping_sub(source.transit).cast_signed().unsigned_abs();
                    source.transit = transit;
                    // A leap of the timestamps is no jitter: ten seconds are above any network's delay.
                    if d < clock.saturating_mul(10) {
                        let decay = source.jitter.saturating_add(8) >> 4;
                        source.jitter = source.jitter.saturating_add(d).saturating_sub(decay);
                    }
                }
            }
            (_, source) => {
                self.lost += source.as_ref().map_or(0, |s| u64::from(s.lost()));
                *source = Some(Source { transit, ..Source::new(header) });
                self.paused = false;
            }
        }
        self.received += 1;
        self.octets += octets as u64;
        verdict
    }

    /// What comes next starts anew, and what is missed until then is not lost.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Packets accepted.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Octets of payload accepted.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.lost + self.source.as_ref().map_or(0, |s| u64::from(s.lost()))
    }

    /// Jitter in microseconds.
    pub(super) fn jitter_us(&self, clock: u32) -> u32 {
        let units = self.source.as_ref().map_or(0, |s| u64::from(s.jitter >> 4));
        u32::try_from(units * 1_000_000 / u64::from(clock.max(1))).unwrap_or(u32::MAX)
    }

    /// A report block on the present source since the last call; `None` when nothing was heard since.
    pub(super) fn report(&mut self, last_report: u32, delay: u32) -> Option<ReportBlock> {
        let source = self.source.as_mut().filter(|s| s.received != s.received_prior)?;
        let (expected, received) = (source.expected(), source.received);
        let expected_now = expected.wrapping_sub(source.expected_prior);
        let received_now = received.wrapping_sub(source.received_prior);
        (source.expected_prior, source.received_prior) = (expected, received);
        let lost_now = u64::from(expected_now.saturating_sub(received_now));
        let fraction = (lost_now << 8).checked_div(u64::from(expected_now)).unwrap_or(0);
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: i64::from(expected).saturating_sub(i64::from(received)).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: source.highest(),
            jitter: source.jitter >> 4,
            last_report,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn take(r: &mut Reception, ms: u64, sequence: u16, timestamp: u32) -> Verdict {
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 5 };
        r.take(Instant::from_millis(ms), 8000, 160, &header, true)
    }

    #[test]
    fn wrap_loss_duplicates_and_lateness() {
        let mut r = Reception::default();
        assert_eq!(take(&mut r, 0, 65_534, 0), Verdict::Restart);
        assert_eq!(take(&mut r, 20, 65_535, 160), Verdict::Good);
        assert_eq!(take(&mut r, 40, 2, 640), Verdict::Good);
        assert_eq!(r.lost(), 2);
        assert_eq!(take(&mut r, 41, 1, 480), Verdict::Good);
        assert_eq!(take(&mut r, 42, 1, 480), Verdict::Refuse);
        assert_eq!(take(&mut r, 43, 65_533, 0), Verdict::Refuse);
        assert_eq!((r.received(), r.lost()), (4, 1));
        let block = r.report(0, 0).unwrap();
        assert_eq!((block.highest, block.lost, block.fraction_lost), (65_538, 1, 51));
        assert_eq!(r.report(0, 0), None);
    }

    #[test]
    fn one_jump_is_refused_and_two_in_sequence_start_anew() {
        let mut r = Reception::default();
        take(&mut r, 0, 100, 0);
        assert_eq!(take(&mut r, 20, 30_000, 160), Verdict::Refuse);
        assert_eq!(take(&mut r, 20, 101, 160), Verdict::Good);
        assert_eq!(take(&mut r, 40, 40_000, 320), Verdict::Refuse);
        assert_eq!(take(&mut r, 60, 40_001, 480), Verdict::Restart);
        assert_eq!(r.lost(), 0);
    }

    #[test]
    fn a_pause_loses_nothing() {
        let mut r = Reception::default();
        take(&mut r, 0, 100, 0);
        r.pause();
        assert_eq!(take(&mut r, 9000, 550, 72_000), Verdict::Restart);
        assert_eq!(r.lost(), 0);
    }

    #[test]
    fn jitter_follows_the_formula() {
        let mut r = Reception::default();
        take(&mut r, 0, 0, 0);
        assert_eq!(r.jitter_us(8000), 0);
        // Every second packet is 10 ms late: |D| is 80 units each time, and that is where the mean goes.
        for n in 1..200u16 {
            take(&mut r, 20 * u64::from(n) + 10 * u64::from(n % 2), n, 160 * u32::from(n));
        }
        assert!((9_000..=10_000).contains(&r.jitter_us(8000)), "{}", r.jitter_us(8000));
    }

    proptest! {
        /// Against a plain model: a packet is good exactly once.
        #[test]
        fn each_number_counts_once(order in prop::collection::vec(0..40u16, 1..200), start in any::<u16>()) {
            let mut r = Reception::default();
            take(&mut r, 0, start, 0);
            let mut seen = std::collections::BTreeSet::from([0]);
            for n in order {
                let good = take(&mut r, 0, start.wrapping_add(n), 0) == Verdict::Good;
                prop_assert_eq!(good, seen.insert(n));
            }
            let highest = u64::from(*seen.last().unwrap());
            prop_assert_eq!(r.received(), seen.len() as u64);
            prop_assert_eq!(r.lost(), highest + 1 - seen.len() as u64);
        }

        #[test]
        fn anything_is_survived(packets in prop::collection::vec(any::<(u16, u32, u32, u8, u64)>(), 0..100), clock in any::<u32>()) {
            let mut r = Reception::default();
            for (sequence, timestamp, ssrc, odd, nanos) in packets {
                let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: ssrc % 2 };
                r.take(Instant::from_nanos(nanos), clock, usize::from(odd), &header, odd % 2 == 0);
                if odd > 200 { r.pause(); }
                if odd < 20 { r.report(0, 0); }
            }
            let _ = (r.jitter_us(clock), r.lost());
        }
    }
}
