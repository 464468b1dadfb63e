use super::*;
use proptest::prelude::*;
use sha2::Digest as _;
use std::path::PathBuf;

const _: () = assert!(size_of::<Encoder>() == 148 && size_of::<Decoder>() == 150);

/// The test sequences of G.722 appendix II and of ITU-T G.191, if they are at hand.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TELEX_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = folder.join("audio/g722");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no test sequences at {}: set TELEX_CORPUS", folder.display());
    None
}

fn words(folder: &std::path::Path, name: &str, word: fn([u8; 2]) -> i16) -> Vec<i16> {
    let octets = std::fs::read(folder.join(name)).expect(name);
    octets.as_chunks::<2>().0.iter().map(|&octets| word(octets)).collect()
}

/// Words of appendix II whose last bit is set are resets: they are only at the beginning.
fn itu(folder: &std::path::Path, name: &str) -> Vec<i16> {
    let words = words(&folder.join("itu"), name, i16::from_be_bytes);
    let start = words.iter().position(|word| word & 1 == 0).expect("something after the resets");
    let end = words.iter().rposition(|word| word & 1 == 0).expect("something after the resets") + 1;
    assert!(words[start..end].iter().all(|word| word & 1 == 0), "{name}: reset in between");
    words[start..end].to_vec()
}

#[test]
fn the_encoder_is_that_of_appendix_ii() {
    let Some(folder) = corpus() else { return };
    for (sound, codes) in [("bt1c1.xmt", "bt2r1.cod"), ("bt1c2.xmt", "bt2r2.cod")] {
        let (mut lower, mut higher) = (Band::lower(), Band::higher());
        let (sound, codes) = (itu(&folder, sound), itu(&folder, codes));
        assert_eq!(sound.len(), codes.len());
        for (at, (sample, code)) in sound.iter().zip(codes).enumerate() {
            let sample = sample >> 1;
            let got = higher.encode_higher(sample) << 6 | lower.encode_lower(sample);
            assert_eq!(got, (code.cast_unsigned() >> 8) as u8, "{at}");
        }
    }
}

#[test]
fn the_decoder_is_that_of_appendix_ii() {
    let Some(folder) = corpus() else { return };
    for (codes, number) in [("bt2r1.cod", 1), ("bt2r2.cod", 2), ("bt1d3.cod", 3)] {
        let codes = itu(&folder, codes);
        for (mode, fine) in (1..).zip(&tables::LOWER) {
            let (mut lower, mut higher) = (Band::lower(), Band::higher());
            let low = itu(&folder, &format!("bt3l{number}.rc{mode}"));
            let high = itu(&folder, &format!("bt3h{number}.rc0"));
            assert_eq!((codes.len(), codes.len()), (low.len(), high.len()));
            for (at, code) in codes.iter().map(|code| (code.cast_unsigned() >> 8) as u8).enumerate() {
                let got = (lower.decode_lower(code, fine) << 1, higher.decode_higher(code >> 6) << 1);
                assert_eq!(got, (low[at], high[at]), "{number} mode {mode} at {at}");
            }
        }
    }
}

#[test]
fn whole_sounds_are_those_of_g191() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("stl");
    let codes: Vec<u8> =
        words(&folder, "codspw.cod", i16::from_le_bytes).iter().map(|&word| word as u8).collect();
    let mut got = Vec::new();
    Encoder::default().encode(&words(&folder, "inpsp.bin", i16::from_le_bytes), &mut got);
    assert!(got == codes, "encoder");
    for (name, mode) in
        [("outsp1.bin", Mode::Bits64), ("outsp2.bin", Mode::Bits56), ("outsp3.bin", Mode::Bits48)]
    {
        let mut got = Vec::new();
        Decoder::new(mode).decode(&codes, &mut got);
        assert!(got == words(&folder, name, i16::from_le_bytes), "{name}");
    }
}

/// Noise whose loudness comes and goes, with full scale and silence in it: nothing but a generator of the test.
fn sound(samples: usize) -> Vec<i16> {
    let (mut seed, mut smooth) = (1_u32, 0_i32);
    (0..samples)
        .map(|at| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed.cast_signed() >> 16) * [0, 1, 8, 64, 256, 300][at / 800 % 6] / 256;
            smooth = (smooth * 3 + noise) / 4;
            let either = if at / 4800 % 2 == 0 { smooth } else { noise };
            either.clamp(i16::MIN.into(), i16::MAX.into()) as i16
        })
        .collect()
}

