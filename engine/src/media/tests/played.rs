//! Clips and tones in a leg's ear, and the report when they have ended.

use super::transcode::{Singer, amplitude, assert_steady, heard, speaks};
use super::*;
use crate::mediactl::{Clip, Piece, Play, Playing};

fn sine(hertz: u32, ms: u32) -> Clip {
    let samples = (0..8 * ms).map(|n| {
        let angle = std::f64::consts::TAU * f64::from(hertz) * f64::from(n) / 8000.0;
        (angle.sin() * 4000.0) as i16
    });
    Clip::of(8000, &samples.collect::<Vec<_>>()).unwrap()
}

fn clips(number: u32, over: bool, names: &[&str]) -> Option<Play> {
    let pieces = names.iter().map(|name| Piece::Prompt((*name).into())).collect();
    Some(Play { number, sound: Playing::Prompts { language: "".into(), pieces, repeat: false }, over })
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
    w.library(&[("a", sine(440, 500)), ("b", sine(700, 490))]);
    w.room(RoomMode::Relay);
    let spec = LegSpec { playing: clips(3, false, &["a", "b"]), ..leg(A, ALICE) };
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
fn the_other_party_is_heard_below_what_is_played_over_it_and_not_beside_what_takes_its_place() {
    for (over, meanwhile) in [(true, 5000.0), (false, 0.0)] {
        interrupted(over, meanwhile);
    }
}

/// Alice sings for bob, who is told something after a second: how loud she is meanwhile.
fn interrupted(over: bool, meanwhile: f64) {
    let mut w = World::new(1);
    w.library(&[("a", sine(440, 1000))]);
    w.room(RoomMode::Relay);
    let forwarded = Accepted { payload: PCMU, kind: Kind::Speech, forward: Some(0) };
    w.put(1, 1, LegSpec { accept: vec![forwarded], ..leg(A, ALICE) });
    w.put(2, 1, leg(B, BOB));
    let mut alice = Singer::new(1, PCMU, 600, 5000);
    for n in 0..150 {
        if n == 50 {
            w.put(2, 2, LegSpec { playing: clips(1, over, &["a"]), ..leg(B, BOB) });
        }
        w.packet(A, ALICE, &alice.next());
        w.run(Duration::from_millis(20));
    }
    let pcm = heard(&w.media(), B, Encoding::Pcmu);
    let part = |from: usize, hertz| amplitude(&pcm[160 * from..160 * (from + 35)], 8000, hertz);
    for (from, below, played) in [(5, 5000.0, 0.0), (60, meanwhile, 4000.0), (110, 5000.0, 0.0)] {
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

/// A party alone, with any codec, before or after its answer: it hears the prompts and nothing else is sent.
#[test]
fn a_party_alone_hears_prompts_in_every_codec() {
    let codecs = [
        PCMU,
        PCMA,
        Payload::of(9, Encoding::G722),
        Payload::of(3, Encoding::Gsm),
        Payload::of(18, Encoding::G729),
        Payload::of(96, Encoding::Opus),
        Payload::of(97, Encoding::L16 { rate: 16_000 }),
        Payload::of(98, Encoding::Speex { clock: 8000 }),
        Payload::of(99, Encoding::Speex { clock: 32_000 }),
    ];
    for (payload, receive) in codecs.into_iter().flat_map(|codec| [(codec, true), (codec, false)]) {
        let mut w = World::new(1);
        w.library(&[("a", sine(440, 400)), ("b", sine(700, 400))]);
        w.room(RoomMode::Relay);
        let playing = clips(1, false, &["a", "nowhere", "b"]);
        w.put(1, 1, LegSpec { playing, receive, ..speaks(payload, A, ALICE) });
        w.run(Duration::from_secs(1));
        let missing = |r: &&MediaReport| matches!(r, MediaReport::NoSound { name, .. } if name == "nowhere");
        assert_eq!((ends(&w), w.reports.iter().filter(missing).count()), (vec![1], 1));
        assert!((40..=41).contains(&w.media().len()), "{payload:?}: {}", w.media().len());
        let encoding = payload.encoding.unwrap();
        let pcm = heard(&w.media(), A, encoding);
        let rate = encoding.properties().rate;
        let part = |from: u32, to: u32| &pcm[(rate / 1000 * from) as usize..(rate / 1000 * to) as usize];
        // GSM, G.729 and Speex are made for speech.
        assert!(amplitude(part(60, 380), rate, 440) > 2500.0, "{payload:?}");
        assert!(amplitude(part(460, 780), rate, 700) > 2000.0, "{payload:?}");
        assert!(amplitude(part(460, 780), rate, 440) < 400.0, "{payload:?}");
    }
}
