//! A recording walked through by hand: one letter per step.

use std::io::{BufRead, Write as _};

use telex_replay::{Place, Recording, ReplayError, Replayer};

use clap::ValueEnum as _;

use super::media::Media;
use super::show::{What, show};
use super::{Replay, events, print};

const HELP: &str = "n [N] on, b [N] back, g TIME go there, s [WHAT] show, m messages on and off, q quit; WHAT is call, \
                    transactions, timers, registrations, streams, media or all; Enter repeats\n";

/// Reads orders from standard input until there are no more.
pub(super) fn walk(
    recording: &Recording,
    replayer: &mut Replayer<'_>,
    options: &Replay,
) -> Result<(), ReplayError> {
    if let Some(place) = options.at {
        replayer.go(replayer.find(place))?;
    }
    print(HELP);
    let mut media = Media::new(recording);
    let mut messages = options.messages;
    let mut last = "n".to_owned();
    loop {
        print(&events::where_it_is(recording, replayer, replayer.now()));
        print("> ");
        let _ = std::io::stdout().flush();
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return Ok(());
        }
        let line = if line.trim().is_empty() { last.clone() } else { line.trim().to_owned() };
        let (order, rest) = line.split_once(' ').map_or((line.as_str(), ""), |(a, b)| (a, b.trim()));
        let count: usize = if rest.is_empty() { 1 } else { rest.parse().unwrap_or(1) };
        match order {
            "n" => {
                for _ in 0..count.min(recording.entries.len() - replayer.position()) {
                    events::on(recording, replayer, messages)?;
                }
            }
            "b" => replayer.go(replayer.position().saturating_sub(count))?,
            "g" => match rest.parse::<Place>() {
                Ok(place) => replayer.go(replayer.find(place))?,
                Err(wrong) => print(&format!("{wrong}\n")),
            },
            "s" => match What::from_str(if rest.is_empty() { "call" } else { rest }, true) {
                Ok(what) => {
                    let (position, now) = (replayer.position(), replayer.now());
                    match show(replayer.machine(), &mut media, &[what], position, now) {
                        Ok(text) => print(&text),
                        Err(wrong) => print(&format!("{wrong}\n")),
                    }
                }
                Err(_) => print(HELP),
            },
            "m" => messages = !messages,
            "q" => return Ok(()),
            _ => print(HELP),
        }
        last = line;
    }
}
