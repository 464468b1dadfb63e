//! What changes while people talk, and what is wrong with what they send: neither may be heard as more than it is.

use super::transcode::{G722, Singer, amplitude, assert_steady, heard, speaks};
use super::*;
use crate::mediactl::Digits;

/// Steps of a sine this loud from sample to sample, twice over: more is a click.
fn loudest_step(hertz: f64, peak: f64) -> i32 {
    (2.0 * peak * std::f64::consts::TAU * hertz / 8000.0) as i32
}

fn assert_no_click(pcm: &[i16], most: i32) {
    for (n, pair) in pcm.windows(2).enumerate() {
        let step = (i32::from(pair[1]) - i32::from(pair[0])).abs();
        assert!(step <= most, "a step of {step} at sample {n}");
    }
}

fn from_b(w: &World) -> Vec<&Sent> {
    w.media().into_iter().filter(|s| s.port == B).collect()
}

/// Alice's way to Bob can be forwarded when both speak the same.
fn relayed(payload: Payload, port: u16, remote: &str) -> LegSpec {
    let accept = vec![Accepted { payload, kind: Kind::Speech, forward: Some(payload.number) }];
    LegSpec { audio: Some(payload), accept, ..leg(port, remote) }
}

#[test]
fn a_call_becomes_a_conference_and_a_call_again() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, relayed(PCMU, A, ALICE));
    w.put(2, 1, relayed(PCMU, B, BOB));
    let mut alice = Singer::new(1, PCMU, 440, 6000);
    let modes = [RoomMode::Relay, RoomMode::Mix, RoomMode::Relay, RoomMode::Mix];
    for (rev, mode) in (2..).zip(modes) {
        w.command(MediaCommand::PutRoom { room: RoomId(1), rev, spec: RoomSpec::new(mode) });
        for _ in 0..50 {
            w.packet(A, ALICE, &alice.next());
            w.run(Duration::from_millis(20));
        }
    }
    let sent = from_b(&w);
    assert!(sent.len() >= 190, "{}", sent.len());
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!((b.ssrc, b.sequence), (a.ssrc, a.sequence.wrapping_add(1)));
        // Time goes on as it passes, to the frame.
        let (units, ms) =
            (b.timestamp.wrapping_sub(a.timestamp), pair[1].at.since(pair[0].at).as_millis() as u32);
        assert!((160..=320).contains(&units) && units.abs_diff(8 * ms) <= 160, "{units} {ms}");
    }
    for part in 0..4 {
        let pcm = heard(&sent[sent.len() * part / 4 + 12..sent.len() * (part + 1) / 4], B, Encoding::Pcmu);
        assert!((amplitude(&pcm, 8000, 440) - 6000.0).abs() < 300.0, "part {part}");
    }
}

#[test]
fn a_party_that_changes_its_codec_is_understood_all_the_while() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let decoded = |payload| Accepted { payload, kind: Kind::Speech, forward: None };
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { accept: vec![forwarded, decoded(PCMA), decoded(G722)], ..leg(A, ALICE) });
    w.put(2, 1, relayed(PCMU, B, BOB));
    let mut alice = Singer::new(1, PCMU, 440, 6000);
    for payload in [PCMU, PCMA, PCMU, G722, PCMU] {
        alice.change(payload);
        for _ in 0..50 {
            w.packet(A, ALICE, &alice.next());
            w.run(Duration::from_millis(20));
        }
        let sent = from_b(&w);
        let pcm = heard(&sent[sent.len() - 30..], B, Encoding::Pcmu);
        assert!((amplitude(&pcm, 8000, 440) - 6000.0).abs() < 300.0, "{payload:?}");
    }
    let sent = from_b(&w);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].header().sequence, pair[0].header().sequence.wrapping_add(1));
    }
    // Once everything has been forwarded again for some time, nothing is done in frames.
    for _ in 0..60 {
        w.packet(A, ALICE, &alice.next());
        w.run(Duration::from_millis(20));
    }
    let report = w.shard.deadline().unwrap();
    assert!(report > w.now + Duration::from_millis(20));
}

#[test]
fn a_party_that_mixes_its_payload_types_is_decoded_all_the_while() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let decoded = Accepted { payload: PCMA, kind: Kind::Speech, forward: None };
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { accept: vec![forwarded, decoded], ..leg(A, ALICE) });
    w.put(2, 1, relayed(PCMU, B, BOB));
    let mut alice = Singer::new(1, PCMU, 440, 6000);
    for n in 0..200 {
        alice.change(if n % 2 == 0 { PCMU } else { PCMA });
        w.packet(A, ALICE, &alice.next());
        w.run(Duration::from_millis(20));
    }
    // Each time that something else feeds the listener a marker says so.
    let sent = from_b(&w);
    let feeds = sent.iter().filter(|s| s.header().marker).count();
    assert_eq!(feeds, 2, "the first packet was forwarded, all others are coded anew");
    let pcm = heard(&sent[100..], B, Encoding::Pcmu);
    assert!(amplitude(&pcm, 8000, 440) > 2000.0, "heard, though each decoder misses what the other had");
    // What was agreed anew is done at once.
    w.put(1, 2, relayed(PCMU, A, ALICE));
    alice.change(PCMU);
    let packet = alice.next();
    assert_eq!(w.packet(A, ALICE, &packet).len(), 1, "forwarded");
}

