//! Whole calls through the machine, by hand-written messages over a perfect network.

mod clauses;
mod conferences;
mod dialogs;
mod diverted;
mod events;
mod foreign;
mod foretold;
mod identity;
mod menus;
mod offers;
mod paging;
mod parking;
mod pickup;
mod records;
mod referred;
mod refusals;
mod rules;
mod scripts;
mod sent_away;
mod sound;
mod strangers;
mod streams;
mod texts;
mod transfer;
mod watching;
mod withheld;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use super::Signalling;
use crate::border::{Action, Boot, Control, ControlId, ControlReply, Input, Listener, ListenerId, Transport};
use crate::config::{Config, FixedContact, Phone};
use crate::event::Event;
use crate::media::{MediaInput, MediaIo, MediaOut, MediaShard};
use crate::mediactl::{LegStats, MediaCommand, MediaReport, PortId, Resume, ShardId};
use crate::rng::Seed;
use crate::sip::Message;
use crate::time::{Duration, Instant, WallTime};

const ALICE: &str = "10.0.0.1:5060";
const BOB: &str = "10.0.0.2:5060";
const US: &str = "10.0.0.9:5060";

/// An exchange with two devices on the wire, alice and bob, and the actions it gave.
struct World {
    telex: Signalling,
    now: Instant,
    out: Vec<Action>,
    events: Vec<Event>,
    /// Media machines that do what they are told; without any, media obeys at once and carries nothing.
    shards: Vec<MediaShard>,
    /// Which of them has a port.
    ports: BTreeMap<u16, usize>,
}

fn device(uri: &str, address: &str) -> Phone {
    let contact = FixedContact { uri: SmolStr::new(uri), address: address.parse().ok() };
    Phone { contact: Some(contact), ..Phone::default() }
}

/// Why something was refused; of the name of the call the number alone, without the second it began.
fn reason_of(message: &Message) -> String {
    let reason = message.header(crate::sip::HeaderName::Reason).unwrap_or_default();
    let Some((words, call)) = reason.split_once("explain ") else { return reason.to_owned() };
    let (second, number) = call.split_once('.').unwrap();
    assert!(second.starts_with("1700000") && second.len() == 10, "{reason}");
    format!("{words}explain {number}")
}

fn listeners() -> Vec<Listener> {
    let local: SocketAddr = US.parse().unwrap();
    vec![
        Listener { id: ListenerId(0), transport: Transport::Udp, local },
        Listener { id: ListenerId(1), transport: Transport::Tcp, local },
    ]
}

impl World {
    fn new() -> Self {
        let mut config = Config::default();
        config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
        config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
        Self::with(config)
    }

    fn with(config: Config) -> Self {
        Self::on_shards(config, 1)
    }

    fn on_shards(config: Config, shards: u8) -> Self {
        let boot = Boot {
            wall: WallTime::from_unix_millis(1_700_000_000_000),
            listeners: listeners(),
            shards,
            ..Boot::default()
        };
        let telex = Signalling::new(Arc::new(config), Seed::from_number(1), boot);
        let mut world = Self {
            telex,
            now: Instant::ZERO,
            out: Vec::new(),
            events: Vec::new(),
            shards: Vec::new(),
            ports: BTreeMap::new(),
        };
        let ports = (0..64).map(|n| PortId(10_000 + 2 * n)).collect();
        world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
        world.out.clear();
        world
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.telex.handle(self.now, input, &mut out);
        self.telex.check();
        let mut reports = Vec::new();
        for action in out {
            match action {
                Action::Report(event) => self.events.push(event),
                Action::Media { shard, command } if !self.shards.is_empty() => {
                    self.out.push(Action::Media { shard, command: command.clone() });
                    reports.extend(self.obey(shard, MediaInput::Command(command)).1);
                }
                // Media obeys at once.
                Action::Media { shard, command: MediaCommand::DropLeg { leg } } => {
                    let resume = Resume { ssrc: 0, sequence: 0, timestamp: 0 };
                    let report = MediaReport::Dropped { leg, stats: LegStats::default(), resume };
                    self.input(Input::Media { shard, report });
                }
                Action::Media { shard, command: MediaCommand::GiveLeg { leg, port, to } } => {
                    self.out.push(Action::Media { shard, command: MediaCommand::GiveLeg { leg, port, to } });
                    let (stats, resume) = (LegStats { received: 7, ..LegStats::default() }, None);
                    let report = MediaReport::Given { leg, stats, resume };
                    self.input(Input::Media { shard, report });
                }
                action => self.out.push(action),
            }
        }
        for report in reports {
            self.input(report);
        }
    }

