//! UDP listeners: many datagrams per system call in, each out at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use smol::Async;
use telex_engine::border::{Flow, Input, ListenerId};

use super::Arrival;

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
    socket: Async<UdpSocket>,
    state: UdpSocketState,
    /// Where it is bound.
    pub(super) local: SocketAddr,
    backlog: RefCell<VecDeque<(Flow, Bytes)>>,
    /// Whether a send was told of an error that still waits in the socket's queue of errors.
    complaints: Cell<bool>,
    /// Whether the socket may have more to take.
    readable: Cell<bool>,
}

impl UdpPort {
    /// Binds to `address`, of whose family it will be alone.
    pub(super) fn bind(id: ListenerId, address: SocketAddr) -> io::Result<Rc<Self>> {
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
        Ok(Rc::new(Self {
            id,
            socket: Async::new(socket)?,
            state,
            local,
            backlog: RefCell::default(),
            complaints: Cell::new(false),
            readable: Cell::new(true),
        }))
    }

    /// Sends a datagram, now or when the kernel has room. False when it cannot be sent at all.
    pub(super) fn send(&self, flow: Flow, bytes: Bytes) -> bool {
        let mut backlog = self.backlog.borrow_mut();
        if backlog.is_empty() {
            match self.try_send(flow, &bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent.is_ok(),
            }
        }
        if backlog.len() < BACKLOG {
            backlog.push_back((flow, bytes));
        }
        true
    }

    /// Whether datagrams wait, for which [`UdpPort::drain`] must run.
    pub(super) fn is_blocked(&self) -> bool {
        !self.backlog.borrow().is_empty()
    }

    /// Sends what waits as the kernel takes it.
    pub(super) async fn drain(self: Rc<Self>) {
        loop {
            let next = self.backlog.borrow().front().cloned();
            let Some((flow, bytes)) = next else { return };
            match self.try_send(flow, &bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.writable().await.is_err() {
                        return;
                    }
                }
                _ => drop(self.backlog.borrow_mut().pop_front()),
            }
        }
    }

    fn try_send(&self, flow: Flow, bytes: &[u8]) -> io::Result<()> {
        let Flow::Datagram { local, remote, .. } = flow else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let src_ip = self.local.ip().is_unspecified().then_some(local);
        let datagram =
            Transmit { destination: remote, ecn: None, contents: bytes, segment_size: None, src_ip };
        let send = || self.state.try_send(self.socket.get_ref().into(), &datagram);
        let mut sent = send();
        for _ in 0..3 {
            // What the kernel says may concern an earlier datagram to somebody else; having said it, it goes on.
            match &sent {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => self.complaints.set(true),
                _ => break,
            }
            sent = send();
        }
        sent
    }

    /// Appends what has arrived to `arrivals`, one batch at most. Pending when there is nothing; then the task is woken
    /// when there is.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        arrivals: &mut VecDeque<Arrival>,
    ) -> Poll<()> {
        loop {
            if self.readable.get() {
                let before = arrivals.len();
                // A batch that is not full has emptied the socket, which saves the question whether there is more.
                self.readable.set(self.take(scratch, arrivals));
                if arrivals.len() > before {
                    return Poll::Ready(());
                }
            }
            match self.socket.poll_readable(cx) {
                Poll::Ready(Ok(())) => self.readable.set(true),
                _ => return Poll::Pending,
            }
        }
    }

    /// Takes one batch. True when there may be more.
    fn take(&self, scratch: &mut Scratch, arrivals: &mut VecDeque<Arrival>) -> bool {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut chunks = scratch.0.chunks_exact_mut(ROOM);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        match self.state.recv(self.socket.get_ref().into(), &mut slices, &mut metas) {
            Ok(count) => {
                for (meta, slice) in metas.iter().zip(&slices).take(count) {
                    let local = meta.dst_ip.filter(|ip| !ip.is_unspecified()).unwrap_or(self.local.ip());
                    let octets = slice.get(..meta.len).unwrap_or_default();
                    arrivals.extend(octets.chunks(meta.stride.max(1)).map(|datagram| {
                        let bytes = Bytes::copy_from_slice(datagram);
                        let remote = meta.addr;
                        Arrival::Input(Input::Datagram { listener: self.id, local, remote, bytes })
                    }));
                }
                count == BATCH
            }
            // While complaints are waiting the socket counts as readable, so that they must be taken.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !self.complaints.get() => false,
            Err(_) => {
                self.take_errors(arrivals);
                true
            }
        }
    }

    /// Takes what the network said about datagrams that found nobody.
    fn take_errors(&self, arrivals: &mut VecDeque<Arrival>) {
        self.complaints.set(false);
        for remote in unreachable(self.socket.get_ref()) {
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
    use smol::future::poll_fn;

    struct World {
        port: Rc<UdpPort>,
        scratch: Scratch,
        arrivals: VecDeque<Arrival>,
    }

    fn world() -> World {
        let port = UdpPort::bind(ListenerId(3), "127.0.0.1:0".parse().unwrap()).unwrap();
        World { port, scratch: Scratch::new(), arrivals: VecDeque::new() }
    }

    impl World {
        fn next(&mut self) -> Input {
            while self.arrivals.is_empty() {
                let Self { port, scratch, arrivals } = self;
                smol::block_on(poll_fn(|cx| port.poll_receive(cx, scratch, arrivals)));
            }
            match self.arrivals.pop_front().unwrap() {
                Arrival::Input(input) => input,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn each_datagram_arrives_alone_with_both_addresses() {
        let mut world = world();
        let port = Rc::clone(&world.port);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for text in ["one", "two", "three"] {
            peer.send_to(text.as_bytes(), port.local).unwrap();
        }
        for text in ["one", "two", "three"] {
            let Input::Datagram { listener, local, remote, bytes } = world.next() else { panic!() };
            assert_eq!((listener, local), (ListenerId(3), port.local.ip()));
            assert_eq!((remote, &bytes[..]), (peer.local_addr().unwrap(), text.as_bytes()));
        }
    }

    #[test]
    fn what_waited_for_the_kernel_leaves_in_order() {
        let port = world().port;
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = peer.local_addr().unwrap();
        let flow = Flow::Datagram { listener: ListenerId(3), local: port.local.ip(), remote };
        for text in ["one", "two"] {
            port.backlog.borrow_mut().push_back((flow, Bytes::from(text)));
        }
        assert!(port.is_blocked() && port.send(flow, Bytes::from_static(b"three")));
        smol::block_on(Rc::clone(&port).drain());
        assert!(!port.is_blocked());
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let mut room = [0; 16];
        for text in ["one", "two", "three"] {
            let length = peer.recv(&mut room).unwrap();
            assert_eq!(&room[..length], text.as_bytes());
        }
    }

    #[test]
    fn a_port_where_nobody_listens_is_told_and_does_not_disturb_others() {
        let mut world = world();
        let port = Rc::clone(&world.port);
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = |remote| Flow::Datagram { listener: ListenerId(3), local: port.local.ip(), remote };
        for _ in 0..3 {
            assert!(port.send(to(gone), Bytes::from_static(b"lost")));
            assert!(port.send(to(peer.local_addr().unwrap()), Bytes::from_static(b"found")));
        }
        let Input::SendFailed { flow } = world.next() else { panic!() };
        assert_eq!(flow, to(gone));
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        for _ in 0..3 {
            assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 5);
        }
    }
}
