//! Packets that wait, in the order of their numbers.

use super::Content;

/// Most packets that wait. A second of 10 ms packets and a little more.
pub(super) const PACKETS: usize = 128;
/// Longest payload: 60 ms of L16 at 48 kHz.
pub(super) const PAYLOAD: usize = 5760;

/// A packet that waits.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Waiting {
    /// Sequence number, counted on beyond 16 bits.
    pub(super) number: i64,
    /// When its first sample was taken, in nanoseconds of the source's time.
    pub(super) at: i64,
    /// How long it lasts, in nanoseconds; 0 for what has no length of its own.
    pub(super) lasts: i64,
    /// What it is; `None` for what is not heard but takes a number.
    pub(super) content: Option<Content>,
    pub(super) payload: Vec<u8>,
}

/// Packets in ascending order of their numbers. Buffers of packets that are gone are used again.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    #[cfg_attr(feature = "serde", serde(skip))]
    spare: Vec<Waiting>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.waiting.first()
    }

    pub(super) fn last(&self) -> Option<&Waiting> {
        self.waiting.last()
    }

    /// Keeps a packet; false if one of this number waits already. There must be room.
    pub(super) fn insert(
        &mut self,
        (number, at, lasts): (i64, i64, i64),
        content: Option<Content>,
        payload: &[u8],
    ) -> bool {
        let place = self.waiting.partition_point(|waiting| waiting.number < number);
        if self.waiting.get(place).is_some_and(|waiting| waiting.number == number) {
            return false;
        }
        let mut new = self.spare.pop().unwrap_or_default();
        new.payload.clear();
        new.payload.extend_from_slice(payload);
        (new.number, new.at, new.lasts, new.content) = (number, at, lasts, content);
        self.waiting.insert(place, new);
        true
    }

    /// Takes the first packet out. Give it back with [`Queue::recycle`].
    pub(super) fn take(&mut self) -> Option<Waiting> {
        if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) }
    }

    pub(super) fn recycle(&mut self, gone: Waiting) {
        self.spare.push(gone);
    }

    pub(super) fn drop_first(&mut self) {
        if let Some(gone) = self.take() {
            self.recycle(gone);
        }
    }

    pub(super) fn clear(&mut self) {
        self.spare.append(&mut self.waiting);
    }
}
