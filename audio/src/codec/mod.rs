//! Codecs: samples to octets and back behind one interface.
//!
//! An [`Encoding`] says what a payload is; its [`Properties`] are what a session description and a packetiser must
//! know. A [`Decoder`] and an [`Encoder`] hold the state of one direction of one stream. They append to buffers that
//! their caller lends, so that nothing is allocated once those have grown (but by the Opus encoder's library).

pub mod cn;
mod decoder;
mod encoder;
mod fixed;
pub mod g711;
pub mod g722;
pub mod g729;
pub mod gsm;
pub mod names;
pub mod opus;
pub mod speex;
#[cfg(test)]
pub(crate) mod test_sound;

pub use decoder::{Decoder, Malformed};
pub use encoder::{Encoded, Encoder, Settings};

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Encoding {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// GSM full rate (RFC 3551 §4.5.8).
    Gsm,
    /// G.729 at 8 kbit/s, with Annex A and, if asked for, Annex B (RFC 3551 §4.5.6).
    G729,
    /// 16-bit linear samples, most significant octet first (RFC 3551 §4.5.11).
    L16 {
        /// Samples per second.
        rate: u32,
    },
    /// G.722 at 64 kbit/s. Its RTP clock counts half its samples (RFC 3551 §4.5.2).
    G722,
    /// Opus. Its RTP clock is 48 kHz, whatever it was made from (RFC 7587 §4.1).
    Opus,
    /// Speex (RFC 5574), which is sent as narrowband whatever the clock says.
    Speex {
        /// One of [`speex::CLOCKS`].
        clock: u32,
    },
}

/// What is fixed about an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Name in `a=rtpmap`.
    pub name: &'static str,
    /// RTP clock rate in hertz, which for G.722 and Opus is not the rate of the samples (RFC 3551 §4.5.2,
    /// RFC 7587 §4.1).
    pub clock: u32,
    /// Channels as `a=rtpmap` has them: two for Opus, whatever is sent (RFC 7587 §7).
    pub channels: u8,
    /// Samples per second of the sound it carries at best.
    pub rate: u32,
    /// Static payload type, if it has one (RFC 3551 §6).
    pub payload_type: Option<u8>,
    /// Samples at `rate` of the shortest piece that can be encoded. A packet holds a whole number of them.
    pub frame: u32,
    /// Bits per second of payload as we send it.
    pub bits: u32,
}

impl Encoding {
    /// What is fixed about it.
    pub const fn properties(self) -> Properties {
        match self {
            Self::Pcmu => Properties::new("PCMU", 8000, Some(0), 1, 64_000),
            Self::Pcma => Properties::new("PCMA", 8000, Some(8), 1, 64_000),
            Self::Gsm => Properties::new("GSM", 8000, Some(3), gsm::SAMPLES as u32, 13_200),
            Self::G729 => Properties::new("G729", 8000, Some(18), g729::SAMPLES as u32, 8000),
            Self::L16 { rate } => Properties::new("L16", rate, None, 1, rate.saturating_mul(16)),
            Self::G722 => Properties {
                name: "G722",
                clock: 8000,
                channels: 1,
                rate: 16_000,
                payload_type: Some(9),
                frame: 2,
                bits: 64_000,
            },
            Self::Opus => Properties { channels: 2, ..Properties::new("opus", 48_000, None, 120, 40_000) },
            Self::Speex { clock } => {
                let rate = speex::best(clock);
                Properties { rate, ..Properties::new("speex", clock, None, rate / 50, 15_000) }
            }
        }
    }
}

impl Properties {
    const fn new(name: &'static str, rate: u32, payload_type: Option<u8>, frame: u32, bits: u32) -> Self {
        Self { name, clock: rate, channels: 1, rate, payload_type, frame, bits }
    }
}