    /// Has two real media machines from now on, each with ports: from 10000 and from 20000 on.
    fn with_real_media(mut self) -> Self {
        for n in 0..2 {
            self.shards.push(MediaShard::new(ShardId(n), Seed::from_number(1)));
            self.ports.extend((0..64).map(|pair| (10_000 * (u16::from(n) + 1) + 2 * pair, usize::from(n))));
        }
        let ports = (0..64).map(|pair| PortId(20_000 + 2 * pair)).collect();
        self.input(Input::Media { shard: ShardId(1), report: MediaReport::Ports { ports } });
        self
    }

    /// Tells a media machine something: the packets that it sends, as port and destination, and its reports.
    fn obey(&mut self, shard: ShardId, input: MediaInput<'_>) -> (Vec<(u16, String)>, Vec<Input>) {
        let (mut out, n) = (MediaOut::new(), usize::from(shard.0));
        self.shards[n].handle(self.now, input, &mut out);
        self.shards[n].check();
        for io in out.io {
            if let MediaIo::Give { port, to } = io {
                assert_eq!(self.ports.insert(port.0, to.0.into()), Some(n), "a shard gives what it has");
            }
        }
        let sent = out.packets.iter().map(|packet| (packet.port, packet.remote.to_string())).collect();
        let reports = out.reports.into_iter().map(|report| Input::Media { shard, report });
        (sent, reports.collect())
    }

    /// A packet of PCMU arrives at a port; what is sent then.
    fn rtp(&mut self, from: &str, port: u16, sequence: u8) -> Vec<(u16, String)> {
        let mut bytes = [&[0x80, 0, 0, sequence, 0, 0, sequence, 0, 1, 2, 3, 4][..], &[0xff; 160]].concat();
        let (shard, remote) = (ShardId(self.ports[&port] as u8), from.parse().unwrap());
        let (sent, reports) = self.obey(shard, MediaInput::Packet { port, remote, bytes: &mut bytes });
        reports.into_iter().for_each(|report| self.input(report));
        sent
    }

    fn send(&mut self, from: &str, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        let local = US.parse::<SocketAddr>().unwrap().ip();
        let remote = from.parse().unwrap();
        self.input(Input::Datagram { listener: ListenerId(0), local, remote, bytes });
    }

