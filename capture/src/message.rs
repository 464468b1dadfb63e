//! SIP messages as they were captured: shown whatever is wrong with them, and what is wrong is named.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use memchr::memchr;
use telex_engine::border::Transport;
use telex_engine::sip::{self, HeaderName};

use crate::sdp::Description;
use crate::start::without_breaks;
use crate::time::Time;

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Of a request.
    Request {
        /// The method as written.
        method: String,
        /// The Request-URI as written.
        uri: String,
    },
    /// Of a response.
    Response {
        /// The status code; 0 when it is no number.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
}

/// One SIP message of a capture.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its place among the messages of the capture, counted from 1.
    pub number: usize,
    /// The frame that completed it.
    pub frame: u64,
    /// When that frame was captured.
    pub at: Time,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who got it.
    pub destination: SocketAddr,
    /// How.
    pub transport: Transport,
    /// All its octets.
    pub raw: Bytes,
    /// Its first line.
    pub start: Start,
    /// Its Call-ID; empty when it has none.
    pub call_id: String,
    /// Number and method of its CSeq, when they can be read.
    pub cseq: Option<(u32, String)>,
    /// Whether it has a session description.
    pub has_sdp: bool,
    /// What is wrong with it, in words.
    pub defects: Vec<String>,
    /// The number of the message that this one repeats octet by octet.
    pub repeats: Option<usize>,
    /// Identification of its IP packet; 0 when it has none.
    pub(crate) packet: u16,
}

/// A header field: its name in its long form, and its value without line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// Where a message was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) frame: u64,
    pub(crate) at: Time,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) transport: Transport,
    /// Identification of its IP packet; 0 when it has none.
    pub(crate) packet: u16,
    /// What is wrong with how it came.
    pub(crate) defect: Option<String>,
}

