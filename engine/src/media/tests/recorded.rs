//! Recordings: who is in them, how long they are, and what a slow disk does.

use super::transcode::{G722, Singer, amplitude, speaks};
use super::*;
use crate::media::MediaIo;
use crate::mediactl::{Recorded, RecordingFormat, RecordingId, RecordingSpec};

/// What was recorded, with silence where something is missing.
#[derive(Default)]
struct Tape {
    channels: u8,
    rate: u32,
    samples: Vec<i16>,
    pieces: u32,
    missing: u64,
    finished: bool,
}

const TAPE: RecordingId = RecordingId(5);

impl Tape {
    /// Takes what the shard hands over.
    fn take(&mut self, io: Vec<MediaIo>) {
        for io in io {
            match io {
                MediaIo::Record { recording, rate, channels, missing, samples, .. } => {
                    assert!(recording == TAPE && !self.finished);
                    (self.rate, self.channels) = (rate, channels);
                    let gap = missing as usize * usize::from(channels);
                    self.samples.resize(self.samples.len() + gap, 0);
                    self.samples.extend(samples);
                    self.pieces += 1;
                    self.missing += missing;
                }
                MediaIo::Finish { recording, missing } => {
                    assert!(recording == TAPE && !self.finished);
                    self.finished = true;
                    self.missing += missing;
                }
                MediaIo::Bind { .. } | MediaIo::Give { .. } => {}
            }
        }
    }

    fn channel(&self, which: usize) -> Vec<i16> {
        self.samples.iter().copied().skip(which).step_by(usize::from(self.channels)).collect()
    }
}

fn spec(what: Recorded, rate: u32) -> RecordingSpec {
    RecordingSpec { id: TAPE, what, rate, format: RecordingFormat::Wav, paused: false, quiet: 0 }
}

/// A call of a PCMU phone that says 440 Hz and a phone that says 600 Hz, recorded or not from second to second.
struct Call {
    w: World,
    rev: u32,
    mode: RoomMode,
    alice: Singer,
    bob: Singer,
    tape: Tape,
    /// Whether the driver says that it has written.
    writes: bool,
}

impl Call {
    fn new(mode: RoomMode, bobs: Payload) -> Self {
        let mut w = World::new(1);
        w.room(mode);
        w.put(1, 1, speaks(PCMU, A, ALICE));
        w.put(2, 1, speaks(bobs, B, BOB));
        let (alice, bob) = (Singer::new(1, PCMU, 440, 8000), Singer::new(2, bobs, 600, 5000));
        Self { w, rev: 1, mode, alice, bob, tape: Tape::default(), writes: true }
    }

    fn record(&mut self, recordings: &[RecordingSpec]) {
        self.rev += 1;
        let spec = RoomSpec { recordings: recordings.to_vec(), ..RoomSpec::new(self.mode) };
        self.w.command(MediaCommand::PutRoom { room: RoomId(1), rev: self.rev, spec });
        self.drain();
    }

    fn drain(&mut self) {
        let io = std::mem::take(&mut self.w.io);
        let pieces = io.iter().filter(|io| matches!(io, MediaIo::Record { .. })).count() as u32;
        self.tape.take(io);
        if self.writes && pieces > 0 {
            self.w.handle(MediaInput::Written { recording: TAPE, pieces });
        }
    }

    fn run(&mut self, frames: u32) {
        for _ in 0..frames {
            let (a, b) = (self.alice.next(), self.bob.next());
            self.w.packet(A, ALICE, &a);
            self.w.packet(B, BOB, &b);
            self.w.run(Duration::from_millis(20));
            self.drain();
        }
    }
}

