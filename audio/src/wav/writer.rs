//! Writing WAV files that can be played whenever their writer stops.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::WavError;
use super::chunks::{self, Source};
use crate::codec::g711;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Store {
    /// As they are, 16 bits.
    Linear16,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
}

/// What a file that is written holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Layout {
    /// How samples are stored.
    pub store: Store,
    /// Channels, whose samples take turns: 1 or 2, say.
    pub channels: u8,
    /// Samples of each channel per second.
    pub rate: u32,
}

impl Layout {
    /// 16-bit samples of one channel.
    pub const fn mono(rate: u32) -> Self {
        Self { store: Store::Linear16, channels: 1, rate }
    }

    /// Octets of one sample of every channel.
    pub fn frame_octets(&self) -> u64 {
        u64::from(self.channels.max(1)) * if self.store == Store::Linear16 { 2 } else { 1 }
    }

    /// Octets before the sound.
    pub fn header_octets(&self) -> u64 {
        if self.store == Store::Linear16 { 44 } else { 58 }
    }

    /// Appends the header of a file with so many octets of sound. It is always of the same length, so that it can be
    /// written over the one before. A file of more than 4 GiB has its lengths all ones, which readers take for
    /// "to the end".
    pub fn header(&self, octets: u64, out: &mut Vec<u8>) {
        // What is behind the first eight octets, the padding of an odd length with it.
        let riff = octets.saturating_add(self.header_octets() - 8 + octets % 2);
        let (riff, data) = match (u32::try_from(riff), u32::try_from(octets)) {
            (Ok(riff), Ok(data)) => (riff, data),
            _ => (u32::MAX, u32::MAX),
        };
        let frame = self.frame_octets();
        let second = u64::from(self.rate).saturating_mul(frame);
        let (tag, bits) = match self.store {
            Store::Linear16 => (1_u16, 16_u16),
            Store::ALaw => (6, 8),
            Store::MuLaw => (7, 8),
        };
        let plain = self.store == Store::Linear16;
        out.extend(b"RIFF");
        out.extend(riff.to_le_bytes());
        out.extend(b"WAVEfmt ");
        out.extend(if plain { 16_u32 } else { 18 }.to_le_bytes());
        out.extend(tag.to_le_bytes());
        out.extend(u16::from(self.channels.max(1)).to_le_bytes());
        out.extend(self.rate.to_le_bytes());
        out.extend(u32::try_from(second).unwrap_or(u32::MAX).to_le_bytes());
        out.extend((frame as u16).to_le_bytes());
        out.extend(bits.to_le_bytes());
        if !plain {
            // No extension; and the number of samples, which all formats but the plain one have to tell.
            out.extend(0_u16.to_le_bytes());
            out.extend(b"fact");
            out.extend(4_u32.to_le_bytes());
            out.extend(u32::try_from(octets / frame).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend(b"data");
        out.extend(data.to_le_bytes());
    }

    /// Appends samples as they are stored.
    pub fn encode(&self, pcm: &[i16], out: &mut Vec<u8>) {
        match self.store {
            Store::Linear16 => out.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes())),
            Store::ALaw => out.extend(pcm.iter().map(|&sample| g711::a_encode(sample))),
            Store::MuLaw => out.extend(pcm.iter().map(|&sample| g711::mu_encode(sample))),
        }
    }

    /// A whole file in memory.
    pub fn file(&self, pcm: &[i16]) -> Vec<u8> {
        let octets = pcm.len() as u64 / u64::from(self.channels.max(1)) * self.frame_octets();
        let mut out = Vec::new();
        self.header(octets, &mut out);
        self.encode(pcm, &mut out);
        out.extend(std::iter::repeat_n(0, (octets % 2) as usize));
        out
    }
}

