//! Media in recordings: kept by rings, cut by call, run again to the last octet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use telex_engine::event::Event;
use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::ShardId;
use telex_engine::time::{Duration, Instant};
use telex_engine::{Action, Input, Signalling};
use telex_replay::{
    MediaKept, MediaPolicy, MediaRecorder, MediaReplayer, MediaTally, Order, Output, Recorder, Recording,
    Replayer, SecretKey, Told, Wanted,
};
use telex_sim::{FEATURES, Plan, Settings, Watch, draw, run_recorded, run_watched};

/// Telephones that talk, hold and use services on a network that loses.
fn plan(seed: u64, calls: usize) -> Plan {
    const MANNERS: [&str; 6] = ["duplicate", "reorder", "hold", "service", "reliable", "cancel"];
    let names = FEATURES.iter().map(|(name, ..)| *name);
    let without = names.filter(|name| !MANNERS.contains(name)).map(str::to_owned).collect();
    let with = vec!["service".to_owned(), "hold".to_owned()];
    draw(seed, &Settings { calls, loss: Some(10_000), without, with, ..Settings::default() })
}

/// Rings beside all machines.
struct Rings {
    policy: MediaPolicy,
    before: MediaPolicy,
    memory: usize,
    signalling: Recorder,
    media: BTreeMap<ShardId, MediaRecorder>,
    largest: usize,
    now: Instant,
    /// Packets that were told.
    packets: usize,
    /// After so many of them everything is kept.
    loud_from: usize,
    /// Calls that have ended.
    ended: Vec<u64>,
    /// What was kept at the end.
    kept: Vec<MediaKept>,
}

impl Rings {
    fn run(plan: &Plan, policy: MediaPolicy, memory: usize) -> Self {
        Self::run_changing(plan, policy, memory, usize::MAX)
    }

    fn run_changing(plan: &Plan, policy: MediaPolicy, memory: usize, loud_from: usize) -> Self {
        let mut rings = Self {
            policy,
            before: policy,
            memory,
            signalling: Recorder::new(32 << 20),
            media: BTreeMap::new(),
            largest: 0,
            now: Instant::ZERO,
            packets: 0,
            loud_from,
            ended: Vec::new(),
            kept: Vec::new(),
        };
        let outcome = run_watched(plan, &mut rings);
        assert!(outcome.broken.is_none(), "{outcome:?}");
        rings.kept = rings.media.iter().map(|(shard, recorder)| recorder.kept(*shard)).collect();
        rings
    }

    fn cut(&self, wanted: Wanted) -> Recording {
        let order = Order { wanted, before: Duration::from_secs(5) };
        let kept = self.signalling.kept(self.now);
        let recording = kept.cut_with(&self.kept, &order, SecretKey::from_bytes([9; 32])).unwrap();
        // As a file would have it.
        let octets = recording.write(Vec::new()).expect("memory takes everything");
        Recording::read(&mut octets.as_slice()).expect("it was written just now")
    }
}

impl Watch for Rings {
    fn before_signalling(&mut self, machine: &mut Signalling, now: Instant, input: &Input) {
        self.signalling.before(machine, now, input);
    }

    fn signalling(&mut self, machine: &mut Signalling, now: Instant, _: &Input, actions: &[Action]) {
        self.signalling.after(actions, machine.deadline().map(|deadline| deadline.at));
        self.now = now;
        self.ended.extend(actions.iter().filter_map(|action| match action {
            Action::Report(Event::CallEnded { call, .. }) => Some(*call),
            _ => None,
        }));
    }

    fn before_media(
        &mut self,
        shard: ShardId,
        machine: &mut MediaShard,
        now: Instant,
        input: &MediaInput<'_>,
    ) {
        let new = || MediaRecorder::new(self.policy, self.memory);
        self.media.entry(shard).or_insert_with(new).before(machine, now, input);
        self.packets += usize::from(matches!(input, MediaInput::Packet { .. }));
        if self.packets == self.loud_from {
            self.loud_from = usize::MAX;
            self.policy = MediaPolicy::All;
        }
    }

    fn after_media(&mut self, shard: ShardId, machine: &mut MediaShard, out: &MediaOut) {
        if let Some(recorder) = self.media.get_mut(&shard) {
            recorder.after(out, machine.deadline());
            if self.policy != self.before {
                recorder.change(self.policy, self.memory);
                self.before = self.policy;
            }
            self.largest = self.largest.max(recorder.octets());
        }
    }
}

/// Runs every machine of a recording, all of which must do as recorded.
fn identical(recording: &Recording) -> Vec<MediaTally> {
    assert_eq!(recording.torn, None);
    assert!(Replayer::new(recording, &[]).unwrap().run().unwrap().is_identical());
    let run = |track| MediaReplayer::new(track, Arc::default()).run().unwrap().clone();
    let tallies: Vec<MediaTally> = recording.media.iter().map(run).collect();
    for tally in &tallies {
        assert!(tally.difference.is_none() && tally.outputs == tally.identical, "{tally}");
    }
    tallies
}

