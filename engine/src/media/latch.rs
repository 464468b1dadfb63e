//! Which source address is the party's (symmetric RTP, RFC 4961), learnt so that nobody off the path can steal it.
//!
//! A source is judged by what signalling said about the party:
//!
//! - *signalled*: address and port of the SDP,
//! - *near*: another port at the SDP's address or at the one signalling comes from, which is where a party behind a
//!   NAT sends from,
//! - *stranger*: anything else.
//!
//! While nothing is learnt for the present offer/answer, a signalled or near source is learnt by its first packet, so
//! that audio starts at once and none is lost, and so is the source learnt before. A stranger must first send
//! [`LATCH_PROBATION`] packets in sequence, and is only heard while we accept media.
//!
//! Once learnt, other sources are refused. A better kind of source may take over, after probation: one forged packet
//! must not turn a live stream away. An equal kind may only when the learnt source has been silent for
//! [`LATCH_RELEARN`] (a NAT gave it a new port), after probation, and near counts as signalled there; a stranger
//! never replaces a better kind without a new offer/answer.
//!
//! Ports are used again. The party that a port's last leg had may not have heard that its call is over and go on
//! sending: its stream is *shunned*, that is refused unless the SDP names its address.

use std::net::{IpAddr, SocketAddr};

use crate::limits::{LATCH_PROBATION, LATCH_RELEARN};
use crate::rtp::Header;
use crate::time::Instant;

/// How much a source is the one expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Kind {
    Stranger,
    Near,
    Signalled,
}

/// What a packet's source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The learnt one.
    Known,
    /// It is learnt with this packet.
    Learnt,
    /// Somebody else.
    Refused,
}

/// The learnt address of one leg.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Latch {
    /// Where the SDP says the party is.
    signalled: Option<SocketAddr>,
    /// Where signalling comes from.
    near: Option<IpAddr>,
    /// The stream of the port's last party.
    shunned: Option<Stream>,
    learnt: Option<Learnt>,
    candidate: Option<Candidate>,
}

/// A stream of packets as a port sees it: where it comes from and its synchronisation source.
pub(super) type Stream = (SocketAddr, u32);

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Learnt {
    address: SocketAddr,
    ssrc: u32,
    kind: Kind,
    heard: Instant,
    /// Heard since the last offer/answer.
    confirmed: bool,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    /// Sequence number that must come next.
    next: u16,
    count: u8,
}

impl Latch {
    /// What signalling says about the party. A new address voids what was learnt; without one, it is kept for later.
    pub(super) fn expect(&mut self, signalled: Option<SocketAddr>, near: Option<IpAddr>) {
        self.near = near;
        if signalled.is_some() && signalled != self.signalled {
            (self.signalled, self.learnt, self.candidate) = (signalled, None, None);
        }
    }

    /// The port's last party sent this.
    pub(super) fn shun(&mut self, last: Option<Stream>) {
        self.shunned = last;
    }

    /// This was learnt of the party before, on another shard.
    pub(super) fn remember(&mut self, now: Instant, (address, ssrc): Stream) {
        let kind = self.kind(address).unwrap_or(Kind::Stranger);
        self.shunned = None;
        self.learnt = Some(Learnt { address, ssrc, kind, heard: now, confirmed: true });
    }

    /// What the party sends, once something was learnt.
    pub(super) fn stream(&self) -> Option<Stream> {
        self.learnt.as_ref().map(|l| (l.address, l.ssrc))
    }

    /// There was an offer/answer: the address may have changed.
    pub(super) fn reopen(&mut self) {
        self.candidate = None;
        if let Some(learnt) = &mut self.learnt {
            learnt.confirmed = false;
        }
    }

    /// The learnt source is alive, or its silence so far was wanted.
    pub(super) fn refresh(&mut self, now: Instant) {
        if let Some(learnt) = &mut self.learnt {
            learnt.heard = now;
        }
    }

