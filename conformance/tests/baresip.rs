//! Baresip through the exchange: who hears which tone, how loud, and who hangs up.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::program::poll;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::{self, Tcp, Udp};

/// What alice plays, in hertz.
const ALICE: u32 = 440;
/// What bob plays.
const BOB: u32 = 880;
/// Level of baresip's sine after G.711, in decibels.
const LEVEL: RangeInclusive<f64> = -8.0..=-4.0;

fn exchange(ground: &Ground) -> Exchange {
    Plan::new(ground).phone("alice").phone("bob").start(ground)
}

/// Waits until the last recording of `phone` holds `seconds` of a tone.
fn hears(phone: &Baresip, hertz: u32, seconds: f64) {
    let found = poll(Duration::from_secs(30), || {
        let sound = phone.heard().pop()?;
        (tone::find(&sound, f64::from(hertz)).longest >= seconds).then_some(())
    });
    let last = phone.heard().pop().map(|s| tone::find(&s, f64::from(hertz)).to_string());
    assert!(found.is_some(), "wanted {seconds} s of {hertz} Hz, heard {last:?}");
}

/// The last thing `phone` recorded holds this tone, at the right pitch and level.
fn heard(phone: &Baresip, hertz: u32) {
    let sound = phone.heard().pop().expect("a phone in a call has recorded it");
    tone::assert_heard(&sound, f64::from(hertz), LEVEL, 1.0);
}

fn call(alice: &mut Baresip, bob: &mut Baresip) {
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
}

fn pair(ground: &Ground, exchange: &Exchange, alice: Transport, bob: Transport) -> (Baresip, Baresip) {
    let server = exchange.server();
    let bob = Phone::new("bob", server, bob, BOB).start(ground);
    let alice = Phone::new("alice", server, alice, ALICE).start(ground);
    (alice, bob)
}

fn tones_both_ways(alice_over: Transport, bob_over: Transport) {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-call");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange, alice_over, bob_over);
    call(&mut alice, &mut bob);
    hears(&bob, ALICE, 2.0);
    hears(&alice, BOB, 2.0);
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    heard(&bob, ALICE);
    heard(&alice, BOB);
    alice.stop();
    bob.stop();
    exchange.finish();
}

#[test]
fn each_hears_the_other_over_udp() {
    tones_both_ways(Udp, Udp);
}

#[test]
fn each_hears_the_other_over_tcp() {
    tones_both_ways(Tcp, Tcp);
}

#[test]
fn each_hears_the_other_from_udp_to_tcp() {
    tones_both_ways(Udp, Tcp);
}

#[test]
fn the_called_party_hangs_up() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-bye");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange, Udp, Udp);
    call(&mut alice, &mut bob);
    bob.command("hangup");
    alice.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-cancel");
    let exchange = exchange(&ground);
    let server = exchange.server();
    let mut bob = Phone::new("bob", server, Udp, BOB).rings().start(&ground);
    let mut alice = Phone::new("alice", server, Udp, ALICE).start(&ground);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_RINGING");
    bob.expect("CALL_INCOMING");
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn the_called_party_declines() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-decline");
    let exchange = exchange(&ground);
    let server = exchange.server();
    let mut bob = Phone::new("bob", server, Udp, BOB).rings().start(&ground);
    let mut alice = Phone::new("alice", server, Udp, ALICE).start(&ground);
    alice.command("dial sip:bob@telex.test");
    bob.expect("CALL_INCOMING");
    bob.command("hangup");
    let closed = alice.expect("CALL_CLOSED");
    let why = closed["param"].as_str().unwrap_or_default();
    assert!(why.starts_with("486") || why.starts_with("603"), "{closed}");
    exchange.finish();
}

#[test]
fn who_is_not_there_cannot_be_called() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-absent");
    let exchange = exchange(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Udp, ALICE).start(&ground);
    for (callee, status) in [("bob", "480"), ("nobody", "404")] {
        alice.command(&format!("dial sip:{callee}@telex.test"));
        let closed = alice.expect("CALL_CLOSED");
        assert!(closed["param"].as_str().is_some_and(|p| p.starts_with(status)), "{callee}: {closed}");
    }
    exchange.finish();
}

