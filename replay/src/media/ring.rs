//! The ring of one media machine.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::{Library, ShardId};
use telex_engine::time::{Duration, Instant};

use super::MediaPolicy;
use super::digest::Sum;
use super::told::Told;
use crate::ring::Bounded;

/// Segments that the ring is meant to hold.
const SEGMENTS: usize = 8;
/// Octets of state that are written down between two packets, in some 4 ms: more would be heard.
const LARGEST: usize = 2 << 20;
/// The state is tried again this long after it was found too large to be kept.
const RETRY: Duration = Duration::from_secs(60);

/// Keeps the latest inputs of one media machine, and digests of what came of them, in bounded memory. The oldest go
/// first. Once it is full it goes round in the memory it has: a packet allocates nothing.
///
/// From time to time the whole state of the machine is written down, which takes a moment. So that this is never heard,
/// a machine with too many calls for that is not recorded: see [`MediaRefusal`].
#[derive(Debug)]
pub struct MediaRecorder {
    policy: MediaPolicy,
    memory: usize,
    full: VecDeque<Arc<Segment>>,
    current: Option<Segment>,
    /// Memory of a segment that went, to be used again, and what was around it.
    spare: Option<Segment>,
    shell: Option<Arc<Segment>>,
    /// The number of the next input.
    step: u64,
    /// Something was told since [`MediaRecorder::after`].
    unsettled: bool,
    refusal: Option<(MediaRefusal, Instant)>,
    /// The sounds of the machine, since a state has only their lengths.
    library: Arc<Library>,
}

/// The state of a machine and what followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// The number of its first input.
    pub(super) step: u64,
    pub(super) now: Instant,
    pub(super) policy: MediaPolicy,
    pub(super) state: Vec<u8>,
    /// [`Mark`]s, one after the other.
    pub(super) log: Vec<u8>,
}

/// One line of a log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Mark<'a> {
    /// The machine was told something.
    Told(Instant, #[serde(borrow)] Told<'a>),
    /// The digest of what came of everything it was told since the last such mark.
    Came(u64),
}

/// Reads marks until there are no more.
pub(super) struct Marks<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Marks<'a> {
    type Item = Mark<'a>;

    fn next(&mut self) -> Option<Mark<'a>> {
        let (mark, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(mark)
    }
}

impl Segment {
    fn octets(&self) -> usize {
        self.state.capacity() + self.log.capacity()
    }
}

/// Why no media is being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// The state does not fit.
    #[error(
        "the calls of one media thread take more than an eighth of its share of [record] media_memory; give it more"
    )]
    TooSmall,
    /// The state takes too long to be written down.
    #[error(
        "one media thread has more calls than can be written down without being heard; media is kept again when it has fewer"
    )]
    TooMuch,
}

/// What a recorder had kept when it was asked.
#[derive(Clone, Debug)]
pub struct MediaKept {
    pub(crate) shard: ShardId,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Why nothing is being kept now.
    pub(super) refusal: Option<MediaRefusal>,
    /// The sounds of the machine.
    pub(super) library: Arc<Library>,
}

impl MediaRecorder {
    /// Keeps up to `memory` octets.
    pub fn new(policy: MediaPolicy, memory: usize) -> Self {
        Self {
            policy,
            memory,
            full: VecDeque::new(),
            current: None,
            spare: None,
            shell: None,
            step: 0,
            unsettled: false,
            refusal: None,
            library: Arc::default(),
        }
    }

    /// Keeps this of what comes, up to so many octets.
    pub fn change(&mut self, policy: MediaPolicy, memory: usize) {
        (self.policy, self.memory, self.refusal) = (policy, memory, None);
        self.close();
        self.spare = None;
        while self.octets() > self.memory && self.full.pop_front().is_some() {}
    }

