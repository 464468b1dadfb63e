//! What recording costs, beside what the engine costs. `cargo test --release -p telex-replay --test cost -- --ignored
//! --nocapture` prints it.

use std::time::Instant as Clock;

use telex_engine::Actions;
use telex_replay::{Recorder, Recording, Replayer};
use telex_sim::{Settings, draw, run_recorded};

#[test]
#[ignore = "a measurement"]
fn what_recording_costs() {
    let plan = draw(3, &Settings { calls: 400, loss: Some(0), ..Settings::default() });
    let (_, octets) = run_recorded(&plan, Vec::new()).unwrap();
    let recording = Recording::read(&mut octets.as_slice()).unwrap();
    assert!(Replayer::new(&recording, &[]).unwrap().run().unwrap().is_identical());
    let mut best = [f64::INFINITY; 2];
    let mut largest = 0;
    for _ in 0..10 {
        for (which, best) in best.iter_mut().enumerate() {
            let mut machine = recording.checkpoint.machine().unwrap();
            let mut recorder = Recorder::new(16 << 20);
            let mut actions = Actions::new();
            let inputs: Vec<_> =
                recording.entries.iter().map(|entry| (entry.now, entry.input.clone())).collect();
            let began = Clock::now();
            for (now, input) in inputs {
                if which == 1 {
                    recorder.before(&machine, now, &input);
                }
                machine.handle(now, input, &mut actions);
                if which == 1 {
                    recorder.after(&actions, machine.deadline().map(|deadline| deadline.at));
                }
                actions.clear();
            }
            *best = best.min(began.elapsed().as_secs_f64());
            largest = largest.max(recorder.octets());
        }
    }
    let inputs = recording.entries.len();
    let [without, with] = best.map(|seconds| seconds * 1e9 / inputs as f64);
    println!("{inputs} inputs: {without:.0} ns each, {with:.0} ns recorded; {largest} octets kept");
}
