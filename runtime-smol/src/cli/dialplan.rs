//! `telex dialplan`: what a dialplan says, before any call meets it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{ToSpan as _, Zoned};
use telex_dialplan::explain::{Facts, Supposed, globals, looked_at, walk};
use telex_dialplan::scene::Caller;
use telex_dialplan::world::DeviceState;
use telex_dialplan::{Asked, At, Dialplan, Moment, Thread, help, when};

use telex_engine::config::INTERNAL;

use super::{Failure, print};
use crate::config::{self, Folder};
use crate::control::Does;

/// Check, show and explain dialplans.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(super) enum Command {
    /// Say what is wrong with a dialplan, or how much is in it.
    Check {
        /// The dialplan, as an extensions.conf or the telex.toml that means it.
        file: PathBuf,
    },
    /// Print a dialplan as it is understood. What is printed can be read again.
    Show {
        /// The dialplan, as an extensions.conf or the telex.toml that means it.
        file: PathBuf,
        /// Only this context.
        #[arg(long)]
        context: Option<String>,
    },
    /// Say what becomes of a number: what fits and what does not, and each step with its values.
    Explain(Explain),
    /// Say what an application or a function does, or a variable has in it; without a name, which there are.
    Help {
        /// The name.
        name: Option<String>,
        /// Print everything as a page of Markdown.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The dialplan, as an extensions.conf.
    file: PathBuf,
    /// What is dialled.
    number: String,
    #[command(flatten)]
    case: Case,
}

/// What is supposed of a call that nobody has made.
#[derive(Debug, Args)]
pub(super) struct Case {
    /// The context that the caller is in [default: that of the phone, else internal].
    #[arg(long)]
    pub(super) context: Option<String>,
    /// The caller's number.
    #[arg(long, default_value = "")]
    pub(super) from: String,
    /// When: "Sun 11:02", "2026-12-24 18:00", 11:02 [default: now].
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// The time zone of the site.
    #[arg(long, value_name = "ZONE")]
    pub(super) zone: Option<String>,
    /// How each Dial ends.
    #[arg(long, value_enum, default_value_t = Does::NoAnswer)]
    pub(super) dial: Does,
    /// What the caller presses when keys are collected; once for each time.
    #[arg(long)]
    pub(super) keys: Vec<String>,
    /// How a device is: PJSIP/101=BUSY.
    #[arg(long, value_name = "DEVICE=STATE", value_parser = device)]
    device: Vec<(String, DeviceState)>,
}

fn device(text: &str) -> Result<(String, DeviceState), String> {
    use DeviceState as S;
    let states =
        [S::NotInUse, S::InUse, S::Busy, S::Unavailable, S::Ringing, S::RingInUse, S::OnHold, S::Unknown];
    let (name, state) = text.split_once('=').ok_or("write DEVICE=STATE, as in PJSIP/101=BUSY")?;
    let known = states.iter().find(|known| known.as_str().eq_ignore_ascii_case(state));
    let names = || states.map(S::as_str).join(", ");
    known
        .map(|known| (name.to_owned(), *known))
        .ok_or_else(|| format!("no state {state}; there are {}", names()))
}

/// Runs the command.
pub(super) fn main(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check { file } => {
            let plan = read(file)?;
            print(&format!("Loaded dialplan: {}\n", plan.counts()));
            for warning in plan.warnings() {
                print(&format!("{warning}\n"));
            }
        }
        Command::Show { file, context } => {
            let plan = read(file)?;
            print(&shown(&plan, context.as_deref())?);
        }
        Command::Explain(Explain { file, number, case }) => {
            let plan = read(file)?;
            print(&format!(
                "Loaded dialplan: {}\n{}",
                plan.counts(),
                case.told(&plan, number, (INTERNAL, "UTC"))?
            ));
        }
        Command::Help { all: true, .. } => print(&help::markdown()),
        Command::Help { name: Some(name), .. } => print(&help::about(name)?),
        Command::Help { name: None, .. } => print(&index()),
    }
    Ok(())
}

/// Reads a dialplan, or the one that a configuration means, or says everything that is wrong with it.
fn read(file: &Path) -> Result<Dialplan, Failure> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        return Ok(config::load(file)?.plan());
    }
    let text = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let name = file.display().to_string();
    Dialplan::read(&name, &text, &Folder::new(folder)).map_err(|problems| {
        let errors = problems.0.iter().filter(|problem| !problem.warning).count();
        let s = if errors == 1 { "" } else { "s" };
        Failure(format!("{problems}\n{errors} error{s}; nothing was loaded"))
    })
}

