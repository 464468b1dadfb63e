//! Where something stands in the text of a dialplan, and what is wrong there.

use smol_str::SmolStr;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    /// Which file, in the order they were read.
    pub file: u16,
    /// Line, from 1; 0 for what nobody wrote.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Something wrong in a dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file; the whole place where the line is 0.
    pub file: SmolStr,
    /// Where.
    pub span: Span,
    /// What, and what to do about it: one sentence, without place.
    pub message: String,
    /// The plan can be used all the same.
    pub warning: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.warning { "warning: " } else { "" };
        match self.span {
            Span { line: 0, .. } => write!(f, "{}: {kind}{}", self.file, self.message),
            Span { line, column, .. } => write!(f, "{}:{line}:{column}: {kind}{}", self.file, self.message),
        }
    }
}

/// What is wrong with a piece of text, for whom knows where the piece stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Octets from the start of the piece.
    pub at: usize,
    /// What, and what to do about it.
    pub message: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Why a dialplan was not taken: every error of it, and its warnings, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
