//! Faults planted in the engine, one at a time: each makes an oracle speak up that is there for it. Without a fault the
//! same worlds hold.

use telex_engine::planted::Fault;
use telex_sim::{ORACLES, Plan, run, run_planted};

/// A world to look for a fault in: its plan but for the seed.
type Scene = &'static str;

/// A fault, where it shows, and which oracles may be the first to say so.
type Case = (Fault, Scene, &'static [&'static str]);

/// So many seeds are tried until one shows the fault.
const SEEDS: u64 = 40;

/// Calls of every kind over a network that loses, doubles and reorders.
const LOSSY: Scene = r#"
calm = "45s"
empty = "165s"
end = "285s"
phones = [
  { extension = "100", latency = "20ms" },
  { extension = "101", latency = "5ms" },
  { extension = "102", latency = "30ms" },
  { extension = "103", latency = "40ms" },
  { extension = "104", transport = "tcp" },
  { extension = "102", latency = "10ms" },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 1s"], by = "callee", talk = "5s" },
  { at = "9.5s", caller = 2, dial = "100", reactions = ["refuses 486 800ms"] },
  { at = "10s", caller = 1, dial = "102", reactions = ["answers 2s", "answers 2.1s"], talk = "6s" },
  { at = "11s", caller = 3, dial = "101", cancel = "1.5s", reactions = ["rings"] },
  { at = "12s", caller = 1, dial = "9999" },
  { at = "13s", caller = 4, dial = "103", reactions = ["answers 500ms"], talk = "8s", hold = { by = "caller", after = "1s", lasts = "2s" } },
  { at = "14s", caller = 0, dial = "102", reactions = ["answers 1s", "rings"], talk = "10s" },
  { at = "15s", caller = 1, dial = "103", reactions = ["rings"] },
  { at = "16s", caller = 2, dial = "104", reactions = ["answers 900ms"], talk = "100000s" },
  { at = "17s", caller = 3, dial = "9999" },
]
exchange = { ring = "10s" }
[faults]
loss = "12%"
duplicate = "15%"
reorder = "15%"
"#;

/// Nothing goes wrong on the way.
const QUIET: Scene = r#"
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100", codecs = [0], events = 101 },
  { extension = "101", events = 96, habits = ["own-numbers"] },
  { extension = "102", events = 101, habits = ["routed", "reliable", "vias"] },
  { extension = "103", events = 101, habits = ["routed", "wants-reliable"] },
  { extension = "101", transport = "tcp", events = 101 },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 1s", "rings"], talk = "50s", digits = ["caller 5 2s", "caller 5 3s", "callee # 4s"] },
  { at = "10s", caller = 3, dial = "102", reactions = ["answers 2s"], by = "callee", talk = "100000s" },
  { at = "11s", caller = 2, dial = "103", reactions = ["answers 3s"], talk = "100000s", digits = ["caller 1 2s"] },
  { at = "12s", caller = 0, dial = "103", reactions = ["answers 1s"], talk = "9s", hold = { by = "callee", after = "2s", lasts = "3s" } },
  { at = "13s", caller = 0, dial = "*43", talk = "3s" },
  { at = "14s", caller = 2, dial = "100", reactions = ["rings"] },
]
"#;

/// Phones that do not do what they should.
const ODD: Scene = r#"
calm = "60s"
empty = "180s"
end = "300s"
phones = [
  { extension = "100", habits = ["never-acks"] },
  { extension = "101", habits = ["answers-twice"] },
  { extension = "102", habits = ["out-of-dialog", "odd-registers"] },
  { extension = "103" },
]
calls = [
  { at = "9s", caller = 0, dial = "103", reactions = ["answers 1s"], talk = "100000s" },
  { at = "10s", caller = 3, dial = "101", reactions = ["answers 1s"], talk = "100000s" },
  { at = "11s", caller = 2, dial = "103", reactions = ["answers 1s"], talk = "20s" },
  { at = "12s", caller = 0, dial = "103", reactions = ["refuses 486 1s"] },
]
"#;

