//! How long two may talk (options `S` and `L` of Dial), and what they are told of that: when they begin, some time
//! before the end, again and again, and at the end.
//!
//! One who is told something hears it instead of the other, who hears the talk as before. Who cannot be told anything,
//! since it holds the call or its codec is unknown here, is not.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::app::number;
use telex_dialplan::task::Say;

use super::app::{AppEvent, CALLER, PartyId};
use super::{Below, Call, Calls};
use crate::cx::{CallKey, CallTimer, Cx};
use crate::limits;
use crate::mediactl::{Play, Playing};
use crate::time::Duration;

/// What is said in a talk has numbers of its own.
const FIRST_SOUND: u32 = 1 << 30;

/// A word of the variables `LIMIT_..._FILE`: how much time is left.
const TIME_LEFT: &str = "timeleft";

/// How long two may talk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Limit {
    pub(super) most: Duration,
    /// They are told when so much is left, and again after so much each; zero for once.
    warning: Option<(Duration, Duration)>,
    /// What they are told then: a prompt, or [`TIME_LEFT`].
    warns: SmolStr,
    /// What they are told when they begin and when it is over; empty for nothing.
    begins: SmolStr,
    ends: SmolStr,
    /// Whether the caller is told, and the callee.
    tells: (bool, bool),
    /// It is over, and that is being said.
    ending: bool,
    /// They have been told that it will be.
    warned: bool,
}

/// What two who talk are being told, and how often that was so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Telling {
    caller: Option<Play>,
    callee: Option<Play>,
    count: u32,
}

impl Telling {
    fn of(&mut self, party: PartyId) -> &mut Option<Play> {
        if party == CALLER { &mut self.caller } else { &mut self.callee }
    }
}

impl Limit {
    /// What the options of a Dial and the variables of its channel say; the last option counts.
    pub(super) fn of_options<'a>(
        options: &[(char, SmolStr)],
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<Self> {
        let unit = |letter| match letter {
            'S' => Some(1000),
            'L' => Some(1),
            _ => None,
        };
        let (letter, text, unit) =
            options.iter().rev().find_map(|(letter, text)| Some((*letter, text, unit(*letter)?)))?;
        let mut numbers = text.split(':').map(|part| part.trim().parse().unwrap_or(0_u64));
        let mut time = || Duration::from_millis(numbers.next().unwrap_or(0).saturating_mul(unit));
        let most = Some(time()).filter(|most| !most.is_zero())?;
        if letter == 'S' {
            return Some(Self { most, ..Self::default() });
        }
        let (before, again) = (time(), time());
        let yes = |name, usual| variable(name).map_or(usual, is_true);
        let tells = match (yes("LIMIT_PLAYAUDIO_CALLER", true), yes("LIMIT_PLAYAUDIO_CALLEE", false)) {
            (false, false) => (true, false),
            both => both,
        };
        let file = |name| variable(name).map(str::trim).filter(|file| !file.is_empty()).map(SmolStr::new);
        Some(Self {
            most,
            warning: warning(most, before, again),
            warns: file("LIMIT_WARNING_FILE").unwrap_or(SmolStr::new_static(TIME_LEFT)),
            begins: file("LIMIT_CONNECT_FILE").unwrap_or_default(),
            ends: file("LIMIT_TIMEOUT_FILE").unwrap_or_default(),
            tells,
            ..Self::default()
        })
    }

    /// How long it is until something is to be done, when they have talked for so long.
    fn next(&self, age: Duration) -> Duration {
        let end = self.most.saturating_sub(age);
        let Some((before, again)) = self.warning else { return end };
        let first = self.most.saturating_sub(before);
        let wait = match again.as_millis() {
            _ if age < first => first.saturating_sub(age),
            0 => end,
            gap => Duration::from_millis((gap - age.saturating_sub(first).as_millis() % gap) as u64),
        };
        wait.min(end)
    }
}

/// When they are warned first, and how often again. What is wanted before they even talk is put off by the gap until
/// they do.
fn warning(most: Duration, before: Duration, again: Duration) -> Option<(Duration, Duration)> {
    let (most, before) = (most.as_millis(), before.as_millis());
    let gap = match again.as_millis() {
        0 => 0,
        gap => gap.max(limits::WARNING_GAP.as_millis()),
    };
    let before = match before.checked_sub(most) {
        None => before,
        Some(_) if gap == 0 => return None,
        Some(early) => before.checked_sub(early.div_ceil(gap) * gap)?,
    };
    let ms = |ms: u128| Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX));
    (before > 0).then_some((ms(before), ms(gap)))
}

/// What counts as yes where the field writes a switch.
fn is_true(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    matches!(text.as_str(), "yes" | "true" | "y" | "t" | "1" | "on")
}