#[test]
fn one_side_both_mixed_or_a_channel_each() {
    let stereo = Recorded::Stereo { left: LegId(1), right: LegId(2) };
    for (mode, bobs) in [(RoomMode::Relay, PCMU), (RoomMode::Relay, G722), (RoomMode::Mix, PCMU)] {
        for (what, rate) in [(Recorded::Leg(LegId(2)), 8000), (Recorded::Mixed, 16_000), (stereo, 48_000)] {
            let mut call = Call::new(mode, bobs);
            call.run(25);
            call.record(&[spec(what, rate)]);
            call.run(100);
            call.record(&[]);
            let tape = &call.tape;
            assert!(tape.finished && tape.missing == 0 && tape.pieces == 10, "{what:?}");
            let last = |which| {
                let all = tape.channel(which);
                assert_eq!(all.len() as u32, 2 * rate, "{what:?}");
                let second = &all[all.len() - rate as usize..];
                [440, 600].map(|hertz| (amplitude(second, rate, hertz) / 100.0).round() as i32)
            };
            match what {
                Recorded::Leg(_) => assert_eq!(last(0), [0, 50]),
                Recorded::Mixed => assert_eq!(last(0), [80, 50]),
                Recorded::Stereo { .. } => assert_eq!((last(0), last(1)), ([80, 0], [0, 50])),
            }
            let told = MediaReport::Recorded {
                room: RoomId(1),
                recording: TAPE,
                samples: 2 * u64::from(rate),
                missing: 0,
            };
            assert_eq!(call.w.reports.last(), Some(&told));
        }
    }
}

#[test]
fn a_pause_leaves_no_gap_and_the_rest_comes_at_the_end() {
    let mut call = Call::new(RoomMode::Relay, PCMU);
    let wanted = spec(Recorded::Mixed, 8000);
    call.record(&[wanted]);
    call.run(52);
    call.record(&[RecordingSpec { paused: true, ..wanted }]);
    call.run(100);
    call.record(&[wanted]);
    call.run(51);
    call.w.command(MediaCommand::DropRoom { room: RoomId(1) });
    call.drain();
    assert_eq!((call.tape.samples.len(), call.tape.missing, call.tape.finished), (103 * 160, 0, true));
    assert_eq!(call.w.shard.deadline(), None);
}

#[test]
fn silence_is_told_once_when_nobody_has_spoken_for_so_long() {
    let mut call = Call::new(RoomMode::Relay, PCMU);
    call.record(&[RecordingSpec { quiet: 1000, ..spec(Recorded::Leg(LegId(1)), 8000) }]);
    let told = |call: &Call| {
        let quiet = MediaReport::Quiet { leg: LegId(1), recording: TAPE };
        call.w.reports.iter().filter(|report| **report == quiet).count()
    };
    call.run(100);
    assert_eq!(told(&call), 0, "she speaks");
    call.w.run(Duration::from_millis(900));
    call.drain();
    assert_eq!(told(&call), 0);
    call.run(20);
    call.w.run(Duration::from_millis(1300));
    call.drain();
    assert_eq!(told(&call), 1, "from her last word on");
    call.w.run(Duration::from_secs(3));
    assert_eq!(told(&call), 1);
}

#[test]
fn a_slow_disk_leaves_a_hole_of_the_right_length_and_media_goes_on() {
    let mut call = Call::new(RoomMode::Relay, PCMU);
    call.record(&[spec(Recorded::Leg(LegId(1)), 8000)]);
    call.writes = false;
    call.run(700);
    assert_eq!(call.tape.pieces, 50, "ten seconds wait, four are dropped");
    call.w.handle(MediaInput::Written { recording: TAPE, pieces: 50 });
    call.w.handle(MediaInput::Written { recording: RecordingId(99), pieces: 50 });
    call.run(100);
    call.record(&[]);
    assert_eq!((call.tape.samples.len(), call.tape.missing), (800 * 160, 200 * 160));
    assert!(call.w.stats(1).sent >= 790);
}

#[test]
fn a_recording_goes_on_through_hold_and_late_ticks() {
    let mut call = Call::new(RoomMode::Relay, PCMA);
    call.record(&[spec(Recorded::Mixed, 8000)]);
    call.run(50);
    call.w.put(1, 2, LegSpec { receive: false, ..speaks(PCMU, A, ALICE) });
    call.w.put(2, 2, LegSpec { receive: false, ..speaks(PCMA, B, BOB) });
    call.run(50);
    call.w.now += Duration::from_millis(1000);
    call.w.handle(MediaInput::Tick);
    call.run(50);
    call.record(&[]);
    // Three of the fifty frames were made up for; one more or less by where in a frame the room is served.
    assert!((46 * 160..=47 * 160).contains(&call.tape.missing), "{}", call.tape.missing);
    assert_eq!(call.tape.samples.len(), 200 * 160);
}
