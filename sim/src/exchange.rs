//! The exchange as the world hosts it: the two kinds of machine, and the queues of a driver between them.
//! Like every driver it decides nothing about telephony.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use md5::{Digest as _, Md5};
use smol_str::{SmolStr, format_smolstr};
use telex_audio::codec::Encoding;
use telex_dialplan::{Dialplan, Problems};
use telex_engine::border::{Flow, Interface, Listener, ListenerId, Stats, StreamId, Transport};
use telex_engine::config::{
    Config, Credentials, ParkingLot, Phone, RegistrarConfig, SessionConfig, SipTimers,
};
use telex_engine::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use telex_engine::mediactl::{Clip, MediaCommand, PortId, ShardId};
use telex_engine::rng::Seed;
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Actions, Boot, Input, Signalling};

use crate::luck::{Kind, below, luck};
use crate::oracle::{Cause, Verdict, broken, host};
use crate::plan::{BrokenTimer, ENTRY, PICKUP, Plan, walks};
use crate::run::panic_text;
use crate::text::Msg;
use crate::world::{EXCHANGE, EXCHANGE_SIP, Event, World};

/// The datagram socket.
pub(crate) const UDP: ListenerId = ListenerId(0);
/// The stream socket.
pub(crate) const TCP: ListenerId = ListenerId(1);
/// The number of the menu.
pub(crate) const MENU: &str = "5000";
/// The number that parks whoever dials it, and the slots.
pub(crate) const PARK: &str = "5100";
const SLOTS: (u32, u32) = (5101, 5104);
/// How long a parked caller waits.
const PARKED: Duration = Duration::from_secs(5);
/// Whether who is called is chosen by keys, or by the dialplan.
pub(crate) fn chooses(dialled: &str) -> bool {
    dialled == MENU || walks(dialled)
}

/// The first RTP port.
const FIRST_PORT: u16 = 10_000;
/// Port pairs that are bound before anybody asks.
const FIRST_PAIRS: u16 = 8;
/// What the exchange codes, where it does.
const CODED: [Encoding; 4] = [Encoding::G722, Encoding::Pcmu, Encoding::Pcma, Encoding::Gsm];
/// The longest that one thread takes to hand something to another.
const HANDOVER: Duration = Duration::from_micros(500);
/// A socket is bound, and a record safe, after this.
const HOST_WORK: Duration = Duration::from_millis(2);
/// Steps between two looks at the engine's own invariants once its tables are large.
const CHECK_EVERY: u64 = 16;
/// Tables are large from so many transactions on.
const LARGE: usize = 200;

/// The machines and what a driver keeps for them.
pub(crate) struct Exchange {
    signalling: Signalling,
    shards: Vec<MediaShard>,
    /// When the machines asked to be woken; `None` when nothing is scheduled.
    wake_at: Option<Instant>,
    tick_at: Vec<Option<Instant>>,
    actions: Actions,
    media: MediaOut,
    scratch: Vec<u8>,
    /// Which shard has which even port.
    ports: BTreeMap<u16, ShardId>,
    /// Datagrams in the sockets of even ports that a shard was given and has not taken over: port, source, octets.
    waiting: BTreeMap<u16, Vec<(u16, SocketAddr, Vec<u8>)>>,
    next_port: u16,
    /// Handovers between threads keep their order: when the latest arrives, per shard and direction.
    latest: BTreeMap<(ShardId, bool), Instant>,
    handovers: u64,
    steps: u64,
    next_lsn: u64,
    /// When it was started. Its own time begins there.
    epoch: Instant,
    /// Streams that it opens have this added to their names, so that those of an earlier life are not meant.
    stream_base: u64,
}

/// The sockets.
pub(crate) fn listeners() -> Vec<Listener> {
    let listener = |id, transport| Listener { id, transport, local: EXCHANGE_SIP };
    vec![listener(UDP, Transport::Udp), listener(TCP, Transport::Tcp)]
}

