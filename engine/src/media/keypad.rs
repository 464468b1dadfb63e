//! Keys that a party presses, as telephone events (RFC 4733): each press once, whatever is lost, repeated or wrong.
//!
//! All packets of a press have the timestamp of its beginning and the duration so far. Phones err: some move the
//! timestamp along with the duration, some forget the marker, and the network loses packets, often those at the end. So
//! a packet belongs to the press that is known when it has its timestamp, or when it goes on where that one was; a
//! press of which nothing more is heard is over.

use smallvec::SmallVec;
use telex_audio::dtmf::Digit;

use crate::limits::KEY_SILENCE;
use crate::rtp::{Header, TelephoneEvent};
use crate::time::{Duration, Instant};

/// A key goes down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Down { digit: Digit },
    Up { digit: Digit, ms: u32 },
}

/// What one packet may tell: the end of one press, and all of another.
pub(super) type Keys = SmallVec<[Key; 3]>;

/// Packets of one press are at most so far apart.
const APART: Duration = Duration::from_millis(100);
/// The longest duration that a packet can tell (RFC 4733 §2.3.5). A longer press goes on as another event that begins
/// there (§2.5.1.3).
const SEGMENT: u32 = 0xffff;

/// What one party presses.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Keypad {
    press: Option<Press>,
    used: bool,
    /// The press that is known is made anew for the listener instead of being forwarded.
    pub(super) translated: bool,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Press {
    digit: Digit,
    timestamp: u32,
    clock: u32,
    /// Duration of the present segment, in units of the clock, and of those before.
    units: u32,
    before: u32,
    began: Instant,
    last: Instant,
    ended: bool,
}

impl Press {
    fn up(&self) -> Key {
        let told = (u64::from(self.before) + u64::from(self.units)) * 1000 / u64::from(self.clock.max(1));
        let watched = u64::try_from(self.last.since(self.began).as_millis()).unwrap_or(u64::MAX);
        let ms = if told == 0 { watched } else { told };
        Key::Up { digit: self.digit, ms: u32::try_from(ms).unwrap_or(u32::MAX) }
    }

    /// Whether a packet of another timestamp belongs to it all the same.
    fn goes_on_with(&self, now: Instant, header: &Header, event: TelephoneEvent) -> bool {
        let units = u32::from(event.duration);
        let near = now.since(self.last) < APART && !header.marker;
        let next_segment = header.timestamp == self.timestamp.wrapping_add(SEGMENT) && units < self.units;
        // The timestamp moves though it should not.
        let moved = units >= self.units && near && (!self.ended || event.end);
        (next_segment && !self.ended) || moved
    }
}

impl Keypad {
    /// Whether the party presses keys that way.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Takes a packet of telephone events.
    pub(super) fn hear(&mut self, now: Instant, header: &Header, clock: u32, payload: &[u8]) -> Keys {
        let mut keys = Keys::new();
        let Some(event) = TelephoneEvent::parse(payload) else { return keys };
        let Some(digit) = Digit::from_code(event.event) else { return keys };
        self.used = true;
        let units = u32::from(event.duration);
        if let Some(press) = &mut self.press {
            let same = press.timestamp == header.timestamp || press.goes_on_with(now, header, event);
            let earlier = press.timestamp.wrapping_sub(header.timestamp) < 1 << 31;
            if press.digit == digit && same {
                if press.timestamp != header.timestamp && units < press.units {
                    press.before += SEGMENT;
                    press.units = 0;
                }
                press.timestamp = header.timestamp;
                press.units = press.units.max(units);
                press.last = now;
                if event.end && !press.ended {
                    press.ended = true;
                    keys.push(press.up());
                }
                return keys;
            }
            if same || earlier {
                // A latecomer of a press before, or nonsense.
                return keys;
            }
            if !press.ended {
                keys.push(press.up());
            }
        }
        let press = Press {
            digit,
            timestamp: header.timestamp,
            clock,
            units,
            before: 0,
            began: now,
            last: now,
            ended: event.end,
        };
        keys.push(Key::Down { digit });
        if event.end {
            keys.push(press.up());
        }
        self.press = Some(press);
        keys
    }

    /// The source begins anew: its timestamps mean something else from now on. What was down is up.
    pub(super) fn restart(&mut self) -> Option<Key> {
        let press = self.press.as_mut().filter(|press| !press.ended)?;
        press.ended = true;
        let up = press.up();
        // Nothing that comes is earlier than it, and nothing belongs to it.
        self.press = None;
        Some(up)
    }

    /// When the press that is known is over if nothing more is heard of it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.press.as_ref().filter(|press| !press.ended).map(|press| press.last + KEY_SILENCE)
    }

    /// Ends a press of which nothing is heard any more.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Key> {
        self.deadline().filter(|&at| at <= now)?;
        let press = self.press.as_mut()?;
        press.ended = true;
        Some(press.up())
    }
}
