//! Bugs that were found, as the smallest plans that show them. A file in `plans/` is a test: it must break no rule.

use std::path::{Path, PathBuf};

use telex_sim::{Plan, run, run_with_ladder};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")
}

fn read(path: &Path) -> (String, Plan) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let plan = Plan::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (text, plan)
}

#[test]
fn no_bug_comes_back() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let (text, plan) = read(&path);
        assert!(text.starts_with("# "), "{} does not begin with the story of its bug", path.display());
        let outcome = run(&plan);
        assert!(outcome.messages > 0, "{} does nothing", path.display());
        if let Some(failure) = outcome.broken {
            panic!("{}: {}\n{}", path.display(), failure.broken, failure.ladder);
        }
    }
}

/// A plan that no longer does what it was made for would pass without a meaning.
#[test]
fn plans_still_do_what_they_were_made_for() {
    for (name, part, count) in [
        ("bye-after-cut-stream", "--200 OK (BYE) 1", 1),
        ("challenge-same-tag", "401 Unauthorized (INVITE) 1", 2),
        ("told-in-a-reinvite", "NOTIFY 3", 1),
        ("transfer-to-a-tone", "NOTIFY", 2),
        ("transfer-keeps-its-codec", "488 Not Acceptable", 1),
    ] {
        let (_, plan) = read(&folder().join(format!("{name}.toml")));
        let (outcome, ladder) = run_with_ladder(&plan, 0);
        assert!(outcome.answered >= 1, "{name}");
        assert!(ladder.matches(part).count() >= count, "{name}: {ladder}");
    }
}
