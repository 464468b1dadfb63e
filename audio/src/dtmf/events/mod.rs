//! Digits as telephone events (RFC 4733), without the packets around them.
//!
//! Timestamps and durations are in units of the RTP clock of the payload type: 8000, 16,000 or 48,000 a second.

mod receiver;
mod sender;

pub use receiver::{EventReceiver, Received};
pub use sender::{EventSender, Outgoing};

/// What the four octets of a telephone event say (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventPayload {
    /// Event code; 0 to 15 are keys.
    pub event: u8,
    /// The event is over and its duration final.
    pub end: bool,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// Duration so far, of this segment.
    pub duration: u16,
}

#[cfg(test)]
mod tests;
