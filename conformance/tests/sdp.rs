//! Session descriptions that nobody here wrote.
//!
//! The corpus lies beside the workspace (`TELEX_CORPUS` names another place). Its table `sdp.tsv` says of each file
//! whether it must be read (`yes`), must be refused (`no`), or may be either.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use telex_engine::offer::{self, Description, Direction, Local, Negotiation, OfferError, Ptime, Said};
use telex_engine::sdp::{Session, Writer};

/// The corpus, or nothing and a loud line.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("TELEX_CORPUS").map_or(beside, PathBuf::from);
    if corpus.join("sdp.tsv").is_file() {
        return Some(corpus);
    }
    // Straight to the stream: the test harness would swallow what the macros print.
    let _ = writeln!(io::stderr(), "SKIPPED: no corpus of session descriptions at {}", corpus.display());
    None
}

fn body(corpus: &Path, name: &str) -> Vec<u8> {
    fs::read(corpus.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files with what the table expects of each.
fn table(corpus: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(corpus.join("sdp.tsv")).expect("the table was there a moment ago");
    let row = |line: &str| {
        let mut fields = line.split('\t');
        Some((fields.next()?.to_owned(), fields.nth(1)?.to_owned()))
    };
    text.lines().skip(1).filter_map(row).collect()
}

#[test]
fn the_corpus_is_read_as_its_table_says() {
    let Some(corpus) = corpus() else { return };
    let table = table(&corpus);
    assert!(table.len() >= 38, "only {} rows", table.len());
    for (name, expected) in table {
        let raw = body(&corpus, &name);
        let result = Session::parse(&raw);
        match expected.as_str() {
            "yes" => assert!(result.is_ok(), "{name}: {:?}", result.err()),
            "no" => assert!(result.is_err(), "{name} was read"),
            "either" => {}
            other => panic!("{name}: what is {other}?"),
        }
        if let Ok(session) = result {
            let line = |out: Writer, line: telex_engine::sdp::Line<'_>| {
                out.line(char::from(line.kind), std::str::from_utf8(line.value).expect("the corpus is ASCII"))
            };
            let written = session.lines().fold(Writer::default(), line).finish();
            let text = String::from_utf8(raw.clone()).expect("the corpus is ASCII");
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(written, lines.join("\r\n") + "\r\n", "{name}");
        }
    }
}

#[test]
fn no_truncation_or_damage_panics() {
    let Some(corpus) = corpus() else { return };
    for (name, _) in table(&corpus) {
        let raw = body(&corpus, &name);
        for end in 0..raw.len() {
            let _ = offer::read(&raw[..end]);
            let mut damaged = raw.clone();
            for byte in [0, b'\r', b'\n', b' ', b'/', b'9', 0xff] {
                damaged[end] = byte;
                let _ = offer::read(&damaged);
            }
        }
    }
}

fn read(corpus: &Path, name: &str) -> Result<Description, OfferError> {
    offer::read(&body(corpus, name))
}

#[test]
fn addresses_of_both_families_are_found() {
    let Some(corpus) = corpus() else { return };
    let address = |name: &str| {
        let description = read(&corpus, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        description.audio().map(|audio| audio.address.to_string())
    };
    assert_eq!(address("sdp/rfc5118/ipv6-in-sdp.sdp").as_deref(), Some("[2001:db8::20]:6000"));
    assert_eq!(address("sdp/rfc5118/ipv4-mapped-ipv6.sdp").as_deref(), Some("192.0.2.2:6000"));
    assert_eq!(address("sdp/rfc5118/mult-ip-in-sdp.sdp").as_deref(), Some("192.0.2.1:22334"));
    assert_eq!(address("sdp/rfc3665/3.1-F1.sdp").as_deref(), Some("192.0.2.101:49172"));
    assert_eq!(address("sdp/rsiprtp/num_ports.sdp").as_deref(), Some("192.0.2.10:49170"));
    assert_eq!(address("sdp/rsiprtp/multi_c_per_media.sdp"), None, "multicast is no call");
    assert_eq!(read(&corpus, "sdp/rsiprtp/duplicate_b_same_key.sdp"), Err(OfferError::NoConnection));
}

#[test]
fn every_offer_gets_an_answer_of_its_shape() {
    let Some(corpus) = corpus() else { return };
    let local = Local { address: [192, 0, 2, 1].into(), port: 10_000, session_id: 1, version: 1 };
    let mut answered = 0;
    for (name, _) in table(&corpus) {
        let raw = body(&corpus, &name);
        let mut negotiation = Negotiation::new(local);
        let Ok(offer) = negotiation.received_offer(&raw).cloned() else { continue };
        let codecs = offer::agree(&offer, &offer::default_codecs()).unwrap_or_default();
        let said = Said { codecs, direction: Direction::SendRecv, ptime: Ptime::default() };
        let answer = negotiation.answer(said).expect("it was just offered");
        let (offered, answered_by) = (Session::parse(&raw), Session::parse(&answer));
        let (Ok(offered), Ok(answered_by)) = (offered, answered_by) else { panic!("{name}") };
        assert_eq!(offered.timing(), answered_by.timing(), "{name}");
        let streams = |session: &Session<'_>| -> Vec<_> {
            session.media().map(|media| (media.line.kind.to_owned(), media.line.proto.to_owned())).collect()
        };
        assert_eq!(streams(&offered), streams(&answered_by), "{name}");
        for (offered, answered) in offered.media().zip(answered_by.media()) {
            assert!(offered.line.port != 0 || answered.line.port == 0, "{name}: a refused stream came back");
        }
        answered += 1;
    }
    assert!(answered >= 25, "only {answered} offers could be answered");
}
