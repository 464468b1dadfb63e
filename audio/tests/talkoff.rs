//! Half an hour of speech: no digit may be heard in it.
//!
//! The voices are synthesisers, where they are installed: `apt-get install espeak-ng flite`, then
//! `cargo test -p telex-audio --test talkoff -- --ignored --nocapture`. `TELEX_SPEECH=DIR` adds the WAV files of a
//! directory (16 bit, mono).

use std::f64::consts::PI;
use std::process::{Command, Stdio};
use telex_audio::dtmf::{Detector, Event};

/// Words in every mood of the mouth, with names and numbers as people say them to an exchange.
const TEXT: &str = "\
    Good morning, you are speaking to the front desk. How may I help you? One moment, I will put you through to sales. \
    Please hold the line, all of our agents are busy at the moment. Could you spell your surname for me? \
    That is Bravo, Echo, Lima, India, Oscar, Uniform. My number is four seven one, double three, nine eight six two. \
    Yes, she is out for lunch and will be back around a quarter past two. We shipped seven boxes on Thursday evening. \
    No, no, no! That is not what I ordered at all. Whose umbrella was it that you found under the piano? \
    The rain in the valley usually eases before noon, they say. He whistled a low tune and walked through the hall. \
    I owe you eighty euros and fifty cents. Ooh, that would be lovely, thank you ever so much. Who knew you flew, too? \
    Leave a message after the tone, and somebody will ring you back. Meet me near the blue church, by the old mill. \
    The engine hums, the wheels squeal, and the whole bus moves uphill slowly. Are you all right over there? Hello? \
    You and I owe a year's wages, Wayne. Moo, said the cow, and the new moon grew. Aha! Eureka, I really mean it. \
    Our opening hours are nine to five, Monday to Friday, and ten to one on Saturday. Oh, I see. Mm, I do not know. \
    Would you mind repeating that a little louder? The line is awful. I am going through a tunnel, I may lose you. \
    Zero, one, two, three, four, five, six, seven, eight, nine, star, hash. Bye now, bye bye, see you soon! ";

/// Voices of both programs, with pitch 0 to 99 and words per minute for the first.
const ESPEAK: [(&str, &str, &str); 10] = [
    ("en-us+m1", "35", "150"),
    ("en-gb+m3", "20", "170"),
    ("en-us+f1", "60", "160"),
    ("en-gb+f2", "80", "140"),
    ("en-us+f5", "95", "180"),
    ("de+m2", "50", "150"),
    ("de+f4", "70", "130"),
    ("fr+f5", "65", "150"),
    ("es+m5", "30", "160"),
    ("it+f1", "90", "150"),
];
const FLITE: [&str; 4] = ["kal16", "awb", "rms", "slt"];

/// Rate and samples of a WAV file of 16 bits.
fn wav(octets: &[u8]) -> Option<(u32, Vec<i16>)> {
    let rate = u32::from_le_bytes(octets.get(24..28)?.try_into().ok()?);
    let samples = octets.get(44..)?.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    Some((rate, samples.collect()))
}

/// Another rate, by a windowed sinc of 32 crossings.
fn resampled(pcm: &[i16], from: u32, to: u32) -> Vec<i16> {
    const PHASES: usize = 64;
    let cut = (f64::from(to) / f64::from(from)).min(1.0) * 0.92;
    let half = (16.0 / cut) as usize;
    let tap = |phase: usize, k: usize| {
        let x = k as f64 - (half - 1) as f64 - phase as f64 / PHASES as f64;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x * cut).sin() / (PI * x * cut) };
        sinc * cut * (0.5 + 0.5 * (PI * x / half as f64).cos())
    };
    let filters: Vec<Vec<f64>> =
        (0..PHASES).map(|phase| (0..2 * half).map(|k| tap(phase, k)).collect()).collect();
    let step = f64::from(from) / f64::from(to);
    let count = (pcm.len().saturating_sub(2 * half + 1) as f64 / step) as usize;
    let at = |n: usize| {
        let place = n as f64 * step;
        let filter = &filters[(place.fract() * PHASES as f64) as usize];
        let sum: f64 = pcm[place as usize..].iter().zip(filter).map(|(&x, w)| f64::from(x) * w).sum();
        sum.clamp(-32_768.0, 32_767.0) as i16
    };
    (0..count).map(at).collect()
}

/// Everything that can be had: names and sound.
fn voices() -> Vec<(String, u32, Vec<i16>)> {
    let mut found = Vec::new();
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
        output.map(|output| output.stdout).unwrap_or_default()
    };
    for (voice, pitch, speed) in ESPEAK {
        let text = TEXT.repeat(2);
        let options = ["-v", voice, "-p", pitch, "-s", speed, "--stdout", &text];
        if let Some((rate, pcm)) = wav(&run(Command::new("espeak-ng").args(options))) {
            found.push((format!("espeak-ng {voice}"), rate, pcm));
        }
    }
    for voice in FLITE {
        let file = std::env::temp_dir().join(format!("telex-talkoff-{}-{voice}.wav", std::process::id()));
        let options = ["-voice", voice, "-t", TEXT, "-o"];
        run(Command::new("flite").args(options).arg(&file));
        if let Some((rate, pcm)) = std::fs::read(&file).ok().and_then(|octets| wav(&octets)) {
            found.push((format!("flite {voice}"), rate, pcm));
        }
        std::fs::remove_file(&file).ok();
    }
    let more = std::env::var_os("TELEX_SPEECH").and_then(|dir| std::fs::read_dir(dir).ok());
    for entry in more.into_iter().flatten().flatten() {
        if let Some((rate, pcm)) = std::fs::read(entry.path()).ok().and_then(|octets| wav(&octets)) {
            found.push((entry.path().display().to_string(), rate, pcm));
        }
    }
    found
}

#[test]
#[ignore = "it needs speech synthesisers and minutes"]
fn half_an_hour_of_speech_presses_no_key() {
    let (mut heard, mut seconds) = (Vec::new(), 0.0);
    for (name, from, pcm) in voices() {
        // As it is, and a tone higher and lower, as other heads would speak it.
        for stretch in [100, 89, 113] {
            for rate in [8000, 16_000] {
                let pcm = resampled(&pcm, from * stretch / 100, rate);
                let mut events = Vec::new();
                Detector::new(rate).unwrap().feed(&pcm, &mut events);
                for event in events {
                    if let Event::Press { digit, at } = event {
                        heard.push(format!(
                            "{name} {stretch} {rate} Hz: {digit} at {} ms",
                            at * 1000 / u64::from(rate)
                        ));
                    }
                }
                seconds += if rate == 8000 { pcm.len() as f64 / 8000.0 } else { 0.0 };
            }
        }
        println!("{name}: {seconds:.0} s so far, {} digits", heard.len());
    }
    if seconds == 0.0 {
        println!("SKIPPED: neither espeak-ng nor flite is installed, and TELEX_SPEECH names no files");
        return;
    }
    println!("{:.1} minutes, each at 8000 and 16,000 Hz", seconds / 60.0);
    assert!(heard.is_empty(), "{}", heard.join("\n"));
    assert!(seconds >= 1800.0, "only {seconds} s of speech");
}
