//! Captures of telephone calls, read and explained: SIP messages on whatever port they are found, media streams and
//! how well they arrived, calls and what looks wrong with them.
//!
//! Octets in, values out: nothing here opens a file or prints. [`Analyser`] takes one or more capture files and gives a
//! [`Report`]; [`text`], [`json`], [`ladder`], [`svg`] and [`wav`] show it. The way of a packet: [`Capture`] (pcap or
//! pcapng) gives frames; [`net::Network`] finds the datagram or segment in a frame, through VLANs, tunnels and
//! fragments; streams are put together and cut into messages; datagrams are SIP, RTP, RTCP or STUN by their looks.
//! What is RTP is decided at the end, when all session descriptions are known.
//!
//! A capture is hostile input: every table has a bound in [`limits`], and nothing is allocated by a length that a
//! file tells. The SIP grammar is the engine's; where it refuses a message, the message is shown all the same, with the
//! reason.

#![forbid(unsafe_code)]

mod analysis;
mod calls;
mod codec;
mod emodel;
mod file;
mod fragments;
mod framer;
pub mod json;
pub mod ladder;
pub mod limits;
mod message;
pub mod net;
mod reception;
mod remarks;
mod rtp;
mod sdp;
mod start;
mod streams;
pub mod svg;
mod tcp;
pub mod text;
mod time;
pub mod wav;

#[cfg(test)]
mod testing;

pub use analysis::{Analyser, Counts, Options, Report, Search, Undelivered};
pub use calls::{Call, Exchange, Remark, State};
pub use codec::Codec;
pub use emodel::ASSUMED_DELAY;
pub use file::{Capture, Damage, Format, Frame, Link, Stopped};
pub use message::{Field, Message, Start};
pub use reception::{Gap, JitterFigures};
pub use rtp::Digit;
pub use sdp::{Description, Direction, Media};
pub use streams::{Carries, How, Stream};
pub use telex_engine::border::Transport;
pub use time::Time;
