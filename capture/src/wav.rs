//! The audio of a stream as a WAV file: each packet where its timestamp says, silence where none came.

use telex_audio::codec::g711;
use telex_audio::wav::Layout;

use crate::codec::Codec;
use crate::limits::AUDIO_SECONDS;
use crate::rtp::Sound;
use crate::streams::Stream;

/// Samples in a second of what can be decoded.
const RATE: u32 = 8000;
/// From an octet to a sample.
type Decode = fn(u8) -> i16;

/// A timestamp this far from where the packet's arrival would put it, in samples, has begun anew.
const BREAK: i64 = 10 * RATE as i64;

/// The audio of a stream: mono, 16 bits, 8000 Hz, in a WAV file.
///
/// # Errors
/// A sentence that says why there is none.
pub fn file(stream: &Stream) -> Result<Vec<u8>, String> {
    let name = format!("stream {} ({} to {})", stream.number, stream.source, stream.destination);
    if stream.secure {
        return Err(format!("{name} is encrypted"));
    }
    let known: Vec<(u8, Decode)> =
        stream.types.iter().filter_map(|t| Some((t.codec.payload_type, decoder(&t.codec)?))).collect();
    if known.is_empty() {
        return Err(format!("{name} carries {}: only PCMU and PCMA can be decoded", stream.codec.title()));
    }
    let samples = samples(&stream.audio, &known);
    if samples.is_empty() {
        return Err(format!("{name} has no audio that was kept"));
    }
    Ok(Layout::mono(RATE).file(&samples))
}

/// A name for that file: `stream-1-10.0.0.1-4000-to-10.0.0.2-5000.wav`.
pub fn name(stream: &Stream) -> String {
    let place = |a: std::net::SocketAddr| format!("{}-{}", a.ip(), a.port()).replace(':', "_");
    format!("stream-{}-{}-to-{}.wav", stream.number, place(stream.source), place(stream.destination))
}

fn decoder(codec: &Codec) -> Option<Decode> {
    match (codec.is("PCMU", RATE), codec.is("PCMA", RATE), codec.channels) {
        (true, _, 1) => Some(g711::mu_decode),
        (_, true, 1) => Some(g711::a_decode),
        _ => None,
    }
}

fn samples(sounds: &[Sound], known: &[(u8, Decode)]) -> Vec<i16> {
    let mut sounds: Vec<&Sound> = sounds.iter().collect();
    sounds.sort_by_key(|sound| sound.place);
    let Some(first) = sounds.first() else { return Vec::new() };
    let (start, mut last, mut position) = (first.at, first.timestamp, 0_i64);
    let most = AUDIO_SECONDS as i64 * i64::from(RATE);
    let mut samples = Vec::new();
    for sound in sounds {
        position += i64::from(sound.timestamp.wrapping_sub(last).cast_signed());
        last = sound.timestamp;
        let arrival = (sound.at.seconds_since(start) * f64::from(RATE)) as i64;
        if (position - arrival).abs() > BREAK {
            position = arrival;
        }
        let Some((_, decode)) = known.iter().find(|(number, _)| *number == sound.payload_type) else {
            continue;
        };
        let end = position + sound.payload.len() as i64;
        if position < 0 || end > most {
            continue;
        }
        let (from, to) = (position as usize, end as usize);
        if samples.len() < to {
            samples.resize(to, 0);
        }
        for (sample, code) in samples.iter_mut().skip(from).zip(&sound.payload) {
            *sample = decode(*code);
        }
    }
    samples
}