    /// Call this before `machine` is handed `input`.
    #[inline]
    pub fn before(&mut self, machine: &MediaShard, now: Instant, input: &MediaInput<'_>) {
        if !self.unsettled && self.is_due(now) {
            self.rotate(machine, now);
        }
        self.step += 1;
        self.unsettled = true;
        if let MediaInput::Library(library) = input {
            self.library = Arc::clone(library);
        }
        let Some(segment) = &mut self.current else { return };
        let told = Told::of(input, segment.policy);
        self.write(&Mark::Told(now, told));
    }

    /// Call this after one or more inputs, with everything that came of them and has not been shown here before, and
    /// when the machine wants to be woken now.
    #[inline]
    pub fn after(&mut self, out: &MediaOut, deadline: Option<Instant>) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        let Some(segment) = &self.current else { return };
        let mut sum = Sum::new();
        sum.add(out, segment.policy);
        self.write(&Mark::Came(sum.finish(deadline)));
    }

    fn write(&mut self, mark: &Mark<'_>) {
        let Some(segment) = &mut self.current else { return };
        match postcard::to_extend(mark, std::mem::take(&mut segment.log)) {
            Ok(log) => segment.log = log,
            // It cannot happen, and half a mark must not stay.
            Err(_) => self.current = None,
        }
    }

    /// What there is. Nothing changes by it: whoever asks often must not push out what is kept.
    pub fn kept(&self, shard: ShardId) -> MediaKept {
        let current = self.current.clone().map(Arc::new);
        let segments = self.full.iter().cloned().chain(current).collect();
        MediaKept { shard, segments, refusal: self.refusal(), library: Arc::clone(&self.library) }
    }

    /// Why nothing is being kept, if that is so.
    pub fn refusal(&self) -> Option<MediaRefusal> {
        self.refusal.map(|(why, _)| why)
    }

    /// Octets in use; never more than what it was made with, but for what came in one go.
    pub fn octets(&self) -> usize {
        let full: usize = self.full.iter().map(|segment| segment.octets()).sum();
        full + self.current.iter().chain(&self.spare).map(Segment::octets).sum::<usize>()
    }

    #[inline]
    fn is_due(&self, now: Instant) -> bool {
        match (&self.current, self.refusal) {
            // A state is no larger, so that it takes no more room, and no more time, than what follows it.
            (Some(segment), _) => segment.log.len() >= self.size(),
            (None, None) => true,
            (None, Some((_, since))) => now.since(since) >= RETRY,
        }
    }

    fn close(&mut self) {
        let Some(segment) = self.current.take() else { return };
        let mut shell = self.shell.take();
        match shell.as_mut().and_then(Arc::get_mut) {
            Some(empty) => *empty = segment,
            None => shell = Some(Arc::new(segment)),
        }
        self.full.extend(shell);
    }

    /// Octets of a log that is full.
    const fn size(&self) -> usize {
        self.memory / SEGMENTS
    }

    fn rotate(&mut self, machine: &MediaShard, now: Instant) {
        self.close();
        self.refusal = None;
        self.library = Arc::clone(machine.library());
        // What comes in one go may be more than fits, and states grow: one segment less leaves room for that.
        let (size, most) = (self.size(), self.size().min(LARGEST));
        let room = size + size / SEGMENTS;
        let coming = |recorder: &Self| if recorder.spare.is_none() { room + most } else { 0 };
        while self.octets() + coming(self) > self.memory - size
            && let Some(mut oldest) = self.full.pop_front()
        {
            // Unless somebody is cutting from it.
            if let Some(segment) = Arc::get_mut(&mut oldest) {
                self.spare = Some(std::mem::take(segment));
                self.shell = Some(oldest);
            }
        }
        let Segment { mut state, mut log, .. } = self.spare.take().unwrap_or_default();
        state.clear();
        log.clear();
        log.reserve_exact(room);
        match postcard::serialize_with_flavor(machine, Bounded { out: state, most }) {
            Ok(state) => {
                self.current = Some(Segment { step: self.step, now, policy: self.policy, state, log });
            }
            Err(_) if most < LARGEST => self.refusal = Some((MediaRefusal::TooSmall, now)),
            Err(_) => self.refusal = Some((MediaRefusal::TooMuch, now)),
        }
    }
}
