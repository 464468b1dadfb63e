use super::*;
use proptest::prelude::*;
use std::f64::consts::TAU;

const TELEPHONY: [u32; 5] = [8000, 16_000, 24_000, 32_000, 48_000];
const FILES: [u32; 3] = [11_025, 22_050, 44_100];

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    let all = || TELEPHONY.into_iter().chain(FILES);
    all().flat_map(move |from| all().map(move |to| (from, to)))
}

fn tone(rate: u32, hertz: f64, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|at| (10_000.0 * (at as f64 * hertz * TAU / f64::from(rate)).sin()).round() as i16)
        .collect()
}

fn resampled(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
    let mut output = Vec::new();
    Resampler::new(from, to).expect("a simple ratio").process(input, &mut output);
    output
}

/// How loud a frequency is in it, relative to the tone above, in decibels, under a window that hides the ends.
fn level(sound: &[i16], rate: u32, hertz: f64) -> f64 {
    let (mut re, mut im, mut weights) = (0.0, 0.0, 0.0);
    for (at, &sample) in sound.iter().enumerate() {
        let place = TAU * (at as f64 + 0.5) / sound.len() as f64;
        // Blackman and Harris: its skirts are 92 dB down.
        let window =
            0.35875 - 0.48829 * place.cos() + 0.14128 * (2.0 * place).cos() - 0.01168 * (3.0 * place).cos();
        let angle = at as f64 * hertz * TAU / f64::from(rate);
        re += window * f64::from(sample) * angle.cos();
        im += window * f64::from(sample) * angle.sin();
        weights += window;
    }
    20.0 * ((re * re + im * im).sqrt() * 2.0 / weights / 10_000.0).log10()
}

/// Everything that is in it, in the same decibels.
fn loudness(sound: &[i16]) -> f64 {
    let energy: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    10.0 * (energy / sound.len() as f64 * 2.0 / 1e8).max(1e-12).log10()
}

/// Tones of the pass band keep their level to a tenth of a decibel, and all else that comes out, images and rounding
/// together, is 60 dB below them.
#[test]
fn the_pass_band_is_flat_and_alone() {
    for (from, to) in pairs().filter(|(from, to)| from != to) {
        let half = f64::from(from.min(to)) / 2.0;
        for part in [0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.86, 0.875] {
            let hertz = half * part;
            let output = resampled(from, to, &tone(from, hertz, from as usize / 4));
            let settled = &output[to as usize / 20..];
            let kept = level(settled, to, hertz);
            assert!(kept.abs() < 0.1, "{from} to {to}, {hertz} Hz: {kept:.2} dB");
            // What is left when the tone is taken out.
            let left: Vec<i16> = without(settled, to, hertz);
            assert!(loudness(&left) < -60.0, "{from} to {to}, {hertz} Hz leaves {:.1} dB", loudness(&left));
        }
    }
}

/// The sound less the tone of this frequency that fits it best.
fn without(sound: &[i16], rate: u32, hertz: f64) -> Vec<i16> {
    let angle = |at: usize| (at as f64 * hertz * TAU / f64::from(rate)).sin_cos();
    let (mut ss, mut sc, mut cc, mut sy, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, &sample) in sound.iter().enumerate() {
        let ((sin, cos), y) = (angle(at), f64::from(sample));
        (ss, sc, cc, sy, cy) = (ss + sin * sin, sc + sin * cos, cc + cos * cos, sy + sin * y, cy + cos * y);
    }
    let by = ss * cc - sc * sc;
    let (a, b) = ((sy * cc - cy * sc) / by, (cy * ss - sy * sc) / by);
    let fits = |(at, &sample): (usize, &i16)| {
        let (sin, cos) = angle(at);
        (f64::from(sample) - a * sin - b * cos).round() as i16
    };
    sound.iter().enumerate().map(fits).collect()
}

