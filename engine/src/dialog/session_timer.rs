//! Session timers (RFC 4028): who refreshes, how often, and when to give up.

use crate::config::SessionConfig;
use crate::time::Duration;

/// Who sends the refreshes (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Refresher {
    /// We do.
    Us,
    /// The peer does.
    Peer,
}

/// An agreed session interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SessionTimer {
    /// The session ends when it is not refreshed for this long.
    pub(crate) interval: Duration,
    /// Who refreshes.
    pub(crate) refresher: Refresher,
    /// Whether the peer knows session timers at all; only then do our answers carry them.
    pub(crate) negotiated: bool,
}

/// What a request or response said about session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Asked {
    /// Session-Expires, seconds.
    pub(crate) expires: Option<u32>,
    /// Its refresher parameter: `Some(true)` for `uac`.
    pub(crate) refresher_uac: Option<bool>,
    /// Min-SE, seconds.
    pub(crate) min_se: Option<u32>,
    /// `timer` stands in Supported or Require.
    pub(crate) supported: bool,
}

const fn seconds(n: u32) -> Duration {
    Duration::from_secs(n as u64)
}

impl SessionTimer {
    /// The UAS's choice for a request (RFC 4028 §9). `Err` carries our Min-SE for a 422.
    pub(crate) fn for_uas(asked: Asked, config: &SessionConfig) -> Result<Self, Duration> {
        let floor = asked.min_se.map_or(config.min_se, seconds).max(config.min_se);
        let interval = match asked.expires.map(seconds) {
            Some(wanted) if wanted < config.min_se && asked.supported => return Err(config.min_se),
            Some(wanted) => wanted.min(config.expires).max(floor),
            None => config.expires.max(floor),
        };
        let refresher = match (asked.supported, asked.refresher_uac) {
            (true, Some(false)) | (false, _) => Refresher::Us,
            // A peer that can refresh does: it knows when its own address changes.
            (true, _) if asked.expires.is_some() => Refresher::Peer,
            (true, _) => Refresher::Us,
        };
        Ok(Self { interval, refresher, negotiated: asked.supported })
    }

    /// What a 2xx to our request means (RFC 4028 §7.2). Without a Session-Expires the peer knows no timers and we
    /// keep the session alive on our own.
    pub(crate) fn for_uac(answered: Asked, config: &SessionConfig) -> Self {
        match answered.expires {
            Some(expires) => Self {
                interval: seconds(expires).max(Duration::from_secs(32)),
                refresher: if answered.refresher_uac == Some(false) {
                    Refresher::Peer
                } else {
                    Refresher::Us
                },
                negotiated: true,
            },
            None => Self { interval: config.expires, refresher: Refresher::Us, negotiated: false },
        }
    }

    /// When to act after a refresh: send the next at half time (§7.2), or give up on the peer a little before the end
    /// (§10: the smaller of 32 s and a third of the interval).
    pub(crate) fn act_after(&self) -> Duration {
        match self.refresher {
            Refresher::Us => self.interval / 2,
            Refresher::Peer => self.interval - (self.interval / 3).min(Duration::from_secs(32)),
        }
    }

    /// The refresher parameter when we were the UAS of the exchange.
    pub(crate) const fn refresher_as_uas(&self) -> &'static str {
        match self.refresher {
            Refresher::Us => "uas",
            Refresher::Peer => "uac",
        }
    }

    /// The refresher parameter when we are the UAC of the exchange.
    pub(crate) const fn refresher_as_uac(&self) -> &'static str {
        match self.refresher {
            Refresher::Us => "uac",
            Refresher::Peer => "uas",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(expires: Option<u32>, uac: Option<bool>, min: Option<u32>, supported: bool) -> Asked {
        Asked { expires, refresher_uac: uac, min_se: min, supported }
    }

    #[test]
    fn the_uas_follows_table_2_of_rfc_4028() {
        let config = SessionConfig::default();
        let choose = |a| SessionTimer::for_uas(a, &config);
        let refresher = |a| choose(a).map(|t| t.refresher);
        assert_eq!(refresher(asked(Some(1800), None, None, false)), Ok(Refresher::Us));
        assert_eq!(refresher(asked(Some(1800), Some(true), None, false)), Ok(Refresher::Us));
        assert_eq!(refresher(asked(Some(1800), Some(true), None, true)), Ok(Refresher::Peer));
        assert_eq!(refresher(asked(Some(1800), Some(false), None, true)), Ok(Refresher::Us));
        assert_eq!(choose(asked(Some(60), None, None, true)), Err(config.min_se));
    }

    #[test]
    fn the_interval_is_never_below_the_requests_min_se() {
        let config = SessionConfig { expires: Duration::from_secs(600), ..SessionConfig::default() };
        let timer = SessionTimer::for_uas(asked(Some(7200), None, Some(1200), true), &config);
        assert_eq!(timer.map(|t| t.interval), Ok(Duration::from_secs(1200)));
        let timer = SessionTimer::for_uas(asked(Some(7200), None, None, true), &config);
        assert_eq!(timer.map(|t| t.interval), Ok(Duration::from_secs(600)));
    }

    #[test]
    fn a_silent_peer_is_given_up_before_the_interval_ends() {
        let peer = SessionTimer {
            interval: Duration::from_secs(1800),
            refresher: Refresher::Peer,
            negotiated: true,
        };
        assert_eq!(peer.act_after(), Duration::from_secs(1768));
        let short = SessionTimer { interval: Duration::from_secs(90), ..peer };
        assert_eq!(short.act_after(), Duration::from_secs(60));
        assert_eq!(SessionTimer { refresher: Refresher::Us, ..peer }.act_after(), Duration::from_secs(900));
    }

    #[test]
    fn a_peer_without_timers_is_kept_alive_by_us() {
        let timer = SessionTimer::for_uac(Asked::default(), &SessionConfig::default());
        assert_eq!((timer.refresher, timer.negotiated), (Refresher::Us, false));
    }
}
