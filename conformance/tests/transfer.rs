//! Baresip and Linphone hand calls over, each in the ways that it can: who is left together hears one another, and the
//! one who went is told that it is done.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::linphone::Linphone;
use telex_conformance::program::poll;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

/// What each plays, in hertz: alice, who is handed over; bob, who hands her over; carol, to whom.
const ALICE: u32 = 440;
const BOB: u32 = 880;
const CAROL: u32 = 1320;
/// Level of baresip's sine after G.711, in decibels.
const LEVEL: RangeInclusive<f64> = -8.0..=-4.0;
/// Which of linphone's calls is which: the first it took, the second it made.
const FIRST_TO_SECOND: &str = "transfer 1 --to-call 2";

fn exchange(ground: &Ground) -> Exchange {
    Plan::new(ground).phone("alice").phone("bob").phone("carol").start(ground)
}

fn baresip(ground: &Ground, exchange: &Exchange, user: &str, hertz: u32) -> Baresip {
    Phone::new(user, exchange.server(), Udp, hertz).start(ground)
}

/// Waits until `phone` has heard two seconds of a tone.
fn hears(phone: &Baresip, hertz: u32) {
    let longest = || Some(tone::find(&phone.heard().pop()?, f64::from(hertz)).longest);
    let found = poll(Duration::from_secs(30), || longest().filter(|&seconds| seconds >= 2.0));
    assert!(found.is_some(), "wanted 2 s of {hertz} Hz, heard {:?}", longest());
}

/// The last thing `phone` recorded holds this tone, at the right pitch and level.
fn heard(phone: &Baresip, hertz: u32) {
    let sound = phone.heard().pop().expect("a phone in a call has recorded it");
    tone::assert_heard(&sound, f64::from(hertz), LEVEL, 2.0);
}

/// Alice and carol talk, until alice hangs up. One call is left, and both are in its record.
fn together(mut alice: Baresip, mut carol: Baresip, exchange: Exchange) {
    hears(&carol, ALICE);
    hears(&alice, CAROL);
    let calls = poll(Duration::from_secs(10), || Some(exchange.calls()).filter(|calls| calls.len() == 1));
    assert!(calls.is_some(), "one call is left: {:?}", exchange.calls());
    alice.command("hangup");
    carol.expect("CALL_CLOSED");
    heard(&carol, ALICE);
    heard(&alice, CAROL);
    alice.stop();
    carol.stop();
    exchange.finish();
}

#[test]
fn baresip_hands_over_blindly() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("transfer-blind");
    let exchange = exchange(&ground);
    let carol = baresip(&ground, &exchange, "carol", CAROL);
    let mut bob = baresip(&ground, &exchange, "bob", BOB);
    let mut alice = baresip(&ground, &exchange, "alice", ALICE);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
    hears(&alice, BOB);
    bob.command("transfer sip:carol@telex.test");
    bob.expect("CALL_CLOSED");
    bob.stop();
    together(alice, carol, exchange);
}

/// Dave is at another host, and the site lets calls go there: his phone is asked by its address, and has not registered.
#[test]
fn baresip_hands_over_to_another_host_that_the_site_allows() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("transfer-away");
    let server = SocketAddr::from((ground.address(), 5060));
    let dave = Phone::new("dave", server, Udp, CAROL).alone().start(&ground);
    let hosts = format!("[sip]\nrefer_hosts = [\"{}\"]\n", dave.address());
    let exchange = Plan::new(&ground).at(server).with(&hosts).phone("alice").phone("bob").start(&ground);
    let mut bob = baresip(&ground, &exchange, "bob", BOB);
    let mut alice = baresip(&ground, &exchange, "alice", ALICE);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
    hears(&alice, BOB);
    bob.command(&format!("transfer sip:dave@{}", dave.address()));
    bob.expect("CALL_CLOSED");
    bob.stop();
    together(alice, dave, exchange);
}

/// Alice calls linphone, which has answered her and hears her.
fn alice_calls_linphone(ground: &Ground, exchange: &Exchange) -> (Baresip, Linphone) {
    let lin = Linphone::start(ground, "bob", exchange.server(), Udp, (f64::from(BOB), -10.0));
    let mut alice = baresip(ground, exchange, "alice", ALICE);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    hears(&alice, BOB);
    (alice, lin)
}

/// Linphone puts alice on hold and calls carol.
fn asks_carol(lin: &mut Linphone) {
    lin.command("pause");
    lin.expect("is now paused");
    lin.command("call sip:carol@telex.test");
}

const PROGRAMS: [&str; 3] = ["linphonec", "stdbuf", "baresip"];

#[test]
fn linphone_hands_over_blindly() {
    if !peers::installed(&PROGRAMS) {
        return;
    }
    let ground = Ground::new("transfer-linphone");
    let exchange = exchange(&ground);
    let carol = baresip(&ground, &exchange, "carol", CAROL);
    let (alice, mut lin) = alice_calls_linphone(&ground, &exchange);
    lin.command("transfer sip:carol@telex.test");
    together(alice, carol, exchange);
    lin.stop();
}

#[test]
fn linphone_asks_first_and_then_hands_over() {
    if !peers::installed(&PROGRAMS) {
        return;
    }
    let ground = Ground::new("transfer-attended");
    let exchange = exchange(&ground);
    let mut carol = baresip(&ground, &exchange, "carol", CAROL);
    let (alice, mut lin) = alice_calls_linphone(&ground, &exchange);
    asks_carol(&mut lin);
    carol.expect("CALL_ESTABLISHED");
    hears(&carol, BOB);
    lin.command(FIRST_TO_SECOND);
    together(alice, carol, exchange);
    lin.stop();
}

#[test]
fn linphone_hands_over_while_the_other_phone_rings() {
    if !peers::installed(&PROGRAMS) {
        return;
    }
    let ground = Ground::new("transfer-ringing");
    let exchange = exchange(&ground);
    let mut carol = Phone::new("carol", exchange.server(), Udp, CAROL).rings().start(&ground);
    let (alice, mut lin) = alice_calls_linphone(&ground, &exchange);
    asks_carol(&mut lin);
    carol.expect("CALL_INCOMING");
    lin.command(FIRST_TO_SECOND);
    // It goes where linphone's call went: that call ends, and another rings, in whatever order they arrive.
    let seen = |carol: &mut Baresip, kind: &str| carol.kinds().iter().filter(|seen| *seen == kind).count();
    let rings = poll(Duration::from_secs(30), || {
        (seen(&mut carol, "CALL_INCOMING") == 2 && seen(&mut carol, "CALL_CLOSED") == 1).then_some(())
    });
    assert!(rings.is_some(), "{:?}", carol.kinds());
    carol.command("accept");
    together(alice, carol, exchange);
    lin.stop();
}
