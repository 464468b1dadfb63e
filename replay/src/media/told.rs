//! An input of a media machine as it is kept.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use telex_engine::media::MediaInput;
use telex_engine::mediactl::{Library, MediaCommand, PortId, RecordingId};
use telex_engine::rng::Seed;
use telex_engine::rtp::{Header, Kind, Packet, classify};

use super::MediaPolicy;

/// The octet of G.722 that stands for two samples of next to nothing.
const SILENCE: u8 = 0xfe;
/// Octets of music that one input can be read back to: a minute.
const LONGEST: u32 = 480_000;

/// What a media machine was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told<'a> {
    /// The deadline has come.
    Tick,
    /// A datagram arrived.
    Packet {
        /// The local UDP port.
        port: u16,
        /// Who sent it.
        remote: SocketAddr,
        /// All of it.
        #[serde(borrow, serialize_with = "octets")]
        bytes: &'a [u8],
    },
    /// An RTP packet arrived whose payload was not kept.
    Headers {
        /// The local UDP port.
        port: u16,
        /// Who sent it.
        remote: SocketAddr,
        /// What stands before the payload.
        #[serde(borrow, serialize_with = "octets")]
        head: &'a [u8],
        /// Octets of the payload.
        payload: u16,
        /// Padding after it.
        #[serde(borrow, serialize_with = "octets")]
        tail: &'a [u8],
    },
    /// Signalling commands.
    Command(MediaCommand),
    /// Ports are bound.
    Ports(Vec<PortId>),
    /// Random numbers come from here from now on.
    Seed(Seed),
    /// These are the sounds to be played by name: read back, only their lengths.
    Library(Arc<Library>),
    /// Pieces of a recording have been written.
    Written {
        /// Which recording.
        recording: RecordingId,
        /// How many pieces.
        pieces: u32,
    },
    /// The next of a class of music that comes from outside.
    Music {
        /// The class.
        class: SmolStr,
        /// G.722 at 64 kbit/s.
        #[serde(borrow, serialize_with = "octets")]
        bytes: &'a [u8],
    },
    /// The same whose sound was not kept.
    MusicLength {
        /// The class.
        class: SmolStr,
        /// How many octets came.
        octets: u32,
    },
}

