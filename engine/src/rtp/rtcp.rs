//! RTCP packets (RFC 3550 §6). They come several to a datagram, as a compound.

/// Packet types (RFC 3550 §12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The canonical name item of a source description (RFC 3550 §6.5.1).
const CNAME: u8 = 1;
/// Octets of one report block.
const BLOCK: usize = 24;

/// Why octets are no RTCP compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// A packet in it ends before its length says.
    #[error("truncated RTCP packet")]
    Truncated,
    /// The version of a packet in it is not 2.
    #[error("RTCP version is not 2")]
    Version,
    /// It does not begin with a report (RFC 3550 §6.1).
    #[error("RTCP does not begin with a report")]
    NoReport,
    /// The padding is not where or what it may be.
    #[error("bad RTCP padding")]
    Padding,
}

/// The sender's part of a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was sent: seconds in the upper, fractions in the lower 32 bits. The zero may be any moment.
    pub ntp: u64,
    /// The same moment in units of the RTP timestamp.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Octets of payload sent so far.
    pub octets: u32,
}

/// What a receiver says about one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source it is about.
    pub ssrc: u32,
    /// Loss since the previous report in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, within 24 bits; negative when duplicates outnumber losses.
    pub lost: i32,
    /// Extended highest sequence number received.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report; 0 when there was none.
    pub last_report: u32,
    /// Time since then in 1/65536 s.
    pub delay: u32,
}

impl ReportBlock {
    fn read(bytes: &[u8; BLOCK]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |i: usize| words.get(i).map_or(0, |w| u32::from_be_bytes(*w));
        let lost = word(1);
        Self {
            ssrc: word(0),
            fraction_lost: lost.to_be_bytes()[0],
            // The shift pair carries the sign of the 24-bit number over.
            lost: (lost.cast_signed() << 8) >> 8,
            highest: word(2),
            jitter: word(3),
            last_report: word(4),
            delay: word(5),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let lost = self.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        let second = u32::from(self.fraction_lost) << 24 | lost;
        for word in [self.ssrc, second, self.highest, self.jitter, self.last_report, self.delay] {
            out.extend(word.to_be_bytes());
        }
    }
}

/// The report blocks of one report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlocks<'a>(&'a [[u8; BLOCK]]);

impl ReportBlocks<'_> {
    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> {
        self.0.iter().map(ReportBlock::read)
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPacket<'a> {
    /// SR (RFC 3550 §6.4.1).
    SenderReport {
        /// Who sends.
        ssrc: u32,
        /// About its own sending.
        info: SenderInfo,
        /// About what it hears.
        blocks: ReportBlocks<'a>,
    },
    /// RR (RFC 3550 §6.4.2).
    ReceiverReport {
        /// Who sends.
        ssrc: u32,
        /// About what it hears.
        blocks: ReportBlocks<'a>,
    },
    /// SDES (RFC 3550 §6.5).
    SourceDescription {
        /// The first chunk's source; `None` when there is no chunk.
        ssrc: Option<u32>,
        /// Its canonical name, if the chunk begins with it.
        cname: Option<&'a [u8]>,
    },
    /// BYE (RFC 3550 §6.6).
    Goodbye {
        /// The sources that leave, four octets each.
        sources: &'a [[u8; 4]],
    },
    /// A type not handled here.
    Other {
        /// The packet type.
        kind: u8,
    },
}

/// A datagram of RTCP, checked as a whole (RFC 3550 A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Compound<'a> {
    /// Checks one datagram.
    ///
    /// # Errors
    /// When it is not a compound as RFC 3550 §6.1 has it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let compound = Self::parse_reduced(bytes)?;
        let begins = |kind| matches!(kind, SENDER_REPORT | RECEIVER_REPORT);
        if bytes.get(1).is_some_and(|&kind| begins(kind)) { Ok(compound) } else { Err(RtcpError::NoReport) }
    }

    /// Checks one datagram that need not begin with a report (RFC 5506).
    ///
    /// # Errors
    /// When it is no RTCP.
    pub fn parse_reduced(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = bytes;
        let mut first = true;
        loop {
            let (packet, after) = split(rest)?;
            if packet.head >> 6 != 2 {
                return Err(RtcpError::Version);
            }
            if packet.head & 0x20 != 0 {
                // Only the last packet of a compound may be padded.
                let count = packet.body.last().copied().unwrap_or(0);
                if first || !after.is_empty() || count == 0 || usize::from(count) > packet.body.len() {
                    return Err(RtcpError::Padding);
                }
            }
            packet.read().ok_or(RtcpError::Truncated)?;
            if after.is_empty() {
                return Ok(Self(bytes));
            }
            (rest, first) = (after, false);
        }
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = ControlPacket<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (packet, after) = split(rest).ok()?;
            rest = after;
            packet.read()
        })
    }
}

