//! What is recorded of a room: frames in, pieces for the driver to write out.
//!
//! The driver says what it has written. When too much is unwritten, the disk is slow: pieces are left out until it has
//! caught up, and the next one says how much is missing, so that the recording keeps its time. Media waits for nothing.

use telex_audio::mix::Limiter;

use super::LegKey;
use super::converter::Converter;
use super::leg::Leg;
use super::out::{MediaIo, MediaOut};
use super::ring::FRAME_MS;
use super::voice::Scratch;
use crate::limits::{PIECES_UNWRITTEN, RECORDING_RATES};
use crate::mediactl::{LegId, MediaReport, Recorded, RecordingSpec, RoomId};
use crate::slots::Slots;

/// The mean of a frame's samples, without their signs, above which somebody speaks: 42 dB below the loudest.
const SPOKEN: u64 = 256;
/// Frames in a piece: 200 ms.
const FRAMES: u32 = 10;

/// One recording.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Recorder {
    pub(super) spec: RecordingSpec,
    /// Samples per second of what is recorded.
    rate: u32,
    left: Channel,
    right: Option<Channel>,
    /// What is not handed over yet; channels alternate.
    piece: Vec<i16>,
    frames: u32,
    /// Pieces handed over and not written.
    unwritten: u32,
    /// Samples per channel that are missing since the last piece handed over.
    missing: u64,
    all_samples: u64,
    all_missing: u64,
    /// Milliseconds since somebody spoke; not counted any more when it was told.
    quiet: Option<u64>,
}

/// One channel of a recording.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Channel {
    /// From the rate of the room.
    converter: Converter,
    /// For what is the sum of several.
    limiter: Limiter,
    /// A frame at the rate of the recording.
    line: Vec<i16>,
}

impl Channel {
    fn new(from: u32, to: u32) -> Self {
        Self { converter: Converter::new(from, to), limiter: Limiter::new(from), line: Vec::new() }
    }

    /// Takes a frame and makes it as long as it must be.
    fn take(&mut self, frame: &[i16], samples: usize) {
        self.line.clear();
        self.converter.convert(frame, &mut self.line);
        self.line.resize(samples, 0);
    }
}

/// The frame of a leg; nothing when it says nothing.
fn frame_of<'a>(legs: &'a Slots<LegKey, Leg>, members: &[LegKey], id: LegId) -> &'a [i16] {
    let leg = members.iter().filter_map(|&key| legs.get(key)).find(|leg| leg.id == id);
    leg.and_then(|leg| leg.intake.as_ref()).map_or(&[], |intake| &intake.frame)
}

/// Whether a leg's party is recorded.
pub(super) fn concerns(what: Recorded, leg: LegId) -> bool {
    match what {
        Recorded::Leg(one) => one == leg,
        Recorded::Mixed => true,
        Recorded::Stereo { left, right } => left == leg || right == leg,
    }
}

impl Recorder {
    /// Begins, in a room of this rate. A rate that is none of those that can be had becomes the nearest.
    pub(super) fn new(spec: RecordingSpec, room: u32) -> Self {
        let off = |rate: &&u32| rate.abs_diff(spec.rate);
        let rate = RECORDING_RATES.iter().min_by_key(off).copied().unwrap_or(8000);
        let stereo = matches!(spec.what, Recorded::Stereo { .. });
        Self {
            spec,
            rate,
            left: Channel::new(room, rate),
            right: stereo.then(|| Channel::new(room, rate)),
            piece: Vec::new(),
            frames: 0,
            unwritten: 0,
            missing: 0,
            all_samples: 0,
            all_missing: 0,
            quiet: Some(0),
        }
    }

    /// The room has this rate from now on.
    pub(super) fn set_source(&mut self, room: u32) {
        for channel in [Some(&mut self.left), self.right.as_mut()].into_iter().flatten() {
            if channel.converter.from() != room {
                *channel = Channel::new(room, self.rate);
            }
        }
    }

    /// Whether it wants frames.
    pub(super) fn is_running(&self) -> bool {
        !self.spec.paused
    }

    fn channels(&self) -> u8 {
        if self.right.is_some() { 2 } else { 1 }
    }

