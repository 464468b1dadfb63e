//! Packets to speech.

use super::packet::Packet;
use super::{LONGEST, Library, known, unit};
use crate::codec::Malformed;

/// The receiving direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    rate: u32,
    channels: u8,
    #[cfg_attr(feature = "serde", serde(skip))]
    library: Library<opus_rs::OpusDecoder>,
    /// Where the library puts its samples. It computes in floats: the last bits may differ between kinds of processor.
    #[cfg_attr(feature = "serde", serde(skip))]
    scratch: Vec<f32>,
    /// The last payload had no SILK, so that the next cannot repeat it.
    celt: bool,
}

impl Decoder {
    /// A decoder that gives samples at `rate` if it is one of [`super::RATES`], else at 48 kHz, all channels as one.
    pub fn new(rate: u32) -> Self {
        Self::of_channels(rate, 1)
    }

    /// One that gives a single channel, or two, whose samples take turns.
    pub fn of_channels(rate: u32, channels: u8) -> Self {
        let channels = channels.clamp(1, 2);
        Self { rate: known(rate), channels, library: Library::default(), scratch: Vec::new(), celt: false }
    }

    /// Samples per second of what it gives.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How many samples of each channel a payload stands for; `None` when it is malformed.
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        Packet::read(payload).map(|packet| packet.frames * packet.units * unit(self.rate))
    }

    /// Appends the samples of a payload.
    ///
    /// # Errors
    /// When the payload is malformed; nothing is appended.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Malformed> {
        let packet = Packet::read(payload).ok_or(Malformed)?;
        let samples = packet.frames * packet.units * unit(self.rate);
        let decoded = self.run(samples, pcm, |library, out| library.decode(payload, samples, out).is_ok());
        // A payload of one octet is the place of one that was left out, and changes nothing.
        if decoded && payload.len() > 1 {
            self.celt = packet.is_celt();
        }
        decoded.then_some(()).ok_or(Malformed)
    }

    /// Appends so many samples of each channel in place of a lost payload.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let (channels, unit) = (usize::from(self.channels), unit(self.rate));
        let end = pcm.len() + samples * channels;
        while pcm.len() < end {
            // The library wants whole units; what is too much is cut off.
            let piece = (end - pcm.len()).div_ceil(unit * channels).min(LONGEST) * unit;
            if !self.run(piece, pcm, |library, out| library.decode(&[], piece, out).is_ok()) {
                break;
            }
        }
        pcm.resize(end, 0);
    }

    /// Appends the samples of the payload before `next` from what `next` repeats of it; false, and nothing is
    /// appended, when it repeats nothing. What `next` does not reach of a longer payload is concealed.
    pub fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) -> bool {
        let Some(packet) = Packet::read(next) else { return false };
        let unit = unit(self.rate);
        let fits = samples.is_multiple_of(unit)
            && samples <= LONGEST * unit
            && samples >= packet.units * unit
            && !self.celt;
        fits && packet.repeats()
            && self.run(samples, pcm, |library, out| library.decode_fec(next, samples, out).is_ok())
    }

    /// Appends what `decode` puts into so many samples of each channel; false, and nothing is appended, when it fails.
    fn run(
        &mut self,
        samples: usize,
        pcm: &mut Vec<i16>,
        decode: impl FnOnce(&mut opus_rs::OpusDecoder, &mut [f32]) -> bool,
    ) -> bool {
        if self.library.0.is_none() {
            let fresh = opus_rs::OpusDecoder::new(self.rate.cast_signed(), self.channels.into());
            self.library.0 = fresh.ok().map(Box::new);
        }
        // Cannot be none: the rate is one that the library takes.
        let Some(library) = &mut self.library.0 else { return false };
        let all = samples * usize::from(self.channels);
        if self.scratch.len() < all {
            self.scratch.resize(all, 0.0);
        }
        let out = &mut self.scratch[..all];
        let decoded = decode(library, out);
        if decoded {
            pcm.extend(out.iter().map(|&sample| (sample * 32_768.0).round_ties_even() as i16));
        }
        decoded
    }
}
