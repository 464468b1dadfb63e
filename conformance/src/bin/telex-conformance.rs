//! Compares what the engine says with what was recorded, and prints the ledger.

use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use telex_conformance::ledger;
use telex_conformance::recorded::pcap::{self, Captured, Place};
use telex_conformance::recorded::{rules, run, show, site};

/// Shows how Telex keeps to the standards. The exit status is 0 when all is as it should be, 1 when something differs,
/// 2 when there is nothing to look at.
#[derive(Debug, Parser)]
#[command(name = "telex-conformance", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says one side of the recorded calls of a capture to the engine and compares its messages with the other side's.
    Pcap {
        /// The capture, pcap or pcapng.
        file: PathBuf,
        /// In whose place the engine answers.
        #[arg(long = "as", value_enum)]
        place: As,
        /// Only this Call-ID.
        #[arg(long)]
        call: Option<String>,
        /// A Telex configuration whose realm and times are used; its phones are those of the capture.
        #[arg(long)]
        config: Option<PathBuf>,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Prints what may differ between a recorded message and the engine's, and why.
    Rules,
    /// Writes LEDGER.md from ledger.tsv and prints the counts.
    Ledger,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    /// Who was called.
    Uas,
    /// Who called.
    Uac,
    /// Who was registered with.
    Registrar,
}

/// Every message is as the rules want it.
const SAME: u8 = 0;
/// Something differs.
const DIFFERS: u8 = 1;
/// There was nothing to compare.
const NOTHING: u8 = 2;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Pcap { file, place, call, config, json } => {
            compare(&file, place.into(), call.as_deref(), config.as_deref(), json)
        }
        Command::Rules => print(&rules::text()).map(|()| SAME),
        Command::Ledger => write_ledger(),
    };
    ExitCode::from(done.unwrap_or_else(|why| {
        // Nobody is left to be told when this fails.
        let _ = writeln!(io::stderr(), "telex-conformance: {why}");
        NOTHING
    }))
}

impl From<As> for Place {
    fn from(place: As) -> Self {
        match place {
            As::Uas => Self::Uas,
            As::Uac => Self::Uac,
            As::Registrar => Self::Registrar,
        }
    }
}

fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn compare(
    file: &Path,
    place: Place,
    call: Option<&str>,
    config: Option<&Path>,
    json: bool,
) -> Result<u8, String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let capture = File::open(file).map_err(|error| at(&error))?;
    let found = pcap::conversations(BufReader::new(capture)).map_err(|why| at(&why))?;
    let site = config.map(site::read).transpose()?.unwrap_or_default();
    let wanted = |(id, _): &&(String, Vec<Captured>)| call.is_none_or(|call| call == id);
    let scripts = found.iter().filter(wanted).filter_map(|(id, all)| Some((id, pcap::script(all, place)?)));
    let results: Vec<_> = scripts.map(|(id, script)| (id.as_str(), run(&script, &site))).collect();
    if results.iter().all(|(_, report)| report.is_empty()) {
        return Err(at(&"no message to compare with"));
    }
    print(&if json { format!("{:#}\n", show::json(&results)) } else { show::text(&results) })?;
    Ok(if results.iter().all(|(_, report)| report.is_fine()) { SAME } else { DIFFERS })
}

fn write_ledger() -> Result<u8, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table =
        fs::read_to_string(folder.join("ledger.tsv")).map_err(|error| format!("ledger.tsv: {error}"))?;
    let made = ledger::markdown(&table)?;
    fs::write(folder.join("LEDGER.md"), made).map_err(|error| format!("LEDGER.md: {error}"))?;
    let mut text = String::new();
    for (rfc, c) in ledger::counts(&ledger::clauses(&table)?) {
        text +=
            &format!("RFC {rfc}: {} shown, {} open, {} not applicable\n", c.shown, c.open, c.not_applicable);
    }
    print(&text)?;
    Ok(SAME)
}
