//! Codes that a party of a talk presses, where its Dial allows it: the end of the talk, a transfer, parking, a
//! recording.
//!
//! Keys of such a party are not passed on by media: those that may become a code wait a moment, and what is no code is
//! pressed into the ear of the other, each key once.

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::app::{App, AppEvent, CALLER, PartyId};
use super::{Below, Call, Calls};
use crate::config::{DigitsBy, Features, USUAL_LOT};
use crate::cx::{CallKey, CallTimer, Cx, Timer};
use crate::dialog::Digit;
use crate::limits;
use crate::time::{Duration, Instant};
use crate::timers::TimerKey;

/// What a party may do by keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct May {
    pub(super) hang_up: bool,
    pub(super) transfer: bool,
    pub(super) park: bool,
    pub(super) record: bool,
}

/// What a code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    HangUp,
    Blind,
    Attended,
    Park,
    Record,
}

impl May {
    fn codes(self, features: &Features) -> SmallVec<[(Feature, &str); 4]> {
        let all = [
            (self.hang_up, Feature::HangUp, &features.hang_up),
            (self.transfer, Feature::Blind, &features.blind),
            (self.transfer, Feature::Attended, &features.attended),
            (self.park, Feature::Park, &features.park),
            (self.record, Feature::Record, &features.record),
        ];
        let known = all.into_iter().filter(|(may, _, code)| *may && !code.is_empty());
        known.map(|(_, feature, code)| (feature, code.as_str())).collect()
    }
}

/// Keys of a party that may become a code.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Held {
    party: PartyId,
    keys: SmallVec<[Digit; 4]>,
    until: Instant,
    timer: TimerKey,
}

/// What the keys of a party come to.
#[derive(Debug, PartialEq, Eq)]
enum Sense {
    /// They are a code.
    Code(Feature),
    /// They may become one.
    Wait,
    /// The first of them is no part of any.
    Pass,
}

/// What keys are, now or (`late`) when no more come in time.
fn sense(codes: &[(Feature, &str)], typed: &str, late: bool) -> Sense {
    let longer = codes.iter().any(|(_, code)| code.len() > typed.len() && code.starts_with(typed));
    match codes.iter().find(|(_, code)| *code == typed) {
        Some((feature, _)) if late || !longer => Sense::Code(*feature),
        _ if longer && !late => Sense::Wait,
        _ => Sense::Pass,
    }
}

impl Calls {
    /// A key of a party that talks and may do something by keys. False when that is not so.
    pub(super) fn feature_key(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        from: PartyId,
        digit: Digit,
    ) -> bool {
        let Some(call) = self.all.get_mut(key) else { return false };
        if !call.has_use_of_keys(from) || !matches!(call.app, App::Bridge) {
            return false;
        }
        let mut keys = call.take_held(cx, from);
        keys.push(digit);
        self.make_sense(cx, below, key, from, keys, false);
        true
    }

    /// Time has gone by since keys were pressed.
    pub(super) fn keys_waited(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        loop {
            let Some(call) = self.all.get_mut(key) else { return };
            let Some(held) = call.held.iter().find(|held| held.until <= cx.now) else { return };
            let from = held.party;
            let keys = call.take_held(cx, from);
            self.make_sense(cx, below, key, from, keys, true);
        }
    }

    fn make_sense(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        from: PartyId,
        mut keys: SmallVec<[Digit; 4]>,
        late: bool,
    ) {
        let Some(call) = self.all.get_mut(key) else { return };
        let codes = call.may(from).codes(&cx.config.features);
        while !keys.is_empty() {
            let typed: String = keys.iter().map(|digit| digit.key).collect();
            match sense(&codes, &typed, late) {
                Sense::Code(feature) => return self.feature(cx, below, key, from, feature),
                Sense::Wait => return call.hold_keys(cx, key, from, keys),
                Sense::Pass => {
                    let first = keys.remove(0);
                    call.pass_key(cx, below, from, first);
                }
            }
        }
    }

    fn feature(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, by: PartyId, wanted: Feature) {
        let Some(call) = self.all.get_mut(key) else { return };
        let free = call.aside.is_none() && call.transfer.is_none() && call.other_than(by).is_some();
        match wanted {
            Feature::HangUp => {
                let party = call.peer.unwrap_or(CALLER);
                let party = if by == CALLER { party } else { by };
                self.decide(cx, below, key, AppEvent::HungUp { party });
            }
            Feature::Record => self.record_by_keys(cx, key, by),
            _ if !free => {}
            Feature::Blind => self.ask_number(cx, key, by, false),
            Feature::Attended => self.ask_number(cx, key, by, true),
            Feature::Park => self.park_by_keys(cx, below, key, by),
        }
    }

