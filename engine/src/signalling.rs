//! The signalling machine: one input in, what must be done out.
//!
//! This is the only place with control flow across layers. Octets go up through transport and transactions to a session
//! or a new request, the call layer decides, and its orders go down. Each layer returns at most one value to the one
//! above, so nothing recurses.

#[cfg(feature = "serde")]
mod recorded;
mod requests;
#[cfg(test)]
mod tests;
#[cfg(feature = "serde")]
mod view;
mod watching;

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::border::{
    Action, Actions, Boot, Control, ControlReply, Input, Listener, Stats, StoredBinding, StreamEvent,
    StreamId,
};
use crate::call::{Below, Calls, Outside, Texts};
use crate::config::Config;
use crate::cx::{Cx, Journal, Randomness, Timer};
use crate::dialog::{Heard, Sessions, Stack};
use crate::event::Event;
use crate::limits;
#[cfg(feature = "planted")]
use crate::planted::Fault;
use crate::planted::Planted;
use crate::registrar::Registrar;
use crate::rng::{Purpose, Rng, Seed};
use crate::subscription::Subscriptions;
use crate::time::{Duration, Instant, WallTime};
use crate::timers::Timers;
use crate::transaction::{Transactions, Up};
use crate::transport::{self, Arrival, Transport};

/// After the patience of a stop has ended, the last BYEs get this long to be answered.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Calls ended by one wake when the exchange stops.
const STOPS_PER_WAKE: usize = 64;

/// One exchange: SIP, registrar and calls.
///
/// Between two calls of [`Signalling::handle`] it is at rest: it keeps no output and waits for nothing but input.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Signalling {
    config: Arc<Config>,
    /// The wall clock, and when it was read.
    wall: (Instant, WallTime),
    /// The moment of the last input.
    now: Instant,
    rng: Randomness,
    timers: Timers<Timer>,
    journal: Journal,
    tables: Tables,
    /// What boot had to say; it is said with the first input.
    first: Actions,
    planted: Planted,
}

/// Everything that a `Cx` is not.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Tables {
    below: Below,
    auth: Authenticator,
    calls: Calls,
    subscriptions: Subscriptions,
    texts: Texts,
    stopping: Stopping,
}

/// How far the exchange is with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Stopping {
    /// Not at all.
    No,
    /// New calls are refused, the present ones may go on.
    Draining,
    /// Whatever is left is being ended.
    Ending,
    /// Done, and said so.
    Done,
}

/// When a machine wants to be woken, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Whose timer it is.
    pub why: &'static str,
}

impl Signalling {
    /// An exchange at [`Instant::ZERO`]. `seed` is the source of everything random; whoever knows it can forge tags,
    /// branches and nonces.
    pub fn new(config: Arc<Config>, seed: Seed, boot: Boot) -> Self {
        let mut hash = Rng::new(seed, Purpose::Hash);
        let mut nonce = Rng::new(seed, Purpose::Nonce);
        let tables = Tables {
            below: Below {
                sessions: Sessions::new(&mut hash),
                stack: Stack {
                    transport: Transport::new(&mut hash, boot.listeners.clone(), boot.interfaces),
                    transactions: Transactions::new(&mut hash),
                },
                registrar: Registrar::new(),
            },
            auth: Authenticator::new(&mut nonce, &config),
            calls: Calls::new(boot.shards, &config, boot.values),
            subscriptions: Subscriptions::new(&mut hash),
            texts: Texts::default(),
            stopping: Stopping::No,
        };
        let rng = Randomness::new(seed);
        let journal = Journal::new(boot.next_lsn);
        let (wall, timers) = ((Instant::ZERO, boot.wall), Timers::default());
        let mut machine = Self {
            config,
            wall,
            now: Instant::ZERO,
            rng,
            timers,
            journal,
            tables,
            first: Actions::new(),
            planted: Planted::default(),
        };
        let mut first = Actions::new();
        let (mut cx, tables) = machine.split(Instant::ZERO, &mut first);
        let exists = |binding: &&StoredBinding| cx.config.phones.contains_key(&binding.aor);
        for binding in boot.bindings.iter().filter(exists) {
            tables.auth.know(&binding.aor, binding.source);
            tables.below.stack.transport.know(binding.source);
        }
        tables.below.registrar.restore(&mut cx, boot.bindings, &boot.listeners);
        machine.first = first;
        machine
    }

