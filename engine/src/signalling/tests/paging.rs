//! One who speaks to many, and phones that answer by themselves.

use super::transfer::{CAROL, Talk, find, three_with};
use super::*;
use crate::event::EndCause;
use crate::mediactl::{LegId, LegSpec, Playing, RoomMode};
use crate::sip::HeaderName;

/// Alice pages; she is answered, and gives what bob and carol were asked with.
fn page(plan: &str) -> (Talk, Vec<Message>) {
    let mut world = three_with(plan, |_| {});
    world.send(ALICE, &invite("800", "", OFFER));
    let kept = world.out.clone();
    let sent = world.sent();
    let asked: Vec<Message> =
        sent.iter().map(|(_, m)| m.clone()).filter(|m| m.raw().starts_with(b"INVITE")).collect();
    let answered = find(&sent, "SIP/2.0 200");
    world.out = kept;
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let talk = Talk { world, asked: asked.first().cloned().unwrap_or_else(|| answered.clone()), answered };
    (talk, asked)
}

fn mode(world: &World) -> Option<RoomMode> {
    world.out.iter().rev().find_map(|action| match action {
        Action::Media { command: MediaCommand::PutRoom { spec, .. }, .. } => Some(spec.mode),
        _ => None,
    })
}

/// Whether what a leg hears begins with a beep, and whether the room hears it.
fn hears(leg: &LegSpec) -> (bool, bool) {
    let beep = leg.playing.as_ref().is_some_and(|play| play.over && matches!(play.sound, Playing::Tones(_)));
    assert!(leg.accept.iter().all(|accepted| accepted.forward.is_none()), "it is mixed");
    (beep, !leg.accept.is_empty())
}

fn answers(talk: &mut Talk, asked: &[Message]) {
    for (who, asked) in [BOB, CAROL].iter().zip(asked) {
        talk.world.send(who, &respond(asked, "200 OK", "", ANSWER));
    }
}

#[test]
fn phones_answer_by_themselves_and_hear_the_caller_alone() {
    let (mut talk, asked) = page("exten => 800,1,Page(PJSIP/bob&PJSIP/carol)\n");
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        let raw = String::from_utf8_lossy(asked.raw()).into_owned();
        assert!(raw.contains("\r\nCall-Info: <sip:telex.invalid>;answer-after=0\r\n"), "{raw}");
        assert!(
            raw.contains("\r\nAlert-Info: <http://telex.invalid>;info=alert-autoanswer;delay=0\r\n"),
            "{raw}"
        );
        assert!(asked.header(HeaderName::From).unwrap().contains("sip:alice@"));
    }
    assert_eq!(mode(&talk.world), Some(RoomMode::Mix));
    assert_eq!(hears(&talk.leg(1)), (true, true));
    answers(&mut talk, &asked);
    let room = talk.leg(1).room;
    for leg in [2, 3] {
        assert_eq!((talk.leg(leg).room, hears(&talk.leg(leg))), (room, (true, false)), "it is not heard");
    }
    talk.world.out.clear();
    // Who leaves leaves the others.
    talk.world.send(BOB, &from_bob(&asked[0], "BYE", 1, "", ""));
    assert_eq!(talk.world.lines(), "bob: SIP/2.0 200 OK\n");
    talk.by_alice("BYE", 2, "");
    let sent = talk.world.sent();
    let bye = find(&sent, "BYE sip:");
    assert_eq!(bye.header(HeaderName::Reason), Some("SIP;cause=200;text=\"Caller hung up\""));
    talk.ok(CAROL, &bye);
    let ended = talk.world.events.last().unwrap();
    let caller = crate::event::Side::Caller;
    assert!(matches!(ended, Event::CallEnded { cause: EndCause::HungUp(side), .. } if *side == caller));
    talk.quiet();
}

