//! A NAT box as RFC 4787 describes them: who shares a mapping, who may come in by it, and how long it lasts. A
//! pure table; [`sites`] says which phone is behind which box, [`alg`] what a box does to the messages inside.

pub(crate) mod alg;
pub(crate) mod sites;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use telex_engine::time::Instant;

use crate::plan::{Nat, Sameness};

/// Ports that a box gives out when it does not keep the phone's, or cannot.
const FIRST_PORT: u16 = 40_000;
const LAST_PORT: u16 = 60_999;

/// One box with its one public address.
#[derive(Clone, Debug)]
pub(crate) struct NatBox {
    plan: Nat,
    public: IpAddr,
    /// By public port. A mapping that is over stays until its port is wanted: it tells who was there.
    mappings: BTreeMap<u16, Mapping>,
    next: u16,
}

#[derive(Clone, Debug)]
struct Mapping {
    private: SocketAddr,
    /// For whom it is good, as far as the box cares: no address and no port for an endpoint-independent one.
    towards: Towards,
    /// To whom something was sent through it, and when a packet last passed.
    peers: Vec<(SocketAddr, Instant)>,
    /// Anybody may come in: an application layer gateway opened it.
    pinhole: bool,
    used: Instant,
    gone: bool,
}

type Towards = (Option<IpAddr>, Option<u16>);

fn towards(same: Sameness, remote: SocketAddr) -> Towards {
    match same {
        Sameness::Independent => (None, None),
        Sameness::Address => (Some(remote.ip()), None),
        Sameness::AddressAndPort => (Some(remote.ip()), Some(remote.port())),
    }
}

impl NatBox {
    /// A box without mappings.
    pub(crate) fn new(plan: Nat, public: IpAddr) -> Self {
        Self { plan, public, mappings: BTreeMap::new(), next: FIRST_PORT }
    }

    /// The address that the world sees.
    pub(crate) fn public(&self) -> IpAddr {
        self.public
    }

    /// What it does to SIP.
    pub(crate) fn plan(&self) -> &Nat {
        &self.plan
    }

    fn is_alive(&self, mapping: &Mapping, now: Instant) -> bool {
        !mapping.gone && now < mapping.used + self.plan.timeout
    }

