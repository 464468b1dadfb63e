//! Session descriptions (RFC 8866) as they were captured: every line, what media they announce, and the same in words.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use memchr::memmem;
use telex_engine::sdp::{Address, Attribute, Connection, Fmtp, MediaLine, Rtcp, Rtpmap, Session};

use crate::codec::{self, Codec};
use crate::limits::{CANDIDATES, SDP_LINES, SDP_MEDIA};

/// A session description: its lines, and what could be made of them.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    /// Every line that is a letter, `=` and a value.
    pub lines: Vec<(char, Cow<'a, str>)>,
    /// Its media descriptions.
    pub media: Vec<Media>,
    /// Why the exchange would refuse it.
    pub defect: Option<String>,
}

/// Which way media flows, as the describing party sees it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// It sends only.
    SendOnly,
    /// It receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the describing party sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the describing party receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// One media description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video` or another.
    pub kind: String,
    /// Where it is received; 0 when it is refused.
    pub port: u16,
    /// `RTP/AVP` or another.
    pub proto: String,
    /// The address where it is received, when it is given in numbers.
    pub address: Option<IpAddr>,
    /// Where RTCP is received, when that is said.
    pub rtcp: Option<SocketAddr>,
    /// RTCP comes on the same port (RFC 5761).
    pub mux: bool,
    /// Which way it flows.
    pub direction: Direction,
    /// Codecs by payload type, the preferred first.
    pub codecs: Vec<Codec>,
    /// Milliseconds of audio in a packet, when that is said.
    pub ptime: Option<u32>,
    /// Other places where RTP may be received: ICE candidates over UDP (RFC 8839 §5.1).
    pub candidates: Vec<SocketAddr>,
}

impl Media {
    /// Where RTP is received: `None` when the stream is refused, on hold in the old way, or not RTP.
    pub fn rtp(&self) -> Option<SocketAddr> {
        let address = self.address.filter(|address| !address.is_unspecified() && self.port != 0);
        address.filter(|_| self.is_rtp()).map(|address| SocketAddr::new(address, self.port))
    }

    /// Whether it is carried by RTP, protected or not.
    pub fn is_rtp(&self) -> bool {
        self.proto.to_ascii_uppercase().contains("RTP/")
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        self.proto.to_ascii_uppercase().contains("RTP/SAVP")
    }
}

impl<'a> Description<'a> {
    /// Reads a session description as far as it goes.
    pub fn read(body: &'a [u8]) -> Self {
        let defect = Session::parse(body).err();
        let mut lines = Vec::new();
        for line in body.split(|&b| b == b'\n').take(SDP_LINES) {
            let line = line.trim_ascii_end();
            if let [kind @ (b'a'..=b'z' | b'A'..=b'Z'), b'=', value @ ..] = line {
                lines.push((char::from(*kind), String::from_utf8_lossy(value)));
            }
        }
        let media = media(&lines);
        let defect = defect.map(|e| format!("the session description: {} (line {})", e.fault, e.line));
        Self { lines, media, defect }
    }

    /// The session description in a body of several parts (RFC 2046 §5.1).
    pub(crate) fn in_multipart(body: &'a [u8]) -> Option<Self> {
        let mut from = 0;
        loop {
            let rest = body.get(from..)?;
            let at = memmem::find(rest, b"\nv=0")? + 1;
            let head = rest.get(..at)?.to_ascii_lowercase();
            if memmem::find(&head, b"application/sdp").is_some() {
                let part = rest.get(at..)?;
                let end = memmem::find(part, b"\n--").map_or(part.len(), |end| end + 1);
                return Some(Self::read(part.get(..end)?));
            }
            from += at;
        }
    }

    /// What it announces, a sentence for each media description.
    pub fn words(&self) -> Vec<String> {
        self.media.iter().map(words).collect()
    }
}

