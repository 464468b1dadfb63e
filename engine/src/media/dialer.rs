//! Keys pressed into a leg, one after the other: as telephone events (RFC 4733) or as tones.

use std::collections::VecDeque;

use telex_audio::dtmf::{Convention, Digit, Generator};

use super::egress::{Egress, Made};
use super::ring::FRAME_MS;
use crate::limits::{DIGIT_LONGEST, KEYS_WAITING};
use crate::rtp::{Header, TelephoneEvent};
use crate::time::Instant;

/// Milliseconds that a key is held when nobody says how long, and at least.
const USUAL_MS: u32 = 100;
const LEAST_MS: u32 = 60;
/// Milliseconds without a key after each.
const GAP_MS: u32 = 60;
/// Milliseconds of a pause when nobody says how long.
const PAUSE_MS: u32 = 500;
/// The last packet of an event is sent so often (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// Power of the events that we send: -10 dBm0.
const VOLUME: u8 = 10;
/// The longest duration that a packet can tell.
const SEGMENT: u64 = 0xffff;

/// How keys reach the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In packets of this payload type and clock.
    Events { number: u8, clock: u32 },
    /// As tones.
    Tones,
}

/// Keys pressed into one leg.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Dialer {
    waiting: VecDeque<Wanted>,
    down: Option<Down>,
    /// Milliseconds until the next key may go down.
    gap: u32,
    /// Makes tones at this rate.
    generator: Option<(u32, Generator)>,
}

/// A key to press, or `None` for a pause.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Wanted {
    digit: Option<Digit>,
    /// Milliseconds to hold it; unknown while somebody holds it.
    ms: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Down {
    digit: Digit,
    ms: Option<u32>,
    held: u32,
    /// Timestamp of the event and when it began, once a packet of it was sent.
    timestamp: Option<u32>,
    ends: u8,
}

impl Down {
    /// Holds it for a frame more. Of one that somebody holds for too long no end may ever be heard.
    fn hold(&mut self) {
        self.held = self.held.saturating_add(FRAME_MS as u32);
        if u128::from(self.held) >= DIGIT_LONGEST.as_millis() {
            self.ms.get_or_insert(self.held);
        }
    }
}

/// What a frame of pressing keys means for the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// It is to be heard.
    Heard,
    /// A key is down: it is to be left out.
    LeftOut,
}

impl Dialer {
    /// Whether keys are down or wait.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.down.is_some() || self.gap > 0 || self.is_sounding()
    }

    fn is_sounding(&self) -> bool {
        self.generator.as_ref().is_some_and(|(_, generator)| generator.busy())
    }

    /// Whether another key is taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < KEYS_WAITING
    }

    /// Presses a key for so many milliseconds, 0 for the usual; a pause when it is none. Too many are not taken.
    pub(super) fn dial(&mut self, digit: Option<Digit>, ms: u32) {
        let usual = if digit.is_some() { USUAL_MS } else { PAUSE_MS };
        let ms = Some(if ms == 0 { usual } else { ms });
        if self.has_room() {
            self.waiting.push_back(Wanted { digit, ms });
        }
    }

    /// A key goes down somewhere else, and here as soon as may be.
    pub(super) fn press(&mut self, digit: Digit) {
        if self.has_room() {
            self.waiting.push_back(Wanted { digit: Some(digit), ms: None });
        }
    }

    /// The key that somebody holds was held for so long.
    pub(super) fn release(&mut self, ms: u32) {
        let held = |ms: &&mut Option<u32>| ms.is_none();
        let waiting = self.waiting.iter_mut().map(|wanted| &mut wanted.ms).rfind(held);
        let down = self.down.as_mut().map(|down| &mut down.ms).filter(held);
        if let Some(unknown) = waiting.or(down) {
            *unknown = Some(ms);
        }
    }

    /// Whether a key is down, or goes down now.
    pub(super) fn takes_line(&mut self) -> bool {
        self.begin();
        self.down.is_some()
    }

    /// Whether a key is down.
    pub(super) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// The next key goes down when nothing is in its way.
    fn begin(&mut self) {
        if self.down.is_some() || self.gap > 0 || self.is_sounding() {
            return;
        }
        let Some(Wanted { digit, ms }) = self.waiting.pop_front() else { return };
        match digit {
            Some(digit) => self.down = Some(Down { digit, ms, held: 0, timestamp: None, ends: 0 }),
            None => self.gap = ms.unwrap_or(PAUSE_MS),
        }
    }

    /// Spends a frame. `send` sends a packet of telephone events.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        (number, clock): (u8, u32),
        egress: &mut Egress,
        send: impl FnOnce(Header, [u8; TelephoneEvent::OCTETS]),
    ) -> Sound {
        self.begin();
        let Some(down) = &mut self.down else {
            self.gap = self.gap.saturating_sub(FRAME_MS as u32);
            return Sound::Heard;
        };
        if down.ends == 0 {
            down.hold();
        }
        let least = down.ms.map(|ms| ms.max(LEAST_MS));
        let ms = least.filter(|&ms| ms <= down.held);
        let total = u64::from(ms.unwrap_or(down.held)) * u64::from(clock) / 1000;
        // What does not fit into one event is told in several that follow each other (§2.5.1.3).
        let before = total.saturating_sub(1) / SEGMENT * SEGMENT;
        let duration = u16::try_from(total - before).unwrap_or(u16::MAX);
        let event = TelephoneEvent { event: down.digit.code(), end: ms.is_some(), volume: VOLUME, duration };
        let made = Made { payload_type: number, clock, units: 0, octets: TelephoneEvent::OCTETS };
        let header = match down.timestamp {
            None => egress.begin_event(now, &made),
            Some(at) => {
                let at = at.wrapping_add((before & 0xffff_ffff) as u32);
                egress.go_on_with_event(now, &made, at)
            }
        };
        down.timestamp.get_or_insert(header.timestamp);
        down.ends += u8::from(event.end);
        if down.ends >= ENDS {
            self.down = None;
            self.gap = GAP_MS;
        }
        send(header, event.to_bytes());
        Sound::LeftOut
    }

    /// Spends a frame with tones, which take the place of what is in `pcm`.
    pub(super) fn sound(&mut self, rate: u32, pcm: &mut [i16]) {
        self.begin();
        if self.generator.as_ref().is_some_and(|(made, _)| *made != rate) {
            self.generator = None;
        }
        let make = || (rate, Generator::new(rate, Convention::COMMON));
        let (_, generator) = self.generator.get_or_insert_with(make);
        if let Some(down) = &mut self.down {
            if down.held == 0 {
                // It waits for nothing: there is room.
                let _ = generator.press(down.digit);
            }
            down.hold();
            if down.ms.is_some_and(|ms| ms.max(LEAST_MS) <= down.held) {
                generator.release();
                self.down = None;
            }
        } else {
            self.gap = self.gap.saturating_sub(FRAME_MS as u32);
        }
        if generator.busy() {
            generator.fill(pcm);
        }
    }
}
