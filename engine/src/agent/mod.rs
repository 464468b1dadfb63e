//! A telephone as a pure machine: it registers, calls, is called and hangs up.
//!
//! [`UserAgent`] stands on the same transactions and sessions as the exchange and is driven the same way: inputs in,
//! actions out. What happens to its calls it tells as [`AgentEvent`]s, and what to do about it is somebody else's
//! script. It neither reads nor writes session descriptions: bodies pass through ([`crate::offer`] makes them).

mod asking;
mod registration;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

use self::registration::Registration;
use crate::auth::{Answers, Login};
use crate::border::{
    Actions, Flow, Input, Interface, Listener, Lsn, Stats, StreamEvent, StreamId, Transport,
};
use crate::config::{Config, SessionConfig, SipTimers};
use crate::cx::{CallKey, Cx, Journal, LegKey, Randomness, ServerKey, Timer};
use crate::dialog::{Digit, Ending, Heard, Invitation, Invited, LegEvent, Sessions, Stack, screen};
use crate::limits;
use crate::planted::Planted;
use crate::rng::{Purpose, Rng, Seed};
use crate::sip::{EscapedUser, Message, Method, Status, Uri};
use crate::slots::Slots;
use crate::time::{Duration, Instant, WallTime};
use crate::timers::Timers;
use crate::transaction::{Reply, Transactions, Up};
use crate::transport;

/// Max-Forwards of a request that has not travelled yet (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// Who a user agent is, and how patient.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// User part of its address-of-record, not escaped: the extension.
    pub user: SmolStr,
    /// Host part of its address-of-record, and the name of its registrar.
    pub domain: SmolStr,
    /// What it says when it is challenged; `None` gives up then.
    pub login: Option<Login>,
    /// Timers of its transactions.
    pub sip: SipTimers,
    /// Session timers of its calls.
    pub session: SessionConfig,
}

impl AgentConfig {
    /// The extension `user` of an exchange, with its password, patient as RFC 3261 has it.
    pub fn new(user: &str, domain: &str, password: &str) -> Self {
        Self {
            user: user.into(),
            domain: domain.into(),
            login: Some(Login { user: user.into(), password: password.into() }),
            sip: SipTimers::default(),
            session: SessionConfig::default(),
        }
    }
}

/// The other end of a first request: a registrar, an exchange or another telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// What to speak.
    pub transport: Transport,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Names a call of one user agent until it is over; afterwards it names nothing, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallHandle(CallKey);

/// What happens to a user agent. After `Refused` and `Ended` the call's handle names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// Our call makes progress: mostly it rings.
    Progress {
        /// Which call.
        call: CallHandle,
        /// 101 to 199.
        status: Status,
        /// A session description, or nothing.
        body: Bytes,
    },
    /// Our call was answered, and the ACK has been sent.
    Answered {
        /// Which call.
        call: CallHandle,
        /// The answer to our offer.
        body: Bytes,
    },
    /// Our call was refused.
    Refused {
        /// Which call.
        call: CallHandle,
        /// The final response; `None` when there was none, because nobody answered or nobody could be reached.
        status: Option<Status>,
    },
    /// Somebody calls: [`UserAgent::ring`], [`UserAgent::answer`] or [`UserAgent::refuse`].
    Invited {
        /// Which call.
        call: CallHandle,
        /// URI of the caller's From.
        from: SmolStr,
        /// The caller's offer; empty when it wants ours.
        body: Bytes,
    },
    /// Our answer arrived at the caller.
    Confirmed {
        /// Which call.
        call: CallHandle,
        /// The caller's answer when our answer carried the offer, else empty.
        body: Bytes,
    },
    /// The peer wants to change the session: [`UserAgent::answer`] or [`UserAgent::refuse`].
    Offered {
        /// Which call.
        call: CallHandle,
        /// Its offer; empty when it wants ours.
        body: Bytes,
    },
    /// The peer pressed a key and said so by INFO.
    Digit {
        /// Which call.
        call: CallHandle,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        key: char,
        /// For how long.
        length: Duration,
    },
    /// The call is over, and not by [`UserAgent::hang_up`].
    Ended {
        /// Which call.
        call: CallHandle,
        /// Whose doing it was.
        by: Ended,
    },
    /// The registrar has accepted us.
    Registered {
        /// For how long; zero when we are gone from it.
        expires: Duration,
    },
    /// The registrar has not accepted us.
    NotRegistered {
        /// Its final response; `None` when there was none.
        status: Option<Status>,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer hung up.
    HungUp,
    /// The caller gave up before the answer.
    Cancelled,
    /// The peer no longer answers.
    Lost,
}

