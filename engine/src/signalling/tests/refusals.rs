//! What comes of refusals: who rings on, and which cause everybody is told.

use super::scripts::{explained, planned, planned_with};
use super::*;
use crate::cdr::Disposition;
use crate::sip::HeaderName;

const CAROL: &str = "10.0.0.3:5060";

fn three(plan: &str) -> World {
    planned_with(plan, |config| {
        config.phones.insert("carol".into(), device("sip:carol@10.0.0.3", CAROL));
    })
}

/// Who was sent what since the last look, without the acknowledgements of refusals.
fn told(world: &mut World) -> Vec<(String, String)> {
    let start = |message: &Message| String::from_utf8_lossy(message.raw()).lines().next().unwrap().to_owned();
    let all = world.sent().into_iter().map(|(to, message)| (to.to_string(), start(&message)));
    all.filter(|(_, line)| !line.starts_with("ACK")).collect()
}

/// The INVITEs that were sent, by address.
fn asked(world: &mut World) -> BTreeMap<String, Message> {
    let all = world.sent().into_iter().map(|(to, message)| (to.to_string(), message));
    all.filter(|(_, message)| message.method().as_str() == "INVITE").collect()
}

#[test]
fn a_phone_that_declines_leaves_the_rest_of_its_group_ringing() {
    for refusal in ["600 Busy Everywhere", "603 Decline", "604 Does Not Exist Anywhere", "606 Not Acceptable"]
    {
        let mut world = three("exten => 600,1,Dial(PJSIP/bob&PJSIP/carol,20)\n");
        world.send(ALICE, &invite("600", "", OFFER));
        let rung = asked(&mut world);
        assert_eq!(rung.keys().map(String::as_str).collect::<Vec<_>>(), [BOB, CAROL]);
        world.send(BOB, &respond(&rung[BOB], refusal, "", ""));
        assert_eq!(told(&mut world), [], "{refusal}: carol rings on, and alice waits");
        world.send(CAROL, &respond(&rung[CAROL], "200 OK", "", ANSWER));
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.hang_up(&answered);
    }
}

#[test]
fn a_phone_that_declines_does_so_for_all_of_its_extension_and_for_nobody_else() {
    let mut world = three("exten => 600,1,Dial(PJSIP/bob&PJSIP/carol,20)\n");
    // Bob has another phone behind the same address.
    let second = "sip:bob@10.0.0.2:5070";
    world.send(
        BOB,
        &format!(
            "REGISTER sip:telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKr\nMax-Forwards: 70\n\
From: <sip:bob@telex>;tag=r\nTo: <sip:bob@telex>\nCall-ID: r\nCSeq: 1 REGISTER\nContact: <{second}>\n\n"
        ),
    );
    world.only("SIP/2.0 200");
    world.send(ALICE, &invite("600", "", OFFER));
    let rung: Vec<Message> = world.sent().into_iter().map(|(_, message)| message).collect();
    let of =
        |uri: &str| rung.iter().find(|message| message.is_request() && message.request_uri() == uri).unwrap();
    let (bob, other, carol) = (of("sip:bob@10.0.0.2"), of(second), of("sip:carol@10.0.0.3"));
    world.send(BOB, &respond(other, "180 Ringing", "", ""));
    world.sent();
    world.send(BOB, &respond(bob, "603 Decline", "", ""));
    let cancel: Vec<String> = told(&mut world).into_iter().map(|(_, line)| line).collect();
    assert_eq!(cancel, [format!("CANCEL {second} SIP/2.0")]);
    world.send(CAROL, &respond(carol, "486 Busy Here", "", ""));
    world.only("SIP/2.0 603");
}

#[test]
fn numbers_that_are_called_through_one_trunk_have_nothing_to_do_with_each_other() {
    let mut world = planned_with("exten => 600,1,Dial(PJSIP/1@line&PJSIP/2@line,20)\n", |config| {
        let line = Phone { trusted: true, ..device("sip:line@10.0.0.3", CAROL) };
        config.phones.insert("line".into(), line);
    });
    world.send(ALICE, &invite("600", "", OFFER));
    let rung: Vec<Message> = world.sent().into_iter().map(|(_, message)| message).collect();
    let first = rung.iter().find(|message| message.raw().starts_with(b"INVITE sip:1@")).unwrap();
    world.send(CAROL, &respond(first, "603 Decline", "", ""));
    assert_eq!(told(&mut world), []);
}

/// The steps of a call that is over, as they are told.
fn way(world: &mut World, call: u64) -> String {
    match explained(world, call) {
        ControlReply::Explained(why) => why.text,
        other => panic!("{other:?}"),
    }
}

