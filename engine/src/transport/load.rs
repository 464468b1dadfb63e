//! What is turned away when there is more to do than time (RFC 6357 §4: local overload control).
//!
//! The driver says how long input waits before it gets here. What belongs to a dialog or a transaction is always taken:
//! turning that away would only waste what was spent on it and make it come again. Of requests that would begin
//! something new a share is refused, the larger the longer input waits, so that the waiting settles where what is taken
//! is what can be done. The least promising go first ([`Rank`]), the second half of what was let in before goes last. A
//! refusal costs no transaction and no digest.

use crate::limits;
use crate::time::{Duration, Instant};

/// How promising a new request is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// From a source of which nothing was accepted yet, without credentials.
    Stranger,
    /// From such a source, with credentials, whatever they are worth.
    Claimant,
    /// From a known source.
    Known,
    /// From a known source with credentials.
    Proving,
}

impl Rank {
    pub(super) const fn new(known: bool, credentials: bool) -> Self {
        match (known, credentials) {
            (false, false) => Self::Stranger,
            (false, true) => Self::Claimant,
            (true, false) => Self::Known,
            (true, true) => Self::Proving,
        }
    }

    /// The waiting at which its first requests are refused, and that at which all are.
    const fn ramp(self) -> (Duration, Duration) {
        match self {
            Self::Stranger => limits::SHED_STRANGERS,
            Self::Claimant => limits::SHED_CLAIMANTS,
            Self::Known => limits::SHED_KNOWN,
            Self::Proving => limits::SHED_PROVING,
        }
    }
}

/// How long input waits.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Load {
    waiting: Duration,
    told: Instant,
    shed: u64,
}

impl Load {
    /// The driver measured.
    pub(super) fn tell(&mut self, now: Instant, waiting: Duration) {
        (self.waiting, self.told) = (waiting, now);
    }

    /// How long input waits, as far as that is known.
    pub(super) fn waiting(&self, now: Instant) -> Duration {
        let old = now.since(self.told) > limits::LOAD_LASTS;
        if old { Duration::ZERO } else { self.waiting }
    }

    /// Whether so much waits that strangers are refused.
    pub(super) fn is_high(&self, now: Instant) -> bool {
        self.waiting(now) >= limits::SHED_STRANGERS.0
    }

    /// How many in 65,536 requests of this rank are to be refused.
    pub(super) fn share(&self, now: Instant, rank: Rank) -> u32 {
        let (from, to) = rank.ramp();
        let over = self.waiting(now).saturating_sub(from).as_micros();
        let range = to.saturating_sub(from).as_micros().max(1);
        u32::try_from((over << 16) / range).unwrap_or(u32::MAX).min(1 << 16)
    }

    /// A request was refused.
    pub(super) fn count(&mut self) {
        self.shed += 1;
    }

    /// How many were refused.
    pub(super) const fn shed(&self) -> u64 {
        self.shed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(waiting: u64) -> [u32; 4] {
        let mut load = Load::default();
        load.tell(Instant::from_millis(1), Duration::from_millis(waiting));
        [Rank::Stranger, Rank::Claimant, Rank::Known, Rank::Proving]
            .map(|rank| (load.share(Instant::from_millis(2), rank) * 1000) >> 16)
    }

    #[test]
    fn the_least_promising_go_first() {
        assert_eq!(shares(10), [0, 0, 0, 0]);
        assert_eq!(shares(15), [333, 0, 0, 0]);
        assert_eq!(shares(25), [1000, 0, 0, 0]);
        assert_eq!(shares(40), [1000, 750, 0, 0]);
        assert_eq!(shares(45), [1000, 1000, 0, 0]);
        assert_eq!(shares(60), [1000, 1000, 428, 0]);
        assert_eq!(shares(80), [1000, 1000, 1000, 0]);
        assert_eq!(shares(105), [1000, 1000, 1000, 500]);
        assert_eq!(shares(100_000), [1000, 1000, 1000, 1000]);
    }

    #[test]
    fn what_was_told_long_ago_counts_no_more() {
        let mut load = Load::default();
        load.tell(Instant::ZERO, Duration::from_secs(9));
        assert_eq!(load.waiting(Instant::ZERO + limits::LOAD_LASTS), Duration::from_secs(9));
        let later = Instant::ZERO + limits::LOAD_LASTS + Duration::from_millis(1);
        assert_eq!(load.share(later, Rank::Stranger), 0);
    }
}
