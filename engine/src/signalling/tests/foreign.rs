//! Calls that are sent to other hosts: by REFER and 302 where the site allows the host, and by a step of the dialplan.

use std::net::IpAddr;

use super::transfer::{CAROL, Talk, find, fragment, pair, talk_in, three_with};
use super::*;
use crate::border::{QueryId, Record, ResolveError};
use crate::cdr::CallRecord;
use crate::event::Side;
use crate::limits;
use crate::sip::HeaderName;
use insta::assert_snapshot;

const DAVE: &str = "192.0.2.7:5062";
const HOSTS: [&str; 3] = ["SBC.example.com", "192.0.2.7:5062", "[2001:db8::7]"];

/// Alice, bob and carol, and hosts to which they may send calls.
fn site(text: &str, hosts: &[&str]) -> World {
    three_with(text, |config| {
        config.refer_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    })
}

/// Alice and bob talk.
fn talk() -> Talk {
    talk_in(site("", &HOSTS))
}

/// A message without its body and without what is new each time.
fn head(message: &Message) -> String {
    let text = String::from_utf8_lossy(message.raw()).into_owned();
    let mut lines: Vec<String> = vec![text.lines().next().unwrap().to_owned()];
    for header in message.headers().filter(|h| {
        !["Via", "Call-ID", "CSeq", "Content-Length", "Allow", "Supported", "User-Agent"].contains(&h.name)
    }) {
        let value = header.value.split(";tag=").next().unwrap();
        lines.push(format!("{}: {value}", header.name));
    }
    lines.join("\n")
}

/// An answer of somebody else than bob.
fn answer_of(contact: &str, asked: &Message, status: &str, body: &str) -> String {
    respond(asked, status, "", body).replace("Contact: <sip:bob@10.0.0.2>", &format!("Contact: {contact}"))
}

fn refer(uri: &str) -> String {
    format!("Refer-To: <{uri}>\n")
}

fn records(world: &World) -> Vec<CallRecord> {
    let kept = world.out.iter().filter_map(|action| match action {
        Action::Store { record: Record::Call(record), .. } => Some((**record).clone()),
        _ => None,
    });
    kept.collect()
}

fn resolve(world: &World) -> Option<(QueryId, SmolStr)> {
    world.out.iter().find_map(|action| match action {
        Action::Resolve { query, host } => Some((*query, host.clone())),
        _ => None,
    })
}

fn explained(world: &mut World, call: u64) -> String {
    world.input(Input::Control { id: ControlId(9), request: Control::Explain { call } });
    let found = world.out.iter().find_map(|action| match action {
        Action::Reply { reply: ControlReply::Explained(way), .. } => Some(way.text.clone()),
        _ => None,
    });
    found.expect("the call is known")
}

fn why(message: &Message) -> String {
    message.header(HeaderName::Warning).unwrap_or_default().to_owned()
}

#[test]
fn a_transfer_to_a_host_that_is_allowed_goes_there_and_is_told_like_any_other() {
    let mut talk = talk();
    talk.by_bob(
        "REFER",
        1,
        &refer("sip:dave:secret@192.0.2.7:5062;maddr=10.6.6.6?Route=%3Csip:10.6.6.6%3E&Subject=x"),
    );
    let sent = talk.world.sent();
    find(&sent, "SIP/2.0 202");
    let notify = find(&sent, "NOTIFY");
    assert_eq!(fragment(&notify), pair("active", "SIP/2.0 100 Trying"));
    talk.ok(BOB, &notify);
    let (to, asked) = sent.iter().find(|(_, m)| m.raw().starts_with(b"INVITE")).unwrap();
    assert_eq!(to.to_string(), DAVE);
    assert_snapshot!(head(asked), @r#"
    INVITE sip:dave@192.0.2.7:5062 SIP/2.0
    Max-Forwards: 69
    From: "Alice" <sip:alice@10.0.0.9>
    To: <sip:dave@192.0.2.7>
    Contact: <sip:alice@10.0.0.9:5060>
    Session-Expires: 1800
    Min-SE: 90
    Content-Type: application/sdp
    "#);
    talk.world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", asked, "180 Ringing", ""));
    assert_eq!(talk.told(BOB), pair("active", "SIP/2.0 180 Ringing"));
    talk.world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", asked, "200 OK", ANSWER));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 200 OK"));
    let bye = talk.world.only("BYE sip:bob");
    talk.ok(BOB, &bye);
    assert_eq!(talk.outcomes(), [(Side::Callee, None), (Side::Callee, Some(200))]);
    assert_eq!(talk.listed(), [("alice".into(), "dave@192.0.2.7".into())]);
    talk.world.out.clear();
    talk.by_alice("BYE", 2, "");
    let kept = records(&talk.world).pop().unwrap();
    let legs: Vec<&str> = kept.legs.iter().map(|leg| leg.contact.as_str()).collect();
    assert_eq!(
        (kept.to.as_str(), legs[1..].to_vec()),
        ("bob", vec!["sip:bob@10.0.0.2", "sip:dave@192.0.2.7:5062"])
    );
    let bye = talk.world.only("BYE sip:dave@192.0.2.7:5062");
    talk.ok(DAVE, &bye);
    assert_snapshot!(explained(&mut talk.world, 1), @"bob sends it to sip:dave@192.0.2.7:5062; the caller hung up, cause 16");
    talk.quiet();
}

