//! RTP packets (RFC 3550 §5).

/// Why octets are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// It ends before its header does.
    #[error("truncated RTP header")]
    Truncated,
    /// The version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// The padding count is zero or longer than the payload.
    #[error("bad RTP padding")]
    Padding,
}

/// The fixed header fields that matter to an endpoint (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker: in audio, the first packet after silence (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// Octets of a header without contributing sources and extension.
    pub const OCTETS: usize = 12;

    /// The header of a packet without padding, extension and contributing sources.
    pub fn to_bytes(self) -> [u8; Self::OCTETS] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [x0, x1, x2, x3] = self.ssrc.to_be_bytes();
        let kind = (self.payload_type & 0x7f) | (u8::from(self.marker) << 7);
        [0x80, kind, s0, s1, t0, t1, t2, t3, x0, x1, x2, x3]
    }
}

/// A received packet, checked as a whole: every length in it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// Contributing sources, four octets each; at most 15.
    pub csrcs: &'a [u8],
    /// Profile word and data of the header extension (RFC 3550 §5.3.1), if there is one.
    pub extension: Option<(u16, &'a [u8])>,
    /// The payload without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// When a length does not fit or the version is not 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let (fixed, mut rest) = bytes.split_first_chunk::<{ Header::OCTETS }>().ok_or(RtpError::Truncated)?;
        let [first, second, s0, s1, t0, t1, t2, t3, x0, x1, x2, x3] = *fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([x0, x1, x2, x3]),
        };
        if first & 0x3f == 0 {
            // Nearly every packet: no padding, no extension, no contributing sources.
            return Ok(Self { header, csrcs: &[], extension: None, payload: rest });
        }
        let csrcs;
        (csrcs, rest) = rest.split_at_checked(usize::from(first & 0x0f) * 4).ok_or(RtpError::Truncated)?;
        let mut extension = None;
        if first & 0x10 != 0 {
            let (&[p0, p1, l0, l1], after) = rest.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
            let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
            let data;
            (data, rest) = after.split_at_checked(octets).ok_or(RtpError::Truncated)?;
            extension = Some((u16::from_be_bytes([p0, p1]), data));
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
            let end = rest.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
            rest = rest.get(..end).ok_or(RtpError::Padding)?;
        }
        Ok(Self { header, csrcs, extension, payload: rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Header =
        Header { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 0x5566_7788, ssrc: 0x9abc_def0 };

    #[test]
    fn header_is_laid_out_as_in_the_rfc() {
        assert_eq!(
            PLAIN.to_bytes(),
            [0x80, 0x88, 0x12, 0x34, 0x55, 0x66, 0x77, 0x88, 0x9a, 0xbc, 0xde, 0xf0]
        );
    }

    #[test]
    fn sources_extension_and_padding_are_set_apart() {
        let mut bytes = PLAIN.to_bytes().to_vec();
        bytes[0] |= 0x20 | 0x10 | 2;
        bytes.extend([1, 1, 1, 1, 2, 2, 2, 2]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([b'a', b'b', b'c', 0, 0, 3]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.header, PLAIN);
        assert_eq!(packet.csrcs, [1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(packet.extension, Some((0xbede, &[9, 9, 9, 9][..])));
        assert_eq!(packet.payload, b"abc");
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let plain = PLAIN.to_bytes();
        assert_eq!(Packet::parse(&plain[..11]), Err(RtpError::Truncated));
        let with = |first: u8, tail: &[u8]| {
            let mut bytes = plain.to_vec();
            bytes[0] = first;
            bytes.extend(tail);
            Packet::parse(&bytes).map(|p| p.payload.len())
        };
        assert_eq!(with(0x40, &[]), Err(RtpError::Version));
        assert_eq!(with(0x81, &[1, 2, 3]), Err(RtpError::Truncated));
        assert_eq!(with(0x90, &[0, 0, 0]), Err(RtpError::Truncated));
        assert_eq!(with(0x90, &[0, 0, 0, 1, 0, 0, 0]), Err(RtpError::Truncated));
        assert_eq!(with(0xa0, &[]), Err(RtpError::Padding));
        assert_eq!(with(0xa0, &[7, 0]), Err(RtpError::Padding));
        assert_eq!(with(0xa0, &[7, 3]), Err(RtpError::Padding));
        assert_eq!(with(0xa0, &[7, 2]), Ok(0));
    }

    proptest! {
        #[test]
        fn anything_is_survived_and_payload_lies_inside(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + packet.csrcs.len() + Header::OCTETS <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            (marker, payload_type, sequence) in (any::<bool>(), 0..128u8, any::<u16>()),
            (timestamp, ssrc) in any::<(u32, u32)>(),
            payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let bytes = [&header.to_bytes()[..], &payload].concat();
            let packet = Packet::parse(&bytes).unwrap();
            prop_assert_eq!(packet.header, header);
            prop_assert_eq!(packet.payload, &payload[..]);
        }
    }
}
