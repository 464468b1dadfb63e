//! A SIP message as the world reads it: start line, header fields, body. Written apart from the engine's
//! parser, so that a misreading there is not repeated here. It forgives nothing that the strict reader
//! ([`crate::checker`]) refuses.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msg {
    /// Request line or status line.
    pub(crate) start: Start,
    /// Names in long form and lower case, values trimmed, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// What follows the blank line.
    pub(crate) body: Bytes,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A request.
    Request {
        /// Its method.
        method: String,
        /// Its Request-URI.
        uri: String,
    },
    /// A response.
    Response {
        /// Its status.
        code: u16,
        /// Its reason phrase.
        reason: String,
    },
}

/// Where the blank line ends, if it is there.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

impl Msg {
    /// Reads one whole message. `None` when it is none.
    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let end = head_length(bytes)?;
        let head = unfolded(std::str::from_utf8(&bytes[..end - 4]).ok()?);
        let mut lines = head.split("\r\n");
        let start = Start::read(lines.next()?)?;
        let mut headers = Vec::with_capacity(16);
        for line in lines {
            let (name, value) = line.split_once(':')?;
            headers.push((long_name(name.trim()), value.trim().to_owned()));
        }
        Some(Self { start, headers, body: bytes.slice(end..) })
    }

    /// The first value of this header; `name` in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of this header, one per field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of this header, those between commas apart.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(elements)
    }

    /// Whether `token` is among the values of this header.
    pub(crate) fn has(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// The method: of the request line, or of CSeq in a response.
    pub(crate) fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().map_or("", |(_, method)| method),
        }
    }

    /// The status, of a response.
    pub(crate) fn code(&self) -> Option<u16> {
        match self.start {
            Start::Response { code, .. } => Some(code),
            Start::Request { .. } => None,
        }
    }

    /// Whether it is a request.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// Whether it is a request for this user.
    pub(crate) fn is_to(&self, user: &str) -> bool {
        let Start::Request { uri, .. } = &self.start else { return false };
        let rest = uri.split_once(':').map_or(uri.as_str(), |(_, rest)| rest);
        rest.split_once('@').is_some_and(|(known, _)| known == user)
    }

    /// Number and method of CSeq.
    pub(crate) fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.get("cseq")?.split_once([' ', '\t'])?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// Call-ID.
    pub(crate) fn call_id(&self) -> &str {
        self.get("call-id").unwrap_or_default()
    }

    /// The branch of the topmost Via.
    pub(crate) fn branch(&self) -> &str {
        self.values("via").next().and_then(|via| parameter(via, "branch")).unwrap_or_default()
    }

    /// What tells its transaction from all others: branch, sent-by and method (RFC 3261 §17.2.3). An ACK and a
    /// CANCEL are looked up with the method of their INVITE.
    pub(crate) fn transaction(&self, method: &str) -> Transaction {
        let via = self.values("via").next().unwrap_or_default();
        let sent_by = via.split(';').next().unwrap_or_default().split_whitespace().next_back();
        let sent_by = sent_by.unwrap_or_default().to_ascii_lowercase();
        Transaction { branch: self.branch().to_owned(), sent_by, method: method.to_owned() }
    }

    /// Whether its body is a session description.
    pub(crate) fn has_description(&self) -> bool {
        let sdp = |kind: &str| kind.to_ascii_lowercase().starts_with("application/sdp");
        !self.body.is_empty() && self.get("content-type").is_some_and(sdp)
    }

    /// The tag of From or To.
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        // Parameters inside <> belong to the URI.
        let value = self.get(name)?;
        let outside = value.rfind('>').map_or(value, |at| &value[at..]);
        parameter(outside, "tag")
    }

    /// The URI of a header of the form `"name" <uri>;params` or `uri;params`.
    pub(crate) fn uri(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        match value.find('<') {
            Some(open) => value[open + 1..].split('>').next(),
            None => value.split(';').next(),
        }
    }

    /// The display name of a header, without its quotes. Names with quotes in them are not for phones here.
    pub(crate) fn display(&self, name: &str) -> &str {
        let named = self.get(name).and_then(|value| value.split_once('<'));
        named.map_or("", |(display, _)| display.trim().trim_matches('"'))
    }

    /// The user part of a header's URI.
    pub(crate) fn user(&self, name: &str) -> &str {
        let uri = self.uri(name).unwrap_or_default();
        let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        rest.split_once('@').map_or("", |(user, _)| user)
    }

    /// One line for people: `INVITE sip:101@x` or `200 OK (INVITE)`, with a mark when it carries a body.
    pub(crate) fn summary(&self) -> String {
        let mut text = match &self.start {
            Start::Request { method, .. } => method.clone(),
            Start::Response { code, reason } => format!("{code} {reason} ({})", self.method()),
        };
        if let Some((number, _)) = self.cseq() {
            let _ = write!(text, " {number}");
        }
        if !self.body.is_empty() {
            text.push_str(" +sdp");
        }
        text
    }
}

