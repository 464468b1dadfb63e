//! One party's media stream.

use std::net::SocketAddr;

use super::LegKey;
use super::control::{Control, Speaker};
use super::egress::{Egress, Feed};
use super::latch::{Latch, Source, Stream};
use super::out::PacketArena;
use super::player::{Player, Way, encoder, packet_samples};
use super::reception::{Reception, Verdict};
use super::view::LegView;
use crate::mediactl::{LegId, LegSpec, LegStats, MediaReport, Resume, Revision, RoomMode};
use crate::planted::{Fault, Planted};
use crate::rng::Rng;
use crate::rtp::{Header, Packet};
use crate::time::Instant;
use crate::timers::TimerKey;

/// The clock when none is agreed yet: every static telephone codec's (RFC 3551 §6).
const USUAL_CLOCK: u32 = 8000;

/// Who hears what a leg's party says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Listener {
    /// Nobody.
    Nobody,
    /// The party itself.
    Itself,
    /// The other leg of the room.
    Other(LegKey),
}

/// One party's media stream.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) rev: Revision,
    pub(super) spec: LegSpec,
    pub(super) listener: Listener,
    /// The ring phase of its room.
    pub(super) phase: u8,
    /// Last packet accepted, or when waiting for one began.
    pub(super) last_received: Instant,
    /// Silence was reported.
    pub(super) silent: bool,
    pub(super) silence_timer: Option<TimerKey>,
    pub(super) report_timer: Option<TimerKey>,
    pub(super) player: Option<Player>,
    latch: Latch,
    reception: Reception,
    egress: Egress,
    control: Control,
    refused: u64,
    unknown: u64,
    pub(super) planted: Planted,
}

/// A packet accepted from a party, on its way to a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    feed: Feed,
    payload: &'a [u8],
}

/// Where a party receives; an unspecified address or port 0 is nowhere (RFC 3264 §8.4, the old way to hold).
fn somewhere(remote: Option<SocketAddr>) -> Option<SocketAddr> {
    remote.filter(|r| !r.ip().is_unspecified() && r.port() != 0)
}

impl Leg {
    pub(super) fn new(
        now: Instant,
        id: LegId,
        rev: Revision,
        spec: LegSpec,
        phase: u8,
        rng: &mut Rng,
    ) -> Self {
        let mut leg = Self {
            id,
            rev,
            listener: Listener::Nobody,
            phase,
            last_received: now,
            silent: false,
            silence_timer: None,
            report_timer: None,
            player: None,
            latch: Latch::default(),
            reception: Reception::default(),
            egress: Egress::new(now, rng, spec.resume),
            control: Control::new(rng),
            refused: 0,
            unknown: 0,
            planted: Planted::default(),
            spec,
        };
        leg.latch.expect(somewhere(leg.spec.remote), leg.spec.near);
        leg.settle_player(now);
        leg
    }

    /// The port's last party sent this, and may not have stopped.
    pub(super) fn shun(&mut self, last: Option<Stream>) {
        self.latch.shun(last);
    }

    /// What the party sends, once something was learnt.
    pub(super) fn stream(&self) -> Option<Stream> {
        self.latch.stream()
    }

    /// Takes over a new wanted state.
    pub(super) fn put(&mut self, now: Instant, rev: Revision, spec: LegSpec) {
        let old = std::mem::replace(&mut self.spec, spec);
        self.rev = rev;
        self.latch.expect(somewhere(self.spec.remote), self.spec.near);
        if self.spec.latch != old.latch {
            self.latch.reopen();
        }
        if (self.spec.remote, self.spec.remote_rtcp) != (old.remote, old.remote_rtcp) {
            // Where its RTCP came from says nothing about where it has moved to.
            self.control.learnt = None;
        }
        if self.spec.receive != old.receive {
            self.reception.pause();
            self.latch.refresh(now);
            self.last_received = now;
            self.silent = false;
        }
        fn ear(s: &LegSpec) -> impl PartialEq {
            (s.send, s.remote, s.playing.clone(), s.audio)
        }
        if ear(&self.spec) != ear(&old) {
            self.egress.cut();
        }
        self.settle_player(now);
    }

    /// Changes who hears this leg's party.
    pub(super) fn set_listener(&mut self, listener: Listener) {
        self.listener = listener;
    }

    /// What this leg hears comes from somewhere else from now on.
    pub(super) fn cut(&mut self) {
        self.egress.cut();
    }

