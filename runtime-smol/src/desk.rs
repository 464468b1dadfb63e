//! The thread for everything that may block on a disk or a terminal: the log and the store.
//!
//! It works in strokes: after the first job it lets a moment pass, then does all that has come meanwhile. So the
//! database is written in groups and the thread that hands out jobs wakes it rarely. The record of a call that is over
//! does not wait for the moment to pass: a crash right after a call would leave it unfinished.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use telex_engine::border::{Input, Lsn, Record};
use telex_engine::event::Severity;
use telex_engine::time::WallTime;

use crate::clock;
use crate::config::Records;
use crate::log::Entry;
use crate::poll::Post;
use crate::store::{Saved, Store, StoreError};

/// How long jobs gather.
const STROKE: Duration = Duration::from_millis(25);
/// The least time between two strokes, even if calls end faster.
const HASTE: Duration = Duration::from_millis(5);
/// Log entries on their way; what is more is dropped and counted.
const WAITING: usize = 20_000;
/// Octets of log text that nobody takes; what is more is dropped and counted.
const UNWRITTEN: usize = 1 << 20;
/// What a pipe takes without blocking once it is ready (POSIX PIPE_BUF on Linux).
const PIECE: usize = 4096;
/// How long the end of the log may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// How often old call records are looked for.
const TIDY: Duration = Duration::from_secs(3600);

/// Hands jobs to the thread. Never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    jobs: Sender<Job>,
    thread: Thread,
    least: Option<Severity>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// What the thread needs from the start.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The database.
    pub(crate) path: PathBuf,
    /// Which call records are kept in it.
    pub(crate) keep: Records,
    /// What of it has not run out.
    pub(crate) now: WallTime,
    /// Where it tells that records are stored.
    pub(crate) stored: Post<Input>,
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Running {
    thread: JoinHandle<()>,
    saved: Receiver<Result<Saved, StoreError>>,
}

#[derive(Debug)]
enum Job {
    Entry(SystemTime, Entry),
    Record(Lsn, Record),
    /// The call with this record is recorded in this file.
    Recorded(String, String),
    End,
}

impl Desk {
    /// One whose jobs nobody does.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let thread = std::thread::current();
        Self { jobs: channel().0, thread, least: None, waiting: Arc::default(), dropped: Arc::default() }
    }

    /// Starts the thread; `least` is the least severity that is shown.
    pub(crate) fn start(opening: Opening, least: Option<Severity>) -> std::io::Result<(Self, Running)> {
        let (jobs, incoming) = channel();
        let (opened, saved) = channel();
        let (waiting, dropped) = (Arc::default(), Arc::default());
        let shared = (Arc::clone(&waiting), Arc::clone(&dropped));
        let thread = std::thread::Builder::new().name("telex-desk".to_owned()).stack_size(512 << 10).spawn(
            move || {
                let Opening { path, keep, now, stored } = opening;
                let store = match Store::open(&path, now) {
                    Ok((store, saved)) => opened.send(Ok(saved)).ok().map(|()| store),
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        None
                    }
                };
                Work {
                    store,
                    keep,
                    tidied: None,
                    last: Instant::now(),
                    stored,
                    waiting,
                    dropped,
                    records: Vec::new(),
                    text: Vec::new(),
                    line: String::new(),
                }
                .run(&incoming);
            },
        )?;
        let (waiting, dropped) = shared;
        Ok((
            Self { jobs, thread: thread.thread().clone(), least, waiting, dropped },
            Running { thread, saved },
        ))
    }

    /// Whether entries of this severity are shown.
    pub(crate) fn shows(&self, severity: Severity) -> bool {
        self.least.is_some_and(|least| severity >= least)
    }

    /// Logs an entry, if it is to be shown.
    pub(crate) fn log(&self, entry: Entry) {
        if !self.shows(entry.severity()) {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let _ = self.jobs.send(Job::Entry(SystemTime::now(), entry));
    }

    /// Logs what the driver itself has to say.
    pub(crate) fn note(&self, severity: Severity, text: impl Into<String>) {
        self.log(Entry::Note(severity, text.into()));
    }

    /// Keeps where a call is recorded.
    pub(crate) fn recorded(&self, record: String, path: &Path) {
        let _ = self.jobs.send(Job::Recorded(record, path.display().to_string()));
    }

    /// Stores a record; it is told through `Opening::stored` when it is safe.
    pub(crate) fn store(&self, lsn: Lsn, record: Record) {
        let over = matches!(&record, Record::Call(call) if call.ended.is_some());
        let _ = self.jobs.send(Job::Record(lsn, record));
        if over {
            self.thread.unpark();
        }
    }
}

impl Running {
    /// What was in the database. Blocks until it is open.
    pub(crate) fn saved(&self) -> Result<Saved, StoreError> {
        self.saved.recv().unwrap_or_else(|_| Err(StoreError::Other("its thread has ended".to_owned())))
    }

    /// Does what is left and ends the thread.
    pub(crate) fn end(self, desk: &Desk) {
        let _ = desk.jobs.send(Job::End);
        let _ = self.thread.join();
    }
}

/// The state of the thread.
struct Work {
    store: Option<Store>,
    keep: Records,
    /// When call records were last looked through.
    tidied: Option<Instant>,
    /// When the last stroke was done.
    last: Instant,
    stored: Post<Input>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    records: Vec<(Lsn, Record)>,
    /// Octets not yet written; may begin within a character.
    text: Vec<u8>,
    line: String,
}

