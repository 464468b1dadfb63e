//! A recording of the flight recorder: read to where it makes sense. With 0 as first octet it is the file as it is,
//! with 1 blocks that get their checksums here, and with 2 entries that follow the state of an exchange at rest: they
//! are replayed, whatever inputs they hold.

use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};
use telex_engine::config::Config;
use telex_engine::rng::Seed;
use telex_engine::time::Instant;
use telex_engine::{Boot, Signalling};
use telex_replay::{Checkpoint, Header, Recording, Replayer};

const MAGIC: &[u8] = b"TLX\x1a\x02\x00";
const ENTRIES: u8 = 3;
const END: u8 = 4;

/// A recording in which nothing happens, without its end.
static QUIET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let machine = Signalling::new(
        Arc::new(Config::default()),
        Seed::from_number(1),
        Boot { shards: 1, ..Boot::default() },
    );
    let recording = Recording {
        header: Header { build: telex_replay::build(), ..Header::default() },
        checkpoint: Checkpoint::of(&machine, 0, Instant::ZERO),
        entries: Vec::new(),
        starts: Vec::new(),
        media: Vec::new(),
        torn: None,
    };
    let mut file = recording.write(Vec::new()).expect("memory takes all");
    // A head of 13 octets and two of content.
    file.truncate(file.len() - 15);
    file
});

pub(crate) fn check(octets: &[u8]) {
    let Some((&how, octets)) = octets.split_first() else { return };
    let file = match how {
        1 => blocks(octets),
        2 => [&QUIET[..], &block(ENTRIES, octets), &block(END, &[0, 0])].concat(),
        _ => octets.to_vec(),
    };
    let recording = match Recording::read(&mut &file[..]) {
        Ok(recording) => recording,
        Err(error) => {
            assert!(how != 2 && !error.to_string().is_empty(), "{error}");
            return;
        }
    };
    assert!(recording.torn.as_ref().is_none_or(|torn| torn.offset <= file.len() as u64));
    for track in &recording.media {
        assert_eq!(track.entries().count(), track.len());
    }
    // A state that was made up may be anything: that it can be read says nothing.
    let machine = recording.checkpoint.machine();
    if how != 2 {
        return;
    }
    assert!(machine.is_ok());
    let mut replayer = Replayer::new(&recording, &[]).expect("the state is our own");
    replayer.run().expect("no input breaks the engine");
}

/// Blocks of `[kind, length, length]` and so many octets.
fn blocks(mut octets: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    while let Some((&[kind, high, low], rest)) = octets.split_first_chunk::<3>() {
        let (payload, rest) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
        octets = rest;
        file.extend(block(kind, payload));
    }
    file
}

fn block(kind: u8, payload: &[u8]) -> Vec<u8> {
    let hash = Sha256::new_with_prefix([kind]).chain_update(payload).finalize();
    let sum = hash.iter().take(8).fold(0u64, |n, octet| n << 8 | u64::from(*octet));
    let mut block = vec![kind];
    block.extend((payload.len() as u32).to_le_bytes());
    block.extend(sum.to_le_bytes());
    block.extend(payload);
    block
}

/// Inputs to begin with: a whole file, its blocks alone, and entries of a real conversation.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut whole = vec![0];
    whole.extend_from_slice(&QUIET);
    whole.extend(block(END, &[0, 0]));
    let mut blocks = vec![1];
    let mut rest = &QUIET[MAGIC.len()..];
    while let Some((head, after)) = rest.split_first_chunk::<13>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        blocks.extend([head[0], (length >> 8) as u8, length as u8]);
        blocks.extend(&after[..length]);
        rest = &after[length..];
    }
    // Wake; wall clock; a datagram of no sense: the number of the input first, as postcard writes it.
    let entries = [
        &[2][..],
        &[5, 0, 0, 0],
        &[9, 0, 0, 0],
        &[9, 1, 0, 0, 10, 0, 0, 9, 0, 10, 0, 0, 1, 0x88, 39, 2, 13, 10, 0, 0],
    ];
    vec![whole, blocks, entries.concat()]
}
