//! A strict reader of SIP, for what the exchange sends. It knows one way to write each thing, the way RFC
//! 3261 §25 asks of a sender, and shares no code with the engine. What it refuses is a bug of the engine even
//! where a tolerant receiver would cope.

use crate::text::{Msg, Start, parameter};
use bytes::Bytes;

/// Header fields that stand exactly once in every message.
const ONCE: [&str; 5] = ["from", "to", "call-id", "cseq", "content-length"];
/// Header fields that stand at most once.
const AT_MOST_ONCE: [&str; 8] = [
    "max-forwards",
    "expires",
    "min-expires",
    "content-type",
    "session-expires",
    "min-se",
    "rseq",
    "retry-after",
];

/// Reads one whole message, or says what is wrong with it.
pub(crate) fn read(raw: &Bytes) -> Result<Msg, String> {
    octets(raw)?;
    let msg = Msg::read(raw).ok_or("no start line, or a header line without a colon, or no blank line")?;
    names(&msg)?;
    start_line(&msg)?;
    for name in ONCE {
        let count = msg.all(name).count();
        if count != 1 {
            return Err(format!("{name} stands {count} times"));
        }
    }
    for name in AT_MOST_ONCE {
        if msg.all(name).count() > 1 {
            return Err(format!("{name} stands more than once"));
        }
    }
    content(&msg)?;
    vias(&msg)?;
    address(&msg, "from")?;
    address(&msg, "to")?;
    tags(&msg)?;
    cseq(&msg)?;
    contact(&msg)?;
    numbers(&msg)?;
    challenges(&msg)?;
    Ok(msg)
}

/// Line ends are CR LF, and nothing but them is a control character (§7, §25.1).
fn octets(raw: &Bytes) -> Result<(), String> {
    let end = crate::text::head_length(raw).ok_or("no blank line ends the header")?;
    let head = &raw[..end];
    for (at, byte) in head.iter().enumerate() {
        let fine = match byte {
            b'\r' => head.get(at + 1) == Some(&b'\n'),
            b'\n' => at > 0 && head[at - 1] == b'\r',
            // What a phone wrote between words comes back as it was (§25.1 LWS).
            b'\t' => true,
            0..=31 | 127 => false,
            _ => true,
        };
        if !fine {
            return Err(format!("octet {byte:#04x} at {at}"));
        }
    }
    std::str::from_utf8(head).map(|_| ()).map_err(|e| format!("header is not UTF-8: {e}"))
}

fn names(msg: &Msg) -> Result<(), String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    match msg.headers.iter().find(|(name, _)| name.is_empty() || !name.bytes().all(token)) {
        Some((name, _)) => Err(format!("header name {name:?} is no token")),
        None => Ok(()),
    }
}

fn start_line(msg: &Msg) -> Result<(), String> {
    match &msg.start {
        Start::Request { method, uri } => {
            if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err(format!("method {method:?}"));
            }
            sip_uri(uri)
        }
        Start::Response { code, reason } => {
            if !(100..700).contains(code) || reason.is_empty() {
                return Err(format!("status {code} {reason:?}"));
            }
            Ok(())
        }
    }
}

/// Content-Length is the length (§20.14), a body has a type (§20.15), and a session description is one.
fn content(msg: &Msg) -> Result<(), String> {
    let text = msg.get("content-length").unwrap_or_default();
    let length: usize = text.parse().map_err(|_| format!("Content-Length {text:?}"))?;
    if length != msg.body.len() {
        return Err(format!("Content-Length {length}, but {} octets of body", msg.body.len()));
    }
    match (msg.get("content-type"), msg.body.is_empty()) {
        (None, false) => Err("a body without Content-Type".to_owned()),
        (Some("application/sdp"), false) => session_description(&msg.body),
        _ => Ok(()),
    }
}

/// RFC 8866 §5: order of lines, and of the fields that matter.
fn session_description(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("SDP is not UTF-8: {e}"))?;
    let Some(text) = text.strip_suffix("\r\n") else {
        return Err("SDP does not end with a line end".to_owned());
    };
    let mut place = 0;
    let mut media = 0;
    for line in text.split("\r\n") {
        let (kind, value) = line.split_once('=').ok_or_else(|| format!("SDP line {line:?}"))?;
        let order = if media == 0 { "vosiuepcbtrzka" } else { "micbka" };
        if kind == "m" {
            (media, place) = (media + 1, 0);
            media_line(value)?;
            continue;
        }
        let at = order.find(kind).filter(|_| kind.len() == 1);
        let at = at.ok_or_else(|| format!("SDP line {line:?} does not belong there"))?;
        if at < place {
            return Err(format!("SDP line {line:?} out of order"));
        }
        place = at;
        let words = value.split(' ').count();
        let fine = match kind {
            "v" => value == "0",
            "o" => words == 6,
            "c" => words == 3,
            "t" => words == 2,
            _ => !value.is_empty(),
        };
        if !fine {
            return Err(format!("SDP line {line:?}"));
        }
    }
    let missing =
        ["v=", "o=", "s=", "t="].into_iter().find(|k| !text.split("\r\n").any(|l| l.starts_with(k)));
    match missing {
        Some(kind) => Err(format!("SDP without {kind}")),
        None => Ok(()),
    }
}

