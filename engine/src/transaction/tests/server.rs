//! Server transactions: schedules over both kinds of transport, matching, CANCEL, merged requests.

use insta::assert_snapshot;

use super::*;

const INVITE: &str = "z9hG4bKinvite";

fn invite() -> String {
    phone_request("INVITE", INVITE)
}

fn ack() -> String {
    phone_request("ACK", INVITE)
}

/// Doubling from T1 to T2, then every T2, for 64*T1.
const BACK_OFF: [u64; 11] = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

#[test]
fn an_unanswered_invite_gets_100_after_200_ms_and_again_when_it_is_repeated() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    assert!(world.hear(&invite()).is_none());
    let (_, sent) = world.run(1000);
    assert_eq!(sent, [(200, "100".into())]);
    assert!(world.hear(&invite()).is_none());
    assert_eq!(world.first_lines(), [(1000, "100".into())]);
    assert!(world.respond(txn, &Reply::new(Status::RINGING)));
    assert!(world.hear(&invite()).is_none());
    assert_eq!(world.first_lines(), [(1000, "180".into()), (1000, "180".into())]);
}

#[test]
fn an_answer_within_200_ms_spares_the_100() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    assert!(world.respond(txn, &Reply::new(Status::RINGING)));
    let (_, sent) = world.run(1000);
    assert_eq!(sent, [(0, "180".into())]);
}

#[test]
fn a_refusal_is_repeated_over_datagrams_until_timer_h() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    world.respond(txn, &Reply::new(Status::BUSY_HERE));
    assert_eq!(world.times(31_999, "486").1, BACK_OFF);
    assert_eq!(world.txns.len(), 1);
    assert_eq!(world.times(1, "486").1, []);
    world.assert_empty();
    assert!(!world.respond(txn, &Reply::new(Status::OK)));
}

#[test]
fn a_refusal_is_repeated_octet_by_octet_and_only_until_the_ack() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    world.respond(txn, &Reply::new(Status::BUSY_HERE));
    let (flow, first) = world.bench.sent_one();
    assert_eq!(flow, datagrams(PEER));
    world.hear(&invite());
    assert_eq!(world.bench.sent_one(), (flow, first));
    world.run(1500);
    assert!(world.hear(&ack()).is_none());
    assert!(world.hear(&ack()).is_none());
    assert!(world.hear(&invite()).is_none(), "absorbed");
    assert_eq!(world.times(4999, "").1, []);
    assert_eq!(world.txns.len(), 1);
    world.run(1);
    world.assert_empty();
}

#[test]
fn a_refusal_on_a_stream_is_sent_once_and_waits_for_its_ack() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let txn = txn_of(world.hear_on(1, &invite()));
    world.respond(txn, &Reply::new(Status::BUSY_HERE));
    assert_eq!(world.times(31_999, "486").1, [0]);
    assert_eq!(world.txns.len(), 1);
    world.run(1);
    world.assert_empty();

    let txn = txn_of(world.hear_on(1, &invite()));
    world.respond(txn, &Reply::new(Status::BUSY_HERE));
    assert!(world.hear_on(1, &ack()).is_none());
    world.assert_empty();
}

#[test]
fn a_2xx_is_repeated_by_the_user_alone_and_its_ack_goes_up() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    assert!(!world.txns.resend_2xx(&mut world.bench.cx(), &mut world.transport, txn));
    world.respond(txn, &Reply::new(Status::OK).tagged("b"));
    let (_, first) = world.bench.sent_one();
    assert!(world.hear(&invite()).is_none());
    assert!(world.bench.sent().is_empty(), "RFC 6026 §7.1: a repeated INVITE is absorbed");
    assert!(world.txns.resend_2xx(&mut world.bench.cx(), &mut world.transport, txn));
    assert_eq!(world.bench.sent_one().1, first);
    assert!(!world.respond(txn, &Reply::new(Status::BUSY_HERE)));
    // An ACK for a 2xx has a branch of its own; one with that of the INVITE is not refused either.
    assert!(matches!(world.hear(&phone_request("ACK", "z9hG4bKack")), Some(Up::Ack { .. })));
    assert!(matches!(world.hear(&ack()), Some(Up::Ack { .. })));
    assert_eq!(world.times(31_999, "").1, []);
    assert_eq!(world.txns.len(), 1);
    world.run(1);
    world.assert_empty();
    assert!(!world.txns.resend_2xx(&mut world.bench.cx(), &mut world.transport, txn));
}

