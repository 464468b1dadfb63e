//! Measures contenders in turns, so that noise hits all of them, in CPU time of this thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts calls for memory.
pub struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

fn count() {
    // One thread only: a locked addition would tax contenders that allocate.
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
}

// SAFETY: every method passes its arguments on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// One contender doing one thing.
pub struct Case {
    /// Who.
    pub name: &'static str,
    /// Does it this many times; `None` when the contender cannot.
    pub run: Option<Box<dyn FnMut(u64)>>,
    /// What it gets wrong; empty when nothing.
    pub note: String,
}

impl Case {
    /// A contender that does it.
    pub fn new(name: &'static str, run: impl FnMut(u64) + 'static) -> Self {
        Self { name, run: Some(Box::new(run)), note: String::new() }
    }

    /// A contender that cannot, and why.
    pub fn cannot(name: &'static str, note: impl Into<String>) -> Self {
        Self { name, run: None, note: note.into() }
    }

    /// With what it gets wrong.
    pub fn note(mut self, note: String) -> Self {
        self.note = note;
        self
    }
}

const ROUNDS: usize = 21;
const ROUND_NANOS: f64 = 2e6;

/// Measures all cases and prints a table.
pub fn measure(title: &str, mut cases: Vec<Case>) {
    let mut results = vec![(Vec::new(), 1, 0); cases.len()];
    for (case, (_, repeats, calls)) in cases.iter_mut().zip(&mut results) {
        let Some(run) = &mut case.run else { continue };
        run(3);
        let before = CALLS.load(Relaxed);
        run(1);
        *calls = CALLS.load(Relaxed) - before;
        while time(run, *repeats) < ROUND_NANOS / 2.0 {
            *repeats *= 2;
        }
    }
    for _ in 0..ROUNDS {
        for (case, (samples, repeats, _)) in cases.iter_mut().zip(&mut results) {
            if let Some(run) = &mut case.run {
                samples.push(time(run, *repeats) / *repeats as f64);
            }
        }
    }
    let mut medians = vec![];
    for (samples, ..) in &mut results {
        samples.sort_by(f64::total_cmp);
        medians.push(samples.get(ROUNDS / 2).copied());
    }
    let ours = medians.first().copied().flatten().unwrap_or(f64::NAN);
    println!("\n### {title}\n\n| | median ns | × Telex | heap calls | |\n|---|--:|--:|--:|---|");
    for ((case, median), (_, _, calls)) in cases.iter().zip(medians).zip(results) {
        match median {
            Some(ns) => {
                println!("| {} | {ns:.0} | {:.1} | {calls} | {} |", case.name, ns / ours, case.note);
            }
            None => println!("| {} | – | – | – | {} |", case.name, case.note),
        }
    }
}

fn time(run: &mut dyn FnMut(u64), repeats: u64) -> f64 {
    let start = cpu_nanos();
    run(repeats);
    cpu_nanos() - start
}

/// CPU time of this thread: waiting for a core does not count.
fn cpu_nanos() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