/// One telephone.
#[derive(Debug)]
pub struct UserAgent {
    agent: AgentConfig,
    /// What the layers below want to know, filled from `agent`.
    config: Config,
    now: Instant,
    rng: Randomness,
    timers: Timers<Timer>,
    /// A telephone keeps nothing.
    journal: Journal,
    core: Core,
}

/// Everything that a `Cx` is not.
#[derive(Debug)]
struct Core {
    sessions: Sessions,
    stack: Stack,
    /// The session of each call.
    calls: Slots<CallKey, LegKey>,
    registration: Registration,
    /// User part of our Contact, escaped.
    user: SmolStr,
}

impl UserAgent {
    /// A telephone at [`Instant::ZERO`] on these sockets, on a host with these addresses. Addresses are needed only
    /// when a socket is bound to an unspecified one.
    pub fn new(agent: AgentConfig, seed: Seed, listeners: Vec<Listener>, interfaces: Vec<Interface>) -> Self {
        let mut hash = Rng::new(seed, Purpose::Hash);
        let config = Config { sip: agent.sip, session: agent.session, ..Config::default() };
        let rng = Randomness::new(seed);
        let core = Core {
            sessions: Sessions::new(&mut hash),
            stack: Stack {
                transport: transport::Transport::new(&mut hash, listeners, interfaces),
                transactions: Transactions::new(&mut hash),
            },
            calls: Slots::new(),
            registration: Registration::default(),
            user: format_smolstr!("{}", EscapedUser(&agent.user)),
        };
        let (timers, journal) = (Timers::default(), Journal::new(Lsn(1)));
        Self { agent, config, now: Instant::ZERO, rng, timers, journal, core }
    }

