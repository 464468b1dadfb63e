//! What media costs: allocations, time and memory.
//!
//! The first test runs with the others. The measurement is asked for with
//! `cargo test --release -p telex-engine --test media_cost -- --ignored --nocapture`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use telex_audio::codec::{Encoder, Encoding, Settings, g711};
use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::{
    Accepted, Kind, LegId, LegSpec, MediaCommand, Payload, Play, PortId, Recorded, RecordingFormat,
    RecordingId, RecordingSpec, RoomId, RoomMode, RoomSpec, ShardId,
};
use telex_engine::rng::Seed;
use telex_engine::time::Instant;

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: all calls go on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|c| c.set(c.get() + 1));
        let _ = HELD.try_with(|h| h.set(h.get() + layout.size() as i64));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|h| h.set(h.get() - layout.size() as i64));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PCMU: Payload = Payload::of(0, Encoding::Pcmu);

fn remote(leg: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 2000 + leg as u16))
}

fn port(leg: u64) -> u16 {
    10_000 + 2 * leg as u16
}

fn put(shard: &mut MediaShard, leg: u64, room: u64, playing: Option<Play>, out: &mut MediaOut) {
    let spec = Box::new(LegSpec {
        remote: Some(remote(leg)),
        send: true,
        receive: true,
        audio: Some(PCMU),
        events: Some(Payload::opaque(101, 8000)),
        accept: [(0, Kind::Speech), (8, Kind::Speech), (101, Kind::Events)]
            .map(|(n, kind)| Accepted { payload: Payload::opaque(n, 8000), kind, forward: Some(n) })
            .to_vec(),
        playing,
        latch: 1,
        silence: Some(Duration::from_secs(60)),
        ..LegSpec::new(RoomId(room), PortId(port(leg)))
    });
    shard.handle(
        Instant::ZERO,
        MediaInput::Command(MediaCommand::PutLeg { leg: LegId(leg), rev: 1, spec }),
        out,
    );
}

fn shard(calls: u64, playing: &Option<Play>) -> MediaShard {
    let mut shard = MediaShard::new(ShardId(0), Seed::from_number(1));
    let mut out = MediaOut::default();
    for call in 0..calls {
        let spec = RoomSpec::new(RoomMode::Relay);
        let room = MediaCommand::PutRoom { room: RoomId(call), rev: 1, spec };
        shard.handle(Instant::ZERO, MediaInput::Command(room), &mut out);
        put(&mut shard, 2 * call, call, playing.clone(), &mut out);
        put(&mut shard, 2 * call + 1, call, playing.clone(), &mut out);
    }
    shard
}

/// One frame from every leg, as the wire would bring it, with the ticks that are due.
fn frame(
    shard: &mut MediaShard,
    legs: u64,
    number: u32,
    packet: &mut [u8; 172],
    out: &mut MediaOut,
) -> usize {
    let now = Instant::from_millis(20 * u64::from(number));
    if shard.deadline().is_some_and(|d| d <= now) {
        shard.handle(now, MediaInput::Tick, out);
        out.clear();
    }
    packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(number * 160).to_be_bytes());
    let mut sent = 0;
    for leg in 0..legs {
        packet[8..12].copy_from_slice(&(leg as u32).to_be_bytes());
        shard.handle(now, MediaInput::Packet { port: port(leg), remote: remote(leg), bytes: packet }, out);
        // A driver sends in batches.
        if leg % 32 == 31 || leg + 1 == legs {
            sent += out.packets.len();
            out.clear();
        }
    }
    sent
}

#[test]
fn nothing_is_allocated_per_packet_once_warm() {
    const LEGS: u64 = 8;
    let mut relay = shard(LEGS / 2, &None);
    let mut tones = shard(LEGS / 2, &Some(Play::tone(440, 8000)));
    let mut out = MediaOut::default();
    let mut packet = [0x80; 172];
    packet[1] = 0;
    let mut play = |from: u32, to: u32| {
        for number in from..to {
            let sent = frame(&mut relay, LEGS, number, &mut packet, &mut out);
            assert_eq!(sent as u64, LEGS);
            tones.handle(Instant::from_millis(20 * u64::from(number)), MediaInput::Tick, &mut out);
            out.clear();
        }
    };
    play(1, 1000);
    let before = CALLS.get();
    // Twenty seconds, with RTCP.
    play(1000, 2000);
    assert_eq!(CALLS.get() - before, 0);
}

/// Rooms whose sound is decoded, and what their parties send in the course of a second.
struct Sounding {
    shard: MediaShard,
    speech: Vec<Vec<Vec<u8>>>,
    payloads: Vec<Payload>,
    number: u32,
    out: MediaOut,
}

