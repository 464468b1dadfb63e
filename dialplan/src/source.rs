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
    /// Name of the file.
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
        write!(f, "{}:{}:{}: {kind}{}", self.file, self.span.line, self.span.column, self.message)
    }
}
