//! `telex sim`: the engine in a simulated world, many times, and what broke.

mod every;
mod keep;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use clap::Args;
use smol::stream::StreamExt as _;
use telex_sim::plan::words::{Word as _, read_share};
use telex_sim::plan::{BrokenTimer, LONGEST_TEXT, MOST_CALLS, MOST_PHONES};
use telex_sim::{
    FEATURES, Failure, Outcome, Plan, Settings, Site, Summary, draw, in_order, run, run_recorded, run_traced,
    run_with_ladder,
};

use super::print;
use crate::config;

/// Run the engine in a simulated world and say which rules broke.
///
/// A seed draws a plan: phones, calls, and what goes wrong. The same seed does the same, octet for octet. Whatever
/// breaks a rule is shrunk to the smallest plan that still breaks it, and written to a file that --plan runs again.
///
/// Exit status: 0 nothing broke, 1 something broke, 2 wrong usage. Ctrl-C tells what is known so far.
#[derive(Debug, Args)]
pub(super) struct Sim {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    every: every::Every,
    #[command(flatten)]
    world: World,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to run")]
struct What {
    /// Run one seed [default: 1].
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "plan", "Every"])]
    seed: Option<u64>,
    /// Run the seeds from A up to but not including B.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with_all = ["plan", "Every"])]
    seeds: Option<Range<u64>>,
    /// Run plans from files instead.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "World")]
    plan: Vec<PathBuf>,
    /// Run on so many threads [default: one for each core]. The results are the same.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The world; what is not said here the seed decides")]
struct World {
    /// Take phones, times and limits from this configuration of an exchange.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Calls of each seed.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count::<MOST_CALLS>)]
    calls: usize,
    /// Phones of each seed.
    #[arg(long, value_name = "N", value_parser = count::<MOST_PHONES>)]
    phones: Option<usize>,
    /// Datagrams lost, e.g. 5%.
    #[arg(long, value_name = "P", value_parser = read_share)]
    loss: Option<u32>,
    /// Datagrams doubled.
    #[arg(long, value_name = "P", value_parser = read_share)]
    dup: Option<u32>,
    /// Datagrams that later ones overtake.
    #[arg(long, value_name = "P", value_parser = read_share)]
    reorder: Option<u32>,
    /// Time that a packet takes, e.g. 20ms.
    #[arg(long, value_name = "TIME", value_parser = Duration::read)]
    latency: Option<Duration>,
    /// Time that some packets take longer.
    #[arg(long, value_name = "TIME", value_parser = Duration::read)]
    jitter: Option<Duration>,
    /// No faults but those asked for.
    #[arg(long)]
    plain: bool,
    /// Every seed has this: see `--features`.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = feature)]
    with: Vec<String>,
    /// No seed has this.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = feature)]
    without: Vec<String>,
    /// Break a timer of the engine, to see it caught: t1 or t2.
    #[arg(long, value_name = "TIMER", num_args = 0..=1, default_missing_value = "t1",
        value_parser = BrokenTimer::read)]
    break_timer: Option<BrokenTimer>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to show")]
struct Output {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Print the plan instead of running it.
    #[arg(long)]
    print_plan: bool,
    /// Print what seeds can have, for --with and --without.
    #[arg(long)]
    features: bool,
    /// Draw the messages of this call, counted from 0.
    #[arg(long, value_name = "CALL", conflicts_with_all = ["json", "trace"])]
    ladder: Option<usize>,
    /// Print every input and action of signalling.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    /// Write everything that signalling and media were told and did to a file, for `telex replay`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "ladder"])]
    record: Option<PathBuf>,
    /// Where plans that break a rule are written.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    keep: PathBuf,
    /// Keep such plans as they are.
    #[arg(long)]
    no_shrink: bool,
}

/// A sentence about wrong usage.
type Wrong = String;

