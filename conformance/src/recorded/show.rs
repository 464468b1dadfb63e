//! Reports for people and for programs.

use serde_json::{Value, json};

use super::run::{Outcome, Report, Verdict};
use super::script::Link;

/// Calls with their reports, as text.
pub fn text(results: &[(&str, Report)]) -> String {
    let mut out = String::new();
    for (id, report) in results {
        out += &format!("call {id}\n");
        out.extend(report.outcomes.iter().map(step));
        out.extend(report.unexpected.iter().map(|what| format!("  unexpected: {what}\n")));
    }
    let (compared, differ) = sums(results);
    out + &format!("{compared} messages compared, {differ} not as recorded\n")
}

/// The same as one document.
pub fn json(results: &[(&str, Report)]) -> Value {
    let call = |(id, report): &(&str, Report)| {
        let steps: Vec<Value> = report.outcomes.iter().map(step_json).collect();
        json!({ "call": id, "steps": steps, "unexpected": report.unexpected, "compared": report.compared,
                "differ": report.wrong() })
    };
    let (compared, differ) = sums(results);
    json!({ "calls": results.iter().map(call).collect::<Vec<_>>(), "compared": compared, "differ": differ })
}

fn sums(results: &[(&str, Report)]) -> (usize, usize) {
    results.iter().fold((0, 0), |(compared, differ), (_, r)| (compared + r.compared, differ + r.wrong()))
}

fn step(outcome: &Outcome) -> String {
    let Outcome { label, what, .. } = outcome;
    let side = if outcome.link == Link::Caller { "caller" } else { "callee" };
    match &outcome.verdict {
        Verdict::Heard => format!("  {label}: {what}: said by the {side}\n"),
        Verdict::Unasked => format!("  {label}: {what}: left out, it answers nothing\n"),
        _ if !outcome.checked => String::new(),
        Verdict::Said(differences) if differences.is_empty() => format!("  {label}: {what}: ok\n"),
        Verdict::Said(differences) => {
            let each = differences.iter();
            let each = each.map(|d| format!("      {}: expected {}, got {}\n", d.header, d.expected, d.got));
            format!("  {label}: {what}: differs\n{}", each.collect::<String>())
        }
        Verdict::Missing => format!("  {label}: {what}: missing\n"),
        Verdict::Optional => format!("  {label}: {what}: not said, and need not be\n"),
    }
}

fn step_json(outcome: &Outcome) -> Value {
    let mut differences = Vec::new();
    let verdict = match &outcome.verdict {
        Verdict::Said(all) if all.is_empty() => "ok",
        Verdict::Said(all) => {
            let each =
                all.iter().map(|d| json!({ "header": d.header, "expected": d.expected, "got": d.got }));
            differences.extend(each);
            "differs"
        }
        Verdict::Missing => "missing",
        Verdict::Optional => "not said",
        Verdict::Heard => "said to the engine",
        Verdict::Unasked => "left out",
    };
    json!({ "message": outcome.label, "what": outcome.what, "checked": outcome.checked, "verdict": verdict,
            "differences": differences })
}
