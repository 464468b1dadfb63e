//! The INVITE client transaction (RFC 3261 §17.1.1, figure 5, with the Accepted state of RFC 6026 §7.2).
//!
//! Beyond the figure it carries Timer C (RFC 3261 §16.6), since an exchange calls on behalf of somebody else, and the
//! wish to CANCEL (RFC 3261 §9.1), which must wait for a provisional response and dies with the final one.

use smallvec::smallvec;

use super::effects::{Class, ClientEffect as Effect, Effects, Failure, Span, doubled};
use crate::cx::ClientTimer as Timer;

/// The states; terminated is no state but the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ClientInvite {
    /// Nothing was heard yet.
    Calling {
        /// Timer A as a count of T1.
        a: u32,
        /// CANCEL is to follow the first provisional response.
        cancel: bool,
    },
    /// A provisional response came.
    Proceeding {
        /// CANCEL has been sent.
        cancelled: bool,
    },
    /// Refused and acknowledged; repeated refusals are acknowledged until Timer D.
    Completed,
    /// Accepted; every further 2xx is passed on until Timer M.
    Accepted,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// One of its timers fired: A, B, C, D or M.
    Timer(Timer),
    /// A response matched.
    Response(Class),
    /// The transport cannot deliver.
    Unsent,
    /// The user wants the call no more.
    Cancel,
}

impl ClientInvite {
    /// Sends the INVITE.
    pub(crate) fn start(reliable: bool) -> (Self, Effects<Effect>) {
        let mut effects: Effects<Effect> = smallvec![Effect::Send, Effect::Arm(Timer::B, Span::T1(64))];
        if !reliable {
            effects.push(Effect::Arm(Timer::A, Span::T1(1)));
        }
        (Self::Calling { a: 1, cancel: false }, effects)
    }

    /// One step. `None` is the terminated state.
    pub(crate) fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match self {
            Self::Calling { a, cancel } => Self::calling(a, cancel, event, reliable),
            Self::Proceeding { cancelled } => Self::proceeding(cancelled, event, reliable),
            Self::Completed => self.completed(event),
            Self::Accepted => self.accepted(event),
        }
    }

    /// Whether the user still waits for the outcome.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Calling { .. } | Self::Proceeding { .. })
    }

    fn calling(a: u32, cancel: bool, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        let same = Self::Calling { a, cancel };
        match event {
            Event::Timer(Timer::A) if !reliable => {
                let a = doubled(a);
                (
                    Some(Self::Calling { a, cancel }),
                    smallvec![Effect::Send, Effect::Arm(Timer::A, Span::T1(a))],
                )
            }
            Event::Timer(Timer::B) => (None, smallvec![Effect::Fail(Failure::Timeout)]),
            Event::Unsent => (None, smallvec![Effect::Fail(Failure::Transport)]),
            Event::Response(class @ (Class::Trying | Class::Provisional)) => {
                let mut effects: Effects<Effect> =
                    smallvec![Effect::Disarm(Timer::A), Effect::Disarm(Timer::B)];
                if cancel {
                    effects.extend([Effect::Cancel, Effect::Arm(Timer::B, Span::T1(64))]);
                } else {
                    effects.push(Effect::Arm(Timer::C, Span::C));
                }
                if class == Class::Provisional {
                    effects.push(Effect::Pass);
                }
                (Some(Self::Proceeding { cancelled: cancel }), effects)
            }
            Event::Response(Class::Success) => Self::accept(),
            Event::Response(Class::Refusal) => Self::complete(reliable),
            Event::Cancel => (Some(Self::Calling { a, cancel: true }), smallvec![]),
            Event::Timer(_) => (Some(same), smallvec![]),
        }
    }

    fn proceeding(cancelled: bool, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        let same = Self::Proceeding { cancelled };
        // §9.1: a final response must come within 64*T1 of the CANCEL.
        let cancel =
            || smallvec![Effect::Disarm(Timer::C), Effect::Cancel, Effect::Arm(Timer::B, Span::T1(64))];
        match event {
            Event::Response(Class::Trying) => (Some(same), smallvec![]),
            Event::Response(Class::Provisional) if cancelled => (Some(same), smallvec![Effect::Pass]),
            Event::Response(Class::Provisional) => {
                (Some(same), smallvec![Effect::Arm(Timer::C, Span::C), Effect::Pass])
            }
            Event::Response(Class::Success) => Self::accept(),
            Event::Response(Class::Refusal) => Self::complete(reliable),
            Event::Cancel | Event::Timer(Timer::C) if !cancelled => {
                (Some(Self::Proceeding { cancelled: true }), cancel())
            }
            Event::Timer(Timer::B) if cancelled => (None, smallvec![Effect::Fail(Failure::Timeout)]),
            // The figure has no such arrow, but a stream that is gone takes the ringing phone with it.
            Event::Unsent if reliable => (None, smallvec![Effect::Fail(Failure::Transport)]),
            Event::Cancel | Event::Unsent | Event::Timer(_) => (Some(same), smallvec![]),
        }
    }

    /// The user already has the outcome, so that a failed ACK ends the transaction silently.
    fn completed(self, event: Event) -> (Option<Self>, Effects<Effect>) {
        match event {
            Event::Response(Class::Refusal) => (Some(self), smallvec![Effect::Ack]),
            Event::Timer(Timer::D) | Event::Unsent => (None, smallvec![]),
            Event::Response(_) | Event::Timer(_) | Event::Cancel => (Some(self), smallvec![]),
        }
    }

    fn accepted(self, event: Event) -> (Option<Self>, Effects<Effect>) {
        match event {
            Event::Response(Class::Success) => (Some(self), smallvec![Effect::Pass]),
            Event::Timer(Timer::M) => (None, smallvec![]),
            Event::Response(_) | Event::Timer(_) | Event::Unsent | Event::Cancel => (Some(self), smallvec![]),
        }
    }

    fn accept() -> (Option<Self>, Effects<Effect>) {
        let mut effects = Self::silence();
        effects.extend([Effect::Arm(Timer::M, Span::T1(64)), Effect::Pass]);
        (Some(Self::Accepted), effects)
    }

    fn complete(reliable: bool) -> (Option<Self>, Effects<Effect>) {
        let mut effects = Self::silence();
        effects.extend([Effect::Ack, Effect::Pass]);
        if reliable {
            return (None, effects);
        }
        effects.push(Effect::Arm(Timer::D, Span::D));
        (Some(Self::Completed), effects)
    }

    fn silence() -> Effects<Effect> {
        smallvec![Effect::Disarm(Timer::A), Effect::Disarm(Timer::B), Effect::Disarm(Timer::C)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invite_is_sent_with_timer_b_and_over_datagrams_timer_a() {
        let calling = ClientInvite::Calling { a: 1, cancel: false };
        let (send, b, a) =
            (Effect::Send, Effect::Arm(Timer::B, Span::T1(64)), Effect::Arm(Timer::A, Span::T1(1)));
        assert_eq!(ClientInvite::start(true), (calling, smallvec![send, b]));
        assert_eq!(ClientInvite::start(false), (calling, smallvec![send, b, a]));
    }
}
