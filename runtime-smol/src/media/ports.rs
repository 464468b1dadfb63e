//! The UDP sockets of one media shard.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};
use telex_engine::mediactl::PortId;

use crate::config::PortRange;

/// Expedited forwarding, as voice is marked (RFC 3246), in the octet that carries it.
const EXPEDITED: u32 = 46 << 2;

/// The sockets of a pair of ports between two shards, RTP first.
#[derive(Debug)]
pub(super) struct Pair {
    port: PortId,
    sockets: [UdpSocket; 2],
}

/// All sockets of a shard, found by port number, and the pairs it may still bind.
#[derive(Debug)]
pub(super) struct Ports {
    bind: IpAddr,
    first: u16,
    sockets: Vec<Option<UdpSocket>>,
    /// Even ports not tried yet, in the order they will be.
    untried: std::vec::IntoIter<u16>,
}

impl Ports {
    /// The share of shard `index` of `shards` in `range`: every `shards`th pair. The first pair to be bound is the one
    /// at `start`, counted round and round: what phones still send to the ports of a run that was broken off must not
    /// be heard in the calls of the next one.
    pub(super) fn new(bind: IpAddr, range: PortRange, index: usize, shards: usize, start: u32) -> Self {
        let mut untried: Vec<u16> = range.pairs().skip(index).step_by(shards.max(1)).collect();
        let start = usize::try_from(start).unwrap_or(0).checked_rem(untried.len()).unwrap_or(0);
        untried.rotate_left(start);
        let mut sockets = Vec::new();
        sockets.resize_with(usize::from(range.last - range.first) + 1, || None);
        Self { bind, first: range.first, sockets, untried: untried.into_iter() }
    }

    /// Binds up to `count` pairs, passing over ports that others hold, and calls `bound` for each socket.
    ///
    /// Errors when not even the first pair can be had for another reason than that others hold the ports.
    pub(super) fn bind(
        &mut self,
        count: u16,
        mut bound: impl FnMut(&UdpSocket, u16) -> io::Result<()>,
    ) -> io::Result<Vec<PortId>> {
        let mut pairs = Vec::with_capacity(usize::from(count));
        while pairs.len() < usize::from(count) {
            let Some(even) = self.untried.next() else { break };
            let pair = socket(self.bind, even)
                .and_then(|rtp| Ok([(rtp, even), (socket(self.bind, even + 1)?, even + 1)]));
            let pair = match pair {
                Ok(pair) => pair,
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => continue,
                Err(e) if pairs.is_empty() => return Err(e),
                Err(_) => break,
            };
            for (socket, port) in pair {
                bound(&socket, port)?;
                if let Some(place) = self.sockets.get_mut(usize::from(port - self.first)) {
                    *place = Some(socket);
                }
            }
            pairs.push(PortId(even));
        }
        Ok(pairs)
    }

    /// Takes a pair out, to be given to another shard; `leaves` is called for each socket.
    pub(super) fn give_away(&mut self, port: PortId, mut leaves: impl FnMut(&UdpSocket)) -> Option<Pair> {
        let place = usize::from(port.0.checked_sub(self.first)?);
        let [rtp, rtcp] = self.sockets.get_mut(place..place + 2)? else { return None };
        let sockets = [rtp.take()?, rtcp.take()?];
        sockets.iter().for_each(&mut leaves);
        Some(Pair { port, sockets })
    }

    /// Takes over a pair from another shard of the same range; `taken` is called for each socket.
    ///
    /// Errors when that fails; the socket sends nevertheless.
    pub(super) fn take_over(
        &mut self,
        pair: Pair,
        mut taken: impl FnMut(&UdpSocket, u16) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = Ok(());
        for (socket, port) in pair.sockets.into_iter().zip(pair.port.0..) {
            done = done.and(taken(&socket, port));
            if let Some(place) = self.sockets.get_mut(usize::from(port.saturating_sub(self.first))) {
                *place = Some(socket);
            }
        }
        done
    }

    /// The socket bound to `port`.
    pub(super) fn get(&self, port: u16) -> Option<&UdpSocket> {
        self.sockets.get(usize::from(port.checked_sub(self.first)?))?.as_ref()
    }

    /// `remote` as these sockets want it: on a socket for both families an IPv4 address is written as IPv6.
    pub(super) fn outward(&self, remote: SocketAddr) -> SocketAddr {
        match (self.bind, remote) {
            (IpAddr::V6(_), SocketAddr::V4(v4)) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            _ => remote,
        }
    }

    /// `remote` as everybody else writes it.
    pub(super) fn inward(&self, remote: SocketAddr) -> SocketAddr {
        match (self.bind, remote) {
            (IpAddr::V6(_), SocketAddr::V6(v6)) => SocketAddr::new(v6.ip().to_canonical(), v6.port()),
            _ => remote,
        }
    }
}

fn socket(bind: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(SocketAddr::new(bind, port)), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    match bind {
        IpAddr::V4(_) => socket.set_tos_v4(EXPEDITED).ok(),
        IpAddr::V6(address) => {
            socket.set_only_v6(address != Ipv6Addr::UNSPECIFIED)?;
            rustix::net::sockopt::set_ipv6_tclass(&socket, EXPEDITED).ok()
        }
    };
    socket.bind(&SocketAddr::new(bind, port).into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_range() -> PortRange {
        // Ports above the ephemeral ones of Linux, a different piece for each test run.
        let first = 61_000 + u16::try_from(std::process::id() % 400).unwrap() * 10;
        PortRange { first, last: first + 9 }
    }

    #[test]
    fn shards_share_the_range_and_pass_over_what_others_hold() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let range = free_range();
        let held = UdpSocket::bind((local, range.first + 5)).unwrap();
        let ports = |index| {
            let mut ports = Ports::new(local, range, index, 2, 0);
            let mut sockets = 0;
            let bound = ports.bind(100, |_, _| {
                sockets += 1;
                Ok(())
            });
            let offsets: Vec<_> = bound.unwrap().into_iter().map(|p| p.0 - range.first).collect();
            assert_eq!(sockets, offsets.len() * 2);
            offsets
        };
        assert_eq!(ports(0), [0, 8]);
        assert_eq!(ports(1), [2, 6]);
        drop(held);
    }

    #[test]
    fn a_socket_for_both_families_shows_ipv4_addresses_as_such() {
        let ports = Ports::new(Ipv6Addr::UNSPECIFIED.into(), PortRange { first: 2000, last: 2001 }, 0, 1, 7);
        let v4: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        assert_eq!(ports.outward(v4), "[::ffff:192.0.2.1]:4000".parse().unwrap());
        assert_eq!(ports.inward(ports.outward(v4)), v4);
    }
}
