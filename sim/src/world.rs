//! The world: one exchange, some phones, a network between them, and a clock that jumps from one event to the
//! next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use telex_engine::border::{Boot, ControlId, ControlReply, Input, Stats, StreamId};
use telex_engine::config::Config;
use telex_engine::mediactl::{MediaCommand, MediaReport, ShardId};
use telex_engine::time::{Duration, Instant};

use crate::attacker::Loot;
use crate::digest::Digest;
use crate::exchange::Exchange;
use crate::expect;
use crate::host::Host;
use crate::ladder::Row;
use crate::nat::sites::Sites;
use crate::net::Network;
use crate::operators::Stopping;
use crate::oracle::border::Border;
use crate::oracle::bounds::Bounds;
use crate::oracle::host::Wakes;
use crate::oracle::records::Records;
use crate::oracle::ties::Ties;
use crate::oracle::{Verdict, dialogs, digits, handed, leftovers, media, rtp, tones};
use crate::phone::{Book, Effect, Leg, Phone, SIP_PORT, Scene, Stimulus};
use crate::plan::{CallPlan, Plan, Restart};
use crate::streams::Streams;
use crate::waits::{Trigger, Waits};
use crate::watch::Watch;

/// Where the exchange is.
pub(crate) const EXCHANGE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
/// Its SIP port, for both transports.
pub(crate) const EXCHANGE_SIP: SocketAddr = SocketAddr::new(EXCHANGE, SIP_PORT);
/// Phones leave this long after everybody hung up.
const LEAVE_AFTER: Duration = Duration::from_secs(60);

/// An operator looks at the registrations so often.
const LOOK_EVERY: Duration = Duration::from_secs(7);

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// To a phone.
    Phone(usize, Stimulus),
    /// A datagram reaches the exchange's SIP port.
    Datagram { remote: SocketAddr, bytes: Bytes },
    /// A media packet reaches the exchange.
    MediaIn { remote: SocketAddr, port: u16, bytes: Bytes },
    /// A media packet reaches a phone.
    MediaOut { phone: usize, port: u16, from: u16, bytes: Bytes },
    /// Octets of a stream arrive at one end.
    Octets { stream: StreamId, inward: bool, bytes: Bytes },
    /// A stream is up at one end.
    StreamUp { stream: StreamId, inward: bool },
    /// A stream is gone at one end.
    StreamDown { stream: StreamId, inward: bool },
    /// A phone's streams break, or will break in the middle of the next message.
    Cut(usize, bool),
    /// A phone's streams die without a word.
    Vanish(usize, Duration),
    /// A box reboots.
    Reboot(usize),
    /// An attacker of the plan tries again.
    Attack(usize, u32),
    /// The engine's deadline may have come.
    Wake,
    /// A shard's deadline may have come.
    Tick(ShardId),
    /// A command reaches its shard.
    Command(ShardId, MediaCommand),
    /// Ports are bound.
    Ports(ShardId, u16),
    /// A report reaches signalling.
    Report(ShardId, Box<MediaReport>),
    /// Anything else that the host tells the engine.
    Tell(Box<Input>),
    /// The store says what became of a record.
    Stored(Box<Input>),
    /// The wall clock is set by so many seconds.
    SetWall(i64),
    /// The exchange stops dead.
    StopDead(Restart),
    /// It starts again.
    Back,
    /// An operator does something of the plan.
    Operate(usize),
    /// An operator looks who is registered.
    Look,
    /// The driver of an exchange that has stopped goes, in this life of it.
    Gone(u64),
    /// An exchange that was asked to stop has stopped, in this life of it.
    MustBeStopped(u64),
    /// Everybody hangs up.
    Empty,
    /// Everybody leaves.
    Leave,
    /// Nothing may be left.
    End,
}

/// Events are moved about in a heap, a million of them in a run.
const _: () = assert!(size_of::<Event>() <= 96);

impl Event {
    /// Whether it is nobody's business once the exchange has stopped dead.
    pub(crate) fn is_of_the_exchange(&self) -> bool {
        matches!(
            self,
            Self::Wake
                | Self::Tick(_)
                | Self::Command(..)
                | Self::Ports(..)
                | Self::Report(..)
                | Self::Tell(_)
                | Self::Stored(_)
        )
    }
}

