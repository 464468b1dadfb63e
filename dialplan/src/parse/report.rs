//! The problems of a text, as many as anybody wants to read.

use smol_str::SmolStr;

use crate::limits;
use crate::source::{Fault, Problem, Span};

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    files: Vec<SmolStr>,
    /// Problems that are only counted: errors, warnings.
    more: [usize; 2],
    pub(super) failed: bool,
}

impl Report {
    /// The next file begins.
    pub(super) fn file(&mut self, name: &str) {
        self.files.push(name.into());
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

    /// A fault of a piece of text, with where the piece's octets stand.
    pub(super) fn fault(&mut self, fault: Fault, place: impl FnOnce(usize) -> Span) {
        self.error(place(fault.at), fault.message);
    }

    fn add(&mut self, span: Span, message: String, warning: bool) {
        let kept = self.problems.iter().filter(|problem| problem.warning == warning).count();
        if kept >= limits::PROBLEMS {
            self.more[usize::from(warning)] += 1;
            return;
        }
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