fn count(tallies: &[MediaTally], kind: &str) -> u64 {
    tallies.iter().filter_map(|tally| tally.kinds.get(kind)).sum()
}

#[test]
fn a_recorded_run_replays_its_media_to_the_last_octet() {
    for seed in 0..4 {
        let (outcome, octets) = run_recorded(&plan(seed, 6), Vec::new()).unwrap();
        assert!(outcome.broken.is_none(), "{outcome:?}");
        let recording = Recording::read(&mut octets.as_slice()).unwrap();
        let tallies = identical(&recording);
        assert!(count(&tallies, "packets") > 200 && count(&tallies, "ticks") > 0, "{tallies:?}");
        let again = recording.write(Vec::new()).unwrap();
        assert_eq!(identical(&Recording::read(&mut again.as_slice()).unwrap()).len(), tallies.len());
    }
}

#[test]
fn what_rings_kept_comes_out_as_it_was_sent_and_the_call_is_alone() {
    let rings = Rings::run(&plan(11, 12), MediaPolicy::All, 8 << 20);
    let all = rings.cut(Wanted::All);
    assert!(all.header.notes.is_empty(), "{:?}", all.header.notes);
    let everything = identical(&all);
    assert_eq!(count(&everything, "packets"), rings.packets as u64);
    let mut with_sound = 0;
    for call in &rings.ended {
        let one = rings.cut(Wanted::Call(*call));
        assert!(one.header.notes.is_empty(), "call {call}: {:?}", one.header.notes);
        let tallies = identical(&one);
        let packets = count(&tallies, "packets");
        assert!(packets < rings.packets as u64 / 2, "call {call}: {packets} of {}", rings.packets);
        with_sound += u64::from(packets > 20);
        // Every packet that it has is one that was sent, and its legs are the call's.
        for track in &one.media {
            let whole = all.media.iter().find(|whole| whole.shard == track.shard).unwrap();
            let sent: std::collections::BTreeSet<_> = whole
                .entries()
                .flat_map(|e| e.packets.iter().map(|p| (e.now, p.port, p.bytes.to_vec())).collect::<Vec<_>>())
                .collect();
            for entry in track.entries() {
                for packet in &entry.packets {
                    assert!(sent.contains(&(entry.now, packet.port, packet.bytes.to_vec())));
                }
            }
        }
    }
    assert!(with_sound >= 6, "{with_sound}");
}

#[test]
fn without_payloads_everything_but_the_sound_is_there() {
    let plan = plan(11, 12);
    let (loud, mute) =
        [MediaPolicy::All, MediaPolicy::Headers].map(|policy| Rings::run(&plan, policy, 8 << 20)).into();
    let call = *loud
        .ended
        .iter()
        .max_by_key(|call| loud.cut(Wanted::Call(**call)).media.iter().map(|t| t.len()).sum::<usize>())
        .unwrap();
    let (loud, mute) = (loud.cut(Wanted::Call(call)), mute.cut(Wanted::Call(call)));
    assert!(mute.header.notes.is_empty(), "{:?}", mute.header.notes);
    identical(&mute);
    let (mut packets, mut left_out) = (0, 0);
    for (loud, mute) in loud.media.iter().zip(&mute.media) {
        assert_eq!(loud.len(), mute.len());
        for (loud, mute) in loud.entries().zip(mute.entries()) {
            left_out += usize::from(matches!(mute.told, Told::Headers { .. }));
            assert_eq!((loud.now, &loud.reports, loud.deadline), (mute.now, &mute.reports, mute.deadline));
            let outline = |entry: &telex_replay::MediaEntry<'_>| {
                let packets = entry.packets.iter();
                packets.map(|p| (p.port, p.remote, p.bytes.len(), p.bytes[..12].to_vec())).collect::<Vec<_>>()
            };
            assert_eq!(outline(&loud), outline(&mute));
            packets += loud.packets.len();
        }
    }
    assert!(packets > 100 && left_out > 100, "{packets} packets, {left_out} without payload");
}

#[test]
fn the_ring_wraps_in_the_memory_it_has() {
    const MEMORY: usize = 256 << 10;
    let plan = plan(12, 30);
    let rings = Rings::run(&plan, MediaPolicy::All, MEMORY);
    assert!(rings.largest <= MEMORY, "{} octets", rings.largest);
    let all = rings.cut(Wanted::All);
    let tallies = identical(&all);
    let packets = count(&tallies, "packets");
    assert!(packets > 100 && packets < rings.packets as u64 / 4, "{packets} of {}", rings.packets);
    assert!(all.header.notes.is_empty(), "{:?}", all.header.notes);
    // The last call is still there, the first is not.
    let last = rings.cut(Wanted::Call(*rings.ended.last().unwrap()));
    identical(&last);
    assert!(!last.media.is_empty());
    assert!(rings.cut(Wanted::Call(rings.ended[0])).media.is_empty());
}