/// Runs the command.
pub(super) fn main(options: &Sim) -> ExitCode {
    match simulate(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(wrong) => {
            let _ = writeln!(std::io::stderr(), "telex sim: {wrong}");
            ExitCode::from(2)
        }
    }
}

/// What is run: seeds or plans, by number.
enum Source {
    Seeds(Range<u64>, Box<Settings>),
    Plans(Vec<(PathBuf, Plan)>),
}

impl Source {
    fn of(options: &Sim) -> Result<Self, Wrong> {
        if !options.what.plan.is_empty() {
            return options
                .what
                .plan
                .iter()
                .map(|path| Ok((path.clone(), read_plan(path)?)))
                .collect::<Result<_, _>>()
                .map(Self::Plans);
        }
        let seed = options.what.seed.unwrap_or(1);
        let one = || seed..seed.saturating_add(1);
        Ok(Self::Seeds(options.what.seeds.clone().unwrap_or_else(one), Box::new(options.world.settings()?)))
    }

    fn len(&self) -> usize {
        match self {
            Self::Seeds(seeds, _) => usize::try_from(seeds.end - seeds.start).unwrap_or(usize::MAX),
            Self::Plans(plans) => plans.len(),
        }
    }

    fn plan(&self, n: usize) -> Plan {
        match self {
            Self::Seeds(seeds, settings) => draw(seeds.start + n as u64, settings),
            Self::Plans(plans) => plans[n].1.clone(),
        }
    }

    fn name(&self, n: usize) -> String {
        match self {
            Self::Seeds(seeds, _) => format!("seed {}", seeds.start + n as u64),
            Self::Plans(plans) => plans[n].0.display().to_string(),
        }
    }
}

/// True when nothing broke.
fn simulate(options: &Sim) -> Result<bool, Wrong> {
    let output = &options.output;
    if output.features {
        print(&features());
        return Ok(true);
    }
    if options.every.is_wanted() {
        return every::main(
            &options.every,
            options.what.plan.first().map(PathBuf::as_path),
            options.what.jobs(),
            output,
        );
    }
    let source = Source::of(options)?;
    if output.print_plan {
        (0..source.len()).for_each(|n| print(&source.plan(n).to_toml()));
        return Ok(true);
    }
    if (output.trace || output.ladder.is_some() || output.record.is_some()) && source.len() > 1 {
        return Err("--trace, --ladder and --record show one run: choose it with --seed or --plan".to_owned());
    }
    if let Some(path) = &output.record {
        create(path)?;
    }
    keep::prepare(output)?;
    let (summary, broken, wall) = quietly(|| {
        let began = Instant::now();
        let (summary, broken) = run_all(&source, options.what.jobs(), output);
        let wall = began.elapsed();
        (summary, keep::explain(&source, &broken, options.what.jobs(), output), wall)
    });
    keep::write(&broken, output)?;
    if output.json {
        print(&format!("{}\n", summary.json(&broken, wall)));
        return Ok(broken.is_empty());
    }
    print(&keep::told(&broken));
    print(&summary.text(broken.len(), wall));
    if STOP.load(Ordering::Relaxed) {
        print(&format!("interrupted after {} of {}\n", summary.seeds, source.len()));
    }
    Ok(broken.is_empty())
}

/// Runs every plan: counts, and what broke.
fn run_all(source: &Source, jobs: usize, output: &Output) -> (Summary, Vec<(usize, Box<Failure>)>) {
    let mut summary = Summary::default();
    let mut broken = Vec::new();
    let work = |n| run_one(&source.plan(n), output);
    in_order(source.len(), jobs, &STOP, work, |n, outcome| {
        summary.add(&outcome);
        if let Some(failure) = outcome.broken {
            let _ = writeln!(std::io::stderr(), "{} broke {}", source.name(n), failure.broken);
            broken.push((n, failure));
        }
    });
    (summary, broken)
}