/// Phones that are gone for longer than anybody waits.
const GONE: Scene = r#"
calm = "130s"
empty = "250s"
end = "370s"
phones = [
  { extension = "100" },
  { extension = "101", expires = 60, outages = [{ at = "15s", lasts = "90s" }] },
  { extension = "102" },
  { extension = "103" },
  { extension = "104" },
]
calls = [
  { at = "10s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "100000s" },
  { at = "12s", caller = 0, dial = "102", reactions = ["answers 1s"], talk = "10s" },
  { at = "25s", caller = 4, dial = "103", reactions = ["answers 1s"], talk = "5s" },
]
[faults]
partitions = [
  { phone = 2, from = "18s", until = "90s" },
  { phone = 3, from = "20s", until = "90s" },
]
"#;

/// A call that lasts for longer than its session interval.
const LONG: Scene = r#"
calm = "40s"
empty = "260s"
end = "380s"
phones = [
  { extension = "100" },
  { extension = "101", session_timers = true },
]
calls = [
  { at = "10s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "100000s" },
  { at = "11s", caller = 1, dial = "100", reactions = ["answers 1s"], talk = "100000s" },
]
exchange = { session = "90s" }
"#;

/// Strangers who try everything.
const ATTACKED: Scene = r#"
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100" },
  { extension = "101" },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "20s" },
  { at = "12s", caller = 1, dial = "100", reactions = ["answers 1s"], talk = "20s" },
]
attacks = [
  { at = "5s", kind = "probe", times = 20, every = "500ms" },
  { at = "6s", kind = "guess", times = 10, every = "1s" },
  { at = "7s", kind = "call", times = 5, every = "2s" },
  { at = "9.2s", kind = "replay", times = 10, every = "300ms" },
  { at = "11s", kind = "bye", times = 10, every = "1s" },
  { at = "14s", kind = "media", times = 10, every = "500ms" },
]
"#;

/// Phones that share no codec.
const CODED: Scene = r#"
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100", codecs = [0], events = 101 },
  { extension = "101", codecs = [8], events = 101, jitter = "15ms" },
  { extension = "102", codecs = [9], events = 101 },
  { extension = "103", codecs = [3], events = 101, latency = "60ms" },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 1s"], talk = "100000s", digits = ["caller 5 3s"] },
  { at = "10s", caller = 2, dial = "103", reactions = ["answers 1s"], talk = "12s" },
  { at = "12s", caller = 1, dial = "102", reactions = ["answers 1s"], talk = "9s", hold = { by = "callee", after = "2s", lasts = "3s" } },
  { at = "13s", caller = 3, dial = "100", reactions = ["answers 1s"], by = "callee", talk = "8s" },
]
exchange = { transcode = true }
"#;

/// A dialplan that answers before it asks, and counts.
const WALKED: Scene = r#"
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100", events = 101 },
  { extension = "101", events = 101 },
  { extension = "102" },
]
calls = [
  { at = "9s", caller = 0, dial = "6001", reactions = ["answers 2s"], talk = "12s", digits = ["caller 1 2s"] },
  { at = "10s", caller = 2, dial = "6002", reactions = ["refuses 486 300ms"], talk = "9s" },
]
[[dialplan]]
name = "walk"
extensions = [
  { number = "_X", steps = ["Answer()", "Set(GROUP()=walkers)", "Read(N,menu,1,,1,3)", "Wait(1)", "Dial(PJSIP/101,5,g)", "Playback(menu)", "Hangup()"] },
]
"#;

/// Calls that are handed over, alone and with another, to who answers, to who does not, and to somebody elsewhere; and
/// one that rings in a group, where somebody of another group would like to have it.
const HANDED: Scene = r#"
calm = "70s"
empty = "190s"
end = "310s"
phones = [
  { extension = "100", group = "one" },
  { extension = "101", group = "one" },
  { extension = "102", group = "two" },
  { extension = "103" },
  { extension = "104" },
  { extension = "105" },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 1s", "answers 500ms"], talk = "100000s", by = "callee", transfers = [{ by = "caller", after = "2s", to = "102" }] },
  { at = "10s", caller = 4, dial = "103", reactions = ["answers 1s", "refuses 486 800ms"], talk = "20s", transfers = [{ by = "callee", after = "2s", to = "105" }] },
  { at = "35s", caller = 4, dial = "103", reactions = ["answers 1s"], talk = "100000s" },
  { at = "38s", caller = 3, dial = "105", reactions = ["answers 1s"], talk = "10s", transfers = [{ by = "caller", after = "2s", with = 2 }] },
  { at = "12s", caller = 5, dial = "100", reactions = ["answers 8s"], talk = "5s" },
  { at = "14s", caller = 2, dial = "*8", talk = "5s" },
  { at = "55s", caller = 2, dial = "100", reactions = ["answers 500ms"], talk = "5s", transfers = [{ by = "callee", after = "1s", to = "sip:104@192.0.2.9" }] },
]
"#;

