//! Payloads of every encoding: a decoder gives as many samples as it says beforehand, refuses without a change what it
//! cannot read, and what it gives can be encoded again.

use telex_audio::codec::{Decoder, Encoded, Encoder, Encoding, Settings};

/// The longest payload: a datagram.
const PAYLOAD: usize = 1500;
/// The longest sound of one payload, in samples: 120 ms of Opus at 48 kHz, or a datagram of 16-bit frames of G.729.
const SAMPLES: usize = 150 * 160;

pub(crate) fn check(octets: &[u8]) {
    let [choice, rate, rest @ ..] = octets else { return };
    let encodings: Vec<Encoding> = Encoding::all().collect();
    let encoding = encodings[usize::from(*choice) % encodings.len()];
    let rate = [8000, 16_000, 24_000, 48_000][usize::from(rate % 4)];
    let mut decoder = Decoder::new(encoding, rate);
    let mut encoder = Encoder::new(encoding, Settings { rate, ..Settings::default() });
    let (mut pcm, mut payload) = (Vec::new(), Vec::new());
    for part in parts(rest) {
        pcm.clear();
        let told = decoder.samples(part);
        match decoder.decode(part, &mut pcm) {
            Ok(()) => assert_eq!(told, Some(pcm.len()), "{encoding:?} of {} octets", part.len()),
            Err(_) => assert!(pcm.is_empty(), "{encoding:?} refused and gave {}", pcm.len()),
        }
        assert!(pcm.len() <= SAMPLES, "{encoding:?} gave {} samples", pcm.len());
        let before = pcm.len();
        decoder.conceal(rate as usize / 100, &mut pcm);
        assert_eq!(pcm.len() - before, rate as usize / 100, "{encoding:?} concealed");
        let twenty = encoder.rate() as usize / 50;
        pcm.resize(twenty, 0);
        payload.clear();
        if encoder.encode(&pcm, &mut payload) != Encoded::Nothing {
            assert!(!payload.is_empty() && payload.len() <= 4 * twenty, "{encoding:?}: {}", payload.len());
        }
    }
}

/// Cut at lengths that the octets give.
fn parts(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (part, after) = after.split_at(usize::from(length).min(after.len()).min(PAYLOAD));
        rest = after;
        Some(part)
    })
}
