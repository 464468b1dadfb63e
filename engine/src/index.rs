//! A hash map that cannot be iterated, for keys that a peer may choose.

use foldhash::SharedSeed;
use foldhash::quality::{FoldHasher, SeedableRandomState};
use std::borrow::Borrow;
#[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use crate::rng::Rng;

/// The key of a keyed hash function, drawn from the seed: peers cannot aim for collisions.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "u64", into = "u64"))]
pub struct HashKey {
    number: u64,
    state: SeedableRandomState,
}

impl HashKey {
    /// Draws a key.
    pub fn new(rng: &mut Rng) -> Self {
        rng.u64().into()
    }
}

impl From<u64> for HashKey {
    fn from(number: u64) -> Self {
        Self { number, state: SeedableRandomState::with_seed(number, SharedSeed::global_fixed()) }
    }
}

impl From<HashKey> for u64 {
    fn from(key: HashKey) -> Self {
        key.number
    }
}

impl BuildHasher for HashKey {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.state.build_hasher()
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// Finds values by key in O(1). Hashing is keyed from the seed, so peers cannot aim for collisions, and there are no
/// iterators, so hash order cannot reach an output.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
pub struct Index<K, V>(HashMap<K, V, HashKey>);

impl<K: Hash + Eq, V> Index<K, V> {
    /// An empty index whose hash key is drawn from `rng`.
    #[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
    pub fn new(rng: &mut Rng) -> Self {
        Self(HashMap::with_hasher(HashKey::new(rng)))
    }

    /// Hashes under a new key from now on. O(n).
    pub fn rekey(&mut self, rng: &mut Rng) {
        let old = std::mem::replace(self, Self::new(rng));
        self.0.extend(old.0);
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

    /// The value under `key`, to change in place; a default one is added when there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
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

/// As its hash key and a list in the order of the keys, so that hash order stays unseen.
#[cfg(feature = "serde")]
mod whole {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::{Serialize, Serializer};

    #[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
    use super::HashMap;
    use super::{Hash, HashKey, Index};

    impl<K: Serialize + Ord, V: Serialize> Serialize for Index<K, V> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut entries: Vec<(&K, &V)> = self.0.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            (self.0.hasher(), entries).serialize(to)
        }
    }

    impl<'de, K: Deserialize<'de> + Hash + Eq, V: Deserialize<'de>> Deserialize<'de> for Index<K, V> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let (key, entries) = <(HashKey, Vec<(K, V)>)>::deserialize(from)?;
            #[expect(clippy::disallowed_types, reason = "wrapped so that its order cannot be observed")]
            let mut map = HashMap::with_capacity_and_hasher(entries.len(), key);
            map.extend(entries);
            Ok(Self(map))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::{Purpose, Rng, Seed};

    fn index<K: Hash + Eq, V>() -> Index<K, V> {
        Index::new(&mut Rng::new(Seed::from_number(3), Purpose::Hash))
    }

    proptest! {
        /// Any run of operations does to an index what it does to an ordered map.
        #[test]
        fn behaves_as_an_ordered_map(operations in prop::collection::vec((0u8..4, 0u16..40, any::<u32>()), 0..400)) {
            let mut index = index();
            let mut model = BTreeMap::new();
            for (operation, key, value) in operations {
                match operation {
                    0 => prop_assert_eq!(index.insert(key, value), model.insert(key, value)),
                    1 => prop_assert_eq!(index.remove(&key), model.remove(&key)),
                    2 => {
                        *index.or_default(key) ^= value;
                        *model.entry(key).or_default() ^= value;
                    }
                    _ => prop_assert_eq!(index.get_mut(&key).map(|v| *v), model.get(&key).copied()),
                }
                prop_assert_eq!(index.get(&key), model.get(&key));
                prop_assert_eq!(index.len(), model.len());
                prop_assert_eq!(index.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn a_borrowed_form_of_the_key_finds_the_value() {
        let mut index = index::<smol_str::SmolStr, u8>();
        index.insert("z9hG4bK".into(), 1);
        assert_eq!(index.get("z9hG4bK"), Some(&1));
        assert_eq!(index.remove("z9hG4bk"), None);
    }
}
