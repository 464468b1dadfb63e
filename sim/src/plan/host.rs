//! What the host of the exchange does to it, and what its operators do, as plan data.

use serde::{Deserialize, Serialize};
use telex_engine::time::{Duration, Instant};

use super::words::{self, Word, of_table};

/// What the host does. Whatever is left out it does as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostPlan {
    /// A wake-up comes up to this much late while the storm lasts.
    #[serde(with = "words::word")]
    pub late: Duration,
    /// Times when the wall clock is set.
    pub wall_steps: Vec<WallStep>,
    /// Times when the exchange stops dead and starts again.
    pub restarts: Vec<Restart>,
    /// What the store does.
    pub store: StorePlan,
}

/// The wall clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WallStep {
    /// When.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// By how many seconds, forwards or backwards.
    pub seconds: i64,
}

/// The exchange stops dead: calls, streams and ports are gone. It starts again with what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// How long it is away.
    #[serde(with = "words::word")]
    pub away: Duration,
    /// How many of the records that the store has not reported yet have reached it all the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: u32,
    /// How many of the last records that it has reported are lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub torn: u32,
}

/// What the store of the exchange does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorePlan {
    /// A record is safe after this.
    #[serde(with = "words::word")]
    pub delay: Duration,
    /// Times when it takes nothing.
    pub full: Vec<Window>,
}

impl Default for StorePlan {
    fn default() -> Self {
        Self { delay: Duration::from_millis(2), full: Vec::new() }
    }
}

/// A while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// From when.
    #[serde(with = "words::word")]
    pub from: Instant,
    /// Until when.
    #[serde(with = "words::word")]
    pub until: Instant,
}

/// Something that an operator does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorAct {
    /// When.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// What.
    #[serde(with = "words::word")]
    pub act: Act,
}

/// What an operator can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Asks who is registered.
    Registrations,
    /// Asks which calls there are.
    Calls,
    /// Asks how large the tables are.
    Stats,
    /// Ends one of the calls there are, by its place in the list, counted round and round.
    Hangup(u32),
    /// Takes this extension out of the configuration.
    Remove(String),
    /// Puts this extension back into the configuration.
    Restore(String),
    /// Gives this extension another password. Its phones learn it, or do not.
    Password(String, bool),
    /// Phones ring this long from now on.
    Ring(Duration),
    /// Calls without media end after this from now on.
    MediaTimeout(Duration),
    /// Loads the same configuration again.
    Reload,
    /// Stops the exchange: calls have this long to end. It is started again afterwards.
    Drain(Duration),
}

const PLAIN: [(&str, Act); 4] = [
    ("registrations", Act::Registrations),
    ("calls", Act::Calls),
    ("stats", Act::Stats),
    ("reload", Act::Reload),
];

impl Word for Act {
    fn write(&self) -> String {
        match self {
            Self::Hangup(n) => format!("hangup {n}"),
            Self::Remove(extension) => format!("remove {extension}"),
            Self::Restore(extension) => format!("restore {extension}"),
            Self::Password(extension, true) => format!("password {extension} told"),
            Self::Password(extension, false) => format!("password {extension} untold"),
            Self::Ring(time) => format!("ring {}", time.write()),
            Self::MediaTimeout(time) => format!("media-timeout {}", time.write()),
            Self::Drain(time) => format!("drain {}", time.write()),
            plain => words::name_in(&PLAIN, plain),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let wrong = || {
            format!(
                "`{text}` is nothing that an operator does; write registrations, calls, stats, reload, hangup 2, \
                 remove 101, restore 101, password 101 told, password 101 untold, ring 10s, media-timeout 20s or \
                 drain 30s"
            )
        };
        match words[..] {
            ["hangup", n] => n.parse().map(Self::Hangup).map_err(|_| wrong()),
            ["remove", extension] => Ok(Self::Remove(extension.to_owned())),
            ["restore", extension] => Ok(Self::Restore(extension.to_owned())),
            ["password", extension, "told"] => Ok(Self::Password(extension.to_owned(), true)),
            ["password", extension, "untold"] => Ok(Self::Password(extension.to_owned(), false)),
            ["ring", time] => Duration::read(time).map(Self::Ring),
            ["media-timeout", time] => Duration::read(time).map(Self::MediaTimeout),
            ["drain", time] => Duration::read(time).map(Self::Drain),
            [_] => of_table(&PLAIN, text).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_does_reads_back() {
        let extension = || "101".to_owned();
        for act in [
            Act::Registrations,
            Act::Calls,
            Act::Stats,
            Act::Reload,
            Act::Hangup(3),
            Act::Remove(extension()),
            Act::Restore(extension()),
            Act::Password(extension(), true),
            Act::Password(extension(), false),
            Act::Ring(Duration::from_secs(9)),
            Act::MediaTimeout(Duration::from_millis(1500)),
            Act::Drain(Duration::from_secs(30)),
        ] {
            assert_eq!(Act::read(&act.write()), Ok(act));
        }
        for wrong in ["", "hangup", "hangup x", "password 101", "drain", "drain 5", "remove 1 2"] {
            assert!(Act::read(wrong).is_err(), "{wrong}");
        }
    }
}
