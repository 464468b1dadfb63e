//! Keys that a party presses: as telephone events (RFC 4733), each press once, whatever is lost, repeated or wrong.

use smallvec::SmallVec;
use telex_audio::dtmf::Digit;
use telex_audio::dtmf::events::{EventReceiver, Received};

use crate::rtp::{Header, TelephoneEvent};
use crate::time::Instant;

/// A key goes down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Down { digit: Digit },
    Up { digit: Digit, ms: u32 },
}

/// What one packet may tell: the end of one press, and all of another.
pub(super) type Keys = SmallVec<[Key; 3]>;

/// What one party presses.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Keypad {
    /// Once it pressed a key that way.
    receiver: Option<EventReceiver>,
    /// The press that is known is made anew for the listener instead of being forwarded.
    pub(super) translated: bool,
}

impl From<Received> for Key {
    fn from(received: Received) -> Self {
        match received {
            Received::Press { digit, .. } => Self::Down { digit },
            Received::Release { digit, duration } => {
                Self::Up { digit, ms: u32::try_from(duration.as_millis()).unwrap_or(u32::MAX) }
            }
        }
    }
}

/// What a receiver tells.
fn told(work: impl FnOnce(&mut SmallVec<[Received; 3]>)) -> Keys {
    let mut received = SmallVec::new();
    work(&mut received);
    received.into_iter().map(Key::from).collect()
}

impl Keypad {
    /// Whether the party presses keys that way.
    pub(super) fn is_used(&self) -> bool {
        self.receiver.is_some()
    }

    /// Takes a packet of telephone events with this clock, in a stream of that one.
    pub(super) fn hear(&mut self, now: Instant, header: &Header, clocks: (u32, u32), payload: &[u8]) -> Keys {
        let Some(event) = TelephoneEvent::parse(payload) else { return Keys::new() };
        if Digit::from_code(event.event).is_none() {
            return Keys::new();
        }
        let fresh = || EventReceiver::new(clocks.0).in_stream(clocks.1);
        let receiver = self.receiver.get_or_insert_with(fresh);
        told(|out| {
            if receiver.clocks() != clocks {
                receiver.restart(out);
                *receiver = fresh();
            }
            let at = (header.sequence, header.timestamp, header.marker);
            receiver.feed(now.since(Instant::ZERO), at, event, out);
        })
    }

    /// The source begins anew, or is gone. What was down is up.
    pub(super) fn restart(&mut self) -> Option<Key> {
        let receiver = self.receiver.as_mut()?;
        told(|out| receiver.restart(out)).pop()
    }

    /// When the press that is known is over if nothing more is heard of it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.receiver.as_ref()?.deadline().map(|at| Instant::ZERO + at)
    }

    /// Ends a press of which nothing is heard any more.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Key> {
        let receiver = self.receiver.as_mut()?;
        told(|out| receiver.tick(now.since(Instant::ZERO), out)).pop()
    }
}
