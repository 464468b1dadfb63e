//! Calls that follow a dialplan.

mod options;
mod times;

use super::*;
use crate::mediactl::{Clip, DigitHeard, LegId, LegSpec, Piece, Playing, RoomMode};
use telex_dialplan::Dialplan;

/// Alice and bob, and this in the context of phones.
pub(super) fn planned(text: &str) -> World {
    planned_with(text, |_| {})
}

/// The same with something else configured.
pub(super) fn planned_with(text: &str, configure: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    configure(&mut config);
    let text =
        format!("[internal]\n{text}\n{}", config.own_dialplan().replace("[internal]", "[internal](+)"));
    let clip = Clip::of(16_000, &[0; 320]).unwrap();
    let names = ["welcome", "press-1", "closed", "bye", "vm-youhave"];
    config.sounds = Arc::new(names.iter().map(|name| ((*name).into(), clip.clone())).collect());
    config.dialplan = Some(Dialplan::parse("extensions.conf", &text).unwrap());
    World::with(config)
}

impl World {
    /// What the caller's leg is to be.
    pub(super) fn leg(&self) -> LegSpec {
        let put = self.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg: LegId(1), spec, .. }, .. } => Some(spec),
            _ => None,
        });
        (**put.expect("the caller has media")).clone()
    }

    /// The prompts that the caller hears, and their number.
    pub(super) fn hears(&self) -> (u32, Vec<String>) {
        let play = self.leg().playing.expect("something is played");
        let Playing::Prompts { pieces, .. } = play.sound else { panic!("{:?}", play.sound) };
        let name = |piece: Piece| match piece {
            Piece::Prompt(name) => name.to_string(),
            Piece::Pause(ms) => format!("{ms} ms"),
        };
        (play.number, pieces.into_iter().map(name).collect())
    }

    pub(super) fn played(&mut self, number: u32) {
        let report = MediaReport::Played { leg: LegId(1), rev: 1, number };
        self.input(Input::Media { shard: ShardId(0), report });
    }

    pub(super) fn press(&mut self, keys: &str) {
        for digit in keys.chars() {
            let how = DigitHeard::Event;
            let report = MediaReport::Digit { leg: LegId(1), rev: 1, digit, duration_ms: 100, how };
            self.input(Input::Media { shard: ShardId(0), report });
        }
    }

    /// Alice calls and is answered; gives her 200.
    pub(super) fn answered(&mut self, number: &str) -> Message {
        self.send(ALICE, &invite(number, "", OFFER));
        let put = std::mem::take(&mut self.out);
        self.out.clone_from(&put);
        let answered = self.only("SIP/2.0 200");
        self.out = put;
        self.send(ALICE, &inside(&answered, "ACK", 1, ""));
        answered
    }

    pub(super) fn hang_up(&mut self, answered: &Message) {
        self.send(ALICE, &inside(answered, "BYE", 9, ""));
        self.pass(Duration::from_secs(80));
        all_quiet(self);
    }
}

#[test]
fn a_menu_is_walked_by_keys_and_ends_at_a_phone() {
    let mut world = planned(
        "exten => 500,1,Answer()\n same => n,Background(welcome&press-1)\n same => n,WaitExten(5)\n\
exten => 1,1,Dial(PJSIP/bob)\n",
    );
    let answered = world.answered("500");
    let (_, heard) = world.hears();
    assert_eq!(heard, ["welcome", "press-1"]);
    assert!(world.leg().digits.report, "keys are asked for");
    world.out.clear();
    world.press("1");
    let asked = world.only("INVITE sip:bob@10.0.0.2");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert!(world.leg().playing.is_none(), "bob is heard");
    assert_eq!(world.lines(), "bob: ACK sip:bob@10.0.0.2 SIP/2.0\n", "alice was answered before");
    world.hang_up(&answered);
}

#[test]
fn who_is_waited_for_hears_a_tone_or_music_until_its_first_key() {
    let mut world = planned(
        "exten => 500,1,Answer()\n same => n,Read(X,dial,2,i,1,9)\n same => n,WaitExten(5,m(jazz))\n\
exten => 12,1,Dial(PJSIP/bob)\n",
    );
    world.answered("500");
    let playing = |world: &World| world.leg().playing.as_ref().map(|play| play.sound.clone());
    assert!(matches!(playing(&world), Some(Playing::Tones(_))), "{:?}", playing(&world));
    world.press("7");
    assert_eq!(playing(&world), None);
    world.press("8");
    assert_eq!(playing(&world), Some(Playing::Music("jazz".into())));
    world.press("1");
    assert_eq!(playing(&world), None);
    world.out.clear();
    world.press("2");
    world.only("INVITE sip:bob@10.0.0.2");
}

