//! What a recording has of one media machine.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use telex_engine::media::{MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{MediaReport, ShardId};
use telex_engine::time::Instant;

use super::told::{Told, octets};
use crate::entry::octets as owned;

/// The whole state of a media machine at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaCheckpoint {
    /// When.
    pub now: Instant,
    /// The machine, as [`postcard`] writes it.
    #[serde(with = "owned")]
    pub state: Vec<u8>,
}

impl MediaCheckpoint {
    /// Of this machine.
    pub fn of(machine: &MediaShard, now: Instant) -> Self {
        Self { now, state: postcard::to_stdvec(machine).unwrap_or_default() }
    }

    /// The machine.
    ///
    /// # Errors
    /// When another version wrote it, or it is damaged.
    pub fn machine(&self) -> Result<MediaShard, postcard::Error> {
        postcard::from_bytes(&self.state)
    }
}

/// A packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent<'a> {
    /// The local UDP port.
    pub port: u16,
    /// Where to.
    pub remote: SocketAddr,
    /// All of it.
    #[serde(borrow, serialize_with = "octets")]
    pub bytes: &'a [u8],
}

/// One input and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaEntry<'a> {
    /// When.
    pub now: Instant,
    /// What the machine was told.
    #[serde(borrow)]
    pub told: Told<'a>,
    /// What it sent.
    #[serde(borrow)]
    pub packets: Vec<Sent<'a>>,
    /// What it reported.
    pub reports: Vec<MediaReport>,
    /// What it wanted of its driver.
    pub io: Vec<MediaIo>,
    /// When it wanted to be woken, afterwards.
    pub deadline: Option<Instant>,
}

impl<'a> MediaEntry<'a> {
    pub(crate) fn new(now: Instant, told: Told<'a>, out: &'a MediaOut, deadline: Option<Instant>) -> Self {
        let sent = out.packets.iter().map(|p| Sent { port: p.port, remote: p.remote, bytes: p.bytes });
        let (reports, io) = (out.reports.clone(), out.io.clone());
        Self { now, told, packets: sent.collect(), reports, io, deadline }
    }

    /// Appends it to a log.
    pub(crate) fn write(&self, log: &mut Vec<u8>) -> Result<(), postcard::Error> {
        *log = postcard::to_extend(self, std::mem::take(log))?;
        Ok(())
    }
}

/// Where a machine begins, or begins anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaStart {
    /// Before the entry of this number.
    pub(crate) at: usize,
    /// So many inputs of signalling came before it.
    pub(crate) after: u64,
    pub(crate) checkpoint: MediaCheckpoint,
}

/// Everything about one media machine: states and what followed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Which machine.
    pub shard: ShardId,
    pub(crate) starts: Vec<MediaStart>,
    log: Vec<u8>,
    /// Where each entry begins in the log.
    places: Vec<usize>,
}

impl Track {
    pub(crate) const fn new(shard: ShardId) -> Self {
        Self { shard, starts: Vec::new(), log: Vec::new(), places: Vec::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The entry of a number.
    pub fn entry(&self, number: usize) -> Option<MediaEntry<'_>> {
        let octets = self.log.get(*self.places.get(number)?..)?;
        postcard::take_from_bytes(octets).ok().map(|(entry, _)| entry)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = MediaEntry<'_>> {
        (0..self.len()).filter_map(|number| self.entry(number))
    }

    pub(crate) fn push(&mut self, entry: &MediaEntry<'_>) -> Result<(), postcard::Error> {
        let place = self.log.len();
        entry.write(&mut self.log)?;
        self.places.push(place);
        Ok(())
    }

    /// Adds entries as they stand in a file. False when one cannot be read: those before it are there.
    pub(crate) fn extend(&mut self, octets: &[u8]) -> bool {
        let mut rest = octets;
        while !rest.is_empty() {
            let Ok((_, after)) = postcard::take_from_bytes::<MediaEntry<'_>>(rest) else { break };
            let (entry, _) = rest.split_at(rest.len() - after.len());
            self.places.push(self.log.len());
            self.log.extend_from_slice(entry);
            rest = after;
        }
        rest.is_empty()
    }

    /// The octets of an entry, as a file has them.
    pub(crate) fn octets(&self, number: usize) -> &[u8] {
        let Some(&from) = self.places.get(number) else { return &[] };
        let to = self.places.get(number + 1).copied().unwrap_or(self.log.len());
        self.log.get(from..to).unwrap_or_default()
    }
}
