//! Many transactions, and bounds.

use super::*;

pub(super) fn numbered(method: &str, n: usize) -> String {
    phone_request(method, &format!("z9hG4bK{n}")).replace("1@192.0.2.7", &format!("{n}@192.0.2.7"))
}

/// The same inside a dialog.
fn inside(text: &str) -> String {
    text.replace("To: <sip:101@192.0.2.1>", "To: <sip:101@192.0.2.1>;tag=b")
}

#[test]
fn over_the_limit_what_is_new_gets_503_and_the_others_go_on() {
    let mut world = World::with(transport(), 16);
    // Many sources, so that none is greedy.
    let source = |n: usize| format!("192.0.2.{}:5060", 100 + n);
    let open: Vec<ServerKey> =
        (0..14).map(|n| txn_of(world.hear_from(&source(n), &numbered("OPTIONS", n)))).collect();
    let refused = |world: &mut World, text: &str| {
        assert!(world.hear_from(&source(99), text).is_none());
        let text = world.bench.sent_one().1;
        assert!(text.starts_with("SIP/2.0 503 ") && text.contains("\r\nRetry-After: 10\r\n"), "{text}");
    };
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        refused(&mut world, &numbered(method, 99));
    }
    let bye = txn_of(world.hear_from(&source(99), &inside(&numbered("BYE", 99))));
    assert!(world.respond(bye, &Reply::new(Status::OK)), "calls can end");
    assert_eq!(world.first_lines(), [(0, "200".into())]);
    txn_of(world.hear_from(&source(98), &inside(&numbered("INVITE", 98))));
    refused(&mut world, &inside(&numbered("BYE", 97)));
    refused(&mut world, &numbered("CANCEL", 99));
    assert_eq!(world.transport.full(), 5);
    assert!(
        matches!(world.hear_from(&source(99), &numbered("ACK", 99)), Some(Up::Ack { .. })),
        "never answered"
    );
    assert!(world.bench.sent().is_empty());
    assert_eq!(world.txns.len(), 16);
    assert!(world.hear_from(&source(0), &numbered("OPTIONS", 0)).is_none(), "absorbed as ever");
    for txn in open {
        assert!(world.respond(txn, &Reply::new(Status::OK)));
    }
    world.bench.out.clear();
    world.run(32_000);
    txn_of(world.hear_from(&source(99), &numbered("OPTIONS", 96)));
}

#[test]
fn one_source_cannot_take_the_room_of_all_others() {
    let mut world = World::with(transport(), 80);
    let taken = (0..100).filter(|n| world.hear(&numbered("OPTIONS", *n)).is_some()).count();
    assert_eq!(taken, 60, "three quarters");
    world.bench.out.clear();
    for n in 100..110 {
        txn_of(world.hear_from("192.0.2.8:5060", &numbered("OPTIONS", n)));
    }
    assert_eq!(world.txns.len(), 70, "seven eighths");
    assert!(world.hear_from("192.0.2.8:5060", &numbered("OPTIONS", 110)).is_none());
    assert_eq!(world.first_lines(), [(0, "503".into())]);
}

/// Whoever asks for what does not exist costs no memory.
#[test]
fn a_cancel_of_nothing_is_forgotten_at_once() {
    let mut world = World::new();
    for n in 0..100 {
        assert!(world.hear(&numbered("CANCEL", n)).is_none());
        assert_eq!(world.first_lines(), [(0, "481".into())]);
    }
    assert_eq!(world.txns.len(), 0);
}

#[test]
fn a_source_whose_request_was_accepted_has_no_rate() {
    let mut world = World::new();
    let register = |n| numbered("REGISTER", n);
    let mut taken = 0;
    let txn = txn_of(world.hear(&register(0)));
    world.respond(txn, &Reply::new(Status::OK));
    let cx = &mut world.bench.cx();
    for n in 1..=2 * limits::STRANGERS.burst as usize {
        let (local, source): (SocketAddr, SocketAddr) = (LOCAL.parse().unwrap(), PEER.parse().unwrap());
        let arrival = world
            .transport
            .receive_datagram(cx, ListenerId(0), local.ip(), source, wire(&register(n)))
            .unwrap();
        taken += usize::from(world.txns.receive(cx, &mut world.transport, arrival).is_some());
    }
    assert_eq!(taken, 2 * limits::STRANGERS.burst as usize);
    world.check();
}

/// Ten thousand INVITEs and registrations at once, over both transports, some cancelled, some lost: in the end
/// nothing is left.
#[test]
fn nothing_outlives_its_timers() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let mut rng = Rng::new(Seed::from_number(5), Purpose::Call);
    let (local, source): (SocketAddr, SocketAddr) = (LOCAL.parse().unwrap(), PEER.parse().unwrap());
    for n in 0..5000 {
        let method = ["INVITE", "REGISTER"][rng.below(2) as usize];
        let cx = &mut world.bench.cx();
        let arrival = if rng.below(4) == 0 {
            let event = StreamEvent::Bytes(wire(&numbered(method, n)));
            match world.transport.stream_event(cx, StreamId(1), event) {
                Heard::Arrival(arrival) => arrival,
                other => panic!("{other:?}"),
            }
        } else {
            let bytes = wire(&numbered(method, n));
            world.transport.receive_datagram(cx, ListenerId(0), local.ip(), source, bytes).unwrap()
        };
        let txn = txn_of(world.txns.receive(cx, &mut world.transport, arrival));
        let reply = [Status::RINGING, Status::OK, Status::BUSY_HERE, Status::TRYING][rng.below(4) as usize];
        world.txns.respond(cx, &mut world.transport, txn, &Reply::new(reply));
        if reply.is_provisional() {
            world.txns.respond(cx, &mut world.transport, txn, &Reply::new(Status::NOT_FOUND));
        }
        let client = [Method::Invite, Method::Options][rng.below(2) as usize];
        let client = world.txns.request(cx, &mut world.transport, draft(client), datagrams(PEER));
        if rng.below(2) == 0 {
            world.txns.cancel(cx, &mut world.transport, client, "");
        }
        world.bench.out.clear();
    }
    world.check();
    let until = world.bench.now + std::time::Duration::from_secs(64);
    let mut failed = 0;
    while let Some(timer) = world.bench.timers.next().filter(|(at, _)| *at <= until).map(|(_, timer)| *timer)
    {
        world.bench.now = world.bench.timers.next().unwrap().0;
        world.bench.timers.pop(world.bench.now);
        let cx = &mut world.bench.cx();
        match timer {
            Timer::Server(txn, timer) => world.txns.fire_server(cx, &mut world.transport, txn, timer),
            Timer::Client(txn, timer) => {
                let up = world.txns.fire_client(cx, &mut world.transport, txn, timer);
                failed += usize::from(matches!(up, Some(Up::Failed { .. })));
            }
            other => panic!("{other:?}"),
        }
        world.bench.out.clear();
    }
    assert_eq!(failed, 5000);
    world.check();
    world.assert_empty();
    assert_eq!(world.transport.pins(StreamId(1)), 0);
}
