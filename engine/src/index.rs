//! A hash map that cannot be iterated, for keys that a peer may choose.

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use std::borrow::Borrow;
#[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
use std::collections::HashMap;
use std::hash::Hash;

use crate::rng::Rng;

/// Finds values by key in O(1). Hashing is keyed from the seed, so peers cannot aim for collisions, and there are no
/// iterators, so hash order cannot reach an output.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
pub struct Index<K, V>(HashMap<K, V, SeedableRandomState>);

impl<K: Hash + Eq, V> Index<K, V> {
    /// An empty index whose hash key is drawn from `rng`.
    #[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
    pub fn new(rng: &mut Rng) -> Self {
        let state = SeedableRandomState::with_seed(rng.u64(), SharedSeed::global_fixed());
        Self(HashMap::with_hasher(state))
    }

    /// Adds or replaces; gives back what stood there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// The value under `key`.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value under `key`, to change in place.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// Takes the value under `key` out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
