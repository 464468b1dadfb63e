//! Phones that share no codec, and digits, with real clients: what is heard on the far side, and how often.

use std::path::Path;
use std::thread;
use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{Exchange, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::program::poll;
use telex_conformance::wav::Sound;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

const ALICE: u32 = 440;
const BOB: u32 = 880;

/// Waits until the last recording of `phone` holds two seconds of a tone.
fn hears(phone: &Baresip, hertz: u32) {
    let found = poll(Duration::from_secs(30), || {
        let sound = phone.heard().pop()?;
        (tone::find(&sound, f64::from(hertz)).longest >= 2.0).then_some(())
    });
    let last = phone.heard().pop().map(|s| tone::find(&s, f64::from(hertz)).to_string());
    assert!(found.is_some(), "wanted two seconds of {hertz} Hz, heard {last:?}");
}

fn call(alice: &mut Baresip, bob: &mut Baresip) {
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    bob.expect("CALL_ESTABLISHED");
}

/// A call between two phones of which each has one codec only: both hear the other's tone at its pitch and level.
fn between(name: &str, alice: &str, bob: &str) {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new(name);
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let mut bob = Phone::new("bob", exchange.server(), Udp, BOB).codecs(bob).start(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Udp, ALICE).codecs(alice).start(&ground);
    call(&mut alice, &mut bob);
    hears(&bob, ALICE);
    hears(&alice, BOB);
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    for (phone, hertz) in [(&bob, ALICE), (&alice, BOB)] {
        let sound = phone.heard().pop().expect("a phone in a call has recorded it");
        tone::assert_heard(&sound, f64::from(hertz), -8.0..=-3.0, 2.0);
    }
    exchange.finish();
}

#[test]
fn mu_law_and_a_law() {
    between("sound-laws", "PCMU/8000/1", "PCMA/8000/1");
}

#[test]
fn mu_law_and_g722() {
    between("sound-g722", "PCMU/8000/1", "G722/16000/1");
}

#[test]
fn g722_and_a_law() {
    between("sound-g722-a", "G722/16000/1", "PCMA/8000/1");
}

#[test]
fn opus_and_mu_law() {
    between("sound-opus", "opus/48000/2", "PCMU/8000/1");
}

#[test]
fn gsm_and_g722() {
    between("sound-gsm", "GSM/8000/1", "G722/16000/1");
}

/// How much of the last second and a half that `phone` recorded is a tone, for each of three tones: 0 to 1.
fn shares(phone: &Baresip, tones: [u32; 3]) -> [f64; 3] {
    let Some(sound) = phone.heard().pop() else { return [0.0; 3] };
    let from = sound.samples.len().saturating_sub(sound.rate as usize * 3 / 2);
    let last = &sound.samples[from..];
    let all = tone::power(last).max(1.0);
    tones.map(|hertz| tone::power_at(last, sound.rate, f64::from(hertz)) / all)
}

#[test]
fn three_phones_in_a_conference_hear_each_other_and_not_themselves() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    // Whole turns in the time that is looked at.
    const TONES: [u32; 3] = [440, 880, 1320];
    let ground = Ground::new("sound-conference");
    let plan = Plan::new(&ground).phone("alice").phone("bob").phone("carol");
    let exchange = plan.with("[[conference]]\nnumber = \"800\"\n").start(&ground);
    let phone = |name, hertz, codec: &str| {
        let mut phone = Phone::new(name, exchange.server(), Udp, hertz).codecs(codec).start(&ground);
        phone.command("dial sip:800@telex.test");
        phone.expect("CALL_ESTABLISHED");
        phone
    };
    let mut phones = [
        phone("alice", TONES[0], "PCMU/8000/1"),
        phone("bob", TONES[1], "G722/16000/1"),
        phone("carol", TONES[2], "PCMA/8000/1"),
    ];
    for (me, phone) in phones.iter().enumerate() {
        let right = |shares: &[f64; 3]| {
            (0..3).all(|who| if who == me { shares[who] < 0.02 } else { (0.3..0.7).contains(&shares[who]) })
        };
        let found = poll(Duration::from_secs(30), || Some(shares(phone, TONES)).filter(right));
        assert!(found.is_some(), "phone {me} hears {:.3?}", shares(phone, TONES));
    }
    assert_eq!(exchange.calls().len(), 3);
    // One leaves: the others are still there, and hear only each other.
    phones[0].command("hangup");
    phones[0].expect("CALL_CLOSED");
    for (me, other) in [(1, 2), (2, 1)] {
        let found =
            poll(Duration::from_secs(30), || Some(shares(&phones[me], TONES)).filter(|s| s[other] > 0.9));
        assert!(found.is_some(), "phone {me} hears {:.3?}", shares(&phones[me], TONES));
    }
    for phone in &mut phones[1..] {
        phone.command("hangup");
        phone.expect("CALL_CLOSED");
    }
    exchange.finish();
}

/// The digits that a phone says it was sent, so far.
fn digits(phone: &mut Baresip) -> String {
    phone.params("CALL_DTMF_START").concat()
}

