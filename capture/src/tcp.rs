//! TCP streams put together again (RFC 9293 §3.4): lost, repeated, overlapping and reordered segments, sequence numbers
//! that wrap, connections that were open before the capture began.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use crate::framer::{Framed, Framer};
use crate::limits::{TCP_FLOWS, TCP_OCTETS, TCP_WAITING_OCTETS, TCP_WAITING_SEGMENTS};
use crate::time::Time;

/// A segment further from what is expected than this is of another connection.
const WINDOW: i32 = 1 << 24;

/// Where octets came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The frame.
    pub(crate) frame: u64,
    /// When it was captured.
    pub(crate) at: Time,
}

/// A message found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// The segment that completed it.
    pub(crate) origin: Origin,
    pub(crate) message: Framed,
}

/// What matters of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) end: bool,
    pub(crate) payload: &'a [u8],
    /// Octets of the payload that were not captured.
    pub(crate) missing: usize,
}

/// Directions of connections.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// Octets that all flows hold.
    held: usize,
}

/// One direction of a connection.
#[derive(Debug)]
struct Flow {
    /// Sequence number of the next octet.
    next: u32,
    /// Segments beyond it, by how many octets beyond the first octet ever: numbers that do not wrap.
    waiting: BTreeMap<u64, Waiting>,
    waiting_octets: usize,
    /// Octets passed so far.
    passed: u64,
    framer: Framer,
    last: Origin,
}

#[derive(Debug)]
struct Waiting {
    octets: Vec<u8>,
    missing: usize,
    origin: Origin,
}

impl Flows {
    /// Takes the next segment of a direction; gives the messages that it completes.
    pub(crate) fn add(
        &mut self,
        (source, destination): (SocketAddr, SocketAddr),
        segment: Segment<'_>,
        origin: Origin,
    ) -> Vec<Found> {
        let key = (source, destination);
        let fresh = !self.flows.contains_key(&key);
        if fresh && segment.payload.is_empty() && !segment.syn {
            return Vec::new();
        }
        if fresh && self.flows.len() >= TCP_FLOWS {
            self.forget();
        }
        let start = segment.sequence.wrapping_add(u32::from(segment.syn));
        let flow = self.flows.entry(key).or_insert_with(|| Flow::new(start, origin));
        let before = flow.held();
        let mut messages = Vec::new();
        if flow.is_other(start, segment.syn) {
            flow.end(&mut messages);
            *flow = Flow::new(start, origin);
        }
        flow.add(start, segment, origin, &mut messages);
        if segment.end && flow.waiting.is_empty() {
            flow.end(&mut messages);
        }
        self.held = self.held - before + flow.held();
        if self.held > TCP_OCTETS {
            self.held -= flow.held();
            flow.end(&mut messages);
            self.flows.remove(&key);
        }
        let found = |(origin, message)| Found { source, destination, origin, message };
        messages.into_iter().map(found).collect()
    }

    /// Gives up a quarter of the directions, those that have been silent for longest.
    fn forget(&mut self) {
        let mut last: Vec<u64> = self.flows.values().map(|flow| flow.last.frame).collect();
        let quarter = last.len() / 4;
        let (_, limit, _) = last.select_nth_unstable(quarter);
        let limit = *limit;
        self.flows.retain(|_, flow| flow.last.frame > limit);
        self.held = self.flows.values().map(Flow::held).sum();
    }

    /// The capture has ended: what is left of each direction, in the order of its last segments.
    pub(crate) fn finish(self) -> Vec<Found> {
        let mut found = Vec::new();
        for ((source, destination), mut flow) in self.flows {
            let mut messages = Vec::new();
            flow.end(&mut messages);
            found.extend(messages.into_iter().map(|(origin, message)| Found {
                source,
                destination,
                origin,
                message,
            }));
        }
        // The sort keeps messages of one frame in the order of their stream.
        found.sort_by_key(|f| (f.origin.frame, f.source, f.destination));
        found
    }
}

impl Flow {
    fn new(next: u32, origin: Origin) -> Self {
        let (waiting, framer) = (BTreeMap::new(), Framer::default());
        Self { next, waiting, waiting_octets: 0, passed: 0, framer, last: origin }
    }

