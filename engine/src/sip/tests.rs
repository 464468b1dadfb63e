//! Whole messages through the public interface.

use bytes::Bytes;

use super::*;

const INVITE: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds;rport\r\n\
    v: SIP/2.0/TCP [2001:db8::9:1]:5070 ; branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.1\r\n\
    Max-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.example.com>\r\n\
    From: \"Alice \\\"A\\\"\" <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.example.com:5062;transport=tcp>;q=0.7;expires=60\r\n\
    Supported: 100rel,\r\n timer , replaces\r\n\
    X-Thing: kept, as it came\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\
    \r\n\
    v=0\n";

fn parse(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

#[test]
fn a_request_is_read() {
    let m = parse(INVITE);
    assert_eq!(m.defect(), None);
    assert_eq!(m.validate(), Ok(()));
    assert_eq!((m.method(), m.request_uri()), (Method::Invite, "sip:bob@biloxi.example.com"));
    let via = m.via().unwrap();
    assert_eq!(
        (via.host_text(), via.port(), via.branch()),
        ("pc33.atlanta.example.com", None, Some("z9hG4bK776asdhds"))
    );
    assert_eq!(via.rport(), Some(None));
    assert_eq!(m.vias().count(), 3);
    assert_eq!(m.vias().nth(1).unwrap().unwrap().port(), Some(5070));
    let from = m.from().unwrap();
    assert_eq!((from.tag(), from.display_name().as_deref()), (Some("1928301774"), Some("Alice \"A\"")));
    assert_eq!(m.to().unwrap().tag(), None);
    assert_eq!(m.call_id(), Ok("a84b4c76e66710@pc33.atlanta.example.com"));
    assert_eq!(m.cseq().map(|c| (c.number, c.method)), Ok((314159, Method::Invite)));
    let contact = m.contact().unwrap().unwrap();
    assert_eq!((contact.q(), contact.expires(), contact.uri.port()), (Some(700), Some(Ok(60)), Some(5062)));
    assert_eq!(contact.uri.param("transport"), Some(Some("tcp")));
    assert_eq!(m.max_forwards(), Some(Ok(70)));
    assert!(m.has_token(HeaderName::Supported, "TIMER") && !m.has_token(HeaderName::Supported, "time"));
    assert_eq!(m.other("x-thing"), Some("kept, as it came"));
    assert_eq!(m.body(), b"v=0\n");
    assert_eq!(m.raw(), INVITE.as_bytes());
}

#[test]
fn a_response_is_written_from_a_request() {
    let m = parse(INVITE);
    let mut w = Writer::response(Status::RINGING, "");
    w.vias(&m, Some("203.0.113.9".parse().unwrap()), Some(40000));
    w.copy(&m, HeaderName::From).to_tagged(&m, "xyz").copy(&m, HeaderName::CallId).copy(&m, HeaderName::CSeq);
    w.header(HeaderName::Subject, "a\r\nVia: forged");
    let bytes = w.finish();
    insta::assert_snapshot!(std::str::from_utf8(&bytes).unwrap(), @r#"
    SIP/2.0 180 Ringing
    Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds;rport=40000;received=203.0.113.9
    v: SIP/2.0/TCP [2001:db8::9:1]:5070 ; branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.1
    From: "Alice \"A\"" <sip:alice@atlanta.example.com>;tag=1928301774
    To: Bob <sip:bob@biloxi.example.com>;tag=xyz
    Call-ID: a84b4c76e66710@pc33.atlanta.example.com
    CSeq: 314159 INVITE
    Subject: a  Via: forged
    Content-Length: 0
    "#);
}

fn request(fields: &str) -> Message {
    parse(&format!("OPTIONS sip:a@b SIP/2.0\r\n{fields}\r\n"))
}

fn defect(fields: &str) -> Option<String> {
    request(fields).defect().map(ToString::to_string)
}

#[test]
fn defects_are_found_and_the_rest_is_read() {
    assert_eq!(defect("Via: x\r\n"), None);
    assert_eq!(
        defect("no colon here\r\nVia: x\r\n").as_deref(),
        Some("bad header line: no header name and colon")
    );
    assert_eq!(defect(": empty\r\n").as_deref(), Some("bad header line: no header name and colon"));
    assert_eq!(defect("Bad Name: x\r\n").as_deref(), Some("bad header line: no header name and colon"));
    assert_eq!(
        defect(" folded start line\r\nVia: x\r\n").as_deref(),
        Some("bad header line: no header name and colon")
    );
    assert_eq!(
        defect("Subject: a\rVia: b\r\n").as_deref(),
        Some("bad header section: carriage return without line feed")
    );
    assert_eq!(defect("To: a\r\nt: b\r\n").as_deref(), Some("To stands more than once"));
    assert_eq!(defect("l: 5\r\n").as_deref(), Some("bad Content-Length: more than the message holds"));
    assert_eq!(defect("l: 5x\r\n").as_deref(), Some("bad Content-Length: not a number"));
    let m = request("no colon here\r\nVia: SIP/2.0/UDP h\r\n");
    assert_eq!(m.via().map(|v| v.host_text()), Ok("h"));
    assert_eq!(m.headers().count(), 1);
}

#[test]
fn names_are_found_however_they_are_written() {
    let m = request("CALL-ID  :  1\r\nk\t: a\r\nx-Own:y\r\nSupported: b\r\nSubject:\r\n");
    assert_eq!(m.defect(), None);
    assert_eq!(m.call_id(), Ok("1"));
    assert_eq!(m.values(HeaderName::Supported).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((m.other("X-OWN"), m.header(HeaderName::Subject)), (Some("y"), Some("")));
    let names: Vec<_> = m.headers().map(|h| h.name).collect();
    assert_eq!(names, ["CALL-ID", "k", "x-Own", "Supported", "Subject"]);
}

#[test]
fn a_display_name_in_latin_1_is_no_reason_to_refuse_a_phone() {
    let raw = Bytes::from_static(
        b"OPTIONS sip:a@b SIP/2.0\r\nFrom: \"M\xfcller\" <sip:m@h>;tag=1\r\nSubject: \xc3\xbc\r\n\r\n\xff",
    );
    let m = Message::parse(raw.clone()).unwrap();
    assert_eq!(m.defect(), None);
    let from = m.from().unwrap();
    assert_eq!((from.display, from.tag()), (Some("M\u{1a}ller"), Some("1")));
    assert_eq!(m.header(HeaderName::Subject), Some("ü"));
    assert_eq!((m.raw(), m.body()), (&raw, &b"\xff"[..]));
    // A Call-ID may not hold such octets.
    let raw = Bytes::from_static(b"OPTIONS sip:a@b SIP/2.0\r\ni: \xfc\r\n\r\n");
    assert!(Message::parse(raw).unwrap().call_id().is_err());
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    let why =
        |text: &str| Message::parse(Bytes::copy_from_slice(text.as_bytes())).map(|_| ()).map_err(|e| e.why());
    assert_eq!(why(""), Err(Why::NotSip));
    assert_eq!(why("\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("hello\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("OPTIONS sip:a@b HTTP/1.1\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("SIP/2.0 99 x\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("SIP/2.0 2000 x\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("SIP/2.0200 x\r\n\r\n"), Err(Why::NotSip));
    assert_eq!(why("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n"), Err(Why::NoEnd));
    assert_eq!(why("OPTIONS sip:a@b SIP/2.0\r\n"), Err(Why::NoEnd));
    assert_eq!(why("\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n\r\n"), Ok(()));
    assert_eq!(why(&format!("OPTIONS sip:a@b SIP/2.0\r\n\r\n{}", "a".repeat(65_536))), Err(Why::TooLarge));
    let many = |n: usize| format!("OPTIONS sip:a@b SIP/2.0\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert_eq!(why(&many(crate::limits::MESSAGE_HEADERS)), Ok(()));
    assert_eq!(why(&many(crate::limits::MESSAGE_HEADERS + 1)), Err(Why::TooLarge));
}

#[test]
fn start_lines() {
    let m = parse("FOO   sip:a@b \t SIP/2.0  \r\n\r\n");
    assert_eq!((m.method(), m.method_name(), m.request_uri()), (Method::Other, "FOO", "sip:a@b"));
    assert_eq!(m.defect(), None);
    let m = parse("FOO sip:a@b sip/2.1\r\n\r\n");
    assert_eq!(m.defect().map(|d| d.status()), Some(Status::VERSION_NOT_SUPPORTED));
    let m = parse("sip/2.0  486  Busy  Here \r\nCSeq: 1 INVITE\r\n\r\n");
    assert_eq!((m.status(), m.reason()), (Some(Status::BUSY_HERE), "Busy  Here"));
    assert_eq!((m.method(), m.method_name(), m.request_uri()), (Method::Invite, "INVITE", ""));
    assert_eq!(parse("SIP/2.0 200\r\n\r\n").reason(), "");
}

#[test]
fn validation_names_the_header_that_is_wrong() {
    let base =
        "Via: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";
    let why = |fields: &str| request(fields).validate().map_err(|e| e.to_string());
    assert_eq!(why(base), Ok(()));
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let without: String = base.split_inclusive('\n').filter(|l| !l.starts_with(name)).collect();
        assert_eq!(why(&without), Err(format!("missing {name}")));
    }
    for (extra, want) in [
        ("Max-Forwards: 256\r\n", "bad Max-Forwards: number out of range"),
        ("Via: SIP/2.0/UDP\r\n", "bad Via: unexpected character"),
        ("Contact: <sip:a@b>, sip\r\n", "bad Contact: URI without scheme"),
        ("Contact: *, <sip:a@b>\r\n", "bad Contact: unexpected character"),
        ("Record-Route: <tel:1>\r\n", "bad Record-Route: URI without scheme"),
        ("Route: x\r\n", "bad Route: URI without scheme"),
    ] {
        assert_eq!(why(&format!("{base}{extra}")), Err(want.into()));
    }
    assert_eq!(
        why(&base.replace("1 OPTIONS", "1 BYE")),
        Err("bad CSeq: not the method of the request".into())
    );
    let many = "v: SIP/2.0/UDP h\r\n".repeat(crate::limits::MESSAGE_VIAS);
    assert_eq!(request(&format!("{base}{many}")).validate().map_err(|e| e.why()), Err(Why::TooLarge));
}

#[test]
fn error_offsets_count_from_the_start_of_the_message() {
    let text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h:x\r\nFrom: <sip:a@b>;;\r\n\r\n";
    let m = parse(text);
    assert_eq!(m.via().map(|_| ()).map_err(|e| e.offset()), Err(text.find(":x").unwrap() + 1));
    assert_eq!(m.from().map(|_| ()).map_err(|e| e.offset()), Err(text.find(";;").unwrap() + 1));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Message::parse(octets.clone().into());
            let head = [b"OPTIONS sip:a@b SIP/2.0\r\n".as_slice(), &octets, b"\r\n\r\n"].concat();
            if let Ok(m) = Message::parse(head.clone().into()) {
                prop_assert_eq!(m.raw(), &head[..]);
                let _ = (m.validate(), m.headers().count());
            }
            let mut framer = Framer::new();
            framer.push(&octets);
            while !matches!(framer.next_frame(), Frame::NeedMore | Frame::Broken { .. }) {}
        }

        #[test]
        fn what_is_written_is_read(
            fields in proptest::collection::vec(("[a-zA-Z0-9!%*_+`'~.-]{1,12}", "[ -~äß€]*"), 0..40),
            body in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            // Names that mean something to the framing are left to the writer.
            let plain: Vec<_> = fields
                .iter()
                .filter(|(n, _)| HeaderName::from_name(n) == HeaderName::Other)
                .collect();
            let mut w = Writer::request("INVITE", "sip:a@b");
            for (name, value) in &plain {
                w.field(name, value);
            }
            let m = Message::parse(w.body("x/y", &body)).unwrap();
            prop_assert_eq!(m.defect(), None);
            prop_assert_eq!(m.body(), &body[..]);
            let read: Vec<_> = m.headers().filter(|h| h.id == HeaderName::Other).map(|h| (h.name, h.value)).collect();
            let written: Vec<_> = plain.iter().map(|(n, v)| (n.as_str(), v.trim_matches(' '))).collect();
            prop_assert_eq!(read, written);
        }
    }
}
