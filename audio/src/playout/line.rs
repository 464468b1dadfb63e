//! The line of samples between decoder and listener: what was heard lately, and what waits to be heard.

use crate::stretch;

/// What a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Kind {
    /// Received.
    #[default]
    Sound,
    /// In place of what is missing.
    Concealed,
    /// Comfort noise.
    Noise,
    /// Nothing.
    Silence,
}

/// Samples in the order they are heard. Of those that wait, what fills a gap comes first, then sound.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Line {
    samples: Vec<i16>,
    /// Where those that wait begin.
    place: usize,
    /// So many of those that wait fill a gap, and with what.
    fill: usize,
    kind: Kind,
}

impl Line {
    /// An empty line that seldom needs to grow beyond so many samples.
    pub(super) fn new(samples: usize) -> Self {
        Self { samples: Vec::with_capacity(samples), ..Self::default() }
    }

    /// How many samples wait.
    pub(super) fn waiting(&self) -> usize {
        self.samples.len() - self.place
    }

    /// How many of them fill a gap.
    pub(super) fn fill(&self) -> usize {
        self.fill
    }

    /// Takes up to `count` samples of one kind and appends them to `pcm`. `memory` heard samples are kept.
    pub(super) fn take(&mut self, count: usize, memory: usize, pcm: &mut Vec<i16>) -> (usize, Kind) {
        let (most, kind) = match self.fill {
            0 => (self.waiting(), Kind::Sound),
            fill => (fill.min(self.waiting()), self.kind),
        };
        let count = count.min(most);
        pcm.extend_from_slice(&self.samples[self.place..self.place + count]);
        self.place += count;
        self.fill = self.fill.saturating_sub(count);
        if self.place > 2 * memory {
            self.samples.drain(..self.place - memory);
            self.place = memory;
        }
        (count, kind)
    }

    /// Lets `write` append samples of a kind. Nothing but a gap that is filled may wait when more filling is added.
    pub(super) fn append(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<i16>)) {
        let before = self.samples.len();
        write(&mut self.samples);
        let added = self.samples.len().saturating_sub(before);
        if kind != Kind::Sound {
            self.fill = self.fill.min(before - self.place) + added;
            self.kind = kind;
        }
    }

    /// The last sample there is, heard or not.
    pub(super) fn last(&self) -> i16 {
        self.samples.last().copied().unwrap_or(0)
    }

    /// Leaves only so many samples waiting.
    pub(super) fn cut(&mut self, count: usize) {
        self.samples.truncate(self.place + count);
        self.fill = self.fill.min(count);
    }

    /// What waits is now of this kind.
    pub(super) fn call(&mut self, kind: Kind) {
        self.kind = kind;
        self.fill = self.waiting();
    }

    /// Lets sound follow what waits, joined where they are most alike; what waits behind the joint is gone.
    pub(super) fn follow(&mut self, sound: &[i16], fade: usize) {
        let fade = fade.min(sound.len()).min(self.waiting());
        let Some(join) = stretch::find_meeting(&self.samples[self.place..], sound, fade.max(1)) else {
            return self.append(Kind::Sound, |samples| samples.extend_from_slice(sound));
        };
        stretch::meet(&mut self.samples, self.place, sound, join, fade);
        self.fill = self.fill.min(join.lag + fade / 2).min(self.waiting());
    }

    /// Where and how well so many samples could be taken out of what waits.
    pub(super) fn shorter(&self, lags: (usize, usize), fade: usize) -> Option<stretch::Join> {
        stretch::find_shorter(&self.samples, self.place, lags, fade)
    }

    /// Where and how well so many samples could be said again.
    pub(super) fn longer(&self, lags: (usize, usize), fade: usize) -> Option<stretch::Join> {
        stretch::find_longer(&self.samples, self.place, lags, fade)
    }

    pub(super) fn shorten(&mut self, join: stretch::Join, fade: usize) {
        stretch::shorten(&mut self.samples, self.place, join, fade);
        // What was taken out may have filled a gap.
        self.fill = self.fill.min(self.waiting());
    }

    pub(super) fn lengthen(&mut self, join: stretch::Join, fade: usize) {
        stretch::lengthen(&mut self.samples, self.place, join, fade);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.samples.capacity()
    }
}
