use super::packet::Packet;
use super::*;
use crate::codec::test_sound::{Noise, corpus, digest, snr, speech};
use crate::codec::{Encoded, Malformed, Settings};
use crate::resample::Resampler;
use proptest::prelude::*;

/// Payloads of so many milliseconds each; empty where nothing is sent.
fn encode(settings: Settings, milliseconds: f64, pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(settings);
    let piece = (f64::from(encoder.rate()) * milliseconds / 1000.0) as usize;
    let one = |pcm: &[i16]| {
        let mut payload = Vec::new();
        let encoded = encoder.encode(pcm, &mut payload);
        assert_eq!(encoded == Encoded::Nothing, payload.is_empty());
        payload
    };
    pcm.chunks_exact(piece).map(one).collect()
}

fn decode(rate: u32, payloads: &[Vec<u8>]) -> Vec<i16> {
    let (mut decoder, mut pcm) = (Decoder::new(rate), Vec::new());
    for payload in payloads {
        let before = pcm.len();
        decoder.decode(payload, &mut pcm).unwrap();
        assert_eq!(decoder.samples(payload), Some(pcm.len() - before));
    }
    pcm
}

fn level(pcm: &[i16]) -> i64 {
    (pcm.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>() / pcm.len().max(1) as i64).isqrt()
}

fn at(rate: u32) -> Settings {
    Settings { rate, ..Settings::default() }
}

/// Every rate, as narrow a band as it may be: hybrid and CELT alone, too.
const WAYS: [(u32, u32); 6] =
    [(8000, 0), (12_000, 0), (16_000, 0), (24_000, 0), (48_000, 0), (48_000, 96_000)];

/// Writes what libopus is compared on: packets with their lengths before them, and what is decoded.
#[test]
#[ignore = "writes files for a comparison by hand"]
fn dump() {
    let dir = std::env::var("DUMP").unwrap();
    for (rate, bits) in WAYS {
        for loss_percent in [0, 15] {
            let payloads =
                encode(Settings { bits, loss_percent, ..at(rate) }, 20.0, &speech(rate, rate as usize * 4));
            let name = format!("{dir}/{rate}-{bits}-{loss_percent}");
            let framed: Vec<u8> =
                payloads.iter().flat_map(|p| [&(p.len() as u16).to_le_bytes()[..], p].concat()).collect();
            std::fs::write(format!("{name}.pk"), framed).unwrap();
            let pcm: Vec<u8> =
                decode(rate, &payloads).iter().flat_map(|sample| sample.to_le_bytes()).collect();
            std::fs::write(format!("{name}.out"), pcm).unwrap();
        }
    }
}

/// What the library gives, which at 8 kHz is not what is played.
fn library(rate: u32, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = opus_rs::OpusDecoder::new(rate.cast_signed(), 1).unwrap();
    let mut piece = vec![0.0; rate as usize / 50];
    let mut pcm = Vec::new();
    for payload in payloads {
        decoder.decode(payload, piece.len(), &mut piece).unwrap();
        pcm.extend(piece.iter().map(|&sample| (sample * 32_768.0).round_ties_even() as i16));
    }
    pcm
}

/// Digests of the packets, and of what libopus 1.3.1 decodes from them where that is done in integers (SILK alone).
#[test]
fn speech_is_coded_and_decoded_as_libopus_does() {
    let digests = [8000, 16_000].map(|rate| {
        let payloads =
            encode(Settings { loss_percent: 15, ..at(rate) }, 20.0, &speech(rate, rate as usize * 4));
        let framed: Vec<u8> =
            payloads.iter().flat_map(|p| [&(p.len() as u16).to_le_bytes()[..], p].concat()).collect();
        let pcm: Vec<u8> = library(rate, &payloads).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        (digest(&framed), digest(&pcm))
    });
    let expected = [
        (
            "f73fb92f110cd9758db6a066c13a67b49ef8e04c09e50479963ee1fe06a6949c",
            "66bb0dfece8462f75079df5c3fff89f07009fdffcf4f69e2d883987f321b2be3",
        ),
        (
            "0e95289ccd81efc13cd5b724209f18ea9a5a240a705a2478eed5dfbdc224c21e",
            "8110f373195e67ad6ebe23dcbb9bcb9b4f6b434a04575e0b691a2378b27b55b7",
        ),
    ];
    assert_eq!(digests, expected.map(|(packets, pcm)| (packets.to_owned(), pcm.to_owned())));
}

