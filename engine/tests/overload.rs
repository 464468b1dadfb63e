//! An exchange on a host of finite speed, asked for more than it can do.
//!
//! Time is virtual: each message costs what the model says, those that come meanwhile wait in one queue, and the engine
//! is told how long, as a driver tells it.

#![allow(clippy::unwrap_used, reason = "what does not hold here fails the test")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use telex_engine::border::{Listener, ListenerId, Transport};
use telex_engine::config::{Config, Credentials, Phone};
use telex_engine::mediactl::{MediaReport, PortId, ShardId};
use telex_engine::rng::Seed;
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Actions, Boot, Input, Signalling};

const US: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
/// What a message costs that is taken: a slow host does 500 registrations in a second.
const TAKEN: u64 = 1000;
/// What a refusal costs: measured on the daemon, a fifth of the above.
const REFUSED: u64 = 200;
/// The registrations of a second at the best.
const CAPACITY: u64 = 1_000_000 / (2 * TAKEN);
/// How long registrations are asked for, in seconds.
const SECONDS: u64 = 3;
/// What the waiting is told in steps of, in microseconds.
const STEP: u64 = 5_000;

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn source(n: u64) -> SocketAddr {
    SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 5060))
}

/// The credentials that answer a 401.
fn authorization(n: u64, method: &str, uri: &str, refusal: &str) -> String {
    let nonce = refusal.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let (a1, a2) = (hex(&format!("{n}:telex:secret")), hex(&format!("{method}:{uri}")));
    let response = hex(&format!("{a1}:{nonce}:00000001:c:auth:{a2}"));
    format!(
        "Authorization: Digest username=\"{n}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    )
}

/// A request of phone `n`; `tag` is that of the exchange in a dialog.
fn request(n: u64, method: &str, uri: &str, cseq: u32, tag: &str, more: &str) -> Bytes {
    let host = source(n);
    let to = if method == "REGISTER" { format!("sip:{n}@telex") } else { uri.to_owned() };
    let call = if method == "REGISTER" { format!("r{n}") } else { format!("c{n}") };
    Bytes::from(format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{method}{n}x{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{n}@telex>;tag={n}\r\nTo: <{to}>{tag}\r\nCall-ID: {call}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:{n}@{host}>\r\nExpires: 3600\r\n{more}\r\n"
    ))
}

/// An exchange, what waits for it, and what came of that.
struct World {
    telex: Signalling,
    /// When the host is done with what it does, in microseconds.
    free: u64,
    /// What the engine was told, in steps.
    told: u64,
    /// Messages by the microsecond in which they arrive.
    coming: BTreeMap<u64, VecDeque<(u64, Bytes)>>,
    registered: u64,
    refused: u64,
    worst: Duration,
    /// Registrations in each second.
    seconds: BTreeMap<u64, u64>,
}

impl World {
    fn new(phones: u64) -> Self {
        let mut config = Config::default();
        for n in 0..phones {
            let credentials = Credentials::from_ha1(&hex(&format!("{n}:telex:secret")));
            config.phones.insert(n.to_string().into(), Phone { credentials, ..Phone::default() });
        }
        let listeners = vec![Listener { id: ListenerId(0), transport: Transport::Udp, local: US }];
        let boot = Boot { listeners, shards: 1, ..Boot::default() };
        let mut telex = Signalling::new(Arc::new(config), Seed::from_number(1), boot);
        let ports = (0..64).map(|n| PortId(10_000 + 2 * n)).collect();
        let report = MediaReport::Ports { ports };
        telex.handle(Instant::ZERO, Input::Media { shard: ShardId(0), report }, &mut Actions::new());
        Self {
            telex,
            free: 0,
            told: 0,
            coming: BTreeMap::new(),
            registered: 0,
            refused: 0,
            worst: Duration::ZERO,
            seconds: BTreeMap::new(),
        }
    }

    fn send(&mut self, at: u64, phone: u64, message: Bytes) {
        self.coming.entry(at).or_default().push_back((phone, message));
    }

    /// Hands in what comes next; gives what was answered and when. `None` when nothing comes any more.
    fn step(&mut self) -> Option<(u64, u64, String)> {
        let mut first = self.coming.first_entry()?;
        let arrived = *first.key();
        let (phone, bytes) = first.get_mut().pop_front()?;
        if first.get().is_empty() {
            first.remove();
        }
        let start = self.free.max(arrived);
        let waited = start - arrived;
        self.worst = self.worst.max(Duration::from_micros(waited));
        let now = Instant::from_nanos(start * 1000);
        let mut out = Actions::new();
        if waited / STEP != self.told {
            self.told = waited / STEP;
            let waiting = Duration::from_micros(self.told * STEP);
            self.telex.handle(now, Input::Load { waiting }, &mut out);
        }
        while self.telex.deadline().is_some_and(|d| d.at <= now) {
            self.telex.handle(now, Input::Wake, &mut out);
        }
        out.clear();
        let remote = source(phone);
        let input = Input::Datagram { listener: ListenerId(0), local: US.ip(), remote, bytes };
        self.telex.handle(now, input, &mut out);
        let sent = out.into_iter().find_map(|action| match action {
            Action::Transmit { bytes, .. } => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        });
        let sent = sent.unwrap_or_default();
        self.free = start + if sent.starts_with("SIP/2.0 503") { REFUSED } else { TAKEN };
        Some((self.free, phone, sent))
    }

    /// Phone 0 dials the echo and is left in its call; gives the tag of the exchange.
    fn call(&mut self) -> String {
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.1.0.0\r\ns=-\r\nc=IN IP4 10.1.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let uri = "sip:*43@telex";
        self.send(0, 0, request(0, "INVITE", uri, 1, "", ""));
        let refusal = self.step().unwrap().2;
        let length = sdp.len();
        let body = format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}");
        let more = authorization(0, "INVITE", uri, &refusal) + &body;
        let invite = request(0, "INVITE", uri, 2, "", &more);
        self.send(self.free, 0, invite.slice(..invite.len() - 2));
        let answer = self.step().unwrap().2;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let tag = answer.split("\r\nTo: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let tag = tag.split(";tag=").nth(1).unwrap();
        self.send(self.free, 0, request(0, "ACK", uri, 2, &format!(";tag={tag}"), ""));
        self.step();
        tag.to_owned()
    }

    /// Every phone registers once, so many in a second; those in a call speak up ten times in a second.
    fn storm(&mut self, rate: u64, tag: &str) {
        let began = self.free;
        for n in 1..rate * SECONDS {
            let at = began + n * 1_000_000 / rate;
            self.send(at, n, request(n, "REGISTER", "sip:telex", 1, "", ""));
        }
        for n in 0..10 * SECONDS {
            let update = request(0, "UPDATE", "sip:*43@telex", 10 + n as u32, &format!(";tag={tag}"), "");
            self.send(began + n * 100_000, 0, update);
        }
        while let Some((done, phone, sent)) = self.step() {
            match sent.split(' ').nth(1) {
                _ if phone == 0 => {
                    assert!(sent.starts_with("SIP/2.0 200"), "in a call: {sent}");
                }
                Some("401") => {
                    let more = authorization(phone, "REGISTER", "sip:telex", &sent);
                    // A millisecond there and back.
                    self.send(done + 1000, phone, request(phone, "REGISTER", "sip:telex", 2, "", &more));
                }
                Some("200") => {
                    self.registered += 1;
                    *self.seconds.entry((done - began) / 1_000_000).or_default() += 1;
                }
                Some("503") => {
                    let after = sent.split("Retry-After: ").nth(1).unwrap().split("\r\n").next().unwrap();
                    assert!((5..=25).contains(&after.parse::<u32>().unwrap()));
                    self.refused += 1;
                }
                _ => panic!("{sent}"),
            }
        }
    }
}

/// Registrations done in a second, how many were refused, and the longest wait of any message.
fn asked_for(rate: u64) -> (u64, u64, Duration) {
    let mut world = World::new(rate * SECONDS);
    let tag = world.call();
    world.storm(rate, &tag);
    world.telex.check();
    assert_eq!(world.registered + world.refused, rate * SECONDS - 1, "nobody is left without an answer");
    assert_eq!(world.telex.stats().shed, world.refused);
    let within = (0..SECONDS).filter_map(|second| world.seconds.get(&second)).sum::<u64>();
    (within / SECONDS, world.refused, world.worst)
}

#[test]
fn within_its_capacity_nobody_is_refused() {
    let (done, refused, worst) = asked_for(CAPACITY * 9 / 10);
    assert_eq!(refused, 0);
    assert!(done * 10 >= CAPACITY * 8, "{done}");
    assert!(worst < Duration::from_millis(15), "{worst:?}");
}

#[test]
fn at_twice_and_four_times_the_capacity_it_does_nearly_what_it_can() {
    let (twice, refused, worst) = asked_for(2 * CAPACITY);
    println!("{CAPACITY} in a second; asked for twice: {twice}, {refused} refused, longest wait {worst:?}");
    assert!(twice * 10 >= CAPACITY * 8 * 9 / 10 && refused > 0, "{twice} of {CAPACITY}");
    assert!(worst < Duration::from_millis(80), "{worst:?}");
    let (four, refused, worst) = asked_for(4 * CAPACITY);
    println!("asked for four times: {four}, {refused} refused, longest wait {worst:?}");
    assert!(four * 10 >= CAPACITY * 4, "{four} of {CAPACITY}");
    assert!(worst < Duration::from_millis(150), "{worst:?}");
}

/// `cargo test --release -p telex-engine --test overload -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement of real time")]
fn what_a_refusal_costs() {
    let mut world = World::new(10);
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.1.0.0\r\ns=-\r\nc=IN IP4 10.1.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let length = sdp.len();
    let more = format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}");
    let messages = |method: &str| -> Vec<Bytes> {
        let more = if method == "INVITE" { more.as_str() } else { "" };
        (0..50_000).map(|cseq| request(1, method, "sip:2@telex", cseq, "", more)).collect()
    };
    let mut out = Actions::new();
    for (what, waiting) in [("refused", 70), ("challenged", 0)] {
        for method in ["INVITE", "ACK", "REGISTER"] {
            let messages = messages(method);
            let began = std::time::Instant::now();
            for (n, bytes) in (0u64..).zip(messages) {
                let now = Instant::from_nanos(n * 1_000_000);
                let waiting = Duration::from_millis(waiting);
                tell_load(&mut world.telex, now, waiting, n);
                let remote = source(n % 1000);
                let input = Input::Datagram { listener: ListenerId(0), local: US.ip(), remote, bytes };
                world.telex.handle(now, input, &mut out);
                out.clear();
            }
            println!("{method} {what}: {} ns", began.elapsed().as_nanos() / 50_000);
        }
    }
}

/// Tells the load now and then, as a driver does.
fn tell_load(telex: &mut Signalling, now: Instant, waiting: Duration, n: u64) {
    if n.is_multiple_of(100) {
        telex.handle(now, Input::Load { waiting }, &mut Actions::new());
    }
}
