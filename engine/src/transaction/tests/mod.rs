//! The layer as a whole, in virtual time.

mod client;
mod figures;
mod hostile;
mod legacy;
mod load;
mod server;
mod walk;

use std::net::SocketAddr;

use super::effects::Failure;
use super::*;
use crate::border::{self, Action, ListenerId, StreamEvent};
use crate::cx::Timer;
use crate::event::Event;
use crate::rng::{Purpose, Seed};
use crate::sip::{HeaderName, Status, Writer};
use crate::transport::Heard;
use crate::transport::harness::{Bench, LOCAL, datagrams, readable, transport, wire, with_listeners};

const PEER: &str = "192.0.2.7:5060";

/// What a cancelled contact is told.
const CANCEL_REASON: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Both layers and what they are handed. After each step the tables are checked.
struct World {
    bench: Bench,
    transport: Transport,
    txns: Transactions,
}

impl World {
    fn new() -> Self {
        Self::with(transport(), limits::TRANSACTIONS)
    }

    fn with(transport: Transport, room: usize) -> Self {
        let mut rng = Rng::new(Seed::from_number(2), Purpose::Hash);
        Self { bench: Bench::new(), transport, txns: Transactions::with_room(&mut rng, room) }
    }

    fn check(&self) {
        let armed = |timer| self.bench.timers.is_armed(timer);
        self.transport.check(armed);
        self.txns.check(&self.transport, armed);
    }

    /// A datagram from `source`.
    fn hear_from(&mut self, source: &str, text: &str) -> Option<Up> {
        let (local, source): (SocketAddr, SocketAddr) = (LOCAL.parse().unwrap(), source.parse().unwrap());
        let cx = &mut self.bench.cx();
        let arrival = self.transport.receive_datagram(cx, ListenerId(0), local.ip(), source, wire(text));
        let up = self.txns.receive(cx, &mut self.transport, arrival.expect("well formed"));
        self.check();
        up
    }

    fn hear(&mut self, text: &str) -> Option<Up> {
        self.hear_from(PEER, text)
    }

    /// Octets of one message on a stream.
    fn hear_on(&mut self, stream: u64, text: &str) -> Option<Up> {
        let cx = &mut self.bench.cx();
        let event = StreamEvent::Bytes(wire(text));
        let Heard::Arrival(arrival) = self.transport.stream_event(cx, StreamId(stream), event) else {
            panic!("not a message")
        };
        let up = self.txns.receive(cx, &mut self.transport, arrival);
        self.check();
        up
    }

    fn accept(&mut self, stream: u64, remote: &str) {
        let (local, remote) = (LOCAL.parse().unwrap(), remote.parse().unwrap());
        let event = StreamEvent::Opened { listener: Some(ListenerId(1)), local, remote };
        self.transport.stream_event(&mut self.bench.cx(), StreamId(stream), event);
        self.bench.out.clear();
    }

    fn close(&mut self, stream: u64) {
        let cx = &mut self.bench.cx();
        let gone = self.transport.stream_event(cx, StreamId(stream), StreamEvent::Closed);
        assert!(matches!(gone, Heard::Gone(_)));
        self.txns.stream_closed(cx, StreamId(stream));
        self.check();
    }

    /// Fires what is due in the next `millis`. Why requests failed, and what was sent when.
    fn run(&mut self, millis: u64) -> (Vec<Failure>, Vec<(u64, String)>) {
        let until = self.bench.now + std::time::Duration::from_millis(millis);
        let (mut failures, mut sent) = (Vec::new(), self.first_lines());
        while let Some(at) = self.bench.timers.next().map(|(at, _)| at).filter(|at| *at <= until) {
            self.bench.now = at;
            let timer = self.bench.timers.pop(at).unwrap();
            let cx = &mut self.bench.cx();
            match timer {
                Timer::Server(txn, timer) => self.txns.fire_server(cx, &mut self.transport, txn, timer),
                Timer::Client(txn, timer) => {
                    if let Some(up) = self.txns.fire_client(cx, &mut self.transport, txn, timer) {
                        assert!(matches!(up, Up::Failed { .. }), "{up:?}");
                        failures.push(self.told_why());
                    }
                }
                Timer::Stream(stream) => {
                    if let Heard::Gone(stream) = self.transport.fire_stream(cx, stream) {
                        self.txns.stream_closed(cx, stream);
                    }
                }
                other => panic!("{other:?} is not of these layers"),
            }
            self.check();
            sent.extend(self.first_lines());
        }
        self.bench.now = until;
        (failures, sent)
    }

