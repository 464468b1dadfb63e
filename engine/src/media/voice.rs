//! The sound of a leg: what of its party is decoded, and what is made for its ear.

use telex_audio::codec::Encoding;
use telex_audio::dtmf::Event;
use telex_audio::mix::Mix;

use super::broadcast::Sounds;
use super::conference::Place;
use super::dialer::{Sound, Way};
use super::ear::Tones;
use super::egress::{Egress, Made};
use super::intake::{Intake, Played};
use super::leg::{Heard, Leg, Via};
use super::out::PacketArena;
use super::outlet::{Due, Outlet};
use super::player::Player;
use super::ring::FRAME_MS;
use crate::mediactl::{DigitWay, Kind, Payload, Play};
use crate::rtp::Header;
use crate::time::Instant;

/// Where keys are looked for in a party's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    Nothing,
    /// In its packets, which go on as they are.
    Packets,
    /// In what is decoded anyway.
    Frames,
}

/// What is lent to the work of one moment: memory, which is no state since nothing is in it between two inputs, and the
/// sounds that there are.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Scratch {
    pub(super) sounds: Sounds,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) pcm: Vec<i16>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) payload: Vec<u8>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) events: Vec<Event>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) mix: Mix,
    /// What a listener hears, at the rate of its room.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) heard: Vec<i16>,
    /// How loud each member is.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) levels: Vec<Option<u8>>,
}

/// Best samples per second of an encoding.
fn rate(encoding: Encoding) -> u32 {
    encoding.properties().rate
}

fn send(
    now: Instant,
    egress: &mut Egress,
    (payload, noise): (&Payload, Option<&Payload>),
    due: Due<'_>,
    packet: impl FnOnce(Header, &[u8]),
) {
    match due {
        Due::Packet { units, payload: bytes } => {
            let (payload_type, clock) = (payload.number, payload.clock);
            let made = Made { payload_type, clock, units, octets: bytes.len() };
            packet(egress.generate(now, &made), bytes);
        }
        Due::Noise { units, payload: bytes } => match noise {
            Some(noise) => {
                let (payload_type, clock) = (noise.number, payload.clock);
                let made = Made { payload_type, clock, units, octets: bytes.len() };
                packet(egress.describe(now, &made), bytes);
            }
            None => egress.skip(units),
        },
        Due::Nothing { units } => egress.skip(units),
    }
}

impl Leg {
    /// Best samples per second that its party can be understood at; 0 when it cannot be decoded.
    pub(super) fn speech_rate(&self) -> u32 {
        let speech = self.spec.accept.iter().filter(|a| a.kind == Kind::Speech);
        speech.filter_map(|a| a.payload.encoding).map(rate).max().unwrap_or(0)
    }

    /// Best samples per second that its party can be given; 0 when nothing can be produced for it.
    pub(super) fn ear_rate(&self) -> u32 {
        self.spec.audio.and_then(|audio| audio.encoding).map_or(0, rate)
    }

    /// Whether sound can be produced for the party now.
    pub(super) fn can_speak(&self) -> bool {
        self.ear_rate() > 0 && self.target().is_some()
    }

    /// Whether this leg's sound is encoded anew for the leg that hears it.
    pub(super) fn is_transcoded_for(&self, listener: &Self) -> bool {
        let below = listener.has_to_play() && listener.spec.playing.as_ref().is_some_and(|play| play.over);
        let wanted = match self.via() {
            Via::Forward => below,
            Via::Opaque => false,
            Via::Decode => true,
        };
        wanted && listener.can_speak()
    }

    /// Whether keys are listened for in the party's sound.
    pub(super) fn listens_for_tones(&self) -> bool {
        self.spec.digits.tones
    }

    /// Whether the tones of keys become something else on their way to the listener, and shall not be heard there.
    pub(super) fn hides_tones_from(&self, listener: &Self) -> bool {
        let keep = self.spec.digits.keep;
        self.spec.digits.tones && (keep || listener.spec.digits.way != DigitWay::Tones)
    }

