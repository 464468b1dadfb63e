//! A telephone of a scenario.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use smol_str::SmolStr;
use telex_audio::codec::Encoding;
use telex_engine::agent::{AgentConfig, AgentEvent, CallHandle, Server, UserAgent};
use telex_engine::border::{Actions, Listener, ListenerId, Transport};
use telex_engine::offer::{Codec, Direction, Local, Ptime, choose, read, write_answer, write_offer};
use telex_engine::rng::Seed;
use telex_engine::sip::{EscapedUser, HeaderName, Message, Status, Uri};
use telex_engine::time::{Duration, Instant};

/// Where the exchange is.
pub(super) const EXCHANGE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
/// What all phones are let in with.
pub(super) const PASSWORD: &str = "scenario";
/// Longer than any scenario.
pub(super) const LONG: Duration = Duration::from_secs(10 * 366 * 86_400);
/// The address of the first phone: 10.0.0.1.
const FIRST_ADDRESS: u32 = 0x0A00_0001;
/// The first RTP port of a phone; each call has one of its own.
const FIRST_RTP: u16 = 4000;

/// A telephone and its calls.
#[derive(Debug)]
pub(super) struct Phone {
    /// Its extension.
    pub(super) name: SmolStr,
    /// Where it is.
    pub(super) address: SocketAddr,
    /// The machine.
    pub(super) agent: UserAgent,
    /// Its calls, the oldest first.
    pub(super) lines: Vec<Line>,
    /// It refuses calls as busy.
    pub(super) busy: bool,
    /// Nothing gets there or comes from there.
    pub(super) unreachable: bool,
    /// How its last call was refused; `Some(None)` when nobody answered at all.
    pub(super) refused: Option<Option<Status>>,
    codecs: Vec<Codec>,
    next_rtp: u16,
    /// What the last INVITE said besides.
    announced: Announced,
}

/// What an INVITE says to the phone, and not to the machine.
#[derive(Clone, Debug, Default)]
struct Announced {
    /// The name of who calls.
    name: SmolStr,
    /// The phone is to answer by itself.
    by_itself: bool,
}

/// One call of a telephone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Names it.
    pub(super) call: CallHandle,
    /// How far it is.
    pub(super) state: State,
    /// Who calls, or what was dialled.
    pub(super) other: SmolStr,
    /// The name that who calls shows; empty without.
    pub(super) name: SmolStr,
    /// It holds the other party.
    pub(super) held: bool,
    /// Where it receives its media.
    pub(super) media: SocketAddr,
    /// What is to be answered: the offer of who calls.
    offer: Bytes,
    /// How often it has described itself.
    version: u64,
}

impl Line {
    /// Number and name of who calls.
    pub(super) fn shown(&self) -> String {
        if self.name.is_empty() { self.other.to_string() } else { format!("{} {}", self.other, self.name) }
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It calls.
    Calling,
    /// It calls, and is told that it rings there.
    Rung,
    /// It is called.
    Ringing,
    /// It was answered.
    Up,
}

impl Phone {
    /// The phone of an extension, the how manieth of the site and where, with the codecs it is kept to.
    pub(super) fn new(name: &SmolStr, number: u32, address: SocketAddr, codecs: Option<&[Encoding]>) -> Self {
        let config = AgentConfig::new(name, &EXCHANGE.ip().to_string(), PASSWORD);
        let listener = Listener { id: ListenerId(0), transport: Transport::Udp, local: address };
        let seed = Seed::from_number(u64::from(number) + 1000);
        let usual = [Encoding::G722, Encoding::Pcmu, Encoding::Pcma, Encoding::Gsm, Encoding::G729];
        let speech = codecs.unwrap_or(&usual).iter().map(|encoding| Codec::of(*encoding));
        Self {
            name: name.clone(),
            address,
            agent: UserAgent::new(config, seed, vec![listener], Vec::new()),
            lines: Vec::new(),
            busy: false,
            unreachable: false,
            refused: None,
            codecs: speech.chain([Codec::events()]).collect(),
            next_rtp: FIRST_RTP,
            announced: Announced::default(),
        }
    }

    fn local(&self, media: SocketAddr, version: u64) -> Local {
        Local { address: media.ip(), port: media.port(), session_id: u64::from(media.port()), version }
    }

    fn new_media(&mut self) -> SocketAddr {
        let port = self.next_rtp;
        self.next_rtp = port.checked_add(2).unwrap_or(FIRST_RTP);
        SocketAddr::new(self.address.ip(), port)
    }

