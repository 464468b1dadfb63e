//! Transfers: RFC 3515 and the flows of RFC 5589 that an exchange has a part in.

use super::*;
use crate::event::Side;
use crate::mediactl::{LegId, LegSpec};
use crate::sip::HeaderName;
use telex_dialplan::Dialplan;

pub(super) const CAROL: &str = "10.0.0.3:5060";

/// Alice, bob and carol, with more extensions.
fn three(text: &str) -> World {
    three_with(text, |_| {})
}

/// The same with something else configured.
pub(super) fn three_with(text: &str, configure: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::default();
    configure(&mut config);
    for (name, address) in [("alice", ALICE), ("bob", BOB), ("carol", CAROL)] {
        let (ip, _) = address.split_once(':').unwrap();
        config.phones.insert(name.into(), device(&format!("sip:{name}@{ip}"), address));
    }
    let own = config.own_dialplan().replace("[internal]", "[internal](+)");
    config.dialplan =
        Some(Dialplan::parse("extensions.conf", &format!("[internal]\n{text}\n{own}")).unwrap());
    // Rooms go where there are ports: all to one shard until the other has some.
    World::on_shards(config, 2)
}

/// Alice and bob talk.
pub(super) struct Talk {
    pub(super) world: World,
    /// What bob was asked with.
    pub(super) asked: Message,
    /// What alice was answered with.
    pub(super) answered: Message,
}

pub(super) fn talk(text: &str) -> Talk {
    talk_in(three(text))
}

/// Alice has dialled this, and talks with bob.
fn talk_to(number: &str, text: &str) -> Talk {
    talk_by(three(text), number)
}

/// Alice calls bob, who answers.
pub(super) fn talk_in(world: World) -> Talk {
    talk_by(world, "bob")
}

fn talk_by(mut world: World, number: &str) -> Talk {
    world.send(ALICE, &invite(number, "", OFFER));
    let asked = world.only("INVITE sip:bob");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.out.clear();
    Talk { world, asked, answered }
}

impl Talk {
    pub(super) fn by_bob(&mut self, method: &str, cseq: u32, extra: &str) {
        let text = from_bob(&self.asked, method, cseq, extra, "");
        self.world.send(BOB, &text);
    }

    pub(super) fn by_alice(&mut self, method: &str, cseq: u32, extra: &str) {
        let text = inside(&self.answered, method, cseq, "");
        self.world.send(ALICE, &text.replacen("Contact:", &format!("{extra}Contact:"), 1));
    }

    pub(super) fn ok(&mut self, from: &str, request: &Message) {
        self.world.send(from, &respond(request, "200 OK", "", ""));
    }

    /// The NOTIFY sent since the last look: its state and what it tells. It is answered.
    pub(super) fn told(&mut self, who: &str) -> (String, String) {
        let notify = self.world.only("NOTIFY");
        let told = fragment(&notify);
        self.ok(who, &notify);
        told
    }

    pub(super) fn leg(&self, leg: u64) -> LegSpec {
        let put = self.world.out.iter().rev().find_map(|action| match action {
            Action::Media { command: MediaCommand::PutLeg { leg: LegId(id), spec, .. }, .. }
                if *id == leg =>
            {
                Some(spec)
            }
            _ => None,
        });
        (**put.expect("the leg was put")).clone()
    }

    /// Who talks with whom, as `telex calls` shows it.
    pub(super) fn listed(&mut self) -> Vec<(SmolStr, SmolStr)> {
        self.world.input(Input::Control { id: ControlId(7), request: Control::Calls });
        let calls = self.world.out.iter().find_map(|action| match action {
            Action::Reply { reply: ControlReply::Calls(calls), .. } => Some(calls.clone()),
            _ => None,
        });
        calls.unwrap().into_iter().map(|call| (call.from, call.to)).collect()
    }

    pub(super) fn outcomes(&self) -> Vec<(Side, Option<u16>)> {
        let events = self.world.events.iter();
        let outcomes = events.filter_map(|event| match event {
            Event::Transfer { side, status, .. } => Some((*side, *status)),
            _ => None,
        });
        outcomes.collect()
    }

