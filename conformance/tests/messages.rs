//! The example and torture messages of the RFCs, and a larger corpus where there is one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use telex_engine::sip::{Contacts, Frame, Framer, Header, HeaderName, Message, Method, Scheme, Uri, Writer};

fn messages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("messages")
}

fn parse(file: &str) -> Message {
    let octets = fs::read(messages().join(file)).unwrap();
    Message::parse(octets.into()).unwrap()
}

/// What becomes of a message that came as one datagram: `ok`, a status, or `drop`.
fn answer(octets: &[u8]) -> String {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return "drop".into() };
    assert_eq!(message.raw(), octets, "a message keeps its octets");
    read_everything(&message);
    match message.validate() {
        Ok(()) => {
            stream_carries(&message);
            rewriting_keeps(&message);
            "ok".into()
        }
        Err(error) if message.is_request() => error.status().to_string(),
        Err(_) => "drop".into(),
    }
}

/// No accessor may panic, whatever it finds.
fn read_everything(m: &Message) {
    let _ = (m.via().is_ok(), m.from().is_ok(), m.to().is_ok(), m.contacts().is_ok(), m.cseq().is_ok());
    let _ = (m.vias().count(), m.reasons().count(), m.refer_to(), m.replaces(), m.rack(), m.event());
    let _ = (m.session_expires(), m.min_se(), m.retry_after(), m.content_type(), m.expires(), m.body_bytes());
    for Header { id, value, .. } in m.headers() {
        let _ = (m.values(id).count(), m.addresses(id).count(), Uri::parse(value).is_ok());
    }
}

/// On a stream the message comes out as it went in, however the octets are cut.
fn stream_carries(message: &Message) {
    if message.content_length().is_none() {
        return;
    }
    let mut framer = Framer::new();
    let (first, rest) = message.raw().split_at(20);
    framer.push(first);
    assert_eq!(framer.next_frame(), Frame::NeedMore);
    framer.push(rest);
    let Frame::Message(octets) = framer.next_frame() else { panic!("a whole message") };
    assert!(message.raw().trim_ascii_start().starts_with(&octets));
    assert_eq!(Message::parse(octets).unwrap().body(), message.body());
}

/// Field by field written again, every header has the value it had.
fn rewriting_keeps(message: &Message) {
    let again = Writer::start_of(message).copy_if(message, |_| true).close(message.body());
    let again = Message::parse(again).unwrap();
    assert_eq!(again.validate(), Ok(()));
    assert_eq!(again.body(), message.body());
    for (old, new) in message.headers().zip(again.headers()) {
        assert_eq!((old.id, old.name), (new.id, new.name));
        let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        if old.value.bytes().all(|b| b >= b' ' || matches!(b, b'\t' | b'\r' | b'\n'))
            && !old.value.contains('\u{7f}')
        {
            assert_eq!(words(old.value), words(new.value));
        }
    }
}

#[test]
fn messages_of_the_rfcs_get_the_answers_of_the_table() {
    let table = fs::read_to_string(messages().with_file_name("messages.tsv")).unwrap();
    let mut seen = 0;
    for row in table.lines().skip(1) {
        let [file, _, rfc, want, _] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let got = answer(&fs::read(messages().join(file)).unwrap());
        assert_eq!(got, want, "{file}");
        assert!(rfc == "either" || (rfc == "yes") == (got == "ok"), "{file}: the RFC says {rfc}");
        seen += 1;
    }
    let files = fs::read_dir(messages()).unwrap().flat_map(|d| fs::read_dir(d.unwrap().path()).unwrap());
    assert_eq!(seen, files.count(), "every file has its row");
}

