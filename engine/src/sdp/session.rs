//! A session description as a view over its bytes.

use smallvec::SmallVec;

use super::error::{Fault, ParseError};
use super::value::{Attribute, Bandwidth, Connection, MediaLine, Origin, Timing};
use crate::limits;

/// A session description (RFC 8866): its bytes, with an index of the lines.
///
/// Every line is kept, known or not, in the order of arrival; nothing is copied. Typed values are read from lines in
/// UTF-8; others stay as octets, since old phones put names in other character sets into lines that do not matter.
///
/// The order that RFC 8866 §5 asks for is demanded where it carries meaning: `v=`, `o=`, `s=` first and once, `m=`
/// beginning a media description. The optional lines of a section may stand in any order, since senders err there and
/// nothing is unclear by it. `v= o= s= c= t= m=` must be well formed; the others are looked into when they are asked
/// for. Type letters of unknown meaning are suffered, where RFC 8866 §5 would have the whole description refused.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    body: Body<'a>,
    lines: Lines,
    origin: Origin<'a>,
    connection: Option<Connection<'a>>,
    timing: Timing,
    media: MediaLines<'a>,
}

/// Where a line's value stands. 16 bits reach because a body is no longer than a message.
#[derive(Clone, Copy, Debug)]
struct Span {
    kind: u8,
    start: u16,
    end: u16,
}

/// The octets, and the same as text when all of it is UTF-8: then no line has to be checked by itself.
#[derive(Clone, Copy, Debug)]
struct Body<'a> {
    raw: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn octets(self, span: Span) -> &'a [u8] {
        self.raw.get(usize::from(span.start)..usize::from(span.end)).unwrap_or_default()
    }

    fn text(self, span: Span) -> Option<&'a str> {
        match self.text {
            Some(text) => text.get(usize::from(span.start)..usize::from(span.end)),
            None => std::str::from_utf8(self.octets(span)).ok(),
        }
    }
}

/// A line: its type letter, and what is behind the `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Type letter.
    pub kind: u8,
    /// Its value, without the line end.
    pub value: &'a [u8],
}

impl<'a> Session<'a> {
    /// Reads a session description. Lines may end in CRLF or in LF alone (RFC 8866 §5).
    ///
    /// # Errors
    /// The first [`Fault`] with its line.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ParseError> {
        let body = Body { raw, text: std::str::from_utf8(raw).ok() };
        let mut reader = Reader::default();
        let (origin, timing) = reader.read(body).map_err(|fault| ParseError {
            fault,
            line: u16::try_from(reader.lines.len() + 1).unwrap_or(u16::MAX),
        })?;
        let Reader { lines, connection, media, .. } = reader;
        Ok(Self { body, lines, origin, connection, timing, media })
    }

    /// All of it, as it came.
    pub fn raw(&self) -> &'a [u8] {
        self.body.raw
    }

    /// Every line in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + '_ {
        self.section(0, self.lines.len()).lines()
    }

    /// Who made it, and which edition it is.
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// The session's own `c=` line, for all media that have none.
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.connection
    }

    /// The first `t=` line.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// What stands before the first media description.
    pub fn session(&self) -> Section<'a, '_> {
        let end = self.media.first().map_or(self.lines.len(), |(index, _)| *index);
        self.section(0, end)
    }

    /// The media descriptions in order.
    pub fn media(&self) -> impl ExactSizeIterator<Item = Media<'a, '_>> + '_ {
        self.media.iter().enumerate().map(|(n, (start, line))| {
            let end = self.media.get(n + 1).map_or(self.lines.len(), |(index, _)| *index);
            Media { line: *line, section: self.section(*start, end) }
        })
    }

    fn section(&self, start: usize, end: usize) -> Section<'a, '_> {
        Section { body: self.body, lines: self.lines.get(start..end).unwrap_or_default() }
    }
}

/// One media description of a [`Session`].
#[derive(Clone, Copy, Debug)]
pub struct Media<'a, 's> {
    /// Its `m=` line.
    pub line: MediaLine<'a>,
    /// All its lines, `m=` the first.
    pub section: Section<'a, 's>,
}

/// The session level, or one media description, of a [`Session`].
#[derive(Clone, Copy, Debug)]
pub struct Section<'a, 's> {
    body: Body<'a>,
    lines: &'s [Span],
}

impl<'a, 's> Section<'a, 's> {
    /// Every line in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a, 's> {
        let body = self.body;
        self.lines.iter().map(move |span| Line { kind: span.kind, value: body.octets(*span) })
    }

    /// The values of the lines with this type letter that are UTF-8.
    pub fn values(&self, kind: u8) -> impl Iterator<Item = &'a str> + use<'a, 's> {
        let body = self.body;
        self.lines.iter().filter(move |span| span.kind == kind).filter_map(move |span| body.text(*span))
    }

    /// The first `c=` line of the section.
    pub fn connection(&self) -> Option<Connection<'a>> {
        Connection::parse(self.values(b'c').next()?)
    }

    /// The `b=` lines that can be read.
    pub fn bandwidths(&self) -> impl Iterator<Item = Bandwidth<'a>> + use<'a, 's> {
        self.values(b'b').filter_map(Bandwidth::parse)
    }

    /// The `a=` lines.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a, 's> {
        self.values(b'a').map(Attribute::parse)
    }

    /// The value of the first attribute of this name; empty for one that has none.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes().find(|a| a.name == name).map(|a| a.value)
    }
}

