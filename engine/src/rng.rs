//! Randomness of the engine: one seed in, one independent stream per purpose.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use smol_str::SmolStr;
use std::fmt;

/// The one source of all randomness of a machine. Drawn by the driver; secret in production.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Seed([u8; 32]);

impl Seed {
    /// All 256 bits, from the operating system's generator.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed for simulations and tests, where a small number is easier to write down.
    pub fn from_number(n: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Self(bytes)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// What a stream of random numbers is for. A new draw in one stream does not shift any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Via branches.
    Branch = 1,
    /// From and To tags, Call-IDs.
    Tag = 2,
    /// Secret key of the digest nonces.
    Nonce = 3,
    /// Keys of the hash tables whose keys a peer chooses.
    Hash = 4,
    /// Everything a call draws: back-off times, SDP session ids.
    Call = 5,
    /// Who is refused under overload, and when to come again.
    Load = 6,
    /// What dialplans draw.
    Plan = 7,
    /// Synchronisation sources, first sequence numbers and timestamps. Rooms add their own number.
    Media = 1 << 32,
}

/// A deterministic stream of random numbers (ChaCha20).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rng(ChaCha20Rng);

/// Digits and lower-case letters without the four that are misread (0, 1, l, o).
const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";

impl Rng {
    /// The stream for `purpose`.
    pub fn new(seed: Seed, purpose: Purpose) -> Self {
        Self::numbered(seed, purpose, 0)
    }

    /// The `n`th stream for `purpose`, independent of all others.
    pub fn numbered(seed: Seed, purpose: Purpose, n: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed.0);
        rng.set_stream((purpose as u64).wrapping_add(n));
        Self(rng)
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        u32::try_from((u64::from(self.u32()) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// `N` characters of 5 bits each, valid as a SIP token (RFC 3261 §25.1).
    pub fn token<const N: usize>(&mut self) -> SmolStr {
        let mut text = [0u8; N];
        for c in &mut text {
            *c = ALPHABET[(self.u32() & 31) as usize];
        }
        SmolStr::new(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_independent() {
        let seed = Seed::from_number(7);
        let draw = |p, n| Rng::numbered(seed, p, n).u64();
        assert_eq!(draw(Purpose::Tag, 0), draw(Purpose::Tag, 0));
        assert_ne!(draw(Purpose::Tag, 0), draw(Purpose::Branch, 0));
        assert_ne!(draw(Purpose::Media, 0), draw(Purpose::Media, 1));
    }

    #[test]
    fn tokens_have_the_asked_length() {
        assert_eq!(Rng::new(Seed::from_number(1), Purpose::Tag).token::<16>().len(), 16);
    }
}
