//! Files of sound, whatever they are, as one channel.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use telex_audio::wav::{self, Reader};

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
}

impl SoundFile {
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
        }
    }

    /// What it is, for people: `16-bit PCM, 44100 Hz, stereo`.
    pub(crate) fn describe(&self) -> String {
        let (coding, rate, channels) = match &self.kind {
            Kind::Wav(reader) => {
                let format = reader.format();
                (format.coding.to_string(), format.rate, format.channels)
            }
        };
        let channels = match channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            more => format!("{more} channels"),
        };
        format!("{coding}, {rate} Hz, {channels}")
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
        let count = match &mut self.kind {
            Kind::Wav(reader) => {
                self.scratch.clear();
                let count = reader.read(samples, &mut self.scratch).map_err(|e| failed(&self.path, &e))?;
                wav::mix_down(&self.scratch, reader.format().channels, pcm);
                count
            }
        };
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

    /// What was wrong with it; complete when it has been played to its end.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match &self.kind {
            Kind::Wav(reader) => reader.warnings().iter().map(ToString::to_string).collect(),
        }
    }
}

impl Kind {
    fn open(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
        let mut start = [0; 4];
        let mut filled = 0;
        while filled < start.len() {
            match file.read(&mut start[filled..]).map_err(|e| failed(path, &e))? {
                0 => break,
                count => filled += count,
            }
        }
        file.rewind().map_err(|e| failed(path, &e))?;
        let reader = Reader::new(BufReader::new(file)).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self::Wav(Box::new(reader)))
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot read {}: {why}", path.display())
}
