//! Lamps, presence and message waiting (RFC 6665, RFC 4235, RFC 3856, RFC 3842).

use super::*;
use crate::limits;
use crate::sip::HeaderName;

/// Alice's SUBSCRIBE; `to` is all of To, `cseq` tells it from others.
pub(super) fn subscribe(whom: &str, package: &str, cseq: u32, expires: u64, to_tag: &str) -> String {
    format!(
        "SUBSCRIBE sip:{whom}@telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKs{whom}{cseq}\n\
Max-Forwards: 70\nFrom: <sip:alice@telex>;tag=fs\nTo: <sip:{whom}@telex>{to_tag}\nCall-ID: s-{whom}\n\
CSeq: {cseq} SUBSCRIBE\nContact: <sip:alice@10.0.0.1>\nEvent: {package}\nExpires: {expires}\n\n"
    )
}

pub(super) fn ok(notify: &Message) -> String {
    respond(notify, "200 OK", "", "").replace("sip:bob@10.0.0.2", "sip:alice@10.0.0.1")
}

/// All NOTIFY since the last look, answered 200: Subscription-State and body.
pub(super) fn notified(world: &mut World) -> Vec<(String, String)> {
    let sent = world.sent();
    let notifies =
        sent.iter().map(|(_, m)| m).filter(|m| m.method() == crate::sip::Method::Notify && m.is_request());
    let mut told = Vec::new();
    for notify in notifies {
        let state = notify.header(HeaderName::SubscriptionState).unwrap().to_owned();
        told.push((state, String::from_utf8_lossy(notify.body()).into_owned()));
        world.send(ALICE, &ok(notify));
    }
    told
}

/// What a lamp shows: the states of all dialogs, or the note.
pub(super) fn lamp(body: &str) -> String {
    let states = body.split("<state>").skip(1).filter_map(|rest| rest.split("</state>").next());
    let states = states.collect::<Vec<_>>().join("+");
    let held = if body.contains("pval=\"no\"") { " held" } else { "" };
    let note = if body.contains(">Unavailable</note>") { " unavailable" } else { "" };
    format!("{states}{held}{note}")
}

/// The same of lamps, until nothing more waits.
pub(super) fn lamps(world: &mut World) -> Vec<String> {
    let mut told = notified(world);
    world.pass(limits::NOTIFY_GAP);
    told.extend(notified(world));
    told.iter().map(|(_, body)| lamp(body)).collect()
}

/// Alice watches; gives our tag.
pub(super) fn watch(world: &mut World, whom: &str, package: &str) -> String {
    world.send(ALICE, &subscribe(whom, package, 1, 300, ""));
    let sent = world.out.iter().find_map(|action| match action {
        Action::Transmit { bytes, .. } => Message::parse(bytes.clone()).ok().filter(|m| !m.is_request()),
        _ => None,
    });
    let answer = sent.unwrap();
    assert_eq!(answer.status().unwrap().code(), 200);
    assert_eq!(answer.header(HeaderName::Expires), Some("300"));
    format!(";tag={}", answer.to().unwrap().tag().unwrap())
}

/// A site of alice, bob, and carol who has to register.
fn site() -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    config.phones.insert("carol".into(), Phone::default());
    World::with(config)
}

/// The answer to a SUBSCRIBE; a NOTIFY is answered.
fn status(world: &mut World, text: &str) -> u16 {
    world.send(ALICE, text);
    let sent = world.sent();
    for (_, notify) in sent.iter().filter(|(_, m)| m.is_request()) {
        world.send(ALICE, &ok(notify));
    }
    sent.iter().find_map(|(_, m)| m.status()).unwrap().code()
}

