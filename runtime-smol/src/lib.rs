//! Telex, a telephone exchange on real sockets.
//!
//! This crate drives the engine: it feeds bytes and time in, performs the actions that come out and keeps the clock.
//! It decides nothing about telephony.
//!
//! One thread, the main one, runs signalling (`driver`) and takes datagrams itself; streams, names and operators
//! are smol tasks on it, watched by async-io's thread. One thread per core runs media (`media`), one does what may
//! wait for a disk or a terminal (`desk`). They meet in queues that no media thread ever waits for. A panic in any of
//! them ends the process, for whoever watches it to start it again: registrations are on disk.

mod cli;
mod clock;
mod config;
mod control;
mod desk;
#[doc(hidden)]
pub mod doors;
mod driver;
mod first_run;
mod log;
mod media;
mod poll;
mod record;
mod recordings;
mod sound;
mod sounds;
mod store;

/// Runs the program with the arguments of the process.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
