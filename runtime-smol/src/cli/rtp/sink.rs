//! Where received sound goes: a file, the loudspeakers, both or nowhere.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use telex_audio::wav::{Layout, Writer};

use crate::sound::Speaker;

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
    Open(Box<Writer<BufWriter<File>>>),
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
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", self.path.display());
        if let State::Empty(_) = &self.state {
            // A file begins with the first sound.
            if !real {
                return Ok(());
            }
            if let State::Empty(file) = std::mem::replace(&mut self.state, State::Closed) {
                let writer = Writer::new(BufWriter::new(file), Layout::mono(rate)).map_err(failed)?;
                self.state = State::Open(Box::new(writer));
            }
        }
        if let State::Open(writer) = &mut self.state {
            writer.write(pcm).map_err(failed)?;
            if real {
                self.keep = writer.frames();
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<Saved, String> {
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", self.path.display());
        let (layout, writer) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Empty(file) => {
                let layout = Layout::mono(8000);
                (layout, Writer::new(BufWriter::new(file), layout).map_err(failed)?)
            }
            State::Open(writer) => (writer.layout(), *writer),
            State::Closed => return Err(format!("{} was closed before", self.path.display())),
        };
        let mut writer = writer;
        writer.cut(self.keep).map_err(failed)?;
        let mut out = writer.finish().map_err(failed)?;
        let end = out.stream_position().map_err(failed)?;
        out.flush().map_err(failed)?;
        out.get_ref().set_len(end).map_err(failed)?;
        let length = Duration::from_secs_f64(self.keep as f64 / f64::from(layout.rate));
        Ok(Saved { path: self.path.clone(), length: (self.keep > 0).then_some(length) })
    }
}
