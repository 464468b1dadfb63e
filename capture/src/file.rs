//! Capture files: pcap in its three variants and pcapng, read as a stream.

use std::fmt;
use std::io::{self, Read};

use crate::limits::{FRAME_OCTETS, INTERFACES};
use crate::time::Time;

/// Longest record header: a pcapng packet block with its two lengths.
const HEADER_OCTETS: usize = 64;
/// Longest record that is held.
const RECORD_OCTETS: usize = FRAME_OCTETS + HEADER_OCTETS;
/// Octets read at once, as long as records are shorter.
const BUFFER_OCTETS: usize = 1 << 17;

/// How the octets of a frame begin: a number of the registry of link types at tcpdump.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub u32);

/// One captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its place in the file, counted from 1.
    pub number: u64,
    /// Octets of the file before its record.
    pub offset: u64,
    /// When it was captured.
    pub at: Time,
    /// How it begins.
    pub link: Link,
    /// The octets that were kept of it.
    pub data: &'a [u8],
    /// Octets that it had on the wire.
    pub length: u32,
}

/// Where a capture stopped making sense, and why. Everything before it has been read.
#[derive(Debug, thiserror::Error)]
#[error("{why} (octet {offset})")]
pub struct Stopped {
    /// Octets of the file before the record that cannot be read.
    pub offset: u64,
    /// What is wrong with it.
    pub why: Damage,
}

/// What can be wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// It begins like no capture.
    #[error("this is no capture: it begins like neither pcap nor pcapng")]
    NotACapture,
    /// It is compressed.
    #[error("this is compressed with {0}: unpack it first")]
    Compressed(&'static str),
    /// The file ends within a record.
    #[error("the file ends within a {0}: it was cut, or the capture was still being written")]
    Cut(&'static str),
    /// A record claims to be longer than any frame.
    #[error("a record claims {0} octets, more than any frame has")]
    TooLong(u64),
    /// A pcapng block is shorter than its kind needs, its two lengths differ, or it is no multiple of four.
    #[error("a block's length does not fit its content")]
    BadLength,
    /// A time stamp has more than a second in its fraction.
    #[error("a time stamp is out of range")]
    BadTime,
    /// A pcapng section has no byte order mark.
    #[error("a section begins without its byte order mark")]
    NoSection,
    /// A packet names an interface that was not described.
    #[error("a packet is of interface {0}, which is not described")]
    NoInterface(u32),
    /// There are more interfaces than anybody has.
    #[error("more than {INTERFACES} interfaces are described")]
    Interfaces,
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl Damage {
    /// Whether the file is no capture at all, rather than a damaged one.
    pub fn is_no_capture(&self) -> bool {
        matches!(self, Self::Empty | Self::NotACapture | Self::Compressed(_))
    }
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic format.
    Pcap,
    /// The format of blocks.
    Pcapng,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        })
    }
}

/// What is known of an interface of a pcapng section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Link,
    /// Time stamp units in a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
    /// Octets kept of each frame; 0 for all.
    snap: u32,
}

/// What the head of the file said.
#[derive(Clone, Debug)]
enum State {
    /// `header` is the length of a record's head.
    Pcap {
        link: Link,
        nanos: bool,
        header: usize,
    },
    Pcapng {
        interfaces: Vec<Interface>,
    },
}

/// A capture that is being read: see [`Capture::next_frame`].
#[derive(Debug)]
pub struct Capture<R> {
    input: Input<R>,
    big_endian: bool,
    state: State,
    frames: u64,
    /// Where the record begins that is being read.
    record: u64,
    broken: bool,
}

impl<R: Read> Capture<R> {
    /// Reads the head of a capture.
    ///
    /// # Errors
    /// When it is no capture, or is cut within its head.
    pub fn new(reader: R) -> Result<Self, Stopped> {
        let mut input = Input::new(reader);
        let (big_endian, state) = head(&mut input).map_err(|why| Stopped { offset: 0, why })?;
        Ok(Self { input, big_endian, state, frames: 0, record: 0, broken: false })
    }

