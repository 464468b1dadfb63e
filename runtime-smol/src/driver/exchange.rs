//! The loop around the engine.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, pending};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::Context;
use std::time::Duration;

use async_signal::Signal;
use bytes::Bytes;
use sd_notify::NotifyState;
use smol::LocalExecutor;
use smol::channel::Sender;
use telex_engine::Signalling;
use telex_engine::border::{
    Action, Actions, ControlId, ControlReply, Flow, Input, Listener, ListenerId, StreamEvent, Transport,
};
use telex_engine::event::{Event, Severity};
use telex_engine::rng::Seed;
use telex_engine::time::{Instant, WallTime};
use telex_replay::MediaKept;

use super::listeners::{Listeners, describe};
use super::resolver::Resolver;
use super::streams::Streams;
use super::waiting::Waiting;
use super::{Arrival, Asker, Ending, Options};
use crate::clock;
use crate::config::{self, Loaded, Settings};
use crate::control::{Question, Reloaded};
use crate::desk::Desk;
use crate::log::{Entry, Heading};
use crate::media::{Plan, Shard};
use crate::poll::{Bell, Poller, Ready};
use crate::record::{Cutting, Tape};
use crate::recordings::{Name, Recordings};
use crate::sounds::Broadcasts;

/// Arrivals of one kind taken in at a time.
const TURN: usize = 64;
/// Arrivals handled before the sockets are looked at again: a millisecond or two of work.
const SPELL: usize = 32;
/// Steps in which the engine is told how long arrivals wait.
const LOAD_STEP: Duration = Duration::from_millis(5);
/// How often it is told while they wait, even when that does not change.
const LOAD_AGAIN: Duration = Duration::from_millis(300);
/// Pause before datagrams that the kernel had no room for are offered again.
const RETRY: Duration = Duration::from_millis(2);
/// Deadlines are met up to so much late, and many at a time. All of them are hundreds of milliseconds or more away.
const GRID: Duration = Duration::from_millis(4);
/// How often the engine is told the wall clock at least.
const WALL: Duration = Duration::from_secs(60);
/// A step of the wall clock that the engine is told at once.
const STEP: Duration = Duration::from_secs(1);
/// How long the engine may take to end once its patience with calls has ended.
const OVERTIME: Duration = Duration::from_secs(5);
/// How long the last octets may take to leave.
const FLUSH: Duration = Duration::from_millis(500);

/// Why a configuration is not put in force that took longer to read.
const OVERTAKEN: &str = "a configuration that was read later is in force already";

/// What the loop works with.
pub(super) struct Parts {
    pub(super) machine: Signalling,
    pub(super) settings: Settings,
    pub(super) options: Options,
    pub(super) desk: Desk,
    pub(super) recordings: Recordings,
    pub(super) executor: Rc<LocalExecutor<'static>>,
    pub(super) inbox: Sender<Arrival>,
    pub(super) arrivals: smol::channel::Receiver<Arrival>,
    /// What media and the store report; without bound, for they never wait.
    pub(super) reported: Receiver<Input>,
    pub(super) poller: Poller,
    pub(super) bell: Bell,
    pub(super) listeners: Listeners,
    pub(super) streams: Streams,
    pub(super) resolver: Resolver,
    pub(super) shards: Vec<Shard>,
    pub(super) broadcasts: Broadcasts,
    pub(super) tape: Tape,
}

/// The engine and everything around it.
pub(super) struct Exchange {
    parts: Parts,
    actions: Actions,
    /// What performing an action brought about at once.
    consequences: VecDeque<Input>,
    /// Datagrams that leave at the end of a turn.
    leaving: Vec<(Flow, Bytes)>,
    /// What has arrived and was not handled yet.
    waiting: Waiting,
    /// How long arrivals waited when the engine was told last, and when that was.
    load: (Duration, Instant),
    questions: BTreeMap<ControlId, Sender<(ControlReply, u64)>>,
    next_question: u64,
    /// How often the configuration was read again, and which of these readings is in force.
    reads: (u64, u64),
    /// When the wall clock was told, and what it said.
    wall: (Instant, WallTime),
    /// When the loop ends even if the engine has not.
    give_up: Option<Instant>,
    ending: Option<Ending>,
    /// Whether the kernel has no room for datagrams.
    blocked: bool,
}

