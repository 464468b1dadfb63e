//! A whole capture: frames in, a [`Report`] out.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use telex_engine::border::Transport;
use telex_engine::rtp::{Kind, classify};

use crate::calls::{self, Call, Exchange};
use crate::file::{Capture, Format, Frame, Stopped};
use crate::limits::{ANNOUNCED, MESSAGE_OCTETS, MESSAGES, MESSAGES_OCTETS};
use crate::message::{self, Message};
use crate::net::{Carried, Network};
use crate::rtp::Sources;
use crate::start::is_sip;
use crate::streams::{self, Announcement, Directory, Stream};
use crate::tcp::{Flows, Found, Origin, Segment};
use crate::time::Time;

/// What to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Count what looks like RTP even though no session description announces it. A capture without any session
    /// description is always read so.
    pub guess: bool,
    /// Keep payloads, so that audio can be written to files.
    pub audio: bool,
}

/// Numbers of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames.
    pub frames: u64,
    /// Octets of frames.
    pub octets: u64,
    /// SIP requests.
    pub requests: u64,
    /// SIP responses.
    pub responses: u64,
    /// Messages with a session description.
    pub sdp: u64,
    /// Messages over TCP.
    pub over_tcp: u64,
    /// RTP packets of all streams of the report.
    pub rtp: u64,
    /// RTCP packets: compound packets, a datagram each.
    pub rtcp: u64,
    /// RTP packets that tell of keys pressed.
    pub events: u64,
    /// STUN messages.
    pub stun: u64,
    /// IP fragments.
    pub fragments: u64,
    /// Messages that were counted but not kept, because there were too many.
    pub not_kept: u64,
}

/// How the RTP streams of a report were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// By session descriptions.
    Announced,
    /// By session descriptions, and by their looks as well.
    Both,
    /// By their looks, because nothing in the capture announces media.
    Guessed,
}

/// That something could not be delivered, as ICMP said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Who said so.
    pub by: IpAddr,
    /// Who had sent it.
    pub source: SocketAddr,
    /// Where it should have gone.
    pub destination: SocketAddr,
    /// How often it was said.
    pub count: u64,
}

/// Everything that was found in a capture.
#[derive(Clone, Debug)]
pub struct Report {
    /// Kind of the first file.
    pub format: Option<Format>,
    /// Numbers.
    pub counts: Counts,
    /// When the first frame was captured.
    pub began: Option<Time>,
    /// When the last was.
    pub ended: Time,
    /// SIP messages in the order in which they were complete.
    pub messages: Vec<Message>,
    /// RTP streams in the order of their first packets.
    pub streams: Vec<Stream>,
    /// How they were found.
    pub search: Search,
    /// What looks like RTP and was neither announced nor asked for.
    pub suspects: Vec<Stream>,
    /// Calls in the order of their first messages.
    pub calls: Vec<Call>,
    /// What else was asked and answered: registrations, subscriptions, keep-alives.
    pub exchanges: Vec<Exchange>,
    /// What could not be delivered.
    pub undelivered: Vec<Undelivered>,
}

/// Reads frames.
#[derive(Debug)]
pub struct Analyser {
    options: Options,
    format: Option<Format>,
    network: Network,
    flows: Flows,
    sources: Sources,
    messages: Vec<Message>,
    /// Octets of all messages.
    kept: usize,
    /// Messages by a hash of their octets and addresses.
    known: HashMap<u64, usize>,
    announcements: Vec<Announcement>,
    undelivered: BTreeMap<(SocketAddr, SocketAddr, IpAddr), u64>,
    counts: Counts,
    began: Option<Time>,
    ended: Time,
}

/// Undelivered destinations that are told apart.
const UNDELIVERED: usize = 1024;