#[test]
fn what_cannot_be_done_goes_on_and_what_goes_round_is_ended() {
    let mut world = planned("exten => 500,1,Ringing()\n same => n,Goto(1)\n");
    world.send(ALICE, &invite("500", "", OFFER));
    assert!(world.lines().contains("alice: SIP/2.0 500"));
    assert!(
        world.events.iter().any(|e| matches!(e, Event::Dialplan { text, .. } if text.contains("goes round")))
    );
}

#[test]
fn a_prompt_before_the_answer_is_early_media() {
    let mut world = planned("exten => 500,1,Playback(closed,noanswer)\n same => n,Busy()\n");
    world.send(ALICE, &invite("500", "", OFFER));
    let (number, heard) = world.hears();
    assert_eq!(heard, ["closed"]);
    let early = world.only("SIP/2.0 183");
    assert!(!early.body().is_empty());
    world.played(number);
    let refused = world.only("SIP/2.0 486");
    assert_eq!(reason_of(&refused), "Q.850;cause=17;text=\"Busy, explain 1\"");
}

#[test]
fn a_dial_that_nobody_answers_goes_on_with_the_next() {
    let mut world = planned("exten => 500,1,Dial(PJSIP/bob,10)\n same => n,Dial(PJSIP/alice,10)\n");
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = world.only("INVITE sip:bob");
    world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
    let sent = world.sent();
    let again = sent.iter().find(|(_, m)| m.is_request() && m.method().as_str() == "INVITE").unwrap();
    assert_eq!(again.0.to_string(), ALICE);
    world.pass(Duration::from_secs(10));
    let lines = world.lines();
    assert!(lines.contains("alice: CANCEL") || lines.contains("SIP/2.0 480"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn an_echo_ends_by_the_pound_key() {
    let mut world = planned("exten => 500,1,Echo()\n same => n,Playback(bye)\n");
    let answered = world.answered("500");
    // What was agreed goes back as it is: the speech she likes best, and keys.
    let accept = world.leg().accept;
    let back: Vec<u8> = accept.iter().filter_map(|accepted| accepted.forward).collect();
    assert_eq!(back, [8, 101]);
    let mode = |world: &World| {
        world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutRoom { spec, .. }, .. } => Some(spec.mode),
            _ => None,
        })
    };
    assert_eq!(mode(&world), Some(RoomMode::Echo));
    world.press("12#");
    assert_eq!(mode(&world), Some(RoomMode::Relay));
    assert_eq!(world.hears().1, ["bye"]);
    world.hang_up(&answered);
}

/// Bob answers what he was asked; gives our INVITE to him.
fn bob_answers(world: &mut World) -> Message {
    let asked = world.only("INVITE sip:bob@10.0.0.2");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    asked
}

