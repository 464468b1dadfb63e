//! What recording media costs: allocations, time and memory.
//!
//! The first test runs with the others. The measurement is asked for with
//! `cargo test --release -p telex-replay --test media_cost -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::{
    Accepted, Kind, LegId, LegSpec, MediaCommand, Payload, PortId, RoomId, RoomMode, RoomSpec, ShardId,
};
use telex_engine::rng::Seed;
use telex_engine::time::Instant;
use telex_replay::{MediaPolicy, MediaRecorder, MediaRefusal};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all calls go on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PCMU: Payload = Payload::opaque(0, 8000);

fn remote(leg: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 2000 + leg as u16))
}

fn port(leg: u64) -> u16 {
    10_000 + 2 * leg as u16
}

/// A machine with its recorder, as a driver has them.
struct Recorded {
    machine: MediaShard,
    recorder: Option<MediaRecorder>,
    out: MediaOut,
    packet: [u8; 172],
    number: u32,
    legs: u64,
}

impl Recorded {
    fn new(calls: u64, recorder: Option<MediaRecorder>) -> Self {
        let machine = MediaShard::new(ShardId(0), Seed::from_number(1));
        let mut packet = [0x80; 172];
        packet[1] = 0;
        let out = MediaOut::new();
        let mut recorded = Self { machine, recorder, out, packet, number: 0, legs: 2 * calls };
        for call in 0..calls {
            let spec = RoomSpec::new(RoomMode::Relay);
            recorded.command(MediaCommand::PutRoom { room: RoomId(call), rev: 1, spec });
            for leg in [2 * call, 2 * call + 1] {
                let spec = Box::new(spec_of(leg, call));
                recorded.command(MediaCommand::PutLeg { leg: LegId(leg), rev: 1, spec });
            }
        }
        recorded.settle();
        recorded
    }

    fn command(&mut self, command: MediaCommand) {
        let input = MediaInput::Command(command);
        if let Some(recorder) = &mut self.recorder {
            recorder.before(&self.machine, Instant::ZERO, &input);
        }
        self.machine.handle(Instant::ZERO, input, &mut self.out);
    }

    /// What a driver does after a batch.
    fn settle(&mut self) -> usize {
        if let Some(recorder) = &mut self.recorder {
            recorder.after(&self.out, self.machine.deadline());
        }
        let sent = self.out.packets.len();
        self.out.clear();
        sent
    }

    /// One frame from every leg, with the ticks that are due.
    fn frame(&mut self) -> usize {
        self.number += 1;
        let now = Instant::from_millis(20 * u64::from(self.number));
        if self.machine.deadline().is_some_and(|d| d <= now) {
            if let Some(recorder) = &mut self.recorder {
                recorder.before(&self.machine, now, &MediaInput::Tick);
            }
            self.machine.handle(now, MediaInput::Tick, &mut self.out);
            self.settle();
        }
        self.packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
        self.packet[4..8].copy_from_slice(&(self.number * 160).to_be_bytes());
        let mut sent = 0;
        for leg in 0..self.legs {
            self.packet[8..12].copy_from_slice(&(leg as u32).to_be_bytes());
            let input = MediaInput::Packet { port: port(leg), remote: remote(leg), bytes: &mut self.packet };
            if let Some(recorder) = &mut self.recorder {
                recorder.before(&self.machine, now, &input);
            }
            self.machine.handle(now, input, &mut self.out);
            if leg % 32 == 31 || leg + 1 == self.legs {
                sent += self.settle();
            }
        }
        sent
    }
}

fn spec_of(leg: u64, room: u64) -> LegSpec {
    let accepted =
        |(number, kind)| Accepted { payload: Payload::opaque(number, 8000), kind, forward: Some(number) };
    LegSpec {
        remote: Some(remote(leg)),
        send: true,
        receive: true,
        audio: Some(PCMU),
        events: Some(Payload::opaque(101, 8000)),
        accept: [(0, Kind::Speech), (8, Kind::Speech), (101, Kind::Events)].map(accepted).to_vec(),
        latch: 1,
        silence: Some(Duration::from_secs(60)),
        ..LegSpec::new(RoomId(room), PortId(port(leg)))
    }
}