impl Sounding {
    /// Rooms of so many members with these codecs in turn; the first `talking` of each talk.
    fn new(rooms: u64, members: u64, codecs: &[Payload], talking: u64, spec: &RoomSpec) -> Self {
        let mut shard = MediaShard::new(ShardId(0), Seed::from_number(1));
        let (mut out, mut speech, mut payloads) = (MediaOut::default(), Vec::new(), Vec::new());
        for leg in 0..rooms * members {
            let (room, member) = (RoomId(leg / members), leg % members);
            if member == 0 {
                let command = MediaCommand::PutRoom { room, rev: 1, spec: spec.clone() };
                shard.handle(Instant::ZERO, MediaInput::Command(command), &mut out);
            }
            let payload = codecs[member as usize % codecs.len()];
            payloads.push(payload);
            let spec = Box::new(LegSpec {
                remote: Some(remote(leg)),
                send: true,
                receive: true,
                audio: Some(payload),
                accept: vec![Accepted { payload, kind: Kind::Speech, forward: None }],
                ..LegSpec::new(room, PortId(port(leg)))
            });
            let put = MediaCommand::PutLeg { leg: LegId(leg), rev: 1, spec };
            shard.handle(Instant::ZERO, MediaInput::Command(put), &mut out);
            speech.push(talk(payload, if member < talking { 6000 } else { 4 }));
        }
        out.clear();
        Self { shard, speech, payloads, number: 0, out }
    }

    /// Octets of memory for what the parties will say: they are the test's, not the machine's.
    fn speech(&self) -> i64 {
        let list = |packets: &Vec<Vec<u8>>| packets.capacity() * size_of::<Vec<u8>>();
        let octets = |packets: &Vec<Vec<u8>>| packets.iter().map(Vec::capacity).sum::<usize>();
        let all: usize = self.speech.iter().map(|packets| list(packets) + octets(packets)).sum();
        (all + self.speech.capacity() * size_of::<Vec<Vec<u8>>>()) as i64
    }

    /// One frame from every party, and what is due.
    fn frame(&mut self) -> usize {
        let now = Instant::from_millis(20 * u64::from(self.number));
        let mut sent = 0;
        for leg in 0..self.payloads.len() {
            let payload = self.payloads[leg];
            let mut packet = [0x80; 12 + 320];
            packet[1] = payload.number;
            packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(self.number * payload.clock / 50).to_be_bytes());
            packet[8..12].copy_from_slice(&(leg as u32).to_be_bytes());
            let said = &self.speech[leg][self.number as usize % 50];
            packet[12..12 + said.len()].copy_from_slice(said);
            let bytes = &mut packet[..12 + said.len()];
            let (port, remote) = (port(leg as u64), remote(leg as u64));
            self.shard.handle(now, MediaInput::Packet { port, remote, bytes }, &mut self.out);
        }
        self.number += 1;
        while let Some(at) = self.shard.deadline().filter(|&at| at < now + Duration::from_millis(20)) {
            self.shard.handle(at, MediaInput::Tick, &mut self.out);
            sent += self.out.packets.len();
            self.out.clear();
        }
        sent
    }
}

/// A second of something like a voice, in packets.
fn talk(payload: Payload, peak: i32) -> Vec<Vec<u8>> {
    let encoding = payload.encoding.expect("only what can be coded is measured");
    let mut encoder = Encoder::new(encoding, Settings::default());
    let samples = encoder.rate() as i32 / 50;
    let packet = |frame: i32| {
        let (from, mut octets) = (frame * samples, Vec::new());
        let at = |n: i32| (n * 100 % 1777 - 888) * peak / 888;
        let pcm: Vec<i16> = (from..from + samples).map(|n| at(n) as i16).collect();
        encoder.encode(&pcm, &mut octets);
        octets
    };
    (0..50).map(packet).collect()
}

const PCMA: Payload = Payload::of(8, Encoding::Pcma);
const G722: Payload = Payload::of(9, Encoding::G722);

#[test]
fn nothing_is_allocated_for_decoded_sound_once_warm() {
    let relay = RoomSpec::new(RoomMode::Relay);
    let mix = RoomSpec::new(RoomMode::Mix);
    for (what, mut sounding) in [
        ("PCMU to PCMA", Sounding::new(3, 2, &[PCMU, PCMA], 2, &relay)),
        ("PCMU to G.722", Sounding::new(3, 2, &[PCMU, G722], 2, &relay)),
        ("conference", Sounding::new(2, 6, &[PCMU, PCMU, PCMA, G722], 3, &mix)),
    ] {
        let legs = sounding.payloads.len();
        for _ in 0..1000 {
            sounding.frame();
        }
        let before = CALLS.get();
        let mut sent = 0;
        for _ in 0..1000 {
            sent += sounding.frame();
        }
        // With RTCP.
        assert!(sent >= legs * 1000, "{what}: {sent}");
        assert_eq!(CALLS.get() - before, 0, "{what}");
    }
}

