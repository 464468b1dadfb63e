//! Which of our addresses faces a peer.

use std::net::{IpAddr, SocketAddr};

use crate::border::{Interface, Listener, ListenerId, Transport};

/// The port of a SIP URI or Via that names none (RFC 3261 §18.1.1, §19.1.2).
pub(crate) const DEFAULT_PORT: u16 = 5060;

/// The sockets that are bound and the addresses of the host.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Listeners {
    bound: Vec<Listener>,
    interfaces: Vec<Interface>,
}

impl Listeners {
    pub(super) fn new(bound: Vec<Listener>, interfaces: Vec<Interface>) -> Self {
        Self { bound, interfaces }
    }

    /// Other sockets are bound from now on.
    pub(super) fn replace(&mut self, bound: Vec<Listener>) {
        self.bound = bound;
    }

    /// The port of a listener; that of SIP for one that is gone.
    pub(super) fn port(&self, id: ListenerId) -> u16 {
        self.bound.iter().find(|l| l.id == id).map_or(DEFAULT_PORT, |l| l.local.port())
    }

    /// Whether connections are accepted.
    pub(super) fn has(&self, transport: Transport) -> bool {
        self.bound.iter().any(|l| l.transport == transport)
    }

    /// The listener for `transport` that faces `remote` best, and our address and port as `remote` sees them.
    pub(super) fn facing(&self, transport: Transport, remote: IpAddr) -> Option<(ListenerId, SocketAddr)> {
        let mut best: Option<(u8, ListenerId, SocketAddr)> = None;
        for listener in self.bound.iter().filter(|l| l.transport == transport) {
            let Some((rank, address)) = self.local(listener.local.ip(), remote) else { continue };
            if best.is_none_or(|(highest, ..)| rank > highest) {
                best = Some((rank, listener.id, SocketAddr::new(address, listener.local.port())));
            }
        }
        best.map(|(_, id, local)| (id, local))
    }

    /// Our address and port for a stream to `remote` that no listener faces: nobody can connect back.
    pub(super) fn unreachable(&self, remote: IpAddr) -> SocketAddr {
        let any = if remote.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        SocketAddr::new(self.local(any, remote).map_or(any, |(_, address)| address), DEFAULT_PORT)
    }

    /// How well a socket bound to `bound` faces `remote`, and with which address. `None` when it cannot at all.
    fn local(&self, bound: IpAddr, remote: IpAddr) -> Option<(u8, IpAddr)> {
        if bound.is_ipv4() != remote.is_ipv4() {
            return None;
        }
        if !bound.is_unspecified() {
            return Some((self.rank(bound, remote)?, bound));
        }
        let mut best: Option<(u8, IpAddr)> = None;
        for interface in self.interfaces.iter().filter(|i| i.address.is_ipv4() == remote.is_ipv4()) {
            let Some(rank) = self.rank(interface.address, remote) else { continue };
            if best.is_none_or(|(highest, _)| rank > highest) {
                best = Some((rank, interface.address));
            }
        }
        // A host always has its loopback addresses, listed or not.
        match best {
            None | Some((0, _)) if remote.is_loopback() => Some((u8::MAX, remote)),
            best => best,
        }
    }

    /// How well `local` faces `remote`: the length of the network prefix they share, or a little when they share
    /// none. Loopback reaches only loopback, link-local only link-local.
    fn rank(&self, local: IpAddr, remote: IpAddr) -> Option<u8> {
        if local == remote {
            return Some(u8::MAX);
        }
        if (local.is_loopback() && !remote.is_loopback()) || (is_link_local(local) && !is_link_local(remote))
        {
            return None;
        }
        let shared =
            self.interfaces.iter().filter(|i| i.address == local && i.covers(remote)).map(|i| i.prefix).max();
        let loopback = (local.is_loopback() && remote.is_loopback()).then_some(8);
        Some(shared.max(loopback).map_or(0, |prefix| prefix.saturating_add(1)))
    }
}

