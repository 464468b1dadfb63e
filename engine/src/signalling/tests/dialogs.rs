//! Sessions and dialogs against peers that are slow, odd or wrong.

use super::*;

#[test]
fn a_callee_cannot_say_bye_before_it_has_answered() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.sent();
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    assert_eq!(world.lines(), "bob: SIP/2.0 481 Call/Transaction Does Not Exist\n");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let lines = world.lines();
    assert!(lines.contains("bob: ACK") && lines.contains("alice: SIP/2.0 200"), "the call goes on: {lines}");
}

#[test]
fn a_prack_without_an_answer_does_not_end_the_call() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "Require: 100rel\nRSeq: 7\n", ANSWER));
    // Another fork of the same INVITE answers.
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER).replace("tag=tb", "tag=tc"));
    let answered =
        world.sent().into_iter().find(|(_, m)| m.status().is_some_and(|s| s.code() == 200)).unwrap();
    world.send(ALICE, &inside(&answered.1, "ACK", 1, ""));
    world.pass(Duration::from_secs(40));
    assert!(!world.lines().contains("BYE"));
    assert_eq!(world.telex.stats().calls, 1);
}

#[test]
fn a_prack_without_an_answer_leaves_the_wait_for_a_cancelled_invite() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "Require: 100rel\nRSeq: 7\n", ANSWER));
    world.pass(Duration::from_secs(10));
    world.send(ALICE, &invite("bob", "", "").replace("INVITE", "CANCEL"));
    world.pass(Duration::from_secs(25));
    world.sent();
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nbob: BYE sip:bob@10.0.0.2 SIP/2.0\n");
}
