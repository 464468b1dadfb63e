//! A short number for what a media machine wanted done, to know later whether it came out again.

use std::net::{IpAddr, SocketAddr};

use telex_engine::media::MediaOut;
use telex_engine::rtp::{Header, Kind, classify};
use telex_engine::time::Instant;

use super::MediaPolicy;

/// Folds octets into 64 bits, eight at a time. It finds accidents; nobody is kept from making another text for it.
#[derive(Clone, Copy, Debug)]
struct Fold(u64);

/// Any odd number without a pattern.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;

impl Fold {
    #[inline]
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(23) ^ word) * FACTOR;
        self.0 = (product as u64) ^ ((product >> 64) as u64).wrapping_add(0x5851_f42d_4c95_7f2d);
    }

    #[inline]
    fn octets(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let last = rest.iter().fold(octets.len() as u64, |word, octet| word << 8 | u64::from(*octet));
        self.word(last);
    }

    fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.word(u64::from(u32::from(ip)) << 16 | u64::from(address.port())),
            IpAddr::V6(ip) => {
                self.octets(&ip.octets());
                self.word(address.port().into());
            }
        }
    }
}

/// What came of a few inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    packets: Fold,
    rest: Fold,
}

impl Sum {
    pub(super) const fn new() -> Self {
        Self { packets: Fold(1), rest: Fold(2) }
    }

    /// Adds everything that waits in `out`. Without payloads going in, those coming out say nothing.
    pub(super) fn add(&mut self, out: &MediaOut, policy: MediaPolicy) {
        for packet in out.packets.iter() {
            self.packets.word(packet.port.into());
            self.packets.address(packet.remote);
            if policy == MediaPolicy::Headers && classify(packet.bytes) == Kind::Rtp {
                self.packets.word(packet.bytes.len() as u64);
                self.packets.octets(packet.bytes.get(..Header::OCTETS).unwrap_or(packet.bytes));
            } else {
                self.packets.octets(packet.bytes);
            }
        }
        if !(out.reports.is_empty() && out.io.is_empty()) {
            // They are few, and this takes longer.
            let mut report = |octets: Result<Vec<u8>, _>| self.rest.octets(&octets.unwrap_or_default());
            out.reports.iter().for_each(|one| report(postcard::to_stdvec(one)));
            out.io.iter().for_each(|one| report(postcard::to_stdvec(one)));
        }
    }

    /// The number, with when the machine wants to be woken.
    pub(super) fn finish(mut self, deadline: Option<Instant>) -> u64 {
        self.packets.word(self.rest.0);
        self.packets.word(deadline.map_or(u64::MAX, Instant::as_nanos));
        self.packets.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_and_every_length_counts() {
        let of = |octets: &[u8]| {
            let mut fold = Fold(1);
            fold.octets(octets);
            fold.0
        };
        let mut seen = std::collections::BTreeSet::new();
        for length in 0..40 {
            let mut octets = vec![0; length];
            assert!(seen.insert(of(&octets)), "{length} zeros");
            for place in 0..length {
                for bit in 0..8 {
                    octets[place] ^= 1 << bit;
                    assert!(seen.insert(of(&octets)), "bit {bit} of octet {place} of {length}");
                    octets[place] ^= 1 << bit;
                }
            }
        }
    }
}
