//! What messages must say by the RFCs, clause by clause.

use super::*;

/// The start line, and these header fields one a line.
pub(super) fn head(message: &Message, names: &[&str]) -> String {
    let raw = String::from_utf8_lossy(message.raw()).into_owned();
    let mut text = raw.lines().next().unwrap().to_owned();
    for header in message.headers().filter(|header| names.contains(&header.name)) {
        let _ = write!(text, "\n{}: {}", header.name, header.value);
    }
    text
}

const ALLOWED: &str = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, REGISTER, SUBSCRIBE, MESSAGE";
const SUPPORTS: &str = "Supported: 100rel, timer, path, replaces, norefersub";

#[test]
fn an_invite_and_the_responses_to_one_say_who_we_are() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let names = ["Max-Forwards", "To", "Contact", "Allow", "Supported"];
    let expected = format!(
        "INVITE sip:bob@10.0.0.2 SIP/2.0\nMax-Forwards: 69\nTo: <sip:bob@telex>\n\
Contact: <sip:alice@10.0.0.9:5060>\n{ALLOWED}\n{SUPPORTS}"
    );
    assert_eq!(head(&asked, &names), expected);
    assert!(asked.from().unwrap().tag().is_some_and(|tag| tag.len() == 12), "a tag of ours, not alice's");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    for response in [ringing, answered] {
        assert!(head(&response, &names[2..]).ends_with(&format!("\n{ALLOWED}\n{SUPPORTS}")));
    }
}

#[test]
fn requests_follow_the_route_sets_of_both_dialogs() {
    let mut world = World::new();
    let routes = "Record-Route: <sip:10.0.0.1:5070;lr>\nRecord-Route: <sip:10.0.1.1;lr>\n";
    world.send(ALICE, &invite("bob", routes, OFFER).replace("sip:alice@10.0.0.1>", "sip:alice@10.0.3.1>"));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "Record-Route: <sip:10.0.9.9;lr>\n", ""));
    world.out.clear();
    // The last is the first on our way, and a strict router.
    let routes = "Record-Route: <sip:10.0.1.2;lr>\nRecord-Route: <sip:10.0.0.2>\n";
    world.send(
        BOB,
        &respond(&asked, "200 OK", routes, ANSWER).replace("sip:bob@10.0.0.2>\n", "sip:bob@10.0.3.2>\n"),
    );
    let sent = world.sent();
    let (ack, answered) = (&sent[0].1, &sent[1].1);
    assert_eq!(
        head(answered, &["Record-Route", "Contact"]),
        "SIP/2.0 200 OK\nRecord-Route: <sip:10.0.0.1:5070;lr>\nRecord-Route: <sip:10.0.1.1;lr>\n\
Contact: <sip:bob@10.0.0.9:5060>"
    );
    world.send(ALICE, &inside(answered, "ACK", 1, ""));
    world.input(Input::Control { id: ControlId(1), request: Control::Hangup { call: 1 } });
    let byes: Vec<Message> = world.sent().into_iter().map(|(_, message)| message).collect();
    assert_eq!(byes.len(), 2);
    let names = ["Route", "Max-Forwards", "From", "To", "Call-ID"];
    let to_bob = |method: &str| {
        let value = |name| asked.header(name).unwrap();
        let (from, to) = (value(crate::sip::HeaderName::From), value(crate::sip::HeaderName::To));
        let call_id = value(crate::sip::HeaderName::CallId);
        format!(
            "{method} sip:10.0.0.2 SIP/2.0\nRoute: <sip:10.0.1.2;lr>\nRoute: <sip:bob@10.0.3.2>\n\
Max-Forwards: 70\nFrom: {from}\nTo: {to};tag=tb\nCall-ID: {call_id}"
        )
    };
    let to_alice = format!(
        "BYE sip:alice@10.0.3.1 SIP/2.0\nRoute: <sip:10.0.0.1:5070;lr>\nRoute: <sip:10.0.1.1;lr>\n\
Max-Forwards: 70\nFrom: {}\nTo: \"Alice\" <sip:alice@telex>;tag=fa\nCall-ID: c1",
        answered.header(crate::sip::HeaderName::To).unwrap()
    );
    let (bob, alice): (Vec<&Message>, _) =
        byes.iter().partition(|bye| bye.request_uri().contains("10.0.0.2"));
    assert_eq!([head(ack, &names), head(bob[0], &names)], [to_bob("ACK"), to_bob("BYE")]);
    assert_eq!(head(alice[0], &names), to_alice);
    let number = |message: &Message| message.cseq().unwrap().number - asked.cseq().unwrap().number;
    assert_eq!((number(ack), number(bob[0])), (0, 1));
}