    pub(super) fn quiet(mut self) {
        self.world.pass(Duration::from_secs(100));
        all_quiet(&self.world);
    }
}

pub(super) fn fragment(notify: &Message) -> (String, String) {
    let event = notify.header(HeaderName::Event).unwrap();
    assert!(event.starts_with("refer;id="), "{event}");
    assert_eq!(notify.header(HeaderName::ContentType), Some("message/sipfrag;version=2.0"));
    let state = notify.header(HeaderName::SubscriptionState).unwrap();
    let text = String::from_utf8(notify.body().to_vec()).unwrap();
    (state.split(';').next().unwrap().to_owned(), text.trim().to_owned())
}

pub(super) fn find(sent: &[(SocketAddr, Message)], start: &str) -> Message {
    let found: Vec<_> = sent.iter().filter(|(_, m)| m.raw().starts_with(start.as_bytes())).collect();
    assert_eq!(found.len(), 1, "one {start}");
    found[0].1.clone()
}

pub(super) fn pair(state: &str, text: &str) -> (String, String) {
    (state.to_owned(), text.to_owned())
}

pub(super) const TO_CAROL: &str = "Refer-To: <sip:carol@telex>\n";

#[test]
fn a_callee_sends_the_caller_to_a_third() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, TO_CAROL);
    assert!(talk.leg(1).playing.is_some(), "alice hears that it rings");
    let aside = talk.leg(2);
    assert!(aside.accept.is_empty() && aside.room != talk.leg(1).room, "bob hears and says nothing");
    let sent = talk.world.sent();
    find(&sent, "SIP/2.0 202");
    let asked = find(&sent, "INVITE sip:carol@10.0.0.3");
    assert!(asked.header(HeaderName::From).unwrap().contains("sip:alice@"));
    let notify = find(&sent, "NOTIFY");
    assert_eq!(fragment(&notify), pair("active", "SIP/2.0 100 Trying"));
    talk.ok(BOB, &notify);
    talk.world.send(CAROL, &respond(&asked, "180 Ringing", "", ""));
    assert_eq!(talk.told(BOB), pair("active", "SIP/2.0 180 Ringing"));
    talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
    let rooms = (talk.leg(1).room, talk.leg(3).room);
    assert_eq!(rooms.0, rooms.1, "alice and carol are together");
    assert!(talk.leg(1).playing.is_none() && !talk.leg(3).accept.is_empty());
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Transferred"));
    talk.ok(BOB, &bye);
    assert_eq!(talk.outcomes(), [(Side::Callee, None), (Side::Callee, Some(200))]);
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.only("BYE sip:");
    talk.ok(CAROL, &bye);
    talk.quiet();
}

#[test]
fn a_caller_sends_the_callee_to_a_third_and_hangs_up_by_itself() {
    let mut talk = talk("");
    talk.by_alice("REFER", 2, TO_CAROL);
    let sent = talk.world.sent();
    let asked = find(&sent, "INVITE sip:carol@10.0.0.3");
    assert!(asked.header(HeaderName::From).unwrap().contains("sip:bob@"), "bob calls now");
    talk.ok(ALICE, &find(&sent, "NOTIFY"));
    talk.by_alice("BYE", 3, "");
    assert_eq!(talk.world.lines(), "alice: SIP/2.0 200 OK\n");
    talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(talk.leg(2).room, talk.leg(3).room, "bob and carol are together");
    assert!(!talk.leg(2).accept.is_empty());
    let list = talk.listed();
    assert_eq!(list, [("bob".into(), "carol".into())]);
    talk.world.out.clear();
    talk.by_bob("BYE", 1, "");
    let bye = talk.world.only("BYE sip:");
    talk.ok(CAROL, &bye);
    talk.quiet();
}

