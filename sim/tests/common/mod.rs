//! What tests of whole worlds have in common.

use telex_sim::{Plan, run};

/// Runs the plans of these seeds, which are to break no rule. Gives the number of calls that were answered.
pub(crate) fn hold(seeds: std::ops::Range<u64>, plan: impl Fn(u64) -> Plan) -> u64 {
    let mut answered = 0;
    for seed in seeds {
        let plan = plan(seed);
        let outcome = run(&plan);
        if let Some(failure) = outcome.broken {
            panic!("seed {seed}: {}\n{}\n{}", failure.broken, plan.to_toml(), failure.ladder);
        }
        answered += outcome.answered;
    }
    answered
}