/// The media descriptions among the lines.
fn media(lines: &[(char, Cow<'_, str>)]) -> Vec<Media> {
    let (mut found, mut session, mut direction) = (Vec::<Media>::new(), None, Direction::default());
    for (kind, value) in lines {
        if *kind == 'm' && found.len() < SDP_MEDIA {
            if let Some(line) = MediaLine::parse(value) {
                found.push(Media {
                    kind: line.kind.to_owned(),
                    port: line.port,
                    proto: line.proto.to_owned(),
                    address: session,
                    rtcp: None,
                    mux: false,
                    direction,
                    codecs: line.formats().filter_map(codec::of_format).collect(),
                    ptime: None,
                    candidates: Vec::new(),
                });
            }
            continue;
        }
        match (kind, found.last_mut()) {
            ('c', last) => {
                let address = Connection::parse(value).and_then(|c| c.address.ip());
                match last {
                    Some(media) => media.address = address,
                    None => session = address,
                }
            }
            ('a', Some(media)) => attribute(media, Attribute::parse(value)),
            ('a', None) => direction = Direction::from_name(value.trim()).unwrap_or(direction),
            _ => {}
        }
    }
    for media in &mut found {
        // A media description without `m=` formats that are numbers has no codecs: T.38, message sessions.
        if !media.is_rtp() {
            media.codecs.clear();
        }
    }
    found
}

fn attribute(media: &mut Media, attribute: Attribute<'_>) {
    if let Some(direction) = Direction::from_name(attribute.name) {
        media.direction = direction;
    }
    match attribute.name {
        "rtpmap" => {
            if let Some(map) = Rtpmap::parse(attribute.value)
                && let Some(codec) = media.codecs.iter_mut().find(|codec| codec.payload_type == map.number)
            {
                codec.name = map.name.to_owned();
                (codec.clock, codec.channels) = (map.clock, map.channels);
            }
        }
        "fmtp" => {
            if let Some(fmtp) = Fmtp::parse(attribute.value)
                && let Some(codec) = media.codecs.iter_mut().find(|codec| codec.payload_type == fmtp.number)
            {
                codec.parameters = fmtp.parameters.to_owned();
            }
        }
        "rtcp" => {
            if let Some(rtcp) = Rtcp::parse(attribute.value) {
                let address = rtcp.address.as_ref().map_or(media.address, Address::ip);
                media.rtcp = address.map(|address| SocketAddr::new(address, rtcp.port));
            }
        }
        "candidate" if media.candidates.len() < CANDIDATES => {
            media.candidates.extend(candidate(attribute.value));
        }
        "rtcp-mux" => media.mux = true,
        "ptime" => media.ptime = attribute.value.trim().parse().ok(),
        _ => {}
    }
}

/// The address of a candidate for RTP: `1 1 UDP 2130706431 10.0.0.1 8998 typ host` (RFC 8839 §5.1).
fn candidate(value: &str) -> Option<SocketAddr> {
    let mut words = value.split_ascii_whitespace().skip(1);
    let (component, transport) = (words.next()?, words.next()?);
    let (address, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    (component == "1" && transport.eq_ignore_ascii_case("UDP")).then_some(SocketAddr::new(address, port))
}

/// `audio to 10.0.0.1:49170, both ways: PCMU 8000 Hz (0), telephone-event (101); 20 ms packets`.
fn words(media: &Media) -> String {
    if media.port == 0 {
        return format!("{} refused or ended (port 0)", media.kind);
    }
    let place = match media.address {
        Some(address) if address.is_unspecified() => "nowhere (hold in the old way)".to_owned(),
        Some(address) => SocketAddr::new(address, media.port).to_string(),
        None => format!("port {} of an address that is no number", media.port),
    };
    let way = match media.direction {
        Direction::SendRecv => "both ways",
        Direction::SendOnly => "sends only (hold)",
        Direction::RecvOnly => "receives only",
        Direction::Inactive => "neither way (hold)",
    };
    let mut text = format!("{} to {place}, {way}", media.kind);
    if !media.codecs.is_empty() {
        let codecs: Vec<String> = media.codecs.iter().map(ToString::to_string).collect();
        let _ = write!(text, ": {}", codecs.join(", "));
    } else if !media.is_rtp() {
        let _ = write!(text, ", by {}", media.proto);
    }
    if let Some(ptime) = media.ptime {
        let _ = write!(text, "; {ptime} ms a packet");
    }
    if media.is_secure() {
        text.push_str("; encrypted");
    }
    match media.rtcp {
        _ if media.mux => text.push_str("; RTCP on the same port"),
        Some(rtcp) => {
            let _ = write!(text, "; RTCP to {rtcp}");
        }
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &[u8] =
        b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendonly\r\n\
        m=audio 49170 RTP/AVP 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:53020\r\na=sendrecv\r\n\
        a=candidate:1 1 UDP 2130706431 10.9.9.9 8998 typ host\r\n\
        a=candidate:1 2 UDP 2130706430 10.9.9.9 8999 typ host\r\n\
        m=video 51372 RTP/SAVPF 31\r\nc=IN IP6 2001:db8::1\r\na=rtcp-mux\r\n\
        m=image 0 udptl t38\r\nm=image 4000 udptl t38\r\n";

    #[test]
    fn media_are_told_in_words() {
        let description = Description::read(OFFER);
        assert_eq!(description.defect, None);
        insta::assert_snapshot!(description.words().join("\n"), @r"
        audio to 10.0.0.1:49170, both ways: PCMA 8000 Hz (8), opus 48000 Hz stereo (96), telephone-event 8000 Hz (101); 20 ms a packet; RTCP to 10.0.0.1:53020
        video to [2001:db8::1]:51372, sends only (hold): H261 90000 Hz (31); encrypted; RTCP on the same port
        image refused or ended (port 0)
        image to 10.0.0.1:4000, sends only (hold), by udptl
        ");
        let rtp: Vec<Option<SocketAddr>> = description.media.iter().map(Media::rtp).collect();
        assert_eq!(rtp[0], Some("10.0.0.1:49170".parse().unwrap()));
        assert_eq!((rtp[2], rtp[3]), (None, None));
        assert_eq!(description.media[0].candidates, ["10.9.9.9:8998".parse().unwrap()]);
    }

    #[test]
    fn broken_descriptions_are_read_as_far_as_they_go() {
        let description = Description::read(b"s=x\nm=audio 4000 RTP/AVP 0\nnonsense\nc=IN IP4 1.2.3.4\n");
        assert!(description.defect.is_some());
        assert_eq!(description.media[0].rtp(), Some("1.2.3.4:4000".parse().unwrap()));
        assert_eq!(description.lines.len(), 3);
    }

    #[test]
    fn a_part_of_a_body_is_found() {
        let body =
            b"--b\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--b\r\nContent-Type: application/sdp\r\n\r\n\
            v=0\r\nm=audio 1 RTP/AVP 0\r\n--b--\r\n";
        let description = Description::in_multipart(body).unwrap();
        assert_eq!(description.lines.len(), 2);
    }
}
