use super::*;
use crate::codec::test_sound::{Noise, corpus, digest, snr, speech};
use proptest::prelude::*;

fn encode(pcm: &[i16]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    pcm.as_chunks().0.iter().flat_map(|frame| encoder.encode(frame)).collect()
}

fn decode(octets: &[u8]) -> Vec<i16> {
    let mut pcm = Vec::new();
    Decoder::default().decode(octets, &mut pcm).unwrap();
    pcm
}

fn little_endian(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Sounds that visit what an encoder does seldom, too: clipping everywhere, and the largest steps there are.
fn sounds() -> [(&'static str, Vec<i16>); 3] {
    let mut noise = Noise(7);
    [
        ("speech", speech(8000, 80_000)),
        ("noise", (0..16_000).map(|_| noise.next() as i16).collect()),
        ("square", (0..16_000).map(|n| if n / 37 % 2 == 0 { i16::MAX } else { i16::MIN }).collect()),
    ]
}

/// Frames whose parameters are all random: lags that are none, gains that ring.
fn random_frames() -> Vec<u8> {
    let mut noise = Noise(8);
    let mut frames: Vec<u8> = (0..OCTETS * 500).map(|_| noise.next() as u8).collect();
    frames.chunks_mut(OCTETS).for_each(|frame| frame[0] = 0xd0 | frame[0] & 15);
    frames
}

/// Writes what other implementations are compared on.
#[test]
#[ignore = "writes files for a comparison by hand"]
fn dump() {
    let dir = std::env::var("DUMP").unwrap();
    let recorded = corpus("short_nb_voice.wav").map(|pcm| ("corpus", pcm));
    for (name, sound) in sounds().into_iter().chain(recorded) {
        let whole = &sound[..sound.len() / SAMPLES * SAMPLES];
        let coded = encode(whole);
        std::fs::write(format!("{dir}/{name}.raw"), little_endian(whole)).unwrap();
        std::fs::write(format!("{dir}/{name}.gsm"), &coded).unwrap();
        std::fs::write(format!("{dir}/{name}.out"), little_endian(&decode(&coded))).unwrap();
    }
    std::fs::write(format!("{dir}/random.gsm"), random_frames()).unwrap();
    std::fs::write(format!("{dir}/random.out"), little_endian(&decode(&random_frames()))).unwrap();
}

/// A swell so smooth that the first coefficients leave nothing: the recursion must not divide by that.
#[test]
fn what_is_predicted_wholly_is_encoded() {
    let swell: Vec<i16> = (0..SAMPLES)
        .map(|n| {
            let apart = (n as f64 - 57.0) / 13.14;
            (30_701.0 * (-apart * apart).exp() * (0.0407 * n as f64 + 4.87).cos()) as i16
        })
        .collect();
    assert_eq!(encode(&[&swell[..], &swell].concat()).len(), 2 * OCTETS);
}

/// Digests of the frames that libgsm 1.0.22 makes of the sounds, and of the samples it makes of the frames.
#[test]
fn is_bit_exact() {
    let mut digests: Vec<_> = sounds()
        .iter()
        .map(|(name, pcm)| (*name, digest(&encode(pcm)), digest(&little_endian(&decode(&encode(pcm))))))
        .collect();
    digests.push(("random", String::new(), digest(&little_endian(&decode(&random_frames())))));
    let expected = [
        (
            "speech",
            "ee7bd46d5347de71049190298a2e16754b18ab1f43e7eda084b6fcd1865850ed",
            "6f28dff818c47d9785fb35c0868039bfd2cf44dc4d4bdfb1116c29579edde99a",
        ),
        (
            "noise",
            "3b76faf76be815e6174cd6d3a1b2e2906775f35c48420376aedd1f1e463b8e88",
            "0aa197ef40d4363c57b29cb24a3a199c9fc342017c3e38747fe2131507a78d1a",
        ),
        (
            "square",
            "008676e4083185cbca007fe1bb1cc72af365d0fbe8262e1ea72b2abec927ea64",
            "f5c425b1c4abe315dcac54fa38b0d01c1b15cd9233b59bec2ec3b82e423979e9",
        ),
        ("random", "", "c6d9fd5e23d605613558e54f254f78c48a61ae69aef38abf9f19ed900b85e071"),
    ];
    assert_eq!(digests, expected.map(|(name, frames, pcm)| (name, frames.to_owned(), pcm.to_owned())));
}

#[test]
fn speech_is_understood() {
    let recorded = corpus("short_nb_voice.wav").map(|pcm| ("corpus", pcm, 8.0));
    for (name, pcm, least) in [("own", speech(8000, 80_000), 16.0)].into_iter().chain(recorded) {
        let (ratio, delay) = snr(&pcm, &decode(&encode(&pcm)), 40);
        assert!(ratio > least && delay == 0, "{name}: {ratio:.1} dB after {delay} samples");
    }
}

/// What is heard in place of lost frames goes on at first and is silent in the end; the codec is understood again soon.
#[test]
fn loss_fades_out_and_heals() {
    let pcm = speech(8000, 16_000);
    let frames = encode(&pcm);
    let whole = decode(&frames);
    let level =
        |pcm: &[i16]| (pcm.iter().map(|&s| i64::from(s).pow(2)).sum::<i64>() / pcm.len() as i64).isqrt();
    let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
    decoder.decode(&frames[..5 * OCTETS], &mut heard).unwrap();
    let (at, before) = (heard.len(), level(&heard[400..]));
    decoder.conceal(20 * SAMPLES, &mut heard);
    assert_eq!(heard.len(), 25 * SAMPLES);
    let levels: Vec<_> = heard[at..].chunks(SAMPLES).map(level).collect();
    assert!(levels[0] > before / 2 && levels[0] < before * 2, "{before} {levels:?}");
    assert!(levels[8] < before / 8 && levels[16..] == [0; 4], "{before} {levels:?}");
    decoder.decode(&frames[25 * OCTETS..], &mut heard).unwrap();
    let settled = 30 * SAMPLES;
    let (ratio, _) = snr(&whole[settled..], &heard[settled..], 0);
    assert!(ratio > 10.0, "{ratio}");
}

/// A part of a frame may be asked for, and nothing was heard yet.
#[test]
fn concealing_takes_any_length() {
    let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
    decoder.conceal(100, &mut heard);
    assert_eq!(heard, [0; 100]);
    decoder.decode(&encode(&speech(8000, 1600)), &mut heard).unwrap();
    decoder.conceal(250, &mut heard);
    assert_eq!(heard.len(), 100 + 1600 + 250);
}

proptest! {
    #[test]
    fn frames_survive_a_round_trip(mut octets in any::<[u8; 32]>(), last in any::<u8>()) {
        octets[0] = 0xd0 | octets[0] & 15;
        let mut frame = [last; OCTETS];
        frame[..32].copy_from_slice(&octets);
        prop_assert_eq!(frame::Frame::read(&frame).write(), frame);
    }

    /// Nothing panics, and a payload is taken whole or not at all.
    #[test]
    fn any_payload_is_decoded_or_refused(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)
    ) {
        let mut decoder = Decoder::default();
        for mut payload in payloads {
            payload.chunks_mut(OCTETS).for_each(|frame| frame[0] |= 0xd0);
            let mut pcm = Vec::new();
            let good = decoder.decode(&payload, &mut pcm).is_ok();
            prop_assert_eq!(pcm.len(), if good { payload.len() / OCTETS * SAMPLES } else { 0 });
            prop_assert!(!good || payload.len() % OCTETS == 0);
        }
    }

    #[test]
    fn any_sound_is_encoded(
        pcm in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX)], 800)
    ) {
        let octets = encode(&pcm);
        prop_assert_eq!(decode(&octets).len(), pcm.len());
    }
}

/// Who speaks again after a pause has coded the pause, and not the last word.
#[test]
fn a_word_after_a_pause_is_as_loud_as_the_one_before() {
    let word: Vec<i16> = {
        let mut tone = crate::tone::sine::Sine::new(400_000, 8000, 8231);
        (0..10 * SAMPLES).map(|_| tone.sample()).collect()
    };
    let mut decoder = Decoder::default();
    let say = |decoder: &mut Decoder| {
        let (mut encoder, mut heard) = (Encoder::default(), Vec::new());
        for frame in word.as_chunks().0 {
            decoder.decode(&encoder.encode(frame), &mut heard).unwrap();
        }
        heard.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
    };
    let before = say(&mut decoder);
    decoder.conceal(45 * SAMPLES, &mut Vec::new());
    let after = say(&mut decoder);
    assert!(after < before + before / 8, "{before} and {after}");
}