    /// Looks at a datagram that comes, for what the machine does not tell.
    pub(super) fn glance(&mut self, bytes: &Bytes) {
        if !bytes.starts_with(b"INVITE ") {
            return;
        }
        let Ok(invite) = Message::parse(bytes.clone()) else { return };
        let says = |field, what| invite.values(field).any(|value| value.contains(what));
        self.announced = Announced {
            name: invite.from().ok().and_then(|from| from.display.map(SmolStr::new)).unwrap_or_default(),
            by_itself: says(HeaderName::CallInfo, "answer-after=0")
                || says(HeaderName::AlertInfo, "alert-autoanswer"),
        };
    }

    /// Calls a number. False when that cannot be dialled.
    pub(super) fn dial(&mut self, now: Instant, number: &str, out: &mut Actions) -> bool {
        let media = self.new_media();
        let ptime = Ptime::default();
        let offer = write_offer(&self.local(media, 1), &self.codecs, Direction::SendRecv, ptime);
        let server = Server { transport: Transport::Udp, address: EXCHANGE };
        let Some(call) = self.agent.call(now, server, &uri(number), offer, out) else { return false };
        let (state, offer) = (State::Calling, Bytes::new());
        let (other, name) = (number.into(), SmolStr::default());
        self.lines.push(Line { call, state, other, name, held: false, media, offer, version: 1 });
        self.refused = None;
        true
    }

    /// The call that what is done is about: the last one that nobody holds, one that only rings last of all.
    pub(super) fn current(&self) -> Option<&Line> {
        let free = || self.lines.iter().rev().filter(|line| !line.held);
        free().find(|line| line.state != State::Ringing).or_else(|| free().next()).or(self.lines.last())
    }

    /// The call that rings.
    pub(super) fn ringing(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.state == State::Ringing)
    }

    /// Answers a call.
    pub(super) fn answer(&mut self, now: Instant, call: CallHandle, out: &mut Actions) {
        let Some(line) = self.lines.iter_mut().find(|line| line.call == call) else { return };
        line.state = State::Up;
        let line = line.clone();
        match self.answer_to(&line, &line.offer) {
            Some(body) => self.agent.answer(now, call, body, out),
            None => {
                self.agent.refuse(now, call, Status::NOT_ACCEPTABLE_HERE, out);
                self.lines.retain(|line| line.call != call);
            }
        }
    }

    /// What is said to an offer; to none an offer. `None` when no codec fits.
    fn answer_to(&self, line: &Line, offer: &[u8]) -> Option<Bytes> {
        let local = self.local(line.media, line.version);
        let direction = Direction::of(true, !line.held);
        if offer.is_empty() {
            return Some(write_offer(&local, &self.codecs, direction, Ptime::default()));
        }
        let offer = read(offer).ok()?;
        let chosen = choose(&offer.audio()?.codecs, &self.codecs);
        let allowed = Direction::of(offer.audio()?.direction.receives(), offer.audio()?.direction.sends());
        let direction =
            Direction::of(direction.sends() && allowed.sends(), direction.receives() && allowed.receives());
        (!chosen.is_empty()).then(|| write_answer(&local, &offer, &chosen, direction, Ptime::default()))
    }

    /// Refuses a call.
    pub(super) fn refuse(&mut self, now: Instant, call: CallHandle, status: Status, out: &mut Actions) {
        self.agent.refuse(now, call, status, out);
        self.lines.retain(|line| line.call != call);
    }

    /// Ends a call.
    pub(super) fn hang_up(&mut self, now: Instant, call: CallHandle, out: &mut Actions) {
        self.agent.hang_up(now, call, out);
        self.lines.retain(|line| line.call != call);
    }

    /// Holds the other party of a call, or takes it back.
    pub(super) fn hold(&mut self, now: Instant, call: CallHandle, on: bool, out: &mut Actions) {
        let Some(line) = self.lines.iter_mut().find(|line| line.call == call) else { return };
        line.held = on;
        line.version += 1;
        let line = line.clone();
        let local = self.local(line.media, line.version);
        let offer = write_offer(&local, &self.codecs, Direction::of(true, !on), Ptime::default());
        self.agent.reoffer(now, call, offer, out);
    }

