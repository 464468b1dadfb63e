//! Session descriptions as whole texts.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::limits;

const PLAIN: &str = "v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nt=0 0\n";

fn fault(text: &str) -> Option<Fault> {
    Session::parse(text.as_bytes()).err().map(|error| error.fault)
}

/// The example of RFC 8866 §5.
const EXAMPLE: &str = "\
v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
t=0 0\r
m=audio 49170 RTP/AVP 0\r
m=audio 49180 RTP/AVP 0\r
m=video 51372 RTP/AVP 99\r
c=IN IP6 2001:db8::2\r
a=rtpmap:99 h263-1998/90000\r
";

#[test]
fn the_example_of_the_rfc_is_read() {
    let session = Session::parse(EXAMPLE.as_bytes()).unwrap();
    let origin = session.origin();
    assert_eq!((origin.user, origin.session_id, origin.version), ("jdoe", "3724394400", "3724394405"));
    assert_eq!(origin.to_string(), "jdoe 3724394400 3724394405 IN IP4 198.51.100.1");
    assert_eq!(session.session().values(b'i').next(), Some("SDP Offer #1"));
    assert_eq!(session.timing(), Timing::ALWAYS);
    let media: Vec<_> = session.media().collect();
    let lines: Vec<String> = media.iter().map(|media| media.line.to_string()).collect();
    assert_eq!(lines, ["audio 49170 RTP/AVP 0", "audio 49180 RTP/AVP 0", "video 51372 RTP/AVP 99"]);
    let ip = |connection: Option<Connection<'_>>| connection.and_then(|connection| connection.address.ip());
    assert_eq!(ip(session.connection()).map(|ip| ip.to_string()), Some("198.51.100.1".into()));
    assert_eq!(ip(media[0].section.connection()), None);
    assert_eq!(ip(media[2].section.connection()).map(|ip| ip.to_string()), Some("2001:db8::2".into()));
    let map = Rtpmap::parse(media[2].section.attribute("rtpmap").unwrap()).unwrap();
    assert_eq!(map, Rtpmap { number: 99, name: "h263-1998", clock: 90000, channels: 1 });
    assert_eq!(session.session().attribute("rtpmap"), None);
}

#[test]
fn every_line_is_kept() {
    let text = format!(
        "{PLAIN}x=unknown\r\nb=AS:64\nb=X-Y:1\nb=AS:much\nm=audio 1 RTP/AVP 0\nk=clear:p\na=z\na=:\nq=\n\n\r\n"
    );
    let session = Session::parse(text.as_bytes()).unwrap();
    let kinds: String = session.lines().map(|line| char::from(line.kind)).collect();
    assert_eq!(kinds, "vostxbbbmkaaq");
    let limits: Vec<_> = session.session().bandwidths().map(|limit| (limit.kind, limit.value)).collect();
    assert_eq!(limits, [("AS", 64), ("X-Y", 1)]);
    assert_eq!(session.session().values(b'x').next(), Some("unknown"));
    assert_eq!(session.media().next().unwrap().section.attribute("z"), Some(""));
    assert_eq!(session.raw(), text.as_bytes());
}

#[test]
fn text_need_not_be_utf8() {
    let raw = b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=B\xfcro\nt=0 0\na=tool:\xff\na=ptime:20\n";
    let session = Session::parse(raw).unwrap();
    let octets: Vec<_> = session.lines().map(|line| line.value).collect();
    assert_eq!(octets[2..], [&b"B\xfcro"[..], b"0 0", b"tool:\xff", b"ptime:20"]);
    assert_eq!(session.session().attribute("ptime"), Some("20"));
    assert_eq!(session.session().attribute("tool"), None);
    let bad = Session::parse(b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 \xff\nt=0 0\n").unwrap_err();
    assert_eq!((bad.fault, bad.line), (Fault::Connection, 4));
}

#[test]
fn what_breaks_the_grammar_is_refused_with_its_line() {
    for (text, expected, line) in [
        ("", Fault::Version, 1),
        ("\r\n\r\n", Fault::Version, 1),
        ("v=1\n", Fault::Version, 1),
        ("o=- 1 1 IN IP4 1.2.3.4\nv=0\n", Fault::Version, 1),
        ("v=0", Fault::Origin, 2),
        ("v=0\no=- 1 IN IP4 1.2.3.4\ns=-\nt=0 0\n", Fault::Origin, 2),
        ("v=0\no=- a 1 IN IP4 1.2.3.4\ns=-\nt=0 0\n", Fault::Origin, 2),
        ("v=0\no=- 1 -1 IN IP4 1.2.3.4\ns=-\nt=0 0\n", Fault::Origin, 2),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4 more\ns=-\nt=0 0\n", Fault::Origin, 2),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4\nt=0 0\n", Fault::Name, 3),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\n", Fault::NoTiming, 4),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nm=audio 1 RTP/AVP 0\nt=0 0\n", Fault::Misplaced, 5),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nt=now 0\n", Fault::Timing, 4),
        ("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nt=0 0 0\n", Fault::Timing, 4),
        ("v=0\n\no=- 1 1 IN IP4 1.2.3.4\n", Fault::NotALine, 2),
        ("v=0\no- 1 1 IN IP4 1.2.3.4\n", Fault::NotALine, 2),
        ("v=0\no=a\0b\n", Fault::ControlCharacter, 2),
        ("v=0\no=a\rb\n", Fault::Origin, 2),
        (&format!("{PLAIN}a=x\ry\na=z\n"), Fault::ControlCharacter, 5),
        ("v=0\n =\n", Fault::NotALine, 2),
    ] {
        let error = Session::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.fault, error.line), (expected, line), "{text:?}");
    }
    let error = Session::parse(b"v=0\no=?\n").unwrap_err();
    assert_eq!(error.to_string(), "bad SDP at line 2: bad or missing o=");
}

