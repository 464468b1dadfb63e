//! RTP as it leaves the exchange (RFC 3550 §5.1, RFC 3264 §6.1).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use telex_engine::time::Instant;

use super::{Broken, Verdict, broken};
use crate::phone::Phone;
use crate::voice::{LegId, Rtp};

/// What left one port of the exchange for one address.
#[derive(Clone, Copy, Debug)]
struct Out {
    ssrc: u32,
    /// The highest sequence number so far.
    highest: u16,
    /// Whose voice it is now, and what is added to the numbers it was spoken with.
    feed: Option<(LegId, u16)>,
}

/// `one_rtp_stream`, for every way out.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    ways: BTreeMap<(u16, SocketAddr), Out>,
}

impl Streams {
    /// A packet leaves: it has the source of those before, and the next number; a voice keeps its own order.
    pub(crate) fn exit(&mut self, now: Instant, from: u16, to: SocketAddr, bytes: &[u8]) -> Verdict {
        let Some(rtp) = Rtp::read(bytes) else { return Ok(()) };
        let voice = rtp.voice().map(|(leg, number)| (leg, rtp.sequence.wrapping_sub(number)));
        let Some(out) = self.ways.get_mut(&(from, to)) else {
            self.ways.insert((from, to), Out { ssrc: rtp.ssrc, highest: rtp.sequence, feed: voice });
            return Ok(());
        };
        let next = out.highest.wrapping_add(1) == rtp.sequence;
        let fault = if out.ssrc != rtp.ssrc {
            // A port is used again by another call after a while.
            let fresh = Out { ssrc: rtp.ssrc, highest: rtp.sequence, feed: voice };
            let again = *out;
            *out = fresh;
            (voice.map(|v| v.0) == again.feed.map(|f| f.0))
                .then(|| format!("source {:x} after {:x}", rtp.ssrc, again.ssrc))
        } else if next || voice.is_none() || out.feed.is_none() || voice == out.feed {
            None
        } else {
            Some(format!("sequence number {} after {}", rtp.sequence, out.highest))
        };
        if rtp.sequence.wrapping_sub(out.highest) < 0x8000 {
            out.highest = rtp.sequence;
        }
        // A key may begin a new feed, and does not say with which numbers.
        out.feed = voice;
        match fault {
            Some(why) => Err(broken("one_rtp_stream", now, format!("{why} from port {from} to {to}"))),
            None => Ok(()),
        }
    }
}

/// `known_payload_types`: a phone is sent only payload types that it named in this call.
pub(crate) fn payload_type(now: Instant, hearer: &Phone, port: u16, bytes: &[u8]) -> Verdict {
    let (Some(leg), Some(rtp)) = (hearer.leg_of_port(port & !1), Rtp::read(bytes)) else { return Ok(()) };
    if leg.described.contains(&rtp.payload_type) {
        return Ok(());
    }
    let reason = format!("phone {} is sent payload type {}", hearer.index, rtp.payload_type);
    Err(Broken { call: Some(leg.call), ..broken("known_payload_types", now, reason) })
}
