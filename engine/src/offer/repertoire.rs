//! What the exchange can code itself, and what it makes of that between two parties that share too little.
//!
//! The rule: what both parties name passes untouched, chosen by the callee among what the caller named, in the caller's
//! order. Only to a party that names nothing of what the other does, the exchange speaks something else, and turns one
//! into the other. Digits reach a party that cannot hear them as events by other means, so those are always agreed.

use telex_audio::codec::Encoding;

use super::codec::{Codec, choose};

/// The lowest number that a session may give a meaning of its own (RFC 3551 §3).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// What the exchange can code, most wanted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repertoire {
    codecs: Vec<Codec>,
    /// Whether one may be turned into another.
    transcode: bool,
}

impl Repertoire {
    /// These encodings, most wanted first, and telephone events. Without `transcode` they are for what the exchange
    /// says and hears itself only. With `noise`, comfort noise is among them.
    pub fn new(encodings: &[Encoding], transcode: bool, noise: bool) -> Self {
        let mut codecs = Vec::new();
        for encoding in encodings {
            add(&mut codecs, &Codec::of(*encoding));
        }
        // Events share the clock of the speech that they go with (RFC 4733 §2.1).
        let mut clocks: Vec<u32> = codecs.iter().map(|codec| codec.clock).collect();
        clocks.sort_unstable();
        clocks.dedup();
        for clock in clocks {
            add(&mut codecs, &Codec { clock, ..Codec::events() });
        }
        if noise {
            add(&mut codecs, &Codec::noise());
        }
        Self { codecs, transcode }
    }

    /// All of it: for our own offers, and for what the exchange plays and hears itself.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// What to offer on behalf of a party that named `theirs`: those first, in its order and with its numbers, then
    /// what we can turn into one of them. To one of whom it is `known` that it shares some speech with that party no
    /// other is offered, lest it take what has to be turned.
    pub fn offer_for(&self, theirs: &[Codec], known: Option<&[Codec]>) -> Vec<Codec> {
        let mut codecs = theirs.to_vec();
        if self.transcode && self.knows_one_of(theirs) {
            let shares = known.is_some_and(|known| !choose(theirs, known).is_empty());
            let wanted = |own: &&Codec| !shares || !own.is_speech();
            for own in
                self.codecs.iter().filter(wanted).filter(|own| theirs.iter().all(|codec| !codec.same_as(own)))
            {
                add(&mut codecs, own);
            }
        }
        codecs
    }

    /// What to answer to an offer of `offered` when the other party names `other`, in the order and with the numbers of
    /// the offer. Empty when there is no way.
    pub fn answer(&self, offered: &[Codec], other: &[Codec]) -> Vec<Codec> {
        let shared = choose(offered, other);
        if !self.transcode || !self.knows_one_of(other) {
            return shared;
        }
        if shared.is_empty() {
            return choose(offered, &self.codecs);
        }
        // Digits that the other party does not take as events are made into tones for it, and noise that is described
        // into sound.
        let beside: Vec<Codec> = self.codecs.iter().filter(|own| !own.is_speech()).cloned().collect();
        choose(offered, &[shared, beside].concat())
    }

    /// Whether all speech of `codecs` can be turned into another.
    pub fn turns_all(&self, codecs: &[Codec]) -> bool {
        self.transcode && codecs.iter().all(|codec| !codec.is_speech() || codec.encoding().is_some())
    }

    /// Whether some speech of `codecs` can be coded, and so be turned into another.
    fn knows_one_of(&self, codecs: &[Codec]) -> bool {
        codecs.iter().any(|codec| codec.encoding().is_some())
    }
}

