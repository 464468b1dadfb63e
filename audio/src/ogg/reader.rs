//! Reading Ogg files of Opus, packet by packet.

use super::page::{Page, Pages};
use super::{CLOCK, HEAD};
use crate::codec::opus::{Decoder, RATES};

/// Octets of a packet at most: 48 frames as long as a frame can be, and what is said about them.
const PACKET: usize = 48 * 1275 + 100;

/// Why something is no file that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OggError {
    /// No page of Opus in it.
    #[error("this is no Ogg file of Opus: its beginning is not found")]
    NoOpus,
    /// A later version of the format.
    #[error("this Ogg file of Opus is of a version that came later; convert it to WAV")]
    Version,
    /// More than two channels, or channels in an order of their own.
    #[error("this Ogg file of Opus has more than two channels; mix it down first")]
    Channels,
}

/// What a stream says of itself (RFC 7845 §5.1).
#[derive(Clone, Copy, Debug)]
struct Head {
    channels: u8,
    pre_skip: u64,
    /// Of what it was made from; may be anything.
    rate: u32,
}

impl Head {
    /// Reads the packet that a stream begins with; `None` for one of another kind.
    fn read(packet: &[u8]) -> Option<Result<Self, OggError>> {
        let &[version, channels, skip, skipped, a, b, c, d, _, _, family, ..] = packet.strip_prefix(HEAD)?
        else {
            return None;
        };
        Some(if version & 0xf0 != 0 {
            Err(OggError::Version)
        } else if family != 0 || !(1..=2).contains(&channels) {
            Err(OggError::Channels)
        } else {
            let (pre_skip, rate) = (u16::from_le_bytes([skip, skipped]), u32::from_le_bytes([a, b, c, d]));
            Ok(Self { channels, pre_skip: pre_skip.into(), rate })
        })
    }
}

/// An Ogg file of Opus in memory, being read. The gain that its head may ask for is not applied.
#[derive(Debug)]
pub struct Reader<B> {
    octets: B,
    /// How many of them were read, and how many of those were in no page.
    taken: usize,
    skipped: usize,
    stream: Stream,
}

impl<B: AsRef<[u8]>> Reader<B> {
    /// Finds the first stream of Opus.
    ///
    /// # Errors
    /// When there is none that can be played.
    pub fn new(octets: B) -> Result<Self, OggError> {
        let mut pages = Pages::new(octets.as_ref());
        let found = pages.by_ref().filter(Page::is_first).find_map(|page| {
            let (packet, _) = page.packets().next()?;
            Head::read(packet).map(|head| (page.serial, page.number, head))
        });
        let (serial, number, head) = found.ok_or(OggError::NoOpus)?;
        let stream = Stream::new(serial, number.wrapping_add(1), head?);
        let (taken, skipped) = (octets.as_ref().len() - pages.left(), pages.skipped());
        Ok(Self { octets, taken, skipped, stream })
    }

    /// Samples of each channel per second: of what the file was made from if Opus has that rate, else 48,000.
    pub fn rate(&self) -> u32 {
        self.stream.decoder.rate()
    }

    /// Channels: 1 or 2.
    pub fn channels(&self) -> u8 {
        self.stream.channels
    }

    /// Whether something was missing or wrong so far, or, at the end, the end itself.
    pub fn damaged(&self) -> bool {
        self.stream.damaged || self.skipped > 0
    }

    /// Appends what the next page has, samples of one moment side by side, which may be nothing; false when there is no
    /// page any more. A page is 255 packets of 120 ms at most.
    pub fn read(&mut self, pcm: &mut Vec<i16>) -> bool {
        if self.stream.ended {
            return false;
        }
        let octets = self.octets.as_ref().get(self.taken..).unwrap_or(&[]);
        let mut pages = Pages::new(octets);
        let next = pages.by_ref().find(|page| page.serial == self.stream.serial);
        self.taken += octets.len() - pages.left();
        self.skipped += pages.skipped();
        match next {
            Some(page) => self.stream.page(&page, pcm),
            None => self.stream.damaged = true,
        }
        next.is_some()
    }
}

