//! `telex transcode`: from one codec to another, file to file.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use telex_audio::codec::opus::RATES;
use telex_audio::codec::{Decoder, Encoded, Encoder, Encoding, Settings};
use telex_audio::ogg;
use telex_audio::trim::Trimmer;
use telex_audio::wav::{Layout, Store};

use super::print;
use crate::sound::{Converter, Feed, SoundFile, Source};

/// Sound worked on at once, in milliseconds.
const PIECE_MS: u32 = 20;

/// Turn a file of one codec into a file of another.
///
/// A file whose name ends in .wav, or in the ending of another known kind, says itself what it is; OUT may be .opus or
/// .ogg, too, with --to opus. All others are
/// raw: the octets of one codec without any header. Raw files of `pcm` are 16-bit samples, least significant octet
/// first, at --rate.
#[derive(Debug, Args)]
pub(super) struct Transcode {
    /// What a raw input is: a codec, or pcm.
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// What is wanted: a codec, or pcm. WAV files can hold pcm, pcma and pcmu, Ogg files opus.
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Samples per second of pcm, on whichever side it is [default: 8000, or those of the other side].
    #[arg(long, value_name = "HERTZ", value_parser = clap::value_parser!(u32).range(1000..=384_000))]
    rate: Option<u32>,
    /// Cut pauses down to so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    trim: Option<u32>,
    /// The input.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The output.
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// What a raw file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// 16-bit samples, least significant octet first.
    Pcm,
    Coded(Encoding),
}

impl Kind {
    fn named(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("pcm") {
            return Ok(Self::Pcm);
        }
        let known = || format!("codec {name:?} is not known; known are pcm, {}", super::rtp::codec_names());
        Encoding::from_name(name).map(Self::Coded).ok_or_else(known)
    }

    /// Octets of a piece of a raw file; `None` when they are not always as many.
    fn piece(self) -> Option<usize> {
        let Self::Coded(encoding) = self else { return Some(2) };
        let properties = encoding.properties();
        let octets = properties.bits as usize * PIECE_MS as usize / 8000;
        let samples = Decoder::new(encoding, properties.rate).samples(&vec![0; octets]);
        (samples == Some((properties.rate * PIECE_MS / 1000) as usize)).then_some(octets)
    }
}