    /// A datagram leaves for `remote`: the source address it has outside.
    pub(crate) fn outbound(&mut self, now: Instant, private: SocketAddr, remote: SocketAddr) -> SocketAddr {
        let wanted = towards(self.plan.mapping, remote);
        let fits = |m: &Mapping| m.private == private && (m.towards == wanted || m.pinhole);
        let known =
            self.mappings.iter().find(|(_, m)| fits(m) && self.is_alive(m, now)).map(|(port, _)| *port);
        let port = known.unwrap_or_else(|| self.open(now, private, wanted, false));
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            match mapping.peers.iter_mut().find(|(peer, _)| *peer == remote) {
                Some((_, at)) => *at = now,
                None => mapping.peers.push((remote, now)),
            }
        }
        SocketAddr::new(self.public, port)
    }

    /// A datagram comes in for a public port: the address behind it, if it is let in.
    pub(crate) fn inbound(&mut self, now: Instant, port: u16, from: SocketAddr) -> Option<SocketAddr> {
        let alive = self.mappings.get(&port).is_some_and(|m| self.is_alive(m, now));
        let (filtering, timeout) = (self.plan.filtering, self.plan.timeout);
        let mapping = self.mappings.get_mut(&port).filter(|_| alive)?;
        let fresh = |(peer, at): &&mut (SocketAddr, Instant)| {
            towards(filtering, *peer) == towards(filtering, from) && now < *at + timeout
        };
        let peer = mapping.peers.iter_mut().find(fresh);
        if filtering != Sameness::Independent && !mapping.pinhole && peer.is_none() {
            return None;
        }
        if self.plan.inbound_refreshes {
            mapping.used = now;
            if let Some((_, at)) = peer {
                *at = now;
            }
        }
        Some(mapping.private)
    }

    /// A datagram from inside to one of the box's own public ports (RFC 4787 §6): where it goes, and the source
    /// it has there.
    pub(crate) fn hairpin(
        &mut self,
        now: Instant,
        private: SocketAddr,
        port: u16,
    ) -> Option<(SocketAddr, SocketAddr)> {
        if !self.plan.hairpin {
            return None;
        }
        let source = self.outbound(now, private, SocketAddr::new(self.public, port));
        self.inbound(now, port, source).map(|to| (to, source))
    }

    /// An application layer gateway lets everybody in to `private`: the public port for it.
    pub(crate) fn pinhole(&mut self, now: Instant, private: SocketAddr) -> u16 {
        let known = self.mappings.iter().find(|(_, m)| m.private == private && self.is_alive(m, now));
        let port = known.map(|(port, _)| *port);
        let port = port.unwrap_or_else(|| self.open(now, private, (None, None), true));
        if let Some(mapping) = self.mappings.get_mut(&port) {
            (mapping.used, mapping.pinhole) = (now, true);
        }
        port
    }

    /// Power fails for a moment: nothing that was mapped is.
    pub(crate) fn reboot(&mut self) {
        self.mappings.values_mut().for_each(|m| m.gone = true);
    }

    /// Who has a public port now, or had it last.
    pub(crate) fn owner(&self, port: u16) -> Option<SocketAddr> {
        self.mappings.get(&port).map(|m| m.private)
    }

    fn open(&mut self, now: Instant, private: SocketAddr, towards: Towards, pinhole: bool) -> u16 {
        let taken = |port: u16| self.mappings.get(&port).is_some_and(|m| self.is_alive(m, now));
        let kept = Some(private.port()).filter(|port| self.plan.keeps_ports && !taken(*port));
        let port = kept.unwrap_or_else(|| {
            let range = (self.next..=LAST_PORT).chain(FIRST_PORT..self.next);
            range.into_iter().find(|port| !taken(*port)).unwrap_or(FIRST_PORT)
        });
        if kept.is_none() {
            // The next mapping gets another port, also after this one is over.
            self.next = if port >= LAST_PORT { FIRST_PORT } else { port + 1 };
        }
        let fresh = Mapping { private, towards, peers: Vec::new(), pinhole, used: now, gone: false };
        self.mappings.insert(port, fresh);
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PHONE: &str = "192.168.1.10:5060";
    const TWIN: &str = "192.168.1.11:5060";
    const A1: &str = "10.0.0.1:5060";
    const A2: &str = "10.0.0.1:7000";
    const B1: &str = "10.0.0.2:5060";

    fn sock(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(mapping: Sameness, filtering: Sameness) -> Nat {
        Nat { mapping, filtering, timeout: Duration::from_secs(30), ..Nat::default() }
    }

    fn a_box(plan: Nat) -> NatBox {
        NatBox::new(plan, "203.0.113.1".parse().unwrap())
    }

    const fn s(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    const ALL: [Sameness; 3] = [Sameness::Independent, Sameness::Address, Sameness::AddressAndPort];

    /// RFC 4787 §4.1: which destinations share a mapping.
    #[test]
    fn mapping_table() {
        let expected = [(true, true), (true, false), (false, false)];
        for (mapping, expected) in ALL.into_iter().zip(expected) {
            for filtering in ALL {
                let mut b = a_box(nat(mapping, filtering));
                let first = b.outbound(s(0), sock(PHONE), sock(A1));
                assert_eq!(b.outbound(s(1), sock(PHONE), sock(A1)), first, "same destination");
                let port = b.outbound(s(1), sock(PHONE), sock(A2)) == first;
                let host = b.outbound(s(1), sock(PHONE), sock(B1)) == first;
                assert_eq!((port, host), expected, "{mapping:?}");
                assert_ne!(b.outbound(s(1), sock(TWIN), sock(A1)), first, "another phone");
            }
        }
    }

    /// RFC 4787 §5: who may come in by a mapping that was opened towards `A1`.
    #[test]
    fn filtering_table() {
        let expected = [[true, true, true], [true, true, false], [true, false, false]];
        for (filtering, expected) in ALL.into_iter().zip(expected) {
            for mapping in ALL {
                let mut b = a_box(nat(mapping, filtering));
                let public = b.outbound(s(0), sock(PHONE), sock(A1));
                let let_in = [A1, A2, B1].map(|from| b.inbound(s(1), public.port(), sock(from)).is_some());
                assert_eq!(let_in, expected, "{filtering:?}");
                assert_eq!(b.inbound(s(1), public.port() + 1, sock(A1)), None, "nobody mapped that port");
            }
        }
    }

    #[test]
    fn a_mapping_lasts_as_long_as_something_passes() {
        for inbound_refreshes in [false, true] {
            let plan = Nat { inbound_refreshes, ..nat(Sameness::Independent, Sameness::AddressAndPort) };
            let mut b = a_box(plan);
            let public = b.outbound(s(0), sock(PHONE), sock(A1));
            assert_eq!(b.inbound(s(29), public.port(), sock(A1)), Some(sock(PHONE)));
            // Silence from inside since 0 s; whether what came in at 29 s counted decides.
            assert_eq!(b.inbound(s(31), public.port(), sock(A1)).is_some(), inbound_refreshes);
            let again = b.outbound(s(50), sock(PHONE), sock(A1));
            assert_eq!(again == public, inbound_refreshes, "a mapping that is over is made anew");
            assert_eq!(b.inbound(s(79), again.port(), sock(A1)), Some(sock(PHONE)));
        }
    }

    #[test]
    fn a_filter_entry_grows_old_by_itself() {
        let mut b = a_box(nat(Sameness::Independent, Sameness::AddressAndPort));
        let public = b.outbound(s(0), sock(PHONE), sock(A1));
        b.outbound(s(20), sock(PHONE), sock(B1));
        assert!(b.inbound(s(40), public.port(), sock(B1)).is_some());
        assert_eq!(b.inbound(s(40), public.port(), sock(A1)), None);
    }

    #[test]
    fn a_reboot_closes_everything_and_gives_new_ports() {
        let mut b = a_box(nat(Sameness::Independent, Sameness::Independent));
        let old = b.outbound(s(0), sock(PHONE), sock(A1));
        b.reboot();
        assert_eq!(b.inbound(s(1), old.port(), sock(A1)), None);
        assert_eq!(b.owner(old.port()), Some(sock(PHONE)));
        assert_ne!(b.outbound(s(1), sock(PHONE), sock(A1)), old);
    }

    #[test]
    fn a_port_is_kept_for_the_first_who_has_it() {
        let mut b = a_box(Nat { keeps_ports: true, ..nat(Sameness::Independent, Sameness::Independent) });
        assert_eq!(b.outbound(s(0), sock(PHONE), sock(A1)).port(), 5060);
        assert_eq!(b.outbound(s(0), sock(TWIN), sock(A1)).port(), FIRST_PORT);
        assert_eq!(b.outbound(s(29), sock(TWIN), sock(A1)).port(), FIRST_PORT);
        // The first one's mapping is over: whoever comes next gets its port.
        assert_eq!(b.outbound(s(31), sock("192.168.1.12:5060"), sock(A1)).port(), 5060);
        assert_eq!(b.owner(5060), Some(sock("192.168.1.12:5060")));
    }

    /// A and B behind one box; A sends to B's public port.
    #[test]
    fn hairpin_table() {
        for (hairpin, filtering, spoken, arrives) in [
            (false, Sameness::Independent, false, false),
            (true, Sameness::Independent, false, true),
            // B has sent to the box's address, though not to A's port.
            (true, Sameness::Address, true, true),
            (true, Sameness::Address, false, false),
            (true, Sameness::AddressAndPort, false, false),
        ] {
            let mut b = a_box(Nat { hairpin, ..nat(Sameness::Independent, filtering) });
            let to = b.outbound(s(0), sock(TWIN), sock(A1));
            if spoken {
                b.outbound(s(0), sock(TWIN), SocketAddr::new(b.public(), 1));
            }
            let passed = b.hairpin(s(1), sock(PHONE), to.port());
            assert_eq!(passed.is_some(), arrives, "{hairpin} {filtering:?} {spoken}");
            if let Some((to, source)) = passed {
                assert_eq!((to, source.ip()), (sock(TWIN), b.public()), "the source is the public one");
            }
        }
    }

    #[test]
    fn a_pinhole_lets_anybody_in_and_serves_every_destination() {
        let mut b = a_box(nat(Sameness::AddressAndPort, Sameness::AddressAndPort));
        let port = b.pinhole(s(0), sock(PHONE));
        assert_eq!(b.inbound(s(1), port, sock(B1)), Some(sock(PHONE)));
        assert_eq!(b.outbound(s(1), sock(PHONE), sock(A1)).port(), port);
        assert_eq!(b.outbound(s(1), sock(PHONE), sock(B1)).port(), port);
        assert_eq!(b.pinhole(s(2), sock(PHONE)), port);
    }
}