impl Exchange {
    pub(super) fn new(parts: Parts) -> Self {
        let now = parts.options.clock.now();
        Self {
            parts,
            actions: Vec::new(),
            consequences: VecDeque::new(),
            leaving: Vec::new(),
            waiting: Waiting::default(),
            load: (Duration::ZERO, Instant::ZERO),
            questions: BTreeMap::new(),
            next_question: 1,
            reads: (0, 0),
            // The engine was told the time at zero; it is told again at once, so that both agree.
            wall: (Instant::ZERO, WallTime::default()),
            give_up: None,
            ending: None,
            blocked: false,
        }
        .started(now)
    }

    fn started(mut self, now: Instant) -> Self {
        self.tell_wall(now);
        self
    }

    /// Runs until the engine says that everything has ended, or patience with it has.
    pub(super) fn run(mut self) -> Ending {
        let executor = Rc::clone(&self.parts.executor);
        let waker = self.parts.bell.task_waker();
        let mut cx = Context::from_waker(&waker);
        let mut tasks = pin!(executor.run(pending::<()>()));
        let mut ready = Ready::default();
        let mut leave_by = None;
        loop {
            self.parts.bell.hush();
            // Tasks that were woken run; they wake this thread when there is more for them.
            let _ = tasks.as_mut().poll(&mut cx);
            let now = self.parts.options.clock.now();
            let timeout = match self.ending {
                None => self.work(&ready),
                // What was written last gets a moment to leave.
                Some(ending)
                    if self.parts.streams.is_flushed() || *leave_by.get_or_insert(now + FLUSH) <= now =>
                {
                    return ending;
                }
                Some(_) => RETRY,
            };
            // Waiting fails only for reasons that are mistakes of this program.
            self.parts
                .poller
                .wait(&mut ready, Some(timeout))
                .expect("the poller and all its sockets are open");
        }
    }

    /// Handles what has arrived; gives how long there will be nothing to do unless something arrives.
    fn work(&mut self, ready: &Ready) -> Duration {
        let now = self.parts.options.clock.now();
        let mut more = false;
        if !self.waiting.is_full() {
            for &name in &ready.names {
                self.receive(now, ListenerId(name));
            }
            more = self.collect(now);
        }
        self.turn(now);
        match more || !self.waiting.is_empty() || self.ending.is_some() {
            true => Duration::ZERO,
            false => self.next_wake().since(self.parts.options.clock.now()),
        }
    }

    /// Takes in what has arrived at a UDP socket.
    fn receive(&mut self, now: Instant, id: ListenerId) {
        let (waiting, listeners) = (&mut self.waiting, &mut self.parts.listeners);
        while waiting.take_in(now, |all| listeners.receive(id, all)) && !waiting.is_full() {}
    }

    /// Takes in a limited amount of what others have left for this thread. True when there may be more.
    fn collect(&mut self, now: Instant) -> bool {
        let parts = &self.parts;
        self.waiting.take_in(now, |all| {
            let before = all.len();
            all.extend(parts.reported.try_iter().take(TURN).map(Arrival::Input));
            let reported = all.len() - before;
            all.extend(std::iter::from_fn(|| parts.arrivals.try_recv().ok()).take(TURN));
            reported == TURN || all.len() - before - reported == TURN
        })
    }

    /// Handles what is due and a limited amount of what waits.
    fn turn(&mut self, now: Instant) {
        self.tell_wall(now);
        if self.give_up.is_some_and(|at| at <= now) {
            self.parts.desk.note(Severity::Error, "the calls did not end in time; stopping without them");
            self.ending = Some(Ending::Abrupt);
        }
        self.tell_load(now);
        if self.parts.machine.deadline().is_some_and(|d| d.at <= now) {
            self.handle(Input::Wake);
        }
        let mut spell = SPELL;
        loop {
            if let Some(input) = self.consequences.pop_front() {
                self.handle(input);
            } else if spell > 0
                && let Some(arrival) = self.waiting.pop()
            {
                spell -= 1;
                self.take(arrival);
            } else if !self.send_datagrams() {
                break;
            }
        }
        self.blocked = self.parts.listeners.retry();
    }

