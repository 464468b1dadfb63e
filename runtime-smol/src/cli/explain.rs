//! `telex explain`: why a call went as it did, or would go.

use clap::Args;

use super::dialplan::Case;
use super::{Failure, Running, ask, load, print};
use crate::control::Request;

/// Say why a call went where it did, or where one would go: each step with its values, with file and line.
///
/// `telex explain 12` asks the running exchange about call 12, also when it is over.
///
/// `telex explain --from 100 --to 0123` says what the configuration makes of a call that nobody has made: also each
/// pattern that does not fit, and why.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The number of a call, as `telex calls`, the log or a refusal tells it.
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    call: Option<u64>,
    /// What is dialled.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    #[command(flatten)]
    case: Case,
    #[command(flatten)]
    running: Running,
}

/// Runs the command.
pub(super) fn main(options: &Explain) -> Result<(), Failure> {
    let Some(to) = &options.to else {
        let call = options.call.unwrap_or_default();
        return ask(&options.running, &Request::Explain { call });
    };
    let settings = load(&options.running.file.config)?;
    let engine = &settings.engine;
    let usual = (engine.context_of(&options.case.from), engine.zone.as_str());
    let told = options.case.told(&settings.plan(), to, usual)?;
    print(&told);
    Ok(())
}
