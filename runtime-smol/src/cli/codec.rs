//! `telex codec test`: what each codec makes of a file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use telex_audio::codec::{Decoder, Encoded, Encoder, Encoding, Settings};

use super::print;
use crate::sound::{Converter, Feed, SoundFile, Source};

/// Sound in a frame, in milliseconds.
const FRAME_MS: u32 = 20;
/// Furthest that a codec may lag behind, in milliseconds.
const LAG_MS: u32 = 60;
/// Longest sound that is looked through for the lag, in milliseconds.
const LOOK_MS: u32 = 4000;

/// Try codecs on files.
#[derive(Debug, Subcommand)]
pub(super) enum Codec {
    Test(Test),
}

/// Encode a file with every codec and decode it again: size, likeness, time.
///
/// The file is brought to the rate of each codec first, so what that takes away does not count. SNR compares samples
/// after the best alignment: right for codecs that keep the wave (PCMU, PCMA, G722, L16); those that model speech
/// (GSM, G729, speex, opus at low rates) sound better than it says.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The file.
    file: PathBuf,
    /// Only this codec.
    #[arg(long, value_name = "NAME")]
    codec: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What a codec made of a file.
#[derive(Debug)]
struct Outcome {
    encoding: Encoding,
    rate: u32,
    frames: u64,
    pcm_octets: u64,
    octets: u64,
    snr: Option<f64>,
    lag: Duration,
    encode: Duration,
    decode: Duration,
}

/// Runs the command.
pub(super) fn main(command: &Codec) -> Result<(), String> {
    let Codec::Test(options) = command;
    let chosen: Vec<Encoding> = match &options.codec {
        None => Encoding::all().collect(),
        Some(name) => vec![Encoding::from_name(name).ok_or_else(|| {
            format!("codec {name:?} is not known; known are {}", super::rtp::codec_names())
        })?],
    };
    let file = SoundFile::open(&options.file)?;
    let (rate, what) = (file.rate(), file.describe());
    let (pcm, source) = Feed::new(Source::File { file, again: false }, rate)?.rest()?;
    for warning in source.warnings() {
        super::tell(&warning);
    }
    if pcm.is_empty() {
        return Err(format!("{} has no sound in it", options.file.display()));
    }
    let seconds = pcm.len() as f64 / f64::from(rate);
    let outcomes: Result<Vec<Outcome>, String> = chosen.iter().map(|e| test(*e, &pcm, rate)).collect();
    let outcomes = outcomes?;
    print(&if options.json {
        let codecs: Vec<Value> = outcomes.iter().map(Outcome::document).collect();
        format!("{:#}\n", json!({"input": what, "seconds": seconds, "codecs": codecs}))
    } else {
        table(&format!("Input: {what}, {seconds:.2} seconds"), &outcomes)
    });
    Ok(())
}

fn test(encoding: Encoding, pcm: &[i16], rate: u32) -> Result<Outcome, String> {
    let mut encoder = Encoder::new(encoding, Settings::default());
    let own = encoder.rate();
    let mut converter = Converter::new(rate, own)?;
    let mut input = Vec::new();
    converter.process(pcm, &mut input);
    converter.finish(&mut input);
    let samples = input.len();
    let frame = (own * FRAME_MS / 1000).next_multiple_of(encoding.properties().frame) as usize;
    input.resize(samples.next_multiple_of(frame), 0);

    let (mut payloads, mut ends) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for piece in input.chunks_exact(frame) {
        let sent = encoder.encode(piece, &mut payloads) != Encoded::Nothing;
        ends.push((payloads.len(), sent));
    }
    let encode = start.elapsed();

    let mut decoder = Decoder::new(encoding, own);
    let mut output = Vec::with_capacity(input.len());
    let mut from = 0;
    let start = Instant::now();
    for (end, sent) in &ends {
        let payload = payloads.get(from..*end).unwrap_or_default();
        if *sent {
            decoder
                .decode(payload, &mut output)
                .map_err(|e| format!("{}: {e}", encoding.properties().name))?;
        } else {
            decoder.conceal(frame, &mut output);
        }
        from = *end;
    }
    let decode = start.elapsed();
    let most = (own * LAG_MS / 1000) as usize;
    let lag = align(&input, &output, most, (own * LOOK_MS / 1000) as usize);
    Ok(Outcome {
        encoding,
        rate: own,
        frames: ends.len() as u64,
        pcm_octets: 2 * input.len() as u64,
        octets: payloads.len() as u64,
        snr: ratio(&input, output.get(lag..).unwrap_or_default()),
        lag: Duration::from_secs_f64(lag as f64 / f64::from(own)),
        encode,
        decode,
    })
}

