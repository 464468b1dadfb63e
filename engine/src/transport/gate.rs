//! What one source address may cost before it is asked to wait.
//!
//! Three things are bounded. *Noise* (what cannot be understood) is always dropped; the allowance is for answering it
//! and for telling people. *New requests*, those that open a server transaction, are limited for strangers only: a
//! source of which a request was accepted once is known, and may go as fast as the machine. *Room*: a source that
//! holds most of the transactions may not take the last of them. Messages inside a transaction are never counted, so
//! that what was let in can end. Sources are IPv4 addresses and IPv6 /64 networks.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::index::Index;
use crate::limits;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// A token bucket, kept as the moment when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bucket {
    full: Instant,
}

impl Bucket {
    /// Takes one token out of a bucket that holds `burst` and gains one `every` so often. False when it is empty.
    fn take(&mut self, now: Instant, every: Duration, burst: u32) -> bool {
        let full = self.full.max(now);
        if full.since(now) >= every.saturating_mul(burst) {
            return false;
        }
        self.full = full + every;
        true
    }
}

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Source {
    noise: Bucket,
    requests: Bucket,
    known: bool,
}

/// What is known of the sources heard lately. The oldest is forgotten for a new one.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gate {
    sources: Index<IpAddr, Source>,
    oldest: VecDeque<IpAddr>,
    reports: Bucket,
}

impl Gate {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { sources: Index::new(rng), oldest: VecDeque::new(), reports: Bucket::default() }
    }

    pub(super) fn rekey(&mut self, rng: &mut Rng) {
        self.sources.rekey(rng);
    }

    /// Whether something that cannot be understood may be answered.
    pub(super) fn noise(&mut self, now: Instant, source: IpAddr) -> bool {
        self.source(source).noise.take(now, limits::NOISE_EVERY, limits::NOISE_BURST)
    }

    /// Whether one more request may open a transaction.
    pub(super) fn request(&mut self, now: Instant, source: IpAddr) -> bool {
        let source = self.source(source);
        source.known || source.requests.take(now, limits::STRANGER_EVERY, limits::STRANGER_BURST)
    }

    /// From now on a source is known: a request of its was accepted.
    pub(super) fn know(&mut self, source: IpAddr) {
        self.source(source).known = true;
    }

    /// Whether people may be told one more time.
    pub(super) fn report(&mut self, now: Instant) -> bool {
        self.reports.take(now, limits::REPORT_EVERY, limits::REPORT_BURST)
    }

    fn source(&mut self, address: IpAddr) -> &mut Source {
        let address = network(address);
        if self.sources.get(&address).is_none() {
            if self.oldest.len() >= limits::SOURCES
                && let Some(oldest) = self.oldest.pop_front()
            {
                self.sources.remove(&oldest);
            }
            self.oldest.push_back(address);
        }
        self.sources.or_default(address)
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber has to choose from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
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
        let burst = (0..limits::STRANGER_BURST * 2).filter(|_| gate.request(now, address(1))).count();
        assert_eq!(burst, limits::STRANGER_BURST as usize);
        assert!(gate.request(now, address(2)));
        let later = now + limits::STRANGER_EVERY * 10;
        assert_eq!((0..100).filter(|_| gate.request(later, address(1))).count(), 10);
    }

    #[test]
    fn a_known_source_has_no_rate() {
        let mut gate = gate();
        gate.know(address(1));
        assert!((0..limits::STRANGER_BURST * 4).all(|_| gate.request(Instant::ZERO, address(1))));
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
        assert_eq!((gate.sources.len(), gate.oldest.len()), (limits::SOURCES, limits::SOURCES));
        assert!(!gate.source(address(0)).known);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(parse("2001:db8:1:2::1")), network(parse("2001:db8:1:2:ffff::9")));
        assert_ne!(network(parse("2001:db8:1:2::1")), network(parse("2001:db8:1:3::1")));
        assert_eq!(network(parse("::ffff:10.0.0.1")), parse("10.0.0.1"));
    }
}