fn media_line(value: &str) -> Result<(), String> {
    let words: Vec<&str> = value.split(' ').collect();
    let port = words.get(1).and_then(|w| w.split('/').next()).and_then(|w| w.parse::<u16>().ok());
    if words.len() < 4 || port.is_none() || words.iter().any(|w| w.is_empty()) {
        return Err(format!("SDP line m={value:?}"));
    }
    Ok(())
}

/// Via (§20.42): version, transport, sent-by, and the magic cookie on our own (§8.1.1.7).
fn vias(msg: &Msg) -> Result<(), String> {
    let Some(top) = msg.get("via") else { return Err("no Via".to_owned()) };
    for via in msg.all("via").flat_map(|v| v.split(',')) {
        let mut words = via.split_whitespace();
        let protocol = words.next().unwrap_or_default();
        let sent_by = words.next().unwrap_or_default().split(';').next().unwrap_or_default();
        if !protocol.starts_with("SIP/2.0/") || sent_by.is_empty() {
            return Err(format!("Via {via:?}"));
        }
    }
    let branch = parameter(top, "branch").unwrap_or_default();
    if msg.is_request() && (!branch.starts_with("z9hG4bK") || branch.len() < 12) {
        return Err(format!("branch {branch:?}"));
    }
    if msg.is_request() && msg.all("via").count() != 1 {
        return Err("a request of a user agent has one Via".to_owned());
    }
    Ok(())
}

/// `"display" <uri>;params` with balanced quotes and brackets (§20.10).
fn address(msg: &Msg, name: &str) -> Result<(), String> {
    let value = msg.get(name).unwrap_or_default();
    name_addr(value).map_err(|why| format!("{name} {value:?}: {why}"))
}

fn name_addr(value: &str) -> Result<(), String> {
    let mut quoted = false;
    let mut escaped = false;
    let mut open = None;
    let mut close = None;
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if open.is_none() || close.is_some() => quoted = !quoted,
            b'<' if !quoted && open.is_none() => open = Some(at),
            b'>' if !quoted && open.is_some() && close.is_none() => close = Some(at),
            b'<' | b'>' if !quoted => return Err("brackets".to_owned()),
            _ => {}
        }
    }
    match (quoted, open, close) {
        (true, ..) => Err("quotes".to_owned()),
        (_, Some(open), Some(close)) => sip_uri(&value[open + 1..close]),
        (_, None, None) => sip_uri(value.split(';').next().unwrap_or_default()),
        _ => Err("brackets".to_owned()),
    }
}

fn sip_uri(uri: &str) -> Result<(), String> {
    if let Some(number) = uri.strip_prefix("tel:") {
        return if number.is_empty() { Err("empty tel URI".to_owned()) } else { Ok(()) };
    }
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"));
    let rest = rest.ok_or_else(|| format!("URI {uri:?} has no known scheme"))?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or_default();
    let bad = |b: u8| b <= b' ' || b"<>\"".contains(&b) || b >= 127;
    if host.is_empty() || uri.bytes().any(bad) {
        return Err(format!("URI {uri:?}"));
    }
    match host.strip_prefix('[') {
        Some(rest) if !rest.contains(']') => Err(format!("URI {uri:?}")),
        _ => Ok(()),
    }
}

/// From always has a tag (§8.1.1.3); To has one in every response but 100 (§8.2.6.2).
fn tags(msg: &Msg) -> Result<(), String> {
    if msg.tag("from").is_none_or(str::is_empty) {
        return Err("From without tag".to_owned());
    }
    if msg.code().is_some_and(|code| code > 100) && msg.tag("to").is_none_or(str::is_empty) {
        return Err("To without tag in a response".to_owned());
    }
    let within = matches!(msg.method(), "BYE" | "UPDATE" | "PRACK" | "INFO" | "NOTIFY");
    if msg.is_request() && within && msg.tag("to").is_none() {
        return Err(format!("{} without To tag", msg.method()));
    }
    Ok(())
}

fn cseq(msg: &Msg) -> Result<(), String> {
    let text = msg.get("cseq").unwrap_or_default();
    let (number, method) = msg.cseq().ok_or_else(|| format!("CSeq {text:?}"))?;
    if number >= 1 << 31 {
        return Err(format!("CSeq {number} is 2^31 or more"));
    }
    if msg.is_request() && method != msg.method() {
        return Err(format!("CSeq says {method}, the request line {}", msg.method()));
    }
    Ok(())
}

/// Requests that open or refresh a dialog carry one Contact, and so do their successes (§8.1.1.8, §12.1.1,
/// RFC 3311 §5.1).
fn contact(msg: &Msg) -> Result<(), String> {
    let count = msg.all("contact").count();
    let target = matches!(msg.method(), "INVITE" | "UPDATE" | "SUBSCRIBE");
    let accepts = msg.code().is_some_and(|code| (200..300).contains(&code));
    if target && (msg.is_request() || accepts) && count != 1 {
        return Err(format!("{} with {count} Contact fields", msg.summary()));
    }
    if msg.method() == "REGISTER" {
        return Ok(());
    }
    msg.all("contact")
        .try_for_each(|value| name_addr(value).map_err(|why| format!("Contact {value:?}: {why}")))
}

