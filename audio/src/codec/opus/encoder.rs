//! Speech to packets.

use super::packet::Packet;
use super::{LONGEST, Library, known, unit};
use crate::codec::{Encoded, Settings};

/// How hard the encoder tries, 0 to 10: about the last step whose gain can be heard.
const COMPLEXITY: u8 = 5;

/// The longest payload: one frame.
const OCTETS: usize = 1275;

/// Bits per second that the codec takes.
const BITS: std::ops::RangeInclusive<u32> = 6000..=510_000;

/// The sending direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    /// With the rate and the bits that are used.
    settings: Settings,
    channels: u8,
    #[cfg_attr(feature = "serde", serde(skip))]
    library: Library<ropus::Encoder>,
}

impl Encoder {
    /// An encoder that takes samples at the rate of the settings if it is one of [`super::RATES`], else at 48 kHz.
    pub fn new(settings: Settings) -> Self {
        Self::of_channels(settings, 1)
    }

    /// One for a single channel, or for two, whose samples take turns.
    pub fn of_channels(settings: Settings, channels: u8) -> Self {
        let channels = channels.clamp(1, 2);
        let rate = known(settings.rate);
        let bits =
            if settings.bits == 0 { usual_bits(rate, settings.loss_percent > 0) } else { settings.bits };
        let bits = bits.clamp(*BITS.start(), *BITS.end());
        let settings = Settings { rate, bits, loss_percent: settings.loss_percent.min(100), ..settings };
        Self { settings, channels, library: Library::default() }
    }

    /// Samples per second of what it takes.
    pub fn rate(&self) -> u32 {
        self.settings.rate
    }

    /// Samples of each channel that what it gives lags behind.
    pub fn lookahead(&mut self) -> u32 {
        self.library().map_or(0, |library| library.lookahead())
    }

    /// Samples of all channels in the shortest frame.
    fn unit(&self) -> usize {
        unit(self.settings.rate) * usize::from(self.channels)
    }

    /// Appends the payload for a whole number of 2.5 ms up to 120 ms; samples beyond are ignored.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Encoded {
        let unit = self.unit();
        let units = (pcm.len() / unit).min(LONGEST);
        match units {
            0 => Encoded::Nothing,
            1 | 2 | 4 | 8 | 16 | 24 => {
                let mut octets = [0; OCTETS];
                let frame = self.frame(&pcm[..units * unit], &mut octets);
                if frame.is_empty() || self.settings.silence_suppressed && frame.len() <= 2 {
                    return Encoded::Nothing;
                }
                payload.extend_from_slice(frame);
                Encoded::Sound
            }
            _ => self.join(&pcm[..units * unit], payload),
        }
    }

    /// A payload of several frames, for lengths such as 30 ms that no frame has (RFC 6716 §3.2.5).
    fn join(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Encoded {
        let unit = self.unit();
        let longest = [8, 4, 2].into_iter().find(|units| pcm.len().is_multiple_of(units * unit)).unwrap_or(1);
        let start = payload.len();
        // Frames are appended behind each other, and what is said about them is put before them at the end.
        let (mut config, mut lengths, mut frames) = (None, [0; LONGEST], 0);
        for piece in pcm.chunks_exact(longest * unit) {
            let mut octets = [0; OCTETS];
            let Some(packet) = Packet::read(self.frame(piece, &mut octets)) else { break };
            // Frames of a packet are of one kind. The encoder changes its mind seldom: the rest is lost then.
            if *config.get_or_insert(packet.config) != packet.config || packet.frames != 1 {
                break;
            }
            payload.extend_from_slice(packet.first);
            lengths[frames] = packet.first.len();
            frames += 1;
        }
        let (Some(config), Some((_, said))) = (config, lengths[..frames].split_last()) else {
            payload.truncate(start);
            return Encoded::Nothing;
        };
        if self.settings.silence_suppressed && lengths.iter().all(|&length| length <= 1) {
            payload.truncate(start);
            return Encoded::Nothing;
        }
        let head = [config | 3, 0x80 | frames as u8].into_iter().chain(said.iter().flat_map(|&length| {
            let (first, second) = if length < 252 { (length, None) } else { long(length) };
            [Some(first as u8), second].into_iter().flatten()
        }));
        payload.splice(start..start, head);
        Encoded::Sound
    }

    /// One frame by the library; empty if it failed.
    fn frame<'a>(&mut self, pcm: &[i16], octets: &'a mut [u8; OCTETS]) -> &'a [u8] {
        let length = self.library().and_then(|library| library.encode(pcm, octets).ok());
        &octets[..length.unwrap_or(0).min(OCTETS)]
    }

    /// The library, which cannot fail: it takes every setting that gets here.
    fn library(&mut self) -> Option<&mut ropus::Encoder> {
        if self.library.0.is_none() {
            self.library.0 = fresh(&self.settings, self.channels).map(Box::new);
        }
        self.library.0.as_deref_mut()
    }
}

/// A length of 252 and more in two octets (RFC 6716 §3.2.1).
fn long(length: usize) -> (usize, Option<u8>) {
    let first = 252 + length % 4;
    // Cannot be cut off: a frame has at most 1275 octets.
    (first, Some(((length - first) / 4) as u8))
}

fn fresh(settings: &Settings, channels: u8) -> Option<ropus::Encoder> {
    let channels = if channels > 1 { ropus::Channels::Stereo } else { ropus::Channels::Mono };
    let fec = if settings.loss_percent > 0 { ropus::InbandFec::Enabled } else { ropus::InbandFec::Disabled };
    ropus::Encoder::builder(settings.rate, channels, ropus::Application::Voip)
        .bitrate(ropus::Bitrate::try_bits(settings.bits).ok()?)
        .complexity(COMPLEXITY)
        .dtx(settings.silence_suppressed)
        .inband_fec(fec)
        .packet_loss_perc(settings.loss_percent)
        .build()
        .ok()
}

/// Bits per second for speech at a rate: the upper ends of what RFC 7587 §3.1.1 calls the sweet spots, or, with
/// repetition, the least at which the encoder repeats for a loss of 5 %.
pub(super) fn usual_bits(rate: u32, repeating: bool) -> u32 {
    let (plain, repeated) = match rate {
        8000 => (12_000, 20_000),
        12_000 => (16_000, 22_000),
        16_000 => (20_000, 26_000),
        24_000 => (28_000, 32_000),
        _ => (40_000, 40_000),
    };
    if repeating { repeated } else { plain }
}
