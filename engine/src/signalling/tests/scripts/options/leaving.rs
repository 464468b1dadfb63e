//! Ways out of a Dial: by a key, by the callee alone, and the extension `h`.

use super::*;
use crate::event::{EndCause, Side};
use crate::sip::HeaderName;

fn trail(world: &mut World) -> String {
    let ControlReply::Explained(way) = explained(world, 1) else { panic!() };
    way.text.clone()
}

#[test]
fn the_callee_goes_on_where_the_dialplan_says_when_the_caller_has_hung_up() {
    let rest = "exten => h,1,NoOp(${CALLERID(num)} has left)\n[after]\nexten => s,1,Playback(bye)\n\
 same => n,NoOp(${CALLERID(num)} ${SITE})\n same => n,Wait(30)\n";
    for (option, steps) in [("F(after^s^1)", ""), ("F", " same => n,Goto(after,s,1)\n")] {
        let plan = format!(
            "exten => 500,1,Set(__SITE=north)\n same => n,Dial(PJSIP/bob,20,{option})\n{steps}{rest}"
        );
        let mut world = planned(&plan);
        let (answered, asked) = talk(&mut world);
        world.pass(Duration::from_secs(10));
        world.send(ALICE, &inside(&answered, "BYE", 9, ""));
        let lines = world.said();
        assert_eq!(lines, "alice: SIP/2.0 200 OK\n", "bob stays");
        world.input(Input::Control { id: ControlId(4), request: Control::Calls });
        let listed = match world.out.pop() {
            Some(Action::Reply { reply: ControlReply::Calls(calls), .. }) => {
                (calls[0].from.clone(), calls[0].to.clone())
            }
            other => panic!("{other:?}"),
        };
        let there = if steps.is_empty() { "s" } else { "500" };
        assert_eq!(listed, ("bob".into(), there.into()));
        let play = world.leg_of(2).playing.expect("bob hears it");
        assert!(format!("{:?}", play.sound).contains("bye"));
        let report = MediaReport::Played { leg: LegId(2), rev: 1, number: play.number };
        world.input(Input::Media { shard: ShardId(0), report });
        world.pass(Duration::from_secs(5));
        world.out.clear();
        world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
        let kept = world.kept_record();
        assert_eq!((kept.talked, kept.legs.len()), (Duration::from_secs(15), 2));
        assert_eq!(kept.cause, Some(EndCause::HungUp(Side::Caller)));
        let way = trail(&mut world);
        assert!(way.contains("NoOp(alice has left)"), "{way}");
        assert!(way.contains("the caller has hung up: bob goes on"), "{way}");
        assert!(way.contains("NoOp(bob north)"), "{way}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn a_callee_that_is_to_go_nowhere_is_let_go_and_one_that_hangs_up_first_goes_nowhere() {
    for (option, by_bob) in [("F(none^s^1)", false), ("F(after^s^1)", true)] {
        let mut world =
            planned(&format!("exten => 500,1,Dial(PJSIP/bob,20,{option})\n[after]\nexten => s,1,Wait(60)\n"));
        let (answered, asked) = talk(&mut world);
        let gone = match by_bob {
            true => {
                world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
                "alice: BYE"
            }
            false => {
                world.send(ALICE, &inside(&answered, "BYE", 9, ""));
                "bob: BYE"
            }
        };
        assert!(world.said().contains(gone), "{option}");
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
}

#[test]
fn the_extension_h_is_run_for_the_callee_too_if_that_is_wanted() {
    for (option, runs) in [("e", true), ("eg", true), ("", false)] {
        let mut world = planned(&format!(
            "exten => 500,1,Dial(PJSIP/bob,20,{option})\nexten => h,1,NoOp(${{CALLERID(num)}} is gone)\n"
        ));
        let (_, asked) = talk(&mut world);
        world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
        world.pass(Duration::from_secs(80));
        let way = trail(&mut world);
        assert_eq!(way.matches("NoOp(bob is gone)").count(), usize::from(runs), "{option}: {way}");
        assert_eq!(way.matches("NoOp(alice is gone)").count(), 1, "{way}");
        all_quiet(&world);
    }
}

#[test]
fn a_key_that_is_an_extension_leaves_a_dial_that_rings() {
    let rest = "exten => 2,1,Playback(bye)\n same => n,NoOp(${DIALSTATUS})\n same => n,Wait(30)\n\
[out]\nexten => 3,1,Playback(closed)\n same => n,Wait(30)\n";
    for (set, keys, heard) in [("X=1", "72", "bye"), ("EXITCONTEXT=out", "23", "closed")] {
        let mut world = planned(&format!(
            "exten => 500,1,Answer()\n same => n,Set({set})\n same => n,Dial(PJSIP/bob,20,dm)\n{rest}"
        ));
        let answered = world.answered("500");
        let asked = {
            let kept = world.out.clone();
            let asked = world.only("INVITE sip:bob@10.0.0.2");
            world.out = kept.into_iter().filter(|action| matches!(action, Action::Media { .. })).collect();
            asked
        };
        world.send(BOB, &respond(&asked, "180 Ringing", "", ""));
        world.press(&keys[..1]);
        assert_eq!(world.said(), "", "that is no extension");
        world.press(&keys[1..]);
        assert_eq!(world.hears().1, [heard]);
        assert!(world.said().contains("bob: CANCEL"));
        let (number, _) = world.hears();
        world.played(number);
        let way = trail(&mut world);
        assert!(way.contains(&format!("left by the key {}", &keys[1..])), "{way}");
        if heard == "bye" {
            assert!(way.contains("NoOp(CANCEL)"), "{way}");
        }
        world.send(BOB, &respond(&asked, "487 Request Terminated", "", ""));
        world.hang_up(&answered);
    }
}

#[test]
fn phones_see_whom_the_dialplan_says_as_the_caller() {
    for (option, from) in
        [("f(0300)", "<sip:0300@10.0.0.9>"), ("f(\"Shop\" <0300>)", "\"Shop\" <sip:0300@10.0.0.9>")]
    {
        let mut world = planned(&format!("exten => 500,1,Dial(PJSIP/bob,20,{option})\n"));
        world.send(ALICE, &invite("500", "Privacy: id\n", OFFER));
        let asked = world.only("INVITE sip:bob");
        let shown = asked.header(HeaderName::From).unwrap();
        assert_eq!(shown.split(";tag=").next(), Some(from));
    }
}
