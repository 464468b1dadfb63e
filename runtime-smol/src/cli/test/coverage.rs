//! Which lines of a dialplan were walked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use telex_dialplan::Dialplan;

/// What the part of a dialplan is called that is made of a configuration. Its lines are not those of that file.
const CONFIGURED: &str = "telex.toml";

/// Lines that were walked, by their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walked(BTreeMap<String, BTreeSet<u32>>);

impl Walked {
    /// Reads the lines that a call's way names: `  FILE:LINE  1. Answer()`.
    pub(super) fn read(&mut self, way: &str) {
        for line in way.lines() {
            let place =
                line.strip_prefix("  ").and_then(|line| line.split_once("  ")).map(|(place, _)| place);
            let Some((file, line)) = place.and_then(|place| place.rsplit_once(':')) else { continue };
            if let Ok(line) = line.parse() {
                self.0.entry(file.to_owned()).or_default().insert(line);
            }
        }
    }

    /// Takes in what others have walked.
    pub(super) fn add(&mut self, other: &Self) {
        for (file, lines) in &other.0 {
            self.0.entry(file.clone()).or_default().extend(lines);
        }
    }

    fn has(&self, file: &str, line: u32) -> bool {
        self.0.get(file).is_some_and(|lines| lines.contains(&line))
    }
}

/// How much of a dialplan was walked, and what was not: lines of text, each with `prefix` before it.
pub(super) fn told(name: &str, plan: &Dialplan, walked: &Walked, prefix: &str) -> String {
    // Of each file, and of all.
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut all, mut never) = ((0, 0), String::new());
    for context in plan.contexts() {
        for extension in &context.extensions {
            for step in &extension.steps {
                let (file, line) = (plan.file(step.span), step.span.line);
                let (shown, place) = match file {
                    CONFIGURED => ("(configured)", "(configured)".to_owned()),
                    _ => (file, format!("{file}:{line}")),
                };
                let done = u32::from(walked.has(file, line));
                for count in [&mut all, counts.entry(shown).or_default()] {
                    *count = (count.0 + done, count.1 + 1);
                }
                if done == 0 {
                    let (context, priority) = (&context.name, step.priority);
                    let what = format!("[{context}] {extension},{priority},{}({})", step.app, step.args);
                    let _ = writeln!(never, "{prefix}  {place:<22} {what}");
                }
            }
        }
    }
    let mut text = format!("{prefix}coverage of {name}: {}\n", share(all));
    if counts.len() > 1 {
        for (file, count) in counts {
            let _ = writeln!(text, "{prefix}  {file:<22} {}", share(count));
        }
    }
    if !never.is_empty() {
        let _ = writeln!(text, "{prefix}never walked, as telex dialplan show has them:");
        text += &never;
    }
    text
}

fn share((done, all): (u32, u32)) -> String {
    let percent = if all == 0 { 100 } else { u64::from(done) * 100 / u64::from(all) };
    format!("{done} of {all} steps of the dialplan, {percent}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_walked_is_named() {
        let text = "[a]\nexten => 1,1,Answer()\n same => n,Hangup()\nexten => _2X,1,Dial(PJSIP/${EXTEN})\n";
        let plan = Dialplan::parse("x.conf", text).unwrap();
        let mut walked = Walked::default();
        walked.read("1 matched 1 in context [a]\n  x.conf:2  1. Answer()\n    warning: x.conf:4  1. no\n");
        insta::assert_snapshot!(told("x.conf", &plan, &walked, "# "), @r"
        # coverage of x.conf: 1 of 3 steps of the dialplan, 33%
        # never walked, as telex dialplan show has them:
        #   x.conf:3               [a] 1,2,Hangup()
        #   x.conf:4               [a] _2X,1,Dial(PJSIP/${EXTEN})
        ");
        let mut other = Walked::default();
        other.read("  x.conf:3  2. Hangup()\n  x.conf:4  1. Dial(PJSIP/23)  -> ANSWER\n");
        walked.add(&other);
        assert!(
            told("x.conf", &plan, &walked, "")
                .starts_with("coverage of x.conf: 3 of 3 steps of the dialplan, 100%")
        );
    }
}
