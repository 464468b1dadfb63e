//! Files of sound, whatever they are, as one channel.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use telex_audio::wav::{self, Reader};

#[cfg(feature = "compressed")]
use super::compressed::Compressed;
use super::opus::Opus;

/// A file that is being played.
#[derive(Debug)]
pub(crate) struct SoundFile {
    path: PathBuf,
    kind: Kind,
    /// Samples given since it was opened.
    position: u64,
    /// As they lie in the file, channels side by side.
    scratch: Vec<i16>,
}

#[derive(Debug)]
enum Kind {
    Wav(Box<Reader<BufReader<File>>>),
    Opus(Box<Opus>),
    #[cfg(feature = "compressed")]
    Compressed(Box<Compressed>),
}

impl SoundFile {
    /// Whether a name is that of a file that says itself what it is.
    pub(crate) fn is_named(path: &Path) -> bool {
        let is = |ending: &&str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        ["wav", "wave", "mp3", "flac", "ogg", "oga", "opus"].iter().any(is)
    }

    /// Opens a file and looks what it is.
    ///
    /// # Errors
    /// A sentence that says why it cannot be played.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let kind = Kind::open(path)?;
        Ok(Self { path: path.to_owned(), kind, position: 0, scratch: Vec::new() })
    }

    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        match &self.kind {
            Kind::Wav(reader) => reader.format().rate,
            Kind::Opus(opus) => opus.rate(),
            #[cfg(feature = "compressed")]
            Kind::Compressed(reader) => reader.rate(),
        }
    }

    /// What it is, for people: `16-bit PCM, 44100 Hz, stereo`.
    pub(crate) fn describe(&self) -> String {
        let (coding, channels) = match &self.kind {
            Kind::Wav(reader) => (reader.format().coding.to_string(), reader.format().channels),
            Kind::Opus(opus) => ("Opus".to_owned(), opus.channels()),
            #[cfg(feature = "compressed")]
            Kind::Compressed(reader) => (reader.name().to_owned(), reader.channels()),
        };
        let channels = match channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            more => format!("{more} channels"),
        };
        format!("{coding}, {} Hz, {channels}", self.rate())
    }

    /// Samples given since its beginning.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Appends up to `samples`, the mean of all channels; fewer at the end only.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(crate) fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<usize, String> {
        self.scratch.clear();
        let (count, channels) = match &mut self.kind {
            Kind::Wav(reader) => {
                let count = reader.read(samples, &mut self.scratch).map_err(|e| failed(&self.path, &e))?;
                (count, reader.format().channels)
            }
            Kind::Opus(opus) => (opus.read(samples, &mut self.scratch), opus.channels()),
            #[cfg(feature = "compressed")]
            Kind::Compressed(reader) => (reader.read(samples, &mut self.scratch), reader.channels()),
        };
        wav::mix_down(&self.scratch, channels, pcm);
        self.position += count as u64;
        Ok(count)
    }

    /// Goes back to its beginning.
    ///
    /// # Errors
    /// A sentence that says why it cannot be played again.
    pub(crate) fn rewind(&mut self) -> Result<(), String> {
        self.kind = Kind::open(&self.path)?;
        self.position = 0;
        Ok(())
    }

    /// What was wrong with it, with its name; complete when it has been played to its end.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let found: Vec<String> = match &self.kind {
            Kind::Wav(reader) => reader.warnings().iter().map(ToString::to_string).collect(),
            Kind::Opus(opus) => opus.warnings(),
            #[cfg(feature = "compressed")]
            Kind::Compressed(reader) => reader.warnings(),
        };
        found.iter().map(|warning| format!("{}: {warning}", self.path.display())).collect()
    }
}

impl Kind {
    fn open(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
        let mut start = Vec::new();
        (&mut file).take(4).read_to_end(&mut start).map_err(|e| failed(path, &e))?;
        file.rewind().map_err(|e| failed(path, &e))?;
        if matches!(&start[..], b"RIFF" | b"RIFX" | b"RF64" | b"BW64") {
            let reader = Reader::new(BufReader::new(file)).map_err(|e| failed(path, &e))?;
            return Ok(Self::Wav(Box::new(reader)));
        }
        if start == b"OggS" {
            let octets = std::fs::read(path).map_err(|e| failed(path, &e))?;
            // What is no Opus is left to those who know other sounds in Ogg.
            if let Some(opus) = Opus::open(octets).map_err(|e| failed(path, &e))? {
                return Ok(Self::Opus(Box::new(opus)));
            }
        }
        Self::other(path, file)
    }

    #[cfg(feature = "compressed")]
    fn other(path: &Path, file: File) -> Result<Self, String> {
        Ok(Self::Compressed(Box::new(Compressed::open(file).map_err(|e| failed(path, &e))?)))
    }

    #[cfg(not(feature = "compressed"))]
    fn other(path: &Path, _: File) -> Result<Self, String> {
        Err(failed(
            path,
            &"this is no WAV file, and the program was built without the feature `compressed` for others",
        ))
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot read {}: {why}", path.display())
}
