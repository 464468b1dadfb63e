//! Carrying out what an app wants, on sessions and media.

use smol_str::{SmolStr, format_smolstr};

use super::app::{CALLER, Order, PartyId};
use super::{Below, CLEAR, Call, Calls, causes};
use crate::border::{Action, CallState};
use crate::cx::{CallKey, CallTimer, Cx, Timer};
use crate::event::{EndCause, Event, Side};
use crate::mediactl::MediaCommand;
use crate::offer::OfferError;
use crate::planted::Fault;
use crate::sip::Status;
use crate::time::Duration;

impl Calls {
    /// Carries out one order.
    pub(super) fn perform(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, order: Order) {
        let Some(call) = self.all.get_mut(key) else { return };
        if let Order::Ring { status } | Order::EarlyMedia { status, .. } = order {
            call.tell_transferor(cx, below, status);
        }
        match order {
            // Who was answered hears it.
            Order::Ring { .. } if call.answered.is_some() => {}
            Order::Ring { status } => {
                call.state = CallState::Ringing;
                // What goes reliably to who made no offer would have to bring ours, before anybody has answered
                // (RFC 3262 §5): such a caller waits for the answer.
                let offered = call.parties[CALLER].has_spoken();
                if let Some(leg) = call.leg(CALLER)
                    && (offered || !below.sessions.is_reliable(leg))
                {
                    below.sessions.progress(cx, &mut below.stack, leg, status, bytes::Bytes::new());
                }
            }
            Order::EarlyMedia { party, status } => call.early_media(cx, below, party, status),
            Order::Connect { party } if call.summons.is_some() => self.summoned(cx, key, party),
            Order::Connect { party } => {
                call.connect(cx, below, key, party);
                self.forget_kept_slot(key);
                self.transferred(cx, below, key);
            }
            Order::Screen { party } => self.screen(cx, below, key, party),
            Order::Admit { party } => call.admit(cx, party),
            Order::Alone => call.page_over(cx),
            Order::Release { .. } if cx.planted.is(Fault::ForkNotReleased) => {}
            Order::Release { party, reason } => call.release(cx, below, party, reason),
            Order::Refuse { status, cause } => {
                if !call.dial_failed(cx, status, &cause) {
                    self.refuse(cx, below, key, status, cause);
                }
            }
            Order::End { cause } if call.goes_on_after(&cause) => {
                self.say_farewell(cx, below, key);
                if let Some(call) = self.all.get_mut(key) {
                    call.after_talk(cx, below);
                }
            }
            Order::End { cause } if call.goes_onward(&cause) => self.go_onward(cx, below, key, cause),
            Order::End { cause } if call.consulted_in_vain(cx, below, &cause) => {}
            Order::End { cause } => self.end(cx, below, key, cause),
        }
    }

    /// Refuses the caller and ends the call.
    pub(super) fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        status: Status,
        cause: EndCause,
    ) {
        let Some(call) = self.all.get_mut(key) else { return };
        if call.answered.is_none()
            && let Some(leg) = call.parties.get_mut(CALLER).and_then(|caller| caller.leg.take())
        {
            let reason = call.reason(&cause);
            below.sessions.refuse(cx, &mut below.stack, leg, status, &reason);
        }
        self.end(cx, below, key, cause);
    }

    /// Ends the call: whoever is left is let go.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, cause: EndCause) {
        let Some(call) = self.all.get_mut(key) else { return };
        call.end(cx, below, key, cause);
        self.leave(cx, key);
        self.unpark(key);
        self.forget_kept_slot(key);
    }
}

impl Call {
    /// Lets the caller hear a callee that has not answered. The first one is heard until it gives up or another
    /// answers: phones that ring together would otherwise take the caller's ear from each other with every response.
    fn early_media(&mut self, cx: &mut Cx<'_>, below: &mut Below, party: PartyId, status: Status) {
        let heard = self.peer.is_none_or(|peer| peer == party || self.leg(peer).is_none());
        if self.answered.is_none() {
            self.state = CallState::Ringing;
            let body = if heard { self.describe_to_caller(cx, party, true) } else { bytes::Bytes::new() };
            if let Some(leg) = self.leg(CALLER) {
                below.sessions.progress(cx, &mut below.stack, leg, status, body);
            }
        }
        if heard {
            self.hear(cx, party);
        }
    }

    /// Connects the caller with this callee in media; a callee heard before falls silent.
    fn hear(&mut self, cx: &mut Cx<'_>, party: PartyId) {
        if let Some(before) = self.peer.filter(|&p| p != party) {
            self.drop_media(cx, before);
        }
        self.peer = Some(party);
        if let Some(script) = &mut self.script {
            script.play(None);
        }
        self.put_media(cx);
    }

    fn connect(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, party: PartyId) {
        self.disarm(cx);
        if self.answered.is_none() {
            self.answered = Some(cx.now);
            self.state = CallState::Up;
            let body = self.describe_to_caller(cx, party, false);
            self.own_words = true;
            self.introduce_to(cx, below, CALLER, Some(party), false);
            if let Some(leg) = self.leg(CALLER) {
                below.sessions.answer(cx, &mut below.stack, leg, body);
            }
        }
        if let Some(script) = self.script.as_deref_mut()
            && let Some(dial) = &mut script.dial
        {
            dial.answered = Some(cx.now);
            script.thread.connected(cx.steady_ms());
            self.watch_limit(cx, key);
        }
        self.press_for_dial(cx, below, party);
        self.tell_beginning(cx, party);
        self.hear(cx, party);
        // That is what its INVITE told it; who came from another call has not been told.
        let joined = self.parties[party].joined;
        self.introduce_to(cx, below, party, Some(CALLER), joined);
        self.parties[party].answered.get_or_insert(cx.wall);
        self.tell_answered(cx, party);
    }

