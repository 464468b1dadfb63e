//! A running hash of everything that a run does: two runs of one seed end with the same number, or something
//! depends on what it must not depend on.

use std::fmt;

/// The running hash. Not cryptographic; every octet matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x7465_6c65_782d_7369)
    }
}

impl Digest {
    /// Adds a number.
    pub(crate) fn number(&mut self, n: u64) {
        let wide = u128::from(self.0 ^ n) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64) ^ self.0.rotate_left(23);
    }

    /// Adds octets and how many there are.
    pub(crate) fn octets(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.number(u64::from_le_bytes(last));
        self.number(bytes.len() as u64);
    }

    /// The hash so far.
    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

/// Values are hashed through their `Debug` text.
impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.octets(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(parts: &[&[u8]]) -> u64 {
        let mut digest = Digest::default();
        parts.iter().for_each(|p| digest.octets(p));
        digest.value()
    }

    #[test]
    fn order_length_and_every_octet_matter() {
        let base = hash(&[b"abcdefghij", b"k"]);
        assert_eq!(base, hash(&[b"abcdefghij", b"k"]));
        for other in [hash(&[b"abcdefghijk"]), hash(&[b"k", b"abcdefghij"]), hash(&[b"abcdefghiJ", b"k"])] {
            assert_ne!(base, other);
        }
        assert_ne!(hash(&[b"\0"]), hash(&[b"\0\0"]));
    }
}