#[test]
fn a_name_is_looked_up_and_a_transport_obeyed() {
    let mut talk = talk();
    talk.by_alice("REFER", 2, &refer("sip:dave@sbc.EXAMPLE.com:5070"));
    let (query, host) = resolve(&talk.world).expect("the host is looked up");
    assert_eq!(host, "sbc.EXAMPLE.com");
    talk.world.sent();
    let there: IpAddr = "192.0.2.99".parse().unwrap();
    talk.world.input(Input::Resolved { query, answer: Ok(vec![there]) });
    let sent = talk.world.sent();
    assert_eq!(sent[0].0.to_string(), "192.0.2.99:5070");
    assert!(sent[0].1.header(HeaderName::From).unwrap().contains("sip:bob@"), "who is sent there calls");
    drop(talk);

    let mut talk = self::talk();
    talk.by_bob("REFER", 1, &refer("sip:dave@192.0.2.7:5062;transport=TCP"));
    let connects = talk
        .world
        .out
        .iter()
        .any(|action| matches!(action, Action::Connect { remote, .. } if remote.to_string() == DAVE));
    assert!(connects);
}

#[test]
fn a_host_where_nobody_answers_gives_the_call_back() {
    let mut talk = talk();
    talk.by_bob("REFER", 1, &refer("sip:dave@sbc.example.com"));
    let (query, _) = resolve(&talk.world).unwrap();
    let notify = talk.world.only("NOTIFY");
    talk.ok(BOB, &notify);
    talk.world.input(Input::Resolved { query, answer: Err(ResolveError::NotFound) });
    assert_eq!(talk.leg(1).room, talk.leg(2).room, "alice and bob are together again");
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 480 Temporarily Unavailable"));

    talk.by_bob("REFER", 2, &refer("sip:dave@192.0.2.7:5062"));
    let sent = talk.world.sent();
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    let asked = find(&sent, "INVITE sip:dave");
    talk.world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", &asked, "486 Busy Here", ""));
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 486 Busy Here"));
    assert_eq!(talk.listed(), [("alice".into(), "bob".into())]);
    talk.world.out.clear();
    talk.by_bob("BYE", 3, "");
    let bye = talk.world.only("BYE sip:alice");
    talk.ok(ALICE, &bye);
    talk.quiet();
}

#[test]
fn everything_else_stays_refused_and_costs_nothing() {
    let not_listed = "that is another host's, and none of [sip] refer_hosts";
    for (uri, status, reason) in [
        ("sip:dave@evil.example", 403, not_listed),
        ("sip:dave@sbc.example.com.evil.example", 403, not_listed),
        ("sip:sbc.example.com@evil.example", 403, not_listed),
        ("sip:dave@192.0.2.7", 403, not_listed),
        ("sip:dave@192.0.2.7:5063", 403, not_listed),
        ("tel:+4930123", 403, not_listed),
        ("sips:dave@sbc.example.com", 403, "only sip: URIs are dialled at other hosts"),
        ("sip:dave@sbc.example.com;transport=tls", 403, "other hosts are dialled by UDP and TCP only"),
        ("sip:sbc.example.com", 400, ""),
        ("sip:dave@sbc.example.com;method=BYE", 400, ""),
        ("mailto:dave@sbc.example.com", 416, ""),
    ] {
        let mut talk = talk();
        talk.by_bob("REFER", 1, &refer(uri));
        let refused = talk.world.only(&format!("SIP/2.0 {status}"));
        assert!(why(&refused).contains(reason), "{uri}: {}", why(&refused));
        assert_eq!(talk.world.telex.stats().legs, 2, "{uri}");
    }
    let mut talk = talk_in(site("", &[]));
    talk.by_bob("REFER", 1, &refer("sip:dave@sbc.example.com"));
    let refused = talk.world.only("SIP/2.0 403");
    assert_eq!(why(&refused), "399 telex \"that is another host's, and [sip] refer_hosts names none\"");
}

