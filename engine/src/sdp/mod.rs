//! Session descriptions (RFC 8866): bytes to values and back.
//!
//! [`Session::parse`] makes a view over the bytes and copies nothing; typed values are read when they are asked for.
//! [`Writer`] makes new descriptions. What they mean between two parties is the business of [`crate::offer`].

mod error;
mod session;
mod value;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Fault, ParseError};
pub use session::{Line, Media, Section, Session};
pub use value::{Address, Attribute, Bandwidth, Connection, Fmtp, MediaLine, Origin, Rtcp, Rtpmap, Timing};
pub use writer::Writer;
