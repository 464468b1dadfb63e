//! How long a plan takes to load, and how long a number takes to be found in it, by size: `cargo bench -p
//! telex-dialplan`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use telex_dialplan::{Asked, At, Dialplan, Moment};

const NOW: Moment<'static> = Moment::new(1_700_994_600_000, "Europe/Berlin");
const ROUNDS: u32 = 200_000;

/// An office: half of the extensions are names with three priorities and a hint, half are patterns; another context
/// has the way out, and is included.
fn office(extensions: usize) -> String {
    let mut text = "[internal]\ninclude => outside\n".to_owned();
    for number in 0..extensions {
        if number % 2 == 0 {
            text.push_str(&format!(
                "exten => {number:05},hint,PJSIP/{number:05}\nexten => {number:05},1,NoOp(to ${{EXTEN}})\n \
                 same => n(ring),Dial(PJSIP/${{EXTEN}},20)\n same => n,Hangup()\n"
            ));
        } else {
            text.push_str(&format!("exten => _8{number:05}X[1-5]N.,1,Dial(PJSIP/${{EXTEN:6}}@carrier)\n"));
        }
    }
    text.push_str("[outside]\nexten => _0Z.,1,Dial(PJSIP/${EXTEN:1}@carrier)\nexten => _X.,1,Congestion()\n");
    text
}

/// Nanoseconds that this program had a processor, where the system tells; otherwise of the clock.
fn busy(start: Instant) -> u128 {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let first =
        told.as_deref().and_then(|text| text.split_whitespace().next()).and_then(|text| text.parse().ok());
    first.unwrap_or_else(|| start.elapsed().as_nanos())
}

/// The time of one of many.
fn each(rounds: u32, what: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    let before = busy(start);
    (0..rounds).for_each(what);
    Duration::from_nanos((busy(start) - before) as u64) / rounds
}

fn asked(extension: &str) -> Asked<'_> {
    Asked { context: "internal", extension, caller: "100", now: NOW }
}

fn main() {
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "extensions", "load", "name", "pattern", "include", "none", "dialled"
    );
    for size in [10, 100, 1_000, 10_000, 100_000] {
        let text = office(size);
        let load = each((20_000 / size as u32).clamp(3, 1_000), |_| {
            black_box(Dialplan::parse("office", black_box(&text)).expect("it is right"));
        });
        let plan = Dialplan::parse("office", &text).expect("it is right");
        let half = size as u32 / 2;
        let number = |round: u32| round % half * 2;
        let names: Vec<String> = (0..1_000).map(|round| format!("{:05}", number(round * 7))).collect();
        let patterns: Vec<String> =
            (0..1_000).map(|round| format!("8{:05}934567", number(round * 7) + 1)).collect();
        let outside: Vec<String> = (0..1_000).map(|round| format!("030{round:07}")).collect();
        let nobody: Vec<String> = (0..1_000).map(|round| format!("*{round:07}")).collect();
        let find = |numbers: &[String]| {
            each(ROUNDS, |round| {
                let number = &numbers[round as usize % numbers.len()];
                black_box(plan.find(asked(number), At::Priority(1)));
            })
        };
        let (name, pattern, outside, none) = (find(&names), find(&patterns), find(&outside), find(&nobody));
        let dialled = each(ROUNDS, |round| {
            black_box(plan.dialled(asked(&names[round as usize % names.len()][..3])));
        });
        println!(
            "{size:>10} {load:>10.1?} {name:>10.0?} {pattern:>10.0?} {outside:>10.0?} {none:>10.0?} {dialled:>10.0?}"
        );
    }
}