/// What is left, in words.
fn left(time: Duration) -> Vec<Say> {
    let seconds = (time + Duration::from_millis(500)).as_secs();
    let mut said = vec![Say::Prompt(SmolStr::new_static("vm-youhave"))];
    let mut part = |count: u64, one: &'static str, many: &'static str| {
        if count > 0 {
            said.extend(number(i64::try_from(count).unwrap_or(i64::MAX)));
            said.push(Say::Prompt(SmolStr::new_static(if count == 1 { one } else { many })));
        }
    };
    part(seconds / 60, "minute", "minutes");
    part(seconds % 60, "second", "seconds");
    said
}

impl Calls {
    /// The timer of a talk fired: somebody is told how long it may go on, or it is over.
    pub(super) fn talk_time(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get_mut(key) else { return };
        if !call.is_told_of_time(cx, key) {
            self.decide(cx, below, key, AppEvent::TimeUp);
        }
    }

    /// What one of two who talk was told has come to its end.
    pub(super) fn told(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, party: PartyId) {
        let Some(call) = self.all.get_mut(key) else { return };
        let Some(dial) = call.script.as_mut().and_then(|script| script.dial.as_mut()) else { return };
        *dial.telling.of(party) = None;
        let goes_on = dial.telling.caller.is_some() || dial.telling.callee.is_some();
        if !goes_on && dial.limit.as_ref().is_some_and(|limit| limit.ending) {
            self.decide(cx, below, key, AppEvent::TimeUp);
        } else {
            call.put_media(cx);
        }
    }
}

impl Call {
    /// Arms the timer of how long they may talk, if there is an end to that.
    pub(super) fn watch_limit(&mut self, cx: &mut Cx<'_>, key: CallKey) {
        let Some(dial) = self.script.as_ref().and_then(|script| script.dial.as_ref()) else { return };
        if let (Some(limit), Some(since)) = (&dial.limit, dial.answered) {
            let next = limit.next(cx.now.since(since));
            self.arm(cx, key, next, CallTimer::Script);
        }
    }

    /// Nobody is told anything any more.
    pub(super) fn forget_telling(&mut self) {
        if let Some(dial) = self.script.as_mut().and_then(|script| script.dial.as_mut()) {
            dial.telling = Telling { count: dial.telling.count, ..Telling::default() };
        }
    }

    /// They begin to talk: the next [`Call::put_media`] tells them so, if that is wanted.
    pub(super) fn tell_beginning(&mut self, cx: &mut Cx<'_>, peer: PartyId) {
        let Some(dial) = self.script.as_ref().and_then(|script| script.dial.as_ref()) else { return };
        let Some(limit) = dial.limit.as_ref().filter(|limit| !limit.begins.is_empty()) else { return };
        let (what, most) = (limit.begins.clone(), limit.most);
        self.tell_those(cx, peer, &what, most);
    }

    /// Tells what is due by now. False when the talk is over.
    fn is_told_of_time(&mut self, cx: &mut Cx<'_>, key: CallKey) -> bool {
        let Some(script) = &mut self.script else { return false };
        let Some(dial) = &mut script.dial else { return false };
        let (Some(limit), Some(since)) = (&mut dial.limit, dial.answered) else { return false };
        let over = limit.most.saturating_sub(cx.now.since(since));
        if over.is_zero() {
            let what = limit.ends.clone();
            if std::mem::replace(&mut limit.ending, true) || what.is_empty() {
                return false;
            }
            let peer = self.peer.unwrap_or(CALLER);
            if !self.tell_those(cx, peer, &what, over) {
                return false;
            }
            self.arm(cx, key, limits::LAST_WORDS, CallTimer::Script);
        } else {
            let what = limit.warns.clone();
            if !std::mem::replace(&mut limit.warned, true) {
                let seconds = (over + Duration::from_millis(500)).as_secs();
                script.thread.remark(format_smolstr!("warned {seconds} s before its time is up"));
            }
            let peer = self.peer.unwrap_or(CALLER);
            self.tell_those(cx, peer, &what, over);
            self.watch_limit(cx, key);
        }
        self.put_media(cx);
        true
    }

    /// Tells those who are to be told. False when nobody is.
    fn tell_those(&mut self, cx: &mut Cx<'_>, peer: PartyId, what: &str, time: Duration) -> bool {
        let say = match what {
            TIME_LEFT => left(time),
            prompt => prompt.split('&').map(|name| Say::Prompt(name.trim().into())).collect(),
        };
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        let tells = dial.and_then(|dial| dial.limit.as_ref()).map_or((false, false), |limit| limit.tells);
        let sound = self.spoken_as(&say);
        let known = |say: &Say| matches!(say, Say::Prompt(name) if cx.config.has_prompt(name));
        if !say.iter().any(known) {
            self.warn(cx, format_smolstr!("Dial: nothing is said of its time, there is no prompt {what}"));
            return false;
        }
        let caller = tells.0 && self.tell(CALLER, sound.clone());
        let callee = tells.1 && peer != CALLER && self.tell(peer, sound);
        caller || callee
    }

