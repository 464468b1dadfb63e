//! Digits as telephone events (RFC 4733), without the packets around them.
//!
//! Durations are in units of the RTP clock of the payload type: 8000, 16,000 or 48,000 a second. Timestamps are those
//! of the stream, whose clock should be the same (RFC 4733 §2.1) and is not where a telephone has Opus, at 48,000,
//! and events at 8000 only.

mod receiver;
mod sender;

pub use receiver::{EventReceiver, Received};
pub use sender::{EventSender, Outgoing};

use super::Digit;

/// What the four octets of a telephone event say (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TelephoneEvent {
    /// Event code: 0 to 15 are the keys `0` to `9`, `*`, `#`, `A` to `D` (RFC 4733 §3.2).
    pub event: u8,
    /// The event is over and its duration final.
    pub end: bool,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// Duration so far, of this segment, in units of the clock.
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
        Digit::from_code(self.event).map(Digit::key)
    }
}

/// Units of one clock as units of another.
fn rescale(units: u32, from: u32, to: u32) -> u32 {
    if from == to {
        return units;
    }
    let scaled = u64::from(units) * u64::from(to) / u64::from(from.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
