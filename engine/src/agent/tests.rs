//! Telephones that talk to the exchange and to each other, over a perfect network.

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::border::{Action, Boot, ListenerId};
use crate::config::{Credentials, DigestOffer, Phone};
use crate::mediactl::{LegStats, MediaCommand, MediaReport, PortId, Resume, ShardId};
use crate::signalling::Signalling;
use crate::sip::HeaderName;
use crate::transport::harness::wire;

const TELEX: &str = "192.0.2.1:5060";
const ALICE: &str = "192.0.2.7:5060";
const BOB: &str = "192.0.2.8:5060";
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// The exchange with phones 100 and 101, and those telephones.
struct World {
    telex: Signalling,
    alice: UserAgent,
    bob: UserAgent,
    now: Instant,
    wire: VecDeque<(SocketAddr, SocketAddr, Bytes)>,
    /// Start line and CSeq of everything that was sent.
    ladder: Vec<String>,
    heard: [Vec<AgentEvent>; 2],
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listeners(local: &str) -> Vec<Listener> {
    vec![Listener { id: ListenerId(0), transport: Transport::Udp, local: address(local) }]
}

fn server(at: &str) -> Server {
    Server { transport: Transport::Udp, address: address(at) }
}

impl World {
    fn new() -> Self {
        Self::with(DigestOffer::Md5, "secret")
    }

    /// Alice believes in this password.
    fn with(digest: DigestOffer, password: &str) -> Self {
        let mut config = Config { digest, ..Config::default() };
        for user in ["100", "101"] {
            let credentials = Some(Credentials::from_password(user, "telex", "secret"));
            config.phones.insert(user.into(), Phone { credentials, ..Phone::default() });
        }
        let boot = Boot { listeners: listeners(TELEX), shards: 1, ..Boot::default() };
        let agent = |user, password, local, seed| {
            let config = AgentConfig::new(user, "telex", password);
            UserAgent::new(config, Seed::from_number(seed), listeners(local), Vec::new())
        };
        let mut world = Self {
            telex: Signalling::new(Arc::new(config), Seed::from_number(1), boot),
            alice: agent("100", password, ALICE, 2),
            bob: agent("101", "secret", BOB, 3),
            now: Instant::ZERO,
            wire: VecDeque::new(),
            ladder: Vec::new(),
            heard: Default::default(),
        };
        let ports = (0..64).map(|n| PortId(10_000 + 2 * n)).collect();
        world.input(TELEX, Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
        world
    }

    fn input(&mut self, who: &str, input: Input) {
        let mut out = Actions::new();
        match who {
            TELEX => {
                self.telex.handle(self.now, input, &mut out);
                self.telex.check();
            }
            ALICE => self.alice.handle(self.now, input, &mut out, &mut self.heard[0]),
            _ => self.bob.handle(self.now, input, &mut out, &mut self.heard[1]),
        }
        self.perform(who, out);
    }

    /// Puts on the wire what `who` sends. Media obeys at once.
    fn perform(&mut self, who: &str, out: Actions) {
        self.alice.check();
        self.bob.check();
        for action in out {
            match action {
                Action::Transmit { flow: Flow::Datagram { remote, .. }, bytes } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let message = Message::parse(bytes.clone()).unwrap();
                    let cseq = message.header(HeaderName::CSeq).unwrap().to_owned();
                    self.ladder.push(format!("{who}: {} ({cseq})", text.lines().next().unwrap()));
                    self.wire.push_back((address(who), remote, bytes));
                }
                Action::Media { shard, command: MediaCommand::DropLeg { leg } } => {
                    let resume = Resume { ssrc: 0, sequence: 0, timestamp: 0 };
                    let report = MediaReport::Dropped { leg, stats: LegStats::default(), resume };
                    self.input(TELEX, Input::Media { shard, report });
                }
                _ => {}
            }
        }
    }

    /// Lets alice do something.
    fn alice<T>(&mut self, order: impl FnOnce(&mut UserAgent, Instant, &mut Actions) -> T) -> T {
        let mut out = Actions::new();
        let result = order(&mut self.alice, self.now, &mut out);
        self.perform(ALICE, out);
        result
    }

