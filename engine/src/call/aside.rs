//! A party that is alone with the exchange while its call waits for it: one that was dialled and answered runs a
//! subroutine of the dialplan before it is connected (options `A` and `U` of Dial), one of two who talk dials where the
//! other is to go.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};
use telex_audio::tone::Signal;
use telex_dialplan::scene::Caller;
use telex_dialplan::task::{Collect, Routine, Say, Task};
use telex_dialplan::{Asked, Dialled, Dialplan, Moment, Outcome, Thread, World};

use super::app::{App, AppEvent, PartyId};
use super::hear::Next;
use super::script::{Collecting, Doing};
use super::world::Sight;
use super::{Below, Call, Calls, causes, tasks};
use crate::cx::{CallKey, CallTimer, Cx, Timer};
use crate::dialog::Digit;
use crate::event::EndCause;
use crate::limits;
use crate::mediactl::{MediaCommand, Piece, Play, Playing, RoomId, RoomMode, RoomSpec, ShardId};
use crate::sip::Status;
use crate::time::Duration;
use crate::timers::TimerKey;

/// Tells a phone that it answered and does not talk (RFC 3326).
const NOT_CONNECTED: &str = "SIP;cause=200;text=\"Not connected\"";
/// What is played to it is counted from here, so that its end is not that of what its call plays to it.
const FIRST_SOUND: u32 = 1 << 31;

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
    /// A callee that answered is asked, or told something, before it is connected.
    pub(super) fn screen(&mut self, cx: &mut Cx<'_>, below: &Below, key: CallKey, party: PartyId) {
        let Some(call) = self.all.get_mut(key) else { return };
        call.disarm(cx);
        let dial = call.script.as_ref().and_then(|script| script.dial.as_ref());
        let routine = dial.and_then(|dial| dial.on_answer.clone());
        let say = dial.and_then(|dial| dial.announcement.clone()).map(Say::Prompt);
        let mut facts = call.facts_for_callee();
        let callee = call.callee(cx, party);
        let made = routine.and_then(|routine| {
            let begin = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
                thread.routine(&routine, callee, plan, world).inspect_err(|why| {
                    thread.tell(format_smolstr!("U: {why}"));
                })
            };
            self.for_callee(cx, below, key, &mut facts, begin)?.ok()
        });
        let errand = Errand::Screening { thread: made.map(Box::new), facts };
        self.put_apart(cx, key, party, errand);
        let Some(call) = self.all.get_mut(key) else { return };
        call.parties[party].answered = Some(cx.wall);
        call.peer = None;
        let first = Task::Play { say: say.into_iter().collect(), escape: SmolStr::default(), answer: false };
        call.begin_apart(cx, key, first);
    }

    /// A party of a talk dials where the other one is to go.
    pub(super) fn ask_number(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId, attended: bool) {
        self.put_apart(cx, key, party, Errand::Number { attended, tries: 3 });
        let Some(call) = self.all.get_mut(key) else { return };
        call.ask_for_number(cx);
        call.put_media(cx);
        self.collect_apart(cx, key);
    }

    /// Takes a party out of the room of its call.
    fn put_apart(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId, errand: Errand) {
        let Some(call) = self.all.get_mut(key) else { return };
        let place @ (shard, room) = self.ports.room(Some(call.shard));
        let spec = RoomSpec { mode: RoomMode::Relay, recordings: Vec::new() };
        let command = MediaCommand::PutRoom { room, rev: 1, spec };
        cx.out.push(crate::border::Action::Media { shard, command });
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

    /// Lets the dialplan of a call work for a callee of it.
    pub(super) fn for_callee<R>(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        facts: &mut BTreeMap<SmolStr, SmolStr>,
        work: impl FnOnce(&mut Thread, &Dialplan, &mut dyn World) -> R,
    ) -> Option<R> {
        let mut script = self.all.get_mut(key)?.script.take()?;
        let plan = self.plans.get(script.plan);
        let call = self.all.get(key)?;
        let mut sight = Sight {
            cx,
            registrar: &below.registrar,
            values: &mut self.values,
            calls: &self.all,
            call,
            groups: &mut script.groups,
            parked: &self.parked,
            facts,
            headers: &[],
        };
        let done = work(&mut script.thread, &plan, &mut sight);
        self.all.get_mut(key)?.script = Some(script);
        Some(done)
    }

    /// What a subroutine adds to the INVITE of a callee that is about to be asked (option `b` of Dial). `None` when it
    /// hangs up on it.
    pub(super) fn before_asking(
        &mut self,
        cx: &mut Cx<'_>,
        below: &Below,
        key: CallKey,
        party: PartyId,
        routine: &Routine,
    ) -> Option<Vec<(SmolStr, SmolStr)>> {
        let call = self.all.get(key)?;
        let (mut facts, callee) = (call.facts_for_callee(), call.callee(cx, party));
        let whose = callee.number.clone();
        let run = |thread: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            let mut routine = match thread.routine(routine, callee, plan, world) {
                Ok(routine) => routine,
                Err(why) => {
                    thread.tell(format_smolstr!("b: {why}"));
                    return Some(Vec::new());
                }
            };
            let mut asked = true;
            for _ in 0..limits::TASKS_AT_ONCE {
                match routine.next(plan, world) {
                    Some(Task::Hangup { .. }) => asked = false,
                    Some(_) => routine.resume(Outcome::Refused("the phone is not rung yet".into())),
                    None => break,
                }
                if !asked {
                    break;
                }
            }
            thread.tell_of(&routine, &whose);
            asked.then(|| routine.headers().to_vec())
        };
        self.for_callee(cx, below, key, &mut facts, run)?
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

    /// Walks on with the subroutine of a callee.
    fn screened_on(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, outcome: Outcome) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(mut aside) = call.aside.take() else { return };
        let Errand::Screening { thread, facts } = &mut aside.errand else { return };
        let Some(routine) = thread else {
            call.aside = Some(aside);
            return self.accepted(cx, below, key);
        };
        let busy = call.script.as_mut().is_some_and(|script| !script.may_go_on(cx.now));
        let walk = |_: &mut Thread, plan: &Dialplan, world: &mut dyn World| {
            routine.resume(outcome);
            routine.next(plan, world)
        };
        let task = self.for_callee(cx, below, key, facts, walk).flatten().filter(|_| !busy);
        let Some(call) = self.all.get_mut(key) else { return };
        let ends = matches!(task, Some(Task::Hangup { .. } | Task::Busy(_) | Task::Congestion(_)));
        if let Some(task) = task.filter(|_| !ends) {
            call.aside = Some(aside);
            call.begin_apart(cx, key, task);
            return self.collect_apart(cx, key);
        }
        let result = routine.variable("GOSUB_RESULT").or_else(|| routine.variable("MACRO_RESULT"));
        let verdict = SmolStr::new(result.filter(|_| routine.has_returned()).unwrap_or_default());
        let (returned, whose) = (routine.has_returned(), call.parties[aside.party].extension.clone());
        if let Some(script) = &mut call.script {
            script.thread.tell_of(routine, &whose);
        }
        call.aside = Some(aside);
        match returned {
            true => self.judged(cx, below, key, &verdict),
            false => self.directed_away(cx, below, key, None),
        }
    }

    /// What the subroutine of a callee says shall be done.
    fn judged(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, verdict: &SmolStr) {
        let upper = verdict.to_ascii_uppercase();
        match upper.as_str() {
            "" => self.accepted(cx, below, key),
            "BUSY" => self.directed_away(cx, below, key, Some(Status::BUSY_HERE)),
            "CONGESTION" => self.directed_away(cx, below, key, Some(Status::SERVICE_UNAVAILABLE)),
            "CONTINUE" => self.caller_goes(cx, below, key, vec![SmolStr::new_static("n")]),
            "ABORT" => {
                let Some(call) = self.all.get_mut(key) else { return };
                call.end_apart(cx);
                let cause = EndCause::Dialplan(causes::NORMAL);
                self.finish(cx, below, key, Status::TEMPORARILY_UNAVAILABLE, cause);
            }
            _ if upper.starts_with("GOTO:") => {
                let place = verdict["GOTO:".len()..].split(['^', ',']).map(|part| part.trim().into());
                self.caller_goes(cx, below, key, place.collect());
            }
            _ => {
                let text = format_smolstr!("GOSUB_RESULT is `{verdict}`, which means nothing: connected");
                if let Some(call) = self.all.get(key) {
                    call.warn(cx, text);
                }
                self.accepted(cx, below, key);
            }
        }
    }

    /// The callee is connected.
    fn accepted(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(aside) = self.all.get_mut(key).and_then(|call| call.aside.take()) else { return };
        self.apply(cx, below, key, AppEvent::Answered { party: aside.party });
        self.close(cx, key, aside);
    }

    /// The callee is not connected: it hung up, or this is what the caller hears of it.
    fn directed_away(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, status: Option<Status>) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.take() else { return };
        let party = aside.party;
        call.release(cx, below, party, NOT_CONNECTED);
        self.close(cx, key, aside);
        self.apply(cx, below, key, AppEvent::Refused { party, status });
    }

    /// The callee is let go, and the caller's walk goes on somewhere.
    fn caller_goes(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, place: Vec<SmolStr>) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(aside) = call.aside.take() else { return };
        call.release(cx, below, aside.party, NOT_CONNECTED);
        call.app = App::Script;
        if let Some(script) = &mut call.script {
            (script.dial, script.failed) = (None, None);
            script.play(None);
            script.over(Outcome::Goto(place));
        }
        call.put_media(cx);
        self.close(cx, key, aside);
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
        self.close(cx, key, aside);
    }

    /// What was made for a party that is not alone any more is taken down.
    fn close(&self, cx: &mut Cx<'_>, key: CallKey, aside: Box<Aside>) {
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
            Doing::Waiting | Doing::Music => aside.over(Outcome::Done),
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
    fn collect_apart(&mut self, cx: &mut Cx<'_>, key: CallKey) {
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

impl Call {
    /// Who a callee is on its own channel.
    fn callee(&self, cx: &Cx<'_>, party: PartyId) -> Caller {
        let number = self.parties[party].extension.clone();
        let name = cx.config.phones.get(&number).map(|phone| phone.name.clone()).unwrap_or_default();
        Caller { number, name, ..Caller::default() }
    }

    /// Whom the channel of a callee is connected with, and what it speaks.
    fn facts_for_callee(&self) -> BTreeMap<SmolStr, SmolStr> {
        let Some(script) = &self.script else { return BTreeMap::new() };
        let caller = script.thread.caller();
        let language = script.facts.get("language").map(|language| ("language", language.clone()));
        let who = [("connected/num", caller.number.clone()), ("connected/name", caller.name.clone())];
        who.into_iter().chain(language).map(|(name, value)| (name.into(), value)).collect()
    }

    /// Whether a party is alone with the exchange.
    pub(super) fn is_apart(&self, party: PartyId) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.party == party)
    }

    /// What a party that is alone hears, and where.
    pub(super) fn apart(&self) -> Option<(PartyId, (ShardId, RoomId), Option<Play>)> {
        let aside = self.aside.as_ref()?;
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
        };
        if let Some(aside) = &mut self.aside {
            let collecting = Collecting { wanted, got: String::new(), saying: false };
            aside.disarm(cx);
            aside.doing = Doing::Collecting(Box::new(collecting));
        }
        self.hear_apart(cx, Some(tasks::signal(&cx.config.country, Signal::Dial)));
    }

    /// Begins what is to be told or asked.
    fn begin_apart(&mut self, cx: &mut Cx<'_>, key: CallKey, task: Task) {
        let begun = self.try_apart(cx, key, task);
        let Some(aside) = &mut self.aside else { return };
        match begun {
            Ok(doing) => aside.doing = doing,
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
            _ => Err(Outcome::Refused("a phone that was dialled cannot do that in a subroutine".into())),
        }
    }

    fn tell_apart(&mut self, cx: &mut Cx<'_>, say: &[Say]) -> Result<(), Outcome> {
        let Some((party, ..)) = self.apart() else { return Err(Outcome::Done) };
        if self.parties[party].codec().is_some_and(|codec| codec.encoding().is_none()) {
            return Err(Outcome::Refused("nothing can be said in the codec of the phone".into()));
        }
        let pieces = say.iter().map(|say| match say {
            Say::Prompt(name) => Piece::Prompt(name.clone()),
            Say::Pause(time) => Piece::Pause(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
        });
        let language = match self.aside.as_ref().map(|aside| &aside.errand) {
            Some(Errand::Screening { facts, .. }) => facts.get("language").cloned().unwrap_or_default(),
            _ => SmolStr::default(),
        };
        let pieces = pieces.collect();
        self.hear_apart(cx, Some(Playing::Prompts { language, pieces, repeat: false }));
        Ok(())
    }
}
