//! The thread that sends.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{
    AMPLITUDE, FRAME, Leg, MARKER_EVERY, PERIOD_NS, Probe, STAMP_MAGIC, Shared, TONE_AMPLITUDE, grow,
};
use crate::audio::{self, Codec};
use crate::hist::Hist;
use crate::sys;

const HEADER: usize = 12;
/// The period is cut in so many slots; a leg sends in the slot of its number.
const SLOTS: usize = 20;

/// Counts of one stream.
#[derive(Clone, Default)]
pub struct Stream {
    pub sent: u64,
    /// While measuring.
    pub counted: u64,
    /// In the window.
    pub window: u64,
}

/// What was sent.
#[derive(Default)]
pub struct Sent {
    pub streams: Vec<Stream>,
    pub late_us: Hist,
    pub errors: u64,
    pub refused: u64,
    pub markers: u64,
}

/// Where a leg is in its stream.
struct Position {
    stream: u32,
    sequence: u16,
    number: u32,
    time: u32,
    ssrc: u32,
}

impl Position {
    fn new(leg: usize) -> Self {
        let ssrc = 0x1000_0000 ^ (leg as u32).wrapping_mul(2_654_435_761);
        Self { stream: u32::MAX, sequence: 0, number: 0, time: 0, ssrc }
    }

    /// Begins anew if the leg has another stream.
    fn follow(&mut self, stream: u32) {
        if stream != self.stream {
            self.stream = stream;
            self.number = 0;
            self.ssrc = self.ssrc.wrapping_add(1);
            self.sequence = (stream as u16).wrapping_mul(31);
            self.time = stream.wrapping_mul(7919);
        }
    }

    fn advance(&mut self) {
        self.number += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.time = self.time.wrapping_add(FRAME as u32);
    }
}

struct Sender<'a> {
    shared: &'a Shared,
    out: Sent,
    positions: Vec<Position>,
    tones: [(Codec, Vec<[u8; FRAME]>); 3],
    packet: [u8; HEADER + FRAME],
}

/// Sends until told to stop.
pub fn run(shared: &Shared, real_time: bool) -> Sent {
    if real_time && !sys::real_time() {
        eprintln!("telex-load: no real-time priority");
    }
    let amplitude = if shared.probe == Probe::Tone { TONE_AMPLITUDE } else { AMPLITUDE };
    let mut sender = Sender {
        shared,
        out: Sent::default(),
        positions: (0..shared.legs.len()).map(Position::new).collect(),
        tones: [Codec::Pcmu, Codec::Pcma, Codec::G722].map(|codec| (codec, audio::tone(codec, amplitude))),
        packet: [0; HEADER + FRAME],
    };
    let mut next = sys::mono_ns();
    let mut slot = 0;
    while !shared.stop.load(Relaxed) {
        sys::sleep_until(next);
        let measuring = shared.measuring.load(Acquire);
        if measuring {
            sender.out.late_us.add(sys::mono_ns().saturating_sub(next) / 1000);
        }
        for leg in (slot..shared.legs.len()).step_by(SLOTS) {
            sender.send(leg, measuring);
        }
        slot = (slot + 1) % SLOTS;
        next += PERIOD_NS / SLOTS as u64;
    }
    sender.out
}

impl Sender<'_> {
    fn send(&mut self, number: usize, measuring: bool) {
        let leg = &self.shared.legs[number];
        let target = leg.target.load(Acquire);
        if target == 0 {
            return;
        }
        let stream = leg.stream.load(Acquire);
        self.positions[number].follow(stream);
        let now = self.fill(number, stream, measuring);
        let target = SocketAddrV4::new(Ipv4Addr::from((target >> 16) as u32), target as u16);
        self.count(leg, target, stream, now, measuring);
        self.positions[number].advance();
    }

    /// Writes the packet; gives its send time.
    fn fill(&mut self, number: usize, stream: u32, measuring: bool) -> u64 {
        let codec = self.shared.legs[number].codec;
        let position = &self.positions[number];
        let packet = &mut self.packet;
        packet[0] = 0x80;
        packet[1] = codec.pt() | if position.number == 0 { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&position.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&position.time.to_be_bytes());
        packet[8..12].copy_from_slice(&position.ssrc.to_be_bytes());
        if let Some((_, tone)) = self.tones.iter().find(|(of, _)| *of == codec) {
            packet[HEADER..].copy_from_slice(&tone[position.number as usize % tone.len()]);
        }
        let turn = position.number.wrapping_add(stream.wrapping_mul(7)) % MARKER_EVERY;
        let mark = self.shared.probe == Probe::Marker && turn == MARKER_EVERY - 1;
        if mark && codec != Codec::G722 {
            packet[HEADER..].copy_from_slice(&audio::marker(codec, stream as u16));
        }
        let now = sys::real_ns();
        if self.shared.probe == Probe::Stamp {
            packet[12..16].copy_from_slice(&STAMP_MAGIC.to_be_bytes());
            packet[16..24].copy_from_slice(&now.to_be_bytes());
            packet[24..28].copy_from_slice(&stream.to_be_bytes());
            packet[28..32].copy_from_slice(&position.number.to_be_bytes());
            packet[32] = u8::from(measuring);
        } else if mark {
            self.shared.marker_sent[usize::from(stream as u16)].store(now, Release);
            self.out.markers += u64::from(measuring);
        }
        now
    }

    fn count(&mut self, leg: &Leg, target: SocketAddrV4, stream: u32, now: u64, measuring: bool) {
        let result = leg.socket.send_to(&self.packet, target);
        let counts = grow(&mut self.out.streams, stream as usize);
        match result {
            Ok(length) if length == self.packet.len() => {
                counts.sent += 1;
                counts.counted += u64::from(measuring);
                counts.window += u64::from(self.shared.in_window(now));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.out.refused += 1,
            _ => self.out.errors += 1,
        }
    }
}
