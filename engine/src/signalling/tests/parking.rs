//! Calls that are parked, taken up and given back.

use super::records::records;
use super::scripts::explained;
use super::transfer::{CAROL, Talk, consult, find, fragment, pair, talk_in, three_with};
use super::watching::{lamps, watch};
use super::*;
use crate::config::ParkingLot;
use crate::event::{EndCause, Parking};
use crate::limits;
use crate::mediactl::{Clip, LegId, Piece, Playing};
use crate::sip::HeaderName;

/// A site that parks in 701 and 702; it can say them if it has a voice.
fn site(text: &str, voice: bool, lot: ParkingLot) -> World {
    three_with(text, |config| {
        config.parking.insert("default".into(), ParkingLot { slots: (701, 702), ..lot });
        if voice {
            let clip = Clip::of(16_000, &[0; 320]).unwrap();
            let name = |digit| SmolStr::from(format!("digits/{digit}"));
            config.sounds = Arc::new((0..10).map(|digit| (name(digit), clip.clone())).collect());
        }
    })
}

fn lot() -> ParkingLot {
    ParkingLot::default()
}

const TO_PARK: &str = "Refer-To: <sip:700@telex>\n";

/// Bob parks alice without hearing where, and is let go.
fn parked(lot: ParkingLot) -> Talk {
    let mut talk = talk_in(site("", false, lot));
    talk.by_bob("REFER", 1, TO_PARK);
    let sent = talk.world.sent();
    let notify = find(&sent, "NOTIFY");
    talk.ok(BOB, &notify);
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk
}

/// A call of carol's, the `n`th.
fn by_carol(text: &str, n: u32) -> String {
    text.replace("10.0.0.1", "10.0.0.3")
        .replace("Alice", "Carol")
        .replace("alice", "carol")
        .replace("tag=fa", &format!("tag=fc{n}"))
        .replace("Call-ID: c1", &format!("Call-ID: cc{n}"))
        .replace("bKa1", &format!("bKcc{n}"))
}

/// Carol dials, and is answered; gives her 200.
fn carol_dials(talk: &mut Talk, number: &str, n: u32) -> Message {
    let mut before = std::mem::take(&mut talk.world.out);
    talk.world.send(CAROL, &by_carol(&invite(number, "", OFFER), n));
    before.extend_from_slice(&talk.world.out);
    let answered = talk.world.only("SIP/2.0 200");
    talk.world.out = before;
    talk.world.send(CAROL, &by_carol(&inside(&answered, "ACK", 1, ""), n));
    answered
}

fn parking(world: &World) -> Vec<(String, Parking)> {
    let events = world.events.iter().filter_map(|event| match event {
        Event::Parking { slot, what, .. } => Some((slot.to_string(), what.clone())),
        _ => None,
    });
    events.collect()
}

fn played(world: &mut World, leg: u64, number: u32) {
    let report = MediaReport::Played { leg: LegId(leg), rev: 1, number };
    world.input(Input::Media { shard: ShardId(0), report });
}

fn prompts(playing: &Playing) -> Vec<String> {
    let Playing::Prompts { pieces, .. } = playing else { panic!("{playing:?}") };
    let name = |piece: &Piece| match piece {
        Piece::Prompt(name) => name.to_string(),
        Piece::Pause(ms) => format!("{ms} ms"),
    };
    pieces.iter().map(name).collect()
}

