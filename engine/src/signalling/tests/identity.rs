//! Who is shown to whom.

use super::diverted::CAROL;
use super::scripts::planned_with;
use super::*;
use crate::sip::HeaderName;

fn named(name: &str, device: Phone) -> Phone {
    Phone { name: name.into(), ..device }
}

/// Alice Arnold, Bob Brown and carol who has no name, and this in the context of phones.
pub(super) fn world(text: &str, configure: impl FnOnce(&mut Config)) -> World {
    let mut world = planned_with(text, |_| {});
    let mut config = (**world.telex.config_in_force()).clone();
    config.phones.insert("alice".into(), named("Alice Arnold", device("sip:alice@10.0.0.1", ALICE)));
    config.phones.insert("bob".into(), named("Bob Brown", device("sip:bob@10.0.0.2", BOB)));
    config.phones.insert("carol".into(), device("sip:carol@10.0.0.3", CAROL));
    configure(&mut config);
    world.input(Input::Config { config: Arc::new(config), listeners: listeners() });
    world.out.clear();
    world
}

pub(super) fn field(message: &Message, name: HeaderName) -> String {
    let all: Vec<&str> = message.values(name).collect();
    all.join(" | ")
}

pub(super) fn from(message: &Message) -> String {
    let from = message.header(HeaderName::From).unwrap();
    from.split(";tag=").next().unwrap().to_owned()
}

const UPDATES: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\n";
const PAI: HeaderName = HeaderName::PAssertedIdentity;

