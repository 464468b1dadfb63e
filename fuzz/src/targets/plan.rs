//! The text of a simulator's plan: read, written and read again it is the same plan; what is refused is told with a
//! place.

use telex_sim::Plan;

pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    match Plan::parse(text) {
        Ok(plan) => {
            let written = plan.to_toml();
            let again =
                Plan::parse(&written).unwrap_or_else(|e| panic!("{e} in what was written:\n{written}"));
            assert_eq!(again, plan, "{written}");
        }
        Err(error) => assert!(error.line >= 1 && error.column >= 1 && !error.what.is_empty()),
    }
}
