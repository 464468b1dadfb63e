//! Outgoing RTP state of one leg: one source, whatever feeds it (RFC 3550 §5.1).
//!
//! The party hears one SSRC with one run of sequence numbers and timestamps for the life of the leg. What feeds it may
//! change at any time: the other party, another source of that party, a tone, nothing for a while. Each time the first
//! packet of the new feed gets the next sequence number, and a timestamp that has advanced by the time that passed.
//! From there on both follow the feed by a constant offset, so that loss and reordering upstream stay visible.

use crate::limits::RTP_MISORDER;
use crate::mediactl::Resume;
use crate::rng::Rng;
use crate::rtp::Header;
use crate::time::Instant;

/// RTP timestamp units in a span of time since start, modulo 2^32 (RFC 3550 §5.1).
#[inline]
pub(super) fn units(at: Instant, clock: u32) -> u32 {
    let (clock, nanos) = (u64::from(clock), at.as_nanos());
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    // Only the low 32 bits are wanted, and `rest * clock` is below 2^62.
    (seconds.wrapping_mul(clock).wrapping_add(rest * clock / 1_000_000_000) & 0xffff_ffff) as u32
}

/// Whether `a` is before `b` in serial arithmetic (RFC 1982).
#[inline]
pub(super) fn before(a: u16, b: u16) -> bool {
    a.wrapping_sub(b) > 0x8000
}

/// One packet that feeds a leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feed {
    /// The header as the source wrote it, with the payload type as the leg knows it.
    pub(super) header: Header,
    /// The source began anew with this packet.
    pub(super) restarted: bool,
    /// The packet carries a telephone event: its marker starts the event and is left alone (RFC 4733 §2.5.1.1).
    pub(super) event: bool,
}

/// One packet that is made here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) payload_type: u8,
    pub(super) clock: u32,
    /// How long it lasts, in units of the clock.
    pub(super) units: u32,
    /// Octets of payload.
    pub(super) octets: usize,
}

/// One packet of a telephone event that is made here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// When the event, or its present segment, began.
    pub(super) timestamp: u32,
    /// It is the first of the event.
    pub(super) marker: bool,
}

/// Outgoing RTP state of one leg.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Egress {
    ssrc: u32,
    /// Sequence number of the next packet.
    sequence: u16,
    /// A packet stamped `timestamp` was sent `at`, or would have been.
    timestamp: u32,
    at: Instant,
    feeding: Feeding,
    sent: u64,
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Feeding {
    /// No packet was sent yet.
    Nothing,
    /// The next packet starts a new feed.
    Cut,
    /// Packets of a source, rewritten.
    Source {
        ssrc: u32,
        /// Added to the source's sequence numbers.
        sequence: u16,
        /// Added to the source's timestamps.
        timestamp: u32,
        /// Sequence numbers of the source before this belong to an earlier feed.
        floor: u16,
    },
    /// Frames generated here.
    Generated {
        /// Timestamp of the next.
        next: u32,
        /// Some were left out before it.
        gap: bool,
    },
}

impl Egress {
    /// A new source, or one that goes on from elsewhere.
    pub(super) fn new(now: Instant, rng: &mut Rng, resume: Option<Resume>) -> Self {
        // Drawn either way, so that what a leg resumes does not shift the other draws of its room.
        let fresh = Resume { ssrc: rng.u32(), sequence: (rng.u32() & 0x7fff) as u16, timestamp: rng.u32() };
        let Resume { ssrc, sequence, timestamp } = resume.unwrap_or(fresh);
        Self { ssrc, sequence, timestamp, at: now, feeding: Feeding::Nothing, sent: 0, octets: 0 }
    }

    /// Our synchronisation source.
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Octets of payload sent.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// What a packet sent now would be stamped.
    pub(super) fn timestamp(&self, now: Instant, clock: u32) -> u32 {
        self.timestamp.wrapping_add(units(now, clock).wrapping_sub(units(self.at, clock)))
    }