    /// The same without a look at all tables, for many.
    fn telex_only(&mut self, from: &str, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        let (local, remote) = (US.parse::<SocketAddr>().unwrap().ip(), from.parse().unwrap());
        let input = Input::Datagram { listener: ListenerId(0), local, remote, bytes };
        let mut out = Vec::new();
        self.telex.handle(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Report(event) => self.events.push(event),
                action => self.out.push(action),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.telex.deadline().filter(|d| d.at <= until) {
            self.now = self.now.max(deadline.at);
            self.input(Input::Wake);
        }
        self.now = until;
    }

    /// Messages sent since the last look, with where they went.
    fn sent(&mut self) -> Vec<(SocketAddr, Message)> {
        let out = std::mem::take(&mut self.out);
        let messages = out.into_iter().filter_map(|action| match action {
            Action::Transmit { flow: crate::border::Flow::Datagram { remote, .. }, bytes } => {
                Some((remote, Message::parse(bytes).unwrap()))
            }
            _ => None,
        });
        messages.collect()
    }

    /// The start lines sent since the last look, for comparing flows.
    fn lines(&mut self) -> String {
        let mut text = String::new();
        for (remote, message) in self.sent() {
            let who = if remote.to_string() == ALICE { "alice" } else { "bob" };
            let line = String::from_utf8_lossy(message.raw()).lines().next().unwrap().to_owned();
            let _ = writeln!(text, "{who}: {line}");
        }
        text
    }

    /// The only message sent since the last look that begins so.
    fn only(&mut self, start: &str) -> Message {
        let mut found: Vec<Message> =
            self.sent().into_iter().map(|s| s.1).filter(|m| m.raw().starts_with(start.as_bytes())).collect();
        assert_eq!(found.len(), 1, "one {start}");
        found.remove(0)
    }
}

const OFFER: &str = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4000 RTP/AVP 8 0 101\n\
a=rtpmap:101 telephone-event/8000\n";
const ANSWER: &str = "v=0\no=- 2 2 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 6000 RTP/AVP 0\n";

fn with_body(head: &str, body: &str) -> String {
    // Every line end becomes two octets on the way.
    let octets = body.len() + body.matches('\n').count();
    format!("{head}Content-Type: application/sdp\nContent-Length: {octets}\n\n{body}")
}

fn invite(to: &str, extra: &str, body: &str) -> String {
    let head = format!(
        "INVITE sip:{to}@telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa1\nMax-Forwards: 70\n\
From: \"Alice\" <sip:alice@telex>;tag=fa\nTo: <sip:{to}@telex>\nCall-ID: c1\nCSeq: 1 INVITE\n\
Contact: <sip:alice@10.0.0.1>\n{extra}"
    );
    if body.is_empty() { format!("{head}\n") } else { with_body(&head, body) }
}

/// A response of bob's to our request.
fn respond(request: &Message, status: &str, extra: &str, body: &str) -> String {
    let mut head = format!("SIP/2.0 {status}\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let value = request.headers().find(|h| h.name == name).unwrap().value;
        let tag = if name == "To" && !value.contains("tag=") { ";tag=tb" } else { "" };
        let _ = writeln!(head, "{name}: {value}{tag}");
    }
    let _ = write!(head, "Contact: <sip:bob@10.0.0.2>\n{extra}");
    if body.is_empty() { format!("{head}\n") } else { with_body(&head, body) }
}

/// A request inside alice's dialog.
fn inside(response: &Message, method: &str, cseq: u32, body: &str) -> String {
    let to = response.header(crate::sip::HeaderName::To).unwrap();
    let head = format!(
        "{method} sip:bob@10.0.0.9:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{method}{cseq}\n\
Max-Forwards: 70\nFrom: <sip:alice@telex>;tag=fa\nTo: {to}\nCall-ID: c1\nCSeq: {cseq} {method}\n\
Contact: <sip:alice@10.0.0.1>\n"
    );
    if body.is_empty() { format!("{head}\n") } else { with_body(&head, body) }
}

/// A request of bob's inside the dialog that our INVITE to him opened.
fn from_bob(asked: &Message, method: &str, cseq: u32, extra: &str, body: &str) -> String {
    let value = |name| asked.header(name).unwrap();
    let (from, to) = (value(crate::sip::HeaderName::To), value(crate::sip::HeaderName::From));
    let tag = if from.contains("tag=") { "" } else { ";tag=tb" };
    let head = format!(
        "{method} sip:alice@10.0.0.9:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKb{method}{cseq}\n\
Max-Forwards: 70\nFrom: {from}{tag}\nTo: {to}\nCall-ID: {}\nCSeq: {cseq} {method}\n\
Contact: <sip:bob@10.0.0.2>\n{extra}",
        value(crate::sip::HeaderName::CallId)
    );
    if body.is_empty() { format!("{head}\n") } else { with_body(&head, body) }
}

/// Alice calls bob, bob answers; gives alice's 200 and bob's INVITE.
fn talking(world: &mut World) -> (Message, Message) {
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.sent();
    (answered, asked)
}

fn all_quiet(world: &World) {
    let stats = world.telex.stats();
    assert_eq!(
        (stats.calls, stats.legs, stats.dialogs, stats.transactions, stats.ports, stats.timers),
        (0, 0, 0, 0, 0, 0),
        "{stats:?}"
    );
}

#[test]
fn a_call_from_invite_to_bye() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let sent = world.sent();
    let asked = &sent.iter().find(|(to, _)| to.to_string() == BOB).unwrap().1;
    let body = String::from_utf8_lossy(asked.body()).into_owned();
    assert!(
        body.contains("m=audio 10002 RTP/AVP 8 0 101"),
        "the caller's codecs in the caller's order: {body}"
    );
    world.send(BOB, &respond(asked, "180 Ringing", "", ""));
    assert_eq!(world.lines(), "alice: SIP/2.0 180 Ringing\n");
    world.send(BOB, &respond(asked, "200 OK", "", ANSWER));
    let sent = world.sent();
    let starts: Vec<_> = sent.iter().map(|(_, m)| (m.is_request(), m.method().as_str())).collect();
    assert_eq!(starts, [(true, "ACK"), (false, "INVITE")]);
    let answered = &sent[1].1;
    assert!(String::from_utf8_lossy(answered.body()).contains("m=audio 10000 RTP/AVP 0 101\r\n"));
    world.send(ALICE, &inside(answered, "ACK", 1, ""));
    world.now += Duration::from_secs(10);
    world.send(ALICE, &inside(answered, "BYE", 2, ""));
    let sent = world.sent();
    let bye = sent.iter().find(|(_, m)| m.is_request()).unwrap();
    assert_eq!((bye.0.to_string().as_str(), bye.1.method().as_str()), (BOB, "BYE"));
    world.send(BOB, &respond(&bye.1, "200 OK", "", ""));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
    let ended = world.events.last().unwrap();
    assert!(
        matches!(ended, Event::CallEnded { duration: Some(d), .. } if *d == Duration::from_secs(10)),
        "{ended:?}"
    );
}

