//! Octets nobody would send, into everything that reads octets.
//!
//! A target is a function that takes any octets and panics when a promise is broken. [`TARGETS`] names them all. The
//! program (`main.rs`) runs one of them under libFuzzer, or on files; `tests/corpus.rs` runs all on what is kept in
//! `corpus/`.

pub mod conversation;
pub mod seeds;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use targets as t;

/// A target: its name, and the check that it makes on any octets.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. What each asserts stands at the head of its file, and in short in `README.md`.
pub const TARGETS: &[Target] = &[
    ("message", t::message::check),
    ("header", t::header::check),
    ("uri", t::uri::check),
    ("framer", t::framer::check),
    ("peer", t::peer::check),
    ("digest", t::digest::check),
    ("sdp", t::sdp::check),
    ("rtp", t::rtp::check),
    ("rtcp", t::rtcp::check),
    ("sound", t::sound::check),
    ("playout", t::playout::check),
    ("wav", t::wav::check),
    ("config", t::config::check),
    ("control", t::control::check),
    ("dialplan", t::dialplan::check),
    ("capture", t::capture::check),
    ("plan", t::plan::check),
    ("recording", t::recording::check),
    ("conversation", conversation::check),
];

/// The check of this name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}

/// Checks these files, and those in these folders; says how many there were.
///
/// # Panics
/// When the target does; the name of the file is printed before.
pub fn replay(check: fn(&[u8]), paths: &[PathBuf]) -> Result<usize, String> {
    let mut count = 0;
    for path in paths {
        let unreadable = |e: std::io::Error| format!("{}: {e}", path.display());
        if path.is_dir() {
            let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(unreadable)?.collect();
            let mut inside: Vec<PathBuf> =
                entries.map_err(unreadable)?.iter().map(fs::DirEntry::path).collect();
            inside.sort();
            count += replay(check, &inside)?;
            continue;
        }
        let octets = fs::read(path).map_err(unreadable)?;
        let named = Named(path);
        check(&octets);
        drop(named);
        count += 1;
    }
    Ok(count)
}

/// Names the file when the check panics.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("on {}", self.0.display());
        }
    }
}
