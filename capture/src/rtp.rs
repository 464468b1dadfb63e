//! Datagrams that may be RTP, gathered by source, destination and synchronisation source. Which of them are RTP is
//! known at the end only: a capture may hold the media before the signalling that announces it.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;
use telex_audio::dtmf::events::{EventReceiver, Received};
use telex_engine::rtp::{Header, Packet, TelephoneEvent};

use crate::limits::{AUDIO_OCTETS, AUDIO_PACKETS, DIGITS, PAYLOAD_TYPES, STREAMS};
use crate::reception::{Arrival, Gap, Jitter, Sequence};
use crate::tcp::Origin;
use crate::time::Time;

/// Sources that have sent fewer packets than this are forgotten when there are too many.
const FEW: u64 = 4;

/// What may be an RTP stream.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) ssrc: u32,
    pub(crate) first: Origin,
    pub(crate) last: Origin,
    pub(crate) packets: u64,
    /// Octets of payload.
    pub(crate) octets: u64,
    pub(crate) sequence: Sequence,
    pub(crate) jitter: Jitter,
    pub(crate) gap: Gap,
    pub(crate) types: Vec<TypeUse>,
    pub(crate) digits: Vec<Digit>,
    /// What hears keys, by payload type.
    keypads: Vec<(u8, EventReceiver)>,
    pub(crate) audio: Vec<Sound>,
}

/// How often a payload type was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeUse {
    pub(crate) number: u8,
    pub(crate) packets: u64,
    /// Packets whose payload may be a telephone event.
    pub(crate) events: u64,
}

/// A key that was pressed (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0` to `9`, `*`, `#` or `A` to `D`.
    pub key: char,
    /// When its first packet was captured.
    pub at: Time,
    /// How long, in units of the clock.
    pub duration: u16,
    /// A packet that ends it was captured.
    pub ended: bool,
    /// Packets that told of it.
    pub packets: u32,
    /// The payload type.
    pub payload_type: u8,
    /// RTP timestamp of its beginning, which all its packets share as a rule.
    pub timestamp: u32,
}

/// The payload of one packet.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    /// Sequence number that does not wrap.
    pub(crate) place: u64,
    pub(crate) timestamp: u32,
    pub(crate) at: Time,
    pub(crate) payload_type: u8,
    pub(crate) payload: Bytes,
}

/// All that may be RTP.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    index: HashMap<(SocketAddr, SocketAddr, u32), usize>,
    list: Vec<Source>,
    /// Keep payloads.
    keep: bool,
    kept: usize,
    /// Newcomers turned away since room was last sought.
    refused: usize,
}

impl Sources {
    pub(crate) fn new(keep_audio: bool) -> Self {
        Self { keep: keep_audio, ..Self::default() }
    }

    /// Takes a datagram that looks like RTP by its first two octets.
    pub(crate) fn add(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        origin: Origin,
    ) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        let key = (source, destination, packet.header.ssrc);
        let index = match self.index.get(&key).copied() {
            Some(index) => index,
            None if !self.has_room() => return,
            None => {
                self.index.insert(key, self.list.len());
                self.list.push(Source::new(key, &packet, origin));
                self.list.len() - 1
            }
        };
        let Some(stream) = self.list.get_mut(index) else { return };
        let room = if self.keep { AUDIO_OCTETS.saturating_sub(self.kept) } else { 0 };
        self.kept += stream.add(&packet, origin, room);
    }

    /// Makes room for one more if need be: what has sent a few packets only is mostly no RTP.
    fn has_room(&mut self) -> bool {
        if self.list.len() < STREAMS {
            return true;
        }
        self.refused += 1;
        if self.refused % (STREAMS / 16) != 1 {
            return false;
        }
        self.list.retain(|s| s.packets >= FEW);
        self.index.clear();
        let keys = self.list.iter().enumerate();
        self.index.extend(keys.map(|(at, s)| ((s.source, s.destination, s.ssrc), at)));
        self.list.len() < STREAMS
    }

    /// All of them, in the order of their first packets.
    pub(crate) fn finish(self) -> Vec<Source> {
        self.list
    }
}

impl Source {
    fn new(key: (SocketAddr, SocketAddr, u32), packet: &Packet<'_>, origin: Origin) -> Self {
        let (source, destination, ssrc) = key;
        Self {
            source,
            destination,
            ssrc,
            first: origin,
            last: origin,
            packets: 0,
            octets: 0,
            sequence: Sequence::new(packet.header.sequence),
            jitter: Jitter::default(),
            gap: Gap::default(),
            types: Vec::new(),
            digits: Vec::new(),
            keypads: Vec::new(),
            audio: Vec::new(),
        }
    }