#[test]
fn who_is_parked_hears_music_until_somebody_takes_it_up() {
    let mut talk = talk_in(site("", false, lot()));
    talk.by_bob("REFER", 1, TO_PARK);
    assert_eq!(talk.leg(1).playing.unwrap().sound, Playing::Music("default".into()));
    let sent = talk.world.sent();
    assert_eq!(fragment(&find(&sent, "NOTIFY")).1, "SIP/2.0 100 Trying");
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    assert_eq!(talk.listed(), [("alice".into(), "701".into())]);
    talk.world.pass(Duration::from_secs(20));
    talk.world.out.clear();

    carol_dials(&mut talk, "701", 1);
    assert_eq!(talk.leg(1).room, talk.leg(3).room, "alice and carol are together");
    assert!(talk.leg(1).playing.is_none() && talk.leg(3).playing.is_none());
    assert!(!talk.leg(1).accept.is_empty() && !talk.leg(3).accept.is_empty());
    let kept = records(&mut talk.world);
    assert!(kept.iter().all(|record| record.ended.is_none()), "nobody has hung up");
    assert_eq!(talk.listed(), [("alice".into(), "carol".into())]);
    let by = |name: &str| SmolStr::new(name);
    assert_eq!(
        parking(&talk.world),
        [
            ("701".into(), Parking::Parked { by: by("bob") }),
            ("701".into(), Parking::TakenUp { by: by("carol") }),
        ]
    );
    talk.world.pass(Duration::from_secs(10));
    talk.world.out.clear();
    talk.by_alice("BYE", 2, "");
    let kept = records(&mut talk.world);
    let [over, other] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((over.id, over.talked), (1, Duration::from_secs(30)), "from bob's answer on");
    assert_eq!(
        (other.from.as_str(), other.to.as_str(), other.talked),
        ("carol", "701", Duration::from_secs(10))
    );
    assert_eq!((&other.cause, other.ended), (&Some(EndCause::Joined { call: 1 }), over.ended));
    let legs: Vec<_> = over.legs.iter().map(|leg| leg.contact.as_str()).collect();
    assert_eq!(legs, [ALICE, "sip:bob@10.0.0.2", "sip:carol@10.0.0.3:5060"]);
    let bye = talk.world.sent().into_iter().find(|(_, m)| m.is_request()).unwrap();
    assert_eq!(bye.0.to_string(), CAROL);
    talk.ok(CAROL, &bye.1);
    talk.quiet();
}

#[test]
fn a_slot_has_one_way_to_be_written() {
    let plan = "exten => _9.,1,ParkedCall(,${EXTEN:1})\n";
    let mut talk = talk_in(site(plan, false, lot()));
    talk.by_bob("REFER", 1, TO_PARK);
    talk.world.sent();
    for (n, slot) in ["0701", "+701", "70", "7010"].iter().enumerate() {
        talk.world.send(CAROL, &by_carol(&invite(&format!("9{slot}"), "", OFFER), n as u32 + 10));
        talk.world.only("SIP/2.0 404");
    }
    carol_dials(&mut talk, "9701", 30);
}

#[test]
fn the_slot_is_said_to_who_parks_and_waits() {
    let mut talk = talk_in(site("", true, lot()));
    talk.by_bob("REFER", 1, TO_PARK);
    assert_eq!(
        talk.leg(1).playing.unwrap().sound,
        Playing::Music("default".into()),
        "alice hears music at once"
    );
    let aside = talk.leg(2).playing.expect("bob hears where");
    assert_eq!(prompts(&aside.sound), ["digits/7", "digits/0", "digits/1"]);
    assert!(talk.leg(2).room != talk.leg(1).room && talk.leg(2).accept.is_empty());
    let sent = talk.world.sent();
    assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"BYE")));
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    played(&mut talk.world, 2, aside.number);
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn who_hangs_up_on_the_slot_being_said_has_parked_all_the_same() {
    for how in ["BYE", "nothing", "taken"] {
        let mut talk = talk_in(site("", true, lot()));
        talk.by_bob("REFER", 1, TO_PARK);
        let notify = find(&talk.world.sent(), "NOTIFY");
        talk.ok(BOB, &notify);
        match how {
            "BYE" => talk.by_bob("BYE", 2, ""),
            "taken" => drop(carol_dials(&mut talk, "701", 1)),
            _ => talk.world.pass(Duration::from_secs(15)),
        }
        let sent = talk.world.sent();
        if how != "BYE" {
            talk.ok(BOB, &find(&sent, "NOTIFY"));
            let bye = talk.world.only("BYE sip:bob");
            talk.ok(BOB, &bye);
        }
        let other = if how == "taken" { "carol" } else { "701" };
        assert_eq!(talk.listed(), [("alice".into(), other.into())], "{how}");
        talk.by_alice("BYE", 2, "");
        talk.quiet();
    }
}

