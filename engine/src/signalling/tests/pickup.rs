//! Calls that are picked up and taken over: by a code, and by an INVITE with Replaces (RFC 3891).

use super::*;
use crate::config::Phone;
use crate::event::EndCause;
use crate::sip::HeaderName;
use telex_dialplan::Dialplan;

const CAROL: &str = "10.0.0.3:5060";

/// Alice, bob and carol; bob and carol are of one group. `*8` and `**` with a number pick up.
pub(super) fn world() -> World {
    let mut config = Config::default();
    for (name, address, group) in [("alice", ALICE, ""), ("bob", BOB, "sales"), ("carol", CAROL, "sales")] {
        let (ip, _) = address.split_once(':').unwrap();
        let phone = device(&format!("sip:{name}@{ip}"), address);
        config.phones.insert(name.into(), Phone { pickup_group: group.into(), ..phone });
    }
    let own = config.own_dialplan().replace("[internal]", "[internal](+)");
    let text = format!(
        "[internal]\nexten => *8,1,Pickup()\nexten => _**!,1,Pickup(${{EXTEN:2}}&dora)\n\
exten => *7,1,Answer()\n same => n,Pickup(bob)\n same => n,Busy()\n{own}"
    );
    config.dialplan = Some(Dialplan::parse("extensions.conf", &text).unwrap());
    World::on_shards(config, 2).with_real_media()
}

/// The same where phones of a group may take talks of each other over.
pub(super) fn where_groups_take_over() -> World {
    let mut world = world();
    let mut config = (**world.telex.config_in_force()).clone();
    config.take_over = true;
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    world.out.clear();
    world
}

/// What alice writes, as carol.
pub(super) fn carols(text: &str) -> String {
    text.replace("10.0.0.1", "10.0.0.3")
        .replace("Alice", "Carol")
        .replace("alice@", "carol@")
        .replace("tag=fa", "tag=fc")
        .replace("Call-ID: c1", "Call-ID: c3")
}

fn find(sent: &[(SocketAddr, Message)], to: &str, start: &str) -> Message {
    let found = sent.iter().filter(|(at, m)| at.to_string() == to && m.raw().starts_with(start.as_bytes()));
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 1, "one {start} to {to}");
    found[0].1.clone()
}

/// Alice calls bob, whose phone rings: our INVITE to it.
pub(super) fn ringing(world: &mut World) -> Message {
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE sip:bob");
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.only("SIP/2.0 180");
    asked
}

/// Bob's dialog, as a phone that watches him knows it.
pub(super) fn replaces(asked: &Message, more: &str) -> String {
    let ours = asked.from().unwrap().tag().unwrap().to_owned();
    format!("Require: replaces\nReplaces: {};to-tag=tb;from-tag={ours}{more}\n", asked.call_id().unwrap())
}

pub(super) fn ends(world: &World) -> Vec<(u64, EndCause)> {
    let ends = world.events.iter().filter_map(|event| match event {
        Event::CallEnded { call, cause, .. } => Some((*call, cause.clone())),
        _ => None,
    });
    ends.collect()
}

fn to(port: u16, whom: &str) -> Vec<(u16, String)> {
    vec![(port, whom.to_owned())]
}

