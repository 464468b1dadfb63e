//! Each thing that the network, the host and the operators can do, on the smallest plan that shows it.

use telex_sim::{Outcome, Plan, run};

/// Two phones, 100 and 101, and what else the plan says. Calls without an end of their own last until everybody
/// hangs up.
fn play(phones: [&str; 2], calls: &str, rest: &str) -> Outcome {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    let [one, two] = phones.map(comma);
    let text = format!(
        "seed = 1\ncalm = '100s'\nempty = '230s'\nend = '400s'\n\
         phones = [{{ extension = '100'{one} }}, {{ extension = '101'{two} }}]\ncalls = [{calls}]\n{rest}\n"
    );
    let plan = Plan::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let outcome = run(&plan);
    if let Some(failure) = &outcome.broken {
        panic!("{}\n{plan}\n{}", failure.broken, failure.ladder);
    }
    outcome
}

/// 101 calls 100 at this time.
fn call_in(at: &str) -> String {
    format!("{{ at = '{at}', caller = 1, dial = '100', reactions = ['answers 1s'], talk = '5s' }},")
}

fn answered(phones: [&str; 2], calls: &str, rest: &str) -> u64 {
    play(phones, calls, rest).answered
}

#[test]
fn a_restart_finds_who_was_registered() {
    let calls = call_in("20s");
    let restart = "[host]\nrestarts = [{ at = '10s', away = '2s' }]";
    let outcome = play(["", ""], &calls, restart);
    assert_eq!((outcome.answered, outcome.two_way), (1, 1));
    // Nobody registered again before that.
    assert_eq!(outcome.registrations, 4);
}

#[test]
fn what_the_store_has_not_written_is_gone_and_what_it_has_is_not() {
    let calls = call_in("20s");
    let with = |store: &str, restart: &str| {
        let rest =
            format!("[host]\nstore = {{ {store} }}\nrestarts = [{{ at = '10s', away = '2s', {restart} }}]");
        answered(["", "expires = 60, refresh = '4s'"], &calls, &rest)
    };
    assert_eq!(with("delay = '20s'", "ahead = 0"), 0, "on its way");
    assert_eq!(with("delay = '20s'", "ahead = 100"), 1, "on its way, and quick");
    assert_eq!(with("full = [{ from = '0s', until = '5s' }]", "ahead = 0"), 0, "no room");
    assert_eq!(with("delay = '1s'", "torn = 0"), 1);
    assert_eq!(with("delay = '1s'", "torn = 100"), 0, "reported and lost");
}

#[test]
fn a_clock_that_is_set_moves_no_timer_but_counts_over_a_restart() {
    let step = "wall_steps = [{ at = '8s', seconds = 86400 }]";
    assert_eq!(answered(["", ""], &call_in("20s"), &format!("[host]\n{step}")), 1);
    let restart = format!("[host]\n{step}\nrestarts = [{{ at = '10s', away = '2s' }}]");
    assert_eq!(answered(["", ""], &call_in("20s"), &restart), 0, "a day has passed, it seems");
    let back = restart.replace("86400", "-86400");
    assert_eq!(answered(["", ""], &call_in("20s"), &back), 1, "and nothing lives longer for it");
}

#[test]
fn calls_in_progress_do_not_survive_a_restart_and_leave_nothing() {
    let calls = "{ at = '5s', caller = 1, dial = '100', reactions = ['answers 1s'], talk = '1000s' }";
    let outcome =
        play(["", "transport = 'tcp'"], calls, "[host]\nrestarts = [{ at = '10s', away = '500ms' }]");
    assert_eq!(outcome.two_way, 1);
}

#[test]
fn a_late_host_loses_no_call() {
    let calls = call_in("10s") + &call_in("30s") + &call_in("50s");
    let outcome = play(["", ""], &calls, "[host]\nlate = '200ms'\n[faults]\nloss = '10%'");
    assert_eq!(outcome.answered, 3);
}