/// Runs the command.
pub(super) fn main(options: &Transcode) -> Result<(), String> {
    let to = Kind::named(&options.to)?;
    if options.input == options.output {
        return Err("input and output are the same file".to_owned());
    }
    let (pcm, rate) = read(options)?;
    let mut kept = pcm;
    if let Some(seconds) = options.trim {
        kept = trim(&kept, rate, seconds);
    }
    let wanted = match to {
        Kind::Pcm => options.rate.unwrap_or(rate),
        // It takes several.
        Kind::Coded(Encoding::Opus) if RATES.contains(&rate) => rate,
        Kind::Coded(encoding) => encoding.properties().rate,
    };
    let mut converter = Converter::new(rate, wanted)?;
    let mut converted = Vec::new();
    converter.process(&kept, &mut converted);
    converter.finish(&mut converted);
    let file = if has_ending(&options.output, "wav") {
        wav(to, &converted, wanted)?
    } else if has_ending(&options.output, "opus") || has_ending(&options.output, "ogg") {
        ogg(to, &converted, wanted)?
    } else {
        raw(to, converted)?
    };
    let failed = |e| format!("cannot write {}: {e}", options.output.display());
    fs::write(&options.output, &file).map_err(failed)?;
    let rates = if rate == wanted { String::new() } else { format!(" ({rate} Hz -> {wanted} Hz)") };
    print(&format!("Transcoded {} samples{rates}\n", kept.len()));
    Ok(())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// The samples of the input, and how many there are in a second.
fn read(options: &Transcode) -> Result<(Vec<i16>, u32), String> {
    let path = &options.input;
    if SoundFile::is_named(path) {
        let file = SoundFile::open(path)?;
        let rate = file.rate();
        let (pcm, source) = Feed::new(Source::File { file, again: false }, rate)?.rest()?;
        for warning in source.warnings() {
            super::tell(&warning);
        }
        return Ok((pcm, rate));
    }
    let from = options.from.as_ref().ok_or_else(|| {
        format!("{} is raw, by its name: say what it is with --from, for example --from pcmu", path.display())
    })?;
    let kind = Kind::named(from)?;
    let octets = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let piece =
        kind.piece().ok_or_else(|| format!("{from} cannot be read raw: its packets have no fixed length"))?;
    let mut pcm = Vec::new();
    match kind {
        Kind::Pcm => pcm.extend(octets.as_chunks::<2>().0.iter().map(|&word| i16::from_le_bytes(word))),
        Kind::Coded(encoding) => {
            let mut decoder = Decoder::new(encoding, encoding.properties().rate);
            for payload in octets.chunks(piece) {
                // The last piece may be shorter; what is no whole frame is said below.
                if decoder.decode(payload, &mut pcm).is_err() {
                    super::tell(&format!(
                        "{}: its last {} octets are no whole frame",
                        path.display(),
                        payload.len()
                    ));
                }
            }
        }
    }
    let rate = match kind {
        Kind::Pcm => options.rate.unwrap_or(8000),
        Kind::Coded(encoding) => encoding.properties().rate,
    };
    Ok((pcm, rate))
}

/// The same without what is too long of pauses.
fn trim(pcm: &[i16], rate: u32, seconds: u32) -> Vec<i16> {
    let (mut trimmer, mut kept) = (Trimmer::new(rate, 1, seconds * 1000), Vec::new());
    trimmer.process(pcm, &mut kept);
    trimmer.finish(&mut kept);
    let cut = trimmer.cut() as f64 / f64::from(rate.max(1));
    print(&format!("Cut {cut:.1} s of pauses out\n"));
    kept
}

fn ogg(to: Kind, pcm: &[i16], rate: u32) -> Result<Vec<u8>, String> {
    if to != Kind::Coded(Encoding::Opus) {
        return Err("an Ogg file can hold opus here, nothing else: say --to opus".to_owned());
    }
    let failed = |e: std::io::Error| e.to_string();
    let layout = ogg::Layout { rate, channels: 1 };
    let mut writer = ogg::Writer::new(Vec::new(), layout, 1).map_err(failed)?;
    writer.write(pcm).map_err(failed)?;
    writer.finish().map_err(failed)
}

fn wav(to: Kind, pcm: &[i16], rate: u32) -> Result<Vec<u8>, String> {
    let store = match to {
        Kind::Pcm | Kind::Coded(Encoding::L16 { .. }) => Store::Linear16,
        Kind::Coded(Encoding::Pcma) => Store::ALaw,
        Kind::Coded(Encoding::Pcmu) => Store::MuLaw,
        Kind::Coded(other) => {
            let name = other.properties().name;
            return Err(format!("a WAV file cannot hold {name} here; give OUT another ending to get it raw"));
        }
    };
    Ok(Layout { store, channels: 1, rate }.file(pcm))
}

fn raw(to: Kind, mut pcm: Vec<i16>) -> Result<Vec<u8>, String> {
    let Kind::Coded(encoding) = to else {
        return Ok(pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect());
    };
    let properties = encoding.properties();
    to.piece().ok_or_else(|| {
        format!("{} cannot be written raw: its packets have no fixed length", properties.name)
    })?;
    pcm.resize(pcm.len().next_multiple_of(properties.frame as usize), 0);
    let piece = (properties.rate * PIECE_MS / 1000) as usize;
    let (mut encoder, mut octets) = (Encoder::new(encoding, Settings::default()), Vec::new());
    for pcm in pcm.chunks(piece) {
        if encoder.encode(pcm, &mut octets) == Encoded::Nothing {
            return Err(format!("{} left something out", properties.name));
        }
    }
    Ok(octets)
}
