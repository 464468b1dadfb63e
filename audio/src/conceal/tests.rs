use super::*;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const _: () = assert!(size_of::<Concealment>() <= 64);

/// Sounds with and without losses as ITU-T G.191 has them, and speech, if they are at hand.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TELEX_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = folder.join("audio");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no sounds at {}: set TELEX_CORPUS", folder.display());
    None
}

fn words(folder: &Path, name: &str) -> Vec<i16> {
    let octets = std::fs::read(folder.join(name)).expect(name);
    octets.as_chunks::<2>().0.iter().map(|&octets| i16::from_le_bytes(octets)).collect()
}

/// A stream in frames of 10 ms, of which some are lost.
fn with_losses(rate: u32, sound: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut concealment = Concealment::new(rate);
    let mut out = Vec::new();
    for (number, frame) in sound.chunks(rate as usize / 100).enumerate() {
        if lost(number) {
            concealment.conceal(frame.len(), &mut out);
        } else {
            let start = out.len();
            out.extend_from_slice(frame);
            concealment.received(&mut out[start..]);
        }
    }
    out
}

fn energy(sound: impl Iterator<Item = f64>) -> f64 {
    sound.map(|sample| sample * sample).sum()
}

/// Decibels by which `sound` is above its difference from `other`.
fn likeness(sound: &[i16], other: &[i16]) -> f64 {
    let error = energy(sound.iter().zip(other).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    10.0 * (energy(sound.iter().map(|&a| f64::from(a))).max(1.0) / error.max(1.0)).log10()
}

/// The mean of it over some frames of 10 ms that are not silent.
fn segmental(sound: &[i16], other: &[i16], frames: impl Fn(usize) -> bool) -> f64 {
    let all = sound.chunks(80).zip(other.chunks(80)).enumerate();
    let each: Vec<f64> = all
        .filter(|(number, (sound, _))| {
            frames(*number) && energy(sound.iter().map(|&a| f64::from(a))) > 80.0 * 10_000.0
        })
        .map(|(_, (sound, other))| likeness(sound, other).clamp(-10.0, 35.0))
        .collect();
    each.iter().sum::<f64>() / each.len() as f64
}

/// A voice of a synthetic kind: pulses of 8 ms that ring.
fn voice(rate: u32, samples: usize) -> Vec<i16> {
    let period = rate as usize / 125;
    (0..samples)
        .map(|at| {
            let seconds = (at % period) as f64 / f64::from(rate);
            (9000.0 * (-seconds * 250.0).exp() * (seconds * 600.0 * std::f64::consts::TAU).sin()) as i16
        })
        .collect()
}

/// What Appendix I's own program makes of a voice with one and two frames of ten lost, and what this makes of it, are
/// much alike; and this is as near to the voice as that.
#[test]
fn it_sounds_like_appendix_i() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("g711-plc");
    let sound = words(&folder, "f2.le");
    let one = |number: usize| number % 10 == 9;
    let two = |number: usize| number % 20 >= 18;
    for (name, lost) in [("f2_10.raw", one as fn(usize) -> bool), ("f2_10_2.raw", two)] {
        let theirs = words(&folder, name);
        let ours = with_losses(8000, &sound, lost);
        let alike = segmental(&theirs, &ours, lost);
        let (near, as_near) = (segmental(&sound, &ours, lost), segmental(&sound, &theirs, lost));
        println!("{name}: {alike:.1} dB alike; {near:.2} and {as_near:.2} dB from the voice");
        assert!(alike > 15.0 && near > as_near - 0.3, "{name}: {alike} {near} {as_near}");
        // What is neither lost nor faded into is not touched.
        let untouched = |number: usize| !lost(number) && (number == 0 || !lost(number - 1));
        assert!(sound.chunks(80).zip(ours.chunks(80)).enumerate().all(|(n, (a, b))| !untouched(n) || a == b));
    }
}

#[test]
fn what_is_not_lost_is_not_touched() {
    let sound = voice(16_000, 5000);
    assert_eq!(with_losses(16_000, &sound, |_| false), sound);
}

/// The first 10 ms that are missing of a periodic sound are it, at every rate.
#[test]
fn a_steady_voice_goes_on() {
    for rate in [8000, 11_025, 16_000, 24_000, 32_000, 44_100, 48_000] {
        let sound = voice(rate, rate as usize);
        let frame = rate as usize / 100;
        let out = with_losses(rate, &sound, |number| number == 50);
        let lost = 50 * frame..51 * frame;
        let like = likeness(&sound[lost.clone()], &out[lost]);
        // Where 8 ms are no whole number of samples the phase drifts by a part of one in each period.
        let least = if rate % 125 == 0 { 40.0 } else { 15.0 };
        assert!(like > least, "{rate} Hz: {like:.1} dB");
    }
}