#[test]
fn an_answered_request_is_absorbed_and_answered_alike_for_64_t1() {
    let mut world = World::new();
    let options = phone_request("OPTIONS", "z9hG4bKo");
    let txn = txn_of(world.hear(&options));
    assert!(world.hear(&options).is_none());
    assert!(world.bench.sent().is_empty(), "nothing to repeat yet");
    world.respond(txn, &Reply::new(Status::OK));
    let (_, first) = world.bench.sent_one();
    world.run(31_999);
    assert!(world.hear(&options).is_none());
    assert_eq!(world.bench.sent_one().1, first);
    assert!(!world.respond(txn, &Reply::new(Status::OK)));
    world.run(1);
    world.assert_empty();
    assert!(matches!(world.hear(&options), Some(Up::Request { .. })), "after Timer J it is new again");
}

#[test]
fn an_answered_request_on_a_stream_is_forgotten_at_once() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let txn = txn_of(world.hear_on(1, &phone_request("OPTIONS", "z9hG4bKo")));
    assert_eq!(world.transport.pins(StreamId(1)), 1);
    world.respond(txn, &Reply::new(Status::OK));
    assert_eq!(world.first_lines(), [(0, "200".into())]);
    world.assert_empty();
    assert_eq!(world.transport.pins(StreamId(1)), 0);
}

#[test]
fn a_provisional_response_to_a_request_is_repeated_on_demand() {
    let mut world = World::new();
    let options = phone_request("OPTIONS", "z9hG4bKo");
    let txn = txn_of(world.hear(&options));
    world.respond(txn, &Reply::new(Status::TRYING));
    world.hear(&options);
    world.respond(txn, &Reply::new(Status::OK));
    assert_eq!(world.first_lines(), [(0, "100".into()), (0, "100".into()), (0, "200".into())]);
}

#[test]
fn all_responses_of_a_transaction_have_one_tag_and_the_100_none() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    world.run(200);
    for status in [Status::RINGING, Status::BUSY_HERE] {
        world.respond(txn, &Reply::new(status));
    }
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    let mut tags = Vec::new();
    for status in [Status::TRYING, Status::RINGING, Status::BUSY_HERE] {
        world.respond(txn, &Reply::new(status));
        let text = world.bench.sent_one().1;
        let to = text.lines().find(|line| line.starts_with("To: ")).unwrap().to_owned();
        tags.push(to.split_once(";tag=").map(|(_, tag)| tag.to_owned()));
    }
    assert_eq!(tags[0], None);
    assert!(tags[1].is_some() && tags[1] == tags[2], "{tags:?}");
}

#[test]
fn branch_sent_by_and_method_tell_transactions_apart() {
    let mut world = World::new();
    let mut open = 0;
    let mut expect = |world: &mut World, text: &str, new: bool| {
        open += usize::from(new);
        assert_eq!(matches!(world.hear(text), Some(Up::Request { .. })), new, "{text}");
        assert_eq!(world.txns.len(), open);
    };
    let options = phone_request("OPTIONS", "z9hG4bKo");
    expect(&mut world, &options, true);
    expect(&mut world, &options, false);
    expect(&mut world, &options.replace("192.0.2.7:5060;branch", "192.0.2.7;branch"), false);
    expect(&mut world, &options.replace("192.0.2.7:5060;branch", "192.0.2.7:5061;branch"), true);
    expect(&mut world, &options.replace("192.0.2.7:5060;branch", "192.0.2.8:5060;branch"), true);
    expect(&mut world, &options.replace("192.0.2.7:5060;branch", "Phone.invalid;branch"), true);
    expect(&mut world, &options.replace("192.0.2.7:5060;branch", "phone.INVALID:5060;branch"), false);
    expect(&mut world, &options.replace("OPTIONS", "REGISTER"), true);
    expect(&mut world, &options.replace("OPTIONS", "FETCH"), true);
    expect(&mut world, &options.replace("OPTIONS", "FETCH"), false);
    expect(&mut world, &options.replace("OPTIONS", "PUSH"), true);
    expect(&mut world, &options.replace("z9hG4bKo", "z9hG4bKO"), true);
    // With the cookie nothing else counts.
    expect(&mut world, &options.replace("tag=a", "tag=other").replace("1@192", "2@192"), false);
}

