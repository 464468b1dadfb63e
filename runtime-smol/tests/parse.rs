//! `telex parse` as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/captures").join(name)
}

fn parse(arguments: &[&str], files: &[&Path], input: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telex"));
    command.arg("parse").args(arguments).args(files).stdin(input).output().unwrap()
}

fn run(arguments: &[&str], file: &Path) -> (Option<i32>, String, String) {
    texts(&parse(arguments, &[file], Stdio::null()))
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(arguments: &[&str], file: &Path) -> (Option<i32>, Value) {
    let (code, out, _) = run(&[&["--json"], arguments].concat(), file);
    (code, serde_json::from_str(&out).unwrap())
}

#[test]
fn a_capture_becomes_one_json_document() {
    let (code, document) = json(&[], &capture("call.pcap"));
    assert_eq!(code, Some(0));
    for (key, count) in [("sip_requests", 8), ("sip_responses", 7), ("rtp_packets", 558), ("rtp_streams", 4)]
    {
        assert_eq!(document[key], count, "{key}");
    }
    assert_eq!(document["messages"].as_array().unwrap().len(), 15);
    assert_eq!(document["messages"][0]["method"], "INVITE");
    assert_eq!(document["streams"].as_array().unwrap().len(), 4);
    assert_eq!(document["streams"][2]["digits"], "19#");
    assert_eq!(document["calls"][0]["state"], "answered");
    assert_eq!(document["stopped"].as_array().unwrap().len(), 0);
}

#[test]
fn standard_input_and_several_files_are_read() {
    let file = Stdio::from(File::open(capture("declined.pcap")).unwrap());
    let (code, out, _) = texts(&parse(&["--json"], &[Path::new("-")], file));
    let one: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, one["sip_requests"].as_u64()), (Some(0), Some(6)));
    let files = [capture("declined.pcap"), capture("absent.pcap")];
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let (_, out, _) = texts(&parse(&["--json"], &files, Stdio::null()));
    let both: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((both["sip_requests"].as_u64(), both["frames"].as_u64()), (Some(14), Some(23)));
}

#[test]
fn text_shows_messages_streams_calls_and_what_looks_wrong() {
    let (code, out, err) = run(&[], &capture("late-answer.pcap"));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for part in [
        "Message 1: SIP Request\n  Time: 20",
        "  Method: INVITE\n  Request-URI: sip:bob@",
        "  Via[0]: SIP/2.0/UDP ",
        "  SDP Body:\n    Version: 0\n    Origin: ",
        "    Media: audio ",
        "    In words: audio to ",
        "SIP Response\n",
        "  Status: 401 Unauthorized",
        "Call 2: <sip:alice@",
        "  What looks wrong:\n    - the first response to INVITE (message 5) came after 0.500 s",
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
    let (_, summary, _) = run(&["--summary"], &capture("late-answer.pcap"));
    assert!(!summary.contains("Message 1:") && out.ends_with(&summary));
}

#[test]
fn one_call_is_chosen_by_a_part_of_its_call_id() {
    let file = capture("cancelled.pcap");
    let (_, all) = json(&[], &file);
    let id = all["calls"][1]["call_id"].as_str().unwrap();
    let (code, one) = json(&["--call", &id[..8]], &file);
    assert_eq!((code, one["calls"].as_array().unwrap().len()), (Some(0), 1));
    assert!(one["messages"].as_array().unwrap().iter().all(|m| m["call_id"] == id));
    let (code, out, err) = run(&["--call", "@no-such-call"], &file);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("no call has `@no-such-call` in its Call-ID"), "{err}");
    let (_, ladder, _) = run(&["--ladder", "--call", id], &file);
    assert!(ladder.contains("487 Request Terminated") && ladder.matches("Call ").count() == 1, "{ladder}");
}

#[test]
fn a_damaged_capture_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let octets = fs::read(capture("declined.pcap")).unwrap();
    let cut = folder.path().join("cut.pcap");
    fs::write(&cut, &octets[..octets.len() - 10]).unwrap();
    let (code, out, err) = run(&[], &cut);
    assert_eq!(code, Some(2));
    assert!(out.contains("Message 10:") && !out.contains("Message 11:"), "{out}");
    assert!(err.contains("the file ends within a record") && err.contains("(octet "), "{err}");
    let (code, document) = json(&[], &cut);
    assert_eq!((code, document["sip_requests"].as_u64()), (Some(2), Some(5)));
    assert!(document["stopped"][0]["offset"].as_u64().unwrap() < octets.len() as u64);
    // A length of 4 GiB allocates nothing.
    let huge = folder.path().join("huge.pcap");
    fs::write(&huge, [&octets[..24], &[0; 8], &[0xff; 8]].concat()).unwrap();
    let (code, _, err) = run(&[], &huge);
    assert_eq!(code, Some(2));
    assert!(err.contains("claims 4294967295 octets") && err.contains("(octet 24)"), "{err}");
}

#[test]
fn what_is_no_capture_and_what_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "just a text").unwrap();
    let (code, out, err) = run(&[], &other);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("this is no capture"), "{err}");
    let (code, _, err) = run(&[], &folder.path().join("missing.pcap"));
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot open") && err.contains("missing.pcap"), "{err}");
}

#[test]
fn pictures_and_sound_go_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let (svg, wav) = (folder.path().join("call.svg"), folder.path().join("audio"));
    let (code, out, err) =
        run(&["--svg", svg.to_str().unwrap(), "--wav", wav.to_str().unwrap()], &capture("call.pcap"));
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.contains("wrote ") && err.contains("call.svg"), "{err}");
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("INVITE, SDP"));
    let files: Vec<PathBuf> = fs::read_dir(&wav).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 4);
    for file in files {
        let octets = fs::read(&file).unwrap();
        assert!(octets.starts_with(b"RIFF") && octets.len() > 30_000, "{}", file.display());
    }
    let (code, _, err) = run(&["--wav", wav.to_str().unwrap()], &capture("echo.pcap"));
    assert_eq!(code, Some(0));
    let opus = fs::read_dir(&wav).unwrap().filter_map(|file| fs::read(file.unwrap().path()).ok());
    let rates: Vec<u32> = opus.map(|file| u32::from_le_bytes(file[24..28].try_into().unwrap())).collect();
    assert_eq!(rates.iter().filter(|&&rate| rate == 48_000).count(), rates.len() - 4, "opus: {err}");
    assert!(rates.len() > 4, "{err}");
}