/// Where a decoder computes in floats it is compared with one that does not.
#[test]
fn all_modes_are_decoded_as_by_another_decoder() {
    for (rate, bits) in WAYS {
        let payloads = encode(Settings { bits, ..at(rate) }, 20.0, &speech(rate, rate as usize * 4));
        // Below 16 kHz both are filtered the same way.
        let wide = if rate < 16_000 { 2 * rate } else { rate };
        let mut other = ropus::Decoder::new(wide, ropus::Channels::Mono).unwrap();
        let mut down = Resampler::new(wide, rate).unwrap();
        let mut expected = Vec::new();
        for payload in &payloads {
            let mut piece = vec![0; wide as usize / 50];
            other.decode(payload, &mut piece, ropus::DecodeMode::Normal).unwrap();
            down.process(&piece, &mut expected);
        }
        let (ratio, _) = snr(&expected, &decode(rate, &payloads), 0);
        assert!(ratio > 60.0, "{rate} {bits}: {ratio:.1} dB");
    }
}

#[test]
fn speech_is_understood_at_every_rate() {
    let least = [(8000, 9.0), (12_000, 9.0), (16_000, 9.0), (24_000, 9.0), (48_000, 9.0)];
    let mut figures = Vec::new();
    for (rate, least) in least {
        let pcm = speech(rate, rate as usize * 4);
        let heard = decode(rate, &encode(at(rate), 20.0, &pcm));
        let (ratio, delay) = snr(&pcm, &heard, rate as usize / 100);
        figures.push((rate, ratio, delay, ratio > least));
    }
    for (name, rate, least) in [("short_nb_voice.wav", 8000, 9.5), ("short_wb_voice.wav", 16_000, 3.5)] {
        if let Some(pcm) = corpus(name) {
            let heard = decode(rate, &encode(at(rate), 20.0, &pcm));
            let (ratio, delay) = snr(&pcm, &heard, rate as usize / 100);
            figures.push((rate, ratio, delay, ratio > least));
        }
    }
    assert!(figures.iter().all(|figure| figure.3), "{figures:?}");
}

/// What was made at one rate is heard at any other.
#[test]
fn any_rate_is_decoded_at_any_rate() {
    for from in RATES {
        let payloads = encode(at(from), 20.0, &speech(from, from as usize));
        let own = level(&decode(from, &payloads));
        for to in RATES {
            let heard = decode(to, &payloads);
            assert_eq!(heard.len(), to as usize);
            // A lower rate cannot hold the high part of the sound.
            let level = level(&heard);
            assert!(level > own / 2 && level < own * 11 / 10, "{from} to {to}: {own} {level}");
        }
    }
}

#[test]
fn every_length_of_packet_is_made() {
    for (rate, bits) in WAYS {
        let pcm = speech(rate, rate as usize * 3);
        for milliseconds in [2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 100.0, 120.0] {
            let payloads = encode(Settings { bits, ..at(rate) }, milliseconds, &pcm);
            let samples = (f64::from(rate) * milliseconds / 1000.0) as usize;
            let decoder = Decoder::new(rate);
            assert!(payloads.iter().all(|payload| decoder.samples(payload) == Some(samples)));
            let (ratio, delay) = snr(&pcm, &decode(rate, &payloads), rate as usize / 80);
            // Frames of less than 10 ms take far more bits for the same.
            let least = if milliseconds < 10.0 { -9.0 } else { 6.0 };
            assert!(ratio > least, "{rate} {bits} {milliseconds} ms: {ratio:.1} dB at {delay}");
        }
    }
}

