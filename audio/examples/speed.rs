//! Prints what sound costs on this machine, each figure the best of many runs over 20 ms.
//!
//! `cargo run -p telex-audio --release --example speed`

use std::time::Instant;
use telex_audio::codec::cn::{self, NoiseGenerator};
use telex_audio::codec::{Decoder, Encoder, Encoding, Settings};
use telex_audio::resample::Resampler;

fn main() {
    println!("{:<12}{:>12}{:>12}{:>16}", "ns a sample", "encode", "decode", "lost after one");
    for encoding in Encoding::all() {
        codec(encoding);
    }
    println!();
    for (from, to) in [(8000, 16_000), (16_000, 8000), (8000, 48_000), (48_000, 8000), (44_100, 48_000)] {
        let input = sound(from, 1);
        let mut resampler = Resampler::new(from, to).expect("a simple ratio");
        let mut output = Vec::new();
        let best = best(|| {
            output.clear();
            resampler.process(&input, &mut output);
        });
        let longer = input.len().max(output.len()) as f64;
        println!("{from} to {to} Hz: {:.1} ns a sample of the higher rate", best / longer);
    }
    let mut noise = NoiseGenerator::new(1);
    noise.set(&[40, 60, 180, 110, 140, 127, 120, 130, 127, 125, 127]).expect("not empty");
    let mut pcm = vec![0; 160];
    println!("comfort noise: {:.1} ns a sample", best(|| noise.fill(&mut pcm)) / 160.0);
    let mut payload = Vec::new();
    let describe = best(|| {
        payload.clear();
        cn::describe(&pcm, 10, &mut payload);
    });
    println!("description of 20 ms of noise: {describe:.0} ns");
}

fn codec(encoding: Encoding) {
    let mut encoder = Encoder::new(encoding, Settings::default());
    let mut decoder = Decoder::new(encoding, encoder.rate());
    let name = format!("{}/{}", encoding.properties().name, encoder.rate());
    let pcm = sound(encoder.rate(), 50);
    let frame = encoder.rate() as usize / 50;
    let (mut payload, mut back) = (Vec::new(), Vec::new());
    let (mut encode, mut decode, mut lost) = (f64::MAX, f64::MAX, f64::MAX);
    let time = |least: &mut f64, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        *least = least.min(start.elapsed().as_secs_f64() * 1e9 / frame as f64);
    };
    for piece in pcm.chunks_exact(frame).cycle().take(1000) {
        payload.clear();
        back.clear();
        time(&mut encode, &mut || {
            encoder.encode(piece, &mut payload);
        });
        time(&mut decode, &mut || decoder.decode(&payload, &mut back).expect("own payload"));
        if back.len() == frame {
            time(&mut lost, &mut || decoder.conceal(frame, &mut back));
            decoder.decode(&payload, &mut back).expect("own payload");
        }
    }
    println!("{name:<12}{encode:>12.1}{decode:>12.1}{lost:>16.1}");
}

fn best(mut work: impl FnMut()) -> f64 {
    (0..1000)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e9
        })
        .fold(f64::MAX, f64::min)
}

/// Two tones under noise, in frames of 20 ms.
fn sound(rate: u32, frames: u32) -> Vec<i16> {
    let mut chance = 1_u32;
    (0..rate / 50 * frames)
        .map(|at| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let seconds = f64::from(at) / f64::from(rate);
            let tones = 6000.0 * (seconds * 1400.0).sin() + 3000.0 * (seconds * 9100.0).sin();
            (tones + f64::from(chance >> 16) / 64.0) as i16
        })
        .collect()
}
