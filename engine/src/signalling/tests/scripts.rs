//! Calls that follow a dialplan.

use super::*;
use crate::mediactl::{Clip, DigitHeard, LegId, LegSpec, Piece, Playing, RoomMode};
use telex_dialplan::Dialplan;

/// Alice and bob, and this in the context of phones.
fn planned(text: &str) -> World {
    let mut config = Config::default();
    config.phones.insert("alice".into(), device("sip:alice@10.0.0.1", ALICE));
    config.phones.insert("bob".into(), device("sip:bob@10.0.0.2", BOB));
    let text =
        format!("[internal]\n{text}\n{}", config.own_dialplan().replace("[internal]", "[internal](+)"));
    let clip = Clip::of(16_000, &[0; 320]).unwrap();
    let names = ["welcome", "press-1", "closed", "bye"];
    config.sounds = Arc::new(names.iter().map(|name| ((*name).into(), clip.clone())).collect());
    config.dialplan = Some(Dialplan::parse("extensions.conf", &text).unwrap());
    World::with(config)
}

impl World {
    /// What the caller's leg is to be.
    fn leg(&self) -> LegSpec {
        let put = self.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg: LegId(1), spec, .. }, .. } => Some(spec),
            _ => None,
        });
        (**put.expect("the caller has media")).clone()
    }

    /// The prompts that the caller hears, and their number.
    fn hears(&self) -> (u32, Vec<String>) {
        let play = self.leg().playing.expect("something is played");
        let Playing::Prompts { pieces, .. } = play.sound else { panic!("{:?}", play.sound) };
        let name = |piece: Piece| match piece {
            Piece::Prompt(name) => name.to_string(),
            Piece::Pause(ms) => format!("{ms} ms"),
        };
        (play.number, pieces.into_iter().map(name).collect())
    }

    fn played(&mut self, number: u32) {
        let report = MediaReport::Played { leg: LegId(1), rev: 1, number };
        self.input(Input::Media { shard: ShardId(0), report });
    }

    fn press(&mut self, keys: &str) {
        for digit in keys.chars() {
            let how = DigitHeard::Event;
            let report = MediaReport::Digit { leg: LegId(1), rev: 1, digit, duration_ms: 100, how };
            self.input(Input::Media { shard: ShardId(0), report });
        }
    }

    /// Alice calls and is answered; gives her 200.
    fn answered(&mut self, number: &str) -> Message {
        self.send(ALICE, &invite(number, "", OFFER));
        let put = std::mem::take(&mut self.out);
        self.out.clone_from(&put);
        let answered = self.only("SIP/2.0 200");
        self.out = put;
        self.send(ALICE, &inside(&answered, "ACK", 1, ""));
        answered
    }

    fn hang_up(&mut self, answered: &Message) {
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
    let reason = refused.header(crate::sip::HeaderName::Reason).unwrap();
    assert_eq!(reason, "Q.850;cause=17;text=\"Busy, explain 1\"");
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
    assert!(world.leg().accept.iter().all(|accepted| accepted.forward.is_some()));
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
