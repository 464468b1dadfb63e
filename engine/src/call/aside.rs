//! A party that is alone with the exchange while its call waits for it: one that was dialled and answered runs a
//! subroutine of the dialplan before it is connected (options `A` and `U` of Dial), one of two who talk dials where the
//! other is to go.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use telex_audio::tone::Signal;
use telex_dialplan::task::{Collect, Say, Task};
use telex_dialplan::{Asked, Dialled, Moment, Outcome, Thread};

use super::app::PartyId;
use super::hear::{Next, pieces};
use super::script::{Collecting, Doing};
use super::transfer::make_waiting_room;
use super::{Below, Call, Calls, tasks};
use crate::cx::{CallKey, CallTimer, Cx, Timer};
use crate::dialog::Digit;
use crate::limits;
use crate::mediactl::{Play, Playing, RoomId, ShardId};
use crate::time::Duration;
use crate::timers::TimerKey;

/// What is played to it is counted from here, so that its end is not that of what its call plays to it.
const FIRST_SOUND: u32 = 1 << 31;

/// Why a subroutine of a callee does not do something.
pub(super) const NOT_ASIDE: &str = "a phone that was dialled cannot do that in a subroutine";

/// A party that is alone with the exchange.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Aside {
    pub(super) party: PartyId,
    /// Where its media is.
    room: (ShardId, RoomId),
    pub(super) errand: Errand,
    /// What it is being told or asked.
    doing: Doing,
    /// What came of it.
    outcome: Option<Outcome>,
    keys: String,
    sound: Option<Playing>,
    sounds: u32,
    timer: Option<TimerKey>,
}

/// What it is there for.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Errand {
    /// It answered, and something is to be done before it is connected.
    Screening {
        /// The subroutine, if there is one.
        thread: Option<Box<Thread>>,
        /// Facts of its channel.
        facts: BTreeMap<SmolStr, SmolStr>,
    },
    /// It dials where the other one is to go.
    Number {
        /// It talks there first.
        attended: bool,
        /// How often it may dial what does not exist.
        tries: u8,
    },
}

impl Aside {
    fn over(&mut self, outcome: Outcome) {
        self.doing = Doing::Going;
        self.outcome = Some(outcome);
    }

    fn disarm(&mut self, cx: &mut Cx<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.timers.cancel(timer);
        }
    }

    fn wait(&mut self, cx: &mut Cx<'_>, key: CallKey, time: Duration) -> Doing {
        self.disarm(cx);
        let at = cx.now + time.min(limits::WAIT);
        self.timer = Some(cx.timers.arm(at, Timer::Call(key, CallTimer::Aside)));
        Doing::Waiting
    }
}

impl Calls {
    /// A party of a talk dials where the other one is to go.
    pub(super) fn ask_number(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId, attended: bool) {
        self.put_apart(cx, key, party, Errand::Number { attended, tries: 3 });
        let Some(call) = self.all.get_mut(key) else { return };
        call.ask_for_number(cx);
        call.put_media(cx);
        self.collect_apart(cx, key);
    }

    /// Takes a party out of the room of its call.
    pub(super) fn put_apart(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId, errand: Errand) {
        let Some(call) = self.all.get_mut(key) else { return };
        let place = self.ports.room(Some(call.shard));
        make_waiting_room(cx, place);
        call.aside = Some(Box::new(Aside {
            party,
            room: place,
            errand,
            doing: Doing::Going,
            outcome: None,
            keys: String::new(),
            sound: None,
            sounds: FIRST_SOUND,
            timer: None,
        }));
    }

    /// Goes on with the party that is alone, when something has come of what it was told or asked. False when there is
    /// nothing to go on with.
    pub(super) fn go_apart(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        let Some(aside) = &mut call.aside else { return false };
        if call.parties.get(aside.party).is_none_or(|party| party.leg.is_none()) {
            call.end_apart(cx);
            return true;
        }
        let Some(outcome) = aside.outcome.take() else { return false };
        let (party, number) = (aside.party, matches!(aside.errand, Errand::Number { .. }));
        if number {
            self.number_dialled(cx, below, key, party, outcome);
        } else {
            self.screened_on(cx, below, key, outcome);
        }
        true
    }