#[test]
fn the_caller_gives_up() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.sent();
    world.send(ALICE, &invite("bob", "", "").replace("INVITE", "CANCEL"));
    let sent = world.sent();
    let cancel = sent.iter().find(|(_, m)| m.is_request()).unwrap().1.clone();
    assert_eq!(cancel.method().as_str(), "CANCEL");
    let final_to_alice =
        sent.iter().find(|(_, m)| m.status().is_some_and(|s| s.code() == 487)).unwrap().1.clone();
    world.send(ALICE, &inside(&final_to_alice, "ACK", 1, "").replace("z9hG4bKACK1", "z9hG4bKa1"));
    world.send(BOB, &respond(&cancel, "200 OK", "", ""));
    world.send(BOB, &respond(&asked, "487 Request Terminated", "", ""));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
}

#[test]
fn a_2xx_that_crosses_our_cancel_is_ended() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.send(ALICE, &invite("bob", "", "").replace("INVITE", "CANCEL"));
    world.sent();
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nbob: BYE sip:bob@10.0.0.2 SIP/2.0\n");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn refusals_say_what_is_wrong() {
    let refusal = |text: String| {
        let mut world = World::new();
        world.send(ALICE, &text);
        let line = world.lines();
        world.pass(Duration::from_secs(40));
        all_quiet(&world);
        line
    };
    assert_eq!(refusal(invite("nobody", "", OFFER)), "alice: SIP/2.0 404 Not Found\n");
    assert_eq!(refusal(invite("bob", "Require: flux\n", OFFER)), "alice: SIP/2.0 420 Bad Extension\n");
    let no_audio = OFFER.replace("m=audio", "m=video");
    assert_eq!(refusal(invite("bob", "", &no_audio)), "alice: SIP/2.0 488 Not Acceptable Here\n");
    let text = invite("bob", "", OFFER).replace("application/sdp", "text/plain");
    assert_eq!(refusal(text), "alice: SIP/2.0 415 Unsupported Media Type\n");
    let hops = invite("bob", "", OFFER).replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(refusal(hops), "alice: SIP/2.0 483 Too Many Hops\n");
    let short = invite("bob", "Supported: timer\nSession-Expires: 20\n", OFFER);
    assert_eq!(refusal(short), "alice: SIP/2.0 422 Session Interval Too Small\n");
    let scheme = invite("bob", "", OFFER).replace("sip:bob@telex SIP", "http:bob@telex SIP");
    assert_eq!(refusal(scheme), "alice: SIP/2.0 416 Unsupported URI Scheme\n");
}

