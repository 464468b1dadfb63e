use super::*;
use crate::testing::address;
use proptest::prelude::*;

const ONE: &str = "OPTIONS sip:a@b SIP/2.0\r\nl: 3\r\n\r\nabc";
const TWO: &str = "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

fn ends() -> (SocketAddr, SocketAddr) {
    (address("10.0.0.1:5060"), address("10.0.0.2:5060"))
}

fn segment(sequence: u32, payload: &[u8]) -> Segment<'_> {
    Segment { sequence, syn: false, end: false, payload, missing: 0 }
}

/// Feeds segments of a stream; what comes out, as text and whether it has a defect.
fn feed<'a>(segments: impl IntoIterator<Item = Segment<'a>>) -> Vec<(String, bool)> {
    let mut flows = Flows::default();
    let mut found = Vec::new();
    for (frame, segment) in (1..).zip(segments) {
        found.extend(flows.add(ends(), segment, Origin { frame, at: Time::default() }));
    }
    found.extend(flows.finish());
    let text =
        |f: &Found| (String::from_utf8_lossy(&f.message.octets).into_owned(), f.message.defect.is_some());
    found.iter().map(text).collect()
}

fn good(texts: &[&str]) -> Vec<(String, bool)> {
    texts.iter().map(|t| ((*t).to_owned(), false)).collect()
}

#[test]
fn numbers_wrap_and_repetitions_and_overlaps_are_passed_over() {
    let stream = format!("{ONE}{TWO}");
    let (octets, start) = (stream.as_bytes(), u32::MAX - 10);
    let at = |from: usize, to: usize| segment(start.wrapping_add(from as u32), &octets[from..to]);
    let syn = Segment { sequence: start.wrapping_sub(1), syn: true, end: false, payload: b"", missing: 0 };
    let order = [syn, at(0, 20), syn, at(0, 20), at(10, 30), at(40, 60), at(25, 45), at(60, octets.len())];
    assert_eq!(feed(order), good(&[ONE, TWO]));
}

#[test]
fn a_stream_that_was_open_before_is_joined() {
    let stream = format!("rest of a body\r\n{ONE}");
    let octets = stream.as_bytes();
    // The first captured segment is no start of a message; the next one is.
    let second = segment(1016, ONE.as_bytes());
    assert_eq!(feed([segment(1000, &octets[..16]), second]), good(&[ONE]));
    // It begins before what came first.
    assert_eq!(
        feed([second, segment(1000, octets), segment(1016 + ONE.len() as u32, TWO.as_bytes())]),
        good(&[ONE, TWO])
    );
}

#[test]
fn a_gap_costs_one_message() {
    let octets = ONE.as_bytes();
    let third = 1000 + 2 * octets.len() as u32;
    let found = feed([segment(1000, &octets[..20]), segment(third, TWO.as_bytes())]);
    assert_eq!(found, [(String::from_utf8_lossy(&octets[..20]).into_owned(), true), (TWO.to_owned(), false)]);
}

#[test]
fn a_new_connection_between_the_same_ports_begins_anew() {
    let syn = |sequence| Segment { sequence, syn: true, end: false, payload: b"", missing: 0 };
    let end = Segment { end: true, ..segment(1000 + ONE.len() as u32, b"") };
    let order =
        [syn(999), segment(1000, ONE.as_bytes()), end, syn(5_000_000), segment(5_000_001, TWO.as_bytes())];
    assert_eq!(feed(order), good(&[ONE, TWO]));
}

#[test]
fn what_waits_for_ever_is_bounded() {
    let mut flows = Flows::default();
    let origin = Origin { frame: 1, at: Time::default() };
    flows.add(ends(), segment(0, b"OPTIONS sip:a@b SIP/2.0\r\n"), origin);
    for n in 1..10_000_u32 {
        flows.add(ends(), segment(n * 2000, &[b'x'; 1000]), origin);
        assert!(flows.held <= TCP_WAITING_OCTETS + 2000, "{} held", flows.held);
    }
    for n in 0..2 * TCP_FLOWS as u32 {
        let source = SocketAddr::from((n.to_be_bytes(), 1));
        flows.add((source, ends().1), segment(0, b"INVITE"), origin);
        if n % 1000 == 0 {
            assert!(flows.flows.len() <= TCP_FLOWS);
        }
        if n > TCP_FLOWS as u32 + 10 {
            break;
        }
    }
}

proptest! {
    #[test]
    fn any_order_gives_the_same_messages(
        start in any::<u32>(),
        cuts in prop::collection::vec(1..30usize, 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let stream = format!("{ONE}{TWO}{ONE}");
        let octets = stream.as_bytes();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            let to = (from + cut).min(octets.len());
            pieces.push(segment(start.wrapping_add(from as u32), &octets[from..to]));
            from = to;
        }
        pieces.push(segment(start.wrapping_add(from as u32), &octets[from..]));
        let count = pieces.len();
        for (n, index) in order.iter().enumerate() {
            pieces.swap(n % count, index.index(count));
        }
        let syn = Segment { sequence: start.wrapping_sub(1), syn: true, end: false, payload: b"", missing: 0 };
        pieces.insert(0, syn);
        prop_assert_eq!(feed(pieces), good(&[ONE, TWO, ONE]));
    }
}