#[test]
fn our_own_addresses_stay_ours_whatever_the_list_says() {
    let mut talk = talk_in(site("", &["10.0.0.9", "telex"]));
    for (cseq, uri) in [(1, "sip:999@10.0.0.9:5060"), (2, "sip:999@telex")] {
        talk.by_bob("REFER", cseq, &refer(uri));
        assert_eq!(talk.world.lines(), "bob: SIP/2.0 404 Not Found\n", "{uri}");
    }
}

#[test]
fn a_dialog_at_another_host_is_replaced_by_the_invite_that_goes_there() {
    let mut talk = talk();
    let uri = "sip:dave@192.0.2.7:5062?Replaces=x1%40sbc%3Bfrom-tag%3Dff%3Bto-tag%3Dtt&Route=%3Csip:evil%3E";
    talk.by_bob("REFER", 1, &refer(uri));
    let sent = talk.world.sent();
    talk.ok(BOB, &find(&sent, "NOTIFY"));
    let asked = find(&sent, "INVITE sip:dave@192.0.2.7:5062 ");
    assert_eq!(asked.header(HeaderName::Replaces), Some("x1@sbc;to-tag=tt;from-tag=ff"));
    assert_eq!(asked.header(HeaderName::Require), Some("replaces"));
    assert!(asked.header(HeaderName::Route).is_none());
    talk.world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", &asked, "481 Gone", ""));
    assert_eq!(talk.leg(1).room, talk.leg(2).room, "alice and bob are together again");
    assert_eq!(talk.told(BOB), pair("terminated", "SIP/2.0 480 Temporarily Unavailable"));

    // Nothing of it reaches a host that is not allowed, and what cannot be read is told.
    talk.by_bob("REFER", 2, &refer(&uri.replace("192.0.2.7:5062", "evil.example")));
    let refused = talk.world.only("SIP/2.0 603");
    assert!(why(&refused).contains("no call of this exchange has the dialog"), "{}", why(&refused));
    talk.by_bob("REFER", 3, &refer("sip:dave@192.0.2.7:5062?Replaces=x1%0D%0ARoute:x"));
    talk.world.only("SIP/2.0 400");
    talk.by_bob("REFER", 4, &refer(&uri.replace("x1%40sbc", &"x".repeat(limits::AWAY_URI))));
    talk.world.only("SIP/2.0 400");
}

/// Alice talks with dave at another host.
fn with_dave() -> (Talk, Message) {
    let mut talk = talk();
    talk.by_bob("REFER", 1, &refer("sip:dave@192.0.2.7:5062"));
    let asked = find(&talk.world.sent(), "INVITE sip:dave");
    talk.world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", &asked, "200 OK", ANSWER));
    talk.world.out.clear();
    (talk, asked)
}

#[test]
fn who_is_at_another_host_may_not_dial_here() {
    let (mut talk, asked) = with_dave();
    let mut by_dave = |cseq, uri: &str| {
        talk.world.send(
            DAVE,
            &from_bob(&asked, "REFER", cseq, &refer(uri), "")
                .replace("10.0.0.2:5060", DAVE)
                .replace("10.0.0.2", DAVE),
        );
        talk.world.sent()
    };
    for (cseq, uri) in [(1, "sip:carol@telex"), (2, "sip:carol@10.0.0.9"), (3, "sip:x@evil.example")] {
        find(&by_dave(cseq, uri), "SIP/2.0 403");
    }
    // The list is for all who talk.
    let sent = by_dave(4, "sip:erin@192.0.2.7:5062");
    find(&sent, "SIP/2.0 202");
    let erin = find(&sent, "INVITE sip:erin@192.0.2.7:5062");
    assert!(erin.header(HeaderName::From).unwrap().contains("sip:alice@"));
}

