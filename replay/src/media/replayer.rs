//! Runs what a recording has of a media machine again.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smol_str::SmolStr;
use telex_engine::media::{MediaOut, MediaShard};
use telex_engine::mediactl::{Library, ShardId};
use telex_engine::time::Instant;

use super::difference::{MediaDifference, first};
use super::told::Told;
use super::track::{MediaEntry, MediaStart, Track};
use crate::words;

/// A media machine on its way through a recording.
#[derive(Debug)]
pub struct MediaReplayer<'a> {
    track: &'a Track,
    machine: Option<MediaShard>,
    /// Inputs that it has been handed.
    done: usize,
    tally: MediaTally,
    out: MediaOut,
    scratch: Vec<u8>,
    /// Sounds that are known here.
    library: Arc<Library>,
}

/// What the replay of a media machine has shown so far.
#[derive(Clone, Debug)]
pub struct MediaTally {
    /// Which machine.
    pub shard: ShardId,
    /// How many inputs it has been handed.
    pub inputs: usize,
    /// Inputs by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Names of sounds that could be played and are not known here: silence stood for them.
    pub hollow: Vec<SmolStr>,
    /// Packets and reports in the recording.
    pub outputs: u64,
    /// Those that came out the same, octet for octet.
    pub identical: u64,
    /// The first that did not.
    pub difference: Option<Box<MediaDifference>>,
}

/// Why a track cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum MediaReplayError {
    /// A state cannot be read.
    #[error(
        "the state of media shard {shard} before input #{entry} cannot be read: {error}; replay it with the version of telex that made it"
    )]
    Checkpoint {
        /// Which machine.
        shard: u8,
        /// Before which input it stands.
        entry: usize,
        /// What is wrong.
        error: postcard::Error,
    },
    /// The engine broke.
    #[error("media shard {shard} panicked at input #{entry}, {input}")]
    Panic {
        /// Which machine.
        shard: u8,
        /// Which input.
        entry: usize,
        /// The input in words.
        input: String,
    },
}

impl<'a> MediaReplayer<'a> {
    /// At the beginning. `library` has the sounds that are known here: a recording has only their lengths.
    pub fn new(track: &'a Track, library: Arc<Library>) -> Self {
        let tally = MediaTally {
            shard: track.shard,
            inputs: 0,
            kinds: BTreeMap::new(),
            hollow: Vec::new(),
            outputs: 0,
            identical: 0,
            difference: None,
        };
        Self { track, machine: None, done: 0, tally, out: MediaOut::new(), scratch: Vec::new(), library }
    }

    /// Hands the machine its next input. False when there is none.
    ///
    /// # Errors
    /// [`MediaReplayError`].
    pub fn step(&mut self) -> Result<bool, MediaReplayError> {
        let Some(entry) = self.track.entry(self.done) else { return Ok(false) };
        if let Some(start) = self.track.starts.iter().rfind(|start| start.at == self.done) {
            self.begin(start)?;
        }
        self.out.clear();
        let (shard, mut deadline) = (self.track.shard.0, None);
        if let Some(machine) = &mut self.machine {
            let input = entry.told.input(&mut self.scratch);
            let out = &mut self.out;
            let work = || {
                machine.handle(entry.now, input, out);
                machine.deadline()
            };
            // A state that was damaged may do this; what there is of the machine is not used any more.
            deadline = catch_unwind(AssertUnwindSafe(work)).map_err(|_| MediaReplayError::Panic {
                shard,
                entry: self.done,
                input: words::told(&entry.told),
            })?;
        }
        if matches!(entry.told, Told::Library(_)) {
            self.fill();
        }
        self.count(&entry, deadline);
        self.done += 1;
        Ok(true)
    }

    fn begin(&mut self, start: &MediaStart) -> Result<(), MediaReplayError> {
        let machine = start.checkpoint.machine().map_err(|error| MediaReplayError::Checkpoint {
            shard: self.track.shard.0,
            entry: self.done,
            error,
        })?;
        self.machine = Some(machine);
        self.fill();
        Ok(())
    }

    /// Gives the machine the sounds of which it has only the lengths.
    fn fill(&mut self) {
        let Some(machine) = &mut self.machine else { return };
        machine.fill(&self.library);
        self.tally.hollow = machine.library().hollow().cloned().collect();
    }

    fn count(&mut self, entry: &MediaEntry<'_>, deadline: Option<Instant>) {
        let got = MediaEntry::new(entry.now, entry.told.clone(), &self.out, deadline);
        let tally = &mut self.tally;
        tally.inputs += 1;
        *tally.kinds.entry(entry.told.kind()).or_default() += 1;
        tally.outputs += (entry.packets.len() + entry.reports.len()) as u64;
        let packets = entry.packets.iter().zip(&got.packets).filter(|(old, new)| old == new).count();
        let reports = entry.reports.iter().zip(&got.reports).filter(|(old, new)| old == new).count();
        tally.identical += (packets + reports) as u64;
        if tally.difference.is_none()
            && let Some((expected, got)) = first(entry, &got)
        {
            tally.difference = Some(Box::new(MediaDifference {
                shard: tally.shard,
                entry: self.done,
                now: entry.now,
                input: words::told(&entry.told),
                expected,
                got,
            }));
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// [`MediaReplayError`].
    pub fn run(&mut self) -> Result<&MediaTally, MediaReplayError> {
        while self.step()? {}
        Ok(&self.tally)
    }

    /// Goes on to the moment `now` of a machine's life: that which began after `life.start` inputs of signalling and
    /// before `life.end`. It never goes back. Gives the machine as it is then, if there is one.
    ///
    /// # Errors
    /// [`MediaReplayError`].
    pub fn until(
        &mut self,
        life: &std::ops::Range<u64>,
        now: Instant,
    ) -> Result<Option<&MediaShard>, MediaReplayError> {
        let track = self.track;
        let mine = |start: &&MediaStart| life.contains(&start.after);
        let Some(start) = track.starts.iter().rfind(|s| mine(s) && s.checkpoint.now <= now) else {
            return Ok(None);
        };
        let end = track.starts.iter().map(|next| next.at).find(|at| *at > start.at).unwrap_or(track.len());
        if self.done <= start.at {
            self.done = start.at;
            self.begin(start)?;
        }
        while self.done < end && track.entry(self.done).is_some_and(|entry| entry.now <= now) {
            self.step()?;
        }
        Ok(self.machine.as_ref())
    }

    /// What it has shown so far.
    pub const fn tally(&self) -> &MediaTally {
        &self.tally
    }

    /// The number of the next input.
    pub const fn position(&self) -> usize {
        self.done
    }
}

impl fmt::Display for MediaTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let (shard, outputs, identical) = (self.shard.0, self.outputs, self.identical);
        writeln!(f, "media shard {shard}: inputs {} ({})", self.inputs, kinds.join(", "))?;
        if self.kinds.contains_key(Told::WITHOUT) {
            writeln!(f, "  payloads were not kept: zeros stand for them, received and sent")?;
        }
        if self.kinds.contains_key(Told::SILENT) {
            writeln!(f, "  music from outside was not kept: silence stands for it")?;
        }
        if let [first, more @ ..] = self.hollow.as_slice() {
            write!(f, "  sounds not known here, silence stands for them: {first}")?;
            writeln!(
                f,
                "{}",
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) }
            )?;
        }
        write!(f, "  outputs {outputs}  identical {identical}")?;
        match &self.difference {
            None => writeln!(f, "  first difference: none"),
            Some(difference) => write!(f, "\n{difference}"),
        }
    }
}
