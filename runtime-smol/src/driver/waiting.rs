//! What has arrived and was not handled yet. Who waits, waits here, where it is seen and can be told to the engine; the
//! kernel's buffers only bridge the moments until they are looked at again.

use std::collections::VecDeque;
use std::time::Duration;

use telex_engine::border::{Input, StreamEvent};
use telex_engine::time::Instant;

use super::Arrival;

/// Arrivals that may wait; more stay with the kernel, which drops datagrams and holds streams back.
const MOST: usize = 16_384;
/// Octets that may wait.
const OCTETS: usize = 16 << 20;

/// A queue.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    arrivals: VecDeque<Arrival>,
    /// When each was taken in.
    since: VecDeque<Instant>,
    octets: usize,
}

impl Waiting {
    /// Lets `more` append what has arrived.
    pub(super) fn take_in<T>(&mut self, now: Instant, more: impl FnOnce(&mut VecDeque<Arrival>) -> T) -> T {
        let before = self.arrivals.len();
        let result = more(&mut self.arrivals);
        self.octets += self.arrivals.range(before..).map(octets).sum::<usize>();
        self.since.resize(self.arrivals.len(), now);
        result
    }

    /// Whether nothing more should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.arrivals.len() >= MOST || self.octets >= OCTETS
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// The next.
    pub(super) fn pop(&mut self) -> Option<Arrival> {
        self.since.pop_front();
        let arrival = self.arrivals.pop_front()?;
        self.octets -= octets(&arrival);
        Some(arrival)
    }

    /// How long the next has waited.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        self.since.front().map_or(Duration::ZERO, |since| now.since(*since))
    }
}

fn octets(arrival: &Arrival) -> usize {
    match arrival {
        Arrival::Input(
            Input::Datagram { bytes, .. } | Input::Stream { event: StreamEvent::Bytes(bytes), .. },
        ) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use telex_engine::border::ListenerId;

    fn datagram(length: usize) -> Arrival {
        let remote = "192.0.2.1:5060".parse().unwrap();
        let bytes = Bytes::from(vec![0; length]);
        Arrival::Input(Input::Datagram {
            listener: ListenerId(0),
            local: [192, 0, 2, 9].into(),
            remote,
            bytes,
        })
    }

    #[test]
    fn it_knows_how_long_its_first_has_waited() {
        let mut waiting = Waiting::default();
        let at = Instant::from_millis;
        assert_eq!(waiting.waited(at(9)), Duration::ZERO);
        waiting.take_in(at(5), |all| all.extend([datagram(1), datagram(2)]));
        waiting.take_in(at(8), |all| all.push_back(datagram(3)));
        assert_eq!(waiting.waited(at(9)), Duration::from_millis(4));
        assert!(waiting.pop().is_some() && waiting.pop().is_some());
        assert_eq!(waiting.waited(at(9)), Duration::from_millis(1));
        assert!(waiting.pop().is_some() && waiting.pop().is_none());
        assert_eq!((waiting.octets, waiting.since.len()), (0, 0));
    }

    #[test]
    fn many_and_large_ones_fill_it() {
        for length in [1, 60_000] {
            let mut waiting = Waiting::default();
            let mut count = 0;
            while !waiting.is_full() {
                waiting.take_in(Instant::ZERO, |all| all.push_back(datagram(length)));
                count += 1;
            }
            assert_eq!(count, MOST.min(OCTETS.div_ceil(length)));
            waiting.pop();
            assert!(!waiting.is_full());
        }
    }
}