fn numbers(msg: &Msg) -> Result<(), String> {
    let number = |name: &str, most: u64| match msg.get(name) {
        None => Ok(()),
        Some(text) => match text.split([';', ' ']).next().unwrap_or_default().parse::<u64>() {
            Ok(n) if n <= most => Ok(()),
            _ => Err(format!("{name} {text:?}")),
        },
    };
    number("max-forwards", 255)?;
    for name in ["expires", "min-expires", "session-expires", "min-se", "retry-after", "rseq"] {
        number(name, u64::from(u32::MAX))?;
    }
    if msg.is_request() && msg.get("max-forwards").is_none() {
        return Err("a request without Max-Forwards".to_owned());
    }
    Ok(())
}

/// A 401 or 407 says what it wants (§20.27, §20.44); a 405 what is allowed, a 423 how long, a 420 what is not
/// known.
fn challenges(msg: &Msg) -> Result<(), String> {
    let needs = match msg.code() {
        Some(401) => "www-authenticate",
        Some(407) => "proxy-authenticate",
        Some(405) => "allow",
        Some(420) => "unsupported",
        Some(422) => "min-se",
        Some(423) => "min-expires",
        _ => return Ok(()),
    };
    let Some(value) = msg.get(needs) else { return Err(format!("{} without {needs}", msg.summary())) };
    let digest = needs.ends_with("authenticate");
    if digest && !(value.starts_with("Digest ") && value.contains("realm=\"") && value.contains("nonce=\"")) {
        return Err(format!("{needs} {value:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INVITE sip:101@10.1.0.2:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKabcdef;rport\r\nMax-Forwards: 70\r\nFrom: \"A \\\" B\" <sip:100@telex>;tag=a\r\nTo: <sip:101@10.1.0.2>\r\nCall-ID: c1\r\n\
        CSeq: 1 INVITE\r\nContact: <sip:telex@10.0.0.1:5060>\r\n\
        Content-Type: application/sdp\r\nContent-Length: 82\r\n\r\n\
        v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n";

    fn verdict(text: &str) -> Result<Msg, String> {
        read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_good_message_passes() {
        assert_eq!(verdict(GOOD).map(|m| m.method().to_owned()), Ok("INVITE".to_owned()));
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let damage = [
            ("Max-Forwards: 70\r\n", "", "Max-Forwards"),
            ("Max-Forwards: 70", "Max-Forwards: 256", "max-forwards"),
            ("Length: 82", "Length: 77", "Content-Length 77, but 82"),
            ("Call-ID: c1\r\n", "Call-ID: c1\r\ni: c1\r\n", "call-id stands 2 times"),
            ("CSeq: 1 INVITE", "CSeq: 1 BYE", "CSeq says BYE"),
            ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", "2^31"),
            (";tag=a", "", "From without tag"),
            ("z9hG4bKabcdef", "abcdefabcdef", "branch"),
            ("To: <sip:101@10.1.0.2>", "To: <sip:101@10.1.0.2", "brackets"),
            ("\\\" B\"", "\\\" B", "quotes"),
            ("Contact: <sip:telex@10.0.0.1:5060>\r\n", "", "0 Contact"),
            ("Max-Forwards: 70\r\n", "Max-Forwards: 70\nX: y\r\n", "octet 0x0a"),
            ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nX Y: z\r\n", "no token"),
            ("m=audio 4 RTP", "m=audio x RTP", "m="),
            ("sip:101@10.1.0.2:5060 SIP", "101 SIP", "no known scheme"),
            ("SIP/2.0\r\nVia", "SIP/2.1\r\nVia", "no start line"),
            ("s=-\r\nc=IN IP4 10.0.0.1\r\n", "c=IN IP4 10.0.0.1\r\ns=-\r\n", "out of order"),
            ("Content-Type: application/sdp\r\n", "", "without Content-Type"),
        ];
        for (from, to, expected) in damage {
            assert!(GOOD.contains(from), "{from:?} is not in the good message");
            let found = verdict(&GOOD.replacen(from, to, 1)).expect_err(expected);
            assert!(found.contains(expected), "{expected:?} expected, but: {found}");
        }
    }

    #[test]
    fn responses_say_what_they_must() {
        let response = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.1.0.2;branch=z9hG4bKx\r\n\
            From: <sip:1@a>;tag=1\r\nTo: <sip:1@a>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
        assert!(verdict(response).expect_err("no challenge").contains("www-authenticate"));
        let challenged = response.replacen(
            "Content-L",
            "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\nContent-L",
            1,
        );
        assert!(verdict(&challenged).is_ok());
        assert!(verdict(&challenged.replacen(";tag=2", "", 1)).expect_err("tag").contains("To without tag"));
    }
}
