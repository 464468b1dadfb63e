//! Prompts that are spoken by a speech program of the host, once, and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use telex_audio::wav::{Layout, Writer};

use super::folder;

/// What is to be spoken under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// The prompt: `welcome`, `de/welcome`.
    pub(crate) name: String,
    /// The words.
    pub(crate) words: String,
}

/// A program that speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Pico,
    Flite,
    Espeak,
}

/// In the order of how good they are to hear.
const PROGRAMS: [(Program, &str); 3] =
    [(Program::Pico, "pico2wave"), (Program::Flite, "flite"), (Program::Espeak, "espeak-ng")];
/// What to do when there is none.
pub(crate) const REMEDY: &str = "install one (Debian, Ubuntu: apt-get install espeak-ng, or flite, or libttspico-utils), or record a file of that name";
/// Where what was spoken is kept, in the folder of prompts.
const KEPT: &str = ".spoken";
/// Longest that a program may take for a prompt.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The level of speech: the mean square of -20 dBm0, where a full sine is +3.14.
const SQUARE: u64 = 1613 * 1613;

impl Program {
    /// Whether it speaks this language.
    fn speaks(self, language: &str) -> bool {
        match self {
            Self::Espeak => true,
            Self::Flite => language == "en",
            Self::Pico => ["de", "en", "es", "fr", "it"].contains(&language),
        }
    }