/// Runs the simulator. A panic of the engine is a broken rule there, and what it said is in the reason.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    stop_on_interrupt();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    let _ = std::panic::take_hook();
    result
}

fn create(path: &Path) -> Result<BufWriter<File>, Wrong> {
    File::create(path).map(BufWriter::new).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn run_one(plan: &Plan, output: &Output) -> Outcome {
    if let Some(path) = &output.record {
        let recorded = create(path).and_then(|file| {
            run_recorded(plan, file).map_err(|e| format!("cannot write {}: {e}", path.display()))
        });
        match recorded {
            Ok((outcome, _)) => return outcome,
            Err(wrong) => {
                let _ = writeln!(std::io::stderr(), "telex sim: {wrong}");
            }
        }
    }
    if output.trace {
        return run_traced(plan, &mut |line| print(&format!("{line}\n")));
    }
    let Some(call) = output.ladder.filter(|call| *call < plan.calls.len()) else { return run(plan) };
    let (outcome, ladder) = run_with_ladder(plan, call);
    print(&ladder);
    outcome
}

fn features() -> String {
    let row = |(name, percent, what): &(&str, u32, &str)| format!("{name:<14} {percent:>3}%  {what}\n");
    let rows: String = FEATURES.iter().map(row).collect();
    format!("what           in how many of a hundred seeds\n{rows}")
}

fn read_plan(path: &Path) -> Result<Plan, Wrong> {
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let size = std::fs::metadata(path).map_err(|e| wrong(&e))?.len();
    if size > LONGEST_TEXT as u64 {
        return Err(wrong(&format!("a plan has at most {LONGEST_TEXT} octets, this has {size}")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    Plan::parse(&text).map_err(|e| wrong(&e))
}

impl What {
    fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.unwrap_or_else(cores)
    }
}

impl World {
    fn settings(&self) -> Result<Settings, Wrong> {
        Ok(Settings {
            calls: self.calls,
            phones: self.phones.unwrap_or(0),
            loss: self.loss,
            duplicate: self.dup,
            reorder: self.reorder,
            latency: self.latency,
            jitter: self.jitter,
            storms: !self.plain,
            with: self.with.clone(),
            without: self.without.clone(),
            broken: self.break_timer,
            site: self.config.as_deref().map(site).transpose()?,
        })
    }
}

fn site(path: &Path) -> Result<Site, Wrong> {
    let settings = config::load(path)
        .map_err(|refused| format!("the configuration is wrong\n{}", refused.render(false)))?;
    Site::of(&settings.engine).ok_or_else(|| {
        format!(
            "{} has no phone that registers and whose extension has only letters, digits and +*#._-",
            path.display()
        )
    })
}

fn count<const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| *n <= MOST);
    number.ok_or_else(|| format!("write a number up to {MOST}"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "write two numbers as 0..2000; the second is not included".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let range = from.parse().map_err(|_| wrong())?..to.parse().map_err(|_| wrong())?;
    if range.is_empty() { Err("there is no seed in it".to_owned()) } else { Ok(range) }
}

fn feature(text: &str) -> Result<String, String> {
    match FEATURES.iter().any(|(name, ..)| *name == text) {
        true => Ok(text.to_owned()),
        false => Err("`telex sim --features` lists what there is".to_owned()),
    }
}

/// Ctrl-C was pressed.
static STOP: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C lets the runs that have begun come to their end; the second ends the program.
fn stop_on_interrupt() {
    let Ok(mut signals) = Signals::new([Signal::Int]) else { return };
    std::thread::spawn(move || {
        smol::block_on(async move {
            while signals.next().await.is_some() {
                if STOP.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_beginning_and_an_end() {
        assert_eq!(range("0..2000"), Ok(0..2000));
        for wrong in ["5", "9..3", "3..3", "..", "a..b", "-1..4"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(count::<7>("7"), Ok(7));
        assert!(count::<7>("8").is_err() && count::<7>("x").is_err());
    }
}
