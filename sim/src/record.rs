//! A run with a recorder beside it.

use std::collections::BTreeSet;
use std::io::{self, Write};

use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::ShardId;
use telex_engine::time::Instant;
use telex_engine::{Action, Input, Signalling};
use telex_replay::{Checkpoint, FileWriter, Header, MediaCheckpoint};

use crate::plan::Plan;
use crate::run::{Outcome, run_watched};
use crate::watch::Watch;

/// Writes what the machines are told and do.
struct Writing<W: Write> {
    header: Header,
    /// Until something has happened.
    to: Option<W>,
    file: Option<io::Result<FileWriter<W>>>,
    inputs: u64,
    /// Media machines of this life of the exchange that have begun.
    begun: BTreeSet<ShardId>,
}

impl<W: Write> Writing<W> {
    /// Writes something, unless that failed before.
    fn write(&mut self, write: impl FnOnce(&mut FileWriter<W>) -> io::Result<()>) {
        if let Some(Ok(file)) = &mut self.file
            && let Err(error) = write(file)
        {
            self.file = Some(Err(error));
        }
    }
}

impl<W: Write> Watch for Writing<W> {
    fn begin(&mut self, machine: &mut Signalling) {
        // It happens again when the exchange is started again.
        self.begun.clear();
        let checkpoint = Checkpoint::of(machine, self.inputs, Instant::ZERO);
        self.file = match (self.file.take(), self.to.take()) {
            (Some(Ok(mut file)), _) => Some(file.start(&checkpoint).map(|()| file)),
            (None, Some(to)) => Some(FileWriter::new(to, &self.header, &checkpoint)),
            (failed, _) => failed,
        };
    }

    fn signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input, actions: &[Action]) {
        self.inputs += 1;
        let deadline = machine.deadline().map(|deadline| deadline.at);
        self.write(|file| file.entry(now, input, actions, deadline));
    }

    fn before_media(
        &mut self,
        shard: ShardId,
        machine: &mut MediaShard,
        now: Instant,
        input: &MediaInput<'_>,
    ) {
        let begins = self.begun.insert(shard);
        self.write(|file| {
            if begins {
                file.media_start(shard, &MediaCheckpoint::of(machine, now))?;
            }
            file.media_before(now, input)
        });
    }

    fn after_media(&mut self, shard: ShardId, machine: &mut MediaShard, out: &MediaOut) {
        self.write(|file| file.media_after(shard, out, machine.deadline()));
    }
}

/// Executes a plan and writes what signalling and media were told and did, as a recording that `telex replay` runs
/// again.
///
/// # Errors
/// Those of the writer; the run is lost with them.
pub fn run_recorded<W: Write>(plan: &Plan, to: W) -> io::Result<(Outcome, W)> {
    let what = format!("simulation, seed {}", plan.seed);
    let header = Header { build: telex_replay::build(), what, ..Header::default() };
    let mut writing = Writing { header, to: Some(to), file: None, inputs: 0, begun: BTreeSet::new() };
    let outcome = run_watched(plan, &mut writing);
    let nothing = || io::Error::other("the run broke before it began");
    let file = writing.file.ok_or_else(nothing)??;
    Ok((outcome, file.end()?))
}