    /// The other party goes where calls are parked, and who sends it there waits to hear the slot.
    fn park_by_keys(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, by: PartyId) {
        let lot = cx.config.parking.get(USUAL_LOT);
        let to = lot.map(|lot| lot.extension.clone()).unwrap_or_default();
        if self.may_send(cx, key, by, &to).is_ok() {
            self.transfer(cx, below, key, by, &to, None);
        } else if let Some(call) = self.all.get(key) {
            call.warn(cx, "no parking lot has an extension to park a call at");
        }
        self.go_on(cx, below, key);
        self.settle(cx, key);
    }
}

impl Call {
    fn may(&self, party: PartyId) -> May {
        let dial = self.script.as_ref().and_then(|script| script.dial.as_ref());
        dial.map_or(May::default(), |dial| if party == CALLER { dial.may.0 } else { dial.may.1 })
    }

    /// Whether keys of a party mean something to the exchange while two talk, or while it hears one who has not
    /// answered.
    pub(super) fn has_use_of_keys(&self, party: PartyId) -> bool {
        let talks = party == CALLER || self.peer == Some(party);
        talks && self.may(party) != May::default() || party == CALLER && self.may_leave_dial()
    }

    fn take_held(&mut self, cx: &mut Cx<'_>, party: PartyId) -> SmallVec<[Digit; 4]> {
        let Some(at) = self.held.iter().position(|held| held.party == party) else { return SmallVec::new() };
        let held = self.held.remove(at);
        cx.timers.cancel(held.timer);
        held.keys
    }

    fn hold_keys(&mut self, cx: &mut Cx<'_>, key: CallKey, party: PartyId, keys: SmallVec<[Digit; 4]>) {
        let until = cx.now + limits::FEATURE_KEYS;
        let timer = cx.timers.arm(until, Timer::Call(key, CallTimer::Keys));
        self.held.push(Held { party, keys, until, timer });
    }

    /// Keys that wait are of no use any more.
    pub(super) fn forget_keys(&mut self, cx: &mut Cx<'_>) {
        for held in self.held.drain(..) {
            cx.timers.cancel(held.timer);
        }
    }

    /// A key that is no code goes to the other party.
    fn pass_key(&mut self, cx: &mut Cx<'_>, below: &mut Below, from: PartyId, digit: Digit) {
        let Some(to) = self.other(from) else { return };
        if self.parties[to].digits == DigitsBy::Info {
            self.inform(cx, below, to, digit);
        } else {
            self.parties[to].press(digit);
            self.put_media(cx);
        }
    }

    /// Presses what the option `D` of a Dial says when two are connected: the next [`Call::put_media`] does it.
    pub(super) fn press_for_dial(&mut self, cx: &mut Cx<'_>, below: &mut Below, callee: PartyId) {
        let dial = self.script.as_mut().and_then(|script| script.dial.as_mut());
        let Some((called, calling)) = dial.map(|dial| std::mem::take(&mut dial.presses)) else { return };
        for (party, keys) in [(callee, called), (CALLER, calling)] {
            self.press_row(cx, below, party, &keys, Duration::ZERO);
        }
    }
}

/// What the argument of the option `D` says: keys for the called party, and for the calling one.
pub(super) fn presses(text: &str) -> (SmolStr, SmolStr) {
    let keys = |text: &str| {
        let known = text.chars().filter(|c| "0123456789*#ABCDabcdwW".contains(*c));
        known.take(limits::PRESSES).collect::<SmolStr>()
    };
    let (called, calling) = text.split_once(':').unwrap_or((text, ""));
    (keys(called), keys(calling.split(':').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_code_may_become_one_or_go_on() {
        let codes = [(Feature::HangUp, "*"), (Feature::Attended, "*2"), (Feature::Blind, "##")];
        for (typed, late, expected) in [
            ("*", false, Sense::Wait),
            ("*", true, Sense::Code(Feature::HangUp)),
            ("*2", false, Sense::Code(Feature::Attended)),
            ("*3", false, Sense::Pass),
            ("#", false, Sense::Wait),
            ("#", true, Sense::Pass),
            ("##", false, Sense::Code(Feature::Blind)),
            ("1", false, Sense::Pass),
        ] {
            assert_eq!(sense(&codes, typed, late), expected, "{typed} {late}");
        }
    }

    #[test]
    fn keys_for_both_are_written_with_a_colon() {
        assert_eq!(presses("12w#:34"), ("12w#".into(), "34".into()));
        assert_eq!(presses("1x2"), ("12".into(), "".into()));
        assert_eq!(presses(":*"), ("".into(), "*".into()));
    }
}
