//! A run with a recorder beside it.

use std::io::{self, Write};

use telex_engine::time::Instant;
use telex_engine::{Action, Input, Signalling};
use telex_replay::{Checkpoint, FileWriter, Header};

use crate::plan::Plan;
use crate::run::{Outcome, run_watched};
use crate::watch::Watch;

/// Writes what signalling is told and does.
struct Writing<W: Write> {
    header: Header,
    /// Until something has happened.
    to: Option<W>,
    file: Option<io::Result<FileWriter<W>>>,
    inputs: u64,
}

impl<W: Write> Watch for Writing<W> {
    fn begin(&mut self, machine: &mut Signalling) {
        // It happens again when the exchange is started again.
        let checkpoint = Checkpoint::of(machine, self.inputs, Instant::ZERO);
        self.file = match (self.file.take(), self.to.take()) {
            (Some(Ok(mut file)), _) => Some(file.start(&checkpoint).map(|()| file)),
            (None, Some(to)) => Some(FileWriter::new(to, &self.header, &checkpoint)),
            (failed, _) => failed,
        };
    }

    fn signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input, actions: &[Action]) {
        self.inputs += 1;
        if let Some(Ok(file)) = &mut self.file
            && let Err(error) =
                file.entry(now, input, actions, machine.deadline().map(|deadline| deadline.at))
        {
            self.file = Some(Err(error));
        }
    }
}

/// Executes a plan and writes what signalling was told and did, as a recording that `telex replay` runs again.
///
/// # Errors
/// Those of the writer; the run is lost with them.
pub fn run_recorded<W: Write>(plan: &Plan, to: W) -> io::Result<(Outcome, W)> {
    let what = format!("simulation, seed {}", plan.seed);
    let header = Header { build: telex_replay::build(), what, ..Header::default() };
    let mut writing = Writing { header, to: Some(to), file: None, inputs: 0 };
    let outcome = run_watched(plan, &mut writing);
    let nothing = || io::Error::other("the run broke before it began");
    let file = writing.file.ok_or_else(nothing)??;
    Ok((outcome, file.end()?))
}
