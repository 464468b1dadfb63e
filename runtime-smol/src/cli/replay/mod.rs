//! `telex replay`: a recording run again.

mod events;
mod media;
mod show;
mod walk;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use telex_replay::{Change, MediaTally, Place, Recording, Replayer, Tally, words};

use super::print;
pub(super) use media::{run_media, tally_json};

use crate::log::Escaped;

/// Exit status when a recording cannot be read, or not to its end.
const UNREADABLE: u8 = 2;

/// Run a recording again and compare every output with what was recorded, octet for octet.
///
/// That is every message and report of signalling, and, when the recording has media, every packet and report of each
/// media thread.
///
/// Exit status: 0 all that was run is identical, with --at up to there; 1 something differs; 2 the recording cannot
/// be read to its end: what can be is run.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A recording: what `telex record cut` or `telex sim --record` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Go to a moment: 14:03:22.417 (UTC, as in the log), +12.5s from the beginning, or #123 for an input.
    #[arg(long, value_name = "TIME")]
    at: Option<Place>,
    /// Print the state at that moment.
    #[arg(long, value_name = "WHAT", value_enum, requires = "at", value_delimiter = ',')]
    show: Vec<show::What>,
    /// Go back so many inputs from there, and print them.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "at")]
    back: usize,
    /// Go on so many inputs from there, and print them.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "at")]
    step: usize,
    /// Walk through it by hand: orders are read from standard input, n for the next input, h for help.
    #[arg(short, long, conflicts_with = "json")]
    interactive: bool,
    /// Print each SIP message with its direction.
    #[arg(long)]
    messages: bool,
    /// What would have happened with another value: t1=400ms, ring=30s, session=10m and other times of the
    /// configuration.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<Change>,
}

/// Runs the command.
pub(super) fn main(options: &Replay) -> ExitCode {
    let broke = || {
        Err("this recording breaks the exchange: it is damaged, or there is a mistake in telex".to_owned())
    };
    // What breaks is told in one line.
    std::panic::set_hook(Box::new(|_| {}));
    match std::panic::catch_unwind(|| run(options)).unwrap_or_else(|_| broke()) {
        Ok(code) => code,
        Err(text) => {
            tell(&text);
            ExitCode::from(UNREADABLE)
        }
    }
}

fn tell(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "telex: {text}");
}

fn read(path: &Path) -> Result<Recording, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|e| format!("cannot open {shown}: {e}"))?;
    let recording = Recording::read(&mut BufReader::new(file)).map_err(|e| format!("{shown}: {e}"))?;
    Ok(recording)
}

fn run(options: &Replay) -> Result<ExitCode, String> {
    let recording = read(&options.file)?;
    let mut replayer = Replayer::new(&recording, &options.changes).map_err(|e| e.to_string())?;
    let mut media_differs = false;
    match options.at {
        _ if options.interactive => {
            walk::walk(&recording, &mut replayer, options).map_err(|e| e.to_string())?;
        }
        Some(place) => {
            events::visit(&recording, &mut replayer, place, options)?;
        }
        None => {
            if options.messages {
                events::messages(&recording);
            }
            let tally = replayer.run().map_err(|e| e.to_string())?.clone();
            let media = run_media(&recording).map_err(|e| e.to_string())?;
            conclude(&recording, &tally, &media, options);
            media_differs = media.iter().any(|tally| tally.difference.is_some());
        }
    }
    let tally = replayer.tally();
    if options.at.is_some() || options.interactive {
        aside(tally);
    }
    if let Some(torn) = &recording.torn {
        let shown = options.file.display();
        tell(&format!("{shown}: it stops making sense at octet {}: {}", torn.offset, torn.why));
        return Ok(ExitCode::from(UNREADABLE));
    }
    let identical = replayer.tally().is_identical() && !media_differs;
    Ok(if identical { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is shown of a moment is not what was when the replay has left the recording before.
fn aside(tally: &Tally) {
    let differs = tally.difference.as_ref().map(|difference| difference.step);
    let parts = tally.parting.as_ref().map(|parting| parting.step);
    if let Some(step) = differs.into_iter().chain(parts).min() {
        tell(&format!(
            "from input #{step} on this differs from the recording; replay it without --at to see how"
        ));
    }
}

fn conclude(recording: &Recording, tally: &Tally, media: &[MediaTally], options: &Replay) {
    if options.json {
        let torn = recording.torn.as_ref();
        let document = serde_json::json!({
            "build": recording.header.build,
            "what": recording.header.what,
            "notes": recording.header.notes,
            "began": words::clock(recording.wall()),
            "inputs": tally.inputs,
            "kinds": tally.kinds,
            "outputs": tally.outputs,
            "identical": tally.identical,
            "more": tally.more,
            "timers_part": tally.parting.as_ref().map(ToString::to_string),
            "first_difference": tally.difference.as_ref().map(|d| serde_json::json!({
                "input": d.step, "time": words::clock(d.wall), "text": d.to_string(),
            })),
            "media": media.iter().map(tally_json).collect::<Vec<_>>(),
            "torn": torn.map(|torn| serde_json::json!({ "offset": torn.offset, "why": torn.why })),
        });
        print(&format!("{document}\n"));
    } else {
        recording.header.notes.iter().for_each(|note| print(&format!("{}\n", Escaped(note))));
        print(&tally.to_string());
        media.iter().for_each(|tally| print(&tally.to_string()));
        if media.is_empty() {
            print("media: this recording has no packets\n");
        }
    }
}