impl Message {
    /// Reads a message whose first line is known to be SIP's.
    pub(crate) fn read(number: usize, found: Found, raw: Bytes) -> Self {
        let Found { frame, at, source, destination, transport, packet, defect } = found;
        let mut message = Self {
            number,
            frame,
            at,
            source,
            destination,
            transport,
            start: Start::read(&raw),
            raw,
            call_id: String::new(),
            cseq: None,
            has_sdp: false,
            defects: defect.into_iter().collect(),
            repeats: None,
            packet,
        };
        message.call_id = message.header("Call-ID").map_or_else(String::new, |text| shortened(&text, 512));
        message.cseq = message.header("CSeq").and_then(|text| {
            let (number, method) = text.trim().split_once([' ', '\t'])?;
            Some((number.parse().ok()?, shortened(method.trim(), 64)))
        });
        message.has_sdp = message.description().is_some();
        message.judge();
        message
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method of a request, or that which a response answers; empty when that cannot be read.
    pub fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq.as_ref().map_or("", |(_, method)| method),
        }
    }

    /// The status of a response; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// Whether it is a request of this method.
    pub fn is(&self, name: &str) -> bool {
        matches!(&self.start, Start::Request { method, .. } if method == name)
    }

    /// `INVITE`, or `180 Ringing`: what it is in a few words.
    pub fn title(&self) -> String {
        match &self.start {
            Start::Request { method, .. } => method.clone(),
            Start::Response { status, reason } => format!("{status} {reason}").trim().to_owned(),
        }
    }

    /// Its header fields in order. Octets that are not UTF-8 are replaced.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let (head, _) = split(&self.raw);
        Lines { rest: head }.skip(1).filter_map(field)
    }

    /// The value of the first field of this name, long or compact.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The values of a header that may be a list, taken apart: of all its fields, in order.
    pub fn values(&self, name: &str) -> Vec<String> {
        let fields = self.fields().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.flat_map(|field| sip::elements(&field.value).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// The tag parameter of `From` or `To`; empty without one.
    pub fn tag(&self, name: &str) -> String {
        let value = self.header(name).unwrap_or_default();
        let after = value.rsplit_once('>').map_or(&*value, |(_, after)| after);
        let tag = after.split(';').find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("tag").then(|| value.trim().to_owned())
        });
        tag.unwrap_or_default()
    }

    /// The branch parameter of the topmost Via; empty without one.
    pub fn branch(&self) -> String {
        let via = self.values("Via").into_iter().next().unwrap_or_default();
        let branch = via.split(';').find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("branch").then(|| value.trim().to_owned())
        });
        branch.unwrap_or_default()
    }

    /// The body: as long as Content-Length says, or all there is.
    pub fn body(&self) -> &[u8] {
        let (_, body) = split(&self.raw);
        let length = self.header("Content-Length").and_then(|text| text.trim().parse::<usize>().ok());
        body.get(..length.unwrap_or(body.len())).unwrap_or(body)
    }

    /// The session description in the body, or in a part of it.
    pub fn description(&self) -> Option<Description<'_>> {
        let body = self.body();
        if body.is_empty() {
            return None;
        }
        let kind = self.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        if kind.contains("multipart/") {
            return Description::in_multipart(body);
        }
        let is_sdp = kind.contains("application/sdp") || (kind.is_empty() && body.starts_with(b"v=0"));
        is_sdp.then(|| Description::read(body))
    }

    /// Names what is wrong with it: what the exchange would refuse it for first.
    fn judge(&mut self) {
        let mut defects = Vec::new();
        let mut add = |defect: String| {
            if !defects.contains(&defect) {
                defects.push(defect);
            }
        };
        match sip::Message::parse(self.raw.clone()) {
            Err(e) => add(format!("{e} (at octet {})", e.offset())),
            Ok(parsed) => {
                let first = parsed.defect().copied();
                let errors = [
                    first,
                    parsed.via().err(),
                    parsed.from().err(),
                    parsed.to().err(),
                    parsed.call_id().err(),
                    parsed.cseq().err(),
                    parsed.content_length().and_then(Result::err),
                    parsed.contact().and_then(Result::err),
                    parsed.max_forwards().and_then(Result::err),
                ];
                for e in errors.into_iter().flatten() {
                    add(format!("{e} (at octet {})", e.offset()));
                }
                if let (Start::Request { method, .. }, Some((_, other))) = (&self.start, &self.cseq)
                    && method != other
                {
                    add(format!("the method is {method}, that in CSeq {other}"));
                }
            }
        }
        let (_, rest) = split(&self.raw);
        let beyond = rest.len() - self.body().len();
        if self.transport == Transport::Udp && beyond > 0 && rest.iter().any(|b| !b"\r\n\0".contains(b)) {
            add(format!("{beyond} octets after the body that Content-Length gives"));
        }
        if let Some(fault) = self.description().and_then(|d| d.defect) {
            add(fault);
        }
        self.defects.extend(defects);
    }
}

impl Start {
    fn read(raw: &[u8]) -> Self {
        let line = Lines { rest: without_breaks(raw) }.next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        let (first, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if first.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/")) {
            let (status, reason) = rest.trim().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
            return Self::Response {
                status: status.parse().unwrap_or(0),
                reason: shortened(reason.trim(), 1024),
            };
        }
        let uri = rest.rsplit_once([' ', '\t']).map_or(rest, |(uri, version)| {
            if version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("SIP/")) { uri } else { rest }
        });
        Self::Request { method: shortened(first, 128), uri: shortened(uri.trim(), 8192) }
    }
}

/// At most so many octets of a text.
fn shortened(text: &str, octets: usize) -> String {
    text.get(..text.floor_char_boundary(octets)).unwrap_or_default().to_owned()
}

/// The head with its start line, and what comes after the empty line.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let raw = without_breaks(raw);
    let mut from = 0;
    while let Some(end) = raw.get(from..).and_then(|rest| memchr(b'\n', rest)) {
        let line = raw.get(from..from + end).unwrap_or_default();
        let next = from + end + 1;
        if from > 0 && matches!(line, [] | b"\r") {
            return (raw.get(..from).unwrap_or_default(), raw.get(next..).unwrap_or_default());
        }
        from = next;
    }
    (raw, &[])
}

