//! Recordings of calls: one thread that writes what the media threads hear, so that none of them waits for a disk. It
//! starts with the first recording.
//!
//! A file is playable at any moment: its header is brought up to date after each second of sound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use telex_audio::wav::{Layout, Store, Writer};
use telex_engine::event::Severity;
use telex_engine::mediactl::RecordingId;

use crate::desk::Desk;
use crate::log::{Stamp, Talked};

/// Recordings of one call are numbered from this many times its number on.
const PER_CALL: u64 = 256;
/// Samples of silence written at a time for what is missing.
const SILENCE: [i16; 8000] = [0; 8000];

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    /// Samples per channel that are missing before it.
    pub(crate) missing: u64,
    pub(crate) samples: Vec<i16>,
}

/// What is to be done for a recording; once it is done, `written` says so.
struct Job {
    recording: RecordingId,
    what: What,
}

enum What {
    Piece(Piece, Box<dyn FnOnce() + Send>),
    /// So many samples per channel are missing at the end.
    Finish(u64),
    /// All that was ordered before is done.
    Told(Sender<()>),
}

/// The way to the thread. Never waits for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Recordings {
    folder: Arc<Path>,
    desk: Desk,
    jobs: Arc<Mutex<Option<Sender<Job>>>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({:?})", self.recording)
    }
}

impl Recordings {
    /// Recordings into `folder`, which is made with its first file.
    pub(crate) fn new(folder: &Path, desk: Desk) -> Self {
        Self { folder: folder.into(), desk, jobs: Arc::default() }
    }

    /// Hands a job to the thread, which is started for the first one and ends when nobody can order anything any more.
    fn order(&self, recording: RecordingId, what: What) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            let (way, ordered) = channel();
            let scribe =
                Scribe { folder: self.folder.to_path_buf(), desk: self.desk.clone(), open: BTreeMap::new() };
            let thread =
                std::thread::Builder::new().name("telex-recordings".to_owned()).stack_size(256 << 10);
            if let Err(error) = thread.spawn(move || scribe.run(&ordered)) {
                self.desk.note(Severity::Error, format!("cannot record: no thread can be started: {error}"));
                return;
            }
            *jobs = Some(way);
        }
        if let Some(jobs) = jobs.as_ref() {
            let _ = jobs.send(Job { recording, what });
        }
    }

    /// Writes the next piece; `written` is called from another thread once it is.
    pub(crate) fn write(
        &self,
        recording: RecordingId,
        piece: Piece,
        written: impl FnOnce() + Send + 'static,
    ) {
        self.order(recording, What::Piece(piece, Box::new(written)));
    }

    /// Waits until all that was ordered is written, for so long at most.
    pub(crate) fn flush(&self, patience: Duration) {
        if self.jobs.lock().is_ok_and(|jobs| jobs.is_none()) {
            return;
        }
        let (told, done) = channel();
        self.order(RecordingId(0), What::Told(told));
        let _ = done.recv_timeout(patience);
    }

    /// Brings a recording to its end.
    pub(crate) fn finish(&self, recording: RecordingId, missing: u64) {
        self.order(recording, What::Finish(missing));
    }
}

struct Scribe {
    folder: PathBuf,
    desk: Desk,
    /// `None` for one that could not be written: that was told.
    open: BTreeMap<RecordingId, Option<Open>>,
}

struct Open {
    path: PathBuf,
    file: Writer<File>,
    layout: Layout,
    missing: u64,
}

impl Scribe {
    fn run(mut self, ordered: &Receiver<Job>) {
        for Job { recording, what } in ordered {
            match what {
                What::Piece(piece, written) => {
                    self.piece(recording, &piece);
                    written();
                }
                What::Finish(missing) => self.finish(recording, missing),
                What::Told(told) => {
                    let _ = told.send(());
                }
            }
        }
        for (recording, open) in std::mem::take(&mut self.open) {
            self.close(recording, open, 0);
        }
    }

    fn piece(&mut self, recording: RecordingId, piece: &Piece) {
        let layout = Layout { store: Store::Linear16, channels: piece.channels, rate: piece.rate };
        let (folder, desk) = (&self.folder, &self.desk);
        let open = self.open.entry(recording).or_insert_with(|| match create(folder, recording, layout) {
            Ok(open) => Some(open),
            Err((path, error)) => {
                desk.note(Severity::Error, format!("cannot write the recording {}: {error}", path.display()));
                None
            }
        });
        let Some(writing) = open else { return };
        if let Err(error) = writing.append(piece) {
            let path = writing.path.display();
            desk.note(Severity::Error, format!("the recording {path} ends here: {error}"));
            *open = None;
        }
    }

