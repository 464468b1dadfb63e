//! The sections `[prompts]` and `[music]`: the site's own sounds, and what is heard on hold.

use std::path::{Path, PathBuf};

use smol_str::SmolStr;
use toml::de::DeTable;

use super::reader::{At, Reader, Section};
use crate::sounds::{Own, REMEDY, Spoken};

/// The class of music that is part of the program.
const DEFAULT: &str = "default";
/// Words of one prompt.
const WORDS: usize = 2000;

/// What the two sections say; `beside` is the folder of the configuration. The second is the class heard on hold.
pub(super) fn sounds(reader: &mut Reader, root: &DeTable<'_>, beside: &Path) -> (Own, Option<SmolStr>) {
    let prompts = reader.section(root, "prompts");
    let own = folder(reader, prompts, beside, "sounds");
    let spoken = own.clone().unwrap_or_else(|| beside.join("sounds"));
    let speak = prompts.map(|section| speak(reader, section, &spoken)).unwrap_or_default();
    let music = reader.section(root, "music");
    let tunes = folder(reader, music, beside, "music");
    let hold = match music.and_then(|section| reader.text(section, "hold")) {
        None => Some(SmolStr::new_static(DEFAULT)),
        Some(text) if text.value == "none" => None,
        Some(text) => {
            class(reader, &text, tunes.as_deref());
            Some(SmolStr::new(text.value))
        }
    };
    (Own { prompts: own, music: tunes, speak, spoken }, hold)
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
pub(super) fn class(reader: &mut Reader, text: &At<&str>, tunes: Option<&Path>) {
    let plain = !text.value.is_empty() && !text.value.contains(['/', '.']);
    if text.value == DEFAULT || plain && tunes.is_some_and(|folder| folder.join(text.value).is_dir()) {
        return;
    }
    let remedy = match tunes {
        Some(folder) => {
            format!("make a folder {} with music in it, or write \"default\"", folder.join("NAME").display())
        }
        None => "write \"default\", or name a folder of music with `folder`".to_owned(),
    };
    reader.wrong(&text.span, format!("there is no class of music `{}`", text.value), "not known", remedy);
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
