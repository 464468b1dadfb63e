//! A scripted telephone: its own small SIP user agent, written apart from the engine so that both do not
//! share a mistake.

mod call;
mod dialog;
mod digest;
mod digits;
mod dress;
mod ear;
mod habits;
mod leg;
mod refer;
mod register;
mod reliable;
mod sdp;
mod stream;
mod transaction;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use telex_engine::border::Transport;
use telex_engine::time::Instant;

pub(crate) use digits::Pressed;
pub(crate) use ear::{Clear, Ear, Spurt, Voice};
pub(crate) use leg::{Leg, LegTimer, State};
pub(crate) use refer::{Handover, fragment};
pub(crate) use transaction::LIFE;
pub(crate) use waits::Awaited;

use crate::luck::Draw;
use crate::plan::{PhonePlan, Plan};
use crate::text::{Msg, Start};
use register::Registration;
use stream::Line;
use transaction::{Client, Server};

/// Port of SIP on every phone.
pub(crate) const SIP_PORT: u16 = 5060;
/// The first RTP port of a phone; every leg takes the next pair, so that a late packet cannot be taken for
/// another leg's.
const FIRST_RTP_PORT: u16 = 20_000;

/// Which planned call a Call-ID belongs to.
pub(crate) type Book = BTreeMap<String, usize>;

/// What a phone may look at while it acts.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The time.
    pub(crate) now: Instant,
    /// What everybody is going to do.
    pub(crate) plan: &'a Plan,
    /// Which call is which.
    pub(crate) book: &'a Book,
    /// The Call-IDs by which those are asked to whom a call was handed over, or sent on.
    pub(crate) brought: &'a BTreeSet<String>,
}

/// What happens to a phone.
#[derive(Clone, Debug)]
pub(crate) enum Stimulus {
    /// It is switched on.
    Start,
    /// Its owner makes this call of the plan.
    Dial(usize),
    /// Its owner makes this call to replace a dialog, by the value of its Replaces (RFC 3891).
    Take(usize, String),
    /// A datagram arrives at the SIP port.
    Datagram(Bytes),
    /// The stream it asked for is open.
    Opened(u64),
    /// The exchange opened a stream.
    Accepted(u64),
    /// Octets arrive on a stream.
    Octets(u64, Bytes),
    /// A stream is gone.
    Closed(u64),
    /// A packet arrives at a media port.
    Media(u16, Bytes),
    /// A timer ran out.
    Timer(Timer),
    /// Its owner hangs up whatever there is.
    HangUp,
    /// It is switched off.
    Leave,
}

/// What a phone wants done.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Send a datagram to the exchange.
    Datagram(Bytes),
    /// Write to a stream.
    Write(u64, Bytes),
    /// Open a stream to the exchange.
    Connect,
    /// Close a stream.
    Disconnect(u64),
    /// Send a media packet from this port.
    Media(u16, SocketAddr, Bytes),
    /// Come back at this time.
    Arm(Instant, Timer),
}

/// What a phone's timer is for. A timer that comes early or twice finds nothing due and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A request of ours.
    Client(u64),
    /// A request of the exchange.
    Server(u64),
    /// A leg.
    Leg(usize, LegTimer),
    /// Register again.
    Register,
    /// Connect again.
    Connect,
    /// Say nothing.
    KeepAlive,
    /// Say what was to be said late.
    Post(u64),
    /// An outage of the plan begins or ends.
    Power(usize),
}

/// One telephone.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) index: usize,
    pub(crate) plan: PhonePlan,
    pub(crate) address: IpAddr,
    exchange: SocketAddr,
    draw: Draw,
    count: u64,
    pub(crate) registration: Registration,
    line: Line,
    clients: Vec<Client>,
    servers: Vec<Server>,
    /// Every leg of the run; ended ones stay as the phone's diary.
    pub(crate) legs: Vec<Leg>,
    /// Whether its owner has hung up for good.
    closing: bool,
    /// There is no power.
    off: bool,
    /// It was switched off by its owner while there was none.
    gone: bool,
    /// What is to be sent later.
    posts: BTreeMap<u64, (Bytes, Option<u64>)>,
    /// The time of what happens now.
    now: Instant,
    pub(crate) out: Vec<Effect>,
}

impl Phone {
    pub(crate) fn new(index: usize, plan: &Plan, address: IpAddr, exchange: SocketAddr) -> Self {
        let mut draw = Draw::new(plan.seed, "names of phone", plan.luck_of(index));
        let registration = Registration::new(format!("reg{:x}", draw.bits()));
        Self {
            index,
            plan: plan.phones[index].clone(),
            address,
            exchange,
            draw,
            count: 0,
            registration,
            line: Line::default(),
            clients: Vec::new(),
            servers: Vec::new(),
            legs: Vec::new(),
            closing: false,
            off: false,
            gone: false,
            posts: BTreeMap::new(),
            now: Instant::ZERO,
            out: Vec::new(),
        }
    }

