//! Nonces without a table: a nonce says when it was made and proves that it was made here (RFC 7616 §5.4). What has to
//! be remembered is which nonce counts were used, and only a correct response can make that be remembered.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use smallvec::SmallVec;
use subtle::ConstantTimeEq as _;

use crate::limits::NONCES_PER_EXTENSION;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// Octets of the proof in a nonce.
const MAC_OCTETS: usize = 12;
/// Hexadecimal digits of a nonce.
const NONCE_DIGITS: usize = 16 + 2 * MAC_OCTETS;

/// Tells nonces apart and says when each was made: milliseconds in the upper 48 bits, a number in the lower 16. Later
/// nonces are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct NonceId(u64);

impl NonceId {
    /// When it was made.
    fn issued(self) -> Instant {
        Instant::from_millis(self.0 >> 16)
    }

    /// Whether it is still good at `now` when it lives for `life`.
    pub(super) fn is_fresh(self, now: Instant, life: Duration) -> bool {
        now.since(self.issued()) < life
    }
}

/// Makes and recognises nonces. Its key is drawn at the start, so a nonce of an earlier run is not recognised.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "([[u8; 32]; 2], u16)", into = "([[u8; 32]; 2], u16)"))]
pub(super) struct Nonces {
    key: [[u8; 32]; 2],
    keyed: Hmac<Sha256>,
    sequence: u16,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

impl From<([[u8; 32]; 2], u16)> for Nonces {
    fn from((key, sequence): ([[u8; 32]; 2], u16)) -> Self {
        let mut octets = [0; 64];
        octets.copy_from_slice(key.as_flattened());
        Self { key, keyed: Hmac::new(&octets.into()), sequence }
    }
}

impl From<Nonces> for ([[u8; 32]; 2], u16) {
    fn from(nonces: Nonces) -> Self {
        (nonces.key, nonces.sequence)
    }
}

impl Nonces {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut key = [[0; 32]; 2];
        rng.fill(key.as_flattened_mut());
        (key, 0).into()
    }

    /// A nonce never given out before.
    pub(super) fn issue(&mut self, now: Instant) -> String {
        self.sequence = self.sequence.wrapping_add(1);
        let id = NonceId((now.as_nanos() / 1_000_000) << 16 | u64::from(self.sequence));
        let mut text = String::with_capacity(NONCE_DIGITS);
        for octet in id.0.to_be_bytes().into_iter().chain(self.proof(id)) {
            for digit in [octet >> 4, octet & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }

    /// What `text` names if it was made here.
    pub(super) fn recognise(&self, text: &str) -> Option<NonceId> {
        if text.len() != NONCE_DIGITS {
            return None;
        }
        let mut octets = [0u8; NONCE_DIGITS / 2];
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let (id, proof) = octets.split_first_chunk::<8>()?;
        let id = NonceId(u64::from_be_bytes(*id));
        bool::from(self.proof(id).ct_eq(proof)).then_some(id)
    }

    fn proof(&self, id: NonceId) -> [u8; MAC_OCTETS] {
        let mut mac = self.keyed.clone();
        mac.update(&id.0.to_be_bytes());
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut proof = [0; MAC_OCTETS];
        for (to, from) in proof.iter_mut().zip(whole) {
            *to = from;
        }
        proof
    }
}

/// Nonce counts remembered below the highest of a nonce, so that requests which overtake each other are all accepted.
const WINDOW: u32 = u64::BITS;

/// One nonce in use by one extension.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Use {
    nonce: NonceId,
    highest: u32,
    /// Bit n: the count `highest - n` was used.
    window: u64,
}

/// Which nonce counts an extension has used. Nothing is ever accepted twice, however little is remembered: what is
/// forgotten lies at or below a floor, and the floor is refused.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Used {
    uses: SmallVec<[Use; 1]>,
    floor: NonceId,
}

impl Used {
    /// Nothing is known but that `floor` and all before it may have been used.
    pub(super) fn above(floor: NonceId) -> Self {
        Self { uses: SmallVec::new(), floor }
    }

    /// The latest nonce that may have been used.
    pub(super) fn latest(&self) -> NonceId {
        self.uses.iter().map(|used| used.nonce).fold(self.floor, NonceId::max)
    }

    /// Takes one count of a nonce, or the nonce as a whole when the phone does not count. `false` when it was taken
    /// before or is too old to know. Nonces that are no longer fresh are forgotten on the way.
    pub(super) fn take(&mut self, nonce: NonceId, count: Option<u32>, now: Instant, life: Duration) -> bool {
        self.forget(now, life);
        if nonce <= self.floor {
            return false;
        }
        if let Some(used) = self.uses.iter_mut().find(|used| used.nonce == nonce) {
            return count.is_some_and(|count| used.take(count));
        }
        if self.uses.len() >= NONCES_PER_EXTENSION && !self.make_room(nonce) {
            return false;
        }
        self.uses.push(match count {
            Some(count) => Use { nonce, highest: count, window: 1 },
            None => Use { nonce, highest: u32::MAX, window: u64::MAX },
        });
        true
    }

    fn forget(&mut self, now: Instant, life: Duration) {
        let floor = &mut self.floor;
        self.uses.retain(|used| {
            let fresh = used.nonce.is_fresh(now, life);
            if !fresh {
                *floor = used.nonce.max(*floor);
            }
            fresh
        });
        if self.uses.len() <= 1 {
            self.uses.shrink_to_fit();
        }
    }

