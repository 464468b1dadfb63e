//! The file format `.tlx`.
//!
//! ```text
//! file   = magic block*
//! magic  = "TLX" 0x1a, format version (u16)
//! block  = kind (u8), length (u32), checksum (u64), payload
//! ```
//!
//! Numbers are little-endian. The checksum is the head of the SHA-256 of kind and payload; payloads are `postcard`.
//! Blocks are a header, checkpoints, runs of entries, and an end with the number of entries. A file that stops early or
//! is damaged gives what can be read up to there.

use std::io::{self, Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telex_engine::time::{Duration, Instant, WallTime};
use telex_engine::{Action, Input};

use crate::entry::{Checkpoint, Entries, Entry, write_input, write_outcome};

const MAGIC: &[u8; 4] = b"TLX\x1a";
/// Raised with every change of what is written, the engine's state included.
const FORMAT: u16 = 1;
/// Octets of entries gathered into one block.
const RUN: usize = 64 << 10;
/// Octets of the longest block: a checkpoint of the largest exchange.
const LONGEST: u32 = 1 << 30;

const HEADER: u8 = 1;
const CHECKPOINT: u8 = 2;
const ENTRIES: u8 = 3;
const END: u8 = 4;

/// What a recording says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Which program wrote it: see [`crate::build`].
    pub build: String,
    /// When it was cut.
    pub made: WallTime,
    /// What was asked for, in words.
    pub what: String,
    /// What its reader should know.
    pub notes: Vec<String>,
}

/// A recording: the state at its beginning, and every input and output since.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What it says about itself.
    pub header: Header,
    /// Where it begins.
    pub checkpoint: Checkpoint,
    /// What followed.
    pub entries: Vec<Entry>,
    /// Where another machine took the place of the one before, as after a restart: before the entry of this number.
    pub starts: Vec<(usize, Checkpoint)>,
    /// Where the file stopped making sense, if it did.
    pub torn: Option<Torn>,
}

/// Where a file stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Octets from its start.
    pub offset: u64,
    /// What is wrong there.
    pub why: &'static str,
}

/// Why nothing at all can be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something else.
    #[error("this is no recording of Telex: it does not begin as one")]
    NotOurs,
    /// Another version.
    #[error(
        "this recording has format {0}, this program reads {FORMAT}: use the version of telex that made it"
    )]
    Format(u16),
    /// The head is damaged.
    #[error("this recording is damaged at octet {}, before its first entry: {}", .0.offset, .0.why)]
    Torn(Torn),
}

/// Writes a recording as it goes.
#[derive(Debug)]
pub struct FileWriter<W> {
    to: W,
    run: Vec<u8>,
    entries: u64,
}

impl<W: Write> FileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut to: W, header: &Header, checkpoint: &Checkpoint) -> io::Result<Self> {
        to.write_all(MAGIC)?;
        to.write_all(&FORMAT.to_le_bytes())?;
        let mut writer = Self { to, run: Vec::new(), entries: 0 };
        writer.block(HEADER, &encode(header)?)?;
        writer.block(CHECKPOINT, &encode(checkpoint)?)?;
        Ok(writer)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn entry(
        &mut self,
        now: Instant,
        input: &Input,
        actions: &[Action],
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        write_input(&mut self.run, now, input).map_err(io::Error::other)?;
        write_outcome(&mut self.run, actions, deadline).map_err(io::Error::other)?;
        self.entries += 1;
        if self.run.len() >= RUN { self.flush() } else { Ok(()) }
    }

    /// Another machine takes the place of the one before.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn start(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        self.flush()?;
        let checkpoint = encode(checkpoint)?;
        self.block(CHECKPOINT, &checkpoint)
    }

    /// Ends the file and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(mut self) -> io::Result<W> {
        self.flush()?;
        let entries = self.entries;
        self.block(END, &encode(&entries)?)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        let run = std::mem::take(&mut self.run);
        self.block(ENTRIES, &run)?;
        self.run = run;
        self.run.clear();
        Ok(())
    }

    fn block(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("the state is too large for a recording"))?;
        self.to.write_all(&[kind])?;
        self.to.write_all(&length.to_le_bytes())?;
        self.to.write_all(&checksum(kind, payload).to_le_bytes())?;
        self.to.write_all(payload)
    }
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

fn checksum(kind: u8, payload: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::new_with_prefix([kind]).chain_update(payload).finalize().into();
    hash.iter().take(8).fold(0, |n, octet| n << 8 | u64::from(*octet))
}

impl Recording {
    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write<W: Write>(&self, to: W) -> io::Result<W> {
        let mut writer = FileWriter::new(to, &self.header, &self.checkpoint)?;
        for (n, entry) in self.entries.iter().enumerate() {
            if let Some((_, start)) = self.starts.iter().find(|(at, _)| *at == n) {
                writer.start(start)?;
            }
            writer.entry(entry.now, &entry.input, &entry.actions, entry.deadline)?;
        }
        writer.end()
    }