fn press(phone: &mut Baresip, digits: &str) {
    for digit in digits.chars() {
        phone.command(&format!("sndcode {digit}"));
        thread::sleep(Duration::from_millis(400));
    }
}

fn arrive(ground: &Ground, alice: Phone, bob: Phone) {
    let mut bob = bob.start(ground);
    let mut alice = alice.start(ground);
    call(&mut alice, &mut bob);
    hears(&bob, ALICE);
    press(&mut alice, "1590*#");
    let all = poll(Duration::from_secs(15), || (digits(&mut bob).len() >= 6).then_some(()));
    // One that came twice would come now.
    thread::sleep(Duration::from_secs(1));
    assert_eq!((digits(&mut bob).as_str(), all), ("1590*#", Some(())), "{:?}", bob.kinds());
    press(&mut bob, "27");
    let all = poll(Duration::from_secs(15), || (digits(&mut alice).len() >= 2).then_some(()));
    assert_eq!((digits(&mut alice).as_str(), all), ("27", Some(())), "{:?}", alice.kinds());
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
}

#[test]
fn digits_as_events_arrive_once() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("sound-digits");
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let phone = |name, hertz| Phone::new(name, exchange.server(), Udp, hertz);
    arrive(&ground, phone("alice", ALICE), phone("bob", BOB));
    exchange.finish();
}

#[test]
fn digits_as_events_arrive_once_through_another_codec() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("sound-digits-codec");
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let phone = |name, hertz| Phone::new(name, exchange.server(), Udp, hertz);
    arrive(&ground, phone("alice", ALICE), phone("bob", BOB).codecs("PCMA/8000/1"));
    exchange.finish();
}

#[test]
fn digits_by_info_arrive_once_as_events() {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new("sound-digits-info");
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let phone = |name, hertz| Phone::new(name, exchange.server(), Udp, hertz);
    arrive(&ground, phone("alice", ALICE).digits_by_info(), phone("bob", BOB));
    exchange.finish();
}

/// A channel of a recording in two channels.
fn channel(sound: &Sound, which: usize) -> Sound {
    let samples = sound.samples.chunks_exact(2).map(|pair| pair[which]).collect();
    Sound { samples, rate: sound.rate }
}

/// Samples of both channels in turns, at 16 kHz.
fn read(file: &Path) -> Vec<i16> {
    let octets = std::fs::read(file).expect("the recording");
    if file.extension().is_some_and(|ending| ending == "wav") {
        let wav = telex_audio::wav::decode(&octets).expect("a WAV file");
        assert_eq!((wav.format.channels, wav.format.rate, wav.warnings.len()), (2, 16_000, 0));
        return wav.samples;
    }
    let ogg = telex_audio::ogg::decode(&octets).expect("an Ogg file");
    assert_eq!((ogg.channels, ogg.rate, ogg.damaged), (2, 16_000, false));
    ogg.samples
}

#[test]
fn a_call_is_recorded_in_two_channels_but_for_a_pause() {
    recorded("wav");
}

#[test]
fn a_call_is_recorded_in_two_channels_as_opus() {
    recorded("opus");
}

fn recorded(format: &str) {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new(&format!("sound-recording-{format}"));
    let mut exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let mut bob = Phone::new("bob", exchange.server(), Udp, BOB).codecs("G722/16000/1").start(&ground);
    let mut alice = Phone::new("alice", exchange.server(), Udp, ALICE).start(&ground);
    call(&mut alice, &mut bob);
    hears(&bob, ALICE);
    let id = exchange.calls()[0]["id"].to_string();
    let recording = |exchange: &Exchange, order: &str, more: &[&str]| {
        let output = exchange.command(&[&["recording", order, &id], more].concat());
        assert!(output.status.success(), "{order}: {}", String::from_utf8_lossy(&output.stderr));
    };
    recording(&exchange, "start", &["--format", format]);
    thread::sleep(Duration::from_secs(3));
    recording(&exchange, "pause", &[]);
    thread::sleep(Duration::from_secs(2));
    recording(&exchange, "resume", &[]);
    thread::sleep(Duration::from_secs(2));
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    let folder = ground.path("recordings");
    let file = poll(Duration::from_secs(10), || std::fs::read_dir(&folder).ok()?.next()?.ok());
    let file = file.unwrap_or_else(|| panic!("nothing in {}", folder.display())).path();
    exchange.expect_log("recorded in");
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    assert!(name.ends_with(&format!("-call{id}.{format}")), "{name}");
    let sound = Sound { rate: 16_000, samples: read(&file) };
    let seconds = sound.samples.len() as f64 / 2.0 / f64::from(sound.rate);
    assert!((4.5..7.0).contains(&seconds), "{seconds} s, without the two of the pause");
    for (which, hertz, other) in [(0, ALICE, BOB), (1, BOB, ALICE)] {
        let side = channel(&sound, which);
        tone::assert_heard(&side, f64::from(hertz), -8.0..=-3.0, 2.0);
        assert!(tone::find(&side, f64::from(other)).total < 0.2, "channel {which} has the other side");
    }
    exchange.finish();
}