    /// Counts a packet; gives how many octets of it were kept.
    fn add(&mut self, packet: &Packet<'_>, origin: Origin, room: usize) -> usize {
        let header = packet.header;
        let arrival = match self.packets {
            0 => Arrival::New(self.sequence.first()),
            _ => self.sequence.add(header.sequence),
        };
        self.packets += 1;
        self.octets += packet.payload.len() as u64;
        let silence = origin.at.since(self.last.at);
        if silence > self.gap.length {
            self.gap = Gap { length: silence, until: origin.at, frame: origin.frame };
        }
        self.last = origin;
        let event = event(header.payload_type, packet.payload);
        self.count_type(header.payload_type, event.is_some());
        if arrival == Arrival::Double {
            return 0;
        }
        match event {
            Some(event) => self.press(event, header, origin.at),
            None => self.jitter.add(origin.at, header.timestamp),
        }
        let (Arrival::New(place) | Arrival::Late(place)) = arrival else { return 0 };
        let payload = packet.payload;
        if event.is_some() || payload.len() > room || self.audio.len() >= AUDIO_PACKETS {
            return 0;
        }
        let Packet { header, .. } = *packet;
        self.audio.push(Sound {
            place,
            timestamp: header.timestamp,
            at: origin.at,
            payload_type: header.payload_type,
            payload: Bytes::copy_from_slice(payload),
        });
        payload.len().max(64)
    }

    fn count_type(&mut self, number: u8, event: bool) {
        let index = self.types.iter().position(|t| t.number == number);
        let index = index.unwrap_or_else(|| {
            if self.types.len() < PAYLOAD_TYPES {
                self.types.push(TypeUse { number, packets: 0, events: 0 });
            }
            self.types.len() - 1
        });
        if let Some(known) = self.types.get_mut(index) {
            known.packets += 1;
            known.events += u64::from(event);
        }
    }

    fn press(&mut self, event: TelephoneEvent, header: Header, at: Time) {
        let Some(key) = event.key() else { return };
        let Header { payload_type, sequence, timestamp, marker, .. } = header;
        let keypad = self.keypads.iter().position(|known| known.0 == payload_type).unwrap_or_else(|| {
            // Which clock it has is not known yet; it is the usual one, and lengths are told in its units anyway.
            self.keypads.push((payload_type, EventReceiver::new(8000)));
            self.keypads.len() - 1
        });
        let mut told = Vec::new();
        if let Some((_, keypad)) = self.keypads.get_mut(keypad) {
            keypad.feed(at.since(self.first.at), (sequence, timestamp, marker), event, &mut told);
        }
        let (duration, ended) = (event.duration, event.end);
        if told.iter().any(|told| matches!(told, Received::Press { .. })) {
            if self.digits.len() < DIGITS {
                self.digits.push(Digit { key, at, duration, ended, packets: 1, payload_type, timestamp });
            }
            return;
        }
        // A late packet may be of a press before the last.
        let alike = |d: &&mut Digit| d.key == key && d.payload_type == payload_type;
        let exact = self.digits.iter().rev().take(4).any(|d| d.timestamp == timestamp);
        let mut recent = self.digits.iter_mut().rev().take(4).filter(alike);
        if let Some(digit) = recent.find(|d| !exact || d.timestamp == timestamp) {
            digit.duration = digit.duration.max(duration);
            digit.ended |= ended;
            digit.packets += 1;
        }
    }

    /// Whether this looks like RTP to someone who has seen no signalling: enough packets whose numbers follow each
    /// other, of few payload types, between unprivileged ports.
    pub(crate) fn is_plausible(&self) -> bool {
        let types = self.types.iter().all(|t| t.number <= 34 || t.number >= 96);
        let ports = self.source.port() >= 1024 && self.destination.port() >= 1024;
        let few_types = self.types.len() <= 4;
        let in_order =
            4 * self.sequence.consecutive >= 3 * (self.packets - 1).saturating_sub(self.sequence.doubles);
        self.packets > FEW && types && few_types && ports && in_order
    }

    /// The payload type of most packets that are no keys.
    pub(crate) fn main_type(&self) -> u8 {
        let best = self.types.iter().max_by_key(|t| (t.packets - t.events, t.packets));
        best.map_or(0, |t| t.number)
    }
}

/// What may be a telephone event: dynamic payload type, four octets, a key, the reserved bit zero.
fn event(payload_type: u8, payload: &[u8]) -> Option<TelephoneEvent> {
    let &[_, flags, ..] = payload else { return None };
    let event = TelephoneEvent::parse(payload)?;
    let plausible = payload_type >= 96 && payload.len() == TelephoneEvent::OCTETS;
    (plausible && flags & 0x40 == 0 && event.key().is_some()).then_some(event)
}

#[cfg(test)]
mod tests;
