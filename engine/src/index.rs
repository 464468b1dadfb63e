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
