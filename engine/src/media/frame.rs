//! One frame of a room: what its parties say is decoded, what they hear is made.

use super::LegKey;
use super::intake::Intake;
use super::keys;
use super::leg::Leg;
use super::out::MediaOut;
use super::ring::{FRAME_MS, millis};
use super::room::Room;
use super::voice::Scratch;
use crate::limits::MEDIA_CATCH_UP;
use crate::mediactl::RoomMode;
use crate::planted::{Fault, Planted};
use crate::slots::Slots;
use crate::time::Instant;

/// A planted silence begins after so much sound.
const PLANTED_SILENCE_MS: u64 = 4000;

impl Room {
    /// Performs the frames that are due. Of a long delay only the last [`MEDIA_CATCH_UP`] are made up for; before them
    /// the timestamps leap by what is skipped and a marker says so. True when something ended that was wanted.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        legs: &mut Slots<LegKey, Leg>,
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) -> bool {
        let Some(late) = millis(now).checked_sub(self.next) else { return false };
        let due = late / FRAME_MS + 1;
        self.next += due * FRAME_MS;
        let skipped = due.saturating_sub(MEDIA_CATCH_UP);
        if skipped > 0 {
            self.each(legs, |leg| leg.skip(now, skipped, &scratch.sounds));
            let running = self.recorders.iter_mut().filter(|recorder| recorder.is_running());
            running.for_each(|recorder| recorder.skip(skipped, out));
        }
        for frame in skipped..due {
            scratch.sounds.frame = self.next - (due - frame) * FRAME_MS;
            self.pull(now, legs, scratch, out);
            for recorder in self.recorders.iter_mut().filter(|recorder| recorder.is_running()) {
                recorder.frame(legs, &self.legs, scratch, out);
            }
            match self.spec.mode {
                RoomMode::Relay | RoomMode::Echo => self.relay(now, legs, scratch, out),
                RoomMode::Mix => self.mix(now, legs, scratch, out),
            }
        }
        let mut ended = false;
        self.each(legs, |leg| {
            leg.conclude(&mut out.reports);
            ended |= std::mem::take(&mut leg.ended);
        });
        ended
    }

    /// Gets the next frame of each party that is decoded, and the keys in it.
    fn pull(&self, now: Instant, legs: &mut Slots<LegKey, Leg>, scratch: &mut Scratch, out: &mut MediaOut) {
        for &key in &self.legs {
            let Some(leg) = legs.get_mut(key) else { continue };
            let Some(intake) = leg.intake.as_mut() else { continue };
            intake.pull(now);
            let Some(tones) = leg.tones.as_mut().filter(|_| leg.ear.is_none()) else { continue };
            tones.listen(self.rate, &intake.frame, &mut scratch.events);
            intake.hide(tones.is_pressed() || !scratch.events.is_empty());
            keys::heard_as_tones(legs, key, &mut scratch.events, &mut out.reports);
        }
    }

    fn each(&self, legs: &mut Slots<LegKey, Leg>, mut work: impl FnMut(&mut Leg)) {
        for &key in &self.legs {
            if let Some(leg) = legs.get_mut(key) {
                work(leg);
            }
        }
    }

    /// Each leg hears all others.
    fn mix(
        &mut self,
        now: Instant,
        legs: &mut Slots<LegKey, Leg>,
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) {
        if let Some(conference) = &mut self.conference {
            conference.frame(now, &self.legs, legs, scratch, out);
        }
    }

    /// Whom a leg hears: `source`, but in tests of the simulator.
    fn mistaken(&self, source: LegKey, key: LegKey, legs: &Slots<LegKey, Leg>) -> LegKey {
        let planted = legs.get(key).map(|leg| leg.planted).unwrap_or_default();
        if planted.is(Fault::CodedComesBack) {
            return key;
        }
        let elsewhere = |&(key, leg): &(LegKey, &Leg)| leg.intake.is_some() && !self.legs.contains(&key);
        let crosses = planted.is(Fault::CodedCrosses);
        let other = if crosses { legs.iter().find(elsewhere) } else { None };
        other.map_or(source, |(other, _)| other)
    }

    /// What becomes of a decoded frame by what is planted: nothing does, but in tests of the simulator.
    fn spoil(&self, intake: &mut Intake, planted: Planted) {
        let falls_silent = planted.is(Fault::CodedFallsSilent) && intake.played().ms > PLANTED_SILENCE_MS;
        let stutters = planted.is(Fault::CodedStutters) && (self.next / FRAME_MS).is_multiple_of(4);
        intake.heard &= !falls_silent && !stutters;
        if planted.is(Fault::CodedSoftens) {
            intake.frame.iter_mut().for_each(|sample| *sample /= 2);
        }
    }

    /// Each leg hears its one source.
    fn relay(&self, now: Instant, legs: &mut Slots<LegKey, Leg>, scratch: &mut Scratch, out: &mut MediaOut) {
        for &key in &self.legs {
            let source = self.source(key).map(|source| self.mistaken(source, key, legs));
            let planted = legs.get(key).map(|leg| leg.planted).unwrap_or_default();
            let frame = match (source.and_then(|s| legs.get(s)), legs.get(key)) {
                (Some(source), Some(leg)) => leg.outlet.is_some() && source.is_transcoded_for(leg),
                _ => false,
            };
            // Lent, since the source may be the leg itself.
            let mut intake = source.filter(|_| frame).and_then(|s| legs.get_mut(s)?.intake.as_deref_mut());
            if let Some(intake) = &mut intake {
                self.spoil(intake, planted);
            }
            let lent = intake.filter(|i| i.heard).map(|i| std::mem::take(&mut i.frame));
            if let Some(leg) = legs.get_mut(key) {
                leg.speak(now, lent.as_deref(), scratch, &mut out.packets);
            }
            let intake = source.and_then(|s| legs.get_mut(s)?.intake.as_deref_mut());
            if let (Some(intake), Some(lent)) = (intake, lent) {
                intake.frame = lent;
            }
        }
    }
}
