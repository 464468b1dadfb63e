//! Recordings of calls: one thread that writes what the media threads hear, so that none of them waits for a disk. It
//! starts with the first recording.
//!
//! A file is playable at any moment: the header of a WAV file is brought up to date after each second of sound, an Opus
//! file is a row of pages of a second each. What Opus costs is borne by this thread: when it is too much, pieces are
//! left out as with a slow disk, and it is told.

mod file;
mod keep;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use telex_engine::event::Severity;
use telex_engine::mediactl::{RecordingFormat, RecordingId};

use crate::config::Recordings as Style;
use crate::desk::Desk;
pub(crate) use file::Name;
use file::Open;

/// Recordings of one call are numbered from this many times its number on.
const PER_CALL: u64 = 256;
/// Stack of the thread. The encoder of Opus needs more than there is usually left of a small one.
const STACK: usize = 1 << 20;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) format: RecordingFormat,
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
    /// Its file is to be called so.
    Named(Box<Name>),
    Piece(Piece, Box<dyn FnOnce() + Send>),
    /// So many samples per channel are missing at the end.
    Finish(u64),
    /// All that was ordered before is done.
    Told(Sender<()>),
}

/// The way to the thread. Never waits for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Recordings {
    style: Arc<Style>,
    desk: Desk,
    jobs: Arc<Mutex<Option<Sender<Job>>>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({:?})", self.recording)
    }
}

impl Recordings {
    /// Recordings into a folder, which is made with its first file. What need not be kept is deleted from now on.
    pub(crate) fn new(style: Style, desk: Desk) -> Self {
        let recordings = Self { style: Arc::new(style), desk, jobs: Arc::default() };
        recordings.watch();
        recordings
    }

    /// Hands a job to the thread, which is started for the first one and ends when nobody can order anything any more.
    fn order(&self, recording: RecordingId, what: What) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            let (way, ordered) = channel();
            let scribe = Scribe::new(Arc::clone(&self.style), self.desk.clone());
            let thread = std::thread::Builder::new().name("telex-recordings".to_owned()).stack_size(STACK);
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

    /// A recording begins; what it is to be called.
    pub(crate) fn begin(&self, recording: RecordingId, name: Name) {
        self.order(recording, What::Named(Box::new(name)));
    }

    /// Deletes what need not be kept, now and from time to time.
    fn watch(&self) {
        if self.style.keep.is_some() || self.style.most.is_some() {
            let (told, _) = channel();
            self.order(RecordingId(0), What::Told(told));
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
    style: Arc<Style>,
    desk: Desk,
    /// `None` for one that could not be written: that was told.
    open: BTreeMap<RecordingId, Option<Open>>,
    /// What those that have not begun yet are to be called.
    names: BTreeMap<RecordingId, Name>,
}

impl Scribe {
    fn new(style: Arc<Style>, desk: Desk) -> Self {
        Self { style, desk, open: BTreeMap::new(), names: BTreeMap::new() }
    }

    fn tidy(&self) {
        let open: Vec<&Path> = self.open.values().flatten().map(|open| open.path.as_path()).collect();
        for note in keep::tidy(&self.style, &open) {
            self.desk.note(Severity::Info, note);
        }
    }

    fn run(mut self, ordered: &Receiver<Job>) {
        let mut tidied = None;
        loop {
            if tidied.is_none_or(|at: Instant| at.elapsed() >= keep::EVERY) {
                tidied = Some(Instant::now());
                self.tidy();
            }
            let Job { recording, what } = match ordered.recv_timeout(keep::EVERY) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match what {
                What::Named(name) => drop(self.names.insert(recording, *name)),
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
        let (style, desk, names) = (&self.style, &self.desk, &mut self.names);
        let open = self.open.entry(recording).or_insert_with(|| {
            let name = names.remove(&recording).unwrap_or_default();
            match Open::create(&style.folder, recording, &name, piece, style.trim) {
                Ok(open) => {
                    desk.recorded(name.record, &open.path);
                    Some(open)
                }
                Err((path, error)) => {
                    let path = path.display();
                    desk.note(Severity::Error, format!("cannot write the recording {path}: {error}"));
                    None
                }
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
        // One that had nothing to be written still has its name.
        self.names.remove(&recording);
        let open = self.open.remove(&recording).flatten();
        self.close(recording, open, missing);
    }

    fn close(&self, recording: RecordingId, open: Option<Open>, missing: u64) {
        let Some(open) = open else { return };
        let (call, path) = (recording.0 / PER_CALL, open.path.display().to_string());
        match open.finish(missing) {
            Ok(text) => self.desk.note(Severity::Info, format!("call {call}: {text}")),
            Err(error) => {
                self.desk.note(Severity::Error, format!("the recording {path} may lack its end: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use telex_audio::{ogg, wav};

    fn piece(missing: u64, samples: Vec<i16>) -> Piece {
        Piece { format: RecordingFormat::Wav, rate: 8000, channels: 2, missing, samples }
    }

    /// What the recordings thread left in a folder.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn scribe(folder: &Path) -> Scribe {
        let style = Style { folder: folder.to_owned(), trim: None, keep: None, most: None };
        Scribe::new(Arc::new(style), Desk::nowhere())
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
    fn a_recording_that_ends_before_anything_is_heard_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        scribe.names.insert(RecordingId(PER_CALL), Name::default());
        scribe.finish(RecordingId(PER_CALL), 0);
        assert!(scribe.names.is_empty() && files(folder.path()).is_empty());
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
    fn an_opus_file_whose_writer_dies_can_be_played_and_one_that_ends_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        let opus = |missing, samples| Piece { format: RecordingFormat::Opus, ..piece(missing, samples) };
        let (first, second) = (RecordingId(PER_CALL), RecordingId(PER_CALL + 1));
        for _ in 0..11 {
            scribe.piece(first, &opus(0, vec![500; 3200]));
        }
        scribe.piece(second, &opus(800, vec![500; 3200]));
        scribe.finish(second, 0);
        std::mem::forget(scribe);
        let sounds = files(folder.path()).into_iter().map(|path| {
            assert_eq!(path.extension().unwrap(), "opus");
            ogg::decode(&std::fs::read(path).unwrap()).unwrap()
        });
        let shape = |sound: ogg::Sound| (sound.rate, sound.channels, sound.samples.len() / 2, sound.damaged);
        // Less what the encoder looks ahead, which a file without its end lacks.
        let ahead = 52;
        // Named by the second in which they begin, they are in no certain order.
        let mut shapes = sounds.map(shape).collect::<Vec<_>>();
        shapes.sort_unstable();
        assert_eq!(shapes, [(8000, 2, 2400, false), (8000, 2, 16_000 - ahead, true)]);
    }

    #[test]
    fn long_pauses_are_cut_out_when_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        scribe.style = Arc::new(Style { trim: Some(Duration::from_secs(1)), ..(*scribe.style).clone() });
        let id = RecordingId(PER_CALL);
        let tone: Vec<i16> = (0..16_000).map(|at| if at / 16 % 2 == 0 { 9000 } else { -9000 }).collect();
        scribe.piece(id, &piece(0, tone.clone()));
        scribe.piece(id, &piece(40_000, tone));
        scribe.finish(id, 0);
        let sound = wav::decode(&std::fs::read(&files(folder.path())[0]).unwrap()).unwrap();
        let milliseconds = sound.samples.len() / 16;
        assert!((3000..=3320).contains(&milliseconds), "{milliseconds} of 7000");
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
