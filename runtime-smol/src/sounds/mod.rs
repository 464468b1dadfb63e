//! The sounds that can be played by name: those that are part of the program, and the site's own.

mod broadcast;
mod folder;
pub(crate) mod pack;
mod speech;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};
use telex_engine::mediactl::{Clip, Library};

pub(crate) use broadcast::{Broadcasts, Station};
pub(crate) use speech::{REMEDY, Spoken};

/// Seconds of silence that are prompts: `silence/1` to `silence/10`.
const SILENCES: std::ops::RangeInclusive<u32> = 1..=10;

/// Spoken prompts and music that are part of the program; prompts/README.md says how they were made.
static PACK: &[u8] = include_bytes!("../../../prompts/en.pack");

/// The class of music that is part of the program.
const DEFAULT: &str = "default";

/// The site's own sounds, as its configuration names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// The folder of prompts.
    pub(crate) prompts: Option<PathBuf>,
    /// The folder of music: a folder in it is a class, what lies in it itself is the class `default`.
    pub(crate) music: Option<PathBuf>,
    /// Programs that make music.
    pub(crate) stations: Vec<Station>,
    /// What a speech program is to say.
    pub(crate) speak: Vec<Spoken>,
    /// Where what it said is kept.
    pub(crate) spoken: PathBuf,
}

impl Own {
    /// Whether a prompt of this name will be there once the sounds are read.
    pub(crate) fn has(&self, name: &str) -> bool {
        builtin().get(name).is_some()
            || self.speak.iter().any(|spoken| spoken.name == name)
            || self.prompts.as_ref().is_some_and(|folder| folder::has(folder, name))
    }
}

/// The sounds that are part of the program.
pub(crate) fn builtin() -> Arc<Library> {
    static BUILTIN: LazyLock<Arc<Library>> = LazyLock::new(|| {
        let silence = |seconds| (format_smolstr!("silence/{seconds}"), Clip::silence(seconds * 1000));
        let packed = pack::read(&Bytes::from_static(PACK)).unwrap_or_default();
        Arc::new(packed.into_iter().chain(SILENCES.map(silence)).collect())
    });
    Arc::clone(&BUILTIN)
}

/// All sounds: the site's own before those of the program, and what could not be had. A class that a program makes and
/// that has no files has those of the usual class, for when nothing comes.
pub(crate) fn load(own: &Own) -> (Arc<Library>, Vec<String>) {
    let mut told = Vec::new();
    let library = read(own, &mut told);
    folder::forget();
    (library, told)
}

fn read(own: &Own, told: &mut Vec<String>) -> Arc<Library> {
    if *own == (Own { spoken: own.spoken.clone(), ..Own::default() }) {
        return builtin();
    }
    let mut clips: Vec<(SmolStr, Clip)> = Vec::new();
    for spoken in &own.speak {
        let clip = spoken.speak(&own.spoken).and_then(|file| folder::clip(&file, told));
        match clip {
            Ok(clip) => clips.push((SmolStr::new(&spoken.name), clip)),
            Err(why) => told.push(why),
        }
    }
    clips.extend(own.prompts.iter().flat_map(|folder| folder::read(folder, told)));
    let music = own.music.iter().flat_map(|folder| folder::read(folder, told));
    let music: Vec<(SmolStr, Clip)> = music.map(|(name, clip)| (of_class(&name), clip)).collect();
    let classes: BTreeSet<&str> = music.iter().filter_map(|(name, _)| class(name)).collect();
    // A class of the site's own has none of the program's pieces in it.
    let kept = |name: &str| class(name).is_none_or(|class| !classes.contains(class));
    let builtin = builtin();
    let spare = own.stations.iter().filter(|station| !classes.contains(station.class.as_str()));
    let spare = spare.filter(|station| builtin.class(&station.class).is_empty());
    let usual: Vec<&Clip> = match classes.contains(DEFAULT) {
        true => music.iter().filter(|(name, _)| class(name) == Some(DEFAULT)).map(|(_, clip)| clip).collect(),
        false => builtin.class(DEFAULT).iter().map(|(_, clip)| clip).collect(),
    };
    let spare = spare.flat_map(|station| {
        let named =
            |(n, clip): (u32, &&Clip)| (format_smolstr!("music/{}/{n:05}", station.class), (*clip).clone());
        (1..).zip(&usual).map(named)
    });
    let spare: Vec<_> = spare.collect();
    let all = builtin.iter().filter(|(name, _)| kept(name)).map(|(name, clip)| (name.clone(), clip.clone()));
    let all: Vec<_> = all.chain(clips).chain(spare).collect();
    Arc::new(all.into_iter().chain(music).collect())
}