    /// The configuration in force.
    #[cfg(test)]
    fn config_in_force(&self) -> &Arc<Config> {
        &self.config
    }

    /// From now on this is done wrong.
    #[cfg(feature = "planted")]
    pub fn plant(&mut self, fault: Fault) {
        self.planted = Planted::new(fault);
        self.tables.auth.planted = self.planted;
    }

    /// Consumes one input at `now` and appends what must be done to `out`. Time never runs backwards here: an earlier
    /// `now` counts as the latest one seen.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        self.now = self.now.max(now);
        out.append(&mut self.first);
        match input {
            Input::Wall(wall) => self.wall = (self.now, wall),
            Input::Seed(seed) => {
                self.rng = Randomness::new(seed);
                self.tables.rekey(seed);
            }
            Input::Config { config, listeners } => {
                self.config = config;
                let (mut cx, tables) = self.split(self.now, out);
                tables.reconfigure(&mut cx, &listeners);
            }
            input => {
                let (mut cx, tables) = self.split(self.now, out);
                tables.handle(&mut cx, input);
            }
        }
    }

    /// When to hand in [`Input::Wake`] if nothing else comes first. O(1).
    pub fn deadline(&self) -> Option<Deadline> {
        self.timers.next().map(|(at, timer)| Deadline { at: self.planted.deadline(at), why: timer.name() })
    }

    /// Sizes of all tables.
    pub fn stats(&self) -> Stats {
        self.tables.stats(self.timers.len())
    }

    /// Asserts every invariant across tables. O(n): for simulators, not for production.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub fn check(&self) {
        let armed = |key| self.timers.is_armed(key);
        let Tables { below, calls, subscriptions, texts, .. } = &self.tables;
        below.stack.transport.check(armed);
        below.stack.transactions.check(&below.stack.transport, armed);
        below.sessions.check();
        calls.check(&below.sessions);
        below.registrar.check(armed);
        subscriptions.check(armed);
        texts.check();
    }

    fn split<'a>(&'a mut self, now: Instant, out: &'a mut Actions) -> (Cx<'a>, &'a mut Tables) {
        let wall = self.wall.1 + now.since(self.wall.0);
        let Self { config, rng, timers, journal, planted, .. } = self;
        (Cx { now, wall, config, rng, timers, out, journal, planted: *planted }, &mut self.tables)
    }
}

impl Tables {
    fn handle(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Wake => self.wake(cx),
            Input::Datagram { listener, local, remote, bytes } => {
                let arrival = self.below.stack.transport.receive_datagram(cx, listener, local, remote, bytes);
                if let Some(arrival) = arrival {
                    self.arrival(cx, arrival);
                }
            }
            Input::Stream { stream, event } => self.stream(cx, stream, event),
            Input::SendFailed { flow } => self.below.stack.transactions.send_failed(cx, flow),
            Input::Resolved { query, answer } => self.calls.resolved(cx, &mut self.below, query, &answer),
            Input::Media { shard, report } => self.calls.media(cx, &mut self.below, shard, &report),
            Input::Stored { .. } => {}
            Input::Load { waiting } => self.below.stack.transport.tell_load(cx.now, waiting),
            Input::StoreFailed { error, .. } => cx.report(Event::StoreFailed { error }),
            Input::Control { id, request } => {
                let reply = self.control(cx, &request);
                cx.out.push(Action::Reply { id, reply });
            }
            Input::Stop { by } => {
                if self.stopping == Stopping::No {
                    self.stopping = Stopping::Draining;
                    cx.timers.arm(by, Timer::Stop);
                }
            }
            // These change what a `Cx` is made of and were dealt with before there was one.
            Input::Config { .. } | Input::Wall(_) | Input::Seed(_) => {}
        }
        self.tell_watchers(cx);
        self.say_stopped(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        for _ in 0..limits::TIMERS_PER_WAKE {
            let Some(timer) = cx.timers.pop(cx.now) else { break };
            self.fire(cx, timer);
        }
    }

