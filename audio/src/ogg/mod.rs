//! Ogg files of Opus (RFC 7845), written page by page and read back.
//!
//! A [`Writer`] puts a page of one second behind the other and changes nothing that it has written: a file whose writer
//! is stopped in the middle lacks at most its last second and is played by every player. A [`Reader`] plays what it is
//! given, and what is left of it when pages are damaged.

mod page;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use page::{Page, Pages};
pub use reader::{OggError, Reader, Sound, decode};
pub use writer::{Layout, Writer};

/// Opus counts time in Ogg in samples at 48 kHz, whatever it was made from (RFC 7845 §4).
const CLOCK: u32 = 48_000;

/// The beginnings of the two packets that open a stream (RFC 7845 §5).
const HEAD: &[u8; 8] = b"OpusHead";
const TAGS: &[u8; 8] = b"OpusTags";
