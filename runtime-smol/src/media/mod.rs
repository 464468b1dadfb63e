//! Media threads: one per core, each driving one media machine and all sockets of its ports.
//!
//! Commands come through a queue without bound and a wake, reports leave through another, so neither side ever waits
//! for the other.

mod ports;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use smol_str::SmolStr;
use telex_engine::border::Input;
use telex_engine::event::Severity;
use telex_engine::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{Library, MediaCommand, PortId, RecordingId, ShardId};
use telex_engine::rng::Seed;
use telex_engine::time::Instant;
use telex_replay::{MediaKept, MediaPolicy, MediaRecorder};

use crate::clock::Clock;
use crate::config::PortRange;
use crate::desk::Desk;
use crate::poll::{Bell, Poller, Post, Ready};
use crate::recordings::{Piece, Recordings};
use ports::{Pair, Ports};

/// Pairs of ports bound before the exchange is ready, over all shards.
const FIRST_PAIRS: usize = 128;
/// Pairs bound between two looks at the sockets: some hundred microseconds of work.
const PAIRS_AT_ONCE: u16 = 8;
/// Octets of the longest datagram that is looked at: longer than any Ethernet carries.
const DATAGRAM: usize = 2048;

/// What all shards share.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many shards there are.
    pub(crate) shards: u8,
    /// Where ports are bound.
    pub(crate) bind: IpAddr,
    /// Which ports.
    pub(crate) ports: PortRange,
    /// Where in the range binding begins, counted round and round.
    pub(crate) first_pair: u32,
    /// Randomness of the machines.
    pub(crate) seed: Seed,
    /// The clock of all machines.
    pub(crate) clock: Clock,
    /// Where reports go.
    pub(crate) reports: Post<Input>,
    /// What each thread keeps of what it is told, in so many octets.
    pub(crate) record: Option<(MediaPolicy, usize)>,
    /// Where people are told something.
    pub(crate) desk: Option<Desk>,
    /// Who writes recordings of calls.
    pub(crate) recordings: Option<Recordings>,
    /// The sounds that can be played by name.
    pub(crate) sounds: Arc<Library>,
}

impl Plan {
    /// The share of one of `shards` threads in what is kept of media.
    pub(crate) fn share(record: Option<(MediaPolicy, usize)>, shards: usize) -> Option<(MediaPolicy, usize)> {
        record.map(|(policy, memory)| (policy, memory / shards.max(1)))
    }
}

/// What a media thread is told.
#[derive(Debug)]
enum Order {
    /// Something for its machine.
    Command(MediaCommand),
    /// Keep this of what comes from now on.
    Record(Option<(MediaPolicy, usize)>),
    /// These sounds can be played by name from now on.
    Sounds(Arc<Library>),
    /// Hand out what was kept, and draw other randomness from then on.
    Cut { seed: Seed, answer: SyncSender<MediaKept> },
}

/// The next of a class of music that comes from outside, as [`MediaInput::Music`] has it.
type Music = (SmolStr, Arc<[u8]>);

/// The way of music from outside to one media thread.
#[derive(Clone, Debug)]
pub(crate) struct Ear(Post<Music>);

impl Ear {
    /// One that leads elsewhere.
    #[cfg(test)]
    pub(crate) fn of(post: Post<(SmolStr, Arc<[u8]>)>) -> Self {
        Self(post)
    }

    /// Hands a piece over; an empty one ends the music.
    pub(crate) fn hear(&self, class: &SmolStr, octets: &Arc<[u8]>) {
        self.0.send((class.clone(), Arc::clone(octets)));
    }
}

/// The way to one media thread.
#[derive(Debug)]
pub(crate) struct Shard {
    orders: Post<Order>,
    ear: Ear,
    unheard: bool,
}

impl Shard {
    /// Hands a command over; [`Shard::wake`] follows once all are handed over.
    pub(crate) fn command(&mut self, command: MediaCommand) {
        self.unheard |= self.orders.leave(Order::Command(command));
    }

    /// Follows a change of the configuration.
    pub(crate) fn record(&self, record: Option<(MediaPolicy, usize)>) {
        self.orders.send(Order::Record(record));
    }

    /// Follows a change of the configuration.
    pub(crate) fn sounds(&self, sounds: &Arc<Library>) {
        self.orders.send(Order::Sounds(Arc::clone(sounds)));
    }

