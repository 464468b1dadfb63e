//! Facts about this host.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use if_addrs::IfAddr;
use rustix::process::{Resource, getrlimit, setrlimit};
use telex_engine::border::Interface;

/// Addresses of this host: those that traffic to the world leaves from first, loopback last.
pub(crate) fn interfaces() -> Vec<Interface> {
    let preferred = ["192.0.2.1:9", "[2001:db8::1]:9"].map(|far| far.parse().ok().and_then(address_towards));
    let mut found: Vec<Interface> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .map(|i| match &i.addr {
            IfAddr::V4(a) => Interface { address: a.ip.into(), prefix: a.prefixlen },
            IfAddr::V6(a) => Interface { address: a.ip.into(), prefix: a.prefixlen },
        })
        // Link-local addresses are of no use without the name of the link, for which SDP has no place.
        .filter(|i| !matches!(i.address, IpAddr::V6(a) if a.is_unicast_link_local()))
        .collect();
    found.sort_by_key(|i| {
        (!preferred.contains(&Some(i.address)), i.address.is_loopback(), i.address.is_ipv6())
    });
    found
}

/// The address of ours that traffic to `remote` leaves from. Sends nothing.
pub(super) fn address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any = SocketAddr::from(match remote {
        SocketAddr::V4(_) => ("0.0.0.0".parse::<IpAddr>().ok()?, 0),
        SocketAddr::V6(_) => ("::".parse::<IpAddr>().ok()?, 0),
    });
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Allows this process as many open files as it may have, and says how many that is: each call takes up to eight, each
/// TCP phone one.
pub(super) fn raise_file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What stays low is met when a socket cannot be opened.
    let _ = setrlimit(Resource::Nofile, limit);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_and_comes_last() {
        let all = interfaces();
        let first_loopback =
            all.iter().position(|i| i.address.is_loopback()).expect("every host has loopback");
        assert!(all[first_loopback..].iter().all(|i| i.address.is_loopback()), "{all:?}");
        assert_eq!(address_towards("127.0.0.1:9".parse().unwrap()), Some("127.0.0.1".parse().unwrap()));
    }
}