/// Median nanoseconds of `work` per unit. The rounds are many and short, so that most of them fit between two moments
/// in which the machine does something else.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement of real time")]
fn measure(units: u64, mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..1001)
        .map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / units as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

#[test]
#[ignore = "a measurement: run it alone, in release"]
fn cost() {
    let mut packet = [0x80; 172];
    packet[1] = 0;
    for calls in [1, 100, 2000] {
        let before = HELD.get();
        let mut relay = shard(calls, &None);
        let held = HELD.get() - before;
        let mut out = MediaOut::default();
        let legs = 2 * calls;
        let mut number = 0;
        let frames = (1000 / legs as u32).max(1);
        let ns = measure(u64::from(frames) * legs, || {
            for _ in 0..frames {
                number += 1;
                assert_eq!(frame(&mut relay, legs, number, &mut packet, &mut out) as u64, legs);
            }
        });
        println!("relay, {calls:5} calls: {ns:6.1} ns per packet, {:5} octets per call", held / calls as i64);
    }
    let legs = 200;
    let mut tones = shard(legs / 2, &Some(Play::tone(440, 8000)));
    let mut out = MediaOut::default();
    let mut now = 0;
    let ns = measure(legs, || {
        now += 20;
        tones.handle(Instant::from_millis(now), MediaInput::Tick, &mut out);
        out.clear();
    });
    println!("tone: {ns:6.1} ns per frame of 160 samples");
    sounding();
    codecs();
}

/// What decoded sound costs: a packet in, a packet out, and all between them.
fn sounding() {
    let row = |what: &str, legs: usize, sounding: &mut Sounding| {
        for _ in 0..100 {
            sounding.frame();
        }
        let held = HELD.get();
        let ns = measure(legs as u64, || {
            sounding.frame();
        });
        assert!(HELD.get() - held < 100_000, "memory grows");
        println!("{what}: {:7.3} us per leg and frame of 20 ms", ns / 1000.0);
    };
    let relay = RoomSpec::new(RoomMode::Relay);
    for (what, codecs) in [
        ("PCMU to PCMU, decoded", [PCMU, PCMU]),
        ("PCMU to PCMA", [PCMU, PCMA]),
        ("PCMU to G.722", [PCMU, G722]),
    ] {
        let before = HELD.get();
        let mut calls = Sounding::new(50, 2, &codecs, 2, &relay);
        row(what, 100, &mut calls);
        println!("    {} octets per call", (HELD.get() - before - calls.speech()) / 50);
    }
    let both = RecordingSpec {
        id: RecordingId(0),
        what: Recorded::Mixed,
        rate: 8000,
        format: RecordingFormat::Wav,
        paused: false,
        quiet: 0,
    };
    let recorded = RoomSpec { recordings: vec![both], ..RoomSpec::new(RoomMode::Relay) };
    row("PCMU to PCMA, recorded", 2, &mut Sounding::new(1, 2, &[PCMU, PCMA], 2, &recorded));
    let mix = RoomSpec::new(RoomMode::Mix);
    for members in [3, 10, 30, 100, 300] {
        let mut room = Sounding::new(1, members, &[PCMU], 2, &mix);
        row(&format!("conference of {members:3}, 2 talk"), members as usize, &mut room);
    }
    let mut room = Sounding::new(1, 100, &[PCMU], 10, &mix);
    row("conference of 100, 10 talk", 100, &mut room);
    let mut room = Sounding::new(1, 100, &[PCMU, PCMA, G722], 2, &mix);
    row("conference of 100, 2 talk, 3 codecs", 100, &mut room);
}

fn codecs() {
    let samples: Vec<i16> = (0..8000).map(|n: i32| (n * 7919 % 65_536 - 32_768) as i16).collect();
    let (mut codes, mut back) = (vec![0; samples.len()], samples.clone());
    let mut row = |name, encode: &dyn Fn(&mut [u8], &[i16]), decode: &dyn Fn(&mut [i16], &[u8])| {
        let e = measure(80_000, || (0..10).for_each(|_| encode(&mut codes, &samples)));
        let d = measure(80_000, || (0..10).for_each(|_| decode(&mut back, &codes)));
        println!("G.711 {name}-law: encode {e:.2}, decode {d:.2} ns per sample");
    };
    row(
        "mu",
        &|out, from| out.iter_mut().zip(from).for_each(|(o, &s)| *o = g711::mu_encode(s)),
        &|out, from| out.iter_mut().zip(from).for_each(|(o, &c)| *o = g711::mu_decode(c)),
    );
    row(
        "A",
        &|out, from| out.iter_mut().zip(from).for_each(|(o, &s)| *o = g711::a_encode(s)),
        &|out, from| out.iter_mut().zip(from).for_each(|(o, &c)| *o = g711::a_decode(c)),
    );
}
