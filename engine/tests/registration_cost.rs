//! What a registration costs: memory it holds, time to make it.
//!
//! The first test runs with the others. The measurement is asked for with
//! `cargo test --release -p telex-engine --test registration_cost -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "what does not hold here fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use telex_engine::border::{Listener, ListenerId, Transport};
use telex_engine::config::{Config, Credentials, Phone};
use telex_engine::rng::Seed;
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Actions, Boot, Input, Signalling};

/// Counts what this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: all calls go on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HELD.try_with(|h| h.set(h.get() + layout.size() as i64));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|h| h.set(h.get() - layout.size() as i64));
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const US: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn extension(n: u32) -> String {
    format!("u{n:05}")
}

fn source(n: u32) -> SocketAddr {
    SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 5060))
}

/// A REGISTER as phones send it, about 600 octets with credentials.
fn register(n: u32, cseq: u32, authorization: &str) -> Bytes {
    let (user, host) = (extension(n), source(n));
    let text = format!(
        "REGISTER sip:telex.example SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{n}x{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"User {n}\" <sip:{user}@telex.example>;tag={n}a\r\n\
         To: <sip:{user}@telex.example>\r\nCall-ID: 4f7c9d1e-{n}-8a6b@{host}\r\nCSeq: {cseq} REGISTER\r\n\
         Contact: <sip:{user}@{host};transport=udp>;+sip.instance=\"<urn:uuid:2b6d0c1e-7a55-4c1d-9a0e-0000{n:08x}>\"\r\n\
         {authorization}Expires: 3600\r\nSupported: path, replaces\r\nUser-Agent: Phone 7.2 (build 1234)\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Bytes::from(text)
}

fn authorization(n: u32, challenge: &[u8]) -> String {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let (user, uri) = (extension(n), "sip:telex.example");
    let (a1, a2) = (hex(&format!("{user}:telex:secret")), hex(&format!("REGISTER:{uri}")));
    let response = hex(&format!("{a1}:{nonce}:00000001:0a4f113b:auth:{a2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\"\r\n"
    )
}

struct Site {
    telex: Signalling,
    now: Instant,
    out: Actions,
}

impl Site {
    fn new(phones: u32) -> Self {
        let mut config = Config::default();
        for n in 0..phones {
            let credentials = Some(Credentials::from_password(&extension(n), "telex", "secret"));
            config.phones.insert(extension(n).into(), Phone { credentials, ..Phone::default() });
        }
        let listeners = vec![Listener { id: ListenerId(0), transport: Transport::Udp, local: US }];
        let boot = Boot { listeners, shards: 1, ..Boot::default() };
        let telex = Signalling::new(Arc::new(config), Seed::from_number(1), boot);
        Self { telex, now: Instant::ZERO, out: Actions::new() }
    }

    /// The answer to a datagram from phone `n`.
    fn ask(&mut self, n: u32, bytes: Bytes) -> Bytes {
        let input = Input::Datagram { listener: ListenerId(0), local: US.ip(), remote: source(n), bytes };
        self.telex.handle(self.now, input, &mut self.out);
        let answer = self.out.drain(..).find_map(|action| match action {
            Action::Transmit { bytes, .. } => Some(bytes),
            _ => None,
        });
        answer.expect("an answer")
    }

    fn register(&mut self, n: u32, cseq: u32) {
        let challenge = self.ask(n, register(n, cseq, ""));
        assert!(challenge.starts_with(b"SIP/2.0 401"), "{challenge:?}");
        let authorization = authorization(n, &challenge);
        let answer = self.ask(n, register(n, cseq + 1, &authorization));
        assert!(answer.starts_with(b"SIP/2.0 200"), "{answer:?}");
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.telex.deadline().map(|d| d.at).filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.telex.handle(self.now, Input::Wake, &mut self.out);
            self.out.clear();
        }
        self.now = until;
    }

    /// Registers all phones, ten each second, and lets every transaction end. The octets held for each.
    fn fill(&mut self, phones: u32) -> i64 {
        let before = HELD.get();
        for n in 0..phones {
            self.register(n, 1);
            self.pass(Duration::from_millis(100));
        }
        self.pass(Duration::from_secs(40));
        assert_eq!(self.telex.stats().bindings, phones as usize);
        assert_eq!(self.telex.stats().transactions, 0);
        (HELD.get() - before) / i64::from(phones)
    }
}

#[test]
fn a_registration_holds_little_memory() {
    let held = Site::new(1000).fill(1000);
    assert!((300..2000).contains(&held), "{held} octets");
}

#[test]
fn refreshes_hold_no_more() {
    let mut site = Site::new(300);
    site.fill(300);
    let before = HELD.get();
    for round in 1..4 {
        site.pass(Duration::from_secs(600));
        for n in 0..300 {
            site.register(n, 10 * round);
        }
        site.pass(Duration::from_secs(40));
    }
    let grown = HELD.get() - before;
    assert!(grown < 300 * 100, "{grown} octets more after three refreshes of 300 phones");
}

#[test]
#[ignore = "a measurement"]
fn cost() {
    let phones = 5000;
    let mut site = Site::new(phones);
    println!("memory held per registration: {} octets", site.fill(phones));
    for round in 1..6 {
        site.pass(Duration::from_secs(40));
        let asked: Vec<_> = (0..phones).map(|n| register(n, 10 * round, "")).collect();
        let start = on_cpu();
        let challenges: Vec<_> = (0..).zip(asked).map(|(n, bytes)| site.ask(n, bytes)).collect();
        let challenge = on_cpu() - start;
        let asked = (0..).zip(&challenges);
        let asked: Vec<_> = asked.map(|(n, c)| register(n, 10 * round + 1, &authorization(n, c))).collect();
        let start = on_cpu();
        for (n, bytes) in (0..).zip(asked) {
            site.ask(n, bytes);
        }
        let registration = on_cpu() - start;
        let each = |time: u64| time / u64::from(phones);
        println!("challenge {} ns, registration {} ns of CPU", each(challenge), each(registration));
    }
}

/// Nanoseconds this thread has been running; Linux only.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