#[test]
fn strangers_are_challenged() {
    let mut world = World::new();
    world.send("10.0.0.77:5060", &invite("bob", "", OFFER));
    let challenge = world.only("SIP/2.0 401");
    assert!(
        challenge
            .header(crate::sip::HeaderName::WwwAuthenticate)
            .unwrap()
            .starts_with("Digest realm=\"telex\"")
    );
    all_quiet(&world);
}

#[test]
fn a_busy_phone() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nalice: SIP/2.0 486 Busy Here\n");
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.sent();
    world.pass(Duration::from_secs(60));
    let lines = world.lines();
    assert!(lines.contains("bob: CANCEL") && lines.contains("alice: SIP/2.0 480"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn hold_and_resume() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let held = OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    world.send(ALICE, &inside(&answered, "INVITE", 2, &held));
    let ok = world.only("SIP/2.0 200");
    let body = String::from_utf8_lossy(ok.body()).into_owned();
    assert!(body.contains("a=recvonly") && body.contains("RTP/AVP 0 101\r\n"), "{body}");
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));
    assert!(matches!(
        world.events.iter().rev().find(|e| matches!(e, Event::Hold { .. })),
        Some(Event::Hold { on: true, .. })
    ));
    let resumed = OFFER.replace("o=- 1 1", "o=- 1 3");
    world.send(ALICE, &inside(&answered, "INVITE", 3, &resumed));
    let ok = world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("a=sendrecv"));
}

#[test]
fn the_2xx_is_repeated_until_the_ack_and_then_the_call_is_lost() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    world.sent();
    world.pass(Duration::from_millis(31_900));
    let lines = world.lines();
    assert_eq!(lines.matches("alice: SIP/2.0 200 OK").count(), 10, "T1 doubling to T2 over 64*T1: {lines}");
    world.pass(Duration::from_secs(1));
    let lines = world.lines();
    assert!(lines.contains("alice: BYE") && lines.contains("bob: BYE"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", ""));
    let asked = world.only("INVITE");
    assert!(String::from_utf8_lossy(asked.body()).contains("RTP/AVP 111 9 0 8 18 3 101 127"));
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(answered.body()).contains("m=audio 10000 RTP/AVP 0 101 127\r\n"));
    let answer =
        OFFER.replace("RTP/AVP 8 0 101", "RTP/AVP 0").replace("a=rtpmap:101 telephone-event/8000\n", "");
    world.out.clear();
    world.send(ALICE, &inside(&answered, "ACK", 1, &answer));
    let puts =
        world.out.iter().filter(|a| matches!(a, Action::Media { command: MediaCommand::PutLeg { .. }, .. }));
    assert_eq!(puts.count(), 2);
}

#[test]
fn a_caller_that_requires_reliable_provisional_responses_gets_them() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    assert_eq!(ringing.rseq().unwrap().unwrap(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.lines().matches("180 Ringing").count(), 1, "repeated after T1");
    let prack = inside(&ringing, "PRACK", 2, "").replace("Max-Forwards", "RAck: 1 1 INVITE\nMax-Forwards");
    world.send(ALICE, &prack);
    assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\n");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.lines(), "");
}