#[test]
fn the_corpus_is_read_as_its_table_says() {
    let corpus = std::env::var_os("TELEX_CORPUS").map(PathBuf::from);
    let corpus = corpus.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    let Ok(table) = fs::read_to_string(corpus.join("messages.tsv")) else {
        eprintln!("SKIPPED: no message corpus at {} (set TELEX_CORPUS)", corpus.display());
        return;
    };
    // Cut short by a page of the RFC; an address without a scheme.
    let known = ["sip/rfc3665/3.10-F4.sip", "sip/kamailio/register04.sip"];
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let (file, want) = (columns[0], columns[3]);
        let mut octets = fs::read(corpus.join(file)).unwrap();
        if row.contains("LF line ends") {
            octets = with_crlf(&octets);
        }
        let got = answer(&octets);
        let fits = match want {
            "yes" => got == "ok" || known.contains(&file) || file.ends_with("ipv6-in-sdp.sip"),
            "no" => got != "ok",
            _ => true,
        };
        assert!(fits, "{file}: wanted {want}, got {got}");
    }
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in octets.split_inclusive(|&b| b == b'\n') {
        let bare = line.strip_suffix(b"\n").map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        out.extend_from_slice(bare.unwrap_or(line));
        out.extend_from_slice(if bare.is_some() { b"\r\n" } else { b"" });
    }
    if !out.windows(4).any(|w| w == b"\r\n\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn wsinv_is_read_through_its_folds() {
    let m = parse("rfc4475/wsinv.sip");
    assert_eq!(m.to().unwrap().uri.user(), "vivekg");
    assert_eq!(m.to().unwrap().tag(), Some("1918181833n"));
    let from = m.from().unwrap();
    assert_eq!(from.display_name().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(m.max_forwards(), Some(Ok(68)));
    assert_eq!(m.cseq().map(|c| (c.number, c.method)), Ok((9, Method::Invite)));
    let vias: Vec<_> = m.vias().map(|v| v.unwrap()).map(|v| (v.transport(), v.branch())).collect();
    let want = [("UDP", Some("390skdjuw")), ("TCP", Some("z9hG4bK9ikj8")), ("UDP", Some("z9hG4bK30239"))];
    assert_eq!(vias, want);
    assert_eq!(m.other("NewFangledHeader"), Some("newfangled value\r\n continued newfangled value"));
    assert_eq!(m.other("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let contact = m.contact().unwrap().unwrap();
    assert_eq!((contact.display, contact.uri.user()), (Some("Quoted string \\\"\\\""), "jdrosen"));
    assert_eq!(contact.params.get("newparam"), Some(Some("newvalue")));
    assert_eq!(contact.params.get("secondparam"), Some(None));
    assert_eq!(contact.q(), Some(330));
}

#[test]
fn escapes_mean_what_they_mean() {
    let m = parse("rfc4475/esc01.sip");
    let uri = Uri::parse(m.request_uri()).unwrap();
    assert_eq!((uri.scheme(), uri.user()), (Scheme::Sip, "sips%3Auser%40example.com"));
    assert_eq!(uri.user_unescaped(), "sips:user@example.com");
    assert_eq!(m.to().unwrap().uri.user_unescaped(), "user");

    let m = parse("rfc4475/escnull.sip");
    let users: Vec<_> = m.addresses(HeaderName::Contact).map(|c| c.unwrap().uri.user_unescaped()).collect();
    assert_eq!(users, ["\0", "\0\0"]);

    let m = parse("rfc4475/esc02.sip");
    assert_eq!((m.method(), m.method_name()), (Method::Other, "RE%47IST%45R"));
    assert_eq!(m.from().unwrap().display, Some("%Z%45"));
    assert_eq!((m.addresses(HeaderName::Contact).count(), m.other("C%6Fntact").is_some()), (2, true));

    let m = parse("rfc4475/semiuri.sip");
    let uri = Uri::parse(m.request_uri()).unwrap();
    assert_eq!((uri.user_unescaped().as_ref(), uri.params().count()), ("user;par=u@example.net", 0));
}

#[test]
fn parameters_belong_to_the_header_or_to_the_uri() {
    let m = parse("rfc4475/cparam01.sip");
    let contact = m.contact().unwrap().unwrap();
    assert_eq!((contact.params.get("unknownparam"), contact.uri.param("unknownparam")), (Some(None), None));
    let m = parse("rfc4475/cparam02.sip");
    let contact = m.contact().unwrap().unwrap();
    assert_eq!((contact.params.get("unknownparam"), contact.uri.param("unknownparam")), (None, Some(None)));
    let m = parse("rfc4475/regescrt.sip");
    let contact = m.contact().unwrap().unwrap();
    let headers: Vec<_> = contact.uri.headers().collect();
    assert_eq!(headers, [("Route", "%3Csip:sip.example.com%3E")]);
}

#[test]
fn bodies_are_octets_and_end_where_content_length_says() {
    let m = parse("rfc4475/mpart01.sip");
    assert!(std::str::from_utf8(m.body()).is_err());
    assert_eq!(m.content_length(), Some(Ok(m.body().len() as u32)));

    // On a stream the octets after the body are the next message.
    let m = parse("rfc4475/dblreq.sip");
    assert_eq!(m.body(), b"");
    let mut framer = Framer::new();
    framer.push(m.raw());
    let mut methods = vec![];
    while let Frame::Message(one) = framer.next_frame() {
        methods.push(Message::parse(one).unwrap().method());
    }
    assert_eq!(methods, [Method::Register, Method::Invite]);
}

#[test]
fn responses_keep_their_reason_phrases() {
    let m = parse("rfc4475/unreason.sip");
    assert_eq!(m.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое");
    let m = parse("rfc4475/noreason.sip");
    assert_eq!((m.status().map(|s| s.code()), m.reason()), (Some(100), ""));
}

#[test]
fn contacts_of_a_registration() {
    let m = parse("rfc3665/2.2-F2.sip");
    let Ok(Contacts::List(contacts)) = m.contacts() else { panic!("a list") };
    let all: Vec<_> = contacts.map(|c| c.unwrap()).map(|c| (c.uri_text, c.expires())).collect();
    let want = [
        ("sips:bob@client.biloxi.example.com", Some(Ok(3600))),
        ("mailto:bob@biloxi.example.com", Some(Ok(u32::MAX))),
    ];
    assert_eq!(all, want);
    assert!(matches!(parse("rfc3665/2.4-F1.sip").contacts(), Ok(Contacts::Star)));
}
