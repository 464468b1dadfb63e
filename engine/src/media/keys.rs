//! Keys in a room: heard from one leg, told to signalling, pressed into another.

use std::net::SocketAddr;

use telex_audio::dtmf::{Digit, Event};

use super::LegKey;
use super::dialer::{Sound, Way};
use super::ear::TONE_RATE;
use super::keypad::Key;
use super::leg::Leg;
use super::out::PacketArena;
use crate::mediactl::{DigitHeard, DigitWay, MediaReport};
use crate::slots::Slots;
use crate::time::Instant;

impl Leg {
    /// How keys reach the party; `None` when they do not.
    pub(super) fn way(&self) -> Option<Way> {
        match self.spec.digits.way {
            DigitWay::Events => self.spec.events.map(|e| Way::Events { number: e.number, clock: e.clock }),
            DigitWay::Tones => (self.ear_rate() > 0).then_some(Way::Tones),
            DigitWay::Nothing => None,
        }
    }

    /// Whether keys are being pressed into it.
    pub(super) fn is_dialing(&self) -> bool {
        self.dialer.as_ref().is_some_and(|dialer| dialer.is_busy())
    }

    /// Presses the keys of its specification that are new, as far as there is room for them.
    pub(super) fn take_presses(&mut self, reports: &mut Vec<MediaReport>) {
        let presses = &self.spec.presses;
        self.next_press = self.next_press.max(presses.first);
        let (way, target) = (self.way(), self.target());
        while let Some(press) = presses.keys.get((self.next_press - presses.first) as usize) {
            if way.is_some() && target.is_some() {
                let dialer = self.dialer.get_or_insert_default();
                if !dialer.has_room() {
                    return;
                }
                dialer.dial(Digit::from_char(press.digit), press.ms.into());
            }
            self.next_press = self.next_press.saturating_add(1);
        }
        if self.told_press < self.next_press && !self.is_dialing() {
            self.told_press = self.next_press;
            reports.push(MediaReport::Pressed { leg: self.id, rev: self.rev, next: self.next_press });
        }
    }

    /// Does what is to be done after a frame: keys that wait, and telling what has come to its end.
    pub(super) fn conclude(&mut self, reports: &mut Vec<MediaReport>) {
        if let Some(player) = &mut self.player {
            let (leg, rev) = (self.id, self.rev);
            reports.extend(player.missing().map(|name| MediaReport::NoSound { leg, rev, name }));
            if let Some(number) = player.has_ended() {
                reports.push(MediaReport::Played { leg, rev, number });
                self.ended = true;
            }
        }
        if self.dialer.is_some() {
            self.take_presses(reports);
            if !self.is_dialing() {
                (self.dialer, self.ended) = (None, true);
            }
        }
    }

    /// Sends the packet of this frame, when a key is pressed as an event.
    pub(super) fn send_events(&mut self, now: Instant, remote: SocketAddr, out: &mut PacketArena) -> Sound {
        let (clock, way) = (self.clock(), self.way());
        let (Some(dialer), Some(Way::Events { number, clock: ticks })) = (&mut self.dialer, way) else {
            return Sound::Heard;
        };
        if !dialer.is_busy() {
            return Sound::Heard;
        }
        if dialer.takes_line()
            && let Some(outlet) = &mut self.outlet
        {
            self.egress.skip(outlet.forget());
        }
        let port = self.spec.port.0;
        let sound = dialer.frame(now, (ticks, clock), &mut self.egress, |egress, event, payload| {
            let header = egress.event(now, number, payload.len(), event);
            out.push(port, remote, &header.to_bytes(), &payload);
        });
        if sound == Sound::LeftOut {
            self.egress.skip(clock / 50);
        }
        sound
    }

    /// Tells what its party pressed.
    fn tell(&self, key: Key, how: DigitHeard, reports: &mut Vec<MediaReport>) {
        if let (Key::Up { digit, ms }, true) = (key, self.spec.digits.report) {
            let (leg, rev, digit) = (self.id, self.rev, digit.key());
            reports.push(MediaReport::Digit { leg, rev, digit, duration_ms: ms, how });
        }
    }

    /// The other party presses a key. Nothing of it comes through while something is played in its place.
    fn press(&mut self, key: Key) {
        let drowned = self.has_to_play() && self.spec.playing.as_ref().is_some_and(|play| !play.over);
        match key {
            Key::Down { .. } if drowned || self.way().is_none() || self.target().is_none() => {}
            Key::Down { digit } => self.dialer.get_or_insert_default().press(digit),
            // It may have gone down before the party was put on hold.
            Key::Up { ms, .. } => {
                if let Some(dialer) = &mut self.dialer {
                    dialer.release(ms);
                }
            }
        }
    }
}

/// A key heard as an event: told, and pressed into the leg that hears it unless the packets go there as they are. True
/// when that leg has something new to do.
pub(super) fn heard_as_event(
    legs: &mut Slots<LegKey, Leg>,
    at: LegKey,
    key: Key,
    reports: &mut Vec<MediaReport>,
) -> bool {
    let Some(leg) = legs.get(at) else { return false };
    leg.tell(key, DigitHeard::Event, reports);
    // It may have gone down before it was to be kept.
    let kept = leg.spec.digits.keep && matches!(key, Key::Down { .. });
    let listener = leg.listener.of(at).filter(|_| leg.keypad.translated && !kept);
    listener.and_then(|l| legs.get_mut(l)).is_some_and(|listener| {
        let busy = listener.is_dialing();
        listener.press(key);
        listener.is_dialing() != busy
    })
}

/// Keys heard as tones, the same way. A party that sends events needs no ear for tones: they would be heard twice.
pub(super) fn heard_as_tones(
    legs: &mut Slots<LegKey, Leg>,
    at: LegKey,
    events: &mut Vec<Event>,
    reports: &mut Vec<MediaReport>,
) -> bool {
    let mut news = false;
    for event in events.drain(..) {
        let key = match event {
            Event::Press { digit, .. } => Key::Down { digit },
            Event::Release { digit, duration } => {
                let ms = duration.saturating_mul(1000) / u64::from(TONE_RATE);
                Key::Up { digit, ms: u32::try_from(ms).unwrap_or(u32::MAX) }
            }
        };
        let Some(leg) = legs.get(at).filter(|leg| !leg.keypad.is_used()) else { continue };
        leg.tell(key, DigitHeard::InBand, reports);
        let listener = leg.listener.of(at).and_then(|l| Some((l, legs.get(l)?)));
        // It may have gone down before something else was wanted.
        let up = matches!(key, Key::Up { .. });
        if leg.spec.digits.keep && !up {
            continue;
        }
        if let Some((listener, _)) = listener.filter(|(_, l)| up || leg.hides_tones_from(l))
            && let Some(listener) = legs.get_mut(listener)
        {
            let busy = listener.is_dialing();
            listener.press(key);
            news |= listener.is_dialing() != busy;
        }
    }
    news
}

/// The party presses nothing any more: what was down goes up.
pub(super) fn let_go(legs: &mut Slots<LegKey, Leg>, at: LegKey, reports: &mut Vec<MediaReport>) {
    let Some(leg) = legs.get_mut(at) else { return };
    let (up, mut events) = (leg.keypad.restart(), Vec::new());
    if let Some(tones) = &mut leg.tones {
        tones.end(&mut events);
    }
    if let Some(up) = up {
        heard_as_event(legs, at, up, reports);
    }
    heard_as_tones(legs, at, &mut events, reports);
}
