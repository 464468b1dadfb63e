//! Reading WAV files, piece by piece or whole.

use std::io::{self, Read};

use super::chunks::{self, Source};
use super::{Format, Warning, WavError, samples};

/// Octets read at once.
const PIECE: usize = 4096;

/// Samples of each channel decoded at once by [`decode`].
const FRAMES: usize = 4096;

/// A WAV file being read. A slice of octets will do as its input.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    format: Format,
    told: Option<u64>,
    /// Octets of sound read so far.
    found: u64,
    ended: bool,
    warnings: Vec<Warning>,
}

impl<R: Read> Reader<R> {
    /// Reads up to the sound.
    ///
    /// # Errors
    /// When it is no WAV file, or none that can be played.
    pub fn new(input: R) -> Result<Self, WavError> {
        let mut source = Source::new(input);
        let head = chunks::head(&mut source)?;
        Ok(Self {
            source,
            format: head.format,
            told: head.told,
            found: 0,
            ended: false,
            warnings: head.warnings,
        })
    }

    /// What its samples are.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Samples of each channel, if the header can be believed; `None` when it does not say.
    pub fn frames(&self) -> Option<u64> {
        self.told.map(|octets| octets / self.format.frame_octets() as u64)
    }

    /// What was found wrong so far; complete when everything has been read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Appends up to `frames` samples of each channel, those of one moment side by side: how many samples of each
    /// channel were appended. Fewer than asked for come only at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self, frames: usize, pcm: &mut Vec<i16>) -> io::Result<usize> {
        let frame = self.format.frame_octets();
        let mut scratch = [0; PIECE];
        let mut done = 0;
        while done < frames && !self.ended {
            let left = self.told.map_or(u64::MAX, |told| told.saturating_sub(self.found));
            let wanted = (PIECE / frame).min(frames - done) * frame;
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(wanted);
            let read = self.source.read(&mut scratch[..piece])?;
            let whole = read - read % frame;
            samples::append(self.format.coding, &scratch[..whole], pcm);
            done += whole / frame;
            self.found += read as u64;
            if read < wanted || left == wanted as u64 {
                self.end(read - whole);
            }
        }
        Ok(done)
    }

    /// Nothing comes any more; says what was missing.
    fn end(&mut self, over: usize) {
        self.ended = true;
        if let Some(told) = self.told.filter(|told| *told > self.found) {
            self.warnings.push(Warning::Short { told, found: self.found });
        }
        if over > 0 {
            self.warnings.push(Warning::PartFrame { octets: over as u64 });
        }
    }
}

/// A whole WAV file, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// What its samples were.
    pub format: Format,
    /// Samples, those of one moment side by side.
    pub samples: Vec<i16>,
    /// What was wrong with it.
    pub warnings: Vec<Warning>,
}

impl Sound {
    /// All channels as one.
    pub fn mono(self) -> Vec<i16> {
        if self.format.channels == 1 {
            return self.samples;
        }
        let mut mono = Vec::with_capacity(self.samples.len() / usize::from(self.format.channels));
        mix_down(&self.samples, self.format.channels, &mut mono);
        mono
    }
}

/// Reads a whole file.
///
/// # Errors
/// As [`Reader::new`].
pub fn decode(file: &[u8]) -> Result<Sound, WavError> {
    let mut reader = Reader::new(file)?;
    let mut samples = Vec::new();
    while reader.read(FRAMES, &mut samples)? > 0 {}
    Ok(Sound { format: reader.format, samples, warnings: reader.warnings })
}

/// Appends the mean of the channels of samples that lie side by side.
pub fn mix_down(pcm: &[i16], channels: u16, mono: &mut Vec<i16>) {
    let count = i32::from(channels.max(1));
    let frames = pcm.chunks_exact(usize::from(channels.max(1)));
    // The mean of numbers that fit fits.
    mono.extend(frames.map(|frame| (frame.iter().map(|&s| i32::from(s)).sum::<i32>() / count) as i16));
}
