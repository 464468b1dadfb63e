//! `telex explain`: why a call went as it did, or would go.

use clap::{Args, ValueEnum as _};

use super::dialplan::Case;
use super::{Failure, Running, ask, load, print};
use crate::control::{self, Does, PhoneDoes, Request};

/// Say why a call went where it did, or where one would go: each step with its values, with file and line.
///
/// `telex explain 12` asks the running exchange about call 12, also when it is over.
///
/// `telex explain --from 100 --to 0123` says what becomes of a call that nobody has made: also each pattern that does
/// not fit, and why. The running exchange is asked, which knows who is registered, what the dialplan has stored and how
/// many calls there are; when none runs, or a case is given that is not its own (`--context`, `--zone`, `--device`),
/// the configuration alone tells.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The number of a call, as `telex calls`, the log or a refusal tells it, or the name of its record (`telex cdr`).
    #[arg(required_unless_present = "to", conflicts_with = "to", value_parser = named)]
    call: Option<Named>,
    /// What is dialled.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// What a phone does when it is rung: 101=busy, 101=moved:102 when it sends its calls on, 101=answer:1 when it
    /// presses 1 before it is connected. What the others do says --dial.
    #[arg(long, value_name = "PHONE=WHAT", value_parser = phone)]
    phone: Vec<(String, PhoneDoes)>,
    #[command(flatten)]
    case: Case,
    #[command(flatten)]
    running: Running,
}

/// A call that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    /// Its number in its run.
    number: u64,
    /// The name of its record, where that was given: other runs have calls of this number, too.
    record: Option<String>,
}

/// The number of a call, or the name of its record with its number behind the dot.
fn named(text: &str) -> Result<Named, String> {
    let (number, record) = match text.split_once('.') {
        Some((second, number)) if second.parse::<u64>().is_ok() => (number, Some(text.to_owned())),
        _ => (text, None),
    };
    let number = number.parse();
    let number =
        number.map_err(|_| format!("`{text}` is no call; write 12, or a name as in 1700000000.12"))?;
    Ok(Named { number, record })
}

fn phone(text: &str) -> Result<(String, PhoneDoes), String> {
    let (phone, does) = text.split_once('=').ok_or("write PHONE=WHAT, as in 101=busy")?;
    let does = match does.split_once(':') {
        Some(("moved", to)) if !to.is_empty() => PhoneDoes::Moved(to.to_owned()),
        Some(("answer", keys)) if keys.chars().all(|key| "0123456789*#ABCD".contains(key)) => {
            PhoneDoes::Presses(keys.to_owned())
        }
        Some(_) => {
            return Err("write moved:102, where a phone sends its calls, or answer:1, what it presses".into());
        }
        None => PhoneDoes::Ends(Does::from_str(does, true)?),
    };
    Ok((phone.to_owned(), does))
}

/// Runs the command.
pub(super) fn main(options: &Explain) -> Result<(), Failure> {
    let Some(to) = &options.to else {
        let Some(Named { number: call, record }) = options.call.clone() else { return Ok(()) };
        if let Some(record) = record {
            let told = control::ask(&options.running.socket(), &Request::Explain { call }, true)?;
            if !told.contains(&format!("\"{record}\"")) {
                return Err(format!(
                    "the call {record} was in another run of the exchange: how it went is not kept that long"
                )
                .into());
            }
        }
        return ask(&options.running, &Request::Explain { call });
    };
    let case = &options.case;
    let own = !case.is_supposed();
    if own && control::is_running(&options.running.socket()) {
        let at_ms = match &case.at {
            Some(_) => Some(case.when(&load(&options.running.file.config)?.engine.zone)?),
            None => None,
        };
        let mut phones = vec![(String::new(), PhoneDoes::Ends(case.dial))];
        phones.extend(options.phone.iter().cloned());
        let (from, to, keys) = (case.from.clone(), to.clone(), case.keys.clone());
        return ask(&options.running, &Request::Foretell { from, to, at_ms, phones, keys });
    }
    if !options.phone.is_empty() {
        let why = "only a running exchange knows what --phone says, and not with --context, --zone or --device; \
                   --dial says what all phones do";
        return Err(why.to_owned().into());
    }
    if own {
        print("No telex is running here: who is registered is not known, and each phone is taken to be.\n");
    }
    let settings = load(&options.running.file.config)?;
    let engine = &settings.engine;
    let usual = (engine.context_of(&options.case.from), engine.zone.as_str());
    let told = options.case.told(&settings.plan(), to, usual)?;
    print(&told);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_number_and_its_record_a_name() {
        assert_eq!(named("12"), Ok(Named { number: 12, record: None }));
        let record = Some("1700000000.7".to_owned());
        assert_eq!(named("1700000000.7"), Ok(Named { number: 7, record }));
        assert!(named("x.7").is_err() && named("1.2.3").is_err() && named("").is_err());
        let does = |does| Ok(("101".to_owned(), does));
        assert_eq!(phone("101=busy"), does(PhoneDoes::Ends(Does::Busy)));
        assert_eq!(phone("101=no-answer"), does(PhoneDoes::Ends(Does::NoAnswer)));
        assert_eq!(phone("101=moved:102"), does(PhoneDoes::Moved("102".to_owned())));
        assert_eq!(phone("101=answer:1#"), does(PhoneDoes::Presses("1#".to_owned())));
        assert!(phone("101=answer:x").is_err() && phone("101=moved:").is_err());
        assert!(phone("101").is_err() && phone("101=asleep").is_err());
    }
}
