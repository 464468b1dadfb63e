//! What the tools say: lines for people, or JSON documents one a line.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time between two lines of progress where there is no terminal to write the same line again.
const SELDOM: Duration = Duration::from_secs(10);
/// Time between two of them on a terminal.
const OFTEN: Duration = Duration::from_millis(500);

/// The way to standard output; whoever closed it does not want to know.
#[derive(Debug)]
pub(super) struct Tell {
    json: bool,
    terminal: bool,
    /// Columns of the line that is to be written again.
    open: usize,
    next: Instant,
}

impl Tell {
    pub(super) fn new(json: bool) -> Self {
        let terminal = !json && io::stdout().is_terminal();
        Self { json, terminal, open: 0, next: Instant::now() + if terminal { OFTEN } else { SELDOM } }
    }

    /// Something has happened.
    pub(super) fn event(&mut self, text: impl Display, document: impl FnOnce() -> Value) {
        let mut out = io::stdout().lock();
        let _ = if self.json {
            writeln!(out, "{}", document())
        } else {
            let end = if self.open > 0 { "\n" } else { "" };
            writeln!(out, "{end}{text}")
        };
        self.open = 0;
        let _ = out.flush();
    }

    /// Something that only people want to know.
    pub(super) fn remark(&mut self, text: impl Display) {
        if !self.json {
            self.event(text, || Value::Null);
        }
    }

    /// Something is not as it should be; goes to standard error.
    pub(super) fn warn(&mut self, text: impl Display) {
        let end = if self.open > 0 { "\n" } else { "" };
        self.open = 0;
        let _ = writeln!(io::stderr(), "{end}telex: {text}");
    }

    /// When progress is to be told next.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// How things stand: on a terminal in place of how they stood before.
    pub(super) fn progress(&mut self, text: &str, document: impl FnOnce() -> Value) {
        self.next = Instant::now() + if self.terminal { OFTEN } else { SELDOM };
        if !self.terminal {
            return self.event(text, document);
        }
        let mut out = io::stdout().lock();
        let _ = write!(out, "\r{text:<width$}", width = self.open);
        let _ = out.flush();
        self.open = text.chars().count();
    }
}

/// `00:01:40`.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