    fn held(&self) -> usize {
        self.waiting_octets + self.framer.held()
    }

    /// Whether a segment belongs to another connection between the same ports.
    fn is_other(&self, start: u32, syn: bool) -> bool {
        let distance = start.wrapping_sub(self.next).cast_signed();
        let behind = self.passed.min(u64::from(u32::MAX)) as i64;
        // A SYN that is repeated points at the first octet.
        let again = i64::from(distance) == -behind;
        (syn && !again) || !(-WINDOW..WINDOW).contains(&distance)
    }

    fn add(&mut self, start: u32, segment: Segment<'_>, origin: Origin, found: &mut Vec<(Origin, Framed)>) {
        self.last = origin;
        if segment.payload.is_empty() {
            return;
        }
        let distance = i64::from(start.wrapping_sub(self.next).cast_signed());
        let Some(at) = self.passed.checked_add_signed(distance) else {
            // Begins before the capture did; the part from there on counts.
            let known = distance.unsigned_abs() - self.passed;
            let payload = segment.payload.get(known as usize..).unwrap_or_default();
            let later = Segment { payload, ..segment };
            if !payload.is_empty() {
                self.add(start.wrapping_add(known as u32), later, origin, found);
            }
            return;
        };
        let octets = segment.payload.to_vec();
        if at <= self.passed {
            self.deliver(at, Waiting { octets, missing: segment.missing, origin }, found);
        } else if self.waiting.get(&at).is_none_or(|known| known.octets.len() < octets.len()) {
            self.waiting_octets += octets.len();
            if let Some(old) = self.waiting.insert(at, Waiting { octets, missing: segment.missing, origin }) {
                self.waiting_octets -= old.octets.len();
            }
        }
        self.advance(found);
        while self.waiting.len() > TCP_WAITING_SEGMENTS || self.waiting_octets > TCP_WAITING_OCTETS {
            self.jump(found);
        }
    }

    /// Delivers what has become due.
    fn advance(&mut self, found: &mut Vec<(Origin, Framed)>) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.passed) {
            let at = *entry.key();
            let waiting = entry.remove();
            self.waiting_octets -= waiting.octets.len();
            self.deliver(at, waiting, found);
        }
    }

    /// Gives up the octets before the first segment that waits.
    fn jump(&mut self, found: &mut Vec<(Origin, Framed)>) {
        let Some((&at, first)) = self.waiting.first_key_value() else { return };
        let (missing, origin) = (at.saturating_sub(self.passed), first.origin);
        self.miss(missing, origin, found);
        self.advance(found);
    }

    /// Octets that will never come.
    fn miss(&mut self, octets: u64, origin: Origin, found: &mut Vec<(Origin, Framed)>) {
        let mut messages = Vec::new();
        self.framer.gap(octets, &mut messages);
        found.extend(messages.into_iter().map(|message| (origin, message)));
        self.pass(octets);
    }

    fn pass(&mut self, octets: u64) {
        self.passed += octets;
        self.next = self.next.wrapping_add(octets as u32);
    }

    /// Hands octets that begin at or before the next one to the framer.
    fn deliver(&mut self, at: u64, octets: Waiting, found: &mut Vec<(Origin, Framed)>) {
        let known = usize::try_from(self.passed - at).unwrap_or(usize::MAX);
        let Waiting { octets, missing, origin } = octets;
        if let Some(new) = octets.get(known..).filter(|new| !new.is_empty()) {
            let mut messages = Vec::new();
            self.framer.push(new, &mut messages);
            found.extend(messages.into_iter().map(|message| (origin, message)));
            self.pass(new.len() as u64);
        }
        if missing > 0 && known <= octets.len() {
            self.miss(missing as u64, origin, found);
        }
    }

    /// Nothing more comes.
    fn end(&mut self, found: &mut Vec<(Origin, Framed)>) {
        while !self.waiting.is_empty() {
            self.jump(found);
        }
        let mut messages = Vec::new();
        self.framer.finish(&mut messages);
        found.extend(messages.into_iter().map(|message| (self.last, message)));
    }
}

#[cfg(test)]
mod tests;
