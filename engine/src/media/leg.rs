//! One party's media stream: what comes from the network and what goes there.

use std::net::SocketAddr;

use telex_audio::codec::Encoding;
use telex_audio::mix::Limiter;
use telex_audio::playout::{Content, Inserted};

use super::conference::Place;
use super::control::{Control, Speaker};
use super::dialer::Dialer;
use super::ear::{Ear, Tones};
use super::egress::{Egress, Feed};
use super::intake::{Intake, Played};
use super::keypad::Keypad;
use super::latch::{Latch, Source, Stream};
use super::out::PacketArena;
use super::outlet::Outlet;
use super::player::Player;
use super::quality;
use super::reception::{Reception, Verdict};
use super::view::LegView;
use super::{LegKey, RoomKey};
use crate::mediactl::{
    Faults, Handover, Kind, LegId, LegSpec, LegStats, MediaReport, Payload, Resume, Revision, RoomMode,
};
use crate::planted::{Fault, Planted};
use crate::rng::Rng;
use crate::rtp::{Header, Packet};
use crate::time::{Duration, Instant};
use crate::timers::TimerKey;

/// The clock when none is agreed yet: every static telephone codec's (RFC 3551 §6).
const USUAL_CLOCK: u32 = 8000;

/// How long a party must have sent nothing that is to be decoded before its decoder is taken down: one that mixes its
/// payload types would have it built for every other packet.
const VIA_HOLD: Duration = Duration::from_secs(2);

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
    /// All others.
    All,
}

impl Listener {
    /// The one leg that hears `leg`, if it is one.
    pub(super) fn of(self, leg: LegKey) -> Option<LegKey> {
        match self {
            Self::Nobody | Self::All => None,
            Self::Itself => Some(leg),
            Self::Other(other) => Some(other),
        }
    }
}

/// How a party's sound gets to the one leg that hears it, by the payload types it sends now; least work first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Via {
    /// As it is and no other way: it cannot be decoded.
    Opaque,
    /// As it is, or decoded and encoded anew if there is a reason.
    Forward,
    /// Decoded and encoded anew.
    Decode,
}

/// One party's media stream.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) rev: Revision,
    pub(super) room: RoomKey,
    pub(super) spec: LegSpec,
    pub(super) listener: Listener,
    via: Via,
    /// It goes no easier way before.
    via_until: Instant,
    /// Last packet accepted, or when waiting for one began.
    pub(super) last_received: Instant,
    /// Silence was reported.
    pub(super) silent: bool,
    pub(super) silence_timer: Option<TimerKey>,
    pub(super) report_timer: Option<TimerKey>,
    pub(super) key_timer: Option<TimerKey>,
    /// The keys its party presses.
    pub(super) keypad: Keypad,
    /// The keys pressed into it, once there were any.
    pub(super) dialer: Option<Box<Dialer>>,
    /// Of [`LegSpec::presses`]: the next to be pressed, and the last that was said to be.
    pub(super) next_press: u32,
    pub(super) told_press: u32,
    /// Something that was wanted has ended: what is decoded and produced is to be settled.
    pub(super) ended: bool,
    /// The party's sound, while it is decoded.
    pub(super) intake: Option<Box<Intake>>,
    /// Looks for tones of keys in the party's sound, and hears it for that while it is not decoded anyway.
    pub(super) tones: Option<Box<Tones>>,
    pub(super) ear: Option<Box<Ear>>,
    /// The sound for the party, while it is produced here. Nothing is forwarded to the party then.
    pub(super) outlet: Option<Box<Outlet>>,
    pub(super) player: Option<Player>,
    /// Who encodes what it hears in a conference.
    pub(super) place: Place,
    /// For what it hears in a conference while it is heard itself.
    pub(super) limiter: Option<Limiter>,
    /// What former intakes did.
    pub(super) played: Played,
    latch: Latch,
    reception: Reception,
    pub(super) egress: Egress,
    control: Control,
    refused: u64,
    faults: Faults,
    pub(super) planted: Planted,
}

/// A packet accepted from a party.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
    /// What can be done with it.
    pub(super) fate: Fate,
    /// The source began anew with it.
    pub(super) restarted: bool,
}

/// What can be done with a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) kind: Kind,
    pub(super) clock: u32,
    pub(super) encoding: Option<Encoding>,
    /// The number under which the listener knows it.
    pub(super) forward: Option<u8>,
}

