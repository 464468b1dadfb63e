//! What a transaction machine asks for. Machines do nothing themselves: they return these, in order, and the table
//! performs them.

use smallvec::SmallVec;

use crate::config::SipTimers;
use crate::cx::{ClientTimer, ServerTimer};
use crate::limits;
use crate::time::Duration;

/// Why a client transaction ended without a final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody answered in time: to be taken as a 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// The request could not be delivered: to be taken as a 503 (RFC 3261 §8.1.3.1).
    Transport,
}

/// A span of time as the RFC writes it; the values of T1, T2 and T4 are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// So many times T1.
    T1(u32),
    /// So many times T1, but no more than T2.
    UpToT2(u32),
    /// T2.
    T2,
    /// T4.
    T4,
    /// Timer C (RFC 3261 §16.6).
    C,
    /// Timer D over datagrams: at least 32 s (RFC 3261 §17.1.1.2), and 64*T1 where T1 is longer than the default.
    D,
    /// How long the core may think before it is covered by a 100 (RFC 3261 §17.2.1).
    Trying,
}

impl Span {
    /// Its length with these timers.
    pub(crate) fn length(self, timers: &SipTimers) -> Duration {
        match self {
            Self::T1(times) => timers.t1.saturating_mul(times),
            Self::UpToT2(times) => timers.t1.saturating_mul(times).min(timers.t2),
            Self::T2 => timers.t2,
            Self::T4 => timers.t4,
            Self::C => timers.timer_c,
            Self::D => timers.t1.saturating_mul(64).max(limits::TIMER_D),
            Self::Trying => limits::TRYING,
        }
    }
}

/// What a response is to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// 100: stops retransmissions and is of no interest above.
    Trying,
    /// 101 to 199.
    Provisional,
    /// 2xx.
    Success,
    /// 300 to 699.
    Refusal,
}

/// One thing a client machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientEffect {
    /// Send the request.
    Send,
    /// Acknowledge the final response at hand (RFC 3261 §17.1.1.3).
    Ack,
    /// Send CANCEL for this INVITE (RFC 3261 §9.1).
    Cancel,
    /// Give the response at hand to the user.
    Pass,
    /// Tell the user that the request failed.
    Fail(Failure),
    /// Start a timer, instead of the one of that name.
    Arm(ClientTimer, Span),
    /// Stop a timer.
    Disarm(ClientTimer),
}

/// One thing a server machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerEffect {
    /// Send the newest response.
    Send,
    /// Make a 100 the newest response.
    Trying,
    /// Give the request at hand to the user.
    Pass,
    /// Start a timer, instead of the one of that name.
    Arm(ServerTimer, Span),
    /// Stop a timer.
    Disarm(ServerTimer),
}

/// What to do, in order.
pub(crate) type Effects<E> = SmallVec<[E; 4]>;

/// The doubled count of T1 of the next retransmission.
pub(crate) const fn doubled(times: u32) -> u32 {
    times.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_lengths_of_table_4() {
        let timers = SipTimers::default();
        let millis = |span: Span| span.length(&timers).as_millis();
        assert_eq!([1, 2, 64].map(|n| millis(Span::T1(n))), [500, 1000, 32_000]);
        assert_eq!([4, 8, 16, u32::MAX].map(|n| millis(Span::UpToT2(n))), [2000, 4000, 4000, 4000]);
        let all = [Span::T2, Span::T4, Span::C, Span::D, Span::Trying];
        assert_eq!(all.map(millis), [4000, 5000, 185_000, 32_000, 200]);
    }

    #[test]
    fn configured_timers_scale_them() {
        let slow = SipTimers { t1: Duration::from_secs(1), ..SipTimers::default() };
        let fast = SipTimers { t1: Duration::from_millis(10), ..SipTimers::default() };
        assert_eq!(Span::D.length(&slow), Duration::from_secs(64));
        assert_eq!(Span::D.length(&fast), Duration::from_secs(32), "never under 32 s");
        assert_eq!(Span::T1(64).length(&fast), Duration::from_millis(640));
    }

    #[test]
    fn doubling_does_not_overflow() {
        assert_eq!(doubled(u32::MAX), u32::MAX);
    }
}