#[test]
fn samples_beyond_are_ignored_and_too_few_give_nothing() {
    let mut payload = vec![7];
    assert_eq!(Encoder::new(at(8000)).encode(&[0; 19], &mut payload), Encoded::Nothing);
    assert_eq!(payload, [7]);
    assert_eq!(Encoder::new(at(8000)).encode(&[0; 170], &mut payload), Encoded::Sound);
    assert_eq!(Decoder::new(8000).samples(&payload[1..]), Some(160));
    // The longest payload is 120 ms.
    payload.clear();
    Encoder::new(at(8000)).encode(&[100; 8000], &mut payload);
    assert_eq!(Decoder::new(8000).samples(&payload), Some(960));
}

#[test]
fn bits_are_as_asked() {
    for rate in RATES {
        for bits in [0, 16_000, 32_000] {
            let seconds = 10;
            let payloads =
                encode(Settings { bits, ..at(rate) }, 20.0, &speech(rate, (rate * seconds) as usize));
            let sent = payloads.iter().map(Vec::len).sum::<usize>() as u32 * 8 / seconds;
            let asked = if bits == 0 { encoder::usual_bits(rate, false) } else { bits };
            assert!(
                sent > asked * 70 / 100 && sent < asked * 105 / 100,
                "{rate}: {asked} asked, {sent} sent"
            );
        }
    }
}

/// Every fifth packet is lost. From what the next repeats more is heard than from nothing.
#[test]
fn what_is_lost_is_recovered_from_the_next() {
    for (rate, loss_percent) in RATES.into_iter().flat_map(|rate| [(rate, 1), (rate, 20)]) {
        let pcm = speech(rate, rate as usize * 8);
        let payloads = encode(Settings { loss_percent, ..at(rate) }, 20.0, &pcm);
        let whole = decode(rate, &payloads);
        let piece = rate as usize / 50;
        let mut recovered = 0;
        let [repaired, concealed] = [true, false].map(|repaired| {
            let (mut decoder, mut pcm) = (Decoder::new(rate), Vec::new());
            for (at, payload) in payloads.iter().enumerate() {
                if at % 5 != 4 {
                    decoder.decode(payload, &mut pcm).unwrap();
                } else if repaired
                    && payloads.get(at + 1).is_some_and(|next| decoder.recover(next, piece, &mut pcm))
                {
                    recovered += 1;
                } else {
                    decoder.conceal(piece, &mut pcm);
                }
                assert_eq!(pcm.len(), (at + 1) * piece);
            }
            snr(&whole, &pcm, 0).0
        });

        assert!(recovered > payloads.len() / 5 / 2, "{rate} {loss_percent}: {recovered} recovered");
        assert!(
            repaired > concealed + 3.0,
            "{rate} {loss_percent}: {repaired:.1} dB, without {concealed:.1} dB"
        );
    }
}

#[test]
fn nothing_is_recovered_where_nothing_is_repeated() {
    let pcm = speech(16_000, 16_000);
    let mut out = Vec::new();
    let plain = encode(at(16_000), 20.0, &pcm);
    assert!(plain.iter().all(|next| !Decoder::new(16_000).recover(next, 320, &mut out)));
    let celt =
        encode(Settings { bits: 96_000, loss_percent: 20, ..at(48_000) }, 5.0, &speech(48_000, 48_000));
    assert!(celt.iter().all(|next| !Decoder::new(16_000).recover(next, 320, &mut out)));
    let repeating = encode(Settings { loss_percent: 20, ..at(16_000) }, 20.0, &pcm);
    let next = repeating.iter().find(|next| Packet::read(next).unwrap().repeats()).expect("one that repeats");
    // Shorter than a frame, longer than a packet, of no whole length, or not a packet.
    for samples in [0, 160, 319, 321, 2000] {
        assert!(!Decoder::new(16_000).recover(next, samples, &mut out));
    }
    assert!(!Decoder::new(16_000).recover(&[], 320, &mut out));
    assert!(out.is_empty());
    assert!(Decoder::new(16_000).recover(next, 320, &mut out) && out.len() == 320);
}