    /// The way of music to it. It does not keep the thread alive.
    pub(crate) fn ear(&self) -> Ear {
        self.ear.clone()
    }

    /// Asks for what was kept: it comes on its own, if anything was. `seed` is used from then on.
    pub(crate) fn cut(&self, seed: Seed) -> Receiver<MediaKept> {
        let (answer, kept) = sync_channel(1);
        self.orders.send(Order::Cut { seed, answer });
        kept
    }

    /// Lets the thread look at what was handed over since the last time.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.unheard) {
            self.orders.ring();
        }
    }
}

/// Binds the first ports and starts the threads.
///
/// Errors when no port can be bound or no thread started.
pub(crate) fn start(plan: &Plan) -> io::Result<Vec<Shard>> {
    let mut shards = Vec::new();
    let mut pairs = 0;
    let workers: io::Result<Vec<_>> = (0..plan.shards).map(|index| Worker::new(plan, index)).collect();
    let workers = workers?;
    let others: Vec<_> = workers.iter().map(|(worker, _)| worker.given.0.clone()).collect();
    for (index, (mut worker, orders)) in workers.into_iter().enumerate() {
        worker.others.clone_from(&others);
        worker.tell(plan.clock.now(), MediaInput::Library(Arc::clone(&plan.sounds)));
        pairs += worker
            .bind_first(u16::try_from(FIRST_PAIRS.div_ceil(usize::from(plan.shards))).unwrap_or(u16::MAX))?;
        let (name, ear) = (format!("telex-media-{index}"), Ear(worker.music.0.clone()));
        std::thread::Builder::new().name(name).stack_size(512 << 10).spawn(move || worker.run())?;
        shards.push(Shard { orders, ear, unheard: false });
    }
    match pairs {
        0 => Err(io::Error::new(io::ErrorKind::AddrInUse, "all of them are in use")),
        _ => Ok(shards),
    }
}

/// One thread: a machine, its sockets, its clock.
struct Worker {
    id: ShardId,
    machine: MediaShard,
    ports: Ports,
    poller: Poller,
    bell: Bell,
    orders: Receiver<Order>,
    reports: Post<Input>,
    clock: Clock,
    out: MediaOut,
    /// Pairs to bind yet, and those bound of the same order.
    wanted: u16,
    bound: Vec<PortId>,
    recorder: Option<MediaRecorder>,
    /// It was told that nothing is being kept.
    refused: bool,
    desk: Option<Desk>,
    recordings: Option<Recordings>,
    /// Whose piece was written. Apart from the orders, which end when nobody else can give any.
    written: (Post<RecordingId>, Receiver<RecordingId>),
    /// Music from outside; apart for the same reason.
    music: (Post<Music>, Receiver<Music>),
    /// Sockets that other threads gave away to this one. Apart from the orders for the same reason.
    given: (Post<Pair>, Receiver<Pair>),
    /// The same of every thread.
    others: Vec<Post<Pair>>,
}

impl Worker {
    fn new(plan: &Plan, index: u8) -> io::Result<(Self, Post<Order>)> {
        let id = ShardId(index);
        let poller = Poller::new()?;
        let bell = Bell::of(&poller);
        let (post, orders) = Post::new(bell.clone());
        let written = bell.clone();
        let worker = Self {
            id,
            machine: MediaShard::new(id, plan.seed),
            ports: Ports::new(
                plan.bind,
                plan.ports,
                usize::from(index),
                usize::from(plan.shards),
                plan.first_pair,
            ),
            poller,
            bell,
            orders,
            reports: plan.reports.clone(),
            clock: plan.clock,
            out: MediaOut::default(),
            wanted: 0,
            bound: Vec::new(),
            recorder: Plan::share(plan.record, plan.shards.into())
                .map(|(policy, memory)| MediaRecorder::new(policy, memory)),
            refused: false,
            desk: plan.desk.clone(),
            recordings: plan.recordings.clone(),
            written: Post::new(written.clone()),
            music: Post::new(written.clone()),
            given: Post::new(written),
            others: Vec::new(),
        };
        Ok((worker, post))
    }

