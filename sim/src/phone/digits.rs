//! Keys pressed during a call, as telephone events (RFC 4733).

use telex_engine::time::{Duration, Instant};

use super::leg::{LegTimer, State};
use super::{Effect, Phone, Scene};
use crate::plan::characters::KEYS;
use crate::voice::EventPacket;

/// Between two packets of an event, in time and in timestamp units of 8000 Hz.
const STEP: Duration = Duration::from_millis(20);
const UNITS: u16 = 160;
/// Packets while the key is down, and when it is up again (§2.5.1.4).
const DOWN: u16 = 5;
const UP: u16 = 3;

/// A key that is being pressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Press {
    event: u8,
    step: u16,
}

/// A key as one side pressed or the other heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pressed {
    /// Names it, on the side where it was heard or pressed.
    pub(crate) timestamp: u32,
    /// Which key.
    pub(crate) event: u8,
    /// When its first packet was sent or heard.
    pub(crate) at: Instant,
    /// Its packets by sequence number: marker, end, duration.
    pub(crate) packets: Vec<(u16, (bool, bool, u16))>,
}

impl Phone {
    /// The call is answered: keys are pressed when the plan says so.
    pub(super) fn arm_digits(&mut self, scene: &Scene<'_>, n: usize) {
        let side = self.legs[n].side;
        let planned = &scene.plan.calls[self.legs[n].call].digits;
        let next = planned.iter().filter(|digit| digit.by == side).nth(self.legs[n].keys);
        if let (Some(next), Some(answered)) = (next, self.legs[n].answered) {
            self.arm_leg(n, LegTimer::Key, (answered + next.after).max(scene.now));
        }
    }

    pub(super) fn press(&mut self, scene: &Scene<'_>, n: usize) {
        let side = self.legs[n].side;
        let planned = &scene.plan.calls[self.legs[n].call].digits;
        let Some(digit) = planned.iter().filter(|digit| digit.by == side).nth(self.legs[n].keys) else {
            return;
        };
        self.legs[n].keys += 1;
        let event = KEYS.chars().position(|key| key == digit.key).and_then(|at| u8::try_from(at).ok());
        if let Some(event) = event
            // Who has not named them sends none (RFC 3264 §6.1).
            && self.plan.events.is_some()
            && self.legs[n].event_number().is_some()
            && self.legs[n].state == State::Up
        {
            self.legs[n].pressing = Some(Press { event, step: 0 });
            return self.sound_key(scene, n);
        }
        self.arm_digits(scene, n);
    }

    /// The next packet of the key that is pressed.
    pub(super) fn sound_key(&mut self, scene: &Scene<'_>, n: usize) {
        let leg = &mut self.legs[n];
        let (Some(press), Some(number), State::Up) = (leg.pressing, leg.event_number(), leg.state) else {
            leg.pressing = None;
            return;
        };
        if press.step == DOWN + UP {
            leg.pressing = None;
            return self.arm_digits(scene, n);
        }
        let (first, end) = (press.step == 0, press.step >= DOWN);
        let duration = UNITS * (press.step + 1).min(DOWN);
        let packet = EventPacket { event: press.event, marker: first, end, duration };
        let (sequence, timestamp, bytes) = leg.speaker.event(scene.now, number, packet);
        if first {
            leg.pressed.push(Pressed { timestamp, event: press.event, at: scene.now, packets: Vec::new() });
        }
        if let Some(pressed) = leg.pressed.last_mut() {
            pressed.packets.push((sequence, (first, end, duration)));
        }
        leg.pressing = Some(Press { step: press.step + 1, ..press });
        let to = leg.remote.as_ref().map(|remote| remote.address);
        let port = leg.port();
        if let Some(to) = to {
            self.out.push(Effect::Media(port, to, bytes));
        }
        self.arm_leg(n, LegTimer::Tone, scene.now + STEP);
    }

    /// A packet of a key that the other side presses.
    pub(super) fn hear_key(&mut self, n: usize, sequence: u16, timestamp: u32, packet: EventPacket) {
        let at = self.now;
        let heard = &mut self.legs[n].digits;
        let place = heard.iter().position(|key| key.timestamp == timestamp && key.event == packet.event);
        let place = place.unwrap_or_else(|| {
            heard.push(Pressed { timestamp, event: packet.event, at, packets: Vec::new() });
            heard.len() - 1
        });
        let packets = &mut heard[place].packets;
        if packets.iter().all(|(known, _)| *known != sequence) {
            packets.push((sequence, (packet.marker, packet.end, packet.duration)));
        }
    }
}
