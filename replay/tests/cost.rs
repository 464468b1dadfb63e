//! What recording costs, beside what the engine costs. `cargo test --release -p telex-replay --test cost -- --ignored
//! --nocapture` prints it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant as Clock;

use smol_str::SmolStr;
use telex_engine::border::{StoredBinding, Transport};
use telex_engine::config::{Config, Credentials, Phone};
use telex_engine::rng::Seed;
use telex_engine::time::{Duration, Instant, WallTime};
use telex_engine::{Actions, Boot, Input, Signalling};
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

/// A large exchange with what is kept when nobody says otherwise.
#[test]
fn ten_thousand_registrations_are_kept_in_the_usual_memory() {
    let mut config = Config::default();
    let mut bindings = Vec::new();
    let wall = WallTime::from_unix_millis(1_767_225_600_000);
    for n in 10_000..20_000 {
        let user: SmolStr = n.to_string().into();
        let credentials = Some(Credentials::from_password(&user, "telex", "secret"));
        config.phones.insert(user.clone(), Phone { credentials, ..Phone::default() });
        let source: SocketAddr = "198.51.100.7:5062".parse().unwrap();
        bindings.push(StoredBinding {
            contact: format!("<sip:{user}@198.51.100.7:5062;transport=udp;line=3c2b1a>;expires=3600").into(),
            aor: user,
            transport: Transport::Udp,
            source,
            local: "192.0.2.1:5060".parse().unwrap(),
            expires: wall + Duration::from_secs(3600),
            call_id: format!("a84b4c76e66710-{n}@198.51.100.7").into(),
            cseq: 2,
            q: 1000,
            path: SmolStr::default(),
            user_agent: "Telephone 10.1.169.16".into(),
            instance: "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>;1".into(),
        });
    }
    let boot = Boot { wall, bindings, ..Boot::default() };
    let mut machine = Signalling::new(Arc::new(config), Seed::from_number(1), boot);
    let mut recorder = Recorder::new(16 << 20);
    let now = Instant::from_millis(1);
    let began = Clock::now();
    recorder.before(&machine, now, &Input::Wake);
    let taken = began.elapsed();
    let mut actions = Actions::new();
    machine.handle(now, Input::Wake, &mut actions);
    println!("a checkpoint of {} octets in {taken:?}", recorder.octets());
    assert_eq!(machine.view().registrations.len(), 10_000);
    assert_eq!(recorder.refusal(), None);
}
