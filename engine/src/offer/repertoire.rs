//! What the exchange can code itself, and what it makes of that between two parties that share too little.
//!
//! The rule: what both parties name passes untouched, chosen by the callee among what the caller named, in the caller's
//! order. Only to a party that names nothing of what the other does, the exchange speaks something else, and turns one
//! into the other. Digits reach a party that cannot hear them as events by other means, so those are always agreed.

use telex_audio::codec::Encoding;

use super::codec::{Codec, choose, speech};

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
    /// These encodings, most wanted first, and telephone events. Without `transcode` they are for what the exchange says
    /// and hears itself only.
    pub fn new(encodings: &[Encoding], transcode: bool) -> Self {
        let mut codecs: Vec<Codec> = encodings.iter().map(|&encoding| Codec::of(encoding)).collect();
        codecs.push(Codec::events());
        number(&mut codecs, 0);
        Self { codecs, transcode }
    }

    /// All of it: for our own offers, and for what the exchange plays and hears itself.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// What to offer on behalf of a party that named `theirs`: those first, in its order and with its numbers, then what
    /// we can turn into one of them.
    pub fn offer_for(&self, theirs: &[Codec]) -> Vec<Codec> {
        let mut codecs = theirs.to_vec();
        if self.transcode && self.knows_one_of(theirs) {
            let named = codecs.len();
            let more = self.codecs.iter().filter(|own| theirs.iter().all(|codec| !codec.same_as(own)));
            codecs.extend(more.cloned());
            number(&mut codecs, named);
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
        // Digits that the other party does not take as events are made into tones for it.
        let events: Vec<Codec> = self.codecs.iter().filter(|own| own.is_telephone_event()).cloned().collect();
        choose(offered, &[shared, events].concat())
    }

    /// Whether some speech of `codecs` can be coded, and so be turned into another.
    fn knows_one_of(&self, codecs: &[Codec]) -> bool {
        codecs.iter().any(|codec| codec.encoding().is_some())
    }
}

/// Gives the codecs from the place `first` on numbers that no other has: their usual ones where those are free.
fn number(codecs: &mut [Codec], first: usize) {
    for place in first..codecs.len() {
        let (before, rest) = codecs.split_at_mut(place);
        let Some(codec) = rest.first_mut() else { return };
        let taken = |number: u8| before.iter().any(|other| other.number == number);
        if taken(codec.number)
            && let Some(free) = DYNAMIC.rev().find(|&number| !taken(number))
        {
            codec.number = free;
        }
    }
}

/// Whether what one party sends as its liked speech reaches another untouched.
pub fn passes(said: &[Codec], to: &[Codec]) -> bool {
    speech(said).is_some_and(|codec| to.iter().any(|other| other.same_as(codec)))
}