#[test]
fn requests_out_of_place_are_told_so() {
    let mut world = World::new();
    let ask = |world: &mut World, from: &str, text: &str| {
        world.send(from, text);
        let sent = world.sent().into_iter().map(|(_, message)| message).collect::<Vec<_>>();
        assert!(sent[0].retry_after().is_none_or(|after| after.is_ok_and(|after| after.seconds <= 10)));
        let names = ["Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"];
        let text = sent.iter().map(|message| head(message, &names)).collect::<Vec<_>>().join("\n");
        (text, sent[0].retry_after().is_some())
    };
    let outside = |method| invite("bob", "", "").replace("INVITE", method).replace("bKa1", method);
    let known = format!(
        "SIP/2.0 200 OK\n{ALLOWED}\nAccept: application/sdp\nAccept-Encoding: identity\nAccept-Language: en\n{SUPPORTS}"
    );
    assert_eq!(ask(&mut world, ALICE, &outside("OPTIONS")), (known, false));
    let not_allowed = format!("SIP/2.0 405 Method Not Allowed\n{ALLOWED}");
    assert_eq!(ask(&mut world, ALICE, &outside("PUBLISH")), (not_allowed, false));

    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    let mut line = |from: &str, text: &str| {
        let (text, retry) = ask(&mut world, from, text);
        (text.lines().filter(|line| line.starts_with("SIP/")).collect::<Vec<_>>().join(", "), retry)
    };
    let says = |text: &str, retry| (text.to_owned(), retry);
    let before_the_invite = inside(&ringing, "OPTIONS", 0, "");
    assert_eq!(line(ALICE, &before_the_invite), says("SIP/2.0 500 Server Internal Error", false));
    let open = from_bob(&asked, "UPDATE", 1, "", ANSWER);
    assert_eq!(line(BOB, &open), says("SIP/2.0 491 Request Pending", false));
    assert_eq!(
        line(ALICE, &inside(&ringing, "INVITE", 20, OFFER)),
        says("SIP/2.0 500 Server Internal Error", true)
    );
    assert_eq!(
        line(ALICE, &inside(&ringing, "OPTIONS", 19, "")),
        says("SIP/2.0 500 Server Internal Error", false)
    );
    let none = inside(&ringing, "BYE", 21, "").replace("tag=fa", "tag=fb");
    assert_eq!(line(ALICE, &none), says("SIP/2.0 481 Call/Transaction Does Not Exist", false));
    assert_eq!(
        line(ALICE, &inside(&ringing, "BYE", 30, "")),
        says("SIP/2.0 200 OK, SIP/2.0 487 Request Terminated", false)
    );
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    world.out.clear();
    world.send(ALICE, &invite("bob", "Require: flux\n", "").replace("INVITE", "CANCEL"));
    let lines = world.lines();
    assert!(lines.contains("alice: SIP/2.0 200 OK") && lines.contains("alice: SIP/2.0 487"), "{lines}");
}

