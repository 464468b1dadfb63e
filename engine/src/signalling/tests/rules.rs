//! More of what the RFCs demand, each in a call of its own.

use super::*;
use crate::border::Flow;
use crate::sip::HeaderName;

/// The messages sent since the last look to this address, by their start lines.
fn lines_to(world: &mut World, who: &str) -> Vec<String> {
    let sent = world.sent().into_iter().filter(|(to, _)| to.to_string() == who);
    sent.map(|(_, m)| String::from_utf8_lossy(m.raw()).lines().next().unwrap().to_owned()).collect()
}

/// Bob registers a second telephone at this contact.
fn register(world: &mut World, contact: &str, extra: &str) {
    let text = format!(
        "REGISTER sip:telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKr{}\nMax-Forwards: 70\n\
From: <sip:bob@telex>;tag=r\nTo: <sip:bob@telex>\nCall-ID: {contact}\nCSeq: 1 REGISTER\nContact: <{contact}>\n{extra}\n",
        contact.len()
    );
    world.send(BOB, &text);
    world.only("SIP/2.0 200");
}

#[test]
fn a_registered_path_is_the_route_set_of_the_invite() {
    for (path, uri, routes) in [
        ("<sip:10.0.0.7;lr>", "sip:bob@10.0.0.2:5070", vec!["<sip:10.0.0.7;lr>"]),
        ("<sip:10.0.0.7>", "sip:10.0.0.7", vec!["<sip:bob@10.0.0.2:5070>"]),
    ] {
        let mut world = World::new();
        register(&mut world, "sip:bob@10.0.0.2:5070", &format!("Supported: path\nPath: {path}\n"));
        world.send(ALICE, &invite("bob", "", OFFER));
        let sent = world.sent();
        let asked = sent.iter().map(|(_, m)| m).find(|m| m.is_request() && m.request_uri() == uri);
        let asked = asked.unwrap_or_else(|| panic!("nothing to {uri}: {sent:?}"));
        assert_eq!(asked.values(HeaderName::Route).collect::<Vec<_>>(), routes);
    }
}

#[test]
fn every_call_has_names_of_its_own_and_requires_nothing() {
    let mut world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..20 {
        let text = invite("bob", "", OFFER).replace("bKa1", &format!("bKa1{n}"));
        world.send(ALICE, &text.replace("Call-ID: c1", &format!("Call-ID: c{n}")));
        let asked = world.only("INVITE");
        let new = [
            asked.call_id().unwrap(),
            asked.from().unwrap().tag().unwrap(),
            asked.via().unwrap().branch().unwrap(),
        ];
        for name in new {
            assert!(seen.insert(name.to_owned()), "{name} twice");
        }
        assert_eq!((asked.header(HeaderName::Require), asked.header(HeaderName::ProxyRequire)), (None, None));
    }
}

#[test]
fn a_callee_that_is_silent_or_out_of_reach_is_not_available() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    world.pass(Duration::from_millis(31_900));
    assert!(!lines_to(&mut world, ALICE).iter().any(|line| line.contains("480")));
    world.pass(Duration::from_millis(200));
    assert_eq!(lines_to(&mut world, ALICE), ["SIP/2.0 480 Temporarily Unavailable"], "a timeout is as a 408");

    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let local = US.parse::<SocketAddr>().unwrap().ip();
    let flow = Flow::Datagram { listener: ListenerId(0), local, remote: BOB.parse().unwrap() };
    world.sent();
    world.input(Input::SendFailed { flow });
    world.pass(Duration::from_millis(1));
    assert_eq!(lines_to(&mut world, ALICE), ["SIP/2.0 480 Temporarily Unavailable"], "a failure is as a 503");
}

#[test]
fn codes_that_nobody_knows_count_as_their_class() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "199 Early Dialog Gone", "", ANSWER));
    let progress = world.only("SIP/2.0 199");
    assert!(!progress.body().is_empty(), "as a 183");
    world.send(BOB, &respond(&asked, "299 Fine", "", ANSWER));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nalice: SIP/2.0 200 OK\n", "as a 200");

    let mut world = World::new();
    register(&mut world, "sip:bob@10.0.0.2:5070", "");
    world.send(ALICE, &invite("bob", "", OFFER));
    let sent: Vec<Message> = world.sent().into_iter().map(|(_, m)| m).filter(Message::is_request).collect();
    assert_eq!(sent.len(), 2);
    for asked in &sent {
        world.send(BOB, &respond(asked, "180 Ringing", "", ""));
    }
    world.sent();
    world.send(BOB, &respond(&sent[0], "699 Never", "", ""));
    let lines = world.lines();
    assert!(lines.contains("CANCEL") && lines.contains("alice: SIP/2.0 699"), "as a 600: {lines}");
}