    fn bob<T>(&mut self, order: impl FnOnce(&mut UserAgent, Instant, &mut Actions) -> T) -> T {
        let mut out = Actions::new();
        let result = order(&mut self.bob, self.now, &mut out);
        self.perform(BOB, out);
        result
    }

    fn call(&mut self, to: &str, uri: &str) -> CallHandle {
        self.alice(|alice, now, out| alice.call(now, server(to), uri, OFFER.into(), out)).unwrap()
    }

    /// Delivers everything, and what that brings about.
    fn settle(&mut self) {
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            let Some(who) = [TELEX, ALICE, BOB].into_iter().find(|who| address(who) == to) else { continue };
            self.input(who, Input::Datagram { listener: ListenerId(0), local: to.ip(), remote: from, bytes });
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.settle();
            let deadlines = [
                (self.telex.deadline().map(|d| d.at), TELEX),
                (self.alice.deadline(), ALICE),
                (self.bob.deadline(), BOB),
            ];
            let due = deadlines.iter().filter_map(|&(at, who)| Some((at?, who))).min();
            let Some((at, who)) = due.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.input(who, Input::Wake);
        }
        self.now = until;
    }

    fn ladder(&mut self) -> String {
        std::mem::take(&mut self.ladder).join("\n")
    }

    fn told(&mut self, who: usize) -> Vec<AgentEvent> {
        self.settle();
        std::mem::take(&mut self.heard[who])
    }

    /// A message to alice from bob's address that bob did not write, and what alice sends back.
    fn forge(&mut self, text: &str) -> Vec<Message> {
        let (local, remote) = (address(ALICE).ip(), address(BOB));
        self.input(ALICE, Input::Datagram { listener: ListenerId(0), local, remote, bytes: wire(text) });
        self.wire.drain(..).map(|(_, _, bytes)| Message::parse(bytes).unwrap()).collect()
    }

    /// After half a minute nothing is left of anything.
    fn assert_quiet(&mut self) {
        self.pass(Duration::from_secs(40));
        let size = |s: Stats| (s.calls, s.legs, s.dialogs, s.transactions);
        for stats in [self.telex.stats(), self.alice.stats(), self.bob.stats()] {
            assert_eq!(size(stats), (0, 0, 0, 0), "{stats:?}");
        }
        assert_eq!((self.alice.stats().timers, self.bob.stats().timers), (0, 0));
    }
}

#[test]
fn a_telephone_registers_refreshes_and_leaves() {
    let mut world = World::new();
    let register = |world: &mut World, seconds| {
        let expires = Duration::from_secs(seconds);
        assert!(world.alice(|alice, now, out| alice.register(now, server(TELEX), expires, out)));
        world.told(0)
    };
    let registered = |seconds| vec![AgentEvent::Registered { expires: Duration::from_secs(seconds) }];
    assert_eq!(register(&mut world, 600), registered(600));
    assert_eq!(register(&mut world, 100_000), registered(7200), "what the registrar grants");
    assert_eq!(world.telex.stats().bindings, 1);
    let line = |n, who: &str, start: &str| format!("{who}: {start} ({n} REGISTER)");
    let expected: Vec<String> = (1..=4)
        .flat_map(|n| {
            let answer = if n % 2 == 1 { "SIP/2.0 401 Unauthorized" } else { "SIP/2.0 200 OK" };
            [line(n, ALICE, "REGISTER sip:telex SIP/2.0"), line(n, TELEX, answer)]
        })
        .collect();
    assert_eq!(world.ladder(), expected.join("\n"));
    assert_eq!(register(&mut world, 0), registered(0));
    assert_eq!(world.telex.stats().bindings, 0);
    world.assert_quiet();
}

#[test]
fn a_wrong_password_is_not_tried_twice() {
    let mut world = World::with(DigestOffer::Sha256, "guess");
    assert!(world.alice(|alice, now, out| alice.register(now, server(TELEX), Duration::from_secs(60), out)));
    let status = Some(Status::UNAUTHORIZED);
    assert_eq!(world.told(0), [AgentEvent::NotRegistered { status }]);
    let call = world.call(TELEX, "sip:*43@telex");
    assert_eq!(world.told(0), [AgentEvent::Refused { call, status }]);
    assert_eq!(world.ladder().matches("INVITE sip:").count(), 2);
    world.assert_quiet();
}

