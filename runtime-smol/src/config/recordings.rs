//! The section `[recordings]`.

use std::path::PathBuf;
use std::time::Duration;

use telex_engine::mediactl::RecordingFormat;
use toml::de::DeTable;

use super::reader::Reader;
use super::record::octets;
use super::{MS, SECOND};

const HOUR: Duration = Duration::from_secs(3600);
const MIB: u64 = 1 << 20;

/// How long a pause may be when nobody says otherwise.
const PAUSE: Duration = Duration::from_secs(2);

/// How recordings of calls are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recordings {
    /// Where.
    pub(crate) folder: PathBuf,
    /// Longer pauses are made so long; `None` for none.
    pub(crate) trim: Option<Duration>,
    /// Older ones are deleted.
    pub(crate) keep: Option<Duration>,
    /// The oldest are deleted beyond so many octets.
    pub(crate) most: Option<u64>,
}

/// What `[recordings]` says, and the kind of file.
pub(super) fn recordings(reader: &mut Reader, root: &DeTable<'_>) -> (Recordings, RecordingFormat) {
    let mut found = Recordings { folder: PathBuf::from("recordings"), trim: None, keep: None, most: None };
    let Some(section) = reader.section(root, "recordings") else { return (found, RecordingFormat::Wav) };
    if let Some(folder) = reader.text(section, "folder") {
        if folder.value.is_empty() {
            let remedy = "name a folder, or leave the key out";
            reader.wrong(&folder.span, "`folder` is empty", "no folder", remedy);
        }
        found.folder = PathBuf::from(folder.value);
    }
    let format = match reader.text(section, "format") {
        None => RecordingFormat::Wav,
        Some(text) => match text.value {
            "wav" => RecordingFormat::Wav,
            "opus" => RecordingFormat::Opus,
            _ => {
                let title = "`format` in [recordings] says what kind of file is written";
                reader.wrong(&text.span, title, "neither of the two", "write \"wav\" or \"opus\"");
                RecordingFormat::Wav
            }
        },
    };
    let pause = reader.time(section, "pause", 600 * MS, 600 * SECOND).map_or(PAUSE, |time| time.value);
    found.trim = (reader.flag(section, "trim") == Some(true)).then_some(pause);
    found.keep = reader.time(section, "keep", HOUR, 36_500 * 24 * HOUR).map(|time| time.value);
    if let Some(text) = reader.text(section, "most") {
        found.most = octets(text.value).map(|octets| octets as u64).filter(|octets| *octets >= MIB);
        if found.most.is_none() {
            let title = "`most` in [recordings] must be a size from 1 MiB on";
            let remedy = "write a size as in \"10 GiB\", or leave the key out";
            reader.wrong(&text.span, title, "no such size", remedy);
        }
    }
    (found, format)
}
