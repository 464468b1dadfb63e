//! A whole exchange on threads: signalling and media, each a machine behind a channel.
//!
//! Every socket has a thread that does nothing but wait for it. What arrives goes into the channel of the machine it
//! concerns, and the machine's own thread waits on that channel until the machine's deadline. So neither machine ever
//! waits for the other. A busy exchange would want one poller for many sockets, as `runtime-smol` has.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use telex_engine::border::{Flow, Listener, ListenerId, Transport};
use telex_engine::config::Config;
use telex_engine::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{MediaCommand, PortId, ShardId};
use telex_engine::{Action, Actions, Boot, Input, Signalling};

use crate::{Clock, DATAGRAM, is_pause, seed, wall};

/// Pairs of media ports bound at a time.
const PAIRS: u16 = 4;
/// A thread looks this often whether its socket is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// A running exchange.
#[derive(Debug)]
pub struct Exchange {
    /// Where it listens for SIP over UDP.
    pub address: SocketAddr,
    inbox: Sender<Input>,
    signalling: JoinHandle<()>,
    media: JoinHandle<()>,
}

impl Exchange {
    /// Starts an exchange at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    pub fn start(config: Config, address: SocketAddr) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind(address)?);
        let address = socket.local_addr()?;
        let (inbox, inputs) = channel();
        let media = Media::new(address.ip(), inbox.clone())?;
        let orders = media.orders.clone();

        let listener = Listener { id: ListenerId(0), transport: Transport::Udp, local: address };
        let boot = Boot { wall: wall(), listeners: vec![listener], shards: 1, ..Boot::default() };
        let machine = Signalling::new(Arc::new(config), seed()?, boot);
        let datagrams = inbox.clone();
        listen(&socket, move |remote, bytes| {
            let (listener, local, bytes) = (ListenerId(0), address.ip(), bytes.to_vec().into());
            datagrams.send(Input::Datagram { listener, local, remote, bytes }).is_ok()
        })?;
        Ok(Self {
            address,
            inbox,
            signalling: thread::spawn(move || serve(machine, &socket, &inputs, &orders)),
            media: thread::spawn(move || media.run()),
        })
    }

    /// Ends all calls and waits until both machines have ended.
    pub fn stop(self) {
        let by = telex_engine::time::Instant::ZERO;
        // When the threads have ended by themselves, nothing is left to stop.
        let _ = self.inbox.send(Input::Stop { by });
        let _ = self.signalling.join();
        let _ = self.media.join();
    }
}

/// The signalling thread.
fn serve(mut machine: Signalling, socket: &UdpSocket, inputs: &Receiver<Input>, media: &Sender<Order>) {
    let clock = Clock::start();
    let mut actions = Actions::new();
    loop {
        let input = match inputs.recv_timeout(clock.until(machine.deadline().map(|d| d.at))) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => Input::Wake,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        machine.handle(clock.now(), input, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Transmit { flow: Flow::Datagram { remote, .. }, bytes } => {
                    let _ = socket.send_to(&bytes, remote);
                }
                Action::Media { command, .. } => {
                    let _ = media.send(Order::Command(command));
                }
                Action::Stopped => {
                    let _ = media.send(Order::Stop);
                    return;
                }
                // Nothing here keeps records, opens streams or reads logs.
                _ => {}
            }
        }
    }
}

/// What the media thread waits for.
enum Order {
    Command(MediaCommand),
    Packet { port: u16, remote: SocketAddr, bytes: Vec<u8> },
    Stop,
}

/// The media thread.
struct Media {
    machine: MediaShard,
    address: IpAddr,
    sockets: BTreeMap<u16, Arc<UdpSocket>>,
    orders: Sender<Order>,
    waiting: Receiver<Order>,
    reports: Sender<Input>,
    out: MediaOut,
    clock: Clock,
}

impl Media {
    /// A media machine with its first ports, which signalling must know before the first call.
    fn new(address: IpAddr, reports: Sender<Input>) -> io::Result<Self> {
        let (orders, waiting) = channel();
        let mut media = Self {
            machine: MediaShard::new(ShardId(0), seed()?),
            address,
            sockets: BTreeMap::new(),
            orders,
            waiting,
            reports,
            out: MediaOut::default(),
            clock: Clock::start(),
        };
        media.bind(PAIRS)?;
        media.perform();
        Ok(media)
    }

    fn run(mut self) {
        loop {
            let order = self.waiting.recv_timeout(self.clock.until(self.machine.deadline()));
            let now = self.clock.now();
            if self.machine.deadline().is_some_and(|at| at <= now) {
                self.machine.handle(now, MediaInput::Tick, &mut self.out);
            }
            match order {
                Ok(Order::Command(command)) => {
                    self.machine.handle(now, MediaInput::Command(command), &mut self.out);
                }
                Ok(Order::Packet { port, remote, mut bytes }) => {
                    let packet = MediaInput::Packet { port, remote, bytes: &mut bytes };
                    self.machine.handle(now, packet, &mut self.out);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.perform();
        }
    }

    fn perform(&mut self) {
        for packet in self.out.packets.iter() {
            if let Some(socket) = self.sockets.get(&packet.port) {
                let _ = socket.send_to(packet.bytes, packet.remote);
            }
        }
        for report in self.out.reports.drain(..) {
            let _ = self.reports.send(Input::Media { shard: ShardId(0), report });
        }
        let wanted: u16 =
            self.out.io.drain(..).map(|io| if let MediaIo::Bind { count } = io { count } else { 0 }).sum();
        self.out.packets.clear();
        // Fewer ports than asked for will do: signalling counts what it is given, and asks again.
        if wanted > 0 && self.bind(wanted.min(PAIRS)).is_ok() {
            self.perform();
        }
    }

    fn bind(&mut self, pairs: u16) -> io::Result<()> {
        let mut ports = Vec::new();
        for _ in 0..pairs {
            let pair = pair(self.address)?;
            ports.push(PortId(pair[0].local_addr()?.port()));
            for socket in pair.map(Arc::new) {
                let (port, orders) = (socket.local_addr()?.port(), self.orders.clone());
                listen(&socket, move |remote, bytes| {
                    orders.send(Order::Packet { port, remote, bytes: bytes.to_vec() }).is_ok()
                })?;
                self.sockets.insert(port, socket);
            }
        }
        self.machine.handle(self.clock.now(), MediaInput::Ports(ports), &mut self.out);
        Ok(())
    }
}

/// Two sockets on an even port and the one above it, as RTP and RTCP want them (RFC 3550 §11).
///
/// # Errors
/// When there is no such pair.
pub fn pair(address: IpAddr) -> io::Result<[UdpSocket; 2]> {
    for _ in 0..1000 {
        let rtp = UdpSocket::bind((address, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = UdpSocket::bind((address, port + 1))
        {
            return Ok([rtp, rtcp]);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Waits for datagrams on a thread of its own, for as long as somebody else holds the socket and `deliver` says true.
fn listen(
    socket: &Arc<UdpSocket>,
    mut deliver: impl FnMut(SocketAddr, &[u8]) -> bool + Send + 'static,
) -> io::Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    let socket: Weak<UdpSocket> = Arc::downgrade(socket);
    thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM];
        while let Some(socket) = socket.upgrade() {
            let wanted = match socket.recv_from(&mut buffer) {
                Ok((length, remote)) => deliver(remote, buffer.get(..length).unwrap_or_default()),
                Err(error) => is_pause(&error),
            };
            if !wanted {
                return;
            }
        }
    });
    Ok(())
}
