//! `telex rtp`: one stream of sound, sent or received.

mod control;
mod pace;
mod payloads;
mod ports;
mod receive;
mod reception;
mod send;
mod sink;
mod source;
mod stream;
mod tell;
mod watch;

use clap::Subcommand;

/// Send or receive one stream of sound, without any signalling.
#[derive(Debug, Subcommand)]
pub(super) enum Rtp {
    Receive(receive::Receive),
    Send(send::Send),
}

/// Runs the command.
pub(super) fn main(command: &Rtp) -> Result<(), String> {
    match command {
        Rtp::Receive(options) => receive::main(options),
        Rtp::Send(options) => send::main(options),
    }
}

/// All encodings as people write them.
pub(super) fn codec_names() -> String {
    payloads::names()
}
