//! The sending direction of a stream.

use super::{Encoding, g711, g722, g729, gsm, opus, speex};

/// How to encode, where an encoding leaves a choice. The default is what a telephone call wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Settings {
    /// Samples per second that will be handed in, for encodings that take several (Opus, Speex); 0 means their best.
    pub rate: u32,
    /// Bits per second; 0 means the usual for the rate.
    pub bits: u32,
    /// Nothing, or a description of the noise, is sent while there is no voice (Opus DTX, G.729 Annex B).
    pub silence_suppressed: bool,
    /// Packets repeat something of the one before, for a share of lost packets of so many percent (Opus FEC).
    pub loss_percent: u8,
}

/// What came of a piece of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// A payload with sound.
    Sound,
    /// A payload that describes noise; the next ones may be left out.
    Noise,
    /// Nothing is to be sent.
    Nothing,
}

/// The sending direction of one stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    rate: u32,
    state: State,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum State {
    Pcmu,
    Pcma,
    Gsm(Box<gsm::Encoder>),
    G729(Box<g729::Encoder>),
    L16,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
    Speex(Box<speex::Encoder>),
}

impl Encoder {
    /// An encoder that has said nothing yet.
    pub fn new(encoding: Encoding, settings: Settings) -> Self {
        let state = match encoding {
            Encoding::Pcmu => State::Pcmu,
            Encoding::Pcma => State::Pcma,
            Encoding::Gsm => State::Gsm(Box::default()),
            Encoding::G729 => State::G729(Box::new(g729::Encoder::new(settings.silence_suppressed))),
            Encoding::L16 { .. } => State::L16,
            Encoding::G722 => State::G722(Box::default()),
            Encoding::Opus => State::Opus(opus::Encoder::new(settings)),
            Encoding::Speex { clock } => State::Speex(Box::new(speex::Encoder::new(clock, settings.rate))),
        };
        let rate = match &state {
            State::Opus(encoder) => encoder.rate(),
            State::Speex(encoder) => encoder.rate(),
            _ => encoding.properties().rate,
        };
        Self { rate, state }
    }

    /// Samples per second of what it takes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the payload of the next piece of sound: a whole number of frames, and what one packet shall hold.
    /// Samples beyond the last whole frame are ignored.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Encoded {
        match &mut self.state {
            State::Pcmu => payload.extend(pcm.iter().map(|&sample| g711::mu_encode(sample))),
            State::Pcma => payload.extend(pcm.iter().map(|&sample| g711::a_encode(sample))),
            State::Gsm(encoder) => {
                for frame in pcm.as_chunks().0 {
                    payload.extend_from_slice(&encoder.encode(frame));
                }
            }
            State::L16 => payload.extend(pcm.iter().flat_map(|sample| sample.to_be_bytes())),
            State::G722(encoder) => encoder.encode(pcm, payload),
            State::Speex(encoder) => encoder.encode(pcm, payload),
            State::G729(encoder) => return encoder.encode(pcm, payload),
            State::Opus(encoder) => return encoder.encode(pcm, payload),
        }
        Encoded::Sound
    }
}
