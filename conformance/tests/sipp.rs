//! SIPp against the exchange: registrations, calls in number, and retransmissions provoked.
//!
//! The long runs are `#[ignore]`d; `cargo test --release -p telex-conformance --test sipp -- --ignored` does them.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telex_conformance::exchange::{Carried, Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::peers;
use telex_conformance::sipp::{Counts, Running, Sipp, on};
use telex_engine::border::Transport::{self, Tcp, Udp};

/// Time for a short run on a busy machine.
const SHORT: Duration = Duration::from_secs(120);

/// Load tests measure the machine too, so they go one after another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An exchange with the caller `alice`, and the callee `bob` who is always at a SIPp.
struct Pair {
    exchange: Exchange,
    alice: SocketAddr,
    bob: SocketAddr,
    transport: Transport,
}

impl Pair {
    fn new(ground: &Ground, transport: Transport) -> Self {
        let places = [on(ground.address()), on(ground.address())];
        Self::at(ground, Plan::new(ground), places, transport)
    }

    fn at(ground: &Ground, plan: Plan, [alice, bob]: [SocketAddr; 2], transport: Transport) -> Self {
        let contact = format!("sip:bob@{bob};transport={}", transport.as_str().to_lowercase());
        let exchange = plan.phone("alice").fixed("bob", &contact).start(ground);
        Self { exchange, alice, bob, transport }
    }

    /// Alice's SIPp.
    fn caller(&self, ground: &Ground, scenario: &str) -> Sipp {
        Sipp::new(ground, "alice", scenario, self.alice, self.transport)
            .server(self.exchange.server())
            .users(["alice".to_owned()])
            .options(&["-s", "bob"])
            .tone(440.0)
    }

    /// Bob's SIPp, which rings for that long, answers `count` calls and sends back what it hears.
    fn callee(&self, ground: &Ground, count: u32, rings: Duration) -> Running {
        let callee = Sipp::new(ground, "bob", "answer", self.bob, self.transport);
        callee.options(&["-rtp_echo", "-m", &count.to_string()]).hold(rings).listen()
    }

    /// Calls with sound both ways; none may fail. What the caller counted.
    fn calls(&self, ground: &Ground, (count, at_once, rate): (u32, u32, u32), hold: Duration) -> Counts {
        let callee = self.callee(ground, count, Duration::ZERO);
        let caller = self.caller(ground, "call_media").calls(count, at_once, rate).hold(hold).start();
        let limit = SHORT + (hold + Duration::from_millis(500)) * count.div_ceil(at_once);
        let called = caller.finish(limit);
        let answered = callee.finish(SHORT);
        assert_eq!((called.successful, answered.successful), (u64::from(count), u64::from(count)));
        self.assert_carried(count, hold);
        called
    }
}

impl Pair {
    /// Every call carried a packet per 20 ms both ways, as far as SIPp sends them: it may begin 0.2 s late, and is late
    /// with some on a busy machine. What came in went out, but for a packet or two before both ends were known and
    /// after one had gone.
    fn assert_carried(&self, count: u32, hold: Duration) {
        let carried = self.exchange.carried();
        assert_eq!(carried.len(), count as usize, "calls with packets in the log");
        let least = (hold - Duration::from_millis(200)).as_millis() as u64 / 20 * 8 / 10;
        for call in carried {
            let Carried { from_caller, to_callee, from_callee, to_caller } = call;
            assert!(from_caller >= least && from_callee >= least, "{call:?}, not {least} each");
            assert!(to_callee + 3 >= from_caller && to_caller + 3 >= from_callee, "{call:?}");
        }
    }
}

fn extensions(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("u{n:05}"))
}

fn register(count: u32, rate: u32, transport: Transport) {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("sipp-register");
    let exchange = extensions(count).fold(Plan::new(&ground), |plan, user| plan.phone(&user)).start(&ground);
    let run = Sipp::new(&ground, "phones", "register", on(ground.address()), transport)
        .server(exchange.server())
        .users(extensions(count))
        .calls(count, 2000, rate)
        .start();
    let counts = run.finish(SHORT + Duration::from_secs(u64::from(count / rate)));
    assert_eq!(counts.successful, u64::from(count));
    assert_eq!(exchange.registrations().len(), count as usize);
    exchange.finish();
}

#[test]
fn a_hundred_phones_register_over_udp() {
    register(100, 100, Udp);
}

#[test]
fn a_hundred_phones_register_over_tcp() {
    register(100, 100, Tcp);
}