    /// Forgets the oldest nonce for the sake of `newer`; `false` when that is not newer.
    fn make_room(&mut self, newer: NonceId) -> bool {
        let Some(oldest) = self.uses.iter().map(|used| used.nonce).min().filter(|oldest| *oldest < newer)
        else {
            return false;
        };
        self.uses.retain(|used| used.nonce != oldest);
        self.floor = oldest;
        true
    }
}

impl Use {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let by = count - self.highest;
            self.window = if by < WINDOW { self.window << by | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let below = self.highest - count;
        if below >= WINDOW || self.window & (1 << below) != 0 {
            return false;
        }
        self.window |= 1 << below;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Seed};
    use proptest::{prop_assert, proptest};
    use std::collections::BTreeSet;

    const LIFE: Duration = Duration::from_secs(300);

    fn nonces(seed: u64) -> Nonces {
        Nonces::new(&mut Rng::new(Seed::from_number(seed), Purpose::Nonce))
    }

    #[test]
    fn a_nonce_is_recognised_only_where_it_was_made() {
        let mut ours = nonces(1);
        let now = Instant::from_millis(123_456);
        let (first, second) = (ours.issue(now), ours.issue(now));
        assert_ne!(first, second);
        let id = ours.recognise(&first).unwrap();
        assert_eq!(id.issued(), now);
        assert!(ours.recognise(&second).unwrap() > id);
        assert_eq!(nonces(2).recognise(&first), None, "another run");
        for i in 0..first.len() {
            let mut forged = first.clone().into_bytes();
            forged[i] = if forged[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(ours.recognise(std::str::from_utf8(&forged).unwrap()), None, "digit {i}");
        }
        for text in ["", "00", &"é".repeat(20), &"+".repeat(40)] {
            assert_eq!(ours.recognise(text), None, "{text}");
        }
    }

    #[test]
    fn a_nonce_ages() {
        let mut ours = nonces(1);
        let text = ours.issue(Instant::from_millis(1000));
        let id = ours.recognise(&text).unwrap();
        assert!(id.is_fresh(Instant::from_millis(300_999), LIFE));
        assert!(!id.is_fresh(Instant::from_millis(301_000), LIFE));
    }

    #[test]
    fn counts_may_overtake_each_other_but_not_repeat() {
        let mut used = Used::default();
        let nonce = NonceId(1 << 16);
        let mut take = |count| used.take(nonce, Some(count), Instant::ZERO, LIFE);
        assert!(take(1));
        assert!(take(4));
        assert!(take(2));
        assert!(take(3));
        for again in 1..=4 {
            assert!(!take(again), "{again}");
        }
        assert!(take(1000));
        assert!(take(1000 - 63));
        assert!(!take(1000 - 64), "older than the window");
        assert!(take(u32::MAX));
        assert!(!take(0));
    }

    #[test]
    fn without_counts_a_nonce_is_good_for_one_request() {
        let mut used = Used::default();
        let (a, b) = (NonceId(1 << 16), NonceId(2 << 16));
        assert!(used.take(a, None, Instant::ZERO, LIFE));
        assert!(!used.take(a, None, Instant::ZERO, LIFE));
        assert!(!used.take(a, Some(7), Instant::ZERO, LIFE), "counting afterwards does not help");
        assert!(used.take(b, Some(1), Instant::ZERO, LIFE));
        assert!(!used.take(b, None, Instant::ZERO, LIFE), "nor does it before");
    }

    #[test]
    fn what_is_forgotten_is_refused() {
        let mut used = Used::default();
        let now = Instant::from_millis(1000);
        let n = u64::try_from(NONCES_PER_EXTENSION).unwrap();
        for i in 1..=n + 1 {
            assert!(used.take(NonceId((1000 << 16) + i), Some(1), now, LIFE));
        }
        assert_eq!(used.uses.len(), NONCES_PER_EXTENSION);
        assert!(!used.take(NonceId((1000 << 16) + 1), Some(2), now, LIFE), "dropped for room");
        assert!(used.take(NonceId((1000 << 16) + 2), Some(2), now, LIFE));
        let later = now + LIFE;
        assert!(used.take(NonceId(300_999 << 16), Some(1), later, LIFE));
        assert_eq!(used.uses.len(), 1, "the old ones are gone");
        assert!(
            !used.take(NonceId((1000 << 16) + 2), Some(3), later, 2 * LIFE),
            "even when nonces live longer now"
        );
    }

    proptest! {
        #[test]
        fn no_count_of_any_nonce_is_ever_taken_twice(
            requests in proptest::collection::vec((0u64..100, 0u32..80, 0u64..2_000), 0..400),
        ) {
            let mut used = Used::default();
            let mut taken = BTreeSet::new();
            let mut now = Instant::ZERO;
            for (nonce, count, wait) in requests {
                now += Duration::from_millis(wait);
                if used.take(NonceId(nonce << 16), Some(count), now, LIFE) {
                    prop_assert!(taken.insert((nonce, count)));
                }
                prop_assert!(used.uses.len() <= NONCES_PER_EXTENSION);
            }
        }
    }
}
