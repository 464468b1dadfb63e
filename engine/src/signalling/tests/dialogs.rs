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

#[test]
fn a_prack_that_the_answer_overtook_is_answered() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "Require: 100rel\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let ringing = world.only("SIP/2.0 180");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    world.only("SIP/2.0 200");
    let prack = |cseq| {
        let text = inside(&ringing, "PRACK", cseq, "");
        text.replace("Max-Forwards", "RAck: 1 1 INVITE\nMax-Forwards")
    };
    world.send(ALICE, &prack(2));
    assert_eq!(world.lines(), "alice: SIP/2.0 200 OK\n");
    world.send(ALICE, &prack(3));
    assert_eq!(world.lines(), "alice: SIP/2.0 481 Call/Transaction Does Not Exist\n");
}

const TIMER: &str = "Allow: UPDATE\nSupported: timer\nSession-Expires: 1800;refresher=uac\n";

/// Alice calls bob and both want session timers: alice's 200, and our first refresh to bob.
fn refreshing(world: &mut World) -> (Message, Message) {
    world.send(ALICE, &invite("bob", "Supported: timer\nSession-Expires: 1800;refresher=uac\n", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", TIMER, ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.sent();
    let (after, refresh) = world.next("UPDATE");
    assert_eq!(after, 900);
    (answered, refresh)
}

impl World {
    /// The next message that begins so, and after how many seconds it was sent.
    fn next(&mut self, start: &str) -> (u64, Message) {
        for second in 0..2000 {
            let found = self.sent().into_iter().find(|(_, m)| m.raw().starts_with(start.as_bytes()));
            if let Some((_, message)) = found {
                return (second, message);
            }
            self.pass(Duration::from_secs(1));
        }
        panic!("no {start}")
    }
}

#[test]
fn a_refresh_that_is_too_short_is_made_longer_once() {
    let mut world = World::new();
    let (_, refresh) = refreshing(&mut world);
    world.send(BOB, &respond(&refresh, "422 Session Interval Too Small", "Min-SE: 3600\n", ""));
    let (after, longer) = world.next("UPDATE");
    assert!(after <= 1);
    assert_eq!(longer.session_expires().unwrap().unwrap().seconds, 3600);
    assert_eq!(longer.min_se().unwrap().unwrap(), 3600);
    world.send(BOB, &respond(&longer, "422 Session Interval Too Small", "Min-SE: 3600\n", ""));
    assert_eq!(world.next("UPDATE").0, 450, "no race between the two");
}

#[test]
fn a_refused_refresh_is_tried_again_before_the_session_ends() {
    let mut world = World::new();
    let (_, refresh) = refreshing(&mut world);
    world.send(BOB, &respond(&refresh, "500 Server Internal Error", "", ""));
    assert_eq!(world.next("UPDATE").0, 225);
}

#[test]
fn a_peer_that_refreshes_while_we_wait_to_try_again_leaves_no_timer_behind() {
    let mut world = World::new();
    let (answered, refresh) = refreshing(&mut world);
    world.send(BOB, &respond(&refresh, "491 Request Pending", "", ""));
    world.send(BOB, &from_bob(&refresh, "UPDATE", 1, TIMER, ""));
    world.only("SIP/2.0 200");
    let (_, again) = world.next("UPDATE");
    world.send(BOB, &respond(&again, "200 OK", TIMER, ""));
    world.send(ALICE, &inside(&answered, "UPDATE", 2, ""));
    let (after, again) = world.next("UPDATE");
    assert_eq!(after, 900);
    world.send(BOB, &respond(&again, "200 OK", TIMER, ""));
    world.send(ALICE, &inside(&answered, "BYE", 3, ""));
    let bye = world.only("BYE");
    world.send(BOB, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
}

#[test]
fn a_2xx_to_a_refresh_that_crosses_our_bye_is_acknowledged() {
    let mut world = World::new();
    let (_, _) = talking(&mut world);
    world.pass(Duration::from_secs(900));
    let sent = world.sent();
    let refresh = &sent.iter().find(|(to, _)| to.to_string() == BOB).unwrap().1;
    assert_eq!(refresh.method().as_str(), "INVITE", "bob does not know UPDATE");
    world.input(Input::Control { id: ControlId(1), request: Control::Hangup { call: 1 } });
    world.sent();
    world.send(BOB, &respond(refresh, "200 OK", "", ANSWER));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n");
}

#[test]
fn headers_of_a_contact_do_not_get_into_a_request_uri() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let odd = "Contact: <sip:bob@10.0.0.2:5062;line=1?Route=%3Csip:10.0.0.66%3E&Subject=x>";
    let answer = respond(&asked, "200 OK", "", ANSWER).replace("Contact: <sip:bob@10.0.0.2>", odd);
    world.send(BOB, &answer);
    let ack = world.only("ACK");
    assert_eq!(ack.request_uri(), "sip:bob@10.0.0.2:5062;line=1");
}

#[test]
fn a_longer_session_interval_begins_the_invite_anew() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "Require: 100rel\nRSeq: 70\n", ""));
    world.sent();
    world.send(BOB, &respond(&asked, "422 Session Interval Too Small", "Min-SE: 3600\n", ""));
    let longer = world.only("INVITE");
    assert_eq!(longer.session_expires().unwrap().unwrap().seconds, 3600);
    assert_eq!(longer.cseq().unwrap().number, asked.cseq().unwrap().number + 1);
    // Its reliable responses are counted anew.
    world.send(BOB, &respond(&longer, "183 Session Progress", "Require: 100rel\nRSeq: 5\n", ""));
    world.only("PRACK");
}

#[test]
fn a_refresh_by_update_is_no_glare() {
    let mut world = World::new();
    let (_, refresh) = refreshing(&mut world);
    let hold = ANSWER.to_owned() + "a=sendonly\n";
    world.send(BOB, &from_bob(&refresh, "INVITE", 1, "", &hold));
    world.only("SIP/2.0 200");
}

#[test]
fn a_party_that_timed_out_on_the_way_is_told_so() {
    let mut world = World::new();
    let (_, refresh) = refreshing(&mut world);
    world.send(BOB, &respond(&refresh, "408 Request Timeout", "", ""));
    let lines = world.lines();
    assert!(lines.contains("bob: BYE") && lines.contains("alice: BYE"), "{lines}");
}

#[test]
fn a_fork_that_answers_too_late_is_ended_once() {
    let mut world = World::new();
    let (_, asked) = talking(&mut world);
    let late = |tag: u32| respond(&asked, "200 OK", "", ANSWER).replace("tag=tb", &format!("tag=late{tag}"));
    world.send(BOB, &late(0));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\nbob: BYE sip:bob@10.0.0.2 SIP/2.0\n");
    world.send(BOB, &late(0));
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n");
    for tag in 1..1000 {
        world.send(BOB, &late(tag));
    }
    assert_eq!(world.lines().matches("BYE").count(), 15, "nobody makes us keep more of them than we want");
}

/// A fork that was sent a PRACK while it rang: the BYE that ends it had the PRACK's CSeq, was refused for it, and the phone
/// stayed in the call.
#[test]
fn the_bye_to_a_late_fork_counts_on_from_its_prack() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "Require: 100rel\nRSeq: 7\n", ""));
    let prack = world.only("PRACK").cseq().unwrap().number;
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER).replace("tag=tb", "tag=tc"));
    world.sent();
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let sent = world.sent();
    let bye = sent.iter().find(|(_, message)| message.method() == crate::sip::Method::Bye).expect("a BYE");
    assert_eq!(bye.1.cseq().unwrap().number, prack + 1);
}
