//! Clauses of RFC 3515, RFC 4488, RFC 3420 and RFC 3891, message by message.

use super::clauses::head;
use super::pickup::{carols, ends, replaces, ringing};
use super::transfer::{CAROL, TO_CAROL, Talk, fragment, pair, talk};
use super::*;
use crate::event::EndCause;
use crate::sip::HeaderName;

/// What is sent to `who` and begins so.
fn to(sent: &[(SocketAddr, Message)], who: &str, start: &str) -> Message {
    let found: Vec<_> = sent
        .iter()
        .filter(|(at, m)| at.to_string() == who && m.raw().starts_with(start.as_bytes()))
        .collect();
    assert_eq!(found.len(), 1, "one {start} to {who} of {sent:?}");
    found[0].1.clone()
}

/// State and body of a NOTIFY, as they stand there.
fn exact(notify: &Message) -> (String, String) {
    let state = notify.header(HeaderName::SubscriptionState).unwrap().to_owned();
    (state, String::from_utf8(notify.body().to_vec()).unwrap())
}

/// Bob sends alice to carol: our INVITE to her, and the first NOTIFY, not answered yet.
fn referred(extra: &str) -> (Talk, Message, Message) {
    let mut talk = talk("");
    talk.by_bob("REFER", 7, &format!("{extra}{TO_CAROL}"));
    let sent = talk.world.sent();
    to(&sent, BOB, "SIP/2.0 202");
    (talk, to(&sent, CAROL, "INVITE"), to(&sent, BOB, "NOTIFY"))
}

#[test]
fn a_transfer_is_told_in_the_dialog_of_its_refer_and_by_its_number() {
    let (mut talk, asked, notify) = referred("");
    let (from, id) =
        (talk.asked.header(HeaderName::From).unwrap().to_owned(), talk.asked.call_id().unwrap().to_owned());
    let names = ["From", "To", "Call-ID", "Contact", "Event", "Subscription-State", "Content-Type"];
    assert_eq!(
        head(&notify, &names),
        format!(
            "NOTIFY sip:bob@10.0.0.2 SIP/2.0\nFrom: {from}\nTo: <sip:bob@telex>;tag=tb\nCall-ID: {id}\n\
Contact: <sip:alice@10.0.0.9:5060>\nEvent: refer;id=7\nSubscription-State: active;expires=3660\n\
Content-Type: message/sipfrag;version=2.0"
        )
    );
    assert_eq!(notify.body(), b"SIP/2.0 100 Trying\r\n");
    talk.ok(BOB, &notify);
    talk.world.pass(Duration::from_secs(10));
    talk.world.send(CAROL, &respond(&asked, "180 Ringing", "", ""));
    let notify = talk.world.only("NOTIFY");
    assert_eq!(exact(&notify), pair("active;expires=3650", "SIP/2.0 180 Ringing\r\n"));
    talk.ok(BOB, &notify);
    talk.world.send(CAROL, &respond(&asked, "486 Busy Here", "", ""));
    let notify = talk.world.only("NOTIFY");
    assert_eq!(exact(&notify), pair("terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n"));
    talk.ok(BOB, &notify);
    talk.by_bob("REFER", 9, TO_CAROL);
    let sent = talk.world.sent();
    assert_eq!(to(&sent, BOB, "NOTIFY").header(HeaderName::Event), Some("refer;id=9"));
}

#[test]
fn who_wants_to_hear_no_more_of_a_transfer_does_not_end_it() {
    for how in ["refuses", "unsubscribes"] {
        let (mut talk, asked, notify) = referred("");
        match how {
            "refuses" => talk.world.send(BOB, &respond(&notify, "481 Gone", "", "")),
            _ => {
                talk.ok(BOB, &notify);
                talk.by_bob("SUBSCRIBE", 8, "Event: refer;id=7\nExpires: 0\n");
                let sent = talk.world.sent();
                assert_eq!(to(&sent, BOB, "SIP/2.0 200").header(HeaderName::Expires), Some("0"));
                let last = to(&sent, BOB, "NOTIFY");
                assert_eq!(exact(&last), pair("terminated;reason=timeout", "SIP/2.0 100 Trying\r\n"));
                talk.ok(BOB, &last);
            }
        }
        let cancels = talk.world.sent().iter().any(|(_, m)| m.raw().starts_with(b"CANCEL"));
        assert!(!cancels, "{how}: carol rings on");
        talk.world.send(CAROL, &respond(&asked, "180 Ringing", "", ""));
        assert_eq!(talk.world.lines(), "", "{how}");
        talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
        assert_eq!(talk.leg(1).room, talk.leg(3).room, "{how}: alice and carol are together");
        let sent = talk.world.sent();
        assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"NOTIFY")), "{how}");
        talk.ok(BOB, &to(&sent, BOB, "BYE"));
        talk.by_alice("BYE", 2, "");
        let bye = talk.world.only("BYE sip:");
        talk.ok(CAROL, &bye);
        talk.quiet();
    }
}

