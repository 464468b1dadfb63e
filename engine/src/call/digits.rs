//! Keys that one party presses, on their way to the other when media does not carry them all the way.

use super::app::{CALLER, PartyId, side};
use super::tasks::press_length;
use super::{Below, Call, Calls};
use crate::config::DigitsBy;
use crate::cx::{CallKey, Cx};
use crate::dialog::Digit;
use crate::event::{DigitBy, Event};
use crate::limits;
use crate::time::Duration;

impl Calls {
    /// A party pressed a key, and said so by `by`: the dialplan or the other party hears of it, as it likes to. What
    /// media hears it passes on itself, but for those who are told by INFO.
    pub(super) fn digit(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        from: PartyId,
        digit: Digit,
        by: DigitBy,
    ) {
        let Some(call) = self.all.get(key) else { return };
        call.tell_digit(cx, from, digit, by);
        if call.is_apart(from) {
            return self.key_apart(cx, below, key, digit);
        }
        if self.feature_key(cx, below, key, from, digit) || self.key(cx, below, key, from, digit.key) {
            return;
        }
        if from == CALLER && self.leave_dial(cx, below, key, digit.key) {
            return self.advance(cx, below, key);
        }
        let Some(call) = self.all.get_mut(key) else { return };
        // Media passes on what nobody here may have a use of.
        let kept = call.has_use_of_keys(from);
        let Some(to) = call.other(from) else { return };
        if call.parties[to].digits == DigitsBy::Info {
            call.inform(cx, below, to, digit);
        } else if by == DigitBy::Info || kept {
            call.parties[to].press(digit);
            call.put_media(cx);
        }
    }
}

impl Call {
    /// Presses keys into a party's ear, one after the other, as it likes to: with the next [`Call::put_media`], or by
    /// INFO, which comes to those who have answered.
    pub(super) fn press_row(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        to: PartyId,
        keys: &str,
        gap: Duration,
    ) {
        let informed = self.parties[to].digits == DigitsBy::Info;
        for key in keys.chars().take(limits::PRESSES) {
            let length = press_length(key);
            let digit = Digit { key, length };
            if !informed {
                self.parties[to].press(digit);
                continue;
            }
            self.inform(cx, below, to, digit);
            if !digit.is_pause() {
                let pause = length + gap.max(limits::DIGIT_USUAL / 2);
                self.inform(cx, below, to, Digit { key: 'w', length: pause });
            }
        }
    }

    pub(super) fn inform(&self, cx: &mut Cx<'_>, below: &mut Below, to: PartyId, digit: Digit) {
        if let Some(leg) = self.leg(to) {
            below.sessions.tell_digit(cx, &mut below.stack, leg, digit);
        }
    }

    fn tell_digit(&self, cx: &mut Cx<'_>, from: PartyId, digit: Digit, by: DigitBy) {
        cx.report(Event::Digit { call: self.id, side: side(from), key: digit.key, length: digit.length, by });
    }

    /// Whom a party talks with.
    pub(super) fn other(&self, from: PartyId) -> Option<PartyId> {
        let other = if from == CALLER { self.peer? } else { CALLER };
        (self.peer == Some(from) || from == CALLER).then_some(other)
    }
}