/// Speech, then two seconds of a faint hiss, then speech: hardly anything is sent meanwhile, and what is heard stays.
#[test]
fn silence_is_left_out_and_filled_in() {
    for rate in [8000, 16_000, 48_000] {
        let mut noise = Noise(3);
        let mut pcm = speech(rate, rate as usize);
        pcm.extend((0..rate * 2).map(|_| (noise.next() / 2000) as i16));
        pcm.extend(speech(rate, rate as usize));
        let payloads = encode(Settings { silence_suppressed: true, ..at(rate) }, 20.0, &pcm);
        let left_out =
            |range: std::ops::Range<usize>| payloads[range].iter().filter(|p| p.is_empty()).count();
        assert!(left_out(75..150) > 65, "{rate}: {} of 75", left_out(75..150));
        assert!(left_out(151..200) < 12, "{rate}: {} of 49 with speech", left_out(151..200));
        let (mut decoder, mut heard) = (Decoder::new(rate), Vec::new());
        for payload in &payloads {
            match payload.is_empty() {
                true => decoder.conceal(rate as usize / 50, &mut heard),
                false => decoder.decode(payload, &mut heard).unwrap(),
            }
        }
        assert_eq!(heard.len(), pcm.len());
        assert!(level(&heard[rate as usize * 3 / 2..rate as usize * 3]) < 100);
        assert!(level(&heard[rate as usize * 16 / 5..]) > level(&pcm[rate as usize * 16 / 5..]) / 2);
    }
}

/// Concealment goes on like what was, then fades, and takes any number of samples.
#[test]
fn loss_is_concealed_and_fades() {
    for (rate, bits) in WAYS {
        let pcm = speech(rate, rate as usize);
        let payloads = encode(Settings { bits, ..at(rate) }, 20.0, &pcm);
        let (mut decoder, mut heard) = (Decoder::new(rate), Vec::new());
        decoder.conceal(17, &mut heard);
        assert_eq!(heard, [0; 17]);
        payloads[..5].iter().for_each(|payload| decoder.decode(payload, &mut heard).unwrap());
        let (at, piece) = (heard.len(), rate as usize / 50);
        let before = level(&heard[at - piece..]);
        decoder.conceal(piece * 50 + 3, &mut heard);
        assert_eq!(heard.len(), at + piece * 50 + 3);
        let levels: Vec<_> = heard[at..].chunks_exact(piece).map(level).collect();
        assert!(levels[0] > before / 3 && levels[0] < before * 2, "{rate} {bits}: {before} {levels:?}");
        assert!(levels[30..].iter().all(|&level| level < before / 5), "{rate} {bits}: {before} {levels:?}");
        payloads[5..].iter().for_each(|payload| decoder.decode(payload, &mut heard).unwrap());
        let tail = &heard[heard.len() - rate as usize / 2..];
        let (ratio, delay) = snr(&pcm[pcm.len() - tail.len()..], tail, rate as usize / 80);
        assert!(ratio > 3.0, "{rate} {bits}: {ratio:.1} dB at {delay}");
    }
}

/// A sender may use two channels at any time; both are heard.
/// What a rate has no room for is not there: a hiss of 6 kHz must not become a tone of 2 kHz.
#[test]
fn what_is_above_the_band_is_not_heard() {
    let sine: Vec<i16> = (0..16_000)
        .map(|n| ((f64::from(n) * 6500.0 / 16_000.0 * std::f64::consts::TAU).sin() * 8000.0) as i16)
        .collect();
    for bits in [16_000, 24_000, 40_000] {
        let payloads = encode(Settings { bits, ..at(16_000) }, 20.0, &sine);
        let loud = level(&decode(16_000, &payloads)[8000..]);
        for rate in [8000, 12_000] {
            let heard = level(&decode(rate, &payloads)[rate as usize / 2..]);
            assert!(heard * 10 < loud, "{bits} bit/s at {rate} Hz: {heard} of {loud}");
        }
    }
}

