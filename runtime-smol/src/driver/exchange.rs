//! The loop around the engine.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_signal::Signal;
use bytes::Bytes;
use sd_notify::NotifyState;
use smol::channel::{Receiver, Sender};
use smol::future::{or, poll_fn, yield_now};
use smol::stream::Stream as _;
use smol::{LocalExecutor, Timer};
use telex_engine::Signalling;
use telex_engine::border::{
    Action, Actions, ControlId, ControlReply, Flow, Input, Listener, StreamEvent, Transport,
};
use telex_engine::event::Severity;
use telex_engine::time::{Instant, WallTime};

use super::listeners::{Listeners, describe};
use super::resolver::Resolver;
use super::streams::Streams;
use super::{Arrival, Ending, Options};
use crate::clock;
use crate::config::{self, Refused, Settings};
use crate::control::Question;
use crate::desk::Desk;
use crate::log::{Entry, Heading};
use crate::media::Shard;

/// Arrivals of one kind taken in at a time.
const TURN: usize = 64;
/// Turns without a pause before the tasks that serve streams get theirs.
const TURNS: u32 = 8;
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

/// What the loop works with.
pub(super) struct Parts {
    pub(super) machine: Signalling,
    pub(super) settings: Settings,
    pub(super) options: Options,
    pub(super) desk: Desk,
    pub(super) executor: Rc<LocalExecutor<'static>>,
    pub(super) inbox: Sender<Arrival>,
    pub(super) arrivals: Pin<Box<Receiver<Arrival>>>,
    /// What media and the store report; without bound, for they never wait.
    pub(super) reported: Pin<Box<Receiver<Input>>>,
    pub(super) listeners: Listeners,
    pub(super) streams: Streams,
    pub(super) resolver: Resolver,
    pub(super) shards: Vec<Shard>,
}

/// The engine and everything around it.
pub(super) struct Exchange {
    parts: Parts,
    actions: Actions,
    /// What performing an action brought about at once.
    consequences: VecDeque<Input>,
    /// What has arrived and was not handled yet.
    waiting: VecDeque<Arrival>,
    questions: BTreeMap<ControlId, Sender<(ControlReply, u64)>>,
    next_question: u64,
    /// When the wall clock was told, and what it said.
    wall: (Instant, WallTime),
    /// When the loop ends even if the engine has not.
    give_up: Option<Instant>,
    ending: Option<Ending>,
}

impl Exchange {
    pub(super) fn new(parts: Parts) -> Self {
        let now = parts.options.clock.now();
        Self {
            parts,
            actions: Vec::new(),
            consequences: VecDeque::new(),
            waiting: VecDeque::new(),
            questions: BTreeMap::new(),
            next_question: 1,
            // The engine was told the time at zero; it is told again at once, so that both agree.
            wall: (Instant::ZERO, WallTime::default()),
            give_up: None,
            ending: None,
        }
        .started(now)
    }

    fn started(mut self, now: Instant) -> Self {
        self.tell_wall(now);
        self
    }

    /// Runs until the engine says that everything has ended, or patience with it has.
    pub(super) async fn run(mut self) -> Ending {
        let mut timer = Timer::never();
        let mut armed = Instant::FAR;
        let mut sleepless = 0;
        loop {
            self.turn();
            if let Some(ending) = self.ending {
                self.flush().await;
                return ending;
            }
            // A timer that fires too early costs less than setting it anew for each message.
            let wanted = self.next_wake();
            if wanted < armed {
                timer.set_at(self.parts.options.clock.system(wanted));
                armed = wanted;
            }
            let mut slept = false;
            poll_fn(|cx| {
                if Pin::new(&mut timer).poll(cx).is_ready() {
                    armed = Instant::FAR;
                    return Poll::Ready(());
                }
                let something = self.poll_arrivals(cx);
                slept |= something.is_pending();
                something
            })
            .await;
            sleepless = if slept { 0 } else { sleepless + 1 };
            if sleepless == TURNS {
                sleepless = 0;
                yield_now().await;
            }
        }
    }

    /// Handles everything that is there.
    fn turn(&mut self) {
        let now = self.parts.options.clock.now();
        self.tell_wall(now);
        if self.give_up.is_some_and(|at| at <= now) {
            self.parts.desk.note(Severity::Error, "the calls did not end in time; stopping without them");
            self.ending = Some(Ending::Abrupt);
        }
        if self.parts.machine.deadline().is_some_and(|d| d.at <= now) {
            self.handle(Input::Wake);
        }
        loop {
            if let Some(input) = self.consequences.pop_front() {
                self.handle(input);
            } else if let Some(arrival) = self.waiting.pop_front() {
                self.take(arrival);
            } else {
                break;
            }
        }
        self.parts.shards.iter_mut().for_each(Shard::wake);
    }