    /// State to go on with elsewhere.
    pub(super) fn resume(&self, now: Instant, clock: u32) -> Resume {
        Resume { ssrc: self.ssrc, sequence: self.sequence, timestamp: self.start(now, clock) }
    }

    /// The same for another shard, which goes on at this moment: its first packet comes later.
    pub(super) fn handover(&self, now: Instant, clock: u32) -> Resume {
        Resume { ssrc: self.ssrc, sequence: self.sequence, timestamp: self.timestamp(now, clock) }
    }

    /// The next packet starts a new feed.
    pub(super) fn cut(&mut self) {
        if !matches!(self.feeding, Feeding::Nothing) {
            self.feeding = Feeding::Cut;
        }
    }

    /// Rewrites a header for the party; `None` when it is a latecomer of an earlier feed, whose number is taken.
    #[inline]
    pub(super) fn forward(&mut self, now: Instant, clock: u32, octets: usize, feed: &Feed) -> Option<Header> {
        let Header { ssrc, sequence, timestamp, .. } = feed.header;
        let mut header = feed.header;
        match &mut self.feeding {
            Feeding::Source { ssrc: known, sequence: by, timestamp: shift, floor }
                if *known == ssrc && !feed.restarted =>
            {
                if before(sequence, *floor) {
                    return None;
                }
                // The floor follows far behind, so that it is never half the number space away.
                let trail = sequence.wrapping_sub(2 * RTP_MISORDER);
                if before(*floor, trail) {
                    *floor = trail;
                }
                header.sequence = sequence.wrapping_add(*by);
                header.timestamp = timestamp.wrapping_add(*shift);
            }
            _ => {
                header.sequence = self.sequence;
                header.timestamp = self.start(now, clock);
                header.marker |= !feed.event;
                self.feeding = Feeding::Source {
                    ssrc,
                    sequence: header.sequence.wrapping_sub(sequence),
                    timestamp: header.timestamp.wrapping_sub(timestamp),
                    floor: sequence,
                };
            }
        }
        header.ssrc = self.ssrc;
        self.count(now, octets, header);
        Some(header)
    }

    /// The header of a generated packet.
    #[inline]
    pub(super) fn generate(&mut self, now: Instant, made: &Made) -> Header {
        let (timestamp, marker) = match self.feeding {
            Feeding::Generated { next, gap } => (next, gap),
            _ => (self.start(now, made.clock), true),
        };
        let header = self.header(marker, made.payload_type, timestamp);
        self.feeding = Feeding::Generated { next: timestamp.wrapping_add(made.units), gap: false };
        self.count(now, made.octets, header);
        header
    }

    /// The header of a description of noise, in the place of generated audio. The next sound begins a talk spurt
    /// (RFC 3551 §4.1).
    pub(super) fn describe(&mut self, now: Instant, made: &Made) -> Header {
        let timestamp = match self.feeding {
            Feeding::Generated { next, .. } => next,
            _ => self.start(now, made.clock),
        };
        let header = self.header(false, made.payload_type, timestamp);
        self.feeding = Feeding::Generated { next: timestamp.wrapping_add(made.units), gap: true };
        self.count(now, made.octets, header);
        header
    }

    /// Leaves out so many timestamp units of generated audio.
    pub(super) fn skip(&mut self, units: u32) {
        if let Feeding::Generated { next, gap } = &mut self.feeding {
            (*next, *gap) = (next.wrapping_add(units), true);
        }
    }

    /// The timestamp of a telephone event that begins now, where generated audio has come to. Audio is to be skipped
    /// while it lasts.
    pub(super) fn event_begins(&mut self, now: Instant, clock: u32) -> u32 {
        let timestamp = match self.feeding {
            Feeding::Generated { next, .. } => next,
            _ => self.start(now, clock),
        };
        self.feeding = Feeding::Generated { next: timestamp, gap: true };
        timestamp
    }

