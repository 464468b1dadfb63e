//! `telex cdr`: what became of calls.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{CONFIG, Failure, print};
use crate::config;
use crate::control::table;
use crate::log::Talked;
use crate::store::calls::{self, Call, Wanted};

/// Show what became of calls: who called whom, when, how long, how it ended and how it sounded.
#[derive(Debug, Args)]
pub(super) struct Cdr {
    /// Calls of today.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    today: bool,
    /// Calls from this day or time on: 2026-11-22, or "2026-11-22 14:30", by the clock of this host.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<DateTime>,
    /// Calls before the end of this day, or before this time.
    #[arg(long, value_name = "TIME", value_parser = end)]
    to: Option<DateTime>,
    /// Calls of this number: it called, was dialled or was rung.
    #[arg(long)]
    number: Option<String>,
    /// Only the last so many.
    #[arg(long, value_name = "COUNT")]
    last: Option<u32>,
    /// Print JSON: an array of calls with all that is known of their parties.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV (RFC 4180) with a line of names.
    #[arg(long)]
    csv: bool,
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// The database [default: what the configuration says].
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

fn moment(text: &str) -> Result<DateTime, String> {
    // A date is read from the beginning of a time, too.
    let day = (text.len() <= "2026-11-22".len()).then(|| text.parse::<Date>().ok()).flatten();
    match day {
        Some(day) => Ok(day.at(0, 0, 0, 0)),
        None => text.parse::<DateTime>().map_err(|_| wrong(text)),
    }
}

fn end(text: &str) -> Result<DateTime, String> {
    let at = moment(text)?;
    let day = text.len() <= "2026-11-22".len();
    if day { at.tomorrow().map_err(|error| error.to_string()) } else { Ok(at) }
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no time; write 2026-11-22 or \"2026-11-22 14:30\"")
}

/// Runs the command.
pub(super) fn main(options: &Cdr) -> Result<(), Failure> {
    let store = match &options.store {
        Some(store) => store.clone(),
        None => config::load(&options.config)?.store,
    };
    if store.as_os_str() == config::NO_STORE {
        return Err("no records are kept: [store] path is \":memory:\"".to_owned().into());
    }
    if !store.exists() {
        return Err(format!("there are no records: {} does not exist yet", store.display()).into());
    }
    let zone = TimeZone::system();
    let wanted = options.wanted(&zone)?;
    let failed = |error| format!("the records in {} cannot be read: {error}", store.display());
    let found = calls::read(&store, &wanted).map_err(failed)?;
    let text = match (options.json, options.csv) {
        (true, _) => serde_json::to_string_pretty(&found).map_err(|error| error.to_string())? + "\n",
        (_, true) => csv(&found, &zone),
        _ => people(&found, &zone),
    };
    print(&text);
    Ok(())
}

impl Cdr {
    fn wanted(&self, zone: &TimeZone) -> Result<Wanted, Failure> {
        let ms = |at: DateTime| at.to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond());
        let told = |error: jiff::Error| Failure::from(error.to_string());
        let midnight = Zoned::now().start_of_day().map_err(told)?;
        let today = self.today.then(|| midnight.timestamp().as_millisecond());
        let since = match self.from {
            Some(at) => Some(ms(at).map_err(told)?),
            None => today,
        };
        let before = self.to.map(ms).transpose().map_err(told)?;
        Ok(Wanted { since, before, number: self.number.clone(), most: self.last })
    }
}