/// Found by the engine's own `check()`.
const CHECK: &str = "no_panic";

const CASES: &[Case] = &[
    (Fault::TimerAConstant, LOSSY, &["retransmitted_on_time"]),
    (Fault::TimerBNever, GONE, &["retransmitted_on_time", "nothing_left"]),
    (Fault::TimerENever, LOSSY, &["retransmitted_on_time"]),
    (Fault::TimerFNever, GONE, &["retransmitted_on_time", "nothing_left"]),
    (Fault::TimerGNever, LOSSY, &["retransmitted_on_time"]),
    (Fault::TimerHNever, ODD, &["retransmitted_on_time", "nothing_left"]),
    (Fault::TimerINone, LOSSY, &["one_final_response"]),
    (Fault::TimerJNone, LOSSY, &["one_final_response"]),
    (Fault::TimerLNone, LOSSY, &["one_final_response", "retransmitted_on_time"]),
    (Fault::TryingMissing, LOSSY, &["trying_in_time"]),
    (Fault::RefusalNotAcknowledged, LOSSY, &["acknowledged"]),
    (Fault::SuccessNotAcknowledgedAgain, LOSSY, &["acknowledged"]),
    (Fault::SuccessSentOnce, LOSSY, &["retransmitted_on_time"]),
    (Fault::NoAckIgnored, ODD, &["unacknowledged_ends"]),
    (Fault::CancelNotAnswered, LOSSY, &["every_request_answered", "nothing_left"]),
    (Fault::CancelledInviteNotAnswered, LOSSY, &["cancel_ends_the_invite"]),
    (Fault::CancelNotSent, QUIET, &["nobody_rings_in_vain", "acknowledged"]),
    (Fault::ResponseMethodIgnored, LOSSY, &["requests_in_known_dialogs", "retransmitted_on_time"]),
    (Fault::OldCseqAccepted, ODD, &["old_requests_are_refused"]),
    (Fault::TagsIgnored, ODD, &["success_needs_a_dialog"]),
    (Fault::ByeNotForwarded, LOSSY, &["ends_agree"]),
    (Fault::ForkNotReleased, QUIET, &["nobody_rings_in_vain", "ends_agree"]),
    (Fault::LateAnswerIgnored, ODD, &["acknowledged", "second_answer_ended"]),
    (Fault::PrackNotSent, QUIET, &["reliable_acknowledged"]),
    (Fault::ReliableSentOnce, QUIET_LOSSY, &["retransmitted_on_time"]),
    (Fault::RefreshNotSent, LONG, &["sessions_are_refreshed"]),
    (Fault::RingsForEver, QUIET, &["ringing_ends"]),
    (Fault::PortNotReleased, QUIET, &[CHECK]),
    (Fault::RecordNotFinished, QUIET, &["calls_are_recorded"]),
    (Fault::RecordCountsRinging, QUIET, &["calls_are_recorded"]),
    (Fault::RecordCountsFromCallee, WALKED, &["calls_are_recorded"]),
    (Fault::GroupNotLeft, WALKED, &[CHECK]),
    (Fault::TransferNotTold, HANDED, &["referral_told_once"]),
    (Fault::TransferToldTooSoon, HANDED, &["transfers_come_true"]),
    (Fault::TransferNotTakenBack, HANDED, &["transfers_come_true"]),
    (Fault::JoinedOneWay, HANDED, &["talks_are_mutual", "media_both_ways"]),
    (Fault::AnyGroupPickedUp, HANDED, &["nobody_hears_a_stranger"]),
    (Fault::ForeignTransfer, HANDED, &["calls_stay_here"]),
    (Fault::MediaLegNotDropped, QUIET, &["no_error_event"]),
    (Fault::SilenceIgnored, GONE, &["ends_agree"]),
    (Fault::ExpiryIgnored, GONE, &["registrar_as_modelled"]),
    (Fault::UnregisterIgnored, QUIET, &["registrar_as_modelled"]),
    (Fault::OldRegisterAccepted, ODD, &["registrar_as_modelled"]),
    (Fault::AnyPasswordAccepted, ATTACKED, &["credentials_come_first", "no_stranger_invited"]),
    (Fault::ReplayAccepted, ATTACKED, &["nonces_count_once", "no_stranger_invited"]),
    (Fault::InviteNotAuthorised, QUIET, &["credentials_come_first"]),
    (Fault::AnybodyForAnybody, ODD, &["credentials_come_first"]),
    (Fault::UnknownUserTold, ATTACKED, &["existence_is_not_told"]),
    (Fault::ChallengeTenfold, QUIET, &["no_amplification"]),
    (Fault::ContentLengthShort, QUIET, &["well_formed"]),
    (Fault::OneViaRepeated, QUIET, &["answered_as_asked"]),
    (Fault::RoutesReversed, QUIET, &["routes_are_kept"]),
    (Fault::AnswerNotOffered, QUIET, &["answers_fit_their_offers"]),
    (Fault::VersionKept, QUIET, &["versions_tell_changes"]),
    (Fault::HoldNotHonoured, QUIET, &["held_party_is_silent"]),
    (Fault::AnySourceHeard, ATTACKED, &["nobody_hears_a_stranger"]),
    (Fault::MediaCrosses, QUIET, &["nobody_hears_a_stranger"]),
    (Fault::CodedCrosses, CODED, &["nobody_hears_a_stranger"]),
    (Fault::CodedFallsSilent, CODED, &["media_both_ways"]),
    (Fault::CodedComesBack, CODED, &["nobody_hears_a_stranger"]),
    (Fault::CodedSoftens, CODED, &["sound_as_loud_as_spoken"]),
    (Fault::CodedStutters, CODED, &["speech_is_whole"]),
    (Fault::SequenceJumps, QUIET, &["one_rtp_stream"]),
    (Fault::PayloadTypeKept, QUIET, &["known_payload_types"]),
    (Fault::DigitEndDropped, QUIET, &["digits_arrive_once"]),
    (Fault::DigitDoubled, QUIET, &["digits_arrive_once"]),
    (Fault::DeadlineInPast, QUIET, &["wakes_bounded"]),
    (Fault::StreamNotForgotten, LOSSY, &["nothing_left"]),
    (Fault::TimerLeaked, QUIET, &["nothing_left"]),
];

