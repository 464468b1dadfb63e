//! The ring in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use postcard::ser_flavors::Flavor;
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Input, Signalling};

use crate::entry::{Checkpoint, write_input, write_outcome};

/// Segments that the ring is meant to hold when checkpoints are small.
const SEGMENTS: usize = 8;
/// A segment is closed after this long, so that a cut of a quiet exchange does not go back for hours.
const LONGEST: Duration = Duration::from_secs(120);
/// The state is tried again this long after it was found too large to be kept.
const RETRY: Duration = Duration::from_secs(600);

/// Keeps the latest inputs and outputs of one machine in bounded memory. The oldest go first.
#[derive(Debug)]
pub struct Recorder {
    memory: usize,
    full: VecDeque<Arc<Segment>>,
    /// Octets in `full`.
    held: usize,
    current: Option<Segment>,
    /// The number of the next input.
    step: u64,
    refusal: Option<(Refusal, Instant)>,
}

/// A checkpoint and what followed.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) checkpoint: Checkpoint,
    /// Entries, one after the other.
    pub(crate) log: Vec<u8>,
}

impl Segment {
    fn octets(&self) -> usize {
        self.checkpoint.state.len() + self.log.capacity()
    }
}

/// Why nothing is being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state of the exchange does not fit.
    #[error("the state of this exchange takes more than a quarter of [record] memory; give it more")]
    TooSmall,
}

/// What a recorder had kept when it was asked.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// When it was asked.
    pub(crate) now: Instant,
}

impl Recorder {
    /// Keeps up to `memory` octets.
    pub const fn new(memory: usize) -> Self {
        Self { memory, full: VecDeque::new(), held: 0, current: None, step: 0, refusal: None }
    }

    /// Keeps up to this much from now on.
    pub fn resize(&mut self, memory: usize) {
        self.memory = memory;
        self.close();
        self.make_room(0);
        self.refusal = None;
    }

    /// Call this before `machine` is handed `input`, and [`Recorder::after`] afterwards.
    pub fn before(&mut self, machine: &Signalling, now: Instant, input: &Input) {
        if self.is_due(now) {
            self.rotate(machine, now);
        }
        if let Some(segment) = &mut self.current
            && write_input(&mut segment.log, now, input).is_err()
        {
            // It cannot happen, and half an entry must not stay.
            self.current = None;
        }
        self.step += 1;
    }

    /// Call this with everything that came of the input, and when the machine wants to be woken now.
    pub fn after(&mut self, actions: &[Action], deadline: Option<Instant>) {
        if let Some(segment) = &mut self.current
            && write_outcome(&mut segment.log, actions, deadline).is_err()
        {
            self.current = None;
        }
    }

    /// What there is. Nothing changes by it: whoever asks often must not push out what is kept.
    pub fn kept(&self, now: Instant) -> Kept {
        let current = self.current.clone().map(Arc::new);
        Kept { segments: self.full.iter().cloned().chain(current).collect(), now }
    }

    /// Why nothing is being kept, if that is so.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal.map(|(why, _)| why)
    }

    /// Octets in use; never more than what it was made with, but for one entry.
    pub fn octets(&self) -> usize {
        self.held + self.current.as_ref().map_or(0, Segment::octets)
    }

    fn is_due(&self, now: Instant) -> bool {
        match (&self.current, self.refusal) {
            (None, None) => true,
            (None, Some((_, since))) => now.since(since) >= RETRY,
            (Some(segment), _) => {
                let (state, log) = (segment.checkpoint.state.len(), segment.log.len());
                // Checkpoints take no more room, and no more time, than what they are for.
                log >= (self.memory / SEGMENTS).max(state)
                    || log >= state / 2 && now.since(segment.checkpoint.now) >= LONGEST
            }
        }
    }

    fn close(&mut self) {
        if let Some(mut segment) = self.current.take() {
            segment.log.shrink_to_fit();
            self.held += segment.octets();
            self.full.push_back(Arc::new(segment));
        }
    }

    fn rotate(&mut self, machine: &Signalling, now: Instant) {
        self.close();
        self.refusal = None;
        match postcard::serialize_with_flavor(machine, Bounded { out: Vec::new(), most: self.memory / 4 }) {
            Ok(mut state) => {
                state.shrink_to_fit();
                let wall = machine.wall_at(now);
                let checkpoint = Checkpoint { step: self.step, now, wall, state };
                self.current = Some(Segment { checkpoint, log: Vec::new() });
            }
            Err(_) => self.refusal = Some((Refusal::TooSmall, now)),
        }
        let coming = self.current.as_ref().map_or(0, |s| {
            // A vector doubles.
            s.octets() + 2 * (self.memory / SEGMENTS).max(s.octets())
        });
        self.make_room(coming);
    }

    fn make_room(&mut self, coming: usize) {
        while self.held + coming > self.memory
            && let Some(oldest) = self.full.pop_front()
        {
            self.held -= oldest.octets();
        }
    }
}

/// Writes into a vector that may not grow beyond a bound.
pub(crate) struct Bounded {
    pub(crate) out: Vec<u8>,
    pub(crate) most: usize,
}

impl Flavor for Bounded {
    type Output = Vec<u8>;

    fn try_push(&mut self, octet: u8) -> postcard::Result<()> {
        self.try_extend(&[octet])
    }

    fn try_extend(&mut self, octets: &[u8]) -> postcard::Result<()> {
        if self.out.len() + octets.len() > self.most {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.extend_from_slice(octets);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use telex_engine::Boot;
    use telex_engine::config::Config;
    use telex_engine::rng::Seed;

    use super::*;

    #[test]
    fn who_asks_often_pushes_nothing_out() {
        let seed = Seed::from_number(1);
        let mut machine = Signalling::new(Arc::new(Config::default()), seed, Boot::default());
        let mut recorder = Recorder::new(1 << 20);
        let mut actions = Vec::new();
        for millis in 0..50 {
            let now = Instant::from_millis(millis);
            recorder.before(&machine, now, &Input::Wake);
            machine.handle(now, Input::Wake, &mut actions);
            recorder.after(&actions, None);
            let before = recorder.octets();
            let kept = recorder.kept(now);
            assert_eq!(recorder.octets(), before);
            assert_eq!(kept.segments.len(), 1);
            assert_eq!(crate::entry::Entries::of(&kept.segments[0].log).count() as u64, millis + 1);
        }
    }
}
