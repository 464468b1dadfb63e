//! Session descriptions: parse, and read the first stream, its formats and all attributes.

use std::hint::black_box;

use crate::harness::{Case, measure};

/// What is read: streams, port of the first, its formats, attributes of all.
type Values = (usize, u16, usize, usize);

const INPUTS: [(&str, &[u8], Values); 2] = [
    ("audio offer", include_bytes!("../inputs/offer.sdp"), (1, 49172, 4, 7)),
    ("browser offer", include_bytes!("../inputs/webrtc.sdp"), (1, 54321, 8, 33)),
];

fn telex(raw: &[u8]) -> Option<Values> {
    let session = telex_engine::sdp::Session::parse(raw).ok()?;
    let first = session.media().next()?.line;
    let attributes = session.media().map(|m| m.section.attributes().count()).sum::<usize>();
    let attributes = attributes + session.session().attributes().count();
    Some((session.media().len(), first.port, first.formats().count(), attributes))
}

fn sdp_types(raw: &[u8]) -> Option<Values> {
    let session = sdp_types::Session::parse(raw).ok()?;
    let first = session.medias.first()?;
    let attributes =
        session.medias.iter().map(|m| m.attributes.len()).sum::<usize>() + session.attributes.len();
    Some((session.medias.len(), first.port, first.fmt.split_ascii_whitespace().count(), attributes))
}

fn case(name: &'static str, parse: fn(&[u8]) -> Option<Values>, raw: &'static [u8], want: Values) -> Case {
    let note = match parse(raw) {
        None => return Case::cannot(name, "refuses it"),
        Some(got) if got == want => String::new(),
        Some(got) => format!("wrong: {got:?}"),
    };
    let run = move |repeats| {
        for _ in 0..repeats {
            black_box(parse(black_box(raw)));
        }
    };
    Case::new(name, run).note(note)
}

/// Measures everything; `wants` chooses tables by their title.
pub fn run(wants: &dyn Fn(&str) -> bool) {
    for (name, raw, want) in INPUTS {
        let title = format!("SDP, parse and read: {name}, {} octets", raw.len());
        if wants(&title) {
            let cases =
                vec![case("**Telex**", telex, raw, want), case("sdp-types 0.3.1", sdp_types, raw, want)];
            measure(&title, cases);
        }
    }
}
