//! Attacks on the real program: a registered phone calls meanwhile, is heard, and waits little; nothing is learnt, and
//! nothing stays behind.

#![allow(clippy::unwrap_used, reason = "what does not hold here fails the test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use telex_conformance::exchange::{Exchange, PASSWORD, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::peers;
use telex_conformance::phone::{Called, Phone};

/// The longest that a call may take to be set up under attack, on a busy machine: before its first retransmission.
const SETUP: Duration = Duration::from_millis(500);
/// How long each attack lasts.
const ATTACK: Duration = Duration::from_secs(3);
/// Pause after each twenty messages of an attacker: the program without optimisation is some thirty times slower.
const PAUSE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 40 } else { 4 });
/// Memory that the exchange may take more under attack.
const GROWTH: u64 = 100 << 20;

/// Attacks measure the machine too, so they go one after another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who attacks from one address.
struct Attacker<'a> {
    socket: UdpSocket,
    server: SocketAddr,
    over: &'a AtomicBool,
    sent: &'a AtomicU64,
    n: u64,
}

impl Attacker<'_> {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Sends, at most some thousands in a second.
    fn send(&mut self, octets: &[u8]) {
        let _ = self.socket.send_to(octets, self.server);
        self.n += 1;
        self.sent.fetch_add(1, Ordering::Relaxed);
        if self.n.is_multiple_of(20) {
            thread::sleep(PAUSE);
        }
    }

    /// A request that nobody authorised.
    fn request(&self, method: &str, user: &str, more: &str) -> Vec<u8> {
        let (here, n) = (self.here(), self.n);
        let uri = if method == "REGISTER" { "sip:telex".to_owned() } else { format!("sip:{user}@telex") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKx{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@telex>;tag=x{n}\r\nTo: <sip:{user}@telex>\r\nCall-ID: x{n}@{here}\r\n\
             CSeq: {} {method}\r\nContact: <sip:{user}@{here}>\r\n{more}Content-Length: 0\r\n\r\n",
            n % 1_000_000
        )
        .into_bytes()
    }

    fn here(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Takes what came back, so that it is not complained about.
    fn drain(&self) -> Option<String> {
        let mut room = [0; 65_536];
        let mut last = None;
        while let Ok((length, _)) = self.socket.recv_from(&mut room) {
            last = Some(String::from_utf8_lossy(&room[..length]).into_owned());
        }
        last
    }
}

/// An exchange with alice, who calls, and mallory, who has a password too.
struct Site {
    ground: Ground,
    exchange: Exchange,
    alice: Phone,
}

impl Site {
    fn new(name: &str) -> Self {
        let ground = Ground::new(name);
        let plan = ["alice", "bob", "mallory"].iter().fold(Plan::new(&ground), |plan, user| plan.phone(user));
        let exchange = plan.start(&ground);
        let mut alice = Phone::new("alice", exchange.server(), ground.address());
        alice.register();
        alice.call().unwrap();
        Self { ground, exchange, alice }
    }

    /// Alice calls while `attack` is carried out from so many addresses at once; what is left to see is returned.
    fn under(&mut self, sources: usize, attack: impl Fn(&mut Attacker<'_>) + Sync) {
        let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let before = self.memory();
        let server = self.exchange.server();
        let addresses: Vec<Ipv4Addr> = (0..sources).map(|_| self.ground.address()).collect();
        let mut calls: Vec<Result<Called, String>> = Vec::new();
        thread::scope(|scope| {
            for address in addresses {
                let (attack, over, sent) = (&attack, &over, &sent);
                scope.spawn(move || {
                    let socket = UdpSocket::bind((address, 0)).unwrap();
                    socket.set_nonblocking(true).unwrap();
                    attack(&mut Attacker { socket, server, over, sent, n: 0 });
                });
            }
            let until = Instant::now() + ATTACK;
            while Instant::now() < until {
                calls.push(self.alice.call());
            }
            over.store(true, Ordering::Relaxed);
        });
        let sent = sent.load(Ordering::Relaxed);
        println!("{sent} messages meanwhile; calls: {calls:?}");
        assert!(sent >= 50 && calls.len() >= 2, "{sent} messages, {} calls", calls.len());
        for called in calls {
            let Called { setup, sent, heard } = called.unwrap();
            assert!(setup < SETUP, "set up after {setup:?}");
            // The first may overtake the answer that it belongs to.
            assert!(heard + 1 >= sent, "{heard} of {sent} packets of audio came back");
        }
        let after = self.memory();
        assert!(after < before + GROWTH, "memory grew from {before} to {after} octets");
    }

    /// Resident memory in octets.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.exchange.pid())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    fn stat(&self, name: &str) -> u64 {
        self.exchange.ask("stats")["stats"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
    }

    fn finish(mut self) {
        self.alice.call().unwrap();
        self.exchange.finish();
    }
}

#[test]
fn a_register_sweep_and_invites_without_credentials() {
    let _alone = alone();
    let mut site = Site::new("attack-sweep");
    site.under(2, |attacker| {
        while attacker.goes_on() {
            let method = ["REGISTER", "INVITE", "SUBSCRIBE", "OPTIONS"][(attacker.n % 4) as usize];
            let request = attacker.request(method, &format!("{}", attacker.n % 10_000), "Event: dialog\r\n");
            attacker.send(&request);
            attacker.drain();
        }
    });
    // Whatever they asked, nothing was kept but what alice's own calls left.
    assert!(site.stat("transactions") < 200, "{}", site.stat("transactions"));
    site.finish();
}

#[test]
fn passwords_are_guessed_slowly_and_their_owner_calls() {
    let _alone = alone();
    let mut site = Site::new("attack-guess");
    site.under(3, |attacker| {
        let mut nonce = String::new();
        while attacker.goes_on() {
            let guess = format!(
                "Authorization: Digest username=\"alice\", realm=\"telex\", nonce=\"{nonce}\", uri=\"sip:telex\", \
                 response=\"{:032x}\", qop=auth, nc=00000001, cnonce=\"c\"\r\n",
                attacker.n
            );
            let request = attacker.request("REGISTER", "alice", &guess);
            attacker.send(&request);
            let told = attacker.drain();
            let fresh = told.as_deref().and_then(|t| t.split("nonce=\"").nth(1)).and_then(|t| t.split('"').next());
            nonce = fresh.unwrap_or(&nonce).to_owned();
        }
    });
    let log = site.exchange.log();
    let looked_at = log.matches("wrong credentials for alice from").count();
    assert!((3 * 5..=3 * 6 + 1).contains(&looked_at), "{looked_at} guesses were looked at");
    assert!(log.contains("too many wrong credentials: those for alice from"), "{log}");
    assert!(site.stat("slowed") > 1000);
    // The owner gets in from a place that nobody knew, at once.
    Phone::new("alice", site.exchange.server(), site.ground.address()).register();
    site.finish();
}

#[test]
fn replayed_credentials_and_nonces_made_up() {
    let _alone = alone();
    let mut site = Site::new("attack-replay");
    let stolen = site.alice.register();
    let before = site.exchange.registrations();
    site.under(2, |attacker| {
        while attacker.goes_on() {
            // Once with a Contact of the thief.
            let (alice, here) = ("Contact: <sip:alice@", attacker.here());
            let text = String::from_utf8(stolen.clone()).unwrap();
            let text = text.replace(alice, &format!("Contact: <sip:alice@{here}>, <sip:alice@"));
            attacker.send(&stolen);
            attacker.send(text.as_bytes());
            let made_up = format!(
                "Authorization: Digest username=\"u{0}\", realm=\"telex\", nonce=\"{0:040x}\", uri=\"sip:telex\", \
                 response=\"{0:032x}\"\r\n",
                attacker.n
            );
            let request = attacker.request("REGISTER", "x", &made_up);
            attacker.send(&request);
            attacker.drain();
        }
    });
    let contacts = |list: &[serde_json::Value]| -> Vec<String> {
        list.iter().map(|r| r["contact"].to_string()).collect()
    };
    assert_eq!(contacts(&site.exchange.registrations()), contacts(&before));
    site.finish();
}

#[test]
fn malformed_floods_and_header_bombs() {
    let _alone = alone();
    let mut site = Site::new("attack-bombs");
    let bombs = bombs();
    site.under(2, |attacker| {
        let mut noise = 1u64;
        while attacker.goes_on() {
            let mut garbage = vec![0u8; 700];
            for octet in &mut garbage {
                // Knuth's generator: any noise will do.
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *octet = (noise >> 56) as u8;
            }
            attacker.send(&garbage);
            let request = attacker.request("INVITE", "bob", "");
            attacker.send(&request[..request.len() * (attacker.n as usize % 97) / 97]);
            attacker.send(&bombs[attacker.n as usize % bombs.len()]);
            attacker.drain();
        }
    });
    assert!(site.stat("malformed") > 100);
    site.finish();
}

/// The worst that fits into a datagram.
fn bombs() -> Vec<Vec<u8>> {
    let with = |more: String| {
        let mut text = "INVITE sip:bob@telex SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKbomb\r\n\
             From: <sip:x@telex>;tag=1\r\nTo: <sip:bob@telex>\r\nCall-ID: b\r\nCSeq: 1 INVITE\r\n"
            .to_owned();
        text.push_str(&more);
        text.truncate(60_000);
        text.push_str("\r\n\r\n");
        text.into_bytes()
    };
    let many = |line: &dyn Fn(usize) -> String, count: usize| {
        (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "{}\r\n", line(n));
            text
        })
    };
    vec![
        with(many(&|n| format!("X-{n}: y"), 243)),
        with(many(&|n| format!("X-{n}: y"), 5000)),
        with(many(&|n| format!("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{n}"), 1000)),
        with(format!("Via: {}", vec!["SIP/2.0/UDP 10.0.0.1"; 2800].join(","))),
        with(format!("Subject: {}", "(".repeat(59_000))),
        with(format!("Contact: \"{}", "\\\"".repeat(29_000))),
        with(format!("Contact: {}", "<sip:a@b>,".repeat(5_800))),
        with(format!("Contact: <sip:a@b{}>", ";p".repeat(29_000))),
        with(format!("Route: {}", "<sip:a@b;lr>,".repeat(4_400))),
        with(format!("Authorization: Digest {}", "a=b,".repeat(14_000))),
        with(format!("Require: {}", "x,".repeat(29_000))),
        with(format!("X: {}", "y\r\n ".repeat(14_000))),
    ]
}

