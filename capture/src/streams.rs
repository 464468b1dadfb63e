//! The RTP streams of a capture: which of the gathered sources are RTP, what they carry, and how well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{self, Codec};
use crate::emodel;
use crate::reception::{Gap, JitterFigures};
use crate::rtp::{Digit, Sound, Source};
use crate::sdp::Media;
use crate::time::Time;

/// A place where media is awaited, as a session description said.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) address: SocketAddr,
    /// When it was said ...
    pub(crate) at: Time,
    /// ... and in which message.
    pub(crate) message: usize,
    pub(crate) media: Arc<Media>,
}

/// How a stream was found to be RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A session description announces its destination.
    Announced {
        /// The number of the message with the description.
        message: usize,
    },
    /// A session description announces its source: it comes from a place where media is awaited.
    AnnouncedSource {
        /// The number of the message with the description.
        message: usize,
    },
    /// It looks like RTP.
    Guessed,
}

/// How much of a stream is of one payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carries {
    /// What the payload type stands for.
    pub codec: Codec,
    /// Packets of it.
    pub packets: u64,
    /// The receiver's session description has this payload type, or there is none.
    pub expected: bool,
}

/// One RTP stream: all packets from one address to one address with one synchronisation source.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its place among the streams of the capture, counted from 1.
    pub number: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who got it.
    pub destination: SocketAddr,
    /// Synchronisation source.
    pub ssrc: u32,
    /// How it was found.
    pub how: How,
    /// `audio`, `video` or another, when signalling says so.
    pub kind: String,
    /// What most of it carries.
    pub codec: Codec,
    /// All payload types, the most frequent first.
    pub types: Vec<Carries>,
    /// Packets captured.
    pub packets: u64,
    /// Octets of payload.
    pub octets: u64,
    /// Packets that should have come, by their numbers.
    pub expected: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Jitter; `None` when the clock is not known, or there is one packet only.
    pub jitter: Option<JitterFigures>,
    /// The longest silence.
    pub gap: Gap,
    /// When it began ...
    pub began: Time,
    /// ... and ended, ...
    pub ended: Time,
    /// ... and with which frame it began.
    pub frame: u64,
    /// Estimated mean opinion score, 1 to 4.5; `None` for codecs for which no figures are published.
    pub mos: Option<f64>,
    /// Keys pressed.
    pub digits: Vec<Digit>,
    /// Packets that told of keys.
    pub events: u64,
    /// It is encrypted: its content cannot be heard.
    pub secure: bool,
    /// The number of the call it belongs to.
    pub call: Option<usize>,
    /// It goes to the caller of that call, rather than to the callee.
    pub to_caller: bool,
    pub(crate) audio: Vec<Sound>,
}

impl Stream {
    /// Share of packets lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.lost as f64 / self.expected as f64 }
    }

    /// From its first to its last packet.
    pub fn duration(&self) -> Duration {
        self.ended.since(self.began)
    }

    /// The keys pressed, as a text.
    pub fn keys(&self) -> String {
        self.digits.iter().map(|digit| digit.key).collect()
    }
}

/// What is announced, by address.
pub(crate) struct Directory<'a> {
    all: &'a [Announcement],
    by_address: HashMap<SocketAddr, Vec<usize>>,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(all: &'a [Announcement]) -> Self {
        let mut by_address: HashMap<SocketAddr, Vec<usize>> = HashMap::new();
        for (index, announcement) in all.iter().enumerate() {
            by_address.entry(announcement.address).or_default().push(index);
        }
        Self { all, by_address }
    }

    /// The announcements of an address up to a time, the newest first; if there are none, those after it. No more
    /// than matter.
    pub(crate) fn of(&self, address: SocketAddr, at: Time) -> Vec<&'a Announcement> {
        let known = self.by_address.get(&address).map(Vec::as_slice).unwrap_or_default();
        // They stand in the order of messages, which is that of time but for clocks that were set back.
        let before = known.partition_point(|index| self.all.get(*index).is_some_and(|a| a.at <= at));
        let (before, after) = known.split_at(before);
        let get = |index: &usize| self.all.get(*index);
        match before.is_empty() {
            true => after.iter().take(RECENT).filter_map(get).collect(),
            false => before.iter().rev().take(RECENT).filter_map(get).collect(),
        }
    }
}

