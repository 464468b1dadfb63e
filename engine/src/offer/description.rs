//! What a party said, reduced to what the exchange works with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use smallvec::SmallVec;
use smol_str::SmolStr;
use telex_audio::codec::Encoding;

use super::codec::{self, Codec};
use super::direction::Direction;
use super::error::OfferError;
use crate::limits;
use crate::sdp::{Connection, Fmtp, Media, MediaLine, Rtcp, Rtpmap, Section, Session, Timing};

/// One description, offer or answer: where its streams stand, and the audio stream that the exchange uses.
/// Equal descriptions mean the same; the edition in `o=` is not asked, since not every phone keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Description {
    layout: Layout,
    audio: Option<Audio>,
}

impl Description {
    /// The audio stream in use: the first over plain RTP whose port is not 0. `None` when there is none.
    pub fn audio(&self) -> Option<&Audio> {
        self.audio.as_ref()
    }

    /// Leaves out speech that is none of these encodings.
    pub fn restrict(&mut self, encodings: &[Encoding]) {
        if let Some(audio) = &mut self.audio {
            let allowed = |codec: &Codec| codec.encoding().is_some_and(|known| encodings.contains(&known));
            audio.codecs.retain(|codec| !codec.is_speech() || allowed(codec));
        }
    }

    /// Its streams, for the answer and for later offers to this party.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Codecs for people; empty without audio.
    pub fn describe(&self) -> SmolStr {
        self.audio.as_ref().map(|audio| codec::describe(&audio.codecs)).unwrap_or_default()
    }
}

/// An audio stream as its writer wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Audio {
    /// Where the writer receives RTP. The address is unspecified when it wants nothing sent (`c=IN IP4 0.0.0.0`), and
    /// when it gave a host name: see [`Audio::remote`].
    pub address: SocketAddr,
    /// Where the writer receives RTCP, if it said so (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// Whether the writer can do with one port for both (RFC 5761).
    pub rtcp_mux: bool,
    /// Whether the writer takes RTCP that begins with no report (RFC 5506).
    pub rtcp_rsize: bool,
    /// Direction as the writer sees it, the old form of hold included.
    pub direction: Direction,
    /// Payload types in order of preference. Numbers of unknown meaning are left out.
    pub codecs: Vec<Codec>,
    /// Packet times it asks for.
    pub ptime: Ptime,
}

impl Audio {
    /// Where to send RTP. `None` when nothing is wanted or when the address is a host name, which is not looked up:
    /// media then goes to where the party's own comes from.
    pub fn remote(&self) -> Option<SocketAddr> {
        (!self.address.ip().is_unspecified()).then_some(self.address)
    }
}

/// How much audio a packet should hold, in milliseconds (RFC 8866 §6.4, §6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ptime {
    /// `a=ptime`: what the writer would like.
    pub wanted: Option<u16>,
    /// `a=maxptime`: what it can take at most.
    pub longest: Option<u16>,
}

impl Ptime {
    /// Milliseconds per packet for audio that is produced here: a multiple of 10 from 10 to 60, 20 if nothing is said.
    pub fn produced(self) -> u8 {
        let longest = self.longest.unwrap_or(60).clamp(10, 60);
        let wanted = self.wanted.unwrap_or(20).clamp(10, longest);
        u8::try_from(wanted / 10 * 10).unwrap_or(20)
    }
}

/// The streams of a session in their order, which stays for as long as the session lasts (RFC 3264 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Layout {
    pub(super) slots: SmallVec<[Slot; 1]>,
    pub(super) audio: Option<usize>,
    /// The writer does with one port for RTP and RTCP (RFC 5761), and so do we for it.
    pub(super) rtcp_mux: bool,
    /// The writer does with reports that are not whole (RFC 5506), and so do we.
    pub(super) rtcp_rsize: bool,
    pub(super) timing: Timing,
}

/// One stream: enough to mirror its `m=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Slot {
    pub(super) kind: SmolStr,
    pub(super) proto: SmolStr,
    /// The first format; a refused stream must show one, it does not matter which (RFC 3264 §6).
    pub(super) format: SmolStr,
}

