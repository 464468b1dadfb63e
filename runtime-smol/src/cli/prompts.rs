//! `telex prompts`: the sounds that can be played by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use telex_audio::wav::{Layout, Writer};
use telex_engine::mediactl::{CLIP_RATE, Library};

use super::{CONFIG, Failure, load, print, tell};
use crate::sound::Speaker;
use crate::sounds::{self, Own, pack};

/// List and play the sounds that can be played by name: prompts and music.
#[derive(Debug, Subcommand)]
pub(super) enum Prompts {
    /// List them: name, length, and whether it is the site's own.
    List {
        /// Only names that begin so.
        #[arg(default_value = "")]
        prefix: String,
        /// The configuration [default: telex.toml, if there is one].
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Play one, into a WAV file or through the loudspeakers.
    Play {
        /// Its name: welcome, digits/1.
        name: String,
        /// The language it is wanted in: de.
        #[arg(long, default_value = "")]
        language: String,
        /// A WAV file of 16 kHz.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The configuration [default: telex.toml, if there is one].
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make one file of a folder of prompts, as it is built into the program.
    #[command(hide = true)]
    Pack {
        /// The folder.
        folder: PathBuf,
        /// The file.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Runs the command.
pub(super) fn main(command: &Prompts) -> Result<(), Failure> {
    match command {
        Prompts::List { prefix, config, json } => {
            print(&list(library(config.as_deref())?.as_ref(), prefix, *json));
            Ok(())
        }
        Prompts::Play { name, language, output, config } => {
            play(library(config.as_deref())?.as_ref(), language, name, output.as_deref())
                .map_err(Failure::from)
        }
        Prompts::Pack { folder, output } => {
            let own = Own { prompts: Some(folder.clone()), ..Own::default() };
            let (library, told) = sounds::load(&own);
            told.iter().for_each(|told| tell(told));
            let prefix = |name: &str| folder_has(folder, name);
            let octets = pack::write(library.iter().filter(|(name, _)| prefix(name)));
            fs::write(output, octets).map_err(|e| format!("cannot write {}: {e}", output.display()))?;
            Ok(())
        }
    }
}

/// Whether a folder has a WAV file of this name.
fn folder_has(folder: &Path, name: &str) -> bool {
    folder.join(format!("{name}.wav")).is_file()
}

/// The sounds of the site, or those of the program where there is no configuration.
fn library(config: Option<&Path>) -> Result<Arc<Library>, Failure> {
    match config {
        None if !Path::new(CONFIG).exists() => Ok(sounds::builtin()),
        file => {
            let settings = load(file.unwrap_or(Path::new(CONFIG)))?;
            settings.told.iter().for_each(|told| tell(told));
            Ok(Arc::clone(&settings.engine.sounds))
        }
    }
}

fn list(library: &Library, prefix: &str, json: bool) -> String {
    let builtin = sounds::builtin();
    let found = library.iter().filter(|(name, _)| name.starts_with(prefix));
    let lines = found.map(|(name, clip)| (name, clip.ms(), builtin.get(name) != Some(clip)));
    if json {
        let all: Vec<_> = lines
            .map(|(name, ms, own)| serde_json::json!({ "name": name.as_str(), "milliseconds": ms, "own": own }))
            .collect();
        return format!("{}\n", serde_json::Value::from(all));
    }
    let line = |(name, ms, own): (&_, u64, bool)| {
        format!("{name:<32} {:>3}.{:02} s{}\n", ms / 1000, ms % 1000 / 10, if own { "  own" } else { "" })
    };
    lines.map(line).collect()
}

fn play(library: &Library, language: &str, name: &str, output: Option<&Path>) -> Result<(), String> {
    let Some(clip) = library.find(language, name) else {
        let near: Vec<&str> = library
            .iter()
            .map(|(other, _)| other.as_str())
            .filter(|other| other.contains(name))
            .take(5)
            .collect();
        let hint = if near.is_empty() {
            "`telex prompts list` shows all".to_owned()
        } else {
            format!("there are {}", near.join(", "))
        };
        return Err(format!("there is no sound `{name}`; {hint}"));
    };
    let pcm = clip.pcm();
    let Some(output) = output else {
        let mut speaker = Speaker::open()?;
        for piece in pcm.chunks(CLIP_RATE as usize / 10) {
            speaker.play(CLIP_RATE, piece)?;
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        return Ok(());
    };
    let failed = |e: std::io::Error| format!("cannot write {}: {e}", output.display());
    let mut writer =
        Writer::new(fs::File::create(output).map_err(failed)?, Layout::mono(CLIP_RATE)).map_err(failed)?;
    writer.write(&pcm).and_then(|()| writer.finish()).map_err(failed)?;
    Ok(())
}
