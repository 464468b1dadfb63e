//! Voices that can be told apart: every RTP packet of a phone says which leg spoke it.

use bytes::Bytes;
use telex_engine::time::Instant;

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
/// Timestamps count at this rate, for every codec here (RFC 3551 §4.5.2, §6).
const CLOCK: u32 = 8000;
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

/// An RTP packet (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rtp<'a> {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: &'a [u8],
}

/// What a packet of a telephone event says (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) event: u8,
    pub(crate) marker: bool,
    pub(crate) end: bool,
    pub(crate) duration: u16,
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
    /// What its timestamps count from, when they are those of a clock.
    clock: Option<u32>,
}

impl Speaker {
    pub(crate) fn new(leg: LegId, luck: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = luck.to_be_bytes();
        Self {
            leg,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([e, f, g, h]),
            clock: None,
        }
    }

    /// Timestamps are those of a clock from now on.
    pub(crate) fn keep_time(&mut self) {
        self.clock = Some(self.timestamp);
    }

    /// The next packet with sound that was coded.
    pub(crate) fn sound(&mut self, now: Instant, payload_type: u8, payload: &[u8], first: bool) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        self.stamp(now);
        let mut bytes = self.header(payload_type, first);
        bytes.extend_from_slice(payload);
        Bytes::from(bytes)
    }

    /// Sets the timestamp by the clock, if there is one.
    fn stamp(&mut self, now: Instant) -> bool {
        let units = now.as_nanos() / (1_000_000_000 / u64::from(CLOCK));
        let stamp = self.clock.map(|clock| clock.wrapping_add((units & 0xffff_ffff) as u32));
        self.timestamp = stamp.unwrap_or(self.timestamp);
        stamp.is_some()
    }

    /// The next packet. `frames` of 20 ms have passed since the one before.
    pub(crate) fn packet(&mut self, payload_type: u8, frames: u32, first: bool) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(frames * 160);
        let mut bytes = self.header(payload_type, first);
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(&self.leg.0.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.resize(HEADER + FRAME, 0xd5);
        Bytes::from(bytes)
    }

    /// The next packet of a telephone event: all of them have the timestamp of its beginning. Gives its sequence number
    /// and timestamp, too.
    pub(crate) fn event(&mut self, now: Instant, payload_type: u8, packet: EventPacket) -> (u16, u32, Bytes) {
        self.sequence = self.sequence.wrapping_add(1);
        if packet.marker && !self.stamp(now) {
            // Long enough after what was said before that no event shares its timestamp.
            self.timestamp = self.timestamp.wrapping_add(1600);
        }
        let mut bytes = self.header(payload_type, packet.marker);
        let [high, low] = packet.duration.to_be_bytes();
        bytes.extend_from_slice(&[packet.event, if packet.end { 0x8a } else { 0x0a }, high, low]);
        (self.sequence, self.timestamp, Bytes::from(bytes))
    }

    fn header(&self, payload_type: u8, marker: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + FRAME);
        bytes.push(0x80);
        bytes.push((payload_type & 0x7f) | if marker { 0x80 } else { 0 });
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

impl<'a> Rtp<'a> {
    /// Reads a packet; `None` when it is no RTP.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, x0, x1, x2, x3] = *header;
        if first >> 6 != 2 || (200..=207).contains(&second) {
            return None;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([x0, x1, x2, x3]),
            payload: rest.get(4 * usize::from(first & 0x0f)..)?,
        })
    }

    /// Whose voice it is, and which number the packet had when it was spoken.
    pub(crate) fn voice(&self) -> Option<(LegId, u16)> {
        let rest = self.payload.strip_prefix(MARK)?;
        let (leg, rest) = rest.split_first_chunk::<8>()?;
        let sequence = rest.first_chunk::<2>()?;
        Some((LegId(u64::from_be_bytes(*leg)), u16::from_be_bytes(*sequence)))
    }

    /// The telephone event that it would be.
    pub(crate) fn event(&self) -> Option<EventPacket> {
        let [event, flags, high, low] = *self.payload else { return None };
        let (end, duration) = (flags & 0x80 != 0, u16::from_be_bytes([high, low]));
        Some(EventPacket { event, marker: self.marker, end, duration })
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
    match Rtp::read(bytes) {
        Some(rtp) => rtp.voice().map_or(Heard::Generated, |(leg, _)| Heard::Voice(leg)),
        None => Heard::Noise,
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

    #[test]
    fn a_key_is_read_as_it_was_pressed() {
        let packet = EventPacket { event: 11, marker: true, end: false, duration: 160 };
        let (sequence, timestamp, bytes) =
            Speaker::new(LegId::new(0, 0), 9).event(Instant::ZERO, 101, packet);
        let rtp = Rtp::read(&bytes).expect("RTP");
        assert_eq!((rtp.sequence, rtp.timestamp, rtp.payload_type), (sequence, timestamp, 101));
        assert_eq!(rtp.event(), Some(packet));
    }
}
