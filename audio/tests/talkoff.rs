//! Speech: no digit may be heard in it.
//!
//! Half an hour and more is read by synthesisers, where they are installed: `apt-get install espeak-ng flite`, then
//! `cargo test -p telex-audio --test talkoff -- --ignored --nocapture`. `TELEX_SPEECH=DIR` adds the WAV files of a
//! directory.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use telex_audio::dtmf::{Detector, Event};
use telex_audio::resample::Resampler;
use telex_audio::voice::Voice;
use telex_audio::wav;

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

/// Rate and samples of a WAV file.
fn sound(octets: &[u8]) -> Option<(u32, Vec<i16>)> {
    let sound = wav::decode(octets).ok()?;
    Some((sound.format.rate, sound.mono()))
}

/// The digits heard in speech of this rate, as it is, and a tone higher and lower, as other heads would speak it; and
/// the seconds of it.
fn digits(name: &str, from: u32, pcm: &[i16]) -> (Vec<String>, u64) {
    let (mut heard, mut samples) = (Vec::new(), 0);
    for (rate, tenths) in [8000, 16_000].into_iter().flat_map(|rate| [9, 10, 11].map(|tenths| (rate, tenths)))
    {
        let (mut events, mut spoken) = (Vec::new(), Vec::new());
        Resampler::new(from, rate * tenths / 10).expect("rates of small ratios").process(pcm, &mut spoken);
        Detector::new(rate).expect("one of its rates").feed(&spoken, &mut events);
        for event in events {
            if let Event::Press { digit, at } = event {
                let at = at * 1000 / u64::from(rate);
                heard.push(format!("{name}, {tenths}/10 of its length, {rate} Hz: {digit} at {at} ms"));
            }
        }
        samples += if rate == 8000 { spoken.len() as u64 } else { 0 };
    }
    (heard, samples / 8000)
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
        if let Some((rate, pcm)) = sound(&run(Command::new("espeak-ng").args(options))) {
            found.push((format!("espeak-ng {voice}"), rate, pcm));
        }
    }
    for voice in FLITE {
        let file = std::env::temp_dir().join(format!("telex-talkoff-{}-{voice}.wav", std::process::id()));
        let options = ["-voice", voice, "-t", TEXT, "-o"];
        run(Command::new("flite").args(options).arg(&file));
        if let Some((rate, pcm)) = std::fs::read(&file).ok().and_then(|octets| sound(&octets)) {
            found.push((format!("flite {voice}"), rate, pcm));
        }
        std::fs::remove_file(&file).ok();
    }
    let more = std::env::var_os("TELEX_SPEECH").and_then(|dir| std::fs::read_dir(dir).ok());
    for entry in more.into_iter().flatten().flatten() {
        if let Some((rate, pcm)) = std::fs::read(entry.path()).ok().and_then(|octets| sound(&octets)) {
            found.push((entry.path().display().to_string(), rate, pcm));
        }
    }
    found
}

#[test]
#[ignore = "it needs speech synthesisers and minutes"]
fn half_an_hour_of_speech_presses_no_key() {
    let (mut heard, mut seconds) = (Vec::new(), 0);
    for (name, rate, pcm) in voices() {
        let (digits, length) = digits(&name, rate, &pcm);
        heard.extend(digits);
        seconds += length;
        println!("{name}: {seconds} s so far, {} digits", heard.len());
    }
    if seconds == 0 {
        println!("SKIPPED: neither espeak-ng nor flite is installed, and TELEX_SPEECH names no files");
        return;
    }
    assert!(heard.is_empty(), "{}", heard.join("\n"));
    assert!(seconds >= 1800, "only {seconds} s of speech");
}

/// People, from a collection of test data, at several levels, the loudest clipped.
#[test]
fn recorded_speech_presses_no_key_and_is_voice() {
    let folder = std::env::var_os("TELEX_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    for name in ["short_nb_voice.wav", "short_wb_voice.wav"] {
        let Ok(octets) = std::fs::read(folder.join("audio/wav").join(name)) else {
            eprintln!("SKIPPED: no audio/wav/{name} in {}: set TELEX_CORPUS", folder.display());
            continue;
        };
        let (rate, pcm) = sound(&octets).expect("a WAV file");
        for gain in [1, 4, 16, 64] {
            let louder = |&x: &i16| x.saturating_mul(gain) / 4;
            let pcm: Vec<i16> = pcm.iter().map(louder).collect();
            assert_eq!(digits(name, rate, &pcm).0, [""; 0], "at {gain}/4");
        }
        let mut voice = Voice::new(rate);
        let frames: Vec<bool> = pcm.chunks(rate as usize / 50).map(|frame| voice.feed(frame)).collect();
        let share = frames.iter().filter(|&&voice| voice).count() * 100 / frames.len();
        println!("{name}: {share} % of {} frames are voice", frames.len());
        assert!((40..=98).contains(&share), "{name}: {share} % is voice");
    }
}
