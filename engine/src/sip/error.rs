//! What is wrong with a piece of SIP text.

use std::fmt;

use super::status::Status;

/// A syntax error. Its display is a short ASCII phrase, fit to be the reason phrase of a 400: `bad Via: port is not a
/// number`. It never repeats what the peer wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    part: &'static str,
    why: Why,
    offset: u32,
}

/// The kinds of syntax error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A mandatory header field is not there.
    Missing,
    /// A header field that may stand only once stands twice.
    Repeated,
    /// There is nothing where something must be.
    Empty,
    /// A character that may not stand there.
    Character,
    /// More text than the grammar knows.
    Trailing,
    /// A line without a colon, or with no header name before it.
    NoColon,
    /// A carriage return without a line feed.
    Control,
    /// The empty line after the header fields is not there.
    NoEnd,
    /// Not the start of any SIP message.
    NotSip,
    /// The version is not SIP/2.0.
    Version,
    /// A quoted string has no end.
    Unquoted,
    /// A `<` has no `>`.
    Unclosed,
    /// A URI has no scheme.
    NoScheme,
    /// A percent sign without two hexadecimal digits.
    Escape,
    /// Not a host name and not an address.
    Host,
    /// A port that is not a number up to 65535.
    Port,
    /// A parameter without name, or with an empty value.
    Parameter,
    /// Not a decimal number.
    Number,
    /// A number that is larger than its meaning allows.
    Range,
    /// A URI with headers outside `<` and `>` (RFC 3261 §20.10).
    Brackets,
    /// The method of CSeq is not that of the request.
    Method,
    /// Content-Length is more than there is.
    Short,
    /// More octets, fields or values than the limits allow.
    TooLarge,
}

impl Why {
    /// The phrase after `bad NAME: `.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Repeated => "stands more than once",
            Self::Empty => "empty",
            Self::Character => "unexpected character",
            Self::Trailing => "text after the value",
            Self::NoColon => "no header name and colon",
            Self::Control => "carriage return without line feed",
            Self::NoEnd => "no empty line after the header fields",
            Self::NotSip => "not SIP",
            Self::Version => "version is not SIP/2.0",
            Self::Unquoted => "quoted string without end",
            Self::Unclosed => "< without >",
            Self::NoScheme => "URI without scheme",
            Self::Escape => "% without two hexadecimal digits",
            Self::Host => "not a host",
            Self::Port => "port is not a number",
            Self::Parameter => "parameter without name or value",
            Self::Number => "not a number",
            Self::Range => "number out of range",
            Self::Brackets => "URI with headers outside < and >",
            Self::Method => "not the method of the request",
            Self::Short => "more than the message holds",
            Self::TooLarge => "over the limit",
        }
    }
}

impl ParseError {
    /// Something wrong in `part`, at `offset` octets from the start of the text that was parsed.
    pub(crate) fn new(part: &'static str, why: Why, offset: usize) -> Self {
        Self { part, why, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// The header field or part of the message that is wrong.
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// What is wrong with it.
    pub fn why(&self) -> Why {
        self.why
    }

    /// Where: octets from the start of the text that was parsed. Accessors of a message count from the start of the
    /// message.
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The status a request with this error is answered with: 505 for the version, 513 for size, 400 for the rest
    /// (RFC 3261 §21.4.1, §21.5.6, §21.5.7).
    pub fn status(&self) -> Status {
        match self.why {
            Why::Version => Status::VERSION_NOT_SUPPORTED,
            Why::TooLarge => Status::MESSAGE_TOO_LARGE,
            _ => Status::BAD_REQUEST,
        }
    }

    /// The same error, named after the header field it was found in.
    pub(crate) fn named(self, part: &'static str) -> Self {
        Self { part, ..self }
    }

    /// The same error, `base` octets further on.
    pub(crate) fn shifted(self, base: usize) -> Self {
        Self { offset: self.offset.saturating_add(u32::try_from(base).unwrap_or(u32::MAX)), ..self }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Missing => write!(f, "missing {}", self.part),
            Why::Repeated => write!(f, "{} {}", self.part, self.why.as_str()),
            _ => write!(f, "bad {}: {}", self.part, self.why.as_str()),
        }
    }
}

impl std::error::Error for ParseError {}