    fn fire(&mut self, cx: &mut Cx<'_>, timer: Timer) {
        let below = &mut self.below;
        let Stack { transport, transactions } = &mut below.stack;
        match timer {
            Timer::Server(txn, timer) => transactions.fire_server(cx, transport, txn, timer),
            Timer::Client(txn, timer) => {
                if let Some(up) = transactions.fire_client(cx, transport, txn, timer) {
                    self.up(cx, up);
                }
            }
            Timer::Stream(stream) => self.stream_timer(cx, stream),
            Timer::Binding(binding) => below.registrar.fire(cx, binding),
            Timer::Leg(leg, timer) => {
                let heard = below.sessions.on_timer(cx, &mut below.stack, leg, timer);
                self.heard(cx, heard);
            }
            Timer::Call(call, timer) => self.calls.fire(cx, below, call, timer),
            Timer::CallBack(_) if self.stopping != Stopping::No => {}
            Timer::CallBack(wish) => self.calls.look(cx, below, wish),
            Timer::Subscription(key, timer) => self.subscriptions.fire(cx, &mut below.stack, key, timer),
            Timer::Stop => self.patience_ended(cx),
        }
    }

    fn arrival(&mut self, cx: &mut Cx<'_>, arrival: Arrival) {
        let Stack { transport, transactions } = &mut self.below.stack;
        if let Some(up) = transactions.receive(cx, transport, arrival) {
            self.up(cx, up);
        }
    }

    /// A stream brought octets, and with them any number of messages.
    fn stream(&mut self, cx: &mut Cx<'_>, stream: StreamId, event: StreamEvent) {
        let mut heard = self.below.stack.transport.stream_event(cx, stream, event);
        loop {
            match heard {
                transport::Heard::Nothing => return,
                transport::Heard::Gone(stream) => return self.stream_gone(cx, stream),
                transport::Heard::Arrival(arrival) => self.arrival(cx, arrival),
            }
            heard = self.below.stack.transport.next(cx, stream);
        }
    }

    fn stream_timer(&mut self, cx: &mut Cx<'_>, stream: StreamId) {
        let Below { stack: Stack { transport, .. }, registrar, .. } = &mut self.below;
        // A phone that registered through a stream is called through it, however long that takes.
        let needed = registrar.uses_stream(stream);
        if needed {
            transport.pin(stream);
        }
        let heard = transport.fire_stream(cx, stream);
        if needed {
            transport.unpin(cx, stream);
        }
        if let transport::Heard::Gone(stream) = heard {
            self.stream_gone(cx, stream);
        }
    }

    fn stream_gone(&mut self, cx: &mut Cx<'_>, stream: StreamId) {
        self.below.stack.transactions.stream_closed(cx, stream);
        self.below.registrar.stream_closed(stream);
    }

    fn up(&mut self, cx: &mut Cx<'_>, up: Up) {
        let Below { sessions, stack, .. } = &mut self.below;
        let (watchers, texts) = (&mut self.subscriptions, &mut self.texts);
        let heard = match up {
            Up::Request { txn, message, flow, source } => {
                return self.request(cx, txn, &message, flow, source);
            }
            Up::Cancel { invite, .. } => sessions.on_cancel(cx, stack, invite),
            Up::Ack { message, .. } => sessions.on_ack(cx, stack, &message),
            Up::Response { txn, message, .. } if watchers.is_telling(txn) => {
                return watchers.answered(cx, stack, txn, message.status());
            }
            Up::Failed { txn } if watchers.is_telling(txn) => return watchers.answered(cx, stack, txn, None),
            Up::Response { txn, message, .. } if texts.is_asked(txn) => {
                return texts.answered(cx, stack, txn, message.status());
            }
            Up::Failed { txn } if texts.is_asked(txn) => return texts.answered(cx, stack, txn, None),
            Up::Response { txn, message, flow } => sessions.on_response(cx, stack, txn, &message, flow),
            Up::Failed { txn, .. } => sessions.on_failed(cx, stack, txn),
        };
        self.heard(cx, heard);
    }