#[test]
fn a_subscribe_makes_a_transfer_be_told_longer_and_begins_none() {
    let (mut talk, asked, notify) = referred("");
    // The first NOTIFY is under way yet: what the SUBSCRIBE wants to be told waits for its answer.
    talk.by_bob("SUBSCRIBE", 8, "Event: refer;id=7\nExpires: 100\n");
    let granted = talk.world.only("SIP/2.0 200");
    assert_eq!(granted.header(HeaderName::Expires), Some("100"));
    talk.ok(BOB, &notify);
    let notify = talk.world.only("NOTIFY");
    assert_eq!(exact(&notify), pair("active;expires=100", "SIP/2.0 100 Trying\r\n"));
    talk.ok(BOB, &notify);
    let refused = |talk: &mut Talk, cseq, event: &str| {
        talk.by_bob("SUBSCRIBE", cseq, &format!("Event: {event}\nExpires: 60\n"));
        talk.world.lines()
    };
    assert_eq!(refused(&mut talk, 9, "refer;id=8"), "bob: SIP/2.0 403 Only REFER begins this\n");
    assert_eq!(refused(&mut talk, 10, "presence"), "bob: SIP/2.0 403 Dialog sharing is not supported\n");
    talk.world.send(CAROL, &respond(&asked, "486 Busy Here", "", ""));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 486 Busy Here"));
    assert_eq!(refused(&mut talk, 11, "refer;id=7"), "bob: SIP/2.0 403 Only REFER begins this\n");
}

#[test]
fn a_refer_names_one_resource_inside_a_dialog() {
    let mut talk = talk("");
    let refused = |talk: &mut Talk, cseq, extra: &str| {
        talk.by_bob("REFER", cseq, extra);
        talk.world.lines()
    };
    for (cseq, extra) in [
        (1, String::new()),
        (2, format!("{TO_CAROL}{TO_CAROL}")),
        (3, "Refer-To: <sip:carol@telex>, <sip:alice@telex>\n".to_owned()),
    ] {
        let answer = refused(&mut talk, cseq, &extra);
        assert!(answer.starts_with("bob: SIP/2.0 400 "), "{extra}{answer}");
    }
    let outside = invite("bob", TO_CAROL, "").replace("INVITE", "REFER").replace("bKa1", "bKr");
    talk.world.send(ALICE, &outside);
    let answer = talk.world.only("SIP/2.0 405");
    assert!(answer.has_token(HeaderName::Allow, "REFER"));
    assert_eq!(talk.listed(), [("alice".into(), "bob".into())], "nothing has changed");
}

#[test]
fn that_nobody_is_told_may_be_required() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, &format!("Require: norefersub\nRefer-Sub: false\n{TO_CAROL}"));
    let sent = talk.world.sent();
    assert_eq!(to(&sent, BOB, "SIP/2.0 200").header(HeaderName::ReferSub), Some("false"));
    assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"NOTIFY")));
    // Who leaves it to us is told as ever.
    let (_, _, notify) = referred("Require: norefersub\nRefer-Sub: true\n");
    assert_eq!(fragment(&notify), pair("active", "SIP/2.0 100 Trying"));
}

