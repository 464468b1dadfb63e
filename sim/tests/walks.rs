//! Random dialplans, random keys and hang-ups at every step: nobody is stuck, records agree with the phones, and all
//! comes to rest.

mod common;

use telex_sim::{Plan, Settings, draw};

use common::hold;

fn walking() -> Settings {
    let (with, without) = (vec!["dialplan".to_owned()], vec!["transcode".to_owned()]);
    Settings { calls: 10, with, without, ..Settings::default() }
}

#[test]
fn callers_walk_random_dialplans_on_a_good_network() {
    let settings = Settings { loss: Some(0), storms: false, ..walking() };
    let answered = hold(100..160, |seed| draw(seed, &settings));
    assert!(answered > 100, "{answered} calls were answered");
}

#[test]
fn callers_walk_random_dialplans_in_a_storm() {
    hold(2000..2030, |seed| draw(seed, &walking()));
}

#[test]
fn a_dialplan_is_part_of_its_plan_and_is_checked() {
    let plan = draw(7, &walking());
    assert!(!plan.dialplan.is_empty());
    assert_eq!(Plan::parse(&plan.to_toml()).expect("it can be read again"), plan);
    let wrong = plan.to_toml().replace("Answer()", "Anser()");
    let told = Plan::parse(&wrong).expect_err("there is no such application").to_string();
    assert!(told.contains("did you mean Answer"), "{told}");
}
