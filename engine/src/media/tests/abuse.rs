//! Thieves, garbage and repeatability.

use super::*;
use crate::mediactl::{
    Clip, DigitWay, Digits, Piece, Play, Playing, Press, Presses, Recorded, RecordingFormat, RecordingId,
    RecordingSpec,
};
use proptest::prelude::*;

#[test]
fn a_thief_is_neither_heard_nor_sent_anything() {
    let mut w = call(1);
    let (mut alice, mut bob, mut thief) = (Voice::new(1), Voice::new(2), Voice::new(66));
    for n in 0..2000 {
        w.run(Duration::from_millis(20));
        // He sprays all ports before, during and after the parties speak, and even knows the payload type.
        for port in [A, B, A + 1, B + 1] {
            w.packet(port, THIEF, &thief.next());
        }
        if (1..1500).contains(&n) {
            assert_eq!(w.packet(A, ALICE, &alice.next()).len(), 1);
            assert_eq!(w.packet(B, BOB, &bob.next()).len(), 1);
        }
        if n % 100 == 50 {
            w.put(1, 10 + n, LegSpec { latch: 10 + n, ..leg(A, ALICE) });
        }
    }
    let thief_at: SocketAddr = THIEF.parse().unwrap();
    assert!(w.sent.iter().all(|s| s.to != thief_at));
    assert!(w.media().iter().all(|s| s.payload()[159] != 66));
    assert!(w.stats(1).refused > 1900);
}

/// The thief comes first and passes probation; then the party speaks.
#[test]
fn a_thief_who_was_first_is_put_out() {
    let mut w = call(1);
    let (mut bob, mut thief) = (Voice::new(2), Voice::new(66));
    for _ in 0..4 {
        w.packet(B, THIEF, &thief.next());
    }
    for _ in 0..4 {
        w.packet(B, BOB, &bob.next());
    }
    w.sent.clear();
    assert_eq!(w.packet(B, THIEF, &thief.next()), []);
    assert_eq!(w.packet(B, BOB, &bob.next()).len(), 1);
    assert_eq!(w.packet(A, ALICE, &Voice::new(1).next())[0].to.to_string(), BOB);
}

#[derive(Clone, Debug)]
enum Step {
    Packet { port: u16, from: usize, bytes: Vec<u8> },
    Voice { port: u16, from: usize, ssrc: u32, sequence: u16, number: u8 },
    Put { leg: u64, send: bool, receive: bool, remote: usize, latch: u32, sound: [u8; 4] },
    Room { room: u64, mode: u8, record: u8 },
    Written { room: u64, pieces: u32 },
    Drop { leg: u64 },
    Wait { ms: u64 },
}

const SOURCES: [&str; 4] = [ALICE, BOB, THIEF, "[2001:db8::1]:4000"];

