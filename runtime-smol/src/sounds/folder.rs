//! A site's own sounds: files in a folder, named by their place in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use smol_str::SmolStr;
use telex_audio::codec::{Decoder, Encoding, gsm};
use telex_engine::mediactl::Clip;

use crate::sound::SoundFile;

/// Folders within folders that are looked into.
const DEPTH: usize = 5;
/// Files that are taken at most.
const FILES: usize = 10_000;
/// Seconds of a file that are taken at most.
const SECONDS: u32 = 3600;
/// Samples read at a time.
const PIECE: usize = 1 << 16;

/// Endings of files without a header, and what is in them: what exchanges of the field keep their prompts in.
const RAW: &[(&str, Encoding)] = &[
    ("ulaw", Encoding::Pcmu),
    ("ul", Encoding::Pcmu),
    ("mu", Encoding::Pcmu),
    ("alaw", Encoding::Pcma),
    ("al", Encoding::Pcma),
    ("gsm", Encoding::Gsm),
    ("g722", Encoding::G722),
];
/// Endings of files of 16-bit samples, least significant octet first, and their rates.
const SAMPLES: &[(&str, u32)] = &[("sln", 8000), ("sln16", 16_000), ("sln48", 48_000)];

/// A file that was read.
struct Known {
    /// What it was then.
    changed: Option<SystemTime>,
    octets: u64,
    clip: Clip,
    /// It was asked for since the last [`forget`].
    wanted: bool,
}

/// The files that were read, by their paths.
static KNOWN: LazyLock<Mutex<BTreeMap<PathBuf, Known>>> = LazyLock::new(Mutex::default);

fn known() -> MutexGuard<'static, BTreeMap<PathBuf, Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets the files that nobody has asked for since the last time: they are gone, or named no longer.
pub(super) fn forget() {
    known().retain(|_, file| std::mem::take(&mut file.wanted));
}

/// Reads every file of sound in a folder; its name is its place in the folder without ending. Of files that differ in
/// their ending the one that comes first in the alphabet counts. What cannot be read is left out and told.
pub(super) fn read(folder: &Path, told: &mut Vec<String>) -> Vec<(SmolStr, Clip)> {
    let mut files = Vec::new();
    list(folder, "", DEPTH, &mut files, told);
    let mut clips: Vec<(SmolStr, Clip)> = Vec::new();
    for (name, path) in files {
        if clips.last().is_some_and(|(last, _)| *last == name) {
            continue;
        }
        match clip(&path, told) {
            Ok(clip) => clips.push((name, clip)),
            Err(why) => told.push(why),
        }
    }
    clips
}

/// Whether a folder has a file of sound of this name.
pub(super) fn has(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    // What leads out of the folder, or is hidden in it, is never read.
    let inside = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let entries = path.parent().filter(|_| inside).and_then(|beside| fs::read_dir(beside).ok());
    let files = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    files.into_iter().any(|file| file.file_stem() == path.file_name() && is_sound(&file) && !file.is_dir())
}

fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(SmolStr, PathBuf)>,
    told: &mut Vec<String>,
) {
    let mut entries: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(e) => return told.push(format!("cannot read the folder {}: {e}", folder.display())),
    };
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let Some(stem) = path.file_stem().and_then(OsStr::to_str).filter(|_| !hidden) else { continue };
        if path.is_dir() {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or(stem);
            if depth > 0 {
                list(&path, &format!("{prefix}{name}/"), depth - 1, files, told);
            }
        } else if is_sound(&path) && path.is_file() {
            if files.len() == FILES {
                return told.push(format!(
                    "{} and what comes after it is left out: {FILES} files are the most",
                    path.display()
                ));
            }
            files.push((SmolStr::new(format!("{prefix}{stem}")), path));
        }
    }
}