#[test]
fn a_held_party_hears_music_and_after_it_the_other_one() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-hold");
    let mut exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange, Udp, Udp);
    call(&mut alice, &mut bob);
    hears(&bob, ALICE, 1.0);
    hears(&alice, BOB, 1.0);

    alice.command("hold");
    let state = |wanted: &str| {
        let is = || {
            exchange
                .calls()
                .iter()
                .any(|c| c["state"].as_str().is_some_and(|s| s.eq_ignore_ascii_case(wanted)))
        };
        let found = poll(Duration::from_secs(20), || is().then_some(()));
        assert!(found.is_some(), "the call is not {wanted}: {:?}", exchange.calls());
    };
    state("held");
    // What was under way has arrived after this; then nothing more may be heard.
    thread::sleep(Duration::from_millis(500));
    let length = |phone: &Baresip, hertz: u32| {
        phone.heard().iter().map(|s| tone::find(s, f64::from(hertz)).total).sum::<f64>()
    };
    let before = (length(&alice, BOB), length(&bob, ALICE));
    thread::sleep(Duration::from_secs(2));
    let after = (length(&alice, BOB), length(&bob, ALICE));
    assert!(
        after.0 - before.0 < 0.5 && after.1 - before.1 < 0.5,
        "heard during hold: {before:?}, then {after:?}"
    );
    // Bob hears something quiet that is not alice: the latest second and a half of what he got.
    let latest = bob.heard().pop().map(|sound| sound.after(sound.seconds() - 1.5)).expect("bob has recorded");
    let root = tone::power(&latest.samples).sqrt();
    assert!((100.0..4000.0).contains(&root), "bob on hold heard {root} on average");

    alice.command("resume");
    state("up");
    let resumed = Instant::now();
    let again = poll(Duration::from_secs(30), || (length(&bob, ALICE) - after.1 > 2.0).then_some(()));
    assert!(again.is_some(), "bob after the hold: {} s, then {} s", after.1, length(&bob, ALICE));
    bob.command("hangup");
    alice.expect("CALL_CLOSED");
    // Baresip's own recorder does not start again on the side that held, so what alice got is counted.
    let least = (before.0 + resumed.elapsed().as_secs_f64()) * 50.0 * 0.8;
    exchange.expect_log("ended, the callee hung up");
    let carried = exchange.carried();
    assert!(
        carried.len() == 1 && carried[0].to_caller as f64 >= least,
        "{carried:?}, not {least} to the caller"
    );
    exchange.finish();
}

#[test]
fn echo_gives_back_what_was_said() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-echo");
    let exchange = exchange(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Udp, ALICE).start(&ground);
    alice.command("dial sip:*43@telex.test");
    alice.expect("CALL_ESTABLISHED");
    hears(&alice, ALICE, 2.0);
    alice.command("hangup");
    alice.expect("CALL_CLOSED");
    heard(&alice, ALICE);
    exchange.finish();
}

#[test]
fn the_tone_is_a_tone() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-tone");
    let exchange = exchange(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Tcp, ALICE).start(&ground);
    alice.command("dial sip:*60@telex.test");
    alice.expect("CALL_ESTABLISHED");
    let pitch = poll(Duration::from_secs(30), || {
        let sound = alice.heard().pop().filter(|s| s.seconds() > 3.0)?;
        tone::strongest(&sound.after(1.0))
    });
    let pitch = pitch.expect("a tone is heard") as u32;
    hears(&alice, pitch, 2.0);
    alice.command("hangup");
    alice.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn an_operator_ends_a_call() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-operator");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange, Udp, Udp);
    call(&mut alice, &mut bob);
    let calls = exchange.calls();
    let [call] = calls.as_slice() else { panic!("one call: {calls:?}") };
    assert_eq!((call["from"].as_str(), call["to"].as_str()), (Some("alice"), Some("bob")));
    exchange.hang_up(call["id"].as_u64().expect("a call has a number"));
    alice.expect("CALL_CLOSED");
    bob.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn every_phone_of_an_extension_rings_and_the_first_answer_wins() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-fork");
    let exchange = exchange(&ground);
    let server = exchange.server();
    let mut desk = Phone::new("bob", server, Udp, BOB).rings().start(&ground);
    let mut mobile = Phone::new("bob", server, Tcp, BOB).rings().start(&ground);
    let mut alice = Phone::new("alice", server, Udp, ALICE).start(&ground);
    alice.command("dial sip:bob@telex.test");
    desk.expect("CALL_INCOMING");
    mobile.expect("CALL_INCOMING");
    mobile.command("accept");
    alice.expect("CALL_ESTABLISHED");
    desk.expect("CALL_CLOSED");
    hears(&mobile, ALICE, 1.0);
    hears(&alice, BOB, 1.0);
    mobile.command("hangup");
    alice.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn a_phone_is_known_after_a_restart() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("baresip-restart");
    let exchange = exchange(&ground);
    let (mut alice, mut bob) = pair(&ground, &exchange, Udp, Udp);
    let exchange = exchange.restart(&ground);
    assert_eq!(exchange.registrations().len(), 2);
    call(&mut alice, &mut bob);
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    exchange.finish();
}