#[test]
fn a_stop_lets_calls_end_and_takes_no_new_ones() {
    let held = "{ at = '5s', caller = 1, dial = '100', reactions = ['answers 1s'], talk = '15s' },";
    let calls = held.to_owned() + &call_in("12s") + &call_in("40s");
    let outcome = play(["", ""], &calls, "operators = [{ at = '10s', act = 'drain 20s' }]");
    assert_eq!((outcome.answered, outcome.two_way, outcome.refused), (2, 2, 1));
}

#[test]
fn a_stop_ends_what_does_not_end_by_itself() {
    let calls = "{ at = '5s', caller = 1, dial = '100', reactions = ['answers 1s'], talk = '1000s' }";
    assert_eq!(answered(["", ""], calls, "operators = [{ at = '10s', act = 'drain 5s' }]"), 1);
}

#[test]
fn who_is_taken_out_of_the_configuration_is_not_reached_until_it_is_back() {
    let acts = "operators = [{ at = '10s', act = 'remove 100' }, { at = '40s', act = 'restore 100' }]";
    let calls = |at| call_in(at);
    assert_eq!(answered(["refresh = '10s'", ""], &calls("20s"), acts), 0);
    assert_eq!(answered(["refresh = '10s'", ""], &calls("60s"), acts), 1);
}

#[test]
fn a_new_password_counts_from_the_next_registration_on() {
    let with = |told: &str| format!("operators = [{{ at = '10s', act = 'password 101 {told}' }}]");
    assert_eq!(answered(["", ""], &call_in("20s"), &with("told")), 1);
    assert_eq!(answered(["", ""], &call_in("20s"), &with("untold")), 0);
}

#[test]
fn operators_are_answered_and_end_calls() {
    let calls = "{ at = '5s', caller = 1, dial = '100', reactions = ['answers 1s'], talk = '1000s' }";
    let acts = "operators = [{ at = '7s', act = 'calls' }, { at = '7s', act = 'registrations' }, \
                { at = '7s', act = 'stats' }, { at = '8s', act = 'reload' }, { at = '9s', act = 'ring 5s' }, \
                { at = '10s', act = 'hangup 0' }, { at = '20s', act = 'hangup 0' }]";
    assert_eq!(answered(["", ""], calls, acts), 1);
}

#[test]
fn a_link_that_takes_no_long_datagrams_is_passed_by_a_stream_or_not_at_all() {
    let name = format!("display = '{}'", "A long name ".repeat(60).trim());
    let narrow = "mtu = 1300";
    let calls = call_in("10s");
    assert_eq!(answered([narrow, &name], &calls, ""), 0);
    assert_eq!(answered(["mtu = 1300, takes_streams = true", &name], &calls, ""), 1);
    assert_eq!(answered(["", &name], &calls, ""), 1, "it goes as a datagram all the same");
}

#[test]
fn a_phone_gets_over_every_end_of_its_stream() {
    let tcp = ["transport = 'tcp', keep_alive = '2s'", ""];
    for end in [
        "cuts = [{ phone = 0, at = '9s' }]",
        "cuts = [{ phone = 0, at = '9s', inside = true }]",
        "vanishings = [{ phone = 0, at = '9s', noticed = '30s' }]",
    ] {
        assert_eq!(answered(tcp, &call_in("25s"), &format!("[faults]\n{end}")), 1, "{end}");
        // And when it happens while a call is being set up, at least nothing is left of it.
        play(tcp, &call_in("8.99s"), &format!("[faults]\n{end}"));
    }
}

#[test]
fn a_clog_delays_a_call_and_damage_repeats_it() {
    let calls = call_in("10s");
    let clog = "[faults]\nclogs = [{ phone = 0, from = '9s', until = '13s' }]";
    assert_eq!(answered(["", ""], &calls, clog), 1);
    assert_eq!(answered(["", ""], &calls, "[faults]\ncorrupt = '20%'"), 1);
    // Of messages that say something else than was meant, only survival is asked.
    play(["", "transport = 'tcp'"], &calls, "[faults]\ngarble = '20%'");
}