#[test]
fn an_invite_that_came_by_two_paths_is_refused_on_the_second() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    world.sent();
    world.send(ALICE, &invite("bob", "", OFFER).replace("bKa1", "bKother"));
    assert_eq!(world.lines(), "alice: SIP/2.0 482 Loop Detected\n");
}

#[test]
fn refusals_name_what_would_do() {
    let refusal = |text: &str, name: HeaderName| {
        let mut world = World::new();
        world.send(ALICE, text);
        let sent = world.sent();
        let refusal = &sent.last().unwrap().1;
        (refusal.status().unwrap().code(), refusal.header(name).unwrap_or_default().to_owned())
    };
    let text = invite("bob", "", OFFER);
    let video = text.replace("m=audio", "m=video");
    assert_eq!(
        refusal(&video, HeaderName::Warning),
        (488, "304 10.0.0.9:5060 \"no audio over RTP/AVP\"".into())
    );
    let short = invite("bob", "Supported: timer\nSession-Expires: 89\n", OFFER);
    assert_eq!(refusal(&short, HeaderName::MinSe), (422, "90".into()));
    let other = text.replace("application/sdp", "text/plain");
    assert_eq!(refusal(&other, HeaderName::Accept), (415, "application/sdp".into()));
    let packed = text.replace("Content-Type", "Content-Encoding: gzip\nContent-Type");
    assert_eq!(refusal(&packed, HeaderName::AcceptEncoding), (415, "identity".into()));
    // What may be left out is left out.
    let optional =
        other.replace("Content-Type", "Content-Disposition: render;handling=optional\nContent-Type");
    let mut world = World::new();
    world.send(ALICE, &optional);
    world.only("INVITE");
}

#[test]
fn a_dialog_is_made_without_tags_too() {
    let mut world = World::new();
    let untagged = |text: String| text.replace(";tag=fa", "");
    world.send(ALICE, &untagged(invite("bob", "", OFFER)));
    let asked = world.only("INVITE");
    let without = |message: &Message, status: &str, body: &str| {
        respond(message, status, "", body).replace(";tag=tb", "")
    };
    world.send(BOB, &without(&asked, "180 Ringing", ""));
    world.sent();
    world.send(BOB, &without(&asked, "200 OK", ANSWER));
    let sent = world.sent();
    let (ack, answered) = (&sent[0].1, &sent[1].1);
    assert_eq!((ack.method().as_str(), ack.to().unwrap().tag()), ("ACK", None));
    world.send(ALICE, &untagged(inside(answered, "ACK", 1, "")));
    world.send(BOB, &from_bob(&asked, "OPTIONS", 5, "", "").replace(";tag=tb", ""));
    assert_eq!(world.lines(), "bob: SIP/2.0 200 OK\n", "the callee is known without its tag");
    world.send(ALICE, &untagged(inside(answered, "BYE", 2, "")));
    let lines = world.lines();
    assert!(lines.contains("alice: SIP/2.0 200") && lines.contains("bob: BYE"), "{lines}");
}

#[test]
fn a_refresh_that_meets_nobody_ends_the_call() {
    let mut world = World::new();
    talking(&mut world);
    world.pass(Duration::from_secs(900));
    let sent = world.sent();
    let to_bob = &sent.iter().find(|(to, m)| to.to_string() == BOB && m.is_request()).unwrap().1;
    world.send(BOB, &respond(to_bob, "481 Call/Transaction Does Not Exist", "", ""));
    let lines = world.lines();
    assert!(lines.contains("alice: BYE"), "{lines}");
}

#[test]
fn each_2xx_that_comes_is_acknowledged() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let first = world.only("ACK");
    for _ in 0..3 {
        world.pass(Duration::from_millis(500));
        world.sent();
        world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
        assert_eq!(world.only("ACK").raw(), first.raw());
    }
}

