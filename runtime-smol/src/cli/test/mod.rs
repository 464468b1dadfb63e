//! `telex test`: what becomes of calls, as scenarios say it, in virtual time on the real exchange.
//!
//! `read` understands a file, `run` plays it in a `world`: the signalling machine of the exchange, telephones
//! (`phone`), a network that is perfect, and a stand-in for media that makes no sound. Nothing depends on the time of
//! day, on other programs or on chance, so the same file says the same, octet for octet.

mod clock;
mod coverage;
#[cfg(test)]
mod explained;
mod media;
mod phone;
mod read;
mod report;
mod run;
mod script;
mod site;
#[cfg(test)]
mod tests;
mod words;
mod world;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use telex_dialplan::names::hint;

use super::{CONFIG, Failure, print};
use crate::config::{self, sample};
use coverage::Walked;
use report::Result as Told;
use script::{Act, Habit, Named, Scenario, What};
use site::Site;
use words::Wrong;

/// The longest file of scenarios, in octets.
const LONGEST_FILE: u64 = 4 << 20;
/// What `config` names the configuration of a first start by.
const DEFAULT: &str = "default";
/// What the configuration is called that is used where there is none.
const EMBEDDED: &str = "the configuration of a first start";

/// Play scenarios of calls and say whether they go as they should.
///
/// A file of scenarios says who dials what, and what is expected: which phone rings, what is heard, how the call ends.
/// The real exchange plays it with the configuration in virtual time: a minute of waiting takes no time, and the same
/// file gives the same output each time.
///
/// Exit status: 0 all went as expected, 1 something did not, 2 a file is wrong or the usage.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../../../../dialplan/TESTS.md"))]
pub(super) struct Test {
    /// The scenarios, as office.tests.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The configuration, for scenarios that name none [default: telex.toml if it is there, else what a first start
    /// writes].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only scenarios with this in their names.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Say which steps of the dialplan no scenario has walked.
    #[arg(long)]
    coverage: bool,
    /// Say how long each scenario took.
    #[arg(long)]
    time: bool,
    /// Write what JUnit would write to a file, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn main(options: &Test) -> ExitCode {
    match played(options) {
        Ok((text, fine)) => {
            print(&text);
            if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure(text)) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(2)
        }
    }
}

