//! A telephone exchange as a pure state machine.
//!
//! Bytes and time go in, actions come out. Nothing here opens a socket, reads a clock, starts a thread or draws
//! randomness of its own, so a whole exchange runs deterministically from one seed and the log of its inputs.
//!
//! There are two kinds of machine. [`Signalling`] is one per node: SIP, registrar, calls. [`media::MediaShard`] is
//! one per core: ports, legs, relay, tones. They meet in [`mediactl`]: commands down, reports up, plain data.
//! Beside them stands [`agent::UserAgent`], a telephone on the same layers, for scripts.
//! A driver feeds inputs, performs actions and keeps the clock; it decides nothing about telephony.

#![forbid(unsafe_code)]

// base
pub mod event;
pub mod index;
pub mod limits;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
pub mod rate;
pub mod rng;
pub mod slots;
pub mod time;
pub mod timers;
#[cfg(feature = "serde")]
pub mod view;
// syntax
pub mod rtp;
pub mod sdp;
pub mod sip;
// policy
pub mod auth;
pub mod config;
pub mod offer;
// contract
pub mod border;
pub mod cdr;
pub mod mediactl;
// protocol
mod cx;
mod dialog;
mod registrar;
mod subscription;
mod transaction;
mod transport;
// features
mod call;
// tops
pub mod agent;
pub mod media;
mod signalling;

pub use border::{Action, Actions, Boot, Input};
pub use signalling::Signalling;