fn step() -> impl Strategy<Value = Step> {
    let port = 9_998..10_008u16;
    let bytes = (0..4u8, prop::collection::vec(any::<u8>(), 0..100)).prop_map(|(kind, mut bytes)| {
        // Most of them look like RTP or RTCP, or little would be reached.
        if let [first, second, ..] = &mut bytes[..] {
            if kind > 0 {
                *first = 0x80 | (*first & 0x3f);
            }
            if kind == 1 {
                *second = 200 + *second % 5;
            }
            if kind == 2 {
                *second = if *second % 2 == 0 { 0 } else { 101 };
            }
        }
        bytes
    });
    prop_oneof![
        3 => (port.clone(), 0..4usize, bytes).prop_map(|(port, from, bytes)| Step::Packet { port, from, bytes }),
        4 => (port, 0..4usize, 0..3u32, any::<u16>(), prop_oneof![Just(0u8), Just(101), any::<u8>()])
            .prop_map(|(port, from, ssrc, sequence, number)| Step::Voice { port, from, ssrc, sequence, number }),
        2 => (0..4u64, any::<[bool; 2]>(), 0..4usize, 0..3u32, any::<[u8; 4]>()).prop_map(
            |(leg, [send, receive], remote, latch, sound)| {
                Step::Put { leg, send, receive, remote, latch, sound }
            }
        ),
        1 => (0..2u64, 0..3u8, 0..8u8).prop_map(|(room, mode, record)| Step::Room { room, mode, record }),
        1 => (0..2u64, 0..9u32).prop_map(|(room, pieces)| Step::Written { room, pieces }),
        1 => (0..4u64).prop_map(|leg| Step::Drop { leg }),
        2 => (0..4_000u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn put_room(room: u64, rev: u32, mode: u8, record: u8) -> MediaCommand {
    let mode = [RoomMode::Relay, RoomMode::Echo, RoomMode::Mix][usize::from(mode)];
    let (left, right) = (LegId(2 * room), LegId(2 * room + 1));
    let what = [Recorded::Leg(left), Recorded::Mixed, Recorded::Stereo { left, right }];
    let what = what.get(usize::from(record >> 1));
    let paused = record & 1 != 0;
    let recording = what.map(|&what| RecordingSpec {
        id: RecordingId(room),
        what,
        rate: 16_000,
        format: RecordingFormat::Wav,
        paused,
        quiet: 40 * u32::from(record & 1),
    });
    let spec = RoomSpec { recordings: recording.into_iter().collect(), ..RoomSpec::new(mode) };
    MediaCommand::PutRoom { room: RoomId(room), rev, spec }
}

/// Codecs, what is played, and what is done with keys, by what was drawn.
fn with_sound(mut spec: LegSpec, [codec, play, keys, ptime]: [u8; 4]) -> LegSpec {
    let codecs = [PCMU, PCMA, Payload::of(9, Encoding::G722), Payload::opaque(18, 8000)];
    spec.audio = codecs.get(usize::from(codec & 7)).copied();
    for payload in codecs {
        let forward = (codec & 8 == 0).then_some(payload.number);
        spec.accept.push(Accepted { payload, kind: Kind::Speech, forward });
    }
    spec.accept.push(Accepted { payload: Payload::opaque(13, 8000), kind: Kind::Noise, forward: None });
    if codec & 16 != 0 {
        // The events and the first codec are not forwarded either.
        spec.accept.iter_mut().for_each(|accepted| accepted.forward = None);
    }
    let sound = match play & 3 {
        0 => None,
        1 => Some(Playing::Tone { hertz: 300, level: 3000 }),
        2 => Some(Playing::Tones("!425/100,0/50".parse().unwrap())),
        _ if codec & 32 != 0 => Some(Playing::Music("default".into())),
        _ => {
            let pieces = ["there", "not there"].map(|name| Piece::Prompt(name.into()));
            let pieces = pieces.into_iter().chain([Piece::Pause(50)]).collect();
            Some(Playing::Prompts { language: "de".into(), pieces, repeat: play & 8 != 0 })
        }
    };
    spec.playing = sound.map(|sound| Play { number: u32::from(play >> 4), sound, over: play & 4 != 0 });
    spec.digits = Digits {
        keep: play & 2 != 0,
        report: keys & 1 != 0,
        tones: keys & 2 != 0,
        way: [DigitWay::Events, DigitWay::Tones, DigitWay::Nothing, DigitWay::Events]
            [usize::from(keys >> 2 & 3)],
    };
    let press = Press { digit: '5', ms: u16::from(keys) };
    spec.presses = Presses { first: u32::from(keys >> 6), keys: vec![press; usize::from(keys >> 4 & 3)] };
    spec.ptime = ptime;
    spec
}

fn perform(steps: &[Step]) -> World {
    let mut w = World::new(11);
    let sound = Clip::of(11_025, &[1000; 3000]).unwrap();
    w.library(&[("there", sound.clone()), ("music/default/1", sound)]);
    let mut rooms = Vec::new();
    for (rev, step) in (1..).zip(steps) {
        match step {
            Step::Packet { port, from, bytes } => drop(w.packet(*port, SOURCES[*from], bytes)),
            Step::Voice { port, from, ssrc, sequence, number } => {
                let voice = Voice { ssrc: *ssrc, sequence: *sequence, timestamp: u32::from(*sequence) * 160 };
                w.packet(*port, SOURCES[*from], &voice.as_payload(*number & 0x7f, &[1; 160]));
            }
            Step::Room { room, mode, record } => w.command(put_room(*room, rev, *mode, *record)),
            Step::Written { room, pieces } => {
                w.handle(MediaInput::Written { recording: RecordingId(*room), pieces: *pieces });
            }
            Step::Put { leg: n, send, receive, remote, latch, sound } => {
                let room = RoomId(n / 2);
                if !rooms.contains(&room) {
                    rooms.push(room);
                    w.command(put_room(room.0, rev, 0, 0));
                }
                let port = 10_000 + 2 * *n as u16;
                let (send, receive, latch) = (*send, *receive, *latch);
                let sounding = with_sound(leg(port, SOURCES[*remote]), *sound);
                let silence = Some(Duration::from_secs(2));
                w.put(*n, rev, LegSpec { room, send, receive, latch, silence, ..sounding });
            }
            Step::Drop { leg } => w.drop_leg(*leg),
            Step::Wait { ms } => w.run(Duration::from_millis(*ms)),
        }
    }
    w
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that arrives breaks an invariant (they are asserted after each input), two runs are alike, and at the
    /// end each leg that began has ended once and nothing is left.
    #[test]
    fn anything_is_survived_and_repeatable(steps in prop::collection::vec(step(), 1..80)) {
        let (mut w, again) = (perform(&steps), perform(&steps));
        prop_assert_eq!(&w.sent, &again.sent);
        prop_assert_eq!(&w.reports, &again.reports);
        prop_assert_eq!(&w.io, &again.io);
        let alive = w.shard.stats().legs;
        let ended = |w: &World| w.reports.iter().filter(|r| matches!(r, MediaReport::Dropped { .. })).count();
        let before = ended(&w);
        for room in 0..2 {
            w.command(MediaCommand::DropRoom { room: RoomId(room) });
        }
        prop_assert_eq!(ended(&w), before + alive);
        prop_assert_eq!(w.shard.stats().legs + w.shard.stats().rooms, 0);
        prop_assert_eq!(w.shard.deadline(), None);
    }

    /// No state crosses rooms: what happens in one leaves the packets of another as they are.
    #[test]
    fn rooms_are_independent(steps in prop::collection::vec(step(), 1..60)) {
        let of_second = |s: &Sent| s.port >= 10_004;
        let alone: Vec<Step> = steps
            .iter()
            .filter(|s| match s {
                Step::Packet { port, .. } | Step::Voice { port, .. } => *port >= 10_004,
                Step::Put { leg, .. } | Step::Drop { leg } => *leg >= 2,
                Step::Room { room, .. } | Step::Written { room, .. } => *room >= 1,
                Step::Wait { .. } => true,
            })
            .cloned()
            .collect();
        let (both, alone) = (perform(&steps), perform(&alone));
        prop_assert_eq!(
            both.sent.iter().filter(|s| of_second(s)).collect::<Vec<_>>(),
            alone.sent.iter().filter(|s| of_second(s)).collect::<Vec<_>>()
        );
    }
}
