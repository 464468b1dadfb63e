//! Captures of real calls: our own, of which every fact is known, and a corpus made by others where there is one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use telex_capture::{Analyser, Options, Report, State, ladder, wav};
use telex_conformance::tone;
use telex_conformance::wav::Sound;

fn read(path: &Path, options: Options) -> Report {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut analyser = Analyser::new(options);
    analyser.read(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    analyser.finish()
}

fn own(name: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    read(&folder.join(format!("{name}.pcap")), Options { guess: false, audio: true })
}

/// The rows of a table with a head line, as maps from column to cell.
fn table(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    lines.map(|line| head.iter().copied().zip(line.split('\t')).collect()).collect()
}

/// What a report says under the names of the tables' columns.
fn found(report: &Report, column: &str) -> Option<u64> {
    let c = report.counts;
    Some(match column {
        "frames" => c.frames,
        "sip_requests" => c.requests,
        "sip_responses" => c.responses,
        "sdp_bodies" => c.sdp,
        "sip_over_tcp" => c.over_tcp,
        "rtp_packets" => c.rtp,
        "rtp_streams" => report.streams.len() as u64,
        "rtcp_packets" => c.rtcp,
        "dtmf_events" => c.events,
        "stun_packets" => c.stun,
        "ip_fragments" => c.fragments,
        "calls" => report.calls.len() as u64,
        _ => return None,
    })
}

/// Columns of a row in which a report differs, but for those that are explained.
fn differences(report: &Report, row: &BTreeMap<&str, &str>, explained: &[&str]) -> Vec<String> {
    let mut list = Vec::new();
    for (column, wanted) in row {
        let (Some(found), Ok(wanted)) = (found(report, column), wanted.parse::<u64>()) else { continue };
        if found != wanted && !explained.contains(column) {
            list.push(format!("{}: {column} is {found}, not {wanted}", row.get("file").unwrap_or(&"")));
        }
    }
    list
}

#[test]
fn our_own_captures_hold_what_their_table_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let text = fs::read_to_string(folder.join("captures.tsv")).expect("captures have a table");
    let rows = table(&text);
    let files =
        fs::read_dir(&folder).expect("there are captures").filter_map(|entry| Some(entry.ok()?.path()));
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "pcap")).count();
    assert_eq!(rows.len(), files, "a row for each capture");
    let mut faults = Vec::new();
    for row in &rows {
        let report = read(&folder.join(row["file"]), Options::default());
        faults.extend(differences(&report, row, &[]));
        let join = |list: Vec<String>| if list.is_empty() { "-".to_owned() } else { list.join(",") };
        let states = join(report.calls.iter().map(|c| c.state.as_str().to_owned()).collect());
        let digits = join(report.streams.iter().map(|s| s.keys()).filter(|k| !k.is_empty()).collect());
        for (column, found) in [("states", states), ("digits", digits)] {
            if row[column] != found {
                faults.push(format!("{}: {column} is {found}, not {}", row["file"], row[column]));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Columns of the corpus in which we and its table differ, and why we are right.
const EXPLAINED: &[(&str, &str, &str)] = &[(
    "pcap/arkime/stun.pcap",
    "stun_packets",
    "the fourth is within a TCP stream; here only datagrams are looked at, as STUN of calls comes in those",
)];

#[test]
fn a_corpus_made_by_others_is_read_as_its_table_says() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("TELEX_CORPUS").map_or(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(corpus.join("expected.tsv")) else {
        let place = corpus.display();
        let _ = writeln!(
            std::io::stderr(),
            "\n*** SKIPPED captures: no corpus at {place} (set TELEX_CORPUS) ***"
        );
        return;
    };
    let rows = table(&text);
    assert!(rows.len() > 30, "only {} captures", rows.len());
    let mut faults = Vec::new();
    for row in &rows {
        let guess = row["rtp_how"] == "heuristic";
        let report = read(&corpus.join(row["file"]), Options { guess, audio: false });
        let explained =
            EXPLAINED.iter().filter(|(file, ..)| *file == row["file"]).map(|(_, column, _)| *column);
        // It counts TCP segments that hold a part of a message, we count messages.
        let explained: Vec<&str> = explained.chain(["sip_over_tcp"]).collect();
        faults.extend(differences(&report, row, &explained));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn who_spoke_can_be_heard() {
    let report = own("call");
    assert_eq!(report.streams.len(), 4);
    for stream in &report.streams {
        let octets = wav::file(stream).expect("PCMU can be decoded");
        let sound = Sound::from_wav(&octets).expect("a WAV file");
        // Alice plays 440 Hz, bob 880. She calls; keys make gaps in her tone.
        let hertz = if stream.to_caller { 880.0 } else { 440.0 };
        let pitch = tone::strongest(&sound.after(0.2)).unwrap_or_default();
        assert!((pitch - hertz).abs() < 5.0, "stream {} has {pitch} Hz, not {hertz}", stream.number);
        assert!((sound.seconds() - stream.duration().as_secs_f64()).abs() < 0.1);
    }
}

#[test]
fn calls_are_told_as_they_went() {
    let report = own("hold");
    let alice = &report.calls[0];
    assert!(alice.state == State::Answered && !alice.ended_by_caller, "bob hung up");
    // Her own silence is hold; that towards bob is not announced on his leg.
    assert!(alice.remarks.is_empty(), "{:?}", alice.remarks);
    let bob = &report.calls[1];
    assert!(bob.remarks.len() == 1 && bob.remarks[0].text.contains("pauses for"), "{:?}", bob.remarks);

    let report = own("late-ack");
    assert!(report.calls[0].retransmissions >= 4, "{}", report.calls[0].retransmissions);
    let report = own("late-answer");
    let texts: Vec<&str> = report.calls[1].remarks.iter().map(|r| r.text.as_str()).collect();
    assert!(texts.iter().any(|t| t.starts_with("the first response to INVITE")), "{texts:?}");

    let report = own("declined");
    assert_eq!(report.calls[0].state, State::Refused(486, "Busy Here".to_owned()));
    let report = own("register-tcp");
    let outcomes: Vec<_> = report.exchanges.iter().map(|e| (e.method.as_str(), e.outcomes.clone())).collect();
    assert_eq!(outcomes[0], ("REGISTER", BTreeMap::from([(200, 2), (401, 2)])));
    assert!(report.exchanges.iter().all(|e| e.remarks.is_empty()));
}

#[test]
fn the_legs_of_a_call_are_drawn_together() {
    let report = own("cancelled");
    let both: Vec<_> = report.calls.iter().collect();
    let drawn = ladder::text(&report, &both);
    let phones = drawn.lines().find(|line| line.starts_with(' ')).unwrap_or_default();
    assert_eq!(phones.split_whitespace().count(), 3, "{drawn}");
    let arrows = drawn.lines().filter(|line| line.contains("-->|") || line.contains("|<-")).count();
    assert_eq!(arrows, report.messages.len(), "{drawn}");
}
