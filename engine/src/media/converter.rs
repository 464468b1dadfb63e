//! From one rate to another.

use telex_audio::resample::Resampler;

/// Turns a stream at one rate into the same at another; does nothing when both are the same.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Converter {
    from: u32,
    resampler: Option<Resampler>,
}

impl Converter {
    /// From `from` to `to` samples per second. Rates whose ratio is none of small numbers are taken for the same: none
    /// of those comes from a codec.
    pub(super) fn new(from: u32, to: u32) -> Self {
        Self { from, resampler: if from == to { None } else { Resampler::new(from, to) } }
    }

    /// Samples per second of what it takes.
    pub(super) fn from(&self) -> u32 {
        self.from
    }

    /// How many samples, of those it gives, it lags behind.
    pub(super) fn delay(&self) -> usize {
        self.resampler.as_ref().map_or(0, Resampler::delay)
    }

    /// Appends the same sound at the other rate. A frame of 20 ms gives a frame of 20 ms.
    pub(super) fn convert(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        match &mut self.resampler {
            Some(resampler) => resampler.process(pcm, out),
            None => out.extend_from_slice(pcm),
        }
    }
}