    /// Answers a caller who talks with the exchange itself.
    ///
    /// # Errors
    /// When there is nothing that both can speak.
    pub(super) fn answer_self(&mut self, cx: &mut Cx<'_>, below: &mut Below) -> Result<(), OfferError> {
        let offered = self.parties[CALLER].has_spoken();
        let body = self.describe_self(cx, false)?;
        self.answered = Some(cx.now);
        self.state = CallState::Up;
        self.introduce_to(cx, below, CALLER, None, false);
        if let Some(leg) = self.leg(CALLER) {
            below.sessions.answer(cx, &mut below.stack, leg, body);
        }
        if offered {
            self.put_media(cx);
        }
        self.tell_answered(cx, CALLER);
        Ok(())
    }

    pub(super) fn tell_answered(&mut self, cx: &mut Cx<'_>, party: PartyId) {
        let contact = if party == CALLER { self.to.clone() } else { self.parties[party].contact.clone() };
        let codec = self.parties[party].codec().map(|c| c.name).unwrap_or_default();
        cx.report(Event::Answered { call: self.id, contact, codec });
        // Whom it reaches later does not change when it was answered.
        self.parties[CALLER].answered.get_or_insert(cx.wall);
        self.keep_record(cx);
    }

    pub(super) fn release(&mut self, cx: &mut Cx<'_>, below: &mut Below, party: PartyId, reason: &str) {
        let left = cx.planted.is(Fault::ByeNotForwarded) && self.answered.is_some();
        if let Some(leg) = self.parties[party].leg.take().filter(|_| !left) {
            match self.waits_aside(party) {
                true => {
                    let over = Status::REQUEST_TERMINATED;
                    below.sessions.end_referral(cx, &mut below.stack, leg, over, reason);
                }
                false => below.sessions.hang_up(cx, &mut below.stack, leg, reason),
            }
        }
        self.drop_media(cx, party);
    }

    /// Takes a party's leg out of its room, for good: a leg that was dropped is not put again.
    pub(super) fn drop_media(&mut self, cx: &mut Cx<'_>, party: PartyId) {
        self.end_origin(cx, party);
        self.parties[party].media.drop(cx);
    }

    fn end(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, cause: EndCause) {
        if self.cause.is_some() {
            return;
        }
        let reason = reason(&cause);
        for party in 0..self.parties.len() {
            self.release(cx, below, party, &reason);
        }
        self.end_transfer(cx);
        self.end_apart(cx);
        self.forget_keys(cx);
        self.forget_deadline(cx);
        // An order that comes now must not bring the room back.
        self.recording = None;
        if self.room_put && !cx.planted.is(Fault::MediaLegNotDropped) {
            self.room_put = false;
            let command = MediaCommand::DropRoom { room: self.room };
            cx.out.push(Action::Media { shard: self.shard, command });
        }
        self.state = CallState::Ending;
        self.cause = Some(cause);
        self.arm(cx, key, CLEAR, CallTimer::Clear);
    }

    /// Arms the call's timer, in place of the one before.
    pub(super) fn arm(&mut self, cx: &mut Cx<'_>, key: CallKey, after: Duration, timer: CallTimer) {
        self.disarm(cx);
        self.timer = Some(cx.timers.arm(cx.now + after, Timer::Call(key, timer)));
    }

    pub(super) fn disarm(&mut self, cx: &mut Cx<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.timers.cancel(timer);
        }
    }
}

/// The Reason header field of a BYE or CANCEL that follows from this (RFC 3326).
fn reason(cause: &EndCause) -> SmolStr {
    SmolStr::new_static(match cause {
        EndCause::HungUp(Side::Caller) => "SIP;cause=200;text=\"Caller hung up\"",
        EndCause::HungUp(Side::Callee) => "SIP;cause=200;text=\"Callee hung up\"",
        EndCause::Cancelled => "SIP;cause=487;text=\"Caller gave up\"",
        EndCause::Refused(_) => "SIP;cause=488;text=\"Refused\"",
        EndCause::NoAnswer => "SIP;cause=480;text=\"No answer\"",
        EndCause::Lost(_) => "SIP;cause=408;text=\"The other party no longer answers\"",
        EndCause::Silent(_) => "SIP;cause=408;text=\"No media arrives\"",
        EndCause::Operator => "SIP;cause=200;text=\"Ended by the operator\"",
        EndCause::Joined { .. } => "SIP;cause=200;text=\"The call goes on elsewhere\"",
        EndCause::Stopping => "SIP;cause=503;text=\"The exchange is stopping\"",
        EndCause::TimeUp | EndCause::Dialplan(_) => {
            let (cause, words) = causes::reason_of(cause);
            return format_smolstr!("Q.850;cause={cause};text=\"{words}\"");
        }
    })
}
