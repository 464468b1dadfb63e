//! Slows the guessing of passwords without shutting owners out.
//!
//! Only wrong credentials count; a request without any is no guess. Credentials over a rate are not looked at, so that
//! a guesser learns nothing from them, whether the name exists or not.
//!
//! A *stranger*, a source that never had the right credentials of the extension it names, is held to three rates: its
//! own for that name, its own for all names, and that of the name for all strangers. The first two keep one source from
//! using up the third. A source that had the right credentials before is *known* for the extension and is held to a
//! rate of its own that no stranger can use up; and the very port which had them last to another one, so that its
//! neighbours behind the same address cannot shut it out either.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

use crate::index::HashKey;
use crate::limits;
use crate::rate::{Bucket, Recent, network};
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// A name as it was given, whatever its length. The key of the hash is secret.
type Name = u64;

/// A source that had the right credentials.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Known {
    /// Where the latest came from.
    peer: SocketAddr,
    /// Wrong ones from there.
    here: Bucket,
    /// Wrong ones from other ports and, with IPv6, addresses of the same source.
    near: Bucket,
}

/// Counts wrong credentials.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Guard {
    names_key: HashKey,
    /// By extension; who proved itself last stands last. No entry is empty.
    known: BTreeMap<SmolStr, SmallVec<[Known; 1]>>,
    pairs: Recent<(IpAddr, Name), Bucket>,
    sources: Recent<IpAddr, Bucket>,
    names: Recent<Name, Bucket>,
    reports: Bucket,
    slowed: u64,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("slowed", &self.slowed).finish_non_exhaustive()
    }
}

