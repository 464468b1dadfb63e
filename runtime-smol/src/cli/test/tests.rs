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
    (without_lines(&told.replace(&format!("{}/", folder.display()), "")), fine)
}

/// Without the lines of the configuration of a first start, which change with its comments.
fn without_lines(told: &str) -> String {
    let mut parts = told.split("telex.toml:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "telex.toml:N" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
    })
}

fn of(file: PathBuf) -> Test {
    Test { files: vec![file], ..options(&[]) }
}

fn wrong(text: &str) -> String {
    refused(Path::new("x.tests"), &read::read(text).unwrap_err()).0
}

#[test]
fn the_examples_go_as_they_say_each_time() {
    let options = Test {
        coverage: true,
        ..options(&[
            "first-start.tests",
            "office/office.tests",
            "trunk/trunk.tests",
            "front-desk/front-desk.tests",
        ])
    };
    let (told, fine) = played(&options).unwrap();
    assert!(fine, "{told}");
    assert_eq!(played(&options).unwrap().0, told, "the same each time, octet for octet");
    let desk: Vec<&str> = told.lines().skip_while(|line| !line.contains("front-desk")).collect();
    let never: Vec<&&str> = desk.iter().filter(|line| line.contains("extensions.conf:")).collect();
    assert!(never.is_empty(), "all of the menu is walked: {never:?}");
}

