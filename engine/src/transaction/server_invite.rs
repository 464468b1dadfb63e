//! The INVITE server transaction (RFC 3261 §17.2.1, figure 7, with the Accepted state of RFC 6026 §7.1).
//!
//! The figures' arrow for transport errors is not here: a response that cannot be delivered is retransmitted or its
//! stream reopened (RFC 3261 §18.2.2), and when all fails Timer H or L ends the transaction.

use smallvec::smallvec;

use super::effects::{Effects, ServerEffect as Effect, Span, doubled};
use crate::cx::ServerTimer as Timer;

/// The states; terminated is no state but the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ServerInvite {
    /// No final response yet.
    Proceeding {
        /// There is a provisional response to repeat.
        answered: bool,
    },
    /// Refused; the refusal is repeated until the ACK or Timer H.
    Completed {
        /// Timer G as a count of T1, not yet cut to T2.
        g: u32,
    },
    /// Refused and acknowledged; repeated ACKs are absorbed until Timer I.
    Confirmed,
    /// Accepted; repeated INVITEs are absorbed until Timer L. Repeating the 2xx is the user's business.
    Accepted,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The INVITE came again.
    Invite,
    /// An ACK matched.
    Ack,
    /// One of its timers fired: Trying, G, H, I or L.
    Timer(Timer),
    /// The user answers 101 to 199.
    Provisional,
    /// The user answers 2xx, for the first time or again.
    Success,
    /// The user answers 300 to 699.
    Refusal,
}

impl ServerInvite {
    /// A new INVITE: the user gets it, and 200 ms to say something.
    pub(crate) fn start() -> (Self, Effects<Effect>) {
        let effects = smallvec![Effect::Pass, Effect::Arm(Timer::Trying, Span::Trying)];
        (Self::Proceeding { answered: false }, effects)
    }

    /// One step. `None` is the terminated state.
    pub(crate) fn step(self, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match self {
            Self::Proceeding { answered } => Self::proceeding(answered, event, reliable),
            Self::Completed { g } => Self::completed(g, event, reliable),
            Self::Confirmed => match event {
                Event::Timer(Timer::I) => (None, smallvec![]),
                _ => (Some(self), smallvec![]),
            },
            Self::Accepted => match event {
                Event::Ack => (Some(self), smallvec![Effect::Pass]),
                Event::Success => (Some(self), smallvec![Effect::Send]),
                Event::Timer(Timer::L) => (None, smallvec![]),
                _ => (Some(self), smallvec![]),
            },
        }
    }

    /// Whether a final response is still due.
    pub(crate) const fn is_pending(self) -> bool {
        matches!(self, Self::Proceeding { .. })
    }

    fn proceeding(answered: bool, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        let next = Some(Self::Proceeding { answered: true });
        match event {
            Event::Invite if answered => (next, smallvec![Effect::Send]),
            Event::Timer(Timer::Trying) if !answered => (next, smallvec![Effect::Trying, Effect::Send]),
            Event::Provisional => (next, smallvec![Effect::Disarm(Timer::Trying), Effect::Send]),
            Event::Success => {
                let effects = smallvec![
                    Effect::Disarm(Timer::Trying),
                    Effect::Send,
                    Effect::Arm(Timer::L, Span::T1(64))
                ];
                (Some(Self::Accepted), effects)
            }
            Event::Refusal => {
                let mut effects: Effects<Effect> = smallvec![
                    Effect::Disarm(Timer::Trying),
                    Effect::Send,
                    Effect::Arm(Timer::H, Span::T1(64))
                ];
                if !reliable {
                    effects.push(Effect::Arm(Timer::G, Span::T1(1)));
                }
                (Some(Self::Completed { g: 1 }), effects)
            }
            Event::Invite | Event::Ack | Event::Timer(_) => {
                (Some(Self::Proceeding { answered }), smallvec![])
            }
        }
    }

    fn completed(g: u32, event: Event, reliable: bool) -> (Option<Self>, Effects<Effect>) {
        match event {
            Event::Invite => (Some(Self::Completed { g }), smallvec![Effect::Send]),
            Event::Timer(Timer::G) if !reliable => {
                let g = doubled(g);
                (Some(Self::Completed { g }), smallvec![Effect::Send, Effect::Arm(Timer::G, Span::UpToT2(g))])
            }
            Event::Timer(Timer::H) => (None, smallvec![]),
            Event::Ack if reliable => (None, smallvec![Effect::Disarm(Timer::H)]),
            Event::Ack => {
                let effects = smallvec![
                    Effect::Disarm(Timer::G),
                    Effect::Disarm(Timer::H),
                    Effect::Arm(Timer::I, Span::T4)
                ];
                (Some(Self::Confirmed), effects)
            }
            Event::Timer(_) | Event::Provisional | Event::Success | Event::Refusal => {
                (Some(Self::Completed { g }), smallvec![])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_has_200_ms_before_the_100() {
        let effects = smallvec![Effect::Pass, Effect::Arm(Timer::Trying, Span::Trying)];
        assert_eq!(ServerInvite::start(), (ServerInvite::Proceeding { answered: false }, effects));
    }
}
