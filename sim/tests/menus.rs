//! Callers in a menu who press what they like and hang up when they like.

mod common;

use telex_engine::event::Side;
use telex_engine::time::Duration;
use telex_sim::plan::{Digit, Plan};
use telex_sim::{Settings, draw};

use common::hold;

/// A plan in which every other call goes to the menu, and its caller presses keys.
fn plan(seed: u64, settings: &Settings) -> Plan {
    let mut plan = draw(seed, settings);
    // Voices are marked in their octets.
    plan.exchange.transcode = false;
    for (n, call) in plan.calls.iter_mut().enumerate().filter(|(n, _)| n % 2 == 0) {
        call.dial = "5000".to_owned();
        let key = |at: usize| char::from(b"1234567890*#"[(seed as usize + n * 5 + at * 7) % 12]);
        let press = |at: usize| Digit {
            by: Side::Caller,
            after: Duration::from_millis(300 + 900 * at as u64 + (seed * 131 + n as u64 * 17) % 400),
            key: key(at),
        };
        call.digits = (0..n % 4).map(press).collect();
    }
    plan
}

#[test]
fn callers_walk_a_menu_on_a_good_network() {
    let answered =
        hold(20..36, |seed| plan(seed, &Settings { calls: 12, loss: Some(0), ..Settings::default() }));
    assert!(answered > 40, "{answered} calls were answered");
}

#[test]
fn callers_walk_a_menu_on_a_bad_network() {
    let settings = Settings {
        calls: 10,
        loss: Some(50_000),
        duplicate: Some(20_000),
        reorder: Some(100_000),
        ..Settings::default()
    };
    hold(1000..1012, |seed| plan(seed, &settings));
}
