//! Parking: a caller waits in a slot of a lot until somebody takes it up by the number of the slot, or its time is up
//! and it goes back to who parked it.
//!
//! Who is parked is the caller of its call, alone with the exchange. Whoever takes it up joins that call, and the call
//! that this one made to do so ends there.

use std::collections::BTreeMap;

use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use telex_audio::tone::Signal;
use telex_dialplan::app::digits;
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Dial, Target, Task};
use telex_dialplan::{Outcome, Thread};

use super::app::{App, CALLER};
use super::dialling::Dialling;
use super::hear::pieces;
use super::party::{Party, Wish};
use super::pickup::CONSULTS;
use super::script::{Doing, Script};
use super::tasks::{music, signal};
use super::{Below, Call, Calls};
use crate::config::{Config, ParkingLot, USUAL_LOT};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::event::{Event, Parking};
use crate::limits;
use crate::mediactl::{Piece, Play, Playing, ShardId};
use crate::rng::Rng;
use crate::sip::Status;
use crate::time::Duration;

/// How long it takes at most to say a slot.
const SAYING: Duration = Duration::from_secs(15);

type Begun = Result<Doing, Outcome>;

/// A slot: the name of its lot, and its number.
pub(super) type Slot = (SmolStr, u32);

/// Who is parked where.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Parked {
    all: BTreeMap<Slot, CallKey>,
    by_call: BTreeMap<CallKey, Slot>,
    /// Slots that who parked itself has heard, for those whom they brought there and who are not parked yet.
    kept: BTreeMap<CallKey, Slot>,
}

/// A caller's stay in a slot.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Stay {
    slot: Slot,
    /// Who parked it; empty when nobody else did.
    by: SmolStr,
    /// How long it stays.
    time: Duration,
    /// What it hears.
    sound: Playing,
    /// The slot is being said, to who parked it if that is another.
    pub(super) saying: bool,
}

impl Stay {
    /// How long it lasts once the slot has been said.
    pub(super) const fn time(&self) -> Duration {
        self.time
    }

    /// The slot.
    pub(super) const fn number(&self) -> u32 {
        self.slot.1
    }

    /// Lets the plan of the caller know of it.
    pub(super) fn tell(&self, thread: &mut Thread) {
        let slot = self.slot.1.to_smolstr();
        for (name, value) in [("PARKINGSLOT", &slot), ("PARKINGLOT", &self.slot.0), ("PARKER", &self.by)] {
            thread.set(name, value);
        }
        thread.remark(format_smolstr!("in slot {slot}"));
    }

    /// Where the caller goes back when its time is up; empty where its plan goes on, since nobody goes back to itself.
    pub(super) fn back(&self, config: &Config, caller: &SmolStr, thread: &mut Thread) -> SmolStr {
        let lot = config.parking.get(&self.slot.0);
        let back = lot.map(|lot| &lot.back).filter(|back| !back.is_empty()).unwrap_or(&self.by);
        let back = Some(back).filter(|back| *back != caller).cloned().unwrap_or_default();
        let slot = self.slot.1;
        thread.remark(match back.as_str() {
            "" => format_smolstr!("slot {slot}, its time is up"),
            back => format_smolstr!("slot {slot}, its time is up: back to {back}"),
        });
        back
    }

    /// Rings who takes it back.
    pub(super) fn dial(&self, config: &Config, back: SmolStr) -> Dial {
        let timeout = config.parking.get(&self.slot.0).map(|lot| lot.ring);
        Dial { targets: vec![Target::Phone(back)], timeout, ..Dial::default() }
    }
}

impl Parked {
    /// Whoever is parked in a slot of any lot that is this extension.
    pub(super) fn at(&self, extension: &str) -> Option<CallKey> {
        let slot = extension.parse().ok()?;
        self.all.iter().find(|((_, at), _)| *at == slot).map(|(_, key)| *key)
    }

