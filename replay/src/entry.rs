//! What is kept of one step of the machine.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telex_engine::time::{Instant, WallTime};
use telex_engine::{Action, Actions, Input, Signalling};

/// One input and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub now: Instant,
    /// What the machine was told.
    pub input: Input,
    /// What it wanted done.
    pub actions: Actions,
    /// When it wanted to be woken, afterwards.
    pub deadline: Option<Instant>,
}

/// The whole state of the machine before a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The number of the next input, counted from the start of the recorder.
    pub step: u64,
    /// When it was taken.
    pub now: Instant,
    /// The wall clock then.
    pub wall: WallTime,
    /// The machine, as [`postcard`] writes it.
    #[serde(with = "octets")]
    pub state: Vec<u8>,
}

/// As one run of octets instead of a list of numbers.
pub(crate) mod octets {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(octets)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Bytes::deserialize(from).map(Into::into)
    }
}

impl Checkpoint {
    /// Of this machine, before its input number `step` at `now`.
    pub fn of(machine: &Signalling, step: u64, now: Instant) -> Self {
        let state = postcard::to_stdvec(machine).unwrap_or_default();
        Self { step, now, wall: machine.wall_at(now), state }
    }

    /// The machine.
    ///
    /// # Errors
    /// When another version wrote it, or it is damaged.
    pub fn machine(&self) -> Result<Signalling, postcard::Error> {
        postcard::from_bytes(&self.state)
    }
}

/// Appends the first half of an entry: it is written before the machine takes the input away.
pub(crate) fn write_input(log: &mut Vec<u8>, now: Instant, input: &Input) -> Result<(), postcard::Error> {
    *log = postcard::to_extend(&(now, input), std::mem::take(log))?;
    Ok(())
}

/// Appends the second half.
pub(crate) fn write_outcome(
    log: &mut Vec<u8>,
    actions: &[Action],
    deadline: Option<Instant>,
) -> Result<(), postcard::Error> {
    *log = postcard::to_extend(&(actions, deadline), std::mem::take(log))?;
    Ok(())
}

/// Reads entries out of octets until there are no more, or one cannot be read.
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(crate) const fn of(log: &'a [u8]) -> Self {
        Self { rest: log }
    }

    /// How many octets were not read.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.rest.is_empty() {
            return None;
        }
        let (entry, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(entry)
    }
}

/// A number that differs when two machines differ in anything: the head of the SHA-256 of the written state.
pub fn state_hash(machine: &Signalling) -> u64 {
    let state = postcard::to_stdvec(machine).unwrap_or_default();
    let hash: [u8; 32] = Sha256::digest(&state).into();
    hash.iter().take(8).fold(0, |n, octet| n << 8 | u64::from(*octet))
}