type Lines = SmallVec<[Span; 48]>;
type MediaLines<'a> = SmallVec<[(usize, MediaLine<'a>); 2]>;

/// What is known of a session description while it is read: all its lines so far, of which a fault is in the next.
#[derive(Default)]
struct Reader<'a> {
    lines: Lines,
    origin: Option<Origin<'a>>,
    connection: Option<Connection<'a>>,
    timing: Option<Timing>,
    media: MediaLines<'a>,
}

impl<'a> Reader<'a> {
    /// Finds the lines and looks into those that must be right. Empty ones are suffered at the end only.
    fn read(&mut self, body: Body<'a>) -> Result<(Origin<'a>, Timing), Fault> {
        let raw = body.raw;
        let end = raw.len() - raw.iter().rev().take_while(|&&b| b == b'\r' || b == b'\n').count();
        let raw = raw.get(..end).filter(|raw| raw.len() <= limits::MESSAGE_OCTETS).ok_or(Fault::TooLong)?;
        let mut returns = memchr::memchr_iter(b'\r', raw).count();
        let nul = memchr::memchr(0, raw).is_some();
        let mut start = 0;
        while let Some(rest) = raw.get(start..).filter(|rest| !rest.is_empty()) {
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let mut line = rest.get(..length).unwrap_or_default();
            if let Some(shorter) = line.strip_suffix(b"\r") {
                returns -= 1; // it is one of those counted
                line = shorter;
            }
            let &[kind @ (b'a'..=b'z' | b'A'..=b'Z'), b'=', ref value @ ..] = line else {
                return Err(Fault::NotALine);
            };
            if nul && memchr::memchr(0, value).is_some() {
                return Err(Fault::ControlCharacter);
            }
            if self.lines.len() >= limits::SDP_LINES {
                return Err(Fault::TooManyLines);
            }
            let place = |offset: usize| u16::try_from(offset).map_err(|_| Fault::TooLong);
            let span = Span { kind, start: place(start + 2)?, end: place(start + line.len())? };
            self.line(kind, span, body)?;
            self.lines.push(span);
            start += length + 1;
        }
        if returns > 0 {
            let found = self.lines.iter().position(|span| body.octets(*span).contains(&b'\r'));
            self.lines.truncate(found.unwrap_or_default());
            return Err(Fault::ControlCharacter);
        }
        match (self.lines.len(), self.origin, self.timing) {
            (0, ..) => Err(Fault::Version),
            (_, None, _) => Err(Fault::Origin),
            (2, ..) => Err(Fault::Name),
            (_, Some(_), None) => Err(Fault::NoTiming),
            (_, Some(origin), Some(timing)) => Ok((origin, timing)),
        }
    }

    /// Looks into the next line.
    fn line(&mut self, kind: u8, span: Span, body: Body<'a>) -> Result<(), Fault> {
        let text = || body.text(span);
        match (self.lines.len(), kind) {
            (0, b'v') if text().is_some_and(|text| text.trim_ascii_end() == "0") => {}
            (0, _) => return Err(Fault::Version),
            (1, b'o') => self.origin = Some(text().and_then(Origin::parse).ok_or(Fault::Origin)?),
            (1, _) => return Err(Fault::Origin),
            (2, b's') => {}
            (2, _) => return Err(Fault::Name),
            (index, b'm') => self.media_line(index, text().ok_or(Fault::Media)?)?,
            (_, b'c') => {
                let connection = text().and_then(Connection::parse).ok_or(Fault::Connection)?;
                if self.media.is_empty() && self.connection.replace(connection).is_some() {
                    return Err(Fault::Misplaced);
                }
            }
            (_, b't') if self.media.is_empty() => {
                let timing = text().and_then(Timing::parse).ok_or(Fault::Timing)?;
                self.timing.get_or_insert(timing);
            }
            (_, b'v' | b'o' | b's' | b't') => return Err(Fault::Misplaced),
            _ => {}
        }
        Ok(())
    }

    fn media_line(&mut self, index: usize, value: &'a str) -> Result<(), Fault> {
        let line = MediaLine::parse(value).ok_or(Fault::Media)?;
        if self.media.len() >= limits::SDP_MEDIA {
            return Err(Fault::TooManyMedia);
        }
        if line.formats().count() > limits::SDP_FORMATS {
            return Err(Fault::TooManyFormats);
        }
        self.media.push((index, line));
        Ok(())
    }
}
