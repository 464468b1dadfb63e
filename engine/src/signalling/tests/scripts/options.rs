//! What the options of Dial do: subroutines for phones that are dialled, and codes that are pressed in a talk.

mod leaving;
mod limits;

use super::*;
use crate::cdr::CallRecord;
use crate::mediactl::RoomId;

const SCREEN: &str = "exten => 500,1,Dial(PJSIP/bob,20,U(screen^${CALLERID(num)}))\n same => n,Playback(bye)\n\
 same => n,Hangup(${IF($[\"${DIALSTATUS}\" = \"BUSY\"]?17:34)})\n\
exten => 501,1,Hangup(21)\n\
[screen]\nexten => s,1,Read(OK,press-1,1,,1,5)\n same => n,GotoIf($[\"${OK}\" = \"1\"]?yes)\n\
 same => n,Set(GOSUB_RESULT=BUSY)\n same => n,ExecIf($[\"${OK}\" = \"2\"]?Set(GOSUB_RESULT=GOTO:internal^501^1))\n\
 same => n,ExecIf($[\"${OK}\" = \"3\"]?Set(GOSUB_RESULT=ABORT))\n\
 same => n(yes),Return()\n";

const TALK: &str = "exten => 500,1,Dial(PJSIP/bob,20,tTg)\n same => n,Playback(bye)\n\
exten => 600,1,Playback(welcome)\n same => n,Wait(60)\nexten => 60,1,Dial(PJSIP/carol,20)\nexten => 700,1,MusicOnHold()\n";

impl World {
    fn leg_of(&self, party: u64) -> LegSpec {
        let put = self.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg, spec, .. }, .. } if leg.0 == party => {
                Some(spec)
            }
            _ => None,
        });
        (**put.expect("it has media")).clone()
    }

    fn room_of(&self, party: u64) -> RoomId {
        self.leg_of(party).room
    }

    fn press_by(&mut self, party: u64, keys: &str) {
        for digit in keys.chars() {
            let how = DigitHeard::Event;
            let report = MediaReport::Digit { leg: LegId(party), rev: 1, digit, duration_ms: 100, how };
            self.input(Input::Media { shard: ShardId(0), report });
        }
    }

    /// Keys that were pressed into a leg since the last look.
    fn pressed_into(&self, party: u64) -> String {
        self.leg_of(party).presses.keys.iter().map(|press| press.digit).collect()
    }

    /// Who got which message since the last look, without forgetting media.
    fn said(&mut self) -> String {
        let kept = self.out.clone();
        let lines = self.lines();
        self.out = kept.into_iter().filter(|action| matches!(action, Action::Media { .. })).collect();
        lines
    }

    /// The message to somebody that begins so.
    fn only_of(&mut self, whom: &str, start: &str) -> Message {
        let found = self.sent().into_iter().find(|(to, message)| {
            to.to_string() == whom && String::from_utf8_lossy(message.raw()).starts_with(start)
        });
        found.expect("it was sent").1
    }

    fn kept_record(&self) -> CallRecord {
        let kept = self.out.iter().rev().find_map(|action| match action {
            Action::Store { record: crate::border::Record::Call(record), .. } => Some((**record).clone()),
            _ => None,
        });
        kept.expect("a record is kept")
    }
}

fn bob_picks_up(world: &mut World) -> Message {
    let kept = world.out.clone();
    let asked = world.only("INVITE sip:bob@10.0.0.2");
    world.out = kept.into_iter().filter(|action| matches!(action, Action::Media { .. })).collect();
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    asked
}