#[test]
fn a_transfer_that_fails_gives_the_call_back() {
    for caller in [false, true] {
        let mut talk = talk("");
        let who = if caller { ALICE } else { BOB };
        match caller {
            true => talk.by_alice("REFER", 2, TO_CAROL),
            false => talk.by_bob("REFER", 1, TO_CAROL),
        }
        let sent = talk.world.sent();
        talk.ok(who, &find(&sent, "NOTIFY"));
        let asked = find(&sent, "INVITE sip:carol");
        talk.world.send(CAROL, &respond(&asked, "486 Busy Here", "", ""));
        assert_eq!(talk.leg(1).room, talk.leg(2).room, "they are together again");
        assert!(talk.leg(1).playing.is_none() && !talk.leg(1).accept.is_empty());
        assert!(!talk.leg(2).accept.is_empty());
        assert_eq!(talk.told(who), pair("terminated", "SIP/2.0 486 Busy Here"));
        let side = if caller { Side::Caller } else { Side::Callee };
        assert_eq!(talk.outcomes(), [(side, None), (side, Some(486))]);
        // It may try again, and hang up in the end.
        talk.by_bob("REFER", 5, "Refer-To: <sip:nobody@telex>\n");
        assert_eq!(talk.world.lines(), "bob: SIP/2.0 404 Not Found\n");
        talk.by_alice("BYE", 6, "");
        let bye = talk.world.only("BYE sip:bob");
        talk.ok(BOB, &bye);
        talk.quiet();
    }
}

#[test]
fn a_call_that_is_given_back_lasts_no_longer_than_it_might() {
    let mut talk = talk_to("600", "exten => 600,1,Dial(PJSIP/bob,,S(30))\n");
    talk.world.pass(Duration::from_secs(10));
    talk.by_bob("REFER", 1, TO_CAROL);
    let sent = talk.world.sent();
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    talk.world.pass(Duration::from_secs(10));
    talk.world.send(CAROL, &respond(&find(&sent, "INVITE sip:carol"), "486 Busy Here", "", ""));
    talk.told(BOB);
    talk.world.pass(Duration::from_millis(9_900));
    assert_eq!(talk.world.lines(), "");
    talk.world.pass(Duration::from_millis(200));
    let sent = talk.world.sent();
    talk.ok(ALICE, &find(&sent, "BYE sip:alice"));
    talk.ok(BOB, &find(&sent, "BYE sip:bob"));
    talk.quiet();
}

#[test]
fn a_transfer_that_fails_without_its_transferor_ends_the_call() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, TO_CAROL);
    let sent = talk.world.sent();
    talk.by_bob("BYE", 2, "");
    // The answer to the NOTIFY crosses the BYE.
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    talk.world.out.clear();
    talk.world.send(CAROL, &respond(&find(&sent, "INVITE sip:carol"), "486 Busy Here", "", ""));
    let bye = talk.world.only("BYE sip:alice");
    talk.ok(ALICE, &bye);
    talk.quiet();
}

#[test]
fn who_is_transferred_may_hang_up() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, TO_CAROL);
    let sent = talk.world.sent();
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    let asked = find(&sent, "INVITE sip:carol");
    talk.world.send(CAROL, &respond(&asked, "180 Ringing", "", ""));
    talk.told(BOB);
    talk.by_alice("BYE", 2, "");
    let sent = talk.world.sent();
    let cancel = find(&sent, "CANCEL");
    talk.ok(CAROL, &cancel);
    talk.world.send(CAROL, &respond(&asked, "487 Request Terminated", "", ""));
    let notify = find(&sent, "NOTIFY");
    assert_eq!(fragment(&notify), pair("terminated", "SIP/2.0 487 Request Terminated"));
    talk.ok(BOB, &notify);
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk.quiet();
}

#[test]
fn a_transferor_that_is_lost_does_not_hold_the_others_up() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, TO_CAROL);
    let asked = find(&talk.world.sent(), "INVITE sip:carol");
    talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(talk.leg(1).room, talk.leg(3).room);
    talk.world.pass(Duration::from_secs(70));
    assert_eq!(talk.listed().len(), 1, "alice and carol talk");
    talk.world.out.clear();
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.only("BYE sip:bob@10.0.0.2");
    talk.ok(CAROL, &bye);
    talk.quiet();
}