    /// Consumes one input at `now`; appends what must be done to `out` and what happened to `events`. Inputs that are
    /// an exchange's business (media, store, control, configuration, stop) are ignored.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions, events: &mut Vec<AgentEvent>) {
        let (mut cx, core) = self.split(now, out);
        match input {
            Input::Wake => core.wake(&mut cx, events),
            Input::Datagram { listener, local, remote, bytes } => {
                let arrival = core.stack.transport.receive_datagram(&mut cx, listener, local, remote, bytes);
                events.extend(arrival.and_then(|arrival| core.arrival(&mut cx, arrival)));
            }
            Input::Stream { stream, event } => core.stream(&mut cx, stream, event, events),
            Input::SendFailed { flow } => core.stack.transactions.send_failed(&mut cx, flow),
            _ => {}
        }
    }

    /// When to hand in [`Input::Wake`] if nothing else comes first. O(1).
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    /// Calls `uri` by way of `server` with this offer. `None` when the URI is none, or no socket of ours leads there.
    pub fn call(
        &mut self,
        now: Instant,
        server: Server,
        uri: &str,
        offer: Bytes,
        out: &mut Actions,
    ) -> Option<CallHandle> {
        Uri::parse(uri).ok()?;
        let (from, answers) = (self.address_of_record(), self.answers());
        let (mut cx, core) = self.split(now, out);
        let flow = core.stack.transport.target(&mut cx, server.transport, server.address)?;
        let invitation = Invitation {
            uri: uri.into(),
            flow,
            routes: SmallVec::new(),
            from: format_smolstr!("<{from}>"),
            to: format_smolstr!("<{uri}>"),
            user: core.user.clone(),
            max_forwards: u32::from(MAX_FORWARDS),
            offer,
            answers,
            headers: Vec::new(),
        };
        let call = core.calls.insert(LegKey::default());
        let leg = core.sessions.invite(&mut cx, &mut core.stack, call, invitation);
        core.serve(call, leg);
        Some(CallHandle(call))
    }

    /// Registers this telephone at `server`, or removes it there when `expires` is zero. One answer follows:
    /// [`AgentEvent::Registered`] or [`AgentEvent::NotRegistered`]. To stay registered, register again in time. False
    /// when no socket of ours leads there.
    pub fn register(&mut self, now: Instant, server: Server, expires: Duration, out: &mut Actions) -> bool {
        let (aor, answers) = (self.address_of_record(), self.answers());
        let domain = self.agent.domain.clone();
        let (mut cx, core) = self.split(now, out);
        let Some(flow) = core.stack.transport.target(&mut cx, server.transport, server.address) else {
            return false;
        };
        let contact = core.stack.contact(flow, &core.user);
        let order = registration::Order { aor, domain, contact, flow, expires, answers };
        core.registration.begin(&mut cx, &mut core.stack, order);
        true
    }

    /// Tells a caller that we ring.
    pub fn ring(&mut self, now: Instant, call: CallHandle, out: &mut Actions) {
        self.with_leg(now, call, out, |cx, core, leg| {
            core.sessions.progress(cx, &mut core.stack, leg, Status::RINGING, Bytes::new());
        });
    }

    /// Answers what the peer asked for last: its call, or a change of it. `body` is our answer, or our offer when it
    /// made none.
    pub fn answer(&mut self, now: Instant, call: CallHandle, body: Bytes, out: &mut Actions) {
        self.with_leg(now, call, out, |cx, core, leg| {
            core.sessions.answer(cx, &mut core.stack, leg, body.clone());
            core.sessions.accept_offer(cx, &mut core.stack, leg, body);
        });
    }

    /// Refuses what the peer asked for last: its call, which is over then, or a change of it, and it goes on as it was.
    pub fn refuse(&mut self, now: Instant, call: CallHandle, status: Status, out: &mut Actions) {
        self.with_leg(now, call, out, |cx, core, leg| {
            core.sessions.reject_offer(cx, &mut core.stack, leg, status, "");
            core.sessions.refuse(cx, &mut core.stack, leg, status, "");
            if !core.sessions.exists(leg) {
                core.calls.remove(call.0);
            }
        });
    }

    /// Ends a call, whatever its phase: by CANCEL, a refusal or BYE. No event follows.
    pub fn hang_up(&mut self, now: Instant, call: CallHandle, out: &mut Actions) {
        self.with_leg(now, call, out, |cx, core, leg| {
            core.sessions.hang_up(cx, &mut core.stack, leg, "");
            core.calls.remove(call.0);
        });
    }

    /// Sizes of all tables; those an exchange alone has are zero.
    pub fn stats(&self) -> Stats {
        let Core { sessions, stack, calls, .. } = &self.core;
        Stats {
            transactions: stack.transactions.len(),
            dialogs: sessions.dialogs(),
            legs: sessions.len(),
            calls: calls.len(),
            streams: stack.transport.streams(),
            timers: self.timers.len(),
            received: stack.transport.received(),
            malformed: stack.transport.malformed(),
            ..Stats::default()
        }
    }

    /// Asserts every invariant across tables. O(n): for tests.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub fn check(&self) {
        let armed = |key| self.timers.is_armed(key);
        let Core { sessions, stack, calls, .. } = &self.core;
        stack.transport.check(armed);
        stack.transactions.check(&stack.transport, armed);
        sessions.check();
        assert!(calls.values().all(|leg| sessions.exists(*leg)), "every call has a session");
    }

    fn address_of_record(&self) -> SmolStr {
        format_smolstr!("sip:{}@{}", self.core.user, self.agent.domain)
    }

    fn answers(&self) -> Option<Box<Answers>> {
        self.agent.login.clone().map(Answers::new).map(Box::new)
    }

    fn split<'a>(&'a mut self, now: Instant, out: &'a mut Actions) -> (Cx<'a>, &'a mut Core) {
        self.now = self.now.max(now);
        let Self { config, rng, timers, journal, core, .. } = self;
        (
            Cx {
                now: self.now,
                wall: WallTime::default(),
                config,
                rng,
                timers,
                out,
                journal,
                planted: Planted::default(),
            },
            core,
        )
    }

    /// Does something to the session of a call that is not over.
    fn with_leg(
        &mut self,
        now: Instant,
        call: CallHandle,
        out: &mut Actions,
        order: impl FnOnce(&mut Cx<'_>, &mut Core, LegKey),
    ) {
        let (mut cx, core) = self.split(now, out);
        if let Some(&leg) = core.calls.get(call.0) {
            order(&mut cx, core, leg);
        }
    }
}

