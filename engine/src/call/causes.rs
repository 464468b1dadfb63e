//! How a call ends, as the telephone network (ITU-T Q.850), SIP and people say it. A cause that somebody has said goes
//! with the status that says the same in SIP, and the other way round (RFC 3398), once: what the caller, its record,
//! its dialplan and those who ask why are told comes from there and is not worked out again.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::Outcome;
use telex_dialplan::task::DialStatus;

use crate::event::{EndCause, Rejection, Side};
use crate::sip::Status;

/// Normal call clearing.
pub(super) const NORMAL: u8 = 16;
/// User busy.
pub(super) const BUSY: u8 = 17;
/// No answer from user.
pub(super) const NO_ANSWER: u8 = 19;
/// Subscriber absent.
pub(super) const ABSENT: u8 = 20;
/// No circuit available.
pub(super) const CONGESTION: u8 = 34;
/// Recovery on timer expiry.
const TIMER: u8 = 102;

/// The refusal that says the same (RFC 3398 §7.2.4.1).
pub(super) fn status_of(cause: u8) -> Status {
    let code = match cause {
        1 | 2 | 3 | 26 => 404,
        17 => 486,
        18 => 408,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 69 | 79 => 501,
        34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
        65 | 70 => 488,
        102 => 504,
        111 | 127 => 500,
        _ => 480,
    };
    Status::new(code).unwrap_or(Status::TEMPORARILY_UNAVAILABLE)
}

/// How the dialplan refuses with this cause.
pub(super) fn refused_with(cause: u8) -> EndCause {
    EndCause::Refused(Rejection { status: status_of(cause).code(), cause })
}

/// A refusal by SIP, with the cause that says the same (RFC 3398 §8.2.6.1).
impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        let cause = match status.code() {
            401..=403 | 407 | 603 => 21,
            404 | 485 | 604 => 1,
            405 | 501 => 63,
            406 | 415 | 488 | 606 => 65,
            408 | 504 => TIMER,
            410 => 22,
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
            480 => 18,
            481 | 500 | 503 => 41,
            482 | 483 => 25,
            484 => 28,
            486 | 600 => BUSY,
            487 => NORMAL,
            502 => 38,
            _ => 31,
        };
        Self { status: status.code(), cause }
    }
}

/// A refusal by SIP.
pub(super) fn refused_by(status: Status) -> EndCause {
    EndCause::Refused(status.into())
}

/// What a Dial that came to this refusal is called.
pub(super) fn dial_status(status: Status) -> DialStatus {
    match status.code() {
        486 | 600 | 603 => DialStatus::Busy,
        408 | 480 => DialStatus::NoAnswer,
        _ => DialStatus::Congestion,
    }
}

/// What a cause says, for people.
pub(super) fn words(cause: u8) -> &'static str {
    match cause {
        1 => "No such number",
        2 | 3 => "No route",
        NORMAL => "Ended by the dialplan",
        BUSY => "Busy",
        18 | NO_ANSWER => "No answer",
        ABSENT => "Not registered",
        21 => "Rejected",
        22 => "Number changed",
        25 => "It goes round in a circle",
        27 | 38 => "Out of order",
        28 => "Number incomplete",
        CONGESTION => "No way through",
        41 => "Temporary failure",
        42 => "Too many calls",
        65 => "No common codec",
        TIMER => "Timed out",
        _ => "Not completed",
    }
}

/// What a Reason header field says of an end: the cause, and words for people (RFC 3326, RFC 6432).
pub(super) fn reason_of(cause: &EndCause) -> (u8, &'static str) {
    let words = match cause {
        EndCause::Operator => "Ended by the operator",
        EndCause::Stopping => "The exchange is stopping",
        EndCause::TimeUp => "Time is up",
        other => words(other.q850()),
    };
    (cause.q850(), words)
}

/// What a thread is told when its call has ended.
pub(super) fn outcome_of(cause: &EndCause) -> Outcome {
    let side = |side: &Side| match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    };
    let why = match cause {
        EndCause::HungUp(Side::Caller) => return Outcome::HungUp { cause: cause.q850() },
        EndCause::HungUp(Side::Callee) => SmolStr::new_static("the callee hung up"),
        EndCause::Cancelled => SmolStr::new_static("the caller gave up"),
        // Who is sent elsewhere has been told so.
        EndCause::Refused(Rejection { status: 300..=399, .. }) => SmolStr::default(),
        EndCause::Refused(Rejection { status, .. }) => format_smolstr!("refused with {status}"),
        EndCause::NoAnswer => SmolStr::new_static("nobody answered"),
        EndCause::Lost(who) => format_smolstr!("the {} stopped responding", side(who)),
        EndCause::Silent(who) => format_smolstr!("no media from the {}", side(who)),
        EndCause::Operator => SmolStr::new_static("an operator ended the call"),
        EndCause::Stopping => SmolStr::new_static("the exchange is stopping"),
        EndCause::TimeUp => SmolStr::new_static("the time of the talk was up"),
        EndCause::Dialplan(_) => SmolStr::new_static("the exchange hung up"),
        EndCause::Joined { call } => format_smolstr!("it goes on in call {call}"),
    };
    Outcome::Ended { cause: cause.q850(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_refusals_agree_where_both_have_a_word() {
        for cause in [1, BUSY, 21, 22, 28, 38, 41, 102] {
            let status = status_of(cause);
            let back = Rejection::from(status).cause;
            assert_eq!(status_of(back), status, "{cause} is {status:?} is {back}");
        }
        assert_eq!(status_of(NORMAL).code(), 480);
        assert_eq!((status_of(BUSY).code(), status_of(CONGESTION).code()), (486, 503));
    }

    #[test]
    fn what_the_dialplan_said_is_what_is_told() {
        for cause in 1..=127 {
            let refused = refused_with(cause);
            assert_eq!((refused.q850(), reason_of(&refused).0), (cause, cause));
            assert!(matches!(outcome_of(&refused), Outcome::Ended { cause: told, .. } if told == cause));
        }
    }

    #[test]
    fn every_cause_and_every_refusal_has_a_counterpart() {
        assert!((0..=u8::MAX).all(|cause| (400..=606).contains(&status_of(cause).code())));
        for code in 300..=699 {
            let cause = Rejection::from(Status::new(code).unwrap()).cause;
            assert!((1..=127).contains(&cause));
        }
    }
}
