//! What a caller who is alone with the exchange hears, and the keys it presses.

use smol_str::SmolStr;
use telex_dialplan::task::{Collect, Say, Sound, Until};
use telex_dialplan::{Moment, Outcome};

use super::app::{CALLER, PartyId};
use super::script::{Collecting, Doing, Script};
use super::{Below, Call, Calls};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::limits;
use crate::mediactl::{Piece, Play, Playing};

type Begun = Result<Doing, Outcome>;

impl Calls {
    /// A key was pressed. False when the dialplan has no use for it.
    pub(super) fn key(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        from: PartyId,
        digit: char,
    ) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        if from != CALLER || !call.is_scripted() {
            return false;
        }
        match call.script.as_ref().map(|script| &script.doing) {
            Some(Doing::Recording { .. }) => self.key_recorded(cx, key, digit),
            _ => call.pressed(cx, digit),
        }
        self.advance(cx, below, key);
        true
    }

    /// What the caller was to hear has been played to its end.
    pub(super) fn played(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, number: u32) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(script) = call.script.as_mut().filter(|script| script.sounds == number) else { return };
        match &mut script.doing {
            Doing::Playing { .. } => {
                script.play(None);
                script.over(Outcome::Done);
                call.disarm(cx);
            }
            Doing::Collecting(collecting) => {
                collecting.saying = false;
                script.play(None);
                call.disarm(cx);
            }
            Doing::Parked(_) => return self.slot_said(cx, below, key),
            _ => return,
        }
        self.advance(cx, below, key);
    }

    /// The timer of a script fired.
    pub(super) fn time_over(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(script) = &mut call.script else { return };
        match &mut script.doing {
            Doing::Waiting | Doing::Listening => script.over(Outcome::Done),
            Doing::Music => {
                script.over(Outcome::Done);
                call.hear_sound(cx, None);
            }
            Doing::Collecting(collecting) => {
                let keys = SmolStr::new(&collecting.got);
                script.over(Outcome::Keys { keys, timeout: true });
            }
            // Nobody was there to be answered.
            Doing::Playing { .. } => {
                let status = crate::sip::Status::TEMPORARILY_UNAVAILABLE;
                self.finish(cx, below, key, status, crate::event::EndCause::NoAnswer);
            }
            Doing::Recording { .. } => self.recorded(cx, key, "TIMEOUT"),
            Doing::SendingAway => script.over(super::send_away::transferred("FAILURE", None)),
            Doing::Parked(_) => return self.stay_over(cx, below, key),
            Doing::Dialling => return self.talk_time(cx, below, key),
            Doing::Going | Doing::Acknowledged(_) | Doing::Echo | Doing::Conference | Doing::Paging => {}
        }
        self.advance(cx, below, key);
    }

    /// The caller's ACK has come.
    pub(super) fn acknowledged(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(script) = &mut call.script else { return };
        let Doing::Acknowledged(then) = script.doing else { return };
        match script.next.take() {
            Some(task) => self.begin(cx, below, key, *task),
            None if then.is_zero() => script.over(Outcome::Done),
            None => {
                script.doing = Doing::Waiting;
                call.wait(cx, key, then);
            }
        }
        self.advance(cx, below, key);
    }

    /// Lets keys and the script go on from here.
    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        self.collect_keys(cx, key);
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }

    /// Takes the keys that wait, as far as they are collected.
    pub(super) fn collect_keys(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        let plan = call.script.as_ref().map(|script| self.plans.get(script.plan)).unwrap_or_default();
        let Some(script) = &mut call.script else { return };
        let Script { thread, doing, keys, .. } = &mut **script;
        let Doing::Collecting(collecting) = doing else { return };
        let ms = i64::try_from(cx.wall.as_unix_millis()).unwrap_or(i64::MAX);
        let now = Moment::new(ms, &cx.config.zone);
        match collecting.hear(keys, &|got| thread.dialled(&plan, got, now)) {
            Next::Saying => return,
            Next::Over(outcome) => {
                script.over(outcome);
                call.disarm(cx);
            }
            Next::Wait { patience, again } if again || call.timer.is_none() => {
                call.arm(cx, key, patience, CallTimer::Script);
            }
            Next::Wait { .. } => {}
        }
        let sound = call.meanwhile(&cx.config.country);
        if call.script.as_ref().is_some_and(|script| script.sound != sound) {
            call.hear_sound(cx, sound);
        }
    }
}

