//! Keys to events.

use std::collections::VecDeque;

use super::super::{Convention, Digit, Full};
use super::EventPayload;

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
    pub payload: EventPayload,
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
    convention: Convention,
    waiting: VecDeque<Key>,
    sending: Option<Sending>,
    /// Timestamp before which no key may begin.
    pause_until: Option<u32>,
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
    /// When the event and its present segment began.
    start: u32,
    segment: u32,
    /// Units told of so far, all segments together.
    told: u32,
    begun: bool,
    ends: u8,
}

impl EventSender {
    /// For a payload type with this clock rate in hertz. Of the convention only the times matter.
    pub fn new(clock: u32, convention: Convention) -> Self {
        Self { clock, convention, waiting: VecDeque::new(), sending: None, pause_until: None }
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
        let least = self.units(u32::from(self.convention.on));
        for key in &mut self.waiting {
            key.length.get_or_insert(least);
        }
        if let Some(sending) = &mut self.sending {
            sending.key.length.get_or_insert(least.max(sending.told));
        }
    }

    /// Whether a key is sent or waits: no sound is to be sent instead (RFC 4733 §2.5.1.1 allows it; receivers would
    /// hear the key twice).
    pub fn busy(&self) -> bool {
        self.sending.is_some() || !self.waiting.is_empty()
    }

    /// Appends what is to be sent now: one packet, or two where a segment ends. To be called once per packet interval,
    /// with the timestamp that a packet of sound would have now and the units of the interval.
    pub fn tick(&mut self, timestamp: u32, interval: u32, out: &mut Vec<Outgoing>) {
        if self.sending.is_none() && !self.begin(timestamp) {
            return;
        }
        let Some(sending) = &mut self.sending else { return };
        let passed = timestamp.wrapping_sub(sending.start).saturating_add(interval).max(sending.told);
        let over = sending.key.length.is_some_and(|length| passed >= length);
        sending.told = passed.min(sending.key.length.unwrap_or(passed));
        if sending.told.saturating_sub(sending.segment.wrapping_sub(sending.start)) > SEGMENT {
            out.push(sending.packet(SEGMENT as u16, false));
            sending.segment = sending.segment.wrapping_add(SEGMENT);
        }
        let in_segment = sending.told.saturating_sub(sending.segment.wrapping_sub(sending.start));
        out.push(sending.packet(in_segment.min(SEGMENT) as u16, over));
        if over {
            sending.ends = sending.ends.saturating_add(1);
            if sending.ends >= ENDS {
                let end = sending.start.wrapping_add(sending.told);
                self.pause_until = Some(end.wrapping_add(self.units(u32::from(self.convention.off))));
                self.sending = None;
            }
        }
    }

    fn begin(&mut self, timestamp: u32) -> bool {
        // What is further away than a pause is a timestamp that jumped.
        let pause = self.units(u32::from(self.convention.off));
        if self.pause_until.is_some_and(|until| (1..=pause).contains(&until.wrapping_sub(timestamp))) {
            return false;
        }
        self.pause_until = None;
        let Some(key) = self.waiting.pop_front() else { return false };
        let (start, segment) = (timestamp, timestamp);
        self.sending = Some(Sending { key, start, segment, told: 0, begun: false, ends: 0 });
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
    fn packet(&mut self, duration: u16, end: bool) -> Outgoing {
        let marker = !self.begun;
        self.begun = true;
        let Key { digit, volume, .. } = self.key;
        let payload = EventPayload { event: digit.code(), end, volume: volume.min(63), duration };
        Outgoing { payload, timestamp: self.segment, marker }
    }
}
