//! Session descriptions as a phone writes and reads them: one audio stream.

use std::net::{IpAddr, SocketAddr};

/// Which way media may go, seen from the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Both.
    Both,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    ReceiveOnly,
    /// Neither.
    None,
}

impl Way {
    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::Both | Self::SendOnly)
    }

    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::Both | Self::ReceiveOnly)
    }

    /// What an answerer that wants `self` says to an offer of `offered` (RFC 3264 §6.1).
    pub(crate) fn answer_to(self, offered: Self) -> Self {
        Self::of(self.sends() && offered.receives(), self.receives() && offered.sends())
    }

    fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::Both,
            (true, false) => Self::SendOnly,
            (false, true) => Self::ReceiveOnly,
            (false, false) => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Both => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::None => "inactive",
        }
    }
}

/// What the other side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Where it receives RTP.
    pub(crate) address: SocketAddr,
    /// Its payload types, in order.
    pub(crate) formats: Vec<u8>,
    /// Its number for telephone events (RFC 4733).
    pub(crate) events: Option<u8>,
    /// Its direction.
    pub(crate) way: Way,
}

impl Remote {
    /// Reads a description with one usable audio stream.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut ip, mut port, mut formats, mut way) = (None::<IpAddr>, 0u16, Vec::new(), Way::Both);
        let mut events = None;
        for line in text.lines() {
            let (kind, value) = line.split_once('=')?;
            match (kind, value) {
                ("c", value) => ip = value.rsplit(' ').next()?.parse().ok(),
                ("m", value) => {
                    let mut words = value.split(' ');
                    if words.next()? != "audio" || port != 0 {
                        continue;
                    }
                    port = words.next()?.parse().ok()?;
                    formats = words.skip(1).filter_map(|w| w.parse().ok()).collect();
                }
                ("a", "sendonly") => way = Way::SendOnly,
                ("a", "recvonly") => way = Way::ReceiveOnly,
                ("a", "inactive") => way = Way::None,
                ("a", value) => {
                    let mapped = value.strip_prefix("rtpmap:").and_then(|map| map.split_once(' '));
                    if let Some((number, "telephone-event/8000")) = mapped {
                        events = events.or(number.parse().ok());
                    }
                }
                _ => {}
            }
        }
        (port != 0).then(|| Some(Self { address: SocketAddr::new(ip?, port), formats, events, way }))?
    }
}

/// Writes an offer or an answer.
pub(crate) fn write(
    address: IpAddr,
    port: u16,
    version: u32,
    formats: &[u8],
    events: Option<u8>,
    way: Way,
) -> String {
    let list: String = formats.iter().chain(&events).map(|f| format!(" {f}")).collect();
    let mut maps: String =
        formats.iter().filter_map(|f| name_of(*f).map(|n| format!("a=rtpmap:{f} {n}\r\n"))).collect();
    if let Some(number) = events {
        maps.push_str(&format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"));
    }
    format!(
        "v=0\r\no=- {port} {version} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP{list}\r\n{maps}a=ptime:20\r\na={}\r\n",
        way.name()
    )
}

/// The static payload types of RFC 3551 that phones here know.
fn name_of(format: u8) -> Option<&'static str> {
    match format {
        0 => Some("PCMU/8000"),
        3 => Some("GSM/8000"),
        8 => Some("PCMA/8000"),
        9 => Some("G722/8000"),
        _ => None,
    }
}

/// The formats of `offered` that `known` has too, in the order of the offer.
pub(crate) fn common(offered: &[u8], known: &[u8]) -> Vec<u8> {
    offered.iter().copied().filter(|f| known.contains(f)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let ip = "10.1.0.3".parse().unwrap();
        let body = write(ip, 4000, 1, &[8, 0], Some(101), Way::SendOnly);
        let read = Remote::read(body.as_bytes()).unwrap();
        assert_eq!(read.address, SocketAddr::new(ip, 4000));
        assert_eq!((read.formats.as_slice(), read.events), (&[8, 0, 101][..], Some(101)));
        assert_eq!(read.way, Way::SendOnly);
        assert_eq!(Way::Both.answer_to(read.way), Way::ReceiveOnly);
        assert_eq!(Way::SendOnly.answer_to(Way::SendOnly), Way::None);
    }
}