    /// Makes the player what the wanted state says. What cannot be produced or sent does not play.
    fn settle_player(&mut self, now: Instant) {
        match (self.spec.playing.as_ref().filter(|_| self.way().is_some()), &mut self.player) {
            (Some(playing), Some(player)) => player.change(playing),
            (Some(playing), none) => *none = Some(Player::new(now, self.phase, playing)),
            (None, player) => *player = None,
        }
    }

    /// How generated packets leave; `None` when none can.
    fn way(&self) -> Option<Way> {
        let audio = self.spec.audio?;
        let remote = self.target()?;
        Some(Way {
            payload_type: audio.number,
            encode: encoder(audio.encoding?)?,
            samples: packet_samples(self.spec.ptime),
            port: self.spec.port.0,
            remote,
        })
    }

    /// Where media goes; `None` when nothing may be sent.
    #[inline]
    fn target(&self) -> Option<SocketAddr> {
        if !self.spec.send || somewhere(self.spec.remote).is_none() {
            return None;
        }
        self.latch.target()
    }

    #[inline]
    fn clock(&self) -> u32 {
        self.spec.audio.map_or(USUAL_CLOCK, |a| a.clock.max(1))
    }

    /// Whether the party may send this payload type, and under which number its listener knows it, if at all.
    #[inline]
    fn agreed(&self, number: u8) -> (bool, Option<u8>) {
        let map = self.spec.accept.iter().find(|m| m.payload.number == number);
        let own = || [self.spec.audio, self.spec.events].iter().flatten().any(|p| p.number == number);
        let known = map.is_some() || own();
        let to = if self.listener == Listener::Itself {
            // A party may send by our numbers and want its own (RFC 3264 §6.1).
            map.and_then(|m| m.forward).or(Some(number).filter(|_| known))
        } else {
            let kept = self.planted.is(Fault::PayloadTypeKept);
            map.and_then(|m| m.forward).map(|to| if kept { number } else { to })
        };
        (known, to)
    }