#[test]
fn who_meets_our_refresh_is_asked_again_and_followed_where_it_moves() {
    for allow in ["", "Allow: UPDATE\n"] {
        let mut world = World::new();
        world.send(ALICE, &invite("bob", "", OFFER));
        let asked = world.only("INVITE");
        world.send(BOB, &respond(&asked, "200 OK", allow, ANSWER));
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, "").replace("CSeq", "Require: flux\nCSeq"));
        world.pass(Duration::from_secs(900));
        let refreshes: Vec<_> = world.sent().into_iter().filter(|(_, m)| m.is_request()).collect();
        assert_eq!(refreshes.len(), 2);
        world.send(ALICE, &inside(&answered, "INVITE", 2, OFFER));
        assert_eq!(world.lines(), "alice: SIP/2.0 491 Request Pending\n");
        let ack = inside(&answered, "ACK", 2, "").replace("z9hG4bKACK2", "z9hG4bKINVITE2");
        world.send(ALICE, &ack);
        for (who, refresh) in &refreshes {
            world.send(&who.to_string(), &respond(refresh, "491 Request Pending", "", ""));
        }
        world.out.clear();
        let mut tries = Vec::new();
        for step in 1..=400 {
            world.pass(Duration::from_millis(10));
            for (who, again) in world.sent() {
                let owner = who.to_string() == BOB;
                tries.push((who, again.method()));
                assert!(if owner { (210..=400).contains(&step) } else { step <= 200 }, "{who}: {step}0 ms");
                let contact = again.header(crate::sip::HeaderName::Contact).unwrap();
                let before = if owner { &asked } else { &answered };
                assert_eq!(Some(contact), before.header(crate::sip::HeaderName::Contact));
                let body = if again.method().as_str() == "INVITE" { ANSWER } else { "" };
                let moved =
                    respond(&again, "200 OK", allow, body).replace("bob@10.0.0.2>\n", "at@10.0.0.5>\n");
                world.send(&who.to_string(), &moved);
                world.sent();
            }
        }
        tries.sort_by_key(|(who, _)| who.to_string() == BOB);
        let mut before: Vec<_> = refreshes.iter().map(|(who, m)| (*who, m.method())).collect();
        before.sort_by_key(|(who, _)| who.to_string() == BOB);
        assert_eq!(tries, before);
        let moved = |text: String, to: &str| {
            text.replace("Contact: <sip:alice@10.0.0.1>", &format!("Contact: <sip:{to}>"))
        };
        let update = moved(inside(&answered, "UPDATE", 3, ""), "alice@10.0.0.6");
        world.send(ALICE, &update.replace("Contact", "Record-Route: <sip:10.0.0.1;lr>\nContact"));
        world.send(ALICE, &moved(inside(&answered, "OPTIONS", 4, ""), "alice@10.0.0.7"));
        assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\nalice: SIP/2.0 200 OK\n");
        let other = OFFER.replace("RTP/AVP 8 0 101", "RTP/AVP 4").replace("a=rtpmap:101", "a=rtpmap:102");
        world.send(ALICE, &moved(inside(&answered, "UPDATE", 50, &other), "alice@10.0.0.6"));
        assert_eq!(world.lines(), "alice: SIP/2.0 488 Not Acceptable Here\n");
        world.input(Input::Control { id: ControlId(1), request: Control::Hangup { call: 1 } });
        assert_eq!(world.telex.stats().ports, 0, "no media from now on");
        let mut byes: Vec<_> = world.sent().iter().map(|(_, bye)| head(bye, &["Route"])).collect();
        byes.sort();
        assert_eq!(byes, ["BYE sip:alice@10.0.0.6 SIP/2.0", "BYE sip:at@10.0.0.5 SIP/2.0"]);
    }
}

#[test]
fn reliable_responses_go_one_by_one_and_before_the_answer() {
    let mut world = World::new();
    let extra = "Require: 100rel\nSupported: timer\nSession-Expires: 1800;refresher=uac\n";
    world.send(ALICE, &invite("bob", extra, OFFER));
    let asked = world.only("INVITE");
    world.pass(Duration::from_millis(250));
    let names = ["Require", "RSeq", "Session-Expires"];
    assert_eq!(head(&world.only("SIP/2.0 100"), &names), "SIP/2.0 100 Trying");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let first = world.only("SIP/2.0 180");
    assert_eq!(head(&first, &names), "SIP/2.0 180 Ringing\nRequire: 100rel\nRSeq: 1");
    world.send(BOB, &respond(&asked, "183 Session Progress", "", ANSWER));
    assert_eq!(world.lines(), "", "the first waits for its PRACK");
    let prack = |rseq: u32| {
        let text = inside(&first, "PRACK", rseq + 1, "");
        text.replace("Max-Forwards", &format!("RAck: {rseq} 1 INVITE\nMax-Forwards"))
    };
    world.send(ALICE, &prack(1));
    let second = world.only("SIP/2.0 183");
    assert_eq!(head(&second, &names), "SIP/2.0 183 Session Progress\nRequire: 100rel\nRSeq: 2");
    let to = crate::sip::HeaderName::To;
    assert_eq!(first.header(to), second.header(to), "one dialog");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n", "the second waits for its PRACK");
    world.send(ALICE, &prack(2));
    let sent = world.sent();
    let answered = sent.iter().map(|(_, m)| m).find(|m| m.method().as_str() == "INVITE").unwrap();
    let expected = "SIP/2.0 200 OK\nSession-Expires: 1800;refresher=uac\nRequire: timer";
    assert_eq!(head(answered, &names), expected);
}

#[test]
fn an_update_that_cannot_be_considered_yet_is_to_be_tried_later() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    world.send(ALICE, &inside(&ringing, "UPDATE", 2, OFFER));
    let refusal = world.only("SIP/2.0 500");
    assert!(refusal.retry_after().is_some(), "RFC 3311 §5.2: her own offer is not answered");
}

#[test]
fn a_refused_re_offer_says_why_and_the_call_goes_on() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let foreign = OFFER.replace("o=- 1 1", "o=- 1 2").replace("RTP/AVP 8 0 101", "RTP/AVP 4 101");
    world.send(ALICE, &inside(&answered, "INVITE", 2, &foreign));
    let refusal = world.only("SIP/2.0 488");
    let warning = refusal.header(crate::sip::HeaderName::Warning);
    assert_eq!(warning, Some("305 telex \"no common codec\""));
    assert_eq!(world.telex.stats().calls, 1);
}
