//! Just enough SIP: parsing, answers, digest, SDP.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use md5::{Digest, Md5};

use crate::audio::Codec;
use crate::sys::real_ns;

/// A message in its text.
pub struct Msg<'a> {
    /// The first line.
    pub start: &'a str,
    /// Names in their long form, and values.
    pub headers: Vec<(&'a str, &'a str)>,
    /// What follows the empty line.
    pub body: &'a str,
}

fn long_name(n: &str) -> &str {
    match n {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        _ => n,
    }
}

impl<'a> Msg<'a> {
    /// Reads a message; `None` when it is none.
    pub fn parse(b: &'a [u8]) -> Option<Msg<'a>> {
        let s = std::str::from_utf8(b).ok()?;
        let (head, body) = s.split_once("\r\n\r\n").unwrap_or((s, ""));
        let mut it = head.split("\r\n");
        let start = it.next()?;
        if !start.contains("SIP/2.0") {
            return None;
        }
        let mut headers = Vec::with_capacity(16);
        for l in it {
            if let Some((n, v)) = l.split_once(':') {
                headers.push((long_name(n.trim()), v.trim()));
            }
        }
        Some(Msg { start, headers, body })
    }

    /// The first header of a name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|h| h.0.eq_ignore_ascii_case(name)).map(|h| h.1)
    }

    /// All headers of a name.
    pub fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.headers.iter().filter(move |h| h.0.eq_ignore_ascii_case(name)).map(|h| h.1)
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> &'a str {
        self.start.split(' ').next().unwrap_or("")
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> (u32, &'a str) {
        let c = self.get("CSeq").unwrap_or("");
        let mut it = c.split_whitespace();
        (it.next().and_then(|x| x.parse().ok()).unwrap_or(0), it.next().unwrap_or(""))
    }
}

/// The tag of a From or To.
pub fn tag(h: &str) -> Option<&str> {
    let after = h.rfind('>').map(|i| &h[i..]).unwrap_or(h);
    after.split(';').skip(1).find_map(|p| p.trim().strip_prefix("tag="))
}

/// The URI of a header that holds one.
pub fn uri_of(h: &str) -> &str {
    match (h.find('<'), h.find('>')) {
        (Some(a), Some(b)) if a < b => &h[a + 1..b],
        _ => h.split(';').next().unwrap_or(h).trim(),
    }
}

/// `template` with the number in place of `{i}`.
pub fn numbered(template: &str, number: usize) -> String {
    template.replace("{i}", &number.to_string())
}

/// Status line and the headers a response takes over; To gets `to_tag` if it has none.
pub fn reply_head(m: &Msg, code: u16, reason: &str, to_tag: Option<&str>) -> String {
    let mut head = format!("SIP/2.0 {code} {reason}\r\n");
    for (name, value) in &m.headers {
        let taken = ["Via", "From", "Call-ID", "CSeq", "Record-Route"];
        if taken.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            let _ = write!(head, "{name}: {value}\r\n");
        } else if name.eq_ignore_ascii_case("To") {
            let _ = match to_tag.filter(|_| tag(value).is_none()) {
                Some(to_tag) => write!(head, "To: {value};tag={to_tag}\r\n"),
                None => write!(head, "To: {value}\r\n"),
            };
        }
    }
    head
}

/// A response without a body.
pub fn reply_empty(m: &Msg, code: u16, reason: &str, to_tag: Option<&str>) -> String {
    reply_head(m, code, reason, to_tag) + "Content-Length: 0\r\n\r\n"
}

/// Sends a response without a body.
pub fn reply_simple(socket: &UdpSocket, m: &Msg, to: SocketAddr, code: u16, reason: &str) {
    let _ = socket.send_to(reply_empty(m, code, reason, Some("x1")).as_bytes(), to);
}

/// A head with its body, SDP if any.
pub fn with_body(head: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn md5_hex(s: &str) -> String {
    Md5::digest(s.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn param<'a>(h: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = h;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let (n, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (val, next) = if let Some(q) = after.strip_prefix('"') {
            q.split_once('"')?
        } else {
            let e = after.find(',').unwrap_or(after.len());
            (after[..e].trim(), &after[e..])
        };
        if n.trim().eq_ignore_ascii_case(name) {
            return Some(val);
        }
        rest = next;
        if rest.is_empty() {
            return None;
        }
    }
}

