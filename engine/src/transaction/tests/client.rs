//! Client transactions: schedules over both kinds of transport, ACK, CANCEL, failures, long requests.

use insta::assert_snapshot;

use super::*;

/// Why the one request failed that did.
fn failure(failures: &[Failure]) -> Option<Failure> {
    assert!(failures.len() <= 1, "{failures:?}");
    failures.first().copied()
}

/// The status of a response that came up.
fn status(up: Option<Up>) -> Option<u16> {
    match up? {
        Up::Response { message, .. } => Some(message.status().unwrap().code()),
        other => panic!("{other:?}"),
    }
}

/// Sends a request to the peer by datagrams; its key and text.
fn send(world: &mut World, method: Method) -> (ClientKey, String) {
    let txn = world.request(draft(method), datagrams(PEER));
    let (flow, text) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    (txn, text)
}

/// A stream that the peer opened.
fn stream(world: &mut World) -> Flow {
    world.accept(1, PEER);
    let txn = txn_of(world.hear_on(1, &phone_request("OPTIONS", "z9hG4bKhello")));
    world.respond(txn, &Reply::new(Status::OK));
    world.bench.out.clear();
    Flow::Stream { stream: StreamId(1) }
}

#[test]
fn an_invite_is_repeated_over_datagrams_ever_more_slowly_for_64_t1() {
    let mut world = World::new();
    world.request(draft(Method::Invite), datagrams(PEER));
    let (failures, times) = world.times(31_999, "INVITE");
    assert_eq!((failure(&failures), times), (None, vec![0, 500, 1500, 3500, 7500, 15_500, 31_500]));
    world.bench.wait(1);
    let Some(Timer::Client(txn, ClientTimer::B)) = world.bench.timers.pop(world.bench.now) else {
        panic!("not B")
    };
    let up = world.txns.fire_client(&mut world.bench.cx(), &mut world.transport, txn, ClientTimer::B);
    assert!(matches!(up, Some(Up::Failed { .. })), "{up:?}");
    let told =
        Event::NoResponse { method: "INVITE".into(), remote: PEER.parse().unwrap(), undeliverable: false };
    assert_eq!(world.bench.events(), [told]);
    world.assert_empty();
}