#[test]
fn both_ways_all_are_heard_and_without_a_beep_if_that_is_wanted() {
    let (mut talk, asked) = page("exten => 800,1,Page(PJSIP/bob&PJSIP/carol,dq)\n");
    answers(&mut talk, &asked);
    for leg in 1..=3 {
        assert_eq!(hears(&talk.leg(leg)), (false, true));
    }
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn phones_that_refuse_or_are_late_are_left_out_and_without_any_the_plan_goes_on() {
    let plan = "exten => 800,1,Page(PJSIP/bob&PJSIP/carol,,10)\n same => n,Hangup(17)\n";
    for late in [false, true] {
        let (mut talk, asked) = page(plan);
        talk.world.send(BOB, &respond(&asked[0], "486 Busy Here", "", ""));
        talk.world.out.clear();
        if late {
            talk.world.send(CAROL, &respond(&asked[1], "180 Ringing", "", ""));
            talk.world.pass(Duration::from_secs(10));
            assert!(talk.world.lines().contains("CANCEL"));
        } else {
            talk.world.send(CAROL, &respond(&asked[1], "200 OK", "", ANSWER));
            talk.world.pass(Duration::from_secs(11));
            assert!(!talk.world.lines().contains("BYE"), "who has answered may listen as long as she likes");
            let bye = from_bob(&asked[1], "BYE", 1, "", "").replace("10.0.0.2", "10.0.0.3");
            talk.world.send(CAROL, &bye);
            assert!(talk.world.lines().contains("alice: BYE"));
        }
        talk.quiet();
    }
}

#[test]
fn who_is_in_a_call_is_left_in_peace() {
    let (mut talk, asked) =
        page("exten => 800,1,Page(PJSIP/alice&PJSIP/bob&PJSIP/bell)\n same => n,Hangup()\n");
    assert_eq!(asked.len(), 1, "alice is in a call: this one; and there is no bell");
    talk.world.send(BOB, &respond(&asked[0], "480 Temporarily Unavailable", "", ""));
    let ControlReply::Explained(way) = scripts::explained(&mut talk.world, 1) else { panic!() };
    assert!(way.text.contains("-> asked: 1, in a call: 1"), "{}", way.text);
    talk.quiet();
}

#[test]
fn a_page_ends_at_any_step() {
    for step in 0..4 {
        let (mut talk, asked) = page("exten => 800,1,Page(PJSIP/bob&PJSIP/carol)\n");
        if step > 0 {
            talk.world.send(BOB, &respond(&asked[0], "180 Ringing", "", ""));
        }
        if step > 1 {
            talk.world.send(BOB, &respond(&asked[0], "200 OK", "", ANSWER));
        }
        if step > 2 {
            talk.world.input(Input::Control { id: ControlId(1), request: Control::Hangup { call: 1 } });
        } else {
            talk.by_alice("BYE", 2, "");
        }
        // An answer that comes too late.
        talk.world.send(CAROL, &respond(&asked[1], "200 OK", "", ANSWER));
        talk.quiet();
    }
}

#[test]
fn an_intercom_is_a_dial_with_what_makes_a_phone_answer() {
    let plan = "exten => 800,1,Set(PJSIP_HEADER(add,Call-Info)=<sip:x>\\;answer-after=0)\n same => n,Dial(PJSIP/bob)\n";
    let mut world = three_with(plan, |_| {});
    world.send(ALICE, &invite("800", "", OFFER));
    let asked = world.only("INVITE sip:bob");
    let raw = String::from_utf8_lossy(asked.raw()).into_owned();
    assert!(raw.contains("\r\nCall-Info: <sip:x>;answer-after=0\r\n"), "{raw}");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let put = |leg: u64| {
        world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg: LegId(id), spec, .. }, .. }
                if *id == leg =>
            {
                Some(!spec.accept.is_empty())
            }
            _ => None,
        })
    };
    assert_eq!((put(1), put(2)), (Some(true), Some(true)), "both are heard");
}

/// Whether an RTP packet of G.711 has sound in it.
fn sounds(packet: &[u8]) -> bool {
    let (kind, payload) = (packet[1] & 0x7f, packet.get(12..).unwrap_or_default());
    let loud = |byte: &u8| if kind == 8 { (byte ^ 0x55) & 0x7f > 0x40 } else { byte & 0x7f < 0x40 };
    matches!(kind, 0 | 8) && payload.iter().any(loud)
}

/// The ports that send sound while somebody speaks for a second.
fn listeners(talk: &mut Talk, from: &str, port: u16) -> Vec<u16> {
    let mut heard = std::collections::BTreeSet::new();
    for n in 0..50_u8 {
        let [high, low] = (u16::from(n) * 160).to_be_bytes();
        let mut bytes = vec![0x80, 0, 0, n, 0, 0, high, low, 1, 2, 3, 4];
        bytes.extend((0..160).map(|at| if at / 10 % 2 == 0 { 0x10 } else { 0x90 }));
        let shard = &mut talk.world.shards[0];
        let mut out = MediaOut::new();
        let remote = from.parse().unwrap();
        shard.handle(talk.world.now, MediaInput::Packet { port, remote, bytes: &mut bytes }, &mut out);
        for _ in 0..20 {
            talk.world.now += Duration::from_millis(1);
            shard.handle(talk.world.now, MediaInput::Tick, &mut out);
        }
        // What was said before is still on its way at first.
        if n < 25 {
            continue;
        }
        heard.extend(out.packets.iter().filter(|packet| sounds(packet.bytes)).map(|packet| packet.port));
    }
    heard.into_iter().collect()
}

#[test]
fn one_speaks_and_all_hear() {
    for (options, back) in [("q", false), ("dq", true)] {
        let plan = format!("exten => 800,1,Page(PJSIP/bob&PJSIP/carol,{options})\n");
        let mut world = three_with(&plan, |_| {}).with_real_media();
        world.send(ALICE, &invite("800", "", OFFER));
        let sent = world.sent();
        let invites = sent.iter().map(|(_, m)| m.clone()).filter(|m| m.raw().starts_with(b"INVITE"));
        let asked: Vec<Message> = invites.collect();
        let answered = find(&sent, "SIP/2.0 200");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        let mut talk = Talk { world, asked: asked[0].clone(), answered };
        answers(&mut talk, &asked);
        let alice = talk.leg(1).port.0;
        let others = [talk.leg(2).port.0, talk.leg(3).port.0];
        assert_eq!(listeners(&mut talk, "10.0.0.1:4000", alice), others, "alice speaks");
        let heard = listeners(&mut talk, "10.0.0.2:6000", others[0]);
        assert_eq!((heard.contains(&alice), heard.contains(&others[1])), (back, back), "bob speaks");
        talk.by_alice("BYE", 2, "");
        talk.quiet();
    }
}
