//! Why a session description is refused.

use std::fmt;

/// What is wrong with a session description, and where. Its text is short ASCII, fit for a reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad SDP at line {line}: {fault}")]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Line number, counted from 1.
    pub line: u16,
}

/// What can be wrong with a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is longer than [`crate::limits::MESSAGE_OCTETS`].
    TooLong,
    /// It has more lines than [`crate::limits::SDP_LINES`].
    TooManyLines,
    /// It has more media descriptions than [`crate::limits::SDP_MEDIA`].
    TooManyMedia,
    /// A media description has more formats than [`crate::limits::SDP_FORMATS`].
    TooManyFormats,
    /// A line is not a letter, `=` and a value.
    NotALine,
    /// A line holds a NUL or a CR that ends nothing.
    ControlCharacter,
    /// It does not begin with `v=0`.
    Version,
    /// `o=` is missing, or is not six fields with two numbers among them.
    Origin,
    /// `s=` is missing.
    Name,
    /// `v=`, `o=`, `s=` or the session's `c=` comes twice, or a session line comes after `m=`.
    Misplaced,
    /// `c=` is not three fields, or its address does not fit its type.
    Connection,
    /// `t=` is not two numbers.
    Timing,
    /// There is no `t=`.
    NoTiming,
    /// `m=` is not media, port, protocol and formats.
    Media,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::TooManyLines => "too many lines",
            Self::TooManyMedia => "too many m= lines",
            Self::TooManyFormats => "too many formats",
            Self::NotALine => "not type=value",
            Self::ControlCharacter => "control character",
            Self::Version => "v=0 expected",
            Self::Origin => "bad or missing o=",
            Self::Name => "s= expected",
            Self::Misplaced => "line repeated or out of place",
            Self::Connection => "bad c=",
            Self::Timing => "bad t=",
            Self::NoTiming => "t= missing",
            Self::Media => "bad m=",
        })
    }
}