/// Reliable provisional responses that are lost.
const QUIET_LOSSY: Scene = r#"
calm = "40s"
empty = "160s"
end = "280s"
phones = [
  { extension = "100", habits = ["wants-reliable"] },
  { extension = "101" },
]
calls = [
  { at = "9s", caller = 0, dial = "101", reactions = ["answers 4s"], talk = "2s" },
  { at = "16s", caller = 0, dial = "101", reactions = ["answers 4s"], talk = "2s" },
]
[faults]
loss = "40%"
"#;

fn plan(scene: Scene, seed: u64) -> Plan {
    Plan::parse(&format!("seed = {seed}\n{scene}")).unwrap_or_else(|wrong| panic!("{wrong}\n{scene}"))
}

/// The first seed whose world breaks a rule with this fault, and the rule.
fn found(fault: Fault, scene: Scene) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let failure = run_planted(&plan(scene, seed), fault).broken?;
        Some((seed, failure.broken.to_string()))
    })
}

#[test]
fn every_planted_fault_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for (fault, scene, oracles) in CASES {
        let found = found(*fault, scene);
        let named = |broken: &str| oracles.iter().any(|oracle| broken.starts_with(&format!("{oracle} ")));
        if std::env::var_os("TELEX_SHOW_PLANTED").is_some() {
            println!("{fault:?}: {found:?}");
        }
        if !found.as_ref().is_some_and(|(_, broken)| named(broken)) {
            missed.push(format!("{fault:?}: {oracles:?} expected, but {found:?}"));
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn without_a_fault_the_same_worlds_hold() {
    for scene in [LOSSY, QUIET, ODD, GONE, LONG, ATTACKED, QUIET_LOSSY, CODED, WALKED, HANDED] {
        for seed in 0..6 {
            let failure = run(&plan(scene, seed)).broken;
            assert!(failure.is_none(), "seed {seed} of {scene}\n{}", failure.unwrap_or_default_text());
        }
    }
}

#[test]
fn every_expected_oracle_exists() {
    for oracle in CASES.iter().flat_map(|(_, _, oracles)| *oracles) {
        assert!(ORACLES.iter().any(|(name, _)| name == oracle), "there is no oracle {oracle}");
    }
}

/// What a failure says, for the message of an assertion.
trait Text {
    fn unwrap_or_default_text(&self) -> String;
}

impl Text for Option<Box<telex_sim::Failure>> {
    fn unwrap_or_default_text(&self) -> String {
        self.as_ref().map_or_else(String::new, |failure| format!("{}\n{}", failure.broken, failure.ladder))
    }
}
