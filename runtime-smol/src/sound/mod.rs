//! Sound from files, sound cards and nowhere, for the tools of the command line.

mod file;
mod tone;

pub(crate) use file::SoundFile;
pub(crate) use tone::Tone;

/// Samples taken from a source at once.
const PIECE: usize = 960;

/// Where sound comes from: one channel.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file, once or for ever.
    File { file: SoundFile, again: bool },
    /// A sine.
    Tone(Tone),
}

impl Source {
    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        match self {
            Self::File { file, .. } => file.rate(),
            Self::Tone(tone) => tone.rate(),
        }
    }

    /// What is wrong with it, as far as is known.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Self::File { file, .. } => file.warnings(),
            Self::Tone(_) => Vec::new(),
        }
    }

    /// Appends up to `samples`, fewer at the end; 0 when there is nothing more.
    fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<usize, String> {
        match self {
            Self::Tone(tone) => {
                tone.read(samples, pcm);
                Ok(samples)
            }
            Self::File { file, again } => match file.read(samples, pcm)? {
                0 if *again && file.position() > 0 => {
                    file.rewind()?;
                    file.read(samples, pcm)
                }
                count => Ok(count),
            },
        }
    }
}

/// A source at another rate than its own.
#[derive(Debug)]
pub(crate) struct Feed {
    source: Source,
    /// At the rate of whoever takes it.
    ready: Vec<i16>,
    ended: bool,
}

impl Feed {
    /// The source with `rate` samples per second.
    pub(crate) fn new(source: Source, rate: u32) -> Result<Self, String> {
        if source.rate() != rate {
            return Err(format!("{} Hz to {rate} Hz", source.rate()));
        }
        Ok(Self { source, ready: Vec::new(), ended: false })
    }

    /// The source itself.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Appends exactly `samples` of it, with silence behind its end: how many are of the source.
    pub(crate) fn take(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<usize, String> {
        while self.ready.len() < samples && !self.ended {
            self.ended = self.source.read(PIECE, &mut self.ready)? == 0;
        }
        let there = self.ready.len().min(samples);
        pcm.extend(self.ready.drain(..there));
        pcm.resize(pcm.len() + samples - there, 0);
        Ok(there)
    }
}
