//! Files of MP3, FLAC, Ogg Vorbis and Ogg Opus.

use std::fs::File;

use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use telex_audio::codec::{Decoder, Encoding};

/// Octets of a tag or picture that are read.
const TAG_OCTETS: usize = 1 << 20;
/// Samples per second of Opus.
const OPUS_RATE: u32 = 48_000;

/// A file that is being decoded.
pub(super) struct Compressed {
    format: Box<dyn FormatReader>,
    track: u32,
    decoder: Kind,
    /// What it is called.
    name: String,
    rate: u32,
    channels: u16,
    /// Decoded and not yet given, channels side by side.
    ready: Vec<i16>,
    /// Packets that could not be decoded.
    broken: u64,
    /// Why it ended before its end.
    fault: Option<String>,
}

enum Kind {
    Library(Box<dyn AudioDecoder>),
    /// The library has none; ours gives one channel.
    Opus(Box<Decoder>),
}

impl Compressed {
    /// # Errors
    /// Why it cannot be played.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let source = MediaSourceStream::new(Box::new(file), Default::default());
        let limits = MetadataOptions::default()
            .limit_tag_bytes(Limit::Maximum(TAG_OCTETS))
            .limit_visual_bytes(Limit::Maximum(TAG_OCTETS));
        let probe = symphonia::default::get_probe();
        let format = probe
            .probe(&Hint::new(), source, FormatOptions::default(), limits)
            .map_err(|_| "this is no sound file of a known kind (WAV, MP3, FLAC, Ogg)")?;
        let track = format.default_track(TrackType::Audio).ok_or("there is no sound in it")?;
        let parameters =
            track.codec_params.as_ref().and_then(|p| p.audio()).ok_or("there is no sound in it")?;
        let (track, decoder, name, rate, channels) = if parameters.codec == CODEC_ID_OPUS {
            let decoder = Kind::Opus(Box::new(Decoder::new(Encoding::Opus, OPUS_RATE)));
            (track.id, decoder, "Opus".to_owned(), OPUS_RATE, 1)
        } else {
            let decoder = symphonia::default::get_codecs()
                .make_audio_decoder(parameters, &AudioDecoderOptions::default())
                .map_err(|e| e.to_string())?;
            let name = decoder.codec_info().short_name.to_uppercase();
            let rate = parameters.sample_rate.unwrap_or(0);
            let channels = parameters.channels.as_ref().map_or(0, |c| c.count());
            (track.id, Kind::Library(decoder), name, rate, u16::try_from(channels).unwrap_or(0))
        };
        let mut new =
            Self { format, track, decoder, name, rate, channels, ready: Vec::new(), broken: 0, fault: None };
        // Some formats say only in their first packet how many channels there are.
        while new.ready.is_empty() && new.more() {}
        if new.rate == 0 || new.channels == 0 {
            return Err(new.fault.unwrap_or_else(|| "there is no sound in it".to_owned()));
        }
        Ok(new)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    pub(super) fn channels(&self) -> u16 {
        self.channels
    }

    /// Appends up to `frames` samples of each channel, side by side: how many.
    pub(super) fn read(&mut self, frames: usize, pcm: &mut Vec<i16>) -> usize {
        let channels = usize::from(self.channels);
        while self.ready.len() < frames * channels && self.more() {}
        let count = (self.ready.len() / channels).min(frames);
        pcm.extend(self.ready.drain(..count * channels));
        count
    }

    /// Decodes one more packet; false at the end.
    fn more(&mut self) -> bool {
        let packet = match self.format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return false,
            Err(Error::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => return false,
            Err(e) => {
                self.fault.get_or_insert_with(|| e.to_string());
                return false;
            }
        };
        if packet.track_id == self.track && !self.decode(&packet) {
            self.broken += 1;
        }
        true
    }

    fn decode(&mut self, packet: &Packet) -> bool {
        match &mut self.decoder {
            Kind::Opus(decoder) => {
                let start = self.ready.len();
                if decoder.decode(&packet.data, &mut self.ready).is_err() {
                    return false;
                }
                let over = |d: u64| usize::try_from(d).unwrap_or(usize::MAX);
                let length = self.ready.len();
                self.ready.truncate(length - over(packet.trim_end.get()).min(length - start));
                let length = self.ready.len();
                self.ready.drain(start..start + over(packet.trim_start.get()).min(length - start));
                true
            }
            Kind::Library(decoder) => {
                let Ok(sound) = decoder.decode(packet) else { return false };
                let spec = sound.spec();
                let channels = u16::try_from(spec.channels().count()).unwrap_or(0);
                if self.ready.is_empty() && (self.rate == 0 || self.channels == 0) {
                    (self.rate, self.channels) = (spec.rate(), channels);
                }
                // A file that changes in the middle is played as far as it stays what it was.
                if (spec.rate(), channels) != (self.rate, self.channels) {
                    return false;
                }
                let mut pcm = Vec::new();
                sound.copy_to_vec_interleaved(&mut pcm);
                self.ready.append(&mut pcm);
                true
            }
        }
    }

    /// What was wrong with it so far.
    pub(super) fn warnings(&self) -> Vec<String> {
        let broken = (self.broken > 0).then(|| format!("{} packets in it cannot be decoded", self.broken));
        let fault = self.fault.as_ref().map(|fault| format!("it ends early: {fault}"));
        broken.into_iter().chain(fault).collect()
    }
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressed")
            .field("name", &self.name)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}
