//! Registrations: each is REGISTER, 401, REGISTER with digest, 200.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::hist::Hist;
use crate::sip::{self, Msg, numbered};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

/// What to register, how often, how fast.
pub struct Plan {
    pub server: SocketAddr,
    pub domain: String,
    pub user: String,
    pub auth_user: String,
    pub pass: String,
    pub first: usize,
    pub users: usize,
    pub count: usize,
    pub rate: f64,
    pub max_inflight: usize,
    pub timeout: Duration,
    pub expires: u32,
    pub run_id: String,
    pub keep_nonce: bool,
    /// Come again after a 503 that says when.
    pub retry: bool,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub attempted: usize,
    pub ok: usize,
    pub failed: BTreeMap<String, u64>,
    pub challenge_us: Hist,
    pub total_us: Hist,
    pub retransmissions: u64,
    /// Refusals that were obeyed.
    pub put_off: u64,
    /// Registrations done while new ones were still being started, and how long that took.
    pub ok_in_ramp: usize,
    pub ramp: f64,
    pub wall: f64,
    /// How often `max_inflight` held the next one back.
    pub stalled: u64,
    pub unchallenged: u64,
}

/// A registration under way.
struct Attempt {
    user: usize,
    cseq: u32,
    start: Instant,
    authed: bool,
    /// Refused for now: `again` is when to start anew.
    put_off: bool,
    last: Vec<u8>,
    again: Instant,
    interval: Duration,
    dead: Instant,
}

struct Run<'a> {
    socket: &'a UdpSocket,
    plan: &'a Plan,
    local: SocketAddr,
    out: Outcome,
    live: HashMap<usize, Attempt>,
    /// In order of their start; those no longer live are dropped when they come to the front.
    order: VecDeque<usize>,
    /// Digest answers to send again.
    answers: HashMap<usize, String>,
    next: Instant,
    waiting: bool,
}

/// Carries the plan out.
pub fn run(socket: &UdpSocket, plan: &Plan) -> std::io::Result<Outcome> {
    let start = Instant::now();
    let mut run = Run {
        socket,
        plan,
        local: socket.local_addr()?,
        out: Outcome::default(),
        live: HashMap::new(),
        order: VecDeque::new(),
        answers: HashMap::new(),
        next: start,
        waiting: false,
    };
    let mut room = [0u8; 8192];
    while run.out.attempted < plan.count || !run.live.is_empty() {
        let now = Instant::now();
        run.launch(now);
        if run.out.attempted < plan.count {
            (run.out.ok_in_ramp, run.out.ramp) = (run.out.ok, start.elapsed().as_secs_f64());
        }
        // About every 10 ms.
        if run.out.attempted.is_multiple_of(16) || run.next > now {
            run.look_after(now);
        }
        run.wait();
        for _ in 0..64 {
            let Ok((length, _)) = socket.recv_from(&mut room) else { break };
            run.receive(&room[..length]);
        }
    }
    run.out.wall = start.elapsed().as_secs_f64();
    Ok(run.out)
}

