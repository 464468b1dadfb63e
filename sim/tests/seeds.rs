//! Runs of the whole world: seeds hold, repeat themselves, and a broken timer is noticed.

mod common;

use std::time::Duration;

use telex_engine::config::{Config, Phone, SipTimers};
use telex_sim::plan::BrokenTimer;
use telex_sim::{Settings, Site, draw, run, run_with_ladder};

use common::hold;

/// The settings that the project promises to hold under.
fn rough(calls: usize) -> Settings {
    Settings {
        calls,
        loss: Some(50_000),
        duplicate: Some(20_000),
        reorder: Some(100_000),
        ..Settings::default()
    }
}

#[test]
fn seeds_hold_on_a_good_network() {
    hold(0..10, |seed| draw(seed, &Settings { calls: 10, loss: Some(0), ..Settings::default() }));
}

#[test]
fn seeds_hold_on_a_bad_network() {
    hold(100..125, |seed| draw(seed, &rough(10)));
}

/// In these, several calls of one caller to one number begin together, and INVITEs wait or are sent again.
#[test]
fn calls_that_look_alike_are_told_apart() {
    for seed in [313, 1100, 1764] {
        hold(seed..seed + 1, |seed| draw(seed, &Settings::default()));
    }
}

#[test]
fn many_calls_at_once_hold() {
    hold(7..8, |seed| draw(seed, &rough(100)));
}

#[test]
fn a_run_comes_to_something() {
    let outcome = run(&draw(2, &rough(40)));
    assert!(outcome.answered > 10, "{outcome:?}");
    assert!(
        outcome.busy > 0 && outcome.refused > 0 && outcome.cancelled > 0 && outcome.lost > 0,
        "{outcome:?}"
    );
    assert_eq!(outcome.calls, 40);
}

#[test]
fn two_runs_of_a_seed_are_the_same_octet_for_octet() {
    for seed in 0..4 {
        let plan = draw(seed, &rough(8));
        let (one, two) = (run(&plan), run(&plan));
        assert_eq!(one, two);
        assert_ne!(one.state_hash, run(&draw(seed + 1000, &rough(8))).state_hash);
    }
}

/// Every seed in which something is lost shows it: either as a retransmission that comes late, or as
/// transactions that outlive everything.
#[test]
fn a_broken_t1_is_caught_by_every_seed() {
    for seed in 0..8 {
        let plan = draw(seed, &Settings { broken: Some(BrokenTimer::T1), ..rough(8) });
        let failure = run(&plan).broken.unwrap_or_else(|| panic!("seed {seed} did not notice"));
        assert!(["retransmitted_on_time", "nothing_left"].contains(&failure.broken.oracle), "{failure:?}");
    }
}

/// T2 only shows when something is lost four times in a row.
#[test]
fn a_broken_t2_is_caught_by_some_seed() {
    let settings = Settings { broken: Some(BrokenTimer::T2), loss: Some(300_000), ..rough(8) };
    let caught = (0..20).find_map(|seed| run(&draw(seed, &settings)).broken);
    assert_eq!(caught.expect("nobody noticed").broken.oracle, "retransmitted_on_time");
}

#[test]
fn the_ladder_shows_the_call() {
    let mut plan = draw(1, &Settings { calls: 1, phones: 2, storms: false, ..Settings::default() });
    plan.calls[0].dial = "*43".to_owned();
    plan.calls[0].cancel = None;
    let (outcome, ladder) = run_with_ladder(&plan, 0);
    assert_eq!((outcome.answered, outcome.broken), (1, None));
    for message in ["INVITE 1", "401 Unauthorized", "200 OK (INVITE) 2", "ACK 2", "BYE"] {
        assert!(ladder.contains(message), "{message} is missing:\n{ladder}");
    }
}

/// Times come from the configuration of a site, and the rules go by them.
#[test]
fn a_site_with_slow_timers_holds() {
    let sip = SipTimers { t1: Duration::from_secs(1), t2: Duration::from_secs(8), ..SipTimers::default() };
    let mut config = Config { sip, ..Config::default() };
    for extension in ["21", "22", "23"] {
        config.phones.insert(extension.into(), Phone::default());
    }
    let site = Site::of(&config);
    assert_eq!(site.as_ref().map(|s| s.extensions.len()), Some(3));
    let settings = Settings { site, storms: false, ..rough(10) };
    assert_eq!(draw(1, &settings).exchange.t1, Duration::from_secs(1));
    hold(200..206, |seed| draw(seed, &settings));
}