    /// Whoever is parked here; without a slot, in the first that is taken.
    pub(super) fn find(&self, lot: &str, slot: &str) -> Option<CallKey> {
        let lot = SmolStr::new(if lot.is_empty() { USUAL_LOT } else { lot });
        if slot.is_empty() {
            let first = self.all.range((lot.clone(), 0)..).next()?;
            return (first.0.0 == lot).then_some(*first.1);
        }
        // Not `+701` and not `0701`.
        let number: u32 = slot.parse().ok().filter(|number: &u32| number.to_smolstr() == slot)?;
        self.all.get(&(lot, number)).copied()
    }

    /// Where a call is parked.
    pub(super) fn slot_of(&self, key: CallKey) -> Option<&Slot> {
        self.by_call.get(&key)
    }

    /// A slot that is free: that which is wanted, or the first, or one by chance.
    fn free(
        &self,
        rng: &mut Rng,
        lot: (&SmolStr, &ParkingLot),
        wanted: Option<&str>,
        chance: bool,
    ) -> Result<Slot, SmolStr> {
        let (name, lot) = lot;
        if self.all.len() >= limits::PARKED {
            return Err(SmolStr::new_static("not parked: there are too many parked calls"));
        }
        let is_free = |slot: &u32| {
            let slot = (name.clone(), *slot);
            !self.all.contains_key(&slot) && self.kept.values().all(|kept| *kept != slot)
        };
        let slot = match wanted {
            Some(wanted) => {
                let slot = lot.slot(wanted).filter(is_free);
                slot.ok_or_else(|| format_smolstr!("not parked: slot {wanted} is not free"))
            }
            None => {
                let (first, count) = (*lot.all().start(), lot.all().count().max(1));
                let skip = if chance { (rng.u64() % count as u64) as u32 } else { 0 };
                let all = lot.all().skip(skip as usize).chain(first..first.saturating_add(skip));
                all.clone().find(is_free).ok_or_else(|| format_smolstr!("not parked: lot {name} is full"))
            }
        };
        Ok((name.clone(), slot?))
    }

    fn enter(&mut self, key: CallKey, slot: &Slot) {
        self.all.insert(slot.clone(), key);
        self.by_call.insert(key, slot.clone());
    }

    fn leave(&mut self, key: CallKey) -> Option<Slot> {
        let slot = self.by_call.remove(&key)?;
        self.all.remove(&slot);
        Some(slot)
    }

    /// Looks for a slot. Also tells whether the caller itself has come to park.
    pub(super) fn stay(
        &self,
        cx: &mut Cx<'_>,
        call: &Call,
        lot: &SmolStr,
        options: &[(char, SmolStr)],
        kept: Option<Slot>,
    ) -> Result<(Stay, bool), SmolStr> {
        let name = match kept.as_ref().map_or(lot.as_str(), |kept| &kept.0) {
            "" => USUAL_LOT,
            name => name,
        };
        let Some(lot) = cx.config.parking.get_key_value(name) else {
            return Err(format_smolstr!("not parked: there is no parking lot {name}"));
        };
        let option = |letter| options.iter().find(|(known, _)| *known == letter).map(|(_, text)| text);
        let wanted = call.script.as_ref().and_then(|script| script.thread.variable("PARKINGEXTEN"));
        let brought = kept.is_some();
        let kept = kept.map(|(_, slot)| slot.to_smolstr());
        let wanted = kept.as_deref().or(wanted).filter(|wanted| !wanted.is_empty());
        let slot = self.free(&mut cx.rng.plan, lot, wanted, option('R').is_some())?;
        let transfer = call.transfer.as_ref();
        // Who consults hears the slot itself, and the one who waits gets it.
        let itself = transfer.is_none_or(|transfer| transfer.consults);
        let by = transfer.map(|transfer| if transfer.consults { CALLER } else { transfer.by });
        let by = by.and_then(|by| call.parties.get(by)).map(|party| party.extension.clone());
        let seconds = option('t').and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let sound = match option('r') {
            Some(_) => signal(&cx.config.country, Signal::Ringback),
            None => Playing::Music(music(&lot.1.music)),
        };
        let quiet = brought || option('s').is_some() || !says(cx.config, slot.1);
        let hears = itself || call.transferor_hears();
        let stay = Stay {
            slot,
            by: by.unwrap_or_default(),
            time: seconds.filter(|time| !time.is_zero()).unwrap_or(lot.1.time),
            sound,
            saying: hears && !quiet,
        };
        Ok((stay, itself))
    }

