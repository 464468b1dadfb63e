//! Programs that a test starts: their output goes to a file, and they end with the value that stands for them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Time between two looks at something awaited.
const LOOK: Duration = Duration::from_millis(20);
/// Lines of output shown when a test fails.
const TAIL: usize = 60;

/// Waits until `probe` gives a value, looking again and again; `None` when `limit` is over.
pub fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() > limit {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// A running program. Dropping it ends it, and shows the end of its output if a test is failing.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Program {
    /// Starts `command` with its standard output and error in the file `output`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Self {
        let file = File::create(output).unwrap_or_else(|e| panic!("{}: {e}", output.display()));
        let other = file.try_clone().unwrap_or_else(|e| panic!("{}: {e}", output.display()));
        let child = command.stdin(Stdio::piped()).stdout(file).stderr(other).spawn();
        let child = child.unwrap_or_else(|e| panic!("{name} does not start: {e} ({command:?})"));
        Self { name: name.to_owned(), child, output: output.to_owned() }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// When it does not read any more.
    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("standard input is a pipe that is never taken");
        let written = writeln!(input, "{line}").and_then(|()| input.flush());
        written.unwrap_or_else(|e| panic!("{} takes no input: {e}", self.name));
    }

    /// Waits until `found` is true of what it wrote from octet `start` on.
    ///
    /// # Panics
    /// When `limit` is over, or it ended without.
    pub fn expect_from(&mut self, start: usize, what: &str, limit: Duration, found: impl Fn(&str) -> bool) {
        let seen = poll(limit, || {
            let ended = self.ended();
            let output = self.output();
            let there = output.get(start..).is_some_and(&found);
            (there || ended).then_some(there)
        });
        assert!(seen == Some(true), "{} did not show {what} within {limit:?}", self.name);
    }

    /// How it ended, if it did.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.status().is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When `limit` is over.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        poll(limit, || self.status()).unwrap_or_else(|| panic!("{} still runs after {limit:?}", self.name))
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&mut self, signal: Signal) {
        // The child has not been waited for when `ended` is false, so the number is still its own.
        if !self.ended() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Asks it to end, and makes it end when it has not after `patience`. How it ended.
    pub fn stop(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let status = poll(patience, || self.status());
        if status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- {}, end of {}\n{tail}", self.name, self.output.display());
        }
        self.stop(Duration::from_secs(2));
    }
}
