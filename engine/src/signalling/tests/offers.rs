//! Offers and answers, and what media is told of them.

use super::*;
use crate::border::CallState;
use crate::mediactl::{LegId, LegSpec};

impl World {
    /// The last wanted state of each media leg, the caller's first.
    fn legs(&self) -> Vec<LegSpec> {
        let mut legs = BTreeMap::<LegId, LegSpec>::new();
        for action in &self.out {
            if let Action::Media { command: MediaCommand::PutLeg { leg, spec, .. }, .. } = action {
                legs.insert(*leg, (**spec).clone());
            }
        }
        legs.into_values().collect()
    }

    fn state(&mut self) -> CallState {
        self.input(Input::Control { id: ControlId(1), request: Control::Calls });
        match self.out.pop() {
            Some(Action::Reply { reply: ControlReply::Calls(calls), .. }) => calls[0].state,
            other => panic!("{other:?}"),
        }
    }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

const EVENTS_OF_BOB: &str = "v=0\no=- 2 2 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 6000 RTP/AVP 0 96\n\
a=rtpmap:96 telephone-event/8000\n";

#[test]
fn events_are_sent_by_the_number_of_each_party() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "200 OK", "", EVENTS_OF_BOB));
    let legs = world.legs();
    let events: Vec<_> = legs.iter().map(|leg| leg.events.map(|payload| payload.number)).collect();
    assert_eq!(events, [Some(101), Some(96)]);
    let pairs = |leg: &LegSpec| {
        leg.accept.iter().filter_map(|map| Some((map.payload.number, map.forward?))).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&legs[0]), [(0, 0), (101, 96)]);
    assert!(pairs(&legs[1]).contains(&(96, 101)), "bob may send by his own number: {:?}", legs[1].accept);
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let other =
        OFFER.replace("RTP/AVP 8 0 101", "RTP/AVP 4").replace("a=rtpmap:101 telephone-event/8000\n", "");
    world.send(ALICE, &inside(&answered, "INVITE", 2, &(other + "a=inactive\n")));
    assert!(world.legs().is_empty());
    let refusal = world.only("SIP/2.0 488");
    let ack = inside(&refusal, "ACK", 2, "").replace("z9hG4bKACK2", "z9hG4bKINVITE2");
    world.send(ALICE, &ack);
    assert_eq!(world.state(), CallState::Up);
    world.send(ALICE, &inside(&answered, "INVITE", 3, OFFER));
    let same = world.only("SIP/2.0 200");
    assert_eq!(text(&same), text(&answered), "the same description in the same edition");
}

#[test]
fn a_reinvite_without_an_offer_that_is_never_answered_changes_nothing() {
    let mut world = World::new();
    let (answered, _) = talking(&mut world);
    let hold = OFFER.to_owned() + "a=sendonly\n";
    world.send(ALICE, &inside(&answered, "INVITE", 2, &hold));
    world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));
    assert_eq!(world.state(), CallState::Held);
    world.send(ALICE, &inside(&answered, "INVITE", 3, ""));
    let offer = world.only("SIP/2.0 200");
    assert!(text(&offer).contains("a=sendrecv"));
    assert_eq!(world.state(), CallState::Held, "not before the answer");
    world.send(ALICE, &inside(&answered, "ACK", 3, ""));
    assert_eq!(world.state(), CallState::Held);
    world.send(ALICE, &inside(&answered, "INVITE", 4, ""));
    world.only("SIP/2.0 200");
    let resume =
        OFFER.replace("RTP/AVP 8 0 101", "RTP/AVP 0").replace("a=rtpmap:101 telephone-event/8000\n", "");
    world.send(ALICE, &inside(&answered, "ACK", 4, &resume));
    assert_eq!(world.state(), CallState::Up);
    assert!(world.legs()[0].send);
}

#[test]
fn the_answer_to_a_refresh_may_move_the_media() {
    let mut world = World::new();
    talking(&mut world);
    world.pass(Duration::from_secs(900));
    let sent = world.sent();
    let refresh = &sent.iter().find(|(to, _)| to.to_string() == BOB).unwrap().1;
    assert_eq!(refresh.method().as_str(), "INVITE");
    world.send(BOB, &respond(refresh, "200 OK", "", &ANSWER.replace("6000", "6100")));
    let legs = world.legs();
    assert_eq!(legs[1].remote.map(|remote| remote.port()), Some(6100));
    assert_eq!(legs[1].latch, 2, "a new address may be learnt");
}

#[test]
fn another_fork_may_answer_what_one_has_answered_early() {
    let mut world = World::new();
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    world.send(BOB, &respond(&asked, "183 Session Progress", "", ANSWER));
    let early = world.only("SIP/2.0 183");
    let other = ANSWER.replace("RTP/AVP 0", "RTP/AVP 8").replace("6000", "6200");
    world.send(BOB, &respond(&asked, "200 OK", "", &other).replace("tag=tb", "tag=tc"));
    let legs = world.legs();
    assert_eq!(legs[1].remote.map(|remote| remote.port()), Some(6200));
    assert_eq!(legs[0].audio.map(|payload| payload.number), Some(8));
    let answered = world.only("SIP/2.0 200");
    let edition = |body: String| body.lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    assert_ne!(edition(text(&early)), edition(text(&answered)), "another description, another edition");
}

/// What each of bob's three phones was sent when alice calls him.
fn ringing_three(world: &mut World) -> Vec<Message> {
    world.send(ALICE, &invite("bob", "", OFFER));
    world.sent().into_iter().filter(|(_, m)| m.is_request()).map(|(_, m)| m).collect()
}

fn with_three_phones() -> World {
    let mut world = World::new();
    for port in [5070, 5080] {
        world.send(
            BOB,
            &format!(
                "REGISTER sip:telex SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKr{port}\n\
Max-Forwards: 70\nFrom: <sip:bob@telex>;tag=r\nTo: <sip:bob@telex>\nCall-ID: r{port}\nCSeq: 1 REGISTER\n\
Contact: <sip:bob@10.0.0.2:{port}>\nExpires: 3600\n\n"
            ),
        );
        world.only("SIP/2.0 200");
    }
    world
}

#[test]
fn phones_that_ring_together_do_not_take_the_callers_ear_from_each_other() {
    let mut world = with_three_phones();
    let asked = ringing_three(&mut world);
    assert_eq!(asked.len(), 3);
    for (phone, port) in [(0, "6000"), (1, "6002"), (0, "6000")] {
        let body = ANSWER.replace("6000", port);
        world.send(BOB, &respond(&asked[phone], "183 Session Progress", "", &body));
    }
    let legs = world.legs();
    assert_eq!(legs.len(), 2, "the caller and the first phone");
    assert_eq!(legs[1].remote.map(|remote| remote.port()), Some(6000));
    world.sent();
    // The first gives up: now the second can be heard.
    world.send(BOB, &respond(&asked[0], "486 Busy Here", "", ""));
    world.send(BOB, &respond(&asked[1], "183 Session Progress", "", &ANSWER.replace("6000", "6002")));
    assert_eq!(world.legs()[1].remote.map(|remote| remote.port()), Some(6002));
    assert_eq!(world.telex.stats().ports, 3, "the port of the first is free");
    world.send(BOB, &respond(&asked[2], "200 OK", "", ANSWER));
    assert_eq!(world.telex.stats().ports, 2);
}
