//! MESSAGE between phones (RFC 3428).

use super::*;
use crate::limits;
use crate::sip::HeaderName;

fn text(whom: &str, cseq: u32, words: &str) -> String {
    format!(
        "MESSAGE sip:{whom}@telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKm{cseq}\n\
Max-Forwards: 70\nFrom: \"Alice\" <sip:alice@telex>;tag=fm\nTo: <sip:{whom}@telex>\nCall-ID: m{cseq}\n\
CSeq: {cseq} MESSAGE\nContent-Type: text/plain;charset=utf-8\nContent-Length: {}\n\n{words}",
        words.len()
    )
}

fn status(world: &mut World, text: &str) -> u16 {
    world.send(ALICE, text);
    world.sent().iter().find_map(|(_, m)| m.status()).unwrap().code()
}

/// Bob registers a second telephone, which is at 10.0.0.3.
fn site() -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    config.phones.insert("carol".into(), Phone::default());
    let mut world = World::with(config);
    world.send(
        BOB,
        "REGISTER sip:telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKr1\nFrom: <sip:bob@telex>;tag=r\n\
To: <sip:bob@telex>\nCall-ID: r1\nCSeq: 1 REGISTER\nContact: <sip:second@10.0.0.2:5070>\nExpires: 600\n\n",
    );
    world.sent();
    world
}

/// What went to bob's telephones.
fn asked(world: &mut World) -> Vec<Message> {
    let sent = world.sent().into_iter().map(|(_, m)| m);
    sent.filter(|m| m.raw().starts_with(b"MESSAGE ")).collect()
}

#[test]
fn a_text_goes_to_every_phone_and_the_first_that_takes_it_answers() {
    let mut world = site();
    world.send(ALICE, &text("bob", 1, "Lunch?"));
    let asked = asked(&mut world);
    let to: Vec<_> = asked.iter().map(Message::request_uri).collect();
    assert_eq!(to, ["sip:bob@10.0.0.2", "sip:second@10.0.0.2:5070"]);
    let one = &asked[0];
    assert_eq!(one.body(), b"Lunch?");
    assert_eq!(one.header(HeaderName::ContentType), Some("text/plain;charset=utf-8"));
    assert_eq!(one.header(HeaderName::MaxForwards), Some("69"));
    assert!(one.header(HeaderName::From).unwrap().starts_with("\"Alice\" <sip:alice@10.0.0.9>;tag="));
    assert_eq!(one.header(HeaderName::Contact), None, "pager mode has no Contact (RFC 3428 §4)");
    world.send(BOB, &respond(&asked[0], "486 Busy Here", "", ""));
    assert_eq!(world.lines(), "", "another may take it");
    assert_eq!(world.telex.stats().texts, 1);
    world.send(BOB, &respond(&asked[1], "202 Accepted", "", ""));
    assert_eq!(world.lines(), "alice: SIP/2.0 202 Accepted\n");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.telex.stats().texts, 0);
    assert!(world.events.iter().all(|event| !format!("{event:?}").contains("Lunch")));
}

#[test]
fn when_nobody_takes_it_the_best_refusal_is_told() {
    let mut world = site();
    world.send(ALICE, &text("bob", 1, "Lunch?"));
    let asked = asked(&mut world);
    world.send(BOB, &respond(&asked[0], "603 Decline", "", ""));
    world.send(BOB, &respond(&asked[1], "401 Unauthorized", "", ""));
    assert_eq!(world.lines(), "alice: SIP/2.0 480 Temporarily Unavailable\n");
    world.send(ALICE, &text("bob", 2, "Dinner?"));
    world.pass(Duration::from_secs(80));
    assert_eq!(world.telex.stats().texts, 0, "nobody answered");
}

#[test]
fn what_is_not_passed_on() {
    let mut world = site();
    let long = "x".repeat(limits::TEXT_OCTETS + 1);
    assert_eq!(status(&mut world, &text("nobody", 1, "Hello")), 404);
    assert_eq!(status(&mut world, &text("carol", 2, "Hello")), 480);
    assert_eq!(status(&mut world, &text("bob", 3, &long)), 513);
    assert_eq!(status(&mut world, &text("bob", 4, "Hello").replace("Forwards: 70", "Forwards: 0")), 483);
    world.send("10.0.0.77:5060", &text("bob", 5, "Hello").replace("sip:alice@telex", "sip:carol@telex"));
    world.only("SIP/2.0 401");
    assert_eq!(world.telex.stats().texts, 0);
}

#[test]
fn so_many_texts_are_on_their_way() {
    let mut config = Config::default();
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let senders = limits::TEXTS / limits::TEXTS_OF_ONE;
    for n in 0..=senders {
        config.phones.insert(format!("a{n}").into(), device("sip:a@10.0.0.1", ALICE));
    }
    let mut world = World::with(config);
    let from = |sender: usize, cseq: u32| {
        text("bob", cseq, "Hello").replace("sip:alice@telex", &format!("sip:a{sender}@telex"))
    };
    for n in 0..limits::TEXTS as u32 {
        world.telex_only(ALICE, &from(n as usize / limits::TEXTS_OF_ONE, n));
        // As fast as one address may be.
        world.now += Duration::from_micros(500);
        if n as usize == limits::TEXTS_OF_ONE {
            assert_eq!(status(&mut world, &from(0, 1_000_001)), 503, "of one");
        }
        world.out.clear();
    }
    assert_eq!(world.telex.stats().texts, limits::TEXTS);
    assert_eq!(status(&mut world, &from(senders, 1_000_000)), 503, "of all");
}

#[test]
fn what_belongs_to_a_text_is_passed_on_and_nothing_comes_back_but_the_answer() {
    let mut world = site();
    let fields = "Subject: Food\nDate: Mon, 23 Nov 2026 11:00:00 GMT\nExpires: 60\nContent-Type";
    world.send(ALICE, &text("bob", 1, "Lunch?").replace("Content-Type", fields));
    let asked = asked(&mut world);
    for (name, value) in [
        (HeaderName::Subject, "Food"),
        (HeaderName::Date, "Mon, 23 Nov 2026 11:00:00 GMT"),
        (HeaderName::Expires, "60"),
    ] {
        assert_eq!(asked[0].header(name), Some(value));
    }
    world.send(BOB, &respond(&asked[0], "200 OK", "", ANSWER));
    let answer = world.only("SIP/2.0 200");
    assert_eq!((answer.header(HeaderName::Contact), answer.body().len()), (None, 0), "RFC 3428 §7");
}

#[test]
fn a_text_of_who_hides_has_no_name() {
    let mut world = site();
    let fields = "Privacy: id\nSubject: From Alice\nContent-Type";
    world.send(ALICE, &text("bob", 1, "Lunch?").replace("Content-Type", fields));
    let asked = asked(&mut world);
    let from = asked[0].header(HeaderName::From).unwrap();
    assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{from}");
    let raw = String::from_utf8_lossy(asked[0].raw()).to_lowercase();
    assert!(!raw.contains("alice"), "{raw}");
}

#[test]
fn a_text_inside_a_call_or_of_a_kind_that_is_required_is_refused() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    world.send(ALICE, &inside(&answered, "MESSAGE", 2, ""));
    world.only("SIP/2.0 405");
    let wants =
        text("bob", 3, "Hello").replace("Max-Forwards", "Require: recipient-list-message\nMax-Forwards");
    assert_eq!(status(&mut world, &wants), 420);
}