    /// What a party of a talk has dialled for the other.
    fn number_dialled(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        party: PartyId,
        outcome: Outcome,
    ) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = &mut call.aside else { return };
        let Errand::Number { attended, tries } = &mut aside.errand else { return };
        let (attended, number) = (
            *attended,
            match outcome {
                Outcome::Keys { keys, .. } => keys,
                // It was told that there is no such number.
                _ => {
                    *tries = tries.saturating_sub(1);
                    if *tries > 0 {
                        call.ask_for_number(cx);
                        return self.collect_apart(cx, key);
                    }
                    SmolStr::default()
                }
            },
        );
        if number.is_empty() {
            return self.back_to_talk(cx, key);
        }
        let done = match attended {
            true => self.consult(cx, key, party, &number),
            false => self.hand_over(cx, below, key, party, &number),
        };
        let Some(call) = self.all.get_mut(key) else { return };
        match done {
            Ok(()) => {}
            Err(_) => {
                let say = vec![Say::Prompt(SmolStr::new_static("pbx-invalid"))];
                call.begin_apart(cx, key, Task::Play { say, escape: SmolStr::default(), answer: false });
            }
        }
    }

    fn back_to_talk(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.take() else { return };
        call.put_media(cx);
        self.close_apart(cx, key, aside);
    }

    /// What was made for a party that is not alone any more is taken down.
    pub(super) fn close_apart(&self, cx: &mut Cx<'_>, key: CallKey, aside: Box<Aside>) {
        if let Some(call) = self.all.get(key) {
            call.close(cx, Some(aside));
        }
    }

    /// A key of a party that is alone.
    pub(super) fn key_apart(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, digit: Digit) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = &mut call.aside else { return };
        match &aside.doing {
            Doing::Playing { escape } if escape.contains(digit.key) => {
                aside.over(Outcome::Keys { keys: SmolStr::from_iter([digit.key]), timeout: false });
                aside.disarm(cx);
                call.hear_apart(cx, None);
            }
            _ if aside.keys.len() < limits::KEYS_AHEAD => aside.keys.push(digit.key),
            _ => {}
        }
        self.advance_apart(cx, below, key);
    }

    /// What a party that is alone was to hear has been played to its end.
    pub(super) fn played_apart(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, number: u32) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.as_mut().filter(|aside| aside.sounds == number) else { return };
        aside.sound = None;
        match &mut aside.doing {
            Doing::Playing { .. } => aside.over(Outcome::Done),
            Doing::Collecting(collecting) => collecting.saying = false,
            _ => return,
        }
        aside.disarm(cx);
        self.advance_apart(cx, below, key);
    }

    /// The timer of a party that is alone fired.
    pub(super) fn time_apart(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = &mut call.aside else { return };
        aside.timer = None;
        match &aside.doing {
            Doing::Collecting(collecting) => {
                let keys = SmolStr::new(&collecting.got);
                aside.over(Outcome::Keys { keys, timeout: true });
            }
            Doing::Playing { .. } | Doing::Waiting | Doing::Music => aside.over(Outcome::Done),
            _ => {}
        }
        call.hear_apart(cx, None);
        self.advance_apart(cx, below, key);
    }

    fn advance_apart(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        self.collect_apart(cx, key);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }

    /// Takes the keys that a party that is alone has pressed.
    pub(super) fn collect_apart(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let extension = call.aside.as_ref().map(|aside| call.parties[aside.party].extension.clone());
        let own = call.script.as_ref().map(|script| self.plans.get(script.plan)).unwrap_or_default();
        let current = self.plans.current().1;
        let (Some(aside), Some(extension)) = (&mut call.aside, extension) else { return };
        let Aside { errand, doing, keys, .. } = &mut **aside;
        let Doing::Collecting(collecting) = doing else { return };
        let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &cx.config.zone);
        let context = cx.config.context_of(&extension);
        let errand = &*errand;
        let dialled = |got: &str| match errand {
            Errand::Screening { thread: Some(thread), .. } => thread.dialled(&own, got, now),
            Errand::Screening { .. } => Dialled::No,
            Errand::Number { .. } => {
                current.dialled(Asked { context, extension: got, caller: &extension, now })
            }
        };
        match collecting.hear(keys, &dialled) {
            Next::Saying => {}
            Next::Over(outcome) => {
                aside.disarm(cx);
                aside.over(outcome);
                call.hear_apart(cx, None);
            }
            Next::Wait { patience, again } => {
                let tone = collecting.got.is_empty() && matches!(errand, Errand::Number { .. });
                if again || aside.timer.is_none() {
                    let _ = aside.wait(cx, key, patience);
                }
                if !tone {
                    call.hear_apart(cx, None);
                }
            }
        }
    }
}

#[cfg(test)]
impl Calls {
    /// What a callee does that is alone with the exchange, the keys it has pressed, its leg, and what tells one moment
    /// of it from the next.
    pub(crate) fn doing_apart(&self, id: u64) -> Option<(String, String, crate::mediactl::LegId, String)> {
        let call = self.all.get(*self.by_id.get(&id)?)?;
        let aside = call.aside.as_ref()?;
        let doing = format!("{:?}", aside.doing).chars().take_while(|c| c.is_alphanumeric()).collect();
        let got = if let Doing::Collecting(collecting) = &aside.doing { &collecting.got } else { "" };
        let leg = call.parties[aside.party].media.id;
        Some((doing, got.to_owned(), leg, format!("{leg:?} {:?}", aside.errand)))
    }
}