#[test]
fn replaces_stands_in_an_invite_and_alone() {
    let mut world = pickup::world();
    let asked = ringing(&mut world);
    let named = replaces(&asked, "");
    let mut calls = 0;
    let mut answer = |world: &mut World, method: &str, extra: &str| {
        calls += 1;
        let text =
            carols(&invite("bob", extra, "")).replace("INVITE", method).replace("c3", &format!("c3{calls}"));
        world.send(CAROL, &text.replace("bKa1", &format!("bKa1{calls}")));
        head(&world.sent()[0].1, &[])
    };
    for method in ["OPTIONS", "SUBSCRIBE", "MESSAGE", "REGISTER", "REFER"] {
        assert_eq!(
            answer(&mut world, method, &named),
            "SIP/2.0 400 Replaces stands in INVITE only",
            "{method}"
        );
    }
    let both = named.replace("Require", "Join: x;to-tag=a;from-tag=b\nRequire");
    assert_eq!(answer(&mut world, "INVITE", &both), "SIP/2.0 400 Replaces and Join exclude each other");
    world.send(BOB, &from_bob(&asked, "BYE", 1, "Replaces: x;to-tag=a;from-tag=b\n", ""));
    assert!(world.lines().starts_with("bob: SIP/2.0 400 "));
    world.send("10.0.0.77:5060", &carols(&invite("bob", &named, OFFER)).replace("10.0.0.3", "10.0.0.77"));
    assert_eq!(head(&world.sent()[0].1, &[]), "SIP/2.0 401 Unauthorized");
    assert_eq!(ends(&world), [], "bob's phone rings on");
}

#[test]
fn what_replaces_names_must_be_a_call_that_can_be_taken() {
    let mut world = pickup::world();
    let mut calls = 0;
    let mut taken = |world: &mut World, named: &str| {
        calls += 1;
        let text = carols(&invite("bob", &format!("Replaces: {named}\n"), OFFER))
            .replace("c3", &format!("c3{calls}"));
        world.send(CAROL, &text.replace("bKa1", &format!("bKa1{calls}")));
        let sent = world.sent();
        sent.iter()
            .find_map(|(at, m)| (at.to_string() == CAROL).then(|| m.status()).flatten())
            .unwrap()
            .code()
    };
    // A dialog that no INVITE has made.
    let watch = watching::subscribe("bob", "dialog", 1, 300, "");
    world.send(ALICE, &watch);
    let granted = world.sent()[0].1.clone();
    let ours = granted.to().unwrap().tag().unwrap();
    assert_eq!(taken(&mut world, &format!("s-bob;to-tag={ours};from-tag=fs")), 481);
    // One that is early, and not begun by us.
    world.send(ALICE, &invite("bob", "", OFFER));
    let sent = world.sent();
    let asked = to(&sent, BOB, "INVITE");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    let sent = world.sent();
    let alices = to(&sent, ALICE, "SIP/2.0 180").to().unwrap().tag().unwrap().to_owned();
    assert_eq!(taken(&mut world, &format!("c1;to-tag={alices};from-tag=fa")), 481);
    assert_eq!(world.telex.stats().calls, 1, "it rings on");
    // One that is being ended, and then over.
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let sent = world.sent();
    let answered = to(&sent, ALICE, "SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    let sent = world.sent();
    let bye = to(&sent, BOB, "BYE");
    let ours = asked.from().unwrap().tag().unwrap().to_owned();
    let bobs = format!("{};to-tag={ours};from-tag=tb", asked.call_id().unwrap());
    assert_eq!(taken(&mut world, &bobs), 603);
    world.send(BOB, &respond(&bye, "200 OK", "", ""));
    assert_eq!(taken(&mut world, &bobs), 481);
}

#[test]
fn a_tag_of_zero_stands_for_none() {
    let mut world = pickup::where_groups_take_over();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let untagged = |text: String| text.replace(";tag=tb", "");
    world.send(BOB, &untagged(respond(&asked, "200 OK", "", ANSWER)));
    let sent = world.sent();
    world.send(ALICE, &inside(&to(&sent, ALICE, "SIP/2.0 200"), "ACK", 1, ""));
    let ours = asked.from().unwrap().tag().unwrap().to_owned();
    let named = format!("Replaces: {};to-tag={ours};from-tag=0\n", asked.call_id().unwrap());
    world.send(CAROL, &carols(&invite("bob", &named, OFFER)));
    let sent = world.sent();
    to(&sent, CAROL, "SIP/2.0 200");
    to(&sent, BOB, "BYE");
    assert_eq!(ends(&world), [(2, EndCause::Joined { call: 1 })]);
}
