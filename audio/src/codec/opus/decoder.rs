//! Packets to speech.

use super::packet::Packet;
use super::{LONGEST, Library, known, unit};
use crate::codec::Malformed;
use crate::resample::Resampler;

/// The receiving direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    rate: u32,
    /// How many times the rate the library is asked for.
    times: u32,
    channels: u8,
    #[cfg_attr(feature = "serde", serde(skip))]
    library: Library<Running>,
    /// Where the library puts its samples. It computes in floats: the last bits may differ between kinds of processor.
    #[cfg_attr(feature = "serde", serde(skip))]
    scratch: Vec<f32>,
    /// The last payload had no SILK, so that the next cannot repeat it.
    celt: bool,
}

/// The library, and what brings its samples down to the rate that is wanted.
struct Running {
    decoder: opus_rs::OpusDecoder,
    /// One for each channel; none when the library gives the rate itself.
    down: Vec<Resampler>,
    /// Samples of one channel, before and after.
    wide: Vec<i16>,
    narrow: Vec<i16>,
}

impl Running {
    fn new(rate: u32, times: u32, channels: u8) -> Option<Self> {
        let from = rate * times;
        let decoder = opus_rs::OpusDecoder::new(from.cast_signed(), channels.into()).ok()?;
        let down = if from == rate { None } else { Resampler::new(from, rate) };
        let down = down.map(|down| vec![down; channels.into()]).unwrap_or_default();
        Some(Self { decoder, down, wide: Vec::new(), narrow: Vec::new() })
    }

    /// Appends what the library has given.
    fn take(&mut self, given: &[f32], pcm: &mut Vec<i16>) {
        let round = |&sample: &f32| (sample * 32_768.0).round_ties_even() as i16;
        if self.down.is_empty() {
            pcm.extend(given.iter().map(round));
            return;
        }
        let (channels, start) = (self.down.len(), pcm.len());
        for (channel, down) in self.down.iter_mut().enumerate() {
            self.wide.clear();
            self.narrow.clear();
            self.wide.extend(given.iter().skip(channel).step_by(channels).map(round));
            down.process(&self.wide, &mut self.narrow);
            pcm.resize(start + self.narrow.len() * channels, 0);
            let places = pcm[start..].iter_mut().skip(channel).step_by(channels);
            places.zip(&self.narrow).for_each(|(place, &sample)| *place = sample);
        }
    }
}

/// How many times a rate the library is asked for. It brings wideband SILK down to 8 and 12 kHz without a filter:
/// hisses would be heard as tones.
fn above(rate: u32) -> u32 {
    if rate < 16_000 { 2 } else { 1 }
}

impl Decoder {
    /// A decoder that gives samples at `rate` if it is one of [`super::RATES`], else at 48 kHz, all channels as one.
    pub fn new(rate: u32) -> Self {
        Self { times: above(known(rate)), ..Self::of_channels(rate, 1) }
    }

    /// One for files: as the library gives it, without delay; a single channel, or two, whose samples take turns.
    pub fn of_channels(rate: u32, channels: u8) -> Self {
        let channels = channels.clamp(1, 2);
        Self {
            rate: known(rate),
            times: 1,
            channels,
            library: Library::default(),
            scratch: Vec::new(),
            celt: false,
        }
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
        let decoded =
            self.run(samples, pcm, |library, samples, out| library.decode(payload, samples, out).is_ok());
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
            if !self.run(piece, pcm, |library, samples, out| library.decode(&[], samples, out).is_ok()) {
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
            && self.run(samples, pcm, |library, samples, out| library.decode_fec(next, samples, out).is_ok())
    }

    /// Appends what `decode` puts into so many samples of each channel; false, and nothing is appended, when it fails.
    fn run(
        &mut self,
        samples: usize,
        pcm: &mut Vec<i16>,
        decode: impl FnOnce(&mut opus_rs::OpusDecoder, usize, &mut [f32]) -> bool,
    ) -> bool {
        if self.library.0.is_none() {
            self.library.0 = Running::new(self.rate, self.times, self.channels).map(Box::new);
        }
        // Cannot be none: the rate is one that the library takes.
        let Some(running) = &mut self.library.0 else { return false };
        let samples = samples * self.times as usize;
        let all = samples * usize::from(self.channels);
        if self.scratch.len() < all {
            self.scratch.resize(all, 0.0);
        }
        let out = &mut self.scratch[..all];
        let decoded = decode(&mut running.decoder, samples, out);
        if decoded {
            running.take(out, pcm);
        }
        decoded
    }
}