    /// Something happens; what the phone does about it is appended to `out`.
    pub(crate) fn on(&mut self, scene: &Scene<'_>, stimulus: Stimulus) {
        self.now = scene.now;
        if self.off {
            return self.without_power(scene, &stimulus);
        }
        match stimulus {
            Stimulus::Datagram(_) if self.overlooks(scene) => {}
            Stimulus::Start => {
                for (n, outage) in self.plan.outages.clone().iter().enumerate() {
                    self.arm(outage.at.max(scene.now), Timer::Power(n));
                }
                self.switch_on(scene);
            }
            Stimulus::Dial(call) => self.dial(scene, call, None),
            Stimulus::Take(call, dialog) => self.dial(scene, call, Some(dialog)),
            Stimulus::Datagram(bytes) => self.message(scene, &bytes, None),
            Stimulus::Opened(stream) => self.stream_opened(scene, stream),
            Stimulus::Accepted(stream) => self.stream_accepted(stream),
            Stimulus::Octets(stream, bytes) => self.stream_octets(scene, stream, &bytes),
            Stimulus::Closed(stream) => self.stream_closed(scene, stream),
            Stimulus::Media(port, bytes) => self.hear(scene, port, &bytes),
            Stimulus::Timer(timer) => self.fire(scene, timer),
            Stimulus::HangUp => self.hang_up_everything(scene),
            Stimulus::Leave => self.leave(scene),
        }
    }

    /// The leg whose RTP arrives at `port`.
    pub(crate) fn leg_of_port(&self, port: u16) -> Option<&Leg> {
        self.legs.get(usize::from(port.checked_sub(FIRST_RTP_PORT)? / 2))
    }

    /// The same, to write into its diary.
    pub(crate) fn leg_of_port_mut(&mut self, port: u16) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(port.checked_sub(FIRST_RTP_PORT)? / 2))
    }

    /// Whether no transaction of the phone is left.
    pub(crate) fn is_quiet(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }

    fn fire(&mut self, scene: &Scene<'_>, timer: Timer) {
        match timer {
            Timer::Client(id) => self.fire_client(scene, id),
            Timer::Server(id) => self.fire_server(scene, id),
            Timer::Leg(leg, which) => self.fire_leg(scene, leg, which),
            Timer::Register => self.fire_register(scene),
            Timer::Connect => self.connect(),
            Timer::KeepAlive => self.keep_alive(scene),
            Timer::Post(post) => self.fire_post(post),
            Timer::Power(outage) => self.fire_power(scene, outage),
        }
    }

    fn message(&mut self, scene: &Scene<'_>, bytes: &Bytes, stream: Option<u64>) {
        let Some(msg) = Msg::read(bytes) else { return };
        match &msg.start {
            Start::Response { .. } => self.receive_response(scene, &msg),
            Start::Request { .. } => {
                if msg.method() == "ACK" {
                    // An ACK opens no transaction.
                    let known = self
                        .servers
                        .iter()
                        .any(|s| s.request.branch() == msg.branch() && s.request.method() == "INVITE");
                    if known {
                        self.receive_request(scene, &msg, stream);
                    } else {
                        self.ack_of_2xx(scene, &msg);
                    }
                } else if let Some(server) = self.receive_request(scene, &msg, stream) {
                    self.request(scene, server, &msg);
                }
            }
        }
    }

    /// Without power only its return, and the wish of its owner, make a difference.
    fn without_power(&mut self, scene: &Scene<'_>, stimulus: &Stimulus) {
        match stimulus {
            Stimulus::Timer(Timer::Power(outage)) => self.fire_power(scene, *outage),
            Stimulus::Opened(stream) | Stimulus::Accepted(stream) => self.refuse_stream(*stream),
            Stimulus::HangUp => self.closing = true,
            Stimulus::Leave => self.gone = true,
            _ => {}
        }
    }

    /// Puts a message on its way: on the stream it belongs to while that is open, else on the phone's own.
    fn put_out(&mut self, bytes: Bytes, stream: Option<u64>) {
        match self.plan.transport {
            Transport::Udp if stream.is_none() => self.out.push(Effect::Datagram(bytes)),
            _ => self.write(bytes, stream),
        }
    }

    fn arm(&mut self, at: Instant, timer: Timer) {
        self.out.push(Effect::Arm(at, timer));
    }

    fn unique(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A name that nobody else in the world uses.
    fn name(&mut self, prefix: &str) -> String {
        format!("{prefix}{:x}{:x}", self.index, self.draw.bits())
    }

    fn via(&self, branch: &str) -> String {
        format!("SIP/2.0/{} {}:{SIP_PORT};branch={branch};rport", self.plan.transport.as_str(), self.address)
    }

    /// The domain in the phone's URIs: the exchange's address, or a name that means nothing to it.
    fn domain(&self) -> String {
        let luck = self.plan.luck.map_or(self.index, |luck| usize::try_from(luck).unwrap_or(self.index));
        if luck % 3 == 2 { "pbx.example".to_owned() } else { self.exchange.ip().to_string() }
    }

    fn contact(&self) -> String {
        let transport = match self.plan.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("<sip:{}@{}:{SIP_PORT}{transport}>", self.plan.extension, self.address)
    }
}
