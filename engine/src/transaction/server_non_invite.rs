//! The non-INVITE server transaction (RFC 3261 §17.2.2, figure 8). As in the INVITE one, transport errors have no
//! arrow: Timer J ends what nobody asks for again.

use smallvec::smallvec;

use super::effects::{Effects, ServerEffect as Effect, Span};
use crate::cx::ServerTimer as Timer;

/// The states; terminated is no state but the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ServerNonInvite {
    /// Nothing was answered yet.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// Answered; the answer is repeated to whoever asks again until Timer J.
    Completed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The request came again.
    Request,
    /// One of its timers fired: J.
    Timer(Timer),
    /// The user answers 1xx.
    Provisional,
    /// The user answers 200 to 699.
    Final,
}

impl ServerNonInvite {
    /// A new request: the user gets it.
    pub(crate) fn start() -> (Self, Effects<Effect>) {
        (Self::Trying, smallvec![Effect::Pass])
    }

    /// One step. `None` is the terminated state.
    pub(crate) fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match (self, event) {
            (Self::Proceeding | Self::Completed, Event::Request) => (Some(self), smallvec![Effect::Send]),
            (Self::Trying | Self::Proceeding, Event::Provisional) => {
                (Some(Self::Proceeding), smallvec![Effect::Send])
            }
            (Self::Trying | Self::Proceeding, Event::Final) if reliable => (None, smallvec![Effect::Send]),
            (Self::Trying | Self::Proceeding, Event::Final) => {
                (Some(Self::Completed), smallvec![Effect::Send, Effect::Arm(Timer::J, Span::T1(64))])
            }
            (Self::Completed, Event::Timer(Timer::J)) => (None, smallvec![]),
            (Self::Trying, Event::Request)
            | (Self::Completed, Event::Provisional | Event::Final)
            | (_, Event::Timer(_)) => (Some(self), smallvec![]),
        }
    }

    /// Whether a final response is still due.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Trying | Self::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_gets_the_request() {
        assert_eq!(ServerNonInvite::start(), (ServerNonInvite::Trying, smallvec![Effect::Pass]));
    }
}