    /// Asserts that these are the calls that are parked, each in its slot.
    pub(super) fn check<'a>(&self, calls: impl Iterator<Item = (CallKey, &'a Call)>) {
        let stays = |call: &Call, slot: &Slot| call.stay().is_some_and(|stay| stay.slot == *slot);
        let mut found = 0;
        for (key, call) in calls.filter(|(_, call)| call.stay().is_some() && call.cause.is_none()) {
            found += 1;
            let slot = self.by_call.get(&key).expect("who is parked has a slot");
            assert!(stays(call, slot) && self.all.get(slot) == Some(&key), "each in its slot");
            assert!(matches!(call.app, App::Script), "who is parked is alone");
        }
        assert!(found == self.by_call.len() && found == self.all.len(), "a slot is somebody's or free");
        assert!(self.all.len() <= limits::PARKED);
        let free = |slot: &Slot| !self.all.contains_key(slot);
        assert!(self.kept.values().all(free), "a slot is kept for one, and nobody is in it");
    }
}

impl Calls {
    /// Parks the caller.
    pub(super) fn park(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        lot: &SmolStr,
        options: &[(char, SmolStr)],
    ) -> Begun {
        let kept = self.parked.kept.remove(&key);
        let Some(call) = self.all.get_mut(key) else { return Err(Outcome::Done) };
        let begun = self.parked.stay(cx, call, lot, options, kept);
        let (stay, itself) = match begun {
            Ok(entered) => entered,
            Err(why) => return Err(Outcome::Refused(why)),
        };
        if call.answered.is_none() {
            let task = Task::Park { lot: lot.clone(), options: options.to_vec() };
            // It is answered first: nobody can be heard and taken up before.
            return self.answer_first(cx, below, key, task);
        }
        self.parked.enter(key, &stay.slot);
        self.lines.insert(key, &stay.slot.1.to_smolstr());
        call.stays(cx, key, &stay, itself);
        Ok(Doing::Parked(Box::new(stay)))
    }

    /// The slot has been said, or nobody is there any more to hear it: the stay begins.
    pub(super) fn slot_said(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(stay) = call.stay_mut().filter(|stay| stay.saying) else { return };
        stay.saying = false;
        let (sound, time) = (stay.sound.clone(), stay.time);
        let hears = call.script.as_ref().is_some_and(|script| script.sound.as_ref() == Some(&sound));
        if !hears {
            call.hear_sound(cx, Some(sound));
        }
        call.arm(cx, key, time.min(limits::WAIT), CallTimer::Script);
        self.transferred(cx, below, key);
        self.settle(cx, key);
    }

    /// The timer of one who is parked fired: it goes back.
    pub(super) fn stay_over(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        if call.stay().is_some_and(|stay| stay.saying) {
            return self.slot_said(cx, below, key);
        }
        let caller = call.parties[CALLER].extension.clone();
        let Some(script) = &mut call.script else { return };
        let Doing::Parked(stay) = std::mem::replace(&mut script.doing, Doing::Going) else { return };
        let back = stay.back(cx.config, &caller, &mut script.thread);
        let id = call.id;
        self.unpark(key);
        let slot = stay.slot.1.to_smolstr();
        cx.report(Event::Parking { call: id, slot: slot.clone(), what: Parking::Back { to: back.clone() } });
        if back.is_empty() {
            let call = &mut self.all[key];
            if let Some(script) = &mut call.script {
                script.over(Outcome::Done);
            }
            call.hear_sound(cx, None);
            return self.advance(cx, below, key);
        }
        let dial = stay.dial(cx.config, back);
        let name = self.all[key].rename(|caller| match caller.name.as_str() {
            "" => format_smolstr!("{slot}: {}", caller.number),
            name => format_smolstr!("{slot}: {name}"),
        });
        self.begin(cx, below, key, Task::Dial(dial));
        if let Some(call) = self.all.get_mut(key) {
            call.rename(|_| name);
        }
        self.advance(cx, below, key);
    }

