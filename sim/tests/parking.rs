//! Callers who are parked, taken up, given back, and who hang up at any moment of it.

mod common;

use telex_engine::event::Side;
use telex_engine::time::Duration;
use telex_sim::plan::Plan;
use telex_sim::{Settings, draw};

use common::hold;

/// A plan in which two calls of three go to the car park: to be parked, or to take up who is in one of its slots.
fn plan(seed: u64, settings: &Settings) -> Plan {
    let mut plan = draw(seed, settings);
    // Voices are marked in their octets.
    plan.exchange.transcode = false;
    for (n, call) in plan.calls.iter_mut().enumerate().filter(|(n, _)| n % 3 < 2) {
        let drawn = seed * 31 + n as u64 * 7;
        call.dial = match n % 3 {
            0 => "5100".to_owned(),
            _ => format!("510{}", 1 + drawn % 2),
        };
        call.by = Side::Caller;
        call.hold = None;
        call.digits.clear();
        call.talk = Duration::from_millis(200 + drawn * 397 % 9000);
    }
    plan
}

#[test]
fn callers_are_parked_on_a_good_network() {
    let answered =
        hold(20..36, |seed| plan(seed, &Settings { calls: 24, loss: Some(0), ..Settings::default() }));
    assert!(answered > 100, "{answered} calls were answered");
}

#[test]
fn callers_are_parked_on_a_bad_network() {
    let settings = Settings {
        calls: 20,
        loss: Some(50_000),
        duplicate: Some(20_000),
        reorder: Some(100_000),
        ..Settings::default()
    };
    hold(1000..1012, |seed| plan(seed, &settings));
}
