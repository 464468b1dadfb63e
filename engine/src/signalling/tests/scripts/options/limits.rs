//! How long two may talk, and what they are told of it.

use super::*;
use crate::event::EndCause;

impl World {
    /// The prompts that somebody who talks hears instead of the other, if any.
    fn is_told(&self, party: u64) -> Option<(u32, String)> {
        let play = self.leg_of(party).playing?;
        let Playing::Prompts { pieces, .. } = play.sound else { panic!("{:?}", play.sound) };
        assert!(!play.over, "it is understood");
        let name = |piece: &Piece| match piece {
            Piece::Prompt(name) => name.to_string(),
            Piece::Pause(ms) => format!("{ms} ms"),
        };
        Some((play.number, pieces.iter().map(name).collect::<Vec<_>>().join(" ")))
    }

    /// It has heard that.
    fn has_heard(&mut self, party: u64) {
        let (number, _) = self.is_told(party).expect("it is told something");
        let report = MediaReport::Played { leg: LegId(party), rev: 1, number };
        self.input(Input::Media { shard: ShardId(0), report });
    }

    fn words(&self, party: u64) -> String {
        self.is_told(party).map(|(_, words)| words).unwrap_or_default()
    }
}

fn limited(options: &str, variables: &str) -> String {
    let set = variables.split_whitespace().map(|set| format!(" same => n,Set({set})\n")).collect::<String>();
    format!(
        "exten => 500,1,NoOp()\n{set} same => n,Dial(PJSIP/bob,20,{options})\n same => n,Playback(closed)\n"
    )
}

#[test]
fn two_who_talk_are_told_at_the_beginning_before_the_end_and_at_the_end() {
    let variables = "LIMIT_CONNECT_FILE=welcome LIMIT_TIMEOUT_FILE=bye LIMIT_PLAYAUDIO_CALLEE=yes";
    let mut world = planned(&limited("L(60000:30000:20000)", variables));
    talk(&mut world);
    assert_eq!((world.words(1), world.words(2)), ("welcome".into(), "welcome".into()));
    let room = world.room_of(1);
    let relayed = world.leg_of(1).accept;
    assert!(relayed.iter().any(|accepted| accepted.forward.is_some()), "the talk goes on");
    world.has_heard(1);
    assert_eq!((world.words(1), world.words(2)), (String::new(), "welcome".into()));
    world.has_heard(2);
    world.pass(Duration::from_millis(29_999));
    assert_eq!((world.words(1), world.words(2)), (String::new(), String::new()));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.words(1), "vm-youhave digits/30 seconds");
    assert_eq!(world.words(2), "vm-youhave digits/30 seconds");
    assert_eq!((world.room_of(1), world.room_of(2), world.leg_of(1).accept), (room, room, relayed));
    world.has_heard(1);
    world.has_heard(2);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.words(1), "vm-youhave digits/10 seconds");
    world.has_heard(1);
    world.said();
    world.pass(Duration::from_secs(10));
    assert_eq!((world.words(1), world.words(2), world.said()), ("bye".into(), "bye".into(), String::new()));
    world.has_heard(2);
    assert_eq!(world.said(), "", "alice hears it yet");
    world.has_heard(1);
    let kept = world.kept_record();
    assert_eq!((kept.cause, kept.talked), (Some(EndCause::TimeUp), Duration::from_secs(60)));
    let lines = world.said();
    assert!(lines.contains("alice: BYE") && lines.contains("bob: BYE"), "{lines}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn only_the_caller_is_told_if_nothing_else_is_said_and_with_its_own_words() {
    for (options, variables, caller, callee) in [
        ("L(60000:30000)", "", "vm-youhave digits/30 seconds", ""),
        ("L(60000:30000)", "LIMIT_WARNING_FILE=closed", "closed", ""),
        (
            "L(60000:30000)",
            "LIMIT_PLAYAUDIO_CALLER=no LIMIT_PLAYAUDIO_CALLEE=yes",
            "",
            "vm-youhave digits/30 seconds",
        ),
        ("L(60000:30000)", "LIMIT_WARNING_FILE=nowhere", "", ""),
        ("L(60000)", "", "", ""),
        ("S(60)", "", "", ""),
    ] {
        let mut world = planned(&limited(options, variables));
        talk(&mut world);
        world.pass(Duration::from_secs(30));
        assert_eq!(
            (world.words(1).as_str(), world.words(2).as_str()),
            (caller, callee),
            "{options} {variables}"
        );
        world.said();
        world.pass(Duration::from_secs(30));
        assert_eq!(world.kept_record().talked, Duration::from_secs(60));
        assert!(world.said().contains("alice: BYE"));
        let ControlReply::Explained(way) = explained(&mut world, 1) else { panic!() };
        let warned = way.text.contains("warned 30 s before its time is up");
        assert_eq!(warned, options.contains(":30000"), "{}", way.text);
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn who_holds_the_call_is_told_nothing_and_a_last_word_that_nobody_hears_does_not_last() {
    let mut world = planned(&limited("L(60000:30000)g", "LIMIT_TIMEOUT_FILE=bye"));
    let (answered, _) = talk(&mut world);
    let held = OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    world.send(ALICE, &inside(&answered, "INVITE", 2, &held));
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));
    world.pass(Duration::from_secs(30));
    assert_eq!(world.words(1), "", "she would hear it when it is wrong");
    world.said();
    world.pass(Duration::from_secs(30));
    let lines = world.said();
    assert!(lines.contains("bob: BYE") && !lines.contains("alice: BYE"), "{lines}");
}

#[test]
fn the_walk_goes_on_after_the_last_word_if_the_dialplan_says_so() {
    let mut world = planned(&limited("L(60000)g", "LIMIT_TIMEOUT_FILE=bye"));
    let (answered, _) = talk(&mut world);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.words(1), "bye");
    // What media never tells does not hold a call.
    world.pass(Duration::from_secs(20));
    assert!(world.said().contains("bob: BYE"));
    assert_eq!(world.words(1), "closed");
    world.hang_up(&answered);
}

#[test]
fn a_recording_begins_and_ends_by_keys_and_one_of_the_site_does_not() {
    let recordings = |world: &World| {
        let put = world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutRoom { spec, .. }, .. } => Some(spec.recordings.len()),
            _ => None,
        });
        put.expect("there is a room")
    };
    let mut world = planned("exten => 500,1,Dial(PJSIP/bob,20,Wx)\n");
    let (answered, _) = talk(&mut world);
    for (by, expected) in [(1, 1), (1, 0), (2, 1), (1, 0)] {
        world.press_by(by, "*1");
        assert_eq!(recordings(&world), expected);
        assert!(matches!(world.leg_of(by).playing.expect("a beep").sound, Playing::Tones(_)));
        assert_eq!(world.pressed_into(3 - by), "", "a code is heard by nobody");
    }
    world.press_by(1, "*5");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.pressed_into(2), "*5");
    world.hang_up(&answered);
    let mut world =
        planned("exten => 500,1,Answer()\n same => n,MixMonitor(all.wav)\n same => n,Dial(PJSIP/bob,20,W)\n");
    let answered = world.answered("500");
    bob_picks_up(&mut world);
    world.press_by(1, "*1");
    assert_eq!(recordings(&world), 1, "what the site records goes on");
    world.hang_up(&answered);
}
