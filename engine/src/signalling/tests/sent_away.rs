//! Callers that are told to call somebody else, and what is heard and pressed before anybody answers.

use super::records::records;
use super::scripts::planned;
use super::*;
use crate::cdr::Disposition;
use crate::mediactl::{LegId, LegSpec, Playing};
use crate::sip::HeaderName;

const PLAN: &str = "exten => 500,1,Answer()\n same => n,Transfer(PJSIP/bob)\n\
 same => n,GotoIf($[\"${TRANSFERSTATUS}\" = \"SUCCESS\"]?done)\n same => n,Hangup(21)\n same => n(done),Hangup(16)\n\
exten => 501,1,Transfer(bob)\nexten => 502,1,Transfer(sip:help@example.com)\n\
exten => 503,1,Transfer(sip:a>b@x)\n same => n,Hangup(17)\n";

/// Alice is answered and told to call bob: her 200, and the REFER.
fn told() -> (World, Message, Message) {
    let mut world = planned(PLAN);
    world.send(ALICE, &invite("500", "", OFFER));
    let sent = world.sent();
    let answered = sent.iter().find(|(_, m)| !m.is_request() && m.status().unwrap().is_success()).unwrap();
    let refer = sent.iter().find(|(_, m)| m.raw().starts_with(b"REFER")).unwrap();
    let (answered, refer) = (answered.1.clone(), refer.1.clone());
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    (world, answered, refer)
}

fn notify(answered: &Message, cseq: u32, state: &str, line: &str) -> String {
    let fields = format!(
        "Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\nContent-Length: {}\n\n{line}",
        line.len()
    );
    inside(answered, "NOTIFY", cseq, "").trim_end_matches('\n').to_owned() + "\n" + &fields
}

