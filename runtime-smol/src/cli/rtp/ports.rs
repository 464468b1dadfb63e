//! The sockets of a stream: RTP, and RTCP on the port above it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// Pairs tried before it is given up that one is free.
const TRIES: usize = 64;

/// The sockets of one stream. They never block.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) rtp: UdpSocket,
    /// There is none when its port is taken, or beyond the last.
    pub(super) rtcp: Option<UdpSocket>,
}

impl Pair {
    /// Any even port and the one above it, for packets to `destination`.
    pub(super) fn towards(destination: SocketAddr) -> Result<Self, String> {
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let bind = || -> io::Result<Self> {
            let mut rtp = UdpSocket::bind((any, 0))?;
            for _ in 0..TRIES {
                let port = rtp.local_addr()?.port();
                if port.is_multiple_of(2)
                    && let Ok(rtcp) = UdpSocket::bind((any, port + 1))
                {
                    return Ok(Self { rtp, rtcp: Some(rtcp) });
                }
                rtp = UdpSocket::bind((any, 0))?;
            }
            Ok(Self { rtp, rtcp: None })
        };
        let mut pair = bind().map_err(|e| format!("cannot open a socket: {e}"))?;
        let control = destination.port().checked_add(1);
        pair.rtp.connect(destination).map_err(|e| format!("cannot send to {destination}: {e}"))?;
        pair.rtcp = pair.rtcp.filter(|rtcp| {
            control.is_some_and(|port| rtcp.connect(SocketAddr::new(destination.ip(), port)).is_ok())
        });
        pair.ready()
    }

    /// This port of all addresses, and the one above it.
    pub(super) fn at(address: SocketAddr) -> Result<Self, String> {
        let rtp = UdpSocket::bind(address).map_err(|e| {
            let remedy = match e.kind() {
                io::ErrorKind::AddrInUse => ": another program has it; choose another with -p",
                io::ErrorKind::PermissionDenied => ": ports under 1024 are for the administrator",
                io::ErrorKind::AddrNotAvailable => ": this host does not have that address",
                _ => "",
            };
            format!("cannot listen on UDP {address}: {e}{remedy}")
        })?;
        let above = address.port().checked_add(1).map(|port| SocketAddr::new(address.ip(), port));
        Self { rtp, rtcp: above.and_then(|address| UdpSocket::bind(address).ok()) }.ready()
    }

    fn ready(self) -> Result<Self, String> {
        let all = std::iter::once(&self.rtp).chain(&self.rtcp);
        for socket in all {
            socket.set_nonblocking(true).map_err(|e| format!("cannot set up a socket: {e}"))?;
        }
        Ok(self)
    }

    /// Both sockets.
    pub(super) fn sockets(&self) -> Vec<&UdpSocket> {
        std::iter::once(&self.rtp).chain(&self.rtcp).collect()
    }
}

/// The address that `HOST:PORT` stands for.
pub(super) fn resolve(text: &str) -> Result<SocketAddr, String> {
    let hint = "write it as HOST:PORT, for example 192.168.1.100:10000";
    let mut found = text.to_socket_addrs().map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => format!("{text:?} is no destination: {hint}"),
        _ => format!("{text:?} is not found: {e}; {hint}"),
    })?;
    found.next().ok_or_else(|| format!("{text:?} has no address")).and_then(|address| match address.port() {
        0 => Err(format!("{text:?} has port 0: {hint}")),
        _ => Ok(address),
    })
}

/// Octets from the system's generator of randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|e| format!("the system has no randomness: {e}"))?;
    Ok(octets)
}
