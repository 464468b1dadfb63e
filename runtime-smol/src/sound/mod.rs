//! Sound from files, sound cards and nowhere, for the tools of the command line.

#[cfg(feature = "sound")]
mod card;
#[cfg(not(feature = "sound"))]
#[path = "no_card.rs"]
mod card;
#[cfg(feature = "compressed")]
mod compressed;
mod file;
mod opus;
mod tone;

use telex_audio::resample::Resampler;

pub(crate) use card::{Microphone, Speaker};
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
    /// Whoever speaks.
    Microphone(Microphone),
}

impl Source {
    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        match self {
            Self::File { file, .. } => file.rate(),
            Self::Tone(tone) => tone.rate(),
            Self::Microphone(microphone) => microphone.rate(),
        }
    }

    /// What is wrong with it, as far as is known.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Self::File { file, .. } => file.warnings(),
            Self::Tone(_) | Self::Microphone(_) => Vec::new(),
        }
    }

    /// Appends up to `samples`, fewer at the end; 0 when there is nothing more.
    fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<usize, String> {
        match self {
            Self::Tone(tone) => {
                tone.read(samples, pcm);
                Ok(samples)
            }
            Self::Microphone(microphone) => {
                microphone.read(samples, pcm);
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
    converter: Converter,
    scratch: Vec<i16>,
    /// At the rate of whoever takes it.
    ready: Vec<i16>,
    ended: bool,
}

impl Feed {
    /// The source with `rate` samples per second.
    ///
    /// # Errors
    /// A sentence that says that there is no way from its rate to this one.
    pub(crate) fn new(source: Source, rate: u32) -> Result<Self, String> {
        let converter = Converter::new(source.rate(), rate)?;
        Ok(Self { source, converter, scratch: Vec::new(), ready: Vec::new(), ended: false })
    }

    /// The source itself.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Appends exactly `samples` of it, with silence behind its end: how many are of the source.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(crate) fn take(&mut self, samples: usize, pcm: &mut Vec<i16>) -> Result<usize, String> {
        while self.ready.len() < samples && !self.ended {
            self.scratch.clear();
            self.ended = self.source.read(PIECE, &mut self.scratch)? == 0;
            if self.ended {
                self.converter.finish(&mut self.ready);
            } else {
                self.converter.process(&self.scratch, &mut self.ready);
            }
        }
        let there = self.ready.len().min(samples);
        pcm.extend(self.ready.drain(..there));
        pcm.resize(pcm.len() + samples - there, 0);
        Ok(there)
    }

    /// All that is left of it.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(crate) fn rest(mut self) -> Result<(Vec<i16>, Source), String> {
        let mut all = Vec::new();
        loop {
            let there = self.take(PIECE, &mut all)?;
            if there < PIECE {
                // What was put behind the end does not belong to it.
                all.truncate(all.len() - (PIECE - there));
                break;
            }
        }
        Ok((all, self.source))
    }
}

/// From one rate to another without lag: what goes in first comes out first.
#[derive(Debug)]
pub(crate) struct Converter {
    resampler: Resampler,
    from: u32,
    to: u32,
    /// Samples still to be left out, in which the filter only begins to hear.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Converter {
    /// # Errors
    /// A sentence that says that there is no way.
    pub(crate) fn new(from: u32, to: u32) -> Result<Self, String> {
        let resampler = Resampler::new(from, to)
            .ok_or_else(|| format!("{from} Hz cannot be made {to} Hz; convert the file to 48000 Hz first"))?;
        let skip = resampler.delay();
        Ok(Self { resampler, from, to, skip, taken: 0, given: 0 })
    }

    /// Appends what the next samples give.
    pub(crate) fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        self.taken += pcm.len() as u64;
        self.push(pcm, out);
    }

    fn push(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        let start = out.len();
        self.resampler.process(pcm, out);
        let skipped = self.skip.min(out.len() - start);
        out.drain(start..start + skipped);
        self.skip -= skipped;
        self.given += (out.len() - start) as u64;
    }

    /// Appends what is still inside: as much has come out as went in, in time.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) {
        let whole = self.taken * u64::from(self.to) / u64::from(self.from);
        while self.given < whole {
            self.push(&[0; 64], out);
        }
        let over = usize::try_from(self.given - whole).unwrap_or(0);
        out.truncate(out.len() - over.min(out.len()));
        self.given = whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_converted_lies_where_it_lay() {
        for (from, to) in [(8000, 16_000), (44_100, 8000), (48_000, 8000), (8000, 48_000), (16_000, 16_000)] {
            let mut pcm = Vec::new();
            Tone::new(400.0, from).read(from as usize / 2, &mut pcm);
            let (mut converter, mut out) = (Converter::new(from, to).unwrap(), Vec::new());
            for piece in pcm.chunks(333) {
                converter.process(piece, &mut out);
            }
            converter.finish(&mut out);
            let mut wanted = Vec::new();
            Tone::new(400.0, to).read(to as usize / 2, &mut wanted);
            assert_eq!(out.len(), wanted.len());
            // Away from the ends, where there is silence beside the tone.
            let edge = to as usize / 50;
            let far =
                (edge..out.len() - edge).map(|i| (i32::from(out[i]) - i32::from(wanted[i])).abs()).max();
            assert!(far < Some(200), "{from} to {to}: {far:?}");
        }
        assert!(Converter::new(44_101, 8000).unwrap_err().contains("44101 Hz"));
    }
}