    fn run(mut self) {
        let mut ready = Ready::default();
        let mut datagram = [0; DATAGRAM];
        loop {
            // Waiting fails only for reasons that are mistakes of this program.
            self.poller.wait(&mut ready, self.patience()).expect("the poller and all its sockets are open");
            if self.machine.deadline().is_some_and(|at| at <= self.clock.now()) {
                self.tell(self.clock.now(), MediaInput::Tick);
            }
            if ready.rung && !self.obey() {
                return;
            }
            let now = self.clock.now();
            for &port in &ready.names {
                let Some(Ok((length, remote))) = self.ports.get(port).map(|s| s.recv_from(&mut datagram))
                else {
                    continue;
                };
                let remote = self.ports.inward(remote);
                let bytes = datagram.get_mut(..length).unwrap_or_default();
                self.tell(now, MediaInput::Packet { port, remote, bytes });
            }
            self.perform();
            if self.wanted > 0 {
                // Too few ports are told by the machine's report, which names those that there are.
                let _ = self.bind_some();
                self.perform();
            }
        }
    }

    /// How long there is nothing to do unless something arrives.
    fn patience(&self) -> Option<Duration> {
        match self.machine.deadline() {
            _ if self.wanted > 0 => Some(Duration::ZERO),
            deadline => deadline.map(|at| at.since(self.clock.now())),
        }
    }

