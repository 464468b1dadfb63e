//! Parties that take descriptions of noise, while nobody speaks.

use super::transcode::{G722, Singer, speaks};
use super::*;
use telex_audio::codec::cn::NoiseGenerator;

const NOISE: Payload = Payload::opaque(13, 8000);

fn takes_noise(payload: Payload, port: u16, remote: &str) -> LegSpec {
    LegSpec { noise: Some(NOISE), ..speaks(payload, port, remote) }
}

/// Whether a packet describes noise.
fn describes(sent: &Sent) -> bool {
    sent.header().payload_type == NOISE.number
}

/// A call in which Alice speaks for a second, is silent for five, and speaks again; what Bob was sent.
fn pause(w: &mut World, frames: [usize; 3]) -> Vec<Sent> {
    let mut alice = Singer::new(1, PCMA, 440, 8000);
    for (frames, peak) in frames.into_iter().zip([8000, 0, 8000]) {
        for _ in 0..frames {
            w.packet(A, ALICE, &alice.next_at(peak));
            w.run(Duration::from_millis(20));
        }
    }
    w.media().into_iter().filter(|s| s.port == B).cloned().collect()
}

#[test]
fn a_pause_is_described_once_a_second_and_speech_begins_with_a_marker() {
    for payload in [PCMU, G722] {
        let mut w = World::new(1);
        w.room(RoomMode::Relay);
        w.put(1, 1, speaks(PCMA, A, ALICE));
        w.put(2, 1, takes_noise(payload, B, BOB));
        let sent = pause(&mut w, [50, 250, 50]);
        let noise: Vec<&Sent> = sent.iter().filter(|s| describes(s)).collect();
        assert!((4..=6).contains(&noise.len()), "{} descriptions", noise.len());
        assert!(noise.iter().all(|s| !s.header().marker && (1..=5).contains(&s.payload().len())));
        assert!(noise[1].payload()[0] >= 70, "the level of silence in A-law: {:?}", noise[1].payload());
        let said = sent.len() - noise.len();
        assert!((95..=125).contains(&said), "{said} packets of sound, hangover among them");
        // Nothing is lost to a receiver's count, and time goes on.
        for (a, b) in sent.iter().zip(&sent[1..]) {
            let (first, second) = (a.header(), b.header());
            assert_eq!(second.sequence, first.sequence.wrapping_add(1));
            let passed = (b.at.since(a.at).as_millis() * 8) as u32;
            assert_eq!(second.timestamp.wrapping_sub(first.timestamp), passed);
            assert_eq!(second.marker, describes(a) && !describes(b), "{second:?}");
        }
    }
}

#[test]
fn noise_that_changes_is_described_anew() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, speaks(PCMU, A, ALICE));
    w.put(2, 1, takes_noise(PCMA, B, BOB));
    let (mut generator, mut voice) = (NoiseGenerator::new(3), Voice::new(1));
    for frame in 0..500 {
        generator.set(&[if frame < 250 { 65 } else { 52 }]).unwrap();
        let mut pcm = [0; 160];
        generator.fill(&mut pcm);
        let payload: Vec<u8> = pcm.iter().map(|&s| telex_audio::codec::g711::mu_encode(s)).collect();
        w.packet(A, ALICE, &voice.as_payload(0, &payload));
        (voice.sequence, voice.timestamp) =
            (voice.sequence.wrapping_add(1), voice.timestamp.wrapping_add(160));
        w.run(Duration::from_millis(20));
    }
    let media = w.media();
    let noise: Vec<&&Sent> = media.iter().filter(|s| s.port == B && describes(s)).collect();
    let levels: Vec<u8> = noise.iter().map(|s| s.payload()[0]).collect();
    assert!(levels.len() < 25, "{levels:?}");
    assert!(
        levels.iter().any(|l| l.abs_diff(65) <= 2) && levels.last().unwrap().abs_diff(52) <= 2,
        "{levels:?}"
    );
}

#[test]
fn who_did_not_agree_to_noise_and_what_is_played_are_sent_as_they_are() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    w.put(1, 1, speaks(PCMA, A, ALICE));
    w.put(2, 1, speaks(PCMU, B, BOB));
    let sent = pause(&mut w, [50, 100, 0]);
    assert!(sent.len() >= 145 && !sent.iter().any(describes));
    // A tone is held as evenly as noise.
    let play = crate::mediactl::Play::tone(425, 100);
    w.put(2, 2, LegSpec { playing: Some(play), ..takes_noise(PCMU, B, BOB) });
    w.sent.clear();
    w.run(Duration::from_secs(5));
    let media = w.media();
    assert!(media.len() >= 249 && !media.iter().any(|s| describes(s)));
}

#[test]
fn listeners_of_a_conference_share_the_description() {
    let mut w = World::new(1);
    w.room(RoomMode::Mix);
    let mut singers = Vec::new();
    for n in 0..4_u16 {
        let (port, address) = (A + 2 * n, format!("192.0.2.{}:4000", 1 + n));
        w.put(n.into(), 1, takes_noise(PCMU, port, &address));
        singers.push((port, address, Singer::new(n.into(), PCMU, 400, 8000)));
    }
    for peak in [8000, 0, 8000] {
        for _ in 0..200 {
            for (n, (port, address, singer)) in singers.iter_mut().enumerate() {
                w.packet(*port, address, &singer.next_at(if n == 0 { peak } else { 0 }));
            }
            w.run(Duration::from_millis(20));
        }
    }
    let media = w.media();
    for (port, _, _) in &singers {
        let all: Vec<&&Sent> = media.iter().filter(|s| s.port == *port).collect();
        let noise = all.iter().filter(|s| describes(s)).count();
        // The one who sings hears nobody at all.
        let (least, most) = if *port == A { (9, 14) } else { (3, 7) };
        assert!((least..=most).contains(&noise), "{port}: {noise} of {}", all.len());
        let spurts = all.windows(2).filter(|two| describes(two[0]) && !describes(two[1]));
        assert!(spurts.clone().all(|two| two[1].header().marker));
        // Before the first word that arrives, and in the pause.
        assert_eq!(spurts.count(), if *port == A { 0 } else { 2 });
    }
}