    /// One of two who talk hears this instead of the other, from the next [`Call::put_media`] on. False when it cannot.
    pub(super) fn tell(&mut self, party: PartyId, sound: Playing) -> bool {
        if !self.can_be_told_in_talk(party) {
            return false;
        }
        let Some(dial) = self.script.as_mut().and_then(|script| script.dial.as_mut()) else { return false };
        let telling = &mut dial.telling;
        telling.count = telling.count.wrapping_add(1) % FIRST_SOUND;
        let number = FIRST_SOUND + telling.count;
        *telling.of(party) = Some(Play { number, sound, over: false });
        true
    }

    fn can_be_told_in_talk(&self, party: PartyId) -> bool {
        let known = |party: &super::Party| party.codec().is_some_and(|codec| codec.encoding().is_some());
        let there = self.parties.get(party).filter(|party| party.leg.is_some() && !party.holds());
        there.is_some_and(known) && !self.is_apart(party)
    }

    /// Whether this is what a party is being told.
    pub(super) fn is_told(&mut self, party: PartyId, number: u32) -> bool {
        let dial = self.script.as_mut().and_then(|script| script.dial.as_mut());
        dial.is_some_and(|dial| dial.telling.of(party).as_ref().is_some_and(|play| play.number == number))
    }

    /// What one of two who talk is being told.
    pub(super) fn told_in_talk(&mut self, party: PartyId) -> Option<Play> {
        let can = self.can_be_told_in_talk(party);
        let dial = self.script.as_mut().and_then(|script| script.dial.as_mut())?;
        let told = dial.telling.of(party);
        if !can {
            // It would be wrong by the time that it can.
            *told = None;
        }
        told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(letter: char, text: &str) -> Option<Limit> {
        Limit::of_options(&[('g', "".into()), (letter, text.into())], |_| None)
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn warnings_come_before_the_end_and_again() {
        for (text, expected) in [
            ("60000", None),
            ("60000:30000", Some((30_000, 0))),
            ("60000:30000:10000", Some((30_000, 10_000))),
            ("60000:0:10000", None),
            // Before they talk at all: not, or when the gap leads into the talk.
            ("60000:90000", None),
            ("60000:90000:20000", Some((50_000, 20_000))),
            ("60000:120000:120000", None),
            ("60000:30000:1", Some((30_000, 1000))),
        ] {
            let expected = expected.map(|(before, gap)| (ms(before), ms(gap)));
            assert_eq!(limit('L', text).unwrap().warning, expected, "{text}");
        }
        assert_eq!((limit('L', "0:5"), limit('S', ""), limit('g', "")), (None, None, None));
        assert_eq!(limit('S', "30:9").map(|limit| (limit.most, limit.warning)), Some((ms(30_000), None)));
    }

    #[test]
    fn what_is_next_is_the_end_or_a_warning() {
        let limit = limit('L', "60000:30000:12000").unwrap();
        let mut age = Duration::ZERO;
        let mut ages = Vec::new();
        while age < limit.most {
            age += limit.next(age);
            ages.push(age.as_millis());
        }
        assert_eq!(ages, [30_000, 42_000, 54_000, 60_000]);
        assert_eq!(limit.next(ms(99_000)), Duration::ZERO);
    }

    #[test]
    fn what_is_left_is_said_in_minutes_and_seconds() {
        let said = |ms: u64| {
            let name = |say: Say| if let Say::Prompt(name) = say { name.to_string() } else { String::new() };
            left(Duration::from_millis(ms)).into_iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(61_000), "vm-youhave digits/1 minute digits/1 second");
        assert_eq!(said(29_990), "vm-youhave digits/30 seconds");
        assert_eq!(said(300_000), "vm-youhave digits/5 minutes");
    }

    #[test]
    fn the_caller_hears_it_unless_only_the_callee_is_to() {
        for (caller, callee, expected) in [
            (None, None, (true, false)),
            (Some("no"), Some("yes"), (false, true)),
            (None, Some("1"), (true, true)),
            (Some("no"), None, (true, false)),
        ] {
            let variable = |name: &str| if name.ends_with("CALLER") { caller } else { callee };
            let variable = |name: &str| variable(name).filter(|_| name.contains("PLAYAUDIO"));
            let limit = Limit::of_options(&[('L', "9000:3000".into())], variable).unwrap();
            assert_eq!(limit.tells, expected);
        }
    }
}