fn digest(octets: &[u8]) -> String {
    sha2::Sha256::digest(octets)[..8].iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Digests of what this code made of the sound above when the three tests before this one had passed with all test
/// sequences. Payloads of odd lengths, so that blocks and packets do not matter.
#[test]
fn what_the_sequences_proved_is_kept() {
    let (mut encoder, mut codes) = (Encoder::default(), Vec::new());
    sound(48_000).chunks(634).for_each(|packet| encoder.encode(packet, &mut codes));
    assert_eq!((codes.len(), digest(&codes).as_str()), (24_000, "3b775431e9f7ba7c"));
    let decoded = |mode, codes: &[u8]| {
        let (mut decoder, mut pcm) = (Decoder::new(mode), Vec::new());
        codes.chunks(171).for_each(|packet| decoder.decode(packet, &mut pcm));
        digest(&pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>())
    };
    let modes = [Mode::Bits64, Mode::Bits56, Mode::Bits48];
    assert_eq!(
        modes.map(|mode| decoded(mode, &codes)),
        ["0d9e064f47b39a1d", "ece1b0c2ccb7b29a", "a92995c457966a77"]
    );
    // Octets that no encoder sends.
    let wild: Vec<u8> = sound(48_000).iter().map(|&sample| (sample >> 3) as u8).collect();
    assert_eq!(
        modes.map(|mode| decoded(mode, &wild)),
        ["703551011d98d270", "80092b430ba0b231", "42eb3a29d5a976ba"]
    );
}

/// A tone comes back at its level, 22 samples later, in both bands, with the distortion that the bits allow.
#[test]
fn tones_come_back() {
    for (hertz, least_decibels) in [(300.0, 35.0), (1000.0, 35.0), (3000.0, 30.0), (6000.0, 15.0)] {
        let tone: Vec<i16> = (0..16_000)
            .map(|at| (8000.0 * (f64::from(at) * hertz * std::f64::consts::TAU / 16_000.0).sin()) as i16)
            .collect();
        let (mut codes, mut back) = (Vec::new(), Vec::new());
        Encoder::default().encode(&tone, &mut codes);
        Decoder::new(Mode::Bits64).decode(&codes, &mut back);
        let power = |sum: f64, value: f64| sum + value * value;
        let signal = tone[1000..15_000].iter().map(|&s| f64::from(s)).fold(0.0, power);
        let noise = tone[1000..15_000]
            .iter()
            .zip(&back[1022..])
            .map(|(&sent, &came)| f64::from(sent) - f64::from(came))
            .fold(0.0, power);
        let decibels = 10.0 * (signal / noise).log10();
        assert!(decibels > least_decibels, "{hertz} Hz: {decibels:.1} dB");
    }
}

proptest! {
    /// How a stream is cut into packets is not heard, whatever the samples and the octets are.
    #[test]
    fn cuts_do_not_matter(pcm in prop::collection::vec(any::<i16>(), 0..700), cut in 0_usize..350) {
        let cut = (2 * cut).min(pcm.len() & !1);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        Encoder::default().encode(&pcm, &mut whole);
        let mut encoder = Encoder::default();
        encoder.encode(&pcm[..cut], &mut parts);
        encoder.encode(&pcm[cut..], &mut parts);
        prop_assert_eq!(&whole, &parts);

        let wild: Vec<u8> = pcm.iter().map(|&sample| sample as u8).collect();
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        Decoder::new(Mode::Bits64).decode(&wild, &mut whole);
        let mut decoder = Decoder::new(Mode::Bits64);
        decoder.decode(&wild[..cut], &mut parts);
        decoder.decode(&wild[cut..], &mut parts);
        prop_assert_eq!(whole, parts);
    }
}

/// After 20 ms without octets a steady sound is back at once, and more like itself than not 20 ms later; and no
/// step of the quantiser is so large that a burst is heard.
#[test]
fn a_gap_heals() {
    let sound: Vec<i16> = crate::codec::test_sound::speech(16_000, 32_000);
    let mut codes = Vec::new();
    Encoder::default().encode(&sound, &mut codes);
    let mut whole = Vec::new();
    Decoder::new(Mode::Bits64).decode(&codes, &mut whole);
    let energy = |pcm: &[i16]| pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
    let (mut after, mut error, mut came) = (0.0, 0.0, 0.0);
    for lost in 5..90 {
        let mut decoder = crate::codec::Decoder::new(crate::codec::Encoding::G722, 0);
        let mut pcm = Vec::new();
        for (number, payload) in codes.chunks(160).enumerate().take(lost + 3) {
            match number == lost {
                true => decoder.conceal(320, &mut pcm),
                false => decoder.decode(payload, &mut pcm).unwrap(),
            }
        }
        // From 20 ms after the gap on.
        let (is, should) = (&pcm[320 * (lost + 2)..], &whole[320 * (lost + 2)..320 * (lost + 3)]);
        let differs: Vec<i16> = is.iter().zip(should).map(|(a, b)| a.saturating_sub(*b)).collect();
        after += energy(should);
        error += energy(&differs);
        came += energy(is);
    }
    println!("{:.1} dB, {:.2} times the energy", 10.0 * (after / error).log10(), came / after);
    assert!(after > 4.0 * error && came < 1.1 * after, "{after} {error} {came}");
}
