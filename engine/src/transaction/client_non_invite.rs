//! The non-INVITE client transaction (RFC 3261 §17.1.2, figure 6).

use smallvec::smallvec;

use super::effects::{Class, ClientEffect as Effect, Effects, Failure, Span, doubled};
use crate::cx::ClientTimer as Timer;

/// The states; terminated is no state but the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ClientNonInvite {
    /// Nothing was heard yet.
    Trying {
        /// Timer E as a count of T1, not yet cut to T2.
        e: u32,
    },
    /// A provisional response came; retransmission goes on, more slowly.
    Proceeding,
    /// Answered; repeated responses are absorbed until Timer K.
    Completed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// One of its timers fired: E, F or K.
    Timer(Timer),
    /// A response matched.
    Response(Class),
    /// The transport cannot deliver.
    Unsent,
}

impl ClientNonInvite {
    /// Sends the request.
    pub(crate) fn start(reliable: bool) -> (Self, Effects<Effect>) {
        let mut effects: Effects<Effect> = smallvec![Effect::Send, Effect::Arm(Timer::F, Span::T1(64))];
        if !reliable {
            effects.push(Effect::Arm(Timer::E, Span::T1(1)));
        }
        (Self::Trying { e: 1 }, effects)
    }

    /// One step. `None` is the terminated state.
    pub(crate) fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match (self, event) {
            (Self::Trying { e }, Event::Timer(Timer::E)) if !reliable => {
                let e = doubled(e);
                (Some(Self::Trying { e }), smallvec![Effect::Send, Effect::Arm(Timer::E, Span::UpToT2(e))])
            }
            (Self::Proceeding, Event::Timer(Timer::E)) if !reliable => {
                (Some(self), smallvec![Effect::Send, Effect::Arm(Timer::E, Span::T2)])
            }
            (Self::Trying { .. } | Self::Proceeding, Event::Timer(Timer::F)) => {
                (None, smallvec![Effect::Fail(Failure::Timeout)])
            }
            (Self::Trying { .. } | Self::Proceeding, Event::Unsent) => {
                (None, smallvec![Effect::Fail(Failure::Transport)])
            }
            (Self::Trying { .. } | Self::Proceeding, Event::Response(class)) => {
                Self::respond(class, reliable)
            }
            (Self::Completed, Event::Timer(Timer::K)) => (None, smallvec![]),
            (_, Event::Timer(_)) | (Self::Completed, Event::Response(_) | Event::Unsent) => {
                (Some(self), smallvec![])
            }
        }
    }

    /// Whether the user still waits for the outcome.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Trying { .. } | Self::Proceeding)
    }

    fn respond(class: Class, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match class {
            Class::Trying => (Some(Self::Proceeding), smallvec![]),
            Class::Provisional => (Some(Self::Proceeding), smallvec![Effect::Pass]),
            Class::Success | Class::Refusal => {
                let mut effects: Effects<Effect> =
                    smallvec![Effect::Disarm(Timer::E), Effect::Disarm(Timer::F), Effect::Pass];
                if reliable {
                    return (None, effects);
                }
                effects.push(Effect::Arm(Timer::K, Span::T4));
                (Some(Self::Completed), effects)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_sent_with_timer_f_and_over_datagrams_timer_e() {
        let trying = ClientNonInvite::Trying { e: 1 };
        let (send, f, e) =
            (Effect::Send, Effect::Arm(Timer::F, Span::T1(64)), Effect::Arm(Timer::E, Span::T1(1)));
        assert_eq!(ClientNonInvite::start(true), (trying, smallvec![send, f]));
        assert_eq!(ClientNonInvite::start(false), (trying, smallvec![send, f, e]));
    }
}