    /// Whether there is something to do in each frame.
    pub(super) fn is_served(&self) -> bool {
        self.intake.is_some() || self.outlet.is_some() || self.is_dialing()
    }

    /// Whether the party is spoken to from here, so that nothing can be forwarded to it.
    #[inline]
    pub(super) fn is_occupied(&self) -> bool {
        self.outlet.is_some() || self.dialer.as_ref().is_some_and(|dialer| dialer.is_down())
    }

    /// Looks for tones of keys in packets as they come, in frames that are decoded, or not at all. What was down and is
    /// no longer looked at goes up.
    pub(super) fn settle_tones(&mut self, hearing: Hearing, events: &mut Vec<Event>) {
        let wanted = hearing != Hearing::Nothing;
        if let Some(mut tones) = self.tones.take_if(|_| !wanted) {
            tones.end(events);
        }
        if wanted && self.tones.is_none() {
            self.tones = Tones::new().map(Box::new);
        }
        match hearing {
            Hearing::Packets => {
                self.ear.get_or_insert_default();
            }
            Hearing::Nothing | Hearing::Frames => self.ear = None,
        }
    }

    /// Listens for keys in a packet of sound that is passed on.
    pub(super) fn listen(&mut self, now: Instant, heard: &Heard<'_>, events: &mut Vec<Event>) {
        let (Some(ear), Some(tones)) = (&mut self.ear, &mut self.tones) else { return };
        if heard.restarted {
            ear.restart();
        }
        if let (Kind::Speech, Some(encoding)) = (heard.fate.kind, heard.fate.encoding) {
            let packet = (&heard.header, heard.fate.clock);
            ear.hear(now, packet, (encoding, heard.payload), tones, events);
        }
    }

    /// Whether the party presses a key in its sound, which is not to be heard because it is told otherwise.
    #[inline]
    pub(super) fn hides_sound_from(&self, listener: &Self) -> bool {
        self.ear.is_some()
            && self.tones.as_ref().is_some_and(|tones| tones.is_pressed())
            && self.hides_tones_from(listener)
    }

    /// When a key that is down in packets of sound is up if no more of them come.
    pub(super) fn tones_deadline(&self) -> Option<Instant> {
        let pressed = self.tones.as_ref().is_some_and(|tones| tones.is_pressed());
        self.ear.as_ref().filter(|_| pressed)?.deadline()
    }

    /// Decodes at this rate, or not at all. `hides` says whether tones of keys are not to be heard.
    pub(super) fn settle_intake(&mut self, wanted: bool, rate: u32, hides: bool) {
        match (&mut self.intake, wanted) {
            (Some(intake), true) => intake.set(rate, hides),
            (none @ None, true) => {
                let mut intake = Box::new(Intake::new(rate, self.id.0));
                intake.set(rate, hides);
                *none = Some(intake);
            }
            (Some(_), false) => {
                self.played = self.played();
                self.intake = None;
            }
            (None, false) => {}
        }
    }

    /// Produces sound or not. `heard` says whether there is a source besides what is played; its rate is `rate`.
    pub(super) fn settle_outlet(&mut self, heard: bool, rate: u32) {
        let can = self.can_speak();
        let ended = self.player.as_ref().is_some_and(|player| !player.is_playing());
        match &self.spec.playing {
            None => self.player = None,
            // What has ended does not begin again when the party comes back from hold.
            Some(_) if !can && !ended => self.player = None,
            _ => {}
        }
        if !self.needs_outlet(heard) {
            (self.outlet, self.place) = (None, Place::default());
            return;
        }
        let (Some(audio), ptime) = (self.spec.audio, self.spec.ptime) else { return };
        let hushed = self.spec.noise.is_some();
        match &mut self.outlet {
            Some(outlet) if outlet.makes(&audio, ptime, hushed) => outlet.set_source(rate),
            other => {
                *other = Outlet::new(&audio, ptime, rate, hushed).map(Box::new);
                self.place = Place::default();
            }
        }
        if let (Some(play), Some(outlet)) = (&self.spec.playing, &self.outlet) {
            match &mut self.player {
                Some(player) => player.change(play, outlet.rate()),
                none => *none = Some(Player::new(play, outlet.rate())),
            }
        }
    }