#[test]
fn who_holds_while_it_parks_is_let_go_at_once() {
    let mut talk = talk_in(site("", true, lot()));
    let held = ANSWER.replace("o=- 2 2", "o=- 2 3") + "a=sendonly\n";
    talk.world.send(BOB, &from_bob(&talk.asked, "INVITE", 1, "", &held));
    let ok = talk.world.only("SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("recvonly"));
    talk.by_bob("ACK", 1, "");
    talk.by_bob("REFER", 2, TO_PARK);
    let notify = talk.world.only("NOTIFY");
    talk.ok(BOB, &notify);
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn a_call_that_nobody_takes_up_rings_who_parked_it_and_says_so() {
    let mut talk = parked(lot());
    talk.world.pass(Duration::from_secs(44));
    assert_eq!(talk.world.lines(), "");
    talk.world.pass(Duration::from_secs(1));
    let kept = talk.world.out.clone();
    let asked = talk.world.only("INVITE sip:bob@10.0.0.2");
    talk.world.out = kept;
    let from = asked.header(HeaderName::From).unwrap();
    assert!(from.starts_with("\"701: Alice\" <sip:alice@"), "{from}");
    assert!(matches!(talk.leg(1).playing.unwrap().sound, Playing::Tones(_)), "it rings");
    talk.world.out.clear();
    talk.world.send(BOB, &respond(&asked, "200 OK", "", ANSWER).replace("tag=tb", "tag=tb2"));
    assert!(talk.leg(1).playing.is_none() && !talk.leg(1).accept.is_empty());
    assert_eq!(talk.listed()[0].0, "alice");
    // The slot is free again.
    talk.world.send(CAROL, &by_carol(&invite("701", "", OFFER), 1));
    let refused = talk.world.only("SIP/2.0 404");
    assert_eq!(reason_of(&refused), "Q.850;cause=1;text=\"No such number, explain 2\"");
    let ControlReply::Explained(why) = explained(&mut talk.world, 2) else { panic!() };
    assert_eq!(
        why.text,
        "701 matched 701 in context [telex]\n  extensions.conf:16  1. ParkedCall(701)\n    warning: nobody is parked in 701\n"
    );
    talk.by_alice("BYE", 2, "");
    let ControlReply::Explained(way) = explained(&mut talk.world, 1) else { panic!() };
    assert!(
        way.text.contains("1. Park()  -> in slot 701; slot 701, its time is up: back to bob"),
        "{}",
        way.text
    );
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk.quiet();
}

#[test]
fn what_nobody_takes_back_goes_to_the_fallback_or_ends() {
    for fallback in ["carol", ""] {
        let mut talk = parked(ParkingLot { fallback: fallback.into(), ..lot() });
        talk.world.pass(Duration::from_secs(45));
        let asked = talk.world.only("INVITE sip:bob@10.0.0.2");
        talk.world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
        talk.world.pass(Duration::from_secs(30));
        let sent = talk.world.sent();
        find(&sent, "CANCEL sip:bob");
        let start = if fallback.is_empty() { "BYE sip:alice" } else { "INVITE sip:carol" };
        let next = find(&sent, start);
        if fallback.is_empty() {
            talk.ok(ALICE, &next);
        } else {
            assert!(next.header(HeaderName::From).unwrap().starts_with("\"Alice\""));
            talk.world.send(CAROL, &respond(&next, "486 Busy Here", "", ""));
        }
        talk.world.pass(Duration::from_secs(100));
        all_quiet(&talk.world);
    }
}

#[test]
fn who_parks_by_consultation_hears_the_slot_and_the_other_gets_it() {
    let mut talk = talk_in(site("", true, lot()));
    let (_, refer) = consult(&mut talk, "700", true);
    assert_eq!(parking(&talk.world), [("701".into(), Parking::Parked { by: "".into() })]);
    talk.by_bob("REFER", 1, &refer);
    let sent = talk.world.sent();
    let bye = find(&sent, "BYE sip:bob");
    assert_eq!(bye.header(HeaderName::CallId), Some("c2"));
    talk.ok(BOB, &bye);
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    assert_eq!(parking(&talk.world)[1], ("701".into(), Parking::Parked { by: "bob".into() }));
    assert_eq!(talk.listed(), [("alice".into(), "701".into())]);
    carol_dials(&mut talk, "701", 1);
    talk.world.out.clear();
    assert_eq!(talk.listed(), [("alice".into(), "carol".into())]);
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn the_slot_that_was_heard_is_kept_while_the_way_there_takes_time() {
    let plan = "exten => 715,1,Answer()\n same => n,Wait(1)\n same => n,Park()\n";
    let mut talk = talk_in(site(plan, true, lot()));
    let (_, refer) = consult(&mut talk, "715", true);
    talk.world.pass(Duration::from_secs(1));
    assert_eq!(parking(&talk.world), [("701".into(), Parking::Parked { by: "".into() })]);
    talk.by_bob("REFER", 1, &refer);
    carol_dials(&mut talk, "700", 1);
    assert_eq!(parking(&talk.world)[1].0, "702", "701 is taken");
    talk.world.pass(Duration::from_secs(1));
    assert_eq!(parking(&talk.world)[2], ("701".into(), Parking::Parked { by: "bob".into() }));
    assert_eq!(talk.listed()[0], ("alice".into(), "701".into()));
}

#[test]
fn who_parks_itself_hears_its_slot_and_then_music() {
    let mut talk = talk_in(site("exten => 710,1,Park(,rst(5))\n same => n,Hangup(17)\n", true, lot()));
    carol_dials(&mut talk, "700", 1);
    let said = talk.leg(3).playing.unwrap();
    assert_eq!(prompts(&said.sound), ["digits/7", "digits/0", "digits/1"]);
    played(&mut talk.world, 3, said.number);
    assert_eq!(talk.leg(3).playing.unwrap().sound, Playing::Music("default".into()));
    // Nobody has parked it, so nobody is rung.
    talk.world.out.clear();
    talk.world.pass(Duration::from_secs(45));
    assert!(talk.world.lines().contains("BYE"), "its plan has no more");
    let second = carol_dials(&mut talk, "710", 2);
    assert!(matches!(talk.leg(4).playing.unwrap().sound, Playing::Tones(_)), "ringing, and nothing is said");
    talk.world.out.clear();
    talk.world.pass(Duration::from_secs(5));
    assert!(talk.world.lines().contains("BYE"));
    drop(second);
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn whoever_is_parked_may_hang_up_at_any_time() {
    for after in [0, 44, 46, 80] {
        let mut talk = parked(lot());
        talk.world.pass(Duration::from_secs(after));
        let asked = talk.world.sent().into_iter().map(|(_, m)| m).find(|m| m.raw().starts_with(b"INVITE"));
        talk.by_alice("BYE", 2, "");
        talk.world.pass(Duration::from_secs(1));
        if let Some(asked) = asked {
            talk.world.send(BOB, &respond(&asked, "487 Request Terminated", "", ""));
        }
        talk.quiet();
    }
}

#[test]
fn a_full_lot_gives_the_call_back_to_who_wanted_to_park_it() {
    let mut talk = talk_in(site("", false, lot()));
    carol_dials(&mut talk, "700", 1);
    carol_dials(&mut talk, "700", 2);
    talk.world.out.clear();
    talk.by_bob("REFER", 1, TO_PARK);
    let notify = talk.world.only("NOTIFY");
    talk.ok(BOB, &notify);
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 480 Temporarily Unavailable"));
    assert_eq!(talk.listed()[0], ("alice".into(), "bob".into()));
    let said = talk.world.events.iter().any(
        |event| matches!(event, Event::Dialplan { text, .. } if text == "not parked: lot default is full"),
    );
    assert!(said);
    // The first that is taken, when no slot is dialled: bob takes carol's place in the lot.
    talk.by_bob("BYE", 2, "");
    talk.world.pass(Duration::from_secs(45));
    talk.quiet();
}

#[test]
fn lamps_of_slots_show_who_is_parked() {
    let mut talk = talk_in(site("", false, lot()));
    watch(&mut talk.world, "701", "dialog");
    lamps(&mut talk.world);
    talk.by_bob("REFER", 1, TO_PARK);
    assert!(lamps(&mut talk.world).contains(&"confirmed".to_owned()));
    carol_dials(&mut talk, "701", 1);
    assert!(lamps(&mut talk.world).contains(&"terminated".to_owned()));
}

#[test]
fn parked_calls_are_as_many_as_there_may_be_and_no_more() {
    let lots = (0..3).map(|lot| format!("exten => 71{lot},1,Park(lot{lot})\n")).collect::<String>();
    let mut talk = talk_in(three_with(&lots, |config| {
        for number in 0..3 {
            let slots = (1000 * (number + 1), 1000 * (number + 1) + 5000);
            let lot = ParkingLot { extension: "".into(), slots, ..ParkingLot::default() };
            assert_eq!(lot.all().count(), limits::SLOTS);
            config.parking.insert(format!("lot{number}").into(), lot);
        }
        config.dialplan = None;
        config.max_calls = 5000;
    }));
    let ports = (0..4 * limits::PARKED as u16).map(|n| PortId(20_000 + 2 * n)).collect();
    talk.world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
    for n in 0..limits::PARKED as u32 + 1 {
        let text = by_carol(&invite(&format!("71{}", n % 3), "", OFFER), n);
        talk.world.telex_only(CAROL, &text);
    }
    let parked = parking(&talk.world).len();
    assert_eq!(parked, limits::PARKED);
    let refused = |event: &&Event| matches!(event, Event::Dialplan { text, .. } if text.ends_with("there are too many parked calls"));
    assert_eq!(talk.world.events.iter().filter(refused).count(), 1);
    talk.world.telex.check();
}

#[test]
fn who_takes_a_call_up_from_another_shard_brings_its_leg_along() {
    let plan = "exten => 730,1,Answer()\n same => n,Set(SLOT=701)\n same => n,Wait(1)\n same => n,ParkedCall(${SLOT})\n";
    let mut talk = talk_in(site(plan, false, lot()).with_real_media());
    talk.by_bob("REFER", 1, TO_PARK);
    let (alice, carol) = ("10.0.0.1:4000", "10.0.0.3:4000");
    let dialled = by_carol(&invite("730", "", &OFFER.replace("10.0.0.1", "10.0.0.3")), 1);
    talk.world.send(CAROL, &dialled);
    let answered =
        talk.world.sent().into_iter().map(|(_, m)| m).rfind(|m| m.raw().starts_with(b"SIP/2.0 200"));
    talk.world.send(CAROL, &by_carol(&inside(&answered.unwrap(), "ACK", 1, ""), 1));
    assert_eq!(talk.world.ports[&20_000], 1, "she is on the other shard");
    talk.world.pass(Duration::from_secs(1));
    assert_eq!(talk.world.ports[&20_000], 0, "and comes to the one of who is parked");
    let to = |port: u16, whom: &str| vec![(port, whom.to_owned())];
    assert_eq!(talk.world.rtp(alice, 10_000, 1), to(20_000, carol));
    assert_eq!(talk.world.rtp(carol, 20_000, 1), to(10_000, alice));
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}