#[test]
fn who_came_to_talk_with_another_host_hands_that_one_on() {
    let (mut talk, _) = with_dave();
    talk.by_alice("REFER", 2, "Refer-To: <sip:carol@telex>\n");
    let asked = find(&talk.world.sent(), "INVITE sip:carol");
    let from = asked.header(HeaderName::From).unwrap();
    assert!(from.starts_with("<sip:dave@10.0.0.9>"), "{from}");
    talk.world.send(CAROL, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(talk.listed(), [("dave@192.0.2.7".into(), "carol".into())]);
}

/// A refusal of `whom` that sends us elsewhere.
fn moved(asked: &Message, contact: &str) -> String {
    answer_of(contact, asked, "302 Moved Temporarily", "")
}

fn warned(world: &World, what: &str) -> bool {
    world.events.iter().any(|event| matches!(event, Event::Dialplan { text, .. } if text.contains(what)))
}

#[test]
fn a_302_to_a_host_that_is_allowed_is_followed() {
    let mut world = site("", &HOSTS);
    world.send(ALICE, &invite("bob", "", OFFER));
    let bob = world.only("INVITE");
    world.send(BOB, &moved(&bob, "<sip:x@evil.example>;q=0.9, <sip:dave@192.0.2.7:5062>;q=0.5"));
    let (to, asked) = world.sent().into_iter().find(|(_, m)| m.raw().starts_with(b"INVITE")).unwrap();
    assert_eq!(to.to_string(), DAVE);
    assert_snapshot!(head(&asked), @r#"
    INVITE sip:dave@192.0.2.7:5062 SIP/2.0
    Max-Forwards: 69
    From: "Alice" <sip:alice@10.0.0.9>
    To: <sip:dave@192.0.2.7>
    Contact: <sip:alice@10.0.0.9:5060>
    Session-Expires: 1800
    Min-SE: 90
    Diversion: <sip:bob@10.0.0.9>;reason=unconditional;counter=1
    Content-Type: application/sdp
    "#);
    world.send(DAVE, &answer_of("<sip:dave@192.0.2.7:5062>", &asked, "200 OK", ANSWER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.out.clear();
    world.send(ALICE, &inside(&answered, "BYE", 2, ""));
    let kept = records(&world).pop().unwrap();
    let legs: Vec<_> = kept.legs.iter().map(|leg| (leg.contact.as_str(), leg.refused)).collect();
    assert_eq!(legs[1..], [("sip:bob@10.0.0.2", Some(302)), ("sip:dave@192.0.2.7:5062", None)]);
    let way = explained(&mut world, 1);
    assert!(way.contains("bob sends its calls on: sip:dave@192.0.2.7:5062"), "{way}");
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}

#[test]
fn a_302_of_another_host_leads_to_no_number_here_and_not_round() {
    for (contact, reason) in [
        ("<sip:carol@10.0.0.9>", "only phones of this exchange send calls to its numbers"),
        ("<tel:carol>", "only phones of this exchange send calls to its numbers"),
        ("<sip:dave@192.0.2.7:5062>", "it goes round in a circle"),
        ("<sip:dave@evil.example>", "that is another host's, and none of [sip] refer_hosts"),
    ] {
        let mut world = site("", &HOSTS);
        world.send(ALICE, &invite("bob", "", OFFER));
        let bob = world.only("INVITE");
        world.send(BOB, &moved(&bob, "<sip:dave@192.0.2.7:5062>"));
        let dave = find(&world.sent(), "INVITE sip:dave");
        world.send(DAVE, &moved(&dave, contact));
        assert!(world.lines().contains("alice: SIP/2.0 480"), "{contact}");
        assert!(warned(&world, reason), "{contact}: {:?}", world.events);
        world.pass(Duration::from_secs(80));
        all_quiet(&world);
    }
    // Round and round with a new name each time has an end.
    let mut world = site("", &HOSTS);
    world.send(ALICE, &invite("bob", "", OFFER));
    let mut asked = world.only("INVITE");
    for n in 0..100 {
        let from = if n == 0 { BOB } else { DAVE };
        world.send(from, &moved(&asked, &format!("<sip:d{n}@192.0.2.7:5062>")));
        let sent = world.sent();
        let Some((_, next)) = sent.into_iter().find(|(_, m)| m.raw().starts_with(b"INVITE")) else { break };
        let last = match n {
            0 => "<sip:bob@10.0.0.9>;reason=unconditional;counter=1".to_owned(),
            _ => format!("<sip:d{}@10.0.0.9>;reason=unconditional;counter=1", n - 1),
        };
        assert_eq!(next.values(HeaderName::Diversion).next(), Some(last.as_str()));
        asked = next;
        assert!(n < 20, "it ends");
    }
    assert!(warned(&world, "sent elsewhere too often"));
}

#[test]
fn a_302_to_who_is_busy_is_busy() {
    for (number, status) in
        [("carol", "486 Busy Here"), ("501", "486 Busy Here"), ("502", "403 Forbidden"), ("503", "480")]
    {
        let plan = "exten => 501,1,Busy()\nexten => 502,1,Hangup(21)\nexten => 503,1,Hangup()\n";
        let mut world = three_with(plan, |config| {
            config.phones.insert("dora".into(), device("sip:dora@10.0.0.4", "10.0.0.4:5060"));
        });
        let mut config = (**world.telex.config_in_force()).clone();
        config.phones.get_mut("carol").unwrap().call_waiting = Some(1);
        world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
        // Carol is in a call.
        let busy = invite("carol", "", OFFER).replace("10.0.0.1", "10.0.0.4").replace("alice", "dora");
        world.send("10.0.0.4:5060", &busy.replace("c1", "c7").replace("z9hG4bKa1", "z9hG4bKd1"));
        world.sent();
        world.send(ALICE, &invite("bob", "", OFFER));
        let bob = find(&world.sent(), "INVITE sip:bob");
        world.send(BOB, &moved(&bob, &format!("<sip:{number}@10.0.0.9>")));
        let lines = world.lines();
        assert!(lines.contains(&format!("alice: SIP/2.0 {status}")), "{number}: {lines}");
    }
}

#[test]
fn a_step_of_the_dialplan_names_somebody_at_another_host() {
    let plan = "exten => _9.,1,Dial(PJSIP/carol/sip:${EXTEN:1}@192.0.2.7:5062\\;transport=udp,20)\n\
                 same => n,Dial(PJSIP/nobody/sip:1@192.0.2.7)\n same => n,Dial(PJSIP/carol/sip:1@192.0.2.7\\;transport=ws)\n";
    let mut world = three_with(plan, |_| {});
    let mut config = (**world.telex.config_in_force()).clone();
    config.phones.get_mut("carol").unwrap().trusted = true;
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    world.send(ALICE, &invite("9123%40evil.example%3Btransport=tcp", "", OFFER));
    let (to, asked) = world.sent().into_iter().find(|(_, m)| m.raw().starts_with(b"INVITE")).unwrap();
    assert_eq!(to.to_string(), DAVE);
    assert_snapshot!(head(&asked), @r#"
    INVITE sip:123%40evil.example;transport=tcp@192.0.2.7:5062;transport=udp SIP/2.0
    Max-Forwards: 69
    From: "Alice" <sip:alice@10.0.0.9>
    To: <sip:123%40evil.example;transport=tcp@192.0.2.7>
    Contact: <sip:alice@10.0.0.9:5060>
    Session-Expires: 1800
    Min-SE: 90
    P-Asserted-Identity: "Alice" <sip:alice@10.0.0.9>
    Content-Type: application/sdp
    "#);
    world.send(DAVE, &answer_of("<sip:x@192.0.2.7:5062>", &asked, "404 Not Found", ""));
    assert!(world.lines().contains("alice: SIP/2.0 480"));
    assert!(warned(&world, "sip:1@192.0.2.7 is left out: there is no phone nobody"));
    assert!(warned(&world, "is left out: other hosts are dialled by UDP and TCP only"));
    let way = explained(&mut world, 1);
    assert!(
        way.contains("Dial(PJSIP/carol/sip:123@evil.example;transport=tcp@192.0.2.7:5062;transport=udp,20)"),
        "{way}"
    );
    world.pass(Duration::from_secs(80));
    all_quiet(&world);
}
