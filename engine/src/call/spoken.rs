//! What each phone named in its last call, for those who ask what its next one would use.

use std::collections::BTreeMap;

use smol_str::SmolStr;

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
    /// A phone named these codecs. An answer tells less than an offer and does not take its place. There are as many
    /// phones as are configured; for lists beyond [`CODEC_LISTS`] there is no room.
    pub(crate) fn hear(&mut self, at: Instant, extension: &SmolStr, codecs: &[Codec], offer: bool) {
        let known = self.phones.get(extension).is_some_and(|named| named.offer);
        if codecs.is_empty() || known && !offer {
            return;
        }
        let list = self.lists.iter().position(|list| list == codecs).unwrap_or(self.lists.len());
        if list == self.lists.len() {
            if list == CODEC_LISTS {
                return;
            }
            self.lists.push(codecs.to_vec());
        }
        self.phones.insert(extension.clone(), Named { list, at, offer });
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
    }
}