#[test]
fn what_cannot_be_decoded_is_forwarded_whatever_else_is_wanted() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let opaque = Payload::opaque(18, 8000);
    let digits = Digits { tones: true, ..Digits::default() };
    w.put(1, 1, LegSpec { digits, ..relayed(opaque, A, ALICE) });
    w.put(2, 1, LegSpec { audio: Some(PCMU), ..relayed(opaque, B, BOB) });
    let mut alice = Voice::new(1);
    for _ in 0..50 {
        alice.next();
        w.run(Duration::from_millis(20));
        assert_eq!(w.packet(A, ALICE, &alice.as_payload(18, &[7; 20]))[0].payload(), [7; 20]);
    }
}

#[test]
fn late_ticks_are_made_up_for() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, speaks(PCMU, A, ALICE));
    w.put(2, 1, speaks(PCMA, B, BOB));
    let mut alice = Singer::new(1, PCMU, 440, 6000);
    let mut owed = 0;
    for n in 0..300u64 {
        w.packet(A, ALICE, &alice.next());
        // The host is away for up to 45 ms, again and again.
        owed += 20;
        if n % 2 == 1 {
            w.now += Duration::from_millis(owed - n % 5);
            owed = n % 5;
            w.handle(MediaInput::Tick);
        }
    }
    let sent = from_b(&w);
    assert_steady(&sent, 160);
    assert!(sent.len() > 290, "{}", sent.len());
    let pcm = heard(&sent[50..], B, Encoding::Pcma);
    assert!(amplitude(&pcm, 8000, 440) > 5000.0);
}

#[test]
fn what_is_wrong_is_counted_by_reason_and_not_heard() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, speaks(PCMU, A, ALICE));
    w.put(2, 1, speaks(PCMA, B, BOB));
    let mut alice = Singer::new(1, PCMU, 440, 6000);
    let noise: Vec<u8> = (0..160u32).map(|n| (n * 7919 % 256) as u8).collect();
    for n in 0..200 {
        let good = alice.next();
        w.packet(A, ALICE, &good);
        let sequence = u16::from_be_bytes([good[2], good[3]]);
        let mut stray = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good[..12].to_vec();
            bytes[2..4].copy_from_slice(&sequence.wrapping_add(1).to_be_bytes());
            bytes.extend(&noise);
            change(&mut bytes);
            w.packet(A, ALICE, &bytes);
        };
        match n {
            50 => stray(&|b| b[0] = 0x40),
            60 => stray(&|b| b[1] = 55),
            70 => stray(&|b| b.truncate(11)),
            80 => stray(&|b| b[0] |= 0x1f),
            90 => stray(&|b| b[2] ^= 0x60),
            100 => stray(&|b| b[2..4].copy_from_slice(&sequence.to_be_bytes())),
            _ => {}
        }
        w.packet(A, THIEF, &good);
        w.run(Duration::from_millis(20));
    }
    let stats = w.stats(1);
    let faults = stats.faults;
    assert_eq!((faults.protocol, faults.payload_type, faults.header, faults.sequence), (1, 1, 2, 2));
    assert_eq!((stats.refused, stats.received, stats.lost), (200, 200, 0));
    let pcm = heard(&from_b(&w), B, Encoding::Pcma);
    assert_no_click(&pcm[800..], loudest_step(440.0, 6000.0));
}

/// A machine that is written down and read back at any moment goes on as the one that was not.
#[cfg(feature = "serde")]
#[test]
fn decoded_sound_survives_being_written_down() {
    use crate::mediactl::{
        Clip, Piece, Play, Playing, Recorded, RecordingFormat, RecordingId, RecordingSpec,
    };

    let run = |copied: bool| {
        let mut w = World::new(1);
        let library = w.library(&[("there", Clip::of(11_025, &[500; 5000]).unwrap())]);
        let recordings = vec![RecordingSpec {
            id: RecordingId(1),
            what: Recorded::Mixed,
            rate: 16_000,
            format: RecordingFormat::Wav,
            paused: false,
            quiet: 0,
        }];
        let mut singers = Vec::new();
        for (n, payload) in [(0, PCMU), (1, G722), (2, PCMA), (3, PCMU), (4, PCMA)] {
            let mode = if n < 3 { RoomMode::Mix } else { RoomMode::Relay };
            let room = RoomId(1 + n / 3);
            let spec = RoomSpec { recordings: if n == 0 { recordings.clone() } else { Vec::new() }, mode };
            if n == 0 || n == 3 {
                w.command(MediaCommand::PutRoom { room, rev: 1, spec });
            }
            let pieces = vec![Piece::Prompt("there".into()), Piece::Pause(30), Piece::Prompt("gone".into())];
            let sound = Playing::Prompts { language: "".into(), pieces, repeat: true };
            let playing = (n == 4).then_some(Play { number: 1, sound, over: true });
            let port = A + 2 * n as u16;
            w.put(n, 1, LegSpec { room, playing, ..speaks(payload, port, ALICE) });
            singers.push((port, Singer::new(n as u32, payload, 400 + 70 * n as u32, 4000)));
        }
        for frame in 0..100 {
            for (port, singer) in &mut singers {
                let peak = if frame < 40 || *port == A { 4000 } else { 0 };
                w.packet(*port, ALICE, &singer.next_at(peak));
            }
            w.run(Duration::from_millis(20));
            if copied {
                let bytes = postcard::to_stdvec(&w.shard).unwrap();
                w.shard = postcard::from_bytes(&bytes).unwrap();
                w.shard.fill(&library);
            }
        }
        (w.sent, w.reports, w.io)
    };
    assert_eq!(run(true), run(false));
}