    /// What kind of file it is.
    pub fn format(&self) -> Format {
        match self.state {
            State::Pcap { .. } => Format::Pcap,
            State::Pcapng { .. } => Format::Pcapng,
        }
    }

    /// Octets read so far.
    pub fn position(&self) -> u64 {
        self.input.position
    }

    /// The next frame; `None` at the end of the file.
    ///
    /// # Errors
    /// When the next record makes no sense. Nothing comes after that.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Stopped> {
        if self.broken {
            return Ok(None);
        }
        self.record = self.input.position;
        let found = match self.state {
            State::Pcap { link, nanos, header } => self.record(link, nanos, header),
            State::Pcapng { .. } => self.blocks(),
        };
        match found {
            Ok(None) => Ok(None),
            Ok(Some(Found { at, link, skip, octets, length })) => {
                self.frames += 1;
                let data = self.input.passed(octets + skip).get(..octets).unwrap_or_default();
                Ok(Some(Frame { number: self.frames, offset: self.record, at, link, data, length }))
            }
            Err(why) => {
                self.broken = true;
                Err(Stopped { offset: self.record, why })
            }
        }
    }

    /// A record of a pcap file.
    fn record(&mut self, link: Link, nanos: bool, header: usize) -> Result<Option<Found>, Damage> {
        let big = self.big_endian;
        if self.input.peek_up_to(1)?.is_empty() {
            return Ok(None);
        }
        let head = self.input.take(header)?.ok_or(Damage::Cut("record header"))?;
        let field = |at| number(head, at, big);
        let (seconds, fraction, kept, length) = (field(0), field(4), field(8), field(12));
        let octets = kept as usize;
        if octets > FRAME_OCTETS {
            return Err(Damage::TooLong(kept.into()));
        }
        let unit = if nanos { 1 } else { 1000 };
        if fraction >= 1_000_000_000 / unit {
            return Err(Damage::BadTime);
        }
        let at = Time::from_nanos(u64::from(seconds) * 1_000_000_000 + u64::from(fraction * unit));
        self.input.take(octets)?.ok_or(Damage::Cut("record"))?;
        Ok(Some(Found { at, link, skip: 0, octets, length }))
    }

    /// Blocks of a pcapng file up to the next packet.
    fn blocks(&mut self) -> Result<Option<Found>, Damage> {
        loop {
            self.record = self.input.position;
            if self.input.peek_up_to(1)?.is_empty() {
                return Ok(None);
            }
            let head = self.input.peek(12)?.ok_or(Damage::Cut("block header"))?;
            if head.starts_with(&SECTION_MAGIC) {
                self.big_endian = match head.get(8..12) {
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
                    _ => return Err(Damage::NoSection),
                };
            }
            let (kind, length) = (number(head, 0, self.big_endian), number(head, 4, self.big_endian));
            if length < 12 || length % 4 != 0 {
                return Err(Damage::BadLength);
            }
            if !matches!(kind, SECTION | INTERFACE | SIMPLE | ENHANCED | OLD_PACKET) {
                // Names, statistics, secrets: whatever their length, they are not held.
                self.input.skip(length.into())?.ok_or(Damage::Cut("block"))?;
                continue;
            }
            if length as usize > RECORD_OCTETS {
                return Err(Damage::TooLong(length.into()));
            }
            if let Some(found) = self.block(kind, length as usize)? {
                return Ok(Some(found));
            }
        }
    }

    /// One block that matters; what is in it, when it is a packet.
    fn block(&mut self, kind: u32, length: usize) -> Result<Option<Found>, Damage> {
        let big = self.big_endian;
        let block = self.input.take(length)?.ok_or(Damage::Cut("block"))?;
        if number(block, length - 4, big) as usize != length {
            return Err(Damage::BadLength);
        }
        let body = block.get(8..length - 4).unwrap_or_default();
        let State::Pcapng { interfaces } = &mut self.state else { return Ok(None) };
        let place = match kind {
            SECTION => {
                interfaces.clear();
                return Ok(None);
            }
            INTERFACE => {
                if interfaces.len() >= INTERFACES {
                    return Err(Damage::Interfaces);
                }
                interfaces.push(Interface::read(body, big).ok_or(Damage::BadLength)?);
                return Ok(None);
            }
            _ => Place::read(kind, body, big).ok_or(Damage::BadLength)?,
        };
        let interface = interfaces.get(place.interface as usize);
        let interface = interface.ok_or(Damage::NoInterface(place.interface))?;
        let room = body.len().saturating_sub(place.header);
        let octets = match place.kept {
            Some(kept) if kept as usize <= room => kept as usize,
            Some(_) => return Err(Damage::BadLength),
            // A simple packet holds as much as the interface keeps.
            None if interface.snap > 0 => room.min(place.length.min(interface.snap) as usize),
            None => room.min(place.length as usize),
        };
        if octets > FRAME_OCTETS {
            return Err(Damage::TooLong(octets as u64));
        }
        // From the end of the packet to the end of the block.
        let skip = length - 8 - place.header - octets;
        let at = Time::from_units(place.stamp, interface.resolution, interface.offset);
        Ok(Some(Found { at, link: interface.link, skip, octets, length: place.length }))
    }
}

