//! Media threads: one per core, each driving one media machine and all sockets of its ports.
//!
//! Commands come through a queue without bound and a wake, reports leave through another, so neither side ever waits
//! for the other.

mod poll;
mod ports;

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use telex_engine::border::Input;
use telex_engine::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{MediaCommand, ShardId};
use telex_engine::rng::Seed;

use crate::clock::Clock;
use crate::config::PortRange;
use poll::{Poller, Ready, Waker};
use ports::Ports;

/// Pairs of ports bound before the exchange is ready, over all shards.
const FIRST_PAIRS: usize = 128;
/// Octets of the longest datagram that is looked at: longer than any Ethernet carries.
const DATAGRAM: usize = 2048;

/// What all shards share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many shards there are.
    pub(crate) shards: u8,
    /// Where ports are bound.
    pub(crate) bind: IpAddr,
    /// Which ports.
    pub(crate) ports: PortRange,
    /// Randomness of the machines.
    pub(crate) seed: Seed,
    /// The clock of all machines.
    pub(crate) clock: Clock,
    /// Where reports go.
    pub(crate) reports: smol::channel::Sender<Input>,
}

/// The way to one media thread.
#[derive(Debug)]
pub(crate) struct Shard {
    commands: Sender<MediaCommand>,
    waker: Waker,
    unheard: bool,
}

impl Shard {
    /// Hands a command over; [`Shard::wake`] follows once all are handed over.
    pub(crate) fn command(&mut self, command: MediaCommand) {
        // The thread ends only with the process.
        let _ = self.commands.send(command);
        self.unheard = true;
    }

    /// Lets the thread look at what was handed over since the last time.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.unheard) {
            self.waker.wake();
        }
    }
}

/// Binds the first ports and starts the threads.
///
/// Errors when no port can be bound or no thread started.
pub(crate) fn start(plan: &Plan) -> io::Result<Vec<Shard>> {
    let mut shards = Vec::new();
    let mut pairs = 0;
    for index in 0..plan.shards {
        let (commands, incoming) = channel();
        let mut worker = Worker::new(plan, index, incoming)?;
        let waker = worker.poller.waker();
        pairs +=
            worker.bind(u16::try_from(FIRST_PAIRS.div_ceil(usize::from(plan.shards))).unwrap_or(u16::MAX))?;
        worker.perform();
        let name = format!("telex-media-{index}");
        std::thread::Builder::new().name(name).stack_size(512 << 10).spawn(move || worker.run())?;
        shards.push(Shard { commands, waker, unheard: false });
    }
    match pairs {
        0 => Err(io::Error::new(io::ErrorKind::AddrInUse, "all of them are in use")),
        _ => Ok(shards),
    }
}

/// One thread: a machine, its sockets, its clock.
struct Worker {
    id: ShardId,
    machine: MediaShard,
    ports: Ports,
    poller: Poller,
    commands: Receiver<MediaCommand>,
    reports: smol::channel::Sender<Input>,
    clock: Clock,
    out: MediaOut,
}

impl Worker {
    fn new(plan: &Plan, index: u8, commands: Receiver<MediaCommand>) -> io::Result<Self> {
        let id = ShardId(index);
        Ok(Self {
            id,
            machine: MediaShard::new(id, plan.seed),
            ports: Ports::new(plan.bind, plan.ports, usize::from(index), usize::from(plan.shards)),
            poller: Poller::new()?,
            commands,
            reports: plan.reports.clone(),
            clock: plan.clock,
            out: MediaOut::default(),
        })
    }

    fn run(mut self) {
        let mut ready = Ready::default();
        let mut datagram = [0; DATAGRAM];
        loop {
            let timeout = self.machine.deadline().map(|at| at.since(self.clock.now()));
            // Waiting fails only for reasons that are mistakes of this program.
            self.poller.wait(&mut ready, timeout).expect("the poller and all its sockets are open");
            if self.machine.deadline().is_some_and(|at| at <= self.clock.now()) {
                self.machine.handle(self.clock.now(), MediaInput::Tick, &mut self.out);
            }
            if ready.woken && !self.obey() {
                return;
            }
            let now = self.clock.now();
            for &port in &ready.ports {
                let Some(Ok((length, remote))) = self.ports.get(port).map(|s| s.recv_from(&mut datagram))
                else {
                    continue;
                };
                let remote = self.ports.inward(remote);
                let bytes = datagram.get_mut(..length).unwrap_or_default();
                self.machine.handle(now, MediaInput::Packet { port, remote, bytes }, &mut self.out);
            }
            self.perform();
        }
    }

    /// Hands all waiting commands to the machine. False when nobody can command any more.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => {
                    self.machine.handle(self.clock.now(), MediaInput::Command(command), &mut self.out)
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Sends packets and reports, and binds ports, until the machine wants no more.
    fn perform(&mut self) {
        while !(self.out.packets.is_empty() && self.out.reports.is_empty() && self.out.io.is_empty()) {
            for packet in self.out.packets.iter() {
                if let Some(socket) = self.ports.get(packet.port) {
                    // A packet that cannot leave is lost, as any packet may be.
                    let _ = socket.send_to(packet.bytes, self.ports.outward(packet.remote));
                }
            }
            self.out.packets.clear();
            for report in self.out.reports.drain(..) {
                let _ = self.reports.try_send(Input::Media { shard: self.id, report });
            }
            for io in std::mem::take(&mut self.out.io) {
                let MediaIo::Bind { count } = io;
                // Too few ports are told by the machine's report, which names those that there are.
                let _ = self.bind(count);
            }
        }
    }

    /// Binds pairs and tells the machine which; gives their number.
    fn bind(&mut self, count: u16) -> io::Result<usize> {
        let bound = self.ports.bind(count, |socket, port| self.poller.add(socket, port));
        let pairs = bound.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
        self.machine.handle(self.clock.now(), MediaInput::Ports(pairs), &mut self.out);
        bound.map(|pairs| pairs.len())
    }
}
