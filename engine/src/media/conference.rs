//! A mix of many: each member hears all others who speak.
//!
//! A frame is summed once. Whoever speaks hears the sum without itself and has an encoder of its own. All others hear
//! the same: those with the same payload share one encoder. One who begins to speak takes a copy of the shared encoder
//! along, so that its ear notices nothing; some time after it has ceased its own encoder has come to the same state as
//! the shared one, since both were given the same sound, and it shares again.

use std::collections::BTreeSet;
use std::ops::Range;

use telex_audio::mix::{Limiter, Speakers, fade};
use telex_audio::voice::Voice;

use super::LegKey;
use super::leg::Leg;
use super::out::{MediaOut, PacketArena};
use super::outlet::{Due, Outlet};
use super::ring::FRAME_MS;
use super::voice::Scratch;
use crate::limits::{SHARES_AFTER, SPEAKERS};
use crate::slots::Slots;
use crate::time::Instant;

/// A gain of one.
const WHOLE: u32 = 1 << 16;
/// Below this level, in -dBov, sound that is no voice is the room behind an open microphone.
const HUSHED: u8 = 50;
/// Where sound that is no voice ranks: below all voices.
const UNSPOKEN: u8 = 100;

/// A mix of many.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Conference {
    rate: u32,
    speakers: Speakers,
    seats: Vec<Option<Seat>>,
    /// For those who only listen.
    limiter: Limiter,
    shared: Vec<Option<Shared>>,
}

/// Where a member sits; it keeps its seat.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Seat {
    leg: LegKey,
    voice: Voice,
    /// It was mixed in the last frame.
    mixed: bool,
    /// It is part of the sum of this frame.
    adds: bool,
}

/// Who encodes what a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Place {
    /// An encoder of its own, which was given so many frames that all listeners heard.
    Own { alike: u16 },
    /// That of a group.
    Shared { group: usize },
}

impl Default for Place {
    /// Nothing was said to it yet: it may share at once.
    fn default() -> Self {
        Self::Own { alike: SHARES_AFTER }
    }
}

/// A packet that several get.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Repeated {
    units: u32,
    /// Where its octets are; `None` when nothing is sent.
    place: Option<Range<usize>>,
    /// Whether they describe noise.
    noise: bool,
}

/// An encoder for several who hear the same.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Shared {
    outlet: Outlet,
    /// Who shares it in this frame.
    members: u32,
    /// What is due of this frame.
    due: Vec<Repeated>,
    octets: Vec<u8>,
}

impl Shared {
    fn new(outlet: Outlet) -> Self {
        Self { outlet, members: 0, due: Vec::new(), octets: Vec::new() }
    }

    fn encode(&mut self, heard: &[i16], scratch: &mut Scratch) {
        let Self { outlet, due, octets, .. } = self;
        due.clear();
        octets.clear();
        scratch.pcm.clear();
        outlet.convert(heard, &mut scratch.pcm);
        outlet.say(&scratch.pcm, false, &mut scratch.payload, |told| {
            let (units, payload, noise) = match told {
                Due::Packet { units, payload } => (units, Some(payload), false),
                Due::Noise { units, payload } => (units, Some(payload), true),
                Due::Nothing { units } => (units, None, false),
            };
            let start = octets.len();
            octets.extend_from_slice(payload.unwrap_or(&[]));
            due.push(Repeated { units, place: payload.map(|_| start..octets.len()), noise });
        });
    }

    fn repeat(&self, now: Instant, leg: &mut Leg, out: &mut PacketArena) {
        for &Repeated { units, ref place, noise } in &self.due {
            let payload = place.clone().and_then(|place| self.octets.get(place));
            let due = match payload {
                Some(payload) if noise => Due::Noise { units, payload },
                Some(payload) => Due::Packet { units, payload },
                None => Due::Nothing { units },
            };
            leg.repeat(now, due, out);
        }
    }
}

impl Seat {
    /// How loud its member is, in -dBov; `None` when it is silent. Sound that is no voice is heard as well, but only in
    /// places that no voice wants.
    fn level(&mut self, frame: &[i16]) -> Option<u8> {
        let talks = self.voice.feed(frame);
        let level = self.voice.level_dbov();
        if talks { Some(level) } else { (level < HUSHED).then_some(UNSPOKEN + level / 2) }
    }
}

