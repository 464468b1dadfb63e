//! Writing Ogg files of Opus that can be played whenever their writer stops.

use std::io::{self, Write};

use super::page::{Bundle, FIRST, LAST};
use super::{CLOCK, HEAD, TAGS};
use crate::codec::opus::{Encoder, RATES};
use crate::codec::{Encoded, Settings};

/// Packets a second: one has 20 ms, the length that RFC 7845 §6 advises.
const PACKETS: u32 = 50;
/// A packet of one frame of 20 ms without any octets.
const NOTHING: u8 = 1 << 3;
/// Who made it, as the tags tell.
const VENDOR: &[u8] = b"telex";

/// What a file that is written holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Samples of each channel per second that are handed in: one of [`RATES`].
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl Layout {
    /// Bits per second: a third more than a call has, since a recording is what is left of it, and for two sides not
    /// quite twice as many, since seldom do both speak.
    fn bits(self) -> u32 {
        let one = match self.rate {
            8000 => 16_000,
            12_000 => 20_000,
            16_000 => 24_000,
            24_000 => 32_000,
            _ => 48_000,
        };
        if self.channels > 1 { one * 7 / 4 } else { one }
    }

    /// Samples of one packet, all channels together.
    fn packet(self) -> usize {
        (self.rate / PACKETS) as usize * usize::from(self.channels)
    }

    /// So many samples of each channel, counted as Ogg does.
    fn ticks(self, frames: u64) -> u64 {
        frames * u64::from(CLOCK / self.rate)
    }

    /// The packet that a stream begins with (RFC 7845 §5.1): one stream of one or two channels.
    fn head(self, pre_skip: u16) -> Vec<u8> {
        let mut head = HEAD.to_vec();
        head.extend([1, self.channels]);
        head.extend(pre_skip.to_le_bytes());
        head.extend(self.rate.to_le_bytes());
        // No gain, and channels in their usual order.
        head.extend([0, 0, 0]);
        head
    }
}

/// The second packet (RFC 7845 §5.2), without any comment.
fn tags() -> Vec<u8> {
    let mut tags = TAGS.to_vec();
    tags.extend((VENDOR.len() as u32).to_le_bytes());
    tags.extend(VENDOR);
    tags.extend(0_u32.to_le_bytes());
    tags
}

/// An Ogg file of Opus being written.
///
/// Each second of sound is a page, handed on in one piece: a file whose writer is killed lacks at most its last second
/// and the sign of its end, which players do not need.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    layout: Layout,
    encoder: Encoder,
    bundle: Bundle,
    /// Samples that a player drops at the start, at 48 kHz: what the encoder looks ahead.
    pre_skip: u64,
    /// Less than a packet.
    pending: Vec<i16>,
    /// Samples of each channel in packets.
    coded: u64,
    packet: Vec<u8>,
    page: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the beginning of a file. `serial` is the number of its stream, which matters only to those who put
    /// several into one file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a rate that Opus does not have or channels other than 1 and 2; what writing
    /// says.
    pub fn new(out: W, layout: Layout, serial: u32) -> io::Result<Self> {
        if !RATES.contains(&layout.rate) || !(1..=2).contains(&layout.channels) {
            let why = "Opus takes 8, 12, 16, 24 or 48 kHz in one or two channels here";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let settings = Settings { rate: layout.rate, bits: layout.bits(), ..Settings::default() };
        let mut encoder = Encoder::of_channels(settings, layout.channels);
        let ahead = u16::try_from(layout.ticks(u64::from(encoder.lookahead()))).unwrap_or(u16::MAX);
        let mut writer = Self {
            out,
            layout,
            encoder,
            bundle: Bundle::new(serial),
            pre_skip: ahead.into(),
            pending: Vec::new(),
            coded: 0,
            packet: Vec::new(),
            page: Vec::new(),
        };
        writer.bundle.add(&layout.head(ahead));
        writer.page(FIRST, 0)?;
        writer.bundle.add(&tags());
        writer.page(0, 0)?;
        Ok(writer)
    }

    /// Samples of each channel so far.
    pub fn frames(&self) -> u64 {
        self.coded + self.pending.len() as u64 / u64::from(self.layout.channels)
    }

    /// What it writes.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// Appends samples, those of one moment side by side, a whole number of moments.
    ///
    /// # Errors
    /// What writing says.
    pub fn write(&mut self, mut pcm: &[i16]) -> io::Result<()> {
        let packet = self.layout.packet();
        while self.pending.len() + pcm.len() >= packet {
            let (now, later) = pcm.split_at(packet - self.pending.len());
            pcm = later;
            self.pending.extend_from_slice(now);
            self.code()?;
            if self.coded.is_multiple_of(self.layout.rate.into()) {
                self.page(0, self.layout.ticks(self.coded))?;
            }
        }
        self.pending.extend_from_slice(pcm);
        Ok(())
    }

    /// Codes a full packet.
    fn code(&mut self) -> io::Result<()> {
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        if self.encoder.encode(&self.pending, &mut packet) == Encoded::Nothing {
            // A packet without any octets is none; this one stands for 20 ms of nothing (RFC 6716 §3.1).
            packet.push(NOTHING);
        }
        self.pending.clear();
        if !self.bundle.fits(packet.len()) {
            self.page(0, self.layout.ticks(self.coded))?;
        }
        self.bundle.add(&packet);
        self.packet = packet;
        self.coded += u64::from(self.layout.rate / PACKETS);
        Ok(())
    }

    /// Hands on a page. `granule` is the time at its end.
    fn page(&mut self, flags: u8, granule: u64) -> io::Result<()> {
        self.page.clear();
        self.bundle.page(flags, granule, &mut self.page);
        self.out.write_all(&self.page)
    }

    /// Brings the file to its end, and gives back what it was written to.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        let end = self.layout.ticks(self.frames()) + self.pre_skip;
        // What the encoder still holds back comes out with silence behind it; the time says that it is not played.
        while self.layout.ticks(self.coded) < end {
            self.pending.resize(self.layout.packet(), 0);
            self.code()?;
        }
        self.page(LAST, end)?;
        self.out.flush()?;
        Ok(self.out)
    }
}
