//! State that was written down in the middle of a stream and read back goes on as if nothing had happened.
#![cfg(feature = "serde")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use telex_audio::codec::cn::NoiseGenerator;
use telex_audio::codec::{Decoder, Encoder, Encoding, Settings};
use telex_audio::resample::Resampler;

fn again<T: Serialize + DeserializeOwned>(state: &T) -> T {
    let octets = postcard::to_stdvec(state).expect("state can be written");
    postcard::from_bytes(&octets).expect("state can be read")
}

fn sound() -> Vec<i16> {
    (0..4000_i32).map(|at| (at * at % 9973 - 5000) as i16).collect()
}

/// The codecs that are our own. Those of libraries start afresh and say so.
#[test]
fn codecs_go_on() {
    for encoding in [
        Encoding::Pcmu,
        Encoding::Pcma,
        Encoding::G722,
        Encoding::Gsm,
        Encoding::G729,
        Encoding::Speex { clock: 8000 },
        Encoding::L16 { rate: 16_000 },
    ] {
        let mut encoder = Encoder::new(encoding, Settings::default());
        let mut decoder = Decoder::new(encoding, encoder.rate());
        let frame = encoder.rate() as usize / 50;
        for (number, pcm) in sound().chunks_exact(frame).enumerate() {
            let (mut restored, mut listener) = (again(&encoder), again(&decoder));
            let (mut payload, mut other) = (Vec::new(), Vec::new());
            encoder.encode(pcm, &mut payload);
            restored.encode(pcm, &mut other);
            assert_eq!(payload, other, "{encoding:?}");
            let (mut heard, mut same) = (Vec::new(), Vec::new());
            // Every third is lost, so that gaps and their ends are written down as well.
            for (decoder, pcm) in [(&mut decoder, &mut heard), (&mut listener, &mut same)] {
                match number % 3 {
                    2 => decoder.conceal(frame, pcm),
                    _ => decoder.decode(&payload, pcm).expect("own payload"),
                }
            }
            assert_eq!(heard, same, "{encoding:?}");
        }
    }
}

#[test]
fn resampling_goes_on() {
    for (from, to) in [(8000, 16_000), (48_000, 8000), (44_100, 16_000)] {
        let mut resampler = Resampler::new(from, to).expect("a simple ratio");
        for pcm in sound().chunks(333) {
            let mut restored = again(&resampler);
            let (mut out, mut same) = (Vec::new(), Vec::new());
            resampler.process(pcm, &mut out);
            restored.process(pcm, &mut same);
            assert!(out == same && resampler == restored, "{from} to {to}");
        }
    }
    // A past that is not of these rates is refused, not believed.
    let mut octets = postcard::to_stdvec(&Resampler::new(8000, 16_000)).expect("it can be written");
    octets[1] ^= 1;
    assert!(postcard::from_bytes::<Option<Resampler>>(&octets).is_err());
}

#[test]
fn noise_goes_on() {
    let mut noise = NoiseGenerator::new(5);
    noise.set(&[40, 50, 150]).expect("not empty");
    for _ in 0..3 {
        let mut restored = again(&noise);
        let (mut out, mut same) = ([0; 100], [0; 100]);
        noise.fill(&mut out);
        restored.fill(&mut same);
        assert_eq!(out, same);
    }
}
