//! Which lines of a dialplan were walked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use telex_dialplan::Dialplan;

/// Steps that were walked: priorities, by context and extension as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walked(BTreeMap<(String, String), BTreeSet<u32>>);

impl Walked {
    /// Reads the steps of a call's way: `101 matched _1XX in context [internal]`, and then `  FILE:LINE  1. Answer()`.
    pub(super) fn read(&mut self, way: &str) {
        let mut at = None;
        for line in way.lines() {
            if let Some((_, head)) = line.strip_suffix(']').and_then(|line| line.rsplit_once(" matched "))
                && let Some((extension, context)) = head.split_once(" in context [")
            {
                at = Some((context.to_owned(), extension.to_owned()));
                continue;
            }
            let step = line.strip_prefix("  ").filter(|line| !line.starts_with("  warning: "));
            let step =
                step.and_then(|step| step.split_once(". ")).and_then(|(head, _)| head.rsplit_once(' '));
            if let (Some(at), Some((_, Ok(priority)))) =
                (&at, step.map(|(rest, number)| (rest, number.parse())))
            {
                self.0.entry(at.clone()).or_default().insert(priority);
            }
        }
    }

    /// Takes in what others have walked.
    pub(super) fn add(&mut self, other: &Self) {
        for (extension, priorities) in &other.0 {
            self.0.entry(extension.clone()).or_default().extend(priorities);
        }
    }

    fn has(&self, context: &str, extension: &str, priority: u32) -> bool {
        let walked = self.0.get(&(context.to_owned(), extension.to_owned()));
        walked.is_some_and(|priorities| priorities.contains(&priority))
    }
}

/// How much of a dialplan was walked, and what was not: lines of text, each with `prefix` before it.
pub(super) fn told(name: &str, plan: &Dialplan, walked: &Walked, prefix: &str) -> String {
    // Of each file, and of all.
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut all, mut never) = ((0, 0), String::new());
    for context in plan.contexts() {
        for extension in &context.extensions {
            let name = extension.to_string();
            for step in &extension.steps {
                let (file, place) = (plan.file(step.span), plan.place(step.span));
                let done = u32::from(walked.has(&context.name, &name, step.priority));
                for count in [&mut all, counts.entry(file).or_default()] {
                    *count = (count.0 + done, count.1 + 1);
                }
                if done == 0 {
                    let (context, priority) = (&context.name, step.priority);
                    let what = format!("[{context}] {extension},{priority},{}({})", step.app, step.args);
                    let _ = writeln!(never, "{prefix}  {place:<28} {what}");
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
        walked.read("1 matched 1 in context [a]\n  x.conf:2  1. Answer()\n    warning: x.conf:4  2. no\n");
        insta::assert_snapshot!(told("x.conf", &plan, &walked, "# "), @r"
        # coverage of x.conf: 1 of 3 steps of the dialplan, 33%
        # never walked, as telex dialplan show has them:
        #   x.conf:3                     [a] 1,2,Hangup()
        #   x.conf:4                     [a] _2X,1,Dial(PJSIP/${EXTEN})
        ");
        let mut other = Walked::default();
        other.read(
            "1 matched 1 in context [a]\n  x.conf:3  2. Hangup()\nfor a matched b: 23 matched _2X in context [a]\n\
             \u{20}           1. Dial(PJSIP/23)  -> ANSWER\n",
        );
        walked.add(&other);
        assert!(
            told("x.conf", &plan, &walked, "")
                .starts_with("coverage of x.conf: 3 of 3 steps of the dialplan, 100%")
        );
    }
}
