//! A session description, and what offer and answer make of it: its lines written again read the same, the values
//! that are understood too, our answer to an offer is a fitting answer, and a whole negotiation ends with both sides
//! in agreement.

use telex_engine::offer::{self, Description, Direction, Local, Negotiation, Said};
use telex_engine::sdp::{Connection, Fmtp, MediaLine, Origin, Rtcp, Rtpmap, Section, Session, Writer};

pub(crate) fn check(octets: &[u8]) {
    if let Ok(session) = Session::parse(octets) {
        assert_eq!(session.raw(), octets);
        lines(&session);
        values(&session);
    }
    let Ok(heard) = offer::read(octets) else { return };
    answer(&heard);
    negotiate(octets, &heard);
}

/// Line by line, what is text is written again and read again.
fn lines(session: &Session<'_>) {
    let mut written = Writer::default();
    for line in session.lines() {
        let Ok(value) = std::str::from_utf8(line.value) else { return };
        written = written.line(char::from(line.kind), value);
    }
    let written = written.finish();
    let again = Session::parse(&written).expect("what was written can be read");
    assert_eq!(texts(session), texts(&again));
    assert_eq!((again.origin(), again.connection()), (session.origin(), session.connection()));
    assert_eq!((again.timing(), again.media().len()), (session.timing(), session.media().len()));
}

fn texts(session: &Session<'_>) -> Vec<(u8, Vec<u8>)> {
    session.lines().map(|line| (line.kind, line.value.to_vec())).collect()
}

/// Each value that is understood reads the same after it was written.
fn values(session: &Session<'_>) {
    let origin = session.origin().to_string();
    assert_eq!(Origin::parse(&origin), Some(session.origin()));
    section(&session.session());
    for media in session.media() {
        section(&media.section);
        let line = media.line.to_string();
        let again = MediaLine::parse(&line).expect("a media line written again");
        assert!(again.formats().eq(media.line.formats()));
        assert_eq!(
            (again.kind, again.port, again.proto),
            (media.line.kind, media.line.port, media.line.proto)
        );
    }
}

fn section(section: &Section<'_, '_>) {
    if let Some(connection) = section.connection() {
        assert_eq!(Connection::parse(&connection.to_string()), Some(connection));
    }
    let _ = section.bandwidths().count();
    for attribute in section.attributes() {
        assert_eq!(section.attribute(attribute.name).is_some(), true);
        if let Some(map) = Rtpmap::parse(attribute.value) {
            assert_eq!(Rtpmap::parse(&map.to_string()), Some(map));
        }
        let _ =
            (Fmtp::parse(attribute.value), Rtcp::parse(attribute.value).map(|r| r.address.map(|a| a.ip())));
    }
}

fn local(session_id: u64) -> Local {
    Local { address: [192, 0, 2, 1].into(), port: 10_000, session_id, version: 1 }
}

/// Our own answer fits the offer.
fn answer(heard: &Description) {
    let Ok(chosen) = offer::agree(heard, &offer::default_codecs()) else { return };
    let answer = offer::write_answer(&local(1), heard, &chosen, Direction::SendRecv, Default::default());
    let answer = offer::read_answer(&answer, heard.layout()).expect("our own answer");
    let audio = answer.audio().expect("audio was agreed");
    assert_eq!(audio.remote(), Some(([192, 0, 2, 1], 10_000).into()));
    assert_eq!(audio.codecs, chosen);
}

/// The writer of these octets offers, answers to our offer, and is re-offered to.
fn negotiate(octets: &[u8], heard: &Description) {
    let said =
        Said { codecs: offer::default_codecs(), direction: Direction::SendRecv, ptime: Default::default() };
    let mut theirs = Negotiation::new(local(2));
    theirs.take_offer(heard.clone()).expect("nothing is open");
    let answer = theirs.answer(said.clone()).expect("there is an offer");
    offer::read_answer(&answer, heard.layout()).expect("our own answer");
    let _ = (theirs.stream(), theirs.codec(), theirs.relay_to(&theirs.clone()));
    let reoffer = theirs.offer(said.clone()).expect("nothing is open");
    assert!(offer::read(&reoffer).expect("our own offer").layout().len() >= heard.layout().len());
    if theirs.received_answer(octets).is_err() {
        theirs.withdraw();
    }
    assert!(theirs.can_offer());
    let mut ours = Negotiation::new(local(3));
    let first = ours.offer(said).expect("nothing is open");
    offer::read(&first).expect("our own offer");
    if ours.received_answer(octets).is_ok() {
        ours.reopen();
        ours.received_answer(octets).expect("the same answer again");
        assert_eq!(ours.changes(), 1, "a copy changes nothing");
    }
}
