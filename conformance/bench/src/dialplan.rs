//! Dialplans of ten to ten thousand extensions: what it costs to load one, and to find a number in it.

use std::fmt::Write as _;
use std::hint::black_box;

use telex_dialplan::{Asked, At, Dialplan, Moment};

use crate::harness::{Case, measure};

const SIZES: [(usize, &str); 4] = [
    (10, "10 extensions"),
    (100, "100 extensions"),
    (1000, "1,000 extensions"),
    (10_000, "10,000 extensions"),
];

/// As a site with so many phones has it: a line for each, patterns beside them, and contexts that include each other.
fn text(size: usize) -> String {
    let mut text = "[internal]\ninclude => phones\ninclude => outgoing\n\n[phones]\n".to_owned();
    for n in 0..size {
        let number = 10_000 + n;
        let _ = write!(
            text,
            "exten => {number},1,Dial(PJSIP/{number},30)\n same => n,GotoIf($[\"${{DIALSTATUS}}\" = \"BUSY\"]?busy)\n \
             same => n,Playback(vm-nobodyavail)\n same => n(busy),Busy(10)\n"
        );
    }
    text.push_str(
        "\n[outgoing]\nexten => _0X.,1,Dial(PJSIP/${EXTEN:1}@carrier)\nexten => _9[1-5]XX,1,Hangup(21)\n",
    );
    text
}

fn winner(plan: &Dialplan, number: &str) -> Option<usize> {
    let now = Moment::new(1_795_375_800_000, "UTC");
    let asked = Asked { context: "internal", extension: number, caller: "10001", now };
    plan.find(asked, At::Priority(1)).map(|found| found.extension.steps.len())
}

/// Finds a number again and again.
fn lookup(name: &'static str, size: usize, number: String, steps: Option<usize>) -> Case {
    let Ok(plan) = Dialplan::parse("bench.conf", &text(size)) else {
        return Case::cannot(name, "refuses it");
    };
    let got = winner(&plan, &number);
    let note = if got == steps { String::new() } else { format!("wrong: {got:?}") };
    let run = move |repeats| {
        for _ in 0..repeats {
            black_box(winner(black_box(&plan), black_box(&number)));
        }
    };
    Case::new(name, run).note(note)
}

/// Measures everything; `wants` chooses tables by their title.
pub fn run(wants: &dyn Fn(&str) -> bool) {
    let title = "dialplan, load: four lines for each extension";
    if wants(title) {
        let load = |(size, name): (usize, &'static str)| {
            let text = text(size);
            Case::new(name, move |repeats| {
                for _ in 0..repeats {
                    let plan = Dialplan::parse("bench.conf", black_box(&text));
                    assert!(plan.is_ok_and(|plan| plan.contexts().len() == 3));
                }
            })
        };
        measure(title, SIZES.into_iter().map(load).collect());
    }
    let title = "dialplan, lookup: the last extension";
    if wants(title) {
        let last = |(size, name): (usize, _)| lookup(name, size, (9_999 + size).to_string(), Some(4));
        measure(title, SIZES.into_iter().map(last).collect());
    }
    let title = "dialplan, lookup: a pattern of the last context";
    if wants(title) {
        let pattern = |(size, name): (usize, _)| lookup(name, size, "0301234567".to_owned(), Some(1));
        measure(title, SIZES.into_iter().map(pattern).collect());
    }
    let title = "dialplan, lookup: a number that is not there";
    if wants(title) {
        let nobody = |(size, name): (usize, _)| lookup(name, size, "77777".to_owned(), None);
        measure(title, SIZES.into_iter().map(nobody).collect());
    }
}
