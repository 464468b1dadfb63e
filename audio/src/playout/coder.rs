//! A decoder, and what brings its sound to the listener's rate.

use super::clock::samples;
use crate::codec::{Decoder, Encoding, Malformed};
use crate::resample::Resampler;

/// Rates of sound that can be played.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 4000..=192_000;

/// One encoding to samples at the listener's rate.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Coder {
    pub(super) encoding: Encoding,
    pub(super) decoder: Decoder,
    /// `None` when the decoder has the listener's rate.
    resampler: Option<Resampler>,
    /// Samples at the decoder's rate.
    #[cfg_attr(feature = "serde", serde(skip))]
    raw: Vec<i16>,
}

impl Coder {
    /// `None` when the sound cannot be brought to this rate.
    pub(super) fn new(encoding: Encoding, rate: u32) -> Option<Self> {
        if !RATES.contains(&encoding.properties().rate) {
            return None;
        }
        let decoder = Decoder::new(encoding, rate);
        let resampler = resampler(&decoder, rate)?;
        Some(Self { encoding, decoder, resampler, raw: Vec::new() })
    }

    /// Gives samples at another rate from now on; false when it cannot.
    pub(super) fn set_rate(&mut self, rate: u32) -> bool {
        let fresh = Decoder::new(self.encoding, rate);
        if fresh.rate() != self.decoder.rate() {
            self.decoder = fresh;
        }
        let resampler = resampler(&self.decoder, rate);
        self.resampler = resampler.clone().flatten();
        resampler.is_some()
    }

    /// Appends the samples of a payload.
    pub(super) fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> Result<(), Malformed> {
        let Some(resampler) = &mut self.resampler else { return self.decoder.decode(payload, sound) };
        self.raw.clear();
        self.decoder.decode(payload, &mut self.raw)?;
        resampler.process(&self.raw, sound);
        Ok(())
    }

    /// Appends so many nanoseconds of concealment, rounded up to what the encoding has frames for.
    pub(super) fn conceal(&mut self, lasts: i64, sound: &mut Vec<i16>) {
        let (properties, rate) = (self.encoding.properties(), self.decoder.rate());
        let frame = (properties.frame * (rate / 100) / (properties.rate / 100)).max(1) as usize;
        let count = samples(lasts, rate).max(1).next_multiple_of(frame);
        let Some(resampler) = &mut self.resampler else { return self.decoder.conceal(count, sound) };
        self.raw.clear();
        self.decoder.conceal(count, &mut self.raw);
        resampler.process(&self.raw, sound);
    }

    /// Appends so many nanoseconds of the payload before `next`, if that repeats them.
    pub(super) fn recover(&mut self, next: &[u8], lasts: i64, sound: &mut Vec<i16>) -> bool {
        let count = samples(lasts, self.decoder.rate());
        let Some(resampler) = &mut self.resampler else { return self.decoder.recover(next, count, sound) };
        self.raw.clear();
        let recovered = self.decoder.recover(next, count, &mut self.raw);
        resampler.process(&self.raw, sound);
        recovered
    }
}

/// From a decoder's rate to another: no resampler if they are the same, and nothing if there is none.
#[expect(clippy::option_option, reason = "none is needed, or none can be had")]
fn resampler(decoder: &Decoder, rate: u32) -> Option<Option<Resampler>> {
    if decoder.rate() == rate { Some(None) } else { Resampler::new(decoder.rate(), rate).map(Some) }
}