struct Scheduled {
    at: Instant,
    order: u64,
    /// What set off whoever scheduled it.
    trigger: Trigger,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything there is.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) now: Instant,
    events: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(crate) phones: Vec<Phone>,
    pub(crate) sites: Sites,
    pub(crate) network: Network,
    pub(crate) streams: Streams,
    pub(crate) exchange: Exchange,
    pub(crate) host: Host,
    /// What the exchange is configured with now, and the passwords behind it.
    pub(crate) config: Arc<Config>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// Questions that operators asked, and answers that nobody has looked at.
    pub(crate) asked: u64,
    pub(crate) replies: Vec<(ControlId, ControlReply)>,
    pub(crate) stopping: Option<Stopping>,
    pub(crate) book: Book,
    /// Which of the book are of those to whom a call was handed over, or sent on.
    pub(crate) brought: BTreeSet<String>,
    /// Who asked for another phone: when, in which call, and for which extension.
    pub(crate) sendings: Vec<(Instant, usize, String)>,
    /// Whether calls may come together.
    joins: bool,
    /// The Call-ID of the answer to each call that reached the exchange first: that phone was connected.
    pub(crate) answers: BTreeMap<usize, String>,
    pub(crate) sent_before: BTreeSet<u64>,
    pub(crate) rows: Vec<Row>,
    pub(crate) border: Border,
    pub(crate) records: Records,
    pub(crate) loot: Loot,
    pub(crate) rtp: rtp::Streams,
    pub(crate) bounds: Bounds,
    pub(crate) wakes: Wakes,
    pub(crate) digest: Digest,
    /// SIP messages that left the exchange.
    pub(crate) messages: u64,
    /// Media packets that reached somebody.
    pub(crate) media: u64,
    pub(crate) pieces: Vec<(usize, Instant)>,
    effects: Vec<Effect>,
    /// Is told every input and action of signalling as a line of text.
    pub(crate) trace: Option<Trace<'a>>,
    /// What set off what happens now.
    pub(crate) trigger: Trigger,
    /// Who waits for what, if anybody wants to know.
    pub(crate) waits: Option<Waits>,
    /// Looks at the machines of the exchange.
    pub(crate) watch: Option<&'a mut dyn Watch>,
}

/// Somebody who wants to read along.
pub(crate) type Trace<'a> = &'a mut dyn FnMut(&str);

