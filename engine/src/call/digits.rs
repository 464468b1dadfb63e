//! Keys that one party presses, on their way to the other when media does not carry them all the way.

use super::app::{CALLER, PartyId, side};
use super::{Below, Call};
use crate::config::DigitsBy;
use crate::cx::Cx;
use crate::dialog::Digit;
use crate::event::{DigitBy, Event};

impl Call {
    /// A party pressed a key and said so by INFO: the other one hears of it as it likes to.
    pub(super) fn digit(&mut self, cx: &mut Cx<'_>, below: &mut Below, from: PartyId, digit: Digit) {
        self.tell_digit(cx, from, digit, DigitBy::Info);
        let Some(to) = self.other(from) else { return };
        if self.parties[to].digits == DigitsBy::Info {
            return self.inform(cx, below, to, digit);
        }
        self.parties[to].press(digit);
        self.put_media(cx);
    }

    /// Media heard a party press a key, of which the other one is to be told by INFO.
    pub(super) fn digit_heard(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        from: PartyId,
        digit: Digit,
        by: DigitBy,
    ) {
        self.tell_digit(cx, from, digit, by);
        if let Some(to) = self.other(from).filter(|&to| self.parties[to].digits == DigitsBy::Info) {
            self.inform(cx, below, to, digit);
        }
    }

    fn inform(&self, cx: &mut Cx<'_>, below: &mut Below, to: PartyId, digit: Digit) {
        if let Some(leg) = self.leg(to) {
            below.sessions.tell_digit(cx, &mut below.stack, leg, digit);
        }
    }

    fn tell_digit(&self, cx: &mut Cx<'_>, from: PartyId, digit: Digit, by: DigitBy) {
        cx.report(Event::Digit { call: self.id, side: side(from), key: digit.key, length: digit.length, by });
    }

    /// Whom a party talks with.
    fn other(&self, from: PartyId) -> Option<PartyId> {
        let other = if from == CALLER { self.peer? } else { CALLER };
        (self.peer == Some(from) || from == CALLER).then_some(other)
    }
}
