//! Phones that send their calls elsewhere, and phones that have calls enough.

use super::scripts::planned_with;
use super::*;
use crate::border::Record;
use crate::cdr::CallRecord;
use crate::sip::HeaderName;

pub(super) const CAROL: &str = "10.0.0.3:5060";

/// Alice, bob and carol, and this in the context of phones.
fn three(text: &str) -> World {
    planned_with(text, |config| {
        config.phones.insert("carol".into(), device("sip:carol@10.0.0.3", CAROL));
    })
}

/// The INVITE to this phone that was sent since the last look.
fn asked(world: &mut World, whom: &str) -> Message {
    let start = format!("INVITE sip:{whom}@");
    let sent = world.sent();
    let found = sent.iter().find(|(_, m)| m.raw().starts_with(start.as_bytes()));
    let lines = || sent.iter().map(|s| String::from_utf8_lossy(s.1.raw()).into_owned()).collect::<Vec<_>>();
    found.unwrap_or_else(|| panic!("no {start} among {:#?}", lines())).1.clone()
}

/// A refusal of `whom` that sends us elsewhere.
fn moved(asked: &Message, whom: &str, contact: &str) -> String {
    let text = respond(asked, "302 Moved Temporarily", "", "");
    text.replace("Contact: <sip:bob@10.0.0.2>", &format!("Contact: {contact}"))
        .replace("tag=tb", &format!("tag=t{whom}"))
}

fn record(world: &World) -> CallRecord {
    let kept = world.out.iter().rev().find_map(|action| match action {
        Action::Store { record: Record::Call(record), .. } => Some((**record).clone()),
        _ => None,
    });
    kept.expect("a record is kept")
}

fn warned(world: &World, what: &str) -> bool {
    world.events.iter().any(|event| matches!(event, Event::Dialplan { text, .. } if text.contains(what)))
}

fn diversions(message: &Message) -> Vec<String> {
    message.values(HeaderName::Diversion).map(str::to_owned).collect()
}

#[test]
fn who_sends_a_call_elsewhere_is_replaced_and_the_caller_notices_nothing() {
    let mut world = three("");
    world.send(ALICE, &invite("bob", "", OFFER));
    let bob = asked(&mut world, "bob");
    world.send(BOB, &moved(&bob, "bob", "<sip:carol@10.0.0.9>"));
    let sent = world.sent();
    let starts: Vec<_> = sent.iter().map(|(to, m)| (to.to_string(), m.method().as_str())).collect();
    let expected = [(BOB, "ACK"), (CAROL, "INVITE"), (ALICE, "INVITE")];
    assert_eq!(starts, expected.map(|(to, method)| (to.to_owned(), method)));
    assert_eq!(sent[2].1.status(), Some(crate::sip::Status::FORWARDED), "once");
    assert_eq!(sent[2].1.header(HeaderName::Require), None);
    let carol = sent[1].1.clone();
    assert_eq!(diversions(&carol), ["<sip:bob@10.0.0.9>;reason=unconditional;counter=1"]);
    assert_eq!(
        carol.header(HeaderName::From).unwrap().split(';').next().unwrap(),
        "\"Alice\" <sip:alice@10.0.0.9>"
    );
    world.send(
        CAROL,
        &respond(&carol, "200 OK", "", ANSWER).replace("sip:bob@10.0.0.2", "sip:carol@10.0.0.3"),
    );
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.pass(Duration::from_secs(3));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    let kept = record(&world);
    let legs: Vec<_> = kept.legs.iter().map(|leg| (leg.contact.as_str(), leg.refused)).collect();
    assert_eq!(legs[1..], [("sip:bob@10.0.0.2", Some(302)), ("sip:carol@10.0.0.3", None)]);
    assert_eq!((kept.to.as_str(), kept.talked), ("bob", Duration::from_secs(3)));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_caller_is_told_of_each_forward_once_and_of_the_ringing_there() {
    let plan = "exten => 500,1,Dial(PJSIP/bob,10)\n same => n,Set(CALLERID(rdnis)=bob)\n \
                same => n,Set(REDIRECTING(reason)=cfnr)\n same => n,Dial(PJSIP/carol,10)\n \
                same => n,Dial(PJSIP/carol,10)\n";
    for reliable in ["", "Require: 100rel\n"] {
        let mut world = three(plan);
        world.send(ALICE, &invite("500", reliable, OFFER));
        let bob = asked(&mut world, "bob");
        world.send(BOB, &respond(&bob, "480 Temporarily Unavailable", "", ""));
        let told: Vec<_> = world.sent().into_iter().filter(|(to, _)| to.to_string() == ALICE).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1.status(), Some(crate::sip::Status::FORWARDED));
        assert_eq!(told[0].1.header(HeaderName::Require).is_some(), !reliable.is_empty());
        if reliable.is_empty() {
            world.pass(Duration::from_secs(11));
            assert!(!world.lines().contains("alice: SIP/2.0 181"), "the same forward still");
        }
    }
}

