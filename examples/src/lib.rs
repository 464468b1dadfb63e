//! How to embed the Telex engine: see the programs in `src/bin`. Here is what they share, a driver on blocking sockets
//! of the standard library. It is meant to be copied.
//!
//! A machine of the engine does nothing by itself. Its driver repeats three steps, and this is all there is to it:
//!
//! 1. wait for something to arrive, but not past the machine's `deadline()` ([`Line::wait`]);
//! 2. hand it in by `handle()`, with the time;
//! 3. do what the machine says ([`Line::perform`] does what concerns the socket).
//!
//! With one socket a read timeout is the whole scheduler, as in [`Phone`]. With several, each gets a thread that puts
//! what arrives into one channel, as in [`exchange`]. Streams (TCP) are left out: they add a table from `StreamId` to
//! `TcpStream` and one thread each, and nothing that is new.

pub mod exchange;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use telex_engine::agent::{AgentConfig, AgentEvent, UserAgent};
use telex_engine::border::{Flow, Listener, ListenerId, Transport};
use telex_engine::rng::Seed;
use telex_engine::time::{Instant, WallTime};
use telex_engine::{Action, Actions, Input};

/// Octets of the longest datagram there is.
const DATAGRAM: usize = 65_535;
/// The longest sleep. A machine without a deadline waits for nothing but input.
const SLEEP: Duration = Duration::from_secs(60);

/// The clock of a machine: time since it started. Machines that talk to each other in one process need not share it.
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long it is until `deadline`, at most a minute.
    pub fn until(self, deadline: Option<Instant>) -> Duration {
        deadline.unwrap_or(Instant::FAR).since(self.now()).min(SLEEP)
    }
}

/// The calendar, for [`telex_engine::Boot::wall`] and `Input::Wall`.
pub fn wall() -> WallTime {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    WallTime::from_unix_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// A seed nobody can guess. All randomness of a machine comes from it.
///
/// # Errors
/// When the operating system has none to give.
pub fn seed() -> io::Result<Seed> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(Seed::from_bytes(octets))
}

/// One UDP socket, the only one of its machine, and the machine's clock.
#[derive(Debug)]
pub struct Line {
    socket: UdpSocket,
    local: SocketAddr,
    clock: Clock,
    buffer: Vec<u8>,
}

impl Line {
    /// Binds `local`; port 0 takes a free one.
    ///
    /// # Errors
    /// When it cannot be bound, or is unspecified: the standard library does not tell to which of our addresses a
    /// datagram was sent, and the engine must know.
    pub fn bind(local: SocketAddr) -> io::Result<Self> {
        if local.ip().is_unspecified() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "name one address of this host"));
        }
        let socket = UdpSocket::bind(local)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, clock: Clock::start(), buffer: vec![0; DATAGRAM] })
    }

    /// The socket as its machine knows it.
    pub fn listener(&self) -> Listener {
        Listener { id: ListenerId(0), transport: Transport::Udp, local: self.local }
    }

    /// The machine's time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Waits for a datagram, but not past `deadline`.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Input> {
        let patience = self.clock.until(deadline);
        if patience.is_zero() {
            return Ok(Input::Wake);
        }
        self.socket.set_read_timeout(Some(patience))?;
        match self.socket.recv_from(&mut self.buffer) {
            Ok((length, remote)) => {
                let bytes = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
                Ok(Input::Datagram { listener: ListenerId(0), local: self.local.ip(), remote, bytes })
            }
            // A wake that comes too early does no harm.
            Err(error) if is_pause(&error) => Ok(Input::Wake),
            Err(error) => Err(error),
        }
    }

    /// Does what concerns the socket; gives back anything else.
    pub fn perform(&self, action: Action) -> Option<Action> {
        let Action::Transmit { flow: Flow::Datagram { remote, .. }, bytes } = action else {
            return Some(action);
        };
        // What cannot leave is lost, as any datagram may be, and the engine sends it again. A better driver would say
        // `Input::SendFailed`, so that the engine need not wait for an answer in vain.
        let _ = self.socket.send_to(&bytes, remote);
        None
    }
}

/// Whether a receive ended only because time was up or a signal came.
fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// The address from which this host would send to `remote`.
///
/// # Errors
/// When no way leads there.
pub fn facing(remote: SocketAddr) -> io::Result<SocketAddr> {
    let any: SocketAddr = if remote.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    // Connecting a UDP socket sends nothing; it only asks for the way.
    let socket = UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(SocketAddr::new(socket.local_addr()?.ip(), 0))
}

/// A telephone and its driver.
#[derive(Debug)]
pub struct Phone {
    agent: UserAgent,
    line: Line,
    actions: Actions,
}

impl Phone {
    /// A telephone at this local address.
    ///
    /// # Errors
    /// As [`Line::bind`].
    pub fn new(config: AgentConfig, local: SocketAddr) -> io::Result<Self> {
        let line = Line::bind(local)?;
        let agent = UserAgent::new(config, seed()?, vec![line.listener()], Vec::new());
        Ok(Self { agent, line, actions: Actions::new() })
    }

    /// Whether no call is left, not even one that waits for the answer to its BYE.
    pub fn is_idle(&self) -> bool {
        self.agent.stats().legs == 0
    }

    /// Gives the telephone an order, with what it needs to follow it.
    pub fn order<T>(&mut self, order: impl FnOnce(&mut UserAgent, Instant, &mut Actions) -> T) -> T {
        let result = order(&mut self.agent, self.line.now(), &mut self.actions);
        self.perform();
        result
    }

    /// Serves the telephone until something happens to it or `patience` ends: then nothing is given.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Vec<AgentEvent>> {
        let end = self.line.now() + patience;
        let mut events = Vec::new();
        while events.is_empty() && self.line.now() < end {
            let deadline = self.agent.deadline().map_or(end, |at| at.min(end));
            let input = self.line.wait(Some(deadline))?;
            self.agent.handle(self.line.now(), input, &mut self.actions, &mut events);
            self.perform();
        }
        Ok(events)
    }

    fn perform(&mut self) {
        for action in self.actions.drain(..) {
            // A telephone has nothing else to do but to report, and its script says what matters.
            let _ = self.line.perform(action);
        }
    }
}