/// As one run of octets instead of a list of numbers.
pub(super) fn octets<S: Serializer>(octets: &&[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(octets)
}

impl<'a> Told<'a> {
    pub(super) const WITHOUT: &'static str = "packets without payload";
    pub(super) const SILENT: &'static str = "music without sound";

    /// What shall be kept of an input.
    pub(crate) fn of(input: &'a MediaInput<'_>, policy: MediaPolicy) -> Self {
        match input {
            MediaInput::Tick => Self::Tick,
            MediaInput::Packet { port, remote, bytes } => match policy {
                MediaPolicy::All => Self::Packet { port: *port, remote: *remote, bytes },
                MediaPolicy::Headers => Self::headers(*port, *remote, bytes),
            },
            MediaInput::Command(command) => Self::Command(command.clone()),
            MediaInput::Ports(ports) => Self::Ports(ports.clone()),
            MediaInput::Seed(seed) => Self::Seed(*seed),
            MediaInput::Library(library) => Self::Library(Arc::clone(library)),
            MediaInput::Music { class, octets } => Self::music(class, octets, policy),
            MediaInput::Written { recording, pieces } => {
                Self::Written { recording: *recording, pieces: *pieces }
            }
        }
    }

    fn music(class: &SmolStr, octets: &'a [u8], policy: MediaPolicy) -> Self {
        let class = class.clone();
        match (policy, u32::try_from(octets.len())) {
            (MediaPolicy::Headers, Ok(octets)) => Self::MusicLength { class, octets },
            _ => Self::Music { class, bytes: octets },
        }
    }

    /// A packet without its payload. What is no RTP has none, and what only looks like it is nobody's voice.
    fn headers(port: u16, remote: SocketAddr, bytes: &'a [u8]) -> Self {
        let whole = Self::Packet { port, remote, bytes };
        let Some(Ok(packet)) = (classify(bytes) == Kind::Rtp).then(|| Packet::parse(bytes)) else {
            return whole;
        };
        let extension = packet.extension.map_or(0, |(_, data)| 4 + data.len());
        let before = Header::OCTETS + packet.csrcs.len() + extension;
        let head = bytes.get(..before);
        let (Some(head), Some(tail), Ok(payload)) =
            (head, bytes.get(before + packet.payload.len()..), u16::try_from(packet.payload.len()))
        else {
            return whole;
        };
        Self::Headers { port, remote, head, payload, tail }
    }

    /// The input, to be handed to a machine. `scratch` is for the octets of a packet.
    pub(super) fn input<'s>(&self, scratch: &'s mut Vec<u8>) -> MediaInput<'s> {
        scratch.clear();
        match self {
            Self::Tick => MediaInput::Tick,
            Self::Packet { port, remote, bytes } => {
                scratch.extend_from_slice(bytes);
                MediaInput::Packet { port: *port, remote: *remote, bytes: scratch }
            }
            Self::Headers { port, remote, head, payload, tail } => {
                scratch.extend_from_slice(head);
                scratch.resize(head.len() + usize::from(*payload), 0);
                scratch.extend_from_slice(tail);
                MediaInput::Packet { port: *port, remote: *remote, bytes: scratch }
            }
            Self::Command(command) => MediaInput::Command(command.clone()),
            Self::Ports(ports) => MediaInput::Ports(ports.clone()),
            Self::Seed(seed) => MediaInput::Seed(*seed),
            Self::Library(library) => MediaInput::Library(Arc::clone(library)),
            Self::Music { class, bytes } => {
                scratch.extend_from_slice(bytes);
                MediaInput::Music { class: class.clone(), octets: scratch }
            }
            Self::MusicLength { class, octets } => {
                scratch.resize((*octets).min(LONGEST) as usize, SILENCE);
                MediaInput::Music { class: class.clone(), octets: scratch }
            }
            Self::Written { recording, pieces } => {
                MediaInput::Written { recording: *recording, pieces: *pieces }
            }
        }
    }

    /// What kind of input it is, for counts.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Tick => "ticks",
            Self::Packet { .. } => "packets",
            Self::Headers { .. } => Self::WITHOUT,
            Self::Command(_) => "commands",
            Self::Ports(_) => "ports",
            Self::Seed(_) => "seed",
            Self::Library(_) => "sounds",
            Self::Music { .. } => "music",
            Self::MusicLength { .. } => Self::SILENT,
            Self::Written { .. } => "recordings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telex_audio::codec::g722;

    #[test]
    fn without_its_payload_a_packet_is_as_long_and_parses_as_before() {
        let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
        let plain = [&[0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], b"speech"].concat();
        // Padding of two octets, one contributing source, an extension of one word.
        let rich = [
            &[0xb1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..],
            &[9, 9, 9, 9],
            &[0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0],
            b"speech",
            &[0, 2],
        ]
        .concat();
        for mut bytes in [plain, rich] {
            let before = bytes.clone();
            let input = MediaInput::Packet { port: 4, remote, bytes: &mut bytes };
            let written = postcard::to_stdvec(&Told::of(&input, MediaPolicy::Headers)).unwrap();
            assert!(!written.windows(6).any(|window| window == b"speech"));
            let told: Told<'_> = postcard::from_bytes(&written).unwrap();
            let mut scratch = Vec::new();
            let MediaInput::Packet { port: 4, bytes, .. } = told.input(&mut scratch) else {
                panic!("{told:?}")
            };
            assert_eq!(bytes.len(), before.len());
            let (old, new) = (Packet::parse(&before).unwrap(), Packet::parse(bytes).unwrap());
            assert_eq!((old.header, old.csrcs, old.extension), (new.header, new.csrcs, new.extension));
            assert_eq!((old.payload, new.payload), (&b"speech"[..], &[0; 6][..]));
        }
        // Music from outside is silence then.
        let music = MediaInput::Music { class: "radio".into(), octets: &[0x12; 400] };
        let (short, mut scratch) = (Told::of(&music, MediaPolicy::Headers), Vec::new());
        assert_eq!(short, Told::MusicLength { class: "radio".into(), octets: 400 });
        let MediaInput::Music { octets, .. } = short.input(&mut scratch) else { panic!("{short:?}") };
        let mut pcm = Vec::new();
        g722::Decoder::default().decode(octets, &mut pcm);
        assert!(pcm.len() == 800 && pcm.iter().all(|sample| sample.abs() < 10), "{pcm:?}");
        let whole = Told::Music { class: "radio".into(), bytes: &[0x12; 400] };
        assert_eq!(Told::of(&music, MediaPolicy::All), whole);
        // What is no RTP is kept whole, and so is everything with the other policy.
        let mut report = [0x80, 200, 0, 0, 1, 2, 3, 4];
        let input = MediaInput::Packet { port: 5, remote, bytes: &mut report };
        for policy in [MediaPolicy::Headers, MediaPolicy::All] {
            let told = Told::of(&input, policy);
            assert_eq!(told, Told::Packet { port: 5, remote, bytes: &[0x80, 200, 0, 0, 1, 2, 3, 4] });
        }
    }
}