#[test]
fn a_change_of_the_policy_holds_from_then_on() {
    let mut plan = plan(11, 12);
    plan.exchange.shards = 1;
    let rings = Rings::run_changing(&plan, MediaPolicy::Headers, 8 << 20, 400);
    let all = rings.cut(Wanted::All);
    assert!(all.header.notes.is_empty(), "{:?}", all.header.notes);
    let tallies = identical(&all);
    assert_eq!(count(&tallies, "packets") + count(&tallies, "packets without payload"), rings.packets as u64);
    let mute = count(&tallies, "packets without payload");
    assert!((100..=400).contains(&mute), "{mute}");
    // Nothing is left out any more once everything is kept.
    let kinds: Vec<_> = all.media[0].entries().map(|entry| entry.told.kind()).collect();
    let last = kinds.iter().rposition(|kind| *kind == "packets without payload").unwrap();
    assert!(kinds[last..].iter().filter(|kind| **kind == "packets").count() > 100);
}

/// The place of the first RTP packet that one leg sent with sound, in a file.
fn sound(recording: &Recording, octets: &[u8]) -> usize {
    let entries: Vec<_> = recording.media[0].entries().collect();
    let packet = entries.iter().flat_map(|entry| &entry.packets).find(|p| p.bytes.len() > 100).unwrap();
    // What is sent stands behind what came in, whose payload is the same.
    let place = octets.windows(packet.bytes.len()).position(|window| window == packet.bytes).unwrap();
    place + packet.bytes.len() / 2
}

#[test]
fn a_changed_octet_is_found() {
    let rings = Rings::run(&plan(13, 4), MediaPolicy::All, 8 << 20);
    let recording = rings.cut(Wanted::Call(rings.ended[0]));
    let octets = recording.write(Vec::new()).unwrap();
    let place = sound(&recording, &octets);
    let mut wrong = octets.clone();
    wrong[place] ^= 0x40;
    // By its checksum, as long as nobody corrects that too.
    let torn = Recording::read(&mut wrong.as_slice()).unwrap();
    assert!(torn.torn.as_ref().is_some_and(|torn| torn.why.contains("checksum")), "{:?}", torn.torn);
    mend(&mut wrong);
    let mended = Recording::read(&mut wrong.as_slice()).unwrap();
    assert_eq!(mended.torn, None);
    let tallies: Vec<_> =
        mended.media.iter().map(|t| MediaReplayer::new(t, Arc::default()).run().unwrap().clone()).collect();
    let differences: Vec<_> = tallies.iter().filter_map(|tally| tally.difference.as_ref()).collect();
    let [difference] = &differences[..] else { panic!("{tallies:?}") };
    let (Some(Output::Packet { bytes: old, .. }), Some(Output::Packet { bytes: new, .. })) =
        (&difference.expected, &difference.got)
    else {
        panic!("{difference}")
    };
    let differ = old.iter().zip(new).filter(|(a, b)| a != b).count();
    assert_eq!((old.len(), differ), (new.len(), 1), "{difference}");
    assert_eq!(tallies.iter().map(|tally| tally.outputs - tally.identical).sum::<u64>(), 1);
    assert!(difference.to_string().contains("is the first that differs"), "{difference}");
}

/// Gives every block its right checksum.
fn mend(file: &mut [u8]) {
    use sha2::{Digest as _, Sha256};
    let mut at = 6;
    while let Some((head, rest)) = file[at..].split_first_chunk_mut::<13>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let hash: [u8; 32] =
            Sha256::new_with_prefix([head[0]]).chain_update(&rest[..length]).finalize().into();
        let sum = hash.iter().take(8).fold(0_u64, |n, octet| n << 8 | u64::from(*octet));
        head[5..].copy_from_slice(&sum.to_le_bytes());
        at += 13 + length;
    }
}

#[test]
fn a_file_of_the_format_before_has_no_media_and_replays() {
    let rings = Rings::run(&plan(14, 4), MediaPolicy::All, 8 << 20);
    let order = Order { wanted: Wanted::All, before: Duration::ZERO };
    let recording = rings.signalling.kept(rings.now).cut(&order, SecretKey::from_bytes([9; 32])).unwrap();
    let mut octets = recording.write(Vec::new()).unwrap();
    assert_eq!(octets[4..6], [2, 0]);
    octets[4] = 1;
    // Its end mark had one number.
    let media = octets.pop();
    assert_eq!(media, Some(0));
    let count = postcard::to_stdvec(&(recording.entries.len() as u64)).unwrap().len();
    let head = octets.len() - count - 13;
    assert_eq!(octets[head], 4);
    octets[head + 1] = count as u8;
    mend(&mut octets);
    let old = Recording::read(&mut octets.as_slice()).unwrap();
    assert!(old.media.is_empty() && identical(&old).is_empty());
    assert_eq!(old.entries.len(), recording.entries.len());
}