#[test]
fn a_lamp_follows_a_call() {
    let mut world = World::new();
    watch(&mut world, "bob", "dialog");
    let first = notified(&mut world);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, "active;expires=300");
    insta::assert_snapshot!(first[0].1, @r#"
    <?xml version="1.0"?>
    <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:bob@telex">
    </dialog-info>
    "#);
    world.pass(limits::NOTIFY_GAP);
    world.send(ALICE, &invite("bob", "", OFFER));
    let sent = world.sent();
    let first = |start: &[u8]| sent.iter().find(|(_, m)| m.raw().starts_with(start)).unwrap().1.clone();
    let (asked, ringing) = (first(b"INVITE"), first(b"NOTIFY"));
    assert_eq!(lamp(&String::from_utf8_lossy(ringing.body())), "early");
    world.send(ALICE, &ok(&ringing));
    world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
    assert_eq!(lamps(&mut world), [""; 0], "it is known already");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let sent = world.sent();
    let answered = &sent.iter().find(|(_, m)| m.status().is_some_and(|s| s.code() == 200)).unwrap().1;
    let notify = &sent.iter().find(|(_, m)| m.raw().starts_with(b"NOTIFY")).unwrap().1;
    insta::assert_snapshot!(String::from_utf8_lossy(notify.body()), @r#"
    <?xml version="1.0"?>
    <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="2" state="full" entity="sip:bob@telex">
    <dialog id="b1" direction="recipient"><state>confirmed</state>
    <local><target uri="sip:bob@telex"><param pname="+sip.rendering" pval="yes"/></target></local>
    </dialog>
    </dialog-info>
    "#);
    world.send(ALICE, &ok(notify));
    world.send(ALICE, &inside(answered, "ACK", 1, ""));
    world.pass(limits::NOTIFY_GAP);
    world.send(
        BOB,
        &from_bob(&asked, "INVITE", 1, "", &format!("{ANSWER}a=sendonly\n").replace(" 2 2 ", " 2 3 ")),
    );
    let sent = world.sent();
    let held = sent.iter().find(|(_, m)| m.raw().starts_with(b"NOTIFY")).map(|(_, m)| m.clone());
    if let Some(held) = &held {
        world.send(ALICE, &ok(held));
        assert_eq!(lamp(&String::from_utf8_lossy(held.body())), "confirmed held");
    }
    assert!(held.is_some(), "{sent:?}");
    world.pass(limits::NOTIFY_GAP);
    world.send(ALICE, &inside(answered, "BYE", 3, ""));
    let sent = world.sent();
    let ended = sent.iter().find(|(_, m)| m.raw().starts_with(b"NOTIFY")).unwrap();
    assert_eq!(lamp(&String::from_utf8_lossy(ended.1.body())), "terminated");
}

#[test]
fn who_calls_is_busy_too() {
    let mut world = World::new();
    watch(&mut world, "alice", "dialog");
    assert_eq!(lamps(&mut world), [""]);
    world.send(ALICE, &invite("bob", "", OFFER));
    let notify = world.only("NOTIFY");
    assert_eq!(lamp(&String::from_utf8_lossy(notify.body())), "proceeding");
}

#[test]
fn nobody_registered_is_not_idle() {
    let mut world = site();
    watch(&mut world, "carol", "presence");
    let told = notified(&mut world);
    insta::assert_snapshot!(told[0].1, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:carol@telex">
    <tuple id="phone"><status><basic>closed</basic></status>
    <contact>sip:carol@telex</contact><note>Unavailable</note></tuple>
    </presence>
    "#);
    let mut world = site();
    watch(&mut world, "carol", "dialog");
    assert_eq!(lamps(&mut world), [" unavailable"]);
}

#[test]
fn of_several_changes_the_last_is_told() {
    let mut world = World::new();
    watch(&mut world, "bob", "presence");
    let told = notified(&mut world);
    assert!(told[0].1.contains("<basic>open</basic>") && told[0].1.contains("<note>Ready</note>"));
    // All within the gap after the first NOTIFY.
    talking(&mut world);
    assert_eq!(notified(&mut world), []);
    world.pass(limits::NOTIFY_GAP);
    let told = notified(&mut world);
    assert_eq!(told.len(), 1);
    assert!(told[0].1.contains("<rpid:on-the-phone/>"), "{told:?}");
    world.pass(limits::NOTIFY_GAP * 3);
    assert_eq!(notified(&mut world), [], "nothing has changed");
}

#[test]
fn it_ends_when_it_is_not_refreshed_and_when_it_is_told_to() {
    let mut world = World::new();
    let tag = watch(&mut world, "bob", "dialog");
    notified(&mut world);
    world.pass(Duration::from_secs(200));
    assert_eq!(status(&mut world, &subscribe("bob", "dialog", 2, 300, &tag)), 200);
    world.pass(Duration::from_secs(200));
    assert_eq!(world.telex.stats().subscriptions, 1, "refreshed");
    world.pass(Duration::from_secs(120));
    let ended = notified(&mut world);
    assert_eq!(ended.last().unwrap().0, "terminated;reason=timeout");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.telex.stats().subscriptions, 0);
    assert_eq!(status(&mut world, &subscribe("bob", "dialog", 3, 300, &tag)), 481);

    let tag = watch(&mut world, "bob", "dialog");
    notified(&mut world);
    world.send(ALICE, &subscribe("bob", "dialog", 2, 0, &tag));
    assert_eq!(notified(&mut world)[0].0, "terminated;reason=timeout");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.telex.stats().subscriptions, 0);
    all_quiet(&world);
}

