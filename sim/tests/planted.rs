//! Faults planted in the engine, one at a time: each makes an oracle speak up that is there for it. Without a fault the
//! same seeds hold.

use telex_engine::planted::Fault;
use telex_sim::{ORACLES, Plan, Settings, draw, run, run_planted};

type Scene = fn(u64) -> Plan;

/// A fault, in which world it shows, the first seed there that shows it, and which oracles may be the first to say so.
struct Case {
    fault: Fault,
    scene: Scene,
    seed: u64,
    oracles: &'static [&'static str],
}

const fn case(fault: Fault, scene: Scene, seed: u64, oracles: &'static [&'static str]) -> Case {
    Case { fault, scene, seed, oracles }
}

const CASES: &[Case] = &[
    case(Fault::TimerAConstant, rough, 14, &["retransmitted_on_time"]),
    case(Fault::TimerENever, rough, 5, &["retransmitted_on_time"]),
    case(Fault::TimerGNever, rough, 21, &["retransmitted_on_time"]),
    case(Fault::TimerJNone, rough, 4, &["one_final_response"]),
    case(Fault::TimerLNone, rough, 25, &["one_final_response"]),
    case(Fault::TryingMissing, rough, 4, &["trying_in_time"]),
    case(Fault::SuccessSentOnce, rough, 0, &["retransmitted_on_time"]),
    case(Fault::CancelNotAnswered, rough, 1, &["nothing_left"]),
    case(Fault::ResponseMethodIgnored, rough, 1, &["requests_in_known_dialogs"]),
    case(Fault::ByeNotForwarded, rough, 0, &["ends_agree"]),
    case(Fault::ForkNotReleased, rough, 18, &["ends_agree"]),
    case(Fault::PortNotReleased, rough, 0, &["no_panic"]),
    case(Fault::MediaLegNotDropped, rough, 0, &["no_error_event"]),
    case(Fault::RefusalNotAcknowledged, rough, 0, &["acknowledged"]),
    case(Fault::SuccessNotAcknowledgedAgain, rough, 11, &["acknowledged"]),
    case(Fault::CancelledInviteNotAnswered, rough, 1, &["cancel_ends_the_invite"]),
    case(Fault::CancelNotSent, rough, 1, &["acknowledged"]),
    case(Fault::UnregisterIgnored, rough, 0, &["registrar_as_modelled"]),
    case(Fault::InviteNotAuthorised, rough, 0, &["credentials_come_first"]),
    case(Fault::ChallengeTenfold, rough, 0, &["no_amplification"]),
    case(Fault::AnswerNotOffered, rough, 0, &["answers_fit_their_offers"]),
    case(Fault::VersionKept, rough, 1, &["versions_tell_changes"]),
    case(Fault::ContentLengthShort, rough, 0, &["well_formed"]),
    case(Fault::HoldNotHonoured, rough, 1, &["held_party_is_silent"]),
    case(Fault::MediaCrosses, rough, 0, &["nobody_hears_a_stranger"]),
    case(Fault::DeadlineInPast, rough, 0, &["wakes_bounded"]),
    case(Fault::StreamNotForgotten, rough, 0, &["nothing_left"]),
    case(Fault::TimerLeaked, rough, 1, &["nothing_left"]),
];

/// Ten calls with whatever the seed brings.
fn rough(seed: u64) -> Plan {
    draw(seed, &Settings { calls: 10, ..Settings::default() })
}

#[test]
fn every_planted_fault_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for case in CASES {
        let plan = (case.scene)(case.seed);
        let found = run_planted(&plan, case.fault).broken.map(|failure| failure.broken);
        if !found.as_ref().is_some_and(|broken| case.oracles.contains(&broken.oracle)) {
            missed.push(format!("{:?}: {:?} expected, but {found:?}", case.fault, case.oracles));
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn without_a_fault_the_same_worlds_hold() {
    let mut worlds: Vec<(Scene, u64)> = CASES.iter().map(|case| (case.scene, case.seed)).collect();
    worlds.sort_unstable_by_key(|(scene, seed)| (*scene as usize, *seed));
    worlds.dedup_by_key(|(scene, seed)| (*scene as usize, *seed));
    for (scene, seed) in worlds {
        let broken = run(&scene(seed)).broken;
        assert_eq!(broken, None, "seed {seed}");
    }
}

#[test]
fn every_expected_oracle_exists() {
    let named = CASES.iter().flat_map(|case| case.oracles);
    for oracle in named {
        assert!(ORACLES.iter().any(|(name, _)| name == oracle), "there is no oracle {oracle}");
    }
}
