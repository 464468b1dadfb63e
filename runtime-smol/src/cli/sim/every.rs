//! `telex sim --faults-every`: one scenario with every message lost, doubled, delayed or swapped.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::Args;
use telex_sim::{FaultsEvery, FaultsReport, Mishap, Plan, SCENARIOS, faults_every};

use super::{Output, STOP, Wrong, keep, quietly, read_plan};
use crate::cli::print;

/// The word for every scenario that comes with the program.
const ALL: &str = "all";

#[derive(Debug, Args)]
#[command(next_help_heading = "Every fault in one scenario")]
pub(super) struct Every {
    /// Run one scenario with every SIP message lost, doubled, delayed or swapped with the next one on its way, one at
    /// a time and in pairs, and tell how long anybody is stuck and which timer ends that. The scenario is that of
    /// --plan, or by name: basic, cancel, busy, hold, fork, register, late-offer, refresh, or all of these.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = ALL, value_parser = scenario,
        conflicts_with = "World")]
    faults_every: Option<String>,
    /// What happens to messages.
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "lose,double,delay,swap",
        value_parser = mishap, requires = "faults_every")]
    kinds: Vec<Mishap>,
    /// Pairs of faults to run at most; of more, so many are taken evenly.
    #[arg(long, value_name = "N", default_value_t = 5000, requires = "faults_every")]
    pairs: usize,
}

impl Every {
    pub(super) fn is_wanted(&self) -> bool {
        self.faults_every.is_some()
    }

    /// The scenarios by name.
    fn scenarios(&self, file: Option<&Path>) -> Result<Vec<(String, Plan)>, Wrong> {
        let wanted = self.faults_every.as_deref().unwrap_or(ALL);
        match file {
            Some(_) if wanted != ALL => Err("--plan and the name of a scenario are two scenarios".to_owned()),
            Some(path) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok(vec![(name, read_plan(path)?)])
            }
            None => SCENARIOS
                .iter()
                .filter(|(name, _)| wanted == ALL || wanted == *name)
                .map(|(name, text)| Ok(((*name).to_owned(), Plan::parse(text).map_err(|e| e.to_string())?)))
                .collect(),
        }
    }
}

fn scenario(text: &str) -> Result<String, String> {
    let known = text == ALL || SCENARIOS.iter().any(|(name, _)| *name == text);
    if known { Ok(text.to_owned()) } else { Err("no scenario has this name".to_owned()) }
}

fn mishap(text: &str) -> Result<Mishap, String> {
    let found = Mishap::ALL.into_iter().find(|mishap| mishap.name() == text);
    found.ok_or_else(|| "write some of lose, double, delay and swap, with commas between".to_owned())
}

/// True when nobody is stuck for ever and no rule broke.
pub(super) fn main(every: &Every, file: Option<&Path>, jobs: usize, output: &Output) -> Result<bool, Wrong> {
    let scenarios = every.scenarios(file)?;
    keep::prepare(output)?;
    let options = FaultsEvery { mishaps: every.kinds.clone(), pairs: every.pairs, jobs };
    let mut reports = Vec::new();
    for (name, plan) in scenarios {
        if STOP.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        let report = quietly(|| faults_every(&plan, &options, &STOP));
        let seconds = began.elapsed().as_secs_f64();
        let plans = report.broken.iter().map(|(plan, failure)| (name.clone(), plan.clone(), failure.clone()));
        let broken = keep::of(plans, output);
        keep::write(&broken, output)?;
        if !output.json {
            print(&keep::told(&broken));
            print(&text(&name, &report, seconds));
        }
        reports.push((name, report, seconds));
    }
    if output.json {
        print(&format!("{}\n", json(&reports)));
    }
    Ok(reports.iter().all(|(_, report, _)| report.all_ended()))
}

fn text(name: &str, report: &FaultsReport, seconds: f64) -> String {
    let mut text = report.text(name);
    let _ = writeln!(text, "  in {seconds:.1} s\n");
    text
}

fn json(reports: &[(String, FaultsReport, f64)]) -> serde_json::Value {
    reports
        .iter()
        .map(|(name, report, seconds)| {
            let mut document = report.json(name);
            document["wall_seconds"] = serde_json::json!(seconds);
            document
        })
        .collect()
}
