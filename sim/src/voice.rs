//! Voices that can be told apart: every RTP packet of a phone says which leg spoke it.

use bytes::Bytes;

/// Names one phone's side of one call, unique in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LegId(pub(crate) u64);

impl LegId {
    /// The `n`th leg of a phone.
    pub(crate) fn new(phone: usize, n: usize) -> Self {
        Self(((phone as u64) << 32) | n as u64)
    }

    /// The phone.
    pub(crate) fn phone(self) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(usize::MAX)
    }

    /// Its place among the phone's legs.
    pub(crate) fn ordinal(self) -> usize {
        usize::try_from(self.0 & 0xffff_ffff).unwrap_or(usize::MAX)
    }
}

/// Octets of 20 ms of G.711.
const FRAME: usize = 160;
const HEADER: usize = 12;
const MARK: &[u8; 8] = b"telexsim";

/// What a received packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This leg's voice.
    Voice(LegId),
    /// RTP without a mark: something the exchange made.
    Generated,
    /// RTCP.
    Control,
    /// Neither RTP nor RTCP.
    Noise,
}

/// The RTP sender of one leg (RFC 3550 §5.1).
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    /// Who speaks.
    pub(crate) leg: LegId,
    /// Synchronisation source.
    pub(crate) ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Speaker {
    pub(crate) fn new(leg: LegId, luck: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = luck.to_be_bytes();
        Self {
            leg,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([e, f, g, h]),
        }
    }

    /// The next packet. `frames` of 20 ms have passed since the one before.
    pub(crate) fn packet(&mut self, payload_type: u8, frames: u32, first: bool) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(frames * 160);
        let mut bytes = Vec::with_capacity(HEADER + FRAME);
        bytes.push(0x80);
        bytes.push((payload_type & 0x7f) | if first { 0x80 } else { 0 });
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(&self.leg.0.to_be_bytes());
        bytes.resize(HEADER + FRAME, 0xd5);
        Bytes::from(bytes)
    }
}

/// Reads a packet that a phone received.
pub(crate) fn hear(bytes: &[u8]) -> Heard {
    let [first, second, ..] = bytes else { return Heard::Noise };
    if first >> 6 != 2 || bytes.len() < 8 {
        return Heard::Noise;
    }
    if (200..=207).contains(second) {
        return Heard::Control;
    }
    let header = HEADER + 4 * usize::from(first & 0x0f);
    let Some(payload) = bytes.get(header..) else { return Heard::Noise };
    match payload.strip_prefix(MARK).and_then(|rest| rest.first_chunk::<8>()) {
        Some(leg) => Heard::Voice(LegId(u64::from_be_bytes(*leg))),
        None => Heard::Generated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_known_by_its_mark() {
        let leg = LegId::new(3, 7);
        assert_eq!((leg.phone(), leg.ordinal()), (3, 7));
        let packet = Speaker::new(leg, 1).packet(0, 1, true);
        assert_eq!(packet.len(), 172);
        assert_eq!(hear(&packet), Heard::Voice(leg));
        assert_eq!(hear(&[0x80, 200, 0, 1, 0, 0, 0, 0]), Heard::Control);
        assert_eq!(hear(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Heard::Generated);
        assert_eq!(hear(b"OPTIONS"), Heard::Noise);
    }
}