/// What is said, as media has it.
pub(super) fn pieces(say: &[Say]) -> impl Iterator<Item = Piece> {
    say.iter().map(|say| match say {
        Say::Prompt(name) => Piece::Prompt(name.clone()),
        Say::Pause(time) => Piece::Pause(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
    })
}

/// What is next where keys are collected.
pub(super) enum Next {
    /// Something is still being said.
    Saying,
    /// There is enough, or nothing to wait for.
    Over(Outcome),
    /// Another key, for so long; from now on if `again`.
    Wait { patience: crate::time::Duration, again: bool },
}

impl Collecting {
    /// Hears the keys that were pressed.
    pub(super) fn hear(
        &mut self,
        keys: &mut String,
        extension: &dyn Fn(&str) -> telex_dialplan::Dialled,
    ) -> Next {
        if let Some(only) = self.wanted.only.as_ref().filter(|_| self.saying) {
            keys.retain(|key| only.contains(key));
        }
        if self.saying && (keys.is_empty() || !self.wanted.barge) {
            return Next::Saying;
        }
        self.saying = false;
        let before = self.got.len();
        let enough = self.take(keys, extension);
        let first = self.got.is_empty();
        let patience = if first { self.wanted.first } else { self.wanted.next };
        if enough || first && patience.is_zero() {
            return Next::Over(Outcome::Keys { keys: SmolStr::new(&self.got), timeout: !enough });
        }
        Next::Wait { patience, again: self.got.len() > before }
    }

    /// Takes keys. True when there is enough; what comes after stays.
    pub(super) fn take(
        &mut self,
        keys: &mut String,
        extension: &dyn Fn(&str) -> telex_dialplan::Dialled,
    ) -> bool {
        while !keys.is_empty() {
            let key = keys.remove(0);
            match &self.wanted.until {
                Until::Count { terminators, .. } if terminators.contains(key) => return true,
                Until::Count { max, .. } => {
                    self.got.push(key);
                    let most = if *max == 0 { limits::KEYS_AHEAD } else { usize::from(*max) };
                    if self.got.len() >= most {
                        return true;
                    }
                }
                Until::Extension => {
                    self.got.push(key);
                    let more = extension(&self.got) == telex_dialplan::Dialled::More;
                    if !more || self.got.len() >= limits::KEYS_AHEAD {
                        return true;
                    }
                }
            }
        }
        false
    }
}

impl Call {
    /// The caller pressed a key: it stops what it may stop, and waits for who collects keys.
    fn pressed(&mut self, cx: &mut Cx<'_>, digit: char) {
        let Some(script) = &mut self.script else { return };
        match &script.doing {
            Doing::Playing { escape } if escape.contains(digit) => {
                let keys = SmolStr::from_iter([digit]);
                script.over(Outcome::Keys { keys, timeout: false });
                self.disarm(cx);
                self.hear_sound(cx, None);
            }
            Doing::Echo if digit == '#' => {
                script.over(Outcome::Done);
                self.put_room(cx);
                self.put_media(cx);
            }
            _ if script.keys.len() < limits::KEYS_AHEAD => script.keys.push(digit),
            _ => {}
        }
    }

    /// Says something to the caller, and waits for its end.
    pub(super) fn say_all(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        say: &[Say],
        escape: SmolStr,
    ) -> Begun {
        if say.is_empty() {
            return Err(Outcome::Done);
        }
        if self.early(cx, below).is_err() {
            return Err(Outcome::Refused(SmolStr::new_static(super::tasks::NO_OFFER)));
        }
        if !self.can_be_told() {
            return Err(Outcome::Refused(SmolStr::new_static("nothing can be said in the caller's codec")));
        }
        // A key that was pressed before it began stops it, too.
        let ahead = self.script.as_mut().and_then(|script| {
            let at = script.keys.find(|key| escape.contains(key))?;
            script.keys.drain(..=at).next_back()
        });
        if let Some(key) = ahead {
            return Err(Outcome::Keys { keys: SmolStr::from_iter([key]), timeout: false });
        }
        self.hear_sound(cx, Some(self.spoken_as(say)));
        Ok(Doing::Playing { escape })
    }

    /// Begins to collect keys.
    pub(super) fn collect(&mut self, cx: &mut Cx<'_>, below: &mut Below, wanted: Collect) -> Begun {
        let heard = self.early(cx, below).is_ok() && self.can_be_told();
        let saying = heard && !wanted.say.is_empty();
        if saying {
            self.hear_sound(cx, Some(self.spoken_as(&wanted.say)));
        }
        self.disarm(cx);
        Ok(Doing::Collecting(Box::new(Collecting { wanted, got: String::new(), saying })))
    }

    /// What the caller hears until its first key, while its keys are collected.
    fn meanwhile(&self, country: &str) -> Option<Playing> {
        let Doing::Collecting(collecting) = &self.script.as_ref()?.doing else { return None };
        let wanted = collecting.wanted.meanwhile.as_ref().filter(|_| collecting.got.is_empty());
        match wanted.filter(|_| self.can_be_told())? {
            Sound::Tones(name) => super::tasks::tones(country, name).ok(),
            Sound::Music(class) => Some(Playing::Music(super::tasks::music(class))),
        }
    }

    /// An echo is answered with whatever codec the caller has. The end of what cannot be said in it would never come.
    fn can_be_told(&self) -> bool {
        self.parties[CALLER].codec().is_none_or(|codec| codec.encoding().is_some())
    }

    pub(super) fn spoken_as(&self, say: &[Say]) -> Playing {
        let facts = self.script.as_ref().map(|script| &script.facts);
        let language = facts.and_then(|facts| facts.get("language")).cloned().unwrap_or_default();
        Playing::Prompts { language, pieces: pieces(say).collect(), repeat: false }
    }

    /// The caller hears this from now on, or nothing.
    pub(super) fn hear_sound(&mut self, cx: &mut Cx<'_>, sound: Option<Playing>) {
        let Some(script) = &mut self.script else { return };
        if script.sound.is_none() && sound.is_none() {
            return;
        }
        script.play(sound);
        self.put_media(cx);
    }

    /// What the caller hears while it is alone.
    pub(super) fn playing(&self) -> Option<Play> {
        let script = self.script.as_ref()?;
        let sound = script.sound.clone()?;
        Some(Play { number: script.sounds, sound, over: false })
    }
}
