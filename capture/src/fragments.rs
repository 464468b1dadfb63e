//! Fragments of IP packets put together again (RFC 791 §3.2, RFC 8200 §4.5).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::limits::{DATAGRAM_OCTETS, FRAGMENT_WAIT, FRAGMENTED, FRAGMENTS};
use crate::time::Time;

/// What fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) id: u32,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Octets of the packet's content before it.
    pub(crate) offset: usize,
    /// It is not the last.
    pub(crate) more: bool,
}

/// Packets that wait for fragments.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    waiting: BTreeMap<Key, Partial>,
    /// Keys by arrival, the first the oldest. One that is not waiting any more is passed over.
    order: VecDeque<(Key, Time)>,
}

/// One packet so far.
#[derive(Debug)]
struct Partial {
    began: Time,
    /// By offset. They may overlap; what came first counts.
    pieces: BTreeMap<usize, Vec<u8>>,
    count: usize,
    /// Known once the last fragment is there.
    length: Option<usize>,
}

impl Fragments {
    /// Adds a fragment; gives the packet's content when that makes it whole.
    pub(crate) fn add(&mut self, key: Key, at: Fragment, octets: &[u8], now: Time) -> Option<Vec<u8>> {
        let end = at.offset.checked_add(octets.len()).filter(|end| *end <= DATAGRAM_OCTETS)?;
        self.forget(now);
        let partial = self.waiting.entry(key).or_insert_with(|| {
            self.order.push_back((key, now));
            Partial { began: now, pieces: BTreeMap::new(), count: 0, length: None }
        });
        if partial.count >= FRAGMENTS {
            return None;
        }
        partial.count += 1;
        if !at.more {
            partial.length.get_or_insert(end);
        }
        partial.insert(at.offset, octets);
        let whole = partial.whole()?;
        self.waiting.remove(&key);
        Some(whole)
    }

    /// Gives up what is too old or too much.
    fn forget(&mut self, now: Time) {
        while let Some((key, began)) = self.order.front().copied() {
            let current = self.waiting.get(&key).is_some_and(|partial| partial.began == began);
            let full = self.waiting.len() >= FRAGMENTED || self.order.len() >= 2 * FRAGMENTED;
            let old = full || now.since(began) > FRAGMENT_WAIT;
            if current && !old {
                return;
            }
            if current {
                self.waiting.remove(&key);
            }
            self.order.pop_front();
        }
    }
}

impl Partial {
    /// Keeps those octets of a piece that no earlier one has.
    fn insert(&mut self, offset: usize, octets: &[u8]) {
        let (mut from, end) = (offset, offset + octets.len());
        while from < end {
            let before = self.pieces.range(..=from).next_back().map_or(0, |(at, piece)| at + piece.len());
            if before > from {
                from = before;
                continue;
            }
            let next = self.pieces.range(from..).next().map_or(end, |(at, _)| *at).min(end);
            if let Some(new) = octets.get(from - offset..next - offset) {
                self.pieces.insert(from, new.to_vec());
            }
            from = next;
        }
    }

    /// All of it, when nothing is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        let mut whole = Vec::with_capacity(length);
        for (at, piece) in &self.pieces {
            if *at != whole.len() {
                return None;
            }
            whole.extend_from_slice(piece);
        }
        whole.truncate(length);
        (whole.len() == length).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn key(id: u32) -> Key {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Key { source: address, destination: address, protocol: 17, id }
    }

    fn at(offset: usize, more: bool) -> Fragment {
        Fragment { offset, more }
    }

    const NOW: Time = Time::from_nanos(0);

    #[test]
    fn overlaps_keep_what_came_first_and_nothing_grows_beyond_a_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(key(1), at(2, true), b"CDE", NOW), None);
        assert_eq!(fragments.add(key(1), at(4, false), b"xFG", NOW), None);
        assert_eq!(fragments.add(key(1), at(0, true), b"ABxxxxx", NOW).as_deref(), Some(&b"ABCDEFG"[..]));
        assert!(fragments.waiting.is_empty());
        assert_eq!(fragments.add(key(2), at(DATAGRAM_OCTETS, false), b"x", NOW), None);
        assert!(fragments.waiting.is_empty());
    }

    #[test]
    fn what_never_becomes_whole_is_forgotten() {
        let mut fragments = Fragments::default();
        for id in 0..2 * FRAGMENTED as u32 {
            fragments.add(key(id), at(0, true), b"x", NOW);
        }
        assert!(fragments.waiting.len() <= FRAGMENTED && fragments.order.len() <= FRAGMENTED);
        let later = Time::from_nanos(61_000_000_000);
        fragments.add(key(9), at(0, true), b"x", later);
        assert_eq!((fragments.waiting.len(), fragments.order.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_give_the_same_octets(
            content in prop::collection::vec(any::<u8>(), 1..250),
            size in 1..60usize,
            shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let pieces: Vec<(usize, &[u8])> = content.chunks(size).enumerate().map(|(n, p)| (n * size, p)).collect();
            let mut order: Vec<usize> = (0..pieces.len()).collect();
            for (n, index) in shuffle.iter().enumerate() {
                let at = n % order.len();
                order.swap(at, index.index(pieces.len()));
            }
            // The last to come is what is missing until then; the others come twice.
            let (last, others) = order.split_last().unwrap();
            let mut fragments = Fragments::default();
            let fragment = |n: usize| at(pieces[n].0, n + 1 < pieces.len());
            for n in others.iter().chain(others) {
                prop_assert_eq!(fragments.add(key(1), fragment(*n), pieces[*n].1, NOW), None);
            }
            let whole = fragments.add(key(1), fragment(*last), pieces[*last].1, NOW);
            prop_assert_eq!(whole, Some(content.clone()));
            prop_assert!(fragments.waiting.is_empty());
        }
    }
}
