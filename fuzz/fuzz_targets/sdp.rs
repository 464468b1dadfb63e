//! A session description, and what offer and answer make of it.
#![cfg_attr(fuzzing, no_main)]

use telex_engine::offer::{self, Direction, Local};
use telex_engine::sdp::Session;

fn check(octets: &[u8]) {
    if let Ok(session) = Session::parse(octets) {
        assert_eq!(session.raw(), octets);
        let _ = (session.origin(), session.session().connection(), session.lines().count());
        for media in session.media() {
            let _ = (media.section.connection(), media.section.attributes().count());
        }
    }
    let Ok(offer) = offer::read(octets) else { return };
    let Ok(chosen) = offer::agree(&offer, &offer::default_codecs()) else { return };
    let local = Local { address: [192, 0, 2, 1].into(), port: 10_000, session_id: 1, version: 1 };
    let answer = offer::write_answer(&local, &offer, &chosen, Direction::SendRecv, Default::default());
    let answer = offer::read_answer(&answer, offer.layout()).expect("our own answer");
    assert!(answer.audio().is_some());
}

telex_fuzz::target!(check);