#[test]
fn who_wants_no_notify_gets_none() {
    let mut talk = talk("");
    talk.by_bob("REFER", 1, &format!("Refer-Sub: false\nSupported: norefersub\n{TO_CAROL}"));
    let sent = talk.world.sent();
    assert_eq!(find(&sent, "SIP/2.0 200").header(HeaderName::ReferSub), Some("false"));
    talk.world.send(CAROL, &respond(&find(&sent, "INVITE sip:carol"), "200 OK", "", ANSWER));
    let sent = talk.world.sent();
    assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"NOTIFY")));
    talk.ok(BOB, &find(&sent, "BYE sip:bob"));
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.only("BYE sip:");
    talk.ok(CAROL, &bye);
    talk.quiet();
}

#[test]
fn a_transfer_to_what_the_exchange_does_itself_is_done_at_once() {
    let mut talk = talk("exten => 600,1,Echo()\n");
    talk.by_bob("REFER", 1, "Refer-To: <sip:600@10.0.0.9>\n");
    let notify = talk.world.only("NOTIFY");
    assert_eq!(fragment(&notify).1, "SIP/2.0 100 Trying");
    talk.ok(BOB, &notify);
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn what_cannot_be_transferred_is_refused_and_changes_nothing() {
    let mut talk = talk("exten => 600,1,Echo()\n");
    let refused = |talk: &mut Talk, cseq, extra, status: &str| {
        talk.by_bob("REFER", cseq, extra);
        assert_eq!(talk.world.lines(), format!("bob: SIP/2.0 {status}\n"), "{extra}");
    };
    refused(&mut talk, 1, "", "400 Bad Request");
    refused(&mut talk, 2, "Refer-To: <sip:carol@example.com>\n", "403 Forbidden");
    refused(&mut talk, 3, "Refer-To: <http://telex/>\n", "416 Unsupported URI Scheme");
    refused(&mut talk, 4, "Refer-To: <sip:carol@telex;method=BYE>\n", "400 Bad Request");
    refused(&mut talk, 5, "Refer-To: <sip:1234@telex>\n", "404 Not Found");
    talk.by_bob("REFER", 6, TO_CAROL);
    let sent = talk.world.sent();
    refused(&mut talk, 7, TO_CAROL, "491 Request Pending");
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    talk.world.send(CAROL, &respond(&find(&sent, "INVITE sip:carol"), "603 Decline", "", ""));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 603 Decline"));
    talk.by_bob("BYE", 8, "");
    let bye = talk.world.only("BYE sip:alice");
    talk.ok(ALICE, &bye);
    talk.quiet();
}

#[test]
fn who_is_alone_with_the_exchange_has_nobody_to_transfer() {
    let mut world = three("exten => 600,1,Echo()\n");
    world.send(ALICE, &invite("600", "", OFFER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    let refer = inside(&answered, "REFER", 2, "");
    world.send(ALICE, &refer.replacen("Contact:", &format!("{TO_CAROL}Contact:"), 1));
    world.only("SIP/2.0 603");
    world.send(ALICE, &inside(&answered, "BYE", 3, ""));
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

/// Bob, who talks with alice, calls carol: our INVITE to her, if any, and the Refer-To that names his dialog.
pub(super) fn consult(talk: &mut Talk, number: &str, answer: bool) -> (Option<Message>, String) {
    let call = invite(number, "", OFFER)
        .replace("10.0.0.1", "10.0.0.2")
        .replace("Alice", "Bob")
        .replace("alice", "bob")
        .replace("tag=fa", "tag=fb")
        .replace("c1", "c2");
    talk.world.send(BOB, &call);
    let sent = talk.world.sent();
    let asked = sent.iter().find(|(_, m)| m.raw().starts_with(b"INVITE")).map(|(_, m)| m.clone());
    let mut to_bob = sent;
    if let Some(asked) = &asked {
        let body = if answer { ANSWER.replace("10.0.0.2", "10.0.0.3") } else { String::new() };
        let status = if answer { "200 OK" } else { "180 Ringing" };
        talk.world.send(CAROL, &respond(asked, status, "", &body));
        to_bob = talk.world.sent();
    }
    let told = to_bob.iter().find(|(to, m)| to.to_string() == BOB && !m.is_request()).unwrap().1.clone();
    if told.status().unwrap().is_success() {
        let ack = inside(&told, "ACK", 1, "").replace("10.0.0.1", "10.0.0.2").replace("alice", "bob");
        talk.world.send(BOB, &ack.replace("tag=fa", "tag=fb").replace("c1", "c2"));
    }
    talk.world.out.clear();
    let to = told.to().unwrap().tag().unwrap().to_owned();
    let refer = format!("Refer-To: <sip:{number}@telex?Replaces=c2%3Bto-tag%3D{to}%3Bfrom-tag%3Dfb>\n");
    (asked, refer)
}

#[test]
fn two_calls_become_one_and_who_joined_them_is_let_go() {
    let mut talk = talk("");
    let (_, refer) = consult(&mut talk, "carol", true);
    talk.by_bob("REFER", 1, &refer);
    assert_eq!(talk.leg(1).room, talk.leg(4).room, "alice and carol are together");
    assert!(!talk.leg(1).accept.is_empty() && !talk.leg(4).accept.is_empty());
    let sent = talk.world.sent();
    find(&sent, "SIP/2.0 202");
    assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"INVITE")), "nobody is asked again");
    let bye = find(&sent, "BYE sip:bob");
    assert_eq!(bye.header(HeaderName::CallId), Some("c2"));
    talk.ok(BOB, &bye);
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    assert_eq!(talk.listed(), [("alice".into(), "carol".into())]);
    talk.world.out.clear();
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.sent().into_iter().find(|(_, m)| m.is_request()).unwrap();
    assert_eq!(bye.0.to_string(), CAROL);
    talk.ok(CAROL, &bye.1);
    talk.quiet();
}

#[test]
fn each_record_tells_what_was_carried_in_its_call() {
    let mut talk = talk("");
    let (_, refer) = consult(&mut talk, "carol", true);
    let carried = |talk: &mut Talk, received| {
        let stats = LegStats { received, ..LegStats::default() };
        let report = MediaReport::Carried { leg: LegId(4), stats };
        talk.world.input(Input::Media { shard: ShardId(0), report });
    };
    carried(&mut talk, 5);
    talk.by_bob("REFER", 1, &refer);
    carried(&mut talk, 12);
    let record = talk.world.out.iter().find_map(|action| match action {
        Action::Store { record: crate::border::Record::Call(call), .. } if call.id == 2 => Some(call.clone()),
        _ => None,
    });
    let legs = record.expect("the call in between is over").legs;
    assert_eq!(legs.iter().map(|leg| leg.stats.received).collect::<Vec<_>>(), [0, 5]);
    talk.world.out.clear();
    talk.world.input(Input::Control { id: ControlId(8), request: Control::Calls });
    let calls = talk.world.out.iter().find_map(|action| match action {
        Action::Reply { reply: ControlReply::Calls(calls), .. } => Some(calls.clone()),
        _ => None,
    });
    assert_eq!(calls.unwrap()[0].callee.received, 7);
}

#[test]
fn a_party_brings_its_port_along_from_another_shard() {
    let mut talk = talk_in(three("").with_real_media());
    let (alice, carol) = ("10.0.0.1:4000", "10.0.0.3:6000");
    let to = |port: u16, whom: &str| vec![(port, whom.to_owned())];
    assert_eq!(talk.world.rtp(alice, 10_000, 1), to(10_002, "10.0.0.2:6000"));
    let (_, refer) = consult(&mut talk, "carol", true);
    assert_eq!(talk.world.rtp(carol, 20_002, 1), to(20_000, "10.0.0.2:4000"));
    talk.by_bob("REFER", 1, &refer);
    let (leg, port) = (LegId(4), PortId(20_002));
    let gives = talk.world.out.iter().any(|action| {
        let command = MediaCommand::GiveLeg { leg, port, to: ShardId(0) };
        *action == Action::Media { shard: ShardId(1), command }
    });
    assert!(gives);
    assert_eq!((talk.leg(4).room, talk.leg(4).port), (talk.leg(1).room, port));
    assert_eq!(talk.world.rtp(carol, 20_002, 2), to(10_000, alice));
    assert_eq!(talk.world.rtp(alice, 10_000, 2), to(20_002, carol));
    let sent = talk.world.sent();
    assert!(sent.iter().all(|(_, m)| !m.raw().starts_with(b"INVITE")), "no phone is told");
    talk.ok(BOB, &find(&sent, "BYE sip:bob"));
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    talk.told(BOB);
    talk.by_bob("BYE", 2, "");
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.sent().into_iter().find(|(to, m)| m.is_request() && to.to_string() == CAROL);
    talk.ok(CAROL, &bye.unwrap().1);
    let carried = talk.world.events.iter().filter_map(|event| match event {
        Event::CallEnded { call: 1, callee, .. } => Some(callee.received),
        _ => None,
    });
    assert_eq!(carried.collect::<Vec<_>>(), [2], "what was carried on both shards");
    for shard in &talk.world.shards {
        assert_eq!((shard.stats().legs, shard.stats().rooms), (0, 0));
    }
    talk.quiet();
}

#[test]
fn the_party_that_came_from_another_call_ends_this_one() {
    let mut talk = talk("");
    let (asked, refer) = consult(&mut talk, "carol", true);
    talk.by_bob("REFER", 1, &refer);
    talk.by_bob("BYE", 2, "");
    talk.world.out.clear();
    talk.world.send(CAROL, &from_bob(&asked.unwrap(), "BYE", 1, "", ""));
    let sent = talk.world.sent();
    find(&sent, "SIP/2.0 200");
    talk.ok(ALICE, &find(&sent, "BYE sip:alice"));
    talk.quiet();
}

#[test]
fn a_target_that_still_rings_is_asked_for_who_is_transferred() {
    let mut talk = talk("");
    let (before, refer) = consult(&mut talk, "carol", false);
    talk.by_bob("REFER", 1, &refer);
    let sent = talk.world.sent();
    let cancel = find(&sent, "CANCEL sip:carol");
    talk.ok(CAROL, &cancel);
    talk.world.send(CAROL, &respond(&before.unwrap(), "487 Request Terminated", "", ""));
    find(&sent, "SIP/2.0 487");
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    let asked = find(&sent, "INVITE sip:carol");
    assert!(asked.header(HeaderName::From).unwrap().contains("sip:alice@"));
    talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    talk.by_alice("BYE", 2, "");
    let bye = talk.world.only("BYE sip:");
    talk.ok(CAROL, &bye);
    talk.quiet();
}

#[test]
fn who_talks_with_the_exchange_itself_brings_another_there() {
    let mut talk = talk("exten => 600,1,Echo()\n");
    let (_, refer) = consult(&mut talk, "600", true);
    talk.by_bob("REFER", 1, &refer);
    let sent = talk.world.sent();
    find(&sent, "SIP/2.0 202");
    assert_eq!(find(&sent, "BYE sip:bob").header(HeaderName::CallId), Some("c2"));
    assert_eq!(talk.listed(), [("alice".into(), "600".into())]);
    talk.by_alice("BYE", 2, "");
    talk.quiet();
}

#[test]
fn a_dialog_of_nobody_or_of_another_is_replaced_by_nobody() {
    let mut talk = talk("");
    let (_, refer) = consult(&mut talk, "carol", true);
    talk.by_bob("REFER", 1, &refer.replace("%3Dfb", "%3Dfx"));
    assert_eq!(talk.world.lines(), "bob: SIP/2.0 603 Decline\n");
    talk.by_bob("REFER", 2, &refer.replace("Replaces=c2", "Replaces=c9"));
    let refused = talk.world.only("SIP/2.0 603");
    let why = "399 telex \"no call of this exchange has the dialog that Replaces names\"";
    assert_eq!(refused.header(HeaderName::Warning), Some(why));
    talk.by_bob("REFER", 3, "Refer-To: <sip:carol@example.com>\n");
    let refused = talk.world.only("SIP/2.0 403");
    let why = "399 telex \"that is another host's, and [sip] refer_hosts names none\"";
    assert_eq!(refused.header(HeaderName::Warning), Some(why));
    // The dialog is bob's, and alice has nothing to say about it.
    talk.by_alice("REFER", 2, &refer);
    assert_eq!(talk.world.lines(), "alice: SIP/2.0 403 Forbidden\n");
}