impl<'a> World<'a> {
    /// A world in which nothing has happened yet.
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let sites = Sites::new(plan);
        let phone = |i| Phone::new(i, plan, sites.address(i), EXCHANGE_SIP);
        let phones = (0..plan.phones.len()).map(phone).collect();
        let config = Arc::new(crate::exchange::config(plan));
        let boot = Boot { wall: crate::host::wall_at_first(), ..Boot::default() };
        let mut world = Self {
            plan,
            now: Instant::ZERO,
            events: BinaryHeap::new(),
            order: 0,
            phones,
            sites,
            network: Network::new(plan),
            streams: Streams::default(),
            exchange: Exchange::new(plan, plan.seed, config.clone(), boot),
            host: Host::default(),
            config,
            secrets: plan.phones.iter().map(|p| (p.extension.clone(), p.secret())).collect(),
            asked: 0,
            replies: Vec::new(),
            stopping: None,
            book: Book::new(),
            brought: BTreeSet::new(),
            sendings: Vec::new(),
            joins: plan.joins(),
            answers: BTreeMap::new(),
            sent_before: BTreeSet::new(),
            rows: Vec::new(),
            border: Border::new(plan),
            records: Records::default(),
            loot: Loot::default(),
            rtp: rtp::Streams::default(),
            bounds: Bounds::default(),
            wakes: Wakes::default(),
            digest: Digest::default(),
            messages: 0,
            media: 0,
            pieces: Vec::new(),
            effects: Vec::new(),
            trace: None,
            trigger: Trigger::default(),
            waits: None,
            watch: None,
        };
        world.schedule_plan();
        world
    }

    fn schedule_plan(&mut self) {
        let plan = self.plan;
        for (i, phone) in plan.phones.iter().enumerate() {
            self.schedule(phone.registers, Event::Phone(i, Stimulus::Start));
        }
        for (i, call) in plan.calls.iter().enumerate() {
            self.schedule(call.at, Event::Phone(call.caller, Stimulus::Dial(i)));
        }
        for cut in &plan.faults.cuts {
            self.schedule(cut.at, Event::Cut(cut.phone, cut.inside));
        }
        for vanishing in &plan.faults.vanishings {
            self.schedule(vanishing.at, Event::Vanish(vanishing.phone, vanishing.noticed));
        }
        for (n, nat) in plan.nats.iter().enumerate() {
            nat.reboots.iter().for_each(|at| self.schedule(*at, Event::Reboot(n)));
        }
        for (n, attack) in plan.attacks.iter().enumerate() {
            let each = |k| (attack.at + attack.every * k, Event::Attack(n, k));
            (0..attack.times).map(each).for_each(|(at, event)| self.schedule(at, event));
        }
        let mut at = Instant::ZERO;
        while at + LOOK_EVERY < plan.end {
            at += LOOK_EVERY;
            self.schedule(at, Event::Look);
        }
        for restart in &plan.host.restarts {
            self.schedule(restart.at, Event::StopDead(*restart));
        }
        for step in &plan.host.wall_steps {
            self.schedule(step.at, Event::SetWall(step.seconds));
        }
        for (n, act) in plan.operators.iter().enumerate() {
            self.schedule(act.at, Event::Operate(n));
        }
        self.schedule(plan.empty, Event::Empty);
        self.schedule(plan.empty + LEAVE_AFTER, Event::Leave);
        self.schedule(plan.end, Event::End);
    }

    pub(crate) fn schedule(&mut self, at: Instant, event: Event) {
        self.order += 1;
        let (at, order, trigger) = (at.max(self.now), self.order, self.trigger);
        self.events.push(Reverse(Scheduled { at, order, trigger, event }));
    }

    /// Takes back what was to happen.
    pub(crate) fn forget_events(&mut self, which: impl Fn(&Event) -> bool) {
        self.events.retain(|Reverse(scheduled)| !which(&scheduled.event));
    }

    /// Runs the plan to its end, or to the first broken rule.
    pub(crate) fn run(&mut self) -> Verdict {
        self.start_exchange()?;
        while let Some(Reverse(next)) = self.events.pop() {
            self.now = next.at;
            self.border.at(next.at)?;
            if matches!(next.event, Event::End) {
                return self.end();
            }
            self.trigger = self.trigger_of(&next.event, next.trigger);
            self.happen(next.event)?;
            self.look_at_waits();
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Phone(phone, Stimulus::Dial(call)) => self.stimulate(phone, self.dialled(call)),
            Event::Phone(phone, stimulus) => self.stimulate(phone, stimulus),
            Event::Datagram { remote, bytes } => self.datagram_in(remote, bytes),
            Event::MediaIn { remote, port, bytes } => self.media_in(remote, port, &bytes),
            Event::MediaOut { phone, port, from, bytes } => self.media_heard(phone, port, from, &bytes),
            Event::Octets { stream, inward, bytes } => self.octets(stream, inward, bytes),
            Event::StreamUp { stream, inward } => self.stream_up(stream, inward),
            Event::StreamDown { stream, inward } => self.stream_down(stream, inward),
            Event::Cut(phone, inside) => self.quietly(|world| world.cut(phone, inside)),
            Event::Vanish(phone, noticed) => self.quietly(|world| world.vanish(phone, noticed)),
            Event::Reboot(nat) => self.quietly(|world| world.reboot(nat)),
            Event::Attack(n, k) => self.attack(n, k),
            Event::Wake => self.wake(),
            Event::Tick(shard) => self.tick(shard),
            Event::Command(shard, command) => self.command(shard, command),
            Event::Ports(shard, count) => self.bind(shard, count),
            Event::Report(shard, report) => self.tell(Input::Media { shard, report: *report }, None),
            Event::Tell(input) => self.tell(*input, None),
            Event::Stored(answer) => self.stored(*answer),
            Event::SetWall(seconds) => self.set_wall(seconds),
            Event::StopDead(restart) => self.stop_dead(restart),
            Event::Back => self.back(),
            Event::Operate(n) => self.operate(&self.plan.operators[n].act),
            Event::Look => {
                if self.host.away {
                    Ok(())
                } else {
                    self.look()
                }
            }
            Event::Gone(life) => self.gone(life),
            Event::MustBeStopped(life) => self.must_be_stopped(life),
            Event::Empty => self.empty(),
            Event::Leave => self.everybody(&Stimulus::Leave),
            Event::End => Ok(()),
        }
    }

    /// Somebody makes a call of the plan: to replace a dialog, if that is planned and there is one.
    fn dialled(&self, call: usize) -> Stimulus {
        let CallPlan { takes, dial, .. } = &self.plan.calls[call];
        let at = self.phones.iter().filter(|phone| phone.plan.extension == *dial);
        let mut legs = at.flat_map(|phone| &phone.legs).filter(|leg| *takes == Some(leg.call));
        let dialog = legs.find_map(Leg::dialog);
        dialog.map_or(Stimulus::Dial(call), |dialog| Stimulus::Take(call, dialog))
    }

    /// Does what no oracle has to say anything about.
    fn quietly(&mut self, act: impl FnOnce(&mut Self)) -> Verdict {
        act(self);
        Ok(())
    }

    /// Faults have stopped long ago: everything must be at rest. Then everybody hangs up.
    fn empty(&mut self) -> Verdict {
        if expect::anything_goes(self.plan) {
            return self.everybody(&Stimulus::HangUp);
        }
        let left_alone = |phone: &Phone, leg: &Leg| self.left_alone(phone, leg);
        dialogs::settled(self.now, &self.phones, &left_alone)?;
        dialogs::ends_agree(self.now, self.ties(), &left_alone)?;
        handed::talks_are_mutual(self.now, self.ties(), &left_alone)?;
        media::flows_at_rest(self.now, &self.talks(), &left_alone)?;
        self.everybody(&Stimulus::HangUp)
    }

    pub(crate) fn ties(&self) -> Ties<'_> {
        Ties { plan: self.plan, phones: &self.phones, any: self.joins }
    }

    fn talks(&self) -> media::Talks<'_> {
        media::Talks { plan: self.plan, phones: &self.phones, answers: &self.answers, joins: self.joins }
    }

    /// Whether the exchange has ended a phone's call and the phone cannot know: it will find out by itself, at a time
    /// of its own.
    fn left_alone(&self, phone: &Phone, leg: &Leg) -> bool {
        let bye = |row: &&Row| {
            !row.inward
                && row.call == Some(leg.call)
                && row.phone == phone.index
                && row.text.starts_with("BYE")
        };
        // A box may have given its port to a neighbour, which knows nothing of the call.
        let denied = |row: &&Row| row.inward && row.call == Some(leg.call) && row.text.starts_with("481");
        let ended = || self.rows.iter().rfind(|row| bye(row) || denied(row)).is_some();
        let forgotten = || expect::forgets(self.plan, leg.began);
        expect::may_lose_touch(self.plan, phone.index) && (forgotten() || ended())
    }

    fn end(&mut self) -> Verdict {
        if expect::anything_goes(self.plan) {
            let stats = Stats { bindings: 0, timers: 0, ..self.exchange.stats() };
            return leftovers::nothing_left(self.now, &stats, 0);
        }
        leftovers::phones_are_quiet(self.now, &self.phones)?;
        let stay = (0..self.phones.len()).map(|phone| expect::bindings_that_stay(self.plan, phone)).sum();
        // Only the session timer ends a call that is held and that both sides have forgotten.
        let long = self.plan.end.since(self.plan.calm) < self.plan.exchange.session;
        if !(long && dialogs::held_and_forgotten(self.plan, &self.phones)) {
            leftovers::nothing_left(self.now, &self.exchange.stats(), stay)?;
            self.exchange.shards_are_empty(self.now)?;
        }
        self.border.end(self.now)?;
        dialogs::nobody_rings_in_vain(self.now, self.plan, &self.phones)?;
        digits::digits_arrive_once(self.now, self.ties())?;
        self.records.agree(self.now, self.ties())?;
        media::everybody_was_heard(self.now, &self.talks(), &self.network)?;
        handed::transfers_come_true(self.now, self.ties(), &self.network)?;
        tones::heard_as_spoken(self.now, &self.talks(), &self.network)
    }

    fn everybody(&mut self, stimulus: &Stimulus) -> Verdict {
        (0..self.phones.len()).try_for_each(|phone| self.stimulate(phone, stimulus.clone()))
    }

    pub(crate) fn stimulate(&mut self, phone: usize, stimulus: Stimulus) -> Verdict {
        let scene = Scene { now: self.now, plan: self.plan, book: &self.book, brought: &self.brought };
        self.phones[phone].on(&scene, stimulus);
        let mut effects = std::mem::take(&mut self.effects);
        effects.append(&mut self.phones[phone].out);
        for effect in effects.drain(..) {
            self.perform(phone, effect);
        }
        self.effects = effects;
        Ok(())
    }

    fn perform(&mut self, phone: usize, effect: Effect) {
        match effect {
            Effect::Datagram(bytes) => self.datagram_out(phone, &bytes),
            Effect::Media(port, to, bytes) => self.voice_out(phone, port, to, &bytes),
            Effect::Write(stream, bytes) => self.write(StreamId(stream), true, &bytes),
            Effect::Connect => {
                let stream = self.streams.open(phone);
                let at = self.network.handshake(self.now, phone);
                self.schedule(at, Event::StreamUp { stream, inward: true });
            }
            Effect::Disconnect(stream) => self.close(StreamId(stream), true),
            Effect::Arm(at, timer) => self.schedule(at, Event::Phone(phone, Stimulus::Timer(timer))),
        }
    }

    /// Tells whoever reads along.
    pub(crate) fn tell_trace(&mut self, direction: &str, what: &dyn std::fmt::Debug) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace(&format!("{now} {direction} {what:?}"));
        }
    }

    /// Adds an action to the running hash.
    pub(crate) fn note(&mut self, action: &dyn std::fmt::Debug) {
        let _ = write!(self.digest, "{action:?}");
    }
}
