//! Arrivals, ways back, streams and what bad input gets.

use std::net::SocketAddr;

use bytes::Bytes;
use insta::assert_snapshot;

use super::harness::{Bench, LOCAL, datagrams, readable, transport, wire, with_listeners};
use super::*;
use crate::cx::Timer;
use crate::sip::Status;
use crate::time::Duration;

const OPTIONS: &str = "OPTIONS sip:192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport
Max-Forwards: 70
From: <sip:100@192.0.2.1>;tag=a
To: <sip:192.0.2.1>
Call-ID: 1@192.0.2.7
CSeq: 1 OPTIONS
Content-Length: 0";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A transport layer and what it is handed.
struct World {
    bench: Bench,
    transport: Transport,
}

impl World {
    fn new() -> Self {
        Self { bench: Bench::new(), transport: transport() }
    }

    fn datagram(&mut self, remote: &str, bytes: impl Into<Bytes>) -> Option<Arrival> {
        let local = address(LOCAL).ip();
        self.transport.receive_datagram(
            &mut self.bench.cx(),
            ListenerId(0),
            local,
            address(remote),
            bytes.into(),
        )
    }

    fn accept(&mut self, stream: u64, remote: &str) {
        let event = StreamEvent::Opened {
            listener: Some(ListenerId(1)),
            local: address(LOCAL),
            remote: address(remote),
        };
        assert!(matches!(self.stream(stream, event), Heard::Nothing));
    }

    fn stream(&mut self, stream: u64, event: StreamEvent) -> Heard {
        self.transport.stream_event(&mut self.bench.cx(), StreamId(stream), event)
    }

    fn bytes(&mut self, stream: u64, bytes: impl Into<Bytes>) -> Heard {
        self.stream(stream, StreamEvent::Bytes(bytes.into()))
    }

    /// Fires the timers that are due in the next `span`; the streams that ended.
    fn run(&mut self, span: Duration) -> Vec<StreamId> {
        let until = self.bench.now + span;
        let mut gone = Vec::new();
        while let Some(at) = self.bench.timers.next().map(|(at, _)| at).filter(|at| *at <= until) {
            self.bench.now = at;
            let Some(Timer::Stream(stream)) = self.bench.timers.pop(at) else { panic!("not of a stream") };
            if let Heard::Gone(stream) = self.transport.fire_stream(&mut self.bench.cx(), stream) {
                gone.push(stream);
            }
            self.transport.check(|timer| self.bench.timers.is_armed(timer));
        }
        self.bench.now = until;
        gone
    }

    fn answer(&mut self, arrival: &Arrival, reply: &Reply) -> (Flow, String) {
        let reply = reply.clone().tagged("b");
        self.transport.answer(&mut self.bench.cx(), arrival, &reply);
        let (flow, text) = self.bench.sent_one();
        (flow, readable(&text))
    }

    /// Answers a request that has this Via and came from `source`: where the answer goes and its Via.
    fn way_back(&mut self, source: &str, via: &str) -> String {
        let request = OPTIONS.replace("SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport", via);
        let arrival = self.datagram(source, wire(&request)).unwrap();
        let (flow, text) = self.answer(&arrival, &Reply::new(Status::OK));
        let via = text.lines().find_map(|line| line.strip_prefix("Via: ")).unwrap();
        format!("{} {via}", self.transport.remote_of(&flow))
    }
}

