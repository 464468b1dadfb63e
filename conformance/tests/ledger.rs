//! The ledger of clauses is in form, names tests that exist, and `LEDGER.md` is made from it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use telex_conformance::ledger::{self, Clause, DOCUMENTS, HEADING, LEDGER, LEVELS, Shown, shown};

/// Whether `source` has a test function of this name.
fn has_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    source.match_indices(&function).any(|(at, _)| {
        let start = source[..at].rfind('\n').map_or(0, |end| end + 1);
        let attached = |line: &&str| ["#[", "//"].iter().any(|mark| line.trim().starts_with(mark));
        source[..start].lines().rev().take_while(attached).any(|line| line.trim() == "#[test]")
    })
}

fn clauses() -> Vec<Clause<'static>> {
    ledger::clauses(LEDGER).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_row_is_in_form() {
    assert_eq!(LEDGER.lines().next(), Some(HEADING));
    let (mut seen, mut documents) = (BTreeSet::new(), BTreeSet::new());
    for Clause { line, rfc, section, level, text, by } in clauses() {
        assert!(
            section.starts_with(|c: char| c.is_ascii_digit() || c == 'A'),
            "line {line}: section {section:?}"
        );
        assert!(LEVELS.contains(&level), "line {line}: level {level:?}");
        assert!(seen.insert((rfc, section, text)), "line {line} stands twice");
        assert!(shown(by).is_ok(), "line {line}: {:?}", shown(by));
        assert!(DOCUMENTS.iter().any(|(known, _)| *known == rfc), "line {line}: RFC {rfc} has no title");
        documents.insert(rfc);
    }
    for (rfc, _) in DOCUMENTS {
        assert!(documents.contains(rfc), "RFC {rfc} is claimed without a clause");
    }
}

#[test]
fn every_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for clause in clauses() {
        let Ok(Shown::By { tests, .. }) = shown(clause.by) else { continue };
        for (file, name) in tests {
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !has_test(&source, name) {
                missing.push(format!("line {}: {file}::{name}", clause.line));
            }
        }
    }
    for (rfc, counts) in ledger::counts(&clauses()) {
        println!("RFC {rfc}: {counts:?}");
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn no_must_is_open_without_a_reason() {
    let open = |clause: &&Clause<'_>| {
        clause.level.starts_with("MUST")
            && matches!(shown(clause.by), Ok(Shown::By { whole: false, because: None, .. }))
    };
    let all = clauses();
    let open: Vec<String> =
        all.iter().filter(open).map(|c| format!("RFC {} {}: {}", c.rfc, c.section, c.text)).collect();
    assert!(open.is_empty(), "open:\n{}", open.join("\n"));
}

#[test]
fn the_ledger_for_people_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("LEDGER.md");
    let written = fs::read_to_string(path).unwrap_or_default();
    let made = ledger::markdown(LEDGER).unwrap_or_else(|error| panic!("{error}"));
    assert!(written == made, "LEDGER.md is stale: cargo run -p telex-conformance -- ledger");
}

#[test]
fn what_is_not_a_test_is_noticed() {
    let source = "/// Text.\n#[test]\n#[ignore]\nfn a() {}\n\n    #[test]\n    /// In a macro.\n    fn b(x in 0..1) {}\nfn c() {}\n";
    assert!(has_test(source, "a") && has_test(source, "b"));
    assert!(!has_test(source, "c") && !has_test(source, "d"));
    let by = |tests, whole| Ok(Shown::By { tests, whole, because: None });
    assert_eq!(shown("x.rs::a y.rs::b open"), by(vec![("x.rs", "a"), ("y.rs", "b")], false));
    assert_eq!(shown("x.rs::a"), by(vec![("x.rs", "a")], true));
    assert_eq!(shown("open"), by(vec![], false));
    assert_eq!(shown("x.rs::to_open"), by(vec![("x.rs", "to_open")], true));
    let because = Some("for a good reason");
    assert_eq!(shown("open: for a good reason"), Ok(Shown::By { tests: vec![], whole: false, because }));
    assert!(shown("open: no").is_err());
    assert!(shown("tested").is_err() && shown("").is_err() && shown("not applicable: ").is_err());
}
