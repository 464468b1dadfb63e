//! Keys pressed into a leg, one after the other: as telephone events (RFC 4733) or as tones. Here is said which key and
//! how long; what a key is in packets or in sound is known to `telex_audio`.

use std::collections::VecDeque;

use smallvec::SmallVec;
use telex_audio::dtmf::events::EventSender;
use telex_audio::dtmf::{Convention, Digit, Generator};

use super::egress::{Egress, Event};
use super::ring::FRAME_MS;
use crate::limits::{DIGIT_LONGEST, KEYS_WAITING};
use crate::rtp::TelephoneEvent;
use crate::time::Instant;

/// Milliseconds that a key is held when nobody says how long.
const USUAL_MS: u32 = 100;
/// Milliseconds without a key after each event.
const GAP_MS: u32 = 60;
/// Milliseconds that an event lasts at least.
const EVENTS: Convention = Convention { on: 60, off: GAP_MS as u16, ..Convention::COMMON };
/// Milliseconds of a pause when nobody says how long.
const PAUSE_MS: u32 = 500;
/// Power of the events that we send: -10 dBm0.
const VOLUME: u8 = 10;

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
    line: Line,
}

/// What keys are pressed on.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Line {
    #[default]
    Nothing,
    Events(EventSender),
    /// Tones at this rate.
    Tones(u32, Generator),
}

impl Line {
    /// Whether a key is down on it, or was up only for a moment.
    fn is_busy(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Events(sender) => sender.busy(),
            Self::Tones(_, generator) => generator.busy(),
        }
    }

    fn press(&mut self, digit: Digit) {
        // It waits for nothing: there is room.
        let _ = match self {
            Self::Nothing => Ok(()),
            Self::Events(sender) => sender.press(digit, VOLUME),
            Self::Tones(_, generator) => generator.press(digit),
        };
    }

    fn release_after(&mut self, ms: u32) {
        match self {
            Self::Nothing => {}
            Self::Events(sender) => sender.release_after(ms),
            Self::Tones(_, generator) => generator.release_after(ms),
        }
    }
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
    /// How long it had been held when it went down on the line there is now.
    before: Option<u32>,
}

impl Down {
    /// Holds it on the line for a frame more. Of one that somebody holds for too long no end may ever be heard.
    fn hold(&mut self, line: &mut Line) {
        let before = *self.before.get_or_insert_with(|| {
            line.press(self.digit);
            self.held
        });
        self.held = self.held.saturating_add(FRAME_MS as u32);
        if u128::from(self.held) >= DIGIT_LONGEST.as_millis() {
            self.ms.get_or_insert(self.held);
        }
        if let Some(ms) = self.ms {
            line.release_after(ms.saturating_sub(before));
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
        !self.waiting.is_empty() || self.down.is_some() || self.gap > 0 || self.line.is_busy()
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
        if self.down.is_some() || self.gap > 0 || self.line.is_busy() {
            return;
        }
        let Some(Wanted { digit, ms }) = self.waiting.pop_front() else { return };
        match digit {
            Some(digit) => self.down = Some(Down { digit, ms, held: 0, before: None }),
            None => self.gap = ms.unwrap_or(PAUSE_MS),
        }
    }

    /// Another line takes the place of the one there is. A key that is down goes on there.
    fn change(&mut self, line: Line) -> &mut Line {
        self.line = line;
        if let Some(down) = &mut self.down {
            down.before = None;
        }
        &mut self.line
    }

    /// Spends a frame with events of clock `clock`, in a stream of clock `stream`. `send` sends a packet of them.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        (clock, stream): (u32, u32),
        egress: &mut Egress,
        mut send: impl FnMut(&mut Egress, Event, [u8; TelephoneEvent::OCTETS]),
    ) -> Sound {
        self.begin();
        if self.down.is_none() {
            self.gap = self.gap.saturating_sub(FRAME_MS as u32);
            return Sound::Heard;
        }
        if !matches!(&self.line, Line::Events(sender) if sender.clocks() == (clock, stream)) {
            self.change(Line::Events(EventSender::new(clock, EVENTS).in_stream(stream)));
        }
        let (Some(down), line) = (&mut self.down, &mut self.line) else { return Sound::Heard };
        down.hold(line);
        let Line::Events(sender) = line else { return Sound::Heard };
        let units = u64::from(clock) * FRAME_MS / 1000;
        let mut packets = SmallVec::<[_; 2]>::new();
        sender.tick(egress.event_begins(now, stream), u32::try_from(units).unwrap_or(0), &mut packets);
        for packet in packets {
            let event = Event { timestamp: packet.timestamp, marker: packet.marker };
            send(egress, event, packet.payload.to_bytes());
        }
        if !sender.busy() {
            self.down = None;
            self.gap = GAP_MS;
        }
        Sound::LeftOut
    }

    /// Spends a frame with tones, which take the place of what is in `pcm`.
    pub(super) fn sound(&mut self, rate: u32, pcm: &mut [i16]) {
        self.begin();
        if !matches!(self.line, Line::Tones(made, _) if made == rate) {
            self.change(Line::Tones(rate, Generator::new(rate, Convention::COMMON)));
        }
        match &mut self.down {
            Some(down) => down.hold(&mut self.line),
            None => self.gap = self.gap.saturating_sub(FRAME_MS as u32),
        }
        if let Line::Tones(_, generator) = &mut self.line
            && generator.busy()
        {
            generator.fill(pcm);
        }
        if !self.line.is_busy() {
            self.down = None;
        }
    }
}
