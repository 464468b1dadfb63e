//! A room: who hears whom, what of it is decoded, and when it is served.

use smallvec::SmallVec;

use super::LegKey;
use super::conference::{Conference, Place};
use super::keys;
use super::leg::{Leg, Listener};
use super::out::MediaOut;
use super::recorder::{Recorder, concerns};
use super::ring::{self, millis};
use super::voice::Hearing;
use crate::limits::RECORDINGS;
use crate::mediactl::{MediaReport, Revision, RoomId, RoomMode, RoomSpec};
use crate::rng::Rng;
use crate::slots::Slots;
use crate::time::Instant;

/// A group of legs.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) rev: Revision,
    pub(super) spec: RoomSpec,
    pub(super) legs: SmallVec<[LegKey; 2]>,
    pub(super) rng: Rng,
    /// When in a frame it is served.
    pub(super) phase: u8,
    /// The millisecond of its next frame, while it is served.
    pub(super) next: u64,
    /// Samples per second of what is decoded in it.
    pub(super) rate: u32,
    /// While it mixes.
    pub(super) conference: Option<Box<Conference>>,
    /// What is recorded of it.
    pub(super) recorders: Vec<Recorder>,
}

/// The rate of a room for sound of this rate: the next of the three that sound is handled at.
fn handled(rate: u32) -> u32 {
    match rate {
        0..=8_999 => 8000,
        9_000..=24_000 => 16_000,
        _ => 48_000,
    }
}

impl Room {
    pub(super) fn new(id: RoomId, rev: Revision, spec: RoomSpec, rng: Rng, phase: u8) -> Self {
        Self {
            id,
            rev,
            spec,
            legs: SmallVec::new(),
            rng,
            phase,
            next: 0,
            rate: 8000,
            conference: None,
            recorders: Vec::new(),
        }
    }

    /// Who hears this leg's party.
    pub(super) fn listener(&self, of: LegKey) -> Listener {
        match self.spec.mode {
            RoomMode::Echo => Listener::Itself,
            // A leg may come before the one it replaces has gone. Until then it is not clear who is meant, and silence
            // is safer than a guess.
            RoomMode::Relay => match *self.legs {
                [a, b] => Listener::Other(if a == of { b } else { a }),
                _ => Listener::Nobody,
            },
            RoomMode::Mix => Listener::All,
        }
    }

    /// Tells the legs who hears them. A leg that hears somebody else than before starts a new feed.
    pub(super) fn link(&self, legs: &mut Slots<LegKey, Leg>) {
        for &key in &self.legs {
            let listener = self.listener(key);
            let Some(leg) = legs.get_mut(key) else { continue };
            if leg.listener == listener {
                continue;
            }
            leg.listener = listener;
            if let Some(leg) = listener.of(key).and_then(|heard_by| legs.get_mut(heard_by)) {
                leg.cut();
            }
        }
    }

    /// Brings what the legs decode and produce to what is wanted now. True when the room is to be served.
    pub(super) fn settle(&mut self, legs: &mut Slots<LegKey, Leg>, reports: &mut Vec<MediaReport>) -> bool {
        let rate = self.best_rate(legs);
        self.settle_conference(rate, legs);
        self.rate = rate;
        self.recorders.iter_mut().for_each(|recorder| recorder.set_source(rate));
        let mut served = self.recorders.iter().any(Recorder::is_running);
        for at in 0..self.legs.len() {
            let Some(&key) = self.legs.get(at) else { break };
            let Some(leg) = legs.get(key) else { continue };
            let (wanted, heard) = self.wants(key, leg, legs);
            let listener = leg.listener.of(key).and_then(|heard_by| legs.get(heard_by));
            let hearing = self.hearing(leg, listener);
            let hides = hearing == Hearing::Frames && listener.is_none_or(|l| leg.hides_tones_from(l));
            let mut ended = Vec::new();
            if let Some(leg) = legs.get_mut(key) {
                leg.settle_tones(hearing, &mut ended);
                leg.settle_intake(wanted, self.rate, hides);
                leg.settle_outlet(heard, self.rate);
                served |= leg.is_served();
            }
            keys::heard_as_tones(legs, key, &mut ended, reports);
        }
        served
    }

    /// Where keys are looked for in a leg's sound: in what its listener hears of it, so that no more of a tone is heard
    /// there than must be.
    fn hearing(&self, leg: &Leg, listener: Option<&Leg>) -> Hearing {
        let decoded = self.spec.mode == RoomMode::Mix
            || listener.is_some_and(|listener| leg.is_transcoded_for(listener));
        match leg.spec.receive && leg.listens_for_tones() {
            false => Hearing::Nothing,
            true if decoded => Hearing::Frames,
            true => Hearing::Packets,
        }
    }

    /// A conference begins, ends, or goes on at another rate.
    fn settle_conference(&mut self, rate: u32, legs: &mut Slots<LegKey, Leg>) {
        let mixes = self.spec.mode == RoomMode::Mix;
        if let Some(mut former) = self.conference.take_if(|_| !mixes || rate != self.rate) {
            former.disband(&self.legs, legs);
        }
        if mixes {
            let conference = self.conference.get_or_insert_with(|| Box::new(Conference::new(rate)));
            conference.seat(&self.legs);
        }
    }

