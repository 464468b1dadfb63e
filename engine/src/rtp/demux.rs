//! What a datagram on a media port is, by its first octets.

/// What a datagram on a media port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN (RFC 8489).
    Stun,
    /// ZRTP (RFC 6189).
    Zrtp,
    /// DTLS (RFC 9147).
    Dtls,
    /// A TURN channel message (RFC 8656).
    TurnChannel,
    /// RTP (RFC 3550 §5).
    Rtp,
    /// RTCP (RFC 3550 §6).
    Rtcp,
    /// None of these.
    Unknown,
}

/// Tells protocols on one port apart by the first octet (RFC 7983 §7), and RTCP from RTP by the second
/// (RFC 5761 §4). Looks at no more than two octets: what it says still has to be parsed.
pub fn classify(bytes: &[u8]) -> Kind {
    match *bytes {
        [0..=3, ..] => Kind::Stun,
        [16..=19, ..] => Kind::Zrtp,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::TurnChannel,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_octet_has_its_protocol() {
        let kinds: Vec<Kind> = (0..=255).map(|b| classify(&[b, 0])).collect();
        let count = |k| kinds.iter().filter(|&&x| x == k).count();
        assert_eq!(count(Kind::Stun), 4);
        assert_eq!(count(Kind::Zrtp), 4);
        assert_eq!(count(Kind::Dtls), 44);
        assert_eq!(count(Kind::TurnChannel), 16);
        assert_eq!(count(Kind::Rtp), 64);
        assert_eq!(count(Kind::Unknown), 256 - 132);
    }

    #[test]
    fn rtcp_is_told_by_its_packet_type() {
        assert_eq!(classify(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(classify(&[0x81, 201]), Kind::Rtcp);
        // PCMU with the marker set.
        assert_eq!(classify(&[0x80, 0x80]), Kind::Rtp);
        // Dynamic payload types with the marker set begin above RTCP's.
        assert_eq!(classify(&[0x80, 0x80 | 96]), Kind::Rtp);
        assert_eq!(classify(&[]), Kind::Unknown);
        assert_eq!(classify(&[0x80]), Kind::Unknown);
    }
}