/// One packet as it lies in the compound.
struct Raw<'a> {
    head: u8,
    kind: u8,
    body: &'a [u8],
}

/// Takes the first packet off.
fn split(bytes: &[u8]) -> Result<(Raw<'_>, &[u8]), RtcpError> {
    let (&[head, kind, l0, l1], rest) = bytes.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
    let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (body, rest) = rest.split_at_checked(octets).ok_or(RtcpError::Truncated)?;
    Ok((Raw { head, kind, body }, rest))
}

impl<'a> Raw<'a> {
    /// The packet's values; `None` when its count does not fit its length.
    fn read(&self) -> Option<ControlPacket<'a>> {
        let count = usize::from(self.head & 0x1f);
        Some(match self.kind {
            SENDER_REPORT => {
                let (words, rest) = self.body.split_first_chunk::<24>()?;
                let (words, _) = words.as_chunks::<4>();
                let word = |i: usize| words.get(i).map_or(0, |w| u32::from_be_bytes(*w));
                let info = SenderInfo {
                    ntp: u64::from(word(1)) << 32 | u64::from(word(2)),
                    timestamp: word(3),
                    packets: word(4),
                    octets: word(5),
                };
                ControlPacket::SenderReport { ssrc: word(0), info, blocks: blocks(rest, count)? }
            }
            RECEIVER_REPORT => {
                let (ssrc, rest) = self.body.split_first_chunk::<4>()?;
                ControlPacket::ReceiverReport {
                    ssrc: u32::from_be_bytes(*ssrc),
                    blocks: blocks(rest, count)?,
                }
            }
            SOURCE_DESCRIPTION => match self.body.split_first_chunk::<4>() {
                Some((ssrc, items)) if count > 0 => ControlPacket::SourceDescription {
                    ssrc: Some(u32::from_be_bytes(*ssrc)),
                    cname: match *items {
                        [CNAME, length, ref text @ ..] => text.get(..usize::from(length)),
                        _ => None,
                    },
                },
                _ => ControlPacket::SourceDescription { ssrc: None, cname: None },
            },
            GOODBYE => ControlPacket::Goodbye { sources: self.body.as_chunks::<4>().0.get(..count)? },
            kind => ControlPacket::Other { kind },
        })
    }
}

fn blocks(bytes: &[u8], count: usize) -> Option<ReportBlocks<'_>> {
    bytes.as_chunks::<BLOCK>().0.get(..count).map(ReportBlocks)
}

