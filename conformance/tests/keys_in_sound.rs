//! Keys that one side of a call has as tones in its sound, with real clients: each press arrives exactly once.

use std::thread;
use std::time::Duration;

use telex_conformance::baresip::{Baresip, Plan as Phone};
use telex_conformance::exchange::{PASSWORD, Plan};
use telex_conformance::ground::Ground;
use telex_conformance::program::poll;
use telex_conformance::sipp::{self, Sipp};
use telex_conformance::wav::Sound;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

const RATE: u32 = 8000;
/// Hertz of the rows and columns of the keys (ITU-T Q.23).
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const PRESSED: &str = "1590*#";
/// Looks of 20 ms that make a key, and looks without one that end it.
const LOOKS: usize = 2;

fn silence(seconds: u32) -> Sound {
    Sound { rate: RATE, samples: vec![0; (RATE * seconds) as usize] }
}

/// Two seconds of silence, each key for 100 ms with a pause as long after it, and silence up to ten seconds.
fn pressed(keys: &str) -> Sound {
    let mut sound = silence(2);
    for key in keys.chars() {
        let (row, column) =
            KEYS.iter().enumerate().find_map(|(r, k)| Some((r, k.find(key)?))).expect("a key");
        let [low, high] =
            [ROWS[row], COLUMNS[column]].map(|hertz| tone::sine(hertz, -12.0, RATE, 0.1).samples);
        sound.samples.extend(low.iter().zip(&high).map(|(a, b)| a + b));
        sound.samples.extend([0; 800]);
    }
    sound.samples.resize(10 * RATE as usize, 0);
    sound
}

/// The key in a look: one row and one column that have nearly all of its energy.
fn key(look: &[i16]) -> Option<char> {
    let all = tone::power(look);
    let strongest = |group: [f64; 4]| {
        let powers = group.map(|hertz| tone::power_at(look, RATE, hertz));
        let best = (0..4).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
        Some((best, powers[best]))
    };
    let ((row, low), (column, high)) = (strongest(ROWS)?, strongest(COLUMNS)?);
    let is_key = all > 10_000.0 && low + high > 0.8 * all && low > 0.1 * all && high > 0.1 * all;
    is_key.then(|| KEYS[row].chars().nth(column))?
}

/// The keys in a recording, one after another.
fn keys(sound: &Sound) -> String {
    assert_eq!(sound.rate, RATE);
    let (mut found, mut down, mut last, mut run, mut gone) = (String::new(), None, None, 0, 0);
    for look in sound.samples.chunks_exact(RATE as usize / 50).map(key) {
        run = if look == last { run + 1 } else { 1 };
        last = look;
        gone = if look == down { 0 } else { gone + 1 };
        if down.is_some() && gone >= LOOKS {
            down = None;
        }
        if let Some(key) = look.filter(|_| down.is_none() && run >= LOOKS) {
            found.push(key);
            (down, gone) = (Some(key), 0);
        }
    }
    found
}

#[test]
fn keys_are_found_in_sound() {
    assert_eq!(keys(&pressed("1590*#")), "1590*#");
    assert_eq!(keys(&pressed("1122D")), "1122D");
    assert_eq!(keys(&tone::sine(697.0, -10.0, RATE, 2.0)), "");
}

/// What is pressed on `alice` is heard as tones by a phone that is to have tones.
fn heard_as_tones(name: &str, alice: impl Fn(Phone) -> Phone) {
    if !peers::installed(&["baresip"]) {
        return;
    }
    let ground = Ground::new(name);
    let bob = format!("[[phone]]\nextension = \"bob\"\npassword = \"{PASSWORD}\"\ndigits = \"tones\"\n");
    let exchange = Plan::new(&ground).phone("alice").with(&bob).start(&ground);
    let phone = |name| Phone::new(name, exchange.server(), Udp, 0).plays(silence(60));
    let mut bob = phone("bob").start(&ground);
    let mut alice = alice(phone("alice")).start(&ground);
    alice.command("dial sip:bob@telex.test");
    alice.expect("CALL_ESTABLISHED");
    thread::sleep(Duration::from_secs(1));
    for digit in PRESSED.chars() {
        alice.command(&format!("sndcode {digit}"));
        thread::sleep(Duration::from_millis(400));
    }
    let heard = |bob: &Baresip| bob.heard().pop().map(|s| keys(&s)).unwrap_or_default();
    let all = poll(Duration::from_secs(15), || (heard(&bob).len() >= PRESSED.len()).then_some(()));
    // One that came twice would come now.
    thread::sleep(Duration::from_secs(1));
    assert_eq!((heard(&bob).as_str(), all), (PRESSED, Some(())));
    assert!(bob.params("CALL_DTMF_START").is_empty(), "they came as events, too");
    alice.command("hangup");
    bob.expect("CALL_CLOSED");
    exchange.finish();
}

#[test]
fn keys_pressed_as_events_are_heard_once_as_tones() {
    heard_as_tones("keys-events-tones", |alice| alice);
}

#[test]
fn keys_pressed_by_info_are_heard_once_as_tones() {
    heard_as_tones("keys-info-tones", Phone::digits_by_info);
}

/// SIPp names no telephone events: its keys are in its sound.
#[test]
fn keys_in_the_sound_arrive_once_as_events() {
    if !peers::installed(&["sipp", "baresip"]) {
        return;
    }
    let ground = Ground::new("keys-tones-events");
    let local = sipp::on(ground.address());
    let exchange = Plan::new(&ground).phone("alice").phone("bob").start(&ground);
    let server = exchange.server();
    let mut bob = Phone::new("bob", server, Udp, 0).plays(silence(60)).start(&ground);
    let caller = Sipp::new(&ground, "alice", "call_media", local, Udp).server(server);
    let caller = caller.users(["alice".to_owned()]).options(&["-s", "bob"]).sound(&pressed(PRESSED));
    let caller = caller.calls(1, 1, 1).hold(Duration::from_secs(8)).start();
    bob.expect("CALL_ESTABLISHED");
    let counts = caller.finish(Duration::from_secs(60));
    assert_eq!(counts.successful, 1);
    bob.expect("CALL_CLOSED");
    assert_eq!(bob.params("CALL_DTMF_START").concat(), PRESSED);
    let heard = bob.heard().pop().expect("baresip records its calls");
    assert_eq!(keys(&heard), "", "they are heard, too");
    exchange.finish();
}
