//! `telex-sim`: runs seeds of the simulated world and says what broke.

mod options;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use options::{Command, Options};
use telex_sim::{Failure, Outcome, Plan, draw, run, run_traced};

/// What all runs came to.
#[derive(Default)]
struct Summary {
    seeds: u64,
    total: Outcome,
    hash: u64,
    broken: Vec<(Plan, Box<Failure>)>,
}

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(options)) => options,
        Err(why) => {
            eprintln!("telex-sim: {why}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    // A panic of the engine becomes a broken rule; its message is part of the reason.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let mut summary = Summary::default();
    for seed in options.seeds.clone() {
        let plan = draw(seed, &options.settings);
        if options.print_plan {
            print!("{plan}");
        }
        let outcome = match options.trace {
            true => run_traced(&plan, &mut |line| println!("{line}")),
            false => run(&plan),
        };
        if let Some(failure) = &outcome.broken
            && !options.json
        {
            print!("{}", failure_text(&plan, failure, &options));
        }
        summary.add(plan, outcome);
    }
    let seconds = began.elapsed().as_secs_f64();
    if options.json {
        println!("{}", json(&summary, seconds, &options));
    } else {
        print!("{}", text(&summary, seconds));
    }
    if summary.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Summary {
    fn add(&mut self, plan: Plan, outcome: Outcome) {
        let t = &mut self.total;
        t.calls += outcome.calls;
        t.answered += outcome.answered;
        t.busy += outcome.busy;
        t.refused += outcome.refused;
        t.cancelled += outcome.cancelled;
        t.unanswered += outcome.unanswered;
        t.registrations += outcome.registrations;
        t.messages += outcome.messages;
        t.media += outcome.media;
        t.lost += outcome.lost;
        t.simulated += outcome.simulated;
        self.seeds += 1;
        // One seed shows its own hash; several are folded in order.
        self.hash =
            if self.seeds == 1 { outcome.state_hash } else { self.hash.rotate_left(7) ^ outcome.state_hash };
        self.broken.extend(outcome.broken.map(|failure| (plan, failure)));
    }
}

fn text(summary: &Summary, seconds: f64) -> String {
    let t = &summary.total;
    let simulated = t.simulated.as_secs_f64();
    format!(
        "seeds {}  calls {}  answered {}  busy {}  refused {}  cancelled {}  unanswered {}\n\
         registrations {}  messages sent {}  media packets heard {}  datagrams lost {}\n\
         simulated {simulated:.0} s in {seconds:.1} s ({:.0} seeds/s, {:.0} times real time)\n\
         state hash {:016x}  broken {}\n",
        summary.seeds,
        t.calls,
        t.answered,
        t.busy,
        t.refused,
        t.cancelled,
        t.unanswered,
        t.registrations,
        t.messages,
        t.media,
        t.lost,
        summary.seeds as f64 / seconds,
        simulated / seconds,
        summary.hash,
        summary.broken.len(),
    )
}

fn failure_text(plan: &Plan, failure: &Failure, options: &Options) -> String {
    let broken = &failure.broken;
    let mut text = format!("BROKEN seed {}: {broken}\n", plan.seed);
    if !failure.why.is_empty() {
        let _ = writeln!(text, "  rule {}: {}", broken.oracle, failure.why);
    }
    let _ = writeln!(text, "  replay: {}\n\n{}", options.replay(plan.seed), failure.ladder);
    text
}

fn json(summary: &Summary, seconds: f64, options: &Options) -> String {
    let t = &summary.total;
    let broken: Vec<String> = summary
        .broken
        .iter()
        .map(|(plan, failure)| {
            let call = failure.broken.call.map_or("null".to_owned(), |call| call.to_string());
            format!(
                "{{\"seed\":{},\"oracle\":{},\"reason\":{},\"at\":{},\"call\":{call},\
                 \"replay\":{},\"ladder\":{},\"plan\":{}}}",
                plan.seed,
                quoted(failure.broken.oracle),
                quoted(&failure.broken.reason),
                failure.broken.at,
                quoted(&options.replay(plan.seed)),
                quoted(&failure.ladder),
                quoted(&plan.to_string()),
            )
        })
        .collect();
    format!(
        "{{\"seeds\":{},\"calls\":{},\"answered\":{},\"busy\":{},\"refused\":{},\"cancelled\":{},\"unanswered\":{},\
         \"registrations\":{},\"messages\":{},\"media_packets\":{},\"lost_packets\":{},\"simulated_seconds\":{:.3},\
         \"wall_seconds\":{seconds:.3},\"state_hash\":\"{:016x}\",\"broken\":[{}]}}",
        summary.seeds,
        t.calls,
        t.answered,
        t.busy,
        t.refused,
        t.cancelled,
        t.unanswered,
        t.registrations,
        t.messages,
        t.media,
        t.lost,
        t.simulated.as_secs_f64(),
        summary.hash,
        broken.join(",")
    )
}

/// A JSON string (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