/// Reads the first octets of a capture: its byte order and what kind it is.
fn head<R: Read>(input: &mut Input<R>) -> Result<(bool, State), Damage> {
    let (big_endian, nanos, header) = match *input.peek_up_to(4)? {
        [] => return Err(Damage::Empty),
        [0xd4, 0xc3, 0xb2, 0xa1] => (false, false, 16),
        [0xa1, 0xb2, 0xc3, 0xd4] => (true, false, 16),
        [0x4d, 0x3c, 0xb2, 0xa1] => (false, true, 16),
        [0xa1, 0xb2, 0x3c, 0x4d] => (true, true, 16),
        // Kuznetsov's variant: eight octets more in each record.
        [0x34, 0xcd, 0xb2, 0xa1] => (false, false, 24),
        [0xa1, 0xb2, 0xcd, 0x34] => (true, false, 24),
        [0x0a, 0x0d, 0x0d, 0x0a] => return Ok((false, State::Pcapng { interfaces: Vec::new() })),
        [0x1f, 0x8b, ..] => return Err(Damage::Compressed("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd] => return Err(Damage::Compressed("zstd")),
        [0xfd, b'7', b'z', b'X'] => return Err(Damage::Compressed("xz")),
        _ => return Err(Damage::NotACapture),
    };
    let head = input.take(24)?.ok_or(Damage::Cut("file header"))?;
    // The upper half may say how long a frame check sequence is.
    let link = Link(number(head, 20, big_endian) & 0xffff);
    Ok((big_endian, State::Pcap { link, nanos, header }))
}

/// A packet that was passed: its octets end `skip` octets before the place reached.
#[derive(Clone, Copy, Debug)]
struct Found {
    at: Time,
    link: Link,
    skip: usize,
    octets: usize,
    length: u32,
}

// Kinds of pcapng blocks.
const SECTION: u32 = 0x0a0d_0d0a;
const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;

impl Interface {
    /// Reads an interface description block behind its length.
    fn read(body: &[u8], big: bool) -> Option<Self> {
        let (fixed, mut options) = body.split_at_checked(8)?;
        let link = Link(u32::from(short(fixed, 0, big)));
        let mut interface = Self { link, resolution: 1_000_000, offset: 0, snap: number(fixed, 4, big) };
        while let Some((head, rest)) = options.split_at_checked(4) {
            let (code, length) = (short(head, 0, big), usize::from(short(head, 2, big)));
            let Some(value) = rest.get(..length).filter(|_| code != 0) else { break };
            match (code, value) {
                (9, [exponent]) => interface.resolution = resolution(*exponent),
                (14, value) => {
                    let [high, low] = [0, 4].map(|at| number(value, at, big));
                    let (high, low) = if big { (high, low) } else { (low, high) };
                    interface.offset = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }
}

/// Units in a second for an `if_tsresol`: a power of ten, or of two with the highest bit. What does not fit 64 bits is
/// taken for nanoseconds.
fn resolution(exponent: u8) -> u64 {
    let power = u32::from(exponent & 0x7f);
    let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power).unwrap_or(1_000_000_000)
}

/// The fixed part of a packet block.
#[derive(Clone, Copy, Debug)]
struct Place {
    interface: u32,
    stamp: u64,
    /// Octets of the fixed part.
    header: usize,
    /// Octets kept, when it says so.
    kept: Option<u32>,
    length: u32,
}

impl Place {
    fn read(kind: u32, body: &[u8], big: bool) -> Option<Self> {
        let field = |at| number(body, at, big);
        if kind == SIMPLE {
            body.get(..4)?;
            return Some(Self { interface: 0, stamp: 0, header: 4, kept: None, length: field(0) });
        }
        body.get(..20)?;
        let interface = if kind == OLD_PACKET { u32::from(short(body, 0, big)) } else { field(0) };
        let stamp = u64::from(field(4)) << 32 | u64::from(field(8));
        Some(Self { interface, stamp, header: 20, kept: Some(field(12)), length: field(16) })
    }
}

/// The four octets at `at` as a number; 0 where there are none.
fn number(octets: &[u8], at: usize, big_endian: bool) -> u32 {
    let field = octets.get(at..).and_then(|o| o.first_chunk::<4>()).copied().unwrap_or_default();
    if big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
}

/// The two octets at `at` as a number; 0 where there are none.
fn short(octets: &[u8], at: usize, big_endian: bool) -> u16 {
    let field = octets.get(at..).and_then(|o| o.first_chunk::<2>()).copied().unwrap_or_default();
    if big_endian { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) }
}

/// A window over a reader. It grows to the longest record that is met, within [`RECORD_OCTETS`].
#[derive(Debug)]
struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Octets of the reader before `start`.
    position: u64,
}

impl<R: Read> Input<R> {
    fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; BUFFER_OCTETS], start: 0, end: 0, position: 0 }
    }

    /// The next `count` octets, or what is left of them. `count` is no more than [`RECORD_OCTETS`].
    fn peek_up_to(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end - self.start < count {
            if self.buffer.len() - self.start < count {
                if self.start > 0 {
                    self.buffer.copy_within(self.start..self.end, 0);
                    (self.start, self.end) = (0, self.end - self.start);
                }
                // Not by what a record claims, but as its octets come in.
                if self.end == self.buffer.len() {
                    self.buffer.resize((2 * self.end).min(RECORD_OCTETS), 0);
                }
            }
            let Some(room) = self.buffer.get_mut(self.end..) else { break };
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let end = self.end.min(self.start + count);
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    /// The next `count` octets; `None` when there are fewer.
    fn peek(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        Ok(Some(self.peek_up_to(count)?).filter(|octets| octets.len() == count))
    }

    /// Goes past the next `count` octets, if there are so many, and gives them.
    fn take(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        if self.peek(count)?.is_none() {
            return Ok(None);
        }
        self.start += count;
        self.position += count as u64;
        Ok(Some(self.passed(count)))
    }

    /// The last `count` octets of what was taken.
    fn passed(&self, count: usize) -> &[u8] {
        self.buffer.get(self.start.saturating_sub(count)..self.start).unwrap_or_default()
    }

    /// Goes past `count` octets, however many; `None` when there are fewer.
    fn skip(&mut self, mut count: u64) -> io::Result<Option<()>> {
        while count > 0 {
            let piece = count.min(BUFFER_OCTETS as u64) as usize;
            if self.take(piece)?.is_none() {
                return Ok(None);
            }
            count -= piece as u64;
        }
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests;
