//! `telex sim` as it is used.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn sim(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_telex"))
        .arg("sim")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout)))
}

#[test]
fn good_seeds_end_with_success_and_the_same_hash_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let one = sim(folder.path(), "--seeds 0..3 --calls 4 --loss 5% --json --jobs 1");
    let three = sim(folder.path(), "--seeds 0..3 --calls 4 --loss 5% --json --jobs 3");
    assert_eq!((one.status.code(), three.status.code()), (Some(0), Some(0)), "{}", text(&one.stdout));
    let (one, three) = (json(&one), json(&three));
    assert_eq!((&one["seeds"], &one["calls"]), (&3.into(), &12.into()));
    assert_eq!(one["broken"], Value::Array(Vec::new()));
    assert!(one["simulated_seconds"].as_f64() > Some(600.0) && one["wall_seconds"].as_f64() > Some(0.0));
    assert_eq!(one["state_hash"], three["state_hash"]);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "files were written");
}

#[test]
fn what_breaks_a_rule_is_kept_as_a_small_plan_that_breaks_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let broken = sim(folder.path(), "--seed 0 --break-timer t1 --loss 10% --json");
    assert_eq!(broken.status.code(), Some(1));
    let first = json(&broken)["broken"][0].clone();
    let oracle = first["oracle"].as_str().unwrap();
    let file = format!("broken-0-{oracle}.plan.toml");
    assert!(first["replay"].as_str().unwrap().ends_with(&format!("sim --plan {file}")), "{first}");
    let kept = std::fs::read_to_string(folder.path().join(&file)).unwrap();
    assert!(kept.ends_with(first["plan"].as_str().unwrap()) && kept.lines().count() < 20, "{kept}");

    let again = sim(folder.path(), &format!("--plan {file} --no-shrink --keep again"));
    assert_eq!(again.status.code(), Some(1));
    let said = text(&again.stdout);
    assert!(said.contains(&format!("BROKEN 0: {oracle} at ")) && said.contains(" telex "), "{said}");
}

#[test]
fn a_plan_is_printed_and_runs_as_its_seed_did() {
    let folder = tempfile::tempdir().unwrap();
    let plan = sim(folder.path(), "--seed 5 --calls 3 --print-plan");
    std::fs::write(folder.path().join("five.toml"), &plan.stdout).unwrap();
    let (seed, file) =
        (sim(folder.path(), "--seed 5 --calls 3 --json"), sim(folder.path(), "--plan five.toml --json"));
    assert_eq!(json(&seed)["state_hash"], json(&file)["state_hash"]);
}

#[test]
fn phones_and_times_come_from_the_configuration_of_a_site() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[call]\nring = \"7s\"\n[[phone]]\nextension = \"21\"\npassword = \"Abcdefgh1\"\n\
                  [[phone]]\nextension = \"22\"\npassword = \"Abcdefgh2\"\n";
    std::fs::write(folder.path().join("telex.toml"), config).unwrap();
    let plan = sim(folder.path(), "--config telex.toml --print-plan");
    let plan = text(&plan.stdout);
    for part in ["ring = \"7s\"", "extension = \"21\"", "extension = \"22\""] {
        assert!(plan.contains(part), "{part} is missing in {plan}");
    }
    assert!(!plan.contains("Abcdefgh"), "a secret is in {plan}");
    let run = sim(folder.path(), "--config telex.toml --calls 5");
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
}

#[test]
fn wrong_usage_is_status_two_and_says_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "seed = 1\ncalm = \"5 s\"\n").unwrap();
    for (arguments, remedy) in [
        ("--seeds 9..3", "no seed"),
        ("--loss 200%", "up to 100%"),
        ("--plan nowhere.toml", "nowhere.toml"),
        ("--plan bad.toml", "bad.toml: line 2, column 8: `5 s` is no time; write it like 250ms"),
        ("--seeds 0..2 --trace", "--seed or --plan"),
        ("--with rain", "telex sim --features"),
        ("--plan bad.toml --seed 4", "cannot be used with"),
    ] {
        let output = sim(folder.path(), arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(remedy), "{arguments}: {said}");
    }
}

#[test]
fn every_fault_in_a_scenario_is_tried_and_the_longest_wait_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = sim(folder.path(), "--faults-every register --kinds lose,delay --pairs 40 --json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let report = &json(&output)[0];
    let messages = report["messages"].as_array().unwrap().len();
    // Four to register, two for each of two refreshes, four to leave, because the nonce has grown old.
    assert_eq!((messages, &report["single_faults"], &report["pairs"]), (12, &24.into(), &40.into()));
    assert_eq!((&report["all_terminate"], &report["endless"]), (&true.into(), &0.into()));
    let longest = &report["longest_pair"];
    assert!(
        longest["seconds"].as_f64() > Some(1.0) && longest["faults"].as_array().unwrap().len() == 2,
        "{longest}"
    );
    assert!(longest["until"].as_str().unwrap().contains("timer E"), "{longest}");
    for (arguments, remedy) in [
        ("--faults-every tea", "no scenario"),
        ("--faults-every basic --seed 1", "cannot be used with"),
        ("--faults-every basic --loss 5%", "cannot be used with"),
        ("--kinds lose", "--faults-every"),
    ] {
        let output = sim(folder.path(), arguments);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(remedy), "{arguments}: {said}");
    }
}
