//! What every fault came to, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use telex_engine::time::Duration;

use super::{DELAY, Hit, Mishap, Stuck, Trial, Usual, stuck};
use crate::plan::Plan;
use crate::run::Failure;

/// What every fault in one scenario came to.
#[derive(Default)]
pub struct FaultsReport {
    /// The messages of the scenario when nothing goes wrong.
    pub messages: Vec<MessageReport>,
    /// Faults that were tried one at a time.
    pub singles: usize,
    /// Pairs of faults that were tried.
    pub pairs: usize,
    /// Pairs that there are.
    pub possible_pairs: usize,
    /// Runs in which a party waited until all hung up, or longer.
    pub endless: usize,
    /// Who was stuck longest waiting for each thing, by a single fault and by a pair.
    pub longest: BTreeMap<&'static str, [Option<Stuck>; 2]>,
    /// Plans that broke a rule.
    pub broken: Vec<(Plan, Box<Failure>)>,
    /// Runs whose calls came to something else than without faults.
    pub other_outcomes: usize,
    usual: Option<Usual>,
    /// Answered, busy, refused, cancelled, unanswered.
    outcome: [u64; 5],
}

/// One message, and for how long anybody is stuck by what happens to it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageReport {
    /// The message, in words.
    pub message: String,
    /// What happened and for how long somebody was stuck then.
    pub stuck: Vec<(Mishap, Duration)>,
    row: usize,
}

fn results(trial: &Trial) -> [u64; 5] {
    let o = &trial.outcome;
    [o.answered, o.busy, o.refused, o.cancelled, o.unanswered]
}

impl FaultsReport {
    pub(super) fn new(plan: &Plan, faultless: &Trial, usual: Usual) -> Self {
        let messages = faultless.rows.iter().enumerate().filter(|(_, row)| row.number > 0).map(|(n, row)| {
            let way = if row.inward { "from" } else { "to" };
            let message = format!("{} {way} {}", row.text, plan.phones[row.phone].extension);
            MessageReport { message, stuck: Vec::new(), row: n }
        });
        Self {
            messages: messages.collect(),
            broken: faultless.failure(plan).into_iter().collect(),
            outcome: results(faultless),
            usual: Some(usual),
            ..Self::default()
        }
    }

    /// Adds a single fault.
    pub(super) fn single(&mut self, plan: &Plan, row: usize, trial: &Trial) {
        self.singles += 1;
        let worst = self.add(plan, trial, 0);
        if let Some(message) = self.messages.iter_mut().find(|m| m.row == row) {
            message.stuck.push((trial.hits[0].mishap, worst));
        }
    }

    /// Adds a pair of faults.
    pub(super) fn pair(&mut self, plan: &Plan, trial: &Trial) {
        self.pairs += 1;
        self.add(plan, trial, 1);
    }

    /// Adds a run to the single ones or the pairs: how long anybody was stuck.
    fn add(&mut self, plan: &Plan, trial: &Trial, which: usize) -> Duration {
        self.broken.extend(trial.failure(plan));
        let (Some(usual), None) = (&self.usual, &trial.outcome.broken) else { return Duration::ZERO };
        self.other_outcomes += usize::from(results(trial) != self.outcome);
        let words: Vec<String> = trial.hits.iter().map(Hit::words).collect();
        let all = stuck(plan, usual, &trial.waits, &words);
        self.endless += usize::from(all.iter().any(|stuck| stuck.forever));
        let worst = all.last().map_or(Duration::ZERO, |stuck| stuck.time);
        for stuck in all {
            let longest = &mut self.longest.entry(stuck.awaited).or_default()[which];
            if longest.as_ref().is_none_or(|known| known.weight() < stuck.weight()) {
                *longest = Some(stuck);
            }
        }
        worst
    }

    /// Who was stuck longest by one fault (0) or two (1).
    pub fn longest_by(&self, which: usize) -> Option<&Stuck> {
        self.longest.values().filter_map(|both| both[which].as_ref()).max_by_key(|stuck| stuck.weight())
    }

    /// Whether every wait of every run came to an end by itself, and no rule was broken.
    pub fn all_ended(&self) -> bool {
        self.endless == 0 && self.broken.is_empty()
    }