/// Appends the packets of one compound to a buffer.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> RtcpWriter<'a> {
    /// Writes to the end of `out`.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends a report: a sender report when there is something to say about sending (RFC 3550 §6.4).
    pub fn report(&mut self, ssrc: u32, info: Option<SenderInfo>, block: Option<&ReportBlock>) -> &mut Self {
        let kind = if info.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let words = 1 + if info.is_some() { 5 } else { 0 } + if block.is_some() { 6 } else { 0 };
        self.head(u8::from(block.is_some()), kind, words, ssrc);
        if let Some(info) = info {
            self.out.extend(info.ntp.to_be_bytes());
            for word in [info.timestamp, info.packets, info.octets] {
                self.out.extend(word.to_be_bytes());
            }
        }
        if let Some(block) = block {
            block.write(self.out);
        }
        self
    }

    /// Appends a source description with the canonical name, cut to 255 octets (RFC 3550 §6.5.1).
    pub fn description(&mut self, ssrc: u32, cname: &str) -> &mut Self {
        let name = cname.as_bytes();
        let name = name.get(..255).unwrap_or(name);
        // Item header, text, and one to four zeros to end the chunk on a word.
        let words = (2 + name.len()) / 4 + 1;
        self.head(1, SOURCE_DESCRIPTION, 1 + u16::try_from(words).unwrap_or(0), ssrc);
        self.out.extend([CNAME, u8::try_from(name.len()).unwrap_or(0)]);
        self.out.extend(name);
        self.out.extend(std::iter::repeat_n(0, words * 4 - 2 - name.len()));
        self
    }

    /// Appends a goodbye (RFC 3550 §6.6).
    pub fn goodbye(&mut self, ssrc: u32) -> &mut Self {
        self.head(1, GOODBYE, 1, ssrc);
        self
    }

    fn head(&mut self, count: u8, kind: u8, words: u16, ssrc: u32) {
        self.out.extend([0x80 | count, kind]);
        self.out.extend(words.to_be_bytes());
        self.out.extend(ssrc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: SenderInfo = SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 11 };
    const BLOCK_SENT: ReportBlock =
        ReportBlock { ssrc: 2, fraction_lost: 3, lost: -4, highest: 5, jitter: 6, last_report: 7, delay: 8 };

    #[test]
    fn a_compound_reads_as_it_was_written() {
        let mut bytes = Vec::new();
        RtcpWriter::new(&mut bytes).report(1, Some(INFO), Some(&BLOCK_SENT)).description(1, "abc").goodbye(1);
        let compound = Compound::parse(&bytes).unwrap();
        let mut packets = compound.packets();
        let Some(ControlPacket::SenderReport { ssrc: 1, info, blocks }) = packets.next() else { panic!() };
        assert_eq!(info, INFO);
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [BLOCK_SENT]);
        let sdes = ControlPacket::SourceDescription { ssrc: Some(1), cname: Some(&b"abc"[..]) };
        assert_eq!(packets.next(), Some(sdes));
        assert_eq!(packets.next(), Some(ControlPacket::Goodbye { sources: &[[0, 0, 0, 1]] }));
        assert_eq!(packets.next(), None);
    }

    #[test]
    fn a_receiver_report_is_laid_out_as_in_the_rfc() {
        let mut bytes = Vec::new();
        RtcpWriter::new(&mut bytes).report(1, None, Some(&BLOCK_SENT)).description(1, "ab");
        assert_eq!(
            bytes,
            [
                [0x81, 201, 0, 7],
                [0, 0, 0, 1],
                [0, 0, 0, 2],
                [3, 0xff, 0xff, 0xfc],
                [0, 0, 0, 5],
                [0, 0, 0, 6],
                [0, 0, 0, 7],
                [0, 0, 0, 8],
                [0x81, 202, 0, 3],
                [0, 0, 0, 1],
                [1, 2, b'a', b'b'],
                [0, 0, 0, 0],
            ]
            .concat()
        );
    }

    #[test]
    fn what_is_no_compound_is_refused() {
        let error = |bytes: &[u8]| Compound::parse(bytes).unwrap_err();
        assert_eq!(error(&[]), RtcpError::Truncated);
        assert_eq!(error(&[0x80, 201, 0, 1]), RtcpError::Truncated);
        assert_eq!(error(&[0x40, 201, 0, 1, 0, 0, 0, 1]), RtcpError::Version);
        let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 1];
        assert_eq!(error(&goodbye), RtcpError::NoReport);
        let reduced = Compound::parse_reduced(&goodbye).unwrap();
        assert!(matches!(reduced.packets().next(), Some(ControlPacket::Goodbye { .. })));
        // A count of blocks that are not there.
        assert_eq!(error(&[0x81, 201, 0, 1, 0, 0, 0, 1]), RtcpError::Truncated);
        // A padded first packet.
        assert_eq!(error(&[0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]), RtcpError::Padding);
        // Octets after the last packet.
        assert_eq!(error(&[0x80, 201, 0, 1, 0, 0, 0, 1, 0]), RtcpError::Truncated);
    }

    #[test]
    fn a_padded_last_packet_is_accepted() {
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        bytes.extend([0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]);
        let compound = Compound::parse(&bytes).unwrap();
        assert_eq!(compound.packets().last(), Some(ControlPacket::Goodbye { sources: &[[0, 0, 0, 1]] }));
    }

    proptest! {
        #[test]
        fn anything_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 199..206u8) {
            // Make a good beginning likely, or nothing gets past the first check.
            if let [head, second, length @ .., ] = &mut bytes[..] {
                *head = 0x80 | (*head & 0x3f);
                *second = kind;
                if let [hi, lo, ..] = length {
                    *hi = 0;
                    *lo %= 16;
                }
            }
            if let Ok(compound) = Compound::parse(&bytes) {
                for packet in compound.packets() {
                    if let ControlPacket::ReceiverReport { blocks, .. } = packet {
                        prop_assert!(blocks.iter().count() < 32);
                    }
                }
            }
        }

        #[test]
        fn names_of_any_length_end_on_a_word(name in "[a-z]{0,300}") {
            let mut bytes = Vec::new();
            RtcpWriter::new(&mut bytes).report(1, None, None).description(1, &name);
            let compound = Compound::parse(&bytes).unwrap();
            let cut = &name.as_bytes()[..name.len().min(255)];
            let sdes = ControlPacket::SourceDescription { ssrc: Some(1), cname: Some(cut) };
            prop_assert_eq!(compound.packets().last(), Some(sdes));
        }
    }
}