    /// What people were just told of a request that failed.
    fn told_why(&self) -> Failure {
        match self.bench.out.last() {
            Some(Action::Report(Event::NoResponse { undeliverable: true, .. })) => Failure::Transport,
            Some(Action::Report(Event::NoResponse { undeliverable: false, .. })) => Failure::Timeout,
            other => panic!("{other:?}"),
        }
    }

    /// What was sent since the last look, by its first word but for responses: those by their status.
    fn first_lines(&mut self) -> Vec<(u64, String)> {
        let now = self.bench.now.as_nanos() / 1_000_000;
        let word = |text: &str| text.trim_start_matches("SIP/2.0 ").split(' ').next().unwrap().to_owned();
        self.bench.sent().iter().map(|(_, text)| (now, word(text))).collect()
    }

    /// Times of what is sent in the next `millis`, all of it `word`.
    fn times(&mut self, millis: u64, word: &str) -> (Vec<Failure>, Vec<u64>) {
        let (failures, sent) = self.run(millis);
        assert!(sent.iter().all(|(_, what)| what == word), "{sent:?}");
        (failures, sent.into_iter().map(|(at, _)| at).collect())
    }

    fn respond(&mut self, txn: ServerKey, reply: &Reply) -> bool {
        let done = self.txns.respond(&mut self.bench.cx(), &mut self.transport, txn, reply);
        self.check();
        done
    }

    fn request(&mut self, draft: Draft, flow: Flow) -> ClientKey {
        let txn = self.txns.request(&mut self.bench.cx(), &mut self.transport, draft, flow);
        self.check();
        txn
    }

    fn cancel(&mut self, txn: ClientKey) {
        self.txns.cancel(&mut self.bench.cx(), &mut self.transport, txn, CANCEL_REASON);
        self.check();
    }

    /// Everything has ended and left nothing behind.
    fn assert_empty(&self) {
        assert_eq!((self.txns.len(), self.bench.timers.len()), (0, self.transport.streams()));
    }
}

/// A request of `method` as a phone sends it.
fn phone_request(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:101@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch={branch}
Max-Forwards: 70
From: <sip:100@192.0.2.1>;tag=a
To: <sip:101@192.0.2.1>
Call-ID: 1@192.0.2.7
CSeq: 1 {method}
Content-Length: 0"
    )
}

/// A request of ours without Via.
fn draft(method: Method) -> Draft {
    sized_draft(method, 0)
}

/// The same with a body of this length.
fn sized_draft(method: Method, body: usize) -> Draft {
    let mut writer = Writer::request(method.as_str(), "sip:100@192.0.2.7");
    writer.header(HeaderName::MaxForwards, 70);
    writer.header(HeaderName::Route, "<sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>");
    writer.header(HeaderName::Route, "<sip:192.0.2.7;lr>");
    writer.header(HeaderName::From, "<sip:101@192.0.2.1>;tag=x");
    writer.header(HeaderName::To, "<sip:100@192.0.2.7>");
    writer.header(HeaderName::CallId, "2@192.0.2.1");
    writer.header(HeaderName::CSeq, format_args!("4 {method}"));
    Draft::new(method, if body == 0 { writer.finish() } else { writer.body("text/plain", &vec![b'x'; body]) })
}

/// The response of a peer to `request`, which is one of ours as it was sent.
fn response_to(request: &str, status: &str, to_tag: &str) -> String {
    let field = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap().trim_end();
    let (via, from, to) = (field("Via: "), field("From: "), field("To: "));
    let (call, cseq) = (field("Call-ID: "), field("CSeq: "));
    format!("SIP/2.0 {status}\n{via}\n{from}\n{to};tag={to_tag}\n{call}\n{cseq}\nContent-Length: 0")
}

fn txn_of(up: Option<Up>) -> ServerKey {
    match up {
        Some(Up::Request { txn, .. }) => txn,
        other => panic!("no request: {other:?}"),
    }
}