#[test]
fn one_may_ask_once() {
    let mut world = World::new();
    world.send(ALICE, &subscribe("alice", "message-summary;id=7", 1, 0, ""));
    let sent = world.sent();
    let notify = &sent.iter().find(|(_, m)| m.raw().starts_with(b"NOTIFY")).unwrap().1;
    assert_eq!(notify.header(HeaderName::Event), Some("message-summary;id=7"));
    assert_eq!(notify.header(HeaderName::SubscriptionState), Some("terminated;reason=timeout"));
    let body = String::from_utf8_lossy(notify.body());
    assert_eq!(
        body,
        "Messages-Waiting: no\r\nMessage-Account: sip:alice@telex\r\nVoice-Message: 0/0 (0/0)\r\n"
    );
    world.send(ALICE, &ok(notify));
    world.pass(Duration::from_secs(40));
    all_quiet(&world);
    assert_eq!(world.telex.stats().subscriptions, 0);
}

#[test]
fn what_is_not_granted() {
    let mut world = site();
    for (text, code) in [
        (subscribe("bob", "refer", 1, 300, ""), 403),
        (subscribe("bob", "conference", 11, 300, ""), 489),
        (subscribe("nobody", "dialog", 2, 300, ""), 404),
        (subscribe("bob", "message-summary", 3, 300, ""), 403),
        (subscribe("bob", "dialog", 4, 5, ""), 423),
        (subscribe("bob", "dialog", 5, 300, ";tag=none"), 481),
        (subscribe("bob", "dialog", 6, 300, "").replace("Expires", "Accept: text/plain\nExpires"), 406),
        (subscribe("bob", "dialog", 7, 300, "").replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (
            subscribe("bob", "dialog", 8, 300, "")
                .replace("Expires", &format!("X: {}\nExpires", "x".repeat(4096))),
            513,
        ),
    ] {
        assert_eq!(status(&mut world, &text), code, "{text}");
    }
    world.send(ALICE, &subscribe("bob", "x", 9, 300, ""));
    let refusal = world.only("SIP/2.0 489");
    assert_eq!(refusal.header(HeaderName::AllowEvents), Some("dialog, presence, message-summary, refer"));
    assert_eq!(world.telex.stats().subscriptions, 0);
    // A stranger.
    world.send(
        "10.0.0.77:5060",
        &subscribe("carol", "dialog", 10, 300, "").replace("sip:alice@telex", "sip:carol@telex"),
    );
    world.only("SIP/2.0 401");
}

#[test]
fn a_watcher_that_is_gone_is_told_no_more() {
    let mut world = World::new();
    watch(&mut world, "bob", "dialog");
    let notify = world.only("NOTIFY");
    world.send(ALICE, &ok(&notify).replace("200 OK", "481 Gone"));
    assert_eq!(world.telex.stats().subscriptions, 0);
    watch(&mut world, "bob", "dialog");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.telex.stats().subscriptions, 0, "NOTIFY was not answered");
}

#[test]
fn one_extension_has_so_many_subscriptions_and_one_so_many_watchers() {
    let mut config = Config::default();
    for n in 0..=limits::WATCHERS {
        config.phones.insert(format!("a{n}").into(), device("sip:a@10.0.0.1", ALICE));
    }
    let mut world = World::with(config);
    let mut ask = |watcher: usize, cseq: u32| {
        let text = subscribe("a0", "presence", cseq, 300, "");
        let text = text.replace("sip:alice@telex", &format!("sip:a{watcher}@telex"));
        world.telex_only(ALICE, &text.replace("s-a0", &format!("s-{cseq}")));
        let sent = world.sent();
        sent.iter().find_map(|(_, m)| m.status()).unwrap().code()
    };
    let mut cseq = 0;
    for _ in 0..limits::SUBSCRIPTIONS_OF_ONE {
        cseq += 1;
        assert_eq!(ask(0, cseq), 200);
    }
    assert_eq!(ask(0, cseq + 1), 503);
    for watcher in 1..=limits::WATCHERS - limits::SUBSCRIPTIONS_OF_ONE {
        cseq += 2;
        assert_eq!(ask(watcher, cseq), 200);
    }
    assert_eq!(ask(limits::WATCHERS, cseq + 2), 503);
    world.telex.check();
}