#[test]
#[ignore = "long: a minute"]
fn ten_thousand_phones_register() {
    register(10_000, 500, Udp);
}

#[test]
fn a_registered_phone_is_called() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("sipp-registered");
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let (alice, bob) = (on(ground.address()), on(ground.address()));
    let registering = Sipp::new(&ground, "bob-registers", "register", bob, Udp)
        .server(exchange.server())
        .users(["bob".to_owned()])
        .calls(1, 1, 1)
        .start();
    registering.finish(SHORT);
    let pair = Pair { exchange, alice, bob, transport: Udp };
    pair.calls(&ground, (1, 1, 1), Duration::from_secs(1));
    pair.exchange.finish();
}

fn calls(name: &str, transport: Transport, load: (u32, u32, u32), hold: Duration) {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new(name);
    let pair = Pair::new(&ground, transport);
    let counts = pair.calls(&ground, load, hold);
    assert_eq!(counts.peak, u64::from(load.1), "calls up at one time");
    pair.exchange.finish();
}

#[test]
fn calls_one_after_another_over_udp() {
    calls("sipp-sequence-udp", Udp, (20, 1, 100), Duration::from_millis(300));
}

#[test]
fn calls_one_after_another_over_tcp() {
    calls("sipp-sequence-tcp", Tcp, (20, 1, 100), Duration::from_millis(300));
}

#[test]
fn a_hundred_calls_at_once_over_udp() {
    calls("sipp-hundred-udp", Udp, (100, 100, 25), Duration::from_secs(10));
}

#[test]
fn a_hundred_calls_at_once_over_tcp() {
    calls("sipp-hundred-tcp", Tcp, (100, 100, 25), Duration::from_secs(10));
}

#[test]
fn calls_over_ipv6() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return peers::skip("this host has no IPv6");
    }
    let _alone = alone();
    let ground = Ground::new("sipp-ipv6");
    let at = |port: u16| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let first = ground.ports(12);
    let places = [at(first + 2), at(first + 8)];
    let pair = Pair::at(&ground, Plan::new(&ground).at(at(first)), places, Udp);
    pair.calls(&ground, (5, 1, 100), Duration::from_secs(1));
    pair.exchange.finish();
}

#[test]
#[ignore = "long: some minutes"]
fn a_thousand_calls_one_after_another() {
    calls("sipp-thousand", Udp, (1000, 1, 100), Duration::from_millis(300));
}

#[test]
fn what_a_caller_sends_again_is_absorbed_and_what_it_does_not_acknowledge_comes_again() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("sipp-late-call");
    let pair = Pair::new(&ground, Udp);
    // It rings for a second, so that there is something to repeat to the INVITE that comes again.
    let callee = pair.callee(&ground, 1, Duration::from_secs(1));
    let caller = pair.caller(&ground, "late_call").options(&["-nr"]).calls(1, 1, 1).start();
    assert_eq!(caller.finish(SHORT).successful, 1);
    assert_eq!(callee.finish(SHORT).successful, 1);
    pair.exchange.finish();
}

#[test]
fn what_a_callee_does_not_answer_comes_again() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("sipp-late-answer");
    let pair = Pair::new(&ground, Udp);
    let callee =
        Sipp::new(&ground, "bob", "late_answer", pair.bob, Udp).options(&["-nr", "-m", "1"]).listen();
    let caller = pair.caller(&ground, "call").calls(1, 1, 1).hold(Duration::from_secs(2)).start();
    assert_eq!(caller.finish(SHORT).successful, 1);
    assert_eq!(callee.finish(SHORT).successful, 1);
    pair.exchange.finish();
}

#[test]
fn calls_succeed_when_both_ends_lose_every_twentieth_message() {
    if !peers::installed(&["sipp"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("sipp-lossy");
    let pair = Pair::new(&ground, Udp);
    let lossy = ["-lost", "5"];
    let callee =
        Sipp::new(&ground, "bob", "answer", pair.bob, Udp).options(&["-m", "50"]).options(&lossy).listen();
    // Long enough for a lost ACK to be asked for four times before the BYE, which SIPp does not take without it.
    let hold = Duration::from_secs(8);
    let caller = pair.caller(&ground, "call").options(&lossy).calls(50, 50, 10).hold(hold).start();
    let counts = caller.finish(SHORT);
    assert_eq!((counts.successful, callee.finish(SHORT).successful), (50, 50));
    assert!(counts.retransmissions > 0, "nothing was lost: {counts:?}");
    pair.exchange.finish();
}