/// What the dialplan made of it: the cause of the end.
fn quiet(mut world: World, answered: &Message) {
    let bye = world.sent().into_iter().find(|(_, m)| m.raw().starts_with(b"BYE"));
    if let Some((_, bye)) = bye {
        world.send(ALICE, &respond(&bye, "200 OK", "", ""));
    } else {
        world.send(ALICE, &inside(answered, "BYE", 90, ""));
    }
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

fn cause(world: &World) -> Option<u8> {
    world.events.iter().find_map(|event| match event {
        Event::CallEnded { cause, .. } => Some(cause.q850()),
        _ => None,
    })
}

#[test]
fn who_is_answered_is_told_by_refer() {
    let (mut world, answered, refer) = told();
    assert_eq!(refer.header(HeaderName::ReferTo), Some("<sip:bob@10.0.0.9:5060>"));
    assert_eq!(refer.values(HeaderName::Contact).collect::<Vec<_>>(), ["<sip:500@10.0.0.9:5060>"]);
    assert_eq!(refer.values(HeaderName::ReferTo).count(), 1);
    assert_eq!(refer.values(HeaderName::ReferredBy).collect::<Vec<_>>(), ["<sip:500@10.0.0.9:5060>"]);
    world.send(ALICE, &respond(&refer, "202 Accepted", "", ""));
    world.send(ALICE, &notify(&answered, 2, "active;expires=60", "SIP/2.0 100 Trying"));
    assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\n");
    world.send(ALICE, &notify(&answered, 3, "terminated;reason=noresource", "SIP/2.0 200 OK"));
    assert_eq!(cause(&world), Some(16), "the plan goes on where it succeeded");
    quiet(world, &answered);
}

#[test]
fn what_does_not_come_to_a_call_has_failed() {
    for how in ["405 Method Not Allowed", "486", "", "lost", "late", "408 Request Timeout"] {
        let (mut world, answered, refer) = told();
        match how {
            "486" => {
                // It may come before the answer to the REFER.
                world.send(
                    ALICE,
                    &notify(&answered, 2, "terminated;reason=noresource", "SIP/2.0 486 Busy Here"),
                );
                world.send(ALICE, &respond(&refer, "202 Accepted", "", ""));
            }
            "" => {
                world.send(ALICE, &respond(&refer, "202 Accepted", "", ""));
                world.pass(Duration::from_secs(30));
            }
            "lost" => world.pass(Duration::from_secs(32)),
            "late" => {
                world.send(ALICE, &respond(&refer, "202 Accepted", "", ""));
                world.send(ALICE, &inside(&answered, "BYE", 2, ""));
                world.send(ALICE, &notify(&answered, 3, "terminated;reason=noresource", "SIP/2.0 200 OK"));
                assert!(world.lines().contains("alice: SIP/2.0 481"));
            }
            status => world.send(ALICE, &respond(&refer, status, "", "")),
        }
        let expected = match how {
            "late" => 16,
            "408 Request Timeout" => 102,
            _ => 21,
        };
        assert_eq!(cause(&world), Some(expected), "{how}");
        quiet(world, &answered);
    }
}

#[test]
fn a_phone_that_tells_nothing_by_its_own_word_has_done_it() {
    let (mut world, answered, refer) = told();
    world.send(ALICE, &respond(&refer, "200 OK", "Refer-Sub: false\n", ""));
    assert_eq!(cause(&world), Some(16));
    quiet(world, &answered);
}

#[test]
fn who_is_not_answered_is_redirected() {
    for (number, contact) in [("501", "<sip:bob@10.0.0.9:5060>"), ("502", "<sip:help@example.com>")] {
        let mut world = planned(PLAN);
        world.send(ALICE, &invite(number, "", OFFER));
        let over = records(&mut world).pop().unwrap();
        assert_eq!((over.disposition(), over.ended.is_some()), (Disposition::NoAnswer, true));
        let moved = world.only("SIP/2.0 302");
        assert_eq!(moved.header(HeaderName::Contact), Some(contact));
        let by = format!("<sip:{number}@10.0.0.9:5060>;reason=unconditional;counter=1");
        assert_eq!(moved.header(HeaderName::Diversion), Some(by.as_str()));
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
    let mut world = planned(PLAN);
    world.send(ALICE, &invite("503", "", OFFER));
    assert_eq!(world.lines(), "alice: SIP/2.0 486 Busy Here\n", "nobody is called so");
}

fn hears(world: &World) -> LegSpec {
    let put = world.out.iter().rev().find_map(|action| match action {
        Action::Media { command: MediaCommand::PutLeg { leg: LegId(1), spec, .. }, .. } => Some(spec),
        _ => None,
    });
    (**put.expect("the caller has media")).clone()
}

#[test]
fn keys_are_pressed_before_the_answer_too() {
    let mut world = planned("exten => 500,1,SendDTMF(12)\n same => n,Hangup(17)\n");
    world.send(ALICE, &invite("500", "", OFFER));
    let keys: String = hears(&world).presses.keys.iter().map(|press| press.digit).collect();
    assert_eq!(keys, "12");
    world.only("SIP/2.0 183");
    world.pass(Duration::from_secs(2));
    assert!(world.lines().starts_with("alice: SIP/2.0 486 Busy Here\n"));
    let mut world = planned("exten => 500,1,SendDTMF(12)\n same => n,Hangup(17)\n");
    world.send(ALICE, &invite("500", "", ""));
    assert_eq!(world.lines(), "alice: SIP/2.0 486 Busy Here\n", "who made no offer hears nothing yet");
}

#[test]
fn music_comes_back_when_who_was_heard_early_is_gone() {
    let plan = "exten => 500,1,Dial(PJSIP/bob&PJSIP/alice,20,m)\nexten => 501,1,Answer()\n same => n,Dial(PJSIP/bob&PJSIP/alice,20)\n";
    for number in ["500", "501"] {
        let mut world = planned(plan);
        world.send(ALICE, &invite(number, "", OFFER));
        let before = hears(&world).playing.expect("something is heard").sound;
        let asked = world.only("INVITE sip:bob");
        world.send(BOB, &respond(&asked, "183 Session Progress", "", ANSWER));
        assert!(hears(&world).playing.is_none(), "bob is heard");
        world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
        assert_eq!(hears(&world).playing.expect("it is heard again").sound, before);
        assert_eq!(matches!(before, Playing::Music(_)), number == "500");
    }
}

#[test]
fn a_refer_follows_the_route_set_of_its_dialog() {
    let mut world = planned(PLAN);
    world.send(ALICE, &invite("500", "Record-Route: <sip:10.0.0.1:5070;lr>\n", OFFER));
    let refer = world.only("REFER sip:alice@10.0.0.1");
    assert_eq!(refer.header(HeaderName::Route), Some("<sip:10.0.0.1:5070;lr>"));
}
