//! Telephone events (RFC 4733 §2.3).

/// The payload of a telephone-event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code: 0 to 15 are the keys `0` to `9`, `*`, `#`, `A` to `D` (RFC 4733 §3.2).
    pub event: u8,
    /// The event is over; its duration is final.
    pub end: bool,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// Duration so far in timestamp units.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Octets of one event.
    pub const OCTETS: usize = 4;

    /// Reads the first event of a payload; `None` when it is shorter than one.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, d0, d1] = payload.first_chunk::<{ Self::OCTETS }>()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload, with the reserved bit zero.
    pub fn to_bytes(self) -> [u8; Self::OCTETS] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3f), d0, d1]
    }

    /// The key pressed, when the event is one.
    pub fn key(self) -> Option<char> {
        b"0123456789*#ABCD".get(usize::from(self.event)).map(|&c| char::from(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_it_was_written() {
        let event = TelephoneEvent { event: 11, end: true, volume: 10, duration: 1280 };
        assert_eq!(event.to_bytes(), [11, 0x8a, 5, 0]);
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
        assert_eq!(event.key(), Some('#'));
        assert_eq!(TelephoneEvent { event: 16, ..event }.key(), None);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }
}