impl Default for Layout {
    /// One audio stream over RTP: what the exchange offers first.
    fn default() -> Self {
        let mut layout = Self {
            slots: SmallVec::new(),
            audio: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            timing: Timing::ALWAYS,
        };
        layout.open_audio();
        layout
    }
}

impl Layout {
    /// How many streams.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Makes sure that a stream for audio is there: one that was refused, or else a new one at the end, or in the place
    /// of the last, which is refused like all but audio, when there are as many as a description may have
    /// (RFC 3264 §8.1).
    pub(super) fn open_audio(&mut self) {
        if self.audio.is_some() {
            return;
        }
        if let Some(refused) = self.slots.iter().position(|slot| is_plain_audio(&slot.kind, &slot.proto)) {
            self.audio = Some(refused);
            return;
        }
        self.slots.truncate(limits::SDP_MEDIA - 1);
        self.audio = Some(self.slots.len());
        self.slots.push(Slot {
            kind: SmolStr::new_static("audio"),
            proto: SmolStr::new_static("RTP/AVP"),
            format: SmolStr::new_static("0"),
        });
    }
}

/// Reads an offer.
///
/// # Errors
/// [`OfferError::Syntax`] when it is no session description, [`OfferError::NoConnection`] when its audio has no `c=`.
/// An offer without usable audio is read: its [`Description::audio`] is `None`.
pub fn read(body: &[u8]) -> Result<Description, OfferError> {
    let session = Session::parse(body)?;
    let usable = session.media().enumerate().find_map(|(place, media)| Usable::of(&session, place, media));
    describe(&session, usable)
}

/// Reads the answer to an offer that was written with `offered` (RFC 3264 §6).
///
/// # Errors
/// As [`read`], and [`OfferError::NoFit`] when it has another number of streams, or another kind where audio stood.
pub fn read_answer(body: &[u8], offered: &Layout) -> Result<Description, OfferError> {
    let session = Session::parse(body)?;
    if session.media().len() != offered.slots.len() {
        return Err(OfferError::NoFit);
    }
    let Some((place, media)) = offered.audio.and_then(|place| Some((place, session.media().nth(place)?)))
    else {
        return describe(&session, None);
    };
    if media.line.kind != "audio" {
        return Err(OfferError::NoFit);
    }
    describe(&session, Usable::of(&session, place, media))
}

fn describe(session: &Session<'_>, usable: Option<Usable<'_, '_>>) -> Result<Description, OfferError> {
    let slot = |line: MediaLine<'_>| Slot {
        kind: SmolStr::new(line.kind),
        proto: SmolStr::new(line.proto),
        format: SmolStr::new(line.formats().next().unwrap_or("0")),
    };
    let place = usable.as_ref().map(|usable| usable.place);
    let audio = usable.map(|usable| read_audio(&usable, session.session())).transpose()?;
    let layout = Layout {
        slots: session.media().map(|media| slot(media.line)).collect(),
        audio: place,
        rtcp_mux: audio.as_ref().is_some_and(|audio| audio.rtcp_mux),
        rtcp_rsize: audio.as_ref().is_some_and(|audio| audio.rtcp_rsize),
        timing: session.timing(),
    };
    Ok(Description { layout, audio })
}

/// Audio over RTP in the clear. The feedback profile is plain RTP with other RTCP timing (RFC 4585 §2).
fn is_plain_audio(kind: &str, proto: &str) -> bool {
    kind == "audio" && (proto.eq_ignore_ascii_case("RTP/AVP") || proto.eq_ignore_ascii_case("RTP/AVPF"))
}

/// A stream that the exchange can take part in: plain audio that is not refused and goes to one address.
struct Usable<'a, 's> {
    place: usize,
    media: Media<'a, 's>,
    connection: Option<Connection<'a>>,
}

impl<'a, 's> Usable<'a, 's> {
    fn of(session: &'s Session<'a>, place: usize, media: Media<'a, 's>) -> Option<Self> {
        if media.line.port == 0 || !is_plain_audio(media.line.kind, media.line.proto) {
            return None;
        }
        // The media's own address, or else the session's (RFC 8866 §5.7).
        let connection = media.section.connection().or(session.connection());
        let ip = connection.and_then(|connection| connection.address.ip());
        let to_many = ip.is_some_and(|ip| ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST));
        (!to_many).then_some(Self { place, media, connection })
    }
}