    /// How it is told to speak words into a file.
    fn command(self, path: &Path, language: &str, words: &str, file: &Path) -> Command {
        let mut command = Command::new(path);
        match self {
            Self::Pico => {
                let region = match language {
                    "en" => "US".to_owned(),
                    other => other.to_ascii_uppercase(),
                };
                command.arg("-l").arg(format!("{language}-{region}")).arg("-w").arg(file).arg("--").arg(words)
            }
            Self::Flite => command.args(["-voice", "slt", "-t"]).arg(words).arg("-o").arg(file),
            Self::Espeak => command.args(["-v", language, "-s", "150", "-w"]).arg(file).arg("--").arg(words),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The language of a prompt, by the beginning of its name.
fn language(name: &str) -> &str {
    let first = name.split_once('/').map_or("", |(first, _)| first);
    if first.len() == 2 && first.bytes().all(|b| b.is_ascii_lowercase()) { first } else { "en" }
}

/// Where in the search path a program lies.
pub(super) fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn program(language: &str) -> Option<(Program, PathBuf)> {
    PROGRAMS.iter().filter(|(p, _)| p.speaks(language)).find_map(|(p, name)| Some((*p, found(name)?)))
}

impl Spoken {
    /// Whether it was spoken before, or can be now.
    pub(crate) fn is_possible(&self, prompts: &Path) -> bool {
        self.file(prompts).is_file() || program(language(&self.name)).is_some()
    }

    /// Where it is kept: other words are another file.
    fn file(&self, prompts: &Path) -> PathBuf {
        let digest = self
            .name
            .bytes()
            .chain([0])
            .chain(self.words.bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
                (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        prompts.join(KEPT).join(format!("{}-{digest:016x}.wav", self.name.replace('/', "-")))
    }

    /// Has it spoken, unless that was done before; gives where it is.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub(super) fn speak(&self, prompts: &Path) -> Result<PathBuf, String> {
        let file = self.file(prompts);
        if file.is_file() {
            return Ok(file);
        }
        let failed = |why: &dyn std::fmt::Display| format!("prompt {} cannot be spoken: {why}", self.name);
        let language = language(&self.name);
        let (program, path) =
            program(language).ok_or_else(|| failed(&format!("no speech program; {REMEDY}")))?;
        fs::create_dir_all(prompts.join(KEPT)).map_err(|e| failed(&e))?;
        let raw = file.with_extension("new.wav");
        let ended = run(&mut program.command(&path, language, &self.words, &raw), PATIENCE);
        let spoken = match ended.map_err(|e| failed(&e))? {
            Some(status) if status.success() => folder::decoded(&raw, &mut Vec::new()),
            Some(status) => Err(failed(&format!("{} ended with {status}", path.display()))),
            None => {
                let seconds = PATIENCE.as_secs();
                Err(failed(&format!("{} did not end within {seconds} seconds", path.display())))
            }
        };
        let _ = fs::remove_file(&raw);
        let (rate, mut pcm) = spoken?;
        level(rate, &mut pcm);
        // It lies there under its name only when it is whole.
        let whole = file.with_extension("whole");
        let written = fs::File::create(&whole).and_then(|out| {
            let mut writer = Writer::new(out, Layout::mono(rate))?;
            writer.write(&pcm)?;
            writer.finish()
        });
        written.and_then(|_| fs::rename(&whole, &file)).map_err(|e| failed(&e))?;
        Ok(file)
    }
}

/// Runs a program to its end; `None` when it was still running after so long, and was killed.
fn run(command: &mut Command, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// Cuts silence off both ends and brings speech to the level of the prompts that are part of the program.
fn level(rate: u32, pcm: &mut Vec<i16>) {
    let frame = (rate / 100).max(1) as usize;
    let square = |f: &[i16]| {
        f.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum::<u64>() / f.len().max(1) as u64
    };
    let squares: Vec<u64> = pcm.chunks(frame).map(square).collect();
    let loudest = squares.iter().copied().max().unwrap_or(0);
    // Within 25 dB of the loudest it is speech; 42 dB below speech nothing is heard.
    let active = || squares.iter().copied().filter(|&s| s > loudest / 316);
    let mean = active().sum::<u64>() / active().count().max(1) as u64;
    let heard = |s: &u64| *s > mean / 15_849;
    let Some(first) = squares.iter().position(heard) else { return };
    let last = squares.iter().rposition(heard).unwrap_or(first);
    pcm.truncate((last + 4) * frame);
    pcm.drain(..first.saturating_sub(3) * frame);
    let peak = pcm.iter().map(|s| u64::from(s.unsigned_abs())).max().unwrap_or(0).max(1);
    // A gain in 1/1024, at most what leaves the peak below full scale.
    let gain = ((SQUARE << 20) / mean.max(1)).isqrt().min((30_000 << 10) / peak);
    for sample in pcm.iter_mut() {
        let louder = (i64::from(*sample) * i64::try_from(gain).unwrap_or(1024)) >> 10;
        *sample = louder.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_cut_and_brought_to_its_level() {
        for loudness in [300.0, 3000.0, 30_000.0] {
            let wave = (0..16_000).map(|n| ((f64::from(n) / 9.0).sin() * loudness) as i16);
            let silence = || std::iter::repeat_n(0, 8000);
            let mut pcm: Vec<i16> = silence().chain(wave).chain(silence()).collect();
            level(16_000, &mut pcm);
            assert!((16_000..=17_200).contains(&pcm.len()), "{}", pcm.len());
            let square = pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 16_000.0;
            assert!((square.sqrt() - 1613.0).abs() < 40.0, "{loudness}: {}", square.sqrt());
        }
        let mut nothing = vec![0; 100];
        level(8000, &mut nothing);
        level(8000, &mut Vec::new());
    }

    #[test]
    fn a_program_that_does_not_end_is_not_waited_for() {
        let run = |script: &str, patience| run(Command::new("sh").args(["-c", script]), patience).unwrap();
        assert_eq!(run("exec sleep 1000", Duration::ZERO), None);
        assert_eq!(run("exit 3", Duration::MAX).and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn the_language_is_in_the_name() {
        assert_eq!(
            ["welcome", "de/welcome", "digits/1", "fr/digits/1", "De/x"].map(language),
            ["en", "de", "en", "fr", "en"]
        );
    }

    #[test]
    fn what_is_spoken_is_kept_and_other_words_are_spoken_anew() {
        if program("en").is_none() {
            eprintln!("SKIPPED: no speech program is installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let say = |words: &str| Spoken { name: "welcome".into(), words: words.into() };
        let file = say("Welcome to Acme").speak(folder.path()).unwrap();
        let (rate, pcm) = folder::decoded(&file, &mut Vec::new()).unwrap();
        assert!(pcm.len() > rate as usize / 2 && pcm.iter().any(|s| s.abs() > 2000));
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        assert_eq!(say("Welcome to Acme").speak(folder.path()).unwrap(), file);
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
        // Words that look like an option are words.
        assert_ne!(say("--help").speak(folder.path()).unwrap(), file);
    }
}