#[test]
fn half_open_invites_from_one_address_and_many() {
    let _alone = alone();
    let mut site = Site::new("attack-half-open");
    // Ten thousand between them.
    site.under(20, |attacker| {
        for _ in 0..500 {
            let request = attacker.request("INVITE", "bob", "");
            attacker.send(&request);
            thread::sleep(Duration::from_millis(3));
        }
    });
    site.under(1, |attacker| {
        while attacker.goes_on() && attacker.n < 10_000 {
            let request = attacker.request("INVITE", "bob", "");
            attacker.send(&request);
        }
    });
    assert!(site.stat("transactions") < 200, "{}", site.stat("transactions"));
    site.finish();
}

/// Who has a password can open calls and leave them unacknowledged, and register what it likes, but no more than that.
#[test]
fn a_phone_with_a_password_that_means_harm() {
    let _alone = alone();
    let mut site = Site::new("attack-insider");
    let (server, address) = (site.exchange.server(), site.ground.address());
    site.under(1, |attacker| {
        let mut mallory = Phone::new("mallory", server, address);
        mallory.register();
        while attacker.goes_on() {
            mallory.abandon_call();
            attacker.sent.fetch_add(4, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
        }
        let many = (0..60).fold(String::new(), |mut all, n| {
            let _ = write!(all, "<sip:m{n}@192.0.2.1>,");
            all
        });
        assert_ne!(mallory.register_with(&format!("Contact: {}<sip:m@192.0.2.1>\r\n", many)), Some(200));
    });
    let registrations = site.exchange.registrations();
    assert!(registrations.len() <= 3, "{registrations:?}");
    site.finish();
}

#[test]
fn slow_streams() {
    let _alone = alone();
    let mut site = Site::new("attack-slow");
    let server = site.exchange.server();
    site.under(1, |attacker| {
        let message = attacker.request("OPTIONS", "bob", "");
        let mut streams: Vec<TcpStream> = Vec::new();
        for n in 0.. {
            if !attacker.goes_on() {
                return;
            }
            // The port of a connection is its own: all come from 127.0.0.1.
            if streams.len() < 500
                && let Ok(stream) = TcpStream::connect_timeout(&server, Duration::from_millis(500))
            {
                stream.set_nonblocking(true).unwrap();
                streams.push(stream);
            }
            let count = streams.len().max(1);
            if let Some(stream) = streams.get_mut(n % count) {
                let at = n / count % message.len();
                let _ = stream.write(&message[at..=at]);
                attacker.sent.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert!(site.stat("streams") <= 64, "{} streams of one stranger", site.stat("streams"));
    assert!(site.stat("full") > 100);
    site.finish();
}

/// What one of the scanners printed.
fn scanner(site: &Site, program: &str, args: &[&str]) -> String {
    let server = site.exchange.server();
    let mut command = Command::new("timeout");
    command.args(["60", program]).args(args).arg(server.ip().to_string());
    let output =
        command.current_dir(site.ground.dir()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    println!("{command:?}:\n{text}");
    text
}

#[test]
fn sipvicious_learns_nothing() {
    if !peers::installed(&["svmap", "svwar", "svcrack"]) {
        return;
    }
    let _alone = alone();
    let ground = Ground::new("attack-sipvicious");
    let plan = ["100", "101", "102", "200"].iter().fold(Plan::new(&ground), |plan, user| plan.phone(user));
    let exchange = plan.phone("alice").start(&ground);
    let mut alice = Phone::new("alice", exchange.server(), ground.address());
    alice.register();
    let site = Site { ground, exchange, alice };
    // That there is somebody is all that OPTIONS says.
    let map = scanner(&site, "svmap", &[]);
    assert!(map.contains("unknown") && !map.to_lowercase().contains("telex"), "{map}");
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"] {
        for force in [&[][..], &["--force"]] {
            let found = scanner(&site, "svwar", &[&["-e", "95-105,200", "-m", method], force].concat());
            assert!(found.contains("found nothing"), "{method}: {found}");
        }
    }
    // The right password is the fiftieth.
    let words = (1..50).fold(String::new(), |mut words, n| {
        let _ = writeln!(words, "guess{n}");
        words
    });
    let words = site.ground.write("words", words + PASSWORD + "\n");
    let words = words.to_str().unwrap();
    let mut ends = Vec::new();
    for user in ["100", "999"] {
        let found = scanner(&site, "svcrack", &["-u", user, "-d", words]);
        assert!(found.contains("found nothing") && !found.contains(PASSWORD), "{found}");
        ends.push(found);
    }
    assert_eq!(ends[0], ends[1], "whether there is such a phone is not told");
    let log = site.exchange.log();
    assert_eq!(log.matches("wrong credentials for 100 from").count(), 5, "{log}");
    // Meanwhile nothing has become of alice.
    site.finish();
}