    /// Takes an RTP packet from the network. `None` when it goes nowhere, whether it was accepted or not.
    #[inline]
    pub(super) fn hear<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &'a [u8],
        reports: &mut Vec<MediaReport>,
    ) -> Option<Heard<'a>> {
        let Ok(Packet { mut header, payload, .. }) = Packet::parse(bytes) else {
            self.unknown += 1;
            return None;
        };
        let (agreed, listeners) = self.agreed(header.payload_type);
        if !agreed {
            self.hear_unknown(now, from);
            return None;
        }
        match self.latch.hear(now, from, &header, self.spec.receive) {
            Source::Known => {}
            Source::Learnt => self.learnt(from, reports),
            Source::Refused if self.planted.is(Fault::AnySourceHeard) => {}
            Source::Refused => {
                self.refused += 1;
                return None;
            }
        }
        if !self.spec.receive {
            return None;
        }
        let event = self.spec.events.is_some_and(|e| e.number == header.payload_type);
        let verdict = self.reception.take(now, self.clock(), payload.len(), &header, !event);
        if verdict == Verdict::Refuse {
            return None;
        }
        self.last_received = now;
        header.payload_type = listeners?;
        Some(Heard { feed: Feed { header, restarted: verdict == Verdict::Restart, event }, payload })
    }

    /// A payload type that was not agreed is no media, but it shows that the party is alive.
    fn hear_unknown(&mut self, now: Instant, from: SocketAddr) {
        if self.latch.is_known(from) {
            self.unknown += 1;
            self.latch.refresh(now);
            self.last_received = now;
        } else {
            self.refused += 1;
        }
    }

    fn learnt(&mut self, from: SocketAddr, reports: &mut Vec<MediaReport>) {
        // RTCP comes from the same host as RTP.
        self.control.learnt = self.control.learnt.filter(|c| c.ip() == from.ip());
        reports.push(MediaReport::Latched { leg: self.id, rev: self.rev, remote: from });
    }

    /// Sends the party what another, or itself, said. Contributing sources, header extension and padding stay behind:
    /// they were agreed with us (RFC 8285 §5), not between the parties.
    #[inline]
    pub(super) fn forward(&mut self, now: Instant, heard: &Heard<'_>, out: &mut PacketArena) {
        if self.player.is_some() {
            return;
        }
        let Some(remote) = self.target() else { return };
        let clock = self.clock();
        if let Some(header) = self.egress.forward(now, clock, heard.payload.len(), &heard.feed)
            && let Some(header) = self.spoil(header, heard)
        {
            out.push(self.spec.port.0, remote, &header.to_bytes(), heard.payload);
        }
    }

    /// What becomes of a packet on its way out by what is planted: nothing is, but in tests of the simulator.
    #[inline]
    fn spoil(&self, mut header: Header, heard: &Heard<'_>) -> Option<Header> {
        let ends = heard.feed.event && heard.payload.get(1).is_some_and(|flags| flags & 0x80 != 0);
        if ends && self.planted.is(Fault::DigitEndDropped) {
            return None;
        }
        if heard.feed.event && self.planted.is(Fault::DigitDoubled) {
            header.timestamp = header.timestamp.wrapping_add(header.sequence.into());
        }
        if header.sequence.is_multiple_of(8) && self.planted.is(Fault::SequenceJumps) {
            header.sequence = header.sequence.wrapping_add(5);
        }
        Some(header)
    }

    /// Sends the generated frames that are due.
    pub(super) fn play(&mut self, now: Instant, out: &mut PacketArena) {
        let way = self.way();
        if let (Some(player), Some(way)) = (&mut self.player, way) {
            player.run(now, &way, &mut self.egress, out);
        }
    }

    /// Takes an RTCP datagram from the network; `shared` when it came on the RTP port (RFC 5761).
    pub(super) fn hear_control(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], shared: bool) {
        let target = self.latch.target();
        let trusted = if shared {
            target == Some(from)
        } else {
            target.is_some_and(|t| t.ip() == from.ip()) || self.spec.remote_rtcp == Some(from)
        };
        if !trusted {
            self.refused += 1;
        } else if !self.control.hear(now, bytes, self.egress.ssrc()) {
            self.unknown += 1;
        } else if !shared {
            self.control.learnt = Some(from);
        }
    }

    /// Counts a datagram that is neither RTP nor RTCP, or on the wrong port.
    pub(super) fn hear_other(&mut self) {
        self.unknown += 1;
    }

    /// Sends an RTCP report if there is somewhere to send it.
    pub(super) fn report(&mut self, now: Instant, goodbye: bool, out: &mut PacketArena) {
        let (clock, Some((port, remote))) = (self.clock(), self.control_target()) else { return };
        let speaker = Speaker { egress: &self.egress, reception: &mut self.reception, port, remote, goodbye };
        self.control.speak(now, clock, speaker, out);
    }

    /// Our port for RTCP and the party's. A party that sends RTP from elsewhere than it said sits behind a NAT: where
    /// its RTCP is reached is not known until some comes from there.
    fn control_target(&self) -> Option<(u16, SocketAddr)> {
        let rtp = somewhere(self.spec.remote)?;
        let port = self.spec.port.0;
        if self.spec.remote_rtcp == Some(rtp) {
            return self.latch.target().map(|t| (port, t));
        }
        if let Some(learnt) = self.control.learnt {
            return Some((port | 1, learnt));
        }
        let beside = || rtp.port().checked_add(1).map(|p| SocketAddr::new(rtp.ip(), p));
        let said = somewhere(self.spec.remote_rtcp).or_else(beside);
        said.filter(|_| !self.latch.moved()).map(|r| (port | 1, r))
    }

    /// What the leg carried so far.
    pub(super) fn stats(&self) -> LegStats {
        LegStats {
            received: self.reception.received(),
            received_octets: self.reception.octets(),
            sent: self.egress.sent(),
            sent_octets: self.egress.octets(),
            lost: self.reception.lost(),
            jitter_us: self.reception.jitter_us(self.clock()),
            refused: self.refused,
            unknown: self.unknown,
            remote_fraction_lost: self.control.fraction_lost,
            round_trip_us: self.control.round_trip_us,
            ..LegStats::default()
        }
    }

    /// What there is to know about it.
    pub(super) fn view(&self, mode: Option<RoomMode>) -> LegView {
        LegView {
            leg: self.id,
            rev: self.rev,
            room: self.spec.room,
            mode,
            port: self.spec.port,
            said: self.spec.remote,
            sends_to: self.target(),
            heard_from: self.latch.stream(),
            send: self.spec.send,
            receive: self.spec.receive,
            audio: self.spec.audio,
            playing: self.player.is_some(),
            silent: self.silent,
            last_received: self.last_received,
            ssrc: self.egress.ssrc(),
            stats: self.stats(),
        }
    }

    /// Outgoing state to go on with elsewhere.
    pub(super) fn resume(&self, now: Instant) -> Resume {
        self.egress.resume(now, self.clock())
    }
}
