//! The examples of RFC 4317 and of RFC 3264 section 10, with the exchange as one of the two.
//!
//! A row of `offers.tsv` is one description: who gives it and its streams as the RFC has them, or the file of RFC 3264
//! that has it. The first of two rows is an offer, the second its answer. Ports of the exchange are its own, addresses
//! are numbers, `nowhere` is 0.0.0.0. The exchange wants what the RFC's description names, and what it says must have
//! the RFC's streams in the RFC's places, with the same formats and directions. It has media for one audio stream, and
//! keeps the numbers of the offer. Where it therefore says something else, or the party has to, that stands in the last
//! column.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use telex_engine::offer::{self, Codec, Direction, Local, Negotiation, Said};
use telex_engine::sdp::Session;

const CODECS: [(u8, &str, u32); 11] = [
    (0, "PCMU", 8000),
    (8, "PCMA", 8000),
    (4, "G723", 8000),
    (18, "G729", 8000),
    (31, "H261", 90_000),
    (32, "MPV", 90_000),
    (97, "iLBC", 8000),
    (98, "telephone-event", 8000),
    (99, "iLBC", 8000),
    (101, "telephone-event", 8000),
    (110, "telephone-event", 8000),
];

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The description of a row, given by a party that says `version` of it.
fn body(streams: &str, version: usize) -> String {
    if streams.starts_with("10.") {
        let text = fs::read_to_string(directory().join(format!("sdp/rfc3264/{streams}.sdp"))).unwrap();
        // The exchange looks no name up for media: the names of the example stand for addresses.
        let numbers = text.replace("host.anywhere.com", "192.0.2.1").replace("host.example.com", "192.0.2.2");
        // What the example calls telephone-events is registered as telephone-event.
        return numbers.replace("telephone-events", "telephone-event");
    }
    let connection = if streams.ends_with("nowhere") { "0.0.0.0" } else { "192.0.2.1" };
    let mut text =
        format!("v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {connection}\r\nt=0 0\r\n");
    for stream in streams.trim_end_matches(" nowhere").split(", ").filter(|stream| *stream != "none") {
        let words: Vec<&str> = stream.split(' ').collect();
        let (numbers, direction): (Vec<&str>, Vec<&str>) =
            words[2..].iter().partition(|word| word.parse::<u8>().is_ok());
        text += &format!("m={} {} RTP/AVP {}\r\n", words[0], words[1], numbers.join(" "));
        for number in numbers {
            let (_, name, clock) = CODECS.iter().find(|(known, ..)| known.to_string() == number).unwrap();
            text += &format!("a=rtpmap:{number} {name}/{clock}\r\n");
        }
        text.extend(direction.iter().map(|direction| format!("a={direction}\r\n")));
    }
    text
}

fn direction_of(session: &Session<'_>, stream: usize) -> &'static str {
    let media = session.media().nth(stream).unwrap();
    let named = ["sendonly", "recvonly", "inactive"].into_iter();
    named.clone().find(|name| media.section.attribute(name).is_some()).unwrap_or("sendrecv")
}

/// Each stream as `kind formats direction`, or `kind refused`.
fn streams(body: &[u8]) -> Vec<String> {
    let session = Session::parse(body).unwrap();
    let describe = |(at, media): (usize, telex_engine::sdp::Media<'_, '_>)| match media.line.port {
        0 => format!("{} refused", media.line.kind),
        _ => format!("{} {} {}", media.line.kind, media.line.formats.trim(), direction_of(&session, at)),
    };
    session.media().enumerate().map(describe).collect()
}

/// The audio formats and direction of the RFC's first stream.
fn wanted(text: &str) -> (Vec<Codec>, Direction) {
    let description = offer::read(text.as_bytes()).unwrap();
    let audio = description.audio().unwrap();
    (audio.codecs.clone(), audio.direction)
}

fn said(text: &str) -> Said {
    let (codecs, direction) = wanted(text);
    Said { codecs, direction, ptime: Default::default() }
}

/// One description of the table.
struct Row<'a> {
    example: &'a str,
    by_party: bool,
    /// What is said, which may be something else than in the RFC.
    said: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let [example, who, streams, instead] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert!(["party", "exchange"].contains(&who), "{line}");
        Self { example, by_party: who == "party", said: if instead.is_empty() { streams } else { instead } }
    }
}

/// An offer and its answer, the `version`th of a session.
fn exchanged(negotiation: &mut Negotiation, first: &Row<'_>, answer: &Row<'_>, version: usize) {
    let example = first.example;
    assert_ne!(first.by_party, answer.by_party, "{example}: who offers does not answer");
    let offered = body(first.said, version);
    if answer.said == "refused" {
        let heard = negotiation.received_offer(offered.as_bytes()).unwrap();
        assert_eq!(offer::agree(heard, &offer::default_codecs()).unwrap_err().status(), 488, "{example}");
        negotiation.withdraw();
        return;
    }
    let answered = body(answer.said, version);
    let got = if first.by_party {
        let heard = negotiation.received_offer(offered.as_bytes()).unwrap();
        let Said { codecs, direction, ptime } = said(&answered);
        let codecs = offer::agree(heard, &codecs).unwrap();
        negotiation.answer(Said { codecs, direction, ptime }).unwrap()
    } else {
        let got = negotiation.offer(said(&offered)).unwrap();
        negotiation.received_answer(answered.as_bytes()).unwrap();
        got
    };
    let (theirs, ours) = if first.by_party { (&offered, &answered) } else { (&answered, &offered) };
    assert_eq!(streams(&got), streams(ours.as_bytes()), "{example}: {}", String::from_utf8_lossy(&got));
    let used = negotiation.stream().unwrap();
    let (theirs, ours) = (wanted(theirs).1, wanted(ours).1);
    assert_eq!(used.send, ours.sends() && theirs.receives(), "{example}: media to the party");
    assert_eq!(used.receive, ours.receives() && theirs.sends(), "{example}: media from the party");
}

#[test]
fn descriptions_are_exchanged_as_in_the_examples() {
    let table = fs::read_to_string(directory().join("offers.tsv")).unwrap();
    let rows: Vec<Row<'_>> = table.lines().skip(1).map(Row::read).collect();
    let (mut examples, mut compared) = (0, 0);
    for example in rows.chunk_by(|one, other| one.example == other.example) {
        let local = Local { address: [192, 0, 2, 9].into(), port: 49_172, session_id: 1, version: 1 };
        let mut negotiation = Negotiation::new(local);
        for (n, pair) in example.chunks(2).enumerate() {
            let [offer, answer] = pair else { panic!("an offer without an answer") };
            exchanged(&mut negotiation, offer, answer, n + 1);
            compared += 1;
        }
        examples += 1;
    }
    println!("{examples} examples, {compared} exchanges of offer and answer");
    assert_eq!((examples, compared), (18, 31));
}
