//! The media machine itself: ports, rooms, legs, time.

mod give;
mod press;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use smol_str::SmolStr;

use super::control::Control;
use super::keys;
use super::latch::Stream;
use super::leg::{Heard, Leg, Listener};
use super::out::{MediaIo, MediaOut};
use super::ring::{PHASES, Ring};
use super::room::Room;
use super::view::LegView;
use super::voice::Scratch;
use super::{LegKey, RoomKey};
use crate::limits::TIMERS_PER_WAKE;
use crate::mediactl::{
    Kind as Content, LegId, LegSpec, LegStats, Library, MediaCommand, MediaReport, PortId, RecordingId,
    Resume, Revision, RoomId, RoomSpec, ShardId,
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
    /// These are the sounds that can be played by name from now on. What plays goes on where it is.
    Library(Arc<Library>),
    /// The next of a class of music that comes from outside, as G.722 at 64 kbit/s: who hears that class hears this
    /// from now on, all the same moment of it, as it comes. Nothing ends it: then the class is its sounds again.
    Music {
        /// The class.
        class: SmolStr,
        /// What has come.
        octets: &'a [u8],
    },
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
/// A command that breaks the contract (an unknown room, a port in use, a leg that changes its port) ends the leg it
/// names with its [`MediaReport::Dropped`]: that call suffers, no other does.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MediaShard {
    shard: ShardId,
    seed: Seed,
    rooms: Slots<RoomKey, Room>,
    room_names: BTreeMap<RoomId, RoomKey>,
    /// Which room a recording belongs to.
    recordings: BTreeMap<RecordingId, RoomKey>,
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
    scratch: Scratch,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Wake {
    /// The leg sends an RTCP report.
    Report(LegKey),
    /// The leg may have been silent for too long.
    Silence(LegKey),
    /// The end of a key press may have been lost.
    Key(LegKey),
}

impl MediaShard {
    /// An empty shard.
    pub fn new(shard: ShardId, seed: Seed) -> Self {
        Self {
            shard,
            seed,
            rooms: Slots::new(),
            room_names: BTreeMap::new(),
            recordings: BTreeMap::new(),
            legs: Slots::new(),
            names: BTreeMap::new(),
            ports: Vec::new(),
            last_heard: BTreeMap::new(),
            ring: Ring::default(),
            timers: Timers::default(),
            strays: 0,
            planted: Planted::default(),
            scratch: Scratch::default(),
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
            MediaInput::Library(library) => self.scratch.sounds.library = library,
            MediaInput::Music { class, octets } => self.scratch.sounds.take(now, &class, octets),
            MediaInput::Written { recording, pieces } => self.written(recording, pieces),
        }
    }

    /// Pieces of a recording were written.
    fn written(&mut self, recording: RecordingId, pieces: u32) {
        let Some(room) = self.recordings.get(&recording).and_then(|&key| self.rooms.get_mut(key)) else {
            return;
        };
        if let Some(recorder) = room.recorders.iter_mut().find(|r| r.spec.id == recording) {
            recorder.written(pieces);
        }
    }

    fn reseed(&mut self, seed: Seed) {
        self.seed = seed;
        for (id, key) in &self.room_names {
            if let Some(room) = self.rooms.get_mut(*key) {
                room.rng = Rng::numbered(seed, Purpose::Media, id.0);
            }
        }
    }

    /// The sounds that can be played by name.
    pub fn library(&self) -> &Arc<Library> {
        &self.scratch.sounds.library
    }

    /// A machine that was written down and read back knows only how long sounds are. This gives it those of them that
    /// another library has.
    pub fn fill(&mut self, from: &Arc<Library>) {
        let library = &mut self.scratch.sounds.library;
        if Arc::ptr_eq(from, library) || **from == **library {
            *library = Arc::clone(from);
        } else {
            Arc::make_mut(library).fill(from);
        }
    }

    /// The rooms there are, in the order of their numbers.
    pub fn rooms(&self) -> impl Iterator<Item = RoomId> {
        self.room_names.keys().copied()
    }

    /// What there is to know about every leg, in the order of their numbers. For people who look into a recording.
    pub fn views(&self) -> impl Iterator<Item = LegView> {
        self.names.values().filter_map(|&key| self.legs.get(key)).map(|leg| {
            let mode = self.rooms.get(leg.room).map(|room| room.spec.mode);
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
                if leg.silent && leg.last_received == now {
                    self.watch(now, key);
                }
                if let Some(heard) = heard {
                    self.pass_on(now, key, &heard, out);
                }
            }
            Kind::Rtcp => leg.hear_control(now, from, bytes, shared),
            _ => leg.hear_other(),
        }
    }

    /// What a party sent goes to where it is heard.
    #[inline]
    fn pass_on(&mut self, now: Instant, key: LegKey, heard: &Heard<'_>, out: &mut MediaOut) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        if heard.fate.via().is_some_and(|via| leg.goes_via(now, via)) {
            let room = leg.room;
            self.settle(now, room, &mut out.reports);
        }
        if heard.fate.kind == Content::Events {
            self.key_event(now, key, heard, out);
        }
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.take_in(now, heard);
        if leg.ear.is_some() && heard.fate.kind == Content::Speech {
            self.listen(now, key, heard, out);
        }
        let Some(leg) = self.legs.get(key) else { return };
        let Some(number) = heard.fate.forward else { return };
        if heard.fate.kind == Content::Events && leg.keypad.translated {
            return;
        }
        let to = match leg.listener {
            Listener::Nobody | Listener::All => return,
            Listener::Itself => key,
            Listener::Other(_) if self.planted.is(Fault::MediaCrosses) => {
                self.legs.iter().last().map_or(key, |(last, _)| last)
            }
            Listener::Other(other) => other,
        };
        if self.legs.get(to).is_some_and(|listener| leg.hides_sound_from(listener)) {
            return;
        }
        if let Some(leg) = self.legs.get_mut(to) {
            leg.forward(now, heard, number, &mut out.packets);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut MediaOut) {
        while let Some(phase) = self.ring.advance(now) {
            let mut place = 0;
            while let Some(key) = self.ring.member(phase, place) {
                if self.serve(now, key, out) {
                    place += 1;
                } else {
                    self.ring.leave(phase, key);
                }
            }
        }
        for _ in 0..TIMERS_PER_WAKE {
            match self.timers.pop(now) {
                Some(Wake::Report(key)) => self.report(now, key, out),
                Some(Wake::Silence(key)) => self.watch_fired(now, key, out),
                Some(Wake::Key(key)) => self.key_fired(now, key, out),
                None => break,
            }
        }
    }

    /// Serves a room; false when it needs that no longer.
    fn serve(&mut self, now: Instant, key: RoomKey, out: &mut MediaOut) -> bool {
        let Some(room) = self.rooms.get_mut(key) else { return false };
        let changed = room.serve(now, &mut self.legs, &mut self.scratch, out);
        !changed || room.settle(&mut self.legs, &mut out.reports)
    }

    /// Brings a room to what its specifications say together, after one of them has changed.
    fn settle(&mut self, now: Instant, key: RoomKey, reports: &mut Vec<MediaReport>) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        let wanted = room.settle(&mut self.legs, reports);
        match (self.ring.serves(room.phase, key), wanted) {
            (false, true) => {
                room.begin(now);
                self.ring.join(now, room.phase, key);
            }
            (true, false) => self.ring.leave(room.phase, key),
            _ => {}
        }
    }

    fn report(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.report(now, false, &mut out.packets);
        out.reports.push(MediaReport::Carried { leg: leg.id, stats: leg.stats() });
        if let Some(room) = self.rooms.get_mut(leg.room) {
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
            MediaCommand::PutRoom { room, rev, spec } => self.put_room(now, room, rev, spec, out),
            MediaCommand::PutLeg { leg, rev, spec } => self.put_leg(now, leg, rev, *spec, out),
            MediaCommand::DropLeg { leg } => {
                if let Some(key) = self.names.get(&leg).copied() {
                    self.drop_leg(now, key, out);
                }
            }
            MediaCommand::DropRoom { room } => self.drop_room(now, room, out),
            MediaCommand::GiveLeg { leg, port, to } => self.give_leg(now, leg, port, to, out),
        }
    }

    fn put_room(&mut self, now: Instant, id: RoomId, rev: Revision, spec: RoomSpec, out: &mut MediaOut) {
        let key = match self.room_names.get(&id) {
            Some(&key) => key,
            None => {
                let mut rng = Rng::numbered(self.seed, Purpose::Media, id.0);
                let phase = u8::try_from(rng.below(u32::from(PHASES))).unwrap_or(0);
                let key = self.rooms.insert(Room::new(id, rev, spec.clone(), rng, phase));
                self.room_names.insert(id, key);
                key
            }
        };
        let Some(room) = self.rooms.get_mut(key) else { return };
        if rev < room.rev {
            return;
        }
        (room.rev, room.spec) = (rev, spec);
        room.link(&mut self.legs);
        for recorder in &room.recorders {
            self.recordings.remove(&recorder.spec.id);
        }
        room.settle_recordings(out);
        self.recordings.extend(room.recorders.iter().map(|recorder| (recorder.spec.id, key)));
        self.settle(now, key, &mut out.reports);
    }

    fn drop_room(&mut self, now: Instant, id: RoomId, out: &mut MediaOut) {
        let Some(key) = self.room_names.get(&id).copied() else { return };
        let legs = self.rooms.get(key).map(|room| room.legs.clone()).unwrap_or_default();
        for leg in legs {
            self.drop_leg(now, leg, out);
        }
        if let Some(mut room) = self.rooms.remove(key) {
            for recorder in &room.recorders {
                self.recordings.remove(&recorder.spec.id);
            }
            room.finish_recordings(out);
            self.ring.leave(room.phase, key);
        }
        self.room_names.remove(&id);
    }

    fn put_leg(&mut self, now: Instant, id: LegId, rev: Revision, spec: LegSpec, out: &mut MediaOut) {
        let Some(key) = self.names.get(&id).copied() else {
            return self.add_leg(now, id, rev, spec, out);
        };
        let Some(leg) = self.legs.get_mut(key) else { return };
        if rev < leg.rev {
            return;
        }
        let moves = leg.spec.room != spec.room;
        if leg.spec.port != spec.port || moves && !self.room_names.contains_key(&spec.room) {
            return self.drop_leg(now, key, out);
        }
        if moves {
            self.move_leg(now, key, spec.room, out);
        }
        let Some(leg) = self.legs.get_mut(key) else { return };
        let watched = |s: &LegSpec| (s.receive, s.silence);
        // A report under the old revision may have been ignored as out of date: say it again under the new one.
        let rewatch = watched(&leg.spec) != watched(&spec) || (leg.silent && rev > leg.rev);
        leg.put(now, rev, spec);
        leg.take_presses(&mut out.reports);
        let room = leg.room;
        self.settle(now, room, &mut out.reports);
        if rewatch {
            self.watch(now, key);
        }
    }

    fn add_leg(&mut self, now: Instant, id: LegId, rev: Revision, spec: LegSpec, out: &mut MediaOut) {
        let slot = usize::from(spec.port.0 >> 1);
        let free = spec.port.0 & 1 == 0 && self.ports.get(slot).is_none_or(Option::is_none);
        let named = self.room_names.get(&spec.room).copied().filter(|_| free);
        let Some((room_key, room)) = named.and_then(|key| Some((key, self.rooms.get_mut(key)?))) else {
            let nothing = Resume { ssrc: 0, sequence: 0, timestamp: 0 };
            let resume = spec.resume.map_or(nothing, |handover| handover.stream);
            out.reports.push(MediaReport::Dropped { leg: id, stats: LegStats::default(), resume });
            return;
        };
        let last = self.last_heard.get(&spec.port).copied();
        let mut leg = Leg::new(now, id, rev, room_key, spec, &mut room.rng);
        leg.shun(last);
        leg.go_on(now);
        leg.take_presses(&mut out.reports);
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
        self.watch(now, key);
        self.link(now, room_key, out);
    }

    /// A leg goes to another room, with what it has learnt of its party and its outgoing stream.
    fn move_leg(&mut self, now: Instant, key: LegKey, to: RoomId, out: &mut MediaOut) {
        keys::let_go(&mut self.legs, key, &mut out.reports);
        let (Some(&to), Some(leg)) = (self.room_names.get(&to), self.legs.get_mut(key)) else { return };
        let from = std::mem::replace(&mut leg.room, to);
        leg.cut();
        if let Some(room) = self.rooms.get_mut(from) {
            room.part(key, &mut self.legs);
        }
        if let Some(room) = self.rooms.get_mut(to) {
            room.legs.push(key);
        }
        self.link(now, from, out);
        self.link(now, to, out);
    }

    fn drop_leg(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) {
        let Some(mut leg) = self.take_out(now, key, out) else { return };
        leg.report(now, true, &mut out.packets);
        if let Some(stream) = leg.stream() {
            self.last_heard.insert(leg.spec.port, stream);
        }
        out.reports.push(MediaReport::Dropped { leg: leg.id, stats: leg.stats(), resume: leg.resume(now) });
    }

    /// Takes a leg out of all tables.
    fn take_out(&mut self, now: Instant, key: LegKey, out: &mut MediaOut) -> Option<Leg> {
        keys::let_go(&mut self.legs, key, &mut out.reports);
        let leg = self.legs.remove(key)?;
        for timer in [leg.report_timer, leg.silence_timer, leg.key_timer].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        self.names.remove(&leg.id);
        if let Some(place) = self.ports.get_mut(usize::from(leg.spec.port.0 >> 1)) {
            *place = None;
        }
        if let Some(room) = self.rooms.get_mut(leg.room) {
            room.legs.retain(|k| *k != key);
        }
        self.link(now, leg.room, out);
        Some(leg)
    }

    /// The legs of a room have changed.
    fn link(&mut self, now: Instant, key: RoomKey, out: &mut MediaOut) {
        if let Some(room) = self.rooms.get(key) {
            room.link(&mut self.legs);
            self.settle(now, key, &mut out.reports);
        }
    }

    /// Asserts that all tables agree. For the simulator; walks everything.
    pub fn check(&self) {
        assert_eq!(self.names.len(), self.legs.len(), "each leg has one name");
        let used = self.ports.iter().flatten().count();
        assert_eq!(used, self.legs.len(), "each leg has one port");
        let housed: usize = self.rooms.iter().map(|(_, room)| room.legs.len()).sum();
        assert_eq!(housed, self.legs.len(), "each leg is in one room");
        assert_eq!(self.room_names.len(), self.rooms.len(), "each room has one name");
        let mut timers = 0;
        for (key, leg) in self.legs.iter() {
            assert_eq!(self.names.get(&leg.id), Some(&key), "{:?} is found by name", leg.id);
            let place = self.ports.get(usize::from(leg.spec.port.0 >> 1));
            assert_eq!(place, Some(&Some(key)), "{:?} is found by port", leg.id);
            let room = self.rooms.get(leg.room).filter(|r| r.legs.contains(&key));
            let listener = room.map(|r| r.listener(key));
            assert_eq!(listener, Some(leg.listener), "{:?} is heard as its room says", leg.id);
            let watched = leg.spec.receive && leg.spec.silence.is_some();
            assert_eq!(leg.silence_timer.is_some(), watched && !leg.silent, "{:?} is watched", leg.id);
            assert!(leg.report_timer.is_some(), "{:?} reports", leg.id);
            timers += 1 + usize::from(leg.silence_timer.is_some()) + usize::from(leg.key_timer.is_some());
        }
        assert_eq!(self.timers.len(), timers, "no timer outlives its leg");
        let mut served = 0;
        for (key, room) in self.rooms.iter() {
            assert_eq!(self.room_names.get(&room.id), Some(&key), "{:?} is found by name", room.id);
            room.check(&self.legs);
            let wanted = room.is_served(&self.legs);
            assert_eq!(
                self.ring.serves(room.phase, key),
                wanted,
                "{:?} is served while it needs it",
                room.id
            );
            served += usize::from(wanted);
        }
        let recorded: usize = self.rooms.iter().map(|(_, room)| room.recorders.len()).sum();
        assert_eq!(self.recordings.len(), recorded, "each recording is found by name");
        assert_eq!(self.ring.check(), served, "no room is served after its end");
    }
}
