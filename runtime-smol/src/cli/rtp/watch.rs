//! Waiting: for a moment, for datagrams, or for the order to stop, whichever is first.

use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use async_signal::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits, and ends in an orderly way on Ctrl-C.
#[derive(Debug)]
pub(super) struct Watch {
    signals: Signals,
}

/// What a wait brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The moment has come.
    Due,
    /// A socket has something to read.
    Readable,
    /// Somebody wants an end.
    Stop,
}

impl Watch {
    /// From now on Ctrl-C is told by [`Watch::wait`] only.
    pub(super) fn new() -> Result<Self, String> {
        let signals = Signals::new([Signal::Int, Signal::Term]);
        Ok(Self { signals: signals.map_err(|e| format!("cannot watch for Ctrl-C: {e}"))? })
    }

    /// Waits until `due`, or until something comes in before.
    pub(super) fn wait(&self, due: Instant, sockets: &[&UdpSocket]) -> io::Result<Woken> {
        let mut watched = vec![PollFd::new(&self.signals, PollFlags::IN)];
        watched.extend(sockets.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)));
        loop {
            let left = due.saturating_duration_since(Instant::now());
            let time = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut watched, Some(&time)) {
                Ok(0) => return Ok(Woken::Due),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            let stop = watched.first().is_some_and(|w| !w.revents().is_empty());
            return Ok(if stop { Woken::Stop } else { Woken::Readable });
        }
    }
}
