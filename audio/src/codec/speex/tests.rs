use super::synthesis::{HighPass, whole};
use super::*;
use crate::codec::test_sound::{snr, speech};

fn encode(pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::default();
    let frames = pcm.chunks_exact(SAMPLES);
    frames
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        })
        .collect()
}

fn decode(clock: u32, rate: u32, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(clock, rate);
    let mut pcm = Vec::new();
    payloads.iter().for_each(|payload| decoder.decode(payload, &mut pcm).unwrap());
    pcm
}

/// What the filters at both ends make of sound.
fn filtered(pcm: &[i16]) -> Vec<i16> {
    let mut filters = [HighPass::new(false), HighPass::new(false)];
    let mut pass = |sample: &i16| filters.iter_mut().fold(i32::from(*sample) << 8, |sample, filter| filter.run(sample));
    pcm.iter().map(|sample| whole(pass(sample))).collect()
}

#[test]
fn speech_is_understood() {
    let pcm = speech(8000, 80_000);
    let payloads = encode(&pcm);
    assert!(payloads.iter().all(|payload| payload.len() == 38));
    let (ratio, delay) = snr(&filtered(&pcm), &decode(8000, 8000, &payloads), 80);
    panic!("{ratio:.1} dB after {delay}");
}

#[test]
fn probe() {
    let Ok(path) = std::env::var("PROBE") else { return };
    let file = std::fs::read(&path).unwrap();
    let pcm: Vec<i16> = file[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let start = std::time::Instant::now();
    let payloads = encode(&pcm);
    let took = start.elapsed() / payloads.len() as u32;
    let start = std::time::Instant::now();
    let back = decode(8000, 8000, &payloads);
    println!("encode {took:?} decode {:?} {:?}", start.elapsed() / payloads.len() as u32, snr(&filtered(&pcm), &back, 200));
    let octets: Vec<u8> =
        payloads.iter().flat_map(|p| [&(p.len() as u16).to_le_bytes()[..], p].concat()).collect();
    std::fs::write(format!("{path}.pk"), octets).unwrap();
}

#[test]
fn against() {
    let Ok(path) = std::env::var("AGAINST") else { return };
    let clock = std::env::var("CLOCK").unwrap().parse().unwrap();
    let (octets, other) = (std::fs::read(format!("{path}/t.pk")).unwrap(), std::fs::read(format!("{path}/t1.raw")).unwrap());
    let other: Vec<i16> = other.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let (mut rest, mut pcm) = (&octets[..], Vec::new());
    let mut decoder = Decoder::new(clock, 16_000);
    while let [a, b, more @ ..] = rest {
        let (now, later) = more.split_at(usize::from(u16::from_le_bytes([*a, *b])));
        decoder.decode(now, &mut pcm).unwrap();
        rest = later;
    }
    println!("AGAINST {:?} {} {}", snr(&other, &pcm, 300), pcm.len(), other.len());
}

/// Writes the test sound, from which another encoder made the payloads below.
#[test]
#[ignore = "writes files for a comparison by hand"]
fn dump() {
    let dir = std::env::var("DUMP").unwrap();
    for (name, pcm) in [("8", speech(8000, 6400)), ("16", speech(16_000, 12_800))] {
        std::fs::write(format!("{dir}/d{name}.raw"), pcm.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    }
    let pcm = speech(8000, 6400);
    let octets: Vec<u8> = encode(&pcm).iter().flat_map(|p| [&(p.len() as u16).to_le_bytes()[..], p].concat()).collect();
    std::fs::write(format!("{dir}/ours.pk"), octets).unwrap();
    let heard = filtered(&pcm);
    std::fs::write(format!("{dir}/ours.raw"), heard.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>()).unwrap();
}