    /// Hands the machine an input, and keeps it.
    #[inline]
    fn tell(&mut self, now: Instant, input: MediaInput<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.before(&self.machine, now, &input);
        }
        self.machine.handle(now, input, &mut self.out);
    }

    /// Obeys all waiting orders. False when nobody can command any more.
    fn obey(&mut self) -> bool {
        self.bell.hush();
        while let Ok(recording) = self.written.1.try_recv() {
            self.tell(self.clock.now(), MediaInput::Written { recording, pieces: 1 });
        }
        while let Ok((class, octets)) = self.music.1.try_recv() {
            self.tell(self.clock.now(), MediaInput::Music { class, octets: &octets });
        }
        loop {
            let order = self.orders.try_recv();
            self.take_given();
            match order {
                Ok(Order::Command(command)) => self.tell(self.clock.now(), MediaInput::Command(command)),
                Ok(Order::Sounds(sounds)) => self.tell(self.clock.now(), MediaInput::Library(sounds)),
                Ok(Order::Record(record)) => self.record(record),
                Ok(Order::Cut { seed, answer }) => {
                    self.perform();
                    if let Some(recorder) = &self.recorder {
                        // Who asked may have gone.
                        let _ = answer.try_send(recorder.kept(self.id));
                    }
                    self.tell(self.clock.now(), MediaInput::Seed(seed));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Takes over sockets that another thread has given away. They are there before the command that uses them.
    fn take_given(&mut self) {
        while let Ok(pair) = self.given.1.try_recv() {
            if let Err(error) = self.ports.take_over(pair, |socket, port| self.poller.add(socket, port))
                && let Some(desk) = &self.desk
            {
                desk.note(Severity::Warning, format!("a port is deaf after it changed its thread: {error}"));
            }
        }
    }

    fn record(&mut self, record: Option<(MediaPolicy, usize)>) {
        self.perform();
        match (&mut self.recorder, record) {
            (Some(recorder), Some((policy, memory))) => recorder.change(policy, memory),
            (recorder, record) => {
                *recorder = record.map(|(policy, memory)| MediaRecorder::new(policy, memory));
            }
        }
        self.refused = false;
    }

    /// Keeps what came of the latest inputs, and says it when from now on nothing is kept: people should know before
    /// they need it.
    fn settle(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.after(&self.out, self.machine.deadline());
        let refusal = recorder.refusal();
        let before = std::mem::replace(&mut self.refused, refusal.is_some());
        if let (Some(refusal), false, Some(desk)) = (refusal, before, &self.desk) {
            desk.note(Severity::Warning, format!("media is not recorded: {refusal}"));
        }
    }

    /// Sends packets and reports, and notes how many ports are wanted.
    fn perform(&mut self) {
        self.settle();
        for packet in self.out.packets.iter() {
            if let Some(socket) = self.ports.get(packet.port) {
                // A packet that cannot leave is lost, as any packet may be.
                let _ = socket.send_to(packet.bytes, self.ports.outward(packet.remote));
            }
        }
        // Sockets are given away before that is reported.
        for io in self.out.io.drain(..) {
            match io {
                MediaIo::Give { port, to } => {
                    let given = self.ports.give_away(port, |socket| self.poller.remove(socket));
                    if let (Some(pair), Some(post)) = (given, self.others.get(usize::from(to.0))) {
                        // Read once there is an order: the leg that it is for.
                        post.leave(pair);
                    }
                }
                MediaIo::Bind { count } => self.wanted = self.wanted.saturating_add(count),
                MediaIo::Record { recording, format, rate, channels, missing, samples } => {
                    let post = self.written.0.clone();
                    let written = move || post.send(recording);
                    if let Some(recordings) = &self.recordings {
                        let piece = Piece { format, rate, channels, missing, samples };
                        recordings.write(recording, piece, written);
                    }
                }
                MediaIo::Finish { recording, missing } => {
                    if let Some(recordings) = &self.recordings {
                        recordings.finish(recording, missing);
                    }
                }
            }
        }
        for report in self.out.reports.drain(..) {
            self.reports.send(Input::Media { shard: self.id, report });
        }
        self.out.clear();
    }

    /// Binds some of the pairs that are wanted, so few that no packet waits for long. Once all are bound, or none is
    /// left, the machine is told which.
    fn bind_some(&mut self) -> io::Result<()> {
        let count = self.wanted.min(PAIRS_AT_ONCE);
        let bound = self.ports.bind(count, |socket, port| self.poller.add(socket, port));
        self.wanted -= count;
        let short = bound.as_ref().map_or(true, |pairs| pairs.len() < usize::from(count));
        self.bound.extend(bound.as_deref().unwrap_or_default());
        if short || self.wanted == 0 {
            self.wanted = 0;
            let pairs = std::mem::take(&mut self.bound);
            self.tell(self.clock.now(), MediaInput::Ports(pairs));
        }
        bound.map(drop)
    }

    /// Binds so many pairs at once and tells the machine which; gives their number.
    ///
    /// Errors when none can be bound for another reason than that others hold them.
    fn bind_first(&mut self, count: u16) -> io::Result<usize> {
        let pairs = self.ports.bind(count, |socket, port| self.poller.add(socket, port))?;
        let number = pairs.len();
        self.tell(self.clock.now(), MediaInput::Ports(pairs));
        self.perform();
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use telex_audio::codec::Encoding;
    use telex_engine::mediactl::{
        Accepted, Kind, LegId, LegSpec, MediaReport, Payload, RoomId, RoomMode, RoomSpec,
    };

    /// The next report, which must come soon.
    fn next(reports: &Receiver<Input>) -> (ShardId, usize) {
        match reports.recv_timeout(Duration::from_secs(20)).unwrap() {
            Input::Media { shard, report: MediaReport::Ports { ports } } => (shard, ports.len()),
            other => panic!("{other:?}"),
        }
    }

    /// Two threads with six hundred ports from about `base` on, and nothing kept.
    fn plan(base: u16, reports: Post<Input>) -> Plan {
        let first = base + u16::try_from(std::process::id() % 5).unwrap() * 600;
        Plan {
            shards: 2,
            bind: IpAddr::from([127, 0, 0, 1]),
            first_pair: 0,
            ports: PortRange { first, last: first + 599 },
            seed: Seed::from_number(1),
            clock: Clock::start(),
            reports,
            record: None,
            desk: None,
            recordings: None,
            sounds: Arc::default(),
        }
    }

    #[test]
    fn ports_come_when_they_are_wanted_and_none_when_there_are_no_more() {
        let (reports, reported) = Post::new(Bell::of(&Poller::new().unwrap()));
        let plan = plan(62_000, reports);
        let mut shards = start(&plan).unwrap();
        assert_eq!([next(&reported), next(&reported)], [(ShardId(0), 64), (ShardId(1), 64)]);
        // 300 pairs in all, 150 for each shard.
        for (index, shard) in (0..).zip(&mut shards) {
            for expected in [20, 20, 20, 20, 6, 0, 0] {
                shard.command(MediaCommand::WantPorts { count: 20 });
                shard.wake();
                assert_eq!(next(&reported), (ShardId(index), expected));
            }
        }
    }

    /// What is said about leg 1, once something is.
    fn told(reports: &Receiver<Input>) -> MediaReport {
        match reports.recv_timeout(Duration::from_secs(20)).unwrap() {
            Input::Media { report: MediaReport::Ports { .. } | MediaReport::Latched { .. }, .. } => {
                told(reports)
            }
            Input::Media { report, .. } => report,
            other => panic!("{other:?}"),
        }
    }

    /// A packet of PCMU with this sequence number.
    fn rtp(sequence: u16) -> Vec<u8> {
        let [s0, s1] = sequence.to_be_bytes();
        [&[0x80, 0, s0, s1, 0, 0, s0, s1, 1, 2, 3, 4][..], &[0xff; 160]].concat()
    }

    #[test]
    fn a_leg_goes_to_another_thread_and_its_phone_notices_nothing() {
        let (reports, reported) = Post::new(Bell::of(&Poller::new().unwrap()));
        let mut shards = start(&plan(45_000, reports)).unwrap();
        let port = match reported.recv_timeout(Duration::from_secs(20)).unwrap() {
            Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } } => ports[3],
            other => panic!("{other:?}"),
        };
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let pcmu = Payload::of(0, Encoding::Pcmu);
        let spec = |room, resume| LegSpec {
            remote: Some(phone.local_addr().unwrap()),
            send: true,
            receive: true,
            audio: Some(pcmu),
            accept: vec![Accepted { payload: pcmu, kind: Kind::Speech, forward: Some(0) }],
            resume,
            ..LegSpec::new(RoomId(room), port)
        };
        let put = |shards: &mut [Shard], shard: usize, rev, resume| {
            let room = RoomId(shard as u64);
            let echo = RoomSpec::new(RoomMode::Echo);
            shards[shard].command(MediaCommand::PutRoom { room, rev: 1, spec: echo });
            let spec = Box::new(spec(room.0, resume));
            shards[shard].command(MediaCommand::PutLeg { leg: LegId(1), rev, spec });
            shards[shard].wake();
        };
        let mut buffer = [0; 300];
        let mut heard = |sequence: u16| {
            phone.send_to(&rtp(sequence), ("127.0.0.1", port.0)).unwrap();
            let (length, from) = phone.recv_from(&mut buffer).unwrap();
            assert_eq!((length, from.port()), (172, port.0));
            let word = |at: usize| u32::from_be_bytes(buffer[at..at + 4].try_into().unwrap());
            (word(8), word(0) as u16)
        };
        put(&mut shards, 0, 1, None);
        let (ssrc, first) = heard(10);
        assert_eq!(heard(11), (ssrc, first.wrapping_add(1)));
        shards[0].command(MediaCommand::GiveLeg { leg: LegId(1), port, to: ShardId(1) });
        shards[0].wake();
        let MediaReport::Given { leg: LegId(1), stats, resume } = told(&reported) else {
            panic!("not given")
        };
        assert_eq!((stats.received, stats.sent), (2, 2));
        // Nobody reads the socket now. What comes is heard all the same.
        phone.send_to(&rtp(12), ("127.0.0.1", port.0)).unwrap();
        put(&mut shards, 1, 2, resume);
        assert_eq!(heard(13), (ssrc, first.wrapping_add(2)));
        let (length, _) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!((length, buffer[2..4].to_vec()), (172, first.wrapping_add(3).to_be_bytes().to_vec()));
    }

    #[test]
    fn what_was_kept_is_handed_out_until_nothing_is_kept_any_more() {
        let (reports, reported) = Post::new(Bell::of(&Poller::new().unwrap()));
        let plan = Plan { record: Some((MediaPolicy::Headers, 2 << 20)), ..plan(56_000, reports) };
        let mut shards = start(&plan).unwrap();
        let patience = Duration::from_secs(20);
        let kept = shards[1].cut(Seed::from_number(2)).recv_timeout(patience).unwrap();
        assert!(format!("{kept:?}").contains("ShardId(1)") && format!("{kept:?}").contains("refusal: None"));
        for (record, some) in [(None, false), (Some((MediaPolicy::All, 1 << 20)), true)] {
            shards[1].record(record);
            assert_eq!(shards[1].cut(Seed::from_number(3)).recv_timeout(patience).is_ok(), some);
        }
        // It goes on working.
        let _ = [next(&reported), next(&reported)];
        shards[1].command(MediaCommand::WantPorts { count: 2 });
        shards[1].wake();
        assert_eq!(next(&reported), (ShardId(1), 2));
    }
}
