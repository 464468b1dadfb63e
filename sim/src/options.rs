//! The command line.

use std::ops::Range;
use std::time::Duration;

use telex_sim::Settings;
use telex_sim::plan::BrokenTimer;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
usage: telex-sim [--seed N | --seeds A..B] [options]

  --seed N           run one seed (default 1)
  --seeds A..B       run the seeds from A up to but not including B
  --calls N          calls per seed (default 20)
  --phones N         phones per seed (default: the seed decides)
  --loss P           datagrams lost, e.g. 5%
  --dup P            datagrams doubled
  --reorder P        datagrams overtaken by later ones
  --latency MS       latency of every link in milliseconds (default: the seed decides)
  --plain            no bursts, partitions, broken or split streams beside the above
  --break-timer [T]  break a timer of the engine, to see it caught: t1 (default) or t2
  --plan             print each plan before it runs
  --trace            print every input and action of signalling
  --json             one JSON document instead of text

The exit code is 0 only when nothing broke.";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the help.
    Help,
    /// Run seeds.
    Run(Options),
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) seeds: Range<u64>,
    pub(crate) settings: Settings,
    pub(crate) json: bool,
    pub(crate) print_plan: bool,
    pub(crate) trace: bool,
    /// The arguments without those that choose seeds or output.
    repeat: Vec<String>,
}

impl Options {
    /// A command that runs one seed again.
    pub(crate) fn replay(&self, seed: u64) -> String {
        let mut words = vec!["cargo run --release -p telex-sim -- --seed".to_owned(), seed.to_string()];
        words.extend(self.repeat.iter().cloned());
        words.join(" ")
    }
}

/// Reads the arguments. The error is a sentence for people.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        seeds: 1..2,
        settings: Settings::default(),
        json: false,
        print_plan: false,
        trace: false,
        repeat: Vec::new(),
    };
    let settings = &mut options.settings;
    let words = arguments.flat_map(|word| match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name.to_owned(), value.to_owned()],
        _ => vec![word],
    });
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let named = words.peek().is_some_and(|next| !next.starts_with("--"));
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let mut repeated = None;
        let mut again = |text: String| {
            repeated = Some(text.clone());
            text
        };
        match word.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--json" => options.json = true,
            "--trace" => options.trace = true,
            "--plan" => options.print_plan = true,
            "--seed" => {
                let seed = number(&value()?)?;
                options.seeds = seed..seed.saturating_add(1);
            }
            "--seeds" => options.seeds = range(&value()?)?,
            "--calls" => settings.calls = size(&again(value()?))?,
            "--phones" => settings.phones = size(&again(value()?))?,
            "--loss" => settings.loss = Some(share(&again(value()?))?),
            "--dup" => settings.duplicate = Some(share(&again(value()?))?),
            "--reorder" => settings.reorder = Some(share(&again(value()?))?),
            "--latency" => {
                settings.latency =
                    Some(Duration::from_millis(number(again(value()?).trim_end_matches("ms"))?));
            }
            "--plain" => settings.storms = false,
            "--break-timer" if named => settings.broken = Some(timer(&again(value()?))?),
            "--break-timer" => settings.broken = Some(timer(&again("t1".to_owned()))?),
            _ => return Err(format!("{word} is no option")),
        }
        if repeated.is_some() || word == "--plain" {
            options.repeat.push(word);
            options.repeat.extend(repeated);
        }
    }
    Ok(Command::Run(options))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn size(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text} is not of the form A..B"))?;
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(format!("{text} holds no seed")) } else { Ok(range) }
}

/// `5%` or `0.5%` in parts of a million.
fn share(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text} is no percentage such as 5%");
    let (whole, part) =
        text.trim_end_matches('%').split_once('.').unwrap_or((text.trim_end_matches('%'), ""));
    let digits = format!("{part:0<4}");
    if part.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = digits.parse().map_err(|_| wrong())?;
    if whole > 100 || (whole == 100 && part > 0) { Err(wrong()) } else { Ok(whole * 10_000 + part) }
}

fn timer(text: &str) -> Result<BrokenTimer, String> {
    match text {
        "t1" => Ok(BrokenTimer::T1),
        "t2" => Ok(BrokenTimer::T2),
        _ => Err(format!("{text} is no timer that can be broken: t1 or t2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Options, String> {
        match parse(text.split_whitespace().map(str::to_owned))? {
            Command::Run(options) => Ok(options),
            Command::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn the_command_of_the_readme_is_understood() {
        let options = parsed("--seed 42 --calls 1000 --loss 5%").unwrap();
        assert_eq!(options.seeds, 42..43);
        assert_eq!((options.settings.calls, options.settings.loss), (1000, Some(50_000)));
        assert_eq!(options.replay(7), "cargo run --release -p telex-sim -- --seed 7 --calls 1000 --loss 5%");
    }

    #[test]
    fn percentages_have_up_to_four_decimals() {
        assert_eq!(share("0.5%"), Ok(5_000));
        assert_eq!(share("100"), Ok(1_000_000));
        for wrong in ["101%", "x", "1.23456%", "-1%", "%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--sed 4"), Err("--sed is no option".to_owned()));
        assert_eq!(parsed("--seeds 9..3"), Err("9..3 holds no seed".to_owned()));
        assert_eq!(parsed("--loss"), Err("--loss needs a value".to_owned()));
    }
}