/// Carol has alice's call, in place of bob, whose phone rang; both hear each other, and alice hangs up.
fn carol_has_it(mut world: World, asked: &Message) {
    let sent = world.sent();
    let cancel = find(&sent, BOB, "CANCEL");
    let reason = cancel.header(HeaderName::Reason);
    assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    world.send(BOB, &respond(&cancel, "200 OK", "", ""));
    world.send(BOB, &respond(asked, "487 Request Terminated", "", ""));
    let (alice, carol) = (find(&sent, ALICE, "SIP/2.0 200"), find(&sent, CAROL, "SIP/2.0 200"));
    world.send(ALICE, &inside(&alice, "ACK", 1, ""));
    world.send(CAROL, &carols(&inside(&carol, "ACK", 1, "")));
    let port = String::from_utf8_lossy(carol.body()).into_owned();
    let port: u16 = port.split("m=audio ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(world.rtp("10.0.0.1:4000", 10_000, 1), to(port, "10.0.0.3:4000"));
    assert_eq!(world.rtp("10.0.0.3:4000", port, 1), to(10_000, "10.0.0.1:4000"));
    assert_eq!(ends(&world), [(2, EndCause::Joined { call: 1 })]);
    world.sent();
    world.out.clear();
    world.send(ALICE, &inside(&alice, "BYE", 2, ""));
    let record = world.out.iter().find_map(|action| match action {
        Action::Store { record: crate::border::Record::Call(call), .. } if call.id == 1 => Some(call.clone()),
        _ => None,
    });
    let bye = find(&world.sent(), CAROL, "BYE sip:carol");
    world.send(CAROL, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(100));
    all_quiet(&world);
    for shard in &world.shards {
        assert_eq!((shard.stats().legs, shard.stats().rooms), (0, 0));
    }
    // The record is kept once media has confirmed the end.
    let legs = record.or_else(|| last_record(&world)).expect("a record").legs;
    let answered: Vec<_> =
        legs.iter().filter(|leg| leg.answered.is_some()).map(|leg| &*leg.contact).collect();
    assert_eq!(answered, ["10.0.0.1:5060", "sip:carol@10.0.0.3:5060"], "who picked up is told");
}

fn last_record(world: &World) -> Option<Box<crate::cdr::CallRecord>> {
    world.out.iter().rev().find_map(|action| match action {
        Action::Store { record: crate::border::Record::Call(call), .. } if call.id == 1 => Some(call.clone()),
        _ => None,
    })
}

#[test]
fn a_call_that_rings_is_picked_up_by_number_and_by_group() {
    for number in ["**bob", "*8", "*7"] {
        let mut world = world();
        let asked = ringing(&mut world);
        world.send(CAROL, &carols(&invite(number, "", OFFER)));
        carol_has_it(world, &asked);
    }
}

#[test]
fn who_picks_up_without_an_offer_is_heard_from_its_ack_on() {
    let mut world = world();
    let asked = ringing(&mut world);
    world.send(CAROL, &carols(&invite("*8", "", "")));
    let carol = world.only("SIP/2.0 200");
    assert!(world.telex.stats().calls == 2);
    world.send(CAROL, &carols(&inside(&carol, "ACK", 1, &ANSWER.replace("10.0.0.2", "10.0.0.3"))));
    let sent = world.sent();
    find(&sent, BOB, "CANCEL");
    let alice = find(&sent, ALICE, "SIP/2.0 200");
    world.send(ALICE, &inside(&alice, "ACK", 1, ""));
    assert_eq!(world.rtp("10.0.0.3:6000", 20_000, 1), to(10_000, "10.0.0.1:4000"));
    let _ = asked;
}

#[test]
fn where_nothing_rings_the_dialplan_goes_on_and_says_why() {
    let why = |number: &str, who: &str| {
        let mut world = world();
        let text = invite(number, "", OFFER);
        match who {
            ALICE => world.send(ALICE, &text),
            _ => world.send(CAROL, &carols(&text)),
        }
        let code = world.sent().pop().unwrap().1.status().unwrap().code();
        world.input(Input::Control { id: ControlId(3), request: Control::Explain { call: 1 } });
        match world.out.pop() {
            Some(Action::Reply { reply: ControlReply::Explained(why), .. }) => (code, why.text),
            other => panic!("{other:?}"),
        }
    };
    let (code, text) = why("**bob", CAROL);
    assert!(code == 480 && text.contains("nothing rings at bob or dora"), "{text}");
    let (_, text) = why("*8", CAROL);
    assert!(text.contains("nothing rings in the pick-up group sales"), "{text}");
    let (_, text) = why("*8", ALICE);
    assert!(text.contains("alice is in no pick-up group"), "{text}");
}

#[test]
fn a_phone_that_watches_another_takes_its_call_by_replaces() {
    for more in ["", ";early-only"] {
        let mut world = world();
        let asked = ringing(&mut world);
        world.send(CAROL, &carols(&invite("bob", &replaces(&asked, more), OFFER)));
        carol_has_it(world, &asked);
    }
}

#[test]
fn what_may_not_be_replaced_is_refused_and_goes_on() {
    let mut world = world();
    let asked = ringing(&mut world);
    let mut calls = 0;
    let mut refused = |world: &mut World, extra: &str, offer: &str| {
        calls += 1;
        let text = carols(&invite("bob", extra, offer)).replace("c3", &format!("c3{calls}"));
        world.send(CAROL, &text.replace("bKa1", &format!("bKa1{calls}")).replace("tag=fz", "tag=fa"));
        let refusal = world.sent().pop().unwrap().1;
        let code = refusal.status().unwrap().code();
        (code, refusal.header(HeaderName::Warning).unwrap_or_default().to_owned())
    };
    let named = replaces(&asked, "");
    assert_eq!(refused(&mut world, &named.replace("to-tag=tb", "to-tag=tx"), OFFER).0, 481);
    assert_eq!(refused(&mut world, "Replaces: c1\n", OFFER).0, 400);
    assert_eq!(refused(&mut world, &format!("{named}{named}"), OFFER).0, 400);
    assert_eq!(refused(&mut world, &named, "").0, 488);
    // The caller's own dialog is early, and not of our making.
    let amr = OFFER.replace("8 0 101", "97").replace("101 telephone-event", "97 AMR");
    assert_eq!(refused(&mut world, &named, &amr).0, 488);
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let alice = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&alice, "ACK", 1, ""));
    let (code, why) = refused(&mut world, &replaces(&asked, ";early-only"), OFFER);
    assert_eq!((code, why.as_str()), (486, "399 telex \"the call was answered already\""));
    assert_eq!(world.rtp("10.0.0.1:4000", 10_000, 1), to(10_002, "10.0.0.2:6000"), "bob has it");
    // Alice's end is no business of carol's: alice is in no group.
    let ours = alice.to().unwrap().tag().unwrap().to_owned();
    let hers = format!("Replaces: c1;to-tag={ours};from-tag=fz\n");
    assert_eq!(refused(&mut world, &hers, OFFER).0, 403);
}

