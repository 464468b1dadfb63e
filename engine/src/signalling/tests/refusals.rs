//! What comes of refusals: who rings on, and which cause everybody is told.

use super::scripts::planned_with;
use super::*;

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
    for refusal in ["600 Busy Everywhere", "603 Decline", "604 Does Not Exist Anywhere", "606 Not Acceptable"] {
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
    let of = |uri: &str| rung.iter().find(|message| message.is_request() && message.request_uri() == uri).unwrap();
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