    /// Takes in a limited amount of what has arrived. Pending when there is nothing; then the task is woken when there is.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut result = self.parts.listeners.poll_receive(cx, &mut self.waiting);
        for _ in 0..TURN {
            match self.parts.reported.as_mut().poll_next(cx) {
                Poll::Ready(Some(input)) => self.waiting.push_back(Arrival::Input(input)),
                _ => break,
            }
            result = Poll::Ready(());
        }
        for _ in 0..TURN {
            match self.parts.arrivals.as_mut().poll_next(cx) {
                Poll::Ready(Some(arrival)) => self.waiting.push_back(arrival),
                _ => break,
            }
            result = Poll::Ready(());
        }
        result
    }

    fn next_wake(&self) -> Instant {
        let wall = self.wall.0 + WALL;
        let deadline = self.parts.machine.deadline().map_or(wall, |d| d.at.min(wall));
        let earliest = self.give_up.map_or(deadline, |at| at.min(deadline));
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
            Arrival::Asked(Question { request, answer }) => {
                let id = ControlId(self.next_question);
                self.next_question += 1;
                self.questions.insert(id, answer);
                self.handle(Input::Control { id, request });
            }
            Arrival::Signal(Signal::Hup) => self.reread(),
            Arrival::Signal(_) => self.stop(),
            Arrival::Reread(result) => self.reload(*result),
        }
    }

    fn handle(&mut self, input: Input) {
        self.parts.machine.handle(self.parts.options.clock.now(), input, &mut self.actions);
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            self.perform(action);
        }
        self.actions = actions;
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
            Action::Report(event) => self.parts.desk.log(Entry::Event(event)),
            Action::Stopped => self.ending = Some(Ending::Orderly),
        }
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
            Flow::Datagram { listener, .. } => {
                let sent = self.parts.listeners.udp(listener).is_some_and(|port| {
                    let blocked = port.is_blocked();
                    let sent = port.send(flow, bytes);
                    if port.is_blocked() && !blocked {
                        self.parts.executor.spawn(Rc::clone(port).drain()).detach();
                    }
                    sent
                });
                if !sent {
                    self.consequences.push_back(Input::SendFailed { flow });
                }
            }
            Flow::Stream { stream } => self.consequences.extend(self.parts.streams.send(stream, bytes)),
        }
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
    fn reread(&mut self) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now());
        let _ = sd_notify::notify(&states);
        let (path, inbox) = (self.parts.settings.path.clone(), self.parts.inbox.clone());
        let read = async move {
            let result = smol::unblock(move || config::load(&path)).await;
            let _ = inbox.send(Arrival::Reread(Box::new(result))).await;
        };
        self.parts.executor.spawn(read).detach();
    }

    /// Puts a configuration in force whole, or not at all.
    fn reload(&mut self, result: Result<Settings, Refused>) {
        let desk = self.parts.desk.clone();
        let changed = result.map_err(|refused| refused.lines()).and_then(|settings| {
            self.parts.listeners.become_(&settings.listen).map(|()| settings).map_err(|error| vec![error])
        });
        match changed {
            Err(problems) => {
                for problem in problems {
                    desk.note(Severity::Error, problem);
                }
                desk.note(
                    Severity::Error,
                    "the configuration was not changed; the one before stays in force",
                );
            }
            Ok(settings) => {
                for what in unchanged(&self.parts.settings, &settings) {
                    desk.note(
                        Severity::Warning,
                        format!("the new {what} takes effect when telex is started again"),
                    );
                }
                let listeners: Vec<Listener> = self.parts.listeners.list();
                let phones = settings.engine.phones.len();
                let heard = describe(&listeners);
                desk.note(
                    Severity::Info,
                    format!("configuration read again: {phones} phones, listening on {heard}"),
                );
                let config = Arc::clone(&settings.engine);
                self.parts.settings = settings;
                self.handle(Input::Config { config, listeners });
            }
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
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

    /// Lets what was written last leave.
    async fn flush(&self) {
        let written = async {
            while !self.parts.streams.is_flushed() {
                Timer::after(FLUSH / 50).await;
            }
        };
        let late = async {
            Timer::after(FLUSH).await;
        };
        or(written, late).await;
    }
}

/// What differs between two configurations but cannot be changed while running.
fn unchanged(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let checks = [
        ("[media] ports", old.media_ports != new.media_ports),
        ("[media] bind", old.media_bind != new.media_bind),
        ("[store] path", old.store != new.store),
        ("[control] path", old.control != new.control),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
