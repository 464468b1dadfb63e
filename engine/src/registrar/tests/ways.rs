//! How contacts are reached, and what survives a restart.

use super::*;

fn datagram(remote: SocketAddr) -> Reach {
    Reach::Flow(Flow::Datagram { listener: ListenerId(0), local: LOCAL.ip(), remote })
}

#[test]
fn over_udp_the_contact_counts_only_when_it_is_the_source() {
    let source = socket([192, 0, 2, 7], 40_000);
    for (contact, remote) in [
        ("sip:a@192.0.2.7:5070", socket([192, 0, 2, 7], 5070)),
        ("sip:a@192.0.2.7", socket([192, 0, 2, 7], 5060)),
        ("sip:a@10.0.0.2:5070", source),
        ("sip:a@phone.local", source),
        ("sip:a@[2001:db8::1]", source),
        ("sip:a@10.0.0.2:5070;transport=tcp", source),
    ] {
        let mut site = Site::new();
        ok(&site.register(from(source), &format!("Contact: <{contact}>")));
        assert_eq!(site.reach(), [datagram(remote)], "{contact}");
        assert_eq!(site.registrar.registrations(site.now)[0].source, remote, "{contact}");
    }
    let mut site = Site::new();
    ok(&site.register(from(source), "Contact: <sip:a@192.0.2.7:5070;transport=TCP>"));
    let remote = socket([192, 0, 2, 7], 5070);
    assert_eq!(
        site.reach(),
        [Reach::Address { transport: Transport::Tcp, remote }],
        "it asks for calls over TCP"
    );
}

#[test]
fn an_ipv4_contact_is_recognised_behind_an_ipv6_socket() {
    let mut site = Site::new();
    let source: SocketAddr = "[::ffff:192.0.2.7]:40000".parse().unwrap();
    ok(&site.register(from(source), "Contact: <sip:a@192.0.2.7:5070>"));
    assert_eq!(
        site.reach(),
        [datagram("[::ffff:192.0.2.7]:5070".parse().unwrap())],
        "in the family of the socket"
    );
}

#[test]
fn a_refresh_from_another_port_moves_the_binding() {
    let mut site = Site::new();
    for port in [40_000, 50_000] {
        let source = socket([203, 0, 113, 5], port);
        ok(&site.register(from(source), "Contact: <sip:a@10.0.0.2>"));
        assert_eq!(site.reach(), [datagram(source)]);
    }
}

#[test]
fn over_tcp_the_stream_is_the_way_while_it_is_open() {
    let mut site = Site::new();
    let source = socket([192, 0, 2, 7], 40_000);
    site.register(
        over(7, source),
        "Contact: <sip:near@192.0.2.7:5070;transport=tcp>, <sip:far@10.0.0.2;transport=tcp>",
    );
    let stream = Reach::Flow(Flow::Stream { stream: StreamId(7) });
    assert_eq!(site.reach(), [stream.clone(), stream]);
    assert!(site.registrar.uses_stream(StreamId(7)));
    site.cx(|registrar, _| registrar.stream_closed(StreamId(8)));
    site.cx(|registrar, _| registrar.stream_closed(StreamId(7)));
    assert!(!site.registrar.uses_stream(StreamId(7)));
    let address = Reach::Address { transport: Transport::Tcp, remote: socket([192, 0, 2, 7], 5070) };
    assert_eq!(
        site.reach(),
        [address, Reach::Unreachable],
        "kept until they expire, reached where they can be"
    );
    site.register(over(9, source), "Contact: <sip:far@10.0.0.2;transport=tcp>");
    assert_eq!(
        site.reach()[1],
        Reach::Flow(Flow::Stream { stream: StreamId(9) }),
        "a new stream is a new way"
    );
    site.seconds(7200);
    assert!(!site.registrar.uses_stream(StreamId(9)), "expiry lets the stream go");
}

#[test]
fn with_a_path_its_first_hop_is_the_way() {
    for (hop, way) in [
        (
            "<sip:192.0.2.20;lr>",
            Reach::Address { transport: Transport::Udp, remote: socket([192, 0, 2, 20], 5060) },
        ),
        (
            "<sip:192.0.2.20:5070;transport=tcp;lr>",
            Reach::Address { transport: Transport::Tcp, remote: socket([192, 0, 2, 20], 5070) },
        ),
        (
            "<sip:edge.example;lr>",
            Reach::Name { transport: Transport::Udp, host: "edge.example".into(), port: 5060 },
        ),
        ("<sips:edge.example;lr>", Reach::Unreachable),
        ("<sip:edge.example;transport=sctp;lr>", Reach::Unreachable),
    ] {
        let mut site = Site::new();
        let path = format!("Supported: path\r\nPath: {hop}, <sip:192.0.2.21;lr>");
        ok(&site.register(phone(), &format!("Contact: <sip:a@192.0.2.7>\r\n{path}")));
        assert_eq!(site.reach(), [way], "{hop}");
    }
}

