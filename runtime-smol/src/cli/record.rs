//! `telex record`: what the flight recorder of a running exchange holds, as a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use telex_engine::rtp::{Kind, Packet, classify};
use telex_replay::{MediaEntry, MediaTally, Recording, Replayer, Told, Track, words};

use super::replay::{run_media, tally_json};
use super::{Failure, Running, print};
use crate::control::{self, CutRequest};

/// `telex record …`
#[derive(Debug, Subcommand)]
pub(super) enum Record {
    Cut(Cut),
}

/// Write a call, or everything there is, to a file that `telex replay` runs again.
///
/// The file holds the state of the exchange before the call and everything that it was told until the call had ended,
/// other calls included: they share its tables and its randomness. Passwords and what is computed from them are
/// replaced by stand-ins; numbers, addresses, tags, Call-IDs and the texts of messages are not, nor are keys that were
/// pressed in SIP messages or for the exchange itself. After a cut the exchange draws new randomness, so that the file
/// tells nothing about what comes: phones are challenged once more.
///
/// With `media = "headers"` in [record], as by default, the file also has what the call's media ports received and sent,
/// without what the packets carry: no sound, no keys. With --all it has that of all calls. Where the exchange decodes
/// sound itself (conference, transcoding) some tenths of a second may stand in the state at the beginning. With
/// `media = "all"` it has the VOICES OF PEOPLE and the keys they pressed, PINs among them: ask whether that is allowed
/// before you keep it or hand it on.
///
/// Exit status: 0 written; 1 not.
#[derive(Debug, Args)]
pub(super) struct Cut {
    /// A call: its number, as `telex calls` or the log shows it, or a Call-ID.
    #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    call: Option<String>,
    /// Everything there is.
    #[arg(long)]
    all: bool,
    /// How long before the call the recording begins, at least.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    before: Duration,
    /// Where to write [default: call-ID.tlx, or all.tlx].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
}

fn time(text: &str) -> Result<Duration, String> {
    crate::config::duration(text).ok_or_else(|| "write a time as in 500ms, 30s or 5m".to_owned())
}

/// Runs `telex record cut`.
pub(super) fn cut(options: &Cut) -> Result<(), Failure> {
    let before = u64::try_from(options.before.as_millis()).unwrap_or(u64::MAX);
    let request = CutRequest { call: options.call.clone(), before };
    let path = options.output.clone().unwrap_or_else(|| default_name(options.call.as_deref()));
    // Known before phones are challenged once more for nothing.
    if path.symlink_metadata().is_ok() {
        return Err(is_there(&path).into());
    }
    let (cut, octets) = control::cut(&options.running.socket(), request)?;
    write(&path, &octets)?;
    let mut recording = Recording::read(&mut octets.as_slice()).map_err(|e| e.to_string())?;
    recording
        .header
        .notes
        .extend(cut.notes.into_iter().filter(|n| !recording.header.notes.contains(n)).collect::<Vec<_>>());
    report(&path, &recording, options.running.json)
}

/// A name without anything that means something to a shell or a file system.
fn default_name(call: Option<&str>) -> PathBuf {
    let Some(call) = call else { return PathBuf::from("all.tlx") };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = call.chars().take(64).map(plain).collect();
    PathBuf::from(format!("call-{name}.tlx"))
}

/// For this user only: it says who called whom.
fn write(path: &Path, octets: &[u8]) -> Result<(), String> {
    let shown = path.display();
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
            match e.kind() {
                std::io::ErrorKind::AlreadyExists => is_there(path),
                _ => format!("cannot write {shown}: {e}"),
            }
        })?;
    file.write_all(octets).map_err(|e| {
        // Half a recording would only stand in the way of the next.
        let _ = std::fs::remove_file(path);
        format!("cannot write {shown}: {e}")
    })
}

fn is_there(path: &Path) -> String {
    format!("{} is there already: name another file with -o", path.display())
}

/// Says what was written, after running it once.
fn report(path: &Path, recording: &Recording, json: bool) -> Result<(), Failure> {
    let mut replayer = Replayer::new(recording, &[]).map_err(|e| e.to_string())?;
    let tally = replayer.run().map_err(|e| e.to_string())?.clone();
    let media = run_media(recording).map_err(|e| e.to_string())?;
    let (began, ended) = (words::clock(recording.wall()), words::clock(replayer.wall()));
    let notes = &recording.header.notes;
    if json {
        let document = serde_json::json!({
            "file": path, "inputs": tally.inputs, "outputs": tally.outputs, "identical": tally.identical,
            "began": began, "ended": ended, "notes": notes, "media": media.iter().map(tally_json).collect::<Vec<_>>(),
        });
        print(&format!("{document}\n"));
    } else {
        let (shown, inputs, outputs) = (path.display(), tally.inputs, tally.outputs);
        print(&format!("{shown}: {inputs} inputs, {outputs} outputs, {began} to {ended} UTC\n"));
        for MediaTally { shard, inputs, outputs, .. } in &media {
            print(&format!("media of shard {}: {inputs} inputs, {outputs} outputs\n", shard.0));
        }
        print(warning(recording));
        notes.iter().for_each(|note| print(&format!("{note}\n")));
    }
    if let Some(difference) = media.iter().find_map(|tally| tally.difference.as_ref()) {
        return Err(
            format!("media does not replay identical; this is a mistake in telex\n{difference}").into()
        );
    }
    if !tally.is_identical() {
        return Err(
            format!("the recording does not replay identical; this is a mistake in telex\n{tally}").into()
        );
    }
    Ok(())
}

/// What a person who has the file must know.
fn warning(recording: &Recording) -> &'static str {
    let mut entries = recording.media.iter().flat_map(Track::entries);
    let voices = |entry: MediaEntry<'_>| matches!(entry.told, Told::Packet { bytes, .. } if is_sound(bytes));
    match (recording.media.is_empty(), entries.any(voices)) {
        (true, _) => "it has no media\n",
        (false, false) => "it has media without sound\n",
        (false, true) => "it has the VOICES OF PEOPLE and the keys they pressed: treat it so\n",
    }
}

fn is_sound(bytes: &[u8]) -> bool {
    classify(bytes) == Kind::Rtp && Packet::parse(bytes).is_ok_and(|packet| !packet.payload.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_recording_is_for_its_owner_and_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tlx");
        write(&path, b"one").unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let linked = directory.path().join("b.tlx");
        symlink(directory.path().join("nowhere"), &linked).unwrap();
        for taken in [&path, &linked] {
            assert!(write(taken, b"two").unwrap_err().contains("is there already"));
            assert!(taken.symlink_metadata().is_ok());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(!directory.path().join("nowhere").exists());
    }

    #[test]
    fn names_of_files_hold_nothing_of_a_shell() {
        assert_eq!(default_name(Some("../a b;c@d")), PathBuf::from("call-.._a_b_c_d.tlx"));
        assert_eq!(default_name(None), PathBuf::from("all.tlx"));
    }
}