#[test]
fn a_call_is_challenged_and_asked_again() {
    let mut world = World::with(DigestOffer::Sha256, "secret");
    let call = world.call(TELEX, "sip:*43@telex");
    let [AgentEvent::Answered { call: answered, body }] = &world.told(0)[..] else { panic!("not answered") };
    assert!(*answered == call && body.starts_with(b"v=0"));
    world.now += Duration::from_secs(5);
    world.alice(|alice, now, out| alice.hang_up(now, call, out));
    assert_eq!(world.told(0), []);
    let first: u32 = world.ladder[0].rsplit(['(', ' ']).nth(1).unwrap().parse().unwrap();
    let ladder = world.ladder().replace(&first.to_string(), "n").replace(&(first + 1).to_string(), "n+1");
    insta::assert_snapshot!(ladder.replace(&(first + 2).to_string(), "n+2"), @r"
    192.0.2.7:5060: INVITE sip:*43@telex SIP/2.0 (n INVITE)
    192.0.2.1:5060: SIP/2.0 401 Unauthorized (n INVITE)
    192.0.2.7:5060: ACK sip:*43@telex SIP/2.0 (n ACK)
    192.0.2.7:5060: INVITE sip:*43@telex SIP/2.0 (n+1 INVITE)
    192.0.2.1:5060: SIP/2.0 200 OK (n+1 INVITE)
    192.0.2.7:5060: ACK sip:*43@192.0.2.1:5060 SIP/2.0 (n+1 ACK)
    192.0.2.7:5060: BYE sip:*43@192.0.2.1:5060 SIP/2.0 (n+2 BYE)
    192.0.2.1:5060: SIP/2.0 200 OK (n+2 BYE)
    ");
    world.assert_quiet();
}

#[test]
fn a_call_that_was_given_up_is_not_asked_again() {
    let mut world = World::new();
    let call = world.call(TELEX, "sip:*43@telex");
    world.alice(|alice, now, out| alice.hang_up(now, call, out));
    assert_eq!(world.told(0), []);
    assert_eq!(world.ladder().matches("INVITE sip:").count(), 1);
    world.assert_quiet();
}

#[test]
fn telephones_call_each_other_through_the_exchange() {
    let mut world = World::new();
    world.bob(|bob, now, out| bob.register(now, server(TELEX), Duration::from_secs(600), out));
    world.told(1);
    let call = world.call(TELEX, "sip:101@telex");
    let [AgentEvent::Invited { call: theirs, from, body }] = &world.told(1)[..] else { panic!("not called") };
    assert!(from.starts_with("sip:100@") && !body.is_empty(), "{from}");
    let (theirs, answer) = (*theirs, OFFER.replace("192.0.2.7", "192.0.2.8"));
    world.bob(|bob, now, out| bob.ring(now, theirs, out));
    let ringing = AgentEvent::Progress { call, status: Status::RINGING, body: Bytes::new() };
    assert_eq!(world.told(0), [ringing]);
    world.bob(|bob, now, out| bob.answer(now, theirs, answer.into(), out));
    assert!(matches!(world.told(0)[..], [AgentEvent::Answered { .. }]));
    assert_eq!(world.told(1), [AgentEvent::Confirmed { call: theirs, body: Bytes::new() }]);
    world.bob(|bob, now, out| bob.hang_up(now, theirs, out));
    assert_eq!(world.told(0), [AgentEvent::Ended { call, by: Ended::HungUp }]);
    assert_eq!(world.told(1), []);
    world.assert_quiet();
}

#[test]
fn a_called_telephone_refuses_or_is_let_go() {
    let mut world = World::new();
    let call = world.call(BOB, "sip:101@192.0.2.8");
    let [AgentEvent::Invited { call: theirs, .. }] = world.told(1)[..] else { panic!("not called") };
    world.bob(|bob, now, out| bob.refuse(now, theirs, Status::BUSY_HERE, out));
    assert_eq!(world.told(0), [AgentEvent::Refused { call, status: Some(Status::BUSY_HERE) }]);

    let call = world.call(BOB, "sip:101@192.0.2.8");
    let [AgentEvent::Invited { call: theirs, .. }] = world.told(1)[..] else { panic!("not called") };
    world.bob(|bob, now, out| bob.ring(now, theirs, out));
    world.told(0);
    world.alice(|alice, now, out| alice.hang_up(now, call, out));
    assert_eq!(world.told(1), [AgentEvent::Ended { call: theirs, by: Ended::Cancelled }]);
    world.bob(|bob, now, out| bob.answer(now, theirs, OFFER.into(), out));
    assert_eq!(world.told(0), [], "a call that is over stays over");
    world.assert_quiet();
}

#[test]
fn nobody_there() {
    let mut world = World::new();
    let call = world.call("192.0.2.99:5060", "sip:101@192.0.2.99");
    world.pass(Duration::from_secs(33));
    assert_eq!(world.told(0), [AgentEvent::Refused { call, status: None }]);
    world.alice(|alice, now, out| {
        assert_eq!(alice.call(now, server(TELEX), "no uri", OFFER.into(), out), None);
        let tcp = Server { transport: Transport::Udp, address: address("[2001:db8::1]:5060") };
        assert_eq!(alice.call(now, tcp, "sip:x@telex", OFFER.into(), out), None, "no such socket");
    });
    world.assert_quiet();
}

/// A request of a stranger; `to` is all of its To.
fn request(method: &str, cseq: u32, to: &str, rest: &str) -> String {
    format!(
        "{method} sip:100@192.0.2.7 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bK{method}{cseq}
Max-Forwards: 70
From: <sip:101@telex>;tag=b
To: {to}
Call-ID: forged
CSeq: {cseq} {method}
Contact: <sip:101@192.0.2.8>
{rest}"
    )
}

const WITH_OFFER: &str = "Content-Type: application/sdp\n\nv=0";

#[test]
fn strange_requests_get_the_answers_of_a_user_agent() {
    let mut world = World::new();
    let mut answer = |text: &str| {
        let sent = world.forge(text);
        assert_eq!(sent.len(), 1, "{text}");
        sent[0].status().unwrap().code()
    };
    let to = "<sip:100@telex>";
    assert_eq!(answer(&request("OPTIONS", 1, to, "")), 200);
    assert_eq!(answer(&request("REGISTER", 2, to, "")), 405);
    assert_eq!(answer(&request("BYE", 3, "<sip:100@telex>;tag=gone", "")), 481);
    assert_eq!(answer(&request("BYE", 4, to, "")), 481);
    assert_eq!(answer(&request("DANCE", 5, to, "")), 501);
    assert_eq!(answer(&request("INVITE", 6, to, "Require: flux\n")), 420);
    let short = "Supported: timer\nSession-Expires: 20\n";
    assert_eq!(answer(&request("INVITE", 7, to, short)), 422);
    assert_eq!(world.told(0), []);
}

#[test]
fn a_changed_session_is_refused_or_accepted_by_the_script() {
    let mut world = World::new();
    world.forge(&request("INVITE", 1, "<sip:100@telex>", WITH_OFFER));
    let [AgentEvent::Invited { call, .. }] = world.told(0)[..] else { panic!("not called") };
    world.alice(|alice, now, out| alice.answer(now, call, OFFER.into(), out));
    let (_, _, bytes) = world.wire.pop_front().unwrap();
    let to = Message::parse(bytes).unwrap().header(HeaderName::To).unwrap().to_owned();
    world.forge(&request("ACK", 1, &to, ""));
    world.forge(&request("INVITE", 2, &to, WITH_OFFER));
    let confirmed = AgentEvent::Confirmed { call, body: Bytes::new() };
    assert_eq!(world.told(0), [confirmed, AgentEvent::Offered { call, body: Bytes::from("v=0") }]);
    world.alice(|alice, now, out| alice.refuse(now, call, Status::NOT_ACCEPTABLE_HERE, out));
    assert!(world.ladder().ends_with("SIP/2.0 488 Not Acceptable Here (2 INVITE)"));
    world.wire.clear();
    world.forge(&request("INVITE", 3, &to, ""));
    assert_eq!(world.told(0), [AgentEvent::Offered { call, body: Bytes::new() }]);
    world.alice(|alice, now, out| alice.answer(now, call, OFFER.into(), out));
    assert!(world.ladder().ends_with("SIP/2.0 200 OK (3 INVITE)"));
    world.wire.clear();
    world.forge(&request("ACK", 3, &to, WITH_OFFER));
    world.forge(&request("BYE", 4, &to, ""));
    let confirmed = AgentEvent::Confirmed { call, body: Bytes::from("v=0") };
    assert_eq!(world.told(0), [confirmed, AgentEvent::Ended { call, by: Ended::HungUp }]);
    world.assert_quiet();
}

#[test]
fn a_call_by_stream_opens_one_and_fails_with_it() {
    let mut world = World::new();
    let tcp = Server { transport: Transport::Tcp, address: address(BOB) };
    let mut out = Actions::new();
    let mut call = |world: &mut World| {
        let call = world.alice.call(world.now, tcp, "sip:101@192.0.2.8", OFFER.into(), &mut out).unwrap();
        let sent = out.drain(..).find_map(|action| match action {
            Action::Transmit { flow: Flow::Stream { stream }, bytes } => Some((stream, bytes)),
            _ => None,
        });
        let (stream, bytes) = sent.expect("an INVITE on a stream");
        (call, stream, Message::parse(bytes).unwrap())
    };
    let event = |world: &mut World, stream, event| world.input(ALICE, Input::Stream { stream, event });

    let (refused, stream, invite) = call(&mut world);
    let (local, remote) = (address(ALICE), address(BOB));
    event(&mut world, stream, StreamEvent::Opened { listener: None, local, remote });
    let busy = Reply::new(Status::BUSY_HERE).write(&invite, remote, Some("b"));
    let (head, rest) = busy.split_at(40);
    event(&mut world, stream, StreamEvent::Bytes(Bytes::copy_from_slice(head)));
    event(&mut world, stream, StreamEvent::Bytes(Bytes::copy_from_slice(rest)));
    assert_eq!(world.told(0), [AgentEvent::Refused { call: refused, status: Some(Status::BUSY_HERE) }]);

    let (lost, again, _) = call(&mut world);
    assert_eq!(again, stream, "the open stream serves again");
    event(&mut world, stream, StreamEvent::Closed);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.told(0), [AgentEvent::Refused { call: lost, status: None }]);
    world.assert_quiet();
}

