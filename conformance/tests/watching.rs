//! Lamps and presence as subscribers see them: one of a few lines, and baresip.

use std::time::Duration;

use telex_conformance::baresip::Plan as Softphone;
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::peers;
use telex_conformance::phone::Phone;
use telex_conformance::program::poll;
use telex_engine::border::Transport::Udp;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the lamp shows by the next NOTIFY.
fn lamp(watcher: &Phone) -> String {
    let body = watcher.notified(PATIENCE).unwrap_or_else(|| panic!("no NOTIFY"));
    let states = body.split("<state>").skip(1).filter_map(|rest| rest.split("</state>").next());
    let states = states.collect::<Vec<_>>().join("+");
    let state = if states.is_empty() { "idle".to_owned() } else { states };
    if body.contains(">Unavailable</note>") { "unavailable".to_owned() } else { state }
}

/// So many subscriptions there are, as the exchange counts them.
fn watched_by(exchange: &Exchange, watchers: u64) {
    let count = || exchange.ask("stats")["stats"]["subscriptions"].as_u64();
    let there = poll(PATIENCE, || (count() == Some(watchers)).then_some(()));
    assert!(there.is_some(), "wanted {watchers} subscriptions, there are {:?}", count());
}

#[test]
fn a_lamp_follows_a_phone_from_its_registration_through_a_call_to_its_end() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("lamp");
    let exchange = Plan::new(&ground).phone("alice").phone("bob").phone("carol").start(&ground);
    let server = exchange.server();
    let mut watcher = Phone::new("carol", server, ground.address());
    assert_eq!(watcher.subscribe("bob", "dialog"), Some(200));
    assert_eq!(lamp(&watcher), "unavailable");
    let mut bob = Softphone::new("bob", server, Udp, 880).rings().start(&ground);
    assert_eq!(lamp(&watcher), "idle");
    let mut alice = Softphone::new("alice", server, Udp, 440).watches("bob").start(&ground);
    // Baresip watches, too. It would be forgotten if it took a document for none of its own.
    watched_by(&exchange, 2);
    alice.command("dial sip:bob@telex.test");
    bob.expect("CALL_INCOMING");
    assert_eq!(lamp(&watcher), "early");
    bob.command("accept");
    assert_eq!(lamp(&watcher), "confirmed");
    alice.command("hangup");
    assert_eq!(lamp(&watcher), "terminated");
    bob.stop();
    assert_eq!(lamp(&watcher), "unavailable");
    watched_by(&exchange, 2);
    alice.stop();
    watched_by(&exchange, 1);
    exchange.finish();
}
