//! The call flows of RFC 3261 section 24 and RFC 3665, with the exchange in the place of registrars and proxies.
//!
//! A row of `flows.tsv` has the steps of one flow in order: `a` is the side of who calls or registers, `b` that of who is
//! called; `>` is said to the exchange, `<` is what the exchange has to say. Every message it says is compared with the
//! one of the RFC, header by header. `F1#3` is F1 with the CSeq number 3: RFC 3665 numbers each of its registrations from 1
//! although they share a Call-ID. The last column states what differs by decision, as `step header expected got: reason`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use telex_conformance::recorded::{Link, Report, Script, Step, Verdict, run};
use telex_engine::config::Config;
use telex_engine::sip::{HeaderName, Message};

/// Six messages of RFC 3261 section 24.2 are printed without their body.
const OFFER: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\n";

fn message(rfc: &str, section: &str, name: &str) -> Message {
    let (name, number) = name.split_once('#').unwrap_or((name, ""));
    let name = if name.contains('-') { name.to_owned() } else { format!("{section}-{name}") };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("messages/rfc{rfc}/{name}.sip"));
    let mut octets = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if !number.is_empty() {
        octets =
            String::from_utf8(octets).unwrap().replace("CSeq: 1 ", &format!("CSeq: {number} ")).into_bytes();
    }
    let message = Message::parse(octets.clone().into()).unwrap();
    if message.header(HeaderName::ContentType).is_none() || !message.body().is_empty() {
        return message;
    }
    let text = String::from_utf8(octets).unwrap();
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("Content-Length"));
    let head: String = lines.take_while(|line| *line != "\r\n").collect();
    Message::parse(format!("{head}Content-Length: {}\r\n\r\n{OFFER}", OFFER.len()).into()).unwrap()
}

fn script(rfc: &str, section: &str, steps: &str) -> Script {
    let step = |text: &str| {
        let (link, rest) = text.split_at(1);
        let (sign, name) = rest.split_at(1);
        let expected = sign == "<";
        Step {
            label: text.to_owned(),
            link: if link == "a" { Link::Caller } else { Link::Callee },
            expected,
            checked: expected,
            at: Duration::ZERO,
            message: message(rfc, section, name),
        }
    };
    Script {
        steps: steps.split(' ').map(step).collect(),
        caller: "192.0.2.101:5060".parse().unwrap(),
        callee: "192.0.2.201:5060".parse().unwrap(),
        timed: false,
    }
}

/// What is wrong, but for the differences that are stated; these must be there.
fn complaints(report: &Report, stated: &str) -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = stated.split("; ").filter(|one| !one.is_empty()).collect();
    for outcome in &report.outcomes {
        match &outcome.verdict {
            Verdict::Missing | Verdict::Unasked => {
                text += &format!("  {} {}: missing\n", outcome.label, outcome.what);
            }
            Verdict::Said(differences) => {
                for d in differences {
                    let this = format!("{} {} {} {}", outcome.label, d.header, d.expected, d.got);
                    match open.iter().position(|one| one.split(": ").next() == Some(this.as_str())) {
                        Some(at) => drop(open.remove(at)),
                        None => text += &format!("  {this}\n"),
                    }
                }
            }
            Verdict::Heard | Verdict::Optional => {}
        }
    }
    let unexpected = report.unexpected.iter().map(|what| format!("  unexpected: {what}\n"));
    let absent = open.iter().map(|one| format!("  stated, but not so: {one}\n"));
    text + &unexpected.chain(absent).collect::<String>()
}

#[test]
fn the_exchange_plays_its_part_in_every_flow() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("flows.tsv")).unwrap();
    let (mut flows, mut compared, mut wrong) = (0, 0, String::new());
    for line in table.lines().skip(1) {
        let [rfc, section, steps, stated] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let report = run(&script(rfc, section, steps), &Config::default());
        let complaints = complaints(&report, stated);
        if !complaints.is_empty() {
            wrong += &format!("RFC {rfc} section {section}\n{complaints}");
        }
        flows += 1;
        compared += report.compared;
    }
    println!("{flows} flows, {compared} messages of the exchange compared");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared >= 74, "only {compared} messages compared");
}

/// Each rule has teeth: a record that says something else than the engine is reported under the right name.
#[test]
fn what_differs_from_the_record_is_reported() {
    let steps = "a>F1 b<F1 b>F2 a<F2 b>F3 a<F3 a>F4 b<F4 b>F5 a<F5 a>F6 b<F6";
    let changes = [
        ("a<F2", "180 Ringing", "183 Session Progress", "missing"),
        ("a<F3", "200 OK", "488 Not Acceptable Here", "start line"),
        ("a<F3", "RTP/AVP 0", "RTP/AVP 8", "body"),
        ("a<F3", "a=rtpmap:0 PCMU/8000", "a=sendonly", "body"),
        ("a<F2", "bob@biloxi.example.com>;tag", "eve@biloxi.example.com>;tag", ""),
        ("a<F5", "bob@biloxi.example.com>;tag", "eve@biloxi.example.com>;tag", "From"),
        ("a<F5", "sip:alice@client", "sip:eve@client", "start line"),
        (
            "a<F3",
            "To: Bob <sip:bob@biloxi.example.com>;tag=8321234356",
            "To: Bob <sip:bob@biloxi.example.com>;tag=1",
            "",
        ),
        ("b<F4", "ACK sip:bob@client", "ACK sip:bob@server", "start line"),
    ];
    for (label, old, new, header) in changes {
        let mut script = script("3665", "3.1", steps);
        let step = script.steps.iter_mut().find(|step| step.label == label).unwrap();
        let text = String::from_utf8(step.message.raw().to_vec()).unwrap();
        assert!(text.contains(old), "{label} has no {old}");
        step.message = Message::parse(text.replace(old, new).into()).unwrap();
        let report = run(&script, &Config::default());
        let complaints = complaints(&report, "");
        if header.is_empty() {
            // What the response repeats is judged by what was said here, and a tag is anybody's choice.
            assert_eq!(complaints, "", "{label} {new}");
        } else {
            assert!(
                complaints.contains(label) && complaints.contains(header),
                "{label} {new}: {complaints:?}"
            );
        }
    }
}

/// What the engine chose once it must keep to: a record in which our tag or Call-ID stays the same wants the same of us.
#[test]
fn an_identity_that_changes_is_reported() {
    let steps = "a>F1 b<F1 b>F2 a<F2 b>F3 a<F3";
    let mut script = script("3665", "3.1", steps);
    // The record has one tag for two of the engine's: the peer's own and ours.
    let step = script.steps.iter_mut().find(|step| step.label == "a<F2").unwrap();
    let text = String::from_utf8(step.message.raw().to_vec()).unwrap();
    step.message = Message::parse(text.replace("8321234356", "9fxced76sl").into()).unwrap();
    let complaints = complaints(&run(&script, &Config::default()), "");
    assert!(complaints.contains("a<F2 To the same as before another one"), "{complaints}");
}
