//! What phones do otherwise than they should, or otherwise than most do; who presses which digits; who attacks.

use serde::{Deserialize, Serialize};
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::words::{self, Word, of_table};

/// One way in which a phone is not like the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// It says everything two and a half seconds late, so that every request to it is repeated.
    Slow,
    /// It overlooks a third of what comes by datagram, as long as the storm lasts.
    Overlooks,
    /// It acknowledges nothing.
    NeverAcks,
    /// Having refused a call, it answers it all the same.
    AnswersLate,
    /// It answers a call twice, the second time in another dialog.
    AnswersTwice,
    /// It answers a call that is being cancelled.
    AnswersCancelled,
    /// It says BYE twice.
    ByeTwice,
    /// Called, it hangs up before its answer is acknowledged.
    ByeEarly,
    /// It re-invites while it is re-invited, once in a call.
    Glare,
    /// It sends what does not belong into its calls: an old CSeq, a wrong tag.
    OutOfDialog,
    /// It registers with an old CSeq, and for somebody else.
    OddRegisters,
    /// It uses header names of one letter (RFC 3261 §7.3.3).
    Compact,
    /// It folds long lines (§7.3.1).
    Folds,
    /// Names and parameters are in a case of its own (§7.3.1).
    OddCase,
    /// It adds header fields that nobody knows.
    Extras,
    /// It writes a long message.
    Verbose,
    /// Its requests come through a proxy: several Vias, between commas.
    Vias,
    /// It puts blanks where the grammar has LWS.
    Blanks,
    /// Its branches do not begin with the cookie (RFC 2543).
    NoCookie,
    /// It rings reliably (RFC 3262).
    Reliable,
    /// Calling, it requires reliable provisional responses (RFC 3262).
    WantsReliable,
    /// Proxies on the way record their routes (§16.6).
    Routed,
    /// It answers with its own number for telephone events.
    OwnNumbers,
}

/// Every habit and how it is written.
pub const HABITS: &[(&str, Habit)] = &[
    ("slow", Habit::Slow),
    ("overlooks", Habit::Overlooks),
    ("never-acks", Habit::NeverAcks),
    ("answers-late", Habit::AnswersLate),
    ("answers-twice", Habit::AnswersTwice),
    ("answers-cancelled", Habit::AnswersCancelled),
    ("bye-twice", Habit::ByeTwice),
    ("bye-early", Habit::ByeEarly),
    ("glare", Habit::Glare),
    ("out-of-dialog", Habit::OutOfDialog),
    ("odd-registers", Habit::OddRegisters),
    ("compact", Habit::Compact),
    ("folds", Habit::Folds),
    ("odd-case", Habit::OddCase),
    ("extras", Habit::Extras),
    ("verbose", Habit::Verbose),
    ("vias", Habit::Vias),
    ("blanks", Habit::Blanks),
    ("no-cookie", Habit::NoCookie),
    ("reliable", Habit::Reliable),
    ("wants-reliable", Habit::WantsReliable),
    ("routed", Habit::Routed),
    ("own-numbers", Habit::OwnNumbers),
];

impl Word for Habit {
    fn write(&self) -> String {
        HABITS.iter().find(|(_, habit)| habit == self).map_or("", |(name, _)| name).to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(HABITS, text)
    }
}

/// A phone loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// When. It forgets every call and transaction, and says nothing to anybody.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// For how long it is off. Then it registers as if it were new.
    #[serde(with = "words::word")]
    pub lasts: Duration,
}

/// Somebody presses a key during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Who.
    pub by: Side,
    /// How long after the answer.
    pub after: Duration,
    /// Which: 0 to 9, `*`, `#`, A to D.
    pub key: char,
}

/// The keys in the order of their events (RFC 4733 §3.2).
pub(crate) const KEYS: &str = "0123456789*#ABCD";

impl Word for Digit {
    fn write(&self) -> String {
        format!("{} {} {}", self.by.write(), self.key, self.after.write())
    }

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no digit; write it like `caller 5 1.2s`");
        let words: Vec<&str> = text.split(' ').collect();
        let [by, key, after] = words[..] else { return Err(wrong()) };
        let mut keys = key.chars();
        match (keys.next().filter(|key| KEYS.contains(*key)), keys.next()) {
            (Some(key), None) => Ok(Self { by: Side::read(by)?, key, after: Duration::read(after)? }),
            _ => Err(wrong()),
        }
    }
}

/// Somebody who has no business here sends datagrams from an address of his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// When he begins.
    #[serde(with = "words::word")]
    pub at: Instant,
    /// What he tries.
    #[serde(with = "words::word")]
    pub kind: AttackKind,
    /// How often.
    pub times: u32,
    /// How long he waits in between.
    #[serde(with = "words::word")]
    pub every: Duration,
}

/// What an attacker tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttackKind {
    /// Asks for extensions that exist and for others, to tell one from the other.
    Probe,
    /// Guesses passwords.
    Guess,
    /// Calls without credentials.
    Call,
    /// Sends again what a phone sent, with its credentials.
    Replay,
    /// Ends the calls of others: the Call-ID is right, the tags are guessed.
    Bye,
    /// Octets that are no message.
    Noise,
    /// Messages with hundreds of header fields, or enormous ones.
    Headers,
    /// Methods nobody knows, extensions nobody has, lengths that are wrong.
    Odd,
    /// Single RTP packets to every port.
    Media,
}

/// Every kind of attack and how it is written.
pub const ATTACKS: &[(&str, AttackKind)] = &[
    ("probe", AttackKind::Probe),
    ("guess", AttackKind::Guess),
    ("call", AttackKind::Call),
    ("replay", AttackKind::Replay),
    ("bye", AttackKind::Bye),
    ("noise", AttackKind::Noise),
    ("headers", AttackKind::Headers),
    ("odd", AttackKind::Odd),
    ("media", AttackKind::Media),
];

impl Word for AttackKind {
    fn write(&self) -> String {
        ATTACKS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name).to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(ATTACKS, text)
    }
}