impl Guard {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            names_key: HashKey::new(rng),
            known: BTreeMap::new(),
            pairs: Recent::new(rng, limits::GUESSERS),
            sources: Recent::new(rng, limits::GUESSERS),
            names: Recent::new(rng, limits::GUESSERS),
            reports: Bucket::default(),
            slowed: 0,
        }
    }

    /// Hashes with new keys from now on. Names were kept as hashes only: who guessed which is forgotten.
    pub(super) fn rekey(&mut self, rng: &mut Rng) {
        self.names_key = HashKey::new(rng);
        self.pairs = Recent::new(rng, limits::GUESSERS);
        self.names = Recent::new(rng, limits::GUESSERS);
        self.sources.rekey(rng);
    }

    /// How long this source has to wait until its credentials for `user` are looked at again; zero when they are.
    pub(super) fn wait(&self, now: Instant, user: &str, source: SocketAddr) -> Duration {
        if let Some(known) = self.known(user, source) {
            let bucket = if known.peer == source { known.here } else { known.near };
            return bucket.wait(now, limits::GUESSES_OF_KNOWN);
        }
        let (network, name) = (network(source.ip()), self.name(user));
        let waits = [
            (self.pairs.get(&(network, name)), limits::GUESSES_OF_PAIR),
            (self.sources.get(&network), limits::GUESSES_OF_SOURCE),
            (self.names.get(&name), limits::GUESSES_OF_NAME),
        ];
        let waits = waits.into_iter().filter_map(|(bucket, rate)| Some(bucket?.wait(now, rate)));
        waits.max().unwrap_or_default()
    }

    /// Credentials were not looked at. True when people should be told.
    pub(super) fn slowed(&mut self, now: Instant) -> bool {
        self.slowed += 1;
        self.reports.take(now, limits::GUESS_REPORTS)
    }

    /// Credentials were wrong.
    pub(super) fn failed(&mut self, now: Instant, user: &str, source: SocketAddr) {
        if let Some(known) = self.known_mut(user, source) {
            let bucket = if known.peer == source { &mut known.here } else { &mut known.near };
            bucket.take(now, limits::GUESSES_OF_KNOWN);
            return;
        }
        let (network, name) = (network(source.ip()), self.name(user));
        self.pairs.of(&(network, name)).take(now, limits::GUESSES_OF_PAIR);
        self.sources.of(&network).take(now, limits::GUESSES_OF_SOURCE);
        self.names.of(&name).take(now, limits::GUESSES_OF_NAME);
    }

    /// Credentials of an extension that exists were right.
    pub(super) fn proved(&mut self, extension: &SmolStr, source: SocketAddr) {
        let mut proved = Known { peer: source, here: Bucket::default(), near: Bucket::default() };
        let Some(all) = self.known.get_mut(extension) else {
            self.known.insert(extension.clone(), smallvec![proved]);
            return;
        };
        let same = all.iter().position(|known| is_same(known.peer, source));
        if let Some(index) = same {
            let before = all.remove(index);
            proved.near = before.near;
            proved.here = if before.peer == source { before.here } else { Bucket::default() };
        } else if all.len() >= limits::KNOWN_SOURCES {
            all.remove(0);
        }
        all.push(proved);
    }

    /// Forgets extensions that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&SmolStr) -> bool) {
        self.known.retain(|extension, _| exists(extension));
    }

    /// How many entries the fullest of the tables has whose keys strangers choose.
    pub(super) fn len(&self) -> usize {
        self.pairs.len().max(self.sources.len()).max(self.names.len())
    }

    /// How many credentials were not looked at.
    pub(super) const fn count(&self) -> u64 {
        self.slowed
    }

    fn name(&self, user: &str) -> Name {
        self.names_key.hash_one(user)
    }

    fn known(&self, user: &str, source: SocketAddr) -> Option<&Known> {
        self.known.get(user)?.iter().find(|known| is_same(known.peer, source))
    }

    fn known_mut(&mut self, user: &str, source: SocketAddr) -> Option<&mut Known> {
        self.known.get_mut(user)?.iter_mut().find(|known| is_same(known.peer, source))
    }
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    network(one.ip()) == network(other.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Seed};

    fn guard() -> Guard {
        Guard::new(&mut Rng::new(Seed::from_number(1), Purpose::Nonce))
    }

    fn source(n: u32) -> SocketAddr {
        SocketAddr::from((0x0a00_0000_u32.wrapping_add(n).to_be_bytes(), 5060))
    }

    impl Guard {
        /// A wrong guess. False when it was not looked at.
        fn guess(&mut self, now: Instant, user: &str, source: SocketAddr) -> bool {
            let looked_at = self.wait(now, user, source).is_zero();
            if looked_at {
                self.failed(now, user, source);
            }
            looked_at
        }

        /// A wrong guess from each of `sources` sources.
        fn storm(&mut self, now: Instant, user: &str, sources: u32) {
            for n in 0..sources {
                self.guess(now, user, source(n));
            }
        }

        fn may_try(&self, now: Instant, user: &str, source: SocketAddr) -> bool {
            self.wait(now, user, source).is_zero()
        }
    }

    /// What `sources` achieve together against `user` in ten minutes when each guesses ten times in a second.
    fn ten_minutes(sources: u32, user: impl Fn(u32) -> String) -> usize {
        let mut guard = guard();
        let mut looked_at = 0;
        for tenth in 0..6_000u32 {
            let now = Instant::from_millis(u64::from(tenth) * 100);
            let guesses = (0..sources).filter(|n| guard.guess(now, &user(tenth), source(*n)));
            looked_at += guesses.count();
        }
        looked_at
    }

    #[test]
    fn the_rates_are_what_the_documentation_says() {
        let owner = |_| "100".to_owned();
        assert_eq!(ten_minutes(1, owner), 5 + 29, "one source, one extension");
        assert_eq!(ten_minutes(1, |n| n.to_string()), 20 + 299, "one source, many names");
        assert_eq!(ten_minutes(10, owner), 10 * (5 + 29), "ten sources, one extension");
        assert_eq!(ten_minutes(100, owner), 20 + 599, "a hundred sources, one extension");
    }

    #[test]
    fn an_owner_gets_in_while_others_guess() {
        let mut guard = guard();
        let (home, elsewhere) = (source(1000), source(1001));
        guard.proved(&"100".into(), home);
        for tenth in 0..1200 {
            let now = Instant::from_millis(tenth * 100);
            guard.guess(now, "102", source(1));
            assert!(guard.may_try(now, "102", elsewhere), "one source never uses up a name");
            guard.storm(now, "100", 10);
            assert!(guard.may_try(now, "100", home), "at home, after {tenth}/10 s");
            assert!(guard.may_try(now, "101", elsewhere), "another extension");
            if tenth > 900 {
                assert!(guard.may_try(now, "100", elsewhere), "ten sources do, but not for two minutes");
            }
        }
        let now = Instant::from_millis(120_000);
        guard.storm(now, "100", 1000);
        assert!(!guard.may_try(now, "100", elsewhere), "a thousand do ...");
        assert!(guard.may_try(now, "100", home), "... but not for who is at home");
        let wait = guard.wait(now, "100", elsewhere);
        assert!(wait <= limits::GUESSES_OF_NAME.every, "{wait:?}");
    }

    #[test]
    fn a_neighbour_does_not_shut_the_owner_out() {
        let mut guard = guard();
        let phone = source(1);
        let neighbour = SocketAddr::new(phone.ip(), 40_000);
        guard.proved(&"100".into(), phone);
        let now = Instant::ZERO;
        assert_eq!((0..50).filter(|_| guard.guess(now, "100", neighbour)).count(), 20);
        assert!(guard.may_try(now, "100", phone));
        // A phone with a wrong password beside it costs the others of the office nothing either.
        assert_eq!((0..50).filter(|_| guard.guess(now, "102", neighbour)).count(), 5);
        assert!(guard.may_try(now, "103", neighbour));
    }

    #[test]
    fn known_sources_are_bounded_and_the_longest_unheard_goes() {
        let mut guard = guard();
        for n in 0..=u32::try_from(limits::KNOWN_SOURCES).unwrap() {
            guard.proved(&"100".into(), source(n));
            guard.proved(&"100".into(), source(n));
        }
        assert_eq!(guard.known["100"].len(), limits::KNOWN_SOURCES);
        assert!(guard.known("100", source(0)).is_none() && guard.known("100", source(1)).is_some());
        guard.retain(|_| false);
        assert!(guard.known.is_empty());
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut guard = guard();
        for n in 0..u32::try_from(limits::GUESSERS).unwrap() + 10 {
            guard.failed(Instant::ZERO, &n.to_string(), source(n));
        }
        let sizes = [guard.pairs.len(), guard.sources.len(), guard.names.len()];
        assert_eq!(sizes, [limits::GUESSERS; 3]);
    }
}
