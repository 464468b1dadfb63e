//! Music that comes from outside, in the ears of those who hear it.

use super::transcode::{G722, amplitude, assert_steady, heard, speaks};
use super::*;
use crate::mediactl::Play;
use telex_audio::codec::g722;

/// The pieces of a sound of two tones that wander, 50 ms each.
struct Station(u32, g722::Encoder);

impl Station {
    fn new() -> Self {
        Self(0, g722::Encoder::default())
    }

    fn next(&mut self) -> Vec<u8> {
        let wave = |n: u32| {
            let t = f64::from(n) / 16_000.0;
            ((t * 2500.0 + (t * 9.0).sin() * 90.0).sin() * 6000.0 + (t * 3300.0).cos() * 2000.0) as i16
        };
        let pcm: Vec<i16> = (self.0..self.0 + 800).map(wave).collect();
        self.0 += 800;
        let mut coded = Vec::new();
        self.1.encode(&pcm, &mut coded);
        coded
    }
}

fn on_air(w: &mut World, octets: &[u8]) {
    w.handle(MediaInput::Music { class: "radio".into(), octets });
}

/// A room of its own, and a leg in it that hears the radio.
fn listener(w: &mut World, n: u64, spec: LegSpec) {
    let room = RoomId(n);
    w.command(MediaCommand::PutRoom { room, rev: 1, spec: RoomSpec::new(RoomMode::Relay) });
    w.put(n, 1, LegSpec { room, playing: Some(Play::music("radio".into())), ..spec });
}

/// What a port sent, each sample at its time: 8 to a millisecond.
fn when(w: &World, port: u16) -> Vec<i16> {
    let mut line = Vec::new();
    for sent in w.media().into_iter().filter(|s| s.port == port) {
        line.resize(sent.at.since(Instant::ZERO).as_millis() as usize * 8, 0);
        line.extend(heard(&[sent], port, Encoding::Pcmu));
    }
    line
}

/// Three listeners, of whom one comes late; `copied` writes the machine down and reads it back at every step.
fn broadcast(copied: bool) -> World {
    let (mut w, mut station) = (World::new(1), Station::new());
    listener(&mut w, 1, leg(A, ALICE));
    for n in 0..60 {
        on_air(&mut w, &station.next());
        if n == 20 {
            listener(&mut w, 2, leg(B, BOB));
            listener(&mut w, 3, speaks(G722, B + 2, BOB));
        }
        w.run(Duration::from_millis(50));
        #[cfg(feature = "serde")]
        if copied {
            w.shard = postcard::from_bytes(&postcard::to_stdvec(&w.shard).unwrap()).unwrap();
        }
    }
    assert!(!copied || cfg!(feature = "serde"));
    w
}

#[test]
fn all_listeners_hear_the_same_moment() {
    let w = broadcast(false);
    let [alice, bob] = [A, B].map(|port| when(&w, port));
    let phase = |port| w.media().iter().find(|s| s.port == port).unwrap().at.as_nanos() % 20_000_000;
    assert_ne!(phase(A), phase(B), "their frames are not those of each other");
    // 300 ms of silence, and 1050 until the second is there, and then its filter has to fill.
    assert!(alice[..299 * 8].iter().all(|&sample| sample.abs() < 9));
    assert_eq!(alice[1100 * 8..2900 * 8], bob[1100 * 8..2900 * 8]);
    assert!(alice[1100 * 8..2900 * 8].chunks(800).all(|part| part.iter().any(|sample| sample.abs() > 4000)));
    let wide: Vec<&Sent> = w.media().into_iter().filter(|s| s.port == B + 2).collect();
    assert!(amplitude(&heard(&wide, B + 2, Encoding::G722)[3200..], 16_000, 525) > 1800.0);
    for port in [A, B] {
        let media: Vec<&Sent> = w.media().into_iter().filter(|s| s.port == port).collect();
        assert_steady(&media, 160);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_machine_that_is_written_down_goes_on_with_the_broadcast() {
    assert_eq!(broadcast(true).sent, broadcast(false).sent);
}

#[test]
fn without_the_broadcast_its_class_is_its_sounds_and_what_is_missing_meanwhile_is_silence() {
    let (mut w, mut station) = (World::new(1), Station::new());
    let sine =
        (0..16_000).map(|n| ((f64::from(n) * 1000.0 / 16e3 * std::f64::consts::TAU).sin() * 5000.0) as i16);
    w.library(&[("music/radio/1", Clip::of(16_000, &sine.collect::<Vec<_>>()).unwrap())]);
    listener(&mut w, 1, leg(A, ALICE));
    w.run(Duration::from_millis(500));
    for _ in 0..20 {
        on_air(&mut w, &station.next());
        w.run(Duration::from_millis(50));
    }
    w.run(Duration::from_millis(1000));
    on_air(&mut w, &[]);
    w.run(Duration::from_millis(500));
    let mut station = Station::new();
    on_air(&mut w, &station.next());
    w.run(Duration::from_millis(500));
    let line = when(&w, A);
    let tone = |from: usize, to: usize| amplitude(&line[from * 8..to * 8], 8000, 1000);
    let loud = |from: usize, to: usize| line[from * 8..to * 8].iter().any(|sample| sample.abs() > 4000);
    // The file, then the lead, the radio, nothing; the file where it was; and the lead of the radio again.
    assert!(tone(60, 480) > 4900.0);
    assert!(!loud(530, 790) && loud(800, 1800) && tone(800, 1800) < 500.0 && !loud(1830, 2500));
    assert!(tone(2530, 2980) > 4900.0 && !loud(3030, 3290) && loud(3300, 3340));
    assert!(w.reports.iter().all(|report| !matches!(report, MediaReport::NoSound { .. })));
}