/// Alice calls and is refused: the response, what the record says, and what `h` knows as the cause.
fn refused(world: &mut World, number: &str) -> (String, String, (Disposition, u8), String) {
    world.send(ALICE, &invite(number, "", OFFER));
    while records_ended(world).is_none() {
        world.pass(Duration::from_secs(1));
    }
    let over = records_ended(world).unwrap();
    let refusal = world.only("SIP/2.0 4");
    let line = String::from_utf8_lossy(refusal.raw()).lines().next().unwrap().to_owned();
    let reason = reason_of(&refusal);
    let text = way(world, over.id);
    let known = text.split("NoOp(<").nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default();
    (line, reason, (over.disposition(), over.cause.unwrap().q850()), known.to_owned())
}

/// The record of the call that is over.
fn records_ended(world: &World) -> Option<crate::cdr::CallRecord> {
    world.out.iter().find_map(|action| match action {
        Action::Store { record: crate::border::Record::Call(record), .. } if record.ended.is_some() => {
            Some((**record).clone())
        }
        _ => None,
    })
}

const H: &str = "exten => h,1,NoOp(<${HANGUPCAUSE}>)\n";

#[test]
fn the_cause_that_the_dialplan_says_is_the_one_that_everybody_is_told() {
    use Disposition::{Busy, Failed, NoAnswer};
    for (cause, status, words, became) in [
        (1, 404, "No such number", Failed),
        (16, 480, "Ended by the dialplan", NoAnswer),
        (17, 486, "Busy", Busy),
        (18, 408, "No answer", NoAnswer),
        (19, 480, "No answer", NoAnswer),
        (20, 480, "Not registered", Failed),
        (21, 403, "Rejected", Failed),
        (25, 480, "It goes round in a circle", Failed),
        (27, 502, "Out of order", Failed),
        (31, 480, "Not completed", Failed),
        (34, 503, "No way through", Failed),
        (42, 503, "Too many calls", Failed),
    ] {
        let mut world = planned(&format!("exten => 500,1,Hangup({cause})\n{H}"));
        world.send(ALICE, &invite("500", "", OFFER));
        let over = records_ended(&world).unwrap();
        let refusal =
            world.sent().into_iter().find(|(_, message)| message.status().is_some_and(|s| s.code() >= 400));
        let refusal = refusal.unwrap().1;
        assert_eq!(refusal.status().map(crate::sip::Status::code), Some(status));
        let reason = format!("Q.850;cause={cause};text=\"{words}, explain 1\"");
        assert_eq!(reason_of(&refusal), reason);
        assert_eq!((over.cause.as_ref().unwrap().q850(), over.disposition()), (cause, became), "{cause}");
        let way = way(&mut world, 1);
        assert!(way.contains(&format!("1. NoOp(<{cause}>)\n")), "{way}");
    }
}

#[test]
fn a_dial_that_fails_has_one_cause_for_its_caller_its_record_and_its_dialplan() {
    use Disposition::{Failed, NoAnswer};
    let away = "exten => 500,1,Dial(PJSIP/dora,5)\n";
    let rings = "exten => 500,1,Dial(PJSIP/bob,5)\n";
    for (plan, words, cause, became) in [
        (away, "Not registered", 20, Failed),
        (rings, "No answer", 19, NoAnswer),
        ("exten => 500,1,Busy()\n", "Busy", 17, Disposition::Busy),
    ] {
        let mut world = planned_with(&format!("{plan}{H}"), |config| {
            config.phones.insert("dora".into(), Phone::default());
        });
        let (line, reason, record, known) = refused(&mut world, "500");
        assert!(line.starts_with(if cause == 17 { "SIP/2.0 486" } else { "SIP/2.0 480" }), "{line}");
        assert_eq!(reason, format!("Q.850;cause={cause};text=\"{words}, explain 1\""));
        assert_eq!((record, known), ((became, cause), cause.to_string()));
    }
}

#[test]
fn congestion_has_the_cause_of_congestion() {
    let mut world = planned(&format!("exten => 500,1,Congestion()\n{H}"));
    world.send(ALICE, &invite("500", "", OFFER));
    let refusal = world.only("SIP/2.0 503");
    assert!(refusal.header(HeaderName::Reason).unwrap().starts_with("Q.850;cause=34;"));
    let way = way(&mut world, 1);
    assert!(way.contains("Congestion()  -> refused with 503, cause 34\n") && way.contains("<34>"), "{way}");
}