#[test]
fn a_talk_is_taken_by_its_own_extension_only_unless_the_site_says_so() {
    let mut world = world();
    let asked = ringing(&mut world);
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let alice = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&alice, "ACK", 1, ""));
    world.send(CAROL, &carols(&invite("bob", &replaces(&asked, ""), OFFER)));
    let late = world.only("SIP/2.0 486");
    assert_eq!(late.header(HeaderName::Warning), Some("399 telex \"the call was answered already\""));
    assert_eq!(world.rtp("10.0.0.1:4000", 10_000, 1), to(10_002, "10.0.0.2:6000"), "bob has it");
}

#[test]
fn a_phone_takes_the_place_of_one_that_talks() {
    let mut world = where_groups_take_over();
    let asked = ringing(&mut world);
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let alice = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&alice, "ACK", 1, ""));
    world.out.clear();
    world.send(CAROL, &carols(&invite("bob", &replaces(&asked, ""), OFFER)));
    let sent = world.sent();
    let bye = find(&sent, BOB, "BYE sip:bob");
    assert_eq!(bye.header(HeaderName::Reason), Some("SIP;cause=200;text=\"Taken over by another phone\""));
    world.send(BOB, &respond(&bye, "200 OK", "", ""));
    let carol = find(&sent, CAROL, "SIP/2.0 200");
    world.send(CAROL, &carols(&inside(&carol, "ACK", 1, "")));
    assert!(String::from_utf8_lossy(carol.body()).contains("m=audio 10004 RTP/AVP 0"), "what alice speaks");
    assert_eq!(world.rtp("10.0.0.1:4000", 10_000, 1), to(10_004, "10.0.0.3:4000"));
    assert_eq!(world.rtp("10.0.0.3:4000", 10_004, 1), to(10_000, "10.0.0.1:4000"));
    assert_eq!(ends(&world), [(2, EndCause::Joined { call: 1 })]);
    world.send(CAROL, &carols(&inside(&carol, "BYE", 2, "")));
    let bye = find(&world.sent(), ALICE, "BYE sip:alice");
    world.send(ALICE, &respond(&bye, "200 OK", "", ""));
    world.pass(Duration::from_secs(100));
    all_quiet(&world);
    assert_eq!(ends(&world)[1], (1, EndCause::HungUp(crate::event::Side::Callee)));
}

