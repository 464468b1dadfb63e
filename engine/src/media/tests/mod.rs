//! The shard in virtual time: parties are plain sockets here, built and read by hand.

mod abuse;
mod broadcast;
mod calls;
mod conference;
mod digits;
mod generated;
mod given;
mod hushed;
mod played;
mod recorded;
mod reports;
mod switches;
mod transcode;

use std::net::SocketAddr;
use std::sync::Arc;

use telex_audio::codec::Encoding;

use super::{MediaInput, MediaIo, MediaOut, MediaShard};
use crate::mediactl::{
    Accepted, Clip, Kind, LegId, LegSpec, LegStats, Library, MediaCommand, MediaReport, Payload, PortId,
    RoomId, RoomMode, RoomSpec, ShardId,
};
use crate::rng::Seed;
use crate::rtp::{Header, Packet};
use crate::time::{Duration, Instant};

pub(super) const ALICE: &str = "192.0.2.1:4000";
pub(super) const BOB: &str = "192.0.2.2:5000";
pub(super) const THIEF: &str = "198.51.100.66:6000";
/// Our ports.
pub(super) const A: u16 = 10_000;
pub(super) const B: u16 = 10_002;

pub(super) const PCMU: Payload = Payload::of(0, Encoding::Pcmu);
pub(super) const PCMA: Payload = Payload::of(8, Encoding::Pcma);

/// A packet that left the shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) port: u16,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl Sent {
    pub(super) fn header(&self) -> Header {
        Packet::parse(&self.bytes).unwrap().header
    }

    pub(super) fn payload(&self) -> &[u8] {
        Packet::parse(&self.bytes).unwrap().payload
    }
}

/// A shard, its clock, and everything that left it.
pub(super) struct World {
    pub(super) shard: MediaShard,
    pub(super) now: Instant,
    pub(super) sent: Vec<Sent>,
    pub(super) reports: Vec<MediaReport>,
    pub(super) io: Vec<MediaIo>,
    /// Whether all invariants are asserted after each input; otherwise after each tick.
    pub(super) strict: bool,
    out: MediaOut,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let shard = MediaShard::new(ShardId(0), Seed::from_number(seed));
        let (sent, reports, io, out) = (Vec::new(), Vec::new(), Vec::new(), MediaOut::default());
        Self { shard, now: Instant::ZERO, sent, reports, io, strict: true, out }
    }

    pub(super) fn handle(&mut self, input: MediaInput<'_>) {
        let checked = self.strict || matches!(input, MediaInput::Tick);
        self.shard.handle(self.now, input, &mut self.out);
        for p in self.out.packets.iter() {
            self.sent.push(Sent { at: self.now, port: p.port, to: p.remote, bytes: p.bytes.to_vec() });
        }
        self.reports.append(&mut self.out.reports);
        self.io.append(&mut self.out.io);
        self.out.clear();
        if checked {
            self.shard.check();
        }
    }

    /// There are these sounds from now on.
    pub(super) fn library(&mut self, clips: &[(&str, Clip)]) -> Arc<Library> {
        let clips = clips.iter().map(|(name, clip)| ((*name).into(), clip.clone()));
        let library: Arc<Library> = Arc::new(clips.collect());
        self.handle(MediaInput::Library(Arc::clone(&library)));
        library
    }

    pub(super) fn command(&mut self, command: MediaCommand) {
        self.handle(MediaInput::Command(command));
    }

    pub(super) fn room(&mut self, mode: RoomMode) {
        self.command(MediaCommand::PutRoom { room: RoomId(1), rev: 1, spec: RoomSpec::new(mode) });
    }

    pub(super) fn put(&mut self, leg: u64, rev: u32, spec: LegSpec) {
        self.command(MediaCommand::PutLeg { leg: LegId(leg), rev, spec: Box::new(spec) });
    }

    pub(super) fn drop_leg(&mut self, leg: u64) {
        self.command(MediaCommand::DropLeg { leg: LegId(leg) });
    }

    /// A datagram arrives; what leaves in answer is returned and kept.
    pub(super) fn packet(&mut self, port: u16, from: &str, bytes: &[u8]) -> Vec<Sent> {
        let before = self.sent.len();
        let remote = from.parse().unwrap();
        self.handle(MediaInput::Packet { port, remote, bytes: &mut bytes.to_vec() });
        self.sent[before..].to_vec()
    }

    /// Time passes, with a tick at each deadline.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.shard.deadline().filter(|&at| at <= end) {
            self.now = at.max(self.now);
            self.handle(MediaInput::Tick);
        }
        self.now = end;
    }

    pub(super) fn stats(&self, leg: u64) -> LegStats {
        self.shard.leg_stats(LegId(leg)).unwrap()
    }

    /// RTP among what was sent.
    pub(super) fn media(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|s| s.port % 2 == 0).collect()
    }
}

/// A call between Alice (leg 1) and Bob (leg 2) in a relay room.
pub(super) fn call(seed: u64) -> World {
    let mut w = World::new(seed);
    w.room(RoomMode::Relay);
    w.put(1, 1, leg(A, ALICE));
    w.put(2, 1, leg(B, BOB));
    w
}

/// A leg in the middle of an ordinary call.
pub(super) fn leg(port: u16, remote: &str) -> LegSpec {
    let events = Accepted { payload: Payload::opaque(101, 8000), kind: Kind::Events, forward: Some(96) };
    LegSpec {
        remote: Some(remote.parse().unwrap()),
        send: true,
        receive: true,
        audio: Some(PCMU),
        events: Some(Payload::opaque(101, 8000)),
        accept: vec![Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) }, events],
        latch: 1,
        ..LegSpec::new(RoomId(1), PortId(port))
    }
}

/// What a party sends.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}

impl Voice {
    pub(super) fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 65_500, timestamp: u32::MAX - 1000 }
    }

    /// The next 20 ms; the payload tells which they are.
    pub(super) fn next(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);

        self.as_payload(0, &self.payload())
    }

    pub(super) fn as_payload(&self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        [&header.to_bytes()[..], payload].concat()
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        let mut payload = vec![self.ssrc as u8; 160];
        payload[..2].copy_from_slice(&self.sequence.to_be_bytes());
        payload
    }
}
