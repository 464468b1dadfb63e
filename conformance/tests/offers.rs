//! The examples of RFC 4317 and of RFC 3264 section 10, with the exchange as one of the two.
//!
//! A row of `offers.tsv` is one description: who gives it and its streams, or the file of RFC 3264 that has it. The first
//! of two rows is an offer, the second its answer. RFC 4317's are written after the RFC: streams, ports, formats and
//! directions, with addresses in numbers; sections 2.5, 5.1 and 5.3 are not here. The exchange wants what the RFC's answer names; its description must have the
//! RFC's streams in the RFC's places, with the same formats and directions. It has media for one audio stream: what it
//! refuses beyond that is stated in the last column.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use telex_engine::offer::{self, Codec, Description, Direction, Local, Negotiation, Said};
use telex_engine::sdp::Session;

const CODECS: [(u8, &str, u32); 10] = [
    (0, "PCMU", 8000),
    (8, "PCMA", 8000),
    (4, "G723", 8000),
    (18, "G729", 8000),
    (31, "H261", 90_000),
    (32, "MPV", 90_000),
    (97, "iLBC", 8000),
    (98, "telephone-event", 8000),
    (101, "telephone-event", 8000),
    (110, "telephone-event", 8000),
];

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The description of a row, given by a party that says `version` of it.
fn body(streams: &str, version: usize) -> String {
    if !streams.contains(' ') {
        let text = fs::read_to_string(directory().join(format!("sdp/rfc3264/{streams}.sdp"))).unwrap();
        // The exchange looks no name up for media: the names of the example stand for addresses.
        let numbers = text.replace("host.anywhere.com", "192.0.2.1").replace("host.example.com", "192.0.2.2");
        // What the example calls telephone-events is registered as telephone-event.
        return numbers.replace("telephone-events", "telephone-event");
    }
    let mut text =
        format!("v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
    for stream in streams.split(" | ") {
        let words: Vec<&str> = stream.split(' ').collect();
        let formats = words[2..].iter().filter(|word| word.parse::<u8>().is_ok());
        let numbers: Vec<&str> = formats.copied().collect();
        text += &format!("m={} {} RTP/AVP {}\r\n", words[0], words[1], numbers.join(" "));
        for number in numbers {
            let (_, name, clock) = CODECS.iter().find(|(known, ..)| known.to_string() == number).unwrap();
            text += &format!("a=rtpmap:{number} {name}/{clock}\r\n");
        }
        if let Some(direction) = words.last().filter(|word| word.parse::<u8>().is_err()) {
            text += &format!("a={direction}\r\n");
        }
    }
    text
}

fn direction_of(session: &Session<'_>, stream: usize) -> &'static str {
    let media = session.media().nth(stream).unwrap();
    let named = ["sendonly", "recvonly", "inactive"].into_iter();
    named.clone().find(|name| media.section.attribute(name).is_some()).unwrap_or("sendrecv")
}

/// Each stream as `kind formats direction`, or `kind refused`; `left_out` are refused by the exchange.
fn streams(body: &[u8], left_out: &str) -> Vec<String> {
    let session = Session::parse(body).unwrap();
    let mut audio = 0;
    let media: Vec<_> = session.media().collect();
    let describe = |(at, media): (usize, &telex_engine::sdp::Media<'_, '_>)| {
        let kind = media.line.kind;
        audio += usize::from(kind == "audio");
        let not_here =
            kind == "video" && left_out.contains("video") || audio > 1 && left_out.contains("second audio");
        if media.line.port == 0 || not_here {
            return format!("{kind} refused");
        }
        format!("{kind} {} {}", media.line.formats.trim(), direction_of(&session, at))
    };
    media.iter().enumerate().map(describe).collect()
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

#[test]
fn descriptions_are_exchanged_as_in_the_examples() {
    let table = fs::read_to_string(directory().join("offers.tsv")).unwrap();
    let rows: Vec<[&str; 4]> =
        table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect();
    let mut compared = 0;
    let mut examples: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    examples.dedup();
    for example in &examples {
        let local = Local { address: [192, 0, 2, 9].into(), port: 49_172, session_id: 1, version: 1 };
        let mut negotiation = Negotiation::new(local);
        let mine: Vec<&[&str; 4]> = rows.iter().filter(|row| row[0] == *example).collect();
        for (n, pair) in mine.chunks(2).enumerate() {
            let [offer, answer] = pair else { panic!("{example}: an offer without an answer") };
            assert_ne!(offer[1], answer[1], "{example}: who offers does not answer");
            let (offered, answered) = (body(offer[2], n + 1), body(answer[2], n + 1));
            let (got, expected, stated) = if offer[1] == "party" {
                let heard: &Description = negotiation.received_offer(offered.as_bytes()).unwrap();
                let codecs = offer::agree(heard, &wanted(&answered).0).unwrap();
                let direction = wanted(&answered).1;
                let got = negotiation.answer(Said { codecs, direction, ptime: Default::default() }).unwrap();
                (got, answered, answer[3])
            } else {
                let got = negotiation.offer(said(&offered)).unwrap();
                negotiation.received_answer(answered.as_bytes()).unwrap();
                (got, offered, offer[3])
            };
            let expected = streams(expected.as_bytes(), stated);
            assert_eq!(streams(&got, ""), expected, "{example}: {}", String::from_utf8_lossy(&got));
            let used = negotiation.stream().unwrap();
            let (theirs, ours) =
                if offer[1] == "party" { (offer[2], answer[2]) } else { (answer[2], offer[2]) };
            let (theirs, ours) = (wanted(&body(theirs, 1)).1, wanted(&body(ours, 1)).1);
            assert_eq!(used.send, ours.sends() && theirs.receives(), "{example}: media to the party");
            assert_eq!(used.receive, ours.receives() && theirs.sends(), "{example}: media from the party");
            compared += 1;
        }
    }
    println!("{} examples, {compared} exchanges of offer and answer", examples.len());
    assert!(compared >= 25);
}