impl Exchange {
    /// An exchange with what `boot` says about clock and store.
    pub(crate) fn new(plan: &Plan, seed: u64, config: Arc<Config>, boot: Boot) -> Self {
        let seed = Seed::from_number(seed);
        let boot = Boot {
            listeners: listeners(),
            interfaces: vec![Interface { address: EXCHANGE, prefix: 8 }],
            shards: plan.exchange.shards,
            ..boot
        };
        let shard = |n| {
            let mut shard = MediaShard::new(ShardId(n), seed);
            let library = MediaInput::Library(Arc::clone(&config.sounds));
            shard.handle(Instant::ZERO, library, &mut MediaOut::default());
            shard
        };
        let shards: Vec<MediaShard> = (0..plan.exchange.shards).map(shard).collect();
        Self {
            signalling: Signalling::new(config, seed, boot),
            wake_at: None,
            tick_at: vec![None; shards.len()],
            shards,
            actions: Actions::new(),
            media: MediaOut::default(),
            scratch: Vec::new(),
            ports: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_port: FIRST_PORT,
            latest: BTreeMap::new(),
            handovers: 0,
            steps: 0,
            next_lsn: 0,
            epoch: Instant::ZERO,
            stream_base: 0,
        }
    }

    /// It begins at `epoch`, for the how manieth time after the first.
    /// A driver begins somewhere in its range of ports: here always after those of its life before.
    pub(crate) fn begins(&mut self, epoch: Instant, life: u64, first_port: u16) {
        (self.epoch, self.stream_base) = (epoch, life * STREAMS_PER_LIFE);
        self.next_port = first_port;
    }

    /// The port that would be bound next.
    pub(crate) fn next_port(&self) -> u16 {
        self.next_port
    }

    /// A moment by the exchange's own count.
    pub(crate) fn inside(&self, at: Instant) -> Instant {
        Instant::ZERO + at.since(self.epoch)
    }

    /// A moment of the exchange's own count.
    fn outside(&self, at: Instant) -> Instant {
        self.epoch + at.since(Instant::ZERO)
    }

    /// When signalling wants to be woken, and why.
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.signalling.deadline().map(|d| (self.outside(d.at), d.why))
    }

    /// The world's name for a stream of the exchange.
    fn named(&self, stream: StreamId) -> StreamId {
        if stream.0.is_multiple_of(2) { StreamId(stream.0 + self.stream_base) } else { stream }
    }

    /// Makes every machine do this wrong.
    #[cfg(feature = "planted")]
    pub(crate) fn plant(&mut self, fault: telex_engine::planted::Fault) {
        self.signalling.plant(fault);
        self.shards.iter_mut().for_each(|shard| shard.plant(fault));
    }

    /// The name of the timer of signalling that is due.
    pub(crate) fn timer_due(&self, now: Instant) -> Option<&'static str> {
        self.deadline().filter(|(at, _)| *at <= now).map(|(_, why)| why)
    }

    /// The even RTP ports that are bound.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.ports.keys().copied().collect()
    }

    /// Sizes of the engine's tables.
    pub(crate) fn stats(&self) -> Stats {
        self.signalling.stats()
    }

    /// `nothing_left`, in the media machines.
    pub(crate) fn shards_are_empty(&self, now: Instant) -> Verdict {
        for (n, shard) in self.shards.iter().enumerate() {
            let stats = shard.stats();
            if stats.legs + stats.rooms > 0 {
                let reason = format!("{} legs and {} rooms in shard {n}", stats.legs, stats.rooms);
                return Err(broken("nothing_left", now, reason));
            }
        }
        Ok(())
    }
}

/// Names of streams that the exchange opens in one life: even numbers, fewer than these.
const STREAMS_PER_LIFE: u64 = 1 << 40;

/// A phone of the configuration, with this password.
pub(crate) fn configured(plan: &Plan, extension: &str, secret: &str) -> Phone {
    let text = format!("{extension}:{}:{secret}", plan.exchange.realm);
    let credentials = Credentials { ha1_md5: Md5::digest(text.as_bytes()).into(), ha1_sha256: None };
    let pickup_group = SmolStr::new(plan.group_of(extension));
    Phone { credentials: Some(credentials), pickup_group, ..Phone::default() }
}

