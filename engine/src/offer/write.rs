//! Writing offers and answers.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use super::codec::Codec;
use super::description::{Description, Layout, Ptime};
use super::direction::Direction;
use crate::sdp::{Address, Connection, MediaLine, Origin, Rtpmap, Writer};

/// Our facts in a description: where we receive, and the numbers of `o=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Local {
    /// Where we receive media.
    pub address: IpAddr,
    /// Our RTP port; RTCP is received on the port above it.
    pub port: u16,
    /// Names our session towards this party for as long as it lasts.
    pub session_id: u64,
    /// Edition: one more than before when anything else in the description changed, else the same (RFC 3264 §8).
    pub version: u64,
}

/// Writes the first offer to a party: one audio stream with these codecs and numbers.
pub fn write_offer(local: &Local, codecs: &[Codec], direction: Direction, ptime: Ptime) -> Bytes {
    write(local, &Layout::default(), codecs, direction, ptime)
}

/// Writes a later offer to a party: the streams of `previous` in their order, all but audio refused (RFC 3264 §8).
pub fn write_reoffer(
    local: &Local,
    previous: &Layout,
    codecs: &[Codec],
    direction: Direction,
    ptime: Ptime,
) -> Bytes {
    let mut layout = previous.clone();
    layout.open_audio();
    write(local, &layout, codecs, direction, ptime)
}

/// Writes the answer to an offer: as many streams, `chosen` for the audio in use, all others refused by port 0, the
/// time and protocols as offered (RFC 3264 §6). `direction` must be one that the offer allows:
/// `offered.reversed().and(..)`. Without any chosen codec audio is refused, too.
pub fn write_answer(
    local: &Local,
    offer: &Description,
    chosen: &[Codec],
    direction: Direction,
    ptime: Ptime,
) -> Bytes {
    write(local, offer.layout(), chosen, direction, ptime)
}

pub(super) fn write(
    local: &Local,
    layout: &Layout,
    codecs: &[Codec],
    direction: Direction,
    ptime: Ptime,
) -> Bytes {
    let address = Address::from(local.address);
    let (session_id, version) = (local.session_id.to_string(), local.version.to_string());
    let host = address.to_string();
    let origin = Origin { user: "-", session_id: &session_id, version: &version, host: &host };
    let mut out = Writer::default()
        .line('v', 0)
        .line('o', origin)
        .line('s', "-")
        .line('c', Connection { address, ttl: None, count: 1 })
        .line('t', layout.timing);
    for (place, slot) in layout.slots.iter().enumerate() {
        let line =
            MediaLine { kind: &slot.kind, port: 0, count: 1, proto: &slot.proto, formats: &slot.format };
        if layout.audio != Some(place) || codecs.is_empty() {
            out = out.line('m', line);
            continue;
        }
        let numbers = Numbers(codecs).to_string();
        out = out.line('m', MediaLine { port: local.port, formats: &numbers, ..line });
        out = write_codecs(out, codecs);
        if let Some(wanted) = ptime.wanted {
            out = out.attribute("ptime", wanted);
        }
        if let Some(longest) = ptime.longest {
            out = out.attribute("maxptime", longest);
        }
        if layout.rtcp_mux {
            out = out.property("rtcp-mux");
        }
        if layout.rtcp_rsize {
            out = out.property("rtcp-rsize");
        }
        out = out.property(direction.as_str());
    }
    out.finish()
}

fn write_codecs(mut out: Writer, codecs: &[Codec]) -> Writer {
    for &Codec { number, ref name, clock, channels, ref fmtp } in codecs {
        out = out.attribute("rtpmap", Rtpmap { number, name, clock, channels });
        if !fmtp.is_empty() {
            out = out.attribute("fmtp", format_args!("{number} {fmtp}"));
        }
    }
    out
}

/// Payload type numbers separated by spaces.
struct Numbers<'a>(&'a [Codec]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, codec) in self.0.iter().enumerate() {
            let blank = if n == 0 { "" } else { " " };
            write!(f, "{blank}{}", codec.number)?;
        }
        Ok(())
    }
}
