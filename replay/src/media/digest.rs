//! A short number for what a media machine wanted done, to know later whether it came out again.

use std::net::{IpAddr, SocketAddr};

use postcard::ser_flavors::Flavor;
use telex_engine::media::{MediaIo, MediaOut};
use telex_engine::mediactl::RecordingFormat;
use telex_engine::rtp::{Header, Kind, classify};
use telex_engine::time::Instant;

use super::MediaPolicy;

/// Folds octets into 64 bits, sixteen at a time. It finds accidents; nobody is kept from making another text for it.
#[derive(Clone, Copy, Debug)]
struct Fold(u64);

/// Any numbers without a pattern.
const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x5851_f42d_4c95_7f2d];

impl Fold {
    #[inline]
    fn words(&mut self, one: u64, other: u64) {
        let product = u128::from(self.0 ^ one ^ FACTORS[0]) * u128::from(other ^ FACTORS[1]);
        let halves = (product as u64) ^ ((product >> 64) as u64);
        // Should a factor be zero, what came before still counts.
        self.0 = halves ^ self.0.rotate_left(23);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.words(word, 0);
    }

    #[inline]
    fn octets(&mut self, octets: &[u8]) {
        let (pieces, rest) = octets.as_chunks::<16>();
        for piece in pieces {
            let both = u128::from_le_bytes(*piece);
            self.words(both as u64, (both >> 64) as u64);
        }
        let mut last = [0; 16];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let both = u128::from_le_bytes(last);
        self.words(both as u64, (both >> 64) as u64);
        self.word(octets.len() as u64);
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

/// Something is folded in as it is written, with no memory for it.
impl Flavor for Fold {
    type Output = Self;

    fn try_push(&mut self, octet: u8) -> postcard::Result<()> {
        self.word(octet.into());
        Ok(())
    }

    fn try_extend(&mut self, octets: &[u8]) -> postcard::Result<()> {
        self.octets(octets);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Self> {
        Ok(self)
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
        for report in &out.reports {
            // It cannot fail, and would then be a digest that does not fit.
            self.rest = postcard::serialize_with_flavor(report, self.rest).unwrap_or(Fold(0));
        }
        out.io.iter().for_each(|io| self.io(io, policy));
    }

    fn io(&mut self, io: &MediaIo, policy: MediaPolicy) {
        match io {
            MediaIo::Bind { count } => self.rest.words(1, (*count).into()),
            MediaIo::Record { recording, format, rate, channels, missing, samples } => {
                self.rest.words(2, recording.0);
                self.rest.word(u64::from(*format == RecordingFormat::Opus));
                self.rest.words((*rate).into(), (*channels).into());
                self.rest.words(*missing, samples.len() as u64);
                if policy == MediaPolicy::All {
                    for four in samples.chunks(4) {
                        self.rest
                            .word(four.iter().fold(0, |word, s| word << 16 | u64::from(s.cast_unsigned())));
                    }
                }
            }
            MediaIo::Finish { recording, missing } => {
                self.rest.words(3, recording.0);
                self.rest.word(*missing);
            }
            MediaIo::Give { port, to } => {
                self.rest.words(4, port.0.into());
                self.rest.word(to.0.into());
            }
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