fn is_sound(path: &Path) -> bool {
    SoundFile::is_named(path) || raw(path).is_some() || samples(path).is_some()
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

fn raw(path: &Path) -> Option<Encoding> {
    RAW.iter().find(|(ending, _)| has_ending(path, ending)).map(|(_, encoding)| *encoding)
}

fn samples(path: &Path) -> Option<u32> {
    SAMPLES.iter().find(|(ending, _)| has_ending(path, ending)).map(|(_, rate)| *rate)
}

/// Reads a file, unless it is the same as when it was read last.
pub(super) fn clip(path: &Path, told: &mut Vec<String>) -> Result<Clip, String> {
    let failed = |why: &dyn std::fmt::Display| format!("cannot read {}: {why}", path.display());
    let about = fs::metadata(path).map_err(|e| failed(&e))?;
    let (changed, octets) = (about.modified().ok(), about.len());
    if let Some(file) = known().get_mut(path)
        && (file.changed, file.octets) == (changed, octets)
    {
        file.wanted = true;
        return Ok(file.clip.clone());
    }
    let (rate, pcm) = decoded(path, told)?;
    let clip = Clip::of(rate, &pcm)
        .ok_or_else(|| failed(&format!("{rate} samples per second are no usual rate")))?;
    known().insert(path.to_owned(), Known { changed, octets, clip: clip.clone(), wanted: true });
    Ok(clip)
}

/// Samples per second, and samples.
pub(super) fn decoded(path: &Path, told: &mut Vec<String>) -> Result<(u32, Vec<i16>), String> {
    if let Some(rate) = samples(path) {
        let octets = first_hour(path, 2 * u64::from(rate), told)?;
        let pcm = octets.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        return Ok((rate, pcm));
    }
    let mut pcm = Vec::new();
    if let Some(encoding) = raw(path) {
        let properties = encoding.properties();
        let octets = first_hour(path, u64::from(properties.bits / 8), told)?;
        let mut decoder = Decoder::new(encoding, properties.rate);
        // Only of GSM the length of a piece matters.
        for piece in octets.chunks(if encoding == Encoding::Gsm { gsm::OCTETS } else { 160 }) {
            // What is half a frame at the end is left out.
            let _ = decoder.decode(piece, &mut pcm);
        }
        return Ok((properties.rate, pcm));
    }
    let mut file = SoundFile::open(path)?;
    let most = (file.rate() as usize).saturating_mul(SECONDS as usize);
    while pcm.len() < most && file.read(PIECE.min(most - pcm.len()), &mut pcm)? > 0 {}
    if pcm.len() >= most {
        told.push(cut_off(path));
    }
    told.extend(file.warnings());
    Ok((file.rate(), pcm))
}

/// What a file without a header has for an hour, at so many octets a second.
fn first_hour(path: &Path, per_second: u64, told: &mut Vec<String>) -> Result<Vec<u8>, String> {
    let most = per_second * u64::from(SECONDS);
    let mut octets = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut octets));
    if read.map_err(|e| format!("cannot read {}: {e}", path.display()))? as u64 == most {
        told.push(cut_off(path));
    }
    Ok(octets)
}

fn cut_off(path: &Path) -> String {
    format!("{}: only the first hour is taken", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use telex_audio::wav::{Layout, Writer};

    #[test]
    fn files_of_many_kinds_are_found_by_their_place_and_what_is_broken_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("de/digits")).unwrap();
        fs::create_dir_all(at(".hidden")).unwrap();
        let file = fs::File::create(at("de/digits/1.wav")).unwrap();
        let mut writer = Writer::new(file, Layout::mono(44_100)).unwrap();
        writer.write(&[500; 44_100]).unwrap();
        writer.finish().unwrap();
        fs::write(at("a.ulaw"), [0xff; 800]).unwrap();
        fs::write(at("a.wav"), "RIFF no").unwrap();
        fs::write(at("b.gsm"), [0xd0; 33 * 50 + 7]).unwrap();
        fs::write(at("c.sln16"), [1; 3200]).unwrap();
        fs::write(at("d.g722"), [0x7a; 80]).unwrap();
        fs::write(at("broken.wav"), "RIFF nothing").unwrap();
        fs::write(at("readme.txt"), "no sound").unwrap();
        fs::write(at(".hidden/x.ulaw"), [0xff; 800]).unwrap();
        let mut told = Vec::new();
        let clips = read(folder.path(), &mut told);
        let found: Vec<(&str, u64)> = clips.iter().map(|(name, clip)| (name.as_str(), clip.ms())).collect();
        assert_eq!(found, [("a", 100), ("b", 1000), ("c", 100), ("d", 10), ("de/digits/1", 1000)]);
        assert!(told.len() == 1 && told[0].contains("broken.wav"), "{told:?}");
        // An hour, and a second that is too much; a sparse file takes no room.
        fs::File::create(at("long.al")).unwrap().set_len(8000 * u64::from(SECONDS + 1)).unwrap();
        let (rate, pcm) = decoded(&at("long.al"), &mut told).unwrap();
        assert_eq!((rate, pcm.len()), (8000, 8000 * SECONDS as usize));
        assert_eq!(told.pop(), Some(format!("{}: only the first hour is taken", at("long.al").display())));
        fs::remove_file(at("long.al")).unwrap();
        // What has changed is read again.
        fs::write(at("a.ulaw"), [0xff; 1600]).unwrap();
        assert_eq!(read(folder.path(), &mut Vec::new())[0].1.ms(), 200);
        assert_eq!(read(&at("nowhere"), &mut told).len(), 0);
        assert!(told[1].contains("nowhere"), "{told:?}");
    }

    #[test]
    fn files_that_are_gone_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ulaw");
        fs::write(&file, [0xff; 800]).unwrap();
        let own = super::super::Own { prompts: Some(folder.path().to_owned()), ..Default::default() };
        let load = || super::super::load(&own).0.get("a").is_some();
        assert!(load() && load());
        fs::remove_file(&file).unwrap();
        // The first time it is not asked for.
        assert!(!load() && !known().contains_key(&file));
    }
}