    /// Hands a call over: to a number, or to whom it talks with in another call.
    pub(super) fn transfer(
        &mut self,
        now: Instant,
        call: CallHandle,
        number: &str,
        other: Option<CallHandle>,
        out: &mut Actions,
    ) -> bool {
        self.agent.refer(now, call, &uri(number), other, out)
    }

    /// Registers, or takes that back.
    pub(super) fn register(&mut self, now: Instant, on: bool, out: &mut Actions) {
        let server = Server { transport: Transport::Udp, address: EXCHANGE };
        let expires = if on { LONG } else { Duration::ZERO };
        self.agent.register(now, server, expires, out);
    }

    /// Something has happened: does what a telephone does by itself, and tells it in words.
    pub(super) fn heard(&mut self, now: Instant, event: AgentEvent, out: &mut Actions) -> Option<String> {
        let name = self.name.clone();
        match event {
            AgentEvent::Progress { call, status, .. } if status == Status::RINGING => {
                let line = self.line(call)?;
                let first = line.state == State::Calling;
                line.state = State::Rung;
                first.then(|| format!("{name} is told that it rings"))
            }
            AgentEvent::Answered { call, .. } => {
                self.line(call)?.state = State::Up;
                Some(format!("{name} is answered"))
            }
            AgentEvent::Refused { call, status } => {
                self.lines.retain(|line| line.call != call);
                self.refused = Some(status);
                let status = status.map_or("nothing".to_owned(), told);
                Some(format!("{name} is told {status}"))
            }
            AgentEvent::Invited { call, from, body } => {
                let from = caller(&from);
                if self.busy {
                    self.agent.refuse(now, call, Status::BUSY_HERE, out);
                    return Some(format!("{name} is called by {from}, and is busy"));
                }
                let media = self.new_media();
                let (other, offer) = (from.clone(), body);
                let (state, announced) = (State::Ringing, std::mem::take(&mut self.announced));
                let line =
                    Line { call, state, other, name: announced.name, held: false, media, offer, version: 1 };
                let shown = line.shown();
                self.lines.push(line);
                if announced.by_itself {
                    self.answer(now, call, out);
                    return Some(format!("{name} is called by {shown}, and answers by itself"));
                }
                self.agent.ring(now, call, out);
                Some(format!("{name} rings and shows {shown}"))
            }
            AgentEvent::Offered { call, body } => {
                let line = self.line(call)?;
                line.version += 1;
                let line = line.clone();
                match self.answer_to(&line, &body) {
                    Some(body) => self.agent.answer(now, call, body, out),
                    None => self.agent.refuse(now, call, Status::NOT_ACCEPTABLE_HERE, out),
                }
                None
            }
            AgentEvent::Ended { call, .. } => {
                let rang = self.line(call).is_some_and(|line| line.state == State::Ringing);
                self.lines.retain(|line| line.call != call);
                Some(if rang { format!("{name} rings no more") } else { format!("{name} is hung up on") })
            }
            AgentEvent::NotRegistered { status } => {
                Some(format!("{name} is not registered: {}", status.map_or("no answer".to_owned(), told)))
            }
            AgentEvent::Registered { expires } if expires.is_zero() => {
                Some(format!("{name} is unregistered"))
            }
            AgentEvent::Registered { .. } => Some(format!("{name} is registered")),
            AgentEvent::Progress { .. } | AgentEvent::Confirmed { .. } | AgentEvent::Digit { .. } => None,
        }
    }

    fn line(&mut self, call: CallHandle) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.call == call)
    }
}

/// `486 Busy Here`.
pub(super) fn told(status: Status) -> String {
    format!("{} {}", status.code(), status.reason())
}

/// Where the how manieth phone of a site is, unless it has a place of its own.
pub(super) fn usual_address(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(FIRST_ADDRESS + number), 5060))
}

/// The contact that a phone registers.
pub(super) fn contact(name: &str, address: SocketAddr) -> SmolStr {
    format!("sip:{}@{address}", EscapedUser(name)).into()
}

/// What is dialled: a number of the exchange, or a whole URI.
fn uri(number: &str) -> String {
    if number.starts_with("sip:") {
        return number.to_owned();
    }
    format!("sip:{}@{}", EscapedUser(number), EXCHANGE.ip())
}

/// The number of who calls.
fn caller(uri: &str) -> SmolStr {
    Uri::parse(uri).map_or_else(|_| uri.into(), |uri| SmolStr::new(uri.user_unescaped()))
}
