//! Opus (RFC 6716) for speech, in one channel on the line and one or two in files, by two libraries, each for what it
//! does well.
//!
//! `opus-rs` decodes: it gives what libopus gives, concealment of loss included. `ropus` encodes: it keeps to the bits
//! per second that were asked for, repeats for loss (in-band FEC) and falls silent (DTX) as libopus does, and computes
//! in integers, so that the same sound is the same payload on every machine. The other way round would not do:
//! `opus-rs` has no DTX, its FEC at constant bit rate is noise, and it can divide by zero with FEC at 24 kHz; `ropus`
//! fades to nothing within milliseconds when a packet is lost, and takes several more to recover.
//!
//! The libraries' state can be neither copied nor written down: a cloned or restored decoder or encoder starts afresh.

mod decoder;
mod encoder;
mod packet;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Samples per second at which the codec can give and take sound (RFC 6716 §2).
pub const RATES: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];

/// The shortest frame, 2.5 ms, of which all others are multiples, as a share of a second.
const UNITS: u32 = 400;

/// Units of the longest packet, 120 ms (RFC 6716 §3.2.5).
const LONGEST: usize = 48;

/// Samples of the shortest frame at a rate.
fn unit(rate: u32) -> usize {
    (rate / UNITS) as usize
}

/// The rate itself if the codec knows it, else its best.
fn known(rate: u32) -> u32 {
    if RATES.contains(&rate) { rate } else { 48_000 }
}

/// A library's state, boxed, made when it is first needed. A clone is empty.
struct Library<T>(Option<Box<T>>);

impl<T> Default for Library<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Library<T> {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<T> std::fmt::Debug for Library<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "running" } else { "fresh" })
    }
}

#[cfg(test)]
mod tests;
