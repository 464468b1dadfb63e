//! What each phone named in its last call, for those who ask what its next one would use.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::party::Party;
use crate::cx::Cx;
use crate::limits::CODEC_LISTS;
use crate::offer::Codec;
use crate::time::Instant;

/// The lists of codecs that phones named. Phones of one model name the same, so each list is kept once.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Spoken {
    lists: Vec<Vec<Codec>>,
    phones: BTreeMap<SmolStr, Named>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Named {
    list: usize,
    at: Instant,
    /// It was an offer: all that the phone has, and not what it took of ours.
    offer: bool,
}

impl Spoken {
    /// A party named its codecs. Those of other hosts are too many to be remembered.
    pub(super) fn hear_party(&mut self, cx: &Cx<'_>, party: &Party, offer: bool) {
        if cx.config.phones.contains_key(&party.extension) {
            self.hear(cx.now, &party.extension, party.their_codecs(), offer);
        }
    }

    /// A phone named these codecs. An answer tells less than an offer and does not take its place. There are as many
    /// phones as are configured; for lists in use beyond [`CODEC_LISTS`] there is no room, and nothing is known of the
    /// phone then.
    pub(crate) fn hear(&mut self, at: Instant, extension: &SmolStr, codecs: &[Codec], offer: bool) {
        let known = self.phones.get(extension).is_some_and(|named| named.offer);
        if codecs.is_empty() || known && !offer {
            return;
        }
        self.phones.remove(extension);
        if let Some(list) = self.place(codecs) {
            self.phones.insert(extension.clone(), Named { list, at, offer });
        }
    }

    /// Where a list is kept; a new one takes the place of one that no phone has named last, once there are many.
    fn place(&mut self, codecs: &[Codec]) -> Option<usize> {
        if let Some(known) = self.lists.iter().position(|list| list == codecs) {
            return Some(known);
        }
        if self.lists.len() < CODEC_LISTS {
            self.lists.push(codecs.to_vec());
            return Some(self.lists.len() - 1);
        }
        let used: BTreeSet<usize> = self.phones.values().map(|named| named.list).collect();
        let free = (0..self.lists.len()).find(|place| !used.contains(place))?;
        *self.lists.get_mut(free)? = codecs.to_vec();
        Some(free)
    }

    /// What a phone named was not true any more.
    pub(crate) fn forget(&mut self, extension: &str) {
        self.phones.remove(extension);
    }

    /// What a phone named last, and when; `None` when it has not been in a call.
    pub(crate) fn of(&self, extension: &str) -> Option<(&[Codec], Instant)> {
        let named = self.phones.get(extension)?;
        Some((self.lists.get(named.list)?, named.at))
    }

    /// Forgets phones that are no more.
    pub(crate) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.phones.retain(|extension, _| exists(extension));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCMU: Codec = Codec::new(0, "PCMU", 8000);
    const PCMA: Codec = Codec::new(8, "PCMA", 8000);

    #[test]
    fn an_offer_tells_more_than_an_answer() {
        let mut spoken = Spoken::default();
        let (one, at) = (SmolStr::new("100"), Instant::from_millis);
        spoken.hear(at(1), &one, &[PCMA], false);
        assert_eq!(spoken.of("100"), Some((&[PCMA][..], at(1))));
        spoken.hear(at(2), &one, &[PCMU, PCMA], true);
        spoken.hear(at(3), &one, &[PCMA], false);
        spoken.hear(at(4), &one, &[], true);
        assert_eq!(spoken.of("100"), Some((&[PCMU, PCMA][..], at(2))));
        assert_eq!(spoken.of("101"), None);
        spoken.retain(|extension| extension != "100");
        assert_eq!(spoken.of("100"), None);
    }

    #[test]
    fn there_are_only_so_many_lists() {
        let mut spoken = Spoken::default();
        for n in 0..=CODEC_LISTS as u32 {
            let list = [Codec::new(96, "x", n)];
            spoken.hear(Instant::ZERO, &SmolStr::new(n.to_string()), &list, true);
        }
        assert_eq!((spoken.lists.len(), spoken.phones.len()), (CODEC_LISTS, CODEC_LISTS));
        spoken.hear(Instant::ZERO, &SmolStr::new("again"), &[Codec::new(96, "x", 0)], true);
        assert!(spoken.of("again").is_some(), "a list that is known");
        let other = [Codec::new(96, "y", 1)];
        spoken.hear(Instant::ZERO, &SmolStr::new("7"), &other, true);
        assert_eq!(spoken.of("7").map(|(list, _)| list), Some(&other[..]), "in the place of its former list");
        spoken.hear(Instant::ZERO, &SmolStr::new("again"), &[Codec::new(96, "y", 2)], true);
        assert_eq!(spoken.of("again"), None, "rather nothing than what is no longer true");
        assert!(spoken.lists.len() <= CODEC_LISTS);
    }
}
