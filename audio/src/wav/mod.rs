//! WAV files: RIFF with linear, floating, A-law or mu-law samples, read and written as 16-bit linear ones.
//!
//! A [`Reader`] takes what it is given: any rate, 8 to 32 bits, any number of channels up to [`CHANNELS`], chunks it
//! does not know, and lengths that lie. It plays what there is, says what was wrong ([`Warning`]) and allocates nothing
//! by a length that a file tells. A [`Writer`] keeps the lengths in the header up to date as it goes, so that a file is
//! whole for every player, up to its last second, when its writer is stopped in the middle; [`repair`] finds that
//! second too.

mod chunks;
mod reader;
mod samples;
mod writer;

#[cfg(test)]
mod tests;

use std::io;

pub use reader::{Reader, Sound, decode, mix_down};
pub use writer::{Layout, Store, Writer, repair};

/// Most channels of a file.
pub const CHANNELS: u16 = 32;

/// Most samples per second of a file.
pub const RATE: u32 = 768_000;

/// How samples lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Linear, least significant octet first; one octet is unsigned, more are two's complement.
    Linear {
        /// Octets of a sample, 1 to 4.
        octets: u8,
    },
    /// Floating point of IEEE 754, where 1 fills the scale.
    Float {
        /// Octets of a sample, 4 or 8.
        octets: u8,
    },
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
}

impl Coding {
    /// Octets of one sample.
    pub const fn octets(self) -> u8 {
        match self {
            Self::Linear { octets } | Self::Float { octets } => octets,
            Self::ALaw | Self::MuLaw => 1,
        }
    }
}

impl std::fmt::Display for Coding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Linear { octets } => write!(f, "{}-bit PCM", u32::from(*octets) * 8),
            Self::Float { octets } => write!(f, "{}-bit float", u32::from(*octets) * 8),
            Self::ALaw => f.write_str("A-law"),
            Self::MuLaw => f.write_str("mu-law"),
        }
    }
}

/// What the samples of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Samples of each channel per second, 1 to [`RATE`].
    pub rate: u32,
    /// Channels, 1 to [`CHANNELS`]; their samples take turns.
    pub channels: u16,
    /// How a sample lies in the file.
    pub coding: Coding,
}

impl Format {
    /// Octets of one sample of every channel.
    pub fn frame_octets(&self) -> usize {
        usize::from(self.channels) * usize::from(self.coding.octets())
    }
}

/// What is wrong with a file that can be played all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The lengths were never filled in: all until the end of the file is taken for sound.
    #[error("its writer was stopped before it could fill in the length; everything to its end is played")]
    Unfinished,
    /// The file ends before its data does.
    #[error("it claims {told} octets of sound and has {found}; those are played")]
    Short {
        /// Octets of sound according to the header.
        told: u64,
        /// Octets of sound there are.
        found: u64,
    },
    /// The last frame is not whole.
    #[error("its last {octets} octets are no whole sample and are left out")]
    PartFrame {
        /// Octets left out.
        octets: u64,
    },
    /// A chunk of odd length is not padded.
    #[error("a chunk of odd length is not padded")]
    Unpadded,
    /// The octets of a frame are not what channels and bits make.
    #[error("it claims {told} octets per frame, where its channels and bits make {used}")]
    FrameOctets {
        /// According to the header.
        told: u16,
        /// What is used.
        used: u16,
    },
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It does not begin as a WAV file does.
    #[error("this is no WAV file")]
    NotWav,
    /// Its numbers have the most significant octet first.
    #[error("this is a big-endian WAV file (RIFX); convert it, for example with `sox in.wav out.wav`")]
    BigEndian,
    /// There is no format, or it comes after the sound.
    #[error("the WAV file has no format before its sound")]
    NoFormat,
    /// There is no sound.
    #[error("the WAV file has no data chunk")]
    NoData,
    /// The samples are compressed in a way that is not known here.
    #[error("samples of format {tag:#06x} ({}) cannot be read; convert the file to 16-bit PCM", format_name(*.tag))]
    Format {
        /// The format tag.
        tag: u16,
    },
    /// Samples have a length that is not known here.
    #[error("samples of {bits} bits in format {tag:#06x} cannot be read; convert the file to 16-bit PCM")]
    Bits {
        /// The format tag.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// No channel, or too many.
    #[error("{channels} channels; 1 to {CHANNELS} can be read")]
    Channels {
        /// Channels according to the header.
        channels: u16,
    },
    /// No samples per second, or too many.
    #[error("{rate} samples per second; 1 to {RATE} can be read")]
    Rate {
        /// Samples per second according to the header.
        rate: u32,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Names of formats that people meet in telephony.
fn format_name(tag: u16) -> &'static str {
    match tag {
        0x0002 => "Microsoft ADPCM",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 06.10",
        0x0040..=0x0045 | 0x0064 => "G.72x",
        0x0055 => "MP3",
        _ => "unknown",
    }
}