impl Conference {
    /// At `rate` samples per second, with nobody in it.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            speakers: Speakers::new(SPEAKERS),
            seats: Vec::new(),
            limiter: Limiter::new(rate),
            shared: Vec::new(),
        }
    }

    /// These are its members.
    pub(super) fn seat(&mut self, members: &[LegKey]) {
        let mut standing: BTreeSet<LegKey> = members.iter().copied().collect();
        for seat in &mut self.seats {
            seat.take_if(|seat| !standing.remove(&seat.leg));
        }
        let mut free = 0;
        for &leg in members.iter().filter(|leg| standing.contains(leg)) {
            let seat = Some(Seat { leg, voice: Voice::new(self.rate), mixed: false, adds: false });
            while self.seats.get(free).is_some_and(Option::is_some) {
                free += 1;
            }
            match self.seats.get_mut(free) {
                Some(place) => *place = seat,
                None => self.seats.push(seat),
            }
        }
    }

    /// Everybody gets an encoder of its own.
    pub(super) fn disband(&mut self, members: &[LegKey], legs: &mut Slots<LegKey, Leg>) {
        for &key in members {
            if let Some(leg) = legs.get_mut(key) {
                self.part(leg);
                leg.limiter = None;
            }
        }
    }

    /// Performs one frame.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        members: &[LegKey],
        legs: &mut Slots<LegKey, Leg>,
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) {
        self.sum(legs, scratch);
        for shared in self.shared.iter_mut().flatten() {
            shared.members = 0;
        }
        // Those with encoders of their own first: whoever begins to speak copies the shared one as it was.
        for at in 0..self.seats.len() {
            self.speak(now, at, legs, scratch, out);
        }
        self.listeners(now, members, legs, scratch, out);
    }

    /// Chooses who is heard, and sums them up.
    fn sum(&mut self, legs: &mut Slots<LegKey, Leg>, scratch: &mut Scratch) {
        scratch.levels.clear();
        scratch.levels.extend(self.seats.iter_mut().map(|seat| {
            let seat = seat.as_mut()?;
            let intake = legs.get(seat.leg)?.intake.as_ref().filter(|intake| intake.heard)?;
            seat.level(&intake.frame)
        }));
        let chosen = self.speakers.choose(&scratch.levels);
        scratch.mix.start(samples(self.rate));
        for (at, seat) in self.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let (before, after) = (seat.mixed, chosen.binary_search(&at).is_ok());
            let intake = legs.get_mut(seat.leg).and_then(|leg| leg.intake.as_mut());
            seat.adds = false;
            if let (Some(intake), true) = (intake, before || after) {
                if before != after {
                    let gain = |mixed| if mixed { WHOLE } else { 0 };
                    fade(&mut intake.frame, gain(before), gain(after));
                }
                scratch.mix.add(&intake.frame);
                seat.adds = true;
            }
            seat.mixed = after;
        }
    }

    /// Says to a member what it hears, unless others hear the same.
    fn speak(
        &mut self,
        now: Instant,
        at: usize,
        legs: &mut Slots<LegKey, Leg>,
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) {
        let Some(&Some(Seat { leg, adds, .. })) = self.seats.get(at) else { return };
        let Some(leg) = legs.get_mut(leg) else { return };
        let alike = !adds && leg.hears_only_others();
        if alike && self.share(leg) {
            return;
        }
        if !alike {
            self.part(leg);
        }
        if leg.outlet.is_none() {
            return;
        }
        let mut heard = std::mem::take(&mut scratch.heard);
        heard.clear();
        let own = leg.intake.as_ref().filter(|_| adds).map_or(&[][..], |intake| &intake.frame);
        let limiter = leg.limiter.get_or_insert_with(|| Limiter::new(self.rate));
        scratch.mix.without(own, limiter, &mut heard);
        leg.speak(now, Some(&heard), scratch, &mut out.packets);
        scratch.heard = heard;
        leg.place = match leg.place {
            Place::Own { alike: frames } if alike => Place::Own { alike: frames.saturating_add(1) },
            _ => Place::Own { alike: 0 },
        };
    }

    /// Lets a member that hears what all hear share an encoder, if it can already. Counts it there.
    fn share(&mut self, leg: &mut Leg) -> bool {
        let Some(outlet) = &leg.outlet else { return false };
        let group = match leg.place {
            Place::Shared { group } => group,
            Place::Own { alike } if alike >= SHARES_AFTER => {
                let like =
                    |shared: &Option<Shared>| shared.as_ref().is_some_and(|s| s.outlet.is_like(outlet));
                match self.shared.iter().position(like) {
                    Some(group) => group,
                    None => self.open(outlet.as_ref().clone()),
                }
            }
            Place::Own { .. } => return false,
        };
        let Some(Some(shared)) = self.shared.get_mut(group) else { return false };
        shared.members += 1;
        (leg.place, leg.limiter) = (Place::Shared { group }, None);
        true
    }

    fn open(&mut self, outlet: Outlet) -> usize {
        let shared = Some(Shared::new(outlet));
        match self.shared.iter().position(Option::is_none) {
            Some(free) => {
                self.shared[free] = shared;
                free
            }
            None => {
                self.shared.push(shared);
                self.shared.len() - 1
            }
        }
    }

    /// Gives a member that shares an encoder one of its own, in the same state.
    fn part(&mut self, leg: &mut Leg) {
        let Place::Shared { group } = leg.place else { return };
        if let (Some(Some(shared)), Some(own)) = (self.shared.get(group), &mut leg.outlet) {
            own.continue_from(&shared.outlet);
            leg.limiter = Some(self.limiter.clone());
        }
        leg.place = Place::Own { alike: 0 };
    }

    /// Encodes once for all who share, and says it to each.
    fn listeners(
        &mut self,
        now: Instant,
        members: &[LegKey],
        legs: &mut Slots<LegKey, Leg>,
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) {
        let mut heard = std::mem::take(&mut scratch.heard);
        heard.clear();
        scratch.mix.all(&mut self.limiter, &mut heard);
        for shared in &mut self.shared {
            match shared {
                Some(shared) if shared.members > 0 => shared.encode(&heard, scratch),
                // Nobody shares it any more.
                other => *other = None,
            }
        }
        scratch.heard = heard;
        for &key in members {
            let Some(leg) = legs.get_mut(key) else { continue };
            if let Place::Shared { group } = leg.place
                && let Some(Some(shared)) = self.shared.get(group)
            {
                shared.repeat(now, leg, &mut out.packets);
            }
        }
    }
}

/// Samples of a frame.
fn samples(rate: u32) -> usize {
    (u64::from(rate) * FRAME_MS / 1000) as usize
}