impl Interface {
    /// Whether `address` is in this interface's network.
    fn covers(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let host = 32_u32.saturating_sub(u32::from(self.prefix));
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(host).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let host = 128_u32.saturating_sub(u32::from(self.prefix));
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(host).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(bound: &[(Transport, &str)], interfaces: &[(&str, u8)]) -> Listeners {
        let bound = bound.iter().zip(0..).map(|((transport, local), n)| Listener {
            id: ListenerId(n),
            transport: *transport,
            local: local.parse().unwrap(),
        });
        let interfaces = interfaces
            .iter()
            .map(|(address, prefix)| Interface { address: address.parse().unwrap(), prefix: *prefix });
        Listeners::new(bound.collect(), interfaces.collect())
    }

    fn facing(listeners: &Listeners, remote: &str) -> Option<String> {
        let found = listeners.facing(Transport::Udp, remote.parse().unwrap());
        found.map(|(id, local)| format!("{} {local}", id.0))
    }

    const HOST: &[(&str, u8)] = &[
        ("127.0.0.1", 8),
        ("192.168.1.50", 24),
        ("10.0.0.9", 8),
        ("10.1.0.9", 16),
        ("fe80::1", 64),
        ("2001:db8::1", 64),
    ];

    #[test]
    fn a_wildcard_listener_shows_the_address_in_the_network_of_the_peer() {
        let listeners = listeners(&[(Transport::Udp, "0.0.0.0:5060"), (Transport::Udp, "[::]:5062")], HOST);
        let cases = [
            ("192.168.1.77", "0 192.168.1.50:5060"),
            ("10.7.7.7", "0 10.0.0.9:5060"),
            ("10.1.7.7", "0 10.1.0.9:5060"),
            ("127.0.0.1", "0 127.0.0.1:5060"),
            ("127.0.0.2", "0 127.0.0.1:5060"),
            ("203.0.113.1", "0 192.168.1.50:5060"),
            ("2001:db8::9", "1 [2001:db8::1]:5062"),
            ("2001:db8:9::9", "1 [2001:db8::1]:5062"),
            ("fe80::9", "1 [fe80::1]:5062"),
            ("::1", "1 [::1]:5062"),
        ];
        for (remote, local) in cases {
            assert_eq!(facing(&listeners, remote).as_deref(), Some(local), "{remote}");
        }
    }

    #[test]
    fn the_listener_nearest_to_the_peer_is_taken() {
        let bound = [
            (Transport::Tcp, "192.168.1.50:5060"),
            (Transport::Udp, "127.0.0.1:5060"),
            (Transport::Udp, "192.168.1.50:5070"),
            (Transport::Udp, "10.1.0.9:5080"),
        ];
        let listeners = listeners(&bound, HOST);
        assert_eq!(facing(&listeners, "127.0.0.1").as_deref(), Some("1 127.0.0.1:5060"));
        assert_eq!(facing(&listeners, "10.1.2.3").as_deref(), Some("3 10.1.0.9:5080"));
        assert_eq!(facing(&listeners, "203.0.113.1").as_deref(), Some("2 192.168.1.50:5070"));
        assert_eq!(facing(&listeners, "2001:db8::9"), None);
    }

    #[test]
    fn a_loopback_listener_faces_nobody_outside() {
        let listeners = listeners(&[(Transport::Udp, "127.0.0.1:5060")], HOST);
        assert_eq!(facing(&listeners, "192.168.1.77"), None);
        assert_eq!(facing(&listeners, "127.0.0.9").as_deref(), Some("0 127.0.0.1:5060"));
    }

    #[test]
    fn prefixes_of_zero_and_all_bits_are_no_trap() {
        let interface = |prefix| Interface { address: IpAddr::from([10, 0, 0, 1]), prefix };
        assert!(interface(0).covers(IpAddr::from([203, 0, 113, 1])));
        assert!(interface(32).covers(IpAddr::from([10, 0, 0, 1])));
        assert!(!interface(32).covers(IpAddr::from([10, 0, 0, 2])));
        assert!(interface(200).covers(IpAddr::from([10, 0, 0, 1])));
    }
}
