//! The media machine itself: ports, rooms, legs, time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use smallvec::SmallVec;

use super::LegKey;
use super::control::Control;
use super::latch::Stream;
use super::leg::{Leg, Listener};
use super::out::{MediaIo, MediaOut};
use super::ring::{PHASES, Ring};
use super::view::LegView;
use crate::limits::TIMERS_PER_WAKE;
use crate::mediactl::{
    LegId, LegSpec, LegStats, MediaCommand, MediaReport, PortId, RecordingId, Resume, Revision, RoomId,
    RoomMode, RoomSpec, ShardId,
};
use crate::planted::{Fault, Planted};
use crate::rng::{Purpose, Rng, Seed};
use crate::rtp::{Kind, classify};
use crate::slots::Slots;
use crate::time::Instant;
use crate::timers::Timers;

/// What a driver may tell a shard.
#[derive(Debug)]
pub enum MediaInput<'a> {
    /// The deadline has come.
    Tick,
    /// A datagram arrived on a port of this shard.
    Packet {
        /// The local UDP port: even for RTP, odd for RTCP.
        port: u16,
        /// Who sent it. An IPv4 address is given as one, never mapped into IPv6.
        remote: SocketAddr,
        /// All of it. The shard may use it as scratch space.
        bytes: &'a mut [u8],
    },
    /// Signalling commands.
    Command(MediaCommand),
    /// These port pairs are bound; the even port of each.
    Ports(Vec<PortId>),
    /// Random numbers come from here from now on, those of the rooms that there are included: what was known of them
    /// tells nothing about what comes.
    Seed(Seed),
    /// Pieces of a recording have been written.
    Written {
        /// Which recording.
        recording: RecordingId,
        /// How many pieces.
        pieces: u32,
    },
}

/// How much a shard holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ShardStats {
    /// Rooms.
    pub rooms: usize,
    /// Legs.
    pub legs: usize,
    /// Datagrams to a port that no leg had.
    pub strays: u64,
}

