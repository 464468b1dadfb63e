//! What one source address may cost before it is asked to wait.
//!
//! Three things are bounded. *Noise* (what cannot be understood) is always dropped; the allowance is for answering it
//! and for telling people. *New requests*, those that open a server transaction, are limited for strangers only: a
//! source of which a request was accepted once is known, and may go as fast as the machine. *Room*: a source that
//! holds most of the transactions may not take the last of them. Messages inside a transaction are never counted, so
//! that what was let in can end. Sources are IPv4 addresses and IPv6 /64 networks.
//!
//! While there is more to do than time, datagrams of strangers over a small rate are dropped unread: then a flood from
//! some addresses costs hardly more than the kernel's part of it, whatever it consists of.

use std::net::IpAddr;

use crate::limits;
use crate::rate::{Bucket, Recent, network};
use crate::rng::Rng;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Source {
    noise: Bucket,
    requests: Bucket,
    /// Datagrams while there is more to do than time.
    crowd: Bucket,
}

/// What is known of the sources heard lately. The oldest is forgotten for a new one, but no stranger makes a known
/// source be forgotten.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gate {
    sources: Recent<IpAddr, Source>,
    known: Recent<IpAddr, bool>,
    reports: Bucket,
    load_reports: Bucket,
}

impl Gate {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            sources: Recent::new(rng, limits::SOURCES),
            known: Recent::new(rng, limits::KNOWN_ADDRESSES),
            reports: Bucket::default(),
            load_reports: Bucket::default(),
        }
    }

    pub(super) fn rekey(&mut self, rng: &mut Rng) {
        self.sources.rekey(rng);
        self.known.rekey(rng);
    }

    /// Whether something that cannot be understood may be answered.
    pub(super) fn noise(&mut self, now: Instant, source: IpAddr) -> bool {
        self.source(source).noise.take(now, limits::NOISE)
    }

    /// Whether one more request may open a transaction.
    pub(super) fn request(&mut self, now: Instant, source: IpAddr) -> bool {
        self.knows(source) || self.source(source).requests.take(now, limits::STRANGERS)
    }

    /// Whether a datagram is worth a look while there is more to do than time.
    pub(super) fn crowd(&mut self, now: Instant, source: IpAddr) -> bool {
        self.knows(source) || self.source(source).crowd.take(now, limits::CROWD)
    }

    /// Whether a request of this source was accepted before.
    pub(super) fn knows(&self, source: IpAddr) -> bool {
        self.known.get(&network(source)).is_some()
    }

    /// From now on a source is known: a request of its was accepted, or it answered one of ours.
    pub(super) fn know(&mut self, source: IpAddr) {
        *self.known.of(&network(source)) = true;
    }

    /// How many strangers are remembered, and how many known sources.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.sources.len(), self.known.len())
    }

    /// Whether people may be told one more time.
    pub(super) fn report(&mut self, now: Instant) -> bool {
        self.reports.take(now, limits::REPORTS)
    }

    /// Whether people may be told one more time that there is more to do than time.
    pub(super) fn report_load(&mut self, now: Instant) -> bool {
        self.load_reports.take(now, limits::LOAD_REPORTS)
    }

    fn source(&mut self, address: IpAddr) -> &mut Source {
        self.sources.of(&network(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Seed};

    fn gate() -> Gate {
        Gate::new(&mut Rng::new(Seed::from_number(1), Purpose::Hash))
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn a_stranger_is_held_to_the_rate_and_its_neighbour_is_not() {
        let mut gate = gate();
        let now = Instant::from_millis(5);
        let burst = (0..limits::STRANGERS.burst * 2).filter(|_| gate.request(now, address(1))).count();
        assert_eq!(burst, limits::STRANGERS.burst as usize);
        assert!(gate.request(now, address(2)));
        let later = now + limits::STRANGERS.every * 10;
        assert_eq!((0..100).filter(|_| gate.request(later, address(1))).count(), 10);
    }

    #[test]
    fn a_known_source_has_no_rate() {
        let mut gate = gate();
        gate.know(address(1));
        assert!((0..limits::STRANGERS.burst * 4).all(|_| gate.request(Instant::ZERO, address(1))));
    }

    #[test]
    fn noise_does_not_use_up_the_requests_of_a_source() {
        let mut gate = gate();
        while gate.noise(Instant::ZERO, address(1)) {}
        assert!(gate.request(Instant::ZERO, address(1)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let mut gate = gate();
        gate.know(address(0));
        for n in 0..u32::try_from(limits::SOURCES).unwrap() + 10 {
            gate.request(Instant::ZERO, address(n));
        }
        assert_eq!(gate.len(), (limits::SOURCES, 1));
        assert!(gate.knows(address(0)), "strangers do not make it be forgotten");
        for n in 0..=u32::try_from(limits::KNOWN_ADDRESSES).unwrap() {
            gate.know(address(n));
        }
        assert_eq!(gate.len(), (limits::SOURCES, limits::KNOWN_ADDRESSES));
        assert!(!gate.knows(address(0)));
    }

    #[test]
    fn in_a_crowd_a_stranger_gets_little_and_a_known_source_everything() {
        let mut gate = gate();
        gate.know(address(1));
        assert!((0..1000).all(|_| gate.crowd(Instant::ZERO, address(1))));
        let looks = (0..1000).filter(|_| gate.crowd(Instant::ZERO, address(2))).count();
        assert_eq!(looks, limits::CROWD.burst as usize);
    }
}
