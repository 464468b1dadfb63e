//! Music on hold that a program plays, with real clients.

use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::Plan;
use telex_conformance::ground::Ground;
use telex_conformance::program::poll;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

/// What alice plays, what bob plays, and what the program does, in hertz.
const ALICE: u32 = 440;
const BOB: u32 = 880;
const RADIO: u32 = 1250;

/// Waits until what a phone has heard holds `seconds` of a tone.
fn hears(phone: &Baresip, hertz: u32, seconds: f64) {
    let total = || phone.heard().iter().map(|sound| tone::find(sound, f64::from(hertz)).total).sum::<f64>();
    let found = poll(Duration::from_secs(30), || (total() >= seconds).then_some(()));
    assert!(found.is_some(), "wanted {seconds} s of {hertz} Hz, heard {}", total());
}

#[test]
fn who_is_on_hold_hears_what_a_program_plays() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("music-program");
    // A second of it, so that it goes on without a step.
    let second = tone::sine(f64::from(RADIO), -10.0, 16_000, 1.0);
    let octets: Vec<u8> = second.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let file = ground.write("radio", octets);
    let music = format!(
        "[music]\nstream = [\"sh\", \"-c\", 'while cat \"$0\"; do :; done', {:?}]",
        file.display().to_string()
    );
    let exchange = Plan::new(&ground).phone("alice").phone("bob").with(&music).start(&ground);
    let server = exchange.server();
    let mut bob = Phone::new("bob", server, Udp, BOB).start(&ground);
    let mut alice = Phone::new("alice", server, Udp, ALICE).start(&ground);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
    hears(&bob, ALICE, 1.0);
    alice.command("hold");
    hears(&bob, RADIO, 3.0);
    let latest = bob.heard().pop().map(|sound| sound.after(sound.seconds() - 1.0)).expect("bob has recorded");
    tone::assert_heard(&latest, f64::from(RADIO), -12.0..=-8.0, 0.5);
    bob.command("hangup");
    alice.expect("CALL_CLOSED");
    exchange.finish();
}