    /// Whether sound must be produced for the party.
    pub(super) fn needs_outlet(&self, heard: bool) -> bool {
        let dials = self.is_dialing() && self.way() == Some(Way::Tones);
        self.can_speak() && (heard || dials || self.has_to_play())
    }

    /// Whether something is to be played that has not ended.
    pub(super) fn has_to_play(&self) -> bool {
        let is_new = |play: &Play| self.player.as_ref().is_none_or(|p| p.is_playing() || !p.plays(play));
        self.spec.playing.as_ref().is_some_and(is_new)
    }

    /// Gives up frames, in both directions.
    pub(super) fn skip(&mut self, now: Instant, frames: u64, sounds: &Sounds) {
        if let Some(intake) = &mut self.intake {
            intake.skip(now, frames);
        }
        if let Some(outlet) = &mut self.outlet {
            let samples = u64::from(outlet.rate()) * FRAME_MS / 1000 * frames;
            self.egress.skip(outlet.units_of(samples));
            if let Some(player) = &mut self.player {
                player.skip(sounds, frames);
            }
        }
    }

    /// Says one frame to the party: what is played, and what it hears, if it hears anything. `heard` has the rate of
    /// the room.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        heard: Option<&[i16]>,
        scratch: &mut Scratch,
        out: &mut PacketArena,
    ) {
        let Some(remote) = self.target() else { return };
        if self.send_events(now, remote, out) == Sound::LeftOut {
            return;
        }
        let tones = self.is_dialing() && self.way() == Some(Way::Tones);
        let Some(outlet) = &mut self.outlet else { return };
        let samples = (u64::from(outlet.rate()) * FRAME_MS / 1000) as usize;
        let pcm = &mut scratch.pcm;
        pcm.clear();
        let player = self.player.as_mut().filter(|player| player.is_playing());
        let kept = tones || player.is_some();
        match (player, heard) {
            (Some(player), Some(heard)) if player.is_over() => {
                outlet.convert(heard, pcm);
                player.add(&scratch.sounds, pcm);
            }
            (Some(player), _) => player.fill(&scratch.sounds, samples, pcm),
            (None, Some(heard)) => outlet.convert(heard, pcm),
            (None, None) if tones => pcm.resize(samples, 0),
            (None, None) => {
                let units = outlet.forget();
                self.egress.skip(units.wrapping_add(outlet.units_of(samples as u64)));
                return;
            }
        }
        if let Some(dialer) = self.dialer.as_mut().filter(|_| tones) {
            dialer.sound(outlet.rate(), pcm);
        }
        let (payload, noise, port) = (*outlet.payload(), self.spec.noise, self.spec.port.0);
        outlet.say(pcm, kept, &mut scratch.payload, |due| {
            send(now, &mut self.egress, (&payload, noise.as_ref()), due, |header, bytes| {
                out.push(port, remote, &header.to_bytes(), bytes);
            });
        });
    }

    /// Says to the party what was encoded for it and others.
    pub(super) fn repeat(&mut self, now: Instant, due: Due<'_>, out: &mut PacketArena) {
        let (Some(remote), Some(payload)) = (self.target(), self.spec.audio) else { return };
        let port = self.spec.port.0;
        let noise = self.spec.noise;
        send(now, &mut self.egress, (&payload, noise.as_ref()), due, |header, bytes| {
            out.push(port, remote, &header.to_bytes(), bytes);
        });
    }

    /// Whether the party hears exactly what others hear who say nothing.
    pub(super) fn hears_only_others(&self) -> bool {
        let plays = self.player.as_ref().is_some_and(Player::is_playing);
        self.outlet.is_some() && !plays && !self.is_dialing()
    }

    /// What the playouts of this leg did so far.
    pub(super) fn played(&self) -> Played {
        match &self.intake {
            Some(intake) => self.played.and(intake.played()),
            None => self.played,
        }
    }
}
