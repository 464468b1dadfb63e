//! Keys to events.

use std::collections::VecDeque;

use super::super::{Convention, Digit, Full};
use super::{TelephoneEvent, rescale};

/// Keys that wait at most.
const QUEUE: usize = 64;
/// How often the end of an event is sent (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// The longest segment (RFC 4733 §2.5.1.3).
const SEGMENT: u32 = 0xffff;

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its payload.
    pub payload: TelephoneEvent,
    /// Its RTP timestamp: when its segment began.
    pub timestamp: u32,
    /// Its marker bit: the first packet of an event.
    pub marker: bool,
}

/// Sends keys as events, one after the other.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventSender {
    clock: u32,
    /// The clock of timestamps.
    stream: u32,
    convention: Convention,
    waiting: VecDeque<Key>,
    sending: Option<Sending>,
    /// Units until the next key may begin.
    pause: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Key {
    digit: Digit,
    volume: u8,
    /// Unknown while the key is down.
    length: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Sending {
    key: Key,
    /// When it began.
    start: u32,
    /// Units that have passed since, those before its present segment, and those told of so far, all segments together.
    passed: u32,
    segment: u32,
    told: u32,
    begun: bool,
    ends: u8,
}

impl EventSender {
    /// For a payload type with this clock rate in hertz. Of the convention only the times matter.
    pub fn new(clock: u32, convention: Convention) -> Self {
        let clock = clock.max(1);
        Self { clock, stream: clock, convention, waiting: VecDeque::new(), sending: None, pause: 0 }
    }

    /// The same in a stream whose timestamps have another clock rate.
    pub fn in_stream(self, clock: u32) -> Self {
        Self { stream: clock.max(1), ..self }
    }

    /// The clock rates of durations and of timestamps.
    pub fn clocks(&self) -> (u32, u32) {
        (self.clock, self.stream)
    }

    /// Sends a digit of so many milliseconds, or as long as the convention says when that is longer, after those that
    /// wait; `volume` is in -dBm0, 0 to 63.
    ///
    /// # Errors
    /// When too many wait.
    pub fn dial(&mut self, digit: Digit, volume: u8, milliseconds: u32) -> Result<(), Full> {
        let length = self.units(milliseconds.max(u32::from(self.convention.on)));
        self.push(Key { digit, volume, length: Some(length) })
    }

    /// The key goes down, after those that wait, until [`EventSender::release`]; `volume` is in -dBm0, 0 to 63.
    ///
    /// # Errors
    /// When too many wait.
    pub fn press(&mut self, digit: Digit, volume: u8) -> Result<(), Full> {
        self.release();
        self.push(Key { digit, volume, length: None })
    }

    /// The key that is down goes up. It lasts as long as the convention says at least.
    pub fn release(&mut self) {
        self.release_after(0);
    }

    /// The key that is down goes up when it has lasted so many milliseconds in all; at once when that is over.
    pub fn release_after(&mut self, milliseconds: u32) {
        let length = self.units(milliseconds.max(u32::from(self.convention.on)));
        for key in &mut self.waiting {
            key.length.get_or_insert(length);
        }
        if let Some(sending) = &mut self.sending {
            sending.key.length.get_or_insert(length.max(sending.told));
        }
    }

    /// Whether a key is sent or waits: no sound is to be sent instead (RFC 4733 §2.5.1.1 allows it; receivers would
    /// hear the key twice).
    pub fn busy(&self) -> bool {
        self.sending.is_some() || !self.waiting.is_empty()
    }

    /// Appends what is to be sent now: one packet, or two where a segment ends. To be called once per packet interval,
    /// with the timestamp that a packet of sound would have now and the units of the interval, by the clock of the
    /// events.
    pub fn tick(&mut self, timestamp: u32, interval: u32, out: &mut impl Extend<Outgoing>) {
        if self.sending.is_none() && !self.begin(timestamp, interval) {
            return;
        }
        let stream = (self.clock, self.stream);
        let Some(sending) = &mut self.sending else { return };
        sending.passed = sending.passed.saturating_add(interval);
        let over = sending.key.length.is_some_and(|length| sending.passed >= length);
        sending.told = sending.passed.min(sending.key.length.unwrap_or(sending.passed));
        if sending.told.saturating_sub(sending.segment) > SEGMENT {
            out.extend([sending.packet(stream, SEGMENT as u16, false)]);
            sending.segment = sending.segment.saturating_add(SEGMENT);
        }
        let in_segment = sending.told.saturating_sub(sending.segment);
        out.extend([sending.packet(stream, in_segment.min(SEGMENT) as u16, over)]);
        if over {
            sending.ends = sending.ends.saturating_add(1);
            if sending.ends >= ENDS {
                let (told, passed) = (sending.told, sending.passed);
                let end = told.saturating_add(self.units(u32::from(self.convention.off)));
                self.pause = end.saturating_sub(passed);
                self.sending = None;
            }
        }
    }

    fn begin(&mut self, start: u32, interval: u32) -> bool {
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(interval.max(1));
            return false;
        }
        let Some(key) = self.waiting.pop_front() else { return false };
        self.sending = Some(Sending { key, start, passed: 0, segment: 0, told: 0, begun: false, ends: 0 });
        true
    }

    fn push(&mut self, key: Key) -> Result<(), Full> {
        if self.waiting.len() >= QUEUE {
            return Err(Full);
        }
        self.waiting.push_back(key);
        Ok(())
    }

    fn units(&self, milliseconds: u32) -> u32 {
        let units = u64::from(self.clock) * u64::from(milliseconds) / 1000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}

impl Sending {
    fn packet(&mut self, (clock, stream): (u32, u32), duration: u16, end: bool) -> Outgoing {
        let marker = !self.begun;
        self.begun = true;
        let Key { digit, volume, .. } = self.key;
        let payload = TelephoneEvent { event: digit.code(), end, volume: volume.min(63), duration };
        let timestamp = self.start.wrapping_add(rescale(self.segment, clock, stream));
        Outgoing { payload, timestamp, marker }
    }
}