/// What the exchange of a plan is told. A broken timer is wrong here and nowhere else.
pub(crate) fn config(plan: &Plan) -> Config {
    let x = &plan.exchange;
    let mut sip = SipTimers { t1: x.t1, t2: x.t2, t4: x.t4, timer_c: x.timer_c };
    match x.broken {
        None => {}
        Some(BrokenTimer::T1) => sip.t1 *= 10,
        Some(BrokenTimer::T2) => sip.t2 *= 100,
    }
    let mut config = Config {
        sip,
        realm: SmolStr::new(&x.realm),
        ring: x.ring,
        media_timeout: Some(x.media_timeout),
        session: SessionConfig { expires: x.session, min_se: x.min_session },
        registrar: RegistrarConfig {
            min_expires: x.min_expires,
            max_expires: x.max_expires,
            default_expires: x.default_expires,
            max_contacts: x.contacts,
            nonce_life: x.nonce,
        },
        transcode: x.transcode,
        codecs: if x.transcode { CODED.to_vec() } else { vec![Encoding::Pcmu, Encoding::Pcma] },
        ..Config::default()
    };
    for phone in &plan.phones {
        let known = configured(plan, &phone.extension, &phone.secret());
        config.phones.insert(SmolStr::new(&phone.extension), known);
    }
    let lot = ParkingLot { extension: PARK.into(), slots: SLOTS, time: PARKED, ..ParkingLot::default() };
    config.parking.insert("default".into(), lot);
    config.dialplan = Some(dialplan(plan, &config).expect("it was checked"));
    // Nobody listens to digits: it counts that they end.
    let digits = (0..10).map(|digit| (format_smolstr!("digits/{digit}"), Clip::silence(300)));
    config.sounds = Arc::new(digits.chain([(SmolStr::new("menu"), menu())]).collect());
    config
}

/// Whether who dials this takes up who is in a slot.
pub(crate) fn is_slot(number: &str) -> bool {
    number.parse().is_ok_and(|number| (SLOTS.0..=SLOTS.1).contains(&number))
}

/// The slot in the name of somebody who comes back from it.
pub(crate) fn slot_in(name: &str) -> Option<&str> {
    name.split_once(": ").map(|(slot, _)| slot).filter(|slot| is_slot(slot))
}

/// What is configured, and at [`MENU`] a menu: the keys 1, 2, ... lead to the phones.
fn dialplan(plan: &Plan, config: &Config) -> Result<Dialplan, Problems> {
    let mut menu = format!("\nexten => {MENU},1,Goto(menu,s,1)\n\n");
    if plan.dialplan.iter().any(|context| context.name == ENTRY) {
        menu.insert_str(1, &format!("exten => _6XXX,1,Goto({ENTRY},${{EXTEN:3}},1)\n"));
    }
    let pickup = format!("exten => {PICKUP},1,Pickup()\n same => n,Hangup()\n");
    menu.insert_str(
        1,
        &format!("{pickup}exten => _{PICKUP}X!,1,Pickup(${{EXTEN:2}})\n same => n,Hangup()\n"),
    );
    let mut text = config.own_dialplan().replacen("\n\n", &menu, 1);
    text.push_str(
        "\n[menu]\nexten => s,1,Answer()\n same => n,Set(TIMEOUT(digit)=1)\n same => n,Set(tries=0)\n\
 same => n(again),Background(menu)\n same => n,WaitExten(2)\n\
exten => t,1,Set(tries=$[${tries} + 1])\n same => n,GotoIf($[${tries} < 3]?s,again)\n same => n,Hangup()\n\
exten => i,1,Goto(t,1)\n",
    );
    for (key, extension) in (1..=9).zip(config.phones.keys()) {
        let _ = write!(
            text,
            "exten => {key},1,GotoIf($[\"${{CALLERID(num)}}\" = \"{extension}\"]?t,1)\n same => n,Dial(PJSIP/{extension},10)\n\
 same => n,Hangup()\n"
        );
    }
    text += &plan.contexts_written();
    Dialplan::parse("sim.conf", &text)
}