impl Call {
    /// Whether a party is alone with the exchange.
    pub(super) fn is_apart(&self, party: PartyId) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.party == party)
    }

    /// What a party that is alone hears, and where.
    pub(super) fn apart(&self) -> Option<(PartyId, (ShardId, RoomId), Option<Play>)> {
        let aside = self.aside.as_ref().filter(|aside| self.leg(aside.party).is_some())?;
        let play = |sound| Play { number: aside.sounds, sound, over: false };
        Some((aside.party, aside.room, aside.sound.clone().map(play)))
    }

    /// Nobody is alone any more.
    pub(super) fn end_apart(&mut self, cx: &mut Cx<'_>) {
        let aside = self.aside.take();
        self.close(cx, aside);
    }

    /// What was made for a party that is not alone any more is taken down.
    pub(super) fn close(&self, cx: &mut Cx<'_>, aside: Option<Box<Aside>>) {
        if let Some(mut aside) = aside {
            aside.disarm(cx);
            self.drop_waiting_room(cx, aside.room);
        }
    }

    fn hear_apart(&mut self, cx: &mut Cx<'_>, sound: Option<Playing>) {
        let Some(aside) = &mut self.aside else { return };
        if sound.is_some() || aside.sound.is_some() {
            aside.sounds += u32::from(sound.is_some());
            aside.sound = sound;
            self.put_media_apart(cx);
        }
    }

    fn ask_for_number(&mut self, cx: &mut Cx<'_>) {
        let wanted = Collect {
            say: Vec::new(),
            first: telex_dialplan::app::DIGIT,
            next: limits::TRANSFER_DIGITS,
            until: telex_dialplan::task::Until::Extension,
            barge: true,
            only: None,
            meanwhile: None,
        };
        if let Some(aside) = &mut self.aside {
            let collecting = Collecting { wanted, got: String::new(), saying: false };
            aside.disarm(cx);
            aside.doing = Doing::Collecting(Box::new(collecting));
        }
        self.hear_apart(cx, Some(tasks::signal(&cx.config.country, Signal::Dial)));
    }

    /// Begins what is to be told or asked.
    pub(super) fn begin_apart(&mut self, cx: &mut Cx<'_>, key: CallKey, task: Task) {
        let begun = self.try_apart(cx, key, task);
        let Some(aside) = &mut self.aside else { return };
        match begun {
            Ok(doing) => {
                let endless = match &doing {
                    Doing::Playing { .. } => true,
                    Doing::Collecting(collecting) => collecting.saying,
                    _ => false,
                };
                // Who has us on hold hears no end.
                if endless {
                    aside.wait(cx, key, limits::RING);
                }
                aside.doing = doing;
            }
            Err(outcome) => aside.over(outcome),
        }
    }

    fn try_apart(&mut self, cx: &mut Cx<'_>, key: CallKey, task: Task) -> Result<Doing, Outcome> {
        let Some(aside) = &mut self.aside else { return Err(Outcome::Done) };
        match task {
            Task::Answer(time) if time.is_zero() => Err(Outcome::Done),
            Task::Answer(time) | Task::Wait(time) => Ok(aside.wait(cx, key, time)),
            Task::Ringing | Task::Progress => Err(Outcome::Done),
            Task::Play { say, .. } if say.is_empty() => {
                // Its media begins all the same.
                self.put_media_apart(cx);
                Err(Outcome::Done)
            }
            Task::Play { say, escape, .. } => {
                let ahead = aside.keys.find(|key| escape.contains(key));
                if let Some(key) = ahead.and_then(|at| aside.keys.drain(..=at).next_back()) {
                    return Err(Outcome::Keys { keys: SmolStr::from_iter([key]), timeout: false });
                }
                self.tell_apart(cx, &say)?;
                Ok(Doing::Playing { escape })
            }
            Task::Collect(wanted) => {
                let saying = !wanted.say.is_empty() && self.tell_apart(cx, &wanted.say).is_ok();
                let Some(aside) = &mut self.aside else { return Err(Outcome::Done) };
                aside.disarm(cx);
                Ok(Doing::Collecting(Box::new(Collecting { wanted, got: String::new(), saying })))
            }
            Task::StopTones => {
                self.hear_apart(cx, None);
                Err(Outcome::Done)
            }
            Task::Music { class, time: Some(time) } => {
                let _ = aside.wait(cx, key, time);
                self.hear_apart(cx, Some(Playing::Music(tasks::music(&class))));
                Ok(Doing::Music)
            }
            _ => Err(Outcome::Refused(NOT_ASIDE.into())),
        }
    }

    fn tell_apart(&mut self, cx: &mut Cx<'_>, say: &[Say]) -> Result<(), Outcome> {
        let Some((party, ..)) = self.apart() else { return Err(Outcome::Done) };
        if self.parties[party].codec().is_some_and(|codec| codec.encoding().is_none()) {
            return Err(Outcome::Refused("nothing can be said in the codec of the phone".into()));
        }
        let language = match self.aside.as_ref().map(|aside| &aside.errand) {
            Some(Errand::Screening { facts, .. }) => facts.get("language").cloned().unwrap_or_default(),
            _ => SmolStr::default(),
        };
        let pieces = pieces(say).collect();
        self.hear_apart(cx, Some(Playing::Prompts { language, pieces, repeat: false }));
        Ok(())
    }
}