#[test]
fn a_callee_that_answers_provisionally_and_reliably_gets_its_prack() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let progress = respond(&asked, "183 Session Progress", "Require: 100rel\nRSeq: 77\n", ANSWER);
    world.send(BOB, &progress);
    let sent = world.sent();
    let prack = sent.iter().find(|(_, m)| m.is_request()).unwrap();
    assert_eq!(prack.1.header(crate::sip::HeaderName::RAck).map(|v| v.starts_with("77 ")), Some(true));
    let early = sent.iter().find(|(_, m)| m.status().is_some_and(|s| s.code() == 183)).unwrap();
    assert!(!early.1.body().is_empty(), "early media reaches the caller");
    world.send(BOB, &progress);
    assert_eq!(world.lines(), "", "a copy of a reliable response is no news");
}

#[test]
fn a_session_is_refreshed_by_update_and_lost_without_an_answer() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    assert_eq!(asked.session_expires().unwrap().unwrap().seconds, 1800);
    let extra = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\nSupported: timer\nRequire: timer\n\
Session-Expires: 1800;refresher=uac\n";
    world.send(BOB, &respond(&asked, "200 OK", extra, ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.sent();
    world.pass(Duration::from_secs(899));
    assert_eq!(world.lines(), "");
    world.pass(Duration::from_secs(2));
    let sent = world.sent();
    let to = |who: &str| sent.iter().find(|(to, _)| to.to_string() == who).unwrap().1.clone();
    assert_eq!(to(BOB).method().as_str(), "UPDATE");
    assert_eq!(to(ALICE).method().as_str(), "INVITE", "alice does not know UPDATE");
    world.pass(Duration::from_secs(120));
    let lines = world.lines();
    assert!(lines.contains("alice: BYE") && lines.contains("bob: BYE"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_service_answers_by_itself() {
    for (number, mode) in [("*43", "echo"), ("*60", "tone")] {
        let mut world = World::new();
        world.send(ALICE, &invite(number, "", OFFER));
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.send(ALICE, &inside(&answered, "BYE", 2, ""));
        assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\n", "{mode}");
        world.pass(Duration::from_secs(40));
        all_quiet(&world);
    }
}

#[test]
fn an_operator_sees_and_ends_a_call() {
    let mut world = World::new();
    talking(&mut world);
    world.input(Input::Control { id: ControlId(1), request: Control::Calls });
    let Some(Action::Reply { reply: ControlReply::Calls(calls), .. }) = world.out.pop() else {
        panic!("a reply")
    };
    assert_eq!((calls[0].id, calls[0].from.as_str(), calls[0].codec.as_str()), (1, "alice", "PCMU"));
    world.input(Input::Control { id: ControlId(2), request: Control::Hangup { call: 1 } });
    let lines = world.lines();
    assert!(lines.contains("alice: BYE") && lines.contains("bob: BYE"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn stopping_refuses_new_calls_and_ends_the_rest_in_time() {
    let mut world = World::new();
    talking(&mut world);
    let by = world.now + Duration::from_secs(10);
    world.input(Input::Stop { by });
    world.send(
        BOB,
        &invite("alice", "", OFFER)
            .replace("alice@telex>;tag=fa", "bob@telex>;tag=fx")
            .replace("Call-ID: c1", "Call-ID: c2")
            .replace("bKa1", "bKb1"),
    );
    assert!(world.lines().contains("503 Service Unavailable"));
    world.pass(Duration::from_secs(10));
    assert!(world.lines().contains("BYE"));
    world.pass(Duration::from_secs(4));
    assert!(world.out.contains(&Action::Stopped));
}

#[test]
fn the_same_seed_and_inputs_give_the_same_actions() {
    let run = || {
        let mut world = World::new();
        world.send(ALICE, &invite("bob", "", OFFER));
        let asked = world.sent().into_iter().map(|(_, m)| m.raw().clone()).collect::<Vec<_>>();
        (asked, world.events)
    };
    assert_eq!(run(), run());
}
