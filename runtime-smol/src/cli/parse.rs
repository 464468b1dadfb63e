//! `telex parse`: captures read and explained.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use telex_capture::{Analyser, Call, Damage, Options, Report, Stopped, json, ladder, svg, text, wav};

/// Exit status when a capture is damaged, or is none.
const DAMAGED: u8 = 2;

/// Read captures (pcap, pcapng): SIP messages, media streams, calls and what looks wrong with them.
///
/// SIP is found on any port over UDP and TCP, media where session descriptions announce it. Several files are read as
/// one capture, in the order given.
///
/// Exit status: 0 all was read; 1 a file cannot be opened, read or written, or --call fits no call; 2 a capture is
/// damaged, or is none: what could be read is shown, and where it stopped making sense is said on standard error.
#[derive(Debug, Args)]
pub(super) struct Parse {
    /// Captures; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Show one call only: its Call-ID, or a part of it that no other has. Given more than once, --ladder and --svg
    /// draw these calls together, such as both legs through an exchange.
    #[arg(long, value_name = "ID")]
    call: Vec<String>,
    /// Show streams, calls and what looks wrong, but no messages.
    #[arg(long, conflicts_with_all = ["ladder", "json"])]
    summary: bool,
    /// Print a ladder diagram of each call.
    #[arg(long, conflicts_with = "json")]
    ladder: bool,
    /// Write the ladder diagrams to a file as a picture (SVG); nothing else is printed unless asked for.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON document: sip_requests, sip_responses, rtp_packets, rtp_streams and other counts, messages,
    /// streams, calls, exchanges, stopped.
    #[arg(long)]
    json: bool,
    /// Write the audio of each stream that can be decoded (PCMU, PCMA) to a WAV file in this folder; nothing else is
    /// printed unless asked for.
    #[arg(long, value_name = "DIR")]
    wav: Option<PathBuf>,
    /// Take for RTP what looks like it, even where no session description announces it. Captures without any session
    /// description are always read so.
    #[arg(long)]
    guess: bool,
}

/// Runs the command.
pub(super) fn main(options: &Parse) -> ExitCode {
    run(options).unwrap_or_else(|text| {
        tell(&text);
        ExitCode::FAILURE
    })
}

/// Reads and shows.
fn run(options: &Parse) -> Result<ExitCode, String> {
    let mut analyser = Analyser::new(Options { guess: options.guess, audio: options.wav.is_some() });
    let mut stopped: Vec<(String, Stopped)> = Vec::new();
    for path in &options.files {
        if let Err(damage) = analyser.read(open(path)?) {
            stopped.push((path.display().to_string(), damage));
        }
    }
    let report = analyser.finish();
    let nothing = stopped.len() == options.files.len() && stopped.iter().all(|(_, s)| s.why.is_no_capture());
    if !nothing || options.json {
        show(options, &report, &stopped)?;
    }
    for (file, damage) in &stopped {
        tell(&format!("{file}: {damage}"));
    }
    Ok(match stopped.iter().any(|(_, s)| matches!(s.why, Damage::Read(_))) {
        true => ExitCode::FAILURE,
        false if stopped.is_empty() => ExitCode::SUCCESS,
        false => ExitCode::from(DAMAGED),
    })
}

fn open(path: &Path) -> Result<Box<dyn Read>, String> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    Ok(Box::new(file))
}

fn show(options: &Parse, report: &Report, stopped: &[(String, Stopped)]) -> Result<(), String> {
    let calls: Result<Vec<&Call>, String> = options.call.iter().map(|name| report.call_named(name)).collect();
    let calls = calls?;
    if let Some(path) = &options.svg {
        write(path, svg::picture(report, &calls).as_bytes())?;
    }
    if let Some(folder) = &options.wav {
        write_audio(report, &calls, folder)?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    // Whoever closed the output does not want to know.
    let _ = if options.json {
        let stopped: Vec<(String, &Stopped)> = stopped.iter().map(|(file, s)| (file.clone(), s)).collect();
        let document = json::Document { report, stopped: &stopped, chosen: &calls };
        serde_json::to_writer_pretty(&mut out, &document)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else if options.ladder {
        out.write_all(ladder::text(report, &calls).as_bytes())
    } else if options.summary {
        out.write_all(text::summary(report, &calls).as_bytes())
    } else if options.svg.is_none() && options.wav.is_none() {
        let messages = text::messages(report, &calls).try_for_each(|m| out.write_all(m.as_bytes()));
        messages.and_then(|()| out.write_all(text::summary(report, &calls).as_bytes()))
    } else {
        Ok(())
    };
    let _ = out.flush();
    Ok(())
}

/// Writes what can be heard, and says what cannot.
fn write_audio(report: &Report, calls: &[&Call], folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let chosen =
        report.streams.iter().filter(|s| calls.is_empty() || calls.iter().any(|c| s.call == Some(c.number)));
    let mut count = 0;
    for stream in chosen {
        count += 1;
        match wav::file(stream) {
            Ok(octets) => write(&folder.join(wav::name(stream)), &octets)?,
            Err(why) => tell(&format!("not written: {why}")),
        }
    }
    if count == 0 {
        tell("there are no RTP streams to write");
    }
    Ok(())
}

fn write(path: &Path, octets: &[u8]) -> Result<(), String> {
    fs::write(path, octets).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    tell(&format!("wrote {}", path.display()));
    Ok(())
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "telex: {text}");
}
