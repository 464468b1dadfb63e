//! How long calls and their talks last, whatever the clock on the wall says, keys that take their time, and what is
//! heard meanwhile.

use super::*;
use crate::config::DigitsBy;
use crate::time::WallTime;
use std::fmt::Write as _;

#[test]
fn a_clock_that_is_set_does_not_change_how_long_a_call_may_last() {
    const NOW: u64 = 1_700_000_000_000;
    for clock in [NOW - 3_600_000, NOW + 3_600_000] {
        let plan = "exten => 500,1,Set(TIMEOUT(absolute)=10)\n same => n,Answer()\n same => n,Wait(4)\n\
                    same => n,Log(NOTICE,left ${TIMEOUT(absolute)})\n same => n,Wait(60)\n\
                    exten => T,1,Hangup(21)\n";
        let mut world = planned(plan);
        world.answered("500");
        world.pass(Duration::from_secs(2));
        world.input(Input::Wall(WallTime::from_unix_millis(clock)));
        world.pass(Duration::from_millis(7_900));
        assert!(world.noted().ends_with("left 6.000"), "{}", world.noted());
        assert!(!world.lines().contains("BYE"));
        world.pass(Duration::from_millis(200));
        assert!(world.lines().contains("alice: BYE"), "{clock}");
    }
}

impl World {
    /// The last line of a dialplan for the log.
    fn noted(&self) -> String {
        let noted = self.events.iter().rev().find_map(|event| match event {
            Event::Dialplan { text, .. } => Some(text.to_string()),
            _ => None,
        });
        noted.unwrap_or_default()
    }
}

#[test]
fn h_knows_how_long_a_talk_was_whoever_ends_it() {
    const H: &str = "exten => h,1,Log(NOTICE,${DIALSTATUS}/${DIALEDTIME}/${ANSWEREDTIME})\n";
    for (who, option, expected) in [
        ("bob", "", "ANSWER/9/7"),
        ("alice", "", "ANSWER/9/7"),
        ("bob", "g", "ANSWER/9/7"),
        ("time", "S(7)", "ANSWER/9/7"),
        ("cancel", "", "CANCEL//"),
        ("busy", "", "BUSY//"),
    ] {
        let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20,{option})\n{H}"));
        world.send(ALICE, &invite("500", "", OFFER));
        let asked = world.only("INVITE sip:bob@10.0.0.2");
        world.pass(Duration::from_millis(2_500));
        match who {
            "cancel" => world.send(ALICE, &invite("500", "", "").replace("INVITE", "CANCEL")),
            "busy" => world.send(BOB, &respond(&asked, "486 Busy Here", "", "")),
            _ => {
                world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
                let answered = world.only("SIP/2.0 200");
                world.send(ALICE, &inside(&answered, "ACK", 1, ""));
                world.pass(Duration::from_millis(7_100));
                match who {
                    "bob" => world.send(BOB, &from_bob(&asked, "BYE", 1, "", "")),
                    "alice" => world.hang_up(&answered),
                    _ => {}
                }
            }
        }
        assert_eq!(world.noted(), expected, "{who} {option}");
    }
}

/// The INFOs sent since the last look, answered: what they said, to whom.
fn told(world: &mut World) -> String {
    let mut told = String::new();
    for (to, message) in world.sent() {
        if message.raw().starts_with(b"INFO") {
            let who = if to.to_string() == ALICE { ALICE } else { BOB };
            let body = String::from_utf8_lossy(message.body()).replace("\r\n", " ");
            let _ = write!(told, "{} {body}", if who == ALICE { "alice" } else { "bob" });
            world.send(who, &respond(&message, "200 OK", "", ""));
        }
    }
    told
}

#[test]
fn a_phone_that_wants_info_gets_the_keys_of_the_dialplan_by_info_one_after_the_other() {
    let plan =
        "exten => 500,1,Answer()\n same => n,SendDTMF(1w2,250)\n same => n,Dial(PJSIP/bob,20,D(78:9))\n";
    let mut world = planned_with(plan, |config| {
        for phone in config.phones.values_mut() {
            phone.digits = DigitsBy::Info;
        }
    });
    world.send(ALICE, &invite("500", "", OFFER));
    assert!(world.leg().presses.keys.is_empty());
    let (mut line, mut rung) = (String::new(), None);
    for tenth in 0..40 {
        let sent = world.out.clone();
        let said = told(&mut world);
        if !said.is_empty() {
            let _ = write!(line, "{tenth}: {said}| ");
        }
        world.out = sent;
        for (_, message) in world.sent() {
            if message.raw().starts_with(b"SIP/2.0 200") && tenth == 0 {
                world.send(ALICE, &inside(&message, "ACK", 1, ""));
            } else if message.raw().starts_with(b"INVITE") {
                rung = Some(message);
            }
        }
        if tenth == 20 {
            let asked = rung.take().expect("bob is rung");
            world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
        }
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(
        line,
        "0: alice Signal=1 Duration=160 | 10: alice Signal=2 Duration=160 | 21: bob Signal=7 Duration=160 alice \
         Signal=9 Duration=160 | 24: bob Signal=8 Duration=160 | "
    );
}

#[test]
fn who_waits_hears_the_music_that_the_dialplan_has_set() {
    let plan = "exten => 500,1,Set(CHANNEL(musicclass)=radio)\n same => n,Dial(PJSIP/bob,20,m)\n\
                exten => 501,1,Dial(PJSIP/bob,20,m)\nexten => 502,1,Set(CHANNEL(musicclass)=radio)\n\
                 same => n,MusicOnHold()\n";
    let class = |spec: LegSpec| match spec.playing.map(|play| play.sound) {
        Some(Playing::Music(class)) => class.to_string(),
        other => panic!("{other:?}"),
    };
    for (number, waits, held) in [("500", "radio", "radio"), ("501", "default", "jazz")] {
        let mut world = planned_with(plan, |config| config.music = Some("jazz".into()));
        world.send(ALICE, &invite(number, "", OFFER));
        assert_eq!(class(world.leg()), waits);
        bob_answers(&mut world);
        let answered = world.only("SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        let hold = format!("{}a=sendonly\n", OFFER.replace("o=- 1 1", "o=- 1 2"));
        world.send(ALICE, &inside(&answered, "INVITE", 2, &hold));
        let bob = world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg: LegId(2), spec, .. }, .. } => Some(spec),
            _ => None,
        });
        assert_eq!(class((**bob.expect("bob hears something else")).clone()), held);
    }
    let mut world = planned(plan);
    world.send(ALICE, &invite("502", "", OFFER));
    assert_eq!(class(world.leg()), "radio");
}