/// What is known of the stream that is played.
#[derive(Debug)]
struct Stream {
    serial: u32,
    /// Number of the page to come.
    number: u32,
    channels: u8,
    decoder: Decoder,
    /// A packet of which only the beginning has come.
    partial: Vec<u8>,
    /// Packets to come that hold no sound: the tags.
    silent: u32,
    /// Samples of each channel to drop, at the decoder's rate.
    skip: u64,
    /// Samples of each channel since the start, those dropped among them.
    position: u64,
    ended: bool,
    damaged: bool,
}

impl Stream {
    fn new(serial: u32, number: u32, head: Head) -> Self {
        let rate = if RATES.contains(&head.rate) { head.rate } else { CLOCK };
        Self {
            serial,
            number,
            channels: head.channels,
            decoder: Decoder::of_channels(rate, head.channels),
            partial: Vec::new(),
            silent: 1,
            skip: head.pre_skip * u64::from(rate) / u64::from(CLOCK),
            position: 0,
            ended: false,
            damaged: false,
        }
    }

    fn page(&mut self, page: &Page<'_>, pcm: &mut Vec<i16>) {
        let gap = page.number != self.number;
        self.number = page.number.wrapping_add(1);
        self.damaged |= gap;
        if gap || !page.continues() {
            self.partial.clear();
        }
        // The rest of a packet whose beginning is lost.
        let orphan = page.continues() && self.partial.is_empty();
        let start = pcm.len();
        for (nth, (packet, whole)) in page.packets().enumerate() {
            if nth > 0 || !orphan {
                self.packet(packet, whole, pcm);
            }
        }
        self.ended = page.is_last();
        if page.granule != u64::MAX {
            if self.ended {
                self.trim(self.samples(page.granule), start, pcm);
            } else {
                // It knows of pages that are missing.
                self.position = self.samples(page.granule);
            }
        }
    }

    /// The place of a time, in samples of each channel.
    fn samples(&self, granule: u64) -> u64 {
        let rate = u128::from(self.decoder.rate());
        u64::try_from(u128::from(granule) * rate / u128::from(CLOCK)).unwrap_or(u64::MAX)
    }

    fn packet(&mut self, packet: &[u8], whole: bool, pcm: &mut Vec<i16>) {
        if self.partial.len() + packet.len() > PACKET {
            self.damaged = true;
            self.partial.clear();
            return;
        }
        if !whole || !self.partial.is_empty() {
            self.partial.extend_from_slice(packet);
        }
        if !whole {
            return;
        }
        let joined = std::mem::take(&mut self.partial);
        if self.silent > 0 {
            self.silent -= 1;
            return;
        }
        let (start, channels) = (pcm.len(), usize::from(self.channels));
        self.damaged |= self.decoder.decode(if joined.is_empty() { packet } else { &joined }, pcm).is_err();
        let frames = (pcm.len() - start) / channels;
        self.position = self.position.saturating_add(frames as u64);
        let drop = self.skip.min(frames as u64);
        self.skip -= drop;
        pcm.drain(start..start + drop as usize * channels);
    }

    /// The last page may say that it ends before its last sample (RFC 7845 §4.4).
    fn trim(&self, end: u64, start: usize, pcm: &mut Vec<i16>) {
        let over = self.position.saturating_sub(end).saturating_mul(self.channels.into());
        let over = usize::try_from(over).unwrap_or(usize::MAX).min(pcm.len() - start);
        pcm.truncate(pcm.len() - over);
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Samples of each channel per second.
    pub rate: u32,
    /// Channels: 1 or 2.
    pub channels: u8,
    /// Those of one moment side by side.
    pub samples: Vec<i16>,
    /// Something was missing or wrong, or the file has no end; what there is was played.
    pub damaged: bool,
}

/// Reads a whole file, which is much longer then.
///
/// # Errors
/// When it is none that can be played.
pub fn decode(octets: &[u8]) -> Result<Sound, OggError> {
    let (mut reader, mut samples) = (Reader::new(octets)?, Vec::new());
    while reader.read(&mut samples) {}
    Ok(Sound { rate: reader.rate(), channels: reader.channels(), samples, damaged: reader.damaged() })
}
