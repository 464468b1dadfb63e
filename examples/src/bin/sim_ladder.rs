//! A call in the simulated world, and its ladder.
//!
//! A seed draws everything: two phones, the network's mood, who calls. Here the one call is written by hand,
//! so that the story is always the same: 100 calls 101, 101 rings and answers, holds for a while, and 100
//! hangs up. A quarter of all packets is lost. Run it with another seed and other packets are lost; run it
//! twice with the same one and nothing differs, not even a tag.
//!
//! ```text
//! cargo run -p telex-examples --bin sim_ladder [SEED]
//! ```

use std::time::Duration;

use telex_engine::border::Transport;
use telex_engine::event::Side;
use telex_engine::time::Instant;
use telex_sim::plan::{CallPlan, Hold, Reaction};
use telex_sim::{Settings, draw, run_with_ladder};

fn main() {
    let seed = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(42);
    let settings =
        Settings { calls: 1, phones: 2, loss: Some(250_000), storms: false, ..Settings::default() };
    let mut plan = draw(seed, &settings);
    for phone in &mut plan.phones {
        phone.transport = Transport::Udp;
        phone.latency = Duration::from_millis(20);
    }
    plan.calls = vec![CallPlan {
        at: Instant::from_millis(10_000),
        caller: 0,
        dial: plan.phones[1].extension.clone(),
        cancel: None,
        reactions: vec![Reaction::Answer(Duration::from_secs(2))],
        by: Side::Caller,
        talk: Duration::from_secs(9),
        hold: Some(Hold { by: Side::Callee, after: Duration::from_secs(2), lasts: Duration::from_secs(3) }),
        late_offer: false,
    }];

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