impl Analyser {
    /// One that has seen nothing.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            format: None,
            network: Network::default(),
            flows: Flows::default(),
            sources: Sources::new(options.audio),
            messages: Vec::new(),
            kept: 0,
            known: HashMap::new(),
            announcements: Vec::new(),
            undelivered: BTreeMap::new(),
            counts: Counts::default(),
            began: None,
            ended: Time::default(),
        }
    }

    /// Reads a capture file to its end. Another one goes on where it ended, as if they were one.
    ///
    /// # Errors
    /// When it stops making sense. What was read before that counts.
    pub fn read<R: Read>(&mut self, reader: R) -> Result<(), Stopped> {
        let mut capture = Capture::new(reader)?;
        self.format.get_or_insert(capture.format());
        while let Some(frame) = capture.next_frame()? {
            self.frame(&frame);
        }
        Ok(())
    }

    /// Reads one frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.counts.frames += 1;
        self.counts.octets += frame.data.len() as u64;
        self.began.get_or_insert(frame.at);
        self.ended = self.ended.max(frame.at);
        let origin = Origin { frame: self.counts.frames, at: frame.at };
        let Some(decoded) = self.network.decode(frame) else { return };
        self.counts.fragments += u64::from(decoded.fragmented);
        match decoded.carried {
            Carried::Datagram { source, destination, payload, missing, id } => {
                self.datagram((source, destination), payload.as_ref(), (missing, id), origin);
            }
            Carried::Segment { source, destination, sequence, syn, end, payload, missing } => {
                let segment = Segment { sequence, syn, end, payload: payload.as_ref(), missing };
                for found in self.flows.add((source, destination), segment, origin) {
                    self.stream_message(found);
                }
            }
            Carried::Unreachable { by, source, destination } => {
                let key = (source, destination, by);
                if self.undelivered.len() < UNDELIVERED || self.undelivered.contains_key(&key) {
                    *self.undelivered.entry(key).or_default() += 1;
                }
            }
            Carried::Fragment => {}
        }
    }

    fn datagram(
        &mut self,
        ends: (SocketAddr, SocketAddr),
        payload: &[u8],
        (missing, packet): (usize, u16),
        origin: Origin,
    ) {
        match classify(payload) {
            Kind::Rtp => self.sources.add(ends.0, ends.1, payload, origin),
            Kind::Rtcp => self.counts.rtcp += u64::from(is_rtcp(payload)),
            Kind::Stun => self.counts.stun += u64::from(is_stun(payload)),
            _ if is_sip(payload) => {
                let (frame, at) = (origin.frame, origin.at);
                let (source, destination) = ends;
                let cut = format!("{missing} octets of the datagram were not captured");
                let defect = (missing > 0).then_some(cut);
                let transport = Transport::Udp;
                let found = message::Found { frame, at, source, destination, transport, packet, defect };
                self.message(found, Bytes::copy_from_slice(payload));
            }
            _ => {}
        }
    }

    fn stream_message(&mut self, found: Found) {
        let Found { source, destination, origin: Origin { frame, at }, message } = found;
        let (transport, packet, defect) = (Transport::Tcp, 0, message.defect);
        self.counts.over_tcp += 1;
        let found = message::Found { frame, at, source, destination, transport, packet, defect };
        self.message(found, message.octets);
    }

    fn message(&mut self, found: message::Found, mut raw: Bytes) {
        raw.truncate(MESSAGE_OCTETS);
        let mut message = Message::read(self.messages.len() + 1, found, raw);
        *if message.is_request() { &mut self.counts.requests } else { &mut self.counts.responses } += 1;
        self.counts.sdp += u64::from(message.has_sdp);
        if self.messages.len() >= MESSAGES || self.kept + message.raw.len() > MESSAGES_OCTETS {
            self.counts.not_kept += 1;
            return;
        }
        self.kept += message.raw.len();
        let mut hasher = DefaultHasher::new();
        (message.source, message.destination, &message.raw).hash(&mut hasher);
        let first = *self.known.entry(hasher.finish()).or_insert(message.number);
        let same = first.checked_sub(1).and_then(|at| self.messages.get(at));
        message.repeats = same.filter(|same| same.raw == message.raw).map(|same| same.number);
        self.announce(&message);
        self.messages.push(message);
    }

    /// Remembers where a message says that media is awaited.
    fn announce(&mut self, message: &Message) {
        let Some(description) = message.description() else { return };
        for media in description.media {
            let Some(place) = media.rtp() else { continue };
            let (at, message, media) = (message.at, message.number, Arc::new(media));
            for address in [place].into_iter().chain(media.candidates.iter().copied()) {
                if self.announcements.len() < ANNOUNCED {
                    self.announcements.push(Announcement { address, at, message, media: media.clone() });
                }
            }
        }
    }

    /// Ends: what all the frames amount to.
    pub fn finish(mut self) -> Report {
        for found in std::mem::take(&mut self.flows).finish() {
            self.stream_message(found);
        }
        let directory = Directory::new(&self.announcements);
        let (announced, guessed) = streams::part(self.sources.finish(), &directory);
        let search = match (self.announcements.is_empty(), self.options.guess) {
            (true, _) => Search::Guessed,
            (false, true) => Search::Both,
            (false, false) => Search::Announced,
        };
        let (mut streams, suspects) = match search {
            Search::Announced => (announced, guessed),
            Search::Both | Search::Guessed => ([announced, guessed].concat(), Vec::new()),
        };
        streams.sort_by_key(|s| s.frame);
        for (number, stream) in (1..).zip(&mut streams) {
            stream.number = number;
        }
        let undelivered = |((source, destination, by), count)| Undelivered { by, source, destination, count };
        let undelivered: Vec<Undelivered> = self.undelivered.into_iter().map(undelivered).collect();
        let mut report = Report {
            format: self.format,
            counts: self.counts,
            began: self.began,
            ended: self.ended,
            messages: self.messages,
            streams,
            search,
            suspects,
            calls: Vec::new(),
            exchanges: Vec::new(),
            undelivered,
        };
        report.counts.rtp = report.streams.iter().map(|s| s.packets).sum();
        report.counts.events = report.streams.iter().map(|s| s.events).sum();
        calls::find(&mut report);
        report
    }
}

/// Whether it is RTCP: packets of version 2 and a type of RTCP whose lengths fill the datagram (RFC 3550 §6.1). Those
/// that begin with no report are RTCP too: telephones send them.
fn is_rtcp(mut payload: &[u8]) -> bool {
    loop {
        let Some((&[head, kind, l0, l1], rest)) = payload.split_first_chunk::<4>() else { return false };
        let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        match rest.get(octets..) {
            Some(after) if head >> 6 == 2 && (192..=223).contains(&kind) => payload = after,
            _ => return false,
        }
        if payload.is_empty() {
            return true;
        }
    }
}

/// Whether it is a STUN message: two zero bits, a length that fits, and the magic cookie (RFC 8489 §5), or a binding
/// request or response of the time before there was one (RFC 3489 §11.1).
fn is_stun(payload: &[u8]) -> bool {
    let Some(&[kind0, kind1, l0, l1, c0, c1, c2, c3]) = payload.first_chunk::<8>() else { return false };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let kind = u16::from_be_bytes([kind0, kind1]);
    let cookie = [c0, c1, c2, c3] == [0x21, 0x12, 0xa4, 0x42];
    let old = matches!(kind, 0x0001 | 0x0101 | 0x0111);
    payload.len() == length + 20 && length % 4 == 0 && kind0 & 0xc0 == 0 && (cookie || old)
}

#[cfg(test)]
mod tests;
