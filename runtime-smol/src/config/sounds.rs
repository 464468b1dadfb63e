//! The sections `[prompts]` and `[music]`: the site's own sounds, and what is heard on hold.

use std::path::{Path, PathBuf};

use smol_str::SmolStr;
use telex_engine::limits::BROADCASTS;
use toml::de::DeTable;

use super::reader::{At, Reader, Section};
use crate::sounds::{Own, REMEDY, Spoken, Station};

/// The class of music that is part of the program.
const DEFAULT: &str = "default";
/// Words of one prompt.
const WORDS: usize = 2000;
/// Samples per second that a program may make, and those that it makes when nothing is said.
const RATES: [u32; 3] = [8000, 16_000, 48_000];
const USUAL_RATE: u32 = 16_000;

/// What the two sections say; `beside` is the folder of the configuration. The second is the class heard on hold.
pub(super) fn sounds(reader: &mut Reader, root: &DeTable<'_>, beside: &Path) -> (Own, Option<SmolStr>) {
    let prompts = reader.section(root, "prompts");
    let own = folder(reader, prompts, beside, "sounds");
    let spoken = own.clone().unwrap_or_else(|| beside.join("sounds"));
    let speak = prompts.map(|section| speak(reader, section, &spoken)).unwrap_or_default();
    let music = reader.section(root, "music");
    let tunes = folder(reader, music, beside, "music");
    let stations = music.map(|section| stations(reader, section, beside)).unwrap_or_default();
    let own = Own { prompts: own, music: tunes, stations, speak, spoken };
    let hold = match music.and_then(|section| reader.text(section, "hold")) {
        None => Some(SmolStr::new_static(DEFAULT)),
        Some(text) if text.value == "none" => None,
        Some(text) => {
            class(reader, &text, &own);
            Some(SmolStr::new(text.value))
        }
    };
    (own, hold)
}

/// The folder that a section names. The usual one need not be there.
fn folder(reader: &mut Reader, section: Option<Section<'_>>, beside: &Path, usual: &str) -> Option<PathBuf> {
    let text = section.and_then(|section| reader.text(section, "folder"));
    let folder = beside.join(text.as_ref().map_or(usual, |text| text.value));
    if folder.is_dir() {
        return Some(folder);
    }
    if let Some(text) = text.filter(|text| text.value != usual) {
        let title = format!("there is no folder {}", folder.display());
        reader.wrong(&text.span, title, "not a folder", "make it, or leave the key out");
    }
    None
}

/// Checks that there is a class of music of this name.
pub(super) fn class(reader: &mut Reader, text: &At<&str>, own: &Own) {
    if is_class(text.value, own) {
        return;
    }
    let remedy = match &own.music {
        Some(folder) => {
            format!("make a folder {} with music in it, or write \"default\"", folder.join("NAME").display())
        }
        None => "write \"default\", or name a folder of music with `folder`".to_owned(),
    };
    reader.wrong(&text.span, format!("there is no class of music `{}`", text.value), "not known", remedy);
}

/// Whether there is a class of music of this name.
pub(super) fn is_class(name: &str, own: &Own) -> bool {
    let is_folder = |tunes: &PathBuf| is_plain(name) && tunes.join(name).is_dir();
    let made = own.stations.iter().any(|station| station.class == name);
    name == DEFAULT || made || own.music.as_ref().is_some_and(is_folder)
}

/// Whether this can be the name of a class.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '.'])
}

/// The programs that make music: that of the usual class, and those of others.
fn stations(reader: &mut Reader, section: Section<'_>, beside: &Path) -> Vec<Station> {
    let mut stations = Vec::new();
    stations.extend(station(reader, section, DEFAULT, beside));
    for (name, table) in reader.named_tables(section, "classes", &["stream", "rate"]) {
        let span = &name.span;
        if !is_plain(name.value) || name.value.len() > 64 || name.value == "none" {
            let title = format!("`{}` cannot be the name of a class of music", name.value);
            reader.wrong(span, title, "not usable", "use letters, as in \"radio\"");
        } else if stations.iter().any(|station: &Station| station.class == name.value) {
            let remedy = "[music] stream is the class \"default\"";
            reader.wrong(span, "this class has a stream already", "second one", remedy);
        } else if stations.len() == BROADCASTS {
            let remedy = format!("{BROADCASTS} classes with a stream are the most");
            reader.wrong(span, "there are too many classes with a stream", "one too many", remedy);
        } else if reader.key(table, "stream").is_none() {
            let remedy =
                "add stream = [\"PROGRAM\", \"ARGUMENT\", …]; a class of files is a folder of that name";
            reader.wrong(span, "this class has no stream", "nothing to hear", remedy);
        } else {
            stations.extend(station(reader, table, name.value, beside));
        }
    }
    stations
}

/// The program that a table names, if it is there.
fn station(reader: &mut Reader, section: Section<'_>, class: &str, beside: &Path) -> Option<Station> {
    let rate = match reader.number(section, "rate", 1..1_000_000) {
        Some(rate) if !RATES.contains(&rate) => {
            let span = reader.key(section, "rate").unwrap_or_default();
            let remedy = "let the program write 8000, 16000 or 48000 samples a second, and say which";
            reader.wrong(&span, format!("music cannot have a rate of {rate}"), "not usable", remedy);
            return None;
        }
        rate => rate.unwrap_or(USUAL_RATE),
    };
    let words = reader.texts(section, "stream")?;
    let (first, rest) = words.value.split_first()?;
    let Some(program) = Station::program(first.value, beside) else {
        let title = format!("there is no program `{}`", first.value);
        let remedy =
            "install it, or write its whole path; each argument is a text of its own, there is no shell";
        reader.wrong(&first.span, title, "not found", remedy);
        return None;
    };
    let arguments = rest.iter().map(|argument| argument.value.to_owned()).collect();
    Some(Station { class: class.into(), program, arguments, rate })
}

fn speak(reader: &mut Reader, section: Section<'_>, kept: &Path) -> Vec<Spoken> {
    let all = reader.named_texts(section, "speak");
    all.iter().filter_map(|(name, words)| spoken(reader, name, words, kept)).collect()
}

/// Words that a speech program is to say under a name, if that can be; what was spoken is in the folder `kept`.
pub(super) fn spoken(reader: &mut Reader, name: &At<&str>, words: &At<&str>, kept: &Path) -> Option<Spoken> {
    let spoken = Spoken { name: name.value.to_owned(), words: words.value.to_owned() };
    let fits = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    if !name.value.split('/').all(fits) {
        let remedy = "use letters, digits, - and _, and a / between the parts, as in \"de/welcome\"";
        let title = format!("`{}` is no name of a prompt", name.value);
        reader.wrong(&name.span, title, "not this way", remedy);
    } else if words.value.trim().is_empty() || words.value.len() > WORDS {
        let remedy = "write a sentence or a few";
        reader.wrong(&words.span, "these are no words to speak", "nothing, or too much", remedy);
    } else if !spoken.is_possible(kept) {
        let title = format!("prompt `{}` cannot be spoken: no speech program is installed", name.value);
        reader.wrong(&words.span, title, "nobody to say this", REMEDY);
    } else {
        return Some(spoken);
    }
    None
}
