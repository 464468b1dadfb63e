//! What becomes of a packet.

use bytes::Bytes;
use telex_engine::time::Instant;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives.
    Arrives(Instant),
    /// It arrives twice.
    Twice(Instant, Instant),
    /// It arrives with one bit changed; luck says which.
    Damaged(Instant, u64),
    /// It does not arrive.
    Lost(Why),
}

/// Why a datagram does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Lost alone.
    Loss,
    /// Lost with its neighbours.
    Burst,
    /// The phone is cut off.
    Partition,
    /// It was damaged, and its checksum says so.
    Checksum,
    /// It is longer than what the link takes.
    TooLong,
    /// The box in front of the phone does not let it in.
    Box,
    /// It goes to an address that means nothing outside a box.
    Unroutable,
    /// The exchange is away.
    Away,
    /// The plan names this message.
    Exact,
}

impl Fate {
    /// When it arrives, as often as it does.
    pub(crate) fn arrivals(self) -> impl Iterator<Item = Instant> {
        let (first, second) = match self {
            Self::Arrives(at) | Self::Damaged(at, _) => (Some(at), None),
            Self::Twice(at, again) => (Some(at), Some(again)),
            Self::Lost(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The octets that arrive, of those that were sent.
    pub(crate) fn octets(self, sent: &Bytes) -> Bytes {
        match self {
            Self::Damaged(_, luck) => damaged(sent, luck),
            _ => sent.clone(),
        }
    }
}

/// `bytes` with one bit changed.
pub(crate) fn damaged(bytes: &Bytes, luck: u64) -> Bytes {
    let mut changed = bytes.to_vec();
    if let Some(bit) = luck.checked_rem(changed.len() as u64 * 8) {
        let place = usize::try_from(bit / 8).unwrap_or(0);
        changed[place] ^= 1 << (bit % 8);
    }
    Bytes::from(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_one_bit() {
        let sent = Bytes::from_static(b"INVITE sip:1@2 SIP/2.0\r\n");
        for luck in 0..1000 {
            let changed = damaged(&sent, luck);
            let bits: u32 = sent.iter().zip(&changed).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((changed.len(), bits), (sent.len(), 1));
        }
        assert_eq!(damaged(&Bytes::new(), 5), Bytes::new());
    }
}
