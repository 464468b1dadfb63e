//! Anything the network can do.

use proptest::prelude::*;

use super::load::numbered;
use super::*;

/// One thing that a hostile network does.
#[derive(Clone, Debug)]
enum Step {
    /// A request or response of the list, with some octets changed, in a datagram or on a stream.
    Message {
        which: usize,
        changes: Vec<(usize, u8)>,
        stream: bool,
    },
    /// Anything at all.
    Octets {
        octets: Vec<u8>,
        stream: bool,
    },
    /// The user answers the transaction it heard of so long ago.
    Respond {
        back: usize,
        status: u16,
    },
    /// The user sends or cancels something.
    Request {
        invite: bool,
        stream: bool,
    },
    Cancel {
        back: usize,
    },
    /// The network says that the peer is gone.
    Unreachable,
    Reopen,
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((any::<usize>(), any::<u8>()), 0..3);
    prop_oneof![
        8 => (any::<usize>(), changes, any::<bool>())
            .prop_map(|(which, changes, stream)| Step::Message { which, changes, stream }),
        1 => (prop::collection::vec(any::<u8>(), 0..200), any::<bool>())
            .prop_map(|(octets, stream)| Step::Octets { octets, stream }),
        4 => (0usize..4, 100u16..700).prop_map(|(back, status)| Step::Respond { back, status }),
        2 => any::<(bool, bool)>().prop_map(|(invite, stream)| Step::Request { invite, stream }),
        1 => (0usize..4).prop_map(|back| Step::Cancel { back }),
        1 => Just(Step::Unreachable),
        1 => Just(Step::Reopen),
        3 => (0u64..20_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// A world with a user above it that remembers what it heard and sent.
struct Hostile {
    world: World,
    heard: Vec<ServerKey>,
    asked: Vec<ClientKey>,
    sent: Vec<String>,
    stream: u64,
}

impl Hostile {
    fn message(&self, which: usize) -> String {
        let requests = ["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"];
        let answers = ["100 Trying", "180 Ringing", "200 OK", "487 Request Terminated"];
        match (which % 3, self.sent.last()) {
            (0, Some(request)) => response_to(request, answers[which / 3 % answers.len()], "t"),
            (1, _) => numbered(requests[which / 3 % requests.len()], which / 15 % 3),
            _ => numbered(requests[which / 3 % requests.len()], which / 15 % 3)
                .replace(";branch=z9hG4bK", ";x="),
        }
    }

    fn up(&mut self, up: Option<&Up>) {
        if let Some(Up::Request { txn, .. }) = up {
            self.heard.push(*txn);
        }
        for action in self.world.bench.out.drain(..) {
            if let Action::Transmit { bytes, .. } = action {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.sent.extend(
                    (!text.starts_with("SIP/") && !text.starts_with("ACK") && text.len() > 4).then_some(text),
                );
            }
        }
        self.world.check();
    }

    fn octets(&mut self, octets: Vec<u8>, stream: bool) {
        let World { bench, transport, txns } = &mut self.world;
        if !stream {
            let (local, source): (SocketAddr, SocketAddr) = (LOCAL.parse().unwrap(), PEER.parse().unwrap());
            let cx = &mut bench.cx();
            let arrival = transport.receive_datagram(cx, ListenerId(0), local.ip(), source, octets.into());
            let up = arrival.and_then(|arrival| txns.receive(cx, transport, arrival));
            return self.up(up.as_ref());
        }
        let id = StreamId(self.stream);
        let mut heard = transport.stream_event(&mut bench.cx(), id, StreamEvent::Bytes(octets.into()));
        loop {
            let World { bench, transport, txns } = &mut self.world;
            match heard {
                Heard::Nothing => return self.up(None),
                Heard::Gone(stream) => {
                    txns.stream_closed(&mut bench.cx(), stream);
                    return self.up(None);
                }
                Heard::Arrival(arrival) => {
                    let up = txns.receive(&mut bench.cx(), transport, arrival);
                    self.up(up.as_ref());
                    heard = self.world.transport.next(&mut self.world.bench.cx(), id);
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Message { which, changes, stream } => {
                let mut octets = wire(&self.message(which)).to_vec();
                for (at, octet) in changes {
                    let at = at % octets.len();
                    octets[at] = octet;
                }
                self.octets(octets, stream);
            }
            Step::Octets { octets, stream } => self.octets(octets, stream),
            Step::Respond { back, status } => {
                if let Some(txn) = self.heard.iter().rev().nth(back).copied() {
                    let status = Status::new(status).unwrap();
                    self.world.respond(txn, &Reply::new(status));
                }
            }
            Step::Request { invite, stream } => {
                let flow =
                    if stream { Flow::Stream { stream: StreamId(self.stream) } } else { datagrams(PEER) };
                let method = if invite { Method::Invite } else { Method::Bye };
                let txn = self.world.request(draft(method), flow);
                self.asked.push(txn);
            }
            Step::Cancel { back } => {
                if let Some(txn) = self.asked.iter().rev().nth(back).copied() {
                    self.world.cancel(txn);
                }
            }
            Step::Unreachable => self.world.txns.send_failed(&mut self.world.bench.cx(), datagrams(PEER)),
            Step::Reopen => {
                if self.world.transport.is_open(StreamId(self.stream)) {
                    self.world.close(self.stream);
                }
                self.stream += 2;
                self.world.accept(self.stream, "192.0.2.7:40000");
            }
            Step::Wait { millis } => {
                self.world.run(millis);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever comes, nothing panics, the tables agree after each step, and once the user has answered all there is
    /// nothing left but what timers take away.
    #[test]
    fn no_network_can_break_the_tables(steps in prop::collection::vec(step(), 1..60)) {
        let world = World::new();
        let mut hostile = Hostile { world, heard: Vec::new(), asked: Vec::new(), sent: Vec::new(), stream: 1 };
        hostile.world.accept(1, "192.0.2.7:40000");
        for step in steps {
            hostile.step(step);
        }
        for txn in std::mem::take(&mut hostile.heard) {
            hostile.world.respond(txn, &Reply::new(Status::NOT_FOUND));
        }
        hostile.world.run(185_000 + 64_000 + 32_000);
        prop_assert_eq!(hostile.world.txns.len(), 0);
        hostile.world.run(600_000);
        hostile.world.assert_empty();
        prop_assert_eq!(hostile.world.transport.streams(), 0);
    }
}