    /// Tells the engine how long the next arrival has waited, when that has changed.
    fn tell_load(&mut self, now: Instant) {
        let waited = self.waiting.waited(now);
        let steps = u32::try_from(waited.as_millis() / LOAD_STEP.as_millis()).unwrap_or(u32::MAX);
        let waiting = LOAD_STEP.saturating_mul(steps);
        let (told, at) = self.load;
        if waiting != told || (!waiting.is_zero() && now.since(at) >= LOAD_AGAIN) {
            self.load = (waiting, now);
            self.handle(Input::Load { waiting });
        }
    }

    /// When there is something to do even if nothing arrives.
    fn next_wake(&self) -> Instant {
        let wakes = [
            self.parts.machine.deadline().map(|d| d.at),
            self.give_up,
            self.blocked.then(|| self.parts.options.clock.now() + RETRY),
        ];
        let earliest = wakes.into_iter().flatten().fold(self.wall.0 + WALL, Instant::min);
        let grid = u64::try_from(GRID.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(earliest.as_nanos().div_ceil(grid).saturating_mul(grid))
    }

    fn tell_wall(&mut self, now: Instant) {
        let (then, told) = self.wall;
        let read = clock::wall();
        let expected = told + now.since(then);
        if read.since(expected).max(expected.since(read)) >= STEP || now.since(then) >= WALL {
            self.wall = (now, read);
            self.handle(Input::Wall(read));
        }
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Input(input) => {
                if self.parts.streams.admit(&input) {
                    self.trace_received(&input);
                    self.handle(input);
                }
            }
            Arrival::Accepted(listener, socket) => {
                if let Some(input) = self.parts.streams.accepted(listener, socket) {
                    self.handle(input);
                }
            }
            Arrival::Connected(stream, socket) => {
                if let Some(input) = self.parts.streams.connected(stream, socket) {
                    self.handle(input);
                }
            }
            Arrival::AcceptFailed(error) => {
                self.parts.desk.note(Severity::Warning, format!("cannot take a TCP connection: {error}"));
            }
            Arrival::Asked(Question::Cut { answer }) => {
                // Who asked may have gone.
                if answer.is_closed() {
                    return;
                }
                let cutting = self.parts.tape.cut(self.parts.options.clock.now());
                // Nothing is handed out when there is no other randomness to go on with.
                let cutting = cutting.and_then(|cutting| Ok((cutting, super::random()?, super::random()?)));
                let cutting = cutting.map(|(cutting, seed, media_seed)| {
                    self.reseed(Seed::from_bytes(seed));
                    Cutting { media: self.cut_media(Seed::from_bytes(media_seed)), ..cutting }
                });
                let _ = answer.try_send(cutting);
            }
            Arrival::Asked(Question::Engine { request, answer }) => {
                let id = ControlId(self.next_question);
                self.next_question += 1;
                self.questions.insert(id, answer);
                self.handle(Input::Control { id, request });
            }
            Arrival::Asked(Question::Reload { answer }) => self.reread(Some(answer)),
            Arrival::Signal(Signal::Hup) => self.reread(None),
            Arrival::Signal(_) => self.stop(),
            Arrival::Reread(number, result, asker) => {
                let late = number < self.reads.1;
                let read = result.map_err(|refused| refused.lines());
                let reloaded = self.reload(if late { Err(vec![OVERTAKEN.to_owned()]) } else { read });
                self.reads.1 = if reloaded.is_ok() { number } else { self.reads.1 };
                // Who asked may have gone.
                let _ = asker.map(|asker| asker.try_send(reloaded));
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.parts.options.clock.now();
        if let Some(refusal) = self.parts.tape.before(&self.parts.machine, now, &input) {
            self.parts.desk.note(Severity::Warning, format!("nothing is recorded: {refusal}"));
        }
        self.parts.machine.handle(now, input, &mut self.actions);
        self.parts.tape.after(&self.parts.machine, &self.actions);
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            self.perform(action);
        }
        self.actions = actions;
    }

    /// What was handed out says what randomness came from; from now on it comes from elsewhere.
    fn reseed(&mut self, seed: Seed) {
        self.handle(Input::Seed(seed));
        let note = "a recording was cut for an operator; nonces and tags come from new randomness now";
        self.parts.desk.note(Severity::Info, note);
    }

    /// Asks all media threads for what they kept.
    fn cut_media(&self, seed: Seed) -> Vec<Receiver<MediaKept>> {
        if self.parts.settings.record.media.is_none() {
            return Vec::new();
        }
        self.parts.shards.iter().map(|shard| shard.cut(seed)).collect()
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Action::Connect { stream, remote, .. } => self.parts.streams.connect(stream, remote),
            Action::Disconnect { stream } => self.parts.streams.disconnect(stream),
            Action::Resolve { query, host } => self.parts.resolver.ask(query, host.into()),
            Action::Media { shard, command } => {
                if let Some(shard) = self.parts.shards.get_mut(usize::from(shard.0)) {
                    shard.command(command);
                }
            }
            Action::Store { lsn, record } => self.parts.desk.store(lsn, record),
            Action::Reply { id, reply } => {
                let uptime = self.parts.options.clock.now().since(Instant::ZERO).as_secs();
                if let Some(answer) = self.questions.remove(&id) {
                    // Who asked may have gone.
                    let _ = answer.try_send((reply, uptime));
                }
            }
            Action::Report(event) => self.report(event),
            Action::Stopped => self.ending = Some(Ending::Orderly),
        }
    }