#[test]
fn a_request_is_repeated_over_datagrams_up_to_every_t2_for_64_t1() {
    let mut world = World::new();
    world.request(draft(Method::Bye), datagrams(PEER));
    let (failures, times) = world.times(31_999, "BYE");
    let expected = vec![0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!((failure(&failures), times), (None, expected));
    assert_eq!(failure(&world.run(1).0), Some(Failure::Timeout));
    world.assert_empty();
}

#[test]
fn nothing_is_repeated_on_a_stream() {
    for (method, word) in [(Method::Invite, "INVITE"), (Method::Bye, "BYE")] {
        let mut world = World::new();
        world.accept(1, PEER);
        world.request(draft(method), Flow::Stream { stream: StreamId(1) });
        world.transport.pin(StreamId(1));
        let mut sent = world.first_lines();
        // The peer's stream has sent nothing, which ends it before the request has failed.
        let (failures, more) = world.run(10_000);
        sent.extend(more);
        assert_eq!(sent, [(0, word.into())]);
        assert_eq!(failure(&failures), Some(Failure::Transport));

        let mut world = World::new();
        let flow = stream(&mut world);
        world.bench.out.clear();
        world.request(draft(method), flow);
        let (failures, times) = world.times(31_999, word);
        assert_eq!((failure(&failures), times), (None, vec![0]));
        assert_eq!(failure(&world.run(1).0), Some(Failure::Timeout));
    }
}

#[test]
fn a_request_with_a_provisional_response_is_repeated_every_t2() {
    let mut world = World::new();
    let (_, bye) = send(&mut world, Method::Bye);
    world.run(600);
    assert_eq!(status(world.hear(&response_to(&bye, "100 Trying", "t"))), None);
    let (_, times) = world.times(12_000, "BYE");
    assert_eq!(times, [1500, 5500, 9500]);
    assert_eq!(status(world.hear(&response_to(&bye, "200 OK", "t"))), Some(200));
    assert_eq!(status(world.hear(&response_to(&bye, "200 OK", "t"))), None, "absorbed");
    assert_eq!(world.times(4999, "").1, []);
    assert_eq!(world.txns.len(), 1);
    world.run(1);
    world.assert_empty();
}

#[test]
fn repeated_requests_are_the_same_octets() {
    let mut world = World::new();
    let (_, invite) = send(&mut world, Method::Invite);
    world.bench.wait(500);
    let timer = world.bench.timers.pop(world.bench.now).unwrap();
    let Timer::Client(txn, timer) = timer else { panic!("{timer:?}") };
    world.txns.fire_client(&mut world.bench.cx(), &mut world.transport, txn, timer);
    assert_eq!(world.bench.sent_one().1, invite);
}

#[test]
fn the_request_as_sent() {
    let mut world = World::new();
    assert_snapshot!(readable(&send(&mut world, Method::Invite).1), @r#"
        INVITE sip:100@192.0.2.7 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8id8f2xefk9y8r;rport
        Max-Forwards: 70
        Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>
        Route: <sip:192.0.2.7;lr>
        From: <sip:101@192.0.2.1>;tag=x
        To: <sip:100@192.0.2.7>
        Call-ID: 2@192.0.2.1
        CSeq: 4 INVITE
        Content-Length: 0
        "#);
    let flow = stream(&mut world);
    world.request(draft(Method::Bye), flow);
    assert!(world.bench.sent_one().1.contains("\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK"));
}

#[test]
fn a_refusal_is_acknowledged_as_often_as_it_comes() {
    let mut world = World::new();
    let (_, invite) = send(&mut world, Method::Invite);
    assert_eq!(status(world.hear(&response_to(&invite, "180 Ringing", "t"))), Some(180));
    let busy = response_to(&invite, "486 Busy Here", "t");
    assert_eq!(status(world.hear(&busy)), Some(486));
    let (flow, ack) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    assert_snapshot!(readable(&ack), @r#"
        ACK sip:100@192.0.2.7 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8id8f2xefk9y8r;rport
        Max-Forwards: 70
        Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>
        Route: <sip:192.0.2.7;lr>
        From: <sip:101@192.0.2.1>;tag=x
        To: <sip:100@192.0.2.7>;tag=t
        Call-ID: 2@192.0.2.1
        CSeq: 4 ACK
        Content-Length: 0
        "#);
    world.run(31_999);
    assert_eq!(status(world.hear(&busy)), None);
    assert_eq!(world.bench.sent_one().1, ack);
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "u"))), None);
    world.run(1);
    world.assert_empty();
    assert_eq!(status(world.hear(&busy)), None, "after Timer D it matches nothing");
}

#[test]
fn every_2xx_comes_up_and_none_is_acknowledged_here() {
    let mut world = World::new();
    let (_, invite) = send(&mut world, Method::Invite);
    for (text, code) in [("200 OK", 200), ("200 OK", 200), ("202 Accepted", 202)] {
        assert_eq!(status(world.hear(&response_to(&invite, text, "t"))), Some(code));
    }
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "fork"))), Some(200));
    assert_eq!(status(world.hear(&response_to(&invite, "183 Session Progress", "fork"))), None);
    assert_eq!(status(world.hear(&response_to(&invite, "500 Server Error", "fork"))), None);
    assert_eq!(world.times(31_999, "").1, []);
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "t"))), Some(200));
    world.run(1);
    world.assert_empty();
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "t"))), None);
}