/// What is printed, and whether everything went as expected.
fn played(options: &Test) -> Result<(String, bool), Failure> {
    let mut sites = Sites::default();
    let mut plays = Vec::new();
    for file in &options.files {
        for scenario in sites.scenarios(file, options.config.as_deref())? {
            if options.only.as_ref().is_none_or(|only| scenario.1.name.contains(only)) {
                plays.push((file.display().to_string(), scenario));
            }
        }
    }
    if let (true, Some(only)) = (plays.is_empty(), &options.only) {
        return Err(format!("no scenario has `{only}` in its name").into());
    }
    let mut results = Vec::new();
    let mut walked: Vec<Walked> = vec![Walked::default(); sites.all.len()];
    for (file, (site, scenario)) in plays {
        let Some(place) = sites.all.get(site) else { continue };
        let began = Instant::now();
        let outcome = run::run(&scenario, place);
        let took = options.time.then(|| began.elapsed());
        if let Some(walked) = walked.get_mut(site) {
            walked.add(&outcome.walked);
        }
        results.push(Told { file, name: scenario.name, failure: outcome.failure, took });
    }
    let mut text = report::tap(&results);
    if options.coverage {
        for (site, walked) in sites.all.iter().zip(&walked) {
            text += &coverage::told(&site.name, &site.plan, walked, "# ");
        }
    }
    if let Some(path) = &options.junit {
        std::fs::write(path, report::junit(&results))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok((text, results.iter().all(|result| result.failure.is_none())))
}

/// The configurations that scenarios are about.
#[derive(Default)]
struct Sites {
    all: Vec<Site>,
    by_path: BTreeMap<Option<PathBuf>, usize>,
}

impl Sites {
    /// The scenarios of a file, each with the number of its site.
    fn scenarios(&mut self, file: &Path, usual: Option<&Path>) -> Result<Vec<(usize, Scenario)>, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", file.display());
        let size = std::fs::metadata(file).map_err(|error| unreadable(&error))?.len();
        if size > LONGEST_FILE {
            return Err(unreadable(&"a file of scenarios has at most 4 MiB").into());
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
        let scenarios = read::read(&text).map_err(|wrong| refused(file, &wrong))?;
        let mut wrong = Vec::new();
        let mut found = Vec::new();
        for scenario in scenarios {
            let path = match &scenario.config {
                Some(config) if config.name == DEFAULT => None,
                Some(config) => Some(file.parent().unwrap_or(Path::new("")).join(config.name.as_str())),
                None => usual
                    .map(Path::to_owned)
                    .or_else(|| Some(CONFIG.into()).filter(|path: &PathBuf| path.exists())),
            };
            let site = self.site(path)?;
            let place = &self.all[site];
            let phones = scenario.steps.iter().flat_map(|step| step.phones());
            wrong.extend(phones.filter_map(|phone| unknown(phone, place)));
            wrong.extend(scenario.steps.iter().filter_map(|step| no_trunk(&step.what, place)));
            found.push((site, scenario));
        }
        if wrong.is_empty() { Ok(found) } else { Err(refused(file, &wrong)) }
    }

    fn site(&mut self, path: Option<PathBuf>) -> Result<usize, Failure> {
        if let Some(known) = self.by_path.get(&path) {
            return Ok(*known);
        }
        let site = match &path {
            Some(path) => Site::of(&path.display().to_string(), &config::load_whole(path)?),
            None => Site::of(EMBEDDED, &config::parse(Path::new(CONFIG), &sample("secret", "secret"))?),
        };
        self.all.push(site);
        self.by_path.insert(path, self.all.len() - 1);
        Ok(self.all.len() - 1)
    }
}

/// What is wrong with a phone that the site does not have.
fn unknown(phone: &Named, site: &Site) -> Option<Wrong> {
    let known = site.phones().any(|known| known == phone.name);
    (!known).then(|| {
        let meant = hint(&phone.name, site.phones());
        let message = format!("{} has no phone {}{meant}", site.name, phone.name);
        Wrong { line: phone.line, column: phone.column, message }
    })
}

/// What is wrong with a line about a trunk, or one that takes a trunk for a phone that registers.
fn no_trunk(what: &What, site: &Site) -> Option<Wrong> {
    let trunk = |name: &Named| site.trunks().any(|trunk| trunk == name.name);
    let (named, message) = match what {
        What::Trunk(named, up) if !trunk(named) => {
            let Named { name, .. } = named;
            let word = if *up { "reachable" } else { "unreachable" };
            let message = match site.phones().any(|known| known == name) {
                true => format!("{name} is no trunk, since it has no fixed contact: write {name} is {word}"),
                false => {
                    let meant = hint(name, site.trunks());
                    let none = site.trunks().next().is_none();
                    let why = ": a trunk is a [[phone]] with contact = \"sip:...\"";
                    format!("{} has no trunk {name}{}", site.name, if none { why } else { &meant })
                }
            };
            (named, message)
        }
        What::Act(named, Act::Is(Habit::Registered | Habit::Unregistered)) if trunk(named) => {
            let Named { name, .. } = named;
            (named, format!("{name} never registers, it has a fixed contact: write trunk {name} down or up"))
        }
        _ => return None,
    };
    Some(Wrong { line: named.line, column: named.column, message })
}

fn refused(file: &Path, wrong: &[Wrong]) -> Failure {
    let lines = wrong.iter().map(|wrong| {
        let Wrong { line, column, message } = wrong;
        format!("{}:{line}:{column}: {message}", file.display())
    });
    Failure(lines.collect::<Vec<_>>().join("\n"))
}