/// The name of a piece of music by its place in the folder of music.
fn of_class(name: &str) -> SmolStr {
    if name.contains('/') { format_smolstr!("music/{name}") } else { format_smolstr!("music/default/{name}") }
}

fn class(name: &str) -> Option<&str> {
    name.strip_prefix("music/")?.split_once('/').map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_can_say_what_it_needs_to_say() {
        let library = builtin();
        let digits = (0..20).chain((2..10).map(|n| n * 10)).map(|n| format!("digits/{n}"));
        let letters = ('a'..='z').flat_map(|c| [format!("letters/{c}"), format!("phonetic/{c}_p")]);
        let days =
            (0..7).map(|n| format!("digits/day-{n}")).chain((0..12).map(|n| format!("digits/mon-{n}")));
        let words = [
            "beep",
            "vm-intro",
            "conf-onlyperson",
            "queue-thankyou",
            "pbx-invalid",
            "silence/3",
            "dir-nomatch",
        ];
        for name in digits.chain(letters).chain(days).chain(words.map(str::to_owned)) {
            let ms = library.get(&name).map(Clip::ms);
            assert!(ms.is_some_and(|ms| (100..10_000).contains(&ms)), "{name}: {ms:?}");
        }
        assert!(!library.class("default").is_empty());
        assert_eq!(library.hollow().count(), 0);
    }

    /// The list and the sounds belong together, and each is as loud as the others and does not clip.
    #[test]
    fn every_prompt_of_the_list_is_there_whole_and_at_its_level() {
        let library = builtin();
        for line in include_str!("../../../prompts/words.tsv").lines() {
            let (name, words) = line.split_once('\t').unwrap();
            let clip = library.get(name).unwrap_or_else(|| panic!("{name} is not in the pack"));
            assert_eq!(Clip::coded(clip.octets().unwrap().clone()), *clip, "{name}");
            let pcm = clip.pcm();
            let frames = pcm
                .chunks(160)
                .map(|f| f.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / f.len() as f64);
            let frames: Vec<f64> = frames.collect();
            let loudest = frames.iter().copied().fold(0.0, f64::max);
            let active: Vec<f64> = frames.into_iter().filter(|&f| f > loudest / 316.0).collect();
            let level = (active.iter().sum::<f64>() / active.len() as f64).sqrt();
            assert!((1200.0..2000.0).contains(&level), "{name}: {level}");
            assert!(pcm.iter().all(|s| s.unsigned_abs() < 32_000), "{name} clips");
            // Nobody says more than 25 characters in a second.
            assert!(clip.ms() > 40 * words.len() as u64 || words.len() < 8, "{name}: {} ms", clip.ms());
        }
    }

    #[test]
    fn the_site_s_own_sounds_come_before_those_of_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, octets) in [
            ("own/digits/1.ulaw", 800),
            ("own/de/hello.ulaw", 400),
            ("tunes/x.ulaw", 8000),
            ("tunes/loud/y.ulaw", 80),
        ] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), vec![0xff; octets]).unwrap();
        }
        let own = Own { prompts: Some(at("own")), music: Some(at("tunes")), ..Own::default() };
        let (library, told) = load(&own);
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(library.get("digits/1").map(Clip::ms), Some(100));
        assert_eq!(library.find("de", "hello").map(Clip::ms), Some(50));
        assert!(library.find("de", "digits/2").is_some(), "of the program");
        let class = |class| library.class(class).iter().map(|(_, clip)| clip.ms()).collect::<Vec<_>>();
        assert_eq!((class("default"), class("loud")), (vec![1000], vec![10]));
        assert_eq!(library.len(), builtin().len() + 2 - builtin().class("default").len() + 1);
    }
}
