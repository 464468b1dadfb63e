//! The ledger of clauses (`ledger.tsv`): what the standards demand, and the tests that show it.
//!
//! A row is: RFC, section, level of demand, the clause in short, and what shows it: tests as `file::name`, `open` at the
//! end when something is not shown yet, or `not applicable: ` with the reason. That a test shows its clause is for
//! people to judge; that it exists is checked here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const LEDGER: &str = include_str!("../ledger.tsv");
const HEADING: &str = "rfc\tsection\tlevel\tclause\tshown by";
const LEVELS: [&str; 5] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];
/// Documents that Telex claims to follow.
const CLAIMED: [&str; 9] = ["3261", "3262", "3264", "3311", "3327", "3581", "4028", "6026", "7616"];

/// What shows a clause.
#[derive(Debug, PartialEq)]
enum Shown<'a> {
    By { tests: Vec<(&'a str, &'a str)>, whole: bool },
    NotApplicable,
}

fn shown(text: &str) -> Result<Shown<'_>, String> {
    if let Some(reason) = text.strip_prefix("not applicable: ") {
        return if reason.len() > 10 { Ok(Shown::NotApplicable) } else { Err("no reason".into()) };
    }
    let mut words: Vec<&str> = text.split(' ').collect();
    let whole = words.last() != Some(&"open");
    if !whole {
        words.pop();
    }
    let mut tests = Vec::new();
    for word in words {
        tests.push(word.split_once("::").ok_or(format!("{word:?} is not file::name"))?);
    }
    Ok(Shown::By { tests, whole })
}

/// Whether `source` has a test function of this name.
fn has_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    source.match_indices(&function).any(|(at, _)| {
        let start = source[..at].rfind('\n').map_or(0, |end| end + 1);
        let attached = |line: &&str| ["#[", "//"].iter().any(|mark| line.trim().starts_with(mark));
        source[..start].lines().rev().take_while(attached).any(|line| line.trim() == "#[test]")
    })
}

fn rows() -> impl Iterator<Item = (usize, Vec<&'static str>)> {
    LEDGER.lines().enumerate().skip(1).map(|(n, line)| (n + 1, line.split('\t').collect()))
}

#[test]
fn every_row_is_in_form() {
    assert_eq!(LEDGER.lines().next(), Some(HEADING));
    let mut clauses = BTreeSet::new();
    let mut documents = BTreeSet::new();
    for (line, row) in rows() {
        let [rfc, section, level, clause, by] = row[..] else {
            panic!("line {line} has {} columns", row.len())
        };
        assert!(section.starts_with(|c: char| c.is_ascii_digit()), "line {line}: section {section:?}");
        assert!(LEVELS.contains(&level), "line {line}: level {level:?}");
        assert!(clauses.insert((rfc, section, clause)), "line {line} stands twice");
        assert!(shown(by).is_ok(), "line {line}: {:?}", shown(by));
        documents.insert(rfc);
    }
    for rfc in CLAIMED {
        assert!(documents.contains(rfc), "RFC {rfc} is claimed without a clause");
    }
}

#[test]
fn every_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    let (mut whole_rows, mut open_rows, mut others) = (0, 0, 0);
    for (line, row) in rows() {
        match row.last().map(|by| shown(by)) {
            Some(Ok(Shown::By { tests, whole })) => {
                for (file, name) in tests {
                    let source = fs::read_to_string(root.join(file)).unwrap_or_default();
                    if !has_test(&source, name) {
                        missing.push(format!("line {line}: {file}::{name}"));
                    }
                }
                *(if whole { &mut whole_rows } else { &mut open_rows }) += 1;
            }
            _ => others += 1,
        }
    }
    println!("{whole_rows} clauses shown, {open_rows} open, {others} not applicable");
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn what_is_not_a_test_is_noticed() {
    let source = "/// Text.\n#[test]\n#[ignore]\nfn a() {}\n\n    #[test]\n    /// In a macro.\n    fn b(x in 0..1) {}\nfn c() {}\n";
    assert!(has_test(source, "a") && has_test(source, "b"));
    assert!(!has_test(source, "c") && !has_test(source, "d"));
    let by = |tests, whole| Ok(Shown::By { tests, whole });
    assert_eq!(shown("x.rs::a y.rs::b open"), by(vec![("x.rs", "a"), ("y.rs", "b")], false));
    assert_eq!(shown("x.rs::a"), by(vec![("x.rs", "a")], true));
    assert_eq!(shown("open"), by(vec![], false));
    assert!(shown("tested").is_err() && shown("").is_err() && shown("not applicable: ").is_err());
}