    /// Connects the caller of a call with who is parked.
    pub(super) fn take_up(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        lot: &SmolStr,
        slot: &SmolStr,
    ) -> Begun {
        let Some(other) = self.parked.find(lot, slot) else {
            let script = self.all.get_mut(key).and_then(|call| call.script.as_mut());
            return Err(script.map_or(Outcome::Done, |script| script.nobody_parked(slot)));
        };
        if self.all[key].consults() {
            return Err(Outcome::Refused(SmolStr::new_static(CONSULTS)));
        }
        if self.all[key].answered.is_none() {
            let task = Task::ParkedCall { lot: lot.clone(), slot: slot.clone() };
            return self.answer_first(cx, below, key, task);
        }
        self.all[other].make_room(1);
        let (call, there) = (&self.all[key], &self.all[other]);
        let room = there.parties.len() < limits::LEGS_PER_CALL;
        if !room || !there.parties[CALLER].can_talk_with(&call.parties[CALLER], cx.config.transcode) {
            let why = "who is parked shares no codec with who takes it up";
            return Err(Outcome::Refused(SmolStr::new_static(why)));
        }
        self.join_parked(cx, below, key, other);
        Err(Outcome::Done)
    }

    /// The caller of `key` becomes the other party of who is parked in `other`.
    fn join_parked(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, other: CallKey) {
        self.transferred(cx, below, other);
        let Some(slot) = self.unpark(other) else { return };
        let at = self.bring(cx, below, key, other);
        let (by, slot) = (self.all[other].parties[at].extension.clone(), slot.1.to_smolstr());
        let here = self.all[key].id;
        let call = &mut self.all[other];
        call.disarm(cx);
        call.peer = Some(at);
        call.app = App::Bridge;
        call.between = Some((call.parties[CALLER].extension.clone(), by.clone()));
        if let Some(script) = &mut call.script {
            script.thread.remark(format_smolstr!("{by} takes it up in call {here}"));
            script.play(None);
            script.doing = Doing::Dialling;
            script.dial = Some(Box::new(Dialling { answered: Some(cx.now), ..Dialling::default() }));
        }
        call.put_media(cx);
        call.keep_record(cx);
        let there = call.id;
        cx.report(Event::Parking { call: there, slot, what: Parking::TakenUp { by } });
        self.gone_to(cx, below, key, there);
        self.introduce(cx, below, other);
        self.settle(cx, other);
    }

    /// A call leaves its slot, if it is in one.
    pub(super) fn unpark(&mut self, key: CallKey) -> Option<Slot> {
        let slot = self.parked.leave(key)?;
        self.lines.touch(key);
        Some(slot)
    }

    /// Who parked itself in `key` brings another there, the caller of `other`: that one gets the slot, wherever its
    /// walk leads before it is parked.
    pub(super) fn keep_slot(&mut self, key: CallKey, other: CallKey) {
        if let Some(slot) = self.unpark(key) {
            if let Some(script) = self.all.get_mut(key).and_then(|call| call.script.as_mut()) {
                script.doing = Doing::Waiting;
            }
            self.parked.kept.insert(other, slot);
        }
    }

    /// Nobody comes for the slot that was kept for a call.
    pub(super) fn forget_kept_slot(&mut self, key: CallKey) {
        self.parked.kept.remove(&key);
    }

