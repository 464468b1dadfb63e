//! Causes of the telephone network (ITU-T Q.850) and SIP (RFC 3398).

use telex_dialplan::task::DialStatus;

use crate::event::EndCause;
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

/// The cause that says the same as a refusal (RFC 3398 §8.2.6.1).
pub(super) const fn cause_of(status: Status) -> u8 {
    EndCause::Refused(status.code()).q850()
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
        NORMAL => "Normal end",
        BUSY => "Busy",
        18 | NO_ANSWER => "No answer",
        ABSENT => "Not registered",
        21 => "Rejected",
        22 => "Number changed",
        28 => "Number incomplete",
        CONGESTION => "No way through",
        41 => "Temporary failure",
        65 => "No common codec",
        TIMER => "Timed out",
        _ => "Not completed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_refusals_agree_where_both_have_a_word() {
        for cause in [1, BUSY, 21, 22, 28, 38, 41, 102] {
            let status = status_of(cause);
            let back = cause_of(status);
            assert_eq!(status_of(back), status, "{cause} is {status:?} is {back}");
        }
        assert_eq!(status_of(NORMAL).code(), 480);
        assert_eq!((status_of(BUSY).code(), status_of(CONGESTION).code()), (486, 503));
    }

    #[test]
    fn every_cause_and_every_refusal_has_a_counterpart() {
        assert!((0..=u8::MAX).all(|cause| (400..=606).contains(&status_of(cause).code())));
        for code in 300..=699 {
            let cause = cause_of(Status::new(code).unwrap());
            assert!((1..=127).contains(&cause));
        }
    }
}
