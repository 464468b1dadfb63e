use super::*;
use crate::phone::Awaited;
use crate::waits::Trigger;

fn scenario(name: &str) -> Plan {
    let (_, text) =
        SCENARIOS.iter().find(|(known, _)| *known == name).expect("a scenario that comes with the program");
    Plan::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn report(plan: &Plan, mishaps: &[Mishap], pairs: usize) -> FaultsReport {
    let options = FaultsEvery { mishaps: mishaps.to_vec(), pairs, jobs: 2 };
    faults_every(plan, &options, &AtomicBool::new(false))
}

#[test]
fn scenarios_are_clean_without_faults() {
    for (name, _) in SCENARIOS {
        let plan = scenario(name);
        let outcome = crate::run(&plan);
        assert_eq!(outcome.broken, None, "{name}");
        assert_eq!(outcome.calls, plan.calls.len() as u64, "{name}");
    }
}

#[test]
fn what_the_loss_of_each_message_costs() {
    let report = report(&scenario("busy"), &[Mishap::Lose], 0);
    insta::assert_snapshot!(report.text("busy"), @r"
    busy: 23 messages
      23 single faults, 0 of 288 pairs: 0 broke a rule, everybody's waiting ended
      calls came to something else in 0 runs
      somebody waits for the answer to a later REGISTER
          0.5 s  101, after loss of REGISTER 3 from 101, ended by timer E of a phone
      somebody waits for the call to be answered or refused
          0.5 s  101, after loss of INVITE 1 +sdp from 101, ended by timer A of a phone
      somebody waits to be registered
          0.5 s  101, after loss of REGISTER 1 from 101, ended by timer E of a phone

      seconds stuck when it is (delay is 3 s)
                                                       lose
      REGISTER 1 from 101                               0.5
      REGISTER 1 from 102                               0.5
      401 Unauthorized (REGISTER) 1 to 101              0.5
      401 Unauthorized (REGISTER) 1 to 102              0.5
      REGISTER 2 from 101                               0.5
      REGISTER 2 from 102                               0.5
      200 OK (REGISTER) 2 to 101                        0.5
      200 OK (REGISTER) 2 to 102                        0.5
      INVITE 1 +sdp from 101                            0.5
      401 Unauthorized (INVITE) 1 to 101                0.5
      ACK 1 from 101                                      -
      INVITE 2 +sdp from 101                            0.5
      INVITE 9261 +sdp to 102                           0.5
      180 Ringing (INVITE) 9261 from 102                  -
      180 Ringing (INVITE) 2 to 101                       -
      486 Busy Here (INVITE) 9261 from 102              0.5
      ACK 9261 to 102                                     -
      486 Busy Here (INVITE) 2 to 101                   0.5
      ACK 2 from 101                                      -
      REGISTER 3 from 101                               0.5
      REGISTER 3 from 102                               0.5
      200 OK (REGISTER) 3 to 101                        0.5
      200 OK (REGISTER) 3 to 102                        0.5
    ");
}

/// The called phone may not hang up before its 200 is acknowledged; the exchange repeats its ACK only when the 200
/// comes again.
#[test]
fn the_loss_of_an_acknowledgement_and_of_its_repetitions_is_waited_out_by_the_timers_of_the_phone() {
    let mut plan = scenario("basic");
    plan.calls[0].by = telex_engine::event::Side::Callee;
    plan.calls[0].talk = Duration::from_millis(100);
    let (_, rows, _) = run_waiting(&plan);
    let ack = rows.iter().find(|r| r.text.starts_with("ACK") && !r.inward && r.phone == 1).expect("an ACK");
    let lost = |number| ExactFault { message: number, ..target(ack, ExactKind::Lose) };
    let first = u32::try_from(ack.number).expect("a small number");
    plan.faults.exact = (first..first + 3).map(lost).collect();
    let (_, _, waits) = run_waiting(&plan);
    let usual = Usual::of(&run_waiting(&scenario("basic")).2);
    let stuck = stuck(&plan, &usual, &waits, &[]).pop().expect("the called phone waits");
    assert_eq!((stuck.extension.as_str(), stuck.awaited), ("102", "for the ACK of its answer"));
    assert_eq!(stuck.trigger, "timer of the repeated 2xx of a phone");
    // Sent again after 0.5, 1 and 2 seconds.
    assert_eq!(stuck.time.as_millis(), 3500);
    assert!(!stuck.forever);
}

#[test]
fn pairs_are_taken_evenly_and_counted() {
    let plan = scenario("busy");
    let all = report(&plan, &[Mishap::Lose], usize::MAX);
    let some = report(&plan, &[Mishap::Lose], 10);
    assert_eq!((all.pairs, some.pairs, some.possible_pairs), (all.possible_pairs, 10, all.possible_pairs));
    assert!(all.possible_pairs > 100 && all.all_ended(), "{}", all.text("busy"));
    assert!(all.longest_by(1).map(|s| s.time) >= all.longest_by(0).map(|s| s.time));
    assert_eq!(evenly(7, 3), [0, 2, 4]);
    assert_eq!(evenly(2, 9), [0, 1]);
}

/// Waits that only the end of the run ended come before all others, however short.
#[test]
fn who_waits_for_ever_is_found() {
    let at = |seconds: u64| Instant::from_millis(seconds * 1000);
    let waited = |phone: usize, until: u64, trigger: Option<Trigger>| Waited {
        wait: (phone, Some(0), Awaited::Notice),
        from: at(10),
        until: at(until),
        trigger,
    };
    let usual = Usual::of(&[waited(0, 12, Some(Trigger::People))]);
    let late = waited(0, 40, Some(Trigger::Exchange("timer H")));
    let found =
        stuck(&scenario("basic"), &usual, &[late], &["loss of it".to_owned()]).pop().expect("it is late");
    assert_eq!((found.time, found.forever), (Duration::from_secs(28), false));
    assert_eq!(
        (found.trigger.as_str(), &found.faults[..]),
        ("timer H of the exchange", &["loss of it".to_owned()][..])
    );
    for (trigger, words) in [(None, "nothing"), (Some(Trigger::Empty), "nothing before all hung up")] {
        let endless = waited(1, 20, trigger);
        let found = stuck(&scenario("basic"), &usual, &[late, endless], &[]).pop().expect("it is late");
        assert_eq!((found.phone, found.forever, found.trigger.as_str()), (1, true, words));
    }
    assert_eq!(stuck(&scenario("basic"), &usual, &[waited(0, 12, None)], &[]), []);
}

#[test]
fn swapped_messages_change_places() {
    let plan = scenario("basic");
    let (_, rows, _) = run_waiting(&plan);
    let ringing = rows.iter().find(|r| r.text.starts_with("180") && r.inward).expect("ringing");
    let hit = hit(&plan, &[], ringing, Mishap::Swap).expect("an answer follows");
    let ExactKind::Delay(by) = hit.fault.kind else { panic!("{hit:?}") };
    // The exchange does not hear it ring and repeats its INVITE; the phone repeats the 180.
    assert_eq!(by, Duration::from_millis(500) + AFTER);
}