#[test]
fn two_channels_are_heard_as_one() {
    for (rate, bits) in [(16_000, 32_000), (48_000, 64_000), (48_000, 160_000)] {
        let mut encoder = ropus::Encoder::builder(rate, ropus::Channels::Stereo, ropus::Application::Voip)
            .bitrate(ropus::Bitrate::try_bits(bits).unwrap())
            .build()
            .unwrap();
        let (mut decoder, mut heard) = (Decoder::new(rate), Vec::new());
        let pcm = speech(rate, rate as usize);
        let mut two = 0;
        for piece in pcm.chunks_exact(rate as usize / 50) {
            let both: Vec<i16> = piece.iter().flat_map(|&sample| [sample / 2, sample]).collect();
            let mut octets = [0; 1275];
            let length = encoder.encode(&both, &mut octets).unwrap();
            two += usize::from(octets[0] & 4 != 0);
            decoder.decode(&octets[..length], &mut heard).unwrap();
        }
        assert!(two > 40 && heard.len() == pcm.len(), "{rate}: {two} packets of two channels");
        let (sent, level) = (level(&pcm) * 3 / 4, level(&heard));
        assert!(level > sent * 8 / 10 && level < sent * 11 / 10, "{rate}: {sent} {level}");
    }
}

#[test]
fn the_same_again_gives_the_same() {
    let pcm = speech(48_000, 48_000);
    let settings = Settings { loss_percent: 10, silence_suppressed: true, ..Settings::default() };
    let payloads = encode(settings, 20.0, &pcm);
    assert_eq!(payloads, encode(settings, 20.0, &pcm));
    let sent: Vec<_> = payloads.into_iter().filter(|payload| !payload.is_empty()).collect();
    assert_eq!(decode(48_000, &sent), decode(48_000, &sent));
}

#[test]
fn a_clone_starts_afresh() {
    let payloads = encode(at(8000), 20.0, &speech(8000, 4000));
    let (mut decoder, mut first, mut second) = (Decoder::new(8000), Vec::new(), Vec::new());
    decoder.decode(&payloads[3], &mut first).unwrap();
    decoder.clone().decode(&payloads[3], &mut second).unwrap();
    assert_eq!(first, second);
    let mut encoder = Encoder::new(at(8000));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    encoder.encode(&[900; 160], &mut first);
    encoder.clone().encode(&[900; 160], &mut second);
    assert_eq!(first, second);
}

/// The examples of RFC 6716 §3.2 and its seven rules: frames, 2.5 ms in each, octets of the first.
#[test]
fn packets_are_told_from_what_is_none() {
    let read = |octets: &[u8]| Packet::read(octets).map(|p| (p.frames, p.units, p.first.len()));
    assert_eq!(read(&[]), None);
    // SILK narrowband: 10 to 60 ms; hybrid 10, 20; CELT 2.5 to 20.
    let lengths = [0, 8, 0x10, 0x18, 0x60, 0x68, 0x80, 0x88, 0x90, 0x98].map(|toc| read(&[toc]).unwrap().1);
    assert_eq!(lengths, [4, 8, 16, 24, 4, 8, 1, 2, 4, 8]);
    assert_eq!(read(&[8; 1276]), Some((1, 8, 1275)));
    assert_eq!(read(&[8; 1277]), None);
    assert_eq!((read(&[9, 1, 2]), read(&[9, 1, 2, 3])), (Some((2, 8, 1)), None));
    assert_eq!(
        (read(&[10, 1, 7, 8, 9]), read(&[10, 4, 7, 8, 9]), read(&[10])),
        (Some((2, 8, 1)), None, None)
    );
    assert_eq!(read(&[10, 253, 1]), None);
    assert_eq!(read(&[&[10, 253, 1][..], &[0; 300]].concat()), Some((2, 8, 257)));
    // Code 3: constant, varying, padded; no frames; more than 120 ms; lengths that are lies.
    assert_eq!((read(&[11, 3, 1, 2, 3]), read(&[11, 3, 1, 2])), (Some((3, 8, 1)), None));
    assert_eq!(read(&[11, 0x83, 1, 0, 5, 6, 6]), Some((3, 8, 1)));
    assert_eq!(read(&[11, 0x42, 3, 1, 2, 0, 0, 0]), Some((2, 8, 1)));
    assert_eq!((read(&[11, 0x41, 255]), read(&[11, 0x41, 9, 1])), (None, None));
    assert_eq!(read(&[&[11, 0x41, 255, 1][..], &[0; 255 + 4]].concat()), Some((1, 8, 4)));
    assert_eq!((read(&[11]), read(&[11, 0]), read(&[11, 7])), (None, None, None));
    assert_eq!((read(&[0x83, 48]), read(&[0x83, 49])), (Some((48, 1, 0)), None));
    assert_eq!((read(&[11, 0x83, 200, 1, 5]), read(&[11, 0x81, 5])), (None, Some((1, 8, 1))));
}

