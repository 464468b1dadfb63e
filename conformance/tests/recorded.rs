//! Captured calls and registrations: one side is said to the engine, its messages are compared with the other side's.
//!
//! A row of `recorded.tsv` has a capture, whose place the exchange takes, how many of its messages there are to compare,
//! and everything that is not as recorded, each with the reason. `own` captures are in `captures/`; those of `corpus` lie
//! beside the workspace (`TELEX_CORPUS` names another place) and are skipped when they are not there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use telex_conformance::recorded::pcap::{self, Place};
use telex_conformance::recorded::{Report, Verdict, run};
use telex_engine::config::Config;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus() -> PathBuf {
    std::env::var_os("TELEX_CORPUS").map_or(here().join("../../shared/corpus"), PathBuf::from)
}

fn place(name: &str) -> Place {
    match name {
        "uas" => Place::Uas,
        "uac" => Place::Uac,
        "registrar" => Place::Registrar,
        other => panic!("{other} is no place"),
    }
}

fn reports(file: &Path, place: Place) -> Vec<Report> {
    let found = pcap::conversations(File::open(file).unwrap()).unwrap();
    let scripts = found.iter().filter_map(|(_, conversation)| pcap::script(conversation, place));
    scripts.map(|script| run(&script, &Config::default())).collect()
}

/// Everything that is not as recorded, as the table names it.
fn differences(reports: &[Report]) -> Vec<String> {
    let mut all = Vec::new();
    for report in reports {
        for outcome in report.outcomes.iter().filter(|outcome| outcome.checked) {
            match &outcome.verdict {
                Verdict::Missing => all.push(format!("{} missing", outcome.label)),
                Verdict::Said(differences) => {
                    let one = |d: &telex_conformance::recorded::compare::Difference| {
                        format!("{} {} {} {}", outcome.label, d.header, d.expected, d.got)
                    };
                    all.extend(differences.iter().map(one));
                }
                _ => {}
            }
        }
        all.extend(report.unexpected.iter().map(|what| format!("unexpected {what}")));
    }
    all
}

#[test]
fn captures_are_answered_as_the_table_says() {
    let table = fs::read_to_string(here().join("recorded.tsv")).unwrap();
    let (mut captures, mut compared, mut skipped, mut wrong) = (0, 0, 0, String::new());
    for line in table.lines().skip(1) {
        let [home, name, role, count, stated] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let file = if home == "own" { here().join("captures").join(name) } else { corpus().join(name) };
        if home != "own" && !file.is_file() {
            skipped += 1;
            continue;
        }
        let reports = reports(&file, place(role));
        let got = differences(&reports);
        let stated: Vec<&str> = stated.split("; ").filter(|one| !one.is_empty()).collect();
        let reason =
            |one: &str| one.rsplit_once(": ").map(|(what, reason)| (what.to_owned(), reason.to_owned()));
        let stated: Vec<(String, String)> =
            stated.into_iter().map(|one| reason(one).expect("has a reason")).collect();
        let expected: Vec<&String> = stated.iter().map(|(what, _)| what).collect();
        if got.iter().collect::<Vec<_>>() != expected {
            wrong += &format!("{name} as {role}:\n  got {got:#?}\n  stated {expected:#?}\n");
        }
        let here: usize = reports.iter().map(|report| report.compared).sum();
        if here.to_string() != count {
            wrong += &format!("{name} as {role}: {here} messages compared, not {count}\n");
        }
        captures += 1;
        compared += here;
    }
    if skipped > 0 {
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: {skipped} captures of the corpus are not at {}",
            corpus().display()
        );
    }
    assert!(captures >= 21 && compared >= 129, "{captures} captures, {compared} messages");
    println!("{captures} captures, {compared} messages of the exchange compared");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_program_says_by_its_status_what_it_found() {
    let program = env!("CARGO_BIN_EXE_telex-conformance");
    let status = |arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(status(&["pcap", "no-such-file", "--as", "uas"]).0, 2);
    let (code, rules) = status(&["rules"]);
    assert!(code == 0 && rules.contains("Call-ID"), "{rules}");
    let call = corpus().join("pcap/sngrep/aaa.pcap");
    if call.is_file() {
        let call = call.to_str().unwrap();
        assert_eq!(status(&["pcap", call, "--as", "registrar"]).0, 0);
        let (code, text) = status(&["pcap", call, "--as", "uas", "--json"]);
        assert!(code == 1 && text.contains("\"compared\": 10"), "{text}");
        let one = status(&["pcap", call, "--as", "uac", "--call", "11894297-4432a9f8@192.168.1.2"]);
        assert!(one.0 == 0 && one.1.contains("INVITE sip:35104724@sip.cybercity.dk: ok"), "{}", one.1);
    }
}

/// A capture can hold anything. Whatever it holds, it is read as far as it goes and said to the engine, whose invariants
/// are checked at every step.
#[test]
fn damaged_captures_break_nothing() {
    let mut luck = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(luck >> 33).unwrap() % below
    };
    let mut said = 0;
    for name in ["cancelled.pcap", "declined.pcap", "absent.pcap", "register-tcp.pcap", "late-ack.pcap"] {
        let whole = fs::read(here().join("captures").join(name)).unwrap();
        for _ in 0..25 {
            let mut octets = whole.clone();
            for _ in 0..1 + draw(12) {
                let at = draw(octets.len());
                octets[at] = [0, b' ', b'\r', b'\n', b'<', b';', b'9', 0xff][draw(8)];
            }
            if draw(4) == 0 {
                octets.truncate(draw(octets.len()));
            }
            let Ok(found) = pcap::conversations(octets.as_slice()) else { continue };
            for (_, conversation) in &found {
                for place in [Place::Uas, Place::Uac, Place::Registrar] {
                    let script = pcap::script(conversation, place);
                    said += script.map_or(0, |script| run(&script, &Config::default()).outcomes.len());
                }
            }
        }
    }
    assert!(said > 1000, "only {said} messages");
}
