//! Calls: a caller (UAC) that places them and a callee (UAS) that answers, on one thread and two UDP sockets.

mod record;
mod run;
mod uac;
mod uas;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::time::{Duration, Instant};

use uac::Uac;
use uas::Uas;

use crate::audio::Codec;
use crate::hist::Hist;
use crate::procstat::{self, Snap};
use crate::rtp::Shared;
use crate::sip;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 T1: when a transaction is given up.
const GIVE_UP: Duration = Duration::from_secs(32);
/// Media stops so long before the BYE.
pub const TAIL: Duration = Duration::from_millis(200);

/// What to call, how often, how fast.
pub struct Plan {
    pub server: SocketAddr,
    pub domain: String,
    pub target: String,
    pub targets: usize,
    pub from: String,
    pub from_users: usize,
    pub auth_user: String,
    pub pass: String,
    pub calls: usize,
    pub rate: f64,
    pub hold: Duration,
    /// Place all calls, keep them up together for so long, then hang up.
    pub steady: Option<Duration>,
    pub warmup: Duration,
    pub max_inflight: usize,
    pub ring: Duration,
    pub answer: Duration,
    pub uac_codec: Codec,
    pub uas_codec: Codec,
    pub media: bool,
    /// Callers to a number, where nobody is called: they meet in a conference.
    pub conference: Option<usize>,
    /// The control socket at which recording is ordered.
    pub record: Option<String>,
    pub invite_timeout: Duration,
    pub server_pid: Option<u32>,
    pub run_id: String,
    pub teardown_rate: f64,
    pub verbose: bool,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub attempted: usize,
    pub answered: usize,
    pub ok: usize,
    pub failed: BTreeMap<String, u64>,
    pub to_180_us: Hist,
    pub to_200_us: Hist,
    pub bye_us: Hist,
    pub invites_again: u64,
    pub byes_again: u64,
    pub answers_again_seen: u64,
    pub uas_calls: usize,
    pub uas_invites_again: u64,
    pub uas_answers_again: u64,
    pub uas_no_ack: u64,
    pub uas_byes: u64,
    pub reinvites: u64,
    pub wrong_codec: u64,
    pub peak: usize,
    pub late_launch_ms: f64,
    pub wall: f64,
    /// Seconds until all calls were up or over.
    pub ramp: f64,
    pub at_start: Snap,
    pub at_steady_start: Snap,
    pub at_steady_end: Snap,
    pub at_end: Snap,
    pub up_at_steady_end: usize,
    /// Calls that were being recorded while measuring.
    pub recorded: usize,
}

/// What a timer is for: a call's number, and its age when the timer was set.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Timer {
    UacAgain(usize, u32),
    UacNoAnswer(usize),
    UacNoBye(usize, u32),
    UacTail(usize, u32),
    UacBye(usize, u32),
    UasRing(usize),
    UasAnswer(usize),
    UasAgain(usize, u32),
    UasTail(usize),
}

/// All calls and what they share.
pub struct Engine {
    plan: Plan,
    uac_socket: UdpSocket,
    uas_socket: UdpSocket,
    uac_address: SocketAddr,
    uas_address: SocketAddr,
    ip: Ipv4Addr,
    uacs: Vec<Uac>,
    uass: Vec<Uas>,
    uas_by_id: HashMap<String, usize>,
    timers: BinaryHeap<Reverse<(Instant, u64, Timer)>>,
    timers_set: u64,
    media: Option<Arc<Shared>>,
    free_uac_legs: Vec<usize>,
    free_uas_legs: Vec<usize>,
    next_stream: u32,
    inflight: usize,
    up: usize,
    out: Outcome,
}

impl Engine {
    /// With `legs` legs of media for callers, and as many after them for callees.
    pub fn new(
        plan: Plan,
        sockets: (UdpSocket, UdpSocket),
        media: Option<Arc<Shared>>,
        legs: usize,
    ) -> std::io::Result<Self> {
        let (uac_socket, uas_socket) = sockets;
        let uac_address = uac_socket.local_addr()?;
        let uas_address = uas_socket.local_addr()?;
        let SocketAddr::V4(v4) = uac_address else { return Err(std::io::Error::other("IPv4 only")) };
        Ok(Self {
            plan,
            uac_socket,
            uas_socket,
            uac_address,
            uas_address,
            ip: *v4.ip(),
            uacs: Vec::new(),
            uass: Vec::new(),
            uas_by_id: HashMap::new(),
            timers: BinaryHeap::new(),
            timers_set: 0,
            media,
            free_uac_legs: (0..legs).rev().collect(),
            free_uas_legs: (legs..2 * legs).rev().collect(),
            next_stream: 0,
            inflight: 0,
            up: 0,
            out: Outcome::default(),
        })
    }

    fn set(&mut self, after: Duration, timer: Timer) {
        self.timers_set += 1;
        self.timers.push(Reverse((Instant::now() + after, self.timers_set, timer)));
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::UacAgain(call, age) => self.uac_again(call, age),
            Timer::UacNoAnswer(call) => self.uac_no_answer(call),
            Timer::UacNoBye(call, age) => self.uac_no_bye(call, age),
            Timer::UacTail(call, age) => self.uac_tail(call, age),
            Timer::UacBye(call, age) => {
                if self.uacs[call].age == age {
                    self.hang_up(call);
                }
            }
            Timer::UasRing(call) => self.uas_ring(call),
            Timer::UasAnswer(call) => self.uas_answer(call),
            Timer::UasAgain(call, age) => self.uas_again(call, age),
            Timer::UasTail(call) => {
                if !self.uass[call].over {
                    self.send_media(self.uass[call].leg, 0);
                }
            }
        }
    }

    fn send_uac(&self, octets: &[u8]) {
        let _ = self.uac_socket.send_to(octets, self.plan.server);
    }

    fn send_uas(&self, octets: &[u8]) {
        let _ = self.uas_socket.send_to(octets, self.plan.server);
    }

    fn sdp(&self, leg: Option<usize>, session: usize, codec: Codec) -> String {
        let leg = self.media.as_ref().zip(leg);
        let port = leg.map_or(9000, |(media, leg)| media.legs[leg].port);
        sip::sdp(self.ip, port, session as u64 + 1, &[codec])
    }

    /// Gives the leg a stream of its own.
    fn new_stream(&mut self, leg: Option<usize>) {
        if let Some((media, leg)) = self.media.as_ref().zip(leg) {
            media.legs[leg].stream.store(self.next_stream, Release);
            self.next_stream += 1;
        }
    }

    /// Sends the leg's audio to `target`; nowhere if 0.
    fn send_media(&self, leg: Option<usize>, target: u64) {
        if let Some((media, leg)) = self.media.as_ref().zip(leg) {
            media.legs[leg].target.store(target, Release);
        }
    }

    fn snap(&self) -> Snap {
        procstat::snap(self.plan.server_pid)
    }
}
