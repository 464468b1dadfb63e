//! `telex recording`: recordings of calls.

use clap::{Args, Subcommand};

use super::{Failure, Running, ask};
use crate::control::{RecordFormat, RecordOrder, RecordWhat, Request};

/// What becomes of the recording of a call.
#[derive(Debug, Subcommand)]
pub(super) enum Recording {
    /// Start recording. The file appears in the folder that [recordings] names.
    Start {
        #[command(flatten)]
        call: Call,
        /// What is recorded.
        #[arg(long, value_enum, default_value_t)]
        what: RecordWhat,
        /// The kind of file [default: the one that [recordings] names].
        #[arg(long, value_enum)]
        format: Option<RecordFormat>,
    },
    /// Leave out what is said from now on.
    Pause(Call),
    /// Go on after a pause.
    Resume(Call),
    /// End the recording. It ends with the call, too.
    Stop(Call),
}

#[derive(Debug, Args)]
pub(super) struct Call {
    /// The number of the call, as `telex calls` shows it.
    id: u64,
    #[command(flatten)]
    running: Running,
}

impl Recording {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (call, order) = match self {
            Self::Start { call, what, format } => (call, RecordOrder::Start { what: *what, format: *format }),
            Self::Pause(call) => (call, RecordOrder::Pause),
            Self::Resume(call) => (call, RecordOrder::Resume),
            Self::Stop(call) => (call, RecordOrder::Stop),
        };
        ask(&call.running, &Request::Recording { call: call.id, order })
    }
}