#[test]
fn nothing_is_allocated_but_for_states_once_the_ring_has_gone_round() {
    for policy in [MediaPolicy::Headers, MediaPolicy::All] {
        const MEMORY: usize = 256 << 10;
        let mut recorded = Recorded::new(4, Some(MediaRecorder::new(policy, MEMORY)));
        for _ in 0..3000 {
            assert_eq!(recorded.frame(), 8);
        }
        let before = CALLS.get();
        let mut room = [0; 64 << 10];
        postcard::to_slice(&recorded.machine, &mut room).unwrap();
        let state = CALLS.get() - before;
        let before = CALLS.get();
        // Forty seconds, several times round.
        for _ in 0..2000 {
            assert_eq!(recorded.frame(), 8);
        }
        // The engine sorts its timers when a state is written, once in hundreds of packets.
        let calls = CALLS.get() - before;
        assert!(calls.is_multiple_of(state) && calls / state < 16_000 / 100, "{calls}, {state} a state");
        let recorder = recorded.recorder.as_ref().unwrap();
        assert!(recorder.octets() <= MEMORY && recorder.octets() > MEMORY / 2, "{}", recorder.octets());
        assert_eq!(recorder.refusal(), None);
    }
}

#[test]
fn a_machine_with_too_many_calls_is_not_recorded_and_says_so() {
    let refusal = |calls, memory| {
        let mut recorded = Recorded::new(calls, Some(MediaRecorder::new(MediaPolicy::Headers, memory)));
        // A state is written when the one before has been followed by enough.
        while recorded.number < 2000 && recorded.recorder.as_ref().is_some_and(|r| r.refusal().is_none()) {
            recorded.frame();
        }
        let recorder = recorded.recorder.take().unwrap();
        assert!(recorder.octets() <= memory, "{}", recorder.octets());
        recorder.refusal()
    };
    assert_eq!(refusal(20, 1 << 20), None);
    assert_eq!(refusal(200, 256 << 10), Some(MediaRefusal::TooSmall));
    assert_eq!(refusal(6000, 64 << 20), Some(MediaRefusal::TooMuch));
}

/// Nanoseconds of `work` per unit: the median of many rounds, and the longest.
fn measure(rounds: usize, units: f64, mut work: impl FnMut()) -> [f64; 2] {
    let mut rounds: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / units
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    [rounds[rounds.len() / 2], rounds[rounds.len() - 1]]
}

#[test]
#[ignore = "a measurement: run it alone, in release"]
fn cost() {
    for calls in [10, 100, 500] {
        for (name, policy) in
            [("off", None), ("headers", Some(MediaPolicy::Headers)), ("all", Some(MediaPolicy::All))]
        {
            let recorder = policy.map(|policy| MediaRecorder::new(policy, 16 << 20));
            let mut recorded = Recorded::new(calls, recorder);
            let frames = (1000 / (2 * calls)).max(1);
            let packets = frames * 2 * calls;
            let mut round = || (0..frames).for_each(|_| assert_eq!(recorded.frame() as u64, 2 * calls));
            for _ in 0..1000 {
                round();
            }
            let [median, longest] = measure(3001, 1.0, round);
            let (per_packet, micros) = (median / packets as f64, longest / 1000.0);
            let refusal = recorded.recorder.as_ref().and_then(MediaRecorder::refusal);
            println!(
                "{calls:4} calls, {name:8}: {per_packet:6.1} ns per packet, longest round of {packets} \
                 {micros:.0} us{}",
                refusal.map_or(String::new(), |why| format!(" ({why})"))
            );
        }
        let recorded = Recorded::new(calls, None);
        let state = postcard::to_stdvec(&recorded.machine).unwrap();
        let [taken, _] = measure(101, 1000.0, || {
            let mut recorder = MediaRecorder::new(MediaPolicy::Headers, 16 << 20);
            recorder.before(&recorded.machine, Instant::ZERO, &MediaInput::Tick);
        });
        println!(
            "     a state of {} octets, {} per call, in {taken:.0} us",
            state.len(),
            state.len() as u64 / calls
        );
    }
}