/// The lines of a head; those that begin with white space belong to the one before (RFC 3261 §7.3.1).
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let rest = self.rest.get(end..).unwrap_or_default();
            end += memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(line.trim_ascii_end())
    }
}

/// A header field; `None` for a line without a colon.
fn field(line: &[u8]) -> Option<Field<'_>> {
    let colon = memchr(b':', line)?;
    let (name, value) = line.split_at(colon);
    let name = String::from_utf8_lossy(name.trim_ascii());
    let known = HeaderName::from_name(&name);
    let name = if known == HeaderName::Other { name } else { Cow::Borrowed(known.as_str()) };
    let value = match String::from_utf8_lossy(value.get(1..)?.trim_ascii()) {
        Cow::Borrowed(text) => sip::unfold(text),
        Cow::Owned(text) => Cow::Owned(sip::unfold(&text).into_owned()),
    };
    Some(Field { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        let at = SocketAddr::from(([127, 0, 0, 1], 5060));
        let found = Found {
            frame: 1,
            at: Time::default(),
            source: at,
            destination: at,
            transport: Transport::Udp,
            packet: 0,
            defect: None,
        };
        Message::read(1, found, Bytes::copy_from_slice(text.as_bytes()))
    }

    const GOOD: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1,\r\n SIP/2.0/UDP b\r\n\
        f: \"A > B\" <sip:alice@atlanta.com>;tag=19\r\nt: <sip:bob@biloxi.com>\r\ni: 1@a\r\nCSeq: 4 INVITE\r\n\
        Max-Forwards: 70\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0";

    #[test]
    fn compact_names_folds_and_lists_are_made_plain() {
        let m = message(GOOD);
        let names: Vec<String> = m.fields().map(|f| f.name.into_owned()).collect();
        let wanted =
            ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length"];
        assert_eq!(names, wanted);
        assert_eq!(m.values("Via"), ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b"]);
        assert_eq!((m.branch(), m.tag("From"), m.tag("To")), ("z9hG4bK1".into(), "19".into(), String::new()));
        assert_eq!((m.call_id.as_str(), m.cseq.clone()), ("1@a", Some((4, "INVITE".into()))));
        assert!(m.has_sdp && m.is("INVITE"));
        assert_eq!(m.defects, ["the session description: bad or missing o= (line 2)"]);
    }

    #[test]
    fn what_the_exchange_refuses_is_shown_with_the_reason() {
        let broken = GOOD.replace("CSeq: 4 INVITE", "CSeq: x INVITE").replace("l: 3", "l: 300");
        let m = message(&broken);
        assert_eq!(m.body(), b"v=0");
        assert!(m.defects.iter().any(|d| d.starts_with("bad CSeq: not a number")), "{:?}", m.defects);
        assert!(m.defects.iter().any(|d| d.starts_with("bad Content-Length: more than")), "{:?}", m.defects);
        let endless = message("SIP/2.0 486 Busy Here\r\nCSeq: 1 BYE\r\n");
        assert_eq!(endless.title(), "486 Busy Here");
        assert_eq!((endless.status(), endless.method()), (Some(486), "BYE"));
        assert!(endless.defects[0].contains("no empty line"), "{:?}", endless.defects);
        let other = message(&GOOD.replace("INVITE sip:bob@biloxi.com", "OPTIONS  sip:bob@biloxi.com "));
        assert_eq!(
            other.start,
            Start::Request { method: "OPTIONS".into(), uri: "sip:bob@biloxi.com".into() }
        );
        assert!(other.defects.contains(&"the method is OPTIONS, that in CSeq INVITE".to_owned()));
        let more = message(&format!("{GOOD}\r\na=x"));
        assert!(more.defects.contains(&"5 octets after the body that Content-Length gives".to_owned()));
    }
}
