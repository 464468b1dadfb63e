//! Codecs as two parties name them, and what they have in common.

use std::fmt::Write as _;

use smol_str::{SmolStr, SmolStrBuilder};

use telex_audio::codec::{Encoding, Settings};

use super::fmtp;
use crate::mediactl::{Accepted, Kind, Payload};

/// A payload type of an audio stream: its number, what it stands for, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Codec {
    /// RTP payload type number, 0 to 127.
    pub number: u8,
    /// Encoding name as its writer spells it; names are compared without case.
    pub name: SmolStr,
    /// RTP clock rate in hertz.
    pub clock: u32,
    /// Channels, at least 1.
    pub channels: u8,
    /// `a=fmtp` parameters as written, opaque; empty without.
    pub fmtp: SmolStr,
}

impl Codec {
    /// A codec of one channel without parameters.
    pub const fn new(number: u8, name: &'static str, clock: u32) -> Self {
        Self { number, name: SmolStr::new_static(name), clock, channels: 1, fmtp: SmolStr::new_static("") }
    }

    /// Whether both mean the same encoding: name without case, clock rate and channels (RFC 3264 §6.1).
    pub fn same_as(&self, other: &Self) -> bool {
        self.clock == other.clock
            && self.channels == other.channels
            && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Whether it carries digits and tones instead of sound (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether it carries the sound of silence (RFC 3389).
    pub fn is_comfort_noise(&self) -> bool {
        self.name.eq_ignore_ascii_case("CN")
    }

    /// Whether speech can be sent by it: it is neither telephone events nor comfort noise.
    pub fn is_speech(&self) -> bool {
        !self.is_telephone_event() && !self.is_comfort_noise()
    }

    /// The encoding as media knows it; `None` when it can only be passed on.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::from_rtpmap(&self.name, self.clock, self.channels.into())
    }

    /// An encoding as we write it, with the number it usually has.
    pub fn of(encoding: Encoding) -> Self {
        let properties = encoding.properties();
        Self {
            number: properties.payload_type.unwrap_or(USUAL_DYNAMIC),
            name: SmolStr::new_static(properties.name),
            clock: properties.clock,
            channels: properties.channels,
            fmtp: SmolStr::new_static(fmtp::ours(encoding)),
        }
    }

    /// Telephone events as we write them: the keys and the flash (RFC 4733 §3.2).
    pub fn events() -> Self {
        Self { fmtp: SmolStr::new_static("0-16"), ..Self::new(101, "telephone-event", 8000) }
    }

    /// Comfort noise at the clock of the telephone (RFC 3389 §4).
    pub const fn noise() -> Self {
        Self::new(13, "CN", 8000)
    }

    /// What it stands for, as media is told.
    pub fn kind(&self) -> Kind {
        if self.is_telephone_event() {
            Kind::Events
        } else if self.is_comfort_noise() {
            Kind::Noise
        } else {
            Kind::Speech
        }
    }

    /// The payload type as media is told of it.
    pub fn payload(&self) -> Payload {
        Payload {
            number: self.number,
            encoding: self.encoding(),
            clock: self.clock,
            settings: self.encoding().map_or(Settings::default(), |known| fmtp::settings(known, &self.fmtp)),
        }
    }

    /// What a payload type number means without an rtpmap (RFC 3551 table 4).
    pub fn of_static(number: u8) -> Option<Self> {
        let (name, clock) = match number {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            5 => ("DVI4", 8000),
            6 => ("DVI4", 16000),
            7 => ("LPC", 8000),
            8 => ("PCMA", 8000),
            9 => ("G722", 8000),
            10 | 11 => ("L16", 44100),
            12 => ("QCELP", 8000),
            13 => ("CN", 8000),
            14 => ("MPA", 90000),
            15 => ("G728", 8000),
            16 => ("DVI4", 11025),
            17 => ("DVI4", 22050),
            18 => ("G729", 8000),
            _ => return None,
        };
        let channels = if number == 10 { 2 } else { 1 };
        Some(Self { channels, ..Self::new(number, name, clock) })
    }
}

const PCMU: Codec = Codec::new(0, "PCMU", 8000);
const PCMA: Codec = Codec::new(8, "PCMA", 8000);

/// The number that we give first to an encoding without one of its own; 101 is left to telephone events.
const USUAL_DYNAMIC: u8 = 111;

/// What every telephone understands: PCMU, PCMA, telephone events.
pub fn default_codecs() -> Vec<Codec> {
    vec![PCMU, PCMA, Codec::events()]
}

/// What an answerer who wants `wanted` answers to an offer of `offered`: the codecs that both name, in the offer's
/// order and with the offer's numbers (RFC 3264 §6.1), parameters as in `wanted`, since they are the answerer's.
///
/// Telephone events and comfort noise alone are no conversation: without common speech the result is empty.
pub fn choose(offered: &[Codec], wanted: &[Codec]) -> Vec<Codec> {
    let mut common: Vec<(usize, &Codec)> = Vec::new();
    for codec in wanted {
        let place = counterpart(codec, offered);
        if let Some(place) = place.filter(|place| common.iter().all(|(taken, _)| taken != place)) {
            common.push((place, codec));
        }
    }
    common.sort_by_key(|(place, _)| *place);
    let chosen: Vec<Codec> = common
        .into_iter()
        .filter_map(|(place, codec)| Some(Codec { fmtp: codec.fmtp.clone(), ..offered.get(place)?.clone() }))
        .collect();
    if chosen.iter().any(Codec::is_speech) { chosen } else { Vec::new() }
}

/// What may become of what one party sends to the other: by which number it goes on.
///
/// `from` is what was last written to the sender, for a party sends by the numbers of the description it was given;
/// `to` is what the receiver wrote (RFC 3264 §5.1). What the receiver does not name is kept if it can be made into
/// something else; the rest is left out, and media drops it.
pub fn payload_map(from: &[Codec], to: &[Codec]) -> Vec<Accepted> {
    from.iter()
        .filter_map(|codec| {
            let other = counterpart(codec, to).and_then(|place| to.get(place));
            let forward = other.map(|other| other.number);
            let useful = forward.is_some() || !codec.is_speech() || codec.encoding().is_some();
            useful.then(|| Accepted { payload: codec.payload(), kind: codec.kind(), forward })
        })
        .collect()
}

/// The codec for speech that its writer likes best.
pub fn speech(codecs: &[Codec]) -> Option<&Codec> {
    codecs.iter().find(|codec| codec.is_speech())
}

/// The telephone events that go with `speech`: those at its clock rate, since both share one RTP timeline
/// (RFC 4733 §2.1), or else the first. Telephones with Opus often have events at 8000 only.
pub fn events<'a>(codecs: &'a [Codec], speech: &Codec) -> Option<&'a Codec> {
    let events = || codecs.iter().filter(|codec| codec.is_telephone_event());
    events().find(|codec| codec.clock == speech.clock).or_else(|| events().next())
}