/// By how many samples `output` lags behind `input`: where they are most alike, looking at `look` samples from where
/// it is loudest on.
fn align(input: &[i16], output: &[i16], most: usize, look: usize) -> usize {
    let power = |pcm: &[i16]| pcm.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>();
    let starts = (0..input.len().saturating_sub(look + most).max(1)).step_by((look / 2).max(1));
    let loudest = |a: &usize, b: &usize| {
        let of = |at: usize| power(&input[at..(at + look).min(input.len())]);
        of(*a).total_cmp(&of(*b))
    };
    let start = starts.max_by(loudest).unwrap_or(0);
    let piece = &input[start..(start + look).min(input.len())];
    let likeness = |lag: &usize| {
        let shifted = output.get(start + lag..).unwrap_or_default();
        piece.iter().zip(shifted).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
    };
    (0..=most).map(|lag| (lag, likeness(&lag))).max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(lag, _)| lag)
}

/// Signal to noise in decibels; `None` when there is no noise at all.
fn ratio(input: &[i16], output: &[i16]) -> Option<f64> {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (&a, &b) in input.iter().zip(output) {
        let (a, b) = (f64::from(a), f64::from(b));
        signal += a * a;
        noise += (a - b) * (a - b);
    }
    (noise > 0.0).then(|| 10.0 * (signal.max(1e-9) / noise).log10())
}

impl Outcome {
    /// Microseconds of a frame.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.frames.max(1) as f64
    }

    fn compression(&self) -> f64 {
        self.pcm_octets as f64 / self.octets.max(1) as f64
    }

    fn document(&self) -> Value {
        let round = |x: f64| (x * 100.0).round() / 100.0;
        json!({
            "codec": self.encoding.properties().name, "rate": self.rate, "octets": self.octets,
            "pcm_octets": self.pcm_octets, "ratio": round(self.compression()), "snr_db": self.snr.map(round),
            "lag_ms": round(self.lag.as_secs_f64() * 1000.0), "frames": self.frames,
            "encode_us": round(self.each(self.encode)), "decode_us": round(self.each(self.decode)),
        })
    }
}

/// In words, as far as a number can tell.
fn verdict(snr: f64) -> &'static str {
    match snr {
        30.0.. => "excellent",
        20.0.. => "good",
        10.0.. => "fair",
        _ => "wave not kept",
    }
}

fn table(title: &str, outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{title}\n{:<6} {:>6}  {:>9}  {:>9}  {:>6}  {:<26}  {:>8}  {:>9}  {:>9}\n",
        "Codec", "Rate", "PCM bytes", "Bytes", "Ratio", "SNR", "Lag ms", "Encode us", "Decode us"
    );
    for o in outcomes {
        let snr = match o.snr {
            Some(snr) => format!("{snr:.1} dB ({})", verdict(snr)),
            None => "no difference".to_owned(),
        };
        text += &format!(
            "{:<6} {:>6}  {:>9}  {:>9}  {:>4.1}:1  {snr:<26}  {:>8.2}  {:>9.1}  {:>9.1}\n",
            o.encoding.properties().name,
            o.rate,
            o.pcm_octets,
            o.octets,
            o.compression(),
            o.lag.as_secs_f64() * 1000.0,
            o.each(o.encode),
            o.each(o.decode),
        );
    }
    text + &format!("Times are per {FRAME_MS} ms on this machine, in this build.\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::Tone;

    fn tone(rate: u32) -> Vec<i16> {
        let mut pcm = Vec::new();
        Tone::new(440.0, rate).read(rate as usize, &mut pcm);
        pcm
    }

    #[test]
    fn known_codecs_have_known_figures() {
        let pcm = tone(8000);
        let mu = test(Encoding::Pcmu, &pcm, 8000).unwrap();
        assert_eq!((mu.octets, mu.pcm_octets, mu.frames, mu.lag), (8000, 16_000, 50, Duration::ZERO));
        assert!((33.0..42.0).contains(&mu.snr.unwrap()), "{:?}", mu.snr);
        let linear = test(Encoding::L16 { rate: 8000 }, &pcm, 8000).unwrap();
        assert_eq!((linear.snr, linear.octets), (None, 16_000));
        let wide = test(Encoding::G722, &tone(16_000), 16_000).unwrap();
        assert_eq!(wide.octets, 8000);
        // Its filters delay by 22 samples.
        assert!((wide.lag.as_secs_f64() * 16_000.0 - 22.0).abs() < 1.5, "{:?}", wide.lag);
    }

    #[test]
    fn a_lag_is_found() {
        let mut noise = 1_u32;
        let mut draw = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 17) as i16 - 8192
        };
        let input: Vec<i16> = (0..4000).map(|_| draw()).collect();
        let output = [vec![7; 123], input.clone()].concat();
        assert_eq!(align(&input, &output, 480, 1000), 123);
        assert_eq!(ratio(&input, &output[123..]), None);
    }
}