/// A table with totals.
fn people(calls: &[Call], zone: &TimeZone) -> String {
    if calls.is_empty() {
        return "no calls\n".to_owned();
    }
    let heads = ["started", "from", "to", "answered by", "outcome", "talked", "ended by", "codec", "MOS"];
    let rows = calls.iter().map(|call| {
        let answerer = call.answerer();
        let talked = Talked(Duration::from_millis(call.talked_ms.max(0).unsigned_abs()));
        [
            local(call.started_ms, zone),
            call.from.clone(),
            match call.did.as_str() {
                "" => call.to.clone(),
                did if did == call.to => call.to.clone(),
                did => format!("{} ({did})", call.to),
            },
            answerer.map(|leg| leg.name().to_owned()).unwrap_or_default(),
            call.outcome(),
            if call.answered_ms.is_some() && call.ended_ms.is_some() {
                talked.to_string()
            } else {
                String::new()
            },
            call.ended_by.clone(),
            call.legs.first().map(|leg| leg.codec.clone()).unwrap_or_default(),
            mos(call),
        ]
    });
    let mut text = table::table(heads, rows);
    let answered = calls.iter().filter(|call| call.answered_ms.is_some()).count();
    let talked: i64 = calls.iter().map(|call| call.talked_ms.max(0)).sum();
    let s = if calls.len() == 1 { "" } else { "s" };
    let talked = Talked(Duration::from_millis(talked.unsigned_abs()));
    let _ = writeln!(text, "{} call{s}, {answered} answered, {talked} talked", calls.len());
    text
}

/// How both were heard.
fn mos(call: &Call) -> String {
    let one = |mos: i64| if mos > 0 { format!("{}.{:02}", mos / 100, mos % 100) } else { "-".to_owned() };
    let caller = call.legs.first().map_or(0, |leg| leg.mos);
    let callee = call.answerer().map_or(0, |leg| leg.mos);
    if caller == 0 && callee == 0 { String::new() } else { format!("{} / {}", one(caller), one(callee)) }
}

impl Call {
    /// What became of it, for people.
    fn outcome(&self) -> String {
        let going_on = self.ended_ms.is_none() && self.disposition != calls::UNFINISHED;
        match self.answered_ms {
            Some(_) if going_on => "talking".to_owned(),
            None if going_on => "ringing".to_owned(),
            _ => self.disposition.to_lowercase(),
        }
    }

    /// The callee that was connected.
    fn answerer(&self) -> Option<&calls::Leg> {
        self.legs.iter().skip(1).find(|leg| leg.answered_ms.is_some())
    }
}

impl calls::Leg {
    /// Its extension, or where it was asked when it has none here.
    fn name(&self) -> &str {
        if self.extension.is_empty() { &self.contact } else { &self.extension }
    }
}

