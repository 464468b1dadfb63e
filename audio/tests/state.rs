//! States of digits, tones, voices and mixes, written down in the middle and read back, go on as if nothing had been.
#![cfg(feature = "serde")]

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use telex_audio::dtmf::events::{EventReceiver, EventSender};
use telex_audio::dtmf::{Convention, Detector, Digit, Generator};
use telex_audio::mix::{Limiter, Mix, Speakers};
use telex_audio::tone::{Plan, Player, Signal};
use telex_audio::voice::Voice;

fn copied<T: Serialize + DeserializeOwned>(state: &T) -> T {
    let octets = postcard::to_stdvec(state).expect("a state can be written down");
    postcard::from_bytes(&octets).expect("what was written can be read")
}

/// Runs 200 frames of 20 ms with a state, and again with its copy in place of it before each; both must say the same.
fn same<T, O>(mut state: T, mut step: impl FnMut(&mut T, u32) -> O)
where
    T: Serialize + DeserializeOwned + Clone,
    O: PartialEq + std::fmt::Debug,
{
    let mut copy = state.clone();
    for frame in 0..200 {
        copy = copied(&copy);
        assert_eq!(step(&mut state, frame), step(&mut copy, frame), "frame {frame}");
    }
}

/// Digits with pauses.
fn sound() -> Vec<i16> {
    let mut generator = Generator::new(8000, Convention::COMMON);
    Digit::all().for_each(|digit| generator.dial(digit, 100).expect("sixteen fit"));
    let mut pcm = vec![0; 200 * 160];
    generator.fill(&mut pcm);
    pcm
}

fn frame(pcm: &[i16], number: u32) -> &[i16] {
    &pcm[number as usize * 160..][..160]
}

#[test]
fn every_state_goes_on() {
    let pcm = sound();
    let mut generator = Generator::new(8000, Convention::COMMON);
    Digit::all().for_each(|digit| generator.dial(digit, 100).expect("sixteen fit"));
    same(generator, |generator, _| {
        let mut out = [0; 160];
        generator.fill(&mut out);
        out
    });
    same(Detector::new(8000).expect("one of its rates"), |detector, number| {
        let mut events = Vec::new();
        detector.feed(frame(&pcm, number), &mut events);
        events
    });
    let plan = Plan::of("in").expect("a known country");
    same(Player::new(plan.cadence(Signal::Ringback), 8000), |player, _| {
        let mut out = [0; 160];
        player.fill(&mut out);
        out
    });
    same(Voice::new(8000), |voice, number| (voice.feed(frame(&pcm, number)), voice.level_dbov()));
    same((Mix::default(), Limiter::new(8000)), |(mix, limiter), number| {
        let mut out = Vec::new();
        mix.start(160);
        (0..4).for_each(|_| mix.add(frame(&pcm, number)));
        mix.all(limiter, &mut out);
        out
    });
    same(Speakers::new(2), |speakers, n| {
        let level = |m: u32| (!(n / 7 + m).is_multiple_of(3)).then(|| ((n * 7 + m * 40) % 128) as u8);
        (speakers.choose(&[level(0), level(1), level(2)]).to_vec(), speakers.loudest())
    });
}

#[test]
fn events_go_on() {
    let mut sender = EventSender::new(8000, Convention::COMMON);
    Digit::all().for_each(|digit| sender.dial(digit, 10, 100).expect("sixteen fit"));
    let sent = std::cell::RefCell::new(Vec::new());
    same(sender, |sender, number| {
        let mut out = Vec::new();
        sender.tick(number * 160, 160, &mut out);
        sent.borrow_mut().push(out.clone());
        out
    });
    let sent = sent.into_inner();
    same(EventReceiver::new(8000), |receiver, number| {
        let mut out = Vec::new();
        let now = Duration::from_millis(20 * u64::from(number));
        // Each frame was recorded twice, once per run.
        for packet in &sent[2 * number as usize] {
            let header = (number as u16, packet.timestamp, packet.marker);
            receiver.feed(now, header, packet.payload, &mut out);
        }
        receiver.tick(now, &mut out);
        out
    });
}