impl Run<'_> {
    /// Starts what is due.
    fn launch(&mut self, now: Instant) {
        let plan = self.plan;
        let step = if plan.rate > 0.0 { Duration::from_secs_f64(1.0 / plan.rate) } else { Duration::ZERO };
        while self.out.attempted < plan.count && self.next <= now {
            if self.live.len() >= plan.max_inflight {
                self.out.stalled += u64::from(!self.waiting);
                self.waiting = true;
                break;
            }
            self.waiting = false;
            let number = self.out.attempted;
            let user = plan.first + number % plan.users;
            self.out.attempted += 1;
            self.next += step;
            let answer = self.answers.get(&user).filter(|_| plan.keep_nonce);
            let last = self.message(user, 1, answer.map_or("", String::as_str), &self.call_id(number));
            let _ = self.socket.send_to(&last, plan.server);
            let attempt = Attempt {
                user,
                cseq: 1,
                start: now,
                authed: false,
                put_off: false,
                last,
                again: now + T1,
                interval: T1,
                dead: now + plan.timeout,
            };
            self.live.insert(number, attempt);
            self.order.push_back(number);
        }
    }

    fn call_id(&self, number: usize) -> String {
        format!("r{}x{number}", self.plan.run_id)
    }

    fn message(&self, user: usize, cseq: u32, auth: &str, key: &str) -> Vec<u8> {
        let user = numbered(&self.plan.user, user);
        let (domain, local, expires) = (&self.plan.domain, self.local, self.plan.expires);
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{key}.{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag=f{key}\r\nTo: <sip:{user}@{domain}>\r\n\
             Call-ID: {key}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{local}>\r\n{auth}\
             Expires: {expires}\r\nUser-Agent: loadgen\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    /// Retransmissions and timeouts.
    fn look_after(&mut self, now: Instant) {
        while self.order.front().is_some_and(|number| !self.live.contains_key(number)) {
            self.order.pop_front();
        }
        let oldest = self.order.front().and_then(|number| self.live.get(number));
        if oldest.is_none_or(|attempt| now - attempt.start <= Duration::from_millis(490)) {
            return;
        }
        let mut gone = Vec::new();
        let mut anew = Vec::new();
        for (number, attempt) in &mut self.live {
            if attempt.put_off {
                if now >= attempt.again {
                    anew.push(*number);
                }
            } else if now >= attempt.dead {
                let why = if attempt.authed { "timeout_after_auth" } else { "timeout_no_response" };
                gone.push((*number, why));
            } else if now >= attempt.again {
                let _ = self.socket.send_to(&attempt.last, self.plan.server);
                self.out.retransmissions += 1;
                attempt.interval = (attempt.interval * 2).min(T2);
                attempt.again = now + attempt.interval;
            }
        }
        for (number, why) in gone {
            self.live.remove(&number);
            self.fail(why);
        }
        for number in anew {
            self.start_anew(number, now);
        }
    }

    /// Registers after the wait that was asked for.
    fn start_anew(&mut self, number: usize, now: Instant) {
        let Some((user, cseq)) = self.live.get(&number).map(|attempt| (attempt.user, attempt.cseq + 1))
        else {
            return;
        };
        let last = self.message(user, cseq, "", &self.call_id(number));
        let _ = self.socket.send_to(&last, self.plan.server);
        if let Some(attempt) = self.live.get_mut(&number) {
            attempt.put_off = false;
            attempt.authed = false;
            attempt.cseq = cseq;
            attempt.last = last;
            attempt.interval = T1;
            attempt.again = now + T1;
            attempt.dead = now + self.plan.timeout;
        }
    }

    /// Obeys a 503 that says when to come again. False when it does not, or the plan is not to.
    fn put_off(&mut self, m: &Msg, number: usize, now: Instant) -> bool {
        let after = m.get("Retry-After").and_then(|after| after.trim().parse::<u64>().ok());
        let Some((after, attempt)) = after.filter(|_| self.plan.retry).zip(self.live.get_mut(&number)) else {
            return false;
        };
        attempt.put_off = true;
        attempt.again = now + Duration::from_secs(after);
        self.out.put_off += 1;
        true
    }

    fn fail(&mut self, why: &str) {
        *self.out.failed.entry(why.to_owned()).or_default() += 1;
    }

    /// Waits for the next start or the next message, at most 10 ms.
    fn wait(&self) {
        let most = Duration::from_millis(10);
        let launching = self.out.attempted < self.plan.count && !self.waiting;
        let wait =
            if launching { self.next.saturating_duration_since(Instant::now()).min(most) } else { most };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(self.socket, PollFlags::IN)], Some(&timeout));
    }

    fn receive(&mut self, octets: &[u8]) {
        let Some(m) = Msg::parse(octets) else { return };
        let Some(code) = m.status() else {
            sip::reply_simple(self.socket, &m, self.plan.server, 200, "OK");
            return;
        };
        let id = m.get("Call-ID").unwrap_or("");
        let number = id.strip_prefix('r').and_then(|id| id.strip_prefix(self.plan.run_id.as_str()));
        let number = number.and_then(|id| id.strip_prefix('x')).and_then(|id| id.parse::<usize>().ok());
        let Some((number, attempt)) = number.and_then(|number| Some((number, self.live.get(&number)?)))
        else {
            return;
        };
        if code < 200 || m.cseq().0 != attempt.cseq || attempt.put_off {
            return;
        }
        let now = Instant::now();
        let took = (now - attempt.start).as_micros() as u64;
        match code {
            401 | 407 if !attempt.authed => {
                self.out.challenge_us.add(took);
                if self.answer(&m, number, id, now) {
                    return;
                }
                self.fail("challenge_unusable");
            }
            200..=299 => {
                self.out.unchallenged += u64::from(!attempt.authed);
                self.out.ok += 1;
                self.out.total_us.add(took);
            }
            503 if self.put_off(&m, number, now) => return,
            code => self.fail(&format!("sip_{code}")),
        }
        self.live.remove(&number);
    }

    /// Registers again with the answer to a challenge; whether there is one.
    fn answer(&mut self, m: &Msg, number: usize, id: &str, now: Instant) -> bool {
        let plan = self.plan;
        let Some((user, cseq)) = self.live.get(&number).map(|attempt| (attempt.user, attempt.cseq + 1))
        else {
            return false;
        };
        let (name, pass) = (numbered(&plan.auth_user, user), numbered(&plan.pass, user));
        let uri = format!("sip:{}", plan.domain);
        let Some(auth) = sip::answer_challenge(m, &name, &pass, "REGISTER", &uri, 1) else { return false };
        let last = self.message(user, cseq, &auth, id);
        let _ = self.socket.send_to(&last, plan.server);
        if let Some(attempt) = self.live.get_mut(&number) {
            attempt.authed = true;
            attempt.cseq = cseq;
            attempt.last = last;
            attempt.interval = T1;
            attempt.again = now + T1;
        }
        if plan.keep_nonce {
            self.answers.insert(user, auth);
        }
        true
    }
}
