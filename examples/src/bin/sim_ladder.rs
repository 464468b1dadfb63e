//! A call in the simulated world, and its ladder.
//!
//! A plan says what people do and what the network does to them, as text: 100 calls 101, 101 rings and answers, holds
//! for a while, and 100 hangs up; a quarter of all packets is lost. The seed decides which. Run it with another seed
//! and other packets are lost; run it twice with the same one and nothing differs, not even a tag. `telex sim --plan
//! FILE` runs such a plan from a file.
//!
//! ```text
//! cargo run -p telex-examples --bin sim_ladder [SEED]
//! ```

use telex_sim::{Plan, run_with_ladder};

const PLAN: &str = r#"
seed = 42
calm = "40s"    # faults end
empty = "160s"  # everybody hangs up
end = "280s"    # nothing may be left
phones = [
  { extension = "100", latency = "20ms" },
  { extension = "101", latency = "20ms" },
]
calls = [
  { at = "10s", caller = 0, dial = "101", reactions = ["answers 2s"], by = "caller", talk = "9s", hold = { by = "callee", after = "2s", lasts = "3s" } },
]

[faults]
loss = "25%"
"#;

fn main() {
    let mut plan = match Plan::parse(PLAN) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    };
    if let Some(seed) = std::env::args().nth(1).and_then(|text| text.parse().ok()) {
        plan.seed = seed;
    }

    let (outcome, ladder) = run_with_ladder(&plan, 0);

    print!("{ladder}");
    println!(
        "{} s in the world, {} datagrams lost, {} media packets heard, state hash {:016x}",
        outcome.simulated.as_secs(),
        outcome.lost,
        outcome.media,
        outcome.state_hash
    );
    if let Some(failure) = outcome.broken {
        println!("broken: {}", failure.broken);
        std::process::exit(1);
    }
}