/// A plan or one of its contexts as text.
pub(super) fn shown(plan: &Dialplan, context: Option<&str>) -> Result<String, Failure> {
    let Some(name) = context else { return Ok(plan.written().to_string()) };
    match plan.context(name) {
        Some(context) => Ok(plan.context_written(&context.name).to_string()),
        None => Err(format!("there is no context [{name}]; there are {}", names(plan)).into()),
    }
}

fn names(plan: &Dialplan) -> String {
    let names: Vec<&str> = plan.contexts().iter().map(|context| context.name.as_str()).collect();
    names.join(", ")
}

fn index() -> String {
    let (apps, functions) = (telex_dialplan::app::all(), telex_dialplan::function::all());
    let names = apps.iter().map(|app| app.name).chain(functions.iter().map(|function| function.name));
    let wide = names.map(str::len).max().unwrap_or_default() + 2;
    let mut text = "Applications:\n".to_owned();
    for app in apps {
        let _ = writeln!(text, "  {:<wide$}{}", app.name, app.meaning);
    }
    text += "Functions:\n";
    for function in functions {
        let _ = writeln!(text, "  {:<wide$}{}", function.name, function.meaning);
    }
    text + "telex dialplan help NAME tells more of each.\n"
}

impl Case {
    /// Whether it is one that only is supposed, and not that of an exchange.
    pub(super) const fn is_supposed(&self) -> bool {
        self.context.is_some() || self.zone.is_some() || !self.device.is_empty()
    }

    /// The moment of the case, in milliseconds since 1970.
    pub(super) fn when(&self, zone: &str) -> Result<i64, Failure> {
        Ok(self.moment(zone)?.timestamp().as_millisecond())
    }

    /// What becomes of a number in this case; the context and the zone are those of the site, unless others are given.
    pub(super) fn told(
        &self,
        plan: &Dialplan,
        number: &str,
        (context, zone): (&str, &str),
    ) -> Result<String, Failure> {
        let context = self.context.as_deref().unwrap_or(context);
        if plan.context(context).is_none() {
            return Err(format!("there is no context [{context}]; there are {}", names(plan)).into());
        }
        let zone = self.zone.as_deref().unwrap_or(zone);
        let at = self.moment(zone)?;
        let now = Moment::new(at.timestamp().as_millisecond(), zone);
        let asked = Asked { context, extension: number, caller: &self.from, now };
        let considered = looked_at(plan, asked, At::Priority(1));
        let way = self.way(plan, context, number, now);
        Ok(format!("Incoming call to extension {number}, context [{context}], {now}\n{considered}{way}"))
    }

    fn way(&self, plan: &Dialplan, context: &str, number: &str, now: Moment<'_>) -> String {
        let caller = Caller { number: self.from.as_str().into(), dnid: number.into(), ..Caller::default() };
        let mut thread = Thread::new(context, number, caller);
        let mut facts = Facts::at(now.ms, now.zone);
        facts.devices = self.device.iter().map(|(name, state)| (name.as_str().into(), *state)).collect();
        facts.facts.insert("cdr/src".into(), self.from.as_str().into());
        facts.facts.insert("context".into(), context.into());
        globals(plan, &mut facts);
        let mut supposed = Supposed {
            dial: self.dial.into(),
            keys: self.keys.iter().map(|keys| keys.as_str().into()).collect(),
        };
        let over = walk(&mut thread, plan, &mut facts, &mut |task| supposed.outcome(task));
        if thread.trail().entries().len() == 0 {
            return format!("No extension fits {number} in context [{context}]: the call is refused\n");
        }
        let mut text = thread.trail().told(plan).to_string();
        if !over {
            text += "  (the way goes on; no more is told)\n";
        }
        text
    }

    fn moment(&self, zone: &str) -> Result<Zoned, Failure> {
        let known = when::zone(zone)
            .ok_or_else(|| format!("no time zone is called {zone}; write one like Europe/Berlin"))?;
        let now = Zoned::now().with_time_zone(known.clone());
        let Some(text) = &self.at else { return Ok(now) };
        let at = moment(text, now.datetime())
            .ok_or_else(|| format!("`{text}` is no time; write \"Sun 11:02\" or \"2026-12-24 18:00\""))?;
        at.to_zoned(known).map_err(|error| Failure::from(error.to_string()))
    }
}

