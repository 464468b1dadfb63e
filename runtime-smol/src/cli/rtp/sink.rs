//! Where received sound goes: a file, the loudspeakers, both or nowhere.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use telex_audio::ogg;
use telex_audio::wav::{Layout, Writer};

use crate::sound::Speaker;

/// Samples that are held back at most: 20 s at 48 kHz.
const HELD: usize = 960_000;

/// Where sound goes.
#[derive(Debug)]
pub(super) struct Sink {
    file: Option<Output>,
    speaker: Option<Speaker>,
}

/// A file of sound.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    state: State,
    /// Samples up to the last that was received; what is behind them was made up.
    keep: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing has come: the rate is not known.
    Empty(File),
    Wav(Box<Writer<BufWriter<File>>>),
    /// And what was made up since the last sound that was received: it is written when more is received.
    Opus(Box<ogg::Writer<File>>, Vec<i16>),
    Closed,
}

/// What was saved.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) path: PathBuf,
    /// `None` when nothing was heard.
    pub(super) length: Option<Duration>,
}

impl Sink {
    /// Makes the file at once, so that one that cannot be written is not found out about at the end.
    pub(super) fn open(output: Option<&Path>, playback: bool) -> Result<Self, String> {
        let speaker = playback.then(Speaker::open).transpose()?;
        let open = |path: &Path| -> Result<Output, String> {
            let file = File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            Ok(Output { path: path.to_owned(), state: State::Empty(file), keep: 0 })
        };
        Ok(Self { file: output.map(open).transpose()?, speaker })
    }

    /// Takes sound at `rate`, which is the same every time; `real` says whether any of it was received.
    pub(super) fn write(&mut self, rate: u32, pcm: &[i16], real: bool) -> Result<(), String> {
        if let Some(speaker) = &mut self.speaker {
            speaker.play(rate, pcm)?;
        }
        match &mut self.file {
            Some(output) => output.write(rate, pcm, real),
            None => Ok(()),
        }
    }

    /// Closes the file.
    pub(super) fn close(&mut self) -> Result<Option<Saved>, String> {
        self.file.as_mut().map(Output::close).transpose()
    }
}

impl Output {
    fn write(&mut self, rate: u32, pcm: &[i16], real: bool) -> Result<(), String> {
        if let State::Empty(_) = &self.state {
            // A file begins with the first sound.
            if !real {
                return Ok(());
            }
            if let State::Empty(file) = std::mem::replace(&mut self.state, State::Closed) {
                self.state = self.begin(file, rate)?;
            }
        }
        self.append(pcm, real).map_err(|e| failed(&self.path, &e))
    }

    /// A file of the kind that its name says.
    fn begin(&self, file: File, rate: u32) -> Result<State, String> {
        let is = |ending: &str| self.path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        if is("opus") || is("ogg") {
            let layout = ogg::Layout { rate, channels: 1 };
            let writer = ogg::Writer::new(file, layout, 1).map_err(|e| failed(&self.path, &e))?;
            return Ok(State::Opus(Box::new(writer), Vec::new()));
        }
        let writer = Writer::new(BufWriter::new(file), Layout::mono(rate));
        Ok(State::Wav(Box::new(writer.map_err(|e| failed(&self.path, &e))?)))
    }

    fn append(&mut self, pcm: &[i16], real: bool) -> io::Result<()> {
        match &mut self.state {
            State::Empty(_) | State::Closed => {}
            State::Wav(writer) => {
                writer.write(pcm)?;
                if real {
                    self.keep = writer.frames();
                }
            }
            State::Opus(writer, held) => {
                held.extend_from_slice(pcm);
                // What was written cannot be taken back; a silence of more than this is part of the file.
                if real || held.len() > HELD {
                    writer.write(held)?;
                    held.clear();
                    self.keep = writer.frames();
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<Saved, String> {
        let mut state = std::mem::replace(&mut self.state, State::Closed);
        if let State::Empty(file) = state {
            state = self.begin(file, 8000)?;
        }
        let rate = match &state {
            State::Wav(writer) => writer.layout().rate,
            State::Opus(writer, _) => writer.layout().rate,
            State::Empty(_) | State::Closed => {
                return Err(format!("{} was closed before", self.path.display()));
            }
        };
        finish(state, self.keep).map_err(|e| failed(&self.path, &e))?;
        let length = Duration::from_secs_f64(self.keep as f64 / f64::from(rate));
        Ok(Saved { path: self.path.clone(), length: (self.keep > 0).then_some(length) })
    }
}

/// Brings a file to its end behind so many samples.
fn finish(state: State, keep: u64) -> io::Result<()> {
    match state {
        State::Empty(_) | State::Closed => Ok(()),
        State::Opus(writer, _) => writer.finish().map(|_| ()),
        State::Wav(mut writer) => {
            writer.cut(keep)?;
            let mut out = writer.finish()?;
            let end = out.stream_position()?;
            out.flush()?;
            out.get_ref().set_len(end)
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