#[test]
fn cancel_is_answered_here_and_goes_up_while_the_invite_is_open() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    world.respond(txn, &Reply::new(Status::RINGING).tagged("b"));
    world.bench.out.clear();
    let cancel = phone_request("CANCEL", INVITE);
    let up = world.hear(&cancel);
    assert!(matches!(&up, Some(Up::Cancel { invite, .. }) if *invite == txn), "{up:?}");
    assert_snapshot!(readable(&world.bench.sent_one().1), @r#"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKinvite
        From: <sip:100@192.0.2.1>;tag=a
        To: <sip:101@192.0.2.1>;tag=b
        Call-ID: 1@192.0.2.7
        CSeq: 1 CANCEL
        Content-Length: 0
        "#);
    assert!(world.hear(&cancel).is_none());
    assert_eq!(world.first_lines(), [(0, "200".into())], "repeated to who asks again");
    world.respond(txn, &Reply::new(Status::REQUEST_TERMINATED));
    assert_eq!(world.first_lines(), [(0, "487".into())]);
    assert!(world.hear(&ack()).is_none());
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn cancel_after_the_final_response_changes_nothing() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&invite()));
    world.respond(txn, &Reply::new(Status::OK));
    world.bench.out.clear();
    assert!(world.hear(&phone_request("CANCEL", INVITE)).is_none());
    assert_eq!(world.first_lines(), [(0, "200".into())]);
}

#[test]
fn cancel_of_nothing_is_answered_481() {
    let mut world = World::new();
    assert!(world.hear(&phone_request("CANCEL", INVITE)).is_none());
    assert_eq!(world.first_lines(), [(0, "481".into())]);
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn cancel_of_another_request_is_answered_and_changes_nothing() {
    let mut world = World::new();
    let txn = txn_of(world.hear(&phone_request("SUBSCRIBE", "z9hG4bKs")));
    assert!(world.hear(&phone_request("CANCEL", "z9hG4bKs")).is_none());
    assert_eq!(world.first_lines(), [(0, "200".into())]);
    world.respond(txn, &Reply::new(Status::OK));
    assert_eq!(world.first_lines(), [(0, "200".into())], "it is answered as ever");
    world.run(32_000);
    world.assert_empty();
}

#[test]
fn a_copy_of_an_invite_by_another_path_is_merged() {
    let mut world = World::new();
    let first = txn_of(world.hear(&invite()));
    let copy = txn_of(world.hear(&phone_request("INVITE", "z9hG4bKother")));
    let next = txn_of(world.hear(&phone_request("INVITE", "z9hG4bKnext").replace("CSeq: 1", "CSeq: 2")));
    let inside =
        phone_request("INVITE", "z9hG4bKin").replace("To: <sip:101@192.0.2.1>", "To: <sip:101@a>;tag=z");
    let inside = txn_of(world.hear(&inside));
    assert_eq!([first, copy, next, inside].map(|txn| world.txns.is_merged(txn)), [false, true, false, false]);
    for txn in [first, next, inside] {
        world.respond(txn, &Reply::new(Status::BUSY_HERE));
    }
    world.respond(copy, &Reply::new(Status::LOOP_DETECTED));
    world.run(32_000);
    world.assert_empty();
    let again = txn_of(world.hear(&phone_request("INVITE", "z9hG4bKother")));
    assert!(!world.txns.is_merged(again));
}

#[test]
fn a_refused_stranger_leaves_nothing_behind() {
    let mut world = World::new();
    for method in ["REGISTER", "INVITE"] {
        let request = phone_request(method, INVITE);
        let mut answers = Vec::new();
        for _ in 0..3 {
            let txn = txn_of(world.hear(&request));
            let challenge = Reply::new(Status::UNAUTHORIZED)
                .header(HeaderName::WwwAuthenticate, "Digest realm=\"telex\"");
            assert!(world.txns.refuse(&mut world.bench.cx(), &mut world.transport, txn, &challenge));
            let answer = world.bench.sent_one().1;
            assert!(answer.starts_with("SIP/2.0 401 "));
            answers.push(answer);
            world.assert_empty();
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "RFC 3261 §8.2.7: the same To tag each time");
    }
    assert!(matches!(world.hear(&ack()), Some(Up::Ack { .. })), "an ACK nobody waits for goes up");
}

#[test]
fn a_response_finds_its_way_when_the_stream_is_gone() {
    let mut world = World::new();
    world.accept(1, "192.0.2.7:40000");
    let txn = txn_of(world.hear_on(1, &invite()));
    world.close(1);
    world.bench.out.clear();
    world.respond(txn, &Reply::new(Status::OK));
    let remote = PEER.parse().unwrap();
    let connect = Action::Connect { stream: StreamId(2), remote, transport: border::Transport::Tcp };
    assert_eq!(world.bench.out[0], connect);
    assert_eq!(world.bench.sent_one().0, Flow::Stream { stream: StreamId(2) });
    assert_eq!(world.transport.pins(StreamId(2)), 1);
    world.run(32_000);
    assert_eq!((world.txns.len(), world.transport.pins(StreamId(2))), (0, 0));
}