/// Announcements of one address that are looked at for one stream.
const RECENT: usize = 32;

/// Parts the sources into streams that signalling announces and others that look like RTP.
pub(crate) fn part(sources: Vec<Source>, directory: &Directory<'_>) -> (Vec<Stream>, Vec<Stream>) {
    let (mut announced, mut guessed) = (Vec::new(), Vec::new());
    for source in sources {
        let to = directory.of(source.destination, source.first.at);
        let from = directory.of(source.source, source.first.at);
        match (to.first(), from.first()) {
            (Some(a), _) => announced.push(stream(source, How::Announced { message: a.message }, &to, &from)),
            (None, Some(a)) => {
                announced.push(stream(source, How::AnnouncedSource { message: a.message }, &to, &from));
            }
            (None, None) if source.is_plausible() => guessed.push(stream(source, How::Guessed, &[], &[])),
            (None, None) => {}
        }
    }
    (announced, guessed)
}

fn stream(source: Source, how: How, to: &[&Announcement], from: &[&Announcement]) -> Stream {
    let media = to.first().or(from.first()).map(|a| &*a.media);
    let mut types: Vec<Carries> = source
        .types
        .iter()
        .map(|used| {
            let named = described(used.number, to);
            let expected = named.is_some() || to.is_empty();
            let known = named.or_else(|| described(used.number, from));
            let mut codec = known.cloned().unwrap_or_else(|| codec::of_payload_type(used.number));
            if codec.name.is_empty() && used.events == used.packets {
                (codec.name, codec.clock) = ("telephone-event".to_owned(), 8000);
            }
            Carries { codec, packets: used.packets, expected }
        })
        .collect();
    let codec = types.iter().find(|t| t.codec.payload_type == source.main_type()).map(|t| t.codec.clone());
    let codec = codec.unwrap_or_else(|| codec::of_payload_type(source.main_type()));
    types.sort_by_key(|t| std::cmp::Reverse(t.packets));
    let is_event = |number: u8| types.iter().any(|t| t.codec.payload_type == number && t.codec.is_event());
    let digits: Vec<Digit> = source.digits.iter().copied().filter(|d| is_event(d.payload_type)).collect();
    let events = types.iter().filter(|t| t.codec.is_event()).map(|t| t.packets).sum();
    let (lost, expected) = (source.sequence.lost(), source.sequence.expected());
    let jitter = source.jitter.figures(codec.clock);
    let mos = codec::impairment(&codec)
        .map(|impairment| emodel::score(impairment, (lost, expected), jitter.map_or(0.0, |j| j.mean)));
    Stream {
        number: 0,
        source: source.source,
        destination: source.destination,
        ssrc: source.ssrc,
        how,
        kind: media.map_or_else(String::new, |media| media.kind.clone()),
        codec,
        types,
        packets: source.packets,
        octets: source.octets,
        expected,
        lost,
        duplicates: source.sequence.doubles,
        reordered: source.sequence.late,
        jitter,
        gap: source.gap,
        began: source.first.at,
        ended: source.last.at,
        frame: source.first.frame,
        mos,
        digits,
        events,
        secure: media.is_some_and(Media::is_secure),
        call: None,
        to_caller: false,
        audio: source.audio,
    }
}

/// What the descriptions, the newest first, say of a payload type.
fn described<'a>(number: u8, announcements: &[&'a Announcement]) -> Option<&'a Codec> {
    let codecs = announcements.iter().flat_map(|a| &a.media.codecs);
    codecs.into_iter().find(|codec| codec.payload_type == number)
}