/// The whole Authorization / Proxy-Authorization line answering `m`'s challenge, if it can be answered.
pub fn answer_challenge(m: &Msg, user: &str, pass: &str, method: &str, uri: &str, nc: u32) -> Option<String> {
    let (chal_name, auth_name) = if m.status() == Some(407) {
        ("Proxy-Authenticate", "Proxy-Authorization")
    } else {
        ("WWW-Authenticate", "Authorization")
    };
    let chal = m
        .all(chal_name)
        .filter_map(|c| c.strip_prefix("Digest "))
        .find(|c| param(c, "algorithm").map(|a| a.eq_ignore_ascii_case("md5")).unwrap_or(true))?;
    let realm = param(chal, "realm")?;
    let nonce = param(chal, "nonce")?;
    let ha1 = md5_hex(&format!("{user}:{realm}:{pass}"));
    let ha2 = md5_hex(&format!("{method}:{uri}"));
    let mut l = format!(
        "{auth_name}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm=MD5"
    );
    if param(chal, "qop").map(|q| q.split(',').any(|x| x.trim() == "auth")).unwrap_or(false) {
        let cn = format!("{:016x}", real_ns());
        let r = md5_hex(&format!("{ha1}:{nonce}:{nc:08x}:{cn}:auth:{ha2}"));
        l += &format!(", qop=auth, nc={nc:08x}, cnonce=\"{cn}\", response=\"{r}\"");
    } else {
        l += &format!(", response=\"{}\"", md5_hex(&format!("{ha1}:{nonce}:{ha2}")));
    }
    if let Some(o) = param(chal, "opaque") {
        l += &format!(", opaque=\"{o}\"");
    }
    Some(l + "\r\n")
}

/// An offer or answer for one audio stream.
pub fn sdp(ip: Ipv4Addr, port: u16, sess: u64, codecs: &[Codec]) -> String {
    let mut s =
        format!("v=0\r\no=- {sess} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP");
    for c in codecs {
        s += &format!(" {}", c.pt());
    }
    s += "\r\n";
    for c in codecs {
        s += &format!("a=rtpmap:{} {}\r\n", c.pt(), c.rtpmap());
    }
    s + "a=ptime:20\r\na=sendrecv\r\n"
}

/// Where the first audio stream wants its RTP (ip << 16 | port), and its payload types in order.
pub fn sdp_dst(body: &str) -> Option<(u64, Vec<u8>)> {
    let mut ip = None;
    let mut port = None;
    let mut pts = vec![];
    for l in body.lines() {
        if let Some(r) = l.strip_prefix("m=") {
            if port.is_some() {
                break;
            }
            let mut f = r.split_whitespace();
            if f.next() != Some("audio") {
                return None;
            }
            port = f.next().and_then(|p| p.parse::<u16>().ok());
            pts = f.skip(1).filter_map(|p| p.parse().ok()).collect();
        } else if let Some(r) = l.strip_prefix("c=IN IP4 ") {
            ip = r.trim().parse::<Ipv4Addr>().ok();
        }
    }
    let port = port?;
    if port == 0 {
        return None;
    }
    Some(((u64::from(u32::from(ip?)) << 16) | u64::from(port), pts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_rfc2617_shape() {
        let raw = b"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a, b\", nonce=\"n=1\", \
            algorithm=MD5, qop=\"auth,auth-int\", opaque=\"o\"\r\nf: <sip:a@b>;tag=xy\r\n\r\n";
        let m = Msg::parse(raw).unwrap();
        assert_eq!(m.status(), Some(401));
        assert_eq!(tag(m.get("From").unwrap()), Some("xy"));
        let a = answer_challenge(&m, "u", "p", "REGISTER", "sip:x", 1).unwrap();
        for part in ["realm=\"a, b\"", "nonce=\"n=1\"", "qop=auth", "opaque=\"o\""] {
            assert!(a.contains(part), "{part} is not in {a}");
        }
    }

    #[test]
    fn sdp_parse() {
        let s = sdp(Ipv4Addr::new(127, 0, 0, 2), 4000, 1, &[Codec::Pcmu, Codec::G722]);
        let (d, p) = sdp_dst(&s).unwrap();
        assert_eq!(d as u16, 4000);
        assert_eq!((d >> 16) as u32, 0x7f000002);
        assert_eq!(p, vec![0, 9]);
    }

    #[test]
    fn uris() {
        assert_eq!(uri_of("\"x\" <sip:a@b:1;lr>;tag=1"), "sip:a@b:1;lr");
        assert_eq!(uri_of("sip:a@b;tag=1"), "sip:a@b");
    }
}