    fn report(&self, event: Event) {
        if let Event::RecordingStarted { recording, record, from, to, name, .. } = &event {
            let [record, from, to, name] = [record, from, to, name].map(ToString::to_string);
            self.parts.recordings.begin(*recording, Name { record, from, to, name });
        }
        self.parts.desk.log(Entry::Event(event));
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        let (transport, remote) = match flow {
            Flow::Datagram { remote, .. } => (Transport::Udp, Some(remote)),
            Flow::Stream { stream } => (Transport::Tcp, self.parts.streams.remote(stream)),
        };
        if self.parts.options.trace_sip {
            self.parts.desk.log(Entry::Trace(Heading { received: false, transport, remote }, bytes.clone()));
        }
        match flow {
            Flow::Datagram { .. } => self.leaving.push((flow, bytes)),
            Flow::Stream { stream } => self.consequences.extend(self.parts.streams.send(stream, bytes)),
        }
    }

    /// Sends the datagrams of this turn. One after the other they cost the kernel less than with work in between, since
    /// whoever receives them is awake after the first. Media is told first what it will be sent by those who read them.
    /// True when that brought something about.
    fn send_datagrams(&mut self) -> bool {
        self.parts.shards.iter_mut().for_each(Shard::wake);
        for (flow, bytes) in self.leaving.drain(..) {
            if let Flow::Datagram { listener, .. } = flow
                && !self.parts.listeners.send(listener, flow, bytes)
            {
                self.consequences.push_back(Input::SendFailed { flow });
            }
        }
        !self.consequences.is_empty()
    }

    fn trace_received(&self, input: &Input) {
        if !self.parts.options.trace_sip {
            return;
        }
        let (transport, remote, bytes) = match input {
            Input::Datagram { remote, bytes, .. } => (Transport::Udp, Some(*remote), bytes),
            Input::Stream { stream, event: StreamEvent::Bytes(bytes) } => {
                (Transport::Tcp, self.parts.streams.remote(*stream), bytes)
            }
            _ => return,
        };
        self.parts.desk.log(Entry::Trace(Heading { received: true, transport, remote }, bytes.clone()));
    }

