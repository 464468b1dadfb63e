//! Speex (RFC 5574) at 8, 16 and 32 kHz.
//!
//! Speech is the answer of a filter, sent as line spectral frequencies, to an excitation of two parts: what it was a
//! pitch ago, and shapes from a codebook. A second layer describes the band above 4 kHz; a third, of ultra-wideband, is
//! left out. Every mode is decoded, at any bit rate and with changes in mid stream, as the reference decoder does
//! without its postfilter. We speak mode 5, narrowband at 15 kbit/s, which is the reference's usual one and is
//! understood in streams of every rate.
//!
//! This is written in integers, and shares the analysis of speech with G.729, whose filters and subframes are as long.
//! Speex has fallen out of use since Opus; it is here for telephones that name nothing else, and for recordings of
//! those that agree on it.

mod bits;
mod decoder;
mod encoder;
mod excitation;
mod innovation;
mod mode;
mod pitch;
mod spectrum;
mod synthesis;
mod tables;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Clock rates that a description may give (RFC 5574 §4.1.1): narrowband, wideband and ultra-wideband.
pub const CLOCKS: [u32; 3] = [8000, 16_000, 32_000];

/// Samples of a frame at 8 kHz: 20 ms.
const SAMPLES: usize = 160;

/// Samples per second at which a stream of a clock rate is decoded at best.
pub(super) const fn best(clock: u32) -> u32 {
    if clock < 16_000 { 8000 } else { 16_000 }
}

#[cfg(test)]
mod tests;
