use super::*;

fn report(name: &str, mishaps: &[Mishap], pairs: usize) -> FaultsReport {
    let (_, text) =
        SCENARIOS.iter().find(|(known, _)| *known == name).expect("a scenario that comes with the program");
    let plan = Plan::parse(text).expect("a plan");
    let options = FaultsEvery { mishaps: mishaps.to_vec(), pairs, jobs: 2 };
    faults_every(&plan, &options, &AtomicBool::new(false))
}

#[test]
fn single_losses_of_a_call() {
    let report = report("basic", &[Mishap::Lose], 0);
    println!("{}", report.text("basic"));
}

#[test]
fn scenarios_are_clean_without_faults() {
    for (name, text) in SCENARIOS {
        let plan = Plan::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let outcome = crate::run(&plan);
        assert_eq!(outcome.broken, None, "{name}");
        assert_eq!(outcome.calls, plan.calls.len() as u64, "{name}");
    }
}