#[test]
fn a_chain_is_told_in_full_and_a_circle_ends() {
    let mut world = three("");
    world.send(ALICE, &invite("bob", "", OFFER));
    let bob = asked(&mut world, "bob");
    let ringing = respond(&bob, "180 Ringing", "", "");
    world.send(BOB, &ringing);
    let why = "Diversion: <sip:bob@x>;reason=no-answer\nContact: <sip:bob@10.0.0.2>\n";
    let text = moved(&bob, "bob", "<sip:carol@telex>");
    world.send(
        BOB,
        &text.replacen(
            "Contact: ",
            &format!("{why}Contact: ").replace("Contact: <sip:bob@10.0.0.2>\n", ""),
            1,
        ),
    );
    let carol = asked(&mut world, "carol");
    assert_eq!(diversions(&carol), ["<sip:bob@10.0.0.9>;reason=no-answer;counter=1"]);
    world.send(CAROL, &moved(&carol, "carol", "<sip:bob@10.0.0.9>"));
    assert!(world.lines().contains("alice: SIP/2.0 480"));
    assert!(warned(&world, "carol sends its calls to bob: not followed, it goes round in a circle"));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn foreign_hosts_unknown_numbers_and_the_option_i_are_not_followed() {
    let cases = [
        ("Dial(PJSIP/bob)", "<sip:carol@evil.example>", "not followed, that is another host's"),
        ("Dial(PJSIP/bob)", "<sip:999@10.0.0.9>", "not followed, context [internal] has no such number"),
        ("Dial(PJSIP/bob,20,i)", "<sip:carol@10.0.0.9>", "not followed, its Dial has the option i"),
        ("Dial(PJSIP/bob)", "<sip:501@10.0.0.9>", "not followed, 501 is refused there by 486"),
    ];
    for (dial, contact, why) in cases {
        let status = if why.contains("486") { 486 } else { 480 };
        let mut world = three(&format!("exten => 500,1,{dial}\nexten => 501,1,Busy()\n"));
        world.send(ALICE, &invite("500", "", OFFER));
        let bob = asked(&mut world, "bob");
        world.send(BOB, &moved(&bob, "bob", contact));
        assert!(world.lines().contains(&format!("alice: SIP/2.0 {status}")), "{contact}");
        assert!(warned(&world, why), "{why}: {:?}", world.events);
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_302_to_a_service_takes_the_caller_there_unless_others_ring() {
    let plan = "exten => 500,1,Dial(PJSIP/bob)\nexten => 501,1,Playback(closed)\n\
                exten => 502,1,Dial(PJSIP/bob&PJSIP/carol)\n";
    let mut world = three(plan);
    world.send(ALICE, &invite("500", "", OFFER));
    let bob = asked(&mut world, "bob");
    world.send(BOB, &moved(&bob, "bob", "<sip:501@10.0.0.9>"));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);

    let mut world = three(plan);
    world.send(ALICE, &invite("502", "", OFFER));
    let sent = world.sent();
    let to =
        |whom: &str| sent.iter().find(|(to, m)| to.to_string() == whom && m.is_request()).unwrap().1.clone();
    let (bob, carol) = (to(BOB), to(CAROL));
    world.send(BOB, &moved(&bob, "bob", "<sip:501@10.0.0.9>"));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n", "carol rings on");
    assert!(warned(&world, "others ring, and nobody is rung there"));
    world.send(CAROL, &respond(&carol, "486 Busy Here", "", ""));
    assert!(world.lines().contains("alice: SIP/2.0 486"));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_group_rings_on_while_one_of_it_is_replaced() {
    let mut world = three("exten => 500,1,Dial(PJSIP/bob&PJSIP/alice,20)\n");
    world.send(ALICE, &invite("500", "", OFFER));
    let bob = asked(&mut world, "bob");
    world.send(BOB, &moved(&bob, "bob", "<sip:carol@10.0.0.9>;q=0.2, <tel:carol>;q=0.9"));
    let carol = asked(&mut world, "carol");
    world.send(CAROL, &respond(&carol, "486 Busy Here", "", ""));
    assert!(!world.lines().contains("alice: SIP/2.0"), "her own phone rings yet");
    world.pass(Duration::from_secs(20));
    let lines = world.lines();
    assert!(lines.contains("alice: CANCEL") || lines.contains("alice: SIP/2.0 48"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_caller_who_gives_up_silences_who_was_asked_instead() {
    let mut world = three("");
    world.send(ALICE, &invite("bob", "", OFFER));
    let bob = asked(&mut world, "bob");
    world.send(BOB, &moved(&bob, "bob", "<sip:carol@10.0.0.9>"));
    let carol = asked(&mut world, "carol");
    world.send(CAROL, &respond(&carol, "180 Ringing", "", ""));
    let cancel =
        invite("bob", "", "").replace("INVITE", "CANCEL").replace("Contact: <sip:alice@10.0.0.1>\n", "");
    world.send(ALICE, &cancel);
    let sent = world.sent();
    assert!(sent.iter().any(|(to, m)| to.to_string() == CAROL && m.method().as_str() == "CANCEL"));
    world.send(CAROL, &respond(&carol, "487 Request Terminated", "", ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_phone_without_call_waiting_is_busy_in_its_call_and_does_not_ring() {
    let mut world = planned_with("exten => 500,1,Dial(PJSIP/bob&PJSIP/carol)\n", |config| {
        config.phones.insert("carol".into(), device("sip:carol@10.0.0.3", CAROL));
    });
    let mut config = (**world.telex.config_in_force()).clone();
    config.phones.get_mut("bob").unwrap().call_waiting = Some(1);
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    let (answered, _) = talking(&mut world);
    let again = |text: String| {
        text.replace("bKa1", "bKa2").replace("Call-ID: c1", "Call-ID: c2").replace("tag=fa", "tag=fc")
    };
    world.send(ALICE, &again(invite("bob", "", OFFER)));
    let refused = world.only("SIP/2.0 486");
    assert_eq!(reason_of(&refused), "Q.850;cause=17;text=\"Busy, explain 2\"");
    world.send(ALICE, &again(invite("500", "", OFFER)).replace("c2", "c3").replace("bKa2", "bKa3"));
    let carol = asked(&mut world, "carol");
    world.send(CAROL, &respond(&carol, "404 Not Found", "", ""));
    let kept = record(&world);
    assert!(world.lines().contains("alice: SIP/2.0 486"), "busy says more than what carol said");
    let legs: Vec<_> = kept.legs.iter().map(|leg| (leg.contact.as_str(), leg.refused)).collect();
    assert_eq!(legs[1..], [("sip:bob", Some(486)), ("sip:carol@10.0.0.3", Some(404))]);
    world.pass(Duration::from_secs(40));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    world.sent();
    world.send(ALICE, &again(invite("bob", "", OFFER)).replace("c2", "c4").replace("bKa2", "bKa4"));
    asked(&mut world, "bob");
}

#[test]
fn who_found_a_phone_busy_is_called_back_when_that_is_free() {
    let mut world = three(
        "exten => *37,1,CallCompletionRequest()\n same => n,GotoIf($[\"${CC_REQUEST_RESULT}\" = \"SUCCESS\"]?yes)\n \
         same => n,Hangup(21)\n same => n(yes),Hangup(17)\n",
    );
    let mut config = (**world.telex.config_in_force()).clone();
    config.phones.get_mut("bob").unwrap().call_waiting = Some(1);
    config.phones.get_mut("bob").unwrap().name = "Bob Brown".into();
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    let mut calls = 1;
    let mut from_alice = |text: &str| {
        calls += 1;
        text.replace("bKa1", &format!("bKa{calls}")).replace("Call-ID: c1", &format!("Call-ID: c{calls}"))
    };
    // Nothing was busy yet.
    world.send(ALICE, &from_alice(&invite("*37", "", OFFER)));
    assert!(world.lines().contains("alice: SIP/2.0 403"));
    // Carol talks with bob.
    let carol = invite("bob", "", OFFER)
        .replace("10.0.0.1", "10.0.0.3")
        .replace("alice", "carol")
        .replace("c1", "cc");
    world.send(CAROL, &carol);
    let bob = asked(&mut world, "bob");
    world.send(BOB, &respond(&bob, "200 OK", "", ANSWER));
    world.sent();
    world.send(ALICE, &from_alice(&invite("bob", "", OFFER)));
    assert!(world.lines().contains("alice: SIP/2.0 486"));
    world.send(ALICE, &from_alice(&invite("*37", "", OFFER)));
    assert!(world.lines().contains("alice: SIP/2.0 486"));
    world.pass(Duration::from_secs(10));
    assert!(!world.lines().contains("INVITE"), "bob still talks");
    world.send(BOB, &from_bob(&bob, "BYE", 1, "", ""));
    world.sent();
    world.pass(Duration::from_secs(2));
    let back = world.only("INVITE sip:alice@10.0.0.1");
    assert!(back.header(HeaderName::From).unwrap().starts_with("\"Bob Brown\" <sip:bob@10.0.0.9>"));
    world.send(
        ALICE,
        &respond(&back, "180 Ringing", "", "").replace("sip:bob@10.0.0.2", "sip:alice@10.0.0.1"),
    );
    let answer = ANSWER.replace("10.0.0.2", "10.0.0.1");
    world.send(
        ALICE,
        &respond(&back, "200 OK", "", &answer).replace("sip:bob@10.0.0.2", "sip:alice@10.0.0.1"),
    );
    let bob = asked(&mut world, "bob");
    assert!(bob.header(HeaderName::From).unwrap().starts_with("<sip:alice@10.0.0.9>"));
    world.send(BOB, &respond(&bob, "200 OK", "", ANSWER));
    world.pass(Duration::from_secs(5));
    world.sent();
    world.send(BOB, &from_bob(&bob, "BYE", 2, "", ""));
    let kept = record(&world);
    assert_eq!((kept.from.as_str(), kept.to.as_str(), kept.talked), ("alice", "bob", Duration::from_secs(5)));
    assert!(world.lines().contains("alice: BYE"));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_call_back_that_is_not_answered_or_not_wanted_any_more_leaves_nothing() {
    for (key, comes) in [("", true), ("*38", false)] {
        let mut world = three(
            "exten => *37,1,CallCompletionRequest(bob)\nexten => *38,1,CallCompletionCancel()\n same => n,Hangup(17)\n",
        );
        world.send(ALICE, &invite("*37", "", OFFER));
        world.sent();
        if !key.is_empty() {
            world.send(
                ALICE,
                &invite(key, "", OFFER).replace("bKa1", "bKa2").replace("Call-ID: c1", "Call-ID: c2"),
            );
            assert!(world.lines().contains("alice: SIP/2.0 486"));
        }
        world.pass(Duration::from_secs(3));
        let lines = world.lines();
        assert_eq!(lines.contains("alice: INVITE"), comes, "{lines}");
        world.pass(Duration::from_secs(60));
        assert!(!world.lines().contains("alice: CANCEL"), "alice never answered at all");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_dial_is_sent_elsewhere_so_often_and_no_more() {
    let most = crate::limits::DIVERSIONS;
    let name = |n: usize| format!("p{n}");
    let at = |n: usize| format!("10.2.0.{}:5060", n + 1);
    let mut world = planned_with("", |config| {
        for n in 0..most + 2 {
            config
                .phones
                .insert(name(n).into(), device(&format!("sip:{}@10.2.0.{}", name(n), n + 1), &at(n)));
        }
    });
    world.send(ALICE, &invite("p0", "", OFFER));
    for n in 0..most {
        let there = asked(&mut world, &name(n));
        world.send(&at(n), &moved(&there, &name(n), &format!("<sip:{}@10.0.0.9>", name(n + 1))));
    }
    let last = asked(&mut world, &name(most));
    assert_eq!(diversions(&last).len(), crate::limits::DIVERSIONS_TOLD, "the last are told");
    world.send(&at(most), &moved(&last, &name(most), &format!("<sip:{}@10.0.0.9>", name(most + 1))));
    assert!(world.lines().contains("alice: SIP/2.0 480"));
    assert!(warned(&world, "not followed, the call has been sent elsewhere too often"));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn so_many_calls_are_wanted_back() {
    let most = crate::limits::CALL_BACKS;
    let at = |n: usize| format!("10.2.{}.{}", n / 200, n % 200 + 1);
    let reason = "${IF($[\"${CC_REQUEST_REASON}\" = \"TOO_MANY_REQUESTS\"]?21:17)}";
    let plan = format!("exten => *37,1,CallCompletionRequest(bob)\n same => n,Hangup({reason})\n");
    let mut world = planned_with(&plan, |config| {
        for n in 0..=most {
            config.phones.insert(
                format!("p{n}").into(),
                device(&format!("sip:p{n}@{}", at(n)), &format!("{}:5060", at(n))),
            );
        }
    });
    let ask = |n: usize| {
        invite("*37", "", OFFER)
            .replace("10.0.0.1", &at(n))
            .replace("alice", &format!("p{n}"))
            .replace("bKa1", &format!("bKa{n}"))
            .replace("Call-ID: c1", &format!("Call-ID: c{n}"))
    };
    for n in 0..most {
        world.telex_only(&format!("{}:5060", at(n)), &ask(n));
    }
    assert_eq!(world.sent().iter().filter(|(_, m)| m.raw().starts_with(b"SIP/2.0 486")).count(), most);
    world.telex_only(&format!("{}:5060", at(most)), &ask(most));
    assert_eq!(world.sent().iter().filter(|(_, m)| m.raw().starts_with(b"SIP/2.0 403")).count(), 1);
}
