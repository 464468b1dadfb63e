//! All state of the machines can be written down, and what is read back goes on as if nothing had happened.

use serde::Serialize;
use serde::de::DeserializeOwned;
use telex_engine::media::{MediaOut, MediaShard};
use telex_engine::mediactl::ShardId;
use telex_engine::time::Instant;
use telex_engine::{Action, Input, Signalling};
use telex_sim::{Plan, Settings, Watch, draw, run, run_watched};

/// Puts what it read back in the place of what it wrote down, at every so many steps.
struct Swap {
    every: u64,
    steps: u64,
    octets: usize,
}

fn round_trip<T: Serialize + DeserializeOwned>(machine: &mut T) -> usize {
    let written = postcard::to_stdvec(machine).expect("everything can be written");
    let read: T = postcard::from_bytes(&written).expect("what was written can be read");
    assert_eq!(postcard::to_stdvec(&read).expect("again"), written);
    *machine = read;
    written.len()
}

impl Watch for Swap {
    fn begin(&mut self, machine: &mut Signalling) {
        round_trip(machine);
    }

    fn signalling(&mut self, machine: &mut Signalling, _: Instant, _: &Input, _: &[Action]) {
        self.steps += 1;
        if self.steps.is_multiple_of(self.every) {
            self.octets = self.octets.max(round_trip(machine));
        }
    }

    fn after_media(&mut self, _: ShardId, machine: &mut MediaShard, _: &MediaOut) {
        self.steps += 1;
        // Media takes more steps.
        if self.steps.is_multiple_of(self.every * 13) {
            let library = machine.library().clone();
            self.octets = self.octets.max(round_trip(machine));
            machine.fill(&library);
        }
    }
}

fn swapped(plan: &Plan, every: u64) {
    let mut swap = Swap { every, steps: 0, octets: 0 };
    let outcome = run_watched(plan, &mut swap);
    assert!(outcome.broken.is_none(), "{outcome:?}");
    assert_eq!(outcome, run(plan), "every {every} steps");
    assert!(swap.steps > 2 * every && swap.octets > 1000, "{} steps, {} octets", swap.steps, swap.octets);
}

#[test]
fn machines_that_are_replaced_by_their_copies_do_what_the_originals_do() {
    for seed in 1..6 {
        let plan = draw(seed, &Settings { calls: 12, loss: Some(50_000), ..Settings::default() });
        for every in [1, 7, 50] {
            swapped(&plan, every);
        }
    }
}
