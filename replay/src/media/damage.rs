//! States of media that were damaged: what is made of them may be wrong, but it is an error or an output.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telex_audio::codec::Encoding;
use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::{
    Accepted, DigitWay, Digits, Kind, LegId, LegSpec, MediaCommand, Payload, Play, PortId, Press, Presses,
    Recorded, RecordingFormat, RecordingId, RecordingSpec, RoomId, RoomMode, RoomSpec, ShardId,
};
use telex_engine::rng::Seed;
use telex_engine::rtp::Header;
use telex_engine::time::Instant;

use super::told::Told;
use super::track::{MediaCheckpoint, MediaEntry, MediaStart, Track};
use super::{MediaReplayError, MediaReplayer};

const ENCODINGS: [Encoding; 6] = [
    Encoding::Pcmu,
    Encoding::G722,
    Encoding::Gsm,
    Encoding::G729,
    Encoding::Pcma,
    Encoding::L16 { rate: 16_000 },
];

fn party(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n as u8], 4000))
}

/// Two parties that are transcoded and recorded, and a conference of four, with keys pressed and tones played.
fn commands() -> Vec<MediaCommand> {
    let room =
        |room, mode, recordings| MediaCommand::PutRoom { room, rev: 1, spec: RoomSpec { mode, recordings } };
    let what = Recorded::Stereo { left: LegId(0), right: LegId(1) };
    let recording = RecordingSpec {
        id: RecordingId(1),
        what,
        rate: 8000,
        format: RecordingFormat::Wav,
        paused: false,
        quiet: 0,
    };
    let mut commands =
        vec![room(RoomId(1), RoomMode::Relay, vec![recording]), room(RoomId(2), RoomMode::Mix, vec![])];
    for (n, encoding) in (0..).zip(ENCODINGS) {
        let payload = Payload::of(100 + n as u8, encoding);
        let keys = vec![Press { digit: '5', ms: 1500 }, Press { digit: '6', ms: 100 }];
        let events = Payload::opaque(96, 8000);
        let spec = LegSpec {
            remote: Some(party(n)),
            send: true,
            receive: true,
            audio: Some(payload),
            events: Some(events).filter(|_| n % 2 == 0),
            accept: vec![
                Accepted { payload, kind: Kind::Speech, forward: None },
                Accepted { payload: events, kind: Kind::Events, forward: None },
            ],
            digits: Digits {
                report: true,
                keep: false,
                tones: n % 2 == 1,
                way: if n % 2 == 0 { DigitWay::Events } else { DigitWay::Tones },
            },
            presses: Presses { first: 0, keys },
            playing: (n == 3).then_some(Play { over: true, ..Play::tone(440, 3000) }),
            latch: 1,
            ..LegSpec::new(RoomId(if n < 2 { 1 } else { 2 }), PortId(10_000 + 2 * n))
        };
        commands.push(MediaCommand::PutLeg { leg: LegId(n.into()), rev: 1, spec: Box::new(spec) });
    }
    commands
}

/// What each party sends at a moment, in the order of the ports.
fn packets(frame: u16) -> Vec<(u16, SocketAddr, Vec<u8>)> {
    let packet = |(n, encoding): (u16, Encoding)| {
        let octets = match encoding {
            Encoding::Gsm => [[0xd5; 33].as_slice()].concat(),
            Encoding::G729 => vec![0x55; 20],
            Encoding::L16 { .. } => vec![3; 640],
            _ => (0..160).map(|at| (at as u8).wrapping_mul(7 + frame as u8)).collect(),
        };
        let (payload_type, timestamp) = (100 + n as u8, u32::from(frame) * encoding.properties().clock / 50);
        let header =
            Header { marker: false, payload_type, sequence: frame, timestamp, ssrc: 1 + u32::from(n) };
        (10_000 + 2 * n, party(n), [&header.to_bytes()[..], &octets].concat())
    };
    (0..).zip(ENCODINGS).map(packet).collect()
}

/// The state in the middle of it, and what follows.
fn track() -> Track {
    let mut machine = MediaShard::new(ShardId(0), Seed::from_number(1));
    let (mut out, mut now) = (MediaOut::new(), Instant::ZERO);
    commands().into_iter().for_each(|command| machine.handle(now, MediaInput::Command(command), &mut out));
    let mut track = Track::new(ShardId(0));
    for frame in 0..45 {
        if frame == 30 {
            let checkpoint = MediaCheckpoint::of(&machine, now);
            track.starts.push(MediaStart { at: 0, after: 0, checkpoint });
        }
        let mut told = |machine: &mut MediaShard, told: Told<'_>, now| {
            out.clear();
            machine.handle(now, told.input(&mut Vec::new()), &mut out);
            if frame >= 30 {
                track.push(&MediaEntry::new(now, told, &out, machine.deadline())).expect("it can be written");
            }
        };
        for (port, remote, bytes) in packets(frame) {
            told(&mut machine, Told::Packet { port, remote, bytes: &bytes }, now);
        }
        let end = now + Duration::from_millis(20);
        while let Some(at) = machine.deadline().filter(|&at| at <= end) {
            now = at.max(now);
            told(&mut machine, Told::Tick, now);
        }
        now = end;
    }
    track
}

#[test]
fn a_state_that_is_whole_runs_again_and_one_that_is_not_is_an_error_at_worst() {
    let whole = track();
    let tally = MediaReplayer::new(&whole, Arc::default()).run().expect("it is whole").clone();
    assert!(tally.difference.is_none() && tally.outputs > 50, "{tally}");
    let (mut number, mut kinds) = (1_u64, [0; 3]);
    let mut draw = |below: usize| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % below
    };
    for _ in 0..400 {
        let mut damaged = whole.clone();
        let state = &mut damaged.starts[0].checkpoint.state;
        for _ in 0..=draw(3) {
            let at = draw(state.len());
            state[at] = match draw(3) {
                0 => state[at] ^ 1 << draw(8),
                1 => 0xff,
                _ => draw(256) as u8,
            };
        }
        let outcome =
            MediaReplayer::new(&damaged, Arc::default()).run().map(|tally| tally.difference.is_some());
        kinds[match outcome {
            Ok(_) => 0,
            Err(MediaReplayError::Checkpoint { .. }) => 1,
            Err(MediaReplayError::Panic { .. }) => 2,
        }] += 1;
    }
    assert!(kinds[0] > 0 && kinds[1] > 0, "{kinds:?}");
    eprintln!("went on {}, was not read {}, broke and was caught {}", kinds[0], kinds[1], kinds[2]);
}