impl Work {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            // Text that nobody takes is offered again now and then.
            let first = match self.text.is_empty() {
                true => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => jobs.recv_timeout(2 * STROKE),
            };
            let open = match first {
                Ok(job) => self.take(job) && self.gather(jobs),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            self.commit();
            if open {
                self.tidy();
            }
            self.tell_dropped();
            self.print(if open { Duration::ZERO } else { FAREWELL });
            if !open {
                return;
            }
        }
    }

    /// Takes what comes during one stroke. False when the work is to end.
    fn gather(&mut self, jobs: &Receiver<Job>) -> bool {
        std::thread::park_timeout(STROKE);
        std::thread::sleep(HASTE.saturating_sub(self.last.elapsed()));
        self.last = Instant::now();
        loop {
            match jobs.try_recv() {
                Ok(job) => {
                    if !self.take(job) {
                        return false;
                    }
                }
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn take(&mut self, job: Job) -> bool {
        match job {
            Job::Entry(at, entry) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                if self.text.len() < UNWRITTEN {
                    self.write(at, &entry);
                } else {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Job::Record(lsn, record) => self.records.push((lsn, record)),
            Job::Recorded(record, path) => self.recorded(&record, &path),
            Job::End => return false,
        }
        true
    }

    fn write(&mut self, at: SystemTime, entry: &Entry) {
        entry.write(at, &mut self.line);
        self.text.extend_from_slice(self.line.as_bytes());
        self.line.clear();
    }

    fn recorded(&mut self, record: &str, path: &str) {
        // The record of the call may be among those that wait.
        self.commit();
        if let Some(Err(error)) = self.store.as_ref().map(|store| store.recorded(record, path)) {
            let note = format!("the record of call {record} does not tell of its recording: {error}");
            self.write(SystemTime::now(), &Entry::Note(Severity::Warning, note));
        }
    }

    fn commit(&mut self) {
        let (Some((first, _)), Some((last, _)), Some(store)) =
            (self.records.first(), self.records.last(), &mut self.store)
        else {
            return;
        };
        let input = match store.write(&self.records) {
            Ok(()) => Input::Stored { through: *last },
            Err(error) => Input::StoreFailed { at: *first, error: error.to_string().into() },
        };
        self.stored.send(input);
        self.records.clear();
    }

    /// Deletes call records that need not be kept, some at a time.
    fn tidy(&mut self) {
        let due = self.tidied.is_none_or(|at| at.elapsed() > TIDY);
        let Some(store) = self.store.as_mut().filter(|_| due) else { return };
        match store.prune(clock::wall(), self.keep) {
            // There may be more: they go after the next stroke.
            Ok(pruned) if pruned >= crate::store::PRUNED_AT_ONCE => {}
            Ok(_) => self.tidied = Some(Instant::now()),
            Err(error) => {
                self.tidied = Some(Instant::now());
                let note = format!("old call records are not deleted: {error}");
                self.write(SystemTime::now(), &Entry::Note(Severity::Warning, note));
            }
        }
    }

    fn tell_dropped(&mut self) {
        if self.text.len() < UNWRITTEN {
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let note = format!(
                    "{dropped} lines of this log were dropped: they came faster than they were taken"
                );
                self.write(SystemTime::now(), &Entry::Note(Severity::Warning, note));
            }
        }
    }

    /// Writes to standard error what it takes without blocking, waiting at most for `patience`.
    fn print(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let error = std::io::stderr();
        let mut written = 0;
        while let Some(rest) = self.text.get(written..).filter(|rest| !rest.is_empty()) {
            let left = until.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(&error, PollFlags::OUT)];
            let timeout = Timespec { tv_sec: 0, tv_nsec: left.as_millis().min(999) as i64 * 1_000_000 };
            match poll(&mut ready, Some(&timeout)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                // Nothing can be said about it, for this is where it would be said.
                Err(_) => return self.text.clear(),
            }
            match error.lock().write(rest.get(..PIECE).unwrap_or(rest)) {
                Ok(0) => return self.text.clear(),
                Ok(n) => written += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return self.text.clear(),
            }
        }
        self.text.drain(..written.min(self.text.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NO_STORE;
    use crate::poll::{Bell, Poller};
    use telex_engine::event::Event;

    fn queue() -> (Post<Input>, Receiver<Input>) {
        Post::new(Bell::of(&Poller::new().unwrap()))
    }

    #[test]
    fn records_are_stored_and_told_in_order_and_nothing_is_lost_at_the_end() {
        let (stored, told) = queue();
        let opening =
            Opening { path: NO_STORE.into(), keep: Records::default(), now: WallTime::default(), stored };
        let (desk, running) = Desk::start(opening, Some(Severity::Error)).unwrap();
        assert_eq!(running.saved().unwrap().last, Lsn(0));
        for lsn in 1..=100 {
            desk.store(Lsn(lsn), Record::Unbind { aor: "100".into(), contact: "sip:100@a".into() });
        }
        running.end(&desk);
        let mut last = 0;
        while let Ok(Input::Stored { through }) = told.try_recv() {
            assert!(through.0 > last);
            last = through.0;
        }
        assert_eq!(last, 100);
    }

    #[test]
    fn what_is_not_to_be_shown_is_not_even_handed_over() {
        let (stored, _told) = queue();
        let opening =
            Opening { path: NO_STORE.into(), keep: Records::default(), now: WallTime::default(), stored };
        let (desk, running) = Desk::start(opening, Some(Severity::Warning)).unwrap();
        assert!(desk.shows(Severity::Error) && desk.shows(Severity::Warning) && !desk.shows(Severity::Info));
        desk.log(Entry::Event(Event::Ringing { call: 1, contact: "sip:100@a".into() }));
        assert_eq!(desk.waiting.load(Ordering::Relaxed), 0);
        running.end(&desk);
    }
}
