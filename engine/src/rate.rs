//! How often something may happen: token buckets, and bounded tables of them. And what counts as one source.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;

use crate::index::Index;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// How much is allowed at once, and how often one more after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a long silence.
    pub burst: u32,
    /// One more is allowed after each such time.
    pub every: Duration,
}

impl Rate {
    /// A rate; neither value may be zero.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }
}

/// A token bucket, kept as the moment when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Bucket {
    full: Instant,
}

impl Bucket {
    /// How long it takes until there is a token; zero when there is one.
    pub(crate) fn wait(self, now: Instant, rate: Rate) -> Duration {
        let most = rate.every.saturating_mul(rate.burst.saturating_sub(1));
        self.full.since(now).saturating_sub(most)
    }

    /// Takes one token. False when there is none.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let taken = self.wait(now, rate).is_zero();
        if taken {
            self.full = self.full.max(now) + rate.every;
        }
        taken
    }
}

/// Values by key for a bounded number of keys that a peer may choose. The oldest key is forgotten for a new one.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "K: serde::Serialize + Ord, V: serde::Serialize",
        deserialize = "K: serde::Deserialize<'de> + Hash + Eq, V: serde::Deserialize<'de>"
    ))
)]
pub(crate) struct Recent<K, V> {
    values: Index<K, V>,
    oldest: VecDeque<K>,
    room: usize,
}

impl<K: Hash + Eq + Clone, V: Default> Recent<K, V> {
    /// Hashes with a new key from now on.
    pub(crate) fn rekey(&mut self, rng: &mut Rng) {
        self.values.rekey(rng);
    }

    /// Room for this many keys.
    pub(crate) fn new(rng: &mut Rng, room: usize) -> Self {
        Self { values: Index::new(rng), oldest: VecDeque::new(), room }
    }

    /// The value of a key that is remembered.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key)
    }

    /// The value of a key; a default one is added when it is not remembered.
    pub(crate) fn of(&mut self, key: &K) -> &mut V {
        if self.values.get(key).is_none() {
            if self.oldest.len() >= self.room
                && let Some(oldest) = self.oldest.pop_front()
            {
                self.values.remove(&oldest);
            }
            self.oldest.push_back(key.clone());
        }
        self.values.or_default(key.clone())
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.oldest.len()
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
    use proptest::{prop_assert, proptest};

    const RATE: Rate = Rate::new(3, Duration::from_secs(10));

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time() {
        let mut bucket = Bucket::default();
        let at = Instant::from_millis;
        assert_eq!((0..9).filter(|_| bucket.take(at(5), RATE)).count(), 3);
        assert_eq!(bucket.wait(at(5), RATE), RATE.every);
        assert!(!bucket.take(at(10_004), RATE));
        assert_eq!(bucket.wait(at(10_004), RATE), Duration::from_millis(1));
        assert!(bucket.take(at(10_005), RATE));
        assert!(!bucket.take(at(10_005), RATE));
        assert_eq!((0..9).filter(|_| bucket.take(at(90_000), RATE)).count(), 3, "no more than the burst");
    }

    proptest! {
        /// In any stretch of time no more is given than the burst and what was gained in it.
        #[test]
        fn no_stretch_of_time_is_given_more(waits in proptest::collection::vec(0u64..20_000, 1..60)) {
            let (mut bucket, mut now) = (Bucket::default(), Instant::ZERO);
            let mut taken = Vec::new();
            for wait in waits {
                now += Duration::from_millis(wait);
                if bucket.take(now, RATE) {
                    taken.push(now);
                }
            }
            for (i, first) in taken.iter().enumerate() {
                for (j, last) in taken.iter().enumerate().skip(i) {
                    let gained = last.since(*first).as_millis() / RATE.every.as_millis();
                    prop_assert!(((j - i) as u128) < gained + u128::from(RATE.burst));
                }
            }
        }
    }

    #[test]
    fn the_oldest_is_forgotten_for_a_new_one() {
        let mut recent = Recent::new(&mut Rng::new(Seed::from_number(1), Purpose::Hash), 3);
        for key in [1, 2, 3, 1, 4] {
            *recent.of(&key) += 1;
        }
        assert_eq!(recent.len(), 3);
        assert_eq!([1, 2, 3, 4].map(|key| recent.get(&key).copied()), [None, Some(1), Some(1), Some(1)]);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(parse("2001:db8:1:2::1")), network(parse("2001:db8:1:2:ffff::9")));
        assert_ne!(network(parse("2001:db8:1:2::1")), network(parse("2001:db8:1:3::1")));
        assert_eq!(network(parse("::ffff:10.0.0.1")), parse("10.0.0.1"));
    }
}
