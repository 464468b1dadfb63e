//! The file format `.tlx`.
//!
//! ```text
//! file   = magic block*
//! magic  = "TLX" 0x1a, format version (u16)
//! block  = kind (u8), length (u32), checksum (u64), payload
//! ```
//!
//! Numbers are little-endian. The checksum is the head of the SHA-256 of kind and payload; payloads are `postcard`.
//! Blocks are a header, checkpoints, runs of entries, the same of media machines, and an end with the numbers of
//! entries. A file that stops early or is damaged gives what can be read up to there. Format 1 was the same without
//! media.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telex_engine::media::{MediaInput, MediaOut};
use telex_engine::mediactl::ShardId;
use telex_engine::time::{Duration, Instant, WallTime};
use telex_engine::{Action, Input};

use crate::entry::{Checkpoint, Entries, Entry, write_input, write_outcome};
use crate::media::{MediaCheckpoint, MediaEntry, MediaPolicy, MediaStart, Told, Track};

const MAGIC: &[u8; 4] = b"TLX\x1a";
/// Raised with every change of what is written, the engine's state included.
const FORMAT: u16 = 2;
/// The oldest that can be read.
const OLDEST: u16 = 1;
/// Octets of entries gathered into one block.
const RUN: usize = 64 << 10;
/// Octets of the longest block: a checkpoint of the largest exchange.
const LONGEST: u32 = 1 << 30;

const HEADER: u8 = 1;
const CHECKPOINT: u8 = 2;
const ENTRIES: u8 = 3;
const END: u8 = 4;
const MEDIA_CHECKPOINT: u8 = 5;
const MEDIA_ENTRIES: u8 = 6;

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
    /// What media machines were told and did, one track each; none when media was not kept.
    pub media: Vec<Track>,
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
        "this recording has format {0}, this program reads {OLDEST} to {FORMAT}: use the version of telex that made it"
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
    /// Entries of media that are not written yet, by shard.
    media_runs: BTreeMap<ShardId, Vec<u8>>,
    media_entries: u64,
    /// The first half of an entry.
    told: Vec<u8>,
}

impl<W: Write> FileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut to: W, header: &Header, checkpoint: &Checkpoint) -> io::Result<Self> {
        to.write_all(MAGIC)?;
        to.write_all(&FORMAT.to_le_bytes())?;
        let mut writer = Self {
            to,
            run: Vec::new(),
            entries: 0,
            media_runs: BTreeMap::new(),
            media_entries: 0,
            told: Vec::new(),
        };
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

    /// A media machine begins, or another takes the place of the one before.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn media_start(&mut self, shard: ShardId, checkpoint: &MediaCheckpoint) -> io::Result<()> {
        self.media_start_after(shard, self.entries, checkpoint)
    }

    fn media_start_after(
        &mut self,
        shard: ShardId,
        after: u64,
        checkpoint: &MediaCheckpoint,
    ) -> io::Result<()> {
        self.flush_media(shard)?;
        self.block(MEDIA_CHECKPOINT, &encode(&(shard, after, checkpoint))?)
    }

    /// Call this before a media machine is handed `input`, and [`FileWriter::media_after`] afterwards.
    ///
    /// # Errors
    /// None that is known of.
    pub fn media_before(&mut self, now: Instant, input: &MediaInput<'_>) -> io::Result<()> {
        self.told = encode(&(now, Told::of(input, MediaPolicy::All)))?;
        Ok(())
    }

    /// Adds what came of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn media_after(
        &mut self,
        shard: ShardId,
        out: &MediaOut,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        let (now, told) = postcard::from_bytes(&self.told).map_err(io::Error::other)?;
        let entry = encode(&MediaEntry::new(now, told, out, deadline))?;
        self.media_octets(shard, &entry)
    }

    fn media_octets(&mut self, shard: ShardId, entry: &[u8]) -> io::Result<()> {
        let run = self.media_runs.entry(shard).or_insert_with(|| vec![shard.0]);
        run.extend_from_slice(entry);
        self.media_entries += 1;
        if run.len() >= RUN { self.flush_media(shard) } else { Ok(()) }
    }

    fn flush_media(&mut self, shard: ShardId) -> io::Result<()> {
        match self.media_runs.remove(&shard) {
            Some(run) => self.block(MEDIA_ENTRIES, &run),
            None => Ok(()),
        }
    }

    /// Ends the file and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(mut self) -> io::Result<W> {
        self.flush()?;
        while let Some((shard, _)) = self.media_runs.first_key_value() {
            self.flush_media(*shard)?;
        }
        let counts = (self.entries, self.media_entries);
        self.block(END, &encode(&counts)?)?;
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
        for track in &self.media {
            for n in 0..track.len().max(1) {
                for start in track.starts.iter().filter(|start| start.at == n) {
                    writer.media_start_after(track.shard, start.after, &start.checkpoint)?;
                }
                if n < track.len() {
                    writer.media_octets(track.shard, track.octets(n))?;
                }
            }
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
                if !(OLDEST..=FORMAT).contains(&version) {
                    return Err(ReadError::Format(version));
                }
            }
            _ => return Err(ReadError::NotOurs),
        }
        let header = blocks.decoded(HEADER)?;
        let checkpoint = blocks.decoded(CHECKPOINT)?;
        let mut recording = Self {
            header,
            checkpoint,
            entries: Vec::new(),
            starts: Vec::new(),
            media: Vec::new(),
            torn: None,
        };
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
                Ok((MEDIA_CHECKPOINT, payload)) => match postcard::from_bytes(&payload) {
                    Ok((shard, after, checkpoint)) => {
                        let track = self.track(shard);
                        let at = track.len();
                        track.starts.push(MediaStart { at, after, checkpoint });
                    }
                    Err(_) => {
                        return torn("a state of media cannot be read; another version may have written it");
                    }
                },
                Ok((MEDIA_ENTRIES, payload)) => {
                    let whole = payload.split_first();
                    if !whole.is_some_and(|(shard, entries)| self.track(ShardId(*shard)).extend(entries)) {
                        return torn("an entry of media cannot be read; another version may have written it");
                    }
                }
                Ok((END, payload)) => {
                    return if self.is_all(&payload) {
                        Ok(None)
                    } else {
                        torn("entries are missing before it")
                    };
                }
                Ok(_) => return torn("a block of unknown kind"),
            }
        }
    }

    /// The track of a media machine.
    fn track(&mut self, shard: ShardId) -> &mut Track {
        let place = self.media.iter().position(|track| track.shard == shard).unwrap_or_else(|| {
            self.media.push(Track::new(shard));
            self.media.len() - 1
        });
        &mut self.media[place]
    }

    /// Whether there are as many entries as the end mark says. That of format 1 has no count of media.
    fn is_all(&self, end: &[u8]) -> bool {
        let Ok((entries, rest)) = postcard::take_from_bytes::<u64>(end) else { return false };
        let media = if rest.is_empty() { Ok(0) } else { postcard::from_bytes::<u64>(rest) };
        let tracks: usize = self.media.iter().map(Track::len).sum();
        u64::try_from(self.entries.len()) == Ok(entries) && media == Ok(tracks as u64)
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