#[test]
fn a_response_must_match_branch_and_method_and_have_one_via() {
    let mut world = World::new();
    let (_, bye) = send(&mut world, Method::Bye);
    let ok = response_to(&bye, "200 OK", "t");
    let strange = [
        ok.replace("CSeq: 4 BYE", "CSeq: 4 INVITE"),
        ok.replace("CSeq: 4 BYE", "CSeq: 4 CANCEL"),
        ok.replace("branch=z9hG4bK", "branch=z9hG4bJ"),
        ok.replace(";branch=", ";other="),
        ok.replacen("From:", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK0\nFrom:", 1),
    ];
    for response in strange {
        assert!(world.hear(&response).is_none(), "{response}");
    }
    assert_eq!(status(world.hear(&ok)), Some(200));
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut world = World::new();
    let (txn, invite) = send(&mut world, Method::Invite);
    world.cancel(txn);
    world.cancel(txn);
    assert_eq!(world.times(400, "").1, []);
    world.hear(&response_to(&invite, "100 Trying", "t"));
    let (flow, cancel) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    assert_snapshot!(readable(&cancel), @r#"
        CANCEL sip:100@192.0.2.7 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8id8f2xefk9y8r;rport
        Max-Forwards: 70
        Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>
        Route: <sip:192.0.2.7;lr>
        From: <sip:101@192.0.2.1>;tag=x
        To: <sip:100@192.0.2.7>
        Call-ID: 2@192.0.2.1
        CSeq: 4 CANCEL
        Reason: SIP;cause=200;text="Call completed elsewhere"
        Content-Length: 0
        "#);
    // It is a transaction of its own, repeated until it is answered; nothing of it comes up.
    assert_eq!(world.times(4000, "CANCEL").1, [900, 1900, 3900]);
    assert!(world.hear(&response_to(&cancel, "200 OK", "t")).is_none());
    assert_eq!(status(world.hear(&response_to(&invite, "487 Request Terminated", "t"))), Some(487));
    assert_eq!(world.first_lines(), [(4400, "ACK".into())]);
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn cancel_goes_at_once_when_it_rings_and_the_200_may_still_win() {
    let mut world = World::new();
    let (txn, invite) = send(&mut world, Method::Invite);
    world.hear(&response_to(&invite, "180 Ringing", "t"));
    world.cancel(txn);
    assert_eq!(world.first_lines(), [(0, "CANCEL".into())]);
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "t"))), Some(200));
    world.cancel(txn);
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn no_cancel_follows_a_final_response() {
    let mut world = World::new();
    let (txn, invite) = send(&mut world, Method::Invite);
    world.cancel(txn);
    assert_eq!(status(world.hear(&response_to(&invite, "200 OK", "t"))), Some(200));
    assert_eq!(world.times(100, "").1, []);
    let (txn, bye) = send(&mut world, Method::Bye);
    world.cancel(txn);
    assert_eq!(world.times(100, "").1, [], "only an INVITE is cancelled");
    assert_eq!(status(world.hear(&response_to(&bye, "200 OK", "t"))), Some(200));
}

#[test]
fn a_cancelled_invite_that_nobody_ends_fails_after_64_t1() {
    let mut world = World::new();
    let (txn, invite) = send(&mut world, Method::Invite);
    world.hear(&response_to(&invite, "180 Ringing", "t"));
    world.run(1000);
    world.cancel(txn);
    let cancel = world.bench.sent_one().1;
    assert!(world.hear(&response_to(&cancel, "200 OK", "t")).is_none());
    let (failures, _) = world.run(31_999);
    assert_eq!(failure(&failures), None);
    assert_eq!(failure(&world.run(1).0), Some(Failure::Timeout));
    world.assert_empty();
}