    /// The header of a packet of a telephone event (RFC 4733 §2.5.1.2).
    pub(super) fn event(&mut self, now: Instant, payload_type: u8, octets: usize, event: Event) -> Header {
        let header = self.header(event.marker, payload_type, event.timestamp);
        self.count(now, octets, header);
        header
    }

    fn header(&self, marker: bool, payload_type: u8, timestamp: u32) -> Header {
        Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    /// The timestamp of the first packet of a feed: time has passed, and at least one frame.
    fn start(&self, now: Instant, clock: u32) -> u32 {
        let passed = units(now, clock).wrapping_sub(units(self.at, clock));
        let least = match self.feeding {
            Feeding::Nothing => 0,
            // The last packet may hold more than a frame.
            Feeding::Generated { next, .. } => next.wrapping_sub(self.timestamp).max(clock / 50),
            Feeding::Cut | Feeding::Source { .. } => clock / 50,
        };
        self.timestamp.wrapping_add(passed.max(least))
    }

    #[inline]
    fn count(&mut self, now: Instant, octets: usize, header: Header) {
        self.sent += 1;
        self.octets += octets as u64;
        let next = header.sequence.wrapping_add(1);
        if before(self.sequence, next) {
            self.sequence = next;
            // Packets of one event share a timestamp: the first of them says when that was.
            if self.timestamp != header.timestamp {
                (self.timestamp, self.at) = (header.timestamp, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Rng, Seed};
    use proptest::prelude::*;

    const MADE: Made = Made { payload_type: 0, clock: 8000, units: 160, octets: 160 };

    fn egress() -> Egress {
        let mut rng = Rng::new(Seed::from_number(1), Purpose::Media);
        Egress::new(
            Instant::ZERO,
            &mut rng,
            Some(Resume { ssrc: 7, sequence: 65_534, timestamp: u32::MAX - 100 }),
        )
    }

    fn feed(ssrc: u32, sequence: u16, timestamp: u32) -> Feed {
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
        Feed { header, restarted: false, event: false }
    }

    #[test]
    fn a_feed_keeps_its_distances() {
        let mut out = egress();
        let mut send = |ms, s, t| {
            let h = out.forward(Instant::from_millis(ms), 8000, 160, &feed(1, s, t)).unwrap();
            (h.sequence, h.timestamp.wrapping_sub(u32::MAX - 100), h.marker)
        };
        assert_eq!(send(0, 500, 9000), (65_534, 0, true));
        assert_eq!(send(20, 501, 9160), (65_535, 160, false));
        assert_eq!(send(40, 504, 9640), (2, 640, false));
        assert_eq!(send(41, 503, 9480), (1, 480, false));
    }

    #[test]
    fn a_new_source_goes_on_where_the_old_one_was() {
        let mut out = egress();
        let mut send = |ms, feed| out.forward(Instant::from_millis(ms), 8000, 160, &feed);
        let first = send(0, feed(1, 10, 0)).unwrap();
        let second = send(60, feed(2, 9999, 123_456)).unwrap();
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(480));
        assert!(second.marker);
        // Its number would be one that the old source used.
        assert_eq!(send(61, feed(2, 9998, 123_296)), None);
        assert_eq!(send(80, feed(2, 10_000, 123_616)).unwrap().sequence, first.sequence.wrapping_add(2));
    }

    #[test]
    fn what_is_forwarded_does_not_begin_within_a_long_packet_of_ours() {
        let mut out = egress();
        let long = Made { units: 480, octets: 480, ..MADE };
        let made = out.generate(Instant::from_millis(60), &long);
        let next = out.forward(Instant::from_millis(80), 8000, 160, &feed(1, 1, 0)).unwrap();
        assert_eq!(next.timestamp.wrapping_sub(made.timestamp), 480);
    }

    #[test]
    fn each_source_begins_anywhere() {
        let mut rng = Rng::new(Seed::from_number(1), Purpose::Media);
        let mut first = || {
            let mut out = Egress::new(Instant::ZERO, &mut rng, None);
            out.generate(Instant::ZERO, &MADE)
        };
        let starts: Vec<Header> = (0..8).map(|_| first()).collect();
        let count = |numbers: Vec<u32>| numbers.into_iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(count(starts.iter().map(|h| h.ssrc).collect()), 8);
        assert_eq!(count(starts.iter().map(|h| u32::from(h.sequence)).collect()), 8);
        assert_eq!(count(starts.iter().map(|h| h.timestamp).collect()), 8);
    }

    #[test]
    fn the_marker_of_an_event_is_its_own() {
        let mut out = egress();
        let event = Feed { event: true, ..feed(1, 1, 1) };
        assert!(!out.forward(Instant::ZERO, 8000, 4, &event).unwrap().marker);
    }

    #[test]
    fn audio_after_an_event_is_stamped_after_it() {
        let mut out = egress();
        let start = out.forward(Instant::ZERO, 8000, 160, &feed(1, 1, 0)).unwrap().timestamp;
        for n in 0..10u16 {
            let at = Instant::from_millis(20 + 20 * u64::from(n));
            out.forward(at, 8000, 4, &Feed { event: true, ..feed(1, 2 + n, 160) });
        }
        out.cut();
        let after = out.forward(Instant::from_millis(220), 8000, 160, &feed(2, 77, 0)).unwrap();
        assert_eq!(after.timestamp.wrapping_sub(start), 220 * 8);
    }

    #[test]
    fn an_event_has_one_time_and_audio_goes_on_behind_it() {
        let mut out = egress();
        let at = |frame: u64| Instant::from_millis(20 * frame);
        let first = out.generate(at(0), &MADE);
        let timestamp = out.event_begins(at(1), 8000);
        assert_eq!(timestamp, first.timestamp.wrapping_add(160));
        let begin = out.event(at(1), 101, 4, Event { timestamp, marker: true });
        assert_eq!((begin.marker, begin.timestamp), (true, timestamp));
        for frame in 1..5 {
            out.skip(160);
            let again = out.event(at(frame), 101, 4, Event { timestamp, marker: false });
            assert_eq!((again.marker, again.timestamp), (false, timestamp));
        }
        let after = out.generate(at(5), &MADE);
        assert_eq!((after.marker, after.timestamp), (true, first.timestamp.wrapping_add(5 * 160)));
        assert_eq!(after.sequence, first.sequence.wrapping_add(6));
    }

    proptest! {
        /// Any mixture of feeds, cuts and tones: sequence numbers leave without a gap or a double as long as each feed
        /// has none, and timestamps of successive packets never go back.
        #[test]
        fn sequence_is_continuous(steps in prop::collection::vec((0..4u8, any::<u16>(), any::<u32>(), 0..100u64), 1..200)) {
            let mut out = egress();
            let mut now = Instant::ZERO;
            let (mut ssrc, mut sequence, mut stamp) = (1, 0u16, 0u32);
            let mut last: Option<Header> = None;
            for (kind, s, t, ms) in steps {
                now += std::time::Duration::from_millis(ms);
                match kind {
                    0 => (ssrc, sequence, stamp) = (ssrc + 1, s, t),
                    1 => out.cut(),
                    _ => {}
                }
                sequence = sequence.wrapping_add(1);
                stamp = stamp.wrapping_add(160);
                let header = if kind == 3 {
                    out.generate(now, &MADE)
                } else {
                    out.forward(now, 8000, 160, &feed(ssrc, sequence, stamp)).unwrap()
                };
                if let Some(last) = last {
                    prop_assert_eq!(header.sequence, last.sequence.wrapping_add(1));
                    prop_assert!(header.timestamp.wrapping_sub(last.timestamp) < 0x8000_0000);
                    prop_assert_eq!(header.ssrc, last.ssrc);
                }
                last = Some(header);
            }
        }
    }
}
