//! Bugs that the simulator found, as the smallest plans that show them.

use std::time::Duration;

use telex_engine::border::Transport;
use telex_engine::event::Side;
use telex_engine::time::Instant;
use telex_sim::plan::{CallPlan, Cut, Reaction};
use telex_sim::{Plan, Settings, draw, run_with_ladder};

const fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

/// Phone 0 calls phone 1, which answers after a second; phone 1 hangs up 20 s later.
fn one_call(caller: Transport) -> Plan {
    let mut plan = draw(1, &Settings { calls: 1, phones: 2, storms: false, ..Settings::default() });
    plan.phones[0].transport = caller;
    plan.phones[1].transport = Transport::Udp;
    plan.calls = vec![CallPlan {
        at: at(10),
        caller: 0,
        dial: plan.phones[1].extension.clone(),
        cancel: None,
        reactions: vec![Reaction::Answer(Duration::from_secs(1))],
        by: Side::Callee,
        talk: Duration::from_secs(20),
        hold: None,
        late_offer: false,
    }];
    plan.calm = at(40);
    plan.empty = at(160);
    plan.end = at(280);
    plan
}

/// The stream of a call's caller broke and the phone came back on another. The BYE has to find it by its
/// Contact; it was not sent at all, and the phone stayed in the call for ever.
#[test]
fn a_bye_finds_a_phone_whose_stream_broke() {
    let mut plan = one_call(Transport::Tcp);
    plan.faults.cuts.push(Cut { phone: 0, at: at(15), inside: false });
    let (outcome, ladder) = run_with_ladder(&plan, 0);
    assert_eq!(outcome.broken, None, "{ladder}");
    assert_eq!(outcome.answered, 1);
    assert!(ladder.contains("<-BYE 1") && ladder.contains("--200 OK (BYE) 1"), "{ladder}");
}

/// A challenge is stateless: it is made anew for a repeated request. Its To tag was too, which is forbidden
/// (RFC 3261 §8.2.7); the rule `one_final_response` looks at that.
#[test]
fn a_repeated_request_is_challenged_under_the_same_tag() {
    let mut plan = one_call(Transport::Udp);
    plan.faults.duplicate = 1_000_000;
    let (outcome, ladder) = run_with_ladder(&plan, 0);
    assert_eq!(outcome.broken, None, "{ladder}");
    assert!(ladder.matches("401 Unauthorized (INVITE) 1").count() >= 2, "{ladder}");
}