/// Full level for 10 ms, then 20 % less in each, nothing after 60 ms; and the sound comes back without a jump.
#[test]
fn a_long_gap_fades_out_and_in() {
    let sound = voice(8000, 8000);
    let out = with_losses(8000, &sound, |number| (40..60).contains(&number));
    let level =
        |at: usize| out[80 * at..80 * (at + 1)].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    let full = f64::from(level(39));
    for (step, least, most) in
        [(0, 0.99, 1.01), (1, 0.8, 1.01), (2, 0.6, 0.81), (3, 0.4, 0.61), (4, 0.2, 0.41), (5, 0.0, 0.21)]
    {
        let part = f64::from(level(40 + step)) / full;
        assert!((least..=most).contains(&part), "{part} in step {step}");
    }
    assert!(out[80 * 46..80 * 60].iter().all(|&sample| sample == 0));
    let jump = |sound: &[i16]| sound.windows(2).map(|pair| pair[1].abs_diff(pair[0])).max().unwrap();
    assert!(jump(&out) <= jump(&sound) + 1);
    assert_eq!(out[80 * 61..], sound[80 * 61..]);
}

/// Where the period does not fit the sound there is a step at the seam; it is taken away.
#[test]
fn there_is_no_click_at_the_seam() {
    // A tone that doubles with each period, starting again each 40 ms: its repetition never fits.
    let sound: Vec<i16> = (0..8000)
        .map(|at| {
            let growth = 2_f64.powf(f64::from(at % 320) / 64.0);
            (400.0 * growth * (f64::from(at) * std::f64::consts::TAU / 64.0).cos()) as i16
        })
        .collect();
    for lost in 10..40 {
        let out = with_losses(8000, &sound, |number| number == lost);
        let jump = |sound: &[i16]| {
            let near = sound[80 * lost - 2..80 * lost + 2].windows(2);
            near.map(|pair| pair[1].abs_diff(pair[0])).max().unwrap()
        };
        assert!(jump(&out) <= 2 * jump(&sound) + 50, "frame {lost}: {} {}", jump(&out), jump(&sound));
    }
}

#[test]
fn nothing_is_made_of_nothing() {
    let mut out = Vec::new();
    Concealment::new(8000).conceal(1000, &mut out);
    assert_eq!(out, [0; 1000]);
}

/// One that loses packets of `of` samples whenever a bit of the mask is set.
fn lossy(rate: u32, sound: &[i16], of: usize, mask: u32) -> (Vec<i16>, usize) {
    let mut concealment = Concealment::new(rate);
    let reserved = concealment.sound.capacity();
    let mut out = Vec::new();
    for (number, packet) in sound.chunks(of).enumerate() {
        let start = out.len();
        if mask >> (number % 32) & 1 == 1 {
            concealment.conceal(packet.len(), &mut out);
        } else {
            out.extend_from_slice(packet);
            concealment.received(&mut out[start..]);
        }
        assert_eq!(out.len(), start + packet.len());
    }
    assert_eq!(concealment.sound.capacity(), reserved, "it grew");
    (out, concealment.sound.len())
}

proptest! {
    /// Whatever is lost in packets of any length: as many samples come out, memory does not grow, and nothing is louder
    /// than what was heard by more than the seam.
    #[test]
    fn any_loss(
        rate in prop::sample::select(vec![1, 8000, 11_025, 16_000, 22_050, 44_100, 48_000, 4_000_000]),
        sound in prop::collection::vec(any::<i16>(), 1..4000),
        of in 1_usize..1500,
        mask in any::<u32>(),
    ) {
        let (out, _) = lossy(rate, &sound, of, mask);
        prop_assert_eq!(out.len(), sound.len());
    }

    /// How a gap and what follows are cut does not matter.
    #[test]
    fn cuts_do_not_matter(before in 300_usize..2000, gap in 2_usize..1400, cut in 1_usize..1400, after in 1_usize..200) {
        let sound = voice(16_000, 4000);
        let cut = cut.min(gap - 1);
        let run = |gaps: &[usize], pieces: &[usize]| {
            let mut concealment = Concealment::new(16_000);
            let mut out = sound[..before].to_vec();
            concealment.received(&mut out);
            gaps.iter().for_each(|&gap| concealment.conceal(gap, &mut out));
            for &piece in pieces {
                let start = out.len();
                out.extend_from_slice(&sound[start..start + piece]);
                concealment.received(&mut out[start..]);
            }
            (out, concealment)
        };
        prop_assert!(run(&[gap], &[400]) == run(&[cut, gap - cut], &[after, 400 - after]));
    }
}
