//! Sound as a telephone exchange needs it: codecs, concealment of loss, resampling, tones, digits, files.
//!
//! Everything here is pure: samples and octets in, samples and octets out, no clock, no file, no thread, no randomness
//! but what is seeded, and integers wherever the same input must give the same output on every machine. Samples are
//! 16-bit linear, mono unless it is said otherwise.
#![forbid(unsafe_code)]

pub mod codec;
pub mod conceal;
pub mod dtmf;
pub mod emodel;
pub mod mix;
pub mod ogg;
pub mod playout;
pub mod red;
pub mod resample;
pub mod stretch;
pub mod tone;
pub mod trim;
pub mod voice;
pub mod wav;
