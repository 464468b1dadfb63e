//! UDP listeners: many datagrams per system call in, each out at once.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use telex_engine::border::{Flow, Input, ListenerId};

use super::Arrival;
use crate::poll::Poller;

/// Datagrams taken by one system call.
const BATCH: usize = 8;
/// Room for one datagram, or for as many as the kernel joins into one.
const ROOM: usize = 65_536;
/// Datagrams that wait for the kernel to take them; more are lost, as any datagram may be.
const BACKLOG: usize = 1024;
/// Asked of the kernel for what arrives while the engine is busy.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Memory that datagrams are received into; one for all sockets, for they are read one after the other.
#[derive(Debug)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    pub(super) fn new() -> Self {
        Self(vec![0; BATCH * ROOM])
    }
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct UdpPort {
    id: ListenerId,
    socket: UdpSocket,
    state: UdpSocketState,
    /// Where it is bound.
    pub(super) local: SocketAddr,
    /// Datagrams that the kernel had no room for.
    backlog: VecDeque<(Flow, Bytes)>,
}

impl UdpPort {
    /// Binds to `address`, of whose family it will be alone.
    pub(super) fn bind(id: ListenerId, address: SocketAddr) -> io::Result<Self> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        state.enable_transport_errors((&socket).into())?;
        allow_fragments(&socket, address.is_ipv6())?;
        let local = socket.local_addr()?;
        Ok(Self { id, socket, state, local, backlog: VecDeque::new() })
    }

    /// Lets `poller` watch the socket under its number.
    pub(super) fn watch(&self, poller: &Poller) -> io::Result<()> {
        poller.add(&self.socket, self.id.0)
    }

    /// Sends a datagram, or keeps it until the kernel has room, for which [`UdpPort::retry`] asks. False when it cannot
    /// be sent at all.
    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) -> bool {
        if self.backlog.is_empty() {
            match self.try_send(flow, &bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent.is_ok(),
            }
        }
        if self.backlog.len() < BACKLOG {
            self.backlog.push_back((flow, bytes));
        }
        true
    }

    /// Sends what waits, as far as the kernel takes it. True when something still waits.
    pub(super) fn retry(&mut self) -> bool {
        while let Some((flow, bytes)) = self.backlog.front() {
            match self.try_send(*flow, bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                _ => drop(self.backlog.pop_front()),
            }
        }
        false
    }

    fn try_send(&self, flow: Flow, bytes: &[u8]) -> io::Result<()> {
        let Flow::Datagram { local, remote, .. } = flow else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let src_ip = self.local.ip().is_unspecified().then_some(local);
        let datagram =
            Transmit { destination: remote, ecn: None, contents: bytes, segment_size: None, src_ip };
        let send = || self.state.try_send((&self.socket).into(), &datagram);
        let mut sent = send();
        for _ in 0..3 {
            // What the kernel says may concern an earlier datagram to somebody else; having said it, it goes on.
            match &sent {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => sent = send(),
                _ => break,
            }
        }
        sent
    }

    /// Appends what has arrived to `arrivals`, one batch at most. True when the batch was full: there may be more.
    pub(super) fn receive(&self, scratch: &mut Scratch, arrivals: &mut VecDeque<Arrival>) -> bool {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut chunks = scratch.0.chunks_exact_mut(ROOM);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let Ok(count) = self.state.recv((&self.socket).into(), &mut slices, &mut metas) else {
            // Complaints of the network make a socket readable too, even when a send was told of them.
            self.take_complaints(arrivals);
            return false;
        };
        for (meta, slice) in metas.iter().zip(&slices).take(count) {
            let local = meta.dst_ip.filter(|ip| !ip.is_unspecified()).unwrap_or(self.local.ip());
            let octets = slice.get(..meta.len).unwrap_or_default();
            arrivals.extend(octets.chunks(meta.stride.max(1)).map(|datagram| {
                let bytes = Bytes::copy_from_slice(datagram);
                Arrival::Input(Input::Datagram { listener: self.id, local, remote: meta.addr, bytes })
            }));
        }
        count == BATCH
    }

    /// Takes what the network said about datagrams that found nobody.
    fn take_complaints(&self, arrivals: &mut VecDeque<Arrival>) {
        for remote in unreachable(&self.socket) {
            let Some(local) = self.sender(remote) else { continue };
            let flow = Flow::Datagram { listener: self.id, local, remote };
            arrivals.push_back(Arrival::Input(Input::SendFailed { flow }));
        }
    }

    /// The address of ours that datagrams to `remote` leave from.
    fn sender(&self, remote: SocketAddr) -> Option<IpAddr> {
        match self.local.ip() {
            ip if ip.is_unspecified() => super::host::address_towards(remote),
            ip => Some(ip),
        }
    }
}