#[test]
fn an_answer_that_does_not_do_is_acknowledged_and_ended() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", &ANSWER.replace("RTP/AVP 0", "RTP/AVP 4")));
    let lines = world.lines();
    let expected = "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nbob: BYE sip:bob@10.0.0.2 SIP/2.0\nalice: SIP/2.0 488 Not Acceptable Here\n";
    assert_eq!(lines, expected);
}

#[test]
fn who_rings_for_long_says_so_every_minute() {
    let mut config = Config { ring: Duration::from_secs(170), ..Config::default() };
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let mut world = World::with(config);
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.sent();
    for _ in 0..2 {
        world.pass(Duration::from_millis(59_900));
        assert_eq!(lines_to(&mut world, ALICE), Vec::<String>::new());
        world.pass(Duration::from_millis(100));
        assert_eq!(lines_to(&mut world, ALICE), ["SIP/2.0 180 Ringing"]);
    }
}

#[test]
fn no_invite_is_sent_while_the_peers_is_open() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.pass(Duration::from_millis(899_500));
    world.sent();
    world.send(ALICE, &inside(&answered, "INVITE", 2, OFFER));
    world.only("SIP/2.0 200");
    world.pass(Duration::from_secs(3));
    let lines = lines_to(&mut world, ALICE);
    assert!(lines.iter().all(|line| line.starts_with("SIP/2.0 200")), "only her 200 again: {lines:?}");
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));

    let mut world = World::new();
    talking(&mut world);
    world.pass(Duration::from_secs(920));
    let ours: Vec<Bytes> = world
        .sent()
        .into_iter()
        .filter(|(to, _)| to.to_string() == ALICE)
        .map(|(_, m)| m.raw().clone())
        .collect();
    assert!(
        ours.len() == 6 && ours.iter().all(|one| *one == ours[0]),
        "the one again and again, and no other"
    );
}

#[test]
fn who_was_invited_says_no_bye_before_the_ack() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.input(Input::Control { id: ControlId(1), request: Control::Hangup { call: 1 } });
    assert_eq!(lines_to(&mut world, ALICE), Vec::<String>::new());
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    assert_eq!(lines_to(&mut world, ALICE), ["BYE sip:alice@10.0.0.1 SIP/2.0"]);
}

#[test]
fn an_offer_that_is_asked_for_in_a_call_is_what_is_in_use() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let before = String::from_utf8_lossy(answered.body()).into_owned();
    world.send(ALICE, &inside(&answered, "INVITE", 2, ""));
    let offered = world.only("SIP/2.0 200");
    assert_eq!(String::from_utf8_lossy(offered.body()), before, "the same codec, port and version");
}

#[test]
fn a_datagram_of_any_size_is_taken() {
    let mut world = World::new();
    let text = invite("bob", "", "").replace("INVITE", "OPTIONS").replace("bKa1", "bKlong");
    let head = text.trim_end().to_owned();
    let body = 65_507 - head.len() - head.matches('\n').count() - 30;
    world.send(ALICE, &format!("{head}\nContent-Length: {body}\n\n{}", "x".repeat(body)));
    assert_eq!(lines_to(&mut world, ALICE), ["SIP/2.0 200 OK"]);
}

#[test]
fn a_reliable_response_is_repeated_until_the_caller_is_given_up() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.sent();
    let mut at = Vec::new();
    for tenth in 1..=321 {
        world.pass(Duration::from_millis(100));
        at.extend(lines_to(&mut world, ALICE).into_iter().map(|line| (tenth, line)));
    }
    let ringing: Vec<u32> =
        at.iter().filter(|(_, line)| line.contains("180")).map(|(tenth, _)| *tenth).collect();
    assert_eq!(ringing, [5, 15, 35, 75, 155, 315], "T1, doubled each time");
    assert!(at.iter().any(|(_, line)| line.starts_with("SIP/2.0 5")), "after 64*T1: {at:?}");
}