#[test]
fn who_wants_privacy_is_shown_to_nobody_but_to_the_operator() {
    for extra in ["Privacy: id\n", "Privacy: header;user\n"] {
        let mut world = world("", |_| {});
        world.send(ALICE, &invite("bob", extra, OFFER));
        let asked = world.only("INVITE");
        assert_eq!(from(&asked), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        let raw = String::from_utf8_lossy(asked.raw()).into_owned();
        assert!(!raw.contains("alice") && !raw.contains("Arnold"), "{raw}");
        assert!(world.events.iter().any(|e| matches!(e, Event::CallStarted { from, .. } if from == "alice")));
    }
}

#[test]
fn who_is_trusted_is_told_who_it_is() {
    let trust = |config: &mut Config| config.phones.get_mut("bob").unwrap().trusted = true;
    let mut private = world("", trust);
    private.send(ALICE, &invite("bob", "Privacy: id\n", OFFER));
    let asked = private.only("INVITE");
    assert_eq!(from(&asked), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
    assert_eq!(field(&asked, PAI), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
    assert_eq!(field(&asked, HeaderName::Privacy), "id");
    let mut open = world("", trust);
    open.send(ALICE, &invite("bob", "", OFFER));
    let asked = open.only("INVITE");
    assert_eq!(from(&asked), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
    assert_eq!(field(&asked, PAI), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
    assert_eq!(field(&asked, HeaderName::Privacy), "");
}

#[test]
fn what_a_phone_says_of_itself_is_not_believed() {
    let claims = "P-Asserted-Identity: <sip:boss@telex>\nP-Preferred-Identity: <sip:boss@telex>\n\
                  Remote-Party-ID: <sip:boss@telex>;party=calling\n";
    let mut world = world("", |config| config.phones.get_mut("bob").unwrap().trusted = true);
    world.send(ALICE, &invite("bob", claims, OFFER));
    let asked = world.only("INVITE");
    assert!(!String::from_utf8_lossy(asked.raw()).contains("boss"));
    assert_eq!(from(&asked), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
}

#[test]
fn a_dialplan_hides_and_shows_and_says_who_diverted() {
    let steps = |set: &str| format!("exten => 500,1,{set}\n same => n,Dial(PJSIP/bob)\n");
    let ask = |set: &str| {
        let mut world = world(&steps(set), |_| {});
        world.send(ALICE, &invite("500", "", OFFER));
        world.only("INVITE")
    };
    assert_eq!(
        from(&ask("Set(CALLERID(num-pres)=prohib)")),
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>"
    );
    assert_eq!(from(&ask("Set(CALLERID(pres)=secret)")), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
    assert_eq!(from(&ask("Set(CALLERID(all)=\"Shop\" <0123>)")), "\"Shop\" <sip:0123@10.0.0.9>");
    assert_eq!(from(&ask("Set(CALLERID(num)=)")), "\"Alice Arnold\" <sip:anonymous@anonymous.invalid>");
    let asked = ask("Set(CALLERID(rdnis)=bob)");
    assert_eq!(
        field(&asked, HeaderName::Diversion),
        "\"Bob Brown\" <sip:bob@10.0.0.9>;reason=unknown;counter=1"
    );
    let asked = ask("Set(CALLERID(rdnis)=700)\n same => n,Set(REDIRECTING(reason)=cfnr)");
    assert_eq!(field(&asked, HeaderName::Diversion), "<sip:700@10.0.0.9>;reason=no-answer;counter=1");
    assert_eq!(field(&ask("NoOp()"), HeaderName::Diversion), "");
}

#[test]
fn a_caller_is_told_whom_it_reached_by_the_answer() {
    for (on, told) in [(true, "\"Bob Brown\" <sip:bob@10.0.0.9>"), (false, "")] {
        let mut world = world("", |config| config.connected_line = on);
        world.send(ALICE, &invite("bob", UPDATES, OFFER));
        let asked = world.only("INVITE");
        world.send(BOB, &respond(&asked, "200 OK", UPDATES, ANSWER));
        let sent = world.sent();
        assert_eq!(sent.len(), 2, "an ACK and the answer, and nothing for bob, who knows who calls");
        assert_eq!(field(&sent[1].1, PAI), told);
        world.send(ALICE, &inside(&sent[1].1, "ACK", 1, ""));
        assert_eq!(world.lines(), "");
    }
}

#[test]
fn a_caller_that_was_answered_before_is_told_by_an_update_if_it_takes_any() {
    for (extra, option, told) in
        [(UPDATES, "", "alice: UPDATE sip:alice@10.0.0.1 SIP/2.0\n"), ("", "", ""), (UPDATES, ",20,I", "")]
    {
        let plan =
            format!("exten => 500,1,Answer()\n same => n,Wait(1)\n same => n,Dial(PJSIP/bob{option})\n");
        let mut world = world(&plan, |_| {});
        world.send(ALICE, &invite("500", extra, OFFER));
        let answered = world.only("SIP/2.0 200");
        assert_eq!(field(&answered, PAI), "", "nobody is there yet");
        world.send(ALICE, &inside(&answered, "ACK", 1, ""));
        world.pass(Duration::from_secs(1));
        let asked = world.only("INVITE sip:bob");
        world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
        let sent = world.sent();
        let update = sent.iter().find(|(_, m)| m.method().as_str() == "UPDATE").map(|(_, m)| m);
        assert_eq!(update.is_some(), !told.is_empty(), "{option}");
        if let Some(update) = update {
            assert_eq!(field(update, PAI), "\"Bob Brown\" <sip:bob@10.0.0.9>");
            assert!(update.body().is_empty(), "nothing is offered");
        }
    }
}

const NO_UPDATES: &str = "Allow: INVITE, ACK, BYE, CANCEL\n";

/// Alice, whose phone allows this, is with the exchange and then with bob, who has just answered; gives her 200.
fn reached(allow: &str, configure: impl FnOnce(&mut Config)) -> (World, Message) {
    let plan = "exten => 500,1,Answer()\n same => n,Wait(1)\n same => n,Dial(PJSIP/bob)\n";
    let mut world = world(plan, configure);
    world.send(ALICE, &invite("500", allow, OFFER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.pass(Duration::from_secs(1));
    let asked = world.only("INVITE sip:bob");
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    (world, answered)
}

/// What we have asked of alice since the last look, each request once however often it was sent.
fn to_alice(world: &mut World) -> Vec<Message> {
    let asks = |m: &Message| m.is_request() && m.method().as_str() != "ACK";
    let sent = world.sent().into_iter().filter(|(to, m)| to.to_string() == ALICE && asks(m));
    let mut sent: Vec<Message> = sent.map(|(_, m)| m).collect();
    sent.dedup_by(|a, b| a.raw() == b.raw());
    sent
}

/// What alice answers to a request of ours.
fn by_alice(request: &Message, status: &str, body: &str) -> String {
    respond(request, status, "", body).replace("sip:bob@10.0.0.2", "sip:alice@10.0.0.1")
}

#[test]
fn a_phone_without_update_is_told_by_an_invite_that_changes_nothing_once() {
    let (mut world, answered) = reached(NO_UPDATES, |_| {});
    let told = to_alice(&mut world).remove(0);
    assert_eq!(told.method().as_str(), "INVITE");
    assert_eq!(field(&told, PAI), "\"Bob Brown\" <sip:bob@10.0.0.9>");
    assert_eq!(told.body(), answered.body(), "it offers what is agreed");
    world.send(ALICE, &by_alice(&told, "200 OK", OFFER));
    assert_eq!(world.lines(), "alice: ACK sip:alice@10.0.0.1 SIP/2.0\n");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.lines(), "");
    let (mut world, _) = reached(NO_UPDATES, |config| config.connected_line_invite = false);
    assert_eq!(to_alice(&mut world).len(), 0);
    let (mut world, _) = reached("", |_| {});
    assert_eq!(to_alice(&mut world).len(), 0, "it has not said what it allows");
}

#[test]
fn one_that_refuses_to_be_told_is_left_alone_and_one_that_asks_itself_is_told_later() {
    for (status, again) in [("488 Not Acceptable Here", 0), ("403 Forbidden", 0), ("491 Request Pending", 1)]
    {
        let (mut world, answered) = reached(NO_UPDATES, |_| {});
        let told = to_alice(&mut world).remove(0);
        world.send(ALICE, &by_alice(&told, status, ""));
        world.lines();
        // Who did not make the Call-ID waits two seconds at most (RFC 3261 14.1).
        world.pass(Duration::from_millis(2000));
        let asked = to_alice(&mut world);
        assert_eq!(asked.len(), again, "{status}");
        if let Some(asked) = asked.first() {
            assert_eq!(field(asked, PAI), "\"Bob Brown\" <sip:bob@10.0.0.9>");
            world.send(ALICE, &by_alice(asked, "200 OK", OFFER));
            world.lines();
        }
        world.pass(Duration::from_secs(300));
        assert_eq!(to_alice(&mut world).len(), 0, "{status}");
        world.send(ALICE, &inside(&answered, "BYE", 9, ""));
    }
}

#[test]
fn who_is_told_by_an_invite_is_told_after_what_it_has_asked_for_itself() {
    let plan = "exten => 500,1,Answer()\n same => n,Wait(1)\n same => n,Dial(PJSIP/bob)\n";
    let mut world = world(plan, |_| {});
    world.send(ALICE, &invite("500", NO_UPDATES, OFFER));
    let answered = world.only("SIP/2.0 200");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.pass(Duration::from_secs(1));
    let asked = world.only("INVITE sip:bob");
    let again = OFFER.replace("o=- 1 1", "o=- 1 2").replace("4000", "4002");
    world.send(ALICE, &inside(&answered, "INVITE", 2, &again));
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    assert_eq!(to_alice(&mut world).len(), 0, "her ACK is still to come");
    world.send(ALICE, &inside(&answered, "ACK", 2, ""));
    world.pass(Duration::from_secs(1));
    let told = to_alice(&mut world);
    assert_eq!((told.len(), told[0].method().as_str()), (1, "INVITE"));
    // Hers crosses it.
    let third = again.replace("o=- 1 2", "o=- 1 3");
    world.send(ALICE, &inside(&answered, "INVITE", 3, &third));
    assert!(world.lines().contains("SIP/2.0 491"));
}

#[test]
fn what_a_dialplan_says_of_the_connected_line_counts() {
    let plan = "exten => 500,1,Set(CONNECTEDLINE(all)=\"Help desk\" <500>)\n same => n,Answer()\n \
                same => n,Wait(1)\n same => n,Set(CONNECTEDLINE(name)=Second line)\n \
                same => n,Set(X=${CONNECTEDLINE(all)})\n same => n,Set(CONNECTEDLINE(pres)=perhaps)\n \
                same => n,Wait(9)\n";
    let mut world = world(plan, |_| {});
    world.send(ALICE, &invite("500", UPDATES, OFFER));
    let answered = world.only("SIP/2.0 200");
    assert_eq!(field(&answered, PAI), "\"Help desk\" <sip:500@10.0.0.9>");
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    assert_eq!(world.lines(), "");
    world.pass(Duration::from_secs(1));
    let update = world.only("UPDATE");
    assert_eq!(field(&update, PAI), "\"Second line\" <sip:500@10.0.0.9>");
    world.send(ALICE, &respond(&update, "200 OK", "", ""));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.lines(), "", "it is told once");
}

#[test]
fn the_number_dialled_from_outside_is_in_the_record() {
    let did = |trusted: bool, step: &str| {
        let plan = format!("exten => 500,1,{step}\n same => n,Goto(501,1)\nexten => 501,1,Busy()\n");
        let mut world = world(&plan, |config| config.phones.get_mut("alice").unwrap().trusted = trusted);
        world.send(ALICE, &invite("500", "", OFFER));
        let kept = world.out.iter().rev().find_map(|action| match action {
            Action::Store { record: crate::border::Record::Call(record), .. } => Some((**record).clone()),
            _ => None,
        });
        let kept = kept.unwrap();
        assert_eq!(kept.to, "500", "what was dialled stays, wherever it leads");
        kept.did.to_string()
    };
    assert_eq!(did(false, "NoOp()"), "");
    assert_eq!(did(true, "NoOp()"), "500");
    assert_eq!(did(true, "Set(CALLERID(dnid)=0301500)"), "0301500");
    assert_eq!(did(false, "Set(CALLERID(dnid)=0301500)"), "0301500");
}