/// Empties the socket's queue of errors: where the datagrams went that found nobody. The library reads the queue too,
/// but tells who complained, not about what.
#[cfg(target_os = "linux")]
fn unreachable(socket: &UdpSocket) -> Vec<SocketAddr> {
    use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
    let mut found = Vec::new();
    let mut nothing = [0; 1];
    while let Ok(message) =
        recvmsg(socket, &mut [IoSliceMut::new(&mut nothing)], &mut RecvAncillaryBuffer::default(), flags)
    {
        found.extend(message.address.and_then(|a| SocketAddr::try_from(a).ok()));
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn unreachable(_socket: &UdpSocket) -> Vec<SocketAddr> {
    Vec::new()
}

/// Lets the kernel cut datagrams that are longer than the path carries: SIP over UDP needs it (RFC 3261 section
/// 18.1.1), and the library, made for QUIC, forbids it.
#[cfg(target_os = "linux")]
fn allow_fragments(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    let set = |level, name, value: libc::c_int| {
        use std::os::fd::AsRawFd as _;
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open, and `value` is an int of the length given for as long as the call lasts.
        match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) }
        {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    if v6 {
        set(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)?;
        set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    }
}

#[cfg(not(target_os = "linux"))]
fn allow_fragments(_socket: &UdpSocket, _v6: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Ready;
    use std::time::Duration;

    struct World {
        port: UdpPort,
        poller: Poller,
        scratch: Scratch,
        arrivals: VecDeque<Arrival>,
    }

    fn world() -> World {
        let port = UdpPort::bind(ListenerId(3), "127.0.0.1:0".parse().unwrap()).unwrap();
        let poller = Poller::new().unwrap();
        port.watch(&poller).unwrap();
        World { port, poller, scratch: Scratch::new(), arrivals: VecDeque::new() }
    }

    impl World {
        fn next(&mut self) -> Input {
            let mut ready = Ready::default();
            while self.arrivals.is_empty() {
                self.poller.wait(&mut ready, Some(Duration::from_secs(20))).unwrap();
                assert_eq!(ready.names, [3]);
                self.port.receive(&mut self.scratch, &mut self.arrivals);
            }
            match self.arrivals.pop_front().unwrap() {
                Arrival::Input(input) => input,
                other => panic!("{other:?}"),
            }
        }

        fn flow(&self, remote: SocketAddr) -> Flow {
            Flow::Datagram { listener: ListenerId(3), local: self.port.local.ip(), remote }
        }
    }

    fn peer() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn each_datagram_arrives_alone_with_both_addresses() {
        let mut world = world();
        let (peer, address) = peer();
        for text in ["one", "two", "three"] {
            peer.send_to(text.as_bytes(), world.port.local).unwrap();
        }
        for text in ["one", "two", "three"] {
            let Input::Datagram { listener, local, remote, bytes } = world.next() else { panic!() };
            assert_eq!((listener, local), (ListenerId(3), world.port.local.ip()));
            assert_eq!((remote, &bytes[..]), (address, text.as_bytes()));
        }
    }

    #[test]
    fn what_waited_for_the_kernel_leaves_in_order() {
        let mut world = world();
        let (peer, address) = peer();
        let flow = world.flow(address);
        for text in ["one", "two"] {
            world.port.backlog.push_back((flow, Bytes::from(text)));
        }
        assert!(world.port.send(flow, Bytes::from_static(b"three")));
        assert!(!world.port.retry());
        let mut room = [0; 16];
        for text in ["one", "two", "three"] {
            let length = peer.recv(&mut room).unwrap();
            assert_eq!(&room[..length], text.as_bytes());
        }
    }

    #[test]
    fn a_port_where_nobody_listens_is_told_and_does_not_disturb_others() {
        let mut world = world();
        let gone = peer().1;
        let (peer, address) = peer();
        let (lost, found) = (world.flow(gone), world.flow(address));
        for _ in 0..3 {
            assert!(world.port.send(lost, Bytes::from_static(b"lost")));
            assert!(world.port.send(found, Bytes::from_static(b"found")));
        }
        for _ in 0..3 {
            let Input::SendFailed { flow } = world.next() else { panic!() };
            assert_eq!(flow, lost);
            assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 5);
        }
        let mut ready = Ready::default();
        world.poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.names.is_empty(), "the socket is still readable");
    }
}