#[test]
fn an_invite_that_only_rings_is_cancelled_by_timer_c_which_101_to_199_restart() {
    let mut world = World::new();
    let (_, invite) = send(&mut world, Method::Invite);
    world.hear(&response_to(&invite, "180 Ringing", "t"));
    assert_eq!(world.times(184_000, "").1, []);
    world.hear(&response_to(&invite, "180 Ringing", "t"));
    assert_eq!(world.times(100_000, "").1, []);
    world.hear(&response_to(&invite, "100 Trying", "t"));
    assert_eq!(world.times(84_999, "").1, []);
    let (failures, sent) = world.run(1);
    assert!(failures.is_empty());
    assert_eq!(sent, [(369_000, "CANCEL".into())]);
    assert_eq!(status(world.hear(&response_to(&invite, "487 Request Terminated", "t"))), Some(487));
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn a_datagram_that_cannot_be_delivered_fails_what_waits_for_its_peer_at_the_next_wake() {
    let mut world = World::new();
    let (_, other) = {
        let txn = world.request(draft(Method::Options), datagrams("192.0.2.8:5060"));
        (txn, world.bench.sent_one().1)
    };
    let (_, ringing) = send(&mut world, Method::Invite);
    world.hear(&response_to(&ringing, "180 Ringing", "t"));
    send(&mut world, Method::Invite);
    send(&mut world, Method::Bye);
    world.txns.send_failed(&mut world.bench.cx(), datagrams(PEER));
    assert_eq!(world.bench.out, []);
    let (failures, _) = world.run(0);
    assert!(failures.iter().all(|why| *why == Failure::Transport), "{failures:?}");
    assert_eq!(failures.len(), 2, "not the one that rings, nor that of another peer");
    assert_eq!(world.txns.len(), 2);
    assert_eq!(status(world.hear(&response_to(&ringing, "486 Busy Here", "t"))), Some(486));
    assert_eq!(status(world.hear_from("192.0.2.8:5060", &response_to(&other, "200 OK", "t"))), Some(200));
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn a_stream_that_closes_fails_all_that_wait_for_an_answer_through_it() {
    let mut world = World::new();
    let flow = stream(&mut world);
    world.bench.out.clear();
    world.request(draft(Method::Invite), flow);
    let ringing = world.bench.sent_one().1;
    world.hear_on(1, &response_to(&ringing, "180 Ringing", "t"));
    world.request(draft(Method::Bye), flow);
    world.close(1);
    let (failures, _) = world.run(0);
    assert!(failures.iter().all(|why| *why == Failure::Transport), "{failures:?}");
    assert_eq!(failures.len(), 2);
    // And what is sent on a stream that is gone fails just so.
    world.request(draft(Method::Bye), flow);
    assert!(world.bench.sent().is_empty());
    assert_eq!(failure(&world.run(0).0), Some(Failure::Transport));
}

#[test]
fn a_connection_that_fails_fails_what_was_sent_on_it() {
    let mut world = World::with(with_listeners(&[border::Transport::Tcp]), 10);
    let remote = PEER.parse().unwrap();
    let flow = world.transport.target(&mut world.bench.cx(), border::Transport::Tcp, remote).unwrap();
    world.request(draft(Method::Invite), flow);
    assert_eq!(world.bench.sent_one().0, flow);
    world.close(2);
    assert_eq!(failure(&world.run(0).0), Some(Failure::Transport));
    world.assert_empty();
}

#[test]
fn a_long_request_takes_a_stream_and_falls_back_to_datagrams() {
    let mut world = World::new();
    let txn = world.request(sized_draft(Method::Invite, 1300), datagrams(PEER));
    let stream = StreamId(2);
    let connect =
        Action::Connect { stream, remote: PEER.parse().unwrap(), transport: border::Transport::Tcp };
    assert_eq!(world.bench.out[0], connect);
    let (flow, by_stream) = world.bench.sent_one();
    assert_eq!(flow, Flow::Stream { stream });
    assert!(by_stream.contains("\r\nVia: SIP/2.0/TCP "));
    assert_eq!(world.times(1000, "").1, []);
    world.cancel(txn);

    world.close(2);
    world.bench.out.clear();
    let (failures, times) = world.times(2000, "INVITE");
    assert_eq!((failure(&failures), times), (None, vec![1000, 1500, 2500]));
    world.hear(&response_to(&by_stream.replace("TCP", "UDP"), "180 Ringing", "t"));
    let (flow, cancel) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    assert!(
        cancel.starts_with("CANCEL ") && cancel.contains("\r\nVia: SIP/2.0/UDP "),
        "the wish survives: {cancel}"
    );
    assert_eq!(failure(&world.run(32_000).0), Some(Failure::Timeout));
    world.assert_empty();
}

#[test]
fn a_long_request_that_was_heard_does_not_fall_back() {
    let mut world = World::new();
    world.request(sized_draft(Method::Invite, 1300), datagrams(PEER));
    let invite = world.bench.sent_one().1;
    let (local, remote) = ("192.0.2.1:44444".parse().unwrap(), PEER.parse().unwrap());
    let opened = StreamEvent::Opened { listener: None, local, remote };
    world.transport.stream_event(&mut world.bench.cx(), StreamId(2), opened);
    assert_eq!(status(world.hear_on(2, &response_to(&invite, "180 Ringing", "t"))), Some(180));
    world.close(2);
    assert_eq!(failure(&world.run(0).0), Some(Failure::Transport));
}

#[test]
fn a_long_request_does_not_wait_long_for_a_stream_nor_twice() {
    let mut world = World::new();
    let long = |world: &mut World| world.request(sized_draft(Method::Message, 1300), datagrams(PEER));
    long(&mut world);
    let (_, sent) = world.run(2499);
    assert_eq!(sent, [(0, "MESSAGE".into()), (2000, "MESSAGE".into())]);
    long(&mut world);
    assert_eq!(world.bench.sent_one().0, datagrams(PEER));
    world.run(600_000);
    long(&mut world);
    assert!(matches!(world.bench.sent_one().0, Flow::Stream { .. }), "it is tried again after some time");
}

#[test]
fn a_long_request_on_an_established_stream_of_ours_has_all_its_time() {
    let mut world = World::new();
    // One that was opened from there may be another phone's behind the same address.
    stream(&mut world);
    let (local, remote) = ("192.0.2.1:44444".parse().unwrap(), PEER.parse().unwrap());
    let flow = world.transport.connection(&mut world.bench.cx(), remote).unwrap();
    let opened = StreamEvent::Opened { listener: None, local, remote };
    world.transport.stream_event(&mut world.bench.cx(), StreamId(2), opened);
    world.bench.out.clear();
    world.request(sized_draft(Method::Message, 1300), datagrams(PEER));
    assert_eq!(world.bench.sent_one().0, flow);
    let (failures, times) = world.times(31_999, "");
    assert_eq!((failure(&failures), times), (None, vec![]));
    assert_eq!(failure(&world.run(1).0), Some(Failure::Timeout));
}

#[test]
fn requests_that_fit_and_hosts_without_streams_stay_with_datagrams() {
    let mut world = World::new();
    let fits = limits::DATAGRAM_REQUEST_OCTETS
        - draft(Method::Message).octets()
        - "Content-Type: text/plain\r\n999".len();
    world.request(sized_draft(Method::Message, fits), datagrams(PEER));
    let (flow, text) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    assert!(text.len() <= limits::DATAGRAM_REQUEST_OCTETS, "{}", text.len());
    world.request(sized_draft(Method::Message, fits + 50), datagrams(PEER));
    assert!(matches!(world.bench.sent_one().0, Flow::Stream { .. }));

    let mut world = World::with(with_listeners(&[border::Transport::Udp]), 10);
    world.request(sized_draft(Method::Message, 5000), datagrams(PEER));
    assert_eq!(world.bench.sent_one().0, datagrams(PEER));
}

#[test]
fn a_cancel_requires_nothing_though_its_invite_does() {
    let mut world = World::new();
    let text = String::from_utf8(
        draft(Method::Invite).with_via(border::Transport::Udp, PEER.parse().unwrap(), "b").to_vec(),
    );
    let text = text.unwrap().replace("Max-Forwards", "Require: 100rel\r\nProxy-Require: x\r\nMax-Forwards");
    let via = text.find("Via").unwrap();
    let end = text[via..].find("\r\n").unwrap() + 2;
    let text = text[..via].to_owned() + &text[via + end..];
    let txn = world.request(Draft::new(Method::Invite, text.into()), datagrams(PEER));
    let invite = world.bench.sent_one().1;
    assert!(invite.contains("Require: 100rel"));
    world.hear(&response_to(&invite, "180 Ringing", "z"));
    world.cancel(txn);
    let cancel = world.bench.sent_one().1;
    assert!(cancel.starts_with("CANCEL ") && !cancel.contains("Require"), "{cancel}");
}