#[test]
fn what_did_not_come_true_is_told_with_what_happened_and_why() {
    let text = "scenario \"never\":\n  at \"Sun 11:02\"\n  101 is busy\n  100 dials 101\n  expect 101 rings within 2s\n\
scenario \"# fine\":\n  100 dials *43\n  expect 100 hears itself\n";
    let (told, fine) = scenarios("fails", text, of);
    assert!(!fine);
    assert_snapshot!(told, @r#"
    TAP version 13
    1..2
    not ok 1 - never
      ---
      at: "x.tests:6"
      step: "expect 101 rings within 2s"
      expected: "101 rings within 2 s"
      found: "101 is idle"
      clock: "Sun 2026-01-11 11:02:02, 2 s after the beginning"
      happened: |
        0 s  100 dials 101
        0 s  matched: 101 in context [telex]
        0 s  101 is called by 100, and is busy
        0 s  the call from 100 to 101 has ended: busy, 0s
        0 s  100 is told 486 Busy Here
      explain: |
        call 1 from 100 to 101:
          101 matched 101 in context [telex]
            telex.toml:N (phone 101)  1. Dial(PJSIP/101)  -> BUSY, cause 17
      ...
    ok 2 - \# fine
    # 2 scenarios, 1 failed
    "#);
}

#[test]
fn junit_has_a_suite_for_each_file() {
    let junit = std::env::temp_dir().join(format!("telex-test-{}.xml", std::process::id()));
    let text = "scenario \"a < b\":\n  100 dials 101\nscenario \"fails\":\n  100 dials 101\n  expect 101 is idle within 1s\n";
    scenarios("junit", text, |file| Test { junit: Some(junit.clone()), ..of(file) });
    let told = std::fs::read_to_string(&junit).unwrap();
    std::fs::remove_file(&junit).unwrap();
    let folder = format!("{}/telex-test-junit-{}/", std::env::temp_dir().display(), std::process::id());
    assert_snapshot!(without_lines(&told.replace(&folder, "")), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites tests="2" failures="1">
      <testsuite name="x.tests" tests="2" failures="1">
        <testcase classname="x.tests" name="a &lt; b"/>
        <testcase classname="x.tests" name="fails">
          <failure message="expected 101 is idle within 1 s, found 101 rings and shows 100">x.tests:6: expect 101 is idle within 1s
    Mon 2026-01-05 10:00:01, 1 s after the beginning
    0 s  100 dials 101
    0 s  matched: 101 in context [telex]
    0 s  101 rings and shows 100
    0 s  100 is told that it rings
    0 s  100 hears ringback
    call 1 from 100 to 101:
      101 matched 101 in context [telex]
        telex.toml:N (phone 101)  1. Dial(PJSIP/101)
    </failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn every_kind_of_line_fails_with_its_reason() {
    let found = |text: &str| {
        let (told, fine) = scenarios("reasons", &format!("scenario x\n{text}"), of);
        assert!(!fine, "{text}");
        let field = |name: &str| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
            serde_json::from_str::<String>(line).unwrap()
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
    assert_snapshot!(told.join("\n"), @r##"
    101 rings | 101 is idle
    100 has a call | 100 is idle
    100 is in a call with somebody who hears keys | 100 is idle
    100 is in a call that was answered | 100 is idle
    100 holds a call | 100 is idle
    100 holds one call and is in another | 100 is idle
    100 is in a call that was answered | 100 is idle
    not: 101 rings | 101 rings and shows 100
    101 rings and shows 7 within 1 s | 101 rings and shows 100
    100 hears music within 1 s | 100 calls and hears ringback
    100 hears keys 7 within 1 s | 100 is in a call and talks with 101; it has heard keys ""
    100 talks with somebody within 1 s | 100 calls and hears ringback
    100 is told 486 within 1 s | 100 is idle; its last call was told 404 Not Found
    a call ends: busy within 1 s | from 100 to 7: failed, 0s
    a record of a call: answered, talked for 3s, from 100, to 7 within 1 s | from 100 to 7: failed, 0s
    a line of the log with "x" in it within 1 s | nothing was logged
    a number that matches _1X in [internal] within 1 s | 101 in [telex]
    a time to come: 2026-05-05 10:00 | it is Tue 2026-05-05 10:00:01 already
    "##);
}

/// Lines of at most 90 columns.
fn folded(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut now = String::new();
        for word in line.split(' ') {
            if !now.is_empty() && now.chars().count() + 1 + word.chars().count() > 90 {
                lines.push(std::mem::replace(&mut now, format!("  {word}")));
            } else {
                let blank = if now.is_empty() { "" } else { " " };
                now = format!("{now}{blank}{word}");
            }
        }
        lines.push(now);
    }
    lines.join("\n")
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
  trunk carrier sideways
  expect log \"never closed
scenario \"a\"
";
    assert_snapshot!(folded(&wrong(text)), @r##"
    x.tests:1:1: this belongs into a scenario: begin one with scenario "NAME":
    x.tests:2:1: `scenari` is unknown here: expected scenario or config: did you mean
      scenario?
    x.tests:4:7: `dails` is unknown here: expected dials, answers, refuses, hangs up, presses,
      holds, resumes, transfers, joins or is: did you mean dials?
    x.tests:5:3: `expct` is unknown: expected scenario, config, at, advance, wait, expect,
      trunk, or a phone and what it does: did you mean expect?
    x.tests:6:14: `ring` is unknown here: expected rings, hears, talks, is or does: did you
      mean rings?
    x.tests:7:27: `5` is no time: write 5s, 500ms, 2m or 1h, at most 366d
    x.tests:8:20: `soon` is too much: the line is complete before it
    x.tests:9:20: `promt` is unknown here: expected prompt NAME, ringback, busy tone,
      congestion tone, dial tone, a tone, music, keys, itself, a phone or nothing: did you
      mean prompt?
    x.tests:10:19: `ring` is unknown here: expected not
    x.tests:11:20: `bussy` is unknown here: expected answered, busy, no answer or failed: did
      you mean busy?
    x.tests:12:13: the line ends too early: expected answered, busy, no answer or failed
    x.tests:13:6: the line ends too early: expected dials, answers, refuses, hangs up,
      presses, holds, resumes, transfers, joins or is
    x.tests:14:10: `bsy` is unknown here: expected free, busy, registered, unregistered,
      reachable or unreachable: did you mean busy?
    x.tests:15:15: `x` is no key: there are 0 to 9, *, # and A to D
    x.tests:16:15: `200` is unknown here: expected busy, declined, unavailable, not found or a
      status from 300 to 699
    x.tests:17:12: the line ends too early: expected a number
    x.tests:18:14: `soon` is no time: write "Sun 11:02", "2026-12-24 18:00" or 11:02
    x.tests:20:8: `400d` is no time: write 5s, 500ms, 2m or 1h, at most 366d
    x.tests:21:17: `sideways` is unknown here: expected up or down
    x.tests:22:14: this quote never closes
    x.tests:23:10: line 3 has a scenario of this name already
    "##);
    assert_eq!(
        wrong("# nothing\n"),
        "x.tests:1:1: there is no scenario in it: begin one with scenario \"NAME\":"
    );
    assert_eq!(
        wrong("scenario \"a\": 100 dials 101\nscenario b\n"),
        "x.tests:1:13: the line of a scenario ends with its name and a colon; its steps stand in the lines below"
    );
    assert_eq!(
        wrong("scenario \"a\" :\n  100 dials 101\nscenario b:\n"),
        "x.tests:3:1: nothing happens in this scenario: its steps stand in the lines below"
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
    assert_snapshot!(told.replace(&format!("{}/", folder.display()), ""), @r##"
    x.tests:3:3: the configuration of a first start has no phone 110: did you mean 100?
    x.tests:4:25: the configuration of a first start has no phone 9
    "##);
}

#[test]
fn a_trunk_that_is_none_is_told_before_anything_is_played() {
    let folder = std::env::temp_dir().join(format!("telex-test-trunks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/trunk/trunk.toml");
    let mut told = String::new();
    for (config, lines) in [
        (
            site.to_str().unwrap(),
            "trunk carier down\n  trunk 100 down\n  carrier is unregistered\n  trunk spare up",
        ),
        ("default", "trunk carrier down"),
    ] {
        let file = folder.join("x.tests");
        std::fs::write(&file, format!("config {config}\nscenario a\n  {lines}\n")).unwrap();
        told += &played(&of(file)).unwrap_err().0.replace(config, "trunk.toml");
        told += "\n";
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert_snapshot!(told.replace(&format!("{}/", folder.display()), ""), @r#"
    x.tests:3:9: trunk.toml has no trunk carier: did you mean carrier?
    x.tests:4:9: 100 is no trunk, since it has no fixed contact: write 100 is unreachable
    x.tests:5:3: carrier never registers, it has a fixed contact: write trunk carrier down or up
    x.tests:3:9: the configuration of a first start has no trunk carrier: a trunk is a [[phone]] with contact = "sip:..."
    "#);
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

#[test]
fn no_text_is_too_strange_to_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let text = std::fs::read_to_string(folder.join("front-desk/front-desk.tests")).unwrap();
    // Every line cut off anywhere, and with every word left out.
    for line in text.lines().collect::<std::collections::BTreeSet<_>>() {
        let cut = line.char_indices().map(|(at, _)| line[..at].to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        let without = (0..words.len()).map(|at| [&words[..at], &words[at + 1..]].concat().join(" "));
        for strange in cut.chain(without).chain([format!("{line} \u{0} \""), line.replace(' ', "\t#")]) {
            let told = read::read(&format!("scenario x\n{strange}\n"));
            let places = told.err().into_iter().flatten();
            places.for_each(|wrong| {
                assert!((1..=2).contains(&wrong.line) && wrong.column <= strange.chars().count() + 1);
            });
        }
    }
}
