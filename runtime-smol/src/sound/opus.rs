//! Opus in Ogg: our own recordings and those of others.

use telex_audio::ogg::{OggError, Reader};

/// A file, decoded page by page.
#[derive(Debug)]
pub(super) struct Opus {
    reader: Reader<Vec<u8>>,
    /// What was decoded and not taken; channels side by side.
    ready: Vec<i16>,
}

impl Opus {
    /// `None` when there is something else in it.
    ///
    /// # Errors
    /// When it is Opus that cannot be played.
    pub(super) fn open(octets: Vec<u8>) -> Result<Option<Self>, OggError> {
        match Reader::new(octets) {
            Ok(reader) => Ok(Some(Self { reader, ready: Vec::new() })),
            Err(OggError::NoOpus) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn rate(&self) -> u32 {
        self.reader.rate()
    }

    pub(super) fn channels(&self) -> u16 {
        self.reader.channels().into()
    }

    /// Appends up to so many samples of each channel, fewer at the end only: how many.
    pub(super) fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) -> usize {
        let channels = usize::from(self.reader.channels());
        while self.ready.len() < samples * channels && self.reader.read(&mut self.ready) {}
        let count = (self.ready.len() / channels).min(samples);
        pcm.extend(self.ready.drain(..count * channels));
        count
    }

    /// What was wrong with it; complete at its end.
    pub(super) fn warnings(&self) -> Vec<String> {
        let what = "pages are missing or damaged, or the end is: what there is was played";
        self.reader.damaged().then(|| what.to_owned()).into_iter().collect()
    }
}