/// A WAV file being written.
///
/// The header is written again after each second of sound, so a file whose writer is killed lacks at most the length of
/// the last second: every player plays the rest, and [`repair`] finds that second. (A host that loses its power may
/// lose what the system had not yet brought to the disk.)
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    layout: Layout,
    /// Octets of sound written.
    octets: u64,
    /// Octets of sound that the header in the file tells of.
    told: u64,
    scratch: Vec<u8>,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes the header of an empty file where `out` stands, which is to be its beginning.
    ///
    /// # Errors
    /// What writing says.
    pub fn new(mut out: W, layout: Layout) -> io::Result<Self> {
        let mut scratch = Vec::new();
        layout.header(0, &mut scratch);
        out.write_all(&scratch)?;
        Ok(Self { out, layout, octets: 0, told: 0, scratch })
    }

    /// Samples of each channel so far.
    pub fn frames(&self) -> u64 {
        self.octets / self.layout.frame_octets()
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
    pub fn write(&mut self, pcm: &[i16]) -> io::Result<()> {
        self.scratch.clear();
        self.layout.encode(pcm, &mut self.scratch);
        self.out.write_all(&self.scratch)?;
        self.octets += self.scratch.len() as u64;
        let second = u64::from(self.layout.rate) * self.layout.frame_octets();
        if self.octets - self.told >= second { self.settle() } else { Ok(()) }
    }

    /// Forgets what is behind the first `frames` samples of each channel: what is written next takes their place.
    ///
    /// # Errors
    /// What seeking and writing say.
    pub fn cut(&mut self, frames: u64) -> io::Result<()> {
        let octets = frames.saturating_mul(self.layout.frame_octets());
        if octets < self.octets {
            self.octets = octets;
            self.settle()?;
        }
        Ok(())
    }

    /// Brings the header up to date.
    ///
    /// # Errors
    /// What seeking and writing say.
    pub fn settle(&mut self) -> io::Result<()> {
        self.scratch.clear();
        self.layout.header(self.octets, &mut self.scratch);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&self.scratch)?;
        self.out.seek(SeekFrom::Start(self.layout.header_octets() + self.octets))?;
        self.told = self.octets;
        Ok(())
    }

    /// Brings the file to its end, and gives it back standing there: cut it there if [`Writer::cut`] was used.
    ///
    /// # Errors
    /// What seeking and writing say.
    pub fn finish(mut self) -> io::Result<W> {
        self.settle()?;
        if self.octets % 2 == 1 {
            self.out.write_all(&[0])?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Fills in the lengths of a file whose [`Writer`] never came to its end, when nothing but sound follows its header.
/// Gives the octets of sound that the header did not tell of; `None` when nothing was wrong.
///
/// # Errors
/// When it is no WAV file, or cannot be read or written.
pub fn repair<F: Read + Write + Seek>(file: &mut F) -> Result<Option<u64>, WavError> {
    file.seek(SeekFrom::Start(0))?;
    let mut source = Source::new(&mut *file);
    let head = chunks::head(&mut source)?;
    let start = source.taken();
    let end = file.seek(SeekFrom::End(0))?;
    let frame = head.format.frame_octets() as u64;
    let there = end.saturating_sub(start) / frame * frame;
    let told = head.told.unwrap_or(0);
    // Chunks behind the sound are within what the whole is told to be.
    let nothing_behind =
        u64::from(head.riff).saturating_add(8) <= start.saturating_add(told).saturating_add(1);
    let unknown = head.told.is_none();
    let padded = told % 2 == 1 && there == told + 1;
    if there == told || padded || !(nothing_behind || unknown || there < told) {
        return Ok(None);
    }
    let (riff, data) = match (u32::try_from(start + there - 8), u32::try_from(there)) {
        (Ok(riff), Ok(data)) => (riff, data),
        _ => (u32::MAX, u32::MAX),
    };
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&riff.to_le_bytes())?;
    file.seek(SeekFrom::Start(start - 4))?;
    file.write_all(&data.to_le_bytes())?;
    file.flush()?;
    Ok(Some(there.saturating_sub(told)))
}
