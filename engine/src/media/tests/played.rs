//! Clips and tones in a leg's ear, and the report when they have ended.

use super::transcode::{Singer, amplitude, assert_steady, heard, speaks};
use super::*;
use crate::mediactl::{Clip, Play, Playing};

fn sine(hertz: u32, ms: u32) -> Clip {
    let samples = (0..8 * ms).map(|n| {
        let angle = std::f64::consts::TAU * f64::from(hertz) * f64::from(n) / 8000.0;
        (angle.sin() * 4000.0) as i16
    });
    Clip { rate: 8000, samples: samples.collect() }
}

fn clips(number: u32, over: bool, clips: &[Clip]) -> Option<Play> {
    Some(Play { number, sound: Playing::Clips { clips: clips.to_vec(), repeat: false }, over })
}

fn ends(w: &World) -> Vec<u32> {
    let ends = w.reports.iter().filter_map(|r| match *r {
        MediaReport::Played { number, .. } => Some(number),
        _ => None,
    });
    ends.collect()
}

#[test]
fn clips_are_played_to_their_end_and_told_once() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let spec = LegSpec { playing: clips(3, false, &[sine(440, 500), sine(700, 490)]), ..leg(A, ALICE) };
    w.put(1, 1, spec.clone());
    w.run(Duration::from_millis(600));
    assert_eq!(ends(&w), []);
    w.put(1, 2, spec.clone());
    w.run(Duration::from_millis(600));
    assert_eq!(ends(&w), [3]);
    assert_eq!(w.media().len(), 50, "then there is nothing to say");
    // Neither the same again nor hold and resume begin it anew.
    w.put(1, 3, LegSpec { send: false, ..spec.clone() });
    w.put(1, 4, spec.clone());
    w.run(Duration::from_secs(1));
    assert_eq!((ends(&w).len(), w.media().len()), (1, 50));
    let pcm = heard(&w.media(), A, Encoding::Pcmu);
    assert!(amplitude(&pcm[..4000], 8000, 440) > 3900.0);
    assert!(amplitude(&pcm[4000..7900], 8000, 700) > 3900.0);
    assert_steady(&w.media(), 160);
    // Under another number it is.
    w.put(1, 5, LegSpec { playing: spec.playing.map(|play| Play { number: 4, ..play }), ..leg(A, ALICE) });
    w.run(Duration::from_secs(2));
    assert_eq!(ends(&w), [3, 4]);
    assert!(w.shard.deadline().unwrap() > w.now, "nothing more is served");
}

#[test]
fn the_other_party_is_heard_below_what_is_played_over_it() {
    let mut w = World::new(1);
    w.room(RoomMode::Relay);
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { accept: vec![forwarded], ..leg(A, ALICE) });
    w.put(2, 1, leg(B, BOB));
    let mut alice = Singer::new(1, PCMU, 600, 5000);
    for n in 0..150 {
        if n == 50 {
            w.put(2, 2, LegSpec { playing: clips(1, true, &[sine(440, 1000)]), ..leg(B, BOB) });
        }
        w.packet(A, ALICE, &alice.next());
        w.run(Duration::from_millis(20));
    }
    let pcm = heard(&w.media(), B, Encoding::Pcmu);
    let part = |from: usize, hertz| amplitude(&pcm[160 * from..160 * (from + 35)], 8000, hertz);
    for (from, below, played) in [(5, 5000.0, 0.0), (60, 5000.0, 4000.0), (110, 5000.0, 0.0)] {
        let (a, b) = (part(from, 600), part(from, 440));
        assert!((a - below).abs() < 300.0 && (b - played).abs() < 300.0, "at {from}: {a} {b}");
    }
    assert_eq!(ends(&w), [1]);
    let media: Vec<Header> = w.media().iter().filter(|s| s.port == B).map(|s| s.header()).collect();
    for pair in media.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((160..=320).contains(&step), "{step}");
    }
    // The ways change twice, and each change is marked.
    assert_eq!(media.iter().filter(|h| h.marker).count(), 3);
}

#[test]
fn a_cadence_sounds_as_its_country_has_it() {
    let mut w = World::new(1);
    w.room(RoomMode::Mix);
    let cadence = Playing::Tones("425/480,0/480".parse().unwrap());
    let play = Play { number: 1, sound: cadence, over: false };
    w.put(1, 1, LegSpec { playing: Some(play), ..speaks(PCMA, A, ALICE) });
    w.run(Duration::from_millis(960 * 3));
    let pcm = heard(&w.media(), A, Encoding::Pcma);
    for n in 0..3 {
        let at = 7680 * n;
        assert!(amplitude(&pcm[at + 40..at + 3800], 8000, 425) > 5000.0);
        assert!(amplitude(&pcm[at + 3840..at + 7680], 8000, 425) < 20.0);
    }
    let once = Playing::Tones("!1000/500".parse().unwrap());
    let play = Play { number: 2, sound: once, over: false };
    w.put(1, 2, LegSpec { playing: Some(play), ..speaks(PCMA, A, ALICE) });
    w.run(Duration::from_secs(1));
    assert_eq!(ends(&w), [2]);
}