    /// Where the media is of who is parked in the slot that a step names; `None` without.
    pub(super) fn parked_shard(&self, args: &str, dialled: &str) -> Option<ShardId> {
        let args = args.replace("${EXTEN}", dialled);
        let (lot, slot) = args.split_once(',').unwrap_or(("", &args));
        let key = self.parked.find(lot.trim(), slot.trim())?;
        self.all.get(key).map(|call| call.shard)
    }
}

impl Script {
    /// Nobody is in the slot that the caller wants to take up.
    pub(super) fn nobody_parked(&mut self, slot: &SmolStr) -> Outcome {
        self.failed = Some((Status::NOT_FOUND, super::causes::refused_by(Status::NOT_FOUND)));
        Outcome::Refused(match slot.as_str() {
            "" => SmolStr::new_static("nobody is parked"),
            slot => format_smolstr!("nobody is parked in {slot}"),
        })
    }
}

impl Call {
    /// Its stay in a slot.
    pub(super) fn stay(&self) -> Option<&Stay> {
        match self.script.as_ref().map(|script| &script.doing) {
            Some(Doing::Parked(stay)) => Some(stay),
            _ => None,
        }
    }

    /// The slot that it is parked in.
    pub(super) fn slot(&self) -> Option<SmolStr> {
        self.stay().map(|stay| stay.slot.1.to_smolstr())
    }

    fn stay_mut(&mut self) -> Option<&mut Stay> {
        match self.script.as_mut().map(|script| &mut script.doing) {
            Some(Doing::Parked(stay)) => Some(stay),
            _ => None,
        }
    }

    /// Whether it is parked in the slot that is this extension.
    pub(super) fn stays_at(&self, extension: &str) -> bool {
        self.cause.is_none() && self.slot().is_some_and(|slot| slot == extension)
    }

    /// Whether who hands the call over hears us.
    fn transferor_hears(&self) -> bool {
        let by = self.transfer.as_ref().map(|transfer| transfer.by);
        let by = by.and_then(|by| self.parties.get(by));
        let speaks = |party: &&Party| party.codec().is_some_and(|codec| codec.encoding().is_some());
        by.filter(speaks).is_some_and(|by| by.leg.is_some() && !by.holds())
    }

    /// Begins a stay.
    fn stays(&mut self, cx: &mut Cx<'_>, key: CallKey, stay: &Stay, itself: bool) {
        let slot = stay.slot.1.to_smolstr();
        let name = Playing::Prompts { language: SmolStr::default(), pieces: said(&slot), repeat: false };
        self.hear_sound(cx, Some(if stay.saying && itself { name.clone() } else { stay.sound.clone() }));
        if let Some(transfer) = self.transfer.as_ref().filter(|known| stay.saying && !known.consults) {
            let (by, (shard, room)) = (transfer.by, transfer.room);
            let playing = Some(Play { number: 1, sound: name, over: false });
            self.parties[by].put(cx, shard, room, Wish { playing, ..Wish::default() });
        }
        let time = if stay.saying { SAYING } else { stay.time };
        self.arm(cx, key, time.min(limits::WAIT), CallTimer::Script);
        self.between = Some((self.parties[CALLER].extension.clone(), slot.clone()));
        if let Some(script) = &mut self.script {
            stay.tell(&mut script.thread);
        }
        cx.report(Event::Parking { call: self.id, slot, what: Parking::Parked { by: stay.by.clone() } });
    }

    /// Who calls is called otherwise; gives the name before.
    fn rename(&mut self, name: impl FnOnce(&Caller) -> SmolStr) -> SmolStr {
        let Some(script) = &mut self.script else { return SmolStr::default() };
        let name = name(script.thread.caller());
        script.thread.rename(name)
    }
}

/// Whether the slot can be said.
fn says(config: &Config, slot: u32) -> bool {
    said(&slot.to_smolstr()).iter().all(|piece| match piece {
        Piece::Prompt(name) => config.has_prompt(name),
        Piece::Pause(_) => true,
    })
}

fn said(slot: &str) -> Vec<Piece> {
    pieces(&digits(slot)).collect()
}