impl Fate {
    /// The way of sound of this payload type; `None` for what is no sound, and what goes nowhere.
    #[inline]
    pub(super) fn via(&self) -> Option<Via> {
        match (self.kind, self.forward, self.encoding) {
            (Kind::Speech, Some(_), Some(_)) => Some(Via::Forward),
            (Kind::Speech, Some(_), None) => Some(Via::Opaque),
            (Kind::Speech, None, Some(_)) => Some(Via::Decode),
            _ => None,
        }
    }
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
        room: RoomKey,
        spec: LegSpec,
        rng: &mut Rng,
    ) -> Self {
        let mut leg = Self {
            id,
            rev,
            room,
            listener: Listener::Nobody,
            via: Via::Forward,
            via_until: Instant::ZERO,
            last_received: now,
            silent: false,
            silence_timer: None,
            report_timer: None,
            key_timer: None,
            keypad: Keypad::default(),
            dialer: None,
            next_press: 0,
            told_press: 0,
            ended: false,
            intake: None,
            tones: None,
            ear: None,
            outlet: None,
            player: None,
            place: Place::default(),
            limiter: None,
            played: Played::default(),
            latch: Latch::default(),
            reception: Reception::default(),
            egress: Egress::new(now, rng, spec.resume.map(|handover| handover.stream)),
            control: Control::new(rng),
            refused: 0,
            faults: Faults::default(),
            planted: Planted::default(),
            spec,
        };
        leg.latch.expect(somewhere(leg.spec.remote), leg.spec.near);
        leg
    }

    /// The port's last party sent this, and may not have stopped.
    pub(super) fn shun(&mut self, last: Option<Stream>) {
        self.latch.shun(last);
    }

    /// Goes on with what was known of the party on another shard, if it comes from there.
    pub(super) fn go_on(&mut self, now: Instant) {
        let Some(before) = self.spec.resume else { return };
        (self.next_press, self.told_press) = (before.next_press, before.next_press);
        if let Some(stream) = before.heard.filter(|_| before.latch == self.spec.latch) {
            self.latch.remember(now, stream);
        }
    }

    /// What another shard needs to go on.
    pub(super) fn handover(&self, now: Instant) -> Handover {
        Handover {
            stream: self.egress.handover(now, self.clock()),
            heard: self.stream(),
            latch: self.spec.latch,
            next_press: self.next_press,
        }
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
        if self.spec.accept != old.accept {
            self.via_until = Instant::ZERO;
        }
        let ear = |s: &LegSpec| (s.send, s.remote, s.audio);
        if ear(&self.spec) != ear(&old) {
            self.egress.cut();
        }
    }

    /// How the party's sound gets to who hears it.
    pub(super) fn via(&self) -> Via {
        self.via
    }

    /// The party sends sound that may go this way. What needs more work is done at once, less only after some time
    /// without anything that needs more. True when its sound goes another way from now on.
    #[inline]
    pub(super) fn goes_via(&mut self, now: Instant, via: Via) -> bool {
        if via < self.via && now < self.via_until {
            return false;
        }
        self.via_until = now + VIA_HOLD;
        std::mem::replace(&mut self.via, via) != via
    }

    /// What this leg hears comes from somewhere else from now on.
    pub(super) fn cut(&mut self) {
        self.egress.cut();
    }

    /// Where media goes; `None` when nothing may be sent.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        if !self.spec.send || somewhere(self.spec.remote).is_none() {
            return None;
        }
        self.latch.target()
    }

    #[inline]
    pub(super) fn clock(&self) -> u32 {
        self.spec.audio.map_or(USUAL_CLOCK, |a| a.clock.max(1))
    }

    /// What can be done with a payload type; `None` when the party may not send it.
    #[inline]
    fn fate(&self, number: u8) -> Option<Fate> {
        let Some(agreed) = self.spec.accept.iter().find(|a| a.payload.number == number) else {
            return self.fate_of_our_own(number);
        };
        let forward = if self.planted.is(Fault::PayloadTypeKept) && agreed.forward.is_some() {
            Some(number)
        } else {
            agreed.forward
        };
        let (encoding, clock) = (agreed.payload.encoding, agreed.payload.clock);
        Some(Fate { kind: agreed.kind, clock, encoding, forward })
    }

    /// A party may send by our numbers and want its own (RFC 3264 §6.1). Only an echo can know what it wants.
    fn fate_of_our_own(&self, number: u8) -> Option<Fate> {
        let own = |payload: Option<Payload>| payload.filter(|p| p.number == number);
        let forward = Some(number).filter(|_| self.listener == Listener::Itself);
        let (payload, kind) = match (own(self.spec.events), own(self.spec.audio)) {
            (Some(events), _) => (events, Kind::Events),
            (None, Some(audio)) => (audio, Kind::Speech),
            (None, None) => return None,
        };
        Some(Fate { kind, clock: payload.clock, encoding: None, forward })
    }

    /// Takes an RTP packet from the network. `None` when it is not accepted.
    #[inline]
    pub(super) fn hear<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &'a [u8],
        reports: &mut Vec<MediaReport>,
    ) -> Option<Heard<'a>> {
        let Ok(Packet { header, payload, .. }) = Packet::parse(bytes) else {
            self.faults.header += 1;
            return None;
        };
        let Some(fate) = self.fate(header.payload_type) else {
            self.hear_unknown(now, from);
            return None;
        };
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
        let steady = fate.kind != Kind::Events;
        let verdict = self.reception.take(now, self.clock(), payload.len(), &header, steady);
        if verdict == Verdict::Refuse {
            self.faults.sequence += 1;
            return None;
        }
        self.last_received = now;
        Some(Heard { header, payload, fate, restarted: verdict == Verdict::Restart })
    }

    /// Decodes a packet of sound, if the sound is decoded at all.
    #[inline]
    pub(super) fn take_in(&mut self, now: Instant, heard: &Heard<'_>) {
        let Some(intake) = &mut self.intake else { return };
        if heard.restarted {
            intake.restart();
        }
        let content = match (heard.fate.kind, heard.fate.encoding) {
            (Kind::Speech, Some(encoding)) => Content::Sound(encoding),
            (Kind::Noise, _) => Content::Noise { clock: heard.fate.clock },
            _ => return intake.other(now, heard.header.sequence),
        };
        match intake.insert(now, &heard.header, content, heard.payload) {
            Inserted::Malformed => self.faults.payload += 1,
            Inserted::Duplicate | Inserted::Astray => self.faults.sequence += 1,
            Inserted::Kept | Inserted::Late | Inserted::Full | Inserted::Restarted => {}
        }
    }

    /// A payload type that was not agreed is no media, but it shows that the party is alive.
    fn hear_unknown(&mut self, now: Instant, from: SocketAddr) {
        if self.latch.is_known(from) {
            self.faults.payload_type += 1;
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
    pub(super) fn forward(&mut self, now: Instant, heard: &Heard<'_>, number: u8, out: &mut PacketArena) {
        if self.is_occupied() {
            return;
        }
        let Some(remote) = self.target() else { return };
        let clock = self.clock();
        let header = Header { payload_type: number, ..heard.header };
        let feed = Feed { header, restarted: heard.restarted, event: heard.fate.kind == Kind::Events };
        if let Some(header) = self.egress.forward(now, clock, heard.payload.len(), &feed)
            && let Some(header) = self.spoil(header, heard)
        {
            out.push(self.spec.port.0, remote, &header.to_bytes(), heard.payload);
        }
    }

    /// What becomes of a packet on its way out by what is planted: nothing is, but in tests of the simulator.
    #[inline]
    fn spoil(&self, mut header: Header, heard: &Heard<'_>) -> Option<Header> {
        let event = heard.fate.kind == Kind::Events;
        let ends = event && heard.payload.get(1).is_some_and(|flags| flags & 0x80 != 0);
        if ends && self.planted.is(Fault::DigitEndDropped) {
            return None;
        }
        if event && self.planted.is(Fault::DigitDoubled) {
            header.timestamp = header.timestamp.wrapping_add(header.sequence.into());
        }
        if header.sequence.is_multiple_of(8) && self.planted.is(Fault::SequenceJumps) {
            header.sequence = header.sequence.wrapping_add(5);
        }
        Some(header)
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
            self.faults.protocol += 1;
        } else if !shared {
            self.control.learnt = Some(from);
        }
    }

    /// Counts a datagram that is neither RTP nor RTCP, or on the wrong port.
    pub(super) fn hear_other(&mut self) {
        self.faults.protocol += 1;
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
        let played = self.played();
        let mut stats = LegStats {
            received: self.reception.received(),
            received_octets: self.reception.octets(),
            sent: self.egress.sent(),
            sent_octets: self.egress.octets(),
            lost: self.reception.lost(),
            jitter_us: self.reception.jitter_us(self.clock()),
            refused: self.refused,
            unknown: self.faults.protocol + self.faults.header + self.faults.payload_type,
            faults: self.faults,
            remote_fraction_lost: self.control.fraction_lost,
            remote_lost: self.control.lost,
            remote_jitter_us: self.control.jitter_us(self.clock()),
            round_trip_us: self.control.round_trip_us,
            playout_delay_ms: played.delay_ms,
            played_ms: played.ms,
            concealed_ms: played.concealed_ms,
            late: played.late,
            ..LegStats::default()
        };
        quality::score(&mut stats, self.spec.audio.and_then(|audio| audio.encoding));
        stats
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
            playing: self.player.as_ref().is_some_and(Player::is_playing),
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
