//! What broke, made small and kept in files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use telex_sim::{Bounds, BrokenPlan, Failure, Plan, Shrunk, in_order, run, shrink_while};

use super::{Output, STOP, Source, Wrong};

/// Makes sure that plans can be kept.
pub(super) fn prepare(output: &Output) -> Result<(), Wrong> {
    std::fs::create_dir_all(&output.keep)
        .map_err(|e| format!("cannot write to {}: {e}", output.keep.display()))
}

/// What broke, with a command for each first failure of a rule, which is shrunk.
pub(super) fn explain(
    source: &Source,
    broken: &[(usize, Box<Failure>)],
    jobs: usize,
    output: &Output,
) -> Vec<BrokenPlan> {
    let plans = broken.iter().map(|(n, failure)| {
        let plan = source.plan(*n);
        (plan.seed.to_string(), plan, failure.clone())
    });
    let mut all = of(plans, output);
    let first: Vec<usize> = (0..all.len()).filter(|n| !all[*n].more && !output.no_shrink).collect();
    let mut small = Vec::new();
    let work = |n: usize| shrunk(&all[first[n]].plan, &all[first[n]].failure);
    in_order(first.len(), jobs, &AtomicBool::new(false), work, |n, shrunk| small.push((first[n], shrunk)));
    for (n, shrunk) in small {
        all[n].shrunk = shrunk;
    }
    all
}

/// Plans under their names with what they broke; a rule that was broken before is marked.
pub(super) fn of(
    broken: impl Iterator<Item = (String, Plan, Box<Failure>)>,
    output: &Output,
) -> Vec<BrokenPlan> {
    let mut rules = Vec::new();
    let mut all = Vec::new();
    for (name, plan, failure) in broken {
        let more = rules.contains(&failure.broken.oracle);
        rules.push(failure.broken.oracle);
        let mut plan = BrokenPlan { name, plan, failure, shrunk: None, replay: String::new(), more };
        if !more {
            plan.replay = format!("{} sim --plan {}", program(), path(&plan, output).display());
        }
        all.push(plan);
    }
    all
}

fn shrunk(plan: &Plan, failure: &Failure) -> Option<(Shrunk, Box<Failure>)> {
    let (began, bounds) = (Instant::now(), Bounds::default());
    let mut go_on =
        |runs| runs < bounds.runs && began.elapsed() < bounds.time && !STOP.load(Ordering::Relaxed);
    let shrunk = shrink_while(plan, &failure.broken, &mut go_on);
    let failure = run(&shrunk.plan).broken?;
    Some((shrunk, failure))
}

/// Writes the plans that have a command of their own.
pub(super) fn write(broken: &[BrokenPlan], output: &Output) -> Result<(), Wrong> {
    for plan in broken.iter().filter(|plan| !plan.more) {
        let path = path(plan, output);
        std::fs::write(&path, plan.file_text())
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}

fn path(plan: &BrokenPlan, output: &Output) -> PathBuf {
    match output.keep.to_str() {
        Some(".") => PathBuf::from(plan.file_name()),
        _ => output.keep.join(plan.file_name()),
    }
}

/// Failures with all there is to say, then the names of those that broke the same rules.
pub(super) fn told(broken: &[BrokenPlan]) -> String {
    let mut text = String::new();
    for plan in broken.iter().filter(|plan| !plan.more) {
        text.push_str(&plan.text());
        let rule = plan.failure.broken.oracle;
        let same = broken.iter().filter(|other| other.more && other.failure.broken.oracle == rule);
        let names: Vec<&str> = same.map(|other| other.name.as_str()).collect();
        if !names.is_empty() {
            text.push_str(&format!("{rule} was also broken by {}\n\n", names.join(" ")));
        }
    }
    text
}

/// How the user calls this program.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "telex".to_owned())
}
