//! The order of patterns, by a table of cases.

use telex_dialplan::{Asked, At, Dialplan, Moment};

/// The winner of a number among the extensions of a context, as written.
fn winner(plan: &Dialplan, number: &str) -> String {
    let (extension, caller) = number.split_once('@').unwrap_or((number, ""));
    let asked = Asked { context: "table", extension, caller, now: Moment::new(0, "UTC") };
    plan.find(asked, At::Priority(1)).map_or("-".to_owned(), |found| found.extension.to_string())
}

/// A context of these extensions.
fn plan<'a>(extensions: impl Iterator<Item = &'a str>) -> Dialplan {
    let mut text = "[table]\n".to_owned();
    for extension in extensions {
        text.push_str(&format!("exten => {extension},1,NoOp()\n"));
    }
    Dialplan::parse("table", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_table_holds_whatever_the_order_of_the_text() {
    let (mut cases, mut faults) = (0, Vec::new());
    let mut plans = Vec::new();
    let mut title = "";
    for line in include_str!("patterns.txt").lines().filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("; ") {
            title = text;
        } else if let Some(extensions) = line.strip_prefix("> ") {
            plans = vec![plan(extensions.split(' ')), plan(extensions.split(' ').rev())];
        } else if let Some((number, wanted)) = line.split_once(' ') {
            cases += 1;
            for plan in &plans {
                let got = winner(plan, number);
                if got != wanted {
                    faults.push(format!("{title}: {number}: {wanted} should win, {got} does"));
                }
            }
        }
    }
    assert!(cases >= 300, "only {cases} cases");
    assert!(faults.is_empty(), "{} of {cases}:\n{}", faults.len(), faults.join("\n"));
}