/// A tone that the lower rate cannot carry does not come back as another.
#[test]
fn what_cannot_be_carried_is_gone() {
    for (from, to) in pairs().filter(|(from, to)| from > to) {
        let (carried, half) = (f64::from(to) / 2.0, f64::from(from) / 2.0);
        for part in [0.0, 0.05, 0.2, 0.5, 0.99] {
            let hertz = carried * 1.03 + (half - carried * 1.03) * part;
            if hertz >= half {
                continue;
            }
            let output = resampled(from, to, &tone(from, hertz, from as usize / 4));
            let heard = loudness(&output[to as usize / 20..]);
            assert!(heard < -60.0, "{from} to {to}, {hertz} Hz: {heard:.1} dB");
        }
    }
}

/// A pulse comes out where `delay` says.
#[test]
fn the_delay_is_as_stated() {
    for (from, to) in pairs() {
        let mut input = vec![0; from as usize / 10];
        let at = from as usize / 25;
        input[at] = 20_000;
        let output = resampled(from, to, &input);
        let loudest = (0..output.len()).max_by_key(|&at| output[at].unsigned_abs()).unwrap();
        let expected = at * to as usize / from as usize + Resampler::new(from, to).unwrap().delay();
        assert!(loudest.abs_diff(expected) <= 1, "{from} to {to}: {loudest}, not {expected}");
    }
}

#[test]
fn nothing_drifts() {
    for (from, to) in [(8000, 48_000), (48_000, 8000), (44_100, 8000), (8000, 11_025), (16_000, 24_000)] {
        let mut resampler = Resampler::new(from, to).unwrap();
        let (mut inputs, mut outputs, mut sound) = (0_u64, 0_u64, Vec::new());
        // As many inputs as half a minute has, in packets that are no whole number of outputs.
        for samples in (1..).map(|number| 1 + number * 37 % 400).take(30 * from as usize / 200) {
            sound.clear();
            let told = resampler.outputs(samples);
            resampler.process(&vec![1000; samples], &mut sound);
            assert_eq!(sound.len(), told);
            inputs += samples as u64;
            outputs += sound.len() as u64;
            assert_eq!(outputs, (inputs * u64::from(to)).div_ceil(u64::from(from)));
        }
        // A constant is the same constant in every part.
        assert!(sound.iter().all(|&sample| sample == 1000), "{from} to {to}");
    }
}

/// Sums of 32 bits hold whatever comes.
#[test]
fn the_loudest_fits() {
    for (from, to) in pairs().filter(|(from, to)| from != to) {
        let resampler = Resampler::new(from, to).unwrap();
        for taps in resampler.taps.chunks(resampler.width) {
            assert!(taps.iter().map(|&tap| i32::from(tap).abs()).sum::<i32>() < 65_535, "{from} to {to}");
        }
        let square: Vec<i16> =
            (0..2000).map(|at| if at / 7 % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
        resampled(from, to, &square);
    }
}

#[test]
fn odd_ratios_are_refused() {
    assert!(Resampler::new(8000, 47_999).is_none());
    assert!(Resampler::new(0, 8000).is_none());
    assert!(Resampler::new(8000, u32::MAX).is_none());
    assert!(Resampler::new(96_000, 11_025).is_some());
    assert_eq!(resampled(8000, 8000, &[1, 2, 3]), [1, 2, 3]);
}

proptest! {
    /// How the input is cut does not matter.
    #[test]
    fn cuts_do_not_matter(
        pair in prop::sample::select(pairs().collect::<Vec<_>>()),
        input in prop::collection::vec(any::<i16>(), 0..3000),
        cut in 0_usize..3000,
    ) {
        let cut = cut.min(input.len());
        let mut resampler = Resampler::new(pair.0, pair.1).unwrap();
        let mut parts = Vec::new();
        resampler.process(&input[..cut], &mut parts);
        resampler.process(&input[cut..], &mut parts);
        prop_assert_eq!(resampled(pair.0, pair.1, &input), parts);
    }
}
