//! Calls that are handed over, sent elsewhere, parked, picked up and replaced, on networks good and bad: whatever
//! crosses, nobody is stuck or alone, and each REFER is told once what came of it.

mod common;

use telex_sim::{Plan, Settings, draw, run};

use common::hold;

/// The features that change who is in a call.
const FEATURES: [&str; 4] = ["transfer", "divert", "park", "pickup"];

fn with(features: &[&str]) -> Settings {
    let with = features.iter().map(|name| (*name).to_owned()).collect();
    let without = ["transcode", "garble"].map(str::to_owned).to_vec();
    Settings { calls: 10, with, without, ..Settings::default() }
}

fn calm(features: &[&str]) -> Settings {
    Settings { loss: Some(0), storms: false, ..with(features) }
}

#[test]
fn each_alone_on_a_good_network() {
    for feature in FEATURES {
        let answered = hold(0..8, |seed| draw(seed, &calm(&[feature])));
        assert!(answered > 20, "{feature}: {answered} calls were answered");
    }
}

#[test]
fn all_together_on_a_good_network() {
    hold(100..116, |seed| draw(seed, &calm(&FEATURES)));
}

#[test]
fn all_together_in_a_storm() {
    hold(1000..1016, |seed| draw(seed, &with(&FEATURES)));
}

/// To look for more: `TELEX_SEEDS=5000..6000 cargo test -p telex-sim --test handed`.
#[test]
fn seeds_that_somebody_asks_for() {
    let Ok(asked) = std::env::var("TELEX_SEEDS") else { return };
    let (from, to) = asked.split_once("..").expect("two numbers");
    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
    let settings = if std::env::var_os("TELEX_CALM").is_some() { calm(&FEATURES) } else { with(&FEATURES) };
    let mut told = 0;
    for seed in from..to {
        let plan = draw(seed, &settings);
        if let Some(failure) = run(&plan).broken {
            println!("seed {seed}: {}", failure.broken);
            if std::env::var_os("TELEX_SHOW").is_some() {
                println!("{}\n{}", plan.to_toml(), failure.ladder);
            }
            told += 1;
        }
    }
    assert_eq!(told, 0, "seeds broke a rule");
}

#[test]
fn what_is_planned_can_be_read_again() {
    for seed in 0..20 {
        let plan = draw(seed, &with(&FEATURES));
        assert_eq!(Plan::parse(&plan.to_toml()).expect("it can be read again"), plan);
    }
    let plan = |to: &str| {
        let transfers = format!("transfers = [{{ by = \"caller\", after = \"1s\", to = \"{to}\" }}]");
        let phones = "phones = [{ extension = \"100\" }, { extension = \"101\" }]";
        let times = "seed = 1\ncalm = \"40s\"\nempty = \"160s\"\nend = \"280s\"";
        let call = format!("calls = [{{ at = \"9s\", caller = 0, dial = \"101\", {transfers} }}]");
        Plan::parse(&format!("{times}\n{phones}\n{call}"))
    };
    assert!(plan("102").is_ok() && plan("sip:102@192.0.2.1").is_ok());
    let wrong = plan("no number").expect_err("it cannot be dialled").to_string();
    assert!(wrong.contains("write a number or a SIP URI"), "{wrong}");
}