#[test]
fn reliable_responses_are_acknowledged_in_order_and_once() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let progress =
        |rseq: u32| respond(&asked, "183 Session Progress", &format!("Require: 100rel\nRSeq: {rseq}\n"), "");
    let pracks = |world: &mut World, rseq: u32| {
        world.send(BOB, &progress(rseq));
        let sent = world.sent();
        sent.iter()
            .filter(|(_, m)| m.is_request())
            .map(|(_, m)| m.header(HeaderName::RAck).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let number = asked.cseq().unwrap().number;
    assert_eq!(pracks(&mut world, 10), [format!("10 {number} INVITE")]);
    assert_eq!(pracks(&mut world, 10), Vec::<String>::new(), "repeated");
    assert_eq!(pracks(&mut world, 12), Vec::<String>::new(), "one is missing");
    assert_eq!(pracks(&mut world, 11), [format!("11 {number} INVITE")]);
    assert_eq!(pracks(&mut world, 12), [format!("12 {number} INVITE")]);
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_response() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "", ANSWER));
    let progress = world.only("SIP/2.0 183");
    assert!(!progress.body().is_empty());
    let held = OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    let prack = inside(&progress, "PRACK", 2, &held);
    world.send(ALICE, &prack.replace("Max-Forwards", "RAck: 1 1 INVITE\nMax-Forwards"));
    let ok = world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("a=recvonly"));
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.sent().into_iter().map(|(_, m)| m).find(|m| !m.is_request()).unwrap();
    assert_eq!(answered.status().unwrap().code(), 200);
}

/// A PRACK of alice's for our first reliable response, with an offer.
fn offering_prack(progress: &Message) -> String {
    let held = OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    inside(progress, "PRACK", 2, &held).replace("Max-Forwards", "RAck: 1 1 INVITE\nMax-Forwards")
}

#[test]
fn an_offer_in_a_prack_before_the_first_is_answered_costs_the_call_nothing() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    world.send(ALICE, &offering_prack(&ringing));
    world.only("SIP/2.0 500");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(answered.body()).contains("m=audio 10000 RTP/AVP 0 101\r\n"));
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    assert_eq!(world.lines(), "", "that was the answer, and no offer which her ACK would have to answer");
    assert_eq!(world.telex.stats().calls, 1);
}

#[test]
fn an_offer_in_a_prack_is_answered_even_when_the_call_is_over() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    world.sent();
    world.send(ALICE, &offering_prack(&ringing));
    assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\n");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let bye = world.only("BYE");
    world.send(ALICE, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
}

#[test]
fn who_requires_reliability_and_offers_nothing_gets_the_offer_in_the_2xx() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", ""));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    assert_eq!(world.lines(), "", "the first reliable response would have to have the offer");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.sent().into_iter().map(|(_, m)| m).find(|m| !m.is_request()).unwrap();
    assert_eq!((answered.status().unwrap().code(), answered.header(HeaderName::RSeq)), (200, None));
    assert!(!answered.body().is_empty());
}

#[test]
fn who_can_do_reliability_but_does_not_require_it_gets_none() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Supported: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "", ANSWER));
    let progress = world.only("SIP/2.0 183");
    assert_eq!((progress.header(HeaderName::RSeq), progress.header(HeaderName::Require)), (None, None));
}

#[test]
fn an_offer_in_an_update_is_answered_in_its_response() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let held = OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    world.send(ALICE, &inside(&answered, "UPDATE", 2, &held));
    let ok = world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("a=recvonly"));
    let contact = ok.contact().unwrap().unwrap();
    assert_eq!(contact.uri_text, answered.contact().unwrap().unwrap().uri_text);
}

#[test]
fn a_call_id_in_other_letters_is_another_call() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.send(ALICE, &inside(&answered, "BYE", 2, "").replace("Call-ID: c1", "Call-ID: C1"));
    assert_eq!(world.lines(), "alice: SIP/2.0 481 Call/Transaction Does Not Exist\n");
}

#[test]
fn an_invite_runs_out_when_it_says_so() {
    for (expires, after, status) in
        [(10, 10, "487 Request Terminated"), (90, 60, "480 Temporarily Unavailable")]
    {
        let mut world = World::new();
        world.send(ALICE, &invite("bob", &format!("Expires: {expires}\n"), OFFER));
        let asked = world.only("INVITE");
        world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
        world.sent();
        world.pass(Duration::from_millis(after * 1000 - 1));
        assert!(!world.lines().contains("CANCEL"));
        world.pass(Duration::from_millis(1));
        let lines = world.lines();
        assert!(
            lines.contains("bob: CANCEL") && lines.contains(&format!("alice: SIP/2.0 {status}")),
            "{lines}"
        );
    }
}