/// What is wrong with the dialplan of a plan.
pub(crate) fn dialplan_is_right(plan: &Plan) -> Result<(), Problems> {
    let mut config = Config::default();
    config.phones.extend(plan.phones.iter().map(|p| (SmolStr::new(&p.extension), Phone::default())));
    dialplan(plan, &config).map(drop)
}

/// Half a second of a buzz.
fn menu() -> Clip {
    let pcm: Vec<i16> = (0..8000).map(|n| if n / 20 % 2 == 0 { 2000 } else { -2000 }).collect();
    Clip::of(16_000, &pcm).expect("a rate that sound comes at")
}

impl World<'_> {
    /// Binds the first ports, as a driver does before anything else.
    pub(crate) fn start_exchange(&mut self) -> Verdict {
        if let Some(watch) = &mut self.watch {
            watch.begin(&mut self.exchange.signalling);
        }
        for n in 0..self.plan.exchange.shards {
            self.bind(ShardId(n), FIRST_PAIRS)?;
        }
        let wall = self.wall();
        self.tell(Input::Wall(wall), None)
    }

    /// The engine's deadline may have come.
    pub(crate) fn wake(&mut self) -> Verdict {
        if self.exchange.wake_at == Some(self.now) {
            self.exchange.wake_at = None;
        }
        match self.exchange.deadline() {
            Some((at, why)) if at <= self.now => {
                self.wakes.wake(self.now, why)?;
                self.step(Input::Wake, Cause::Wake)
            }
            _ => {
                self.look_ahead();
                Ok(())
            }
        }
    }

    /// Hands an input to signalling; `message` is the SIP message that it completes.
    pub(crate) fn tell(&mut self, input: Input, message: Option<&Msg>) -> Verdict {
        self.tell_with(input, message.map_or(&[], std::slice::from_ref))
    }

    /// Hands an input to signalling; these SIP messages are complete with it.
    pub(crate) fn tell_with(&mut self, input: Input, messages: &[Msg]) -> Verdict {
        self.wakes.input();
        self.step(input, if messages.is_empty() { Cause::Other } else { Cause::Messages(messages) })
    }

    fn step(&mut self, input: Input, cause: Cause<'_>) -> Verdict {
        if self.host.away {
            return Ok(());
        }
        let (now, inside) = (self.now, self.exchange.inside(self.now));
        let woken = matches!(input, Input::Wake);
        let input = self.exchange.renamed(input);
        self.exchange.steps += 1;
        self.tell_trace("->", &input);
        let mut actions = std::mem::take(&mut self.exchange.actions);
        let machine = &mut self.exchange.signalling;
        let seen = self.watch.as_mut().map(|watch| {
            watch.before_signalling(machine, inside, &input);
            input.clone()
        });
        guarded(now, "handle", || machine.handle(inside, input, &mut actions))?;
        if let (Some(watch), Some(input)) = (&mut self.watch, seen) {
            watch.signalling(machine, inside, &input, &actions);
        }
        host::registrations_are_kept(now, &actions)?;
        for action in actions.drain(..) {
            self.act(action, cause)?;
        }
        self.exchange.actions = actions;
        let stats = self.exchange.signalling.stats();
        self.bounds.look(now, &stats, self.exchange.ports.len(), self.plan.phones.len())?;
        if stats.transactions < LARGE || self.exchange.steps.is_multiple_of(CHECK_EVERY) {
            let machine = &self.exchange.signalling;
            guarded(now, "check", || machine.check())?;
        }
        // A host that wakes late has something else come first.
        if woken || self.plan.host.late.is_zero() {
            host::deadline_ahead(now, self.exchange.deadline())?;
        }
        self.look_ahead();
        Ok(())
    }

    /// Schedules the wake that signalling asks for, unless an earlier one will look again.
    fn look_ahead(&mut self) {
        let Some((at, _)) = self.exchange.deadline() else { return };
        let at = at.max(self.now) + self.lateness(at);
        if self.exchange.wake_at.is_none_or(|known| at < known) {
            self.exchange.wake_at = Some(at);
            self.schedule(at, Event::Wake);
        }
    }

    fn act(&mut self, action: Action, cause: Cause<'_>) -> Verdict {
        self.tell_trace("  <-", &action);
        if !matches!(action, Action::Transmit { .. }) {
            self.note(&action);
        }
        match action {
            Action::Transmit { flow: Flow::Stream { stream }, bytes } => {
                let flow = Flow::Stream { stream: self.exchange.named(stream) };
                self.transmit(flow, &bytes, cause)?;
            }
            Action::Transmit { flow, bytes } => self.transmit(flow, &bytes, cause)?,
            Action::Connect { stream, remote, .. } => self.connect(self.exchange.named(stream), remote),
            Action::Disconnect { stream } => self.close(self.exchange.named(stream), false),
            Action::Resolve { query, .. } => {
                let answer = Err(telex_engine::border::ResolveError::NotFound);
                self.schedule(self.now + HOST_WORK, Event::Tell(Box::new(Input::Resolved { query, answer })));
            }
            Action::Media { shard, command } => {
                let at = self.handover(shard, true);
                self.schedule(at, Event::Command(shard, command));
            }
            Action::Store { lsn, record } => {
                if lsn.0 < self.exchange.next_lsn {
                    let reason = format!("record {} after {}", lsn.0, self.exchange.next_lsn);
                    return Err(broken("no_error_event", self.now, reason));
                }
                self.exchange.next_lsn = lsn.0 + 1;
                self.records.take(&record);
                self.store(lsn, record);
            }
            // A store that is full is not the engine's fault.
            Action::Report(telex_engine::event::Event::StoreFailed { .. })
                if !self.plan.host.store.full.is_empty() => {}
            Action::Report(event) => {
                host::no_error_event(self.now, &event)?;
                host::prompts_are_there(self.now, &event)?;
            }
            Action::Reply { id, reply } => self.replies.push((id, reply)),
            Action::Stopped => self.stopped()?,
        }
        Ok(())
    }

    /// When something that is handed to another thread now arrives there.
    fn handover(&mut self, shard: ShardId, down: bool) -> Instant {
        self.exchange.handovers += 1;
        let draw = luck(self.plan.seed, u64::MAX, self.exchange.handovers, Kind::Handover);
        let nanos = below(u64::try_from(HANDOVER.as_nanos()).unwrap_or(0), draw);
        let latest = self.exchange.latest.entry((shard, down)).or_default();
        *latest = (*latest).max(self.now + Duration::from_nanos(nanos));
        *latest
    }

    /// A shard's deadline may have come.
    pub(crate) fn tick(&mut self, shard: ShardId) -> Verdict {
        let n = usize::from(shard.0);
        if self.exchange.tick_at[n] == Some(self.now) {
            self.exchange.tick_at[n] = None;
        }
        if self.exchange.shards[n].deadline().is_some_and(|at| at <= self.exchange.inside(self.now)) {
            return self.media_step(shard, MediaInput::Tick);
        }
        self.look_ahead_media(n);
        Ok(())
    }

    /// A command reaches a shard.
    pub(crate) fn command(&mut self, shard: ShardId, command: MediaCommand) -> Verdict {
        self.media_step(shard, MediaInput::Command(command))?;
        self.take_ports(shard)
    }

    /// A shard gets ports.
    pub(crate) fn bind(&mut self, shard: ShardId, count: u16) -> Verdict {
        let ports: Vec<PortId> = (0..count).map(|n| PortId(self.exchange.next_port + 2 * n)).collect();
        self.exchange.next_port += 2 * count;
        self.exchange.ports.extend(ports.iter().map(|p| (p.0, shard)));
        self.media_step(shard, MediaInput::Ports(ports))
    }

    /// A pair of ports goes to another shard. What arrives until something is told to that one waits in the sockets.
    fn give_port(&mut self, port: u16, to: ShardId) {
        self.exchange.ports.insert(port, to);
        self.exchange.waiting.entry(port).or_default();
    }

    /// A shard takes over the sockets it was given, and reads what waited in them.
    fn take_ports(&mut self, shard: ShardId) -> Verdict {
        let Exchange { ports, waiting, .. } = &mut self.exchange;
        let taken: Vec<u16> =
            waiting.keys().copied().filter(|port| ports.get(port) == Some(&shard)).collect();
        for port in taken {
            for (port, remote, mut bytes) in self.exchange.waiting.remove(&port).unwrap_or_default() {
                self.media_step(shard, MediaInput::Packet { port, remote, bytes: &mut bytes })?;
            }
        }
        Ok(())
    }

    /// A media packet arrives.
    pub(crate) fn media_in(&mut self, remote: SocketAddr, port: u16, bytes: &[u8]) -> Verdict {
        let Some(shard) = self.exchange.ports.get(&(port & !1)).copied() else { return Ok(()) };
        if let Some(waiting) = self.exchange.waiting.get_mut(&(port & !1)) {
            waiting.push((port, remote, bytes.to_vec()));
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.exchange.scratch);
        scratch.clear();
        scratch.extend_from_slice(bytes);
        let verdict = self.media_step(shard, MediaInput::Packet { port, remote, bytes: &mut scratch });
        self.exchange.scratch = scratch;
        verdict
    }

    fn media_step(&mut self, shard: ShardId, input: MediaInput<'_>) -> Verdict {
        if self.host.away {
            return Ok(());
        }
        let (now, n) = (self.now, usize::from(shard.0));
        let inside = self.exchange.inside(now);
        let rare = !matches!(input, MediaInput::Packet { .. } | MediaInput::Tick);
        let mut out = std::mem::take(&mut self.exchange.media);
        let machine = &mut self.exchange.shards[n];
        if let Some(watch) = &mut self.watch {
            watch.before_media(shard, machine, inside, &input);
        }
        guarded(now, "media handle", || machine.handle(inside, input, &mut out))?;
        if let Some(watch) = &mut self.watch {
            watch.after_media(shard, machine, &out);
        }
        if rare {
            guarded(now, "media check", || machine.check())?;
        }
        for packet in out.packets.iter() {
            self.media_out(packet.port, packet.remote, packet.bytes)?;
        }
        for io in out.io.drain(..) {
            match io {
                MediaIo::Bind { count } => self.schedule(now + HOST_WORK, Event::Ports(shard, count)),
                MediaIo::Give { port, to } => self.give_port(port.0, to),
                MediaIo::Record { .. } | MediaIo::Finish { .. } => {}
            }
        }
        for report in out.reports.drain(..) {
            self.note(&report);
            let at = self.handover(shard, false);
            self.schedule(at, Event::Report(shard, Box::new(report)));
        }
        out.clear();
        self.exchange.media = out;
        self.look_ahead_media(n);
        Ok(())
    }

    fn look_ahead_media(&mut self, n: usize) {
        let Some(at) = self.exchange.shards[n].deadline() else { return };
        let at = self.exchange.outside(at);
        let at = at.max(self.now) + self.lateness(at);
        if self.exchange.tick_at[n].is_none_or(|known| at < known) {
            self.exchange.tick_at[n] = Some(at);
            self.schedule(at, Event::Tick(ShardId(u8::try_from(n).unwrap_or(0))));
        }
    }
}

impl Exchange {
    /// An input with the exchange's own names in it.
    fn renamed(&self, input: Input) -> Input {
        match input {
            Input::Stream { stream, event } if stream.0.is_multiple_of(2) => {
                Input::Stream { stream: StreamId(stream.0.saturating_sub(self.stream_base)), event }
            }
            other => other,
        }
    }
}

/// A panic of the engine is a broken rule like any other.
fn guarded(now: Instant, what: &str, action: impl FnOnce()) -> Verdict {
    catch_unwind(AssertUnwindSafe(action))
        .map_err(|p| broken("no_panic", now, format!("{what} panicked: {}", panic_text(p.as_ref()))))
}
