//! Baresip, with PCMU only, calls linphone, with another codec only: a tone and ten spoken digits are recognised on
//! both sides.

use std::time::Duration;

use telex_conformance::baresip::Plan as Phone;
use telex_conformance::exchange::Plan;
use telex_conformance::ground::Ground;
use telex_conformance::linphone;
use telex_conformance::program::poll;
use telex_conformance::speech::{self, Piece, Voice};
use telex_conformance::wav::Sound;
use telex_conformance::{peers, tone};
use telex_engine::border::Transport::Udp;

/// What each says, and the tone before it in hertz.
const BARE: ([usize; 10], f64) = ([3, 0, 7, 2, 9, 1, 8, 4, 6, 5], 440.0);
const LIN: ([usize; 10], f64) = ([8, 5, 1, 6, 0, 4, 9, 3, 2, 7], 880.0);
/// Level of both tones, in decibels, and how far from it they may be heard.
const LEVEL: f64 = -10.0;
const OFF: f64 = 2.0;
/// Linphone's G.722 is half as loud as others', and what it hears by it twice: so it is when baresip has G.722 as well
/// and nothing is turned.
const G722_GAIN: f64 = 6.02;
/// How like a word must be, and how much less any other.
const LIKE: f64 = 0.6;
const CLEAR: f64 = 0.1;

/// The tone is there, and the first round has each digit once, in its order, and clearly.
fn assert_recognised(voice: &Voice, who: &str, sound: &Sound, (said, hertz): ([usize; 10], f64), level: f64) {
    tone::assert_heard(sound, hertz, level - OFF..=level + OFF, 2.0);
    let pieces = voice.recognise(sound);
    let round = speech::first_round(&pieces).unwrap_or_else(|| panic!("{who}: no whole round in {pieces:?}"));
    let heard: Vec<usize> = round
        .iter()
        .filter_map(|piece| match piece {
            Piece::Word { digit, .. } => Some(*digit),
            Piece::Mark => None,
        })
        .collect();
    assert_eq!(heard, said, "{who}: {round:.3?}");
    let is_clear = |piece: &Piece| match piece {
        Piece::Word { like, next, .. } => *like > LIKE && like - next > CLEAR,
        Piece::Mark => false,
    };
    assert!(round.iter().all(is_clear), "{who}: {round:.3?}");
    let least = |of: fn(f64, f64) -> f64| {
        round.iter().fold(f64::INFINITY, |least, piece| match piece {
            Piece::Word { like, next, .. } => least.min(of(*like, *next)),
            Piece::Mark => least,
        })
    };
    println!(
        "{who}: at least {:.3} like, {:.3} clear",
        least(|like, _| like),
        least(|like, next| like - next)
    );
}

/// Each has one codec only.
fn spoken(bare_has: &str, lin_has: &str, rate: u32) {
    let gain = if lin_has.starts_with("G722") { G722_GAIN } else { 0.0 };
    if !peers::installed(&["linphonec", "stdbuf", "baresip", "flite"]) {
        return;
    }
    let ground = Ground::new("spoken");
    let voice = Voice::new(&ground);
    let mut plan = Plan::new(&ground).phone("lin").phone("bare");
    if let Some(speex) = lin_has.strip_suffix("/1").filter(|name| name.starts_with("speex")) {
        // It is not offered unless that is asked for.
        plan = plan.codecs(&["pcmu", speex]);
    }
    let exchange = plan.start(&ground);
    let (bare_says, lin_says) = (voice.track(BARE.1, LEVEL, &BARE.0), voice.track(LIN.1, LEVEL, &LIN.0));
    let lin = linphone::Plan::new("lin", exchange.server(), Udp, &lin_says).codec(lin_has).start(&ground);
    let mut bare =
        Phone::new("bare", exchange.server(), Udp, 0).codecs(bare_has).plays(bare_says).start(&ground);
    bare.command("dial sip:lin@telex.test");
    bare.expect("CALL_ESTABLISHED");
    // A round lasts 14 s; the first may have begun before anybody listened.
    let whole = poll(Duration::from_secs(50), || {
        let pieces = voice.recognise(&bare.heard().pop()?);
        std::thread::sleep(Duration::from_secs(1));
        (speech::first_round(&pieces).is_some() && lin.recorded() >= 32.0).then_some(())
    });
    bare.command("hangup");
    bare.expect("CALL_CLOSED");
    let heard = bare.heard().pop().expect("baresip records its calls");
    assert!(whole.is_some(), "baresip recorded {} s, linphone {} s", heard.seconds(), lin.recorded());
    assert_recognised(&voice, "baresip", &heard, LIN, LEVEL - gain);
    let heard = lin.stop();
    assert_eq!(heard.rate, rate, "linphone records at the rate of its codec");
    assert_recognised(&voice, "linphone", &heard, BARE, LEVEL + gain);
    exchange.finish();
}

#[test]
fn mu_law_and_a_law() {
    spoken("PCMU/8000/1", "PCMA/8000/1", 8000);
}

#[test]
fn mu_law_and_g722() {
    spoken("PCMU/8000/1", "G722/8000/1", 16_000);
}

#[test]
fn mu_law_and_opus() {
    spoken("PCMU/8000/1", "opus/48000/2", 48_000);
}

/// At 8 kHz linphone speaks Speex at 2 kbit/s, in which nobody's decoder finds a tone.
#[test]
fn mu_law_and_wide_speex() {
    spoken("PCMU/8000/1", "speex/16000/1", 16_000);
}

#[test]
fn g722_and_g722() {
    spoken("G722/16000/1", "G722/8000/1", 16_000);
}
