//! The media machines, and what is on its way between them and signalling.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use telex_engine::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{LegId, MediaCommand, MediaReport, PortId, ShardId};
use telex_engine::rng::Seed;
use telex_engine::rtp::{Compound, Packet};
use telex_engine::time::Instant;

use super::tally;

/// Port pairs that can be bound altogether: then the range is used up.
const PAIRS: u16 = 200;

pub(super) struct Media {
    shards: Vec<MediaShard>,
    pub(super) commands: VecDeque<(ShardId, MediaCommand)>,
    reports: VecDeque<(ShardId, MediaReport)>,
    /// What the two say to each other waits.
    pub(super) held: bool,
    pub(super) held_since: Instant,
    /// Bind nothing that is asked for.
    pub(super) starved: bool,
    next_port: u16,
    /// Ports of live legs, with where their party receives.
    pub(super) legs: BTreeMap<LegId, (ShardId, PortId, Option<SocketAddr>)>,
    sequence: u16,
    out: MediaOut,
}

impl Media {
    pub(super) fn new(shards: u8, seed: Seed) -> Self {
        Self {
            shards: (0..shards).map(|n| MediaShard::new(ShardId(n), seed)).collect(),
            commands: VecDeque::new(),
            reports: VecDeque::new(),
            held: false,
            held_since: Instant::ZERO,
            starved: false,
            next_port: 1000,
            legs: BTreeMap::new(),
            sequence: 0,
            out: MediaOut::default(),
        }
    }

    /// Binds so many pairs for every shard.
    pub(super) fn bind(&mut self, now: Instant, pairs: u16) {
        for n in 0..self.shards.len() {
            self.bind_for(now, n, pairs);
        }
    }

    fn bind_for(&mut self, now: Instant, n: usize, pairs: u16) {
        let left = (1000 + 2 * PAIRS - self.next_port) / 2;
        let pairs = if self.starved { 0 } else { pairs.min(left) };
        let ports = (0..pairs).map(|k| PortId(self.next_port + 2 * k)).collect();
        self.next_port += 2 * pairs;
        self.input(now, n, MediaInput::Ports(ports));
    }

    /// Hands over what waits; gives the reports that arrive at signalling.
    pub(super) fn work(&mut self, now: Instant) -> Vec<(ShardId, MediaReport)> {
        if self.held {
            return Vec::new();
        }
        while let Some((shard, command)) = self.commands.pop_front() {
            if let MediaCommand::PutLeg { leg, spec, .. } = &command {
                self.legs.insert(*leg, (shard, spec.port, spec.remote));
            }
            self.input(now, usize::from(shard.0), MediaInput::Command(command));
        }
        let reports: Vec<_> = self.reports.drain(..).collect();
        for (_, report) in &reports {
            if let MediaReport::Dropped { leg, .. } | MediaReport::Given { leg, .. } = report {
                self.legs.remove(leg);
            }
        }
        reports
    }

    /// When a shard wants to be woken.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.shards.iter().filter_map(MediaShard::deadline).min()
    }

    /// Wakes the shards that are due.
    pub(super) fn tick(&mut self, now: Instant) {
        for n in 0..self.shards.len() {
            let mut ticks = 0;
            while self.shards[n].deadline().is_some_and(|at| at <= now) {
                ticks += 1;
                assert!(ticks < 50, "shard {n} is busy with nothing");
                self.input(now, n, MediaInput::Tick);
            }
        }
    }

    fn input(&mut self, now: Instant, n: usize, input: MediaInput<'_>) {
        let mut out = std::mem::take(&mut self.out);
        self.shards[n].handle(now, input, &mut out);
        self.shards[n].check();
        assert!(out.packets.len() < 1000 && out.reports.len() < 1000, "one input, too much output");
        for packet in out.packets.iter() {
            tally::count(|| format!("media packet {}", if packet.port & 1 == 0 { "RTP" } else { "RTCP" }));
            assert!(packet.remote.port() != 0 && !packet.remote.ip().is_unspecified(), "{packet:?}");
            if packet.port & 1 == 0 && !(192..224).contains(&packet.bytes[1]) {
                Packet::parse(packet.bytes).expect("RTP of ours");
            } else {
                Compound::parse(packet.bytes).expect("RTCP of ours");
            }
        }
        let shard = ShardId(u8::try_from(n).expect("few shards"));
        self.reports.extend(out.reports.drain(..).map(|report| (shard, report)));
        let wanted: Vec<MediaIo> = out.io.drain(..).collect();
        out.clear();
        self.out = out;
        for io in wanted {
            if let MediaIo::Bind { count } = io {
                self.bind_for(now, n, count);
            }
        }
    }

    /// Packets arrive at the `which`th live leg, from its party or from elsewhere.
    pub(super) fn packets(&mut self, now: Instant, which: u8, kind: u8, from: u8) {
        let Some(at) = usize::from(which).checked_rem(self.legs.len()) else { return };
        let Some(&(shard, port, remote)) = self.legs.values().nth(at) else { return };
        let party = remote.unwrap_or(SocketAddr::from(([10, 0, 0, 1], 15_060)));
        let from = match from % 4 {
            0 | 1 => party,
            2 => SocketAddr::new(party.ip(), 3333),
            _ => SocketAddr::from(([192, 0, 2, from], 4000)),
        };
        let mut port = port.0;
        for _ in 0..=(kind >> 5) {
            self.sequence = self.sequence.wrapping_add(if kind & 16 != 0 { 3001 } else { 1 });
            let [s0, s1] = self.sequence.to_be_bytes();
            let head = |second: u8| vec![0x80, second, s0, s1, 0, s0, s1, 0, 1, 2, 3, which];
            let mut packet = match kind % 16 {
                0..=3 => [head(0), vec![0xff; 160]].concat(),
                4 => [head(8), vec![0xd5; 160]].concat(),
                5 => [head(101), vec![5, 0x8a, 3, 0x20]].concat(),
                6 => head(kind),
                7 => [vec![0x90, 0, s0, s1], vec![0; 8], vec![0xbe, 0xde, 0, 1, 1, 1, 1, 1, 7]].concat(),
                8 => {
                    port |= 1;
                    [vec![0x81, 200, 0, 12, 1, 2, 3, which], vec![kind; 20], vec![3; 24]].concat()
                }
                9 => [&[0x81, 201, 0, 7, 1, 2, 3, which][..], &[255; 24]].concat(),
                10 => vec![0x80, 203, 0, 1, 1, 2, 3, 4],
                11 => vec![kind; usize::from(which)],
                12 => [vec![0x8f, 0], vec![1; 62]].concat(),
                13 => [head(0x80), vec![0; 1400]].concat(),
                14 => Vec::new(),
                _ => [vec![0xa0, 0, s0, s1], vec![9; 9]].concat(),
            };
            self.input(
                now,
                usize::from(shard.0),
                MediaInput::Packet { port, remote: from, bytes: &mut packet },
            );
        }
    }

    /// Nothing is left in any shard.
    pub(super) fn is_empty(&self) {
        for shard in &self.shards {
            let stats = shard.stats();
            assert_eq!((stats.legs, stats.rooms, shard.deadline()), (0, 0, None), "left over in a shard");
        }
        assert!(self.reports.is_empty() && self.commands.is_empty());
    }
}
