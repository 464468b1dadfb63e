//! Clauses of RFC 3323 and RFC 3325: what hides who somebody is.

use super::clauses::head;
use super::identity::{field, from, world};
use super::*;
use crate::sip::HeaderName;

const PAI: HeaderName = HeaderName::PAssertedIdentity;

#[test]
fn what_tells_of_a_caller_who_hides_is_not_passed_on_and_she_is_reached_all_the_same() {
    let mut world = world("", |_| {});
    let extra = "Privacy: user;header;session;critical\nProxy-Require: privacy\nSubject: Alice calls\n\
Call-Info: <http://alice.example/a.jpg>;purpose=icon\nOrganization: Arnold Ltd\nUser-Agent: Alice's\n\
Reply-To: <sip:alice@telex>\nIn-Reply-To: alice-7\nRecord-Route: <sip:10.0.0.1:5062;lr>\n";
    world.send(ALICE, &invite("bob", extra, OFFER));
    let asked = world.only("INVITE");
    assert_eq!(from(&asked), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
    assert_eq!(asked.header(HeaderName::Contact), Some("<sip:anonymous@10.0.0.9:5060>"));
    assert_eq!(asked.values(HeaderName::Via).count(), 1);
    let raw = String::from_utf8_lossy(asked.raw()).to_lowercase();
    for hidden in ["alice", "arnold", "10.0.0.1:", "10.0.0.1\r", "privacy", "record-route"] {
        assert!(!raw.contains(hidden), "{hidden}: {raw}");
    }
    world.send(BOB, &respond(&asked, "200 OK", "", ANSWER));
    let answered = world.only("SIP/2.0 200");
    assert_eq!(answered.header(HeaderName::RecordRoute), Some("<sip:10.0.0.1:5062;lr>"));
    world.send(ALICE, &inside(&answered, "ACK", 1, ""));
    world.send(BOB, &from_bob(&asked, "BYE", 1, "", ""));
    let bye = world.only("BYE");
    assert_eq!(
        head(&bye, &["Route", "To", "Call-ID"]),
        "BYE sip:alice@10.0.0.1 SIP/2.0\nRoute: <sip:10.0.0.1:5062;lr>\n\
To: \"Alice\" <sip:alice@telex>;tag=fa\nCall-ID: c1"
    );
}

#[test]
fn none_hides_nothing() {
    let mut world = world("", |config| config.phones.get_mut("bob").unwrap().trusted = true);
    world.send(ALICE, &invite("bob", "Privacy: none\n", OFFER));
    let asked = world.only("INVITE");
    assert_eq!(from(&asked), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
    assert_eq!(field(&asked, PAI), "\"Alice Arnold\" <sip:alice@10.0.0.9>");
}

#[test]
fn privacy_that_nobody_knows_is_refused_where_it_is_critical() {
    let answer = |privacy: &str| {
        let mut world = world("", |_| {});
        world.send(ALICE, &invite("bob", &format!("Privacy: {privacy}\n"), OFFER));
        let sent = world.sent();
        head(&sent.last().unwrap().1, &[])
    };
    assert_eq!(answer("user;telepathy;critical"), "SIP/2.0 500 Privacy telepathy is not supported");
    assert_eq!(answer("Critical; \"x"), "SIP/2.0 500 Privacy of another kind is not supported");
    for done in ["telepathy", "id;critical", "header;session;user;history;critical"] {
        assert_eq!(answer(done), "INVITE sip:bob@10.0.0.2 SIP/2.0", "{done}");
    }
}

#[test]
fn what_a_callee_says_of_itself_is_not_believed_either() {
    let mut world = world("", |_| {});
    world.send(ALICE, &invite("bob", "", OFFER));
    let asked = world.only("INVITE");
    let claims = "P-Asserted-Identity: <sip:boss@telex>, <tel:+1>\nP-Preferred-Identity: <sip:boss@telex>\n";
    world.send(BOB, &respond(&asked, "200 OK", claims, ANSWER));
    let answered = world.only("SIP/2.0 200");
    assert_eq!(field(&answered, PAI), "\"Bob Brown\" <sip:bob@10.0.0.9>");
    assert!(!String::from_utf8_lossy(answered.raw()).contains("boss"));
}
