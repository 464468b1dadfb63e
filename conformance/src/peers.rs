//! Which of the clients that nobody here wrote are installed.

use std::env;
use std::io::Write;
use std::path::Path;

/// Set to 1, a client that is not installed fails the test that wants it.
pub const REQUIRE: &str = "TELEX_REQUIRE_PEERS";

/// Whether all these programs are installed. If one is not, [`skip`]s the test.
///
/// # Panics
/// When one is missing and [`REQUIRE`] is set.
pub fn installed(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|p| !is_installed(p)).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    let required = env::var_os(REQUIRE).is_some_and(|v| v == "1");
    assert!(!required, "{missing} not installed, and {REQUIRE} is set");
    skip(&format!("{missing} not installed (see README.md, Tests)"));
    false
}

/// Says on standard error, past the test harness, that the running test proves nothing here.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`, which the harness keeps from the eyes of whoever runs a test that succeeds.
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED {test}: {why} ***");
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir: std::path::PathBuf| Path::new(&dir).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_installed_and_nonsense_is_not() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-telephone"));
    }
}
