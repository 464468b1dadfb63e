//! Call records: what is kept of a call, for bills and for questions.

use smol_str::{SmolStr, format_smolstr};

use crate::event::{EndCause, Rejection};
use crate::mediactl::LegStats;
use crate::time::{Duration, WallTime};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Disposition {
    /// It is not over and nobody has answered.
    Open,
    /// Somebody answered.
    Answered,
    /// Everybody was busy or declined.
    Busy,
    /// It rang and nobody answered, or the caller gave up.
    NoAnswer,
    /// It could not be put through.
    Failed,
}

impl Disposition {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Answered => "ANSWERED",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NO ANSWER",
            Self::Failed => "FAILED",
        }
    }
}

/// One party of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LegRecord {
    /// The extension that it is a phone of; empty where it is none of this exchange.
    pub extension: SmolStr,
    /// Its contact URI; of the caller, the address it called from.
    pub contact: SmolStr,
    /// When it was asked; of the caller, when it called.
    pub asked: WallTime,
    /// When it was connected.
    pub answered: Option<WallTime>,
    /// When it was gone: it hung up, was let go, or refused; `None` while it is there.
    pub ended: Option<WallTime>,
    /// Its final response, when it refused.
    pub refused: Option<u16>,
    /// The codec in use; empty without.
    pub codec: SmolStr,
    /// What its media carried.
    pub stats: LegStats,
}

/// A call. It is kept when it begins, when it is answered and when it is over, each time whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallRecord {
    /// Its number: unique while the exchange runs.
    pub id: u64,
    /// Who called.
    pub from: SmolStr,
    /// The name it showed; empty without.
    pub name: SmolStr,
    /// What was dialled.
    pub to: SmolStr,
    /// The number that was dialled from outside: by a trusted phone, or what the dialplan has set as
    /// `CALLERID(dnid)`; empty when there is none.
    pub did: SmolStr,
    /// When it began.
    pub started: WallTime,
    /// When it was answered.
    pub answered: Option<WallTime>,
    /// When it was over; `None` while it is not.
    pub ended: Option<WallTime>,
    /// From beginning to end. Not the difference of the two above when the wall clock was set.
    pub duration: Duration,
    /// From the answer to the end.
    pub talked: Duration,
    /// Why it ended.
    pub cause: Option<EndCause>,
    /// The caller, then everybody who was asked. The caller alone while the call is not over.
    pub legs: Vec<LegRecord>,
}

impl CallRecord {
    /// Its name among all calls of all runs: the second it began and its number.
    pub fn unique(&self) -> SmolStr {
        unique(self.started, self.id)
    }

    /// What became of it.
    pub fn disposition(&self) -> Disposition {
        disposition(self.answered.is_some(), self.cause.as_ref())
    }
}

/// What became of a call.
pub(crate) fn disposition(answered: bool, cause: Option<&EndCause>) -> Disposition {
    match cause {
        _ if answered => Disposition::Answered,
        None => Disposition::Open,
        Some(EndCause::Refused(Rejection { status: 600 | 603, .. } | Rejection { cause: 17, .. })) => {
            Disposition::Busy
        }
        Some(EndCause::NoAnswer | EndCause::Cancelled) => Disposition::NoAnswer,
        // An ordinary end, and nobody who answered. Who is not registered has not been rung.
        Some(EndCause::Refused(Rejection { cause: 16 | 18 | 19, .. })) => Disposition::NoAnswer,
        Some(_) => Disposition::Failed,
    }
}

/// The name of the record of a call that began then.
pub(crate) fn unique(started: WallTime, id: u64) -> SmolStr {
    format_smolstr!("{}.{id}", started.as_unix_seconds())
}

impl EndCause {
    /// The cause by ITU-T Q.850: of all that is told of this end, the only source.
    pub const fn q850(&self) -> u8 {
        match self {
            Self::HungUp(_) | Self::Cancelled | Self::Operator | Self::TimeUp | Self::Joined { .. } => 16,
            Self::Dialplan(cause) => *cause,
            Self::NoAnswer => 19,
            Self::Lost(_) | Self::Silent(_) => 102,
            Self::Stopping => 38,
            Self::Refused(rejection) => rejection.cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cause: Option<EndCause>, answered: bool) -> CallRecord {
        CallRecord {
            id: 7,
            from: "100".into(),
            name: SmolStr::default(),
            to: "101".into(),
            did: SmolStr::default(),
            started: WallTime::from_unix_millis(1_700_000_000_999),
            answered: answered.then(WallTime::default),
            ended: None,
            duration: Duration::ZERO,
            talked: Duration::ZERO,
            cause,
            legs: Vec::new(),
        }
    }

    #[test]
    fn what_became_of_a_call_follows_from_why_it_ended() {
        let of = |cause| record(cause, false).disposition();
        assert_eq!(of(None), Disposition::Open);
        let refused = |status, cause| of(Some(EndCause::Refused(Rejection { status, cause })));
        assert_eq!((refused(486, 17), refused(603, 21)), (Disposition::Busy, Disposition::Busy));
        assert_eq!((refused(480, 18), refused(480, 19)), (Disposition::NoAnswer, Disposition::NoAnswer));
        assert_eq!((refused(480, 20), refused(480, 25)), (Disposition::Failed, Disposition::Failed));
        assert_eq!((refused(480, 16), refused(302, 16)), (Disposition::NoAnswer, Disposition::NoAnswer));
        assert_eq!(of(Some(EndCause::Cancelled)), Disposition::NoAnswer);
        assert_eq!(refused(404, 1), Disposition::Failed);
        assert_eq!(record(Some(EndCause::Stopping), true).disposition(), Disposition::Answered);
        assert_eq!(record(None, false).unique(), "1700000000.7");
    }
}
