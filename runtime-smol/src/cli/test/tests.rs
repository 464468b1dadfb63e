//! The examples, what is said of scenarios that fail, and what is said of files that are wrong.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use super::{Test, played, read, refused};

fn options(files: &[&str]) -> Test {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    Test {
        files: files.iter().map(|file| folder.join(file)).collect(),
        config: None,
        only: None,
        coverage: false,
        time: false,
        junit: None,
    }
}

/// A file of scenarios about the configuration of a first start, and what is printed of it.
fn scenarios(name: &str, text: &str, options: impl FnOnce(PathBuf) -> Test) -> (String, bool) {
    let folder = std::env::temp_dir().join(format!("telex-test-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("x.tests");
    std::fs::write(&file, format!("config default\n{text}")).unwrap();
    let (told, fine) = played(&options(file)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    (told.replace(&format!("{}/", folder.display()), ""), fine)
}

fn of(file: PathBuf) -> Test {
    Test { files: vec![file], ..options(&[]) }
}

fn wrong(text: &str) -> String {
    refused(Path::new("x.tests"), &read::read(text).unwrap_err()).0
}

#[test]
fn the_examples_go_as_they_say_each_time() {
    let options = Test { coverage: true, ..options(&["first-start.tests", "office/office.tests"]) };
    let (told, fine) = played(&options).unwrap();
    assert!(fine, "{told}");
    assert_eq!(played(&options).unwrap().0, told, "the same each time, octet for octet");
    let office: Vec<&str> = told.lines().skip_while(|line| !line.contains("office")).collect();
    let never: Vec<&&str> = office.iter().filter(|line| line.contains("extensions.conf:")).collect();
    assert!(never.is_empty(), "all of the menu is walked: {never:?}");
}

#[test]
fn what_did_not_come_true_is_told_with_what_happened_and_why() {
    let text = "scenario \"never\":\n  at \"Sun 11:02\"\n  101 is busy\n  100 dials 101\n  expect 101 rings within 2s\n\
scenario \"# fine\":\n  100 dials *43\n  expect 100 hears itself\n";
    let (told, fine) = scenarios("fails", text, of);
    assert!(!fine);
    assert_snapshot!(told, @"");
}

#[test]
fn junit_has_a_suite_for_each_file() {
    let junit = std::env::temp_dir().join(format!("telex-test-{}.xml", std::process::id()));
    let text = "scenario \"a < b\":\n  100 dials 101\nscenario \"fails\":\n  100 dials 101\n  expect 101 is idle within 1s\n";
    scenarios("junit", text, |file| Test { junit: Some(junit.clone()), ..of(file) });
    let told = std::fs::read_to_string(&junit).unwrap();
    std::fs::remove_file(&junit).unwrap();
    let folder = format!("{}/telex-test-junit-{}/", std::env::temp_dir().display(), std::process::id());
    assert_snapshot!(told.replace(&folder, ""), @"");
}

#[test]
fn every_kind_of_line_fails_with_its_reason() {
    let found = |text: &str| {
        let (told, fine) = scenarios("reasons", &format!("scenario x\n{text}"), of);
        assert!(!fine, "{text}");
        let field = |name: &str| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
            line.trim().trim_matches('"').replace("\\\"", "\"")
        };
        format!("{} | {}", field("expected:"), field("found:"))
    };
    let told: Vec<String> = [
        "101 answers",
        "100 hangs up",
        "100 presses 1",
        "100 holds",
        "100 resumes",
        "100 joins its calls",
        "100 transfers to 101",
        "100 dials 101\nexpect 101 does not ring",
        "100 dials 101\nexpect 101 rings from 7 within 1s",
        "100 dials 101\nexpect 100 hears music within 1s",
        "100 dials 101\n101 answers\nexpect 100 hears keys 7 within 1s",
        "100 dials 101\nexpect 100 talks within 1s",
        "100 dials 7\nexpect 100 is told busy within 1s",
        "100 dials 7\nexpect call ends busy within 1s",
        "100 dials 7\nexpect cdr answered 3s from 100 to 7 within 1s",
        "expect log \"x\" within 1s",
        "100 dials 101\nexpect match _1X in internal within 1s",
        "at \"2026-05-05 10:00\"\nwait 1s\nadvance to 2026-05-05 10:00",
    ]
    .map(found)
    .into();
    assert_snapshot!(told.join("\n"), @"");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let text = "\
100 dials 101
scenari \"a\"
scenario \"a\":
  100 dails 101
  expct 101 rings
  expect 101 ring
  expect 101 rings within 5
  expect 101 rings soon
  expect 101 hears promt welcome
  expect 101 does ring
  expect call ends bussy
  expect cdr
  100
  100 is bsy
  100 presses 4x
  100 refuses 200
  100 dials
  advance to soon
  at 11:02
  wait 400d
  trunk carrier down
  expect log \"never closed
scenario \"a\"
";
    assert_snapshot!(wrong(text), @"");
    assert_eq!(
        wrong("# nothing\n"),
        "x.tests:1:1: there is no scenario in it: begin one with scenario \"NAME\":"
    );
}

#[test]
fn a_phone_that_is_not_there_is_told_before_anything_is_played() {
    let folder = std::env::temp_dir().join(format!("telex-test-phones-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("x.tests");
    std::fs::write(&file, "config default\nscenario a\n  110 dials 101\n  expect 101 talks with 9\n")
        .unwrap();
    let told = played(&of(file)).unwrap_err().0;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_snapshot!(told.replace(&format!("{}/", folder.display()), ""), @"");
}

#[test]
fn a_comment_needs_a_blank_and_a_key_does_not() {
    let text = "# first\nscenario a # one\n  100 dials *21# # two\n  100 presses #\n";
    let scenarios = read::read(text).unwrap();
    let steps: Vec<&str> = scenarios[0].steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(steps, ["100 dials *21# # two", "100 presses #"]);
    use super::script::{Act, What};
    let acts: Vec<&What> = scenarios[0].steps.iter().map(|step| &step.what).collect();
    assert!(matches!(acts[0], What::Act(_, Act::Dials(number)) if number == "*21#"));
    assert!(matches!(acts[1], What::Act(_, Act::Presses(keys)) if keys == "#"));
}
