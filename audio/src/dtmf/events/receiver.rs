//! Events to keys.

use std::time::Duration;

use super::super::Digit;
use super::{TelephoneEvent, rescale};

/// Silence after which a key is up though no end was received: packets of an event come every 10 to 60 ms, and three or
/// more may be lost.
const TIMEOUT: Duration = Duration::from_millis(250);
/// The shortest pause between two presses of one key, in milliseconds (Q.24 annex A).
const PAUSE_MS: u32 = 30;
/// How far behind a packet may be and still be a late one, not one of a stream that began anew.
const LATE: u16 = 1000;
/// Units from one segment of a long event to the next (RFC 4733 §2.5.1.3).
const SEGMENT: u32 = 0xffff;
/// A duration may wrap around instead of beginning a segment; from here on a small one means that.
const NEAR_WRAP: u16 = 0xe000;

/// A key begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Received {
    /// A key went down.
    Press {
        /// Which.
        digit: Digit,
        /// Power in -dBm0, 0 to 63.
        volume: u8,
        /// RTP timestamp at which it began, as far as it is known.
        timestamp: u32,
    },
    /// The key last pressed went up.
    Release {
        /// Which.
        digit: Digit,
        /// How long it was down, as far as it is known.
        duration: Duration,
    },
}

/// Receives the events of one stream: each press once, whatever is lost, late or sent again.
///
/// Phones that move the timestamp while a key is down are understood, and those that use one timestamp for several
/// keys.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventReceiver {
    clock: u32,
    /// The clock of timestamps.
    stream: u32,
    sequence: Option<u16>,
    last: Option<Key>,
}

/// The newest event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Key {
    digit: Digit,
    /// When it began.
    origin: u32,
    /// What the last packet said.
    timestamp: u32,
    duration: u16,
    /// Units it has lasted, all segments together.
    total: u32,
    began: Duration,
    heard: Duration,
    down: bool,
}

impl EventReceiver {
    /// For a payload type with this clock rate in hertz.
    pub fn new(clock: u32) -> Self {
        Self { clock: clock.max(1), stream: clock.max(1), sequence: None, last: None }
    }

    /// The same in a stream whose timestamps have another clock rate.
    pub fn in_stream(self, clock: u32) -> Self {
        Self { stream: clock.max(1), ..self }
    }

    /// The clock rates of durations and of timestamps.
    pub fn clocks(&self) -> (u32, u32) {
        (self.clock, self.stream)
    }

    /// The key that is down.
    pub fn pressed(&self) -> Option<Digit> {
        self.last.filter(|key| key.down).map(|key| key.digit)
    }

    /// When [`EventReceiver::tick`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.last.filter(|key| key.down).map(|key| key.heard + TIMEOUT)
    }

    /// Lets the key go when nothing was heard of it for long. Appends what that means.
    pub fn tick(&mut self, now: Duration, out: &mut impl Extend<Received>) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.release(out);
        }
    }

    /// Takes a packet with its RTP sequence number, timestamp and marker bit, and appends what it means. Events that
    /// are no keys are ignored.
    pub fn feed(
        &mut self,
        now: Duration,
        (sequence, timestamp, marker): (u16, u32, bool),
        payload: TelephoneEvent,
        out: &mut impl Extend<Received>,
    ) {
        self.tick(now, out);
        if self.sequence.is_some_and(|last| last.wrapping_sub(sequence) < LATE) {
            return;
        }
        self.sequence = Some(sequence);
        let Some(digit) = Digit::from_code(payload.event) else { return };
        let same =
            self.last.filter(|key| key.digit == digit && self.continues(key, timestamp, marker, payload));
        let key = if let Some(key) = same {
            let segment = self.units(timestamp.wrapping_sub(key.timestamp)) == SEGMENT;
            let total = key.lasted(self.ahead(&key, timestamp), segment, timestamp, payload);
            Key { timestamp, duration: payload.duration, total, ..key }
        } else {
            self.release(out);
            out.extend([Received::Press { digit, volume: payload.volume & 63, timestamp }]);
            let (duration, total) = (payload.duration, u32::from(payload.duration));
            Key { digit, origin: timestamp, timestamp, duration, total, began: now, heard: now, down: true }
        };
        self.last = Some(Key { heard: now, ..key });
        if payload.end {
            self.release(out);
        }
    }

    /// The stream begins anew, from another source. The key that is down goes up.
    pub fn restart(&mut self, out: &mut impl Extend<Received>) {
        self.release(out);
        (self.sequence, self.last) = (None, None);
    }

    fn release(&mut self, out: &mut impl Extend<Received>) {
        if let Some(key) = self.last.as_mut().filter(|key| key.down) {
            key.down = false;
            let told = Duration::from_nanos(u64::from(key.total) * 1_000_000_000 / u64::from(self.clock));
            let duration = if key.total > 0 { told } else { key.heard.saturating_sub(key.began) };
            out.extend([Received::Release { digit: key.digit, duration }]);
        }
    }

    /// Units of the timestamps as units of durations.
    fn units(&self, stamps: u32) -> u32 {
        rescale(stamps, self.stream, self.clock)
    }

    /// How far a timestamp is ahead of a key's beginning.
    fn ahead(&self, key: &Key, timestamp: u32) -> u32 {
        self.units(timestamp.wrapping_sub(key.origin))
    }

    /// Whether a packet newer than all others belongs to the newest event, which has the same code.
    fn continues(&self, key: &Key, timestamp: u32, marker: bool, payload: TelephoneEvent) -> bool {
        if timestamp == key.timestamp {
            // An end may come again at any time. After it, or with less than there was, one timestamp serves twice.
            let less = payload.duration < key.duration && key.duration < NEAR_WRAP;
            return payload.end || !less && (key.down || !marker);
        }
        let moved = self.units(timestamp.wrapping_sub(key.timestamp));
        if key.down && moved == SEGMENT {
            return true;
        }
        if timestamp.wrapping_sub(key.origin).cast_signed() < 0 {
            return false;
        }
        let ahead = self.ahead(key, timestamp);
        // Another press of the key cannot begin before this one is over and the pause has passed, unless it says so.
        let pause = u64::from(self.clock) * u64::from(PAUSE_MS) / 1000;
        let lasted = key.total.max(self.ahead(key, key.timestamp));
        if u64::from(ahead) < u64::from(lasted) + pause {
            return key.down || !marker || ahead < key.total;
        }
        // Packets were lost, and the timestamp moves as much as the duration grows: it is one that moves.
        key.down && !marker && payload.duration.checked_sub(key.duration).map(u32::from) == Some(moved)
    }
}

impl Key {
    /// Units it has lasted, by a packet that continues it, whose timestamp is so far ahead of its beginning,
    /// and which may begin a segment.
    fn lasted(&self, ahead: u32, segment: bool, timestamp: u32, payload: TelephoneEvent) -> u32 {
        let duration = u32::from(payload.duration);
        let now = if !self.down {
            self.total
        } else if timestamp == self.timestamp && payload.duration < self.duration && !payload.end {
            // Wrapped around: the timestamp stays for ever, so it is known only that it is longer.
            self.total.saturating_add(duration)
        } else if timestamp == self.timestamp || segment {
            ahead.saturating_add(duration)
        } else {
            // A timestamp that moves while the duration grows, or does not.
            duration.max(ahead)
        };
        now.max(self.total)
    }
}
