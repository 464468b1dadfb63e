//! Telex, a telephone exchange on real sockets.
//!
//! This crate drives the engine: it feeds bytes and time in, performs the actions that come out and keeps the clock.
//! It decides nothing about telephony.

mod config;
mod log;