/// Appends a codec under a number that no other has, its own where that is free. There is no room for more than 128.
fn add(codecs: &mut Vec<Codec>, codec: &Codec) {
    let free = |number: &u8| codecs.iter().all(|other| other.number != *number);
    if let Some(number) = [codec.number].into_iter().chain(DYNAMIC.rev()).find(free) {
        codecs.push(Codec { number, ..codec.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::describe;

    const PCMU: Codec = Codec::new(0, "PCMU", 8000);
    const PCMA: Codec = Codec::new(8, "PCMA", 8000);
    const AMR: Codec = Codec::new(96, "AMR", 8000);

    fn ours(transcode: bool) -> Repertoire {
        Repertoire::new(&[Encoding::Pcma, Encoding::L16 { rate: 16_000 }, Encoding::Pcmu], transcode, false)
    }

    fn numbers(codecs: &[Codec]) -> Vec<u8> {
        codecs.iter().map(|codec| codec.number).collect()
    }

    fn events(number: u8) -> Codec {
        Codec { number, ..Codec::events() }
    }

    #[test]
    fn events_come_with_every_clock() {
        let all = ours(true);
        let wanted = "PCMA/8000 L16/16000 PCMU/8000 telephone-event/8000 telephone-event/16000";
        assert_eq!(describe(all.codecs()), wanted);
        assert_eq!(numbers(all.codecs()), [8, 111, 0, 101, 127]);
    }

    #[test]
    fn what_the_caller_named_comes_first_and_keeps_its_numbers() {
        let offer = ours(true).offer_for(&[PCMU, Codec::new(111, "iLBC", 8000), events(8)], None);
        assert_eq!(describe(&offer[3..]), "PCMA/8000 L16/16000 telephone-event/16000");
        assert_eq!(numbers(&offer), [0, 111, 8, 127, 126, 125]);
    }

    #[test]
    fn nothing_is_added_that_cannot_be_turned_into_what_was_named() {
        assert_eq!(ours(true).offer_for(&[AMR], None), [AMR]);
        assert_eq!(ours(false).offer_for(&[PCMU], None), [PCMU]);
    }

    #[test]
    fn what_both_name_is_agreed_and_digits_beside_it() {
        let offered = [PCMU, PCMA, events(96)];
        assert_eq!(numbers(&ours(true).answer(&offered, &[PCMA])), [8, 96]);
        assert_eq!(numbers(&ours(false).answer(&offered, &[PCMA])), [8]);
        assert_eq!(numbers(&ours(true).answer(&[AMR, events(97)], &[AMR])), [96], "no tones in AMR");
    }

    #[test]
    fn parties_that_share_nothing_are_each_answered_with_what_we_know() {
        assert_eq!(numbers(&ours(true).answer(&[PCMU, events(99)], &[PCMA])), [0, 99]);
        assert_eq!(ours(false).answer(&[PCMU], &[PCMA]), []);
        assert_eq!(ours(true).answer(&[AMR], &[PCMA]), []);
        assert_eq!(ours(true).answer(&[PCMU], &[AMR]), []);
    }

    #[test]
    fn one_who_is_known_to_share_a_codec_is_offered_no_other() {
        let numbers = |known: &[Codec]| numbers(&ours(true).offer_for(&[PCMU, events(96)], Some(known)));
        assert_eq!(numbers(&[PCMA, PCMU]), [0, 96, 127]);
        assert_eq!(numbers(&[PCMA]), [0, 96, 8, 111, 127]);
    }

    #[test]
    fn comfort_noise_is_offered_and_answered_when_it_is_wanted() {
        let ours = Repertoire::new(&[Encoding::Pcma, Encoding::Pcmu], true, true);
        let named = [PCMU, Codec::new(13, "CN", 8000)];
        assert_eq!(
            describe(&ours.offer_for(&[PCMU], None)),
            "PCMU/8000 PCMA/8000 telephone-event/8000 CN/8000"
        );
        assert_eq!(numbers(&ours.answer(&named, &[PCMA])), [0, 13]);
        assert_eq!(numbers(&ours.answer(&named, &[PCMU])), [0, 13]);
        assert_eq!(numbers(&ours.answer(&[PCMU], &[PCMA])), [0]);
    }

    #[test]
    fn no_number_is_given_twice() {
        let all: Vec<Codec> = (96..=127).map(|n| Codec::new(n, "x", n.into())).chain([PCMU]).collect();
        let offer = ours(true).offer_for(&all, None);
        assert_eq!(offer[..all.len()], all);
        assert_eq!(describe(&offer[all.len()..]), "PCMA/8000", "the others have no number");
    }
}
