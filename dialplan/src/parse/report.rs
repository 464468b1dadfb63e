//! The problems of a text, as many as anybody wants to read.

use smol_str::SmolStr;

use crate::limits;
use crate::names::hint;
use crate::source::{Fault, Problem, Span};

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    files: Vec<SmolStr>,
    /// Problems that are kept: errors, warnings.
    kept: [usize; 2],
    /// Problems that are only counted.
    more: [usize; 2],
    pub(super) failed: bool,
    /// There may be contexts that could not be read.
    pub(super) lost: bool,
}

impl Report {
    /// The next file begins.
    pub(super) fn file(&mut self, name: &str) {
        self.files.push(name.into());
    }

    /// The name of the file that a place is in.
    pub(super) fn name(&self, span: Span) -> String {
        self.files.get(usize::from(span.file)).map(SmolStr::to_string).unwrap_or_default()
    }

    /// The plan cannot be used.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.failed = true;
        self.add(span, message.into(), false);
    }

    /// The plan can be used, but something is odd.
    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>) {
        self.add(span, message.into(), true);
    }

    /// `: did you mean NAME?`, or nothing; also nothing when there is so much wrong that nobody would read it.
    pub(super) fn near<'a>(&self, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
        if self.kept.contains(&limits::PROBLEMS) { String::new() } else { hint(word, known) }
    }

    /// A fault of a piece of text, with where the piece's octets stand.
    pub(super) fn fault(&mut self, fault: Fault, place: impl FnOnce(usize) -> Span) {
        self.error(place(fault.at), fault.message);
    }

    fn add(&mut self, span: Span, message: String, warning: bool) {
        let kind = usize::from(warning);
        if self.kept[kind] >= limits::PROBLEMS {
            self.more[kind] += 1;
            return;
        }
        self.kept[kind] += 1;
        let file = self.files.get(usize::from(span.file)).cloned().unwrap_or_default();
        self.problems.push(Problem { file, span, message, warning });
    }

    /// All of them in the order of the text, errors and warnings.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.span);
        for (more, kind) in self.more.into_iter().zip(["errors", "warnings"]) {
            if let (Some(last), 1..) = (self.problems.last().cloned(), more) {
                let message = format!("and {more} more {kind}");
                self.problems.push(Problem { message, warning: kind == "warnings", ..last });
            }
        }
        self.problems
    }
}
