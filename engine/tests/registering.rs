//! Phones that register with the whole machine, and calls that reach them.

#![allow(clippy::unwrap_used, reason = "what does not hold here fails the test")]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use telex_engine::border::{
    Flow, Listener, ListenerId, Record, StoredBinding, StreamEvent, StreamId, Transport,
};
use telex_engine::config::{Config, Credentials, FixedContact, Phone};
use telex_engine::event::Event;
use telex_engine::mediactl::{MediaReport, PortId, ShardId};
use telex_engine::rng::Seed;
use telex_engine::time::Instant;
use telex_engine::{Action, Actions, Boot, Input, Signalling};

const US: &str = "192.0.2.1:5060";
const DOOR: &str = "192.0.2.9:5060";
/// A phone behind NAT: its Contact says 10.0.0.2.
const PHONE: &str = "203.0.113.5:40000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}

struct World {
    telex: Signalling,
    out: Actions,
    stored: Vec<StoredBinding>,
    branch: u32,
}

impl World {
    fn new() -> Self {
        Self::booted(1, Vec::new())
    }

    /// An exchange with phones 100 and 101, and a door that may call without a password.
    fn booted(seed: u64, bindings: Vec<StoredBinding>) -> Self {
        let mut config = Config::default();
        for user in ["100", "101"] {
            let credentials = Some(Credentials::from_password(user, "telex", "secret"));
            config.phones.insert(user.into(), Phone { credentials, ..Phone::default() });
        }
        let contact = FixedContact { uri: "sip:door@192.0.2.9".into(), address: Some(address(DOOR)) };
        config.phones.insert("door".into(), Phone { contact: Some(contact), ..Phone::default() });
        let listener = |id, transport| Listener { id: ListenerId(id), transport, local: address(US) };
        let listeners = vec![listener(0, Transport::Udp), listener(1, Transport::Tcp)];
        let boot = Boot { listeners, shards: 1, bindings: bindings.clone(), ..Boot::default() };
        let telex = Signalling::new(Arc::new(config), Seed::from_number(seed), boot);
        let mut world = Self { telex, out: Actions::new(), stored: bindings, branch: 0 };
        let ports = (0..8).map(|n| PortId(10_000 + 2 * n)).collect();
        world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
        world.out.clear();
        world
    }

    fn input(&mut self, input: Input) {
        self.telex.handle(Instant::ZERO, input, &mut self.out);
        self.telex.check();
        for action in &self.out {
            if let Action::Store { record: Record::Bind(binding), .. } = action {
                self.stored.push(binding.clone());
            }
        }
    }

    /// What is sent in answer to a datagram, with the way it goes.
    fn hear(&mut self, from: &str, text: &str) -> Vec<(Flow, String)> {
        let bytes = Bytes::from(text.to_owned());
        let (local, remote) = (address(US).ip(), address(from));
        self.input(Input::Datagram { listener: ListenerId(0), local, remote, bytes });
        self.sent()
    }

    fn sent(&mut self) -> Vec<(Flow, String)> {
        let sent = self.out.iter().filter_map(|action| match action {
            Action::Transmit { flow, bytes } => Some((*flow, String::from_utf8(bytes.to_vec()).unwrap())),
            _ => None,
        });
        let sent = sent.collect();
        self.out.retain(|action| !matches!(action, Action::Transmit { .. }));
        sent
    }

    fn answer(&mut self, from: &str, text: &str) -> String {
        let sent = self.hear(from, text);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0].1.clone()
    }

    /// A REGISTER of this address-of-record.
    fn register(&mut self, aor: &str, transport: &str, authorization: &str) -> String {
        self.branch += 1;
        let n = self.branch;
        format!(
            "REGISTER sip:telex SIP/2.0\r\nVia: SIP/2.0/{transport} 10.0.0.2:5060;branch=z9hG4bK{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{aor}@telex>;tag=a\r\nTo: <sip:{aor}@telex>\r\nCall-ID: 1@10.0.0.2\r\n\
             CSeq: {n} REGISTER\r\nContact: <sip:{aor}@10.0.0.2:5060>\r\n{authorization}Content-Length: 0\r\n\r\n"
        )
    }
}

