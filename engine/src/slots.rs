//! A table with stable names, made so that all of it can be written down.
//!
//! It is what a slot map is: a vector of slots, a key names a slot and counts its uses, a key of something removed
//! names nothing for ever. The third-party map does not show in which order it will use its free slots again, and then
//! a machine that was written down and read back would hand out other keys than the one that went on. Here the order
//! is part of the table.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use slotmap::{Key, KeyData};

/// Values under keys that are given out here. All operations are O(1), iteration is in the order of the slots.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Slots<K, V> {
    slots: Vec<Slot<V>>,
    /// The free slot to use next, counted from 1; 0 when all are taken.
    free: u32,
    taken: u32,
    #[cfg_attr(feature = "serde", serde(skip))]
    keys: PhantomData<fn(K) -> K>,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Slot<V> {
    Free { next: u32, version: u32 },
    Taken { version: u32, value: V },
}

impl<K, V: std::fmt::Debug> std::fmt::Debug for Slots<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.slots).finish()
    }
}

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: 0, taken: 0, keys: PhantomData }
    }
}

/// A key: the slot counted from 1 below, how often it was used above. The count is odd, as the key type wants it.
fn key<K: Key>(number: u32, version: u32) -> K {
    KeyData::from_ffi(u64::from(version) << 32 | u64::from(number)).into()
}

/// The place in the vector, and the version.
fn parts<K: Key>(key: K) -> (usize, u32) {
    let key = key.data().as_ffi();
    let number = u32::try_from(key & u64::from(u32::MAX)).unwrap_or(0);
    let version = u32::try_from(key >> 32).unwrap_or(0);
    (usize::try_from(number.wrapping_sub(1)).unwrap_or(usize::MAX), version)
}

impl<K: Key, V> Slots<K, V> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value. The slot freed last is used first.
    ///
    /// # Panics
    /// With more than 4,294,967,293 values, which no memory holds.
    pub fn insert(&mut self, value: V) -> K {
        self.taken += 1;
        let place = self.free.checked_sub(1).and_then(|place| self.slots.get_mut(place as usize));
        if let Some(slot) = place
            && let Slot::Free { next, version } = *slot
        {
            let version = version | 1;
            *slot = Slot::Taken { version, value };
            let key = key(self.free, version);
            self.free = next;
            return key;
        }
        self.slots.push(Slot::Taken { version: 1, value });
        key(u32::try_from(self.slots.len()).expect("memory ends before the numbers do"), 1)
    }

    /// Takes a value out. Its key names nothing from now on.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let (place, wanted) = parts(key);
        let slot = self.slots.get_mut(place)?;
        match slot {
            Slot::Taken { version, .. } if *version == wanted => {
                let free = Slot::Free { next: self.free, version: wanted.wrapping_add(1) };
                let Slot::Taken { value, .. } = std::mem::replace(slot, free) else { return None };
                self.free = u32::try_from(place + 1).unwrap_or(0);
                self.taken -= 1;
                Some(value)
            }
            _ => None,
        }
    }

    /// The value under `key`.
    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        let (place, wanted) = parts(key);
        match self.slots.get(place)? {
            Slot::Taken { version, value } if *version == wanted => Some(value),
            _ => None,
        }
    }

    /// The value under `key`, to change in place.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (place, wanted) = parts(key);
        match self.slots.get_mut(place)? {
            Slot::Taken { version, value } if *version == wanted => Some(value),
            _ => None,
        }
    }

    /// Whether `key` names a value.
    pub fn contains_key(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.taken as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        (1u32..).zip(&self.slots).filter_map(|(number, slot)| match slot {
            Slot::Taken { version, value } => Some((key(number, *version), value)),
            Slot::Free { .. } => None,
        })
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All values, to change in place.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Taken { value, .. } => Some(value),
            Slot::Free { .. } => None,
        })
    }
}

impl<K: Key, V> Index<K> for Slots<K, V> {
    type Output = V;

    /// The value under a key that is known to be there.
    ///
    /// # Panics
    /// When it is not.
    fn index(&self, key: K) -> &V {
        self.get(key).expect("whoever indexes holds a key in use")
    }
}

impl<K: Key, V> IndexMut<K> for Slots<K, V> {
    fn index_mut(&mut self, key: K) -> &mut V {
        self.get_mut(key).expect("whoever indexes holds a key in use")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use slotmap::SlotMap;

    use super::*;
    use crate::cx::CallKey;

    proptest! {
        /// Any run of operations does here what it does to the map whose keys these are, and gives out the same keys.
        #[test]
        fn behaves_as_a_slot_map(operations in prop::collection::vec((0u8..3, 0usize..30, any::<u32>()), 0..300)) {
            let mut slots = Slots::<CallKey, u32>::new();
            let mut model = SlotMap::<CallKey, u32>::with_key();
            let mut keys = Vec::new();
            for (operation, which, value) in operations {
                let known: Option<CallKey> = keys.get(which % keys.len().max(1)).copied();
                match (operation, known) {
                    (1, Some(key)) => prop_assert_eq!(slots.remove(key), model.remove(key)),
                    (2, Some(key)) => {
                        prop_assert_eq!(slots.get_mut(key).map(|v| std::mem::replace(v, value)),
                            model.get_mut(key).map(|v| std::mem::replace(v, value)));
                        prop_assert_eq!(slots.get(key), model.get(key));
                    }
                    _ => {
                        let key = slots.insert(value);
                        prop_assert_eq!(key, model.insert(value));
                        keys.push(key);
                    }
                }
                prop_assert_eq!((slots.len(), slots.is_empty()), (model.len(), model.is_empty()));
                prop_assert!(slots.iter().eq(model.iter()));
                prop_assert!(slots.values().eq(model.values()));
            }
        }
    }

    #[test]
    fn keys_from_nowhere_name_nothing() {
        let mut slots = Slots::<CallKey, u32>::new();
        let key = slots.insert(1);
        for other in [0, 1, u64::MAX, key.data().as_ffi() + 1, key.data().as_ffi() + (2 << 32)] {
            let other = CallKey::from(KeyData::from_ffi(other));
            assert_eq!(slots.contains_key(other), other == key);
            assert_eq!(slots.remove(CallKey::default()), None);
        }
    }
}