fn local(ms: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn csv(calls: &[Call], zone: &TimeZone) -> String {
    let mut text =
        "id,from,name,to,did,started,answered,ended,duration,billsec,disposition,cause,ended_by,answered_by,\
                    codec,received,sent,lost,jitter_ms,mos,remote_mos,recording\r\n"
            .to_owned();
    let second = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let time = |ms: Option<i64>| ms.map(|ms| local(ms, zone)).unwrap_or_default();
    for call in calls {
        let answerer = call.answerer();
        let caller = call.legs.first();
        let figure = |figure: fn(&calls::Leg) -> String| caller.map(figure).unwrap_or_default();
        let cells = [
            call.id.clone(),
            call.from.clone(),
            call.name.clone(),
            call.to.clone(),
            call.did.clone(),
            local(call.started_ms, zone),
            time(call.answered_ms),
            time(call.ended_ms),
            second(call.duration_ms),
            second(call.talked_ms),
            call.disposition.clone(),
            call.cause.map(|cause| cause.to_string()).unwrap_or_default(),
            call.ended_by.clone(),
            answerer.map(|leg| leg.name().to_owned()).unwrap_or_default(),
            figure(|leg| leg.codec.clone()),
            figure(|leg| leg.received.to_string()),
            figure(|leg| leg.sent.to_string()),
            figure(|leg| leg.lost.to_string()),
            figure(|leg| format!("{}.{:03}", leg.jitter_us / 1000, leg.jitter_us % 1000)),
            figure(|leg| format!("{}.{:02}", leg.mos / 100, leg.mos % 100)),
            answerer.map(|leg| format!("{}.{:02}", leg.mos / 100, leg.mos % 100)).unwrap_or_default(),
            call.recording.clone(),
        ];
        text += &cells.map(|cell| quoted(&cell)).join(",");
        text += "\r\n";
    }
    text
}

/// A cell of CSV. One that a spreadsheet would take for a formula is told to be text.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64, answered: bool) -> Call {
        let leg = |contact: &str, mos| calls::Leg {
            extension: if mos == 421 { "101".to_owned() } else { String::new() },
            contact: contact.to_owned(),
            asked_ms: 0,
            answered_ms: answered.then_some(1_700_000_003_000),
            ended_ms: None,
            refused: None,
            codec: "PCMU".to_owned(),
            received: 100,
            sent: 100,
            lost: 1,
            late: 0,
            jitter_us: 1500,
            remote_lost: 0,
            round_trip_us: 0,
            mos,
            remote_mos: 0,
        };
        Call {
            id: format!("1700000000.{number}"),
            number,
            from: "100".to_owned(),
            name: "=cmd()".to_owned(),
            to: "101".to_owned(),
            did: String::new(),
            started_ms: 1_700_000_000_000,
            answered_ms: answered.then_some(1_700_000_003_000),
            ended_ms: Some(1_700_000_078_000),
            duration_ms: 78_000,
            talked_ms: if answered { 75_000 } else { 0 },
            disposition: if answered { "ANSWERED" } else { "BUSY" }.to_owned(),
            cause: Some(16),
            ended_by: "callee".to_owned(),
            recording: String::new(),
            legs: vec![leg("192.0.2.1:5060", 438), leg("sip:101@192.0.2.2,\"x\"", 421)],
        }
    }

    #[test]
    fn people_get_a_table_with_totals() {
        insta::assert_snapshot!(people(&[call(1, true), call(2, false)], &TimeZone::UTC), @r#"
        started              from  to   answered by  outcome   talked  ended by  codec  MOS
        2023-11-14 22:13:20  100   101  101          answered  1:15    callee    PCMU   4.38 / 4.21
        2023-11-14 22:13:20  100   101               busy              callee    PCMU   4.38 / -
        2 calls, 1 answered, 1:15 talked
        "#);
    }

    #[test]
    fn a_spreadsheet_gets_cells_it_does_not_run() {
        insta::assert_snapshot!(csv(&[Call { did: "0301101".to_owned(), ..call(1, true) }], &TimeZone::UTC).replace("\r\n", "\n"), @r#"
        id,from,name,to,did,started,answered,ended,duration,billsec,disposition,cause,ended_by,answered_by,codec,received,sent,lost,jitter_ms,mos,remote_mos,recording
        1700000000.1,100,'=cmd(),101,0301101,2023-11-14 22:13:20,2023-11-14 22:13:23,2023-11-14 22:14:38,78.000,75.000,ANSWERED,16,callee,101,PCMU,100,100,1,1.500,4.38,4.21,
        "#);
    }

    #[test]
    fn a_formula_behind_a_tab_is_none_and_a_number_is_a_number() {
        assert_eq!(
            ["\t=1+1", "\r=1", "@x", "+4930123", "101"].map(quoted),
            ["'\t=1+1", "\"'\r=1\"", "'@x", "+4930123", "101"]
        );
    }

    #[test]
    fn days_and_times_are_understood_and_a_day_ends_with_its_end() {
        assert_eq!(moment("2026-11-22").unwrap().to_string(), "2026-11-22T00:00:00");
        assert_eq!(end("2026-11-22").unwrap().to_string(), "2026-11-23T00:00:00");
        assert_eq!(end("2026-11-22 14:30").unwrap().to_string(), "2026-11-22T14:30:00");
        assert!(moment("yesterday").unwrap_err().contains("2026-11-22"));
    }
}