fn authorization(user: &str, password: &str, challenge: &str) -> String {
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let (a1, a2) = (hex(&format!("{user}:telex:{password}")), hex("REGISTER:sip:telex"));
    let response = hex(&format!("{a1}:{nonce}:00000001:c0:auth:{a2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"telex\", nonce=\"{nonce}\", uri=\"sip:telex\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0\"\r\n"
    )
}

/// Registers 100 over datagrams from [`PHONE`]; gives the credentials that were used.
fn registered(world: &mut World) -> String {
    let first = world.register("100", "UDP", "");
    let challenge = world.answer(PHONE, &first);
    assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
    let credentials = authorization("100", "secret", &challenge);
    let second = world.register("100", "UDP", &credentials);
    let answer = world.answer(PHONE, &second);
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert!(answer.contains("\r\nContact: <sip:100@10.0.0.2:5060>;expires=3600\r\n"), "{answer}");
    credentials
}

fn invite(to: &str) -> String {
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:{to}@telex SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKinvite\r\nMax-Forwards: 70\r\n\
         From: <sip:door@telex>;tag=d\r\nTo: <sip:{to}@telex>\r\nCall-ID: i@192.0.2.9\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:door@192.0.2.9>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

#[test]
fn a_phone_behind_nat_registers_and_is_called_where_it_came_from() {
    let mut world = World::new();
    registered(&mut world);
    let sent = world.hear(DOOR, &invite("100"));
    let (flow, text) = sent.iter().find(|(_, text)| text.starts_with("INVITE ")).expect("an INVITE");
    assert!(text.starts_with("INVITE sip:100@10.0.0.2:5060 SIP/2.0\r\n"), "{text}");
    assert!(matches!(flow, Flow::Datagram { remote, .. } if *remote == address(PHONE)), "{flow:?}");
}

#[test]
fn a_registration_is_good_after_a_restart_and_its_old_nonce_is_not() {
    let mut world = World::new();
    let credentials = registered(&mut world);
    let stored = std::mem::take(&mut world.stored);
    let mut next = World::booted(2, stored);
    let sent = next.hear(DOOR, &invite("100"));
    assert!(sent.iter().any(|(_, text)| text.starts_with("INVITE sip:100@10.0.0.2:5060 ")), "{sent:?}");
    let again = next.register("100", "UDP", &credentials);
    let answer = next.answer(PHONE, &again);
    assert!(answer.starts_with("SIP/2.0 401 ") && answer.contains("stale=true"), "{answer}");
}

#[test]
fn used_credentials_do_not_serve_a_second_time() {
    let mut world = World::new();
    let credentials = registered(&mut world);
    let again = world.register("100", "UDP", &credentials);
    let answer = world.answer("198.51.100.66:5060", &again);
    assert!(answer.starts_with("SIP/2.0 401 ") && answer.contains("stale=true"), "{answer}");
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut world = World::new();
    let first = world.register("101", "UDP", "");
    let challenge = world.answer(PHONE, &first);
    let second = world.register("101", "UDP", &authorization("100", "secret", &challenge));
    let answer = world.answer(PHONE, &second);
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    assert_eq!(world.telex.stats().bindings, 0);
}

#[test]
fn wrong_passwords_and_unknown_users_look_alike_and_are_reported() {
    let mut shapes = Vec::new();
    for user in ["100", "999"] {
        let mut world = World::new();
        let first = world.register(user, "UDP", "");
        let challenge = world.answer(PHONE, &first);
        let second = world.register(user, "UDP", &authorization(user, "guess", &challenge));
        let answer = world.answer(PHONE, &second);
        assert!(answer.starts_with("SIP/2.0 401 ") && !answer.contains("stale"), "{answer}");
        let failed = |action: &Action| matches!(action, Action::Report(Event::AuthenticationFailed { user: name, .. }) if name == user);
        assert_eq!(world.out.iter().filter(|action| failed(action)).count(), 1);
        shapes.push((challenge.replace(user, "USER"), answer.replace(user, "USER")));
    }
    assert_eq!(shapes[0], shapes[1], "to the last octet");
}

#[test]
fn ack_and_cancel_are_not_challenged() {
    let mut world = World::new();
    let stranger = "198.51.100.66:5060";
    let request = |method| invite("100").replace("INVITE", method);
    assert_eq!(world.hear(stranger, &request("ACK")), []);
    let answer = world.answer(stranger, &request("CANCEL"));
    assert!(answer.starts_with("SIP/2.0 481 "), "{answer}");
}

#[test]
fn a_phone_whose_stream_is_gone_cannot_be_called() {
    let mut world = World::new();
    let stream = StreamId(1);
    let (local, remote) = (address(US), address(PHONE));
    let event = StreamEvent::Opened { listener: Some(ListenerId(1)), local, remote };
    world.input(Input::Stream { stream, event });
    let say = |world: &mut World, text: String| {
        world.input(Input::Stream { stream, event: StreamEvent::Bytes(Bytes::from(text)) });
        world.sent().remove(0).1
    };
    let first = world.register("100", "TCP", "");
    let challenge = say(&mut world, first);
    let second = world.register("100", "TCP", &authorization("100", "secret", &challenge));
    assert!(say(&mut world, second).starts_with("SIP/2.0 200 "));

    let sent = world.hear(DOOR, &invite("100"));
    assert!(sent.iter().any(|(flow, text)| text.starts_with("INVITE ") && *flow == Flow::Stream { stream }));

    let mut world = World::booted(3, world.stored);
    let sent = world.hear(DOOR, &invite("100"));
    assert!(sent.iter().any(|(_, text)| text.starts_with("SIP/2.0 480 ")), "{sent:?}");
    assert_eq!(world.telex.stats().bindings, 1, "it stays registered until it expires");
}
