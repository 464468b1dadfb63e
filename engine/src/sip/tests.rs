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