/// Of what a party offered, as much as is needed: the speech it likes best, and what goes with that.
pub fn first_of(offered: &[Codec]) -> Vec<Codec> {
    let Some(speech) = speech(offered) else { return Vec::new() };
    let (events, noise) = (events(offered, speech), noise(offered, speech));
    let wanted = |codec: &&Codec| *codec == speech || [events, noise].contains(&Some(*codec));
    offered.iter().filter(wanted).cloned().collect()
}

/// The comfort noise that goes with `speech`: that at its clock rate (RFC 3389 §4).
pub fn noise<'a>(codecs: &'a [Codec], speech: &Codec) -> Option<&'a Codec> {
    codecs.iter().find(|codec| codec.is_comfort_noise() && codec.clock == speech.clock)
}

/// Codecs for people: `PCMU/8000 opus/48000/2 telephone-event/8000`.
pub fn describe(codecs: &[Codec]) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    for (n, codec) in codecs.iter().enumerate() {
        let blank = if n == 0 { "" } else { " " };
        // Writing to memory cannot fail.
        let _ = write!(text, "{blank}{}/{}", codec.name, codec.clock);
        if codec.channels != 1 {
            let _ = write!(text, "/{}", codec.channels);
        }
    }
    text.finish()
}

/// Where in `among` the codec stands that means the same as `codec`. Some encodings come several times with different
/// parameters (AMR with octet-align 0 and 1), so equal parameters win, then an equal number, then the first.
fn counterpart(codec: &Codec, among: &[Codec]) -> Option<usize> {
    let likeness = |other: &Codec| (other.fmtp == codec.fmtp, other.number == codec.number);
    let same = among.iter().enumerate().filter(|(_, other)| other.same_as(codec));
    same.rev().max_by_key(|(_, other)| likeness(other)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::Kind::{Events, Speech};
    use super::*;

    fn with(codec: Codec, fmtp: &str) -> Codec {
        Codec { fmtp: fmtp.into(), ..codec }
    }

    const AMR: Codec = Codec::new(96, "AMR", 8000);
    const CN: Codec = Codec::new(13, "CN", 8000);

    fn opus(number: u8) -> Codec {
        Codec { channels: 2, ..Codec::new(number, "opus", 48000) }
    }

    fn pairs(map: &[Accepted]) -> Vec<(u8, u8)> {
        map.iter().filter_map(|accepted| Some((accepted.payload.number, accepted.forward?))).collect()
    }

    fn numbers(codecs: &[Codec]) -> Vec<u8> {
        codecs.iter().map(|codec| codec.number).collect()
    }

    #[test]
    fn the_answer_keeps_the_order_and_the_numbers_of_the_offer() {
        let events = |n| Codec::new(n, "telephone-event", 8000);
        let offered =
            [opus(111), Codec::new(9, "G722", 8000), PCMA, PCMU, Codec::new(13, "CN", 8000), events(96)];
        assert_eq!(numbers(&choose(&offered, &default_codecs())), [8, 0, 96]);
        assert_eq!(numbers(&choose(&offered, &[events(101), opus(98)])), [111, 96]);
        assert_eq!(numbers(&choose(&offered, &offered)), [111, 9, 8, 0, 13, 96]);
    }

    #[test]
    fn digits_and_silence_alone_are_no_common_codec() {
        let both = [Codec::new(13, "CN", 8000), Codec::new(101, "telephone-event", 8000)];
        assert_eq!(choose(&both, &both), []);
        assert_eq!(choose(&[opus(96)], &[PCMU]), []);
        assert_eq!(choose(&[], &[PCMU]), []);
    }

    #[test]
    fn names_are_compared_without_case_and_rates_exactly() {
        assert_eq!(numbers(&choose(&[Codec::new(0, "pcmu", 8000)], &[PCMU])), [0]);
        assert_eq!(choose(&[Codec::new(97, "PCMU", 16000)], &[PCMU]), []);
        assert_eq!(choose(&[Codec { channels: 2, ..PCMU }], &[PCMU]), []);
        let events = Codec::new(126, "telephone-event", 48000);
        assert_eq!(numbers(&choose(&[PCMU, events], &default_codecs())), [0], "events at another clock");
    }

    #[test]
    fn the_parameters_are_those_of_the_answerer() {
        let chosen = choose(&[with(opus(111), "minptime=10")], &[with(opus(96), "maxplaybackrate=16000")]);
        assert_eq!(chosen, [with(opus(111), "maxplaybackrate=16000")]);
    }

    #[test]
    fn one_encoding_with_two_sets_of_parameters_stays_two() {
        let amr = |number, fmtp| with(Codec::new(number, "AMR", 8000), fmtp);
        let offered = [amr(96, ""), amr(97, "octet-align=1")];
        assert_eq!(numbers(&choose(&offered, &[amr(100, "octet-align=1")])), [97], "by parameters");
        assert_eq!(numbers(&choose(&offered, &[amr(97, "octet-align=1;mode-set=0")])), [97], "by number");
        assert_eq!(numbers(&choose(&offered, &[amr(100, "mode-set=7")])), [96], "by order");
        let map = payload_map(&offered, &[amr(100, "octet-align=1"), amr(101, "")]);
        assert_eq!(pairs(&map), [(96, 101), (97, 100)]);
    }

    #[test]
    fn a_codec_named_twice_is_answered_once() {
        assert_eq!(numbers(&choose(&[Codec::new(96, "PCMU", 8000), PCMU], &[PCMU])), [0]);
        assert_eq!(numbers(&choose(&[PCMU], &[PCMU, Codec::new(96, "PCMU", 8000)])), [0]);
    }

    #[test]
    fn a_relay_renumbers_what_both_sides_know() {
        let a = [opus(111), PCMU, Codec::new(96, "telephone-event", 8000)];
        let b = [PCMU, opus(98), Codec::new(101, "telephone-event", 8000)];
        let map = payload_map(&a, &b);
        assert_eq!(pairs(&map), [(111, 98), (0, 0), (96, 101)]);
        assert_eq!(map.iter().map(|accepted| accepted.kind).collect::<Vec<_>>(), [Speech, Speech, Events]);
        assert_eq!(pairs(&payload_map(&a, &[PCMU])), [(0, 0)]);
    }

    #[test]
    fn media_knows_what_can_be_coded() {
        assert_eq!(PCMU.payload(), Payload::of(0, Encoding::Pcmu));
        assert_eq!(Codec::new(8, "pcma", 8000).encoding(), Some(Encoding::Pcma));
        assert_eq!(opus(96).payload(), Payload::of(96, Encoding::Opus));
        assert_eq!(Codec::new(96, "AMR", 8000).payload(), Payload::opaque(96, 8000));
        assert_eq!(Codec { channels: 2, ..PCMU }.encoding(), None);
    }

    #[test]
    fn events_go_with_the_clock_of_the_speech() {
        let list = [
            opus(111),
            PCMU,
            Codec::new(126, "telephone-event", 8000),
            Codec::new(110, "Telephone-Event", 48000),
        ];
        assert_eq!(events(&list, &list[0]).map(|codec| codec.number), Some(110));
        assert_eq!(events(&list, &list[1]).map(|codec| codec.number), Some(126));
        assert_eq!(events(&list[..3], &list[0]).map(|codec| codec.number), Some(126), "rather than none");
        assert_eq!(numbers(&first_of(&list)), [111, 110]);
        assert_eq!(numbers(&first_of(&[AMR, list[1].clone(), CN, list[2].clone()])), [96, 13, 126]);
        assert_eq!(first_of(&list[2..]), []);
        assert_eq!(speech(&list[1..]).map(|codec| codec.number), Some(0));
        assert_eq!(speech(&list[2..]), None);
    }

    #[test]
    fn codecs_are_described_in_one_line() {
        assert_eq!(describe(&[PCMU, opus(111)]), "PCMU/8000 opus/48000/2");
        assert_eq!(describe(&[]), "");
    }
}