#[test]
fn a_call_goes_on_when_the_callee_has_hung_up_if_the_dialplan_says_so() {
    for (option, goes_on) in [("g", true), ("", false)] {
        let plan = format!("exten => 500,1,Dial(PJSIP/bob,20,{option})\n same => n,Playback(bye)\n");
        let mut world = planned(&plan);
        world.send(ALICE, &invite("500", "", OFFER));
        let asked = bob_answers(&mut world);
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.out.clear();
        world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
        if goes_on {
            let (number, heard) = world.hears();
            assert_eq!(heard, ["bye"]);
            assert!(!world.lines().contains("alice: BYE"));
            world.played(number);
        }
        assert!(world.lines().contains("alice: BYE"), "{option}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_talk_ends_when_its_time_is_up_or_by_a_star() {
    for (options, keys) in [("L(5000)", ""), ("S(5)", ""), ("H", "*")] {
        let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20,{options})\n"));
        world.send(ALICE, &invite("500", "", OFFER));
        bob_answers(&mut world);
        assert_eq!(world.leg().digits.report, !keys.is_empty());
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.press("5");
        world.pass(Duration::from_millis(4900));
        assert_eq!(world.lines(), "");
        world.press(keys);
        world.pass(Duration::from_millis(200));
        let lines = world.lines();
        assert!(lines.contains("alice: BYE") && lines.contains("bob: BYE"), "{options}: {lines}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn keys_are_kept_until_they_are_asked_for_and_stop_a_prompt() {
    let mut world = planned(
        "exten => 500,1,Answer()\n same => n,Playback(welcome)\n same => n,Read(PIN,press-1,4)\n\
 same => n,GotoIf($[\"${PIN}\" = \"1234\"]?right)\n same => n,Hangup(21)\n same => n(right),Playback(bye)\n",
    );
    let answered = world.answered("500");
    let (number, _) = world.hears();
    world.press("12");
    assert_eq!(world.hears(), (number, vec!["welcome".to_owned()]), "it is heard to its end");
    world.played(number);
    assert!(world.leg().playing.is_none(), "who has pressed keys is not asked for them");
    world.press("34");
    assert_eq!(world.hears().1, ["bye"]);
    world.hang_up(&answered);
}

#[test]
fn who_made_no_offer_hears_its_prompt_from_its_ack_on() {
    let mut world = planned("exten => 500,1,Playback(welcome)\n same => n,Hangup()\n");
    world.send(ALICE, &invite("500", "", ""));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, OFFER));
    let (number, heard) = world.hears();
    assert_eq!(heard, ["welcome"]);
    world.played(number);
    assert!(world.lines().contains("alice: BYE"));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn callees_see_who_the_dialplan_says_is_calling() {
    let mut world = planned(
        "exten => 500,1,Set(CALLERID(num)=4711)\n same => n,Set(CALLERID(name)=A \"b\")\n same => n,Set(PJSIP_HEADER(add,X-Site)=north)\n same => n,Set(PJSIP_HEADER(add,Call-ID)=1)\n same => n,Dial(PJSIP/bob)\n",
    );
    world.send(ALICE, &invite("500", "", OFFER));
    let asked = world.only("INVITE");
    let from = asked.header(crate::sip::HeaderName::From).unwrap();
    assert!(from.starts_with("\"A \\\"b\\\"\" <sip:4711@10.0.0.9>"), "{from}");
    let raw = String::from_utf8_lossy(asked.raw()).into_owned();
    assert!(!raw.contains("alice@"), "no field tells the number that was changed: {raw}");
    assert!(raw.contains("X-Site: north\r\n") && raw.matches("Call-ID:").count() == 1, "{raw}");
}

pub(super) fn explained(world: &mut World, call: u64) -> ControlReply {
    world.input(Input::Control { id: ControlId(3), request: Control::Explain { call } });
    match world.out.pop() {
        Some(Action::Reply { reply, .. }) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_way_of_a_call_is_told_while_it_lasts_and_afterwards() {
    let mut world = planned("exten => _5XX,1,Answer()\n same => n,Wait(${EXTEN:1})\n");
    let answered = world.answered("503");
    let ControlReply::Explained(now) = explained(&mut world, 1) else { panic!() };
    let steps = "503 matched _5XX in context [internal]\n  extensions.conf:2  1. Answer()\n  \
extensions.conf:3  2. Wait(3)";
    assert!(now.text.starts_with("503 matched _5XX in context [internal]\n"), "{}", now.text);
    assert!(now.text.contains("extensions.conf:3  2. Wait("), "{} {steps}", now.text);
    world.hang_up(&answered);
    let ControlReply::Explained(then) = explained(&mut world, 1) else { panic!() };
    assert_eq!((then.from.as_str(), then.to.as_str()), ("alice", "503"));
    assert!(then.text.starts_with(now.text.trim_end()), "{}", then.text);
    assert_eq!(then.considered, now.considered);
    assert!(
        then.considered.contains("  _5XX") && then.considered.contains("fits and comes first"),
        "{}",
        then.considered
    );
    world
        .send(ALICE, &invite("999", "", OFFER).replace("bKa1", "bKa9").replace("Call-ID: c1", "Call-ID: c9"));
    let refused = world.only("SIP/2.0 404");
    assert_eq!(reason_of(&refused), "Q.850;cause=1;text=\"No such number, explain 2\"");
    let ControlReply::Explained(why) = explained(&mut world, 2) else { panic!() };
    assert_eq!(why.text, "no extension of context [internal] matches 999\n");
    assert!(why.considered.contains("  _5XX"), "{}", why.considered);
    assert_eq!(explained(&mut world, 7), ControlReply::NotKnown { call: 7 });
    let forged = invite("9%0A500", "", OFFER);
    world.send(ALICE, &forged.replace("bKa1", "bKa8").replace("Call-ID: c1", "Call-ID: c8"));
    let ControlReply::Explained(why) = explained(&mut world, 3) else { panic!() };
    assert_eq!(why.text, "no extension of context [internal] matches 9\u{fffd}500\n");
    world.input(Input::Config { config: Arc::new(Config::default()), listeners: listeners() });
    let ControlReply::Explained(why) = explained(&mut world, 2) else { panic!() };
    assert_eq!(why.considered, "", "the plan that it followed is gone");
}

#[test]
fn what_a_dialplan_keeps_is_stored_and_comes_back() {
    use crate::border::Record;
    let plan = "exten => 500,1,Set(DB(night/mode)=on)\n same => n,Set(DB(night/x)=1)\n same => n,Set(x=${DB_DELETE(night/x)})\n\
exten => 501,1,Hangup(${IF($[\"${DB(night/mode)}\" = \"on\"]?17:1)})\n";
    let mut world = planned(plan);
    world.send(ALICE, &invite("500", "", OFFER));
    let records = world.out.iter().filter_map(|action| match action {
        Action::Store { record: record @ (Record::Keep { .. } | Record::Forget { .. }), .. } => {
            Some(record.clone())
        }
        _ => None,
    });
    let keep = |key: &str, value: &str| Record::Keep {
        family: "night".into(),
        key: key.into(),
        value: value.into(),
    };
    let forget = Record::Forget { family: "night".into(), key: "x".into() };
    assert_eq!(records.collect::<Vec<_>>(), [keep("mode", "on"), keep("x", "1"), forget]);
    world.pass(Duration::from_secs(40));
    world.sent();
    let again = |text: String| text.replace("bKa1", "bKa2").replace("Call-ID: c1", "Call-ID: c2");
    world.send(ALICE, &again(invite("501", "", OFFER)));
    assert_eq!(world.lines(), "alice: SIP/2.0 486 Busy Here\n");
    let boot = Boot {
        listeners: listeners(),
        shards: 1,
        values: vec![("night".into(), "mode".into(), "on".into())],
        ..Boot::default()
    };
    let config = Arc::clone(world.telex.config_in_force());
    world.telex = Signalling::new(config, Seed::from_number(2), boot);
    let ports = (0..64).map(|n| PortId(10_000 + 2 * n)).collect();
    world.input(Input::Media { shard: ShardId(0), report: MediaReport::Ports { ports } });
    world.out.clear();
    world.send(ALICE, &invite("501", "", OFFER));
    assert_eq!(world.lines(), "alice: SIP/2.0 486 Busy Here\n");
}

#[test]
fn a_call_keeps_the_plan_it_began_with() {
    let plan =
        |digit: &str| format!("exten => 500,1,Answer()\n same => n,Wait(1)\n same => n,Playback({digit})\n");
    let mut world = planned(&plan("welcome"));
    let first = world.answered("500");
    let other = planned(&plan("closed"));
    let config = Arc::clone(other.telex.config_in_force());
    world.input(Input::Config { config, listeners: listeners() });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hears().1, ["welcome"]);
    world.hang_up(&first);
    world.out.clear();
    let again = |text: String| text.replace("bKa1", "bKa2").replace("Call-ID: c1", "Call-ID: c2");
    world.send(ALICE, &again(invite("500", "", OFFER)));
    world.pass(Duration::from_secs(1));
    let played = world.out.iter().any(|action| {
        matches!(action, Action::Media { command: MediaCommand::PutLeg { spec, .. }, .. }
            if format!("{:?}", spec.playing).contains("closed"))
    });
    assert!(played, "a new call follows the new plan");
}

#[test]
fn groups_and_devices_are_counted() {
    let mut world = planned(
        "exten => 500,1,Set(GROUP(lines)=out)\n same => n,GotoIf($[${GROUP_COUNT(out@lines)} > 1]?full)\n same => n,Answer()\n\
 same => n,Wait(60)\n same => n(full),Hangup(34)\n\
exten => 501,1,GotoIf($[\"${DEVICE_STATE(PJSIP/alice)}\" = \"INUSE\"]?busy)\n same => n,Hangup(1)\n same => n(busy),Hangup(17)\n",
    );
    let answered = world.answered("500");
    let other = |number: &str, n: u32| {
        invite(number, "", OFFER)
            .replace("bKa1", &format!("bKa{n}"))
            .replace("Call-ID: c1", &format!("Call-ID: c{n}"))
    };
    world.sent();
    world.send(ALICE, &other("500", 2));
    assert_eq!(world.lines(), "alice: SIP/2.0 503 Service Unavailable\n");
    world.send(ALICE, &other("501", 3));
    assert_eq!(world.lines(), "alice: SIP/2.0 486 Busy Here\n");
    world.hang_up(&answered);
}

#[test]
fn a_name_that_is_looked_up_too_late_rings_nobody() {
    let text = "exten => 500,1,Dial(PJSIP/door,10)\n same => n,Dial(PJSIP/bob,60)\n";
    let mut world = planned_with(text, |config| {
        let contact = FixedContact { uri: "sip:door@door.example".into(), address: None };
        config.phones.insert("door".into(), Phone { contact: Some(contact), ..Phone::default() });
    });
    world.send(ALICE, &invite("500", "", OFFER));
    let query = world.out.iter().find_map(|action| match action {
        Action::Resolve { query, .. } => Some(*query),
        _ => None,
    });
    world.pass(Duration::from_secs(10));
    let asked = world.only("INVITE sip:bob@10.0.0.2");
    let answer = Ok(vec!["10.0.0.9".parse().unwrap()]);
    world.input(Input::Resolved { query: query.expect("the door is looked up"), answer });
    assert_eq!(world.lines(), "", "nobody waits for the door any more");
    world.send(BOB, &respond(&asked, "486 Busy Here", "", ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn who_is_never_answered_does_not_listen_for_ever() {
    for step in ["Playback(closed,noanswer)", "MusicOnHold()", "Read(PIN,press-1,4,n)"] {
        let mut world = planned(&format!("exten => 500,1,{step}\n same => n,Hangup(17)\n"));
        world.send(ALICE, &invite("500", "", OFFER));
        world.out.clear();
        world.pass(crate::limits::RING - Duration::from_secs(1));
        assert!(!world.lines().contains("SIP/2.0 4"), "{step}");
        world.pass(Duration::from_secs(2));
        assert!(world.lines().contains("SIP/2.0 4"), "{step}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn music_before_the_answer_ends_when_nobody_answers() {
    let mut world = planned("exten => 500,1,Dial(PJSIP/bob,10,m)\n same => n,Wait(5)\n");
    world.send(ALICE, &invite("500", "", OFFER));
    assert!(matches!(world.leg().playing.expect("music").sound, Playing::Music(_)));
    world.pass(Duration::from_secs(10));
    assert!(world.leg().playing.is_none());
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn nothing_is_said_in_a_codec_that_nobody_here_speaks() {
    let offer = OFFER.replace("8 0 101", "97").replace("101 telephone-event", "97 AMR");
    for step in ["Playback(bye)", "Read(x,press-1,4,,,5)"] {
        let mut world =
            planned(&format!("exten => 500,1,Echo()\n same => n,{step}\n same => n,Hangup(17)\n"));
        world.send(ALICE, &invite("500", "", &offer));
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.press("#");
        world.pass(Duration::from_secs(5));
        assert!(world.lines().contains("alice: BYE"), "the end of {step} would never come");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_call_counts_from_its_first_answer_whomever_it_reaches_later() {
    let mut world = planned("exten => 500,1,Answer()\n same => n,Wait(30)\n same => n,Dial(PJSIP/bob,20)\n");
    let answered = world.answered("500");
    let begun = WallTime::from_unix_millis(1_700_000_000_000);
    world.pass(Duration::from_secs(30));
    bob_answers(&mut world);
    let kept = world.out.iter().rev().find_map(|action| match action {
        Action::Store { record: crate::border::Record::Call(record), .. } => Some((**record).clone()),
        _ => None,
    });
    let kept = kept.expect("the record is kept when bob answers");
    assert_eq!((kept.answered, kept.talked), (Some(begun), Duration::from_secs(30)));
    world.hang_up(&answered);
}

#[test]
fn who_is_called_sees_the_name_that_the_site_gave_its_phone() {
    let mut config = Config::default();
    let named = Phone { name: "Front desk".into(), ..device("sip:alice@10.0.0.1", ALICE) };
    config.phones.insert("alice".into(), named);
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let mut world = World::with(config);
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE sip:bob@10.0.0.2");
    let from = asked.header(crate::sip::HeaderName::From).unwrap();
    assert!(from.starts_with("\"Front desk\" <sip:alice@"), "{from}");
}

#[test]
fn a_busy_phone_is_busy_and_an_absent_one_absent_whatever_is_asked_after_its_dial() {
    let steps = "Dial(PJSIP/bob)\n same => n,GotoIf($[\"${DIALSTATUS}\" = \"BUSY\"]?busy)\n same => n,Hangup()\n\
                 same => n(busy),Busy(20)\n";
    for status in ["486 Busy Here", "480 Temporarily Unavailable"] {
        let mut world = planned(&format!("exten => 500,1,{steps}"));
        world.send(ALICE, &invite("500", "", OFFER));
        let asked = world.only("INVITE sip:bob@10.0.0.2");
        world.out.clear();
        world.send(BOB, &respond(&asked, status, "", ""));
        assert!(world.lines().contains(&format!("alice: SIP/2.0 {}", &status[..3])), "{}", world.lines());
    }
}
