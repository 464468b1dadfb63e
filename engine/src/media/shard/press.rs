//! Keys that a party presses, as packets of events and as tones in its sound.

use super::super::LegKey;
use super::super::keypad::Key;
use super::super::keys;
use super::super::leg::Heard;
use super::super::out::MediaOut;
use super::{MediaShard, Wake};
use crate::time::Instant;

impl MediaShard {
    /// Listens for keys in a packet of sound before it goes on.
    pub(super) fn listen(&mut self, now: Instant, key: LegKey, heard: &Heard<'_>, out: &mut MediaOut) {
        let events = &mut self.scratch.events;
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.listen(now, heard, events);
        if events.is_empty() {
            return;
        }
        let room = leg.room;
        let news = keys::heard_as_tones(&mut self.legs, key, events, &mut out.reports);
        self.hush(key);
        if news {
            self.settle(now, room, &mut out.reports);
        }
        self.await_key(key);
    }

    /// What is left out while a key is down is not missing to the one who hears it.
    pub(super) fn hush(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(key) else { return };
        let Some(to) = leg.listener.of(key) else { return };
        let hides = self.legs.get(to).is_some_and(|listener| leg.hides_sound_from(listener));
        if let Some(listener) = self.legs.get_mut(to).filter(|l| hides && !l.is_occupied()) {
            listener.cut();
        }
    }

    /// A packet of a telephone event. It is forwarded as it is if that can be from its first packet on.
    pub(super) fn key_event(&mut self, now: Instant, key: LegKey, heard: &Heard<'_>, out: &mut MediaOut) {
        let Some(leg) = self.legs.get(key) else { return };
        let listener = leg.listener.of(key);
        let occupied = listener.and_then(|l| self.legs.get(l)).is_some_and(|l| l.is_occupied());
        let translated = heard.fate.forward.is_none() || occupied;
        let room = leg.room;
        let Some(leg) = self.legs.get_mut(key) else { return };
        let restarted = if heard.restarted { leg.keypad.restart() } else { None };
        let keys = leg.keypad.hear(now, &heard.header, (heard.fate.clock, leg.clock()), heard.payload);
        let mut busy = false;
        for told in restarted.into_iter().chain(keys) {
            if let (Some(leg), Key::Down { .. }) = (self.legs.get_mut(key), told) {
                leg.keypad.translated = translated;
            }
            busy |= keys::heard_as_event(&mut self.legs, key, told, &mut out.reports);
        }
        if busy {
            self.settle(now, room, &mut out.reports);
        }
        self.await_key(key);
    }

    /// Waits for the end of a key press.
    pub(super) fn await_key(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let deadline = [leg.keypad.deadline(), leg.tones_deadline()].into_iter().flatten().min();
        if let (None, Some(at)) = (leg.key_timer, deadline) {
            leg.key_timer = Some(self.timers.arm(at, Wake::Key(key)));
        }
    }

    /// The end of a key press may have been lost.
    pub(super) fn key_fired(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.key_timer = None;
        let (room, events) = (leg.room, &mut self.scratch.events);
        if let Some(tones) = leg.tones_deadline().filter(|&at| at <= now).and(leg.tones.as_mut()) {
            tones.end(events);
        }
        let up = leg.keypad.expire(now);
        let mut news = keys::heard_as_tones(&mut self.legs, key, events, &mut out.reports);
        if let Some(up) = up {
            news |= keys::heard_as_event(&mut self.legs, key, up, &mut out.reports);
        }
        if news {
            self.settle(now, room, &mut out.reports);
        }
        self.await_key(key);
    }
}
