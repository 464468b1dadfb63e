//! One recording on its way to the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use telex_audio::trim::Trimmer;
use telex_audio::{ogg, wav};
use telex_engine::mediactl::{RecordingFormat, RecordingId};

use super::{PER_CALL, Piece};
use crate::log::Talked;

/// Samples of silence written at a time for what is missing.
const SILENCE: [i16; 8000] = [0; 8000];

/// A file that is whole, up to its last second, whenever its writer stops.
#[derive(Debug)]
enum Output {
    Wav(wav::Writer<File>),
    Opus(Box<ogg::Writer<File>>),
}

/// What a recording is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name of the record of its call.
    pub(crate) record: String,
    /// Who called.
    pub(crate) from: String,
    /// What was dialled.
    pub(crate) to: String,
    /// What the dialplan calls it; empty when it does not.
    pub(crate) name: String,
}

impl Name {
    /// The name of the file but for its beginning, which is the time, and its ending.
    fn written(&self, call: u64, nth: u64) -> String {
        let again = if nth == 1 { String::new() } else { format!("-{nth}") };
        let name = self.name.strip_suffix(".wav").or_else(|| self.name.strip_suffix(".opus"));
        let parts = match name.unwrap_or(&self.name) {
            "" => [&self.from, &self.to].map(|part| plain(part)).to_vec(),
            name => vec![plain(name)],
        };
        let parts: String =
            parts.iter().filter(|part| !part.is_empty()).map(|part| format!("-{part}")).collect();
        format!("{parts}-call{call}{again}")
    }
}

/// Characters that are harmless in the name of a file, and not too many of them.
fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "+*#_.".contains(c) { c } else { '_' };
    text.chars().take(48).map(harmless).collect()
}

/// A recording that is being written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) path: PathBuf,
    output: Output,
    rate: u32,
    trimmer: Option<Trimmer>,
    /// Samples of each channel that never came.
    missing: u64,
    /// What is left of a piece when pauses are shortened.
    kept: Vec<i16>,
}

impl Open {
    /// A new file for what begins with `piece`: `20261122-173005-100-101-call7.wav` by date, time, who called and whom,
    /// and `-call7-2.wav` for the second recording of a call. Pauses longer than `trim` are made so long.
    pub(super) fn create(
        folder: &Path,
        recording: RecordingId,
        name: &Name,
        piece: &Piece,
        trim: Option<Duration>,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let (call, nth) = (recording.0 / PER_CALL, recording.0 % PER_CALL + 1);
        let ending = match piece.format {
            RecordingFormat::Wav => "wav",
            RecordingFormat::Opus => "opus",
        };
        let written = name.written(call, nth);
        let path = folder.join(format!("{}{written}.{ending}", Zoned::now().strftime("%Y%m%d-%H%M%S")));
        let (rate, channels) = (piece.rate, piece.channels);
        let trimmer = trim
            .map(|most| Trimmer::new(rate, channels, u32::try_from(most.as_millis()).unwrap_or(u32::MAX)));
        match output(folder, &path, recording, piece) {
            Ok(output) => Ok(Self { path, output, rate, trimmer, missing: 0, kept: Vec::new() }),
            Err(error) => Err((path, error)),
        }
    }

    /// Appends a piece, with silence before it for what is missing there.
    pub(super) fn append(&mut self, piece: &Piece) -> io::Result<()> {
        let mut missing = piece.missing * u64::from(piece.channels.max(1));
        self.missing += piece.missing;
        while missing > 0 {
            let part = missing.min(SILENCE.len() as u64);
            self.put(SILENCE.get(..part as usize).unwrap_or(&SILENCE))?;
            missing -= part;
        }
        self.put(&piece.samples)
    }

    fn put(&mut self, samples: &[i16]) -> io::Result<()> {
        let Some(trimmer) = &mut self.trimmer else { return self.output.write(samples) };
        self.kept.clear();
        trimmer.process(samples, &mut self.kept);
        self.output.write(&self.kept)
    }

    /// Brings it to its end, behind which so many samples are missing: what there is to say about it.
    pub(super) fn finish(mut self, missing: u64) -> io::Result<String> {
        let mut cut = 0;
        if let Some(trimmer) = &mut self.trimmer {
            self.kept.clear();
            trimmer.finish(&mut self.kept);
            cut = trimmer.cut();
            self.output.write(&self.kept)?;
        }
        let frames = self.output.finish()?;
        let time = |samples: u64| Duration::from_secs_f64(samples as f64 / f64::from(self.rate.max(1)));
        let mut text = format!("{} recorded in {}", Talked(time(frames)), self.path.display());
        if cut > 0 {
            text += &format!("; {} of pauses cut out", Talked(time(cut)));
        }
        let missing = time(self.missing + missing);
        if !missing.is_zero() {
            text += &format!("; {} ms are missing, writing was too slow", missing.as_millis());
        }
        Ok(text)
    }
}

fn output(folder: &Path, path: &Path, recording: RecordingId, piece: &Piece) -> io::Result<Output> {
    // What was said is for nobody else; what the folder may be seen by is for who made it before to say.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Two exchanges may share a folder: nobody's recording is overwritten.
    let file = File::options().write(true).read(true).create_new(true).mode(0o600).open(path)?;
    let (rate, channels) = (piece.rate, piece.channels);
    Ok(match piece.format {
        RecordingFormat::Wav => {
            let layout = wav::Layout { store: wav::Store::Linear16, channels, rate };
            Output::Wav(wav::Writer::new(file, layout)?)
        }
        RecordingFormat::Opus => {
            let serial = (recording.0 & u64::from(u32::MAX)) as u32;
            Output::Opus(Box::new(ogg::Writer::new(file, ogg::Layout { rate, channels }, serial)?))
        }
    })
}

impl Output {
    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        match self {
            Self::Wav(writer) => writer.write(samples),
            Self::Opus(writer) => writer.write(samples),
        }
    }

    /// Samples of each channel in the whole file.
    fn finish(self) -> io::Result<u64> {
        match self {
            Self::Wav(writer) => {
                let frames = writer.frames();
                writer.finish().map(|_| frames)
            }
            Self::Opus(writer) => {
                let frames = writer.frames();
                writer.finish().map(|_| frames)
            }
        }
    }
}