/// One media machine.
///
/// A command that breaks the contract (an unknown room, a port in use, a leg that changes room or port) ends the leg it
/// names with its [`MediaReport::Dropped`]: that call suffers, no other does.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MediaShard {
    shard: ShardId,
    seed: Seed,
    rooms: BTreeMap<RoomId, Room>,
    legs: Slots<LegKey, Leg>,
    names: BTreeMap<LegId, LegKey>,
    /// By half the port number.
    ports: Vec<Option<LegKey>>,
    /// What the last leg of a port heard.
    last_heard: BTreeMap<PortId, Stream>,
    ring: Ring,
    timers: Timers<Wake>,
    strays: u64,
    planted: Planted,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Room {
    rev: Revision,
    spec: RoomSpec,
    legs: SmallVec<[LegKey; 2]>,
    rng: Rng,
    phase: u8,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Wake {
    /// The leg sends an RTCP report.
    Report(LegKey),
    /// The leg may have been silent for too long.
    Silence(LegKey),
}

impl MediaShard {
    /// An empty shard.
    pub fn new(shard: ShardId, seed: Seed) -> Self {
        Self {
            shard,
            seed,
            rooms: BTreeMap::new(),
            legs: Slots::new(),
            names: BTreeMap::new(),
            ports: Vec::new(),
            last_heard: BTreeMap::new(),
            ring: Ring::default(),
            timers: Timers::default(),
            strays: 0,
            planted: Planted::default(),
        }
    }

    /// From now on this is done wrong.
    #[cfg(feature = "planted")]
    pub fn plant(&mut self, fault: Fault) {
        self.planted = Planted::new(fault);
    }

    /// Its number.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Takes one input at `now` and appends what is to be done to `out`. `now` never goes back.
    pub fn handle(&mut self, now: Instant, input: MediaInput<'_>, out: &mut MediaOut) {
        match input {
            MediaInput::Tick => self.tick(now, out),
            MediaInput::Packet { port, remote, bytes } => self.packet(now, port, remote, bytes, out),
            MediaInput::Command(command) => self.command(now, command, out),
            MediaInput::Ports(ports) => out.reports.push(MediaReport::Ports { ports }),
            MediaInput::Seed(seed) => self.reseed(seed),
            MediaInput::Written { .. } => {}
        }
    }

    fn reseed(&mut self, seed: Seed) {
        self.seed = seed;
        for (id, room) in &mut self.rooms {
            room.rng = Rng::numbered(seed, Purpose::Media, id.0);
        }
    }

    /// The rooms there are, in the order of their numbers.
    pub fn rooms(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.keys().copied()
    }

    /// What there is to know about every leg, in the order of their numbers. For people who look into a recording.
    pub fn views(&self) -> impl Iterator<Item = LegView> {
        self.names.values().filter_map(|&key| self.legs.get(key)).map(|leg| {
            let mode = self.rooms.get(&leg.spec.room).map(|room| room.spec.mode);
            leg.view(mode)
        })
    }

    /// When [`MediaInput::Tick`] is wanted next; `None` when nothing waits for time. O(1).
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.next().map(|(at, _)| at);
        [self.ring.deadline(), timer].into_iter().flatten().min()
    }

    /// How much it holds.
    pub fn stats(&self) -> ShardStats {
        ShardStats { rooms: self.rooms.len(), legs: self.legs.len(), strays: self.strays }
    }

    /// What a leg has carried so far; `None` when there is no such leg.
    pub fn leg_stats(&self, leg: LegId) -> Option<LegStats> {
        self.names.get(&leg).and_then(|&key| self.legs.get(key)).map(Leg::stats)
    }

    #[inline]
    fn packet(&mut self, now: Instant, port: u16, from: SocketAddr, bytes: &[u8], out: &mut MediaOut) {
        let slot = self.ports.get(usize::from(port >> 1)).copied().flatten();
        let Some((key, leg)) = slot.and_then(|key| Some((key, self.legs.get_mut(key)?))) else {
            self.strays += 1;
            return;
        };
        let shared = port & 1 == 0;
        match classify(bytes) {
            Kind::Rtp if shared => {
                let heard = leg.hear(now, from, bytes, &mut out.reports);
                let listener = leg.listener;
                if leg.silent && leg.last_received == now {
                    self.watch(now, key);
                }
                let Some(heard) = heard else { return };
                let to = match listener {
                    Listener::Nobody => return,
                    Listener::Itself => key,
                    Listener::Other(_) if self.planted.is(Fault::MediaCrosses) => {
                        self.legs.iter().last().map_or(key, |(last, _)| last)
                    }
                    Listener::Other(other) => other,
                };
                if let Some(leg) = self.legs.get_mut(to) {
                    leg.forward(now, &heard, &mut out.packets);
                }
            }
            Kind::Rtcp => leg.hear_control(now, from, bytes, shared),
            _ => leg.hear_other(),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut MediaOut) {
        while let Some(phase) = self.ring.advance(now) {
            for &key in self.ring.members(phase) {
                if let Some(leg) = self.legs.get_mut(key) {
                    leg.play(now, &mut out.packets);
                }
            }
        }
        for _ in 0..TIMERS_PER_WAKE {
            match self.timers.pop(now) {
                Some(Wake::Report(key)) => self.report(now, key, out),
                Some(Wake::Silence(key)) => self.watch_fired(now, key, out),
                None => break,
            }
        }
    }

    fn report(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.report(now, false, &mut out.packets);
        if let Some(room) = self.rooms.get_mut(&leg.spec.room) {
            let at = Control::next(now, &mut room.rng, false);
            leg.report_timer = Some(self.timers.arm(at, Wake::Report(key)));
        }
    }

    /// Waits for silence from the party's last packet on, if that is asked for.
    fn watch(&mut self, now: Instant, key: LegKey) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        if let Some(timer) = leg.silence_timer.take() {
            self.timers.cancel(timer);
        }
        if let Some(limit) = leg.spec.silence.filter(|_| leg.spec.receive) {
            // A limit that has been lowered below the silence so far is over now.
            let at = (leg.last_received + limit).max(now);
            leg.silence_timer = Some(self.timers.arm(at, Wake::Silence(key)));
        }
        leg.silent = false;
    }

    /// Packets do not touch the timer: when it fires it may have to wait for the rest.
    fn watch_fired(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.silence_timer = None;
        let Some(limit) = leg.spec.silence else { return };
        if now.since(leg.last_received) < limit {
            self.watch(now, key);
        } else {
            leg.silent = true;
            out.reports.push(MediaReport::Silent { leg: leg.id, rev: leg.rev });
        }
    }

    fn command(&mut self, now: Instant, command: MediaCommand, out: &mut MediaOut) {
        match command {
            MediaCommand::WantPorts { count } => out.io.push(MediaIo::Bind { count }),
            MediaCommand::PutRoom { room, rev, spec } => self.put_room(room, rev, spec),
            MediaCommand::PutLeg { leg, rev, spec } => self.put_leg(now, leg, rev, *spec, out),
            MediaCommand::DropLeg { leg } => {
                if let Some(key) = self.names.get(&leg).copied() {
                    self.drop_leg(now, key, out);
                }
            }
            MediaCommand::DropRoom { room } => {
                let legs = self.rooms.get(&room).map(|r| r.legs.clone()).unwrap_or_default();
                for key in legs {
                    self.drop_leg(now, key, out);
                }
                self.rooms.remove(&room);
            }
        }
    }

    fn put_room(&mut self, id: RoomId, rev: Revision, spec: RoomSpec) {
        let seed = self.seed;
        let room = self.rooms.entry(id).or_insert_with(|| {
            let mut rng = Rng::numbered(seed, Purpose::Media, id.0);
            let phase = u8::try_from(rng.below(u32::from(PHASES))).unwrap_or(0);
            Room { rev, spec: spec.clone(), legs: SmallVec::new(), rng, phase }
        });
        if rev < room.rev {
            return;
        }
        (room.rev, room.spec) = (rev, spec);
        self.link(id);
    }

    fn put_leg(&mut self, now: Instant, id: LegId, rev: Revision, spec: LegSpec, out: &mut MediaOut) {
        let Some(key) = self.names.get(&id).copied() else {
            return self.add_leg(now, id, rev, spec, out);
        };
        let Some(leg) = self.legs.get_mut(key) else { return };
        if rev < leg.rev {
            return;
        }
        if (leg.spec.room, leg.spec.port) != (spec.room, spec.port) {
            return self.drop_leg(now, key, out);
        }
        let watched = |s: &LegSpec| (s.receive, s.silence);
        // A report under the old revision may have been ignored as out of date: say it again under the new one.
        let rewatch = watched(&leg.spec) != watched(&spec) || (leg.silent && rev > leg.rev);
        let played = leg.player.is_some();
        leg.put(now, rev, spec);
        self.settle_ring(now, key, played);
        if rewatch {
            self.watch(now, key);
        }
    }

    fn add_leg(&mut self, now: Instant, id: LegId, rev: Revision, spec: LegSpec, out: &mut MediaOut) {
        let slot = usize::from(spec.port.0 >> 1);
        let free = spec.port.0 & 1 == 0 && self.ports.get(slot).is_none_or(Option::is_none);
        let Some(room) = self.rooms.get_mut(&spec.room).filter(|_| free) else {
            let resume = spec.resume.unwrap_or(Resume { ssrc: 0, sequence: 0, timestamp: 0 });
            out.reports.push(MediaReport::Dropped { leg: id, stats: LegStats::default(), resume });
            return;
        };
        let (room_id, last) = (spec.room, self.last_heard.get(&spec.port).copied());
        let mut leg = Leg::new(now, id, rev, spec, room.phase, &mut room.rng);
        leg.shun(last);
        leg.planted = self.planted;
        let key = self.legs.insert(leg);
        room.legs.push(key);
        let first_report = Control::next(now, &mut room.rng, true);
        self.names.insert(id, key);
        if self.ports.len() <= slot {
            self.ports.resize(slot + 1, None);
        }
        if let Some(place) = self.ports.get_mut(slot) {
            *place = Some(key);
        }
        if let Some(leg) = self.legs.get_mut(key) {
            leg.report_timer = Some(self.timers.arm(first_report, Wake::Report(key)));
        }
        self.settle_ring(now, key, false);
        self.watch(now, key);
        self.link(room_id);
    }

    fn drop_leg(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(mut leg) = self.legs.remove(key) else { return };
        leg.report(now, true, &mut out.packets);
        for timer in [leg.report_timer, leg.silence_timer].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        if leg.player.is_some() {
            self.ring.leave(leg.phase, key);
        }
        self.names.remove(&leg.id);
        if let Some(stream) = leg.stream() {
            self.last_heard.insert(leg.spec.port, stream);
        }
        if let Some(place) = self.ports.get_mut(usize::from(leg.spec.port.0 >> 1)) {
            *place = None;
        }
        if let Some(room) = self.rooms.get_mut(&leg.spec.room) {
            room.legs.retain(|k| *k != key);
        }
        self.link(leg.spec.room);
        out.reports.push(MediaReport::Dropped { leg: leg.id, stats: leg.stats(), resume: leg.resume(now) });
    }

    /// Keeps the ring in step with whether a leg plays.
    fn settle_ring(&mut self, now: Instant, key: LegKey, played: bool) {
        let Some(leg) = self.legs.get(key) else { return };
        match (played, leg.player.is_some()) {
            (false, true) => self.ring.join(now, leg.phase, key),
            (true, false) => self.ring.leave(leg.phase, key),
            _ => {}
        }
    }

    /// Tells the legs of a room who hears them. A leg that hears somebody else than before starts a new feed.
    fn link(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        for &key in &room.legs {
            let listener = room.listener(key);
            let Some(leg) = self.legs.get_mut(key) else { continue };
            if leg.listener == listener {
                continue;
            }
            leg.set_listener(listener);
            if let Some(leg) = match listener {
                Listener::Nobody => None,
                Listener::Itself => self.legs.get_mut(key),
                Listener::Other(other) => self.legs.get_mut(other),
            } {
                leg.cut();
            }
        }
    }

    /// Asserts that all tables agree. For the simulator; walks everything.
    pub fn check(&self) {
        assert_eq!(self.names.len(), self.legs.len(), "each leg has one name");
        let used = self.ports.iter().flatten().count();
        assert_eq!(used, self.legs.len(), "each leg has one port");
        let housed: usize = self.rooms.values().map(|r| r.legs.len()).sum();
        assert_eq!(housed, self.legs.len(), "each leg is in one room");
        let mut timers = 0;
        let mut players = 0;
        for (key, leg) in self.legs.iter() {
            assert_eq!(self.names.get(&leg.id), Some(&key), "{:?} is found by name", leg.id);
            let place = self.ports.get(usize::from(leg.spec.port.0 >> 1));
            assert_eq!(place, Some(&Some(key)), "{:?} is found by port", leg.id);
            let room = self.rooms.get(&leg.spec.room).filter(|r| r.legs.contains(&key));
            let listener = room.map(|r| r.listener(key));
            assert_eq!(listener, Some(leg.listener), "{:?} is heard as its room says", leg.id);
            let playing = self.ring.members(leg.phase).iter().filter(|&&m| m == key).count();
            assert_eq!(playing, usize::from(leg.player.is_some()), "{:?} is served while it plays", leg.id);
            let watched = leg.spec.receive && leg.spec.silence.is_some();
            assert_eq!(leg.silence_timer.is_some(), watched && !leg.silent, "{:?} is watched", leg.id);
            assert!(leg.report_timer.is_some(), "{:?} reports", leg.id);
            timers += 1 + usize::from(leg.silence_timer.is_some());
            players += usize::from(leg.player.is_some());
        }
        assert_eq!(self.timers.len(), timers, "no timer outlives its leg");
        assert_eq!(self.ring.check(), players, "no leg plays after its end");
    }
}

impl Room {
    fn listener(&self, of: LegKey) -> Listener {
        match self.spec.mode {
            RoomMode::Echo => Listener::Itself,
            // A leg may come before the one it replaces has gone. Until then it is not clear who is meant, and silence
            // is safer than a guess.
            RoomMode::Relay => match *self.legs {
                [a, b] => Listener::Other(if a == of { b } else { a }),
                _ => Listener::Nobody,
            },
            RoomMode::Mix => Listener::Nobody,
        }
    }
}
