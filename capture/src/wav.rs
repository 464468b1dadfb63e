//! The audio of a stream as a WAV file: each packet where its timestamp says, silence where none came.

use telex_audio::codec::{Decoder, Encoding};
use telex_audio::resample::Resampler;
use telex_audio::wav::Layout;

use crate::codec::Codec;
use crate::limits::AUDIO_SAMPLES;
use crate::rtp::Sound;
use crate::streams::Stream;

/// Seconds by which a timestamp is off from where the packet's arrival would put it when it has begun anew.
const BREAK: f64 = 10.0;

/// The audio of a stream: mono, 16 bits, at the best rate of its codecs, in a WAV file.
///
/// # Errors
/// A sentence that says why there is none.
pub fn file(stream: &Stream) -> Result<Vec<u8>, String> {
    let name = format!("stream {} ({} to {})", stream.number, stream.source, stream.destination);
    if stream.secure {
        return Err(format!("{name} is encrypted"));
    }
    let known = || stream.types.iter().filter_map(|t| Some((&t.codec, encoding(&t.codec)?)));
    let Some(rate) = known().map(|(_, encoding)| encoding.properties().rate).max() else {
        return Err(format!("{name} carries {}, which cannot be decoded", stream.codec.title()));
    };
    let coders = known().filter_map(|(codec, encoding)| Coder::new(codec, encoding, rate)).collect();
    let samples = samples(&stream.audio, coders, rate);
    if samples.is_empty() {
        return Err(format!("{name} has no audio that was kept"));
    }
    Ok(Layout::mono(rate).file(&samples))
}

/// A name for that file: `stream-1-10.0.0.1-4000-to-10.0.0.2-5000.wav`.
pub fn name(stream: &Stream) -> String {
    let place = |a: std::net::SocketAddr| format!("{}-{}", a.ip(), a.port()).replace(':', "_");
    format!("stream-{}-{}-to-{}.wav", stream.number, place(stream.source), place(stream.destination))
}

fn encoding(codec: &Codec) -> Option<Encoding> {
    Encoding::from_rtpmap(&codec.name, codec.clock, codec.channels.into())
}

/// A payload type to samples at the rate of the file.
struct Coder {
    payload_type: u8,
    /// Units of its timestamps in a second.
    clock: f64,
    decoder: Decoder,
    resampler: Option<Resampler>,
    raw: Vec<i16>,
}

impl Coder {
    /// `None` when its rate cannot be made that of the file.
    fn new(codec: &Codec, encoding: Encoding, rate: u32) -> Option<Self> {
        let decoder = Decoder::new(encoding, rate);
        let resampler = match decoder.rate() == rate {
            true => None,
            false => Some(Resampler::new(decoder.rate(), rate)?),
        };
        let (payload_type, clock) = (codec.payload_type, f64::from(codec.clock.max(1)));
        Some(Self { payload_type, clock, decoder, resampler, raw: Vec::new() })
    }

    /// Puts the sound of a payload into `pcm`; nothing when it is none of its encoding.
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        pcm.clear();
        self.raw.clear();
        let Some(resampler) = &mut self.resampler else {
            let _ = self.decoder.decode(payload, pcm);
            return;
        };
        if self.decoder.decode(payload, &mut self.raw).is_ok() {
            resampler.process(&self.raw, pcm);
        }
    }
}

fn samples(sounds: &[Sound], mut coders: Vec<Coder>, rate: u32) -> Vec<i16> {
    let mut sounds: Vec<&Sound> = sounds.iter().collect();
    sounds.sort_by_key(|sound| sound.place);
    let Some(first) = sounds.first() else { return Vec::new() };
    let (start, mut last, mut seconds) = (first.at, first.timestamp, 0.0);
    let (mut samples, mut pcm) = (Vec::new(), Vec::new());
    for sound in sounds {
        let Some(coder) = coders.iter_mut().find(|coder| coder.payload_type == sound.payload_type) else {
            continue;
        };
        seconds += f64::from(sound.timestamp.wrapping_sub(last).cast_signed()) / coder.clock;
        last = sound.timestamp;
        let arrival = sound.at.seconds_since(start);
        if (seconds - arrival).abs() > BREAK {
            seconds = arrival;
        }
        let position = (seconds * f64::from(rate)).round();
        coder.decode(&sound.payload, &mut pcm);
        if position < 0.0 || position as usize + pcm.len() > AUDIO_SAMPLES {
            continue;
        }
        let from = position as usize;
        if samples.len() < from + pcm.len() {
            samples.resize(from + pcm.len(), 0);
        }
        for (sample, heard) in samples.iter_mut().skip(from).zip(&pcm) {
            *sample = *heard;
        }
    }
    samples
}