#[test]
fn the_callers_place_is_taken_by_another_of_its_phones() {
    let mut world = world();
    world.send(CAROL, &carols(&invite("bob", "", OFFER)));
    let asked = world.only("INVITE sip:bob");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let carol = world.only("SIP/2.0 200");
    world.send(CAROL, &carols(&inside(&carol, "ACK", 1, "")));
    world.out.clear();
    let ours = carol.to().unwrap().tag().unwrap().to_owned();
    let text = carols(&invite("bob", &format!("Replaces: c3;to-tag={ours};from-tag=XX\n"), OFFER));
    let text = text.replace("tag=fc", "tag=fd").replace("ID: c3", "ID: c5").replace("XX", "fc");
    world.send(CAROL, &text.replace("bKa1", "bKa5").replace("audio 4000", "audio 4400"));
    let sent = world.sent();
    let bye = find(&sent, CAROL, "BYE sip:carol");
    world.send(CAROL, &respond(&bye, "200 OK", "", ""));
    find(&sent, CAROL, "SIP/2.0 200");
    assert_eq!(world.rtp("10.0.0.2:6000", 10_002, 1), to(10_004, "10.0.0.3:4400"));
    assert_eq!(world.rtp("10.0.0.3:4400", 10_004, 1), to(10_002, "10.0.0.2:6000"));
    assert_eq!(ends(&world), [(2, EndCause::Joined { call: 1 })]);
}

/// What `who` is told, who watches bob whose phone rings.
fn watched(who: &str) -> (World, Message, String) {
    let mut world = world();
    let text = "SUBSCRIBE sip:bob@telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKs\nMax-Forwards: 70\n\
From: <sip:alice@telex>;tag=fa\nTo: <sip:bob@telex>\nCall-ID: c1\nCSeq: 1 SUBSCRIBE\n\
Contact: <sip:alice@10.0.0.1>\nEvent: dialog\nExpires: 300\n\n";
    let text =
        if who == CAROL { carols(text) } else { text.replace("ID: c1", "ID: c9").replace("=fa", "=fs") };
    world.send(who, &text);
    let answer = |world: &mut World| {
        let notify = world.only("NOTIFY");
        world.send(who, &respond(&notify, "200 OK", "", ""));
        String::from_utf8_lossy(notify.body()).into_owned()
    };
    answer(&mut world);
    world.pass(Duration::from_secs(2));
    world.send(ALICE, &invite("bob", "", OFFER));
    let sent = world.sent();
    let asked = find(&sent, BOB, "INVITE sip:bob");
    let mut told = find(&sent, who, "NOTIFY");
    world.send(who, &respond(&told, "200 OK", "", ""));
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    world.pass(Duration::from_secs(2));
    if let Some((_, again)) = world.sent().into_iter().find(|(_, m)| m.raw().starts_with(b"NOTIFY")) {
        world.send(who, &respond(&again, "200 OK", "", ""));
        told = again;
    }
    (world, asked, String::from_utf8_lossy(told.body()).into_owned())
}

#[test]
fn who_may_pick_a_call_up_is_told_its_dialog_and_who_calls() {
    let (mut world, asked, told) = watched(CAROL);
    let within = |name: &str| told.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let [id, bobs, ours] = ["call-id", "local-tag", "remote-tag"].map(within);
    let shown = told.replace(id, "ID").replace(ours, "OURS");
    insta::assert_snapshot!(shown, @r#"
    <?xml version="1.0"?>
    <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="2" state="full" entity="sip:bob@telex">
    <dialog id="b1" call-id="ID" local-tag="tb" remote-tag="OURS" direction="recipient"><state>early</state>
    <local><identity>sip:bob@telex</identity></local>
    <remote><identity display="Alice">sip:alice@telex</identity></remote>
    </dialog>
    </dialog-info>
    "#);
    // As phones write it that know it from there: the tags as bob's phone has them.
    let replaces = format!("Replaces: {id};to-tag={bobs};from-tag={ours};early-only\n");
    world.out.clear();
    world.send(CAROL, &carols(&invite("bob", &replaces, OFFER)).replace("c3", "c7"));
    find(&world.sent(), CAROL, "SIP/2.0 200");
    assert_eq!(ends(&world), [(2, EndCause::Joined { call: 1 })]);
    let _ = asked;
}

#[test]
fn others_are_not() {
    let (_, _, told) = watched(ALICE);
    assert!(told.contains("<state>early</state>"), "{told}");
    assert!(!told.contains("call-id") && !told.contains("Alice") && !told.contains("sip:alice"), "{told}");
}