    /// Reads the configuration on a thread that may wait for the disk.
    fn reread(&mut self, asker: Option<Asker>) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now());
        let _ = sd_notify::notify(&states);
        self.reads.0 += 1;
        let number = self.reads.0;
        let (path, inbox) = (self.parts.settings.path.clone(), self.parts.inbox.clone());
        let read = async move {
            let result = smol::unblock(move || config::load_whole(&path)).await;
            let _ = inbox.send(Arrival::Reread(number, Box::new(result), asker)).await;
        };
        self.parts.executor.spawn(read).detach();
    }

    /// Puts a configuration in force whole, or not at all; then with all that is wrong, a line each.
    fn reload(&mut self, result: Result<Settings, Vec<String>>) -> Result<Reloaded, Vec<String>> {
        let Parts { listeners, poller, .. } = &mut self.parts;
        let reloaded = result
            .and_then(|new| listeners.become_(&new.listen, poller).map(|()| new).map_err(|error| vec![error]))
            .map(|settings| self.put_in_force(settings));
        let desk = &self.parts.desk;
        match &reloaded {
            Err(problems) => {
                for problem in problems {
                    let warns = problem.contains(": warning: ");
                    desk.note(if warns { Severity::Warning } else { Severity::Error }, problem.clone());
                }
                let kept = "the configuration was not changed; the one before stays in force";
                desk.note(Severity::Error, kept);
            }
            Ok(now) => {
                desk.note(Severity::Info, now.line());
                if !now.dialplan.is_empty() {
                    desk.note(Severity::Info, now.dialplan.clone());
                }
                now.warnings.iter().for_each(|warning| desk.note(Severity::Warning, warning.clone()));
            }
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        reloaded
    }

    fn put_in_force(&mut self, mut settings: Settings) -> Reloaded {
        let listeners: Vec<Listener> = self.parts.listeners.list();
        let late = leave(&mut self.parts.settings, &mut settings);
        let late = late.iter().map(|what| format!("the new {what} takes effect when telex is started again"));
        let odd = settings.dialplan.iter().flat_map(|plan| &plan.warnings);
        let reloaded = Reloaded {
            phones: settings.engine.phones.len(),
            listening: describe(&listeners),
            dialplan: settings.dialplan.as_ref().map(Loaded::line).unwrap_or_default(),
            warnings: late.chain(settings.told.iter().chain(odd).cloned()).collect(),
        };
        let config = Arc::clone(&settings.engine);
        self.parts.tape.resize(settings.record.memory);
        let share = Plan::share(settings.record.media, self.parts.shards.len());
        if settings.record.media != self.parts.settings.record.media {
            self.parts.shards.iter().for_each(|shard| shard.record(share));
        }
        if settings.engine.sounds != self.parts.settings.engine.sounds {
            self.parts.shards.iter().for_each(|shard| shard.sounds(&settings.engine.sounds));
        }
        self.parts.broadcasts.become_(&settings.own.stations);
        self.parts.settings = settings;
        self.handle(Input::Config { config, listeners });
        reloaded
    }

    /// The first order to stop lets calls end; the second does not.
    fn stop(&mut self) {
        if self.give_up.is_some() {
            self.parts.desk.note(Severity::Warning, "told twice to stop: leaving at once");
            self.ending = Some(Ending::Abrupt);
            return;
        }
        let grace = self.parts.settings.grace;
        let by = self.parts.options.clock.now() + grace;
        self.give_up = Some(by + OVERTIME);
        let seconds = grace.as_secs();
        self.parts.desk.note(
            Severity::Info,
            format!("stopping: no new calls, present ones may take {seconds} s to end"),
        );
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        self.handle(Input::Stop { by });
    }
}

/// What cannot be changed while running stays as it is in `new`, too; names what of that was wanted otherwise.
fn leave(old: &mut Settings, new: &mut Settings) -> Vec<&'static str> {
    fn same<T: PartialEq>(old: &mut T, new: &mut T) -> bool {
        let same = old == new;
        std::mem::swap(old, new);
        same
    }
    let (ours, theirs) = (&mut old.recordings, &mut new.recordings);
    let checks = [
        ("[media] ports", same(&mut old.media_ports, &mut new.media_ports)),
        ("[media] bind", same(&mut old.media_bind, &mut new.media_bind)),
        ("[store] path", same(&mut old.store, &mut new.store)),
        ("[control] path", same(&mut old.control, &mut new.control)),
        ("[recordings] folder", same(&mut ours.folder, &mut theirs.folder)),
        ("[recordings] trim", same(&mut ours.trim, &mut theirs.trim)),
        ("[recordings] keep", same(&mut ours.keep, &mut theirs.keep)),
        ("[recordings] most", same(&mut ours.most, &mut theirs.most)),
        ("[records]", same(&mut old.records, &mut new.records)),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}
