//! Tones: right frequency, level and pace.

use super::*;
use crate::mediactl::Play;
use telex_audio::codec::g711;

const TONE: Option<Play> = Some(Play::tone(440, 8000));

/// Squared amplitude of one frequency (Goertzel), with 14 fractional bits: a quarter of the square of a sine's peak.
fn power(samples: &[i16], hertz: u32) -> u64 {
    let turn = f64::from(hertz) * std::f64::consts::TAU / 8000.0;
    let c = (2.0 * turn.cos() * 16_384.0).round() as i64;
    let (mut s1, mut s2) = (0i64, 0i64);
    for &sample in samples {
        let s0 = i64::from(sample) + ((c * s1) >> 14) - s2;
        (s2, s1) = (s1, s0);
    }
    let whole = s1 * s1 + s2 * s2 - ((c * s1) >> 14) * s2;
    u64::try_from(whole).unwrap_or(0) / (samples.len() as u64 * samples.len() as u64)
}

fn tone_world(spec: LegSpec) -> World {
    let mut w = World::new(5);
    w.room(RoomMode::Relay);
    w.put(1, 1, spec);
    w
}

#[test]
fn a_tone_has_its_frequency_and_level_in_both_laws() {
    for (audio, decode) in [(PCMU, g711::mu_decode as fn(u8) -> i16), (PCMA, g711::a_decode)] {
        let mut w = tone_world(LegSpec { audio: Some(audio), playing: TONE, ..leg(A, ALICE) });
        w.run(Duration::from_secs(1));
        let samples: Vec<i16> = w.media().iter().flat_map(|s| s.payload().to_vec()).map(decode).collect();
        assert_eq!(samples.len(), 8000);
        // A sine of amplitude a has power a²/4 in its bin.
        let at = power(&samples, 440);
        let level = (at as f64 * 4.0).sqrt();
        assert!((7900.0..8100.0).contains(&level), "{level}");
        for other in [100, 220, 400, 480, 880, 1320, 3000] {
            assert!(power(&samples, other) * 10_000 < at, "{other} Hz");
        }
        assert_eq!(w.media()[0].header().payload_type, audio.number);
    }
}

#[test]
fn a_tone_is_paced_and_numbered_without_a_step() {
    let mut w = tone_world(LegSpec { playing: TONE, ..leg(A, ALICE) });
    w.run(Duration::from_secs(2));
    let sent = w.media();
    assert_eq!(sent.len(), 100);
    assert!(sent[0].header().marker);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].at.since(pair[0].at), Duration::from_millis(20));
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(b.sequence, a.sequence.wrapping_add(1));
        assert_eq!(b.timestamp, a.timestamp.wrapping_add(160));
        assert!(!b.marker);
    }
}

#[test]
fn packets_have_the_length_asked_for() {
    for (ptime, octets, count) in
        [(0, 160, 50), (10, 80, 100), (20, 160, 50), (30, 240, 33), (60, 480, 16), (255, 960, 8)]
    {
        let mut w = tone_world(LegSpec { playing: TONE, ptime, ..leg(A, ALICE) });
        w.run(Duration::from_secs(1));
        let sent = w.media();
        assert_eq!((sent.len(), sent[0].payload().len()), (count, octets), "ptime {ptime}");
    }
}

#[test]
fn a_late_tick_makes_up_for_three_frames_and_marks_the_gap() {
    let mut w = tone_world(LegSpec { playing: TONE, ..leg(A, ALICE) });
    w.run(Duration::from_millis(200));
    let before = w.media().last().unwrap().header();
    w.sent.clear();
    // Exactly three frames late: all three come, and nobody can tell from the numbers.
    w.now += Duration::from_millis(60);
    w.handle(MediaInput::Tick);
    let late: Vec<Header> = w.media().iter().map(|s| s.header()).collect();
    assert_eq!(late.len(), 3);
    assert_eq!(late[2].timestamp, before.timestamp.wrapping_add(3 * 160));
    assert!(late.iter().all(|h| !h.marker));
    w.sent.clear();
    w.now += Duration::from_millis(1000);
    w.handle(MediaInput::Tick);
    let later: Vec<Header> = w.media().iter().map(|s| s.header()).collect();
    assert_eq!(later.len(), 3);
    assert_eq!(later[0].sequence, late[2].sequence.wrapping_add(1));
    assert_eq!(later[0].timestamp, late[2].timestamp.wrapping_add(48 * 160));
    assert_eq!(later.iter().map(|h| h.marker).collect::<Vec<_>>(), [true, false, false]);
    w.sent.clear();
    w.run(Duration::from_millis(1000));
    assert_eq!(w.media().len(), 50);
    assert_eq!(w.media()[49].header().timestamp, later[2].timestamp.wrapping_add(50 * 160));
}

#[test]
fn a_tone_takes_the_place_of_the_other_party_and_gives_it_back() {
    let mut w = call(1);
    let mut alice = Voice::new(1);
    let first = w.packet(A, ALICE, &alice.next())[0].header();
    w.put(2, 2, LegSpec { playing: TONE, ..leg(B, BOB) });
    w.run(Duration::from_millis(100));
    assert_eq!(w.packet(A, ALICE, &alice.next()), [], "Bob hears the tone");
    w.put(2, 3, leg(B, BOB));
    w.run(Duration::from_millis(20));
    w.packet(A, ALICE, &alice.next());
    let heard: Vec<Header> = w.media().iter().map(|s| s.header()).collect();
    assert_eq!(heard.len(), 7);
    for (n, header) in (0u16..).zip(&heard) {
        assert_eq!((header.ssrc, header.sequence), (first.ssrc, first.sequence.wrapping_add(n)));
    }
    assert_eq!(heard[6].timestamp.wrapping_sub(first.timestamp), 120 * 8);
    assert!(heard[6].marker);
}

#[test]
fn what_cannot_be_produced_or_sent_keeps_nobody_awake() {
    let opaque = Payload::opaque(9, 8000);
    for spec in [
        LegSpec { audio: None, ..leg(A, ALICE) },
        LegSpec { audio: Some(opaque), ..leg(A, ALICE) },
        LegSpec { send: false, ..leg(A, ALICE) },
        LegSpec { remote: None, ..leg(A, ALICE) },
    ] {
        let mut w = tone_world(LegSpec { playing: TONE, ..spec });
        w.run(Duration::from_secs(1));
        assert_eq!(w.media().len(), 0);
        assert!(w.shard.deadline().unwrap() > Instant::from_millis(1000));
    }
}

#[test]
fn many_tones_spread_over_the_frame() {
    let mut w = World::new(9);
    for n in 0..200u64 {
        let room = RoomId(n);
        w.command(MediaCommand::PutRoom { room, rev: 1, spec: RoomSpec::new(RoomMode::Echo) });
        let port = A + 2 * n as u16;
        w.put(n, 1, LegSpec { room, playing: TONE, ..leg(port, ALICE) });
    }
    w.run(Duration::from_millis(40));
    w.sent.clear();
    w.run(Duration::from_millis(20));
    let mut per_ms = [0; 20];
    for s in w.media() {
        per_ms[(s.at.as_nanos() / 1_000_000 % 20) as usize] += 1;
    }
    assert_eq!(per_ms.iter().sum::<i32>(), 200);
    assert!(per_ms.iter().all(|&n| n < 25), "{per_ms:?}");
}
