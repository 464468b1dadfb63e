//! What conversations reached, counted by name. Only outside the fuzzer, where somebody asks: `cargo run -- tally
//! PATH...`.

use std::collections::BTreeMap;
use std::sync::Mutex;

static REACHED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Counts something.
#[cfg(not(fuzzing))]
pub(super) fn count(name: impl FnOnce() -> String) {
    *REACHED.lock().expect("nobody panics with the lock").entry(name()).or_default() += 1;
}

/// Counts nothing: the fuzzer has counters of its own.
#[cfg(fuzzing)]
pub(super) fn count(_: impl FnOnce() -> String) {}

/// Everything reached so far.
pub fn reached() -> BTreeMap<String, u64> {
    REACHED.lock().expect("nobody panics with the lock").clone()
}