    fn finish(&mut self, recording: RecordingId, missing: u64) {
        let open = self.open.remove(&recording).flatten();
        self.close(recording, open, missing);
    }

    fn close(&self, recording: RecordingId, open: Option<Open>, missing: u64) {
        let Some(mut open) = open else { return };
        open.missing += missing;
        let call = recording.0 / PER_CALL;
        let time =
            |samples: u64| Duration::from_secs_f64(samples as f64 / f64::from(open.layout.rate.max(1)));
        let (length, missing) = (time(open.file.frames()), time(open.missing));
        let path = open.path.display().to_string();
        let mut text = format!("call {call}: {} recorded in {path}", Talked(length));
        if !missing.is_zero() {
            text += &format!("; {} ms of that are missing, the disk was too slow", missing.as_millis());
        }
        match open.file.finish() {
            Ok(_) => self.desk.note(Severity::Info, text),
            Err(error) => {
                self.desk.note(Severity::Error, format!("the recording {path} may lack its end: {error}"));
            }
        }
    }
}

impl Open {
    fn append(&mut self, piece: &Piece) -> io::Result<()> {
        let channels = u64::from(piece.channels.max(1));
        let mut missing = piece.missing * channels;
        self.missing += piece.missing;
        while missing > 0 {
            let part = missing.min(SILENCE.len() as u64);
            self.file.write(SILENCE.get(..part as usize).unwrap_or(&SILENCE))?;
            missing -= part;
        }
        self.file.write(&piece.samples)
    }
}

/// A new file: `20261122-173005-call7.wav`, and `-call7-2.wav` for the second recording of a call.
fn create(folder: &Path, recording: RecordingId, layout: Layout) -> Result<Open, (PathBuf, io::Error)> {
    let (call, nth) = (recording.0 / PER_CALL, recording.0 % PER_CALL + 1);
    let again = if nth == 1 { String::new() } else { format!("-{nth}") };
    let path = folder.join(format!("{}-call{call}{again}.wav", Stamp(SystemTime::now())));
    let open = || {
        // What was said is for nobody else; what the folder may be seen by is for who made it before to say.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Two exchanges may share a folder: nobody's recording is overwritten.
        let file = File::options().write(true).read(true).create_new(true).mode(0o600).open(&path)?;
        Writer::new(file, layout)
    };
    match open() {
        Ok(file) => Ok(Open { path, file, layout, missing: 0 }),
        Err(error) => Err((path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use telex_audio::wav;

    fn piece(missing: u64, samples: Vec<i16>) -> Piece {
        Piece { rate: 8000, channels: 2, missing, samples }
    }

    /// What the recordings thread left in a folder.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn scribe(folder: &Path) -> Scribe {
        Scribe { folder: folder.to_owned(), desk: Desk::nowhere(), open: BTreeMap::new() }
    }

    #[test]
    fn what_is_missing_is_silence_and_the_rest_stays_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(&folder.path().join("deep"));
        let first = RecordingId(7 * PER_CALL);
        scribe.piece(first, &piece(0, vec![1, -1, 2, -2]));
        scribe.piece(first, &piece(10_000, vec![3, -3]));
        scribe.piece(RecordingId(7 * PER_CALL + 1), &piece(0, vec![9, 9]));
        scribe.finish(first, 0);
        let files = files(&folder.path().join("deep"));
        let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap()[15..].to_owned();
        assert_eq!(files.iter().map(name).collect::<Vec<_>>(), ["-call7-2.wav", "-call7.wav"]);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&files[0]), mode(&folder.path().join("deep"))),
            (0o600, 0o700),
            "what was said is private"
        );
        let sound = wav::decode(&std::fs::read(&files[1]).unwrap()).unwrap();
        assert_eq!(
            (sound.samples.len(), &sound.samples[..4], &sound.samples[20_004..]),
            (20_006, &[1, -1, 2, -2][..], &[3, -3][..])
        );
        assert!(sound.samples[4..20_004].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_file_whose_writer_dies_can_be_played() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        for _ in 0..11 {
            scribe.piece(RecordingId(PER_CALL), &piece(0, vec![5; 3200]));
        }
        std::mem::forget(scribe);
        let file = std::fs::read(&files(folder.path())[0]).unwrap();
        assert_eq!(
            wav::decode(&file).unwrap().samples.len(),
            16_000 * 2 / 2 * 2,
            "two seconds and no more are told of"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_of_once_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let mut scribe = scribe(&file);
        for _ in 0..3 {
            scribe.piece(RecordingId(PER_CALL), &piece(0, vec![1, 1]));
        }
        scribe.finish(RecordingId(PER_CALL), 0);
        assert!(scribe.open.is_empty());
    }
}