#[test]
fn who_was_answered_is_told_the_cause_in_its_bye() {
    for (steps, expected) in [
        ("Hangup(20)", "Q.850;cause=20;text=\"Not registered\""),
        ("Hangup()", "Q.850;cause=16;text=\"Ended by the dialplan\""),
        ("Busy(2)", "Q.850;cause=17;text=\"Busy\""),
        ("Congestion(2)", "Q.850;cause=34;text=\"No way through\""),
    ] {
        let plan = format!("exten => 500,1,Answer()\n same => n,Wait(1)\n same => n,{steps}\n{H}");
        let mut world = planned(&plan);
        world.answered("500");
        world.out.clear();
        world.pass(Duration::from_secs(4));
        let over = records_ended(&world).unwrap();
        let bye = world.sent().into_iter().map(|(_, message)| message).find(|m| m.raw().starts_with(b"BYE"));
        let bye = bye.unwrap();
        assert_eq!(bye.header(HeaderName::Reason), Some(expected));
        let cause = over.cause.unwrap().q850();
        assert!(expected.contains(&format!("cause={cause};")), "{steps}: {cause}");
        let way = way(&mut world, 1);
        assert!(way.contains(&format!("NoOp(<{cause}>)")) && !way.contains("hung up"), "{way}");
    }
}

#[test]
fn who_hung_up_is_told() {
    let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20)\n{H}"));
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    let told = way(&mut world, 1);
    assert!(told.contains("Dial(PJSIP/bob,20)  -> the callee hung up, cause 16\n"), "{told}");

    let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20,S(3))\n{H}"));
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.pass(Duration::from_secs(5));
    let told = way(&mut world, 1);
    assert!(told.contains("-> the time of the talk was up, cause 16\n"), "{told}");

    let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20)\n{H}"));
    world.send(ALICE, &invite("500", "", OFFER));
    world.send(ALICE, &invite("500", "", "").replace("INVITE", "CANCEL"));
    let told = way(&mut world, 1);
    assert!(told.contains("-> the caller gave up, cause 16\n"), "{told}");

    let mut world = planned(&format!("exten => 500,1,Transfer(bob)\n{H}"));
    world.send(ALICE, &invite("500", "", OFFER));
    let told = way(&mut world, 1);
    assert!(told.contains("Transfer(bob)  -> told to call bob\n"), "{told}");
}

/// The requests that were refused since the last look, as the log has them.
fn logged(world: &mut World) -> Vec<String> {
    let told = std::mem::take(&mut world.events).into_iter().filter_map(|event| match event {
        Event::Refused { method, from, to, status, why, .. } => {
            Some(format!("{method} {from} {to} {status} {why}"))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn what_is_refused_at_the_door_is_told_to_people_but_not_without_end() {
    let mut world = World::new();
    world.send(ALICE, &invite("999", "", OFFER));
    assert_eq!(
        logged(&mut world),
        ["INVITE alice 999 404 no extension of context [internal] matches 999, explain 1"]
    );
    let again = |text: String, n: usize| {
        text.replace("bKa1", &format!("bKd{n}")).replace("Call-ID: c1", &format!("Call-ID: d{n}"))
    };
    let video = OFFER.replace("m=audio 4000 RTP/AVP 8 0 101", "m=video 4000 RTP/AVP 99");
    world.send(ALICE, &again(invite("bob", "", &video), 1));
    world.send(ALICE, &again(invite("bob", "", &OFFER.replace("m=audio 4000", "m=audio x")), 2));
    let text = again(invite("999", "", ""), 3).replace("INVITE", "MESSAGE");
    world.send(ALICE, &text);
    let watch = again(invite("999", "Event: dialog\nExpires: 600\n", ""), 4).replace("INVITE", "SUBSCRIBE");
    world.send(ALICE, &watch);
    world.send(ALICE, &again(invite("bob", "Require: telepathy\n", OFFER), 5));
    let told = logged(&mut world);
    let starts = [
        "INVITE alice bob 488 ",
        "INVITE alice bob 400 ",
        "MESSAGE alice 999 404 Not Found",
        "SUBSCRIBE alice 999 404 Not Found",
        "INVITE alice bob 420 Bad Extension",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:#?}");
    // A phone that does not stop is told of now and then.
    for n in 0..300 {
        world.send(ALICE, &again(invite("999", "", OFFER), 100 + n));
    }
    assert!(logged(&mut world).len() <= 10);
    world.pass(Duration::from_secs(1));
    world.send(ALICE, &again(invite("999", "", OFFER), 500));
    assert_eq!(logged(&mut world).len(), 1);
}

#[test]
fn a_challenge_is_nothing_to_tell() {
    let mut world = World::new();
    world.send("10.0.0.66:5060", &invite("bob", "", OFFER));
    world.only("SIP/2.0 401");
    assert_eq!(logged(&mut world), Vec::<String>::new());
}