    /// A few lines and a table for people.
    pub fn text(&self, name: &str) -> String {
        let mut text = format!("{name}: {} messages\n", self.messages.len());
        let pairs = match self.pairs == self.possible_pairs {
            true => format!("{} pairs", self.pairs),
            false => format!("{} of {} pairs", self.pairs, self.possible_pairs),
        };
        let ended = match self.endless {
            0 => "everybody's waiting ended".to_owned(),
            n => format!("somebody's waiting did not end in {n} runs"),
        };
        let _ = writeln!(
            text,
            "  {} single faults, {pairs}: {} broke a rule, {ended}",
            self.singles,
            self.broken.len()
        );
        let _ = writeln!(text, "  calls came to something else in {} runs", self.other_outcomes);
        self.waits(&mut text);
        self.table(&mut text);
        text
    }

    /// For each thing that somebody waits for, the longest that anybody is stuck.
    fn waits(&self, text: &mut String) {
        let mut all: Vec<_> = self.longest.values().collect();
        let weight = |stuck: &Option<Stuck>| stuck.as_ref().map(Stuck::weight);
        all.sort_by_key(|both| std::cmp::Reverse(both.iter().map(weight).max()));
        for both in all {
            let first = both.iter().flatten().next();
            let _ = writeln!(text, "  somebody waits {}", first.map_or("", |stuck| stuck.awaited));
            for stuck in both.iter().flatten() {
                stuck.write(text);
            }
        }
        if self.longest.is_empty() {
            text.push_str("  nobody waits longer than without faults\n");
        }
    }

    /// For each message and what happens to it, how long anybody is stuck.
    fn table(&self, text: &mut String) {
        let kinds: Vec<Mishap> = Mishap::ALL
            .into_iter()
            .filter(|kind| self.messages.iter().any(|m| m.stuck.iter().any(|(k, _)| k == kind)))
            .collect();
        let _ = write!(text, "\n  seconds stuck when it is (delay is {} s)\n  {:<44}", DELAY.as_secs(), "");
        for kind in &kinds {
            let _ = write!(text, "{:>9}", kind.name());
        }
        text.push('\n');
        for message in &self.messages {
            let _ = write!(text, "  {:<44}", message.message);
            for kind in &kinds {
                let cell = match message.stuck.iter().find(|(k, _)| k == kind) {
                    Some((_, Duration::ZERO)) => "-".to_owned(),
                    Some((_, time)) => format!("{:.1}", time.as_secs_f64()),
                    None => String::new(),
                };
                let _ = write!(text, "{cell:>9}");
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
    }

    /// One document.
    pub fn json(&self, name: &str) -> Value {
        let message = |m: &MessageReport| {
            let stuck =
                m.stuck.iter().map(|(kind, time)| (kind.name().to_owned(), json!(time.as_secs_f64())));
            json!({ "message": m.message, "stuck_seconds": Value::Object(stuck.collect()) })
        };
        let broken = |(plan, failure): &(Plan, Box<Failure>)| {
            json!({
                "oracle": failure.broken.oracle,
                "reason": failure.broken.reason,
                "plan": plan.to_toml(),
            })
        };
        json!({
            "scenario": name,
            "messages": self.messages.iter().map(message).collect::<Vec<_>>(),
            "single_faults": self.singles,
            "pairs": self.pairs,
            "possible_pairs": self.possible_pairs,
            "all_terminate": self.all_ended(),
            "endless": self.endless,
            "other_outcomes": self.other_outcomes,
            "broken": self.broken.iter().map(broken).collect::<Vec<_>>(),
            "longest_single": self.longest_by(0).map(Stuck::json),
            "longest_pair": self.longest_by(1).map(Stuck::json),
            "longest": self.longest.values().flatten().flatten().map(Stuck::json).collect::<Vec<_>>(),
        })
    }
}

impl Stuck {
    fn write(&self, text: &mut String) {
        let (seconds, faults) = (self.time.as_secs_f64(), self.faults.join(" and "));
        let _ = writeln!(
            text,
            "    {seconds:>5.1} s  {}, after {faults}, ended by {}",
            self.extension, self.trigger
        );
    }

    fn json(&self) -> Value {
        json!({
            "seconds": self.time.as_secs_f64(),
            "phone": self.phone,
            "extension": self.extension,
            "waits": self.awaited,
            "until": self.trigger,
            "endless": self.forever,
            "faults": self.faults,
        })
    }
}
