//! Recordings are kept so long, and so many of them, as the site wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::Recordings as Style;

/// How often is looked for what need not be kept.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

/// Deletes recordings that are too old, and the oldest beyond the most octets there may be. Files that are not named
/// as recordings are, and those that are being written, are let alone. What there is to say about it.
pub(super) fn tidy(style: &Style, open: &[&Path]) -> Vec<String> {
    if style.keep.is_none() && style.most.is_none() {
        return Vec::new();
    }
    let mut files = recordings(&style.folder, open);
    files.sort();
    let mut total: u64 = files.iter().map(|file| file.2).sum();
    let now = SystemTime::now();
    let (mut old, mut many) = (0, 0);
    for (written, path, octets) in files {
        let age = now.duration_since(written).unwrap_or_default();
        let too_old = style.keep.is_some_and(|keep| age > keep);
        let too_many = style.most.is_some_and(|most| total > most);
        if (too_old || too_many) && fs::remove_file(&path).is_ok() {
            total -= octets;
            if too_old { old += 1 } else { many += 1 }
        }
    }
    let mut notes = Vec::new();
    if old > 0 {
        notes.push(format!("{old} recordings were older than [recordings] keep and are deleted"));
    }
    if many > 0 {
        notes.push(format!("{many} recordings were beyond [recordings] most and are deleted"));
    }
    notes
}

/// Recordings in a folder: when they were written last, where, and their octets.
fn recordings(folder: &Path, open: &[&Path]) -> Vec<(SystemTime, PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let recording = |entry: fs::DirEntry| {
        let path = entry.path();
        let found = entry.metadata().ok().filter(|found| found.is_file())?;
        let ours = is_ours(&path) && !open.contains(&path.as_path());
        ours.then_some((found.modified().ok()?, path, found.len()))
    };
    entries.flatten().filter_map(recording).collect()
}

/// Whether a file is named as recordings are: `20261122-173005-...-call7.wav`.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending = path.extension().and_then(|ending| ending.to_str());
    let time = name.bytes().take(16).enumerate().all(|(at, octet)| match at {
        8 | 15 => octet == b'-',
        _ => octet.is_ascii_digit(),
    });
    time && name.contains("-call") && matches!(ending, Some("wav" | "opus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Three recordings, an hour apart, and files that are none.
    fn filled() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["20260101-100000-1-2-call1.wav", "20260101-110000-1-2-call2.opus", "20260101-120000-call3.wav"];
        for (hours, name) in [3, 2, 1].into_iter().zip(names) {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_len(1000).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600 * hours)).unwrap();
        }
        for name in ["music.wav", "20260101-100000-notes.txt", "20260101-call9.wav"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        folder
    }

    fn style(folder: &Path, keep: Option<u64>, most: Option<u64>) -> Style {
        Style { folder: folder.to_owned(), trim: None, keep: keep.map(Duration::from_secs), most }
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_no_recording_stays() {
        let folder = filled();
        let notes = tidy(&style(folder.path(), Some(5400), None), &[]);
        assert_eq!(notes.len(), 1);
        let expected =
            ["20260101-100000-notes.txt", "20260101-120000-call3.wav", "20260101-call9.wav", "music.wav"];
        assert_eq!(left(folder.path()), expected);
    }

    #[test]
    fn the_oldest_go_first_but_not_one_that_is_being_written() {
        let folder = filled();
        let open = folder.path().join("20260101-100000-1-2-call1.wav");
        tidy(&style(folder.path(), None, Some(2500)), &[&open]);
        assert_eq!(left(folder.path()).len(), 6, "two thousand octets are not too many");
        tidy(&style(folder.path(), None, Some(1500)), &[&open]);
        let left = left(folder.path());
        assert!(left.contains(&"20260101-100000-1-2-call1.wav".to_owned()));
        assert!(!left.contains(&"20260101-110000-1-2-call2.opus".to_owned()));
        assert!(left.contains(&"20260101-120000-call3.wav".to_owned()));
    }

    #[test]
    fn nothing_goes_unless_it_is_wanted() {
        let folder = filled();
        assert!(tidy(&style(folder.path(), None, None), &[]).is_empty());
        assert_eq!(left(folder.path()).len(), 6);
    }
}
