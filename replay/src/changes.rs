//! Changes of the configuration for a replay: what would have happened if.

use telex_engine::config::Config;
use telex_engine::time::Duration;

/// One value of the configuration that shall be another, as in `t1=400ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    key: Key,
    value: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    T1,
    T2,
    T4,
    TimerC,
    Ring,
    Session,
    MinSession,
    MediaTimeout,
    MinExpires,
    MaxExpires,
    DefaultExpires,
    Nonce,
}

const KEYS: &[(&str, Key)] = &[
    ("t1", Key::T1),
    ("t2", Key::T2),
    ("t4", Key::T4),
    ("timer_c", Key::TimerC),
    ("ring", Key::Ring),
    ("session", Key::Session),
    ("min_session", Key::MinSession),
    ("timeout", Key::MediaTimeout),
    ("min_expires", Key::MinExpires),
    ("max_expires", Key::MaxExpires),
    ("default_expires", Key::DefaultExpires),
    ("nonce", Key::Nonce),
];

/// What is wrong with a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The key is not known.
    #[error("`{0}` cannot be changed in a replay; what can: {names}", names = names())]
    Key(String),
    /// The value is no time.
    #[error("`{0}` is no time; write it as in t1=400ms, ring=30s or session=10m")]
    Value(String),
}

fn names() -> String {
    KEYS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl std::str::FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let known = KEYS.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.trim()));
        let (_, key) = known.ok_or_else(|| ChangeError::Key(name.trim().to_owned()))?;
        let value = value.trim();
        if *key == Key::MediaTimeout && value == "never" {
            return Ok(Self { key: *key, value: None });
        }
        let time = time(value).ok_or_else(|| ChangeError::Value(value.to_owned()))?;
        Ok(Self { key: *key, value: Some(time) })
    }
}

fn time(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

impl Change {
    /// Puts it into a configuration.
    pub fn apply(self, config: &mut Config) {
        let Some(value) = self.value else {
            config.media_timeout = None;
            return;
        };
        let place = match self.key {
            Key::T1 => &mut config.sip.t1,
            Key::T2 => &mut config.sip.t2,
            Key::T4 => &mut config.sip.t4,
            Key::TimerC => &mut config.sip.timer_c,
            Key::Ring => &mut config.ring,
            Key::Session => &mut config.session.expires,
            Key::MinSession => &mut config.session.min_se,
            Key::MediaTimeout => config.media_timeout.get_or_insert(value),
            Key::MinExpires => &mut config.registrar.min_expires,
            Key::MaxExpires => &mut config.registrar.max_expires,
            Key::DefaultExpires => &mut config.registrar.default_expires,
            Key::Nonce => &mut config.registrar.nonce_life,
        };
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_and_applied() {
        let mut config = Config::default();
        for change in ["t1=400ms", "T2 = 8s", "timeout=never", "session=10m", "nonce=1h"] {
            change.parse::<Change>().unwrap().apply(&mut config);
        }
        assert_eq!(config.sip.t1, Duration::from_millis(400));
        assert_eq!(config.sip.t2, Duration::from_secs(8));
        assert_eq!(config.media_timeout, None);
        assert_eq!(config.session.expires, Duration::from_secs(600));
        assert_eq!(config.registrar.nonce_life, Duration::from_secs(3600));
        assert!(matches!("t3=1s".parse::<Change>(), Err(ChangeError::Key(_))));
        for wrong in ["t1", "t1=", "t1=5", "t1=s", "t1=5 s", "ring=never", "t1=99999999999999999999s"] {
            assert!(matches!(wrong.parse::<Change>(), Err(ChangeError::Value(_))), "{wrong}");
        }
    }
}