    /// Where to send: the learnt address, else the one of the SDP.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.learnt.as_ref().map(|l| l.address).or(self.signalled)
    }

    /// Whether the party sends from elsewhere than it said, so that other addresses it said are in doubt too.
    pub(super) fn moved(&self) -> bool {
        self.learnt.as_ref().is_some_and(|l| Some(l.address) != self.signalled)
    }

    /// Whether `from` is the learnt source.
    pub(super) fn is_known(&self, from: SocketAddr) -> bool {
        self.learnt.as_ref().is_some_and(|l| l.address == from)
    }

    /// Judges the source of a valid packet of an agreed payload type. `receiving` says whether we accept media.
    #[inline]
    pub(super) fn hear(
        &mut self,
        now: Instant,
        from: SocketAddr,
        header: &Header,
        receiving: bool,
    ) -> Source {
        if let Some(learnt) = &mut self.learnt
            && learnt.address == from
        {
            (learnt.heard, learnt.confirmed, learnt.ssrc) = (now, true, header.ssrc);
            return Source::Known;
        }
        self.consider(now, from, header, receiving)
    }

    fn consider(&mut self, now: Instant, from: SocketAddr, header: &Header, receiving: bool) -> Source {
        let Some(kind) = self.kind(from).filter(|k| receiving || *k > Kind::Stranger) else {
            return Source::Refused;
        };
        let confirmed = self.learnt.as_ref().filter(|l| l.confirmed);
        if kind < Kind::Signalled && self.shunned == Some((from, header.ssrc)) {
            return Source::Refused;
        }
        let open = confirmed.is_none_or(|learnt| {
            let silent = now.since(learnt.heard) >= LATCH_RELEARN;
            kind > learnt.kind || (silent && kind >= learnt.kind.min(Kind::Near))
        });
        if !open {
            return Source::Refused;
        }
        let needed = if confirmed.is_none() && kind > Kind::Stranger { 1 } else { LATCH_PROBATION };
        if self.probe(from, header) < needed {
            return Source::Refused;
        }
        self.learnt = Some(Learnt { address: from, ssrc: header.ssrc, kind, heard: now, confirmed: true });
        self.candidate = None;
        Source::Learnt
    }

    /// How many packets in sequence this source has shown.
    fn probe(&mut self, from: SocketAddr, header: &Header) -> u8 {
        let count = match &self.candidate {
            Some(c) if c.address == from && c.ssrc == header.ssrc && c.next == header.sequence => {
                c.count.saturating_add(1)
            }
            _ => 1,
        };
        let next = header.sequence.wrapping_add(1);
        self.candidate = Some(Candidate { address: from, ssrc: header.ssrc, next, count });
        count
    }

    /// `None` before signalling said anything: then nobody is expected.
    fn kind(&self, from: SocketAddr) -> Option<Kind> {
        let signalled = self.signalled?;
        Some(if from == signalled {
            Kind::Signalled
        } else if from.ip() == signalled.ip() || Some(from.ip()) == self.near {
            Kind::Near
        } else {
            Kind::Stranger
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SDP: &str = "192.168.1.5:4000";
    const NAT: &str = "203.0.113.7:61000";
    const REBOUND: &str = "203.0.113.7:61001";
    const THIEF: &str = "198.51.100.66:4000";

    struct World {
        latch: Latch,
        now: Instant,
    }

    impl World {
        fn new(near: Option<&str>) -> Self {
            let mut latch = Latch::default();
            latch.expect(Some(SDP.parse().unwrap()), near.map(|n| n.parse().unwrap()));
            Self { latch, now: Instant::ZERO }
        }

        /// Sends `count` packets in sequence; whether the last one was accepted.
        fn send(&mut self, from: &str, sequence: u16, count: u16) -> bool {
            let mut last = Source::Refused;
            for n in 0..count {
                let sequence = sequence.wrapping_add(n);
                let header = Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
                last = self.latch.hear(self.now, from.parse().unwrap(), &header, true);
            }
            last != Source::Refused
        }

        fn wait(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn target(&self) -> String {
            self.latch.target().unwrap().to_string()
        }
    }

    #[test]
    fn the_signalled_source_is_learnt_at_once_and_keeps_strangers_out() {
        let mut w = World::new(None);
        assert_eq!(w.target(), SDP);
        assert!(w.send(SDP, 1, 1));
        assert!(!w.send(THIEF, 1, 50));
        w.wait(60);
        assert!(!w.send(THIEF, 100, 50), "silence does not let a stranger in");
        assert_eq!(w.target(), SDP);
    }

    #[test]
    fn the_last_party_of_a_port_is_not_taken_for_the_new_one() {
        let mut last = World::new(None);
        assert!(last.send(NAT, 1, LATCH_PROBATION.into()));
        let mut w = World::new(Some("203.0.113.7"));
        w.latch.shun(last.latch.stream());
        assert!(!w.send(NAT, 5, 50), "it still sends what it sent before");
        w.latch.reopen();
        assert!(!w.send(NAT, 55, 50));
        assert!(w.send(REBOUND, 1, 1));
        let mut w = World::new(None);
        w.latch.shun(Some((SDP.parse().unwrap(), 1)));
        assert!(w.send(SDP, 1, 1), "the SDP knows better");
    }

    #[test]
    fn a_party_behind_a_nat_is_learnt_at_once_when_its_signalling_comes_from_there() {
        let mut w = World::new(Some("203.0.113.7"));
        assert!(!w.send(THIEF, 1, 3));
        assert!(w.send(NAT, 9, 1));
        assert!(!w.send(THIEF, 4, 50));
        assert_eq!(w.target(), NAT);
    }

    #[test]
    fn without_that_it_passes_probation() {
        let mut w = World::new(None);
        assert!(!w.send(NAT, 9, 3));
        assert_eq!(w.target(), SDP, "nothing goes to a source on probation");
        assert!(w.send(NAT, 12, 1));
        assert_eq!(w.target(), NAT);
    }

    #[test]
    fn probation_wants_packets_in_sequence() {
        let mut w = World::new(None);
        for n in 0..50 {
            assert!(!w.send(NAT, n * 2, 1));
        }
    }

    #[test]
    fn the_true_party_takes_over_from_a_stranger_but_not_by_one_packet() {
        let mut w = World::new(Some("203.0.113.7"));
        assert!(w.send(THIEF, 1, 4));
        assert!(!w.send(NAT, 1, 3));
        assert!(w.send(NAT, 4, 1));
        assert!(!w.send(THIEF, 5, 50));
        assert_eq!(w.target(), NAT);
    }

    #[test]
    fn a_rebound_port_is_learnt_after_silence() {
        let mut w = World::new(Some("203.0.113.7"));
        assert!(w.send(NAT, 1, 1));
        w.wait(1);
        assert!(!w.send(REBOUND, 2, 50));
        w.wait(4);
        assert!(!w.send(REBOUND, 60, 3));
        assert!(w.send(REBOUND, 63, 1));
        assert!(!w.send(NAT, 60, 50), "the old address is just another one now");
    }

    #[test]
    fn a_new_offer_reopens_and_the_old_source_closes() {
        let mut w = World::new(Some("203.0.113.7"));
        assert!(w.send(NAT, 1, 1));
        w.latch.reopen();
        assert_eq!(w.target(), NAT, "media goes on meanwhile");
        assert!(!w.send(THIEF, 1, 3));
        assert!(w.send(NAT, 2, 1));
        assert!(!w.send(THIEF, 4, 50));
        w.latch.reopen();
        assert!(w.send(REBOUND, 9, 1));
    }

    #[test]
    fn a_new_address_voids_the_old() {
        let mut w = World::new(None);
        assert!(w.send(SDP, 1, 1));
        w.latch.expect(Some("192.168.1.5:5000".parse().unwrap()), None);
        assert_eq!(w.target(), "192.168.1.5:5000");
        w.latch.expect(None, None);
        assert_eq!(w.target(), "192.168.1.5:5000");
    }

    #[test]
    fn nobody_is_expected_before_the_sdp() {
        let mut w = World { latch: Latch::default(), now: Instant::ZERO };
        assert!(!w.send(THIEF, 1, 50));
        assert_eq!(w.latch.target(), None);
    }

    #[test]
    fn strangers_are_not_learnt_on_hold() {
        let mut w = World::new(Some("203.0.113.7"));
        let header = |sequence| Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
        for n in 0..50 {
            let heard = w.latch.hear(w.now, THIEF.parse().unwrap(), &header(n), false);
            assert_eq!(heard, Source::Refused);
        }
        assert_eq!(w.latch.hear(w.now, NAT.parse().unwrap(), &header(0), false), Source::Learnt);
    }
}