#[test]
fn lines_in_the_wrong_place_are_refused_where_they_are_ambiguous() {
    let c = "c=IN IP4 192.0.2.1\n";
    let m = "m=audio 1 RTP/AVP 0\n";
    assert_eq!(fault(&format!("{PLAIN}{c}{m}{c}{c}")), None, "several c= of one media: multicast layers");
    assert_eq!(fault(&format!("{PLAIN}{c}{c}{m}")), Some(Fault::Misplaced));
    for twice in ["v=0\n", "s=-\n", "o=- 1 1 IN IP4 192.0.2.1\n"] {
        assert_eq!(fault(&format!("{PLAIN}{twice}")), Some(Fault::Misplaced));
        assert_eq!(fault(&format!("{PLAIN}{m}{twice}")), Some(Fault::Misplaced));
    }
    assert_eq!(fault(&format!("{PLAIN}a=x\nb=AS:1\n{c}i=late\nt=5 0\nr=7d 1h 0\n")), None);
}

#[test]
fn connections_are_read_with_their_counts() {
    let read = |text: &'static str| Connection::parse(text).map(|c| (c.address.ip(), c.ttl, c.count));
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    assert_eq!(read("IN IP4 224.2.1.1/127/3"), Some((ip("224.2.1.1"), Some(127), 3)));
    assert_eq!(read("IN IP4 224.2.1.1/127"), Some((ip("224.2.1.1"), Some(127), 1)));
    assert_eq!(read("IN IP6 ff15::101/3"), Some((ip("ff15::101"), None, 3)));
    assert_eq!(
        read("in ip6 ::ffff:192.0.2.2"),
        Some((ip("192.0.2.2"), None, 1)),
        "mapped addresses are IPv4"
    );
    assert_eq!(read("IN IP4 host.example.com"), Some((None, None, 1)));
    assert_eq!(read("ATM NSAP 47.0091"), Some((None, None, 1)));
    for bad in [
        "",
        "IN IP4",
        "IN IP4 ",
        "IN IP4 2001:db8::1",
        "IN IP6 192.0.2.1",
        "IN IP4 1.2.3.4 5",
        "IN IP4 1.2.3.4/256",
        "IN IP4 1.2.3.4/1/2/3",
        "IN IP6 ff15::1/1/2",
        "IN IP6 ::g",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn media_lines_are_read() {
    let read = |text: &'static str| MediaLine::parse(text).map(|m| (m.port, m.count, m.formats().count()));
    assert_eq!(read("audio 49170/2 RTP/AVP 0 8"), Some((49170, 2, 2)));
    assert_eq!(read("application 9 UDP/DTLS/SCTP webrtc-datachannel"), Some((9, 1, 1)));
    assert_eq!(read("audio  49170   RTP/AVP  0  8 "), Some((49170, 1, 2)));
    assert_eq!(read("video 0 RTP/AVP"), Some((0, 1, 0)), "a refused stream needs no format");
    for bad in [
        "",
        "audio",
        "audio 1",
        "audio 1 RTP/AVP",
        "audio 65536 RTP/AVP 0",
        "audio x RTP/AVP 0",
        "audio 1/ RTP/AVP 0",
        "audio +1 RTP/AVP 0",
        "au(dio 1 RTP/AVP 0",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn attributes_are_read() {
    let map = |text: &'static str| Rtpmap::parse(text).map(|map| map.to_string());
    assert_eq!(map("111 opus/48000/2"), Some("111 opus/48000/2".into()));
    assert_eq!(map("0  PCMU/8000/1 "), Some("0 PCMU/8000".into()));
    for bad in
        ["", "0", "0 PCMU", "0 PCMU/", "0 PCMU/0", "128 x/1", "0 /8000", "0 x/8000/0", "0 x/8000/stereo"]
    {
        assert_eq!(map(bad), None, "{bad}");
    }
    let fmtp = Fmtp::parse("111 minptime=10; useinbandfec=1").unwrap();
    assert_eq!((fmtp.number, fmtp.parameters), (111, "minptime=10; useinbandfec=1"));
    for bad in ["", "111", "111 ", "x y", "200 y"] {
        assert_eq!(Fmtp::parse(bad), None);
    }
    let flag = Attribute::parse("sendrecv");
    assert_eq!((flag.name, flag.value), ("sendrecv", ""));
}

#[test]
fn sizes_are_bounded() {
    let many = |line: &str, count: usize| format!("{PLAIN}{}", line.repeat(count));
    assert_eq!(fault(&many("a=x\n", limits::SDP_LINES - 4)), None);
    assert_eq!(fault(&many("a=x\n", limits::SDP_LINES - 3)), Some(Fault::TooManyLines));
    assert_eq!(fault(&many("m=audio 1 RTP/AVP 0\n", limits::SDP_MEDIA)), None);
    assert_eq!(fault(&many("m=audio 1 RTP/AVP 0\n", limits::SDP_MEDIA + 1)), Some(Fault::TooManyMedia));
    let formats = |count| format!("{PLAIN}m=audio 1 RTP/AVP{}\n", " 0".repeat(count));
    assert_eq!(fault(&formats(limits::SDP_FORMATS)), None);
    assert_eq!(fault(&formats(limits::SDP_FORMATS + 1)), Some(Fault::TooManyFormats));
    let fill = limits::MESSAGE_OCTETS - PLAIN.len() - 2;
    assert_eq!(fault(&format!("{PLAIN}a={}", "x".repeat(fill))), None);
    assert_eq!(fault(&format!("{PLAIN}a={}", "x".repeat(fill + 1))), Some(Fault::TooLong));
}

#[test]
fn no_value_can_add_a_line() {
    let body = Writer::default().line('s', "a\r\nm=audio 1 RTP/AVP 0").attribute("x", "\0\n").finish();
    assert_eq!(&body[..], b"s=a  m=audio 1 RTP/AVP 0\r\na=x:  \r\n");
}

/// Writes every line again.
fn rewrite(session: &Session<'_>) -> bytes::Bytes {
    let line = |out: Writer, line: Line<'_>| {
        out.line(char::from(line.kind), std::str::from_utf8(line.value).unwrap())
    };
    session.lines().fold(Writer::default(), line).finish()
}

/// A value without line ends, with more of what matters to the grammar than chance would bring.
fn value() -> impl Strategy<Value = String> {
    "[ -~äß]{0,20}|(0|97|101) (PCMU|opus)/(8000|48000)(/2)?|[0-9]{1,5} IN IP[46] [0-9.:a-f]{1,12}"
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        ("[iuepbkzra]", value()).prop_map(|(kind, value)| format!("{kind}={value}")),
        "a=(rtpmap|fmtp|rtcp|ptime|maxptime):"
            .prop_flat_map(|name| value().prop_map(move |v| format!("{name}{v}"))),
        "m=(audio|video|image) [0-9]{1,4}(/2)? (RTP/AVP|RTP/SAVP|udptl)( [0-9]{1,3}){1,4}",
        Just("a=sendonly".to_owned()),
    ]
}

fn description() -> impl Strategy<Value = String> {
    let head = "v=0\r\no=[a-z-]{1,5} [0-9]{1,20} [0-9]{1,20} IN IP4 [a-z0-9.]{1,10}\r\ns=[ -~]{0,10}\r\n\
                c=IN IP4 (192\\.0\\.2\\.[1-9]|0\\.0\\.0\\.0|host)\r\nt=0 0\r\n";
    (head, prop::collection::vec(line(), 0..12))
        .prop_map(|(head, lines)| lines.iter().fold(head, |text, line| text + line + "\r\n"))
}

proptest! {
    #[test]
    fn an_unchanged_description_writes_the_same_bytes(text in description()) {
        let session = Session::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(&rewrite(&session)[..], text.as_bytes());
    }

    #[test]
    fn line_ends_make_no_difference(text in description()) {
        let lf = text.replace("\r\n", "\n");
        let session = Session::parse(lf.as_bytes()).unwrap();
        prop_assert_eq!(&rewrite(&session)[..], text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Session::parse(&raw);
        let _ = crate::offer::read(&raw);
    }

    #[test]
    fn damaged_descriptions_are_read_or_refused(
        text in description(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut raw = text.into_bytes();
        for (place, byte) in damage {
            let place = place.index(raw.len());
            raw[place] = byte;
        }
        if let Ok(session) = Session::parse(&raw) {
            for media in session.media() {
                prop_assert!(media.line.formats().count() <= limits::SDP_FORMATS);
            }
        }
        let _ = crate::offer::read(&raw);
    }
}