#[test]
fn a_response_repeats_the_request_and_says_where_it_came_from() {
    let mut world = World::new();
    let request = "INVITE sip:101@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;rport;x=\"a;b\" , SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0
Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK00
Record-Route: <sip:192.0.2.7;lr>
Record-Route: <sip:10.0.0.2;lr>
Max-Forwards: 70
f: Anna <sip:100@192.0.2.1>;tag=a
t: <sip:101@192.0.2.1>
i: 1@192.0.2.7
CSeq: 7 INVITE
Timestamp: 54
l: 0";
    let arrival = world.datagram("192.0.2.7:40000", wire(request)).unwrap();
    assert_eq!(world.transport.local_of(&arrival.flow), address(LOCAL));
    let reply = Reply::new(Status::OK)
        .header(HeaderName::Contact, "<sip:101@192.0.2.1:5060>")
        .body("application/sdp", Bytes::from_static(b"v=0\r\n"));
    let (flow, text) = world.answer(&arrival, &reply);
    assert_eq!(flow, datagrams("192.0.2.7:40000"));
    assert_snapshot!(text, @r#"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;rport=40000;x="a;b";received=192.0.2.7, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0
        Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK00
        Record-Route: <sip:192.0.2.7;lr>
        Record-Route: <sip:10.0.0.2;lr>
        f: Anna <sip:100@192.0.2.1>;tag=a
        t: <sip:101@192.0.2.1>;tag=b
        i: 1@192.0.2.7
        CSeq: 7 INVITE
        Contact: <sip:101@192.0.2.1:5060>
        Content-Type: application/sdp
        Content-Length: 5

        v=0
        "#);
    assert_snapshot!(world.answer(&arrival, &Reply::new(Status::TRYING)).1, @r#"
        SIP/2.0 100 Trying
        Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;rport=40000;x="a;b";received=192.0.2.7, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0
        Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK00
        f: Anna <sip:100@192.0.2.1>;tag=a
        t: <sip:101@192.0.2.1>;tag=b
        i: 1@192.0.2.7
        CSeq: 7 INVITE
        Timestamp: 54
        Content-Length: 0
        "#);
    assert_snapshot!(world.answer(&arrival, &Reply::new(Status::BUSY_HERE).reason("Not\r\nNow")).1, @r#"
        SIP/2.0 486 Not  Now
        Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;rport=40000;x="a;b";received=192.0.2.7, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0
        Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK00
        f: Anna <sip:100@192.0.2.1>;tag=a
        t: <sip:101@192.0.2.1>;tag=b
        i: 1@192.0.2.7
        CSeq: 7 INVITE
        Content-Length: 0
        "#);
}

#[test]
fn datagram_responses_go_to_the_source_address_and_the_port_asked_for() {
    let mut world = World::new();
    let mut lines = Vec::new();
    for (source, via) in [
        ("192.0.2.7:40000", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bK1"),
        ("192.0.2.7:40000", "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1"),
        ("192.0.2.7:40000", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1"),
        ("192.0.2.7:40000", "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1"),
        ("192.0.2.7:40000", "SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;received=203.0.113.9;rport"),
        ("192.0.2.7:40000", "SIP/2.0/UDP 192.0.2.7:5062;maddr=203.0.113.9;branch=z9hG4bK1"),
        ("[2001:db8::7]:40000", "SIP/2.0/UDP [2001:DB8::7]:5062;branch=z9hG4bK1"),
        ("[2001:db8::7]:40000", "SIP/2.0/UDP [2001:db8::8]:5062;branch=z9hG4bK1;rport"),
    ] {
        lines.push(world.way_back(source, via));
    }
    assert_snapshot!(lines.join("\n"), @r#"
        192.0.2.7:40000 SIP/2.0/UDP 192.0.2.7:5062;rport=40000;branch=z9hG4bK1;received=192.0.2.7
        192.0.2.7:5062 SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1
        192.0.2.7:5060 SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1
        192.0.2.7:5062 SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1;received=192.0.2.7
        192.0.2.7:40000 SIP/2.0/UDP phone.invalid;branch=z9hG4bK1;rport=40000;received=192.0.2.7
        192.0.2.7:5062 SIP/2.0/UDP 192.0.2.7:5062;maddr=203.0.113.9;branch=z9hG4bK1
        [2001:db8::7]:5062 SIP/2.0/UDP [2001:DB8::7]:5062;branch=z9hG4bK1
        [2001:db8::7]:40000 SIP/2.0/UDP [2001:db8::8]:5062;branch=z9hG4bK1;rport=40000;received=2001:db8::7
        "#);
}

#[test]
fn a_stream_response_takes_the_stream_or_a_new_one_to_the_port_of_sent_by() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let Heard::Arrival(arrival) = world.bytes(1, wire(&OPTIONS.replace("UDP", "TCP"))) else {
        panic!("no arrival")
    };
    assert_eq!(world.transport.remote_of(&arrival.flow), address("192.0.2.7:40000"));
    assert_eq!(world.transport.local_of(&arrival.flow), address(LOCAL));
    let mut path = world.transport.path(&arrival);
    world.bench.out.clear();
    world.transport.send_back(&mut world.bench.cx(), &mut path, Bytes::from_static(b"1"));
    assert_eq!(world.bench.sent_one(), (Flow::Stream { stream: StreamId(1) }, "1".into()));

    assert!(matches!(world.stream(1, StreamEvent::Closed), Heard::Gone(StreamId(1))));
    world.bench.out.clear();
    world.transport.send_back(&mut world.bench.cx(), &mut path, Bytes::from_static(b"2"));
    world.transport.send_back(&mut world.bench.cx(), &mut path, Bytes::from_static(b"3"));
    let stream = StreamId(2);
    let flow = Flow::Stream { stream };
    let remote = address("192.0.2.7:5062");
    let connect = Action::Connect { stream, remote, transport: border::Transport::Tcp };
    let sent = |text: &'static str| Action::Transmit { flow, bytes: text.into() };
    assert_eq!(world.bench.out, [connect, sent("2"), sent("3")]);
}

#[test]
fn keep_alives_are_swallowed_on_datagrams_and_answered_on_streams() {
    let mut world = World::new();
    for keep_alive in ["", "\r\n", "\r\n\r\n", "\0\0\0\0"] {
        assert!(world.datagram("192.0.2.7:5060", keep_alive).is_none());
    }
    assert_eq!(world.bench.out, []);
    assert_eq!((world.transport.received(), world.transport.malformed()), (0, 0));

    world.accept(1, "192.0.2.7:40000");
    world.bench.out.clear();
    assert!(matches!(world.bytes(1, "\r\n\r\n"), Heard::Nothing));
    assert_eq!(world.bench.sent_one(), (Flow::Stream { stream: StreamId(1) }, "\r\n".into()));
    let many = [b"\r\n\r\n".repeat(1000), wire(OPTIONS).to_vec()].concat();
    assert!(matches!(world.bytes(1, many), Heard::Arrival(_)));
    assert_eq!(world.bench.sent().len(), 1, "a flood of keep-alives is answered once");
}

#[test]
fn messages_of_a_stream_come_one_by_one_however_they_are_cut() {
    let mut world = World::new();
    let message = wire(OPTIONS).to_vec();
    let all = [message.clone(), message.clone(), message].concat();
    for cut in [1, 7, 300, all.len()] {
        world.accept(cut as u64, "192.0.2.7:40000");
        let mut heard = 0;
        for piece in all.chunks(cut) {
            let mut next = world.bytes(cut as u64, piece.to_vec());
            while let Heard::Arrival(arrival) = next {
                assert_eq!(arrival.transport, border::Transport::Tcp);
                heard += 1;
                next = world.transport.next(&mut world.bench.cx(), StreamId(cut as u64));
            }
            assert!(matches!(next, Heard::Nothing));
        }
        assert_eq!(heard, 3, "in pieces of {cut}");
    }
}

#[test]
fn a_malformed_request_is_answered_with_the_reason_when_it_can_be() {
    let mut world = World::new();
    let bad = OPTIONS.replace("Max-Forwards: 70", "Max-Forwards: seventy");
    assert!(world.datagram("192.0.2.7:5062", wire(&bad)).is_none());
    let events = world.bench.out.split_off(1);
    assert_snapshot!(readable(&world.bench.sent_one().1), @r#"
        SIP/2.0 400 bad Max-Forwards: not a number
        Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport=5062;received=192.0.2.7
        From: <sip:100@192.0.2.1>;tag=a
        To: <sip:192.0.2.1>;tag=1d2df91e0d5c5b94
        Call-ID: 1@192.0.2.7
        CSeq: 1 OPTIONS
        Content-Length: 0
        "#);
    assert!(matches!(&events[..], [Action::Report(Event::Malformed { answered: true, .. })]), "{events:?}");
    assert_eq!((world.transport.received(), world.transport.malformed()), (1, 1));
    let mut again = || {
        assert!(world.datagram("192.0.2.7:5062", wire(&bad)).is_none());
        world.bench.out.truncate(1);
        world.bench.sent_one().1
    };
    let before = again();
    assert_eq!(before, again(), "the To tag of a stateless answer stays (RFC 3261 §8.2.7)");
    world.transport.rekey(&mut Rng::new(crate::rng::Seed::from_number(2), crate::rng::Purpose::Hash));
    assert!(world.datagram("192.0.2.7:5062", wire(&bad)).is_none());
    world.bench.out.truncate(1);
    assert_ne!(before, world.bench.sent_one().1, "what was handed out does not say the tags to come");

    let method = OPTIONS.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
    assert!(world.datagram("192.0.2.7:5062", wire(&method)).is_none());
    assert!(world.bench.sent_one().1.starts_with("SIP/2.0 400 bad CSeq"));
    // What cannot be read is repeated as it came, and what is not there is not.
    for (fine, broken) in
        [("Call-ID: 1@192.0.2.7\n", ""), ("From: <sip:100", "From: \"a <sip:100"), ("bK1;", "bK1;;,")]
    {
        assert!(world.datagram("192.0.2.7:5062", wire(&OPTIONS.replace(fine, broken))).is_none());
        let (flow, text) = world.bench.sent_one();
        assert!(text.starts_with("SIP/2.0 400 ") && text.contains(broken), "{text}");
        assert_eq!(flow, datagrams("192.0.2.7:5062"));
    }
    let version = OPTIONS.replace("sip:192.0.2.1 SIP/2.0", "sip:192.0.2.1 SIP/7.0");
    assert!(world.datagram("192.0.2.7:5062", wire(&version)).is_none());
    assert!(world.bench.sent_one().1.starts_with("SIP/2.0 505 "));
}

#[test]
fn what_cannot_be_answered_is_counted_and_dropped() {
    let mut world = World::new();
    let no_via = OPTIONS.replace("Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport\n", "");
    let ack = OPTIONS.replace("OPTIONS", "ACK").replace("Max-Forwards: 70", "Max-Forwards: x");
    let response =
        OPTIONS.replace("OPTIONS sip:192.0.2.1 SIP/2.0", "SIP/2.0 200 OK").replace("CSeq: 1", "CSeq: x");
    let bad: [Bytes; 5] = [
        wire(&no_via),
        wire(&ack),
        wire(&response),
        Bytes::from_static(b"\x16\x03\x01\x00\xa5 not SIP at all"),
        Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\nVia"),
    ];
    let count = bad.len() as u64;
    for bytes in bad {
        assert!(world.datagram("192.0.2.7:5062", bytes).is_none());
    }
    assert_eq!(world.transport.malformed(), count);
    let events = world.bench.out.iter();
    assert!(
        events
            .clone()
            .all(|action| matches!(action, Action::Report(Event::Malformed { answered: false, .. })))
    );
    assert_eq!(events.count() as u64, count);
}

#[test]
fn a_flood_of_garbage_is_neither_answered_nor_told_at_length() {
    let mut world = World::new();
    let bad = wire(&OPTIONS.replace("Max-Forwards: 70", "Max-Forwards: seventy"));
    for _ in 0..10_000 {
        world.datagram("192.0.2.7:5062", bad.clone());
    }
    let reports = world.bench.out.iter().filter(|action| matches!(action, Action::Report(_))).count();
    assert_eq!(reports, limits::REPORTS.burst as usize);
    assert_eq!(world.bench.sent().len(), limits::NOISE.burst as usize);
    assert_eq!(world.transport.malformed(), 10_000);
    assert!(world.datagram("192.0.2.7:5062", wire(OPTIONS)).is_some(), "what is well formed still passes");
    world.datagram("192.0.2.8:5062", bad);
    assert_eq!(world.bench.sent().len(), 1, "another source is still answered");
}

#[test]
fn a_stream_that_cannot_be_framed_is_answered_if_possible_and_closed() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    world.bench.out.clear();
    let unframed = wire(&OPTIONS.replace("\nContent-Length: 0", ""));
    assert!(matches!(world.bytes(1, unframed), Heard::Gone(StreamId(1))));
    assert!(matches!(
        &world.bench.out[..],
        [
            Action::Transmit { .. },
            Action::Report(Event::Malformed { answered: true, .. }),
            Action::Disconnect { stream: StreamId(1) },
            Action::Report(Event::StreamClosed { .. }),
        ]
    ));
    assert!(world.bench.sent_one().1.starts_with("SIP/2.0 400 missing Content-Length"));
    world.accept(3, "192.0.2.7:40001");
    world.bench.out.clear();
    assert!(matches!(world.bytes(3, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Heard::Gone(StreamId(3))));
    assert!(world.bench.out.contains(&Action::Disconnect { stream: StreamId(3) }));
    assert!(world.bench.sent().is_empty());
    assert_eq!((world.transport.streams(), world.bench.timers.len()), (0, 0));
    assert!(matches!(world.bytes(3, wire(OPTIONS)), Heard::Nothing), "late octets of a closed stream");
    assert!(matches!(world.stream(3, StreamEvent::Closed), Heard::Nothing));
}

#[test]
fn a_stream_that_sends_no_message_in_time_is_closed() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    world.accept(3, "192.0.2.7:40001");
    world.bytes(1, "\r\n\r\nOPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: ");
    world.bytes(3, wire(OPTIONS));
    assert_eq!(world.run(limits::STREAM_START), [StreamId(1)]);
    assert!(world.bench.out.contains(&Action::Disconnect { stream: StreamId(1) }));
    assert!(!world.transport.is_open(StreamId(1)) && world.transport.is_open(StreamId(3)));
}

#[test]
fn an_idle_stream_is_closed_unless_something_refers_to_it() {
    let mut world = World::new();
    for stream in [1, 3, 5] {
        world.accept(stream, &format!("192.0.2.7:4000{stream}"));
        world.bytes(stream, wire(OPTIONS));
    }
    world.transport.pin(StreamId(3));
    world.transport.pin(StreamId(3));
    assert_eq!(world.run(limits::STREAM_IDLE / 2), []);
    world.bytes(5, "\r\n\r\n");
    assert_eq!(world.run(limits::STREAM_IDLE / 2), [StreamId(1)]);
    assert_eq!(world.run(limits::STREAM_IDLE / 2), [StreamId(5)]);
    assert_eq!(world.run(limits::STREAM_IDLE * 5), []);
    world.transport.unpin(&world.bench.cx(), StreamId(3));
    assert_eq!(world.run(limits::STREAM_IDLE * 5), []);
    world.transport.unpin(&world.bench.cx(), StreamId(3));
    assert_eq!(world.run(limits::STREAM_IDLE - Duration::from_secs(1)), []);
    assert_eq!(world.run(limits::STREAM_IDLE), [StreamId(3)]);
    assert_eq!((world.transport.streams(), world.bench.timers.len()), (0, 0));
}

#[test]
fn a_target_reuses_the_stream_that_is_there_and_opens_one_otherwise() {
    let mut world = World::new();
    let remote = address("192.0.2.7:40000");
    world.accept(1, "192.0.2.7:40000");
    world.bench.out.clear();
    let tcp = border::Transport::Tcp;
    let flow = |stream| Some(Flow::Stream { stream: StreamId(stream) });
    assert_eq!(world.transport.target(&mut world.bench.cx(), tcp, remote), flow(1));
    let other = address("192.0.2.8:5060");
    assert_eq!(world.transport.target(&mut world.bench.cx(), tcp, other), flow(2));
    assert_eq!(world.transport.target(&mut world.bench.cx(), tcp, other), flow(2));
    assert_eq!(world.bench.out.len(), 1, "{:?}", world.bench.out);
    // Via and Contact name where we listen, not our end of the connection.
    let flow = Flow::Stream { stream: StreamId(2) };
    assert_eq!(world.transport.local_of(&flow), address(LOCAL));
    let opened = StreamEvent::Opened { listener: None, local: address("192.0.2.3:55555"), remote: other };
    world.stream(2, opened);
    assert_eq!(world.transport.local_of(&flow), address("192.0.2.3:5060"));
    assert_eq!(world.transport.remote_of(&flow), other);
    world.stream(1, StreamEvent::Closed);
    assert!(matches!(
        world.transport.target(&mut world.bench.cx(), tcp, remote),
        Some(Flow::Stream { stream: StreamId(4) })
    ));
}

/// Two phones behind one NAT box: the port of one phone's datagrams may be that of the other's stream. Whatever is too
/// long for a datagram went to the wrong phone.
#[test]
fn a_stream_that_came_from_where_datagrams_go_is_somebody_elses() {
    let mut world = World::new();
    let remote = address("192.0.2.7:40001");
    world.accept(1, "192.0.2.7:40001");
    let first = world.transport.connection(&mut world.bench.cx(), remote);
    assert_eq!(first, Some(Flow::Stream { stream: StreamId(2) }));
    assert_eq!(world.transport.connection(&mut world.bench.cx(), remote), first);
}

#[test]
fn a_connection_that_takes_too_long_is_given_up() {
    let mut world = World::new();
    world.transport.target(&mut world.bench.cx(), border::Transport::Tcp, address("192.0.2.8:5060"));
    assert_eq!(world.run(limits::STREAM_CONNECT), [StreamId(2)]);
    assert!(world.bench.out.contains(&Action::Disconnect { stream: StreamId(2) }));
    assert_eq!(world.bench.timers.len(), 0);
}

#[test]
fn streams_over_the_limit_are_refused() {
    let mut world = World::new();
    let open = |world: &mut World, n: usize| {
        let remote = SocketAddr::new(IpAddr::from([10, 1, (n >> 12) as u8, (n >> 6) as u8]), n as u16);
        world.accept(2 * n as u64 + 1, &remote.to_string());
    };
    let refused = |world: &mut World, remote: &str, what: &'static str| {
        let over = StreamId(2 * limits::STREAMS as u64 + 1);
        world.bench.out.clear();
        world.accept(over.0, remote);
        let disconnect = Action::Disconnect { stream: over };
        assert_eq!(world.bench.out, [disconnect, Action::Report(Event::Overload { what: what.into() })]);
    };
    let of_strangers = limits::STREAMS / 8 * 7;
    (0..of_strangers).for_each(|n| open(&mut world, n));
    assert_eq!(world.transport.streams(), of_strangers);
    refused(&mut world, "10.9.9.9:9999", "streams of strangers");
    // The rest is for who is known, and for us.
    let tcp = border::Transport::Tcp;
    assert!(world.transport.target(&mut world.bench.cx(), tcp, address("192.0.2.9:5060")).is_some());
    for n in of_strangers..limits::STREAMS - 1 {
        world.transport.know(SocketAddr::from(([10, 1, (n >> 12) as u8, (n >> 6) as u8], 0)));
        open(&mut world, n);
    }
    world.transport.know(address("10.9.9.9:9999"));
    refused(&mut world, "10.9.9.9:9999", "streams");
    assert_eq!(world.transport.target(&mut world.bench.cx(), tcp, address("192.0.2.8:5060")), None);
    assert_eq!(world.transport.streams(), limits::STREAMS);
}

#[test]
fn a_stranger_may_not_open_many_streams() {
    let mut world = World::new();
    let open = |world: &mut World, n: usize| {
        world.accept(2 * n as u64 + 1, &format!("192.0.2.7:{}", 2000 + n));
        let over = Action::Disconnect { stream: StreamId(2 * n as u64 + 1) };
        !std::mem::take(&mut world.bench.out).contains(&over)
    };
    let opened = (0..2 * limits::STREAMS_OF_STRANGER).filter(|n| open(&mut world, *n)).count();
    assert_eq!(opened, limits::STREAMS_OF_STRANGER);
    assert_eq!(world.transport.full() as usize, limits::STREAMS_OF_STRANGER);
    world.accept(999, "192.0.2.8:2000");
    assert!(world.transport.is_open(StreamId(999)), "its neighbour may");
    world.transport.know(address("192.0.2.7:5060"));
    assert!(open(&mut world, 1000), "and it, once a request of it was accepted");
    assert!(world.run(limits::STREAM_START).len() > limits::STREAMS_OF_STRANGER, "silent ones end");
    assert_eq!(world.transport.streams(), 0);
}

#[test]
fn a_message_that_comes_octet_by_octet_must_be_whole_in_time() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let Heard::Arrival(_) = world.bytes(1, wire(OPTIONS)) else { panic!("no arrival") };
    world.bench.now += Duration::from_secs(100);
    let octets = wire(OPTIONS);
    for (n, octet) in octets.iter().enumerate() {
        let heard = world.bytes(1, Bytes::copy_from_slice(&[*octet]));
        if matches!(heard, Heard::Gone(StreamId(1))) {
            assert_eq!(n, 8, "the first octet after {:?}", limits::STREAM_MESSAGE);
            return;
        }
        world.bench.now += Duration::from_secs(4);
    }
    panic!("it was let go on");
}

#[test]
fn a_stranger_over_its_rate_is_dropped_or_told_to_wait_until_it_is_known() {
    let mut world = World::new();
    let source = address("192.0.2.7:5062");
    let arrival = world.datagram("192.0.2.7:5062", wire(OPTIONS)).unwrap();
    let taken = (0..limits::STRANGERS.burst * 2)
        .filter(|_| world.transport.let_in(&mut world.bench.cx(), &arrival))
        .count();
    assert_eq!(taken, limits::STRANGERS.burst as usize);
    assert!(world.bench.sent().is_empty());
    world.accept(1, "192.0.2.7:40000");
    let Heard::Arrival(by_stream) = world.bytes(1, wire(OPTIONS)) else { panic!("no arrival") };
    world.bench.out.clear();
    assert!(!world.transport.let_in(&mut world.bench.cx(), &by_stream));
    let refusal = world.bench.sent_one().1;
    assert!(refusal.starts_with("SIP/2.0 503 ") && refusal.contains("\r\nRetry-After: "), "{refusal}");
    world.transport.know(source);
    assert!(world.transport.let_in(&mut world.bench.cx(), &arrival));
}

#[test]
fn without_a_listener_there_is_no_target() {
    let mut bench = Bench::new();
    let mut transport = with_listeners(&[border::Transport::Udp]);
    let v6 = address("[2001:db8::1]:5060");
    assert_eq!(transport.target(&mut bench.cx(), border::Transport::Udp, v6), None);
    assert!(!transport.accepts_streams());
    // A stream can be opened all the same: responses come back through it.
    assert!(transport.target(&mut bench.cx(), border::Transport::Tcp, v6).is_some());
}