    /// Samples per channel in a frame.
    fn samples(&self) -> usize {
        (u64::from(self.rate) * FRAME_MS / 1000) as usize
    }

    /// Takes the present frame of the room.
    pub(super) fn frame(
        &mut self,
        legs: &Slots<LegKey, Leg>,
        members: &[LegKey],
        scratch: &mut Scratch,
        out: &mut MediaOut,
    ) {
        let samples = self.samples();
        match self.spec.what {
            Recorded::Leg(leg) => self.left.take(frame_of(legs, members, leg), samples),
            Recorded::Stereo { left, right } => {
                self.left.take(frame_of(legs, members, left), samples);
                if let Some(channel) = &mut self.right {
                    channel.take(frame_of(legs, members, right), samples);
                }
            }
            Recorded::Mixed => {
                let from = u64::from(self.left.converter.from()) * FRAME_MS / 1000;
                scratch.mix.start(from as usize);
                let intakes = members.iter().filter_map(|&key| legs.get(key)?.intake.as_ref());
                intakes.for_each(|intake| scratch.mix.add(&intake.frame));
                scratch.heard.clear();
                scratch.mix.all(&mut self.left.limiter, &mut scratch.heard);
                self.left.take(&scratch.heard, samples);
            }
        }
        self.listen(out);
        match &self.right {
            None => self.piece.extend_from_slice(&self.left.line),
            Some(right) => {
                let pairs = self.left.line.iter().zip(&right.line);
                self.piece.extend(pairs.flat_map(|(&left, &right)| [left, right]));
            }
        }
        self.frames += 1;
        if self.frames >= FRAMES {
            self.hand_over(out);
        }
    }

    /// Counts how long nobody has spoken.
    fn listen(&mut self, out: &mut MediaOut) {
        let (Recorded::Leg(leg), Some(quiet), 1..) = (self.spec.what, self.quiet, self.spec.quiet) else {
            return;
        };
        let line = &self.left.line;
        let sum: u64 = line.iter().map(|&sample| u64::from(sample.unsigned_abs())).sum();
        let speaks = sum > SPOKEN * line.len() as u64;
        let quiet = if speaks { 0 } else { quiet + FRAME_MS };
        self.quiet = Some(quiet);
        if quiet >= u64::from(self.spec.quiet) {
            self.quiet = None;
            out.reports.push(MediaReport::Quiet { leg, recording: self.spec.id });
        }
    }

    /// So many frames are lost.
    pub(super) fn skip(&mut self, frames: u64, out: &mut MediaOut) {
        self.hand_over(out);
        self.miss(frames.saturating_mul(self.samples() as u64));
    }

    fn miss(&mut self, samples: u64) {
        self.missing = self.missing.saturating_add(samples);
        self.all_missing = self.all_missing.saturating_add(samples);
    }

    /// Hands over what there is, or drops it when too much is unwritten.
    fn hand_over(&mut self, out: &mut MediaOut) {
        if self.piece.is_empty() {
            return;
        }
        let samples = self.piece.len() as u64 / u64::from(self.channels());
        self.frames = 0;
        if self.unwritten >= PIECES_UNWRITTEN {
            self.piece.clear();
            return self.miss(samples);
        }
        self.unwritten += 1;
        self.all_samples += samples;
        // It goes to another thread, and another takes its place.
        let piece = Vec::with_capacity(self.samples() * FRAMES as usize * usize::from(self.channels()));
        out.io.push(MediaIo::Record {
            recording: self.spec.id,
            format: self.spec.format,
            rate: self.rate,
            channels: self.channels(),
            missing: std::mem::take(&mut self.missing),
            samples: std::mem::replace(&mut self.piece, piece),
        });
    }

    /// The driver has written so many pieces.
    pub(super) fn written(&mut self, pieces: u32) {
        self.unwritten = self.unwritten.saturating_sub(pieces);
    }

    /// Ends.
    pub(super) fn finish(mut self, room: RoomId, out: &mut MediaOut) {
        self.hand_over(out);
        let (recording, missing) = (self.spec.id, self.missing);
        out.io.push(MediaIo::Finish { recording, missing });
        let (samples, missing) = (self.all_samples, self.all_missing);
        out.reports.push(MediaReport::Recorded { room, recording, samples, missing });
    }
}