impl Core {
    /// A call was made before its session, which wants to know whose it is; now it learns of it.
    fn serve(&mut self, call: CallKey, leg: LegKey) {
        if let Some(place) = self.calls.get_mut(call) {
            *place = leg;
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>, events: &mut Vec<AgentEvent>) {
        for _ in 0..limits::TIMERS_PER_WAKE {
            let Some(timer) = cx.timers.pop(cx.now) else { break };
            events.extend(self.fire(cx, timer));
        }
    }

    fn fire(&mut self, cx: &mut Cx<'_>, timer: Timer) -> Option<AgentEvent> {
        let Stack { transport, transactions } = &mut self.stack;
        match timer {
            Timer::Server(txn, timer) => transactions.fire_server(cx, transport, txn, timer),
            Timer::Client(txn, timer) => {
                let up = transactions.fire_client(cx, transport, txn, timer)?;
                return self.up(cx, up);
            }
            Timer::Stream(stream) => self.stream_timer(cx, stream),
            Timer::Leg(leg, timer) => {
                let heard = self.sessions.on_timer(cx, &mut self.stack, leg, timer);
                return self.heard(heard?);
            }
            // An exchange's alone; nobody arms them here.
            Timer::Binding(_)
            | Timer::Call(..)
            | Timer::CallBack(_)
            | Timer::Subscription(..)
            | Timer::Stop => {}
        }
        None
    }

    fn arrival(&mut self, cx: &mut Cx<'_>, arrival: transport::Arrival) -> Option<AgentEvent> {
        let Stack { transport, transactions } = &mut self.stack;
        let up = transactions.receive(cx, transport, arrival)?;
        self.up(cx, up)
    }

    /// A stream brought octets, and with them any number of messages.
    fn stream(
        &mut self,
        cx: &mut Cx<'_>,
        stream: StreamId,
        event: StreamEvent,
        events: &mut Vec<AgentEvent>,
    ) {
        let mut heard = self.stack.transport.stream_event(cx, stream, event);
        loop {
            match heard {
                transport::Heard::Nothing => return,
                transport::Heard::Gone(stream) => {
                    return self.stack.transactions.stream_closed(cx, stream);
                }
                transport::Heard::Arrival(arrival) => events.extend(self.arrival(cx, arrival)),
            }
            heard = self.stack.transport.next(cx, stream);
        }
    }

    fn stream_timer(&mut self, cx: &mut Cx<'_>, stream: StreamId) {
        let Stack { transport, transactions } = &mut self.stack;
        // A registrar calls us through the stream that we registered through, however long that takes.
        let needed = self.registration.uses(stream);
        if needed {
            transport.pin(stream);
        }
        let heard = transport.fire_stream(cx, stream);
        if needed {
            transport.unpin(cx, stream);
        }
        if let transport::Heard::Gone(stream) = heard {
            transactions.stream_closed(cx, stream);
        }
    }

    fn up(&mut self, cx: &mut Cx<'_>, up: Up) -> Option<AgentEvent> {
        let Self { sessions, stack, registration, .. } = self;
        let heard = match up {
            Up::Request { txn, message, flow, .. } => return self.request(cx, txn, &message, flow),
            Up::Cancel { invite, .. } => sessions.on_cancel(cx, stack, invite),
            Up::Ack { message, .. } => sessions.on_ack(cx, stack, &message),
            Up::Response { txn, message, .. } if registration.owns(txn) => {
                return registration.answered(cx, stack, &message);
            }
            Up::Response { txn, message, flow } => sessions.on_response(cx, stack, txn, &message, flow),
            Up::Failed { txn, .. } if registration.owns(txn) => {
                return Some(AgentEvent::NotRegistered { status: None });
            }
            Up::Failed { txn, .. } => sessions.on_failed(cx, stack, txn),
        };
        self.heard(heard?)
    }

    /// A request that no transaction knows (RFC 3261 §8.2).
    fn request(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        message: &Message,
        flow: Flow,
    ) -> Option<AgentEvent> {
        let (sessions, stack) = (&mut self.sessions, &mut self.stack);
        let unsupported = screen::unsupported(message);
        let reply = match message.method() {
            _ if unsupported.is_some() => unsupported?,
            _ if message.to().is_ok_and(|to| to.tag().is_some()) => {
                let heard = sessions.on_request(cx, stack, txn, message, flow)?;
                if let LegEvent::Referred(referred) = &heard.event {
                    sessions.refuse_refer(cx, stack, heard.leg, referred, (Status::DECLINE, "not here"));
                }
                return self.heard(heard);
            }
            Method::Invite => return self.invited(cx, txn, message, flow),
            method => screen::outside(method),
        };
        self.stack.respond(cx, txn, &reply);
        None
    }

    fn invited(
        &mut self,
        cx: &mut Cx<'_>,
        txn: ServerKey,
        invite: &Message,
        flow: Flow,
    ) -> Option<AgentEvent> {
        let unfit = screen::unfit(cx, &mut self.stack, txn, invite);
        let full = (self.calls.len() >= limits::CALLS).then(|| Reply::new(Status::BUSY_HERE));
        if let Some(reply) = unfit.or(full) {
            self.stack.respond(cx, txn, &reply);
            return None;
        }
        let call = self.calls.insert(LegKey::default());
        let by = Invited { txn, invite, flow, user: &self.user };
        let Ok(leg) = self.sessions.invited_by(cx, &mut self.stack, call, &by) else {
            self.calls.remove(call);
            self.stack.respond(cx, txn, &Reply::new(Status::BAD_REQUEST));
            return None;
        };
        self.serve(call, leg);
        let from = invite.from().map(|from| SmolStr::new(from.uri_text)).unwrap_or_default();
        Some(AgentEvent::Invited { call: CallHandle(call), from, body: invite.body_bytes() })
    }

    /// What a session tells. `None` for a call that was hung up here.
    fn heard(&mut self, heard: Heard) -> Option<AgentEvent> {
        let call = CallHandle(heard.call);
        self.calls.get(heard.call)?;
        let event = match heard.event {
            LegEvent::Progress { status, body } => AgentEvent::Progress { call, status, body },
            LegEvent::Answered { body } => AgentEvent::Answered { call, body },
            LegEvent::Refused { status, .. } => AgentEvent::Refused { call, status },
            // Nothing was changed, and nothing is.
            LegEvent::Refreshed { .. } => return None,
            LegEvent::Confirmed { body } => AgentEvent::Confirmed { call, body },
            LegEvent::Offered { body } => AgentEvent::Offered { call, body },
            LegEvent::OfferWanted => AgentEvent::Offered { call, body: Bytes::new() },
            LegEvent::Digit(Digit { key, length }) => AgentEvent::Digit { call, key, length },
            LegEvent::Referred(_) | LegEvent::SentAway(_) => return None,
            LegEvent::Cancelled => AgentEvent::Ended { call, by: Ended::Cancelled },
            LegEvent::Ended(Ending::Bye) => AgentEvent::Ended { call, by: Ended::HungUp },
            LegEvent::Ended(Ending::Lost) => AgentEvent::Ended { call, by: Ended::Lost },
        };
        if matches!(event, AgentEvent::Refused { .. } | AgentEvent::Ended { .. }) {
            self.calls.remove(heard.call);
        }
        Some(event)
    }
}