    /// A leg goes to another room.
    pub(super) fn part(&mut self, key: LegKey, legs: &mut Slots<LegKey, Leg>) {
        if let Some(conference) = &mut self.conference {
            conference.disband(&[key], legs);
        }
        self.legs.retain(|leg| *leg != key);
        if let Some(leg) = legs.get_mut(key) {
            leg.place = Place::Own { alike: 0 };
        }
    }

    /// Begins and ends recordings as the specification says.
    pub(super) fn settle_recordings(&mut self, out: &mut MediaOut) {
        let wanted = self.spec.recordings.get(..RECORDINGS).unwrap_or(&self.spec.recordings);
        let mut at = 0;
        while let Some(recorder) = self.recorders.get_mut(at) {
            match wanted.iter().find(|spec| spec.id == recorder.spec.id) {
                Some(spec) => {
                    (recorder.spec.paused, recorder.spec.quiet) = (spec.paused, spec.quiet);
                    at += 1;
                }
                None => self.recorders.remove(at).finish(self.id, out),
            }
        }
        for spec in wanted {
            if self.recorders.iter().all(|recorder| recorder.spec.id != spec.id) {
                self.recorders.push(Recorder::new(*spec, self.rate));
            }
        }
    }

    /// Ends all recordings.
    pub(super) fn finish_recordings(&mut self, out: &mut MediaOut) {
        for recorder in self.recorders.drain(..) {
            recorder.finish(self.id, out);
        }
    }

    /// Whether a leg is to be decoded, and whether there is decoded sound for it to hear.
    fn wants(&self, key: LegKey, leg: &Leg, legs: &Slots<LegKey, Leg>) -> (bool, bool) {
        let mixes = self.spec.mode == RoomMode::Mix;
        let listener = leg.listener.of(key).and_then(|heard_by| legs.get(heard_by));
        let passed_on = listener.is_some_and(|l| leg.is_transcoded_for(l));
        let recorded = self.recorders.iter().any(|r| r.is_running() && concerns(r.spec.what, leg.id));
        let wanted = leg.spec.receive && (mixes || passed_on || recorded);
        (wanted, mixes || self.source_of(key, legs).is_some_and(|source| source.is_transcoded_for(leg)))
    }

    /// The only leg that this one hears.
    fn source_of<'a>(&self, key: LegKey, legs: &'a Slots<LegKey, Leg>) -> Option<&'a Leg> {
        self.source(key).and_then(|source| legs.get(source))
    }

    /// The only leg that this one hears.
    pub(super) fn source(&self, of: LegKey) -> Option<LegKey> {
        match self.spec.mode {
            RoomMode::Echo => Some(of),
            RoomMode::Relay => match *self.legs {
                [a, b] => Some(if a == of { b } else { a }),
                _ => None,
            },
            RoomMode::Mix => None,
        }
    }

    /// The best rate that one leg can speak at and another one can hear.
    fn best_rate(&self, legs: &Slots<LegKey, Leg>) -> u32 {
        let mut speakers: [u32; 2] = [0; 2];
        let mut listeners: [(u32, Option<LegKey>); 2] = [(0, None); 2];
        let mut best = 0;
        let alone = self.spec.mode == RoomMode::Echo;
        // The two best of each kind: one of them is not the leg itself.
        let mut first_speaker = None;
        for &key in &self.legs {
            let Some(leg) = legs.get(key) else { continue };
            let speech = leg.speech_rate();
            if speech > speakers[0] {
                (speakers[1], speakers[0], first_speaker) = (speakers[0], speech, Some(key));
            } else if speech > speakers[1] {
                speakers[1] = speech;
            }
            let ear = leg.ear_rate();
            if ear > listeners[0].0 {
                (listeners[1], listeners[0]) = (listeners[0], (ear, Some(key)));
            } else if ear > listeners[1].0 {
                listeners[1] = (ear, Some(key));
            }
        }
        for (ear, key) in listeners {
            let speech = if !alone && key == first_speaker { speakers[1] } else { speakers[0] };
            best = best.max(ear.min(speech));
        }
        handled(if best == 0 { speakers[0] } else { best })
    }

    /// Whether there is something to do in each frame.
    pub(super) fn is_served(&self, legs: &Slots<LegKey, Leg>) -> bool {
        let records = self.recorders.iter().any(Recorder::is_running);
        records || self.legs.iter().filter_map(|&key| legs.get(key)).any(Leg::is_served)
    }

    /// Asserts that each leg decodes and produces what it should.
    pub(super) fn check(&self, legs: &Slots<LegKey, Leg>) {
        for &key in &self.legs {
            let Some(leg) = legs.get(key) else { continue };
            let (wanted, heard) = self.wants(key, leg, legs);
            assert_eq!(leg.intake.is_some(), wanted, "{:?} is decoded when it must be", leg.id);
            assert_eq!(
                leg.outlet.is_some(),
                leg.needs_outlet(heard),
                "{:?} is spoken to when it must be",
                leg.id
            );
            let listener = leg.listener.of(key).and_then(|heard_by| legs.get(heard_by));
            let hearing = self.hearing(leg, listener);
            assert_eq!(leg.tones.is_some(), hearing != Hearing::Nothing, "{:?} is listened to", leg.id);
            assert_eq!(leg.ear.is_some(), hearing == Hearing::Packets, "{:?} has an ear", leg.id);
        }
    }

    /// Begins to be served: the first frame is the next of its phase.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next = ring::next(millis(now), self.phase);
    }
}
