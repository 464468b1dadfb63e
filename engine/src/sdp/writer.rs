//! Writing session descriptions.

use std::fmt::{Display, Write as _};

use bytes::Bytes;

/// Writes a session description line by line, in the order of the calls. Lines end in CRLF; a NUL, CR or LF in a
/// value becomes a space, so that no value can add a line.
#[derive(Debug)]
pub struct Writer(Text);

#[derive(Debug)]
struct Text(String);

impl Default for Writer {
    fn default() -> Self {
        Self(Text(String::with_capacity(256)))
    }
}

impl Writer {
    /// Adds a line of this type letter.
    #[must_use]
    pub fn line(mut self, kind: char, value: impl Display) -> Self {
        self.0.0.push(kind);
        self.0.0.push('=');
        self.end(value)
    }

    /// Adds `a=name`.
    #[must_use]
    pub fn property(self, name: &str) -> Self {
        self.line('a', name)
    }

    /// Adds `a=name:value`.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Display) -> Self {
        self.0.0.push_str("a=");
        self.0.0.push_str(name);
        self.0.0.push(':');
        self.end(value)
    }

    /// The whole description.
    pub fn finish(self) -> Bytes {
        Bytes::from(self.0.0)
    }

    fn end(mut self, value: impl Display) -> Self {
        // Writing to memory cannot fail; a Display that does leaves its line short.
        let _ = write!(self.0, "{value}");
        self.0.0.push_str("\r\n");
        self
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            self.0.extend(text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
        } else {
            self.0.push_str(text);
        }
        Ok(())
    }
}