#[test]
fn a_path_becomes_a_route_set_of_uris() {
    let mut site = Site::new();
    let path = "Supported: path\r\nPath: \"Edge\" <sip:192.0.2.20;lr>;x=1\r\nPath: <sips:edge.example;lr>";
    ok(&site.register(phone(), &format!("Contact: <sip:a@192.0.2.7>\r\n{path}")));
    let binding = site.registrar.lookup("100").next().unwrap();
    // Found by fuzzing: with the brackets of the Path kept, the INVITE went out with `Route: <<sip:...>>`.
    assert_eq!(binding.route_set().collect::<Vec<_>>(), ["sip:192.0.2.20;lr", "sips:edge.example;lr"]);
    for bad in ["<tel:123>", "sip:h;lr>", "<mailto:a@b>, <sip:h;lr>"] {
        let reply =
            site.register(phone(), &format!("Contact: <sip:a@192.0.2.7>\r\nSupported: path\r\nPath: {bad}"));
        assert_eq!(reply.status, Status::BAD_REQUEST, "{bad}");
    }
}

/// Another run of the same site, with what the first one stored, this much later.
fn restarted(before: &Site, pause: Duration) -> Site {
    let mut site = Site::new();
    site.wall = before.wall + before.now.since(Instant::from_millis(1000)) + pause;
    site.now = Instant::from_millis(1000);
    let stored = before.stored();
    site.cx(|registrar, cx| registrar.restore(cx, stored, &LISTENERS));
    site
}

#[test]
fn registrations_survive_a_restart() {
    let mut before = Site::new();
    let source = socket([203, 0, 113, 5], 40_000);
    before
        .register(from(source), "Contact: <sip:a@10.0.0.2>;expires=100;q=0.5, <sip:b@10.0.0.2>;expires=200");
    before.register(
        over(7, source),
        "Contact: <sip:c@203.0.113.5:5070>;expires=300, <sip:d@10.0.0.3>;expires=300",
    );
    before.seconds(50);
    let mut site = restarted(&before, Duration::from_secs(50));
    assert_eq!(site.contacts(), ["sip:b@10.0.0.2", "sip:c@203.0.113.5:5070", "sip:d@10.0.0.3"]);
    let direct = Reach::Address { transport: Transport::Tcp, remote: socket([203, 0, 113, 5], 5070) };
    assert_eq!(site.reach(), [datagram(source), direct, Reach::Unreachable]);
    assert!(site.told().is_empty(), "nobody registered just now");
    let records: Vec<_> = site.out.drain(..).collect();
    let gone = Record::Unbind { aor: "100".into(), contact: "sip:a@10.0.0.2".into() };
    assert_eq!(
        records,
        [Action::Store { lsn: Lsn(1), record: gone }],
        "what had expired is taken out of the store"
    );
    site.wait(Duration::from_millis(99_999));
    assert_eq!(site.contacts().len(), 3);
    site.wait(Duration::from_millis(1));
    assert_eq!(
        site.contacts(),
        ["sip:c@203.0.113.5:5070", "sip:d@10.0.0.3"],
        "they end when they would have"
    );
    let again = "Call-ID: one\r\nContact: <sip:c@203.0.113.5:5070>;expires=0";
    refused(&site.register_as("100", 2, phone(), again), 500, "CSeq is not in order");
}

#[test]
fn a_clock_set_back_makes_nothing_immortal() {
    let mut before = Site::new();
    before.register(phone(), "Contact: <sip:a@h>");
    before.wall = WallTime::from_unix_millis(0);
    let mut site = restarted(&before, Duration::ZERO);
    assert_eq!(site.contacts(), ["sip:a@h"]);
    site.seconds(7200);
    assert_eq!(site.contacts(), Vec::<&str>::new());
}

#[test]
fn a_step_of_the_wall_clock_moves_no_timer() {
    let mut site = Site::new();
    site.register(phone(), "Contact: <sip:a@h>;expires=100");
    site.wall = site.wall + Duration::from_secs(1_000_000);
    site.seconds(99);
    assert_eq!(site.contacts(), ["sip:a@h"]);
    site.seconds(1);
    assert_eq!(site.contacts(), Vec::<&str>::new());
}

#[test]
fn a_restart_forgets_extensions_that_are_gone() {
    let mut before = Site::with(|config| {
        config.phones.insert("102".into(), Phone::default());
    });
    before.register_as("102", 1, phone(), "Call-ID: x\r\nContact: <sip:a@h>");
    let site = restarted(&before, Duration::ZERO);
    assert_eq!(site.registrar.len(), 0);
    assert_eq!(site.out.len(), 1, "and takes them out of the store");
}

#[test]
fn a_new_configuration_forgets_extensions_and_sockets_that_are_gone() {
    let mut site = Site::new();
    let source = socket([203, 0, 113, 5], 40_000);
    site.register(from(source), "Contact: <sip:a@10.0.0.2>");
    site.register_as("101", 1, phone(), "Call-ID: x\r\nContact: <sip:b@h>");
    site.told();
    let mut config = (*site.config).clone();
    config.phones.remove("101");
    site.config = Arc::new(config);
    site.cx(|registrar, cx| registrar.reconfigure(cx, &LISTENERS[2..]));
    assert_eq!(site.told(), ["removed sip:b@h"]);
    assert_eq!(site.reach(), [Reach::Address { transport: Transport::Udp, remote: source }]);
    site.cx(|registrar, cx| registrar.reconfigure(cx, &LISTENERS));
    assert_eq!(site.reach(), [datagram(source)]);
}