/// A sound that an encoder meets seldom: the largest steps there are, noise at full scale, silence, and jumps between.
fn rough(seed: u32, samples: usize) -> Vec<i16> {
    let mut noise = Noise(seed);
    let mut kind = 0;
    (0..samples)
        .map(|at| {
            if at % 700 == 0 {
                kind = noise.next() & 3;
            }
            match kind {
                0 => noise.next() as i16,
                1 if at / 5 % 2 == 0 => i16::MAX,
                1 => i16::MIN,
                2 => 0,
                _ => i16::MIN,
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever arrives in whatever order, lost and recovered: no panic, and exactly what was said is appended.
    #[test]
    fn hostile_packets_are_decoded_or_refused(
        seed in any::<u32>(), way in 0..WAYS.len(), rate in prop::sample::select(&RATES[..])
    ) {
        let mut noise = Noise(seed);
        let mut next = |below: usize| noise.next().unsigned_abs() as usize % below;
        let (from, bits) = WAYS[way];
        let lengths = [2.5, 10.0, 20.0, 60.0];
        let settings = Settings { bits, loss_percent: 20, ..at(from) };
        let good = encode(settings, lengths[next(4)], &speech(from, from as usize / 2));
        let (mut decoder, mut pcm) = (Decoder::new(rate), Vec::new());
        for _ in 0..60 {
            let mut payload = good[next(good.len())].clone();
            for _ in 0..next(4) {
                let (at, bit) = (next(payload.len()), next(8));
                payload[at] ^= 1 << bit;
            }
            match next(6) {
                0 => payload[0] = next(256) as u8,
                1 => payload.truncate(next(payload.len())),
                2 => payload = (0..next(40)).map(|_| next(256) as u8).collect(),
                3 => payload.extend_from_slice(&good[next(good.len())]),
                _ => {}
            }
            let (before, samples) = (pcm.len(), decoder.samples(&payload));
            match next(5) {
                0 => {
                    decoder.conceal(next(3000), &mut pcm);
                }
                1 => {
                    let lost = (rate as usize / 100) << next(4);
                    let recovered = decoder.recover(&payload, lost, &mut pcm);
                    prop_assert_eq!(pcm.len() - before, if recovered { lost } else { 0 });
                }
                _ => match decoder.decode(&payload, &mut pcm) {
                    Ok(()) => prop_assert_eq!(Some(pcm.len() - before), samples),
                    Err(Malformed) => prop_assert_eq!(pcm.len(), before),
                },
            }
        }
    }

    #[test]
    fn any_octets_are_read_safely(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(packet) = Packet::read(&octets) {
            prop_assert!(packet.frames * packet.units <= LONGEST);
            prop_assert!(Decoder::new(8000).decode(&octets, &mut Vec::new()).is_ok());
        }
    }

    #[test]
    fn any_sound_is_encoded(
        seed in any::<u32>(), way in 0..WAYS.len(), loss_percent in 0..=100_u8, silence_suppressed: bool,
        milliseconds in prop::sample::select(vec![2.5, 5.0, 10.0, 20.0, 30.0, 60.0]), bits in 0..600_000_u32
    ) {
        let (rate, _) = WAYS[way];
        let settings = Settings { rate, bits, loss_percent, silence_suppressed };
        let payloads = encode(settings, milliseconds, &rough(seed, rate as usize / 4));
        let mut decoder = Decoder::new(rate);
        for payload in payloads.iter().filter(|payload| !payload.is_empty()) {
            prop_assert!(decoder.decode(payload, &mut Vec::new()).is_ok());
        }
    }
}