    /// Reads a file, as far as it can be read.
    ///
    /// # Errors
    /// When not even its beginning can be.
    pub fn read(from: &mut dyn Read) -> Result<Self, ReadError> {
        let mut blocks = Blocks { from, offset: 0 };
        let magic = blocks.take(6)?;
        match magic.split_first_chunk::<4>() {
            Some((start, version)) if start == MAGIC && version.len() == 2 => {
                let version = version.iter().rev().fold(0, |n, octet| n << 8 | u16::from(*octet));
                if version != FORMAT {
                    return Err(ReadError::Format(version));
                }
            }
            _ => return Err(ReadError::NotOurs),
        }
        let header = blocks.decoded(HEADER)?;
        let checkpoint = blocks.decoded(CHECKPOINT)?;
        let mut recording = Self { header, checkpoint, entries: Vec::new(), starts: Vec::new(), torn: None };
        recording.torn = recording.read_entries(&mut blocks)?;
        Ok(recording)
    }

    fn read_entries(&mut self, blocks: &mut Blocks<'_>) -> Result<Option<Torn>, ReadError> {
        loop {
            let offset = blocks.offset;
            let torn = |why| Ok(Some(Torn { offset, why }));
            match blocks.next()? {
                Err(why) => return torn(why),
                Ok((ENTRIES, payload)) => {
                    let mut entries = Entries::of(&payload);
                    self.entries.extend(entries.by_ref());
                    if entries.left() > 0 {
                        return torn("an entry cannot be read; another version may have written it");
                    }
                }
                Ok((CHECKPOINT, payload)) => match postcard::from_bytes(&payload) {
                    Ok(checkpoint) => {
                        // One that was told nothing before the next took its place has left no trace.
                        let at = self.entries.len();
                        self.starts.pop_if(|(before, _)| *before == at);
                        self.starts.push((at, checkpoint));
                    }
                    Err(_) => return torn("a state cannot be read; another version may have written it"),
                },
                Ok((END, payload)) => {
                    let count: Result<u64, _> = postcard::from_bytes(&payload);
                    let all = count.is_ok_and(|count| u64::try_from(self.entries.len()) == Ok(count));
                    return if all { Ok(None) } else { torn("entries are missing before it") };
                }
                Ok(_) => return torn("a block of unknown kind"),
            }
        }
    }

    /// The number of every entry, when it was, and what the wall clock said then: time goes on where a machine starts
    /// anew.
    pub fn times(&self) -> impl Iterator<Item = (Duration, WallTime)> {
        let (mut told, mut at, mut before, mut began) =
            (self.checkpoint.wall, self.checkpoint.now, Duration::ZERO, self.checkpoint.now);
        let mut last = Duration::ZERO;
        self.entries.iter().enumerate().map(move |(n, entry)| {
            if let Some((_, start)) = self.starts.iter().find(|(at, _)| *at == n) {
                (told, at, before, began) = (start.wall, start.now, last, start.now);
            }
            if let Input::Wall(wall) = entry.input {
                (told, at) = (wall, entry.now);
            }
            last = before + entry.now.since(began);
            (last, told + entry.now.since(at))
        })
    }

    /// The wall clock at the beginning.
    pub fn wall(&self) -> WallTime {
        self.checkpoint.wall
    }
}

/// Reads blocks and counts octets. Nothing is allocated for octets that are not there.
struct Blocks<'a> {
    from: &'a mut dyn Read,
    offset: u64,
}

impl Blocks<'_> {
    /// So many octets, or fewer when there are no more.
    fn take(&mut self, octets: u64) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        self.from.take(octets).read_to_end(&mut taken)?;
        self.offset += taken.len() as u64;
        Ok(taken)
    }

    /// The next block, or what is wrong with it.
    fn next(&mut self) -> io::Result<Result<(u8, Bytes), &'static str>> {
        let head = self.take(13)?;
        let Some(([kind, length @ ..], sum)) = head.split_first_chunk::<5>() else {
            return Ok(Err("the file ends here without its end mark"));
        };
        let Ok(sum) = <[u8; 8]>::try_from(sum) else {
            return Ok(Err("the file ends within the head of a block"));
        };
        let length = u32::from_le_bytes(*length);
        if length > LONGEST {
            return Ok(Err("a block says that it is longer than any"));
        }
        let payload = self.take(length.into())?;
        if payload.len() != length as usize {
            return Ok(Err("the file ends within a block"));
        }
        if checksum(*kind, &payload) != u64::from_le_bytes(sum) {
            return Ok(Err("a block does not have its checksum"));
        }
        Ok(Ok((*kind, payload.into())))
    }

    fn decoded<T: for<'de> Deserialize<'de>>(&mut self, kind: u8) -> Result<T, ReadError> {
        let offset = self.offset;
        let torn = |why| ReadError::Torn(Torn { offset, why });
        let (found, payload) = self.next()?.map_err(torn)?;
        if found != kind {
            return Err(torn("another block belongs here"));
        }
        postcard::from_bytes(&payload).map_err(|_| torn("it cannot be decoded"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_starts_in_a_row_the_last_counts() {
        let state = |step: u64| Checkpoint {
            step,
            now: Instant::ZERO,
            wall: WallTime::from_unix_millis(0),
            state: Vec::new(),
        };
        let mut writer = FileWriter::new(Vec::new(), &Header::default(), &state(0)).unwrap();
        writer.entry(Instant::ZERO, &Input::Wake, &[], None).unwrap();
        writer.start(&state(1)).unwrap();
        writer.start(&state(2)).unwrap();
        writer.entry(Instant::ZERO, &Input::Wake, &[], None).unwrap();
        let octets = writer.end().unwrap();
        let recording = Recording::read(&mut octets.as_slice()).unwrap();
        assert_eq!((recording.entries.len(), &recording.torn), (2, &None));
        assert_eq!(recording.starts, [(1, state(2))]);
    }
}