fn read_audio(usable: &Usable<'_, '_>, session: Section<'_, '_>) -> Result<Audio, OfferError> {
    let Usable { media, connection, .. } = *usable;
    let connection = connection.ok_or(OfferError::NoConnection)?;
    let ip = connection.address.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut codecs = Codecs::of(media.line);
    let (mut direction, mut rtcp, mut ptime) = (None, None, Ptime::default());
    let (mut rtcp_mux, mut rtcp_rsize) = (false, false);
    for attribute in media.section.attributes() {
        match attribute.name {
            "rtpmap" => codecs.map(attribute.value),
            "fmtp" => codecs.parameters(attribute.value),
            "rtcp" => rtcp = Rtcp::parse(attribute.value),
            "rtcp-mux" => rtcp_mux = true,
            "rtcp-rsize" => rtcp_rsize = true,
            "ptime" => ptime.wanted = milliseconds(attribute.value),
            "maxptime" => ptime.longest = milliseconds(attribute.value),
            name => direction = direction.or(Direction::from_name(name)),
        }
    }
    let direction = direction
        .or_else(|| session.attributes().find_map(|attribute| Direction::from_name(attribute.name)))
        .unwrap_or_default();
    // The old form of hold says "send me nothing" by the address (RFC 3264 §8.4).
    let allowed = Direction::of(true, !connection.address.is_nowhere());
    let rtcp = rtcp.and_then(|rtcp| {
        let ip = rtcp.address.map_or(Some(ip), |address| address.ip())?;
        (rtcp.port != 0 && !ip.is_unspecified() && !ip.is_multicast())
            .then_some(SocketAddr::new(ip, rtcp.port))
    });
    Ok(Audio {
        address: SocketAddr::new(ip, media.line.port),
        rtcp,
        rtcp_mux,
        rtcp_rsize,
        direction: direction.and(allowed),
        codecs: codecs.known(),
        ptime,
    })
}

fn milliseconds(value: &str) -> Option<u16> {
    value.trim_ascii().parse().ok().filter(|&ms| ms > 0)
}

/// Collects codecs: the `m=` line gives the order, the attributes the meaning, in any order.
struct Codecs {
    list: Vec<Codec>,
    /// Place in the list by payload type number, plus one.
    places: [u8; 128],
}

impl Codecs {
    fn of(line: MediaLine<'_>) -> Self {
        let mut codecs = Self { list: Vec::with_capacity(8), places: [0; 128] };
        for number in line.formats().filter_map(|format| format.parse::<u8>().ok()) {
            let next = u8::try_from(codecs.list.len() + 1).unwrap_or(u8::MAX);
            if let Some(place) = codecs.places.get_mut(usize::from(number)).filter(|place| **place == 0) {
                *place = next;
                codecs.list.push(Codec::new(number, "", 0));
            }
        }
        codecs
    }

    fn get(&mut self, number: u8) -> Option<&mut Codec> {
        let place = *self.places.get(usize::from(number))?;
        self.list.get_mut(usize::from(place.checked_sub(1)?))
    }

    fn map(&mut self, value: &str) {
        let Some(map) = Rtpmap::parse(value) else { return };
        if let Some(codec) = self.get(map.number).filter(|codec| codec.name.is_empty()) {
            codec.name = SmolStr::new(map.name);
            codec.clock = map.clock;
            codec.channels = map.channels;
        }
    }

    fn parameters(&mut self, value: &str) {
        let Some(fmtp) = Fmtp::parse(value) else { return };
        if let Some(codec) = self.get(fmtp.number).filter(|codec| codec.fmtp.is_empty()) {
            codec.fmtp = SmolStr::new(fmtp.parameters);
        }
    }

    /// Those whose meaning is known, by rtpmap or by their number.
    fn known(mut self) -> Vec<Codec> {
        for codec in self.list.iter_mut().filter(|codec| codec.name.is_empty()) {
            if let Some(meaning) = Codec::of_static(codec.number) {
                *codec = Codec { fmtp: std::mem::take(&mut codec.fmtp), ..meaning };
            }
        }
        self.list.retain(|codec| !codec.name.is_empty());
        self.list
    }
}