/// A time as people write it: the next such day, today's time, or a date.
pub(super) fn moment(text: &str, now: DateTime) -> Option<DateTime> {
    if let Ok(at) = text.parse::<DateTime>() {
        return Some(at);
    }
    let (day, time) = text.rsplit_once(' ').unwrap_or(("", text));
    let time: Time = time.parse().ok()?;
    if day.is_empty() {
        return Some(now.date().to_datetime(time));
    }
    if let Ok(date) = day.parse::<Date>() {
        return Some(date.to_datetime(time));
    }
    let days = [
        ("sunday", Weekday::Sunday),
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
    ];
    let small = day.to_ascii_lowercase();
    let (_, wanted) = days.iter().find(|(name, _)| small.len() >= 2 && name.starts_with(&small))?;
    let ahead = now.date().weekday().until(*wanted);
    Some(now.date().checked_add(i64::from(ahead).days()).ok()?.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "\
[internal]
exten = 100,1,Answer()
exten = 100,2,SayDigits(100)
exten = 100,3,Hangup()
exten = _1XX,1,Dial(SIP/${EXTEN})
exten = 9911,1,Dial(SIP/emergency@trunk)
[incoming]
exten = s,1,Answer()
exten = s,2,Playback(welcome)
exten = s,3,Goto(internal,${CALLERID})
";

    fn case(at: &str) -> Case {
        Case {
            context: None,
            from: "100".to_owned(),
            at: Some(at.to_owned()),
            zone: None,
            dial: Does::NoAnswer,
            keys: Vec::new(),
            device: Vec::new(),
        }
    }

    #[test]
    fn each_pattern_and_each_step_is_told() {
        let plan = Dialplan::parse("dialplan.conf", SEED).unwrap();
        insta::assert_snapshot!(case("2026-11-22 11:02").told(&plan, "101", ("internal", "UTC")).unwrap_or_default(), @r"
        Incoming call to extension 101, context [internal], Sun 2026-11-22 11:02 UTC
          100   [internal]  dialplan.conf:2  does not fit: character 3 is 1, not 0
          9911  [internal]  dialplan.conf:6  does not fit: character 1 is 1, not 9
          _1XX  [internal]  dialplan.conf:5  fits and comes first
        101 matched _1XX in context [internal]
          dialplan.conf:5  1. Dial(SIP/101)  -> NOANSWER, cause 19
        ");
    }

    #[test]
    fn a_number_that_leads_nowhere_is_told_too() {
        let plan = Dialplan::parse("dialplan.conf", SEED).unwrap();
        insta::assert_snapshot!(case("2026-11-22 11:02").told(&plan, "2000", ("internal", "UTC")).unwrap_or_default(), @r"
        Incoming call to extension 2000, context [internal], Sun 2026-11-22 11:02 UTC
          100   [internal]  dialplan.conf:2  does not fit: character 1 is 2, not 1
          9911  [internal]  dialplan.conf:6  does not fit: character 1 is 2, not 9
          _1XX  [internal]  dialplan.conf:5  does not fit: character 1 is 2, not 1
        No extension fits 2000 in context [internal]: the call is refused
        ");
    }

    #[test]
    fn the_index_keeps_its_columns() {
        let text = index();
        for line in text.lines().filter(|line| line.starts_with("  ")) {
            let (name, meaning) = line.split_at(25);
            assert!(name.ends_with("  ") && !meaning.starts_with(' '), "{line}");
        }
    }

    #[test]
    fn times_are_understood_as_people_write_them() {
        let now = "2026-11-22 10:00".parse::<DateTime>().unwrap();
        let at = |text| moment(text, now).map(|at| at.strftime("%a %F %H:%M").to_string());
        assert_eq!(at("11:02").as_deref(), Some("Sun 2026-11-22 11:02"));
        assert_eq!(at("Sun 11:02").as_deref(), Some("Sun 2026-11-22 11:02"));
        assert_eq!(at("tuesday 8:30"), None, "two digits of an hour");
        assert_eq!(at("tue 08:30").as_deref(), Some("Tue 2026-11-24 08:30"));
        assert_eq!(at("2026-12-24 18:00").as_deref(), Some("Thu 2026-12-24 18:00"));
        assert_eq!(at("soon"), None);
    }
}