impl Start {
    fn read(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
            let (code, reason) = rest.split_once(' ')?;
            return Some(Self::Response { code: code.parse().ok()?, reason: reason.to_owned() });
        }
        let (method, rest) = line.split_once(' ')?;
        let (uri, version) = rest.split_once(' ')?;
        (version == "SIP/2.0").then(|| Self::Request { method: method.to_owned(), uri: uri.to_owned() })
    }
}

/// A transaction, as both ends name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Transaction {
    pub(crate) branch: String,
    pub(crate) sent_by: String,
    pub(crate) method: String,
}

/// Folded lines as one (RFC 3261 §7.3.1).
fn unfolded(head: &str) -> Cow<'_, str> {
    if !head.contains("\r\n ") && !head.contains("\r\n\t") {
        return Cow::Borrowed(head);
    }
    let mut text = String::with_capacity(head.len());
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            text.push(' ');
            text.push_str(line.trim_start());
        } else {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(line);
        }
    }
    Cow::Owned(text)
}

/// What stands between commas outside quotes and brackets, trimmed.
pub(crate) fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let (mut quoted, mut escaped, mut inside) = (false, false, false);
        for (at, byte) in now.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'<' if !quoted => inside = true,
                b'>' if !quoted => inside = false,
                b',' if !quoted && !inside => {
                    rest = Some(&now[at + 1..]);
                    return Some(now[..at].trim());
                }
                _ => {}
            }
        }
        rest = None;
        Some(now.trim())
    })
    .filter(|value| !value.is_empty())
}

/// The value of `;name=value`, without quotes.
pub(crate) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn long_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "i" => "call-id".to_owned(),
        "m" => "contact".to_owned(),
        "e" => "content-encoding".to_owned(),
        "l" => "content-length".to_owned(),
        "c" => "content-type".to_owned(),
        "f" => "from".to_owned(),
        "s" => "subject".to_owned(),
        "k" => "supported".to_owned(),
        "t" => "to".to_owned(),
        "v" => "via".to_owned(),
        "x" => "session-expires".to_owned(),
        _ => lower,
    }
}

/// Writes a message: start line and header lines in call order.
#[derive(Debug)]
pub(crate) struct Build(String);

impl Build {
    /// A request.
    pub(crate) fn request(method: &str, uri: &str) -> Self {
        Self(format!("{method} {uri} SIP/2.0\r\n"))
    }

    /// A response.
    pub(crate) fn response(code: u16) -> Self {
        Self(format!("SIP/2.0 {code} {}\r\n", phrase(code)))
    }

    /// One header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.push_str(value);
        self.0.push_str("\r\n");
        self
    }

    /// The whole message with an SDP body, or none when it is empty.
    pub(crate) fn body(mut self, body: &str) -> Bytes {
        if !body.is_empty() {
            self = self.header("Content-Type", "application/sdp");
        }
        let _ = write!(self.0, "Content-Length: {}\r\n\r\n{body}", body.len());
        Bytes::from(self.0)
    }
}

/// The reason phrases of RFC 3261 §21 that phones use.
fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        302 => "Moved Temporarily",
        404 => "Not Found",
        405 => "Method Not Allowed",
        420 => "Bad Extension",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        603 => "Decline",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_reads_back() {
        let bytes = Build::request("INVITE", "sip:101@10.0.0.1")
            .header("v", "SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKx;rport")
            .header("From", "\"A; tag=no\" <sip:100@telex;tag=uri>;tag=yes")
            .header("CSeq", "7 INVITE")
            .body("v=0\r\n");
        let msg = Msg::read(&bytes).unwrap();
        assert_eq!(msg.method(), "INVITE");
        assert_eq!(msg.branch(), "z9hG4bKx");
        assert_eq!(msg.tag("from"), Some("yes"));
        assert_eq!((msg.user("from"), msg.display("from")), ("100", "A; tag=no"));
        assert_eq!(msg.cseq(), Some((7, "INVITE")));
        assert_eq!(&msg.body[..], b"v=0\r\n");
        assert_eq!(msg.summary(), "INVITE 7 +sdp");
    }
}