    fn heard(&mut self, cx: &mut Cx<'_>, heard: Option<Heard>) {
        if let Some(heard) = heard {
            self.calls.heard(cx, &mut self.below, heard);
        }
    }

    fn control(&mut self, cx: &mut Cx<'_>, request: &Control) -> ControlReply {
        match request {
            Control::Registrations => ControlReply::Registrations(self.below.registrar.registrations(cx.now)),
            Control::Calls => ControlReply::Calls(self.calls.list(cx.now)),
            &Control::Record { call, order } => self.calls.record(cx, call, order),
            Control::Codecs { from, to } => match self.calls.foresee(cx.now, cx.config, from, to) {
                Ok(plan) => ControlReply::Codecs(Box::new(plan)),
                Err(extension) => ControlReply::NoSuchPhone { extension },
            },
            &Control::Hangup { call } => {
                if self.calls.stop(cx, &mut self.below, call, Outside::Operator) {
                    ControlReply::HungUp { call }
                } else {
                    ControlReply::NoSuchCall { call }
                }
            }
            &Control::Explain { call } => self.calls.explain(cx.config, call),
            Control::Foretell(wanted) => {
                ControlReply::Foretold(Box::new(self.calls.foretell(cx, &self.below, wanted)))
            }
            Control::Stats => ControlReply::Stats(self.stats(cx.timers.len())),
        }
    }

    fn stats(&self, timers: usize) -> Stats {
        let Below { sessions, stack, registrar } = &self.below;
        Stats {
            transactions: stack.transactions.len(),
            dialogs: sessions.dialogs(),
            legs: sessions.len(),
            calls: self.calls.len(),
            ports: self.calls.ports(),
            streams: stack.transport.streams(),
            bindings: registrar.len(),
            subscriptions: self.subscriptions.len(),
            texts: self.texts.len(),
            timers,
            received: stack.transport.received(),
            malformed: stack.transport.malformed(),
            shed: stack.transport.shed(),
            full: stack.transport.full(),
            limited: stack.transport.limited(),
            strangers: stack.transport.sources().0,
            known: stack.transport.sources().1,
            guessers: self.auth.guessers(),
            slowed: self.auth.slowed(),
        }
    }

    fn reconfigure(&mut self, cx: &mut Cx<'_>, listeners: &[Listener]) {
        self.auth.reconfigure(cx.config);
        self.below.registrar.reconfigure(cx, listeners);
        self.calls.reconfigure(cx.config);
        self.below.stack.transport.set_listeners(listeners.to_vec());
        self.watch_reconfigured(cx);
    }

    /// Draws every key anew.
    fn rekey(&mut self, seed: Seed) {
        let hash = &mut Rng::new(seed, Purpose::Hash);
        self.below.sessions.rekey(hash);
        self.below.stack.transport.rekey(hash);
        self.below.stack.transactions.rekey(hash);
        self.subscriptions.rekey(hash);
        self.auth.rekey(&mut Rng::new(seed, Purpose::Nonce));
    }

    fn patience_ended(&mut self, cx: &mut Cx<'_>) {
        if self.stopping == Stopping::Done {
            return;
        }
        if self.stopping == Stopping::Ending && self.calls.oldest().is_none() {
            // The last words were not answered either.
            self.stopping = Stopping::Done;
            cx.out.push(Action::Stopped);
            return;
        }
        self.stopping = Stopping::Ending;
        for _ in 0..STOPS_PER_WAKE {
            let Some(call) = self.calls.oldest() else { break };
            self.calls.stop(cx, &mut self.below, call, Outside::Stopping);
        }
        let more = self.calls.oldest().is_some();
        cx.timers.arm(if more { cx.now } else { cx.now + LAST_WORDS }, Timer::Stop);
    }

    fn say_stopped(&mut self, cx: &mut Cx<'_>) {
        let asked = matches!(self.stopping, Stopping::Draining | Stopping::Ending);
        if asked && self.calls.len() == 0 && self.below.sessions.len() == 0 {
            self.stopping = Stopping::Done;
            cx.out.push(Action::Stopped);
        }
    }
}