#[test]
fn a_call_is_held_and_handed_over_by_its_telephone() {
    let mut world = World::new();
    world.forge(&request("INVITE", 1, "<sip:100@telex>", WITH_OFFER));
    let [AgentEvent::Invited { call, .. }] = world.told(0)[..] else { panic!("not called") };
    let to = "sip:102@telex";
    assert!(!world.alice(|alice, now, out| alice.refer(now, call, to, None, out)), "nobody has answered");
    world.alice(|alice, now, out| alice.answer(now, call, OFFER.into(), out));
    let (_, _, bytes) = world.wire.pop_front().unwrap();
    let answered = Message::parse(bytes).unwrap().header(HeaderName::To).unwrap().to_owned();
    world.forge(&request("ACK", 1, &answered, ""));
    let sent = |world: &mut World| {
        let (_, _, bytes) = world.wire.pop_front().unwrap();
        Message::parse(bytes).unwrap()
    };
    world.alice(|alice, now, out| alice.reoffer(now, call, Bytes::from("v=1"), out));
    let held = sent(&mut world);
    assert_eq!((held.method().as_str(), held.body()), ("INVITE", &b"v=1"[..]));
    assert!(world.alice(|alice, now, out| alice.refer(now, call, to, None, out)));
    assert_eq!(sent(&mut world).header(HeaderName::ReferTo), Some("<sip:102@telex>"));
    assert!(world.alice(|alice, now, out| alice.refer(now, call, to, Some(call), out)));
    let tag = answered.split_once("tag=").unwrap().1;
    let expected = format!("<sip:102@telex?Replaces=forged%3Bto-tag%3Db%3Bfrom-tag%3D{tag}>");
    assert_eq!(sent(&mut world).header(HeaderName::ReferTo), Some(expected.as_str()));
    assert_eq!(world.told(0), [AgentEvent::Confirmed { call, body: Bytes::new() }]);
}
