//! The receiving direction of a stream.

use super::{Encoding, g711, g722, g729, gsm, opus, speex};
use crate::conceal::Concealment;

/// A payload that is none of its encoding. The decoder is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not of its encoding")]
pub struct Malformed;

/// The receiving direction of one stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    rate: u32,
    state: State,
    /// For encodings that have no concealment of their own.
    concealment: Option<Box<Concealment>>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum State {
    Pcmu,
    Pcma,
    Gsm(Box<gsm::Decoder>),
    G729(Box<g729::Decoder>),
    L16,
    G722(Box<g722::Decoder>),
    Opus(opus::Decoder),
    Speex(Box<speex::Decoder>),
}

impl Decoder {
    /// A decoder that has heard nothing yet. Encodings that can be decoded at several rates (Opus, Speex) give samples
    /// at `rate` if they can; the others at their own: see [`Decoder::rate`].
    pub fn new(encoding: Encoding, rate: u32) -> Self {
        let state = match encoding {
            Encoding::Pcmu => State::Pcmu,
            Encoding::Pcma => State::Pcma,
            Encoding::Gsm => State::Gsm(Box::default()),
            Encoding::G729 => State::G729(Box::default()),
            Encoding::L16 { .. } => State::L16,
            Encoding::G722 => State::G722(Box::new(g722::Decoder::new(g722::Mode::Bits64))),
            Encoding::Opus => State::Opus(opus::Decoder::new(rate)),
            Encoding::Speex { clock } => State::Speex(Box::new(speex::Decoder::new(clock, rate))),
        };
        let rate = match &state {
            State::Opus(decoder) => decoder.rate(),
            State::Speex(decoder) => decoder.rate(),
            _ => encoding.properties().rate,
        };
        let concealment = match state {
            State::Pcmu | State::Pcma | State::L16 | State::G722(_) | State::Speex(_) => {
                Some(Box::new(Concealment::new(rate)))
            }
            State::Gsm(_) | State::G729(_) | State::Opus(_) => None,
        };
        Self { rate, state, concealment }
    }

    /// Samples per second of what it gives.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How many samples a payload stands for, without decoding it; `None` when it is malformed.
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        match &self.state {
            State::Pcmu | State::Pcma => Some(payload.len()),
            State::G722(_) => Some(2 * payload.len()),
            State::Gsm(_) => {
                whole(payload, gsm::OCTETS).then_some(payload.len() / gsm::OCTETS * gsm::SAMPLES)
            }
            State::G729(_) => g729::samples(payload),
            State::Opus(decoder) => decoder.samples(payload),
            State::Speex(decoder) => decoder.samples(payload),
            State::L16 => payload.len().is_multiple_of(2).then_some(payload.len() / 2),
        }
    }

    /// Appends the samples of the next payload.
    ///
    /// # Errors
    /// When the payload is malformed; nothing is appended.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Malformed> {
        let start = pcm.len();
        match &mut self.state {
            State::Pcmu => pcm.extend(payload.iter().map(|&code| g711::mu_decode(code))),
            State::Pcma => pcm.extend(payload.iter().map(|&code| g711::a_decode(code))),
            State::G722(decoder) => decoder.decode(payload, pcm),
            State::Gsm(decoder) => decoder.decode(payload, pcm)?,
            State::G729(decoder) => decoder.decode(payload, pcm)?,
            State::Opus(decoder) => decoder.decode(payload, pcm)?,
            State::Speex(decoder) => decoder.decode(payload, pcm)?,
            State::L16 => {
                let (words, rest) = payload.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(Malformed);
                }
                pcm.extend(words.iter().map(|&word| i16::from_be_bytes(word)));
            }
        }
        if let Some(concealment) = &mut self.concealment {
            concealment.received(&mut pcm[start..]);
        }
        Ok(())
    }

    /// Appends `samples` in place of a payload that never came, as like what was as can be. The beginning of the next
    /// payload is faded into it.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        if let Some(concealment) = &mut self.concealment {
            concealment.conceal(samples, pcm);
        }
        match &mut self.state {
            State::Gsm(decoder) => decoder.conceal(samples, pcm),
            State::G729(decoder) => decoder.conceal(samples, pcm),
            State::Opus(decoder) => decoder.conceal(samples, pcm),
            State::G722(decoder) => decoder.stand_by(samples),
            State::Pcmu | State::Pcma | State::L16 | State::Speex(_) => {}
        }
    }

    /// Appends `samples` of the payload before `next` from what `next` repeats of it (Opus in-band FEC,
    /// RFC 6716 §2.1.7). False when it repeats nothing: nothing is appended.
    pub fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) -> bool {
        match &mut self.state {
            State::Opus(decoder) => decoder.recover(next, samples, pcm),
            _ => false,
        }
    }
}

/// Whether a payload is made of frames of so many octets, at least one.
fn whole(payload: &[u8], frame: usize) -> bool {
    !payload.is_empty() && payload.len().is_multiple_of(frame)
}