#[test]
fn who_answers_is_asked_before_it_is_connected() {
    let mut world = planned(SCREEN);
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = bob_picks_up(&mut world);
    assert_eq!(world.said(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n", "alice is not answered yet");
    let play = world.leg_of(2).playing.expect("bob is asked");
    assert!(format!("{:?}", play.sound).contains("press-1"));
    let own = world.room_of(2);
    world.pass(Duration::from_secs(3));
    world.press_by(2, "1");
    assert_ne!(world.room_of(2), own, "they are together");
    assert_eq!(world.room_of(1), world.room_of(2));
    assert!(world.leg_of(2).playing.is_none());
    let kept = world.kept_record();
    assert_eq!((kept.talked, kept.legs.len()), (Duration::ZERO, 1));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    assert!(world.lines().contains("alice: BYE"));
    let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
    assert!(way.text.contains("for bob: s matched s in context [screen]\n"), "{}", way.text);
    assert!(way.text.contains("1. Read(OK,press-1,1,,1,5)  -> keys 1"), "{}", way.text);
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn what_a_subroutine_says_of_who_answered_is_done() {
    for (keys, refusal) in [("7", "486"), ("2", "403"), ("3", "480")] {
        let mut world = planned(SCREEN);
        world.send(ALICE, &invite("500", "", OFFER));
        bob_picks_up(&mut world);
        world.out.clear();
        world.press_by(2, keys);
        let lines = world.lines();
        assert!(lines.contains("bob: BYE"), "{keys}: {lines}");
        if keys == "7" {
            assert_eq!(lines.matches("alice").count(), 1, "she hears what follows: {lines}");
            world.pass(Duration::from_secs(80));
            continue;
        }
        assert!(lines.contains(&format!("alice: SIP/2.0 {refusal}")), "{keys}: {lines}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn who_hangs_up_while_it_is_asked_has_not_answered_and_who_says_nothing_is_busy() {
    for hangs_up in [true, false] {
        let mut world = planned(&SCREEN.replace(" same => n,Playback(bye)\n", ""));
        world.send(ALICE, &invite("500", "", OFFER));
        let asked = bob_picks_up(&mut world);
        let number = world.leg_of(2).playing.expect("bob is asked").number;
        if hangs_up {
            world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
            assert!(world.lines().contains("alice: SIP/2.0 503"), "no answer");
        } else {
            let report = MediaReport::Played { leg: LegId(2), rev: 1, number };
            world.input(Input::Media { shard: ShardId(0), report });
            world.pass(Duration::from_secs(5));
            assert!(world.lines().contains("alice: SIP/2.0 486"), "he was asked in vain");
        }
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_subroutine_before_the_ring_adds_to_the_invite_of_its_phone() {
    let mut world = planned(
        "exten => 500,1,Set(__SITE=north)\n same => n,Dial(PJSIP/bob,20,b(intercom^s^1(0))A(welcome)D(1#:2))\n\
[intercom]\nexten => s,1,Set(PJSIP_HEADER(add,Alert-Info)=<http://${SITE}>\\;answer-after=${ARG1})\n\
 same => n,Set(PJSIP_HEADER(add,Via)=x)\n same => n,Wait(3)\n same => n,Return()\n",
    );
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = bob_picks_up(&mut world);
    let raw = String::from_utf8_lossy(asked.raw()).into_owned();
    assert!(raw.contains("Alert-Info: <http://north>;answer-after=0\r\n"), "{raw}");
    assert_eq!(raw.matches("Via:").count(), 1);
    let play = world.leg_of(2).playing.expect("bob hears who calls");
    let report = MediaReport::Played { leg: LegId(2), rev: 1, number: play.number };
    world.input(Input::Media { shard: ShardId(0), report });
    assert!(world.said().contains("alice: SIP/2.0 200"));
    assert_eq!((world.pressed_into(2), world.pressed_into(1)), ("1#".into(), "2".into()));
    let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
    assert!(way.text.contains("Wait(3)\n    warning: the phone is not rung yet\n"), "{}", way.text);
}

/// Alice and bob talk; gives what alice was answered with, and our INVITE to bob.
fn talk(world: &mut World) -> (Message, Message) {
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = bob_picks_up(world);
    let kept = world.out.clone();
    let answered = world.only_of(ALICE, "SIP/2.0 200");
    world.out = kept.into_iter().filter(|action| matches!(action, Action::Media { .. })).collect();
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.said();
    (answered, asked)
}

#[test]
fn keys_that_are_no_code_are_heard_once_and_those_that_may_be_wait() {
    let mut world = planned(TALK);
    let (answered, _) = talk(&mut world);
    let digits = world.leg_of(1).digits;
    assert!(digits.keep && digits.report, "media passes nothing on of itself");
    assert!(
        world.leg_of(1).accept.iter().all(|a| a.kind != crate::mediactl::Kind::Events || a.forward.is_none())
    );
    world.press_by(1, "5");
    assert_eq!(world.pressed_into(2), "5");
    world.press_by(1, "#");
    assert_eq!(world.pressed_into(2), "5", "it may become ##");
    world.pass(Duration::from_millis(500));
    assert_eq!(world.pressed_into(2), "5#");
    world.press_by(1, "*#1");
    assert_eq!(world.pressed_into(2), "5#*#1");
    world.press_by(2, "9");
    assert_eq!(world.pressed_into(1), "9");
    world.hang_up(&answered);
}

#[test]
fn two_pounds_and_a_number_send_the_other_there() {
    for by in [1, 2] {
        let mut world = planned(TALK);
        let (answered, asked) = talk(&mut world);
        let other = 3 - by;
        world.press_by(by, "##");
        assert!(matches!(world.leg_of(by).playing.expect("a dial tone").sound, Playing::Tones(_)));
        assert_ne!(world.room_of(by), world.room_of(other), "the other one does not hear the keys");
        world.press_by(by, "6");
        assert!(world.leg_of(by).playing.is_none());
        world.press_by(by, "00");
        let (gone, stays) = if by == 1 { ("alice", "bob") } else { ("bob", "alice") };
        let lines = world.said();
        assert!(lines.contains(&format!("{gone}: BYE")) && !lines.contains(stays), "{by}: {lines}");
        let heard = world.leg_of(other).playing.expect("who was sent there hears it");
        assert!(format!("{:?}", heard.sound).contains("welcome"));
        world.out.clear();
        match by {
            1 => world.send(BOB, &from_bob(&asked, "BYE", 1, "", "")),
            _ => world.send(ALICE, &inside(&answered, "BYE", 9, "")),
        }
        let kept = world.kept_record();
        assert_eq!((kept.legs.len(), kept.ended.is_some()), (2, true));
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_number_that_is_not_there_is_asked_again_and_nothing_leads_back() {
    let mut world = planned(TALK);
    let (answered, _) = talk(&mut world);
    world.press_by(2, "##9");
    let play = world.leg_of(2).playing.expect("bob is told");
    assert!(format!("{:?}", play.sound).contains("pbx-invalid"));
    let report = MediaReport::Played { leg: LegId(2), rev: 1, number: play.number };
    world.input(Input::Media { shard: ShardId(0), report });
    assert!(matches!(world.leg_of(2).playing.expect("a dial tone").sound, Playing::Tones(_)));
    world.pass(Duration::from_secs(5));
    assert_eq!(world.room_of(1), world.room_of(2), "they are together again");
    assert!(world.leg_of(2).playing.is_none());
    assert_eq!(world.said(), "");
    world.hang_up(&answered);
}

#[test]
fn who_asks_there_first_hands_the_other_over_by_hanging_up() {
    let mut world = planned(TALK);
    let (answered, asked) = talk(&mut world);
    let own = world.room_of(1);
    world.press_by(1, "*2600");
    assert!(format!("{:?}", world.leg_of(1).playing).contains("welcome"), "alice is there");
    assert_ne!(world.room_of(2), own);
    assert_eq!(world.said(), "", "bob waits");
    world.send(ALICE, &inside(&answered, "BYE", 9, ""));
    assert_eq!(world.said(), "alice: SIP/2.0 200 OK\n");
    assert_eq!(world.room_of(2), own);
    assert!(format!("{:?}", world.leg_of(2).playing).contains("welcome"), "bob is there in her place");
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn who_comes_back_from_a_conference_is_alone_with_the_other_again() {
    let plan = TALK.replace(
        "exten => 600,1,Playback(welcome)\n same => n,Wait(60)\n",
        "exten => 600,1,Set(TIMEOUT(absolute)=5)\n same => n,ConfBridge(77)\n",
    );
    let mut world = planned(&plan);
    let (answered, _) = talk(&mut world);
    world.press_by(1, "*2600");
    let conference = world.room_of(1);
    assert_ne!(world.room_of(2), conference, "bob waits");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.said(), "");
    assert_eq!(world.room_of(1), world.room_of(2));
    assert_ne!(world.room_of(1), conference);
    assert!(world.leg_of(2).playing.is_none());
    let dropped = |world: &World| {
        let gone = |action: &Action| matches!(action, Action::Media { command: MediaCommand::DropRoom { room }, .. } if *room == conference);
        world.out.iter().any(gone)
    };
    assert!(dropped(&world), "nobody is in it");
    world.hang_up(&answered);
}

#[test]
fn who_finds_nobody_there_is_with_the_other_again() {
    for by in [1, 2] {
        let mut world = planned(TALK);
        let (answered, _) = talk(&mut world);
        world.press_by(by, "*2");
        world.press_by(by, "60");
        world.pass(Duration::from_secs(3));
        assert_eq!(world.said(), "");
        assert_eq!(world.room_of(1), world.room_of(2), "carol is not there");
        world.press_by(1, "5");
        assert_eq!(world.pressed_into(2), "5", "and may do what she did before");
        world.hang_up(&answered);
    }
}

#[test]
fn who_parks_by_keys_hears_the_slot_and_is_let_go() {
    let plan = TALK.replace("tTg", "K").replace("exten => 700,1,MusicOnHold()\n", "");
    let mut world = planned_with(&plan, |config| {
        let lot =
            crate::config::ParkingLot { extension: "700".into(), ..crate::config::ParkingLot::default() };
        config.parking.insert("default".into(), lot);
    });
    let (_, asked) = talk(&mut world);
    world.press_by(1, "#72");
    assert_eq!(world.said().matches("BYE").count(), 1);
    assert!(matches!(world.leg_of(2).playing.expect("music").sound, Playing::Music(_)));
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_call_lasts_as_long_as_the_dialplan_lets_it() {
    let begin = "exten => 500,1,Set(TIMEOUT(absolute)=10)\n same => n";
    for (step, end) in [
        ("Dial(PJSIP/bob,20)", "bob: CANCEL"),
        ("Dial(PJSIP/bob,20)", "bob: BYE"),
        ("MusicOnHold()", ""),
        ("Park()", ""),
        ("Read(X,welcome,4,,3,60)", ""),
        ("Record(note,0,0)", ""),
        ("Echo()", ""),
    ] {
        let answered = end == "bob: BYE" || end.is_empty() && step != "MusicOnHold()";
        let last = if answered { "Playback(bye)\n same => n,Hangup(21)" } else { "Hangup(21)" };
        let mut world = planned_with(&format!("{begin},{step}\nexten => T,1,{last}\n"), |config| {
            config.parking.insert("default".into(), crate::config::ParkingLot::default());
        });
        world.send(ALICE, &invite("500", "", OFFER));
        match end {
            "bob: BYE" => drop(bob_picks_up(&mut world)),
            "bob: CANCEL" => {
                let asked = world.only("INVITE sip:bob@10.0.0.2");
                world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
            }
            _ => {}
        }
        if answered {
            let kept = world.out.clone();
            let answer = world.only_of(ALICE, "SIP/2.0 200");
            world.out = kept.into_iter().filter(|action| matches!(action, Action::Media { .. })).collect();
            world.send(ALICE, &inside(&answer, "ACK", 1, ""));
        }
        world.pass(Duration::from_millis(9_900));
        let before = world.said();
        assert!(!before.contains("BYE") && !before.contains("CANCEL"), "{step}: {before}");
        world.pass(Duration::from_millis(200));
        let lines = world.said();
        assert!(lines.contains(end), "{step}: {lines}");
        if answered {
            let (number, heard) = world.hears();
            assert_eq!(heard, ["bye"], "{step}");
            world.played(number);
            assert!(world.lines().contains("alice: BYE"), "{step}");
        } else {
            assert!(lines.contains("alice: SIP/2.0 403"), "{step}: {lines}");
        }
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn extensions_are_rung_as_the_phones_that_they_dial() {
    let mut world = planned(
        "exten => 500,1,Dial(Local/501@internal&Local/503@internal&Local/504@internal,20)\n\
exten => 501,1,Set(PJSIP_HEADER(add,X-Via)=501)\n same => n,Dial(Local/502@internal/n)\n\
exten => 502,1,GotoIf($[\"${CALLERID(num)}\" = \"alice\"]?yes)\n same => n,Hangup()\n same => n(yes),Dial(PJSIP/bob,20)\n\
exten => 503,1,Playback(welcome)\n same => n,Dial(PJSIP/bob)\nexten => 504,1,Dial(Local/504@internal)\n",
    );
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = bob_picks_up(&mut world);
    assert!(String::from_utf8_lossy(asked.raw()).contains("X-Via: 501\r\n"));
    let answered = world.only_of(ALICE, "SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let told =
        |text: &str| world.events.iter().any(|e| matches!(e, Event::Dialplan { text: t, .. } if t == text));
    assert!(told("Local/503@internal is left out: it does more than to ring phones"));
    assert!(told("Local/504@internal is left out: too many extensions ring each other"));
    let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
    assert!(
        way.text.contains("for Local/502@internal: 502 matched 502 in context [internal]\n"),
        "{}",
        way.text
    );
    world.hang_up(&answered);
}

#[test]
fn a_recording_of_the_caller_ends_by_a_key_silence_or_a_time_and_says_by_which() {
    let plan = |options: &str| {
        format!(
            "exten => 500,1,Record(note,3,10,{options})\n same => n,NoOp(${{RECORD_STATUS}} ${{RECORDED_FILE}})\n same => n,Wait(60)\n"
        )
    };
    for (options, end, status) in [
        ("", "#", "DTMF"),
        ("t", "#*", "DTMF"),
        ("y", "7", "DTMF"),
        ("o", "70", "OPERATOR"),
        ("x", "#", "TIMEOUT"),
        ("q", "quiet", "SILENCE"),
    ] {
        let mut world = planned(&plan(options));
        let answered = world.answered("500");
        let recording = world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutRoom { spec, .. }, .. } => {
                spec.recordings.first().copied()
            }
            _ => None,
        });
        let recording = recording.expect("it is recorded");
        assert_eq!(recording.quiet, 3000);
        if end == "quiet" {
            let report = MediaReport::Quiet { leg: LegId(1), recording: recording.id };
            world.input(Input::Media { shard: ShardId(0), report });
        } else {
            world.press(end);
            world.pass(Duration::from_secs(10));
        }
        let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
        assert!(way.text.contains(&format!("NoOp({status} note)")), "{options}: {}", way.text);
        world.hang_up(&answered);
    }
    let mut world = planned(&plan("s"));
    world.send(ALICE, &invite("500", "", OFFER));
    let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
    assert!(way.text.contains("NoOp(SKIP )"), "{}", way.text);
}
